"""Distances between two sets of rows: exact where they can be, far from 0 too, and in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from metric_cases import distances, normal

from numgan import metrics
from numgan.core.randomness import stream
from numgan.metrics import rows as reading


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


def test_a_tiny_set_is_enlarged_by_the_largest_of_all_sets():
    """Squares of 1e-25 are 0 in float32. A common factor keeps the proportion; a set near 1 stays."""
    tiny, less, usual = (np.full((3, 2), value) for value in (1e-25, 1e-30, 0.5))
    one, two = reading.enlarged(tiny, less)
    assert 0.5 <= one.max() < 2 and np.allclose(two / one, 1e-5, rtol=1e-12)
    assert all(a is b for a, b in zip(reading.enlarged(tiny, usual), (tiny, usual)))
