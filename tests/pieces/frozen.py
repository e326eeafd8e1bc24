"""Wrong pieces that must not pass: weight gradients in a frozen pass, and weights that lie on the layer."""

import types

import numpy as np

from numgan.layers import Dense, Layer, Pass, Residual, Sequential, Tanh
from pieces import Own, OwnConv, OwnNorm, Piece


class Eager(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        dW, db = x.T @ dy, dy.sum(axis=0)
        return dy @ W.T if need_dx else None, None if frozen else {"W": dW, "b": db}


class Helper(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        gradients = {"W": np.einsum("ni,no->io", x, dy), "b": np.einsum("no->o", dy)}
        return np.dot(dy, W.T) if need_dx else None, gradients if not frozen else None


class Loops(Own):
    def dp(self, dy, x):
        dW, db = np.empty((self.rows, self.columns), dy.dtype), np.zeros(self.columns, dy.dtype)
        for i in range(self.rows):
            for j in range(self.columns):
                dW[i, j] = (x[:, i] * dy[:, j]).sum()
        for row in dy:
            db += row
        return {"W": dW, "b": db}

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dp = self.dp(dy, cache[0])
        return self.dx(dy, *cache) if need_dx else None, None if frozen else dp


class Pair(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        both = (self.dx(dy, *cache) if need_dx else None, self.dp(dy, cache[0]))
        return (both[0], None) if frozen else both


class BiasOnly(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        db = np.add.reduce(dy, axis=0)
        return dy @ W.T if need_dx else None, None if frozen else {"W": x.T @ dy, "b": db}


class Transposed(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        turned = np.tensordot(dy, x, ((0,), (0,)))
        return dy @ W.T if need_dx else None, None if frozen else {"W": turned.T, "b": dy.sum(0)}


class OnSelf(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        self.dW = x.T @ dy
        return dy @ W.T if need_dx else None, None if frozen else {"W": self.dW, "b": dy.sum(0)}


class EachSample(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        each = x[:, :, None] * dy[:, None, :]
        return dy @ W.T if need_dx else None, None if frozen else {"W": each.sum(0), "b": dy.sum(0)}


class Cleared(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        dp = {"W": x.T @ dy, "b": dy.sum(0)}
        if frozen:
            for array in dp.values():
                array[...] = 0
        return dy @ W.T if need_dx else None, None if frozen else dp


class ScaledFirst(Own):
    """The gradient of the mean, multiplied by N later: a factor hides nothing."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        mean = x.T @ dy / len(x)
        return dy @ W.T if need_dx else None, None if frozen else {"W": mean * len(x), "b": dy.sum(0)}


class InAList(Own):
    """The gradient has no name: one of two values of a list is taken."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        dx = dy @ W.T if need_dx else None
        return dx, [{"W": x.T @ dy, "b": dy.sum(axis=0)}, None][frozen]


class Dropped(Own):
    """The gradient is computed once more, and nothing is done with it."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        np.einsum("ni,no->io", cache[0], dy)
        return super().backward(dy, cache, frozen, need_dx)


class Lookup(Layer):
    """An embedding. A frozen pass has nothing at all to compute."""

    def parameter_shapes(self):
        return {"table": (5, 3)}

    def output_shape(self, shape):
        return *shape, 3

    def forward(self, p, x, context=Pass()):
        return p["table"][x], x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dtable = np.zeros((5, 3), dy.dtype)
        np.add.at(dtable, cache, dy)
        return None, None if frozen else {"table": dtable}


class Square(Eager):
    """All sizes are 3, so every array has the shape of W."""

    def __init__(self):
        super().__init__(3, 3)


class ConvEager(OwnConv):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        dp = self.dp(dy, cache[0])
        return self.dx(dy, *cache) if need_dx else None, None if frozen else dp


class NormEager(OwnNorm):
    """dx of LayerNorm does not need the sums over the samples that gain and bias have."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, _ = super().backward(dy, cache, True, need_dx)
        sums = (dy * cache[0]).sum(axis=0), dy.sum(axis=0)
        return dx, None if frozen else dict(zip(("gain", "bias"), sums))


class Scale(Layer):
    """y = s x with one number s."""

    def parameter_shapes(self):
        return {"s": (1,)}

    def forward(self, p, x, context=Pass()):
        return p["s"] * x, (x, p["s"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, s = cache
        ds = (dy * x).sum()
        return s * dy if need_dx else None, None if frozen else {"s": np.array([ds])}


class TangentEager(Own):
    def tangent_forward(self, tx, cache, tp=None):
        (x, W), ty = cache, 0
        if tx is not None:
            ty = ty + tx @ W
        if tp is not None:
            ty = ty + x @ tp["W"] + tp["b"]
        return (None if tx is None and tp is None else ty), (tx, None if tp is None else tp["W"])

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (x, W), (tx, tW) = cache, tcache
        tdx, tdW, tdb = np.zeros_like(x), np.zeros_like(W), np.zeros(self.columns, x.dtype)
        if tdy is not None:
            tdx, tdW, tdb = tdx + tdy @ W.T, tdW + x.T @ tdy, tdb + tdy.sum(0)
        if tW is not None:
            tdx = tdx + dy @ tW.T
        if tx is not None:
            tdW = tdW + tx.T @ dy
        return tdx if need_dx else None, None if frozen else {"W": tdW, "b": tdb}


# ---- weights on the layer

rng = np.random.default_rng(3)


class SelfW(Layer):
    def __init__(self, make=lambda: rng.standard_normal((4, 3))):
        self.W = make()

    def output_shape(self, shape):
        return (3,)

    def forward(self, p, x, context=Pass()):
        return x @ self.W, x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy @ self.W.T if need_dx else None, None if frozen else {}


class SelfGradient(SelfW):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        if not frozen:
            self.dW = 7 * cache.T @ dy
        return super().backward(dy, cache, frozen, need_dx)


class Inside(SelfW):
    """The same weights, found by `get` in a list, a dict or an object."""

    def __init__(self, name, thing, get):
        setattr(self, name, thing)
        self.get = get

    W = property(lambda self: self.get(self))


class ClassW(Layer):
    weights = rng.standard_normal((4, 3))

    def output_shape(self, shape):
        return (3,)

    def forward(self, p, x, context=Pass()):
        return x @ type(self).weights, x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy @ type(self).weights.T if need_dx else None, None if frozen else {}


class SelfBias(Own):
    """W is a parameter, and b is forgotten on the layer."""

    def __init__(self):
        super().__init__()
        self.b = np.zeros(3)

    def parameter_shapes(self):
        return {"W": (4, 3)}

    def forward(self, p, x, context=Pass()):
        return x @ p["W"] + self.b.astype(x.dtype), (x, p["W"])

    def dp(self, dy, x):
        return {"W": x.T @ dy}


matrix = rng.standard_normal((4, 3))
FROZEN = r"backward\(frozen=True\) computes the gradient of %s and throws it away"
KEPT = r"self\.%s is an array that changes y and is not in parameter_shapes\(\)"

WRONG = [
    Piece("frozen: W and b at once", Eager, (FROZEN % "[Wb]", "the (variable d[Wb]|result of)")),
    Piece("frozen: einsum in a dict", Helper, (FROZEN % "W",)),
    Piece("frozen: loops fill an empty array", Loops, (FROZEN % "W",)),
    Piece("frozen: a pair is made first", Pair, (FROZEN % "W",)),
    Piece("frozen: the bias alone", BiasOnly, (FROZEN % "b",)),
    Piece("frozen: transposed by tensordot", Transposed, (FROZEN % "W",)),
    Piece("frozen: kept on the layer", OnSelf, (FROZEN % "W", r"self\.dW")),
    Piece("frozen: a gradient for each sample", EachSample, (FROZEN % "W",)),
    Piece("frozen: filled with zeros at the end", Cleared, (FROZEN % "W",)),
    Piece("frozen: a mean", ScaledFirst, (FROZEN % "W",)),
    Piece("frozen: an embedding", Lookup, (FROZEN % "table",), np.array([0, 3, 3, 1])),
    Piece("frozen: without a name", InAList, (FROZEN % "W", "the result of matmul")),
    Piece("frozen: dropped at once", Dropped, (FROZEN % "W", "the result of einsum")),
    Piece("frozen: between layers of the library",
          lambda: Sequential(Dense(4, 5), Tanh(), Eager(5, 3), Dense(3, 2)), (FROZEN % r"2\.[Wb]",), (4,)),
    Piece("frozen: in a residual network", lambda: Residual(Eager(4, 4)), (FROZEN % r"body\.[Wb]",), (4,)),
    Piece("frozen: all sizes are 3", Square, (FROZEN % "[Wb]",)),
    Piece("frozen: a batch of two", Eager, (FROZEN % "[Wb]",), settings={"batch": 2}),
    Piece("frozen: a batch of one", Eager, (FROZEN % "[Wb]",), settings={"batch": 1}),
    Piece("frozen: a convolution", ConvEager, (FROZEN % "W",), (4, 5, 2)),
    Piece("frozen: gain and bias of LayerNorm", NormEager, (FROZEN % "gain",), (6,)),
    Piece("frozen: one number", Scale, (FROZEN % "s",), (4,)),
    Piece("frozen: the tangent pass", TangentEager, (r"tangent_backward\(frozen=True\) computes",)),
    Piece("weights: self.W", SelfW, (KEPT % "W", "neither trained nor checked"), (4,)),
    Piece("weights: self.W with self.dW", SelfGradient, (KEPT % "W",), (4,)),
    Piece("weights: in a list", lambda: Inside("layers", [matrix, 0.1], lambda s: s.layers[0]),
          (KEPT % r"layers\[0\]",), (4,)),
    Piece("weights: in a dict", lambda: Inside("params", {"W": matrix}, lambda s: s.params["W"]),
          (KEPT % r"params\['W'\]",), (4,)),
    Piece("weights: in an object", lambda: Inside("cell", types.SimpleNamespace(W=matrix),
          lambda s: s.cell.W),
          (KEPT % r"cell\.W",), (4,)),
    Piece("weights: w1 in a tuple", lambda: Inside("net", ({"w1": matrix},), lambda s: s.net[0]["w1"]),
          (KEPT % r"net\[0\]\['w1'\]",), (4,)),
    Piece("weights: of the class", ClassW, (KEPT % "weights",), (4,)),
    Piece("weights: a bias of zeros", SelfBias, (KEPT % "b",), (4,)),
    Piece("weights: an odd name", lambda: Inside("A", matrix, lambda s: s.A), (KEPT % "A",), (4,)),
]  # fmt: skip
