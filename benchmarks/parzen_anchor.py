"""The anchors of the Parzen window estimate: what stands in for a generator's samples of MNIST, by the protocol of 2014.

    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py              10,000 of the first 50,000 training pictures: 242.5 +- 2 nats
    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py --samples 1000
    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py --of k-means      centroids of the 50,000: above the real pictures
    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py --of gaussian     draws of one Gaussian with the pictures' mean and covariance, clipped
    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py --of mean         the mean picture, alone

A generator's figure is read against the first: Theis et al. 2016 report 243 for real data. sigma is chosen on training pictures 50,000 to
50,999, and the 10,000 test pictures are scored. Exit status 1 if 10,000 real samples miss the anchor: then the estimator is at fault.
"""

import argparse
import sys
import time

import numpy as np

from numgan import metrics
from numgan.data import load
from numgan.randomness import stream

ANCHOR, TOLERANCE = 242.5, 2.0
ROUNDS = 3                # of Lloyd's


def real(x, n, rng):
    return x[rng.choice(len(x), n, replace=False)]


def k_means(x, n, rng):
    """Centroids (n, D) after some rounds from random rows."""
    centres = real(x, n, rng)
    for _ in range(ROUNDS):
        own = np.concatenate([(np.square(centres).sum(axis=1) / 2 - part @ centres.T).argmin(axis=1) for part in np.array_split(x, 50)])
        order = np.argsort(own, kind="stable")
        met, first = np.unique(own[order], return_index=True)
        centres[met] = np.add.reduceat(x[order], first, axis=0) / np.diff([*first, len(x)])[:, None]
    return centres


def gaussian(x, n, rng):
    return rng.multivariate_normal(x.mean(axis=0), np.cov(x, rowvar=False), n, method="eigh").clip(0, 1).astype(np.float32)


def mean(x, n, rng):
    return x.mean(axis=0)[None]


STAND_INS = {"real": real, "k-means": k_means, "gaussian": gaussian, "mean": mean}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=STAND_INS, default="real")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, test = (load("mnist", split).x.reshape(-1, 784).astype(np.float32) / np.float32(255) for split in ("train", "test"))
    start = time.perf_counter()
    samples = STAND_INS[options.of](train[:50_000], options.samples, stream(options.seed, "parzen anchor"))
    found = metrics.parzen(samples, train[50_000:51_000], test)
    print(f"{options.of}, {len(samples)} samples: sigma {found.sigma:.4f}, test log-likelihood {found.mean:.2f} +- {found.standard_error:.2f} nats, "
          f"{time.perf_counter() - start:.1f} s")
    return options.of == "real" and options.samples == 10_000 and abs(found.mean - ANCHOR) > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
