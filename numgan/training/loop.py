"""The training loop: one for all systems.

    for each step:
        for each name in system.rounds(step):                       the objectives of this step, in order
            result = objective(params, batch, seed)
            for each network that the objective trains:
                optimizer.update(params[network], result.gradients[network])       in place

All random numbers come from streams that are named by the run's seed, the step and the objective's number in
the step. Batch k depends on the run's seed and k alone. So a step depends only on the state before it: a run
that was killed and resumed ends with the same bits as a run without interruption.
"""

import os
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .. import plot
from ..core import files
from ..core.arguments import expect_type, is_number, positive
from ..core.errors import FileFormatError, NonFiniteError
from ..core.fields import for_json
from ..core.randomness import derive
from ..core.signals import stop_requests
from ..core.streams import STDERR
from ..core.underflow import may_underflow
from ..data.pictures import opened
from ..systems import doubts
from ..systems.staged import planned
from . import checkpoint, kept, origin, places, recipes, runs, sampling
from .progress import Progress, tell
from .recipes import Plan
from .state import State, expect_weights
from .step import advance

SESSIONS = 1000  # largest number of earlier resumes in config.json


class Interrupted(KeyboardInterrupt):
    """Raised when Ctrl-C or SIGTERM stopped a training. The last step was saved first.

    The message says how to resume the run.
    """


@dataclass(frozen=True)
class Trained:
    """The result of `train`.

    folder             the run's folder
    steps              number of steps that the run has done, those of earlier calls of `train` included
    losses             {objective: loss} of the last step; {} if this call of `train` did no step
    seconds            training time of this call of `train`
    steps_per_second   training speed of this call of `train`
    files              {description: path} of the run's files
    """

    folder: Path
    steps: int
    losses: dict
    seconds: float
    steps_per_second: float
    files: dict


@may_underflow
def train(
    system,
    dataset,
    out,
    *,
    steps=None,
    batch_size=None,
    seed=None,
    resume=False,
    recipe=None,
    weights=None,
    log_every=None,
    picture_every=None,
    checkpoint_every=None,
    checkpoint_seconds=30.0,
    progress=True,
    look=None,
):
    """Train a system on a dataset and write the files of the run to the folder `out`. Returns a Trained.

    steps, batch_size, seed    None: the system's steps and batch size, and seed 0. With resume=True, None:
                               the values of the run; only `steps` may be another number, such as a larger one
                               to extend the run
    resume                     True: continue the run in `out`
    recipe                     a `recipes.Recipe`, so that the run can be opened by its folder alone. None:
                               there is none. With resume=True, None: the run's own recipe. If its data were
                               moved, give this recipe with their new place
    weights                    initial {network: Parameters}, such as another run's `state.params`; None:
                               random. Not with resume=True
    log_every, picture_every   steps between lines of metrics.jsonl (None: 10), and between sample pictures
                               (None: a twentieth of `steps`). With resume=True: the values of the run
    checkpoint_every           steps between checkpoints; None: none by number of steps
    checkpoint_seconds         seconds between further checkpoints; inf: none by time. There is always one at
                               the end
    progress                   True: print on stderr the sizes of the networks, after ten steps the time of
                               all steps, and a progress bar, or a line every minute if stderr is no terminal.
                               False: print nothing
    look                       a function that is called with the State after every step; it must not change
                               the State. After a kill, the steps since the last checkpoint are repeated, and
                               `look` is called for them again

    It warns of a design that trains badly (`systems.doubts`), such as a D that ends in a Sigmoid although the
    loss takes logits.

    ValueError, TypeError                arguments that do not fit; nothing is written
    FileExistsError                      the folder is in use; nothing is written
    FileNotFoundError, FileFormatError   resume=True, and there is no run, or a damaged one
    NonFiniteError                       inf or nan; the error names the layer
    Interrupted (a KeyboardInterrupt)    after Ctrl-C or SIGTERM; everything is saved
    OSError                              a file cannot be written; the last checkpoint is intact
    """
    plan = Plan(steps, batch_size, seed, log_every, picture_every)
    if checkpoint_every is not None:
        positive(checkpoint_every, "checkpoint_every")
    if not is_number(checkpoint_seconds) and checkpoint_seconds != np.inf:
        raise ValueError(
            f"checkpoint_seconds: expected a number of at least 0, got {checkpoint_seconds!r}; "
            "inf: no checkpoints by time"
        )
    if look is not None and not callable(look):
        raise TypeError(f"look: expected a function of the State, got {look!r}; leave it out for none")
    files.expect_path(out, "out")
    out = Path(out)
    if not resume:
        recipes.check(system, dataset)
    for doubt in doubts(system, batch_size):
        warnings.warn(str(doubt), stacklevel=3)
    expect_type("recipe", recipe, recipes.Recipe | None, "a Recipe or None")
    if resume and weights is not None:
        raise ValueError("weights: a run continues with its own weights; leave them out")
    expect_weights(system, weights or {})
    with threadpool_limits(1):  # OpenBLAS gives other bits with other numbers of threads
        if resume:
            config = _extended(runs.read_config(out), plan, recipe, dataset.source)
            origin.expect_equal(out, config, dataset)
            recipes.check(system, dataset)
            config |= {"optimizers": _optimizers(system, config["steps"])}
        else:
            config = _begun(system, dataset, plan, recipe)
        about = checkpoint.identity(system, config["data"], config["batch_size"], config["seed"])

        def begin():
            """Read and return the State of a resumed run. For a new run, make its folder and return None.

            Raises the errors of `runs.continued` and `runs.claim`.
            """
            if resume:
                return runs.continued(out, config["steps"], system, dataset, about)
            runs.claim(out, system, about)

        begin()  # it raises its errors here, before the lock file is written
        with runs.alone(out):
            state = begin()  # again, now that the folder is locked
            if resume:
                session = {"step": state.step, "versions": runs.environment()}
                config = config | {"resumed": [*config.get("resumed", [])[-SESSIONS:], session]}
            else:
                state = State.start(system, config["seed"], weights=weights)
                checkpoint.save(out / "checkpoint.npz", state, about)
            if not (out / kept.FILE).exists():
                kept.save(out, dataset, config["data"], config["seed"])
            # config.json comes after the checkpoint: a folder with config.json must have a state to resume
            runs.write_config(out, config)
            now = planned(system, config["steps"])
            return _Session(out, config, about, now, dataset, state, progress, look).run(
                checkpoint_every, checkpoint_seconds
            )


def _begun(system, dataset, plan, recipe):
    """The configuration of a new run, a dict, which will be written to config.json.

    system, dataset   what is trained, and on which data
    plan              the Plan: the numbers of the run
    recipe            the Recipe, or None for a system that was made in Python code

    Raises ValueError if the dict fails the check of config.json, because numgan could not read it again.
    """
    plan = plan.resolve(system)
    config = {
        "recipe": recipe and asdict(recipe),
        **asdict(plan),
        "usual_steps": int(system.steps),  # of the preset, whatever the plan says
        "data": kept.fingerprint(dataset),
        "classes": list(dataset.classes),
        "source": dataset.source,
        "networks": {name: repr(net) for name, net in system.networks.items()},
        "optimizers": _optimizers(system, plan.steps),
        "versions": runs.environment(),
    }
    if getattr(dataset, "column_names", None):  # an Unpaired set has none
        config["column_names"] = list(dataset.column_names)
    runs.CONFIG.expect(config, "")  # numgan must be able to read what it writes
    runs.config_text(config)
    return config


def _optimizers(system, steps):
    """{network: the repr of its optimiser, a text} for a run of `system` with `steps` steps."""
    return {name: repr(opt) for name, opt in planned(system, steps).optimizers.items()}


def _extended(config, plan, recipe=None, source=None):
    """Make the configuration of a resumed run: a changed copy of `config`, the dict of its config.json.

    plan     a Plan; plan.steps replaces the number of steps if it is not None
    recipe   None, or a Recipe. Only the place of its data may differ from that in `config`, and it replaces
             this place
    source   a text about this place, which is stored if `recipe` is not None

    The entry "diverged", the message of an earlier failure, is removed. Raises ValueError if batch_size or
    seed of the plan are not None and differ from those in `config`, or if the recipes differ in more than the
    place of the data.
    """
    for word, value in {"batch_size": plan.batch_size, "seed": plan.seed}.items():
        if value not in (None, config[word]):
            raise ValueError(
                f"{word}: expected {config[word]}, with which the run began, got {value}; leave it out"
            )
    config = {word: value for word, value in config.items() if word != "diverged"}
    if recipe is not None:
        place = {word: getattr(recipe, word) for word in places.WORDS}
        if config["recipe"] is not None and config["recipe"] | place != asdict(recipe):
            raise ValueError(
                f"recipe: expected {config['recipe']}, with which the run began, got {asdict(recipe)}; "
                "leave it out"
            )
        config |= {"recipe": asdict(recipe), "source": source}
    return config | {"steps": plan.steps or config["steps"]}


@dataclass
class _Session:
    """One session of a run: a training from the State `state` to the last step or to an interruption.

    out               the run's folder
    config, about     the dict of the run's config.json, and its identity (see `checkpoint.identity`)
    system, dataset   what is trained, and on which data
    progress, look    the arguments of `train`

    Training changes `state` in place. When a _Session is made, metrics and pictures of later steps than the
    state's are removed from the folder.
    """

    out: Path
    config: dict
    about: dict
    system: object
    dataset: object
    state: State
    progress: bool
    look: object

    def __post_init__(self):
        self.feed = self.dataset.feed(self.config["batch_size"], self.config["seed"], self.system.pixels)
        self.records = runs.rewind(self.out, self.state.step)
        self.before = self.records[-1]["seconds"] if self.records else 0.0
        self.losses = {}
        self.first = self.saved = self.state.step

    def run(self, checkpoint_every, checkpoint_seconds):
        """Train up to the last step of the configuration, and write the files of the run. Returns a Trained.

        checkpoint_every, checkpoint_seconds   steps (or None) and seconds between checkpoints, as for `train`
        Raises NonFiniteError, Interrupted and OSError, as `train` does.
        """
        state, steps = self.state, self.config["steps"]
        files.make_folder(self.out / "samples")
        self._tell(
            f"{self._name()}: {len(self.dataset):,} samples, steps {state.step:,} to {steps:,}, in {self.out}"
        )
        if self.progress and self.system.drawers and sampling.can_be_drawn(self.system, self.dataset):
            for text, name in plot.replaced(sampling.names_of(self.system, self.dataset)).items():
                print(f"numgan: in pictures, {text} is the class {name}", file=STDERR, flush=True)
        self.began = time.monotonic()
        try:
            # every objective's result is checked for inf and nan, so numpy's warnings are not needed
            with (
                stop_requests() as stop,
                files.appending(self.out / "metrics.jsonl") as self.log,
                np.errstate(all="ignore"),
            ):
                self._loop(stop, checkpoint_every or steps, checkpoint_seconds)
                seconds = time.monotonic() - self.began
                if state.step < steps:
                    self._say(f"stopped and saved at step {state.step:,}")
                    raise Interrupted(
                        f"stopped after step {state.step:,} of {steps:,}, and saved; "
                        f"continue with `numgan train --resume {self.out}`"
                    )
                made = self._finish()
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror or error}: stopped at step {state.step:,}; "
                f"the checkpoint of step {self.saved:,} is intact. Remove the cause, "
                f"then run `numgan train --resume {self.out}`",
                error.filename or str(self.out),
            ) from error
        rate = (state.step - self.first) / seconds
        self._say(f"{state.step - self.first:,} steps in {seconds:.1f} s ({rate:.1f} steps/s), in {self.out}")
        return Trained(self.out, state.step, self.losses, seconds, rate, made)

    def _loop(self, stop, checkpoint_every, checkpoint_seconds):
        """Do training steps until the last one, or until stop.asked is True. Write metrics and pictures.

        A checkpoint is saved at the end, and in between as the arguments of `train` with these names say.
        """
        state, config, steps, last = self.state, self.config, self.config["steps"], time.monotonic()
        if state.step == 0:
            self._picture()
        with tqdm(
            total=steps,
            initial=state.step,
            unit="step",
            disable=None if self.progress else True,
            dynamic_ncols=True,
            file=STDERR,
        ) as bar:
            progress = Progress(self.system, steps, self._tell, by_minute=not STDERR.isatty())
            progress.begin(state.step)
            while state.step < steps and not stop.asked:
                results = self._advance()
                self.losses = {name: result.loss for name, result in results.items()}
                bar.set_postfix(
                    {f"loss {name}": f"{loss:.3f}" for name, loss in self.losses.items()}, refresh=False
                )
                bar.update()
                progress.after(state.step, self.losses)
                if state.step % config["log_every"] == 0 or state.step == steps:
                    self._log(results)
                if self.look:
                    self.look(state)
                if state.step % config["picture_every"] == 0 and state.step < steps:
                    self._picture()
                if state.step < steps and (
                    state.step % checkpoint_every == 0 or time.monotonic() - last > checkpoint_seconds
                ):
                    self._save()
                    last = time.monotonic()
        self._save()

    def _name(self):
        """The title of the run: system and preset (or the system's class), and the name of the data."""
        recipe = self.config["recipe"]
        system = f"{recipe['system']} {recipe['preset']}" if recipe else type(self.system).__name__
        return f"{system} on {plot.readable(self.dataset.name)}"

    def _say(self, line):
        """Print a line on stderr, but only if stderr is no terminal: there the progress bar says the same."""
        if not STDERR.isatty():
            self._tell(line)

    def _tell(self, line):
        """Print a line on stderr, above a progress bar. Print nothing if progress is False."""
        if self.progress:
            tell(line)

    def _advance(self):
        """Do one step and return {objective: Result}. Raises NonFiniteError, noted first in config.json."""
        try:
            return advance(self.system, self.state, self.feed, self.config["seed"])
        except NonFiniteError as error:
            runs.write_config(self.out, self.config | {"diverged": str(error)})
            raise NonFiniteError(
                f"{error}. Stopped; {self.out} keeps the checkpoint of step {self.saved}. "
                "Try a smaller learning rate (--lr), another loss, or BatchNorm or clipping in that place"
            ) from None

    def _log(self, results):
        """Write a line of metrics.jsonl for the last step, of which `results` is {objective: Result}."""
        metrics = self.state.metrics
        record = {
            "step": self.state.step,
            "epoch": round(self.feed.epoch(self.state.batches), 4),
            "losses": self.losses,
            "gradients": {
                name: np.linalg.norm(gradient.vector)
                for result in results.values()
                for name, gradient in result.gradients.items()
            },
            "metrics": {name: last["value"] for name, last in metrics.items()},
            "seconds": round(self.before + time.monotonic() - self.began, 3),
        }
        if earlier := {name: at["step"] for name, at in metrics.items() if at["step"] < self.state.step}:
            record["computed"] = earlier
        self.records.append(for_json(record))
        self.log.write(runs.line(self.records[-1]))
        self.log.flush()

    def _save(self):
        """Write the state to the run's checkpoint file, after all lines of metrics.jsonl are on the disk."""
        os.fsync(self.log.fileno())  # a resume needs all lines up to the step of the checkpoint
        checkpoint.save(self.out / "checkpoint.npz", self.state, self.about)
        self.saved = self.state.step

    def _picture(self, *more):
        """Write a picture of samples to a new file in the folder samples/, and to the files `more`.

        The samples of all steps are made from the same latents. Returns the size (width, height) of the
        picture. Writes nothing and returns None if the system draws no samples, or samples that are neither
        pictures nor points in the plane.
        """
        config, system = self.config, self.system.at(self.state.step)
        if not system.drawers or not sampling.can_be_drawn(system, self.dataset):
            return None
        sampler = sampling.Sampler(
            system, self.state.sampled, config["seed"], config["batch_size"], self.dataset
        )
        image = sampling.picture(sampler, derive(config["seed"], "grid"), title=f"step {self.state.step}")
        for path in (self.out / "samples" / f"step-{self.state.step:06d}.png", *more):
            files.save_picture(image, path)
        return image.size

    def _finish(self):
        """Write samples.png, training.gif and curves.png. Returns {description: path} of the run's files.

        If the system's samples cannot be drawn, only curves.png is written.
        """
        size = self._picture(self.out / "samples.png")
        frames = [frame for path in runs.pictures(self.out) if (frame := _pixels(path, size))]
        if frames:
            with files.replacing(self.out / "training.gif") as file:
                plot.gif(frames, file)
        files.save_picture(
            plot.curves(self.records, self._name(), *filter(None, [self.system.metric_labels])),
            self.out / "curves.png",
        )
        paths = {what: self.out / name for what, name in runs.FILES.items()}
        return {what: path for what, path in paths.items() if path.exists()}


def _pixels(path, size):
    """Read the picture in the PNG file `path`. Returns a Pillow image, or None.

    None if the file cannot be read or its size is not `size`, (width, height): the animation leaves it out.
    """
    try:
        with opened(path, ["PNG"]) as image:
            return image.copy() if image.size == size else None
    except (OSError, FileFormatError):
        return None
