"""Dense, Conv2d and ConvTranspose2d: y = x * W + b, which is linear in x and linear in W.

Here `*` is the product of the layer: a matrix product or a convolution. It has two transposes, dy *' W for
the derivative with respect to x, and x' * dy for the derivative with respect to W. The product and its
transposes are one kernel each, and the four passes use them ("sum" is over all axes but the last):

    forward            y   = x * W + b
    backward           dx  = dy *' W                    dW  = x' * dy                   db  = sum dy
    tangent_forward    ty  = tx * W + x * tW + tb
    tangent_backward   tdx = tdy *' W + dy *' tW        tdW = tx' * dy + x' * tdy       tdb = sum tdy

The kernels can apply a LeakyReLU f, or its derivative f', to a result before they store it. `slope` is the
slope of f. Sequential uses these additional arguments to fuse layers (see fusing.py):

    forward(..., slope=)             y  = f(x * W + b)
    backward(..., slope=, gate=)     dx = f'(gate) dx            gate: the output of the LeakyReLU that made x

Sequential never passes them to a subclass of these layers, because a subclass need not accept them.
"""

import math

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import pair, positive
from .base import Layer, Pass, expect, expect_floats, product_rule, term
from .initializers import fans, he


class Bilinear(Layer):
    """The base class of Dense, Conv2d and ConvTranspose2d: y = x * W + b with a product `*` of the subclass.

    inputs     number of input channels
    outputs    number of output channels and of entries of b; the attribute is `features`
    bias       False: there is no b
    init       the initialiser of W, `he` by default; b starts as zeros

    A subclass defines

    weight_shape                    the shape of W
    product(x, W, b=None)           x * W + b, or x * W if b is None
    input_gradient(dy, W, shape)    dx; `shape` is the shape of x
    weight_gradient(x, dy)          dW
    check(x)                        raises ValueError if x has a wrong shape
    transposed                      True if the last axis of W belongs to the input channels; False by default

    Raises TypeError if x is not an array of floats with the dtype of W, ValueError if x or W has a wrong
    shape.
    """

    shown = ("inputs", "features")
    options = {"bias": True}
    transposed = False

    def __init__(self, inputs, outputs, bias=True, init=he):
        name = type(self).__name__
        self.inputs = positive(inputs, f"{name} inputs")
        self.features = positive(outputs, f"{name} outputs")
        self.bias = bool(bias)
        self.initializer = init

    def parameter_shapes(self):
        return {"W": self.weight_shape} | ({"b": (self.features,)} if self.bias else {})

    def initial_values(self, rng):
        # {"W": array, "b": zeros}: W is drawn by the initialiser with the numpy Generator rng.
        # fan_in: number of inputs of one output; fan_out: number of outputs of one input
        fan_in, fan_out = fans(self.weight_shape, self.transposed)
        W = self.initializer(rng, self.weight_shape, fan_in, fan_out)
        return super().initial_values(rng) | {"W": W}  # the base class gives zeros, here for b

    def flops(self, shape):
        # The floating-point operations of the forward pass for one sample of `shape`, without batch axis.
        # 2 (a multiply-add) for each entry of W at each position, and 1 for each addition of the bias
        out = self.output_shape(shape)
        places = shape if self.transposed else out  # W is applied once at each position of this image
        return 2 * math.prod(self.weight_shape) * math.prod(places[:-1]) + self.bias * math.prod(out)

    def forward(self, p, x, context=Pass(), **fused):
        # (y, cache) with y = x * W + b and cache = (x, W), where p has the arrays W and b.
        # context is not used. `fused` may hold slope: then y = f(x * W + b) with the LeakyReLU f of this
        # slope. The class says which errors are raised.
        expect_floats(self, x)
        self.check(x)
        W = p["W"]
        if W.shape != self.weight_shape:
            raise ValueError(
                f"{self!r}: expected W {self.weight_shape}, got {W.shape}; "
                "these parameters belong to another network; "
                "use the parameters that this network's init returned"
            )
        if x.dtype != W.dtype:
            raise TypeError(
                f"{self!r}: its parameters are {W.dtype}, but x is {x.dtype}; "
                "convert x, or the parameters with p.astype"
            )
        return self.product(x, W, p["b"] if self.bias else None, **fused), (x, W)

    def backward(self, dy, cache, frozen=False, need_dx=True, **fused):
        # (dx, dp) with dx = dy *' W, dW = x' * dy and db = sum dy, where cache = (x, W).
        # frozen=True makes dp None, and need_dx=False makes dx None. `fused` may hold slope and gate: then dx
        # is multiplied by the derivative of a LeakyReLU, the layer before, whose slope is `slope` and whose
        # output is `gate`.
        x, W = cache
        dx = self.input_gradient(dy, W, x.shape, **fused) if need_dx else None
        return dx, None if frozen else self._gradients(self.weight_gradient(x, dy), dy)

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, (tx, tW)) with ty = tx * W + x * tW + tb. A tangent of None means zero.
        x, W = cache
        tW = None if tp is None else tp["W"]
        ty = product_rule(self.product, x, W, tx, tW)  # ty = tx * W + x * tW
        if tp is not None and self.bias:
            ty = ty + tp["b"]  # + tb; ty is an array, because tp is given
        return ty, (tx, tW)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, tdp): the tangents of the results of `backward`, by the product rule.
        x, W = cache
        tx, tW = tcache
        tdx = product_rule(self.input_gradient, dy, W, tdy, tW, x.shape) if need_dx else None
        if frozen:
            return tdx, None
        # tdx = tdy *' W + dy *' tW, tdW = tx' * dy + x' * tdy, tdb = sum tdy
        return tdx, self._gradients(product_rule(self.weight_gradient, x, dy, tx, tdy), tdy)

    def _gradients(self, dW, dy):
        """The gradient of the layer's parameters: {"W": dW, "b": db}, without "b" if the layer has no bias.

        dW is the derivative with respect to W, and dy the derivative with respect to the output. db is the
        sum of dy over all axes but the last. Tangents are possible too: dW or dy may be None, which means
        zero. Then the entry "W" or "b" is None.
        """
        rows = term(np.reshape, dy, (-1, self.features))
        return {"W": dW} | ({"b": term(kernels.column_sum, rows)} if self.bias else {})


class Dense(Bilinear):
    """y = x W + b, a matrix product          x (..., I)   W (I, O)   b (O,)   y (..., O)

    I is the number of inputs, O the number of outputs.
    Raises ValueError unless x has two axes or more and the last one has the size I.
    """

    @property
    def weight_shape(self):
        return self.inputs, self.features

    def _advice(self, shape):
        """The advice, a text, for the error message about a sample of a wrong `shape` (no batch axis).

        It is "add Flatten() before it" if the sample has several axes and as many entries as the layer has
        inputs, otherwise "".
        """
        return "add Flatten() before it" if len(shape) > 1 and math.prod(shape) == self.inputs else ""

    def check(self, x):
        # Raise ValueError unless x has two axes or more, and the last one has the size `inputs`.
        fits = x.ndim >= 2 and x.shape[-1] == self.inputs
        expect(self, fits, f"(N, {self.inputs})", x, self._advice(x.shape[1:]))

    def output_shape(self, shape):
        fits = shape and shape[-1] == self.inputs
        expect(self, fits, f"({self.inputs},) per sample", shape, self._advice(shape))
        return *shape[:-1], self.features

    def product(self, x, W, b=None, slope=1.0):
        # the leading axes of x become one axis of rows; slope=1 means no LeakyReLU
        return kernels.matmul(x.reshape(-1, self.inputs), W, b, slope).reshape(*x.shape[:-1], self.features)

    def input_gradient(self, dy, W, shape, slope=1.0, gate=None):
        # dx = dy W', for each row; `shape` is that of x
        gate = None if gate is None else gate.reshape(-1, self.inputs)
        return kernels.matmul(dy.reshape(-1, self.features), W.T, None, slope, gate).reshape(shape)

    def weight_gradient(self, x, dy):
        return kernels.dense_weight_gradient(x.reshape(-1, self.inputs), dy.reshape(-1, self.features))


class _Window(Bilinear):
    """The base class of Conv2d and ConvTranspose2d: it holds and checks kernel size, stride and padding.

    kernel     kernel size: height and width of W
    stride     number of pixels from one place of the kernel to the next, 1 by default
    padding    number of rows or columns of zeros on each border, 0 by default

    Each is an integer or a pair (vertical, horizontal), and is stored as a pair. inputs, outputs, bias and
    init are those of Bilinear. A subclass defines _size(shape), the height and width of the output for an
    input of the shape (H, W, C). Raises ValueError unless kernel and stride are at least 1 and padding is at
    least 0.
    """

    options = {"kernel": None, "stride": (1, 1), "padding": (0, 0), "output_padding": (0, 0), "bias": True}
    output_padding = 0, 0

    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, bias=True, init=he):
        super().__init__(inputs, outputs, bias, init)
        name = type(self).__name__
        self.kernel = pair(kernel, f"{name} kernel")
        self.stride = pair(stride, f"{name} stride")
        self.padding = pair(padding, f"{name} padding")
        if min(*self.kernel, *self.stride) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"{name}: expected kernel and stride >= 1 and padding >= 0, "
                f"got {kernel}, {stride}, {padding}; "
                "give an integer or a pair (vertical, horizontal) for each"
            )

    def check(self, x):
        expect(self, x.ndim == 4 and x.shape[3] == self.inputs, f"(N, H, W, {self.inputs})", x)

    def output_shape(self, shape):
        expect(self, len(shape) == 3 and shape[2] == self.inputs, f"(H, W, {self.inputs}) per sample", shape)
        return *self._size(shape), self.features


class Conv2d(_Window):
    """y[n,h,w,o] = sum_{i,j,c} x[n, h s + i - p, w s + j - p, c] W[i,j,c,o] + b[o]

    x (N, H, W, I)   W (KH, KW, I, O)   b (O,)   y (N, HO, WO, O)   HO = (H + 2 p - KH) // s + 1

    Conv2d(I, O, kernel, stride, padding): the kernel size (KH, KW), the stride s and the padding p are
    integers or pairs (vertical, horizontal). x counts as zero outside the image. I and O are the numbers of
    input and output channels; WO is as HO, with the horizontal numbers. Raises ValueError if x does not have
    I channels, or if the kernel is larger than the padded image.
    """

    @property
    def weight_shape(self):
        return *self.kernel, self.inputs, self.features

    def _size(self, shape):
        # The height and width of the output for an input of the shape (H, W, C). Raises ValueError.
        size = kernels.output_size(shape[:2], self.kernel, self.stride, self.padding)
        expect(self, min(size) > 0, f"at least {self.kernel} after padding", shape)
        return size

    def product(self, x, W, b=None, slope=1.0):
        return kernels.conv2d(x, W, self.stride, self.padding, b, slope)

    def input_gradient(self, dy, W, shape, slope=1.0, gate=None):
        return kernels.conv2d_input_gradient(dy, W, self.stride, self.padding, shape[1:3], None, slope, gate)

    def weight_gradient(self, x, dy):
        return kernels.conv2d_weight_gradient(x, dy, self.kernel, self.stride, self.padding)


class ConvTranspose2d(_Window):
    """The transpose of a convolution, which enlarges an image if s > 1 (Dumoulin and Visin 2016, ch. 4)

    x (N, H, W, I)   W (KH, KW, O, I)   b (O,)   y (N, HO, WO, O)   HO = (H - 1) s - 2 p + KH + output_padding

    The kernel size (KH, KW), the stride s, the padding p and output_padding are integers or pairs (vertical,
    horizontal); WO is as HO, with the horizontal numbers. The forward pass is the input gradient of the
    Conv2d from O to I channels with the same W (the kernel is not flipped), plus b. This Conv2d maps s input
    sizes to one output size; output_padding chooses among these s sizes the size of y. Raises ValueError if x
    does not have I channels or is too small for the padding, or unless 0 <= output_padding < s.
    """

    transposed = True

    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, output_padding=0, bias=True, init=he):
        super().__init__(inputs, outputs, kernel, stride, padding, bias, init)
        self.output_padding = pair(output_padding, "ConvTranspose2d output_padding")
        if any(not 0 <= o < s for o, s in zip(self.output_padding, self.stride)):
            raise ValueError(
                f"ConvTranspose2d: expected 0 <= output_padding < stride, got {output_padding} "
                f"at stride {stride}; lower output_padding"
            )

    @property
    def weight_shape(self):
        return *self.kernel, self.features, self.inputs

    def _size(self, shape):
        # The height and width of the output for an input of the shape (H, W, C). Raises ValueError.
        size = tuple(  # H and W are the n, one after the other; k is the kernel size
            (n - 1) * s - 2 * p + k + o
            for n, s, p, k, o in zip(shape, self.stride, self.padding, self.kernel, self.output_padding)
        )
        expect(self, min(size) > 0, "large enough for its padding", shape)
        return size

    def check(self, x):
        super().check(x)
        self.output_shape(x.shape[1:])  # raises ValueError for an image that is too small

    def product(self, x, W, b=None, slope=1.0):
        return kernels.conv2d_input_gradient(
            x, W, self.stride, self.padding, self._size(x.shape[1:]), b, slope
        )

    def input_gradient(self, dy, W, shape, slope=1.0, gate=None):
        return kernels.conv2d(dy, W, self.stride, self.padding, None, slope, gate)

    def weight_gradient(self, x, dy):
        # in the convolution that this layer transposes, dy is the input and x the derivative of the output
        return kernels.conv2d_weight_gradient(dy, x, self.kernel, self.stride, self.padding)


class Reweighted(Layer):
    """The base class of wrappers of a Dense, Conv2d or ConvTranspose2d: they replace W by a function of W.

    A subclass, such as Spectral, defines this function and the four passes. The parameters are those of
    `layer`, the wrapped layer. Raises TypeError if `layer` is of another class.
    """

    shown = ("layer",)

    def __init__(self, layer):
        if not isinstance(layer, Bilinear):
            raise TypeError(
                f"{type(self).__name__}: expected a Dense, Conv2d or ConvTranspose2d, got {layer!r}; "
                "wrap these only"
            )
        self.layer = layer

    def parameter_shapes(self):
        return self.layer.parameter_shapes()

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def flops(self, shape):
        return self.layer.flops(shape)

    def _replaced(self, p, W):
        """A dict {name: array} with the parameters p of the wrapped layer, but with W as the entry "W".

        p is a mapping, which may hold more entries: these are left out. p and W may also be tangents of
        parameters.
        """
        return {name: p[name] for name in self.layer.parameter_shapes()} | {"W": W}
