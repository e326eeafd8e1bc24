"""The pool of old fakes, past players, balance: what D and G see."""

from dataclasses import replace

import numpy as np
import pytest
from bugzoo.remedies import WritesIntoThePool, every_check_of_a_pool, objectives_with_it_are_pure
from game_cases import DIGITS, Ear, narrow, steps

from numgan.core.errors import GradientError
from numgan.core.randomness import stream
from numgan.remedies import replay
from numgan.remedies.replay import Pool
from numgan.systems import Batch, build, remember
from numgan.training.state import State

# ---- replay


def slowly(pool, held, x, rng):
    """`Pool.mix` of one kind of rows, one row after the other."""
    held, shown, n = list(held), [], len(x)
    old = [bool(u < pool.share) for u in rng.random(n)]
    free, fresh = list(rng.permutation(len(held))), []
    taken = dict(zip([i for i in range(n) if old[i]], free))
    for i in range(n):
        if i in taken:
            shown.append(held[taken[i]])
            held[taken[i]] = x[i]
        else:
            shown.append(x[i])
            fresh.append(x[i])
    return np.array(shown), held + fresh[: pool.size - len(held)]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_pool_against_a_slow_reference(share):
    pool, reference = Pool(11, share), []
    held = pool.empty(x=((2,), np.float64), y=((), np.int64))
    for k in range(9):
        x = 100.0 * k + np.arange(10.0).reshape(5, 2)
        shown, after = pool.mix(held, {"x": x, "y": np.arange(5) + 5 * k}, np.random.default_rng(k))
        expected, reference = slowly(pool, reference, x, np.random.default_rng(k))
        assert np.array_equal(shown["x"], expected) and after["pool.count"] == len(reference) <= 11
        assert (
            np.array_equal(after["pool.x"][: len(reference)], reference)
            and not after["pool.x"][len(reference) :].any()
        )
        number = lambda rows: (
            (rows[:, 0] % 100) / 2 + 5 * (rows[:, 0] // 100)
        )  # labels stay with their samples
        assert np.array_equal(shown["y"], number(shown["x"])) and np.array_equal(
            after["pool.y"][: len(reference)], number(np.array(reference))
        )
        assert sorted(map(tuple, shown["x"])) == sorted(
            set(map(tuple, shown["x"]))
        )  # no old sample is shown twice in a batch
        held = after


def test_the_share_that_is_replayed():
    pool, held, old = Pool(64, 0.25), None, 0
    held = pool.empty(x=((), np.float64))
    for k in range(200):
        shown, held = pool.mix(held, {"x": np.full(32, float(k))}, np.random.default_rng(k))
        old += (shown["x"] < k).sum() if k >= 2 else 0  # full after two
    assert abs(old / (198 * 32) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / (198 * 32))


@pytest.mark.parametrize(
    "words, message",
    [
        *(
            ({"size": size}, "Pool size: expected an integer of at least 1, got")
            for size in (0, 1.5, "a", None, True)
        ),
        *(
            ({"size": 3, "share": share}, "Pool: expected a share from 0 to 1, got")
            for share in (1.1, -0.1, np.nan, "a", None)
        ),
    ],
)
def test_a_pool_of_wrong_size_or_share(words, message):
    with pytest.raises(ValueError, match=message):
        Pool(**words)


@pytest.mark.parametrize(
    "held, fresh, message",
    [
        (
            {},
            {"y": np.zeros(4, int)},
            "fresh as arrays with one row for each sample, as many in each, "
            r"got {'x': \(3, 2\), 'y': \(4,\)}",
        ),
        ({}, {"x": 1.0}, "fresh as arrays with one row for each sample"),
        ({"pool.y": None}, {}, r"expected held with .*; make it with Pool\(size=5.*empty"),
        ({"pool.count": None}, {}, "expected held with"),
        ({"pool.x": np.zeros((6, 2))}, {}, "expected held with"),
        ({}, {"x": np.zeros((3, 1))}, "expected held with"),
        ({}, {"z": np.zeros(3)}, "expected held with"),
    ],
)
def test_a_memory_and_rows_that_do_not_fit_the_pool(held, fresh, message):
    pool = Pool(5)
    held = {
        name: array
        for name, array in (pool.empty(x=((2,), float), y=((), int)) | held).items()
        if array is not None
    }
    with pytest.raises(ValueError, match=f"Pool.mix: .*{message}"):
        pool.mix(held, {"x": np.zeros((3, 2)), "y": np.zeros(3, int)} | fresh, stream(0))


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Pool.mix: expected fresh as arrays .* got none"):
        Pool(5).mix(Pool(5).empty(), {}, stream(0))


def test_the_pool_hands_out_what_stays():
    every_check_of_a_pool(Pool)


def test_an_objective_only_reads_what_is_remembered(monkeypatch):
    """The check of purity names the array that an objective writes to, and training gives it read-only."""
    with pytest.raises(GradientError, match=r"writes to memory\['pool"):
        objectives_with_it_are_pure(WritesIntoThePool)
    monkeypatch.setattr(replay, "Pool", WritesIntoThePool)
    system = narrow(replay=0.9, pool=16)
    with pytest.raises(ValueError, match="read-only"):
        steps(system, State.start(system, 3), 1)


def test_d_sees_old_fakes_and_g_its_own():
    system = narrow(replay=1.0, pool=16, noise=0.0)
    memory, params, batch = (
        system.memory(np.float64),
        system.init(0, np.float64),
        Batch({"x": np.zeros((6, 8, 8, 1))}),
    )
    for seed in range(2):
        before = {name: array.copy() for name, array in memory.items()}
        told, D = system.with_state({}, memory), Ear(*system.networks["D"])
        D.heard, told = [], replace(told, networks=system.networks | {"D": D})
        remember(memory, told.objectives()["D"](params, batch, seed).memory)
        told.objectives()["G"](params, batch, seed)
        own = system.generate(params, batch, seed).x
        _, shown, of_g = D.heard
        assert np.array_equal(of_g, own)
        assert (
            np.array_equal(shown, own)
            if seed == 0
            else {row.tobytes() for row in shown} == {row.tobytes() for row in before["pool.x"][:6]}
        )
    assert memory["pool.count"] == 6
    with pytest.raises(ValueError, match=r"need what the training loop remembers; give it with with_state"):
        system.objectives()["D"](params, batch, 0)


def test_players_of_the_past():
    system = narrow(past=1.0, age=3)
    state, seen = State.start(system, 3), []
    for _ in range(7):
        before = {name: p.vector.copy() for name, p in state.params.items()}
        steps(system, state, 1)
        seen.append((before, {name: state.memory[f"past.{name}"].copy() for name in "DG"}))
    for step, (_, kept) in enumerate(seen):
        assert all(
            np.array_equal(kept[name], seen[step - step % 3][0][name]) for name in "DG"
        )  # taken in D's turn, before it learns
    told = system.at(8).with_state(state.moments, state.memory)
    batch = Batch(DIGITS.rows(np.arange(8)))
    moved = {name: p.like(1.5 * p.vector) for name, p in state.params.items()}
    gradient = lambda objective, params: (
        told.objectives()[objective](params, batch, 1).gradients[objective].vector
    )
    assert np.array_equal(gradient("G", state.params), gradient("G", {**state.params, "D": moved["D"]}))
    assert np.array_equal(gradient("D", state.params), gradient("D", {**state.params, "G": moved["G"]}))
    never = told.setting(past=0.0)
    assert not np.array_equal(
        never.objectives()["G"](state.params, batch, 1).gradients["G"].vector, gradient("G", state.params)
    )


def test_balance_trains_whoever_is_behind():
    """One turn a step: D while its loss, on the last batch that either of them saw, is above A; else G."""
    system, turns = build("hacks", "digits", 0.05).setting(balance=1.3, rate=0.005), []
    assert system.rounds(0) == ("D",)
    state = State.start(system, 3)
    for _ in range(40):
        expected = ("D",) if state.memory["loss"][0] > 1.3 else ("G",)
        (found,) = steps(system, state, 1)
        assert tuple(found) == expected
        turns += expected
    assert turns[0] == "D" and {"D", "G"} == set(turns)
