"""Distances between two sets of features, and the Inception score.

The caller computes the features with a network. Name this network with every result, because results from the
features of different networks cannot be compared.
"""

import numpy as np

from ..core.underflow import may_underflow
from .rows import pair, positive, real_array, rows, spans, squared_distances, whole


@may_underflow
def frechet_distance(real, fake):
    """The Frechet distance of two Gaussians, each fitted to one set of features: d^2, a float.

    For features of the Inception network (pool3), this is the FID.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2)    m means, S covariances (sums divided by N - 1, M - 1)

    real (N, D), fake (M, D)   the features, N and M at least 2; d^2 is in their squared units

    For small N, the mean of d^2 is too large by about D / N: compare only values of the same N. Covariances
    may be singular (N <= D).

    Raises ValueError for shapes that do not fit, too few samples, or non-finite input.
    Source: Heusel et al. 2017, section 4; Dowson and Landau 1982.
    """
    x, y = pair("frechet_distance", real, fake, least=2)
    return _frechet(x.mean(axis=0), _covariance(x), y.mean(axis=0), _covariance(y))


@may_underflow
def frechet_gaussians(mean1, cov1, mean2, cov2):
    """The Frechet distance d^2, a float, of two Gaussians with given means and covariances.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2)    m means, S covariances

    mean1, mean2 (D,)      the means
    cov1, cov2 (D, D)      the covariances: symmetric, with no eigenvalue below 0 (except for rounding)

    Raises ValueError for other shapes, a matrix that is no covariance, or non-finite input.
    Source: Dowson and Landau 1982; Heusel et al. 2017, section 4.
    """
    where = "frechet_gaussians"
    moments = {}
    for name, a in {"mean1": mean1, "cov1": cov1, "mean2": mean2, "cov2": cov2}.items():
        shape = "(D,)" if name.startswith("mean") else "(D, D)"
        moments[name] = real_array(where, name, a, shape).astype(np.float64)
    d = moments["mean1"].size
    for (name, a), shape in zip(moments.items(), 2 * ((d,), (d, d))):  # mean, covariance, mean, covariance
        if a.shape != shape:
            raise ValueError(
                f"{where}: expected {name} {shape}, as mean1 has {d} numbers, got {a.shape}; give moments of "
                "the same features"
            )
    for name in ("cov1", "cov2"):
        c = moments[name]
        size = np.abs(c).max()
        smallest, *_ = np.linalg.eigvalsh(c)  # the eigenvalues, in rising order
        # 1e-6: more than the rounding of covariances in float32
        if np.abs(c - c.T).max() > 1e-6 * size or smallest < -1e-6 * size:
            raise ValueError(
                f"{where}: expected {name} symmetric without negative eigenvalues, got another matrix; "
                f"np.cov(features, rowvar=False) makes one"
            )
    return _frechet(*moments.values())


def _covariance(x):
    """The covariance matrix (D, D) of the rows x (N, D): centred' centred / (N - 1)."""
    centred = x - x.mean(axis=0)
    return centred.T @ centred / (len(x) - 1)


def _frechet(m1, s1, m2, s2):
    """The Frechet distance d^2, a float, of two Gaussians.

    m1, m2 (D,)      their means
    s1, s2 (D, D)    their covariances S1, S2

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr (S1 S2)^1/2. The last trace is the sum of the square roots of
    the eigenvalues of S1 S2. A result below 0, from rounding, becomes 0.
    """
    # S1 = R R' with R = V diag(sqrt(values)): R' S2 R has the eigenvalues of S1 S2 and is symmetric, so its
    # eigenvalues are real
    values, vectors = np.linalg.eigh(s1)
    root = vectors * np.sqrt(_cleared(values))  # R
    product = root.T @ s2 @ root
    shared = np.sqrt(_cleared(np.linalg.eigvalsh((product + product.T) / 2))).sum()
    return max(0.0, float(((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * shared))


def _cleared(eigenvalues):
    """A copy of the `eigenvalues` (D,) in which negative ones and rounding errors are 0.

    An eigenvalue counts as a rounding error up to D machine epsilons of the largest absolute value. The
    square root would enlarge a rounding error: the root of 1e-16 is 1e-8, and there may be many.
    """
    rounding = len(eigenvalues) * np.finfo(np.float64).eps * np.abs(eigenvalues).max()
    return np.where(eigenvalues > rounding, eigenvalues, 0.0)


@may_underflow
def inception_score(probabilities, splits=1):
    """The Inception score: (mean, standard deviation) of the scores of all splits. A score is from 1 to K.

    score of a split = exp(mean_i KL(p(y|x_i) || p(y)))    p(y) the mean of p(y|x_i) in the split

    probabilities (N, K)   the classifier's probabilities of K classes for each sample; every row sums to 1
    splits                 number of splits, consecutive parts of the rows whose sizes differ by at most one
                           row; 1 by default

    The score is K for certain and evenly spread predictions, 1 if all predictions are equal. A generator of
    one perfect picture for each class has the best score, so report the score with a metric of modes. With
    one split the standard deviation is 0.

    Raises ValueError for rows that are no probabilities (within 1e-3), splits below 1 or above N, or
    non-finite or empty input.
    Source: Salimans et al. 2016, section 4 (10 splits of 50,000 samples).
    """
    p = rows("inception_score", "probabilities", probabilities)
    parts = whole("inception_score", "splits", splits, 1, len(p))
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            "inception_score: expected probabilities not below 0 with rows that sum to 1, "
            f"got numbers from {p.min():.4g} and sums from {p.sum(axis=1).min():.4g} to "
            f"{p.sum(axis=1).max():.4g}; give logits to a softmax first"
        )
    scores = [np.exp(_mutual_information(part)) for part in np.array_split(p, parts)]
    return float(np.mean(scores)), float(np.std(scores))


def _mutual_information(p):
    """The mean of KL(p_i || mean p) over the rows p_i of p (N, K), where mean p is the mean row."""
    ratio = np.divide(p, p.mean(axis=0), out=np.ones_like(p), where=p > 0)  # 0 log 0 = 0
    return (p * np.log(ratio)).sum(axis=1).mean()


@may_underflow
def kid(real, fake):
    """The kernel Inception distance: the unbiased MMD^2 with the kernel k(a, b) = (a.b / D + 1)^3, a float.

    real (M, D), fake (N, D)    features, at least 2 rows of each

    The formula of MMD^2 is that of `mmd`. For equal distributions its mean is 0 at any number of samples, so
    about half of the values are negative. This function uses all pairs at once. The paper averages over
    subsets: that has the same mean and a larger variance.

    Raises ValueError for shapes that do not fit, too few samples, or non-finite input.
    Source: Binkowski et al. 2018, section 4.
    """
    x, y = pair("kid", real, fake, least=2)
    return _unbiased_mmd(x, y, _cubic)


@may_underflow
def mmd(real, fake, sigma):
    """The unbiased squared maximum mean discrepancy MMD^2 with a Gaussian kernel, a float.

    k(a, b) = exp(-|a - b|^2 / (2 sigma^2))
    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

    real x (M, D), fake y (N, D)    samples or features, at least 2 rows of each
    sigma                           the width of the kernel, in the units of the samples; a usual choice is
                                    the median distance of two rows

    For equal distributions the mean of MMD^2 is 0, so it may be negative.

    Raises ValueError for shapes that do not fit, too few samples, non-finite input, or sigma not in
    [1e-15, 1e15].
    Source: Gretton et al. 2012, lemma 6.
    """
    x, y = pair("mmd", real, fake, least=2)
    rate = -0.5 / positive("mmd", "sigma", sigma) ** 2  # k(a, b) = exp(rate |a - b|^2)
    return _unbiased_mmd(x, y, lambda a, b: ((span, np.exp(rate * d)) for span, d in squared_distances(a, b)))


def _cubic(a, b):
    """Yield (span, k), where k holds (a_i.b_j / D + 1)^3 for the rows i in the slice `span`, and all rows j.

    a is (M, D), b is (N, D), and k is (rows in span, N).
    """
    for span in spans(len(a), len(b)):
        k = a[span] @ b.T / a.shape[1] + 1
        yield span, k * k * k


def _unbiased_mmd(x, y, kernel):
    """The unbiased MMD^2, a float, of the rows x (M, D) and y (N, D).

    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

    kernel(a, b) yields pairs (span, k). k is an array with k(a_i, b_j) for the rows i in the slice `span`,
    and all rows j.
    """

    def within(a):
        """The mean of k over all pairs of different rows of a."""
        total = 0.0
        for span, k in kernel(a, a):
            # a row forms no pair with itself, which makes the estimate unbiased
            np.fill_diagonal(k[:, span], 0)
            total += k.sum()
        return total / (len(a) * (len(a) - 1))

    across = sum(k.sum() for _, k in kernel(x, y)) / (len(x) * len(y))
    return float(within(x) + within(y) - 2 * across)
