"""The command `numgan train`: start or resume a run, and print its results."""

from dataclasses import asdict, replace

from .. import _kernels
from ..evaluation import health, judging
from ..systems.staged import planned
from ..training import loop, origin, places, progress, recipes, runs
from . import evaluate
from .common import (
    above_zero,
    add_command,
    add_count,
    add_flag,
    add_option,
    flag_of,
    given,
    options,
    print_json,
)

TRAIN = """\
Train a system. The run folder then contains samples.png, training.gif, curves.png, metrics.jsonl, config.json
and checkpoint.npz. The last lines of the output are those of `numgan health RUN`.

Without options: the first preset of the system, on the data of this preset. With --data and without --preset:
a preset for samples of this shape. Its networks get the levels, the inputs and the number of classes that the
data need: pictures of 8 to 256 pixels a side, grey or colour, or rows of any length. A side of a picture is
start * 2^levels with a start from 2 to 15, such as 28, 32, 48, 64, 96 or 128, and 48x144. --size crops and
resizes pictures of other sizes. With --preset: pictures are cropped and resized to the shape of the preset;
`pictures` and `points` take the shape of the data.

--steps also sets the number of steps over which a learning rate falls. If --resume has more --steps than the
run, the rest of the run has the rates of a run of this new length."""

TRAIN_EXAMPLES = """\
examples:
  numgan train conditional
  numgan train dcgan --data mnist --epochs 3
  numgan train gan --preset points --data grid        points in the plane, to see the modes
  numgan train dcgan --data ./photos --size 64        colour pictures from a folder
  numgan train r3gan --data ./flowers                 a sub-folder for each class
  numgan train gan --loss least_squares --seed 2
  numgan train --resume runs/dcgan-mnist-1            continue after Ctrl-C, bit for bit
  numgan train --resume runs/dcgan-mnist-1 --steps 9000     continue up to a new number of steps
  numgan train --resume runs/dcgan-half-1 --data ./moved    continue with equal data in a new place

Ctrl-C finishes the step, saves and exits. A second Ctrl-C exits at once, and the last checkpoint remains."""


def add(commands):
    """Add the command `train`, with its options, to argparse's `commands`."""
    sub = add_command(
        commands,
        "train",
        train_command,
        "train a system and write a run folder",
        description=TRAIN,
        epilog=TRAIN_EXAMPLES,
    )
    for option in options(recipes.Recipe):
        add_option(sub, option)
    steps, *others = options(recipes.Plan)
    length = sub.add_mutually_exclusive_group()
    add_option(length, steps)
    length.add_argument(
        "--epochs",
        type=above_zero,
        metavar="E",
        help="number of passes through all training rows, instead of --steps",
    )
    for option in others:
        add_option(sub, option)
    add_count(sub, "--threads", "threads of the compiled kernels; the result is the same for every number")
    sub.add_argument("--out", metavar="DIR", help="the run folder (default runs/SYSTEM-PRESET-1, -2, ...)")
    sub.add_argument("--resume", metavar="RUN", help="continue this run from its checkpoint")
    add_count(sub, "--checkpoint-every", "save every N steps, in addition to every 30 s")
    add_flag(sub, "--dry-run", "print the plan of the training, and exit")


def train_command(args):
    """Run `numgan train`: start or resume a run and print its results; with --dry-run only print the plan.

    args are the parsed arguments. Returns None. Raises ValueError without a SYSTEM or --resume, and the
    errors of the recipe, the data and the training.
    """
    if args.threads:
        _kernels.set_num_threads(args.threads)
    if args.resume:
        return _report(args, _resume(args))
    if not args.system:
        raise ValueError(
            "train: expected a SYSTEM, such as `numgan train conditional` (`numgan systems` lists them), or "
            "--resume RUN"
        )
    recipe = recipes.Recipe(**given(args, recipes.Recipe)).resolve()
    system, dataset = recipe.build(), recipe.load()
    recipes.check(system, dataset)
    recipe.expect_test(dataset)  # wrong held-out data are refused now, not after the training
    asked = recipes.Plan(**given(args, recipes.Plan))
    plan = asked.resolve(system)
    if args.epochs:  # the number of steps depends on the batch size, which the first plan has
        steps = recipes.steps_of(system, len(dataset), plan.batch_size, args.epochs)
        plan = replace(asked, steps=steps).resolve(system)
    if args.dry_run:
        return _dry_run(args, recipe, system, dataset, plan)
    out = args.out or runs.choose(recipe)
    return _report(
        args,
        loop.train(
            system, dataset, out, **asdict(plan), recipe=recipe, checkpoint_every=args.checkpoint_every
        ),
    )


def _resume(args):
    """Continue the run of --resume from its checkpoint. Returns the result of `loop.train`.

    args are the parsed arguments. Raises ValueError for options that are fixed by the run. Allowed are
    --steps or --epochs, which extend the run, --data, --folder and --test, which name a new place of equal
    data, --threads and --checkpoint-every.
    """
    refused = [
        flag_of(option)
        for option in (*options(recipes.Plan), *options(recipes.Recipe))
        if option.name not in ("steps", "system", *places.WORDS) and getattr(args, option.name) is not None
    ]
    refused += [f"--{word.replace('_', '-')}" for word in ("out", "dry_run") if getattr(args, word)]
    if refused or args.system:
        raise ValueError(
            f"train --resume: {', '.join(refused) or args.system} "
            f"{'come from the run; leave them' if len(refused) > 1 else 'comes from the run; leave it'} out "
            "(--steps and --epochs extend the run; --data, --folder and --test name a new place of its data)"
        )
    config = runs.read_config(args.resume)
    moved = {word: getattr(args, word) for word in places.WORDS if getattr(args, word)}
    system, load = origin.rebuilt(config, args.resume, moved)
    recipe, dataset = load()
    origin.expect_test(recipe, dataset, args.resume)
    steps = args.epochs and recipes.steps_of(system, len(dataset), config["batch_size"], args.epochs)
    return loop.train(
        system,
        dataset,
        args.resume,
        steps=args.steps or steps,
        resume=True,
        recipe=recipe,
        checkpoint_every=args.checkpoint_every,
    )


def _dry_run(args, recipe, system, dataset, plan):
    """Print the plan of a training, as text or, with --json, as JSON. Nothing is written.

    args are the parsed arguments, recipe is the Recipe, system the System, dataset the Dataset, and plan the
    Plan with the number of steps.
    """
    system = planned(system, plan.steps)
    about = {
        "recipe": asdict(recipe),
        "steps": plan.steps,
        "batch_size": plan.batch_size,
        "seed": plan.seed,
        "samples": len(dataset),
        "optimizers": {name: repr(opt) for name, opt in system.optimizers.items()},
        "parameters": {name: net.layout.size for name, net in system.networks.items()},
    }
    if args.json:
        print_json(about)
    else:
        print(f"{system!r}\n{recipe.system} {recipe.preset} on {dataset!r}")
        if dataset.shift is not None:
            print("each column is standardised; samples have the units of the file")
        print(f"{plan.steps:,} steps of {plan.batch_size}, seed {plan.seed}")
        for (name, _), line in zip(system.networks.items(), progress.sizes(system)):
            print(f"  {line}; {about['optimizers'].get(name, 'not trained')}")


def _report(args, trained):
    """Print the results of a training: steps, speed, files and health, as text or, with --json, as JSON.

    args are the parsed arguments, trained is the result of `loop.train`. A classifier's accuracy on held-out
    rows is printed too.
    """
    run = runs.open_run(trained.folder, whole=False)
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
        return
    print(f"{trained.steps:,} steps, {trained.steps_per_second:.1f} steps/s; in {trained.folder}:")
    for name, path in trained.files.items():
        print(f"  {name:<18} {path}")
    if judged:
        print(
            f"held-out: accuracy {judged['accuracy']:.2%}, mean confidence {judged['confidence']:.3f} "
            f"on {judged['rows']:,} rows"
        )
    evaluate.print_health(verdicts)
