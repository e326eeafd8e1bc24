"""The cases of `numgan bench kernels`: matrix products, convolutions in three passes, and pointwise passes.

A case is one computation that is timed. It draws random arrays and makes functions of them. Only the calls of
these functions are timed. Their preparation (a forward pass, the state of an optimiser) is not timed.

    case.arrays(dtype)       random arrays, equal in every call
    case.ours(*arrays)       a function without arguments that calls the kernels in use
    case.numpy(*arrays)      a function without arguments that uses NumPy: BLAS, im2col, or reference kernels
    case.flops               floating-point operations of the definition (the direct form)
    case.traffic             array entries that must at least be read or written: each array once
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import _kernels
from .._kernels import output_size
from ..core.randomness import stream
from ..layers import BatchNorm, LeakyReLU, Pass, Tanh
from ..optimizers import Adam
from . import im2col

SHAPES = (  # of matrix products: (m, k, n)
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (128, 784, 1200),
    (128, 1200, 1200),
    (64, 100, 8192),
    (1200, 128, 1200),
    (1024, 4096, 512),
)
WINDOWS = {  # name: (H, W, C, O), kernel, stride, padding
    "dcgan28 1-64": ((28, 28, 1, 64), 4, 2, 1),
    "dcgan28 64-128": ((14, 14, 64, 128), 4, 2, 1),
    "dcgan64 3-64": ((64, 64, 3, 64), 4, 2, 1),
    "dcgan64 64-128": ((32, 32, 64, 128), 4, 2, 1),
    "dcgan64 128-256": ((16, 16, 128, 256), 4, 2, 1),
    "dcgan64 256-512": ((8, 8, 256, 512), 4, 2, 1),
    "3x3 64-64": ((32, 32, 64, 64), 3, 1, 1),
    "5x5 64-128": ((32, 32, 64, 128), 5, 2, 2),
}
PASSES = "forward", "input gradient", "weight gradient"


class Case:
    """Base class of the cases: a case is one computation that is timed.

    A subclass has `name`, a text; `shapes`, a tuple with the shapes of its arrays; `flops`, the number of
    floating-point operations; `traffic`, the smallest number of array entries that are read or written; and
    `ours`: ours(*arrays) returns a function without arguments that makes the computation. may_be_fast says
    whether a fast algorithm with fewer multiplications may exist; this holds for convolutions only.
    """

    may_be_fast = False

    def numpy(self, *arrays):
        """The function of `ours`; the caller times it with the reference kernels."""
        return self.ours(*arrays)

    def arrays(self, dtype):
        """The list of the arrays of the case: normal random numbers in `dtype`, equal in every call."""
        rng = stream(0, "bench", self.name)
        return [rng.standard_normal(shape).astype(dtype) for shape in self.shapes]


@dataclass(frozen=True)
class Product(Case):
    """The case of a matrix product C = A B, with A (m, k), B (k, n) and C (m, n)."""

    m: int
    k: int
    n: int

    @property
    def name(self):
        return f"matmul {self.m}x{self.k}x{self.n}"

    @property
    def shapes(self):
        return (self.m, self.k), (self.k, self.n)

    @property
    def flops(self):
        return 2 * self.m * self.k * self.n

    @property
    def traffic(self):
        return self.m * self.k + self.k * self.n + self.m * self.n

    def ours(self, a, b):
        return lambda: _kernels.matmul(a, b)


@dataclass(frozen=True)
class Convolution(Case):
    """The case of one pass of a convolution.

    window   a name in WINDOWS, which has the sizes (H, W, C, O), kernel, stride and padding
    which    the pass, a name in PASSES
    batch    the number of pictures
    """

    window: str
    which: str
    batch: int

    may_be_fast = True

    @cached_property
    def settings(self):
        """The sizes of the case: ((H, W), C, O, kernel, stride, padding).

        kernel, stride and padding are pairs (vertical, horizontal).
        """
        (h, v, c, o), kernel, stride, padding = WINDOWS[self.window]
        return (h, v), c, o, (kernel, kernel), (stride, stride), (padding, padding)

    @property
    def name(self):
        return f"conv {self.window} {self.which}"

    @property
    def shapes(self):
        """The shapes of x (N, H, W, C), w (KH, KW, C, O) and dy (N, HO, WO, O)."""
        size, c, o, kernel, stride, padding = self.settings
        return (
            (self.batch, *size, c),
            (*kernel, c, o),
            (self.batch, *output_size(size, kernel, stride, padding), o),
        )

    @property
    def flops(self):
        """2 KH KW C for each of the N HO WO O numbers of the output; the same for all three passes."""
        _, w, dy = self.shapes
        return 2 * math.prod(dy[:3]) * math.prod(w)

    @property
    def traffic(self):
        return sum(math.prod(shape) for shape in self.shapes)

    def numpy(self, *arrays):
        return self.ours(*arrays, im2col)

    def ours(self, x, w, dy, kernels=_kernels):
        """A function without arguments that computes the pass with `kernels`, a module such as im2col.

        x (N, H, W, C) is the input, w (KH, KW, C, O) the weights, dy (N, HO, WO, O) the derivative with
        respect to the output.
        """
        size, _, _, kernel, stride, padding = self.settings
        return {
            "forward": lambda: kernels.conv2d(x, w, stride, padding),
            "input gradient": lambda: kernels.conv2d_input_gradient(dy, w, stride, padding, size),
            "weight gradient": lambda: kernels.conv2d_weight_gradient(x, dy, kernel, stride, padding),
        }[self.which]


@dataclass(frozen=True)
class LayerPass(Case):
    """The case of one pass of a layer with its first parameters, for random x (N, H, W, C).

    layer   the layer
    which   "forward" or "backward"
    shape   the shape of x

    flops are those of a forward pass also for "backward", as the layer counts them. traffic is x and y, and
    for "backward" x, dy and dx.
    """

    layer: object
    which: str
    shape: tuple

    @property
    def name(self):
        return f"{type(self.layer).__name__} {self.which}"

    @property
    def shapes(self):
        return self.shape, self.shape

    @property
    def flops(self):
        return self.shape[0] * self.layer.flops(self.shape[1:])

    @property
    def traffic(self):
        return (2 if self.which == "forward" else 3) * math.prod(self.shape)

    def ours(self, x, dy):
        """A function without arguments that makes the pass and returns y, or for "backward" dx.

        x is the input, dy the derivative with respect to the output; both have the shape of the case.
        """
        p = self.layer.init(0, x.dtype)
        if self.which == "forward":
            return lambda: self.layer.forward(p, x, Pass())[0]  # y, without the cache
        _, cache = self.layer.forward(p, x, Pass())
        return lambda: self.layer.backward(dy, cache)[0]  # dx, without the weight gradient


@dataclass(frozen=True)
class Update(Case):
    """The case of one update of Adam, in place, for `size` weights.

    For each weight, Adam reads the weight, the gradient and two moments, and writes the weight and both
    moments.
    """

    size: int

    @property
    def name(self):
        return f"Adam {self.size:,}"

    @property
    def shapes(self):
        return self.size, self.size

    @property
    def flops(self):
        """12 operations for each weight: both moments, root, quotient, and the difference."""
        return 12 * self.size

    @property
    def traffic(self):
        return 7 * self.size

    def ours(self, p, g):
        """A function without arguments that updates a copy of the weights p with the gradient g."""
        adam, p = Adam(2e-4), p.copy()
        state = adam.start(p)

        def update():
            adam.update(p, g, state)
            return p

        return update


def cases(quick=False):
    """The list of all cases, [(Case, dtype)], in the order of the output.

    Matrix products are in float32 and float64, all other cases in float32. Batches have 64 samples.
    quick=True: a few cases of each sort, with batches of 8.
    """
    batch = 8 if quick else 64
    products = [Product(*shape) for shape in (SHAPES[2:4] if quick else SHAPES)]
    windows = list(WINDOWS)[1:2] + list(WINDOWS)[-2:] if quick else WINDOWS
    convolutions = [Convolution(name, which, batch) for name in windows for which in PASSES]
    shape = (batch, 16, 16, 128)
    passes = [
        LayerPass(layer, which, shape)
        for layer in (BatchNorm(128), LeakyReLU(0.2), Tanh())
        for which in ("forward", "backward")
    ]
    rest = [*convolutions, *passes, Update(100_000 if quick else 6_000_000)]
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    return [(case, dtype) for dtype in (single, double) for case in products] + [
        (case, single) for case in rest
    ]
