"""The losses, optimisers, penalties and games that the catalogue checks.

A game is a pair of networks D and G with consensus optimisation. Layers and networks are listed in
layer_cases.py. Systems come from numgan.systems.SYSTEMS.

Sizes are irregular on purpose: prime and unequal sizes, windows that are not square, strides larger than
kernels. In public code, every known bug of a fast kernel was invisible with regular sizes.
"""

from dataclasses import dataclass

from ..core.randomness import stream
from ..layers import Dense, Layer, Pass, Reshape, Sequential, Softplus, Tanh
from ..losses import (
    ADVERSARIAL,
    RELATIVISTIC,
    Labelled,
    feature_matching,
    l1,
    l2,
    least_squares,
    minimax,
    nonsaturating,
    smoothed,
    softmax_cross_entropy,
)
from ..networks import dcgan_generator, mlp
from ..optimizers import SGD, Adam, Historical, RMSProp
from ..optimizers.schedules import Cosine, Exponential, Linear, Warmup
from ..remedies.consensus import Consensus
from ..remedies.penalties import R1, R2, GradientPenalty, Roth, perturbed
from .layer_cases import CONVOLUTIONAL, GENERATOR, LEAKY, MAXOUT, MIXED, NORMALIZED, SMOOTH, SPECTRAL, built
from .points import Case


class DRAGAN(GradientPenalty):
    """The gradient penalty of Kodali et al. for the checks: its gradients are taken at x plus random noise.

    A call with (D, phi, x, context) returns (value, gradient with respect to the weights phi of D). Every
    call adds the same noise. So difference quotients of the penalty compare values at the same points.
    """

    def __call__(self, D, phi, x, context=Pass()):
        return super().__call__(D, phi, perturbed(x, stream(0, "perturbed")), context)


PENALTIES = {
    "gp": GradientPenalty(10.0),
    "gp one-sided": GradientPenalty(10.0, target=0.2, one_sided=True),
    "r1": R1(10.0),
    "r2": R2(3.0),
    "dragan": DRAGAN(),
    "roth": Roth(2.0),
}


@dataclass(frozen=True)
class Game:
    """The arguments of one call of `check_consensus`, and its title.

    consensus   the Consensus penalty to check
    D, G        the two networks
    z           the shape of one latent, without the batch axis
    name        the title in the catalogue of checks
    """

    consensus: Consensus
    D: Layer
    G: Layer
    z: tuple
    name: str


def _game(loss, critic, generator):
    """Make the Game that checks consensus optimisation with the adversarial loss `loss` and the weight 3.

    critic and generator are Cases (a layer and an input for it). Their layers become the networks D and G.
    """
    name = f"consensus {loss} on {critic.title} and {generator.title}"
    return Game(Consensus(3.0, loss), critic.layer, generator.layer, generator.x, name)


_softplus = built((2,), mlp, 2, 4, 3, activation=Softplus)
_pictures = [  # generators of pictures with 5 rows, `side` columns and one channel
    Case(Sequential(Dense(2, units), Reshape(5, side, 1), Tanh()), (2,), name="Dense, Reshape, Tanh")
    for units, side in ((20, 4), (30, 6))
]

GAMES = [
    *(_game(loss, SMOOTH, _softplus) for loss in ADVERSARIAL.values()),
    _game(nonsaturating, LEAKY, built((2,), mlp, 2, 4, 3)),
    _game(minimax, MAXOUT, built((2,), mlp, 2, 4, 3, activation=Tanh)),
    _game(nonsaturating, SPECTRAL, _pictures[0]),
    _game(nonsaturating, CONVOLUTIONAL, built((2,), dcgan_generator, 2, 2, (3, 2), 1, kernel=4)),
    _game(least_squares, NORMALIZED, GENERATOR),
    _game(minimax, MIXED, _pictures[1]),
]

LOSSES = [
    *ADVERSARIAL.values(),
    smoothed(),
    smoothed(minimax, 0.7),
    *RELATIVISTIC.values(),
    Labelled(nonsaturating),
    Labelled(least_squares),
    feature_matching,
    l1,
    l2,
    softmax_cross_entropy,
]

OPTIMIZERS = [
    SGD(0.1),
    SGD(0.1, weight_decay=0.3),
    SGD(0.1, clip=0.5),
    SGD(Linear(0.2, 0.1, 10), momentum=0.9),
    SGD(0.1, momentum=Linear(0.5, 0.7, 10)),
    SGD(0.1, momentum=0.9, nesterov=True),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.2, clip=0.7),
    RMSProp(0.05),
    RMSProp(Exponential(0.05, 0.9), decay=0.8, weight_decay=0.1),
    RMSProp(0.05, clip=0.4),
    Adam(0.1),
    Adam(0.1, beta1=0.9, weight_decay=0.1),
    Adam(Cosine(0.1, 20), beta2=0.9),
    Adam(Warmup(0.1, 8), beta1=0.0, clip=0.6),
    Historical(SGD(0.1, momentum=0.9), 0.3),
    Historical(Adam(0.1, weight_decay=0.1), 0.2),
    Historical(RMSProp(0.05, clip=0.4), 0.5),
]

UNROLLED = [
    (loss, optimizer, steps)
    for steps in (1, 3, 5)
    for loss, optimizer in (
        (minimax, SGD(0.1)),
        (nonsaturating, SGD(0.1, momentum=0.9)),
        (minimax, Adam(0.01)),
    )
]
