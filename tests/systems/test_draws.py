"""What is drawn: latents, and the fakes of each objective."""

import numpy as np
import pytest

from numgan import build
from numgan.data import load
from numgan.systems.system import Latent
from numgan.training import State, advance


def test_a_uniform_latent_fills_the_cube_around_zero():
    z = Latent(5, "uniform", 2.0).draw(np.random.default_rng(0), 2000, np.float64)
    assert -2 <= z.min() < -1.99 and 1.99 < z.max() <= 2 and np.all(np.abs(z.mean(axis=0)) < 0.1)
    assert np.allclose(z.var(axis=0), 4 / 3, rtol=0.1)
    assert np.allclose(
        Latent(5, scale=3.0).draw(np.random.default_rng(0), 2000, np.float64).std(axis=0), 3.0, rtol=0.1
    )


def _watched(name, **settings):
    """[[z and real samples of each objective's turn] of each step] of two steps."""
    system, data = build(name, "digits", 0.02), load("digits")
    seen = []

    class Watched(type(system)):
        def objectives(self):
            def watch(objective):
                def call(params, batch, seed, fakes=None):
                    fakes = fakes or self.generate(params, batch, seed)
                    seen[-1].append((fakes.inputs, batch["x"]))
                    return objective(params, batch, seed, fakes)

                return call

            return {name: watch(objective) for name, objective in super().objectives().items()}

    names = system.__dataclass_fields__
    system = Watched(**{field: getattr(system, field) for field in names} | settings)
    state, feed = State.start(system, 3), data.feed(16, 3)
    for _ in range(2):
        seen.append([])
        advance(system, state, feed, 3)
    return seen


@pytest.mark.parametrize(
    "name, settings", [("gan", {"k": 3}), ("wgan", {"n_critic": 3}), ("lsgan", {"k": 3})]
)
def test_every_draw_is_fresh(name, settings):
    """Algorithm 1: each of the k turns of D, and then G, draws noise and real samples of its own."""
    steps = _watched(name, **settings)
    turns = [turn for step in steps for turn in step]
    assert [len(step) for step in steps] == [4, 4]
    assert (
        len({row.tobytes() for z, _ in turns for row in z}) == 8 * 16
        and len({real.tobytes() for _, real in turns}) == 8
    )


def test_players_that_share_fakes_see_one_draw():
    one, two = _watched("dcgan")
    for step in (one, two):
        assert len(step) == 2 and all(np.array_equal(*pair) for pair in zip(*step))
    assert not np.array_equal(one[0][0], two[0][0])
