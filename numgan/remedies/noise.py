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
    """The samples x (N, ...) with instance noise for D: x + std e, with e ~ N(0, 1) for each entry.

    std is the standard deviation of the noise, rng the numpy Generator that draws it. Source: Sonderby et al.
    2017; Arjovsky and Bottou 2017, section 3. Without noise D can separate two distributions on
    low-dimensional sets without error, and then G's gradient vanishes. With noise the two distributions
    overlap, and G has a useful gradient. The derivative of the result with respect to x is the identity. Use
    different random streams for real samples, for fakes and for each step. If std is 0, x itself is returned.
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

    real      True: the samples are real, and their label is `smooth`; False: they are fakes, their label is 0
    smooth    the label of real samples, 1 by default (less than 1 is one-sided smoothing: Salimans et al.
              2016, section 3.4)
    soft      True: a label is uniform in 0..0.3 for fakes and in 0.7..1.2 for real samples, and `smooth` has
              no effect
    flip      the probability that a real sample gets the label of a fake, or a fake that of a real sample;
              0 by default
    rng       the numpy Generator that draws
    dtype     the dtype of the labels, float32 by default

    Raises ValueError unless smooth and flip are from 0 to 1 and rng is a numpy Generator.
    """
    expect_rng("drawn_labels", rng)
    if not (is_number(smooth) and smooth <= 1 and is_number(flip) and flip <= 1):
        raise ValueError(
            f"drawn_labels: expected smooth and flip as numbers from 0 to 1, got {smooth!r} and {flip!r}; "
            "smooth is a label, and flip a probability"
        )
    ranges = SOFT if soft else ((0.0, 0.0), (smooth, smooth))
    labelled_real = (rng.random(shape) < flip) != real  # != is "exclusive or": a flip negates `real`
    # zip(*ranges) gives (low of fakes, low of real), (high of fakes, high of real); a label is in low..high
    low, high = (np.where(labelled_real, one, zero) for zero, one in zip(*ranges))
    return (low + (high - low) * rng.random(shape)).astype(dtype)


@may_underflow
@dataclass(frozen=True)
class InstanceNoise(Remedy):
    """Remedy: normal noise on the inputs of D, in D's step and in G's step (see `noisy`).

    noise    the standard deviation at the first step; it falls linearly to 0; 0: no noise
    anneal   the number of steps after which the standard deviation is 0; 0 means all steps of the game

    Raises ValueError for a negative noise or anneal, or an anneal that is not an integer.
    """

    noise: float = 0.1
    anneal: int = 0
    checks = {"noise": not_negative, "anneal": Whole().expect}

    def input(self, x, where, game, seed):
        """x (N, ...) with noise from `seed`, of the standard deviation at the step game.now.

        where: "real" or "fake"; the two get different noise.
        """
        std = Linear(self.noise, 0.0, self.anneal or game.steps)(game.now)
        return noisy(x, std, stream(seed, "noise on", where))


@may_underflow
@dataclass(frozen=True)
class NoisyLabels(Remedy):
    """Remedy: smoothed, soft or flipped labels in D's loss.

    smooth    the label of real samples
    soft      True: labels are uniform in 0..0.3 for fakes and in 0.7..1.2 for real samples
    flip      the probability that a sample gets a label of the other sort

    Raises ValueError unless smooth and flip are from 0 to 1 and soft is a bool.
    """

    smooth: float = 0.9
    soft: bool = False
    flip: float = 0.0
    checks = {"smooth": share, "soft": Flag().expect, "flip": share}

    def loss(self, loss, where, game, seed):
        """The loss of D with drawn labels, as a function: logits (N, 1) -> (loss, dlogits).

        The function draws a label for each logit from `seed`, and returns the loss `Labelled` of game.loss
        for these labels, and its derivative. where: "real" or "fake", the sort of the samples. The argument
        `loss` is not used.
        """

        def labelled(logit):  # t: a label for each logit
            rng = stream(seed, "labels of", where)
            t = drawn_labels(
                where == "real", logit.shape, rng, self.smooth, self.soft, self.flip, logit.dtype
            )
            return Labelled(game.loss)(logit, t)

        return labelled
