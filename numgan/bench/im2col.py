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
    """The matrix P(x) (N HO WO, KH KW C) of all windows of the pictures x (N, H, W, C). A row is one window.

    x is padded with zeros. kernel (KH, KW), stride and padding are pairs (vertical, horizontal).
    """
    p, q = padding
    padded = np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))[
        :, :: stride[0], :: stride[1]
    ]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel[0] * kernel[1] * x.shape[3])


def conv2d(x, w, stride, padding):
    """The convolution y (N, HO, WO, O) of the pictures x (N, H, W, C) with the weights w (KH, KW, C, O).

    stride and padding are pairs (vertical, horizontal).
    """
    size = output_size(x.shape[1:3], w.shape[:2], stride, padding)
    rows = patches(x, w.shape[:2], stride, padding)
    return (rows @ w.reshape(-1, w.shape[3])).reshape(len(x), *size, w.shape[3])


def conv2d_weight_gradient(x, dy, kernel, stride, padding):
    """The weight gradient dw (KH, KW, C, O) of a convolution, from its input x and from dy.

    x (N, H, W, C)      the input of the convolution
    dy (N, HO, WO, O)   the derivative of a loss with respect to the output
    kernel              (KH, KW), the size of the window

    stride and padding are pairs (vertical, horizontal).
    """
    return (patches(x, kernel, stride, padding).T @ dy.reshape(-1, dy.shape[3])).reshape(
        *kernel, x.shape[3], -1
    )


def conv2d_input_gradient(dy, w, stride, padding, size):
    """The input gradient dx (N, H, W, C) of a convolution, from its weights w and from dy.

    dy (N, HO, WO, O)   the derivative of a loss with respect to the output
    w (KH, KW, C, O)    the weights
    size                (H, W), the height and width of the input

    stride and padding are pairs (vertical, horizontal).
    """
    (n, ho, wo, o), (kh, kw, c, _), (p, q) = dy.shape, w.shape, padding
    rows = (dy.reshape(-1, o) @ w.reshape(-1, o).T).reshape(n, ho, wo, kh, kw, c)
    padded = np.zeros((n, size[0] + 2 * p, size[1] + 2 * q, c), dy.dtype)
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + stride[0] * ho : stride[0], j : j + stride[1] * wo : stride[1]] += rows[
                :, :, :, i, j
            ]
    return padded[:, p : p + size[0], q : q + size[1]]
