"""Argument checks that many modules share.

Each error's message names the argument, what was expected and what was given.
"""

from dataclasses import fields

import numpy as np

from .errors import NonFiniteError


def is_number(value, low=0, high=np.inf):
    """Whether `value` is one real number with low <= value < high; by default, finite and at least 0.

    It may be a number of Python or NumPy, or a NumPy array without axes. nan, text, None, bools and other
    arrays give False.
    """
    a = np.asarray(value)
    return a.ndim == 0 and a.dtype.kind in "iuf" and bool(low <= a < high)


def is_integer(value, low=0):
    """Whether `value` is an integer, of Python or NumPy, of at least `low`. False for a bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= low


def plain(value):
    """Convert a NumPy number, or an array without axes, to a Python number. Return other values unchanged.

    The reason: a product of a float32 array with a NumPy number could be float64; with a Python number it
    stays float32.
    """
    if isinstance(value, (np.number, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "iuf":
        return float(value) if value.dtype.kind == "f" else int(value)
    return value


def plain_fields(record):
    """Convert every NumPy number in the fields of a dataclass object to a Python number, in place.

    `record` is the object; its class may be frozen. Call this function at the end of __post_init__.
    """
    for field in fields(record):
        object.__setattr__(record, field.name, plain(getattr(record, field.name)))


def expect_type(where, value, kinds, expected, advice=""):
    """Raise TypeError unless `value` is an instance of `kinds`, a type or several types.

    where      the beginning of the message, such as the name of the function
    expected   what the value must be, in words
    advice     the end of the message

    The message is `where: expected EXPECTED, got TYPE`, and then `advice`. TYPE is the type of value.
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{where}: expected {expected}, got {type(value).__name__}{advice}")


def dtype_of(x):
    """The dtype of a plain NumPy array x; the name of the type for anything else, such as a masked array."""
    return x.dtype if type(x) in (np.ndarray, np.memmap) else type(x).__name__


def expect_samples(where, **named):
    """Raise an error unless each argument is an array of floats that is not empty and has an axis.

    where   the name of the caller, for the message
    named   {argument's name: value}

    Raises TypeError if an argument is not an array of floats, ValueError if it is empty or has no axes.
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
    """Raise NonFiniteError if one of the arrays `logits`, outputs of D, contains inf or nan.

    `where` is the name of the caller, for the message.
    """
    if not all(np.isfinite(y).all() for y in logits):
        raise NonFiniteError(
            f"{where}: expected finite logits D(x), got inf or nan; "
            "look for samples or weights that are not finite"
        )


def expect_rng(where, rng):
    """Raise ValueError unless rng is a numpy Generator, or has a method `uniform` as a Generator has.

    `where` is the name of the caller, for the message.
    """
    if not hasattr(rng, "uniform"):
        raise ValueError(
            f"{where}: expected rng as a numpy Generator, got {rng!r}; "
            "make one with np.random.default_rng(seed)"
        )


def pair(value, name):
    """Convert an integer, or a pair of integers, to a pair (vertical, horizontal) of two ints.

    An integer stands for both numbers. `name` is the argument's name, for the message. Raises ValueError for
    other values.
    """
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(isinstance(v, (int, np.integer)) for v in values):
        raise ValueError(
            f"{name}: expected an integer or a pair of integers (vertical, horizontal), got {value!r}"
        )
    return int(values[0]), int(values[1])


def positive(value, name):
    """Convert `value` to an int. Raises ValueError unless it is an integer of at least 1.

    `name` is the argument's name, for the message.
    """
    if not is_integer(value, 1):
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)


def share(value, name):
    """Raise ValueError unless `value` is a number from 0 to 1. Returns nothing.

    `name` is the argument's name, for the message.
    """
    if not (is_number(value) and value <= 1):
        raise ValueError(f"{name}: expected a share from 0 to 1, got {value!r}")


def not_negative(value, name):
    """Convert `value` to a Python number. Raises ValueError unless it is a finite number of at least 0.

    `name` is the argument's name, for the message.
    """
    if not is_number(value):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")
    return plain(value)


def brief(value):
    """A short text of a value for a repr: "3" for 3 and also for (3, 3), "(1, 2)" for (1, 2).

    A tuple of equal numbers is shown as one number.
    """
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return repr(plain(value[0] if alike else value))
