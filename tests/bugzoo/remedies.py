"""Planted bugs: lazy penalties, instance noise and the pool of old fakes."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from game_cases import Ear, narrow

from bugzoo import Bug
from bugzoo.systems import system_bug
from numgan import R1, Lazy
from numgan.checking.contract import objectives_are_pure
from numgan.checking.system import SystemPoint
from numgan.layers import Tanh
from numgan.networks import mlp
from numgan.remedies import replay
from numgan.remedies.noise import InstanceNoise
from numgan.remedies.replay import Pool
from numgan.systems import Batch
from numgan.systems.games import hacks

# ---- lazy penalties


class Unscaled(Lazy):
    """The penalty is due every k steps and is not k times as strong."""

    def __call__(self, step, *at):
        value, dphi = super().__call__(step, *at)
        return value / self.every, dphi.like(dphi.vector / self.every)


class ValueScaled(Lazy):
    """Only the value is k times as strong, and the derivative is not."""

    def __call__(self, step, *at):
        value, dphi = super().__call__(step, *at)
        return value, dphi.like(dphi.vector / self.every)


class OffByOne(Lazy):
    """The penalty is due at the steps 1, k + 1, 2k + 1 and so on, and not at step 0."""

    def __call__(self, step, *at):
        return super().__call__(step + self.every - 1, *at)


class Always(Lazy):
    """The penalty is due at every step, each time k times as strong."""

    def __call__(self, step, *at):
        return super().__call__(step * self.every, *at)


def lazily(kind):
    """At steps 0, 3, 6 thrice the penalty, else nothing.

    Over three steps in a row, the sum of three penalties.
    """
    D = mlp(3, 5, 1, activation=Tanh)
    p, x = D.init(0, np.float64), np.random.default_rng(1).standard_normal((4, 3))
    value, gradient = R1()(D, p, x)
    steps = [kind(R1(), 3)(step, D, p, x) for step in range(8)]
    assert [number > 0 for number, _ in steps] == [True, False, False, True, False, False, True, False]
    assert [kind(R1(), 3).is_due(step) for step in range(8)] == [number > 0 for number, _ in steps]
    for number, dphi in steps:
        assert number in (0.0, 3 * value) and np.array_equal(
            dphi.vector, (3 * gradient.vector) * (number > 0)
        )
    for first in range(5):
        assert np.isclose(sum(number for number, _ in steps[first : first + 3]), 3 * value)
        assert np.allclose(sum(dphi.vector for _, dphi in steps[first : first + 3]), 3 * gradient.vector)


# ---- instance noise


class OnRealOnly(InstanceNoise):
    """Only the real samples get noise, and D tells them from the fakes by it."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game, seed) if where == "real" else x


class OneDraw(InstanceNoise):
    """Real and fake samples get the same noise."""

    def input(self, x, where, game, seed):
        return super().input(x, "both", game, seed)


class EveryTurnAlike(InstanceNoise):
    """The noise is drawn once and used in every turn."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game, 0)


class NotAnnealed(InstanceNoise):
    """The standard deviation of the noise does not fall."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game.at(0), seed)


class NotForG(hacks.Hacks):
    """G's turn has no noise, although D knows only noisy samples."""

    def generator(self, params, batch, seed, fakes=None):
        return hacks.Hacks.generator(replace(self, remedies=()), params, batch, seed, fakes)


class Summed(InstanceNoise):
    """Noise is added to samples that have noise already, as if a pool had kept noisy samples."""

    def input(self, x, where, game, seed):
        return super().input(super().input(x, where, game, seed), where, game, seed + 1)


def heard(system, objective, seed=3, n=200):
    """What D was given in a turn, real and fake, and the samples themselves."""
    D = Ear(*system.networks["D"])
    D.heard = []
    system = replace(system, networks=system.networks | {"D": D})
    params, batch = system.init(0, np.float64), Batch({"x": np.zeros((n, 8, 8, 1))}, number=n)
    fakes = system.generate(params, batch, seed)
    system.objectives()[objective](params, batch, seed)
    return dict(zip(("real", "fake") if objective == "D" else ("fake",), D.heard, strict=True)), {
        "real": batch["x"],
        "fake": fakes.x,
    }


def noise_of(system, objective, seed=3):
    given, samples = heard(system, objective, seed)
    return {where: x - samples[where] for where, x in given.items()}


def noise_is_fresh_and_annealed(system):
    """On real and on fake samples, in both turns: independent, normal, with the std of the schedule."""
    size = 200 * 64
    for step, share in ((0, 1.0), (25, 0.75), (50, 0.5), (99, 0.01), (100, 0.0), (1000, 0.0)):
        for objective in ("D", "G"):
            for e in noise_of(system.at(step), objective).values():
                assert abs(e.std() - 0.3 * share) <= 5 * 0.3 * share / np.sqrt(2 * size)
    found = [
        *noise_of(system.at(0), "D").values(),
        *noise_of(system.at(0), "G", seed=4).values(),
        noise_of(system.at(0), "D", seed=5)["real"],
    ]
    for i, one in enumerate(found):
        assert (
            abs(one.mean()) < 5 * 0.3 / np.sqrt(size)
            and abs((one**4).mean() / (one**2).mean() ** 2 - 3) < 0.3
        )
        assert all(
            abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(size) for other in found[:i]
        )


def _with_noise(kind=InstanceNoise):
    """A game whose instance noise is of this kind."""
    system = narrow(noise=0.3, anneal=100)
    remedies = (kind(**vars(one)) if type(one) is InstanceNoise else one for one in system.remedies)
    return replace(system, remedies=tuple(remedies))


# ---- the pool


class WritesIntoThePool(Pool):
    """The pool is changed in place, and its earlier content changes with it."""

    def mix(self, held, fresh, rng):
        shown, after = super().mix(held, fresh, rng)
        for name, array in after.items():
            held[name][...] = array
        return shown, held


class HandsOutItsRows(Pool):
    """The very rows of the pool are handed out, and the samples that take their places overwrite them."""

    def mix(self, held, fresh, rng):
        held = {name: array if name == "pool.count" else array.copy() for name, array in held.items()}
        n = min(int(held["pool.count"][0]), len(fresh["x"]))
        shown = {name: held[f"pool.{name}"][:n] if n else rows for name, rows in fresh.items()}
        for name, rows in fresh.items():
            held[f"pool.{name}"][: len(rows)] = rows
        return shown, held | {"pool.count": held["pool.count"] * 0 + len(fresh["x"])}


def the_pool_hands_out_what_stays(kind):
    pool = kind(8, 1.0)
    held = pool.empty(x=((2,), np.float64))
    for k in range(4):
        before = {name: array.copy() for name, array in held.items()}
        shown, after = pool.mix(held, {"x": np.full((3, 2), 1.0 + k)}, np.random.default_rng(k))
        assert all(np.array_equal(held[name], array) for name, array in before.items())
        assert k == 0 or (shown["x"] <= k).all()  # with share 1, nothing of this turn
        kept = shown["x"].copy()
        after["pool.x"][...] = -1  # whatever becomes of the pool
        assert np.array_equal(shown["x"], kept) and not np.shares_memory(shown["x"], held["pool.x"])
        after["pool.x"][...] = 1.0 + k
        held = after


def objectives_with_it_are_pure(kind):
    """The objectives of a game with this kind of pool only read their arguments."""
    with patch.object(replay, "Pool", kind):
        objectives_are_pure(SystemPoint(narrow(replay=0.9, pool=16)))


def every_check_of_a_pool(kind):
    the_pool_hands_out_what_stays(kind)
    objectives_with_it_are_pure(kind)


REMEDY_BUGS = [
    *(
        Bug("own", broken.__doc__, lambda broken=broken: broken, lambda: Lazy, value=lazily)
        for broken in (Unscaled, ValueScaled, OffByOne, Always)
    ),
    *(
        Bug(
            "own",
            broken.__doc__,
            lambda broken=broken: _with_noise(broken),
            _with_noise,
            value=noise_is_fresh_and_annealed,
        )
        for broken in (OnRealOnly, OneDraw, EveryTurnAlike, NotAnnealed, Summed)
    ),
    system_bug("own", NotForG, _with_noise, value=noise_is_fresh_and_annealed),
    *(
        Bug(
            "own",
            broken.__doc__,
            lambda broken=broken: broken,
            lambda: Pool,
            value=the_pool_hands_out_what_stays,
            every=every_check_of_a_pool,
        )
        for broken in (WritesIntoThePool, HandsOutItsRows)
    ),
]
