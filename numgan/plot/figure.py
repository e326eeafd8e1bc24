"""What every figure shares: its settings, colours and axes, and how it becomes a picture. No window, no current figure, no global state."""

import gc
import os
import re
import sys
import threading
import warnings
from contextlib import contextmanager
from functools import wraps

import numpy as np
from PIL import Image

REAL, FAKE = "#b0b0b0", "#d1495b"
_one_at_a_time = threading.RLock()        # matplotlib's settings are one dictionary for all threads


def drawn(function):
    """Decorator for a function that draws: it uses matplotlib's own settings, whatever the user's are, and frees the figure's memory."""
    @wraps(function)
    def draw(*arguments, **words):
        with _one_at_a_time, warnings.catch_warnings(), np.errstate(all="ignore"), _freeing():
            warnings.simplefilter("ignore")              # such as of a letter that the font lacks: a box stands for it
            matplotlib = _matplotlib()
            # all but the backend: to ask for it is to choose one, for the whole program
            own = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
            with matplotlib.rc_context(own):
                return function(*arguments, **words)
    return draw


@contextmanager
def _freeing():
    """Free the memory of a figure that is drawn in this block.

    The objects of a figure refer to each other, so only the garbage collector can free them. It waits until the figure is drawn. Then they
    are all young, and one collection takes a millisecond. Without this, the memory of some ten figures would be kept, 2 MB each.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        gc.collect(1)


def _matplotlib():
    """The module, also where the user's settings prevent its import.

    Such as a notebook's MPLBACKEND that is not here, or a matplotlibrc that is a pipe or cannot be read.
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
    """Where matplotlib looks first: the current folder, then what MATPLOTLIBRC names, file or folder."""
    named = os.environ.get("MATPLOTLIBRC", "")
    return "matplotlibrc", named, os.path.join(named, "matplotlibrc")


def _may_block(path):
    """Whether there is neither file nor folder, but a pipe, say: who opens it waits for its other end."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _without_settings():
    """matplotlib, imported where it finds none of the user's settings."""
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        del sys.modules[name]                            # what was half imported
    hidden = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ["MATPLOTLIBRC"] = os.devnull
    here = os.getcwd()
    os.chdir(os.path.dirname(os.path.abspath(__file__)))       # away from a matplotlibrc of that folder
    try:
        import matplotlib
    finally:
        os.chdir(here)
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in hidden.items() if value is not None})
    return matplotlib


def figure_of(panels, size, columns=1):
    """A figure of `size` inches and its axes: `panels` of them one below the other, or in rows of `columns`. Call it in a `drawn` function."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(-(-panels // columns), columns, squeeze=False).ravel()


def render(figure):
    """The figure as a Pillow image."""
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def readable(name):
    """A name of somebody's file or class as a line of letters; in a locale without them, Python holds each as bytes."""
    name = re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in name)


def plainly(name):
    """The same for a matplotlib text, which would read what stands between two dollar signs as a formula."""
    return readable(name).replace("$", r"\$")
