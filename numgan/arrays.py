"""Arrays in files: .npy and .npz, read as if by an enemy's hand.

    save_array(path, x)        x = load_array(path)        one array
    x, y = load_arrays(path, "x", "y")                     of an uncompressed .npz, as numpy.savez writes it

Nothing is unpickled or decompressed. No memory is taken because a header says so: it must first agree with the
bytes that are there.
"""

import io
import math
import struct
import zipfile

import numpy as np

from .errors import FileFormatError
from .files import read, replacing

HEADER = 4096  # bytes that the header of one array may take; numpy writes 128
MOST = 1 << 28  # bytes of one file
END, LOCATOR = 22, 20  # bytes of a zip file's last record, and of the one before it in files above 2 GiB
NAMED = 1 << 10  # bytes of one member in a zip file's directory, at most


def damaged(path, expected, got, advice="the file is damaged: restore it from a copy, or make it again"):
    """The FileFormatError that says so."""
    return FileFormatError(f"{path}: expected {expected}, got {got}; {advice}")


def save_array(path, x):
    """Write one array."""
    with replacing(path) as file:
        np.save(file, x, allow_pickle=False)


def load_array(path):
    """The array of numbers in a .npy file. FileFormatError for anything else; OSError if it does not open."""
    return _guarded(path, _array)


def load_arrays(path, *names):
    """The arrays of these names in an uncompressed .npz file that holds no others. Errors as above."""

    def unpack(data, path):
        expect_directory(file := io.BytesIO(data), len(names), path)
        with zipfile.ZipFile(file) as archive:
            there = members(archive, path)
            if set(there) != set(names):
                raise damaged(path, f"the arrays {', '.join(names)}", ", ".join(there) or "none")
            return [_array(archive.read(there[name]), path) for name in names]

    return _guarded(path, unpack)


def _guarded(path, parse):
    data = read(path, MOST)
    try:
        return parse(data, path)
    except FileFormatError:
        raise
    except Exception as error:  # zipfile, struct, ast and numpy raise nearly every kind on a damaged file
        raise damaged(path, "whole arrays", f"{type(error).__name__}: {error}") from error


def _array(data, path):
    shape, fortran, dtype = header(stream := io.BytesIO(data), path)
    needed, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if dtype.kind not in "fiu" or needed != there:
        raise damaged(path, f"numbers, {there:,} bytes of them", f"{dtype} {shape}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def header(stream, path):
    """(shape, whether the first axis is the fastest, dtype) of the array that begins here."""
    if np.lib.format.read_magic(stream) != (1, 0):
        raise damaged(path, "an array of .npy version 1.0", "another version")
    return np.lib.format.read_array_header_1_0(stream, max_header_size=HEADER)


def expect_directory(file, most, path):
    """FileFormatError for a zip file with more members than `most`: zipfile makes an object of each."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - END - LOCATOR))
    tail = file.read()
    mark, entries, length, comment = (
        struct.unpack("<4s6xHL4xH", tail[-END:]) if len(tail) >= END else (b"", 0, 0, 0)
    )
    if mark != b"PK\5\6" or comment:
        raise damaged(path, "a zip file to its last byte", "another end")
    longer = tail[:4] == b"PK\6\7" and size < 1 << 31  # the mark of a second directory, which only large files need
    if entries > most or length > most * NAMED or longer:
        raise damaged(path, f"at most {most} arrays", f"a directory of {length:,} bytes for {entries:,}")


def members(archive, path):
    """{name: ZipInfo} of an open zip file. FileFormatError unless all are stored .npy of different names."""
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
                "stored arrays, not compressed or encrypted",
                f"{info.filename!r} of {info.compress_size:,} bytes that would become {info.file_size:,}",
            )
        found[name] = info
    return found
