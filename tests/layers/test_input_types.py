"""Every layer takes plain float32 and float64 arrays, and refuses every other type by the same message."""

import warnings

import numpy as np
import pytest

from numgan.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Equalized,
    Flatten,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchStd,
    Noise,
    Pad,
    Pass,
    PixelNorm,
    ReLU,
    Sigmoid,
    Spectral,
    Tanh,
    Upsample,
)

IMAGES = [
    AvgPool2d(2),
    BatchNorm(4),
    Conv2d(4, 3, 3),
    Dropout(0.5),
    ELU(),
    Equalized(Conv2d(4, 3, 3)),
    Flatten(),
    InstanceNorm(4),
    LayerNorm(4),
    LeakyReLU(),
    MaxPool2d(2),
    Maxout(2),
    MinibatchStd(),
    Noise(0.1),
    Pad(1),
    PixelNorm(),
    ReLU(),
    Sigmoid(),
    Spectral(Dense(4, 3)),
    Tanh(),
    Upsample(2),
]
X = np.linspace(-1, 1, 2 * 4 * 4 * 4).reshape(2, 4, 4, 4)
OTHERS = {
    "float16": X.astype(np.float16),
    str(np.dtype(np.longdouble)): X.astype(np.longdouble),
    str(np.dtype(np.float64).newbyteorder()): X.astype(X.dtype.newbyteorder()),
    "int64": X.astype(int),
    "MaskedArray": np.ma.masked_array(X, X > 0),
    "list": X.tolist(),
    "float64": np.float64(1.0),
}


@pytest.mark.parametrize("layer", IMAGES, ids=lambda layer: type(layer).__name__)
def test_other_types_are_refused_by_one_message(layer):
    for got, x in OTHERS.items():
        with pytest.raises(TypeError) as error:
            layer.forward(layer.init(0, np.float64), x, Pass(seed=1))
        assert ": expected x as a float32 or float64 array, got " + got in str(error.value)
    for dtype in (np.float32, np.float64):
        y, _ = layer.forward(layer.init(0, dtype), X.astype(dtype), Pass(seed=1))
        assert y.dtype == dtype and np.isfinite(y).all()


def test_every_part_of_a_tuple_and_no_other_tuple():
    for got, x in list(OTHERS.items())[:-2]:
        with pytest.raises(TypeError, match=f"Concat.*: expected x as a float32 or float64 array, got {got}"):
            Concat().forward({}, (X, x))
    with pytest.raises(TypeError, match="Flatten.*: expected x as a float32 or float64 array, got tuple"):
        Flatten().forward({}, (X, X))
    assert Concat().forward({}, (X, X))[0].shape == (2, 4, 4, 8)


def test_labels_are_plain_arrays_of_integers():
    layer, c = Embedding(3, 2), np.array([2, 0])
    p = layer.init(0)
    for got, x in {"MaskedArray": np.ma.masked_array(c), "float32": c.astype(np.float32), "int": 1}.items():
        with pytest.raises(ValueError, match=f"expected x as an array of integer labels, got {got}$"):
            layer.forward(p, x)
    for dtype in (np.uint8, np.int32, np.int64):
        assert np.array_equal(layer.forward(p, c.astype(dtype))[0], p["W"][[2, 0]])


def test_a_mean_of_no_values_is_refused_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer, shape in ((LayerNorm(5), (3, 0, 5)), (LayerNorm(5), (3, 2, 0, 5)), (PixelNorm(), (3, 0))):
            with pytest.raises(ValueError, match="expected x with at least one value in each mean, got "):
                layer.forward(layer.init(0), np.zeros(shape, np.float32))
        y, _ = LayerNorm(5).forward(LayerNorm(5).init(0), np.zeros((0, 4, 5), np.float32))
        assert y.shape == (0, 4, 5)
