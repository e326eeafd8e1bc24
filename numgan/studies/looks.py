"""What is looked at while a GAN trains: figures at fixed steps, kept in a file beside the run, so that a trial that was cut loses none."""

import json
import math
from pathlib import Path

import numpy as np

from ..core.fields import MOST, Maybe, Real, Record, Whole, read_lines
from ..core.files import appending, replacing
from ..core.randomness import derive, stream
from ..data import Dataset, load
from ..layers import Pass
from ..systems import Batch

LOOK = Record({"step": Whole()}, others=Maybe(Real()))
TRAINING = 1500  # rows of the digits to train on; the other 297 are held out


class Looks:
    """look = Looks(path, every, measure)           train(..., look=look)           look.steps (L,), look["accuracy"] (L,)

    measure(state) -> {name: number} at every `every`-th step. A killed run makes the steps after its last checkpoint again, with equal bits, so
    a look that is there already is not taken again.
    """

    def __init__(self, path, every, measure):
        self.path, self.every, self.measure = Path(path), every, measure
        self.records = read(self.path)
        with replacing(self.path) as file:  # without the torn line that a killed process leaves
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

    FileFormatError for a damaged record.
    """
    records = read_lines(path, LOOK, MOST, "delete the folder, and the trial is made again")
    return {
        record["step"]: {name: math.nan if value is None else value for name, value in record.items()}
        for record in records
    }


def _line(record):
    return (
        json.dumps({name: value if math.isfinite(value) else None for name, value in record.items()}) + "\n"
    ).encode()


def digits(rows=TRAINING):
    """The digits as a Dataset of `rows` training rows, and the 297 that are held out, (297, 8, 8, 1) in -1..1.

    All 1,797 are shuffled first. The file has them in the order of their writers, and its own parts differ: the KID of rows 1,500 to 1,796
    from the others is 0.036, of a random part 0.000 with a standard deviation of 0.003.
    """
    parts = [load("digits", part) for part in ("train", "test")]
    order = stream(0, "held out").permutation(sum(map(len, parts)))
    x = np.concatenate([part.x for part in parts])[order]
    held = Dataset("held out", x[TRAINING:])
    return Dataset("digits", x[:rows], source=parts[0].source), held.rows(np.arange(len(held)))["x"]


def fakes(system, state, n, average=False):
    """n samples of G, always of the same latent points; of the moving average of its weights, if asked."""
    weights = state.averages["G"] if average else state.params["G"]
    return system.networks["G"].forward(
        weights, system.inputs(Batch({}, number=n), derive(0, "looks")), Pass()
    )[0]


def logits(system, state, x):
    """What D says of x: (N,)"""
    return system.networks["D"].forward(state.params["D"], x, Pass())[0][:, 0]


def accuracy(real, fake):
    """The share of samples that D takes for what they are, real and fake ones counting half each; of logits. 0.5: no better than a coin."""
    return (np.mean(real > 0) + np.mean(fake < 0)) / 2


def ranked(real, fake):
    """The share of pairs of which D puts the real sample above the fake, ties half: it needs no threshold, so critics have it too."""
    order = np.sort(fake)
    return (np.searchsorted(order, real, "left") + np.searchsorted(order, real, "right")).mean() / (
        2 * len(fake)
    )
