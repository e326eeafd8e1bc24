"""Functions that all pictures with axes need: settings, colours, axes, and the conversion to an image.

No window is opened. pyplot's global state (the current figure, the backend) is not used.
"""

import gc
import os
import re
import sys
import threading
import unicodedata
import warnings
from contextlib import contextmanager
from functools import wraps

import numpy as np
from PIL import Image

REAL, FAKE = "#b0b0b0", "#d1495b"
_settings_lock = threading.RLock()  # all threads share matplotlib's settings


def drawn(function):
    """Decorator for a function that draws with matplotlib: the user's settings then have no effect on it.

    The decorated function has the same arguments and result. While it runs, matplotlib has its default
    settings, and warnings are hidden. Only one thread draws at a time. At the end the memory of the figure is
    freed.
    """

    @wraps(function)
    def draw(*arguments, **words):
        with _settings_lock, warnings.catch_warnings(), np.errstate(all="ignore"), _freeing():
            warnings.simplefilter("ignore")  # for example the warning that the font lacks a character
            matplotlib = matplotlib_module()
            # without "backend", because reading rcParams["backend"] chooses one for the whole program
            own = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
            with matplotlib.rc_context(own):
                return function(*arguments, **words)

    return draw


@contextmanager
def _freeing():
    """A context manager that frees the memory of a figure that is drawn in its block.

    The objects of a figure refer to each other, so only the garbage collector can free them. The collector is
    switched off in the block, so at the end all these objects are in its youngest generation. A collection of
    the young generations takes a millisecond and frees them. Without this collection about ten figures of 2
    MB each would stay in memory. The collector is switched on again if it was on.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        gc.collect(1)  # the generations 0 and 1, the young ones


def matplotlib_module():
    """Import matplotlib and return the module. If the user's settings prevent the import, they are not read.

    Examples of such settings: MPLBACKEND, set by a notebook, names a backend that is not installed;
    matplotlibrc is a pipe, or is not a text file. Raises ImportError if matplotlib is not installed.
    """
    if "matplotlib" not in sys.modules and any(map(_may_block, _settings())):
        return _without_settings()
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception:
        return _without_settings()
    return matplotlib


def _settings():
    """A tuple of three paths where matplotlib may look for its settings.

    They are: matplotlibrc in the current folder; the value P of the environment variable MATPLOTLIBRC, "" if
    it is not set; and P/matplotlibrc, because P may be a folder.
    """
    named = os.environ.get("MATPLOTLIBRC", "")
    return "matplotlibrc", named, os.path.join(named, "matplotlibrc")


def _may_block(path):
    """True if `path` exists but is neither a file nor a folder, such as a pipe: opening it may never end."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _without_settings():
    """Import matplotlib so that it finds no settings of the user, and return the module.

    During the import, the current folder is that of this file, which has no settings file, and the
    environment variable MPLBACKEND is not set; MATPLOTLIBRC is an empty file. The folder and the variables
    are then restored. Raises ImportError if matplotlib is not installed.
    """
    for name in [name for name in sys.modules if f"{name}.".startswith("matplotlib.")]:
        del sys.modules[name]  # modules whose import failed before its end
    hidden = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ["MATPLOTLIBRC"] = os.devnull
    here = os.getcwd()
    os.chdir(os.path.dirname(os.path.abspath(__file__)))  # a folder without a matplotlibrc
    try:
        import matplotlib
    finally:
        os.chdir(here)
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in hidden.items() if value is not None})
    return matplotlib


def figure_of(panels, size, columns=1, margin=0.0):
    """Make a matplotlib figure with `columns` panels in each row. Returns (figure, array of all its axes).

    panels   the number of panels; the last row is filled up with hidden axes, which are in the array too
    size     (width, height) of a panel in inches
    margin   the height in inches for titles and legends outside the panels

    Only a function with the decorator `drawn` may call it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-panels // columns)  # rounded up
    width, height = size
    figure = Figure((width * columns, height * rows + margin), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in all_axes[panels:]:
        axes.set_axis_off()
    return figure, all_axes


def dots(axes, x, size, colour, label=None):
    """Draw the points x (N, 2) on `axes`, a panel of matplotlib, as dots without edges.

    size     the area of a dot in square points
    colour   the colour of the dots
    label    their name in the legend; None: no name
    """
    axes.scatter(*x.T, s=size, c=colour, linewidths=0, label=label)


def square(axes, low, high, **settings):
    """Make `axes`, a panel of matplotlib, square: both axes have the range `low` to `high` and one scale.

    settings are further arguments of matplotlib's axes.set.
    """
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", **settings)


def render(figure, title=None):
    """Convert a matplotlib figure to an RGB Pillow image. `title` is written above all panels; None: none."""
    if title is not None:
        figure.suptitle(title, fontsize="small")
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def font_path():
    """The path of matplotlib's own font, DejaVu Sans. Raises ImportError without matplotlib."""
    return os.path.join(matplotlib_module().get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def readable(name):
    """The text `name`, the name of a file or class, as one line of printable text.

    Python represents bytes that it cannot decode as surrogates (special characters). These bytes are decoded
    as UTF-8, and bytes that are not UTF-8 become a replacement character. Other surrogates become "?", and
    all kinds of spaces become " ". Other unprintable characters are escaped: a line break becomes \\n.
    """
    # U+DC80 to U+DCFF stand for the bytes 0x80 to 0xff; all other surrogates stand for nothing
    name = (
        re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", name)
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "replace")
    )
    return "".join(_printable(letter) for letter in name)


def _printable(letter):
    """The letter if it is printable, " " for a space of any kind, otherwise its escape, such as \\n."""
    if letter.isprintable():
        return letter
    return " " if unicodedata.category(letter) == "Zs" else letter.encode("unicode_escape").decode()


def plainly(name):
    """The text that matplotlib draws for `name`: one printable line, see `readable`, in Unicode's form NFC.

    "$" is escaped: otherwise matplotlib reads the text between two "$" as a formula. A letter that the font
    lacks is escaped too, such as \\u65e5: otherwise all these letters are drawn as the same box.
    """
    from matplotlib.ft2font import FT2Font

    letters = FT2Font(font_path()).get_charmap()
    drawn = (
        letter if ord(letter) in letters else letter.encode("unicode_escape").decode()
        for letter in unicodedata.normalize("NFC", readable(name))
    )
    return "".join(drawn).replace("$", r"\$")
