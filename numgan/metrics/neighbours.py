"""Metrics by nearest neighbours: are samples near real samples, and are real samples near generated ones?

There are two failures, and a Frechet distance is one number for both. Precision and density measure the first
failure: generated samples that are unlike every real one. Recall and coverage measure the second: real
samples that are unlike every generated one. The nearest-neighbour classifier measures both failures at once,
with labels. `ndb` divides the space into bins, and shows in which bins the two sets differ.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from ..core.arguments import is_number
from ..core.randomness import stream
from ..core.underflow import may_underflow
from .rows import enlarged, nearest, pair, rows, squared_distances, whole
from .rows import labels as read_labels

ROUNDS = 50  # largest number of k-means iterations; k-means stops earlier if no row changes its bin


class PrecisionRecall(NamedTuple):
    """The result of precision_recall(): two shares, from 0 to 1.

    precision   the share of the generated samples that lie in at least one ball around a real sample
    recall      the share of the real samples that lie in at least one ball around a generated sample

    The radius of a ball is the distance from its centre to the k-th nearest other sample of the same set.
    """

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """The result of density_coverage(): two numbers about balls around the real samples.

    density    the mean number of balls in which a generated sample lies, divided by k; may be above 1
    coverage   the share of the balls with a generated sample in them

    The radius of a ball is the distance from its real sample to the k-th nearest other real sample.
    """

    density: float
    coverage: float


class NDB(NamedTuple):
    """The result of ndb(), the comparison of two sets by their shares in K bins.

    different    the number of bins whose two shares differ significantly
    bins         K
    js           Jensen-Shannon divergence of the two histograms, nats
    real, fake   (K,) each: the shares of the real and of the generated samples in the bins
    """

    different: int
    bins: int
    js: float
    real: np.ndarray
    fake: np.ndarray


@may_underflow
def precision_recall(real, fake, k=3):
    """The PrecisionRecall of two sets: the share of each set that lies near the other set.

    precision = share of fake y with |y - x_i| <= r_k(x_i) for some real x_i
    recall    = share of real x with |x - y_j| <= r_k(y_j) for some fake y_j

    r_k(x_i) is the distance from x_i to the k-th nearest other x: the radius of a ball around x_i. r_k(y_j)
    is the distance from y_j to the k-th nearest other y. k is 3 by default.

    real x (N, D), fake y (M, D)    features, or samples whose distances are meaningful; more than k of each

    Raises ValueError for shapes that do not fit, too few samples, k below 1, or non-finite input.
    Source: Kynkaanniemi et al. 2019, section 3, equations 1 and 2; k = 3 of section 3.1.
    """
    where = "precision_recall"
    # k + 1 rows at least: a row has then k other rows
    x, y = enlarged(*pair(where, real, fake, whole(where, "k", k, 1) + 1))
    return PrecisionRecall(_share_inside(y, x, radii(x, k)), _share_inside(x, y, radii(y, k)))


@may_underflow
def density_coverage(real, fake, k=5):
    """The DensityCoverage of two sets: more robust versions of precision and recall.

    density  = 1 / (k M) sum_j sum_i [|y_j - x_i| <= r_k(x_i)]
    coverage = 1 / N sum_i [|y_j - x_i| <= r_k(x_i) for some j]

    r_k(x_i) is the distance from x_i to the k-th nearest other x, the radius of the ball around x_i. k is 5
    by default, and [condition] is 1 if the condition holds, otherwise 0.

    real x (N, D), fake y (M, D)    features, or samples whose distances are meaningful; N above k

    Outliers matter less than in `precision_recall`: fakes have no balls, and the large ball of a real outlier
    is one of N in the coverage. For equal distributions the mean of the density is 1, and that of the
    coverage is 1 - (N - 1)...(N - k) / ((M + N - 1)...(M + N - k)).

    Raises ValueError for shapes that do not fit, too few samples, k below 1, or non-finite input.
    Source: Naeem et al. 2020, section 3.2, equations 3 and 4; k = 5 of section 3.3.
    """
    where = "density_coverage"
    x, y = enlarged(*pair(where, real, fake, whole(where, "k", k, 1) + 1, fake_least=1))
    r = radii(x, k)  # squared, as the distances d
    # for each real row, the number of generated rows in its ball
    inside = np.concatenate([(d <= r[span, None]).sum(axis=1) for span, d in squared_distances(x, y)])
    return DensityCoverage(float(inside.sum() / (k * len(y))), float((inside > 0).mean()))


@may_underflow
def nearest_neighbour_error(train, train_labels, test, test_labels):
    """The share, a float, of real rows whose label is not the label of the nearest generated row.

    This is the error of a 1-nearest-neighbour classifier that is trained with generated rows.

    error = 1/M sum_j [label(argmin_i |t_j - x_i|) != label(t_j)]

    train x (N, ...), train_labels (N,)    generated rows and their labels
    test t (M, ...), test_labels (M,)      real rows and their true labels

    Labels are integers from 0. Among equally near rows the first one counts. Compare this error with that of
    real training data. If both arrays are float32, the products of their rows are computed in float32, so
    the order of nearly equal distances may change.

    Raises ValueError for shapes that do not fit, labels that are no integers, non-finite or empty input.
    Source: Cover and Hart 1967; Ravuri and Vinyals 2019, section 3 (classification accuracy score), use
    another classifier.
    """
    where = "nearest_neighbour_error"
    x = rows(where, "train", train, single=True)
    x, t = enlarged(x, rows(where, "test", test, like=("train", x), single=True))
    known = read_labels(where, "train_labels", train_labels, count=len(x))
    truth = read_labels(where, "test_labels", test_labels, count=len(t))
    neighbour, _ = nearest(t, x)
    return float((known[neighbour] != truth).mean())


@may_underflow
def ndb(real, fake, bins=100, seed=0, significance=0.05):
    """The NDB of two sets: the number of bins with significantly different shares of the two sets, and more.

    k-means divides the real samples into bins. A sample is in the bin of the nearest centre. A two-proportion
    z-test compares the shares of the two sets in each bin. The result is the named tuple NDB(different, bins,
    js, real, fake): the number of different bins, the number of bins, JS in nats, and the shares p and q.

    z_k = (p_k - q_k) / sqrt(s (1 - s) (1/N + 1/M))    s = (N p_k + M q_k) / (N + M)
    bin k is different if |z_k| > Phi^-1(1 - significance / 2)
    JS = (KL(p || m) + KL(q || m)) / 2,  m = (p + q) / 2

    real (N, ...)    real samples, at least `bins` different rows; p_k is the share of them in bin k
    fake (M, ...)    generated samples; q_k is the share of them in bin k
    bins             the number of bins, 100 by default
    seed             an integer from which the initial centres of k-means are drawn, 0 by default
    significance     the probability that a bin counts as different although both distributions are equal,
                     0.05 by default

    For equal distributions about significance * bins bins are different; fewer if N is much above M, because
    the bins are made from the real samples.

    Raises ValueError for shapes that do not fit, too few samples, non-finite input, or a significance not
    between 0 and 1.
    Source: Richardson and Weiss 2018, section 3 (pixels, K-means of the training set); the initial centres
    are those of Arthur and Vassilvitskii 2007.
    """
    x, y = enlarged(*pair("ndb", real, fake, single=True))
    k = whole("ndb", "bins", bins, 1, len(x))
    if not is_number(significance, 0, 1) or not significance:
        raise ValueError(
            f"ndb: expected significance between 0 and 1, got {significance!r}; the paper has 0.05"
        )
    centres, own = _k_means(x, k, stream(seed, "ndb"))
    other, _ = nearest(y, centres)
    p, q = (np.bincount(assigned, minlength=k) / len(assigned) for assigned in (own, other))
    s = (len(x) * p + len(y) * q) / (len(x) + len(y))
    spread = np.sqrt(s * (1 - s) * (1 / len(x) + 1 / len(y)))  # z = (p - q) / spread
    different = np.abs(p - q) > NormalDist().inv_cdf(1 - significance / 2) * spread
    middle = (p + q) / 2
    return NDB(int(different.sum()), k, float((_kl(p, middle) + _kl(q, middle)) / 2), p, q)


def radii(x, k):
    """The squared distance from each row of x (N, D) to the k-th nearest other row of x: (N,) float64."""
    out = np.empty(len(x))
    for span, d in squared_distances(x, x):
        np.fill_diagonal(d[:, span], np.inf)  # a row is not its own neighbour
        out[span] = np.partition(d, k - 1, axis=1)[:, k - 1]  # the k-th smallest of each row
    return out


def _share_inside(points, centres, squared_radii):
    """The share, a float, of the rows of points (M, D) that lie in at least one ball.

    centres (N, D) are the centres of the balls, and squared_radii (N,) the squares of their radii.
    """
    inside = sum((d <= squared_radii).any(axis=1).sum() for _, d in squared_distances(points, centres))
    return float(inside / len(points))


def _k_means(x, k, rng):
    """(centres (K, D), bin number of each row (N,)) of the rows x (N, D), by Lloyd's algorithm.

    k is K, the number of bins. The initial centres are those of k-means++, drawn with rng, a numpy Generator.
    Then the centres are replaced by the means of their rows, at most ROUNDS = 50 times, until no row changes
    its bin. A bin without rows keeps its centre. Raises ValueError if x has fewer than K different rows.
    """
    centres = x[[rng.integers(len(x))]]  # (1, D), a random row
    _, least = nearest(x, centres)  # the squared distance of each row to the nearest centre
    while len(centres) < k:
        if not least.any():
            raise ValueError(
                f"ndb: expected real with at least {k} different rows, got {len(centres)}; take fewer bins, "
                "or draw more samples"
            )
        # k-means++: the probability of a row is proportional to its squared distance to the nearest centre
        chosen = x[[rng.choice(len(x), p=least / least.sum())]]
        centres = np.concatenate([centres, chosen])
        _, distance = nearest(x, chosen)
        least = np.minimum(least, distance)
    assigned, _ = nearest(x, centres)
    for _ in range(ROUNDS):
        for one in np.unique(assigned):
            centres[one] = x[assigned == one].mean(axis=0, dtype=np.float64)
        before = assigned
        assigned, _ = nearest(x, centres)
        if np.array_equal(before, assigned):
            break
    return centres, assigned


def _kl(p, q):
    """KL(p || q) = sum_k p_k log(p_k / q_k), in nats, of two histograms (K,); 0 log 0 counts as 0."""
    some = p > 0
    return (p[some] * np.log(p[some] / q[some])).sum()
