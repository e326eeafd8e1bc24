"""Columns of a table that are pixels: their names say so.

pixel0, pixel1, ..., pixel783      pictures of 28 x 28, row by row; the count may begin at 1
1x1, 1x2, ..., 28x28               row x column; also pixel_0_0 to pixel_7_7
"""

import os
import re
import warnings

import numpy as np

NUMBERED = re.compile(r"(?:pixels?|pix|px)[ _-]?([0-9]{1,6})", re.IGNORECASE)
PLACED = re.compile(r"(?:(?:pixels?|pix|px)[ _-]?)?([0-9]{1,4})[x_,-]([0-9]{1,4})", re.IGNORECASE)
LEAST = 4  # pixels of a picture


def as_pictures(path, x, names):
    """The rows x (N, F) of a table as pictures (N, H, W, 1) uint8; None if the columns are no pixels.

    names   the names of the F columns, in any order of the pixels; see the module
    path    the path of the file, for a warning

    All numbers must be whole and from 0 to 255, or from 0 to 1. Numbers from 0 to 1 are multiplied by 255.
    The result is None, with a warning, for columns named as pixels that have other numbers, and if pixel0,
    pixel1, ... fill no square.
    """
    places = _places(names)
    if places is None:
        return None
    (height, width), order = places
    why = None
    if height * width != len(names):
        why = f"{len(names)} pixels are no square of grey pixels"
    elif x.min() < 0 or x.max() > 255 or x.max() > 1 and (x % 1).any():
        why = f"their values, {x.min():g} to {x.max():g}, are neither whole numbers to 255 nor from 0 to 1"
    if why:
        warnings.warn(
            f"{os.path.basename(path)}: the columns are named as pixels, but stay numbers: {why}; "
            'as an array they are pictures: np.savez("data.npz", x=x), x of (N, H, W, 1 or 3) uint8',
            stacklevel=5,  # the caller of numgan.data.load
        )
        return None
    pixels = np.rint(x * (255 if x.max() <= 1 else 1)).astype(np.uint8)
    return np.ascontiguousarray(pixels[:, order]).reshape(-1, height, width, 1)


def _places(names):
    """((height, width), order) of columns named as pixels; None for other names.

    names   the names of the F columns
    order   (F,) integers: pixel number i, row by row, is the column order[i]

    None also for fewer than LEAST (4) columns, and if a pixel is missing or occurs twice. If the names have
    one number, height = width = round(sqrt(F)), even if F is no square.
    """
    if len(names) < LEAST:
        return None
    found = [NUMBERED.fullmatch(name) for name in names]
    if all(found):
        numbers = np.array([int(match[1]) for match in found])
        side = round(len(names) ** 0.5)
        size, order = (side, side), np.argsort(numbers)
        # the numbers follow each other, from 0 or from 1
        whole = (numbers[order] == numbers.min() + np.arange(len(names))).all() and numbers.min() <= 1
    else:
        found = [PLACED.fullmatch(name) for name in names]
        if not all(found):
            return None
        places = np.array([[int(match[1]), int(match[2])] for match in found])
        places -= places.min(axis=0)
        rows, columns = places.T
        size, order = tuple(map(int, places.max(axis=0) + 1)), np.lexsort((columns, rows))  # by rows first
        whole = len(names) == size[0] * size[1] and len(np.unique(places, axis=0)) == len(names)
    return (size, order) if whole else None


def hint(sample_shape):
    """A text of advice: how rows of the shape `sample_shape` = (F,) become pictures, or "".

    It is "" for another number of axes, and if neither F nor F - 1 is the square of a whole number of 8 or
    more. F - 1 is tried because one column may be that of the labels.
    """
    if len(sample_shape) != 1:
        return ""
    for pixels in (sample_shape[0], sample_shape[0] - 1):
        side = round(max(0, pixels) ** 0.5)
        if side >= 8 and side * side == pixels:
            return (
                f"if each row is a picture of {side} x {side}, name the columns pixel0 to pixel{pixels - 1} "
                "(and label) in the file's first line, or save an array: "
                f'np.savez("data.npz", x=x.reshape(-1, {side}, {side}).astype("uint8"))'
            )
    return ""
