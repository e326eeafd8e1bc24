"""Judgement: what a classifier run says of the samples of another run, and how many of these are copies of training rows."""

import numpy as np
from threadpoolctl import threadpool_limits

from . import data
from .recipes import Recipe
from .sampling import scaled, to_bytes


def judge(run, classifier, count=1000, labels=None, seed=0):
    """What a classifier run says of `count` samples of a run, as a dict.

    agreement   share of samples that it takes for the class asked for (None: no class was asked for)
    confidence  its mean highest probability;  shares {class: share of samples that it puts there}
    copies      samples equal to a training row, both at the data's own grey levels;  copies_share of all
    held_out    {rows, accuracy, confidence} of the same classifier on real data that it never saw (None: the data have no such part)
    ValueError if the classifier is none, or takes samples of another shape.
    """
    if not hasattr(classifier.system, "probabilities"):
        raise ValueError(f"{classifier.folder} is a run of {type(classifier.system).__name__}; a judge is a run of `numgan train classifier`")
    if classifier.system.sample_shape != run.system.sample_shape:
        raise ValueError(f"{classifier.folder} judges samples {classifier.system.sample_shape}, and {run.folder} draws {run.system.sample_shape}")
    names = classifier.config["classes"]
    if run.system.classes and run.config["classes"] != names:
        raise ValueError(f"{classifier.folder} knows the classes {', '.join(names)}, and {run.folder} was asked for "
                         f"{', '.join(run.config['classes'])}; judge with a classifier of the same data")
    with threadpool_limits(1):
        x, asked = run.sampler()(count, seed, labels)
        images = to_bytes(x, run.system.pixels)
        p = classifier.system.probabilities(classifier.state.params, scaled(images / np.float32(127.5) - 1, classifier.system))
        answer = p.argmax(axis=1)
        copied = copies(images, run.dataset.x)
        return {
            "samples": count, "agreement": None if asked is None else float((answer == asked).mean()), "confidence": float(p.max(axis=1).mean()),
            "shares": {name: float((answer == k).mean()) for k, name in enumerate(names)},
            "copies": copied, "copies_share": copied / count, "held_out": held_out(classifier),
        }


def held_out(classifier):
    """{rows, accuracy, confidence} of a classifier run on the test part of its data; None for data without one, or made in Python."""
    recipe = classifier.config["recipe"]
    if recipe is None or recipe["data"] not in data.names():
        return None
    test = Recipe(**recipe).load("test")
    x, labels = test.take(np.arange(len(test)))
    with threadpool_limits(1):
        p = classifier.system.probabilities(classifier.state.params, scaled(x, classifier.system))
    return {"rows": len(test), "accuracy": float((p.argmax(axis=1) == labels).mean()), "confidence": float(p.max(axis=1).mean())}


def copies(images, real):
    """How many images (M, H, W, C) uint8 equal a row of real (N, H, W, C) uint8, when each pixel moves to the nearest level that real has."""
    levels = np.unique(real).astype(np.int64)
    nearest = levels[np.abs(np.arange(256)[:, None] - levels).argmin(axis=1)].astype(np.uint8)
    known = {row.tobytes() for row in real}
    return sum(row.tobytes() in known for row in nearest[images])
