"""Spectral: divides the weight of a layer by its largest singular value, found by power iteration."""

import numpy as np

from .. import _kernels as kernels
from ..core.underflow import may_underflow
from .base import Pass, each_layer, term, total
from .bilinear import Reweighted

START = 30  # power iterations before the first step; afterwards one for each update is enough


class Spectral(Reweighted):
    """The wrapped `layer`, a Dense, Conv2d or ConvTranspose2d, computed with W / sigma in place of W.

    sigma = u' W v          (Miyato et al. 2018, eq. 8 and 19)

    In these formulas W is a matrix (fan-in, outputs), u is (fan-in,) and v is (outputs,). Power iteration
    makes u and v estimates of the first singular vectors of W, so sigma estimates the largest singular value.
    u and v are held entries: stored with the weights and constant in every pass. They start after START = 30
    iterations, and `power_step` improves them after each update. With G, the derivative of the loss with
    respect to W / sigma, the passes compute

        tsigma = u' tW v
        dW     = (G - <G, W / sigma> u v') / sigma                                        (eq. 12, transposed)
        tdW    = (tG - (<tG, W / sigma> + <G, t(W / sigma)>) u v' - dW tsigma) / sigma    (the product rule)

    The largest singular value of the matrix W / sigma is 1, up to the error of the estimate. A convolution
    with W / sigma can have a larger norm, because its windows overlap. If W is zero, there are no singular
    vectors, and y is not finite. Raises TypeError if `layer` is of another class, ValueError if the layer's
    initial W is zero.
    """

    held = "u", "v"

    def parameter_shapes(self):
        # u has one entry for each row of the matrix (fan-in, outputs), v one for each column
        rows = int(np.prod(self.layer.weight_shape)) // self.layer.features
        return super().parameter_shapes() | {"u": (rows,), "v": (self.layer.features,)}

    def initial_values(self, rng):
        # {name: array} for W, b, u and v. u and v are drawn from N(0, 1) and improved START = 30 times.
        # Raises ValueError if W is zero.
        p = self.layer.initial_values(rng) | {
            name: rng.standard_normal(self.parameter_shapes()[name]) for name in self.held
        }
        if not p["W"].any():
            raise ValueError(
                f"{self!r}: expected a W that is not zero, got zeros, which have no singular vectors; "
                "choose another init"
            )
        for _ in range(START):
            p |= self.refreshed(p)
        return p

    def refreshed(self, p):
        """New u and v, {"u": array, "v": array}, by one power iteration with the parameters p.

        p is a mapping with the entries "W", "u" and "v"; W is used as a matrix (fan-in, outputs) (eq. 18):
        v = W'u / |W'u|, then u = W v / |W v|, with this new v. If a product is zero, that vector keeps its
        old value.
        """
        W = self._matrix(p["W"])
        (product,) = kernels.matmul(p["u"][None], W)  # u' W, the only row of a matrix
        v = _unit(product, p["v"])
        return {"u": _unit(self._along(W, v), p["u"]), "v": v}

    def _matrix(self, W):
        """The weight W as a matrix (fan-in, outputs). W has the shape of the wrapped layer's weight.

        This shape is (..., I, O), or (..., O, I) in a transposed convolution; I and O count the channels.
        """
        return (np.swapaxes(W, -1, -2) if self.layer.transposed else W).reshape(-1, self.layer.features)

    def _along(self, W, v):
        """The vector W v, from the matrix W (fan-in, outputs) and the vector v (outputs,)."""
        (product,) = kernels.matmul(v[None], W.T)
        return product

    def _sigma(self, W, u, v):
        """The number u' W v: the estimate of the largest singular value of W, or the tangent of it.

        W has the shape of the wrapped layer's weight, u is (fan-in,) and v is (outputs,). A tangent of W
        gives the tangent of the estimate.
        """
        return (u * self._along(self._matrix(W), v)).sum()

    def _outer(self, scale, u, v):
        """The matrix scale u v', reshaped to the shape of the weight W. scale is a number."""
        M = np.multiply.outer(scale * u, v)  # (fan-in, outputs)
        if not self.layer.transposed:
            return M.reshape(self.layer.weight_shape)
        *taps, o, i = self.layer.weight_shape  # taps: (KH, KW)
        return np.swapaxes(M.reshape(*taps, i, o), -1, -2)

    def _own(self, W, dp):
        """The gradient of this layer, a dict: dp with W as the entry "W", and with None for u and v.

        dp is the gradient dict of the wrapped layer. W is the derivative with respect to this layer's weight,
        or its tangent. None means zero.
        """
        return dp | {"W": W} | dict.fromkeys(self.held)

    def forward(self, p, x, context=Pass()):
        # (y, cache): the wrapped layer runs with unit = W / sigma in place of W, where sigma = u' W v.
        # cache is (cache of the wrapped layer, unit, sigma, u, v).
        W = p["W"]
        u = p["u"]
        v = p["v"]
        sigma = self._sigma(W, u, v)
        unit = W / sigma
        y, cache = self.layer.forward(self._replaced(p, unit), x, context)
        return y, (cache, unit, sigma, u, v)

    def _descend(self, G, unit, sigma, u, v):
        """dW, the derivative with respect to W, from G, the derivative with respect to W / sigma, by eq. 12.

        dW = (G - <G, W / sigma> u v') / sigma. unit is W / sigma, and all arrays but u (fan-in,) and v
        (outputs,) have the shape of W. G may also be a tangent.
        """
        return (G - self._outer((G * unit).sum(), u, v)) / sigma

    def backward(self, dy, cache, frozen=False, need_dx=True):
        cache, *at = cache  # at = [unit, sigma, u, v]
        dx, dp = self.layer.backward(dy, cache, frozen, need_dx)
        return dx, None if frozen else self._own(self._descend(dp["W"], *at), dp)

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, tcache): the wrapped layer gets the tangent of W / sigma in place of tW.
        # tcache is (tcache of the wrapped layer, t(W / sigma), tsigma); the last two are None if tp is None.
        cache, unit, sigma, u, v = cache
        tsigma = tunit = None
        if tp is not None:
            tsigma = self._sigma(tp["W"], u, v)  # u' tW v
            # the tangent of the quotient W / sigma: (tW - (W / sigma) tsigma) / sigma
            tunit = (tp["W"] - unit * tsigma) / sigma
            tp = self._replaced(tp, tunit)
        ty, tcache = self.layer.tangent_forward(tx, cache, tp)
        return ty, (tcache, tunit, tsigma)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, tdp): the tangents of the results of `backward`, by the product rule.
        cache, *at = cache  # at = [unit, sigma, u, v]
        tcache, tunit, tsigma = tcache
        tdx, tdp = self.layer.tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        if frozen:
            return tdx, None
        # dW = (G - <G, unit> u v') / sigma, so
        # tdW = (tG - <tG, unit> u v') / sigma - (<G, tunit> u v' + dW tsigma) / sigma
        tdW = term(self._descend, tdp["W"], *at)
        if tunit is not None:
            _, sigma, u, v = at
            _, dp = self.layer.backward(dy, cache, need_dx=False)
            G = dp["W"]
            tdW = total(tdW, (self._outer(-(G * tunit).sum(), u, v) - self._descend(G, *at) * tsigma) / sigma)
        return tdx, self._own(tdW, tdp)


def _unit(x, old):
    """The vector x / |x| of length 1, or the vector `old` if x is zero.

    x is first divided by its largest absolute entry, because the squares of its entries could overflow or
    underflow.
    """
    top = np.abs(x).max(initial=0)
    if top == 0:
        return old
    x = x / top
    return x / np.sqrt(np.square(x).sum())


@may_underflow
def refreshed(net, p):
    """{path: array}: new values of all held entries of a network, from its parameters p after an update.

    A path is a name such as "0.u". A layer object that is used twice in the network has one set of entries,
    under its first path. p is not changed.
    """
    return {
        ".".join((*path, name)): value
        for layer, part, path in each_layer(net, p)
        if layer.held
        for name, value in layer.refreshed(part).items()
    }


@may_underflow
def power_step(net, p):
    """A copy of the Parameters p of `net` in which every Spectral has made one power iteration.

    Each Spectral starts from its u and uses its W. If other layers have held entries (stored with the
    weights, not trained), these get the values that `refreshed` of the layer returns. All other entries are
    those of p.
    """
    out = p.copy()
    for path, value in refreshed(net, p).items():
        out[path][...] = value
    return out
