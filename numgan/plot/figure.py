"""What every figure shares: its colours, its axes and how it becomes a picture. No window, no current figure, no global state."""

import numpy as np
from PIL import Image

REAL, FAKE = "#b0b0b0", "#d1495b"


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
