"""The contract of a layer: a forward and a backward pass, and two tangent passes for second-order objectives.

    y,  cache    = layer.forward(p, x, context)
    dx, dp       = layer.backward(dy, cache, frozen=False, need_dx=True)
    ty, tcache   = layer.tangent_forward(tx, cache, tp=None)
    tdx, tdp     = layer.tangent_backward(dy, tdy, cache, tcache, frozen=False, need_dx=True)

`d` is read "derivative of the loss with respect to", `t` is read "tangent of", so `tdW` is the tangent of dW.
A tangent of None is exactly zero and runs no kernel. No pass writes to its arguments or to the layer.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.arguments import brief, dtype_of
from ..core.parameters import Layout, Parameters
from ..core.probes import observable
from ..core.randomness import stream
from ..core.underflow import may_underflow

PASSES = {"forward", "backward", "tangent_forward", "tangent_backward", "backward_keeping"}


@dataclass(frozen=True)
class Pass:
    """The context of a forward pass: its inputs besides parameters and x. Equal contexts give equal bits.

    seed         the seed of the pass's random numbers; None: dropout is off
    measured     measured normalisation statistics (see `measure`); None: BatchNorm uses those of the batch
    path         the layer's place in the network; a layer with two places draws different numbers at each
    reference    number of rows of the reference batch, which come first; `Referenced` sets it
    """

    seed: int | None = None
    measured: dict | None = None
    path: tuple = ()
    reference: int = 0

    def child(self, name):
        """The context for the child layer `name`."""
        return Pass(
            self.seed,
            None if self.measured is None else self.measured.get(name, {}),
            (*self.path, name),
            self.reference,
        )

    def rng(self):
        """The random stream of this place, a numpy Generator.

        Raises ValueError if the context has no seed.
        """
        if self.seed is None:
            raise ValueError("Pass.rng: expected a context with a seed, got seed=None; use Pass(seed=...)")
        return stream(self.seed, *self.path)


class Layer:
    """The base class of every layer and network.

    A new layer defines `forward` and `backward`, and `parameter_shapes` if it has parameters. With
    `tangent_forward` and `tangent_backward` it works in gradient penalties too. `check_layer` checks them.

    held    names of the entries in `parameter_shapes()` that are stored with the weights but not trained,
            such as u and v of Spectral. They are constants in every pass: their gradient is None or exactly
            zero, and tp has no effect on them. After each update the training loop replaces them with the
            values from `refreshed`. A checkpoint stores them with the weights.
    shown   names of the attributes that the repr shows
    options {name: default} of further attributes, which the repr shows by name unless they are the default
    """

    children = {}
    held = ()
    shown = ()
    options = {}

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        for name in PASSES & vars(cls).keys():
            setattr(cls, name, observable(vars(cls)[name]))
        for name in {"refreshed", "initial_values"} & vars(cls).keys():
            setattr(cls, name, may_underflow(vars(cls)[name]))

    def parameter_shapes(self):
        """The layer's own parameters, {name: shape}.

        The parameters of a network are those of its children.
        """
        return {}

    def initial_values(self, rng):
        """Initial values of the parameters, {name: array}, drawn from the numpy Generator `rng`.

        Zeros by default.
        """
        return {name: np.zeros(shape) for name, shape in self.parameter_shapes().items()}

    def refreshed(self, p):
        """New values of the held entries after an update to p, {name: array}.

        Other entries keep their values.
        """
        return {}

    def output_shape(self, shape):
        """The output shape for an input of `shape`, both without the batch axis.

        A tuple of arrays has a tuple of shapes.
        """
        return shape

    def forward(self, p, x, context=Pass()):
        """y, cache: the output, and the values that the backward pass needs."""
        raise TypeError(f"{self!r} has no forward pass; define forward(self, p, x, context) -> (y, cache)")

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """dx, dp from dy.

        dp is None if frozen: no weight-gradient kernel runs.
        dx is None if need_dx is False or x holds integers.
        """
        raise TypeError(
            f"{self!r} has no backward pass; "
            "define backward(self, dy, cache, frozen=False, need_dx=True) -> (dx, dp)"
        )

    def tangent_forward(self, tx, cache, tp=None):
        """ty, tcache: the derivative of y when x moves along tx and the parameters along tp."""
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_forward"
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        """tdx, tdp: the derivative of backward's results along the direction of tangent_forward."""
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_backward"
        )

    def backward_keeping(self, dy, cache):
        """dx of a frozen backward pass, and the dy to give to tangent_backward.

        In a Sequential the second result also holds the dy of every layer, which tangent_backward then uses.
        """
        return self.backward(dy, cache, frozen=True)[0], dy

    def batch_statistics(self, cache):
        """Batch statistics of one forward pass, read from its cache: {name: ...}; only BatchNorm has any."""
        return {}

    def flops(self, shape):
        """Floating-point operations of one forward pass for one sample; a multiply-add counts as two."""
        return entries(self.output_shape(shape))

    @cached_property
    def layout(self):
        """The places of the parameters in the vector; they follow from the structure and never change."""
        return Layout.of(self)

    @property
    def has_tangents(self):
        """Whether this layer and all its children define the tangent passes."""
        own = all(
            getattr(type(self), name) is not getattr(Layer, name)
            for name in ("tangent_forward", "tangent_backward")
        )
        return own and all(child.has_tangents for child in self.children.values())

    def init(self, rng=0, dtype=np.float32):
        """New Parameters; `rng` is a numpy Generator or a seed.

        The values are drawn in float64 and then rounded, so float32 and float64 start at the same point.
        Raises TypeError if dtype is not a floating-point type.
        """
        if np.dtype(dtype).kind != "f":
            raise TypeError(
                f"init: expected dtype float32 or float64, got {np.dtype(dtype)}; use one of them"
            )
        rng = np.random.default_rng(rng)
        p = Parameters(np.zeros(self.layout.size, dtype), self.layout)
        for layer, part, _ in each_layer(self, p):
            for name, value in layer.initial_values(rng).items():
                part[name][...] = value
        return p

    def arguments(self):
        """The arguments shown in the repr, as text."""
        shown = [brief(getattr(self, name)) for name in self.shown]
        for name, default in self.options.items():
            if getattr(self, name) != default:
                shown.append(f"{name}={brief(getattr(self, name))}")
        return ", ".join(shown)

    def __repr__(self):
        return f"{type(self).__name__}({self.arguments()})"

    def summary(self, shape, batch=1, dtype=np.float32):
        """A table of layers, output shapes, parameters, bytes and flops, made for printing.

        shape    the shape of one input, without the batch axis
        """
        from .summary import Summary

        return Summary(self, shape, batch, dtype)


class LinearMap(Layer):
    """A fixed linear map: y = A x, so dx = A' dy, ty = A tx and tdx = A' tdy.

    A subclass defines `apply(x, context) -> (y, cache)` and `transpose(dy, cache) -> dx`. If A depends on the
    cache, it also defines `apply_to_tangent(tx, cache) -> ty`.
    Raises TypeError if x is not an array of floats.
    several    whether x is a tuple of arrays, which `apply` checks
    """

    several = False

    def apply(self, x, context):
        raise TypeError(f"{self!r}: define apply(self, x, context) -> (y, cache)")

    def apply_to_tangent(self, tx, cache):
        return self.apply(tx, None)[0]

    def forward(self, p, x, context=Pass()):
        if not self.several:
            expect_floats(self, x)
        return self.apply(x, context)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return self.transpose(dy, cache) if need_dx else None, None if frozen else {}

    def tangent_forward(self, tx, cache, tp=None):
        return None if tx is None else self.apply_to_tangent(tx, cache), None

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        return self.transpose(tdy, cache) if need_dx and tdy is not None else None, None if frozen else {}


def each_layer(layer, p, path=(), visited=None):
    """Yield (layer, its part of p, its path) for every layer of a network, children first.

    A layer with two places comes once, at its first place.
    """
    visited = set() if visited is None else visited
    for name, child in layer.children.items():
        yield from each_layer(child, p.child(name), (*path, name), visited)
    if id(layer) not in visited:
        visited.add(id(layer))
        yield layer, p, path


def total(*terms):
    """The sum of the terms that are not None, or None: a tangent of None is exactly zero."""
    terms = [term for term in terms if term is not None]
    return sum(terms[1:], terms[0]) if terms else None


def term(f, *arguments):
    """f(*arguments), or None if an argument is None: f is linear in it, and a tangent of None is zero."""
    return None if any(argument is None for argument in arguments) else f(*arguments)


def product_rule(f, a, b, ta, tb, *rest):
    """The tangent of f(a, b, *rest), which is linear in a and in b: f(ta, b) + f(a, tb)."""
    return total(term(f, ta, b, *rest), term(f, a, tb, *rest))


def joined(tangents, shapes):
    """Tangents of these shapes, concatenated along the last axis; None if all are None."""
    dtypes = [t.dtype for t in tangents if t is not None]
    if not dtypes:
        return None
    parts = [np.zeros(shape, dtypes[0]) if t is None else t for t, shape in zip(tangents, shapes)]
    return np.concatenate(parts, axis=-1)


def expect_floats(layer, x):
    """Raise TypeError unless x is a plain array of float32 or float64, as the kernels need it.

    With integers, every constant of a layer would be rounded.
    """
    if dtype_of(x) not in (np.float32, np.float64):
        raise TypeError(
            f"{layer!r}: expected x as a float32 or float64 array, got {dtype_of(x)}; "
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


def expect_images(layer, x):
    """Raise ValueError unless x (N, H, W, C) is a batch of images of a shape that the layer takes."""
    expect(layer, x.ndim == 4, "(N, H, W, C)", x)
    layer.output_shape(x.shape[1:])


def shapes_in(shape):
    """The shapes in a shape or a (nested) tuple of shapes."""
    nested = [part for part in shape if isinstance(part, tuple)]
    return [s for part in nested for s in shapes_in(part)] if nested else [shape]


def entries(shape):
    """The number of entries of an array of this shape, or of a (nested) tuple of arrays."""
    return sum(map(math.prod, shapes_in(shape)))
