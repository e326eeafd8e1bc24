"""Least squares generative adversarial networks (Mao et al. 2017).

    D descends on  mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2,    G on  mean (D(G(z)) - 1)^2 / 2

x are real samples, z is noise, and D(x) is the output of D's last layer, without a sigmoid. A fake can be far
from the data although D classifies it as real. The output D(G(z)) for such a fake is far from 1, so this loss
moves the fake back; cross-entropy has almost no gradient there. If the targets are -1 for fakes and 1 for
real samples in D's loss, and 0 in G's loss, the optimum is a Pearson chi-square divergence (section 3.2).
"""

from dataclasses import dataclass

from ...losses import AdversarialLoss, least_squares
from ...optimizers import Adam
from .presets import both, from_folder, on_digits, on_mnist, on_points
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class LSGAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the least-squares loss: D's targets are 1 for real samples and 0 for fakes.

    G's target for D's output on its fakes is 1.
    """

    loss: AdversarialLoss = least_squares


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units, Adam(2e-4).

    Returns an LSGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_digits(LSGAN, width, both(Adam(2e-4)), shape=shape)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: DCGAN networks with 128 and 64 channels, Adam(2e-4, beta1 = 0.5).

    Returns an LSGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_mnist(LSGAN, width, both(Adam(2e-4, beta1=0.5)), steps=4690, average=0.999, shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with two hidden layers of 128 units, Adam(1e-3).

    Returns an LSGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    return on_points(LSGAN, width, both(Adam(1e-3)), shape=shape)


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 10,000 steps, and
    needs a folder of pictures (the option --data).
    Returns an LSGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return from_folder(mnist(width, shape), steps=10000)


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "points": points}
