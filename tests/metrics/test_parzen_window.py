"""The Parzen window: by the formula, by its protocol, and on real pictures."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from metric_cases import distances, normal

from numgan import metrics

REAL = os.environ.get("NUMGAN_DATA")


real_data = pytest.mark.skipif(
    not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ in it"
)


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
    """For samples of N(0, 1) the density tends to N(0, 1 + s^2): its mean log-likelihood is known."""
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
