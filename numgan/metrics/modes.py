"""Modes: how many known modes a generator draws, how evenly, and how good the samples of each mode are.

There are three failures. A collapsed GAN draws few modes. A GAN that does not converge draws samples between
the modes. A third GAN draws each mode too narrow. The usual metrics measure the first two failures
(Srivastava et al. 2017, VEEGAN, section 4.1; Lin et al. 2018, PacGAN, section 4.1). A generator that draws
only the centres of the modes is perfect by these metrics, so the width of the modes is measured too.
"""

from typing import NamedTuple

import numpy as np

from ..core.underflow import may_underflow
from .rows import labels as read_labels
from .rows import nearest, positive, rows, whole

RADIUS = 3.0  # standard deviations; VEEGAN, section 4.1


class ModeCoverage(NamedTuple):
    """The result of mode_coverage(). A sample of high quality lies within 3 sigma of its nearest mode.

    captured       the number of modes with at least one sample of high quality
    modes          K, the number of all modes
    high_quality   the share of the samples that are of high quality, from 0 to 1
    reverse_kl     KL(histogram of the samples of high quality over the modes || uniform), nats; nan if no
                   sample is of high quality
    relative_std   (K,) standard deviation of each mode's samples of high quality / sigma; nan for a mode with
                   fewer than two
    counts         (K,) number of samples of high quality in each mode
    """

    captured: int
    modes: int
    high_quality: float
    reverse_kl: float
    relative_std: np.ndarray
    counts: np.ndarray


class LabelCoverage(NamedTuple):
    """The result of label_coverage(): how many of K classes the samples have, and how evenly.

    captured   the number of classes with at least one sample
    modes      K, the number of all classes
    kl         KL(histogram of the labels || uniform), nats
    counts     (K,) number of samples of each class
    """

    captured: int
    modes: int
    kl: float
    counts: np.ndarray


@may_underflow
def mode_coverage(points, centres, std):
    """The ModeCoverage of samples: which modes of a known mixture of Gaussians they have, and how well.

    The Gaussians have equal weight and the same standard deviation sigma along each axis. The result is the
    named tuple ModeCoverage(captured, modes, high_quality, reverse_kl, relative_std, counts): the number of
    modes with a sample of high quality; K; the share of the samples that are of high quality; the reverse KL
    and the relative std (K,) of the formulas; the number (K,) of samples of high quality in each mode.

    points x (N, D)    the samples
    centres c (K, D)   the centres of the modes
    std                sigma of every mode along each axis, in the units of the points

    k(i) = argmin_k |x_i - c_k|                    x_i is of high quality if |x_i - c_k(i)| <= 3 sigma
    reverse KL = sum_k q_k log(K q_k)              q the shares of the modes among samples of high quality
    relative std_k = sqrt(mean over axes of the variance of the samples of high quality in mode k) / sigma

    Without a sample of high quality the reverse KL is nan; with fewer than two in mode k, relative std_k is
    nan. True data in the plane have high quality 1 - exp(-9/2) = 0.98889, reverse KL about (K - 1) / (2 N),
    and relative std sqrt(1 - 4.5 / (exp(4.5) - 1)) = 0.9744; this is below 1 because the tail beyond 3 sigma
    is cut off. The papers draw 2,500 samples. Rings and grids differ between papers, so name the mixture
    beside the result.

    Raises ValueError for shapes that do not fit, non-finite or empty samples, or std not in [1e-15, 1e15].
    Source: Srivastava et al. 2017 (VEEGAN), section 4.1; Lin et al. 2018 (PacGAN), section 4.1.
    """
    where = "mode_coverage"
    c = rows(where, "centres", centres)
    x = rows(where, "points", points, like=("centres", c))
    sigma = positive(where, "std", std)
    k = len(c)
    assigned, distance = nearest(x, c)
    good = distance <= (RADIUS * sigma) ** 2  # distance is squared
    counts = np.bincount(assigned[good], minlength=k)
    spread = np.full(k, np.nan)
    for mode in np.flatnonzero(counts > 1):  # a variance needs two samples
        spread[mode] = np.sqrt(x[good & (assigned == mode)].var(axis=0, ddof=1).mean()) / sigma
    return ModeCoverage(
        int((counts > 0).sum()), k, float(good.mean()), _kl_to_uniform(counts), spread, counts
    )


@may_underflow
def label_coverage(labels, classes):
    """The LabelCoverage of N samples: how many of K classes they have, and how evenly.

    It is the named tuple (captured, modes, kl, counts): the number of classes with a sample, K, KL in nats,
    and the number of samples of each class (K,).

    labels (N,)   the class that a classifier gave to each sample, integers from 0 to K - 1
    classes       K, the number of classes

    KL = sum_k q_k log(K q_k)    q_k the share of label k; 0 log 0 = 0

    Stacked MNIST: a picture with digits a, b, c in its three colour channels has label 100 a + 10 b + c, and
    K = 1000. N uniform draws have a KL of about (K - 1) / (2 N), not 0: 0.0192 for the usual N = 26,000.

    Raises ValueError for labels that are not integers, out of range or empty, or classes below 1.
    Source: Metz et al. 2017 (unrolled GANs), section 3.3.1; Srivastava et al. 2017 (VEEGAN), section 4.2.
    """
    k = whole("label_coverage", "classes", classes, 1)
    counts = np.bincount(read_labels("label_coverage", "labels", labels, classes=k), minlength=k)
    return LabelCoverage(int((counts > 0).sum()), k, _kl_to_uniform(counts), counts)


def _kl_to_uniform(counts):
    """KL(q || uniform) = sum_k q_k log(K q_k) in nats, a float, for the shares q of `counts` (K,).

    0 log 0 counts as 0. nan if all counts are 0; a result below 0, from rounding, becomes 0.
    """
    if not counts.any():
        return float("nan")
    q = counts[counts > 0] / counts.sum()
    return max(0.0, float((q * np.log(len(counts) * q)).sum()))
