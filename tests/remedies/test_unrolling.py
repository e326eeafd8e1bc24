"""Unrolling: exact through every optimiser, what is known in closed form, and the system."""

from dataclasses import replace

import numpy as np
import pytest

import numgan as ng
from numgan import SGD, Adam, RMSProp, Unrolling, check_unrolling, minimax, wasserstein
from numgan.checking.layer_cases import CRITICS
from numgan.checking.optimizer import warm
from numgan.core.errors import NonFiniteError
from numgan.layers import Dense, LeakyReLU, Pass, Sequential, Tanh
from numgan.systems import Batch, build
from numgan.systems.games.unrolled import UnrolledGAN
from numgan.training import train

D = ng.mlp(2, 5, 1, activation=Tanh)


def game(seed=0, dtype=np.float64):
    """phi, real and fake samples, unequal in number."""
    rng = np.random.default_rng(seed)
    return (
        D.init(seed, dtype),
        rng.standard_normal((4, 2)).astype(dtype),
        rng.standard_normal((7, 2)).astype(dtype),
    )


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.2),
        SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        RMSProp(0.05),
        Adam(0.05),
        Adam(0.05, clip=0.4),
    ],
    ids=repr,
)
def test_updates_are_differentiated_through(optimizer, steps):
    assert check_unrolling(D, minimax, optimizer, steps, x=(2,), seed=1).max_error <= 1e-6


@pytest.mark.parametrize(
    "loss", [ng.minimax, ng.least_squares, ng.hinge, ng.wasserstein, ng.smoothed()], ids=repr
)
@pytest.mark.parametrize("case", CRITICS[:1] + CRITICS[3:5], ids=lambda case: case.title)
def test_any_loss_and_critic(case, loss):
    check_unrolling(case.layer, loss, SGD(0.1, momentum=0.5), 2, case.x, batch=case.batch, slow=False)


def test_a_critic_may_be_a_single_layer():
    check_unrolling(Dense(3, 1), minimax, SGD(0.1, momentum=0.5), 3, x=(3,), slow=False)


@pytest.mark.parametrize("eta, K", [(0.1, 1), (0.1, 5), (0.25, 10)])
def test_the_bilinear_game(eta, K):
    """f = theta psi: G at theta, D(x) = psi x, data at 0.

    K ascent steps give psi + K eta theta, so f_K = theta psi + K eta theta^2 and d f_K / d theta = psi + 2 K
    eta theta. Descent on that and ascent in psi have the eigenvalues -K eta +- sqrt((K eta)^2 - 1).
    """
    linear = Sequential(Dense(1, 1, bias=False))
    theta, psi = 0.7, -0.3

    def field(theta, psi):
        """d f_K / d theta and d f / d psi.

        Wasserstein pays D f's negative where the fake is theta and the real sample 0.
        """
        phi = linear.init(0, np.float64)
        phi.vector[...] = -psi
        fake = np.array([[theta]])
        unrolling = Unrolling(linear, wasserstein, SGD(eta), K)
        phi_K, tape = unrolling.forward(phi, np.zeros((1, 1)), fake)
        y, cache = linear.forward(phi_K, fake, Pass())
        dx, dphi_K = linear.backward(np.ones_like(y), cache)
        dphi, dfake = unrolling.backward(dphi_K, tape)
        assert np.allclose(phi_K.vector, -psi - K * eta * theta) and np.allclose(dphi.vector, theta)
        return -(dx + dfake)[0, 0], theta  # -D(theta) = theta psi_K is what f is

    assert np.isclose(field(theta, psi)[0], psi + 2 * K * eta * theta, rtol=1e-12)
    jacobian = np.array(
        [
            np.subtract(field(*(point + step)), field(*(point - step))) / 2e-5
            for point in [np.array([theta, psi])]
            for step in 1e-5 * np.eye(2)
        ]
    ).T * [[-1], [1]]
    root = np.sqrt(complex((K * eta) ** 2 - 1))
    assert np.allclose(
        np.sort_complex(np.linalg.eigvals(jacobian)),
        np.sort_complex([-K * eta - root, -K * eta + root]),
        atol=1e-8,
    )


def test_no_steps_change_nothing():
    phi, real, fake = game()
    unrolling = Unrolling(D, minimax, Adam(0.1), 0)
    phi_0, tape = unrolling.forward(phi, real, fake)
    assert phi_0 == phi and tape == []
    dphi, dfake = unrolling.backward(phi, tape)
    assert dphi == phi and dfake is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arguments_stay_and_so_does_the_dtype(dtype):
    phi, real, fake = game(dtype=dtype)
    optimizer = Adam(0.1)
    state = optimizer.start(phi.vector)
    state["v"] += 1
    before = [phi.vector.copy(), real.copy(), fake.copy(), state["m"].copy(), state["v"].copy()]
    unrolling = Unrolling(D, minimax, optimizer, 3, state)
    phi_K, tape = unrolling.forward(phi, real, fake)
    dphi, dfake = unrolling.backward(phi_K, tape)
    assert phi_K.dtype == dphi.dtype == dfake.dtype == dtype and dfake.shape == fake.shape
    for one, two in zip(before, [phi.vector, real, fake, state["m"], state["v"]]):
        assert np.array_equal(one, two)
    assert state["step"] == 0 and phi_K != phi


def test_updates_are_those_of_training():
    """phi_K is what K turns of D on one batch make, moments included."""
    phi, real, fake = game()
    optimizer, p = Adam(0.05), phi.copy()
    state = warm(optimizer, np.random.default_rng(3), p.vector.size)
    phi_K, _ = Unrolling(D, minimax, optimizer, 4, state).forward(phi, real, fake)
    for _ in range(4):
        (a, c_real), (b, c_fake) = D.forward(p, real, Pass()), D.forward(p, fake, Pass())
        _, da, db = minimax.discriminator(a, b)
        optimizer.update(p.vector, (D.backward(da, c_real)[1] + D.backward(db, c_fake)[1]).vector, state)
    assert np.array_equal(p.vector, phi_K.vector)


@pytest.mark.parametrize("steps", [-1, 1.0, True, None])
def test_a_wrong_number_of_steps_is_named(steps):
    with pytest.raises(ValueError, match="Unrolling: expected steps as an integer of at least 0, got"):
        Unrolling(D, minimax, SGD(0.1), steps)


@pytest.mark.parametrize(
    "words, message",
    [
        ({"D": None}, "Unrolling: expected D as a network, got None"),
        (
            {"loss": "minimax"},
            "Unrolling: expected loss as a loss such as numgan.nonsaturating, got 'minimax'",
        ),
        ({"optimizer": None}, "Unrolling: expected optimizer as an optimiser such as .*, got None"),
    ],
)
def test_a_wrong_part_is_named(words, message):
    with pytest.raises(TypeError, match=message):
        Unrolling(**{"D": D, "loss": minimax, "optimizer": SGD(0.1), "steps": 1} | words)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"m": np.zeros(21)},
        {"step": 0, "m": np.zeros(20)},
        {"step": 0, "m": np.zeros(21), "v": np.zeros(21)},
    ],
)
def test_a_state_of_another_optimiser_is_refused(state):
    with pytest.raises(
        ValueError,
        match=r"Unrolling: expected a state of SGD\(lr=0.1, momentum=0.9\) "
        r"with {'step': \(\), 'm': \(21,\)}, got",
    ):
        Unrolling(D, minimax, SGD(0.1, momentum=0.9), 1, state).forward(*game())


def test_wrong_arguments_are_named():
    (phi, real, fake), unrolling = game(), Unrolling(D, minimax, SGD(0.1), 1)
    with pytest.raises(TypeError, match="Unrolling.forward: expected phi as D's Parameters, got ndarray"):
        unrolling.forward(phi.vector, real, fake)
    with pytest.raises(TypeError, match="Unrolling.backward: expected dphi as D's Parameters, got ndarray"):
        unrolling.backward(phi.vector, unrolling.forward(phi, real, fake)[1])
    with pytest.raises(TypeError, match="Unrolling.forward: expected fake as one float array"):
        unrolling.forward(phi, real, fake.astype(int))
    with pytest.raises(ValueError, match="Unrolling.forward: expected real .* with at least one sample"):
        unrolling.forward(phi, real[:0], fake)
    for at in (real, fake):
        at[1, 0] = np.nan
        with pytest.raises(NonFiniteError, match="Unrolling.forward: expected finite logits"):
            unrolling.forward(phi, real, fake)
        at[1, 0] = 0


# ---- the system


def test_zero_steps_are_the_game_of_2014():
    plain, params = build("unrolled", "plain", 0.1), None
    params = plain.init(0, np.float64)
    batch = Batch({"x": np.random.default_rng(0).standard_normal((6, 2))})
    theirs = build("gan", "points", 0.1)
    theirs = replace(theirs, networks=plain.networks, latent=plain.latent, loss=minimax)
    one, two = (
        system.objectives()["G"](params, batch, 3).gradients["G"].vector for system in (plain, theirs)
    )
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-15)


def test_the_look_ahead_changes_what_g_learns():
    system = build("unrolled", "descent", 0.1)
    params, batch = system.init(0, np.float64), Batch({"x": np.random.default_rng(0).standard_normal((6, 2))})
    one, two = (
        replace(system, unroll=k).objectives()["G"](params, batch, 3).gradients["G"].vector for k in (0, 5)
    )
    assert np.linalg.norm(one - two) > 0.01 * np.linalg.norm(one)


def test_training_tells_the_moments_and_resumes_bit_for_bit(tmp_path):
    """The look ahead begins where D's optimiser stands; after a resume it stands at the same place."""
    system = replace(build("unrolled", "points", 0.05), unroll=3)
    data = ng.data.load("ring")
    words = {"batch_size": 16, "picture_every": 6, "progress": False}
    whole = train(system, data, tmp_path / "whole", steps=6, **words)
    train(system, data, tmp_path / "cut", steps=4, **words)
    rest = train(system, data, tmp_path / "cut", steps=6, resume=True, progress=False)
    assert whole.losses == rest.losses
    seen = []

    class Watched(UnrolledGAN):
        def with_state(self, moments, memory=None):
            seen.append(moments["D"]["step"])
            return super().with_state(moments, memory)

    watched = Watched(**vars(system))
    train(watched, data, tmp_path / "seen", steps=3, **words)
    assert seen == [0, 1, 2]


def test_a_critic_without_tangents_is_told_so():
    class Mine(LeakyReLU):
        def tangent_forward(self, tx, cache, tp=None):
            return ng.layers.Layer.tangent_forward(self, tx, cache, tp)

    phi, real, fake = game()
    unrolling = Unrolling(Sequential(Dense(2, 3), Mine(), Dense(3, 1)), minimax, SGD(0.1), 1)
    phi = unrolling.D.init(0, np.float64)
    with pytest.raises(TypeError, match="no tangent passes"):
        unrolling.backward(phi, unrolling.forward(phi, real, fake)[1])
