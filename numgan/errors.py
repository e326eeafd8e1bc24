"""The package's own exceptions: what a program may want to catch by name. Wrong arguments raise ValueError or TypeError.

Below them: how arguments are read that many chapters take.
"""

from dataclasses import fields

import numpy as np


class FileFormatError(ValueError):
    """A data file or checkpoint is not what it should be; the message names the file, what was expected and what was found."""


class NonFiniteError(ArithmeticError):
    """A loss, an activation or a gradient became inf or nan; the message names the layer. `layer` is its object, or None."""

    def __init__(self, message, layer=None):
        super().__init__(message)
        self.layer = layer


class TrialError(RuntimeError):
    """A trial of a study failed; the message has its own words."""


class GradientError(AssertionError):
    """An analytic gradient disagrees with a numeric one; the message says where, by how much, and in which pattern."""


def is_number(value, low=0, high=np.inf):
    """Whether an argument is one real number with low <= value < high: no nan, text, None, truth value or array."""
    a = np.asarray(value)
    return a.ndim == 0 and a.dtype.kind in "iuf" and bool(low <= a < high)


def plain(value):
    """A NumPy number as Python's own, which leaves the dtype of every array that it meets; anything else as it is."""
    if isinstance(value, (np.number, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "iuf":
        return float(value) if value.dtype.kind == "f" else int(value)
    return value


def plain_fields(record):
    """Make every NumPy number among the fields of a frozen dataclass a plain one: called when it is made, after its checks."""
    for field in fields(record):
        object.__setattr__(record, field.name, plain(getattr(record, field.name)))


def expect_samples(where, **named):
    """TypeError for samples that are not one array of floats, ValueError if there are none."""
    for name, x in named.items():
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            raise TypeError(f"{where}: expected {name} as one float array (N, ...), got {getattr(x, 'dtype', type(x).__name__)}; "
                            f"convert it with np.asarray({name}, np.float32)")
        if not x.ndim or not x.size:
            raise ValueError(f"{where}: expected {name} (N, ...) with at least one sample, got {x.shape}; draw a batch")


def expect_finite(where, *logits):
    """NonFiniteError for logits that are inf or nan."""
    if not all(np.isfinite(y).all() for y in logits):
        raise NonFiniteError(f"{where}: expected finite logits D(x), got inf or nan; look for samples or weights that are not finite")


def expect_rng(where, rng):
    """ValueError for a source of randomness that is no numpy Generator."""
    if not hasattr(rng, "uniform"):
        raise ValueError(f"{where}: expected rng as a numpy Generator, got {rng!r}; make one with np.random.default_rng(seed)")
