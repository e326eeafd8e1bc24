"""Training of a system: its state, one step, the loop over the steps, and the folder with the run's files.

Reading order of the modules: state, step, blame, loop, classes, sampling, places, recipes, kept, origin,
runs, checkpoint.
"""

from .loop import Interrupted, Trained, train
from .state import State
from .step import advance
