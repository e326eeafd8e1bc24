"""Equalized: an equal learning rate for all weights.

The scale of the usual initial weights is a factor in every pass. The initial weights are drawn without it.
"""

import numpy as np

from .base import Pass, term
from .bilinear import Reweighted
from .initializers import fans


class Equalized(Reweighted):
    """y = layer with c W in place of W

    c = gain / sqrt(fan_in), W ~ N(0, 1)          (Karras et al. 2018, section 4.1)

    `layer` is a Dense, Conv2d or ConvTranspose2d. An optimiser that normalises gradients, such as Adam,
    changes all weights by steps of one size. Because all W start as N(0, 1), these steps have the same
    relative size in every layer. dW is c times the derivative with respect to c W, and tangents have the same
    factor. The bias is not scaled. Raises TypeError if `layer` is of another class.
    """

    def __init__(self, layer, gain=2**0.5):
        super().__init__(layer)
        self.gain = gain
        self.scale = gain / np.sqrt(fans(layer.weight_shape, layer.transposed)[0])

    def initial_values(self, rng):
        return super().initial_values(rng) | {"W": rng.standard_normal(self.layer.weight_shape)}

    def _scaled(self, W):
        """c W, the scaled weight. W may also be a gradient or a tangent."""
        return W * W.dtype.type(self.scale)

    def _gradient(self, dp):
        """The gradient dp, with its entry "W" multiplied by c. None stays None.

        dp comes from the inner layer, so its entry "W" is the derivative with respect to c W.
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
