"""The contract of a layer: a forward and a backward pass, and two tangent passes.

    y,  cache    = layer.forward(p, x, context)
    dx, dp       = layer.backward(dy, cache, frozen=False, need_dx=True)
    ty, tcache   = layer.tangent_forward(tx, cache, tp=None)
    tdx, tdp     = layer.tangent_backward(dy, tdy, cache, tcache, frozen=False, need_dx=True)

x is the input, y the output, and p holds the layer's parameters. A cache holds what a later pass needs.
`d` is read "derivative of the loss with respect to": dx is the derivative of the loss with respect to x.
`t` is read "tangent of": ty is the change of y, and tdx the change of dx, when x and p move along a
direction. The tangent passes are for second-order objectives: losses that contain a gradient, such as
gradient penalties. A tangent of None means exactly zero, and no kernel runs for it.
No pass writes to its arguments or to the layer. Every pass refuses a dy, tdy or tx of a wrong shape.
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
from .shapes import shape_checked

PASSES = {"forward", "backward", "tangent_forward", "tangent_backward", "backward_keeping"}


@dataclass(frozen=True)
class Pass:
    """The context of a forward pass: what the pass uses besides the parameters and x.

    Equal contexts give equal bits.

    seed         the seed of the random numbers; None: no random numbers, so Dropout and Noise are off
    measured     {layer name: statistics}, nested as the network is: constant means and variances for
                 BatchNorm (see `measure`); None: BatchNorm uses the mean and variance of the batch
    path         the names of the layers from the whole network down to this layer. A layer object that is
                 used twice has two paths, and draws different random numbers at each path
    reference    the number of rows of the reference batch, for VirtualBatchNorm: the first rows of x are this
                 batch. `Referenced` sets the number; 0: no reference batch
    """

    seed: int | None = None
    measured: dict | None = None
    path: tuple = ()
    reference: int = 0

    def child(self, name):
        """The context for the child layer `name`: a new Pass with `name` appended to `path`.

        A child is a layer that the network is made of. `measured` becomes the statistics of this child: {} if
        there are none, None if it was None. seed and reference do not change.
        """
        return Pass(
            self.seed,
            None if self.measured is None else self.measured.get(name, {}),
            (*self.path, name),
            self.reference,
        )

    def rng(self):
        """A new numpy Generator for the random numbers of one layer, made from `seed` and `path` only.

        Equal contexts draw equal numbers. Layers with different paths draw different numbers. Raises
        ValueError if seed is None.
        """
        if self.seed is None:
            raise ValueError("Pass.rng: expected a context with a seed, got seed=None; use Pass(seed=...)")
        return stream(self.seed, *self.path)


class Layer:
    """The base class of every layer and network.

    A new layer defines `forward` and `backward`, and `parameter_shapes` if it has parameters. If it also
    defines `tangent_forward` and `tangent_backward`, it works in gradient penalties too. `check_layer` checks
    these four passes. The attributes of the class:

    children  {name: layer}, the layers that this layer is made of; {} for a single layer
    held      names of the entries of `parameter_shapes()` that are stored with the weights but not trained,
              such as u and v of Spectral. They are constants in every pass: their gradient is None or exactly
              zero, and `tangent_forward` ignores their directions in its argument tp. After each update the
              training loop replaces them by the values from `refreshed`. A checkpoint stores them with the
              weights
    mixes_samples  whether the output for a sample depends on the other samples of the batch, as in BatchNorm
    shown     names of the attributes that the repr shows
    options   {name: default} of further attributes. The repr shows name=value for each attribute whose value
              is not the default
    """

    children = {}
    held = ()
    mixes_samples = False
    shown = ()
    options = {}

    def __init_subclass__(cls, **words):
        """Decorate the passes that a new subclass defines: an observer sees them, and shapes are checked.

        `words` are passed on to the base class.
        """
        super().__init_subclass__(**words)
        for name in PASSES & vars(cls).keys():
            setattr(cls, name, shape_checked(observable(vars(cls)[name])))
        for name in {"refreshed", "initial_values"} & vars(cls).keys():
            setattr(cls, name, may_underflow(vars(cls)[name]))

    def parameter_shapes(self):
        """{name: shape} of the layer's own parameters; {} by default.

        A network made only of children keeps {}: `Layout` collects the shapes of the children.
        """
        return {}

    def initial_values(self, rng):
        """{name: array}: initial values of the layer's own parameters, drawn from the numpy Generator `rng`.

        The names and shapes are those of `parameter_shapes()`. By default every array is zeros.
        """
        return {name: np.zeros(shape) for name, shape in self.parameter_shapes().items()}

    def refreshed(self, p):
        """{name: array}: new values of the held entries, computed from the parameters p after an update of p.

        Held entries are stored with the weights and not trained. A held entry that is not in the result keeps
        its value. By default the result is {}.
        """
        return {}

    def output_shape(self, shape):
        """The shape of the output for an input of `shape`. Neither shape has the batch axis.

        If an input or output is a tuple of arrays, its shape is a tuple of shapes. By default the output has
        the shape of the input.
        """
        return shape

    def forward(self, p, x, context=Pass()):
        """(y, cache): the output for the input x, and the values that the backward pass needs.

        p         the layer's parameters, a mapping {name: array} such as Parameters
        x         an array, or a tuple of arrays, with the batch as first axis
        context   a Pass: the seed of random numbers and measured statistics; by default there are none

        Raises TypeError if the class does not define this pass.
        """
        raise TypeError(f"{self!r} has no forward pass; define forward(self, p, x, context) -> (y, cache)")

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """(dx, dp): the derivatives of the loss with respect to x and to the parameters p.

        dy         the derivative of the loss with respect to y
        cache      the second result of `forward`. If it is a tuple, it also records the shapes of x and y:
                   then a dy of another shape than y raises ValueError
        frozen     True: dp is None, and no weight-gradient kernel runs
        need_dx    False: dx is None

        dp is a mapping {name: array}, which is empty for a layer without parameters. An array of None means
        zero. dx is also None if x holds integers, such as labels. Raises TypeError if the class does not
        define this pass.
        """
        raise TypeError(
            f"{self!r} has no backward pass; "
            "define backward(self, dy, cache, frozen=False, need_dx=True) -> (dx, dp)"
        )

    def tangent_forward(self, tx, cache, tp=None):
        """(ty, tcache): the tangent of y when x moves along tx and the parameters along tp.

        tx       the tangent of x, in the shape of x; cache: the second result of `forward`
        tp       the tangent of the parameters, a mapping {name: array}; None, the default: they do not move
        tcache   what `tangent_backward` needs

        tx, tp and ty may be None, which means zero. The functions `term` and `total` compute with such a
        None. Raises TypeError if the class does not define this pass.
        """
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_forward"
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        """(tdx, tdp): the tangents of dx and dp when x and p move along tx and tp, and dy along tdy.

        dx and dp are the results of `backward` for dy, and cache is the second result of `forward`. tcache is
        the second result of `tangent_forward` for tx and tp. tdy, tdx and arrays in tdp or tcache may be
        None, which means zero. As in `backward`, frozen=True makes tdp None, and need_dx=False makes tdx
        None. Raises TypeError if the class does not define this pass.
        """
        raise TypeError(
            f"{self!r} has no tangent passes, so it cannot be used in a second-order objective; "
            "define tangent_backward"
        )

    def backward_keeping(self, dy, cache):
        """(dx, dys): dx of the backward pass for dy and cache, and an argument for `tangent_backward`.

        No gradient of the parameters is computed. Give dys to `tangent_backward` in place of dy. By default
        dys is dy. For a Sequential, dys also holds the derivatives between its layers, so that
        `tangent_backward` does not compute them again.
        """
        dx, _ = self.backward(dy, cache, frozen=True)
        return dx, dy

    def batch_statistics(self, cache):
        """{name: array}: the batch statistics of one forward pass, read from the cache of that pass.

        BatchNorm returns its mean and variance. A network returns a nested dict {layer name: {name: array}}.
        All other layers return {}.
        """
        return {}

    def flops(self, shape):
        """The number of floating-point operations of one forward pass for one sample of `shape`.

        `shape` has no batch axis. A multiply-add counts as two operations. By default there is one operation
        for each entry of the output.
        """
        return entries(self.output_shape(shape))

    @cached_property
    def layout(self):
        """The Layout of the parameters: the place of each one in the vector that holds all parameters."""
        return Layout.of(self)

    @property
    def has_tangents(self):
        """Whether this layer and all layers in it define the two tangent passes, True or False.

        Second-order objectives, such as gradient penalties, need them.
        """
        own = all(
            getattr(type(self), name) is not getattr(Layer, name)
            for name in ("tangent_forward", "tangent_backward")
        )
        return own and all(child.has_tangents for child in self.children.values())

    def init(self, rng=0, dtype=np.float32):
        """New Parameters of this layer or network with initial values.

        rng      a numpy Generator, or an integer as the seed of a new one; 0 by default
        dtype    float32, the default, or float64

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
        """The text between the brackets of the repr, such as "3, slope=0.2".

        First comes the value of each attribute in `shown`, then name=value for each one in `options` that is
        not the default.
        """
        shown = [brief(getattr(self, name)) for name in self.shown]
        for name, default in self.options.items():
            if getattr(self, name) != default:
                shown.append(f"{name}={brief(getattr(self, name))}")
        return ", ".join(shown)

    def __repr__(self):
        return f"{type(self).__name__}({self.arguments()})"

    def summary(self, shape, batch=1, dtype=np.float32):
        """A Summary: a printable table of the output shape, parameters, bytes and flops of each layer.

        shape    the shape of one input, without the batch axis
        batch    the number of samples for which bytes and flops are counted
        dtype    the number format of the parameters and of all outputs, float32 by default
        """
        from .summary import Summary

        return Summary(self, shape, batch, dtype)


class LinearMap(Layer):
    """The base class of linear layers without parameters: y = A x with a matrix A.

    So dx = A' dy, ty = A tx and tdx = A' tdy, where A' is the transpose of A. A subclass defines

    apply(x, context) -> (y, kept)        kept is the value that the other two methods need; the cache of the
                                          forward pass is (kept,)
    transpose(dy, kept) -> dx
    apply_to_tangent(tx, kept) -> ty      by default the y of apply(tx, None). A subclass needs its own method
                                          if `apply` makes A anew, as Dropout draws its mask, or adds a
                                          constant to y, as Noise does

    several is True for a layer whose x is a tuple of arrays; then `apply` checks the arrays. Otherwise the
    forward pass raises TypeError if x is not an array of floats.
    """

    several = False

    def apply(self, x, context):
        raise TypeError(f"{self!r}: define apply(self, x, context) -> (y, kept)")

    def apply_to_tangent(self, tx, kept):
        ty, _ = self.apply(tx, None)
        return ty

    def forward(self, p, x, context=Pass()):
        # (y, (kept,)) with y = A x. Raises TypeError if x must be an array of floats and is not.
        if not self.several:
            expect_floats(self, x)
        y, kept = self.apply(x, context)
        return y, (kept,)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # dx = A' dy; cache is (kept,); there are no parameters, so dp is empty
        return self.transpose(dy, *cache) if need_dx else None, None if frozen else {}

    def tangent_forward(self, tx, cache, tp=None):
        # ty = A tx
        return None if tx is None else self.apply_to_tangent(tx, *cache), None

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # tdx = A' tdy: dx is linear in dy and does not depend on x
        return self.transpose(tdy, *cache) if need_dx and tdy is not None else None, None if frozen else {}


def each_layer(layer, p, path=(), visited=None):
    """Yield (layer, its parameters, its path) for all layers inside `layer`, and last for `layer` itself.

    layer      a network, or one layer
    p          the Parameters of `layer`
    path       the path of `layer`, a tuple of names; (), the default, for the whole network
    visited    ids of the layers that were already yielded, for the recursive calls; callers leave it out

    A layer object that is used twice is yielded once, with its first path. Children come before the layer
    that is made of them.
    """
    visited = set() if visited is None else visited
    for name, child in layer.children.items():
        yield from each_layer(child, p.child(name), (*path, name), visited)
    if id(layer) not in visited:
        visited.add(id(layer))
        yield layer, p, path


def total(*terms):
    """The sum of the terms (arrays) that are not None; None if there is no such term.

    A term is a tangent. None means exactly zero.
    """
    terms = [term for term in terms if term is not None]
    return sum(terms[1:], terms[0]) if terms else None  # starting at terms[0] saves the addition of 0


def term(f, *arguments):
    """The value f(*arguments), or None if one of the arguments is None: one term of a sum of tangents.

    None means a tangent that is exactly zero. f must be linear in every argument that may be None: then f is
    zero if this argument is.
    """
    return None if any(argument is None for argument in arguments) else f(*arguments)


def product_rule(f, a, b, ta, tb, *rest):
    """The tangent of f(a, b, *rest), if f is linear in a and in b: f(ta, b, *rest) + f(a, tb, *rest).

    ta and tb are the tangents of a and b; the arguments `rest` are constants. A tangent of None means zero.
    The result is None if ta and tb are None.
    """
    return total(term(f, ta, b, *rest), term(f, a, tb, *rest))


def joined(tangents, shapes):
    """The tangents, concatenated along the last axis. A tangent of None becomes zeros.

    tangents    a tuple of arrays or None
    shapes      the shape of each tangent, for these zeros

    The zeros have the dtype of the first array. If all tangents are None, the result is None.
    """
    dtype = next((t.dtype for t in tangents if t is not None), None)
    if dtype is None:
        return None
    parts = [np.zeros(shape, dtype) if t is None else t for t, shape in zip(tangents, shapes)]
    return np.concatenate(parts, axis=-1)


def expect_floats(layer, x):
    """Raise TypeError unless x is a plain NumPy array of float32 or float64. Returns nothing.

    layer    the layer whose input x is, for the message

    The kernels compute with these two types only. An array of integers would round every constant of a layer
    to an integer. A subclass of arrays, such as a masked array, is not a plain array.
    """
    if dtype_of(x) not in (np.float32, np.float64):
        raise TypeError(
            f"{layer!r}: expected x as a float32 or float64 array, got {dtype_of(x)}; "
            "convert it with np.asarray(x, np.float32)"
        )


def expect(layer, condition, expected, got, advice=""):
    """Raise ValueError "LAYER: expected x EXPECTED, got GOT; ADVICE" unless `condition` is true.

    layer       the layer, whose repr begins the message
    expected    the text EXPECTED
    got         the value GOT: for an array or a tuple of arrays the message shows the shapes
    advice      the text ADVICE; "", the default: there is none
    """
    if not condition:
        got = (
            tuple(g.shape for g in got)
            if isinstance(got, tuple) and got and hasattr(got[0], "shape")
            else getattr(got, "shape", got)
        )
        raise ValueError(f"{layer!r}: expected x {expected}, got {got}" + (f"; {advice}" if advice else ""))


def expect_images(layer, x):
    """Raise ValueError unless x has four axes (N, H, W, C) and `layer` accepts images (H, W, C).

    The layer accepts them if its method output_shape((H, W, C)) raises no error. Returns nothing.
    """
    expect(layer, x.ndim == 4, "(N, H, W, C)", x)
    layer.output_shape(x.shape[1:])


def shapes_in(shape):
    """The list of all shapes in `shape`, which is one shape or a (nested) tuple of shapes."""
    nested = [part for part in shape if isinstance(part, tuple)]  # a single shape holds numbers, no tuples
    return [s for part in nested for s in shapes_in(part)] if nested else [shape]


def entries(shape):
    """The number of entries of an array of `shape`, summed over all shapes of a (nested) tuple of shapes."""
    return sum(map(math.prod, shapes_in(shape)))
