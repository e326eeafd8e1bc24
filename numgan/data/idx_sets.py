"""MNIST and the sets that are distributed as MNIST is: pairs of IDX files, one of pictures and one of labels.

EMNIST and QMNIST have other names, KMNIST and Fashion-MNIST have MNIST's names. People have these files
gzipped or not, with dots or hyphens in the names, in folders such as MNIST/raw, or each file in a folder of
its own name: `find` knows all of these. EMNIST stores its pictures with rows and columns exchanged, and
numgan turns them upright.

MNIST: Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0. Fashion-MNIST: Zalando, MIT licence. EMNIST:
Cohen et al. 2017. QMNIST: Yadav and Bottou 2019. KMNIST: Clanuwat et al. 2018, CC BY-SA 4.0.
"""

import os
import re
import string
import warnings
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import FileFormatError
from ..core.streams import STDERR
from .digits import load_digits
from .idx import read_idx
from .kinds import packed_in
from .pictures import convert

DIGITS = tuple(string.digits)
LETTERS = tuple(string.ascii_uppercase)
BALANCED = (*DIGITS, *LETTERS, *"abdefghnqrt")  # 15 small letters look like the large ones, and are one class
SOURCES = {
    "mnist": "MNIST, Y. LeCun, C. Cortes and C. J. C. Burges; CC BY-SA 3.0",
    "fashion-mnist": "Fashion-MNIST, Zalando; MIT licence",
    "kmnist": "KMNIST, Clanuwat et al. 2018; CC BY-SA 4.0",
    "qmnist": "QMNIST, Yadav and Bottou 2019",
    **{
        f"emnist-{part}": f"EMNIST {part}, Cohen et al. 2017"
        for part in ("letters", "digits", "mnist", "balanced", "bymerge", "byclass")
    },
}
CLASSES = {
    "mnist": DIGITS,
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "qmnist": DIGITS,
    "emnist-letters": LETTERS,
    "emnist-digits": DIGITS,
    "emnist-mnist": DIGITS,
    "emnist-balanced": BALANCED,
    "emnist-bymerge": BALANCED,
    "emnist-byclass": (*DIGITS, *LETTERS, *string.ascii_lowercase),
}  # fmt: skip
FIRST = {"emnist-letters": 1}  # the label of the first class; 0 in the other sets
HOMES = {  # where the publishers of the sets that numgan does not download offer them
    "kmnist": "https://github.com/rois-codh/kmnist",
    "qmnist": "https://github.com/facebookresearch/qmnist",
    "emnist": "https://www.nist.gov/itl/products-and-services/emnist-dataset",
}
MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}


def load_idx(name, split, folder=None):
    """Load one of the sets SOURCES: (pictures (N, H, W, 1 or 3) uint8, labels (N,) int64 from 0).

    name     the name of a set. With another name than that in the files, the files must have MNIST's names,
             and no folder of Fashion-MNIST or KMNIST on their way
    split    "train" or "test"
    folder   the folder of the files (see `find`). None: the sub-folder `name` of the folder in the
             environment variable NUMGAN_DATA; if this variable is not set, mnist and fashion-mnist are
             downloaded into cache_folder() and checked by SHA-256

    Ink is 255 and the background 0. EMNIST stores rows and columns exchanged, and this is undone. A warning
    is given if digits show the opposite: digits of another set that are stored as EMNIST's are (they are
    turned too), or digits of EMNIST that are upright in the file (they stay as they are).

    FileNotFoundError   a file is not in the folder
    ConnectionError     a file cannot be downloaded
    FileFormatError     the contents of a file are wrong, or there are not as many labels as pictures
    """
    image_path, label_path = (_locate(name, split, what, folder) for what in ("images", "labels"))
    images, labels = read_idx(image_path, axes=(3, 4)), _labels(label_path)
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[3] not in (1, 3):
        claim = " x ".join(map(str, images.shape))
        raise FileFormatError(
            f"{image_path}: expected pictures of 1 or 3 channels, the last axis, got {claim} values; save "
            "them in this order of axes: rows, height, width, channels"
        )
    if len(images) != len(labels):
        raise FileFormatError(
            f"{label_path}: expected {len(images):,} labels, one for each image of {image_path.name}, "
            f"got {len(labels):,}; take both files from one source"
        )
    first, classes = FIRST.get(name, 0), len(CLASSES[name])  # labels are first..first + classes - 1
    wrong = (labels < first) | (labels >= first + classes)
    if wrong.any():
        row = int(np.argmax(wrong))  # the first row that is True
        raise FileFormatError(
            f"{label_path}: expected labels in {first}..{first + classes - 1}, got {labels[row]} in row "
            f"{row}; " + _likely(name, int(labels.min()), int(labels.max()))
        )
    labels = labels.astype(np.int64) - first
    exchanged = name.startswith("emnist")
    if CLASSES[name][:10] == DIGITS and _lies_on_its_side(images, labels, exchanged):
        if exchanged:
            what = "the digits are upright already, not as EMNIST stores them; they are left as they are"
        else:
            what = (
                "the digits lie on their sides, as EMNIST stores them; they are turned upright (load them as "
                "emnist-digits to say so)"
            )
        warnings.warn(f"{image_path}: {what}", stacklevel=2)
        exchanged = not exchanged
    return np.ascontiguousarray(images.swapaxes(1, 2) if exchanged else images), labels


def _labels(path):
    """The class numbers (N,) in the IDX file of labels `path`, in the file's type of integers.

    QMNIST's labels have eight columns, of which the first is the class. Raises FileFormatError for several
    columns of bytes, and the errors of `read_idx`.
    """
    labels = read_idx(path, axes=(1, 2), types=("u1", "i1", ">i2", ">i4"))
    if labels.ndim == 2 and labels.dtype.itemsize == 1:
        raise FileFormatError(
            f"{path}: expected one label for each picture, got {labels.shape[1]} columns of bytes; this file "
            "holds no labels"
        )
    return labels if labels.ndim == 1 else labels[:, 0]


def _likely(name, lowest, highest):
    """The last sentence of a message about labels that do not belong to the set `name`: what to do.

    lowest, highest   the smallest and the largest label. If they fit sets of EMNIST, the sentence names them
    """
    fitting = [
        other
        for other in ("emnist-letters", "emnist-balanced", "emnist-byclass")
        if FIRST.get(other, 0) <= lowest and highest < FIRST.get(other, 0) + len(CLASSES[other])
    ]
    if not fitting:
        return "these are not the labels of a set that numgan knows"
    return (
        f"labels from {lowest} to {highest} fit {' and '.join(fitting)}: if these files are EMNIST's, load "
        f"them with load({fitting[0]!r}, folder=F), which also turns the pictures upright; otherwise "
        f"{_by_hand(name)}"
    )


def _lies_on_its_side(images, labels, exchange):
    """Whether pictures of digits have rows and columns exchanged. Labels above 9 are left out.

    images     (N, H, W, C) uint8
    labels     (N,) integers; 0 to 9 are the digits
    exchange   True: exchange rows and columns of the pictures first

    The mean picture of each digit, of at most 500 pictures, is correlated with the mean of the package's 8x8
    digits, upright and with rows and columns exchanged. Both correlations are averaged over the digits. The
    result is True if that of the exchanged means is above 0.3, and above the upright one by more than 0.12.
    For true digits of MNIST, ten pictures are enough to tell.
    """
    known, their = load_digits("train")  # pictures and labels
    upright, exchanged = 0.0, 0.0  # mean correlations
    classes = np.unique(labels[labels < 10])
    for k in classes:
        mean = images[np.flatnonzero(labels == k)[:500]].mean(axis=(0, 3), dtype=np.float64)
        mean = np.rint(mean.T if exchange else mean).astype(np.uint8)
        small = convert(mean[None, ..., None], (8, 8))[0, ..., 0].astype(np.float64)
        wanted = known[their == k].mean(axis=0)[..., 0]
        upright += _correlation(small, wanted) / len(classes)
        exchanged += _correlation(small, wanted.T) / len(classes)
    return exchanged > 0.3 and exchanged > upright + 0.12


def _correlation(a, b):
    """Pearson's correlation of the entries of two arrays of one shape, a float; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return (a * b).sum() / size if size else 0.0


NAME = re.compile(
    r"(?P<set>emnist[-_.](?:letters|digits|mnist|balanced|bymerge|byclass)|qmnist|kmnist|fashion[-_.]?mnist|"
    r"mnist|)[-_.]?(?P<part>train|t10k|test)[-_.](?P<what>images|labels)[-_.]idx\d(?:[-_.](?:ubyte|int))?"
    r"(?: ?\(\d+\))?(?P<zip>\.gz)?(?: ?\(\d+\))?",  # a browser adds (1) to the name of a second download
    re.IGNORECASE,
)
NAMELESS = ("raw", "gzip", "data", "dataset", "files", "train", "test")  # they say nothing about the set
DEPTH, FOLDERS = 4, 300  # folders below the given one that are looked into


def find(folder):
    """The IDX files below `folder`: {(set, split, "images" or "labels"): Path}.

    set     the name in the file's name, such as "emnist-letters". Files with MNIST's names are those of
            fashion-mnist or kmnist if a folder of their path has such a name, otherwise those of mnist. These
            folders are `folder` and those below it. If `folder` has a name that says nothing about the set
            (NAMELESS), they begin with the nearest folder around it that has another name
    split   "train" or "test"

    If a file is there twice, the one in the least deep folder counts, and there the gzipped one. At most 300
    folders are looked into, at most 4 levels below `folder`.
    """
    found, root = {}, os.path.abspath(folder)
    above = root
    while os.path.basename(above).lower() in NAMELESS:
        above = os.path.dirname(above)
    for seen, (place, folders, names) in enumerate(os.walk(root, followlinks=True), 1):
        inside = os.path.relpath(place, root)
        depth = 0 if inside == os.curdir else inside.count(os.sep) + 1
        if depth >= DEPTH or seen >= FOLDERS:
            folders.clear()  # os.walk then does not go deeper
        folders.sort()
        unnamed = _set_of(os.path.join(os.path.basename(above), os.path.relpath(place, above)))
        for name in names:
            match = NAME.fullmatch(name)
            if match:
                word = re.sub("[-_.]", "-", match["set"].lower()).replace("fashionmnist", "fashion-mnist")
                split = "train" if match["part"].lower() == "train" else "test"
                # MNIST's names are also those of Fashion-MNIST and KMNIST: there the folders decide
                key = word if word not in ("", "mnist") else unnamed, split, match["what"].lower()
                found.setdefault(key, []).append((depth, match["zip"] is None, place, name))
    # min: the least depth first, then gzipped (False is before True); [2:] leaves (place, name)
    return {key: Path(*min(paths)[2:]) for key, paths in found.items()}


def _set_of(way):
    """The set of files with MNIST's names in the folder `way`: "fashion-mnist", "kmnist" or "mnist".

    way   a path, a text. The last name in it that contains fashion, kmnist, kuzushiji or mnist decides;
          without such a name the set is "mnist". Upper and lower case are equal
    """
    for name in reversed(way.lower().split(os.sep)):
        name = re.sub("[-_ ]", "", name)
        for word, said in (("fashion", "fashion-mnist"), ("kmnist", "kmnist"), ("kuzushiji", "kmnist")):
            if word in name:
                return said
        if "mnist" in name:
            break
    return "mnist"


def is_idx(path):
    """Whether the file name of `path` is that of an IDX file of one of the sets SOURCES."""
    return NAME.fullmatch(os.path.basename(path)) is not None


def set_in(folder):
    """The name of the set whose IDX files are below `folder`; None if there are no such files.

    Raises ValueError if the files belong to several sets.
    """
    names = sorted({word for word, *_ in find(folder)})
    if len(names) > 1:
        raise ValueError(
            f"{folder}: expected the files of one set, got those of {' and '.join(names)}; name one: "
            f"load({names[0]!r}, folder={str(folder)!r}), or --data {names[0]} --folder {folder}"
        )
    return names[0] if names else None


def has_part(folder, split):
    """Whether the IDX files below `folder` have pictures of the split "train" or "test"."""
    return any(key[1:] == (split, "images") for key in find(folder))


def is_there(name, split, folder):
    """Whether the files of pictures and of labels of the set `name` are below `folder`.

    split   "train" or "test". Returns False if there is no such folder
    """
    found = find(folder) if os.path.isdir(folder) else {}
    return all(_chosen(found, name, split, what) for what in ("images", "labels"))


def _chosen(found, name, split, what):
    """The Path of one file of the set `name`, under the set's own name or under MNIST's; None if not found.

    found         the dict of `find`
    split, what   "train" or "test"; "images" or "labels"
    """
    return found.get((name, split, what)) or found.get(("mnist", split, what))


def _locate(name, split, what, folder):
    """The Path of one file of the set `name`. It is downloaded if no folder is given and numgan knows how.

    split, what   "train" or "test"; "images" or "labels"
    folder        the folder to look in; None: the sub-folder `name` of the folder that the environment
                  variable NUMGAN_DATA names; if it is not set, the file is downloaded

    Raises FileNotFoundError if the file is not in its folder or the set is not downloaded, ConnectionError or
    FileFormatError if the download fails.
    """
    shared = os.environ.get("NUMGAN_DATA")
    if folder is not None:
        files.expect_path(folder, f"load({name!r}): folder")
        place, why, otherwise = Path(folder), "folder=", ""
    elif shared:
        place, why = Path(shared, name), f"the environment variable NUMGAN_DATA is set, to {shared}"
        otherwise = ", or unset NUMGAN_DATA to download it" if name in MIRRORS else ""
    elif name in MIRRORS:
        return _download(name, FILES[split][what == "labels"])  # 0: pictures, 1: labels
    else:
        raise FileNotFoundError(f"load({name!r}): numgan does not download this set; {_by_hand(name)}")
    found = find(place) if place.is_dir() else {}
    if path := _chosen(found, name, split, what):
        return path
    file = _names(name, split)[what == "labels"]
    others = sorted({word for word, *_ in found} - {name})
    got = "no such folder" if not place.is_dir() else f"files of {', '.join(others)}" if others else "neither"
    if not others and any(part != split for _, part, _ in found):
        got += f", but files of the {'test' if split == 'train' else 'training'} part"
    if others:
        otherwise += f"; or load those with load({others[0]!r}, folder=...)"
    elif place.is_dir():
        got += packed_in(os.listdir(place))
    raise FileNotFoundError(
        f"load({name!r}): expected {file}.gz or {file} in {place} ({why}), got {got}; "
        f"{_by_hand(name)}{otherwise}"
    )


def _names(name, split):
    """(name of the file of pictures, name of the file of labels) of a set and split, without .gz.

    These are the publisher's names.
    """
    if name == "qmnist":
        return f"qmnist-{split}-images-idx3-ubyte", f"qmnist-{split}-labels-idx2-int"
    if name.startswith("emnist"):
        return tuple(f"{name}-{split}-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
    return FILES[split]


def cache_folder():
    """The Path of the folder for downloaded data and trained judges.

    It is the environment variable NUMGAN_CACHE, or the cache folder of the operating system for numgan.
    """
    import pooch

    return Path(os.environ.get("NUMGAN_CACHE") or pooch.os_cache("numgan"))


def _download(name, file):
    """Download `file`, a file name without .gz, of the set `name` into cache_folder(), and return its Path.

    A file that is already there is not fetched again. Its SHA-256 is checked either way. Raises
    ConnectionError if the download fails, FileFormatError for another SHA-256.
    """
    import pooch  # not at the top of the file: only a download needs pooch, and its import is slow

    url, place = MIRRORS[name] + file + ".gz", cache_folder() / name
    digest = SHA256[name][file]
    try:
        files.expect_own(place / f"{file}.gz")
        return Path(
            pooch.retrieve(
                url, f"sha256:{digest}", fname=f"{file}.gz", path=place, progressbar=STDERR.isatty()
            )
        )
    except OSError as error:  # requests' exceptions are OSErrors
        raise ConnectionError(
            f"load({name!r}): expected to download {url} to {place}, got: {error}; {_by_hand(name)}"
        ) from error
    except ValueError as error:  # pooch raises ValueError if the SHA-256 differs
        raise FileFormatError(
            f"{url}: expected a file of SHA-256 {digest}, got another one ({error}); {_by_hand(name)}"
        ) from error


def _by_hand(name):
    """A text of advice: where to get the files of the set `name`, and where to put them.

    If the current folder has a sub-folder of this name, the text says how to load that one.
    """
    if os.path.isdir(name):
        return f"for the folder {name} that is here, write {os.path.join(os.curdir, name)}"
    files = ", ".join(f"{file}.gz" for split in FILES for file in _names(name, split))
    source = f"from {MIRRORS.get(name) or HOMES[name.partition('-')[0]]}"
    return (
        f"put {files} {source} into a folder F and call load({name!r}, folder=F), "
        f"or into a sub-folder {name} of the folder that NUMGAN_DATA names"
    )
