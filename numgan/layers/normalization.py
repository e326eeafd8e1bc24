"""BatchNorm, InstanceNorm, LayerNorm, PixelNorm: one formula, with means over different axes.

    xhat = (x - mean x) r        r = 1 / sqrt(mean (x - mean x)^2 + eps)        y = gain xhat + bias

The derivative of xhat with respect to x is a linear operator on an array d:

    P(d) = r (d - mean d - xhat mean(d xhat))

P is its own transpose, so the backward pass and the tangent pass both use it. "sum" is over all axes but the
last, and dxhat is the derivative of the loss with respect to xhat:

    forward            y      = gain xhat + bias
    backward           dx     = P(dxhat)                              dxhat  = gain dy
                       dgain  = sum dy xhat                           dbias  = sum dy
    tangent_forward    ty     = gain txhat + tgain xhat + tbias       txhat  = P(tx)
    tangent_backward   tdx    = P(tdxhat) + (tP)(dxhat)               tdxhat = gain tdy + tgain dy
                       tdgain = sum (tdy xhat + dy txhat)             tdbias = sum tdy

The product rule gives tP, the tangent of the operator P, with tr / r = -r mean(xhat tx):

    (tP)(d) = (tr / r) P(d) - r (txhat mean(d xhat) + xhat mean(d txhat))

Below, these formulas are written twice, line by line in the same order. SampleNorm computes them in NumPy,
with means within each sample. BatchNorm computes them with kernels, with means over the rows of a matrix
(P, C): P samples and positions, C channels. Both classes compute xhat again from x, so that the cache need
not hold xhat.
"""

from typing import NamedTuple

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import not_negative, positive
from ..core.underflow import may_underflow
from .base import Layer, Pass, entries, expect, expect_floats, product_rule, term, total
from .initializers import constant


class Normalization(Layer):
    """The base class of all normalisations: it holds the number of channels C, eps, and gain and bias.

    x and y are (N, ..., C), gain and bias (C,), with y = gain xhat + bias for the normalised values xhat. eps
    is added to the variance. `init` is the initialiser of gain; bias starts as zeros. A subclass with affine
    = False has no gain and no bias. Raises TypeError if x is not an array of floats, ValueError if x has a
    wrong shape.
    """

    shown = ("channels",)
    affine = True

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

    def _check(self, x):
        expect(self, x.ndim >= 2 and x.shape[-1] == self.channels, f"(N, ..., {self.channels})", x)

    def output_shape(self, shape):
        expect(self, self.channels in (None, shape[-1]), f"(..., {self.channels})", shape)
        return shape

    def flops(self, shape):
        return 8 * entries(shape)

    def _rows(self, x):
        return None if x is None else x.reshape(-1, self.channels)

    def _gradients(self, dgain, dbias):
        """The gradient of gain and bias: {"gain": (C,), "bias": (C,)}. {} for a layer without them.

        dgain, dbias   arrays (N, ..., C), which are summed over all axes but the last. None means zero and
                       stays None
        """
        if not self.affine:
            return {}
        return {
            "gain": term(kernels.column_sum, self._rows(dgain)),
            "bias": term(kernels.column_sum, self._rows(dbias)),
        }

    def _gradient_tangents(self, dy, tdy, xhat, txhat):
        """The tangent of the gradient of gain and bias: {"gain": tdgain, "bias": tdbias}.

            tdgain = sum (tdy xhat + dy txhat)          tdbias = sum tdy

        dy, tdy       the derivative of the loss with respect to y, and its tangent
        xhat, txhat   the normalised values, and their tangent

        tdy and txhat may be None, which means zero; then an entry of the result may be None too.
        """
        return self._gradients(product_rule(np.multiply, dy, xhat, tdy, txhat), tdy)


class SampleNorm(Normalization):
    """The base class of normalisations within each sample, in NumPy: y = gain (x - mean) r + bias.

    r = 1 / sqrt(variance + eps). A subclass defines `axes(x)`, the axes over which mean and variance are
    taken. With centred = False, the mean is replaced by 0. The forward pass raises ValueError if a mean would
    be taken over no values.
    """

    centred = True

    def axes(self, x):
        raise TypeError(f"{self!r}: define axes(x), the axes that the mean is taken over")

    def _mean(self, x):
        # the order of a sum, and so its last bits, depends on the order of the memory
        return np.ascontiguousarray(x).mean(axis=self.axes(x), keepdims=True)

    def _operator(self, d, xhat, r):
        """P(d) = r (d - mean d - xhat mean(d xhat)): the derivative of xhat with respect to x, applied to d.

        d and xhat have one shape; xhat are the normalised values, and r = 1 / sqrt(variance + eps). If
        `centred` is False, the term mean d is left out.
        """
        centre = self._mean(d) if self.centred else 0
        return (d - centre - xhat * self._mean(d * xhat)) * r

    def forward(self, p, x, context=Pass()):
        expect_floats(self, x)
        self._check(x)
        expect(self, all(x.shape[axis] for axis in self.axes(x)), "with at least one value in each mean", x)
        mean = self._mean(x) if self.centred else 0
        variance = self._mean(np.square(x - mean))
        r = 1 / np.sqrt(variance + self.eps)
        gain, bias = (p["gain"], p["bias"]) if self.affine else (1, 0)
        y = (x - mean) * r * gain + bias
        return y, (x, mean, r, gain)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, mean, r, gain = cache
        xhat = (x - mean) * r
        dx = self._operator(dy * gain, xhat, r) if need_dx else None
        return dx, None if frozen else self._gradients(dy * xhat, dy)

    def tangent_forward(self, tx, cache, tp=None):
        x, mean, r, gain = cache
        xhat = (x - mean) * r
        txhat = term(self._operator, tx, xhat, r)
        ty = term(np.multiply, txhat, gain)
        tgain = None
        if tp is not None and self.affine:
            tgain = tp["gain"]
            ty = total(ty, xhat * tgain + tp["bias"])
        return ty, (tx, txhat, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        x, mean, r, gain = cache
        tx, txhat, tgain = tcache
        xhat = (x - mean) * r
        tdx = None
        tdp = None if frozen else self._gradient_tangents(dy, tdy, xhat, txhat)
        if need_dx:
            tdxhat = product_rule(np.multiply, dy, gain, tdy, tgain)
            tdx = term(self._operator, tdxhat, xhat, r)
        if need_dx and txhat is not None:  # (tP)(dxhat)
            dxhat = dy * gain
            dx = self._operator(dxhat, xhat, r)
            tr_over_r = -r * self._mean(xhat * tx)
            share = self._mean(dxhat * xhat)
            tshare = self._mean(dxhat * txhat)
            tdx = total(tdx, dx * tr_over_r, txhat * (-r * share), xhat * (-r * tshare))
        return tdx, tdp


class Cache(NamedTuple):
    """What a forward pass of BatchNorm stores for the backward pass: x, its mean and variance, and more.

    x is (N, ..., C). The arrays mean, r, gain, bias and variance have the shape (C,). r = 1 / sqrt(variance +
    eps). measured is True if mean and variance are measured constants, False if they are the mean and
    variance of x.
    """

    x: np.ndarray
    mean: np.ndarray
    r: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    variance: np.ndarray
    measured: bool


class BatchNorm(Normalization):
    """The layer y = gain (x - mean) / sqrt(variance + eps) + bias, with mean and variance of each channel.

    x (N, ..., C)   gain, bias, mean, variance (C,)   (Ioffe and Szegedy 2015, Algorithm 1)

    It runs on kernels. By default mean and variance are those of the batch x, over all axes but the last. For
    sampling, `context` can hold measured statistics (see `measure`), which are then used as mean and
    variance. They are constants. A forward pass never changes measured statistics.

    `forward` and `backward` have one argument more, `slope`: the slope of a LeakyReLU after this layer. Then
    y is the output of this LeakyReLU, and dy is the derivative with respect to this output. slope = 1: no
    LeakyReLU.

    Raises TypeError if x is not an array of floats. Raises ValueError if x does not have C channels, if a
    channel has fewer than two values and there are no measured statistics, or if measured statistics do not
    fit.
    """

    mixes_samples = True

    def _moments(self, x, context):
        """The statistics with which the forward pass normalises x: (mean (C,), variance (C,), measured).

        measured is True if they are the measured statistics of the context, False if they are the mean and
        variance of x. Raises ValueError if the mean and variance of x are needed and a channel has fewer than
        two values, or if the measured statistics do not fit this layer.
        """
        if context.measured is None:
            expect(
                self,
                x.size >= 2 * self.channels,
                "with at least two values per channel",
                x,
                "use a larger batch, or measured statistics",
            )
            return *kernels.channel_moments(self._rows(x)), False
        measured = context.measured
        if not {"mean", "variance"} <= measured.keys() or measured["mean"].shape != (self.channels,):
            raise ValueError(
                f"{self!r} at {'.'.join(context.path)}: expected its measured mean and variance "
                f"({self.channels},) in context.measured, got {sorted(measured) or 'none'}; "
                "use what measure(...) returns for this network"
            )
        return measured["mean"].astype(x.dtype), measured["variance"].astype(x.dtype), True

    def _operator(self, d, xhat, cache):
        """P(d) = r (d - mean d - xhat mean(d xhat)): the derivative of xhat with respect to x, applied to d.

        d and xhat are (P, C): P samples and positions, C channels. xhat are the normalised values. cache is
        the Cache of the forward pass; with measured statistics P(d) = r d.
        """
        if cache.measured:
            return _scaled(d, cache.r)
        zero = np.zeros_like(cache.r)
        sum_d, sum_d_xhat = kernels.channel_products(d, xhat, zero)
        return kernels.normalize_gradient(d, xhat, zero, cache.r, sum_d / len(d), sum_d_xhat / len(d))

    def _xhat(self, cache):
        return kernels.normalize(self._rows(cache.x), cache.mean, cache.r, np.zeros_like(cache.r))

    def forward(self, p, x, context=Pass(), slope=1.0):
        expect_floats(self, x)
        self._check(x)
        mean, variance, measured = self._moments(x, context)
        r = 1 / np.sqrt(variance + self.eps)
        gain, bias = p["gain"], p["bias"]
        y = kernels.normalize(self._rows(x), mean, r * gain, bias, slope).reshape(x.shape)
        return y, Cache(x, mean, r, gain, bias, variance, measured)

    def backward(self, dy, cache, frozen=False, need_dx=True, slope=1.0):
        x, mean, r, gain, bias, _, measured = cache
        rows = self._rows(x)
        dy = self._rows(dy)
        scale = r * gain
        dx = None
        mean_d = mean_d_xhat = np.zeros_like(r)  # measured statistics do not depend on x: no mean terms
        if not measured or not frozen:
            dbias, dgain = kernels.channel_products(dy, rows, mean, scale, bias, slope)
            dgain *= r
        if not measured:  # P(gain dy) = gain P(dy), so the means are those of dy and dy xhat
            mean_d = dbias / len(dy)
            mean_d_xhat = dgain / len(dy)
        if need_dx:
            dx = kernels.normalize_gradient(dy, rows, mean, scale, mean_d, mean_d_xhat * r, bias, slope)
            dx = dx.reshape(x.shape)
        return dx, None if frozen else {"gain": dgain, "bias": dbias}

    def tangent_forward(self, tx, cache, tp=None):
        xhat = self._xhat(cache)
        tx = self._rows(tx)
        txhat = term(self._operator, tx, xhat, cache)
        ty = term(_scaled, txhat, cache.gain)
        tgain = None
        if tp is not None:
            tgain = tp["gain"]
            ty = total(
                ty, kernels.normalize(xhat, np.zeros_like(tgain), tgain, tp["bias"])
            )  # xhat tgain + tbias
        return term(np.reshape, ty, cache.x.shape), (tx, txhat, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        r = cache.r
        tx, txhat, tgain = tcache
        xhat = self._xhat(cache)
        d = self._rows(dy)
        td = self._rows(tdy)
        tdx = None
        tdp = None if frozen else self._gradient_tangents(d, td, xhat, txhat)
        if need_dx:
            tdxhat = product_rule(_scaled, d, cache.gain, td, tgain)
            tdx = term(self._operator, tdxhat, xhat, cache)
        if need_dx and txhat is not None and not cache.measured:  # (tP)(dxhat)
            dxhat = _scaled(d, cache.gain)
            dx = self._rows(self.backward(dy, cache, frozen=True)[0])
            tr_over_r = -r * _mean_product(xhat, tx)
            share = _mean_product(dxhat, xhat)
            tshare = _mean_product(dxhat, txhat)
            tdx = total(tdx, _scaled(dx, tr_over_r), _scaled(txhat, -r * share), _scaled(xhat, -r * tshare))
        return term(np.reshape, tdx, cache.x.shape), tdp

    def batch_statistics(self, cache):
        return {} if cache.measured else {"mean": cache.mean, "variance": cache.variance}


def _scaled(x, factor):
    """Multiply each channel of x by a number of its own          x (P, C)   factor (C,)   result (P, C)"""
    zero = np.zeros_like(factor)
    return kernels.normalize(x, zero, factor, zero)


def _mean_product(one, two):
    """The mean of one * two over the rows, for each channel          one, two (P, C)   result (C,)"""
    return kernels.channel_products(one, two, np.zeros(one.shape[1], one.dtype))[1] / len(one)


class InstanceNorm(SampleNorm):
    """The layer y = gain (x - mean) / sqrt(variance + eps) + bias, for each channel of each image.

    x (N, H, W, C)   gain, bias (C,)   (Ulyanov et al. 2016, section 2)

    Mean and variance are over the pixels of one channel of one image. Raises ValueError unless x is (N, H, W,
    C) with H W >= 2: a single pixel equals its mean.
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


class LayerNorm(SampleNorm):
    """The layer y = gain (x - mean) / sqrt(variance + eps) + bias, with mean and variance of each sample.

    x (N, ..., C)   gain, bias (C,)   (Ba et al. 2016, eq. 3)

    Mean and variance are over all entries of a sample. Raises ValueError unless x has two axes or more, the
    last one has the size C, and samples have entries.
    """

    def axes(self, x):
        return tuple(range(1, x.ndim))


class PixelNorm(SampleNorm):
    """The layer y = x / sqrt(mean over channels of x^2 + eps), at each position of each sample.

    x (N, ..., C); no parameters   (Karras et al. 2018, section 4.2)

    It is a normalisation with 0 in place of the mean, gain 1 and bias 0. Raises ValueError if x has fewer
    than two axes, or no channels.
    """

    affine = centred = False
    channels = None
    shown = ()

    def __init__(self, eps=1e-8):
        self.eps = not_negative(eps, "PixelNorm eps")

    def _check(self, x):
        expect(self, x.ndim >= 2, "(N, ..., C)", x)

    def axes(self, x):
        return (x.ndim - 1,)


@may_underflow
def measure(net, p, inputs, seed=None):
    """Measure the mean and variance of the input of every BatchNorm of a network, over a list of batches.

    net      the network
    p        its parameters
    inputs   the batches, of one size; net runs a forward pass for each batch
    seed     the seed of the forward passes; None: without random numbers

    Returns {layer name: {"mean": (C,), "variance": (C,)}}, nested as the network is, for
    `Pass(measured=...)`. If net is a BatchNorm itself, it returns the inner dict; {} if net has no BatchNorm
    or inputs is empty.

    mean       the mean of the batch means
    variance   the mean of (batch variance + batch mean^2) over the batches, minus mean^2

    With measured statistics, the output for a sample does not depend on the other samples of its batch.
    """
    return pooled([net.batch_statistics(net.forward(p, x, Pass(seed))[1]) for x in inputs])


def pooled(trees):
    """Combine the BatchNorm statistics of several batches into one dict, by the formulas of `measure`.

    trees is a list with one dict {layer name: {name: array}} for each batch, which `Layer.batch_statistics`
    returned. The result has the same form. An empty list gives {}.
    """
    if not trees:
        return {}
    if "variance" not in trees[0]:
        return {name: pooled([tree[name] for tree in trees]) for name in trees[0]}
    mean = np.mean([tree["mean"] for tree in trees], axis=0)
    square = np.mean([tree["variance"] + tree["mean"] ** 2 for tree in trees], axis=0)
    return {"mean": mean, "variance": np.maximum(square - mean**2, 0)}
