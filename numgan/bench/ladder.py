"""The ladder: several versions of matmul and of the convolution, from the naive loop to the fast kernel.

A version is called a rung. Each rung adds one idea to the rung below.

    numgan bench ladder matmul                               the speed-up of every idea on this machine
    numgan bench ladder matmul --kernel my_kernels.py        ... and your own kernel among the rungs

    from numgan.bench import ladder                          my_kernels.py
    @ladder.rung("matmul", "mine")
    def mine(a, b):
        ...

Each rung is checked first; a wrong rung is not timed. `trial` describes a kernel's arguments and its checks.
`rungs` lists the built-in kernels.
"""

import json
import runpy
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from .. import _kernels
from ..core.files import expect_writable, save_picture
from . import machine, rungs
from .timing import Rest, interleave
from .trial import KINDS, RUNGS, WrongKernel, case_of, check, draw, examine, truth
from .trial import rung as rung

BUSY = 0.15  # share of the processors; the table warns if other programs use more
BUILT_IN = {kind: tuple(RUNGS[kind]) for kind in KINDS}


@dataclass(frozen=True)
class Step:
    """The result of one rung (a version of a kernel) of the ladder: its time, speed and error.

    A rung that failed its check has only its name and a note with the reason.
    """

    name: str
    ms: float | None = None  # per call: median and quartiles
    q25: float | None = None
    q75: float | None = None
    gflops: float | None = None
    # gflops / peak of all threads, also if the rung uses one thread; None without compiled kernels
    share_of_peak: float | None = None
    # max |C - C64| / (|A| |B|), or rms(C - C64) / rms(C64) for a fast algorithm: see `trial`
    error: float | None = None
    # gflops / gflops of the rung that this rung improves on, or of the rung below if it names none
    ratio_to_previous: float | None = None
    note: str = ""


def climb(kind, size=None, threads=None, extra=()):
    """Check all versions of a kernel (the rungs), then time them. Returns [Step], from the lowest rung up.

    kind      the kernel, "matmul" or "conv"
    size      n: matmul n x n by n x n (default 512); conv with n input and 2 n output channels (default 64)
    threads   the number of threads of BLAS and of rungs that use several; None: the number that numgan uses
    extra     further Rungs of this kind, which are not registered

    Your own kernels are placed among the rungs by their speed. Rungs that fail their check come last. Raises
    ValueError if a Rung in `extra` has another kind or the name of another rung, or for a wrong number of
    threads.
    """
    return _climb(kind, size or KINDS[kind].size, threads, extra)[0]


def _climb(kind, size, threads, extra):
    """Check and time all versions of a kernel (the rungs). Returns (steps, peak, busy).

    steps   [Step], from the lowest rung up; rungs that failed their check come last
    peak    the measured peak in GFLOP/s, or None if the backend is not "compiled"
    busy    the share of the processors that other programs used in the pauses, or None if it is unknown

    The arguments are those of `climb`; size must not be None.
    """
    candidates = [*RUNGS[kind].values(), *extra]
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names) or any(candidate.kind != kind for candidate in candidates):
        raise ValueError(
            f"climb: expected {kind} kernels in extra, with other names than the ladder's rungs, "
            f"got {[rung.name for rung in extra]}"
        )
    sides, errors, refused, rest_between = {}, {}, [], Rest()

    @cache
    def problem(case):
        arrays, rest = draw(kind, case, "float32")
        return arrays, rest, truth(kind, arrays, rest)

    with machine.threads(threads):
        with threadpool_limits(1):  # here NumPy computes many small float64 products: one thread is enough
            for candidate in candidates:
                arrays, rest, exact = problem(case_of(candidate, size))
                try:
                    check(candidate)
                    errors[candidate.name] = examine(candidate, arrays, rest, exact)
                except WrongKernel as error:
                    refused.append(Step(candidate.name, note=str(error)))
                else:
                    call = partial(candidate.function, *arrays.values(), *rest)
                    blas = _kernels.num_threads()
                    sides[candidate.name] = machine.side(call, blas=blas, number=candidate.threads)
        peaks = [_kernels.measured_peak()]
        timings = interleave(sides, rounds=5, seconds=0.1, rest=rest_between)
        peaks.append(_kernels.measured_peak())
    # the larger peak counts, because other work on the machine can only lower a peak
    peak = max(peaks) if None not in peaks else None
    steps = []
    for candidate in candidates:
        if candidate.name in timings:
            timing, case = timings[candidate.name], case_of(candidate, size)
            gflops = 2e-6 * KINDS[kind].products(case) / timing.median
            note = (
                f"timed at size {candidate.largest}"
                if candidate.largest and candidate.largest < size
                else candidate.note
            )
            if peak and gflops > peak and not candidate.fast:
                note = "above the measured peak, so the measurement is wrong: is the machine busy?"
            steps.append(
                Step(
                    candidate.name,
                    ms=timing.median,
                    q25=timing.low,
                    q75=timing.high,
                    gflops=gflops,
                    share_of_peak=gflops / peak if peak else None,
                    error=errors[candidate.name],
                    note=note,
                )
            )
    steps = _compared(_placed(kind, steps), {candidate.name: candidate.after for candidate in candidates})
    return steps + refused, peak, rest_between.busy


def _placed(kind, steps):
    """Order the Steps (timed versions of a kernel): built-in versions in their own order, yours by speed.

    kind    "matmul" or "conv"
    steps   [Step] in any order; the result is a new list

    A kernel of yours is put below the first built-in version that is faster. Its note gets its rank among all
    kernels.
    """
    ladder = [step for step in steps if step.name in BUILT_IN[kind]]
    yours = [step for step in steps if step.name not in BUILT_IN[kind]]
    for step in sorted(yours, key=lambda step: step.gflops):
        place = next((i for i, other in enumerate(ladder) if other.gflops > step.gflops), len(ladder))
        faster = sum(other.gflops > step.gflops for other in steps)
        note = f"yours: place {faster + 1} of {len(steps)}" + (f"; {step.note}" if step.note else "")
        ladder.insert(place, replace(step, note=note))
    return ladder


def _compared(ladder, after):
    """A copy of the Steps (timed versions of a kernel) in which `ratio_to_previous` is filled in.

    This is the speed of a version divided by the speed of the version that it improves on, in GFLOP/s.

    ladder   [Step], from the lowest version up
    after    {name: name of the version that it improves on, or None}; None means the one below

    The ratio stays None for the lowest version, and if the other version was not timed.
    """
    speed = {step.name: step.gflops for step in ladder}
    below = [None, *(step.name for step in ladder)]
    return [
        replace(step, ratio_to_previous=step.gflops / speed[base])
        if (base := after[step.name] or previous) in speed
        else step
        for step, previous in zip(ladder, below)
    ]


# --- the output: a dict for programs, a text for people -----------------------------------------------------


def report(kind, size=None, threads=None, extra=()):
    """Check and time all versions of a kernel, as `climb` does, and return one dict that JSON can store.

    The dict has the results, the problem and the machine. The arguments are those of `climb`: kind is
    "matmul" or "conv"; size None means the default of the kind. threads is the number of threads, and extra
    are further Rungs.
    """
    size = size or KINDS[kind].size
    steps, peak, busy = _climb(kind, size, threads, extra)
    with machine.threads(threads):
        found = machine.describe()
    shapes, rest = KINDS[kind].shapes(KINDS[kind].sized(size))
    problem = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) + (
        f", stride {rest[0]}, padding {rest[1]}" if rest else ""
    )
    return {
        "kind": kind,
        "size": size,
        "problem": problem,
        "dtype": "float32",
        **found,
        "peak_gflops": peak,
        "others_busy": busy,
        "compiled_rungs": rungs._ladder is not None,
        "steps": [asdict(step) for step in steps if step.ms is not None],
        "refused": [{"name": step.name, "reason": step.note} for step in steps if step.ms is None],
    }


def table(found):
    """The text of a table, a line for each version of a kernel, for the dict `found` that `report` made.

    Notes follow: a warning if other programs used the processors, and the reason for each version that failed
    its check.
    """
    peak = (
        f"{found['peak_gflops']:.0f} GFLOP/s"
        if found["peak_gflops"]
        else "not measured without compiled kernels"
    )
    lines = [
        f"{found['kind']}: {found['problem']}, {found['dtype']}",
        f"{found['processor']}, {found['instruction_set'] or 'NumPy kernels'}, {found['threads']} threads, "
        f"measured peak {peak}",
        "",
        f"{'rung':<18} {'ms':>9} {'quartiles':>17} {'GFLOP/s':>9} {'of peak':>8} {'error':>8} {'ratio':>7}"
        "  note",
    ]
    for step in found["steps"]:
        share = f"{step['share_of_peak']:8.1%}" if step["share_of_peak"] is not None else f"{'-':>8}"
        ratio = f"{step['ratio_to_previous']:6.1f}x" if step["ratio_to_previous"] is not None else ""
        lines.append(
            f"{step['name']:<18} {step['ms']:9.2f} {step['q25']:8.2f} {step['q75']:8.2f} "
            f"{step['gflops']:9.3g} {share} {step['error']:8.1e} {ratio:>7}  {step['note']}".rstrip()
        )
    lines += [
        "",
        "GFLOP/s: counts the definition's multiply-adds. A fast algorithm does fewer: it may pass the peak.",
        "ratio: of GFLOP/s, to the rung it improves on. error: max |C - C64| / (|A| |B|); "
        "for a fast algorithm rms(C - C64) / rms(C64).",
    ]
    if (found["others_busy"] or 0) > BUSY:
        lines.append(
            f"Other programs took {found['others_busy']:.0%} of the processors between the bursts: "
            "do not trust these figures."
        )
    if not found["compiled_rungs"]:
        lines.append(
            "This is the NumPy-only version, which has the Python rungs only; "
            "the compiled ones come with `pip install .` in a copy of the sources (a C compiler is needed)."
        )
    lines += [f"\nrefused: {wrong['reason']}" for wrong in found["refused"]]
    return "\n".join(lines)


def load(path):
    """Run a Python file and return the kernels that it registers with @ladder.rung: {kind: [Rung]}.

    The file is run as a script, so use only files that you trust. It may import modules from its own folder,
    for example a compiled one: this folder is added to sys.path and stays there. Afterwards, the list RUNGS
    of registered kernels is as before.
    """
    before = {kind: dict(RUNGS[kind]) for kind in KINDS}
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        runpy.run_path(str(path))
        return {
            kind: [RUNGS[kind][name] for name in RUNGS[kind] if name not in before[kind]] for kind in KINDS
        }
    finally:
        for kind in KINDS:
            RUNGS[kind].clear()
            RUNGS[kind].update(before[kind])


def add_arguments(parser):
    """Add the options of `numgan bench ladder` to an argparse parser, except --json, which it already has."""
    parser.add_argument(
        "kind",
        nargs="?",
        choices=list(KINDS),
        help="which ladder (default: both, or those for which --kernel has a kernel)",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="matmul: N x N by N x N (default 512); conv: from N to 2 N channels (default 64)",
    )
    parser.add_argument(
        "--kernel", metavar="FILE", help="a Python file that registers kernels with @ladder.rung; it is run"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="number of threads of BLAS and of rungs that use several"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the ladders as a PNG")


def check_plot(file):
    """Raise an error before the measurement if the picture file of the option --plot cannot be written.

    file is the value of the option; None is allowed. Raises ValueError unless the name ends in .png, and the
    errors of `expect_writable`, such as FileNotFoundError.
    """
    if file and Path(file).suffix != ".png":
        raise ValueError(f"--plot: expected a file that ends in .png, got {file}")
    if file:
        expect_writable(file)


def run(arguments):
    """Run `numgan bench ladder` with the parsed arguments and print the result as a table or as JSON.

    Returns 0, or 1 if a kernel failed its check. With --plot, draws a PNG too. Raises ValueError in these
    cases, and the errors of `check_plot`:

    --size     it is below 1, or no kind was given
    --kernel   the file registers no kernel, or none of the given kind
    """
    if arguments.size is not None and (arguments.size < 1 or not arguments.kind):
        raise ValueError(
            f"--size: expected 1 or more, and a kind before it, such as `ladder matmul --size 512`, "
            f"got {arguments.size}"
        )
    check_plot(arguments.plot)
    extra = load(arguments.kernel) if arguments.kernel else {kind: [] for kind in KINDS}
    if arguments.kernel and not any(extra[kind] for kind in KINDS if arguments.kind in (None, kind)):
        what = f"kernel of {arguments.kind}" if arguments.kind else "kernel"
        raise ValueError(
            f"--kernel: {arguments.kernel} registers no {what}; "
            'put a line such as @ladder.rung("matmul", "mine") above a function'
        )
    kinds = [arguments.kind] if arguments.kind else [kind for kind in KINDS if extra[kind]] or list(KINDS)
    found = [report(kind, arguments.size, arguments.threads, extra[kind]) for kind in kinds]
    if arguments.plot:
        from .. import plot

        save_picture(plot.ladder(found), arguments.plot)
    print(json.dumps({"ladders": found}, indent=2) if arguments.json else "\n\n".join(map(table, found)))
    return 1 if any(one["refused"] for one in found) else 0
