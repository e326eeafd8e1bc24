"""Metrics by nearest neighbours: by hand and by brute force."""

import math

import numpy as np
import pytest
from metric_cases import distances, normal

from numgan import metrics
from numgan.core.randomness import stream
from numgan.metrics.neighbours import _k_means, radii


def test_precision_and_recall_by_hand():
    x, y = (
        np.array([[0.0], [1], [2], [-10]]),
        np.array([[0.5], [1.5], [30]]),
    )  # radii of x 1, 1, 1, 10 and of y 1, 1, 28.5
    assert metrics.precision_recall(x, y, k=1) == (pytest.approx(2 / 3), pytest.approx(3 / 4))
    assert metrics.density_coverage(x, y, k=1) == (
        pytest.approx(4 / 3),
        pytest.approx(3 / 4),
    )  # in the balls of x: 1, 2, 1 and 0 of y
    assert metrics.precision_recall(x, x + 100, k=1) == (0, 0) and metrics.precision_recall(x, x, k=1) == (
        1,
        1,
    )


def test_neighbours_by_brute_force(small_blocks):
    x, y, k = normal("x", 23, 3), 0.7 + normal("y", 19, 3), 4
    rx, ry, d = (np.sort(distances(a, a), axis=1)[:, k] for a in (x, y)), None, distances(x, y)
    rx, ry = rx
    assert metrics.precision_recall(x, y, k) == (
        pytest.approx((d <= rx[:, None]).any(0).mean()),
        pytest.approx((d <= ry).any(1).mean()),
    )
    assert metrics.density_coverage(x, y, k) == (
        pytest.approx((d <= rx[:, None]).sum() / (k * 19)),
        pytest.approx((d <= rx[:, None]).any(1).mean()),
    )


def test_density_and_coverage_of_one_distribution():
    n, m, k = 40, 60, 5
    found = np.array(
        [metrics.density_coverage(normal(f"x{i}", n, 2), normal(f"y{i}", m, 2), k) for i in range(300)]
    )
    coverage = 1 - math.prod((n - j) / (m + n - j) for j in range(1, k + 1))
    error = 4 * found.std(axis=0) / math.sqrt(300)
    assert abs(found[:, 0].mean() - 1) < error[0] and abs(found[:, 1].mean() - coverage) < error[1]


def test_copies_are_inside_balls_of_no_size():
    x = normal("x", 5, 300).repeat(4, axis=0).astype(np.float32)  # every radius is 0
    assert metrics.precision_recall(x, x[::4].repeat(5, axis=0)) == (1, 1)
    assert metrics.density_coverage(x, x[:3], k=3).density == pytest.approx(4 / 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_neighbour_error(dtype, small_blocks):
    x, t = (
        np.array([[0.0, 0], [4, 0], [0, 4]], dtype),
        np.array([[1.0, 0], [3, 1], [0, 3], [0, 1], [9, 0]], dtype),
    )
    assert metrics.nearest_neighbour_error(
        x, np.array([5, 6, 7]), t, np.array([5, 6, 7, 7, 0])
    ) == pytest.approx(2 / 5)
    x, t = normal("x", 41, 5).astype(dtype), normal("t", 37, 5).astype(dtype)
    a, b = stream(1, "a").integers(3, size=41), stream(1, "b").integers(3, size=37)
    assert metrics.nearest_neighbour_error(x, a, t, b) == pytest.approx(
        (a[distances(t, x).argmin(axis=1)] != b).mean()
    )
    assert metrics.nearest_neighbour_error(x, a, x, a) == 0
    tie = np.array([[1.0], [-1]], dtype)
    assert metrics.nearest_neighbour_error(tie, np.array([1, 0]), np.zeros((1, 1), dtype), np.array([1])) == 0


def test_ndb():
    x, y = normal("x", 4000, 2).astype(np.float32), normal("y", 3000, 2).astype(np.float32)
    same = metrics.ndb(x, x, bins=20)
    assert (
        same.different == 0
        and same.js == 0
        and same.real.sum() == pytest.approx(1)
        and np.array_equal(same.real, same.fake)
    )
    assert metrics.ndb(x, y, bins=20).different <= 4 and metrics.ndb(x, y, bins=20).js < 0.005
    shifted = metrics.ndb(x, y + 3, bins=20)
    assert shifted.different >= 18 and shifted.js > 0.3 and shifted.js <= math.log(2)
    again = metrics.ndb(x, y + 3, bins=20)
    assert np.array_equal(again.fake, shifted.fake) and again.real.min() > 0
    assert not np.array_equal(metrics.ndb(x, y + 3, bins=20, seed=1).real, shifted.real)


def test_ndb_by_hand():
    x, y = (
        np.repeat([[0.0], [10.0], [20.0]], [50, 30, 20], axis=0),
        np.repeat([[1.0], [9.0], [30.0]], [40, 35, 125], axis=0),
    )
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.175, 0.625])
    z = np.abs(p - q) / np.sqrt(
        (100 * p + 200 * q) / 300 * (1 - (100 * p + 200 * q) / 300) * (1 / 100 + 1 / 200)
    )
    found = metrics.ndb(x, y, bins=3)
    assert sorted(found.real) == [0.2, 0.3, 0.5] and sorted(found.fake) == [0.175, 0.2, 0.625]
    tails = [math.erfc(v / math.sqrt(2)) for v in z]  # two-sided: P(|Z| > z)
    for level in (0.05, 0.01, *(tail * factor for tail in tails if tail > 1e-9 for factor in (0.8, 1.25))):
        expected = sum(tail < level for tail in tails)
        assert metrics.ndb(x, y, bins=3, significance=level).different == expected
    m = (p + q) / 2
    assert found.js == pytest.approx(((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2)


def test_k_means_has_come_to_rest():
    x = normal("x", 300, 2)
    centres, assigned = _k_means(x, 7, stream(1, "k"))
    assert np.array_equal(assigned, distances(x, centres).argmin(axis=1))
    np.testing.assert_allclose(centres, [x[assigned == k].mean(axis=0) for k in range(7)], rtol=1e-10)


def test_ndb_has_its_level():
    """Two draws of one distribution: about 5 % of the bins differ, if the bins are made from neither."""
    x, y = normal("x", 20_000, 3), normal("y", 2_000, 3)
    assert 0.01 < np.mean([metrics.ndb(x, y[i::4], bins=50, seed=i).different / 50 for i in range(4)]) < 0.11


@pytest.mark.parametrize("n, k", [(300, 1), (300, 2), (300, 299), (1000, 150), (1000, 299)])
def test_radii_are_the_kth_smallest_distances(n, k):
    """With many rows: a partition by another place shows in a few of them."""
    x = normal("x", n, 3)
    d = np.sort(distances(x, x), axis=1)  # the first is that to the row itself
    np.testing.assert_allclose(radii(x, k), d[:, k] ** 2, rtol=1e-9)
