"""Stabilizing training of GANs through regularization (Roth et al. 2017), Algorithm 1.

    D descends on  -mean log D(x) - mean log(1 - D(G(z)))
                   + gamma/2 [ mean (1 - D(x))^2 |grad y(x)|^2 + mean D(G(z))^2 |grad y(G(z))|^2 ]

with y the logit and D = sigmoid(y). The penalty is the effect of small noise on all samples on the loss,
computed without noise; gamma is the variance of that noise. If the supports do not overlap, noise of some
width makes the divergence finite. Gamma decreases to a small value during training.
"""

from dataclasses import dataclass

from ...networks import digit_discriminator, digit_generator, plane_discriminator, plane_generator
from ...optimizers import Adam
from ...optimizers.schedules import Exponential
from ...remedies.penalties import RothPenalty
from ..system import Latent
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class RothGAN(TwoPlayerGAN):
    """Networks as in TwoPlayerGAN; the penalty is a remedy."""

    remedies: tuple = (RothPenalty(gamma=2.0),)


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D; gamma falls from 2 to 0.01."""
    h = max(int(256 * width), 4)
    return RothGAN(
        latent=Latent(32),
        sample_shape=(8, 8, 1),
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        remedies=(RothPenalty(Exponential(2.0, 0.005 ** (1 / 6000), 0.01)),),
        networks={"G": digit_generator(h), "D": digit_discriminator(h)},
        optimizers={"D": Adam(2e-4), "G": Adam(2e-4)},
    )


def points(width=1.0):
    """Points in the plane: G and D of three layers of 128; gamma falls from 0.1 to 0.0001 for thin modes."""
    h = max(int(128 * width), 4)
    return RothGAN(
        latent=Latent(2),
        sample_shape=(2,),
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        remedies=(RothPenalty(Exponential(0.1, 0.001 ** (1 / 10000), 1e-4)),),
        networks={"G": plane_generator(h, 3), "D": plane_discriminator(h, 3)},
        optimizers={"D": Adam(1e-3), "G": Adam(1e-3)},
    )


PRESETS = {"digits": digits, "points": points}
