"""Rows in files: .npy and .npz arrays, and tables of numbers as text (.csv, .tsv, .txt, also .csv.gz).

    x, labels, classes = load_table("flowers.csv", "train")

Nothing is unpickled. Files of more than arrays.MOST bytes, packed or unpacked, are refused.
"""

import csv
import gzip
import io
import math
import os
import re
import warnings
import zipfile

import numpy as np

from ..core.arrays import MOST, array_of, expect_directory, load_array
from ..core.errors import FileFormatError, NoTestPart, damaged
from ..core.files import opened, read
from .kinds import packed_in
from .order import natural

ARRAYS, TEXTS = (".npy", ".npz"), (".csv", ".tsv", ".txt")
OTHERS = {  # {suffix: how to convert the file}
    ".mat": 'np.savez("data.npz", x=scipy.io.loadmat("data.mat")["X"])',
    ".h5": 'np.savez("data.npz", x=h5py.File("data.h5")["x"][:])',
    ".hdf5": 'np.savez("data.npz", x=h5py.File("data.hdf5")["x"][:])',
    ".parquet": 'pandas.read_parquet("data.parquet").to_csv("data.csv", index=False)',
    ".xlsx": 'pandas.read_excel("data.xlsx").to_csv("data.csv", index=False)',
    ".pkl": 'np.savez("data.npz", x=x), in the program that made the file',
    ".pickle": 'np.savez("data.npz", x=x), in the program that made the file',
    ".pt": 'np.savez("data.npz", x=x.numpy()), in the program that made the file',
}
# Names of arrays in an .npz file, in small letters
KEYS = ("x", "images", "imgs", "data", "samples", "features")
LABELS = ("y", "labels", "label", "target", "targets")
CLASSES = ("classes", "names", "label_names", "class_names", "target_names")
PARTS = ("{}_{split}", "{split}_{}", "{}{split}")  # x_train, train_images
LABEL_COLUMNS = ("label", "labels", "class", "target", "species")
ADVICE = "repair this cell, or remove its line or column"


def load_table(path, split="train"):
    """Load the file `path`: samples (N, ...), labels (N,) int64 or None, and the names of the classes.

    split   "train" or "test". An .npz file may have both (x_train, y_train, x_test, y_test). A pair of files
            such as kmnist-train-imgs.npz and kmnist-train-labels.npz may have a pair with "test" in the names

    Raises ValueError if there is no such part, or for another kind of file; FileFormatError for a damaged
    file or a cell that is no number; OSError if the file cannot be read.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1]
    if suffix not in ARRAYS + TEXTS:
        how = f"; convert it: {OTHERS[suffix]}" if suffix in OTHERS else packed_in([path])
        how = how or "; convert it to one of them"
        raise FileFormatError(
            f"{path}: expected a file {', '.join(ARRAYS + TEXTS)}, got {suffix or 'no suffix'}{how}"
        )
    folder, name = os.path.split(path)
    partner = re.sub("imgs|images", "labels", name) if suffix in ARRAYS else name
    if split == "test" and "train" in name:
        path, partner = os.path.join(folder, name.replace("train", "test")), partner.replace("train", "test")
    elif split == "test" and suffix != ".npz":
        raise _no_test_part(path)
    if suffix in TEXTS:
        return _parse(path)
    arrays = {"x": load_array(path)} if suffix == ".npy" else load_npz(path)
    x, labels, known = _sides(path, arrays, split, "train" in name)
    labels_path = os.path.join(folder, partner)
    if labels is None and partner != name and os.path.isfile(labels_path):
        labels = load_array(labels_path) if suffix == ".npy" else next(iter(load_npz(labels_path).values()))
        if labels.size != len(x):
            raise damaged(labels_path, f"{len(x):,} labels, one for each row of {path}", f"{labels.size:,}")
    if labels is None:
        return x, None, ()
    if labels.ndim > 2 or labels.size != len(x) or labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise damaged(path, f"{len(x):,} labels, whole numbers or words", f"{labels.shape} {labels.dtype}")
    if known is not None and labels.dtype.kind in "iu":
        first = int(labels.min() == 1 and labels.max() == len(known))  # labels 1 to K of K names
        return x, labels.reshape(-1).astype(np.int64) - first, tuple(map(str, known.reshape(-1)))
    return x, *numbered([str(int(k) if labels.dtype.kind in "fb" else k) for k in labels.reshape(-1)])


def table_in(folder):
    """The path of the file of rows or arrays in a folder that holds nothing else; None for another folder.

    A file of labels, and a file whose name has "test" in it, belong to this file (see `load_table`).
    """
    names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    kinds = (*ARRAYS, ".csv", ".tsv", ".csv.gz", ".tsv.gz")
    others = [name for name in names if not name.lower().startswith(("readme", "license"))]
    if not others or any(not name.lower().endswith(kinds) for name in others):
        return None
    found = [name for name in others if not re.search("label|test|target", name.lower())]
    return os.path.join(folder, found[0]) if len(found) == 1 else None


def _no_test_part(path):
    return NoTestPart(f"load({path!r}): this file has no split 'test'; load the file that holds that part")


def _sides(path, arrays, split, own):
    """(x, labels or None, names of the classes or None) of the split, three arrays of an .npz file.

    own   the file's name has the name of the split, so that the arrays are those of the split
    """
    named = {name.lower(): array for name, array in arrays.items()}
    known = next((named.pop(name) for name in CLASSES if name in named), None)

    def side(keys, split):
        wanted = [form.format(key, split=split) for form in PARTS for key in keys]
        return next((named[name] for name in wanted if name in named), None)

    if side(KEYS, "train") is not None:
        if side(KEYS, split) is None:
            raise _no_test_part(path)
        return side(KEYS, split), side(LABELS, split), known
    if split == "test" and not own:
        raise _no_test_part(path)
    found = [name for name in KEYS if name in named] or (list(named) if len(named) == 1 else [])
    if not found:
        raise damaged(
            path, f"an array called {', '.join(KEYS)} or x_train", ", ".join(arrays) or "none", "rename it"
        )
    return named[found[0]], next((named[name] for name in LABELS if name in named), None), known


def load_npz(path):
    """{name: array} of an .npz file, which may be compressed. Raises FileFormatError and OSError."""
    data = read(path, MOST)
    try:
        expect_directory(file := io.BytesIO(data), 16, path)
        with zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST:
                raise damaged(path, f"at most {MOST:,} bytes when unpacked", "more", "make a smaller file")
            return {
                info.filename.removesuffix(".npy"): array_of(archive.read(info), path, "bfiuU")
                for info in archive.infolist()
            }
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        raise damaged(path, "whole arrays", f"{type(error).__name__}: {error}") from error


def numbered(words):
    """(labels (N,) int64, classes) of N words. Classes are in natural order: 2 before 10, a2 before a10."""
    signed = all(re.fullmatch(r"-?[0-9]+", word) for word in words)
    classes = tuple(sorted(set(words), key=int if signed else natural))
    places = {word: k for k, word in enumerate(classes)}
    return np.array([places[word] for word in words], np.int64), classes


def _parse(path):
    """The table in a text file: samples (N, F) float64, labels, classes."""
    try:
        with opened(path) as file:
            unpacked = gzip.GzipFile(fileobj=file) if path.lower().endswith(".gz") else file
            data = unpacked.read(MOST + 1)
        if len(data) > MOST:
            raise damaged(path, f"at most {MOST:,} bytes of text", "more", "make a smaller file")
        text = data.decode("utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        mark = max("\t;, ", key=lambda mark: (mark != " " and mark in first, first.count(mark)))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error, zipfile.zlib.error) as error:
        raise damaged(path, "a table as UTF-8 text", f"{type(error).__name__}: {error}") from error
    head = lines[0][1] if lines else []
    known = [name.lower() in LABEL_COLUMNS for name in head]
    if any(known) or not any(_number(cell) is not None for cell in head):
        names, lines = [name or f"Unnamed: {k}" for k, name in enumerate(head)], lines[1:]
    else:
        names = [f"column {k + 1}" for k in range(len(head))]
    if not lines:
        raise damaged(path, "a table with rows of numbers", "no rows", "check that it is the right file")
    for line, row in lines:
        if len(row) != len(names):
            raise damaged(f"{path}, line {line}", f"{len(names)} cells", f"{len(row)}", "repair this line")
    return _columns(path, names, lines)


def _columns(path, names, lines):
    numbers = [[_number(row[k]) for _, row in lines] for k in range(len(names))]
    words = [k for k, cells in enumerate(numbers) if cells.count(None) * 2 > len(cells)]
    words = [k for k in words if any(row[k] for _, row in lines)]  # an empty column has no words
    words = [k for k in words if not all(re.fullmatch(r"-?[0-9]+(,[0-9]+)+", row[k]) for _, row in lines)]
    named = [
        k
        for k, name in enumerate(names)
        if name.lower() in LABEL_COLUMNS
        and (k in words or all(v is not None and v % 1 == 0 for v in numbers[k]))
    ]
    label = (named or words or [None])[0]
    for k, name in enumerate(names):
        for (line, row), value in zip(lines, numbers[k], strict=True):
            if k == label and not row[k] or k != label and value is None:
                got = repr(row[k]) if row[k] else "an empty cell"
                expected = "a label" if k == label else "a finite number"
                if re.fullmatch(r"-?[0-9]+,[0-9]+", row[k]):
                    got += ", with a comma"
                raise damaged(f"{path}, line {line}, column {name!r}", expected, got, ADVICE)
    index = names[0] == "Unnamed: 0" and numbers[0] == list(range(len(lines))) and len(names) > 1
    if index:
        warnings.warn(
            f"{path}: the first column numbers the rows, as pandas writes it; it is left out", stacklevel=4
        )
    x = np.array([cells for k, cells in enumerate(numbers) if k != label and not (index and k == 0)]).T
    if x.size == 0:
        raise damaged(path, "a column of numbers", "labels alone", "add the samples to the table")
    if label is None:
        return x, None, ()
    whole = label not in words
    return x, *numbered([str(int(float(row[label]))) if whole else row[label] for _, row in lines])


def _number(cell):
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None
