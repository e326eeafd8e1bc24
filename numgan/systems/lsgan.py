"""Least squares generative adversarial networks (Mao et al. 2017).

    D descends on  mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2,    G on  mean (D(G(z)) - 1)^2 / 2

A sample that D takes for real, but that lies far from the data, has a logit far from 1 and is pulled back; cross-entropy leaves it alone.
With targets -1, 1 and 0 the optimum is a Pearson chi-square divergence (section 3.2). The networks end in a logit, as elsewhere.
"""

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Tanh
from ..losses import least_squares
from ..networks import dcgan_discriminator, dcgan_generator, mlp
from ..optimizers import Adam
from .game import Game
from .system import Latent


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D."""
    h = max(int(256 * width), 4)
    return Game(loss=least_squares, latent=Latent(32), sample_shape=(8, 8, 1), data="digits", batch_size=64, steps=6000, average=0.995,
                networks={"G": Sequential(*mlp(32, h, h, 64, last=Tanh), Reshape(8, 8, 1)),
                          "D": Sequential(Flatten(), *mlp(64, h, h, 1, activation=LeakyReLU))},
                optimizers={"D": Adam(2e-4), "G": Adam(2e-4)})


def mnist(width=1.0):
    """28x28 pictures: DCGAN nets."""
    a, b = max(int(128 * width), 2), max(int(64 * width), 2)
    return Game(loss=least_squares, latent=Latent(100), sample_shape=(28, 28, 1), data="mnist", batch_size=64, steps=4690, average=0.999,
                networks={"G": dcgan_generator(100, 7, (a, b), 1, kernel=4), "D": dcgan_discriminator(7, (b, a), 1, kernel=4)},
                optimizers={"D": Adam(2e-4, beta1=0.5), "G": Adam(2e-4, beta1=0.5)})


def points(width=1.0):
    """Points in the plane: G and D of 128-128."""
    h = max(int(128 * width), 4)
    return Game(loss=least_squares, latent=Latent(2), sample_shape=(2,), data="ring", batch_size=256, steps=10000, average=0.999,
                networks={"G": mlp(2, h, h, 2), "D": mlp(2, h, h, 1, activation=LeakyReLU)},
                optimizers={"D": Adam(1e-3), "G": Adam(1e-3)})


PRESETS = {"digits": digits, "mnist": mnist, "points": points}
