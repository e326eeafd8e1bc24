"""Functions on arrays and on (nested) tuples of arrays. The input and the output of a layer may be either.

None stands for an array of zeros. An array of integers has no derivative.
"""

import numpy as np


def leaves(x, path=""):
    """[(path, array or None)] of a (nested) tuple of arrays, in order.

    The path of x itself is "". The paths of its parts are "[0]", "[1][0]" and so on.
    """
    if isinstance(x, tuple):
        return [leaf for i, part in enumerate(x) for leaf in leaves(part, f"{path}[{i}]")]
    return [(path, x)]


def mapped(f, x, *others):
    """Apply f to every array of x, with the arrays at the same places of `others` as further arguments.

    The result has the form of x. If one of `others` is not a tuple where x is one, f receives None for it.
    """
    if isinstance(x, tuple):
        return tuple(
            mapped(f, *parts)
            for parts in zip(
                x, *(other if isinstance(other, tuple) else (None,) * len(x) for other in others)
            )
        )
    return f(x, *others)


def real(array):
    """Whether an array has a derivative: it is neither None nor an array of integers."""
    return array is not None and np.issubdtype(array.dtype, np.floating)


def filled(x, like):
    """x in the form of `like`, with zeros in place of None. Where `like` has integers, None stays None."""
    return mapped(
        lambda known, given: np.zeros_like(known) if given is None and real(known) else given, like, x
    )


def flat(x, like=None):
    """All real entries of x in one vector.

    With `like`, None stands for zeros of the shape that `like` has there.
    """
    pairs, known = leaves(x if like is None else filled(x, like)), leaves(x if like is None else like)
    vectors = [np.ravel(array) for (_, array), (_, template) in zip(pairs, known) if real(template)]
    return np.concatenate(vectors) if vectors else np.zeros(0)


def moved(x, direction, t):
    """x + t direction. Arrays of integers, and arrays whose direction is None, are returned unchanged."""
    return mapped(lambda a, d: a if d is None or not real(a) else a + t * d, x, direction)


def shifted(x, path, offset, here=""):
    """x with `offset` added to the array at `path`, in the notation of `leaves`."""
    if isinstance(x, tuple):
        return tuple(shifted(part, path, offset, f"{here}[{i}]") for i, part in enumerate(x))
    return x + offset if here == path else x


def normal(rng, x):
    """A standard normal draw in the form and dtype of x; None for integers."""
    return mapped(lambda a: rng.standard_normal(a.shape).astype(a.dtype) if real(a) else None, x)


def same(a, b):
    """Whether two results are equal bit for bit.

    They may be arrays, numbers, None, or tuples, lists or mappings of these.
    """
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        both = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return both and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "keys"):
        return hasattr(b, "keys") and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a is b or type(a) is type(b) and a == b


def copied(a):
    """A deep copy of a value that `same` can compare."""
    if isinstance(a, np.ndarray):
        return a.copy()
    if isinstance(a, (tuple, list)):
        return tuple(map(copied, a))
    if hasattr(a, "keys"):
        return {key: copied(a[key]) for key in a}
    return a
