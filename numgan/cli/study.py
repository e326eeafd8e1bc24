"""The command `numgan study`: parse its arguments and print the result. The studies are in numgan/studies."""

from .. import studies
from .common import add_command, add_count, add_flag, print_json

STUDY = """\
Run the protocol of a published table over several seeds, in parallel processes.
The result is a table with the published figures beside the measured ones, and pictures.

Ctrl-C saves; the same command continues. A figure is the mean over all seeds at the last iterate, with its
standard error. Without NAME: the list of studies."""

EXAMPLES = """\
examples:
  numgan study                          list the studies
  numgan study ring --quick             test the study: a trial takes seconds, and its figures mean nothing
  numgan study ring --seeds 5           write to studies/ring
  numgan study ring --seeds 10          add five seeds"""


def add(commands):
    """Add the command `study`, with its options, to argparse's `commands`."""
    sub = add_command(
        commands,
        "study",
        study_command,
        "run a study: the protocol of a published table, over several seeds",
        description=STUDY,
        epilog=EXAMPLES,
    )
    sub.add_argument("name", nargs="?", metavar="NAME", help=f"{', '.join(studies.STUDIES)}")
    add_flag(
        sub,
        "--quick",
        "test the study: every trial takes seconds, one seed by default, and the figures mean nothing",
    )
    add_count(sub, "--seeds", "use seeds 0 to N - 1 (default: the number of the study)")
    sub.add_argument(
        "--out", metavar="DIR", help="the folder of the result (default studies/NAME, or studies/NAME-quick)"
    )
    add_count(
        sub, "--processes", "number of trials at a time, one thread each (default: the number of processors)"
    )


def study_command(args):
    """Run `numgan study`: run a study and print its table and files, or list the studies without a NAME.

    args are the parsed arguments. Returns None. Raises ValueError for an unknown name, or for options without
    a name, and the errors of `studies.run`.
    """
    if args.name is None:
        if args.quick or args.seeds or args.out or args.processes:
            raise ValueError("expected a NAME with these options; `numgan study` alone lists the studies")
        return _list(args)
    if args.name not in studies.STUDIES:
        raise ValueError(f"expected one of {', '.join(studies.STUDIES)}, got {args.name!r}")
    out = args.out or f"studies/{args.name}{'-quick' if args.quick else ''}"
    done = studies.run(
        args.name,
        studies.STUDIES[args.name],
        out,
        quick=args.quick,
        seeds=args.seeds,
        processes=args.processes,
    )
    if args.json:
        print_json(
            {
                "study": args.name,
                "quick": args.quick,
                "out": done.folder,
                "seconds": done.seconds,
                "results": done.results,
                "files": done.files,
            }
        )
        return
    print(done.table)
    for name, path in done.files.items():
        print(f"  {name:<18} {path}")


def _list(args):
    """Print the list of all studies, as text or, with --json, as JSON. args are the parsed arguments."""
    listing = [
        {
            "study": name,
            "title": study.title,
            "source": study.source,
            "arms": list(study.arms),
            "seeds": study.seeds,
        }
        for name, study in studies.STUDIES.items()
    ]
    if args.json:
        print_json(listing)
        return
    for row in listing:
        print(
            f"{row['study']:<22} {row['title']} {row['source']}; "
            f"{len(row['arms'])} arms, {row['seeds']} seed{'s' * (row['seeds'] > 1)}"
        )
