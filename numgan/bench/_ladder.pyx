"""The lower rungs of the ladder, compiled: one matrix product and one convolution, each time with one idea more.

Read from the top; what separates two neighbours is the lesson, and `numgan bench ladder` measures it. The next ideas, a tile in registers
and windows that are never stored, are the backend "cython": numgan/_kernels/_readable.pyx. A kernel adds its result to an output of
zeros. Products take a (M, K), b (K, N), c (M, N); convolutions x (N, H, W, C) with its padding already around it, w (KH, KW, C, O),
y (N, HO, WO, O) and the stride (s, t). One body serves float32 and float64, and every loop runs without the GIL. All of it is compiled
for the instructions that every processor of the architecture has. `for i from 0 <= i < n by step` is Cython's range with a step, in C.
"""

import numpy as np

from cython cimport floating


cdef enum:
    K_NEAR = 64      # a block of B for the nearest cache: 24 KB in float32
    N_NEAR = 96


# --- matmul ----------------------------------------------------------------------------------------------------------


def naive(const floating[:, ::1] a, const floating[:, ::1] b, floating[:, ::1] c):
    """Three loops in C, in the order of the formula: c[i, j] = sum over k of a[i, k] b[k, j].

    Against the Python loop only the interpreter is gone: an index is an addition, a number is eight or four bytes in a register.
    The inner loop walks down a column of B, so every step touches another line of the cache to use one number of it, and each
    addition waits for the one before.
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

    Now the inner loop walks along rows of B and C. Each line of the cache is used whole, neighbouring additions do not wait for
    each other, and the compiler may do as many of them at once as a vector holds.
    """
    cdef Py_ssize_t i, j, k
    with nogil:
        for i in range(c.shape[0]):
            for k in range(a.shape[1]):
                for j in range(c.shape[1]):
                    c[i, j] += a[i, k] * b[k, j]


cdef void add_rows(Py_ssize_t k, Py_ssize_t n, const floating *a, const floating *b, Py_ssize_t step, floating *c) noexcept nogil:
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

    `order` reads all of B for each row of C, and loads and stores a number of C for every multiply-add. A block of B stays in the
    nearest cache for all rows of C, and four of its rows share one pass over the row of C.
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

    The rows of a block lie as far apart in B as B is wide: on many pages, and where the width is near a power of two in the same few
    places of the cache, where they drive each other out. The copy is one piece of memory; it costs one pass over B and serves all
    rows of C. And it does not care how B is stored: a transposed matrix is only packed differently.
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


# --- convolution -----------------------------------------------------------------------------------------------------


def conv_naive(const floating[:, :, :, ::1] x, const floating[:, :, :, ::1] w, floating[:, :, :, ::1] y, Py_ssize_t s, Py_ssize_t t):
    """Seven loops in the order of the formula: y[n, h, v, o] = sum over i, j, c of x[n, h s + i, v t + j, c] w[i, j, c, o].

    The sum runs over the window for one channel after the other, as if channels came first in memory, and over one output channel
    at a time: every step of the inner loop jumps in x and in w.
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


def conv_order(const floating[:, :, :, ::1] x, const floating[:, :, :, ::1] w, floating[:, :, :, ::1] y, Py_ssize_t s, Py_ssize_t t):
    """The same seven loops, channels innermost: all output channels of a pixel are a sum of rows of w.

    x, w and y are read along their last axis, in whole lines of the cache and, in the loop over o, in vectors.
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

    As a matrix, one row for each pixel, it turns the convolution into a product with w as a matrix (KH KW C, O), for which the whole
    ladder of matmul is there. The price: it is KH KW / (s t) times as large as x, and has to be written and read back.
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
