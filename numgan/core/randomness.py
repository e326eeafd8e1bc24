"""Named random streams: every random stream is a function of (seed, path), so a step can be repeated.

A generator that is passed from function to function has a state, and a resumed run must restore this state. A
stream that is *named* by the seed, the step and the purpose is made again from its name. So a resumed run
needs one integer, the seed, and every pass can be repeated bit for bit.
"""

import zlib

import numpy as np

from .arguments import is_integer


def _words(seed, path):
    """A list of integers, for numpy's SeedSequence: the seed, and one integer for each entry of `path`.

    path   names and integers; an integer is unchanged, a name becomes its CRC-32

    Raises ValueError unless the seed is an integer of at least 0.
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
    """Make a new numpy Generator from `seed` and `path`, which are names and integers >= 0.

    Equal arguments give equal random numbers. Raises ValueError unless the seed is an integer of at least 0.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_words(seed, path))))


def derive(seed, *path):
    """Make a new seed, an integer from 0 to 2^63 - 1, from `seed` and `path` (names and integers >= 0).

    It is for a part of the program that makes streams with names of its own. Equal arguments give equal
    seeds. Raises ValueError unless `seed` is an integer of at least 0.
    """
    return int(np.random.SeedSequence(_words(seed, path)).generate_state(1, np.uint64)[0] >> np.uint64(1))
