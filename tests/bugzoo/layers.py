"""Planted bugs: layers."""

import numpy as np

from bugzoo import Bug, class_bug
from numgan import check_layer
from numgan.checking.layer import CHECKS, title
from numgan.checking.points import Case, outcome
from numgan.layers import (
    AvgPool2d,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LeakyReLU,
    Pad,
    ReLU,
    Residual,
    Sequential,
    Skip,
    Softplus,
    Tanh,
    Upsample,
)
from numgan.losses import softmax

_checks = {title(check): check for check in CHECKS}


def checks_of_layers(by, x):
    """The check with this name, and all checks, of a layer with this input."""

    def check(layer):
        outcome(Case(layer, x, batch=5).point, _checks[by])

    check.__name__ = by
    return {"by": check, "every": lambda layer: check_layer(layer, x, batch=5)}


def layer_bug(row, broken, healthy, by, x, *arguments, **settings):
    return class_bug(row, broken, healthy, *arguments, **checks_of_layers(by, x), **settings)


class LastInput(Dense):
    """The cache stays on the layer, and a second forward pass overwrites it."""

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
    """In the tangent pass only, freezing throws the weight gradient away instead of not computing it."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = super().tangent_backward(dy, tdy, cache, tcache, False, need_dx)
        return tdx, None if frozen else tdp


class NoBend(Tanh):
    """The second-order pass lacks its f'' term, which is zero for ReLU but not for Tanh."""

    dd = None


class DiagonalSoftmax(Layer):
    """The Jacobian of softmax is taken for its diagonal, p (1 - p)."""

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
        dy[:, dy.shape[1] - self.output_padding[0] :] = 0
        return super().weight_gradient(x, dy)


class SquareOnly(Conv2d):
    """A column index runs over the kernel's height, which is right for square kernels."""

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
    """dW is transposed, which its shape does not show if the layer is square."""

    def weight_gradient(self, x, dy):
        return np.ascontiguousarray(super().weight_gradient(x, dy).T)


class MeanForSum(Dense):
    """The gradient of W is divided by the batch size a second time."""

    def weight_gradient(self, x, dy):
        return super().weight_gradient(x, dy) / len(x)


class HalfRight(Dense):
    """dW is doubled and dx is negated, which no gradient shows where every unit is dead."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx if dx is None else -dx, dp and {"W": 2 * dp["W"], "b": dp["b"]}


class NoBiasTangent(Dense):
    """tangent_forward forgets tb."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(tx, cache, None if tp is None else {"W": tp["W"], "b": 0 * tp["b"]})


class NoMixedTerm(Dense):
    """tdx lacks dy *' tW, which an unrolled GAN needs and a gradient penalty does not."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        _, tdp = super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return super().tangent_backward(dy, tdy, cache, (tcache[0], None), frozen, need_dx)[0], tdp


class WrongWithoutTdy(Dense):
    """The tangent pass back is wrong if tdy is None, as in a penalty."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return tdx, {"W": 2 * tdp["W"], "b": tdp["b"]} if tdp and tdy is None else tdp


class LastTangent(Dense):
    """The tangent pass keeps its cache on the layer, and a second one overwrites it."""

    def tangent_forward(self, tx, cache, tp=None):
        ty, self.kept = super().tangent_forward(tx, cache, tp)
        return ty, None

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return super().tangent_backward(dy, tdy, cache, self.kept, frozen, need_dx)


class LastInputOfTangents(Dense):
    """Forward keeps its input on the layer, and only the tangent pass back reads it there."""

    def forward(self, p, x, run):
        y, self.kept = super().forward(p, x, run)
        return y, self.kept

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return super().tangent_backward(dy, tdy, self.kept, tcache, frozen, need_dx)


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
    """The derivative has the slope of the wrong side."""

    def times(self, d, y):
        return d * np.where(y > 0, self.slope, 1.0).astype(y.dtype)


class GlobalNoise(Dropout):
    """A global generator draws a new mask at every call."""

    noise = np.random.default_rng(0)

    def apply(self, x, run):
        mask = (self.noise.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * mask.astype(x.dtype), mask.astype(x.dtype)


class FreshMask(Dropout):
    """The backward pass has another mask than the forward pass."""

    def transpose(self, dy, mask):
        return dy * mask[::-1]


class DoubleConstant(LeakyReLU):
    """A float32 pass computes with a float64 array."""

    def times(self, d, y):
        return d * np.where(y > 0, np.ones(1), self.slope)


class OnlyTheBody(Residual):
    """The shortcut's gradient is forgotten."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, _ = self.children["body"].backward(dy, cache[0], frozen, need_dx)
        return dx, super().backward(dy, cache, frozen, need_dx)[1]


class NoIdentity(Skip):
    """The copy in a skip connection sends nothing back."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dy = dy.copy()
        dy[..., : cache[1][-1]] = 0
        return super().backward(dy, cache, frozen, need_dx)


class ConditionOnce(Condition):
    """The condition's gradients from above and from beside do not add up."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward((dy[0], None), cache, frozen, need_dx)


class EdgeTwice(Pad):
    """A mirrored border is folded back as if the edge itself were repeated."""

    @staticmethod
    def _fold(dy, axis, before, after):
        dy = np.moveaxis(dy, axis, 0)
        dx = dy[before : len(dy) - after].copy()
        dx[:before] += dy[:before][::-1]
        dx[len(dx) - after :] += dy[len(dy) - after :][::-1]
        return np.ascontiguousarray(np.moveaxis(dx, 0, axis))


class SmallerWindows(AvgPool2d):
    """At the border, only the forward pass takes the mean over the entries inside."""

    def apply(self, x, run):
        y, cache = super().apply(x, run)
        y[:, 0] *= 1.5
        return y, cache


class NothingMoves(Softplus):
    """A tangent of None is treated as ones."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(np.ones_like(cache[0]) if tx is None else tx, cache, tp)


class AlwaysDx(Dense):
    """need_dx is ignored, so D's first layer computes a gradient that nobody needs."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, cache, frozen, True)


class LyingShape(Upsample):
    """output_shape and forward disagree."""

    def output_shape(self, shape):
        return shape[0] * self.factor[1], shape[1] * self.factor[0], shape[2]


_labels = np.array([4, 0, 4, 1, 2])
LAYER_BUGS = [
    layer_bug(1, LastInput, Dense, "two live caches", (4,), 4, 3),
    layer_bug(2, UsedUp, Dense, "pure", (4,), 4, 3),
    layer_bug(4, FrozenIsDead, Dense, "frozen same dx", (4,), 4, 3),
    layer_bug(5, FrozenStillWorks, Conv2d, "frozen no weight gradient", (5, 4, 2), 2, 3, kernel=(3, 2)),
    layer_bug(5, FrozenTangentsStillWork, Conv2d, "frozen tangents", (5, 4, 2), 2, 3, kernel=(3, 2)),
    layer_bug(6, NoBend, Tanh, "tangent backward", (7,)),
    layer_bug(13, DiagonalSoftmax, Softmax, "dx", (5,)),
    layer_bug(27, NextClass, Embedding, "parameters", _labels, 5, 3),
    layer_bug("own", LostDuplicates, Embedding, "parameters", _labels, 5, 3),
    layer_bug(28, FlippedTranspose, ConvTranspose2d, "dx", (3, 2, 3), 3, 2, kernel=3, stride=2, padding=1),
    layer_bug(
        28,
        NoOutputPadding,
        ConvTranspose2d,
        "parameters",
        (3, 2, 3),
        3,
        2,
        kernel=5,
        stride=2,
        padding=2,
        output_padding=1,
    ),
    layer_bug(29, SquareOnly, Conv2d, "parameters", (5, 7, 2), 2, 3, kernel=(2, 3)),
    layer_bug("own", LostBorder, Conv2d, "dx", (5, 4, 2), 2, 3, kernel=3, padding=1),
    layer_bug("own", TurnedWeights, Dense, "parameters", (4,), 4, 4),
    layer_bug("own", MeanForSum, Dense, "parameters", (4,), 4, 3),
    layer_bug("own", NoBiasTangent, Dense, "tangent forward", (4,), 4, 3),
    layer_bug(16, NoMixedTerm, Dense, "tangent backward", (4,), 4, 3),
    layer_bug("own", WrongWithoutTdy, Dense, "tangent backward", (4,), 4, 3),
    layer_bug("own", LastTangent, Dense, "pure tangents", (4,), 4, 3),
    layer_bug("own", LastInputOfTangents, Dense, "pure tangents", (4,), 4, 3),
    layer_bug("own", InPlaceReLU, ReLU, "pure", (7,)),
    layer_bug("own", InPlaceGradient, ReLU, "pure", (7,)),
    layer_bug("own", WrongSide, LeakyReLU, "dx", (7,)),
    layer_bug("own", GlobalNoise, Dropout, "repeatable", (7,), 0.4),
    layer_bug("own", FreshMask, Dropout, "dx", (7,), 0.4),
    layer_bug("own", DoubleConstant, LeakyReLU, "keeps float32", (7,)),
    layer_bug("own", OnlyTheBody, Residual, "dx", (3,), Dense(3, 3)),
    layer_bug("own", NoIdentity, Skip, "dx", (3,), Dense(3, 2)),
    layer_bug("own", ConditionOnce, Condition, "dx", ((3,), (2,)), Dense(5, 4)),
    layer_bug("own", EdgeTwice, Pad, "dx", (4, 3, 2), 1, "reflect"),
    layer_bug("own", SmallerWindows, AvgPool2d, "dx", (4, 6, 2), 2),
    layer_bug("own", NothingMoves, Softplus, "no tangent is zero", (7,)),
    layer_bug("own", AlwaysDx, Dense, "need dx", (4,), 4, 3),
    layer_bug("own", LyingShape, Upsample, "shapes", (3, 5, 2), (2, 3)),
    *(
        Bug(
            "own",
            HalfRight.__doc__,
            lambda: Sequential(HalfRight(3, 2), ReLU()),
            lambda: Sequential(Dense(3, 2), LeakyReLU()),
            **checks_of_layers(by, np.ones((2, 3))),
        )
        for by in ("dx", "parameters")
    ),
]
