"""Networks of layers and their parameters: shared layers, parts, conditions, summaries."""

import numpy as np
import pytest

from numgan.layers import (
    AvgPool2d,
    BatchNorm,
    Concat,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Embedding,
    Equalized,
    Flatten,
    Given,
    Layer,
    LeakyReLU,
    MaxPool2d,
    MinibatchDiscrimination,
    Pack,
    Pad,
    Parallel,
    Pass,
    Pick,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Spectral,
    Tanh,
)

rng = np.random.default_rng(11)


def test_a_layer_placed_twice_owns_one_slice_and_its_gradients_add():
    shared = Dense(3, 3)
    net, apart = Sequential(shared, Tanh(), shared), Sequential(Dense(3, 3), Tanh(), Dense(3, 3))
    p, q = net.init(0, np.float64), apart.init(0, np.float64)
    assert p.vector.size == 12 and list(p) == ["0.W", "0.b"] and np.shares_memory(p["0.W"], p["2.W"])
    q.copy_from(p, {"0.W": "0.W", "0.b": "0.b", "2.W": "0.W", "2.b": "0.b"})
    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    gradient = net.backward(dy, net.forward(p, x, Pass())[1])[1]
    parts = apart.backward(dy, apart.forward(q, x, Pass())[1])[1]
    assert np.allclose(gradient["0.W"], parts["0.W"] + parts["2.W"]) and np.allclose(
        gradient["2.b"], parts["0.b"] + parts["2.b"]
    )


def test_a_layer_placed_twice_is_initialised_once():
    drawn = []
    draw = lambda rng, shape, *fans: drawn.append(shape) or rng.standard_normal(shape)
    shared, other = Dense(3, 3, init=draw), Dense(3, 2)
    net = Sequential(shared, Tanh(), Sequential(shared, Tanh()), other)
    p = net.init(0, np.float64)
    assert drawn == [(3, 3)] and p["3.W"].any()
    assert np.array_equal(p["0.W"], np.random.default_rng(0).standard_normal((3, 3)))


def test_parts_of_a_network_take_its_parameters():
    net = Sequential(Dense(3, 4), Tanh(), Dense(4, 2))
    p, x = net.init(0), rng.standard_normal((5, 3)).astype(np.float32)
    h, _ = net[:2].forward(p, x, Pass())
    y, cache = net[2:].forward(p, h, Pass())
    assert np.array_equal(y, net.forward(p, x, Pass())[0]) and net[0] is net.children["0"] and len(net) == 3
    dh, dp = net[2:].backward(np.ones_like(y), cache)
    assert dh.shape == h.shape and set(dp) == {"2.W", "2.b"}


def test_parameters_are_views_with_masks_and_copies():
    net = Sequential(Dense(3, 2), BatchNorm(2))
    p = net.init(0, np.float64)
    p["0.W"][...] = 7
    assert (
        (p.vector[:6] == 7).all()
        and p.child("0")["W"] is not None
        and np.shares_memory(p.child("0")["W"], p.vector)
    )
    assert p.mask("*.W").sum() == 6 and p.mask("1.*").sum() == 4 and p.dtype == np.float64 and len(p) == 4
    assert (
        np.array_equal((p + p).vector, 2 * p.vector)
        and not p.zeros().vector.any()
        and p.astype(np.float32).vector.dtype == np.float32
    )
    with pytest.raises(ValueError, match="no parameter matches"):
        p.mask("*.kernel")
    with pytest.raises(KeyError, match="there are 0.W, 0.b"):
        p["weight"]
    with pytest.raises(ValueError, match="shape"):
        p.copy_from(Sequential(Dense(2, 2)).init(0), {"0.W": "0.W"})
    with pytest.raises(ValueError, match="sub-network"):
        _ = p.child("0").vector
    with pytest.raises(ValueError, match="expected vector"):
        p.like(np.zeros(3))


def test_copy_from_takes_the_common_paths():
    one, two = Sequential(Dense(2, 3), Tanh(), Dense(3, 1)), Sequential(Dense(2, 3), Tanh())
    p, q = one.init(0), two.init(1)
    before = p.copy()
    p.copy_from(q)
    assert np.array_equal(p["0.W"], q["0.W"]) and np.array_equal(p["2.W"], before["2.W"])
    assert not np.array_equal(p["0.W"], before["0.W"])


def test_condition_hands_the_code_on_and_its_gradients_add():
    net = Sequential(Condition(Dense(5, 4)), Condition(Dense(6, 3)), Pick(0))
    p, h, c = net.init(0, np.float64), rng.standard_normal((2, 3)), rng.standard_normal((2, 2))
    y, cache = net.forward(p, (h, c), Pass())
    inner = np.concatenate([h, c], 1) @ p["0.layer.W"] + p["0.layer.b"]
    assert np.allclose(y, np.concatenate([inner, c], 1) @ p["1.layer.W"] + p["1.layer.b"])
    (dh, dc), _ = net.backward(np.ones_like(y), cache)
    both = p["1.layer.W"] @ np.ones(3)
    assert np.allclose(dc, both[4:] + p["0.layer.W"][3:] @ both[:4]) and np.allclose(
        dh, p["0.layer.W"][:3] @ both[:4]
    )


def test_the_tangent_of_a_condition_goes_on_when_nothing_else_moves():
    layer = Condition(Dense(5, 4))
    p, (h, c, dy, dc, tdc) = layer.init(0, np.float64), (rng.standard_normal((2, n)) for n in (3, 2, 4, 2, 2))
    _, cache = layer.forward(p, (h, c), Pass())
    _, tcache = layer.tangent_forward(None, cache)
    (dh, _), _ = layer.backward((dy, dc), cache)
    (tdh, moved), _ = layer.tangent_backward((dy, dc), (None, tdc), cache, tcache)
    assert tdh is None and np.array_equal(moved, tdc) and np.allclose(dh, dy @ p["layer.W"][:3].T)


def test_repr_and_summary():
    net = Sequential(Conv2d(1, 4, kernel=3, padding=1, bias=False), LeakyReLU(), Flatten(), Dense(64, 1))
    assert "(0): Conv2d(1, 4, kernel=3, padding=1, bias=False)" in repr(net) and "(3): Dense(64, 1)" in repr(
        net
    )
    table = net.summary((4, 4, 1))
    assert table.parameters == 36 + 65 and table.flops == 16 * 4 * 18 + 64 + 64 * 2 + 1
    assert "4 x 4 x 4" in str(table) and "101 parameters" in str(table)


@pytest.mark.parametrize(
    "layer, shape, flops",
    [
        (Dense(4, 3), (4,), 3 * (2 * 4 + 1)),
        (Dense(4, 3), (5, 4), 5 * 27),
        (Dense(4, 3, bias=False), (4,), 24),
        (Conv2d(2, 3, (2, 3)), (5, 4, 2), 4 * 2 * 3 * (2 * 6 * 2 + 1)),
        (ConvTranspose2d(2, 3, (2, 3)), (3, 4, 2), 3 * 4 * 2 * (2 * 6 * 3) + 4 * 6 * 3),
        (BatchNorm(3), (2, 5, 3), 8 * 30),
        (MaxPool2d((2, 3)), (4, 6, 5), 2 * 2 * 5 * 6),
        (AvgPool2d((2, 3)), (4, 6, 5), 2 * 2 * 5 * 6),
        (ReLU(), (3, 4), 12),
        (MinibatchDiscrimination(4, 3, 2), (4,), 2 * 4 * 6),
        (Residual(Dense(3, 3)), (3,), 21 + 3),
        (Residual(Dense(2, 2)), (5, 2), 50 + 10),
        (Sequential(Dense(4, 3), ReLU(), Dense(3, 2)), (4,), 27 + 3 + 14),
        (Parallel(Dense(3, 2), Dense(4, 1)), ((3,), (4,)), 14 + 9),
        (Equalized(Dense(4, 3)), (4,), 27),
        (Spectral(Dense(4, 3)), (4,), 27),
        (Given(Parallel(Dense(3, 1), Embedding(2, 1)), np.zeros(3, int)), (3,), 7),
        (Flatten(), (2, 3), 0),
        (Reshape(3, 2), (6,), 0),
        (Pad(1), (2, 3, 1), 0),
        (Pack(2), (3,), 0),
        (Pick(0), ((2,), (3,)), 0),
        (Concat(), ((2,), (3,)), 0),
        (Embedding(3, 4), (), 0),
    ],
    ids=lambda value: None if isinstance(value, Layer) else str(value),
)
def test_floating_point_operations_are_counted(layer, shape, flops):
    """Of one sample; a multiplication and an addition are two."""
    assert layer.flops(shape) == flops


def test_a_tuple_of_outputs_counts_every_array():
    class Three(Layer):
        def output_shape(self, shape):
            return (2,), ((3,), (4, 5))

    assert Three().flops((7,)) == 2 + 3 + 20
