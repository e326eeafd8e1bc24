"""Conditional generative adversarial nets (Mirza and Osindero 2014), eq. 2.

    min_G max_D   E log D(x | y) + E log(1 - D(G(z | y) | y))

In this formula D(x | y) is a probability, the sigmoid of D's logit. The label y, the number of a class, is a
second input of G and of D. Fakes are drawn for the labels of the batch. D also rejects a good picture of the
wrong class, so G learns to draw the class that its label asks for.
"""

from dataclasses import dataclass
from math import prod

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
from ...networks.sizes import channels_of, levels_of
from ...optimizers import Adam
from ..system import Latent
from .presets import both, from_folder
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class Conditional(TwoPlayerGAN):
    """A game of two networks with labels y. G: (z (N, Z), y (N,)) -> x. D: (x, y) -> logit (N, 1).

    D and G use the same fakes in each step.
    """

    shares_fakes: bool = True


def _dcgan(latent, width, shape, classes, **settings):
    """A Conditional with DCGAN networks. Each layer of G and of D gets the label, as a vector of 10 numbers.

    latent      the Latent, the prior of z
    width       factor of the numbers of channels; without it the smallest feature map of G has 64 for each
                level, and a further level halves the number: 128 and 64 for two levels. D has these numbers
                in reverse order
    shape       (height, width, channels) of a picture, of a size that `levels_of` knows
    classes     number of classes
    settings    further fields of the Conditional, {name: value}

    The kernels of the convolutions are 4x4, with stride 2. Batches have 64 samples, both optimisers are
    Adam(2e-4), the moving average has the decay 0.995. Raises ValueError for another size of a picture.
    """
    *size, colours = shape
    start, levels = levels_of(size)
    channels = channels_of(levels, 64, width)
    first, last = channels[0], channels[-1]  # of G's smallest and largest feature map
    code = 10  # the length of the label's vector
    window = {"kernel": 4, "stride": 2, "padding": 1, "init": normal(0.02)}  # doubles or halves a picture

    def norm(features):  # the initial values of the DCGAN: scales are drawn from N(1, 0.02^2)
        return BatchNorm(features, init=normal(0.02, mean=1.0))

    up = [
        Sequential(
            Dense(latent.size + code, prod(start) * first, bias=False, init=normal(0.02)),
            Reshape(*start, first),
            norm(first),
            ReLU(),
        ),
        *(
            Sequential(ConvTranspose2d(a + code, b, **window, bias=False), norm(b), ReLU())
            for a, b in zip(channels, channels[1:])  # a: channels of the input, b: of the output
        ),
        Sequential(ConvTranspose2d(last + code, colours, **window), Tanh()),
    ]
    down = [
        Sequential(Conv2d(colours + code, last, **window), LeakyReLU(0.2)),
        *(
            Sequential(Conv2d(a + code, b, **window, bias=False), norm(b), LeakyReLU(0.2))
            for a, b in zip(channels[::-1], channels[-2::-1])  # in reverse order
        ),
        Sequential(Flatten(), Dense(prod(start) * (first + code), 1, init=normal(0.02))),
    ]
    return Conditional(
        latent=latent,
        classes=classes,
        sample_shape=shape,
        batch_size=64,
        average=0.995,
        optimizers=both(Adam(2e-4)),
        networks={"G": label_beside(classes, code, up), "D": label_beside(classes, code, down)},
        **settings,
    )


def digits(width=1.0, shape=(8, 8, 1), classes=10):
    """8x8 pictures, DCGAN networks: G is 32 -> 2x2x128 -> 4x4x64 -> 8x8x1; each layer gets the label.

    D has these sizes in reverse order. The label is a vector of 10 numbers in each layer of G and of D.
    Returns a Conditional. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    return _dcgan(Latent(32), width, shape, classes, data="digits", steps=2000)


def mnist(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures, DCGAN networks: G is 100 -> 7x7x128 -> 14x14x64 -> 28x28x1; each layer gets the label.

    D has these sizes in reverse order. The label is a vector of 10 numbers in each layer of G and of D.
    Returns a Conditional. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    return _dcgan(Latent(100), width, shape, classes, data="mnist", steps=2814)


def pictures(width=1.0, shape=(32, 32, 3), classes=10):
    """Pictures of any size from 8x8 on, with any number of classes: `mnist`, with the levels that they need.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 10,000 steps, and
    needs a folder of pictures (the option --data).
    Returns a Conditional. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    return from_folder(mnist(width, shape, classes), steps=10000)


def mirza(width=1.0):
    """The paper's MNIST networks (section 4.1).

    In G a layer of 200 units gets the noise z, and a layer of 1000 units gets the label y. A layer of 1200
    units gets the outputs of these two layers. In D 240 maxout units, each the largest of 5 numbers, get x,
    and 50 such units get y; 240 maxout units of 4 numbers get the outputs of both. These sizes are the
    paper's. The following details differ from the paper, so that a run takes minutes:

    BatchNorm in G; small initial weights of the label keep y from dominating z
    pixels in -1..1, with Tanh as G's last activation
    dropout of 0.3 in D only; the paper has 0.5 in G and in D
    Adam, not SGD with momentum

    Returns a Conditional. width: a factor of the sizes of the hidden layers.
    """
    # units for z, for y and of the hidden layer of G; maxout units for x and for y in D
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


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "mirza": mirza}
