"""Right and wrong pieces of code: none is passed wrongly, and none is blamed wrongly.

A wrong piece must fail, and its message must name the cause or a true observation. A message about a kink
would be wrong for all of them.
"""

import re
import sys

import numpy as np
import pytest
from pieces import Own
from pieces.forms import WRONG as FORMS
from pieces.frozen import WRONG as FROZEN
from pieces.frozen import Eager, Lookup
from pieces.gradients import WRONG as GRADIENTS
from pieces.gradients import DyNotUsed, MissingTranspose
from pieces.needed import RIGHT as NEEDED
from pieces.right import RIGHT as LAYERS
from pieces.systems import RIGHT as SYSTEMS
from pieces.systems import WRONG as WRONG_SYSTEMS

from numgan import check_layer, check_system
from numgan.checking.experiments import observations
from numgan.checking.points import Case
from numgan.core.errors import GradientError
from numgan.layers import Sequential
from numgan.systems import System


def check(piece):
    thing = piece.make()
    if isinstance(thing, System):
        return check_system(thing, **piece.settings)
    return check_layer(thing, piece.x, **piece.settings)


@pytest.mark.parametrize("piece", NEEDED + LAYERS + SYSTEMS, ids=lambda piece: piece.name)
def test_right_code_passes(piece):
    report = check(piece)
    assert report.max_error <= 1e-6
    for words in piece.words:
        assert re.search(words, str(report)), words


@pytest.mark.parametrize("piece", FROZEN + FORMS + GRADIENTS + WRONG_SYSTEMS, ids=lambda piece: piece.name)
def test_wrong_code_fails_and_is_told_why(piece):
    with pytest.raises((GradientError, TypeError, ValueError)) as error:
        check(piece)
    text = str(error.value)
    assert "kink" not in text
    for words in piece.words:
        assert re.search(words, text), f"{words!r} is not in: {text}"


def test_an_error_of_a_pass_names_the_layer():
    with pytest.raises(ValueError, match="matmul") as error:
        check_layer(MissingTranspose(2, 3), (5, 6, 2))
    assert error.value.__notes__ == ["raised by a pass of MissingTranspose(2, 3), in the check 'forms'"]


def test_a_pass_that_cannot_be_watched_is_not_called_ok(monkeypatch):
    monkeypatch.setattr("numgan.checking.watching.LINES", 1)
    report = str(check_layer(Own(), (4,)))
    assert re.search("frozen no weight gradient +not seen: the pass runs more than 1 lines", report)
    monkeypatch.undo()
    report = str(check_layer(Sequential(Lookup(), Eager(3, 2)), np.array([0, 3, 3, 1])))
    assert re.search("frozen no weight gradient +not seen: x has no gradient", report)


def test_a_debugger_keeps_its_trace():
    def trace(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        check_layer(Own(), (4,))
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_an_observation_says_nothing_of_a_large_layer_or_of_one_bad_point():
    point = Case(Own(), (4,)).point()
    seen = []

    def check(other):
        seen.append(other)
        if other is point:
            raise GradientError("wrong")

    assert observations(point, check) == "" and len(seen) == 2
    with pytest.raises(GradientError) as error:
        check_layer(DyNotUsed(150, 140), (150,), slow=False)
    assert "observed" not in str(error.value)


def test_there_are_enough_pieces():
    assert len(FROZEN + FORMS + GRADIENTS + WRONG_SYSTEMS) >= 60 and len(NEEDED + LAYERS + SYSTEMS) >= 60
