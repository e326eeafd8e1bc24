"""Spectral normalization for generative adversarial networks (Miyato et al. 2018).

The adversarial loss is the hinge loss (eq. 16 and 17):

    D descends on  mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))),    G on  -mean D(G(z))

Every weight of D is divided by its largest singular value, so D cannot be steep; no penalty and no second
pass are needed. The hinge loss (Lim and Ye 2017, Tran et al. 2017) is zero for samples on the right side by a
margin of 1. The vectors u and v, which estimate the singular value, are not trained: the training loop does
one power iteration after each update of D (Algorithm 1).
"""

from dataclasses import dataclass
from functools import partial

from ...layers import LeakyReLU, Sequential, Spectral
from ...layers.bilinear import Bilinear
from ...losses import AdversarialLoss, hinge
from ...networks import (
    dcgan_discriminator,
    dcgan_generator,
    digit_discriminator,
    digit_generator,
    plane_discriminator,
    plane_generator,
)
from ...optimizers import Adam
from ..system import Latent
from .two_player import TwoPlayerGAN

SLOPE = 0.1  # of every LeakyReLU in D (Table 3)


@dataclass(frozen=True, kw_only=True, repr=False)
class HingeGAN(TwoPlayerGAN):
    """Networks as in TwoPlayerGAN; every dense or convolutional layer of D is wrapped in Spectral."""

    loss: AdversarialLoss = hinge


def spectral(net):
    """The same Sequential with every dense or convolutional layer wrapped in Spectral."""
    return Sequential(
        *(Spectral(layer) if isinstance(layer, Bilinear) else layer for layer in net.children.values())
    )


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D."""
    h = max(int(256 * width), 4)
    D = digit_discriminator(h, partial(LeakyReLU, SLOPE))
    return HingeGAN(
        latent=Latent(32),
        sample_shape=(8, 8, 1),
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        networks={"G": digit_generator(h), "D": spectral(D)},
        optimizers={name: Adam(2e-4, beta1=0.5) for name in ("D", "G")},
    )


def mnist(width=1.0):
    """28x28 pictures: DCGAN networks, D without BatchNorm, z of 128.

    The paper's setting C: Adam(2e-4, beta1 = 0.5) and one discriminator step before each generator step.
    """
    a, b = max(int(128 * width), 2), max(int(64 * width), 2)
    D = dcgan_discriminator(7, (b, a), 1, kernel=4, norm=False, slope=SLOPE)
    return HingeGAN(
        latent=Latent(128),
        sample_shape=(28, 28, 1),
        data="mnist",
        batch_size=64,
        steps=4690,
        average=0.999,
        networks={"G": dcgan_generator(128, 7, (a, b), 1, kernel=4), "D": spectral(D)},
        optimizers={name: Adam(2e-4, beta1=0.5) for name in ("D", "G")},
    )


def points(width=1.0):
    """Points in the plane: G and D of 128-128."""
    h = max(int(128 * width), 4)
    return HingeGAN(
        latent=Latent(2),
        sample_shape=(2,),
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        networks={
            "G": plane_generator(h),
            "D": spectral(plane_discriminator(h, activation=partial(LeakyReLU, SLOPE))),
        },
        optimizers={name: Adam(1e-3, beta1=0.5) for name in ("D", "G")},
    )


PRESETS = {"digits": digits, "mnist": mnist, "points": points}
