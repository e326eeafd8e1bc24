"""The traces of its training data that a run keeps: a fingerprint, and some real rows.

    config.json    "data": the fingerprint: size, type and hashes of every column
                   "column_names": the names of the columns of a table, which are no part of the fingerprint
    data.npz       some rows of every column, chosen by the run's seed

So a run draws samples and is examined without its training data. A moved or renamed data set is recognised,
because the fingerprint depends on the bytes of the columns and on the names of the classes alone.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np

from ..core.arrays import load_arrays, write_arrays
from ..core.errors import FileFormatError, damaged
from ..core.fields import Choice, Each, Real, Record, Text, Whole
from ..core.files import replacing
from ..core.randomness import stream
from ..data import Dataset, Unpaired
from ..plot import readable

FILE = "data.npz"
PARTS = 16  # hashes of a column, each of a sixteenth of its rows: they say which rows differ
ROWS, BYTES = 2000, 16 << 20  # most rows that a run keeps, and most bytes of them
NAMED = 5  # most names of classes in a message

TYPES = tuple(
    sorted({np.dtype(code).newbyteorder(order).str for code in "?bhilqBHILQefdg" for order in "<>"})
)
COLUMN = Record({"rows": Whole(1), "shape": Each(Whole()), "type": Choice(TYPES), "parts": Each(Text(16))})
UNITS = {"shift": Each(Real()), "scale": Each(Real())}  # of standardised rows; flat, for rows of any shape
FINGERPRINT = Record({"classes": Text(16), "columns": Record({}, others=COLUMN)}, UNITS)


# ---- the fingerprint


def digest(*parts):
    """A text of 16 characters that identifies the contents `parts` (a SHA-256 hash, shortened).

    A part is a text or an array; of an array, the bytes count.
    """
    found = hashlib.sha256()
    for part in parts:
        found.update(
            part.encode("utf-8", "surrogatepass") if isinstance(part, str) else np.ascontiguousarray(part)
        )
    return found.hexdigest()[:16]


def fingerprint(dataset):
    """The fingerprint of a data set, a dict. Only data sets with equal data have equal fingerprints.

        {"classes": hash of their names,
         "columns": {name: {"rows": N, "shape": of one row, "type": dtype, "parts": hashes of its rows}}}

    The hashes are those of PARTS (16) ranges of rows of nearly equal size. The name of the data set does not
    count. For standardised data the dict also has "shift" and "scale", lists of numbers. dataset is the data
    set, a Dataset or an Unpaired set.
    """
    columns = {
        name: {
            "rows": len(column),
            "shape": list(column.shape[1:]),
            "type": column.dtype.str,
            "parts": [digest(column[first:last]) for first, last in _parts(len(column))],
        }
        for name, column in dataset.columns.items()
    }
    units = {name: getattr(dataset, name, None) for name in UNITS}
    units = {name: array.reshape(-1).tolist() for name, array in units.items() if array is not None}
    return {"classes": _of_classes(dataset.classes), "columns": columns} | units


def _of_classes(names):
    """The hash, a text of 16 characters, of the list of names of classes. Their order counts."""
    # with its length before it, no name can be confused with a part of its neighbour
    return digest(*(f"{len(name)} {name}" for name in names))


def _parts(rows):
    """The ranges of rows into which a column of `rows` rows is divided: a list of pairs (first, last + 1).

    There are PARTS ranges of nearly equal size, or fewer if there are fewer rows.
    """
    parts = min(PARTS, rows)
    return [(rows * i // parts, rows * (i + 1) // parts) for i in range(parts)]


def differences(before, classes, dataset):
    """A list of texts that say how a data set differs from the data of a run; [] if they are equal.

    before    the fingerprint of the run's data (see `fingerprint`)
    classes   the names of the classes of the run's data
    dataset   the data set
    """
    now = fingerprint(dataset)
    if json.dumps(now) == json.dumps(before):
        return []
    old, new = before["columns"], now["columns"]
    found = _between("column", old, new)
    if not found and list(old) != list(new):
        found = [f"the columns in the order {', '.join(new)}, expected {', '.join(old)}"]
    for name in [name for name in old if name in new]:
        found += [
            f"{name}: {word} {_plain(new[name][key])}, expected {_plain(old[name][key])}"
            for key, word in {"rows": "rows", "shape": "shape of a row", "type": "type"}.items()
            if new[name][key] != old[name][key]
        ]
    if before["classes"] != now["classes"]:
        found += _between("class", classes, dataset.classes) or ["the classes are in another order"]
    units = [] if found else _of_units(before, now)
    return (found or units) + [
        f"{name}: other values in the rows {_ranges(old[name], new[name])} (of {old[name]['rows']:,}, from 0)"
        for name in old
        if not found and old[name] != new[name] and not (units and name == "x")  # all rows of x differ then
    ]


def _of_units(before, now):
    """A list of texts about the shift and scale of two fingerprints: [] if they are equal, or one text.

    before, now   the fingerprints. The text says that only one is of standardised rows, or it names the
                  columns of x with other numbers, of which at most NAMED (5)
    """
    old, new = ([about[name] for name in UNITS if name in about] for about in (before, now))
    if old == new:
        return []
    if not (old and new):
        is_now, was = ("", "not ") if new else ("not ", "")
        return [f"x: rows that are {is_now}standardised, expected rows that are {was}standardised"]
    numbers = [k for k, (was, now) in enumerate(zip(zip(*old), zip(*new))) if was != now]
    named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
    return [
        f"x: another mean or standard deviation of column{'s' * (len(numbers) != 1)} {named} (of "
        f"{len(new[0]):,}, from 0); all rows are standardised with it, so all of them differ"
    ]


def _between(word, old, new):
    """A list of texts about the names that only one of the lists `old` and `new` has: missing, or too many.

    There is at most one text for each list. `word` says what the names belong to: "column" or "class".
    """
    lost, more = ([name for name in one if name not in other] for one, other in ((old, new), (new, old)))
    return [
        f"{len(names):,} {word} name{'s' if len(names) > 1 else ''} {what}: "
        + ", ".join(map(readable, names[:NAMED]))
        + (", ..." if len(names) > NAMED else "")
        for names, what in ((lost, "missing"), (more, "too many"))
        if names
    ]


def _plain(value):
    """A value of a fingerprint as text: an int with commas between thousands."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _ranges(old, new):
    """A text with the ranges of rows whose hashes differ, such as "0 to 99, 300 to 399".

    old, new   a column in two fingerprints with equal numbers of rows. Neighbouring ranges are joined
    """
    parts = [
        part for part, one, other in zip(_parts(old["rows"]), old["parts"], new["parts"]) if one != other
    ]
    joined = []
    for first, last in parts:
        if joined and joined[-1][1] == first:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    return ", ".join(
        f"{first:,} to {last - 1:,}" if last - first > 1 else f"{first:,}" for first, last in joined
    )


# ---- the rows


def _counts(columns):
    """{name of a column: number of its rows that a run stores} for all columns of a data set.

    columns   {name: {"rows": N, "shape": ..., "type": ...}}, as in a fingerprint

    The number is min(N, m). m is at most ROWS (2000), and so small that m rows of all columns together have
    at most BYTES bytes (16 MiB), but at least 1.
    """
    size = sum(np.dtype(about["type"]).itemsize * math.prod(about["shape"]) for about in columns.values())
    most = max(1, min(ROWS, BYTES // max(1, size)))
    return {name: min(about["rows"], most) for name, about in columns.items()}


def save(folder, dataset, about, seed):
    """Write some rows of the data set to data.npz in the run's folder.

    folder    the run's folder
    dataset   the data set
    about     the fingerprint of the data set
    seed      the run's seed, which chooses the rows at random

    The number of rows is that of `_counts`. The rows keep their order. From columns of equal length the same
    rows are chosen.
    """
    arrays = {}
    for name, count in _counts(about["columns"]).items():
        column = dataset.columns[name]
        arrays[name] = column[np.sort(stream(seed, "kept rows").permutation(len(column))[:count])]
    with replacing(Path(folder, FILE)) as file:
        write_arrays(file, arrays)


def load(folder, config):
    """Read the rows of the training data that a run stores in data.npz: a Dataset, or an Unpaired set.

    folder   the run's folder
    config   the dict of the run's config.json

    Raises FileNotFoundError if there is no data.npz, FileFormatError if it is damaged or does not fit to
    config.json.
    """
    path, columns = Path(folder, FILE), config["data"]["columns"]
    if _of_classes(config["classes"]) != config["data"]["classes"]:
        raise FileFormatError(
            f"{Path(folder, 'config.json')}: classes: expected the names with the hash of data.classes, got "
            f"others; restore the file from a copy"
        )
    advice = "or delete it: numgan then reads the training data again"
    try:
        counts = _counts(columns)
        arrays = dict(zip(columns, load_arrays(path, *columns)))
        for name, about in columns.items():
            wanted = (np.dtype(about["type"]), (counts[name], *about["shape"]))
            got = (arrays[name].dtype, arrays[name].shape)
            if got != wanted:
                raise damaged(f"{path}, {name}", "{} {}".format(*wanted), "{} {}".format(*got))
        return _built(arrays, config)
    except FileFormatError as error:
        raise FileFormatError(f"{error}; {advice}") from error
    except (TypeError, ValueError) as error:  # a type or values that no data set has
        raise damaged(path, "rows of the training data", error) from error


def _built(arrays, config):
    """The Dataset of the stored rows; an Unpaired set if there is no x, or columns have different lengths.

    arrays   {column: array} of the rows
    config   the dict of the run's config.json, with classes, source, column names, and shift and scale
    """
    name, source = f"{len(next(iter(arrays.values()))):,} rows kept in the run", config["source"]
    others = {word: array for word, array in arrays.items() if word not in ("x", "labels")}
    if "x" in arrays and len({len(array) for array in arrays.values()}) == 1:
        shape, about = arrays["x"].shape[1:], config["data"]
        units = {word: np.reshape(about[word], shape).astype(float) for word in UNITS if word in about}
        units["column_names"] = config.get("column_names")
        classes = tuple(config["classes"])
        return Dataset(name, arrays["x"], arrays.get("labels"), classes, source, others, **units)
    return Unpaired(name, **{word: Dataset(word, array) for word, array in arrays.items()})
