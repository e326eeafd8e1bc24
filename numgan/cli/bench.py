"""The commands `numgan bench` (steps, kernels, ladder, growth) and `numgan profile`.

This module parses their arguments and prints the results. The measurements are in numgan/bench.
"""

import argparse
from dataclasses import asdict

from .. import plot, systems
from ..bench import growth, kernels, ladder, machine, profile, steps
from ..bench.workloads import WORKLOADS
from ..core.files import save_picture
from .common import add_command, add_count, add_flag, names, print_json

BUSY = 0.15  # a warning is printed if other programs use more than this share of the processors

BENCH = """\
Measure speed. Every time is printed with the numerical error, and beside the strongest competitor.

  numgan bench steps --against torch       whole training steps; every gradient of both sides is compared too
  numgan bench kernels --against numpy     GFLOP/s, share of the measured peak and error of every kernel
  numgan bench ladder matmul               from the naive loop to the fast kernel, and your own kernel
  numgan bench growth --plot growth.png    time per image against batch, width, resolution, depth and threads

All sides run in turn, in bursts, with a pause before each burst. The output has medians and quartiles, never
the best time. Stop all other programs before a measurement."""

STEPS = f"""\
Time the whole training steps of `numgan train`, on one batch in memory. The workloads are
{", ".join(WORKLOADS)}.

PyTorch runs in a process of its own, with the same networks, batch and updates, in several variants: careful
(D is frozen in the generator step, fused Adam), cl (channels_last), compile and compilecl (torch.compile),
and on request naive. "numpy" is the same step with the reference kernels. Gradients of both sides are
computed from the same weights, batch and latents. The command fails (exit code 1) if one does not agree.

With --json:
  {{"results": [{{"workload", "numgan_ms", "torch_ms": {{variant: ms}}, "ratio_vs_best", ...}}]}}"""

STEPS_EXAMPLES = """\
examples:
  numgan bench steps                                            numgan alone
  numgan bench steps --against torch --threads 2 --json
  numgan bench steps --workloads mlp,dcgan28 --against torch,numpy --variants careful,cl --memory
  numgan bench steps --against torch --plot steps.png

PyTorch is optional: pip install 'numgan[bench]'"""

KERNELS = """\
Time matrix products, convolutions in their three passes, normalisation, activations and Adam.

A line contains milliseconds (median and quartiles), GFLOP/s of the definition, their share of the FMA peak
measured in the same run, the largest error against the float64 definition, and the time of each other side as
a multiple. A "fast" form needs fewer products than the definition and may exceed the peak. A direct form
cannot: if it seems to, the measurement is wrong, and the command fails (exit code 1)."""

KERNELS_EXAMPLES = """\
examples:
  numgan bench kernels --quick                               a few small shapes
  numgan bench kernels --against numpy,torch --threads 2
  numgan bench kernels --against numpy --plot roofline.png   speed over arithmetic intensity, limits"""

LADDER = """\
A matrix product and a convolution, from the naive loop to the kernels of numgan. Each rung adds one idea:
order, blocking, packing, registers, threads, the fast algorithm. BLAS is the comparison.

Before a rung is timed, it is checked against the definition, on shapes that are irregular on purpose. To add
a kernel of your own, put @ladder.rung("matmul", "mine") above it (from numgan.bench import ladder) and name
its file. If the kernel is wrong, the message names the first wrong entry."""

LADDER_EXAMPLES = """\
examples:
  numgan bench ladder matmul --size 768
  numgan bench ladder conv --threads 1 --plot conv.png
  numgan bench ladder --kernel benchmarks/ladder_example.py"""

GROWTH_EXAMPLES = """\
examples:
  numgan bench growth --plot growth.png
  numgan bench growth --quick --json"""

PROFILE_EXAMPLES = """\
examples:
  numgan profile dcgan --preset mnist
  numgan profile wgan_gp --steps 5 --threads 1 --json"""


def add(commands):
    """Add the commands `bench` and `profile`, with their options, to argparse's `commands`."""
    group = commands.add_parser(
        "bench",
        help="time steps and kernels beside NumPy and PyTorch, with their errors",
        description=BENCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    benches = group.add_subparsers(dest="bench", required=True, metavar="BENCH")

    sub = _bench(
        benches,
        "steps",
        steps_command,
        "whole training steps, every gradient compared",
        STEPS,
        STEPS_EXAMPLES,
    )
    _add_names(sub, "--workloads", f"some of {','.join(WORKLOADS)} (default: all)")
    _add_names(sub, "--against", "torch, numpy or both (default: numgan alone)", default=[])
    _add_names(
        sub,
        "--variants",
        f"variants of PyTorch, from {','.join(steps.VARIANTS)} (default: {','.join(steps.DEFAULT)})",
        default=steps.DEFAULT,
    )
    add_count(sub, "--rounds", "number of bursts of each side (default 7)", default=7)
    add_flag(sub, "--memory", "measure peak memory too, each side in a process of its own")

    sub = _bench(
        benches,
        "kernels",
        kernels_command,
        "matrix products, convolutions and pointwise passes",
        KERNELS,
        KERNELS_EXAMPLES,
    )
    _add_names(sub, "--against", "numpy, torch or both (default: numgan alone)", default=[])
    add_flag(sub, "--quick", "a few small shapes, in a few seconds")

    sub = add_command(
        benches,
        "ladder",
        ladder.run,
        "from the naive loop to the fast kernel, rung by rung",
        description=LADDER,
        epilog=LADDER_EXAMPLES,
    )
    ladder.add_arguments(sub)

    summary = "time per image against batch, width, resolution, depth and threads"
    sub = _bench(
        benches, "growth", growth_command, summary, f"Measure {summary}, of a DCGAN step.", GROWTH_EXAMPLES
    )
    add_flag(sub, "--quick", "small networks, in a few seconds")

    sub = add_command(
        commands,
        "profile",
        profile_command,
        "the time of a training step, for each layer and each pass",
        epilog=PROFILE_EXAMPLES,
    )
    sub.add_argument("system", metavar="SYSTEM", help="a name from `numgan systems`")
    sub.add_argument("--preset", help="a preset of the system, see `numgan systems`")
    add_count(sub, "--steps", "number of timed steps (default 10)", default=10)
    add_count(sub, "--batch-size", "number of samples in a batch (default: as in the preset)")
    add_count(sub, "--threads", "threads of the compiled kernels")


def _add_names(parser, name, help, default=None):
    """Add the option `name`, whose value is names such as this,that, to a parser. It becomes a list.

    help is its help text, default its value if the user leaves it out.
    """
    parser.add_argument(name, type=names, default=default, metavar="A,B", help=help)


def _bench(benches, name, run, summary, description, examples):
    """Add the command `numgan bench` with the name `name` to argparse's `benches`. Returns its parser.

    The command has the options --threads and --plot.
    run is the function of the command. summary, description and examples are parts of its help text.
    """
    sub = add_command(benches, name, run, summary, description=description, epilog=examples)
    add_count(sub, "--threads", "threads of every side (default: the number that numgan uses)")
    sub.add_argument("--plot", metavar="FILE", help="draw the result to this .png file")
    return sub


def _headline(about):
    """A text such as "PROCESSOR, compiled kernels, avx2, 2 threads". about: a dict of `machine.describe`."""
    on = f"{about['backend']} kernels" + (f", {about['instruction_set']}" if about["instruction_set"] else "")
    return f"{about['processor']}, {on}, {about['threads']} thread{'s' * (about['threads'] > 1)}"


def _warn_if_busy(busy):
    """Print a warning if `busy`, the share of the processors that other programs used, is above 15 %.

    None, an unknown share, gives no warning.
    """
    if busy is not None and busy > BUSY:
        print(
            f"other programs used {busy:.0%} of the processors between the bursts: these times are not "
            "reliable"
        )


def _draw(args, picture, *about):
    """Draw the result and write the picture to the file of --plot, then print the file's name.

    args      the parsed arguments
    picture   a function: picture(*about) returns the Pillow image
    about     its arguments

    Without --plot nothing is done. With --json nothing is printed.
    """
    if args.plot:
        save_picture(picture(*about), args.plot)
        if not args.json:
            print(f"drawn: {args.plot}")


# ---- steps


def steps_command(args):
    """Run `numgan bench steps`: time training steps and print the results, or JSON with --json.

    args are the parsed arguments. Returns 0, or 1 if a gradient of PyTorch does not agree with numgan's.
    """
    ladder.check_plot(args.plot)
    results = []
    with machine.threads(args.threads):
        if not args.json:
            print(f"{_headline(machine.describe())}, float32; ms a step: median [quartiles]")
        for result in steps.compare(
            args.workloads, args.against, args.variants, args.rounds, memory=args.memory
        ):
            results.append(result)
            if not args.json:
                _print_step(result)
    if args.json:
        print_json({"results": results})
    first, *_ = results
    _draw(args, plot.step_times, results, _headline(first))
    return 1 if any(result["gradients_agree"] is False for result in results) else 0


def _print_step(result):
    """Print the result of one workload, a dict of `steps.compare`: times, memory and gradients."""
    print(f"\n{result['workload']}, batch {result['batch']}: {result['note']}")
    own, peaks = result["numgan_ms"], result["peak_mb"] or {}
    sides = (
        {"numgan": own} | ({"numpy": result["numpy_ms"]} if result["numpy_ms"] else {}) | result["torch_ms"]
    )
    for name, ms in sides.items():
        low, high = result["quartiles_ms"][name]
        label = f"torch {name}" if name in result["torch_ms"] else name
        memory = f"  peak {peaks[name]:.0f} MB" if peaks.get(name) else ""
        print(
            f"  {label:<16}{ms:9.2f} [{low:.2f}-{high:.2f}]"
            + (f"  {ms / own:.2f} of numgan's" if name != "numgan" else "")
            + memory
        )
    for variant, reason in result["not_possible"].items():
        print(f"  {f'torch {variant}':<16}  not possible: {reason}")
    if result["torch_ms"]:
        largest, nearest = result["largest_gradient_difference"], result["nearest_its_limit"]
        verdict = "agree" if result["gradients_agree"] else "DO NOT AGREE"
        print(
            f"  best of torch / numgan {result['ratio_vs_best']:.2f}; the gradients {verdict}: largest "
            f"difference {largest['difference']:.1e} at {largest['parameter']}, nearest its limit "
            f"{nearest['difference']:.1e} of {nearest['limit']:.0e} at {nearest['parameter']}"
        )
        _print_gradients(result["gradients"])
    _warn_if_busy(result["others_busy"])


def _print_gradients(gradients):
    """Print how much every gradient of PyTorch differs from numgan's: one row for each parameter.

    gradients   {variant of PyTorch: [a dictionary for each parameter]}

    The columns are the relative root mean square difference for each variant, the errors of numgan and of the
    first variant against float64, and the largest allowed difference.
    """
    print(
        f"  {'gradient':<12}"
        + "".join(f"{variant:>12}" for variant in gradients)
        + f"{'numgan-f64':>12}{'torch-f64':>12}{'limit':>9}"
    )
    for rows in zip(*gradients.values()):  # the dictionaries of one parameter, one for each variant
        first, *_ = rows
        print(
            f"  {first['parameter']:<12}"
            + "".join(f"{row['difference']:12.1e}" for row in rows)
            + f"{first['numgan_error']:12.1e}{first['torch_error']:12.1e}{first['limit']:9.0e}"
        )


# ---- kernels


def kernels_command(args):
    """Run `numgan bench kernels`: time all kernels and print the results, or JSON with --json.

    args are the parsed arguments. Returns None. Raises ArithmeticError, after the output, if a direct kernel
    seems to be faster than the measured peak.
    """
    ladder.check_plot(args.plot)
    with machine.threads(args.threads):
        found = kernels.measure(
            args.against, args.quick, **({"rounds": 3, "seconds": 0.02} if args.quick else {})
        )
    wrong = kernels.impossible(found["results"])
    if args.json:
        print_json(found)
    else:
        _print_kernels(found, args.against)
    _draw(args, plot.roofline, found, _headline(found["machine"]))
    if wrong:
        lines = [f"{row['kernel']} {row['dtype']} {row['share']:.0%}" for row in wrong]
        raise ArithmeticError(
            "bench kernels: direct kernels above the measured peak, so the measurement is wrong (is the "
            f"machine busy?): {', '.join(lines)}"
        )


def _print_kernels(found, against):
    """Print a table with one line for each row of `found`, the dict of `kernels.measure`.

    against are the names of the libraries that were compared.
    """
    peaks = (
        ", ".join(f"{name} {peak:.0f} GFLOP/s" for name, peak in found["peak_gflops"].items() if peak)
        or "not known with the reference kernels"
    )
    print(f"{_headline(found['machine'])}; peak: {peaks}; memory {found['bandwidth_gbs']:.0f} GB/s")
    print(
        f"{'kernel':<38}{'type':<9}{'form':<8}{'ms':>8}  "
        f"{'quartiles':<17}{'GFLOP/s':>8}{'peak':>7}{'error':>9}"
        + "".join(f"{f'{library} takes':>14}{'error':>9}" for library in against)
    )
    for row in found["results"]:
        low, high = row["quartiles_ms"]
        share = "-" if row["share"] is None else f"{row['share']:.0%}"
        others = "".join(
            f"{row['against'][library]['ratio']:13.2f}x{row['against'][library]['error']:9.1e}"
            for library in against
        )
        print(
            f"{row['kernel']:<38}{row['dtype']:<9}{row['form']:<8}{row['ms']:8.3f}  "
            f"{f'[{low:.3f}-{high:.3f}]':<17}{row['gflops']:8.1f}{share:>7}{row['error']:9.1e}{others}"
        )
    _warn_if_busy(found["others_busy"])


# ---- growth


def growth_command(args):
    """Run `numgan bench growth`: time a DCGAN step of many sizes; print lines, or JSON with --json.

    args are the parsed arguments. Returns None.
    """
    ladder.check_plot(args.plot)
    with machine.threads(args.threads):
        found = growth.measure(args.quick, **({"rounds": 3, "seconds": 0.02} if args.quick else {}))
    if args.json:
        print_json(found)
    else:
        base = ", ".join(
            f"{word} {value}" for word, value in asdict(growth.base(args.quick)).items() if value is not None
        )
        print(f"{_headline(found['machine'])}, float32; a DCGAN step, one size changed from {base}")
        for row in found["results"]:
            low, high = row["quartiles_ms"]
            print(
                f"{row['panel']:<12}{row['value']:<8}{row['ms_per_image']:9.3f} ms an image "
                f"[{low:.3f}-{high:.3f}]"
            )
        _warn_if_busy(found["others_busy"])
    _draw(args, plot.growth, found["results"], _headline(found["machine"]))


# ---- profile


def profile_command(args):
    """Run `numgan profile`: print a table of the times of layers and passes, or JSON with --json.

    args are the parsed arguments. Returns None.
    """
    with machine.threads(args.threads):
        found = profile.profile(systems.build(args.system, args.preset), args.steps, args.batch_size)
    if args.json:
        print_json(found)
        return
    passes = [which for which in profile.PASSES if any(row["pass"] == which for row in found["rows"])]
    print(
        f"{_headline(found['machine'])}; batch {found['batch']}, {found['steps']} steps of "
        f"{found['step_ms']:.2f} ms; ms per step and share of the step"
    )
    print(f"{'layer':<46}" + "".join(f"{which:>17}" for which in passes) + f"{'all':>17}")
    table = {}  # {name of a layer: {pass: milliseconds}}
    for row in found["rows"]:
        name = f"{row['network']} {row['path']} {row['layer']}".strip()
        table.setdefault(name, {})[row["pass"]] = row["ms"]
    total = {which: sum(line.get(which, 0) for line in table.values()) for which in passes}
    for name, line in table.items():
        _print_line(name, line, passes, found["step_ms"])
    _print_line("all of these", total, passes, found["step_ms"])
    _print_line(
        "elsewhere: losses, checks, sums", {"elsewhere": found["elsewhere_ms"]}, passes, found["step_ms"]
    )
    print("A LeakyReLU that is fused with the layer before it is counted in the row of that layer.")
    print(
        "kernel calls a step: "
        + (", ".join(f"{kernel} {count:g}" for kernel, count in found["kernel_calls"].items()) or "none")
    )


def _print_line(name, line, passes, step):
    """Print one line of the table of `numgan profile`, with the sum of the line at its end.

    name     the first cell, cut to 45 characters
    line     {pass: milliseconds}
    passes   the names of the columns; a pass that `line` lacks is an empty cell
    step     the milliseconds of a step

    A cell shows milliseconds and their share of the step. The sum also counts passes without a column.
    """
    cells = [line.get(which) for which in passes] + [sum(line.values())]
    name = name if len(name) < 46 else name[:42] + "..."
    print(f"{name:<46}" + "".join(" " * 17 if ms is None else f"{ms:10.2f}{ms / step:7.1%}" for ms in cells))
