"""The layers, networks and critics that the catalogue checks. A new layer needs a Case in the list LAYERS."""

import numpy as np

from ..layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Concat,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Dropout,
    Embedding,
    Equalized,
    Flatten,
    Given,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Noise,
    Pack,
    Pad,
    Parallel,
    Pass,
    Pick,
    PixelNorm,
    PixelShuffle,
    Referenced,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
)
from ..layers.initializers import orthogonal
from ..networks import (
    dcgan_discriminator,
    dcgan_generator,
    digit_discriminator,
    digit_generator,
    label_beside,
    mlp,
    plane_discriminator,
    plane_generator,
    pooling_discriminator,
)
from ..systems.games.switched import switched_discriminator, switched_generator
from .points import Case

_labels = np.array([4, 0, 4, 1, 2])
_five = np.random.default_rng(5).standard_normal((5, 3))
_measured = Pass(seed=3, measured={"mean": np.array([0.3, -1.0, 0.2]), "variance": np.array([0.5, 2.0, 1.1])})

_shared = Dense(3, 3)  # it stands twice in a network, where its two gradients must be added
_branches = Parallel(Dense(3, 2), Sequential(Embedding(5, 4), Tanh()))
_reference = Pass(reference=2)


def built(x, make, *arguments, batch=3, **settings):
    """Make a Case: the network make(*arguments, **settings) and an input, with the text of the call as name.

    x       the input: a shape without the batch axis, or arrays
    make    a function that makes a network
    batch   the number of samples

    For example, built((3,), mlp, 3, 2, activation=Tanh) has the name "mlp(3, 2, Tanh)": a class is written
    without its keyword.
    """
    words = [getattr(value, "__name__", repr(value)) for value in arguments]
    words += [getattr(value, "__name__", f"{word}={value!r}") for word, value in settings.items()]
    return Case(make(*arguments, **settings), x, batch=batch, name=f"{make.__name__}({', '.join(words)})")


def _mixed(last):
    """Make the Case (a network and an input shape) of a critic that has both BatchNorm and LayerNorm.

    `last` is the class of its last activation.
    """
    net = Sequential(
        Conv2d(1, 3, kernel=3, bias=False),
        BatchNorm(3),
        Softplus(),
        Conv2d(3, 2, kernel=2),
        LayerNorm(2),
        last(),
        Flatten(),
        Dense(12, 1),
    )
    return Case(
        net, (5, 6, 1), name=f"Conv2d, BatchNorm, Softplus, Conv2d, LayerNorm, {last.__name__}, Dense"
    )


# ---- cases that are used in more than one list

GENERATOR = built((2,), dcgan_generator, 2, 1, (3, 2), 2, kernel=5, batch=5)
SMOOTH = built((3,), mlp, 3, 5, 4, 1, activation=Tanh)
LEAKY = built((3,), mlp, 3, 7, 5, 1, activation=LeakyReLU)
MAXOUT = Case(
    Sequential(Dense(3, 8), Maxout(2), Dropout(0.3), Dense(4, 1)),
    (3,),
    batch=5,
    name="Dense, Maxout, Dropout, Dense",
)
CONVOLUTIONAL = built((8, 8, 1), dcgan_discriminator, 2, (2, 3), 1, kernel=4, norm=False, batch=2)
NORMALIZED = built((4, 4, 2), dcgan_discriminator, 1, (2, 3), 2, kernel=5, batch=5)
MIXED = _mixed(ELU)
SPECTRAL = Case(
    Sequential(Spectral(Conv2d(1, 2, kernel=(3, 2), stride=2)), Softplus(), Flatten(), Spectral(Dense(8, 1))),
    (5, 4, 1),
    batch=2,
    name="Spectral(Conv2d), Softplus, Spectral(Dense)",
)


LAYERS = [
    Case(Dense(4, 3), (4,)),
    Case(Dense(5, 1, bias=False, init=orthogonal()), (5,), batch=1),
    Case(Dense(3, 2), (2, 7, 3)),
    Case(Conv2d(3, 5, kernel=(3, 2)), (7, 5, 3)),
    Case(Conv2d(2, 5, kernel=(3, 2), stride=2, padding=1), (7, 6, 2)),
    Case(Conv2d(1, 3, kernel=(2, 3), stride=(3, 5), bias=False), (11, 13, 1), batch=2),
    Case(Conv2d(3, 2, kernel=1), (2, 3, 3), batch=1),
    Case(Conv2d(2, 3, kernel=5, stride=2, padding=2), (7, 4, 2), batch=2),
    Case(Conv2d(2, 1, kernel=4, stride=2, padding=1), (6, 8, 2), batch=2),
    Case(ConvTranspose2d(3, 2, kernel=(2, 3)), (5, 3, 3)),
    Case(
        ConvTranspose2d(2, 3, kernel=(3, 2), stride=(2, 3), padding=1, output_padding=(1, 2)),
        (3, 5, 2),
        batch=2,
    ),
    Case(ConvTranspose2d(2, 1, kernel=2, stride=3, bias=False), (3, 2, 2), batch=2),
    Case(ConvTranspose2d(3, 2, kernel=5, stride=2, padding=2, output_padding=1), (3, 2, 3), batch=2),
    Case(ConvTranspose2d(2, 3, kernel=4, stride=2, padding=1), (3, 4, 2), batch=2),
    Case(Embedding(5, 3), _labels),
    *(Case(f, (7,)) for f in (ReLU(), ELU(0.7), Tanh(), Sigmoid(), Softplus(), Softplus(2.0, 1.0))),
    Case(LeakyReLU(0.2), (3, 2, 5)),
    Case(Maxout(3), (6,)),
    Case(Maxout(2), (3, 2, 4)),
    Case(BatchNorm(3), (3,), batch=5),
    Case(BatchNorm(3), (2, 5, 3), name="BatchNorm(3) on pictures"),
    Case(BatchNorm(3), (2, 5, 3), context=_measured, name="BatchNorm(3) with measured statistics"),
    Case(InstanceNorm(3), (5, 2, 3), batch=2),
    Case(LayerNorm(5), (5,)),
    Case(LayerNorm(3), (2, 5, 3), batch=2),
    Case(PixelNorm(), (7,)),
    Case(PixelNorm(), (3, 2, 5), batch=2, name="PixelNorm() on pictures"),
    Case(MinibatchStd(), (7,), batch=5),
    Case(MinibatchStd(3), (2, 5, 3), batch=6),
    Case(MinibatchStd(4), (5,), batch=8),
    Case(MinibatchDiscrimination(5, 3, 2), (5,), batch=4),
    Case(MinibatchDiscrimination(3, 1, 4), (3,), batch=2),
    Case(Pack(3), (2,), batch=6),
    Case(Pack(2), (3, 5, 2), batch=4),
    Case(Pack(1), (3,)),
    Case(Equalized(Dense(5, 3)), (5,)),
    Case(Equalized(Conv2d(2, 3, kernel=(3, 2), stride=2, bias=False)), (5, 7, 2)),
    Case(Equalized(ConvTranspose2d(3, 2, kernel=3, stride=2, padding=1), gain=1.0), (3, 4, 3)),
    Case(Spectral(Dense(5, 3)), (5,)),
    Case(Spectral(Conv2d(2, 3, kernel=(3, 2), stride=2, bias=False)), (5, 7, 2)),
    Case(Spectral(ConvTranspose2d(3, 2, kernel=(2, 3), stride=2, padding=1)), (3, 4, 3), batch=2),
    Case(Spectral(Dense(4, 1, bias=False)), (2, 4)),
    Case(VirtualBatchNorm(3), (3,), context=_reference, batch=5),
    Case(VirtualBatchNorm(3), (2, 5, 3), context=_reference, batch=5, name="VirtualBatchNorm(3) on pictures"),
    Case(
        VirtualBatchNorm(2),
        (3, 2),
        context=Pass(reference=1),
        batch=1,
        name="VirtualBatchNorm(2) on its reference alone",
    ),
    Case(Dropout(0.3), (11,)),
    Case(Dropout(0.3), (11,), context=Pass(), name="Dropout(0.3) without a seed"),
    Case(Noise(0.3), (7,)),
    Case(Noise(0.3), (3, 2, 5), context=Pass(), name="Noise(0.3) without a seed"),
    Case(MaxPool2d(2), (5, 7, 3)),
    Case(MaxPool2d((3, 2), stride=(2, 1), padding=1), (5, 4, 2)),
    Case(MaxPool2d(1, stride=3), (5, 4, 2)),
    Case(AvgPool2d(2), (5, 7, 3)),
    Case(AvgPool2d((3, 2), stride=(2, 1), padding=1), (5, 4, 2)),
    Case(AvgPool2d(2, stride=3), (5, 8, 1)),
    Case(Upsample(2), (3, 5, 2)),
    Case(Upsample((3, 2), "nearest"), (2, 5, 1)),
    Case(Upsample(2, "bilinear"), (3, 5, 2)),
    Case(Upsample((3, 5), "bilinear"), (2, 1, 3)),
    Case(PixelShuffle(2), (3, 2, 8)),
    Case(PixelShuffle(3), (2, 1, 9), batch=2),
    Case(Flatten(), (3, 2, 5)),
    Case(Reshape(5, -1, 2), (3, 10)),
    Case(Reshape(2, 3), (6,)),
    Case(Pad(1), (3, 2, 2)),
    Case(Pad((0, 1, 2, 3)), (3, 2, 2)),
    Case(Pad((2, 1, 0, 2), "reflect"), (3, 4, 2)),
    Case(Crop(1), (5, 3, 2)),
    Case(Crop((0, 1, 2, 1)), (3, 5, 2)),
    Case(Concat(), ((3, 2), (3, 5), (3, 1))),
    Case(Pick(1), ((4,), (2, 3))),
    Case(Pick(0), ((4,), _labels[:3])),
    Case(Sequential(), (3,)),
    Case(Sequential(Dense(4, 5), Tanh(), Dense(5, 2)), (4,), name="Sequential(Dense, Tanh, Dense)"),
    Case(Sequential(Dense(4, 3), Tanh(), Dense(3, 2))[1:], (3,), name="Sequential(Dense, Tanh, Dense)[1:]"),
    Case(
        Sequential(_shared, Tanh(), _shared, Sigmoid(), Dense(3, 2)),
        (3,),
        name="Sequential with a shared Dense",
    ),
    Case(Residual(Sequential(Dense(3, 4), Tanh(), Dense(4, 3))), (3,), name="Residual(Dense, Tanh, Dense)"),
    Case(
        Residual(Dense(3, 5), Sequential(Dense(3, 5, bias=False), Sigmoid())),
        (3,),
        name="Residual with a shortcut",
    ),
    Case(
        Skip(Sequential(Conv2d(2, 3, kernel=3, padding=1), Tanh(), Skip(Conv2d(3, 2, kernel=1)))),
        (3, 5, 2),
        name="Skip(Conv2d, Tanh, Skip(Conv2d))",
    ),
    Case(_branches, (_five, _labels), name="Parallel(Dense, Embedding)"),
    Case(Sequential(_branches, Pick(0)), (_five, _labels), name="Parallel with an unused branch"),
    Case(
        Referenced(Sequential(Dense(3, 4, bias=False), VirtualBatchNorm(4), Tanh(), Dense(4, 2)), _five),
        (3,),
        name="Referenced(Dense, VirtualBatchNorm, Dense)",
    ),
    Case(Condition(Dense(5, 4)), ((3,), (2,)), name="Condition(Dense(5, 4))"),
    Case(Condition(Conv2d(5, 3, kernel=2)), ((3, 4, 2), (3,)), name="Condition(Conv2d(5, 3, kernel=2))"),
    Case(
        Given(Sequential(Parallel(Dense(2, 3), Embedding(5, 2)), Concat(), Tanh(), Dense(5, 1)), _labels),
        (2,),
        batch=5,
        name="Given(Dense, Embedding, Concat, Tanh, Dense)",
    ),
]

NETWORKS = [
    built((3,), mlp, 3, 5, 4, 2, activation=Tanh),
    LEAKY,
    built((32,), digit_generator, 4),
    built((8, 8, 1), digit_discriminator, 4, Tanh),
    built((2,), plane_generator, 5),
    built((2,), plane_discriminator, 5, 3),
    built((3,), dcgan_generator, 3, 2, (3, 2), 1, kernel=4),
    GENERATOR,
    NORMALIZED,
    CONVOLUTIONAL,
    built((8, 8, 1), pooling_discriminator, 8, (2, 3), 5, 1, batch=2),
    Case(
        label_beside(5, 2, [Sequential(Dense(5, 4), Tanh()), Dense(6, 2)]),
        (_five, _labels),
        name="label_beside(5, 2, [Dense, Tanh], Dense)",
    ),
    built(
        (_five, _labels),
        switched_generator,
        3,
        (8, 8, 1),
        5,
        (3, 2),
        classes=5,
        tanh=False,
        noise=0.1,
        dropout=0.2,
    ),
    built(
        ((8, 8, 1), _labels),
        switched_discriminator,
        (8, 8, 1),
        5,
        (3, 2),
        told=5,
        deviation=True,
        minibatch=2,
        batch=5,
    ),
    built((2,), switched_discriminator, (2,), 5, names=3, leaky=False, pack=2, batch=6),
    _mixed(Tanh),
    Case(
        Sequential(Conv2d(2, 3, kernel=2), BatchNorm(3), Tanh()),
        (4, 3, 2),
        name="Conv2d with a bias that BatchNorm undoes",
    ),
    Case(
        Sequential(
            Parallel(Sequential(), Embedding(5, 2)),
            Condition(Sequential(Dense(5, 4), Tanh())),
            Condition(Dense(6, 1)),
            Pick(0),
        ),
        (_five, _labels),
        name="a network over (h, label)",
    ),
    Case(
        Sequential(
            Conv2d(1, 2, kernel=3, padding=1),
            ELU(),
            Skip(Sequential(AvgPool2d(2), Conv2d(2, 3, kernel=1), Tanh(), Upsample(2, "bilinear"))),
            InstanceNorm(5),
            Residual(Conv2d(5, 5, kernel=1)),
            PixelNorm(),
        ),
        (4, 6, 1),
        batch=2,
        name="a small U-Net",
    ),
]

CRITICS = [
    SMOOTH,
    LEAKY,
    MAXOUT,
    CONVOLUTIONAL,
    NORMALIZED,
    MIXED,
    Case(
        Sequential(
            Equalized(Dense(3, 5)), Tanh(), MinibatchStd(), MinibatchDiscrimination(6, 2, 3), Dense(8, 1)
        ),
        (3,),
        batch=4,
        name="Equalized, MinibatchStd, MinibatchDiscrimination, Dense",
    ),
    Case(
        Sequential(
            Residual(Sequential(Dense(3, 4), Sigmoid(), Dense(4, 3))),
            Skip(Sequential(Dense(3, 2), Tanh())),
            Dense(5, 1),
        ),
        (3,),
        name="Residual, Skip, Dense",
    ),
    SPECTRAL,
]
