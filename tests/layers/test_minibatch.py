"""Layers that compare samples, and equalised weights: their formulas written with loops, and their errors."""

import numpy as np
import pytest

from numgan import check_penalty
from numgan.layers import (
    Conv2d,
    ConvTranspose2d,
    Dense,
    Equalized,
    Flatten,
    MinibatchDiscrimination,
    MinibatchStd,
    Pass,
    Sequential,
    Tanh,
)
from numgan.remedies.penalties import GradientPenalty


@pytest.mark.parametrize("group, n", [(None, 5), (1, 3), (2, 6), (3, 6)])
def test_minibatch_std_by_its_formula(group, n):
    layer, x = MinibatchStd(group), np.random.default_rng(0).standard_normal((n, 3, 2, 4))
    y, _ = layer.forward(None, x, Pass())
    assert y.shape == (n, 3, 2, 5) and np.array_equal(y[..., :4], x)
    size = group or n
    for g in range(n // size):
        here = x[g * size : (g + 1) * size].reshape(size, -1)
        s = np.mean(
            [np.sqrt(np.mean((here[:, j] - here[:, j].mean()) ** 2) + 1e-8) for j in range(here.shape[1])]
        )
        assert np.allclose(y[g * size : (g + 1) * size, ..., 4], s, rtol=1e-12)


def test_equal_samples_have_no_spread_and_a_finite_gradient():
    x = np.ones((4, 3))
    y, cache = MinibatchStd().forward(None, x, Pass())
    assert np.allclose(y[:, 3], 1e-4)  # the root of eps
    dx, _ = MinibatchStd().backward(np.ones_like(y), cache)
    assert np.array_equal(dx, x)


def test_minibatch_discrimination_by_its_formula():
    layer = MinibatchDiscrimination(3, 2, 4)
    p, x = layer.init(0, np.float64), np.random.default_rng(0).standard_normal((5, 3))
    p.vector[...] *= 10
    M = (x @ p["T"]).reshape(5, 2, 4)
    o = [
        [
            sum(np.exp(-sum(abs(M[n, b, c] - M[m, b, c]) for c in range(4))) for m in range(5) if m != n)
            for b in range(2)
        ]
        for n in range(5)
    ]
    y, _ = layer.forward(p, x, Pass())
    assert np.array_equal(y[:, :3], x) and np.allclose(y[:, 3:], o, rtol=1e-12)


def test_samples_far_apart_keep_their_closeness():
    """exp(-20) is below what float32 tells from 1."""
    layer, x = MinibatchDiscrimination(1, 2, 1), np.float32([[0], [20], [41.5], [63]])
    T = np.float32([[1, 0.75]])
    y, cache = layer.forward({"T": T}, x, Pass())
    M = x * T
    o = [
        [sum(np.exp(-abs(M[n, b] - M[m, b])) for m in range(4) if m != n) for b in range(2)] for n in range(4)
    ]
    assert (
        np.allclose(y[:, 1:], o, rtol=1e-6, atol=0)
        and y.dtype == np.float32
        and (y[:, 1] < 3e-9).all()
        and (y[:, 1:] > 0).all()
    )
    ty, _ = layer.tangent_forward(x, cache)
    away = [
        [
            sum(-np.exp(-abs(M[n, b] - M[m, b])) * abs(M[n, b] - M[m, b]) for m in range(4) if m != n)
            for b in range(2)
        ]
        for n in range(4)
    ]
    assert np.allclose(ty[:, 1:], away, rtol=1e-6, atol=0)


def test_a_collapsed_batch_is_as_close_as_can_be():
    layer = MinibatchDiscrimination(3, 2, 4)
    y, _ = layer.forward(layer.init(0, np.float64), np.ones((6, 3)), Pass())
    assert np.array_equal(y[:, 3:], np.full((6, 2), 5.0))


@pytest.mark.parametrize(
    "layer, x",
    [
        (Dense(5, 3), (4, 5)),
        (Conv2d(2, 3, 3, 2, 1), (4, 7, 6, 2)),
        (ConvTranspose2d(3, 2, 4, 2, 1), (4, 3, 4, 3)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equalized_is_its_layer_with_scaled_weights(layer, x, dtype):
    equal, x = Equalized(layer), np.random.default_rng(0).standard_normal(x).astype(dtype)
    p = equal.init(0, dtype)
    fan_in = np.prod(layer.kernel) * layer.inputs if hasattr(layer, "kernel") else layer.inputs
    assert np.isclose(equal.scale, np.sqrt(2 / fan_in)) and 0.5 < p["W"].std() < 1.5
    scaled = {"W": p["W"] * dtype(equal.scale), "b": p["b"]}
    (y, cache), (y_alone, cache_alone) = equal.forward(p, x, Pass()), layer.forward(scaled, x, Pass())
    assert np.array_equal(y, y_alone) and y.dtype == dtype
    (dx, dp), (dx_alone, dp_alone) = equal.backward(y, cache), layer.backward(y, cache_alone)
    assert (
        np.array_equal(dx, dx_alone)
        and np.allclose(dp["W"], equal.scale * dp_alone["W"], rtol=1e-6)
        and np.array_equal(dp["b"], dp_alone["b"])
    )


def test_penalties_go_through_them():
    D = Sequential(
        Equalized(Conv2d(1, 2, 3)),
        Tanh(),
        MinibatchStd(2),
        Flatten(),
        MinibatchDiscrimination(6, 2, 3),
        Equalized(Dense(8, 1)),
    )
    assert check_penalty(GradientPenalty(10.0), D, x=(3, 4, 1), batch=4).max_error <= 1e-6


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: MinibatchStd(0), ValueError, "MinibatchStd group: expected an integer of at least 1, got 0"),
        (
            lambda: MinibatchStd(3).forward(None, np.ones((4, 2)), Pass()),
            ValueError,
            "N a multiple of 3, got .*choose such a batch size",
        ),
        (
            lambda: MinibatchDiscrimination(3, 0, 2),
            ValueError,
            "MinibatchDiscrimination features: expected an integer",
        ),
        (
            lambda: MinibatchDiscrimination(3, 1, 2).forward(
                {"T": np.ones((3, 2))}, np.ones((2, 3, 1)), Pass()
            ),
            ValueError,
            "add Flatten",
        ),
        (
            lambda: Equalized(Tanh()),
            TypeError,
            r"Equalized: expected a Dense, Conv2d or ConvTranspose2d, got Tanh\(\)",
        ),
    ],
)
def test_what_is_wrong_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
