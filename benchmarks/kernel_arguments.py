"""Valid random arguments of every kernel, for `fuzz_kernels.py`: one function for each kernel."""

import math

import numpy as np

from numgan import _kernels as kernels

GUARD = 64  # bytes before and after an array that a kernel must not touch
PATTERN = 0xA5


class Lying(np.ndarray):
    """A subclass whose shape, size and strides are wrong."""

    @property
    def shape(self):
        return (1 << 20,) * self.ndim

    size = property(lambda self: 1 << 40)
    strides = property(lambda self: (0,) * self.ndim)


class Arrays:
    """Makes the arrays of one call.

    Each lies between two guards: bytes of a known pattern that no kernel may change.
    """

    def __init__(self, rng, dtype):
        self.rng, self.dtype, self.rooms = rng, np.dtype(dtype), []

    def __call__(self, *shape, dtype=None, finite=False):
        """An array of small integers, sometimes with one nan or inf; contiguous."""
        dtype = np.dtype(dtype or self.dtype)
        x = self.room(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
        x[...] = self.rng.integers(-4, 5, shape)
        if not finite and x.size and dtype.kind == "f" and self.rng.random() < 0.05:
            x.flat[self.rng.integers(x.size)] = self.rng.choice([np.nan, np.inf, -np.inf])
        return x

    def room(self, count, odd=0):
        """`count` bytes between two guards, at an address that is `odd` bytes after a multiple of 8."""
        room = np.full(count + 2 * GUARD + 8, PATTERN, np.uint8)
        start = GUARD + -(room.ctypes.data + GUARD) % 8 + odd
        self.rooms.append((room, start, count))
        return room[start : start + count]

    def guarded(self):
        """Whether all guards are unchanged."""
        return all(
            (room[:start] == PATTERN).all() and (room[start + count :] == PATTERN).all()
            for room, start, count in self.rooms
        )


# --- valid calls: each function returns the keyword arguments of the kernel with its name


def sides(rng, most=7):
    """A random (height, width) as a list, from 1 to `most`, sometimes 0."""
    return [int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, most + 1, 2)]


def shaped(rng):
    """(N, (H, W), C, O, kernel, stride, padding, size of the output) of a valid convolution."""
    kernel, stride = sides(rng, 4), sides(rng, 4)
    kernel, stride = [max(k, 1) for k in kernel], [max(s, 1) for s in stride]
    padding = [int(p) for p in rng.integers(0, 4, 2)]
    size = [max(k - 2 * p, 0) + int(e) for k, p, e in zip(kernel, padding, rng.integers(0, 9, 2))]
    n, c, o = (int(v) for v in rng.integers(0 if rng.random() < 0.1 else 1, [4, 11, 11]))
    if rng.random() < 0.04:  # a shape for the fast convolutions of fast.h
        kernel, stride, padding, size, c, o = (
            [3, 3],
            [1, 1],
            [1, 1],
            [int(v) for v in rng.integers(13, 19, 2)],
            33,
            35,
        )
    out = kernels.output_size(size, kernel, stride, padding)
    return n, size, c, o, tuple(kernel), tuple(stride), tuple(padding), out


def finish_of(make, rng, shape):
    """Random arguments bias, slope and gate, or some of them, for a result of this shape."""
    words = {}
    if rng.random() < 0.4:
        words["bias"] = make(shape[-1], finite=True)
    if rng.random() < 0.4:
        words["slope"] = float(rng.choice([0, 0.25, 1, 2]))
    if rng.random() < 0.3:
        words["gate"] = make(*shape)
    return words


def matmul(make, rng):
    m, k, n = (int(v) for v in rng.integers(0 if rng.random() < 0.2 else 1, 20, 3))
    return {"a": make(m, k), "b": make(k, n)} | finish_of(make, rng, (m, n))


def dense_weight_gradient(make, rng):
    n, i, o = (int(v) for v in rng.integers(0, 20, 3))
    return {"x": make(n, i), "dy": make(n, o)}


def conv2d(make, rng):
    n, size, c, o, kernel, stride, padding, out = shaped(rng)
    finite = c > 32
    return {
        "x": make(n, *size, c, finite=finite),
        "w": make(*kernel, c, o, finite=finite),
        "stride": stride,
        "padding": padding,
    } | (finish_of(make, rng, (n, *out, o)))


def conv2d_input_gradient(make, rng):
    n, size, c, o, kernel, stride, padding, out = shaped(rng)
    finite = c > 32
    return {
        "dy": make(n, *out, o, finite=finite),
        "w": make(*kernel, c, o, finite=finite),
        "stride": stride,
        "padding": padding,
        "size": tuple(size),
    } | finish_of(make, rng, (n, *size, c))


def conv2d_weight_gradient(make, rng):
    n, size, c, o, kernel, stride, padding, out = shaped(rng)
    return {
        "x": make(n, *size, c, finite=c > 32),
        "dy": make(n, *out, o, finite=c > 32),
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
    }


def max_pool2d(make, rng):
    n, size, c, _, kernel, stride, _, _ = shaped(rng)
    return {
        "x": make(n, *(s + k for s, k in zip(size, kernel)), c),
        "kernel": kernel,
        "stride": stride,
        "padding": tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel),
    }


def max_pool2d_gradient(make, rng):
    n, c, size, out = (
        int(rng.integers(0, 4)),
        int(rng.integers(0, 9)),
        [s + 1 for s in sides(rng)],
        sides(rng),
    )
    index = make(n, *out, c, dtype=np.int64)
    index[...] = rng.integers(0, size[0] * size[1], index.shape)
    return {"dy": make(n, *out, c, finite=True), "index": index, "size": tuple(size)}


def vectors(make, rng, *names):
    """{name: vector} of one random length; v, a mean of squares, is not negative."""
    length = int(rng.choice([0, 1, 5, 64, 130, 1000]))
    found = {name: make(length, finite=True) for name in names}
    if "v" in found:
        found["v"][...] = abs(found["v"])
    return found


def decay_and_clip(rng):
    """The arguments weight_decay and clip of an update, or neither."""
    return {"weight_decay": 0.25, "clip": 3.0} if rng.random() < 0.4 else {}


def adam(make, rng):
    constants = {"lr": 0.125, "beta1": 0.5, "beta2": 0.75, "eps": 1e-3, "step": int(rng.integers(1, 9))}
    return vectors(make, rng, "p", "g", "m", "v") | constants | decay_and_clip(rng)


def rmsprop(make, rng):
    return vectors(make, rng, "p", "g", "v") | {"lr": 0.125, "decay": 0.75, "eps": 1e-3} | decay_and_clip(rng)


def sgd(make, rng):
    words = vectors(make, rng, "p", "g", "m") | {
        "lr": 0.125,
        "momentum": 0.5,
        "nesterov": bool(rng.integers(2)),
    }
    words |= decay_and_clip(rng)
    return words | ({"m": None, "momentum": 0.0, "nesterov": False} if rng.random() < 0.3 else {})


def moving_average(make, rng):
    return vectors(make, rng, "average", "p") | {"decay": 0.75}


def any_shape(rng):
    return [int(n) for n in rng.integers(0 if rng.random() < 0.2 else 1, 9, rng.integers(0, 5))]


def add(make, rng):
    shape = any_shape(rng)
    return {"one": make(*shape), "two": make(*shape) if rng.random() < 0.7 else None, "out": make(*shape)}


def all_finite(make, rng):
    return {"x": make(*any_shape(rng))}


def rows_of(rng):
    """A random shape [P, C]."""
    return [int(rng.choice([0, 1, 2, 7, 64, 130])), int(rng.choice([0, 1, 3, 8, 33, 70]))]


def channel_moments(make, rng):
    rows, c = rows_of(rng)
    return {"x": make(rows + 1, c, finite=True)}


def normalize(make, rng):
    p, c = rows_of(rng)
    return {
        "x": make(p, c),
        "mean": make(c),
        "scale": make(c),
        "bias": make(c),
        "slope": float(rng.choice([0, 0.25, 1])),
    }


def channel_products(make, rng):
    p, c = rows_of(rng)
    words = {"dy": make(p, c, finite=True), "x": make(p, c, finite=True), "mean": make(c, finite=True)}
    return words | ({"scale": make(c), "bias": make(c), "slope": 0.25} if rng.random() < 0.5 else {})


def normalize_gradient(make, rng):
    p, c = rows_of(rng)
    words = {"dy": make(p, c), "x": make(p, c)} | {
        name: make(c) for name in ("mean", "scale", "centre", "share")
    }
    return words | ({"bias": make(c), "slope": 0.25} if rng.random() < 0.5 else {})


def column_sum(make, rng):
    return {"x": make(*rows_of(rng))}


def leaky_relu(make, rng):
    return {"x": make(*any_shape(rng)), "slope": float(rng.choice([0, 0.25, 1, 2]))}


def leaky_relu_gradient(make, rng):
    shape = any_shape(rng)
    return {"dy": make(*shape), "y": make(*shape), "slope": float(rng.choice([0, 0.25, 1, 2]))}


CALLS = [
    matmul,
    dense_weight_gradient,
    conv2d,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    max_pool2d,
    max_pool2d_gradient,
    adam,
    rmsprop,
    sgd,
    moving_average,
    add,
    all_finite,
    channel_moments,
    normalize,
    channel_products,
    normalize_gradient,
    column_sum,
    leaky_relu,
    leaky_relu_gradient,
]
