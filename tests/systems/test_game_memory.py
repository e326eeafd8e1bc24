"""The memory of a run: its initial values, its names in the checkpoint, and what depends on it."""

import numpy as np
import pytest
from game_cases import DIGITS, steps

from numgan.checking.system import SystemPoint
from numgan.systems import build, remember
from numgan.training import loop as training
from numgan.training.state import State

SYSTEM = build("hacks", "digits", 0.05).setting(
    replay=0.5, pool=32, past=0.3, age=2, historical=0.1, conditional=True, balance=0.5
)


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    words = {"batch_size": 8, "seed": 5, "log_every": 2, "picture_every": 100, "progress": False}
    training.train(SYSTEM, DIGITS, tmp_path / "whole", steps=7, **words)
    training.train(SYSTEM, DIGITS, tmp_path / "parts", steps=4, **words)
    training.train(SYSTEM, DIGITS, tmp_path / "parts", steps=7, resume=True, progress=False)
    whole, parts = ((tmp_path / name / "checkpoint.npz").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    with np.load(tmp_path / "whole" / "checkpoint.npz") as file:
        assert {name for name in file if name.startswith("memory.")} == {
            f"memory.{name}" for name in SYSTEM.memory()
        }
        assert file["memory.pool.count"] == 32 and file["memory.past.D"].any() and "D.past" in file


@pytest.mark.parametrize("name", ["pool.x", "pool.y", "pool.count", "past.G", "loss"])
def test_a_memory_that_is_forgotten_shows(name):
    """Each part is needed: without it the steps that follow are others."""
    ends = []
    system = SYSTEM if name == "loss" else SYSTEM.setting(balance=0.0)
    for forget in (False, True):
        state = State.start(system, 3)
        steps(system, state, 5)
        if forget:
            state.memory[name][...] = 0
        steps(system, state, 8)
        ends.append(np.concatenate([state.params[player].vector for player in "DG"]))
    assert not np.array_equal(*ends)


def test_the_memory_starts_at_what_the_system_says_and_is_written_by_name():
    state = State.start(SYSTEM, 0)
    assert (
        state.memory.keys() == SYSTEM.memory().keys()
        and state.memory["loss"] == 1.5
        and state.memory["pool.x"].shape == (32, 8, 8, 1)
    )
    assert np.array_equal(
        state.moments["D"]["past"], state.params["D"].vector
    )  # the mean before the first update
    assert build("gan", "digits", 0.05).memory() == {} == State.start(build("gan", "digits", 0.05), 0).memory
    for new in ({"other": np.zeros(1)}, {"loss": np.zeros(2, np.float32)}, {"loss": np.zeros(1)}):
        with pytest.raises(ValueError, match="Result.memory: expected arrays of .* as memory"):
            remember(state.memory, new)
    remember(state.memory, None)


def test_what_hacks_remember():
    system = build("hacks", "digits", 0.02)
    assert system.memory() == {}
    kept = system.setting(replay=0.5, pool=7).memory()
    assert {name: (a.shape, a.dtype) for name, a in kept.items()} == {
        "pool.count": ((1,), np.int64),
        "pool.x": ((7, 8, 8, 1), np.float32),
    }
    kept = system.setting(replay=0.5, pool=7, conditional=True).memory(np.float64)
    assert (
        kept["pool.y"].shape == (7,)
        and kept["pool.y"].dtype == np.int64
        and kept["pool.x"].dtype == np.float64
    )
    kept = system.setting(past=0.5).memory()
    assert {name: a.shape for name, a in kept.items()} == {
        f"past.{name}": (net.layout.size,) for name, net in system.networks.items()
    }
    assert not any(a.any() for a in kept.values())
    balanced = system.setting(balance=0.7)
    assert balanced.memory()["loss"].tolist() == [pytest.approx(1.7)] and balanced.rounds(0) == ("D",)
    for loss, turn in ((0.8, "D"), (0.7, "G"), (0.1, "G")):
        assert balanced.with_state(None, {"loss": np.array([loss])}).rounds(3) == (turn,)
    with pytest.raises(ValueError, match="need what the training loop remembers"):
        SystemPoint(system.setting(replay=0.5)).system.with_state(None, None).discriminator(
            *_given(system.setting(replay=0.5))
        )


def _given(system):
    point = SystemPoint(system)
    return point.params, point.batch, point.seed
