"""Planted bugs: R1, R2, Roth's regulariser and DRAGAN's points."""

from dataclasses import replace

import numpy as np
from penalty_cases import PICTURES, in_g, in_leaky_weights, in_smooth_weights
from regularizer_cases import around, each_sample_alone, r1_linear, r1_quadratic, roth_linear, sigmoid

from bugzoo import Bug, class_bug
from numgan import R1, GradientPenalty, Roth
from numgan.checking.penalty import gradient_in_weights
from numgan.checking.points import outcome
from numgan.core.parameters import Parameters
from numgan.layers import Pass, Sequential, Sigmoid, Softplus
from numgan.remedies.penalties import on_input_gradient, on_input_gradient_and_logit, perturbed


def _r1(text, how, **methods):
    return class_bug("own", type("Planted", (R1,), {"__doc__": text} | methods), R1, 10.0, **how)


def _of(text, change, **how):
    """R1 whose `of` is what `change` makes of (penalty, g, value, v)."""
    return _r1(text, how, of=lambda self, g: change(self, g, *R1.of(self, g)))


def _called(text, change, **how):
    """R1 whose call is what `change` makes of (penalty, right value, right gradient, D, phi, x)."""

    def call(self, D, phi, x, run=Pass()):
        return change(self, *R1.__call__(self, D, phi, x, run), D, phi, x, run)

    return _r1(text, how, __call__=call)


def roth_bug(text, on_real=None, on_fake=None, **how):
    """Roth's regulariser whose functions are what the changes make of (penalty, g, y, value, v, u)."""
    methods = {"__doc__": text}
    for name, change in (("on_real", on_real), ("on_fake", on_fake)):
        if change:
            methods[name] = lambda self, g, y, change=change, right=getattr(Roth, name): change(
                self, g, y, *right(self, g, y)
            )
    return class_bug("own", type("Planted", (Roth,), methods), Roth, 2.0, **how)


def _through(unit, penalty, D, phi, x):
    """The penalty's value on D with a unit after the logit."""
    net = Sequential(*D, unit)
    return on_input_gradient(penalty.of, net, Parameters(phi.vector, net.layout), x)[0]


def _length(g):
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + 1e-12)


class OfTheProbability(Roth):
    """Roth has the gradient of sigmoid(y) instead of that of the logit."""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        chance = lambda f: lambda g, y: f(g * (sigmoid(y) * sigmoid(-y)).reshape(-1, *(1,) * (g.ndim - 1)), y)
        one, two = (
            on_input_gradient_and_logit(chance(f), D, phi, x)
            for f, x in ((self.on_real, real), (self.on_fake, fake))
        )
        return one[0] + two[0], one[1] + two[1]


class OfOneBatch(Roth):
    """Roth has real samples and fakes in one batch and one mean."""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, gradient = super().__call__(D, phi, real, fake, real_context, fake_context)
        share = len(real) / (len(real) + len(fake))
        return value * share, gradient.like(gradient.vector * share)


class DetachedWeights(Roth):
    """Roth forgets tdy, as if the weights were constants when the gradient is taken."""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        one, two = (
            on_input_gradient(lambda g, f=f, x=x: f(g, D.forward(phi, x, run)[0])[:2], D, phi, x, run)
            for f, x, run in ((self.on_real, real, real_context), (self.on_fake, fake, fake_context))
        )
        return one[0] + two[0], one[1] + two[1]


class FakesAtRealPoints(Roth):
    """Roth takes the weight gradient of the fakes at the real points."""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, _ = super().__call__(D, phi, real, fake, real_context, fake_context)
        return value, super().__call__(D, phi, real, real, real_context, real_context)[1]


def on_pictures(penalty):
    outcome(replace(PICTURES, batch=3).point, gradient_in_weights, penalty, True)


POINTS = {
    "DRAGAN has the std of each pixel.": lambda x, rng: x + 0.5 * x.std(axis=0) * rng.uniform(size=x.shape),
    "DRAGAN has the std of each sample.": lambda x, rng: (
        x + 0.5 * x.std(axis=tuple(range(1, x.ndim)), keepdims=True) * rng.uniform(size=x.shape)
    ),
    "DRAGAN has the variance instead of the std.": lambda x, rng: (
        x + 0.5 * x.var() * rng.uniform(size=x.shape)
    ),
    "DRAGAN has no factor 1/2.": lambda x, rng: perturbed(x, rng, scale=1.0),
    "DRAGAN has no std.": lambda x, rng: x + 0.5 * rng.uniform(size=x.shape),
    "DRAGAN draws one u for each sample.": lambda x, rng: (
        x + 0.5 * x.std() * rng.uniform(size=(len(x), *(1,) * (x.ndim - 1)))
    ),
    "DRAGAN draws one u for each pixel, for all samples.": lambda x, rng: (
        x + 0.5 * x.std() * rng.uniform(size=x.shape[1:])
    ),
    "DRAGAN has normal noise.": lambda x, rng: x + 0.5 * x.std() * rng.standard_normal(x.shape),
    "DRAGAN has noise on both sides.": lambda x, rng: x + 0.5 * x.std() * rng.uniform(-1, 1, x.shape),
}


R1_BUGS = [
    _of("R1 has no factor 1/2.", lambda self, g, value, v: (2 * value, 2 * v), value=r1_linear),
    _of("R1 has its factor 1/2 in the value only.", lambda self, g, value, v: (value, 2 * v), by=in_g),
    _of(
        "R1 is the sum over the batch.",
        lambda self, g, value, v: (len(g) * value, len(g) * v),
        value=r1_linear,
    ),
    _of(
        "R1's derivative is that of the sum over the batch.",
        lambda self, g, value, v: (value, len(g) * v),
        by=in_g,
    ),
    _of(
        "R1 is the mean over the pixels, too.",
        lambda self, g, value, v: (value * len(g) / g.size, v * len(g) / g.size),
        value=r1_linear,
    ),
    _of(
        "R1 is the squared norm of the batch's mean gradient.",
        lambda self, g, value, v: (
            5 * np.square(g.mean(axis=0)).sum(),
            np.broadcast_to(10 / len(g) * g.mean(axis=0), g.shape).copy(),
        ),
        value=r1_quadratic,
    ),
    _of(
        "R1's norm is taken over the batch axis.",
        lambda self, g, value, v: (5 * float(np.square(_length(g.T)).mean()), v),
        value=r1_linear,
    ),
    _of(
        "R1 is the norm and not its square.",
        lambda self, g, value, v: (5 * float(_length(g).mean()), 5 / len(g) * g / _length(g)),
        value=r1_linear,
    ),
    _of("R1 pulls the norm to one.", lambda self, g, value, v: GradientPenalty(5.0).of(g), value=r1_linear),
    _of("R1's derivative has the wrong sign.", lambda self, g, value, v: (value, -v), by=in_g),
    _called(
        "R1 takes the input gradient for a constant.",
        lambda self, value, dphi, D, phi, x, run: (value, phi.zeros()),
        by=in_smooth_weights,
    ),
    _called(
        "D climbs on R1.",
        lambda self, value, dphi, D, phi, x, run: (value, dphi.like(-dphi.vector)),
        by=in_leaky_weights,
    ),
    _called(
        "R1's weight gradient is that of other points.",
        lambda self, value, dphi, D, phi, x, run: (value, R1.__call__(self, D, phi, x[::-1] + 1)[1]),
        by=in_smooth_weights,
    ),
    _called(
        "R1's weight gradient is taken for that of D at x.",
        lambda self, value, dphi, D, phi, x, run: (
            value,
            D.backward(np.ones((len(x), 1)), D.forward(phi, x, run)[1])[1],
        ),
        by=in_smooth_weights,
    ),
    _called(
        "R1 has the gradient of softplus(logit).",
        lambda self, value, dphi, D, phi, x, run: (_through(Softplus(), self, D, phi, x), dphi),
        value=r1_linear,
    ),
    _called(
        "R1 has the gradient of the probability.",
        lambda self, value, dphi, D, phi, x, run: (_through(Sigmoid(), self, D, phi, x), dphi),
        value=r1_linear,
    ),
    _called(
        "R1 moves x along the signs of g only.",
        lambda self, value, dphi, D, phi, x, run: (
            value,
            on_input_gradient(lambda g: (value, np.sign(self.of(g)[1])), D, phi, x, run)[1],
        ),
        by=on_pictures,
    ),
]


ROTH_BUGS = [
    class_bug("own", DetachedWeights, Roth, 2.0, by=in_smooth_weights),
    class_bug("own", DetachedWeights, Roth, 2.0, by=in_leaky_weights),
    class_bug("own", DetachedWeights, Roth, 2.0, value=roth_linear),
    class_bug("own", FakesAtRealPoints, Roth, 2.0, by=in_smooth_weights),
    class_bug("own", OfTheProbability, Roth, 2.0, value=roth_linear),
    class_bug("own", OfOneBatch, Roth, 2.0, value=roth_linear),
    roth_bug(
        "Roth forgets u on real samples.", on_real=lambda self, g, y, value, v, u: (value, v, 0 * u), by=in_g
    ),
    roth_bug(
        "Roth's u has the wrong sign on real samples.",
        on_real=lambda self, g, y, value, v, u: (value, v, -u),
        by=in_g,
    ),
    roth_bug(
        "Roth's u lacks the 2 of the square.",
        on_fake=lambda self, g, y, value, v, u: (value, v, u / 2),
        by=in_g,
    ),
    roth_bug(
        "Roth's u is summed over the batch.",
        on_fake=lambda self, g, y, value, v, u: (value, v, len(g) * u),
        by=in_g,
    ),
    roth_bug(
        "Roth exchanges the two weights.",
        *(lambda self, g, y, value, v, u, f=f: f(self, g, y) for f in (Roth.on_fake, Roth.on_real)),
        value=roth_linear,
    ),
    roth_bug(
        "Roth has no factor 1/2.",
        *[lambda self, g, y, value, v, u: (2 * value, 2 * v, 2 * u)] * 2,
        value=roth_linear,
    ),
    roth_bug(
        "Roth has its factor 1/2 in the values only.",
        *[lambda self, g, y, value, v, u: (value, 2 * v, 2 * u)] * 2,
        by=in_g,
    ),
    roth_bug(
        "Roth is the mean weight times the mean square.",
        on_fake=lambda self, g, y, value, v, u: (
            float((sigmoid(y) ** 2).mean() * np.square(_length(g)).mean()),
            v,
            u,
        ),
        by=in_g,
    ),
    roth_bug(
        "Roth's weight is sigmoid(y) and not its square.",
        on_fake=lambda self, g, y, value, v, u: (
            float((sigmoid(y).ravel() * np.square(_length(g)).ravel()).mean()),
            v,
            u,
        ),
        value=roth_linear,
    ),
    roth_bug(
        "Roth leaves the fakes out.",
        on_fake=lambda self, g, y, value, v, u: (0.0, 0 * v, 0 * u),
        value=each_sample_alone,
    ),
]


POINT_BUGS = [
    Bug("own", text, lambda draw=draw: draw, lambda: perturbed, value=around) for text, draw in POINTS.items()
]


REGULARIZER_BUGS = R1_BUGS + ROTH_BUGS + POINT_BUGS
