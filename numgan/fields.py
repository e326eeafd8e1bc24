"""Fields: what the JSON files that numgan writes hold. Each is declared once, and checked whenever it is read.

    CONFIG = Record({"steps": Whole(1), "classes": Each(Text())}, optional={"diverged": Text()})
    config = read_json(path, CONFIG, "restore the file from a copy")

A value that does not fit is a ValueError that names the field:
`recipe.width: expected a finite number from 0.0001 to 1,000, got 1e+300`.
"""

import json
import os
import reprlib
from dataclasses import dataclass, field

from .errors import FileFormatError
from .files import opened, read

LIMIT, LINE = 4 << 20, 1 << 16  # bytes of one file, and of one line: Python's objects take up to 25 times as many
MOST = 10**12  # of what is counted, unless said: steps, rows, seconds
FINITE = 1.7976931348623157e308


class Kind:
    """A kind of value: `what` it is, in words, and whether a value `fits`."""

    def expect(self, value, where):
        """ValueError, with the name of the field, unless the value fits."""
        if not self.fits(value):
            raise ValueError(f"{where}: expected {self.what}, got {reprlib.repr(value)}")


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from low to high."""

    low: int = 0
    high: int = MOST

    @property
    def what(self):
        return f"a whole number from {self.low:,} to {self.high:,}"

    def fits(self, value):
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Real(Kind):
    """A number from low to high, by default any finite one."""

    low: float = -FINITE
    high: float = FINITE

    @property
    def what(self):
        return "a finite number" if self == Real() else f"a finite number from {self.low:,} to {self.high:,}"

    def fits(self, value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    what = "true or false"

    def fits(self, value):
        return isinstance(value, bool)


@dataclass(frozen=True)
class Text(Kind):
    """Text that can be a path: no zero, no half of a character."""

    most: int = 1000

    @property
    def what(self):
        return f"text of at most {self.most:,} characters"

    def fits(self, value):
        try:
            return isinstance(value, str) and len(value) <= self.most and b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            return False


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    words: tuple

    @property
    def what(self):
        return f"one of {', '.join(self.words)}"

    def fits(self, value):
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds."""

    kinds: tuple

    @property
    def what(self):
        return ", or ".join(kind.what for kind in self.kinds)

    def fits(self, value):
        return any(kind.fits(value) for kind in self.kinds)


@dataclass(frozen=True)
class Maybe(Kind):
    """A value of a kind, or none: JSON's null."""

    kind: Kind

    @property
    def what(self):
        return f"{self.kind.what}, or null"

    def fits(self, value):
        return value is None or self.kind.fits(value)

    def expect(self, value, where):
        if value is not None:
            self.kind.expect(value, where)


@dataclass(frozen=True)
class Each(Kind):
    """A list with entries of one kind."""

    kind: Kind
    what = "a list"

    def fits(self, value):
        return isinstance(value, list) and all(map(self.kind.fits, value))

    def expect(self, value, where):
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {reprlib.repr(value)}")
        for number, entry in enumerate(value):
            self.kind.expect(entry, f"{where}[{number}]")


@dataclass(frozen=True)
class Record(Kind):
    """Fields {name: kind}, optional ones that may be missing, and the kind of all others (None: none are)."""

    fields: dict
    optional: dict = field(default_factory=dict)
    others: Kind | None = None
    what = "named fields"

    def fits(self, value):
        try:
            self.expect(value, "")
        except ValueError:
            return False
        return True

    def expect(self, value, where):
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'the whole'}: expected named fields, got {reprlib.repr(value)}")
        inside = f"{where}." if where else ""
        for name, kind in self.fields.items():
            if name not in value:
                raise ValueError(f"{inside}{name}: expected {kind.what}, got nothing: the field is missing")
        known = self.fields | self.optional
        for name, entry in value.items():
            Text().expect(name, f"a name in {where or 'the file'}")
            kind = known.get(name, self.others)
            if kind is None:
                raise ValueError(f"{inside}{name}: expected no such field, there are {', '.join(known)}")
            kind.expect(entry, f"{inside}{name}")


@dataclass(frozen=True)
class Anything(Kind):
    """What numgan keeps and does not look at."""

    what = "anything"

    def fits(self, value):
        return True


def parse(text, kind):
    """What JSON text, as bytes, says, if it is of this kind; ValueError that names the field."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("expected at most some hundred lists within each other, got more") from None
    kind.expect(value, "")
    return value


def read_json(path, kind, advice):
    """What a JSON file says. FileFormatError that names file and field unless it is of this kind; OSError."""
    text = read(path, LIMIT)
    try:
        return parse(text, kind)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}; {advice}") from error


def read_lines(path, kind, upto, advice):
    """The records of a file of JSON lines, one a step, up to that step; [] if there is no file.

    A killed process leaves a torn line, a power cut what was never written: there the records end. But a whole
    record after it says that the file is damaged.
    FileFormatError that names line and field for a record that does not fit, and for more than LIMIT bytes
    that are no records.
    """
    records, torn, lost = [], None, 0
    if not os.path.lexists(path):
        return records
    with opened(path) as file:
        for number, text in enumerate(iter(lambda: file.readline(LINE), b""), 1):
            try:
                record = parse(text, Anything())
                if isinstance(record, dict) and Whole(upto + 1).fits(record.get("step")):
                    break  # what a killed process did after its last checkpoint
                kind.expect(record, "")
                if torn:
                    raise ValueError(f"expected whole lines before it, got line {torn}, which is none")
                if records and record["step"] <= records[-1]["step"]:
                    raise ValueError(
                        f"step: expected more than the {records[-1]['step']:,} of the line before, "
                        f"got {record['step']:,}"
                    )
                records.append(record)
            except (json.JSONDecodeError, UnicodeDecodeError):
                torn, lost = torn or number, lost + len(text)
                if lost > LIMIT:
                    raise FileFormatError(
                        f"{path}, line {torn}: expected records, "
                        f"got more than {LIMIT:,} bytes of none; {advice}"
                    ) from None
            except ValueError as error:
                raise FileFormatError(f"{path}, line {number}: {error}; {advice}") from error
    return records
