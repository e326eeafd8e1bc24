"""The package's own exceptions, for programs that catch them by name.

Wrong arguments raise ValueError or TypeError.
"""


class FileFormatError(ValueError):
    """The error for a data file or checkpoint that is damaged or of another file format.

    The message names the file, the expected content and the found content.
    """


def damaged(path, expected, got, advice="the file is damaged: restore it from a copy, or make it again"):
    """Make a FileFormatError and return it; the caller raises it.

    The message is "PATH: expected EXPECTED, got GOT; ADVICE", with the texts of the arguments `path` (the
    file's name), `expected`, `got` and `advice`. The default advice is to restore the file from a copy.
    """
    return FileFormatError(f"{path}: expected {expected}, got {got}; {advice}")


class NoTestPart(ValueError):
    """The error for data that have no test part, if a caller asks for this part."""


class NonFiniteError(ArithmeticError):
    """The error for a loss, an activation, a gradient or an update that became inf or nan.

    message   says where inf or nan appeared, if this is known
    layer     the layer object in which inf or nan appeared, or None (the default) if it is not known
    """

    def __init__(self, message, layer=None):
        super().__init__(message)
        self.layer = layer


class TrialError(RuntimeError):
    """The error for a trial of a study that failed. A trial is the training of one method with one seed.

    The message is that of the error in the trial.
    """


class GradientError(AssertionError):
    """The error for a failed gradient check: an analytic gradient disagrees with difference quotients.

    The message names the worst entry of the gradient and the pattern of the error, such as a wrong sign.
    """
