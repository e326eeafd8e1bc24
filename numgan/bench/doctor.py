"""The results of `numgan doctor` and `numgan data`: this machine, its kernels, and the data sets on it."""

import os
import platform
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from .. import _kernels, data
from ..core.randomness import stream
from ..data.idx_sets import FILES, SOURCES, cache_folder, is_there
from ..training.runs import environment

# The largest allowed errors: more than the rounding errors of a sum of 150 products in each type.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def examine():
    """Examine the installation and return a dictionary that describes it.

    The dictionary has versions, backend, instruction sets, threads, the measured peak in GFLOP/s (float32,
    all threads; None if the backend is not "compiled"), BLAS, processor, data folder, the errors of the
    kernels, and "passed": whether no error is above TOLERANCE (1e-5 in float32, 1e-13 in float64).
    """
    errors = {dtype: self_check(dtype) for dtype in TOLERANCE}
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = [
        f"{pool.get('internal_api')} {pool.get('version')}, {pool['num_threads']} threads" for pool in pools
    ]
    peak = _kernels.measured_peak()
    return environment() | {
        "instruction_sets": _kernels.instruction_sets(),
        "peak_gflops": peak and round(peak, 1),
        "compiled_kernels": "built"
        if _kernels.compiled
        else "missing: `pip install .` in the sources builds them (a C compiler is needed)",
        "blas": blas,
        "processor": processor(),
        "processors": os.cpu_count(),
        "data_folder": os.environ.get("NUMGAN_DATA") or "not set (NUMGAN_DATA): sets are downloaded",
        "kernel_errors": errors,
        "passed": all(errors[dtype] <= limit for dtype, limit in TOLERANCE.items()),
    }


def processor():
    """The name of the processor, a text, from /proc/cpuinfo of Linux, or from the module `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    # a line is such as "model name : NAME"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )


def self_check(dtype):
    """The largest error max|C - C64| / max|C64| of five kernels in use, a float, for arrays of `dtype`.

    C is the result of a kernel, C64 the result of the reference kernel in float64. The kernels are the matrix
    product, the three passes of the convolution, and max-pooling. The arrays are random. Their shapes are
    small and irregular on purpose. dtype is "float32" or "float64".
    """
    rng = stream(0, "doctor")
    window = {"stride": (2, 1), "padding": (1, 0)}
    dy_shape = (3, *_kernels.output_size((7, 5), (3, 2), **window), 5)
    shapes = (7, 149), (149, 11), (3, 7, 5, 13), (3, 2, 13, 5), dy_shape
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]

    def results(kernels, dtype):  # the results of the five kernels of a module, computed in dtype
        a, b, x, w, dy = (array.astype(dtype) for array in arrays)
        return [
            kernels.matmul(a, b),
            kernels.conv2d(x, w, **window),
            kernels.conv2d_input_gradient(dy, w, **window, size=(7, 5)),
            kernels.conv2d_weight_gradient(x, dy, (3, 2), **window),
            kernels.max_pool2d(x, (3, 2), **window)[0],  # the maxima, without their places
        ]

    pairs = zip(results(_kernels, dtype), results(_kernels.reference, np.float64))
    return float(max(np.abs(got - exact).max() / np.abs(exact).max() for got, exact in pairs))


def data_sets():
    """A list [{"name", "description", "where", "present"}], one dict for each known data set.

    where     the folder of the files, or "in the package"
    present   whether all files are in this folder
    """
    return [
        {"name": name, "description": description} | _place(name)
        for name, description in data.names().items()
    ]


def _place(name):
    """{"where": folder as a text, "present": whether all its files are there} of the data set `name`."""
    if name not in SOURCES:
        return {"where": "in the package", "present": True}
    folder = Path(os.environ["NUMGAN_DATA"], name) if os.environ.get("NUMGAN_DATA") else cache_folder() / name
    return {"where": str(folder), "present": all(is_there(name, split, folder) for split in FILES)}
