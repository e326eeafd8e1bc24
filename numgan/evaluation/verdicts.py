"""Verdicts: the result of one health check, and the thresholds that give a number its level."""

import operator
from dataclasses import dataclass

import numpy as np

LEVELS = ("ok", "look", "bad")


@dataclass(frozen=True)
class Limits:
    """Two thresholds that give a number the level "ok", "look" or "bad".

    If bad > look, a number above `look` has the level "look", and a number above `bad` the level "bad". If
    bad is not above look, numbers below the thresholds have these levels. All other numbers are "ok"; nan is
    "bad".
    """

    look: float
    bad: float

    def level(self, value):
        """The level of the number `value`: "ok", "look" or "bad"."""
        if np.isnan(value):
            return "bad"
        beyond = operator.gt if self.look < self.bad else operator.lt
        if beyond(value, self.bad):
            return "bad"
        return "look" if beyond(value, self.look) else "ok"

    def __str__(self):
        side = "above" if self.look < self.bad else "below"
        return f"look {side} {self.look:g}, bad {side} {self.bad:g}"


@dataclass(frozen=True)
class Verdict:
    """The result of one check of a run.

    check              the name of the check
    level              "ok", "look" (the user should look at it) or "bad"
    value, threshold   the number that was checked, or None, and the text of its limits
    says               the meaning of the number, in words
    advice             sentences that say what to do; "" if the level is ok
    """

    check: str
    level: str
    value: float | None
    threshold: str
    says: str
    advice: str = ""


def worst(verdicts):
    """The worst level of the list `verdicts`: "ok", "look" or "bad". It is "ok" if the list is empty."""
    return max((verdict.level for verdict in verdicts), key=LEVELS.index, default="ok")


def judged(check, value, limits, says, advice=lambda: ""):
    """Make the Verdict (the result of a check) on the number `value`. Its level comes from `limits`.

    check    the name of the check
    limits   the Limits, two thresholds
    says     the meaning of value, in words
    advice   a function that returns the advice; it is called only if the level is not ok
    """
    level = limits.level(value)
    return Verdict(check, level, float(value), str(limits), says, "" if level == "ok" else advice())
