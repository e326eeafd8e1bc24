"""Modes: figures of known mixtures and known generators."""

import math

import numpy as np
import pytest

from numgan import data, metrics
from numgan.core.randomness import stream


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
