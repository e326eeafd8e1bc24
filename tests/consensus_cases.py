"""Checks of consensus optimisation by the closed form of the Dirac game."""

import numpy as np

from numgan.core.parameters import Parameters
from numgan.layers import Dense


def _sigmoid(y):
    return 1 / (1 + np.exp(-y))


def dirac_game(psi, theta, dtype=np.float64):
    """D(x) = psi x against G(z) = theta z, at z = 1 and the real sample 0: the arguments of Consensus.

    Mescheder et al. 2018, section 2.
    """
    D, G = Dense(1, 1, bias=False), Dense(1, 1, bias=False)
    params = Parameters(np.array([psi], dtype), D.layout), Parameters(np.array([theta], dtype), G.layout)
    return D, G, *params, np.zeros((1, 1), dtype), np.ones((1, 1), dtype)


def dirac(consensus):
    """With the minimax loss v = s (theta, -psi), s = sigmoid(psi theta).

    R = weight/2 s^2 r, r = psi^2 + theta^2.
    """
    for psi, theta in ((-1.0, 1.0), (0.7, 0.3), (0.2, -1.3)):
        value, (dpsi, dtheta), (v_psi, v_theta) = consensus(*dirac_game(psi, theta))
        s, r = _sigmoid(psi * theta), psi**2 + theta**2
        assert np.allclose((v_psi.vector, v_theta.vector), [[s * theta], [-s * psi]], rtol=1e-12)
        assert np.isclose(value, 1.5 * s**2 * r, rtol=1e-12)
        assert np.isclose(dpsi.vector, 3 * (s**2 * psi + s**2 * (1 - s) * theta * r), rtol=1e-12)
        assert np.isclose(dtheta.vector, 3 * (s**2 * theta + s**2 * (1 - s) * psi * r), rtol=1e-12)
