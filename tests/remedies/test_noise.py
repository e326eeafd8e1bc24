"""Instance noise: fresh in every pass, annealed, on real samples and fakes; and bugs planted into it."""

from dataclasses import replace

import numpy as np
import pytest
from game_cases import Ear, narrow

from numgan.core.randomness import stream
from numgan.layers import Noise, Pass
from numgan.remedies.noise import InstanceNoise, drawn_labels, noisy
from numgan.remedies.penalties import between, perturbed
from numgan.systems import Batch
from numgan.systems.games import hacks


def planted(kind, system):
    """The same system with a bug: of a subclass of its class, or with a subclass of one of its remedies."""
    if issubclass(kind, hacks.Hacks):
        return kind(**vars(system))
    remedies = (kind(**vars(one)) if type(one) in kind.__mro__ else one for one in system.remedies)
    return replace(system, remedies=tuple(remedies))


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


class OnRealOnly(InstanceNoise):
    """Noise on the real samples only: D tells them by it."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game, seed) if where == "real" else x


class OneDraw(InstanceNoise):
    """The same noise on real and on fake samples."""

    def input(self, x, where, game, seed):
        return super().input(x, "both", game, seed)


class EveryTurnAlike(InstanceNoise):
    """The noise is drawn once and kept."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game, 0)


class NotAnnealed(InstanceNoise):
    """The noise does not fall."""

    def input(self, x, where, game, seed):
        return super().input(x, where, game.at(0), seed)


class NotForG(hacks.Hacks):
    """G's turn goes without noise, against a D that knows only noisy samples."""

    def generator(self, params, batch, seed, fakes=None):
        return hacks.Hacks.generator(replace(self, remedies=()), params, batch, seed, fakes)


class Summed(InstanceNoise):
    """Noise that was added once is added to again: the pool keeps noisy samples (here: twice the noise)."""

    def input(self, x, where, game, seed):
        return super().input(super().input(x, where, game, seed), where, game, seed + 1)


@pytest.mark.parametrize(
    "kind", [InstanceNoise, OnRealOnly, OneDraw, EveryTurnAlike, NotAnnealed, NotForG, Summed]
)
def test_instance_noise_and_its_planted_bugs(kind):
    system = planted(kind, narrow(noise=0.3, anneal=100))
    if kind is InstanceNoise:
        return noise_is_fresh_and_annealed(system)
    with pytest.raises(AssertionError):
        noise_is_fresh_and_annealed(system)


def test_noise_is_annealed_over_the_steps_of_the_preset_unless_told_otherwise():
    system = narrow(noise=0.4)
    assert system.steps == 4000 and system.settings["anneal"] == 0
    assert (
        noise_of(system.at(2000), "D")["real"].std() == pytest.approx(0.2, rel=0.05)
        and not noise_of(system.at(4000), "D")["real"].any()
    )


def test_noisy_and_the_layer():
    x, rng = np.zeros((500, 40), np.float32), np.random.default_rng
    assert noisy(x, 0.0, rng(1)) is x and noisy(x, 0.5, rng(1)).dtype == np.float32
    y, _ = Noise(0.5).forward({}, x, Pass(seed=2))
    assert abs(y.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * x.size) and Noise(0.5).forward({}, x, Pass())[0] is x
    assert not np.array_equal(y, Noise(0.5).forward({}, x, Pass(seed=3))[0])
    with pytest.raises(ValueError, match="expected a finite std"):
        Noise(-1.0)


@pytest.mark.parametrize("std", [-0.1, np.nan, np.inf, "a", None])
def test_noisy_is_given_a_number_and_floats(std):
    with pytest.raises(ValueError, match="noisy std: expected a finite number of at least 0, got"):
        noisy(np.zeros((2, 3)), std, stream(0))
    for x in (np.full((2, 3), 200, np.uint8), np.zeros((2, 3), int), [0.5]):
        for amount in (0.0, 0.1):
            with pytest.raises(
                TypeError, match="noisy: expected x as one float array .* got (uint8|int64|list); convert it"
            ):
                noisy(x, amount, stream(0))


@pytest.mark.parametrize("rng", [5, None, np.random.SeedSequence(5)], ids=["seed", "None", "SeedSequence"])
def test_noise_is_given_a_generator(rng):
    x = np.zeros((2, 3))
    for name, call in (
        ("noisy", lambda: noisy(x, 0.1, rng)),
        ("noisy", lambda: noisy(x, 0.0, rng)),
        ("drawn_labels", lambda: drawn_labels(True, (2, 1), rng)),
        ("perturbed", lambda: perturbed(x, rng)),
        ("between", lambda: between(x, x, rng)),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected rng as a numpy Generator, got"):
            call()
