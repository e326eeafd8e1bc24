"""How the C code in _core is called: the number of threads, the parts of the work, the memory of the output.

The work of a call is cut into shares: parts that the threads compute, one or more for each thread. The cut
never changes a bit of the result; gemm.h explains why. `set_num_threads(n)` sets the number of threads, and
`num_threads()` returns it.
"""

import math
import operator
import os
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import _core
from ._core import num_threads
from ._core import run as _run

# --- threads ------------------------------------------------------------------------------------------------

MOST_THREADS = 256  # the largest number of threads that threads.c starts


def _number(value, who):
    """The `value` as a number of threads, an int. `who` names the source of the value in the message.

    Raises ValueError unless value is an integer, or the text of one, from 1 to 256.
    """
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= MOST_THREADS or isinstance(value, bool):
        raise ValueError(f"{who}: expected a number of threads, 1 to {MOST_THREADS}, got {value!r}")
    return number


def _cgroup_quota():
    """The number of processors that the container may use, rounded up, at least 1; inf if there is no limit.

    The limit is quota / period: the processor time that all processes in the container may use in one period.
    It is read from the files of cgroup v2 or, without them, of cgroup v1.
    """
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join(Path("/sys/fs/cgroup", name).read_text() for name in names).split()
            return max(1, math.ceil(int(quota) / int(period))) if quota not in ("max", "-1") else math.inf
        except (OSError, ValueError):
            continue
    return math.inf


def _default_threads():
    """The number of threads at import: all processors that this process may use, but at most a limit.

    The processor affinity and the limit of a container (cgroup) say which it may use. The limit is
    NUMGAN_NUM_THREADS, or 256 without it. Raises ValueError if the variable is not an integer from 1 to 256.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("NUMGAN_NUM_THREADS")
    try:
        most = _number(asked, "NUMGAN_NUM_THREADS") if asked else MOST_THREADS
    except ValueError as error:
        raise ValueError(f"{error}; set it to one or unset it") from None
    return min(most, affinity, _cgroup_quota())


def set_num_threads(n):
    """Use n threads from the next kernel call on. The thread of the caller is one of them. Returns nothing.

    Raises ValueError unless n is an integer, or the text of one, from 1 to 256.
    """
    _core.set_num_threads(_number(n, "set_num_threads"))


set_num_threads(_default_threads())


# A limit for multiply-adds times bytes per element: about ten microseconds of work. Below this limit,
# threads cost more time than they save.
_SMALL = 1e7


def _shares(rows, columns, depth, itemsize):
    """(down, across): the numbers of parts into which the rows and the columns of a matrix product are cut.

    rows, columns   the size of the result
    depth           the number of multiply-adds for each element of the result
    itemsize        the bytes of an element

    A product with at most 1e7 multiply-adds times bytes has one part, (1, 1). A larger one has a part for
    each thread.
    """
    return _grid(rows, columns, num_threads() if rows * columns * depth * itemsize > _SMALL else 1)


@lru_cache(4096)
def _grid(rows, columns, n):
    """(down, across) with down * across = n: the cheapest cut of a matrix (rows, columns) into n parts.

    down is the number of parts of the rows, across that of the columns. With one column, down is n.
    """

    def cost(grid):  # the cost of the largest share: its products, plus the packing of its rows and columns
        down, across = grid
        height, width = -(-rows // down), -(-columns // across)  # rounded up
        # fewer than 32 columns cost as much as 32; packing a row or a column costs about 16 products
        return height * max(width, 32) + 16 * (height + width)

    if n == 1 or columns == 1:
        return n, 1
    return min(((i, n // i) for i in range(1, n + 1) if n % i == 0), key=cost)


# --- memory -------------------------------------------------------------------------------------------------

_LARGE = 1 << 16  # bytes; for a smaller array, reuse of memory costs more than it saves


def empty(shape, dtype):
    """A new array with any values, like np.empty. If it is large, it may be in the memory of a deleted array.

    shape is a tuple of Python ints, dtype an np.dtype. Large means at least 65,536 bytes. Raises MemoryError
    if there is no memory for the array.
    """
    count = math.prod(shape)
    if count * dtype.itemsize < _LARGE:
        return np.empty(shape, dtype)
    if count * dtype.itemsize > sys.maxsize:
        raise MemoryError(f"numgan: no memory for an array of {count * dtype.itemsize} bytes")
    return np.frombuffer(_core.Block(count * dtype.itemsize), dtype).reshape(shape)


def measured_peak(itemsize=4):
    """The peak in GFLOP/s: multiply-adds on registers alone, with the current number of threads.

    It is a float, the best of five runs. itemsize is the bytes of a number, 4 (the default) or 8. No direct
    kernel (one that does every multiply-add of the definition, unlike Toom-Cook) can be faster. A
    multiply-add counts as two operations.
    """
    # the C code sets products[0] to the multiply-adds of one step of one thread; `sums` only keeps the
    # compiler from leaving out the work
    dtype = np.float32 if itemsize == 4 else np.float64
    threads, steps, seconds = num_threads(), 400_000, []
    sums, products = np.zeros(threads, dtype), np.zeros(1, dtype)
    for _ in range(5):
        start = time.perf_counter()
        _run("peak", (threads, 1), sums=sums, products=products, steps=steps)
        seconds.append(time.perf_counter() - start)
    (per_step,) = products
    return 2 * steps * float(per_step) * threads / min(seconds) / 1e9


def _contiguous(x):
    """The array x itself if it is contiguous (C order) and aligned, else such a copy. None stays None."""
    return (
        x if x is None or x.flags.c_contiguous and x.flags.aligned else np.require(x, requirements=["C", "A"])
    )
