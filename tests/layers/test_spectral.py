"""Spectral normalisation: numpy's singular values, the training loop, and the rules of held entries."""

from dataclasses import replace

import numpy as np
import pytest

import numgan as ng
from numgan import check_layer, check_unrolling, data, kernel_calls, systems
from numgan.core.errors import GradientError, NonFiniteError
from numgan.layers import (
    Conv2d,
    ConvTranspose2d,
    Dense,
    LeakyReLU,
    Pass,
    Sequential,
    Spectral,
    Tanh,
    power_step,
)
from numgan.layers.initializers import constant
from numgan.optimizers import SGD, Adam, RMSProp
from numgan.remedies.unrolling import Unrolling
from numgan.training import checkpoint
from numgan.training import loop as training
from numgan.training import step as one_step
from numgan.training.state import State

LAYERS = {
    "Dense": (lambda: Dense(7, 5), (7,)),
    "Conv2d": (lambda: Conv2d(2, 5, kernel=(3, 2), stride=2), (7, 5, 2)),
    "ConvTranspose2d": (lambda: ConvTranspose2d(3, 2, kernel=(2, 3), stride=2, padding=1), (3, 4, 3)),
}
over_layers = pytest.mark.parametrize("make, shape", LAYERS.values(), ids=LAYERS)
RING = data.load("ring")


def matrix(layer, W):
    """W as (fan-in, outputs), entry by entry: which input of which tap feeds which output."""
    if W.ndim == 2:
        return W
    KH, KW, inputs, outputs = *layer.kernel, layer.inputs, layer.features
    at = (lambda i, j, c, o: W[i, j, o, c]) if layer.transposed else (lambda i, j, c, o: W[i, j, c, o])
    return np.array(
        [
            [at(i, j, c, o) for o in range(outputs)]
            for i in range(KH)
            for j in range(KW)
            for c in range(inputs)
        ]
    )


def at_the_singular_vectors(layer, seed=0):
    """Float64 parameters of Spectral(layer) with the u and v that numpy finds."""
    p = Spectral(layer).init(seed, np.float64)
    U, _, V = np.linalg.svd(matrix(layer, p["W"]), full_matrices=False)
    p["u"][...], p["v"][...] = U[:, 0], V[0]
    return p


# ---------------------------------------------------------------------------------------------------- values


@over_layers
def test_sigma_is_the_largest_singular_value(make, shape):
    layer = make()
    net, x = Spectral(layer), np.random.default_rng(1).standard_normal((4, *shape))
    p = net.init(3, np.float64)
    largest = np.linalg.svd(matrix(layer, p["W"]), compute_uv=False)[0]
    sigma = lambda p: p["u"] @ matrix(layer, p["W"]) @ p["v"]
    assert 0.97 * largest < sigma(p) <= largest * (1 + 1e-14)  # thirty steps from a random u
    found = [sigma(p)]
    for _ in range(300):
        p = power_step(net, p)
        found.append(sigma(p))
    assert (np.diff(found) > -1e-14 * largest).all() and abs(found[-1] - largest) < 1e-13 * largest
    y, _ = net.forward(p, x, Pass())
    alone, _ = layer.forward({"W": p["W"] / largest, "b": p["b"]}, x, Pass())
    assert np.allclose(y, alone, rtol=1e-12)


@over_layers
def test_the_gradient_is_that_of_the_singular_value(make, shape):
    """At the first singular vectors u'dW v is the derivative of sigma, so quotients by numpy's svd agree."""
    layer = make()
    net, rng = Spectral(layer), np.random.default_rng(2)
    p, x = at_the_singular_vectors(layer), rng.standard_normal((3, *shape))
    y, cache = net.forward(p, x, Pass())
    dy, tW = rng.standard_normal(y.shape), rng.standard_normal(p["W"].shape)

    def loss(t):
        W = p["W"] + t * tW
        sigma = np.linalg.svd(matrix(layer, W), compute_uv=False)[0]
        return (dy * layer.forward({"W": W / sigma, "b": p["b"]}, x, Pass())[0]).sum()

    h = 1e-5
    numeric = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    dW = net.backward(dy, cache)[1]["W"]
    assert abs((dW * tW).sum() - numeric) < 1e-8 * abs(numeric)
    _, part = layer.forward(
        {"W": p["W"] / (sigma := p["u"] @ matrix(layer, p["W"]) @ p["v"]), "b": p["b"]}, x, Pass()
    )
    G = matrix(layer, layer.backward(dy, part)[1]["W"])
    closed = (
        G - (G * matrix(layer, p["W"])).sum() / sigma * np.outer(p["u"], p["v"])
    ) / sigma  # Miyato et al. 2018, eq. 12
    assert np.allclose(matrix(layer, dW), closed, rtol=1e-11, atol=1e-12)
    ty, _ = net.tangent_forward(None, cache, p.zeros().copy_from({"W": tW}, {"W": "W"}))
    assert np.isclose((dy * ty).sum(), numeric, rtol=1e-8)


def test_a_matrix_of_one_output_is_normalised_by_its_length():
    net = Spectral(Dense(6, 1))
    p = net.init(0, np.float64)
    assert np.isclose((p["u"] @ p["W"] @ p["v"]), np.linalg.norm(p["W"]), rtol=1e-14) and abs(p["v"][0]) == 1


def test_a_spectral_mlp_stretches_no_distance():
    layers = lambda wrap: Sequential(
        wrap(Dense(5, 16)), LeakyReLU(0.1), wrap(Dense(16, 16)), Tanh(), wrap(Dense(16, 3))
    )
    rng, ratios = np.random.default_rng(4), {}
    x = rng.standard_normal((400, 5))
    near = x + 1e-3 * rng.standard_normal(x.shape)
    for name, net in {"spectral": layers(Spectral), "plain": layers(lambda layer: layer)}.items():
        p = net.init(1, np.float64)
        for _ in range(400):
            p = power_step(net, p)
        length = lambda a: np.linalg.norm(a, axis=1)
        y = net.forward(p, x, Pass())[0]
        ratios[name] = max(
            (length(y - net.forward(p, z, Pass())[0]) / length(x - z)).max() for z in (near, x[::-1] + 0.1)
        )
    assert 0.1 < ratios["spectral"] <= 1 + 1e-9 < ratios["plain"]


def test_weights_are_drawn_as_the_layer_draws_them_and_dtypes_start_at_one_point():
    net = Spectral(Dense(4, 3))
    p, single = net.init(7, np.float64), net.init(7)
    assert np.array_equal(p["W"], Dense(4, 3).init(7, np.float64)["W"]) and not p["b"].any()
    assert single.dtype == np.float32 and np.array_equal(single.vector, p.vector.astype(np.float32))
    assert (
        net.layout.held == ("u", "v")
        and repr(net) == "Spectral(Dense(4, 3))"
        and set(power_step(net, single)) == {"W", "b", "u", "v"}
    )


# --- the power step -----------------------------------------------------------------------------------------


def test_a_power_step_returns_new_parameters_and_moves_u_and_v_only():
    shared = Spectral(Dense(5, 5))
    net = Sequential(Dense(3, 5), shared, Tanh(), shared, Spectral(Dense(5, 2)))
    p = net.init(0)
    p.vector[...] += 0.1 * np.random.default_rng(0).standard_normal(p.vector.shape).astype(np.float32)
    before = p.vector.copy()
    q = power_step(net, p)
    assert (
        p.layout.held == ("1.u", "1.v", "4.u", "4.v")
        and np.array_equal(p.vector, before)
        and q.dtype == np.float32
    )
    for path in p:
        assert np.array_equal(p[path], q[path]) == (path not in p.layout.held)
        assert path not in p.layout.held or np.isclose(np.linalg.norm(q[path]), 1, rtol=1e-6)
    W = p["1.W"]
    v = W.T @ p["1.u"]
    assert np.allclose(q["1.v"], v / np.linalg.norm(v), rtol=1e-5)  # once, though the layer is placed twice


def test_what_has_no_direction_keeps_its_vectors():
    net = Spectral(Dense(4, 3))
    p = net.init(0)
    p["W"][...] = 0
    assert power_step(net, p) == p
    p["W"][0, 0], p["u"][...] = 1, [0, 1, 0, 0]  # W'u = 0
    q = power_step(net, p)
    assert np.array_equal(q["v"], p["v"]) and abs(q["u"][0]) == 1
    with pytest.raises(ValueError, match=r"Spectral\(Dense\(4, 3\)\): expected a W that is not zero"):
        Spectral(Dense(4, 3, init=constant(0.0))).init(0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_numbers_whose_squares_leave_float32(scale):
    net = Spectral(Dense(4, 3))
    p = net.init(0)
    q = p.copy()
    q["W"][...] *= scale
    a, b = power_step(net, p), power_step(net, q)
    assert np.allclose(a["u"], b["u"], atol=1e-6) and np.allclose(a["v"], b["v"], atol=1e-6)
    x = np.ones((2, 4), np.float32)
    assert np.allclose(net.forward(a, x, Pass())[0], net.forward(b, x, Pass())[0], rtol=1e-5)


def test_another_kind_of_layer_is_refused():
    with pytest.raises(
        TypeError, match=r"Spectral: expected a Dense, Conv2d or ConvTranspose2d, got Tanh\(\)"
    ):
        Spectral(Tanh())


# --- in the loop --------------------------------------------------------------------------------------------


def step(system, state, times=1):
    feed = RING.feed(16, 5)
    for _ in range(times):
        training.advance(system, state, feed, 5)
    return state


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, 0.9, weight_decay=0.5), Adam(1e-2, weight_decay=0.5), RMSProp(1e-2, clip=0.05)],
    ids=repr,
)
def test_whatever_an_optimiser_does_to_u_and_v_is_undone(optimizer):
    """Each update ends with one power iteration of the new W, from the last u.

    sigma is invariant to decay and clipping of u.
    """
    system = systems.build("hinge", "points", 0.1).with_optimizers(
        lambda name, opt: optimizer if name == "D" else opt
    )
    state, D = State.start(system, 5), system.networks["D"]
    for _ in range(3):
        before = state.params["D"].copy()
        step(system, state)
        after = state.params["D"]
        mixed = after.copy().copy_from(before, {path: path for path in after.layout.held})
        assert power_step(D, mixed) == after and not np.array_equal(before["0.u"], after["0.u"])
        assert all(np.isclose(np.linalg.norm(after[path]), 1, rtol=1e-6) for path in after.layout.held)


def test_an_update_that_overflows_is_reported_as_such():
    class Bursting(SGD):
        def update(self, p, g, state):
            p[3] = np.inf
            return False

    system = systems.build("hinge", "points", 0.1).with_optimizers(lambda name, opt: Bursting(0.1))
    with pytest.raises(
        NonFiniteError,
        match=r"update of D: the new weights of 0\.W, of Spectral\(Dense\(2, 12\)\), are not finite",
    ):
        step(system, State.start(system, 5))


def test_the_average_of_weights_has_singular_vectors_of_its_own():
    """An average of u is not the u of averaged weights; samples are drawn with the latter."""
    system = systems.build("hinge", "points", 0.1)
    G = Sequential(Spectral(Dense(2, 12)), Tanh(), Spectral(Dense(12, 12)), Tanh(), Dense(12, 2))
    system = replace(system, average=0.9, networks={**system.networks, "G": G}).with_optimizers(
        lambda name, opt: Adam(3e-2)
    )
    state = State.start(system, 5)
    plain = state.averages["G"].copy()
    for _ in range(60):
        before = state.averages["G"].copy()
        step(system, state)
        ng.moving_average(plain.vector, state.params["G"].vector, min(0.9, state.step / (state.step + 9)))
        average = state.averages["G"]
        mixed = average.copy().copy_from(before, {path: path for path in before.layout.held})
        assert power_step(G, mixed) == average and state.sampled["G"] is average
    assert np.array_equal(plain["2.W"], average["2.W"])
    largest = np.linalg.svd(plain["2.W"], compute_uv=False)[0]
    error = lambda p: abs(p["2.u"] @ p["2.W"] @ p["2.v"] / largest - 1)
    assert error(average) < 1e-3 < error(plain)


def test_networks_without_held_entries_do_not_pay(monkeypatch):
    system = systems.build("gan", "points", 0.1)
    assert all(net.layout.held == () for net in system.networks.values())
    monkeypatch.setattr(one_step, "refreshed", lambda net, p: pytest.fail("visited"))
    step(system, State.start(system, 5))


def test_a_step_costs_a_few_products_with_vectors(monkeypatch):
    """Three passes through D measure sigma, and one iteration has two products more: no svd."""
    monkeypatch.setattr(np.linalg, "svd", lambda *arguments, **words: pytest.fail("svd"))
    calls = {}
    for name in ("hinge", "lsgan"):
        system = systems.build(name, "points", 0.1)
        state = State.start(system, 5)
        with kernel_calls() as calls[name]:
            step(system, state)
    spectral = sum(
        isinstance(layer, Spectral)
        for layer in systems.build("hinge", "points", 0.1).networks["D"].children.values()
    )
    assert calls["hinge"]["matmul"] - calls["lsgan"]["matmul"] == (3 + 2) * spectral == 15


def test_u_and_v_are_in_the_checkpoint(tmp_path):
    system = systems.build("hinge", "points", 0.1)
    about = checkpoint.identity(system, RING, 16, 5)
    checkpoint.save(tmp_path / "c.npz", step(system, State.start(system, 5), 3), about)
    whole, again = (checkpoint.load(tmp_path / "c.npz", system, about) for _ in range(2))
    assert (
        whole.params["D"] == again.params["D"]
        and step(system, whole).params["D"] == step(system, again).params["D"]
    )
    fresh = checkpoint.load(tmp_path / "c.npz", system, about)
    fresh.params["D"].copy_from(
        State.start(system, 5).params["D"], {"2.u": "2.u"}
    )  # a resume that began with another u would be seen
    assert step(system, fresh).params["D"] != whole.params["D"]


def test_steps_ahead_are_taken_with_one_u_and_v():
    D = Sequential(Spectral(Dense(2, 5)), Tanh(), Spectral(Dense(5, 1)))
    phi, rng = D.init(0, np.float64), np.random.default_rng(0)
    optimizer = SGD(0.1, weight_decay=0.3)
    ahead, _ = Unrolling(D, ng.minimax, optimizer, 3).forward(
        phi, rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    )
    for path in phi:
        assert np.array_equal(ahead[path], phi[path]) == (path in phi.layout.held)
    assert check_unrolling(D, ng.minimax, optimizer, 3, x=(2,)).max_error <= 1e-6


# --- the contract of a held entry ---------------------------------------------------------------------------


class Scaled(Dense):
    """y = s x W + b with a held scale s, (1,)."""

    held = ("s",)
    gives = staticmethod(lambda dy, x: None)

    def parameter_shapes(self):
        return super().parameter_shapes() | {"s": (1,)}

    def initial_values(self, rng):
        return super().initial_values(rng) | {"s": np.full(1, 2.0)}

    def forward(self, p, x, run):
        y, cache = super().forward(p, p["s"] * x, run)
        return y, (cache, p["s"], x)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        cache, s, x = cache
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return None if dx is None else s * dx, None if frozen else dp | {"s": self.gives(dy, x)}

    def tangent_forward(self, tx, cache, tp=None):
        cache, s, _ = cache
        ty, tcache = super().tangent_forward(None if tx is None else s * tx, cache, tp)
        return ty, tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        cache, s, _ = cache
        tdx, tdp = super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return None if tdx is None else s * tdx, None if frozen else tdp | {"s": None}


def test_a_held_entry_of_your_own():
    assert check_layer(Scaled(4, 3), (4,)).max_error <= 1e-6
    net = Sequential(Scaled(4, 3), Tanh())
    p = net.init(0)
    assert net.layout.held == ("0.s",) and power_step(net, p) == p  # nothing to renew: it stays


def test_a_held_entry_with_a_gradient_is_refused():
    layer = Scaled(4, 3)
    layer.gives = lambda dy, x: dy.sum(keepdims=True).reshape(-1)[:1]
    with pytest.raises(
        GradientError, match="s is held, a constant of the pass: its gradient must be None or exactly zero"
    ):
        check_layer(layer, (4,))


def test_a_tangent_along_a_held_entry_is_refused():
    class Moving(Scaled):
        def tangent_forward(self, tx, cache, tp=None):
            ty, tcache = super().tangent_forward(tx, cache, tp)
            return ty if tp is None else ty + tp["s"], tcache

    with pytest.raises(GradientError, match="with tangents of held entries alone, ty is not zero"):
        check_layer(Moving(4, 3), (4,))
