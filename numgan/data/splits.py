"""Splits: rows that are kept back for tests, with all classes in proportion.

train, test = hold_out(dataset, 0.2)      # the same two parts for every call with equal arguments
test = matched(test, train)               # with the classes and the order of columns of the training part
"""

from dataclasses import replace

import numpy as np

from ..core.randomness import stream

SEED = 0  # the seed of every split: training, judge and evaluation see the same parts


def spread(labels, rows, rng):
    """A random order (rows,) of the numbers 0..rows-1. Each long part of it has the classes in proportion.

    labels   (rows,) the class number of each row, or None: then the order is a plain permutation
    rows     the number of rows
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

    The rows of the test part are chosen at random. Without labels all rows are of one class.

    dataset   the Dataset
    share     the fraction of the rows of each class that goes to the test part, above 0 and below 1. It is
              rounded to whole rows, with at least one row of each class on either side
    seed      the seed of the choice, 0 if it is left out; equal seeds give equal parts

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
        count = min(max(1, round(share * len(mine))), len(mine) - 1)  # 1 to n - 1 of the class's n rows
        held[rng.permutation(mine)[:count]] = True
    return _part(dataset, np.flatnonzero(~held)), _part(dataset, np.flatnonzero(held))


def _part(dataset, rows):
    """A new Dataset with the rows `rows` (K,), integers, of a Dataset: its columns and its row names."""
    return replace(
        dataset,
        x=dataset.x[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        others={name: column[rows] for name, column in dataset.others.items()},
        names=None if dataset.names is None else tuple(dataset.names[row] for row in rows),
    )


def matched(test, train):
    """A copy of the Dataset `test` with the class numbers and the order of columns of the Dataset `train`.

    Classes and columns are matched by their names; the test part may lack some of the classes. If `test` has
    no class names, its labels stay unchanged. If either Dataset has no column names, the order of the columns
    stays unchanged. If `train` has no labels, the result has none.

    Raises ValueError for rows of another shape, or for a class or a column that `train` does not have.
    """
    if test.sample_shape != train.sample_shape:
        raise ValueError(
            f"test data: expected rows of shape {train.sample_shape}, as in {train.name}, got "
            f"{test.sample_shape} from {test.name}"
        )
    known, there = getattr(train, "column_names", None), test.column_names
    if known and there and known != there:
        if sorted(known) != sorted(there) or len(set(known)) < len(known):
            other = next((name for name in there if name not in known), there[0])
            raise ValueError(
                f"test data: expected the columns {', '.join(known)[:200]}, as in {train.name}, got "
                f"{other!r} in {test.name}; rename or remove it"
            )
        order = [there.index(name) for name in known]
        if test.shift is not None:
            test = replace(test, shift=test.shift[order], scale=test.scale[order])
        test = replace(test, x=test.x[:, order], column_names=known)
    if train.labels is None:
        return replace(test, labels=None, classes=())
    if test.labels is None or not test.classes or test.classes == train.classes:
        return test
    places = {word: k for k, word in enumerate(train.classes)}
    if other := [test.classes[k] for k in np.unique(test.labels) if test.classes[k] not in places]:
        raise ValueError(
            f"test data: expected the classes {', '.join(train.classes)}, as in {train.name}, got "
            f"{other[0]!r} in {test.name}; rename or remove it"
        )
    # new number of each class of the test part, at its old number; 0 for a class that no row has
    labels = np.array([places.get(word, 0) for word in test.classes])[test.labels]
    return replace(test, labels=labels, classes=train.classes)
