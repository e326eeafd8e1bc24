"""What a layer is: two passes, and two more for those who want second order.

    y,  cache    = layer.forward(p, x, context)
    dx, dp       = layer.backward(dy, cache, frozen=False, need_dx=True)
    ty, tcache   = layer.tangent_forward(tx, cache, tp=None)
    tdx, tdp     = layer.tangent_backward(dy, tdy, cache, tcache, frozen=False, need_dx=True)

`d` is read "derivative of the loss with respect to", `t` is read "tangent of", so `tdW` is the tangent of dW.
A tangent of None is exactly zero and runs no kernel. No pass writes to its arguments, and nothing is kept on the layer.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.parameters import Layout, Parameters
from ..core.probes import observable
from ..core.randomness import stream
from ..core.underflow import may_underflow

PASSES = {"forward", "backward", "tangent_forward", "tangent_backward", "backward_keeping"}


@dataclass(frozen=True)
class Pass:
    """What a forward pass may depend on besides parameters and input; a value, so equal contexts repeat bit for bit.

    seed         of this pass's randomness; None: dropout is off
    measured     measured normalisation statistics (see `measure`); None: BatchNorm uses the batch
    reference    how many of the first rows are a reference batch, for VirtualBatchNorm; `Referenced` says it
    path         where in the network the layer is; a layer placed twice draws twice
    """

    seed: int | None = None
    measured: dict | None = None
    path: tuple = ()
    reference: int = 0

    def child(self, name):
        """The context as the sub-network `name` sees it."""
        return Pass(
            self.seed,
            None if self.measured is None else self.measured.get(name, {}),
            (*self.path, name),
            self.reference,
        )

    def rng(self):
        """This place's own random stream, a numpy Generator. Raises ValueError if the context has no seed."""
        if self.seed is None:
            raise ValueError("Pass.rng: this context has no seed, so it draws nothing; use Pass(seed=...)")
        return stream(self.seed, *self.path)


class Layer:
    """The base of every layer and network. A layer of your own needs `forward` and `backward`, and `parameter_shapes` if it has parameters;
    with `tangent_forward` and `tangent_backward` it works in gradient penalties too. `check_layer` tells whether they are right.

    held    names among its `parameter_shapes()` that are constants of every pass, and not trained, such as spectral normalisation's u and v: their
            gradient is None or exactly zero, and a tangent along them is zero whatever tp says. The training loop puts `refreshed` in their
            place after each update, in a checkpoint they lie with the weights.
    """

    children = {}
    held = ()

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        for name in PASSES & vars(cls).keys():
            setattr(cls, name, observable(vars(cls)[name]))
        for name in {"refreshed", "initial_values"} & vars(cls).keys():
            setattr(cls, name, may_underflow(vars(cls)[name]))

    def parameter_shapes(self):
        """Its own parameters, {name: shape}; a network has its children's instead."""
        return {}

    def initial_values(self, rng):
        """Their initial values, {name: array}, drawn from the numpy Generator `rng`; zeros unless a layer says otherwise."""
        return {name: np.zeros(shape) for name, shape in self.parameter_shapes().items()}

    def refreshed(self, p):
        """Its held entries as they are to be after an update that led to p, {name: array}; those left out stay what they were."""
        return {}

    def output_shape(self, shape):
        """The shape that comes out of `shape`, both without the batch axis; tuples of shapes for tuples of arrays."""
        return shape

    def forward(self, p, x, context=Pass()):
        """y, cache: the value, and what backward needs of it."""
        raise TypeError(f"{self!r} has no forward pass; define forward(self, p, x, context) -> (y, cache)")

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """dx, dp from dy; dp is None if frozen (no weight-gradient kernel runs), dx is None if not needed or x is integer."""
        raise TypeError(
            f"{self!r} has no backward pass; define backward(self, dy, cache, frozen=False, need_dx=True) -> (dx, dp)"
        )

    def tangent_forward(self, tx, cache, tp=None):
        """ty, tcache: how y moves when x moves along tx and the parameters along tp."""
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; define tangent_forward"
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        """tdx, tdp: how the results of backward move along the same direction."""
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; define tangent_backward"
        )

    def backward_keeping(self, dy, cache):
        """dx of a frozen backward pass, and a dy for tangent_backward: of a Sequential, one that knows the dy of every layer below."""
        return self.backward(dy, cache, frozen=True)[0], dy

    def batch_statistics(self, cache):
        """Batch statistics of one forward pass, read from its cache: {name: ...}; empty for all but BatchNorm."""
        return {}

    def flops(self, shape):
        """Floating-point operations of one forward pass of one sample (a multiply-add counts two)."""
        return sum(int(np.prod(s)) for s in _arrays(self.output_shape(shape)))

    @cached_property
    def layout(self):
        """Where the parameters lie in the one vector; it follows from the structure and never changes."""
        return Layout.of(self)

    @property
    def has_tangents(self):
        """Whether the tangent passes are given, here and in every part."""
        own = all(
            getattr(type(self), name) is not getattr(Layer, name)
            for name in ("tangent_forward", "tangent_backward")
        )
        return own and all(child.has_tangents for child in self.children.values())

    def init(self, rng=0, dtype=np.float32):
        """Fresh Parameters; `rng` is a numpy Generator or a seed. The draws are made in float64, so both dtypes start at one point."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"init: expected dtype float32 or float64, got {np.dtype(dtype)}")
        rng = np.random.default_rng(rng)
        p = Parameters(np.zeros(self.layout.size, dtype), self.layout)
        done = set()

        def visit(layer, p):
            for name, child in layer.children.items():
                visit(child, p.child(name))
            if id(layer) not in done:
                done.add(id(layer))
                for name, value in layer.initial_values(rng).items():
                    p[name][...] = value

        visit(self, p)
        return p

    def arguments(self):
        """What stands between the parentheses of its repr."""
        return ""

    def __repr__(self):
        return f"{type(self).__name__}({self.arguments()})"

    def summary(self, shape, batch=1, dtype=np.float32):
        """A table of layers, output shapes, parameters, bytes and flops for an input of `shape` (without batch); print it."""
        from .summary import Summary

        return Summary(self, shape, batch, dtype)


class LinearMap(Layer):
    """A fixed linear map: y = A x, so dx = A' dy, and both tangents pass through the same two maps.

    A subclass gives `apply(x) -> y, cache` and `transpose(dy, cache) -> dx`; `apply_to_tangent(tx, cache) -> ty` where A depends on the cache.
    """

    def apply(self, x, context):
        raise TypeError(f"{self!r}: define apply(self, x, context) -> (y, cache)")

    def apply_to_tangent(self, tx, cache):
        return self.apply(tx, None)[0]

    def forward(self, p, x, context=Pass()):
        if not isinstance(x, tuple):
            expect_floats(self, x)
        return self.apply(x, context)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return self.transpose(dy, cache) if need_dx else None, None if frozen else {}

    def tangent_forward(self, tx, cache, tp=None):
        return None if tx is None else self.apply_to_tangent(tx, cache), None

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return self.transpose(tdy, cache) if need_dx and tdy is not None else None, None if frozen else {}


def total(*terms):
    """The sum of the terms that are not None, or None: a tangent of None is exactly zero."""
    terms = [term for term in terms if term is not None]
    return sum(terms[1:], terms[0]) if terms else None


def expect_floats(layer, x):
    """Raise TypeError unless x is an array of floating-point numbers: integers would round every constant of a layer to 0 or 1."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        raise TypeError(
            f"{layer!r}: expected x as a float32 or float64 array, got {getattr(x, 'dtype', type(x).__name__)}; "
            "convert it with np.asarray(x, np.float32)"
        )


def expect(layer, condition, expected, got, advice=""):
    """Raise ValueError `layer: expected x ..., got ...; advice` unless the condition holds."""
    if not condition:
        got = (
            tuple(g.shape for g in got)
            if isinstance(got, tuple) and got and hasattr(got[0], "shape")
            else getattr(got, "shape", got)
        )
        raise ValueError(f"{layer!r}: expected x {expected}, got {got}" + (f"; {advice}" if advice else ""))


def _arrays(shape):
    """The shapes in a shape or a (nested) tuple of shapes."""
    nested = [part for part in shape if isinstance(part, tuple)]
    return [s for part in nested for s in _arrays(part)] if nested else [shape]
