"""Noise on inputs and labels, and the pool of old fakes: values by their formulas, refusals word for word."""

import numpy as np
import pytest

from numgan.remedies.noise import SOFT, drawn_labels, noisy
from numgan.remedies.replay import Pool

rng = np.random.default_rng


def said(kind, call, *arguments, **words):
    """The message of the error that the call raises."""
    with pytest.raises(kind) as caught:
        call(*arguments, **words)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_on_inputs_by_its_formula(dtype):
    x = np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 2, 2)
    y = noisy(x, 0.5, rng(3))
    assert y.dtype == dtype and np.array_equal(y, x + (0.5 * rng(3).standard_normal(x.shape)).astype(dtype))
    assert noisy(x, 0, rng(3)) is x and noisy(x, np.float64(0.5), rng(3)).dtype == dtype


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize(
    "words", [{}, {"smooth": 0.9}, {"soft": True}, {"flip": 0.3, "smooth": 0.8}, {"flip": 1}]
)
def test_labels_by_their_formula(real, words):
    t = drawn_labels(real, (50, 1), rng(1), **words)
    draws = rng(1)
    flipped = draws.random((50, 1)) < words.get("flip", 0)
    share = draws.random((50, 1))
    smooth = words.get("smooth", 1.0)
    fake_range, real_range = SOFT if words.get("soft") else ((0, 0), (smooth, smooth))
    ends = np.where((flipped != real)[..., None], real_range, fake_range)
    assert np.allclose(t, ends[..., 0] + (ends[..., 1] - ends[..., 0]) * share) and t.dtype == np.float32
    assert drawn_labels(real, (2,), rng(0), dtype=np.float64).dtype == np.float64


def test_the_ranges_of_soft_labels():
    assert SOFT == ((0.0, 0.3), (0.7, 1.2))
    low, high = (drawn_labels(real, (2000,), rng(0), soft=True) for real in (False, True))
    assert 0 <= low.min() < 0.01 and 0.29 < low.max() <= 0.3
    assert 0.7 <= high.min() < 0.71 and 1.19 < high.max() <= 1.2


def test_every_refusal_is_said_word_for_word():
    x = np.zeros((2, 3))
    for std in (-1, np.nan, np.inf, "a", None):
        assert said(ValueError, noisy, x, std, rng(0)) == (
            f"noisy std: expected a finite number of at least 0, got {std!r}"
        )
    assert said(TypeError, noisy, x.astype(int), 0.1, rng(0)) == (
        "noisy: expected x as one float array (N, ...), got int64; convert it with np.asarray(x, np.float32)"
    )
    for empty in (x[:0], np.zeros(())):
        assert said(ValueError, noisy, empty, 0.1, rng(0)) == (
            f"noisy: expected x (N, ...) with at least one sample, got {empty.shape}; draw a batch"
        )
    for name, call in (("noisy", lambda: noisy(x, 0.0, 5)), ("drawn_labels", lambda: drawn_labels(1, 2, 5))):
        assert said(ValueError, call) == (
            f"{name}: expected rng as a numpy Generator, got 5; make one with np.random.default_rng(seed)"
        )
    for smooth, flip in (
        (-0.1, 0.0),
        (1.1, 0.0),
        (1.0, -0.1),
        (1.0, 1.1),
        ("a", 0.0),
        (1.0, None),
        (np.nan, 0),
    ):
        assert said(ValueError, drawn_labels, True, (2,), rng(0), smooth=smooth, flip=flip) == (
            f"drawn_labels: expected smooth and flip as numbers from 0 to 1, got {smooth!r} and {flip!r}; "
            "smooth is a label, and flip a probability"
        )
    for smooth, flip in ((0, 0), (1, 1), (0.5, 0.5)):
        assert drawn_labels(True, (2,), rng(0), smooth=smooth, flip=flip).shape == (2,)


# ---- the pool


def test_a_pool_is_made_of_a_size_and_a_share():
    for size in (0, -1, 2.0, True, None):
        assert said(ValueError, Pool, size) == f"Pool size: expected an integer of at least 1, got {size!r}"
    for share in (-0.1, 1.1, np.nan, "a", None, True):
        assert said(ValueError, Pool, 3, share) == f"Pool: expected a share from 0 to 1, got {share!r}"
    assert (Pool(1, 0).share, Pool(1, 1).share, Pool(1).share) == (0, 1, 0.5)


def test_an_empty_pool_has_places_for_its_rows():
    held = Pool(4).empty(x=((2, 3), np.float32), labels=((), np.int64))
    assert list(held) == ["pool.count", "pool.x", "pool.labels"]
    assert held["pool.count"].tolist() == [0] and held["pool.count"].dtype == np.int64
    assert held["pool.x"].shape == (4, 2, 3) and held["pool.x"].dtype == np.float32
    assert held["pool.labels"].shape == (4,) and held["pool.labels"].dtype == np.int64
    assert not held["pool.x"].any() and Pool(4).empty().keys() == {"pool.count"}


def test_a_pool_is_filled_first_and_then_exchanged():
    pool = Pool(3, 1.0)
    held = pool.empty(x=((1,), np.float64))
    first = {"x": np.array([[1.0], [2.0]])}
    mixed, one = pool.mix(held, first, rng(0))
    assert np.array_equal(mixed["x"], first["x"]) and mixed["x"] is not first["x"]
    assert one["pool.count"].tolist() == [2] and one["pool.x"].ravel().tolist() == [1, 2, 0]
    assert held["pool.count"].tolist() == [0] and not held["pool.x"].any()
    second = {"x": np.array([[3.0], [4.0], [5.0], [6.0]])}
    mixed, two = pool.mix(one, second, rng(0))
    assert sorted(mixed["x"].ravel()[:2]) == [1, 2] and mixed["x"].ravel()[2:].tolist() == [5, 6]
    assert two["pool.count"].tolist() == [3] and sorted(two["pool.x"].ravel()) == [3, 4, 5]
    assert one["pool.x"].ravel().tolist() == [1, 2, 0]
    third = {"x": np.array([[7.0], [8.0]])}
    mixed, three = pool.mix(two, third, rng(1))
    kept = set(two["pool.x"].ravel())
    assert set(mixed["x"].ravel()) < kept and len(set(mixed["x"].ravel())) == 2
    assert set(three["pool.x"].ravel()) == (kept - set(mixed["x"].ravel())) | {7, 8}
    never = Pool(3, 0.0)
    mixed, four = never.mix(two, third, rng(1))
    assert np.array_equal(mixed["x"], third["x"]) and np.array_equal(four["pool.x"], two["pool.x"])


def test_rows_of_a_pool_stay_together():
    pool = Pool(8, 0.5)
    held = pool.empty(x=((2,), np.float32), labels=((), np.int64))
    for turn in range(6):
        numbers = np.arange(5 * turn, 5 * turn + 5)
        fresh = {"x": np.float32(numbers[:, None] * [1, 10]), "labels": numbers}
        mixed, held = pool.mix(held, fresh, rng(turn))
        for rows, labels in ((mixed["x"], mixed["labels"]), (held["pool.x"], held["pool.labels"])):
            assert np.array_equal(rows, labels[:, None] * [1, 10]) and rows.dtype == np.float32
        assert mixed["labels"].shape == (5,) and len(set(mixed["labels"])) == 5
    assert held["pool.count"].tolist() == [8] and len(set(held["pool.labels"])) == 8


def test_what_a_pool_cannot_mix_is_refused_word_for_word():
    pool = Pool(3)
    held = pool.empty(x=((2,), np.float32))
    for fresh in ({}, {"x": np.zeros((2, 2)), "y": np.zeros(3)}, {"x": np.zeros(())}):
        shapes = {name: rows.shape for name, rows in fresh.items()}
        assert said(ValueError, pool.mix, held, fresh, rng(0)) == (
            "Pool.mix: expected fresh as arrays with one row for each sample, as many in each, "
            f"got {shapes or 'none'}"
        )
    fresh = {"x": np.zeros((2, 2), np.float32)}
    for wrong in ({}, Pool(4).empty(x=((2,), np.float32)), pool.empty(x=((3,), np.float32)), pool.empty()):
        got = {name: array.shape for name, array in wrong.items()}
        assert said(ValueError, pool.mix, wrong, fresh, rng(0)) == (
            "Pool.mix: expected held with {'pool.count': (1,), 'pool.x': (3, 2)} for these samples, "
            f"got {got}; make it with {pool!r}.empty(...)"
        )
    assert pool.mix(held | {"other": np.zeros(9)}, fresh, rng(0))[1].keys() == held.keys()
