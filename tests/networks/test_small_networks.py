"""The networks that presets share: their layers, and what they are made of where nothing is given."""

import numpy as np
import pytest

from numgan.layers import Dense, Embedding, Flatten, LeakyReLU, Parallel, ReLU, Sequential, Sigmoid, Tanh
from numgan.layers.initializers import he, normal
from numgan.networks import (
    dcgan_discriminator,
    dcgan_generator,
    digit_discriminator,
    digit_generator,
    label_beside,
    mlp,
    plane_discriminator,
    plane_generator,
    pooling_discriminator,
)

LAYERS = [  # a network, its layers
    (plane_generator(5), "Dense(2, 5) ReLU() Dense(5, 5) ReLU() Dense(5, 2)"),
    (plane_generator(5, 1), "Dense(2, 5) ReLU() Dense(5, 2)"),
    (plane_generator(4, 3), "Dense(2, 4) ReLU() Dense(4, 4) ReLU() Dense(4, 4) ReLU() Dense(4, 2)"),
    (plane_discriminator(5), "Dense(2, 5) LeakyReLU(0.2) Dense(5, 5) LeakyReLU(0.2) Dense(5, 1)"),
    (plane_discriminator(5, 1, Tanh), "Dense(2, 5) Tanh() Dense(5, 1)"),
    (plane_discriminator(6, activation=ReLU), "Dense(2, 6) ReLU() Dense(6, 6) ReLU() Dense(6, 1)"),
    (digit_generator(5), "Dense(32, 5) ReLU() Dense(5, 5) ReLU() Dense(5, 64) Tanh() Reshape(8, 8, 1)"),
    (digit_discriminator(5), "Flatten() Dense(64, 5) LeakyReLU(0.2) Dense(5, 5) LeakyReLU(0.2) Dense(5, 1)"),
    (digit_discriminator(5, Tanh), "Flatten() Dense(64, 5) Tanh() Dense(5, 5) Tanh() Dense(5, 1)"),
    (mlp(2, 3), "Dense(2, 3)"),
    (mlp(2, 3, last=Sigmoid), "Dense(2, 3) Sigmoid()"),
    (mlp(4, 3, 2, activation=LeakyReLU), "Dense(4, 3) LeakyReLU(0.2) Dense(3, 2)"),
    (
        pooling_discriminator(8, (4, 6), 5, 3),
        "Conv2d(3, 4, kernel=3, padding=1) ReLU() MaxPool2d(2) "
        "Conv2d(4, 6, kernel=3, padding=1) ReLU() MaxPool2d(2) "
        "Flatten() Dense(24, 5) ReLU() Dropout(0.5) Dense(5, 1)",
    ),
    (
        pooling_discriminator(9, (4,), 5, 1, outputs=7, dropout=0.25),
        "Conv2d(1, 4, kernel=3, padding=1) ReLU() MaxPool2d(2) "
        "Flatten() Dense(64, 5) ReLU() Dropout(0.25) Dense(5, 7)",
    ),
    (
        dcgan_discriminator(2, (3, 4), 1, norm=False, slope=0.1),
        "Conv2d(1, 3, kernel=5, stride=2, padding=2) LeakyReLU(0.1) "
        "Conv2d(3, 4, kernel=5, stride=2, padding=2) LeakyReLU(0.1) Flatten() Dense(16, 1)",
    ),
    (
        dcgan_discriminator(3, (4, 6), 2, kernel=3),
        "Conv2d(2, 4, kernel=3, stride=2, padding=1) LeakyReLU(0.2) "
        "Conv2d(4, 6, kernel=3, stride=2, padding=1, bias=False) BatchNorm(6) LeakyReLU(0.2) "
        "Flatten() Dense(54, 1)",
    ),
    (
        dcgan_generator(7, 3, (4,), 2),
        "Dense(7, 36, bias=False) Reshape(3, 3, 4) BatchNorm(4) ReLU() "
        "ConvTranspose2d(4, 2, kernel=5, stride=2, padding=2, output_padding=1) Tanh()",
    ),
]


@pytest.mark.parametrize("net, layers", LAYERS)
def test_the_layers_of_a_network(net, layers):
    assert " ".join(repr(layer) for layer in net.children.values()) == layers


@pytest.mark.parametrize(
    "net, x, y",
    [
        (plane_generator(3), (2,), (2,)),
        (plane_discriminator(3), (2,), (1,)),
        (digit_generator(3), (32,), (8, 8, 1)),
        (digit_discriminator(3), (8, 8, 1), (1,)),
        (dcgan_generator(4, 2, (3, 5), 1, kernel=3), (4,), (8, 8, 1)),
        (dcgan_generator(4, 3, (5, 3), 2, kernel=4), (4,), (12, 12, 2)),
        (dcgan_discriminator(3, (2, 4), 1, kernel=4), (12, 12, 1), (1,)),
        (pooling_discriminator(10, (2, 3), 4, 2), (10, 10, 2), (1,)),
    ],
)
def test_pictures_and_points_come_out_in_their_shapes(net, x, y):
    assert net.output_shape(x) == y
    assert net.forward(net.init(0), np.ones((2, *x), np.float32))[0].shape == (2, *y)


@pytest.mark.parametrize("sizes", [(), (3,)])
def test_a_perceptron_has_two_sizes(sizes):
    with pytest.raises(ValueError) as caught:
        mlp(*sizes)
    assert str(caught.value) == (
        f"mlp: expected at least two sizes, got {sizes}; give those of input and output"
    )


def test_a_label_is_an_input_of_every_block():
    blocks = Dense(3 + 4, 5), Tanh(), Dense(5 + 4 + 4, 2)
    net = label_beside(6, 4, blocks)
    kinds = [type(layer).__name__ for layer in net.children.values()]
    assert kinds == ["Parallel", "Condition", "Condition", "Condition", "Pick"]
    first, embedding = net[0].children.values()
    assert repr(first) == "Sequential()" and repr(embedding) == "Embedding(6, 4)" and net[-1].place == 0
    assert [net[i].children["layer"] for i in (1, 2, 3)] == list(blocks)
    flat = label_beside(6, 4, blocks, Flatten())
    assert repr(flat[0].children["0"]) == "Flatten()" and isinstance(flat[0], Parallel)
    p = net.init(0, np.float64)
    assert p["0.1.W"].shape == (6, 4) and isinstance(embedding, Embedding)
    y, _ = net.forward(p, (np.ones((2, 3)), np.array([0, 5])))
    h = np.tanh(
        np.concatenate([np.concatenate([np.ones((2, 3)), c := p["0.1.W"][[0, 5]]], 1) @ p["1.layer.W"], c], 1)
    )
    assert np.allclose(y, np.concatenate([h, c], 1) @ p["3.layer.W"])


def test_initial_weights_follow_the_initialiser_that_is_given():
    wide = normal(3.0)
    for net in (
        mlp(40, 50, init=wide),
        Sequential(dcgan_generator(40, 2, (20,), 1, init=wide)[0]),
        Sequential(dcgan_discriminator(2, (20,), 5, init=wide)[0]),
        Sequential(pooling_discriminator(4, (20,), 9, 5, init=wide)[0]),
        Sequential(pooling_discriminator(4, (20,), 90, 5, init=wide)[4]),
    ):
        (name,) = [name for name in net.init(0) if name.endswith("W")]
        assert abs(net.init(0)[name].std() - 3) < 0.3
    assert mlp(4, 5)[0].initializer is he and pooling_discriminator(4, (2,), 3, 1)[0].initializer is he
    for net in (dcgan_generator(4, 2, (3, 2), 1), dcgan_discriminator(2, (3, 2), 1)):
        products = [layer for layer in net.children.values() if hasattr(layer, "weight_shape")]
        norms = [layer for layer in net.children.values() if type(layer).__name__ == "BatchNorm"]
        assert {repr(layer.initializer) for layer in products} == {repr(normal(0.02))}
        assert {repr(layer.initializer) for layer in norms} == {repr(normal(0.02, 1.0))}
