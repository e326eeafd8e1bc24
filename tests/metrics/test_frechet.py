"""Frechet distance, Inception score, KID and MMD: closed forms and double loops."""

import math

import numpy as np
import pytest
from metric_cases import normal

from numgan import metrics


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


def test_an_empty_bin_and_a_sure_prediction_count_as_zero():
    assert metrics.inception_score([[1.0, 0.0], [0.0, 1.0]]) == (pytest.approx(2), 0)
    assert metrics.label_coverage([0, 0, 3], 4)[:3] == (
        2,
        4,
        pytest.approx(2 / 3 * math.log(8 / 3) + 1 / 3 * math.log(4 / 3)),
    )
    assert metrics.label_coverage([0, 0, 3], 4).counts.tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("name", ["mean1", "cov1", "mean2", "cov2"])
def test_a_moment_that_is_not_finite_is_named(name):
    moments = {"mean1": np.zeros(2), "cov1": np.eye(2), "mean2": np.ones(2), "cov2": np.eye(2)}
    assert metrics.frechet_gaussians(**moments) == pytest.approx(2)
    with pytest.raises(ValueError, match=f"^frechet_gaussians: expected {name} of finite numbers"):
        metrics.frechet_gaussians(**moments | {name: moments[name] * np.nan})
    with pytest.raises(ValueError, match=f"^frechet_gaussians: expected (cov1|{name}) "):
        metrics.frechet_gaussians(**moments | {name: np.ones((3,) * moments[name].ndim)})
