"""check_loss of losses as people write them: functions loss(y, target) -> (value, dy), right and wrong."""

import numpy as np
import pytest

from numgan import check_loss
from numgan.core.errors import GradientError

LABELS, KEPT = np.array([0, 3, 1, 4, 2]), [0.0]


def softmax(y):
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(y, labels, divisor=5):
    value = -np.log(softmax(y)[np.arange(5), labels]).mean()
    return value, (softmax(y) - np.eye(5)[labels]) / divisor


def square(y, t):
    return np.mean((y - t) ** 2), 2 * (y - t) / y.size


def cosine(y, t):
    norm = np.sqrt((y * y).sum())
    return -(y * t).sum() / norm, -t / norm + (y * t).sum() * y / norm**3


def written(y, t):
    y -= t
    return np.mean(y**2), 2 * y / y.size


def noisy(y, t):
    return np.mean((y - t) ** 2) * np.random.random(), 2 * (y - t) / y.size


def kept(y, t):
    KEPT[0] = 0.9 * KEPT[0] + y.mean()
    return np.mean((y - t) ** 2) + KEPT[0], 2 * (y - t) / y.size


def rounded(y, t):
    return float(np.mean((y - t).astype(np.float32) ** 2)), 2 * (y - t) / y.size


@pytest.mark.parametrize(
    "loss, target",
    [
        (square, None),
        (lambda y, t: tuple(1e6 * part for part in square(y, t)), None),
        (lambda y, t: list(1e-6 * part for part in square(y, t)), None),
        (lambda y, t: (np.abs(y - t).mean(), np.sign(y - t) / y.size), None),
        (lambda y, t: (np.maximum(0, 1 - y * t).mean(), -t * (y * t < 1) / y.size), None),
        (lambda y, t: (np.logaddexp(y - t, t - y).mean(), np.tanh(y - t) / y.size), None),
        (cosine, None),
        (cross_entropy, LABELS),
        (lambda y, t: (0.0, 0 * y), None),
    ],
)
def test_right_losses_pass(loss, target):
    for seed in range(3):
        assert check_loss(loss, target, seed=seed).max_error <= 1e-6


@pytest.mark.parametrize(
    "loss, target, words",
    [
        (lambda y, t: (square(y, t)[0], 2 * (y - t)), None, r"(?s)^loss: .*analytic = 15 x numeric"),
        (lambda y, t: cross_entropy(y, t, 1), LABELS, "5 x numeric, the batch size: a sum"),
        (lambda y, t: (np.maximum(0, 1 - y * t).mean(), -t / y.size), None, "is wrong in"),
        (lambda y, t: square(y, t)[0], None, r"loss must return \(value, dy\), .* got a value"),
        (lambda y, t: (square(y, t)[0], square(y, t)[1].T), None, r"shape \(5, 3\), got \(3, 5\)"),
        (lambda y, t: ((y - t) ** 2, 2 * (y - t)), None, r"must return \(value, dy\), a number"),
        (written, None, "written writes to its argument"),
        (noisy, None, "noisy gives two results for equal arguments"),
        (kept, None, "kept gives two results for equal arguments"),
        (rounded, None, "as if it computed in float32"),
    ],
)
def test_wrong_losses_fail_and_the_cause_is_named(loss, target, words):
    with pytest.raises(GradientError, match=words):
        check_loss(loss, target)
