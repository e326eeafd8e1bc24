"""Penalties on the gradient of D with respect to its input, and the exact gradient of the penalties.

    g = grad_x D(x)          (N, ...), the gradient of D's logit y = D(x) (N, 1) for each sample

    penalty                         at samples            source
    weight mean (|g| - 1)^2         between, perturbed    Gulrajani et al. 2017, eq. 3; Kodali et al. 2017
    weight mean max(0, |g| - 1)^2   between               Gulrajani et al. 2017, section 4, one-sided form
    weight/2 mean |g|^2             real: R1, fake: R2    Mescheder et al. 2018, section 4.1, eq. 9 and 10
    weight/2 mean w(y) |g|^2        real and fake         Roth et al. 2017, Algorithm 1

`between` and `perturbed` are functions below. Kodali et al. (DRAGAN) take points around real samples
(`perturbed`). The one-sided form does not penalise gradients below 1. It is in the paragraph "Two-sided
penalty" of Gulrajani et al. Roth's w(y) is (1 - sigmoid(y))^2 on real samples and sigmoid(y)^2 on fakes.

The penalty's gradient with respect to D's weights phi is a second derivative of D. Let v = d penalty / dg be
a constant. The chain rule and an exchange of the two derivatives give

    d penalty / d phi  =  d/d phi <v, grad_x D(x)>  =  d/dt grad_phi D(x + t v)  at t = 0

This is the tangent of D's weight gradient when x moves along v; the tangent passes compute it. If a penalty
depends on y too, <u, d y / d phi> is added, with u = d penalty / dy: in the same pass dy moves from 1 along
u.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import (
    expect_finite,
    expect_rng,
    expect_samples,
    is_integer,
    is_number,
    not_negative,
    plain_fields,
    positive,
)
from ..core.parameters import Parameters, whole_gradient
from ..core.probes import kink
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..layers.activations import sigmoid
from ..optimizers.schedules import value_at
from .remedy import Remedy

EPS = 1e-12  # added under the root of the norm: so the penalty has a derivative at g = 0, which is v = 0


@may_underflow
def on_input_gradient(penalty, D, phi, x, context=Pass()):
    """(value, dphi) of a penalty on g = grad_x sum D(x): its value, and its gradient with respect to phi.

    penalty(g) -> (value, v), v = d value / dg. x (N, ...), D(x) (N, 1), or one logit for each pack. The
    layers of D need tangent passes. If D mixes samples (BatchNorm, Pack), g is still the gradient of the sum
    over the batch. Raises ValueError unless D is a layer and phi its Parameters, for an empty batch or for
    another shape of the logits; TypeError unless x is an array of floats; NonFiniteError for logits that are
    inf or nan, because the derivative of a ReLU could hide them.
    """
    return on_input_gradient_and_logit(lambda g, y: (*penalty(g), None), D, phi, x, context)


@may_underflow
def on_input_gradient_and_logit(penalty, D, phi, x, context=Pass()):
    """Like `on_input_gradient`, for a penalty that depends on the logits y = D(x) too.

    penalty(g, y) -> (value, v, u), v = d value / dg, and u = d value / dy or None, which means zero.
    """
    if not isinstance(D, Layer) or not isinstance(phi, Parameters):
        raise ValueError(
            "on_input_gradient: expected D as a layer and phi as its Parameters, "
            f"got {type(D).__name__} and {type(phi).__name__}; "
            "make them with D.init(seed), or from a vector with phi.like(vector)"
        )
    expect_samples("on_input_gradient", x=x)
    y, cache = D.forward(phi, x, context)
    if y.ndim != 2 or y.shape[1] != 1:
        raise ValueError(
            f"on_input_gradient: expected D(x) as one logit a row (N, 1), got {y.shape}; "
            "give D a last layer with one output"
        )
    expect_finite("on_input_gradient", y)
    one = np.ones_like(y)
    g, dys = D.backward_keeping(one, cache)
    value, v, u = penalty(g, y)
    _, tcache = D.tangent_forward(v, cache)  # x moves along v
    _, tdphi = D.tangent_backward(dys, u, cache, tcache, need_dx=False)  # dy moves along u
    return value, whole_gradient(tdphi, phi)


@may_underflow
class InputGradientPenalty:
    """The base class of penalties that depend on g = grad_x D(x) alone. A subclass defines `of(g)`.

    of(g) -> (value, v): the value of the penalty, and v = d value / dg. Raises the errors of
    `on_input_gradient`.
    """

    def __call__(self, D, phi, x, context=Pass()):
        """(value, dphi): the penalty at the points x (N, ...), and its gradient with respect to phi.

        phi are D's parameters.
        """
        return on_input_gradient(self.of, D, phi, x, context)


@may_underflow
@dataclass(frozen=True)
class GradientPenalty(InputGradientPenalty):
    """weight mean_n (|g_n| - target)^2          g = grad_x D(x) (N, ...)

        value, dphi = GradientPenalty(10.0)(D, phi, x, context)

    one_sided=True: weight mean_n max(0, |g_n| - target)^2.
    Raises ValueError for a weight or target that is negative or not finite.
    """

    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False

    def __post_init__(self):
        if not (is_number(self.weight) and is_number(self.target)):
            raise ValueError(
                "GradientPenalty: expected weight and target as finite numbers of at least 0, "
                f"got {self.weight!r} and {self.target!r}; the paper's are 10 and 1"
            )
        plain_fields(self)

    def of(self, g):
        """(value, v): the penalty as a function of g (N, ...), and its derivative with respect to g."""
        n = norms(g)
        excess = n - self.target
        if self.one_sided:
            kink(lambda: excess > 0)
            excess = np.maximum(excess, 0)
        value = self.weight * float(np.square(excess).mean())
        v = 2 * self.weight / len(g) * (excess / n) * g  # d|g| / dg = g / |g|
        return value, v


@may_underflow
@dataclass(frozen=True)
class R1(InputGradientPenalty):
    """weight/2 mean_n |g_n|^2          g = grad_x D(x) (N, ...) at real samples x

        value, dphi = R1(10.0)(D, phi, real, context)

    Mescheder et al. 2018, eq. 9; weight is the paper's gamma = 10. D's output must be the logit, without a
    sigmoid or softplus. Raises ValueError for a weight that is negative or not finite.
    """

    weight: float = 10.0

    def __post_init__(self):
        expect_weight(self, "10")

    def of(self, g):
        """(value, v): the penalty as a function of g (N, ...), and its derivative with respect to g."""
        v = self.weight / len(g) * g
        return 0.5 * float((v * g).sum()), v


class R2(R1):
    """The formula of R1 at fake samples: R2(10.0)(D, phi, fake, context) (Mescheder et al. 2018, eq. 10)."""


@may_underflow
@dataclass(frozen=True)
class Roth:
    """weight/2 [ mean_real (1 - s)^2 |g|^2 + mean_fake s^2 |g|^2 ]

        value, dphi = Roth(2.0)(D, phi, real, fake, real_context, fake_context)

    y = D(x) (N, 1) logits, s = sigmoid(y), g = grad_x y (N, ...). Roth et al. 2017, Algorithm 1; weight is
    the paper's gamma. A schedule can anneal the weight: Roth(schedule(step)). The factors (1 - s)^2 and s^2
    depend on phi, and their derivatives are included. Real and fake batches may differ in size, because each
    has its own mean.
    Raises ValueError for a weight that is negative or not finite, or for a D that judges packs of samples.
    """

    weight: float = 2.0

    def __post_init__(self):
        expect_weight(self, "2.0, annealed")

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        """(value, dphi): the penalty at real (M, ...) and fake (N, ...), with its gradient for phi.

        phi are D's parameters.
        """
        on_real, dphi_real = on_input_gradient_and_logit(self.on_real, D, phi, real, real_context)
        on_fake, dphi_fake = on_input_gradient_and_logit(self.on_fake, D, phi, fake, fake_context)
        return on_real + on_fake, dphi_real + dphi_fake

    def on_real(self, g, y):
        """(value, v, u) of the penalty on real samples: value = weight/2 mean sigmoid(-y)^2 |g|^2.

        y (M, 1) are D's logits, g (M, ...) their gradients with respect to the samples. v and u are the
        derivatives of value with respect to g and y. Raises ValueError unless there is one logit for each
        sample.
        """
        value, v, u = self._where_high(g, -y)
        return value, v, -u

    def on_fake(self, g, y):
        """(value, v, u) of the penalty on fakes: value = weight/2 mean sigmoid(y)^2 |g|^2.

        y (N, 1) are D's logits, g (N, ...) their gradients with respect to the fakes. v and u are the
        derivatives of value with respect to g and y. Raises ValueError unless there is one logit for each
        sample.
        """
        return self._where_high(g, y)

    def _where_high(self, g, y):
        if len(y) != len(g):
            raise ValueError(
                f"Roth: expected one logit D(x) for each of the {len(g)} samples, got {y.shape}; "
                "D must not judge packs"
            )
        s = sigmoid(y).reshape(-1, *(1,) * (g.ndim - 1))
        v = self.weight / len(g) * s**2 * g
        each = (v * g).sum(axis=tuple(range(1, g.ndim))).reshape(y.shape)  # twice each sample's part, (N, 1)
        return 0.5 * float(each.sum()), v, each * sigmoid(-y)  # d s^2 / dy = 2 s^2 (1 - s)


@may_underflow
@dataclass(frozen=True)
class Lazy:
    """`every` times the penalty at the steps 0, every, 2 every, ..., and 0 at all other steps

        value, dphi = Lazy(R1(10.0), every=16)(step, D, phi, real, context)

    Lazy regularization (Karras et al. 2020, appendix B). Its mean over `every` steps equals the penalty, but
    the penalty is computed only once in them. Here its gradient is added to that of the loss, and the number
    of updates stays the same. The paper makes an additional update for each penalty and adapts Adam's
    constants. Raises ValueError unless every >= 1 and step >= 0 are integers; TypeError for a penalty that
    cannot be called.
    """

    penalty: object
    every: int = 16

    def __post_init__(self):
        positive(self.every, "Lazy every")
        _expect_penalty(self, "penalty")
        plain_fields(self)

    def __call__(self, step, D, phi, *args, **words):
        """every times (value, dphi) of penalty(D, phi, ...), if step is a multiple of every.

        At all other steps (0.0, zeros), without a pass of D.
        """
        if not is_integer(step):
            raise ValueError(
                f"Lazy: expected step as an integer of at least 0, the number of updates made, got {step!r}"
            )
        if step % self.every:
            return 0.0, phi.zeros()
        value, dphi = self.penalty(D, phi, *args, **words)
        return self.every * value, dphi.like(self.every * dphi.vector)


def _expect_penalty(record, name):
    if not callable(penalty := getattr(record, name)):
        raise TypeError(
            f"{type(record).__name__}: expected {name} as a penalty such as R1(10.0), "
            f"called with (D, phi, ...), got {penalty!r}"
        )


def expect_weight(penalty, paper):
    """Raise ValueError unless the weight is a finite number of at least 0; `paper` is the usual one."""
    if not is_number(penalty.weight):
        raise ValueError(
            f"{type(penalty).__name__}: expected weight as a finite number of at least 0, "
            f"got {penalty.weight!r}; the paper's is {paper}"
        )
    plain_fields(penalty)


@may_underflow
def norms(g):
    """|g_n| = sqrt(sum over all axes but the first of g^2 + EPS)          g (N, ...) -> (N, 1, ..., 1)"""
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + EPS)


@may_underflow
def between(real, fake, rng):
    """Random points between real and fake samples: e real_n + (1 - e) fake_n, e ~ U(0, 1) for each pair

    real (M, ...), fake (N, ...) -> (min(M, N), ...): sample n of real and sample n of fake are a pair
    (Gulrajani et al. 2017, Algorithm 1, line 6). Raises TypeError for arrays that are not of floats;
    ValueError if the samples differ in shape, if a batch is empty, or unless rng is a numpy Generator.
    """
    expect_samples("between", real=real, fake=fake)
    expect_rng("between", rng)
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"between: expected real and fake samples of one shape, "
            f"got {real.shape[1:]} and {fake.shape[1:]}; reshape one of them"
        )
    n = min(len(real), len(fake))
    e = rng.uniform(size=(n, *(1,) * (real.ndim - 1))).astype(real.dtype)
    return e * real[:n] + (1 - e) * fake[:n]


@may_underflow
def perturbed(real, rng, scale=0.5):
    """Random points around real samples, for DRAGAN: x + scale std(x) u, u ~ U(0, 1) for each entry

        penalty, dphi = GradientPenalty(10.0)(D, phi, perturbed(real, rng), context)

    real (N, ...) -> (N, ...). std is over all entries of the batch. This is the authors' code; the paper's
    text has normal noise (Kodali et al. 2017). Later code takes points on the segment: between(real,
    perturbed(real, rng), rng). Raises TypeError for an array that is not of floats; ValueError for an empty
    batch, a scale that is negative or not finite, or unless rng is a numpy Generator. If entries of real are
    not finite, the penalty raises an error.
    """
    expect_samples("perturbed", real=real)
    expect_rng("perturbed", rng)
    scale = not_negative(scale, "perturbed scale")
    u = rng.uniform(size=real.shape).astype(real.dtype)
    return real + scale * real.std() * u


# ---- as remedies of the two-player game


@may_underflow
@dataclass(frozen=True)
class R1Penalty(Remedy):
    """Remedy: R1 at D's real inputs.

    every > 1: only at every such step, and multiplied by `every` (see `Lazy`). gamma is the weight of R1.
    Raises ValueError unless every is an integer of at least 1.
    """

    gamma: float = 10.0
    every: int = 1
    checks = {"gamma": not_negative, "every": positive}

    def penalty(self, D, phi, real, fake, game, seed):
        return Lazy(R1(self.gamma), self.every)(game.now, D, phi, real, Pass(derive(seed, "D on real")))


@may_underflow
@dataclass(frozen=True)
class RothPenalty(Remedy):
    """Remedy: Roth's penalty at D's inputs. gamma is its weight: a number, or a schedule (annealing)."""

    gamma: object = 2.0
    checks = {"gamma": lambda gamma, name: callable(gamma) or not_negative(gamma, name)}

    def penalty(self, D, phi, real, fake, game, seed):
        contexts = (Pass(derive(seed, f"D on {where}")) for where in ("real", "fake"))
        return Roth(value_at(self.gamma, game.now))(D, phi, real, fake, *contexts)


@may_underflow
@dataclass(frozen=True)
class DRAGANPenalty(Remedy):
    """Remedy: a gradient penalty at random points around D's real inputs (see `perturbed`)."""

    gradient_penalty: GradientPenalty = GradientPenalty(10.0)

    def __post_init__(self):
        _expect_penalty(self, "gradient_penalty")

    def penalty(self, D, phi, real, fake, game, seed):
        points = perturbed(real, stream(seed, "perturbed"))
        return self.gradient_penalty(D, phi, points, Pass(derive(seed, "D around real")))
