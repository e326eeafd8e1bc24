"""numgan train: start or resume a run."""

from dataclasses import asdict

from .. import _kernels
from ..evaluation import health, judging
from ..training import loop, recipes, runs
from . import evaluate
from .common import above_zero, add_command, natural, positive, print_json, setting

TRAIN = """\
Train a system. The run folder then contains samples.png, training.gif, curves.png, metrics.jsonl, config.json
and checkpoint.npz. The last lines of the output are those of `numgan health RUN`.

Without options: the first preset of the system, on the data of this preset. With --data and without --preset:
the first preset for samples of this shape. With --preset: pictures are cropped and resized to the shape of
the preset."""

TRAIN_EXAMPLES = """\
examples:
  numgan train conditional
  numgan train dcgan --data mnist --epochs 3
  numgan train gan --preset points --data grid        points in the plane, to see the modes
  numgan train dcgan --preset half --data ./photos    64 x 64 colour pictures from a folder
  numgan train gan --loss least_squares --seed 2
  numgan train --resume runs/dcgan-mnist-1            continue after Ctrl-C, bit for bit
  numgan train --resume runs/dcgan-mnist-1 --steps 9000     continue up to a new number of steps

Ctrl-C finishes the step, saves and exits. A second Ctrl-C exits at once, and the last checkpoint remains."""


def add(commands):
    """Add the command to the parser's commands."""
    sub = add_command(
        commands,
        "train",
        train_command,
        "train a system and write a run folder",
        description=TRAIN,
        epilog=TRAIN_EXAMPLES,
    )
    sub.add_argument(
        "system", nargs="?", metavar="SYSTEM", help="a name from `numgan systems`; not with --resume"
    )
    sub.add_argument("--preset", help="a preset of the system, see `numgan systems`")
    sub.add_argument(
        "--data",
        metavar="NAME|FOLDER",
        help="a set from `numgan data`, or a folder of pictures (sub-folders are classes)",
    )
    sub.add_argument(
        "--folder", metavar="DIR", help="the folder with the IDX files of mnist or fashion-mnist"
    )
    length = sub.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive, metavar="N", help="total number of steps")
    length.add_argument(
        "--epochs",
        type=above_zero,
        metavar="E",
        help="number of passes through all training rows, instead of --steps",
    )
    sub.add_argument("--batch-size", type=positive, metavar="N", help="number of real samples in a batch")
    sub.add_argument(
        "--seed",
        type=natural,
        metavar="S",
        help="seed of all random numbers (default 0); equal seeds give equal bytes",
    )
    sub.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="the constant learning rate of every network (for hacks: its setting `rate`)",
    )
    sub.add_argument(
        "--loss", metavar="NAME", help="minimax, nonsaturating, least_squares, hinge or wasserstein"
    )
    sub.add_argument(
        "--smooth",
        type=float,
        metavar="T",
        help="one-sided label smoothing: the target of D on real samples, such as 0.9",
    )
    sub.add_argument(
        "--weight-decay",
        type=float,
        metavar="W",
        help="L2 penalty on D: W |weights|^2 / 2 is added to the loss of D",
    )
    sub.add_argument(
        "--average",
        type=float,
        metavar="DECAY",
        help="decay of the moving average of G's weights, from which samples are drawn; 0: no average",
    )
    sub.add_argument(
        "--width",
        type=above_zero,
        metavar="F",
        help="multiply the hidden widths by F; 0.25 trains fast and gives bad samples",
    )
    sub.add_argument(
        "--set",
        type=setting,
        action="append",
        metavar="NAME=VALUE",
        help="a setting of the system, such as k=2 or leaky=false; repeatable (a wrong name prints the list)",
    )
    sub.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of the compiled kernels; the result is the same for every number",
    )
    sub.add_argument("--out", metavar="DIR", help="the run folder (default runs/SYSTEM-PRESET-1, -2, ...)")
    sub.add_argument("--resume", metavar="RUN", help="continue this run from its checkpoint")
    sub.add_argument(
        "--checkpoint-every", type=positive, metavar="N", help="save every N steps, in addition to every 30 s"
    )
    sub.add_argument("--dry-run", action="store_true", help="print the plan of the training, and exit")


def train_command(args):
    if args.threads:
        _kernels.set_num_threads(args.threads)
    if args.resume:
        return _report(args, _resume(args))
    if not args.system:
        raise ValueError(
            "train: expected a SYSTEM, such as `numgan train conditional` (`numgan systems` lists them), or "
            "--resume RUN"
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
        loop.train(
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
            f"train --resume: {', '.join(given) or args.system} comes from the run; leave it out "
            "(--steps and --epochs extend the run)"
        )
    config = runs.read_config(args.resume)
    recipe = runs.recipe_of(config, args.resume)
    system, dataset = runs.rebuilt(config, args.resume)
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
    for name, path in trained.files.items():
        print(f"  {name:<18} {path}")
    if judged:
        print(
            f"held-out: accuracy {judged['accuracy']:.2%}, mean confidence {judged['confidence']:.3f} "
            f"on {judged['rows']:,} rows"
        )
    evaluate.print_health(verdicts)
    return 0
