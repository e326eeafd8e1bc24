"""Random streams by name: every stream is a function of (seed, path), so nothing has to be carried along to repeat a step.

A generator that is passed around has a state, and a resumed run must restore it. A stream that is *named*, by the seed,
the step and the purpose, is rebuilt from its name alone: resuming needs one integer, and a pass can be repeated bit for bit.
"""

import zlib

import numpy as np


def _words(seed, path):
    """Seed and path as integers for SeedSequence: integers as they are, names by their CRC-32."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed: expected an integer of at least 0, got {seed!r}; equal seeds, equal draws")
    return [
        int(seed),
        *(int(part) if isinstance(part, (int, np.integer)) else zlib.crc32(part.encode()) for part in path),
    ]


def stream(seed, *path):
    """A fresh numpy Generator for `path` (names and non-negative integers) under `seed`; equal arguments, equal draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_words(seed, path))))


def derive(seed, *path):
    """A 63-bit seed for `path` under `seed`: hands a whole family of streams to somebody else."""
    return int(np.random.SeedSequence(_words(seed, path)).generate_state(1, np.uint64)[0] >> np.uint64(1))
