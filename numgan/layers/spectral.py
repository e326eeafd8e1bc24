"""Spectral: divides the weight of a layer by its largest singular value, found by power iteration."""

import numpy as np

from .. import _kernels as kernels
from ..core.underflow import may_underflow
from .base import Pass, each_layer, term, total
from .bilinear import Reweighted

START = 30  # power iterations before the first step; afterwards one for each update is enough


class Spectral(Reweighted):
    """A wrapper of a Dense, Conv2d or ConvTranspose2d, which is computed with W / sigma in place of its W.

        sigma = u' W v          (Miyato et al. 2018, eq. 8 and 19)

    `layer` is the wrapped layer. In these formulas W is a matrix (fan-in, outputs), u is (fan-in,) and v is
    (outputs,). Power iteration makes u and v estimates of the first singular vectors of W, so sigma estimates
    the largest singular value. u and v are held entries: stored with the weights and constant in every pass.
    `power_step` improves them after each update. With G, the derivative of the loss with respect to W /
    sigma, the passes compute

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
        rows = int(np.prod(self.layer.weight_shape)) // self.layer.features
        return super().parameter_shapes() | {"u": (rows,), "v": (self.layer.features,)}

    def initial_values(self, rng):
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
        """Improve u and v by one power iteration with the weight W, eq. 18: {"u": array, "v": array}.

        p is a mapping {name: array} with W, u and v. v = W'u / |W'u|, then u = W v / |W v|, with this new v.
        If a product is zero, that vector keeps its old value.
        """
        W = self._matrix(p["W"])
        v = _unit(kernels.matmul(p["u"][None], W)[0], p["v"])
        return {"u": _unit(self._along(W, v), p["u"]), "v": v}

    def _matrix(self, W):
        """Reshape the wrapped layer's weight W to a matrix (fan-in, outputs).

        W is (..., I, O), or (..., O, I) in a transposed convolution; I and O count the channels.
        """
        return (np.swapaxes(W, -1, -2) if self.layer.transposed else W).reshape(-1, self.layer.features)

    def _along(self, W, v):
        return kernels.matmul(v[None], W.T)[0]

    def _sigma(self, W, u, v):
        """The number u' W v, the estimate of the largest singular value of W.

        W has the shape of the wrapped layer's weight, u is (fan-in,) and v (outputs,).
        """
        return (u * self._along(self._matrix(W), v)).sum()

    def _outer(self, scale, u, v):
        """The matrix scale u v', reshaped to the shape of the wrapped layer's weight. scale is a number.

        u is (fan-in,) and v (outputs,).
        """
        M = np.multiply.outer(scale * u, v)
        if not self.layer.transposed:
            return M.reshape(self.layer.weight_shape)
        *taps, o, i = self.layer.weight_shape
        return np.swapaxes(M.reshape(*taps, i, o), -1, -2)

    def _own(self, W, dp):
        """The gradient of this layer, a dict: a copy of dp with W as the entry "W", and None for u and v.

        dp   the gradient of the wrapped layer, {name: array}
        W    the derivative with respect to this layer's weight, or its tangent; None means zero
        """
        return dp | {"W": W} | dict.fromkeys(self.held)

    def forward(self, p, x, context=Pass()):
        W = p["W"]
        u = p["u"]
        v = p["v"]
        sigma = self._sigma(W, u, v)
        unit = W / sigma
        y, cache = self.layer.forward(self._replaced(p, unit), x, context)
        return y, (cache, unit, sigma, u, v)

    def _descend(self, G, unit, sigma, u, v):
        """Convert G, the derivative for W / sigma, to dW, the derivative for W (eq. 12).

        unit   the matrix W / sigma in the shape of W;  sigma: a number
        u, v   the estimates of the first singular vectors

        dW = (G - <G, W / sigma> u v') / sigma. G may also be the tangent of this derivative.
        """
        return (G - self._outer((G * unit).sum(), u, v)) / sigma

    def backward(self, dy, cache, frozen=False, need_dx=True):
        cache, *at = cache
        dx, dp = self.layer.backward(dy, cache, frozen, need_dx)
        return dx, None if frozen else self._own(self._descend(dp["W"], *at), dp)

    def tangent_forward(self, tx, cache, tp=None):
        cache, unit, sigma, u, v = cache
        tsigma = tunit = None
        if tp is not None:
            tsigma = self._sigma(tp["W"], u, v)
            tunit = (tp["W"] - unit * tsigma) / sigma
            tp = self._replaced(tp, tunit)
        ty, tcache = self.layer.tangent_forward(tx, cache, tp)
        return ty, (tcache, tunit, tsigma)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        cache, *at = cache
        tcache, tunit, tsigma = tcache
        tdx, tdp = self.layer.tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        if frozen:
            return tdx, None
        tdW = term(self._descend, tdp["W"], *at)
        if tunit is not None:
            _, sigma, u, v = at
            G = self.layer.backward(dy, cache, need_dx=False)[1]["W"]
            tdW = total(tdW, (self._outer(-(G * tunit).sum(), u, v) - self._descend(G, *at) * tsigma) / sigma)
        return tdx, self._own(tdW, tdp)


def _unit(x, old):
    """The vector x divided by its norm, x / |x|, or the vector `old` if x is zero.

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
    """The new values of all held entries of the network `net`, {path: array}, after an update of p.

    p are the Parameters of the network; they are not changed. Held entries are stored with the weights and
    not trained, such as u and v of Spectral. A path is a name such as "0.u". A layer object that is used
    twice in the network has one set of entries, under its first path.
    """
    return {
        ".".join((*path, name)): value
        for layer, part, path in each_layer(net, p)
        if layer.held
        for name, value in layer.refreshed(part).items()
    }


@may_underflow
def power_step(net, p):
    """A copy of the parameters p in which every Spectral of `net` has made one power iteration.

    The iteration improves its vectors u and v and uses its weight W. Held entries of other layers get their
    new values too. All other entries are those of p.
    """
    out = p.copy()
    for path, value in refreshed(net, p).items():
        out[path][...] = value
    return out
