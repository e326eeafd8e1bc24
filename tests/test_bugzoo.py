"""Planted bugs: each was found in public GAN code, or is of its kind. Switched on, the named check must fail; switched off, all must pass.

The systematic menagerie, where every derivative of the library is negated, doubled and dropped, is test_mutations.py.
"""

import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest

import numgan.layers
from numgan import _kernels as kernels
from numgan import check_layer, check_loss, check_optimizer, check_system, checkpoint, data, gradcheck, training
from numgan.checking.layer import CHECKS, outcome, title
from numgan.checking.points import Point
from numgan.checking.system import CONTRACT, SystemPoint, check_objective
from numgan.data import Batches, modes, ring
from numgan.errors import GradientError
from numgan.layers import (
    AvgPool2d,
    BatchNorm,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LeakyReLU,
    Pad,
    Referenced,
    ReLU,
    Residual,
    Run,
    Sequential,
    Skip,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
)
from numgan.layers.normalization import Normalization
from numgan.losses import (
    AdversarialLoss,
    Curve,
    RelativisticAverage,
    RelativisticPaired,
    SoftmaxCrossEntropy,
    hinge,
    minimax,
    nonsaturating,
    relativistic_average,
    relativistic_paired,
    softmax,
    softmax_cross_entropy,
    wasserstein,
)
from numgan.losses import sigmoid as stable_sigmoid
from numgan.optimizers import SGD, Adam, RMSProp
from numgan.randomness import derive
from numgan.systems import Result, build, conditional, dcgan, gan, wgan

by_name = {title(check): check for check in CHECKS}


@dataclass
class Bug:
    """row: its number in the catalogue of bugs found, or "own". plant(): the broken thing. healthy(): the same without the bug. by: the check that
    must catch it; x: the layer's input; value: for bugs that no derivative betrays, a test of a value instead."""

    row: object
    text: str
    plant: object
    healthy: object
    by: str
    x: object = None
    value: object = None


def caught(bug, thing):
    """Run the one check that should catch the bug."""
    if bug.value:
        bug.value(thing)
    elif isinstance(thing, Layer):
        outcome(lambda attempt: Point(thing, bug.x, batch=5, attempt=attempt), by_name[bug.by])
    elif bug.by.startswith("gradient of "):
        check_objective(thing, bug.by.removeprefix("gradient of "))
    elif bug.by in {check.__name__ for check in CONTRACT}:
        next(check for check in CONTRACT if check.__name__ == bug.by)(SystemPoint(thing))
    elif bug.by == "check_optimizer":
        check_optimizer(thing)
    elif bug.by == "check_loss":
        check_loss(thing)
    else:
        gradcheck(*thing)


def all_checks(bug, thing):
    """Everything that there is for the healthy thing."""
    if bug.value:
        bug.value(thing)
    elif isinstance(thing, Layer):
        check_layer(thing, bug.x, batch=5)
    elif isinstance(thing, numgan.systems.System):
        check_system(thing)
    else:
        caught(bug, thing)


# ---------------------------------------------------------------------------------------------------- layers

class LastInput(Dense):
    """The cache stays on the layer: a second forward pass overwrites it."""

    def forward(self, p, x, run):
        y, self.kept = super().forward(p, x, run)
        return y, None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, self.kept, frozen, need_dx)


class UsedUp(Dense):
    """Backward empties the cache that it was given."""

    def forward(self, p, x, run):
        y, cache = super().forward(p, x, run)
        return y, list(cache)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        result = super().backward(dy, tuple(cache), frozen, need_dx)
        cache[0] = np.zeros_like(cache[0])
        return result


class FrozenIsDead(Dense):
    """Freezing zeroes dx."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx * 0 if frozen else dx, dp


class FrozenStillWorks(Conv2d):
    """Freezing throws the weight gradient away instead of not computing it."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, False, need_dx)
        return dx, None if frozen else dp


class FrozenTangentsStillWork(Conv2d):
    """The same in the tangent pass only."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        dx, tdx, tdp = super().tangent_backward(dy, tdy, cache, tcache, False, need_dx)
        return dx, tdx, None if frozen else tdp


class NoBend(Tanh):
    """The second-order pass without its f'' term: exact for ReLU, wrong for Tanh."""

    dd = None


class DiagonalSoftmax(Layer):
    """The Jacobian of softmax taken for its diagonal, p (1 - p)."""

    diagonal = True

    def forward(self, p, x, run):
        y = softmax(x)
        return y, y

    def backward(self, dy, cache, frozen=False, need_dx=True):
        y = cache
        dx = dy * y * (1 - y) if self.diagonal else y * (dy - (dy * y).sum(-1, keepdims=True))
        return dx if need_dx else None, None if frozen else {}


class Softmax(DiagonalSoftmax):
    diagonal = False


class NoMeanTerm(BatchNorm):
    """BatchNorm's backward forgets that the mean depends on x."""

    backward = Normalization.backward                           # the law as it is written out, by _operator

    def _operator(self, d, xhat, r, live):
        share = (d * xhat).mean(axis=self.axes(xhat), keepdims=True)
        return (d - xhat * share) * r


class NoVarianceTerm(BatchNorm):
    """BatchNorm's backward forgets that the variance depends on x."""

    backward = Normalization.backward                           # the law as it is written out, by _operator

    def _operator(self, d, xhat, r, live):
        return (d - d.mean(axis=self.axes(xhat), keepdims=True)) * r


class OneFewer(BatchNorm):
    """n - 1 instead of n in the backward pass."""

    backward = Normalization.backward                           # the law as it is written out, by _operator

    def _operator(self, d, xhat, r, live):
        axes, n = self.axes(xhat), xhat.size // xhat.shape[-1]
        share = (d * xhat).sum(axis=axes, keepdims=True) / (n - 1)
        return (d - d.sum(axis=axes, keepdims=True) / (n - 1) - xhat * share) * r


class NoGain(BatchNorm):
    """dx without the gain: invisible as long as all gains are 1."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, mean, r, gain, *rest = cache
        return super().backward(dy, (x, mean, r, np.ones_like(gain), *rest), frozen, need_dx)


class StaleStatistics(BatchNorm):
    """Running statistics updated by forward and used by the next forward: D changes while G learns."""

    running = 0.0

    def _statistics(self, x, run):
        mean, variance, live = super()._statistics(x, run)
        self.running = 0.9 * self.running + 0.1 * mean
        return mean + 0.01 * self.running, variance, live


class NoShareTangent(LayerNorm):
    """The second-order pass of a normalisation without the term in which 1 / std itself moves."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return super().tangent_backward(dy, tdy, cache, (tcache[0] * 0 if tcache[0] is not None else None, *tcache[1:]), frozen, need_dx)


class NextClass(Embedding):
    """The label is off by one on the way back."""

    def _scatter(self, dy, labels):
        return super()._scatter(dy, (labels + 1) % self.classes)


class LostDuplicates(Embedding):
    """dW[labels] += dy adds a label that occurs twice only once."""

    def _scatter(self, dy, labels):
        dW = np.zeros((self.classes, self.features), dy.dtype)
        dW[labels] += dy
        return dW


class FlippedTranspose(ConvTranspose2d):
    """The transposed convolution's backward uses the flipped kernel."""

    def input_gradient(self, dy, W, shape):
        return super().input_gradient(dy, np.ascontiguousarray(W[::-1, ::-1]), shape)


class NoOutputPadding(ConvTranspose2d):
    """The rows that output padding adds are forgotten on the way back."""

    def weight_gradient(self, x, dy):
        dy = dy.copy()
        dy[:, dy.shape[1] - self.output_padding[0]:] = 0
        return super().weight_gradient(x, dy)


class SquareOnly(Conv2d):
    """A column index that runs over the kernel's height: right for square kernels."""

    def weight_gradient(self, x, dy):
        dw = super().weight_gradient(x, dy)
        return np.stack([dw[:, j % self.kernel[0]] for j in range(self.kernel[1])], axis=1)


class LostBorder(Conv2d):
    """With padding, the border's share of dx is lost."""

    def input_gradient(self, dy, W, shape):
        dx = super().input_gradient(dy, W, shape)
        dx[:, 0] = 0
        return dx


class TurnedWeights(Dense):
    """dW transposed: invisible in shape if the layer is square."""

    def weight_gradient(self, x, dy):
        return np.ascontiguousarray(super().weight_gradient(x, dy).T)


class MeanForSum(Dense):
    """The gradient of W divided by the batch a second time."""

    def weight_gradient(self, x, dy):
        return super().weight_gradient(x, dy) / len(x)


class HalfRight(Dense):
    """dW doubled and dx negated, looked at where every unit is dead: zero equals zero, and nothing was checked."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx if dx is None else -dx, dp and {"W": 2 * dp["W"], "b": dp["b"]}


class NoBiasTangent(Dense):
    """tangent_forward forgets tb."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(tx, cache, None if tp is None else {"W": tp["W"], "b": 0 * tp["b"]})


class NoMixedTerm(Dense):
    """tdx without dy *' tW: right in a gradient penalty, wrong in an unrolled GAN."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        dx, _, tdp = super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return dx, super().tangent_backward(dy, tdy, cache, (tcache[0], None), frozen, need_dx)[1], tdp


class InPlaceReLU(ReLU):
    """The forward pass overwrites its input."""

    def forward(self, p, x, run):
        np.maximum(x, 0, out=x)
        return x, (x,)


class InPlaceGradient(ReLU):
    """The backward pass overwrites dy, which a second branch still needs."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dy *= cache[0] > 0
        return dy if need_dx else None, None if frozen else {}


class WrongSide(LeakyReLU):
    """The slope of the wrong side."""

    def times(self, d, y):
        return d * np.where(y > 0, self.slope, 1.0).astype(y.dtype)


class GlobalNoise(Dropout):
    """A new mask at every call, from a global generator."""

    noise = np.random.default_rng(0)

    def apply(self, x, run):
        mask = (self.noise.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * mask.astype(x.dtype), mask.astype(x.dtype)


class FreshMask(Dropout):
    """Another mask in backward than in forward."""

    def transpose(self, dy, mask):
        return dy * mask[::-1]


class DoubleConstant(LeakyReLU):
    """A float64 array in a float32 pass."""

    def times(self, d, y):
        return d * np.where(y > 0, np.ones(1), self.slope)


class OnlyTheBody(Residual):
    """The shortcut's gradient is forgotten."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, _ = self.children["body"].backward(dy, cache[0], frozen, need_dx)
        return dx, super().backward(dy, cache, frozen, need_dx)[1]


class NoIdentity(Skip):
    """A skip connection whose copy sends nothing back."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dy = dy.copy()
        dy[..., :cache[1][-1]] = 0
        return super().backward(dy, cache, frozen, need_dx)


class ConditionOnce(Condition):
    """The condition's gradients from above and from beside do not add up."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward((dy[0], None), cache, frozen, need_dx)


class EdgeTwice(Pad):
    """A mirrored border folded back with the edge itself repeated."""

    @staticmethod
    def _fold(dy, axis, before, after):
        dy = np.moveaxis(dy, axis, 0)
        dx = dy[before:len(dy) - after].copy()
        dx[:before] += dy[:before][::-1]
        dx[len(dx) - after:] += dy[len(dy) - after:][::-1]
        return np.ascontiguousarray(np.moveaxis(dx, 0, axis))


class SmallerWindows(AvgPool2d):
    """At the border the mean is taken over the entries inside in forward only."""

    def apply(self, x, run):
        y, cache = super().apply(x, run)
        y[:, 0] *= 1.5
        return y, cache


class NothingMoves(Softplus):
    """A tangent of None treated as ones."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(np.ones_like(cache[0]) if tx is None else tx, cache, tp)


class AlwaysDx(Dense):
    """need_dx is ignored: D's first layer pays for a gradient that nobody wants."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, cache, frozen, True)


class LyingShape(Upsample):
    """output_shape and forward disagree."""

    def output_shape(self, shape):
        return shape[0] * self.factor[1], shape[1] * self.factor[0], shape[2]


class NoSigmaGradient(Spectral):
    """sigma's gradient is treated as zero: dW = G / sigma."""

    def _descend(self, G, unit, sigma, u, v):
        return G / sigma


class UpdatedInPlace(Spectral):
    """forward makes a power iteration, and writes u and v into the parameters."""

    def forward(self, p, x, run):
        for name, value in self.renewed(p).items():
            p[name][...] = value
        return super().forward(p, x, run)


class UpdatedOnLayer(Spectral):
    """forward makes a power iteration, from the u that the layer kept from the last one."""

    kept = {}

    def forward(self, p, x, run):
        p = {name: p[name] for name in self.shapes()} | self.kept
        self.kept = self.renewed(p)
        return super().forward(p | self.kept, x, run)


class UpdatedWithin(Spectral):
    """forward makes a power iteration of its own: v = W'u moves with W, and the gradient takes it for a constant."""

    def forward(self, p, x, run):
        p = {name: p[name] for name in self.shapes()}
        return super().forward(p | self.renewed(p), x, run)


class TrainedU(Spectral):
    """u gets the gradient that the formula has for it, so the optimiser trains it."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx, None if frozen else dp | {"u": -(dp["W"] * cache[1]).sum() * cache[4].sum() * cache[3]}


class NoSigmaTangent(Spectral):
    """dW = (G - ...) / sigma, and its tangent forgets that sigma moves."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        part, tunit, tsigma = tcache
        return super().tangent_backward(dy, tdy, cache, (part, tunit, None if tsigma is None else 0 * tsigma), frozen, need_dx)


class DetachedReference(VirtualBatchNorm):
    """The reference's mean and variance are taken for constants: no gradient goes back through them."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return None if dx is None else np.concatenate([np.zeros_like(dx[:cache[-1]]), dx[cache[-1]:]]), dp


class StillReference(VirtualBatchNorm):
    """The tangent pass moves the samples only."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(None if tx is None else np.concatenate([np.zeros_like(tx[:cache[-1]]), tx[cache[-1]:]]), cache, tp)


def _behind_weights(norm):
    """A network whose reference moves with its weights."""
    return Referenced(Sequential(Dense(3, 4, bias=False), norm(4), Tanh()), np.random.default_rng(5).standard_normal((4, 3)))


def _layer(row, broken, healthy, by, x, *arguments, **settings):
    return Bug(row, broken.__doc__.strip(), lambda: broken(*arguments, **settings), lambda: healthy(*arguments, **settings), by, x)


_labels = np.array([4, 0, 4, 1, 2])
LAYER_BUGS = [
    _layer(1, LastInput, Dense, "two live caches", (4,), 4, 3),
    _layer(2, UsedUp, Dense, "pure", (4,), 4, 3),
    _layer(4, FrozenIsDead, Dense, "frozen same dx", (4,), 4, 3),
    _layer(5, FrozenStillWorks, Conv2d, "frozen no weight gradient", (5, 4, 2), 2, 3, kernel=(3, 2)),
    _layer(5, FrozenTangentsStillWork, Conv2d, "frozen tangents", (5, 4, 2), 2, 3, kernel=(3, 2)),
    _layer(6, NoBend, Tanh, "tangent backward", (7,)),
    _layer(13, DiagonalSoftmax, Softmax, "dx", (5,)),
    _layer(15, NoMeanTerm, BatchNorm, "dx", (3,), 3),
    _layer(15, NoVarianceTerm, BatchNorm, "dx", (3,), 3),
    _layer(15, OneFewer, BatchNorm, "dx", (2, 2, 3), 3),
    _layer("own", NoGain, BatchNorm, "dx", (3,), 3),
    _layer(39, StaleStatistics, BatchNorm, "repeatable", (3,), 3),
    _layer(6, NoShareTangent, LayerNorm, "tangent backward", (5,), 5),
    _layer(27, NextClass, Embedding, "parameters", _labels, 5, 3),
    _layer("own", LostDuplicates, Embedding, "parameters", _labels, 5, 3),
    _layer(28, FlippedTranspose, ConvTranspose2d, "dx", (3, 2, 3), 3, 2, kernel=3, stride=2, padding=1),
    _layer(28, NoOutputPadding, ConvTranspose2d, "parameters", (3, 2, 3), 3, 2, kernel=5, stride=2, padding=2, output_padding=1),
    _layer(29, SquareOnly, Conv2d, "parameters", (5, 7, 2), 2, 3, kernel=(2, 3)),
    _layer("own", LostBorder, Conv2d, "dx", (5, 4, 2), 2, 3, kernel=3, padding=1),
    _layer("own", TurnedWeights, Dense, "parameters", (4,), 4, 4),
    _layer("own", MeanForSum, Dense, "parameters", (4,), 4, 3),
    _layer("own", NoBiasTangent, Dense, "tangent forward", (4,), 4, 3),
    _layer(16, NoMixedTerm, Dense, "tangent backward", (4,), 4, 3),
    _layer("own", InPlaceReLU, ReLU, "pure", (7,)),
    _layer("own", InPlaceGradient, ReLU, "pure", (7,)),
    _layer("own", WrongSide, LeakyReLU, "dx", (7,)),
    _layer("own", GlobalNoise, Dropout, "repeatable", (7,), 0.4),
    _layer("own", FreshMask, Dropout, "dx", (7,), 0.4),
    _layer("own", DoubleConstant, LeakyReLU, "keeps float32", (7,)),
    _layer("own", OnlyTheBody, Residual, "dx", (3,), Dense(3, 3)),
    _layer("own", NoIdentity, Skip, "dx", (3,), Dense(3, 2)),
    _layer("own", ConditionOnce, Condition, "dx", ((3,), (2,)), Dense(5, 4)),
    _layer("own", EdgeTwice, Pad, "dx", (4, 3, 2), 1, "reflect"),
    _layer("own", SmallerWindows, AvgPool2d, "dx", (4, 6, 2), 2),
    _layer("own", NothingMoves, Softplus, "no tangent is zero", (7,)),
    _layer("own", AlwaysDx, Dense, "need dx", (4,), 4, 3),
    _layer("own", LyingShape, Upsample, "shapes", (3, 5, 2), (2, 3)),
    _layer(40, NoSigmaGradient, Spectral, "parameters", (4,), Dense(4, 3)),
    _layer(40, NoSigmaGradient, Spectral, "parameters", (5, 4, 2), Conv2d(2, 3, kernel=(3, 2))),
    _layer(40, UpdatedInPlace, Spectral, "pure", (4,), Dense(4, 3)),
    _layer(40, UpdatedOnLayer, Spectral, "repeatable", (4,), Dense(4, 3)),
    _layer(40, UpdatedWithin, Spectral, "parameters", (4,), Dense(4, 3)),
    _layer("own", TrainedU, Spectral, "parameters", (4,), Dense(4, 3)),
    _layer("own", NoSigmaTangent, Spectral, "tangent backward", (4,), Dense(4, 3)),
    *(Bug("own", broken.__doc__, lambda broken=broken: _behind_weights(broken), lambda: _behind_weights(VirtualBatchNorm), by, (3,))
      for broken, by in ((DetachedReference, "parameters"), (StillReference, "tangent forward"))),
    *(Bug("own", HalfRight.__doc__, lambda: Sequential(HalfRight(3, 2), ReLU()), lambda: Sequential(Dense(3, 2), LeakyReLU()), by, np.ones((2, 3)))
      for by in ("dx", "parameters")),
]


def test_the_square_kernel_bug_hides_behind_a_square_kernel():
    """Why every case in the list has ugly sizes."""
    assert check_layer(SquareOnly(2, 3, kernel=3), (5, 7, 2)).max_error <= 1e-6


# ---------------------------------------------------------------------------------------------------- losses and optimisers

class DiagonalTangent(SoftmaxCrossEntropy):
    def tangent(self, y, ty, labels):
        p = softmax(y)
        return p * (1 - p) * ty / len(y)


class NextLabel(SoftmaxCrossEntropy):
    def __call__(self, y, labels):
        return super().__call__(y, labels)[0], super().__call__(y, (labels + 1) % y.shape[1])[1]


class SharedMean(AdversarialLoss):
    """Both means divided by the number of fakes."""

    def discriminator(self, real, fake):
        loss, dreal, dfake = super().discriminator(real, fake)
        return loss, dreal * len(real) / len(fake), dfake


class DetachedMean(RelativisticAverage):
    """The means taken for constants: `detach` in the wrong place."""

    def transpose(self, dts, a, b):
        return dts[0], -dts[1]


class SwappedCounts(RelativisticAverage):
    """Each mean's derivative divided by the other batch's size: invisible where both are equal."""

    def transpose(self, dts, a, b):
        dt, ds = dts
        return dt + ds.sum() / b.size, -ds - dt.sum() / a.size


class StillReals(RelativisticPaired):
    """G's tangent as if the real logits stood still while D's weights move."""

    def generator_tangent(self, real, fake, treal, tfake):
        return super().generator_tangent(real, fake, np.zeros_like(treal), tfake)


class HalfAGenerator(RelativisticAverage):
    """G's gradient from the fakes' own term alone; the mean that real logits are compared with is forgotten."""

    def generator(self, real, fake):
        return super().generator(real, fake)[0], self.curve.d(fake - real.mean()) / fake.size


class NoDecayInAdjoint(Adam):
    def adjoint(self, dp1, dstate1, cache):
        dp, dg, dstate = super().adjoint(dp1, dstate1, cache)
        return dp - self.weight_decay * dg, dg, dstate


class DetachedMoment(Adam):
    """The second moment taken for a constant."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        dg, (dm, _) = super()._rule_adjoint(dp1, dmoments, g, moments, step)
        return dg, [dm, self.beta2 * dmoments[1]]


class NoBiasCorrection(Adam):
    """The adjoint without bias correction: invisible after a thousand steps."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        return super()._rule_adjoint(dp1, dmoments, g, moments, 10**6)


class PlainAdjoint(SGD):
    """Nesterov's adjoint taken from the heavy ball."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        return SGD(self.lr, self.momentum)._rule_adjoint(dp1, dmoments, g, moments, step)


class ForgottenStep(SGD):
    """step and update round differently."""

    def step(self, p, g, state):
        p1, state1, cache = super().step(p, g, state)
        return p - self.lr * 3 * (g / 3), state1, (*cache[:3], p1)


class ClippedBefore(RMSProp):
    """Weights clipped before the update instead of after."""

    def update(self, p, g, state):
        np.clip(p, -self.clip, self.clip, out=p)
        RMSProp(self.lr, self.decay, self.eps).update(p, g, state)


class ClipWithoutMask(SGD):
    """The adjoint lets a gradient through a clipped weight."""

    def adjoint(self, dp1, dstate1, cache):
        return SGD(self.lr).adjoint(dp1, dstate1, cache)


def _finite_at_a_thousand(loss):
    at = np.array([[-1e3], [1e3]], np.float32)
    with np.errstate(all="ignore"):
        results = [*loss.discriminator(at, at), *loss.generator(at)]
    assert all(np.isfinite(result).all() for result in results)


def _within_the_bound(optimizer):
    p = np.linspace(-0.02, 0.02, 9)
    optimizer.update(p, np.ones(9), optimizer.start(p))
    assert np.abs(p).max() <= optimizer.clip


def _rises(loss):
    """When G descends, D(fake) rises: true of every GAN loss."""
    fake = np.linspace(-2, 2, 7)[:, None]
    _, dfake = loss.generator(fake)
    assert (-dfake > 0).all()


_log_sigmoid = Curve(lambda a: -np.log(1 / (1 + np.exp(-a))), lambda a: -stable_sigmoid(-a), lambda a: stable_sigmoid(a) * stable_sigmoid(-a))
_up = wasserstein.on_fake
LOSS_BUGS = [
    Bug(13, "softmax's Jacobian taken for its diagonal, in the tangent", DiagonalTangent, lambda: softmax_cross_entropy, "check_loss"),
    *(Bug("own", bug.__doc__, lambda bug=bug, good=good: bug(*vars(good).values()), lambda good=good: good, "check_loss")
      for bug, good in ((DetachedMean, relativistic_average), (SwappedCounts, relativistic_average), (HalfAGenerator, relativistic_average),
                        (StillReals, relativistic_paired))),
    Bug(27, "the one-hot target is off by one class", NextLabel, lambda: softmax_cross_entropy, "check_loss"),
    Bug(12, "both means divided by one batch size: right as long as they are equal",
        lambda: SharedMean(*vars(nonsaturating).values()), lambda: nonsaturating, "check_loss"),
    Bug(26, "the sign of a loss and of its gradient differ", lambda: replace(wasserstein, for_generator=Curve(_up.f, wasserstein.on_real.d, _up.dd)),
        lambda: wasserstein, "check_loss"),
    Bug(26, "the generator's loss has the wrong sign, and its gradient too", lambda: replace(wasserstein, for_generator=_up), lambda: wasserstein,
        "value", value=_rises),
    Bug(35, "log(sigmoid(x)) without the stable form", lambda: replace(nonsaturating, on_real=_log_sigmoid), lambda: nonsaturating,
        "value", value=_finite_at_a_thousand),
    Bug("own", "hinge's derivative on the wrong side of its kink",
        lambda: replace(hinge, on_real=replace(hinge.on_real, d=lambda a: -(1 - a < 0).astype(a.dtype))), lambda: hinge, "check_loss"),
    Bug("own", "a loss without its second derivative",
        lambda: replace(minimax, on_fake=replace(minimax.on_fake, dd=np.zeros_like)), lambda: minimax, "check_loss"),
    Bug("own", "the adjoint forgets weight decay",
        lambda: NoDecayInAdjoint(0.1, weight_decay=0.3), lambda: Adam(0.1, weight_decay=0.3), "check_optimizer"),
    Bug("own", "the adjoint takes Adam's second moment for a constant", lambda: DetachedMoment(0.1), lambda: Adam(0.1), "check_optimizer"),
    Bug("own", "the adjoint forgets bias correction", lambda: NoBiasCorrection(0.1), lambda: Adam(0.1), "check_optimizer"),
    Bug("own", "Nesterov's adjoint is that of plain momentum",
        lambda: PlainAdjoint(0.1, 0.9, nesterov=True), lambda: SGD(0.1, 0.9, nesterov=True), "check_optimizer"),
    Bug("own", "step and update round differently", lambda: ForgottenStep(0.1), lambda: SGD(0.1), "check_optimizer"),
    Bug(25, "weights are clipped before the update",
        lambda: ClippedBefore(0.1, clip=0.01), lambda: RMSProp(0.1, clip=0.01), "value", value=_within_the_bound),
    Bug("own", "a clipped weight still passes its gradient on",
        lambda: ClipWithoutMask(0.1, clip=0.5), lambda: SGD(0.1, clip=0.5), "check_optimizer"),
    Bug(32, "an error on the other side: half the gradient", lambda: (lambda x: (x**2).sum(), np.arange(1.0, 4), np.arange(1.0, 4)),
        lambda: (lambda x: (x**2).sum(), np.arange(1.0, 4), 2 * np.arange(1.0, 4)), "gradcheck"),
]


# ---------------------------------------------------------------------------------------------------- systems

def _planted(system, kind):
    """The same system with a method replaced."""
    return kind(**{field.name: getattr(system, field.name) for field in fields(system) if field.init})


class LostCache(gan.GAN):
    """G's caches are gone before its backward pass: its gradient is exactly zero."""

    def generator(self, params, batch, seed, made=None):
        result = super().generator(params, batch, seed, made)
        return replace(result, gradients={"G": result.gradients["G"].zeros()})


class AroundD(gan.GAN):
    """D's output gradient is fed straight into G's last layer; D is never traversed."""

    def generator(self, params, batch, seed, made=None):
        made = made or self.generate(params, batch, seed)
        logit, _ = self.networks["D"].forward(params["D"], made.x, Run(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        straight = np.broadcast_to(np.sign(dlogit).reshape(-1, 1, 1, 1) / made.x.size, made.x.shape)
        return Result(loss, {"G": self.networks["G"].backward(straight, made.cache, need_dx=False)[1]}, {})


class NotFrozen(gan.GAN):
    """D's weight gradients are computed in G's turn and thrown away."""

    def generator(self, params, batch, seed, made=None):
        made = made or self.generate(params, batch, seed)
        logit, cache = self.networks["D"].forward(params["D"], made.x, Run(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        dfake, _ = self.networks["D"].backward(dlogit, cache)
        return Result(loss, {"G": self.networks["G"].backward(dfake, made.cache, need_dx=False)[1]}, {})


class OneCache(gan.GAN):
    """D(real) is backpropagated through the activations of D(fake)."""

    def discriminator(self, params, batch, seed, made=None):
        D, phi = self.networks["D"], params["D"]
        made = made or self.generate(params, batch, seed)
        real, _ = D.forward(phi, batch.x, Run(derive(seed, "D on real")))
        fake, cache = D.forward(phi, made.x, Run(derive(seed, "D on fake")))
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        dreal = np.resize(dreal, dfake.shape)
        return Result(loss, {"D": D.backward(dreal, cache, need_dx=False)[1] + D.backward(dfake, cache, need_dx=False)[1]}, {})


class FakeOnly(gan.GAN):
    """Half of D's gradient is missing, though its loss is whole."""

    def discriminator(self, params, batch, seed, made=None):
        result = super().discriminator(params, batch, seed, made)
        made = made or self.generate(params, batch, seed)
        D = self.networks["D"]
        fake, cache = D.forward(params["D"], made.x, Run(derive(seed, "D on fake")))
        _, _, dfake = self.loss.discriminator(fake, fake)
        return replace(result, gradients={"D": D.backward(dfake, cache, need_dx=False)[1]})


class SwappedMeans(wgan.WGAN):
    """The two critic terms exchange their batch sizes: right as long as they are equal."""

    def critic(self, params, batch, seed, made=None):
        f, w = self.networks["D"], params["D"]
        made = made or self.generate(params, batch, seed)
        real, c_real = f.forward(w, batch.x, Run(derive(seed, "D on real")))
        fake, c_fake = f.forward(w, made.x, Run(derive(seed, "D on fake")))
        dreal, dfake = -np.ones_like(real) / len(fake), np.ones_like(fake) / len(real)
        gradient = f.backward(dreal, c_real, need_dx=False)[1] + f.backward(dfake, c_fake, need_dx=False)[1]
        return Result(wasserstein.discriminator(real, fake)[0], {"D": gradient}, {})


class TwoLosses(gan.GAN):
    """The value of the saturating loss, the gradient of the other: one of the two lines was overwritten."""

    def generator(self, params, batch, seed, made=None):
        made = made or self.generate(params, batch, seed)
        logit, _ = self.networks["D"].forward(params["D"], made.x, Run(derive(seed, "D on fake")))
        return replace(super().generator(params, batch, seed, made), loss=minimax.generator(logit)[0])


class Together(dcgan.DCGAN):
    """Real and fake go through D as one batch on the way back only: BatchNorm mixes them."""

    def discriminator(self, params, batch, seed, made=None):
        D, phi = self.networks["D"], params["D"]
        made = made or self.generate(params, batch, seed)
        loss = super().discriminator(params, batch, seed, made).loss
        both, cache = D.forward(phi, np.concatenate([batch.x, made.x]), Run(derive(seed, "D on real")))
        _, dreal, dfake = self.loss.discriminator(both[:len(batch.x)], both[len(batch.x):])
        return Result(loss, {"D": D.backward(np.concatenate([dreal, dfake]), cache, need_dx=False)[1]}, {})


class OtherNoise(gan.GAN):
    """The fakes handed in are ignored and drawn again from another stream."""

    def generator(self, params, batch, seed, made=None):
        return super().generator(params, batch, seed, self.generate(params, batch, seed if made is None else seed + 1))


class LoggingRescales(gan.GAN):
    """The code that logs the gradient's direction normalises the gradient that it reads."""

    def discriminator(self, params, batch, seed, made=None):
        result = super().discriminator(params, batch, seed, made)
        direction = result.gradients["D"].vector
        direction /= np.linalg.norm(direction)
        return replace(result, metrics=result.metrics | {"first": float(direction[0])})


class PlottingRescales(gan.GAN):
    """The code that reads parameters for a plot normalises them in place."""

    def discriminator(self, params, batch, seed, made=None):
        result = super().discriminator(params, batch, seed, made)
        params["D"].vector[...] /= 1 + 1e-9
        return result


class StepCounter(gan.GAN):
    """An objective that remembers how often it was called."""

    calls = []

    def generator(self, params, batch, seed, made=None):
        self.calls.append(1)
        return super().generator(params, batch, seed + len(self.calls), made)


class WrongLabels(conditional.Conditional):
    """D sees the fakes with other labels than G was asked for, in the backward pass."""

    def generator(self, params, batch, seed, made=None):
        made = made or self.generate(params, batch, seed)
        z, asked = made.inputs
        other = replace(made, inputs=(z, (asked + 1) % self.classes))
        return replace(super().generator(params, batch, seed, other), loss=super().generator(params, batch, seed, made).loss)


class SwappedMetrics(gan.GAN):
    """The curves "D on data" and "D on samples" are exchanged."""

    def discriminator(self, params, batch, seed, made=None):
        result = super().discriminator(params, batch, seed, made)
        return replace(result, metrics={"D(x)": result.metrics["D(G(z))"], "D(G(z))": result.metrics["D(x)"]})


def _curves_have_their_names(system):
    """D that has learned for a few steps believes in data more than in samples."""
    point = SystemPoint(system, real=32, fake=32)
    for _ in range(60):
        point.params["D"].vector[...] -= 0.05 * point.run("D").gradients["D"].vector
    metrics = point.run("D").metrics
    assert metrics["D(x)"] > metrics["D(G(z))"] + 0.1


class FirstRows(Batches):
    """Only the first few batches of the data are ever used."""

    def indices(self, k):
        return super().indices(k % 2)


def _every_row_once_an_epoch(batches):
    seen = np.concatenate([batches.indices(k) for k in range(5)])
    assert sorted(seen) == list(range(20))


_gan, _wgan, _dcgan = (lambda: build("gan", "digits", 0.02)), (lambda: build("wgan", "digits", 0.02)), (lambda: build("dcgan", "digits", 0.03))
_cond = lambda: build("conditional", "digits", 0.03)
_system = lambda row, kind, base, by, value=None: Bug(row, kind.__doc__.strip(), lambda: _planted(base(), kind), base, by, value=value)
SYSTEM_BUGS = [
    _system(2, LostCache, _gan, "gradient of G"),
    _system(2, LostCache, _gan, "the_generator_learns_from_the_discriminator"),
    _system(3, AroundD, _gan, "gradient of G"),
    _system(3, AroundD, _gan, "the_generator_learns_from_the_discriminator"),
    _system(5, NotFrozen, _gan, "the_frozen_network_runs_no_weight_gradient"),
    _system(1, OneCache, _gan, "gradient of D"),
    _system(10, FakeOnly, _gan, "gradient of D"),
    _system(12, SwappedMeans, _wgan, "gradient of D"),
    _system(24, TwoLosses, _gan, "gradient of G"),
    _system("own", Together, _dcgan, "gradient of D"),
    _system("own", OtherNoise, _gan, "made_is_what_it_would_draw"),
    _system(33, LoggingRescales, _gan, "gradient of D"),
    _system("own", PlottingRescales, _gan, "objectives_are_pure"),
    _system("own", StepCounter, _gan, "objectives_are_pure"),
    _system(27, WrongLabels, _cond, "gradient of G"),
    _system(31, SwappedMetrics, _gan, "value", _curves_have_their_names),
    Bug(18, FirstRows.__doc__, lambda: FirstRows(20, 4, seed=1), lambda: Batches(20, 4, seed=1), "value", value=_every_row_once_an_epoch),
]


def test_exchanged_batch_sizes_hide_behind_equal_ones():
    """Why the checks give unequal numbers of real and fake samples."""
    assert check_system(_planted(_wgan(), SwappedMeans), real=4, fake=4).max_error <= 1e-6


def _epsilon_is_small(layer):
    x = 1e-2 * np.random.default_rng(1).standard_normal((7, 3))
    y, _ = layer.forward({"gain": np.ones(3), "bias": np.zeros(3)}, x, Run())
    assert np.allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-12)


def _seven(n, rng):
    """A ring of eight from linspace(0, 2 pi, 8): the end point is the first again, so seven modes, one of them doubled."""
    angle = np.linspace(0, 2 * np.pi, 8)[rng.integers(8, size=n)]
    return 2 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * rng.standard_normal((n, 2)), None


def _every_mode_has_its_share(draw):
    """Count and weight: around each of the eight centres lies an eighth of the points, and none lies elsewhere."""
    centres, std = modes("ring")
    distance = np.linalg.norm(draw(4000, np.random.default_rng(1))[0][:, None] - centres, axis=2)
    near = distance < 6 * std
    assert near.any(1).all() and len(centres) == 8
    assert (np.abs(near.sum(0) - 500) < 100).all()                # five standard deviations


def _resuming(forgotten=None):
    """Save and load a state; what is `forgotten` by the checkpoint is afterwards what it is in a new run."""

    def resume(system, state):
        about = checkpoint.identity(system, _digits, 8, 3)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder) / "checkpoint.npz", state, about)
            back = checkpoint.load(Path(folder) / "checkpoint.npz", system, about)
        if forgotten:
            setattr(back, forgotten, getattr(checkpoint.State.start(system, 3), forgotten))
        return back

    return resume


def _stopping_changes_nothing(resume):
    """N steps = k steps, resume, N - k steps, in every weight and moment."""
    system, batches = build("dcgan", "digits", 0.03), Batches(len(_digits), 8, 3)
    whole, parts = (checkpoint.State.start(system, 3) for _ in range(2))
    for step in range(5):
        training.advance(system, whole, _digits, batches, 3)
        parts = resume(system, parts) if step == 3 else parts
        training.advance(system, parts, _digits, batches, 3)
    assert whole.counters() == parts.counters()
    assert all(np.array_equal(vector, parts.vectors()[name]) for name, vector in whole.vectors().items())


def _without_flags(a, b):
    """A product that reads a transposed matrix as if it were not."""
    return kernels.matmul(np.ravel(a, "K").reshape(a.shape), b)


def _zero_in_float32(a, b):
    """The float32 half of a fused-type kernel returns the zeros that it began with."""
    return kernels.matmul(a, b) if a.dtype == np.float64 else np.zeros((len(a), b.shape[1]), a.dtype)


def _right_in_both_dtypes_and_layouts(product):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((7, 5)), rng.standard_normal((5, 3))
    for dtype in (np.float64, np.float32):
        for left in (a.astype(dtype), np.asfortranarray(a.astype(dtype))):
            assert np.allclose(product(left, b.astype(dtype)), a @ b, rtol=1e-5, atol=1e-5)


_digits = data.load("digits")
VALUE_BUGS = [
    Bug(17, _seven.__doc__, lambda: _seven, lambda: ring, "value", value=_every_mode_has_its_share),
    *(Bug(30, broken.__doc__, lambda broken=broken: broken, lambda: kernels.matmul, "value", value=_right_in_both_dtypes_and_layouts)
      for broken in (_without_flags, _zero_in_float32)),
    *(Bug(34, f"a checkpoint without {text}", lambda part=part: _resuming(part), _resuming, "value", value=_stopping_changes_nothing)
      for part, text in (("moments", "the optimisers' moments"), ("batches", "the data's order"), ("step", "the state of the noise"))),
    Bug(14, "BatchNorm's eps was given the momentum's value", lambda: BatchNorm(3, eps=0.8), lambda: BatchNorm(3), "value", value=_epsilon_is_small),
]
BUGS = LAYER_BUGS + LOSS_BUGS + SYSTEM_BUGS + VALUE_BUGS


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.row}: {bug.text[:70]} [{bug.by}]")
def test_a_planted_bug_is_caught(bug):
    with pytest.raises(AssertionError if bug.value else GradientError):
        caught(bug, bug.plant())
    all_checks(bug, bug.healthy())


def test_the_menagerie_is_large_enough():
    rows = {bug.row for bug in BUGS} - {"own"}
    assert len(rows) >= 28 and rows <= set(range(1, 41))          # of the forty of the catalogue
