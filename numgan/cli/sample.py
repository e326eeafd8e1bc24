"""The command `numgan sample`: draw samples from a run, and measure them with a classifier."""

import csv
import io
from pathlib import Path

import numpy as np

from ..core.files import replacing
from ..data import in_units, is_pictures
from ..data.pixels import to_bytes
from ..evaluation import judging
from ..plot import legible, readable, replaced
from ..training import runs, sampling
from ..training.classes import parsed
from .common import add_command, add_count, natural, print_json

SAMPLE_EXAMPLES = """\
examples:
  numgan sample runs/conditional-digits-1
  numgan sample runs/conditional-digits-1 --labels 3,7 --count 20 --seed 5 --out threes-and-sevens.png
  numgan sample runs/conditional-digits-1 --count 1000 --out samples.npz     arrays x (uint8), labels, classes
  numgan sample runs/gan-points-1 --count 1000 --out samples.csv             a table, with names of columns
  numgan sample runs/conditional-mnist-2 --labels cat --labels "dog, small"   names of folders
  numgan sample runs/conditional-digits-1 --count 1000 --judge runs/classifier-digits-1 --json"""


def add(commands):
    """Add the command `sample`, with its options, to argparse's `commands`."""
    sub = add_command(
        commands,
        "sample",
        sample_command,
        "draw samples from a run, and measure them with a classifier",
        epilog=SAMPLE_EXAMPLES,
    )
    sub.add_argument("folder", metavar="RUN", help="a run folder")
    add_count(sub, "--count", "number of samples (default: ten per class, or 64; 1000 with --judge)")
    sub.add_argument(
        "--labels",
        action="append",
        metavar="NAMES",
        help="the classes of the samples, in turn, for a conditional system: names such as cat,dog; "
        "repeatable (give a name with a comma alone). A number that is no name is the number of a class, "
        "from 0 in order of the names, unless some class has a number as its name",
    )
    sub.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the latents (default 0)")
    sub.add_argument(
        "--out",
        metavar="FILE",
        help="a picture (.png), arrays (.npz) or a table of rows (.csv); default RUN/drawn.png",
    )
    sub.add_argument(
        "--judge",
        nargs="?",
        const=True,
        metavar="RUN",
        help="measure agreement with the label, confidence, share of each class and copies with this run of "
        "`numgan train classifier` (no RUN: with the judge in the cache, see `numgan judge`)",
    )


def sample_command(args):
    """Run `numgan sample`: draw samples from a run into a file, or measure them with a judge, or both.

    args are the parsed arguments. With --judge and without --out no file is written. Prints lines, or JSON
    with --json. Returns None.
    """
    run = runs.open_run(args.folder, whole=args.judge is not None)  # a judgement counts copies of the data
    run.expect_samples()
    names = sampling.names_of(run.system, run.dataset)
    labels = None if args.labels is None else parsed(args.labels, names)
    result = {"run": args.folder, "seed": args.seed}
    if args.out or args.judge is None:
        result |= {"file": _draw(args, run, labels, names), "labels": labels}
    if args.judge is not None:
        judge = _judge(args.judge, run)
        result |= {"judge": str(judge.folder)} | judging.judge(
            run, judge, args.count or 1000, labels, args.seed
        )
    if labels is not None:
        result["classes"] = [names[label] for label in labels]
    if args.json:
        print_json(result)
        return
    if "file" in result:
        print(f"drawn: {result['file']}")
        if result["file"].suffix == ".png":
            drawn = [legible(names)[label] for label in labels or range(len(names))]
            for text, name in replaced(names).items():
                if text in drawn:
                    print(f"in the picture, {text} is the class {name}")
    if labels is not None:
        print("classes: " + ", ".join(f"{readable(names[label])} (number {label})" for label in labels))
    if args.judge is not None:
        _print_judgement(result, run.missing)


def _judge(given, run):
    """The OpenRun of the judge of `run`, an OpenRun: the run in the folder `given`, if it is not True.

    If `given` is True, it is the judge of the run's data in the cache. Raises ValueError if these data have
    no judge.
    """
    if given is not True:
        return runs.open_run(given, whole=False)
    judge = judging.judge_of(run)
    if judge is None:
        why = run.missing or f"{run.folder} has data or pictures without a judge of their own"
        advice = (
            "name a run of `numgan train classifier`"
            if len(run.system.sample_shape) == 3
            else f"a judge is of pictures, and these are rows: `numgan evaluate {run.folder}` measures them"
        )
        raise ValueError(f"--judge: {why}; {advice}")
    return judge


def _draw(args, run, labels, names):
    """Draw samples of `run`, an OpenRun, into the file of --out, by default RUN/drawn.png. Returns its path.

    A .png file gets a picture. A .npz file gets the array x (uint8 for pictures, otherwise in the units of
    the data) and, with classes, the arrays labels and classes; if the data name their columns, the array
    columns too. A .csv file gets a table of rows with a header and, with classes, the names of the classes.

    args     the parsed arguments: count (for .npz and .csv 64 by default), seed and out
    labels   the numbers of the classes of the samples, in turn; None: those of all classes
    names    the names of the classes

    Raises ValueError for another ending of the file's name, or for .csv if a sample is not a row.
    """
    out = Path(args.out or run.folder / "drawn.png")
    if out.suffix not in (".png", ".npz", ".csv"):
        raise ValueError(f"--out: expected a file that ends in .png or .npz, or for rows in .csv, got {out}")
    like = run.dataset.columns[run.system.target]
    if out.suffix == ".csv" and like.ndim != 2:
        raise ValueError(
            f"--out: a table is for rows, and these samples are {like.shape[1:]}; end it in .npz"
        )
    sampler, heads = run.sampler(), getattr(run.dataset, "column_names", None)
    with replacing(out) as file:
        if out.suffix == ".png":
            sampling.picture(sampler, args.seed, args.count, labels).save(file, format="PNG")
        else:
            x, drawn = sampler(args.count or 64, args.seed, labels)
            x = to_bytes(x, run.system.pixels) if is_pictures(like) else in_units(run.dataset, x)
            if out.suffix == ".csv":
                file.write(_table(x, heads, None if drawn is None else [names[k] for k in drawn]).encode())
            else:
                more = {} if drawn is None else {"labels": drawn, "classes": np.array(names)}
                np.savez(file, x=x, **more, **({"columns": np.array(heads)} if heads else {}))
    return out


def _table(x, heads, labels):
    """Rows x (N, F) as the text of a CSV file, with a header, and with the labels as its last column."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    heads = heads or [f"x_{k + 1}" for k in range(x.shape[1])]
    table.writerow([*heads, *([] if labels is None else ["label"])])
    for k, row in enumerate(x):
        table.writerow([*(f"{value:.9g}" for value in row), *([] if labels is None else [labels[k]])])
    return text.getvalue()


def _print_judgement(result, missing):
    """Print the figures of `judging.judge` in the dict `result`, beside those of held-out real pictures.

    missing   the reason why the run's data were not read, so that copies are not counted; None if they were
    """
    real = result["held_out"]
    print(f"{'':<22}{result['samples']:>9,} samples" + (f"{real['rows']:>9,} held-out real" if real else ""))
    agreement = "        -" if result["agreement"] is None else f"{result['agreement']:>9.2%}"
    print(f"{'agrees with the label':<22}{agreement}        " + (f"{real['accuracy']:>9.2%}" if real else ""))
    print(
        f"{'mean confidence':<22}{result['confidence']:>9.3f}        "
        + (f"{real['confidence']:>9.3f}" if real else "")
    )
    if doubt := judging.doubt(real, len(result["shares"])):
        print(f"the judge is {doubt}")
    if missing:
        print(f"copies of training rows are not counted: {missing}")
    else:
        print(f"{'copies of training rows':<22}{result['copies']:>8,} ({result['copies_share']:.2%})")
    print(
        "share of each class   "
        + "  ".join(f"{readable(name)} {share:.1%}" for name, share in result["shares"].items())
    )
