"""On convergence and stability of GANs (Kodali et al. 2017): DRAGAN.

    D descends on  -mean log D(x) - mean log(1 - D(G(z))) + lambda mean (|grad D(x + d)| - 1)^2

    d = std(x) u / 2,  u ~ U(0, 1)

Mode collapse comes with sharp gradients of D around real samples, so the penalty requires gradients of norm 1
there, and nowhere else. The loss and its equilibrium are those of the GAN; the penalty uses no fake samples.
"""

from dataclasses import dataclass

from ...networks import digit_discriminator, digit_generator, plane_discriminator, plane_generator
from ...optimizers import Adam
from ...remedies.penalties import DRAGANPenalty, GradientPenalty
from ..system import Latent
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class DRAGAN(TwoPlayerGAN):
    """Networks as in TwoPlayerGAN; D has no BatchNorm, because the norm belongs to one sample.

    The authors' lambda is 10.
    """

    remedies: tuple = (DRAGANPenalty(GradientPenalty(10.0)),)


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D."""
    h = max(int(256 * width), 4)
    return DRAGAN(
        latent=Latent(32),
        sample_shape=(8, 8, 1),
        data="digits",
        batch_size=64,
        steps=6000,
        average=0.995,
        networks={"G": digit_generator(h), "D": digit_discriminator(h)},
        optimizers={"D": Adam(2e-4), "G": Adam(2e-4)},
    )


def points(width=1.0):
    """Points in the plane: G and D of three layers of 128, a smaller lambda."""
    h = max(int(128 * width), 4)
    return DRAGAN(
        latent=Latent(2),
        sample_shape=(2,),
        data="ring",
        batch_size=256,
        steps=10000,
        average=0.999,
        remedies=(DRAGANPenalty(GradientPenalty(0.1)),),
        networks={"G": plane_generator(h, 3), "D": plane_discriminator(h, 3)},
        optimizers={"D": Adam(1e-3), "G": Adam(1e-3)},
    )


PRESETS = {"digits": digits, "points": points}
