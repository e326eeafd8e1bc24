"""The classes that a user asks for, by name or by number.

    numbers_of(["cat", 2], classes)       [0, 2]: in Python a text is a name, an integer a class number
    parsed(["cat,dog", "owl"], classes)   [0, 1, 2]: the values of the option --labels

A text is first compared with the names. A whole number that is no name is a class number, counted from 0, but
only if no class has a number as its name: of classes called 1 to 12, "0" is an error and not the class "1".
"""

import difflib
import re
import unicodedata

import numpy as np

from ..core.arguments import is_integer
from ..core.files import text_of
from ..plot import readable

NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
LISTED = 2000  # characters of an error message that list the names of classes


def numbers_of(labels, classes):
    """The class numbers of `labels`, a list of int.

    labels    a name or a class number, or a list of these. A text such as "2" is a class number only if no
              class has a number as its name
    classes   the names of all classes, in order of their class numbers

    Raises ValueError for no label, an unknown or ambiguous name, a class number out of range, or if there are
    no classes.
    """
    if not classes:
        raise ValueError("labels: the system has no labels to ask for; leave --labels out")
    labels = [labels] if isinstance(labels, str) or np.ndim(labels) == 0 else list(labels)
    if not labels:
        raise ValueError("labels: expected names or numbers of classes, got none; None asks for all classes")
    plain = [label for label in labels if not isinstance(label, str)]
    if not all(is_integer(label, 0) and label < len(classes) for label in plain):
        raise ValueError(f"labels: expected numbers from 0 to {len(classes) - 1}, got {labels}")
    return [_number(label, classes) if isinstance(label, str) else int(label) for label in labels]


def parsed(values, classes):
    """The class numbers, a list of int, of the texts that the user gave with the option --labels.

    values    the list of texts. A text is one name or class number, or several with commas between them
    classes   the names of all classes, in order of their class numbers

    A name may contain commas itself: the longest name with which the rest of a text begins is taken. Raises
    the errors of `numbers_of`.
    """
    found = []
    for value in map(text_of, values):
        parts = value.split(",")
        while parts:
            # all beginnings of the rest, the longest first; a name takes as many parts as its commas and 1
            starts = [",".join(parts[:count]) for count in range(len(parts), 0, -1)]
            names = [start for text in starts for start in (text, text.strip()) if _matches(start, classes)]
            name = names[0] if names else parts[0].strip()
            found += numbers_of(name, classes)
            parts = parts[1 + (name if names else "").count(",") :]
    return found


def _number(name, classes):
    """The class number of the class called `name`, or of the number that the text `name` is.

    classes   the names of all classes. A text such as "2" is a class number only if none of them is a number

    Raises ValueError if there is no such class, or more than one.
    """
    found = _matches(name, classes)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"labels: expected the name of one class, got {readable(name)!r}, the name of the classes "
            f"{', '.join(map(str, found))}; rename all but one of them"
        )
    numbered = any(NUMBER.fullmatch(known) for known in classes)
    if not numbered and re.fullmatch("[0-9]+", name) and int(name) < len(classes):
        return int(name)
    raise ValueError(_unknown(name, classes, numbered))


def _matches(name, classes):
    """The list of the class numbers whose names equal the text `name`, or else are written like it.

    classes   the names of all classes

    Two names are written alike if they differ only in the Unicode form of their letters, or if one of them is
    the `readable` form of the other, which messages show.
    """
    exact = [number for number, known in enumerate(classes) if known == name]
    return exact or [number for number, known in enumerate(classes) if _written(known) == _written(name)]


def _written(name):
    """The text `name` in the form in which names are compared: readable, and composed letters (NFC)."""
    return unicodedata.normalize("NFC", readable(name))


def _unknown(name, classes, numbered):
    """The text of the error that no class is called `name`: up to 3 similar names, and all names.

    classes    the names of all classes
    numbered   whether a class has a number as its name; otherwise the text says that numbers are possible
    """
    names = [readable(known) for known in classes]
    near = difflib.get_close_matches(readable(name).casefold(), [known.casefold() for known in names], n=3)
    meant = [known for known in names if known.casefold() in near]
    listed = ", ".join(names)
    listed = listed if len(listed) <= LISTED else f"{listed[:LISTED]}, ..."
    return (
        f"labels: expected names of classes from {names[0]} to {names[-1]}, got {readable(name)!r}"
        + (f"; did you mean {' or '.join(map(repr, meant))}?" if meant else "")
        + f"; the {len(names)} classes are: {listed}"
        + ("" if numbered else f" (or a class number from 0 to {len(names) - 1})")
    )
