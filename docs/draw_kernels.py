"""The two drawings of kernels.md, beside this file.

python docs/draw_kernels.py          needs matplotlib, but not numgan
"""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

HERE = Path(__file__).parent
COLOURS = ("#cfe0f3", "#fbd9c4", "#d5ead0", "#e8d9ee")
STRONG = ("#2f6db5", "#cf6b2c", "#4c8f3e", "#87529b")
MUTED = "#f1f1f1"


def page(width, height):
    """A figure with one set of axes, `width` units wide and `height` units high, y downwards."""
    figure = Figure(figsize=(0.34 * width, 0.34 * height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    return figure, axes


def cells(axes, left, top, rows, columns, colour, text=lambda i, j: ""):
    """A grid of unit squares; colour(i, j) and text(i, j) of each."""
    for i in range(rows):
        for j in range(columns):
            axes.add_patch(
                Rectangle((left + j, top + i), 1, 1, facecolor=colour(i, j), edgecolor="white", linewidth=1)
            )
            axes.text(left + j + 0.5, top + i + 0.52, text(i, j), ha="center", va="center", fontsize=7.5)


def frame(axes, left, top, rows, columns, colour="black", width=1.8):
    axes.add_patch(Rectangle((left, top), columns, rows, fill=False, edgecolor=colour, linewidth=width))


def packing():
    """A sliver of A times a panel of B is a tile of C. The numbers are the places in the packed buffer."""
    height, width, depth, mr, nr = 6, 8, 5, 3, 4
    left, top, right = 2, 3, 9
    below = top + depth + 2
    figure, axes = page(right + width + 1, below + height + 2.4)
    cells(
        axes,
        right,
        top,
        depth,
        width,
        lambda k, j: COLOURS[1] if j < nr else MUTED,
        lambda k, j: j // nr * depth * nr + k * nr + j % nr,
    )
    cells(
        axes,
        left,
        below,
        height,
        depth,
        lambda i, k: MUTED if i < mr else COLOURS[0],
        lambda i, k: i // mr * depth * mr + k * mr + i % mr,
    )
    cells(axes, right, below, height, width, lambda i, j: COLOURS[2] if i >= mr and j < nr else MUTED)
    for j in range(0, width, nr):
        frame(axes, right + j, top, depth, nr, STRONG[1])
    for i in range(0, height, mr):
        frame(axes, left, below + i, mr, depth, STRONG[0])
    frame(axes, right, below + mr, mr, nr, STRONG[2])
    axes.text(right, top - 0.9, "block of B, packed in panels of NR columns", fontsize=9, color=STRONG[1])
    axes.text(left - 1.5, below - 0.9, "block of A, in slivers of MR rows", fontsize=9, color=STRONG[0])
    axes.text(right + nr + 0.3, below + mr + 1.1, "tile of C:", fontsize=9, color=STRONG[2])
    axes.text(right + nr + 0.3, below + mr + 1.8, "in registers", fontsize=9, color=STRONG[2])
    axes.annotate(
        "",
        (right - 0.2, below + 4.5),
        (left + depth + 0.2, below + 4.5),
        arrowprops={"arrowstyle": "->", "color": STRONG[0]},
    )
    axes.annotate(
        "",
        (right + 2, below - 0.2),
        (right + 2, top + depth + 0.2),
        arrowprops={"arrowstyle": "->", "color": STRONG[1]},
    )
    axes.text(
        0.5, 0.9, "Numbers: places in the packed buffer (MR = 3, NR = 4, KC = 5; A stored by k).", fontsize=9
    )
    axes.text(
        0.5,
        below + height + 1.1,
        "Each step of k reads the next NR numbers of the panel and the next MR of the sliver,",
        fontsize=9,
    )
    axes.text(
        0.5,
        below + height + 1.8,
        "for MR x NR multiply-adds: both buffers are read from end to end, in order.",
        fontsize=9,
    )
    return figure


def phases():
    """A 4 x 4 tile of outputs of a stride-2 4 x 4 layer reads 10 x 10 pixels: four phases of 5 x 5."""
    figure, axes = page(34.2, 16)
    size, left, top = 10, 1, 2.6

    def phase(i, j):
        return 2 * (i % 2) + j % 2

    axes.text(left, 1.0, "stride 2, kernel 4 x 4: what a 4 x 4 tile of y sees of x", fontsize=9)
    axes.text(left, 1.7, "framed: the windows of outputs (0, 0) and (2, 1), one tap a pixel", fontsize=9)
    cells(
        axes,
        left,
        top,
        size,
        size,
        lambda i, j: COLOURS[phase(i, j)],
        lambda i, j: f"{i}{j}" if i < 4 and j < 4 else "",
    )
    frame(axes, left, top, 4, 4)
    frame(axes, left + 2, top + 4, 4, 4)
    axes.text(left, top + size + 1.0, "y = the sum of four convolutions of stride 1", fontsize=9)
    axes.text(left, top + size + 1.7, "direct: 4 phases x 16 outputs x 4 taps = 256 products", fontsize=9)
    axes.text(left, top + size + 2.4, "Toom-Cook: 4 phases x 25 = 100", fontsize=9)
    for number in range(4):
        i, j = divmod(number, 2)
        x, y = 15 + 10.4 * j, 1.6 + 7.6 * i
        axes.text(x, y - 0.4, f"phase {i}{j}: 5 x 5 pixels, 2 x 2 taps", fontsize=9, color=STRONG[number])
        cells(axes, x, y, 5, 5, lambda a, b, n=number: COLOURS[n])
        frame(axes, x, y, 2, 2)
        frame(axes, x + 1, y + 2, 2, 2)
        cells(
            axes,
            x + 6.3,
            y + 1.5,
            2,
            2,
            lambda a, b, n=number: COLOURS[n],
            lambda a, b, i=i, j=j: f"{2 * a + i}{2 * b + j}",
        )
        frame(axes, x + 6.3, y + 1.5, 2, 2, STRONG[number])
        axes.text(x + 5.65, y + 2.55, "*", fontsize=14, ha="center", va="center")
        axes.text(x + 7.3, y + 4.3, "taps", fontsize=8, ha="center", color=STRONG[number])
    return figure


if __name__ == "__main__":
    for draw in (packing, phases):
        draw().savefig(HERE / f"kernels-{draw.__name__}.png")
