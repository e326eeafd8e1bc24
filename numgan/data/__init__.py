"""Data: named columns of samples. They are stored unchanged. Pixels are converted when a batch is made.

    data = load("digits")
    feed = data.feed(64, seed=1)
    batch = feed.batch(0)              # {"x": (64, 8, 8, 1) float32 in [-1, 1], "labels": (64,) int64}

Reading order: this file, dataset, splits, standard, pixels, batches, augment, points, digits, idx (one file),
idx_sets (MNIST and its like), pictures, folder, tables, text_files, text_tables, pixel_columns, kinds (files
of other kinds).

No file is unpickled or executed. A damaged file raises FileFormatError with the file's name.
"""

import difflib
import os
from dataclasses import replace

from ..core.errors import NoTestPart
from ..core.files import text_of
from .augment import Augmented
from .batches import Batches
from .dataset import Dataset, Feed, Unpaired, is_pictures, paired
from .digits import SOURCE as DIGITS_SOURCE
from .digits import load_digits
from .folder import load_folder, parts
from .idx_sets import CLASSES, SOURCES, has_part, is_idx, load_idx, set_in
from .pictures import convert, pair
from .pixel_columns import hint
from .points import POINTS, grid, load_points, modes, ring, swiss_roll
from .splits import hold_out, matched
from .standard import in_units, standardised, warn_of_coarse
from .tables import load_table, table_in

__all__ = [
    "Augmented",
    "Batches",
    "Dataset",
    "Feed",
    "Unpaired",
    "grid",
    "hold_out",
    "in_units",
    "is_pictures",
    "load",
    "matched",
    "modes",
    "names",
    "paired",
    "ring",
    "standardised",
    "swiss_roll",
]

KNOWN = {
    "digits": "1,797 handwritten digits, 8 x 8 grey, 10 classes (train 1,500, test 297); inside the package, "
    "UCI, CC BY 4.0",
    "mnist": "70,000 handwritten digits, 28 x 28 grey, 10 classes (train 60,000, test 10,000); 11 MB "
    "download, CC BY-SA 3.0",
    "fashion-mnist": "70,000 pieces of clothing, 28 x 28 grey, 10 classes (train 60,000, test 10,000); 30 MB "
    "download, MIT",
    "kmnist": "70,000 handwritten Kuzushiji letters, 28 x 28 grey, 10 classes; from IDX files of yours",
    "qmnist": "120,000 handwritten digits, 28 x 28 grey, 10 classes; from IDX files of yours",
    "emnist-letters": "handwritten letters, 28 x 28 grey, 26 classes; from IDX files of yours",
    "emnist-digits": "handwritten digits, 28 x 28 grey, 10 classes; from IDX files of yours",
    "emnist-mnist": "handwritten digits, 28 x 28 grey, 10 classes; from IDX files of yours",
    "emnist-balanced": "handwritten letters and digits, 28 x 28 grey, 47 classes; from IDX files of yours",
    "emnist-bymerge": "handwritten letters and digits, 28 x 28 grey, 47 classes; from IDX files of yours",
    "emnist-byclass": "handwritten letters and digits, 28 x 28 grey, 62 classes; from IDX files of yours",
    "ring": "100,000 points of 8 Gaussians, std 0.02, on a circle of radius 2; drawn from a fixed seed",
    "grid": "100,000 points of 5 x 5 Gaussians, std 0.05, spacing 2; drawn from a fixed seed",
    "swiss-roll": "100,000 points near a spiral of one and a half turns; drawn from a fixed seed",
}


def names():
    """A new dict {name: description in one line} of the data sets that `load` knows by name."""
    return dict(KNOWN)


def load(name, split="train", folder=None, size=None, channels=None, skip_broken=False):
    """Load a Dataset by name, from a folder of pictures or IDX files, or from a file of rows or pictures.

    name       one of names(), the path of a folder (write ./mnist for a folder that has the name of
               a set), or the path of a file .npy, .npz, .csv, .tsv or .txt
    split      "train" or "test". digits: the first 1,500 rows of the file, or its last 297. Sets of points:
               two independent draws from the fixed seed points.SEED. A folder of pictures has a test part
               if it has the sub-folders train and test (see folder.parts), otherwise all of it is "train".
               Files: see tables.load_table; the test part has the classes of the training part
    folder     only for mnist and the sets like it (idx_sets.SOURCES): the folder of their IDX files; None:
               see idx_sets.load_idx
    size       only for pictures: an int or (height, width). The largest centred part with these proportions
               is cut out and resized, with antialiasing. None: as stored; for a folder see folder.load_folder
    channels   only for pictures: 1 (grey) or 3 (colour). None: as stored; for a folder 1 if all are grey
    skip_broken    only for a folder of pictures: leave broken files out, with a warning

    Raises
        ValueError           an unknown name, or arguments that do not fit together
        NoTestPart           split is "test", and the folder or file has no test part (a ValueError)
        TypeError            name is no text or path, or size is no int or pair of ints
        FileNotFoundError    the data are not in their folder
        ConnectionError      the data cannot be downloaded
        FileFormatError      the data are damaged
        OSError              a file or folder cannot be read
    """
    # fspath raises TypeError if name is no path. os.path.isdir would accept an integer, as an open file.
    os.fspath(name)
    if split not in ("train", "test"):
        raise ValueError(f"load({name!r}): expected split 'train' or 'test', got {split!r}")
    if channels not in (None, 1, 3):
        raise ValueError(f"load({name!r}): expected channels 1 (grey) or 3 (colour), got {channels!r}")
    if folder is not None and name not in SOURCES:
        raise ValueError(
            f"load({name!r}): folder= is for {' and '.join(SOURCES)}, as the folder of their files; leave it "
            "out"
        )
    size = None if size is None else pair(size)
    if skip_broken and (name in KNOWN or os.path.isfile(name)):
        raise _no_pictures(name)

    # The places where `name` is looked for, in this order: the known sets, a file, a folder.
    if name in POINTS:
        if size or channels:
            raise ValueError(
                f"load({name!r}): size and channels are for images, and these are points; leave them out"
            )
        x, labels = load_points(name, split)
        if labels is None:
            classes = ()
        else:
            centres, _ = modes(name)
            classes = tuple(f"mode {k}" for k in range(len(centres)))
        return Dataset(name, x, labels, classes, "drawn by numgan.data.points")
    if name == "digits":
        x, labels = load_digits(split)
        return Dataset(name, convert(x, size, channels), labels, CLASSES["mnist"], DIGITS_SOURCE)
    if name in SOURCES:
        x, labels = load_idx(name, split, folder)
        return Dataset(name, convert(x, size, channels), labels, CLASSES[name], SOURCES[name])
    if os.path.isfile(name):
        if is_idx(name):
            raise ValueError(
                f"load({text_of(name)!r}): this file holds the pictures or the labels of a set alone; name "
                f"its folder: load({os.path.dirname(text_of(name)) or os.curdir!r})"
            )
        x, labels, classes, columns = load_table(name, split)
        source, known = text_of(name), text_of(os.path.basename(name))
        made = Dataset(known, x, labels, classes, f"the file {source}", column_names=columns)
        if (size or channels) and not made.is_images:
            how = hint(made.sample_shape)
            raise ValueError(
                f"load({source!r}): size and channels are for images, and these are rows of shape "
                f"{made.sample_shape}; leave them out, or choose a preset for rows" + (how and f"; {how}")
            )
        warn_of_coarse(made, x)
        made = replace(made, x=convert(made.x, size, channels)) if made.is_images else made
        return matched(made, load(name, size=size, channels=channels)) if split == "test" else made
    if not os.path.isdir(name):
        near = difflib.get_close_matches(str(name), KNOWN, n=1)
        raise ValueError(
            f"load({str(name)!r}): expected one of {', '.join(KNOWN)}, or a folder of pictures or a "
            "file, got neither of them"
            + (
                f"; did you mean {near[0]!r}?"
                if near
                else "; see `numgan data` for the sets, or check the path"
            )
        )
    if found := set_in(name):
        if skip_broken:
            raise _no_pictures(name)
        if split == "test" and not has_part(name, split):
            raise NoTestPart(f"load({str(name)!r}): the folder has no test files of {found}; add them")
        x, labels = load_idx(found, split, name)
        return Dataset(
            found, convert(x, size, channels), labels, CLASSES[found], f"IDX files in {text_of(name)}"
        )
    if file := table_in(name):
        if skip_broken:
            raise _no_pictures(name)
        return load(file, split, size=size, channels=channels)
    found = parts(name)
    if split == "test" and "test" not in found:
        raise NoTestPart(
            f"load({str(name)!r}): a folder of pictures without sub-folders train and test has no split "
            f"{split!r}; load the sub-folder that holds that part"
        )
    place, like = found.get(split, name), found.get("train")  # without parts: the folder itself, None
    apart = found.get("test" if split == "train" else "train")  # the folder of the other part, or None
    x, labels, classes = load_folder(place, size, channels, skip_broken, like, apart)
    return Dataset(
        text_of(os.path.basename(os.path.abspath(name))), x, labels, classes, f"pictures in {text_of(name)}"
    )


def _no_pictures(name):
    """The ValueError, not raised, for skip_broken=True with data `name` that are no folder of pictures."""
    return ValueError(
        f"load({text_of(name)!r}): skip_broken is for a folder of pictures, and this is none; leave it out"
    )
