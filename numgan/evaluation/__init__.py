"""Evaluation of a run: figures of samples and of real data, a judge, and checks of curves and samples
(health).
"""

from .figures import evaluate
