"""Exact values of layers at their limits, and the layer's name in the message of a wrong input."""

import numpy as np
import pytest

import numgan as ng
from numgan.core.randomness import stream
from numgan.layers import (
    ELU,
    BatchNorm,
    Concat,
    Dense,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    MinibatchDiscrimination,
    MinibatchStd,
    Pass,
    VirtualBatchNorm,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "labels, got", [([-1, 0], "-1..0"), ([2, -3], "-3..2"), ([0, 4], "0..4"), ([-1, 9], "-1..9")]
)
def test_labels_out_of_range_are_refused(labels, got):
    layer = Embedding(4, 3)
    p = layer.init(0)
    for x in (np.array([0, 3]), np.array([3]), np.array([], np.int64)):
        assert np.array_equal(layer.forward(p, x)[0], p["W"][x])
    with pytest.raises(
        ValueError, match=rf"^Embedding\(4, 3\): expected x with labels 0..3, got labels {got}"
    ):
        layer.forward(p, np.array(labels))


LAYERS = [
    Dense(3, 2),
    BatchNorm(3),
    LayerNorm(3),
    MinibatchDiscrimination(3, 2, 2),
    MinibatchStd(),
    VirtualBatchNorm(3),
    ELU(),
    LeakyReLU(0.2),
    Flatten(),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_names_itself_before_it_refuses_what_is_no_array_of_floats(layer):
    p = layer.init(0)
    for x, got in ((np.ones((4, 3), np.int64), "int64"), ([[1.0, 2.0, 3.0]], "list")):
        with pytest.raises(TypeError) as error:
            layer.forward(p, x)
        assert str(error.value).startswith(
            f"{layer!r}: expected x as a float32 or float64 array, got {got}; "
        )


def test_minibatch_discrimination_takes_rows_of_its_size():
    layer = MinibatchDiscrimination(3, 2, 2)
    p = layer.init(0)
    for shape, advice in (((4, 2), ""), ((4, 3, 3), "add Flatten"), ((3,), "")):
        with pytest.raises(ValueError) as error:
            layer.forward(p, np.ones(shape, np.float32))
        assert str(error.value).startswith(f"{layer!r}: expected x (N, 3), got ")
        assert ("add Flatten() before it" in str(error.value)) == bool(advice)


def test_a_subclass_takes_no_words():
    with pytest.raises(TypeError):

        class Worded(ng.Layer, speed=3):
            pass


def test_one_array_can_be_concatenated():
    x = RNG.standard_normal((4, 3))
    assert Concat().output_shape(((5, 3),)) == (5, 3) and Concat().output_shape(((5, 3), (5, 4))) == (5, 7)
    assert np.array_equal(Concat().forward({}, (x,))[0], x)


def test_elu_is_continuous_at_zero():
    x = np.array([-1e-3, -0.0, 0.0, 1e-3, 2.0, -2.0])
    expected = np.where(x > 0, x, 0.5 * np.expm1(x))
    assert np.allclose(ELU(0.5).forward({}, x)[0], expected, rtol=1e-15)


def test_a_network_that_is_one_layer_is_a_network():
    layer = Dense(2, 3)
    p, x = layer.init(0), RNG.standard_normal((4, 2)).astype(np.float32)
    y, cache = layer.forward(p, x)
    dx, dp = layer.backward(y, cache)
    assert np.allclose(dp["b"], y.sum(axis=0), rtol=1e-5) and np.allclose(dx, y @ p["W"].T, rtol=1e-5)
    assert np.allclose(ng.Sequential(layer).forward(ng.Sequential(layer).init(0), x)[0].shape, (4, 3))


# ---- what every layer has


class Doubled(ng.Layer):
    """y = 2 x, with the two passes only."""

    def forward(self, p, x, context=Pass()):
        return 2 * x, None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * dy if need_dx else None, None if frozen else {}


def test_a_layer_that_says_nothing_else():
    layer, x = Doubled(), np.ones((2, 3))
    assert layer.parameter_shapes() == {} and layer.initial_values(RNG) == {} and layer.refreshed({}) == {}
    assert (
        layer.output_shape((3, 4)) == (3, 4)
        and layer.flops((3, 4)) == 12
        and layer.batch_statistics(None) == {}
    )
    assert layer.flops(((3,), (4,))) == 7 and layer.layout.size == 0 and not layer.has_tangents
    dx, dy = layer.backward_keeping(x, None)
    assert np.array_equal(dx, 2 * x) and dy is x
    assert ng.Sequential(Dense(2, 3)).has_tangents and not ng.Sequential(Dense(2, 3), layer).has_tangents
    for call in (lambda: layer.tangent_forward(x, None), lambda: layer.tangent_backward(x, x, None, None)):
        with pytest.raises(TypeError, match="has no tangent passes, so it cannot be used in a second-order"):
            call()


def test_initial_parameters_are_drawn_once_in_float64():
    layer = ng.Sequential(Dense(2, 3), Dense(3, 1))
    single, double = layer.init(4), layer.init(np.random.default_rng(4), np.float64)
    assert single.dtype == np.float32 and np.array_equal(single.vector, double.vector.astype(np.float32))
    assert layer.init() == layer.init(0) and layer.init(1) != layer.init(0)
    for dtype in (np.int64, np.complex64, bool):
        with pytest.raises(TypeError, match="init: expected dtype float32 or float64, got "):
            layer.init(0, dtype)


def test_the_context_of_a_pass():
    plain = Pass()
    assert (plain.seed, plain.measured, plain.path, plain.reference) == (None, None, (), 0)
    given = Pass(3, {"a": {"b": 1}}, ("x",), 5)
    assert given.child("a") == Pass(3, {"b": 1}, ("x", "a"), 5) and given.child("c").measured == {}
    assert plain.child("a") == Pass(None, None, ("a",), 0)
    assert given.rng().random() == stream(3, "x").random() != given.child("a").rng().random()
    with pytest.raises(ValueError, match="Pass.rng: expected a context with a seed, got seed=None; use"):
        plain.rng()
