"""Activations: layers without parameters that apply a function to the entries of x.

An elementwise activation is a function f of one number, given with its derivatives f' and f''. All
elementwise activations share these four passes (dx, ty and the like are named as in base.py):

forward            y   = f(x)
backward           dx  = dy f'(x)
tangent_forward    ty  = f'(x) tx
tangent_backward   tdx = tdy f'(x) + dy f''(x) tx

Maxout is not elementwise: each entry of y is the maximum of several neighbouring entries of x.
"""

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import is_number, not_negative, plain, positive
from ..core.probes import kink
from ..core.underflow import may_underflow
from .base import Layer, LinearMap, Pass, expect, expect_floats, term, total


class Elementwise(Layer):
    """The base class of elementwise activations: y = f(x), where x and y have any shape.

    A subclass defines three methods. Each gets the arrays x and y = f(x), or x alone, and returns an array:

    f(x)       the function f
    d(x, y)    its derivative f'(x)
    dd(x, y)   its second derivative f''(x); dd = None means f'' = 0

    Raises TypeError if x is not an array of floats.
    """

    dd = None

    def times(self, d, x, y):
        """The product d f'(x), elementwise. d, x and y have one shape, and y = f(x).

        d is dy, tx or tdy (a derivative or a tangent): the derivative passes multiply each of these arrays by
        f'(x).
        """
        return d * self.d(x, y)

    def forward(self, p, x, context=Pass()):
        expect_floats(self, x)
        y = self.f(x)
        return y, (x, y)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return self.times(dy, *cache) if need_dx else None, None if frozen else {}

    def tangent_forward(self, tx, cache, tp=None):
        return term(self.times, tx, *cache), tx

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx = None
        tx = tcache
        if need_dx:
            second = None if tx is None or self.dd is None else dy * self.dd(*cache) * tx
            tdx = total(term(self.times, tdy, *cache), second)
        return tdx, None if frozen else {}


class LeakyReLU(Elementwise):
    """The activation y = x if x > 0 else slope x, elementwise. slope is 0.2 by default, as in DCGAN.

    (Radford et al. 2016, section 4.) y > 0 exactly where x > 0, so the backward pass needs only y, and the
    cache is y. The cache of the next layer usually holds the same array y, so the cache of LeakyReLU adds no
    memory. Raises TypeError if x is not an array of floats, ValueError unless slope is a finite number >= 0.
    """

    shown = ("slope",)

    def __init__(self, slope=0.2):
        if not is_number(slope):
            raise ValueError(
                f"LeakyReLU: expected slope as a finite number >= 0, got {slope!r}; DCGAN uses 0.2"
            )
        self.slope = plain(slope)

    def forward(self, p, x, context=Pass()):
        expect_floats(self, x)
        kink(lambda: x > 0)
        y = kernels.leaky_relu(x, self.slope)
        return y, (y,)

    def times(self, d, y):
        return kernels.leaky_relu_gradient(d, y, self.slope)


class ReLU(LeakyReLU):
    """The activation y = max(x, 0): a LeakyReLU with slope 0."""

    shown = ()

    def __init__(self):
        super().__init__(0)


class ELU(Elementwise):
    """The activation y = x if x > 0 else alpha (exp(x) - 1), elementwise.

    alpha is 1 by default (Clevert et al. 2016, eq. 15). Raises ValueError unless alpha is a finite number >=
    0.
    """

    shown = ("alpha",)

    def __init__(self, alpha=1.0):
        self.alpha = not_negative(alpha, "ELU alpha")

    def f(self, x):
        kink(lambda: x > 0)
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def d(self, x, y):
        return np.where(x > 0, x.dtype.type(1), y + self.alpha)

    def dd(self, x, y):
        return np.where(x > 0, x.dtype.type(0), y + self.alpha)


class Tanh(Elementwise):
    """The activation y = tanh(x), elementwise."""

    def f(self, x):
        return np.tanh(x)

    def d(self, x, y):
        return 1 - y * y

    def dd(self, x, y):
        return -2 * y * (1 - y * y)


class Sigmoid(Elementwise):
    """The activation y = 1 / (1 + exp(-x)), elementwise, computed without overflow."""

    def f(self, x):
        return sigmoid(x)

    def d(self, x, y):
        return y * (1 - y)

    def dd(self, x, y):
        return y * (1 - y) * (1 - 2 * y)


class Softplus(Elementwise):
    """The activation y = log(1 + exp(b (x + s))) / b - s, elementwise, computed without overflow.

    b is the argument `sharpness`, 1 by default, and s the argument `shift`, 0 by default. y is a smooth form
    of max(x, -s). A larger b gives a sharper bend. Softplus(2, 1) is softplus(2x + 2) / 2 - 1 (Gulrajani et
    al. 2017, section 5.1); the mean of its outputs stays near 0. Raises ValueError unless sharpness and shift
    are finite and sharpness > 0.
    """

    def __init__(self, sharpness=1.0, shift=0.0):
        if not (is_number(sharpness) and sharpness > 0 and is_number(shift, np.finfo(float).min)):
            raise ValueError(
                "Softplus: expected a finite sharpness > 0 and a finite shift, got "
                f"{sharpness!r} and {shift!r}; the defaults are 1 and 0"
            )
        self.sharpness = plain(sharpness)
        self.shift = plain(shift)

    def f(self, x):
        return softplus(self.sharpness * (x + self.shift)) / self.sharpness - self.shift

    def d(self, x, y):
        return sigmoid(self.sharpness * (x + self.shift))

    def dd(self, x, y):
        s = self.d(x, y)
        return self.sharpness * s * (1 - s)

    def arguments(self):
        return "" if (self.sharpness, self.shift) == (1, 0) else f"{self.sharpness}, {self.shift}"


@may_underflow
def sigmoid(x):
    """The function 1 / (1 + exp(-x)), elementwise. Every exp gets an argument of at most 0: no overflow."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


@may_underflow
def softplus(x):
    """The function log(1 + exp(x)), elementwise. It is max(x, 0) + log1p(exp(-|x|)): no overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Maxout(LinearMap):
    """The activation y_o = max over j of x_{o, j}: the maximum of each group of neighbouring entries.

    x (..., O pieces)   y (..., O)          (Goodfellow et al. 2013, section 2)

    `pieces` is the size of a group. A group is `pieces` neighbouring entries of the last axis of x. Usually
    Dense(I, O pieces) makes x from I inputs. If several entries of a group are equally large, the first one
    counts as the maximum. Once the maxima are known, the layer only selects entries, which is a linear map.
    Raises TypeError if x is not an array of floats; ValueError if the last axis of x is not a multiple of
    `pieces`, or if `pieces` is not an integer >= 1.
    """

    shown = ("pieces",)

    def __init__(self, pieces):
        self.pieces = positive(pieces, "Maxout pieces")

    def output_shape(self, shape):
        expect(self, shape and shape[-1] % self.pieces == 0, f"(..., a multiple of {self.pieces})", shape)
        return *shape[:-1], shape[-1] // self.pieces

    def _split(self, x):
        return x.reshape(*x.shape[:-1], x.shape[-1] // self.pieces, self.pieces)

    def apply(self, x, context):
        self.output_shape(x.shape)
        winner = self._split(x).argmax(axis=-1)[..., None]
        kink(lambda: winner)
        return self.apply_to_tangent(x, winner), winner

    def apply_to_tangent(self, tx, winner):
        return np.take_along_axis(self._split(tx), winner, axis=-1)[..., 0]

    def transpose(self, dy, winner):
        dx = np.zeros((*dy.shape, self.pieces), dy.dtype)
        np.put_along_axis(dx, winner, dy[..., None], axis=-1)
        return dx.reshape(*dy.shape[:-1], dy.shape[-1] * self.pieces)
