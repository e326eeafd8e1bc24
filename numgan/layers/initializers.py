"""Initialisers: functions init(rng, shape, fan_in, fan_out) that return the initial values of a weight.

The result is a float64 array of `shape`, and rng is a numpy Generator. fan_in is the number of inputs of one
output of the layer, fan_out the number of outputs of one input (see `fans`).
`he` and `glorot` are initialisers. `normal(0.02)`, `uniform(0.05)`, `constant(1.0)` and `orthogonal()` each
return an initialiser.
"""

from dataclasses import dataclass

import numpy as np


def fans(shape, transposed=False):
    """(fan_in, fan_out), two ints, of a weight of `shape` (I, O) or (KH, KW, I, O), from I to O channels.

    fan_in       number of inputs of one output: I, or KH KW I
    fan_out      number of outputs of one input: O, or KH KW O
    transposed   True: the weight has the shape (KH, KW, O, I), as in a transposed convolution; False by
                 default
    """
    taps = int(np.prod(shape[:-2]))  # KH KW, the positions of the kernel; 1 for the shape (I, O)
    fan_in = taps * shape[-2]
    fan_out = taps * shape[-1]
    return (fan_out, fan_in) if transposed else (fan_in, fan_out)


@dataclass(frozen=True)
class normal:
    """Initialiser: every entry is drawn from the normal distribution with this `mean` and `std`.

    normal(std=0.02, mean=0) are the defaults: DCGAN uses N(0, 0.02^2) (Radford et al. 2016, section 4).
    """

    std: float = 0.02
    mean: float = 0.0

    def __call__(self, rng, shape, fan_in, fan_out):
        return rng.normal(self.mean, self.std, shape)


@dataclass(frozen=True)
class uniform:
    """Initialiser: every entry is drawn uniformly from -limit to limit."""

    limit: float

    def __call__(self, rng, shape, fan_in, fan_out):
        return rng.uniform(-self.limit, self.limit, shape)


@dataclass(frozen=True)
class constant:
    """Initialiser: the same `value` in every entry."""

    value: float

    def __call__(self, rng, shape, fan_in, fan_out):
        return np.full(shape, float(self.value))


def he(rng, shape, fan_in, fan_out):
    """Initialiser: a float64 array of `shape`, normal, with mean 0 and variance 2 / fan_in.

    rng is a numpy Generator, and fan_in the number of inputs of one output of the layer; a fan_in of 0 counts
    as 1. fan_out is not used (He et al. 2015, eq. 10). This variance keeps the variance of the activations
    through ReLU layers.
    """
    return rng.normal(0, np.sqrt(2 / max(fan_in, 1)), shape)


def glorot(rng, shape, fan_in, fan_out):
    """Initialiser: a float64 array of `shape`, uniform on (-a, a), a = sqrt(6 / (fan_in + fan_out)).

    rng is a numpy Generator, fan_in the number of inputs of one output of the layer, and fan_out the number
    of outputs of one input. If both are 0, a = sqrt(6) (Glorot and Bengio 2010, eq. 16).
    """
    limit = np.sqrt(6 / max(fan_in + fan_out, 1))
    return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class orthogonal:
    """Initialiser: `gain` (1 by default) times a random matrix with orthonormal rows or columns.

    It is that of Saxe et al. 2014, for weights of any shape.

    For the matrix, the last axis of the weight gives the columns, and all other axes together give the rows.
    If there are more columns than rows, the rows are orthonormal; otherwise the columns are.
    """

    gain: float = 1.0

    def __call__(self, rng, shape, fan_in, fan_out):
        # A float64 array of `shape`, drawn with the numpy Generator rng; fan_in and fan_out are not used.
        rows = int(np.prod(shape[:-1]))
        columns = shape[-1]
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))  # q r is unique with a positive diagonal of r; then q is uniform
        return self.gain * (q if rows >= columns else q.T).reshape(shape)
