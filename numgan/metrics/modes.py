"""Modes: how many of the known modes a generator draws, how evenly, and how well.

A GAN that collapses draws few modes; one that does not converge draws between them; one that is too sure draws each mode too thin.
The first two are the usual figures (Srivastava et al. 2017, VEEGAN, section 4.1; Lin et al. 2018, PacGAN, section 4.1), which a generator
that draws the bare centres passes with full marks, so the third is measured too.
"""

from typing import NamedTuple

import numpy as np

from ..core.underflow import may_underflow
from .rows import labels as read_labels
from .rows import positive, rows, squared_distances, whole

RADIUS = 3.0  # standard deviations; VEEGAN, section 4.1


class ModeCoverage(NamedTuple):
    """What mode_coverage() says."""

    captured: int  # modes that are the nearest of at least one sample of high quality
    modes: int  # K
    high_quality: float  # share of the samples within 3 sigma of their nearest mode
    reverse_kl: float  # KL(histogram of these samples over the modes || uniform), nats; nan if there are none
    relative_std: np.ndarray  # (K,) their standard deviation in each mode over sigma; nan for fewer than two
    counts: np.ndarray  # (K,) how many they are


class LabelCoverage(NamedTuple):
    """What label_coverage() says."""

    captured: int  # classes with at least one sample
    modes: int  # K
    kl: float  # KL(histogram of the labels || uniform), nats
    counts: np.ndarray  # (K,) samples of each class


@may_underflow
def mode_coverage(points, centres, std):
    """A ModeCoverage of samples of a mixture of equal round Gaussians.

    points (N, D)    centres (K, D)    std: sigma of every mode on each axis, in the units of the points

    k(i) = argmin_k |x_i - c_k|                    x_i is of high quality if |x_i - c_k(i)| <= 3 sigma
    reverse KL = sum_k q_k log(K q_k)              q the shares of the modes among samples of high quality
    relative std_k = sqrt(mean over axes of the variance of the samples of high quality in mode k) / sigma

    True data in the plane: high quality 1 - exp(-9/2) = 0.98889, reverse KL about (K - 1) / (2 N), relative std 0.9744, which is
    below 1 because the tail beyond 3 sigma is cut off: sqrt(1 - 4.5 / (exp(4.5) - 1)). The papers draw 2,500 samples; rings and grids differ
    between papers, so name the mixture beside the figure.
    ValueError for shapes that do not fit, non-finite or empty samples, or std not above 0.
    Source: Srivastava et al. 2017 (VEEGAN), section 4.1; Lin et al. 2018 (PacGAN), section 4.1.
    """
    where = "mode_coverage"
    c = rows(where, "centres", centres)
    x = rows(where, "points", points, like=("centres", c))
    sigma = positive(where, "std", std)
    k = len(c)
    nearest, good = np.empty(len(x), np.int64), np.empty(len(x), bool)
    for span, d in squared_distances(x, c):
        nearest[span] = d.argmin(axis=1)
        good[span] = d.min(axis=1) <= (RADIUS * sigma) ** 2
    counts = np.bincount(nearest[good], minlength=k)
    spread = np.full(k, np.nan)
    for mode in np.flatnonzero(counts > 1):
        spread[mode] = np.sqrt(x[good & (nearest == mode)].var(axis=0, ddof=1).mean()) / sigma
    return ModeCoverage(
        int((counts > 0).sum()), k, float(good.mean()), _kl_to_uniform(counts), spread, counts
    )


@may_underflow
def label_coverage(labels, classes):
    """A LabelCoverage of N samples that a classifier has labelled.

    labels (N,) integers from 0 and below classes    classes K
    KL = sum_k q_k log(K q_k)    q_k the share of label k; 0 log 0 = 0

    Stacked MNIST: a picture of three digits a, b, c in its colour channels has label 100 a + 10 b + c, and K = 1000. Even N perfect uniform
    draws have a KL of about (K - 1) / (2 N): 0.0192 at the usual 26,000.
    ValueError for labels that are no integers, out of range or none, or classes below 1.
    Source: Metz et al. 2017 (unrolled GANs), section 3.3.1; Srivastava et al. 2017 (VEEGAN), section 4.2.
    """
    k = whole("label_coverage", "classes", classes, 1)
    counts = np.bincount(read_labels("label_coverage", "labels", labels, classes=k), minlength=k)
    return LabelCoverage(int((counts > 0).sum()), k, _kl_to_uniform(counts), counts)


def _kl_to_uniform(counts):
    if not counts.any():
        return float("nan")
    q = counts[counts > 0] / counts.sum()
    return max(0.0, float((q * np.log(len(counts) * q)).sum()))
