"""MNIST and Fashion-MNIST from their original files in the IDX format.

An IDX file of bytes has 00 00 08 and the number of axes, then the length of each axis as a big-endian 32-bit
integer, then the values. A file may be damaged or malicious, so its header is not trusted. The header must
agree with the length of the file (for a gzip file, with the length in its last four bytes). Memory grows only
with the bytes that are read.

MNIST: Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0. Fashion-MNIST: Zalando, MIT licence.
"""

import gzip
import math
import os
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import FileFormatError, damaged
from ..core.streams import STDERR

broken = partial(damaged, advice="the file is damaged or is another one: fetch it again")
LIMIT = 1 << 30  # largest number of values in one file, twenty times MNIST, to stop gzip bombs
CHUNK = 1 << 20

SOURCES = {
    "mnist": "MNIST, Y. LeCun, C. Cortes and C. J. C. Burges; CC BY-SA 3.0",
    "fashion-mnist": "Fashion-MNIST, Zalando; MIT licence",
}
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ),
}  # fmt: skip
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
    """Load MNIST or Fashion-MNIST: pictures (N, 28, 28, 1) uint8, and labels (N,) int64 in 0..9.

    name     "mnist" or "fashion-mnist"
    split    "train" (N = 60,000) or "test" (N = 10,000); other files may have another N
    folder   the folder of the four original files, gzipped or not. None: the sub-folder `name` of the folder
             in the environment variable NUMGAN_DATA; if this variable is not set, the files are downloaded
             into cache_folder() and checked by SHA-256

    Ink is 255 and the background 0.

    FileNotFoundError   a file is not in the folder
    ConnectionError     a file cannot be downloaded
    FileFormatError     the contents of a file are wrong, or there are not as many labels as pictures
    """
    image_path, label_path = (_locate(name, file, folder) for file in FILES[split])
    images, labels = read_idx(image_path, axes=3), read_idx(label_path, axes=1)
    if len(images) != len(labels):
        raise FileFormatError(
            f"{label_path}: expected {len(images):,} labels, one for each image of {image_path.name}, "
            f"got {len(labels):,}; take both files from one source"
        )
    if labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise FileFormatError(
            f"{label_path}: expected labels in 0..9, got {labels[row]} in row {row}; {_by_hand(name)}"
        )
    return images[..., None], labels.astype(np.int64)


def read_idx(path, axes):
    """Read the array of bytes in the IDX file `path`, a uint8 array.

    axes   the number of axes that the array must have

    The file may be gzipped; this is seen from its first bytes, not from its name. Raises FileFormatError
    unless the whole file is well-formed, OSError if it cannot be opened.
    """
    with files.opened(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        zipped = raw.read(2) == b"\x1f\x8b"
        if zipped:
            raw.seek(max(size - 4, 0))
            size = int.from_bytes(raw.read(4), "little")  # as the trailer says; `_parse` counts the bytes
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        measured = "by the last four bytes of the gzip file" if zipped else "in the file"
        try:
            return _parse(stream, size, measured, axes, path)
        except (EOFError, OSError, zlib.error) as error:
            raise broken(path, "one whole gzip file" if zipped else "a readable file", error) from error


def _parse(stream, size, measured, axes, path):
    magic = stream.read(4)
    if magic != bytes([0, 0, 8, axes]):
        wanted = f"the first bytes 00 00 08 {axes:02x} (IDX, unsigned bytes, number of axes {axes})"
        raise broken(path, wanted, magic.hex(" ") or "an empty file")
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise broken(path, f"{axes} lengths of 4 bytes after the first four", f"{len(header)} bytes")
    shape = struct.unpack(f">{axes}I", header)
    wanted = math.prod(shape)  # Python integers do not overflow
    claim = " x ".join(map(str, shape))
    if wanted == 0:
        raise broken(path, "at least one row", f"a header of {claim}")
    if wanted > LIMIT:
        raise broken(path, f"at most {LIMIT:,} values", f"a header of {claim} = {wanted:,}")
    if 4 + 4 * axes + wanted != size:
        raise broken(
            path, f"{4 + 4 * axes + wanted:,} bytes, as its header says ({claim})", f"{size:,} {measured}"
        )
    values = bytearray()
    while len(values) < wanted:
        chunk = stream.read(min(CHUNK, wanted - len(values)))
        if not chunk:
            raise broken(path, f"{wanted:,} values, as its header says ({claim})", f"only {len(values):,}")
        values += chunk
    if stream.read(1):  # a read at the end makes gzip compare its checksum
        raise broken(path, f"the end of the file after {wanted:,} values", "more bytes")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _locate(name, file, folder):
    shared = os.environ.get("NUMGAN_DATA")
    if folder is not None:
        files.expect_path(folder, f"load({name!r}): folder")
        place, why, otherwise = Path(folder), "folder=", ""
    elif shared:
        place, why = Path(shared, name), f"the environment variable NUMGAN_DATA is set, to {shared}"
        otherwise = ", or unset NUMGAN_DATA to download it"
    else:
        return _download(name, file)
    for path in (place / f"{file}.gz", place / file):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"load({name!r}): expected {file}.gz or {file} in {place} ({why}), "
        f"got {'neither' if place.is_dir() else 'no such folder'}; {_by_hand(name)}{otherwise}"
    )


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
    files = ", ".join(f"{file}.gz" for split in FILES.values() for file in split)
    return (
        f"put {files} from {MIRRORS[name]} into a folder F and call load({name!r}, folder=F), "
        f"or into a sub-folder {name} of the folder that NUMGAN_DATA names"
    )
