"""Parameters and gradients: sums, types, missing entries, and every refusal word for word."""

import pickle

import numpy as np
import pytest

from numgan.core.parameters import Layout, Parameters, gather, whole_gradient
from numgan.layers import BatchNorm, Dense, Parallel, Residual, Sequential, Spectral, Tanh

NET = Sequential(Dense(2, 3), Tanh(), Dense(3, 1))


def said(kind, call, *arguments):
    """The message of the error that the call raises."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    return caught.value.args[0]


def gradient(dtype=np.float64):
    p = NET.init(0, dtype)
    y, cache = NET.forward(p, np.linspace(-1, 1, 8, dtype=dtype).reshape(4, 2))
    return NET.backward(y + 1, cache)[1]


def test_every_refusal_is_said_word_for_word():
    p = NET.init(0)
    assert (
        said(ValueError, Parameters, np.zeros(3), p.layout) == "Parameters: expected vector (13,), got (3,)"
    )
    assert said(ValueError, p.like, np.zeros((13, 1))) == "Parameters: expected vector (13,), got (13, 1)"
    assert said(KeyError, lambda: p["0.gain"]) == "no parameter '0.gain'; there are 0.W, 0.b, 2.W, 2.b"
    assert said(KeyError, lambda: Sequential().init(0)["W"]) == "no parameter 'W'; there are none"
    assert said(ValueError, p.child, "7") == (
        "Parameters.child: expected one of the parts 0, 1, 2, got '7'; "
        "parameters for a pass of a network must come from this network's own init"
    )
    assert "expected one of the parts none, got '0'" in said(ValueError, Dense(1, 1).init(0).child, "0")
    assert said(ValueError, lambda: p.child("0").vector) == (
        "Parameters.vector: expected the parameters of a whole network, got a sub-network's views; "
        "take .vector of the whole network's parameters"
    )
    assert said(ValueError, p.mask, "*.V") == "mask: no parameter matches '*.V'; there are 0.W, 0.b, 2.W, 2.b"
    assert (
        said(ValueError, Sequential().init(0).mask, "*") == "mask: no parameter matches '*'; there are none"
    )
    wide = Sequential(Dense(2, 4)).init(0)
    assert said(ValueError, p.copy_from, wide) == (
        "copy_from: 0.W has shape (2, 3), the source's 0.W has (2, 4); choose entries of one shape"
    )
    assert said(ValueError, p.copy_from, p, {"2.b": "0.b"}) == (
        "copy_from: 2.b has shape (1,), the source's 0.b has (3,); choose entries of one shape"
    )


def test_names_masks_and_copies():
    p, q = NET.init(0), NET.init(1)
    assert list(p) == ["0.W", "0.b", "2.W", "2.b"] and len(p) == 4 and list(p.child("2")) == ["W", "b"]
    assert p.mask("*.W").tolist() == [True] * 6 + [False] * 3 + [True] * 3 + [False]
    assert p.mask("2.b").tolist() == [False] * 12 + [True] and p.mask("*").all()
    before = p.copy()
    assert p.copy_from(q, {"2.W": "2.W"}) is p and np.array_equal(p["2.W"], q["2.W"])
    assert np.array_equal(p["0.W"], before["0.W"]) and not np.array_equal(p["0.W"], q["0.W"])
    assert p != before and p.copy() == p and p != p.vector and p != Sequential(Dense(2, 3)).init(0)
    with pytest.raises(TypeError, match="unhashable"):
        hash(p)
    assert repr(p).startswith("Parameters(13 entries, float32:\n  0.W              2x3\n  0.b ")
    assert repr(Sequential().init(0)) == "Parameters(0 entries, float32)"
    zeros = p.zeros()
    assert not zeros.vector.any() and zeros.dtype == np.float32 and zeros.layout is p.layout
    assert p.astype(np.float64).dtype == np.float64 and not np.shares_memory(p.copy().vector, p.vector)


def test_equal_layouts_have_equal_places():
    one, two, other = (Layout.of(net) for net in (NET, Sequential(*NET.children.values()), Sequential(NET)))
    assert one == two != other and one != "layout"
    assert one.slots == {"0.W": (0, (2, 3)), "0.b": (6, (3,)), "2.W": (9, (3, 1)), "2.b": (12, (1,))}
    assert one.size == one.children["0"].size == 13 and one.held == ()
    assert one.children["0"].slots == Layout.of(Dense(2, 3)).slots and one.children["0"] != Layout.of(
        Dense(2, 3)
    )
    assert Layout.of(Dense(2, 4)) != Layout.of(Dense(3, 3)) and Layout.of(Dense(3, 3)).size == 12
    zeros = [Parameters(np.zeros(12), Layout.of(net)) for net in (Dense(2, 4), Dense(3, 3), Dense(3, 3))]
    assert zeros[0] != zeros[1] == zeros[2]
    spectral = Layout.of(Sequential(Dense(2, 3), Spectral(Dense(3, 2))))
    assert spectral.held == ("1.u", "1.v") and spectral.children["1"].held == ("u", "v")
    shared = Dense(2, 2)
    twice = Layout.of(Sequential(shared, Spectral(Dense(2, 2)), shared))
    assert twice.names == ("0.W", "0.b", "1.W", "1.b", "1.u", "1.v") and twice.size == 6 + 10
    assert twice.slots["2.b"] == twice.slots["0.b"] == (4, (2,))


def test_gradients_are_added_in_the_wider_type():
    narrow, wide = gradient(np.float32), gradient(np.float64)
    assert narrow.dtype == np.float32 and wide.dtype == np.float64
    for one, two in ((narrow, wide), (wide, narrow)):
        total = one + two
        assert total.dtype == np.float64 and np.allclose(total.vector, 2 * wide.vector, rtol=1e-5)
    assert (narrow + narrow).dtype == np.float32
    plain = wide.like(wide.vector.copy())
    for total in (plain + wide, wide + plain, plain + plain, wide + wide):
        assert np.array_equal(total.vector, 2 * wide.vector) and total.layout == wide.layout
    assert (plain + narrow).dtype == (narrow + plain).dtype == np.float64


def test_a_gradient_is_the_same_before_and_after_its_vector_is_made():
    one, two = gradient(), gradient()
    assert np.array_equal(one.part("0.W"), two["0.W"]) and np.array_equal(one.part("2.b"), two.part("2.b"))
    assert np.array_equal(one.vector, two.vector) and one.vector is one.vector
    assert np.array_equal(two.part("0.W"), one.part("0.W")) and (one + two) == (two + one)
    back = pickle.loads(pickle.dumps(gradient()))
    assert type(back) is Parameters and back == one and back.dtype == np.float64


def test_a_missing_gradient_is_zero():
    p = NET.init(0, np.float64)
    W = np.ones((2, 3))
    some = gather(p.layout, [("0", {"W": W, "b": None}), ("1", {}), ("2", None)], np.float64)
    assert some.part("0.b") is None and some["0.W"].all() and some.vector.sum() == 6
    assert (some + some)["0.W"].sum() == 12 and (some + some).vector[6:].sum() == 0
    full = gradient()
    assert np.array_equal((some + full)["2.W"], full["2.W"])
    assert np.array_equal((full + some)["0.W"], full["0.W"] + 1)
    layer = Dense(2, 3)
    q = layer.init(0)
    whole = whole_gradient({"W": np.ones((2, 3), np.float32), "b": None}, q)
    assert whole.vector.tolist() == [1] * 6 + [0] * 3 and whole.dtype == np.float32
    assert whole_gradient(whole, q) is whole


def test_the_gradients_of_all_places_of_a_layer_are_added():
    shared = Dense(2, 2)
    for net in (Sequential(shared, shared), Residual(shared, shared), Sequential(Residual(shared), shared)):
        p = net.init(0, np.float64)
        x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
        y, cache = net.forward(p, x)
        dp, h, numeric = net.backward(np.ones_like(y), cache)[1], 1e-6, np.zeros(6)
        for i in range(6):
            step = h * np.eye(6)[i]
            ends = [net.forward(p.like(p.vector + sign * step), x)[0].sum() for sign in (1, -1)]
            numeric[i] = (ends[0] - ends[1]) / (2 * h)
        assert np.allclose(dp.vector, numeric, rtol=1e-6)


def test_networks_in_networks_share_one_vector():
    net = Sequential(Parallel(Dense(2, 3), Sequential(BatchNorm(2), Dense(2, 1))))
    p = net.init(0)
    p["0.1.0.gain"][...] = 7
    inner = p.child("0").child("1")
    assert inner["0.gain"].tolist() == [7, 7] and np.shares_memory(inner["1.W"], p.vector)
    assert inner.dtype == np.float32 and len(inner) == 4 and list(inner) == ["0.gain", "0.bias", "1.W", "1.b"]
