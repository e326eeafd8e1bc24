"""Random sets and their distances, for the tests of the metrics."""

import numpy as np

from numgan.core.randomness import stream


def normal(name, *shape):
    return stream(7, name).standard_normal(shape)


def uniform(name, *shape):
    return stream(3, name).random(shape)


def distances(x, y):
    return np.sqrt(((np.asarray(x, float)[:, None] - np.asarray(y, float)[None]) ** 2).sum(axis=-1))
