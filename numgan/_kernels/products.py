"""Matrix products, convolutions and pooling. The C code is in gemm.h, conv.h, fast.h, thin.h and pool.h.

reference.py has the definition of each kernel, with the same name and arguments. The work is cut into shares:
parts that the threads compute.
"""

import math
from functools import lru_cache

import numpy as np

from .calls import _contiguous, _run, _shares, empty, num_threads
from .pointwise import all_finite, leaky_relu, leaky_relu_gradient
from .reference import _cropped, _padded, _rows, output_size


def _aligned(x):
    """The array x itself, or a copy if its memory is not aligned for C."""
    return x if x.flags.aligned else x.copy()


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """C = A B, then `finish`; see `reference.matmul`.

    a (M, K)   b (K, N)   bias (N,)   gate, c (M, N)

    `finish` adds bias (None: no bias), then applies LeakyReLU with this slope (1: none) or, with a gate, the
    derivative of a LeakyReLU whose output is the gate.
    """
    c = empty((a.shape[0], b.shape[1]), a.dtype)
    a, bias = _aligned(a), _contiguous(bias)
    if b.shape[1] == 1 and a.itemsize in a.strides:  # one column; the rows or columns of a are contiguous
        shares = _shares(a.shape[0], 1, 8 * a.shape[1], a.itemsize)
        _run("matvec", shares, a=a, b=_contiguous(b), bias=bias, c=c)
        return _finished(c, slope, gate)
    shares = _shares(*c.shape, a.shape[1] + 16, a.itemsize)  # + 16: the cost of writing c
    _run("matmul", shares, a=a, b=_aligned(b), bias=bias, c=c, gate=_contiguous(gate), slope=slope)
    return c


def _finished(c, slope, gate):
    """The array c after LeakyReLU with this slope or, with a gate, c times the derivative of LeakyReLU.

    The gate is the output of that LeakyReLU, or None; with slope 1 and no gate c is returned unchanged. It is
    `reference.finish` for products whose C code does not include this step. The bias must be in c already.
    """
    if gate is not None:
        return leaky_relu_gradient(c, gate, slope)
    return c if slope == 1 else leaky_relu(c, slope)


fast_convolutions = True  # whether float32 convolutions may use the algorithm of fast.h


def _tiles(y, kernel, stride, channels):
    """The number of 4 x 4 tiles of y for the Toom-Cook algorithm of fast.h; 0 means: use the direct kernel.

    y          (N, HO, WO, O): the output of the convolution, or its derivative in a gradient
    kernel     the kernel size (KH, KW)
    stride     (vertical, horizontal)
    channels   the number of input channels, C

    The algorithm needs float32, a stride of at most 3, and 2 taps per phase along both axes, or 3 along both.
    A phase is the taps with the same remainder modulo the stride. The algorithm is used if it is allowed,
    saves a third of the products, and there are at least 16 tiles, 32 input channels and 32 output channels.
    """
    if not fast_convolutions or y.dtype != np.float32:
        return 0
    return _tiles_of(tuple(kernel), tuple(stride), channels, y.shape)


@lru_cache(4096)
def _tiles_of(kernel, stride, channels, shape):
    """The number of tiles that `_tiles` returns for a float32 y of the `shape` (N, HO, WO, O).

    kernel (KH, KW), stride and channels are those of `_tiles`. Results are stored for later calls.
    """
    images, *size, features = shape
    taps = {-(-k // s) for k, s in zip(kernel, stride)}  # taps per phase, rounded up: one number if equal
    if taps not in ({2}, {3}) or max(stride) > 3 or min(channels, features) < 32:
        return 0
    points = 3 + max(taps)  # products for 4 outputs along one axis, in place of 4 max(taps)
    # the products of the algorithm for all phases; a tile with fewer than 4 outputs needs one point less
    fewer = math.prod(stride) * math.prod(points * (n // 4) + (points - 1) * (n % 4 > 0) for n in size)
    tiles = images * math.prod(-(-n // 4) for n in size)
    return tiles if tiles >= 16 and math.prod(kernel) * math.prod(size) >= 1.5 * fewer else 0


@lru_cache(4096)
def _tile_shares(tiles, features, threads):
    """(down, across): the numbers of parts into which the tiles and the output channels are cut for fast.h.

    tiles is the number of tiles, features that of output channels, and threads that of threads. A part has at
    most 140 tiles, and all threads get the same number of parts. Each part transforms its tiles and the
    weights of its features. The number of products is the same for every cut, so the cost counts only these
    transforms.
    """

    def cost(cut):  # of the transforms: 2 for each tile of each part, 1 for each output channel of each part
        down, across = cut
        return down * across * (2 * -(-tiles // down) + -(-features // across))

    blocks = range(-(-tiles // 140), -(-tiles // 140) + threads)
    return min(((d, a) for d in blocks for a in range(1, threads + 1) if d * a % threads == 0), key=cost)


THIN = 8  # images of at most this many channels are read in place (thin.h)


@lru_cache(4096)
def _abreast(dtype, columns, features, stride=1, most=4, widest=16):
    """The number of neighbouring windows of a row to merge into one wide window; 1: do not merge.

    dtype      that of the images
    columns    the number of windows in a row; the result divides it
    features   the number of results of a window
    stride     the horizontal stride; only stride 1 is merged, and only float32
    most       the largest number of windows to merge, 4 by default
    widest     the largest number of results of a merged window, 16 by default

    Why windows are merged: one window with few features would leave most of a vector register empty. Merging
    adds zeros to the weights. These fill empty parts of the register, so they cost nothing. But 0 * inf is
    nan: a caller that adds zeros merges only if its input is finite.
    """
    fits = [n for n in range(2, most + 1) if columns % n == 0 and n * features <= widest]
    return max(fits, default=1) if dtype == np.float32 and stride == 1 else 1


def _merged_window(w, stride, count):
    """(window, its stride) that computes `count` neighbouring pixels of the convolution with w at once.

    w        the weights (KH, KW, C, O)
    stride   (vertical, horizontal), that of w; the horizontal stride of the result is `count` times as large

    Copy i of w is shifted right by i horizontal strides and has the output channels i O to (i + 1) O - 1. The
    merged window is (KH, KW + (count - 1) horizontal stride, C, count O), with zeros where a copy has no
    weight. With count 1 it is w.
    """
    if count == 1:
        return _contiguous(w), stride
    kh, kw, c, o = w.shape
    down, right = stride
    wide = np.zeros((kh, kw + (count - 1) * right, c, count, o), w.dtype)
    for i in range(count):
        wide[:, i * right : i * right + kw, :, i] = w
    return wide.reshape(kh, wide.shape[1], c, count * o), (down, count * right)


def _grouped(y, count):
    """The array y (N, HO, WO, O) as (N, HO, WO / count, count O): `count` neighbouring pixels become one.

    The result is a view if y is contiguous. None stays None.
    """
    return y if y is None else _contiguous(y).reshape(*y.shape[:2], y.shape[2] // count, count * y.shape[3])


def _one_window(size, kernel, padding):
    """Whether the kernel size equals the size of the image, without padding. Then there is one window.

    size is (H, W), kernel (KH, KW) and padding (vertical, horizontal). The convolution is then a matrix
    product without copies.
    """
    return tuple(size) == tuple(kernel) and tuple(padding) == (0, 0)


def _flat_rows(x):
    """The array x (N, H, W, C) as a matrix (N, H W C), also if a size is 0. None stays None."""
    return None if x is None else x.reshape(len(x), math.prod(x.shape[1:]))


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """The convolution y of x with w, then `finish`; see `reference.conv2d`.

    x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)
    stride and padding are pairs (vertical, horizontal)

    `finish` adds bias (None: no bias), then applies LeakyReLU with this slope (1: none) or, with a gate, the
    derivative of a LeakyReLU whose output is the gate.

    One of four ways computes it: a matrix product if there is one window, the Toom-Cook algorithm, thin.h for
    at most THIN = 8 input channels, and otherwise the direct kernel.
    """
    *kernel, c, o = w.shape
    if _one_window(x.shape[1:3], kernel, padding):
        return matmul(_flat_rows(x), _rows(w), bias, slope, _flat_rows(gate)).reshape(len(x), 1, 1, o)
    y = empty((len(x), *output_size(x.shape[1:3], kernel, stride, padding), o), x.dtype)
    out = y
    x, w, bias, gate = map(_contiguous, (x, w, bias, gate))
    if tiles := _tiles(y, kernel, stride, c):
        name, shares = "fast_conv2d", _tile_shares(tiles, o, num_threads())
    elif c <= THIN:
        name, count = "conv2d_thin", _abreast(x.dtype, y.shape[2], o, stride[1])
        count = count if count > 1 and all_finite(x) else 1  # merging adds zeros to w, and 0 * inf is nan
        (w, stride), bias = _merged_window(w, stride, count), None if bias is None else np.tile(bias, count)
        out, gate = _grouped(y, count), _grouped(gate, count)
        # a share has whole rows of y; a row needs w.size multiply-adds for each of its merged windows
        shares = _shares(len(y) * y.shape[1], 1, y.shape[2] // count * w.size, x.itemsize)
    else:
        # the product of the windows (N HO WO, KH KW C) with w (KH KW C, O)
        name, shares = "conv2d", _shares(math.prod(y.shape[:3]), o, math.prod(w.shape[:3]), x.itemsize)
    _run(name, shares, (w.shape[:2], stride, padding), x=x, w=w, bias=bias, y=out, gate=gate, slope=slope)
    return y


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """dx = the transpose of conv2d with w, applied to dy, then `finish`.

    dy (N, HO, WO, O)   w (KH, KW, C, O)   bias (C,)   size (H, W)   gate, dx (N, H, W, C)
    stride and padding are pairs (vertical, horizontal)

    `finish` adds bias, then applies LeakyReLU with this slope or, with a gate, the derivative of a LeakyReLU
    whose output is the gate. One of four ways computes it: a matrix product if there is one window or one
    output pixel, the Toom-Cook algorithm, thin.h for at most THIN = 8 input channels or weights that are not
    finite, and otherwise the direct kernel.
    """
    *kernel, c, o = w.shape
    if bias is None and _one_window(size, kernel, padding):
        return matmul(_flat_rows(dy), _rows(w).T, None, slope, _flat_rows(gate)).reshape(len(dy), *size, c)
    if dy.shape[1:3] == (1, 1):
        return _finished(_input_gradient_of_pixel(dy, w, padding, size, bias), slope, gate)
    dx = empty((len(dy), *size, c), dy.dtype)
    dy, w, bias, gate = map(_contiguous, (dy, w, bias, gate))
    if tiles := _tiles(dy, kernel, stride, c):
        name, shares = "fast_conv2d_input_gradient", _tile_shares(tiles, c, num_threads())
    elif c <= THIN or not np.isfinite(w).all():
        name = "conv2d_input_gradient_thin"
        count = _abreast(dy.dtype, dy.shape[2], o, most=7, widest=32) if c <= THIN else 1
        count = count if count > 1 and all_finite(dy) else 1
        dy, (w, stride) = _grouped(dy, count), _merged_window(w, stride, count)
        shares = _shares(len(dy), 1, math.prod(dy.shape[1:3]) * w.size, dy.itemsize)
    else:
        name, terms = "conv2d_input_gradient", math.prod(kernel) * o // math.prod(stride)
        shares = _shares(math.prod(dx.shape[:3]), c, terms, dy.itemsize)
    _run(name, shares, (w.shape[:2], stride, padding), dy=dy, w=w, bias=bias, dx=dx, gate=gate, slope=slope)
    return dx


def _input_gradient_of_pixel(dy, w, padding, size, bias):
    """The input gradient (N, H, W, C), plus bias, of a convolution whose output has one pixel.

    dy is (N, 1, 1, O), w (KH, KW, C, O), size (H, W), padding (vertical, horizontal). Each tap of w gives one
    pixel of the result, so one matrix product computes all pixels. bias (C,) is added to each pixel; None: no
    bias.
    """
    kh, kw, c, _ = w.shape
    padded = _padded(np.zeros((len(dy), *size, c), dy.dtype), padding)
    padded[:, :kh, :kw] = matmul(_rows(dy), _rows(w).T).reshape(len(dy), kh, kw, c)
    dx = _cropped(padded, padding)
    return dx if bias is None else np.add(dx, bias, out=dx)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    """The weight gradient dw of conv2d from its input x and dy; see `reference.conv2d_weight_gradient`.

    x (N, H, W, C)   dy (N, HO, WO, O)   kernel (KH, KW)   dw (KH, KW, C, O)
    stride and padding are pairs (vertical, horizontal)

    One of five ways computes it: a matrix product if there is one window, the Toom-Cook algorithm, merged or
    single windows for at most THIN = 8 input channels, and otherwise the direct kernel.
    """
    c, o = x.shape[3], dy.shape[3]
    if _one_window(x.shape[1:3], kernel, padding):
        return matmul(_flat_rows(x).T, _flat_rows(dy)).reshape(*kernel, c, o)
    dw = empty((*kernel, c, o), x.dtype)
    x, dy, window = _contiguous(x), _contiguous(dy), (kernel, stride, padding)
    if tiles := _tiles(dy, kernel, stride, c):
        # The tiles are summed in `parts` parts. The shape decides this number, not the number of threads: so
        # the bits are equal for any number of threads.
        parts = 2 if tiles >= 512 and dw.size <= 1 << 18 else 1
        kh, *rest = dw.shape
        both = dw if parts == 1 else empty((2 * kh, *rest), x.dtype)
        # The number of blocks of input channels: enough for all threads, but with at least 16 channels in a
        # block; and with at most 256 channels times phases (the product of the strides), so that a block
        # stays in the cache. All are rounded up.
        channels = max(min(num_threads() // parts, -(-c // 16)), -(-c * math.prod(stride) // 256))
        _run("fast_conv2d_weight_gradient", (parts * channels, -(-o // 256)), window, x=x, dy=dy, dw=both)
        if parts == 2:
            np.add(both[:kh], both[kh:], out=dw)
    elif c <= THIN and (count := _abreast(x.dtype, dy.shape[2], o, stride[1])) > 1:
        # Here x and dy may hold inf or nan: unlike in conv2d, no zeros are added to a factor. The entries of
        # `wide` that lie outside a window are dropped.
        (kh, kw), (down, _) = kernel, stride
        wide = conv2d_weight_gradient(x, _grouped(dy, count), (kh, kw + count - 1), (down, count), padding)
        wide = wide.reshape(*wide.shape[:3], count, o)
        # window i of the merged windows starts i columns to the right
        np.sum([wide[:, i : i + kw, :, i] for i in range(count)], axis=0, out=dw)
    elif c <= THIN:
        # The batch decides the number of parts, not the number of threads: so the bits are always equal.
        # Each part sums some images; at most 16 copies of dw are added afterwards.
        parts = np.empty((min(max(len(x), 1), 16), dw.size // max(o, 1), o), x.dtype)
        _run("conv2d_weight_gradient_thin", (len(parts), 1), window, x=x, dy=dy, dw=parts)
        parts.sum(axis=0, out=dw.reshape(parts.shape[1:]))
    else:  # the product of the transposed windows (KH KW C, N HO WO) with dy (N HO WO, O)
        shares = _shares(math.prod(dw.shape[:3]), o, math.prod(dy.shape[:3]), x.itemsize)
        _run("conv2d_weight_gradient", shares, window, x=x, dy=dy, dw=dw)
    return dw


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    """(y, index): the maximum of each window of x, and the number h W + w of its pixel (h, w) in x.

    x (N, H, W, C)   y (N, HO, WO, C)   index (N, HO, WO, C) int64

    kernel (size of a window), stride and padding are pairs (vertical, horizontal); see
    `reference.max_pool2d`.
    """
    y = empty((len(x), *output_size(x.shape[1:3], kernel, stride, padding), x.shape[3]), x.dtype)
    index = np.empty(y.shape, np.int64)
    shares = _shares(len(y) * y.shape[1], 1, math.prod(y.shape[2:]) * math.prod(kernel), x.itemsize)
    _run("max_pool2d", shares, (kernel, stride, padding), x=_contiguous(x), y=y, index=index)
    return y, index


def max_pool2d_gradient(dy, index, size):
    """The input gradient (N, H, W, C) of max_pool2d: dx[n, index[n,h,w,c], c] += dy[n,h,w,c], from dx = 0.

    dy and index are (N, HO, WO, C), size is (H, W). See `reference.max_pool2d_gradient`.
    """
    dx = np.zeros((len(dy), *size, dy.shape[3]), dy.dtype)
    shares = _shares(len(dy), 1, math.prod(dy.shape[1:]), dy.itemsize)
    _run("max_pool2d_gradient", shares, dy=_contiguous(dy), index=_contiguous(index), dx=dx)
    return dx
