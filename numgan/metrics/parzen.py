"""The Gaussian Parzen window of the first GAN paper: the likelihood of test data under smoothed samples.

The window is here because papers report it, although it is a poor measure: 10,000 k-means centroids of MNIST
score above the real pictures (Theis et al. 2016, section 3.3). A result above that of real data means
"smoother than data". Always state the number of samples.
"""

from typing import NamedTuple

import numpy as np

from ..core.underflow import may_underflow
from .rows import positive, rows, squared_distances

SIGMAS = tuple(np.logspace(-1, 0, 10))  # the grid of the 2014 code; pixels are in [0, 1]


class Parzen(NamedTuple):
    """The result of parzen(). All log-likelihoods are in nats per row.

    mean             mean log-likelihood of the test rows
    standard_error   the error of `mean`: standard deviation over the M test rows / sqrt(M)
    sigma            the selected standard deviation of the Gaussians
    validation       {sigma: mean log-likelihood of the validation rows}, for every sigma that was tried
    """

    mean: float
    standard_error: float
    sigma: float
    validation: dict


@may_underflow
def parzen_log_likelihood(samples, test, sigma):
    """The log-likelihood log p of each test row, (M,) float64, in nats.

    p is the mean of the N Gaussian densities with standard deviation sigma, one around each sample.

    log p(x) = log (1/N sum_i exp(-|x - g_i|^2 / (2 sigma^2))) - D log(sigma sqrt(2 pi))

    samples g (N, ...)    D numbers in each row
    test x (M, ...)       rows of the same D numbers
    sigma                 standard deviation along each axis, in the units of these numbers

    If both arrays are float32, the products of rows are computed in float32. The error of log p is then about
    1e-6 (|x|^2 + |g|^2) / sigma^2, with x and g measured from a point near the mean of the samples. The sums
    are float64.

    Raises ValueError for shapes that do not fit, non-finite or empty input, or sigma not in [1e-15, 1e15].
    Source: Goodfellow et al. 2014, section 5; Breuleux et al. 2011.
    """
    g = rows("parzen_log_likelihood", "samples", samples, single=True)
    x = rows("parzen_log_likelihood", "test", test, like=("samples", g), single=True)
    (ll,) = _log_likelihoods(g, x, [positive("parzen_log_likelihood", "sigma", sigma)])
    return ll


@may_underflow
def parzen(samples, validation, test, sigmas=SIGMAS):
    """The Parzen result by the protocol of 2014: select sigma on validation rows, then score the test rows.

    The selected sigma has the largest mean log-likelihood of the validation rows. The result is the named
    tuple Parzen(mean, standard_error, sigma, validation): the mean log-likelihood of the test rows in nats,
    its standard error, the selected sigma, and {sigma: mean log-likelihood of the validation rows}.

    samples (N, ...)       the generated rows, around which the Gaussians of the window stand
    validation (V, ...)    rows that select sigma
    test (M, ...)          rows that are scored, M at least 2
    sigmas (S,)            the standard deviations that are tried, each in [1e-15, 1e15]; by default 10 from
                           0.1 to 1, with equal ratios

    The paper's results on MNIST are for 10,000 samples with pixels in [0, 1], V = 1,000 (the first of
    training rows 50,000 to 59,999), and the 10,000 test pictures. The paper's grid of sigmas is coarse, which
    lowers the result by some nats; results are comparable on this grid only.

    Raises ValueError for shapes that do not fit, non-finite or empty input, no sigma, or a sigma out of
    range.
    Source: Goodfellow et al. 2014, section 5 and its published code.
    """
    g = rows("parzen", "samples", samples, single=True)
    v = rows("parzen", "validation", validation, like=("samples", g), single=True)
    x = rows("parzen", "test", test, least=2, like=("samples", g), single=True)
    if np.ndim(sigmas) != 1 or len(sigmas) == 0:
        raise ValueError(
            f"parzen: expected sigmas (S,) and not empty, got {sigmas!r}; a single width s is sigmas=[s]"
        )
    grid = [positive("parzen", "sigmas", sigma) for sigma in sigmas]
    scores = _log_likelihoods(g, v, grid).mean(axis=1)
    sigma = grid[int(scores.argmax())]
    (ll,) = _log_likelihoods(g, x, [sigma])
    return Parzen(
        float(ll.mean()), float(ll.std(ddof=1) / np.sqrt(len(ll))), sigma, dict(zip(grid, scores.tolist()))
    )


def _log_likelihoods(g, x, sigmas):
    """The log-likelihood of every row of x for every sigma: (S, M), one row for each of the S sigmas.

    x (M, D) are the scored rows, g (N, D) the rows around which the Gaussians stand, and `sigmas` is a list
    of their standard deviations.

        log p(x) = log (1/N sum_i exp(-|x - g_i|^2 / (2 sigma^2))) - D log(sigma sqrt(2 pi))

    The distances are computed once for all sigmas, because they take most of the time.
    """
    out = np.empty((len(sigmas), len(x)))
    for span, d in squared_distances(x, g):
        least = d.min(axis=1)
        d -= least[:, None]  # the largest exponent is then 0: no overflow, and the weights sum to 1 or more
        for row, sigma in zip(out, sigmas):
            weight = np.exp(d * d.dtype.type(-0.5 / sigma**2))
            # log sum_i exp(-|x - g_i|^2 / (2 sigma^2)), with the term of the nearest g_i taken out of the sum
            row[span] = np.log(weight.sum(axis=1, dtype=np.float64)) - least / (2 * sigma**2)
            row[span] -= np.log(len(g)) + x.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))
    return out
