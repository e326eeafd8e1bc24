"""PacGAN: the power of two samples in generative adversarial networks (Lin et al. 2018).

    D judges m samples at once, all real or all fake:
    D descends on  -mean log D(x_1, ..., x_m) - mean log(1 - D(G(z_1), ..., G(z_m)))

Such a group of m samples is a pack. A pack from a collapsed generator lacks variety, and D can detect this.
Only D's first layer changes: its input is m times as wide (`Pack`). Loss and optimiser are those of a GAN
without packs. A batch has m times as many samples as without packs, so D returns as many logits.
"""

from dataclasses import dataclass
from math import prod

from ...layers import BatchNorm, Dense, Flatten, LeakyReLU, Maxout, Pack, ReLU, Sequential
from ...layers.initializers import normal
from ...networks import mlp
from ...networks.small import plane_latent
from ...optimizers import Adam
from ..system import Latent
from .presets import both, on_digits
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class PacGAN(TwoPlayerGAN):
    """A TwoPlayerGAN whose D judges packs. G: z (N, Z) -> x. D's first layer is Pack(m).

    D: x (N, ...) -> logit (N / m, 1), one logit for each pack of m samples.
    """

    @property
    def packed(self):
        """The number of samples that D judges together: m of D's first layer."""
        pack, *_ = self.networks["D"]
        return pack.m


def points(width=1.0, shape=(2,), m=2):
    """Points in the plane in packs of m samples, as in section 4.1 of the paper: Adam(1e-4, beta1 = 0.8).

    m is the number of samples in a pack; a batch has 100 m samples. G has four hidden layers of 400 units
    with BatchNorm. D has three hidden layers of 200 maxout units; each unit is the largest of 5 numbers.
    Returns a PacGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    # h, d: the units of a hidden layer of G and of D
    h, d, init = max(int(400 * width), 4), max(int(200 * width), 2), normal(0.02)
    (n,) = shape
    z = plane_latent(n)
    hidden = [
        layer for inputs in (z, h, h, h) for layer in (Dense(inputs, h, init=init), BatchNorm(h), ReLU())
    ]
    pieces = [layer for inputs in (n * m, d, d) for layer in (Dense(inputs, 5 * d, init=init), Maxout(5))]
    return PacGAN(
        latent=Latent(z),
        sample_shape=shape,
        data="ring",
        batch_size=100 * m,
        steps=40000,
        networks={
            "G": Sequential(*hidden, Dense(h, n, init=init)),
            "D": Sequential(Pack(m), *pieces, Dense(d, 1, init=init)),
        },
        optimizers=both(Adam(1e-4, beta1=0.8)),
    )


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures in packs of two: G and D with two hidden dense layers of 256 units, Adam(2e-4).

    Returns a PacGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    h = max(int(256 * width), 4)
    D = Sequential(Pack(2), Flatten(), *mlp(2 * prod(shape), h, h, 1, activation=LeakyReLU))
    return on_digits(PacGAN, width, both(Adam(2e-4)), batch_size=128, shape=shape).with_networks(D=D)


def pac4(width=1.0, shape=(2,)):
    """`points` with packs of four samples.

    Returns a PacGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    return points(width, shape, m=4)


PRESETS = {"points": points, "pac4": pac4, "digits": digits}
