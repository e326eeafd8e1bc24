"""The text of a file, which may be packed with gzip.

    text = text_in("flowers.csv")

The encoding is UTF-8, or UTF-16 or UTF-32 with a byte-order mark. Another one cannot be known for certain: it
is refused with the most likely name, and with the way to save the file as UTF-8.
"""

import codecs
import gzip
import zlib

from ..core.arrays import MOST
from ..core.errors import damaged
from ..core.files import opened

BOMS = {  # {byte-order mark: encoding}; that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
OTHERS = {  # {first bytes of a file of another kind: what it is, and what to do}
    b"PK\3\4": ("a zip file or an Excel file", "unpack it, or save the sheet as 'CSV UTF-8'"),
    b"\xd0\xcf\x11\xe0": ("an Excel file", "save the sheet as 'CSV UTF-8'"),
    b"\x93NUMPY": ("an array of NumPy", "rename it to data.npy"),
    b"PAR1": ("a Parquet file", 'convert it: pandas.read_parquet("data").to_csv("data.csv", index=False)'),
}
SAVE = 'save it as UTF-8: "CSV UTF-8" in a spreadsheet, or in Python pathlib.Path("new.csv").write_text('
OLD = 'pathlib.Path("old.csv").read_text("{}"), "utf-8")'


def text_in(path):
    """The text of the file `path`, which may be gzipped. The ends of its lines stay as they are in the file.

    The encoding is UTF-8, unless a byte-order mark names UTF-16 or UTF-32. Raises FileFormatError for another
    encoding or kind of file, a damaged gzip file, and more than MOST bytes (2^28) of text. Raises OSError if
    the file cannot be read.
    """
    try:
        with opened(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, "a whole gzip file", f"{type(error).__name__}: {error}") from error
    if len(data) > MOST:
        raise damaged(path, f"at most {MOST:,} bytes of text", "more", "make a smaller file")
    for mark, (got, advice) in OTHERS.items():
        if data.startswith(mark):
            raise damaged(path, "a table as text", got, advice)
    found = next((name for mark, name in BOMS.items() if data.startswith(mark)), None)
    if found is None and b"\0" in data:
        raise _with_zeros(path, data)
    try:
        return data.decode(found or "utf-8")
    except UnicodeDecodeError as error:
        if found not in (None, "utf-8-sig"):
            got = f"other bytes ({error.reason})"
            advice = "save it as UTF-8 in the program that made it"
            raise damaged(path, f"text in {found.upper()}, as its first bytes say", got, advice) from error
        byte, line = data[error.start : error.start + 1], data.count(b"\n", 0, error.start) + 1
        letter = byte.decode("cp1252", "replace")  # the most usual encoding that is not UTF-8
        raise damaged(
            f"{path}, line {line}",
            "text in UTF-8",
            f"the byte 0x{byte.hex()}, as Latin-1 (Windows-1252) has it for {letter!r}",
            SAVE + OLD.format("latin-1"),
        ) from error


def _with_zeros(path, data):
    """The FileFormatError, not raised, about a file `path` whose bytes `data` have zeros but no known mark.

    If more than half of every second byte is 0, the file is UTF-16 without a byte-order mark, and the message
    says so. Otherwise it says that the file is of another kind, or damaged.
    """
    for name, part in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if part.count(0) * 2 > len(part):
            got = f"{name.upper()} without a byte-order mark (every second byte is 0)"
            return damaged(path, "text in UTF-8", got, SAVE + OLD.format(name))
    return damaged(path, "a table as text", "bytes of 0", "it is a file of another kind, or it is damaged")
