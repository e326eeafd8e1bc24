"""The anchor of the Parzen window estimate: real MNIST pictures taken for samples, by the protocol of 2014.

    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py              10,000 of the first 50,000 training pictures: 242.5 +- 2 nats
    NUMGAN_DATA=FOLDER python benchmarks/parzen_anchor.py --samples 1000

A generator's figure is read against this one: Theis et al. 2016 report 243 for real data. sigma is chosen on training pictures 50,000 to
50,999, and the 10,000 test pictures are scored. Exit status 1 if 10,000 samples miss the anchor: then the estimator, not a generator, is at fault.
"""

import argparse
import sys
import time

import numpy as np

from numgan import metrics
from numgan.data import load
from numgan.randomness import stream

ANCHOR, TOLERANCE = 242.5, 2.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, test = (load("mnist", split).x.astype(np.float32) / np.float32(255) for split in ("train", "test"))
    chosen = stream(options.seed, "parzen anchor").choice(50_000, options.samples, replace=False)
    start = time.perf_counter()
    found = metrics.parzen(train[chosen], train[50_000:51_000], test)
    print(f"{options.samples} real pictures: sigma {found.sigma:.4f}, test log-likelihood {found.mean:.2f} +- {found.standard_error:.2f} nats, "
          f"{time.perf_counter() - start:.1f} s")
    return options.samples == 10_000 and abs(found.mean - ANCHOR) > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
