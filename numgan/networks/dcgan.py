"""The generator and the discriminator of DCGAN (Radford et al. 2016), and an older convolutional classifier.

The paper's guidelines (section 3):
    strided convolutions instead of pooling, and no hidden Dense layers
    BatchNorm in both networks, but not at the output of G and not at the input of D
    ReLU in G, with Tanh as the last layer; LeakyReLU in D
Initial weights are N(0, 0.02^2) (section 4).
"""

from ..layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..layers.initializers import he, normal
from .sizes import both_sides, numbers_of_channels

GAIN = normal(0.02, mean=1.0)  # the initialiser of BatchNorm's gain


def _doubling(kernel, name):
    """(window, extra): arguments with which a ConvTranspose2d doubles an image and a Conv2d halves it.

    window   a dict with kernel, stride and padding, for both classes; the stride is 2
    extra    a dict with output_padding, for ConvTranspose2d only

    The sizes are exact: 2 S from S, and S from 2 S. `kernel`, the kernel size, is an integer or a pair
    (height, width). Raises ValueError for anything else; the message begins with `name`.
    """
    sides = both_sides(kernel, f"{name}: kernel")
    # the size (S - 1) 2 - 2 padding + k + output_padding is 2 S if output_padding = 2 padding + 2 - k
    padding, extra = tuple((k - 1) // 2 for k in sides), tuple(k % 2 for k in sides)
    height, width = sides
    if height == width:  # one integer in place of equal pairs
        sides, padding, extra = sides[0], padding[0], extra[0]
    return {"kernel": sides, "stride": 2, "padding": padding}, {"output_padding": extra}


def dcgan_generator(latent, start, channels, colours, kernel=5, init=normal(0.02)):
    """A DCGAN generator, a Sequential: z (N, latent) -> images (N, H, W, colours) in -1..1

        H = h 2^len(channels),  W = w 2^len(channels),  start = (h, w), or one integer if h = w

    It begins with a Dense layer and a Reshape to images (h, w, channels[0]). Then one transposed convolution
    of stride 2 for each further number in `channels`, and a last one to `colours` channels, double the size
    each time. BatchNorm and ReLU follow each of these layers, but after the last one there is only Tanh.

    channels    a tuple of numbers of channels, from the smallest image to the largest
    kernel      kernel size of the convolutions, an integer or a pair (height, width): 5, the default, in the
                paper, 4 in later code
    init        the initialiser of the weights, by default N(0, 0.02^2)

    Raises ValueError for another start or kernel, or if there are no channels.
    """
    # the arguments of both kinds of convolutions, and the output_padding of the transposed ones
    window, extra = _doubling(kernel, "dcgan_generator")
    channels = numbers_of_channels(channels, "dcgan_generator: channels")
    h, w = both_sides(start, "dcgan_generator: start")
    layers = [
        Dense(latent, h * w * channels[0], bias=False, init=init),
        Reshape(h, w, channels[0]),
        BatchNorm(channels[0], init=GAIN),
        ReLU(),
    ]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [
            ConvTranspose2d(inputs, outputs, **window, **extra, bias=False, init=init),
            BatchNorm(outputs, init=GAIN),
            ReLU(),
        ]
    return Sequential(*layers, ConvTranspose2d(channels[-1], colours, **window, **extra, init=init), Tanh())


def dcgan_discriminator(end, channels, colours, kernel=5, init=normal(0.02), norm=True, slope=0.2):
    """A DCGAN discriminator, a Sequential: images (N, H, W, colours) -> logits (N, 1)

        H = h 2^len(channels),  W = w 2^len(channels),  end = (h, w), or one integer if h = w

    For each number in `channels` it has a convolution of stride 2 to this number of channels, BatchNorm and
    LeakyReLU(slope). The first convolution has no BatchNorm. Then a Dense layer maps the (h, w, channels[-1])
    entries to one logit.

    channels    a tuple of numbers of channels, from the largest image to the smallest
    kernel      kernel size of the convolutions, an integer or a pair (height, width), 5 by default
    init        the initialiser of the weights, by default N(0, 0.02^2)
    norm        False: no layer has BatchNorm, as a gradient penalty needs it
    slope       that of the LeakyReLUs, 0.2 by default

    Raises ValueError for another end or kernel, or if there are no channels.
    """
    window, _ = _doubling(kernel, "dcgan_discriminator")
    channels = numbers_of_channels(channels, "dcgan_discriminator: channels")
    h, w = both_sides(end, "dcgan_discriminator: end")
    layers = [Conv2d(colours, channels[0], **window, init=init), LeakyReLU(slope)]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [Conv2d(inputs, outputs, **window, bias=not norm, init=init)]
        layers += [BatchNorm(outputs, init=GAIN)] if norm else []
        layers += [LeakyReLU(slope)]
    return Sequential(*layers, Flatten(), Dense(h * w * channels[-1], 1, init=init))


def pooling_discriminator(size, channels, hidden, colours, outputs=1, dropout=0.5, init=he):
    """A convolutional classifier, a Sequential: images (N, H, W, colours) -> logits (N, outputs)

    size is (H, W), or one integer if H = W; outputs is 1 by default, and dropout 0.5. For each number in the
    tuple `channels` the network has a 3 x 3 convolution to this number of channels, ReLU, and max pooling
    that halves the image, rounded down. Then come a hidden Dense layer of `hidden` units with ReLU, Dropout
    at the rate `dropout`, and a Dense layer to the logits. `init` is the initialiser of the weights, `he` by
    default. Introductions to GANs often use this network as D. Raises ValueError for another size, for one
    that is too small for the poolings, or if there are no channels.
    """
    layers = []
    channels = numbers_of_channels(channels, "pooling_discriminator: channels")
    h, w = both_sides(size, "pooling_discriminator: size")
    if min(h, w) < 2 ** len(channels):
        raise ValueError(
            f"pooling_discriminator: expected pictures of at least {2 ** len(channels)} pixels a side for "
            f"{len(channels)} poolings, got {h} x {w}; give fewer channels"
        )
    for inputs, features in zip((colours, *channels), channels):
        layers += [Conv2d(inputs, features, kernel=3, padding=1, init=init), ReLU(), MaxPool2d(2)]
        h, w = h // 2, w // 2
    return Sequential(
        *layers,
        Flatten(),
        Dense(h * w * channels[-1], hidden, init=init),
        ReLU(),
        Dropout(dropout),
        Dense(hidden, outputs, init=init),
    )
