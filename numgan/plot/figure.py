"""What every figure shares: its colours, its axes and how it becomes a picture. No window, no current figure, no global state."""

import gc
from functools import wraps

import numpy as np
from PIL import Image

REAL, FAKE = "#b0b0b0", "#d1495b"


def frees(draw):
    """Decorator for a function that makes a figure: the memory of the figure is free when the function returns.

    The objects of a figure refer to each other, so only the garbage collector can free them. It waits until the figure is done. Then they
    are all young, and it needs a millisecond for them; without this it would come after some ten figures, 2 MB each.
    """
    @wraps(draw)
    def drawn(*args, **words):
        was_on = gc.isenabled()
        gc.disable()
        try:
            return draw(*args, **words)
        finally:
            if was_on:
                gc.enable()
            gc.collect(1)
    return drawn


def figure_of(panels, size, columns=1):
    """A figure of `size` inches and its axes: `panels` of them one below the other, or in rows of `columns`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(-(-panels // columns), columns, squeeze=False).ravel()


def render(figure):
    """The figure as a Pillow image."""
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
