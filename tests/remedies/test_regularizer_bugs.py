"""Bugs planted into R1, R2, Roth's regulariser and DRAGAN's points; a check catches each of them."""

from dataclasses import replace

import numpy as np
import pytest
from planted_bug import Bug
from regularizer_cases import around, each_sample_alone, r1_linear, r1_quadratic, roth_linear, sigmoid

from numgan import R1, GradientPenalty, Roth, check_penalty
from numgan.checking.layer_cases import CRITICS
from numgan.checking.penalty import derivative_in_g, gradient_in_weights
from numgan.checking.points import outcome
from numgan.core.errors import GradientError
from numgan.core.parameters import Parameters
from numgan.layers import LeakyReLU, Pass, Sequential, Sigmoid, Softplus, Tanh
from numgan.networks import mlp
from numgan.remedies.penalties import on_input_gradient, on_input_gradient_and_logit, perturbed


def _of(text, change, base=R1):
    """A class of penalties whose `of` is what `change` makes of (penalty, g, value, v)."""
    return type(
        "Planted", (base,), {"__doc__": text, "of": lambda self, g: change(self, g, *base.of(self, g))}
    )


def _called(text, change, base=R1):
    """A class of penalties whose call is what `change` makes of (penalty, right value, right gradient, D,
    phi, x).
    """
    return type(
        "Planted",
        (base,),
        {
            "__doc__": text,
            "__call__": lambda self, D, phi, x, context=Pass(): change(
                self, *base.__call__(self, D, phi, x, context), D, phi, x, context
            ),
        },
    )


def _roth(text, on_real=None, on_fake=None):
    """A class of Roth's regulariser whose two functions are what the changes make of (penalty, g, y, value,
    v, u).
    """
    methods = {"__doc__": text}
    for name, change in (("on_real", on_real), ("on_fake", on_fake)):
        if change:
            methods[name] = lambda self, g, y, change=change, right=getattr(Roth, name): change(
                self, g, y, *right(self, g, y)
            )
    return type("Planted", (Roth,), methods)


def _through(unit, penalty, D, phi, x):
    """The penalty's value on D with a unit after the logit."""
    net = Sequential(*D, unit)
    return on_input_gradient(penalty.of, net, Parameters(phi.vector, net.layout), x)[0]


def _length(g):
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + 1e-12)


class OfTheProbability(Roth):
    """The gradient of sigmoid(y) instead of that of the logit"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        chance = lambda f: lambda g, y: f(g * (sigmoid(y) * sigmoid(-y)).reshape(-1, *(1,) * (g.ndim - 1)), y)
        one, two = (
            on_input_gradient_and_logit(chance(f), D, phi, x)
            for f, x in ((self.on_real, real), (self.on_fake, fake))
        )
        return one[0] + two[0], one[1] + two[1]


class OfOneBatch(Roth):
    """Real and fake in one batch and one mean"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, gradient = super().__call__(D, phi, real, fake, real_context, fake_context)
        share = len(real) / (len(real) + len(fake))
        return value * share, gradient.like(gradient.vector * share)


class DetachedWeights(Roth):
    """The weights are constants when the gradient is taken: tdy forgotten"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        one, two = (
            on_input_gradient(lambda g, f=f, x=x: f(g, D.forward(phi, x, run)[0])[:2], D, phi, x, run)
            for f, x, run in ((self.on_real, real, real_context), (self.on_fake, fake, fake_context))
        )
        return one[0] + two[0], one[1] + two[1]


class FakesAtRealPoints(Roth):
    """The weight gradient of the fakes at the real points"""

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        value, _ = super().__call__(D, phi, real, fake, real_context, fake_context)
        return value, super().__call__(D, phi, real, real, real_context, real_context)[1]


_smooth, _leaky, _pictures = CRITICS[0], CRITICS[1], CRITICS[3]


in_g = lambda penalty: outcome(_pictures.point, derivative_in_g, penalty, True)


in_weights = lambda penalty: outcome(_smooth.point, gradient_in_weights, penalty, True)


in_leaky_weights = lambda penalty: outcome(_leaky.point, gradient_in_weights, penalty, True)


on_pictures = lambda penalty: outcome(replace(_pictures, batch=3).point, gradient_in_weights, penalty, True)


R1_BUGS = [
    (_of("no factor 1/2", lambda self, g, value, v: (2 * value, 2 * v)), r1_linear),
    (_of("factor 1/2 in the value only", lambda self, g, value, v: (value, 2 * v)), in_g),
    (_of("the sum over the batch", lambda self, g, value, v: (len(g) * value, len(g) * v)), r1_linear),
    (_of("the sum in the derivative only", lambda self, g, value, v: (value, len(g) * v)), in_g),
    (
        _of(
            "the mean over the pixels",
            lambda self, g, value, v: (value * len(g) / g.size, v * len(g) / g.size),
        ),
        r1_linear,
    ),
    (
        _of(
            "the squared norm of the batch's mean gradient",
            lambda self, g, value, v: (
                5 * np.square(g.mean(axis=0)).sum(),
                np.broadcast_to(10 / len(g) * g.mean(axis=0), g.shape).copy(),
            ),
        ),
        r1_quadratic,
    ),
    (
        _of(
            "the norm over the batch axis",
            lambda self, g, value, v: (5 * float(np.square(_length(g.T)).mean()), v),
        ),
        r1_linear,
    ),
    (
        _of(
            "the norm, not its square",
            lambda self, g, value, v: (5 * float(_length(g).mean()), 5 / len(g) * g / _length(g)),
        ),
        r1_linear,
    ),
    (_of("the norm is pulled to one", lambda self, g, value, v: GradientPenalty(5.0).of(g)), r1_linear),
    (_of("the wrong sign in the derivative", lambda self, g, value, v: (value, -v)), in_g),
    (
        _called(
            "the input gradient is a constant", lambda self, value, dphi, D, phi, x, run: (value, phi.zeros())
        ),
        in_weights,
    ),
    (
        _called(
            "the penalty climbs", lambda self, value, dphi, D, phi, x, run: (value, dphi.like(-dphi.vector))
        ),
        in_leaky_weights,
    ),
    (
        _called(
            "the weight gradient of other points",
            lambda self, value, dphi, D, phi, x, run: (value, R1.__call__(self, D, phi, x[::-1] + 1)[1]),
        ),
        in_weights,
    ),
    (
        _called(
            "the weight gradient of D at x",
            lambda self, value, dphi, D, phi, x, run: (
                value,
                D.backward(np.ones((len(x), 1)), D.forward(phi, x, run)[1])[1],
            ),
        ),
        in_weights,
    ),
    (
        _called(
            "the gradient of softplus(logit)",
            lambda self, value, dphi, D, phi, x, run: (_through(Softplus(), self, D, phi, x), dphi),
        ),
        r1_linear,
    ),
    (
        _called(
            "the gradient of the probability",
            lambda self, value, dphi, D, phi, x, run: (_through(Sigmoid(), self, D, phi, x), dphi),
        ),
        r1_linear,
    ),
    (
        _called(
            "x moves along g for each pixel's sign only",
            lambda self, value, dphi, D, phi, x, run: (
                value,
                on_input_gradient(lambda g: (value, np.sign(self.of(g)[1])), D, phi, x, run)[1],
            ),
        ),
        on_pictures,
    ),
]


ROTH_BUGS = [
    (DetachedWeights, in_weights),
    (DetachedWeights, in_leaky_weights),
    (DetachedWeights, roth_linear),
    (FakesAtRealPoints, in_weights),
    (OfTheProbability, roth_linear),
    (OfOneBatch, roth_linear),
    (_roth("u forgotten on real samples", on_real=lambda self, g, y, value, v, u: (value, v, 0 * u)), in_g),
    (_roth("the sign of u on real samples", on_real=lambda self, g, y, value, v, u: (value, v, -u)), in_g),
    (_roth("u without the square's 2", on_fake=lambda self, g, y, value, v, u: (value, v, u / 2)), in_g),
    (_roth("u summed over the batch", on_fake=lambda self, g, y, value, v, u: (value, v, len(g) * u)), in_g),
    (
        _roth(
            "the weights exchanged",
            *(lambda self, g, y, value, v, u, f=f: f(self, g, y) for f in (Roth.on_fake, Roth.on_real)),
        ),
        roth_linear,
    ),
    (_roth("no factor 1/2", *[lambda self, g, y, value, v, u: (2 * value, 2 * v, 2 * u)] * 2), roth_linear),
    (
        _roth("factor 1/2 in the values only", *[lambda self, g, y, value, v, u: (value, 2 * v, 2 * u)] * 2),
        in_g,
    ),
    (
        _roth(
            "the mean weight times the mean square",
            on_fake=lambda self, g, y, value, v, u: (
                float((sigmoid(y) ** 2).mean() * np.square(_length(g)).mean()),
                v,
                u,
            ),
        ),
        in_g,
    ),
    (
        _roth(
            "sigmoid(y), not its square",
            on_fake=lambda self, g, y, value, v, u: (
                float((sigmoid(y).ravel() * np.square(_length(g)).ravel()).mean()),
                v,
                u,
            ),
        ),
        roth_linear,
    ),
    (
        _roth("the fakes are left out", on_fake=lambda self, g, y, value, v, u: (0.0, 0 * v, 0 * u)),
        each_sample_alone,
    ),
]


POINT_BUGS = [
    ("the std of each pixel", lambda x, rng: x + 0.5 * x.std(axis=0) * rng.uniform(size=x.shape)),
    (
        "the std of each sample",
        lambda x, rng: (
            x + 0.5 * x.std(axis=tuple(range(1, x.ndim)), keepdims=True) * rng.uniform(size=x.shape)
        ),
    ),
    ("the variance", lambda x, rng: x + 0.5 * x.var() * rng.uniform(size=x.shape)),
    ("no factor 1/2", lambda x, rng: perturbed(x, rng, scale=1.0)),
    ("no std", lambda x, rng: x + 0.5 * rng.uniform(size=x.shape)),
    (
        "one u for each sample",
        lambda x, rng: x + 0.5 * x.std() * rng.uniform(size=(len(x), *(1,) * (x.ndim - 1))),
    ),
    ("one u for each pixel", lambda x, rng: x + 0.5 * x.std() * rng.uniform(size=x.shape[1:])),
    ("normal noise", lambda x, rng: x + 0.5 * x.std() * rng.standard_normal(x.shape)),
    ("noise on both sides", lambda x, rng: x + 0.5 * x.std() * rng.uniform(-1, 1, x.shape)),
]


BUGS = [
    *(Bug(f"R1: {kind.__doc__}", kind(10.0), R1(10.0), by) for kind, by in R1_BUGS),
    *(Bug(f"Roth: {kind.__doc__}", kind(2.0), Roth(2.0), by) for kind, by in ROTH_BUGS),
    *(Bug(f"DRAGAN: {text}", draw, perturbed, around) for text, draw in POINT_BUGS),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.text[:70])
def test_a_planted_bug_is_caught(bug):
    with pytest.raises((AssertionError, GradientError)):
        bug.by(bug.planted)


@pytest.mark.parametrize(
    "by, healthy", {(bug.by, repr(bug.healthy)): (bug.by, bug.healthy) for bug in BUGS}.values()
)
def test_without_the_bug_the_same_check_passes(by, healthy):
    by(healthy)


def test_the_message_names_penalty_critic_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)DetachedWeights\(weight=2.0\) on .*gradient of .* is wrong.*numgan.check_penalty\(",
    ):
        check_penalty(DetachedWeights(2.0), mlp(3, 4, 1, activation=LeakyReLU), (3,))
    wrong = _roth("u halved", on_fake=lambda self, g, y, value, v, u: (value, v, u / 2))
    with pytest.raises(GradientError, match="derivative in y on fake is wrong"):
        check_penalty(wrong(2.0), mlp(3, 4, 1, activation=Tanh), (3,))
