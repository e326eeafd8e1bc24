"""Metrics of generated samples. They take arrays of samples or features, and no network.

    mode_coverage            samples of a known mixture: modes, share of good samples, evenness, widths
    label_coverage           labelled samples (stacked MNIST): the modes they have, and their evenness
    parzen                   log-likelihood of test data under a Parzen window (2014), sigma selected
    parzen_log_likelihood    the log-likelihood of each test row for one given sigma
    frechet_distance         distance of the Gaussians fitted to two sets of features (FID)
    frechet_gaussians        the Frechet distance of Gaussians with given means and covariances
    inception_score          certainty and variety of a classifier's predictions
    kid                      unbiased squared MMD (maximum mean discrepancy) with a cubic kernel
    mmd                      unbiased squared MMD with a Gaussian kernel
    precision_recall         shares of samples near real data, and of real data near samples
    density_coverage         more robust versions of precision and recall
    nearest_neighbour_error  error on real data of a 1-nearest-neighbour classifier of labelled samples
    ndb                      number of statistically different bins (k-means)
    psnr                     peak signal-to-noise ratio of pairs of pictures, dB
    ssim                     structural similarity of pairs of pictures
    ms_ssim                  structural similarity over five scales
    sliced_wasserstein       mean Wasserstein-1 distance of two sets over random directions
    laplacian_swd            sliced Wasserstein distance of patches, at every level of a Laplacian pyramid

Functions with random choices (k-means, directions, positions of patches) take a seed: equal arguments give
equal results. Distances between all pairs of rows are computed for a few rows at a time, so memory is
bounded. An invalid argument raises a ValueError that names the argument.

Reading order: rows, modes, parzen, frechet, neighbours, pictures.
"""

from .frechet import frechet_distance, frechet_gaussians, inception_score, kid, mmd
from .modes import LabelCoverage, ModeCoverage, label_coverage, mode_coverage
from .neighbours import (
    NDB,
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    ndb,
    nearest_neighbour_error,
    precision_recall,
)
from .parzen import Parzen, parzen, parzen_log_likelihood
from .pictures import laplacian_swd, ms_ssim, psnr, sliced_wasserstein, ssim
