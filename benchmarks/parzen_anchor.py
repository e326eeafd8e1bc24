"""The anchors of the Parzen window estimate of MNIST: other pictures in place of a generator's samples.

    python benchmarks/parzen_anchor.py                  10,000 of the first 50,000 training pictures:
                                                        242.5 +- 2 nats
    python benchmarks/parzen_anchor.py --samples 1000
    python benchmarks/parzen_anchor.py --of k-means     centroids of the 50,000: above the real pictures
    python benchmarks/parzen_anchor.py --of gaussian    samples of one Gaussian with the mean and covariance
                                                        of the pictures, clipped
    python benchmarks/parzen_anchor.py --of mean        the mean picture only

Set NUMGAN_DATA to the folder of the data. The protocol is that of 2014: sigma is chosen on training pictures
50,000 to 50,999, and the figure is computed from the 10,000 test pictures. Compare a generator's figure with
the first one; Theis et al. 2016 report 243 for real data. Exit code 1 if 10,000 real samples miss the anchor:
then the estimator is wrong.
"""

import argparse
import sys
import time
from dataclasses import replace

from numgan import metrics
from numgan.core.randomness import stream
from numgan.studies import parzen

ANCHOR, TOLERANCE = 242.5, 2.0


def mean(digits, rng):
    """The mean picture."""
    return parzen.unit(digits.x).mean(axis=0)[None], None


STAND_INS = {"real": parzen.real, "k-means": parzen.centroids, "gaussian": parzen.gaussian, "mean": mean}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", choices=STAND_INS, default="real")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    digits = parzen.Digits.load(quick=False)
    digits = replace(
        digits, amounts=digits.amounts._replace(window=options.samples, neighbours=options.samples)
    )
    start = time.perf_counter()
    samples, _ = STAND_INS[options.of](digits, stream(options.seed, "parzen anchor"))
    found = metrics.parzen(samples, parzen.unit(digits.validation), parzen.unit(digits.test))
    print(
        f"{options.of}, {len(samples)} samples: sigma {found.sigma:.4f}, "
        f"test log-likelihood {found.mean:.2f} +- {found.standard_error:.2f} nats, "
        f"{time.perf_counter() - start:.1f} s"
    )
    return options.of == "real" and options.samples == 10_000 and abs(found.mean - ANCHOR) > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
