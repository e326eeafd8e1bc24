"""Planted bugs: each was found in public GAN code, or is of its kind.

There is a chapter for each part of the library; checking/test_bugzoo.py tries them all.
"""

import copy
from dataclasses import dataclass

from numgan.core.errors import GradientError


@dataclass
class Bug:
    """A bug, and the check that must catch it: a function of the thing, which raises an error.

    row          its number in the catalogue of bugs found, or "own"
    text         what is wrong, in one sentence
    plant()      the broken thing
    healthy()    the same without the bug
    by           the check of the library that must catch it
    value        for bugs that no derivative shows: a test of a value, in place of `by`
    every        all checks that there are for the healthy thing, if they are more than this one
    words        a pattern that must be found in the message of the error; None: any message
    error        the error that is expected; None: GradientError from `by`, AssertionError from `value`
    """

    row: object
    text: str
    plant: object
    healthy: object
    by: object = None
    value: object = None
    every: object = None
    words: str | None = None
    error: type | None = None

    def __post_init__(self):
        self.check = self.value or self.by
        self.error = self.error or (AssertionError if self.value else GradientError)


def class_bug(row, broken, healthy, *arguments, by=None, value=None, every=None, error=None, **settings):
    """A class broken in one place; what is wrong with it is its docstring."""
    return Bug(
        row,
        broken.__doc__.strip(),
        lambda: broken(*arguments, **settings),
        lambda: healthy(*arguments, **settings),
        by,
        value,
        every,
        error=error,
    )


def patched(thing, method, change):
    """A copy of a layer or optimiser whose `method` returns change(result, *arguments)."""
    copied, original = copy.copy(thing), getattr(thing, method)

    def changed(*arguments, **settings):
        return change(original(*arguments, **settings), *arguments, **settings)

    setattr(copied, method, changed)
    return copied
