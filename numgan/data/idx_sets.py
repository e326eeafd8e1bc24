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
    """Load one of the sets SOURCES: pictures (N, H, W, 1) uint8, and labels (N,) int64 from 0.

    name     the name of a set. With another name than that in the files, the files must have MNIST's names
    split    "train" or "test"
    folder   the folder of the files (see `find`). None: the sub-folder `name` of the folder in the
             environment variable NUMGAN_DATA; if this variable is not set, mnist and fashion-mnist are
             downloaded into cache_folder() and checked by SHA-256

    Ink is 255 and the background 0. It warns if pictures under MNIST's names are stored with rows and columns
    exchanged, as EMNIST's are; this is undone.

    FileNotFoundError   a file is not in the folder
    ConnectionError     a file cannot be downloaded
    FileFormatError     the contents of a file are wrong, or there are not as many labels as pictures
    """
    image_path, label_path = (_locate(name, split, what, folder) for what in ("images", "labels"))
    images, labels = read_idx(image_path, axes=3), _labels(label_path)
    if len(images) != len(labels):
        raise FileFormatError(
            f"{label_path}: expected {len(images):,} labels, one for each image of {image_path.name}, "
            f"got {len(labels):,}; take both files from one source"
        )
    first, classes = FIRST.get(name, 0), len(CLASSES[name])
    wrong = (labels < first) | (labels >= first + classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise FileFormatError(
            f"{label_path}: expected labels in {first}..{first + classes - 1}, got {labels[row]} in row "
            f"{row}; " + _likely(name, int(labels.min()), int(labels.max()))
        )
    labels = labels.astype(np.int64) - first
    if name.startswith("emnist"):
        images = images.transpose(0, 2, 1)
    elif name == "mnist" and _lies_on_its_side(images, labels):
        warnings.warn(
            f"{image_path}: the digits lie on their sides, as EMNIST stores them; they are turned upright "
            "(load them as emnist-digits to say so)",
            stacklevel=2,
        )
        images = images.transpose(0, 2, 1)
    return np.ascontiguousarray(images)[..., None], labels


def _labels(path):
    """The class numbers in a file of labels: one byte each, or the first of QMNIST's eight columns."""
    labels = read_idx(path, axes=(1, 2), types=("u1", ">i4"))
    if labels.ndim == 2 and labels.dtype.kind == "u":
        raise FileFormatError(
            f"{path}: expected one label for each picture, got {labels.shape[1]} columns of unsigned bytes; "
            "this file holds no labels"
        )
    return labels if labels.ndim == 1 else labels[:, 0]


def _likely(name, lowest, highest):
    """The end of a message about labels that do not belong to the set `name`."""
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


def _lies_on_its_side(images, labels):
    """Whether digits are stored with rows and columns exchanged.

    The mean picture of each class is compared with the means of the 8x8 digits, upright and exchanged.
    """
    known, their = load_digits("train")
    upright, exchanged, classes = 0.0, 0.0, np.unique(labels)
    for k in classes:
        mean = images[labels == k][:500].mean(axis=0, dtype=np.float64)
        small = convert(np.rint(mean).astype(np.uint8)[None, ..., None], (8, 8))[0, ..., 0].astype(np.float64)
        wanted = known[their == k].mean(axis=0)[..., 0]
        upright += _correlation(small, wanted) / len(classes)
        exchanged += _correlation(small, wanted.T) / len(classes)
    return exchanged > 0.3 and exchanged > upright + 0.12


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return (a * b).sum() / size if size else 0.0


NAME = re.compile(
    r"(?P<set>emnist-(?:letters|digits|mnist|balanced|bymerge|byclass)-|qmnist-|kmnist-|fashion-mnist-|)"
    r"(?P<part>train|t10k|test)[-_.](?P<what>images|labels)[-_.]idx\d(?:[-_.](?:ubyte|int))?(?P<zip>\.gz)?",
    re.IGNORECASE,
)
ALIKE = ("mnist", "fashion-mnist", "kmnist")  # sets whose files have the same names
DEPTH, FOLDERS = 4, 300  # folders below the given one that are looked into


def find(folder):
    """The IDX files below `folder`: {(set, split, "images" or "labels"): path}.

    set is the name in the file's name, such as "emnist-letters". Files with MNIST's names are those of
    fashion-mnist or kmnist if a folder on their way has such a name, otherwise those of mnist. If a file is
    there twice, the gzipped one of the shortest path counts. At most 300 folders, 4 deep, are looked into.
    """
    found, seen = {}, 0
    root = str(folder)
    above = os.path.abspath(root).split(os.sep)[-2:]  # such as FashionMNIST/raw
    for place, folders, names in os.walk(root):
        seen += 1
        if place.count(os.sep) - root.count(os.sep) >= DEPTH or seen >= FOLDERS:
            folders.clear()
        folders.sort()
        way = re.sub("[-_ ]", "", os.path.join(*above, os.path.relpath(place, root)).lower())
        unnamed = "fashion-mnist" if "fashion" in way else "kmnist" if "kmnist" in way else "mnist"
        for name in names:
            match = NAME.fullmatch(name)
            if match:
                split = "train" if match["part"].lower() == "train" else "test"
                key = match["set"].lower().rstrip("-") or unnamed, split, match["what"].lower()
                found.setdefault(key, []).append((place.count(os.sep), match["zip"] is None, place, name))
    return {key: Path(*min(paths)[2:]) for key, paths in found.items()}


def set_in(folder):
    """The name of the set whose IDX files are below `folder`; None if there are none.

    Raises ValueError if the files belong to several sets.
    """
    names = sorted({word for word, *_ in find(folder)})
    if len(names) > 1:
        raise ValueError(
            f"{folder}: expected the files of one set, got those of {' and '.join(names)}; name one: "
            f"load({names[0]!r}, folder={str(folder)!r})"
        )
    return names[0] if names else None


def has_part(folder, split):
    """Whether the IDX files below `folder` have pictures of the split "train" or "test"."""
    return any(key[1:] == (split, "images") for key in find(folder))


def _locate(name, split, what, folder):
    """The Path of the file of pictures or labels (`what`) of a set. It is downloaded if that is possible."""
    shared = os.environ.get("NUMGAN_DATA")
    if folder is not None:
        files.expect_path(folder, f"load({name!r}): folder")
        place, why, otherwise = Path(folder), "folder=", ""
    elif shared:
        place, why = Path(shared, name), f"the environment variable NUMGAN_DATA is set, to {shared}"
        otherwise = ", or unset NUMGAN_DATA to download it" if name in MIRRORS else ""
    elif name in MIRRORS:
        return _download(name, FILES[split][what == "labels"])
    else:
        raise FileNotFoundError(f"load({name!r}): numgan does not download this set; {_by_hand(name)}")
    found = find(place) if place.is_dir() else {}
    for word in (name, *ALIKE):
        if (word, split, what) in found:
            return found[word, split, what]
    file = _names(name, split)[what == "labels"]
    others = sorted({word for word, *_ in found} - {name})
    got = "no such folder" if not place.is_dir() else f"files of {', '.join(others)}" if others else "neither"
    raise FileNotFoundError(
        f"load({name!r}): expected {file}.gz or {file} in {place} ({why}), got {got}; "
        f"{_by_hand(name)}{otherwise}"
    )


def _names(name, split):
    """The names of the files of pictures and of labels, as their publisher gives them, without .gz."""
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
    if os.path.isdir(name):
        return f"for the folder {name} that is here, write {os.path.join(os.curdir, name)}"
    files = ", ".join(f"{file}.gz" for split in FILES for file in _names(name, split))
    source = f"from {MIRRORS[name]}" if name in MIRRORS else "from the publisher of the set"
    return (
        f"put {files} {source} into a folder F and call load({name!r}, folder=F), "
        f"or into a sub-folder {name} of the folder that NUMGAN_DATA names"
    )
