"""Studies: what a paper's table shows, made again by one command, `numgan study NAME`. protocol.py says what a study is."""

from . import ablation, mixtures
from .protocol import Column, Studied, Study, run

STUDIES = {"ring": mixtures.RING, "grid": mixtures.GRID, "ablation": ablation.ABLATION}
