"""Pictures: sample grids, points, curves and animations of a run, figures of studies and benchmarks.

Every function returns a Pillow image or writes a GIF. matplotlib is imported inside the functions that draw
axes, and its global state is not used: no window, no current figure, none of the user's settings.
"""

from .balance import over_steps, pairs
from .dynamics import against, heat_maps, portraits
from .samples import PAPER, curves, gif, grid, points
from .speed import growth, ladder, roofline, step_times
from .studies import mixtures, scatters
