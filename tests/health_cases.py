"""Runs whose health is known, because the cause of their illness was made by hand.

`run_of(name, folder)` makes the run of one entry of CASES. The curves and the samples of a run are written
here; two runs have samples of trained generators (good_generators.npz, their weights). An entry has the
levels that are not "ok".
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import numgan as ng
from numgan import data
from numgan.training import runs
from numgan.training.recipes import Recipe
from numgan.training.state import State

GENERATORS = Path(__file__).parent / "evaluation" / "good_generators.npz"
WELL = {
    "losses": {"D": 1.2, "G": 0.9},
    "gradients": {"D": 3.0, "G": 2.0},
    "metrics": {"D(x)": 0.6, "D(G(z))": 0.4},
}
RECORDS = 40


@dataclass(frozen=True)
class Case:
    """One run: how it differs from a good one, and what health must say of it.

    cause         the cause of the illness, in words
    levels        {check: level} of all checks that are not ok
    words         a text that must be in one of the sentences of the Verdicts
    system, preset, data   of the recipe
    rows          a function: (rows of the data in the networks' range, random generator) -> samples; None: G
                  draws with its weights
    late          {kind: {name: value}}: the curves in the last quarter
    early         the same for the records before; None: WELL
    change        a function: (system, state) -> (system, state), or None
    done, steps   the number of steps done, and planned; None: all of the preset
    config        further entries of config.json
    python        True: a run without a recipe
    """

    cause: str
    levels: dict
    words: str = ""
    system: str = "gan"
    preset: str = "digits"
    data: str = "digits"
    rows: object = None
    late: dict | None = None
    early: dict | None = None
    change: object = None
    done: int | None = None
    steps: int | None = None
    config: dict | None = None
    python: bool = False


def run_of(case, folder):
    """The open run of a Case. Its metrics.jsonl is written to `folder`; it has no checkpoint."""
    recipe = Recipe(case.system, case.preset, case.data, width=0.25)
    system, dataset = recipe.build(), recipe.load()
    state = State.start(system, 0)
    if case.change:
        system, state = case.change(system, state)
    state.step = system.steps if case.done is None else case.done
    planned = state.step if case.steps is None else case.steps
    config = {"recipe": None if case.python else asdict(recipe), "seed": 0, "steps": planned}
    config |= {"batch_size": system.batch_size, "classes": list(dataset.classes)} | (case.config or {})
    early = WELL if case.early is None else case.early
    with open(folder / "metrics.jsonl", "wb") as file:
        for i in range(1, RECORDS + 1):
            record = {"step": i, "epoch": 1.0, "seconds": 1.0} | early
            if i > RECORDS * 3 // 4:
                record |= {kind: early[kind] | values for kind, values in (case.late or {}).items()}
            if state.step >= i:
                file.write(runs.line(record))
    made = Drawn if case.rows else runs.OpenRun
    run = made(folder, config, system.at(state.step), dataset, state)
    if case.rows:
        object.__setattr__(run, "rows", case.rows)
    return run


class Drawn(runs.OpenRun):
    """A run whose samples are made from rows of the data."""

    def sampler(self):
        x = self.dataset.x
        if x.dtype == np.uint8:
            x = x / np.float32(127.5) - 1
        labels = self.dataset.labels

        def draw(n, seed):
            found = self.rows(x, labels, np.random.default_rng(0))
            return found[np.resize(np.arange(len(found)), n)].astype(np.float32), None

        return draw


# ---- samples made by hand: (rows x, their labels, random generator) -> samples


def true(name):
    def draw(x, labels, rng):
        held = data.load(name, "test").x
        return held / np.float32(127.5) - 1 if held.dtype == np.uint8 else held

    return draw


def noise(x, labels, rng):
    return rng.uniform(-1, 1, x[:300].shape)


def grey(x, labels, rng):
    return np.zeros_like(x[:300])


def blobs(x, labels, rng):
    return x.mean(axis=0) + 0.2 * rng.standard_normal(x[:300].shape)


def blurred(x, labels, rng):
    x = x[rng.permutation(len(x))[:300]]
    return sum(np.roll(np.roll(x, i, 1), j, 2) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9


def shuffled(x, labels, rng):
    flat = x.reshape(len(x), -1)
    return np.stack([rng.permutation(column) for column in flat.T], axis=1).reshape(x.shape)[:300]


def copies(x, labels, rng):
    return x[rng.permutation(len(x))[:300]]


def few(x, labels, rng):
    return np.tile(x[:5], (60, 1, 1, 1)) + 0.01 * rng.standard_normal((300, *x.shape[1:]))


def one_class(x, labels, rng):
    held = data.load("digits", "test")
    return held.x[held.labels == 3] / np.float32(127.5) - 1


def one_mode(x, labels, rng):
    return x[labels == 0]


def half_the_modes(x, labels, rng):
    return x[labels < 4]


def star(x, labels, rng):
    """Points on the lines from the centre to the modes, as of a GAN after a few hundred steps."""
    return x[:5000] * np.sqrt(rng.uniform(size=(5000, 1)))


def points_of_modes(x, labels, rng):
    return data.modes("ring")[0]


def broken(x, labels, rng):
    return np.full_like(x[:300], np.nan)


# ---- changes of a system or its state


def trained(name):
    """The weights of a trained generator, as the moving average from which samples are drawn."""

    def change(system, state):
        with np.load(GENERATORS) as file:
            state.averages["G"].vector[...] = file[name]
        return system, state

    return change


def ending(layer):
    def change(system, state):
        D = ng.Sequential(system.networks["D"], layer)
        system = replace(system, networks=system.networks | {"D": D})
        return system, State.start(system, 0)

    return change


def normalised(system, state):
    D = ng.Sequential(ng.Flatten(), ng.Dense(64, 8), ng.BatchNorm(8), ng.LeakyReLU(0.2), ng.Dense(8, 1))
    system = replace(system, networks=system.networks | {"D": D})
    return system, State.start(system, 0)


PAIRS = {"losses": WELL["losses"], "gradients": WELL["gradients"], "metrics": {"D(x) above D(G(z))": 0.6}}
CRITIC = PAIRS | {"metrics": {"distance": 2.0, "penalty": 0.1}}
GUESSES = {"losses": {"C": 2.3}, "gradients": {"C": 0.1}, "metrics": {"accuracy": 0.1}}
RIGHT = {"losses": {"C": 0.1}, "gradients": {"C": 0.1}, "metrics": {"accuracy": 0.98}}
DIGITS, RING = true("digits"), true("ring")
ring = {"preset": "points", "data": "ring"}

CASES = {
    # ---- good ones
    "true points": Case("none: it draws true points", {}, "98.9% of true ones", rows=RING, **ring),
    "true digits": Case("none: it draws held-out rows", {}, rows=DIGITS),
    "trained on the ring": Case(
        "none: r3gan with all its steps", {}, system="r3gan", early=PAIRS, change=trained("ring"), **ring
    ),
    "trained on digits": Case(
        "none: r3gan with all its steps", {}, system="r3gan", early=PAIRS, change=trained("digits")
    ),
    "classifier": Case("none: a classifier that is right", {}, "98.0% of a batch", "classifier", early=RIGHT),
    # ---- few steps
    "untrained": Case(
        "no step was done",
        {"steps": "look", "precision": "bad", "quality": "bad", "coverage": "look"},
        "it is young: 0 of the preset's 6,000 steps",
        done=0,
    ),
    "young": Case(
        "120 of 10,000 steps",
        {"steps": "look", "quality": "bad"},
        "it is young: 120 of the preset's 10,000 steps",
        rows=star,
        done=120,
        **ring,
    ),
    "stopped": Case(
        "it was stopped after 4,000 of 6,000 steps",
        {"steps": "look"},
        "4,000 of the preset's 6,000 steps are done: the run was stopped",
        rows=DIGITS,
        done=4000,
        steps=6000,
    ),
    "diverged": Case(
        "inf in step 3,001",
        {"steps": "bad"},
        "it diverged, and 3,000 of 6,000 steps are kept: inf",
        rows=DIGITS,
        done=3000,
        steps=6000,
        config={"diverged": "inf"},
    ),
    # ---- samples
    "noise": Case("G draws noise", {"precision": "bad", "quality": "bad", "coverage": "look"}, rows=noise),
    "grey": Case(
        "G draws one flat grey",
        {"precision": "bad", "quality": "bad", "variety": "bad", "twins": "bad", "coverage": "look"},
        rows=grey,
    ),
    "blobs": Case(
        "blobs of noise around the mean", {"quality": "bad", "variety": "look", "coverage": "bad"}, rows=blobs
    ),
    "blurred": Case(
        "G draws blurred digits",
        {"quality": "bad", "variety": "look", "twins": "bad", "coverage": "look"},
        rows=blurred,
    ),
    "shuffled": Case(
        "pixels of different digits",
        {"precision": "bad", "quality": "bad", "coverage": "look"},
        rows=shuffled,
    ),
    "memorised": Case("G draws rows of its data", {"copies": "bad"}, "as copies", rows=copies),
    "five rows": Case(
        "G draws five rows again and again",
        {"quality": "bad", "variety": "bad", "twins": "bad", "coverage": "bad", "copies": "bad"},
        rows=few,
    ),
    "one class": Case(
        "G draws thirty threes",
        {"precision": "look", "quality": "bad", "variety": "bad", "twins": "bad", "coverage": "look"},
        rows=one_class,
    ),
    "one mode": Case("G draws one of eight modes", {"modes": "bad"}, "1 of 8", rows=one_mode, **ring),
    "half of the modes": Case("G draws four of eight modes", {"modes": "look"}, rows=half_the_modes, **ring),
    "star": Case("G draws lines between the modes", {"quality": "bad"}, "% of true ones", rows=star, **ring),
    "centres": Case(
        "G draws the centres of the modes only", {"width of modes": "bad"}, rows=points_of_modes, **ring
    ),
    "nan": Case("G's weights are nan", {"samples": "bad"}, "inf or nan", rows=broken),
    # ---- curves
    "sure D": Case(
        "D is always right",
        {"discriminator": "bad"},
        "nearly every time",
        rows=DIGITS,
        late={"metrics": {"D(x)": 0.999, "D(G(z))": 0.001}},
    ),
    "sure D, minimax": Case(
        "D is always right under a loss that vanishes",
        {"discriminator": "bad", "gradient of G": "bad"},
        "this loss passes 0.10% of its gradient on to G",
        preset="saturating",
        rows=DIGITS,
        late={"metrics": {"D(x)": 0.999, "D(G(z))": 0.001}, "gradients": {"G": 1e-3}},
    ),
    "D behind": Case(
        "D rates fakes above real samples",
        {"discriminator": "look"},
        rows=DIGITS,
        late={"metrics": {"D(x)": 0.4, "D(G(z))": 0.6}},
    ),
    "vanished": Case(
        "G's gradient has vanished",
        {"gradient of G": "bad"},
        "it fades",
        rows=DIGITS,
        late={"gradients": {"G": 1e-4}},
    ),
    "exploded": Case(
        "G's gradient explodes", {"gradient of G": "bad"}, rows=DIGITS, late={"gradients": {"G": 1e6}}
    ),
    "losses explode": Case(
        "D's loss explodes", {"losses": "bad"}, "run away", rows=DIGITS, late={"losses": {"G": 1e5}}
    ),
    "losses are nan": Case(
        "G's loss is nan", {"losses": "bad"}, "inf, nan", rows=DIGITS, late={"losses": {"G": None}}
    ),
    "wild D": Case(
        "D errs wildly", {"losses": "bad"}, "D that guesses", rows=DIGITS, late={"losses": {"D": 90.0}}
    ),
    "pairs": Case(
        "R3GAN's D is always right",
        {"discriminator": "bad"},
        system="r3gan",
        early=PAIRS,
        rows=DIGITS,
        late={"metrics": {"D(x) above D(G(z))": 0.999}},
    ),
    "critic behind": Case(
        "the critic is behind G",
        {"critic": "look"},
        system="wgan_gp",
        early=CRITIC,
        rows=DIGITS,
        late={"metrics": {"distance": -1.0}},
    ),
    "no penalty": Case(
        "the weight of the penalty is 0",
        {"penalty": "look"},
        system="r1",
        rows=DIGITS,
        early=WELL | {"metrics": {"D(x)": 0.6, "D(G(z))": 0.4, "penalty": 0.0}},
    ),
    "guessing classifier": Case(
        "a classifier that guesses", {"accuracy": "bad"}, "a guess: 10.0%", "classifier", early=GUESSES
    ),
    # ---- designs, made in Python
    "sigmoid": Case(
        "D ends in a sigmoid under a loss on logits",
        {"discriminator": "bad"},
        "D ends in Sigmoid()",
        rows=DIGITS,
        change=ending(ng.Sigmoid()),
        python=True,
    ),
    "tanh critic": Case(
        "the critic ends in tanh",
        {"discriminator": "bad"},
        "D ends in Tanh()",
        system="wgan_gp",
        early=CRITIC,
        rows=DIGITS,
        change=ending(ng.Tanh()),
        python=True,
    ),
    "BatchNorm": Case(
        "a gradient penalty through BatchNorm",
        {"mixed samples": "look"},
        "mixes the samples",
        system="wgan_gp",
        early=CRITIC,
        rows=DIGITS,
        change=normalised,
        python=True,
    ),
    "young, in Python": Case(
        "a young run of a system made in Python",
        {"steps": "look", "precision": "bad", "quality": "bad", "coverage": "look"},
        "it is young: 120 of the system's 6,000 steps",
        rows=noise,
        done=120,
        python=True,
    ),
}
