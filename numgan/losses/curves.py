"""The curves that losses are made of: functions f of one number, each with f' and f''.

The formulas of all curves are chosen so that nothing overflows at |logit| = 1000.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..core.probes import kink
from ..core.underflow import may_underflow
from ..layers.activations import sigmoid, softplus


def mean_of(x, axis=None):
    """The mean of the array x over all entries, or along the axis number `axis` if it is not None.

    Raises ValueError if x is empty, because its mean would be nan.
    """
    if not x.size:
        raise ValueError(f"loss: expected at least one sample, got {x.shape}; draw a batch")
    return x.mean(axis=axis)


@may_underflow
@dataclass(frozen=True)
class Curve:
    """A function f of one number, with its derivatives d = f' and dd = f''.

    f, d and dd are functions that map an array elementwise to an array of the same shape. `mean` makes a loss
    of the curve.
    """

    f: Callable
    d: Callable
    dd: Callable

    def mean(self, x):
        """(loss, dx): the mean of f(x) over all entries of x, and its derivative with respect to x.

        loss is a float. dx = f'(x) / size, where size is the number of entries of x. Raises ValueError if x
        is empty.
        """
        return float(mean_of(self.f(x))), self.d(x) / x.size

    def tangent(self, x, tx):
        """The tangent of f'(x) / size when x moves along tx: f''(x) tx / size, an array with the shape of x.

        f'(x) / size is the derivative that `mean` returns, and size is the number of entries of x. So the
        result is a Hessian-vector product of the mean of f.
        """
        return self.dd(x) * tx / x.size


def _positive(x):
    """The array max(0, x), elementwise. Tells the gradient checks (see `kink`) which entries are above 0."""
    kink(lambda: x > 0)
    return np.maximum(x, 0)


def bump(x):
    """The derivative of sigmoid for each entry of the array x: sigmoid(x) (1 - sigmoid(x))."""
    # 1 - sigmoid(x) = sigmoid(-x), without the rounding of the difference
    return sigmoid(x) * sigmoid(-x)


def _abs(e):
    """The array |e|, elementwise. Tells the gradient checks (see `kink`) which entries are above 0."""
    kink(lambda: e > 0)
    return np.abs(e)


zero, one = np.zeros_like, np.ones_like

# fmt: off
#                         f                           f'                      f''
SOFTPLUS          = Curve(softplus,                   sigmoid,                bump)
SOFTPLUS_OF_MINUS = Curve(lambda a: softplus(-a),     lambda a: -sigmoid(-a), bump)
MINUS_SOFTPLUS    = Curve(lambda b: -softplus(b),     lambda b: -sigmoid(b),  lambda b: -bump(b))
NEAR_ONE          = Curve(lambda a: (a - 1) ** 2 / 2, lambda a: a - 1,        one)
NEAR_ZERO         = Curve(lambda b: b**2 / 2,         lambda b: b,            one)
HINGE_ONE         = Curve(lambda a: _positive(1 - a), lambda a: -(1 - a > 0).astype(a.dtype), zero)
HINGE_MINUS_ONE   = Curve(lambda b: _positive(1 + b), lambda b: (1 + b > 0).astype(b.dtype), zero)
IDENTITY          = Curve(lambda b: b,                one,                    zero)
MINUS             = Curve(lambda a: -a,               lambda a: -one(a),      zero)
SQUARE            = Curve(lambda e: e * e,            lambda e: 2 * e,        lambda e: 2 * one(e))
ABSOLUTE          = Curve(_abs,                       np.sign,                zero)
# fmt: on
