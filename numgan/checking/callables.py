"""The forms in which people give a function, its argument and its gradient to gradcheck.

The argument x is an array, a number, or a tuple, list or dict of these, which may be nested. The checks work
with tuples of arrays: `as_tuple` and `in_form` convert between the two. `Function` calls the user's function.
"""

from inspect import Parameter, signature

import numpy as np

from .arrays import leaves, same
from .quotients import largest
from .report import failure

ADVICE = "convert x to float64, because a difference quotient in float32 has two correct digits"


def is_group(x):
    """Whether x is a tuple, a dict, or a list with an array, tuple or dict in it.

    False for a list of numbers, or of lists of numbers: such a list becomes one array.
    """
    if isinstance(x, list):
        return any(isinstance(part, (np.ndarray, tuple, list, dict)) for part in x) and not _numbers(x)
    return isinstance(x, tuple) or hasattr(x, "keys")


def _numbers(x):
    """Whether x is a list of numbers, or of lists of numbers."""
    return isinstance(x, list) and all(isinstance(part, (int, float)) or _numbers(part) for part in x)


def as_tuple(x, like=None):
    """Convert x, an argument or gradient of the user's function, to an array or a (nested) tuple of arrays.

    x      an array, a number, or a tuple, list or dict of these
    like   another value of the same form. A dict x is read in the order of the keys of `like`. None: in the
           order of its own keys

    Numbers and lists of numbers become float64 arrays. A value of any other type stays as it is. Raises
    GradientError if x has other keys than `like`.
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
    """Convert `arrays`, a (nested) tuple of arrays, to the form of `like`: to its lists, tuples and dicts."""
    if hasattr(like, "keys"):
        return {key: in_form(part, like[key]) for key, part in zip(like, arrays)}
    if is_group(like):
        return type(like)(map(in_form, arrays, like)) if type(like) in (tuple, list) else tuple(arrays)
    return arrays


def paths(x, path="x"):
    """The names of all arrays in x, a list of texts such as "x[0]" or "x['W']".

    x is an array, or a tuple, list or dict of arrays. `path` is the name of x itself. The order is that of
    `leaves(as_tuple(x))`.
    """
    if hasattr(x, "keys"):
        return [name for key in x for name in paths(x[key], f"{path}[{key!r}]")]
    if is_group(x):
        return [name for i, part in enumerate(x) for name in paths(part, f"{path}[{i}]")]
    return [path]


def expect_float64(arrays):
    """Raise TypeError unless every array in a (nested) tuple is a plain NumPy array of float64.

    arrays is an array, or a (nested) tuple of arrays. A masked array or an np.matrix is not plain.
    """
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
    """A wrapper of the user's function f. A call takes arrays and returns the value as a float64 array.

    f          f(x); or f(a, b, ...), if x has two parts or more and f has as many arguments without a
               default value. The parts of a dict are given by name if f has these names, else by position
    x          an example of the argument. Each call converts its arrays to this form before it calls f
    name       the name of f in messages
    gradient   True: f returns a pair (value, gradient), and a call of the wrapper returns the value alone

    Raises TypeError if f is not callable, or if a value is not a number or an array of numbers.
    """

    def __init__(self, f, x, name, gradient=False):
        if not callable(f):
            raise TypeError(f"gradcheck: expected f as a function of x, got {type(f).__name__}; give f first")
        self.f, self.x, self.name, self.gradient = f, x, name, gradient
        self.spread = is_group(x) and len(x) > 1 and _required(f) == len(x)

    def raw(self, arrays):
        """The result of f for copies of the arrays, exactly as f returned it."""
        return self._called(in_form(_copied(arrays), self.x))

    def _called(self, x):
        """f(x). If f takes each entry of x as an argument: f(*x), or f(**x) if x has names that f knows."""
        if not self.spread:
            return self.f(x)
        if hasattr(x, "keys"):
            named = set(x) <= set(names_of_arguments(self.f))
            return self.f(**x) if named else self.f(*x.values())
        return self.f(*x)

    def __call__(self, arrays):
        """The value of f for copies of the arrays, a float64 array, without a gradient that f may return."""
        result = self.raw(arrays)
        return value_of(result[0] if self.gradient else result, self.name)

    def expect_pure(self, arrays, rng):
        """Raise GradientError if f writes to its argument, or gives two results for equal arguments.

        f is called at `arrays`, then at other arrays near them (drawn with the generator rng), then at
        `arrays` again. A running mean that f stores would change at the second call.
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
        """Whether f seems to compute in float32: tiny moves of x do not change f, and larger ones do.

        arrays are the arrays of x. They move by 1e-11, 1e-7 and 1e-6 of their largest entry, in four
        directions that rng draws. Three conditions must be true:

        the moves by 1e-11 do not change f at all
        the moves by 1e-7 change f more than 1/50 as much as those by 1e-6. In float64, a line would give
        1/10, and a parabola, such as f near its minimum, 1/100: its small moves may be lost
        the moves by 1e-6 change f by more than 1e-9 of its size. In float64, a line would then also change
        visibly in the moves by 1e-11, unlike a small term beside a large constant
        """
        here = self(arrays)
        state = rng.bit_generator.state

        def change(size):
            rng.bit_generator.state = state  # the same directions for each size
            return max(largest(self(_moved(arrays, rng, size)) - here) for _ in range(4))

        small, middle, large = map(change, (1e-11, 1e-7, 1e-6))
        return small == 0 and middle > large / 50 and large > 1e-9 * largest(here)


def value_of(y, name):
    """Convert y, the result of a user's function called `name`, to a float64 array.

    y is a number or an array; integers and bools are accepted. Raises TypeError if y is a tuple, holds other
    values than real numbers, or is float32 or float16.
    """
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
    """A copy of the (nested) tuple of arrays with random numbers, drawn with rng, added to every entry.

    The added numbers have the standard deviation `size` times the largest absolute entry of the same array,
    or `size` if all its entries are zero.
    """
    if isinstance(arrays, tuple):
        return tuple(_moved(part, rng, size) for part in arrays)
    return arrays + size * (np.abs(arrays).max(initial=0) or 1.0) * rng.standard_normal(arrays.shape)


def _parameters(f):
    """The Parameters (of inspect) of the function f; () if Python does not know them."""
    try:
        return signature(f).parameters.values()
    except (TypeError, ValueError):  # a function of C code may have no signature
        return ()


def _required(f):
    """The number of positional arguments of f that have no default value; 0 if Python does not know them."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is Parameter.empty for p in _parameters(f))


def names_of_arguments(f):
    """The list of the names of the arguments of the function f; [] if Python does not know them (C code)."""
    return [p.name for p in _parameters(f)]
