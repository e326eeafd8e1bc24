"""A run is a folder. This file knows what lies in it and builds a run again from its configuration.

    config.json            what was asked for, what it resolved to, and the versions of everything
    metrics.jsonl          a line for each logged step: step, epoch, losses, gradients (the norm of each network's), metrics, seconds
    samples/step-XXXXXX.png, samples.png, training.gif      the same latent points over time; the last; all of them
    curves.png             losses and D's mean outputs over steps
    checkpoint.npz         see numgan.checkpoint
"""

import json
import platform
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import __version__, _kernels, checkpoint
from .errors import FileFormatError
from .recipes import Recipe
from .sampling import Sampler

try:
    import fcntl
except ImportError:       # Windows has no flock; two processes in one folder are then the user's to avoid
    fcntl = None

_maybe_text, _maybe_number = (str, type(None)), (int, float, type(None))
RECIPE_TYPES = {"system": str, "preset": str, "data": str, "folder": _maybe_text, "loss": _maybe_text, "width": (int, float),
                "lr": _maybe_number, "smooth": _maybe_number, "weight_decay": _maybe_number, "average": _maybe_number, "settings": (dict, type(None))}


def choose(recipe, root="runs"):
    """The first free root/<system>-<preset>-<n>, made."""
    number = 1
    while True:
        folder = Path(root, f"{recipe.system}-{recipe.preset}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def claim(folder, is_first):
    """Make the folder for a new run. FileExistsError if something is in it: a run is never overwritten.

    is_first   is_first(path) -> whether a checkpoint is that of this very run before its first step. That one may be there: a process that
               was killed before it wrote config.json leaves no more
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, and a run is a folder; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "config.json").exists():
        raise FileExistsError(f"{folder} holds a run already: continue it with `numgan train --resume {folder}`, or choose another --out")
    there = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if there and not (there == [folder / "checkpoint.npz"] and is_first(there[0])):
        raise FileExistsError(f"{folder} is not empty and holds no run: choose another --out, nothing was changed")
    return folder


def begun(folder):
    """Whether there is a run to go on with in a folder of one's own; what a process left that was killed before its first step is removed."""
    if (Path(folder) / "config.json").exists():
        return True
    (Path(folder) / "checkpoint.npz").unlink(missing_ok=True)
    return False


@contextmanager
def alone(folder, wait=None):
    """In this block no other process trains in the folder: ValueError if one does. The lock dies with its process, however that ends.

    wait   is called, if given, and then the other process is waited for
    """
    with open(Path(folder, ".lock"), "wb") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise ValueError(f"{folder} is being trained by another process; wait for it, or stop it") from None
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_config(folder, config):
    """Write config.json."""
    with checkpoint.replacing(Path(folder, "config.json")) as file:
        file.write((json.dumps(config, indent=2) + "\n").encode())


def read_config(folder):
    """The dict in a run's config.json; FileNotFoundError if the folder is no run, FileFormatError if the file is damaged."""
    path = Path(folder, "config.json")
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run: it has no config.json; `numgan train SYSTEM` makes a run and says where it is")
    try:
        config = json.loads(path.read_bytes())
        recipe = config["recipe"]
        if recipe is not None and recipe.keys() != {field.name for field in fields(Recipe)}:
            raise ValueError(f"a recipe of {sorted(recipe)}")
        for word, kinds in RECIPE_TYPES.items() if recipe else ():
            if not isinstance(recipe[word], kinds) or isinstance(recipe[word], bool):
                raise ValueError(f"recipe {word} {recipe[word]!r}")
        if recipe and not all(isinstance(value, (bool, int, float)) for value in (recipe["settings"] or {}).values()):
            raise ValueError(f"recipe settings {recipe['settings']!r}")
        for word in ("steps", "batch_size", "seed", "log_every", "picture_every"):
            if type(config[word]) is not int or config[word] < (word != "seed"):
                raise ValueError(f"{word} {config[word]!r}")
        if not config["networks"] or not all(isinstance(name, str) and len(name) < 1000 for name in [*config["classes"], *config["networks"]]):
            raise ValueError("names of classes and networks that are no short strings")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path}: expected a run's configuration, got {type(error).__name__}: {error}; restore the file from a copy") from error
    return config


def recipe_of(config, folder):
    """The Recipe of a run; ValueError for a run of a system that was made in Python, which only Python can make again."""
    if config["recipe"] is None:
        raise ValueError(f"{folder} is a run of a system made in Python; open it there: runs.open_run(folder, system, dataset)")
    return Recipe(**config["recipe"])


def read_metrics(folder, upto):
    """The records of metrics.jsonl up to a step; a torn last line, which a killed process leaves, ends them."""
    records, path = [], Path(folder, "metrics.jsonl")
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
            curves = [record["losses"], record["metrics"], record.get("gradients", {})]
            if record["step"] > upto or not isinstance(record["seconds"], (int, float)):
                break
            if not all(value is None or isinstance(value, (int, float)) for curve in curves for value in curve.values()):
                break
        except (ValueError, KeyError, TypeError, AttributeError):
            break
        records.append(record)
    return records


def rewind(folder, step):
    """Make a run's folder what it was when it had `step` steps: later metrics and pictures go. Returns the records that stay."""
    folder = Path(folder)
    checkpoint.sweep(folder)
    records = read_metrics(folder, step)
    with checkpoint.replacing(folder / "metrics.jsonl") as file:
        file.writelines(line(record) for record in records)
    for path in pictures(folder):
        if int(path.stem.removeprefix("step-")) > step:
            path.unlink()
    return records


def line(record):
    """A record of metrics.jsonl as bytes."""
    return (json.dumps(record) + "\n").encode()


def pictures(folder):
    """The sample pictures of a run in order of step."""
    found = [path for path in Path(folder, "samples").glob("step-*.png") if path.stem.removeprefix("step-").isdigit()]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def environment():
    """The versions and settings that bits and speed depend on, as a dict."""
    return {
        "numgan": __version__, "numpy": np.__version__, "python": platform.python_version(),
        "platform": platform.platform(), "backend": _kernels.backend(), "fast_convolutions": _kernels.fast_convolutions(),
        "instruction_set": _kernels.instruction_set(), "threads": _kernels.num_threads() if _kernels.backend() == "compiled" else 1,
    }


@dataclass(frozen=True)
class OpenRun:
    """A run read back: its configuration, system, training data and state."""

    folder: Path
    config: dict
    system: object
    dataset: object
    state: checkpoint.State

    def expect_generator(self):
        """ValueError for a system without a generator."""
        if "G" not in self.system.networks:
            raise ValueError(f"{self.folder} is a run of {type(self.system).__name__}, which has no generator and draws no samples")

    @threadpool_limits.wrap(limits=1)
    def sampler(self):
        """A Sampler with the run's weights. ValueError for a system without a generator."""
        self.expect_generator()
        classes = len(self.config["classes"]) if self.system.classes else 0
        return Sampler(self.system, self.state.sampled, self.config["seed"], self.config["batch_size"], classes)


def open_run(folder, system=None, dataset=None):
    """Read a run's folder; a system made in Python is given with its data. FileNotFoundError, FileFormatError, ValueError."""
    folder, config = Path(folder), read_config(folder)
    if system is None:
        recipe = recipe_of(config, folder)
        system, dataset = recipe.build(), recipe.load()
    about = checkpoint.identity(system, dataset, config["batch_size"], config["seed"])
    return OpenRun(folder, config, system, dataset, checkpoint.load(folder / "checkpoint.npz", system, about))
