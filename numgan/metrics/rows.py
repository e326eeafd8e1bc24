"""Checks of the metrics' arguments, and the squared distances between two sets of rows.

Samples are (N, ...): N rows, each flattened to D numbers. The distances of all pairs of two large sets do not
fit into memory, so they are computed for a few rows at a time.
"""

import numpy as np

from ..core.arguments import is_integer, is_number

BLOCK = 2**20  # largest number of distances that are computed at once: 8 MB in float64
LARGEST = 1e50  # the cube of a product of two such numbers fits into a float64
SINGLE = 1e15  # the square of such a number, and a sum of squares, fit into a float32


def _unmasked(where, name, x):
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(
            f"{where}: expected {name} without a mask, got a masked array, whose masked rows would count; "
            f"leave these samples out, or give {name}.filled(value)"
        )
    return np.asarray(x)


def real_array(where, name, x, shape):
    """Convert x to an array and check its numbers. Returns the array.

    where   the name of the metric, for the message
    name    the name of the argument, for the message
    shape   the expected shape, as text for the message; it is not checked

    Raises ValueError if x is empty, has a mask, or holds anything but real numbers (or bools) below 1e50 in
    size.
    """
    a = _unmasked(where, name, x)
    if a.dtype.kind not in "fiub" or a.size == 0:
        raise ValueError(
            f"{where}: expected {name} {shape} of real numbers and not empty, got {a.shape} {a.dtype}; "
            f"give an array of floats or integers with at least one sample"
        )
    top = float(np.abs(a).max()) if a.dtype.kind == "f" else 0
    if not top < LARGEST:  # also true for nan
        bad = int((~np.isfinite(a)).sum())
        raise ValueError(
            f"{where}: expected {name} of finite numbers below {LARGEST:g} in size, "
            f"got {bad or 'larger ones, up to'} {'that are nan or inf' if bad else f'{top:g}'}; "
            "look for a run that diverged, or leave out these samples"
        )
    return a


def rows(where, name, x, least=1, like=None, single=False):
    """Convert x (N, ...) to rows (N, D) of float64, and check them. Returns the rows.

    where    the name of the metric, for the message
    name     the name of the argument, for the message
    least    the smallest allowed number of rows
    like     (name, array) of an argument that was checked before; x must have the same number of columns
    single   True: float32 stays float32 if all numbers are below 1e15 in size. This is twice as fast; only
             for metrics that tolerate its rounding

    Raises ValueError for too few rows, fewer than two axes, no column, another D than that of `like`, or
    numbers that `real_array` refuses.
    """
    a = real_array(where, name, x, "(N, D)")
    if a.ndim < 2:
        raise ValueError(
            f"{where}: expected {name} (N, D), got {a.shape}; one number for each sample is {name}[:, None]"
        )
    if len(a) < least:
        raise ValueError(
            f"{where}: expected {name} of at least {least} rows, got {len(a)}; draw more samples"
        )
    a = a.reshape(len(a), -1)
    if like is not None and a.shape[1] != like[1].shape[1]:
        raise ValueError(
            f"{where}: expected {name} with the {like[1].shape[1]} columns of {like[0]}, got {a.shape[1]}; "
            f"both must hold the same kind of sample or feature"
        )
    keep = single and a.dtype == np.float32 and np.abs(a).max() < SINGLE
    return np.ascontiguousarray(a, np.float32 if keep else np.float64)


def pair(where, real, fake, least=1, fake_least=None, single=False):
    """Convert the arguments real and fake of a metric to rows of numbers. Returns (real (N, D), fake (M, D)).

    where        the name of the metric, for the message
    least        the smallest allowed number of rows of both
    fake_least   the smallest allowed number of rows of fake; None: `least`
    single       True: float32 may stay float32, see `rows`

    Raises ValueError as `rows` does.
    """
    x = rows(where, "real", real, least, single=single)
    return x, rows(where, "fake", fake, fake_least or least, like=("real", x), single=single)


def labels(where, name, x, count=None, classes=None):
    """Check the labels x (N,), integers from 0, and convert them to int64. Returns the array.

    where     the name of the metric, for the message
    name      the name of the argument, for the message
    count     the required number of labels; None: any
    classes   every label must be below this number; None: any label from 0

    Raises ValueError for another shape, other numbers than integers, an empty array, a mask, or a label below
    0.
    """
    a = _unmasked(where, name, x)
    if a.ndim != 1 or a.size == 0 or a.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: expected {name} (N,) of integers and not empty, got {a.shape} {a.dtype}; "
            f"probabilities (N, K) become labels with argmax(axis=1)"
        )
    if count is not None and len(a) != count:
        raise ValueError(
            f"{where}: expected {name} ({count},), one for each sample, got {a.shape}; give samples and "
            "labels of the same draw"
        )
    if a.min() < 0 or (classes is not None and a.max() >= classes):
        raise ValueError(
            f"{where}: expected {name} from 0 and below {'any bound' if classes is None else classes}, "
            f"got {a.min()} to {a.max()}; number the classes from 0"
        )
    return a.astype(np.int64)


def positive(where, name, value):
    """Convert `value` to a float. Raises ValueError unless it is a number from 1e-15 to 1e15.

    A number in this range has a square that fits into a float32. `where` and `name`, the names of the metric
    and of the argument, are for the message.
    """
    if not is_number(value, 1 / SINGLE) or value > SINGLE:
        raise ValueError(
            f"{where}: expected {name} a number above 0, from {1 / SINGLE:g} to {SINGLE:g}, got {value!r}; "
            f"it is a length in the units of the samples"
        )
    return float(value)


def whole(where, name, value, least, most=np.inf):
    """Convert `value` to an int. Raises ValueError unless it is a whole number from `least` to `most`.

    `where` and `name`, the names of the metric and of the argument, are for the message.
    """
    if not is_integer(value, least) or value > most:
        bounds = f"of at least {least}" if most == np.inf else f"from {least} to {most}"
        raise ValueError(
            f"{where}: expected {name} a whole number {bounds}, got {value!r}; change {name}, or draw more "
            "samples"
        )
    return int(value)


def spans(n, width):
    """An iterator of slices that together cover range(n), so that n rows can be computed a few at a time.

    width is how many numbers the computation of one row needs. A slice has as many rows as fit into BLOCK
    numbers, at least one.
    """
    size = max(1, BLOCK // width)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def squared_distances(x, y):
    """Yield the squared distances between the rows of x (M, D) and y (N, D), a few rows of x at a time.

    Each item is (span, d). span is a slice of m rows of x. d (m, N) holds |x_i - y_j|^2 for i in span and all
    j.

        |x_i - y_j|^2 = |x_i|^2 + |y_j|^2 - 2 x_i.y_j

    So most of the work is a matrix product. First the middle of y is subtracted from x and y (this needs one
    copy of y), because far from 0 rounding would hide the difference. Distances below the rounding error of
    the sum, (4 + sqrt D) u (|x|^2 + |y|^2) with the machine epsilon u, are set to 0. So equal rows have
    distance 0, and no distance is negative.
    """
    middle = _middle(y).astype(np.result_type(x, y))
    y = y - middle
    of_y = np.einsum("nd,nd->n", y, y)
    for span in spans(len(x), len(y)):
        part = x[span] - middle
        scale = np.einsum("md,md->m", part, part)[:, None] + of_y
        d = part @ y.T
        d *= -2
        d += scale
        scale *= (4 + np.sqrt(x.shape[1])) * np.finfo(d.dtype).eps
        d *= d > scale
        yield span, d


def nearest(x, y):
    """For each row of x (M, D) the nearest row of y (N, D): (index, squared distance), two arrays (M,).

    index is the number of the row of y. If several rows are equally near, it is the first of them.
    """
    index, least = np.empty(len(x), np.int64), np.empty(len(x))
    for span, d in squared_distances(x, y):
        index[span] = d.argmin(axis=1)
        least[span] = d.min(axis=1)
    return index, least


def _middle(y):
    """A vector (D,) near the mean of the rows y (N, D), to be subtracted from the rows.

    It is the mean of each column, rounded to a multiple of a power of two. The power is just above the
    largest distance of the column's numbers from their mean. So integers stay integers after the subtraction,
    and the result is 0 for most data. For a constant column, the result is this constant.
    """
    mean = y.mean(axis=0, dtype=np.float64)
    spread = np.maximum(y.max(axis=0) - mean, mean - y.min(axis=0))
    unit = np.ldexp(1.0, np.frexp(spread)[1])
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)


def enlarged(*sets):
    """The arrays `sets`, multiplied by one power of two if all their numbers are below 1e-15 in size.

    The largest number is then about 1. Without this, the squares of such numbers would underflow to 0. If a
    number is larger, or all numbers are 0, the arrays are returned unchanged. Returns a list or tuple of
    arrays.
    """
    top = max(np.abs(a).max() for a in sets)
    return [np.ldexp(a, -np.frexp(top)[1]) for a in sets] if top < 1 / SINGLE else sets
