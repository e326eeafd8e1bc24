"""A folder of pictures as a data set: all pictures get one orientation, one size and one number of channels.

A file with the suffix of a picture must be a picture. Files with other suffixes, and names that begin with a
dot, are ignored. Two kinds of formats are not read: formats that are programs (EPS, WMF: an interpreter would
run them), and formats that Pillow recognises but cannot decode.
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
SIZE = 64  # height and width for pictures of several sizes
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
BAR_FROM = 500  # a progress bar is shown for more files than this


def load_folder(folder, size=None, channels=None):
    """Load all pictures below `folder`: pictures (N, H, W, C) uint8, labels (N,) int64, and class names.

    size       (height, width): the largest centred part with these proportions is cut out and resized. None:
               the size of the pictures if all have the same size, otherwise 64 x 64
    channels   1 (grey) or 3 (colour); None: 1 if all pictures are grey, otherwise 3

    Rows are in the order of the paths, compared name by name. If every picture is in a sub-folder, the
    first-level sub-folders with pictures are the classes, in order of name. If any picture is directly in
    `folder`, None is returned for the labels and () for the class names. Transparent pixels are shown on
    white, and the EXIF orientation is applied. Only the first frame of an animation is used.

    FileNotFoundError   there is no picture
    FileFormatError     a picture cannot be read; the message has its path
    OSError             a sub-folder cannot be read
    """
    folder = Path(folder)
    formats = _formats()
    files = _pictures(folder, formats)
    if size is None or channels is None:
        kinds = [_size_and_grey(path, formats, size is None) for path in _with_bar(files, "looking")]
        sizes = {upright for upright, _ in kinds}
        size = size or (sizes.pop() if len(sizes) == 1 else (SIZE, SIZE))
        channels = channels or (1 if all(grey for _, grey in kinds) else 3)
    pixels = bytearray()  # grows with the decoded pixels, because the sizes in headers may be wrong
    for path in _with_bar(files, "reading"):
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
    """A sorted list of the Paths of all files below `folder` with the suffix of one of the `formats`.

    Names that begin with a dot are left out. Links to folders are followed, and each folder is entered once.
    Raises FileNotFoundError if there is no such file, OSError if a folder cannot be read.
    """
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
            f"{folder}: expected a folder with pictures in it (.png, .jpg, .webp, .gif, .tif, ...), "
            f"found none among {others:,} files; name another folder, or check the files' suffixes"
        )
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _raise(error):
    raise error  # otherwise os.walk skips a folder that it may not read, and a class would be missing


def _with_bar(files, title):
    """Iterate over `files`, with a progress bar called `title` if there are many and stderr is a terminal.

    Many are more than BAR_FROM.
    """
    hidden = None if len(files) > BAR_FROM else True
    return tqdm(files, desc=title, unit=" pictures", disable=hidden, file=STDERR)


def _size_and_grey(path, formats, need_size):
    """The pair ((height, width), whether the picture is grey) of the picture in the file `path`.

    height and width are those after the rotation that the file's EXIF tag asks for. Without need_size there
    is None in their place. Reads only the header of the file if possible. Raises FileFormatError for a
    damaged file.
    """
    with opened(path, formats) as image:
        width, height = image.size
        turned = need_size and image.getexif().get(0x0112, 1) in SIDEWAYS
        return ((width, height) if turned else (height, width)) if need_size else None, is_grey(image)
