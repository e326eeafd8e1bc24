"""Networks: Sequential, Residual, Skip, Parallel and Condition are layers made of other layers, the children.

A pass of a network runs the same pass of its children, in order or in reverse order. `p.child(name)` holds
the parameters of one child. The gradients of the children are gathered into one gradient, which has the form
of the network's parameters.
"""

import numpy as np

from ..core.parameters import gather
from ..core.probes import kink, unfused
from .base import Layer, Pass, entries, expect, joined, term, total
from .fusing import UNFUSED, plan
from .shapes import shape_of


class Network(Layer):
    """The base class of all networks: a layer made of other layers, its children, {name: layer}.

    Network(a, b, ...) names the children "0", "1", ... The attribute `children` is this dict. Raises
    TypeError if a child is not a layer.
    """

    def __init__(self, *layers):
        self._set({str(i): layer for i, layer in enumerate(layers)})

    def _set(self, children):
        """Set the attribute `children` to this dict {name: layer}. Raises TypeError if one is not a layer."""
        for name, child in children.items():
            if not isinstance(child, Layer):
                raise TypeError(
                    f"{type(self).__name__}: expected layers, got {child!r} at {name}; give layers only"
                )
        self.children = children

    def _enter(self, name, p, x, context, **fused):
        """(y, cache): run the forward pass of the child `name`, with this child's parameters and context.

        p and context are those of the network, x is the input of the child. `fused` are additional keyword
        arguments of the child's pass, such as slope (see fusing.py).
        """
        return self.children[name].forward(p.child(name), x, context.child(name), **fused)

    def _enter_tangent(self, name, tx, cache, tp):
        """(ty, tcache): run the tangent_forward pass of the child `name`.

        tx and cache are those of the child. tp is the tangent of the network's parameters; None means zero.
        """
        return self.children[name].tangent_forward(tx, cache, None if tp is None else tp.child(name))

    def parts(self, shape):
        """Yield (name, child, input shape of the child) for each child, a layer of this network.

        `shape` is the input shape of the network. By default each child gets the network's input. No shape
        has the batch axis.
        """
        for name, child in self.children.items():
            yield name, child, shape

    def flops(self, shape):
        return sum(child.flops(inner) for _, child, inner in self.parts(shape))

    def _gradient(self, parts, dy, frozen):
        """The Gradient of this network, in the form of its parameters; None if `frozen` is True.

        parts    pairs (name, gradient) of the children; a gradient of None means zero
        dy       the derivative with respect to the output: its first array gives the dtype of the gradient
        """
        return None if frozen else gather(self.layout, parts, _first_array(dy).dtype)

    def batch_statistics(self, cache):
        # The nested dict of `Layer.batch_statistics`; the cache begins with the caches of the children.
        found = {
            name: child.batch_statistics(part) for (name, child), part in zip(self.children.items(), cache)
        }
        return {name: value for name, value in found.items() if value}

    def __repr__(self):
        rows = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.children.items()]
        return f"{type(self).__name__}(" + "".join(f"\n  {row}" for row in rows) + ("\n)" if rows else ")")


class Sequential(Network):
    """y = f_k(... f_1(x)): the layers f_1, ..., f_k, one after another. Sequential() is the identity.

    `net[i]` is a layer. `net[:i]` and `net[i:]` are networks of some of these layers. Their layers keep the
    names that they have in `net`, so both use the parameters of `net`.

    A ReLU or LeakyReLU after Dense, a convolution or BatchNorm is fused: the kernel of that layer computes
    it, without an extra pass over memory. In the backward pass the kernel of a neighbouring layer computes
    its derivative, where fusing.py allows it. Caches and tangent passes are the same as without fusing.
    """

    _planned = None, None

    def _plan(self):
        """A list with one `Fused` for each layer: which layers are fused (see fusing.py).

        The list is stored in this object. It is made again after a layer of the network was replaced.
        """
        layers = list(self.children.values())
        planned_layers, steps = self._planned
        if layers != planned_layers:
            steps = plan(layers)
            self._planned = layers, steps
        return steps

    def __len__(self):
        return len(self.children)

    def __getitem__(self, place):
        """The layer at the index `place`, or for a slice a Sequential of these layers with their names."""
        if not isinstance(place, slice):
            return list(self.children.values())[place]
        part = type(self)()
        part._set(dict(list(self.children.items())[place]))
        return part

    def parts(self, shape):
        for name, child in self.children.items():
            yield name, child, shape
            shape = child.output_shape(shape)

    def output_shape(self, shape):
        for child in self.children.values():
            shape = child.output_shape(shape)
        return shape

    def forward(self, p, x, context=Pass()):
        # (y, cache): each layer gets the output of the one before it; cache is the tuple of their caches.
        caches = []
        steps = [UNFUSED] * len(self) if unfused() else self._plan()
        for name, step in zip(self.children, steps):
            if step.before:  # a LeakyReLU that the layer before it has computed
                kink(lambda: x > 0)  # tells a gradient check on which side of the kink each entry lies
                cache = (x,)  # x is already the output of the LeakyReLU, and its cache is its output
            else:
                x, cache = self._enter(name, p, x, context, **step.forward)
            caches.append(cache)
        return x, tuple(caches)

    def _downwards(self, need_dx):
        """Yield (index, name, layer, whether its dx is needed: bool) from the last layer to the first.

        need_dx   whether the dx of the network is needed. If False, the loop ends at the first layer of the
                  network that has parameters, and the dx of this layer is not needed. Nothing is yielded if
                  no layer has parameters
        """
        layers = list(self.children.items())
        trained = [i for i, (_, layer) in enumerate(layers) if layer.layout.size]
        first = 0 if need_dx else min(trained, default=len(layers))
        for i in reversed(range(first, len(layers))):
            yield i, *layers[i], need_dx or i > first

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """(dx, dp) by the chain rule: the dx of each layer is the dy of the layer before it.

        dx is the derivative of the loss with respect to x, and dp the Gradient of all parameters. cache is
        the second result of `forward`. frozen=True makes dp None, and need_dx=False makes dx None.
        """
        parts, like = [], dy
        steps = self._plan()
        for i, name, layer, need in self._downwards(need_dx):
            if not steps[i].after:  # otherwise a neighbour's kernel has applied this layer's derivative to dy
                dy, dp = layer.backward(dy, cache[i], frozen, need, **steps[i].backward(cache[i - 1]))
                parts.append((name, dp))
        return dy if need_dx else None, self._gradient(parts, like, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, tcache): each layer gets the ty of the one before it; tcache is the tuple of their tcaches.
        tcaches = []
        for name, part in zip(self.children, cache):
            tx, tcache = self._enter_tangent(name, tx, part, tp)
            tcaches.append(tcache)
        return tx, tuple(tcaches)

    def backward_keeping(self, dy, cache):
        """(dx, dys): dx of a frozen backward pass, and a KeptBackward with the derivatives between layers.

        A frozen pass computes no weight gradient. dy is the derivative with respect to the output, and cache
        the second result of `forward`. Give dys to `tangent_backward` in place of dy. Then that pass does not
        compute these derivatives again.
        """
        dys = [dy]
        for child, part in reversed(list(zip(self.children.values(), cache))):
            dx, _ = child.backward(dys[-1], part, frozen=True)
            dys.append(dx)
        return dys[-1], KeptBackward(reversed(dys))

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, tdp): from the last layer to the first, with the dy and tdy of each layer.
        # kept: the dx of every layer, if `backward_keeping` has computed them; its last entry is dy
        kept = dy if isinstance(dy, KeptBackward) else None
        dy = dy if kept is None else kept[-1]
        parts, like = [], dy
        for i, name, layer, need in self._downwards(need_dx):
            tdy, tdp = layer.tangent_backward(dy, tdy, cache[i], tcache[i], frozen, need)
            parts.append((name, tdp))
            if i and need:  # the dx of layer i is the dy of the layer before it
                dy = kept[i] if kept else layer.backward(dy, cache[i], frozen=True)[0]
        return tdy if need_dx else None, self._gradient(parts, like, frozen)


class KeptBackward(tuple):
    """A tuple of all derivatives that one backward pass through a Sequential of k layers computes.

    Entry i, for i = 0..k-1, is the dx of layer i, so entry 0 is the dx of the network. Entry k is the dy of
    the network.
    """

    @property
    def shape(self):
        """The shape of the network's dy, the last entry; a tuple of shapes if dy is a tuple of arrays."""
        return shape_of(self[-1])


def _first_array(arrays):
    """The first array in `arrays`, which is an array, None, or a (nested) tuple of arrays and None.

    The result is None if there is no array. Its dtype becomes the dtype of a network's gradient.
    """
    if not isinstance(arrays, tuple):
        return arrays
    return next((found for found in map(_first_array, arrays) if found is not None), None)


def _unzipped(pairs):
    """The tuples (a_1, a_2, ...) and (b_1, b_2, ...), a pair, from pairs (a_1, b_1), (a_2, b_2), ..."""
    pairs = list(pairs)
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


class Parallel(Network):
    """(x_1, ..., x_k) -> (f_1(x_1), ..., f_k(x_k)): one layer for each array, such as an image and its label

    The input, the output and their derivatives are tuples of k arrays. Raises ValueError unless x is a tuple
    of k arrays.
    """

    def parts(self, shapes):
        expect(self, len(shapes) == len(self.children), f"a tuple of {len(self.children)} shapes", shapes)
        return zip(self.children, self.children.values(), shapes)

    def output_shape(self, shapes):
        return tuple(child.output_shape(shape) for _, child, shape in self.parts(shapes))

    def forward(self, p, x, context=Pass()):
        # ((y_1, ..., y_k), caches), both tuples. Raises ValueError unless x is a tuple of k arrays.
        fits = isinstance(x, tuple) and len(x) == len(self.children)
        expect(self, fits, f"a tuple of {len(self.children)} arrays", x)
        return _unzipped(self._enter(name, p, part, context) for name, part in zip(self.children, x))

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """(dxs, dp): the tuple of the derivatives with respect to x_1, ..., x_k, and the gradient.

        dy is a tuple with one derivative for each output. If the loss does not use an output, its derivative
        is None. Then the layer of this output runs no backward pass: its dx is None, its weight gradient is
        zero. frozen=True makes dp None, and need_dx=False makes dxs None.
        """
        dxs, dps = _unzipped(
            (None, None) if d is None else child.backward(d, part, frozen, need_dx)
            for child, d, part in zip(self.children.values(), dy, cache)
        )
        return dxs if need_dx else None, self._gradient(zip(self.children, dps), dy, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        # (tys, tcaches), a tuple of k results each. tx is a tuple of k arrays or None, or None.
        tx = (None,) * len(self.children) if tx is None else tx  # None: every tangent is zero
        return _unzipped(
            self._enter_tangent(name, t, part, tp) for name, t, part in zip(self.children, tx, cache)
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdxs, tdp). dy and tdy are tuples; a layer whose dy is None runs no pass, and its tdx is None.
        tdy = (None,) * len(self.children) if tdy is None else tdy
        tdxs, tdps = _unzipped(
            (None, None) if d is None else child.tangent_backward(d, td, part, tpart, frozen, need_dx)
            for child, d, td, part, tpart in zip(self.children.values(), dy, tdy, cache, tcache)
        )
        return tdxs if need_dx else None, self._gradient(zip(self.children, tdps), dy, frozen)


class Residual(Parallel):
    """y = f(x) + s(x): the layer f is `body`, s is `shortcut` (He et al. 2016, eq. 1)

    shortcut = None means the identity. x has any shape; f(x), s(x) and y have one shape. The passes are those
    of Parallel(f, s) on (x, x), followed by a sum. Raises ValueError if f(x) and s(x) differ in shape.
    """

    def __init__(self, body, shortcut=None):
        self._set({"body": body, "shortcut": Sequential() if shortcut is None else shortcut})

    def parts(self, shape):
        return super().parts((shape, shape))

    def output_shape(self, shape):
        one, two = super().output_shape(shape)
        expect(self, one == two, "that body and shortcut map to one shape", f"{one} and {two}")
        return one

    def flops(self, shape):
        return super().flops(shape) + entries(self.output_shape(shape))

    def forward(self, p, x, context=Pass()):
        # (f(x) + s(x), cache). Raises ValueError if f(x) and s(x) differ in shape.
        ys, cache = super().forward(p, (x, x), context)
        body, shortcut = ys
        expect(self, body.shape == shortcut.shape, "that body and shortcut map to one shape", ys)
        return body + shortcut, cache

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dxs, dp = super().backward((dy, dy), cache, frozen, need_dx)
        return total(*dxs) if need_dx else None, dp  # both layers got the same x: their dx are added

    def tangent_forward(self, tx, cache, tp=None):
        tys, tcache = super().tangent_forward((tx, tx), cache, tp)
        return total(*tys), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdxs, tdp = super().tangent_backward((dy, dy), (tdy, tdy), cache, tcache, frozen, need_dx)
        return total(*tdxs) if need_dx else None, tdp


class Skip(Network):
    """y = concat(x, f(x)) along channels; nested Skips make a U-Net (Ronneberger et al. 2015, figure 1)

    x (..., C)   f(x) (..., F)   y (..., C + F)   f is the layer `body`

    Raises ValueError if x and f(x) differ in an axis other than the last.
    """

    def __init__(self, body):
        self._set({"body": body})

    def output_shape(self, shape):
        # The shape (..., C + F) for the `shape` (..., C). Raises ValueError if f changes another size.
        inner = self.children["body"].output_shape(shape)
        fits = inner[:-1] == shape[:-1]
        expect(self, fits, "that the body keeps all sizes but the last", f"{shape} -> {inner}")
        return *shape[:-1], shape[-1] + inner[-1]

    def forward(self, p, x, context=Pass()):
        y, cache = self._enter("body", p, x, context)
        expect(self, y.shape[:-1] == x.shape[:-1], "that the body keeps all sizes but the last", (x, y))
        return np.concatenate([x, y], axis=-1), (cache, x.shape, y.shape)

    @staticmethod
    def _split(dy, shape):
        """Split dy (..., C + F) along its last axis: (part for the channels of x, part for those of f(x)).

        `shape` is the shape of x, whose last number is C. dy may also be a tangent.
        """
        channels = shape[-1]
        return dy[..., :channels], np.ascontiguousarray(dy[..., channels:])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # (dx, dp), where dx is the part of dy for x plus the dx of f for the part of dy for f(x).
        part, shape, _ = cache
        beside, inner = self._split(dy, shape)
        dx, dp = self.children["body"].backward(inner, part, frozen, need_dx)
        dx = total(dx, beside) if need_dx else None
        return dx, self._gradient([("body", dp)], dy, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        part, *shapes = cache
        ty, tcache = self._enter_tangent("body", tx, part, tp)
        return joined((tx, ty), shapes), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, tdp), where tdx is the part of tdy for x plus the tdx of f.
        part, shape, _ = cache
        _, inner = self._split(dy, shape)
        tbeside, tinner = (None, None) if tdy is None else self._split(tdy, shape)
        tdx, tdp = self.children["body"].tangent_backward(inner, tinner, part, tcache, frozen, need_dx)
        tdx = total(tdx, tbeside) if need_dx else None
        return tdx, self._gradient([("body", tdp)], dy, frozen)


class Condition(Network):
    """(h, c) -> (f(concat(h, c)), c): the layer f gets the condition c as an additional input

    h (N, ..., H)   c (N, C)   concat(h, c) (N, ..., H + C): every position of h gets the same c

    c is also an output, so that the next Condition gets the same c. The derivative with respect to c is the
    sum of the derivatives through all these layers. Raises ValueError unless the input is such a pair.
    """

    def __init__(self, layer):
        self._set({"layer": layer})

    def parts(self, shapes):
        h, c = shapes
        yield "layer", self.children["layer"], (*h[:-1], h[-1] + c[-1])

    def output_shape(self, shapes):
        ((_, layer, both),) = self.parts(shapes)  # both: the shape of concat(h, c)
        return layer.output_shape(both), shapes[1]

    def forward(self, p, x, context=Pass()):
        # ((f(concat(h, c)), c), cache). Raises ValueError unless x is a tuple h (N, ..., H), c (N, C).
        fits = isinstance(x, tuple) and len(x) == 2 and x[1].ndim == 2 and len(x[0]) == len(x[1])
        expect(self, fits, "a tuple h (N, ..., H), c (N, C)", x)
        h, c = x
        both = np.concatenate([h, self._repeated(c, h.shape)], axis=-1)
        y, cache = self._enter("layer", p, both, context)
        return (y, c), (cache, h.shape, c.shape[1])

    @staticmethod
    def _repeated(c, shape):
        """The condition c (N, C) as an array (N, ..., C): repeated for each position of h.

        shape   the shape of h, (N, ..., H)
        """
        n, *between, _ = shape
        return np.broadcast_to(c.reshape(n, *(1,) * len(between), -1), (n, *between, c.shape[1]))

    @staticmethod
    def _part(dx, dc, shape):
        """(dh, dc_total) from dx, the derivative with respect to concat(h, c). `shape` is that of h.

        dh holds the channels of dx that belong to h. dc_total (N, C) is the sum of the other channels over
        all positions, plus the argument dc, the derivative with respect to the output c. None means zero, for
        dx, dc and the results.
        """
        if dx is None:
            return None, dc
        features = shape[-1]
        dh = np.ascontiguousarray(dx[..., :features])
        places = dx[..., features:]  # (N, ..., C), below (N, positions, C)
        return dh, total(dc, places.reshape(shape[0], -1, places.shape[-1]).sum(axis=1))

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # ((dh, dc), dp) from dy, the pair of the derivatives with respect to f(concat(h, c)) and c.
        dy, dc = dy
        part, shape, _ = cache
        dx, dp = self.children["layer"].backward(dy, part, frozen, need_dx)
        dx = self._part(dx, dc, shape) if need_dx else None
        return dx, self._gradient([("layer", dp)], dy, frozen)

    def tangent_forward(self, tx, cache, tp=None):
        # ((ty, tc), tcache) from tx, the pair of the tangents of h and c, or None.
        th, tc = (None, None) if tx is None else tx
        part, shape, features = cache
        tboth = joined((th, term(self._repeated, tc, shape)), (shape, (*shape[:-1], features)))
        ty, tcache = self._enter_tangent("layer", tboth, part, tp)
        return (ty, tc), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # ((tdh, tdc), tdp): the tangents of the results of `backward`.
        dy, _ = dy
        tdy, tdc = (None, None) if tdy is None else tdy
        part, shape, _ = cache
        tdx, tdp = self.children["layer"].tangent_backward(dy, tdy, part, tcache, frozen, need_dx)
        tdx = self._part(tdx, tdc, shape) if need_dx else None
        return tdx, self._gradient([("layer", tdp)], dy, frozen)
