"""Evaluation of a run: figures beside those of real data, a judge, and the health of curves and samples."""

from .figures import evaluate
