"""The kernels to read and to change, the backend "cython": a matrix product, and the convolutions by it.

A convolution is a product with the windows of an image, W (N HO WO, KH KW C): one row per output pixel, one
column per position (i, j, c) in a window. W is never stored. `_readable.add_product` takes each matrix as two
tables of addresses, and the addresses of windows are as regular as those of rows:

    forward            y  += W w           W is read from x while it is packed
    weight gradient    dw += W' dy         W' is W with the two tables exchanged
    input gradient     dW += dy w'         dW are the windows of dx; where windows overlap, the terms add up

' is the transpose. reference.py has the definition of each kernel, with the same name and arguments, and the
other kernels of this backend. All kernels here run on one thread.
"""

from typing import NamedTuple

import numpy as np

from ._readable import add_product
from .reference import _cropped, _padded, finish, output_size


class Matrix(NamedTuple):
    """A matrix given by addresses: its entry (r, q) is data[rows[r] + columns[q]].

    rows and columns are vectors of integers. T is the transposed matrix, without a copy.
    """

    data: np.ndarray  # (P,), contiguous
    rows: np.ndarray
    columns: np.ndarray

    @property
    def T(self):
        return Matrix(self.data, self.columns, self.rows)


def addresses(*axes):
    """The position in memory of each entry of an array with the given axes, in C order: a vector of integers.

    Each of `axes` is a pair (length, step): the length of an axis, and the distance in memory between one
    index and the next. Distances and positions count entries; the first entry has position 0.
    """
    found = np.zeros(1, np.intp)
    for length, step in axes:
        found = np.add.outer(found, np.arange(length, dtype=np.intp) * step).reshape(-1)
    return found


def lines(x):
    """The array x (..., C) as a Matrix with rows of C numbers: one row for each index of the other axes.

    The rows are in C order. For w (KH, KW, C, O), for example, the rows of O numbers belong to the indices
    (i, j, c). A copy is made only if x is not contiguous or not aligned.
    """
    x = np.require(x, requirements=["C", "A"])
    *axes, (columns, _) = zip(x.shape, x.strides)  # (length, stride in bytes) of each axis; columns is C
    return Matrix(x.reshape(-1), addresses(*((n, s // x.itemsize) for n, s in axes)), addresses((columns, 1)))


def windows(x, kernel, stride, size):
    """The windows of x as a Matrix (N HO WO, KH KW C) that reads x by addresses, without a copy of a window.

    x        (N, H, W, C), the input with its padding
    kernel   (KH, KW), the size of a window
    stride   (vertical, horizontal)
    size     (HO, WO), the size of the output
    """
    n, h, v, c = x.shape  # v is the width
    (kh, kw), (ho, wo), (down, right) = kernel, size, stride
    x = np.require(x, requirements=["C", "A"])
    first_entries = addresses((n, h * v * c), (ho, down * v * c), (wo, right * c))
    within_window = addresses((kh, v * c), (kw, c), (c, 1))
    return Matrix(x.reshape(-1), first_entries, within_window)


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """C = A B, then `finish` (bias, slope, gate); see `reference.matmul`.

    a (M, K)   b (K, N)   bias (N,)   gate, c (M, N)
    """
    c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    add_product(*lines(a), *lines(b), *lines(c))
    return finish(c, bias, slope, gate)


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """The convolution y of x with w, then `finish` (bias, slope, gate); see `reference.conv2d`.

    x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)

    It is the product y = W w, where the rows of W are the windows of x. stride and padding are pairs
    (vertical, horizontal).
    """
    *kernel, _, o = w.shape
    size = output_size(x.shape[1:3], kernel, stride, padding)
    y = np.zeros((len(x), *size, o), x.dtype)
    add_product(*windows(_padded(x, padding), kernel, stride, size), *lines(w), *lines(y))
    return finish(y, bias, slope, gate)


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """The transpose of conv2d with w, applied to dy, then `finish` (bias, slope, gate).

    dy (N, HO, WO, O)   w (KH, KW, C, O)   bias (C,)   gate, dx (N, H, W, C)

    See `reference.conv2d_input_gradient`; size (H, W) is that of the result dx, and stride and padding are
    pairs (vertical, horizontal). It is the product dW = dy w', where the rows of dW are the windows of dx;
    where windows overlap, the terms add up.
    """
    *kernel, c, _ = w.shape
    dx = _padded(np.zeros((len(dy), *size, c), dy.dtype), padding)
    add_product(*lines(dy), *lines(w).T, *windows(dx, kernel, stride, dy.shape[1:3]))
    return finish(_cropped(dx, padding), bias, slope, gate)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    """The weight gradient dw = W' dy of conv2d, where the rows of W are the windows of x.

    x (N, H, W, C)   dy (N, HO, WO, O)   dw (KH, KW, C, O)

    See `reference.conv2d_weight_gradient`; kernel (KH, KW), stride and padding are pairs.
    """
    dw = np.zeros((*kernel, x.shape[3], dy.shape[3]), x.dtype)
    add_product(*windows(_padded(x, padding), kernel, stride, dy.shape[1:3]).T, *lines(dy), *lines(dw))
    return dw
