"""A folder of pictures as a data set: all pictures get one orientation, one size and one number of channels.

A file with the suffix of a picture must be a picture. Files with other suffixes, and names that begin with a
dot, are ignored. Two kinds of formats are not read: formats that are programs (EPS, WMF: an interpreter would
run them), and formats that Pillow recognises but cannot decode.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..core.errors import FileFormatError
from ..core.files import text_of
from ..core.streams import STDERR
from .order import natural
from .pictures import fit, flatten, is_grey, opened

NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
SIZE = 64  # height and width for pictures of several sizes
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
NAMED = 10  # so many broken files are named in a message
DEPTHS = (10, 12, 14)  # numbers of bits that data in 16-bit files may have
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation"), "val"
)
BAR_FROM = 500  # a progress bar is shown for more files than this


def load_folder(folder, size=None, channels=None, skip_broken=False, like=None):
    """Load all pictures below `folder`: pictures (N, H, W, C) uint8, labels (N,) int64, and class names.

    size          (height, width): the largest centred part with these proportions is cut out and resized.
                  None: the size of the pictures if all have the same size, otherwise 64 x 64
    channels      1 (grey) or 3 (colour); None: 1 if all pictures are grey, otherwise 3
    skip_broken   True: leave out files that are no whole pictures, with a warning that names them
    like          the folder of the training part, if `folder` holds test pictures: they get its size, its
                  channels and its classes

    Rows are in the order of the paths, compared name by name. If every picture is in a sub-folder, the
    first-level sub-folders with pictures are the classes, in natural order: 2 before 10. If any picture is
    directly in `folder`, None is returned for the labels and () for the class names. Transparent pixels are
    shown on white, and the EXIF orientation is applied. Only the first frame of an animation is used. If all
    values of all 16-bit pictures are below 2^10, 2^12 or 2^14, the white of this depth is their white,
    and a warning says so.

    FileNotFoundError   there is no picture
    FileFormatError     pictures cannot be read; the message has their paths. Or all pictures of a class are
                        broken, or a class is not one of `like`
    OSError             a sub-folder cannot be read
    """
    folder = Path(folder)
    formats = _formats()
    files, broken = _pictures(folder, formats), {}
    inside = files if like is None else _pictures(Path(like), formats)
    kinds = _looked(inside, formats, broken if like is None else {})
    if size is None:
        sizes = {upright for upright, _, _ in kinds.values()}
        size = sizes.pop() if len(sizes) == 1 else (SIZE, SIZE)
    channels = channels or (1 if all(grey for _, grey, _ in kinds.values()) else 3)
    white = _white(folder, kinds)
    rows = []
    for path in _with_bar([path for path in files if path not in broken], "reading"):
        try:
            with opened(path, formats) as image:
                picture = flatten(image, white).convert("L" if channels == 1 else "RGB")
                rows.append(fit(picture, size).tobytes())  # decoded pixels, because headers may be wrong
        except FileFormatError as error:
            broken[path] = error
    good = [path for path in files if path not in broken]
    if broken:
        _report(folder, files, good, broken, skip_broken)
    x = np.frombuffer(b"".join(rows), np.uint8).reshape(len(good), *size, channels)
    return x, *_classes(folder, good, files, like, formats)


def _classes(folder, good, files, like, formats):
    """The labels (N,) of the pictures `good` and the names of the classes; (None, ()) without classes.

    files   all pictures of the folder, the broken ones too; like, as for `load_folder`
    """
    names = [_class_of(path, folder) for path in good]
    if None in map(lambda path: _class_of(path, folder), files):
        return None, ()
    inside = _pictures(Path(like), formats) if like is not None else files
    known = {_class_of(path, Path(like) if like is not None else folder) for path in inside}
    if None in known:
        return None, ()
    classes = tuple(sorted(known, key=natural))
    for name in names:
        if name not in known:
            raise FileFormatError(
                f"{folder}: expected the classes of {like} ({', '.join(classes)[:200]}), got {name!r}; "
                "rename the folder, or remove it"
            )
    if like is None and (lost := known - set(names)):
        raise FileFormatError(
            f"{folder}: all pictures of the class {sorted(lost, key=natural)[0]!r} are broken; repair one of "
            "them, or remove the folder"
        )
    return np.array([classes.index(name) for name in names], np.int64), classes


def _class_of(path, folder):
    """The name of the first-level sub-folder of a picture; None if it is directly in `folder`."""
    names = path.relative_to(folder).parts
    return text_of(names[0]) if len(names) > 1 else None


def _report(folder, files, good, broken, skip):
    """Raise FileFormatError about broken pictures, or warn of them if `skip`. Both name the first ten."""
    if len(broken) == 1 and not skip:
        raise FileFormatError(f"{next(iter(broken.values()))}, or leave it out with --skip-broken")
    paths = [str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path) for path in broken]
    rest = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    names = ", ".join(map(text_of, paths[:NAMED])) + rest
    if not skip:
        raise FileFormatError(
            f"{folder}: {len(broken):,} of {len(files):,} files are no whole pictures: {names}; repair or "
            "remove them, or leave them out with --skip-broken (skip_broken=True)"
        )
    if not good:
        raise FileFormatError(
            f"{folder}: all {len(files):,} pictures are broken: {names}; name another folder"
        )
    warnings.warn(f"{folder}: {len(broken):,} of {len(files):,} files are left out: {names}", stacklevel=4)


def parts(folder):
    """{"train": path, "test": path} of a folder whose sub-folders are these parts; {} for another folder.

    The names may also be training and testing; val, valid or validation stands for a missing test part. Upper
    and lower case are equal. There must be a part for training, another one, and no other sub-folder.
    """
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")) or not entry.is_dir():
                continue
            part = PARTS.get(entry.name.lower())
            if part is None or part in found:
                return {}
            found[part] = entry.path
    if "val" in found:
        found.setdefault("test", found["val"])
    return {word: found[word] for word in ("train", "test")} if found.keys() >= {"train", "test"} else {}


def _formats():
    Image.init()
    return tuple(name for name in Image.OPEN if name not in NOT_READ)


def _pictures(folder, formats):
    """A sorted list of the Paths of all files below `folder` with the suffix of one of the `formats`.

    Names that begin with a dot are left out. Links to folders are followed. Each first-level sub-folder
    enters a folder once, so that links between classes lose no picture and loops of links end. Raises
    FileNotFoundError if there is no such file, OSError if a folder cannot be read.
    """
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in formats}
    found, others, entered, full = [], 0, set(), {}
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        first = Path(place).relative_to(folder).parts[:1]
        here = first, os.path.realpath(place)
        if here in entered or first and here[1] == os.path.realpath(folder):
            folders.clear()
            continue
        entered.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        mine = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes]
        found += [Path(place, name) for name in mine]
        others += len(names) - len(mine)
        if first and any(not name.startswith(".") for name in names):
            full[first[0]] = full.get(first[0], False) or bool(mine)
    if not found:
        raise FileNotFoundError(
            f"{folder}: expected a folder with pictures in it (.png, .jpg, .webp, .gif, .tif, ...), "
            f"found none among {others:,} files; name another folder, or check the files' suffixes"
        )
    bare = [text_of(name) for name, pictures in full.items() if not pictures]
    if bare and all(len(path.relative_to(folder).parts) > 1 for path in found):
        warnings.warn(
            f"{folder}: the sub-folders {', '.join(bare[:NAMED])} hold no picture that Pillow reads; they "
            "are no classes",
            stacklevel=4,
        )
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _raise(error):
    raise error  # otherwise os.walk skips a folder that it may not read, and a class would be missing


def _with_bar(files, title):
    """Iterate over `files`, with a progress bar called `title` if there are many and stderr is a terminal.

    Many are more than BAR_FROM.
    """
    hidden = None if len(files) > BAR_FROM else True
    return tqdm(files, desc=title, unit=" pictures", disable=hidden, file=STDERR)


def _looked(files, formats, broken):
    """{path: ((height, width), whether the picture is grey, its largest value or None)} of the pictures.

    height and width are those after the rotation that the file's EXIF tag asks for. The largest value is that
    of a picture of 16 bits; of other pictures only the header is read, if possible. A file that is no picture
    is put into the dict `broken`, with the error.
    """
    found = {}
    for path in _with_bar(files, "looking"):
        try:
            with opened(path, formats) as image:
                width, height = image.size
                turned = image.getexif().get(0x0112, 1) in SIDEWAYS
                deep = image.mode.startswith("I") and image.format != "PPM"  # Pillow scales by its maxval
                largest = int(np.asarray(image).max(initial=0)) if deep else None
                found[path] = (width, height) if turned else (height, width), is_grey(image), largest
        except FileFormatError as error:
            broken[path] = error
    return found


def _white(folder, kinds):
    """The white of the folder's 16-bit pictures. It warns if their values have fewer bits than 16.

    kinds   the dict of `_looked`
    """
    largest = [value for _, _, value in kinds.values() if value is not None]
    top = max(largest, default=65535)
    bits = next((bits for bits in DEPTHS if 0 < top < 2**bits), 16)
    if bits == 16:
        return 65535
    warnings.warn(
        f"{folder}: no value of the 16-bit pictures is above {top:,}: they are read as pictures of {bits} "
        f"bits, with {2**bits - 1:,} as white",
        stacklevel=4,
    )
    return 2**bits - 1
