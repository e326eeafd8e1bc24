"""A fixture for the tests of the metrics."""

import pytest

from numgan.metrics import rows as reading


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that small sets are cut into several."""
    monkeypatch.setattr(reading, "BLOCK", 50)
