"""Splits: rows that are kept back for tests, with all classes in proportion.

train, test = hold_out(dataset, 0.2)      # the same two parts for every call with equal arguments
"""

from dataclasses import replace

import numpy as np

from ..core.randomness import stream

SEED = 0  # the seed of every split: training, judge and evaluation see the same parts


def spread(labels, rows, rng):
    """A random order (rows,) of all rows, in which every long piece has the classes in proportion.

    labels   (rows,) the class number of each row, or None: then the order is a plain permutation
    rng      a numpy Generator

    Row number i of the n rows of a class, in random order, gets the place (i + u) / n with u uniform in
    [0, 1). The rows are then sorted by their places.
    """
    order = rng.permutation(rows)
    if labels is None:
        return order
    places = np.empty(rows)
    for k in np.unique(labels):
        mine = order[labels[order] == k]
        places[mine] = (np.arange(len(mine)) + rng.random(len(mine))) / len(mine)
    return np.argsort(places, kind="stable")


def hold_out(dataset, share, seed=SEED):
    """Split a Dataset into (training part, test part), two Datasets. Both keep the order of the rows.

    share   the fraction of the rows of each class that goes to the test part, above 0 and below 1. It is
            rounded to whole rows, with at least one row of each class on either side
    seed    the seed of the choice

    Raises ValueError for another share, or if a class has a single row.
    """
    if not 0 < share < 1:
        raise ValueError(f"hold_out: expected a share above 0 and below 1, got {share}")
    labels = np.zeros(len(dataset), np.int64) if dataset.labels is None else dataset.labels
    rng, held = stream(seed, "hold out"), np.zeros(len(dataset), bool)
    for k in np.unique(labels):
        mine = np.flatnonzero(labels == k)
        if len(mine) < 2:
            word = dataset.classes[k] if dataset.classes else k
            raise ValueError(
                f"hold_out: expected at least 2 rows of each class, one for either part, got {len(mine)} of "
                f"class {word} in {dataset.name}; add rows of this class, or remove it"
            )
        count = min(max(1, round(share * len(mine))), len(mine) - 1)
        held[rng.permutation(mine)[:count]] = True
    return _part(dataset, np.flatnonzero(~held)), _part(dataset, np.flatnonzero(held))


def _part(dataset, rows):
    return replace(
        dataset,
        x=dataset.x[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        others={name: column[rows] for name, column in dataset.others.items()},
        names=None if dataset.names is None else tuple(dataset.names[row] for row in rows),
    )
