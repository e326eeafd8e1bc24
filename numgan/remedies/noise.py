"""Noise on the inputs of D (instance noise) and on the labels real and fake in D's loss."""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import expect_rng, expect_samples, is_number, not_negative, share
from ..core.fields import Flag, Whole
from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..losses import Labelled
from ..optimizers.schedules import Linear
from .remedy import Remedy

# Ranges of soft labels: for fakes, then for real samples (Chintala et al. 2016, point 6)
SOFT = (0.0, 0.3), (0.7, 1.2)


@may_underflow
def noisy(x, std, rng):
    """Add instance noise to samples x (N, ...): x + std e, with e ~ N(0, 1) for each entry. A new array.

    x     an array of floats: real samples or fakes, the inputs of D
    std   the standard deviation of the noise. If it is 0, x itself is returned
    rng   a numpy Generator. Use different streams for real samples, for fakes and for each step

    Source: Sonderby et al. 2017; Arjovsky and Bottou 2017, section 3. Without noise D can separate two
    distributions on low-dimensional sets without error, and then G's gradient vanishes. With noise the two
    distributions overlap, and G has a useful gradient. The derivative of the result with respect to x is the
    identity.

    Raises TypeError for an x that is not an array of floats. Raises ValueError for an empty x, an rng that is
    not a numpy Generator, or a std that is negative or not finite.
    """
    expect_samples("noisy", x=x)
    expect_rng("noisy", rng)
    not_negative(std, "noisy std")
    return x + (std * rng.standard_normal(x.shape)).astype(x.dtype) if std else x


@may_underflow
def drawn_labels(real, shape, rng, smooth=1.0, soft=False, flip=0.0, dtype=np.float32):
    """Draw labels for D's loss, for samples that are all real or all fake. Returns an array of `shape`.

    real     True: the samples are real, and their label is `smooth`; False: they are fakes, their label is 0
    smooth   the label of real samples (one-sided smoothing: Salimans et al. 2016, section 3.4)
    soft     True: a label is uniform in 0..0.3 for fakes and in 0.7..1.2 for real samples, and `smooth` has
             no effect
    flip     the probability that a real sample gets the label of a fake, or a fake that of a real sample

    Raises ValueError unless smooth and flip are from 0 to 1 and rng is a numpy Generator. dtype is the dtype
    of the result.
    """
    expect_rng("drawn_labels", rng)
    if not (is_number(smooth) and smooth <= 1 and is_number(flip) and flip <= 1):
        raise ValueError(
            f"drawn_labels: expected smooth and flip as numbers from 0 to 1, got {smooth!r} and {flip!r}; "
            "smooth is a label, and flip a probability"
        )
    ranges = SOFT if soft else ((0.0, 0.0), (smooth, smooth))
    labelled_real = (rng.random(shape) < flip) != real
    low, high = (np.where(labelled_real, one, zero) for zero, one in zip(*ranges))
    return (low + (high - low) * rng.random(shape)).astype(dtype)


@may_underflow
@dataclass(frozen=True)
class InstanceNoise(Remedy):
    """Remedy: normal noise on the inputs of D, in D's step and in G's step (see `noisy`).

    noise    the standard deviation at the first step; it falls linearly to 0
    anneal   the number of steps after which the standard deviation is 0; 0 means all steps of the game
    """

    noise: float = 0.1
    anneal: int = 0
    checks = {"noise": not_negative, "anneal": Whole().expect}

    def input(self, x, where, game, seed):
        std = Linear(self.noise, 0.0, self.anneal or game.steps)(game.now)
        return noisy(x, std, stream(seed, "noise on", where))


@may_underflow
@dataclass(frozen=True)
class NoisyLabels(Remedy):
    """Remedy: D's loss gets smoothed, soft or flipped labels in place of 1 for real samples and 0 for fakes.

    smooth   the label of real samples
    soft     True: labels are uniform in 0.7..1.2 for real samples and in 0..0.3 for fakes
    flip     the probability that a sample gets the label of the other kind

    `drawn_labels` draws the labels.
    """

    smooth: float = 0.9
    soft: bool = False
    flip: float = 0.0
    checks = {"smooth": share, "soft": Flag().expect, "flip": share}

    def loss(self, loss, where, game, seed):
        def labelled(logit):
            rng = stream(seed, "labels of", where)
            t = drawn_labels(
                where == "real", logit.shape, rng, self.smooth, self.soft, self.flip, logit.dtype
            )
            return Labelled(game.loss)(logit, t)

        return labelled
