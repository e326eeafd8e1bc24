"""Rows in files: arrays and tables of text, whole and damaged."""

import gzip
import pickle
import re

import numpy as np
import pytest

from numgan.core.errors import FileFormatError
from numgan.data import load
from numgan.data.tables import numbered

ROWS = [[1.5, -2.0], [3.0, 4e3], [0.25, 6.0]]
PICTURES = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.csv", "1.5,-2\n3,4e3\n0.25,6\n"),
        ("a.csv", "width,height\n1.5,-2\n3,4e3\n0.25,6"),
        ("a.csv", '\ufeff"width","height"\r\n1.5,"-2"\r\n3,4e3\r\n\r\n0.25,6\r\n'),
        ("a.csv", "1.5;-2\n3;4e3\n0.25;6\n"),
        ("a.tsv", "a\tb\n1.5\t-2\n3\t4e3\n0.25\t6\n"),
        ("a.txt", "1.5 -2\n3 4e3\n0.25  6\n"),
        ("a.csv.gz", "1.5,-2\n3,4e3\n0.25,6\n"),
    ],
)
def test_tables_of_text(tmp_path, name, text):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    made = load(tmp_path / name)
    np.testing.assert_array_equal(made.x, np.float32(ROWS))
    assert made.labels is None


@pytest.mark.parametrize(
    "text, classes",
    [
        ("a,species,b\n1,rose,2\n3,iris,4\n5,rose,6\n", ("iris", "rose")),
        ("1,rose,2\n3,iris,4\n5,rose,6\n", ("iris", "rose")),
        ("a,Label,b\n1,10,2\n3,2,4\n5,10,6\n", ("2", "10")),
    ],
)
def test_the_column_of_labels(tmp_path, text, classes):
    (tmp_path / "a.csv").write_text(text)
    made = load(tmp_path / "a.csv")
    assert made.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert made.classes == classes and made.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\n1,2\n3,\n5,6\n", "a.csv, line 3, column 'b': expected a finite number, got an empty cell"),
        ("a,b\n1,2\n3,4\nx,6\n", "a.csv, line 4, column 'a': expected a finite number, got 'x'"),
        ("a,b\n1,2\n3,nan\n5,6\n", "line 3, column 'b': expected a finite number, got 'nan'"),
        ("a,b\n1,2\n3\n5,6\n", "a.csv, line 3: expected 2 cells, got 1"),
        ("a,label\n1,2\n3,\n5,6\n", "line 3, column 'label': expected a finite number, got an empty cell"),
        ("", "a.csv: expected a table with rows of numbers, got no rows"),
        ("a,b\n", "got no rows"),
    ],
)
def test_damaged_tables(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "x, y", [("x", "y"), ("images", "labels"), ("data", "target"), ("x_train", "y_train")]
)
def test_names_of_arrays(tmp_path, save, x, y):
    save(tmp_path / "a.npz", **{x: PICTURES, y: np.uint8([5, 9, 5])})
    made = load(tmp_path / "a.npz")
    assert made.is_images and made.labels.tolist() == [0, 1, 0] and made.classes == ("5", "9")
    with pytest.raises(ValueError, match="no split 'test'"):
        load(tmp_path / "a.npz", "test")


def test_names_of_classes_and_one_array_of_any_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=ROWS, y=[0, 2, 0], classes=["a", "b", "c"])
    assert load(tmp_path / "a.npz").classes == ("a", "b", "c")
    np.savez(tmp_path / "b.npz", anything=ROWS)
    np.save(tmp_path / "b.npy", ROWS)
    for name in ("b.npz", "b.npy"):
        np.testing.assert_array_equal(load(tmp_path / name).x, np.float32(ROWS))


def test_pairs_of_files_and_their_test_parts(tmp_path):
    for split, n in (("train", 3), ("test", 2)):
        np.savez_compressed(tmp_path / f"k-{split}-imgs.npz", PICTURES[:n])
        np.savez_compressed(tmp_path / f"k-{split}-labels.npz", np.uint8([0, 1, 1])[:n])
    for split, n in (("train", 3), ("test", 2)):
        made = load(tmp_path / "k-train-imgs.npz", split)
        assert len(made) == n and made.labels.tolist() == [0, 1, 1][:n]


def test_what_is_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(ROWS))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(ROWS))
    (tmp_path / "a.mat").write_bytes(b"MATLAB")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n3,4\n" * 99)[:-9])
    for name in ("a.npy", "a.npz", "b.npz", "a.pkl", "a.mat", "a.csv.gz"):
        with pytest.raises(FileFormatError, match=re.escape(name)):
            load(tmp_path / name)


def test_natural_order():
    assert numbered(["10", "2", "-1"])[1] == ("-1", "2", "10")
    assert numbered(["a10", "a2", "b"])[1] == ("a2", "a10", "b")


def test_a_partner_file_of_labels_may_be_an_npy_file(tmp_path):
    x, y = np.zeros((6, 4, 4), np.uint8), np.array([2, 0, 1, 2, 0, 1])
    np.save(tmp_path / "k49-train-imgs.npy", x)
    np.save(tmp_path / "k49-train-labels.npy", y)
    found = load(tmp_path / "k49-train-imgs.npy")
    assert found.labels.tolist() == y.tolist() and found.sample_shape == (4, 4, 1)


@pytest.mark.parametrize(
    "names",
    [
        {"X": "x", "y": "y"},
        {"samples": "x", "targets": "y"},
        {"features": "x", "label": "y", "target_names": "names"},
        {"X_train": "x", "y_train": "y", "X_test": "x", "y_test": "y"},
        {"train_images": "x", "train_labels": "y", "test_images": "x", "test_labels": "y"},
    ],
)
def test_names_of_arrays_as_people_write_them(tmp_path, names):
    values = {
        "x": np.arange(12.0).reshape(6, 2),
        "y": np.array([1, 2, 1, 2, 1, 2]),
        "names": np.array(["a", "b"]),
    }
    np.savez(tmp_path / "d.npz", **{name: values[kind] for name, kind in names.items()})
    found = load(tmp_path / "d.npz")
    assert found.labels.tolist() == [0, 1] * 3 and np.array_equal(found.x, values["x"])
    assert found.classes == (("a", "b") if "names" in names.values() else ("1", "2"))
    if len(names) == 4:
        assert len(load(tmp_path / "d.npz", "test")) == 6


def test_the_index_column_of_pandas_is_left_out(tmp_path):
    (tmp_path / "t.csv").write_text(",a,b\n0,1.5,2\n1,3.5,4\n2,5.5,6\n")
    with pytest.warns(UserWarning, match="the first column numbers the rows"):
        found = load(tmp_path / "t.csv")
    assert found.x.tolist() == [[1.5, 2], [3.5, 4], [5.5, 6]]


def test_a_real_first_column_of_whole_numbers_stays(tmp_path):
    (tmp_path / "t.csv").write_text("0,1.5\n1,3.5\n2,5.5\n")
    assert load(tmp_path / "t.csv").x.tolist() == [[0, 1.5], [1, 3.5], [2, 5.5]]
    (tmp_path / "t.csv").write_text("time,a\n0,1.5\n1,3.5\n")
    assert load(tmp_path / "t.csv").x.tolist() == [[0, 1.5], [1, 3.5]]


def test_numbers_with_commas_are_named(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1,000",2\n"2,500",3\n')
    with pytest.raises(
        FileFormatError, match="line 2, column 'a': expected a finite number, got '1,000', with a comma"
    ):
        load(tmp_path / "t.csv")
