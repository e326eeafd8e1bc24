"""Argument checks that many modules share.

Each error's message names the argument, what was expected and what was given.
"""

from dataclasses import fields

import numpy as np

from .errors import NonFiniteError


def is_number(value, low=0, high=np.inf):
    """Whether `value` is one real number with low <= value < high; by default, finite and at least 0.

    A number of Python or NumPy, or an array of no axes, can be one. nan, text, None, bools and other arrays
    give False.
    """
    a = np.asarray(value)
    return a.ndim == 0 and a.dtype.kind in "iuf" and bool(low <= a < high)


def is_integer(value, low=0):
    """Whether `value` is an integer, of Python or NumPy, of at least `low`. Bools give False."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= low


def plain(value):
    """Convert a NumPy number, or an array of no axes, to a Python number. Return other values unchanged.

    A product of a float32 array with a NumPy number could be float64. A Python number cannot do this.
    """
    if isinstance(value, (np.number, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "iuf":
        return float(value) if value.dtype.kind == "f" else int(value)
    return value


def plain_fields(record):
    """Convert every NumPy number in the fields of `record`, a frozen dataclass, to a Python number, in place.

    Call it at the end of __post_init__. It uses `plain`.
    """
    for field in fields(record):
        object.__setattr__(record, field.name, plain(getattr(record, field.name)))


def expect_type(where, value, kinds, expected, advice=""):
    """Raise TypeError unless `value` is an instance of `kinds`, a type or several.

    The message is `where: expected EXPECTED, got TYPE`, and then `advice`. TYPE is the type of value.
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{where}: expected {expected}, got {type(value).__name__}{advice}")


def dtype_of(x):
    """For messages: the dtype of a plain array. Of anything else, such as a masked array, its type's name."""
    return x.dtype if type(x) in (np.ndarray, np.memmap) else type(x).__name__


def expect_samples(where, **named):
    """Raise TypeError if an argument is not an array of floats, ValueError if it is empty or has no axes.

    where   the name of the caller, for the message
    named   {argument's name: value}
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
    """(vertical, horizontal), two ints, from an integer for both or from a pair. ValueError for other values.

    `name` is the argument's name, for the message.
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
    """Raise ValueError unless the value is a number from 0 to 1. Returns nothing.

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
    """The text of a value for a repr: "3" for 3 and also for (3, 3), "(1, 2)" for (1, 2).

    A tuple of equal numbers is shown as one number.
    """
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return repr(plain(value[0] if alike else value))
