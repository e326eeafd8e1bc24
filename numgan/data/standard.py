"""Standardised rows: each column of a table gets mean 0 and standard deviation 1, and can be turned back.

train = standardised(train)              x becomes (x - shift) / scale, column by column: every entry of
                                         a row of any shape has its own shift and scale
test = standardised(test, train)         with the shift and the scale of the training part
in_units(train, samples)                 samples * scale + shift: the units of the file
"""

import warnings
from dataclasses import replace

import numpy as np

COARSE = 0.01  # of the range of a column: larger steps between its float32 numbers are reported


def standardised(dataset, train=None):
    """A copy of a Dataset of rows in which each column is (x - shift) / scale.

    dataset   the Dataset, whose x (N, ...) is float32
    train     the Dataset whose columns give shift, their mean, and scale, their standard deviation; None:
              `dataset` itself. A constant column has the scale 1

    A column is one entry of a row of any shape. The copy has shift and scale as fields, float64 arrays of the
    shape of a row; its x is float32.
    """
    known = (dataset if train is None else train).x.astype(np.float64)
    shift, scale = known.mean(axis=0), known.std(axis=0)
    # a constant column: its standard deviation is 0, or a rounding error of about 1e-16 |shift|
    scale = np.where(scale > 1e-12 * np.abs(shift), scale, 1.0)
    x = ((dataset.x - shift) / scale).astype(np.float32)
    return replace(dataset, x=x, shift=shift, scale=scale)


def in_units(dataset, x):
    """The rows x (N, ...) in the units of the data set's file: x * scale + shift, in the dtype of x.

    dataset   the data set with the fields shift and scale. Returns x itself if it is not standardised
    """
    if getattr(dataset, "shift", None) is None:  # an Unpaired or Augmented set has none
        return x
    return (x * dataset.scale + dataset.shift).astype(x.dtype)


def warn_of_coarse(dataset, x):
    """Warn of the first column of x whose numbers are large and differ by too little for float32.

    dataset   the Dataset made of x; its name of the column and its source stand in the warning
    x         an array (N, ...) as the file has it; only float64 and 64-bit integers are looked at

    In such a column the distance between neighbouring float32 numbers, at the largest absolute value, is more
    than COARSE (1%) of the range of the column.
    """
    if x.dtype not in (np.float64, np.int64, np.uint64):  # the others are float32, or their steps fit
        return
    columns = x.reshape(len(x), -1).astype(np.float64, copy=False)
    with np.errstate(under="ignore"):
        step = np.spacing(np.abs(columns).max(axis=0).astype(np.float32))
    span = np.ptp(columns, axis=0)
    # step > 1e-30: the numbers near the smallest ones of float32 are not meant
    coarse = np.flatnonzero((span > 0) & (step > COARSE * span) & (step > 1e-30))
    if len(coarse):
        k = coarse[0]
        name = repr(dataset.column_names[k]) if dataset.column_names else f"{k}, counted from 0,"
        warnings.warn(
            f"{dataset.source}: the column {name} has numbers up to {np.abs(columns[:, k]).max():.6g} that "
            f"differ by at most {span[k]:.2g}; float32 has steps of {step[k]:.2g} there: subtract a "
            "constant, such as the smallest of them, before you save the file",
            stacklevel=3,  # the caller of numgan.data.load
        )
