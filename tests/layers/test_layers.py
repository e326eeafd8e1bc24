"""The layers: one list of layers times one list of checks, then values against formulas, shapes against hypothesis, and errors."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import numgan.layers
from numgan import check_layer, networks
from numgan.checking.layer import CHECKS, SECOND_ORDER, SLOW, title
from numgan.checking.layer_cases import LAYERS, NETWORKS
from numgan.checking.points import outcome
from numgan.core.errors import NonFiniteError
from numgan.core.parameters import Parameters
from numgan.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Concat,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Dropout,
    Elementwise,
    Embedding,
    Equalized,
    Flatten,
    Given,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    LinearMap,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Network,
    Noise,
    Pack,
    Pad,
    Parallel,
    Pass,
    Pick,
    PixelNorm,
    PixelShuffle,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
    measure,
    record_kinks,
)

quick = settings(max_examples=25, deadline=None)
rng = np.random.default_rng(11)


# ---------------------------------------------------------------------------------------------------- every layer x every check


@pytest.mark.parametrize("case", LAYERS + NETWORKS, ids=lambda case: case.title)
@pytest.mark.parametrize("check", CHECKS, ids=title)
def test_layer(case, check):
    assert check not in SECOND_ORDER or case.layer.has_tangents
    error, _ = outcome(case.point, check)  # raises GradientError if the check fails
    assert error is None or error <= 1e-6


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.title)
def test_random_projections_agree_too(case):
    assert all(outcome(case.point, check, slow=False)[0] <= 1e-6 for check in SLOW)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in LAYERS
        if isinstance(case.x, tuple)
        and case.x
        and isinstance(case.x[0], int)
        and not any(word in case.title for word in ("BatchNorm", "Given("))
        and not case.context
    ],
    ids=lambda case: case.title,
)
def test_an_empty_batch_passes(case):
    layer, x = case.layer, np.zeros((0, *case.x))
    y, cache = layer.forward(layer.init(0, np.float64), x, Pass(0))
    dx, dp = layer.backward(y, cache)
    assert y.shape == (0, *layer.output_shape(case.x)) and dx.shape == x.shape
    assert all(not np.any(dp[path]) for path in dp)


def _inside(layer):
    return {type(layer)}.union(*map(_inside, layer.children.values()))


def test_every_public_layer_is_in_the_list():
    public = {
        value
        for value in vars(numgan.layers).values()
        if isinstance(value, type) and issubclass(value, Layer)
    }
    public -= {Layer, LinearMap, Elementwise, Network}  # what layers are made from
    assert public - {type(case.layer) for case in LAYERS} == set()


def test_every_shared_network_is_in_the_list():
    titles = " ".join(case.title for case in NETWORKS)
    assert [function for function in networks.__all__ if function not in titles] == []


# ---------------------------------------------------------------------------------------------------- shapes that nobody chose

windows = st.tuples(st.integers(1, 4), st.integers(1, 4))


def _fits(size, kernel, padding):
    return all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding))


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=windows,
    stride=windows,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 3),
)
@quick
def test_convolution_of_any_shape(size, kernel, stride, padding, channels, batch):
    assume(_fits(size, kernel, padding))
    layer = Conv2d(*channels, kernel=kernel, stride=stride, padding=padding)
    assert (
        check_layer(layer, x=(*size, channels[0]), batch=batch, slow=False, tangents=False).max_error <= 1e-6
    )


@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=windows,
    stride=windows,
    data=st.data(),
    seed=st.integers(0, 99),
)
@quick
def test_transposed_convolution_is_the_adjoint(size, kernel, stride, data, seed):
    padding = tuple(data.draw(st.integers(0, (k - 1) // 2)) for k in kernel)
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    up = ConvTranspose2d(3, 2, kernel, stride, padding, extra, bias=False)
    shape = up.output_shape((*size, 3))
    assume(_fits(shape, kernel, padding))
    down = Conv2d(2, 3, kernel, stride, padding, bias=False)
    p = up.init(0, np.float64)
    rng = np.random.default_rng(seed)  # drawn here, so that an example repeats
    a, b = rng.standard_normal((2, *size, 3)), rng.standard_normal((2, *shape))
    ax, atb = (
        up.forward(p, a, Pass())[0],
        down.forward(p, b, Pass())[0],
    )  # one weight: (KH, KW, 2, 3) for both
    assert atb.shape == a.shape
    assert np.isclose((ax * b).sum(), (a * atb).sum(), rtol=1e-12, atol=1e-12)


@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)), kernel=windows, stride=windows, data=st.data())
@quick
def test_pooling_of_any_shape(size, kernel, stride, data):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    assume(_fits(size, kernel, padding))
    for layer in (AvgPool2d(kernel, stride, padding), MaxPool2d(kernel, stride, padding)):
        assert check_layer(layer, x=(*size, 2), batch=2, slow=False).max_error <= 1e-6


@given(size=st.tuples(st.integers(2, 5), st.integers(2, 5)), data=st.data())
@quick
def test_borders_of_any_size(size, data):
    border = tuple(data.draw(st.integers(0, n - 1)) for n in (size[0], size[0], size[1], size[1]))
    assert check_layer(Pad(border, "reflect"), x=(*size, 2), batch=2, slow=False).max_error <= 1e-6
    padded = Pad(border).forward({}, np.random.default_rng(size).standard_normal((2, *size, 3)), Pass())[0]
    assert np.array_equal(
        Pad(border).forward({}, Crop(border).forward({}, padded, Pass())[0], Pass())[0], padded
    )


@given(
    factor=windows,
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    mode=st.sampled_from(["nearest", "bilinear"]),
)
@quick
def test_upsampling_of_any_size(factor, size, mode):
    layer = Upsample(factor, mode)
    assert check_layer(layer, x=(*size, 2), batch=2, slow=False).max_error <= 1e-6
    constant = np.full((1, *size, 1), 3.7)
    assert np.allclose(layer.forward({}, constant, Pass())[0], 3.7)  # weights of every output sum to one


# ---------------------------------------------------------------------------------------------------- values


def _run(layer, x, p=None, run=None):
    return layer.forward(layer.init(0, np.float64) if p is None else p, x, run or Pass())[0]


def test_dense_and_convolution_by_loops():
    x, layer = rng.standard_normal((2, 5, 4, 3)), Conv2d(3, 2, kernel=(3, 2), stride=(2, 1), padding=(1, 0))
    p = layer.init(1, np.float64)
    p["b"][...] = [0.5, -1]
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    expected = np.zeros((2, 3, 3, 2))
    for n, h, w, o in np.ndindex(expected.shape):
        expected[n, h, w, o] = (padded[n, 2 * h : 2 * h + 3, w : w + 2] * p["W"][..., o]).sum() + p["b"][o]
    assert np.allclose(_run(layer, x, p), expected, rtol=1e-13)
    dense = Dense(3, 2)
    q = dense.init(2, np.float64)
    assert np.allclose(_run(dense, x, q), np.einsum("nhwi,io->nhwo", x, q["W"]) + q["b"], rtol=1e-13)


@pytest.mark.parametrize(
    "kernel, stride, padding, extra, size",
    [(5, 2, 2, 1, 8), (4, 2, 1, 0, 8), (3, 3, 0, 2, 14), (2, 3, 0, 0, 11)],
)
def test_transposed_convolution_sizes(kernel, stride, padding, extra, size):
    layer = ConvTranspose2d(3, 2, kernel, stride, padding, extra)
    assert layer.output_shape((4, 4, 3)) == (size, size, 2) == _run(layer, np.ones((1, 4, 4, 3))).shape[1:]


def test_transposed_convolution_stamps_its_kernel_unflipped():
    layer = ConvTranspose2d(1, 1, kernel=(2, 3), bias=False)
    p = layer.init(0, np.float64)
    p["W"][...] = np.arange(6.0).reshape(2, 3, 1, 1)
    x = np.zeros((1, 2, 2, 1))
    x[0, 1, 1] = 1
    assert np.array_equal(_run(layer, x, p)[0, :, :, 0], [[0, 0, 0, 0], [0, 0, 1, 2], [0, 3, 4, 5]])


def test_batchnorm_formula_and_epsilon():
    x = 1e-2 * rng.standard_normal((7, 3))  # variance near eps: a wrong eps shows at once
    y = _run(BatchNorm(3), x, Parameters(np.array([2.0, 2, 2, 1, 1, 1]), BatchNorm(3).layout))
    assert np.allclose(y, 2 * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + 1, rtol=1e-12)


def test_other_normalisations_by_formula():
    x = rng.standard_normal((2, 3, 5, 4))
    normed = lambda axes: (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    one = lambda layer: Parameters(np.repeat([1.0, 0.0], 4), layer.layout)
    assert np.allclose(_run(InstanceNorm(4), x, one(InstanceNorm(4))), normed((1, 2)))
    assert np.allclose(_run(LayerNorm(4), x, one(LayerNorm(4))), normed((1, 2, 3)))
    assert np.allclose(_run(PixelNorm(), x), x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8))


def test_bilinear_upsampling_by_hand():
    x = np.array([1.0, 3.0, 2.0]).reshape(1, 1, 3, 1)
    y = _run(Upsample((1, 2), "bilinear"), x).ravel()
    assert np.allclose(y, [1, 1.5, 2.5, 2.75, 2.25, 2])


def test_nearest_upsampling_and_pixel_shuffle_by_hand():
    x = np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1)
    assert np.array_equal(_run(Upsample((2, 3)), x)[0, :, :, 0], [[1, 1, 1, 2, 2, 2]] * 2)
    x = np.arange(8.0).reshape(1, 1, 1, 8)  # channel c f f + i f + j goes to row i, column j of channel c
    y = _run(PixelShuffle(2), x)
    assert np.array_equal(y[0, :, :, 0], [[0, 1], [2, 3]]) and np.array_equal(y[0, :, :, 1], [[4, 5], [6, 7]])


def test_pooling_and_borders_by_hand():
    x = np.array([[1.0, 5, 2], [3, -1, 0], [4, 2, 8]]).reshape(1, 3, 3, 1)
    assert np.array_equal(_run(MaxPool2d(2, stride=1), x)[0, :, :, 0], [[5, 5], [4, 8]])
    assert np.array_equal(_run(AvgPool2d(2, stride=1), x)[0, :, :, 0], [[2, 1.5], [2, 2.25]])
    assert np.array_equal(
        _run(MaxPool2d(2, padding=1), -x - 6)[0, :, :, 0], [[-7, -8], [-9, -5]]
    )  # padding never wins
    assert np.array_equal(_run(Pad((0, 1, 2, 0), "reflect"), x)[0, -1, :, 0], [0, -1, 3, -1, 0])
    assert np.array_equal(_run(Crop((1, 0, 0, 2)), x)[0, :, :, 0], [[3], [4]])


def test_activations_by_formula():
    x = np.array([-700.0, -2, -0.5, 0.5, 2, 700])
    assert np.array_equal(_run(ReLU(), x), [0, 0, 0, 0.5, 2, 700])
    assert np.allclose(_run(LeakyReLU(0.2), x), [-140, -0.4, -0.1, 0.5, 2, 700])
    assert np.allclose(_run(ELU(2.0), x), [-2, 2 * np.expm1(-2), 2 * np.expm1(-0.5), 0.5, 2, 700])
    assert np.allclose(
        _run(Sigmoid(), x),
        [0, 1 / (1 + np.e**2), 1 / (1 + np.e**0.5), 1 / (1 + np.e**-0.5), 1 / (1 + np.e**-2), 1],
    )
    assert np.allclose(
        _run(Softplus(), x),
        [0, np.log1p(np.e**-2), np.log1p(np.e**-0.5), np.log1p(np.e**0.5), np.log1p(np.e**2), 700],
    )
    assert np.allclose(
        _run(Softplus(2.0, 1.0), x),
        [
            -1,
            np.log1p(np.e**-2) / 2 - 1,
            np.log1p(np.e) / 2 - 1,
            np.log1p(np.e**3) / 2 - 1,
            np.log1p(np.e**6) / 2 - 1,
            700,
        ],
    )
    with pytest.raises(ValueError, match="Softplus: expected a finite sharpness > 0"):
        Softplus(sharpness=0)
    assert np.array_equal(_run(Maxout(3), np.array([[1.0, 5, 2, -3, -1, -2]])), [[5, -1]])


@pytest.mark.parametrize(
    "kind",
    [
        LeakyReLU,
        ELU,
        Softplus,
        lambda n: Softplus(1.0, n),
        lambda n: PixelNorm(eps=n),
        lambda n: LayerNorm(3, eps=n),
    ],
)
def test_numpy_numbers_make_no_float64(kind):
    x, layer = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), kind(np.float64(0.5))
    p = layer.init(0)
    y, cache = layer.forward(p, x, Pass())
    assert y.dtype == layer.backward(y, cache)[0].dtype == np.float32 and repr(layer) == repr(kind(0.5))


def test_dropout_keeps_the_mean_and_follows_the_seed():
    x = np.ones((400, 50))
    y = _run(Dropout(0.3), x, run=Pass(seed=4))
    assert set(np.unique(y)) == {0.0, 1 / 0.7} and abs(y.mean() - 1) < 0.03
    assert np.array_equal(y, _run(Dropout(0.3), x, run=Pass(seed=4))) and not np.array_equal(
        y, _run(Dropout(0.3), x, run=Pass(seed=5))
    )
    assert np.array_equal(_run(Dropout(0.3), x), x)
    twice = Sequential(
        *[Dropout(0.5)] * 2
    )  # one object placed twice draws two masks: a quarter survives, not a half
    assert abs((_run(twice, x, run=Pass(seed=4)) > 0).mean() - 0.25) < 0.02


def test_embedding_is_a_one_hot_dense():
    labels, layer = np.array([3, 0, 3]), Embedding(4, 2)
    p = layer.init(0, np.float64)
    y, cache = layer.forward(p, labels, Pass())
    assert np.array_equal(y, np.eye(4)[labels] @ p["W"])
    dy = rng.standard_normal(y.shape)
    dx, dp = layer.backward(dy, cache)
    assert dx is None and np.allclose(dp["W"], np.eye(4)[labels].T @ dy)
    for shape in ((), (5,), (5, 6)):  # a label, or a row or a grid of labels, for each sample
        y, _ = layer.forward(p, np.ones((3, *shape), int), Pass())
        assert y.shape[1:] == layer.output_shape(shape) == (*shape, 2)


# ---------------------------------------------------------------------------------------------------- networks and parameters


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


def test_both_dtypes_start_at_one_point():
    net = Sequential(Dense(3, 5), ReLU(), Dense(5, 2))
    assert np.array_equal(net.init(3, np.float64).vector.astype(np.float32), net.init(3).vector)


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


def test_measured_statistics_pool_batches_and_free_a_sample_of_its_neighbours():
    net = Sequential(Dense(3, 4), BatchNorm(4), Tanh())
    p, x = net.init(0, np.float64), np.random.default_rng(5).standard_normal((6, 5, 3)) * 3 + 1
    found = measure(net, p, list(x))
    h = _run(net[0], x.reshape(30, 3), p.child("0"))
    assert np.allclose(found["1"]["mean"], h.mean(0)) and np.allclose(found["1"]["variance"], h.var(0))
    run = Pass(measured=found)
    assert np.allclose(_run(net, x[0], p, run)[:1], _run(net, x[0, :1], p, run))
    assert not np.allclose(_run(net, x[0], p)[:1], _run(net, x[0, :2], p)[:1])
    assert measure(Sequential(Dense(3, 4)), Dense(3, 4).init(0), []) == {}


# ---------------------------------------------------------------------------------------------------- repr, summary, errors


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


@pytest.mark.parametrize(
    "layer, fits, y, wrong",
    [
        (Concat(), ((2, 3), (2, 4)), (2, 7), ((2, 3), (5, 3))),
        (Concat(), ((3,), (4,), (1,)), (8,), ((3,), (3, 4))),
        (Parallel(Dense(3, 2), ReLU()), ((3,), (4,)), ((2,), (4,)), ((3,),)),
        (Skip(Dense(3, 4)), (5, 3), (5, 7), (5, 2)),
        (Skip(AvgPool2d(1)), (4, 4, 2), (4, 4, 4), (4, 4)),
        (Residual(Dense(3, 3)), (5, 3), (5, 3), (5, 2)),
    ],
)
def test_shapes_of_networks_are_told_before_they_run(layer, fits, y, wrong):
    assert layer.output_shape(fits) == y
    with pytest.raises(ValueError, match="expected x "):
        layer.output_shape(wrong)


@pytest.mark.parametrize("net", [Skip(MaxPool2d(2)), Residual(MaxPool2d(2))], ids=repr)
def test_a_body_of_another_size_is_refused(net):
    with pytest.raises(
        ValueError,
        match="expected x that (the body keeps all sizes but the last|body and shortcut map to one shape)",
    ):
        net.output_shape((4, 4, 1))


def test_a_shape_is_given_as_numbers_or_as_one_tuple():
    assert repr(Reshape((2, 3))) == repr(Reshape([2, 3])) == repr(
        Reshape(2, 3)
    ) == "Reshape(2, 3)" and Reshape((4,)).output_shape((2, 2)) == (4,)


def test_a_tuple_of_outputs_counts_every_array():
    class Three(Layer):
        def output_shape(self, shape):
            return (2,), ((3,), (4, 5))

    assert Three().flops((7,)) == 2 + 3 + 20


def test_a_layer_has_tangents_if_it_and_all_within_have_both_passes():
    class Half(Layer):
        def tangent_forward(self, tx, cache, tp=None):
            return tx, None

    class OtherHalf(Layer):
        def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
            return dy, tdy, {}

    class Both(Half, OtherHalf):
        pass

    assert Both().has_tangents and Dense(2, 3).has_tangents and Sequential(Dense(2, 3), Both()).has_tangents
    for lame in (
        Half(),
        OtherHalf(),
        Layer(),
        Sequential(Both(), Half()),
        Sequential(Both(), Sequential(OtherHalf())),
    ):
        assert not lame.has_tangents


def _pieces(layer, x):
    p = layer.init(0, np.float64)
    for name in p:
        p[name][...] = 1.0
    with record_kinks() as pieces:
        layer.forward(p, np.asarray(x, np.float64), Pass())
    return pieces


@pytest.mark.parametrize(
    "layer, x, same, other",
    [
        (ReLU(), [[-1, 2]], [[-3, 0.1]], [[1, 2]]),
        (LeakyReLU(), [[-1, 2]], [[-3, 0.1]], [[-1, -2]]),
        (Maxout(2), [[1, 2]], [[0, 9]], [[2, 1]]),
        (
            MaxPool2d(2),
            np.arange(4).reshape(1, 2, 2, 1),
            np.array([0, 0, 0, 5]).reshape(1, 2, 2, 1),
            np.arange(4)[::-1].reshape(1, 2, 2, 1),
        ),
        (Sequential(Dense(1, 2, bias=False), ReLU()), [[-1]], [[-3]], [[1]]),
        (Sequential(Dense(1, 2), LeakyReLU()), [[1]], [[3]], [[-9]]),
        (Sequential(Conv2d(1, 1, 1), ReLU()), [[[[1]]]], [[[[3]]]], [[[[-9]]]]),
        (Sequential(Dense(1, 2), Sequential(ReLU())), [[1]], [[3]], [[-9]]),
        (Residual(Sequential(Dense(1, 1), ReLU())), [[1]], [[3]], [[-9]]),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, Layer) else "",
)
def test_layers_tell_on_which_piece_their_units_are(layer, x, same, other):
    """So the checks of gradients can go around a kink."""
    assert len(_pieces(layer, x)) == 1 and _pieces(layer, x) == _pieces(layer, same) != _pieces(layer, other)


# layer, {a shape of x that it takes: that of y}, shapes that it refuses, shapes per sample that output_shape refuses
TAKES = [
    (
        Dense(4, 3),
        {(2, 4): (2, 3), (2, 5, 4): (2, 5, 3), (1, 4): (1, 3), (0, 4): (0, 3)},
        [(4,), (2, 3), (2, 4, 1)],
        [(3,), (4, 1), ()],
    ),
    (
        Conv2d(2, 3, (2, 3)),
        {(1, 2, 3, 2): (1, 1, 1, 3), (2, 5, 4, 2): (2, 4, 2, 3)},
        [(2, 5, 2), (2, 5, 4, 3), (1, 1, 5, 5, 2)],
        [(5, 4, 3), (5, 2), (1, 3, 2), (2, 2, 2), (1, 5, 5, 2)],
    ),
    (
        ConvTranspose2d(2, 3, (2, 3), padding=1),
        {(1, 2, 1, 2): (1, 1, 1, 3)},
        [(2, 5, 2), (2, 5, 4, 3)],
        [(5, 4, 3), (5, 2), (1, 1, 2), (1, 5, 5, 2)],
    ),
    (
        BatchNorm(3),
        {(2, 3): (2, 3), (1, 2, 1, 3): (1, 2, 1, 3)},
        [(3,), (2, 4), (1, 3), (1, 1, 1, 3), (3, 2)],
        [(4,), (2, 2, 1)],
    ),
    (
        InstanceNorm(3),
        {(1, 1, 2, 3): (1, 1, 2, 3), (1, 2, 1, 3): (1, 2, 1, 3)},
        [(1, 1, 1, 3), (2, 3), (2, 5, 3), (1, 2, 2, 2)],
        [(2, 2, 4)],
    ),
    (LayerNorm(3), {(1, 3): (1, 3), (1, 2, 3): (1, 2, 3)}, [(3,), (1, 4), (3, 2)], [(4,)]),
    (PixelNorm(), {(1, 3): (1, 3), (2, 2, 2, 3): (2, 2, 2, 3)}, [(3,)], []),
    (
        MaxPool2d((2, 3)),
        {(1, 2, 3, 5): (1, 1, 1, 5)},
        [(2, 3, 5), (1, 1, 2, 3, 5)],
        [(2, 3), (1, 3, 5), (2, 2, 5), (1, 2, 3, 5)],
    ),
    (
        AvgPool2d((2, 3)),
        {(1, 2, 3, 5): (1, 1, 1, 5)},
        [(2, 3, 5), (1, 1, 2, 3, 5)],
        [(2, 3), (1, 3, 5), (2, 2, 5), (1, 2, 3, 5)],
    ),
    (Upsample((2, 3)), {(1, 2, 3, 5): (1, 4, 9, 5)}, [(2, 3, 5), (1, 1, 2, 3, 5)], [(2, 3), (1, 2, 3, 5)]),
    (
        PixelShuffle(3),
        {(1, 2, 4, 9): (1, 6, 12, 1), (1, 1, 1, 18): (1, 3, 3, 2)},
        [(2, 4, 9), (1, 9, 9, 3), (1, 9, 9, 6), (1, 1, 2, 4, 9)],
        [(4, 9), (9, 9, 3), (1, 2, 4, 9)],
    ),
    (Pad((1, 2, 0, 3)), {(2, 1, 1, 2): (2, 4, 4, 2)}, [(1, 1, 2), (1, 1, 1, 1, 2)], [(1, 1), (1, 1, 1, 2)]),
    (
        Pad((1, 2, 0, 3), "reflect"),
        {(1, 3, 4, 2): (1, 6, 7, 2)},
        [(1, 2, 4, 2), (1, 3, 3, 2), (3, 4, 2)],
        [(2, 4, 2), (3, 3, 2)],
    ),
    (
        Pad((2, 1, 3, 0), "reflect"),
        {(1, 3, 4, 2): (1, 6, 7, 2)},
        [(1, 2, 4, 2), (1, 3, 3, 2), (3, 4, 2)],
        [(2, 4, 2), (3, 3, 2)],
    ),
    (
        Crop((1, 2, 0, 3)),
        {(1, 4, 4, 2): (1, 1, 1, 2)},
        [(1, 3, 4, 2), (1, 4, 3, 2), (4, 4, 2)],
        [(3, 4, 2), (4, 3, 2), (4, 4)],
    ),
    (Maxout(3), {(1, 6): (1, 2), (2, 2, 3): (2, 2, 1), (0, 3): (0, 1)}, [(1, 4), (3, 2)], [(4,), (3, 2), ()]),
    (MinibatchStd(2), {(4, 3): (4, 4), (2, 1, 1, 3): (2, 1, 1, 4)}, [(3, 3), (4,), (3, 2)], []),
    (MinibatchStd(), {(3, 3): (3, 4), (1, 2): (1, 3)}, [(4,)], []),
    (MinibatchDiscrimination(4, 3, 2), {(1, 4): (1, 7)}, [(4,), (2, 3), (2, 1, 4)], [(3,), (1, 4)]),
    (Pack(3), {(3, 2): (1, 6), (6, 2, 2, 1): (2, 2, 2, 3), (0, 2): (0, 6)}, [(4, 2), (2, 3), (3,)], []),
    (Reshape(2, 3), {(1, 6): (1, 2, 3), (2, 3, 2): (2, 2, 3)}, [(1, 5), (2, 4), (1, 12)], [(5,), (12,)]),
    (Reshape(-1, 3), {(1, 6): (1, 2, 3), (1, 3): (1, 1, 3)}, [(1, 5), (1, 4)], [(5,), (4,)]),
    (Flatten(), {(2, 3, 4): (2, 12), (2, 3): (2, 3), (0, 2, 2): (0, 4)}, [], []),
]


@pytest.mark.parametrize(
    "layer, takes, refuses, refused_samples",
    TAKES,
    ids=lambda value: repr(value) if isinstance(value, Layer) else "",
)
def test_what_a_layer_takes_and_what_it_refuses_by_its_name(layer, takes, refuses, refused_samples):
    p = layer.init(0, np.float64)
    for x, y in takes.items():
        assert layer.forward(p, np.ones(x), Pass())[0].shape == y and layer.output_shape(x[1:]) == y[1:]
    for x in refuses:
        with pytest.raises(ValueError, match=f"^{re.escape(repr(layer))}: expected x .*, got"):
            layer.forward(p, np.ones(x), Pass())
            pytest.fail(f"{x} was taken")
    for sample in refused_samples:
        with pytest.raises(ValueError, match=f"^{re.escape(repr(layer))}: expected x .*, got"):
            layer.output_shape(sample)
            pytest.fail(f"{sample} was taken")


@pytest.mark.parametrize(
    "layer, x, words",
    [
        (Dense(64, 10), np.zeros((32, 8, 8, 1)), "Flatten"),
        (Dense(4, 3), np.zeros((2, 5)), r"Dense\(4, 3\): expected x \(N, 4\), got \(2, 5\)$"),
        (Conv2d(3, 5, kernel=3), np.zeros((2, 3, 8, 8)), r"\(N, H, W, 3\)"),
        (BatchNorm(3), np.zeros((1, 3)), "larger batch, or measured statistics"),
        (Embedding(10, 2), np.array([10]), r"0..9"),
        (Embedding(10, 2), np.array([0.5]), "integer"),
        (MaxPool2d(2), np.zeros((2, 4)), "H, W, C"),
        (Maxout(5), np.zeros((2, 7)), "multiple of 5"),
        (PixelShuffle(2), np.zeros((1, 2, 2, 6)), "multiple of 4"),
        (Pad(3, "reflect"), np.zeros((1, 3, 5, 1)), "reflected border"),
        (Crop(2), np.zeros((1, 4, 5, 1)), "larger than the border"),
        (Concat(), (np.zeros((2, 3)), np.zeros((3, 3))), "last axis only"),
        (Reshape(5, 2), np.zeros((2, 9)), "10"),
        (Residual(Dense(3, 4)), np.zeros((2, 3)), "one shape"),
        (Dense(64, 10), np.zeros((32, 8, 8)), r"got \(32, 8, 8\); add Flatten"),
        (
            Pack(2),
            np.zeros((3, 2)),
            "of 2 N samples, got .3, 2.; choose a batch size that is a multiple of it",
        ),
        (Concat(), np.zeros((2, 3)), "last axis only"),
        (Pick(1), (np.zeros((2, 3)),), "a tuple of more than 1 arrays"),
        (Parallel(ReLU(), ReLU()), (np.zeros((2, 3)),), "tuple of 2 arrays"),
        (Condition(Dense(5, 4)), (np.zeros((2, 3)), np.zeros((3, 2))), "a tuple h"),
        (Condition(Dense(5, 4)), (np.zeros((2, 3)), np.zeros(2)), "a tuple h"),
        (
            Given(Parallel(Dense(3, 1), Embedding(2, 1)), np.zeros(3, int)),
            np.zeros((2, 3)),
            "of 3 samples, one for each label",
        ),
        (Skip(AvgPool2d(2)), np.zeros((1, 4, 4, 1)), "that the body keeps all sizes but the last"),
        (Parallel(ReLU(), ReLU()), np.zeros((2, 3)), "tuple of 2 arrays"),
    ],
)
def test_a_wrong_input_is_named(layer, x, words):
    with pytest.raises(ValueError, match=words):
        layer.forward(layer.init(0, np.float64), x, Pass())


@pytest.mark.parametrize(
    "net, other, x, words",
    [
        (
            Sequential(Dense(3, 4)),
            Sequential(Dense(3, 5)),
            (4, 3),
            r"Dense\(3, 4\): expected W \(3, 4\), got \(3, 5\); these parameters",
        ),
        (
            Conv2d(1, 2, 3),
            Conv2d(1, 4, 3),
            (2, 5, 5, 1),
            "these parameters belong to another network; use the parameters that this network's init returned",
        ),
        (
            Sequential(ReLU(), Dense(3, 4)),
            Sequential(Dense(3, 4)),
            (4, 3),
            "expected one of the parts 0, got '1'; parameters .* this network's own init",
        ),
        (Sequential(Dense(3, 4)), Dense(3, 4), (4, 3), "expected one of the parts none, got '0'"),
    ],
)
def test_parameters_of_another_network_are_refused(net, other, x, words):
    with pytest.raises(ValueError, match=words):
        net.forward(other.init(0, np.float64), np.zeros(x), Pass())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2d(1, 1, kernel=0),
        lambda: Conv2d(1, 1, kernel=(1, 2, 3)),
        lambda: ConvTranspose2d(1, 1, kernel=3, stride=2, output_padding=2),
        lambda: Dropout(1.0),
        lambda: MaxPool2d(2, padding=2),
        lambda: Upsample(2, "cubic"),
        lambda: Pad((1, 2)),
        lambda: Reshape(-1, -1),
        lambda: Maxout(0),
        lambda: BatchNorm(3, eps=np.nan),
        lambda: LayerNorm(3, eps=-1),
        lambda: PixelNorm(eps=None),
        lambda: MinibatchStd(eps=-1),
        lambda: MinibatchStd(eps="a"),
        lambda: Noise("a"),
        lambda: Noise(np.nan),
        lambda: Dropout("a"),
        lambda: Dropout(None),
        lambda: ELU("a"),
        lambda: Softplus("a"),
        lambda: Softplus(None),
        lambda: Softplus(1, "a"),
        lambda: Softplus(1, None),
        lambda: Softplus(1, -np.inf),
        lambda: ConvTranspose2d(1, 1, kernel=3, stride=2, output_padding=-1),
        lambda: ConvTranspose2d(1, 1, 3, (2, 1), output_padding=(1, 1)),
        lambda: Conv2d(1, 1, (3, 0)),
        lambda: Conv2d(1, 1, 3, stride=(1, 0)),
        lambda: Conv2d(1, 1, 3, padding=(0, -1)),
        lambda: Given(Dense(2, 1), None),
        lambda: Given(None, np.zeros(3)),
    ],
)
def test_a_wrong_constructor_is_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_the_first_layer_with_a_bad_number_is_named():
    net = Sequential(Dense(2, 2), Sequential(ReLU(), Dense(2, 2)))
    p = net.init(0)
    p["1.1.W"][0, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"1\.1 Dense"), numgan.layers.watch_finite():
        net.forward(p, np.ones((1, 2), np.float32), Pass())


@pytest.mark.parametrize(
    "layer",
    [
        Dense(2, 3),
        Conv2d(2, 3, 1),
        LeakyReLU(),
        Tanh(),
        Dropout(0.25),
        Noise(0.5),
        Upsample(2, "bilinear"),
        BatchNorm(2),
        InstanceNorm(2),
        LayerNorm(2),
        PixelNorm(),
        Flatten(),
        MinibatchDiscrimination(2, 3, 2),
        MinibatchStd(),
        Maxout(2),
        MaxPool2d(2),
        AvgPool2d(2),
        Pack(2),
        Spectral(Dense(2, 3)),
        Equalized(Dense(2, 3)),
    ],
    ids=repr,
)
def test_integers_and_lists_are_refused(layer):
    """Integer arithmetic would round every constant of a layer to 0 or 1, without a word."""
    for x in (np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(TypeError, match="expected x as a float32 or float64 array, got (int64|list)"):
            layer.forward(layer.init(0), x, Pass(0))
    with pytest.raises(TypeError, match="init: expected dtype float32 or float64, got int64"):
        layer.init(0, int)


@pytest.mark.parametrize(
    "layer, same, other",
    [
        (ReLU(), (0.1, 3.0), -0.1),
        (LeakyReLU(), (-0.1, -3.0), 0.1),
        (ELU(), (-0.1, -3.0), 0.1),
        (Maxout(2), (0.9, -3.0), 1.1),
        (MaxPool2d(2), (0.9, -3.0), 1.1),
        (MinibatchDiscrimination(2, 1, 1), (0.9, -3.0), 1.1),
        (Sequential(Dense(2, 2), ReLU()), (0.1, 3.0), -0.1),
    ],
    ids=repr,
)
def test_every_layer_of_pieces_tells_its_piece(layer, same, other):
    """So the checks of gradients can go around the kink, which is at t = 0 or t = 1 here."""
    p = layer.init(0, np.float64)
    for name in p:
        p[name][...] = np.eye(2) if name.endswith("W") else np.array([[1.0], [0.0]]) if name == "T" else 0

    def pieces(t):
        x = np.array([[t, 1.0], [1.0, 1.0]])
        with record_kinks() as seen:
            layer.forward(p, x[None, :, :, None] if isinstance(layer, MaxPool2d) else x, Pass())
        return seen

    one, two = map(pieces, same)
    assert one and one == two != pieces(other)


KINDS = [kind for kind in vars(numgan.layers).values() if isinstance(kind, type) and issubclass(kind, Layer)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_pass_gives_all_derivatives_unless_told_otherwise(kind):
    down = {"frozen": False, "need_dx": True}
    for name, defaults in (("backward", down), ("tangent_forward", {"tp": None}), ("tangent_backward", down)):
        parameters = inspect.signature(getattr(kind, name)).parameters
        assert {word: parameters[word].default for word in defaults} == defaults, name


def test_a_layer_of_ones_own_may_underflow():
    """The base class marks the passes that a subclass defines."""

    class Tiny(LinearMap):
        def apply(self, x, run):
            return x * np.float32(1e-30), None

        def apply_to_tangent(self, tx, cache):
            return tx * np.float32(1e-30)

        transpose = apply_to_tangent

    class Own(Layer):
        def forward(self, p, x, run):
            return np.exp(x), x

        def backward(self, dy, cache, frozen=False, need_dx=True):
            return dy * np.exp(cache), None if frozen else {}

    with np.errstate(all="raise"):
        for layer, number in ((Tiny(), 1e-30), (Own(), -1000)):
            x = np.full((2, 3), number, np.float32)
            y, cache = layer.forward({}, x, Pass())
            dx, _ = layer.backward(np.full_like(x, 1e-30), cache)
            assert not y.any() and not dx.any()


@pytest.mark.parametrize(
    "layer",
    [BatchNorm(3), InstanceNorm(3), LayerNorm(3), PixelNorm(), Conv2d(3, 2, (2, 3), padding=1)],
    ids=repr,
)
def test_the_passes_of_a_view_are_those_of_its_copy(layer):
    """Channels first in memory: every pass, and its tangents, as if they lay last."""
    rng = np.random.default_rng(2)
    p, tp = layer.init(1), layer.init(2)

    def passes(lay):
        x, tx = (
            lay(rng.standard_normal((4, 3, 6, 8)).astype(np.float32).transpose(0, 2, 3, 1)) for _ in range(2)
        )
        y, cache = layer.forward(p, x, Pass())
        dy, tdy = (
            lay(rng.standard_normal((y.shape[0], *y.shape[:0:-1])).astype(np.float32).transpose(0, 3, 2, 1))
            for _ in range(2)
        )
        ty, tcache = layer.tangent_forward(tx, cache, tp)
        tdx, tdp = layer.tangent_backward(dy, tdy, cache, tcache)
        return [y, ty, tdx, *(tdp[name] for name in tdp), *layer.backward(dy, cache)[:1]]

    results = []
    for lay in lambda x: x, np.ascontiguousarray:
        rng = np.random.default_rng(2)
        results.append(passes(lay))
    for view, copy in zip(*results, strict=True):
        np.testing.assert_allclose(view, copy, rtol=2e-4, atol=2e-5)


def test_a_dense_layer_names_the_flatten_that_is_missing():
    with pytest.raises(ValueError, match=r"got \(8, 8\); add Flatten\(\) before it"):
        Dense(64, 10).output_shape((8, 8))
    with pytest.raises(ValueError) as caught:
        Dense(64, 10).output_shape((8, 9))
    assert "Flatten" not in str(caught.value)


@pytest.mark.parametrize("factor", [0, (2, 0), (0, 2), -1])
def test_upsampling_needs_a_factor_of_one_at_least(factor):
    with pytest.raises(ValueError, match="Upsample"):
        Upsample(factor)


def test_parameters_without_initial_values_are_zero():
    class Shifted(Layer):
        def parameter_shapes(self):
            return {"shift": (3,), "scale": (2, 2)}

    p = Shifted().init(0)
    assert p["shift"].shape == (3,) and p["scale"].shape == (2, 2) and not p.vector.any()


@pytest.mark.parametrize(
    "layer, x",
    [
        (Tanh(), np.ones((2, 3), int)),
        (VirtualBatchNorm(3), np.ones((4, 3), int)),
        (BatchNorm(3), np.ones((4, 3), int)),
    ],
)
def test_integers_are_refused_by_the_layers_name(layer, x):
    with pytest.raises(
        TypeError, match=rf"^{type(layer).__name__}\(.*: expected x as a float32 or float64 array"
    ):
        layer.forward(layer.init(0), x, Pass(reference=1))


@pytest.mark.parametrize("layer", [Pad(1), Crop(1)], ids=repr)
def test_borders_belong_to_pictures(layer):
    with pytest.raises(ValueError, match=r"expected x \(N, H, W, C\)"):
        layer.forward({}, np.ones((4, 5, 6)))


def test_a_network_of_branches_names_itself():
    net = Parallel(Tanh(), Tanh())
    with pytest.raises(ValueError, match=r"^Parallel\("):
        net.forward(net.init(0), (np.ones((2, 3)),))


def test_an_embedding_of_no_labels_is_empty():
    layer = Embedding(5, 3)
    assert layer.forward(layer.init(0), np.zeros(0, np.int64))[0].shape == (0, 3)


def test_copy_from_takes_the_common_paths():
    one, two = Sequential(Dense(2, 3), Tanh(), Dense(3, 1)), Sequential(Dense(2, 3), Tanh())
    p, q = one.init(0), two.init(1)
    before = p.copy()
    p.copy_from(q)
    assert np.array_equal(p["0.W"], q["0.W"]) and np.array_equal(p["2.W"], before["2.W"])
    assert not np.array_equal(p["0.W"], before["0.W"])
