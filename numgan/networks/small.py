"""Small networks that many presets use, for pictures of a few pixels and for rows of numbers.

Each is made of Dense layers. Hidden layers have h units.
"""

from math import prod

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Tanh
from .mlp import mlp


def digit_generator(h, shape=(8, 8, 1)):
    """A generator z (N, 32) -> images (N, *shape) in -1..1, with two hidden layers of h units and ReLU.

    It is a Sequential. The sizes of its Dense layers are 32, h, h and the number of entries of an image. The
    last activation is Tanh. The default shape is (8, 8, 1).
    """
    return Sequential(*mlp(32, h, h, prod(shape), last=Tanh), Reshape(shape))


def digit_discriminator(h, activation=LeakyReLU, shape=(8, 8, 1)):
    """A discriminator: images (N, *shape) -> logits (N, 1), with two hidden layers of h units.

    It is a Sequential. The sizes of its Dense layers are the number of entries of an image, h, h, 1.
    `activation` is the class of the activations between them, LeakyReLU by default. The default shape is (8,
    8, 1).
    """
    return Sequential(Flatten(), *mlp(prod(shape), h, h, 1, activation=activation))


def plane_latent(features):
    """The number of entries of the noise z for rows of `features` numbers: as many, but at least 2."""
    return max(2, features)


def plane_generator(h, hidden=2, features=2):
    """A generator z (N, Z) -> rows (N, features), with `hidden` hidden layers of h units and ReLU.

    It is a Sequential of Dense layers. Z is `features`, but at least 2. The default is two hidden layers and
    rows of 2 numbers, which are points in the plane.
    """
    return mlp(plane_latent(features), *[h] * hidden, features)


def plane_discriminator(h, hidden=2, activation=LeakyReLU, features=2):
    """A discriminator: rows (N, features) -> logits (N, 1), with `hidden` hidden layers of h units.

    It is a Sequential. `activation` is the class of the activations between the Dense layers, LeakyReLU by
    default. The default is two hidden layers and rows of 2 numbers, which are points in the plane.
    """
    return mlp(features, *[h] * hidden, 1, activation=activation)
