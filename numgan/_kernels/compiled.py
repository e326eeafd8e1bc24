"""The fast kernels: the functions of reference.py, with the same names and signatures, over the C code behind _core.

Each makes its output, cuts it into one share per thread and has every share computed by C without the GIL. How the work is
cut never changes a bit of the result: gemm.h says why. `set_num_threads(n)` changes the number of threads, `num_threads()` tells it.
"""

import math
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from . import _core
from .reference import output_size

# --- threads -----------------------------------------------------------------------------------------------------------


def _positive(value, who):
    """value as a positive int; `who` is what the message blames."""
    try:
        number = int(value) if isinstance(value, str) else value.__index__()
    except (AttributeError, ValueError):
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"{who}: expected a number of threads, 1 or more, got {value!r}")
    return number


def _cgroup_quota():
    """Processors granted by the container (cgroup v2, then v1), rounded up; infinite if there is no limit."""
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join(Path("/sys/fs/cgroup", name).read_text() for name in names).split()
            return max(1, math.ceil(int(quota) / int(period))) if quota not in ("max", "-1") else math.inf
        except (OSError, ValueError):
            continue
    return math.inf


def _default_threads():
    """NUMGAN_NUM_THREADS, but no more than the processors this process may use."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("NUMGAN_NUM_THREADS")
    return min(_positive(asked, "NUMGAN_NUM_THREADS") if asked else math.inf, affinity, _cgroup_quota())


_threads = _default_threads()
_pool, _pool_lock = None, threading.Lock()


def num_threads():
    """How many threads a large kernel call uses."""
    return _threads


def set_num_threads(n):
    """Use n threads, the caller's included, from the next kernel call on. Raises ValueError unless n is an integer >= 1."""
    global _threads, _pool
    _threads = _positive(n, "set_num_threads")
    _pool = None  # calls under way keep the old pool; its threads end when nobody holds it


def _after_fork():
    """A forked child has none of its parent's threads."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _workers():
    global _pool
    with _pool_lock:
        pool = _pool
        if pool is None:
            pool = _pool = ThreadPoolExecutor(max(_threads - 1, 1), thread_name_prefix="numgan")
        return pool


def _run(kernel, arguments, shares):
    """kernel(*arguments, share) for every share, in this thread and its helpers.

    Whoever is free takes the next share, and only shares under way are waited for: the call ends even if every worker is busy
    elsewhere, or is this very thread, or cannot be started because the interpreter is shutting down (the RuntimeError).
    """
    if len(shares) == 1:
        return kernel(*arguments, shares[0])
    left = deque(shares)

    def help_out():
        while True:
            try:
                share = left.popleft()
            except IndexError:
                return
            kernel(*arguments, share)

    helpers = []
    try:
        for _ in shares[1:]:
            helpers.append(_workers().submit(help_out))
    except RuntimeError:
        pass
    help_out()
    for helper in helpers:
        if not helper.cancel():
            helper.result()


_SMALL = 1e8  # multiply-adds times bytes per element: about half a millisecond, below which threads cost more than they save


def _shares(rows, columns, depth, itemsize):
    """(row, rows, column, columns) of every share of a product with this many rows, columns and terms per element."""
    n = _threads if rows * columns * depth * itemsize > _SMALL else 1
    if n == 1 or columns == 1:
        return [(i, n, 0, 1) for i in range(n)]

    def cost(grid):  # of the largest share: its products, in vectors, and the packing of its rows and columns
        height, width = -(-rows // grid[0]), -(-columns // grid[1])
        return height * max(width, 32) + 16 * (height + width)

    down, across = min(((i, n // i) for i in range(1, n + 1) if n % i == 0), key=cost)
    return [(i, down, j, across) for i in range(down) for j in range(across)]


# --- kernels -----------------------------------------------------------------------------------------------------------


def _aligned(x):
    """x itself, or a copy if an element is not where C expects it."""
    return x if x.flags.aligned else x.copy()


def _contiguous(x):
    return x if x is None else np.require(x, requirements=["C", "A"])


def matmul(a, b, bias=None):
    c = np.empty((a.shape[0], b.shape[1]), a.dtype)
    _run(_core.matmul, (_aligned(a), _aligned(b), _contiguous(bias), c), _shares(*c.shape, a.shape[1], a.itemsize))
    return c


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None):
    kh, kw, c, o = w.shape
    y = np.empty((len(x), *output_size(x.shape[1:3], (kh, kw), stride, padding), o), x.dtype)
    shares = _shares(math.prod(y.shape[:3]), o, kh * kw * c, x.itemsize)
    _run(_core.conv2d, (_contiguous(x), _contiguous(w), _contiguous(bias), y, stride, padding), shares)
    return y


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None):
    kh, kw, c, o = w.shape
    if dy.shape[1:3] == (1, 1):
        return _input_gradient_of_pixel(dy, w, padding, size, bias)
    dx = np.empty((len(dy), *size, c), dy.dtype)
    arguments = _contiguous(dy), _contiguous(w), _contiguous(bias), dx, stride, padding
    if c <= 8 or not np.isfinite(w).all():
        _run(_core.conv2d_input_gradient_thin, arguments, _shares(len(dy), 1, math.prod(dy.shape[1:3]) * w.size, dy.itemsize))
    else:
        depth = kh * kw * o // (stride[0] * stride[1])
        _run(_core.conv2d_input_gradient, arguments, _shares(math.prod(dx.shape[:3]), c, depth, dy.itemsize))
    return dx


def _input_gradient_of_pixel(dy, w, padding, size, bias):
    """The input gradient if dy is one pixel: each tap of w meets one pixel of dx, so all of them are one product."""
    kh, kw, c, o = w.shape
    n, (p, q), (h, v) = len(dy), padding, size
    padded = np.zeros((n, h + 2 * p, v + 2 * q, c), dy.dtype)
    padded[:, :kh, :kw] = matmul(dy.reshape(n, o), w.reshape(kh * kw * c, o).T).reshape(n, kh, kw, c)
    dx = np.ascontiguousarray(padded[:, p:p + h, q:q + v])
    return dx if bias is None else np.add(dx, bias, out=dx)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    dw = np.empty((*kernel, x.shape[3], dy.shape[3]), x.dtype)
    shares = _shares(math.prod(dw.shape[:3]), dw.shape[3], math.prod(dy.shape[:3]), x.itemsize)
    _run(_core.conv2d_weight_gradient, (_contiguous(x), _contiguous(dy), dw, stride, padding), shares)
    return dw


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    y = np.empty((len(x), *output_size(x.shape[1:3], kernel, stride, padding), x.shape[3]), x.dtype)
    index = np.empty(y.shape, np.int64)
    shares = _shares(len(y) * y.shape[1], 1, math.prod(y.shape[2:]) * math.prod(kernel), x.itemsize)
    _run(_core.max_pool2d, (_contiguous(x), y, index, kernel, stride, padding), shares)
    return y, index


def max_pool2d_gradient(dy, index, size):
    dx = np.zeros((len(dy), *size, dy.shape[3]), dy.dtype)
    shares = _shares(len(dy), 1, math.prod(dy.shape[1:]), dy.itemsize)
    _run(_core.max_pool2d_gradient, (_contiguous(dy), _contiguous(index), dx), shares)
    return dx
