"""Dropout multiplies the entries of x by a random mask. Noise adds random numbers to the entries of x.

The random numbers depend on the seed of the pass, `Pass(seed=...)`. Without a seed both layers are off.
"""

import numpy as np

from ..core.arguments import is_number, plain
from .base import LinearMap


class Dropout(LinearMap):
    """y = x m / (1 - rate), m = 0 with probability `rate`, else 1          x, y of any shape

    The mask m has one entry for each entry of x. It is drawn from the seed of the pass, `Pass(seed=...)`, and
    from the layer's path in the network. The same seed gives the same mask. Without a seed, as in sampling,
    y = x. Training passes divide by 1 - rate; Srivastava et al. 2014, section 4, multiply by it at test time
    instead. `rate` is 0.5 by default.
    Raises TypeError if x is not an array of floats, ValueError unless 0 <= rate < 1.
    """

    shown = ("rate",)

    def __init__(self, rate=0.5):
        if not is_number(rate, 0, 1):
            raise ValueError(
                f"Dropout: expected 0 <= rate < 1 (the share that is dropped), got {rate!r}; "
                "the default is 0.5"
            )
        self.rate = plain(rate)

    def apply(self, x, context):
        # (x m / (1 - rate), m / (1 - rate)) with a mask m that is drawn; (x, None) if Dropout is off.
        if context.seed is None or self.rate == 0:
            return x, None
        keep = context.rng().random(x.shape, dtype=np.float32) >= self.rate  # True with probability 1 - rate
        mask = keep * x.dtype.type(1 / (1 - self.rate))
        return x * mask, mask

    def apply_to_tangent(self, tx, mask):  # a mask of None: Dropout was off in the forward pass
        return tx if mask is None else tx * mask

    transpose = apply_to_tangent


class Noise(LinearMap):
    """y = x + std e, e ~ N(0, 1) for each entry          x, y of any shape

    Chintala et al. 2016, point 13, put such noise into layers of G. e is drawn from the seed of the pass,
    `Pass(seed=...)`. Without a seed y = x. e does not depend on x, so dx = dy, ty = tx and tdx = tdy.
    Raises TypeError if x is not an array of floats, ValueError unless std is a finite number >= 0.
    """

    shown = ("std",)

    def __init__(self, std):
        if not is_number(std):
            raise ValueError(f"Noise: expected a finite std >= 0, got {std!r}; 0 means no noise")
        self.std = plain(std)

    def apply(self, x, context):
        if context.seed is None or self.std == 0:
            return x, None
        return x + (self.std * context.rng().standard_normal(x.shape)).astype(x.dtype), None

    def apply_to_tangent(self, tx, cache):
        return tx

    transpose = apply_to_tangent
