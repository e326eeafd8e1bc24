r"""Names in pictures: the fonts that can draw a name, and the text that is drawn in place of a name.

    legible(("cat", "日本"))        ["cat", "class 1 (\\u65e5\\u672c)"]

Pillow's own font has hardly more letters than ASCII. For other letters the font DejaVu Sans is used, which
comes with matplotlib: it has European, Greek, Cyrillic, Hebrew and Arabic letters. A font draws the same box
for every letter that it lacks, so two names of such letters would look alike. They are replaced.
"""

import unicodedata
from collections import Counter
from functools import lru_cache

from PIL import ImageFont, features

from .figure import font_path, readable

LONGEST = 32  # characters of a name in a picture; of a longer name the beginning and the end are drawn
TAIL = 10  # characters at the end of a longer name
NO_LETTER = "\U0010fffd"  # no font has this one: it is drawn as the box that stands for every missing letter


def legible(names):
    """The texts that are drawn for the names of the classes 0, 1, ..., a list of the same length.

    Different names have different texts. A text is one line: control characters are escaped (see `readable`),
    and a name of more than LONGEST = 32 characters is shortened in its middle. The text of name number 3 is
    "class 3 (escaped name)" if no font can draw the name, or if it would look like another name.
    """
    names = list(names)
    lines = [unicodedata.normalize("NFC", readable(name)) for name in names]
    # how many different names have this text
    alike = Counter(shortened(line) for line in dict(zip(names, lines)).values())
    return [
        shortened(line)
        if font_of(line) is not None and alike[shortened(line)] == 1
        else shortened(f"class {number} ({_in_ascii(line)})")
        for number, line in enumerate(lines)
    ]


def replaced(names):
    """{text in the picture: readable name} of the names of classes that `legible` shortens or replaces.

    Names that are drawn unchanged are left out.
    """
    names = list(names)
    return {
        text: readable(name)
        for name, text in zip(names, legible(names))
        if text != unicodedata.normalize("NFC", readable(name))
    }


def shortened(line):
    """The text `line`, shortened in its middle to at most 32 characters: 19, "...", and the last 10."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST - TAIL - 3]}...{line[-TAIL:]}"


def _in_ascii(line):
    """The text `line` with an escape, such as \\u65e5, for every letter that is not ASCII."""
    return line.encode("ascii", "backslashreplace").decode()


@lru_cache(maxsize=1000)
def font_of(line):
    """The first Pillow font that has every letter of the text `line`; None if no font can draw it.

    The fonts are Pillow's own font and DejaVu Sans. A line that cannot be seen, such as one of spaces alone,
    counts as one that no font can draw. An empty line gets the first font.

    Letters that are written from right to left or joined, such as Arabic ones, need Pillow's layout engine
    Raqm. Without this engine no font can draw them.
    """
    # "R", "AL": letters from right to left; the category "M...": marks that are joined to another letter
    shaped = any(
        unicodedata.bidirectional(letter) in ("R", "AL") or unicodedata.category(letter)[0] == "M"
        for letter in line
    )
    if shaped and not (features.check("raqm") and features.check("fribidi")):
        return None
    fonts = (_wide_font(True),) if shaped else (_own_font(), _wide_font(False))
    able = (font for font in fonts if font and all(_has(font, letter) for letter in line))
    return next((font for font in able if not line or font.getmask(line).getbbox()), None)


@lru_cache
def _own_font():
    """Pillow's own font, loaded once: a FreeTypeFont, or a font of bitmaps without FreeType."""
    return ImageFont.load_default()


@lru_cache
def _wide_font(shaped):
    """DejaVu Sans in the size of Pillow's own font, 10 pixels; None without matplotlib or without FreeType.

    shaped   whether the layout engine is Raqm, for letters that are joined or go from right to left
    """
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    try:
        return ImageFont.truetype(font_path(), 10, layout_engine=engine)
    except (ImportError, OSError):
        return None


def _has(font, letter):
    """Whether the Pillow font `font` has the letter `letter`.

    It has the letter if it draws another picture for it than the box of missing letters. Without FreeType,
    Pillow has a font of bitmaps, and only its letters of ASCII are used.
    """
    if not isinstance(font, ImageFont.FreeTypeFont):
        return letter.isascii()
    drawn, box = (font.getmask(text) for text in (letter, NO_LETTER))
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))
