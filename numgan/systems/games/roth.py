"""Stabilizing training of GANs through regularization (Roth et al. 2017), Algorithm 1.

    D descends on  -mean log D(x) - mean log(1 - D(G(z)))
                   + gamma/2 [ mean (1 - D(x))^2 |grad y(x)|^2 + mean D(G(z))^2 |grad y(G(z))|^2 ]

y(x) is D's logit and D(x) = sigmoid(y(x)). x are real samples, z is noise, gamma is the penalty's weight.
Small noise of variance gamma on all samples would change the loss by about this penalty. The penalty itself
is computed without noise. Such noise makes the divergence of two distributions finite even if their supports
do not overlap. In the presets gamma decreases to a small value during training.
"""

from dataclasses import dataclass

from ...optimizers import Adam
from ...optimizers.schedules import Exponential
from ...remedies.penalties import RothPenalty
from .presets import both, on_digits, on_points
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class RothGAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the remedy RothPenalty. By default the penalty's weight gamma is 2 in all steps."""

    remedies: tuple = (RothPenalty(gamma=2.0),)


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; gamma falls from 2 to 0.01.

    gamma is the weight of the penalty. It falls exponentially in 6000 steps; the optimisers are Adam(2e-4).
    Returns a RothGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of
    a picture, which the networks follow.
    """
    # gamma(step) = max(0.01, 2 * 0.005^(step / 6000))
    penalty = RothPenalty(gamma=Exponential(2.0, 0.005 ** (1 / 6000), 0.01))
    return on_digits(RothGAN, width, both(Adam(2e-4)), remedies=(penalty,), shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units; gamma falls from 0.1 to 0.0001.

    gamma is the weight of the penalty. It falls exponentially in 10,000 steps. gamma is the variance of the
    noise that the penalty stands for (see the module), so narrow modes need a smaller gamma than pictures.
    Returns a RothGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which
    the networks follow.
    """
    # gamma(step) = max(0.0001, 0.1 * 0.001^(step / 10000))
    penalty = RothPenalty(gamma=Exponential(0.1, 0.001 ** (1 / 10000), 1e-4))
    return on_points(RothGAN, width, both(Adam(1e-3)), depth=3, remedies=(penalty,), shape=shape)


PRESETS = {"digits": digits, "points": points}
