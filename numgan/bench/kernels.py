"""`numgan bench kernels`: speed, share of the peak and error of every kernel, beside NumPy and PyTorch.

    GFLOP/s     operations of the definition per time; an algorithm with fewer operations is marked "fast"
    share       GFLOP/s divided by the peak for this number of threads and type, measured in the same run
    error       max |result - float64 definition| / max |float64 definition|, on the arrays that are timed

The peak is the largest speed of multiply-adds on registers. A direct kernel cannot be faster. If one seems to
be faster, the measurement is wrong, and `impossible` returns the row of this kernel.
"""

from contextlib import ExitStack

import numpy as np
from tqdm import tqdm

from .. import _kernels
from ..core.streams import STDERR
from . import machine
from .cases import cases
from .timing import Rest, interleave
from .worker import Worker, expect_sides

PEAKS = 3  # number of measurements of the peak before each kernel; the highest of the run is used


def measure(against=(), quick=False, rounds=5, seconds=0.05):
    """Measure the time, speed and error of all kernels. Returns a dict with these keys:

    machine, others_busy, bandwidth_gbs   the machine, the load of other programs, the memory bandwidth
    peak_gflops                           {dtype: the measured peak, or None if the backend is not "compiled"}
    results                               a list of dicts, one for each line of the output

    Arguments:
    against           the programs to compare with, a choice of "numpy" and "torch"
    quick             True: a few small cases
    rounds, seconds   the number of bursts (calls in a row) of each program, and the length of a burst

    Raises ValueError for an unknown name in against, and ImportError for "torch" if it is not installed.
    """
    expect_sides(against)
    rows, peaks, rest = [], {}, Rest()
    with ExitStack() as stack:
        worker = None
        if "torch" in against:
            worker = stack.enter_context(Worker("torch_kernels", _kernels.num_threads()))
        for case, dtype in tqdm(cases(quick), unit="kernel", disable=None, leave=False, file=STDERR):
            peaks.setdefault(dtype.name, []).extend(
                _kernels.measured_peak(dtype.itemsize) for _ in range(PEAKS)
            )
            rows += _measure(case, dtype, "numpy" in against, worker, rounds, seconds, rest)
    # measured_peak returns None for other kernels than the compiled ones
    peaks = {name: None if None in found else max(found) for name, found in peaks.items()}
    for row in rows:
        peak = peaks[row["dtype"]]
        row["share"] = None if peak is None else row["gflops"] / peak
    return {
        "machine": machine.describe(),
        "others_busy": rest.busy,
        "peak_gflops": peaks,
        "bandwidth_gbs": machine.bandwidth(_kernels.num_threads()),
        "results": rows,
    }


def impossible(rows):
    """The list of those rows of `measure` whose kernel is direct and faster than the measured peak.

    rows are the "results" of `measure`. [] is expected: any row in the list is a wrong measurement.
    """
    return [row for row in rows if row["form"] == "direct" and (row["share"] or 0) > 1]


def _measure(case, dtype, numpy, worker, rounds, seconds, rest):
    """Yield the result rows of one case: one for its direct form and, if it exists, one for its fast form.

    The direct form is the algorithm of the definition, the fast form one with fewer multiplications. Both
    forms, NumPy and PyTorch are timed in turn.

    case, dtype       the Case, and the dtype in which it is computed
    numpy             whether NumPy is timed
    worker            the Worker of PyTorch, or None: PyTorch is not timed
    rounds, seconds   the number of bursts (calls in a row) of each program, and the length of a burst
    rest              the Rest (pause) before each burst

    A row has the kernel's name, dtype and form, its milliseconds with quartiles, GFLOP/s, error, flops per
    byte ("intensity"), and {library: its milliseconds, ratio and error} ("against").
    """
    arrays = case.arrays(dtype)
    with _kernels.use_backend("reference"):
        compute = case.ours(*(array.astype(np.float64) for array in arrays))
        exact = compute()
    forms = _forms(case, arrays)
    errors = {name: _error(result, exact) for name, result in forms.items()}
    sides = {name: machine.side(case.ours(*arrays), fast=name == "fast") for name in forms}
    others = {}  # {library: names of its sides}; PyTorch has one side for each memory layout
    if numpy:
        others["numpy"] = ["numpy"]
        sides["numpy"] = machine.side(case.numpy(*arrays), "reference", _kernels.num_threads())
        with _kernels.use_backend("reference"):
            errors["numpy"] = _error(case.numpy(*arrays)(), exact)
    if worker:
        results = {
            f"torch {layout}".strip(): (layout, result)
            for layout, result in worker("build", case, dtype.name).items()
        }
        others["torch"] = list(results)
        sides |= {name: worker.side(layout) for name, (layout, _) in results.items()}
        errors |= {name: _error(result, exact) for name, (_, result) in results.items()}
    times = interleave(sides, rounds, seconds, rest)
    best = {library: min(names, key=lambda name: times[name].median) for library, names in others.items()}
    for form in forms:
        own = times[form]
        yield {
            "kernel": case.name,
            "dtype": dtype.name,
            "form": form,
            "ms": own.median,
            "quartiles_ms": [own.low, own.high],
            "gflops": case.flops / own.median / 1e6,  # operations per millisecond / 10^6
            "error": errors[form],
            "intensity": case.flops / (case.traffic * dtype.itemsize),
            "against": {
                library: {
                    "side": name,
                    "ms": times[name].median,
                    "ratio": times[name].median / own.median,
                    "error": errors[name],
                }
                for library, name in best.items()
            },
        }


def _forms(case, arrays):
    """The results of a Case for its `arrays`, by both algorithms: {"direct": array, "fast": array}.

    "fast" is missing if both results are equal bit for bit: then there is no fast algorithm for this case.
    """
    if not case.may_be_fast:
        return {"direct": case.ours(*arrays)()}
    found = {}
    for name in ("direct", "fast"):
        with _kernels.use_fast_convolutions(name == "fast"):
            found[name] = case.ours(*arrays)()
    if np.array_equal(found["direct"], found["fast"]):
        del found["fast"]
    return found


def _error(got, exact):
    """max |got - exact| / max |exact|, a float, for two arrays of one shape."""
    return float(np.abs(got - exact).max() / np.abs(exact).max())
