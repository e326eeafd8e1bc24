"""Arrays in files, .npy and .npz, read safely: a file from an untrusted source can do no harm.

    save_array(path, x)                x = load_array(path)                  one array, .npy
    write_arrays(file, {"x": x})       x, y = load_arrays(path, "x", "y")    arrays, .npz without compression

Nothing is unpickled or decompressed. The size in a header must agree with the number of bytes in the file
before memory is allocated for the array.
"""

import io
import math
import struct
import zipfile

import numpy as np

from .errors import FileFormatError, damaged
from .files import read, replacing

HEADER = 4096  # most bytes of one array's header; numpy writes 128
MOST = 1 << 28  # most bytes of one file
END, LOCATOR = 22, 20  # bytes of the last record of a zip file, and of the ZIP64 locator before this record
NAMED = 1 << 10  # most bytes of one member's entry in a zip file's directory


def save_array(path, x):
    """Write the array x to the .npy file `path`. An older file is replaced."""
    with replacing(path) as file:
        np.save(file, x, allow_pickle=False)


def write_arrays(file, arrays):
    """Write arrays, {name: array}, to the open binary file `file` in the format .npz, without compression.

    Equal arrays give equal bytes. `numpy.load` reads such a file too.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is constant
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)


def load_array(path):
    """Read the array of numbers in the .npy file `path`. The result is a read-only array.

    Raises FileFormatError for damaged or other contents or more than MOST bytes, OSError if the file cannot
    be opened.
    """
    return _parse_file(path, array_of)


def load_arrays(path, *names):
    """Read the arrays called `names` from the uncompressed .npz file `path`. Returns a list in this order.

    Raises FileFormatError for damaged or other contents, for a missing or further array, and for more than
    MOST bytes. Raises OSError if the file cannot be opened.
    """

    def unpack(data, path):
        expect_directory(file := io.BytesIO(data), len(names), path)
        with zipfile.ZipFile(file) as archive:
            there = members(archive, path)
            if set(there) != set(names):
                raise damaged(path, f"the arrays {', '.join(names)}", ", ".join(there) or "none")
            return [array_of(archive.read(there[name]), path) for name in names]

    return _parse_file(path, unpack)


def _parse_file(path, parse):
    """Read the file `path` and return parse(its bytes, path).

    Every exception of `parse` becomes a FileFormatError. A file of more than MOST bytes raises
    FileFormatError too.
    """
    data = read(path, MOST)
    try:
        return parse(data, path)
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        raise damaged(path, "whole arrays", f"{type(error).__name__}: {error}") from error


def array_of(data, path, kinds="bfiu"):
    """Make the array that `data`, the bytes of a .npy file, contains. The array is read-only.

    path    the name of the file, for messages
    kinds   the allowed kinds of dtypes, such as "bfiu" for numbers and "U" for words

    Raises FileFormatError for a version of the format other than 1.0, or if the bytes do not hold exactly one
    array of numbers. For other bytes it may raise other errors of NumPy.
    """
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise damaged(path, "an array of .npy version 1.0", "another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=HEADER)
    needed, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if dtype.kind not in kinds or needed != there:
        raise damaged(path, f"an array of numbers in {there:,} bytes", f"{dtype} {shape}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def expect_directory(file, most, path):
    """Raise FileFormatError unless the zip file `file` ends with a directory of at most `most` members.

    file   an open zip file
    most   the largest allowed number of members
    path   the name of the file, for the message

    The directory is the list of the members. `zipfile` makes an object of each member when it reads this
    list, so call this check first. A comment after the directory is an error too, and a directory too long
    for its members.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - END - LOCATOR))
    tail = file.read()
    mark, entries, length, comment = (
        struct.unpack("<4s6xHL4xH", tail[-END:]) if len(tail) >= END else (b"", 0, 0, 0)
    )
    if mark != b"PK\5\6" or comment:
        raise damaged(path, "a zip file that ends with its directory", "other bytes at its end")
    longer = tail[:4] == b"PK\6\7" and size < 1 << 31  # the mark of ZIP64, which only large files need
    if entries > most or length > most * NAMED or longer:
        raise damaged(path, f"at most {most} arrays", f"a directory of {length:,} bytes for {entries:,}")


def members(archive, path):
    """The members of the open zip file `archive`: {name without ".npy": ZipInfo}.

    Raises FileFormatError unless all are .npy files with different names, neither compressed nor encrypted.
    `path` is the file's name, for the message.
    """
    found = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in found or name == info.filename:
            raise damaged(
                path,
                "arrays (.npy) of different names",
                f"{info.filename!r}{' twice' if name in found else ''}",
            )
        if (
            info.compress_type != zipfile.ZIP_STORED
            or info.file_size != info.compress_size
            or info.flag_bits & 1
        ):
            raise damaged(
                path,
                "arrays that are neither compressed nor encrypted",
                f"{info.filename!r} of {info.compress_size:,} bytes, unpacked {info.file_size:,}",
            )
        found[name] = info
    return found
