"""The metrics chapter: every figure against a closed form, a brute force or a known value that it would miss if it were wrong."""

import math
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from numgan import data, metrics
from numgan.core.randomness import stream
from numgan.metrics import pictures
from numgan.metrics import rows as reading
from numgan.metrics.neighbours import _k_means, radii
from numgan.metrics.pictures import _blur, _cut, _halved, _pyramid

REAL = os.environ.get("NUMGAN_DATA")
real_data = pytest.mark.skipif(
    not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ in it"
)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that small sets are cut into several."""
    monkeypatch.setattr(reading, "BLOCK", 50)


def normal(name, *shape):
    return stream(7, name).standard_normal(shape)


def distances(x, y):
    return np.sqrt(((np.asarray(x, float)[:, None] - np.asarray(y, float)[None]) ** 2).sum(axis=-1))


# ---------------------------------------------------------------------------------------------------- rows


def squared(x, y):
    return np.concatenate([d for _, d in reading.squared_distances(x, y)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squared_distances(dtype):
    x, y = normal("x", 31, 7).astype(dtype), normal("y", 17, 7).astype(dtype)
    d = squared(x, y)
    assert d.dtype == dtype
    np.testing.assert_allclose(d, distances(x, y) ** 2, rtol=2e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_have_distance_exactly_zero(dtype):
    x = (3 + normal("x", 200, 784)).astype(dtype)
    d = squared(x, x[::-1])
    assert not d[np.arange(200), np.arange(199, -1, -1)].any() and d.min() == 0
    assert (d > 0).sum() == 200 * 199


LABELLED = stream(3, "labels").integers(2, size=(2, 400))
OF_DISTANCES = {
    "parzen": lambda x, y: metrics.parzen_log_likelihood(x, y, 0.2).mean(),
    "ndb": lambda x, y: metrics.ndb(x, y, 20)[:3],
    "nearest": lambda x, y: metrics.nearest_neighbour_error(x, LABELLED[0], y, LABELLED[1]),
    "mmd": lambda x, y: metrics.mmd(x, y, 1.0),
    "precision": metrics.precision_recall,
    "density": metrics.density_coverage,
    "modes": lambda x, y: metrics.mode_coverage(x, y[:9], 0.2)[:4],
}


@pytest.mark.parametrize("name", OF_DISTANCES)
@pytest.mark.parametrize("dtype, offset", [(np.float32, 3000), (np.float64, 1e8)])
def test_an_offset_changes_nothing(name, dtype, offset, small_blocks):
    """Of the same rows, that is: they are rounded where they are far from 0."""
    far = [(offset + normal(word, 400, 3) + shift).astype(dtype) for word, shift in (("x", 0), ("y", 0.5))]
    near = [a.astype(np.float64) - offset for a in far]
    assert OF_DISTANCES[name](*far) == pytest.approx(OF_DISTANCES[name](*near), rel=1e-4)


@pytest.mark.parametrize("name", ["ndb", "nearest", "precision", "density"])
@pytest.mark.parametrize("dtype, factor", [(np.float32, 2.0**-84), (np.float64, 2.0**-660)])
def test_tiny_rows_are_rows(name, dtype, factor):
    x, y = normal("x", 400, 3).astype(dtype), (normal("y", 400, 3) + 0.5).astype(dtype)
    assert OF_DISTANCES[name](dtype(factor) * x, dtype(factor) * y) == pytest.approx(
        OF_DISTANCES[name](x, y), rel=1e-12
    )
    assert (
        metrics.nearest_neighbour_error(dtype(factor) * x, np.arange(400), dtype(factor) * x, np.arange(400))
        == 0
    )


def test_whole_numbers_tie_exactly():
    """However far they are: the middle is a whole number, too."""
    x = stream(1, "whole").integers(0, 9, (300, 5)) + 1001.0
    exact = ((x[:, None] - x[None]) ** 2).sum(axis=-1)
    assert np.array_equal(squared(x, x), exact) and np.array_equal(
        squared(x.astype(np.float32), x.astype(np.float32)), exact
    )


def test_memory_is_bounded():
    x = normal("x", 20_000, 2).astype(np.float32)
    tracemalloc.start()
    metrics.precision_recall(x[:10_000], x[10_000:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # all pairs are 800 MB


# ---------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("name, modes", [("ring", 8), ("grid", 25)])
def test_true_points(name, modes):
    centres, std = data.modes(name)
    x = data.load(name).x
    found = metrics.mode_coverage(x, centres, std)
    assert found.captured == found.modes == modes and x.dtype == np.float32
    assert abs(found.high_quality - (1 - math.exp(-4.5))) < 0.0015  # 4 standard errors of 100,000 points
    assert found.counts.sum() == round(found.high_quality * len(x))
    np.testing.assert_allclose(found.relative_std, math.sqrt(1 - 4.5 / math.expm1(4.5)), atol=0.03)
    parts = [metrics.mode_coverage(part, centres, std) for part in x.reshape(40, 2500, 2)]
    assert np.mean([part.reverse_kl for part in parts]) == pytest.approx((modes - 1) / 5000, rel=0.25)
    assert all(abs(part.high_quality - 0.98889) < 0.01 for part in parts)


def test_a_collapsed_generator():
    centres, std = data.modes("ring")
    found = metrics.mode_coverage(np.repeat(centres[3:4], 100, axis=0), centres, std)
    assert found[:3] == (1, 8, 1.0) and found.reverse_kl == pytest.approx(math.log(8))
    assert found.relative_std[3] < 1e-9 and np.isnan(np.delete(found.relative_std, 3)).all()


def test_modes_by_hand(small_blocks):
    centres = [[0, 0], [10, 0], [0, 10]]
    x = np.array([[0, 2], [0, -2], [2, 0], [-2, 0], [11, 0], [9, 0], [0, 6.9], [4, 0], [0, 0]] * 3)
    found = metrics.mode_coverage(x, centres, 1.0)  # (0, 6.9) is 3.1 from its mode, (4, 0) is 4
    assert (
        found.captured == 2
        and found.counts.tolist() == [15, 6, 0]
        and found.high_quality == pytest.approx(7 / 9)
    )
    q = np.array([5, 2]) / 7
    assert found.reverse_kl == pytest.approx((q * np.log(3 * q)).sum())
    np.testing.assert_allclose(found.relative_std[:2], [math.sqrt(24 / 14), math.sqrt((6 / 5 + 0) / 2)])


def test_a_thin_and_a_lost_generator():
    centres, std = data.modes("grid")
    thin, _ = data.grid(10_000, stream(1, "thin"), std=std / 2)
    found = metrics.mode_coverage(thin, centres, std)
    assert found.high_quality > 0.9999 and np.all(np.abs(found.relative_std - 0.5) < 0.06)
    lost = metrics.mode_coverage(np.full((5, 2), 1.0), centres, std)
    assert lost.captured == 0 and lost.high_quality == 0 and math.isnan(lost.reverse_kl)


def test_labels():
    found = metrics.label_coverage(np.array([0, 0, 2, 1]), 4)
    assert found.captured == 3 and found.modes == 4 and found.counts.tolist() == [2, 1, 1, 0]
    assert found.kl == pytest.approx(0.5 * math.log(2))
    assert metrics.label_coverage(np.arange(1000).repeat(3), 1000)[:3] == (1000, 1000, 0.0)
    assert metrics.label_coverage(np.full(9, 5), 10).kl == pytest.approx(math.log(10))
    uniform = [metrics.label_coverage(stream(s, "u").integers(1000, size=26_000), 1000).kl for s in range(20)]
    assert np.mean(uniform) == pytest.approx(999 / 52_000, rel=0.03)


# ---------------------------------------------------------------------------------------------------- parzen


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_parzen_by_the_formula(dtype, rtol, small_blocks):
    g, x, s = normal("g", 13, 2, 3).astype(dtype), normal("x", 11, 2, 3).astype(dtype), 0.7
    d = distances(x.reshape(11, 6), g.reshape(13, 6)) ** 2
    expected = np.log(np.exp(-d / (2 * s * s)).mean(axis=1) / (s * math.sqrt(2 * math.pi)) ** 6)
    np.testing.assert_allclose(metrics.parzen_log_likelihood(g, x, s), expected, rtol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parzen_far_away_does_not_underflow(dtype):
    ll = metrics.parzen_log_likelihood(np.zeros((4, 1), dtype), np.array([[1000.0]], dtype), 0.1)
    assert ll[0] == pytest.approx(-1e6 / 0.02 - math.log(0.1 * math.sqrt(2 * math.pi)), rel=1e-6)


def test_parzen_of_gaussian_data():
    """Samples N(0, 1): the window's density tends to N(0, 1 + s^2), whose mean log-likelihood under N(0, 1) is known."""
    s, d = 0.5, 2
    v = 1 + s * s
    ll = metrics.parzen_log_likelihood(normal("g", 20_000, d), normal("x", 5_000, d), s)
    assert ll.mean() == pytest.approx(
        -d / 2 * (math.log(2 * math.pi * v) + 1 / v), abs=4 * ll.std() / math.sqrt(5000)
    )


def test_parzen_protocol():
    g, v, x = normal("g", 500, 2), normal("v", 300, 2), normal("x", 400, 2)
    found = metrics.parzen(g, v, x)
    np.testing.assert_allclose(list(found.validation), np.logspace(-1, 0, 10))
    for sigma, score in found.validation.items():
        assert score == pytest.approx(metrics.parzen_log_likelihood(g, v, sigma).mean())
    assert found.sigma == max(found.validation, key=found.validation.get) and 0.1 < found.sigma < 1
    ll = metrics.parzen_log_likelihood(g, x, found.sigma)
    assert found.mean == pytest.approx(ll.mean()) and found.standard_error == pytest.approx(
        ll.std(ddof=1) / 20
    )
    assert metrics.parzen(g, v, x, [0.3]).sigma == 0.3


@real_data
def test_parzen_of_real_pictures_is_the_published_anchor():
    script = Path(__file__).parents[2] / "benchmarks" / "parzen_anchor.py"
    if not script.exists():
        pytest.skip("needs the source tree: benchmarks/parzen_anchor.py")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and "sigma 0.1668" in run.stdout, run.stdout + run.stderr


# ---------------------------------------------------------------------------------------------------- frechet


def test_frechet_closed_forms():
    one = np.eye(3)
    assert metrics.frechet_gaussians([0, 0, 0], 4 * one, [1, 2, 2], 9 * one) == pytest.approx(
        9 + 3 * (2 - 3) ** 2
    )
    assert metrics.frechet_gaussians([1.0], [[4.0]], [3.0], [[1.0]]) == pytest.approx(4 + 1)
    a, b = (
        [[2.0, 1.0], [1.0, 3.0]],
        [[5.0, -1.0], [-1.0, 1.0]],
    )  # 2 x 2: tr (AB)^1/2 = sqrt(tr AB + 2 sqrt(det AB))
    ab = np.array(a) @ b
    cross = math.sqrt(np.trace(ab) + 2 * math.sqrt(np.linalg.det(ab)))
    assert metrics.frechet_gaussians([0, 0], a, [0, 0], b) == pytest.approx(11 - 2 * cross, rel=1e-12)


def test_frechet_of_sets():
    x, y = normal("x", 50, 4), 2 + normal("y", 30, 4) @ np.diag([1, 2, 3, 4.0])
    moments = [f(a) for a in (x, y) for f in (lambda a: a.mean(axis=0), lambda a: np.cov(a, rowvar=False))]
    expected = metrics.frechet_gaussians(*moments)
    assert (
        metrics.frechet_distance(x, y)
        == pytest.approx(expected)
        == pytest.approx(metrics.frechet_distance(y, x))
    )
    assert metrics.frechet_distance(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(
        expected, rel=1e-5
    )
    assert metrics.frechet_distance(x, x) < 1e-12 and metrics.frechet_distance(x, x + 3) == pytest.approx(36)


def test_frechet_of_singular_covariances():
    x = normal("x", 10, 200)  # rank 9 of 200
    assert metrics.frechet_distance(x, x) < 1e-10
    assert metrics.frechet_distance(x, x + 1) == pytest.approx(
        200, rel=1e-11
    )  # eigenvalues that are rounding would add 1e-8 each
    line, other = np.diag([1.0, 0]), np.diag([0, 4.0])
    assert metrics.frechet_gaussians([0, 0], line, [0, 0], other) == pytest.approx(5)
    assert metrics.frechet_distance(np.zeros((3, 2)), np.ones((3, 2))) == pytest.approx(2)
    left = np.hstack([x[:, :5], np.zeros((10, 5))])
    right = np.hstack([np.zeros((10, 5)), x[:, 5:10]])
    total = (
        np.cov(left, rowvar=False).trace()
        + np.cov(right, rowvar=False).trace()
        + ((left.mean(0) - right.mean(0)) ** 2).sum()
    )
    assert metrics.frechet_distance(left, right) == pytest.approx(total)


def test_inception_score():
    assert metrics.inception_score(np.full((20, 10), 0.1, np.float32))[0] == pytest.approx(1, abs=1e-6)
    assert metrics.inception_score(np.eye(10).repeat(3, axis=0)) == (pytest.approx(10), 0.0)
    assert metrics.inception_score(np.eye(10)[[4] * 8])[0] == pytest.approx(1)
    a = 0.9  # two classes, sure to 0.9: exp(log 2 - entropy)
    entropy = -a * math.log(a) - (1 - a) * math.log(1 - a)
    assert metrics.inception_score([[a, 1 - a], [1 - a, a]])[0] == pytest.approx(
        math.exp(math.log(2) - entropy)
    )
    p = np.vstack([np.eye(2), np.eye(2)[[0, 0]]])  # a split with both classes, and one with a single one
    assert metrics.inception_score(p, splits=2) == (pytest.approx(1.5), pytest.approx(0.5))


def brute_mmd(x, y, kernel):
    within = lambda a: (
        sum(kernel(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j)
        / (len(a) * (len(a) - 1))
    )
    return within(x) + within(y) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def test_mmd_by_double_loop(small_blocks):
    x, y = normal("x", 13, 3), 1 + normal("y", 11, 3)
    assert metrics.kid(x, y) == pytest.approx(brute_mmd(x, y, lambda a, b: (a @ b / 3 + 1) ** 3), rel=1e-12)
    assert metrics.mmd(x, y, 1.7) == pytest.approx(
        brute_mmd(x, y, lambda a, b: math.exp(-((a - b) ** 2).sum() / (2 * 1.7**2))), rel=1e-12
    )


@pytest.mark.parametrize("metric", [metrics.kid, lambda x, y: metrics.mmd(x, y, 1.0)], ids=["kid", "mmd"])
def test_mmd_is_unbiased(metric):
    draws = np.array([metric(normal(f"x{i}", 12, 4), normal(f"y{i}", 20, 4)) for i in range(600)])
    assert abs(draws.mean()) < 3.5 * draws.std() / math.sqrt(
        600
    )  # a biased one has a mean of many standard errors
    assert 0.2 < (draws < 0).mean() < 0.8


def test_mmd_of_gaussians():
    """N(0, 1) against N(m, 1): E k = s / sqrt(s^2 + 2) exp(-m^2 / (2 (s^2 + 2)))."""
    s, m = 1.5, 1.0
    expected = 2 * s / math.sqrt(s * s + 2) * (1 - math.exp(-m * m / (2 * (s * s + 2))))
    assert metrics.mmd(normal("x", 4000, 1), m + normal("y", 4000, 1), s) == pytest.approx(expected, rel=0.1)


# ---------------------------------------------------------------------------------------------------- neighbours


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
    """Two draws of one distribution: about 5 % of the bins are called different, when the bins belong to neither."""
    x, y = normal("x", 20_000, 3), normal("y", 2_000, 3)
    assert 0.01 < np.mean([metrics.ndb(x, y[i::4], bins=50, seed=i).different / 50 for i in range(4)]) < 0.11


# ---------------------------------------------------------------------------------------------------- pictures


def uniform(name, *shape):
    return stream(3, name).random(shape)


def test_psnr():
    x = np.full((3, 5, 4, 1), 0.5, np.float32)
    y = x + np.array([0, 0.1, 0.5], np.float32)[:, None, None, None]
    np.testing.assert_allclose(metrics.psnr(x, y), [np.inf, 20, 10 * math.log10(4)], rtol=1e-6)
    a, b = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 51, np.uint8)
    assert metrics.psnr(a, b, data_range=255)[0] == pytest.approx(20 * math.log10(5))


def test_ssim_of_one_window_by_the_formula():
    x, y = uniform("x", 1, 11, 11, 1), uniform("y", 1, 11, 11, 1)
    w = np.array(
        [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    )
    w /= w.sum()
    a, b = x[0, :, :, 0], y[0, :, :, 0]
    ma, mb = (w * a).sum(), (w * b).sum()
    va, vb, cov = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    assert metrics.ssim(x, y)[0] == pytest.approx(expected, rel=1e-10)
    assert metrics.ssim(255 * x, 255 * y, data_range=255)[0] == pytest.approx(expected, rel=1e-10)


def test_ssim(monkeypatch):
    x, y = uniform("x", 5, 17, 23, 3).astype(np.float32), uniform("y", 5, 17, 23, 3).astype(np.float32)
    np.testing.assert_allclose(metrics.ssim(x, x), 1, rtol=1e-12)
    whole = metrics.ssim(x, y)
    monkeypatch.setattr(reading, "BLOCK", 1)
    np.testing.assert_allclose(
        whole, metrics.ssim(y, x), rtol=1e-12
    )  # symmetric, and the same picture by picture
    windows = [
        metrics.ssim(x[:1, i : i + 11, j : j + 11], y[:1, i : i + 11, j : j + 11])[0]
        for i in range(7)
        for j in range(13)
    ]
    assert whole[0] == pytest.approx(np.mean(windows))
    flat = (
        np.full((1, 11, 11, 1), 0.2),
        np.full((1, 11, 11, 1), 0.6),
    )  # no variance: the luminance factor alone
    assert metrics.ssim(*flat)[0] == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4))


def test_ssim_against_scikit_image():
    x, y = uniform("x", 40, 33), uniform("y", 40, 33)
    _, full = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
    )
    assert metrics.ssim(x[None, :, :, None], y[None, :, :, None])[0] == pytest.approx(
        full[5:-5, 5:-5].mean(), rel=1e-9
    )


def test_ms_ssim():
    x = uniform("x", 2, 177, 180, 2).astype(np.float32)
    np.testing.assert_allclose(metrics.ms_ssim(x, x), 1, rtol=1e-12)
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    flat = np.full((1, 176, 176, 1), 0.2), np.full((1, 176, 176, 1), 0.6)
    luminance = (2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert metrics.ms_ssim(*flat)[0] == pytest.approx(luminance ** weights[4])
    y = np.clip(x + 0.2 * normal("n", *x.shape), 0, 1)
    a, b, expected = x[..., :1].astype(float), y[..., :1], 1.0
    for scale, weight in enumerate(weights):
        taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
        w = np.outer(taps, taps) / taps.sum() ** 2
        view = lambda z: np.lib.stride_tricks.sliding_window_view(z[0, :, :, 0], (11, 11))
        mean = lambda z: np.einsum("ijkl,kl->ij", z, w)
        va, vb = view(a), view(b)
        ma, mb = mean(va), mean(vb)
        cs = (2 * (mean(va * vb) - ma * mb) + 9e-4) / (mean(va**2) - ma**2 + mean(vb**2) - mb**2 + 9e-4)
        light = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
        expected *= (light * cs if scale == 4 else cs).mean() ** weight
        a, b = (
            np.stack(
                [
                    z[:, i : z.shape[1] // 2 * 2 : 2, j : z.shape[2] // 2 * 2 : 2]
                    for i in (0, 1)
                    for j in (0, 1)
                ]
            ).mean(axis=0)
            for z in (a, b)
        )
    assert (
        metrics.ms_ssim(x[:1, ..., :1], y[:1, ..., :1])[0] == pytest.approx(expected, rel=1e-9)
        and 0.3 < expected < 0.99
    )
    assert np.all(metrics.ms_ssim(x, 1 - x) == 0)  # a negative picture: contrast of the other sign


def test_sliced_wasserstein():
    x = normal("x", 500, 1)
    assert metrics.sliced_wasserstein(x, x + 0.75) == pytest.approx(0.75)
    assert metrics.sliced_wasserstein(x, 2 * x) == pytest.approx(np.abs(x).mean())
    assert metrics.sliced_wasserstein(x, x[::-1]) == 0
    x = normal("x", 300, 3)  # the mean of |u.v| over the sphere in three dimensions is |v| / 2
    assert metrics.sliced_wasserstein(x, x + [0, 0, 2.0], directions=20_000) == pytest.approx(1, rel=0.02)
    a, b = normal("a", 4000, 1), 1 + normal("b", 4000, 1)
    assert metrics.sliced_wasserstein(a, b) == pytest.approx(1, abs=0.1)  # W1 of N(0, 1) and N(1, 1)
    assert metrics.sliced_wasserstein(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(
        metrics.sliced_wasserstein(a, b), rel=1e-5
    )


def test_pyramid():
    x = uniform("x", 2, 64, 32, 3).astype(np.float32)
    assert [level.shape[1:3] for level in _pyramid(x, 1)] == [(64, 32), (32, 16)]
    fine, coarse = _pyramid(x, 1)
    stretched = np.zeros_like(x)
    stretched[:, ::2, ::2] = coarse
    np.testing.assert_allclose(fine + 4 * _blur(stretched), x, atol=1e-6)  # nothing is lost
    flat = list(_pyramid(np.full((1, 64, 64, 1), 0.3), 2))
    assert all(np.abs(level).max() < 1e-6 for level in flat[:2])
    np.testing.assert_allclose(flat[2], 0.3, rtol=1e-6)
    corner = _blur(np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1))[0, 0, 0, 0]
    assert corner == pytest.approx(
        7 * (2 * 4 * 1 + 2 * 1 * 2) / 16
    )  # mirrored about the first pixel: 2, 1, 0, 1, 2 steps
    impulse = np.zeros((1, 9, 9, 1), np.float32)
    impulse[0, 4, 4] = 256
    np.testing.assert_allclose(_blur(impulse)[0, 2:7, 2:7, 0], np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]))
    np.testing.assert_allclose(_halved(np.arange(15.0).reshape(1, 3, 5, 1))[0, :, :, 0], [[3, 5]])


def test_patches():
    x = uniform("x", 3, 16, 20, 2).astype(np.float32)
    places = np.array([[[0, 0], [9, 13]], [[4, 5], [2, 2]], [[1, 7], [9, 0]]])
    cut = _cut(x, places).reshape(6, 7, 7, 2)
    np.testing.assert_allclose(cut.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(cut.std(axis=(0, 1, 2)), 1, rtol=1e-5)
    raw = np.stack([x[n, r : r + 7, c : c + 7] for n, rows in enumerate(places) for r, c in rows])
    np.testing.assert_allclose(cut, (raw - raw.mean(axis=(0, 1, 2))) / raw.std(axis=(0, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("n, k", [(300, 1), (300, 2), (300, 299), (1000, 150), (1000, 299)])
def test_radii_are_the_kth_smallest_distances(n, k):
    """With many rows: a partition by another place shows in a few of them."""
    x = normal("x", n, 3)
    d = np.sort(distances(x, x), axis=1)  # the first is that to the row itself
    np.testing.assert_allclose(radii(x, k), d[:, k] ** 2, rtol=1e-9)


def test_many_patches_are_still_of_variance_one():
    """A float32 sum over hundreds of thousands of pixels loses digits."""
    x = (200 + uniform("x", 1, 16, 16, 2)).astype(np.float32)
    cut = _cut(x, stream(0, "places").integers(0, 10, (1, 10_000, 2))).reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(cut.std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(cut.mean(axis=0), 0, atol=1e-3)


def test_patches_are_cut_at_every_place_of_every_level(monkeypatch):
    """Where a patch fits: at 0 to H - 7 and 0 to W - 7. Both sets are cut at the same places."""
    cut, seen = pictures._cut, []
    watched = lambda x, places: seen.append((x.shape[1:3], places)) or cut(x, places)
    monkeypatch.setattr(pictures, "_cut", watched)
    x = uniform("x", 40, 32, 48, 1)
    metrics.laplacian_swd(x, x, patches=128, directions=1)
    assert [shape for shape, _ in seen] == [(32, 48), (32, 48), (16, 24), (16, 24)]
    for (shape, places), (_, others) in zip(seen[::2], seen[1::2]):
        assert places.shape == (40, 128, 2) and np.array_equal(places, others)
        for axis in (0, 1):
            assert np.array_equal(np.unique(places[..., axis]), np.arange(shape[axis] - 6))


def test_laplacian_swd():
    x, y = uniform("x", 40, 64, 64, 1).astype(np.float32), uniform("y", 40, 64, 64, 1).astype(np.float32)
    assert metrics.laplacian_swd(x, x, patches=8, directions=16) == {64: 0, 32: 0, 16: 0}
    same = metrics.laplacian_swd(x, y, patches=32, directions=64)
    blurred = metrics.laplacian_swd(x, np.clip(_blur(y), 0, 1), patches=32, directions=64)
    assert blurred[64] > 2 * same[64] and same == metrics.laplacian_swd(x, y, patches=32, directions=64)
    assert list(metrics.laplacian_swd(x[:, :28, :28], y[:, :28, :28], patches=8, directions=8)) == [28]
    assert metrics.laplacian_swd(np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3))) == {16: 0}


# ---------------------------------------------------------------------------------------------------- what is refused

X, NAN, LABELS, PICTURES = (
    np.ones((9, 2)),
    np.array([[1, np.nan]] * 9),
    np.zeros(9, np.int64),
    np.zeros((2, 16, 16, 1)),
)
PAIRS = {
    "frechet_distance": ("real", "fake", ()),
    "kid": ("real", "fake", ()),
    "mmd": ("real", "fake", (1.0,)),
    "precision_recall": ("real", "fake", ()),
    "density_coverage": ("real", "fake", ()),
    "ndb": ("real", "fake", (1,)),
    "sliced_wasserstein": ("x", "y", ()),
    "parzen_log_likelihood": ("samples", "test", (1.0,)),
    "mode_coverage": ("points", "centres", (1.0,)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "odd",
    [
        np.ones(9),
        np.ones((0, 2)),
        np.ones((9, 0)),
        NAN,
        np.full((9, 2), np.inf),
        np.full((9, 2), 1e60),
        X.astype(str),
        X * 1j,
        [[1, None]] * 9,
    ],
    ids=lambda odd: str(np.shape(odd)) + str(np.asarray(odd).dtype),
)
def test_odd_arrays_are_refused_by_name(name, odd):
    first, second, rest = PAIRS[name]
    with pytest.raises(ValueError, match=f"^{name}: expected {first} .*got.*;"):
        getattr(metrics, name)(odd, X, *rest)
    with pytest.raises(ValueError, match=f"^{name}: expected {second} .*got.*;"):
        getattr(metrics, name)(X, odd, *rest)


@pytest.mark.parametrize("name", PAIRS)
def test_columns_must_agree(name):
    with pytest.raises(ValueError, match=f"^{name}: expected .* columns of .*got.*;"):
        getattr(metrics, name)(X, np.ones((9, 3)), *PAIRS[name][2])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: metrics.frechet_distance(X[:1], X), "real of at least 2 rows, got 1"),
        (lambda: metrics.kid(X, X[:1]), "fake of at least 2 rows, got 1"),
        (lambda: metrics.precision_recall(X, X, k=True), "k a whole number of at least 1, got True"),
        (lambda: metrics.kid(np.ma.array(X, mask=X > 0), X), "real without a mask, got a masked array"),
        (
            lambda: metrics.label_coverage(np.ma.array(LABELS, mask=LABELS > 0), 5),
            "labels without a mask, got a masked array",
        ),
        (
            lambda: metrics.psnr(PICTURES, np.ma.array(PICTURES)),
            "reference without a mask, got a masked array",
        ),
        (lambda: metrics.mmd(X, X[:1], 1), "fake of at least 2 rows, got 1"),
        (lambda: metrics.mmd(X, X, 0), "sigma a number above 0"),
        (lambda: metrics.mmd(X, X, float("nan")), "sigma a number above 0"),
        (lambda: metrics.mmd(X, X, 1 + 0j), "sigma a number above 0"),
        (lambda: metrics.ndb(X, X, 1, significance=None), "significance between 0 and 1, got None"),
        (lambda: metrics.ndb(X, X, 1, seed=None), "an integer of at least 0, got None"),
        (lambda: metrics.ndb(X, X, 1, seed=-1), "an integer of at least 0, got -1"),
        (lambda: metrics.sliced_wasserstein(X, X, seed="a"), "an integer of at least 0, got 'a'"),
        (lambda: metrics.sliced_wasserstein(X, X, seed=1.5), "an integer of at least 0, got 1.5"),
        (lambda: metrics.psnr(PICTURES, PICTURES, "a"), "data_range a finite number above 0, got 'a'"),
        (lambda: metrics.precision_recall(X[:3], X), "real of at least 4 rows, got 3"),
        (lambda: metrics.precision_recall(X, X[:3]), "fake of at least 4 rows, got 3"),
        (lambda: metrics.precision_recall(X, X, k=0), "k a whole number of at least 1, got 0"),
        (lambda: metrics.density_coverage(X[:5], X), "real of at least 6 rows, got 5"),
        (lambda: metrics.density_coverage(X, X[:0]), "fake .N, D. of real numbers and not empty, got .0, 2."),
        (lambda: metrics.precision_recall(X, X[:3]), "fake of at least 4 rows, got 3"),
        (lambda: metrics.density_coverage(X, X, k=1.5), "k a whole number of at least 1, got 1.5"),
        (lambda: metrics.ndb(X, X), "bins a whole number from 1 to 9, got 100"),
        (lambda: metrics.ndb(X, X, 2), "real with at least 2 different rows, got 1"),
        (lambda: metrics.ndb(X, X, 1, significance=5), "significance between 0 and 1, got 5"),
        (lambda: metrics.mode_coverage(X, X, -1), "std a number above 0"),
        (lambda: metrics.label_coverage(LABELS, 0), "classes a whole number of at least 1"),
        (lambda: metrics.label_coverage(LABELS + 4, 4), "labels from 0 and below 4, got 4 to 4"),
        (lambda: metrics.label_coverage(LABELS - 1, 4), "labels from 0 and below 4, got -1 to -1"),
        (lambda: metrics.label_coverage(LABELS[:0], 4), "labels .N,. of integers and not empty"),
        (lambda: metrics.label_coverage(X, 4), "labels .N,. of integers and not empty, got .9, 2. float64"),
        (lambda: metrics.parzen(X, X, X[:1]), "test of at least 2 rows, got 1"),
        (lambda: metrics.parzen(X, NAN, X), "validation of finite numbers"),
        (lambda: metrics.parzen(X, X, X, []), "sigmas .S,. and not empty"),
        (lambda: metrics.parzen(X, X, X, [0.1, 0]), "sigmas a number above 0"),
        (
            lambda: metrics.frechet_gaussians([0, 0], np.eye(2), [0, 0], np.eye(3)),
            "cov2 .2, 2., as mean1 has 2 numbers, got .3, 3.",
        ),
        (
            lambda: metrics.frechet_gaussians([0, 0], np.eye(2), [0], np.eye(2)),
            "mean2 .2,., as mean1 has 2 numbers, got .1,.",
        ),
        (lambda: metrics.frechet_gaussians([0, 0], [[1, 2], [0, 1]], [0, 0], np.eye(2)), "cov1 symmetric"),
        (
            lambda: metrics.frechet_gaussians([0, 0], np.eye(2), [0, 0], -np.eye(2)),
            "cov2 symmetric without negative eigenvalues",
        ),
        (
            lambda: metrics.inception_score(X),
            "probabilities not below 0 with rows that sum to 1, got numbers from 1 and sums from 2 to 2",
        ),
        (lambda: metrics.inception_score([[2, -1]]), "probabilities not below 0"),
        (lambda: metrics.inception_score(np.eye(3), splits=4), "splits a whole number from 1 to 3, got 4"),
        (
            lambda: metrics.nearest_neighbour_error(X, LABELS[1:], X, LABELS),
            "train_labels .9,., one for each sample, got .8,.",
        ),
        (lambda: metrics.nearest_neighbour_error(X, LABELS, X, LABELS * 1.0), "test_labels .N,. of integers"),
        (lambda: metrics.nearest_neighbour_error(X, LABELS - 1, X, LABELS), "train_labels from 0"),
        (lambda: metrics.nearest_neighbour_error(X, LABELS, NAN, LABELS), "test of finite numbers"),
        (lambda: metrics.sliced_wasserstein(X, X[1:]), "y with 9 rows, like x, got 8"),
        (lambda: metrics.sliced_wasserstein(X, X, 0), "directions a whole number of at least 1"),
        (
            lambda: metrics.psnr(PICTURES[0], PICTURES),
            "pictures .N, H, W, C. with sides of at least 1 pixels, got .16, 16, 1.",
        ),
        (
            lambda: metrics.psnr(PICTURES, PICTURES[:, 1:]),
            "pictures .2, 15, 16, 1., the shape of reference, got .2, 16, 16, 1.",
        ),
        (lambda: metrics.psnr(PICTURES - 1, PICTURES), "pictures in 0..1, the data range, got -1 to -1"),
        (lambda: metrics.psnr(PICTURES, PICTURES + 255), "reference in 0..1, the data range, got 255 to 255"),
        (lambda: metrics.psnr(PICTURES, PICTURES * np.nan), "reference of finite numbers"),
        (lambda: metrics.psnr(PICTURES, PICTURES, 0), "data_range a finite number above 0, got 0"),
        (
            lambda: metrics.psnr(PICTURES[:0], PICTURES[:0]),
            "pictures .N, H, W, C. of real numbers and not empty",
        ),
        (
            lambda: metrics.ssim(PICTURES[:, :10], PICTURES[:, :10]),
            "pictures .* sides of at least 11 pixels, got .2, 10, 16, 1.",
        ),
        (
            lambda: metrics.ms_ssim(PICTURES, PICTURES),
            "pictures .* sides of at least 176 pixels, got .2, 16, 16, 1.",
        ),
        (lambda: metrics.laplacian_swd(PICTURES, PICTURES[:1]), "fake .2, 16, 16, 1., the shape of real"),
        (lambda: metrics.laplacian_swd(PICTURES[:, :15], PICTURES), "real .* sides of at least 16 pixels"),
        (
            lambda: metrics.laplacian_swd(np.zeros((1, 33, 32, 1)), np.zeros((1, 33, 32, 1))),
            "sides can be halved 1 times, got 33 x 32",
        ),
        (
            lambda: metrics.laplacian_swd(PICTURES, PICTURES, patches=0),
            "patches a whole number of at least 1",
        ),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=f"^[a-z_]+: expected .*{words}.*;"):
        call()


def test_every_metric_is_in_the_table():
    public = [name for name in metrics.__all__ if name[0].islower()]
    table = [line.split()[0] for line in metrics.__doc__.splitlines() if line.startswith("    ")]
    assert sorted(table) == sorted(public)
    for name in public:
        assert (
            "ValueError" in getattr(metrics, name).__doc__ and "Source:" in getattr(metrics, name).__doc__
        ), name


def test_arguments_are_not_written_to():
    x = normal("x", 30, 2).astype(np.float32)
    x.flags.writeable = False
    for name, (_, _, rest) in PAIRS.items():
        getattr(metrics, name)(x, x, *rest)


# ---------------------------------------------------------------------------------------------------- both sides of every limit

_ROOT = np.array([[2.0, 1.0], [1.0, 3.0]])


def _tilted(by):
    return _ROOT + by * np.array([[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    "taken, refused",
    [
        (lambda: metrics.mmd(X, X, 1e-15), lambda: metrics.mmd(X, X, 0.999e-15)),
        (lambda: metrics.mmd(X, X, 1e15), lambda: metrics.mmd(X, X, 1.001e15)),
        (lambda: metrics.kid(0.99e50 * np.ones((2, 2)), X), lambda: metrics.kid(1e50 * np.ones((2, 2)), X)),
        (lambda: metrics.kid(X[:2], X), lambda: metrics.kid(X[:1], X)),
        (lambda: metrics.kid(X, X[:2]), lambda: metrics.kid(X, X[:1])),
        (lambda: metrics.mmd(X[:2], X[:2], 1), lambda: metrics.mmd(X[:1], X, 1)),
        (lambda: metrics.mmd(X, X[:2], 1), lambda: metrics.mmd(X, X[:1], 1)),
        (lambda: metrics.frechet_distance(X[:2], X[:2]), lambda: metrics.frechet_distance(X[:1], X)),
        (lambda: metrics.frechet_distance(X, X[:2]), lambda: metrics.frechet_distance(X, X[:1])),
        (
            lambda: metrics.frechet_gaussians([0, 0], _tilted(2.9e-6), [0, 0], _ROOT),
            lambda: metrics.frechet_gaussians([0, 0], _tilted(3.1e-6), [0, 0], _ROOT),
        ),
        (
            lambda: metrics.frechet_gaussians([0, 0], _ROOT, [0, 0], np.diag([2, -1.9e-6])),
            lambda: metrics.frechet_gaussians([0, 0], _ROOT, [0, 0], np.diag([2, -2.1e-6])),
        ),
        (
            lambda: metrics.inception_score([[0.5, 0.5009], [0.5, 0.4991]]),
            lambda: metrics.inception_score([[0.5, 0.5011], [0.5, 0.5]]),
        ),
        (lambda: metrics.inception_score([[1.0, 0.0]]), lambda: metrics.inception_score([[1.0001, -0.0001]])),
        (
            lambda: metrics.inception_score([[1.0, 0.0]] * 3, splits=3),
            lambda: metrics.inception_score([[1.0, 0.0]] * 3, splits=4),
        ),
        (lambda: metrics.label_coverage([0, 4], 5), lambda: metrics.label_coverage([0, 5], 5)),
        (lambda: metrics.label_coverage([0], 1), lambda: metrics.label_coverage([0], 0)),
        (lambda: metrics.precision_recall(X[:4], X[:4]), lambda: metrics.precision_recall(X[:3], X)),
        (lambda: metrics.density_coverage(X[:6], X[:1]), lambda: metrics.density_coverage(X[:5], X)),
        (lambda: metrics.precision_recall(X, X, k=1), lambda: metrics.precision_recall(X, X, k=0)),
        (
            lambda: metrics.nearest_neighbour_error(X[:1], [0], X[:1], [0]),
            lambda: metrics.nearest_neighbour_error(X[:1], [-1], X[:1], [0]),
        ),
        (lambda: metrics.ndb(X, X[:1], bins=1), lambda: metrics.ndb(X, X, bins=0)),
        (
            lambda: metrics.ndb(X, X, bins=1, significance=0.999),
            lambda: metrics.ndb(X, X, bins=1, significance=1),
        ),
        (
            lambda: metrics.ndb(X, X, bins=1, significance=1e-9),
            lambda: metrics.ndb(X, X, bins=1, significance=0),
        ),
        (
            lambda: metrics.ssim(np.ones((1, 11, 11, 1)), np.ones((1, 11, 11, 1))),
            lambda: metrics.ssim(np.ones((1, 10, 11, 1)), np.ones((1, 10, 11, 1))),
        ),
        (
            lambda: metrics.ssim(np.ones((1, 11, 11, 1)), np.ones((1, 11, 11, 1))),
            lambda: metrics.ssim(np.ones((1, 11, 10, 1)), np.ones((1, 11, 10, 1))),
        ),
        (
            lambda: metrics.ms_ssim(np.ones((1, 176, 176, 1)), np.ones((1, 176, 176, 1))),
            lambda: metrics.ms_ssim(np.ones((1, 176, 175, 1)), np.ones((1, 176, 175, 1))),
        ),
        (
            lambda: metrics.laplacian_swd(
                np.ones((2, 16, 16, 1)), np.ones((2, 16, 16, 1)), patches=1, directions=1
            ),
            lambda: metrics.laplacian_swd(
                np.ones((2, 16, 16, 1)), np.ones((2, 16, 16, 1)), patches=1, directions=0
            ),
        ),
    ],
)
def test_limits_from_either_side(taken, refused):
    taken()
    with pytest.raises(ValueError, match=": expected "):
        refused()


def test_an_empty_bin_and_a_sure_prediction_count_as_zero():
    assert metrics.inception_score([[1.0, 0.0], [0.0, 1.0]]) == (pytest.approx(2), 0)
    assert metrics.label_coverage([0, 0, 3], 4)[:3] == (
        2,
        4,
        pytest.approx(2 / 3 * math.log(8 / 3) + 1 / 3 * math.log(4 / 3)),
    )
    assert metrics.label_coverage([0, 0, 3], 4).counts.tolist() == [2, 0, 0, 1]


def test_levels_are_counted_along_the_shorter_side():
    rng = np.random.default_rng(0)
    for shape, levels in (
        ((16, 48), [16]),
        ((48, 16), [48]),
        ((32, 64), [32, 16]),
        ((64, 32), [64, 32]),
        ((31, 16), [31]),
    ):
        x, y = rng.random((2, 3, *shape, 1))
        assert list(metrics.laplacian_swd(x, y, patches=4, directions=5)) == levels


def test_pixels_out_of_their_range_are_refused():
    x = np.linspace(0, 2, 400).reshape(1, 20, 20, 1)
    assert metrics.ssim(x, x, data_range=2.0) == 1 and metrics.psnr(x, x, data_range=2.0) == np.inf
    for wrong in (x - 1e-3, x + 1e-3):
        for call in (
            lambda: metrics.ssim(wrong, x, data_range=2.0),
            lambda: metrics.ssim(x, wrong, data_range=2.0),
        ):
            with pytest.raises(ValueError, match="^ssim: expected (pictures|reference) "):
                call()


def test_each_channel_of_a_picture_is_compared_by_itself():
    """Then the mean is taken: of the powers, not the power of a mean."""
    rng = np.random.default_rng(1)
    x = rng.random((1, 180, 177, 3))
    y = np.clip(x + np.array([0.05, 0.2, 0.4]) * rng.standard_normal(x.shape), 0, 1)
    for measure in (metrics.ssim, metrics.ms_ssim):
        apart = [measure(x[..., c : c + 1], y[..., c : c + 1])[0] for c in range(3)]
        assert np.ptp(apart) > 0.02 and np.isclose(measure(x, y)[0], np.mean(apart), rtol=1e-9)


@pytest.mark.parametrize("name", ["mean1", "cov1", "mean2", "cov2"])
def test_a_moment_that_is_not_finite_is_named(name):
    moments = {"mean1": np.zeros(2), "cov1": np.eye(2), "mean2": np.ones(2), "cov2": np.eye(2)}
    assert metrics.frechet_gaussians(**moments) == pytest.approx(2)
    with pytest.raises(ValueError, match=f"^frechet_gaussians: expected {name} of finite numbers"):
        metrics.frechet_gaussians(**moments | {name: moments[name] * np.nan})
    with pytest.raises(ValueError, match=f"^frechet_gaussians: expected (cov1|{name}) "):
        metrics.frechet_gaussians(**moments | {name: np.ones((3,) * moments[name].ndim)})


def test_a_tiny_set_is_enlarged_by_the_largest_of_all_sets():
    """Squares of 1e-25 are 0 in float32; one common factor keeps the sets' proportion, and a set near 1 stays."""
    tiny, less, usual = (np.full((3, 2), value) for value in (1e-25, 1e-30, 0.5))
    one, two = reading.enlarged(tiny, less)
    assert 0.5 <= one.max() < 2 and np.allclose(two / one, 1e-5, rtol=1e-12)
    assert all(a is b for a, b in zip(reading.enlarged(tiny, usual), (tiny, usual)))


def test_a_masked_array_is_refused_by_name():
    masked = np.ma.masked_array(np.ones((20, 2)), mask=np.eye(20, 2, dtype=bool))
    with pytest.raises(ValueError, match=r"^precision_recall: expected \w+ without a mask"):
        metrics.precision_recall(np.ones((20, 2)), masked)
