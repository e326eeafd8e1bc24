"""Fixtures of the tests of training."""

import pytest
from PIL import Image

from numgan.training import loop


@pytest.fixture
def drawn_curves():
    """For a test that looks at curves.png: it is drawn."""


@pytest.fixture(autouse=True)
def blank_curves(request, monkeypatch):
    """A blank picture in place of curves.png: to draw it takes longer than to train a toy."""
    if "drawn_curves" not in request.fixturenames:
        monkeypatch.setattr(loop.plot, "curves", lambda *arguments: Image.new("L", (2, 2)))
