"""Losses: each is a table of (f, f', f''), the mean over the batch taken inside, in forms that do not overflow at |logit| = 1000.

A GAN loss is three curves of D's logit: what D pays on real samples, what D pays on fakes, and what G pays on fakes.

    loss            D on real a        D on fake b         G on fake b         source
    minimax         softplus(-a)       softplus(b)         -softplus(b)        Goodfellow et al. 2014, eq. 1
    nonsaturating   softplus(-a)       softplus(b)         softplus(-b)        the same, section 3, last paragraph
    least_squares   (a - 1)^2 / 2      b^2 / 2             (b - 1)^2 / 2       Mao et al. 2017, eq. 2 with eq. 9's labels
    hinge           max(0, 1 - a)      max(0, 1 + b)       -b                  Lim and Ye 2017; Miyato et al. 2018, eq. 16, 17
    wasserstein     -a                 b                   -b                  Arjovsky et al. 2017, Algorithm 1

softplus(-a) = -log sigmoid(a) and softplus(b) = -log(1 - sigmoid(b)), so the first two lines are the paper's logarithms.

A relativistic loss judges real against fake: one curve f(t) = softplus(-t), of differences of logits. G pays what D pays with the roles
exchanged, so G's loss needs the real logits too: `generator(real, fake)`.

    loss                    D on real a, fake b                             source
    relativistic_paired     mean f(a_n - b_n)                               Jolicoeur-Martineau 2018: RSGAN; Huang et al. 2024
    relativistic_average    mean f(a - mean b) + mean f(mean a - b)         the first: RaSGAN
"""

from dataclasses import dataclass, replace
from typing import Callable

import numpy as np

from .arguments import is_number, plain
from .layers.activations import sigmoid, softplus
from .probes import kink
from .underflow import may_underflow


def _mean(x, axis=None):
    """The mean over all entries, or over an axis. ValueError for an empty batch: that would be nan."""
    if not x.size:
        raise ValueError(f"loss: expected at least one sample, got {x.shape}; draw a batch")
    return x.mean(axis=axis)


@may_underflow
@dataclass(frozen=True)
class Curve:
    """A scalar function with its first two derivatives, each elementwise over an array."""

    f: Callable
    d: Callable
    dd: Callable

    def mean(self, x):
        """mean f(x), and its derivative f'(x) / size."""
        return float(_mean(self.f(x))), self.d(x) / x.dtype.type(x.size)

    def tangent(self, x, tx):
        """How the derivative moves when x moves along tx: f''(x) tx / size (the Hessian-vector product)."""
        return self.dd(x) * tx / x.dtype.type(x.size)


def _fold(x):
    """max(0, x), telling the checks on which side each entry is."""
    kink(lambda: x > 0)
    return np.maximum(x, 0)


def _bump(x):
    return sigmoid(x) * sigmoid(-x)


_zero, _one = np.zeros_like, np.ones_like

#                       f                              f'                                     f''
_pay_if_low    = Curve(lambda a: softplus(-a),         lambda a: -sigmoid(-a),                _bump)
_pay_if_high   = Curve(softplus,                       sigmoid,                               _bump)
_gain_if_high  = Curve(lambda b: -softplus(b),         lambda b: -sigmoid(b),                 lambda b: -_bump(b))
_near_one      = Curve(lambda a: (a - 1) ** 2 / 2,     lambda a: a - 1,                       _one)
_near_zero     = Curve(lambda b: b**2 / 2,             lambda b: b,                           _one)
_above_one     = Curve(lambda a: _fold(1 - a),         lambda a: -(1 - a > 0).astype(a.dtype), _zero)
_below_minus   = Curve(lambda b: _fold(1 + b),         lambda b: (1 + b > 0).astype(b.dtype), _zero)
_down          = Curve(lambda a: -a,                   lambda a: -_one(a),                    _zero)
_up            = Curve(lambda b: b,                    _one,                                  _zero)
_square        = Curve(lambda e: e * e,                lambda e: 2 * e,                       lambda e: 2 * _one(e))


def _abs(e):
    kink(lambda: e > 0)
    return np.abs(e)


_absolute      = Curve(_abs,                           np.sign,                               _zero)


@may_underflow
@dataclass(frozen=True)
class AdversarialLoss:
    """A GAN's two losses over logits a = D(real), b = D(fake), of any shapes; means over all entries, so the two may differ in number.

        D pays  mean on_real(a) + mean on_fake(b),    G pays  mean for_generator(b)

    A derivative has the shape of its logits.
    """

    name: str
    on_real: Curve
    on_fake: Curve
    for_generator: Curve
    made_by: tuple = ()

    def __reduce__(self):                                # pickled by name, or by what made it: curves are functions
        return self.made_by or self.name

    def discriminator(self, real, fake):
        """loss, d loss / d real, d loss / d fake"""
        (one, dreal), (two, dfake) = self.on_real.mean(real), self.on_fake.mean(fake)
        return one + two, dreal, dfake

    def generator(self, fake):
        """loss, d loss / d fake"""
        return self.for_generator.mean(fake)

    def discriminator_tangent(self, real, fake, treal, tfake):
        """How (dreal, dfake) move when the logits move along treal, tfake."""
        return self.on_real.tangent(real, treal), self.on_fake.tangent(fake, tfake)

    def generator_tangent(self, fake, tfake):
        """How dfake moves when the logits move along tfake."""
        return self.for_generator.tangent(fake, tfake)

    def __repr__(self):
        return self.name


minimax       = AdversarialLoss("minimax",       _pay_if_low, _pay_if_high, _gain_if_high)
nonsaturating = AdversarialLoss("nonsaturating", _pay_if_low, _pay_if_high, _pay_if_low)
least_squares = AdversarialLoss("least_squares", _near_one,   _near_zero,   _near_one)
hinge         = AdversarialLoss("hinge",         _above_one,  _below_minus, _down)
wasserstein   = AdversarialLoss("wasserstein",   _down,       _up,          _down)


@may_underflow
@dataclass(frozen=True)
class RelativisticLoss:
    """mean f(t), summed over the arrays t that `compare` makes of the logits a = D(real), b = D(fake); linearly, so a subclass gives it and
    its `transpose` only.

        D pays  L(a, b),    G pays  L(b, a)

    Adding one number to all logits changes nothing: D cannot win by raising both. A derivative has the shape of its logits.
    """

    name: str
    curve: Curve

    def __reduce__(self):
        return self.name

    def compare(self, a, b):
        """A tuple of differences, linear in the logits a and b."""
        raise TypeError(f"{self.name}: define compare(self, a, b) -> (t, ...)")

    def transpose(self, dts, a, b):
        """da, db from the derivatives dts of what compare(a, b) gave."""
        raise TypeError(f"{self.name}: define transpose(self, dts, a, b) -> (da, db)")

    def discriminator(self, real, fake):
        """loss, d loss / d real, d loss / d fake"""
        values, dts = zip(*map(self.curve.mean, self.compare(real, fake)))
        return sum(values), *self.transpose(dts, real, fake)

    def generator(self, real, fake):
        """loss, d loss / d fake; that in the real logits nobody needs: they do not depend on G."""
        loss, dfake, _ = self.discriminator(fake, real)
        return loss, dfake

    def discriminator_tangent(self, real, fake, treal, tfake):
        """How (dreal, dfake) move when the logits move along treal, tfake."""
        return self.transpose(tuple(map(self.curve.tangent, self.compare(real, fake), self.compare(treal, tfake))), real, fake)

    def generator_tangent(self, real, fake, treal, tfake):
        """How dfake moves when the logits move along treal, tfake: real ones move with D's weights."""
        return self.discriminator_tangent(fake, real, tfake, treal)[0]

    def __repr__(self):
        return self.name


@may_underflow
class RelativisticPaired(RelativisticLoss):
    """t_n = a_n - b_n, one pair of logits each          a, b of one shape, which is that of t; ValueError otherwise."""

    def compare(self, a, b):
        if a.shape != b.shape:
            raise ValueError(f"{self.name}: expected as many real as fake logits, in one shape, got {a.shape} and {b.shape}; "
                             "draw batches of one size, or take relativistic_average")
        return (a - b,)

    def transpose(self, dts, a, b):
        (dt,) = dts
        return dt, -dt


@may_underflow
class RelativisticAverage(RelativisticLoss):
    """t = a - mean b,  s = mean a - b          a, t of one shape; b, s of another, or the same.

    Each mean moves with every logit in it:  da = dt + sum(ds) / |a|,  db = -ds - sum(dt) / |b|.
    """

    def compare(self, a, b):
        return a - _mean(b), _mean(a) - b

    def transpose(self, dts, a, b):
        dt, ds = dts
        return dt + ds.sum() / a.dtype.type(a.size), -ds - dt.sum() / b.dtype.type(b.size)


relativistic_paired  = RelativisticPaired("relativistic_paired", _pay_if_low)
relativistic_average = RelativisticAverage("relativistic_average", _pay_if_low)


def smoothed(loss=nonsaturating, target=0.9):
    """One-sided label smoothing: D's target on real samples is `target` instead of 1 (Salimans et al. 2016, section 3.4)

        on real:  -target log sigmoid(a) - (1 - target) log(1 - sigmoid(a)) = softplus(-a) + (1 - target) a

    Fakes keep target 0: smoothing them too would reinforce G's present mistakes. Raises ValueError for a loss without log-sigmoids.
    """
    if getattr(loss, "on_real", None) is not _pay_if_low or not (is_number(target) and 0 < target <= 1):
        raise ValueError(f"smoothed: expected minimax or nonsaturating and 0 < target <= 1, got {loss!r} and {target!r}")
    target = plain(target)
    curve = Curve(lambda a: softplus(-a) + (1 - target) * a, lambda a: sigmoid(a) - target, _bump)
    return replace(loss, name=f"smoothed({loss.name}, {target})", on_real=curve, made_by=(smoothed, (loss, target)))


@may_underflow
@dataclass(frozen=True)
class Labelled:
    """mean t on_real(y) + (1 - t) on_fake(y)          y (N, 1) logits, t (N, 1) their labels: 1 real, 0 fake, or any number

    What D pays for labels that are soft, noisy or flipped; with log-sigmoids it is the cross-entropy, softplus(y) - t y (Salimans et al. 2016,
    section 3.4; on real samples alone and at a constant t it is `smoothed`). ValueError if the shapes differ.
    """

    loss: AdversarialLoss

    def _curve(self, t):
        """The curve of each entry."""
        one, two = self.loss.on_real, self.loss.on_fake
        between = lambda f, g: lambda y: t * f(y) + (1 - t) * g(y)
        return Curve(between(one.f, two.f), between(one.d, two.d), between(one.dd, two.dd))

    def __call__(self, y, t):
        """loss, d loss / dy"""
        if y.shape != t.shape:
            raise ValueError(f"{self!r}: expected labels of shape {y.shape}, got {t.shape}")
        return self._curve(t).mean(y)

    def tangent(self, y, ty, t):
        """tdy: how dy moves when y moves along ty; all of one shape."""
        return self._curve(t).tangent(y, ty)


@may_underflow
@dataclass(frozen=True)
class FeatureMatching:
    """|mean_m f_m - mean_n r_n|^2          f (M, ...) features of fakes, r (N, ...) of real samples          (Salimans et al. 2016, section 3.1)

    The two means over the batch are compared, not pair by pair; M and N may differ. ValueError if the features do.
    """

    name: str = "feature_matching"

    def __call__(self, fake, real):
        """loss, d loss / d fake; real samples do not depend on G."""
        if fake.shape[1:] != real.shape[1:]:
            raise ValueError(f"{self.name}: expected as many features of real samples as of fakes, {fake.shape[1:]}, got {real.shape[1:]}")
        apart = _mean(fake, 0) - _mean(real, 0)
        return float(np.square(apart).sum()), self._to_each(apart, fake)

    def tangent(self, fake, tfake, real):
        """How dfake moves when the fakes' features move along tfake."""
        return self._to_each(tfake.mean(axis=0), fake)

    def _to_each(self, apart, fake):
        return np.repeat(2 / fake.dtype.type(len(fake)) * apart[None], len(fake), axis=0)

    def __repr__(self):
        return self.name


feature_matching = FeatureMatching()


@may_underflow
@dataclass(frozen=True)
class PairLoss:
    """mean f(y - target) over all entries; y, target of one shape."""

    name: str
    curve: Curve

    def __reduce__(self):
        return self.name

    def __call__(self, y, target):
        """loss, d loss / dy; raises ValueError if the shapes differ."""
        if y.shape != target.shape:
            raise ValueError(f"{self.name}: expected target of shape {y.shape}, got {target.shape}")
        return self.curve.mean(y - target)

    def tangent(self, y, ty, target):
        """tdy = f''(y - target) ty / size: how dy moves when y moves along ty; all of one shape."""
        return self.curve.tangent(y - target, ty)

    def __repr__(self):
        return self.name


l1 = PairLoss("l1", _absolute)
l2 = PairLoss("l2", _square)


@may_underflow
class SoftmaxCrossEntropy:
    """loss = mean_n (log sum_k exp(y[n,k]) - y[n, c_n])          y (N, K) logits   c (N,) labels 0..K-1

    Its derivative is (softmax(y) - onehot(c)) / N; the Jacobian of softmax is diag(p) - p p', not its diagonal alone.
    Raises ValueError for a label out of range, TypeError for labels that are not integers.
    """

    name = "softmax_cross_entropy"

    def __call__(self, y, labels):
        """loss, d loss / dy"""
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(f"softmax_cross_entropy: expected integer labels, got {labels.dtype}")
        if labels.shape != y.shape[:1] or labels.size and not 0 <= labels.min() <= labels.max() < y.shape[1]:
            raise ValueError(f"softmax_cross_entropy: expected {len(y)} labels 0..{y.shape[1] - 1}, got {labels.shape} " +
                              (f"from {labels.min()} to {labels.max()}" if labels.size else ""))
        p, rows = softmax(y), np.arange(len(y))
        shifted = y - y.max(axis=1, keepdims=True)
        loss = float(_mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]))
        p[rows, labels] -= 1
        return loss, p / y.dtype.type(len(y))

    def tangent(self, y, ty, labels):
        """How dy moves when y moves along ty."""
        p = softmax(y)
        return p * (ty - (p * ty).sum(axis=1, keepdims=True)) / y.dtype.type(len(y))

    def __reduce__(self):
        return self.name

    def __repr__(self):
        return self.name


softmax_cross_entropy = SoftmaxCrossEntropy()


@may_underflow
def softmax(y):
    """p[n,k] = exp(y[n,k]) / sum_j exp(y[n,j])          y, p (N, K)"""
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


ADVERSARIAL = {loss.name: loss for loss in (minimax, nonsaturating, least_squares, hinge, wasserstein)}
RELATIVISTIC = {loss.name: loss for loss in (relativistic_paired, relativistic_average)}
