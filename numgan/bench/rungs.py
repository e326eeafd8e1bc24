"""The built-in rungs of the ladder, from the lowest up. Read this list beside _ladder.pyx.

_ladder.pyx has the kernels of the lower rungs. This file has their calls. Each rung is compared with the one
before it, unless `after` names another. From the rungs `registers` and `packed windows` on, the kernels are
numgan's own: first the backend "cython", to read and change, then the fast kernels in C. The yardstick is
NumPy with its BLAS.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np

from .. import _kernels
from . import im2col, trial

if (
    find_spec("._ladder", __package__)
    and _kernels.readable
    and _kernels.compiled
    and _kernels.backend() != "reference"
):
    from . import _ladder
else:
    _ladder = None  # the NumPy-only version has only the Python loops and the yardsticks


def rung(kind, name, after=None, **properties):
    """Register a rung that improves on the last one, or on `after`, and is checked in both dtypes."""
    after = after or next(reversed(trial.RUNGS[kind]), None)
    return trial.rung(kind, name, after, ("float32", "float64"), **properties)


# --- matmul -------------------------------------------------------------------------------------------------


@rung("matmul", "Python loop", threads=1, largest=32)
def python_matmul(a, b):
    """The formula in Python. Every number is an object, and every index is a method call."""
    c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]
    return c


def product(kernel):
    """A kernel of _ladder as a function c = f(a, b) of matrices in any layout. The kernel adds to zeros."""

    def f(a, b):
        c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
        kernel(np.ascontiguousarray(a), np.ascontiguousarray(b), c)
        return c

    f.__doc__ = kernel.__doc__
    return f


def registers(a, b):
    """The backend "cython": A is packed too, and a tile of C stays in registers while k runs.

    Every lower rung loads and stores a number of C for each multiply-add. A tile of 2 x 8 is loaded and
    stored once per 256 terms, and each number read from A or B is used for a whole row or column of the tile.
    The code is in numgan/_kernels/_readable.pyx.
    """
    return _kernels.readable.matmul(a, b)


def threaded(a, b):
    """`registers` on numgan's number of threads. Each thread computes its share of the rows of C.

    The kernel releases the GIL, so the threads run at the same time.
    """
    n = _kernels.num_threads()
    with ThreadPoolExecutor(n) as pool:
        shares = [slice(len(a) * i // n, len(a) * (i + 1) // n) for i in range(n)]
        return np.concatenate(list(pool.map(lambda rows: registers(a[rows], b), shares)))


def compiled(kernel, fast=False):
    """A kernel of numgan with its argument checks, on the backend "compiled".

    fast   whether a convolution may use a fast algorithm, if there is one, with fewer multiplications
    """

    def f(*arguments):
        with _kernels.use_backend("compiled"), _kernels.use_fast_convolutions(fast):
            return kernel(*arguments)

    f.__doc__ = kernel.__doc__
    return f


if _ladder:
    baseline, best = "baseline vectors", _kernels.compiled._core.isa()
    rung("matmul", "naive", threads=1)(product(_ladder.naive))
    rung("matmul", "order", threads=1, note=baseline)(product(_ladder.order))
    rung("matmul", "blocking", threads=1, note=baseline)(product(_ladder.blocking))
    rung("matmul", "packing", threads=1, note=baseline)(product(_ladder.packing))
    rung("matmul", "registers", threads=1, note=f"the backend cython, {baseline}")(registers)
    rung("matmul", "threads", note=baseline)(threaded)
    rung("matmul", "numgan, 1 thread", after="registers", threads=1, note=best)(compiled(_kernels.matmul))
    rung("matmul", "numgan", note=best)(compiled(_kernels.matmul))

rung("matmul", "NumPy BLAS", note="yardstick")(np.matmul)


# --- convolution --------------------------------------------------------------------------------------------


@rung("conv", "Python loop", threads=1, largest=1)
def python_conv(x, w, stride, padding):
    """The formula in Python: seven loops."""
    x, y = prepared(x, w, stride, padding)
    for n, h, v, o in np.ndindex(y.shape):
        for c in range(x.shape[3]):
            for i in range(w.shape[0]):
                for j in range(w.shape[1]):
                    y[n, h, v, o] += x[n, h * stride[0] + i, v * stride[1] + j, c] * w[i, j, c, o]
    return y


def prepared(x, w, stride, padding):
    """(padded x, y filled with zeros)."""
    (p, q), size = padding, _kernels.output_size(x.shape[1:3], w.shape[:2], stride, padding)
    return np.pad(x, ((0, 0), (p, p), (q, q), (0, 0))), np.zeros((len(x), *size, w.shape[3]), x.dtype)


def convolution(kernel):
    """A kernel of _ladder as a function y = f(x, w, stride, padding)."""

    def f(x, w, stride, padding):
        x, y = prepared(x, w, stride, padding)
        kernel(np.ascontiguousarray(x), np.ascontiguousarray(w), y, *stride)
        return y

    f.__doc__ = kernel.__doc__
    return f


def by_patches(x, w, stride, padding):
    """im2col, then `registers`: the convolution as a product of two matrices. The first one is stored."""
    x, y = prepared(x, w, stride, padding)
    rows = np.empty((*y.shape[:3], *w.shape[:3]), x.dtype)
    _ladder.patches(np.ascontiguousarray(x), rows, *stride)
    depth, pixels = w[..., 0].size, y[..., 0].size
    return registers(rows.reshape(pixels, depth), w.reshape(depth, w.shape[3])).reshape(y.shape)


def packed_windows(x, w, stride, padding):
    """The backend "cython": patches are read by address and packed block by block; they are never stored."""
    return _kernels.readable.conv2d(x, w, stride, padding)


if _ladder:
    rung("conv", "naive", threads=1)(convolution(_ladder.conv_naive))
    rung("conv", "order", threads=1, note=baseline)(convolution(_ladder.conv_order))
    rung("conv", "im2col", threads=1, note=baseline)(by_patches)
    rung("conv", "packed windows", threads=1, note=f"the backend cython, {baseline}")(packed_windows)
    # numgan's implicit GEMM in C gathers the patches in contiguous pieces
    rung("conv", "implicit GEMM", threads=1, note=f"numgan, {best}")(compiled(_kernels.conv2d))
    rung("conv", "threads", note=f"numgan, {best}")(compiled(_kernels.conv2d))
    rung("conv", "fast", fast=True, note=f"numgan, {best}")(compiled(_kernels.conv2d, fast=True))

rung("conv", "NumPy im2col", note="yardstick, with BLAS")(im2col.conv2d)
