"""Which kernels a pass of a layer or network runs: none for a result that nobody asked for.

A frozen pass runs no weight gradient, need_dx=False no input gradient, and a tangent of None nothing.
"""

import numpy as np
import pytest

from numgan import kernel_calls
from numgan.layers import (
    BatchNorm,
    Condition,
    Conv2d,
    Dense,
    Embedding,
    Equalized,
    Flatten,
    Given,
    InstanceNorm,
    LeakyReLU,
    MinibatchDiscrimination,
    Parallel,
    Pass,
    Pick,
    Referenced,
    Residual,
    Sequential,
    Skip,
    Spectral,
    Tanh,
)

rng = np.random.default_rng


def draw(like, seed):
    """Random numbers in the shapes of an array or a tuple of arrays; integers have no tangent."""
    if isinstance(like, tuple):
        return tuple(draw(part, seed + i) for i, part in enumerate(like))
    return rng(seed).standard_normal(like.shape) if like.dtype.kind == "f" else None


def nothing(tree):
    """Whether there is no array in a tuple, or a tuple of tuples, of arrays and None."""
    return all(map(nothing, tree)) if isinstance(tree, tuple) else tree is None


def same(one, two):
    """Whether two arrays, or tuples of arrays and None, are equal."""
    if isinstance(one, tuple):
        return all(map(same, one, two))
    return one is two is None or np.array_equal(one, two)


def ran(call, *arguments, **words):
    """{kernel: number of calls} of a call."""
    with kernel_calls() as calls:
        call(*arguments, **words)
    return dict(calls)


class Point:
    """A layer at random parameters, input, and directions, after its forward pass."""

    def __init__(self, layer, x, context=Pass()):
        self.layer, self.x = layer, x
        p = layer.init(1, np.float64)
        self.tp = p.like(rng(2).standard_normal(p.vector.size))
        for path in p.layout.held:
            self.tp[path][...] = 0
        y, self.cache = layer.forward(p, x, context)
        self.tx, self.dy, self.tdy = draw(x, 3), draw(y, 4), draw(y, 5)
        self.tcache = layer.tangent_forward(self.tx, self.cache, self.tp)[1]

    def backward(self, **words):
        return ran(self.layer.backward, self.dy, self.cache, **words)

    def tangent_backward(self, **words):
        return ran(self.layer.tangent_backward, self.dy, self.tdy, self.cache, self.tcache, **words)


X, C = rng(0).standard_normal((4, 3)), rng(1).standard_normal((4, 2))
LABELS = np.array([0, 1, 1, 0])
ONE = [  # networks with one product, and with no other kernel
    (Dense(3, 2), X),
    (Sequential(Dense(3, 2)), X),
    (Skip(Dense(3, 2)), X),
    (Residual(Dense(3, 3)), X),
    (Residual(Sequential(), Dense(3, 3)), X),
    (Parallel(Dense(3, 2), Tanh()), (X, C)),
    (Parallel(Dense(3, 2), Embedding(2, 3)), (X, LABELS)),
    (Condition(Dense(5, 2)), (X, C)),
    (Equalized(Dense(3, 2)), X),
    (Referenced(Dense(3, 2), rng(2).standard_normal((2, 3))), X),
    (Given(Sequential(Parallel(Dense(3, 2), Embedding(2, 3)), Pick(0)), LABELS), X),
    (Sequential(Skip(Dense(3, 2))), X),
    (Parallel(Condition(Dense(5, 2)), Tanh()), ((X, C), C)),
]


@pytest.mark.parametrize("layer, x", ONE)
def test_no_product_runs_for_what_is_not_asked(layer, x):
    point, weights = Point(layer, x), {"dense_weight_gradient": 1, "column_sum": 1}
    assert point.backward() == {"matmul": 1} | weights
    assert point.backward(frozen=True) == {"matmul": 1}
    assert point.backward(need_dx=False) == weights
    assert point.backward(frozen=True, need_dx=False) == {}
    both = {"dense_weight_gradient": 2, "column_sum": 1}
    assert point.tangent_backward() == {"matmul": 2} | both
    assert point.tangent_backward(frozen=True) == {"matmul": 2}
    assert point.tangent_backward(need_dx=False) == both
    assert point.tangent_backward(frozen=True, need_dx=False) == {}


@pytest.mark.parametrize("layer, x", ONE)
def test_no_product_runs_for_a_tangent_of_zero(layer, x):
    point = Point(layer, x)
    still = tuple(None for _ in x) if isinstance(x, tuple) else None
    assert ran(layer.tangent_forward, still, point.cache) == {}
    assert ran(layer.tangent_forward, still, point.cache, point.tp) == {"matmul": 1}
    assert ran(layer.tangent_forward, point.tx, point.cache) == {"matmul": 1}
    assert ran(layer.tangent_forward, point.tx, point.cache, point.tp) == {"matmul": 2}
    _, tcache = layer.tangent_forward(still, point.cache)
    assert ran(layer.tangent_backward, point.dy, None, point.cache, tcache) == {}
    tdx, tdp = layer.tangent_backward(point.dy, None, point.cache, tcache)
    assert nothing(tdx) and all(tdp[name] is None or not tdp[name].any() for name in tdp)


@pytest.mark.parametrize("layer, x", ONE)
def test_dx_is_kept_without_a_weight_gradient(layer, x):
    point = Point(layer, x)
    with kernel_calls() as calls:
        dx, kept = layer.backward_keeping(point.dy, point.cache)
    assert calls == {"matmul": 1}
    assert same(dx, layer.backward(point.dy, point.cache)[0])
    rest = point.tdy, point.cache, point.tcache
    one, two = (layer.tangent_backward(dy, *rest, need_dx=False)[1] for dy in (point.dy, kept))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_chain_computes_each_dy_once():
    net = Sequential(Tanh(), Dense(3, 4), Tanh(), Dense(4, 5), Tanh(), Dense(5, 2))
    point = Point(net, X)
    weights = {"dense_weight_gradient": 3, "column_sum": 3}
    assert point.backward() == {"matmul": 3} | weights
    assert point.backward(need_dx=False) == {"matmul": 2} | weights
    assert point.backward(frozen=True) == {"matmul": 3}
    both = {"dense_weight_gradient": 6, "column_sum": 3}
    assert point.tangent_backward() == {"matmul": 6 + 3} | both
    assert point.tangent_backward(need_dx=False) == {"matmul": 4 + 2} | both
    point.dy = net.backward_keeping(point.dy, point.cache)[1]
    assert point.tangent_backward() == {"matmul": 6} | both
    assert point.tangent_backward(need_dx=False) == {"matmul": 4} | both
    middle = Point(Sequential(Tanh(), Dense(3, 2), Tanh()), X)
    assert middle.tangent_backward(frozen=True) == {"matmul": 2 + 1}
    assert middle.tangent_backward(need_dx=False) == {"dense_weight_gradient": 2, "column_sum": 1}
    first = Point(Sequential(Dense(3, 4), Dense(4, 2)), X)
    assert first.tangent_backward() == {"matmul": 4 + 1, "dense_weight_gradient": 4, "column_sum": 2}
    assert first.tangent_backward(need_dx=False) == {
        "matmul": 2 + 1,
        "dense_weight_gradient": 4,
        "column_sum": 2,
    }
    assert first.tangent_backward(frozen=True) == {"matmul": 4 + 1}


def test_a_spectral_layer_runs_few_products():
    point = Point(Spectral(Dense(3, 2)), X)
    weights = {"dense_weight_gradient": 1, "column_sum": 1}
    assert point.backward() == {"matmul": 1} | weights and point.backward(need_dx=False) == weights
    assert point.backward(frozen=True) == {"matmul": 1} and point.backward(frozen=True, need_dx=False) == {}
    assert point.tangent_backward(frozen=True) == {"matmul": 2}
    assert "matmul" not in point.tangent_backward(need_dx=False)
    assert point.tangent_backward(frozen=True, need_dx=False) == {}


def test_minibatch_discrimination_runs_few_products():
    point = Point(MinibatchDiscrimination(3, 2, 2), X)
    assert point.backward() == {"matmul": 1, "dense_weight_gradient": 1}
    assert point.backward(frozen=True) == {"matmul": 1}
    assert point.backward(need_dx=False) == {"dense_weight_gradient": 1}
    assert point.tangent_backward() == {"matmul": 2, "dense_weight_gradient": 2}
    assert point.tangent_backward(frozen=True) == {"matmul": 2}
    assert point.tangent_backward(need_dx=False) == {"dense_weight_gradient": 2}
    assert ran(point.layer.tangent_forward, None, point.cache) == {}


def test_batch_normalisation_sums_only_what_is_needed():
    x = rng(0).standard_normal((5, 3))
    batch = Point(BatchNorm(3), x)
    gradients = {"channel_products": 1, "normalize_gradient": 1}
    assert batch.backward() == batch.backward(frozen=True) == gradients
    assert batch.backward(need_dx=False) == {"channel_products": 1}
    known = Point(BatchNorm(3), x, Pass(measured={"mean": x.mean(0), "variance": x.var(0)}))
    assert known.backward() == gradients and known.backward(frozen=True) == {"normalize_gradient": 1}
    assert known.backward(need_dx=False) == {"channel_products": 1}
    assert known.backward(frozen=True, need_dx=False) == {}


def test_other_normalisations_sum_gradients_of_weights_only():
    point = Point(InstanceNorm(3), rng(0).standard_normal((2, 2, 3, 3)))
    assert point.backward() == point.tangent_backward() == {"column_sum": 2}
    assert point.backward(need_dx=False) == {"column_sum": 2}
    assert point.backward(frozen=True) == point.tangent_backward(frozen=True) == {}


def test_a_critic_of_pictures_owes_its_input_no_gradient():
    D = Sequential(Conv2d(1, 2, 3), LeakyReLU(), Conv2d(2, 3, 2), LeakyReLU(), Flatten(), Dense(12, 1))
    x = rng(0).standard_normal((2, 5, 5, 1))
    p = D.init(0, np.float64)
    y, cache = D.forward(p, x)
    for need, number in ((True, 2), (False, 1)):
        calls = ran(D.backward, y, cache, need_dx=need)
        assert calls["conv2d_input_gradient"] == number and calls["conv2d_weight_gradient"] == 2
    assert "conv2d_weight_gradient" not in ran(D.backward, y, cache, frozen=True)


def test_a_tangent_of_zero_stays_zero_through_given():
    layer = Given(Sequential(Pick(0), Dense(3, 1)), LABELS)
    point = Point(layer, X)
    _, tcache = layer.tangent_forward(None, point.cache)
    tdx, tdp = layer.tangent_backward(point.dy, None, point.cache, tcache)
    assert tdx is None and not tdp.vector.any()
    assert layer.tangent_backward(point.dy, point.tdy, point.cache, tcache, True, False) == (None, None)
    assert layer.tangent_backward(point.dy, point.tdy, point.cache, tcache)[0].shape == X.shape
