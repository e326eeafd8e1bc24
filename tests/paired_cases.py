"""Small data sets of two columns, unpaired and paired."""

import numpy as np

from numgan.core.randomness import stream
from numgan.data import Dataset, Unpaired, paired


def unpaired_set():
    rng = stream(3, "sets")
    return Unpaired(
        "clouds",
        x=Dataset("left", rng.standard_normal((70, 2)).astype(np.float32)),
        y=Dataset("right", (3 + rng.standard_normal((50, 2))).astype(np.float32)),
    )


def paired_set():
    x = stream(4, "pairs").standard_normal((60, 2)).astype(np.float32)
    return paired("turned", x=Dataset("plain", x), y=Dataset("turned", x[:, ::-1].copy()))
