"""The built-in rungs (versions of a kernel) of the ladder, from the lowest up. Read it beside _ladder.pyx.

_ladder.pyx has the kernels of the lower rungs. This file has the functions that call them. Each rung is
compared with the rung before it, unless `after` names another. From the rungs `registers` and `packed
windows` on, the kernels are numgan's own: first the backend "cython", to read and change, then the fast
kernels in C. NumPy with its BLAS is timed too, for comparison.
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
    _ladder = None  # the NumPy-only version has only the Python loops and NumPy itself


def rung(kind, name, after=None, **properties):
    """A decorator that registers a kernel as a built-in rung, which is checked in float32 and float64.

    kind         "matmul" or "conv"
    name         the name of the rung
    after        the name of the rung that it improves on; None: the rung that was registered before it
    properties   more fields of `trial.Rung`, {name: value}, such as threads and note

    Raises the errors of `trial.rung`, such as ValueError for a name that is taken.
    """
    after = after or next(reversed(trial.RUNGS[kind]), None)  # the last registered one
    return trial.rung(kind, name, after, ("float32", "float64"), **properties)


# --- matmul -------------------------------------------------------------------------------------------------


@rung("matmul", "Python loop", threads=1, largest=32)
def python_matmul(a, b):
    """c (M, N) = a (M, K) b (K, N) in Python: three loops. It is slow on purpose.

    Every number is an object, every index a method call.
    """
    c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]
    return c


def product(kernel):
    """Make a function f(a, b) that returns the product c = a b, from kernel(a, b, c) of _ladder.pyx.

    a and b may have any memory layout: f copies them to C order if needed. f makes c, filled with zeros, and
    the kernel adds the product to c.
    """

    def f(a, b):
        c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
        kernel(np.ascontiguousarray(a), np.ascontiguousarray(b), c)
        return c

    f.__doc__ = kernel.__doc__
    return f


def registers(a, b):
    """The product c = a b, with a tile of c in registers; a and b are both packed. The backend is "cython".

    a is (M, K), b (K, N), c (M, N); k is the index of the sum. Lower rungs of the ladder load and store a
    number of c for each multiply-add. Here a tile of 2 x 8 is loaded and stored once per 256 terms of the
    sum, and each number read from a or b is used for a whole row or column of the tile. The code is in
    numgan/_kernels/_readable.pyx.
    """
    return _kernels.readable.matmul(a, b)


def threaded(a, b):
    """The product c (M, N) = a (M, K) b (K, N) by the function `registers` on several threads.

    There are as many threads as numgan uses. Each computes about the same number of rows of c. The kernel
    releases the GIL (Python's lock), so the threads run at the same time.
    """
    n = _kernels.num_threads()
    with ThreadPoolExecutor(n) as pool:
        shares = [slice(len(a) * i // n, len(a) * (i + 1) // n) for i in range(n)]
        return np.concatenate(list(pool.map(lambda rows: registers(a[rows], b), shares)))


def compiled(kernel, fast=False):
    """Make a function that calls `kernel`, a function of numgan._kernels, with the backend "compiled".

    Arguments and result are those of `kernel`.

    fast   True: a convolution may use the fast algorithm with fewer multiplications, where there is one
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
    """The convolution y (N, HO, WO, O) of x (N, H, W, C) with w (KH, KW, C, O) in Python: seven loops.

    stride and padding are pairs (vertical, horizontal).
    """
    x, y = prepared(x, w, stride, padding)
    for n, h, v, o in np.ndindex(y.shape):
        for c in range(x.shape[3]):
            for i in range(w.shape[0]):
                for j in range(w.shape[1]):
                    y[n, h, v, o] += x[n, h * stride[0] + i, v * stride[1] + j, c] * w[i, j, c, o]
    return y


def prepared(x, w, stride, padding):
    """The arrays of a convolution, (x padded with zeros, y filled with zeros). y is for the output.

    x (N, H, W, C)   w (KH, KW, C, O)   y (N, HO, WO, O)   stride, padding: pairs (vertical, horizontal)
    """
    (p, q), size = padding, _kernels.output_size(x.shape[1:3], w.shape[:2], stride, padding)
    return np.pad(x, ((0, 0), (p, p), (q, q), (0, 0))), np.zeros((len(x), *size, w.shape[3]), x.dtype)


def convolution(kernel):
    """Make a function f(x, w, stride, padding) that returns the convolution y, from a kernel of _ladder.pyx.

    x and w may have any memory layout: f pads x and copies to C order if needed. f makes y, filled with
    zeros, and the kernel adds the convolution to y.
    """

    def f(x, w, stride, padding):
        x, y = prepared(x, w, stride, padding)
        kernel(np.ascontiguousarray(x), np.ascontiguousarray(w), y, *stride)
        return y

    f.__doc__ = kernel.__doc__
    return f


def by_patches(x, w, stride, padding):
    """The convolution y of x with w by im2col: the matrix of all patches of x times the matrix w.

    The matrix of patches is stored. `registers` computes the product. x (N, H, W, C), w (KH, KW, C, O);
    stride and padding are pairs.
    """
    x, y = prepared(x, w, stride, padding)
    rows = np.empty((*y.shape[:3], *w.shape[:3]), x.dtype)  # (N, HO, WO, KH, KW, C)
    _ladder.patches(np.ascontiguousarray(x), rows, *stride)  # fills rows
    depth, pixels = w[..., 0].size, y[..., 0].size  # KH KW C, and N HO WO
    return registers(rows.reshape(pixels, depth), w.reshape(depth, w.shape[3])).reshape(y.shape)


def packed_windows(x, w, stride, padding):
    """The convolution y of x (N, H, W, C) with w (KH, KW, C, O), by the backend "cython".

    It multiplies patches of x by w, like im2col. But it reads the patches straight from x, a few at a time,
    so the matrix of all patches is never stored. stride and padding are pairs.
    """
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
