"""Pack: D gets several samples together, so D can detect that G draws only a few of the data's modes."""

import numpy as np

from ..core.arguments import positive
from .base import expect
from .shaping import Move


class Pack(Move):
    """x (m N, ..., C) -> y (N, ..., m C): each group of m consecutive samples becomes one sample of y.

    The m samples are concatenated along the last axis: row i of y holds the samples m i to m i + m - 1. Pack
    is the first layer of a D that judges m samples at once (Lin et al. 2018, section 3). Only the layer after
    Pack has more weights. Pack(1) is the identity.

    Why it helps: let P be the distribution of the data, Q that of G, and P^m and Q^m those of m samples. The
    total variation distance between P^m and Q^m is never below that between P and Q. It grows faster with m
    for a Q that lacks modes of P than for a Q without mode collapse.

    Raises TypeError if x is not an array of floats; ValueError if the number of samples is not a multiple of
    m.
    """

    shown = ("m",)

    def __init__(self, m):
        self.m = positive(m, "Pack m")

    @property
    def mixes_samples(self):
        return self.m > 1

    def output_shape(self, shape):
        return *shape[:-1], self.m * shape[-1]

    def apply(self, x, context):
        # (y, None): y (N, ..., m C) from x (m N, ..., C). Raises ValueError unless m divides the batch.
        expect(
            self,
            x.ndim > 1 and len(x) % self.m == 0,
            f"of {self.m} N samples",
            x,
            "choose a batch size that is a multiple of it",
        )
        # (N, m, ..., C) -> (N, ..., m, C) -> (N, ..., m C)
        packs = x.reshape(len(x) // self.m, self.m, *x.shape[1:])
        return np.ascontiguousarray(np.moveaxis(packs, 1, -2)).reshape(
            len(packs), *self.output_shape(x.shape[1:])
        ), None

    def transpose(self, dy, cache):
        # dx (m N, ..., C) from dy (N, ..., m C): every number moves back to its place.
        # the way back: (N, ..., m C) -> (N, ..., m, C) -> (N, m, ..., C) -> (m N, ..., C)
        packs = dy.reshape(*dy.shape[:-1], self.m, dy.shape[-1] // self.m)
        return np.ascontiguousarray(np.moveaxis(packs, -2, 1)).reshape(
            self.m * len(dy), *dy.shape[1:-1], dy.shape[-1] // self.m
        )
