"""Right and wrong pieces of code: none is passed wrongly, and none is blamed wrongly.

A wrong piece must fail, and its message must name the cause or a true observation. A message about a kink
would be wrong for all of them.
"""

import re

import pytest
from pieces.forms import WRONG as FORMS
from pieces.frozen import WRONG as FROZEN
from pieces.gradients import WRONG as GRADIENTS
from pieces.needed import RIGHT as NEEDED
from pieces.right import RIGHT as LAYERS
from pieces.systems import RIGHT as SYSTEMS
from pieces.systems import WRONG as WRONG_SYSTEMS

from numgan import check_layer, check_system
from numgan.core.errors import GradientError
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


def test_there_are_enough_pieces():
    assert len(FROZEN + FORMS + GRADIENTS + WRONG_SYSTEMS) >= 60 and len(NEEDED + LAYERS + SYSTEMS) >= 60
