"""A folder of pictures as a data set: whatever people have on disk, in one order, one size and one number of channels.

A file counts as a picture by its suffix; then it must be one. Names that begin with a dot, and other suffixes, are left alone.
Formats that are programs (EPS, WMF: reading them runs an interpreter) or that Pillow only recognises are not read.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..core.files import text_of
from ..core.streams import STDERR
from .pictures import fit, flatten, is_grey, opened

NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
SIZE = 64  # of the square that pictures of several sizes are brought to
BAR_FROM = 500  # files: above it, a progress bar


def load_folder(folder, size=None, channels=None):
    """Images (N, H, W, C) uint8, labels (N,) int64 or None, and the names of the classes, from every picture below `folder`.

    size       (height, width): the largest centred part with these proportions is cut out and resized. None: the size that
               the pictures have, if it is one, and 64 x 64 if they differ
    channels   1 or 3; None: 1 if all pictures are grey, else 3
    Rows are in the order of the paths, compared name by name. If every picture lies in a sub-folder, the first-level
    sub-folders that hold any are the classes, in order of name; if any picture lies at the top, there are no labels.
    Transparency is composited on white, EXIF orientation applied; of an animation, the first frame.
    FileNotFoundError if there is no picture, FileFormatError, with the path, if one cannot be read.
    """
    folder = Path(folder)
    formats = _formats()
    files = _pictures(folder, formats)
    if size is None or channels is None:
        seen = [_look(path, formats, size is None) for path in _watched(files, "looking")]
        sizes = {upright for upright, _ in seen}
        size = size or (sizes.pop() if len(sizes) == 1 else (SIZE, SIZE))
        channels = channels or (1 if all(grey for _, grey in seen) else 3)
    pixels = bytearray()  # grows with what was really decoded, not with what headers promise
    for path in _watched(files, "reading"):
        with opened(path, formats) as image:
            pixels += fit(flatten(image).convert("L" if channels == 1 else "RGB"), size).tobytes()
    x = np.frombuffer(pixels, np.uint8).reshape(len(files), *size, channels)
    parts = [path.relative_to(folder).parts for path in files]
    if any(len(names) == 1 for names in parts):
        return x, None, ()
    labels = [text_of(names[0]) for names in parts]
    classes = tuple(sorted(set(labels)))
    return x, np.array([classes.index(label) for label in labels], np.int64), classes


def _formats():
    Image.init()
    return tuple(name for name in Image.OPEN if name not in NOT_READ)


def _pictures(folder, formats):
    """Every file below `folder` with a picture's suffix, sorted; links to folders are followed, each folder is entered once."""
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in formats}
    files, entered, others = [], set(), 0
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        real = os.path.realpath(place)
        folders[:] = [] if real in entered else sorted(name for name in folders if not name.startswith("."))
        if real in entered:
            continue
        entered.add(real)
        found = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes]
        files += [Path(place, name) for name in found]
        others += len(names) - len(found)
    if not files:
        raise FileNotFoundError(
            f"{folder}: expected a folder with pictures in it (.png, .jpg, .webp, .gif, .tif, ...), found "
            f"none among {others:,} "
            f"files; name the folder that holds them, and see that the files have their suffixes"
        )
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _raise(error):
    raise error  # os.walk would skip a folder that it may not read, and a class would be missing


def _watched(files, what):
    # disable=None: only if stderr is a terminal
    return tqdm(
        files, desc=what, unit=" pictures", disable=None if len(files) > BAR_FROM else True, file=STDERR
    )


def _look(path, formats, need_size):
    """(height, width) as seen upright, or None, and whether the picture is grey: from the header where the format allows it."""
    with opened(path, formats) as image:
        width, height = image.size
        turned = need_size and image.getexif().get(0x0112, 1) in (
            5,
            6,
            7,
            8,
        )  # EXIF orientations on their side
        return ((width, height) if turned else (height, width)) if need_size else None, is_grey(image)
