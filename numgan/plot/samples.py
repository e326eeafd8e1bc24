"""Pictures of a run: sample grids, scatter plots, curves over steps, animations."""

import textwrap

import numpy as np
from PIL import Image, ImageDraw

from .figure import FAKE, REAL, dots, drawn, figure_of, plainly, render
from .labels import font_of, legible

CELL = 48  # a sample is enlarged until its longer side has about this many pixels
GAP = 6  # pixels between two samples
NAMES = 16  # the largest number of losses in a figure, and the largest number of metrics
LARGEST = 1e100  # larger losses are clipped, because the distance between two of them could be inf
WIDE = 30  # characters in a line of an axis's label, and of a name in a legend
MANY = 8  # names in a legend that fit beside a panel in the usual size
OUTPUTS = ("D(x)", "D(G(z))")  # metrics that are drawn together: outputs on real samples and on fakes
PROBABILITY = "mean probability of being real"
ABOVE = "D(x) above D(G(z))"
MEANING = {  # {metric: the label of its axis}; a metric that is not here is its own label
    "D(x)": PROBABILITY,
    ABOVE: "mean probability that D(x) is above D(G(z))",
    "penalty": "penalty, as added to the loss when it was last computed",
}
PAPER = 64  # the background, dark grey, so that the edges of black pictures are visible


def grid(images, columns, names=()):
    """Draw images (N, H, W, 1 or 3) uint8 with `columns` images in each row. Returns a Pillow image.

    An image is enlarged by a whole factor, so that its longer side has about CELL = 48 pixels. names are
    written at the left, one for each row, after `legible`: a name that no font can draw becomes
    "class 3 (escaped name)", with the number of the name. () means no names.
    """
    n, height, width, channels = images.shape
    names = legible(names)
    scale = max(1, round(CELL / max(height, width)))
    high, wide, rows = scale * height + GAP, scale * width + GAP, -(-n // columns)  # of a cell; rounded up
    mode = "L" if channels == 1 else "RGB"
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))  # it tells the widths of texts
    fonts = [font_of(name) for name in names]
    # the width of the longest name, and 6 pixels around it
    margin = GAP + max((int(measure.textlength(*text)) + 6 for text in zip(names, fonts)), default=0)
    background = PAPER if channels == 1 else (PAPER,) * channels
    canvas = Image.new(mode, (margin + columns * wide, GAP + rows * high), background)
    for i, image in enumerate(images):
        cell = Image.fromarray(image[..., 0] if channels == 1 else image).resize(
            (scale * width, scale * height), Image.Resampling.NEAREST
        )
        canvas.paste(cell, (margin + i % columns * wide, GAP + i // columns * high))
    draw = ImageDraw.Draw(canvas)
    for row, (name, font) in enumerate(zip(names, fonts)):
        draw.text((4, GAP + row * high + high // 2), name, fill="white", font=font, anchor="lm")
    return canvas


@drawn
def points(real, fake, title="", names=None):
    """Draw the samples `fake` (M, ...) over the data `real` (N, ...). Returns a Pillow image.

    Samples of one number become two histograms. Of samples of more than two numbers the first two are drawn,
    and the labels of the axes say so. The range of the axes depends on the data only, so that pictures of
    several steps have equal axes. Both axes have one scale if the ranges differ by less than a factor of 5.
    `title` is above the panel. `names` are the names of the columns; None: x_1, x_2. Raises ValueError if
    real and fake samples have different numbers of entries.
    """
    real, fake = real.reshape(len(real), -1), fake.reshape(len(fake), -1)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"points: expected real and fake rows of one length, got {real.shape[1]} and {fake.shape[1]}"
        )
    figure, (axes,) = figure_of(1, (5, 5))
    names = [_lines(name) for name in names[:2]] if names else ["$x_1$", "$x_2$"]
    low, high = real[:, :2].min(axis=0), real[:, :2].max(axis=0)
    side = 0.1 * max(1e-6, *(high - low))  # the margin: a tenth of the larger range
    alike = max(high - low) < 5 * min(high - low)  # columns of one unit have one scale
    sides = (side, side) if alike else 0.1 * np.maximum(high - low, 1e-6)
    axes.set(xlim=(low[0] - side, high[0] + side), title=title)
    if real.shape[1] == 1:
        for x, color, label in ((real, REAL, "data"), (fake, FAKE, "samples")):
            edges = np.linspace(low[0] - side, high[0] + side, 51)  # of 50 bins
            axes.hist(
                x[:, 0], edges, weights=np.full(len(x), 1 / len(x)), color=color, alpha=0.6, label=label
            )
        axes.set(xlabel=names[0], ylabel="share of the rows")
        axes.legend(loc="upper right")
        return render(figure)
    dots(axes, real[:, :2], 3, REAL, "data")
    dots(axes, fake[:, :2], 3, FAKE, "samples")
    more = "" if real.shape[1] == 2 else f" of {real.shape[1]} columns"
    axes.set(
        xlim=(low[0] - sides[0], high[0] + sides[0]),
        ylim=(low[1] - sides[1], high[1] + sides[1]),
        xlabel=f"{names[0]}{more}",
        ylabel=f"{names[1]}{more}",
        aspect="equal" if alike else "auto",
    )
    axes.legend(loc="upper right", markerscale=3)
    return render(figure)


@drawn
def curves(records, title="", labels=None):
    """Draw curves over steps from the records of a metrics.jsonl. Returns a Pillow image.

    A record is {"step": number, "losses": {name: value}, "metrics": {name: value}}, one for each logged step.
    All losses are in one panel, D(x) and D(G(z)) in another, and every other metric has its own panel. Only
    the first NAMES = 16 losses and the first 16 metrics are drawn, so that the size of the picture is
    limited. A missing value is a gap in the curve. If a metric was not computed again at a step, the record
    has {"computed": {name: step}} with the earlier step, and the value is drawn at that step.

    title    the title above the first panel
    labels   {metric: label of its axis}, in place of the usual labels; that of D(x) is also that of D(G(z))
    """
    losses, metrics = (
        list(dict.fromkeys(name for record in records for name in record[kind]))[:NAMES]
        for kind in ("losses", "metrics")
    )
    said = MEANING | (labels or {})
    shares = [name for name in metrics if name in OUTPUTS]
    panels = [("loss", "losses", losses)]
    panels += [(said["D(x)"], "metrics", shares)] if shares else []
    panels += [(said.get(name, name), "metrics", [name]) for name in metrics if name not in shares]
    figure, all_axes = figure_of(len(panels), (9, 2.6))
    for axes, (label, kind, names) in zip(all_axes, panels, strict=True):
        for name in names:
            steps, values = _curve(records, kind, name)
            axes.plot(steps, values, label=plainly(_short(name, WIDE)), linewidth=0.9)
        axes.set(xlabel="step", ylabel=_lines(label))
        axes.grid(alpha=0.3)
        if names == shares or names == [ABOVE]:
            # at 0.5, D cannot tell real samples from fakes
            axes.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
            axes.set_ylim(0, 1)
        if names and names != [label]:  # beside the curves, not over them
            small = "x-small" if len(names) > MANY else "medium"
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=small, labelspacing=0.3)
    all_axes[0].set_title(plainly(title))
    return render(figure)


def _short(text, most):
    """The text, cut to at most `most` characters; a cut text ends in "..."."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _lines(label):
    """The label of an axis, in lines of at most WIDE = 30 characters, as matplotlib needs it (`plainly`).

    It is cut to 80 characters, so that three lines are usually enough.
    """
    return "\n".join(plainly(line) for line in textwrap.wrap(_short(label, 3 * WIDE - 10), WIDE))


def _curve(records, kind, name):
    """(steps, values) of the curve `name`: lists with one entry for each record, or fewer.

    records   the records of a metrics.jsonl, see `curves`
    kind      "losses" or "metrics"

    A value that several records repeat, because it was not computed again, is one entry at the step that
    computed it. A value that is missing or None is nan, a gap. Values are clipped to -1e100 and 1e100.
    """
    found = {}
    for record in records:
        step = record.get("computed", {}).get(name, record["step"]) if kind == "metrics" else record["step"]
        value = np.float64(record[kind].get(name))  # None becomes nan
        found[step] = np.clip(value, -LARGEST, LARGEST)
    return list(found), list(found.values())


def gif(frames, file, milliseconds=200, hold=2000):
    """Write an endless GIF to `file`, a binary file that is open. `frames` are Pillow images of one size.

    Each frame is shown for `milliseconds`, the last one for `hold` milliseconds. Returns nothing. Each frame
    in colour is reduced to 256 colours of its own.
    """
    first, *rest = [frame.convert("RGB").quantize(256) if frame.mode != "L" else frame for frame in frames]
    durations = [milliseconds] * len(rest) + [hold]
    first.save(
        file, format="GIF", save_all=True, append_images=rest, duration=durations if rest else hold, loop=0
    )
