"""VirtualBatchNorm: normalises each sample with a fixed reference batch, not with the rest of its own batch.

The reference is a batch of R samples with mean m0 and variance v0. It is normalised by m0 and v0. Every other
sample has its own mean m and variance v over its positions. It is normalised by the mean and variance of the
R reference samples and this sample together, so this sample has the weight w = 1 / (R + 1):

    mean     = (1 - w) m0 + w m
    variance = (1 - w) v0 + w v + w (1 - w) (m - m0)^2          r = 1 / sqrt(variance + eps)
    xhat     = (x - mean) r

With w = 1, m = m0 and v = v0, these formulas hold for the reference too. The backward pass is the chain rule
from the last line to the first. The gradients with respect to m0 and v0 are summed over all samples. Then
they are added to the gradient of the reference.
"""

import hashlib
from dataclasses import replace

import numpy as np

from .base import Pass, expect, expect_floats, product_rule
from .network import Network
from .normalization import Normalization


class VirtualBatchNorm(Normalization):
    """The layer y = gain xhat + bias: xhat is x, normalised with the help of a fixed reference batch.

    x (R + N, ..., C)   gain, bias (C,)          (Salimans et al. 2016, section 3.5)

    The first R = context.reference rows of x are the reference; `Referenced` sets R. The reference is
    normalised by its own mean and variance. Every other sample is normalised by the mean and variance of the
    reference and this sample together. For images, means and variances are over samples and positions, and
    every position has the same weight. Raises TypeError if x is not an array of floats; ValueError if x has a
    wrong shape, if there is no reference, or if the reference has fewer than two values per channel.
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
            "use a larger reference",
        )
        reference, samples = self._parts(x, R)
        m0, v0 = _moments(reference)
        at0 = _normalised(reference, 1.0, m0, v0, self.eps)
        at1 = _normalised(samples, 1 / (R + 1), m0, v0, self.eps)  # 1 / (R + 1): the weight w of the module
        xhat = self._whole(at0[0], at1[0], x)
        return xhat * p["gain"] + p["bias"], (xhat, at0, at1, p["gain"], R)

    def _parts(self, x, R):
        """Split x (R + N, ..., C) into (reference, samples): arrays (1, R P, C) and (N, P, C).

        P is the number of positions of a sample. The R rows of the reference become one sample with R P
        positions.
        """
        positions = int(np.prod(x.shape[1:-1]))
        reference = x[:R].reshape(1, R * positions, self.channels)
        return reference, x[R:].reshape(len(x) - R, positions, self.channels)

    @staticmethod
    def _whole(reference, samples, like):
        return np.concatenate([part.reshape(-1, *like.shape[1:]) for part in (reference, samples)])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, at0, at1, gain, R = cache
        dx = None
        if need_dx:
            d0, d1 = self._parts(dy * gain, R)
            dx1, dmoments0, _ = _group_backward(d1, at1)
            dx0, _, _ = _group_backward(d0, at0, dmoments0)
            dx = self._whole(dx0, dx1, dy)
        return dx, None if frozen else self._gradients(dy * xhat, dy)

    def tangent_forward(self, tx, cache, tp=None):
        if tx is None and tp is None:
            return None, None
        xhat, at0, at1, gain, R = cache
        tx0, tx1 = self._parts(np.zeros_like(xhat) if tx is None else tx, R)
        t0 = _group_tangent(tx0, at0)
        t1 = _group_tangent(tx1, at1, t0)
        txhat = self._whole(t0[0], t1[0], xhat)
        ty = txhat * gain
        tgain = None
        if tp is not None:
            tgain = tp["gain"]
            ty += xhat * tgain + tp["bias"]
        return ty, (txhat, t0, t1, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        if tcache is None and tdy is None:
            return None, None if frozen else self._gradients(None, None)
        if tcache is None:  # only dy moves, and backward is linear in dy
            return self.backward(tdy, cache, frozen, need_dx)
        xhat, at0, at1, gain, R = cache
        txhat, t0, t1, tgain = tcache
        tdx = None
        tdp = None if frozen else self._gradient_tangents(dy, tdy, xhat, txhat)
        if need_dx:
            td = product_rule(np.multiply, dy, gain, tdy, tgain)
            td0, td1 = self._parts(np.zeros_like(dy) if td is None else td, R)
            d0, d1 = self._parts(dy * gain, R)
            _, dmoments0, dvars1 = _group_backward(d1, at1)
            _, _, dvars0 = _group_backward(d0, at0, dmoments0)
            tdx1, tdmoments0 = _group_tangent_backward(d1, td1, at1, t1, dvars1)
            tdx0, _ = _group_tangent_backward(d0, td0, at0, t0, dvars0, tdmoments0)
            tdx = self._whole(tdx0, tdx1, dy)
        return tdx, tdp


def _moments(x):
    """The mean and the variance of each sample, over its positions, for each channel: (mean, variance).

    x is (N, P, C) with P positions and C channels; the two results are (N, 1, C).
    """
    m = x.mean(axis=1, keepdims=True)
    return m, np.square(x - m).mean(axis=1, keepdims=True)


def _sum(x):
    return x.sum(axis=1, keepdims=True)


def _normalised(x, w, m0, v0, eps):
    """Normalise one of two groups, the reference or the samples: (xhat, w, x - m, m - m0, r).

    x (N, P, C)   the group; the reference is one sample, N = 1
    w             the weight of the sample's own statistics: 1 for the reference, 1 / (R + 1) for the samples
    m0, v0        mean and variance of the reference;  eps: is added to the variance

    m is the mean of each sample of the group. xhat (N, P, C) are the normalised values and r = 1 /
    sqrt(variance + eps), by the module's formulas. The derivative needs all five results.
    """
    m, v = _moments(x)
    gap = m - m0
    r = 1 / np.sqrt((1 - w) * v0 + w * v + w * (1 - w) * np.square(gap) + eps)
    return (x - ((1 - w) * m0 + w * m)) * r, w, x - m, gap, r


def _group_backward(d, at, dmoments=(0, 0)):
    """Run the backward pass of one group, the reference or the samples: (dx, (dm0, dv0), (dvar, dv)).

    d          the derivative of the loss with respect to xhat of this group
    at         the values that `_normalised` returned for this group
    dmoments   for the reference: the dm0 and dv0 of the samples; for the samples: zeros

    dx is the derivative with respect to x. dm0 and dv0 are the derivatives with respect to the mean m0 and
    the variance v0 of the reference. dvar and dv are those with respect to `variance` and v;
    `_group_tangent_backward` needs them.
    """
    xhat, w, centred, gap, r = at
    dmean = -r * _sum(d)
    dvar = -(r**2) / 2 * _sum(d * xhat)  # xhat = (x - mean) / sqrt(variance + eps)
    dgap = 2 * w * (1 - w) * dvar * gap
    dm = w * dmean + dgap + dmoments[0]
    dv = w * dvar + dmoments[1]
    dx = d * r + (dm + 2 * dv * centred) / d.shape[1]
    dm0 = ((1 - w) * dmean - dgap).sum(axis=0)
    dv0 = (1 - w) * dvar.sum(axis=0)
    return dx, (dm0, dv0), (dvar, dv)


def _group_tangent(tx, at, reference=(None, 0, 0)):
    """The tangents of one group, the reference or the samples, when x moves along tx.

    The result is (txhat, tm, tv, t(x - m), t(m - m0), tr): the changes of the values of `_normalised`, and of
    the mean m and the variance v of each sample.

    at          the values that `_normalised` returned for this group
    reference   for the samples: the result of this function for the reference, whose tm and tv are the
                tangents of m0 and v0; for the reference: the default
    """
    xhat, w, centred, gap, r = at
    _, tm0, tv0, *_ = reference
    tm = tx.mean(axis=1, keepdims=True)
    tcentred = tx - tm
    tgap = tm - tm0
    tv = 2 * (centred * tcentred).mean(axis=1, keepdims=True)
    tr = -(r**3) / 2 * ((1 - w) * tv0 + w * tv + 2 * w * (1 - w) * gap * tgap)
    txhat = (tx - ((1 - w) * tm0 + w * tm)) * r + xhat * tr / r
    return txhat, tm, tv, tcentred, tgap, tr


def _group_tangent_backward(d, td, at, tangents, dvars, tdmoments=(0, 0)):
    """The tangents of what `_group_backward` returns for one group: (tdx, (tdm0, tdv0)).

    d, td       the derivative of the loss with respect to xhat of this group, and its tangent
    at          the values that `_normalised` returned for this group
    tangents    the result of `_group_tangent` for this group
    dvars       the third result of `_group_backward` for this group
    tdmoments   the tangents of the argument dmoments of `_group_backward`

    The product rule on `_group_backward` gives the formulas.
    """
    xhat, w, centred, gap, r = at
    dvar, dv = dvars
    txhat, _, _, tcentred, tgap, tr = tangents
    tdmean = -tr * _sum(d) - r * _sum(td)
    tdvar = -r * tr * _sum(d * xhat) - r**2 / 2 * _sum(td * xhat + d * txhat)
    tdgap = 2 * w * (1 - w) * (tdvar * gap + dvar * tgap)
    tdm = w * tdmean + tdgap + tdmoments[0]
    tdv = w * tdvar + tdmoments[1]
    tdx = td * r + d * tr + (tdm + 2 * (tdv * centred + dv * tcentred)) / d.shape[1]
    return tdx, (((1 - w) * tdmean - tdgap).sum(axis=0), (1 - w) * tdvar.sum(axis=0))


class Referenced(Network):
    """A network x (N, ...) -> the N outputs of `net`, which also sees a fixed reference batch in every pass.

        reference = Latent(100).draw(stream(0, "reference"), 64)
        G = Referenced(Sequential(Dense(100, 256), VirtualBatchNorm(256), ReLU(), Dense(256, 2)), reference)

    reference is an array (R, ...), stored in float64. Every VirtualBatchNorm in `net` uses it. Every forward
    pass also computes the R outputs for the reference and drops them. The N outputs depend on the reference,
    which passes through the same weights. The weight gradients include this dependence. The repr holds a hash
    of the reference, so that a checkpoint fits one reference only. Raises TypeError if x is not an array of
    floats. Raises ValueError unless reference is an array of finite floats, and each of its rows has the
    shape of a sample of x.
    """

    def __init__(self, net, reference):
        reference = np.asarray(reference)
        wrong = reference.dtype.kind != "f" or reference.ndim < 2 or not len(reference)
        if wrong or not np.isfinite(reference).all():
            raise ValueError(
                "Referenced: expected reference as an array (R, ...) of finite floats, "
                f"got {reference.dtype} {reference.shape}"
                + ("" if wrong else f" with {(~np.isfinite(reference)).sum()} that are nan or inf")
                + "; give one row of finite floats for each sample"
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
        rows = np.concatenate([self.reference.astype(x.dtype), x])
        context = replace(context, reference=len(self.reference))
        y, cache = self._enter("net", p, rows, context)
        return self._samples(y), (cache,)

    def _beside(self, d):
        """Put R rows of zeros before d (N, ...), one for each row of the reference. None stays None.

        d is a gradient or a tangent of the samples.
        """
        if d is None:
            return None
        return np.concatenate([np.zeros((len(self.reference), *d.shape[1:]), d.dtype), d])

    def _samples(self, d):
        return None if d is None else d[len(self.reference) :]

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.children["net"].backward(self._beside(dy), cache[0], frozen, need_dx)
        return self._samples(dx), self._gradient([("net", dp)], dy, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        ty, tcache = self._enter_tangent("net", self._beside(tx), cache[0], tp)
        return self._samples(ty), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = self.children["net"].tangent_backward(
            self._beside(dy), self._beside(tdy), cache[0], tcache, frozen, need_dx
        )
        return self._samples(tdx), self._gradient([("net", tdp)], dy, frozen)

    def __repr__(self):
        content = repr(self.reference.shape).encode() + self.reference.tobytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        shape = " x ".join(map(str, self.reference.shape))
        return super().__repr__().removesuffix("\n)") + f"\n  (reference): {shape}, {digest}\n)"
