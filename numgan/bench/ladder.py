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
    """The result of one rung of the ladder (one version of a kernel): its time, speed and error.

    name                the name of the rung
    ms, q25, q75        milliseconds of a call: the median and the quartiles
    gflops              the speed in GFLOP/s
    share_of_peak       gflops / peak of all threads, also if the rung uses one thread; None without compiled
                        kernels
    error               max |C - C64| / (|A| |B|), or rms(C - C64) / rms(C64) for a fast algorithm, see
                        `trial`
    ratio_to_previous   gflops / gflops of the rung that this rung improves on, or of the rung below if it
                        names none
    note                a text for the table

    A rung that failed its check has only its name and a note with the reason.
    """

    name: str
    ms: float | None = None
    q25: float | None = None
    q75: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = None
    error: float | None = None
    ratio_to_previous: float | None = None
    note: str = ""


def climb(kind, size=None, threads=None, extra=()):
    """Check every rung (version of a kernel), then time the rungs in turn. Returns [Step], the lowest first.

    Your own kernels are sorted in by their speed. Rungs that fail their check come last and are not timed.

    kind      "matmul" or "conv"
    size      n: matmul n x n by n x n (default 512); conv with n input and 2 n output channels (default 64)
    threads   the number of threads of BLAS and of rungs that use several; None: the number that numgan uses
    extra     Rungs of this kind that are not registered

    Raises ValueError if a Rung in `extra` has another kind or the name of another rung, or for a wrong number
    of threads.
    """
    steps, _, _ = _climb(kind, size or KINDS[kind].size, threads, extra)
    return steps


def _climb(kind, size, threads, extra):
    """Do the work of `climb`. Returns (steps, peak, busy).

    kind, size, threads and extra are the arguments of `climb`; size must not be None.

    steps   [Step], the result of `climb`
    peak    the measured peak in GFLOP/s, or None if the backend is not "compiled"
    busy    the share of the processors that other programs used in the pauses, or None if it is unknown
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
    def problem(case):  # (arrays, other arguments, exact result) of a case
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
            gflops = 2e-6 * KINDS[kind].products(case) / timing.median  # 2 operations a product; ms
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
    """The list of the Steps `steps`, ordered: built-in rungs in their own order, your kernels by speed.

    kind is "matmul" or "conv". Your kernel is put below the first built-in rung that is faster. Its note gets
    its rank among all kernels. Your kernels are those that are not built in.
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
    """A copy of the Steps with `ratio_to_previous`: the speed-up over the rung that each rung improves on.

    ladder   [Step], from the lowest rung up
    after    {name of a rung: name of the rung that it improves on, or None}; None means the rung below

    The ratio is that of GFLOP/s. It stays None for the lowest rung, and if the other rung was not timed.
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
    """Do a `climb` and return its results, the problem and the machine as one dict that JSON can store.

    kind      "matmul" or "conv"
    size      n of the problem, see `climb`; None: the default of the kind
    threads   the number of threads; None: the number that numgan uses
    extra     Rungs of this kind that are not registered

    "steps" has a dict for each rung that was timed, "refused" the name and reason of each rung that failed
    its check.
    """
    size = size or KINDS[kind].size
    steps, peak, busy = _climb(kind, size, threads, extra)
    with machine.threads(threads):
        found = machine.describe()
    shapes, rest = KINDS[kind].shapes(KINDS[kind].sized(size))
    words = [f"{name} {shape}" for name, shape in shapes.items()]
    words += [f"{name} {pair}" for name, pair in zip(("stride", "padding"), rest)]  # of a convolution
    problem = ", ".join(words)
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
    """The text for people of a result `found` of `report`: a table with one line for each rung, and notes.

    There is a warning if other programs used more than 15 % of the processors, and the reason for each rung
    that failed its check.
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
    """Run a Python file and return the kernels that it registers: {kind: [Rung]}.

    The dict has both kinds; a list may be empty. The file `path` is run as a script, so use only files that
    you trust. It may import modules from its own folder, for example a compiled one: this folder is added to
    sys.path and stays there. Afterwards, RUNGS, the registered kernels, is as before. An error of the script
    is raised.
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
    """Add the options of `numgan bench ladder` to an argparse parser. Every command has --json already."""
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
    """Raise an error before the measurement if `file`, the value of --plot, cannot be written.

    None is allowed. Raises ValueError unless the name ends in .png, and the errors of `expect_writable`, such
    as FileNotFoundError.
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
