"""The kind of a file that is not what a loader expects: from its first bytes, or from its name."""

import os
import re

UNPACK = "unpack it, and name the folder of the files in it"
ARRAYS = "save its arrays with numpy.savez, and load that file"
NO_CODE = "numgan runs no code from files: save the arrays with numpy.savez"
PICTURES = "give the folder of the pictures as the data"

INSIDE = (  # zip archives by a name near their start: (the name, the kind, what to do with such a file)
    (b"/data.pkl", "a PyTorch file", NO_CODE),
    (b".npy", "an .npz file of NumPy", "load the .npz file itself: numgan.data.load('FILE.npz')"),
)
STARTS = (  # (the first bytes, the kind, what to do with such a file)
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!", "a rar archive", UNPACK),
    (b"\x1f\x8b", "a gzip file", "unpack it with gunzip"),
    (b"\x1f\x9d", "a file of compress", "unpack it with uncompress"),
    (b"BZh", "a bzip2 file", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "an xz file", "unpack it with unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it with unzstd"),
    (b"\x93NUMPY", "a NumPy array", "load the .npy file itself: numgan.data.load('FILE.npy')"),
    (b"\x89HDF", "an HDF5 file", ARRAYS),
    (b"MATLAB", "a MATLAB file", ARRAYS),
    (b"PAR1", "a Parquet file", ARRAYS),
    (b"\x89PNG", "a PNG picture", PICTURES),
    (b"\xff\xd8\xff", "a JPEG picture", PICTURES),
    (b"GIF8", "a GIF picture", PICTURES),
    (b"%PDF", "a PDF document", "save its pictures as PNG files"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    *((bytes([0x80, number]), "a Python pickle", NO_CODE) for number in (2, 3, 4, 5)),
)
PAGE = re.compile(rb"<(html|!doctype|\?xml|!--|head|body|error)", re.IGNORECASE)
SENT = "the server sent it in place of the file: open the address in a browser to see it, and fetch it again"
ENOUGH = 600  # so many bytes from the start of a file show its kind

PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".xz", ".bz2", ".zst")
CODE = (".pt", ".pth", ".pkl", ".pickle")


def kind_of(start):
    """(kind, advice), two texts, of a file from its first bytes; None if the kind is unknown.

    start   the first ENOUGH (600) bytes, or all bytes of a shorter file

    A file that begins with printable text is of the kind "text".
    """
    for name, kind, advice in INSIDE:
        if start.startswith(b"PK") and name in start[:100]:
            return kind, advice
    for first, kind, advice in STARTS:
        if start.startswith(first):
            return kind, advice
    if start[257:262] == b"ustar":  # the place of the mark in a tar header
        return "a tar archive", UNPACK
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()  # the byte-order mark of UTF-8
    if PAGE.match(text):
        return "a web page", SENT
    if re.fullmatch(rb"[ -~\s]+", text[:40]):
        return f"text, {text[:40].decode()!r}", SENT
    return None


def packed_in(names):
    """The end of an error message about the first archive or pickle among files; "" if there is none.

    names   the names of the files; the first one in sorted order counts

    The text begins with "; ". It advises to unpack an archive, or says that a pickle is no data for numgan.
    A folder may hold the archive that was downloaded, and not yet its files.
    """
    for name in sorted(names):
        if name.lower().endswith(PACKED):
            return f"; unpack {os.path.basename(name)!r} first"
        if name.lower().endswith(CODE):
            return f"; {os.path.basename(name)!r} is no data for numgan: it runs no code from files"
    return ""
