"""BatchNorm, InstanceNorm, LayerNorm, PixelNorm: the same formulas, with means over different axes.

    xhat = (x - mean x) r        r = 1 / sqrt(mean (x - mean x)^2 + eps)        y = gain xhat + bias

The derivative of xhat is the operator P(d) = r (d - mean d - xhat mean(d xhat)). P is its own transpose, so
the backward pass and the tangent pass both use it:

    forward            y     = gain xhat + bias
    backward           dx    = P(dxhat)      dxhat = gain dy      dgain = sum dy xhat      dbias = sum dy
    tangent_forward    ty    = gain txhat + tgain xhat + tbias            txhat = P(tx)
    tangent_backward   tdx   = P(tdxhat) + (tP)(dxhat), the product rule; the code writes tP out
"""

from typing import NamedTuple

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import not_negative, positive
from ..core.underflow import may_underflow
from .base import Layer, Pass, expect, expect_floats, total
from .initializers import constant


class Cache(NamedTuple):
    """The cache of a forward pass. r = 1 / sqrt(variance + eps).

    If `measured` is True, mean and variance are measured constants and not those of x.
    """

    x: np.ndarray
    mean: np.ndarray
    r: np.ndarray
    gain: np.ndarray | None
    bias: np.ndarray | None
    variance: np.ndarray
    measured: bool


class Normalization(Layer):
    """y = gain xhat + bias          x, y (N, ..., C)   gain, bias (C,)

    A subclass defines the axes of the mean. PixelNorm subtracts no mean and has no gain; BatchNorm can use
    measured statistics, which are constants. Raises TypeError if x is not an array of floats, ValueError for
    a wrong shape.
    """

    affine = centred = True

    def __init__(self, channels, eps=1e-5, init=constant(1.0)):
        name = type(self).__name__
        self.channels = positive(channels, f"{name} channels")
        self.eps = not_negative(eps, f"{name} eps")
        self.initializer = init

    def parameter_shapes(self):
        return {"gain": (self.channels,), "bias": (self.channels,)} if self.affine else {}

    def initial_values(self, rng):
        shape = (self.channels,)
        return {"gain": self.initializer(rng, shape, 1, 1), "bias": np.zeros(shape)} if self.affine else {}

    def axes(self, x):
        raise TypeError(f"{self!r}: define axes(x), the axes that the mean is taken over")

    def _check(self, x):
        expect(self, x.ndim >= 2 and x.shape[-1] == self.channels, f"(N, ..., {self.channels})", x)

    def output_shape(self, shape):
        expect(self, self.channels in (None, shape[-1]), f"(..., {self.channels})", shape)
        return shape

    def flops(self, shape):
        return 8 * int(np.prod(shape))

    def _moments(self, x, context):
        """mean, variance, and whether they are measured statistics, which do not depend on x."""
        mean = x.mean(axis=self.axes(x), keepdims=True) if self.centred else x.dtype.type(0)
        return mean, np.square(x - mean).mean(axis=self.axes(x), keepdims=True), False

    def forward(self, p, x, context=Pass(), **fused):
        expect_floats(self, x)
        self._check(x)
        mean, variance, measured = self._moments(x, context)
        r = 1 / np.sqrt(variance + x.dtype.type(self.eps))
        gain, bias = (p["gain"], p["bias"]) if self.affine else (None, None)
        return self._normalize(x, mean, r, gain, bias, **fused), Cache(
            x, mean, r, gain, bias, variance, measured
        )

    def _normalize(self, x, mean, r, gain=None, bias=None):
        """gain xhat + bias, or xhat if gain is None.

        xhat is computed again from x, so that the cache need not hold it.
        """
        xhat = (x - mean) * r
        return xhat if gain is None else xhat * gain + bias

    def _mean(self, one, two):
        """The mean of one * two over the axes."""
        return (one * two).mean(axis=self.axes(one), keepdims=True)

    def _times(self, x, factor, plus=None):
        """x * factor + plus.

        `factor` and `plus` have one entry for each channel, or for each mean; None means 0.
        """
        return x * factor if plus is None else x * factor + plus

    def _operator(self, d, xhat, r, measured):
        """P(d). BatchNorm, which alone can have measured statistics, overrides this method."""
        centre = d.mean(axis=self.axes(xhat), keepdims=True) if self.centred else 0
        return (d - centre - xhat * self._mean(d, xhat)) * r

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat = self._normalize(cache.x, cache.mean, cache.r)
        dxhat = dy if cache.gain is None else dy * cache.gain
        dx = self._operator(dxhat, xhat, cache.r, cache.measured) if need_dx else None
        return dx, None if frozen else self._gradients(dy * xhat, dy)

    def _gradients(self, dgain, dbias):
        if not self.affine:
            return {}
        return {
            name: None if d is None else kernels.column_sum(d.reshape(-1, self.channels))
            for name, d in (("gain", dgain), ("bias", dbias))
        }

    def tangent_forward(self, tx, cache, tp=None):
        gain, xhat = cache.gain, self._normalize(cache.x, cache.mean, cache.r)
        txhat = None if tx is None else self._operator(tx, xhat, cache.r, cache.measured)
        tgain = tp["gain"] if self.affine and tp is not None else None
        if txhat is None and tgain is None:
            return None, (None, None, None)
        ty = txhat if gain is None or txhat is None else self._times(txhat, gain)
        if tgain is not None:
            ty = total(ty, self._times(xhat, tgain, tp["bias"]))
        return ty, (tx, txhat, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (tx, txhat, tgain), gain, r = tcache, cache.gain, cache.r
        xhat = self._normalize(cache.x, cache.mean, r)
        tdp = None
        if not frozen:
            tdp = self._gradients(
                total(None if tdy is None else tdy * xhat, None if txhat is None else dy * txhat), tdy
            )
        if not need_dx:
            return None, tdp
        d = dy if gain is None else self._times(dy, gain)
        td = total(
            None if tdy is None else tdy if gain is None else self._times(tdy, gain),
            None if tgain is None else self._times(dy, tgain),
        )
        tdx = None if td is None else self._operator(td, xhat, r, cache.measured)
        # The product rule on dx = P(d) = r (d - mean d - xhat mean(d xhat)):
        if txhat is not None and not cache.measured:
            dx = self.backward(dy, cache, frozen=True)[0]
            tr_over_r = -r * self._mean(xhat, tx)
            along, talong = self._mean(d, xhat), self._mean(d, txhat)
            tdx = total(
                tdx,
                self._times(dx, tr_over_r),
                self._times(txhat, -r * along),
                self._times(xhat, -r * talong),
            )
        return tdx, tdp

    def arguments(self):
        return str(self.channels)


class BatchNorm(Normalization):
    """Means over all axes but the last

    x (N, ..., C)   gain, bias (C,)   (Ioffe and Szegedy 2015, Algorithm 1)

    If `context` holds measured statistics (see `measure`), mean and variance are constants, as for sampling.
    A forward pass never updates them.
    Raises ValueError if a channel has fewer than two values and no measured statistics are given.
    """

    def axes(self, x):
        return tuple(range(x.ndim - 1))

    def _moments(self, x, context):
        if context.measured is not None:
            known = {"mean", "variance"} <= context.measured.keys() and context.measured["mean"].shape == (
                self.channels,
            )
            if not known:
                raise ValueError(
                    f"{self!r} at {'.'.join(context.path)}: expected its measured mean and variance "
                    f"({self.channels},) in context.measured, got {sorted(context.measured) or 'none'}; "
                    "use what measure(...) returns for this network"
                )
            return (
                context.measured["mean"].astype(x.dtype),
                context.measured["variance"].astype(x.dtype),
                True,
            )
        expect(
            self,
            x.size >= 2 * self.channels,
            "with at least two values per channel",
            x,
            "use a larger batch, or measured statistics",
        )
        return *kernels.channel_moments(self._rows(x)), False

    def _rows(self, x):
        return x.reshape(-1, self.channels)

    def _normalize(self, x, mean, r, gain=None, bias=None, slope=1.0):
        bias = np.zeros_like(r) if bias is None else bias
        return kernels.normalize(self._rows(x), mean, r if gain is None else r * gain, bias, slope).reshape(
            x.shape
        )

    def _mean(self, one, two):
        return kernels.channel_products(self._rows(one), self._rows(two), np.zeros(self.channels, one.dtype))[
            1
        ] / (one.size // self.channels)

    def _times(self, x, factor, plus=None):
        none = np.zeros_like(factor)
        return kernels.normalize(self._rows(x), none, factor, none if plus is None else plus).reshape(x.shape)

    def _operator(self, d, xhat, r, measured):
        if measured:
            return self._times(d, r)
        rows, xhat, none = self._rows(d), self._rows(xhat), np.zeros_like(r)
        mean_d, along = (total / len(rows) for total in kernels.channel_products(rows, xhat, none))
        return kernels.normalize_gradient(rows, xhat, none, r, mean_d, along).reshape(d.shape)

    def backward(self, dy, cache, frozen=False, need_dx=True, slope=1.0):
        """slope is that of a LeakyReLU that forward computed too; dy then belongs to its output."""
        x, mean, r, gain, bias, _, measured = cache
        dx, scale = None, r * gain
        dy, rows = self._rows(dy), self._rows(x)
        if not measured or not frozen:
            dbias, dgain = kernels.channel_products(dy, rows, mean, scale, bias, slope)
            dgain *= r
        if need_dx:  # dx = r (dxhat - mean dxhat - xhat mean(dxhat xhat)), dxhat = gain dy
            mean_d, along = (
                np.zeros((2, self.channels), r.dtype) if measured else (dbias / len(dy), dgain / len(dy))
            )
            dx = kernels.normalize_gradient(dy, rows, mean, scale, mean_d, along * r, bias, slope).reshape(
                x.shape
            )
        return dx, None if frozen else {"gain": dgain, "bias": dbias}

    def batch_statistics(self, cache):
        return {} if cache.measured else {"mean": cache.mean, "variance": cache.variance}


class InstanceNorm(Normalization):
    """Means over the pixels of each image

    x (N, H, W, C)   gain, bias (C,)   (Ulyanov et al. 2016, section 2)

    Raises ValueError if x does not have C channels, or has a single pixel, which equals its mean.
    """

    def _check(self, x):
        expect(
            self,
            x.ndim == 4 and x.shape[-1] == self.channels and x.shape[1] * x.shape[2] >= 2,
            f"(N, H, W, {self.channels}), H W >= 2",
            x,
        )

    def axes(self, x):
        return 1, 2


class LayerNorm(Normalization):
    """Means over all entries of each sample

    x (N, ..., C)   gain, bias (C,)   (Ba et al. 2016, eq. 3)

    Raises ValueError if x does not have C channels.
    """

    def axes(self, x):
        return tuple(range(1, x.ndim))


class PixelNorm(Normalization):
    """y = x / sqrt(mean over channels of x^2 + eps)

    x (N, ..., C); no parameters   (Karras et al. 2018, section 4.2)

    Raises ValueError if x has no batch axis.
    """

    affine = centred = False
    channels = None

    def __init__(self, eps=1e-8):
        self.eps = not_negative(eps, "PixelNorm eps")

    def _check(self, x):
        expect(self, x.ndim >= 2, "(N, ..., C)", x)

    def axes(self, x):
        return (x.ndim - 1,)

    def arguments(self):
        return ""


@may_underflow
def measure(net, p, inputs, seed=None):
    """Measured statistics of every BatchNorm of `net` over a list of input batches, for `Pass(measured=...)`.

    Returns {layer name: {...}}, nested as the network is; {} if it has no BatchNorm. All batches have one
    size: mean = mean of means, variance = mean of (variance + mean^2) - mean^2. With measured statistics a
    sample does not depend on the other samples of its batch.
    """
    return pooled([net.batch_statistics(net.forward(p, x, Pass(seed))[1]) for x in inputs])


def pooled(trees):
    """One set of statistics from those of several batches; each is a result of `Layer.batch_statistics`."""
    if not trees or "variance" not in trees[0]:
        return {name: pooled([tree[name] for tree in trees]) for name in trees[0]} if trees else {}
    mean = np.mean([tree["mean"] for tree in trees], axis=0)
    square = np.mean([tree["variance"] + tree["mean"] ** 2 for tree in trees], axis=0)
    return {"mean": mean, "variance": np.maximum(square - mean**2, 0)}
