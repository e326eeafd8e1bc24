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
    """The base class for kinds of values in a JSON file, such as whole numbers from 1 to 10.

    `what` describes the kind in words, for messages. A subclass defines `what`, and `fits` or `expect`: each
    of these two methods calls the other by default.
    """

    def fits(self, value):
        """Whether the value is of this kind, True or False: False if `expect` raises ValueError."""
        try:
            self.expect(value, "")
        except ValueError:
            return False
        return True

    def expect(self, value, where):
        """Raise ValueError unless the value is of this kind. Returns nothing.

        `where` is the name of the field that holds the value, for the message, such as "recipe.width".
        """
        if not self.fits(value):
            raise ValueError(f"{where}: expected {self.what}, got {reprlib.repr(value)}")


@dataclass(frozen=True)
class Whole(Kind):
    """The kind of the whole numbers from low to high, both included; by default from 0 to MOST (10^12).

    An int of Python or NumPy is such a number; a bool and a float are not.
    """

    low: int = 0
    high: int = MOST

    @property
    def what(self):
        return f"a whole number from {self.low:,} to {self.high:,}"

    def fits(self, value):
        return is_integer(value, self.low) and value <= self.high


@dataclass(frozen=True)
class Real(Kind):
    """The kind of the numbers (int or float) from low to high, both included; by default all finite ones.

    A bool is not of this kind.
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
    """The kind of the two values true and false, bools in Python."""

    what = "true or false"

    def fits(self, value):
        return isinstance(value, bool)


@dataclass(frozen=True)
class Text(Kind):
    """The kind of texts of at most `most` characters (1000 by default) that can be a path.

    Such a text has no NUL character and no surrogate that the file system cannot encode.
    """

    most: int = 1000

    @property
    def what(self):
        return f"text of at most {self.most:,} characters"

    def fits(self, value):
        # Whether the value is a text that is short enough and can be a path, True or False.
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
    """The kind of the texts that are in the tuple `words`."""

    words: tuple

    @property
    def what(self):
        return f"one of {', '.join(self.words)}"

    def fits(self, value):
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Either(Kind):
    """The kind of values that are of at least one of the kinds in the tuple `kinds`."""

    kinds: tuple

    @property
    def what(self):
        return ", or ".join(kind.what for kind in self.kinds)

    def fits(self, value):
        return any(kind.fits(value) for kind in self.kinds)


@dataclass(frozen=True)
class Maybe(Kind):
    """The kind of values that are of the kind `kind` or None (null in JSON)."""

    kind: Kind

    @property
    def what(self):
        return f"{self.kind.what}, or null"

    def expect(self, value, where):
        if value is not None:
            self.kind.expect(value, where)


@dataclass(frozen=True)
class Each(Kind):
    """The kind of lists whose entries are all of the kind `kind`. An empty list is one too."""

    kind: Kind
    what = "a list"

    def expect(self, value, where):
        # Raise ValueError unless `value` is a list of such entries. `where` names its field.
        # The message names a wrong entry by its position, such as "rates[2]".
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {reprlib.repr(value)}")
        for number, entry in enumerate(value):
            self.kind.expect(entry, f"{where}[{number}]")


@dataclass(frozen=True)
class Record(Kind):
    """The kind of JSON objects (dicts in Python) whose fields are declared here.

    fields     {name: kind} of the fields that must be there
    optional   {name: kind} of the fields that may be there; {} by default
    others     the kind of all fields with another name; None, the default: such a field is an error
    """

    fields: dict
    optional: dict = field(default_factory=dict)
    others: Kind | None = None
    what = "named fields"

    @classmethod
    def of(cls, declared):
        """Make a Record from the dataclass `declared`, a class whose fields are all made with `option`.

        The JSON object must then have every field of the dataclass, and no other field.
        """
        return cls({field.name: field.metadata["kind"] for field in fields(declared)})

    def expect(self, value, where):
        # Raise ValueError if `value` is no dict, lacks a field, or has a wrong value or an unknown field.
        # `where` is the name of the field that holds the value, or "" for the value of the whole JSON text.
        # The message names the field in it, such as "recipe.width". Returns nothing.
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
    """The kind of all values: every value fits. numgan does not use the values of such fields."""

    what = "anything"

    def fits(self, value):
        return True


def option(kind, help=None, metavar=None, default=None, flag=None):
    """Make a field of a dataclass (a dataclasses.field) that is also an option of a command.

    kind      the Kind of the option's value in a JSON file
    help      the sentence about the option in the help of the command; None: the command does not have it
    metavar   the word for the value in this help; None: the field's name in capitals
    default   the default of the field, None if not given; dataclasses.MISSING: the field needs a value, and
              the option is written without dashes as the first word after the command
    flag      the name on the command line; None: that of the field, such as --batch-size for batch_size

    Kind, help, metavar and flag are stored in the field's `metadata` under these names.
    """
    words = {"kind": kind, "help": help, "metavar": metavar, "flag": flag}
    return field(default=default, metadata=words)


def flag_of(field):
    """The name of an option on the command line, a text such as "--batch-size".

    `field` is the field of a dataclass that `option` made. The name is the argument `flag` of `option`. If
    this is None, it is the field's name with hyphens in place of underscores.
    """
    return field.metadata["flag"] or f"--{field.name.replace('_', '-')}"


def options(declared):
    """The list of the fields of the dataclass `declared` that have a help text (see `option`).

    These fields are options of the command line.
    """
    return [field for field in fields(declared) if field.metadata["help"]]


def for_json(value):
    """A value that JSON can store, made from `value`, which is not changed.

    arrays, tuples, lists   become lists, with every entry converted
    dicts                   become dicts, with every value converted
    NumPy numbers           become Python numbers
    inf, nan                become None
    other values            are unchanged
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()  # nested lists of Python numbers, or one number
    if isinstance(value, dict):
        return {name: for_json(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse(text, kind):
    """The value of a JSON text, in Python: a dict, list, text, number, bool or None. `text` is bytes.

    Raises ValueError for text that is not JSON, and for lists or objects that are nested too deeply. Raises
    ValueError with the field's name for a value that is not of `kind`, a Kind.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("expected lists nested some hundred levels deep at most, got more") from None
    kind.expect(value, "")
    return value


def read_json(path, kind, advice):
    """Read the JSON file `path` and return its value, such as a dict.

    kind     the Kind that the value must have
    advice   the end of an error's message: what the user should do

    Raises FileFormatError if the value is of another kind, if the text is not JSON, or if the file has more
    than LIMIT bytes (4 MiB). The message names the file, and the wrong field. Raises OSError if the file
    cannot be opened.
    """
    text = read(path, LIMIT)
    try:
        return parse(text, kind)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}; {advice}") from error


def read_lines(path, kind, upto, advice):
    """The list of the records in the JSON-lines file `path` up to step `upto`. [] if there is no file.

    A line is one record: a dict of the Kind `kind` with a "step", which rises from line to line. Reading
    stops at the first record with a larger step than `upto`. A process that was killed wrote it after its
    last checkpoint. Lines that are not JSON are ignored at the end of the file: a killed process leaves an
    incomplete line there, a power cut arbitrary bytes.

    Raises FileFormatError, whose message names the line's number and ends with `advice`, for:
        a record that is not of `kind`
        a step that does not rise
        a record after a line that is not JSON
        more than LIMIT bytes (4 MiB) that are not JSON
    """
    records = []
    torn, lost = None, 0  # the number of the first line that is not JSON; the bytes of all such lines
    if not os.path.lexists(path):  # a link to a missing file is not "no file": opening it raises
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
