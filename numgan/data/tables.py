"""Rows in files: .npy and .npz arrays, and tables of numbers as text (see text_tables.py).

    x, labels, classes, names = load_table("flowers.csv", "train")

Nothing is unpickled. Files of more than arrays.MOST bytes, packed or unpacked, are refused.
"""

import io
import os
import re
import warnings
import zipfile

import numpy as np

from ..core.arrays import MOST, array_of, expect_directory, load_array
from ..core.errors import FileFormatError, NoTestPart, damaged
from ..core.files import read
from .kinds import packed_in
from .order import numbered
from .text_tables import read_text_table

MEMBERS = 16  # largest number of arrays in an .npz file of rows
ARRAYS, TEXTS = (".npy", ".npz"), (".csv", ".tsv", ".txt")
OTHERS = {  # {suffix: how to convert the file}
    ".dat": "rename it to data.csv, if it is a table as text",
    ".data": "rename it to data.csv, if it is a table as text",
    ".zip": "unpack it",
    ".bz2": "unpack it",
    ".xz": "unpack it",
    ".json": 'pandas.read_json("data.json").to_csv("data.csv", index=False)',
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
COLUMNS = ("columns", "feature_names", "column_names")


def load_table(path, split="train"):
    """Load the file `path`: samples (N, ...), labels (N,) int64 or None, names of classes, names of columns.

    path    a file .npy, .npz, .csv, .tsv or .txt; the texts may be gzipped: .csv.gz
    split   "train" or "test". An .npz file may have both (x_train, y_train, x_test, y_test). A pair of files
            such as kmnist-train-imgs.npz and kmnist-train-labels.npz may have a pair with "test" in the names

    The names of classes are a tuple, () without labels; they are those of this part alone (see
    splits.matched). The names of the columns are a tuple, or None if the file has none. Bools become float32
    numbers 0 and 1, or uint8 pictures of 0 and 255 if a row has two axes or more. Warns if a part has no
    file of labels but the other part has one.

    Raises NoTestPart (a ValueError) if there is no test part, FileFormatError for another kind of file, a
    damaged file, wrong labels or a cell that is no number, OSError if the file cannot be read.
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
    other = os.path.join(folder, name.replace("train", "test"))
    # own: arrays without a split in their names are those of this split, in this file or in `other`
    own = split == "train" or "train" in name and os.path.isfile(other)
    if own and split == "test":
        path, partner = other, partner.replace("train", "test")
    elif not own and suffix != ".npz":
        raise _no_test_part(path)
    if suffix in TEXTS:
        return read_text_table(path)
    arrays = {"x": load_array(path)} if suffix == ".npy" else load_npz(path)
    x, labels, known, columns = _sides(path, arrays, split, own)
    if x.dtype == bool:
        x = x.astype(np.uint8) * np.uint8(255) if x.ndim > 2 else x.astype(np.float32)
    labels_path = os.path.join(folder, partner)
    if labels is None and partner != name and os.path.isfile(labels_path):
        # of an .npz file, the first array
        labels = load_array(labels_path) if suffix == ".npy" else next(iter(load_npz(labels_path).values()))
        if labels.size != len(x):
            raise damaged(labels_path, f"{len(x):,} labels, one for each row of {path}", f"{labels.size:,}")
    if labels is None:
        swap = ("train", "test") if "train" in partner else ("test", "train")
        if partner != name and os.path.isfile(os.path.join(folder, partner.replace(*swap))):
            warnings.warn(f"{path}: {partner} is not there, so this part has no labels", stacklevel=4)
        return x, None, (), columns
    if labels.ndim > 2 or labels.size != len(x) or labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise damaged(path, f"{len(x):,} labels, whole numbers or words", f"{labels.shape} {labels.dtype}")
    if known is not None and labels.dtype.kind in "iu":
        return x, labels.reshape(-1).astype(np.int64), tuple(map(str, known.reshape(-1))), columns
    # the labels as words: floats (whole numbers, see above) and bools as integers, "1" and not "1.0"
    words = [str(int(k) if labels.dtype.kind in "fb" else k) for k in labels.reshape(-1)]
    return x, *numbered(words), columns


def table_in(folder):
    """The path of the one file of samples in a folder of arrays or tables; None for another folder.

    All files of the folder must be .npy, .npz, .csv or .tsv files (the last two perhaps with .gz), besides
    names that begin with a dot, readme or license. A file with label, target or test in its name is not the
    file of samples: `load_table` finds it beside this file. There must be one file of samples. Raises OSError
    if the folder cannot be read.
    """
    names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    kinds = (*ARRAYS, ".csv", ".tsv", ".csv.gz", ".tsv.gz")
    others = [name for name in names if not name.lower().startswith(("readme", "license"))]
    if not others or any(not name.lower().endswith(kinds) for name in others):
        return None
    found = [name for name in others if not re.search("label|test|target", name.lower())]
    return os.path.join(folder, found[0]) if len(found) == 1 else None


def _no_test_part(path):
    """The NoTestPart error, not raised, about a file that holds no test part."""
    return NoTestPart(f"load({path!r}): this file has no split 'test'; load the file that holds that part")


def _sides(path, arrays, split, own):
    """(x, labels, names of the classes, names of the columns) of the split; all but x may be None.

    path     the path of the file, for messages
    arrays   {name: array} of the file. Names are compared in small letters; KEYS, LABELS, CLASSES and COLUMNS
             are the known ones, alone or with the split (x_train)
    split    "train" or "test"
    own      whether arrays without a split in their names are those of this split

    x and labels are arrays of the file, the names of the classes an array, those of the columns a tuple of
    texts. If the file names K classes and the labels of its training part are from 1 to K, 1 is subtracted
    from the labels of either part. Raises NoTestPart if there are no arrays of the split, FileFormatError if
    no array has a known name; a single array may have any name.
    """
    named = {name.lower(): array for name, array in arrays.items()}
    known = next((named.pop(name) for name in CLASSES if name in named), None)
    columns = next(
        (named.pop(name) for name in COLUMNS if name in named and named[name].dtype.kind == "U"), None
    )

    def parted(x, labels, train):
        """The result, from the part's x and labels, and the labels `train` of the training part."""
        names = columns is not None and x.ndim == 2 and columns.size == x.shape[1]
        if known is not None and labels is not None and train.dtype.kind in "iu" and train.size:
            from_one = train.min() == 1 and train.max() == known.size
            labels = labels.astype(np.int64) - int(from_one)
        return x, labels, known, tuple(map(str, columns.reshape(-1))) if names else None

    def side(keys, split):
        """The first array whose name is one of the keys with the split, such as x_train; or None."""
        wanted = [form.format(key, split=split) for form in PARTS for key in keys]
        return next((named[name] for name in wanted if name in named), None)

    if side(KEYS, "train") is not None:
        if side(KEYS, split) is None:
            raise _no_test_part(path)
        train = side(LABELS, "train")
        labels = side(LABELS, split)
        return parted(side(KEYS, split), labels, labels if train is None else train)
    if split == "test" and not own:
        raise _no_test_part(path)
    found = [name for name in KEYS if name in named] or (list(named) if len(named) == 1 else [])
    if not found:
        raise damaged(
            path, f"an array called {', '.join(KEYS)} or x_train", ", ".join(arrays) or "none", "rename it"
        )
    labels = next((named[name] for name in LABELS if name in named), None)
    return parted(named[found[0]], labels, labels)


def load_npz(path):
    """{name: array} of the .npz file `path`, which may be compressed. The names have no ".npy" at the end.

    Raises FileFormatError for a damaged file, an array of objects, or a file of more than MOST bytes (2^28),
    packed or unpacked; OSError if the file cannot be read.
    """
    data = read(path, MOST)
    try:
        expect_directory(file := io.BytesIO(data), MEMBERS, path)
        with zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST:
                raise damaged(path, f"at most {MOST:,} bytes when unpacked", "more", "make a smaller file")
            return {
                info.filename.removesuffix(".npy"): array_of(
                    archive.read(info), path, "bfiuU"
                )  # bools, numbers, texts
                for info in archive.infolist()
            }
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        raise damaged(path, "whole arrays", f"{type(error).__name__}: {error}") from error
