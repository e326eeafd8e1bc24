"""The description of the machine for the output of every benchmark, and its memory bandwidth.

`side` makes a function that times one of several compared programs. The peak of multiply-adds is measured
elsewhere, by `measured_peak` of the kernels.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from .. import _kernels
from . import doctor
from .timing import burst

COPIED = 1 << 27  # copied bytes in total, 128 MB: much more than the last-level cache


def describe():
    """The machine and the kernels in use now: {"processor", "instruction_set", "threads", "backend"}.

    "threads" is the number of threads of the kernels; the other values are texts. instruction_set is None if
    the kernels are those of NumPy.
    """
    return {
        "processor": doctor.processor(),
        "instruction_set": _kernels.instruction_set(),
        "threads": _kernels.num_threads(),
        "backend": _kernels.backend(),
    }


@contextmanager
def threads(n):
    """A context manager: within its block the kernels use n threads. None does not change the number.

    The old number is restored at the end. Raises ValueError unless n is from 1 to 256.
    """
    before = _kernels.num_threads()
    if n is not None:
        _kernels.set_num_threads(n)
    try:
        yield
    finally:
        _kernels.set_num_threads(before)


def side(function, backend=None, blas=1, fast=None, number=None):
    """Make a function side(calls) -> [ms] for `interleave`: the milliseconds of each call of `function()`.

    The calls run with these settings:

    backend   the backend of the kernels; None: the backend in use when side is made
    blas      the number of threads of BLAS; 1 is that of `numgan train`
    fast      whether the kernels may use fast convolutions; None: the setting when side is made
    number    the number of threads of the kernels; None: the number that is set when side is called
    """
    backend = backend or _kernels.backend()
    fast = _kernels.fast_convolutions() if fast is None else fast

    def run(calls):
        with _kernels.use_backend(backend), _kernels.use_fast_convolutions(fast):
            with threads(number), threadpool_limits(blas):
                return burst(function, calls)

    return run


def bandwidth(n, repeats=5):
    """Measure the memory bandwidth in GB/s of n threads that copy: the best of `repeats` measurements.

    Bytes read and bytes written are both counted. All threads together copy 128 MB in each measurement.
    """
    source = np.ones((n, COPIED // (8 * n)))
    target = np.zeros_like(source)  # written once before the measurement, so that its memory pages exist
    target[:] = 1
    best = np.inf
    with ThreadPoolExecutor(n) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(np.copyto, target, source))
            best = min(best, time.perf_counter() - start)
    return 2e-9 * source.nbytes / best  # each byte is read and written
