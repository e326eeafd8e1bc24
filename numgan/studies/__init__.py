"""Studies: experiments with GANs, each run by one command, `numgan study NAME`.

Most studies repeat the experiment of a paper. Each study trains one method or several, over several seeds,
and makes one table. STUDIES is {name of a study: its Study}. protocol.py defines the class Study and runs a
study.
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
