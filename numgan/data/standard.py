"""Standardised rows: each column of a table gets mean 0 and standard deviation 1, and can be turned back.

train = standardised(train)              x becomes (x - shift) / scale, column by column
test = standardised(test, train)         with the shift and the scale of the training part
in_units(train, samples)                 samples * scale + shift: the units of the file
"""

from dataclasses import replace

import numpy as np


def standardised(dataset, train=None):
    """A copy of a Dataset of rows in which each column is (x - shift) / scale.

    train   the Dataset whose columns give shift, their mean, and scale, their standard deviation; None:
            `dataset` itself. A constant column has the scale 1

    The copy has shift and scale as fields.
    """
    known = (dataset if train is None else train).x.astype(np.float64)
    shift, scale = known.mean(axis=0), known.std(axis=0)
    scale = np.where(scale > 1e-12 * np.abs(shift), scale, 1.0)
    x = ((dataset.x - shift) / scale).astype(np.float32)
    return replace(dataset, x=x, shift=shift, scale=scale)


def in_units(dataset, x):
    """The rows x in the units of the data set's file; x itself if the data set is not standardised."""
    if getattr(dataset, "shift", None) is None:  # an Unpaired or Augmented set has none
        return x
    return (x * dataset.scale + dataset.shift).astype(x.dtype)
