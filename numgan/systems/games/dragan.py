"""On convergence and stability of GANs (Kodali et al. 2017): DRAGAN.

    D descends on  -mean log D(x) - mean log(1 - D(G(z))) + lambda mean (|grad D(x + d)| - 1)^2

    d = std(x) u / 2,  u ~ U(0, 1) for each entry of x

x are real samples, z is noise, std(x) is the standard deviation over all entries of the batch, and lambda is
the penalty's weight. Mode collapse comes with sharp gradients of D around real samples. So the penalty
requires gradients of norm 1 around real samples, and nowhere else. The penalty uses no fakes. The loss
without the penalty, and its equilibrium, are those of the first GAN.
"""

from dataclasses import dataclass

from ...optimizers import Adam
from ...remedies.penalties import DRAGANPenalty, GradientPenalty
from .presets import both, on_digits, on_points
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class DRAGAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the DRAGAN penalty of weight lambda = 10, as in the authors' code.

    D should have no BatchNorm, because the penalty takes the norm of the gradient of one sample.
    """

    remedies: tuple = (DRAGANPenalty(GradientPenalty(10.0)),)


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units. The penalty's weight is 10.

    Both optimisers are Adam(2e-4).
    The penalty is 10 mean (|grad D| - 1)^2 at random points around real samples.
    Returns a DRAGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_digits(DRAGAN, width, both(Adam(2e-4)), shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units. The penalty's weight is 0.1.

    The penalty is 0.1 mean (|grad D| - 1)^2 at random points around real samples. The optimiser is
    Adam(1e-3). Returns a DRAGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a
    row,), which the networks follow.
    """
    penalty = DRAGANPenalty(GradientPenalty(0.1))
    return on_points(DRAGAN, width, both(Adam(1e-3)), depth=3, remedies=(penalty,), shape=shape)


PRESETS = {"digits": digits, "points": points}
