"""Checks of R1, R2, Roth's regulariser and DRAGAN's points by closed forms."""

import numpy as np

from numgan import Roth
from numgan.layers import Dense, Flatten, Sequential, Tanh
from numgan.layers.activations import Elementwise
from numgan.networks import mlp
from numgan.remedies.penalties import on_input_gradient_and_logit


def linear(shape=(3,), dtype=np.float64):
    """f(x) = <w, x> + b on samples of any shape: its gradient is w everywhere."""
    D = Sequential(Flatten(), Dense(int(np.prod(shape)), 1))
    p = D.init(3, dtype)
    p["1.b"][...] = 0.4
    return D, p


class Square(Elementwise):
    """y = x^2"""

    def f(self, x):
        return x * x

    def d(self, x, y):
        return 2 * x

    def dd(self, x, y):
        return np.full_like(x, 2)


def samples(number, shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((number, *shape)).astype(dtype)


def r1_linear(penalty):
    """weight/2 |w|^2 and its gradient weight w, at any points, of any shape."""
    for shape in ((3,), (3, 5, 2)):
        D, p = linear(shape)
        value, gradient = penalty(D, p, samples(7, shape))
        assert np.isclose(value, 5 * np.square(p["1.W"]).sum(), rtol=1e-12)
        assert np.allclose(gradient["1.W"], 10 * p["1.W"], rtol=1e-12) and gradient["1.b"] == 0


def r1_quadratic(penalty):
    """f(x) = sum_i w_i x_i^2 + b: g_i = 2 w_i x_i, so R1 = 2 weight mean_n sum_i w_i^2 x_i^2."""
    D = Sequential(Square(), Dense(4, 1))
    p, x = D.init(5, np.float64), samples(6, (4,))
    value, gradient = penalty(D, p, x)
    w, moment = p["1.W"][:, 0], np.square(x).mean(axis=0)
    assert np.isclose(value, 20 * (w**2 * moment).sum(), rtol=1e-12)
    assert np.allclose(gradient["1.W"][:, 0], 40 * w * moment, rtol=1e-12) and gradient["1.b"] == 0


def nothing_at_zero_gradient(make):
    """Where D is constant the penalty and its gradient are exactly zero, and nothing is nan."""
    for dtype in (np.float32, np.float64):
        D, p = linear(dtype=dtype)
        p["1.W"][...] = 0
        with np.errstate(all="raise"):
            value, gradient = make(D, p, samples(4, (3,), dtype=dtype))
        assert value == 0 and np.array_equal(gradient.vector, np.zeros(4)) and gradient.dtype == dtype


def sigmoid(y):
    return 1 / (1 + np.exp(-y))


def roth_linear(penalty):
    """g = w everywhere: weight/2 |w|^2 (mean_real (1 - s)^2 + mean_fake s^2), and its derivatives."""
    for shape, m, n in (((3,), 7, 4), ((2, 3, 2), 3, 5)):
        D, p = linear(shape)
        real, fake = samples(m, shape), samples(n, shape, 2) + 0.5
        value, gradient = penalty(D, p, real, fake)
        w, b = p["1.W"][:, 0], p["1.b"]
        x, y = real.reshape(m, -1), fake.reshape(n, -1)
        s, t = sigmoid(x @ w + b), sigmoid(y @ w + b)
        factor = np.mean((1 - s) ** 2) + np.mean(t**2)
        ds, dt = -2 * (1 - s) ** 2 * s / m, 2 * t**2 * (1 - t) / n  # of the factor in each logit
        assert np.isclose(value, w @ w * factor, rtol=1e-12)  # weight 2
        assert np.allclose(gradient["1.W"][:, 0], 2 * w * factor + w @ w * (ds @ x + dt @ y), rtol=1e-10)
        assert np.allclose(gradient["1.b"], w @ w * (ds.sum() + dt.sum()), rtol=1e-10)


def each_sample_alone(penalty):
    """The mean over real and the mean over fake samples of what each would pay alone."""
    D = mlp(3, 5, 1, activation=Tanh)
    p, real, fake = D.init(0, np.float64), samples(5, (3,)), samples(3, (3,), 2)
    value, gradient = penalty(D, p, real, fake)
    alone = lambda x, number: np.mean([on_input_gradient_and_logit(number, D, p, row[None])[0] for row in x])
    assert np.isclose(value, alone(real, Roth(2.0).on_real) + alone(fake, Roth(2.0).on_fake), rtol=1e-12)


def around(draw):
    """x + std(x)/2 u: one std for the whole batch, u ~ U(0, 1) for each entry alone."""
    for shape in ((2,), (5, 3, 2)):
        x = samples(400, shape) * np.linspace(0.1, 3, shape[-1]) + 0.7
        u = (draw(x, np.random.default_rng(2)) - x) / (0.5 * np.sqrt(np.mean((x - x.mean()) ** 2)))
        assert (
            u.min() >= 0
            and 0.98 < u.max() <= 1
            and abs(u.mean() - 1 / 2) < 0.05
            and abs(u.var() - 1 / 12) < 0.01
        )
        assert len(np.unique(u.round(12))) > 0.99 * u.size
