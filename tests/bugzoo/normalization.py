"""Planted bugs: normalisations of activations and of weights."""

import numpy as np

from bugzoo import Bug
from bugzoo.layers import checks_of_layers, layer_bug
from numgan.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    LayerNorm,
    Referenced,
    Sequential,
    Spectral,
    Tanh,
    VirtualBatchNorm,
)


class WrittenOut(BatchNorm):
    """BatchNorm whose dx comes from `operator`, written in NumPy on rows (P, C)."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        _, dp = super().backward(dy, cache, frozen, need_dx=False)
        d = (dy * cache.gain).reshape(-1, self.channels)
        xhat = (cache.x.reshape(d.shape) - cache.mean) * cache.r
        return self.operator(d, xhat, cache.r).reshape(dy.shape) if need_dx else None, dp


class NoMeanTerm(WrittenOut):
    """BatchNorm's backward forgets that the mean depends on x."""

    def operator(self, d, xhat, r):
        return (d - xhat * (d * xhat).mean(axis=0)) * r


class NoVarianceTerm(WrittenOut):
    """BatchNorm's backward forgets that the variance depends on x."""

    def operator(self, d, xhat, r):
        return (d - d.mean(axis=0)) * r


class OneFewer(WrittenOut):
    """The backward pass has n - 1 instead of n."""

    def operator(self, d, xhat, r):
        n = len(d)
        return (d - d.sum(axis=0) / (n - 1) - xhat * (d * xhat).sum(axis=0) / (n - 1)) * r


class NoGain(BatchNorm):
    """dx lacks the gain, which is invisible as long as all gains are 1."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, cache._replace(gain=np.ones_like(cache.gain)), frozen, need_dx)


class StaleStatistics(BatchNorm):
    """forward updates running statistics for the next forward pass, so D changes while G learns."""

    running = 0.0

    def _moments(self, x, run):
        mean, variance, measured = super()._moments(x, run)
        self.running = 0.9 * self.running + 0.1 * mean
        return mean + 0.01 * self.running, variance, measured


class NoShareTangent(LayerNorm):
    """The second-order pass of a normalisation lacks the term in which 1 / std itself moves."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return super().tangent_backward(
            dy, tdy, cache, (tcache[0] * 0 if tcache[0] is not None else None, *tcache[1:]), frozen, need_dx
        )


class NoSigmaGradient(Spectral):
    """sigma's gradient is treated as zero, so dW is G / sigma."""

    def _descend(self, G, unit, sigma, u, v):
        return G / sigma


class UpdatedInPlace(Spectral):
    """forward makes a power iteration, and writes u and v into the parameters."""

    def forward(self, p, x, run):
        for name, value in self.refreshed(p).items():
            p[name][...] = value
        return super().forward(p, x, run)


class UpdatedOnLayer(Spectral):
    """forward makes a power iteration, from the u that the layer kept from the last one."""

    kept = {}

    def forward(self, p, x, run):
        p = {name: p[name] for name in self.parameter_shapes()} | self.kept
        self.kept = self.refreshed(p)
        return super().forward(p | self.kept, x, run)


class UpdatedWithin(Spectral):
    """forward makes a power iteration of its own, and the gradient takes v = W'u for a constant."""

    def forward(self, p, x, run):
        p = {name: p[name] for name in self.parameter_shapes()}
        return super().forward(p | self.refreshed(p), x, run)


class TrainedU(Spectral):
    """u gets the gradient that the formula has for it, so the optimiser trains it."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx, None if frozen else dp | {"u": -(dp["W"] * cache[1]).sum() * cache[4].sum() * cache[3]}


class NoSigmaTangent(Spectral):
    """The tangent of dW = (G - ...) / sigma forgets that sigma moves."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        part, tunit, tsigma = tcache
        return super().tangent_backward(
            dy, tdy, cache, (part, tunit, None if tsigma is None else 0 * tsigma), frozen, need_dx
        )


class DetachedReference(VirtualBatchNorm):
    """The reference's mean and variance are taken for constants, so no gradient goes back through them."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return None if dx is None else np.concatenate([np.zeros_like(dx[: cache[-1]]), dx[cache[-1] :]]), dp


class StillReference(VirtualBatchNorm):
    """The tangent pass moves the samples and not the reference."""

    def tangent_forward(self, tx, cache, tp=None):
        return super().tangent_forward(
            None if tx is None else np.concatenate([np.zeros_like(tx[: cache[-1]]), tx[cache[-1] :]]),
            cache,
            tp,
        )


def _behind_weights(norm):
    """A network whose reference moves with its weights."""
    return Referenced(
        Sequential(Dense(3, 4, bias=False), norm(4), Tanh()), np.random.default_rng(5).standard_normal((4, 3))
    )


NORMALIZATION_BUGS = [
    layer_bug(15, NoMeanTerm, BatchNorm, "dx", (3,), 3),
    layer_bug(15, NoVarianceTerm, BatchNorm, "dx", (3,), 3),
    layer_bug(15, OneFewer, BatchNorm, "dx", (2, 2, 3), 3),
    layer_bug("own", NoGain, BatchNorm, "dx", (3,), 3),
    layer_bug(39, StaleStatistics, BatchNorm, "repeatable", (3,), 3),
    layer_bug(6, NoShareTangent, LayerNorm, "tangent backward", (5,), 5),
    layer_bug(40, NoSigmaGradient, Spectral, "parameters", (4,), Dense(4, 3)),
    layer_bug(40, NoSigmaGradient, Spectral, "parameters", (5, 4, 2), Conv2d(2, 3, kernel=(3, 2))),
    layer_bug(40, UpdatedInPlace, Spectral, "pure", (4,), Dense(4, 3)),
    layer_bug(40, UpdatedOnLayer, Spectral, "repeatable", (4,), Dense(4, 3)),
    layer_bug(40, UpdatedWithin, Spectral, "parameters", (4,), Dense(4, 3)),
    layer_bug("own", TrainedU, Spectral, "parameters", (4,), Dense(4, 3)),
    layer_bug("own", NoSigmaTangent, Spectral, "tangent backward", (4,), Dense(4, 3)),
    *(
        Bug(
            "own",
            broken.__doc__,
            lambda broken=broken: _behind_weights(broken),
            lambda: _behind_weights(VirtualBatchNorm),
            **checks_of_layers(by, (3,)),
        )
        for broken, by in ((DetachedReference, "parameters"), (StillReference, "tangent forward"))
    ),
]
