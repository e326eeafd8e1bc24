"""The definition of every kernel, in NumPy, written to be read. Tests compare fast kernels with this file.

Channels are last: activations (N, H, W, C), convolution weights (KH, KW, C_in, C_out). Loops run over the
positions in a window (taps) only. `stride` and `padding` are pairs (vertical, horizontal). Padding is
symmetric and made of zeros, in pooling of -inf.

    output size of a convolution        HO = (H + 2 padding - KH) // stride + 1
"""

import math

import numpy as np


def output_size(size, kernel, stride, padding):
    """The size (HO, WO) of the output of a convolution or pooling, for an input of `size` (H, W).

    kernel, stride and padding are pairs (vertical, horizontal).
    """
    return tuple(
        (int(n) + 2 * int(p) - int(k)) // int(s) + 1 for n, k, s, p in zip(size, kernel, stride, padding)
    )


def _taps(kernel, *arrays):
    """Iterate over all positions (i, j) in a window of size `kernel`, a pair (KH, KW).

    If one of `arrays` is empty, there are no positions: every sum over the positions is then 0.
    """
    return np.ndindex(*kernel) if all(x.size for x in arrays) else ()


def _padded(x, padding, value=0):
    """Add a border to x (N, H, W, C): p rows and q columns of `value` on each side. padding is (p, q)."""
    p, q = padding
    return np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)), constant_values=value) if p or q else x


def _cropped(padded, padding):
    """Remove the border from padded (N, HP, WP, C), as a contiguous array: the inverse of `_padded`.

    padding is the pair (p, q): p rows and q columns on each side.
    """
    p, q = padding
    return np.ascontiguousarray(padded[:, p : padded.shape[1] - p, q : padded.shape[2] - q])


def _tap(padded, i, j, stride, size):
    """The pixel at (i, j) of every window: a view (N, HO, WO, C) of the input.

    padded   (N, HP, WP, C), the input with its padding
    stride   (vertical, horizontal)
    size     (HO, WO), the size of the output
    """
    return padded[
        :,
        i : i + stride[0] * (size[0] - 1) + 1 : stride[0],
        j : j + stride[1] * (size[1] - 1) + 1 : stride[1],
    ]


def _rows(x):
    """Reshape x (N, H, W, C) to a matrix (N H W, C), also if a size is 0."""
    return x.reshape(math.prod(x.shape[:3]), x.shape[3])


def finish(c, bias, slope, gate):
    """Finish the result c of a product or convolution: add the bias, then apply LeakyReLU. Returns the new c.

    c = c + bias                     if bias is not None
    c = c if c > 0 else slope c      LeakyReLU, if gate is None; slope 1: nothing happens
    c = c if gate > 0 else slope c   otherwise: c times the derivative of a LeakyReLU with output gate

    The array that is passed as c is not changed. bias has one number for each column or channel of c; gate
    has the shape of c.
    """
    c = c if bias is None else c + bias
    if gate is not None:
        return leaky_relu_gradient(c, gate, slope)
    return c if slope == 1 else leaky_relu(c, slope)


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """Return the product c = a b, after `finish`: bias is added, and LeakyReLU is applied.

    a (M, K)   b (K, N)   bias (N,)   gate, c (M, N)   slope: that of LeakyReLU
    """
    with np.errstate(all="ignore"):  # BLAS may report errors in unused parts of its registers
        c = np.matmul(a, b)
    return finish(c, bias, slope, gate)


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """Return y, the convolution of x with w, after `finish`: bias is added, and LeakyReLU is applied.

    y[n,h,w,o] = sum_{i,j,c} x[n, h s + i - p, w s + j - p, c] w[i,j,c,o]
    x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)   s stride, p padding
    """
    *kernel, _, o = w.shape
    size = output_size(x.shape[1:3], kernel, stride, padding)
    padded = _padded(x, padding)
    y = np.zeros((len(x), *size, o), x.dtype)
    for i, j in _taps(kernel, x, w):
        y += matmul(_rows(_tap(padded, i, j, stride, size)), w[i, j]).reshape(y.shape)
    return finish(y, bias, slope, gate)


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """Return dx, the gradient of conv2d with respect to its input, after `finish` (bias and LeakyReLU).

    dx is the transpose of conv2d, as a linear map of x, applied to dy, the derivative for the output. It is
    also the forward pass of the transposed convolution. size is required.

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
    """Return dw, the gradient of conv2d with respect to its weights w.

    dw[i,j,c,o] = sum_{n,h,w} x[n, h s + i - p, w s + j - p, c] dy[n,h,w,o]
    x (N, H, W, C)   dy (N, HO, WO, O)   kernel (KH, KW)   dw (KH, KW, C, O)   s stride, p padding
    """
    padded, rows = _padded(x, padding), _rows(dy)
    dw = np.zeros((*kernel, x.shape[3], dy.shape[3]), x.dtype)
    for i, j in _taps(kernel, x, dy):
        dw[i, j] = matmul(_rows(_tap(padded, i, j, stride, dy.shape[1:3])).T, rows)
    return dw


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    """Return (y, index): the maximum y of each window of x, and the number h W + w of its pixel (h, w).

    Among equal entries the first counts. Padding is never the maximum. nan always is.
    x (N, H, W, C)   y (N, HO, WO, C)   index (N, HO, WO, C) int64
    """
    n, h, v, c = x.shape
    size = output_size((h, v), kernel, stride, padding)
    padded = _padded(x, padding, -np.inf)
    row = np.arange(size[0])[:, None, None] * stride[0] - padding[0]
    col = np.arange(size[1])[None, :, None] * stride[1] - padding[1]
    y = np.full((n, *size, c), -np.inf, x.dtype)
    index = np.broadcast_to(np.maximum(row, 0) * v + np.maximum(col, 0), y.shape).copy()
    for i, j in _taps(kernel, x):
        here = _tap(padded, i, j, stride, size)
        better = (here > y) | (np.isnan(here) & ~np.isnan(y))
        np.copyto(y, here, where=better)
        np.copyto(index, (row + i) * v + (col + j), where=better)
    return y, index


def max_pool2d_gradient(dy, index, size):
    """Return dx, the input gradient of max_pool2d: each entry of dy is added to the pixel of its maximum.

    dx[n, index[n,h,w,c], c] += dy[n,h,w,c], from dx = 0, where the axes H, W of dx are one axis of pixels.
    dy, index (N, HO, WO, C)   size (H, W)   dx (N, H, W, C)
    """
    n, _, _, c = dy.shape
    dx = np.zeros((n, size[0] * size[1], c), dy.dtype)
    flat = index.reshape(n, math.prod(index.shape[1:3]), c)
    np.add.at(dx, (np.arange(n)[:, None, None], flat, np.arange(c)), dy.reshape(flat.shape))
    return dx.reshape(n, *size, c)


# --- updates: in place; each returns whether all written numbers are finite ---------------------------------


def _clipped(p, clip, *moments):
    """Clip p to [-clip, clip], in place. Returns whether all numbers of p and of the moments are finite."""
    np.clip(p, -clip, clip, out=p)
    return all_finite(p) and all(map(all_finite, moments))


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    """Update p, m and v by Adam with the gradient g, in place. Returns whether all three are finite.

    m = beta1 m + (1 - beta1) s,            v = beta2 v + (1 - beta2) s^2,  s = g + weight_decay p
    p = p - lr mhat / (sqrt(vhat) + eps),   mhat = m / (1 - beta1^step),  vhat = v / (1 - beta2^step)

    Then p is clipped to [-clip, clip].
    p, g, m, v (P,)   step = 1, 2, ... counts the updates, this one included
    """
    slope = g + weight_decay * p
    m *= beta1
    m += (1 - beta1) * slope
    v *= beta2
    v += (1 - beta2) * np.square(slope)
    mhat, vhat = m / (1 - beta1**step), v / (1 - beta2**step)
    p -= lr * mhat / (np.sqrt(vhat) + eps)
    return _clipped(p, clip, m, v)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    """Update p and v by RMSProp with the gradient g, in place. Returns whether both are finite.

    v = decay v + (1 - decay) s^2,   p = p - lr s / (sqrt(v) + eps),  s = g + weight_decay p

    Then p is clipped to [-clip, clip]. p, g and v are vectors (P,).
    """
    slope = g + weight_decay * p
    v *= decay
    v += (1 - decay) * np.square(slope)
    p -= lr * slope / (np.sqrt(v) + eps)
    return _clipped(p, clip, v)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    """Update p and m by gradient descent with momentum, in place. Returns whether both are finite.

    m = momentum m + s,   p = p - lr m, or p - lr (s + momentum m) if nesterov,  s = g + weight_decay p

    Then p is clipped to [-clip, clip]. p, m and the gradient g are vectors (P,). m may be None without
    momentum: then p = p - lr s, and s is tested in place of m.
    """
    step = slope = g + weight_decay * p
    if m is not None:
        m *= momentum
        m += slope
        step = slope + momentum * m if nesterov else m
    p -= lr * step
    return _clipped(p, clip, slope if m is None else m)


def moving_average(average, p, decay):
    """Update a moving average in place: average = decay average + (1 - decay) p          average, p (P,)"""
    average *= decay
    average += (1 - decay) * p


def add(one, two, out):
    """Write one + two to the array out, or one if two is None          one, two, out of one shape"""
    np.add(one, 0 if two is None else two, out=out)


def all_finite(x):
    """Whether no element of x is inf or nan."""
    return bool(np.isfinite(x).all())


# --- rows of channels: x (P, C), one number per channel (C,) ------------------------------------------------


def channel_moments(x):
    """Return (mean, variance) of each column of x: the means over rows of x and of (x - mean)^2.

    x (P, C), P >= 1   mean, variance (C,)
    """
    mean = x.mean(axis=0)
    return mean, np.square(x - mean).mean(axis=0)


def normalize(x, mean, scale, bias, slope=1.0):
    """Return y = (x - mean) scale + bias, after a LeakyReLU with this slope. slope 1: no LeakyReLU.

    x, y (P, C)   mean, scale, bias (C,)
    """
    return finish((x - mean) * scale, bias, slope, None)


def _before_leaky_relu(dy, x, mean, scale, bias, slope):
    """The gradient with respect to the input of the LeakyReLU in `normalize`, from dy, that for its output.

    x, mean, scale, bias, slope   the arguments of `normalize`

    The input of the LeakyReLU is computed again from them, for its sign. With slope 1 the result is dy.
    """
    return dy if slope == 1 else leaky_relu_gradient(dy, normalize(x, mean, scale, bias), slope)


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    """Return (sum over rows of d, sum over rows of d (x - mean))          dy, x (P, C)   mean, both sums (C,)

    With slope 1, d is dy. With another slope, d is dy times the derivative of normalize's LeakyReLU. Then
    scale and bias (C,) are needed.
    """
    dy = _before_leaky_relu(dy, x, mean, scale, bias, slope)
    return dy.sum(axis=0), (dy * (x - mean)).sum(axis=0)


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    """Return dx = (d - centre - (x - mean) share) scale, with d as in `channel_products`.

    dy, x, dx (P, C)   mean, scale, centre, share, bias (C,)
    In training, BatchNorm passes centre = mean d and share = mean(d (x - mean)) / (variance + eps).
    """
    dy = _before_leaky_relu(dy, x, mean, scale, bias, slope)
    return (dy - centre - (x - mean) * share) * scale


def column_sum(x):
    """The sum over rows of x          x (P, C)   sum (C,)"""
    return x.sum(axis=0)


# --- activations: arrays of any shape -----------------------------------------------------------------------


def leaky_relu(x, slope):
    """Return y = x if x > 0 else slope x. slope >= 0; with slope 0 every x <= 0 gives 0, also -inf."""
    return np.where(x <= 0, slope * x if slope else 0 * x.dtype.type(0), x).astype(x.dtype, copy=False)


def leaky_relu_gradient(dy, y, slope):
    """Return dx = dy if y > 0 else slope dy, where y = leaky_relu(x) has the sign of x."""
    return np.where(y > 0, dy, dy * slope)
