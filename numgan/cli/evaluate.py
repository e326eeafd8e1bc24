"""The commands `numgan evaluate`, `numgan judge` and `numgan health`.

This module parses their arguments and prints the results. The measurements are in figures.py, judging.py and
health.py of numgan/evaluation.
"""

from dataclasses import asdict
from functools import partial

from ..evaluation import figures as evaluation
from ..evaluation import health, judging
from ..plot import readable
from ..training import runs
from .common import add_command, add_count, add_flag, natural, print_json

EVALUATE = """\
Measure the samples of a run against data that were not used for its training. The second column has the same
figures of as many real training rows, about those of a perfect generator. Every line says what its figure
compares the rows with.

  points                  modes, share of good samples, evenness and width of the modes
  pictures, in pixels     error of a nearest-neighbour classifier whose training set is the samples,
                          Parzen window, MMD, bins, sliced Wasserstein distance, similarity of pairs
  pictures, in features   Frechet distance, score, KID, precision, recall, density and coverage,
                          in the features of a judge

The judge is a classifier that numgan trains itself (`numgan judge`). It is not Inception: its figures compare
with each other and with those of real rows, never with a published FID or Inception score."""

EVALUATE_EXAMPLES = """\
examples:
  numgan evaluate runs/dcgan-mnist-1
  numgan evaluate runs/dcgan-mnist-1 --count 1000 --quick
  numgan evaluate runs/dcgan-half-1 --judge runs/classifier-mnist-1 --json"""

JUDGE = """\
Print the folder of the judge of a data set, and its accuracy on held-out pictures. A judge that is not in the
cache is trained first.

The cache is the folder in the environment variable NUMGAN_CACHE, by default the cache folder of the system.
`numgan evaluate` and `numgan sample --judge` use this judge unless another run is named."""

HEALTH = """\
Look for known problems of a run: too few steps, a discriminator that is always right or is bounded, a
gradient of the generator that vanishes or explodes, losses that diverge, samples that are unlike real rows,
all alike, or copies. Every line has a level (ok, look, bad) and a number; that of samples stands beside that
of true rows. A line that is not ok also has the threshold and advice for this run.

The exit code is 1 if a line is bad. `numgan train` prints the same lines at its end."""

MEANING = {  # {"better" of a figure: its text in the table}
    "higher": "higher is better",
    "lower": "lower is better",
    "as real": "that of real rows is best",
    None: "",
}
# figures that are printed in per cent
SHARES = {"high_quality", "nearest_neighbour_error", "precision", "recall", "coverage", "agreement"}
BESIDE = {
    "parzen_log_likelihood": "parzen_standard_error",
    "classifier_score": "classifier_score_std",
}  # {figure: the figure that is printed after it, behind +-}


def add(commands):
    """Add the commands `evaluate`, `judge` and `health`, with their options, to argparse's `commands`."""
    command = partial(add_command, commands)
    sub = command(
        "evaluate",
        evaluate_command,
        "measure the samples of a run against held-out data",
        description=EVALUATE,
        epilog=EVALUATE_EXAMPLES,
    )
    sub.add_argument("folder", metavar="RUN", help="a run folder")
    sub.add_argument(
        "--judge",
        metavar="RUN",
        help="a run of `numgan train classifier` (default: the judge in the cache, see `numgan judge`)",
    )
    add_count(
        sub,
        "--count",
        "number of samples (default 10,000 pictures, 2,500 points, or as many as the data allow)",
    )
    sub.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="S",
        help="seed of the latents and of the choice of real rows (default 0)",
    )
    add_flag(
        sub,
        "--quick",
        "skip the slow figures: Parzen, MMD, bins, KID and those of features; the output lists them",
    )

    sub = command(
        "judge", judge_command, "train the judge of a data set, or print its folder", description=JUDGE
    )
    sub.add_argument(
        "--data", default="mnist", metavar="NAME", help=f"{', '.join(judging.JUDGED)} (default mnist)"
    )
    sub.add_argument(
        "--folder", metavar="DIR", help="the folder with the IDX files of mnist or a set like it"
    )

    sub = command(
        "health",
        health_command,
        "look for known problems in the curves and samples of a run",
        description=HEALTH,
    )
    sub.add_argument("folder", metavar="RUN", help="a run folder")


def evaluate_command(args):
    """Run `numgan evaluate`: measure the samples of a run and print the figures, or JSON with --json.

    args are the parsed arguments. Returns None. Without --judge, the judge of the run's data is used, if
    there is one; it is trained if the cache does not have it.
    """
    run = runs.open_run(args.folder)
    run.expect_samples()  # raises an error for a run without a generator, before a judge is trained
    judge = runs.open_run(args.judge, whole=False) if args.judge else judging.judge_of(run)
    found = evaluation.evaluate(run, judge, args.count, args.seed, args.quick)
    if args.json:
        print_json(found)
        return
    judge, figures = found["judge"], found["figures"]
    print(
        f"{found['run']}: {found['samples']:,} samples against {found['against']} of "
        f"{readable(found['data'])}, seed {found['seed']}\n"
    )
    print(f"{'':<32}{'samples':>16}{'real rows':>16}   what is best, and what both are compared with")
    judged = [name for name in figures if name.startswith(evaluation.JUDGED)]  # those of the judge
    _table(figures, [name for name in figures if name not in judged])
    if judge:
        accuracy = (
            f", accuracy {judge['accuracy']:.2%} on {judge['rows']:,} held-out rows"
            if "accuracy" in judge
            else ""
        )
        if "accuracy" in judge and (doubt := judging.doubt(judge, judge["classes"])):
            accuracy += f", {doubt}"
        print(
            f"\nby the judge, a classifier{accuracy}: {judge['run']}\n"
            "Its features are not those of Inception: no figure below is an FID, an Inception score or a "
            "KID of the literature."
        )
        _table(figures, judged)
    print(
        f"\nreal rows: the same figures of {found['beside']} in place of the samples"
        + ("; the judge was trained on such rows" if found["judge"] else "")
    )
    if found["missing"]:
        print(f"real rows are those that the run keeps, because its data were not read: {found['missing']}")
    skipped = found["skipped"]
    for reason in dict.fromkeys(skipped.values()):
        print(f"not measured ({reason}): {'; '.join(name for name in skipped if skipped[name] == reason)}")


def _table(figures, names):
    """Print one line for each of the figures `names`: the values of samples and real rows, and their meaning.

    figures is {name: {"samples", "real", "better", "against"}}. A figure that is printed in the line of
    another one has no line of its own.
    """
    for name in names:
        if name not in (*BESIDE.values(), "bins"):
            samples, real = (_cell(figures, name, side) for side in ("samples", "real"))
            meaning, against = MEANING[figures[name]["better"]], figures[name]["against"]
            print(
                f"{name.replace('_', ' '):<32}{samples:>16}{real:>16}   "
                f"{meaning}{'; ' if meaning else ''}compared with {against}"
            )


def _cell(figures, name, side):
    """The text of one value of the figure `name`. side is "samples" or "real"; None becomes "-".

    figures is {name: {"samples", "real", ...}}. Shares are in per cent. A figure of BESIDE has its standard
    error or deviation behind it.
    """
    value, share = figures[name][side], name.removeprefix(f"{evaluation.JUDGED}_") in SHARES
    if name == "different_bins":
        return f"{value} of {figures['bins'][side]}"
    text = (
        "-"
        if value is None
        else f"{value:.2%}"
        if share
        else f"{value:,}"
        if isinstance(value, int)
        else f"{value:.4g}"
    )
    return f"{text} +- {figures[BESIDE[name]][side]:.2g}" if name in BESIDE else text


def judge_command(args):
    """Run `numgan judge`: print the folder and the accuracy of a data set's judge, or JSON with --json.

    args are the parsed arguments. Returns None. The judge is trained if the cache does not have it.
    """
    judge = judging.open_judge(args.data, folder=args.folder)
    about = {"run": str(judge.folder), "data": args.data, "steps": judge.state.step} | judging.held_out(judge)
    if args.json:
        print_json(about)
    else:
        print(
            f"the judge of {args.data}: {about['run']}\n"
            f"accuracy {about['accuracy']:.2%}, mean confidence {about['confidence']:.3f} "
            f"on {about['rows']:,} held-out rows"
        )


def health_command(args):
    """Run `numgan health`: print the verdicts on a run, or JSON with --json.

    args are the parsed arguments. Returns 0, or 1 if a verdict is "bad".
    """
    verdicts = health.examine(runs.open_run(args.folder, whole=False))
    if args.json:
        print_json(
            {
                "run": args.folder,
                "worst": health.worst(verdicts),
                "verdicts": [asdict(verdict) for verdict in verdicts],
            }
        )
    else:
        print_health(verdicts)
    return int(health.worst(verdicts) == "bad")


def print_health(verdicts):
    """Print each of the verdicts, the results of the health checks of a run: its level, name and meaning.

    If the Verdict has advice, a second line has the measured value (if any), the threshold and the advice.
    Advice that several Verdicts have is printed once.
    """
    given = set()
    for verdict in verdicts:
        print(f"{verdict.level:<5} {verdict.check}: {verdict.says}")
        if verdict.advice:
            value = "" if verdict.value is None else f"{verdict.value:.3g}; "
            advice = "(the same advice)" if verdict.advice in given else verdict.advice
            print(f"      {value}{verdict.threshold}. {advice}")
            given.add(verdict.advice)
