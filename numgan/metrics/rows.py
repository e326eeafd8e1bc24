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
    """The array np.asarray(x). Raises ValueError if x is a masked array.

    `where` and `name`, the names of the metric and of the argument, are for the message.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(
            f"{where}: expected {name} without a mask, got a masked array, whose masked rows would count; "
            f"leave these samples out, or give {name}.filled(value)"
        )
    return np.asarray(x)


def real_array(where, name, x, shape):
    """The argument x as an array of its own dtype, after a check of its numbers.

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
    """The argument x (N, ...) as rows (N, D), float64 and contiguous. Each sample is one row.

    where    the name of the metric, for the message
    name     the name of the argument, for the message
    least    the smallest allowed number of rows
    like     (name, rows) of an argument that was checked before; x must have the same number of columns;
             None, the default: no such check
    single   True: float32 stays float32 if all numbers are below 1e15 in size. This is twice as fast; only
             for metrics that tolerate its rounding. False by default

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
    if like is not None:
        other, others = like
        if a.shape[1] != others.shape[1]:
            raise ValueError(
                f"{where}: expected {name} with the {others.shape[1]} columns of {other}, got {a.shape[1]}; "
                f"both must hold the same kind of sample or feature"
            )
    keep = single and a.dtype == np.float32 and np.abs(a).max() < SINGLE
    return np.ascontiguousarray(a, np.float32 if keep else np.float64)


def pair(where, real, fake, least=1, fake_least=None, single=False):
    """The arguments `real` (N, ...) and `fake` (M, ...) of a metric as rows, a pair (N, D) and (M, D).

    where        the name of the metric, for the message
    least        the smallest allowed number of rows of both, 1 by default
    fake_least   the smallest allowed number of rows of fake; None, the default: `least`
    single       True: float32 arrays stay float32 if their numbers are below 1e15 in size; otherwise the rows
                 are float64. False by default

    Raises ValueError for too few rows, different numbers of columns D, or numbers that `real_array` refuses.
    """
    x = rows(where, "real", real, least, single=single)
    return x, rows(where, "fake", fake, fake_least or least, like=("real", x), single=single)


def labels(where, name, x, count=None, classes=None):
    """The labels x (N,), integers from 0, converted to int64.

    count     the required number of labels; None, the default: any
    classes   every label must be below this number; None, the default: any label from 0

    Raises ValueError for another shape, other numbers than integers, an empty array, a masked array, another
    number of labels than `count`, or a label below 0 or not below `classes`. `where` and `name`, the names of
    the metric and of the argument, are for the message.
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
    """The number `value` as a float. Raises ValueError unless it is from 1e-15 to 1e15.

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
    """The number `value` as an int. Raises ValueError unless it is a whole number from `least` to `most`.

    Both bounds are included; `most` is infinity by default. `where` and `name`, the names of the metric and
    of the argument, are for the message.
    """
    if not is_integer(value, least) or value > most:
        bounds = f"of at least {least}" if most == np.inf else f"from {least} to {most}"
        raise ValueError(
            f"{where}: expected {name} a whole number {bounds}, got {value!r}; change {name}, or draw more "
            "samples"
        )
    return int(value)


def spans(n, width):
    """An iterator of slices that together cover range(n), so that n rows are computed a few at a time.

    width   numbers that the computation holds for one row

    Each slice has as many rows as fit into BLOCK = 2^20 numbers, but at least one row.
    """
    size = max(1, BLOCK // width)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def squared_distances(x, y):
    """Yield the squared distances between the rows of x (M, D) and y (N, D), a few rows of x at a time.

    Each item is (span, d). span is a slice of m rows of x. d (m, N) holds |x_i - y_j|^2 for i in span and all
    j.

        |x_i - y_j|^2 = |x_i|^2 + |y_j|^2 - 2 x_i.y_j

    So most of the work is a matrix product. First a vector near the mean of y is subtracted from x and y
    (this needs one copy of y), because far from 0 rounding would hide the difference. Distances below the
    rounding error of the sum, (4 + sqrt D) u (|x|^2 + |y|^2) with the machine epsilon u, are set to 0: equal
    rows have distance 0, and no distance is negative. d is float32 if x and y are, otherwise float64. The
    caller may write to d.
    """
    middle = _middle(y).astype(np.result_type(x, y))
    y = y - middle
    of_y = np.einsum("nd,nd->n", y, y)  # |y_j|^2
    for span in spans(len(x), len(y)):
        part = x[span] - middle
        scale = np.einsum("md,md->m", part, part)[:, None] + of_y  # |x_i|^2 + |y_j|^2
        d = part @ y.T
        d *= -2
        d += scale
        scale *= (4 + np.sqrt(x.shape[1])) * np.finfo(d.dtype).eps
        d *= d > scale  # scale is now the rounding error: a smaller distance becomes 0
        yield span, d


def nearest(x, y):
    """(index, distance) of the nearest row of y (N, D), for each row of x (M, D). The distance is squared.

    index (M,) int64 holds numbers of rows of y, and distance (M,) is float64. Among equally near rows, the
    first one counts.
    """
    index, least = np.empty(len(x), np.int64), np.empty(len(x))
    for span, d in squared_distances(x, y):
        index[span] = d.argmin(axis=1)
        least[span] = d.min(axis=1)
    return index, least


def _middle(y):
    """A vector (D,) near the mean of the rows y (N, D), to be subtracted from the rows.

    Each number of the result is the mean of its column, rounded to a multiple of a power of two. The power is
    just above the largest distance of the column's numbers from their mean. So integers stay integers after
    the subtraction, and the result is 0 for most data. For a constant column, the result is this constant.
    """
    mean = y.mean(axis=0, dtype=np.float64)
    spread = np.maximum(y.max(axis=0) - mean, mean - y.min(axis=0))
    _, exponent = np.frexp(spread)  # spread = mantissa 2^exponent, with the mantissa from 0.5 to 1
    unit = np.ldexp(1.0, exponent)
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)


def enlarged(*sets):
    """The arrays `sets`, multiplied by one power of two if all their numbers are below 1e-15 in size.

    The largest number is then from 0.5 to 1. Without the factor, the squares of such numbers would underflow
    to 0. The result is a list of new arrays. If any number is 1e-15 or larger in size, the result is the
    tuple `sets` with the arrays unchanged.
    """
    top = max(np.abs(a).max() for a in sets)
    _, exponent = np.frexp(top)  # top = mantissa 2^exponent; the exponent of 0 is 0
    return [np.ldexp(a, -exponent) for a in sets] if top < 1 / SINGLE else sets
