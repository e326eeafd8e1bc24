"""Named random streams: every random stream is a function of (seed, path), so a step can be repeated.

A generator that is passed from function to function has a state, and a resumed run must restore this state. A
stream that is *named* by the seed, the step and the purpose is made again from its name. So a resumed run
needs one integer, the seed, and every pass can be repeated bit for bit.
"""

import zlib

import numpy as np

from .arguments import is_integer


def _words(seed, path):
    """The list [seed, one integer for each part of the path], for numpy's SeedSequence.

    path   a sequence of names and integers; an integer is unchanged, a name becomes its CRC-32

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
    """A new numpy Generator (PCG64) for `seed` and `path`: one argument or several, names and integers >= 0.

    Equal arguments give Generators with equal draws, other paths other draws. Raises ValueError unless the
    seed is an integer of at least 0.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_words(seed, path))))


def derive(seed, *path):
    """A new seed, an integer from 0 to 2^63 - 1, from `seed` and `path` (names and integers >= 0).

    `path` is one argument or several. The result is the seed of a part of the program that makes streams with
    names of its own. Equal arguments give equal seeds. Raises ValueError unless `seed` is an integer of at
    least 0.
    """
    (word,) = np.random.SeedSequence(_words(seed, path)).generate_state(1, np.uint64)
    return int(word >> np.uint64(1))  # without its last bit the word fits an int64
