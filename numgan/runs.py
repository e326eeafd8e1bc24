"""A run is a folder. This file knows what lies in it, builds a run again from its configuration, draws samples and judges them.

    config.json            what was asked for, what it resolved to, and the versions of everything
    metrics.jsonl          a line for each logged step: step, epoch, losses, metrics, seconds
    samples/step-XXXXXX.png, samples.png, training.gif      the same latent points over time; the last; all of them
    curves.png             losses and D's mean outputs over steps
    checkpoint.npz         see numgan.checkpoint
"""

import copy
import json
import os
import platform
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import __version__, _kernels, checkpoint, data, plot, systems
from .errors import FileFormatError
from .layers import Run as Pass
from .layers import measure
from .losses import ADVERSARIAL, smoothed
from .randomness import derive

try:
    import fcntl
except ImportError:       # Windows has no flock; two processes in one folder are then the user's to avoid
    fcntl = None

CHUNK = 250               # samples of one forward pass
MEASURED = 20             # latent batches that BatchNorm statistics are measured over
POINTS = ("ring", "grid", "swiss-roll")


# ---- what was asked for


@dataclass(frozen=True)
class Recipe:
    """Which system on which data, in the words of the command line; enough to build both again.

    None stands for what the system's preset says. ValueError, when it is used, for names that do not exist or do not fit together.
    """

    system: str
    preset: str | None = None
    data: str | None = None
    folder: str | None = None
    width: float = 1.0
    lr: float | None = None
    loss: str | None = None
    smooth: float | None = None
    weight_decay: float | None = None
    average: float | None = None

    def resolve(self):
        """The same recipe with preset and data named, and paths that hold from anywhere."""
        recipe = self
        if recipe.preset is None:
            known = systems.presets(recipe.system)
            fitting = recipe.data and systems.preset_for(recipe.system, data.load(recipe.data, folder=recipe.folder).sample_shape)
            recipe = replace(recipe, preset=fitting or next(iter(known)))
        recipe = replace(recipe, data=recipe.data or recipe.build().data)
        if recipe.data not in data.names():
            if not os.path.isdir(recipe.data):
                raise ValueError(f"data: expected one of {', '.join(data.names())}, or a folder of pictures, got {recipe.data!r}; "
                                 f"say which with --data" + (f" ({recipe.system} {recipe.preset} has none of its own)" if self.data is None else ""))
            recipe = replace(recipe, data=os.path.abspath(recipe.data))
        return replace(recipe, folder=recipe.folder and os.path.abspath(recipe.folder))

    def build(self):
        """The system."""
        system = systems.build(self.system, self.preset, self.width)
        if self.loss is not None or self.smooth is not None:
            if not hasattr(system, "loss"):
                raise ValueError(f"{self.system} has one loss, its own; leave out --loss and --smooth")
            if self.loss is not None and self.loss not in ADVERSARIAL:
                raise ValueError(f"loss: expected one of {', '.join(ADVERSARIAL)}, got {self.loss!r}")
            loss = system.loss if self.loss is None else ADVERSARIAL[self.loss]
            system = replace(system, loss=loss if self.smooth is None else smoothed(loss, self.smooth))
        if self.average is not None:
            if not 0 <= self.average < 1:
                raise ValueError(f"average: expected a decay from 0 (none) to below 1, got {self.average}")
            system = replace(system, average=self.average)
        return system.with_optimizers(self._optimizer)

    def _optimizer(self, name, optimizer):
        changed = copy.copy(optimizer)
        for word in ("lr", "weight_decay"):
            value = getattr(self, word)
            if value is not None and not 0 <= value < np.inf:
                raise ValueError(f"{word}: expected a number of at least 0, got {value}")
            if value is not None and (word == "lr" or name != "G"):
                setattr(changed, word, value)
        return changed

    def load(self, split="train"):
        """The data, pictures at the size that the system takes."""
        shape = systems.build(self.system, self.preset, 0.05).sample_shape
        pictures = len(shape) == 3
        if pictures == (self.data in POINTS):
            raise ValueError(f"{self.system} {self.preset} takes {f'pictures {shape}' if pictures else 'points in the plane'}, and {self.data} "
                             f"holds {'points' if pictures else 'pictures'}; choose another preset or other data (`numgan systems` lists them)")
        size = {"size": shape[:2], "channels": shape[2]} if pictures else {}
        return data.load(self.data, split, folder=self.folder, **size)


def check(system, dataset):
    """Raise ValueError unless the system can be trained on the data."""
    if tuple(dataset.sample_shape) != tuple(system.sample_shape):
        raise ValueError(f"{type(system).__name__}: expected samples {system.sample_shape}, got {dataset.sample_shape} from {dataset.name}")
    if system.classes and dataset.labels is None:
        raise ValueError(f"{type(system).__name__} learns from labels, and {dataset.name} has none; put its pictures into one sub-folder a class, "
                         "or train a system without labels, such as dcgan")
    if system.classes and dataset.labels.max() >= system.classes:
        raise ValueError(f"{type(system).__name__}: built for {system.classes} classes, and {dataset.name} has {dataset.labels.max() + 1}")


def steps_of(system, rows, batch_size, epochs):
    """How many steps visit every one of `rows` rows `epochs` times; a step takes a batch for each turn, or one if fakes are shared."""
    wanted, step, drawn = epochs * rows, 0, 0
    while drawn < wanted:
        drawn += batch_size * (1 if system.shares_fakes else len(system.at(step).rounds(step)))
        step += 1
    return step


# ---- the folder


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


def claim(folder):
    """Make the folder for a new run. FileExistsError if something is in it: a run is never overwritten."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "config.json").exists():
        raise FileExistsError(f"{folder} holds a run already: continue it with `numgan train --resume {folder}`, or choose another --out")
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty and holds no run: choose another --out, nothing was changed")
    return folder


@contextmanager
def alone(folder):
    """In this block no other process trains in the folder: ValueError if one does. The lock dies with its process, however that ends."""
    with open(Path(folder, ".lock"), "wb") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder} is being trained by another process; wait for it, or stop it") from None
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
        for word in ("steps", "batch_size", "seed", "log_every", "picture_every"):
            if type(config[word]) is not int:
                raise ValueError(f"{word} {config[word]!r}")
        if not all(isinstance(name, str) for name in [*config["classes"], *config["networks"]]):
            raise ValueError("names of classes and networks that are no strings")
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
            if record["step"] > upto:
                break
        except (ValueError, KeyError, TypeError):
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
        "platform": platform.platform(), "backend": _kernels.backend(),
        "instruction_set": _kernels.instruction_set(), "threads": _kernels.num_threads() if _kernels.backend() == "compiled" else 1,
    }


# ---- samples


class Sampler:
    """Draws from G: BatchNorm statistics are measured once, so a sample does not depend on its neighbours.

    weights   G's Parameters; classes: how many labels to ask for in turn (0: the system has none)
    sampler(n, seed, labels=None) -> x (n, ...) float32 in the system's range, and the labels asked for (n,) or None
    """

    def __init__(self, system, weights, seed, batch_size, classes=0):
        self.system, self.weights, self.classes = system, weights, classes
        asked = self._asked(batch_size, None)
        batches = (system.latents(batch_size, derive(seed, "measure", i), labels=asked) for i in range(MEASURED))
        self.statistics = measure(system.networks["G"], weights, batches)

    def _asked(self, n, labels):
        return np.resize(np.arange(self.classes) if labels is None else labels, n) if self.classes else None

    def __call__(self, n, seed, labels=None):
        if labels is not None and not self.classes:
            raise ValueError(f"{type(self.system).__name__} has no labels to ask for; leave --labels out")
        if labels is not None and not all(0 <= label < self.classes for label in labels):
            raise ValueError(f"labels: expected numbers from 0 to {self.classes - 1}, got {list(labels)}")
        asked = self._asked(n, labels)
        z = self.system.latents(n, seed, labels=asked)
        pieces = [tuple(part[i:i + CHUNK] for part in z) if isinstance(z, tuple) else z[i:i + CHUNK] for i in range(0, n, CHUNK)]
        passes = [self.system.networks["G"].forward(self.weights, piece, Pass(statistics=self.statistics))[0] for piece in pieces]
        return np.concatenate(passes), asked


def to_bytes(x, pixels):
    """Pictures in the range `pixels` as uint8, as they are saved; what lies outside is clipped."""
    low, high = pixels
    return np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def picture(sampler, dataset, classes, seed, count=None, labels=None, title=""):
    """Samples as one Pillow image: conditional ones with a row for each class, others in a square, points over the data."""
    default = 10 * len(set(labels) if labels else range(sampler.classes)) if sampler.classes else 64 if dataset.is_images else 2000
    x, asked = sampler(count or default, seed, labels)
    if not dataset.is_images:
        return plot.points(dataset.take(np.arange(min(len(dataset), 2000)))[0], x, title)
    images = to_bytes(x, sampler.system.pixels)
    if asked is None:
        return plot.grid(images, int(np.ceil(len(images) ** 0.5)))
    rows = [images[asked == label] for label in np.unique(asked)]
    columns = max(map(len, rows))
    padded = [np.concatenate([row, np.full((columns - len(row), *row.shape[1:]), plot.PAPER, np.uint8)]) for row in rows]
    return plot.grid(np.concatenate(padded), columns, [classes[label] for label in np.unique(asked)])


@dataclass(frozen=True)
class OpenRun:
    """A run read back: its configuration, system, training data and state."""

    folder: Path
    config: dict
    system: object
    dataset: object
    state: checkpoint.State

    @threadpool_limits.wrap(limits=1)
    def sampler(self):
        """A Sampler with the run's weights. ValueError for a system without a generator."""
        if "G" not in self.system.networks:
            raise ValueError(f"{self.folder} is a run of {type(self.system).__name__}, which has no generator and draws no samples")
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


# ---- judgement


def judge(run, classifier, count=1000, labels=None, seed=0):
    """What a classifier run says of `count` samples of a run, as a dict.

    agreement   share of samples that it takes for the class asked for (None: no class was asked for)
    confidence  its mean highest probability;  shares {class: share of samples that it puts there}
    copies      samples equal to a training row, both at the data's own grey levels;  copies_share of all
    held_out    {rows, accuracy, confidence} of the same classifier on real data that it never saw (None: the data have no such part)
    ValueError if the classifier is none, or takes samples of another shape.
    """
    if not hasattr(classifier.system, "probabilities"):
        raise ValueError(f"{classifier.folder} is a run of {type(classifier.system).__name__}; a judge is a run of `numgan train classifier`")
    if classifier.system.sample_shape != run.system.sample_shape:
        raise ValueError(f"{classifier.folder} judges samples {classifier.system.sample_shape}, and {run.folder} draws {run.system.sample_shape}")
    with threadpool_limits(1):
        x, asked = run.sampler()(count, seed, labels)
        images = to_bytes(x, run.system.pixels)
        p = classifier.system.probabilities(classifier.state.params, scaled(images / np.float32(127.5) - 1, classifier.system))
        names, answer = classifier.config["classes"], p.argmax(axis=1)
        copied = copies(images, run.dataset.x)
        return {
            "samples": count, "agreement": None if asked is None else float((answer == asked).mean()), "confidence": float(p.max(axis=1).mean()),
            "shares": {name: float((answer == k).mean()) for k, name in enumerate(names)},
            "copies": copied, "copies_share": copied / count, "held_out": held_out(classifier),
        }


def held_out(classifier):
    """{rows, accuracy, confidence} of a classifier run on the test part of its data; None for data without one, or made in Python."""
    recipe = classifier.config["recipe"]
    if recipe is None or recipe["data"] not in data.names():
        return None
    test = Recipe(**recipe).load("test")
    x, labels = test.take(np.arange(len(test)))
    with threadpool_limits(1):
        p = classifier.system.probabilities(classifier.state.params, scaled(x, classifier.system))
    return {"rows": len(test), "accuracy": float((p.argmax(axis=1) == labels).mean()), "confidence": float(p.max(axis=1).mean())}


def scaled(x, system):
    """Pictures in -1..1 in the range that a system's networks see."""
    low, high = system.pixels
    return x if (low, high) == (-1, 1) else (low + (x + 1) * ((high - low) / 2)).astype(x.dtype)


def copies(images, real):
    """How many images (M, H, W, C) uint8 equal a row of real (N, H, W, C) uint8, when each pixel moves to the nearest level that real has."""
    levels = np.unique(real).astype(np.int64)
    nearest = levels[np.abs(np.arange(256)[:, None] - levels).argmin(axis=1)].astype(np.uint8)
    known = {row.tobytes() for row in real}
    return sum(row.tobytes() in known for row in nearest[images])


def as_dict(recipe):
    """A Recipe, or None, as config.json holds it."""
    return None if recipe is None else asdict(recipe)
