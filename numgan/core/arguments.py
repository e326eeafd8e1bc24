"""Argument checks that many modules share.

Each error's message names the argument, what was expected and what was given.
"""

from dataclasses import fields

import numpy as np

from .errors import NonFiniteError


def is_number(value, low=0, high=np.inf):
    """Whether `value` is one real number with low <= value < high, True or False.

    The default of `low` is 0, that of `high` is infinity, which is not included. The value may be an int or
    a float of Python or NumPy, or an array of no axes. nan, text, None, bools and other arrays give False.
    """
    a = np.asarray(value)
    # kinds of dtypes: i and u are integers, f is float
    return a.ndim == 0 and a.dtype.kind in "iuf" and bool(low <= a < high)


def is_integer(value, low=0):
    """Whether `value` is an integer of Python or NumPy and at least `low`, by default 0. Bools give False."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= low


def plain(value):
    """`value` as a Python int or float, if it is a NumPy number or an array of no axes; others unchanged.

    NumPy's bools and complex numbers are unchanged too. The reason: a float32 array times a NumPy number can
    be float64. A float32 array times a Python number is float32.
    """
    if isinstance(value, (np.number, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "iuf":
        return float(value) if value.dtype.kind == "f" else int(value)
    return value


def plain_fields(record):
    """Convert every NumPy number in the fields of `record`, a frozen dataclass, to a Python number, in place.

    An array of no axes becomes a Python number too. Other values of fields stay as they are. A dataclass
    calls this function at the end of its __post_init__. Returns nothing.
    """
    for field in fields(record):
        # a frozen dataclass refuses setattr, object.__setattr__ does not
        object.__setattr__(record, field.name, plain(getattr(record, field.name)))


def expect_type(where, value, kinds, expected, advice=""):
    """Raise TypeError unless `value` is an instance of `kinds`, a type or a tuple of types. Returns nothing.

    The message is "WHERE: expected EXPECTED, got TYPE", followed by `advice`, by default "". WHERE and
    EXPECTED are the texts `where` and `expected`; TYPE is the name of the type of `value`.
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{where}: expected {expected}, got {type(value).__name__}{advice}")


def dtype_of(x):
    """The dtype of x if x is exactly a NumPy array or a memmap; otherwise the name of x's type, a text.

    It is for messages. A subclass of arrays, such as a masked array, gives the name of its type.
    """
    return x.dtype if type(x) in (np.ndarray, np.memmap) else type(x).__name__


def expect_samples(where, **named):
    """Raise an error unless every argument is an array of floats with at least one sample. Returns nothing.

    where   the name of the caller, for the message
    named   the arguments to check, as keywords: name=array (N, ...)

    Raises TypeError for anything but a NumPy array of floats, and ValueError for an array without entries or
    without axes.
    """
    for name, x in named.items():
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            raise TypeError(
                f"{where}: expected {name} as one float array (N, ...), "
                f"got {dtype_of(x)}; convert it with np.asarray({name}, np.float32)"
            )
        if not x.ndim or not x.size:
            raise ValueError(
                f"{where}: expected {name} (N, ...) with at least one sample, got {x.shape}; draw a batch"
            )


def expect_finite(where, *logits):
    """Raise NonFiniteError if an array of `logits` (one argument or several) contains inf or nan.

    The arrays are outputs of D, of any shape. `where` is the name of the caller, for the message. Returns
    nothing.
    """
    if not all(np.isfinite(y).all() for y in logits):
        raise NonFiniteError(
            f"{where}: expected finite logits D(x), got inf or nan; "
            "look for samples or weights that are not finite"
        )


def expect_rng(where, rng):
    """Raise ValueError if rng has no attribute `uniform`. A numpy Generator has this method. Returns nothing.

    `where` is the name of the caller, for the message.
    """
    if not hasattr(rng, "uniform"):
        raise ValueError(
            f"{where}: expected rng as a numpy Generator, got {rng!r}; "
            "make one with np.random.default_rng(seed)"
        )


def pair(value, name):
    """Two ints, the tuple (vertical, horizontal). `value` is one integer for both, or a list or tuple of two.

    `name` is the argument's name, for the message. Raises ValueError for any other value.
    """
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(isinstance(v, (int, np.integer)) for v in values):
        raise ValueError(
            f"{name}: expected an integer or a pair of integers (vertical, horizontal), got {value!r}"
        )
    return int(values[0]), int(values[1])


def positive(value, name):
    """`value` as an int. Raises ValueError unless it is an integer of at least 1.

    `name` is the argument's name, for the message.
    """
    if not is_integer(value, 1):
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)


def share(value, name):
    """Raise ValueError unless the value is a number from 0 to 1, both included. Returns nothing.

    `name` is the argument's name, for the message.
    """
    if not (is_number(value) and value <= 1):
        raise ValueError(f"{name}: expected a share from 0 to 1, got {value!r}")


def not_negative(value, name):
    """`value` as a Python number. Raises ValueError unless it is a finite number of at least 0.

    `name` is the argument's name, for the message.
    """
    if not is_number(value):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")
    return plain(value)


def brief(value):
    """The repr of a value, a text; a tuple of equal numbers is shown as one number: "3" for (3, 3).

    Other tuples are shown whole: "(1, 2)" for (1, 2). A NumPy number is shown as a Python number.
    """
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return repr(plain(value[0] if alike else value))
