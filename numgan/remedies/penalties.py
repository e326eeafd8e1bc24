"""Penalties on the gradient of D in its input, and their exact gradient in D's weights.

    g = grad_x D(x)          (N, ...), one gradient a sample, of D's logit y = D(x) (N, 1)

    penalty                         at                    source
    weight mean (|g| - 1)^2         between, perturbed    Gulrajani et al. 2017, eq. 3; Kodali et al. 2017, around real samples (DRAGAN)
    weight mean max(0, |g| - 1)^2   between               Gulrajani et al. 2017, section 4, "Two-sided penalty": gradients below 1 are left alone
    weight/2 mean |g|^2             real: R1, fake: R2    Mescheder et al. 2018, section 4.1, eq. 9 and 10
    weight/2 mean w(y) |g|^2        real and fake         Roth et al. 2017, Algorithm 1; w = (1 - sigmoid(y))^2 on real, sigmoid(y)^2 on fake

The penalty's gradient in the weights phi is a second derivative of D. With v = d penalty / dg held fixed, the chain rule and then the
exchange of the two derivatives say

    d penalty / d phi  =  d/d phi <v, grad_x D(x)>  =  d/dt grad_phi D(x + t v)  at t = 0

so it is enough to move x along v and to watch how D's weight gradient moves, which is what the tangent passes are for. A penalty that
depends on y too adds <u, d y / d phi>, u = d penalty / dy: in the same pass dy moves from 1 along u.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import (
    expect_finite,
    expect_rng,
    expect_samples,
    is_number,
    not_negative,
    plain_fields,
    positive,
)
from ..core.parameters import Parameters, whole_gradient
from ..core.probes import kink
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..layers.activations import sigmoid

EPS = 1e-12  # inside the root of the norm: at g = 0 the penalty stays differentiable, and v is 0


@may_underflow
def on_input_gradient(penalty, D, phi, x, context=Pass()):
    """(value, its gradient in phi) of any penalty(g) -> (value, v), v = d value / dg, on g = grad_x sum D(x).

    x (N, ...), D(x) (N, 1), or one logit a pack; the layers of D need tangent passes. Where D mixes samples (BatchNorm, Pack), g is the gradient
    of the batch's sum.
    ValueError unless D is a layer and phi its Parameters, for an empty batch or another number of logits; NonFiniteError for logits that are
    inf or nan: the slope of a ReLU would hide them.
    """
    return on_input_gradient_and_logit(lambda g, y: (*penalty(g), None), D, phi, x, context)


@may_underflow
def on_input_gradient_and_logit(penalty, D, phi, x, context=Pass()):
    """The same of any penalty(g, y) -> (value, v, u), v = d value / dg, u = d value / dy or None for zero, on g and the logits y = D(x)."""
    if not isinstance(D, Layer) or not isinstance(phi, Parameters):
        raise ValueError(
            f"on_input_gradient: expected D as a layer and phi as its Parameters, got {type(D).__name__} and {type(phi).__name__}; "
            "D.init(seed) makes them, and phi.like(vector) makes them of a vector"
        )
    expect_samples("on_input_gradient", x=x)
    y, cache = D.forward(phi, x, context)
    if y.ndim != 2 or y.shape[1] != 1:
        raise ValueError(
            f"on_input_gradient: expected D(x) as one logit a row (N, 1), got {y.shape}; let D end in one unit"
        )
    expect_finite("on_input_gradient", y)
    one = np.ones_like(y)
    g, dys = D.backward_keeping(one, cache)
    value, v, u = penalty(g, y)
    _, tcache = D.tangent_forward(v, cache)  # x moves along v ...
    _, tdphi = D.tangent_backward(
        dys, u, cache, tcache, need_dx=False
    )  # ... and grad_phi D moves so; dy along u
    return value, whole_gradient(tdphi, phi)


@may_underflow
@dataclass(frozen=True)
class GradientPenalty:
    """weight mean_n (|g_n| - target)^2, or with one_sided weight mean_n max(0, |g_n| - target)^2          g = grad_x D(x) (N, ...)

        value, dphi = GradientPenalty(10.0)(D, phi, x, context)

    ValueError for a weight or target that is negative or not finite.
    """

    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False

    def __post_init__(self):
        if not (is_number(self.weight) and is_number(self.target)):
            raise ValueError(
                f"GradientPenalty: expected weight and target as finite numbers of at least 0, got {self.weight!r} and {self.target!r}; "
                "the paper's are 10 and 1"
            )
        plain_fields(self)

    def __call__(self, D, phi, x, context=Pass()):
        """The penalty at the points x (N, ...), and its gradient in the parameters phi of D."""
        return on_input_gradient(self.of, D, phi, x, context)

    def of(self, g):
        """The penalty as a function of g (N, ...), and its derivative v (N, ...)."""
        n = norms(g)
        excess = n - n.dtype.type(self.target)
        if self.one_sided:
            kink(lambda: excess > 0)
            excess = np.maximum(excess, 0)
        value = self.weight * float(np.square(excess).mean())
        v = g.dtype.type(2 * self.weight / len(g)) * (excess / n) * g  # d|g| / dg = g / |g|
        return value, v


@may_underflow
@dataclass(frozen=True)
class R1:
    """weight/2 mean_n |g_n|^2          g = grad_x D(x) (N, ...) at real samples x (Mescheder et al. 2018, eq. 9; there weight is gamma = 10)

        value, dphi = R1(10.0)(D, phi, real, context)

    D's output is the logit, no sigmoid or softplus of it. ValueError for a weight that is negative or not finite.
    """

    weight: float = 10.0

    def __post_init__(self):
        _expect_weight(self, "10")

    def __call__(self, D, phi, x, context=Pass()):
        """The penalty at the points x (N, ...), and its gradient in the parameters phi of D."""
        return on_input_gradient(self.of, D, phi, x, context)

    def of(self, g):
        """The penalty as a function of g (N, ...), and its derivative v (N, ...)."""
        v = g.dtype.type(self.weight / len(g)) * g
        return 0.5 * float((v * g).sum()), v


class R2(R1):
    """The same at fake samples, R2(10.0)(D, phi, fake, context), where grad_x D is asked to vanish too (Mescheder et al. 2018, eq. 10)"""


@may_underflow
@dataclass(frozen=True)
class Roth:
    """weight/2 [ mean_real (1 - s)^2 |g|^2 + mean_fake s^2 |g|^2 ]          s = sigmoid(y), y = D(x) (N, 1) logits, g = grad_x y (N, ...)

        value, dphi = Roth(2.0)(D, phi, real, fake, real_context, fake_context)

    Roth et al. 2017, Algorithm 1, weight being its gamma; anneal it with a schedule: Roth(schedule(step)). The factors (1 - s)^2 and s^2 are
    functions of phi and differentiated as such. Real and fake may differ in number: each has its own mean.
    ValueError for a weight that is negative or not finite, or for a D that judges packs of samples.
    """

    weight: float = 2.0

    def __post_init__(self):
        _expect_weight(self, "2.0, annealed")

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        """The penalty at real (M, ...) and fake (N, ...), and its gradient in the parameters phi of D."""
        on_real, dphi_real = on_input_gradient_and_logit(self.on_real, D, phi, real, real_context)
        on_fake, dphi_fake = on_input_gradient_and_logit(self.on_fake, D, phi, fake, fake_context)
        return on_real + on_fake, dphi_real + dphi_fake

    def on_real(self, g, y):
        """weight/2 mean sigmoid(-y)^2 |g|^2 as a function of g (M, ...) and y (M, 1), and its derivatives v, u in both."""
        value, v, u = self._where_high(g, -y)
        return value, v, -u

    def on_fake(self, g, y):
        """weight/2 mean sigmoid(y)^2 |g|^2 as a function of g (N, ...) and y (N, 1), and its derivatives v, u in both."""
        return self._where_high(g, y)

    def _where_high(self, g, y):
        if len(y) != len(g):
            raise ValueError(
                f"Roth: expected one logit D(x) for each of the {len(g)} samples, got {y.shape}; D must not judge packs"
            )
        s = sigmoid(y).reshape(-1, *(1,) * (g.ndim - 1))
        v = g.dtype.type(self.weight / len(g)) * s**2 * g
        each = (
            (v * g).sum(axis=tuple(range(1, g.ndim))).reshape(y.shape)
        )  # (N, 1): twice the penalty of each sample
        return 0.5 * float(each.sum()), v, each * sigmoid(-y)  # d s^2 / dy = 2 s^2 (1 - s)


@may_underflow
@dataclass(frozen=True)
class Lazy:
    """every penalty at the steps 0, every, 2 every, ..., and nothing in between (Karras et al. 2020, appendix B, "Lazy regularization")

        value, dphi = Lazy(R1(10.0), every=16)(step, D, phi, real, context)

    Its mean over `every` steps is the penalty's, whose cost is paid once. The gradient is added to the loss's own, so the optimiser makes as
    many updates as without; the paper makes one more for each penalty and adapts Adam's constants to that.
    ValueError unless every >= 1 and step >= 0 are integers; TypeError for a penalty that cannot be called.
    """

    penalty: object
    every: int = 16

    def __post_init__(self):
        positive(self.every, "Lazy every")
        if not callable(self.penalty):
            raise TypeError(
                f"Lazy: expected penalty as a penalty such as R1(10.0), called with (D, phi, ...), got {self.penalty!r}"
            )
        plain_fields(self)

    def __call__(self, step, D, phi, *args, **words):
        """At the step-th step: (every value, every dphi) of penalty(D, phi, ...); (0.0, zeros) where it is not due and D does not context."""
        if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 0:
            raise ValueError(
                f"Lazy: expected step as an integer of at least 0, the number of updates made, got {step!r}"
            )
        if step % self.every:
            return 0.0, phi.zeros()
        value, dphi = self.penalty(D, phi, *args, **words)
        return self.every * value, dphi.like(self.every * dphi.vector)


def _expect_weight(penalty, paper):
    if not is_number(penalty.weight):
        raise ValueError(
            f"{type(penalty).__name__}: expected weight as a finite number of at least 0, got {penalty.weight!r}; "
            f"the paper's is {paper}"
        )
    plain_fields(penalty)


@may_underflow
def norms(g):
    """|g_n| = sqrt(sum over all axes but the first of g^2 + eps)          g (N, ...) -> (N, 1, ..., 1)"""
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + g.dtype.type(EPS))


@may_underflow
def between(real, fake, rng):
    """One point on the segment from each real sample to its fake: e x + (1 - e) G(z), e ~ U(0, 1) for each pair (Algorithm 1, line 6)

    real (M, ...), fake (N, ...) -> (min(M, N), ...), the first of both in pairs. Raises TypeError for arrays that are not of floats, ValueError
    for samples of two shapes.
    """
    expect_samples("between", real=real, fake=fake)
    expect_rng("between", rng)
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"between: expected real and fake samples of one shape, got {real.shape[1:]} and {fake.shape[1:]}; reshape one of them"
        )
    n = min(len(real), len(fake))
    e = rng.uniform(size=(n, *(1,) * (real.ndim - 1))).astype(real.dtype)
    return e * real[:n] + (1 - e) * fake[:n]


@may_underflow
def perturbed(real, rng, scale=0.5):
    """Points around real samples, for DRAGAN: x + scale std(x) u, u ~ U(0, 1) for each entry, std over all entries of the batch

        penalty, dphi = GradientPenalty(10.0)(D, phi, perturbed(real, rng), context)

    real (N, ...) -> (N, ...). As in the authors' code; the paper's text has normal noise (Kodali et al. 2017). Later code takes a point on
    the way there: between(real, perturbed(real, rng), rng). Raises TypeError for an array that is not of floats, ValueError for a
    scale that is negative or not finite; numbers in it that are not finite are for the penalty to refuse.
    """
    expect_samples("perturbed", real=real)
    expect_rng("perturbed", rng)
    scale = not_negative(scale, "perturbed scale")
    u = rng.uniform(size=real.shape).astype(real.dtype)
    return real + real.dtype.type(scale * real.std()) * u
