"""Figures, their labels and colours, and small files of them."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DOCS = Path(__file__).parents[1]
BLUE, ORANGE, GREEN, VIOLET, GREY = "#2f6db5", "#cf6b2c", "#4c8f3e", "#87529b", "#8a8a8a"


def page(width, height, rows, columns):
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()


def label(axes, title, x="", y="", **words):
    axes.set_title(title, fontsize=9.5)
    axes.set(xlabel=x, ylabel=y, **words)
    axes.tick_params(labelsize=8)


def save(figure, name, limit=60_000):
    """A PNG with as many colours as the limit, in bytes, allows."""
    figure.canvas.draw()
    picture, file = (
        Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"),
        DOCS / f"stability-{name}.png",
    )
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= limit:
            return file
    raise ValueError(
        f"{file.name}: expected at most {limit} bytes, got {file.stat().st_size}; draw it smaller"
    )
