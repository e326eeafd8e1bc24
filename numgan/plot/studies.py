"""Pictures of the studies of mixtures: samples over the modes in the plane."""

import textwrap

import numpy as np

from .figure import FAKE, REAL, dots, drawn, figure_of, render, square


@drawn
def mixtures(panels, centres, std, title=""):
    """Draw samples of a mixture of Gaussians, two panels for each set. Returns a Pillow image.

    The left panel shows the samples and the centres in the plane. The right panel shows each sample
    relative to its nearest mode, in units of sigma, with circles of 1 and 3 sigma. It ends at -5 and 5
    sigma, and the left panel a little outside of the modes. Samples farther away are not visible.

    panels    {name: samples (N, 2)}; the name is the title of the left panel
    centres   (K, 2), the centres of the modes
    std       sigma, the standard deviation of each mode
    title     the title of the whole picture
    """
    figure, all_axes = figure_of(2 * len(panels), (3.5, 3.4), columns=2)
    side = 1.15 * np.abs(centres).max() + 3 * std  # the left panel covers -side to side
    angle = np.linspace(0, 2 * np.pi, 100)
    for (name, x), whole, near in zip(panels.items(), all_axes[::2], all_axes[1::2], strict=True):
        nearest = np.square(x[:, None] - centres).sum(axis=2).argmin(axis=1)  # (N,), numbers of modes
        offset = x - centres[nearest]
        dots(whole, centres, 30, REAL)
        dots(whole, x, 2, FAKE)
        square(whole, -side, side, title=name)
        dots(near, offset / std, 2, FAKE)
        for radius in (1, 3):
            near.plot(radius * np.cos(angle), radius * np.sin(angle), color="black", linewidth=0.7)
        square(near, -5, 5)
        near.set_title("about the nearest mode (1, 3 sigma)", fontsize="medium")
    return render(figure, title)


@drawn
def scatters(panels, centres, side, columns=5):
    """Draw samples over the centres of modes, `columns` small panels in each row. Returns a Pillow image.

    panels    {name: samples (N, 2)}; the name is the title of the panel
    centres   (K, 2), the centres of the modes
    side      each panel covers -side to side on both axes
    """
    figure, all_axes = figure_of(len(panels), (2.2, 2.4), columns)
    for (name, x), axes in zip(panels.items(), all_axes):
        dots(axes, centres, 12, REAL)
        dots(axes, x, 1, FAKE)
        axes.set_title(textwrap.fill(name, 34), fontsize="x-small")
        square(axes, -side, side, xticks=[], yticks=[])
    return render(figure)
