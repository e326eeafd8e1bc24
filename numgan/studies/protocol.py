"""Studies: the class Study, and the functions that run a study.

An arm is one method with its settings, and one row of the table. A trial is one arm with one seed. Each trial
runs in its own process and can be resumed. All trials together give one table. Files in the folder OUT:

    OUT/study.json                      the study's name, whether it is --quick, and the text of its settings
    OUT/trials/ARM-SEED/result.json     the figures (measured numbers) of one trial, written when it ends
    OUT/trials/ARM-SEED/run             the run folder of a trial that trains; there it can be resumed
    OUT/results.json, table.md, *.png   the figures of all trials; the table with the published rows; pictures

A cell of the table is the mean of a figure over all seeds, with its standard error. Unless the heading says
otherwise, the figure is measured at the last step, never at the best one. If some seeds have no such figure,
the cell says how many have it. Methods, numbers of steps and seeds are fixed before the first trial runs.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .. import _kernels
from ..core.errors import FileFormatError, TrialError
from ..core.fields import Each, Either, Flag, Maybe, Real, Record, Text, Whole, for_json, read_json
from ..core.files import expect_own, is_empty, kind_at, make_folder, read, remove, replacing, save_picture
from ..core.signals import sigterm_as_interrupt
from ..core.streams import STDERR
from ..training import loop as training
from ..training import runs

POLL = 0.2  # seconds between two checks of the running trials
BAR = "{desc}{percentage:3.0f}%|{bar}| {n:.2f}/{total} trials [{elapsed}<{remaining}]{postfix}"
FIGURE = Maybe(Either((Real(), Flag(), Text())))
FIGURES = Either((FIGURE, Each(Either((FIGURE, Each(FIGURE))))))
ASKED = Record({"study": Text(), "quick": Flag(), "setting": Text(100_000)})
SPENT = Record({"before": Real(0)})


@dataclass(frozen=True)
class Column:
    """A column of the table.

    key      the key of the column's figure in the result of a trial
    heading  the title of the column
    digits   the number of digits: decimals for style "f", significant digits for style "g"
    scale    a factor for the figure; 100 gives per cent
    style    "f" or "g" as in Python's formats; "words" for a figure that is a text
    """

    key: str
    heading: str
    digits: int = 2
    scale: float = 1.0
    style: str = "f"

    @property
    def kind(self):
        """The Kind (core.fields) of a figure of this column: a text or a number, or None."""
        return Maybe(Text() if self.style == "words" else Either((Real(), Flag())))

    def text(self, values):
        """The text of one cell. `values` has one value for each seed; None values are left out.

        all None         "-"
        style "words"    each different text once
        style "f", "g"   mean ± standard error, or the only value; "(n of N)" follows if only n of N exist
        """
        present = [value for value in values if value is not None]
        if not present:
            return "-"
        if self.style == "words":
            return ", ".join(dict.fromkeys(present))
        figures = self.scale * np.array(present, float)
        words = f"{figures.mean():.{self.digits}{self.style}}"
        if len(present) > 1:
            error = figures.std(ddof=1) / np.sqrt(len(present))
            words += f" ± {error:.{self.digits if self.style == 'f' else 2}{self.style}}"
        return words if len(present) == len(values) else f"{words} ({len(present)} of {len(values)})"


@dataclass(frozen=True)
class Study:
    """A study: the methods that it compares, the function that tries one, and the contents of its table.

    title, source   the topic, and the publication of the protocol
    differs         our settings and differences from the publication, as text
    arms            {key of a method: heading of its row}, in the order of the table
    columns         the Columns of the table
    trial           trial(arm, seed, quick, folder, tell) -> {figure: number, text, None or a list}: one arm
                    with one seed. Its files are in `folder`. tell(fraction) moves the progress bar
    seeds           the default number of seeds; 1 for a study without randomness
    published       {heading of a row: {column key: text}}, the published rows
    draw            draw(results, out) -> {file name: picture}; None: no pictures. `out` is the study's folder
    summary         summary(results) -> a second table, for figures that are not means; None: no such table
    results         {arm: [result of each seed]}, in the arguments of `draw` and `summary`
    """

    title: str
    source: str
    arms: dict
    columns: tuple
    trial: object
    seeds: int = 5
    published: dict = field(default_factory=dict)
    differs: str = ""
    draw: object = None
    summary: object = None


@dataclass(frozen=True)
class Studied:
    """The outcome of a study.

    folder, table, files   the folder, the table as text, and {name: path} of the files that were written
    results, seconds       {arm: [result of each seed]}, and the sum of the seconds of all trials
    """

    folder: Path
    table: str
    results: dict
    seconds: float
    files: dict


def run(name, study, out, *, quick=False, seeds=None, processes=None, progress=True):
    """Run a study in the folder `out`, or resume it there. Returns a Studied.

    name, study  the key of the study in STUDIES, and its Study
    quick        every trial takes only seconds: a test of the code, not of the method
    seeds        the number of seeds, from 0; more extend a study (None: the study's number, or 1 if quick)
    processes    the number of trials that run at once, each on one thread (None: the number of processors)
    progress     whether a progress bar is shown

    Raises ValueError if seeds or processes is below 1, if the folder has other files or another study, or is
    in use; FileFormatError or FileExistsError if a file of the study is damaged or is not numgan's own;
    TrialError, with the trial's message, if a trial failed; KeyboardInterrupt after Ctrl-C or SIGTERM, when
    all running trials have ended. The same call then resumes the study.
    """
    out, seeds = Path(out), (1 if quick else study.seeds) if seeds is None else seeds
    processes = (os.cpu_count() or 1) if processes is None else processes
    if min(seeds, processes) < 1:
        raise ValueError(
            f"study {name}: expected seeds and processes of at least 1, got {seeds} and {processes}"
        )
    trials = [(arm, seed) for seed in range(seeds) for arm in study.arms]  # all arms with seed 0, then 1
    _claim(out, {"study": name, "quick": quick, "setting": study.differs})
    _expect_intact(study, out, trials)
    with runs.alone(out), sigterm_as_interrupt():
        _run_trials(name, trials, quick, out, processes, progress)
        results = {arm: [_read(study, out, arm, seed) for seed in range(seeds)] for arm in study.arms}
        return _finish(name, study, out, quick, results)


def folder_of(out, arm, seed):
    """The path of the folder of a trial, (arm, seed), in the study's folder `out`: out/trials/ARM-SEED."""
    return out / "trials" / f"{arm}-{seed}"


def train(system, dataset, folder, seed, tell, steps, look=None):
    """Train `system` on `dataset` in `folder` up to step `steps`, or resume it there. Returns the OpenRun.
    seed is the seed of the run. tell(fraction) is called every 20 steps with the completed fraction,
    look(state) with the State after each step; None: no such function.
    """
    folder = make_folder(folder)
    # pictures at the end only, and 500 records in metrics.jsonl
    rest = {"resume": runs.begun(folder), "picture_every": steps, "log_every": max(1, steps // 500)}

    def watch(state):
        if state.step % 20 == 0:
            tell(state.step / steps)
        if look:
            look(state)

    training.train(system, dataset, folder, steps=steps, seed=seed, progress=False, look=watch, **rest)
    return runs.open_run(folder, system, dataset)


def trained(run):
    """{"steps", "minutes"} of `run`, the OpenRun of a finished training; minutes of all its sessions."""
    records = runs.read_metrics(run.folder, run.state.step)
    return {"steps": run.state.step, "minutes": records[-1]["seconds"] / 60}


# ---- the trials, in processes


def _run_trials(name, trials, quick, out, processes, progress):
    """Run all trials that are not done, at most `processes` at once, and show their progress if `progress`.
    name is that of the study, trials a list of (arm, seed), out the study's folder; quick as in `run`. If a
    trial fails or the call is interrupted, all running trials end. Raises TrialError if one failed.
    """
    context = multiprocessing.get_context("spawn")
    waiting = [trial for trial in trials if not _is_done(out, *trial)]
    finished, running = len(trials) - len(waiting), {}  # running: {trial: (process, completed fraction)}
    shown = {"disable": None if progress else True, "dynamic_ncols": True, "file": STDERR}
    with tqdm(total=len(trials), initial=finished, unit="trial", bar_format=BAR, **shown) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    trial, share = waiting.pop(0), context.Value("d", 0.0, lock=False)
                    process = context.Process(
                        target=_work, args=(name, *trial, quick, out, share), daemon=True
                    )
                    process.start()
                    running[trial] = process, share
                time.sleep(POLL)
                for trial in [trial for trial, (process, _) in running.items() if not process.is_alive()]:
                    process, _ = running.pop(trial)
                    _expect_done(name, out, trial, process.exitcode)
                    finished += 1
                bar.n = finished + sum(share.value for _, share in running.values())
                bar.set_postfix_str(", ".join(f"{arm} {seed}" for arm, seed in running), refresh=False)
                bar.refresh()
        finally:
            for process, _ in running.values():
                process.terminate()  # on this signal, training saves a checkpoint and ends
            for process, _ in running.values():
                process.join()


def _expect_done(name, out, trial, exitcode):
    """Raise TrialError if `exitcode`, that of a trial's process, is not 0, or if the trial has no result.
    trial is (arm, seed), name that of the study, `out` its folder. The message has the last line of the
    trial's error.txt, or the exit code.
    """
    if exitcode or not _is_done(out, *trial):
        arm, seed = trial
        log = folder_of(out, arm, seed) / "error.txt"
        words = read(log, 1 << 20).decode(errors="replace").strip() if log.exists() else ""
        if words:
            reason = f"{words.splitlines()[-1]} (all of it in {log})"
        else:  # error.txt is empty if the disk was full
            reason = f"its process ended with code {exitcode}"
        raise TrialError(
            f"study {name}: trial {arm}, seed {seed}, failed: {reason}; "
            "the others are kept, and the same command goes on"
        )


def _work(name, arm, seed, quick, out, share):
    """Run the trial (arm, seed) of the study `name` in this process, and write its result.json into `out`.
    share.value, which the parent process reads, receives the completed fraction; quick as in `run`. An
    interrupted training saves, its seconds go to seconds.json, and the exit code is 130. A failure goes to
    error.txt, with exit code 1.
    """
    from . import STUDIES

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C the parent sends SIGTERM
    threading.Thread(target=_die_with_parent, daemon=True).start()
    make_folder(out / "trials")
    folder = make_folder(folder_of(out, arm, seed))
    log, spent = folder / "error.txt", folder / "seconds.json"
    remove(log)
    if _kernels.backend() == "compiled":
        _kernels.set_num_threads(1)

    def tell(fraction):
        share.value = fraction

    began = time.monotonic() - _seconds_before(spent)
    try:
        with threadpool_limits(1):
            found = STUDIES[name].trial(arm, seed, quick, folder, tell)
        result = {"arm": arm, "seed": seed, "seconds": round(time.monotonic() - began, 2)} | {
            key: for_json(value) for key, value in found.items()
        }
        _write(folder / "result.json", json.dumps(result) + "\n")
    except training.Interrupted:
        _write(spent, json.dumps({"before": time.monotonic() - began}))
        sys.exit(130)
    except Exception:
        with suppress(OSError):
            _write(log, traceback.format_exc())
        sys.exit(1)


def _write(path, text):
    """Write `text` to the file `path`. Even after a crash it has its old content or all of `text`."""
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def _die_with_parent():
    """Wait until the parent process ends, then end this process at once. A thread of each trial does this.
    Without it, a user who repeats the command could have two processes for one trial.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


# ---- the folder


def _claim(out, asked):
    """Make the folder `out` of a study and its study.json, or check that they belong to the same study.
    asked is the content of study.json. Raises ValueError if `out` is not a folder, if its study.json has
    other values, or if `out` has files but no study.json.
    """
    if not out.is_dir() and (kind := kind_at(out)):
        raise ValueError(f"--out: expected a folder, got {kind}: {out}; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    path = out / "study.json"
    if kind_at(path):
        same = f"write {json.dumps(asked)} into it if its trials are of that study"
        held = read_json(path, ASKED, same)
        if (held["study"], held["quick"]) != (asked["study"], asked["quick"]):
            raise ValueError(
                f"{out} holds study {held['study']}{' --quick' if held['quick'] else ''}, "
                f"asked for {asked['study']}{' --quick' if asked['quick'] else ''}; choose another --out"
            )
        if held["setting"] != asked["setting"]:
            raise ValueError(
                f"{out} holds trials of {held['study']} in another setting than today's, as its study.json "
                f"says; choose another --out, or, if nothing but words changed, {same}"
            )
        return
    if not is_empty(out):
        raise ValueError(f"{out} is not empty and holds no study: choose another --out, nothing was changed")
    _write(path, json.dumps(asked) + "\n")


def _expect_intact(study, out, trials):
    """Raise an error, before any trial runs, if a file of the study in `out` is damaged or not numgan's own.
    trials is a list of (arm, seed). The error is FileExistsError for a link, pipe or folder with the name of
    a study's file, and FileFormatError for damage.
    """
    for name in (".lock", "results.json", "table.md"):
        expect_own(out / name)
    expect_own(out / "trials", "a folder")
    for path in out.glob("*.png"):
        expect_own(path)
    for path in (out / "trials").rglob("*"):
        expect_own(path, "a folder" if path.is_dir() else "a file")
    for arm, seed in trials:
        folder = folder_of(out, arm, seed)
        expect_own(folder, "a folder")
        for name in ("result.json", "seconds.json", "error.txt"):
            expect_own(folder / name)
        _seconds_before(folder / "seconds.json")
        if _is_done(out, arm, seed):
            _read(study, out, arm, seed)


def _seconds_before(path):
    """The seconds that an interrupted trial took, from its seconds.json at `path`; 0 without this file."""
    return read_json(path, SPENT, "delete the file")["before"] if path.exists() else 0.0


def _is_done(out, arm, seed):
    """Whether the trial of an arm with a seed has its result.json in the study's folder `out`."""
    return (folder_of(out, arm, seed) / "result.json").exists()


def _read(study, out, arm, seed):
    """{name: value} from the result.json of a finished trial: "arm", "seed", "seconds", and all figures.
    study is the Study, `out` its folder. Raises FileFormatError if the file is damaged, belongs to another
    trial, or has no figures.
    """
    path, again = folder_of(out, arm, seed) / "result.json", "delete the file, and the trial is made again"
    kinds = {column.key: column.kind for column in study.columns}
    got = read_json(path, Record({"arm": Text(), "seed": Whole(), "seconds": Real(0)}, kinds, FIGURES), again)
    if (got["arm"], got["seed"]) != (arm, seed):
        raise FileFormatError(
            f"{path}: expected {arm}, seed {seed}, got {got['arm']}, seed {got['seed']}; {again}"
        )
    if len(got) == 3:
        raise FileFormatError(f"{path}: expected the figures of a trial, got none; {again}")
    return got


def _finish(name, study, out, quick, results):
    """Write the table, results.json and the pictures of a study into its folder `out`. Returns its Studied.
    name, study and quick are those of `run`, results is {arm: [result of each seed]}. Raises FileFormatError
    if the files of the trials lack something that the study's `summary` or `draw` needs.
    """
    seconds = sum(result["seconds"] for row in results.values() for result in row)
    try:  # each figure was checked when it was read; only `summary` and `draw` know which ones they need
        below = f"\n{study.summary(results)}" if study.summary else ""
        pictures = study.draw(results, out) if study.draw else {}
    except FileFormatError:
        raise
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{error.filename} is missing: delete the result.json beside it, and the trial is made again"
        ) from error
    except (LookupError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{out / 'trials'}: expected the figures of every trial in its result.json and the files beside "
            f"it, got {type(error).__name__}: {error}; "
            "delete the result.json of the trial, and it is made again"
        ) from error
    words = table(study, results) + below + f"\n{_protocol(name, study, quick, results, seconds)}\n"
    files = {"table": out / "table.md", "results": out / "results.json"}
    everything = {
        "study": name,
        "quick": quick,
        "seconds": seconds,
        "versions": runs.environment(),
        "results": results,
    }
    _write(files["table"], words)
    _write(files["results"], json.dumps(everything, indent=1) + "\n")
    for picture, image in pictures.items():
        files[picture] = out / picture
        save_picture(image, files[picture])
    return Studied(out, words, results, seconds, files)


def table(study, results):
    """The table of `study` as Markdown: rows of results, {arm: [result of each seed]}, then the published."""
    ours = [
        [
            study.arms[arm],
            *(column.text([result.get(column.key) for result in found]) for column in study.columns),
        ]
        for arm, found in results.items()
    ]
    theirs = [
        [row, *(figures.get(column.key, "-") for column in study.columns)]
        for row, figures in study.published.items()
    ]
    return markdown(["", *(column.heading for column in study.columns)], ours + theirs)


def markdown(head, rows):
    """A table as Markdown text. `head` is the list of headings, `rows` a list of lists of texts."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _protocol(name, study, quick, results, seconds):
    """The text below the table of the study `name`: command, source, number of seeds, seconds as minutes, and
    study.differs. results is {arm: [result of each seed]}; quick=True adds that the figures mean nothing.
    """
    count = len(next(iter(results.values())))  # of seeds
    seeds = (
        f"Mean ± standard error over seeds 0 to {count - 1}, last iterate" if count > 1 else "One run an arm"
    )
    quick = " With --quick: too short to mean anything." if quick else ""
    return (
        f"`numgan study {name}`: {study.title} {study.source}. {seeds}; "
        f"{seconds / 60:.1f} minutes of one thread in all.{quick}"
        + (f"\n{study.differs}" if study.differs else "")
    )
