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
    """y = gain xhat + bias: each sample is normalised with a fixed reference batch

    xhat = (x - mean) / sqrt(variance + eps)          x (R + N, ..., C)   gain, bias (C,)
    mean = (1 - w) m0 + w m     variance = (1 - w) v0 + w v + w (1 - w) (m - m0)^2     w = 1 / (R + 1)

    The first R = context.reference rows of x are the reference, with the mean m0 and variance v0 (Salimans et
    al. 2016, section 3.5). `Referenced` sets R. m and v are the mean and variance of one other sample. The
    reference itself is normalised by m0 and v0. For images, means and variances are over samples and
    positions, and every position has the same weight. Raises TypeError if x is not an array of floats;
    ValueError if x has a wrong shape, if there is no reference, or if the reference has fewer than two values
    per channel.
    """

    def forward(self, p, x, context=Pass()):
        # (y, (xhat, at0, at1, gain, R)) with y = gain xhat + bias.
        # R = context.reference is the number of rows of the reference. at0 and at1 are the results of
        # `_normalised` for the reference and for the samples. The class says which errors are raised.
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
        # 0: the reference, 1: the samples
        xhat0, *_ = at0 = _normalised(reference, 1.0, m0, v0, self.eps)
        xhat1, *_ = at1 = _normalised(samples, 1 / (R + 1), m0, v0, self.eps)
        xhat = self._whole(xhat0, xhat1, x)
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
        """The inverse of `_parts`: an array (R + N, ..., C) from the parts `reference` and `samples`.

        `like` is an array of this shape.
        """
        return np.concatenate([part.reshape(-1, *like.shape[1:]) for part in (reference, samples)])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # (dx, dp) with dxhat = dy gain, dgain = sum dy xhat and dbias = sum dy.
        # 0: the reference, 1: the samples; at0 and at1 are the results of `_normalised`; R rows of reference
        xhat, at0, at1, gain, R = cache
        dx = None
        if need_dx:  # dxhat = dy gain; the samples come first, because they give derivatives of m0 and v0
            d0, d1 = self._parts(dy * gain, R)
            dx1, dmoments0, _ = _group_backward(d1, at1)
            dx0, _, _ = _group_backward(d0, at0, dmoments0)
            dx = self._whole(dx0, dx1, dy)
        return dx, None if frozen else self._gradients(dy * xhat, dy)

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, (txhat, t0, t1, tgain)) with ty = txhat gain + xhat tgain + tbias.
        # t0 and t1 are the results of `_group_tangent` for the reference and for the samples. (None, None) if
        # nothing moves.
        if tx is None and tp is None:
            return None, None
        # 0: the reference, 1: the samples; at0 and at1 are the results of `_normalised`; R rows of reference
        xhat, at0, at1, gain, R = cache
        tx0, tx1 = self._parts(np.zeros_like(xhat) if tx is None else tx, R)
        t0 = _group_tangent(tx0, at0)
        t1 = _group_tangent(tx1, at1, t0)
        (txhat0, *_), (txhat1, *_) = t0, t1
        txhat = self._whole(txhat0, txhat1, xhat)
        ty = txhat * gain  # ty = txhat gain + xhat tgain + tbias
        tgain = None
        if tp is not None:
            tgain = tp["gain"]
            ty += xhat * tgain + tp["bias"]
        return ty, (txhat, t0, t1, tgain)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, tdp): the tangents of the results of `backward`, by the product rule.
        if tcache is None and tdy is None:
            return None, None if frozen else self._gradients(None, None)
        if tcache is None:  # only dy moves, and backward is linear in dy
            return self.backward(tdy, cache, frozen, need_dx)
        # 0: the reference, 1: the samples; t0 and t1 are the results of `_group_tangent`
        xhat, at0, at1, gain, R = cache
        txhat, t0, t1, tgain = tcache
        tdx = None
        tdp = None if frozen else self._gradient_tangents(dy, tdy, xhat, txhat)
        if need_dx:
            td = product_rule(np.multiply, dy, gain, tdy, tgain)  # the tangent of dxhat = dy gain
            td0, td1 = self._parts(np.zeros_like(dy) if td is None else td, R)
            d0, d1 = self._parts(dy * gain, R)
            _, dmoments0, dvars1 = _group_backward(d1, at1)
            _, _, dvars0 = _group_backward(d0, at0, dmoments0)
            tdx1, tdmoments0 = _group_tangent_backward(d1, td1, at1, t1, dvars1)
            tdx0, _ = _group_tangent_backward(d0, td0, at0, t0, dvars0, tdmoments0)
            tdx = self._whole(tdx0, tdx1, dy)
        return tdx, tdp


def _moments(x):
    """(mean, variance) of each sample of x, over its P positions, for each channel.

    x is (N, P, C), the two results are (N, 1, C). The variance is divided by P.
    """
    m = x.mean(axis=1, keepdims=True)
    return m, np.square(x - m).mean(axis=1, keepdims=True)


def _sum(x):  # over the positions of each sample, for each channel
    return x.sum(axis=1, keepdims=True)


def _normalised(x, w, m0, v0, eps):
    """(xhat, w, x - m, m - m0, r): x normalised, xhat, and the values that its derivative needs.

    mean = (1 - w) m0 + w m          variance = (1 - w) v0 + w v + w (1 - w) (m - m0)^2
    r = 1 / sqrt(variance + eps)     xhat = (x - mean) r

    x (N, P, C) holds N samples of P positions: the reference as one sample, with w = 1, or the samples after
    the R rows of the reference, with w = 1 / (R + 1). m0 and v0 are the mean and variance of the reference, m
    and v those of each sample.
    """
    m, v = _moments(x)
    gap = m - m0
    r = 1 / np.sqrt((1 - w) * v0 + w * v + w * (1 - w) * np.square(gap) + eps)
    return (x - ((1 - w) * m0 + w * m)) * r, w, x - m, gap, r


def _group_backward(d, at, dmoments=(0, 0)):
    """(dx, (dm0, dv0), (dvar, dv)): the backward pass of one group, the reference or the samples.

    d           the derivative of the loss with respect to xhat of this group
    at          the values that `_normalised` returned for this group
    dmoments    for the reference: the dm0 and dv0 of the samples; for the samples: zeros

    dx is the derivative with respect to x. dm0 and dv0 are the derivatives with respect to m0 and v0, dvar
    and dv those with respect to `variance` and v. `_group_tangent_backward` needs dvar and dv.
    """
    xhat, w, centred, gap, r = at  # centred = x - m, gap = m - m0
    # xhat = (x - mean) r, mean = (1 - w) m0 + w m, variance = (1 - w) v0 + w v + w (1 - w) gap^2
    dm0_of_samples, dv0_of_samples = dmoments
    dmean = -r * _sum(d)  # xhat = (x - mean) r
    dvar = -(r**2) / 2 * _sum(d * xhat)  # xhat = (x - mean) / sqrt(variance + eps)
    dgap = 2 * w * (1 - w) * dvar * gap
    dm = w * dmean + dgap + dm0_of_samples  # gap = m - m0; for the reference m is m0, and v is v0
    dv = w * dvar + dv0_of_samples
    # m and v are means over the d.shape[1] positions: of x, and of centred^2
    dx = d * r + (dm + 2 * dv * centred) / d.shape[1]
    dm0 = ((1 - w) * dmean - dgap).sum(axis=0)
    dv0 = (1 - w) * dvar.sum(axis=0)
    return dx, (dm0, dv0), (dvar, dv)


def _group_tangent(tx, at, reference=(None, 0, 0)):
    """(txhat, tm, tv, t(x - m), t(m - m0), tr): the tangents of one group when x moves along tx.

    tx           the tangent of x, (N, P, C)
    at           the values that `_normalised` returned for this group, the reference or the samples
    reference    for the samples: the result of this function for the reference, whose tm and tv are the
                 tangents of m0 and v0; for the reference: the default
    """
    xhat, w, centred, gap, r = at  # centred = x - m, gap = m - m0
    _, tm0, tv0, *_ = reference
    # the tangents of m, x - m, m - m0, v, of r = (variance + eps)^(-1/2), and of xhat = (x - mean) r
    tm = tx.mean(axis=1, keepdims=True)
    tcentred = tx - tm
    tgap = tm - tm0
    tv = 2 * (centred * tcentred).mean(axis=1, keepdims=True)
    tr = -(r**3) / 2 * ((1 - w) * tv0 + w * tv + 2 * w * (1 - w) * gap * tgap)
    txhat = (tx - ((1 - w) * tm0 + w * tm)) * r + xhat * tr / r
    return txhat, tm, tv, tcentred, tgap, tr


def _group_tangent_backward(d, td, at, tangents, dvars, tdmoments=(0, 0)):
    """(tdx, (tdm0, tdv0)): the tangents of the dx and of the (dm0, dv0) that `_group_backward` returns.

    d, td        dxhat of this group, and its tangent
    at           the values that `_normalised` returned for this group
    tangents     the result of `_group_tangent` for this group
    dvars        the third result of `_group_backward` for this group
    tdmoments    the tangents of the dmoments of `_group_backward`

    The product rule on `_group_backward` gives the formulas.
    """
    xhat, w, centred, gap, r = at  # centred = x - m, gap = m - m0
    dvar, dv = dvars
    txhat, _, _, tcentred, tgap, tr = tangents
    tdm0_of_samples, tdv0_of_samples = tdmoments
    tdmean = -tr * _sum(d) - r * _sum(td)  # of dmean = -r sum(d)
    tdvar = -r * tr * _sum(d * xhat) - r**2 / 2 * _sum(td * xhat + d * txhat)  # dvar = -r^2 / 2 sum(d xhat)
    tdgap = 2 * w * (1 - w) * (tdvar * gap + dvar * tgap)  # of dgap = 2 w (1 - w) dvar gap
    tdm = w * tdmean + tdgap + tdm0_of_samples
    tdv = w * tdvar + tdv0_of_samples
    # of dx = d r + (dm + 2 dv centred) / P
    tdx = td * r + d * tr + (tdm + 2 * (tdv * centred + dv * tcentred)) / d.shape[1]
    return tdx, (((1 - w) * tdmean - tdgap).sum(axis=0), (1 - w) * tdvar.sum(axis=0))


class Referenced(Network):
    """A network that runs `net` on a fixed reference batch and x together: x (N, ...) -> the N outputs for x

        reference = Latent(100).draw(stream(0, "reference"), 64)
        G = Referenced(Sequential(Dense(100, 256), VirtualBatchNorm(256), ReLU(), Dense(256, 2)), reference)

    net is a layer or network. reference is an array (R, ...), stored in float64. Every VirtualBatchNorm in
    `net` uses it. Every forward pass also computes the R outputs for the reference and drops them. The N
    outputs depend on the reference, which passes through the same weights. The weight gradients include this
    dependence. The repr holds a hash of the reference, so that a checkpoint fits one reference only. Raises
    TypeError if x is not an array of floats. Raises ValueError unless reference is an array of finite floats,
    and each of its rows has the shape of a sample of x.
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
        # (y, (cache of `net`,)): `net` runs on the R rows of the reference and x; y are the rows for x.
        # Raises ValueError if a sample of x has another shape than a row of the reference.
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
        """d (N, ...) with R rows of zeros before it, one for each row of the reference. None stays None.

        d is a gradient or a tangent of the samples.
        """
        if d is None:
            return None
        return np.concatenate([np.zeros((len(self.reference), *d.shape[1:]), d.dtype), d])

    def _samples(self, d):
        """d (R + N, ...) without its first R rows, those of the reference. None stays None."""
        return None if d is None else d[len(self.reference) :]

    def backward(self, dy, cache, frozen=False, need_dx=True):
        (inner,) = cache
        dx, dp = self.children["net"].backward(self._beside(dy), inner, frozen, need_dx)
        return self._samples(dx), self._gradient([("net", dp)], dy, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        (inner,) = cache
        ty, tcache = self._enter_tangent("net", self._beside(tx), inner, tp)
        return self._samples(ty), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (inner,) = cache
        tdx, tdp = self.children["net"].tangent_backward(
            self._beside(dy), self._beside(tdy), inner, tcache, frozen, need_dx
        )
        return self._samples(tdx), self._gradient([("net", tdp)], dy, frozen)

    def __repr__(self):
        # The repr of the network, with the shape of the reference and 16 digits of its SHA-256 hash.
        content = repr(self.reference.shape).encode() + self.reference.tobytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        shape = " x ".join(map(str, self.reference.shape))
        return super().__repr__().removesuffix("\n)") + f"\n  (reference): {shape}, {digest}\n)"
