"""How every chapter reads its arguments, and the squared distances between two sets of rows.

Samples are (N, ...): N rows, whatever they are made of is flattened to D numbers. All pairs of two large sets do not fit
into memory, so they are visited in blocks of rows.
"""

import numpy as np

from ..core.arguments import is_number

BLOCK = 2**20  # numbers in one block of pairs: 8 MB in float64
LARGEST = 1e50  # the cube of a product of two such numbers is still a float64
SINGLE = 1e15  # and the square of such a number is a float32 with room for a sum


def _unmasked(where, name, x):
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(
            f"{where}: expected {name} without a mask, got a masked array, whose masked rows would count; "
            f"leave these samples out, or give {name}.filled(value)"
        )
    return np.asarray(x)


def real_array(where, name, x, shape):
    """x as an array of finite real numbers that is not empty; `shape` is the text that says what was expected."""
    a = _unmasked(where, name, x)
    if a.dtype.kind not in "fiub" or a.size == 0:
        raise ValueError(
            f"{where}: expected {name} {shape} of real numbers and not empty, got {a.shape} {a.dtype}; "
            f"give an array of floats or integers with at least one sample"
        )
    top = float(np.abs(a).max()) if a.dtype.kind == "f" else 0
    if not top < LARGEST:  # a nan is not below anything
        bad = int((~np.isfinite(a)).sum())
        raise ValueError(
            f"{where}: expected {name} of finite numbers below {LARGEST:g} in size, got "
            f"{bad or 'larger ones, up to'} "
            f"{'that are nan or inf' if bad else f'{top:g}'}; look for a run that diverged, or leave out "
            "these samples"
        )
    return a


def rows(where, name, x, least=1, like=None, single=False):
    """x (N, ...) as (N, D) float64. ValueError for fewer than `least` rows, non-finite numbers, no column, or a D that is not that of `like`.

    like     (name, array): another argument that has been read
    single   leave float32 as it is: twice as fast, and the chapter says why it is enough
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


def labels(where, name, x, count=None, classes=None):
    """x (N,) of whole numbers from 0 as int64. ValueError for another shape or type, another N than `count`, or a label not below `classes`."""
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
    """value as a float. ValueError unless it is between 1e-15 and 1e15: its square then is a float32."""
    if not is_number(value, 1 / SINGLE) or value > SINGLE:
        raise ValueError(
            f"{where}: expected {name} a number above 0, from {1 / SINGLE:g} to {SINGLE:g}, got {value!r}; "
            f"it is a length in the units of the samples"
        )
    return float(value)


def whole(where, name, value, least, most=None):
    """value as an int. ValueError unless it is a whole number of at least `least`, and at most `most` if that is given."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or value < least
        or (most is not None and value > most)
    ):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(
            f"{where}: expected {name} a whole number {bounds}, got {value!r}; change {name}, or draw more "
            "samples"
        )
    return int(value)


def spans(n, width):
    """Slices that cover range(n), each of as many rows of `width` numbers as a block holds."""
    size = max(1, BLOCK // width)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def squared_distances(x, y):
    """Blocks (span, |x_i - y_j|^2 (m, N) of the m rows i in span) of x (M, D) and y (N, D), as |x|^2 + |y|^2 - 2 x.y: products of matrices.

    Both are seen from the middle of y, which takes one copy of y: far from 0 the squares would leave no digit of the difference.
    What is below the rounding of that sum, (4 + sqrt D) u (|x|^2 + |y|^2), is 0: equal rows have distance 0 and none is negative.
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


def _middle(y):
    """The mean of the rows (D,), each number rounded to a power of two near its spread: whole numbers stay whole, and 0 is near enough for most."""
    mean = y.mean(axis=0, dtype=np.float64)
    spread = np.maximum(y.max(axis=0) - mean, mean - y.min(axis=0))
    unit = np.ldexp(1.0, np.frexp(spread)[1])
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)


def enlarged(*sets):
    """Sets of tiny numbers times the power of two that brings the largest to about 1, as squares of them would be 0; others as they are."""
    top = max(np.abs(a).max() for a in sets)
    return [np.ldexp(a, -np.frexp(top)[1]) for a in sets] if top < 1 / SINGLE else sets
