"""Given: makes a network of pairs (x, y) a network of x alone; y, such as labels, is a constant."""

import numpy as np

from .base import Layer, Pass, expect


class Given(Layer):
    """The network x -> layer((x, y)) with a constant y: D(. | y), for penalties on grad_x D(x | y)

        value, dphi = R1(10.0)(Given(D, labels), phi, real, context)

    layer    a layer whose input is a pair (x, y); Given has the parameters of this layer
    y        an array (N, ...), such as labels (N,), with one row for each sample of x

    The passes treat x as the only input: dx is the derivative with respect to x, and the tangent of y is
    zero. Raises ValueError if `layer` is not a layer, if y is not an array with a batch axis, or if x and y
    differ in length. Such an x is refused in the forward pass.
    """

    shown = ("layer",)

    def __init__(self, layer, y):
        if not isinstance(layer, Layer) or not isinstance(y, np.ndarray) or not y.ndim:
            raise ValueError(
                f"Given: expected a layer and an array y (N, ...), got {layer!r} and {y!r}; "
                "hold the labels of this batch"
            )
        self.layer = layer
        self.y = y
        self.children = layer.children

    def parameter_shapes(self):
        return self.layer.parameter_shapes()

    def initial_values(self, rng):
        return self.layer.initial_values(rng)

    def output_shape(self, shape):
        return self.layer.output_shape((shape, ()))

    def flops(self, shape):
        return self.layer.flops((shape, ()))

    def batch_statistics(self, cache):
        return self.layer.batch_statistics(cache)

    def forward(self, p, x, context=Pass()):
        # The (output, cache) of the layer for (x, y). Raises ValueError if x and y differ in length.
        expect(
            self,
            len(x) == len(self.y),
            f"of {len(self.y)} samples, one for each label",
            x,
            "hold the labels of this batch",
        )
        return self.layer.forward(p, (x, self.y), context)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dxs, dp = self.layer.backward(dy, cache, frozen, need_dx)
        return dxs[0] if need_dx else None, dp  # dxs = (dx, dy of the constant y) is None without need_dx

    def backward_keeping(self, dy, cache):
        (dx, _), dys = self.layer.backward_keeping(dy, cache)
        return dx, dys

    def tangent_forward(self, tx, cache, tp=None):
        return self.layer.tangent_forward((tx, None), cache, tp)  # None: y is a constant

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdxs, tdp = self.layer.tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return tdxs[0] if need_dx and tdxs is not None else None, tdp  # tdxs = (tdx, the tangent for y)
