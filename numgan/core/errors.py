"""The package's own exceptions, which a program may want to catch by name. Wrong arguments raise ValueError or TypeError."""


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
