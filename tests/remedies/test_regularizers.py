"""R1, R2, Roth's regulariser, DRAGAN's points: closed forms, second order, and what they cost."""

from itertools import pairwise

import numpy as np
import pytest
from bugzoo.regularizers import DetachedWeights, roth_bug
from regularizer_cases import (
    around,
    each_sample_alone,
    linear,
    nothing_at_zero_gradient,
    r1_linear,
    r1_quadratic,
    roth_linear,
    samples,
)

import numgan as ng
from numgan import R1, R2, GradientPenalty, Lazy, Roth, check_penalty, kernel_calls
from numgan.checking.layer_cases import CRITICS
from numgan.core.errors import GradientError, NonFiniteError
from numgan.core.parameters import Parameters
from numgan.core.randomness import stream
from numgan.layers import Dense, LeakyReLU, Pack, Pass, Sequential, Tanh
from numgan.networks import dcgan_discriminator, mlp
from numgan.optimizers.schedules import Exponential
from numgan.remedies.penalties import perturbed


@pytest.mark.parametrize("kind", [R1, R2])
def test_closed_forms(kind):
    r1_linear(kind(10.0))
    r1_quadratic(kind(10.0))
    D, p = linear()
    assert np.isclose(kind(0.3)(D, p, samples(2, (3,)))[0], 0.15 * np.square(p["1.W"]).sum())
    value, gradient = kind(0.0)(D, p, samples(2, (3,)))
    assert value == 0 and not gradient.vector.any()


def test_the_dirac_gan_converges_with_r1_only():
    """D(x) = psi x, G = theta, real 0 (Mescheder et al. 2018, section 2).

    The minimax game circles outwards, with R1 it falls in.

    The radii after 500 simultaneous steps of 0.2 from psi = -1, theta = 1, to the digits of a computation
    with the two scalar equations.
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


def test_zero_gradients():
    nothing_at_zero_gradient(R1(10.0))
    nothing_at_zero_gradient(lambda D, p, x: Roth(2.0)(D, p, x, x[1:]))


def test_closed_forms_of_roth():
    roth_linear(Roth(2.0))
    each_sample_alone(Roth(2.0))
    D, p = linear()
    p["1.b"][...] = 0
    x = np.zeros((2, 3))  # D = 1/2 on both: Omega = |w|^2 / 2
    assert np.isclose(Roth(0.7)(D, p, x, x)[0], 0.7 / 4 * np.square(p["1.W"]).sum(), rtol=1e-12)


def test_logits_of_a_thousand_do_not_overflow():
    D, p = linear()
    p["1.b"][...] = 1000
    with np.errstate(all="raise", under="ignore"):
        value, gradient = Roth(2.0)(D, p, np.ones((2, 3)), np.ones((3, 3)))
    assert np.isclose(value, np.square(p["1.W"]).sum()) and np.isfinite(gradient.vector).all()


def test_annealing_is_one_line_with_a_schedule():
    gamma, (D, p) = Exponential(2.0, 0.5), linear()
    values = [Roth(gamma(step))(D, p, np.ones((2, 3)), np.zeros((2, 3)))[0] for step in range(4)]
    assert np.allclose([b / a for a, b in pairwise(values)], 0.5)


def test_real_and_fake_have_runs_of_their_own():
    D = CRITICS[2].layer  # with dropout
    p, x = D.init(0, np.float64), samples(6, (3,))
    one, same, real, fake = (
        Roth()(D, p, x, x, Pass(a), Pass(b))[0] for a, b in ((1, 2), (1, 2), (3, 2), (1, 3))
    )
    assert one == same and one != real and one != fake and real != fake


# ---- all of them


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
    p, x = D.init(0, np.float64), samples(6, (8, 8, 1))
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
    D, x = Dense(3, 1), samples(4, (3,))
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
    p, x = D.init(0, np.float64), samples(6, (3,))
    before = p.copy(), x.copy()
    one, two = _calls(D, p, x), _calls(D, p, x)
    assert p == before[0] and np.array_equal(x, before[1])
    assert all(one[name][0] == two[name][0] and one[name][1] == two[name][1] for name in one)


def test_no_needless_kernel_runs():
    """R1 costs what the gradient penalty costs.

    Roth's dy moves too, so every layer has a second weight gradient and a tdx below the last.
    """
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
                match=f"^{kind.__name__}: expected weight as a finite number of at least 0, "
                f"got {weight}; the paper's is",
            ):
                kind(weight)
        for weight in ("a", None, 1j):
            with pytest.raises(ValueError, match=f"^{kind.__name__}: expected weight as a finite number"):
                kind(weight)
    D, p = linear()
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
            match=r"expected D\(x\) as one logit a row \(N, 1\), got \(4, 2\); "
            "give D a last layer with one output",
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
    """Each sample's part of the gradient counts by itself.

    Roth's factors are one a sample, so packs have none.
    """
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


def test_points_around_real_samples():
    around(perturbed)
    x = samples(5, (3,), dtype=np.float32)
    assert perturbed(x, stream(1)).dtype == np.float32 and np.array_equal(
        perturbed(x, stream(1)), perturbed(x, stream(1))
    )
    assert np.allclose(perturbed(x, stream(1)), perturbed(x.astype(np.float64), stream(1)), atol=1e-6)
    assert np.array_equal(perturbed(x, stream(1), scale=0.0), x)


def test_the_message_names_penalty_critic_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)DetachedWeights\(weight=2.0\) on .*gradient of .* is wrong.*numgan.check_penalty\(",
    ):
        check_penalty(DetachedWeights(2.0), mlp(3, 4, 1, activation=LeakyReLU), (3,))
    wrong = roth_bug("u halved", on_fake=lambda self, g, y, value, v, u: (value, v, u / 2))
    with pytest.raises(GradientError, match="derivative in y on fake is wrong"):
        check_penalty(wrong.plant(), mlp(3, 4, 1, activation=Tanh), (3,))
