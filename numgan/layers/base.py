"""The contract of a layer: a forward and a backward pass, and two tangent passes for second-order objectives.

    y,  cache    = layer.forward(p, x, context)
    dx, dp       = layer.backward(dy, cache, frozen=False, need_dx=True)
    ty, tcache   = layer.tangent_forward(tx, cache, tp=None)
    tdx, tdp     = layer.tangent_backward(dy, tdy, cache, tcache, frozen=False, need_dx=True)

p holds the layer's parameters, x is the input and y the output. A cache holds what a later pass needs.
`d` is read "derivative of the loss with respect to": dx is the derivative of the loss with respect to x.
`t` is read "tangent of": tdW is the tangent of dW, the change of dW along a direction.
A tangent of None means exactly zero. No kernel runs for it. No pass writes to its arguments or to the layer.
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
    """The context of a forward pass: what the pass uses besides the parameters and x.

    Equal contexts give equal bits.

    seed         the seed of the pass's random numbers; None: no random numbers; Dropout and Noise are off
    measured     {layer name: ...}: measured statistics (see `measure`); None: BatchNorm uses the batch's
    path         the names of the layers from the whole network down to this layer. A layer object that is
                 used twice has two paths, and draws different random numbers at each path
    reference    number of rows of the reference batch, the first rows of x; `Referenced` sets it
    """

    seed: int | None = None
    measured: dict | None = None
    path: tuple = ()
    reference: int = 0

    def child(self, name):
        """The context for the child layer `name`: with its part of `measured`, and `name` added to `path`."""
        return Pass(
            self.seed,
            None if self.measured is None else self.measured.get(name, {}),
            (*self.path, name),
            self.reference,
        )

    def rng(self):
        """A numpy Generator that depends on the seed and the path only.

        Raises ValueError if the context has no seed.
        """
        if self.seed is None:
            raise ValueError("Pass.rng: expected a context with a seed, got seed=None; use Pass(seed=...)")
        return stream(self.seed, *self.path)


class Layer:
    """The base class of every layer and network.

    A new layer defines `forward` and `backward`, and `parameter_shapes` if it has parameters. If it also
    defines `tangent_forward` and `tangent_backward`, it works in gradient penalties too. `check_layer` checks
    all four.

    held    names of the entries in `parameter_shapes()` that are stored with the weights but not trained,
            such as u and v of Spectral. They are constants in every pass: their gradient is None or exactly
            zero, and `tangent_forward` ignores their directions in its argument tp. After each update the
            training loop replaces these entries with the values from `refreshed`. A checkpoint stores them
            with the weights.
    shown   names of the attributes that the repr shows
    options {name: default} of further attributes; the repr shows each as name=value if it is not the default
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
        """{name: shape} of the layer's own parameters; {} by default.

        A network made only of children keeps {}: `Layout` collects the shapes of the children.
        """
        return {}

    def initial_values(self, rng):
        """{name: array}: initial values of the parameters, drawn from the numpy Generator `rng`.

        By default every array is zeros.
        """
        return {name: np.zeros(shape) for name, shape in self.parameter_shapes().items()}

    def refreshed(self, p):
        """{name: array}: new values of the held entries, after an update has changed the parameters p.

        Held entries that are not in the result keep their values. By default the result is {}.
        """
        return {}

    def output_shape(self, shape):
        """The shape of the output for an input of `shape`. Both shapes are without the batch axis.

        If an input or output is a tuple of arrays, its shape is a tuple of shapes. By default the shape is
        the same.
        """
        return shape

    def forward(self, p, x, context=Pass()):
        """(y, cache): the output for the input x, and the values that the backward pass needs.

        p holds the layer's parameters. Raises TypeError if the class does not define this pass.
        """
        raise TypeError(f"{self!r} has no forward pass; define forward(self, p, x, context) -> (y, cache)")

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """(dx, dp): the derivatives of the loss with respect to x and p, from dy, the one with respect to y.

        dp is {name: array}, and {} for a layer without parameters. If frozen, dp is None and no
        weight-gradient kernel runs. dx is None if need_dx is False or x holds integers.
        Raises TypeError if the class does not define this pass.
        """
        raise TypeError(
            f"{self!r} has no backward pass; "
            "define backward(self, dy, cache, frozen=False, need_dx=True) -> (dx, dp)"
        )

    def tangent_forward(self, tx, cache, tp=None):
        """(ty, tcache): the tangent of y when x moves along tx and the parameters along tp.

        tcache holds what `tangent_backward` needs. tx, tp or ty may be None, which means zero; `term` and
        `total` below compute with None.
        Raises TypeError if the class does not define this pass.
        """
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_forward"
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        """(tdx, tdp): the tangents of dx and dp when x and p move along tx and tp, and dy along tdy.

        tcache is the second result of `tangent_forward` for tx and tp. tdy or a tangent in tcache may be
        None, which means zero; so may tdx. frozen and need_dx mean the same as in `backward`.
        Raises TypeError if the class does not define this pass.
        """
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_backward"
        )

    def backward_keeping(self, dy, cache):
        """(dx, kept): dx of a frozen backward pass, and what to give to `tangent_backward` as its dy.

        Here kept is dy. A Sequential returns the dy of every layer, so that `tangent_backward` does not
        compute them again.
        """
        return self.backward(dy, cache, frozen=True)[0], dy

    def batch_statistics(self, cache):
        """{name: array}: the batch statistics of one forward pass, read from the cache of that pass.

        Only BatchNorm has any. A network returns a nested dict: {layer name: {name: array}}. By default {}.
        """
        return {}

    def flops(self, shape):
        """The number of floating-point operations of one forward pass for one sample of `shape`.

        A multiply-add counts as two. By default it is one operation for each entry of the output.
        """
        return entries(self.output_shape(shape))

    @cached_property
    def layout(self):
        """The Layout of the parameters: where each parameter lies in the vector."""
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
        """New Parameters with initial values. `rng` is a numpy Generator or a seed.

        The values are drawn in float64 and then rounded to dtype. So float32 and float64 start with the same
        values, up to rounding. Raises TypeError if dtype is not a floating-point type.
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
        """The text between the brackets of the repr: the attributes that `shown` and `options` name."""
        shown = [brief(getattr(self, name)) for name in self.shown]
        for name, default in self.options.items():
            if getattr(self, name) != default:
                shown.append(f"{name}={brief(getattr(self, name))}")
        return ", ".join(shown)

    def __repr__(self):
        return f"{type(self).__name__}({self.arguments()})"

    def summary(self, shape, batch=1, dtype=np.float32):
        """A Summary: a table of layers, output shapes, parameters, bytes and flops, made for printing.

        shape    the shape of one input, without the batch axis
        batch    the number of samples for which bytes and flops are counted
        dtype    the number format of the parameters and the activations
        """
        from .summary import Summary

        return Summary(self, shape, batch, dtype)


class LinearMap(Layer):
    """A linear map without parameters: y = A x, so dx = A' dy, ty = A tx and tdx = A' tdy.

    A' is the transpose of A. A subclass defines `apply(x, context) -> (y, cache)` and
    `transpose(dy, cache) -> dx`. If `apply` chooses A, as Dropout draws its mask, or adds a constant as Noise
    does, the subclass also defines `apply_to_tangent(tx, cache) -> ty`.
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

    A layer object that is used twice is yielded once, with its first path. path and visited are for the
    recursive calls: the path of `layer`, and the ids of the layers that were already yielded.
    """
    visited = set() if visited is None else visited
    for name, child in layer.children.items():
        yield from each_layer(child, p.child(name), (*path, name), visited)
    if id(layer) not in visited:
        visited.add(id(layer))
        yield layer, p, path


def total(*terms):
    """The sum of the terms that are not None; None if all are None. A tangent of None means exactly zero."""
    terms = [term for term in terms if term is not None]
    return sum(terms[1:], terms[0]) if terms else None


def term(f, *arguments):
    """f(*arguments), or None if an argument is None.

    An argument of None is a tangent that is zero. f is linear in this argument, so the result is zero too:
    None.
    """
    return None if any(argument is None for argument in arguments) else f(*arguments)


def product_rule(f, a, b, ta, tb, *rest):
    """The tangent of f(a, b, *rest), which is linear in a and in b: f(ta, b, *rest) + f(a, tb, *rest).

    ta and tb are the tangents of a and b. None means zero.
    """
    return total(term(f, ta, b, *rest), term(f, a, tb, *rest))


def joined(tangents, shapes):
    """The tangents, concatenated along the last axis. None becomes zeros of the matching shape in `shapes`.

    If all tangents are None, the result is None.
    """
    dtypes = [t.dtype for t in tangents if t is not None]
    if not dtypes:
        return None
    parts = [np.zeros(shape, dtypes[0]) if t is None else t for t, shape in zip(tangents, shapes)]
    return np.concatenate(parts, axis=-1)


def expect_floats(layer, x):
    """Raise TypeError unless x is a plain array of float32 or float64, as the kernels need it.

    With an array of integers, every constant of a layer would be rounded to an integer.
    """
    if dtype_of(x) not in (np.float32, np.float64):
        raise TypeError(
            f"{layer!r}: expected x as a float32 or float64 array, got {dtype_of(x)}; "
            "convert it with np.asarray(x, np.float32)"
        )


def expect(layer, condition, expected, got, advice=""):
    """Raise ValueError "layer: expected x ..., got ...; advice" unless the condition holds.

    got is an array or a tuple of arrays, of which the message shows the shapes, or any other value.
    """
    if not condition:
        got = (
            tuple(g.shape for g in got)
            if isinstance(got, tuple) and got and hasattr(got[0], "shape")
            else getattr(got, "shape", got)
        )
        raise ValueError(f"{layer!r}: expected x {expected}, got {got}" + (f"; {advice}" if advice else ""))


def expect_images(layer, x):
    """Raise ValueError unless x is a batch of images (N, H, W, C) of a shape that the layer takes."""
    expect(layer, x.ndim == 4, "(N, H, W, C)", x)
    layer.output_shape(x.shape[1:])


def shapes_in(shape):
    """All shapes in `shape`, as a flat list. `shape` is one shape or a (nested) tuple of shapes."""
    nested = [part for part in shape if isinstance(part, tuple)]
    return [s for part in nested for s in shapes_in(part)] if nested else [shape]


def entries(shape):
    """The number of entries of an array of `shape`, or of all arrays of a (nested) tuple of shapes."""
    return sum(map(math.prod, shapes_in(shape)))
