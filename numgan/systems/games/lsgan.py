"""Least squares generative adversarial networks (Mao et al. 2017).

    D descends on  mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2,    G on  mean (D(G(z)) - 1)^2 / 2

A fake can be far from the data although D classifies it as real. The logit of such a fake is far from 1, so
this loss moves the fake back; cross-entropy has almost no gradient there. With targets -1, 1 and 0 the
optimum is a Pearson chi-square divergence (section 3.2). The last layer of D gives a logit, as in the other
systems.
"""

from dataclasses import dataclass

from ...losses import AdversarialLoss, least_squares
from ...optimizers import Adam
from .presets import both, on_digits, on_mnist, on_points
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class LSGAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the least-squares loss."""

    loss: AdversarialLoss = least_squares


def digits(width=1.0):
    """8x8 pictures: three dense layers in G and in D.

    Returns an LSGAN. `width` is a factor of the hidden widths.
    """
    return on_digits(LSGAN, width, both(Adam(2e-4)))


def mnist(width=1.0):
    """28x28 pictures: DCGAN networks.

    Returns an LSGAN. `width` is a factor of the hidden widths.
    """
    return on_mnist(LSGAN, width, both(Adam(2e-4, beta1=0.5)), steps=4690, average=0.999)


def points(width=1.0):
    """Points in the plane: G and D of 128-128.

    Returns an LSGAN. `width` is a factor of the hidden widths.
    """
    return on_points(LSGAN, width, both(Adam(1e-3)))


PRESETS = {"digits": digits, "mnist": mnist, "points": points}
