"""The values of the layers against formulas written out."""

import numpy as np
import pytest

from numgan.core.parameters import Parameters
from numgan.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Dropout,
    Embedding,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    Pad,
    Pass,
    PixelNorm,
    PixelShuffle,
    ReLU,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
    Upsample,
    measure,
)

rng = np.random.default_rng(11)


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


def test_an_embedding_of_no_labels_is_empty():
    layer = Embedding(5, 3)
    assert layer.forward(layer.init(0), np.zeros(0, np.int64))[0].shape == (0, 3)
