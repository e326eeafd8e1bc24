"""Studies: what a paper's table shows, made again by one command, `numgan study NAME`. protocol.py says what a study is."""

from . import ablation, architectures, balance, dirac, equilibrium, mixtures, mode_collapse, vanishing
from .protocol import Column, Studied, Study, run

STUDIES = {"ring": mixtures.RING, "grid": mixtures.GRID, "past-equilibrium": equilibrium.PAST, "balance": balance.BALANCE,
           "random-architectures": architectures.RANDOM, "ablation": ablation.ABLATION,
           "dirac": dirac.STUDY, "vanishing": vanishing.STUDY, "mode-collapse": mode_collapse.STUDY}
