"""Least squares generative adversarial networks (Mao et al. 2017).

    D descends on  mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2,    G on  mean (D(G(z)) - 1)^2 / 2

A fake can lie on the real side of D's boundary and far from the data. Its logit is far from 1, so this loss
pulls it back; cross-entropy has almost no gradient there. With targets -1, 1 and 0 the optimum is a Pearson
chi-square divergence (section 3.2). The last layer of D gives a logit, as in the other systems.
"""

from dataclasses import dataclass

from ...losses import AdversarialLoss, least_squares
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


@dataclass(frozen=True, kw_only=True, repr=False)
class LSGAN(TwoPlayerGAN):
    """Networks as in TwoPlayerGAN."""

    loss: AdversarialLoss = least_squares


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D."""
    h = max(int(256 * width), 4)
    return LSGAN(
        latent=Latent(32),
        sample_shape=(8, 8, 1),
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        networks={"G": digit_generator(h), "D": digit_discriminator(h)},
        optimizers={"D": Adam(2e-4), "G": Adam(2e-4)},
    )


def mnist(width=1.0):
    """28x28 pictures: DCGAN networks."""
    a, b = max(int(128 * width), 2), max(int(64 * width), 2)
    return LSGAN(
        latent=Latent(100),
        sample_shape=(28, 28, 1),
        data="mnist",
        batch_size=64,
        steps=4690,
        average=0.999,
        networks={
            "G": dcgan_generator(100, 7, (a, b), 1, kernel=4),
            "D": dcgan_discriminator(7, (b, a), 1, kernel=4),
        },
        optimizers={"D": Adam(2e-4, beta1=0.5), "G": Adam(2e-4, beta1=0.5)},
    )


def points(width=1.0):
    """Points in the plane: G and D of 128-128."""
    h = max(int(128 * width), 4)
    return LSGAN(
        latent=Latent(2),
        sample_shape=(2,),
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        networks={"G": plane_generator(h), "D": plane_discriminator(h)},
        optimizers={"D": Adam(1e-3), "G": Adam(1e-3)},
    )


PRESETS = {"digits": digits, "mnist": mnist, "points": points}
