"""The forms in which people give a function, its argument and its gradient to gradcheck.

The argument x is an array, a number, or a tuple, list or dict of these, which may be nested. The checks work
with tuples of arrays: `as_tuple` and `in_form` convert between the two. `Function` calls the user's function.
"""

from inspect import Parameter, signature

import numpy as np

from .arrays import leaves, same
from .differences import largest
from .report import failure

ADVICE = "convert x to float64, because a difference quotient in float32 has two correct digits"


def is_group(x):
    """Whether x is a tuple, list or dict of arrays. A list of numbers is one array, and no group."""
    if isinstance(x, list):
        return any(isinstance(part, (np.ndarray, tuple, list, dict)) for part in x) and not _numbers(x)
    return isinstance(x, tuple) or hasattr(x, "keys")


def _numbers(x):
    """Whether x is a list of numbers, or of lists of numbers."""
    return isinstance(x, list) and all(isinstance(part, (int, float)) or _numbers(part) for part in x)


def as_tuple(x, like=None):
    """The arrays of x as one array or a (nested) tuple of arrays.

    like   x has this form: a dict is read in the order of the keys of `like`; None: in its own order

    Raises GradientError if x has other keys than `like`.
    """
    if hasattr(x, "keys"):
        keys = list(like if hasattr(like, "keys") else x)
        if set(keys) != set(x):
            raise failure(
                f"gradcheck: expected a gradient for each of {', '.join(map(str, keys))}, got "
                f"{', '.join(map(str, x)) or 'none'}"
            )
        return tuple(as_tuple(x[key], like[key] if hasattr(like, "keys") else None) for key in keys)
    if is_group(x):
        parts = like if isinstance(like, (tuple, list)) and len(like) == len(x) else (None,) * len(x)
        return tuple(map(as_tuple, x, parts))
    if isinstance(x, (int, float)) and not isinstance(x, bool) or _numbers(x):
        return np.asarray(x, np.float64)
    return x


def in_form(arrays, like):
    """The (nested) tuple `arrays` in the form of `like`: with lists and dicts where `like` has them."""
    if hasattr(like, "keys"):
        return {key: in_form(part, like[key]) for key, part in zip(like, arrays)}
    if is_group(like):
        return type(like)(map(in_form, arrays, like)) if type(like) in (tuple, list) else tuple(arrays)
    return arrays


def paths(x, path="x"):
    """The names of the arrays in x, in the order of `leaves(as_tuple(x))`, such as x[0] or x['W']."""
    if hasattr(x, "keys"):
        return [name for key in x for name in paths(x[key], f"{path}[{key!r}]")]
    if is_group(x):
        return [name for i, part in enumerate(x) for name in paths(part, f"{path}[{i}]")]
    return [path]


def expect_float64(arrays):
    """Raise TypeError unless every array in a (nested) tuple is a NumPy array of float64."""
    for _, array in leaves(arrays):
        if isinstance(array, (np.ma.MaskedArray, np.matrix)):
            raise TypeError(
                f"gradcheck: expected x as a plain array, got a {type(array).__name__}; give np.asarray(x)"
            )
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            got = getattr(array, "dtype", type(array).__name__)
            advice = ADVICE if hasattr(array, "dtype") else "give an array, a number, or a tuple of these"
            raise TypeError(f"gradcheck: expected x as float64 arrays, got {got}; {advice}")


class Function:
    """The user's function f of x, called with arrays in a (nested) tuple.

    f          f(x), or f(a, b) if x is a pair and f has two arguments without a default value
    x          the user's x, whose form every call gets
    name       the name of f in messages
    gradient   whether f returns a pair (value, gradient); then a call returns the value alone
    """

    def __init__(self, f, x, name, gradient=False):
        if not callable(f):
            raise TypeError(f"gradcheck: expected f as a function of x, got {type(f).__name__}; give f first")
        self.f, self.x, self.name, self.gradient = f, x, name, gradient
        self.spread = is_group(x) and len(x) > 1 and _required(f) == len(x)

    def raw(self, arrays):
        """What f returns for copies of the arrays."""
        return self._called(in_form(_copied(arrays), self.x))

    def _called(self, x):
        if not self.spread:
            return self.f(x)
        if hasattr(x, "keys"):
            named = set(x) <= set(names_of_arguments(self.f))
            return self.f(**x) if named else self.f(*x.values())
        return self.f(*x)

    def __call__(self, arrays):
        result = self.raw(arrays)
        return value_of(result[0] if self.gradient else result, self.name)

    def expect_pure(self, arrays, rng):
        """Raise GradientError if f writes to its argument, or gives two results for equal arguments.

        Between the two calls f is called at another point: a running mean that f keeps would change there.
        """
        given = _copied(arrays)
        first = self._called(in_form(given, self.x))
        if not same(given, arrays):
            raise failure(
                f"{self.name} writes to its argument; compute with a new array, such as v = 2 * v in place "
                "of v *= 2, or with a copy"
            )
        first = value_of(first[0] if self.gradient else first, self.name)
        self(_moved(arrays, rng))
        if not same(first, self(arrays)):
            raise failure(
                f"{self.name} gives two results for equal arguments: it draws random numbers, or keeps a "
                "value between its calls, such as a running mean; draw the numbers once outside, or from a "
                "generator with a fixed seed inside"
            )

    def rounds_its_input(self, arrays, rng):
        """Whether f computes in float32: it does not change in moves of x by 1e-11, and jumps in larger ones.

        A smooth f whose change is below the digits of float64 does not jump: near a minimum, or beside a
        large constant. So the change in moves by 1e-6 must be visible in moves by 1e-11 if f is a line, and
        that in moves by 1e-7 must be more than the hundredth part that a parabola gives.
        """
        here = self(arrays)
        state = rng.bit_generator.state

        def change(size):
            rng.bit_generator.state = state  # the same directions for each size
            return max(largest(self(_moved(arrays, rng, size)) - here) for _ in range(4))

        small, middle, large = map(change, (1e-11, 1e-7, 1e-6))
        return small == 0 and middle > large / 50 and large > 1e-9 * largest(here)


def value_of(y, name):
    """The result of f as a float64 array. Raises TypeError if it is no number and no array of floats."""
    if isinstance(y, tuple):
        raise TypeError(
            f"gradcheck: expected {name} to return a number or an array, got a tuple of {len(y)}; if it is "
            "(value, gradient), leave df out"
        )
    array = np.asarray(y)
    if array.dtype in (np.float32, np.float16):
        raise TypeError(
            f"gradcheck: expected {name} to return float64, got {array.dtype}; compute in float64 inside it, "
            "because a difference quotient in float32 has two correct digits"
        )
    if array.dtype.kind not in "fiub":
        got = "None" if y is None else array.dtype if array.dtype.kind == "c" else type(y).__name__
        raise TypeError(f"gradcheck: expected {name} to return a number or an array of floats, got {got}")
    return array.astype(np.float64)


def _copied(arrays):
    return tuple(map(_copied, arrays)) if isinstance(arrays, tuple) else arrays.copy()


def _moved(arrays, rng, size=1e-3):
    """The arrays after random moves of about `size`, as a part of the largest entry of each array."""
    if isinstance(arrays, tuple):
        return tuple(_moved(part, rng, size) for part in arrays)
    return arrays + size * (np.abs(arrays).max(initial=0) or 1.0) * rng.standard_normal(arrays.shape)


def _parameters(f):
    try:
        return signature(f).parameters.values()
    except (TypeError, ValueError):  # a function of C code may have no signature
        return ()


def _required(f):
    """The number of positional arguments of f that have no default value."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is Parameter.empty for p in _parameters(f))


def names_of_arguments(f):
    """The names of the arguments of a function, a list; [] if it does not tell them."""
    return [p.name for p in _parameters(f)]
