"""Looks: figures that are measured at fixed steps of a training.

They are stored in a file beside the run, so that an interrupted trial keeps them.
"""

import json
import math
from pathlib import Path

import numpy as np

from ..core.fields import MOST, Maybe, Real, Record, Whole, for_json, read_lines
from ..core.files import appending, replacing
from ..core.randomness import derive, stream
from ..data import Dataset, load
from ..systems import Batch
from .protocol import folder_of

LOOK = Record({"step": Whole()}, others=Maybe(Real()))
TRAINING = 1500  # training rows of the digits; the other 297 are held out


class Looks:
    """Figures of a training at regular steps.

        look = Looks(path, every, measure)
        train(..., look=look)
        look.steps, look["accuracy"]          both (L,)

    measure(state) -> {name: number} is called at every `every`-th step. A killed run repeats the steps after
    its last checkpoint, with equal bits. So a look that is already in the file is not measured again.
    """

    def __init__(self, path, every, measure):
        self.path, self.every, self.measure = Path(path), every, measure
        self.records = read(self.path)
        with replacing(self.path) as file:  # without the incomplete line that a killed process leaves
            file.writelines(_line(record) for record in self.records.values())

    def __call__(self, state):
        if state.step % self.every == 0 and state.step not in self.records:
            record = self.records[state.step] = {"step": state.step} | {
                name: float(value) for name, value in self.measure(state).items()
            }
            with appending(self.path) as file:
                file.write(_line(record))

    @property
    def steps(self):
        return np.array(list(self.records))

    def __getitem__(self, name):
        return np.array([record[name] for record in self.records.values()])


def read(path):
    """{step: record} of a file of looks, in the order of the steps; {} if there is no file.

    Raises FileFormatError for a damaged record.
    """
    records = read_lines(path, LOOK, MOST, "delete the folder, and the trial is made again")
    return {
        record["step"]: {name: math.nan if value is None else value for name, value in record.items()}
        for record in records
    }


def curve(out, arm, place, figure):
    """(steps, values) of a figure, from the looks of the trial of an arm with seed 0.

    place   the name of the file of looks
    """
    records = read(folder_of(out, arm, 0) / place)
    return list(records), [record[figure] for record in records.values()]


def _line(record):
    return (json.dumps(for_json(record)) + "\n").encode()


def digits(rows=TRAINING):
    """(a Dataset of `rows` training digits, the 297 held-out digits (297, 8, 8, 1) in -1..1)

    All 1,797 digits are shuffled first. The file has them in the order of their writers, so its parts differ:
    the KID between rows 1,500 to 1,796 and the other rows is 0.036. For a random part it is 0.000, with a
    standard deviation of 0.003.
    """
    parts = [load("digits", part) for part in ("train", "test")]
    order = stream(0, "held out").permutation(sum(map(len, parts)))
    x = np.concatenate([part.x for part in parts])[order]
    held = Dataset("held out", x[TRAINING:])
    return Dataset("digits", x[:rows], source=parts[0].source), held.rows(np.arange(len(held)))["x"]


def fakes(system, state, n, average=False):
    """n samples of G, from the same latents in every call.

    With `average`, from the moving average of G's weights.
    """
    weights = state.averages["G"] if average else state.params["G"]
    latents = system.inputs(Batch({}, number=n), derive(0, "looks"))
    return system.networks["G"].forward(weights, latents)[0]


def logits(system, state, x):
    """The output of D for x, (N,)."""
    return system.networks["D"].forward(state.params["D"], x)[0][:, 0]


def accuracy(real, fake):
    """The accuracy of D, from logits: the mean of those on real samples and on fakes. 0.5: D guesses."""
    return (np.mean(real > 0) + np.mean(fake < 0)) / 2


def ranked(real, fake):
    """The share of pairs in which the output of D is higher for the real sample than for the fake.

    A tie counts half. The figure needs no threshold, so it exists for critics too.
    """
    order = np.sort(fake)
    return (np.searchsorted(order, real, "left") + np.searchsorted(order, real, "right")).mean() / (
        2 * len(fake)
    )
