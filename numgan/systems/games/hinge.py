"""Spectral normalization for generative adversarial networks (Miyato et al. 2018).

The adversarial loss is the hinge loss (eq. 16 and 17):

    D descends on  mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))),    G on  -mean D(G(z))

D(x) is the output of D's last layer, without a sigmoid. Every weight matrix of D is divided by its largest
singular value, so D cannot be steep. No penalty and no second pass are needed. The hinge loss (Lim and Ye
2017, Tran et al. 2017) is zero for samples that D classifies correctly by a margin of 1. The vectors u and v,
which estimate the singular value, are not trained: the training loop does one power iteration after each
update of D (Algorithm 1).
"""

from dataclasses import dataclass
from functools import partial

from ...layers import LeakyReLU, Sequential, Spectral
from ...layers.bilinear import Bilinear
from ...losses import AdversarialLoss, hinge
from ...optimizers import Adam
from .presets import both, from_folder, on_digits, on_mnist, on_points
from .two_player import TwoPlayerGAN

SLOPE = 0.1  # of every LeakyReLU in D (Table 3)
ACTIVATION = partial(LeakyReLU, SLOPE)


@dataclass(frozen=True, kw_only=True, repr=False)
class HingeGAN(TwoPlayerGAN):
    """A TwoPlayerGAN with the hinge loss, for D mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))).

    The presets wrap every dense or convolutional layer of D in Spectral, which divides its weight matrix by
    the largest singular value.
    """

    loss: AdversarialLoss = hinge


def wrapped(net, wrapper):
    """A Sequential with the layers of `net`, in which wrapper(layer) replaces some of the layers.

    The replaced layers are the dense and the convolutional ones. `wrapper` is a function of a layer that
    returns a layer, such as Spectral.
    """
    return Sequential(
        *(wrapper(layer) if isinstance(layer, Bilinear) else layer for layer in net.children.values())
    )


def normalized(game):
    """A copy of the game in which every dense or convolutional layer of D is wrapped in Spectral.

    Spectral divides the weight matrix of the layer by its largest singular value. game: a game whose D is a
    Sequential.
    """
    return game.with_networks(D=wrapped(game.networks["D"], Spectral))


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; D with spectral normalization.

    Returns a HingeGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of
    a picture, which the networks follow.
    """
    return normalized(on_digits(HingeGAN, width, both(Adam(2e-4, beta1=0.5)), ACTIVATION, shape=shape))


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: DCGAN networks, D with spectral normalization and no BatchNorm; z has 128 entries.

    The paper's setting C: Adam(2e-4, beta1 = 0.5) and one discriminator step before each generator step.
    Returns a HingeGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of
    a picture, which the networks follow.
    """
    D = {"norm": False, "slope": SLOPE}
    rule = Adam(2e-4, beta1=0.5)
    return normalized(on_mnist(HingeGAN, width, both(rule), 128, D, steps=4690, average=0.999, shape=shape))


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with two hidden layers of 128 units; D with spectral normalization.

    Returns a HingeGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which
    the networks follow.
    """
    rule = Adam(1e-3, beta1=0.5)
    return normalized(on_points(HingeGAN, width, both(rule), activation=ACTIVATION, shape=shape))


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 10,000 steps, and
    needs a folder of pictures (the option --data).
    Returns a HingeGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of
    a picture, which the networks follow.
    """
    return from_folder(mnist(width, shape), steps=10000)


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "points": points}
