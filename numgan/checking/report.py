"""What a check hands back when all is well, and how it fails when it is not."""

from dataclasses import dataclass, field

from ..core.errors import GradientError


class BadPoint(GradientError):
    """This point shows nothing, right or wrong; the checks draw another, and fail if that does not help either (`points.at_points`)."""


class OnKink(BadPoint):
    """No difference quotient is valid here."""


class AllZero(BadPoint):
    """A gradient is zero here, the true one too, though the function depends on the array: units are dead, and nothing was compared."""


def failure(message, max_error=float("inf")):
    """A GradientError that knows how large the error was."""
    error = GradientError(message)
    error.max_error = max_error
    return error


def tidy(result):
    """(max_error or None, note) of what a check returns: that, or the first alone."""
    return result if isinstance(result, tuple) else (result, "")


@dataclass
class Report:
    """What was checked: rows (check, max_error or None, note). Printed, it is a table; there is one only if everything passed."""

    subject: str
    rows: list = field(default_factory=list)

    def add(self, check, max_error=None, note=""):
        self.rows.append((check, max_error, note))

    @property
    def max_error(self):
        """The largest relative error of all rows."""
        return max((error for _, error, _ in self.rows if error is not None), default=0.0)

    def __getitem__(self, check):
        """The max_error of one row, by its name."""
        return {name: error for name, error, _ in self.rows}[check]

    def __str__(self):
        width = max((len(check) for check, *_ in self.rows), default=0)
        lines = [
            f"  {check:<{width}}  {'ok' if error is None and not note else '' if error is None else f'{error:.1e}':<8}{note}".rstrip()
            for check, error, note in self.rows
        ]
        return "\n".join([f"{self.subject}: passed, max error {self.max_error:.1e}", *lines])
