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
    """Write the array x to the .npy file `path`, in place of an older file of that name.

    The file is written atomically: after a failure the older file stays. Raises ValueError for an array of
    objects, FileNotFoundError if the folder does not exist, FileExistsError if a link, a pipe, a folder or a
    device has the name, and other OSErrors.
    """
    with replacing(path) as file:
        np.save(file, x, allow_pickle=False)


def write_arrays(file, arrays):
    """Write arrays, {name: array}, to `file`, an open binary file, as an uncompressed .npz file.

    Equal arrays give equal bytes: the file holds no time of writing. `numpy.load` reads the file too. Raises
    ValueError for an array of objects.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            # force_zip64: the member's size may exceed 2 GB; version 1.0: `array_of` reads only this version
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is constant
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)


def load_array(path):
    """Read the array of numbers in the .npy file `path`, and return it. The array is read-only.

    Raises FileFormatError for damaged contents, for contents that are not such an array, and for a file of
    more than MOST bytes (2^28). Raises OSError if the file cannot be opened.
    """
    return _parse_file(path, array_of)


def load_arrays(path, *names):
    """Read the arrays called `names` from the uncompressed .npz file `path`. Returns a list, in this order.

    The arrays are read-only. Raises FileFormatError for damaged contents, for contents that are not such a
    file, for a missing array, for an array with another name, and for more than MOST bytes (2^28). Raises
    OSError if the file cannot be opened.
    """

    def unpack(data, path):
        """The list of arrays in `data`, the bytes of the file `path`."""
        expect_directory(file := io.BytesIO(data), len(names), path)
        with zipfile.ZipFile(file) as archive:
            there = members(archive, path)
            if set(there) != set(names):
                raise damaged(path, f"the arrays {', '.join(names)}", ", ".join(there) or "none")
            return [array_of(archive.read(there[name]), path) for name in names]

    return _parse_file(path, unpack)


def _parse_file(path, parse):
    """Read the file `path` and return parse(data, path), where data are the bytes of the file.

    Every exception of `parse` becomes a FileFormatError. A file of more than MOST bytes (2^28) raises
    FileFormatError, and a file that cannot be opened raises OSError.
    """
    data = read(path, MOST)
    try:
        return parse(data, path)
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        raise damaged(path, "whole arrays", f"{type(error).__name__}: {error}") from error


def array_of(data, path, kinds="bfiu"):
    """The array of numbers in `data`, the bytes of a .npy file. The array is read-only: it shares `data`.

    path    the file's name, for messages
    kinds   the allowed kinds of dtypes, one letter each: by default "bfiu" for bools, floats, signed and
            unsigned integers; "U" for text

    Raises FileFormatError for a version of the format other than 1.0, for a dtype of another kind, and if the
    length of `data` does not agree with the shape in the header. NumPy may raise other errors for bytes that
    are no .npy file.
    """
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise damaged(path, "an array of .npy version 1.0", "another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=HEADER)
    # bytes that shape and dtype need, and bytes after the header
    needed, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if dtype.kind not in kinds or needed != there:
        raise damaged(path, f"an array of numbers in {there:,} bytes", f"{dtype} {shape}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def expect_directory(file, most, path):
    """Raise FileFormatError unless the zip file `file` ends with its directory, of at most `most` members.

    The directory is the list of the members. `zipfile` makes an object of each member when it reads this
    list, so call this check first. A comment after the directory is an error too, and a directory too long
    for its members.

    file   an open binary file; afterwards its position is at the end
    path   the name of this file, for the message
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - END - LOCATOR))
    tail = file.read()
    # the last record: mark (4 bytes), 6 bytes of disk numbers (x), number of members (H), length of the
    # directory in bytes (L), 4 bytes of its offset (x), length of the comment (H); all little-endian
    mark, entries, length, comment = (
        struct.unpack("<4s6xHL4xH", tail[-END:]) if len(tail) >= END else (b"", 0, 0, 0)
    )
    if mark != b"PK\5\6" or comment:
        raise damaged(path, "a zip file that ends with its directory", "other bytes at its end")
    # A ZIP64 locator starts with PK 6 7 and means that the counts are elsewhere; only files of 2 GB need it.
    longer = tail[:4] == b"PK\6\7" and size < 1 << 31
    if entries > most or length > most * NAMED or longer:
        raise damaged(path, f"at most {most} arrays", f"a directory of {length:,} bytes for {entries:,}")


def members(archive, path):
    """{name: ZipInfo} of all members of `archive`, a zipfile.ZipFile that is open; names are without ".npy".

    Raises FileFormatError unless all members are .npy files with different names, neither compressed nor
    encrypted. `path` is the file's name, for the message.
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
            or info.flag_bits & 1  # bit 0: encrypted
        ):
            raise damaged(
                path,
                "arrays that are neither compressed nor encrypted",
                f"{info.filename!r} of {info.compress_size:,} bytes, unpacked {info.file_size:,}",
            )
        found[name] = info
    return found
