"""Training: one step, the loop, and the folder of a run.

Reading order: state, step, blame, loop, sampling, recipes, runs, checkpoint.
"""

from .loop import Interrupted, Trained, train
from .state import State
from .step import advance
