"""One file in the IDX format, in which MNIST and similar sets are distributed.

An IDX file has two zero bytes, a byte for the type of the values, a byte for the number of axes, the length
of each axis as a big-endian 32-bit integer, and then the values, big-endian. A file may be damaged or
malicious, so its header is not trusted. Memory grows only with the bytes that are read. A gzip file may have
several members (RFC 1952, section 2.2); they are read as one file.
"""

import gzip
import math
import os
import struct
import zlib
from functools import partial

import numpy as np

from ..core import files
from ..core.errors import damaged
from .kinds import ENOUGH, kind_of

ANOTHER = "the file is damaged or is another one: fetch it again"
broken = partial(damaged, advice=ANOTHER)
LIMIT = 1 << 30  # largest number of values in one file, twenty times MNIST, to stop gzip bombs
CHUNK = 1 << 20
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
WORDS = {
    "u1": "unsigned bytes", "i1": "signed bytes", ">i2": "16-bit integers", ">i4": "32-bit integers",
    ">f4": "32-bit floats", ">f8": "64-bit floats",
}  # fmt: skip


def read_idx(path, axes, types=("u1",)):
    """Read the array in the IDX file `path`, and return it in the file's own type, such as uint8 or ">i4".

    axes     the number of axes that the array must have, an int, or a tuple of possible numbers
    types    a tuple of the possible types of the values, keys of WORDS: "u1" is a byte without sign

    The file may be gzipped; this is seen from its first two bytes, not from its name. Raises OSError if the
    file cannot be opened. Raises FileFormatError if the file is damaged or no IDX file, has other axes or
    types, no row, or more than LIMIT (2^30) values. If the file is of another kind, the message says which.
    """
    axes = (axes,) if isinstance(axes, int) else axes
    with files.opened(path) as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        size = None if zipped else os.fstat(raw.fileno()).st_size
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            return _parse(stream, size, axes, types, path)
        except EOFError as error:
            raise broken(path, "one whole gzip file", "a file that ends too early") from error
        except (OSError, zlib.error) as error:
            raise broken(path, "one whole gzip file" if zipped else "a readable file", error) from error


def _parse(stream, size, axes, types, path):
    """Read the array from the open `stream` of an IDX file. Raises FileFormatError as `read_idx`.

    size     the length of the file in bytes, which the header must agree with; None if the stream
             decompresses a gzip file, whose length is unknown
    axes     a tuple of the possible numbers of axes of the array
    types    a tuple of the possible types of its values, keys of WORDS
    path     the name of the file, for messages
    """
    magic = stream.read(4)
    first = f"00 00 {_code(types[0]):02x} {axes[0]:02x}"
    wanted = f"the first bytes {first} (IDX, {WORDS[types[0]]}, number of axes {axes[0]})"
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not magic[3]:
        raise _another(stream, magic, wanted, path)
    kind, number = TYPES[magic[2]], magic[3]  # byte 2: the type of the values; byte 3: the number of axes
    if kind not in types or number not in axes:
        got = (
            f"{magic.hex(' ')}: an IDX file of {WORDS[kind]} with {number} ax{'is' if number == 1 else 'es'}"
        )
        raise damaged(path, wanted, got, _role(kind, number))
    header = stream.read(4 * number)
    if len(header) < 4 * number:
        raise broken(path, f"{number} lengths of 4 bytes after the first four", f"{len(header)} bytes")
    shape = struct.unpack(f">{number}I", header)  # big-endian 32-bit integers without sign
    count = math.prod(shape)  # Python integers do not overflow
    claim = " x ".join(map(str, shape))
    if count == 0:
        raise broken(path, "at least one row", f"a header of {claim}")
    if count > LIMIT:
        raise broken(path, f"at most {LIMIT:,} values", f"a header of {claim} = {count:,}")
    length, before = count * np.dtype(kind).itemsize, 4 + 4 * number
    whole = f"{before + length:,} bytes, as its header says ({claim})"
    if size is not None and size != before + length:
        raise broken(path, whole, f"{size:,} in the file")
    values = bytearray()
    while len(values) < length:
        chunk = stream.read(min(CHUNK, length - len(values)))
        if not chunk:
            raise broken(path, whole, f"{before + len(values):,}")
        values += chunk
    if stream.read(1):  # a read at the end makes gzip compare its checksum
        raise broken(path, whole, "more bytes")
    return np.frombuffer(values, kind).reshape(shape)


def _code(kind):
    """The byte that stands for the type `kind`, a value of TYPES, in the header of an IDX file."""
    return next(code for code, word in TYPES.items() if word == kind)


def _another(stream, magic, wanted, path):
    """The FileFormatError, not raised, about a file that is no IDX file. It names the file's kind if known.

    stream   the open stream of the file, from which `magic`, the first four bytes, are already read
    wanted   the text of what was expected
    path     the name of the file
    """
    found = kind_of(magic + stream.read(ENOUGH))
    if found is None:
        return broken(path, wanted, magic.hex(" ") or "an empty file")
    kind, advice = found
    return damaged(path, wanted, f"{magic.hex(' ')}: {kind}", advice)


def _role(kind, number):
    """A text of advice about an IDX file of the wrong type or number of axes: what it probably holds.

    kind     the type of its values, a key of WORDS
    number   the number of its axes
    """
    if kind == "u1" and number == 1:
        return "MNIST's labels have this form: are pictures and labels exchanged? Otherwise fetch it again"
    if kind == "u1" and number == 3:
        return "MNIST's pictures have this form: are pictures and labels exchanged? Otherwise fetch it again"
    if kind == ">i4" and number == 2:
        return "QMNIST's labels have this form: load the folder as qmnist"
    return (
        "this file belongs to another set; fetch it again for this one, or save its array with numpy.save "
        "and load that file"
    )
