"""The number of levels, and the channels, that convolutional networks have for pictures of a given size.

    side = start * 2^levels        one number of levels for both sides, each start from 2 to 15

A level doubles the picture in a generator and halves it in a discriminator. Many sizes have this form: the
powers of 2, 28 = 7 * 4, 48 = 6 * 8, 96 = 6 * 16, and the unequal sides 48 x 144 = (3 x 9) * 16.
"""

from itertools import product
from math import log

from ..core.arguments import is_integer

STARTS = range(2, 16)  # the sides of the smallest feature map
NEAR = range(2, 10)  # those of the sizes that a message recommends, because small maps make fast networks
SMALL = 7  # with at least two levels, a start up to this one needs no further level
SHORTEST = 8  # the shortest side that is recommended
LARGEST = 256  # the longest side of a picture, in pixels
FAST = 128  # the longest side that is recommended for training without a graphics card


def both_sides(size, name):
    """The tuple (height, width) of two ints, from `size`: an integer of at least 1, or a pair of them.

    An integer means a square. A pair is a tuple or a list. Raises ValueError for anything else; the message
    begins with `name`.
    """
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or not all(is_integer(side, 1) for side in sides):
        raise ValueError(f"{name}: expected an integer of at least 1 or a pair of them, got {size!r}")
    return tuple(map(int, sides))


def numbers_of_channels(channels, name):
    """The numbers of channels in `channels`, a tuple or list of integers of at least 1, as a tuple of ints.

    Raises ValueError for anything else, or if there is none; the message begins with `name`.
    """
    found = tuple(channels) if isinstance(channels, (tuple, list)) else ()
    if not found or not all(is_integer(number, 1) for number in found):
        raise ValueError(
            f"{name}: expected a tuple of integers of at least 1, such as (128, 64), got {channels!r}"
        )
    return tuple(map(int, found))


def levels_of(size):
    """(start, levels) for pictures of `size` = (height, width), where start is a pair (h, w).

    height = h 2^levels and width = w 2^levels, with h and w from 2 to 15. A level halves the picture in a
    discriminator and doubles it in a generator. `levels` is the smallest possible number of at least 2 with h
    and w of at most 7. If there is none, it is the largest possible number.

    Raises ValueError if no number is possible, or if a side has more than 256 pixels. The message names the
    nearest sizes that are possible.
    """
    known = [  # all possible (start, levels), with rising levels; side >> levels is side / 2^levels
        (tuple(side >> levels for side in size), levels)
        for levels in range(1, LARGEST.bit_length())
        if all(side % 2**levels == 0 and side >> levels in STARTS for side in size)
    ]
    if not known or max(size) > LARGEST:
        raise ValueError(
            "expected pictures of start * 2^levels pixels a side, with starts from 2 to 15 and at most "
            f"{LARGEST} pixels, got {size[0]} x {size[1]}; {advice(size)}"
        )
    return next(((start, n) for start, n in known if n > 1 and max(start) <= SMALL), known[-1])


def advice(size):
    """The end of a message about pictures of a wrong `size` (height, width): near sizes, and how to get them.

    Returns the text, with the two sizes that `nearest` finds.
    """
    first, second = nearest(size)
    words = "the nearest sizes" if max(size) <= LARGEST else "sizes that train faster"
    return (
        f"{words} are {first[0]} x {first[1]} and {second[0]} x {second[1]}: crop and resize the "
        f"pictures, with --size {first[0]}x{first[1]} or load(..., size={first})"
    )


def nearest(size):
    """A list of two sizes (height, width) near `size` that `levels_of` accepts, the better one first.

    They have 8 to 256 pixels a side; at most 128 if a side of `size` has more than 256. They are not larger
    than `size` if possible. The proportions count more than the number of pixels, because cropping loses the
    part of a picture that does not fit. `size` itself is never among them.
    """
    height, width = size
    most = LARGEST if max(size) <= LARGEST else FAST
    possible = {  # a << levels is a 2^levels
        (a << levels, b << levels)
        for a, b in product(NEAR, NEAR)
        for levels in range(1, most.bit_length())
        if min(a, b) << levels >= SHORTEST and max(a, b) << levels <= most
    } - {(height, width)}

    def distance(other):
        """A key for sorting a size `other`: sizes that are not larger come first, then small distances.

        The distance is 2 |tall - wide| + |tall + wide|, with the logarithms of the changes of height and
        width: |tall - wide| is the change of the proportions, |tall + wide| that of the area.
        """
        tall, wide = log(other[0] / height), log(other[1] / width)
        return other[0] > height or other[1] > width, 2 * abs(tall - wide) + abs(tall + wide), other

    return sorted(possible, key=distance)[:2]


def channels_of(levels, first, width=1.0):
    """The numbers of channels of a generator's feature maps, a tuple, from the smallest map to the largest.

    levels   the number of feature maps: a level doubles the picture
    first    channels of the smallest feature map for each level. With `levels` levels it has levels * first
             channels, and every further map has half as many: (128, 64) for two levels and first = 64
    width    a factor of all these numbers, 1 by default; at least 2 channels remain
    """
    # levels * first / 2^n, rounded down
    return tuple(max(int((levels * first >> n) * width), 2) for n in range(levels))
