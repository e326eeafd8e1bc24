"""Exact values of the metrics: types of numbers, defaults, sizes of blocks, limits and messages."""

import inspect
import math
import sys

import numpy as np
import pytest

from numgan import metrics
from numgan.core.randomness import stream
from numgan.metrics import rows

X = np.ones((9, 2))


def normal(name, *shape):
    return stream(11, name).standard_normal(shape)


def test_the_defaults_are_the_papers_figures():
    def defaults(metric):
        words = inspect.signature(metric).parameters.values()
        return {word.name: word.default for word in words if word.default is not word.empty}

    assert defaults(metrics.precision_recall) == {"k": 3} and defaults(metrics.density_coverage) == {"k": 5}
    assert defaults(metrics.ndb) == {"bins": 100, "seed": 0, "significance": 0.05}
    assert defaults(metrics.inception_score) == {"splits": 1}
    assert defaults(metrics.sliced_wasserstein) == {"directions": 512, "seed": 0}
    patches = {"patches": 128, "directions": 512, "seed": 0, "data_range": 1.0}
    assert defaults(metrics.laplacian_swd) == patches
    for metric in (metrics.psnr, metrics.ssim, metrics.ms_ssim):
        assert defaults(metric) == {"data_range": 1.0}
    assert defaults(metrics.parzen) == {"sigmas": tuple(np.logspace(-1, 0, 10))}


# ---- float32 and float64

IN_DOUBLE = {
    "frechet_distance": (),
    "kid": (),
    "mmd": (0.7,),
    "precision_recall": (),
    "density_coverage": (),
    "mode_coverage": (0.9,),
}


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_rows_of_float32_are_compared_in_float64(name):
    x, y = (100 + normal(word, 60, 3).astype(np.float32) for word in "xy")
    metric, rest = getattr(metrics, name), IN_DOUBLE[name]
    for one, two in ((x, y), (x.astype(np.float64), y), (x, y.astype(np.float64))):
        found = metric(one, two, *rest), metric(x.astype(np.float64), y.astype(np.float64), *rest)
        one_row = (np.hstack(figures if isinstance(figures, tuple) else [figures]) for figures in found)
        np.testing.assert_array_equal(*one_row)


@pytest.fixture
def compared(monkeypatch):
    """The types of the sets whose distances are computed."""
    seen, distances = [], rows.squared_distances

    def watched(x, y):
        seen.append((x.dtype.name, y.dtype.name))
        return distances(x, y)

    for module in ("rows", "parzen", "neighbours", "frechet"):  # metrics.parzen is a function
        monkeypatch.setattr(sys.modules[f"numgan.metrics.{module}"], "squared_distances", watched)
    return seen


SINGLE = {
    "parzen_log_likelihood": lambda x, y: metrics.parzen_log_likelihood(x, y, 0.5),
    "parzen": lambda x, y: metrics.parzen(x, y, y, [0.5]),
    "parzen, test": lambda x, y: metrics.parzen(x, x, y, [0.5]),
    "nearest": lambda x, y: metrics.nearest_neighbour_error(x, np.zeros(60, int), y, np.zeros(60, int)),
    "ndb": lambda x, y: metrics.ndb(x, y, 3),
}


@pytest.mark.parametrize("name", SINGLE)
def test_two_float32_sets_stay_float32_where_it_is_said(name, compared):
    x, y = (normal(word, 60, 3).astype(np.float32) for word in "xy")
    SINGLE[name](x, y)
    assert compared and set(compared) == {("float32", "float32")}
    compared.clear()
    SINGLE[name](x.astype(np.float64), y)
    assert "float64" in {word for pair in compared for word in pair}


def test_float32_numbers_whose_squares_are_too_large_become_float64():
    x = np.array([[0, 1e25], [0, -1e25], [3e25, 0]], np.float32)
    assert metrics.nearest_neighbour_error(x, [0, 1, 2], x * np.float32(1.01), [0, 1, 2]) == 0
    assert np.isfinite(metrics.parzen_log_likelihood(x, x, 1e15)).all()
    assert np.isfinite(metrics.sliced_wasserstein(x, 2 * x))


def test_the_sum_of_the_windows_is_a_float64():
    """Three equal samples: the log of their mean is the log of one, to the last digits."""
    x = np.zeros((3, 1), np.float32)
    expected = -math.log(math.sqrt(2 * math.pi))
    assert metrics.parzen_log_likelihood(x, x, 1.0) == pytest.approx([expected] * 3, abs=1e-14)
    assert metrics.parzen(x, x, x, [1.0])[:3] == pytest.approx((expected, 0, 1), abs=1e-14)


def test_sliced_distances_are_added_in_float64():
    a, b = (normal(word, 3001, 1).astype(np.float32) for word in "ab")
    exact = np.abs(np.sort(a, axis=0) - np.sort(b, axis=0)).mean(dtype=np.float64)
    assert metrics.sliced_wasserstein(a, b, directions=7) == pytest.approx(exact, rel=1e-13)


# ---- rows: blocks, distances, limits


def test_a_block_has_two_to_the_20_numbers():
    sizes = [(span.start, span.stop) for span in rows.spans(2**11 + 5, 2**10)]
    assert sizes == [(0, 1024), (1024, 2048), (2048, 2053)]
    assert len(list(rows.spans(2**20, 1))) == 1 and len(list(rows.spans(2**20 + 1, 1))) == 2
    assert [span.stop for span in rows.spans(3, 2**21)] == [1, 2, 3]


def test_distances_below_the_rounding_error_of_their_sum_are_zero():
    """The bound for one column is 5 roundings of |x|^2 + |y|^2; y is 1 or -1, so its middle is 0."""
    eps, y = np.finfo(np.float64).eps, np.array([[1.0], [-1.0]])
    for roundings, is_zero in ((8, True), (10, True), (11, False), (12, False)):
        x = 1 + np.full((7, 1), math.sqrt(roundings * eps))
        found = np.concatenate([d for _, d in rows.squared_distances(x, y)])
        assert ((found[:, 0] == 0) == is_zero).all() and np.allclose(found[:, 1], 4)


@pytest.mark.parametrize("places", [(1e8, -1e9), (-1e9, 1e8)])
def test_each_column_is_measured_from_its_own_middle(places):
    """A common middle would lose the differences, which are whole numbers, to rounding."""
    whole = stream(2, "whole").integers(0, 9, (30, 2)).astype(np.float64)
    found = np.concatenate([d for _, d in rows.squared_distances(whole + places, whole + places)])
    assert np.array_equal(found, ((whole[:, None] - whole) ** 2).sum(axis=-1))
    column = np.full((5, 1), 1e8 + 0.25)
    found = np.concatenate([d for _, d in rows.squared_distances(column + 0.5, column)])
    assert np.array_equal(found, np.full((5, 5), 0.25))


def test_a_set_is_enlarged_below_one_part_in_1e15_only():
    for top, enlarged in ((1.5e-15, False), (1.01e-15, False), (0.9e-15, True), (1e-30, True)):
        some, less = np.array([[0.0, top], [0.0, 0.0]]), np.zeros((2, 2))
        for sets in ((some, less), (less, some)):
            found = rows.enlarged(*sets)
            assert all(one is two for one, two in zip(found, sets)) != enlarged
            if enlarged:
                assert 0.5 <= max(one.max() for one in found) < 1


@pytest.mark.parametrize(
    "x, got",
    [
        ([[1, np.nan], [np.inf, 2], [3, 4]], "2 that are nan or inf"),
        ([[1, -1e60], [0, 2], [3, 4]], "larger ones, up to 1e.60"),
        ([[1, 1e50], [0, 2], [3, 4]], "larger ones, up to 1e.50"),
    ],
)
def test_the_message_counts_what_is_not_finite(x, got):
    with pytest.raises(
        ValueError, match=rf"^kid: expected real of finite numbers below 1e\+50 in size, got {got};"
    ):
        metrics.kid(x, X)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: metrics.label_coverage([-1, 0], 4), "labels from 0 and below 4, got -1 to 0"),
        (lambda: metrics.label_coverage([0, 9, 2], 4), "labels from 0 and below 4, got 0 to 9"),
        (
            lambda: metrics.nearest_neighbour_error(X, [-1, *[0] * 8], X, [0] * 9),
            "train_labels from 0 and below any bound, got -1 to 0",
        ),
        (
            lambda: metrics.label_coverage([[0, 1]], 4),
            r"labels \(N,\) of integers and not empty, got \(1, 2\)",
        ),
        (lambda: metrics.label_coverage([0], True), "classes a whole number of at least 1, got True"),
        (lambda: metrics.ndb(X, X, 1, significance=-0.5), "significance between 0 and 1, got -0.5"),
        (lambda: metrics.ndb(X, X, 1, significance=1.5), "significance between 0 and 1, got 1.5"),
        (lambda: metrics.ndb(X, X, 10), "bins a whole number from 1 to 9, got 10"),
        (lambda: metrics.ndb(X, np.ones((9, 3)), 1), "fake with the 2 columns of real, got 3"),
        (lambda: metrics.parzen(X, X, X, 0.5), r"sigmas \(S,\) and not empty, got 0.5"),
        (lambda: metrics.parzen(X, X, X, [[0.5]]), r"sigmas \(S,\) and not empty, got \[\[0.5\]\]"),
        (lambda: metrics.parzen(X, np.ones((9, 3)), X), "validation with the 2 columns of samples, got 3"),
        (lambda: metrics.parzen(X, X, np.ones((9, 3))), "test with the 2 columns of samples, got 3"),
        (
            lambda: metrics.nearest_neighbour_error(X, [0] * 9, np.ones((9, 3)), [0] * 9),
            "test with the 2 columns of train, got 3",
        ),
        (
            lambda: metrics.nearest_neighbour_error(X, [0] * 9, X[:8], [0] * 9),
            r"test_labels \(8,\), one for each sample, got \(9,\)",
        ),
        (
            lambda: metrics.psnr(np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1)), -1),
            "data_range a finite number",
        ),
        (
            lambda: metrics.psnr(np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1)), np.inf),
            "data_range a finite number",
        ),
        (
            lambda: metrics.laplacian_swd(np.ones((1, 32, 33, 1)), np.ones((1, 32, 33, 1))),
            "pictures whose sides can be halved 1 times, got 32 x 33",
        ),
    ],
)
def test_the_argument_and_its_value_are_named(call, words):
    with pytest.raises(ValueError, match=f"^[a-z_]+: expected {words}"):
        call()


def test_what_is_on_the_limit_is_taken():
    one = np.full((1, 1, 1, 1), 0.25)
    assert metrics.psnr(one, one)[0] == np.inf and metrics.psnr(one, one + 0.25)[0] == 20 * math.log10(4)
    assert metrics.parzen(X, X[:1], X[:2], [1.0]).standard_error == 0
    assert metrics.parzen_log_likelihood(X[:1], X[:1], 1)[0] == pytest.approx(-math.log(2 * math.pi))
    assert metrics.label_coverage(np.array([0, 3]), np.int64(4)).captured == 2
    assert metrics.mode_coverage(X[:1], X[:1], 1).captured == 1


# ---- modes, frechet, neighbours


def test_a_sample_at_three_standard_deviations_is_of_high_quality():
    found = metrics.mode_coverage([[3.0, 0], [0, -3], [3.001, 0], [10, 0]], [[0.0, 0], [10, 3]], 1.0)
    assert found.counts.tolist() == [2, 1] and found.high_quality == 0.75
    one_each = metrics.mode_coverage([[0.0, 0], [0, 0], [10, 0]], [[0.0, 0], [10, 0]], 1.0)
    assert one_each.relative_std[0] == 0 and np.isnan(one_each.relative_std[1])


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_frechet_distance_is_in_squared_units(unit):
    """Of singular covariances too: what counts as a rounding error is measured by the largest eigenvalue."""
    x = normal("x", 10, 200) * unit
    assert metrics.frechet_distance(x, x + unit) == pytest.approx(200 * unit**2, rel=1e-10)
    assert metrics.frechet_distance(x, x) <= 1e-10 * unit**2
    assert metrics.frechet_distance(x, 3 * x) == pytest.approx(
        4 * (x.mean(axis=0) ** 2).sum() + 4 * x.var(axis=0, ddof=1).sum(), rel=1e-9
    )


def test_every_different_row_becomes_a_bin_if_there_are_as_many_bins():
    """k-means++ takes each next centre from the rows that are far from the centres so far."""
    x = np.repeat(normal("x", 12, 2), 5, axis=0)
    for seed in range(3):
        found = metrics.ndb(x, x[:30], bins=12, seed=seed)
        np.testing.assert_allclose(found.real, 1 / 12)
        assert sorted(found.fake) == pytest.approx([0] * 6 + [1 / 6] * 6)
        assert found.bins == 12 and found.js == pytest.approx(0.75 * math.log(4 / 3), rel=1e-9)


def test_k_means_stops_after_fifty_rounds(compared):
    """Before them: a pass for each centre, and one for the first bins. After them: one for the fakes."""
    x = stream(1, "slow").random((8000, 1))
    metrics.ndb(x, x[:5], bins=12)
    assert len(compared) == 12 + 1 + 50 + 1
    compared.clear()
    metrics.ndb(x[:20], x[:5], bins=2)
    assert len(compared) < 2 + 1 + 20 + 1  # no row changes its bin


def test_bins_whose_shares_differ_are_counted():
    x, y = np.repeat([[0.0], [9.0]], [50, 50], axis=0), np.repeat([[0.0], [9.0]], [62, 38], axis=0)
    z = 0.12 / math.sqrt(0.56 * 0.44 * (1 / 100 + 1 / 100))  # two-sided tail 0.088
    tail = math.erfc(z / math.sqrt(2))
    assert 0.05 < tail < 0.1 and metrics.ndb(x, y, 2).different == 0
    assert metrics.ndb(x, y, 2, significance=0.1).different == 2


def test_each_set_of_labels_belongs_to_its_rows():
    train, test = np.array([[0.0], [1], [2], [3]]), np.array([[0.1], [2.9]])
    assert metrics.nearest_neighbour_error(train, [5, 6, 7, 8], test, [5, 8]) == 0
    assert metrics.nearest_neighbour_error(train, [5, 6, 7, 8], test, [8, 8]) == 0.5


# ---- pictures


def test_the_swd_of_small_pictures_is_that_of_their_normalised_patches():
    x, y = (stream(5, word).random((6, 16, 16, 2)).astype(np.float32) for word in "xy")
    places = stream(4, "laplacian_swd", 0).integers(0, 10, size=(6, 9, 2))

    def patches(pictures):
        cut = np.stack([pictures[n, r : r + 7, c : c + 7] for n in range(6) for r, c in places[n]])
        return ((cut - cut.mean(axis=(0, 1, 2))) / cut.std(axis=(0, 1, 2))).reshape(54, -1)

    found = metrics.laplacian_swd(x, y, patches=9, directions=33, seed=4)
    expected = metrics.sliced_wasserstein(patches(x), patches(y), 33, 4)
    assert list(found) == [16] and found[16] == pytest.approx(expected, rel=1e-5)
    assert found[16] != pytest.approx(metrics.sliced_wasserstein(patches(x), patches(y), 34, 4), rel=1e-4)
    assert found[16] != pytest.approx(metrics.sliced_wasserstein(patches(x), patches(y), 33, 5), rel=1e-4)
    large = metrics.laplacian_swd(100 * x, 100 * y, 9, 33, 4, data_range=100.0)
    assert large[16] == pytest.approx(found[16], rel=1e-4)


def test_directions_are_the_named_draw_on_the_unit_sphere():
    x, y = normal("x", 20, 4), normal("y", 20, 4)
    u = stream(3, "sliced_wasserstein").standard_normal((5, 4))
    u /= np.sqrt((u**2).sum(axis=1, keepdims=True))
    expected = np.abs(np.sort(u @ x.T, axis=1) - np.sort(u @ y.T, axis=1)).mean()
    assert metrics.sliced_wasserstein(x, y, 5, 3) == pytest.approx(expected, rel=1e-12)


def test_sets_without_rows_are_refused():
    x = normal("x", 20, 3)
    for real, fake, name in ((x[:0], x, "real"), (x, x[:0], "fake")):
        with pytest.raises(ValueError, match=f"ndb: expected {name} .* not empty, got .0, 3."):
            metrics.ndb(real, fake, 2)
