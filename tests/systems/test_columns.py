"""Data of any kind: named columns, pairs, unpaired sets, crops and flips."""

import numpy as np
import pytest
from paired_cases import paired_set, unpaired_set

from numgan import data
from numgan.core.randomness import stream
from numgan.data import Dataset, Unpaired, paired


def test_columns_of_any_kind_are_taken_by_position():
    tokens = np.arange(12).reshape(4, 3)
    frames = np.arange(40, dtype=np.float32).reshape(4, 5, 2)
    photos = np.arange(4 * 16 * 3, dtype=np.uint8).reshape(4, 4, 4, 3)
    dataset = Dataset("clips", frames, others={"tokens": tokens, "photo": photos})
    rows = dataset.rows([2, 0, 2])
    assert np.array_equal(rows["x"], frames[[2, 0, 2]]) and np.array_equal(rows["tokens"], tokens[[2, 0, 2]])
    assert np.allclose(rows["photo"], photos[[2, 0, 2]] / 127.5 - 1, atol=1e-6)
    assert np.allclose(dataset.rows([1], pixels=(0, 1))["photo"], photos[[1]] / 255, atol=1e-6)


def test_pairs_stay_together_in_every_batch():
    feed = paired_set().feed(7, 5)
    for k in range(20):
        rows = feed.batch(k)
        assert np.array_equal(rows["x"], rows["y"][:, ::-1]) and len(rows["x"]) == 7


def test_a_missing_partner_is_named():
    x = np.zeros((3, 2), np.float32)
    one = Dataset("a", x, names=("cat", "dog", "owl"))
    with pytest.raises(ValueError, match="row owl of x has no partner in y"):
        paired("pets", x=one, y=Dataset("b", x[:2], names=("dog", "cat")))
    with pytest.raises(ValueError, match="row 2 of x has no partner in y"):
        paired("pets", x=Dataset("a", x), y=Dataset("b", x[:2]))
    with pytest.raises(ValueError, match="two rows of one name"):
        paired(
            "pets", x=one, y=Dataset("b", np.zeros((4, 2), np.float32), names=("cat", "dog", "owl", "owl"))
        )
    found = paired("pets", x=one, y=Dataset("b", np.eye(3, 2, dtype=np.float32), names=("owl", "cat", "dog")))
    assert np.array_equal(found.columns["y"], np.eye(3, 2)[[1, 2, 0]])


def test_unpaired_sides_have_their_own_order_and_see_every_row():
    dataset = unpaired_set()
    batches = [dataset.feed(10, 2).batch(k) for k in range(7)]
    assert len(np.unique(np.concatenate([rows["x"] for rows in batches]), axis=0)) == 70
    assert len(np.unique(np.concatenate([rows["y"] for rows in batches[:5]]), axis=0)) == 50
    assert dataset.feed(10, 2).epoch(7) == 1 and dataset.sample_shape == (2,)


def test_crops_and_flips_are_functions_of_the_batch_number():
    x = stream(1, "photos").integers(0, 256, (6, 9, 7, 1)).astype(np.uint8)
    dataset = data.Augmented(paired("same", x=Dataset("a", x), y=Dataset("b", x)), crop=(6, 5), flip=True)
    assert dataset.sample_shape == (6, 5, 1) and len(dataset) == 6
    one, two = dataset.feed(6, 4), dataset.feed(6, 4)
    assert np.array_equal(one.batch(3)["x"], two.batch(3)["x"]) and not np.array_equal(
        one.batch(3)["x"], one.batch(4)["x"]
    )
    assert np.array_equal(one.batch(3)["x"], one.batch(3)["y"])
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], (6, 5), axis=(1, 2)).reshape(-1, 6, 5)
    known = {row.tobytes() for row in np.concatenate([windows, windows[..., ::-1]])}
    drawn = [
        np.rint((picture[..., 0] + 1) * 127.5).astype(np.uint8)
        for k in range(30)
        for picture in one.batch(k)["x"]
    ]
    assert all(np.ascontiguousarray(picture).tobytes() in known for picture in drawn)
    assert len({picture.tobytes() for picture in drawn}) > 100
    with pytest.raises(ValueError, match="expected a crop of at most"):
        data.Augmented(Dataset("a", x), crop=(10, 5))
    with pytest.raises(TypeError, match="augment each of its sides by itself"):
        data.Augmented(Unpaired("two", x=Dataset("a", x), y=Dataset("b", x)), flip=True)
    both = Unpaired(
        "two", x=data.Augmented(Dataset("a", x), flip=True), y=data.Augmented(Dataset("b", x), flip=True)
    )
    rows = [both.feed(6, 4).batch(k) for k in range(5)]
    assert any(not np.array_equal(np.sort(row["x"], axis=0), np.sort(row["y"], axis=0)) for row in rows)


@pytest.mark.parametrize(
    "column", [[1, 2, 3], np.float32(3), np.array(["a", "b", "c"]), np.array([1, None, 2], object)]
)
def test_a_column_is_an_array_of_numbers(column):
    with pytest.raises(ValueError, match="expected the column t as an array of numbers"):
        Dataset("a", np.zeros((3, 2), np.float32), others={"t": column})
