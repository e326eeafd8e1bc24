"""Functions that make the two networks of `hacks.py`, G and D; the layers depend on the game's switches."""

from math import prod

from ...layers import (
    Concat,
    Condition,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    MinibatchDiscrimination,
    MinibatchStd,
    Noise,
    Pack,
    Parallel,
    Pick,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from ...networks.dcgan import dcgan_discriminator, dcgan_generator, pooling_discriminator
from ...networks.mlp import mlp

CODE = 3  # length of a label's embedding
COLUMNS = 5  # argument `columns` of MinibatchDiscrimination


def switched_generator(
    latent, sample_shape, hidden, channels=None, *, classes=0, leaky=True, tanh=True, noise=0.0, dropout=0.0
):
    """A generator: z (N, latent) -> samples, or (z, labels (N,)) -> samples if there are classes.

    sample_shape   the shape of one sample: (H, W, C) for pictures, (n,) for points
    latent         the number of entries of z
    channels       DCGAN layers with these channels, for pictures; None: two hidden dense layers
    hidden         the number of units of each hidden dense layer
    classes        the number of classes; 0: G gets no labels
    leaky          LeakyReLU after hidden layers; False: ReLU
    tanh           for pictures, Tanh after the last layer; False: Sigmoid
    noise          the standard deviation of noise after every hidden activation; 0: no noise
    dropout        the rate of dropout after every hidden activation; 0: no dropout

    The label is a vector of CODE = 3 numbers beside z. For points G has no last activation.
    """
    given = latent + (CODE if classes else 0)
    if channels:
        start = [side >> len(channels) for side in sample_shape[:2]]  # side / 2^levels
        plain = dcgan_generator(given, start, channels, sample_shape[-1], kernel=4)
    else:
        plain = [
            *mlp(given, hidden, hidden, prod(sample_shape), last=Tanh if len(sample_shape) > 1 else None),
            Reshape(*sample_shape),
        ]
    layers = [Parallel(Sequential(), Embedding(classes, CODE)), Concat()] if classes else []
    for layer in plain:
        if isinstance(layer, ReLU):
            layers += (
                [LeakyReLU(0.2) if leaky else layer]
                + ([Noise(noise)] if noise else [])
                + ([Dropout(dropout)] if dropout else [])
            )
        else:
            layers.append(Sigmoid() if isinstance(layer, Tanh) and not tanh else layer)
    return Sequential(*layers)


def switched_discriminator(
    sample_shape, hidden, channels=None, *, told=0, names=0, leaky=True, pack=1, deviation=False, minibatch=0
):
    """A discriminator: samples (N, ...), or (samples, labels (N,)) -> (N / pack, 1 + names).

    The first column of the output has the logit of real or fake, the other columns have logits of classes.

    channels     convolutions with these channels in reverse order, for pictures; None: two hidden dense
                 layers
    hidden       the number of units of each hidden dense layer. With convolutions there is such a layer only
                 if `leaky` is False
    told         the number of classes of the labels that D gets; 0: D gets no labels
    names        the number of classes that D predicts; 0: D predicts no class
    leaky        LeakyReLU, and strided convolutions; False: ReLU, and convolutions with max-pooling
    pack         the number of samples that D judges at once
    deviation    whether there is a MinibatchStd before the last layer
    minibatch    the number of features of minibatch discrimination before the last layer; 0: none
    sample_shape the shape of one sample: (H, W, C) for pictures, (n,) for points

    The label of a sample is CODE = 3 further channels of the sample.
    """
    *sides, colours = sample_shape  # for points sides is [], and colours the number of entries
    colours = (colours + (CODE if told else 0)) * pack
    if channels and leaky:
        end = [side >> len(channels) for side in sides]  # side / 2^levels
        plain = dcgan_discriminator(end, channels[::-1], colours, kernel=4)
    elif channels:
        plain = pooling_discriminator(sides, channels[::-1], hidden, colours, dropout=0.0)
    else:
        plain = [
            Flatten(),
            *mlp(prod(sides) * colours, hidden, hidden, 1, activation=LeakyReLU if leaky else ReLU),
        ]
    *layers, last = plain
    before = []
    if told:  # (x, labels) -> x with the labels' vectors as channels; the labels alone are then left out
        before += [Parallel(Sequential(), Embedding(told, CODE)), Condition(Sequential()), Pick(0)]
    if pack > 1:
        before += [Pack(pack)]
    width = last.inputs  # the number of features before the last layer
    if deviation:
        layers.append(MinibatchStd())  # adds one feature
        width += 1
    if minibatch:
        layers.append(MinibatchDiscrimination(width, minibatch, COLUMNS))
        width += minibatch
    return Sequential(*before, *layers, Dense(width, 1 + names, init=last.initializer))
