"""Wrong pieces whose form, purity or precision is wrong: the message must name the form and not a kink."""

import numpy as np

from numgan.layers import Layer, Pass
from pieces import Own, Piece


class Square(Layer):
    """y = x^2, the base of the forms without parameters."""

    def forward(self, p, x, context=Pass()):
        return x**2, x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * cache * dy if need_dx else None, None if frozen else {}


# ---- what the passes return and take


class OnlyY(Square):
    def forward(self, p, x, context=Pass()):
        return x**2


class OnlyDx(Square):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        return 2 * cache * dy


class NoneDx(Square):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        cache * dy


class ThreeValues(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        return dy @ W.T, x.T @ dy, dy.sum(0)


class ListOfGradients(Own):
    def dp(self, dy, x):
        return [x.T @ dy, dy.sum(0)]


class ArrayOfGradients(Own):
    def dp(self, dy, x):
        return x.T @ dy


class NoGradients(Own):
    def dp(self, dy, x):
        return None


class OtherNames(Own):
    def dp(self, dy, x):
        return {"dW": x.T @ dy, "db": dy.sum(0)}


class EachBias(Own):
    def dp(self, dy, x):
        return {"W": x.T @ dy, "b": dy}


class NoFrozen(Own):
    def backward(self, dy, cache):
        return super().backward(dy, cache)


class NoNeedDx(Own):
    def backward(self, dy, cache, frozen=False):
        return super().backward(dy, cache, frozen)


class OnlyByName(Own):
    def backward(self, dy, cache, *, frozen=False, need_dx=True):
        return super().backward(dy, cache, frozen, need_dx)


class NoContext(Own):
    def forward(self, p, x):
        return super().forward(p, x)


class NoParameters(Own):
    def forward(self, x, context=None):
        return super().forward({}, x)


class FrozenReturnsDx(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        if frozen:
            return self.dx(dy, *cache)
        return super().backward(dy, cache, frozen, need_dx)


class ShapesAsAttribute(Own):
    parameter_shapes = {"W": (4, 3), "b": (3,)}


class ShapesAsList(Own):
    def parameter_shapes(self):
        return [(4, 3), (3,)]


class ShapesAsNumbers(Own):
    def parameter_shapes(self):
        return {"W": (4, 3), "b": 3}


class OldName(Layer):
    """`parameter_shapes` has another name, so p is empty."""

    def shapes(self):
        return {"W": (4, 3)}

    def forward(self, p, x, context=Pass()):
        return x @ p["W"], (x, p["W"])

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, W = cache
        return dy @ W.T if need_dx else None, None if frozen else {"W": x.T @ dy}


class WrongName(OldName):
    shapes = None

    def parameters_shape(self):
        return {"W": (4, 3)}


class MisspeltPass(Square):
    def tangent_foward(self, tx, cache, tp=None):
        return 2 * cache * tx, tx


class MisspeltShape(Own):
    output_shapes = Own.output_shape
    output_shape = Layer.output_shape


class WrongWay(Own):
    """forward multiplies by W': no input fits, and the error of NumPy says why."""

    def forward(self, p, x, context=Pass()):
        return x @ p["W"].T + p["b"], (x, p["W"])


class ListOfOutputs(Square):
    def forward(self, p, x, context=Pass()):
        return [x**2, x], x


class Product(Layer):
    """y = a b of the tuple x = (a, b)."""

    def forward(self, p, x, context=Pass()):
        return x[0] * x[1], x

    def output_shape(self, shape):
        return shape[0]

    def gradients(self, dy, a, b):
        return dy * b, dy * a

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return self.gradients(dy, *cache) if need_dx else None, None if frozen else {}


class ListForTuple(Product):
    def gradients(self, dy, a, b):
        return [dy * b, dy * a]


class OneOfTwo(Product):
    def gradients(self, dy, a, b):
        return (dy * b,)


# ---- noise, values between calls, and writing


class Noisy(Square):
    def forward(self, p, x, context=Pass()):
        return x**2 + 0.1 * np.random.default_rng().standard_normal(x.shape), x


class OwnGenerator(Square):
    """Dropout with a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, p, x, context=Pass()):
        mask = self.rng.random(x.shape) > 0.5
        return x * mask, mask

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * cache if need_dx else None, None if frozen else {}


class NoiseInCache(OwnGenerator):
    """y is repeatable, but the mask for the backward pass is another one each time."""

    def forward(self, p, x, context=Pass()):
        return 2 * x, self.rng.random(x.shape) > 0.5


class MaskInBackward(OwnGenerator):
    def forward(self, p, x, context=Pass()):
        return 2 * x, x.shape

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * (self.rng.random(cache) > 0.5), None if frozen else {}


class RunningMean(Square):
    """The mean that is subtracted moves at each call."""

    def __init__(self):
        self.mean = 0.0

    def forward(self, p, x, context=Pass()):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return x - self.mean, x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy - 0.1 * dy.mean(axis=0), None if frozen else {}


class Counter(Square):
    calls = 0

    def forward(self, p, x, context=Pass()):
        self.calls += 1
        return x * self.calls, self.calls

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * cache if need_dx else None, None if frozen else {}


class LastInput(Own):
    def forward(self, p, x, context=Pass()):
        self.x = x
        return super().forward(p, x, context)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return super().backward(dy, (self.x, cache[1]), frozen, need_dx)


class WritesX(Square):
    def forward(self, p, x, context=Pass()):
        x -= x.mean()
        return x**2, x.copy()


class WritesP(Own):
    def forward(self, p, x, context=Pass()):
        p["W"][...] *= 0.99
        return super().forward(p, x, context)


class WritesDy(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        dy *= cache[0].sum() > -1e9
        dy += 1e-9
        return super().backward(dy, cache, frozen, need_dx)


class MasksDy(Square):
    """y = ReLU(x). The second time, dy *= mask changes nothing."""

    def forward(self, p, x, context=Pass()):
        return np.maximum(x, 0), x > 0

    def backward(self, dy, mask, frozen=False, need_dx=True):
        dy *= mask
        return dy.copy() if need_dx else None, None if frozen else {}


class MasksDyIfFrozen(MasksDy):
    def backward(self, dy, mask, frozen=False, need_dx=True):
        return super().backward(dy if frozen else dy.copy(), mask, frozen, need_dx)


class MasksTangents(MasksDy):
    def backward(self, dy, mask, frozen=False, need_dx=True):
        return super().backward(dy.copy(), mask, frozen, need_dx)

    def tangent_forward(self, tx, mask, tp=None):
        return None if tx is None else tx * mask, None

    def tangent_backward(self, dy, tdy, mask, tcache, frozen=False, need_dx=True):
        if tdy is not None:
            tdy *= mask
        return tdy if need_dx else None, None if frozen else {}


class StaleResult(Square):
    """y is kept for each shape of x, and is never computed again."""

    def __init__(self):
        self.known = {}

    def forward(self, p, x, context=Pass()):
        y = self.known.setdefault((x.shape, x.dtype), np.tanh(x)).copy()
        return y, y

    def backward(self, dy, y, frozen=False, need_dx=True):
        return dy * (1 - y**2) if need_dx else None, None if frozen else {}


class WritesCache(Own):
    def backward(self, dy, cache, frozen=False, need_dx=True):
        result = super().backward(dy, cache, frozen, need_dx)
        cache[1][...] = 0
        return result


class WritesSecondOfTwo(Product):
    def forward(self, p, x, context=Pass()):
        x[1][...] = np.abs(x[1])
        return super().forward(p, x, context)


# ---- numbers of float32


class ReturnsFloat32(Own):
    def forward(self, p, x, context=Pass()):
        y, cache = super().forward(p, x, context)
        return y.astype(np.float32), cache


class Float32Buffer(Own):
    def forward(self, p, x, context=Pass()):
        y = np.zeros((len(x), self.columns), np.float32)
        y += x @ p["W"] + p["b"]
        return y, (x, p["W"])


class Float32Inside(Own):
    def forward(self, p, x, context=Pass()):
        product = x.astype(np.float32) @ p["W"].astype(np.float32)
        return product + p["b"], (x, p["W"])


class RoundedBack(Own):
    def forward(self, p, x, context=Pass()):
        y, cache = super().forward(p, x, context)
        return y.astype(np.float32).astype(x.dtype), cache


class Float64Constant(Square):
    def forward(self, p, x, context=Pass()):
        return np.float64(0.5) * x**2 * np.ones(x.shape), x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return cache * dy if need_dx else None, None if frozen else {}


two = {"batch": 2}
PAIR = r"must return \(y, cache\), got an array of shape"

WRONG = [
    Piece("y alone", OnlyY, (PAIR,), (4,)),
    Piece("y alone, a batch of two", OnlyY, (PAIR,), (4,), two),
    Piece("dx alone", OnlyDx, (r"backward must return \(dx, dp\), got an array",), (4,)),
    Piece("dx alone, a batch of two", OnlyDx, (r"backward must return \(dx, dp\), got an array",), (4,), two),
    Piece("backward returns nothing", NoneDx, (r"must return \(dx, dp\), got None",), (4,)),
    Piece("dx, dW, db", ThreeValues, (r"must return \(dx, dp\), got a tuple of 3",), (4,)),
    Piece("dp as a list", ListOfGradients, (r"gradients named W, b, got a list of 2",), (4,)),
    Piece("dp as an array", ArrayOfGradients, (r"got an array of shape \(4, 3\)",), (4,)),
    Piece("dp None", NoGradients, (r"gradients named W, b, got None",), (4,)),
    Piece("dp with other names", OtherNames, (r"named W, b, got dW, db",), (4,)),
    Piece("db not summed", EachBias, (r"gradient of b with shape \(3,\), got \(3, 3\)",), (4,)),
    Piece("backward without frozen", NoFrozen,
          (r"frozen=False, need_dx=True\), .* got backward\(self, dy, cache\)",)),
    Piece("backward without need_dx", NoNeedDx, (r"backward must take .*need_dx=True",)),
    Piece("frozen by name only", OnlyByName, (r"by name and by place, got .* \*, frozen=False",)),
    Piece("forward without context", NoContext,
          (r"forward must take .*forward\(self, p, x, context=Pass\(\)\)",)),
    Piece("forward without p", NoParameters, (r"forward must take the arguments .* got forward\(self, x, ",)),
    Piece("dx alone if frozen", FrozenReturnsDx, (r"backward must return \(dx, dp\)",), (4,)),
    Piece("parameter_shapes an attribute", ShapesAsAttribute, ("parameter_shapes must be a method",)),
    Piece("parameter_shapes a list", ShapesAsList, ("must return a dict, got a list of 2",)),
    Piece("a shape as a number", ShapesAsNumbers, ("the shape of b as a tuple of integers, got 3",)),
    Piece("an old name", OldName, ("no parameter 'W'", "rename shapes to parameter_shapes"), (4,)),
    Piece("a misspelt name, x guessed", WrongName, ("rename parameters_shape to parameter_shapes",)),
    Piece("a misspelt pass", MisspeltPass, ("method tangent_foward and no tangent_forward",), (4,)),
    Piece("a misspelt shape", MisspeltShape, ("method output_shapes and no output_shape",), (4,)),
    Piece("the layer's own error", WrongWay, ("cannot guess an input", "ValueError: matmul: .*mismatch")),
    Piece("y a list", ListOfOutputs, (r"y an array or a tuple of arrays, got y = a list of 2",), (4,)),
    Piece("dx a list for a tuple", ListForTuple, (r"must be a tuple too, got a list of 2",), ((4,), (4,))),
    Piece("dx for one of two", OneOfTwo, (r"expected 2 gradients",), ((4,), (4,))),
    Piece("a class", lambda: Own, ("give an object of the class",)),
    Piece("x a number", Own, (r"write x=\(4,\)",), 4),
    Piece("noise", Noisy, ("forward twice with equal arguments", r"context\.rng\(\)"), (4,)),
    Piece("dropout with its own generator", OwnGenerator, (r"context\.rng\(\)",), (4,)),
    Piece("another mask in the cache", NoiseInCache, ("the caches differ",), (4,)),
    Piece("a mask drawn in backward", MaskInBackward, ("backward called twice on one cache",), (4,)),
    Piece("a running mean", RunningMean, ("keep no value on the layer",), (4,)),
    Piece("a counter", Counter, ("keep no value on the layer",), (4,)),
    Piece("the last input", LastInput, ("a second forward pass", "keep no array on the layer"), (4,)),
    Piece("forward writes to x", WritesX, ("forward writes to x;",), (4,)),
    Piece("forward writes to p", WritesP, (r"forward writes to p\['W'\]",), (4,)),
    Piece("backward writes to dy", WritesDy, ("backward writes to dy;",), (4,)),
    Piece("a mask written into dy", MasksDy, ("backward writes to dy;",), (4,)),
    Piece("a mask written into dy, frozen", MasksDyIfFrozen, ("backward writes to dy;",), (4,)),
    Piece("a mask written into tdy", MasksTangents, ("tangent_backward writes to tdy;",), (4,)),
    Piece("a stale result", StaleResult, ("self.known.* keeps y of a former pass",), (4,)),
    Piece("backward writes to the cache", WritesCache, (r"backward writes to cache\[1\]",), (4,)),
    Piece("forward writes to one of two", WritesSecondOfTwo, (r"forward writes to x\[1\]",), ((4,), (4,))),
    Piece("y of float32", ReturnsFloat32, ("expected y as float64 .*got float32",), (4,)),
    Piece("a buffer of float32", Float32Buffer, ("float32|writes",), (4,)),
    Piece("float32 inside", Float32Inside, ("computed in float32",), (4,)),
    Piece("rounded to float32 and back", RoundedBack, ("computed in float32",), (4,)),
    Piece("a constant of float64", Float64Constant, ("y as float32 for float32 inputs, got float64",), (4,)),
]  # fmt: skip
