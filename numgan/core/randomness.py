"""Named random streams: every stream is a function of (seed, path), so a step can be repeated.

A generator that is passed from function to function has a state, and a resumed run must restore this state. A
stream that is *named* by the seed, the step and the purpose is made again from its name. So a resumed run
needs one integer, the seed, and every pass can be repeated bit for bit.
"""

import zlib

import numpy as np

from .arguments import is_integer


def _words(seed, path):
    """Seed and path as a list of integers for SeedSequence.

    Integers are unchanged; a name becomes its CRC-32. Raises ValueError unless the seed is an integer of at
    least 0.
    """
    if not is_integer(seed):
        raise ValueError(
            f"seed: expected an integer of at least 0, got {seed!r}; equal seeds give equal draws"
        )
    return [
        int(seed),
        *(int(part) if isinstance(part, (int, np.integer)) else zlib.crc32(part.encode()) for part in path),
    ]


def stream(seed, *path):
    """A new numpy Generator for `seed` and `path` (names and integers >= 0).

    Equal arguments give equal draws. Raises ValueError unless the seed is an integer of at least 0.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_words(seed, path))))


def derive(seed, *path):
    """A 63-bit seed from `seed` and `path`, for a part of the program that names its own streams.

    Raises ValueError unless `seed` is an integer of at least 0.
    """
    return int(np.random.SeedSequence(_words(seed, path)).generate_state(1, np.uint64)[0] >> np.uint64(1))
