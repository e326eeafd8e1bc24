"""The players of `systems/hacks.py`: one generator and one discriminator, and what each switch puts into them or leaves out."""

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

CODE, COLUMNS = 3, 5  # numbers that a label becomes; columns of minibatch discrimination


def switched_generator(
    latent, sample_shape, hidden, channels=None, *, classes=0, leaky=True, tanh=True, noise=0.0, dropout=0.0
):
    """z (N, latent), or (z, y) with `classes` labels, -> sample; dense layers of `hidden` units, or a DCGAN of `channels` for pictures

    leaky           leaky units or rectified ones         tanh      a picture ends in Tanh or in Sigmoid
    noise, dropout  std and rate, after every unit
    """
    given = latent + (CODE if classes else 0)
    if channels:
        plain = dcgan_generator(given, sample_shape[0] >> len(channels), channels, sample_shape[-1], kernel=4)
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
    """sample, or (sample, y) of `told` classes, -> (N / pack, 1 + names): the logit, and those of the classes that it names

    leaky      leaky units and strides, or rectified ones and max-pooling         pack       samples that it
               judges at once
    deviation  MinibatchStd below the last layer                                  minibatch  features of
    minibatch discrimination there
    """
    *sides, colours = sample_shape
    colours = (colours + (CODE if told else 0)) * pack
    if channels and leaky:
        plain = dcgan_discriminator(sides[0] >> len(channels), channels[::-1], colours, kernel=4)
    elif channels:
        plain = pooling_discriminator(sides[0], channels[::-1], hidden, colours, dropout=0.0)
    else:
        plain = [
            Flatten(),
            *mlp(prod(sides) * colours, hidden, hidden, 1, activation=LeakyReLU if leaky else ReLU),
        ]
    *layers, last = plain
    before = (
        [Parallel(Sequential(), Embedding(told, CODE)), Condition(Sequential()), Pick(0)] if told else []
    )  # labels as channels
    before += [Pack(pack)] if pack > 1 else []
    after, width = [], last.inputs
    if deviation:
        after, width = [MinibatchStd()], width + 1
    if minibatch:
        after, width = [*after, MinibatchDiscrimination(width, minibatch, COLUMNS)], width + minibatch
    return Sequential(*before, *layers, *after, Dense(width, 1 + names, init=last.initializer))
