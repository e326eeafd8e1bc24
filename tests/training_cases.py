"""Toy systems with their data, and short runs of them, for the tests of training."""

import json

import numpy as np

from numgan import data, systems
from numgan.training import loop as training
from numgan.training.state import State

DIGITS, RING = data.load("digits"), data.load("ring")


SYSTEMS = {
    "gan": (lambda: systems.build("gan", "digits", 0.05), DIGITS),
    "points": (lambda: systems.build("gan", "points", 0.1), RING),
    "gan paper": (lambda: systems.build("gan", "paper", 0.02), data.load("digits", size=28)),
    "wgan": (lambda: systems.build("wgan", "digits", 0.05), DIGITS),
    "wgan_gp": (lambda: systems.build("wgan_gp", "digits", 0.05), DIGITS),
    "dcgan": (lambda: systems.build("dcgan", "digits", 0.05), DIGITS),
    "hinge": (lambda: systems.build("hinge", "digits", 0.05), DIGITS),
    "conditional": (lambda: systems.build("conditional", "digits", 0.05), DIGITS),
    "classifier": (lambda: systems.build("classifier", "digits", 0.1), DIGITS),
}


def make(name):
    system, dataset = SYSTEMS[name]
    return system(), dataset


def go(name, out, steps=6, **words):
    system, dataset = make(name)
    words = {"batch_size": 8, "seed": 5, "log_every": 2, "picture_every": 2, "progress": False} | words
    return training.train(system, dataset, out, steps=steps, **words)


def weights(out):
    return (out / "checkpoint.npz").read_bytes()


def metrics(out):
    """The records, but for the seconds, which no run repeats."""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [{word: value for word, value in json.loads(line).items() if word != "seconds"} for line in lines]


def checkpoint_step(out):
    with np.load(out / "checkpoint.npz") as file:
        return int(file["step"])


def step_once(system, dataset, batch_size=8, seed=5, state=None):
    state = state or State.start(system, seed)
    return state, training.advance(system, state, dataset.feed(batch_size, seed, system.pixels), seed)
