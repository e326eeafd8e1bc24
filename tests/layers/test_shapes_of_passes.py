"""Every pass compares the shapes of its arrays: dy and tdy with y, tx with x.

NumPy would stretch a dy of shape (1, C) to the shape of y, and the gradient would be another one.
"""

import re

import numpy as np
import pytest

from numgan.checking.arrays import leaves, mapped, real
from numgan.checking.layer_cases import LAYERS, NETWORKS
from numgan.checking.points import Point
from numgan.layers import Dense, Given, Layer, Parallel, Residual, Sequential, Tanh
from numgan.layers.network import KeptBackward


def refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


def first_row(arrays):
    """The first row of every array of floats: NumPy would stretch it to all rows."""
    return mapped(lambda a: a[:1] if real(a) else a, arrays)


@pytest.mark.parametrize("case", [*LAYERS, *NETWORKS], ids=lambda case: case.title)
def test_every_layer_refuses_other_shapes(case):
    point = Point(case, 0, 0)
    layer, cache = point.layer, point.cache
    if any(len(a) < 2 for _, a in leaves(point.y)):
        return  # one row: the first row is the whole array
    row = first_row(point.dy)
    name = type(layer).__name__ if layer.children else repr(layer)
    for method in ("backward", "backward_keeping"):  # the latter calls backward, if it is the default
        refused(lambda: getattr(layer, method)(row, cache), f"{name}.backward")
    if layer.has_tangents:
        _, tcache = layer.tangent_forward(point.tx, cache, point.tp)
        short = first_row(point.tdy)
        for dy, tdy, word in ((row, point.tdy, "dy"), (point.dy, short, "tdy")):
            refused(
                lambda: layer.tangent_backward(dy, tdy, cache, tcache),
                f"{name}.tangent_backward: expected {word} of shape",
            )
        if any(real(a) and len(a) > 1 for _, a in leaves(point.x)):
            refused(
                lambda: layer.tangent_forward(first_row(point.tx), cache),
                f"{name}.tangent_forward: expected tx of shape",
            )


@pytest.mark.parametrize(
    "last", [Tanh(), Sequential(), Residual(Dense(1, 1))], ids=lambda net: type(net).__name__
)
@pytest.mark.parametrize(
    "shape", [(1, 1), (6,), (1,), (), (6, 2), (1, 6), (5, 1), (6, 1, 1)], ids=lambda shape: f"{shape}"
)
def test_the_message_has_both_shapes(last, shape):
    net = Sequential(Dense(3, 1), last)
    _, cache = net.forward(net.init(0, np.float64), np.zeros((6, 3)))
    message = (
        f"Sequential.backward: expected dy of shape (6, 1), the shape of y, got {shape}; give one number"
    )
    refused(lambda: net.backward(np.zeros(shape), cache), message)
    refused(lambda: net.backward(dy=np.zeros(shape), cache=cache, frozen=True), message)


def test_what_is_no_array_is_named():
    layer = Tanh()
    _, cache = layer.forward({}, np.zeros((2, 3)))
    refused(lambda: layer.backward(1.0, cache), "Tanh().backward: expected dy of shape (2, 3)")
    refused(lambda: layer.backward("dy", cache), "got str; give one number for each entry of y")
    refused(lambda: layer.backward([[1.0]], cache), "Tanh().backward: expected dy of shape (2, 3)")


def test_a_tuple_is_compared_array_by_array_and_none_is_zero():
    net = Parallel(Dense(3, 2), Dense(4, 1))
    p = net.init(0, np.float64)
    _, cache = net.forward(p, (np.ones((5, 3)), np.ones((5, 4))))
    good, other = np.ones((5, 2)), np.ones((5, 1))
    (dx, none), dp = net.backward((good, None), cache)
    assert dx.shape == (5, 3) and none is None and not dp.child("1")["W"].any()
    assert [d.shape for d in net.backward((good, other), cache)[0]] == [(5, 3), (5, 4)]
    message = "Parallel.backward: expected dy of shape ((5, 2), (5, 1)), the shape of y, got "
    refused(lambda: net.backward((good, other[:1]), cache), message + "((5, 2), (1, 1))")
    refused(lambda: net.backward(good, cache), message + "(5, 2)")
    refused(lambda: net.backward((good,), cache), message + "((5, 2),)")
    ty, _ = net.tangent_forward((None, np.ones((5, 4))), cache)
    assert ty[0] is None and ty[1].shape == (5, 1)


def test_kept_derivatives_have_the_shape_of_their_dy():
    net = Sequential(Dense(3, 4), Tanh(), Dense(4, 1))
    p, x, dy = net.init(0, np.float64), np.ones((5, 3)), np.ones((5, 1))
    _, cache = net.forward(p, x)
    _, dys = net.backward_keeping(dy, cache)
    assert isinstance(dys, KeptBackward) and dys.shape == (5, 1)
    _, tcache = net.tangent_forward(x, cache)
    tdx, _ = net.tangent_backward(dys, None, cache, tcache)
    np.testing.assert_array_equal(tdx, net.tangent_backward(dy, None, cache, tcache)[0])
    short = KeptBackward((*dys[:-1], dy[:1]))
    refused(lambda: net.tangent_backward(short, None, cache, tcache), "expected dy of shape (5, 1)")


class Halved(Layer):
    """A layer of one's own that hands its passes to another layer, with another shape of x."""

    def __init__(self, inner):
        self.inner = inner
        self.children = inner.children

    def parameter_shapes(self):
        return self.inner.parameter_shapes()

    def output_shape(self, shape):
        return self.inner.output_shape((shape[0] // 2,))

    def forward(self, p, x, context=None):
        return self.inner.forward(p, x[:, ::2])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.inner.backward(dy, cache, frozen, need_dx)
        return np.repeat(dx, 2, axis=1) * [1, 0] * 3 if dx is not None else None, dp


def test_a_layer_of_ones_own_is_compared_too_and_may_use_another_layer():
    layer = Halved(Dense(3, 2))
    p, x = layer.init(0, np.float64), np.random.default_rng(0).standard_normal((4, 6))
    y, cache = layer.forward(p, x)
    dx, dp = layer.inner.backward(np.ones((4, 2)), cache)
    assert dx.shape == (4, 3) and dp["W"].shape == (3, 2)
    refused(
        lambda: layer.backward(np.ones((1, 2)), cache),
        "expected dy of shape (4, 2), the shape of y, got (1, 2)",
    )


class Plain(Layer):
    """A layer whose cache is an array: nothing is recorded, and in a network the network compares."""

    def forward(self, p, x, context=None):
        return 2 * x, x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * dy, None if frozen else {}


def test_a_cache_that_is_no_tuple_stays_as_it_is():
    x = np.ones((4, 2))
    y, cache = Plain().forward({}, x)
    assert cache is x
    net = Sequential(Plain())
    _, cache = net.forward(net.init(0), x)
    assert cache[0] is x
    refused(lambda: net.backward(np.ones((1, 2)), cache), "Sequential.backward: expected dy of shape (4, 2)")


def test_a_cache_stays_the_tuple_that_the_layer_returned():
    layer = Dense(3, 2)
    _, cache = layer.forward(layer.init(0), np.ones((4, 3), np.float32))
    assert isinstance(cache, tuple) and cache.recorded == (layer, (4, 3), (4, 2))
    inner = Sequential(Tanh())
    D = Given(Parallel(inner, Sequential()), np.arange(4))
    x = np.ones((4, 3))
    y, cache = D.forward(D.init(0, np.float64), x)
    assert cache.recorded == (D, (4, 3), ((4, 3), (4,)))
    assert cache[0].recorded[:2] == (inner, (4, 3)), "the cache of an inner layer keeps its own shapes"
