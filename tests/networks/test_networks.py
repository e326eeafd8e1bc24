"""Networks that systems share: their layers, their shapes, their initial weights."""

import numpy as np
import pytest

from numgan import layers
from numgan.networks import dcgan_discriminator, dcgan_generator, label_beside, mlp, pooling_discriminator
from numgan.systems.games.switched import switched_discriminator, switched_generator


def shown(net):
    return [repr(layer) for layer in net.children.values()]


def test_the_perceptron():
    assert shown(mlp(2, 5, 1)) == ["Dense(2, 5)", "ReLU()", "Dense(5, 1)"]
    assert shown(mlp(2, 5, 6, 1, activation=layers.Tanh, last=layers.Sigmoid)) == [
        "Dense(2, 5)",
        "Tanh()",
        "Dense(5, 6)",
        "Tanh()",
        "Dense(6, 1)",
        "Sigmoid()",
    ]
    assert shown(mlp(2, 1)) == ["Dense(2, 1)"]
    for sizes in ((), (3,)):
        with pytest.raises(ValueError, match="expected at least two sizes"):
            mlp(*sizes)


@pytest.mark.parametrize(
    "kernel, more", [(5, "kernel=5, stride=2, padding=2"), (4, "kernel=4, stride=2, padding=1")]
)
def test_dcgan(kernel, more):
    extra = ", output_padding=1" if kernel % 2 else ""
    G, D = dcgan_generator(10, 3, (8, 4), 1, kernel), dcgan_discriminator(3, (4, 8), 1, kernel)
    assert shown(G) == [
        "Dense(10, 72, bias=False)",
        "Reshape(3, 3, 8)",
        "BatchNorm(8)",
        "ReLU()",
        f"ConvTranspose2d(8, 4, {more}{extra}, bias=False)",
        "BatchNorm(4)",
        "ReLU()",
        f"ConvTranspose2d(4, 1, {more}{extra})",
        "Tanh()",
    ]
    assert shown(D) == [
        f"Conv2d(1, 4, {more})",
        "LeakyReLU(0.2)",
        f"Conv2d(4, 8, {more}, bias=False)",
        "BatchNorm(8)",
        "LeakyReLU(0.2)",
        "Flatten()",
        "Dense(72, 1)",
    ]
    critic = dcgan_discriminator(3, (4, 8), 1, kernel, norm=False, slope=0.1)
    assert shown(critic) == [
        f"Conv2d(1, 4, {more})",
        "LeakyReLU(0.1)",
        f"Conv2d(4, 8, {more})",
        "LeakyReLU(0.1)",
        "Flatten()",
        "Dense(72, 1)",
    ]
    assert G.output_shape((10,)) == (12, 12, 1) and D.output_shape((12, 12, 1)) == (1,)


def test_dcgan_starts_as_the_paper_says():
    """Section 4: all weights N(0, 0.02^2); the gains of BatchNorm around 1, and every shift zero."""
    for net, gains in (
        (dcgan_generator(50, 4, (40, 30), 3), ("2", "5")),
        (dcgan_discriminator(4, (30, 40, 50), 3), ("3", "6")),
    ):
        p = net.init(0, np.float64)
        for path in p:
            if path.endswith("W"):
                assert abs(p[path].mean()) < 0.002 and abs(p[path].std() / 0.02 - 1) < 0.1, path
            elif path.split(".")[0] in gains and p[path].any():
                assert abs(p[path].mean() - 1) < 0.02 and 0.01 < p[path].std() < 0.03, path
            else:
                assert not p[path].any(), path


def test_the_pooling_classifier():
    assert shown(pooling_discriminator(8, (4, 6), 12, 3, outputs=7)) == [
        "Conv2d(3, 4, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Conv2d(4, 6, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Flatten()",
        "Dense(24, 12)",
        "ReLU()",
        "Dropout(0.5)",
        "Dense(12, 7)",
    ]
    assert shown(pooling_discriminator(28, (4, 6), 12, 1))[-4:] == [
        "Dense(294, 12)",
        "ReLU()",
        "Dropout(0.5)",
        "Dense(12, 1)",
    ]


def test_a_label_beside_every_block():
    net = label_beside(3, 2, [layers.Dense(4 + 2, 5), layers.Dense(5 + 2, 6)], first=layers.Flatten())
    y, _ = net.forward(net.init(0), (np.ones((7, 2, 2, 1), np.float32), np.arange(7) % 3), layers.Pass())
    assert y.shape == (7, 6) and np.array_equal(y[0], y[3]) and not np.allclose(y[0], y[1])
    assert [type(layer).__name__ for layer in net.children.values()] == [
        "Parallel",
        "Condition",
        "Condition",
        "Pick",
    ]


def flat(net):
    """All leaves of a network, in order."""
    return [
        leaf for layer in net.children.values() for leaf in (flat(layer) if layer.children else [repr(layer)])
    ]


def test_the_switches_of_the_generator():
    window = "kernel=4, stride=2, padding=1"
    assert flat(switched_generator(7, (8, 8, 1), 9)) == [
        "Dense(7, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 64)",
        "Tanh()",
        "Reshape(8, 8, 1)",
    ]
    assert flat(switched_generator(7, (2,), 9, leaky=False)) == [
        "Dense(7, 9)",
        "ReLU()",
        "Dense(9, 9)",
        "ReLU()",
        "Dense(9, 2)",
        "Reshape(2)",
    ]
    every = ["LeakyReLU(0.2)", "Noise(0.1)", "Dropout(0.2)"]
    assert flat(
        switched_generator(7, (8, 8, 1), 9, (4, 2), classes=3, tanh=False, noise=0.1, dropout=0.2)
    ) == [
        "Sequential()",
        "Embedding(3, 3)",
        "Concat()",
        "Dense(10, 16, bias=False)",
        "Reshape(2, 2, 4)",
        "BatchNorm(4)",
        *every,
        f"ConvTranspose2d(4, 2, {window}, bias=False)",
        "BatchNorm(2)",
        *every,
        f"ConvTranspose2d(2, 1, {window})",
        "Sigmoid()",
    ]
    assert "Noise" not in str(flat(switched_generator(7, (2,), 9, dropout=0.3))) and "Dropout" not in str(
        flat(switched_generator(7, (2,), 9, noise=0.3))
    )


def test_the_switches_of_the_discriminator():
    window = "kernel=4, stride=2, padding=1"
    assert flat(switched_discriminator((8, 8, 1), 9)) == [
        "Flatten()",
        "Dense(64, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 1)",
    ]
    assert flat(switched_discriminator((2,), 9, leaky=False, pack=3, names=4)) == [
        "Pack(3)",
        "Flatten()",
        "Dense(6, 9)",
        "ReLU()",
        "Dense(9, 9)",
        "ReLU()",
        "Dense(9, 5)",
    ]
    convolved = [
        f"Conv2d(8, 2, {window})",
        "LeakyReLU(0.2)",
        f"Conv2d(2, 4, {window}, bias=False)",
        "BatchNorm(4)",
        "LeakyReLU(0.2)",
        "Flatten()",
    ]
    assert flat(
        switched_discriminator((8, 8, 1), 9, (4, 2), told=3, pack=2, deviation=True, minibatch=6)
    ) == [
        "Sequential()",
        "Embedding(3, 3)",
        "Sequential()",
        "Pick(0)",
        "Pack(2)",
        *convolved,
        "MinibatchStd()",
        "MinibatchDiscrimination(17, 6, 5)",
        "Dense(23, 1)",
    ]
    assert flat(switched_discriminator((8, 8, 1), 9, (4, 2), minibatch=6))[-2:] == [
        "MinibatchDiscrimination(16, 6, 5)",
        "Dense(22, 1)",
    ]
    assert flat(switched_discriminator((8, 8, 1), 9, (4, 2), leaky=False)) == [
        "Conv2d(1, 2, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Conv2d(2, 4, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Flatten()",
        "Dense(16, 9)",
        "ReLU()",
        "Dropout(0.0)",
        "Dense(9, 1)",
    ]


def test_the_logits_of_the_switched_discriminator_start_as_their_network_says():
    """N(0, 0.02^2) in DCGAN (section 4), He's variance 2 / fan_in in the others."""
    for channels, leaky, inputs, std in (
        ((40, 30), True, 160, 0.02),
        ((4, 2), False, 200, 0.1),
        (None, True, 200, 0.1),
    ):
        net = switched_discriminator((8, 8, 1), 200, channels, leaky=leaky, names=30)
        head, last = list(net.children.items())[-1]
        W = net.init(0, np.float64)[f"{head}.W"]
        assert W.shape == (last.inputs, 31) == (inputs, 31) and W.std() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize(
    "settings", [{}, {"channels": (4, 2), "classes": 3}, {"channels": (4, 2), "noise": 0.1, "dropout": 0.3}]
)
def test_switched_players_fit_together(settings):
    told = settings.get("classes", 0)
    G = switched_generator(7, (8, 8, 1), 9, **settings)
    D = switched_discriminator((8, 8, 1), 9, settings.get("channels"), told=told, pack=2)
    z, y = np.ones((6, 7), np.float32), np.arange(6) % 3
    x, _ = G.forward(G.init(0), (z, y) if told else z, layers.Pass())
    assert x.shape == (6, 8, 8, 1)
    assert D.forward(D.init(0), (x, y) if told else x, layers.Pass())[0].shape == (3, 1)
