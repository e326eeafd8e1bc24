"""Threads for small work."""

import pytest

from numgan._kernels import compiled, num_threads, set_num_threads


@pytest.fixture
def threads(monkeypatch):
    """Give even small work to threads, and put their number back afterwards."""
    before = num_threads()
    monkeypatch.setattr(compiled.calls, "_SMALL", 0)
    yield set_num_threads
    set_num_threads(before)
