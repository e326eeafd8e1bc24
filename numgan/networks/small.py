"""The small networks that many presets share: for 8x8 pictures and for points in the plane, with hidden layers of h units."""

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Tanh
from .mlp import mlp


def digit_generator(h):
    """z (N, 32) -> pictures (N, 8, 8, 1) in -1..1: 32-h-h-64."""
    return Sequential(*mlp(32, h, h, 64, last=Tanh), Reshape(8, 8, 1))


def digit_discriminator(h, activation=LeakyReLU):
    """Pictures (N, 8, 8, 1) -> logits (N, 1): 64-h-h-1."""
    return Sequential(Flatten(), *mlp(64, h, h, 1, activation=activation))


def plane_generator(h, hidden=2):
    """z (N, 2) -> points (N, 2), with so many hidden layers."""
    return mlp(2, *[h] * hidden, 2)


def plane_discriminator(h, hidden=2, activation=LeakyReLU):
    """Points (N, 2) -> logits (N, 1), with so many hidden layers."""
    return mlp(2, *[h] * hidden, 1, activation=activation)
