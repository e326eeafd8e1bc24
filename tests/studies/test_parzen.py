"""The study of the Parzen window: anchors, figures, a quick trial; on the package's digits, enlarged."""

import json

import numpy as np
import pytest

from numgan import plot
from numgan.core.fields import for_json
from numgan.core.randomness import stream
from numgan.data.pixels import to_bytes
from numgan.studies import STUDIES, parzen


@pytest.fixture(scope="module")
def digits():
    return parzen.Digits.load(quick=True)


def test_systems_never_see_the_rows_that_choose_sigma(digits):
    amounts = digits.amounts
    assert (
        len(digits.x) == amounts.rows == len(digits.dataset) and len(digits.validation) == amounts.validation
    )
    learned = {row.tobytes() for row in digits.x}
    assert not any(row.tobytes() in learned for row in (*digits.validation, *digits.test))
    assert parzen.Amounts() == (50_000, 1000, 10_000, 50_000)  # of MNIST, as in 2014


def test_true_pictures_are_rows_with_their_labels(digits):
    x, labels = parzen.real(digits, stream(0, "anchor"))
    rows = {row.tobytes(): label for row, label in zip(parzen.unit(digits.x), digits.labels, strict=True)}
    assert len(x) == digits.amounts.neighbours and all(
        rows[row.tobytes()] == label for row, label in zip(x, labels, strict=True)
    )


def test_centroids_are_the_means_of_their_rows(digits, monkeypatch):
    """Lloyd's rounds, each written out: the rows of a centroid are those that it is nearest to."""
    monkeypatch.setattr(parzen, "ROUNDS", 2)
    x = parzen.unit(digits.x)
    expected = x[stream(0, "anchor").choice(len(x), digits.amounts.window, replace=False)]
    for _ in range(2):
        nearest = np.array([np.square(row - expected).sum(axis=1).argmin() for row in x])
        expected = np.stack(
            [
                x[nearest == k].mean(axis=0) if (nearest == k).any() else expected[k]
                for k in range(len(expected))
            ]
        )
    found, labels = parzen.centroids(digits, stream(0, "anchor"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert labels is None


def test_gaussians_have_the_moments_of_their_rows():
    rng = np.random.default_rng(0)
    x = (0.5 + 0.05 * rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6))).astype(np.float32)
    found = parzen._gaussian(x, 20_000, 6, rng)
    np.testing.assert_allclose(found.mean(axis=0), x.mean(axis=0), atol=5e-3)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.cov(x, rowvar=False), atol=2e-3)
    line = parzen._gaussian(x, 50, 1, rng)  # one component: a line through the mean
    assert np.linalg.svd(line - line.mean(axis=0), compute_uv=False)[1] < 1e-4


def test_a_gaussian_of_each_class_bears_its_label(digits):
    x, labels = parzen.gaussians(digits, stream(0, "anchor"))
    assert x.min() >= 0 and x.max() <= 1 and len(x) == len(labels) == digits.amounts.neighbours
    for label in range(10):
        mean = parzen.unit(digits.x[digits.labels == label]).mean(axis=0)
        assert np.abs(x[labels == label].mean(axis=0) - mean).mean() < 0.1


@pytest.mark.parametrize("arm", ["real", "gaussians", "gaussian", "centroids", "gan", "r3gan"])
def test_a_quick_trial(arm, tmp_path):
    found = parzen.trial(arm, 0, True, tmp_path, lambda share: None)
    asked = arm in ("real", "gaussians", "r3gan")
    assert (
        np.isfinite(found["ll"])
        and 0.1 <= found["sigma"] <= 1
        and 0 <= found["neighbours"] <= 1
        and 1 <= found["score"] <= 10
    )
    assert (found["agreement"] is not None) == asked and ("steps" in found) == (arm not in parzen.ANCHORS)
    shown = np.load(tmp_path / "samples.npy")
    assert shown.shape == (10 * parzen.SHOWN, 28, 28, 1) and shown.dtype == np.uint8
    json.dumps({key: for_json(value) for key, value in found.items()})


def test_true_pictures_teach_and_noise_does_not(digits, tmp_path):
    judge = parzen._quick_judge(digits, tmp_path)
    x, labels = parzen.real(digits, stream(0, "anchor"))
    noise = stream(0, "noise").random(x.shape, np.float32)
    real, _ = parzen.measure(digits, judge, x, labels)
    none, _ = parzen.measure(digits, judge, noise, labels)
    assert real["neighbours"] < 0.3 < 0.7 < none["neighbours"] and real["ll"] > none["ll"] + 100


def test_some_of_each_class_are_shown():
    x = np.linspace(0, 1, 7, dtype=np.float32)[:, None].repeat(784, axis=1)
    shown = parzen.some_of_each(x, np.array([3, 0, 3, 3, 0, 9, 3]))
    levels = to_bytes(x[:, 0], (0, 1))
    assert shown[:, 0, 0, 0].tolist() == [
        levels[1],
        levels[4],
        *[plot.PAPER] * 4,
        levels[0],
        levels[2],
        *[plot.PAPER] * 10,
        levels[5],
        plot.PAPER,
    ]


def test_every_row_of_the_table_has_a_system_or_an_anchor():
    assert STUDIES["parzen"].arms.keys() == parzen.ARMS.keys()
    assert {arm for arm, of in parzen.ARMS.items() if of.preset is None} == parzen.ANCHORS.keys()
