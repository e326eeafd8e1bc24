"""Fixtures of the tests of studies, and of those that run a whole study and do not test its processes."""

import signal
from functools import partial
from types import SimpleNamespace

import pytest

from numgan.bench import machine
from numgan.studies import protocol


class Process:
    """A process that is a call in this one: a new process would import numgan again."""

    exitcode = 0

    def __init__(self, target, args, daemon):
        self.work = partial(target, *args)

    def start(self):
        try:
            self.work()
        except SystemExit as end:
            self.exitcode = end.code

    def is_alive(self):
        return False


@pytest.fixture(autouse=True)
def curves_are_blank(blank_curves):
    """No test here looks at a trial's curves.png."""


@pytest.fixture
def in_this_process(monkeypatch):
    """The trials of a study run in this process, one after the other."""
    context = SimpleNamespace(Process=Process, Value=lambda *_, **__: SimpleNamespace(value=0.0))
    multiprocessing = SimpleNamespace(get_context=lambda method: context)
    ignored = SimpleNamespace(signal=lambda *_: None, SIGINT=signal.SIGINT, SIG_IGN=signal.SIG_IGN)
    monkeypatch.setattr(protocol, "multiprocessing", multiprocessing)
    monkeypatch.setattr(protocol, "signal", ignored)
    monkeypatch.setattr(protocol, "_die_with_parent", lambda: None)
    monkeypatch.setattr(protocol, "POLL", 0)
    with machine.threads(None):
        yield
