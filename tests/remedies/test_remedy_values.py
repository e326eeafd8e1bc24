"""Penalties, consensus and unrolling: values by their formulas, types, contexts, refusals word for word."""

from dataclasses import replace

import numpy as np
import pytest

from numgan import Consensus, Unrolling, kernel_calls
from numgan.core.errors import NonFiniteError
from numgan.layers import Dense, Dropout, Pack, Pass, Sequential, Spectral, Tanh, record_kinks
from numgan.losses import hinge, l2, minimax, nonsaturating, relativistic_average, wasserstein
from numgan.networks import mlp
from numgan.optimizers import SGD, Adam
from numgan.remedies.penalties import (
    R1,
    R2,
    GradientPenalty,
    Lazy,
    Roth,
    between,
    norms,
    on_input_gradient,
    on_input_gradient_and_logit,
    perturbed,
)

rng = np.random.default_rng
LINEAR = Dense(2, 1)  # its input gradient is W, which is (3, 4) here, of length 5


def linear(dtype=np.float64):
    p = LINEAR.init(0, dtype)
    p["W"][...] = [[3], [4]]
    p["b"][...] = 0.5
    return p


def said(kind, call, *arguments, **words):
    """The message of the error that the call raises."""
    with pytest.raises(kind) as caught:
        call(*arguments, **words)
    return str(caught.value)


# ---- penalties

X = np.array([[0.0, 0.0], [0.5, -0.5], [-1.0, 1.0]])
G = np.array([[3.0, 4.0], [0.0, 0.5]])  # two input gradients, of length 5 and 1/2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_penalties_of_two_gradients_by_hand(dtype):
    g, rtol = G.astype(dtype), 1e-5
    unit = g / np.array([[5], [0.5]])
    cases = [  # a penalty, its value, its derivative in g
        (GradientPenalty(), 10 * (16 + 0.25) / 2, 20 / 2 * np.array([[4], [-0.5]]) * unit),
        (GradientPenalty(3.0, 2.0), 3 * (9 + 2.25) / 2, 6 / 2 * np.array([[3], [-1.5]]) * unit),
        (GradientPenalty(3.0, 0), 3 * (25 + 0.25) / 2, 6 / 2 * g),
        (GradientPenalty(one_sided=True), 10 * 16 / 2, 20 / 2 * np.array([[4], [0]]) * unit),
        (GradientPenalty(0), 0, 0 * g),
        (R1(), 10 / 2 * (25 + 0.25) / 2, 10 / 2 * g),
        (R2(3.0), 3 / 2 * (25 + 0.25) / 2, 3 / 2 * g),
        (R1(0), 0, 0 * g),
    ]
    for penalty, value, v in cases:
        found, derivative = penalty.of(g)
        assert type(found) is float and np.isclose(found, value, rtol=rtol)
        assert derivative.dtype == dtype and np.allclose(derivative, v, rtol=rtol, atol=1e-6)
    y = np.array([[0.0], [np.log(3)]], dtype)  # sigmoid: 1/2 and 3/4
    for side, s, sign in ((Roth(4.0).on_fake, [0.5, 0.75], 1), (Roth(4.0).on_real, [0.5, 0.25], -1)):
        s = np.array(s)[:, None]
        value, v, u = side(g, y)
        each = s**2 * np.array([[25], [0.25]])
        assert type(value) is float and np.isclose(value, 4 / 2 * each.mean(), rtol=rtol)
        assert v.dtype == u.dtype == dtype and np.allclose(v, 4 / 2 * s**2 * g, rtol=rtol)
        assert np.allclose(u, sign * 4 / 2 * each * (1 - s), rtol=rtol) and u.shape == (2, 1)


def test_lengths_are_over_all_axes_but_the_first_and_never_zero():
    g = np.zeros((2, 2, 3), np.float32)
    g[1, :, :2] = [[1, 2], [2, 4]]
    n = norms(g)
    assert n.shape == (2, 1, 1) and n.dtype == np.float32 and np.allclose(n.ravel(), [1e-6, 5])
    value, v = GradientPenalty().of(np.zeros((3, 2)))
    assert np.isclose(value, 10 * (1 - 1e-6) ** 2) and not v.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_penalties_of_a_linear_critic_by_hand(dtype):
    p, x = linear(dtype), X.astype(dtype)
    for penalty, value, slope in (
        (GradientPenalty(), 160, 20 * 4 / 5),
        (GradientPenalty(2.0, 7.0, True), 0, 0),
        (GradientPenalty(2.0, 7.0), 8, 4 * -2 / 5),
        (R1(), 125, 10),
        (R2(2.0), 25, 2),
    ):
        found, dphi = penalty(LINEAR, p, x)
        assert np.isclose(found, value, rtol=1e-6) and np.allclose(dphi["W"], slope * p["W"], rtol=1e-6)
        assert dphi["b"].tolist() == [0] and dphi.dtype == dtype
    sigmoid = lambda y: 1 / (1 + np.exp(-y))
    s, t = sigmoid(-(x @ p["W"] + 0.5)), sigmoid(x[:2] @ p["W"] + 0.5)
    value, dphi = Roth()(LINEAR, p, x, x[:2])
    assert np.isclose(value, 25 * ((s**2).mean() + (t**2).mean())) and dphi.dtype == dtype
    bias = 50 * ((t**2 * (1 - t)).mean() - (s**2 * (1 - s)).mean())
    assert np.allclose(dphi["b"], bias, rtol=1e-4)


def test_any_function_of_the_input_gradient_can_be_penalised():
    p = linear()
    total = lambda g: (float(g.sum()), np.ones_like(g))
    value, dphi = on_input_gradient(total, LINEAR, p, X)
    assert value == 21 and dphi["W"].ravel().tolist() == [3, 3] and dphi["b"].tolist() == [0]
    weighted = lambda g, y: (float((y * g).sum()), y * np.ones_like(g), g.sum(axis=1, keepdims=True))
    value, dphi = on_input_gradient_and_logit(weighted, LINEAR, p, X)
    y = X @ p["W"] + 0.5
    assert np.isclose(value, 7 * y.sum()) and np.allclose(dphi["b"], 21)
    assert np.allclose(dphi["W"], y.sum() + 7 * X.sum(0)[:, None])


def test_a_kink_is_told_for_the_one_sided_penalty_only():
    for penalty, number in ((GradientPenalty(), 0), (GradientPenalty(one_sided=True), 1), (R1(), 0)):
        with record_kinks() as pieces:
            penalty.of(G)
        assert len(pieces) == number


@pytest.mark.parametrize(
    "call",
    [
        lambda D, p, x, seed: R1()(D, p, x, Pass(seed)),
        lambda D, p, x, seed: GradientPenalty()(D, p, x, Pass(seed)),
        lambda D, p, x, seed: Roth()(D, p, x, x, Pass(seed)),
        lambda D, p, x, seed: Roth()(D, p, x, x, fake_context=Pass(seed)),
        lambda D, p, x, seed: on_input_gradient(R1().of, D, p, x, Pass(seed)),
        lambda D, p, x, seed: Lazy(R1(), 2)(4, D, p, x, Pass(seed)),
    ],
)
def test_a_penalty_runs_the_critic_in_its_context(call):
    D = Sequential(Dense(2, 8), Tanh(), Dropout(0.5), Dense(8, 1))
    p = D.init(0, np.float64)
    values = [call(D, p, X, seed)[0] for seed in (None, 1, 1, 2)]
    assert values[1] == values[2] and len(set(values)) == 3


def test_lazy_penalties_are_due_at_multiples():
    p = linear()
    lazy = Lazy(R1(2.0), 3)
    found = [lazy(step, LINEAR, p, X) for step in range(7)]
    assert np.allclose([value for value, _ in found], [75, 0, 0, 75, 0, 0, 75])
    assert np.allclose(found[3][1]["W"], 6 * p["W"]) and not found[1][1].vector.any()
    assert type(found[1][0]) is float and found[1][1].dtype == np.float64
    assert Lazy(R1()).every == 16 and np.isclose(Lazy(R1(2.0), 1)(5, LINEAR, p, X)[0], 25)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_for_penalties_by_their_formulas(dtype):
    real, fake = (rng(seed).standard_normal((n, 3, 2)).astype(dtype) for seed, n in ((0, 4), (1, 6)))
    e = rng(5).uniform(size=(4, 1, 1)).astype(dtype)
    for one, two, count in ((real, fake, 4), (fake, real, 4)):
        x = between(one, two, rng(5))
        assert x.dtype == dtype and np.allclose(x, e * one[:count] + (1 - e) * two[:count], rtol=1e-6)
    u = rng(5).uniform(size=real.shape)
    for scale in (0.5, 2, 0):
        x = perturbed(real, rng(5), scale)
        assert x.dtype == dtype and np.allclose(x, real + scale * real.std() * u, rtol=1e-5, atol=1e-6)
    assert np.array_equal(perturbed(real, rng(5)), perturbed(real, rng(5), 0.5))


def test_constants_of_penalties_are_refused_word_for_word():
    for value in (-1, -1e-9, np.nan, np.inf, "a", None, True):
        for kind, paper in ((R1, "10"), (R2, "10"), (Roth, "2.0, annealed")):
            assert said(ValueError, kind, value) == (
                f"{kind.__name__}: expected weight as a finite number of at least 0, got {value!r}; "
                f"the paper's is {paper}"
            )
        rest = "; the paper's are 10 and 1"
        both = "GradientPenalty: expected weight and target as finite numbers of at least 0, got"
        assert said(ValueError, GradientPenalty, value) == f"{both} {value!r} and 1.0{rest}"
        assert said(ValueError, GradientPenalty, 2.0, value) == f"{both} 2.0 and {value!r}{rest}"
        assert said(ValueError, perturbed, X, rng(0), value) == (
            f"perturbed scale: expected a finite number of at least 0, got {value!r}"
        )
        assert said(ValueError, Consensus, value) == (
            f"Consensus: expected weight as a finite number of at least 0, got {value!r}; the paper's is 10"
        )
    for every in (0, -1, 1.0, True, None):
        assert said(ValueError, Lazy, R1(), every) == (
            f"Lazy every: expected an integer of at least 1, got {every!r}"
        )
    assert said(TypeError, Lazy, None) == (
        "Lazy: expected penalty as a penalty such as R1(10.0), called with (D, phi, ...), got None"
    )
    for step in (-1, 1.0, True, None):
        assert said(ValueError, Lazy(R1()), step, LINEAR, linear(), X) == (
            f"Lazy: expected step as an integer of at least 0, the number of updates made, got {step!r}"
        )


def test_what_a_penalty_cannot_take_is_refused_word_for_word():
    p, two, packs = linear(), Dense(2, 2), Sequential(Pack(3), Dense(6, 1))
    named = "on_input_gradient: expected D as a layer and phi as its Parameters, got {} and {}; "
    made = "make them with D.init(seed), or from a vector with phi.like(vector)"
    for penalty in (R1(), GradientPenalty(), lambda *at: Roth()(*at, X)):
        assert said(ValueError, penalty, None, p, X) == named.format("NoneType", "Parameters") + made
        assert said(ValueError, penalty, LINEAR, p.vector, X) == named.format("Dense", "ndarray") + made
        assert said(TypeError, penalty, LINEAR, p, [1]) == (
            "on_input_gradient: expected x as one float array (N, ...), got list; "
            "convert it with np.asarray(x, np.float32)"
        )
        assert said(ValueError, penalty, LINEAR, p, X[:0]) == (
            "on_input_gradient: expected x (N, ...) with at least one sample, got (0, 2); draw a batch"
        )
        for D, x, shape in ((two, X, (3, 2)), (LINEAR, X[:, None], (3, 1, 1))):
            assert said(ValueError, penalty, D, D.init(0, np.float64), x) == (
                f"on_input_gradient: expected D(x) as one logit a row (N, 1), got {shape}; "
                "give D a last layer with one output"
            )
        assert said(NonFiniteError, penalty, LINEAR, p, X + np.inf) == (
            "on_input_gradient: expected finite logits D(x), got inf or nan; "
            "look for samples or weights that are not finite"
        )
    assert said(ValueError, Roth(), packs, packs.init(0, np.float64), X, X) == (
        "Roth: expected one logit D(x) for each of the 3 samples, got (1, 1); D must not judge packs"
    )
    assert said(ValueError, between, X, X[:, :1], rng(0)) == (
        "between: expected real and fake samples of one shape, got (2,) and (1,); reshape one of them"
    )
    for name, call in (("between", lambda: between(X, X, 1)), ("perturbed", lambda: perturbed(X, 1))):
        assert said(ValueError, call) == (
            f"{name}: expected rng as a numpy Generator, got 1; make one with np.random.default_rng(seed)"
        )
    for name, call in (
        ("between: expected real", lambda: between(X[:0], X, rng(0))),
        ("between: expected fake", lambda: between(X, X[:0], rng(0))),
        ("perturbed: expected real", lambda: perturbed(X[:0], rng(0))),
    ):
        assert said(ValueError, call) == f"{name} (N, ...) with at least one sample, got (0, 2); draw a batch"


# ---- consensus


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_consensus_of_two_linear_players_by_hand(dtype):
    """With the Wasserstein loss L_D = D(G(z)) - D(x) and L_G = -D(G(z)), D(x) = a x, G(z) = c z.

    v = (c mean z - mean x, -a mean z), so |v|^2 / 2 has the derivatives -a_z^2 and z v_phi.
    """
    D, G = Dense(1, 1, bias=False), Dense(1, 1, bias=False)
    phi, theta = D.init(0, dtype), G.init(0, dtype)
    phi["W"][...], theta["W"][...] = 3, 2
    real, z = np.array([[1.0], [5], [6]], dtype), np.array([[1.0], [4]], dtype)
    value, (dphi, dtheta), (v_phi, v_theta) = Consensus(6.0, wasserstein)(D, G, phi, theta, real, z)
    assert v_phi["W"].item() == 2 * 2.5 - 4 and v_theta["W"].item() == -3 * 2.5
    assert np.isclose(value, 6 / 2 * (1 + 7.5**2)) and type(value) is float
    assert np.isclose(dphi["W"].item(), 6 * 2.5 * 7.5) and np.isclose(dtheta["W"].item(), 6 * 2.5)
    assert {part.dtype for part in (dphi, dtheta, v_phi, v_theta)} == {np.dtype(dtype)}


def test_consensus_runs_no_product_that_nobody_needs():
    D, G, x = Dense(1, 1, bias=False), Dense(1, 1, bias=False), np.ones((2, 1))
    phi, theta = D.init(0, np.float64), G.init(0, np.float64)
    with kernel_calls() as calls:
        Consensus(1.0, wasserstein)(D, G, phi, theta, x, x)
    forward, backward, tangents = 3, 1, 2 + 2 + 1 + 1 + 1
    assert calls["matmul"] == forward + backward + tangents
    assert calls["dense_weight_gradient"] == 2 + 1 + (1 + 1 + 1) + 2 + 1


def test_what_consensus_cannot_take_is_refused_word_for_word():
    for loss in (None, l2, relativistic_average):
        assert said(TypeError, Consensus, 1.0, loss) == (
            f"Consensus: expected loss as an AdversarialLoss such as numgan.nonsaturating, got {loss!r}"
        )
    D, G = Dense(1, 1), Dense(1, 1)
    phi, theta, x = D.init(0, np.float64), G.init(0, np.float64), np.ones((2, 1))
    assert said(NonFiniteError, Consensus(), D, G, phi, theta, x * np.nan, x) == (
        "Consensus: expected finite logits D(x), got inf or nan; "
        "look for samples or weights that are not finite"
    )
    assert said(NonFiniteError, Consensus(), D, G, phi, theta, x, x * np.nan).startswith(
        "Consensus: expected"
    )
    assert Consensus(0).weight == 0 and Consensus().loss is nonsaturating


# ---- unrolling

CRITIC = mlp(2, 4, 1, activation=Tanh)


def samples():
    return rng(1).standard_normal((5, 2)), rng(2).standard_normal((3, 2))


@pytest.mark.parametrize("loss", [minimax, hinge, relativistic_average], ids=repr)
@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.5), Adam(0.1)], ids=repr)
def test_the_steps_ahead_are_the_optimisers_own(loss, optimizer):
    (real, fake), phi = samples(), CRITIC.init(0, np.float64)
    phi_K, tape = Unrolling(CRITIC, loss, optimizer, 3).forward(phi, real, fake)
    p, state = phi.copy(), optimizer.start(phi.vector)
    for _ in range(3):
        (a, c_real), (b, c_fake) = CRITIC.forward(p, real), CRITIC.forward(p, fake)
        _, da, db = loss.discriminator(a, b)
        g = CRITIC.backward(da, c_real)[1] + CRITIC.backward(db, c_fake)[1]
        optimizer.update(p.vector, g.vector, state)
    assert np.allclose(p.vector, phi_K.vector, rtol=1e-12) and len(tape) == 3 and phi_K != phi


def test_real_samples_and_fakes_have_contexts_of_their_own():
    D = Sequential(Dense(2, 8), Tanh(), Dropout(0.5), Dense(8, 1))
    (real, fake), phi = samples(), D.init(0, np.float64)
    ahead = lambda *seeds: Unrolling(D, minimax, SGD(0.5), 2, None, *map(Pass, seeds)).forward(
        phi, real, fake
    )
    first = lambda *seeds: tuple(ahead(*seeds)[0].vector)
    assert first(1, 2) == first(1, 2) and len({first(*s) for s in ((1, 2), (3, 2), (1, 3), (2, 1), ())}) == 5
    (a, c_real), (b, c_fake) = D.forward(phi, real, Pass(1)), D.forward(phi, fake, Pass(2))
    _, da, db = minimax.discriminator(a, b)
    g = D.backward(da, c_real)[1].vector + D.backward(db, c_fake)[1].vector
    one = replace(Unrolling(D, minimax, SGD(0.5), 1), real_context=Pass(1), fake_context=Pass(2))
    assert np.allclose(one.forward(phi, real, fake)[0].vector, phi.vector - 0.5 * g, rtol=1e-12)


def test_steps_ahead_run_no_product_that_nobody_needs():
    (real, fake), D = samples(), Dense(2, 1, bias=False)
    phi = D.init(0, np.float64)
    unrolling = Unrolling(D, minimax, SGD(0.5), 3)
    with kernel_calls() as calls:
        phi_K, tape = unrolling.forward(phi, real, fake)
    assert calls == {"matmul": 3 * 2, "dense_weight_gradient": 3 * 2, "add": calls["add"], "sgd": 3}
    with kernel_calls() as calls:
        unrolling.backward(phi_K, tape)
    assert calls["matmul"] == 3 * (2 + 2) and calls["dense_weight_gradient"] == 3 * 2


@pytest.mark.parametrize("steps", [1, 2])
def test_the_derivative_in_the_fakes_is_numeric_too(steps):
    (real, fake), phi = samples(), CRITIC.init(0, np.float64)
    unrolling = Unrolling(CRITIC, minimax, SGD(0.3, 0.5), steps)
    phi_K, tape = unrolling.forward(phi, real, fake)
    dphi_K = phi.like(rng(3).standard_normal(phi.vector.size))
    dphi, dfake = unrolling.backward(dphi_K, tape)
    loss = lambda phi, fake: (unrolling.forward(phi, real, fake)[0].vector * dphi_K.vector).sum()
    h, along, move = 1e-6, rng(4).standard_normal(fake.shape), rng(5).standard_normal(phi.vector.size)
    numeric = (loss(phi, fake + h * along) - loss(phi, fake - h * along)) / (2 * h)
    assert np.isclose(numeric, (dfake * along).sum(), rtol=1e-5)
    up, down = (phi.like(phi.vector + sign * h * move) for sign in (1, -1))
    assert np.isclose((loss(up, fake) - loss(down, fake)) / (2 * h), (dphi.vector * move).sum(), rtol=1e-5)


def test_held_entries_stay_the_same_in_all_steps():
    D = Sequential(Spectral(Dense(2, 4)), Tanh(), Dense(4, 1))
    (real, fake), phi = samples(), D.init(0, np.float64)
    phi_K, _ = Unrolling(D, minimax, SGD(0.3, weight_decay=0.5, clip=0.2), 3).forward(phi, real, fake)
    for name in ("0.u", "0.v"):
        assert np.array_equal(phi_K[name], phi[name])
    assert np.abs(phi_K["0.W"]).max() <= 0.2 and np.abs(phi["0.u"]).max() > 0.2


def test_what_unrolling_cannot_take_is_refused_word_for_word():
    words = {"D": CRITIC, "loss": minimax, "optimizer": SGD(0.1), "steps": 1}
    for name, such in (
        ("D", "a network"),
        ("loss", "a loss such as numgan.nonsaturating"),
        ("optimizer", "an optimiser such as numgan.Adam(1e-3)"),
    ):
        for wrong in (None, l2, "x"):
            assert said(TypeError, Unrolling, **words | {name: wrong}) == (
                f"Unrolling: expected {name} as {such}, got {wrong!r}"
            )
    for steps in (-1, 1.0, True, None, "1"):
        assert said(ValueError, Unrolling, **words | {"steps": steps}) == (
            f"Unrolling: expected steps as an integer of at least 0, got {steps!r}"
        )
    assert Unrolling(**words | {"steps": np.int64(2), "loss": relativistic_average}).steps == 2
    (real, fake), phi = samples(), CRITIC.init(0, np.float64)
    momentum = SGD(0.1, 0.5)
    for state in ({"step": 0}, {"step": 0, "m": np.zeros(2)}, momentum.start(phi.vector) | {"v": phi.vector}):
        got = {name: np.shape(value) for name, value in state.items()}
        call = Unrolling(CRITIC, minimax, momentum, 1, state).forward
        assert said(ValueError, call, phi, real, fake) == (
            f"Unrolling: expected a state of {momentum!r} with {{'step': (), 'm': (17,)}}, got {got}; "
            "make it with optimizer.start(phi.vector)"
        )
    unrolling = Unrolling(**words)
    made = "make them with D.init(seed), or from a vector with phi.like(vector)"
    assert said(TypeError, unrolling.forward, phi.vector, real, fake) == (
        f"Unrolling.forward: expected phi as D's Parameters, got ndarray; {made}"
    )
    assert said(TypeError, unrolling.backward, None, []) == (
        f"Unrolling.backward: expected dphi as D's Parameters, got NoneType; {made}"
    )
    for at in ((real * np.inf, fake), (real, fake * np.nan)):
        with np.errstate(all="ignore"):
            assert said(NonFiniteError, unrolling.forward, phi, *at) == (
                "Unrolling.forward: expected finite logits D(x), got inf or nan; "
                "look for samples or weights that are not finite"
            )
    for at, name in (((real[:0], fake), "real"), ((real, fake[:0]), "fake")):
        assert said(ValueError, unrolling.forward, phi, *at) == (
            f"Unrolling.forward: expected {name} (N, ...) with at least one sample, got (0, 2); draw a batch"
        )
