"""Embedding: a table of vectors with one row for each class.

An Embedding equals a Dense layer without bias whose input is a one-hot vector of the class.
"""

import numpy as np

from ..core.arguments import dtype_of, positive
from .base import Layer, Pass, expect, term
from .initializers import normal


class Embedding(Layer):
    """y = W[c]: for each label c, the row c of the table W          c (N,)   W (K, E)   y (N, E)

    K = `classes`, E = `features`. c holds integers from 0 to K - 1. dx is None: integers have no derivative.
    `init` is the initialiser of W, by default N(0, 1). Raises ValueError if c is not an array of integers, or
    if a label is out of range. Without this check a label of -1 would use the last row of W without an error.
    """

    shown = ("classes", "features")

    def __init__(self, classes, features, init=normal(1.0)):
        self.classes = positive(classes, "Embedding classes")
        self.features = positive(features, "Embedding features")
        self.initializer = init

    def parameter_shapes(self):
        return {"W": (self.classes, self.features)}

    def initial_values(self, rng):
        shape = self.classes, self.features
        return {"W": self.initializer(rng, shape, *shape)}

    def output_shape(self, shape):
        return *shape, self.features

    def flops(self, shape):
        return 0  # copying rows needs no arithmetic

    def forward(self, p, x, context=Pass()):
        # (W[x], (x,)) for labels x (N,). Raises ValueError unless they are integers from 0 to K - 1.
        integers = getattr(dtype_of(x), "kind", None) in ("i", "u")
        expect(self, integers, "as an array of integer labels", str(dtype_of(x)))
        if x.size:
            low, high = x.min(), x.max()
            fits = 0 <= low and high < self.classes
            expect(self, fits, f"with labels 0..{self.classes - 1}", f"labels {low}..{high}")
        return p["W"][x], (x,)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return None, None if frozen else {"W": self._scatter(dy, *cache)}

    def _scatter(self, dy, labels):
        """dW (K, E): row k is the sum of the rows of dy (N, E) whose label is k. labels is (N,)."""
        dW = np.zeros((self.classes, self.features), dy.dtype)
        np.add.at(dW, labels, dy)  # unlike dW[labels] += dy, it adds every row of a repeated label
        return dW

    def tangent_forward(self, tx, cache, tp=None):
        (labels,) = cache
        return None if tp is None else tp["W"][labels], None  # ty = tW[c]

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return None, None if frozen else {"W": term(self._scatter, tdy, *cache)}
