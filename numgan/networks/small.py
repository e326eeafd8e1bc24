"""Small networks that many presets use, for 8 x 8 images and for points in the plane.

Each is made of Dense layers. Hidden layers have h units.
"""

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Tanh
from .mlp import mlp


def digit_generator(h):
    """A generator z (N, 32) -> images (N, 8, 8, 1) in -1..1, with two hidden layers of h units and ReLU.

    The sizes of its Dense layers are 32, h, h, 64. The last activation is Tanh.
    """
    return Sequential(*mlp(32, h, h, 64, last=Tanh), Reshape(8, 8, 1))


def digit_discriminator(h, activation=LeakyReLU):
    """A discriminator: images (N, 8, 8, 1) -> logits (N, 1), with two hidden layers of h units.

    The sizes of its Dense layers are 64, h, h, 1. `activation` is the class of the activations between them.
    """
    return Sequential(Flatten(), *mlp(64, h, h, 1, activation=activation))


def plane_generator(h, hidden=2):
    """A generator z (N, 2) -> points (N, 2), with `hidden` hidden layers of h units and ReLU."""
    return mlp(2, *[h] * hidden, 2)


def plane_discriminator(h, hidden=2, activation=LeakyReLU):
    """A discriminator: points (N, 2) -> logits (N, 1), with `hidden` hidden layers of h units.

    `activation` is the class of the activations between the Dense layers.
    """
    return mlp(2, *[h] * hidden, 1, activation=activation)
