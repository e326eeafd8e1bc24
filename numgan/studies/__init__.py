"""Studies: one command, `numgan study NAME`, repeats the experiment of a published table.

STUDIES maps each name to its Study. protocol.py defines the class Study, and the code that runs a study.
"""

from . import (
    ablation,
    architectures,
    balance,
    dirac,
    equilibrium,
    mixtures,
    mode_collapse,
    parzen,
    stacked,
    vanishing,
)
from .protocol import Column, Studied, Study, run

STUDIES = {
    "dirac": dirac.STUDY,
    "ring": mixtures.RING,
    "grid": mixtures.GRID,
    "stacked-mnist": stacked.STACKED,
    "parzen": parzen.STUDY,
    "vanishing": vanishing.STUDY,
    "past-equilibrium": equilibrium.PAST,
    "balance": balance.BALANCE,
    "mode-collapse": mode_collapse.STUDY,
    "random-architectures": architectures.RANDOM,
    "ablation": ablation.ABLATION,
}
