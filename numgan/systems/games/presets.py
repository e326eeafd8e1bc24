"""What the presets of many games have in common: the data and the sizes of the networks.

A preset calls one of these functions with its game (a class), its optimisers and the fields that differ:
`on_digits(WGAN, width, both(RMSProp(5e-4)), steps=3000)`. In all functions these arguments are the same:

game         a class of games, such as WGAN; the function returns an object of this class
width        a factor of the hidden widths
optimizers   {"D": optimiser, "G": optimiser}
changes      {field: value}, fields of the game that differ from the common ones
"""

from ...layers import LeakyReLU
from ...networks import (
    dcgan_discriminator,
    dcgan_generator,
    digit_discriminator,
    digit_generator,
    plane_discriminator,
    plane_generator,
)
from ..system import Latent


def both(optimizer):
    """{"D": optimizer, "G": a copy of it}: equal optimisers for D and G.

    They are two objects, so that a profile can distinguish the two.
    """
    return {"D": optimizer, "G": optimizer.changed()}


def on_digits(game, width, optimizers, activation=LeakyReLU, **changes):
    """A game of the class `game` for 8x8 pictures: G and D with two hidden layers of 256 * width units.

    optimizers    {"D": optimiser, "G": optimiser}
    activation    the activation of the hidden layers of D
    changes       fields of the game that differ from the common ones
    """
    h = max(int(256 * width), 4)
    common = dict(
        latent=Latent(32),
        sample_shape=(8, 8, 1),
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        networks={"G": digit_generator(h), "D": digit_discriminator(h, activation)},
    )
    return game(optimizers=optimizers, **common | changes)


def on_points(game, width, optimizers, depth=2, activation=LeakyReLU, **changes):
    """A game of the class `game` for points in the plane, with dense networks.

    G and D have `depth` hidden layers of 128 * width units each.

    optimizers    {"D": optimiser, "G": optimiser}
    activation    the activation of the hidden layers of D
    changes       fields of the game that differ from the common ones
    """
    h = max(int(128 * width), 4)
    common = dict(
        latent=Latent(2),
        sample_shape=(2,),
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        networks={"G": plane_generator(h, depth), "D": plane_discriminator(h, depth, activation)},
    )
    return game(optimizers=optimizers, **common | changes)


def on_mnist(game, width, optimizers, latent=100, D=None, **changes):
    """A game of the class `game` for 28x28 pictures, with DCGAN networks.

    The networks have 128 * width and 64 * width channels.

    optimizers  {"D": optimiser, "G": optimiser}
    latent      the number of entries of z
    D           {name: value}, further arguments of `dcgan_discriminator`; None: no further arguments
    changes     fields of the game that differ from the common ones
    """
    a, b = max(int(128 * width), 2), max(int(64 * width), 2)
    common = dict(
        latent=Latent(latent),
        sample_shape=(28, 28, 1),
        data="mnist",
        batch_size=64,
        networks={
            "G": dcgan_generator(latent, 7, (a, b), 1, kernel=4),
            "D": dcgan_discriminator(7, (b, a), 1, kernel=4, **(D or {})),
        },
    )
    return game(optimizers=optimizers, **common | changes)
