"""The curves that losses are made of: scalar functions with their first two derivatives.

All are computed in forms that do not overflow at |logit| = 1000.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..core.probes import kink
from ..core.underflow import may_underflow
from ..layers.activations import sigmoid, softplus


def mean_of(x, axis=None):
    """The mean over all entries, or over an axis.

    Raises ValueError for an empty batch, whose mean would be nan.
    """
    if not x.size:
        raise ValueError(f"loss: expected at least one sample, got {x.shape}; draw a batch")
    return x.mean(axis=axis)


@may_underflow
@dataclass(frozen=True)
class Curve:
    """A scalar function f with its derivatives d = f' and dd = f'', each elementwise on an array."""

    f: Callable
    d: Callable
    dd: Callable

    def mean(self, x):
        """mean f(x), and its derivative f'(x) / size."""
        return float(mean_of(self.f(x))), self.d(x) / x.size

    def tangent(self, x, tx):
        """The tangent of the derivative when x moves along tx: f''(x) tx / size, a Hessian-vector product."""
        return self.dd(x) * tx / x.size


def _positive(x):
    """max(0, x). It records the side of the kink for the gradient checks."""
    kink(lambda: x > 0)
    return np.maximum(x, 0)


def bump(x):
    """The derivative of sigmoid: sigmoid(x) (1 - sigmoid(x))."""
    return sigmoid(x) * sigmoid(-x)


def _abs(e):
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
