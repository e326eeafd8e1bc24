"""Errors: each wrong input, parameter or argument of a layer is refused, and the message names it."""

import numpy as np
import pytest

import numgan.layers
from numgan.core.errors import NonFiniteError
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
    Embedding,
    Equalized,
    Flatten,
    Given,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
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
    Skip,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
)


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
            "these parameters belong to another network; "
            "use the parameters that this network's init returned",
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


def test_a_network_of_branches_names_itself():
    net = Parallel(Tanh(), Tanh())
    with pytest.raises(ValueError, match=r"^Parallel\("):
        net.forward(net.init(0), (np.ones((2, 3)),))
