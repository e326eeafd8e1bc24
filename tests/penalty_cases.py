"""Checks of penalties by closed forms and by difference quotients, which a planted bug must fail."""

from dataclasses import replace

import numpy as np

from numgan.checking.layer_cases import CRITICS
from numgan.checking.penalty import derivative_in_g, gradient_in_weights
from numgan.checking.points import outcome
from numgan.layers import Dense, Flatten, Sequential
from numgan.remedies.penalties import GradientPenalty
from numgan.systems.games import wgan_gp


def linear(shape=(3,), dtype=np.float64, length=2.0):
    """A critic f(x) = <w, x> + b on samples of any shape, |w| = length: its gradient is w everywhere."""
    D = Sequential(Flatten(), Dense(int(np.prod(shape)), 1))
    p = D.init(3, dtype)
    p["1.W"][...] *= length / np.sqrt(np.square(p["1.W"]).sum())
    return D, p


def closed_form(penalty):
    """A linear critic: the gradient is w at every point, so the penalty is weight (|w| - 1)^2, and d/dw of
    that is 2 weight (1 - 1/|w|) w.
    """
    for shape in ((3,), (3, 5, 2)):
        D, p = linear(shape)
        x = np.random.default_rng(1).standard_normal((7, *shape))
        value, gradient = penalty(D, p, x)
        assert np.isclose(value, 10.0, rtol=1e-9)  # |w| = 2
        assert np.allclose(gradient["1.W"], 10 * p["1.W"], rtol=1e-9) and gradient["1.b"] == 0


def no_gradient_at_all(penalty):
    """Where g = 0 the value is weight, and the gradient is 0 and not nan."""
    for dtype in (np.float32, np.float64):
        D, p = linear(dtype=dtype)
        p["1.W"][...] = 0
        with np.errstate(all="raise"):
            value, gradient = penalty(D, p, np.ones((4, 3), dtype))
        assert (
            np.isclose(value, 10.0, rtol=1e-5)
            and np.array_equal(gradient.vector, np.zeros(4))
            and gradient.dtype == dtype
        )


def tiny_gradients(penalty):
    """The derivative is that of the value also where the epsilon is felt: |g| of about 1e-6."""
    g = 1e-6 * np.random.default_rng(0).standard_normal((5, 3))
    u = np.random.default_rng(1).standard_normal(g.shape)
    numeric = (penalty.of(g + 1e-9 * u)[0] - penalty.of(g - 1e-9 * u)[0]) / 2e-9
    assert np.isclose((penalty.of(g)[1] * u).sum(), numeric, rtol=1e-4)


def on_segments(draw):
    """Every point lies between its own pair, at a place of its own, the same for all its coordinates."""
    rng = np.random.default_rng(4)
    for shape, m, n in (((2,), 500, 500), ((3, 2, 5), 40, 30), ((2,), 3, 7)):
        real, fake = rng.standard_normal((m, *shape)), rng.standard_normal((n, *shape))
        pairs = min(m, n)
        x = draw(real, fake, np.random.default_rng(1)).reshape(pairs, -1)
        real, fake = real[:pairs].reshape(pairs, -1), fake[:pairs].reshape(pairs, -1)
        e = (x - fake) / (real - fake)
        assert np.allclose(e, e[:, :1], rtol=1e-6, atol=1e-8) and e.min() >= 0 and e.max() <= 1
        assert len(np.unique(e[:, 0].round(9))) == pairs
        if pairs == 500:
            assert abs(e.mean() - 1 / 2) < 0.05 and abs(e[:, 0].var() - 1 / 12) < 0.01


def without_penalty(system):
    """The same system without the penalty."""
    return wgan_gp.WGANGP(**vars(system) | {"penalty": GradientPenalty(0.0)})


SMOOTH, LEAKY, PICTURES = CRITICS[0], CRITICS[1], CRITICS[3]


def in_g(penalty):
    outcome(PICTURES.point, derivative_in_g, penalty, True)


def in_smooth_weights(penalty):
    outcome(SMOOTH.point, gradient_in_weights, penalty, True)


def in_leaky_weights(penalty):
    outcome(LEAKY.point, gradient_in_weights, penalty, True)


def through(D):
    outcome(replace(SMOOTH, layer=D, name="D").point, gradient_in_weights, GradientPenalty(10.0), True)
