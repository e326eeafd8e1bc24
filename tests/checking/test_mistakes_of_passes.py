"""A pass that raises an error of Python fails its own entry, and the other entries are still checked."""

from pathlib import Path

from numgan import Dense
from numgan.checking import catalogue
from numgan.checking.points import Case


class Careless(Dense):
    def tangent_forward(self, tx, cache, tp=None):
        return tx["no such key"], None


def test_an_error_in_a_pass_fails_one_entry(monkeypatch):
    case = Case(Careless(3, 2), (3,))
    monkeypatch.setattr(catalogue, "LAYERS", [case])
    found = {entry.name.rpartition(".")[2]: entry for entry in catalogue.entries([case.title])}
    assert found["dx"].passed and found["parameters"].passed
    failed = found["tangent_forward"]
    assert not failed.passed and failed.max_error == float("inf")
    assert failed.detail.startswith("IndexError: only integers") and Path(__file__).name in failed.detail
