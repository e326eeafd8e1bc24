"""A folder of pictures as a data set: all pictures get one orientation, one size and one number of channels.

A file with the suffix of a picture must be a picture. Files with other suffixes, and names that begin with a
dot, are ignored. Two kinds of formats are not read: formats that are programs (EPS, WMF: an interpreter would
run them), and formats that Pillow recognises but cannot decode.
"""

import os
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..core.errors import FileFormatError
from ..core.files import shown, text_of
from ..core.streams import STDERR
from .kinds import packed_in
from .order import natural
from .pictures import declared_white, fit, flatten, is_grey, opened

NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
SIZE = 64  # height and width for pictures of several sizes
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
NAMED = 10  # so many broken files are named in a message
DEPTHS = (8, 10, 12, 14)  # numbers of bits that data in 16-bit files may have
DARK = 64  # colours of at most 14 bits, in 16-bit files, are below 64 in the upper 8 bits that Pillow reads
DEEP_COLOURS = re.compile("'(RGB[AXa]?|LA);16")  # Pillow's names of such pixels in a file
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation"), "val"
)
BAR_FROM = 500  # a progress bar is shown for more files than this


def load_folder(folder, size=None, channels=None, skip_broken=False, like=None, apart=None):
    """Load all pictures below `folder`: pictures (N, H, W, C) uint8, labels (N,) int64, and class names.

    size          (height, width): the largest centred part with these proportions is cut out and resized.
                  None: the size of the pictures if all have the same size, otherwise 64 x 64
    channels      1 (grey) or 3 (colour); None: 1 if all pictures are grey, otherwise 3
    skip_broken   True: leave out files that are no whole pictures, with a warning that names them
    like          the folder of the training part, if `folder` is a part: test pictures get its size, its
                  channels and its classes. None: the folder has no parts
    apart         the folder of the other part, or None. A link into it is an error

    Rows are in the order of the paths, compared name by name. If every picture is in a sub-folder, the
    first-level sub-folders with pictures are the classes, in natural order: 2 before 10. If any picture is
    directly in `folder`, None is returned for the labels and () for the class names. Transparent pixels are
    shown on white, and the EXIF orientation is applied. Only the first frame of an animation is used. If all
    values of all 16-bit grey pictures are below 2^8, 2^10, 2^12 or 2^14, the white of this depth is their
    white, and a warning says so; the depth that a PGM or TIFF file declares is used without a warning. A
    warning also tells of 16-bit colours that are as dark, of sub-folders that have files but no picture, of
    classes of `like` without a test picture, and of a part without labels because pictures are directly in
    it, or in `like`, beside sub-folders. With `skip_broken`, size, channels, white and classes are found from
    the pictures that are kept.

    FileNotFoundError   there is no picture
    FileFormatError     pictures cannot be read; the message has their paths. Or all pictures of a class are
                        broken, a class is not one of `like`, or a link leads to `apart`
    OSError             a sub-folder cannot be read
    """
    folder, formats = Path(folder), _formats()
    is_part, like = like is not None, folder if like is None else Path(like)
    files, broken = _pictures(folder, formats, apart), {}
    inside = files if like == folder else _pictures(like, formats)
    # Broken files of the training part are named when that part is loaded.
    whole = skip_broken and None in (size, channels)
    kinds = _looked(inside, formats, broken if like == folder else {}, whole)
    if size is None:
        sizes = {upright for upright, *_ in kinds.values()}
        size = sizes.pop() if len(sizes) == 1 else (SIZE, SIZE)
    channels = channels or (1 if all(grey for _, grey, *_ in kinds.values()) else 3)
    white = _white(like, kinds)
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
    inside = good if like == folder else list(kinds)
    labels, classes = _classes(folder, good, like, inside)
    if is_part and labels is None:
        _warn_of_loose(folder, good, like, inside)
    lost = {_class_of(path, folder) for path in broken} - {None, *classes}
    if like == folder and classes and lost:
        raise FileFormatError(
            f"{shown(folder)}: all pictures of the class {sorted(lost, key=natural)[0]!r} are broken; repair "
            "one of them, or remove the folder"
        )
    return x, labels, classes


def _classes(folder, files, like, inside):
    """(labels (N,) int64, names of the classes) of the pictures `files`.

    folder, files   a folder, and the N Paths of its pictures that are not broken
    like, inside    those of the training part; equal to the first two if `folder` is this part

    The class of a picture is the first-level sub-folder that it is in. The classes are those of `inside`, in
    natural order. If any picture of `files` or `inside` is in no sub-folder, the result is (None, ()). Raises
    FileFormatError for a class that `inside` does not have. Warns of a class without a picture in `files`.
    """
    names = [_class_of(path, folder) for path in files]
    known = {_class_of(path, like) for path in inside}
    if None in names or None in known:
        return None, ()
    classes = tuple(sorted(known, key=natural))
    if other := sorted(set(names) - known, key=natural):
        raise FileFormatError(
            f"{shown(folder)}: expected the classes of {shown(like)} "
            f"({', '.join(map(shown, classes))[:200]}), got {', '.join(map(repr, other[:NAMED]))}; rename "
            "the folder, or remove it"
        )
    if lost := known - set(names):
        missing = ", ".join(map(repr, sorted(lost, key=natural)[:NAMED]))
        warnings.warn(
            f"{shown(folder)}: this part has no picture of the class {missing}, which {shown(like)} has",
            stacklevel=4,  # the caller of numgan.data.load; so in the other warnings of this file
        )
    return np.array([classes.index(name) for name in names], np.int64), classes


def _warn_of_loose(folder, files, like, inside):
    """Warn, once, if some pictures are in a sub-folder and others are not. The first of these is named.

    folder, files   a folder, and the Paths of its pictures that are not broken
    like, inside    those of the training part; equal to the first two if `folder` is this part

    The pictures are those of `files` and of `inside`.
    """
    found = {path: _class_of(path, like) for path in inside}
    found |= {path: _class_of(path, folder) for path in files}
    loose = [path for path, name in found.items() if name is None]
    if len(loose) < len(found):
        warnings.warn(
            f"{shown(folder)}: its pictures get no labels, although there are sub-folders, because "
            f"{shown(loose[0])} is in none of them; move each such picture into the sub-folder of its class, "
            "or remove it",
            stacklevel=4,
        )


def _class_of(path, folder):
    """The name of the first-level sub-folder of `folder` that holds the picture `path`, a Path; or None.

    None: the picture is directly in `folder`.
    """
    names = path.relative_to(folder).parts
    return text_of(names[0]) if len(names) > 1 else None


def _report(folder, files, good, broken, skip):
    """Raise FileFormatError about broken pictures; if `skip`, warn of them. The first NAMED (10) are named.

    folder   the folder of the pictures
    files    the Paths of all pictures
    good     those that are not broken. If there are none, FileFormatError is raised even if `skip`
    broken   {Path: the FileFormatError of this picture}, with at least one entry
    skip     whether broken pictures are left out
    """
    path, first = next(iter(broken.items()))
    if len(broken) == 1 and not skip:
        raise FileFormatError(f"{first}, or leave it out with --skip-broken")
    rest = f" and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    names = ", ".join(shown(path.relative_to(folder)) for path in list(broken)[:NAMED]) + rest
    names += f" ({shown(path.name)}: {first.__cause__})"
    if not skip:
        raise FileFormatError(
            f"{shown(folder)}: {len(broken):,} of {len(files):,} files are no whole pictures: {names}; "
            "repair or remove them, or leave them out with --skip-broken (skip_broken=True)"
        )
    if not good:
        raise FileFormatError(
            f"{shown(folder)}: all {len(files):,} pictures are broken: {names}; name another folder"
        )
    warnings.warn(
        f"{shown(folder)}: {len(broken):,} of {len(files):,} files are left out: {names}", stacklevel=4
    )


def parts(folder):
    """{"train": path, "test": path} of a folder whose sub-folders are these parts; {} for another folder.

    The names may also be training and testing; val, valid or validation stands for a missing test part. Upper
    and lower case are equal. There must be a part for training, and no other sub-folder with pictures; "test"
    may be missing. If the folder holds no part, no picture and a single sub-folder, the parts are looked for
    in that sub-folder. A warning tells of pictures beside the parts, which are not read.

    FileFormatError   a part is a link to a folder that holds the other part
    OSError           a sub-folder cannot be read
    """
    found, others, loose, formats = {}, [], [], _formats()
    with os.scandir(folder) as entries:
        inside = sorted((entry for entry in entries if _visible(entry.name)), key=lambda entry: entry.name)
    for entry in inside:
        part = PARTS.get(entry.name.lower())
        if not entry.is_dir():
            loose += [entry.name] if _suffixed(entry.name, formats) else []
        elif part is None or part in found:
            others.append(entry)
        else:
            found[part] = entry.path
    if len(others) == 1 and not (found or loose or others[0].is_symlink()):
        return parts(others[0].path)
    if "train" not in found or any(_files(entry.path, formats)[0] for entry in others):
        return {}
    if "val" in found:
        found.setdefault("test", found["val"])
    found = {word: found[word] for word in ("train", "test") if word in found}
    if loose:
        warnings.warn(
            f"{shown(folder)}: {shown(loose[0])} is in no part, and is not read; move such pictures into one "
            f"of the sub-folders {', '.join(shown(os.path.basename(path)) for path in found.values())}",
            stacklevel=3,
        )
    for one, other in ((one, other) for one in found.values() for other in found.values() if one != other):
        if Path(os.path.realpath(other)).is_relative_to(os.path.realpath(one)):
            raise _not_apart(one, other)
    return found


def _not_apart(place, other):
    """The FileFormatError, not raised, about a link in the folder `place` to `other`, the other part."""
    return FileFormatError(
        f"{shown(place)}: expected pictures of this part alone, got a link to those of {shown(other)}, the "
        "other part; remove the link, or make it a folder with other pictures"
    )


def _visible(name):
    """Whether a file or folder called `name` belongs to the data.

    It does not if the name begins with a dot (hidden), or is __MACOSX, a folder of zip files made on a Mac.
    """
    return not name.startswith(".") and name != "__MACOSX"


def _formats():
    """A tuple of the names of the formats that Pillow reads, such as "PNG", without those in NOT_READ."""
    Image.init()  # registers all formats of Pillow in Image.OPEN
    return tuple(name for name in Image.OPEN if name not in NOT_READ)


def _suffixed(name, formats):
    """Whether the file name `name` has the suffix of one of the `formats`, which are Pillow's names."""
    return Image.registered_extensions().get(Path(name).suffix.lower()) in formats


def _files(folder, formats, apart=None):
    """The files below `folder`: (list of pictures, {first: set of the names of the other files}).

    formats   names of Pillow's formats. A picture is the Path of a file with the suffix of one of them
    first     a tuple with the name of the first-level sub-folder; () for the files directly in `folder`
    apart     the folder of the other part of the data, or None

    Files whose names begin with a dot are among the others. Links to folders are followed, but not to a
    folder that contains `folder`. Below one first-level sub-folder a folder is read once, even if several
    links lead to it, so loops of links end. Below another sub-folder it is read again, so links between
    classes lose no picture. Raises OSError if a folder cannot be read, FileFormatError if a link leads into
    `apart`.
    """
    found, others, entered = [], {}, set()
    around = [Path(os.path.realpath(place)) for place in (folder, os.path.dirname(os.path.abspath(folder)))]
    # os.walk goes only into the sub-folders that stay in the list `folders`
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        first, real = Path(place).relative_to(folder).parts[:1], os.path.realpath(place)
        if (first, real) in entered or first and any(root.is_relative_to(real) for root in around):
            folders.clear()
            continue
        if apart is not None and Path(real).is_relative_to(os.path.realpath(apart)):
            raise _not_apart(place, apart)
        entered.add((first, real))
        folders[:] = sorted(filter(_visible, folders))
        for name in names:
            if _visible(name) and _suffixed(name, formats):
                found.append(Path(place, name))
            else:
                others.setdefault(first, set()).add(name)
    return found, others


def _pictures(folder, formats, apart=None):
    """The Paths of all files below `folder` with the suffix of one of the `formats`, sorted name by name.

    formats   names of Pillow's formats
    apart     the folder of the other part of the data, or None

    Raises FileNotFoundError if there is no such file, OSError if a folder cannot be read, FileFormatError if
    a link leads into `apart`. If no picture is directly in `folder`, the first-level sub-folders are classes;
    then a warning names those that have files but no picture.
    """
    found, others = _files(folder, formats, apart)
    if not found:
        names = set().union(*others.values())
        raise FileNotFoundError(
            f"{shown(folder)}: expected a folder with pictures in it (.png, .jpg, .webp, .gif, .tif, ...), "
            f"found none among {len(names):,} files; name another folder, or check the files' suffixes"
            + packed_in(names)
        )
    # parts[:-1] leaves out the name of the file, and [:1] keeps the first-level sub-folder, if there is one
    firsts = {path.relative_to(folder).parts[:-1][:1] for path in found}
    bare = {first: set(filter(_visible, names)) for first, names in others.items() if first not in firsts}
    bare = {first: names for first, names in bare.items() if first and names}
    if bare and () not in firsts:
        words = ", ".join(shown(first) for (first,) in sorted(bare)[:NAMED])
        warnings.warn(
            f"{shown(folder)}: the sub-folders {words} hold no picture that Pillow reads; they are no "
            "classes" + packed_in(set().union(*bare.values())),
            stacklevel=4,
        )
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _raise(error):
    """Raise the OSError that os.walk met."""
    raise error  # otherwise os.walk skips a folder that it may not read, and a class would be missing


def _with_bar(files, title):
    """An iterator over the list `files`, with a progress bar called `title`.

    The bar is shown for more than BAR_FROM (500) files, and only if stderr is a terminal.
    """
    hidden = None if len(files) > BAR_FROM else True  # None: tqdm hides the bar if stderr is no terminal
    return tqdm(files, desc=title, unit=" pictures", disable=hidden, file=STDERR)


def _looked(files, formats, broken, whole):
    """{path: ((height, width), whether the picture is grey, largest value or None)} of the pictures `files`.

    files     a list of Paths
    formats   names of the formats of Pillow that may be read
    broken    a dict; this function adds {path: FileFormatError} for each file that cannot be read
    whole     True: decode every picture, and find all broken ones; False: read only headers where possible

    height and width are those after the rotation that the file's EXIF tag asks for. The largest value is that
    of a 16-bit grey picture whose file does not declare its white; for 16-bit colours it is the largest of
    the upper 8 bits, which Pillow reads. It is None for other pictures.
    """
    found = {}
    for path in _with_bar(files, "looking"):
        try:
            with opened(path, formats) as image:
                width, height = image.size
                deep = DEEP_COLOURS.search(str(image.tile))  # before getexif, which may decode the picture
                turned = image.getexif().get(0x0112, 1) in SIDEWAYS  # 0x0112: the EXIF tag Orientation
                size, grey, largest = (width, height) if turned else (height, width), is_grey(image), None
                if image.mode.startswith("I") and declared_white(image) is None:
                    largest = int(np.asarray(image).max(initial=0))
                elif deep:
                    largest = int(np.asarray(image.convert("RGB")).max(initial=0))
                if whole:
                    flatten(image)  # decodes the picture, and raises if it is broken
                found[path] = size, grey, largest
        except FileFormatError as error:
            broken[path] = error
    return found


def _white(folder, kinds):
    """The value that means white in the 16-bit grey pictures of `folder`: 2^bits - 1.

    kinds   {path: (size, whether it is grey, its largest value or None)}, from `_looked`

    bits is the smallest of DEPTHS (8, 10, 12, 14) that holds all values of these pictures. It is 16 if none
    does, if all values are 0, and if there is no such picture. Warns if bits is below 16, and if the 16-bit
    colour pictures are nearly black: if no upper byte is above 63, and not all are 0.
    """
    colours = [value for _, grey, value in kinds.values() if value is not None and not grey]
    if colours and 0 < max(colours) < DARK:
        warnings.warn(
            f"{shown(folder)}: the 16-bit colours are nearly black: of 255, no value is above "
            f"{max(colours)}; if they are data of 10, 12 or 14 bits, multiply them to fill 16 bits, or save "
            "them with 8 bits",
            stacklevel=4,
        )
    top = max([value for _, grey, value in kinds.values() if value is not None and grey], default=65535)
    bits = next((bits for bits in DEPTHS if 0 < top < 2**bits), 16)  # black pictures say nothing: 16
    if bits == 16:
        return 65535
    warnings.warn(
        f"{shown(folder)}: no value of the 16-bit pictures is above {top:,}: they are read as pictures of "
        f"{bits} bits, with {2**bits - 1:,} as white; if their white is another value, save them with 8 bits",
        stacklevel=4,
    )
    return 2**bits - 1
