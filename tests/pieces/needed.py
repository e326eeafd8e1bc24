"""Right layers whose frozen passes compute only what dx needs, or nothing: they must not be blamed."""

import numpy as np

from numgan.layers import Layer, Pass
from pieces import Own, OwnNorm, Piece


class BatchNorm(Layer):
    """dx needs the sums that are also the gradients of gain and bias."""

    def __init__(self, channels=4):
        self.channels = channels

    def parameter_shapes(self):
        return {"gain": (self.channels,), "bias": (self.channels,)}

    def forward(self, p, x, context=Pass()):
        r = 1 / np.sqrt(x.var(axis=0) + 1e-5)
        xhat = (x - x.mean(axis=0)) * r
        return p["gain"] * xhat + p["bias"], (xhat, r, p["gain"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, r, gain = cache
        dgain, dbias = (dy * xhat).sum(axis=0), dy.sum(axis=0)
        dx = gain * r * (dy - dbias / len(dy) - xhat * dgain / len(dy)) if need_dx else None
        return dx, None if frozen else {"gain": dgain, "bias": dbias}


class BatchNormOneLine(BatchNorm):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, r, gain = cache
        dbias = dy.sum(axis=0)
        dgain = (dy * xhat).sum(axis=0)
        dx = gain * r * (dy - (dbias + xhat * dgain) / len(dy))  # noqa: E501, E702
        return dx if need_dx else None, None if frozen else {"gain": dgain, "bias": dbias}  # fmt: skip


class BatchNormHelper(BatchNorm):
    """A helper that returns all three, as in many lecture notes."""

    def all_three(self, dy, xhat, r, gain):
        sums = {"bias": np.zeros_like(gain), "gain": np.zeros_like(gain)}
        for row, hat in zip(dy, xhat):
            sums["bias"] += row
            sums["gain"] += row * hat
        return gain * r * (dy - sums["bias"] / len(dy) - xhat * sums["gain"] / len(dy)), sums

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.all_three(dy, *cache)
        return dx if need_dx else None, None if frozen else dp


class BatchNormNoNames(BatchNorm):
    """The sums that dx needs have no names, and those of the gradients are computed anew."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, r, gain = cache
        dx = None
        if need_dx:
            dx = gain * r * (dy - np.sum(dy, axis=0) / len(dy) - xhat * np.mean(dy * xhat, axis=0))
        return dx, None if frozen else {"gain": (dy * xhat).sum(axis=0), "bias": dy.sum(axis=0)}


class Lazy(Own):
    """Everything in one expression."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return (
            dy @ cache[1].T if need_dx else None,
            None if frozen else {"W": np.einsum("ni,no->io", cache[0], dy), "b": dy.sum(0)},
        )


class KeepsGradient(Own):
    """The gradient of the last pass that was not frozen stays on the layer."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        if not frozen:
            self.dW, self.db = dp["W"], dp["b"]
        return dx, dp


class CopiesDy(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        copy, turned = np.array(dy), np.ascontiguousarray(dy.T)
        return turned.T @ cache[1].T if need_dx else None, None if frozen else self.dp(copy, cache[0])


class PReLU(Layer):
    def parameter_shapes(self):
        return {"slope": (1,)}

    def forward(self, p, x, context=Pass()):
        return np.where(x > 0, x, p["slope"] * x), (x, p["slope"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, slope = cache
        below = np.where(x > 0, 0, dy)
        dx = np.where(x > 0, dy, slope * dy) if need_dx else None
        return dx, None if frozen else {"slope": np.array([(below * x).sum()], x.dtype)}


class Bias(Layer):
    """y = x + b: dx is dy itself."""

    def parameter_shapes(self):
        return {"b": (4,)}

    def forward(self, p, x, context=Pass()):
        return x + p["b"], None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy if need_dx else None, None if frozen else {"b": dy.sum(axis=0)}


class WeightNorm(Own):
    """y = x W with W = V / |V|; the product <dW, V> is needed only if not frozen."""

    def parameter_shapes(self):
        return {"V": (self.rows, self.columns)}

    def forward(self, p, x, context=Pass()):
        size = np.sqrt((p["V"] ** 2).sum())
        return x @ (p["V"] / size), (x, p["V"], size)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, V, size = cache
        dx = dy @ (V / size).T if need_dx else None
        if frozen:
            return dx, None
        dW = x.T @ dy
        return dx, {"V": dW / size - V * (dW * V).sum() / size**3}


RIGHT = [
    Piece("BatchNorm with shared sums", BatchNorm, x=(4,), settings={"batch": 5}),
    Piece("BatchNorm in one line", BatchNormOneLine, x=(4,), settings={"batch": 5}),
    Piece("BatchNorm without names", BatchNormNoNames, x=(4,), settings={"batch": 5}),
    Piece("BatchNorm with a helper", BatchNormHelper, x=(4,), settings={"batch": 5}),
    Piece("LayerNorm", OwnNorm, x=(6,)),
    Piece("lazy gradients", Lazy, x=(4,)),
    Piece("the last gradient on the layer", KeepsGradient, x=(4,)),
    Piece("copies of dy", CopiesDy, x=(4,)),
    Piece("PReLU", PReLU, x=(4,)),
    Piece("a bias", Bias, x=(4,)),
    Piece("weight normalisation", WeightNorm, x=(4,)),
]  # fmt: skip
