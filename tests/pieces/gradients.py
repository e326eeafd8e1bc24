"""Pieces with a wrong gradient: the message names the pattern of the numbers, or what was observed."""

import numpy as np

from numgan.layers import Elementwise, Layer, Pass
from pieces import Own, OwnConv, OwnNorm, Piece


class MissingFlip(OwnConv):
    def dx(self, dy, x, W):
        return self.correlate(self.padded(dy), W.swapaxes(2, 3), *x.shape[1:3])


class MissingTranspose(OwnConv):
    def dx(self, dy, x, W):
        return super().dx(dy, x, W.swapaxes(2, 3))


class DenseTranspose(Own):
    def dx(self, dy, x, W):
        return dy @ W


class WrongCrop(OwnConv):
    """The padding is cropped one row and one column too late."""

    def dx(self, dy, x, W):
        return self.spread(dy, x, W)[:, : x.shape[1], : x.shape[2]]


class LastRowLost(OwnConv):
    def dx(self, dy, x, W):
        dx = super().dx(dy, x, W).copy()
        dx[:, -1] = 0
        return dx


class BorderOfW(OwnConv):
    """The last row of dy does not enter dW."""

    def dp(self, dy, x):
        inside = dy.copy()
        inside[:, -1] = 0
        return super().dp(inside, x) | {"b": dy.sum(axis=(0, 1, 2))}


class FirstBias(Own):
    def dp(self, dy, x):
        return super().dp(dy, x) | {"b": dy[0]}


class MeanBias(Own):
    def dp(self, dy, x):
        return super().dp(dy, x) | {"b": dy.mean(axis=0)}


class MeanOfPositions(OwnConv):
    def dp(self, dy, x):
        return super().dp(dy, x) | {"b": dy.mean(axis=(0, 1, 2))}


class UnbiasedVariance(OwnNorm):
    def axes(self, x):
        return (0,)

    def dx(self, d, xhat, r):
        less = 1 - 1 / len(d)
        return r * (d - self.mean(d) / less - xhat * self.mean(d * xhat) / less)


class Clipped(Own):
    def dx(self, dy, x, W):
        return np.clip(dy @ W.T, -0.5, 0.5)


class NoTanh(Own):
    """y = tanh(x W + b) without the derivative of tanh."""

    def forward(self, p, x, context=Pass()):
        y, cache = super().forward(p, x, context)
        return np.tanh(y), cache


class Swapped(Layer):
    """y = a b, with the gradients of a and b exchanged."""

    def output_shape(self, shape):
        return shape[0]

    def forward(self, p, x, context=Pass()):
        return x[0] * x[1], x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return (dy * cache[0], dy * cache[1]) if need_dx else None, None if frozen else {}


class SumsDx(Own):
    def dx(self, dy, x, W):
        return dy @ W.T / len(dy)


class Sign(Own):
    def dx(self, dy, x, W):
        return -dy @ W.T


class Twice(Own):
    def dp(self, dy, x):
        return super().dp(dy, x) | {"W": 2 * x.T @ dy}


class Zero(Own):
    def dp(self, dy, x):
        return super().dp(dy, x) | {"W": 0 * (x.T @ dy)}


class DyNotUsed(Own):
    def dp(self, dy, x):
        return super().dp(np.ones_like(dy), x) | {"b": dy.sum(axis=0)}


class Masked(Own):
    """y = ReLU(x W + b); the mask is forgotten in the backward pass."""

    def forward(self, p, x, context=Pass()):
        y, cache = super().forward(p, x, context)
        return np.maximum(y, 0), cache


class WrongSlope(Layer):
    """LeakyReLU with the slopes 0.2 and 0.1."""

    def forward(self, p, x, context=Pass()):
        return np.where(x > 0, x, 0.2 * x), x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * np.where(cache > 0, 1, 0.1).astype(dy.dtype), None if frozen else {}


class WrongAbove(WrongSlope):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * np.where(cache > 0, 0.5, 0.2).astype(dy.dtype), None if frozen else {}


class UnusedMask(Layer):
    """Dropout whose mask is not used in the backward pass."""

    def forward(self, p, x, context=Pass()):
        if context.seed is None:
            return x.copy(), None
        return x * (context.rng().random(x.shape) > 0.4) / x.dtype.type(0.6), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy.copy() if need_dx else None, None if frozen else {}


class NoMean(OwnNorm):
    def dx(self, d, xhat, r):
        return r * (d - xhat * self.mean(d * xhat))


class NoVariance(OwnNorm):
    def dx(self, d, xhat, r):
        return r * (d - self.mean(d))


class Constants(OwnNorm):
    def dx(self, d, xhat, r):
        return r * d


class BatchNoXhat(OwnNorm):
    """BatchNorm. For a batch of one, this dx is zero, and so is the right one."""

    def axes(self, x):
        return tuple(range(x.ndim - 1))

    def dx(self, d, xhat, r):
        return r * (d - self.mean(d) - self.mean(d * xhat))


class BatchOneLess(BatchNoXhat):
    """BatchNorm, divided by N - 1 in one term. For dy = 1, this dx is zero, and so is the right one."""

    def dx(self, d, xhat, r):
        return r * (d - self.mean(d) - xhat * (d * xhat).sum(axis=0) / (len(d) - 1))


class SoftmaxMean(Layer):
    """y = softmax(x), with a mean where the sum is needed."""

    def forward(self, p, x, context=Pass()):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y = e / e.sum(axis=-1, keepdims=True)
        return y, y

    def backward(self, dy, y, frozen=False, need_dx=True):
        return y * (dy - (dy * y).mean(axis=-1, keepdims=True)) if need_dx else None, None if frozen else {}


class UnitLength(Layer):
    """y = x / |x|, where |x| is treated as a constant."""

    def forward(self, p, x, context=Pass()):
        norm = np.sqrt((x * x).sum(axis=-1, keepdims=True) + 1e-8)
        return x / norm, norm

    def backward(self, dy, norm, frozen=False, need_dx=True):
        return dy / norm if need_dx else None, None if frozen else {}


class AddedBias(Layer):
    """y = (x + b)^2, where b is forgotten in the gradient of x."""

    def parameter_shapes(self):
        return {"b": (4,)}

    def forward(self, p, x, context=Pass()):
        return (x + p["b"]) ** 2, (x, p["b"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, b = cache
        dp = None if frozen else {"b": (2 * dy * (x + b)).sum(axis=0)}
        return 2 * dy * (x + 1) if need_dx else None, dp


class BatchNoMean(NoMean):
    def axes(self, x):
        return tuple(range(x.ndim - 1))


class GroupNoMean(NoMean):
    """One group: the mean over all axes of a sample."""

    def axes(self, x):
        return tuple(range(1, x.ndim))


class InstanceConstants(Constants):
    def axes(self, x):
        return tuple(range(1, x.ndim - 1))


class NoGain(OwnNorm):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, r, gain = cache
        return super().backward(dy, (xhat, r, np.ones_like(gain)), frozen, need_dx)


class Recurrent(Layer):
    """h_t = tanh(x_t + h_(t-1) U) for x (N, T, C); the gradient does not go back from h_t to h_(t-1)."""

    def __init__(self, channels=3):
        self.channels = channels

    def parameter_shapes(self):
        return {"U": (self.channels, self.channels)}

    def forward(self, p, x, context=Pass()):
        h = [np.zeros_like(x[:, 0])]
        for t in range(x.shape[1]):
            h.append(np.tanh(x[:, t] + h[-1] @ p["U"]))
        return np.stack(h[1:], axis=1), (h, p["U"])

    through = 0.0

    def backward(self, dy, cache, frozen=False, need_dx=True):
        h, U = cache
        dx, dU, later = np.zeros_like(dy), None if frozen else np.zeros_like(U), 0
        for t in reversed(range(dy.shape[1])):
            da = (dy[:, t] + later) * (1 - h[t + 1] ** 2)
            dx[:, t] = da
            if not frozen:
                dU += h[t].T @ da
            later = self.through * (da @ U.T)
        return dx if need_dx else None, None if frozen else {"U": dU}


class Exchanged(Layer):
    """y: the picture times a ramp of rows; dx uses the ramp of columns."""

    def ramp(self, n, dtype):
        return np.arange(1, n + 1, dtype=dtype) / n

    def forward(self, p, x, context=Pass()):
        rows = self.ramp(x.shape[1], x.dtype)[:, None, None]
        columns = self.ramp(x.shape[2], x.dtype)[None, :, None]
        return x * rows * columns**2 / (rows + 1), x.shape

    def backward(self, dy, cache, frozen=False, need_dx=True):
        rows = self.ramp(dy.shape[1], dy.dtype)[:, None, None]
        columns = self.ramp(max(dy.shape[1:3]), dy.dtype)[None, : dy.shape[2], None]
        rows = rows * len(rows) / max(dy.shape[1:3])
        return dy * rows * columns**2 / (rows + 1), None if frozen else {}


class ValueOfDerivative(Elementwise):
    """f' is right at first order, and f'' has the wrong sign."""

    def f(self, x):
        return np.tanh(x)

    def d(self, x, y):
        return 1 - y * y

    def dd(self, x, y):
        return 2 * y * (1 - y * y)


class NoSecond(ValueOfDerivative):
    def dd(self, x, y):
        return np.zeros_like(x)


class Attention(Layer):
    """y = softmax(x x' / sqrt(C)) x, whose backward pass has no 1 / sqrt(C)."""

    def forward(self, p, x, context=Pass()):
        scores = x @ x.swapaxes(1, 2) / x.dtype.type(np.sqrt(x.shape[2]))
        a = np.exp(scores - scores.max(axis=2, keepdims=True))
        a /= a.sum(axis=2, keepdims=True)
        return a @ x, (x, a)

    scaled = False

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, a = cache
        da = dy @ x.swapaxes(1, 2)
        ds = a * (da - (a * da).sum(axis=2, keepdims=True))
        if self.scaled:
            ds /= x.dtype.type(np.sqrt(x.shape[2]))
        dx = a.swapaxes(1, 2) @ dy + ds @ x + ds.swapaxes(1, 2) @ x
        return dx if need_dx else None, None if frozen else {}


class OneRow(Own):
    def dp(self, dy, x):
        dW = x.T @ dy
        dW[2] += 1
        return {"W": dW, "b": dy.sum(axis=0)}


class Reordered(Own):
    def dp(self, dy, x):
        return {"W": np.roll((x.T @ dy).ravel(), 2).reshape(4, 3), "b": dy.sum(axis=0)}


picture = (4, 5, 2)
WRONG = [
    Piece("kernel not flipped", MissingFlip,
          ("right if the kernel equals its own flip", "cause: .* not flipped"), picture),
    Piece("no transpose, convolution", lambda: MissingTranspose(2, 2),
          ("cause: .* transpose is missing",), picture),
    Piece("no transpose, Dense", lambda: DenseTranspose(3, 3), ("cause: .* transpose is missing",), (3,)),
    Piece("a crop at a wrong place", WrongCrop, (r"shifted: .* moved by \(1, 1\)",), picture),
    Piece("the last row lost", LastRowLost, ("border rows or columns only",), picture),
    Piece("dW without the last row", BorderOfW,
          ("right if dy is zero at the border", "cause: .* border"), picture),
    Piece("db of one sample", FirstBias, ("right for a batch of one", "cause: .* sum over the batch"), (4,)),
    Piece("db as a mean", MeanBias, ("numeric / 3, the batch size: a mean",), (4,)),
    Piece("dx divided by N", SumsDx, ("numeric / 3, the batch size: a mean",), (4,)),
    Piece("db as a mean of positions", MeanOfPositions,
          ("numeric / 60, the number of samples and positions: a mean",), picture),
    Piece("BatchNorm divided by N - 1", UnbiasedVariance, ("or have a wrong factor",), (6,), {"batch": 5}),
    Piece("clipped", Clipped, ("right if dy is small", "cause: .* clipped"), (4,)),
    Piece("tanh forgotten", NoTanh, ("parameters are near 0", "cause: .* nonlinearity is missing"), (4,)),
    Piece("gradients exchanged", Swapped, ("if all inputs are equal", "exchanged"), ((4,), (4,))),
    Piece("a sign", Sign, (r"the sign: analytic = -numeric",), (4,)),
    Piece("a factor", Twice, (r"analytic = 2 x numeric everywhere",), (4,)),
    Piece("zero", Zero, ("zero everywhere",), (4,)),
    Piece("dy not used", DyNotUsed, ("right if dy is 1 everywhere", "cause: +dy is not used"), (4,)),
    Piece("no mask", Masked, ("right if x and the parameters are positive", "cause: +a mask is missing"),
          (4,)),
    Piece("a slope below 0", WrongSlope, ("right if x is positive", "cause: .* negative x"), (4,)),
    Piece("a slope above 0", WrongAbove, ("right if x is negative", "cause: .* positive x"), (4,)),
    Piece("dropout's mask not used", UnusedMask, ("right without random numbers", "cause: .* mask"), (4,)),
    Piece("LayerNorm without the mean", NoMean, ("cause: .* mean of dy is missing", "the last axis"), (6,)),
    Piece("LayerNorm without the variance", NoVariance,
          ("cause: .* variance is missing", "the last axis"), (6,)),
    Piece("LayerNorm with constants", Constants, ("cause: .* treated as constants",), (6,)),
    Piece("BatchNorm without the mean", BatchNoMean, ("mean of dy is missing", "over the batch"),
          (6,), {"batch": 5}),
    Piece("BatchNorm without xhat", BatchNoXhat,
          (r"(?s)^(?!.*over the batch: it)", "term through the variance"), (6,), {"batch": 5}),
    Piece("BatchNorm, N - 1 in one term", BatchOneLess,
          (r"(?s)^(?!.*dy is 1 everywhere)", "term through the variance"), (6,), {"batch": 5}),
    Piece("softmax with a mean", SoftmaxMean, (r"(?s)^(?!.*variance)", "the sum or norm that divides"), (6,)),
    Piece("the norm as a constant", UnitLength,
          (r"(?s)^(?!.*variance)", "norm that divides is treated as a constant"), (6,)),
    Piece("one in place of the bias", AddedBias, ("cause: .* such as a gain or a bias",), (4,)),
    Piece("GroupNorm without the mean", GroupNoMean, ("mean of dy is missing", "each sample"), (2, 3, 6)),
    Piece("InstanceNorm with constants", InstanceConstants, ("treated as constants", "picture of each"),
          (2, 3, 6)),
    Piece("LayerNorm without the gain", NoGain, (r"right if parameters with one axis \(gain\) are one",),
          (6,)),
    Piece("no gradient through time", Recurrent,
          ("right for a sequence of one step", "cause: .* steps of time"), (4, 3)),
    Piece("height and width", Exchanged, ("right for a square picture", "cause: +height and width"),
          (5, 3, 2)),
    Piece("f'' with a wrong sign", ValueOfDerivative,
          ("tdx along tx is wrong", r"if dy alone moves \(along tdy\)", "cause: .*f''"), (4,)),
    Piece("f'' forgotten", NoSecond, ("tdx along tx is wrong", "cause: .*f''"), (4,)),
    Piece("attention without its scale", Attention, ("gradient of x is wrong in",), (3, 4)),
    Piece("one row", OneRow, ("only index 2 of axis 0",), (4,)),
    Piece("another order", Reordered, ("right numbers in a wrong order",), (4,)),
]  # fmt: skip
