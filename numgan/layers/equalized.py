"""Equalized: the same relative learning rate in all layers.

Usually the initial weights are drawn with a scale that depends on the layer. Equalized draws them from
N(0, 1) and multiplies the weight by this scale in every pass.
"""

import numpy as np

from .base import Pass, term
from .bilinear import Reweighted
from .initializers import fans


class Equalized(Reweighted):
    """The wrapped `layer`, a Dense, Conv2d or ConvTranspose2d, computed with c W in place of W.

    c = gain / sqrt(fan_in), W ~ N(0, 1)          (Karras et al. 2018, section 4.1)

    fan_in is the number of inputs of one output; `gain` is sqrt(2) by default. An optimiser that normalises
    gradients, such as Adam, changes all weights by steps of one size. All W start as N(0, 1), so these steps
    have the same relative size in every layer. dW is c times the derivative with respect to c W, and the
    tangent of c W is c tW. The bias is not scaled. Raises TypeError if `layer` is of another class.
    """

    def __init__(self, layer, gain=2**0.5):
        super().__init__(layer)
        self.gain = gain
        fan_in, _ = fans(layer.weight_shape, layer.transposed)
        self.scale = gain / np.sqrt(fan_in)  # c

    def initial_values(self, rng):
        return super().initial_values(rng) | {"W": rng.standard_normal(self.layer.weight_shape)}

    def _scaled(self, W):
        """c W, the scaled weight, in the dtype of W. W may also be a gradient or a tangent of W."""
        return W * W.dtype.type(self.scale)

    def _gradient(self, dp):
        """The gradient with respect to W and b, a dict, from dp, the gradient dict of the wrapped layer.

        The entry "W" of dp is the derivative with respect to c W, so it is multiplied by c. If dp or this
        entry is None, it stays None.
        """
        return None if dp is None else dp | {"W": term(self._scaled, dp["W"])}

    def forward(self, p, x, context=Pass()):
        return self.layer.forward(self._replaced(p, self._scaled(p["W"])), x, context)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.layer.backward(dy, cache, frozen, need_dx)
        return dx, self._gradient(dp)

    def tangent_forward(self, tx, cache, tp=None):
        tp = None if tp is None else self._replaced(tp, self._scaled(tp["W"]))
        return self.layer.tangent_forward(tx, cache, tp)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = self.layer.tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return tdx, self._gradient(tdp)
