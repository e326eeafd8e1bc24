"""A fixture of the tests of systems."""

import pytest


@pytest.fixture(autouse=True)
def curves_are_blank(blank_curves):
    """No test here looks at curves.png."""
