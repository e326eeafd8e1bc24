"""The arguments of the metrics: what is refused, on both sides of every limit, and in which words."""

from inspect import getmembers, isfunction

import numpy as np
import pytest
from metric_cases import normal

from numgan import metrics

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
    public = [name for name, _ in getmembers(metrics, isfunction)]
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


def test_a_masked_array_is_refused_by_name():
    masked = np.ma.masked_array(np.ones((20, 2)), mask=np.eye(20, 2, dtype=bool))
    with pytest.raises(ValueError, match=r"^precision_recall: expected \w+ without a mask"):
        metrics.precision_recall(np.ones((20, 2)), masked)
