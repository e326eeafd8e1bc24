"""The package's own exceptions: what a program may want to catch by name. Wrong arguments raise ValueError or TypeError."""

import numpy as np


class FileFormatError(ValueError):
    """A data file or checkpoint is not what it should be; the message names the file, what was expected and what was found."""


class NonFiniteError(ArithmeticError):
    """A loss, an activation or a gradient became inf or nan; the message names the layer."""


class TrialError(RuntimeError):
    """A trial of a study failed; the message has its own words."""


class GradientError(AssertionError):
    """An analytic gradient disagrees with a numeric one; the message says where, by how much, and in which pattern."""


def is_number(value, low=0, high=np.inf):
    """Whether an argument is one real number with low <= value < high: no nan, text, None, truth value or array."""
    a = np.asarray(value)
    return a.ndim == 0 and a.dtype.kind in "iuf" and bool(low <= a < high)
