"""A data set: named columns with one row for each sample.

    Dataset("digits", x, labels)                      columns x and labels
    Dataset("clips", frames, others={"text": tokens}) any other columns that a system needs
    paired("maps", x=photos, y=drawings)              row i of x belongs to row i of y
    Unpaired("animals", x=horses, y=zebras)           two sets of any sizes; each has its own order

`dataset.feed(batch_size, seed)` gives an endless stream of batches, each a dict {column: array}. Batch k
depends on the arguments and k alone, so a run can resume at any step.
"""

from dataclasses import dataclass, field

import numpy as np

from ..core.randomness import derive
from .batches import Batches
from .order import natural
from .pixels import to_floats


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Named columns of N rows. The arrays are stored as read-only views.

    name      the name of the data set, for messages
    x         (N, H, W, C) uint8 pictures with C = 1 (grey) or 3 (colour), or (N, ...) numbers of another
              shape, which are stored as float32; N is at least 1. Two shapes get an axis of 1 at the end:
              (N, H, W) uint8 are grey pictures, and (N,) numbers are rows of one column
    labels    (N,) or (N, 1) integers or a list, the class number of each row, stored as (N,) int64; or None
    classes   the names of the classes; () if there are none
    source    the origin of the data, and their licence
    others    {column: array (N, ...) of numbers}: more columns, such as second pictures or tokens
    shift, scale   the numbers with which the columns of x were standardised (see standard.py); None: as
              they were
    names     the N names of the rows, such as their files, or None; `paired` uses them to match rows
    column_names   the names of the F columns of rows x (N, F), as in a file's header, or None

    Labels may also be an array (N,) of words. A word becomes its place in `classes`, or without classes its
    place among all different words in natural order ("2" before "10"), which then are the classes.

    Raises ValueError if an argument has another shape or dtype, or another number of rows than x; if an array
    is no plain NumPy array; if a label is negative, or not below the number of classes; if a number of x is
    nan, infinite, or too large for float32.
    """

    name: str
    x: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    source: str = ""
    others: dict = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    shift: np.ndarray | None = None
    scale: np.ndarray | None = None
    column_names: tuple[str, ...] | None = None

    def __post_init__(self):
        x, labels = self.x, self.labels
        if isinstance(labels, list | tuple):
            labels = np.asarray(labels)
        if isinstance(x, list):
            x = np.asarray(x)
        for name, array in {"x": x, "labels": labels}.items():
            if type(array) not in (np.ndarray, np.memmap) and not (name == "labels" and array is None):
                how = (
                    f"{name}.filled(value)" if isinstance(array, np.ma.MaskedArray) else f"np.asarray({name})"
                )
                raise ValueError(
                    f"Dataset({self.name!r}): expected {name} as a plain array, got {type(array).__name__}; "
                    f"convert it with {how}"
                )
        if labels is not None and labels.dtype.kind == "U":
            labels, classes = _of_words(self.name, labels.reshape(-1).tolist(), self.classes)
            object.__setattr__(self, "classes", classes)
        x, labels = _samples(self.name, x), labels if labels is None else _numbers(labels)
        if labels is not None:
            if labels.dtype != np.int64 or labels.shape != x.shape[:1]:
                raise ValueError(
                    f"Dataset({self.name!r}): expected labels ({len(x)},) int64, one for each sample, "
                    f"got {labels.shape} {labels.dtype}"
                )
            if labels.min() < 0 or labels.max() >= (len(self.classes) or np.inf):
                raise ValueError(
                    f"Dataset({self.name!r}): expected labels from 0 and below {len(self.classes)}, "
                    f"the number of classes, got {labels.min()} to {labels.max()}"
                )
        for name, column in self.others.items():
            got = f"{getattr(column, 'shape', type(column).__name__)} {getattr(column, 'dtype', '')}"
            if type(column) not in (np.ndarray, np.memmap) or column.dtype.kind not in "biuf":
                raise ValueError(
                    f"Dataset({self.name!r}): expected the column {name} as an array of numbers, got {got}; "
                    "words are numbered first, such as tokens"
                )
            if name in ("x", "labels") or column.shape[:1] != x.shape[:1]:
                raise ValueError(
                    f"Dataset({self.name!r}): expected other columns than x and labels, "
                    f"of {len(x)} rows each, got {name} {got}"
                )
        if self.names is not None and len(self.names) != len(x):
            raise ValueError(
                f"Dataset({self.name!r}): expected {len(x)} names of rows, got {len(self.names)}"
            )
        if self.column_names is not None:
            object.__setattr__(self, "column_names", tuple(map(str, self.column_names)))
            if x.shape[1:] != (len(self.column_names),):
                raise ValueError(
                    f"Dataset({self.name!r}): expected a name for each column of rows, got "
                    f"{len(self.column_names)} names for rows of shape {x.shape[1:]}"
                )
        object.__setattr__(self, "x", read_only(x))
        object.__setattr__(self, "labels", None if labels is None else read_only(labels))
        object.__setattr__(self, "others", {name: read_only(column) for name, column in self.others.items()})
        object.__setattr__(self, "classes", tuple(self.classes))

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        kind = "images" if self.is_images else "points" if self.sample_shape == (2,) else "samples"
        classes = (
            f", {len(self.classes)} classes"
            if self.classes
            else ", labelled"
            if self.labels is not None
            else ""
        )
        others = "".join(
            f", {name} {column.shape[1:]} {column.dtype}" for name, column in self.others.items()
        )
        size = f"{len(self):,} {kind} {self.sample_shape} {self.x.dtype}"
        return f"Dataset({self.name!r}: {size}{classes}{others})"

    @property
    def columns(self):
        """{name: array} of all columns: "x", "labels" if there are labels, and the columns of `others`."""
        return {"x": self.x} | ({} if self.labels is None else {"labels": self.labels}) | self.others

    @property
    def sample_shape(self):
        """The shape of one row of x."""
        return self.x.shape[1:]

    @property
    def is_images(self):
        """Whether x holds pictures: uint8 of shape (N, H, W, 1 or 3)."""
        return is_pictures(self.x)

    def rows(self, indices, pixels=(-1.0, 1.0)):
        """The rows `indices` (K,) of the data set, as {column: new array (K, ...)}.

        Pictures are converted to float32 in the range pixels = (lowest, highest). Other columns keep their
        values and dtype. Raises TypeError for indices that are not integers, IndexError for an index out of
        range.
        """
        indices = np.asarray(indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise TypeError(
                f"rows: expected a row of integer indices (K,), got {indices.shape} {indices.dtype}"
            )
        indices = indices.astype(np.intp, copy=False)
        taken = {name: column[indices] for name, column in self.columns.items()}
        return {name: to_floats(rows, pixels) if is_pictures(rows) else rows for name, rows in taken.items()}

    def feed(self, batch_size, seed, pixels=(-1.0, 1.0)):
        """The Feed of shuffled batches of `batch_size` rows. Equal arguments give equal batches.

        seed     an integer of at least 0, from which the order of the rows is drawn
        pixels   (lowest, highest): the range of pictures in the batches, which are float32

        Raises ValueError for a batch_size below 1 or a seed below 0, TypeError if one is no integer.
        """
        batches = Batches(len(self), batch_size, seed)
        return Feed(lambda k: self.rows(batches.indices(k), pixels), batches.epoch)


@dataclass(frozen=True)
class Feed:
    """An endless stream of batches.

    batch   a function: batch(k) is batch k = 0, 1, ... as {column: array}; equal k give equal bits
    epoch   a function: epoch(k) is the number of epochs before batch k, a float
    """

    batch: object
    epoch: object


def expect_data(where, /, **sides):
    """Raise TypeError unless each of the `sides` is a Dataset, or another object with a `sample_shape`.

    where   the name of the caller, for the message
    sides   the arguments to check, {name: value}
    """
    for name, side in sides.items():
        if not hasattr(side, "sample_shape"):
            raise TypeError(
                f"{where}: expected {name} as a Dataset, got {type(side).__name__}; "
                "make it with numgan.data.Dataset(name, array)"
            )


def paired(name, **sides):
    """Make a Dataset of pairs: after paired(name, x=..., y=...), row i of x and row i of y belong together.

    name    the name of the new Dataset
    sides   two or more Datasets, one of them called x. If all have row names, rows with the same name are
            paired; otherwise row i with row i

    The new Dataset has one column for each of the sides, under its name: the array x of that Dataset, with
    the rows in the order of the side called x. Labels, classes and row names are those of the side called x.

    Raises TypeError for an argument that is no Dataset. Raises ValueError if a row has no partner, if two
    rows of a Dataset have one name, if there are fewer than two Datasets, or if none is called x.
    """
    if "x" not in sides or len(sides) < 2:
        raise ValueError(
            f"paired({name!r}): expected two or more sides, one of them x, got {', '.join(sides) or 'none'}"
        )
    expect_data(f"paired({name!r})", **sides)
    first, by_name = sides["x"], all(side.names is not None for side in sides.values())
    places = {  # {side: {key: row}}
        word: {key: row for row, key in enumerate(side.names if by_name else range(len(side)))}
        for word, side in sides.items()
    }
    for word, known in places.items():
        # a key of another side that this side does not have; the smallest one is named
        faults = [
            f"row {min(wanted.keys() - known.keys())} of {other} has no partner in {word}"
            for other, wanted in places.items()
            if wanted.keys() - known.keys()
        ]
        if len(known) < len(sides[word]):
            faults.append(f"{word} has two rows of one name")
        if faults:
            raise ValueError(f"paired({name!r}): {faults[0]}; add it, or remove the row")
    columns = {
        word: side.x[[places[word][key] for key in places["x"]]] if by_name else side.x
        for word, side in sides.items()
    }
    x = columns.pop("x")
    return Dataset(name, x, first.labels, first.classes, _sources(sides), columns, first.names)


class Unpaired:
    """Several Datasets as the columns of one batch. Each Dataset has its own size and its own random order.

    name    the name of the set, for messages
    sides   two or more Datasets, as keywords. A batch has the x of every Dataset, under its keyword

    x, sample_shape, is_images and the length of an epoch are those of the first Dataset. There are no labels.
    Raises ValueError for fewer than two Datasets, TypeError for an argument that is no Dataset.
    """

    labels, classes = None, ()

    def __init__(self, name, **sides):
        if len(sides) < 2:
            raise ValueError(
                f"Unpaired({name!r}): expected two or more sides, got {', '.join(sides) or 'none'}"
            )
        expect_data(f"Unpaired({name!r})", **sides)
        self.name, self.sides = name, sides
        first = next(iter(sides.values()))
        self.x, self.sample_shape, self.is_images = first.x, first.sample_shape, first.is_images
        self.source = _sources(sides)

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        sides = ", ".join(f"{word}={side!r}" for word, side in self.sides.items())
        return f"Unpaired({self.name!r}: {sides})"

    @property
    def columns(self):
        """{name of each Dataset: its array x}."""
        return {word: side.x for word, side in self.sides.items()}

    def rows(self, indices, pixels=(-1.0, 1.0)):
        """{name of each Dataset: its rows of x at `indices` (K,), integers}.

        A Dataset of n rows takes the row index mod n: a shorter Dataset starts again at its row 0. Pictures
        are converted to float32 in the range pixels = (lowest, highest).
        """
        return {
            word: side.rows(np.asarray(indices) % len(side), pixels)["x"] for word, side in self.sides.items()
        }

    def feed(self, batch_size, seed, pixels=(-1.0, 1.0)):
        """The Feed of shuffled batches, {name of each Dataset: its rows of x (batch_size, ...)}.

        Every Dataset is shuffled by its own permutations, drawn from (seed, its name). `epoch` of the Feed
        counts the epochs of the first Dataset.

        seed     an integer of at least 0. Equal arguments give equal batches
        pixels   (lowest, highest): the range of pictures in the batches, which are float32
        """
        feeds = {
            word: side.feed(batch_size, derive(seed, "side", word), pixels)
            for word, side in self.sides.items()
        }
        first = next(iter(feeds.values()))
        return Feed(lambda k: {word: feed.batch(k)["x"] for word, feed in feeds.items()}, first.epoch)


def _sources(sides):
    """The different sources of the Datasets in the dict `sides`, joined by "; " in one text."""
    return "; ".join(dict.fromkeys(side.source for side in sides.values()))


def is_pictures(x):
    """Whether the column x holds pictures: uint8 of shape (N, H, W, 1 or 3)."""
    return x.dtype == np.uint8 and _in_shape_of_pictures(x)


def _in_shape_of_pictures(x):
    """Whether the array x has the shape (N, H, W, 1 or 3), of any dtype."""
    return x.ndim == 4 and x.shape[3] in (1, 3)


def read_only(array):
    """A read-only view of the array."""
    view = array.view()
    view.flags.writeable = False
    return view


def _samples(name, x):
    """The column x as pictures (N, H, W, 1 or 3) uint8, or as rows (N, ...) float32 of finite numbers.

    x      an array of integers or floats. (N, H, W) uint8 gets a last axis of 1, and so do rows (N,)
    name   the name of the Dataset, for the message

    Raises ValueError for an empty array, for a dtype other than integers and floats, for an array that
    has the shape of pictures but is not uint8, for a uint8 array of four or more axes that has another
    shape than pictures, and for a number that is not finite as float32.
    """
    got = f"{x.shape} {x.dtype}"
    # (N, C, H, W), the order of axes in PyTorch
    if x.dtype == np.uint8 and x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        raise ValueError(
            f"Dataset({name!r}): expected images (N, H, W, {x.shape[1]}) with the colours last, got {got}; "
            "write x.transpose(0, 2, 3, 1)"
        )
    if x.dtype == np.uint8 and x.ndim == 3 and x.size:
        x = x[..., None]
    pictures = is_pictures(x)
    if (
        x.size == 0
        or x.ndim < 1
        or x.dtype.kind not in "iuf"
        or not pictures
        and (_in_shape_of_pictures(x) or x.dtype == np.uint8 and x.ndim > 2)
    ):
        raise ValueError(
            f"Dataset({name!r}): expected x of (N, H, W, 1 or 3) uint8 or (N, ...) numbers, such as float32, "
            f"of another shape, and not empty, got {got}; "
            "grey images need a last axis of 1, and images in [-1, 1] are np.rint((x + 1) * 127.5)"
        )
    if pictures:
        return x
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rows = (x[:, None] if x.ndim == 1 else x).astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))  # numbers of rows
    if len(bad):
        first = np.asarray(x[bad[0]]).reshape(-1)  # the first such row, as it was given
        column = np.flatnonzero(~np.isfinite(rows[bad[0]].reshape(-1)))[0]
        raise ValueError(
            f"Dataset({name!r}): expected finite numbers in the range of float32, got {first[column]} in "
            f"row {bad[0]}, column {column} of x, the first of {len(bad):,} such rows (counted from 0); "
            "remove or repair them"
        )
    return rows


def _of_words(name, words, classes):
    """(labels (N,) int64, classes) of labels that are words: a label is the place of its word in `classes`.

    name      the name of the Dataset, for the message
    words     a list of N words
    classes   names; if there are none, the classes are all different words in natural order (2 before 10)

    Raises ValueError for a word that is not among `classes`.
    """
    classes = tuple(classes) or tuple(sorted(set(words), key=natural))
    places = {word: k for k, word in enumerate(classes)}
    other = next((word for word in words if word not in places), None)
    if other is not None:
        raise ValueError(
            f"Dataset({name!r}): expected labels among {', '.join(classes)[:200]}, got {other!r}"
        )
    return np.array([places[word] for word in words], np.int64), classes


def _numbers(labels):
    """Labels (N,) or (N, 1) of bools or of any integer type as (N,) int64.

    Floats, words, and integers too large for int64 keep their dtype; the caller refuses them.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    fits = labels.dtype.kind in "biu" and not (labels.size and labels.max() > np.iinfo(np.int64).max)
    return labels.astype(np.int64, copy=False) if fits else labels
