"""The ladder: matmul and convolution from the naive loop to the fast kernel, each rung checked, then timed beside the others.

    numgan bench ladder matmul                               what every idea is worth on this machine
    numgan bench ladder matmul --kernel my_kernels.py        ... and where a kernel of one's own stands

    from numgan.bench import ladder                          my_kernels.py

    @ladder.rung("matmul", "mine")
    def mine(a, b):
        ...

`trial` says what a kernel is called with and how it is checked; a wrong one gets no place. `rungs` lists what is there.
"""

import json
import runpy
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits

from .. import _kernels
from ..core.files import expect_writable, replacing
from . import machine, rungs
from .timing import Rest, burst, interleave
from .trial import KINDS, RUNGS, WrongKernel, case_of, check, draw, examine, truth
from .trial import rung as rung

BUSY = 0.15  # of the processors: other programs that take more than this are mentioned
BUILT_IN = {kind: tuple(RUNGS[kind]) for kind in KINDS}


@dataclass(frozen=True)
class Step:
    """A rung as measured. Of a refused one only the name and the note, which says why, are given."""

    name: str
    ms: float | None = None  # per call: median and quartiles
    q25: float | None = None
    q75: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = (
        None  # of all threads of the climb, also where the rung uses one; None without compiled kernels
    )
    error: float | None = (
        None  # see `trial`: max |C - C64| / (|A| |B|), or the relative rms of a fast algorithm
    )
    ratio_to_previous: float | None = (
        None  # in GFLOP/s: to the rung it improves on, to the one below it if it names none
    )
    note: str = ""


def climb(kind, size=None, threads=None, extra=()):
    """Check every rung of a kind, then time them in turn: [Step], from the ground up, kernels of one's own where their speed puts them.

    size      n: matmul n x n by n x n; conv n to 2 n channels (default 512; 64)
    threads   of the rungs that use several, and of BLAS (default: numgan's)
    extra     Rungs of this kind that are not registered
    """
    return _climb(kind, size, threads, list(extra))[0]


def _climb(kind, size, threads, extra):
    """([Step], the measured peak, the share of the processors that other programs took meanwhile)"""
    size = KINDS[kind].size if size is None else size
    candidates = [*RUNGS[kind].values(), *extra]
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names) or any(candidate.kind != kind for candidate in candidates):
        raise ValueError(
            f"climb: expected {kind} kernels in extra, named otherwise than the ladder's rungs, got {[rung.name for rung in extra]}"
        )
    sides, errors, refused, rest_between = {}, {}, [], Rest()

    @cache
    def problem(case):
        arrays, rest = draw(kind, case, "float32")
        return arrays, rest, truth(kind, arrays, rest)

    with machine.threads(threads):
        with threadpool_limits(1):  # float64 is NumPy's here, in small pieces
            for candidate in candidates:
                arrays, rest, exact = problem(case_of(candidate, size))
                try:
                    check(candidate)
                    errors[candidate.name] = examine(candidate, arrays, rest, exact)
                except WrongKernel as error:
                    refused.append(Step(candidate.name, note=str(error)))
                else:
                    sides[candidate.name] = _side(candidate, (*arrays.values(), *rest))
        peaks = [_kernels.measured_peak()]
        with threadpool_limits(_kernels.num_threads()):
            timings = interleave(sides, rounds=5, seconds=0.1, rest=rest_between)
        peaks.append(_kernels.measured_peak())
    peak = (
        max(peaks) if None not in peaks else None
    )  # the larger one: other work on the machine only lowers it
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
                    timing.median,
                    timing.low,
                    timing.high,
                    gflops,
                    gflops / peak if peak else None,
                    errors[candidate.name],
                    None,
                    note,
                )
            )
    steps = _compared(_placed(kind, steps), {candidate.name: candidate.after for candidate in candidates})
    return steps + refused, peak, rest_between.busy


def _side(candidate, arguments):
    """What `interleave` asks for: bursts of calls with the rung's number of threads."""

    def side(calls):
        with machine.threads(candidate.threads):
            return burst(lambda: candidate.function(*arguments), calls)

    return side


def _placed(kind, steps):
    """The built-in rungs in their order, each other one below the first of them that is faster."""
    ladder = [step for step in steps if step.name in BUILT_IN[kind]]
    for step in sorted(
        (step for step in steps if step.name not in BUILT_IN[kind]), key=lambda step: step.gflops
    ):
        place = next((i for i, other in enumerate(ladder) if other.gflops > step.gflops), len(ladder))
        faster = sum(other.gflops > step.gflops for other in steps)
        ladder.insert(
            place,
            replace(
                step, note=f"yours: place {faster + 1} of {len(steps)}" + f"; {step.note}" * bool(step.note)
            ),
        )
    return ladder


def _compared(ladder, after):
    """The same steps with their ratio to the rung they improve on."""
    speed = {step.name: step.gflops for step in ladder}
    below = [None, *(step.name for step in ladder)]
    return [
        replace(step, ratio_to_previous=step.gflops / speed[base])
        if (base := after[step.name] or previous) in speed
        else step
        for step, previous in zip(ladder, below)
    ]


# --- for people and programs -----------------------------------------------------------------------------------------


def report(kind, size=None, threads=None, extra=()):
    """A climb and what its figures must be read with, as a dict for JSON."""
    size = KINDS[kind].size if size is None else size
    steps, peak, busy = _climb(kind, size, threads, list(extra))
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
    """A report as text."""
    peak = (
        f"{found['peak_gflops']:.0f} GFLOP/s"
        if found["peak_gflops"]
        else "not measured without compiled kernels"
    )
    lines = [
        f"{found['kind']}: {found['problem']}, {found['dtype']}",
        f"{found['processor']}, {found['instruction_set'] or 'NumPy kernels'}, {found['threads']} threads, measured peak {peak}",
        "",
        f"{'rung':<18} {'ms':>9} {'quartiles':>17} {'GFLOP/s':>9} {'of peak':>8} {'error':>8} {'ratio':>7}  note",
    ]
    for step in found["steps"]:
        share = f"{step['share_of_peak']:8.1%}" if step["share_of_peak"] is not None else f"{'-':>8}"
        ratio = f"{step['ratio_to_previous']:6.1f}x" if step["ratio_to_previous"] is not None else ""
        lines.append(
            f"{step['name']:<18} {step['ms']:9.2f} {step['q25']:8.2f} {step['q75']:8.2f} {step['gflops']:9.3g} {share} "
            f"{step['error']:8.1e} {ratio:>7}  {step['note']}".rstrip()
        )
    lines += [
        "",
        "GFLOP/s: of the definition's multiply-adds, so that a fast algorithm, which does fewer, may pass the peak.",
        "ratio: of GFLOP/s, to the rung it improves on. error: max |C - C64| / (|A| |B|), of a fast algorithm rms(C - C64) / rms(C64).",
    ]
    if (found["others_busy"] or 0) > BUSY:
        lines.append(
            f"Other programs took {found['others_busy']:.0%} of the processors between the bursts: these figures are not to be trusted."
        )
    if not found["compiled_rungs"]:
        lines.append(
            "This is the NumPy-only version, which has the Python rungs only; the compiled ones come with `pip install .` "
            "in a copy of the sources (a C compiler is needed)."
        )
    lines += [f"\nrefused: {wrong['reason']}" for wrong in found["refused"]]
    return "\n".join(lines)


def load(path):
    """The Rungs that a Python file registers: {kind: [Rung]}. The registry is left as it was.

    The file is run, as its owner's own code, and like a script it may import what lies beside it: a compiled module, for instance.
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
    """The options of `numgan bench ladder`, except --json, which every command has."""
    parser.add_argument(
        "kind",
        nargs="?",
        choices=list(KINDS),
        help="which ladder (default: both, or those that --kernel has a kernel for)",
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
        "--threads", type=int, metavar="N", help="threads of the rungs that use several, and of BLAS"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the ladders as a PNG")


def check_plot(file):
    """Raise an error, before anything is measured, if the option --plot names a file that cannot be written.

    ValueError unless the name ends in .png; FileNotFoundError or FileExistsError: see `expect_writable`.
    """
    if file and Path(file).suffix != ".png":
        raise ValueError(f"--plot: expected a file that ends in .png, got {file}")
    if file:
        expect_writable(file)


def run(arguments):
    """`numgan bench ladder`: 0, or 1 if a kernel was refused."""
    if arguments.size is not None and (arguments.size < 1 or not arguments.kind):
        raise ValueError(
            f"--size: expected 1 or more, and a kind before it, such as `ladder matmul --size 512`, got {arguments.size}"
        )
    check_plot(arguments.plot)
    extra = load(arguments.kernel) if arguments.kernel else {kind: [] for kind in KINDS}
    if arguments.kernel and not any(extra[kind] for kind in KINDS if arguments.kind in (None, kind)):
        what = f"kernel of {arguments.kind}" if arguments.kind else "kernel"
        raise ValueError(
            f'--kernel: {arguments.kernel} registers no {what}; put a line such as @ladder.rung("matmul", "mine") above a function'
        )
    kinds = [arguments.kind] if arguments.kind else [kind for kind in KINDS if extra[kind]] or list(KINDS)
    found = [report(kind, arguments.size, arguments.threads, extra[kind]) for kind in kinds]
    if arguments.plot:
        from .. import plot

        with replacing(arguments.plot) as file:
            plot.ladder(found).save(file, format="PNG")
    print(json.dumps({"ladders": found}, indent=2) if arguments.json else "\n\n".join(map(table, found)))
    return 1 if any(one["refused"] for one in found) else 0
