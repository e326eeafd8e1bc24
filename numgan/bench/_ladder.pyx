"""The lower rungs of the ladder, compiled: one matrix product and one convolution, each with one more idea.

Read from the top. The difference between two neighbours is the lesson, and `numgan bench ladder` measures
it. The next ideas are a tile in registers and windows that are never stored. They are in the backend
"cython": numgan/_kernels/_readable.pyx.

A kernel adds its result to an output of zeros.
    product       a (M, K)   b (K, N)   c (M, N)
    convolution   x (N, H, W, C) with its padding   w (KH, KW, C, O)   y (N, HO, WO, O)   stride (s, t)
One body serves float32 and float64, and every loop runs without the GIL. The code is compiled for the
instructions that every processor of the architecture has. `for i from 0 <= i < n by step` is Cython's range
with a step, in C.
"""

import numpy as np

from cython cimport floating


cdef enum:
    K_NEAR = 64      # a block of B for the nearest cache: 24 KB in float32
    N_NEAR = 96


# ---- matmul


def naive(const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] c):
    """Three loops in C, in the order of the formula: c[i, j] = sum over k of a[i, k] b[k, j].

    The formula is that of the Python loop, without the interpreter: an index is an addition, and a number is
    eight or four bytes in a register. The inner loop walks down a column of B. Each step reads another cache
    line and uses one number of it, and each addition waits for the one before.
    """
    cdef Py_ssize_t i, j, k
    cdef floating total
    with nogil:
        for i in range(c.shape[0]):
            for j in range(c.shape[1]):
                total = 0
                for k in range(a.shape[1]):
                    total += a[i, k] * b[k, j]
                c[i, j] = total


def order(const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] c):
    """The same three loops, j innermost: row i of C is a sum of rows of B.

    Now the inner loop walks along rows of B and C. Each cache line is used whole. Neighbouring additions do
    not wait for each other, so the compiler can compute a vector of them at once.
    """
    cdef Py_ssize_t i, j, k
    with nogil:
        for i in range(c.shape[0]):
            for k in range(a.shape[1]):
                for j in range(c.shape[1]):
                    c[i, j] += a[i, k] * b[k, j]


cdef void add_rows(
    Py_ssize_t k, Py_ssize_t n, const floating *a, const floating *b, Py_ssize_t step, floating *c
) noexcept nogil:
    """c[j] += sum over k of a[k] b[k step + j] for n numbers, four k in one pass over c."""
    cdef Py_ssize_t j
    while k >= 4:
        for j in range(n):
            c[j] += a[0] * b[j] + a[1] * b[step + j] + a[2] * b[2 * step + j] + a[3] * b[3 * step + j]
        k, a, b = k - 4, a + 4, b + 4 * step
    while k > 0:
        for j in range(n):
            c[j] += a[0] * b[j]
        k, a, b = k - 1, a + 1, b + step


def blocking(const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] c):
    """The loops of `order`, block by block of B, four rows of the block at once.

    `order` reads all of B for each row of C, and loads and stores a number of C for every multiply-add. Here
    a block of B stays in the nearest cache for all rows of C, and four rows of the block share one pass over
    the row of C.
    """
    cdef Py_ssize_t i, k0, n0, k, n
    with nogil:
        for n0 from 0 <= n0 < c.shape[1] by N_NEAR:
            n = min(c.shape[1] - n0, N_NEAR)
            for k0 from 0 <= k0 < a.shape[1] by K_NEAR:
                k = min(a.shape[1] - k0, K_NEAR)
                for i in range(c.shape[0]):
                    add_rows(k, n, &a[i, k0], &b[k0, n0], b.shape[1], &c[i, n0])


def packing(const floating[:, ::1] a, const floating[:, :] b, floating[:, ::1] c):
    """The loops of `blocking` on a copy of the block, laid out in the order in which it is read.

    In B, two rows of a block are as far apart as B is wide. So the block lies on many pages of memory. If the
    width is near a power of two, its rows also compete for the same few places of the cache. The copy is one
    piece of memory. It costs one pass over B and serves all rows of C. B may be stored in any way: a
    transposed matrix is only packed differently.
    """
    cdef Py_ssize_t i, k0, n0, k, n, p, q
    cdef floating[::1] block = np.empty(K_NEAR * N_NEAR, np.asarray(c).dtype)
    with nogil:
        for n0 from 0 <= n0 < c.shape[1] by N_NEAR:
            n = min(c.shape[1] - n0, N_NEAR)
            for k0 from 0 <= k0 < a.shape[1] by K_NEAR:
                k = min(a.shape[1] - k0, K_NEAR)
                for p in range(k):
                    for q in range(n):
                        block[p * n + q] = b[k0 + p, n0 + q]
                for i in range(c.shape[0]):
                    add_rows(k, n, &a[i, k0], &block[0], n, &c[i, n0])


# ---- convolution


def conv_naive(
    const floating[:, :, :, ::1] x, const floating[:, :, :, ::1] w, floating[:, :, :, ::1] y,
    Py_ssize_t s, Py_ssize_t t,
):
    """Seven loops in the order of the formula.

    y[n, h, v, o] = sum over i, j, c of x[n, h s + i, v t + j, c] w[i, j, c, o]. The sum runs over the window
    for one channel after another, as if channels came first in memory, and for one output channel at a time.
    So every step of the inner loop jumps in x and in w.
    """
    cdef Py_ssize_t n, o, h, v, c, i, j
    cdef floating total
    with nogil:
        for n in range(y.shape[0]):
            for o in range(y.shape[3]):
                for h in range(y.shape[1]):
                    for v in range(y.shape[2]):
                        total = 0
                        for c in range(x.shape[3]):
                            for i in range(w.shape[0]):
                                for j in range(w.shape[1]):
                                    total += x[n, h * s + i, v * t + j, c] * w[i, j, c, o]
                        y[n, h, v, o] = total


def conv_order(
    const floating[:, :, :, ::1] x, const floating[:, :, :, ::1] w, floating[:, :, :, ::1] y,
    Py_ssize_t s, Py_ssize_t t,
):
    """The same seven loops, channels innermost: all output channels of a pixel are a sum of rows of w.

    x, w and y are read along their last axis: in whole cache lines and, in the loop over o, in vectors.
    """
    cdef Py_ssize_t n, h, v, i, j, c, o
    with nogil:
        for n in range(y.shape[0]):
            for h in range(y.shape[1]):
                for v in range(y.shape[2]):
                    for i in range(w.shape[0]):
                        for j in range(w.shape[1]):
                            for c in range(x.shape[3]):
                                for o in range(y.shape[3]):
                                    y[n, h, v, o] += x[n, h * s + i, v * t + j, c] * w[i, j, c, o]


def patches(const floating[:, :, :, ::1] x, floating[:, :, :, :, :, ::1] rows, Py_ssize_t s, Py_ssize_t t):
    """rows[n, h, v] = the window (KH, KW, C) of x that output pixel (n, h, v) sees: im2col.

    As a matrix with one row for each pixel, it turns the convolution into a product with w as a matrix
    (KH KW C, O). Every rung of matmul then serves the convolution. The matrix is KH KW / (s t) times as large
    as x, and has to be written and read back.
    """
    cdef Py_ssize_t n, h, v, i, j, c
    with nogil:
        for n in range(rows.shape[0]):
            for h in range(rows.shape[1]):
                for v in range(rows.shape[2]):
                    for i in range(rows.shape[3]):
                        for j in range(rows.shape[4]):
                            for c in range(rows.shape[5]):
                                rows[n, h, v, i, j, c] = x[n, h * s + i, v * t + j, c]
