"""Functions on arrays and on (nested) tuples of arrays. The input and the output of a layer may be either.

In such a tuple, None stands for an array of zeros. An array of integers has no derivative.
"""

import numpy as np


def leaves(x, path=""):
    """The list [(path, array or None)] of all arrays in x, in order.

    x is an array, None, or a tuple of arrays, None and further tuples. A path is a text that says where an
    array is in x: "" is x itself, "[0]" is x[0], "[1][0]" is x[1][0].
    """
    if isinstance(x, tuple):
        return [leaf for i, part in enumerate(x) for leaf in leaves(part, f"{path}[{i}]")]
    return [(path, x)]


def mapped(f, x, *others):
    """Apply f to every array of x and return the results in the form of x.

    x        an array, or a (nested) tuple of arrays and None; f gets each None, too
    others   further arguments in the form of x. f gets the array of x and, as further arguments, the array at
             the same position in each of them. One that is not a tuple where x is a tuple counts as None
             there

    If x is an array, the result is f(x, *others). If x is a tuple, the result is a tuple of results.
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
    """Whether an array has a derivative: True for an array of floats, False for any other and for None."""
    return array is not None and np.issubdtype(array.dtype, np.floating)


def filled(x, like):
    """The tree x with an array of zeros in place of each None. The other arrays are not copied.

    A tree is an array or a (nested) tuple of arrays; `like` is a tree in the form of x. The zeros have the
    shape and dtype of the array at the same position in `like`. If that array holds integers, None stays
    None. x=None counts as None at every position of `like`.
    """
    return mapped(
        lambda known, given: np.zeros_like(known) if given is None and real(known) else given, like, x
    )


def flat(x, like=None):
    """Join all entries of the float arrays of x in one vector. Arrays of integers are left out.

    x      an array, None, or a (nested) tuple of these
    like   an array or tuple in the form of x: each None in x counts as zeros of the shape found in `like`.
           None: each None in x is left out

    The vector is empty if nothing is left.
    """
    pairs, known = leaves(x if like is None else filled(x, like)), leaves(x if like is None else like)
    vectors = [np.ravel(array) for (_, array), (_, template) in zip(pairs, known) if real(template)]
    return np.concatenate(vectors) if vectors else np.zeros(0)


def moved(x, direction, t):
    """The sum x + t * direction, for each array of x. Arrays of integers stay unchanged.

    x and direction are arrays or (nested) tuples of arrays of the same form, t is a number. If an array has
    the direction None, it stays unchanged too.
    """
    return mapped(lambda a, d: a if d is None or not real(a) else a + t * d, x, direction)


def shifted(x, path, offset, here=""):
    """The tree x with `offset` added to one array. That array is new: x itself does not change.

    x        an array or a (nested) tuple of arrays
    path     the array that gets the offset, as a text such as "[0]" for x[0] (see `leaves`)
    offset   a number or an array
    here     only for the recursion: the path of x in the whole tree
    """
    if isinstance(x, tuple):
        return tuple(shifted(part, path, offset, f"{here}[{i}]") for i, part in enumerate(x))
    return x + offset if here == path else x


def normal(rng, x):
    """Draw standard normal numbers with the generator rng, in the form, shapes and dtypes of x.

    x is an array or a (nested) tuple of arrays. The result has the same form. An array of integers
    becomes None, and None stays None.
    """
    return mapped(lambda a: rng.standard_normal(a.shape).astype(a.dtype) if real(a) else None, x)


def same(a, b):
    """Whether a and b are equal in structure, shapes, dtypes and values, without any tolerance.

    a and b are arrays, numbers, None, or tuples, lists or mappings of these. nan equals nan in arrays of
    floats. 0.0 equals -0.0. A tuple may equal a list. Two mappings must have their keys in the same order.
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
    """A deep copy of an array, number or None, or of a tuple, list or mapping of these.

    Lists become tuples. Mappings (also Parameters) become dicts. Any other object is returned itself.
    """
    if isinstance(a, np.ndarray):
        return a.copy()
    if isinstance(a, (tuple, list)):
        return tuple(map(copied, a))
    if hasattr(a, "keys"):
        return {key: copied(a[key]) for key in a}
    return a
