"""Small networks that many presets use, for 8 x 8 images and for points in the plane.

Hidden layers have h units.
"""

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Tanh
from .mlp import mlp


def digit_generator(h):
    """A generator z (N, 32) -> images (N, 8, 8, 1) in -1..1; its Dense layers have the sizes 32-h-h-64."""
    return Sequential(*mlp(32, h, h, 64, last=Tanh), Reshape(8, 8, 1))


def digit_discriminator(h, activation=LeakyReLU):
    """A discriminator: images (N, 8, 8, 1) -> logits (N, 1); its Dense layers have the sizes 64-h-h-1."""
    return Sequential(Flatten(), *mlp(64, h, h, 1, activation=activation))


def plane_generator(h, hidden=2):
    """A generator z (N, 2) -> points (N, 2); `hidden` is the number of hidden layers."""
    return mlp(2, *[h] * hidden, 2)


def plane_discriminator(h, hidden=2, activation=LeakyReLU):
    """A discriminator: points (N, 2) -> logits (N, 1); `hidden` is the number of hidden layers."""
    return mlp(2, *[h] * hidden, 1, activation=activation)
