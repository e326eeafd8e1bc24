"""What a figure must be printed with, and the two roofs it is held against: the FMA peak is the kernels' own measurement, the other is here."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from .. import _kernels
from . import doctor

COPIED = 1 << 27  # bytes in all: well beyond the last-level cache


def describe():
    """{processor, instruction_set, threads, backend} as they are now."""
    return {
        "processor": doctor.processor(),
        "instruction_set": _kernels.instruction_set(),
        "threads": _kernels.num_threads(),
        "backend": _kernels.backend(),
    }


@contextmanager
def threads(n):
    """In this block the kernels run on n threads; None leaves them as they are. ValueError unless n >= 1."""
    before = _kernels.num_threads()
    if n is not None:
        _kernels.set_num_threads(n)
    try:
        yield
    finally:
        _kernels.set_num_threads(before)


def bandwidth(n, repeats=5):
    """GB/s between memory and n threads that copy, bytes read and written both counted; the best of `repeats`."""
    source = np.ones((n, COPIED // (8 * n)))
    target = np.zeros_like(source)  # written once before: a page's first touch is not a copy
    target[:] = 1
    best = np.inf
    with ThreadPoolExecutor(n) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(np.copyto, target, source))
            best = min(best, time.perf_counter() - start)
    return 2e-9 * source.nbytes / best
