"""Equalized: equal learning rates for all weights.

Weights are scaled in every pass, and not when they are drawn.
"""

import numpy as np

from .base import Layer, Pass
from .bilinear import Bilinear
from .initializers import fans


class Equalized(Layer):
    """y = layer with W in place of c W

    c = gain / sqrt(fan_in), W ~ N(0, 1)          (Karras et al. 2018, section 4.1)

    layer is a Dense, Conv2d or ConvTranspose2d. An optimiser that normalises gradients, such as Adam, changes
    all weights by steps of one size. Because all W start as N(0, 1), these steps have the same relative size
    in every layer. dW = c d(c W), and likewise for tangents; the bias is not scaled.
    Raises TypeError for another kind of layer.
    """

    def __init__(self, layer, gain=2**0.5):
        if not isinstance(layer, Bilinear):
            raise TypeError(
                f"Equalized: expected a Dense, Conv2d or ConvTranspose2d, got {layer!r}; wrap these only"
            )
        self.layer, self.gain = layer, gain
        self.scale = gain / np.sqrt(fans(layer.weight_shape, layer.transposed)[0])

    def parameter_shapes(self):
        return self.layer.parameter_shapes()

    def initial_values(self, rng):
        return {"W": rng.standard_normal(self.layer.weight_shape)} | (
            {"b": np.zeros(self.layer.features)} if self.layer.bias else {}
        )

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def flops(self, shape):
        return self.layer.flops(shape)

    def _scaled(self, p):
        """Parameters, a gradient or a tangent with c W in place of W; None stays None."""
        if p is None or p["W"] is None:
            return p
        return {**p, "W": p["W"] * p["W"].dtype.type(self.scale)}

    def forward(self, p, x, context=Pass()):
        return self.layer.forward(
            self._scaled({name: p[name] for name in self.parameter_shapes()}), x, context
        )

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.layer.backward(dy, cache, frozen, need_dx)
        return dx, self._scaled(dp)

    def tangent_forward(self, tx, cache, tp=None):
        return self.layer.tangent_forward(
            tx,
            cache,
            None if tp is None else self._scaled({name: tp[name] for name in self.parameter_shapes()}),
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = self.layer.tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return tdx, self._scaled(tdp)

    def arguments(self):
        return repr(self.layer)
