"""Fields of JSON files. Each file's fields are declared once, and checked whenever the file is read.

    CONFIG = Record({"steps": Whole(1), "classes": Each(Text())}, optional={"diverged": Text()})
    config = read_json(path, CONFIG, "restore the file from a copy")

A value of another kind raises a ValueError that names the field:
`recipe.width: expected a finite number from 0.0001 to 1,000, got 1e+300`.

The fields of a dataclass can also be options of a command, if each is declared with `option`. From these
fields `Record.of` makes the check of a JSON file, and numgan.cli makes the arguments of the command.
"""

import json
import math
import os
import reprlib
from dataclasses import dataclass, field, fields

import numpy as np

from .arguments import is_integer
from .errors import FileFormatError
from .files import opened, read

LIMIT = 4 << 20  # most bytes of a JSON file or line; the parsed values take up to 25 times as much memory
MOST = 10**12  # the default maximum of a count, such as steps or rows
FINITE = 1.7976931348623157e308


class Kind:
    """The base class for kinds of values in a JSON file. A kind is, for example, "whole numbers up to 10".

    `what` describes the kind in words, for messages. A subclass defines `what`, and one of the methods `fits`
    and `expect`: each of these two calls the other by default.
    """

    def fits(self, value):
        """Whether the value is of this kind, True or False."""
        try:
            self.expect(value, "")
        except ValueError:
            return False
        return True

    def expect(self, value, where):
        """Raise ValueError unless the value is of this kind.

        `where` is the name of the value's field, for the message.
        """
        if not self.fits(value):
            raise ValueError(f"{where}: expected {self.what}, got {reprlib.repr(value)}")


@dataclass(frozen=True)
class Whole(Kind):
    """The kind of values that are whole numbers from low to high, both included."""

    low: int = 0
    high: int = MOST

    @property
    def what(self):
        return f"a whole number from {self.low:,} to {self.high:,}"

    def fits(self, value):
        return is_integer(value, self.low) and value <= self.high


@dataclass(frozen=True)
class Real(Kind):
    """The kind of values that are numbers (int or float) from low to high, both included.

    By default, all finite numbers are allowed.
    """

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
    """The kind of values that are true or false (True or False in Python)."""

    what = "true or false"

    def fits(self, value):
        return isinstance(value, bool)


@dataclass(frozen=True)
class Text(Kind):
    """The kind of values that are texts of at most `most` characters that can be a path.

    Such a text has no NUL character and no surrogate (special character) that the file system cannot encode.
    """

    most: int = 1000

    @property
    def what(self):
        return f"text of at most {self.most:,} characters"

    def fits(self, value):
        try:
            return (
                isinstance(value, str)
                and len(value) <= self.most
                and b"\0" not in value.encode("utf-8", "surrogateescape")
            )
        except UnicodeEncodeError:
            return False


@dataclass(frozen=True)
class Choice(Kind):
    """The kind of values that are one of the texts in the tuple `words`."""

    words: tuple

    @property
    def what(self):
        return f"one of {', '.join(self.words)}"

    def fits(self, value):
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Either(Kind):
    """The kind of values that are of at least one of several kinds: those in the tuple `kinds`."""

    kinds: tuple

    @property
    def what(self):
        return ", or ".join(kind.what for kind in self.kinds)

    def fits(self, value):
        return any(kind.fits(value) for kind in self.kinds)


@dataclass(frozen=True)
class Maybe(Kind):
    """The kind of values that are either None (null in JSON) or of the kind `kind`."""

    kind: Kind

    @property
    def what(self):
        return f"{self.kind.what}, or null"

    def expect(self, value, where):
        if value is not None:
            self.kind.expect(value, where)


@dataclass(frozen=True)
class Each(Kind):
    """The kind of values that are lists whose entries are all of the kind `kind`."""

    kind: Kind
    what = "a list"

    def expect(self, value, where):
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {reprlib.repr(value)}")
        for number, entry in enumerate(value):
            self.kind.expect(entry, f"{where}[{number}]")


@dataclass(frozen=True)
class Record(Kind):
    """The kind of values that are JSON objects (dicts in Python) with certain fields.

    fields     {name: kind} of the fields that must be there
    optional   {name: kind} of the fields that may be there
    others     the kind of all fields with another name; None: such a field is an error
    """

    fields: dict
    optional: dict = field(default_factory=dict)
    others: Kind | None = None
    what = "named fields"

    @classmethod
    def of(cls, declared):
        """Make a Record from the dataclass `declared`, whose fields are all made with `option`.

        Every field of the dataclass must then be in the JSON object, and no other.
        """
        return cls({field.name: field.metadata["kind"] for field in fields(declared)})

    def expect(self, value, where):
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'the JSON text'}: expected named fields, got {reprlib.repr(value)}")
        inside = f"{where}." if where else ""
        for name, kind in self.fields.items():
            if name not in value:
                raise ValueError(f"{inside}{name}: expected {kind.what}, got nothing: the field is missing")
        known = self.fields | self.optional
        for name, entry in value.items():
            Text().expect(name, f"a field's name in {where or 'the JSON text'}")
            kind = known.get(name, self.others)
            if kind is None:
                raise ValueError(f"{inside}{name}: expected one of the fields {', '.join(known)}")
            kind.expect(entry, f"{inside}{name}")


@dataclass(frozen=True)
class Anything(Kind):
    """The kind of all values: every value fits. numgan does not use fields of this kind."""

    what = "anything"

    def fits(self, value):
        return True


def option(kind, help=None, metavar=None, default=None, flag=None):
    """Make a field of a dataclass that is also an option of a command.

    kind      the kind of the option's value in a JSON file
    help      the sentence about the option in the help of the command; None: the command does not have it
    metavar   the word for the value in this help; None: the field's name in capitals
    default   the default of the field; dataclasses.MISSING: the field needs a value, and the option has no
              dashes: it is the command's first word
    flag      the name on the command line; None: that of the field, such as --batch-size for batch_size
    """
    words = {"kind": kind, "help": help, "metavar": metavar, "flag": flag}
    return field(default=default, metadata=words)


def flag_of(field):
    """The name of an option on the command line, such as --batch-size.

    field   the field of a dataclass that declares the option (see `option`)

    The name is the `flag` of the declaration, or else the field's name with hyphens.
    """
    return field.metadata["flag"] or f"--{field.name.replace('_', '-')}"


def options(declared):
    """The list of those fields of the dataclass `declared` that are options of the command line.

    They are the fields with a help text (see `option`).
    """
    return [field for field in fields(declared) if field.metadata["help"]]


def for_json(value):
    """Convert a value to one that JSON can store.

    arrays, tuples, lists   lists, with every entry converted
    dicts                   dicts, with every value converted
    NumPy numbers           Python numbers
    inf, nan                None
    other values            unchanged
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: for_json(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse(text, kind):
    """Convert the JSON text `text` (bytes) to a Python value and check that it is of the Kind `kind`.

    Raises ValueError for text that is not JSON, and, with the name of the field, for a value of another kind.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("expected lists nested some hundred levels deep at most, got more") from None
    kind.expect(value, "")
    return value


def read_json(path, kind, advice):
    """Read the JSON file `path` and return its value.

    kind     the Kind that the value must have
    advice   the end of an error's message: what the user should do

    Raises FileFormatError, with file and field, if the value is of another kind, if the text is not JSON, or
    if it has more than LIMIT bytes. Raises OSError if the file cannot be opened.
    """
    text = read(path, LIMIT)
    try:
        return parse(text, kind)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}; {advice}") from error


def read_lines(path, kind, upto, advice):
    """Read the JSON-lines file `path` up to step `upto`: a list of dicts, one for each line, [] for no file.

    kind     the Kind of a line: a dict with a "step", which rises from line to line
    upto     reading stops at the first line with a larger step, which a process logged after its last
             checkpoint
    advice   the end of an error's message: what the user should do

    Lines that are not JSON are ignored at the end of the file: a kill leaves an incomplete line there, a
    power cut arbitrary bytes.

    Raises FileFormatError, with the number of the line, for:

        a line that is not of `kind`
        a step that does not rise
        a line after a line that is not JSON
        more than LIMIT bytes that are not JSON
    """
    records, torn, lost = [], None, 0
    if not os.path.lexists(path):
        return records
    with opened(path) as file:
        for number, text in enumerate(iter(lambda: file.readline(LIMIT), b""), 1):
            try:
                record = parse(text, Anything())
                if isinstance(record, dict) and Whole(upto + 1).fits(record.get("step")):
                    break  # logged after the last checkpoint, by a process that was killed
                kind.expect(record, "")
                if torn:
                    raise ValueError(f"expected valid lines before this one, got the invalid line {torn}")
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
