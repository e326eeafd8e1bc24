"""Columns of a table that are named as pixels become pictures."""

import re

import numpy as np
import pytest

from numgan.data import load
from numgan.training.recipes import Recipe

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 4, 4), np.uint8)
PICTURES[0, 0, 0] = 255
NAMES = {
    "kaggle": [f"pixel{k}" for k in range(16)],
    "from 1": [f"pixel{k + 1}" for k in range(16)],
    "padded": [f"pixel{k:04}" for k in range(16)],
    "underscore": [f"Pixel_{k}" for k in range(16)],
    "places": [f"{row + 1}x{column + 1}" for row in range(4) for column in range(4)],
    "scikit-learn": [f"pixel_{row}_{column}" for row in range(4) for column in range(4)],
}


def write(path, names, rows, labels=None, last=False):
    table = [[*names], *rows.tolist()]
    if labels is not None:
        column = ["label", *labels]
        table = [[*row, k] if last else [k, *row] for row, k in zip(table, column, strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in table))
    return path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("last", [False, True])
def test_named_pixels_are_pictures(tmp_path, names, last):
    made = load(write(tmp_path / "t.csv", names, PICTURES.reshape(6, 16), [3, 1, 3, 7, 1, 3], last))
    assert made.is_images and made.x.dtype == np.uint8 and made.column_names is None
    np.testing.assert_array_equal(made.x[..., 0], PICTURES)
    assert made.classes == ("1", "3", "7") and made.labels.tolist() == [1, 0, 1, 2, 0, 1]


def test_the_order_of_the_columns_does_not_matter(tmp_path):
    order = np.random.default_rng(1).permutation(16)
    for names in NAMES.values():
        path = write(tmp_path / "t.csv", [names[k] for k in order], PICTURES.reshape(6, 16)[:, order])
        np.testing.assert_array_equal(load(path).x[..., 0], PICTURES)


def test_pictures_need_not_be_square_if_the_names_have_two_numbers(tmp_path):
    names = [f"{row}x{column}" for row in range(1, 3) for column in range(1, 9)]
    made = load(write(tmp_path / "t.csv", names, PICTURES.reshape(6, 16)))
    np.testing.assert_array_equal(made.x, PICTURES.reshape(6, 2, 8, 1))


def test_pixels_from_0_to_1_become_bytes(tmp_path):
    rows = PICTURES.reshape(6, 16) / 255
    np.testing.assert_array_equal(load(write(tmp_path / "t.csv", NAMES["kaggle"], rows)).x[..., 0], PICTURES)
    ink = (PICTURES > 99).astype(int).reshape(6, 16)
    made = load(write(tmp_path / "t.csv", NAMES["kaggle"], ink))
    np.testing.assert_array_equal(made.x.reshape(6, 16), 255 * ink)


@pytest.mark.parametrize(
    "names, rows, why",
    [
        (NAMES["kaggle"], PICTURES.reshape(6, 16) - 300.0, "neither whole numbers to 255 nor from 0 to 1"),
        (NAMES["kaggle"], PICTURES.reshape(6, 16) + 0.5, "neither whole numbers to 255 nor from 0 to 1"),
        (NAMES["kaggle"][:12], PICTURES.reshape(6, 16)[:, :12], "12 pixels are no square of grey pixels"),
    ],
)
def test_other_values_and_numbers_of_pixels_stay_rows_with_a_warning(tmp_path, names, rows, why):
    path = write(tmp_path / "t.csv", names, rows)
    with pytest.warns(UserWarning, match=why):
        made = load(path)
    np.testing.assert_array_equal(made.x, np.float32(rows))
    assert made.column_names == tuple(names)


@pytest.mark.parametrize("names", [["pixel0", "pixel2", "pixel3", "pixel4"], ["pixel0", "b", "c", "d"]])
def test_other_names_are_rows(tmp_path, names):
    assert load(write(tmp_path / "t.csv", names, PICTURES.reshape(24, 4))).sample_shape == (4,)


def test_a_table_of_digits_trains_a_preset_for_pictures(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (20, 784))
    path = write(tmp_path / "train.csv", [f"pixel{k}" for k in range(784)], rows, [0, 1] * 10)
    recipe = Recipe("dcgan", data=str(path)).resolve()
    assert recipe.load().sample_shape == (28, 28, 1)
    write(tmp_path / "test.csv", [f"pixel{k}" for k in range(784)], rows[:4])  # Kaggle's has no labels
    assert len(recipe.load("test")) == 4 and recipe.load("test").labels is None


@pytest.mark.parametrize("columns", [784, 785])
@pytest.mark.parametrize("preset", [None, "mnist"])
def test_rows_without_names_are_told_how_to_become_pictures(tmp_path, columns, preset):
    path = tmp_path / "t.csv"
    np.savetxt(path, np.random.default_rng(0).integers(0, 256, (5, columns)), "%d", ",")
    with pytest.raises(ValueError, match=re.escape(f"({columns},)")) as caught:
        Recipe("dcgan", preset, str(path)).resolve().load()
    assert "name the columns pixel0 to pixel783" in str(caught.value)
    assert 'np.savez("data.npz", x=x.reshape(-1, 28, 28).astype("uint8"))' in str(caught.value)
