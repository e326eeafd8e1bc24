"""Which training methods for GANs do actually converge? (Mescheder et al. 2018): R1.

R1 is the zero-centred gradient penalty on real samples.

    D descends on  -mean log D(x) - mean log(1 - D(G(z))) + gamma/2 mean |grad y(x)|^2

    y(x) is D's logit, D(x) = sigmoid(y(x)), and gamma is the penalty's weight

x are real samples, z is noise. At an equilibrium the fakes are distributed like the data, and D is flat at
the data. R1 requires only this flatness. With R1 training converges if it starts near the equilibrium.
Training may circle around the equilibrium without a penalty, with clipping, or with a penalty that requires
gradients of norm 1 (section 3). `numgan study dirac` shows this.
"""

from dataclasses import dataclass

from ...optimizers import Adam, RMSProp
from ...remedies.penalties import R1Penalty
from .presets import both, on_digits, on_points
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class R1GAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the remedy R1Penalty and the paper's gamma for pictures, 10."""

    remedies: tuple = (R1Penalty(gamma=10.0),)


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; gamma is 1; RMSProp, as in the paper.

    gamma is the weight of the penalty gamma/2 mean |grad D|^2 on real samples; the learning rate is 2e-4.
    Returns an R1GAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_digits(R1GAN, width, both(RMSProp(2e-4)), remedies=(R1Penalty(gamma=1.0),), shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: three hidden layers of 128 units; gamma 0.01, the penalty in every eighth step.

    gamma is the weight of the penalty gamma/2 mean |grad D|^2 on real samples. In the eighth steps it is
    multiplied by 8. The optimisers are Adam(1e-3, beta1 = 0, beta2 = 0.99).
    Returns an R1GAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    penalty = R1Penalty(gamma=0.01, every=8)
    adam = Adam(1e-3, beta1=0.0, beta2=0.99)
    return on_points(R1GAN, width, both(adam), depth=3, remedies=(penalty,), shape=shape)


PRESETS = {"digits": digits, "points": points}
