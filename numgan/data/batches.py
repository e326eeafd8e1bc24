"""The row numbers of batch k: a pure function of k, so training can resume at any step.

The permutations of all epochs form one sequence, which is cut into batches of constant size:

    permutation(0)           permutation(1)           ...
    [ batch 0 ][ batch 1 ][ batch 2 ][ batch 3 ][ batch 4 ]    batch 2 spans two epochs

Each permutation is one of range(n), from the stream (seed, "permutation", epoch). Every row occurs exactly
once in an epoch.
"""

from operator import index

import numpy as np

from ..core.randomness import stream


class Batches:
    """The row numbers of shuffled batches of n rows, without end.

    n, batch_size   positive integers; batch_size may exceed n
    seed            a non-negative integer

    `indices(k)` gives the row numbers of batch k = 0, 1, ... They depend on n, batch_size, seed and k only,
    not on earlier calls. A batch may span two epochs or more.

    Raises TypeError for a number that is not an integer, ValueError for a number out of range.
    """

    def __init__(self, n, batch_size, seed):
        self.n, self.batch_size, self.seed = index(n), index(batch_size), index(seed)
        if self.n < 1 or self.batch_size < 1 or self.seed < 0:
            raise ValueError(f"{self!r}: expected n and batch_size of at least 1 and a seed of at least 0")
        self._last = None, None  # the number of the last used epoch, and its permutation: saves time

    def __repr__(self):
        return f"Batches(n={self.n}, batch_size={self.batch_size}, seed={self.seed})"

    def _permutation(self, epoch):
        """The permutation (n,) of the row numbers in epoch 0, 1, ... That of the last epoch is stored."""
        known, rows = self._last
        if epoch != known:
            rows = stream(self.seed, "permutation", epoch).permutation(self.n)
            self._last = epoch, rows
        return rows

    def indices(self, k):
        """The row numbers of batch k = 0, 1, ...: (batch_size,) integers in 0..n-1, a new array.

        Raises TypeError if k is not an integer, ValueError if it is negative.
        """
        start = self._start(k)
        stop = start + self.batch_size
        pieces = []
        while start < stop:
            epoch, offset = divmod(start, self.n)  # row number `start` of the sequence of permutations
            piece = self._permutation(epoch)[offset : offset + stop - start]  # ends with the epoch, or before
            pieces.append(piece)
            start += len(piece)
        return np.concatenate(pieces)

    def epoch(self, k):
        """The number of epochs before batch k, as a float: 2.5 is the middle of the third epoch.

        Raises TypeError if k is not an integer, ValueError if it is negative.
        """
        return self._start(k) / self.n

    def _start(self, k):
        """The place of the first row of batch k in the sequence of all epochs: k * batch_size.

        Raises TypeError if k is not an integer, ValueError if it is negative.
        """
        k = index(k)
        if k < 0:
            raise ValueError(f"{self!r}: expected a batch number of at least 0, got {k}")
        return k * self.batch_size
