"""A kernel of one's own on the ladder: the product as a sum of outer products of slabs.

numgan bench ladder matmul --kernel benchmarks/ladder_example.py
"""

import numpy as np

from numgan.bench import ladder


@ladder.rung("matmul", "slabs", dtypes=("float32", "float64"), note="einsum, 32 terms at a time")
def slabs(a, b, width=32):
    c = np.zeros((len(a), b.shape[1]), a.dtype)
    for k in range(0, len(b), width):
        c += np.einsum("ik,kj->ij", a[:, k : k + width], b[k : k + width])
    return c
