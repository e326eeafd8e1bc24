"""The curves that losses are made of: a scalar function with its first two derivatives, in forms that do not overflow at |logit| = 1000."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..core.probes import kink
from ..core.underflow import may_underflow
from ..layers.activations import sigmoid, softplus


def mean_of(x, axis=None):
    """The mean over all entries, or over an axis. ValueError for an empty batch: that would be nan."""
    if not x.size:
        raise ValueError(f"loss: expected at least one sample, got {x.shape}; draw a batch")
    return x.mean(axis=axis)


@may_underflow
@dataclass(frozen=True)
class Curve:
    """A scalar function with its first two derivatives, each elementwise over an array."""

    f: Callable
    d: Callable
    dd: Callable

    def mean(self, x):
        """mean f(x), and its derivative f'(x) / size."""
        return float(mean_of(self.f(x))), self.d(x) / x.dtype.type(x.size)

    def tangent(self, x, tx):
        """How the derivative moves when x moves along tx: f''(x) tx / size (the Hessian-vector product)."""
        return self.dd(x) * tx / x.dtype.type(x.size)


def _fold(x):
    """max(0, x), telling the checks on which side each entry is."""
    kink(lambda: x > 0)
    return np.maximum(x, 0)


def bump(x):
    return sigmoid(x) * sigmoid(-x)


zero, one = np.zeros_like, np.ones_like

# fmt: off
#                       f                              f'                                     f''
PAY_IF_LOW    = Curve(lambda a: softplus(-a),         lambda a: -sigmoid(-a),                bump)
PAY_IF_HIGH   = Curve(softplus,                       sigmoid,                               bump)
GAIN_IF_HIGH  = Curve(lambda b: -softplus(b),         lambda b: -sigmoid(b),                 lambda b: -bump(b))
NEAR_ONE      = Curve(lambda a: (a - 1) ** 2 / 2,     lambda a: a - 1,                       one)
NEAR_ZERO     = Curve(lambda b: b**2 / 2,             lambda b: b,                           one)
ABOVE_ONE     = Curve(lambda a: _fold(1 - a),         lambda a: -(1 - a > 0).astype(a.dtype), zero)
BELOW_MINUS   = Curve(lambda b: _fold(1 + b),         lambda b: (1 + b > 0).astype(b.dtype), zero)
DOWN          = Curve(lambda a: -a,                   lambda a: -one(a),                    zero)
UP            = Curve(lambda b: b,                    one,                                  zero)
SQUARE        = Curve(lambda e: e * e,                lambda e: 2 * e,                       lambda e: 2 * one(e))
# fmt: on


def _abs(e):
    kink(lambda: e > 0)
    return np.abs(e)


# fmt: off
ABSOLUTE      = Curve(_abs,                           np.sign,                               zero)
# fmt: on
