"""R1, R2, Roth's regulariser, DRAGAN's points: closed forms, second order, what they cost, and planted bugs."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

import numgan as ng
from numgan import R1, R2, GradientPenalty, Lazy, Roth, check_penalty, kernel_calls
from numgan.checking.layer_cases import CRITICS
from numgan.checking.penalty import derivative_in_g, gradient_in_weights
from numgan.checking.points import outcome
from numgan.core.errors import GradientError, NonFiniteError
from numgan.core.parameters import Parameters
from numgan.core.randomness import stream
from numgan.layers import Dense, Flatten, LeakyReLU, Pack, Pass, Sequential, Sigmoid, Softplus, Tanh
from numgan.layers.activations import Elementwise
from numgan.networks import dcgan_discriminator, mlp
from numgan.optimizers.schedules import Exponential
from numgan.remedies.penalties import on_input_gradient, on_input_gradient_and_logit, perturbed


def _linear(shape=(3,), dtype=np.float64):
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


def _samples(number, shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((number, *shape)).astype(dtype)


# ---------------------------------------------------------------------------------------------------- R1 and R2


def r1_linear(penalty):
    """weight/2 |w|^2 and its gradient weight w, at any points, of any shape."""
    for shape in ((3,), (3, 5, 2)):
        D, p = _linear(shape)
        value, gradient = penalty(D, p, _samples(7, shape))
        assert np.isclose(value, 5 * np.square(p["1.W"]).sum(), rtol=1e-12)
        assert np.allclose(gradient["1.W"], 10 * p["1.W"], rtol=1e-12) and gradient["1.b"] == 0


def r1_quadratic(penalty):
    """f(x) = sum_i w_i x_i^2 + b: g_i = 2 w_i x_i, so R1 = 2 weight mean_n sum_i w_i^2 x_i^2."""
    D = Sequential(Square(), Dense(4, 1))
    p, x = D.init(5, np.float64), _samples(6, (4,))
    value, gradient = penalty(D, p, x)
    w, moment = p["1.W"][:, 0], np.square(x).mean(axis=0)
    assert np.isclose(value, 20 * (w**2 * moment).sum(), rtol=1e-12)
    assert np.allclose(gradient["1.W"][:, 0], 40 * w * moment, rtol=1e-12) and gradient["1.b"] == 0


@pytest.mark.parametrize("kind", [R1, R2])
def test_closed_forms(kind):
    r1_linear(kind(10.0))
    r1_quadratic(kind(10.0))
    D, p = _linear()
    assert np.isclose(kind(0.3)(D, p, _samples(2, (3,)))[0], 0.15 * np.square(p["1.W"]).sum())
    value, gradient = kind(0.0)(D, p, _samples(2, (3,)))
    assert value == 0 and not gradient.vector.any()


def test_the_dirac_gan_converges_with_r1_only():
    """D(x) = psi x, G = theta, real 0 (Mescheder et al. 2018, section 2): the minimax game circles outwards, with R1 it falls in.

    The radii after 500 simultaneous steps of 0.2 from psi = -1, theta = 1, to the digits of a computation with the two scalar equations.
    """
    D, loss = Dense(1, 1, bias=False), ng.minimax
    for weight, radius in ((0.0, 3.097), (0.3, 2.6e-6), (1.0, 9.5e-22)):
        psi, theta = Parameters(np.array([-1.0]), D.layout), np.ones((1, 1))
        for _ in range(500):
            b, c_fake = D.forward(psi, theta, Pass())
            _, _, db = loss.discriminator(np.zeros((1, 1)), b)  # D(0) = 0, whatever psi is
            _, dpsi = D.backward(db, c_fake)
            dtheta, _ = D.backward(loss.generator(b)[1], c_fake, frozen=True)
            _, dpenalty = R1(weight)(D, psi, np.zeros((1, 1)))
            psi, theta = psi.like(psi.vector - 0.2 * (dpsi["W"][0] + dpenalty.vector)), theta - 0.2 * dtheta
        assert np.isclose(np.hypot(psi["W"], theta), radius, rtol=0.03)


def nothing_at_zero_gradient(make):
    """Where D is constant the penalty and its gradient are exactly zero, and nothing is nan."""
    for dtype in (np.float32, np.float64):
        D, p = _linear(dtype=dtype)
        p["1.W"][...] = 0
        with np.errstate(all="raise"):
            value, gradient = make(D, p, _samples(4, (3,), dtype=dtype))
        assert value == 0 and np.array_equal(gradient.vector, np.zeros(4)) and gradient.dtype == dtype


def test_zero_gradients():
    nothing_at_zero_gradient(R1(10.0))
    nothing_at_zero_gradient(lambda D, p, x: Roth(2.0)(D, p, x, x[1:]))


# ---------------------------------------------------------------------------------------------------- Roth


def _sigmoid(y):
    return 1 / (1 + np.exp(-y))


def roth_linear(penalty):
    """g = w everywhere: weight/2 |w|^2 (mean_real (1 - s)^2 + mean_fake s^2), and its derivatives in w and b."""
    for shape, m, n in (((3,), 7, 4), ((2, 3, 2), 3, 5)):
        D, p = _linear(shape)
        real, fake = _samples(m, shape), _samples(n, shape, 2) + 0.5
        value, gradient = penalty(D, p, real, fake)
        w, b = p["1.W"][:, 0], p["1.b"]
        x, y = real.reshape(m, -1), fake.reshape(n, -1)
        s, t = _sigmoid(x @ w + b), _sigmoid(y @ w + b)
        factor = np.mean((1 - s) ** 2) + np.mean(t**2)
        ds, dt = -2 * (1 - s) ** 2 * s / m, 2 * t**2 * (1 - t) / n  # of the factor in each logit
        assert np.isclose(value, w @ w * factor, rtol=1e-12)  # weight 2
        assert np.allclose(gradient["1.W"][:, 0], 2 * w * factor + w @ w * (ds @ x + dt @ y), rtol=1e-10)
        assert np.allclose(gradient["1.b"], w @ w * (ds.sum() + dt.sum()), rtol=1e-10)


def each_sample_alone(penalty):
    """The mean over real and the mean over fake samples of what each would pay alone."""
    D = mlp(3, 5, 1, activation=Tanh)
    p, real, fake = D.init(0, np.float64), _samples(5, (3,)), _samples(3, (3,), 2)
    value, gradient = penalty(D, p, real, fake)
    alone = lambda x, number: np.mean([on_input_gradient_and_logit(number, D, p, row[None])[0] for row in x])
    assert np.isclose(value, alone(real, Roth(2.0).on_real) + alone(fake, Roth(2.0).on_fake), rtol=1e-12)


def test_closed_forms_of_roth():
    roth_linear(Roth(2.0))
    each_sample_alone(Roth(2.0))
    D, p = _linear()
    p["1.b"][...] = 0
    x = np.zeros((2, 3))  # D = 1/2 on both: Omega = |w|^2 / 2
    assert np.isclose(Roth(0.7)(D, p, x, x)[0], 0.7 / 4 * np.square(p["1.W"]).sum(), rtol=1e-12)


def test_logits_of_a_thousand_do_not_overflow():
    D, p = _linear()
    p["1.b"][...] = 1000
    with np.errstate(all="raise", under="ignore"):
        value, gradient = Roth(2.0)(D, p, np.ones((2, 3)), np.ones((3, 3)))
    assert np.isclose(value, np.square(p["1.W"]).sum()) and np.isfinite(gradient.vector).all()


def test_annealing_is_one_line_with_a_schedule():
    gamma, (D, p) = Exponential(2.0, 0.5), _linear()
    values = [Roth(gamma(step))(D, p, np.ones((2, 3)), np.zeros((2, 3)))[0] for step in range(4)]
    assert np.allclose([b / a for a, b in pairwise(values)], 0.5)


def test_real_and_fake_have_runs_of_their_own():
    D = CRITICS[2].layer  # with dropout
    p, x = D.init(0, np.float64), _samples(6, (3,))
    one, same, real, fake = (
        Roth()(D, p, x, x, Pass(a), Pass(b))[0] for a, b in ((1, 2), (1, 2), (3, 2), (1, 3))
    )
    assert one == same and one != real and one != fake and real != fake


# ---------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("penalty", [R1(10.0), R2(3.0), Roth(2.0)], ids=repr)
@pytest.mark.parametrize("case", CRITICS, ids=lambda case: case.title)
def test_random_projections_at_another_point(penalty, case):
    report = check_penalty(penalty, case.layer, case.x, batch=case.batch, slow=False, seed=5)
    assert report.max_error <= 1e-6 and len(report.rows) == 2


@pytest.mark.parametrize("penalty", [R1(10.0), Roth(2.0)], ids=repr)
def test_at_the_size_that_is_trained(penalty):
    assert (
        check_penalty(
            penalty, ng.build("dcgan", "mnist").networks["D"], (28, 28, 1), batch=2, slow=False
        ).max_error
        <= 1e-6
    )


@pytest.mark.parametrize("name", ["r1", "r2", "dragan", "roth"])
def test_the_catalogue_has_them(name, listed):
    found = [
        entry for entry in listed([name]) if entry.kind == "penalty"
    ]  # some are the names of systems, too
    assert len(found) == 2 * len(CRITICS) and all(entry.name.startswith(f"{name} on") for entry in found)


def _calls(D, p, x):
    """Every penalty, called on the points x."""
    return {
        "r1": R1()(D, p, x),
        "r2": R2()(D, p, x),
        "roth": Roth()(D, p, x, x[1:]),
        "lazy": Lazy(R1(), 4)(4, D, p, x),
        "dragan": GradientPenalty()(D, p, perturbed(x, stream(1))),
        "numpy weight": R1(np.float64(3))(D, p, x),
        "numpy gamma": Roth(np.float64(3))(D, p, x, x),
        "numpy lambda": GradientPenalty(np.float64(3))(D, p, x),
    }


def test_float32_agrees_and_stays_float32():
    D = Sequential(*dcgan_discriminator(2, (3, 5), 1, kernel=4)[:-1], Tanh(), Dense(20, 1))
    p, x = D.init(0, np.float64), _samples(6, (8, 8, 1))
    exact, single = _calls(D, p, x), _calls(D, p.astype(np.float32), x.astype(np.float32))
    for name, (value, gradient) in exact.items():
        value32, gradient32 = single[name]
        assert (
            np.isclose(value, value32, rtol=1e-3)
            and isinstance(value32, float)
            and gradient32.vector.dtype == np.float32
        ), name
        assert np.abs(gradient.vector - gradient32.vector).max() <= 1e-3 * np.abs(gradient.vector).max(), name


def test_a_critic_that_is_a_single_layer():
    D, x = Dense(3, 1), _samples(4, (3,))
    p = D.init(0, np.float64)
    p["b"][...] = 0.3
    net = Sequential(D)
    inside = _calls(net, Parameters(p.vector, net.layout), x)
    for name, (value, gradient) in _calls(D, p, x).items():
        assert value == inside[name][0] and np.array_equal(gradient.vector, inside[name][1].vector), name
    assert all(
        gradient.vector.dtype == np.float32
        for _, gradient in _calls(D, p.astype(np.float32), x.astype(np.float32)).values()
    )
    assert check_penalty(Roth(2.0), D, (3,)).max_error <= 1e-6


def test_nothing_is_written_to():
    D = mlp(3, 5, 1, activation=Tanh)
    p, x = D.init(0, np.float64), _samples(6, (3,))
    before = p.copy(), x.copy()
    one, two = _calls(D, p, x), _calls(D, p, x)
    assert p == before[0] and np.array_equal(x, before[1])
    assert all(one[name][0] == two[name][0] and one[name][1] == two[name][1] for name in one)


def test_no_needless_kernel_runs():
    """R1 costs what the gradient penalty costs. Roth's dy moves too, so every layer has a second weight gradient and a tdx below the last."""
    D = dcgan_discriminator(2, (3, 5), 1, kernel=4, norm=False)  # two convolutions and a dense layer
    p, x = D.init(0), np.ones((6, 8, 8, 1), np.float32)
    counts = {}
    calls_of = {
        "gp": GradientPenalty(),
        "r1": R1(),
        "roth": lambda *at: Roth()(*at, x[1:]),
        "not due": lambda *at: Lazy(R1(), 3)(2, *at),
    }
    for name, call in calls_of.items():
        with kernel_calls() as calls:
            call(D, p, x)
        counts[name] = dict(calls)
    assert counts["r1"] == counts["gp"] and counts["not due"] == {}
    assert {
        kernel: number
        for kernel, number in counts["roth"].items()
        if "gradient" in kernel and "leaky" not in kernel
    } == {
        "conv2d_weight_gradient": 2 * 4,
        "dense_weight_gradient": 2 * 2,
        "conv2d_input_gradient": 2 * (2 + 1),
    }


def test_what_is_refused():
    for kind in (R1, R2, Roth):
        for weight in (-1.0, np.nan, np.inf):
            with pytest.raises(
                ValueError,
                match=f"^{kind.__name__}: expected weight as a finite number of at least 0, got {weight}; the paper's is",
            ):
                kind(weight)
        for weight in ("a", None, 1j):
            with pytest.raises(ValueError, match=f"^{kind.__name__}: expected weight as a finite number"):
                kind(weight)
    D, p = _linear()
    for call in (
        R1(),
        lambda *at: Roth()(*at, np.zeros((2, 3))),
        lambda D, p, x: Roth()(D, p, np.zeros((2, 3)), x),
    ):
        with pytest.raises(TypeError, match="expected x as one float array"):
            call(D, p, np.zeros((2, 3), int))
    two = Dense(3, 2)
    for call in (R1(), R2(), GradientPenalty(), lambda *at: Roth()(*at, np.zeros((4, 3)))):
        with pytest.raises(
            ValueError,
            match=r"expected D\(x\) as one logit a row \(N, 1\), got \(4, 2\); give D a last layer with one output",
        ):
            call(two, two.init(0, np.float64), np.zeros((4, 3)))
    with pytest.raises(
        TypeError, match="perturbed: expected real as one float array .* got int64; convert it"
    ):
        perturbed(np.zeros((2, 3), np.int64), stream(0))
    with pytest.raises(ValueError, match="perturbed: expected rng as a numpy Generator, got 0"):
        perturbed(np.zeros((2, 3)), 0)
    for scale in (-1.0, np.nan, np.inf, "a", None):
        with pytest.raises(
            ValueError, match=f"perturbed scale: expected a finite number of at least 0, got {scale!r}"
        ):
            perturbed(np.zeros((2, 3)), stream(0), scale)


@pytest.mark.parametrize("penalty", [R1(0.7), R2(0.7), GradientPenalty(10.0)], ids=repr)
def test_a_critic_of_packs(penalty):
    """Each sample's part of the gradient counts by itself; Roth's factors are one a sample, so packs have none."""
    D = Sequential(Pack(2), Dense(4, 3), Tanh(), Dense(3, 1))
    assert check_penalty(penalty, D, x=(2,), batch=6).max_error <= 1e-6
    with pytest.raises(ValueError, match="D must not judge packs"):
        Roth()(D, D.init(0, np.float64), np.ones((4, 2)), np.ones((4, 2)))


@pytest.mark.parametrize(
    "penalty",
    [R1(1.0), GradientPenalty(), lambda *at: Roth()(*at, np.ones((2, 2)))],
    ids=["R1", "GradientPenalty", "Roth"],
)
def test_logits_that_are_not_finite_are_told(penalty):
    """A ReLU's slope at nan is 0, so that the gradient in x is finite."""
    D, x = mlp(2, 8, 1), np.ones((4, 2))
    x[1, 0] = np.nan
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="expected finite logits"):
        penalty(D, D.init(0, np.float64), x)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="expected finite logits"):
        penalty(D, D.init(0, np.float64), perturbed(x, stream(0)))


# ---------------------------------------------------------------------------------------------------- DRAGAN's points


def around(draw):
    """x + std(x)/2 u: one std for the whole batch, u ~ U(0, 1) for each entry alone."""
    for shape in ((2,), (5, 3, 2)):
        x = _samples(400, shape) * np.linspace(0.1, 3, shape[-1]) + 0.7
        u = (draw(x, np.random.default_rng(2)) - x) / (0.5 * np.sqrt(np.mean((x - x.mean()) ** 2)))
        assert (
            u.min() >= 0
            and 0.98 < u.max() <= 1
            and abs(u.mean() - 1 / 2) < 0.05
            and abs(u.var() - 1 / 12) < 0.01
        )
        assert len(np.unique(u.round(12))) > 0.99 * u.size


def test_points_around_real_samples():
    around(perturbed)
    x = _samples(5, (3,), dtype=np.float32)
    assert perturbed(x, stream(1)).dtype == np.float32 and np.array_equal(
        perturbed(x, stream(1)), perturbed(x, stream(1))
    )
    assert np.allclose(perturbed(x, stream(1)), perturbed(x.astype(np.float64), stream(1)), atol=1e-6)
    assert np.array_equal(perturbed(x, stream(1), scale=0.0), x)


# ---------------------------------------------------------------------------------------------------- planted bugs


def _of(text, change, base=R1):
    """A class of penalties whose `of` is what `change` makes of (penalty, g, value, v)."""
    return type(
        "Planted", (base,), {"__doc__": text, "of": lambda self, g: change(self, g, *base.of(self, g))}
    )


def _called(text, change, base=R1):
    """A class of penalties whose call is what `change` makes of (penalty, right value, right gradient, D, phi, x)."""
    return type(
        "Planted",
        (base,),
        {
            "__doc__": text,
            "__call__": lambda self, D, phi, x, context=Pass(): change(
                self, *base.__call__(self, D, phi, x, context), D, phi, x, context
            ),
        },
    )


def _roth(text, on_real=None, on_fake=None):
    """A class of Roth's regulariser whose two functions are what the changes make of (penalty, g, y, value, v, u)."""
    methods = {"__doc__": text}
    for name, change in (("on_real", on_real), ("on_fake", on_fake)):
        if change:
            methods[name] = lambda self, g, y, change=change, right=getattr(Roth, name): change(
                self, g, y, *right(self, g, y)
            )
    return type("Planted", (Roth,), methods)


def _through(unit, penalty, D, phi, x):
    """The penalty's value on D with a unit after the logit."""
    net = Sequential(*D, unit)
    return on_input_gradient(penalty.of, net, Parameters(phi.vector, net.layout), x)[0]


def _length(g):
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + 1e-12)


class OfTheProbability(Roth):
    """The gradient of sigmoid(y) instead of that of the logit"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        chance = lambda f: (
            lambda g, y: f(g * (_sigmoid(y) * _sigmoid(-y)).reshape(-1, *(1,) * (g.ndim - 1)), y)
        )
        one, two = (
            on_input_gradient_and_logit(chance(f), D, phi, x)
            for f, x in ((self.on_real, real), (self.on_fake, fake))
        )
        return one[0] + two[0], one[1] + two[1]


class OfOneBatch(Roth):
    """Real and fake in one batch and one mean"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, gradient = super().__call__(D, phi, real, fake, real_context, fake_context)
        share = len(real) / (len(real) + len(fake))
        return value * share, gradient.like(gradient.vector * share)


class DetachedWeights(Roth):
    """The weights are constants when the gradient is taken: tdy forgotten"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        one, two = (
            on_input_gradient(lambda g, f=f, x=x: f(g, D.forward(phi, x, run)[0])[:2], D, phi, x, run)
            for f, x, run in ((self.on_real, real, real_context), (self.on_fake, fake, fake_context))
        )
        return one[0] + two[0], one[1] + two[1]


class FakesAtRealPoints(Roth):
    """The weight gradient of the fakes at the real points"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, _ = super().__call__(D, phi, real, fake, real_context, fake_context)
        return value, super().__call__(D, phi, real, real, real_context, real_context)[1]


_smooth, _leaky, _pictures = CRITICS[0], CRITICS[1], CRITICS[3]
in_g = lambda penalty: outcome(_pictures.point, derivative_in_g, penalty, True)
in_weights = lambda penalty: outcome(_smooth.point, gradient_in_weights, penalty, True)
in_leaky_weights = lambda penalty: outcome(_leaky.point, gradient_in_weights, penalty, True)
on_pictures = lambda penalty: outcome(replace(_pictures, batch=3).point, gradient_in_weights, penalty, True)

R1_BUGS = [
    (_of("no factor 1/2", lambda self, g, value, v: (2 * value, 2 * v)), r1_linear),
    (_of("factor 1/2 in the value only", lambda self, g, value, v: (value, 2 * v)), in_g),
    (_of("the sum over the batch", lambda self, g, value, v: (len(g) * value, len(g) * v)), r1_linear),
    (_of("the sum in the derivative only", lambda self, g, value, v: (value, len(g) * v)), in_g),
    (
        _of(
            "the mean over the pixels",
            lambda self, g, value, v: (value * len(g) / g.size, v * len(g) / g.size),
        ),
        r1_linear,
    ),
    (
        _of(
            "the squared norm of the batch's mean gradient",
            lambda self, g, value, v: (
                5 * np.square(g.mean(axis=0)).sum(),
                np.broadcast_to(10 / len(g) * g.mean(axis=0), g.shape).copy(),
            ),
        ),
        r1_quadratic,
    ),
    (
        _of(
            "the norm over the batch axis",
            lambda self, g, value, v: (5 * float(np.square(_length(g.T)).mean()), v),
        ),
        r1_linear,
    ),
    (
        _of(
            "the norm, not its square",
            lambda self, g, value, v: (5 * float(_length(g).mean()), 5 / len(g) * g / _length(g)),
        ),
        r1_linear,
    ),
    (_of("the norm is pulled to one", lambda self, g, value, v: GradientPenalty(5.0).of(g)), r1_linear),
    (_of("the wrong sign in the derivative", lambda self, g, value, v: (value, -v)), in_g),
    (
        _called(
            "the input gradient is a constant", lambda self, value, dphi, D, phi, x, run: (value, phi.zeros())
        ),
        in_weights,
    ),
    (
        _called(
            "the penalty climbs", lambda self, value, dphi, D, phi, x, run: (value, dphi.like(-dphi.vector))
        ),
        in_leaky_weights,
    ),
    (
        _called(
            "the weight gradient of other points",
            lambda self, value, dphi, D, phi, x, run: (value, R1.__call__(self, D, phi, x[::-1] + 1)[1]),
        ),
        in_weights,
    ),
    (
        _called(
            "the weight gradient of D at x",
            lambda self, value, dphi, D, phi, x, run: (
                value,
                D.backward(np.ones((len(x), 1)), D.forward(phi, x, run)[1])[1],
            ),
        ),
        in_weights,
    ),
    (
        _called(
            "the gradient of softplus(logit)",
            lambda self, value, dphi, D, phi, x, run: (_through(Softplus(), self, D, phi, x), dphi),
        ),
        r1_linear,
    ),
    (
        _called(
            "the gradient of the probability",
            lambda self, value, dphi, D, phi, x, run: (_through(Sigmoid(), self, D, phi, x), dphi),
        ),
        r1_linear,
    ),
    (
        _called(
            "x moves along g for each pixel's sign only",
            lambda self, value, dphi, D, phi, x, run: (
                value,
                on_input_gradient(lambda g: (value, np.sign(self.of(g)[1])), D, phi, x, run)[1],
            ),
        ),
        on_pictures,
    ),
]

ROTH_BUGS = [
    (DetachedWeights, in_weights),
    (DetachedWeights, in_leaky_weights),
    (DetachedWeights, roth_linear),
    (FakesAtRealPoints, in_weights),
    (OfTheProbability, roth_linear),
    (OfOneBatch, roth_linear),
    (_roth("u forgotten on real samples", on_real=lambda self, g, y, value, v, u: (value, v, 0 * u)), in_g),
    (_roth("the sign of u on real samples", on_real=lambda self, g, y, value, v, u: (value, v, -u)), in_g),
    (_roth("u without the square's 2", on_fake=lambda self, g, y, value, v, u: (value, v, u / 2)), in_g),
    (_roth("u summed over the batch", on_fake=lambda self, g, y, value, v, u: (value, v, len(g) * u)), in_g),
    (
        _roth(
            "the weights exchanged",
            *(lambda self, g, y, value, v, u, f=f: f(self, g, y) for f in (Roth.on_fake, Roth.on_real)),
        ),
        roth_linear,
    ),
    (_roth("no factor 1/2", *[lambda self, g, y, value, v, u: (2 * value, 2 * v, 2 * u)] * 2), roth_linear),
    (
        _roth("factor 1/2 in the values only", *[lambda self, g, y, value, v, u: (value, 2 * v, 2 * u)] * 2),
        in_g,
    ),
    (
        _roth(
            "the mean weight times the mean square",
            on_fake=lambda self, g, y, value, v, u: (
                float((_sigmoid(y) ** 2).mean() * np.square(_length(g)).mean()),
                v,
                u,
            ),
        ),
        in_g,
    ),
    (
        _roth(
            "sigmoid(y), not its square",
            on_fake=lambda self, g, y, value, v, u: (
                float((_sigmoid(y).ravel() * np.square(_length(g)).ravel()).mean()),
                v,
                u,
            ),
        ),
        roth_linear,
    ),
    (
        _roth("the fakes are left out", on_fake=lambda self, g, y, value, v, u: (0.0, 0 * v, 0 * u)),
        each_sample_alone,
    ),
]

POINT_BUGS = [
    ("the std of each pixel", lambda x, rng: x + 0.5 * x.std(axis=0) * rng.uniform(size=x.shape)),
    (
        "the std of each sample",
        lambda x, rng: (
            x + 0.5 * x.std(axis=tuple(range(1, x.ndim)), keepdims=True) * rng.uniform(size=x.shape)
        ),
    ),
    ("the variance", lambda x, rng: x + 0.5 * x.var() * rng.uniform(size=x.shape)),
    ("no factor 1/2", lambda x, rng: perturbed(x, rng, scale=1.0)),
    ("no std", lambda x, rng: x + 0.5 * rng.uniform(size=x.shape)),
    (
        "one u for each sample",
        lambda x, rng: x + 0.5 * x.std() * rng.uniform(size=(len(x), *(1,) * (x.ndim - 1))),
    ),
    ("one u for each pixel", lambda x, rng: x + 0.5 * x.std() * rng.uniform(size=x.shape[1:])),
    ("normal noise", lambda x, rng: x + 0.5 * x.std() * rng.standard_normal(x.shape)),
    ("noise on both sides", lambda x, rng: x + 0.5 * x.std() * rng.uniform(-1, 1, x.shape)),
]


@dataclass
class Bug:
    """planted and healthy are the same thing with the bug and without; `by` must raise for the first and not for the second."""

    text: str
    planted: object
    healthy: object
    by: object


BUGS = [
    *(Bug(f"R1: {kind.__doc__}", kind(10.0), R1(10.0), by) for kind, by in R1_BUGS),
    *(Bug(f"Roth: {kind.__doc__}", kind(2.0), Roth(2.0), by) for kind, by in ROTH_BUGS),
    *(Bug(f"DRAGAN: {text}", draw, perturbed, around) for text, draw in POINT_BUGS),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.text[:70])
def test_a_planted_bug_is_caught(bug):
    with pytest.raises((AssertionError, GradientError)):
        bug.by(bug.planted)


@pytest.mark.parametrize(
    "by, healthy", {(bug.by, repr(bug.healthy)): (bug.by, bug.healthy) for bug in BUGS}.values()
)
def test_without_the_bug_the_same_check_passes(by, healthy):
    by(healthy)


def test_the_message_names_penalty_critic_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)DetachedWeights\(weight=2.0\) on .*gradient of .* is wrong.*numgan.check_penalty\(",
    ):
        check_penalty(DetachedWeights(2.0), mlp(3, 4, 1, activation=LeakyReLU), (3,))
    wrong = _roth("u halved", on_fake=lambda self, g, y, value, v, u: (value, v, u / 2))
    with pytest.raises(GradientError, match="derivative in y on fake is wrong"):
        check_penalty(wrong(2.0), mlp(3, 4, 1, activation=Tanh), (3,))
