"""Layers record on which side of a kink each entry is, so that the gradient checks can avoid the kink."""

import numpy as np
import pytest

from numgan.layers import (
    ELU,
    Conv2d,
    Dense,
    Layer,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    Pass,
    ReLU,
    Residual,
    Sequential,
    record_kinks,
)


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
