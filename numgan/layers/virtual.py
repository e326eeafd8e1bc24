"""VirtualBatchNorm and Referenced: BatchNorm whose samples do not see each other, but one reference batch, the same for ever.

The reference, R samples with mean m0 and variance v0, is normalised by these. Every other sample, with mean m and variance v of its own, is
normalised by the moments of the reference and itself together, of which it is w = 1 / (R + 1):

    mean     = (1 - w) m0 + w m
    variance = (1 - w) v0 + w v + w (1 - w) (m - m0)^2          r = 1 / sqrt(variance + eps)
    xhat     = (x - mean) r

With w = 1 these are the reference's own lines, so one law serves both. Its derivative is the chain rule from the last line up; what all samples
owe m0 and v0 adds up, and goes down into the reference.
"""

import hashlib
from dataclasses import replace

import numpy as np

from .base import Pass, expect, expect_floats, total
from .network import Network
from .normalization import Normalization


class VirtualBatchNorm(Normalization):
    """y = gain xhat + bias, xhat by the law above          x (R + N, ..., C)   gain, bias (C,)          (Salimans et al. 2016, section 3.5)

    The first R = context.reference rows are the reference, as `Referenced` says. Of pictures every position counts, those of a sample as much as
    those of a sample of the reference. Raises ValueError without a reference, or if that has fewer than two values per channel.
    """

    def forward(self, p, x, context=Pass()):
        expect_floats(self, x)
        self._check(x)
        R = context.reference
        expect(
            self,
            0 < R <= len(x),
            "that begins with the rows of a reference",
            x,
            "put the network into Referenced(net, reference)",
        )
        expect(
            self,
            x[:R].size >= 2 * self.channels,
            "with at least two values per channel in its reference",
            x[:R],
            "take a larger one",
        )
        reference, samples = self._parts(x, R)
        m0, v0 = _moments(reference)
        (xhat0, *at0), (xhat, *at) = (
            _law(reference, 1.0, m0, v0, self.eps),
            _law(samples, 1 / (R + 1), m0, v0, self.eps),
        )
        xhat = self._whole(xhat0, xhat, x)
        return xhat * p["gain"] + p["bias"], (xhat, at0, at, p["gain"], R)

    def _parts(self, x, R):
        """The reference as one sample (1, R P, C), and the others (N, P, C)."""
        return x[:R].reshape(1, -1, self.channels), x[R:].reshape(
            len(x) - R, int(np.prod(x.shape[1:-1])), self.channels
        )

    @staticmethod
    def _whole(reference, samples, like):
        return np.concatenate([reference.reshape(-1, *like.shape[1:]), samples.reshape(-1, *like.shape[1:])])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, at0, at, gain, R = cache
        dx = None
        if need_dx:
            (d0, d), (xhat0, xhat1) = self._parts(dy * gain, R), self._parts(xhat, R)
            dx, owed, _ = _down(d, xhat1, at)
            dx = self._whole(_down(d0, xhat0, at0, owed)[0], dx, dy)
        return dx, None if frozen else self._gradients(dy * xhat, dy)

    def tangent_forward(self, tx, cache, tp=None):
        xhat, at0, at, gain, R = cache
        tgain = None if tp is None else tp["gain"]
        txhat, moves, ty = None, (None, None), None
        if tx is not None:
            (tx0, tx1), (xhat0, xhat1) = self._parts(tx, R), self._parts(xhat, R)
            txhat0, *move0 = _moved(tx0, xhat0, at0)
            txhat1, *move = _moved(tx1, xhat1, at, *move0[:2])
            txhat, moves = self._whole(txhat0, txhat1, tx), (move0, move)
            ty = txhat * gain
        if tgain is not None:
            ty = total(ty, xhat * tgain + tp["bias"])
        return ty, (txhat, moves, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (xhat, at0, at, gain, R), (txhat, (move0, move), tgain) = cache, tcache
        tdp = None
        if not frozen:
            tdp = self._gradients(
                total(None if tdy is None else tdy * xhat, None if txhat is None else dy * txhat), tdy
            )
        if not need_dx:
            return None, tdp
        (d0, d), (xhat0, xhat1) = self._parts(dy * gain, R), self._parts(xhat, R)
        _, owed, slopes = _down(d, xhat1, at)
        _, _, slopes0 = _down(d0, xhat0, at0, owed)
        td = total(None if tdy is None else tdy * gain, None if tgain is None else dy * tgain)
        if td is None and txhat is None:
            return None, tdp
        (td0, td), (txhat0, txhat1) = (
            self._parts(np.zeros_like(dy) if t is None else t, R) for t in (td, txhat)
        )
        tdx, towed = _down_moved(d, td, xhat1, txhat1, at, move, slopes)
        tdx0, _ = _down_moved(d0, td0, xhat0, txhat0, at0, move0, slopes0, towed)
        return self._whole(tdx0, tdx, dy), tdp


def _moments(x):
    """Mean and variance over the positions of each sample          x (N, P, C) -> (N, 1, C) both"""
    m = x.mean(axis=1, keepdims=True)
    return m, np.square(x - m).mean(axis=1, keepdims=True)


def _sum(x):
    return x.sum(axis=1, keepdims=True)


def _law(x, w, m0, v0, eps):
    """xhat, and what its derivative needs."""
    m, v = _moments(x)
    apart = m - m0
    r = 1 / np.sqrt((1 - w) * v0 + w * v + w * (1 - w) * np.square(apart) + x.dtype.type(eps))
    return (x - ((1 - w) * m0 + w * m)) * r, w, x - m, apart, r


def _down(d, xhat, at, owed=(0, 0)):
    """dx from d = dxhat, and from what others owe this group's mean and variance; what it owes m0 and v0 itself; slopes for `_down_moved`."""
    w, away, apart, r = at
    dmean, dvar = -r * _sum(d), -(r**2) / 2 * _sum(d * xhat)  # xhat = (x - mean) / sqrt(variance + eps)
    bend = 2 * w * (1 - w) * dvar * apart
    dm, dv = w * dmean + bend + owed[0], w * dvar + owed[1]
    dx = d * r + (dm + 2 * dv * away) / d.shape[1]
    return dx, (((1 - w) * dmean - bend).sum(axis=0), (1 - w) * dvar.sum(axis=0)), (dvar, dv)


def _moved(tx, xhat, at, tm0=0, tv0=0):
    """txhat, and how mean, variance and what else the law computes move."""
    w, away, apart, r = at
    tm = tx.mean(axis=1, keepdims=True)
    taway, tapart, tv = tx - tm, tm - tm0, 2 * (away * (tx - tm)).mean(axis=1, keepdims=True)
    tr = -(r**3) / 2 * ((1 - w) * tv0 + w * tv + 2 * w * (1 - w) * apart * tapart)
    return (tx - ((1 - w) * tm0 + w * tm)) * r + xhat * tr / r, tm, tv, taway, tapart, tr


def _down_moved(d, td, xhat, txhat, at, move, slopes, towed=(0, 0)):
    """tdx, and how what it owes m0 and v0 moves: the product rule on every line of `_down`."""
    (w, away, apart, r), (dvar, dv) = at, slopes
    taway, tapart, tr = (np.zeros_like(part) for part in (away, apart, r)) if move is None else move[2:]
    tdmean = -tr * _sum(d) - r * _sum(td)
    tdvar = -r * tr * _sum(d * xhat) - r**2 / 2 * _sum(td * xhat + d * txhat)
    tbend = 2 * w * (1 - w) * (tdvar * apart + dvar * tapart)
    tdm, tdv = w * tdmean + tbend + towed[0], w * tdvar + towed[1]
    tdx = td * r + d * tr + (tdm + 2 * (tdv * away + dv * taway)) / d.shape[1]
    return tdx, (((1 - w) * tdmean - tbend).sum(axis=0), (1 - w) * tdvar.sum(axis=0))


class Referenced(Network):
    """x (N, ...) -> what net makes of (reference, x), without the reference's rows          reference (R, ...), a constant

        G = Referenced(Sequential(Dense(100, 256), VirtualBatchNorm(256), ReLU(), Dense(256, 2)), Latent(100).draw(stream(0, "reference"), 64))

    The reference goes through the network beside every batch, at that cost, and gradients go back through it into the weights. It is part of the
    repr by its hash, and so of what a checkpoint must agree with. Raises ValueError unless it is an array of finite floats shaped as samples are.
    """

    def __init__(self, net, reference):
        reference = np.asarray(reference)
        wrong = reference.dtype.kind != "f" or reference.ndim < 2 or not len(reference)
        if wrong or not np.isfinite(reference).all():
            raise ValueError(
                f"Referenced: expected reference as an array (R, ...) of finite floats, got {reference.dtype} {reference.shape}"
                + (
                    ""
                    if wrong
                    else f" with {(~np.isfinite(reference)).sum()} that are nan or inf; leave these samples out"
                )
            )
        self._set({"net": net})
        self.reference = reference.astype(np.float64)

    def output_shape(self, shape):
        return self.children["net"].output_shape(shape)

    def forward(self, p, x, context=Pass()):
        expect_floats(self, x)
        expect(
            self,
            x.shape[1:] == self.reference.shape[1:],
            f"of samples shaped as the reference's, {self.reference.shape[1:]}",
            x,
        )
        y, cache = self._enter(
            "net",
            p,
            np.concatenate([self.reference.astype(x.dtype), x]),
            replace(context, reference=len(self.reference)),
        )
        return y[len(self.reference) :], (cache,)

    def _beside(self, d):
        """A gradient or tangent of the samples, beside zeros for the reference; None stays None."""
        return (
            None if d is None else np.concatenate([np.zeros((len(self.reference), *d.shape[1:]), d.dtype), d])
        )

    def _samples(self, d):
        return None if d is None else d[len(self.reference) :]

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.children["net"].backward(self._beside(dy), cache[0], frozen, need_dx)
        return self._samples(dx), None if frozen else self._gather([("net", dp)], dy)

    def tangent_forward(self, tx, cache, tp=None):
        ty, tcache = self.children["net"].tangent_forward(
            self._beside(tx), cache[0], None if tp is None else tp.child("net")
        )
        return self._samples(ty), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = self.children["net"].tangent_backward(
            self._beside(dy), self._beside(tdy), cache[0], tcache, frozen, need_dx
        )
        return self._samples(tdx), None if frozen else self._gather([("net", tdp)], dy)

    def __repr__(self):
        digest = hashlib.sha256(repr(self.reference.shape).encode() + self.reference.tobytes()).hexdigest()[
            :16
        ]
        return (
            super().__repr__().removesuffix("\n)")
            + f"\n  (reference): {' x '.join(map(str, self.reference.shape))}, {digest}\n)"
        )
