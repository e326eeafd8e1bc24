"""Data: uint8 images and float32 points, held as they are, scaled when a batch is taken.

    data = load("digits")
    batches = Batches(len(data), 64, seed=1)
    x, labels = data.take(batches.indices(0))          # (64, 8, 8, 1) float32 in [-1, 1], (64,) int64

Reading order: this file, batches, points, digits, idx (MNIST), pictures, folder.
Nothing is unpickled, nothing is executed, and a damaged file is a FileFormatError that names it.
"""

import difflib
import os
from dataclasses import dataclass

import numpy as np

from ..files import text_of
from .batches import Batches
from .digits import SOURCE as DIGITS_SOURCE
from .digits import load_digits
from .folder import load_folder
from .idx import CLASSES, SOURCES, load_idx
from .pictures import convert, pair
from .points import grid, load_points, modes, ring, swiss_roll

__all__ = ["Batches", "Dataset", "grid", "load", "modes", "names", "ring", "swiss_roll"]

KNOWN = {
    "digits": "1,797 handwritten digits, 8 x 8 grey, 10 classes (train 1,500, test 297); inside the package, UCI, CC BY 4.0",
    "mnist": "70,000 handwritten digits, 28 x 28 grey, 10 classes (train 60,000, test 10,000); 11 MB download, CC BY-SA 3.0",
    "fashion-mnist": "70,000 pieces of clothing, 28 x 28 grey, 10 classes (train 60,000, test 10,000); 30 MB download, MIT",
    "ring": "100,000 points of 8 Gaussians, std 0.02, on a circle of radius 2; drawn from a fixed seed",
    "grid": "100,000 points of 5 x 5 Gaussians, std 0.05, spacing 2; drawn from a fixed seed",
    "swiss-roll": "100,000 points near a spiral of one and a half turns; drawn from a fixed seed",
}


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named array of samples, with or without labels. Values, not state: the arrays are read-only views.

    x         (N, H, W, C) uint8 images with C = 1 (grey) or 3 (colour), or (N, 2) float32 points; N at least 1
    labels    (N,) int64, each the number of a class, or None
    classes   the names of the classes, () if there are none
    source    where the data come from, and their licence
    ValueError if these do not fit together.
    """

    name: str
    x: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self):
        x, labels = self.x, self.labels
        images = x.dtype == np.uint8 and x.ndim == 4 and x.shape[3] in (1, 3)
        if x.size == 0 or not (images or (x.dtype == np.float32 and x.ndim == 2 and x.shape[1] == 2)):
            raise ValueError(
                f"Dataset({self.name!r}): expected x of (N, H, W, 1 or 3) uint8 or (N, 2) float32 and not empty, "
                f"got {x.shape} {x.dtype}; grey images need a last axis of 1, and images in [-1, 1] are np.rint((x + 1) * 127.5)"
            )
        if labels is not None:
            if labels.dtype != np.int64 or labels.shape != x.shape[:1]:
                raise ValueError(
                    f"Dataset({self.name!r}): expected labels ({len(x)},) int64, one for each sample, "
                    f"got {labels.shape} {labels.dtype}"
                )
            if labels.min() < 0 or labels.max() >= (len(self.classes) or np.inf):
                raise ValueError(
                    f"Dataset({self.name!r}): expected labels from 0 and below {len(self.classes)}, the number of classes, "
                    f"got {labels.min()} to {labels.max()}"
                )
        object.__setattr__(self, "x", _read_only(x))
        object.__setattr__(self, "labels", None if labels is None else _read_only(labels))
        object.__setattr__(self, "classes", tuple(self.classes))

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        kind = "images" if self.is_images else "points"
        classes = f", {len(self.classes)} classes" if self.classes else ", labelled" if self.labels is not None else ""
        return f"Dataset({self.name!r}: {len(self):,} {kind} {self.sample_shape} {self.x.dtype}{classes})"

    @property
    def sample_shape(self):
        """The shape of one sample: (H, W, C) or (2,)."""
        return self.x.shape[1:]

    @property
    def is_images(self):
        """Whether the samples are images; otherwise they are points in the plane."""
        return self.x.ndim == 4

    def take(self, indices):
        """(x, labels) of the rows `indices` (K,): new arrays, x (K, *sample_shape) float32, labels (K,) int64 or None.

        Images are scaled from 0..255 to [-1, 1], u / 127.5 - 1; points stay as they are.
        TypeError for indices that are not integers, IndexError for one out of range.
        """
        rows = np.asarray(indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise TypeError(f"take: expected a row of integer indices (K,), got {rows.shape} {rows.dtype}")
        rows = rows.astype(np.intp, copy=False)
        x = self.x[rows].astype(np.float32, copy=False)
        if self.is_images:
            x /= 127.5
            x -= 1
        return x, None if self.labels is None else self.labels[rows]


def _read_only(array):
    view = array.view()
    view.flags.writeable = False
    return view


def names():
    """The known sets: a dict from the name that load() takes to one line on what it holds."""
    return dict(KNOWN)


def load(name, split="train", folder=None, size=None, channels=None):
    """A Dataset by name, or from a folder of pictures.

    name       one of names(), or the path of a folder (write ./mnist for a folder that has the name of a set)
    split      "train" or "test". digits: the first 1,500 rows of the file, or its last 297. The sets of points: two independent
               draws from the fixed seed points.SEED. A folder of pictures has no split: it is "train", whole
    folder     mnist and fashion-mnist only: where the four original files are; see idx.load_idx for what None does
    size       images only: an int or (height, width). The largest centred part with these proportions is resized, antialiased
    channels   images only: 1 (grey) or 3 (colour)
    ValueError for arguments that do not fit together, FileNotFoundError or ConnectionError if the data are not to be had,
    FileFormatError if they are damaged.
    """
    os.fspath(name)  # TypeError for what cannot be a path: os.path.isdir would take an integer for an open file
    if split not in ("train", "test"):
        raise ValueError(f"load({name!r}): expected split 'train' or 'test', got {split!r}")
    if channels not in (None, 1, 3):
        raise ValueError(f"load({name!r}): expected channels 1 (grey) or 3 (colour), got {channels!r}")
    if folder is not None and name not in SOURCES:
        raise ValueError(f"load({name!r}): folder= is for {' and '.join(SOURCES)}, whose files it holds; leave it out")
    size = None if size is None else pair(size)

    if name in ("ring", "grid", "swiss-roll"):
        if size or channels:
            raise ValueError(f"load({name!r}): size and channels are for images, and these are points; leave them out")
        x, labels = load_points(name, split)
        classes = () if labels is None else tuple(f"mode {k}" for k in range(len(modes(name)[0])))
        return Dataset(name, x, labels, classes, "drawn by numgan.data.points")
    if name == "digits":
        x, labels = load_digits(split)
        return Dataset(name, convert(x, size, channels), labels, CLASSES["mnist"], DIGITS_SOURCE)
    if name in SOURCES:
        x, labels = load_idx(name, split, folder)
        return Dataset(name, convert(x, size, channels), labels, CLASSES[name], SOURCES[name])
    if not os.path.isdir(name):
        near = difflib.get_close_matches(str(name), KNOWN, n=1)
        raise ValueError(
            f"load({str(name)!r}): expected one of {', '.join(KNOWN)}, or a folder of pictures, got neither"
            + (f"; did you mean {near[0]!r}?" if near else "; see `numgan data` for the sets, or check the path")
        )
    if split != "train":
        raise ValueError(
            f"load({str(name)!r}): a folder of pictures has no split {split!r}; load the sub-folder that holds that part"
        )
    x, labels, classes = load_folder(name, size, channels)
    return Dataset(text_of(os.path.basename(os.path.abspath(name))), x, labels, classes, f"pictures in {text_of(name)}")
