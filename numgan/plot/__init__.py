"""Pictures: samples, curves and animations of a run, figures of studies and of benchmarks.

Every function returns a Pillow image, except `gif`, which writes a file. matplotlib is imported inside the
functions that draw axes. Its global state is not used: no window opens, no current figure is set, and the
user's settings have no effect.
"""

from .balance import over_steps, pairs
from .dynamics import against, heat_maps, portraits
from .figure import readable
from .labels import legible, replaced
from .samples import PAPER, curves, gif, grid, points
from .speed import growth, ladder, roofline, step_times
from .studies import mixtures, scatters
