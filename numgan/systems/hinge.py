"""Spectral normalization for generative adversarial networks (Miyato et al. 2018), with the hinge loss (eq. 16 and 17).

    D descends on  mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))),    G on  -mean D(G(z))

Every weight of D is divided by its largest singular value, so that D cannot be steep, without a penalty and its second pass. The hinge (Lim and
Ye 2017, Tran et al. 2017) leaves alone what is on the right side by a margin of 1. The vectors u and v that the singular value is measured with
are not trained: the training loop moves them on after each update of D (Algorithm 1).
"""

from functools import partial

from ..layers import Flatten, LeakyReLU, Reshape, Sequential, Spectral, Tanh
from ..layers.bilinear import Bilinear
from ..losses import hinge
from ..networks import dcgan_discriminator, dcgan_generator, mlp
from ..optimizers import Adam
from .game import Game
from .system import Latent

SLOPE = 0.1               # of all leaky units in D (Table 3)


def spectral(net):
    """The same Sequential, every product with a weight normalised."""
    return Sequential(*(Spectral(layer) if isinstance(layer, Bilinear) else layer for layer in net.children.values()))


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D."""
    h = max(int(256 * width), 4)
    D = Sequential(Flatten(), *mlp(64, h, h, 1, activation=partial(LeakyReLU, SLOPE)))
    return Game(loss=hinge, latent=Latent(32), sample_shape=(8, 8, 1), data="digits", batch_size=64, steps=6000, average=0.995,
                networks={"G": Sequential(*mlp(32, h, h, 64, last=Tanh), Reshape(8, 8, 1)), "D": spectral(D)},
                optimizers={name: Adam(2e-4, beta1=0.5) for name in ("D", "G")})


def mnist(width=1.0):
    """28x28 pictures: DCGAN's nets, D without BatchNorm, z of 128 and the paper's setting C, Adam(2e-4, beta1 = 0.5) and one update of D each."""
    a, b = max(int(128 * width), 2), max(int(64 * width), 2)
    D = dcgan_discriminator(7, (b, a), 1, kernel=4, norm=False, slope=SLOPE)
    return Game(loss=hinge, latent=Latent(128), sample_shape=(28, 28, 1), data="mnist", batch_size=64, steps=4690, average=0.999,
                networks={"G": dcgan_generator(128, 7, (a, b), 1, kernel=4), "D": spectral(D)},
                optimizers={name: Adam(2e-4, beta1=0.5) for name in ("D", "G")})


def points(width=1.0):
    """Points in the plane: G and D of 128-128."""
    h = max(int(128 * width), 4)
    return Game(loss=hinge, latent=Latent(2), sample_shape=(2,), data="ring", batch_size=256, steps=10000, average=0.999,
                networks={"G": mlp(2, h, h, 2), "D": spectral(mlp(2, h, h, 1, activation=partial(LeakyReLU, SLOPE)))},
                optimizers={name: Adam(1e-3, beta1=0.5) for name in ("D", "G")})


PRESETS = {"digits": digits, "mnist": mnist, "points": points}
