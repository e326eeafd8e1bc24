"""The common parts of the presets of many games: the data and the sizes of the networks.

A preset calls one of these functions with its game (a class), its optimisers and the fields that differ:
`on_digits(WGAN, width, both(RMSProp(5e-4)), steps=3000)`. In all functions these arguments are the same:

game         a class of games, such as WGAN; the function returns an object of this class
width        a factor of the hidden widths
optimizers   {"D": optimiser, "G": optimiser}
shape        the shape of one sample. The sizes of the networks follow it
changes      {field: value}, fields of the game that differ from the common ones

The preset `pictures` of a game is `from_folder` of its preset for MNIST.
"""

from dataclasses import replace

from ...layers import LeakyReLU
from ...networks import (
    dcgan_discriminator,
    dcgan_generator,
    digit_discriminator,
    digit_generator,
    plane_discriminator,
    plane_generator,
)
from ...networks.sizes import channels_of, levels_of
from ...networks.small import plane_latent
from ..system import Latent

FOLDER = "a folder of images"  # the `data` of presets without a data set of their own


def both(optimizer):
    """{"D": optimizer, "G": a copy of it}: equal optimisers for D and G, from one Optimizer.

    They are two objects, so that a profile can distinguish the two.
    """
    return {"D": optimizer, "G": optimizer.changed()}


def on_digits(game, width, optimizers, activation=LeakyReLU, shape=(8, 8, 1), **changes):
    """A game of the class `game` for pictures: G and D with two hidden dense layers of 256 * width units.

    width         factor of the number of units; at least 4 units remain
    optimizers    {"D": optimiser, "G": optimiser}
    activation    the layer's class of the activation of the hidden layers of D
    shape         (height, width, channels) of a picture, of any size
    changes       {field: value}, fields of the game that differ from the common ones

    The common ones: z has 32 entries, the data are digits, batches have 64 samples, training takes 6000
    steps, and the moving average has the decay 0.995.
    """
    h = max(int(256 * width), 4)
    common = dict(
        latent=Latent(32),
        sample_shape=shape,
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        networks={"G": digit_generator(h, shape), "D": digit_discriminator(h, activation, shape)},
    )
    return game(optimizers=optimizers, **common | changes)


def on_points(game, width, optimizers, depth=2, activation=LeakyReLU, shape=(2,), **changes):
    """A game of the class `game` for points in the plane or longer rows of numbers, with dense networks.

    G and D have `depth` hidden layers of 128 * width units each, but at least 4.

    optimizers    {"D": optimiser, "G": optimiser}
    activation    the layer's class of the activation of the hidden layers of D
    shape         (the number of entries of a row,)
    changes       {field: value}, fields of the game that differ from the common ones

    The common ones: z has as many entries as a row, but at least 2; the data are ring; batches have 256
    samples; training takes 10,000 steps; the moving average has the decay 0.999.
    """
    h = max(int(128 * width), 4)
    (features,) = shape
    common = dict(
        latent=Latent(plane_latent(features)),
        sample_shape=shape,
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        networks={
            "G": plane_generator(h, depth, features),
            "D": plane_discriminator(h, depth, activation, features),
        },
    )
    return game(optimizers=optimizers, **common | changes)


def on_mnist(game, width, optimizers, latent=100, D=None, shape=(28, 28, 1), **changes):
    """A game of the class `game` for 28x28 or other pictures, with DCGAN networks with 4x4 kernels.

    The smallest feature map has 64 * width channels for each level, and a further level halves the number:
    128 and 64 for 28x28, and 256, 128, 64 and 32 for 64x64.

    optimizers  {"D": optimiser, "G": optimiser}
    latent      the number of entries of z
    D           {name: value}, further arguments of `dcgan_discriminator`; None: no further arguments
    shape       (height, width, channels) of a picture, of a size that `levels_of` knows
    changes     {field: value}, fields of the game that differ from the common ones

    The common ones: the data are mnist, batches have 64 samples. Raises ValueError for another size.
    """
    *size, colours = shape
    start, levels = levels_of(size)
    channels = channels_of(levels, 64, width)
    common = dict(
        latent=Latent(latent),
        sample_shape=shape,
        data="mnist",
        batch_size=64,
        networks={
            "G": dcgan_generator(latent, start, channels, colours, kernel=4),
            "D": dcgan_discriminator(start, channels[::-1], colours, kernel=4, **(D or {})),
        },
    )
    return game(optimizers=optimizers, **common | changes)


def from_folder(game, steps):
    """A copy of `game`, a game for pictures, that has no data set of its own and takes `steps` steps.

    Training then needs the option --data, with a folder of pictures.
    """
    return replace(game, data=FOLDER, steps=steps)
