"""A piece of code as a learner writes it, with what check_layer or check_system must say about it.

There is a chapter for each kind: right and needed (right layers), frozen, forms and gradients (wrong layers),
and systems. tests/checking/test_pieces.py tries them all.
"""

from dataclasses import dataclass, field

import numpy as np

from numgan.layers import Layer, Pass


@dataclass
class Piece:
    """A layer or system that make() builds.

    words      regular expressions that the message must have; (): the piece is right and must pass
    x          the input of a layer, as check_layer takes it
    settings   further arguments of the check
    """

    name: str
    make: object
    words: tuple = ()
    x: object = None
    settings: dict = field(default_factory=dict)


class Own(Layer):
    """y = x W + b in plain NumPy, with x (N, I), W (I, O) and b (O,): the right one."""

    def __init__(self, rows=4, columns=3):
        self.rows, self.columns = rows, columns

    def arguments(self):
        return f"{self.rows}, {self.columns}"

    def parameter_shapes(self):
        return {"W": (self.rows, self.columns), "b": (self.columns,)}

    def output_shape(self, shape):
        return (*shape[:-1], self.columns)

    def forward(self, p, x, context=Pass()):
        return x @ p["W"] + p["b"], (x, p["W"])

    def dx(self, dy, x, W):
        return dy @ W.T

    def dp(self, dy, x):
        return {"W": x.T @ dy, "b": dy.sum(axis=0)}

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        return self.dx(dy, x, W) if need_dx else None, None if frozen else self.dp(dy, x)


class OwnConv(Layer):
    """A correlation of stride 1 in plain NumPy: x (N, H, W, C) with a kernel (K, K, C, F)."""

    def __init__(self, channels=2, filters=3, k=3, pad=1):
        self.channels, self.filters, self.k, self.pad = channels, filters, k, pad

    def arguments(self):
        return f"{self.channels}, {self.filters}"

    def parameter_shapes(self):
        return {"W": (self.k, self.k, self.channels, self.filters), "b": (self.filters,)}

    def output_shape(self, shape):
        high, wide, _ = shape
        return high + 2 * self.pad - self.k + 1, wide + 2 * self.pad - self.k + 1, self.filters

    def padded(self, x):
        return np.pad(x, ((0, 0), (self.pad,) * 2, (self.pad,) * 2, (0, 0)))

    def places(self):
        return [(i, j) for i in range(self.k) for j in range(self.k)]

    def correlate(self, padded, W, high, wide):
        return sum(padded[:, i : i + high, j : j + wide] @ W[i, j] for i, j in self.places())

    def forward(self, p, x, context=Pass()):
        high, wide, _ = self.output_shape(x.shape[1:])
        return self.correlate(self.padded(x), p["W"], high, wide) + p["b"], (x, p["W"])

    def dp(self, dy, x):
        padded, (_, high, wide, _) = self.padded(x), dy.shape
        dW = np.zeros((self.k, self.k, self.channels, self.filters), dy.dtype)
        for i, j in self.places():
            dW[i, j] = np.einsum("nhwc,nhwf->cf", padded[:, i : i + high, j : j + wide], dy)
        return {"W": dW, "b": dy.sum(axis=(0, 1, 2))}

    def spread(self, dy, x, W):
        """The gradient with respect to the padded x."""
        whole, (_, high, wide, _) = np.zeros_like(self.padded(x)), dy.shape
        for i, j in self.places():
            whole[:, i : i + high, j : j + wide] += dy @ W[i, j].T
        return whole

    def dx(self, dy, x, W):
        pad = self.pad
        return self.spread(dy, x, W)[:, pad : pad + x.shape[1], pad : pad + x.shape[2]]

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        return self.dx(dy, x, W) if need_dx else None, None if frozen else self.dp(dy, x)


class OwnNorm(Layer):
    """y = gain (x - mean) r + bias over the last axis, in plain NumPy; `axes` may be another tuple."""

    def __init__(self, channels=6):
        self.channels = channels

    def parameter_shapes(self):
        return {"gain": (self.channels,), "bias": (self.channels,)}

    def initial_values(self, rng):
        return {"gain": np.ones(self.channels), "bias": np.zeros(self.channels)}

    def axes(self, x):
        return (x.ndim - 1,)

    def mean(self, a):
        return a.mean(axis=self.axes(a), keepdims=True)

    def forward(self, p, x, context=Pass()):
        centred = x - self.mean(x)
        r = 1 / np.sqrt(self.mean(centred**2) + 1e-5)
        return p["gain"] * centred * r + p["bias"], (centred * r, r, p["gain"])

    def dx(self, d, xhat, r):
        return r * (d - self.mean(d) - xhat * self.mean(d * xhat))

    def backward(self, dy, cache, frozen=False, need_dx=True):
        xhat, r, gain = cache
        rows = tuple(range(dy.ndim - 1))
        dp = None if frozen else {"gain": (dy * xhat).sum(axis=rows), "bias": dy.sum(axis=rows)}
        return self.dx(gain * dy, xhat, r) if need_dx else None, dp
