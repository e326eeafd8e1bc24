"""The result of a check that passes (Report), and the errors of a check that fails."""

from dataclasses import dataclass, field

from ..core.errors import GradientError


class BadPoint(GradientError):
    """The check cannot decide at this point.

    `points.at_points` draws another one, and fails after several attempts.
    """


class OnKink(BadPoint):
    """No difference quotient is valid at this point, because it lies on a kink."""


class AllZero(BadPoint):
    """The true and the computed gradient are zero here, although the function depends on the array.

    Units are dead, so the check has compared nothing.
    """


def failure(message, max_error=float("inf")):
    """A GradientError with the attribute `max_error`."""
    error = GradientError(message)
    error.max_error = max_error
    return error


def title(check):
    """The name of a check, a function, in reports and tests."""
    return check.__name__.replace("_", " ")


def tidy(result):
    """Convert the result of a check, (max_error, note) or max_error alone, to (max_error, note)."""
    return result if isinstance(result, tuple) else (result, "")


@dataclass(frozen=True)
class Subject:
    """The function that a check compares with difference quotients, for the messages of errors.

    text        such as "Dense(4, 3)"
    reproduce   one line of code that repeats the check
    batch       the number of samples, to recognise a mean in place of a sum and the reverse
    """

    text: str
    reproduce: str
    batch: int = 1

    def message(self, text):
        """The text after the name of the subject, and the line that repeats the check."""
        return f"{self.text}: {text}\n  reproduce:  {self.reproduce}"


@dataclass
class Report:
    """The rows (check, max_error or None, note) of a check that passed. str(report) is a table.

    A check that fails raises GradientError and returns no Report.
    """

    subject: str
    rows: list = field(default_factory=list)

    def add(self, check, max_error=None, note=""):
        self.rows.append((check, max_error, note))

    @property
    def max_error(self):
        """The largest relative error of all rows."""
        return max((error for _, error, _ in self.rows if error is not None), default=0.0)

    def __getitem__(self, check):
        """The max_error of the row with this name."""
        return {name: error for name, error, _ in self.rows}[check]

    def __str__(self):
        width = max((len(check) for check, *_ in self.rows), default=0)
        lines = []
        for check, error, note in self.rows:
            value = f"{error:.1e}" if error is not None else "" if note else "ok"
            lines.append(f"  {check:<{width}}  {value:<8}{note}".rstrip())
        return "\n".join([f"{self.subject}: passed, max error {self.max_error:.1e}", *lines])
