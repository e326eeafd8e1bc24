"""A run is a folder. This module reads and writes its files, and opens a run.

config.json               the recipe, the resolved settings, and the versions of numgan, NumPy and Python
metrics.jsonl             a line for each logged step: step, epoch, losses, gradient norms, metrics, seconds;
                          "computed": {metric: step} if a value, as of a lazy penalty, is of an earlier step
samples/step-XXXXXX.png   samples with the same latents at several steps, one picture for each
samples.png               the last of these pictures
training.gif              all of these pictures as an animation
curves.png                losses and D's mean outputs over steps
checkpoint.npz            the state of the run, see numgan.training.checkpoint
data.npz                  some rows of the training data, see numgan.training.kept
.lock                     a file that is locked while a process trains in the folder
"""

import json
import platform
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from .. import _kernels
from ..core import files
from ..core.errors import FileFormatError
from ..core.fields import LIMIT, Anything, Each, Flag, Maybe, Real, Record, Text, Whole, read_json, read_lines
from ..core.version import VERSION
from ..plot import readable
from . import checkpoint, kept, origin
from .recipes import PLAN, RECIPE
from .sampling import Sampler

VERSIONS = Record(
    {},
    {
        "numgan": Text(),
        "numpy": Text(),
        "python": Text(),
        "platform": Text(),
        "backend": Text(),
        "fast_convolutions": Flag(),
        "instruction_set": Maybe(Text()),
        "threads": Whole(1),
    },
    Anything(),
)
CONFIG = Record(
    {
        "recipe": Maybe(RECIPE),
        **PLAN.fields,
        "data": kept.FINGERPRINT,
        "classes": Each(Text()),
        "source": Text(LIMIT),
        "networks": Record({}, others=Text(LIMIT)),
        "optimizers": Record({}, others=Text(LIMIT)),
        "versions": VERSIONS,
    },
    {
        "usual_steps": Whole(1),
        "column_names": Each(Text()),
        "resumed": Each(Record({"step": Whole(), "versions": VERSIONS})),
        "diverged": Text(LIMIT),
    },
    Anything(),
)
CURVES = Record({}, others=Maybe(Real()))
METRICS = Record(
    {"step": Whole(1), "epoch": Real(0), "losses": CURVES, "metrics": CURVES, "seconds": Real(0)},
    {"gradients": CURVES, "computed": Record({}, others=Whole(1))},
    Anything(),
)
FILES = {
    "samples": "samples.png",
    "samples over time": "training.gif",
    "curves": "curves.png",
    "metrics": "metrics.jsonl",
    "configuration": "config.json",
    "checkpoint": "checkpoint.npz",
    "rows of the data": kept.FILE,
}


def choose(recipe, root="runs"):
    """Make a new folder for a run and return its Path: root/<system>-<preset>-<n>.

    The system and the preset are those of `recipe`. n is the first number from 1 for which no folder exists.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = Path(root, f"{recipe.system}-{recipe.preset}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue


def claim(folder, system, about):
    """Make the folder for a new run. An empty folder may exist already. Returns nothing.

    system, about   the system and the identity of the new run (see `checkpoint.identity`)

    Raises FileExistsError if a file has the folder's name, or if the folder is not empty. These files
    are allowed: an empty .lock, temporary files, and a checkpoint of this same run at step 0, with or
    without its rows of data. A process leaves such files if it is killed before it writes config.json.
    """
    folder = Path(folder)
    if not folder.is_dir() and (kind := files.kind_at(folder)):
        raise FileExistsError(f"{folder} is {kind}, and a run is a folder; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    if files.kind_at(folder / "config.json"):
        raise FileExistsError(
            f"{folder} holds a run already: continue it with `numgan train --resume {folder}` (in Python "
            "resume=True), or choose another --out"
        )
    first = folder / "checkpoint.npz"
    left = {first.name, kept.FILE} if _is_first(first, system, about) else set()
    if not files.is_empty(folder, left):
        raise FileExistsError(
            f"{folder} is not empty and holds no run: choose another --out, nothing was changed"
        )


def _is_first(path, system, about):
    """Whether the file `path` is a checkpoint of this run, made before its first step.

    system and about are the system and the identity of the run. Returns False if there is no file, or if the
    file is damaged or belongs to another run.
    """
    try:
        return path.is_file() and checkpoint.load(path, system, about).step == 0
    except FileFormatError:
        return False


def begun(folder):
    """Whether `folder` has a run that can be resumed: True if the folder has a config.json.

    If not, the checkpoint and the rows of data in the folder are removed: a process that was killed before it
    wrote config.json left them. Use this function only for folders that numgan itself makes, for a trial of a
    study or for a judge.
    """
    if files.kind_at(Path(folder, "config.json")):
        return True
    files.remove(Path(folder, kept.FILE))
    files.remove(Path(folder, "checkpoint.npz"))
    return False


def expect_own(folder):
    """Raise FileExistsError if a link, a pipe, a folder or a device has the name of one of the run's files.

    folder is the run's folder. The name samples/ must belong to a folder. A missing file or folder is no
    error.
    """
    for path in (*(Path(folder, name) for name in (".lock", *FILES.values())), *pictures(folder)):
        files.expect_own(path)
    files.expect_own(Path(folder, "samples"), "a folder")


@contextmanager
def alone(folder, wait=None):
    """A context in which no other process can train in the run's folder: it locks the file .lock there.

    wait   None: ValueError is raised if another process has locked the folder. A function: it is called in
           this case, for example to print a message, and then the process waits until the folder is free

    The operating system releases the lock when the process ends or is killed.
    """
    with files.appending(Path(folder, ".lock")) as file:
        if not files.lock(file):
            if wait is None:
                raise ValueError(f"{folder} is being trained by another process; wait for it, or stop it")
            wait()
            files.lock(file, wait=True)
        yield


def write_config(folder, config):
    """Write the dict `config` to the file config.json of the run in `folder`. An older file is replaced.

    Raises the errors of `config_text`.
    """
    text = config_text(config)
    with files.replacing(Path(folder, "config.json")) as file:
        file.write(text)


def config_text(config):
    """The bytes of a config.json with the dict `config`.

    Raises ValueError if numgan could not read it again, because it has more than LIMIT bytes.
    """
    text = (json.dumps(config, indent=2) + "\n").encode()
    advice = "use fewer or shorter names of classes, columns and networks, or smaller rows of numbers"
    _expect_short(text, "config.json", advice)
    return text


def _expect_short(text, what, advice):
    """Raise ValueError if `text`, bytes, is longer than LIMIT. `what` names it, `advice` ends the message."""
    if len(text) > LIMIT:
        raise ValueError(f"{what}: expected at most {LIMIT:,} bytes, got {len(text):,}; {advice}")


def read_config(folder):
    """Read the file config.json of the run in `folder`. Returns a dict.

    Raises FileNotFoundError if there is no config.json in `folder`, FileFormatError if it is damaged.
    """
    path = Path(folder, "config.json")
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is not a run: it has no config.json; `numgan train SYSTEM` makes a run and says where "
            "it is"
        )
    return read_json(path, CONFIG, "it is no run's configuration: restore the file from a copy")


def read_state(folder, config, system, dataset, about):
    """Read the State of a run from the checkpoint in its folder.

    config            the dict of the run's config.json
    system, dataset   those of the run
    about             the identity of the run, as from checkpoint.identity

    Raises FileFormatError unless the checkpoint and config.json fit each other, the system and the dataset.
    Raises FileNotFoundError if there is no checkpoint.
    """
    path = Path(folder, "checkpoint.npz")
    state = checkpoint.load(path, system, about)
    if state.step > config["steps"]:
        raise FileFormatError(
            f"{path}: step: expected at most the {config['steps']:,} of config.json, got {state.step:,}; "
            "restore both from a copy"
        )
    wanted = {
        "classes": list(dataset.classes),
        "networks": sorted(system.networks),
        "optimizers": sorted(system.optimizers),
    }
    for word, names in wanted.items():
        got = config[word] if word == "classes" else sorted(config[word])
        if got != names:
            expected, there = (", ".join(map(readable, words))[:200] or "none" for words in (names, got))
            raise FileFormatError(
                f"{Path(folder, 'config.json')}: {word}: expected {expected}, "
                f"as the system and its data have them, got {there}; restore the file from a copy"
            )
    return state


def continued(folder, steps, system, dataset, about):
    """Read the State of a run that will be resumed. This function writes nothing.

    steps             the number of steps up to which the run will be trained
    system, dataset   those of the run
    about             the identity of the run, as from checkpoint.identity

    It also checks the configuration, the metrics and the names of the run's files, and raises errors about
    them. Raises ValueError if the run has more than `steps` steps already. folder is the run's folder.
    """
    expect_own(folder)
    state = read_state(folder, read_config(folder), system, dataset, about)
    read_metrics(folder, state.step)
    if steps < state.step:
        raise ValueError(
            f"steps: {folder} has {state.step:,} already, got {steps:,}; ask for more to extend it"
        )
    return state


def read_metrics(folder, upto):
    """Read the lines of metrics.jsonl up to the step `upto`: a list of dicts, [] if there is no such file.

    folder is the run's folder. Raises FileFormatError, with the line and the field, for a damaged line.
    """
    advice = "restore the file from a copy, or delete it: the run then continues without its old curves"
    return read_lines(Path(folder, "metrics.jsonl"), METRICS, upto, advice)


def rewind(folder, step):
    """Remove all later metrics and pictures from a run's folder, so that it is as after `step` steps.

    Returns the remaining lines of metrics.jsonl, a list of dicts.
    """
    folder = Path(folder)
    records = read_metrics(folder, step)
    with files.replacing(folder / "metrics.jsonl") as file:
        file.writelines(line(record) for record in records)
    for path in pictures(folder):
        if int(path.stem.removeprefix("step-")) > step:
            files.remove(path)
    return records


def line(record):
    """One line of metrics.jsonl, in bytes: the dict `record` as JSON text with a newline.

    Raises ValueError if the line has more than LIMIT bytes, because `read_metrics` could not read it again.
    """
    text = (json.dumps(record) + "\n").encode()
    _expect_short(text, f"metrics.jsonl, step {record['step']:,}", "return fewer metrics, or shorter names")
    return text


def pictures(folder):
    """The list of the paths of a run's sample pictures, samples/step-XXXXXX.png, in order of the step.

    folder is the run's folder.
    """
    found = [
        path
        for path in Path(folder, "samples").glob("step-*.png")
        if re.fullmatch(r"step-([1-9][0-9]*|)[0-9]{6}\.png", path.name)
    ]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def environment():
    """A dict of the versions of software and the settings on which exact results and speed depend."""
    return {
        "numgan": VERSION,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": _kernels.backend(),
        "fast_convolutions": _kernels.fast_convolutions(),
        "instruction_set": _kernels.instruction_set(),
        "threads": _kernels.num_threads() if _kernels.backend() == "compiled" else 1,
    }


@dataclass(frozen=True)
class OpenRun:
    """A run that was read from its folder.

    folder, config   its folder, and the dict of its config.json
    system           the system at the run's last step
    dataset          the training data, or only the rows of them that the run stores
    state            the State at the last step
    missing          None if `dataset` is the training data; otherwise a text: why it is only the stored rows
    """

    folder: Path
    config: dict
    system: object
    dataset: object
    state: checkpoint.State
    missing: str | None = None

    def expect_samples(self):
        """Raise ValueError if the run's system draws no samples."""
        if not self.system.drawers:
            raise ValueError(
                f"{self.folder} is a run of {type(self.system).__name__}, which draws no samples: it "
                f"{self.system.purpose}"
            )

    @threadpool_limits.wrap(limits=1)
    def sampler(self):
        """Make a Sampler, which draws samples with the run's weights.

        The weights of a network are their moving average, if there is one. Statistics of BatchNorm are
        measured here. If samples are made from rows of the data, these are the rows that the run stores. So
        the samples are the same with and without the training data. Raises ValueError for a system that draws
        no samples.
        """
        self.expect_samples()
        from_rows = set(self.system.made_from) - {"labels"}
        dataset = self.dataset
        if from_rows and self.missing is None and Path(self.folder, kept.FILE).exists():
            dataset = kept.load(self.folder, self.config)
        return Sampler(
            self.system, self.state.sampled, self.config["seed"], self.config["batch_size"], dataset
        )


def open_run(folder, system=None, dataset=None, whole=True):
    """Read a run from its folder. Returns an OpenRun.

    system    the system, if it was made in Python code: such a run has no recipe. None: it is made from the
              recipe
    dataset   the training data of a system that was made in Python code; None: the rows of the data that the
              run stores
    whole     True: read the training data, if they are where the recipe says and are unchanged. False: read
              only the rows that the run stores. A run draws equal samples with both

    Raises FileNotFoundError, FileFormatError or ValueError if the run cannot be read.
    """
    files.expect_path(folder, "folder")
    folder, config = Path(folder), read_config(folder)
    missing = None
    if system is None:
        system, load = origin.rebuilt(config, folder)
        dataset, missing = origin.find(folder, config, load, whole)
    elif dataset is None:
        dataset, missing = kept.load(folder, config), origin.KEPT
    else:
        origin.expect_equal(folder, config, dataset)
    about = checkpoint.identity(system, config["data"], config["batch_size"], config["seed"])
    state = read_state(folder, config, system, dataset, about)
    return OpenRun(folder, config, system.at(state.step), dataset, state, missing)
