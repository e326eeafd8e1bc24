"""Networks: Sequential, Residual, Skip, Parallel and Condition are layers made of layers.

A pass of a network runs the same pass of its children, in order or in reverse order. The gradients of the
children are gathered into one vector in the form of the parameters. `p.child(name)` has the parameters of one
child.
"""

import numpy as np

from ..core.parameters import gather
from ..core.probes import kink, unfused
from .base import Layer, Pass, expect, total
from .fusing import UNFUSED, plan


class Network(Layer):
    """A layer made of layers, `children` {name: layer}: the base class of all networks.

    Raises TypeError if a child is not a layer.
    """

    def _set(self, children):
        for name, child in children.items():
            if not isinstance(child, Layer):
                raise TypeError(
                    f"{type(self).__name__}: expected layers, got {child!r} at {name}; give layers only"
                )
        self.children = children

    def _enter(self, name, p, x, context, **fused):
        """The forward pass of the child `name`."""
        context = context.child(name)
        return self.children[name].forward(p.child(name), x, context, **fused)

    def parts(self, shape):
        """Yield (name, child, input shape of the child) in order, for an input of `shape`.

        Shapes are without the batch axis.
        """
        for name, child in self.children.items():
            yield name, child, shape

    def flops(self, shape):
        return sum(child.flops(inner) for _, child, inner in self.parts(shape))

    def _gather(self, parts, like, own=None):
        """The gradient of this network.

        parts    the gradients of its children, [(name, gradient)]
        own      the gradients of its own parameters, {name: array}, or None
        """
        return gather(self.layout, parts, like.dtype, own)

    def batch_statistics(self, cache):
        found = {
            name: child.batch_statistics(part) for (name, child), part in zip(self.children.items(), cache)
        }
        return {name: value for name, value in found.items() if value}

    def __repr__(self):
        rows = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.children.items()]
        return f"{type(self).__name__}(" + "".join(f"\n  {row}" for row in rows) + ("\n)" if rows else ")")


def _child(p, name):
    return None if p is None else p.child(name)


class Sequential(Network):
    """y = f_k(... f_1(x))          x has the input shape of f_1, y the output shape of f_k

    `net[:k]` and `net[k:]` are networks over the same parameters, `net[i]` is a layer. Sequential() is the
    identity.

    A ReLU or LeakyReLU after Dense, a convolution or BatchNorm is fused into that layer's kernel and costs no
    extra pass over memory. In the backward pass its derivative is fused into the kernel of a neighbouring
    layer. Caches and tangent passes are the same as without fusing.
    """

    def __init__(self, *layers):
        self._set({str(i): layer for i, layer in enumerate(layers)})

    def _set(self, children):
        super()._set(children)
        trained = [i for i, child in enumerate(children.values()) if child.layout.size]
        # The first layer with parameters: training needs no dx of this layer or of any layer before it.
        self._first = trained[0] if trained else len(children)
        self._planned = None, None

    def _plan(self):
        """The plan of fusing for the children. It is made anew if a child was replaced."""
        layers, known = list(self.children.values()), self._planned
        if layers != known[0]:
            self._planned = known = layers, plan(layers)
        return known[1]

    def __len__(self):
        return len(self.children)

    def __getitem__(self, place):
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
        caches = []
        for name, step in zip(self.children, self._plan()):
            step = UNFUSED if unfused() else step
            if step.before:
                kink(lambda: x > 0)
                cache = (x,)  # a fused LeakyReLU: x is already its output
            else:
                x, cache = self._enter(name, p, x, context, **step.forward)
            caches.append(cache)
        return x, tuple(caches)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        parts, like, steps = [], dy, self._plan()
        for i, (name, child) in reversed(list(enumerate(self.children.items()))):
            if i < self._first and not need_dx:
                break
            if steps[i].after:  # a LeakyReLU whose derivative a neighbour's kernel computes
                continue
            need = need_dx or i > self._first
            dy, dp = child.backward(
                dy,
                cache[i],
                frozen,
                need,
                **steps[i].backward(cache[i - 1]) if need or not steps[i].gated else {},
            )
            parts.append((name, dp))
        return dy if need_dx else None, None if frozen else self._gather(parts, _first(like))

    def tangent_forward(self, tx, cache, tp=None):
        tcaches = []
        for (name, child), part in zip(self.children.items(), cache):
            tx, tcache = child.tangent_forward(tx, part, _child(tp, name))
            tcaches.append(tcache)
        return tx, tuple(tcaches)

    def backward_keeping(self, dy, cache):
        """dx of a frozen backward pass, and a KeptBackward with the dy of every layer.

        Give it to tangent_backward as dy, and tangent_backward computes none of them again.
        """
        dys = [dy]
        for child, part in reversed(list(zip(self.children.values(), cache))):
            dys.append(child.backward(dys[-1], part, frozen=True)[0])
        return dys[-1], KeptBackward(reversed(dys))

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        kept = dy if isinstance(dy, KeptBackward) else None
        dy = dy if kept is None else kept[-1]
        parts, like = [], dy
        for i, (name, child) in reversed(list(enumerate(self.children.items()))):
            if i < self._first and not need_dx:
                tdy = None
                break
            need = need_dx or i > self._first
            tdy, tdp = child.tangent_backward(dy, tdy, cache[i], tcache[i], frozen, need)
            if i and need:
                dy = kept[i] if kept else child.backward(dy, cache[i], frozen=True)[0]
            parts.append((name, tdp))
        return tdy if need_dx else None, None if frozen else self._gather(parts, _first(like))


class KeptBackward(tuple):
    """All dy of a backward pass through a Sequential: (dx of layer 0, dx of layer 1, ..., dy of the last)."""


def _first(arrays):
    """The first array in a tuple of arrays, tuples and None; its dtype is that of the gradient."""
    return (
        next((found for found in map(_first, arrays) if found is not None), None)
        if isinstance(arrays, tuple)
        else arrays
    )


class Residual(Network):
    """y = f(x) + s(x); the shortcut s is the identity by default (He et al. 2016, eq. 1)

    x has any shape; f(x), s(x) and y have one shape. Raises ValueError if f(x) and s(x) differ in shape.
    """

    def __init__(self, body, shortcut=None):
        self._set({"body": body, "shortcut": Sequential() if shortcut is None else shortcut})

    def output_shape(self, shape):
        one, two = (child.output_shape(shape) for child in self.children.values())
        expect(self, one == two, "that body and shortcut map to one shape", f"{one} and {two}")
        return one

    def flops(self, shape):
        return super().flops(shape) + int(np.prod(self.output_shape(shape)))

    def forward(self, p, x, context=Pass()):
        ys, caches = zip(*(self._enter(name, p, x, context) for name in self.children))
        expect(self, ys[0].shape == ys[1].shape, "that body and shortcut map to one shape", ys)
        return ys[0] + ys[1], caches

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dxs, dps = zip(
            *(child.backward(dy, part, frozen, need_dx) for child, part in zip(self.children.values(), cache))
        )
        return total(*dxs), None if frozen else self._gather(list(zip(self.children, dps)), dy)

    def tangent_forward(self, tx, cache, tp=None):
        tys, tcaches = zip(
            *(
                child.tangent_forward(tx, part, _child(tp, name))
                for (name, child), part in zip(self.children.items(), cache)
            )
        )
        return total(*tys), tcaches

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdxs, tdps = zip(
            *(
                child.tangent_backward(dy, tdy, part, tpart, frozen, need_dx)
                for child, part, tpart in zip(self.children.values(), cache, tcache)
            )
        )
        return total(*tdxs), None if frozen else self._gather(list(zip(self.children, tdps)), dy)


class Skip(Network):
    """y = concat(x, f(x)) along channels; nested Skips make a U-Net (Ronneberger et al. 2015, figure 1)

    x (..., C)   f(x) (..., F)   y (..., C + F)

    Raises ValueError if x and f(x) differ in an axis other than the last.
    """

    def __init__(self, body):
        self._set({"body": body})

    def output_shape(self, shape):
        inner = self.children["body"].output_shape(shape)
        expect(
            self,
            inner[:-1] == shape[:-1],
            "that the body keeps all sizes but the last",
            f"{shape} -> {inner}",
        )
        return *shape[:-1], shape[-1] + inner[-1]

    def forward(self, p, x, context=Pass()):
        y, cache = self._enter("body", p, x, context)
        expect(self, y.shape[:-1] == x.shape[:-1], "that the body keeps all sizes but the last", (x, y))
        return np.concatenate([x, y], axis=-1), (cache, x.shape)

    def batch_statistics(self, cache):
        return super().batch_statistics(cache[:1])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        part, (*_, c) = cache
        dx, dp = self.children["body"].backward(np.ascontiguousarray(dy[..., c:]), part, frozen, need_dx)
        return total(dx, dy[..., :c]) if need_dx else None, None if frozen else self._gather(
            [("body", dp)], dy
        )

    def tangent_forward(self, tx, cache, tp=None):
        part, shape = cache
        ty, tcache = self.children["body"].tangent_forward(tx, part, _child(tp, "body"))
        if tx is None and ty is not None:
            tx = np.zeros(shape, ty.dtype)
        return None if ty is None and tx is None else np.concatenate([tx, ty], axis=-1), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        part, (*_, c) = cache
        inner = None if tdy is None else np.ascontiguousarray(tdy[..., c:])
        tdx, tdp = self.children["body"].tangent_backward(
            np.ascontiguousarray(dy[..., c:]), inner, part, tcache, frozen, need_dx
        )
        if need_dx:
            tdx = total(tdx, None if tdy is None else tdy[..., :c])
        return tdx, None if frozen else self._gather([("body", tdp)], dy)


class Parallel(Network):
    """(x_1, ..., x_k) -> (f_1(x_1), ..., f_k(x_k)): one layer for each array, such as an image and its label

    Raises ValueError unless x is a tuple of k arrays.
    """

    def __init__(self, *layers):
        self._set({str(i): layer for i, layer in enumerate(layers)})

    def parts(self, shapes):
        expect(self, len(shapes) == len(self.children), f"a tuple of {len(self.children)} shapes", shapes)
        return zip(self.children, self.children.values(), shapes)

    def output_shape(self, shapes):
        return tuple(child.output_shape(shape) for _, child, shape in self.parts(shapes))

    def forward(self, p, x, context=Pass()):
        expect(
            self,
            isinstance(x, tuple) and len(x) == len(self.children),
            f"a tuple of {len(self.children)} arrays",
            x,
        )
        return tuple(zip(*(self._enter(name, p, part, context) for name, part in zip(self.children, x))))

    def backward(self, dy, cache, frozen=False, need_dx=True):
        """dy is None for an output that the loss does not use; its child then runs no backward pass."""
        dxs, dps = zip(
            *(
                (None, None) if d is None else child.backward(d, part, frozen, need_dx)
                for child, d, part in zip(self.children.values(), dy, cache)
            )
        )
        return dxs if need_dx else None, None if frozen else self._gather(
            list(zip(self.children, dps)), _first(dy)
        )

    def tangent_forward(self, tx, cache, tp=None):
        tx = (None,) * len(self.children) if tx is None else tx
        return tuple(
            zip(
                *(
                    child.tangent_forward(t, part, _child(tp, name))
                    for (name, child), t, part in zip(self.children.items(), tx, cache)
                )
            )
        )

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdy = (None,) * len(self.children) if tdy is None else tdy
        tdxs, tdps = zip(
            *(
                (None, None) if d is None else child.tangent_backward(d, td, part, tpart, frozen, need_dx)
                for child, d, td, part, tpart in zip(self.children.values(), dy, tdy, cache, tcache)
            )
        )
        tdp = None if frozen else self._gather(list(zip(self.children, tdps)), _first(dy))
        return tdxs if need_dx else None, tdp


class Condition(Network):
    """(h, c) -> (f(concat(h, c)), c): the layer f has the condition c as additional input, and c is passed on

    h (N, ..., H)   c (N, C), repeated over the axes between   concat(h, c) (N, ..., H + C)

    The next layer gets the same c, so the gradients of c from all layers are added.
    Raises ValueError unless x is such a pair.
    """

    def __init__(self, layer):
        self._set({"layer": layer})

    def parts(self, shapes):
        h, c = shapes
        yield "layer", self.children["layer"], (*h[:-1], h[-1] + c[-1])

    def output_shape(self, shapes):
        ((_, layer, joined),) = self.parts(shapes)
        return layer.output_shape(joined), shapes[1]

    def forward(self, p, x, context=Pass()):
        expect(
            self,
            isinstance(x, tuple) and len(x) == 2 and x[1].ndim == 2 and len(x[0]) == len(x[1]),
            "a tuple h (N, ..., H), c (N, C)",
            x,
        )
        h, c = x
        y, cache = self._enter("layer", p, self._join(h, c, h.shape), context)
        return (y, c), (cache, h.shape, c.shape)

    def batch_statistics(self, cache):
        return super().batch_statistics(cache[:1])

    @staticmethod
    def _join(h, c, shape):
        n, *between, _ = shape
        return np.concatenate(
            [h, np.broadcast_to(c.reshape(n, *(1,) * len(between), -1), (n, *between, c.shape[1]))], axis=-1
        )

    @staticmethod
    def _part(dx, dc, shape):
        """dh and dc from dx of the concatenation.

        dc is the sum over positions, plus the dc of later layers.
        """
        if dx is None:
            return None, dc
        dh, places = dx[..., : shape[-1]], dx[..., shape[-1] :]
        return np.ascontiguousarray(dh), total(dc, places.reshape(shape[0], -1, places.shape[-1]).sum(axis=1))

    def backward(self, dy, cache, frozen=False, need_dx=True):
        (dy, dc), (part, shape, _) = dy, cache
        dx, dp = self.children["layer"].backward(dy, part, frozen, need_dx)
        return self._part(dx, dc, shape) if need_dx else None, None if frozen else self._gather(
            [("layer", dp)], dy
        )

    def tangent_forward(self, tx, cache, tp=None):
        (th, tc), (part, *shapes) = (None, None) if tx is None else tx, cache
        joined = None
        if th is not None or tc is not None:
            dtype = (tc if th is None else th).dtype
            joined = self._join(
                *(np.zeros(shape, dtype) if t is None else t for t, shape in zip((th, tc), shapes)), shapes[0]
            )
        ty, tcache = self.children["layer"].tangent_forward(joined, part, _child(tp, "layer"))
        return (ty, tc), tcache

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (dy, _), (tdy, tdc), (part, shape, _) = dy, (None, None) if tdy is None else tdy, cache
        tdx, tdp = self.children["layer"].tangent_backward(dy, tdy, part, tcache, frozen, need_dx)
        tdp = None if frozen else self._gather([("layer", tdp)], dy)
        return self._part(tdx, tdc, shape) if need_dx else None, tdp
