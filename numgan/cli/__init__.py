"""The command line: it parses the arguments of `numgan COMMAND`, calls the library and prints the result.

`numgan --help` lists the commands. Exit codes:

    0     success
    1     a check failed, a run could not continue, or a result could not be written
    2     the request is wrong
    130   Ctrl-C

If another program reads stdout and ends early (`numgan systems | head`), the command continues, and its exit
code does not change.
"""

import argparse
import errno
import sys
import warnings
from functools import partial

import numpy as np
from tqdm import tqdm

from .. import checking, systems
from ..bench import doctor
from ..core.errors import TrialError
from ..core.streams import STDERR, OutputError, guarded
from . import bench, evaluate, sample, study, train
from .common import add_command, add_flag, print_json

DESCRIPTION = """\
GANs written by hand in NumPy: every backward pass, every loss and every training step, to read and to run.

  numgan train conditional             train a conditional DCGAN on the digits of the package (a minute)
  numgan train dcgan --data mnist      the same game without labels, on MNIST
  numgan sample runs/RUN --labels 3,7  draw samples from a run
  numgan evaluate runs/RUN             measure the samples, with the same measures of real data
  numgan health runs/RUN               look for known problems in the curves and samples
  numgan gradcheck Conv2d BatchNorm    check gradients against finite differences

Exit codes: 0 success; 1 a check failed, a run could not continue, or a result could not be written;
2 the request is wrong; 130 Ctrl-C."""

NO_ROOM = errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO  # errors of the disk, not of the request


def _parser():
    """The argparse parser of `numgan`, with all commands and their options."""
    parser = argparse.ArgumentParser(
        "numgan", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = partial(add_command, commands)
    command("systems", systems_command, "list the systems and their presets, with sample shape and data")
    train.add(commands)
    sample.add(commands)

    sub = command(
        "gradcheck", gradcheck_command, "check hand-written gradients against finite differences, in float64"
    )
    sub.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="layers, losses, optimisers or systems; a part of a name is enough",
    )
    add_flag(sub, "--all", "check everything in the catalogue")
    add_flag(sub, "--slow", "compare every entry of every gradient, not random projections")

    evaluate.add(commands)
    command("data", data_command, "list the known data sets, their folders, and whether their files exist")
    command(
        "doctor",
        doctor_command,
        "versions, kernels, instruction sets, threads, peak speed, BLAS, and a self-check",
    )
    study.add(commands)
    bench.add(commands)
    return parser


# ---- systems


def systems_command(args):
    """Run `numgan systems`: print all systems and their presets, as text or, with --json, as JSON.

    args are the parsed arguments. Returns None.
    """
    listing = []
    for name in systems.SYSTEMS:
        for preset, make in systems.presets(name).items():
            system = systems.build(name, preset, systems.NARROW)  # narrow, so that it is built quickly
            listing.append(
                {
                    "system": name,
                    "preset": preset,
                    "description": systems.description(make),
                    "sample_shape": system.sample_shape,
                    "adapts_to": sorted(systems.adapts_to(name, preset)),
                    "data": system.data,
                    "classes": system.classes,
                    "steps": system.steps,
                    "batch_size": system.batch_size,
                    "settings": system.settings,
                }
            )
    if args.json:
        print_json(listing)
        return
    for name, module in systems.SYSTEMS.items():
        print(f"{name}: {systems.description(module)}")
        for row in listing:
            if row["system"] == name:
                star = " *" if "shape" in row["adapts_to"] else ""
                shape = " x ".join(map(str, row["sample_shape"])) + star
                print(f"  {row['preset']:<12} {shape:<14} {row['data']:<20} {row['description']}")
    print(
        "\nnumgan train SYSTEM [--preset PRESET]; the first preset is the default. With --data and without\n"
        "--preset, it is a preset for data of this shape.\n"
        "* The networks adapt to other shapes: with convolutions to pictures of 8 to 256 pixels a side, of\n"
        "  start * 2^levels pixels with a start from 2 to 15; with dense layers to pictures of any size up\n"
        "  to 256, and to rows of any length. Networks that get labels adapt to the number of classes too."
    )


# ---- gradcheck


def gradcheck_command(args):
    """Run `numgan gradcheck`: check gradients and print one line for each check, or JSON with --json.

    args are the parsed arguments. Returns 0, or 1 if a check failed or if there is none. Raises ValueError
    for names together with --all, or neither, and for an unknown name.
    """
    if bool(args.names) == args.all:  # both or neither
        raise ValueError(
            "gradcheck: expected either names, such as `numgan gradcheck Conv2d dcgan`, or --all"
        )
    found = checking.entries(args.names or None, slow=args.slow)
    entries = list(tqdm(found, unit="check", disable=None, file=STDERR))
    failed = sum(not entry.passed for entry in entries)
    passed = bool(entries) and not failed
    if args.json:
        rows = [
            {
                "name": entry.name,
                "kind": entry.kind,
                "order": entry.order,
                "max_error": entry.max_error,
                "passed": entry.passed,
            }
            for entry in entries
        ]
        print_json({"passed": passed, "entries": rows})
        return 0 if passed else 1
    print(f"kind       d  {'error':>8}  {'# per decade':<24}  check; d: 1 first, 2 second derivatives")
    for entry in entries:
        error = entry.max_error if np.isfinite(entry.max_error) else np.inf
        decades = np.log10(max(error, 1e-16)) + 16  # one # for each factor of 10 above 1e-16; 10 # mean 1e-6
        bar = "#" * int(min(decades, 16))
        verdict = "ok" if entry.passed else "FAILED"
        print(f"{entry.kind:<10} {entry.order}  {error:8.1e}  {bar:<16}  {verdict:<6}  {entry.name}")
        if not entry.passed:
            print(f"    {entry.detail}".replace("\n", "\n    "))
    print(f"{len(entries) - failed} of {len(entries)} passed" + ("" if passed else f", {failed} failed"))
    return 0 if passed else 1


# ---- data, doctor


def data_command(args):
    """Run `numgan data`: print the known data sets, their folders, and whether their files are there.

    args are the parsed arguments. Returns None.
    """
    sets = doctor.data_sets()
    if args.json:
        print_json(sets)
        return
    width = max(len(row["name"]) for row in sets)
    for row in sets:
        print(
            f"{row['name']:<{width}} {'here   ' if row['present'] else 'missing'}  {row['description']}\n"
            f"{'':<{width + 10}}{row['where']}"
        )
    print(
        "\nA missing set with `download` in its line is downloaded at its first use. For one `from IDX\n"
        "files of yours`, put the files into the folder below its line, or name their folder with --folder.\n"
        "--data also takes a path: a folder of pictures (sub-folders are classes), a folder of IDX files,\n"
        "or a file .npy, .npz, .csv, .tsv or .txt. See docs/own-data.md."
    )


def doctor_command(args):
    """Run `numgan doctor`: print the description of the installation, as lines or, with --json, as JSON.

    args are the parsed arguments. Returns 0, or 1 if a kernel failed its self-check.
    """
    found = doctor.examine()
    if args.json:
        print_json(found)
    else:
        for name, value in found.items():
            print(f"{name.replace('_', ' '):<17} {_plain(value)}")
    return 0 if found["passed"] else 1


def _plain(value):
    """The value as printed: "; " between the entries of a list, yes or no for a bool, none for None or []."""
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else value


# ---- entry point and error messages


def main(argv=None):
    """Run one command of the command line, print its result, and return its exit code.

    argv is the list of arguments after `numgan`; None: those of the command line. An error that a user can
    cause is printed as a message on stderr. The exit codes are those in the text of the module.
    """
    with guarded(), warnings.catch_warnings():
        warnings.showwarning = partial(_warn, set())
        return _run(argv)


def _warn(said, message, *about):
    """Print the warning `message` on stderr, without the file and line where it arose, unless it was printed.

    said    the set of the warnings that the command has printed: data may be loaded again, with equal ones
    about   further arguments of warnings.showwarning, such as this file and line; they are not used
    """
    if str(message) in said:
        return
    said.add(str(message))
    print(f"numgan: warning: {message}", file=STDERR, flush=True)


def _run(argv):
    """Run one command of the command line and return its exit code. argv as for `main`.

    Errors become a message on stderr and a code: 130 for Ctrl-C; 1 for an error of memory, arithmetic or the
    disk, a failed trial, or output that cannot be written; 2 for any other error of the request. Errors of
    other classes are faults of the program; they are raised.
    """
    command = ""
    try:
        try:
            args = _parser().parse_args(argv)
            command = f" {args.command}"
            code = args.run(args) or 0
        except SystemExit as ended:  # argparse has printed its message
            code = ended.code
        sys.stdout.flush()  # an error can still be reported at this point
        return code
    except KeyboardInterrupt as error:
        return _fail(f"\n{error}" if str(error) else "\nstopped", 130)
    except MemoryError as error:
        return _fail(
            f"numgan{command}: not enough memory{f': {error}' if str(error) else ''}; "
            "use a smaller batch, width or count",
            1,
        )
    except (ArithmeticError, TrialError, OutputError) as error:
        return _fail(f"numgan{command}: {error}", 1)
    except (OSError, ValueError, ImportError) as error:
        return _fail(f"numgan{command}: {error}", 1 if getattr(error, "errno", None) in NO_ROOM else 2)


def _fail(message, code):
    """Print the message on stderr and return the exit code `code`."""
    print(message, file=sys.stderr)
    return code
