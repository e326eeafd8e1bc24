"""Unsupervised representation learning with deep convolutional GANs (Radford et al. 2016).

The objectives are those of the GAN of 2014 with the nonsaturating loss. The paper adds convolutional networks
that can be trained with these objectives (see `numgan.networks.dcgan` for the guidelines) and
Adam(2e-4, beta1 = 0.5). Real and fake batches pass through D separately, because BatchNorm would mix them.
In each step D and G use the same fakes, as published DCGAN programs do.
"""

from dataclasses import dataclass

from ...networks import dcgan_discriminator, dcgan_generator, pooling_discriminator
from ...networks.sizes import channels_of, levels_of
from ...optimizers import Adam
from ..system import Latent
from .presets import FOLDER, both, from_folder, on_mnist
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class DCGAN(TwoPlayerGAN):
    """A game of two networks. G: z (N, Z) -> pictures with values in -1..1. D: pictures -> logits (N, 1).

    D and G use the same fakes in each step.
    """

    shares_fakes: bool = True


def _of_64x64(latent, channels, kernel, width, **settings):
    """A DCGAN for colour pictures of 64x64 pixels whose D has the channels of G in reverse order.

    latent      the Latent, the prior of z
    channels    numbers of channels of G's four feature maps, from 4x4 to 32x32
    kernel      height and width of the kernels of the convolutions
    width       factor of all numbers in `channels`; at least 2 channels remain
    settings    further fields of the DCGAN, {name: value}

    Both optimisers are Adam(2e-4, beta1 = 0.5). Training takes 20,000 steps, and needs a folder of pictures.
    """
    channels = [max(int(c * width), 2) for c in channels]
    return DCGAN(
        latent=latent,
        sample_shape=(64, 64, 3),
        data=FOLDER,
        steps=20000,
        networks={
            "G": dcgan_generator(latent.size, 4, channels, 3, kernel),
            "D": dcgan_discriminator(4, channels[::-1], 3, kernel),
        },
        optimizers=both(Adam(2e-4, beta1=0.5)),
        **settings,
    )


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G is 32 -> 2x2x128 -> 4x4x64 -> 8x8x1; D has these sizes in reverse order.

    Returns a DCGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    adam, changes = both(Adam(2e-4, beta1=0.5)), {"data": "digits", "steps": 4000, "average": 0.995}
    return on_mnist(DCGAN, width, adam, latent=32, shape=shape, **changes)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: G is 100 -> 7x7x128 -> 14x14x64 -> 28x28x1; the kernels of the convolutions are 4x4.

    D has these sizes in reverse order.
    Returns a DCGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_mnist(DCGAN, width, both(Adam(2e-4, beta1=0.5)), steps=2814, average=0.995, shape=shape)


def paper(width=1.0):
    """64x64 colour pictures, the paper's generator: convolutions with 5x5 kernels, batches of 128, uniform z.

    G is 100 -> 4x4x1024 -> 8x8x512 -> 16x16x256 -> 32x32x128 -> 64x64x3. D has these sizes in reverse order.
    Returns a DCGAN. width: a factor of the sizes of the hidden layers.
    """
    return _of_64x64(Latent(100, "uniform"), (1024, 512, 256, 128), 5, width, batch_size=128)


def half(width=1.0):
    """64x64 colour pictures: half the paper's channels and 4x4 kernels, as in most later code.

    G is 100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x3. D has these sizes in reverse order.
    Returns a DCGAN. width: a factor of the sizes of the hidden layers.
    """
    return _of_64x64(Latent(100), (512, 256, 128, 64), 4, width, batch_size=64)


def pooling(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: `mnist` with a plain convolutional D with max-pooling and dropout.

    D has convolutions with 32 and 64 channels and a dense layer of 128 units. Introductions to GANs often use
    such a D.
    Returns a DCGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    *size, colours = shape
    _, levels = levels_of(size)
    channels = channels_of(levels, 32, width)[::-1]  # from the first convolution of D to the last
    D = pooling_discriminator(size, channels, max(int(128 * width), 4), colours)
    return mnist(width, shape).with_networks(D=D)


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 10,000 steps, and
    needs a folder of pictures (the option --data).
    Returns a DCGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return from_folder(mnist(width, shape), steps=10000)


PRESETS = {
    "digits": digits,
    "mnist": mnist,
    "pictures": pictures,
    "paper": paper,
    "half": half,
    "pooling": pooling,
}
