"""Penalties on the gradient of D with respect to its input, and the exact gradient of the penalties.

    g = grad_x D(x)          (N, ...), the gradient of D's logit y = D(x) (N, 1) with respect to each sample x

    penalty                         at samples            source
    weight mean (|g| - 1)^2         between, perturbed    Gulrajani et al. 2017, eq. 3; Kodali et al. 2017
    weight mean max(0, |g| - 1)^2   between               Gulrajani et al. 2017, section 4, one-sided form
    weight/2 mean |g|^2             real: R1, fake: R2    Mescheder et al. 2018, section 4.1, eq. 9 and 10
    weight/2 mean w(y) |g|^2        real and fake         Roth et al. 2017, Algorithm 1

|g| is the norm of g for one sample. `between` and `perturbed` are functions below that return random points:
`between` on lines between real samples and fakes, `perturbed` around real samples (Kodali et al., DRAGAN).
The one-sided form does not penalise norms below 1. It is in the paragraph "Two-sided penalty" of Gulrajani et
al. Roth's w(y) is (1 - sigmoid(y))^2 on real samples and sigmoid(y)^2 on fakes.

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

EPS = 1e-12  # added under the root of the norm: so the norm has a derivative at g = 0, which is 0


@may_underflow
def on_input_gradient(penalty, D, phi, x, context=Pass()):
    """(value, dphi): the value of a penalty on g = grad_x sum D(x), and its gradient with respect to phi.

    penalty    a function: penalty(g) -> (value, v), where v = d value / dg; g and v have the shape of x
    D          a network whose layers have tangent passes, x -> logits (N, 1), or one logit for each pack
    phi        D's Parameters
    x          (N, ...) the samples
    context    the context (Pass) of D's passes, such as their seed

    If D mixes samples (BatchNorm, Pack), g is still the gradient of the sum over the batch. Raises ValueError
    unless D is a layer and phi a Parameters, for an empty batch, or for logits of another shape. Raises
    TypeError unless x is an array of floats. Raises NonFiniteError for logits that are inf or nan, because
    the derivative of a ReLU could hide them.
    """
    return on_input_gradient_and_logit(lambda g, y: (*penalty(g), None), D, phi, x, context)


@may_underflow
def on_input_gradient_and_logit(penalty, D, phi, x, context=Pass()):
    """(value, dphi): the value of a penalty on g = grad_x sum D(x) and y = D(x), and its gradient for phi.

    penalty    a function: penalty(g, y) -> (value, v, u), where v = d value / dg and u = d value / dy.
               u = None means zero
    D          a network whose layers have tangent passes, x -> logits (N, 1), or one logit for each pack
    phi        D's Parameters
    x          (N, ...) the samples
    context    the context (Pass) of D's passes

    The errors are those of `on_input_gradient`.
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
    g, dys = D.backward_keeping(one, cache)  # dys: the derivatives at all layers, for the tangent pass
    value, v, u = penalty(g, y)
    _, tcache = D.tangent_forward(v, cache)  # x moves along v
    _, tdphi = D.tangent_backward(dys, u, cache, tcache, need_dx=False)  # dy moves along u
    return value, whole_gradient(tdphi, phi)


@may_underflow
class InputGradientPenalty:
    """The base class of penalties that depend on g = grad_x D(x) alone. A subclass defines `of`.

    of(g) -> (value, v): the value of the penalty for g (N, ...), and v = d value / dg. The call of a penalty
    raises the errors of `on_input_gradient`.
    """

    def __call__(self, D, phi, x, context=Pass()):
        """(value, dphi): the penalty at the samples x (N, ...), and its gradient with respect to phi.

        D is a network x -> logits (N, 1), phi are its Parameters, and `context` is the Pass of D's passes.
        Raises the errors of `on_input_gradient`.
        """
        return on_input_gradient(self.of, D, phi, x, context)


@may_underflow
@dataclass(frozen=True)
class GradientPenalty(InputGradientPenalty):
    """The gradient penalty weight mean_n (|g_n| - target)^2, where g_n is the gradient of D at sample n.

        value, dphi = GradientPenalty(10.0)(D, phi, x, context)

    g = grad_x D(x) (N, ...) has one row g_n for each of the samples x (N, ...). With one_sided=True the
    penalty is weight mean_n max(0, |g_n| - target)^2. By default weight = 10, target = 1, one_sided = False.
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
        n = norms(g)  # (N, 1, ..., 1)
        excess = n - self.target
        if self.one_sided:
            kink(lambda: excess > 0)  # tells a gradient check that max(0, .) has a kink at 0
            excess = np.maximum(excess, 0)
        value = self.weight * float(np.square(excess).mean())
        v = 2 * self.weight / len(g) * (excess / n) * g  # d|g| / dg = g / |g|
        return value, v


@may_underflow
@dataclass(frozen=True)
class R1(InputGradientPenalty):
    """The penalty R1: weight/2 mean_n |g_n|^2, where g_n is the gradient of D at the real sample n.

        value, dphi = R1(10.0)(D, phi, real, context)

    g = grad_x D(x) (N, ...) has one row g_n for each of the real samples x (N, ...). Mescheder et al. 2018,
    eq. 9; weight is the paper's gamma = 10. D's output must be the logit, without a sigmoid or softplus.
    Raises ValueError for a weight that is negative or not finite.
    """

    weight: float = 10.0

    def __post_init__(self):
        expect_weight(self, "10")

    def of(self, g):
        """(value, v): the penalty as a function of g (N, ...), and its derivative with respect to g."""
        v = self.weight / len(g) * g  # the derivative of weight/2 mean |g|^2
        return 0.5 * float((v * g).sum()), v


class R2(R1):
    """The penalty R2: weight/2 mean_n |g_n|^2, where g_n is the gradient of D at the fake n.

    It has the formula of R1; weight is 10 by default (Mescheder et al. 2018, eq. 10).

    value, dphi = R2(10.0)(D, phi, fake, context)
    """


@may_underflow
@dataclass(frozen=True)
class Roth:
    """The penalty of Roth et al. 2017, Algorithm 1: squared gradients of D, weighted by D's own errors.

        weight/2 [ mean_real (1 - s)^2 |g|^2 + mean_fake s^2 |g|^2 ]

        value, dphi = Roth(2.0)(D, phi, real, fake, real_context, fake_context)

    y = D(x) (N, 1) are the logits for samples x (N, ...), s = sigmoid(y), and g = grad_x y (N, ...). weight
    is the paper's gamma, 2 by default. A schedule can make it smaller step by step: Roth(schedule(step)). The
    factors (1 - s)^2 and s^2 depend on D's parameters phi, and dphi includes their derivatives. The batches
    of real samples and of fakes may differ in size, because each batch has its own mean. Raises ValueError
    for a weight that is negative or not finite. The call raises ValueError for a D that judges packs of
    samples.
    """

    weight: float = 2.0

    def __post_init__(self):
        expect_weight(self, "2.0, annealed")

    def __call__(self, D, phi, real, fake, real_context=Pass(), fake_context=Pass()):
        """(value, dphi): the penalty, and its gradient with respect to D's Parameters phi.

        real            (M, ...) real samples
        fake            (N, ...) fakes
        real_context    the context of D's passes on real samples
        fake_context    the context of D's passes on fakes
        """
        on_real, dphi_real = on_input_gradient_and_logit(self.on_real, D, phi, real, real_context)
        on_fake, dphi_fake = on_input_gradient_and_logit(self.on_fake, D, phi, fake, fake_context)
        return on_real + on_fake, dphi_real + dphi_fake

    def on_real(self, g, y):
        """(value, v, u): the term of real samples, weight/2 mean sigmoid(-y)^2 |g|^2, and its derivatives.

        y (M, 1) are D's logits, g (M, ...) their gradients with respect to the samples. v and u are the
        derivatives of value with respect to g and to y. Raises ValueError unless there is one logit for each
        sample.
        """
        value, v, u = self._where_high(g, -y)  # u is the derivative with respect to -y
        return value, v, -u

    def on_fake(self, g, y):
        """(value, v, u): the term of fakes, weight/2 mean sigmoid(y)^2 |g|^2, and its derivatives.

        y (N, 1) are D's logits, g (N, ...) their gradients with respect to the fakes. v and u are the
        derivatives of value with respect to g and to y. Raises ValueError unless there is one logit for each
        fake.
        """
        return self._where_high(g, y)

    def _where_high(self, g, y):
        """(value, v, u): weight/2 mean sigmoid(y)^2 |g|^2, and its derivatives with respect to g and y.

        g is (N, ...), y (N, 1). Raises ValueError unless g and y have the same number of rows.
        """
        if len(y) != len(g):
            raise ValueError(
                f"Roth: expected one logit D(x) for each of the {len(g)} samples, got {y.shape}; "
                "D must not judge packs"
            )
        s = sigmoid(y).reshape(-1, *(1,) * (g.ndim - 1))  # (N, 1, ..., 1), to multiply g
        v = self.weight / len(g) * s**2 * g
        each = (v * g).sum(axis=tuple(range(1, g.ndim))).reshape(y.shape)  # twice each sample's part, (N, 1)
        # u = d value / dy = 1/2 each * 2 (1 - s), because d s^2 / dy = 2 s^2 (1 - s)
        return 0.5 * float(each.sum()), v, each * sigmoid(-y)


@may_underflow
@dataclass(frozen=True)
class Lazy:
    """Lazy regularization (Karras et al. 2020, appendix B): a penalty is computed at some steps only.

        value, dphi = Lazy(R1(10.0), every=16)(step, D, phi, real, context)

    At the steps 0, every, 2 every, ... the result is `every` times the penalty. At all other steps the value
    is 0 and the gradient is zeros, because nothing is computed; `is_due` tells these steps. So the mean over
    `every` steps is about the penalty, but the penalty is computed only once in these steps. Here the caller
    adds dphi to the gradient of the loss, so the number of updates stays the same. The paper makes an
    additional update for each penalty and adapts Adam's constants. Raises ValueError unless every is an
    integer of at least 1, and TypeError for a penalty that cannot be called. The call raises ValueError
    unless step is an integer of at least 0.
    """

    penalty: object
    every: int = 16

    def __post_init__(self):
        positive(self.every, "Lazy every")
        _expect_penalty(self, "penalty")
        plain_fields(self)

    def is_due(self, step):
        """Whether the penalty is computed at the step `step`: whether step is a multiple of `every`.

        At other steps the penalty has no value that a curve could show. Raises ValueError unless
        step is an integer of at least 0.
        """
        if not is_integer(step):
            raise ValueError(
                f"Lazy: expected step as an integer of at least 0, the number of updates made, got {step!r}"
            )
        return step % self.every == 0

    def term(self, step, D, phi, *args, **words):
        """(value, dphi) of a call at a step that is a multiple of `every`; None at all other steps.

        The arguments are those of a call, with the network D and its Parameters phi. A remedy returns the
        result from its method `penalty` (see `Remedy`).
        """
        return self(step, D, phi, *args, **words) if self.is_due(step) else None

    def __call__(self, step, D, phi, *args, **words):
        """(value, dphi): the penalty at this step, and its gradient with respect to D's Parameters phi.

        If step is a multiple of `every`, these are `every` times the two results of penalty(D, phi, *args,
        **words), such as (samples, context). At all other steps they are 0.0 and zeros, and D makes no pass.
        """
        if not self.is_due(step):
            return 0.0, phi.zeros()
        value, dphi = self.penalty(D, phi, *args, **words)
        return self.every * value, dphi.like(self.every * dphi.vector)


def _expect_penalty(record, name):
    """Raise TypeError unless the field `name` of `record`, a penalty or a remedy, can be called."""
    if not callable(penalty := getattr(record, name)):
        raise TypeError(
            f"{type(record).__name__}: expected {name} as a penalty such as R1(10.0), "
            f"called with (D, phi, ...), got {penalty!r}"
        )


def expect_weight(penalty, paper):
    """Raise ValueError unless penalty.weight is a finite number of at least 0.

    It also converts NumPy numbers in the fields of `penalty` to Python numbers. `paper` is the weight in the
    paper as a text, for the message.
    """
    if not is_number(penalty.weight):
        raise ValueError(
            f"{type(penalty).__name__}: expected weight as a finite number of at least 0, "
            f"got {penalty.weight!r}; the paper's is {paper}"
        )
    plain_fields(penalty)


@may_underflow
def norms(g):
    """The norm of each row of g (N, ...), with the shape (N, 1, ..., 1): |g_n| = sqrt(sum of g_n^2 + EPS).

    EPS = 1e-12 gives the norm a derivative at g_n = 0.
    """
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + EPS)


@may_underflow
def between(real, fake, rng):
    """Random points between real and fake samples: e real_n + (1 - e) fake_n, e ~ U(0, 1) for each pair.

    real is (M, ...), fake (N, ...), the result (min(M, N), ...). rng is the numpy Generator that draws e.
    Sample n of real and sample n of fake are a pair; samples without a partner are not used (Gulrajani et al.
    2017, Algorithm 1, line 6). Raises TypeError for arrays that are not of floats. Raises ValueError if the
    samples differ in shape, if a batch is empty, or unless rng is a numpy Generator.
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
    """Random points around real samples x, for DRAGAN: x + scale std(x) u, u ~ U(0, 1) for each entry.

        penalty, dphi = GradientPenalty(10.0)(D, phi, perturbed(real, rng), context)

    real are the samples x (N, ...); the points have the same shape. rng is the numpy Generator that draws u,
    scale a factor. std(x) is one number, over all entries of the batch. This is the formula of the authors'
    code; the paper's text has normal noise (Kodali et al. 2017). Later code takes points on the line to such
    a point: between(real, perturbed(real, rng), rng). Raises TypeError for an array that is not of floats.
    Raises ValueError for an empty batch, for a scale that is negative or not finite, or unless rng is a numpy
    Generator. Entries of real that are not finite raise no error here; the penalty raises it.
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
    """Remedy: the penalty R1 on real samples, as D gets them.

    gamma    the weight of R1
    every    R1 is computed at the steps 0, every, 2 every, ... only, and multiplied by `every` (see `Lazy`)

    Raises ValueError for a gamma that is negative or not finite, or unless every is an integer of at least 1.
    """

    gamma: float = 10.0
    every: int = 1
    checks = {"gamma": not_negative, "every": positive}

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, dphi): `every` times R1 at the samples `real`, and its gradient for D's Parameters phi.

        None if the step game.now is no multiple of `every`. D's pass gets a seed made from `seed`. `fake` is
        not used.
        """
        lazy = Lazy(R1(self.gamma), self.every)
        return lazy.term(game.now, D, phi, real, Pass(derive(seed, "D on real")))


@may_underflow
@dataclass(frozen=True)
class RothPenalty(Remedy):
    """Remedy: the penalty `Roth` on real samples and fakes, as D gets them.

    gamma    the weight of the penalty, a number or a schedule

    Raises ValueError for a gamma that is a negative or non-finite number.
    """

    gamma: object = 2.0
    checks = {"gamma": lambda gamma, name: callable(gamma) or not_negative(gamma, name)}

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, dphi): Roth's penalty at real and fake at step game.now, and its gradient for phi of D."""
        contexts = (Pass(derive(seed, f"D on {where}")) for where in ("real", "fake"))
        return Roth(value_at(self.gamma, game.now))(D, phi, real, fake, *contexts)


@may_underflow
@dataclass(frozen=True)
class DRAGANPenalty(Remedy):
    """Remedy: a gradient penalty at random points around the real samples that D gets (see `perturbed`).

    gradient_penalty    the penalty, called with (D, phi, points, context); by default GradientPenalty(10)

    Raises TypeError for a gradient_penalty that cannot be called.
    """

    gradient_penalty: GradientPenalty = GradientPenalty(10.0)

    def __post_init__(self):
        _expect_penalty(self, "gradient_penalty")

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, dphi) of the penalty at points around real, drawn from seed, for D with Parameters phi."""
        points = perturbed(real, stream(seed, "perturbed"))
        return self.gradient_penalty(D, phi, points, Pass(derive(seed, "D around real")))
