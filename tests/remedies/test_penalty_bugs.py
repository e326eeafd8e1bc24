"""Bugs planted into the gradient penalty and into WGAN-GP; a check catches each of them."""

from dataclasses import replace

import numpy as np
import pytest
from penalty_cases import (
    LEAKY,
    PICTURES,
    closed_form,
    no_gradient_at_all,
    on_segments,
    through,
    tiny_gradients,
    without_penalty,
)
from planted_bug import Bug

from numgan import build, check_penalty
from numgan.checking.penalty import derivative_in_g, gradient_in_weights
from numgan.checking.points import outcome
from numgan.checking.system import check_objective
from numgan.core.errors import GradientError
from numgan.layers import Pass, Tanh
from numgan.networks import mlp
from numgan.remedies.penalties import GradientPenalty, between, norms
from numgan.systems.games import wgan_gp


class SumOverBatch(GradientPenalty):
    """The sum over the batch instead of the mean, in value and derivative alike."""

    def of(self, g):
        value, v = super().of(g)
        return len(g) * value, len(g) * v


class SumInTheDerivative(GradientPenalty):
    """The derivative forgets the mean's 1/N."""

    def of(self, g):
        value, v = super().of(g)
        return value, len(g) * v


class WholeBatchNorm(GradientPenalty):
    """One norm for the whole batch."""

    def of(self, g):
        value, v = super().of(g.reshape(1, -1))
        return value, v.reshape(g.shape)


class NormPerPixel(GradientPenalty):
    """The norm over the last axis only."""

    def of(self, g):
        value, v = super().of(g.reshape(-1, g.shape[-1]))
        return value, v.reshape(g.shape)


class NoEpsilon(GradientPenalty):
    """The root without an epsilon: nan where the gradient vanishes."""

    def of(self, g):
        n = np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True))
        return self.weight * float(np.square(n - 1).mean()), 2 * self.weight / len(g) * (1 - 1 / n) * g


class EpsilonInOnePlace(GradientPenalty):
    """The epsilon in the derivative of the norm and not in the norm."""

    def of(self, g):
        n = np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True))
        return self.weight * float(np.square(n - 1).mean()), super().of(g)[1]


class NotDividedByTheNorm(GradientPenalty):
    """d|g| / dg = g."""

    def of(self, g):
        value, v = super().of(g)
        return value, v * norms(g)


class ForgottenWeight(GradientPenalty):
    """lambda in neither value nor derivative."""

    def of(self, g):
        value, v = super().of(g)
        return value / self.weight, v / self.weight


class ForgottenWeightInTheDerivative(GradientPenalty):
    """lambda in the value only."""

    def of(self, g):
        value, v = super().of(g)
        return value, v / self.weight


class SquaredNorm(GradientPenalty):
    """(|g|^2 - 1)^2: the root is missing."""

    def of(self, g):
        s = np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True)
        return self.weight * float(np.square(s - 1).mean()), 4 * self.weight / len(g) * (s - 1) * g


class Detached(GradientPenalty):
    """The input gradient is a constant: the value is there, its gradient in the weights is not."""

    def __call__(self, D, phi, x, run=None):
        return super().__call__(D, phi, x, run or Pass())[0], phi.zeros()


class OrdinaryBackward(GradientPenalty):
    """The weight gradient of <v, grad D> is taken for that of D at x."""

    def __call__(self, D, phi, x, run=None):
        y, cache = D.forward(phi, x, run or Pass())
        return super().__call__(D, phi, x, run or Pass())[0], D.backward(np.ones_like(y), cache)[1]


class WeightGradientNorm(GradientPenalty):
    """The norm of the gradient in the weights."""

    def __call__(self, D, phi, x, run=None):
        y, cache = D.forward(phi, x, run or Pass())
        return self.of(D.backward(np.ones_like(y), cache)[1].vector[None])[0], super().__call__(
            D, phi, x, run or Pass()
        )[1]


class Bentless(Tanh):
    """Tanh without its second derivative: as good as a ReLU in first order."""

    dd = None


class NeverAdded(wgan_gp.WGANGP):
    """The penalty is in the loss, its gradient is not in the critic's."""

    def critic(self, params, batch, seed, fakes=None):
        return replace(
            super().critic(params, batch, seed, fakes),
            gradients=without_penalty(self).critic(params, batch, seed, fakes).gradients,
        )


class Climbing(wgan_gp.WGANGP):
    """The critic ascends on its penalty."""

    def critic(self, params, batch, seed, fakes=None):
        right = super().critic(params, batch, seed, fakes)
        free = without_penalty(self).critic(params, batch, seed, fakes).gradients["D"]
        return replace(right, gradients={"D": free.like(2 * free.vector - right.gradients["D"].vector)})


def _mixed(places):
    """Points e real + (1 - e) fake, e drawn for `places(shape)`."""
    return lambda real, fake, rng: (lambda n, e: e * real[:n] + (1 - e) * fake[:n])(
        min(len(real), len(fake)), rng.uniform(size=places((min(len(real), len(fake)), *real.shape[1:])))
    )


in_g = lambda penalty: outcome(PICTURES.point, derivative_in_g, penalty, True)


in_weights = lambda penalty: outcome(LEAKY.point, gradient_in_weights, penalty, True)


whole_step = lambda kind: check_objective(kind(**vars(build("wgan_gp", "digits", 0.02))), "D")


BUGS = [
    *(
        Bug(kind.__doc__, kind(10.0), GradientPenalty(10.0), by)
        for kind, by in [
            (SumOverBatch, closed_form),
            (SumInTheDerivative, in_g),
            (WholeBatchNorm, closed_form),
            (NormPerPixel, closed_form),
            (NoEpsilon, no_gradient_at_all),
            (EpsilonInOnePlace, tiny_gradients),
            (NotDividedByTheNorm, in_g),
            (ForgottenWeight, closed_form),
            (ForgottenWeightInTheDerivative, in_g),
            (SquaredNorm, closed_form),
            (Detached, in_weights),
            (OrdinaryBackward, in_weights),
            (WeightGradientNorm, closed_form),
        ]
    ),
    Bug(Bentless.__doc__, mlp(3, 5, 4, 1, activation=Bentless), mlp(3, 5, 4, 1, activation=Tanh), through),
    *(Bug(kind.__doc__, kind, wgan_gp.WGANGP, whole_step) for kind in (NeverAdded, Climbing)),
    Bug("one e for the whole batch", _mixed(lambda shape: (1,) * len(shape)), between, on_segments),
    Bug("one e for each pixel", _mixed(lambda shape: shape), between, on_segments),
    Bug(
        "e from a normal distribution",
        lambda real, fake, rng: between(real, fake, Normal(rng)),
        between,
        on_segments,
    ),
    Bug("the fakes themselves", lambda real, fake, rng: fake[: len(real)], between, on_segments),
]


class Normal:
    """A generator whose uniform numbers are normal ones."""

    def __init__(self, rng):
        self.uniform = rng.standard_normal


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.text[:70])
def test_a_planted_bug_is_caught(bug):
    with pytest.raises((AssertionError, GradientError, FloatingPointError)):
        bug.by(bug.planted)


@pytest.mark.parametrize(
    "by, healthy", {(bug.by, repr(bug.healthy)): (bug.by, bug.healthy) for bug in BUGS}.values()
)
def test_without_the_bug_the_same_check_passes(by, healthy):
    by(healthy)


def test_the_message_names_penalty_critic_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)OrdinaryBackward\(weight=10.0.*gradient of 0.W is wrong.*numgan.check_penalty\(",
    ):
        check_penalty(OrdinaryBackward(10.0), mlp(3, 4, 1, activation=Tanh), (3,))
