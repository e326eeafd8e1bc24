"""Right layers in odd forms: check_layer must not blame them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from numgan.layers import BatchNorm, Dense, Elementwise, Layer, Pass, ReLU, Residual, Sequential, Skip, Tanh
from pieces import Own, OwnConv, Piece
from pieces.forms import Product, Square
from pieces.gradients import Attention, Recurrent

rng = np.random.default_rng(5)

# ---- forms of arrays and caches


class FortranOut(Own):
    def forward(self, p, x, context=Pass()):
        y, cache = super().forward(p, x, context)
        return np.asfortranarray(y), cache

    def dx(self, dy, x, W):
        return np.asfortranarray(dy @ W.T)


class Views(Layer):
    """y is a view of x, and dx a view of dy."""

    def output_shape(self, shape):
        return shape[1], shape[0], shape[2]

    def forward(self, p, x, context=Pass()):
        return x.swapaxes(1, 2), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy.swapaxes(1, 2) if need_dx else None, None if frozen else {}


class Flipped(Views):
    output_shape = Layer.output_shape

    def forward(self, p, x, context=Pass()):
        return x[:, ::-1], None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy[:, ::-1] if need_dx else None, None if frozen else {}


class Broadcast(Layer):
    """y repeats x without a copy, and is read-only."""

    def output_shape(self, shape):
        return 3, *shape

    def forward(self, p, x, context=Pass()):
        return np.broadcast_to(x[:, None], (len(x), 3, *x.shape[1:])), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy.sum(axis=1) if need_dx else None, None if frozen else {}


class Windows(OwnConv):
    """im2col by strides."""

    def dp(self, dy, x):
        windows = np.lib.stride_tricks.sliding_window_view(self.padded(x), (self.k, self.k), axis=(1, 2))
        return {"W": np.einsum("nhwcij,nhwf->ijcf", windows, dy), "b": dy.sum(axis=(0, 1, 2))}


class Lists(Own):
    """Lists in place of tuples where nothing depends on it."""

    def forward(self, p, x, context=Pass()):
        return [x @ p["W"] + p["b"], [x, p["W"]]]

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return list(super().backward(dy, cache, frozen, need_dx))


class Kept(NamedTuple):
    x: np.ndarray
    W: np.ndarray


@dataclass
class Record:
    x: np.ndarray
    W: np.ndarray

    def __iter__(self):
        return iter((self.x, self.W))


class NamedCache(Own):
    make = Kept

    def forward(self, p, x, context=Pass()):
        return x @ p["W"] + p["b"], self.make(x, p["W"])


class RecordCache(NamedCache):
    make = Record


class DictCache(Own):
    def forward(self, p, x, context=Pass()):
        return x @ p["W"] + p["b"], {"x": x, "W": p["W"]}

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, (cache["x"], cache["W"]), frozen, need_dx)


class NoneForNothing(Square):
    """dp is None for a layer without parameters."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * cache * dy if need_dx else None, None


class OtherNames(Square):
    def forward(self, weights, inputs, run=None):
        return inputs**2, inputs


class AnyArguments(Square):
    def backward(self, *arguments, **words):
        return super().backward(*arguments, **words)


class OwnCopies(Own):
    """In place, but on copies of its own."""

    def forward(self, p, x, context=Pass()):
        y = x @ p["W"]
        y += p["b"]
        np.tanh(y, out=y)
        return y, (x, p["W"], y)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W, y = cache
        d = dy.copy()
        d *= 1 - y**2
        return d @ W.T if need_dx else None, None if frozen else self.dp(d, x)


class TwoOutputs(Layer):
    def output_shape(self, shape):
        return shape, shape

    def forward(self, p, x, context=Pass()):
        return (np.sin(x), x**3), x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        one, two = dy
        dx = one * np.cos(cache) + two * 3 * cache**2 if need_dx else None
        return dx, None if frozen else {}


class Nested(Layer):
    """x = ((a, b), c)."""

    def output_shape(self, shape):
        return shape[1]

    def forward(self, p, x, context=Pass()):
        (a, b), c = x
        return a * b + c, (a, b)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        a, b = cache
        return ((dy * b, dy * a), dy) if need_dx else None, None if frozen else {}


class Lookup(Layer):
    """An embedding: x holds integers, so it has no gradient."""

    def parameter_shapes(self):
        return {"table": (5, 3)}

    def output_shape(self, shape):
        return *shape, 3

    def forward(self, p, x, context=Pass()):
        return p["table"][x], x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        if frozen:
            return None, None
        dtable = np.zeros((5, 3), dy.dtype)
        np.add.at(dtable, cache, dy)
        return None, {"table": dtable}


class OneHot(Layer):
    """No parameters and no gradient at all."""

    def output_shape(self, shape):
        return *shape, 5

    def forward(self, p, x, context=Pass()):
        return np.eye(5, dtype=np.float32)[x], None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return None, None if frozen else {}


# ---- randomness, constants and state that change nothing


class Dropout(Layer):
    def forward(self, p, x, context=Pass()):
        if context.seed is None:
            return x.copy(), x.dtype.type(1)
        mask = (context.rng().random(x.shape) > 0.4) / x.dtype.type(0.6)
        return x * mask.astype(x.dtype), mask.astype(x.dtype)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * cache if need_dx else None, None if frozen else {}


class Blur(Layer):
    """A fixed filter on the layer: a constant, and no weight."""

    def __init__(self, kernel=(1.0, 2.0, 1.0)):
        self.kernel = np.outer(kernel, kernel) / 16

    def forward(self, p, x, context=Pass()):
        return self.blurred(x), None

    def blurred(self, x):
        k = self.kernel.astype(x.dtype)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        places = [(i, j) for i in range(3) for j in range(3)]
        return sum(k[i, j] * padded[:, i : i + x.shape[1], j : j + x.shape[2]] for i, j in places)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return self.blurred(dy) if need_dx else None, None if frozen else {}


class Added(Layer):
    """y = x + self.positions, a table of positions."""

    def __init__(self):
        t = np.arange(4)[:, None]
        self.positions = np.concatenate([np.sin(t), np.cos(t), np.sin(t / 10)], axis=1)

    def forward(self, p, x, context=Pass()):
        return x + self.positions.astype(x.dtype), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy if need_dx else None, None if frozen else {}


class Standardized(Added):
    def __init__(self):
        self.data_mean, self.data_std = rng.standard_normal(3), rng.uniform(1, 2, 3)

    def forward(self, p, x, context=Pass()):
        return (x - self.data_mean.astype(x.dtype)) / self.data_std.astype(x.dtype), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy / self.data_std.astype(dy.dtype) if need_dx else None, None if frozen else {}


class FixedProjection(Layer):
    """Random features that are never trained; the array is read-only."""

    def __init__(self):
        self.A = rng.standard_normal((4, 3))
        self.A.flags.writeable = False

    def output_shape(self, shape):
        return (3,)

    def forward(self, p, x, context=Pass()):
        return x @ self.A.astype(x.dtype), None

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy @ self.A.T.astype(dy.dtype) if need_dx else None, None if frozen else {}


class Measures(Square):
    """A running mean and a counter that enter no result."""

    running, calls = 0.0, 0

    def forward(self, p, x, context=Pass()):
        self.running, self.calls = 0.9 * self.running + 0.1 * x.mean(axis=0), self.calls + 1
        return super().forward(p, x, context)


class Buffer(Own):
    """A buffer on the layer that is filled anew in each pass, and copied before it is returned."""

    def forward(self, p, x, context=Pass()):
        self.buffer = x @ p["W"]
        self.buffer += p["b"]
        return self.buffer.copy(), (x, p["W"])


class KeepsInput(Own):
    """The last input and the parameters are on the layer, for a debugger; no pass reads them."""

    def forward(self, p, x, context=Pass()):
        import math

        self.x, self.W, self.size = x, p["W"], math.sqrt(x.size)
        return super().forward(p, x, context)


class RandomFeatures(Layer):
    """A reference batch and fixed frequencies, drawn once: the names say that they are constants."""

    def __init__(self):
        self.reference, self.frequencies = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))

    def output_shape(self, shape):
        return (3,)

    def forward(self, p, x, context=Pass()):
        f = self.frequencies.astype(x.dtype)
        y = np.cos((x - self.reference.mean(axis=0).astype(x.dtype)) @ f)
        return y, (x, f)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, f = cache
        inner = (x - self.reference.mean(axis=0).astype(x.dtype)) @ f
        return (-np.sin(inner) * dy) @ f.T if need_dx else None, None if frozen else {}


class Float32Constants(Layer):
    """Constants of float32 and of Python, which keep the type of x."""

    scale = np.float32(0.5)

    def forward(self, p, x, context=Pass()):
        mask = (x > -100).astype(np.float32)
        return (self.scale * x**2 * mask + 1e-3).astype(x.dtype), x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx = float(self.scale) * 2 * cache * dy if need_dx else None
        return dx, None if frozen else {}


# ---- structures


class Through(Recurrent):
    through = 1.0


class Scaled(Attention):
    scaled = True


class Shared(Own):
    """y = (x W) W with a square W: its two gradients add up."""

    def parameter_shapes(self):
        return {"W": (3, 3)}

    def forward(self, p, x, context=Pass()):
        h = x @ p["W"]
        return h @ p["W"], (x, h, p["W"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, h, W = cache
        dh = dy @ W.T
        return dh @ W.T if need_dx else None, None if frozen else {"W": h.T @ dy + x.T @ dh}


class Children(Layer):
    """y = x + body(x), with layers of the library inside."""

    def __init__(self):
        self.children = {"body": Sequential(Dense(4, 5), Tanh(), Dense(5, 4))}

    def forward(self, p, x, context=Pass()):
        y, cache = self.children["body"].forward(p.child("body"), x, context.child("body"))
        return x + y, cache

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = self.children["body"].backward(dy, cache, frozen, need_dx)
        dp = None if frozen else {f"body.{name}": dp[name] for name in dp}
        return dy + dx if need_dx else None, dp


class Swish(Elementwise):
    def f(self, x):
        return x / (1 + np.exp(-x))

    def d(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s + y * (1 - s)

    def dd(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s * (1 - s) * (2 + x * (1 - 2 * s))


class Softmax(Layer):
    def forward(self, p, x, context=Pass()):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        e /= e.sum(axis=-1, keepdims=True)
        return e, e

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx = cache * (dy - (dy * cache).sum(axis=-1, keepdims=True)) if need_dx else None
        return dx, None if frozen else {}


class DeadUnits(Own):
    """A ReLU most of whose units are off."""

    def forward(self, p, x, context=Pass()):
        y = x @ p["W"] + p["b"] - 1
        return np.maximum(y, 0), (x, p["W"], y > 0)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W, on = cache
        return (dy * on) @ W.T if need_dx else None, None if frozen else self.dp(dy * on, x)


labels = np.array([0, 3, 3, 1])
five = rng.standard_normal((5, 4))


def narrow(size):
    """A network with one unit in its middle, which is soon dead for the whole batch."""
    return Sequential(Dense(size, 1), ReLU(), Dense(1, size), BatchNorm(size))


RIGHT = [
    Piece("Dense", Own, x=(4,)),
    Piece("Dense, x guessed from W", Own),
    Piece("a unit that is dead at this point, before BatchNorm", lambda: Residual(narrow(3)), x=(3,),
          settings={"seed": 7, "batch": 2}),
    Piece("a bias before BatchNorm, with one unit", lambda: Residual(narrow(3)), x=(3,),
          settings={"seed": 5, "batch": 2}),
    Piece("tangents of rounding size", lambda: Skip(narrow(2)), x=(2,), settings={"seed": 9, "batch": 2}),
    Piece("a constant tangent", lambda: Skip(narrow(2)), x=(2,), settings={"seed": 14}),
    Piece("Dense of size 3, batch of 3", lambda: Own(3, 3), x=(3,)),
    Piece("Dense, a batch of one", Own, x=(4,), settings={"batch": 1}),
    Piece("Dense with one weight", lambda: Own(1, 1), x=(1,)),
    Piece("Dense, x in Fortran order", Own, x=np.asfortranarray(five)),
    Piece("Dense, x a view", Own, x=np.repeat(five, 2, axis=1)[:, ::2]),
    Piece("Dense, x as lists", Own, x=five.tolist()),
    Piece("Dense, x of float32", Own, x=five.astype(np.float32)),
    Piece("Dense, p as a dict", Own, x=(4,), settings={"p": {"W": np.ones((4, 3)), "b": np.arange(3.0)}}),
    Piece("Dense, projections", Own, x=(4,), settings={"slow": False}),
    Piece("a convolution with loops", OwnConv, x=(4, 5, 2)),
    Piece("a convolution with windows", Windows, x=(4, 5, 2)),
    Piece("Fortran order", FortranOut, x=(4,)),
    Piece("views", Views, x=(2, 3, 4)),
    Piece("negative strides", Flipped, x=(4,)),
    Piece("a read-only output", Broadcast, x=(4,)),
    Piece("lists", Lists, x=(4,)),
    Piece("a named tuple as cache", NamedCache, x=(4,)),
    Piece("a dataclass as cache", RecordCache, x=(4,)),
    Piece("a dict as cache", DictCache, x=(4,)),
    Piece("dp None without parameters", NoneForNothing, x=(4,)),
    Piece("other names of arguments", OtherNames, x=(4,)),
    Piece("any arguments", AnyArguments, x=(4,)),
    Piece("in place on copies", OwnCopies, x=(4,)),
    Piece("two outputs", TwoOutputs, x=(4,)),
    Piece("two inputs", Product, x=((4,), (4,))),
    Piece("nested inputs", Nested, x=(((4,), (4,)), (4,))),
    Piece("integers", Lookup, x=labels),
    Piece("one-hot", OneHot, x=labels),
    Piece("dropout", Dropout, x=(4,)),
    Piece("dropout that is off", Dropout, x=(4,), settings={"context": Pass()}),
    Piece("a fixed filter", Blur, (r"self\.kernel changes y .*: a constant",), (4, 5, 2)),
    Piece("positions", Added, (r"self\.positions changes y",), (4, 3)),
    Piece("mean and deviation of the data", Standardized, (r"self\.data_mean changes y",), (4, 3)),
    Piece("a read-only projection", FixedProjection, (r"self\.A changes y",), (4,)),
    Piece("a running mean that is not used", Measures, x=(4,)),
    Piece("a buffer", Buffer, x=(4,)),
    Piece("the last input on the layer", KeepsInput, x=(4,)),
    Piece("random features", RandomFeatures, (r"self\.reference changes y", r"self\.frequencies"), (4,)),
    Piece("constants of float32", Float32Constants, x=(4,)),
    Piece("a recurrent layer", Through, x=(4, 3)),
    Piece("attention", Scaled, x=(3, 4)),
    Piece("W twice", Shared, x=(3,)),
    Piece("children", Children, x=(4,)),
    Piece("swish", Swish, x=(4,)),
    Piece("softmax", Softmax, x=(4,)),
    Piece("dead units", DeadUnits, x=(4,)),
]  # fmt: skip
