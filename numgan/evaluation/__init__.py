"""Evaluation of a run: measures of its samples (figures), a judge, and checks of curves and samples (health).

A judge is a classifier whose answers and features measure samples.
"""

from .figures import evaluate
