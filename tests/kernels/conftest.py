"""Threads for small work."""

import pytest

from numgan._kernels import compiled


@pytest.fixture
def threads(monkeypatch):
    """Give even small work to threads, and put their number back afterwards."""
    before = compiled.num_threads()
    monkeypatch.setattr(compiled.calls, "_SMALL", 0)
    yield compiled.set_num_threads
    compiled.set_num_threads(before)
