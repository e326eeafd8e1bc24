"""The command line (`numgan --help` lists the commands). Only parsing and printing; the work is done below.

Exit codes: 0 done, 1 a check failed, a run could not go on or its result could not be written, 2 the request is wrong, 130 Ctrl-C.
A reader that has gone (`numgan systems | head`) changes nothing: the work goes on, and the code is that of the work.
"""

import argparse
import errno
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import _kernels, checking, systems
from ..bench import doctor
from ..evaluation import health, judging
from ..training import recipes, runs, sampling, loop as training
from ..core.errors import TrialError
from ..data import is_pictures
from ..data.pixels import to_bytes
from ..core.files import replacing
from ..core.streams import STDERR, OutputError, guarded
from . import bench, evaluate, study
from .common import above_zero, add_command, labels, natural, positive, print_json, setting

DESCRIPTION = """\
GANs written out by hand in NumPy: every layer's backward pass, every loss, every training step, to be read and run.

  numgan train conditional             train the class-conditional DCGAN on the digits inside the package (about a minute)
  numgan train dcgan --data mnist      the same game without labels, on MNIST
  numgan sample runs/RUN --labels 3,7  draw from a run
  numgan evaluate runs/RUN             measure its samples, with real data beside every figure
  numgan health runs/RUN               say what its curves and samples tell of its state
  numgan gradcheck Conv2d BatchNorm    check gradients against finite differences

Exit codes: 0 done, 1 a check failed, a run could not go on or its result could not be written, 2 the request is wrong, 130 Ctrl-C."""

NO_ROOM = errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO  # errors of the disk, not of the request

TRAIN = """\
Train a system. The run folder then holds samples.png, training.gif, curves.png, metrics.jsonl, config.json and checkpoint.npz.
The last lines say what curves and samples tell of the run's state, as `numgan health RUN` does.

With no options: the system's first preset on that preset's data. With --data and no --preset: the first preset that takes
samples of the data's shape. With --preset: pictures are cropped and resized to what the preset takes."""

TRAIN_EXAMPLES = """\
examples:
  numgan train conditional
  numgan train dcgan --data mnist --epochs 3
  numgan train gan --preset points --data grid        points in the plane: see the modes
  numgan train dcgan --preset half --data ./photos    64 x 64 colour, from a folder of pictures
  numgan train gan --loss least_squares --seed 2
  numgan train --resume runs/dcgan-mnist-1            go on after Ctrl-C, bit for bit
  numgan train --resume runs/dcgan-mnist-1 --steps 9000     ... and further than was planned

Ctrl-C finishes the step, saves and exits; a second Ctrl-C leaves at once, and the last checkpoint stays."""

SAMPLE_EXAMPLES = """\
examples:
  numgan sample runs/conditional-digits-1
  numgan sample runs/conditional-digits-1 --labels 3,7 --count 20 --seed 5 --out threes-and-sevens.png
  numgan sample runs/conditional-digits-1 --count 1000 --out samples.npz            arrays x (uint8) and labels
  numgan sample runs/conditional-digits-1 --count 1000 --judge runs/classifier-digits-1 --json"""


def _parser():
    parser = argparse.ArgumentParser(
        "numgan", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = partial(add_command, commands)
    command("systems", systems_command, "list the systems and their presets, with sample shape and data")

    sub = command(
        "train",
        train_command,
        "train a system and leave a run folder",
        description=TRAIN,
        epilog=TRAIN_EXAMPLES,
    )
    sub.add_argument(
        "system", nargs="?", metavar="SYSTEM", help="a name from `numgan systems`; not with --resume"
    )
    sub.add_argument("--preset", help="which of the system's recipes")
    sub.add_argument(
        "--data",
        metavar="NAME|FOLDER",
        help="a set from `numgan data`, or a folder of pictures (sub-folders are classes)",
    )
    sub.add_argument("--folder", metavar="DIR", help="where the IDX files of mnist or fashion-mnist are")
    length = sub.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive, metavar="N", help="how many steps in all")
    length.add_argument(
        "--epochs",
        type=above_zero,
        metavar="E",
        help="how many times every training row is visited, instead of --steps",
    )
    sub.add_argument("--batch-size", type=positive, metavar="N", help="real samples a batch")
    sub.add_argument(
        "--seed", type=natural, metavar="S", help="of everything random (default 0): same seed, same bytes"
    )
    sub.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="the learning rate of every network, constant (of hacks: its setting `rate`)",
    )
    sub.add_argument(
        "--loss", metavar="NAME", help="minimax, nonsaturating, least_squares, hinge or wasserstein"
    )
    sub.add_argument(
        "--smooth",
        type=float,
        metavar="T",
        help="one-sided label smoothing: D's target on real samples, such as 0.9",
    )
    sub.add_argument(
        "--weight-decay",
        type=float,
        metavar="W",
        help="L2 penalty on D: W |weights|^2 / 2 is added to its loss",
    )
    sub.add_argument(
        "--average",
        type=float,
        metavar="DECAY",
        help="decay of the moving average of G's weights that samples are drawn with; 0: none",
    )
    sub.add_argument(
        "--width",
        type=above_zero,
        metavar="F",
        help="multiply the hidden widths by F: 0.25 trains fast and badly",
    )
    sub.add_argument(
        "--set",
        type=setting,
        action="append",
        metavar="NAME=VALUE",
        help="one of the system's own settings, such as k=2 or leaky=false; may be given again (a wrong name lists them)",
    )
    sub.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of the compiled kernels; the result is the same for any number",
    )
    sub.add_argument("--out", metavar="DIR", help="the run folder (default runs/SYSTEM-PRESET-1, -2, ...)")
    sub.add_argument("--resume", metavar="RUN", help="continue this run from its checkpoint")
    sub.add_argument(
        "--checkpoint-every", type=positive, metavar="N", help="save every N steps besides every 30 s"
    )
    sub.add_argument("--dry-run", action="store_true", help="print what would be trained, and stop")

    sub = command(
        "sample",
        sample_command,
        "draw samples from a run, and let a classifier judge them",
        epilog=SAMPLE_EXAMPLES,
    )
    sub.add_argument("folder", metavar="RUN", help="a run folder")
    sub.add_argument(
        "--count",
        type=positive,
        metavar="N",
        help="how many (default: ten a class, or 64; 1000 with --judge)",
    )
    sub.add_argument(
        "--labels", type=labels, metavar="3,7", help="the classes asked for in turn, of a conditional system"
    )
    sub.add_argument("--seed", type=natural, default=0, metavar="S", help="of the latent points (default 0)")
    sub.add_argument("--out", metavar="FILE", help="a picture (.png) or arrays (.npz); default RUN/drawn.png")
    sub.add_argument(
        "--judge",
        nargs="?",
        const="",
        metavar="RUN",
        help="agreement, confidence, share of each class, copies, by a run of "
        "`numgan train classifier` (by the judge in the cache, `numgan judge`, if no run is named)",
    )

    sub = command(
        "gradcheck", gradcheck_command, "check hand-written gradients against finite differences, in float64"
    )
    sub.add_argument(
        "names", nargs="*", metavar="NAME", help="layers, losses, optimisers, systems; part of a name will do"
    )
    sub.add_argument("--all", action="store_true", help="everything in the catalogue")
    sub.add_argument(
        "--slow", action="store_true", help="every entry of every gradient, instead of random projections"
    )

    evaluate.add(commands)
    command(
        "data",
        data_command,
        "list the known data sets, where they are looked for, and whether they are there",
    )
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
    listing = []
    for name in systems.SYSTEMS:
        for preset, make in systems.presets(name).items():
            system = systems.build(name, preset, 0.05)
            listing.append(
                {
                    "system": name,
                    "preset": preset,
                    "description": systems.description(make),
                    "sample_shape": system.sample_shape,
                    "data": system.data,
                    "classes": system.classes,
                    "steps": system.steps,
                    "batch_size": system.batch_size,
                    "settings": system.settings,
                }
            )
    if args.json:
        print_json(listing)
        return 0
    for name, module in systems.SYSTEMS.items():
        print(f"{name}: {systems.description(module)}")
        for row in listing:
            if row["system"] == name:
                shape = " x ".join(map(str, row["sample_shape"]))
                print(f"  {row['preset']:<12} {shape:<12} {row['data']:<20} {row['description']}")
    print("\nnumgan train SYSTEM [--preset PRESET]; the first preset is the default")
    return 0


# ---- train


def train_command(args):
    if args.threads:
        _kernels.set_num_threads(args.threads)
    if args.resume:
        return _report(args, _resume(args))
    if not args.system:
        raise ValueError(
            "train: expected a SYSTEM, such as `numgan train conditional` (`numgan systems` lists them), or --resume RUN"
        )
    words = ("system", "preset", "data", "folder", "lr", "loss", "smooth", "weight_decay", "average")
    recipe = recipes.Recipe(
        **{word: getattr(args, word) for word in words},
        width=args.width or 1.0,
        settings=dict(args.set) if args.set else None,
    ).resolve()
    system, dataset = recipe.build(), recipe.load()
    batch_size = args.batch_size or system.batch_size
    recipes.check(system, dataset)
    recipes.check_batch(system, batch_size)
    steps = args.steps or (
        recipes.steps_of(system, len(dataset), batch_size, args.epochs) if args.epochs else system.steps
    )
    if args.dry_run:
        return _dry_run(args, recipe, system, dataset, steps, batch_size)
    out = args.out or runs.choose(recipe)
    return _report(
        args,
        training.train(
            system,
            dataset,
            out,
            steps=steps,
            batch_size=batch_size,
            seed=args.seed,
            recipe=recipe,
            checkpoint_every=args.checkpoint_every,
        ),
    )


def _resume(args):
    given = [
        f"--{word.replace('_', '-')}"
        for word in (
            "preset",
            "data",
            "folder",
            "batch_size",
            "seed",
            "lr",
            "loss",
            "smooth",
            "weight_decay",
            "average",
            "width",
            "set",
            "out",
            "dry_run",
        )
        if getattr(args, word) not in (None, False)
    ]
    if given or args.system:
        raise ValueError(
            f"train --resume: {', '.join(given) or args.system} comes from the run; leave it out (--steps and --epochs extend it)"
        )
    config = runs.read_config(args.resume)
    recipe = runs.recipe_of(config, args.resume)
    system, dataset = runs.rebuilt(config, args.resume)
    steps = args.epochs and recipes.steps_of(system, len(dataset), config["batch_size"], args.epochs)
    return training.train(
        system,
        dataset,
        args.resume,
        steps=args.steps or steps,
        resume=True,
        recipe=recipe,
        checkpoint_every=args.checkpoint_every,
    )


def _dry_run(args, recipe, system, dataset, steps, batch_size):
    plan = {
        "recipe": recipes.as_dict(recipe),
        "steps": steps,
        "batch_size": batch_size,
        "seed": args.seed or 0,
        "samples": len(dataset),
        "optimizers": {name: repr(opt) for name, opt in system.optimizers.items()},
        "parameters": {name: net.layout.size for name, net in system.networks.items()},
    }
    if args.json:
        print_json(plan)
    else:
        print(f"{system!r}\n{dataset!r}\n{steps:,} steps of {batch_size}, seed {plan['seed']}")
        for name, size in plan["parameters"].items():
            print(f"  {name}: {size:,} parameters, {plan['optimizers'].get(name, 'not trained')}")
    return 0


def _report(args, trained):
    run = runs.open_run(trained.folder)
    judged = judging.held_out(run) if hasattr(run.system, "probabilities") else None
    verdicts = health.examine(run)
    if args.json:
        print_json(
            {
                "run": trained.folder,
                "steps": trained.steps,
                "losses": trained.losses,
                "seconds": trained.seconds,
                "steps_per_second": trained.steps_per_second,
                "held_out": judged,
                "health": [asdict(verdict) for verdict in verdicts],
                "files": trained.files,
            }
        )
        return 0
    print(f"{trained.steps:,} steps, {trained.steps_per_second:.1f} steps/s; in {trained.folder}:")
    for what, path in trained.files.items():
        print(f"  {what:<18} {path}")
    if judged:
        print(
            f"held-out: accuracy {judged['accuracy']:.2%}, mean confidence {judged['confidence']:.3f} on {judged['rows']:,} rows"
        )
    evaluate.print_health(verdicts)
    return 0


# ---- sample


def sample_command(args):
    run = runs.open_run(args.folder)
    run.expect_samples()
    result = {"run": args.folder, "seed": args.seed}
    if args.out or args.judge is None:
        result |= {"file": _draw(args, run), "labels": args.labels}
    if args.judge is not None:
        judge = runs.open_run(args.judge) if args.judge else judging.judge_of(run)
        if judge is None:
            raise ValueError(
                f"--judge: {run.folder} has data or pictures without a judge of their own; name a run of `numgan train classifier`"
            )
        result |= {"judge": str(judge.folder)} | judging.judge(
            run, judge, args.count or 1000, args.labels, args.seed
        )
    if args.json:
        print_json(result)
        return 0
    if "file" in result:
        print(f"drawn: {result['file']}")
    if args.judge is not None:
        _print_judgement(result)
    return 0


def _draw(args, run):
    out = Path(args.out or run.folder / "drawn.png")
    if out.suffix not in (".png", ".npz"):
        raise ValueError(f"--out: expected a file that ends in .png or .npz, got {out}")
    sampler = run.sampler()
    with replacing(out) as file:
        if out.suffix == ".png":
            sampling.picture(sampler, args.seed, args.count, args.labels).save(file, format="PNG")
        else:
            x, labels = sampler(args.count or 64, args.seed, args.labels)
            x = to_bytes(x, run.system.pixels) if is_pictures(run.dataset.columns[run.system.target]) else x
            np.savez(file, x=x, **({} if labels is None else {"labels": labels}))
    return out


def _print_judgement(result):
    real = result["held_out"]
    print(f"{'':<22}{result['samples']:>9,} samples" + (f"{real['rows']:>9,} held-out real" if real else ""))
    agreement = "        -" if result["agreement"] is None else f"{result['agreement']:>9.2%}"
    print(f"{'agrees with the label':<22}{agreement}        " + (f"{real['accuracy']:>9.2%}" if real else ""))
    print(
        f"{'mean confidence':<22}{result['confidence']:>9.3f}        "
        + (f"{real['confidence']:>9.3f}" if real else "")
    )
    print(f"{'copies of training rows':<22}{result['copies']:>8,} ({result['copies_share']:.2%})")
    print(
        "share of each class   "
        + "  ".join(f"{name} {share:.1%}" for name, share in result["shares"].items())
    )


# ---- gradcheck


def gradcheck_command(args):
    if bool(args.names) == args.all:
        raise ValueError(
            "gradcheck: expected either names, such as `numgan gradcheck Conv2d dcgan`, or --all"
        )
    entries = []
    for entry in tqdm(
        checking.entries(args.names or None, slow=args.slow), unit="check", disable=None, file=STDERR
    ):
        error = float(entry.max_error) if np.isfinite(entry.max_error) else None  # JSON has no infinity
        entries.append(
            {
                "name": entry.name,
                "kind": entry.kind,
                "order": entry.order,
                "max_error": error,
                "passed": bool(entry.passed),
                "detail": entry.detail,
            }
        )
    passed = bool(entries) and all(entry["passed"] for entry in entries)
    if args.json:
        print_json(
            {
                "passed": passed,
                "entries": [
                    {word: value for word, value in entry.items() if word != "detail"} for entry in entries
                ],
            }
        )
        return 0 if passed else 1
    for entry in entries:
        error = np.inf if entry["max_error"] is None else entry["max_error"]
        bar = "#" * int(
            np.clip(np.log10(max(error, 1e-16)) + 16, 0, 16)
        )  # one # a decade above 1e-16: ten are 1e-6
        verdict = "ok" if entry["passed"] else "FAILED"
        print(f"{entry['kind']:<10} {entry['order']}  {error:8.1e}  {bar:<16}  {verdict:<6}  {entry['name']}")
        if not entry["passed"]:
            print(f"    {entry['detail']}".replace("\n", "\n    "))
    failed = sum(not entry["passed"] for entry in entries)
    print(f"{len(entries) - failed} of {len(entries)} passed" + ("" if passed else f", {failed} failed"))
    return 0 if passed else 1


# ---- data, doctor


def data_command(args):
    sets = doctor.data_sets()
    if args.json:
        print_json(sets)
        return 0
    for row in sets:
        print(
            f"{row['name']:<14} {'here   ' if row['present'] else 'missing'}  {row['description']}\n{'':<24}{row['where']}"
        )
    print(
        "\nmissing sets are downloaded when they are first used; a folder of pictures is a set too: --data FOLDER"
    )
    return 0


def doctor_command(args):
    found = doctor.examine()
    if args.json:
        print_json(found)
    else:
        for name, value in found.items():
            print(f"{name.replace('_', ' '):<17} {_plain(value)}")
    return 0 if found["passed"] else 1


def _plain(value):
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else value


# ---- the door


def main(argv=None):
    """Run a command and return its exit code."""
    with guarded():
        return _run(argv)


def _run(argv):
    command = ""
    try:
        try:
            args = _parser().parse_args(argv)
            command = f" {args.command}"
            code = args.run(args)
        except SystemExit as ended:  # argparse has printed its message
            code = ended.code
        sys.stdout.flush()  # here an error can still be reported
        return code
    except KeyboardInterrupt as error:
        return _fail(f"\n{error}" if str(error) else "\nstopped", 130)
    except MemoryError as error:
        return _fail(
            f"numgan{command}: not enough memory{f': {error}' if str(error) else ''}; a smaller batch, width or count needs less",
            1,
        )
    except (ArithmeticError, TrialError) as error:
        return _fail(f"numgan{command}: {error}", 1)
    except OSError as error:
        return _fail(
            f"numgan{command}: {error}", 1 if isinstance(error, OutputError) or error.errno in NO_ROOM else 2
        )
    except (ValueError, ImportError) as error:
        return _fail(f"numgan{command}: {error}", 2)


def _fail(message, code):
    print(message, file=sys.stderr)
    return code
