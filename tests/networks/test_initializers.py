"""Initial weights: their range, their variance, and the fans of every layer."""

from functools import partial

import numpy as np
import pytest

from numgan import layers
from numgan.layers.initializers import constant, fans, glorot, he, normal, orthogonal, uniform


def drawn(init, shape=(40, 50), fan_in=30, fan_out=70):
    return init(np.random.default_rng(0), shape, fan_in, fan_out)


def test_normal_and_constant():
    w = drawn(normal(0.5, mean=3.0), (200, 50))
    assert (
        w.shape == (200, 50)
        and abs(w.mean() - 3) < 0.02
        and abs(w.std() / 0.5 - 1) < 0.03
        and w.dtype == np.float64
    )
    assert (
        np.array_equal(drawn(constant(2)), np.full((40, 50), 2.0)) and drawn(constant(2)).dtype == np.float64
    )


@pytest.mark.parametrize("init, limit", [(uniform(0.3), 0.3), (glorot, np.sqrt(6 / 100))])
def test_uniform_ones_fill_the_range_around_zero(init, limit):
    w = drawn(init, (200, 50))
    assert (
        -limit <= w.min() < -0.99 * limit and 0.99 * limit < w.max() <= limit and abs(w.mean()) < 0.02 * limit
    )
    assert abs(w.std() / (limit / np.sqrt(3)) - 1) < 0.03


def test_he_keeps_the_variance_through_relu():
    w = drawn(he, (200, 50))
    assert abs(w.std() / np.sqrt(2 / 30) - 1) < 0.03 and abs(w.mean()) < 0.01
    assert np.isfinite(drawn(he, (0, 5), 0, 5)).all() and np.isfinite(drawn(glorot, (0, 0), 0, 0)).all()
    assert abs(drawn(he, (200, 50), fan_in=1).std() / np.sqrt(2) - 1) < 0.03


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (3, 2, 5, 4), (1, 2, 3, 9)])
def test_orthogonal_rows_or_columns(shape):
    w = drawn(orthogonal(0.5), shape).reshape(-1, shape[-1])
    small = w.T @ w if len(w) >= shape[-1] else w @ w.T
    assert np.allclose(small, 0.25 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_ones_prefer_no_sign():
    """QR alone leaves a diagonal of one sign: over all rotations the mean of every entry is zero."""
    draws = [orthogonal()(np.random.default_rng(seed), (3, 3), 3, 3) for seed in range(400)]
    assert np.abs(np.mean(draws, axis=0)).max() < 0.12 and np.allclose(
        np.var(draws, axis=0), 1 / 3, atol=0.07
    )


def test_fans():
    assert (
        fans((3, 5)) == (3, 5)
        and fans((2, 4, 3, 5)) == (24, 40)
        and fans((2, 4, 3, 5), transposed=True) == (40, 24)
    )


@pytest.mark.parametrize(
    "make, told",
    [
        (partial(layers.Dense, 30, 20), ((30, 20), 30, 20)),
        (partial(layers.Conv2d, 3, 4, kernel=(5, 2)), ((5, 2, 3, 4), 30, 40)),
        (partial(layers.ConvTranspose2d, 4, 3, kernel=(5, 2)), ((5, 2, 3, 4), 40, 30)),
        (partial(layers.Embedding, 5, 7), ((5, 7), 5, 7)),
        (partial(layers.MinibatchDiscrimination, 4, 3, 2), ((4, 6), 4, 6)),
        (partial(layers.BatchNorm, 6), ((6,), 1, 1)),
        (partial(layers.LayerNorm, 6), ((6,), 1, 1)),
        (partial(layers.VirtualBatchNorm, 6), ((6,), 1, 1)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_initialiser_is_told_how_many_inputs_feed_an_output_and_the_reverse(make, told):
    heard = []
    layer = make(init=lambda rng, *words: heard.append(words) or np.ones(words[0]))
    p = layer.init(0)
    assert heard == [told] and sum(np.all(p[name] == 1) for name in p) == 1
