"""Pictures for the studies of D against G: curves over steps, and two methods on the same networks."""

import numpy as np

from .figure import FAKE, REAL, drawn, figure_of, render, square

COLOURS = (
    "#d1495b",
    "#30638e",
    "#edae49",
    "#3b8132",
    "#7b4b94",
    "#00798c",
    "#8d6a4f",
    "#555555",
    "#e07be0",
    "#9bc53d",
    "#1f1f7a",
    "#ff7f50",
    "#3fd0c9",
    "#a3a3a3",
)


@drawn
def over_steps(panels, columns=1, title=""):
    """Draw curves over the steps of G, in a table with `columns` panels in each row. Returns a Pillow image.

    panels   a list of dictionaries, one for each panel, with these keys:
             "title"    the title of the panel
             "y"        the label of the vertical axis
             "curves"   {name: (steps, values)}
             "marks"    optional: {name of a curve: step}, drawn as vertical dashed lines in its colour
             "level"    optional: a value, drawn as a horizontal dotted line
             "log"      optional: True for a logarithmic vertical axis
    title    the title of the whole picture

    Curves with the same name have the same colour in all panels.
    """
    figure, all_axes = figure_of(len(panels), (5, 2.8), columns)
    names = list(dict.fromkeys(name for panel in panels for name in panel["curves"]))
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}  # repeated if they are too few
    for axes, panel in zip(all_axes, panels, strict=False):
        for name, (steps, values) in panel["curves"].items():
            axes.plot(steps, values, label=name, linewidth=0.9, color=colour[name])
        for name, step in panel.get("marks", {}).items():
            axes.axvline(step, color=colour[name], linewidth=0.8, linestyle="--")
        if "level" in panel:
            axes.axhline(panel["level"], color="black", linewidth=0.6, linestyle=":")
        axes.set(
            xlabel="G steps",
            ylabel=panel["y"],
            title=panel["title"],
            yscale="log" if panel.get("log") else "linear",
        )
        axes.legend(loc="best", fontsize="x-small")
        axes.grid(alpha=0.3)
    return render(figure, title)


@drawn
def pairs(x, y, enough, shares, names, label):
    """Compare two methods on the same N networks: a scatter plot, and bars for groups of networks.

    x        (N,), the figure of each network with the first method: the horizontal axis of the scatter plot
    y        (N,), the figure of each network with the second method: the vertical axis
    enough   a method works on a network if its figure is at least this value; drawn as two dotted lines
    shares   {group of networks: {method: share of the group on which it works}}, drawn as bars
    names    the names of the two methods, as labels of the axes
    label    the name of the figure in x and y

    Returns a Pillow image.
    """
    figure, (points, bars) = figure_of(2, (5.5, 4.8), columns=2)
    points.scatter(x, y, s=14, c=FAKE, alpha=0.7, linewidths=0)
    for line in (points.axvline, points.axhline):
        line(enough, color="black", linewidth=0.6, linestyle=":")
    first, second = names
    square(
        points,
        -0.02,  # a little more than 0..1, so that dots at the edges are whole
        1.02,
        xlabel=f"{first}, {label}",
        ylabel=f"{second}, {label}",
        title=f"{len(x)} architectures",
    )
    places = np.arange(len(shares))
    for k, name in enumerate(next(iter(shares.values()))):  # the two methods: bars of height 0.38, 0.4 apart
        bars.barh(
            places + 0.4 * k,
            [share[name] for share in shares.values()],
            0.38,
            label=name,
            color=(FAKE, REAL)[k],
        )
    bars.set_yticks(places + 0.2, list(shares), fontsize="small")
    bars.set(xlim=(0, 1), xlabel="share that works")
    bars.invert_yaxis()
    bars.legend(loc="lower right", fontsize="small")
    return render(figure)
