"""Metrics: what samples say of the generator that drew them. They take arrays of samples or features and never see a network.

    mode_coverage            points of a known mixture: modes, share of good samples, evenness, width of each mode
    label_coverage           labelled samples (stacked MNIST): modes, and how even they are
    parzen                   log-likelihood of test data under a Parzen window, sigma chosen on validation data (2014)
    parzen_log_likelihood    the same for one sigma, row by row
    frechet_distance         distance of the Gaussians fitted to two sets of features (FID)
    frechet_gaussians        the same for given means and covariances
    inception_score          how sure and how varied a classifier's predictions are
    kid                      unbiased squared MMD with a cubic kernel
    mmd                      unbiased squared MMD with a Gaussian kernel
    precision_recall         samples inside the real manifold, and the other way round
    density_coverage         their robust successors
    nearest_neighbour_error  1-nearest-neighbour classifier trained on labelled samples, tested on real data
    ndb                      number of statistically different k-means bins
    psnr                     peak signal-to-noise ratio of pairs of pictures, dB
    ssim                     structural similarity of pairs of pictures
    ms_ssim                  the same over five scales
    sliced_wasserstein       Wasserstein-1 distance of two sets over random directions
    laplacian_swd            the same of patches, at every level of a Laplacian pyramid

Whatever depends on chance (k-means, directions, places of patches) takes a seed: equal arguments, equal figures. All pairs of two sets are
visited in blocks, so memory stays bounded. Arguments that make no sense are a ValueError that names them.
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

__all__ = [
    "DensityCoverage",
    "LabelCoverage",
    "ModeCoverage",
    "NDB",
    "Parzen",
    "PrecisionRecall",
    "density_coverage",
    "frechet_distance",
    "frechet_gaussians",
    "inception_score",
    "kid",
    "label_coverage",
    "laplacian_swd",
    "mmd",
    "mode_coverage",
    "ms_ssim",
    "ndb",
    "nearest_neighbour_error",
    "parzen",
    "parzen_log_likelihood",
    "precision_recall",
    "psnr",
    "sliced_wasserstein",
    "ssim",
]
