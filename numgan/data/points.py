"""Distributions in the plane whose modes can be counted and plotted, so a GAN's failures are visible.

    ring        8 Gaussians, std 0.02, on a circle of radius 2
                Metz et al. 2017 (unrolled GANs), the toy mixture
    grid        5 x 5 Gaussians, std 0.05, at -4, -2, 0, 2, 4
                Lin et al. 2018 (PacGAN), 2D-grid
    swiss-roll  one curve, no modes
                the toy figures of Gulrajani et al. 2017 (WGAN-GP)

The functions ring, grid and swiss_roll draw n points with a numpy Generator. Each returns the points (n, 2)
float32 and the mode number of each point, (n,) int64. swiss_roll returns None in place of mode numbers.
"""

from operator import index

import numpy as np

from ..core.randomness import stream

SEED = 2014  # seed of the points from load(); their random generator is stream(SEED, name, split)
ROWS = 100_000
RING = {"modes": 8, "radius": 2.0, "std": 0.02}
GRID = {"side": 5, "spacing": 2.0, "std": 0.05}


def ring(n, rng, modes=RING["modes"], radius=RING["radius"], std=RING["std"]):
    """Draw n points of Gaussians on a circle: (points (n, 2) float32, mode numbers (n,) int64).

    rng      a numpy Generator
    modes    the number of Gaussians. They have equal weights and equal distances on the circle
    radius   the radius of the circle
    std      the standard deviation of each Gaussian
    Raises ValueError for n or modes below 1.
    """
    return _mixture(n, rng, _circle(modes, radius), std)


def grid(n, rng, side=GRID["side"], spacing=GRID["spacing"], std=GRID["std"]):
    """Draw n points of Gaussians on a square grid: (points (n, 2) float32, mode numbers (n,) int64).

    rng       a numpy Generator
    side      the grid has side x side Gaussians with equal weights; its centre is the origin
    spacing   the distance of neighbouring Gaussians
    std       the standard deviation of each Gaussian
    Raises ValueError for n or side below 1.
    """
    return _mixture(n, rng, _lattice(side, spacing), std)


def swiss_roll(n, rng, noise=0.25):
    """Draw n points near a spiral of one and a half turns: (points (n, 2) float32, None).

    x = ((t cos t, t sin t) + noise e) / 7.5     t = 3 pi / 2 (1 + 2 u)

    u is uniform on [0, 1), e is standard normal (2,), both drawn with rng, a numpy Generator. The divisor
    gives about unit variance. There are no modes, so the second value is None. Raises ValueError for n below
    1.
    """
    t = 1.5 * np.pi * (1 + 2 * rng.random(_count("swiss_roll", "n", n)))
    curve = np.stack([t * np.cos(t), t * np.sin(t)], axis=1)
    return ((curve + noise * rng.standard_normal(curve.shape)) / 7.5).astype(np.float32), None


POINTS = {"ring": ring, "grid": grid, "swiss-roll": swiss_roll}  # the sets of points that `load` knows


def modes(name):
    """The modes of the set "ring" or "grid": (centres (K, 2) float64, std), in the order of the labels.

    K is the number of modes, 8 or 25. std is the standard deviation of every mode. Raises ValueError for
    other sets.
    """
    if name == "ring":
        return _circle(RING["modes"], RING["radius"]), RING["std"]
    if name == "grid":
        return _lattice(GRID["side"], GRID["spacing"]), GRID["std"]
    raise ValueError(f"modes({name!r}): expected a set with known modes, 'ring' or 'grid'")


def load_points(name, split):
    """The points (100,000, 2) float32 of a set, and their mode numbers (100,000,) int64.

    name    "ring", "grid" or "swiss-roll"; the latter has no modes, and None in place of the numbers
    split   "train" or "test"; their points are independent

    Each call draws the same points, from SEED.
    """
    return POINTS[name](ROWS, stream(SEED, name, split))


def _circle(k, radius):
    """The centres (k, 2) of k modes at equal distances on a circle around 0 with this radius.

    Raises ValueError for k below 1.
    """
    # linspace(0, 2 pi, K) would be wrong: its last centre equals the first, so there would be K - 1 modes,
    # one of them with double weight
    angle = 2 * np.pi * np.arange(_count("ring", "modes", k)) / k
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _lattice(side, spacing):
    """The centres (side^2, 2) of a square grid around 0, `spacing` apart. Raises ValueError for side < 1."""
    ticks = spacing * (np.arange(_count("grid", "side", side)) - (side - 1) / 2)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def _mixture(n, rng, centres, std):
    """Draw n points of Gaussians with equal weights: (points (n, 2) float32, mode numbers (n,) int64).

    x = centre of the mode + std e, with e standard normal (2,) and each mode equally likely

    rng      a numpy Generator
    centres  (K, 2) the means; std is the standard deviation of each coordinate
    Raises ValueError for n below 1.
    """
    labels = rng.integers(len(centres), size=_count("mixture", "n", n))
    return (centres[labels] + std * rng.standard_normal((n, 2))).astype(np.float32), labels


def _count(where, what, n):
    """The integer n itself. Raises TypeError if it is no integer, ValueError if it is below 1.

    where, what   the names of the function and of its argument, for the message
    """
    if index(n) < 1:
        raise ValueError(f"{where}: expected {what} of at least 1, got {n}")
    return n
