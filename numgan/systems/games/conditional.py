"""Conditional generative adversarial nets (Mirza and Osindero 2014), eq. 2.

    min_G max_D   E log D(x | y) + E log(1 - D(G(z | y) | y))

The label y is a second input of both players, and fakes are drawn for the labels of the batch. D then also
rejects a good picture of the wrong class, so G learns to draw the class of its label.
"""

from dataclasses import dataclass

from ...layers import (
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    Maxout,
    Parallel,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ...layers.initializers import normal, uniform
from ...networks import label_beside
from ...optimizers import Adam
from ..system import Latent
from .presets import both
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class Conditional(TwoPlayerGAN):
    """A game of two networks with labels. G: (z (N, Z), y (N,)) -> x. D: (x, y) -> logit (N, 1)"""

    shares_fakes: bool = True


def _dcgan(latent, start, width, **settings):
    """A Conditional with DCGAN networks for pictures of 4 start x 4 start pixels. Every layer gets the label.

    latent is the prior of z. `width` is a factor of all channel numbers. `settings` are further fields. The
    convolutions have windows of 4.
    """
    first, last = (max(int(c * width), 2) for c in (128, 64))
    code, classes = 10, 10
    window = {"kernel": 4, "stride": 2, "padding": 1, "init": normal(0.02)}

    def norm(features):
        return BatchNorm(features, init=normal(0.02, mean=1.0))

    up = [
        Sequential(
            Dense(latent.size + code, start * start * first, bias=False, init=normal(0.02)),
            Reshape(start, start, first),
            norm(first),
            ReLU(),
        ),
        Sequential(ConvTranspose2d(first + code, last, **window, bias=False), norm(last), ReLU()),
        Sequential(ConvTranspose2d(last + code, 1, **window), Tanh()),
    ]
    down = [
        Sequential(Conv2d(1 + code, last, **window), LeakyReLU(0.2)),
        Sequential(Conv2d(last + code, first, **window, bias=False), norm(first), LeakyReLU(0.2)),
        Sequential(Flatten(), Dense(start * start * (first + code), 1, init=normal(0.02))),
    ]
    return Conditional(
        latent=latent,
        classes=classes,
        sample_shape=(4 * start, 4 * start, 1),
        batch_size=64,
        average=0.995,
        optimizers=both(Adam(2e-4)),
        networks={"G": label_beside(classes, code, up), "D": label_beside(classes, code, down)},
        **settings,
    )


def digits(width=1.0):
    """8x8 pictures, DCGAN networks: 32 -> 2x2x128 -> 4x4x64 -> 8x8x1; every layer gets the label.

    Returns a Conditional. `width` is a factor of the hidden widths.
    """
    return _dcgan(Latent(32), 2, width, data="digits", steps=2000)


def mnist(width=1.0):
    """28x28 pictures, DCGAN networks: 100 -> 7x7x128 -> 14x14x64 -> 28x28x1; every layer gets the label.

    Returns a Conditional. `width` is a factor of the hidden widths.
    """
    return _dcgan(Latent(100), 7, width, data="mnist", steps=2814)


def mirza(width=1.0):
    """The paper's MNIST networks (section 4.1).

    G: z to 200 and y to 1000 units, both to 1200. D: maxout of 240x5 for x and 50x5 for y, both to 240x4.
    These sizes are the paper's. Other details differ from the paper, so that a run takes minutes: BatchNorm
    in G, where small initial label weights keep y from dominating z; pixels in -1..1 with Tanh; dropout of
    0.3 in D only (the paper: 0.5 in both); Adam.
    Returns a Conditional. `width` is a factor of the hidden widths.
    """
    z, y, h, d, e = (max(int(n * width), 2) for n in (200, 1000, 1200, 240, 50))
    G = Sequential(
        Parallel(
            Sequential(Dense(100, z, bias=False), BatchNorm(z), ReLU()),
            Sequential(Embedding(10, y, init=uniform(0.3)), ReLU()),
        ),
        Concat(),
        Dense(z + y, h, bias=False),
        BatchNorm(h),
        ReLU(),
        Dense(h, 784),
        Tanh(),
        Reshape(28, 28, 1),
    )
    D = Sequential(
        Parallel(
            Sequential(Flatten(), Dense(784, 5 * d), Maxout(5), Dropout(0.3)),
            Sequential(Embedding(10, 5 * e), Maxout(5), Dropout(0.3)),
        ),
        Concat(),
        Dense(d + e, 4 * d),
        Maxout(4),
        Dropout(0.3),
        Dense(d, 1),
    )
    return Conditional(
        latent=Latent(100, "uniform"),
        classes=10,
        sample_shape=(28, 28, 1),
        data="mnist",
        batch_size=100,
        steps=9000,
        average=0.999,
        networks={"G": G, "D": D},
        optimizers=both(Adam(2e-4)),
    )


PRESETS = {"digits": digits, "mnist": mnist, "mirza": mirza}
