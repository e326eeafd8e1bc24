"""Pictures of how GANs train: flows of small games, gradients against the discriminator's strength, samples over time."""

import numpy as np

from .figure import drawn, figure_of, render

PATHS = ("#d1495b", "#00798c", "#edae49", "#66a182", "#2e4057")


@drawn
def portraits(panels, xlabel, ylabel, title="", side=2.2, ticks=21):
    """{name: (field, {what: path (T, 2)})} in rows of four: the streamlines of field(z) -> v, and the paths from their first point to a dot."""
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure, all_axes = figure_of(len(panels), (3.1 * columns, 3.1 * rows + 0.8), columns=columns)
    axis = np.linspace(-side, side, ticks)
    for axes, (name, (field, paths)) in zip(all_axes, panels.items()):
        v = np.array([[field(np.array([x, y])) for x in axis] for y in axis])
        axes.streamplot(
            axis, axis, v[..., 0], v[..., 1], color="#b0b0b0", density=0.8, linewidth=0.6, arrowsize=0.7
        )
        for color, (what, path) in zip(PATHS, paths.items()):
            axes.plot(*path.T, color=color, linewidth=0.8, marker=".", markersize=1.5, label=what)
            axes.plot(*path[-1], color=color, marker="o", markersize=5)
        axes.plot(*next(iter(paths.values()))[0], color="black", marker="x", markersize=5)
        axes.set(xlim=(-side, side), ylim=(-side, side), aspect="equal", xlabel=xlabel, ylabel=ylabel)
        axes.set_title(name, fontsize="medium")
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    figure.legend(
        *all_axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(PATHS),
        fontsize="small",
        markerscale=5,
    )
    figure.suptitle(title, fontsize="small")
    return render(figure)


@drawn
def against(rows, xlabel, title="", shares=()):
    """{row: {label: {what: (x (K,), values (seeds, K))}}}: a row of panels each, logarithmic but for `shares`; the mean, and lowest to highest."""
    columns = max(map(len, rows.values()))
    figure, all_axes = figure_of(columns * len(rows), (3.9 * columns, 3.2 * len(rows) + 0.6), columns=columns)
    for (row, panels), some in zip(rows.items(), all_axes.reshape(len(rows), columns), strict=True):
        for axes, (label, curves) in zip(some, panels.items(), strict=True):
            for color, (what, (x, values)) in zip(PATHS, curves.items()):
                values = np.array(values, float)
                axes.plot(x, values.mean(axis=0), color=color, linewidth=1.2, marker=".", label=what)
                axes.fill_between(
                    x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0
                )
            axes.set_xscale("symlog", linthresh=1)
            axes.set(yscale="linear" if label in shares else "log", xlabel=xlabel, ylabel=label, title=row)
            axes.grid(alpha=0.3)
    figure.legend(
        *all_axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(PATHS),
        fontsize="small",
    )
    figure.suptitle(title, fontsize="small")
    return render(figure)


@drawn
def heat_maps(rows, side, title="", bins=96, blur=2.0):
    """{row: {column title: points (N, 2)}}: their density in the square of half-width `side`, counted in bins and blurred, as a picture each."""
    columns = max(map(len, rows.values()))
    figure, all_axes = figure_of(
        columns * len(rows), (1.5 * columns, 1.75 * len(rows) + 0.5), columns=columns
    )
    reach = np.arange(bins)
    kernel = np.exp(-0.5 * ((reach[:, None] - reach) / blur) ** 2)
    for (row, panels), some in zip(rows.items(), all_axes.reshape(len(rows), columns), strict=True):
        for axes, (name, x) in zip(some, panels.items(), strict=True):
            counts = np.histogram2d(x[:, 1], x[:, 0], bins=bins, range=[(-side, side)] * 2)[0]
            axes.imshow(
                kernel @ counts @ kernel, origin="lower", cmap="Greens", extent=(-side, side, -side, side)
            )
            axes.set(xticks=[], yticks=[])
            axes.set_title(name, fontsize="small")
        some[0].set_ylabel(row, fontsize="small")
    figure.suptitle(title, fontsize="small")
    return render(figure)
