"""Looks: measurements at regular steps of a training, and the functions that the measurements need.

A look is the set of figures measured at one step. Looks are stored in a file beside the run, so that an
interrupted trial keeps them.
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
    """Figures of a training, measured at every `every`-th step and stored in the file `path`.

        look = Looks(path, every, measure)
        train(..., look=look)
        look.steps              (L,), the L steps that were measured
        look["accuracy"]        (L,), the values of the figure "accuracy" at these steps

    measure(state) -> {name: number} is called with the State of the training at every `every`-th step, unless
    the file already has this step. A killed run repeats the steps after its last checkpoint with equal bits,
    so a second measurement would be the same. The constructor reads the file and writes it again without an
    incomplete last line. It raises FileFormatError if a record is damaged.
    """

    def __init__(self, path, every, measure):
        self.path, self.every, self.measure = Path(path), every, measure
        self.records = read(self.path)
        with replacing(self.path) as file:  # a killed process may leave an incomplete line: leave it out
            file.writelines(_line(record) for record in self.records.values())

    def __call__(self, state):
        """Measure `state` and store the figures if its step is a multiple of `every` and not yet stored."""
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
    """{step: {name: number}} from the file `path` that `Looks` wrote, in the order of the steps.

    Each {name: number} also has the key "step". null in the file becomes nan. The result is {} if there is no
    file. Raises FileFormatError for a damaged record.
    """
    records = read_lines(path, LOOK, MOST, "delete the folder, and the trial is made again")
    return {
        record["step"]: {name: math.nan if value is None else value for name, value in record.items()}
        for record in records
    }


def curve(out, arm, place, figure):
    """(steps, values), two lists: one figure of the trial of an arm with seed 0, from a file of `Looks`.

    out      the folder of the study
    arm      the key of the arm
    place    the name of the file in the trial's folder
    figure   the name of the figure
    """
    records = read(folder_of(out, arm, 0) / place)
    return list(records), [record[figure] for record in records.values()]


def _line(record):
    """The line of the file for a record {name: number}: JSON as bytes, with null for nan and inf."""
    return (json.dumps(for_json(record)) + "\n").encode()


def digits(rows=TRAINING):
    """The 8x8 digits: (Dataset of `rows` training digits, held-out digits (297, 8, 8, 1) float32).

    rows is at most TRAINING = 1,500. The held-out digits have pixels in -1..1. All 1,797 digits are shuffled
    first, always in the same order. The file has them in the order of their writers, so that rows 1,500 to
    1,796 differ from the other rows: the KID between them is 0.036. For a random part it is 0.000, with a
    standard deviation of 0.003.
    """
    parts = train, _ = [load("digits", part) for part in ("train", "test")]
    order = stream(0, "held out").permutation(sum(map(len, parts)))
    x = np.concatenate([part.x for part in parts])[order]
    held = Dataset("held out", x[TRAINING:])
    return Dataset("digits", x[:rows], source=train.source), held.rows(np.arange(len(held)))["x"]


def fakes(system, state, n, average=False):
    """n samples (n, ...) of the system's G at `state`, a State of the training.

    average   True: use the moving average of G's weights; False: the weights

    Calls with the same n use the same latents.
    """
    weights = state.averages["G"] if average else state.params["G"]
    latents = system.inputs(Batch({}, number=n), derive(0, "looks"))
    x, _ = system.networks["G"].forward(weights, latents)
    return x


def logits(system, state, x):
    """The outputs (N,) of the system's D for samples x (N, ...), with D's weights in `state`, a State."""
    y, _ = system.networks["D"].forward(state.params["D"], x)  # (N, 1)
    return y[:, 0]


def accuracy(real, fake):
    """The accuracy of D, from its logits `real` (M,) on real samples and `fake` (N,) on fakes.

    It is the mean of two accuracies: that on real samples (logit above 0) and that on fakes (logit below 0).
    A D that guesses has 0.5.
    """
    return (np.mean(real > 0) + np.mean(fake < 0)) / 2


def ranked(real, fake):
    """The share of pairs (real sample, fake) in which D's output is higher for the real sample.

    real (M,) and fake (N,) are outputs of D; all M N pairs count, a tie as half a pair. The figure needs no
    threshold, so it exists for critics too.
    """
    order = np.sort(fake)
    # for each real sample: the number of fakes below it, and the number below it or equal
    below, not_above = (np.searchsorted(order, real, side) for side in ("left", "right"))
    return (below + not_above).mean() / (2 * len(fake))
