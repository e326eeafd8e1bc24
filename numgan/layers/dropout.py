"""Dropout: multiplication by a random mask, which belongs to the pass and not to the layer."""

import numpy as np

from .base import LinearMap


class Dropout(LinearMap):
    """y = x m / (1 - rate), m = 0 with probability `rate`, else 1 (Srivastava et al. 2014, section 4; scaled while training)

    The mask is drawn from the seed of the pass (`Run(seed=...)`): equal seeds, equal masks; no seed, no dropout.
    Raises ValueError unless 0 <= rate < 1.
    """

    def __init__(self, rate=0.5):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: expected 0 <= rate < 1 (the share that is dropped), got {rate}")
        self.rate = rate

    def apply(self, x, run):
        if run.seed is None or self.rate == 0:
            return x, None
        keep = run.rng().random(x.shape, dtype=np.float32) >= self.rate
        mask = keep * x.dtype.type(1 / (1 - self.rate))
        return x * mask, mask

    def again(self, tx, mask):
        return tx if mask is None else tx * mask

    transpose = again

    def arguments(self):
        return str(self.rate)
