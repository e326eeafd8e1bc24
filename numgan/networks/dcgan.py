"""The convolutional generator and discriminator of Radford et al. 2016 (DCGAN), and the plain classifier that came before them.

The paper's guidelines (section 3): strided convolutions instead of pooling, BatchNorm in both (not at G's output nor D's
input), no hidden dense layers, ReLU in G with Tanh at its end, LeakyReLU in D; weights N(0, 0.02^2) (section 4).
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


def _doubling(kernel):
    """Padding and output padding with which a stride-2 window of `kernel` taps exactly halves (or doubles) a picture."""
    return {"kernel": kernel, "stride": 2, "padding": (kernel - 1) // 2}, {"output_padding": kernel % 2}


def dcgan_generator(latent, start, channels, colours, kernel=5, init=normal(0.02)):
    """z (N, latent) -> picture (N, S, S, colours) in -1..1,  S = start 2^len(channels)

    Project and reshape to start x start x channels[0], then a stride-2 transposed convolution to each next number of
    channels and at last to the colours. kernel 5 is the paper's, 4 that of later code.
    """
    window, extra = _doubling(kernel)
    gain = normal(0.02, mean=1.0)
    layers = [
        Dense(latent, start * start * channels[0], bias=False, init=init),
        Reshape(start, start, channels[0]),
        BatchNorm(channels[0], init=gain),
        ReLU(),
    ]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [
            ConvTranspose2d(inputs, outputs, **window, **extra, bias=False, init=init),
            BatchNorm(outputs, init=gain),
            ReLU(),
        ]
    return Sequential(*layers, ConvTranspose2d(channels[-1], colours, **window, **extra, init=init), Tanh())


def dcgan_discriminator(end, channels, colours, kernel=5, init=normal(0.02), norm=True, slope=0.2):
    """picture (N, S, S, colours) -> logit (N, 1),  S = end 2^len(channels)

    A stride-2 convolution to each number of channels, BatchNorm from the second on (none with norm=False, as critics want),
    then one dense unit over the end x end x channels[-1] picture.
    """
    window, _ = _doubling(kernel)
    layers = [Conv2d(colours, channels[0], **window, init=init), LeakyReLU(slope)]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [Conv2d(inputs, outputs, **window, bias=not norm, init=init)]
        layers += [BatchNorm(outputs, init=normal(0.02, mean=1.0))] if norm else []
        layers += [LeakyReLU(slope)]
    return Sequential(*layers, Flatten(), Dense(end * end * channels[-1], 1, init=init))


def pooling_discriminator(size, channels, hidden, colours, outputs=1, dropout=0.5, init=he):
    """picture (N, size, size, colours) -> logits (N, outputs): the plain convolutional classifier

    Convolutions 3 x 3 with ReLU and max-pooling, then a dense layer with dropout: what introductions take for D.
    """
    layers = []
    for inputs, features in zip((colours, *channels), channels):
        layers += [Conv2d(inputs, features, kernel=3, padding=1, init=init), ReLU(), MaxPool2d(2)]
        size //= 2
    return Sequential(
        *layers,
        Flatten(),
        Dense(size * size * channels[-1], hidden, init=init),
        ReLU(),
        Dropout(dropout),
        Dense(hidden, outputs, init=init),
    )
