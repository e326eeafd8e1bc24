"""Convolution in NumPy, for comparison: a matrix of patches in memory, and one product by BLAS.

Most NumPy code computes convolutions like this. Functions and arguments have the names of the kernels in
numgan._kernels. x is the input, w the weights W, and P(x) the matrix whose rows are the windows of x.

forward            y  = P(x) W                P(x) (N HO WO, KH KW C)
weight gradient    dW = P(x)' dy              ' is the transpose
input gradient     dx = P'(dy W')             P' is the transpose of P: it adds the overlapping windows
"""

import numpy as np

from .._kernels import output_size


def patches(x, kernel, stride, padding):
    """The matrix P(x) (N HO WO, KH KW C) of all windows of x (N, H, W, C). A row is one window.

    x is padded with zeros. kernel (KH, KW), stride and padding are pairs (vertical, horizontal).
    """
    p, q = padding
    padded = np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))
    # (N, HO, WO, C, KH, KW): a window at each place, of which every stride-th is used
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))[
        :, :: stride[0], :: stride[1]
    ]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel[0] * kernel[1] * x.shape[3])


def conv2d(x, w, stride, padding):
    """y (N, HO, WO, O), the convolution of x (N, H, W, C) with w (KH, KW, C, O).

    stride and padding are pairs (vertical, horizontal).
    """
    size = output_size(x.shape[1:3], w.shape[:2], stride, padding)
    rows = patches(x, w.shape[:2], stride, padding)
    return (rows @ w.reshape(-1, w.shape[3])).reshape(len(x), *size, w.shape[3])


def conv2d_weight_gradient(x, dy, kernel, stride, padding):
    """dw, the weight gradient of conv2d, from x and dy, the derivative with respect to its output.

    x (N, H, W, C)   dy (N, HO, WO, O)   dw (KH, KW, C, O)   kernel (KH, KW), stride, padding: pairs
    """
    return (patches(x, kernel, stride, padding).T @ dy.reshape(-1, dy.shape[3])).reshape(
        *kernel, x.shape[3], -1
    )


def conv2d_input_gradient(dy, w, stride, padding, size):
    """dx, the input gradient of conv2d, from dy, the derivative with respect to its output.

    dy (N, HO, WO, O)   w (KH, KW, C, O)   size (H, W)   dx (N, H, W, C)   stride, padding: pairs
    """
    (n, ho, wo, o), (kh, kw, c, _), (p, q) = dy.shape, w.shape, padding
    # rows[:, h, v, i, j] is added at the pixel (h * stride + i, v * stride + j) of the padded picture
    rows = (dy.reshape(-1, o) @ w.reshape(-1, o).T).reshape(n, ho, wo, kh, kw, c)
    padded = np.zeros((n, size[0] + 2 * p, size[1] + 2 * q, c), dy.dtype)
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + stride[0] * ho : stride[0], j : j + stride[1] * wo : stride[1]] += rows[
                :, :, :, i, j
            ]
    return padded[:, p : p + size[0], q : q + size[1]]
