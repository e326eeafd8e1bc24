"""Recipes: a system and its data, named as on the command line, and the functions that build both."""

import math
import os
from dataclasses import asdict, dataclass, replace
from functools import partial

from .. import data, systems
from ..core.fields import Choice, Either, Flag, Maybe, Real, Record, Text, Whole
from ..core.files import path_of, text_of
from ..losses import ADVERSARIAL, smoothed
from ..systems import NUMBERS, WIDTHS

POINTS = ("ring", "grid", "swiss-roll")
BATCH = Whole(1, 1_000_000)
PATH = Text(4096)
RECIPE = Record(
    {  # a resolved Recipe, as config.json holds it
        "system": Choice(tuple(systems.SYSTEMS)),
        "preset": Text(),
        "data": PATH,
        "folder": Maybe(PATH),
        "width": WIDTHS,
        "lr": Maybe(NUMBERS),
        "loss": Maybe(Choice(tuple(ADVERSARIAL))),
        "smooth": Maybe(Real(0, 1)),
        "weight_decay": Maybe(NUMBERS),
        "average": Maybe(Real(0, 1)),
        "settings": Maybe(Record({}, others=Either((Flag(), NUMBERS)))),
    }
)


@dataclass(frozen=True)
class Recipe:
    """A system and its data, with the options of the command line; both can be built from it again.

    system, preset   the names of a system and of its preset
    data, folder     the name of a data set or the path of a folder of pictures; the folder of MNIST's files
    width            factor of all hidden widths
    lr               learning rate of every optimiser, or the setting `rate` if the system has one
    loss, smooth     the name of the adversarial loss; D's label of a real sample
    weight_decay     for the networks that draw no samples
    average          decay of the moving average
    settings         {name: value} for `System.setting`

    None means the preset's value. The methods raise ValueError for unknown names, or names that do not fit
    together.
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
    settings: dict | None = None

    def resolve(self):
        """The same recipe with the names of preset and data filled in, and with absolute paths."""
        recipe = self
        if recipe.preset is None:
            known = systems.presets(recipe.system)
            fitting = recipe.data and systems.preset_for(recipe.system, recipe._data().sample_shape)
            recipe = replace(recipe, preset=fitting or next(iter(known)))
        recipe = replace(recipe, data=recipe.data or recipe.build().data)
        if recipe.data not in data.names():
            if not os.path.isdir(path_of(recipe.data)):
                raise ValueError(
                    f"data: expected one of {', '.join(data.names())}, or a folder of pictures, "
                    f"got {recipe.data!r}; name one with --data"
                    + (f" ({recipe.system} {recipe.preset} has none of its own)" if self.data is None else "")
                )
            recipe = replace(recipe, data=_from_anywhere(recipe.data))
        return replace(recipe, folder=recipe.folder and _from_anywhere(recipe.folder))

    def build(self):
        """The system with these options. Raises ValueError for an option that it does not have."""
        system = systems.build(self.system, self.preset, self.width)
        settings, smooth = dict(self.settings or {}), self.smooth
        if smooth is not None and "smooth" in system.settings:
            settings, smooth = settings | {"smooth": smooth}, None
        if self.lr is not None and "rate" in system.settings:  # the two learning rates keep their ratio
            settings["rate"] = self.lr
        system = system.setting(**settings)
        if self.loss is not None or smooth is not None:
            if not hasattr(system, "loss"):
                raise ValueError(
                    f"{self.system} has its own loss, which cannot be replaced; leave out --loss and --smooth"
                )
            if self.loss is not None and self.loss not in ADVERSARIAL:
                raise ValueError(f"loss: expected one of {', '.join(ADVERSARIAL)}, got {self.loss!r}")
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
        return system.with_optimizers(
            partial(self._optimizer, system.drawers, None if "rate" in system.settings else self.lr)
        )

    def _optimizer(self, drawers, lr, name, optimizer):
        constants = {
            word: value
            for word, value in {"lr": lr, "weight_decay": self.weight_decay}.items()
            if value is not None
        }
        for word, value in constants.items():
            NUMBERS.expect(value, word)
        return optimizer.changed(
            **{word: value for word, value in constants.items() if word == "lr" or name not in drawers}
        )

    def load(self, split="train"):
        """The Dataset. Pictures are resized to the system's size."""
        shape = systems.build(self.system, self.preset, 0.05).sample_shape
        pictures = len(shape) == 3
        if pictures == (self.data in POINTS):
            raise ValueError(
                f"{self.system} {self.preset} takes "
                f"{f'pictures {shape}' if pictures else 'points in the plane'}, "
                f"and {self.data} holds {'points' if pictures else 'pictures'}; "
                "choose another preset or other data (`numgan systems` lists them)"
            )
        size = {"size": shape[:2], "channels": shape[2]} if pictures else {}
        return self._data(split, **size)

    def _data(self, split="train", **size):
        return data.load(path_of(self.data), split, folder=self.folder and path_of(self.folder), **size)


def _from_anywhere(path):
    """The absolute path, as text."""
    return text_of(os.path.abspath(path_of(path)))


def check(system, dataset):
    """Raise ValueError unless the system can be trained on the data."""
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


def check_batch(system, size):
    """Raise ValueError unless the batch size is in range and a multiple of the pack size."""
    BATCH.expect(size, "batch_size")
    if size % system.packed:
        raise ValueError(
            f"batch_size: expected a multiple of the {system.packed} samples that are judged at once, got "
            f"{size}"
        )


def steps_of(system, rows, batch_size, epochs):
    """The number of steps in which each of `rows` rows is used `epochs` times.

    A step takes one batch for each objective, or a single batch if fakes are shared.
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


def as_dict(recipe):
    """A Recipe, or None, as config.json holds it."""
    return None if recipe is None else asdict(recipe)
