"""The gradient penalty: closed forms, its second-order gradient, what it costs, and WGAN-GP."""

from dataclasses import replace

import numpy as np
import pytest
from bugzoo.penalties import OrdinaryBackward
from penalty_cases import (
    closed_form,
    linear,
    no_gradient_at_all,
    on_segments,
    through,
    tiny_gradients,
    without_penalty,
)

from numgan import build, check_penalty, gradcheck, kernel_calls
from numgan.checking.cases import PENALTIES
from numgan.checking.layer_cases import CRITICS
from numgan.checking.system import SystemPoint, check_objective
from numgan.core.errors import GradientError
from numgan.core.randomness import stream
from numgan.layers import BatchNorm, Dense, Layer, LeakyReLU, Sequential, Tanh
from numgan.networks import dcgan_discriminator, mlp
from numgan.optimizers import Adam
from numgan.remedies.penalties import GradientPenalty, between, norms
from numgan.systems.games import wgan_gp

critics = pytest.mark.parametrize("case", CRITICS, ids=lambda case: case.title)


# ---- the penalty


@critics
@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_the_gradient_is_exact_to_second_order(penalty, case):
    for slow, seed in ((True, 1), (False, 2)):
        report = check_penalty(penalty, case.layer, case.x, batch=case.batch, slow=slow, seed=seed)
        assert report.max_error <= 1e-6 and len(report.rows) == 2


def test_at_the_size_that_is_trained():
    system = build("wgan_gp", "mnist")
    assert (
        check_penalty(system.penalty, system.networks["D"], (28, 28, 1), batch=2, slow=False).max_error
        <= 1e-6
    )


def test_closed_form_of_a_linear_critic():
    closed_form(GradientPenalty(10.0))
    D, p = linear()
    x = np.zeros((4, 3))
    assert np.isclose(GradientPenalty(0.5, target=0.3)(D, p, x)[0], 0.5 * 1.7**2)
    assert np.isclose(GradientPenalty(10.0, one_sided=True)(D, p, x)[0], 10)
    p["1.W"][...] *= 0.25  # |w| = 1/2: one side does not mind
    value, gradient = GradientPenalty(10.0, one_sided=True)(D, p, x)
    assert value == 0 and not gradient.vector.any() and np.isclose(GradientPenalty(10.0)(D, p, x)[0], 2.5)


def test_small_gradients():
    no_gradient_at_all(GradientPenalty(10.0))
    tiny_gradients(GradientPenalty(10.0))
    tiny_gradients(GradientPenalty(10.0, target=1e-6, one_sided=True))
    assert norms(np.zeros((2, 3, 1))).shape == (2, 1, 1)


def test_each_sample_counts_alone_and_equally():
    D = mlp(3, 5, 1, activation=Tanh)
    p, x = D.init(0, np.float64), np.random.default_rng(0).standard_normal((6, 3))
    alone = [GradientPenalty()(D, p, row[None]) for row in x]
    value, gradient = GradientPenalty()(D, p, x)
    assert np.isclose(value, np.mean([v for v, _ in alone])) and np.allclose(
        gradient.vector, np.mean([d.vector for _, d in alone], axis=0)
    )


def test_float32_agrees_and_stays_float32():
    D = dcgan_discriminator(2, (3, 5), 1, kernel=4, norm=False)
    p, x = D.init(0, np.float64), np.random.default_rng(0).standard_normal((6, 8, 8, 1))
    value, gradient = GradientPenalty()(D, p, x)
    value32, gradient32 = GradientPenalty()(D, p.astype(np.float32), x.astype(np.float32))
    assert np.isclose(value, value32, rtol=1e-5) and gradient32.dtype == np.float32
    assert np.abs(gradient.vector - gradient32.vector).max() <= 1e-4 * np.abs(gradient.vector).max()


def test_what_is_refused():
    D, p = linear()
    for words in ({"weight": -1.0}, {"weight": np.nan}, {"target": -0.1}, {"target": np.inf}):
        with pytest.raises(ValueError, match="GradientPenalty: expected weight and target as finite numbers"):
            GradientPenalty(**words)
    for x in ((np.zeros((2, 3)), np.zeros(2, int)), np.zeros((2, 3), int)):
        with pytest.raises(TypeError, match="expected x as one float array"):
            GradientPenalty()(D, p, x)
    for x in np.zeros((0, 3)), np.zeros(()):
        with pytest.raises(ValueError, match="expected x .* with at least one sample"):
            GradientPenalty()(D, p, x)
    for wrong in ((None, p), (D, p.vector)):
        with pytest.raises(
            ValueError, match="on_input_gradient: expected D as a layer and phi as its Parameters, got"
        ):
            GradientPenalty()(*wrong, np.zeros((2, 3)))
    once = FirstOrderOnly()
    with pytest.raises(TypeError, match="has no tangent passes"):
        GradientPenalty()(
            Sequential(Dense(3, 1), once), Sequential(Dense(3, 1), once).init(0), np.zeros((2, 3), np.float32)
        )


class FirstOrderOnly(Layer):
    """y = 2 x, its tangents not given."""

    def forward(self, p, x, run):
        return 2 * x, None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * dy, None if frozen else {}


# ---- what it costs


def test_no_needless_kernel_runs():
    """Forward, frozen backward, tangent forward, and of the last pass the weight gradients only.

    A piecewise-linear critic has no tdx, and the dx of each layer is known from the frozen pass.
    """
    D = dcgan_discriminator(2, (3, 5), 1, kernel=4, norm=False)  # two convolutions and a dense layer
    with kernel_calls() as calls:
        GradientPenalty()(D, D.init(0), np.ones((6, 8, 8, 1), np.float32))
    assert calls == {
        "conv2d": 4,
        "conv2d_input_gradient": 2,
        "conv2d_weight_gradient": 2,
        "matmul": 3,
        "dense_weight_gradient": 1,
        "leaky_relu_gradient": 2 + 2,
    }  # forward, the units come with the convolutions
    smooth = mlp(3, 5, 4, 1, activation=Tanh)  # here tdx = dy f'' tx goes down through two of three layers
    with kernel_calls() as calls:
        GradientPenalty()(smooth, smooth.init(0), np.ones((6, 3), np.float32))
    assert calls == {"matmul": 3 + 3 + 3 + 1, "dense_weight_gradient": 3 + 2, "column_sum": 2}


@critics
def test_the_trail_changes_no_bit(case):
    """tangent_backward gives the same whether it is handed dy or the whole trail of dys."""
    point = case.point()
    D, y, cache = case.layer, point.y, point.cache
    _, tcache = D.tangent_forward(point.tx, cache)
    dx, dys = D.backward_keeping(point.dy, cache)
    np.testing.assert_allclose(
        dx, D.backward(point.dy, cache, frozen=True)[0], rtol=1e-12, atol=1e-15
    )  # which does units along with others
    for tdy in (None, np.ones_like(y)):
        for words in ({}, {"need_dx": False}, {"frozen": True}):
            one, two = (D.tangent_backward(dy, tdy, cache, tcache, **words) for dy in (point.dy, dys))
            for a, b in zip(one, two):
                assert (a is b is None) or np.array_equal(getattr(a, "vector", a), getattr(b, "vector", b))


def test_a_critic_that_is_no_sequential():
    D = Dense(3, 1)
    p = D.init(0, np.float64)
    value, gradient = GradientPenalty()(D, p, np.ones((4, 3)))
    n = np.sqrt(np.square(p["W"]).sum())
    assert np.isclose(value, 10 * (n - 1) ** 2) and np.allclose(gradient["W"], 20 * (1 - 1 / n) * p["W"])


def test_points_between():
    on_segments(between)
    a, b = np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
    assert between(a, b, stream(1)).dtype == np.float32
    assert np.allclose(
        between(a, b, stream(1)), between(a.astype(float), b.astype(float), stream(1)), atol=1e-6
    )


def test_points_between_are_of_pairs_of_floats():
    floats, ints = np.zeros((5, 3)), np.full((5, 3), 200, np.uint8)
    for pair, name in (((ints, floats), "real"), ((floats, ints), "fake"), ((ints, ints), "real")):
        with pytest.raises(
            TypeError, match=f"between: expected {name} as one float array .* got uint8; convert it"
        ):
            between(*pair, stream(0))
    with pytest.raises(
        ValueError, match=r"between: expected real and fake samples of one shape, got \(3,\) and \(1,\)"
    ):
        between(floats, floats[:, :1], stream(0))
    with pytest.raises(ValueError, match="between: expected rng as a numpy Generator, got 5"):
        between(floats, floats, 5)


# ---- the system


def test_the_papers_recipe():
    """Algorithm 1's defaults; no BatchNorm in any critic (section 4)."""
    system = build("wgan_gp", "mnist")
    assert (system.n_critic, system.penalty) == (5, GradientPenalty(10.0, target=1.0, one_sided=False))
    for optimizer in system.optimizers.values():
        assert isinstance(optimizer, Adam) and (optimizer.lr, optimizer.beta1, optimizer.beta2) == (
            1e-4,
            0.0,
            0.9,
        )
    for preset in wgan_gp.PRESETS:
        assert not any(
            isinstance(layer, BatchNorm) for layer in build("wgan_gp", preset).networks["D"].children.values()
        )
    assert system.rounds(0) == system.rounds(500) == ("D",) * 5 + ("G",) and not system.shares_fakes


def test_the_critics_loss_is_the_sum_of_its_parts():
    point = SystemPoint(build("wgan_gp", "digits", 0.02))
    result = point.run("D")
    assert (
        np.isclose(result.loss, -result.metrics["distance"] + result.metrics["penalty"])
        and result.metrics["penalty"] > 0
    )
    point.system = without_penalty(point.system)
    without = point.run("D")
    assert (
        without.metrics["distance"] == result.metrics["distance"]
        and without.loss == -result.metrics["distance"]
    )


def test_the_one_sided_objective():
    system = replace(
        build("wgan_gp", "digits", 0.02), penalty=GradientPenalty(10.0, target=0.2, one_sided=True)
    )
    assert check_objective(system, "D")[0] <= 1e-6


def test_the_penalty_runs_the_critic_at_points_that_the_seed_fixes():
    point = SystemPoint(build("wgan_gp", "points", 0.05))
    fakes = point.system.generate(point.params, point.batch, point.seed)
    one, two, other = (
        point.system.critic(point.params, point.batch, seed, fakes).metrics for seed in (1, 1, 2)
    )
    assert one == two and one["distance"] == other["distance"] and one["penalty"] != other["penalty"]


def test_relu_hides_a_missing_second_derivative():
    """Why some critics of the checks are smooth: with a piecewise-linear critic the f'' term is zero."""
    piecewise = mlp(3, 5, 4, 1, activation=LeakyReLU)
    through(piecewise)
    assert LeakyReLU.dd is None


def test_the_penalty_itself_is_a_function_of_g():
    g = np.random.default_rng(2).standard_normal((5, 2, 3))
    for of in (penalty.of for penalty in PENALTIES.values() if hasattr(penalty, "of")):
        assert gradcheck(lambda g, of=of: of(g)[0], g, of(g)[1]).max_error <= 1e-6


def test_the_message_names_penalty_critic_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)OrdinaryBackward\(weight=10.0.*gradient of 0.W is wrong.*numgan.check_penalty\(",
    ):
        check_penalty(OrdinaryBackward(10.0), mlp(3, 4, 1, activation=Tanh), (3,))
