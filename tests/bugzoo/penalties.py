"""Planted bugs: the gradient penalty and its points."""

import numpy as np
from penalty_cases import (
    closed_form,
    in_g,
    in_leaky_weights,
    no_gradient_at_all,
    on_segments,
    through,
    tiny_gradients,
)

from bugzoo import Bug, class_bug
from numgan.layers import Pass, Tanh
from numgan.networks import mlp
from numgan.remedies.penalties import GradientPenalty, between, norms


class SumOverBatch(GradientPenalty):
    """The value and the derivative are those of the sum over the batch instead of the mean."""

    def of(self, g):
        value, v = super().of(g)
        return len(g) * value, len(g) * v


class SumInTheDerivative(GradientPenalty):
    """The derivative forgets the mean's 1/N."""

    def of(self, g):
        value, v = super().of(g)
        return value, len(g) * v


class WholeBatchNorm(GradientPenalty):
    """One norm is taken for the whole batch."""

    def of(self, g):
        value, v = super().of(g.reshape(1, -1))
        return value, v.reshape(g.shape)


class NormPerPixel(GradientPenalty):
    """The norm is taken over the last axis only."""

    def of(self, g):
        value, v = super().of(g.reshape(-1, g.shape[-1]))
        return value, v.reshape(g.shape)


class NoEpsilon(GradientPenalty):
    """The root has no epsilon, so the derivative is nan where the gradient vanishes."""

    def of(self, g):
        n = np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True))
        return self.weight * float(np.square(n - 1).mean()), 2 * self.weight / len(g) * (1 - 1 / n) * g


class EpsilonInOnePlace(GradientPenalty):
    """The epsilon is in the derivative of the norm and not in the norm."""

    def of(self, g):
        n = np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True))
        return self.weight * float(np.square(n - 1).mean()), super().of(g)[1]


class NotDividedByTheNorm(GradientPenalty):
    """The derivative of |g| is taken for g."""

    def of(self, g):
        value, v = super().of(g)
        return value, v * norms(g)


class ForgottenWeight(GradientPenalty):
    """lambda is in neither the value nor the derivative."""

    def of(self, g):
        value, v = super().of(g)
        return value / self.weight, v / self.weight


class ForgottenWeightInTheDerivative(GradientPenalty):
    """lambda is in the value only."""

    def of(self, g):
        value, v = super().of(g)
        return value, v / self.weight


class SquaredNorm(GradientPenalty):
    """The root is missing, so the penalty is (|g|^2 - 1)^2."""

    def of(self, g):
        s = np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True)
        return self.weight * float(np.square(s - 1).mean()), 4 * self.weight / len(g) * (s - 1) * g


class Detached(GradientPenalty):
    """The input gradient is taken for a constant, so the gradient in the weights is zero."""

    def __call__(self, D, phi, x, run=None):
        return super().__call__(D, phi, x, run or Pass())[0], phi.zeros()


class OrdinaryBackward(GradientPenalty):
    """The weight gradient of <v, grad D> is taken for that of D at x."""

    def __call__(self, D, phi, x, run=None):
        y, cache = D.forward(phi, x, run or Pass())
        return super().__call__(D, phi, x, run or Pass())[0], D.backward(np.ones_like(y), cache)[1]


class WeightGradientNorm(GradientPenalty):
    """The norm is that of the gradient in the weights."""

    def __call__(self, D, phi, x, run=None):
        y, cache = D.forward(phi, x, run or Pass())
        return self.of(D.backward(np.ones_like(y), cache)[1].vector[None])[0], super().__call__(
            D, phi, x, run or Pass()
        )[1]


class Bentless(Tanh):
    """Tanh lacks its second derivative, which first-order checks do not see."""

    dd = None


def _mixed(places):
    """Points e real + (1 - e) fake, e drawn for `places(shape)`."""
    return lambda real, fake, rng: (lambda n, e: e * real[:n] + (1 - e) * fake[:n])(
        min(len(real), len(fake)), rng.uniform(size=places((min(len(real), len(fake)), *real.shape[1:])))
    )


class Normal:
    """A generator whose uniform numbers are normal ones."""

    def __init__(self, rng):
        self.uniform = rng.standard_normal


POINTS = {
    "One e is drawn for the whole batch.": _mixed(lambda shape: (1,) * len(shape)),
    "One e is drawn for each pixel.": _mixed(lambda shape: shape),
    "e is drawn from a normal distribution.": lambda real, fake, rng: between(real, fake, Normal(rng)),
    "The points are the fakes themselves.": lambda real, fake, rng: fake[: len(real)],
}


PENALTY_BUGS = [
    *(
        class_bug("own", broken, GradientPenalty, 10.0, value=value)
        for broken, value in (
            (SumOverBatch, closed_form),
            (WholeBatchNorm, closed_form),
            (NormPerPixel, closed_form),
            (EpsilonInOnePlace, tiny_gradients),
            (ForgottenWeight, closed_form),
            (SquaredNorm, closed_form),
            (WeightGradientNorm, closed_form),
        )
    ),
    class_bug("own", NoEpsilon, GradientPenalty, 10.0, value=no_gradient_at_all, error=FloatingPointError),
    *(
        class_bug("own", broken, GradientPenalty, 10.0, by=check)
        for broken, check in (
            (SumInTheDerivative, in_g),
            (NotDividedByTheNorm, in_g),
            (ForgottenWeightInTheDerivative, in_g),
            (Detached, in_leaky_weights),
            (OrdinaryBackward, in_leaky_weights),
        )
    ),
    Bug(
        "own",
        Bentless.__doc__,
        lambda: mlp(3, 5, 4, 1, activation=Bentless),
        lambda: mlp(3, 5, 4, 1, activation=Tanh),
        by=through,
    ),
    *(
        Bug("own", text, lambda draw=draw: draw, lambda: between, value=on_segments)
        for text, draw in POINTS.items()
    ),
]
