"""The result of a check that passes (Report), and the errors of a check that fails."""

from dataclasses import dataclass, field

from ..core.errors import GradientError


class BadPoint(GradientError):
    """Raised if a check cannot decide with its random arrays: they lie on a kink, or all gradients are zero.

    `points.at_points` then repeats the check with other random arrays. It raises this error after several
    attempts, and at once if the user gave the input.
    """


class OnKink(BadPoint):
    """Raised if the arrays of a check lie on a kink, where the slopes on the two sides differ.

    Then no difference quotient is valid.
    """


class AllZero(BadPoint):
    """Raised if a gradient and its difference quotients are zero although the function depends on the array.

    Units are dead or terms cancel, so the check has compared nothing.
    """


def failure(message, max_error=float("inf")):
    """Return a GradientError with this message and the attribute `max_error`. The caller raises it."""
    error = GradientError(message)
    error.max_error = max_error
    return error


def title(check):
    """The name of a check in reports and tests: the name of the function, with spaces for underscores."""
    return check.__name__.replace("_", " ")


def tidy(result):
    """Convert the result of a check to (max_error or None, note).

    result is max_error, None, or (max_error or None, note). A result without a note gets the note "".
    """
    return result if isinstance(result, tuple) else (result, "")


@dataclass(frozen=True)
class Subject:
    """The name of the function under test, and what an error message says about it.

    text        the name of the function, such as "Dense(4, 3)"
    reproduce   one line of code that repeats the check
    batch       the number of samples. If the gradient is wrong by exactly this factor, the message says that
                a sum and a mean were confused
    numbers     {words: number}: further numbers of this kind, such as {"the number of fakes": 3}
    """

    text: str
    reproduce: str
    batch: int = 1
    numbers: dict = field(default_factory=dict)

    @property
    def counts(self):
        """{words: number} of the numbers by which a sum and a mean may differ: batch size and `numbers`."""
        return {"the batch size": self.batch} | self.numbers

    def message(self, text):
        """Make an error message: the name of the function, `text`, and the line that repeats the check."""
        return f"{self.text}: {text}\n  reproduce:  {self.reproduce}"


@dataclass
class Report:
    """The results of checks that all passed. str(report) is a table with one row for each check.

    subject   the name of what was checked
    rows      a list of (name of the check, largest relative error or None, note)

    report[name] is the error of one row. A check that fails raises GradientError, so there is no Report.
    """

    subject: str
    rows: list = field(default_factory=list)

    def add(self, check, max_error=None, note=""):
        """Add a row: the name of the check, its largest relative error or None, and a note, a text."""
        self.rows.append((check, max_error, note))

    @property
    def max_error(self):
        """The largest max_error of all rows; 0 if no row has one."""
        return max((error for _, error, _ in self.rows if error is not None), default=0.0)

    def __getitem__(self, check):
        """The max_error of the row called `check`. Raises KeyError if no row has this name."""
        return {name: error for name, error, _ in self.rows}[check]

    def __str__(self):
        """A line with the largest error, and a line for each row: its name, its error or "ok", its note."""
        width = max((len(check) for check, *_ in self.rows), default=0)
        lines = []
        for check, error, note in self.rows:
            value = f"{error:.1e}" if error is not None else "" if note else "ok"
            lines.append(f"  {check:<{width}}  {value:<8}{note}".rstrip())
        return "\n".join([f"{self.subject}: passed, max error {self.max_error:.1e}", *lines])
