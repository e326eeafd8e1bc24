"""The fast kernels: the functions of reference.py, with the same names and signatures, over the C code behind _core.

Each makes its output, says into how many shares to cut it and has the shares computed by C without the GIL. How the work is
cut never changes a bit of the result: gemm.h says why. `set_num_threads(n)` changes the number of threads, `num_threads()` tells it.
"""

import math
import os
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import _core
from .reference import output_size

# --- threads -----------------------------------------------------------------------------------------------------------


MOST_THREADS = 256  # as many as threads.c starts


def _number(value, who):
    """value as a number of threads; `who` is what the message blames."""
    try:
        number = int(value) if isinstance(value, str) else value.__index__()
    except (AttributeError, ValueError):
        number = 0
    if not 1 <= number <= MOST_THREADS or isinstance(value, bool):
        raise ValueError(f"{who}: expected a number of threads, 1 to {MOST_THREADS}, got {value!r}")
    return number


def _cgroup_quota():
    """Processors granted by the container (cgroup v2, then v1), rounded up; infinite if there is no limit."""
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join(Path("/sys/fs/cgroup", name).read_text() for name in names).split()
            return max(1, math.ceil(int(quota) / int(period))) if quota not in ("max", "-1") else math.inf
        except (OSError, ValueError):
            continue
    return math.inf


def _default_threads():
    """NUMGAN_NUM_THREADS, but no more than the processors this process may use."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("NUMGAN_NUM_THREADS")
    try:
        most = _number(asked, "NUMGAN_NUM_THREADS") if asked else MOST_THREADS
    except ValueError as error:
        raise ValueError(f"{error}; set it to one or unset it") from None
    return min(most, affinity, _cgroup_quota())


_threads = _default_threads()


def num_threads():
    """How many threads a large kernel call uses."""
    return _threads


def set_num_threads(n):
    """Use n threads, the caller's included, from the next kernel call on. Raises ValueError unless n is an integer, 1 to 256."""
    global _threads
    _threads = _number(n, "set_num_threads")


_SMALL = 1e7  # multiply-adds times bytes per element: some ten microseconds, below which threads cost more than they save


def _shares(rows, columns, depth, itemsize):
    """(down, across): into how many parts to cut a product with this many rows, columns and terms per element."""
    return _grid(rows, columns, _threads if rows * columns * depth * itemsize > _SMALL else 1)


@lru_cache(4096)
def _grid(rows, columns, n):
    """The cheapest way to cut rows x columns into n parts."""
    def cost(grid):  # of the largest share: its products, in vectors, and the packing of its rows and columns
        height, width = -(-rows // grid[0]), -(-columns // grid[1])
        return height * max(width, 32) + 16 * (height + width)

    return (n, 1) if n == 1 or columns == 1 else min(((i, n // i) for i in range(1, n + 1) if n % i == 0), key=cost)


def _run(kernel, arrays, shares, **rest):
    _core.run(kernel, arrays, shares, _threads, **rest)


# --- memory ------------------------------------------------------------------------------------------------------------

_LARGE = 1 << 16  # bytes from which a reused block is worth its bookkeeping


def empty(shape, dtype):
    """np.empty, in memory that an array nobody holds any more has left behind if there is such."""
    count = math.prod(shape)
    if count * dtype.itemsize < _LARGE:
        return np.empty(shape, dtype)
    return np.frombuffer(_core.Block(count * dtype.itemsize), dtype).reshape(shape)


def measured_peak(itemsize=4):
    """GFLOP/s of multiply-adds on registers alone, with the present number of threads: what no kernel can pass; the best of five."""
    dtype = np.float32 if itemsize == 4 else np.float64
    threads, steps, seconds = _threads, 400_000, []
    sums, products = np.zeros(threads, dtype), np.zeros(1, dtype)
    for _ in range(5):
        start = time.perf_counter()
        _core.run("peak", (sums, products), (threads, 1), threads, scalars=(steps,))
        seconds.append(time.perf_counter() - start)
    return 2 * steps * float(products[0]) * threads / min(seconds) / 1e9


# --- kernels -----------------------------------------------------------------------------------------------------------


def _aligned(x):
    """x itself, or a copy if an element is not where C expects it."""
    return x if x.flags.aligned else x.copy()


def _contiguous(x):
    return x if x is None or x.flags.c_contiguous and x.flags.aligned else np.require(x, requirements=["C", "A"])


def matmul(a, b, bias=None, slope=1.0, gate=None):
    c = empty((a.shape[0], b.shape[1]), a.dtype)
    if b.shape[1] == 1 and a.itemsize in a.strides:
        _run("matvec", (_aligned(a), _contiguous(b), _contiguous(bias), c), _shares(a.shape[0], 1, 8 * a.shape[1], a.itemsize))
        return _through_unit(c, slope, gate)
    arrays = _aligned(a), _aligned(b), _contiguous(bias), c, None, _contiguous(gate)
    _run("matmul", arrays, _shares(*c.shape, a.shape[1] + 16, a.itemsize), scalars=(slope,))     # + 16: c itself is to be written
    return c


def _through_unit(c, slope, gate):
    """The unit or its derivative, of products that have none of their own."""
    return leaky_relu_gradient(c, gate, slope) if gate is not None else c if slope == 1 else leaky_relu(c, slope)


fast_convolutions = True  # whether float32 convolutions may take the algorithm of fast.h


def _tiles(dtype, kernel, stride, channels, features, images, size):
    """The 4 x 4 tiles of an output (images, *size) that fast.h would compute, or 0 if the direct kernel is to do it.

    fast.h takes 2 or 3 taps a phase along both axes; it pays if it saves a third of the products, over enough channels and tiles.
    """
    if not fast_convolutions or dtype != np.float32:
        return 0
    return _tiles_of(tuple(kernel), tuple(stride), channels, features, images, tuple(size))


@lru_cache(4096)
def _tiles_of(kernel, stride, channels, features, images, size):
    taps = {-(-k // s) for k, s in zip(kernel, stride)}
    if taps not in ({2}, {3}) or max(stride) > 3 or min(channels, features) < 32:
        return 0
    points = 3 + max(taps)
    fewer = math.prod(stride) * math.prod(points * (n // 4) + (points - 1) * (n % 4 > 0) for n in size)
    tiles = images * math.prod(-(-n // 4) for n in size)
    return tiles if tiles >= 16 and math.prod(kernel) * math.prod(size) >= 1.5 * fewer else 0


@lru_cache(4096)
def _tile_shares(tiles, features, threads):
    """(down, across): blocks of at most 140 tiles (fast.h), and as many shares for every thread.

    Each share transforms its tiles and the weights of its features: the products are the same for any cut, so these decide.
    """
    def cost(cut):
        return cut[0] * cut[1] * (2 * -(-tiles // cut[0]) + -(-features // cut[1]))

    blocks = range(-(-tiles // 140), -(-tiles // 140) + threads)
    return min(((d, a) for d in blocks for a in range(1, threads + 1) if d * a % threads == 0), key=cost)


THIN = 8  # channels up to which a picture is read in place (thin.h)


@lru_cache(4096)
def _abreast(dtype, columns, features, most, widest):
    """How many windows side by side to take as one, of `columns` in a line: with few features most of a vector would be empty.

    A divisor of columns up to `most`, whose features together are at most `widest`. The wide window has zeros where its neighbours look, which
    cost nothing in the part of the vector that was empty; but zero times inf is nan, so what they are multiplied with must be finite.
    """
    return max(n for n in range(1, most + 1) if columns % n == 0 and (n == 1 or n * features <= widest)) if dtype == np.float32 else 1


def _wide(w, stride, count):
    """`count` windows w (KH, KW, C, O) side by side as one (KH, KW + (count - 1) stride, C, count O), and its stride."""
    if count == 1:
        return w, stride
    kh, kw, c, o = w.shape
    wide = np.zeros((kh, kw + (count - 1) * stride[1], c, count, o), w.dtype)
    for i in range(count):
        wide[:, i * stride[1]:i * stride[1] + kw, :, i] = w
    return wide.reshape(kh, wide.shape[1], c, count * o), (stride[0], count * stride[1])


def _grouped(y, count):
    """(N, HO, WO, O) as (N, HO, WO / count, count O); None stays None."""
    return y if y is None or count == 1 else _contiguous(y).reshape(*y.shape[:2], y.shape[2] // count, count * y.shape[3])


def _one_window(size, kernel, padding):
    """Whether a picture is one window: its convolution then is a product of matrices as they lie."""
    return tuple(size) == tuple(kernel) and tuple(padding) == (0, 0)


def _flat_rows(x):
    """(N, H, W, C) as (N, H W C), also where a size is 0; None stays None."""
    return None if x is None else x.reshape(len(x), math.prod(x.shape[1:]))


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    *kernel, c, o = w.shape
    if _one_window(x.shape[1:3], kernel, padding):
        return matmul(_flat_rows(x), w.reshape(math.prod(w.shape[:3]), o), bias, slope, _flat_rows(gate)).reshape(len(x), 1, 1, o)
    y = empty((len(x), *output_size(x.shape[1:3], kernel, stride, padding), o), x.dtype)
    arrays, rest = (_contiguous(x), _contiguous(w), _contiguous(bias), y), {"window": (kernel, stride, padding), "scalars": (slope,)}
    if tiles := _tiles(x.dtype, kernel, stride, c, o, len(y), y.shape[1:3]):
        _run("fast_conv2d", (*arrays, np.zeros(c, x.dtype), _contiguous(gate)), _tile_shares(tiles, o, _threads), **rest)
    elif c <= THIN:
        count = _abreast(x.dtype, y.shape[2], o, 4, 16) if stride[1] == 1 else 1
        count = count if count > 1 and all_finite(x) else 1
        w, stride = _wide(w, stride, count)
        bias = bias if bias is None or count == 1 else np.tile(bias, count)
        arrays = _contiguous(x), _contiguous(w), _contiguous(bias), _grouped(y, count), None, _contiguous(_grouped(gate, count))
        shares = _shares(len(y) * y.shape[1], 1, y.shape[2] * w.size, x.itemsize)
        _run("conv2d_thin", arrays, shares, **rest | {"window": (w.shape[:2], stride, padding)})
    else:
        shares = _shares(math.prod(y.shape[:3]), o, math.prod(w.shape[:3]), x.itemsize)
        _run("conv2d", (*arrays, None, _contiguous(gate)), shares, **rest)
    return y


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    *kernel, c, o = w.shape
    if bias is None and _one_window(size, kernel, padding):
        return matmul(_flat_rows(dy), w.reshape(math.prod(w.shape[:3]), o).T, None, slope, _flat_rows(gate)).reshape(len(dy), *size, c)
    if dy.shape[1:3] == (1, 1):
        return _through_unit(_input_gradient_of_pixel(dy, w, padding, size, bias), slope, gate)
    dx = empty((len(dy), *size, c), dy.dtype)
    arrays, rest = (_contiguous(dy), _contiguous(w), _contiguous(bias), dx), {"window": (kernel, stride, padding), "scalars": (slope,)}
    if tiles := _tiles(dy.dtype, kernel, stride, c, o, len(dy), dy.shape[1:3]):
        _run("fast_conv2d_input_gradient", (*arrays, np.zeros(o, dy.dtype), _contiguous(gate)), _tile_shares(tiles, c, _threads), **rest)
    elif c <= THIN or not np.isfinite(w).all():
        count = _abreast(dy.dtype, dy.shape[2], o, 7, 32) if c <= THIN else 1
        count = count if count > 1 and all_finite(dy) else 1
        w, stride = _wide(w, stride, count)
        arrays = _contiguous(_grouped(dy, count)), _contiguous(w), *arrays[2:], None, _contiguous(gate)
        shares = _shares(len(dy), 1, math.prod(dy.shape[1:3]) * w.size, dy.itemsize)
        _run("conv2d_input_gradient_thin", arrays, shares, **rest | {"window": (w.shape[:2], stride, padding)})
    else:
        shares = _shares(math.prod(dx.shape[:3]), c, math.prod(kernel) * o // math.prod(stride), dy.itemsize)
        _run("conv2d_input_gradient", (*arrays, None, _contiguous(gate)), shares, **rest)
    return dx


def _input_gradient_of_pixel(dy, w, padding, size, bias):
    """The input gradient if dy is one pixel: each tap of w meets one pixel of dx, so all of them are one product."""
    kh, kw, c, o = w.shape
    n, (p, q), (h, v) = len(dy), padding, size
    padded = np.zeros((n, h + 2 * p, v + 2 * q, c), dy.dtype)
    padded[:, :kh, :kw] = matmul(dy.reshape(n, o), w.reshape(kh * kw * c, o).T).reshape(n, kh, kw, c)
    dx = np.ascontiguousarray(padded[:, p:p + h, q:q + v])
    return dx if bias is None else np.add(dx, bias, out=dx)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    c, o = x.shape[3], dy.shape[3]
    if _one_window(x.shape[1:3], kernel, padding):
        return matmul(_flat_rows(x).T, _flat_rows(dy)).reshape(*kernel, c, o)
    dw = empty((*kernel, c, o), x.dtype)
    arrays, window = (_contiguous(x), _contiguous(dy), dw), (kernel, stride, padding)
    if tiles := _tiles(x.dtype, kernel, stride, c, o, len(dy), dy.shape[1:3]):
        parts = 2 if tiles >= 512 and dw.size <= 1 << 18 else 1         # of the tiles; by the shape, not by threads: equal bits for any number
        both = dw if parts == 1 else empty((2 * kernel[0], *dw.shape[1:]), x.dtype)
        channels, features = max(min(_threads // parts, -(-c // 16)), -(-c * math.prod(stride) // 256)), -(-o // 256)  # blocks that stay in the cache
        _run("fast_conv2d_weight_gradient", (*arrays[:2], both, np.zeros(max(c, o), x.dtype)), (parts * channels, features),
             window=window, scalars=(parts,))
        if parts == 2:
            np.add(both[:kernel[0]], both[kernel[0]:], out=dw)
    elif c <= THIN and (count := _abreast(x.dtype, dy.shape[2], o, 4, 16) if stride[1] == 1 else 1) > 1:
        wide = conv2d_weight_gradient(x, _grouped(dy, count), (kernel[0], kernel[1] + count - 1), (stride[0], count), padding)
        wide = wide.reshape(*wide.shape[:3], count, o)
        np.sum([wide[:, i:i + kernel[1], :, i] for i in range(count)], axis=0, out=dw)
    elif c <= THIN:
        parts = np.empty((min(max(len(x), 1), 16), dw.size // max(o, 1), o), x.dtype)   # by the batch, not by threads: equal bits for any number
        _run("conv2d_weight_gradient_thin", (*arrays[:2], parts), (len(parts), 1), window=window)
        parts.sum(axis=0, out=dw.reshape(parts.shape[1:]))
    else:
        _run("conv2d_weight_gradient", arrays, _shares(math.prod(dw.shape[:3]), o, math.prod(dy.shape[:3]), x.itemsize), window=window)
    return dw


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    y = empty((len(x), *output_size(x.shape[1:3], kernel, stride, padding), x.shape[3]), x.dtype)
    index = np.empty(y.shape, np.int64)
    shares = _shares(len(y) * y.shape[1], 1, math.prod(y.shape[2:]) * math.prod(kernel), x.itemsize)
    _run("max_pool2d", (_contiguous(x), y, index), shares, window=(kernel, stride, padding))
    return y, index


def max_pool2d_gradient(dy, index, size):
    dx = np.zeros((len(dy), *size, dy.shape[3]), dy.dtype)
    shares = _shares(len(dy), 1, math.prod(dy.shape[1:]), dy.itemsize)
    _run("max_pool2d_gradient", (_contiguous(dy), _contiguous(index), dx), shares)
    return dx


_TERMS = 32  # what an element of one pass over memory costs, in multiply-adds of _shares


def _flat(size, itemsize):
    """Shares of a pass over so many elements."""
    return _shares(size, 1, _TERMS, itemsize)


def _line(x):
    """All elements of x in a row."""
    return _contiguous(x).reshape(-1)


def _update(kernel, p, *arrays, scalars):
    """An update in place, which Ctrl-C does not cut in two; whether all that was written is finite."""
    shares = _flat(p.size, p.itemsize)
    finite = np.ones(shares[0], p.dtype)
    _run(kernel, (p, *arrays, finite), shares, scalars=scalars, whole=True)
    return bool(finite.all())


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    scalars = lr / (1 - beta1**step), beta1, beta2, (1 - beta2**step) ** -0.5, eps, weight_decay, clip
    return _update("adam", p, g, m, v, scalars=scalars)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    return _update("rmsprop", p, g, v, scalars=(lr, decay, eps, weight_decay, clip))


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    of_m, of_g = (lr * momentum, lr) if nesterov else (lr, 0.0)
    return _update("sgd", p, g, m, scalars=(momentum, of_m, of_g, weight_decay, clip))


def moving_average(average, p, decay):
    _run("moving_average", (average, p), _flat(p.size, p.itemsize), scalars=(decay,), whole=True)


def add(one, two, out):
    shares = _flat(out.size, out.itemsize)
    _run("add", (_line(one), None if two is None else _line(two), out.reshape(-1)), shares, whole=True)


def all_finite(x):
    shares = _flat(x.size, x.itemsize)
    finite = np.ones(shares[0], x.dtype)
    _run("all_finite", (_line(x), finite), shares)
    return bool(finite.all())


_BLOCK = 8192  # elements of a block of rows: they stay in the first-level cache


def _blocks(x, width, longest=256):
    """For a reduction over the rows of x: the rows of a block, room for the result of each block, and shares of the blocks."""
    rows = min(max(16, _BLOCK // max(x.shape[1], 1)), longest)
    partial = np.empty((-(-len(x) // rows), width), np.float64)
    return rows, partial, (min(_flat(x.size, x.itemsize)[0], max(len(partial), 1)), 1)


def _fold(n, channels):
    """How many of n rows to take as one: short rows do not fill the vectors. By the shape, not by threads: equal bits for any number."""
    return math.gcd(n, 1 << (256 // channels).bit_length() - 1) if 0 < channels < 32 else 1


def _folded(fold, rows, channels):
    """The arrays rows (P, C) as (P / fold, fold C), and channels (C,) as many times side by side; None stays None."""
    wide = [_contiguous(x).reshape(len(x) // fold, fold * x.shape[1]) for x in rows]
    return wide + [x if x is None or fold == 1 else x[None].repeat(fold, axis=0).reshape(-1) for x in channels]


def channel_moments(x):
    (n, c), dtype = x.shape, x.dtype
    fold = _fold(n, c)
    (x,) = _folded(fold, (x,), ())
    rows, partial, shares = _blocks(x, 2 * x.shape[1], longest=64)    # squares are all of one sign, and so are their sums' roundings
    _run("channel_moments", (x, partial), shares, scalars=(rows,))
    if fold == 1:
        mean, variance = np.empty((2, c), dtype)
        _run("pool_moments", (mean, variance, partial), (1, 1), scalars=(rows, n))
        return mean, variance
    counts = np.minimum(rows, len(x) - rows * np.arange(len(partial)))
    means, squares = partial.reshape(len(partial), 2, fold, c).swapaxes(0, 1)
    mean = np.einsum("b,bfc->c", counts, means) / n
    variance = (squares.sum(axis=(0, 1)) + np.einsum("b,bfc->c", counts, np.square(means - mean))) / n
    return mean.astype(dtype), variance.astype(dtype)


def normalize(x, mean, scale, bias, slope=1.0):
    y = empty(x.shape, x.dtype)
    fold = _fold(*x.shape)
    _run("normalize", (*map(_contiguous, _folded(fold, (x,), (mean, scale, bias))), *_folded(fold, (y,), ())), _flat(x.size, x.itemsize),
         scalars=(slope,))
    return y


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    c, fold = x.shape[1], _fold(*x.shape)
    dy, x, *channels = map(_contiguous, _folded(fold, (dy, x), (mean, scale, bias)))
    rows, partial, shares = _blocks(dy, 2 * dy.shape[1])
    _run("channel_products", (dy, x, channels[0], partial, *channels[1:]), shares, scalars=(rows, slope))
    return tuple(partial.sum(axis=0).reshape(2, fold, c).sum(axis=1).astype(dy.dtype))


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    dx = empty(dy.shape, dy.dtype)
    fold = _fold(*dy.shape)
    dy, x, *channels, bias = map(_contiguous, _folded(fold, (dy, x), (mean, scale, centre, share, bias)))
    _run("normalize_gradient", (dy, x, *channels, *_folded(fold, (dx,), ()), bias), _flat(dy.size, dy.itemsize), scalars=(slope,))
    return dx


def column_sum(x):
    c, fold = x.shape[1], _fold(*x.shape)
    (x,) = _folded(fold, (x,), ())
    rows, partial, shares = _blocks(x, x.shape[1])
    _run("column_sum", (x, partial), shares, scalars=(rows,))
    return partial.sum(axis=0).reshape(fold, c).sum(axis=0).astype(x.dtype)


def leaky_relu(x, slope):
    y = empty(x.shape, x.dtype)
    _run("leaky_relu", (_line(x), y.reshape(-1)), _flat(x.size, x.itemsize), scalars=(slope,))
    return y


def leaky_relu_gradient(dy, y, slope):
    dx = empty(dy.shape, dy.dtype)
    _run("leaky_relu_gradient", (_line(dy), _line(y), dx.reshape(-1)), _flat(dy.size, dy.itemsize), scalars=(slope,))
    return dx
