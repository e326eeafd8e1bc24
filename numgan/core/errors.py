"""The package's own exceptions, for programs that catch them by name.

Wrong arguments raise ValueError or TypeError.
"""


class FileFormatError(ValueError):
    """Raised if a data file or checkpoint is damaged or of another kind.

    The message names the file, the expected content and the found content.
    """


def damaged(path, expected, got, advice="the file is damaged: restore it from a copy, or make it again"):
    """Make a FileFormatError about a damaged file and return it. The caller raises it.

    path       the name of the file
    expected   the expected content, in words
    got        the found content, in words
    advice     what the user should do
    """
    return FileFormatError(f"{path}: expected {expected}, got {got}; {advice}")


class NoTestPart(ValueError):
    """Raised if test data are needed and the data set has no test part."""


class NonFiniteError(ArithmeticError):
    """Raised if a loss, an activation, a gradient or an update became inf or nan.

    The message says where, if this is known. `layer` is the layer object in which inf or nan appeared, or
    None.
    """

    def __init__(self, message, layer=None):
        super().__init__(message)
        self.layer = layer


class TrialError(RuntimeError):
    """Raised if a trial of a study failed: one method with one seed.

    It has the message of the error in the trial.
    """


class GradientError(AssertionError):
    """Raised if a gradient check failed: an analytic gradient disagrees with difference quotients.

    The message names the worst entry of the gradient and the pattern of the error, such as a wrong sign.
    """
