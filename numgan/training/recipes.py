"""Recipes and plans: what is trained on which data, and in how many steps, as on the command line.

A Recipe can build its system and load its data. A Plan has the numbers of a run. Every option is declared
once, as a field of Recipe or Plan. From these fields numgan makes config.json, the arguments of
`numgan train`, and the checks of both.
"""

import math
import warnings
from dataclasses import MISSING, asdict, dataclass, fields, replace

import numpy as np

from .. import data, systems
from ..core.arguments import is_integer
from ..core.errors import NoTestPart
from ..core.fields import Choice, Each, Either, Flag, Maybe, Real, Record, Text, Whole, option
from ..data.dataset import expect_data
from ..data.pixel_columns import hint
from ..data.points import POINTS
from ..losses import ADVERSARIAL, smoothed
from ..systems import NUMBERS, WIDTHS, expect_roles
from . import places

PATH = Text(4096)
LOG_EVERY = 10  # default number of steps between lines of metrics.jsonl
PICTURES = 20  # default number of sample pictures of a run, without the first


@dataclass(frozen=True)
class Recipe:
    """The choice of a system and its data, with the options of the command line.

    system, preset   the names of a system and of its preset
    data             the name of a data set, or the path of a folder of pictures
    folder           the path of the folder with the files of mnist or a set like it
    test             held-out data with the same classes, a name or a path as for `data`: their test part, or
                     all of them if they have no test part
    hold_out         the fraction of the rows of each class that is held out; the split is always the same
    width            factor of all hidden widths
    lr               learning rate of every optimiser; in a system with a setting `rate`, its value
    loss             the name of the adversarial loss
    smooth           D's label of a real sample (one-sided label smoothing)
    weight_decay     weight decay of the networks that draw no samples, such as D
    average          decay of the moving average of G's weights
    settings         {name: value} of constants of the system, for `System.setting`
    size             the size of pictures, such as "64" or "48x144", or "28x28x1" for grey ones
    shape, classes   the shape of a sample and the number of classes that the networks are made for; `resolve`
                     finds them

    None means the preset's value. For `preset` it means the one for the shape of the data
    (`systems.preset_for`), for `folder` the usual folder (see `data.idx_sets`). `build` makes the system, and
    `load` loads the data. The methods raise ValueError for unknown names, or names that do not fit together.
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
    folder: str | None = option(Maybe(PATH), "the folder with the IDX files of mnist or a set like it", "DIR")
    test: str | None = option(
        Maybe(PATH), "held-out data for judge and evaluate: a set, folder or file as for --data", "NAME|PATH"
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
    size: str | None = option(
        Maybe(Text()),
        "crop and resize pictures to this size, such as 64 or 48x144 (28x28x1: and to grey)",
        "HxW",
    )
    skip_broken: bool | None = option(Maybe(Flag()), "leave broken picture files out, and name them")
    shape: list | None = option(Maybe(Each(Whole(1))))
    classes: int | None = option(Maybe(Whole()))

    def resolve(self):
        """A copy of the recipe with names in place of None for preset and data, and with absolute paths.

        The copy also has the shape of a sample and the number of classes, if these differ from the preset's.
        Raises ValueError for data that no preset accepts, and the errors of `placed`.
        """
        recipe = self._adapted()
        return replace(recipe, data=recipe.data or recipe.build().data).placed()

    def placed(self):
        """A copy of the recipe in which the paths (data, test and folder) are absolute.

        Raises ValueError if `data` or `test` is neither a known name nor a file or folder, if there are both
        test data and a share to hold out, or if broken files are to be left out of data that are no folder.
        """
        why = f" ({self.system} {self.preset} has no data)" if self.data == systems.FOLDER else ""
        recipe = replace(self, data=places.found(self.data, "data", why))
        if recipe.hold_out is not None and recipe.data in data.names():
            raise ValueError(f"hold_out: {recipe.data} has a test part of its own; leave --hold-out out")
        if recipe.test is not None and recipe.hold_out is not None:
            raise ValueError("test: expected either --test or --hold-out, got both; leave one of them out")
        recipe = replace(recipe, test=recipe.test and places.found(recipe.test, "test"))
        if recipe.skip_broken and not any(map(places.is_folder, filter(None, (recipe.data, recipe.test)))):
            raise ValueError(
                f"skip_broken: expected a folder of pictures as the data, got {recipe.data!r}; leave "
                "--skip-broken out"
            )
        return replace(recipe, folder=recipe.folder and places.absolute(recipe.folder))

    def build(self):
        """Make the system of the recipe and return it: the preset, changed by the options that are not None.

        Raises ValueError for an option that the system does not have, or a value out of range.
        """
        system = self._preset(self.width)
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

        Raises ValueError if the system takes pictures and the data are points, or the reverse. Raises the
        errors of `data.load`.
        """
        shape = self._preset().sample_shape
        pictures = len(shape) == 3
        place = places.place_of(self, split)
        if pictures and place in POINTS or not pictures and places.holds_pictures(place):
            raise ValueError(
                f"{self.system} {self.preset} takes "
                f"{f'pictures {shape}' if pictures else 'points in the plane'}, "
                f"and {place} holds {'points' if pictures else 'pictures'}; "
                "choose another preset or other data (`numgan systems` lists them)"
            )
        size = {"size": shape[:2], "channels": shape[2]} if pictures else {}
        return places.read(self, split, **size)

    def _preset(self, width=systems.NARROW):
        """Make the System of the preset, with the sample shape and the number of classes of this recipe.

        width   factor of all hidden widths
        """
        shape = None if self.shape is None else tuple(self.shape)
        return systems.build(self.system, self.preset, width, shape, self.classes)

    def _adapted(self):
        """A copy of the recipe with a preset, and with the sample shape and class count of the data.

        Shape and classes stay None where they equal those of the preset. If the user names a preset and
        no size, the shape is that of the preset's own data set, except for a preset that follows the
        data (see `systems.follows_data`). If the user names a preset of a fixed size and gives another
        size, the copy has this size, and `build` raises ValueError for it.
        """
        if self.preset is not None and self.shape is not None:  # resolved before
            return self
        preset = self.preset or next(iter(systems.presets(self.system)))
        own = systems.build(self.system, preset, systems.NARROW)
        adapts = systems.adapts_to(self.system, preset)
        if self.data in (None, own.data) and self.size is None:
            return replace(self, preset=preset)
        follows = self.preset is None or self.size is not None or systems.follows_data(self.system, preset)
        if not follows and "classes" not in adapts:
            return self
        recipe = replace(self, data=self.data or own.data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `load` gives the warnings
            dataset = places.read(recipe, **_size_and_channels(self.size))
        labels, shape = dataset.labels, tuple(dataset.sample_shape)
        classes = 0 if labels is None else len(dataset.classes) or int(labels.max()) + 1
        if self.preset is None:
            try:
                preset = systems.preset_for(self.system, shape, labelled=classes > 0)
            except ValueError as error:
                how = hint(shape)
                raise ValueError(f"{error}; {how}") if how else error from None
            own = systems.build(self.system, preset, systems.NARROW)
            adapts = systems.adapts_to(self.system, preset)
        other = follows and shape != own.sample_shape and len(shape) == len(own.sample_shape)
        counted = "classes" in adapts and classes not in (0, own.classes)
        recipe = replace(recipe, preset=preset, shape=list(shape) if other else None)
        return replace(recipe, classes=classes if counted else None)

    def expect_test(self, like):
        """Raise the errors of `test_part` if the recipe names test data: before a training, not after it.

        like   the Dataset of the training data

        Raises ValueError if a share is to be held out (`hold_out`) of data that have a test part.
        """
        if self.test is not None:
            self.test_part(like)
        if self.hold_out is not None and replace(self, hold_out=None).test_part(like) is not None:
            raise ValueError(f"hold_out: {self.data} has a test part of its own; leave --hold-out out")

    def test_part(self, like):
        """The test part of the data, a Dataset; None if the data have no test part.

        like   the Dataset of the training data. The test part gets its classes and class numbers

        Raises the errors of `data.matched`. Warns if the data in `test` lack the labels or a class of `like`.
        """
        try:
            test = data.matched(self.load("test"), like)
        except NoTestPart:
            return None
        if self.test:
            _warn_of_lacks(test, like)
        return test


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. `resolve` replaces every None by a default:

    steps, batch_size   the system's numbers
    seed                0
    log_every           10; steps between lines of metrics.jsonl
    picture_every       a twentieth of the steps, at least 1; steps between sample pictures

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
        """A copy of the plan in which every None became the default number for the system.

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


def _warn_of_lacks(held_out, like):
    """Warn if the test data `held_out` have no labels, or no row of a class of the training data `like`.

    Both are Datasets. Without labels in `like` there is no warning. At most 10 missing classes are named.
    """
    if like.labels is None:
        return
    if held_out.labels is None:
        lack = "no labels, and the training data have; put pictures into a sub-folder for each class"
    else:
        used = set(np.unique(held_out.labels))
        missing = [word for k, word in enumerate(like.classes) if k not in used]
        names = ", ".join(map(repr, missing[:10]))
        lack = missing and f"no row of the class {names}, which the training data have"
    if lack:
        warnings.warn(f"test data: {held_out.name} has {lack}", stacklevel=3)


RECIPE, PLAN = Record.of(Recipe), Record.of(Plan)  # the kinds of a resolved recipe and plan in config.json


def _size_and_channels(text):
    """The arguments size and channels of `data.load`, as a dict, for a text such as "64" or "28x28x1".

    "64" gives {"size": (64, 64)}, "28x28x1" gives {"size": (28, 28), "channels": 1}. None gives {}. Raises
    ValueError for a text of another form.
    """
    if text is None:
        return {}
    parts = text.lower().split("x")
    if not (1 <= len(parts) <= 3 and all(part.isascii() and part.isdigit() for part in parts)):
        raise ValueError(f"size: expected HEIGHTxWIDTH such as 64x64, 48x144 or 28x28x1, got {text!r}")
    height, *more = map(int, parts)
    return {"size": (height, more[0] if more else height)} | ({"channels": more[1]} if more[1:] else {})


def check(system, dataset):
    """Raise ValueError or TypeError unless the system can be trained on the data set `dataset`.

    Every network that the system names must exist and have an optimiser where it is trained (`expect_roles`).
    Samples of data and system must have one shape. The data must have the labels, classes and columns that
    the system needs.
    """
    expect_roles(system)
    expect_data("train", dataset=dataset)
    if tuple(dataset.sample_shape) != tuple(system.sample_shape):
        raise ValueError(
            f"{type(system).__name__}: expected samples {system.sample_shape}, got {dataset.sample_shape} "
            f"from {dataset.name}; take other data, or in Python build the system for them: "
            f"numgan.build(NAME, PRESET, sample_shape={tuple(dataset.sample_shape)})"
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
            f"{dataset.labels.max() + 1}; leave out the preset, then the networks follow the data; in "
            f"Python: numgan.build(NAME, PRESET, classes={dataset.labels.max() + 1})"
        )
    missing = [name for name in system.made_from if name not in dataset.columns]
    if missing:
        raise ValueError(
            f"{type(system).__name__}: expected a column {missing[0]!r} in the data, got "
            f"{', '.join(dataset.columns)} from {dataset.name}"
        )


def steps_of(system, rows, batch_size, epochs):
    """The number of training steps after which every row of the data was used `epochs` times on average.

    system       the System. A step uses one batch for each of its objectives, or a single batch if all
                 objectives share their fakes
    rows         the number of rows of the data
    batch_size   the number of rows of a batch

    Raises ValueError unless 0 < epochs <= 100,000.
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
