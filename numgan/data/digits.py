"""The data set in the package: 1,797 handwritten digits of 8 x 8 pixels. Examples with it need no download.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
CC BY 4.0. The text of the attribution is in the same folder, in digits.LICENSE.txt.
"""

import gzip
import zlib
from importlib import resources

import numpy as np

from ..core import files
from ..core.errors import FileFormatError

FILE = "digits.csv.gz"
ROWS, TEST_ROWS = 1797, 297
LIMIT = 1 << 20  # largest number of bytes of text that are read; the file has 264,712 bytes of text
SOURCE = "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), UCI; CC BY 4.0"


def load_digits(split):
    """The digits of the package: pictures (N, 8, 8, 1) uint8 and labels (N,) int64 in 0..9.

    split   "train": the first 1,500 rows of the file; "test": its last 297 rows

    Ink is 255 and the background 0. A line of the file has 64 values v in 0..16, row by row, and then the
    digit; v becomes the pixel round(255 v / 16). Raises FileFormatError if the installed file is damaged.
    """
    with resources.as_file(resources.files(__package__) / FILE) as path:
        rows = read_table(path)
    rows = rows[:-TEST_ROWS] if split == "train" else rows[-TEST_ROWS:]
    pixels = np.rint(rows[:, :64] * 255 / 16).astype(np.uint8)  # columns 0..63; column 64 is the digit
    return pixels.reshape(-1, 8, 8, 1), rows[:, 64]


def read_table(path):
    """Read the gzipped CSV file `path` of the digits: an array (1797, 65) int64.

    Each row has 64 pixels in 0..16, and then the digit in 0..9. Raises FileFormatError for other contents.
    At most LIMIT bytes (1 MiB) of the unpacked text are read.
    """
    try:
        with files.opened(path) as file, gzip.open(file) as text:
            rows = np.array([line.split(b",") for line in text.read(LIMIT).splitlines()], np.int64)
    except FileFormatError:
        raise
    except (OSError, EOFError, OverflowError, ValueError, zlib.error) as error:
        raise FileFormatError(
            f"{path}: expected a gzipped table of integers, got: {error}; install numgan again"
        ) from error
    if rows.shape != (ROWS, 65) or rows.min() < 0 or rows[:, :64].max() > 16 or rows[:, 64].max() > 9:
        raise FileFormatError(
            f"{path}: expected {ROWS} rows of 64 values in 0..16 and a digit, got a table {rows.shape} "
            f"of values in {rows.min(initial=0)}..{rows.max(initial=0)}; install numgan again"
        )
    return rows
