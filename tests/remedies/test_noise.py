"""Instance noise: fresh in every pass, annealed, on real samples and fakes."""

import numpy as np
import pytest
from bugzoo.remedies import noise_is_fresh_and_annealed, noise_of
from game_cases import narrow

from numgan.core.randomness import stream
from numgan.layers import Noise, Pass
from numgan.remedies.noise import drawn_labels, noisy
from numgan.remedies.penalties import between, perturbed


def test_noise_is_fresh_and_annealed():
    noise_is_fresh_and_annealed(narrow(noise=0.3, anneal=100))


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
