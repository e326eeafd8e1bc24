"""Fixtures of the tests of training."""

import pytest


@pytest.fixture
def drawn_curves():
    """For a test that looks at curves.png: it is drawn."""


@pytest.fixture(autouse=True)
def curves_are_blank(request):
    """No test here looks at curves.png, but for those that ask for `drawn_curves`."""
    if "drawn_curves" not in request.fixturenames:
        request.getfixturevalue("blank_curves")
