"""Convert a picture of any kind to 8-bit grey or colour of a given size, with Pillow."""

import warnings
from contextlib import contextmanager
from operator import index

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core import files
from ..core.errors import FileFormatError
from .kinds import ENOUGH, kind_of

MOST = 1 << 25  # largest number of pixels of one picture: more than a camera's 30 million; 134 MB in colour
BITS = 258  # the tag BitsPerSample of TIFF
GREY = ("1", "L", "LA", "La", "I", "F")  # Pillow's modes without colour; modes like I;16 are grey too


@contextmanager
def opened(path, formats):
    """A context that opens the file `path` as a Pillow image. `formats` names the possible formats: ["PNG"].

    If the file cannot be opened as such an image, if the image has more than MOST (2^25) pixels, or if the
    block raises an exception, FileFormatError is raised, with the path. OSError is raised if the file itself
    cannot be opened.
    """
    with files.opened(path) as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=formats) as image:
                if image.width * image.height > MOST:
                    raise Image.DecompressionBombError(f"{image.width:,} x {image.height:,} pixels")
                yield image
        except Exception as error:  # Pillow's decoders raise many types
            if isinstance(error, UnidentifiedImageError):  # Pillow's message has only the path
                error = UnidentifiedImageError(_kind(file))
            raise FileFormatError(
                f"{files.shown(path)}: expected a picture that Pillow reads, of at most {MOST:,} pixels, "
                f"got {type(error).__name__}: {error}; repair the file or remove it from the folder"
            ) from error


def _kind(file):
    """The kind of an open binary file that is no picture, as a text, such as "a zip archive"."""
    file.seek(0)
    start = file.read(ENOUGH)
    if not start:
        return "an empty file"
    kind, _ = kind_of(start) or ("no kind of picture that Pillow knows", "")
    return kind


def declared_white(image):
    """The value of white in a 16-bit grey Pillow image, if its file declares it; otherwise None.

    65535 for PGM and JPEG 2000: Pillow scales their values to 16 bits. A TIFF file declares the number of
    bits of a value: 2^bits - 1 if bits is below 16, otherwise None.
    """
    if image.format in ("PPM", "JPEG2000"):
        return 65535
    # a TIFF file has one number of bits for each channel; a grey picture has one channel
    bits = image.tag_v2.get(BITS, (16,))[0] if image.format == "TIFF" else 16
    return 2**bits - 1 if bits < 16 else None


def is_grey(image):
    """Whether the mode of a Pillow image has no colour, with alpha or without. A palette counts as colour."""
    return image.mode in GREY or image.mode.startswith("I;")


def pair(size):
    """(height, width), two ints, from `size`: an int (a square) or a pair of ints, each at least 1.

    Raises TypeError for a number that is no integer, ValueError for another number of entries or one below 1.
    """
    try:
        height, width = (size, size) if np.ndim(size) == 0 else size
    except ValueError:
        raise ValueError(f"size: expected an int or (height, width), got {size!r}") from None
    if index(height) < 1 or index(width) < 1:
        raise ValueError(f"size: expected at least 1 x 1 pixels, got {height} x {width}")
    return index(height), index(width)


def flatten(image, white=65535):
    """Convert a Pillow image of any mode to an opaque upright image of mode "L" (grey) or "RGB".

    The EXIF orientation is applied. Transparent pixels are shown on white. A 16-bit grey value v becomes
    round(255 v / white); `white` is below 65535 for 12-bit data in a 16-bit file, and a white that the file
    declares goes before it. Raises ValueError for pixels without a defined range: floating point, or integers
    outside 0..65535.
    """
    white = declared_white(image) or white  # before exif_transpose: its result has no tags of the file
    image = ImageOps.exif_transpose(image)
    target = "L" if is_grey(image) else "RGB"
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white; save the picture with 8 or 16 bits")
    if image.mode.startswith("I"):
        return _from_16_bits(np.asarray(image), image.info.get("transparency"), white)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        # Pillow does not convert La (grey times alpha) to RGBA directly
        image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(target)


def _from_16_bits(values, transparent, white):
    """The Pillow image of mode "L" of grey values v (H, W), integers: its pixels are round(255 v / white).

    transparent   the grey value that is transparent, an int: it becomes white; None or other types: no value
    white         the value that becomes 255; larger values become 255 too

    Raises ValueError for values outside 0..65535.
    """
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"grey values from {values.min()} to {values.max()}, outside 0..65535; save the picture with 8 "
            "or 16 bits"
        )
    if isinstance(transparent, int):  # a PNG file may declare one grey value transparent
        values = np.where(values == transparent, white, values)
    return Image.fromarray(np.rint(values.clip(0, white) * (255 / white)).astype(np.uint8))


def fit(image, size):
    """Cut out the largest centred part of an image with the proportions of `size`, and resize it to `size`.

    image   a Pillow image of mode "L" or "RGB"
    size    (height, width) in pixels

    Returns a Pillow image of the same mode. The part's height and width are rounded to whole pixels. The
    resize is bicubic with antialiasing. An image of this size is returned unchanged.
    """
    height, width = size
    if image.size == (width, height):
        return image
    scale = min(image.height / height, image.width / width)  # the largest part inside the image
    crop_height, crop_width = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = (image.height - crop_height) // 2, (image.width - crop_width) // 2
    image = image.crop((left, top, left + crop_width, top + crop_height))
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def convert(x, size=None, channels=None):
    """Convert pictures x (N, H, W, C) uint8 to another size or number of channels.

    size       (height, width), as in `fit`; None: that of x
    channels   1 (grey: ITU-R 601-2 luma) or 3 (colour; a grey picture is repeated three times); None: C

    Returns a new array (N, height, width, channels) uint8, or x itself if nothing changes.
    """
    n, height, width, old = x.shape
    size, channels = size or (height, width), channels or old
    if size == (height, width) and channels == old:
        return x
    if size == (height, width) and old == 1:
        return np.repeat(x, channels, axis=-1)
    out = np.empty((n, *size, channels), np.uint8)
    mode = "L" if channels == 1 else "RGB"
    for row, pixels in enumerate(x):
        image = Image.fromarray(pixels[..., 0] if old == 1 else pixels)
        out[row] = np.asarray(fit(image.convert(mode), size)).reshape(*size, channels)
    return out
