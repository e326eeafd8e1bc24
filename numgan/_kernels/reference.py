"""The definition of every kernel, in NumPy, written to be read. Tests compare fast kernels with this file.

Channels are last: activations (N, H, W, C), convolution weights (KH, KW, C_in, C_out). Loops run over the
positions in a window (taps) only. `stride` and `padding` are pairs (vertical, horizontal). Padding is
symmetric and made of zeros, in pooling of -inf.

    output size of a convolution        HO = (H + 2 padding - KH) // stride + 1
"""

import math

import numpy as np


def output_size(size, kernel, stride, padding):
    """(HO, WO), two ints: the size of the output of a convolution or pooling for an input of `size` (H, W).

    HO = (H + 2 padding - KH) // stride + 1, and WO likewise. kernel (the kernel size), stride and padding are
    pairs (vertical, horizontal).
    """
    return tuple(
        (int(n) + 2 * int(p) - int(k)) // int(s) + 1 for n, k, s, p in zip(size, kernel, stride, padding)
    )


def _taps(kernel, *arrays):
    """An iterator over all positions (i, j) in a kernel of the size `kernel`, (KH, KW), row by row.

    arrays   the arrays of the computation; if one is empty, there are no positions, and every sum over the
             positions is 0
    """
    return np.ndindex(*kernel) if all(x.size for x in arrays) else ()


def _padded(x, padding, value=0):
    """The array x (N, H, W, C) with p rows and q columns of `value` (0 by default) added on each side.

    padding is (p, q). Without padding the result is x itself, otherwise a new array.
    """
    p, q = padding
    return np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)), constant_values=value) if p or q else x


def _cropped(padded, padding):
    """The array `padded` (N, HP, WP, C) without p rows and q columns on each side, contiguous.

    padding is (p, q). It is the inverse of `_padded`.
    """
    p, q = padding
    return np.ascontiguousarray(padded[:, p : padded.shape[1] - p, q : padded.shape[2] - q])


def _tap(padded, i, j, stride, size):
    """The pixel at (i, j) of every window: a view (N, HO, WO, C) of the input.

    padded   (N, HP, WP, C), the input with its padding
    stride   (vertical, horizontal): the distance from one window to the next
    size     (HO, WO), the size of the output: the numbers of windows
    """
    (down, right), (height, width) = stride, size
    return padded[:, i : i + down * (height - 1) + 1 : down, j : j + right * (width - 1) + 1 : right]


def _rows(x):
    """The array x (N, H, W, C) as a matrix (N H W, C), also if a size is 0."""
    return x.reshape(math.prod(x.shape[:3]), x.shape[3])


def finish(c, bias, slope, gate):
    """The result c of a product or convolution, with the bias added, and after LeakyReLU or its derivative.

    c = c + bias                            if bias is not None
    c = c if c > 0 else slope c             LeakyReLU, if gate is None; slope 1: nothing happens
    c = c if gate > 0 else slope c          otherwise: c times the derivative of a LeakyReLU with output gate

    bias has one number for each entry of the last axis of c, or is None. slope is that of the LeakyReLU, and
    gate has the shape of c, or is None. The array that is passed as c is not changed.
    """
    c = c if bias is None else c + bias
    if gate is not None:
        return leaky_relu_gradient(c, gate, slope)
    return c if slope == 1 else leaky_relu(c, slope)


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """C = A B, then `finish` (bias and LeakyReLU)

    a (M, K)   b (K, N)   bias (N,)   gate, c (M, N)

    bias None: no bias. slope 1, the default: no LeakyReLU. With a gate, C is multiplied by the derivative of
    the LeakyReLU whose output is the gate.
    """
    with np.errstate(all="ignore"):  # BLAS may report errors in unused parts of its registers
        c = np.matmul(a, b)
    return finish(c, bias, slope, gate)


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """y = the convolution of x with w, then `finish` (bias and LeakyReLU)

    y[n,h,w,o] = sum_{i,j,c} x[n, h s + i - p, w s + j - p, c] w[i,j,c,o]
    x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)   s stride, p padding

    stride and padding are pairs (vertical, horizontal). `finish` adds bias, if it is not None. Then it
    applies LeakyReLU with this slope, or with a gate the derivative of a LeakyReLU with output gate.
    """
    *kernel, _, o = w.shape
    size = output_size(x.shape[1:3], kernel, stride, padding)
    padded = _padded(x, padding)
    y = np.zeros((len(x), *size, o), x.dtype)
    for i, j in _taps(kernel, x, w):  # the term (i, j) of the sum, for all pixels at once
        y += matmul(_rows(_tap(padded, i, j, stride, size)), w[i, j]).reshape(y.shape)
    return finish(y, bias, slope, gate)


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """dx = the transpose of conv2d, as a linear map of x, applied to dy; then `finish` (bias and LeakyReLU)

    It is also the forward pass of the transposed convolution. size is required: several sizes of x have the
    same size of y. stride and padding are pairs (vertical, horizontal). `finish` adds bias, if it is not
    None. Then it applies LeakyReLU with this slope, or with a gate the derivative of a LeakyReLU with output
    gate.

    dx[n, h s + i - p, w s + j - p, c] += sum_o dy[n,h,w,o] w[i,j,c,o] for all n, h, w, i, j, c
    dy (N, HO, WO, O)   w (KH, KW, C, O)   bias (C,)   size (H, W)   gate, dx (N, H, W, C)
    """
    *kernel, c, _ = w.shape
    padded = _padded(np.zeros((len(dy), *size, c), dy.dtype), padding)
    rows = _rows(dy)
    for i, j in _taps(kernel, dy, w):
        tap = _tap(padded, i, j, stride, dy.shape[1:3])
        tap += matmul(rows, w[i, j].T).reshape(tap.shape)
    return finish(_cropped(padded, padding), bias, slope, gate)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    """The weight gradient of conv2d: dw[i,j,c,o] = sum_{n,h,w} x[n, h s + i - p, w s + j - p, c] dy[n,h,w,o]

    x (N, H, W, C)   dy (N, HO, WO, O)   kernel (KH, KW)   dw (KH, KW, C, O)   s stride, p padding

    stride and padding are pairs (vertical, horizontal). dy is the derivative with respect to conv2d's output.
    """
    padded, rows = _padded(x, padding), _rows(dy)
    dw = np.zeros((*kernel, x.shape[3], dy.shape[3]), x.dtype)
    for i, j in _taps(kernel, x, dy):
        dw[i, j] = matmul(_rows(_tap(padded, i, j, stride, dy.shape[1:3])).T, rows)
    return dw


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    """(y, index): y is the maximum of each window, index the number h W + w of its pixel (h, w) in x

    Among equal entries of a window the first counts. Padding is never the maximum; nan always is.
    x (N, H, W, C)   y (N, HO, WO, C)   index (N, HO, WO, C) int64

    kernel (the size of a window), stride and padding are pairs (vertical, horizontal).
    """
    n, h, v, c = x.shape  # v is the width of x
    size = output_size((h, v), kernel, stride, padding)
    padded = _padded(x, padding, -np.inf)
    (height, width), (down, right), (top, left) = size, stride, padding
    # row and column in x of the first pixel of each window; negative in the padding
    row = np.arange(height)[:, None, None] * down - top
    col = np.arange(width)[None, :, None] * right - left
    y = np.full((n, *size, c), -np.inf, x.dtype)
    index = np.broadcast_to(np.maximum(row, 0) * v + np.maximum(col, 0), y.shape).copy()
    for i, j in _taps(kernel, x):
        here = _tap(padded, i, j, stride, size)
        better = (here > y) | (np.isnan(here) & ~np.isnan(y))
        np.copyto(y, here, where=better)
        np.copyto(index, (row + i) * v + (col + j), where=better)
    return y, index


def max_pool2d_gradient(dy, index, size):
    """dx, the input gradient of max_pool2d: start from dx = 0, then dx[n, index[n,h,w,c], c] += dy[n,h,w,c]

    Here the two axes H, W of dx are one axis of H W pixels. index is the second result of max_pool2d.
    dy, index (N, HO, WO, C)   size (H, W)   dx (N, H, W, C)
    """
    n, _, _, c = dy.shape
    dx = np.zeros((n, math.prod(size), c), dy.dtype)
    flat = index.reshape(n, math.prod(index.shape[1:3]), c)
    np.add.at(dx, (np.arange(n)[:, None, None], flat, np.arange(c)), dy.reshape(flat.shape))
    return dx.reshape(n, *size, c)


# --- updates: in place; each returns whether all written numbers are finite ---------------------------------


def _clipped(p, clip, *moments):
    """Clip the vector p to [-clip, clip], in place. Returns whether p and all `moments` are finite."""
    np.clip(p, -clip, clip, out=p)
    return all_finite(p) and all(map(all_finite, moments))


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    """m = beta1 m + (1 - beta1) s,  v = beta2 v + (1 - beta2) s^2,  s = g + weight_decay p
    p = p - lr mhat / (sqrt(vhat) + eps),  mhat = m / (1 - beta1^step),  vhat = v / (1 - beta2^step)

    Then p is clipped to [-clip, clip]. p, m and v change in place. Returns whether all three are finite.
    p, g, m, v (P,)   step = 1, 2, ... counts the updates, this one included

    p are the parameters, g is the gradient, m and v are the moments. The default has no weight decay and no
    clipping.
    """
    slope = g + weight_decay * p  # s
    m *= beta1
    m += (1 - beta1) * slope
    v *= beta2
    v += (1 - beta2) * np.square(slope)
    mhat, vhat = m / (1 - beta1**step), v / (1 - beta2**step)
    p -= lr * mhat / (np.sqrt(vhat) + eps)
    return _clipped(p, clip, m, v)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    """v = decay v + (1 - decay) s^2,  p = p - lr s / (sqrt(v) + eps),  s = g + weight_decay p

    Then p is clipped to [-clip, clip]. p and v change in place. Returns whether both are finite. p, g, v (P,)

    p are the parameters, g is the gradient, v is the moment. The default has no weight decay and no clipping.
    """
    slope = g + weight_decay * p  # s
    v *= decay
    v += (1 - decay) * np.square(slope)
    p -= lr * slope / (np.sqrt(v) + eps)
    return _clipped(p, clip, v)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    """m = momentum m + s,  p = p - lr m, or p - lr (s + momentum m) if nesterov,  s = g + weight_decay p

    Then p is clipped to [-clip, clip]. p and m change in place. Returns whether both are finite.
    p, g (P,)   m (P,), or None without momentum: then p = p - lr s, and s is tested in place of m
    """
    step = slope = g + weight_decay * p
    if m is not None:
        m *= momentum
        m += slope
        step = slope + momentum * m if nesterov else m
    p -= lr * step
    return _clipped(p, clip, slope if m is None else m)


def moving_average(average, p, decay):
    """Update `average` in place: average = decay average + (1 - decay) p          average, p (P,)

    p are the parameters, decay is a number from 0 to 1. Returns nothing.
    """
    average *= decay
    average += (1 - decay) * p


def add(one, two, out):
    """Write to `out`: out = one + two, or out = one if two is None          one, two, out of one shape"""
    np.add(one, 0 if two is None else two, out=out)


def all_finite(x):
    """Whether no element of the array x is inf or nan, True or False."""
    return bool(np.isfinite(x).all())


# --- rows of channels: x (P, C), one number per channel (C,) ------------------------------------------------


def channel_moments(x):
    """(mean, variance) of each column of x: the mean over rows of x, and the mean over rows of (x - mean)^2

    x (P, C), P >= 1   mean, variance (C,)
    """
    mean = x.mean(axis=0)
    return mean, np.square(x - mean).mean(axis=0)


def normalize(x, mean, scale, bias, slope=1.0):
    """y = (x - mean) scale + bias, then LeakyReLU; slope 1: no LeakyReLU

    x, y (P, C)   mean, scale, bias (C,)
    """
    return finish((x - mean) * scale, bias, slope, None)


def _before_leaky_relu(dy, x, mean, scale, bias, slope):
    """The gradient d (P, C) with respect to the input of normalize's LeakyReLU, from dy (P, C).

    dy is the gradient with respect to the output of this LeakyReLU. All arguments are those of
    `channel_products`. The input of the LeakyReLU is computed again from x, mean, scale and bias, for its
    sign. With slope 1 the result is dy.
    """
    return dy if slope == 1 else leaky_relu_gradient(dy, normalize(x, mean, scale, bias), slope)


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    """(sum over rows of d, sum over rows of d (x - mean))          dy, x (P, C)   mean, both sums (C,)

    With slope 1, d is dy. With another slope, d is dy times the derivative of normalize's LeakyReLU, whose
    input is (x - mean) scale + bias. Then scale and bias (C,) are needed.
    """
    dy = _before_leaky_relu(dy, x, mean, scale, bias, slope)
    return dy.sum(axis=0), (dy * (x - mean)).sum(axis=0)


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    """dx = (d - centre - (x - mean) share) scale          dy, x, dx (P, C)

    mean, scale, centre, share, bias (C,), with d as in channel_products: dy if slope is 1, otherwise dy times
    the derivative of normalize's LeakyReLU, for which bias is needed.
    In training, BatchNorm passes centre = mean d and share = mean(d (x - mean)) / (variance + eps).
    """
    dy = _before_leaky_relu(dy, x, mean, scale, bias, slope)
    return (dy - centre - (x - mean) * share) * scale


def column_sum(x):
    """The sum over rows of x          x (P, C)   sum (C,)"""
    return x.sum(axis=0)


# --- activations: arrays of any shape -----------------------------------------------------------------------


def leaky_relu(x, slope):
    """y = x if x > 0 else slope x, for each element of the array x          slope >= 0

    With slope 0 every x <= 0 gives 0, also -inf.
    """
    return np.where(x <= 0, slope * x if slope else 0 * x.dtype.type(0), x).astype(x.dtype, copy=False)


def leaky_relu_gradient(dy, y, slope):
    """dx = dy if y > 0 else slope dy, for each element          y = leaky_relu(x), which has the sign of x"""
    return np.where(y > 0, dy, dy * slope)
