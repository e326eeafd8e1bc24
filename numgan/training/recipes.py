"""Recipes and plans: what is trained on which data, and in how many steps, as on the command line.

A Recipe can build its system and load its data. A Plan has the numbers of a run. Every option is declared
once, as a field of Recipe or Plan. From these fields numgan makes config.json, the arguments of
`numgan train`, and the checks of both.
"""

import math
import os
from dataclasses import MISSING, asdict, dataclass, fields, replace

import numpy as np

from .. import data, systems
from ..core.arguments import is_integer
from ..core.fields import Choice, Either, Flag, Maybe, Real, Record, Text, Whole, option
from ..core.errors import NoTestPart
from ..core.files import path_of, text_of
from ..data.dataset import expect_data
from ..data.points import POINTS
from ..losses import ADVERSARIAL, smoothed
from ..systems import NUMBERS, WIDTHS, expect_roles

PATH = Text(4096)
LOG_EVERY = 10  # default number of steps between lines of metrics.jsonl
PICTURES = 20  # default number of sample pictures of a run, without the first


@dataclass(frozen=True)
class Recipe:
    """The choice of a system and its data, with the options of the command line.

    system, preset   the names of a system and of its preset
    data             the name of a data set, or the path of a folder of pictures
    folder           the path of the folder with the files of mnist or fashion-mnist
    test             the path of held-out data, in any form of `data`, with the same classes
    hold_out         the fraction of the rows of each class that is held out; the split is always the same
    width            factor of all hidden widths
    lr               learning rate of every optimiser; in a system with a setting `rate`, its value
    loss             the name of the adversarial loss
    smooth           D's label of a real sample (one-sided label smoothing)
    weight_decay     weight decay of the networks that draw no samples, such as D
    average          decay of the moving average of G's weights
    settings         {name: value} of constants of the system, for `System.setting`

    None means the preset's value. For `preset` it means the first one that fits the data, for `folder` the
    usual folder (see `data.idx`). `build` makes the system, and `load` loads the data. The methods raise
    ValueError for unknown names, or names that do not fit together.
    """

    system: str = option(
        Choice(tuple(systems.SYSTEMS)),
        "a name from `numgan systems`; not with --resume",
        "SYSTEM",
        default=MISSING,
    )
    preset: str | None = option(Text(), "a preset of the system, see `numgan systems`")
    data: str | None = option(
        PATH,
        "a set from `numgan data`, a folder of pictures (sub-folders are classes), or a file",
        "NAME|PATH",
    )
    folder: str | None = option(Maybe(PATH), "the folder with the IDX files of mnist or fashion-mnist", "DIR")
    test: str | None = option(
        Maybe(PATH), "held-out data for judge and evaluate: a file or folder as for --data", "PATH"
    )
    hold_out: float | None = option(
        Maybe(Real(0, 1)), "keep this share of the rows of each class back for judge and evaluate", "SHARE"
    )
    width: float = option(
        WIDTHS, "multiply the hidden widths by F; 0.25 trains fast and gives bad samples", "F", default=1.0
    )
    lr: float | None = option(
        Maybe(NUMBERS), "the constant learning rate of every network (for hacks: its setting `rate`)", "RATE"
    )
    loss: str | None = option(
        Maybe(Choice(tuple(ADVERSARIAL))),
        "minimax, nonsaturating, least_squares, hinge or wasserstein",
        "NAME",
    )
    smooth: float | None = option(
        Maybe(Real(0, 1)), "one-sided label smoothing: the target of D on real samples, such as 0.9", "T"
    )
    weight_decay: float | None = option(
        Maybe(NUMBERS), "L2 penalty on D: W |weights|^2 / 2 is added to the loss of D", "W"
    )
    average: float | None = option(
        Maybe(Real(0, 1)),
        "decay of the moving average of G's weights, from which samples are drawn; 0: no average",
        "DECAY",
    )
    settings: dict | None = option(
        Maybe(Record({}, others=Either((Flag(), NUMBERS)))),
        "a setting of the system, such as k=2 or leaky=false; repeatable (a wrong name prints the list)",
        "NAME=VALUE",
        flag="--set",
    )

    def resolve(self):
        """A copy of the recipe with names in place of None for preset and data, and with absolute paths.

        Raises ValueError if `data` is neither a known name nor a folder.
        """
        recipe = self
        if recipe.preset is None:
            known = systems.presets(recipe.system)
            fitting = recipe.data and systems.preset_for(recipe.system, recipe._data().sample_shape)
            recipe = replace(recipe, preset=fitting or next(iter(known)))
        recipe = replace(recipe, data=recipe.data or recipe.build().data)
        if recipe.data not in data.names():
            if not os.path.exists(path_of(recipe.data)):
                raise ValueError(
                    f"data: expected one of {', '.join(data.names())}, a folder of pictures, or a file of "
                    f"rows, got {recipe.data!r}; name one with --data"
                    + (f" ({recipe.system} {recipe.preset} has none of its own)" if self.data is None else "")
                )
            recipe = replace(recipe, data=_from_anywhere(recipe.data))
        if recipe.test is not None and recipe.hold_out is not None:
            raise ValueError("test: expected either --test or --hold-out, got both; leave one of them out")
        recipe = replace(recipe, test=recipe.test and _from_anywhere(recipe.test))
        return replace(recipe, folder=recipe.folder and _from_anywhere(recipe.folder))

    def build(self):
        """Make the system of the recipe: its preset, changed by the options that are not None.

        Raises ValueError for an option that the system does not have, or a value out of range.
        """
        system = systems.build(self.system, self.preset, self.width)
        for word in ("loss", "lr", "weight_decay"):
            RECIPE.fields[word].expect(getattr(self, word), word)
        settings, smooth = dict(self.settings or {}), self.smooth
        if smooth is not None and "smooth" in system.settings:
            settings["smooth"], smooth = smooth, None
        if self.lr is not None and "rate" in system.settings:  # the two learning rates keep their ratio
            settings["rate"] = self.lr
        system = system.setting(**settings)
        if self.loss is not None or smooth is not None:
            if not hasattr(system, "loss"):
                raise ValueError(
                    f"{self.system} has one loss of its own, which cannot be replaced; leave out --loss and "
                    "--smooth"
                )
            loss = system.loss if self.loss is None else ADVERSARIAL[self.loss]
            system = replace(system, loss=loss if smooth is None else smoothed(loss, smooth))
        if self.average is not None:
            if not 0 <= self.average < 1:
                raise ValueError(f"average: expected a decay from 0 (none) to below 1, got {self.average}")
            if not system.drawers:
                raise ValueError(
                    f"{self.system} draws no samples, so there are no weights to average for them; leave out "
                    "--average"
                )
            system = system.with_average(self.average)

        def changed(name, optimizer):
            constants = {
                "lr": None if "rate" in system.settings else self.lr,
                "weight_decay": None if name in system.drawers else self.weight_decay,
            }
            return optimizer.changed(
                **{word: value for word, value in constants.items() if value is not None}
            )

        return system.with_optimizers(changed)

    def load(self, split="train"):
        """Load the Dataset of the recipe. Pictures are resized to the system's size.

        split   "train" or "test"
        Raises ValueError if the system takes pictures and the data are points, or the reverse, and the errors
        of `data.load`.
        """
        shape = systems.build(self.system, self.preset, 0.05).sample_shape
        pictures = len(shape) == 3
        if pictures and self.data in POINTS or not pictures and self._holds_pictures():
            raise ValueError(
                f"{self.system} {self.preset} takes "
                f"{f'pictures {shape}' if pictures else 'points in the plane'}, "
                f"and {self.data} holds {'points' if pictures else 'pictures'}; "
                "choose another preset or other data (`numgan systems` lists them)"
            )
        size = {"size": shape[:2], "channels": shape[2]} if pictures else {}
        return self._data(split, **size)

    def _holds_pictures(self):
        return self.data not in POINTS and not os.path.isfile(path_of(self.data))

    def _data(self, split="train", **size):
        folder = self.folder and path_of(self.folder)
        if split == "test" and self.test:
            return data.load(path_of(self.test), **size)
        if self.hold_out is not None:
            whole = data.load(path_of(self.data), folder=folder, **size)
            return data.hold_out(whole, self.hold_out)[split == "test"]
        return data.load(path_of(self.data), split, folder=folder, **size)

    def test_part(self, like):
        """The test part of the data, a Dataset with the classes of the Dataset `like`; None if there is none.

        Raises ValueError for rows of another shape or for a class that `like` does not have.
        """
        try:
            test = self.load("test")
        except NoTestPart:
            return None
        if test.sample_shape != like.sample_shape:
            raise ValueError(
                f"test data: expected rows of shape {like.sample_shape}, as in {like.name}, got "
                f"{test.sample_shape} from {test.name}"
            )
        if test.labels is None or not test.classes or test.classes == like.classes:
            return test
        there = {word: k for k, word in enumerate(like.classes)}
        other = [word for word in test.classes if word not in there]
        if other:
            raise ValueError(
                f"test data: expected the classes {', '.join(like.classes)}, as in {like.name}, got "
                f"{other[0]!r} in {test.name}; rename or remove it"
            )
        labels = np.array([there[word] for word in test.classes])[test.labels]
        return replace(test, labels=labels, classes=like.classes)


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. `resolve` replaces every None by the default that is given here.

    steps, batch_size   None: those of the system
    seed                None: 0
    log_every           steps between lines of metrics.jsonl; None: 10
    picture_every       steps between sample pictures; None: a twentieth of the steps, at least 1
    Raises ValueError for a number that is no integer or out of range.
    """

    steps: int | None = option(Whole(1), "total number of steps", "N")
    batch_size: int | None = option(Whole(1, 1_000_000), "number of real samples in a batch", "N")
    seed: int | None = option(
        Whole(0, 2**63 - 1), "seed of all random numbers (default 0); equal seeds give equal bytes", "S"
    )
    log_every: int | None = option(Whole(1))
    picture_every: int | None = option(Whole(1))

    def __post_init__(self):
        for field in fields(self):
            name, value, kind = field.name, getattr(self, field.name), field.metadata["kind"]
            if value is None:
                continue
            if not is_integer(value, kind.low):
                raise ValueError(f"{name}: expected at least {kind.low} (an integer), got {value!r}")
            kind.expect(int(value), name)
            object.__setattr__(self, name, int(value))

    def resolve(self, system):
        """A copy of the plan with a number in place of every None (see the class).

        Raises ValueError unless the batch size is a multiple of `system.packed`, the number of samples that D
        judges together.
        """
        given = {name: value for name, value in asdict(self).items() if value is not None}
        usual = {"steps": system.steps, "batch_size": system.batch_size, "seed": 0, "log_every": LOG_EVERY}
        plan = usual | given
        plan.setdefault("picture_every", max(1, plan["steps"] // PICTURES))
        if plan["batch_size"] % system.packed:
            raise ValueError(
                f"batch_size: expected a multiple of the {system.packed} samples that are judged at once, "
                f"got {plan['batch_size']}"
            )
        return Plan(**plan)


RECIPE, PLAN = Record.of(Recipe), Record.of(Plan)  # the kinds of a resolved recipe and plan in config.json


def _from_anywhere(path):
    """`path` as an absolute path, in text for config.json. It names one file from any current folder."""
    return text_of(os.path.abspath(path_of(path)))


def check(system, dataset):
    """Raise ValueError or TypeError unless the system can be trained on the data.

    Every network that the system names must exist and have an optimiser where it is trained (`expect_roles`).
    Samples of data and system must have one shape. The data must have the labels, classes and columns that
    the system needs.
    """
    expect_roles(system)
    expect_data("train", dataset=dataset)
    if tuple(dataset.sample_shape) != tuple(system.sample_shape):
        raise ValueError(
            f"{type(system).__name__}: expected samples {system.sample_shape}, got {dataset.sample_shape} "
            f"from {dataset.name}"
        )
    if system.classes and dataset.labels is None:
        raise ValueError(
            f"{type(system).__name__} learns from labels, and {dataset.name} has none; "
            "put its pictures into a sub-folder for each class, or train a system without labels, such as "
            "dcgan"
        )
    if system.classes and dataset.labels.max() >= system.classes:
        raise ValueError(
            f"{type(system).__name__}: built for {system.classes} classes, and {dataset.name} has "
            f"{dataset.labels.max() + 1}"
        )
    missing = [name for name in system.made_from if name not in dataset.columns]
    if missing:
        raise ValueError(
            f"{type(system).__name__}: expected a column {missing[0]!r} in the data, got "
            f"{', '.join(dataset.columns)} from {dataset.name}"
        )


def steps_of(system, rows, batch_size, epochs):
    """The number of steps after which `rows` rows of data have been used `epochs` times.

    A step uses one batch of `batch_size` rows for each of its objectives, or a single batch if all objectives
    share their fakes. Raises ValueError unless 0 < epochs <= 100,000.
    """
    if not 0 < epochs <= 100_000:
        raise ValueError(f"epochs: expected above 0 and at most 100,000, got {epochs}")
    batches, step = math.ceil(epochs * rows / batch_size), 0
    if system.shares_fakes:
        return batches
    while batches > 0:
        batches -= len(system.at(step).rounds(step))
        step += 1
    return step
