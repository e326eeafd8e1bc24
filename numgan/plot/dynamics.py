"""Pictures of how training moves: vector fields of games, gradients over steps of D, samples over time."""

import numpy as np

from .figure import drawn, figure_of, render, square

PATHS = ("#d1495b", "#00798c", "#edae49", "#66a182", "#2e4057")


def _legend_below(figure, axes, **settings):
    """Draw one legend below all panels of the matplotlib figure, with the names of the curves in `axes`.

    settings are further arguments of matplotlib's legend.
    """
    known = axes.get_legend_handles_labels()
    figure.legend(*known, loc="outside lower center", ncols=len(PATHS), fontsize="small", **settings)


@drawn
def portraits(panels, xlabel, ylabel, title="", side=2.2, ticks=21):
    """Draw vector fields in the plane and paths in them, with four panels in a row. Returns a Pillow image.

    panels           {title: (field, {label: path (T, 2)})}: field(z) -> v is the vector at the point z, both
                     of shape (2,); a path is T points
    xlabel, ylabel   the labels of the axes of every panel
    title            the title of the whole picture
    side             each panel covers -side to side on both axes
    ticks            the number of grid points on each axis, where the field is computed

    A cross marks the first point of the first path, a dot the last point of each path. Only the first five
    paths of a panel are drawn, because there are five colours.
    """
    figure, all_axes = figure_of(len(panels), (3.1, 3.1), min(4, len(panels)), margin=0.8)
    axis = np.linspace(-side, side, ticks)
    for axes, (name, (field, paths)) in zip(all_axes, panels.items()):
        v = np.array([[field(np.array([x, y])) for x in axis] for y in axis])  # (y, x, component)
        axes.streamplot(
            axis, axis, v[..., 0], v[..., 1], color="#b0b0b0", density=0.8, linewidth=0.6, arrowsize=0.7
        )
        for color, (label, path) in zip(PATHS, paths.items()):
            x, y = path.T
            axes.plot(x, y, color=color, linewidth=0.8, marker=".", markersize=1.5, label=label)
            axes.plot(x[-1], y[-1], color=color, marker="o", markersize=5)  # the last point
        (start, *_), *_ = paths.values()  # the first point of the first path
        axes.plot(*start, color="black", marker="x", markersize=5)
        square(axes, -side, side, xlabel=xlabel, ylabel=ylabel)
        axes.set_title(name, fontsize="medium")
    _legend_below(figure, all_axes[0], markerscale=5)  # all panels have the same names
    return render(figure, title)


@drawn
def against(rows, xlabel, title="", shares=()):
    """Draw curves over x. A curve is the mean over seeds, with a band from the lowest to the highest value.

    rows     {title of a row: {label of a panel: {name of a curve: (x (K,), values (seeds, K))}}}; all rows
             have the same number of panels
    xlabel   the label of the horizontal axes; they are linear from 0 to 1 and logarithmic above 1
    title    the title of the whole picture
    shares   the labels of the panels with a linear vertical axis; the other panels have a logarithmic one

    Returns a Pillow image. The title of a row is above each of its panels. Only the first five curves of a
    panel are drawn, because there are five colours.
    """
    columns = max(map(len, rows.values()))
    figure, all_axes = figure_of(columns * len(rows), (3.9, 3.2), columns, margin=0.6)
    for (row, panels), some in zip(rows.items(), all_axes.reshape(len(rows), columns), strict=True):
        for axes, (label, curves) in zip(some, panels.items(), strict=True):
            for color, (name, (x, values)) in zip(PATHS, curves.items()):
                values = np.array(values, float)
                axes.plot(x, values.mean(axis=0), color=color, linewidth=1.2, marker=".", label=name)
                axes.fill_between(
                    x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0
                )
            axes.set_xscale("symlog", linthresh=1)
            axes.set(yscale="linear" if label in shares else "log", xlabel=xlabel, ylabel=label, title=row)
            axes.grid(alpha=0.3)
    _legend_below(figure, all_axes[0])
    return render(figure, title)


@drawn
def heat_maps(rows, side, title="", bins=96, blur=2.0):
    """Draw the density of sets of points in the plane as shades of green, one panel for each set.

    rows    {title of a row: {title of a panel: points (N, 2)}}; all rows have the same number of panels
    side    each panel covers -side to side on both axes
    title   the title of the whole picture
    bins    the number of bins on each axis, in which the points are counted
    blur    the standard deviation, in bins, of the Gaussian that smooths the counts

    Points outside of the panel are not counted. Returns a Pillow image.
    """
    columns = max(map(len, rows.values()))
    figure, all_axes = figure_of(columns * len(rows), (1.5, 1.75), columns, margin=0.5)
    reach = np.arange(bins)
    kernel = np.exp(-0.5 * ((reach[:, None] - reach) / blur) ** 2)  # (i, j): the Gaussian at distance i - j
    for (row, panels), some in zip(rows.items(), all_axes.reshape(len(rows), columns), strict=True):
        for axes, (name, x) in zip(some, panels.items(), strict=True):
            # (rows, columns) of the picture are (vertical, horizontal) bins
            counts, *_ = np.histogram2d(x[:, 1], x[:, 0], bins=bins, range=[(-side, side)] * 2)
            # kernel @ counts @ kernel smooths along both axes
            axes.imshow(
                kernel @ counts @ kernel, origin="lower", cmap="Greens", extent=(-side, side, -side, side)
            )
            axes.set(xticks=[], yticks=[])
            axes.set_title(name, fontsize="small")
        first, *_ = some
        first.set_ylabel(row, fontsize="small")
    return render(figure, title)
