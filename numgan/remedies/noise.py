"""Noise on what D learns from: on the samples that it sees, and on the labels that it is told."""

import numpy as np

from ..core.arguments import expect_rng, expect_samples, is_number, not_negative
from ..core.underflow import may_underflow

SOFT = (
    (0.0, 0.3),
    (0.7, 1.2),
)  # between which soft labels of fakes and of real samples lie (Chintala et al. 2016, point 6)


@may_underflow
def noisy(x, std, rng):
    """x + std e, e ~ N(0, 1) for each entry: instance noise (Sonderby et al. 2017; Arjovsky and Bottou 2017, section 3)

    Two distributions on thin sets, which D can tell apart at once, overlap when noise is added to both; then G has a gradient to follow. The
    derivative in x is the identity. Give real samples, fakes and every turn a stream of their own.
    TypeError for an x that is not an array of floats, ValueError for an empty one or a std that is negative or not finite.
    """
    expect_samples("noisy", x=x)
    expect_rng("noisy", rng)
    not_negative(std, "noisy std")
    return x + (std * rng.standard_normal(x.shape)).astype(x.dtype) if std else x


@may_underflow
def drawn_labels(real, shape, rng, smooth=1.0, soft=False, flip=0.0, dtype=np.float32):
    """Labels t (shape) of samples that are all real (1) or all fake (0): smooth, drawn from ranges, and a share of them exchanged.

    smooth    the label of a real sample (one-sided: Salimans et al. 2016, section 3.4)
    soft      t uniform between the ends that SOFT says, instead
    flip      the probability that a sample is given a label of the other kind

    ValueError unless smooth and flip are from 0 to 1.
    """
    expect_rng("drawn_labels", rng)
    if not (is_number(smooth) and smooth <= 1 and is_number(flip) and flip <= 1):
        raise ValueError(
            f"drawn_labels: expected smooth and flip as numbers from 0 to 1, got {smooth!r} and {flip!r}; a label is 1 at most, "
            "unless it is soft, and flip is a share"
        )
    ends = SOFT if soft else ((0.0, 0.0), (smooth, smooth))
    taken_for_real = (rng.random(shape) < flip) != real
    low, high = (np.where(taken_for_real, one, zero) for zero, one in zip(*ends))
    return (low + (high - low) * rng.random(shape)).astype(dtype)
