"""Unsupervised representation learning with deep convolutional GANs (Radford et al. 2016).

The objectives are those of the GAN of 2014 with the nonsaturating loss. The paper adds convolutional networks
that can be trained with these objectives (see `numgan.networks.dcgan` for the guidelines) and
Adam(2e-4, beta1 = 0.5). Real and fake batches pass through D separately, because BatchNorm would mix them.
In each step D and G use the same fakes, as published DCGAN programs do.
"""

from dataclasses import dataclass

from ...networks import dcgan_discriminator, dcgan_generator, pooling_discriminator
from ...optimizers import Adam
from ..system import Latent
from .presets import both, on_mnist
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class DCGAN(TwoPlayerGAN):
    """A game of two networks. G: z (N, Z) -> pictures with values in -1..1. D: pictures -> logits (N, 1).

    D and G use the same fakes in each step.
    """

    shares_fakes: bool = True


def _system(latent, start, channels, colours, kernel, width, **settings):
    """A DCGAN for square pictures whose D has the channels of G in reverse order.

    latent      the prior of z
    start       height and width of G's first feature map. The height and width of the pictures are
                start 2^len(channels)
    channels    numbers of channels of G's feature maps, from first to last
    colours     number of channels of a picture
    kernel      height and width of the convolutions' windows
    width       factor of all numbers in `channels`
    settings    further fields of the DCGAN
    """
    channels = [max(int(c * width), 2) for c in channels]
    size = start * 2 ** len(channels)
    return DCGAN(
        latent=latent,
        sample_shape=(size, size, colours),
        networks={
            "G": dcgan_generator(latent.size, start, channels, colours, kernel),
            "D": dcgan_discriminator(start, channels[::-1], colours, kernel),
        },
        optimizers=both(Adam(2e-4, beta1=0.5)),
        **settings,
    )


def digits(width=1.0):
    """8x8 pictures: G is 32 -> 2x2x128 -> 4x4x64 -> 8x8x1; D has these sizes in reverse order.

    Returns a DCGAN. `width` is a factor of the hidden widths.
    """
    return _system(
        Latent(32), 2, (128, 64), 1, 4, width, data="digits", batch_size=64, steps=4000, average=0.995
    )


def mnist(width=1.0):
    """28x28 pictures: G is 100 -> 7x7x128 -> 14x14x64 -> 28x28x1; windows of 4x4.

    D has these sizes in reverse order.
    Returns a DCGAN. `width` is a factor of the hidden widths.
    """
    return on_mnist(DCGAN, width, both(Adam(2e-4, beta1=0.5)), steps=2814, average=0.995)


def paper(width=1.0):
    """64x64 colour pictures, the paper's generator: windows of 5x5, batches of 128, uniform z.

    G is 100 -> 4x4x1024 -> 8x8x512 -> 16x16x256 -> 32x32x128 -> 64x64x3. D has these sizes in reverse order.
    Returns a DCGAN. `width` is a factor of the hidden widths.
    """
    return _system(
        Latent(100, "uniform"),
        4,
        (1024, 512, 256, 128),
        3,
        5,
        width,
        data="a folder of images",
        batch_size=128,
        steps=20000,
    )


def half(width=1.0):
    """64x64 colour pictures: half the paper's channels and windows of 4x4, as in most later code.

    G is 100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x3. D has these sizes in reverse order.
    Returns a DCGAN. `width` is a factor of the hidden widths.
    """
    return _system(
        Latent(100),
        4,
        (512, 256, 128, 64),
        3,
        4,
        width,
        data="a folder of images",
        batch_size=64,
        steps=20000,
    )


def pooling(width=1.0):
    """28x28 pictures: `mnist` with a plain convolutional D with max-pooling and dropout.

    Introductions to GANs often use such a D.
    Returns a DCGAN. `width` is a factor of the hidden widths.
    """
    D = pooling_discriminator(28, [max(int(c * width), 2) for c in (32, 64)], max(int(128 * width), 4), 1)
    return mnist(width).with_networks(D=D)


PRESETS = {"digits": digits, "mnist": mnist, "paper": paper, "half": half, "pooling": pooling}
