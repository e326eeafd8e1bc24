"""Smoothed, soft and flipped labels of D, and the loss for them."""

from dataclasses import replace

import numpy as np
import pytest
from game_cases import narrow

from numgan.checking.loss import check_loss
from numgan.checking.system import SystemPoint
from numgan.core.errors import GradientError
from numgan.core.randomness import stream
from numgan.losses import Labelled, nonsaturating, smoothed
from numgan.remedies.noise import SOFT, drawn_labels


def test_a_share_of_labels_is_exchanged():
    n, rng = 20000, np.random.default_rng(1)
    for real in (True, False):
        t = drawn_labels(real, (n, 1), rng, smooth=0.9, flip=0.2)
        assert set(np.unique(t)) == {np.float32(0), np.float32(0.9)}
        assert abs((t == (0 if real else np.float32(0.9))).mean() - 0.2) < 5 * np.sqrt(0.16 / n)
        assert (drawn_labels(real, (7, 1), rng) == real).all() and drawn_labels(
            real, (7, 1), rng, dtype=np.float64
        ).dtype == np.float64


def test_soft_labels_lie_where_the_list_says():
    rng = np.random.default_rng(1)
    assert SOFT == ((0.0, 0.3), (0.7, 1.2))
    for real, (low, high) in zip((False, True), SOFT):
        t = drawn_labels(real, (20000,), rng, soft=True, smooth=0.5)
        assert (
            low <= t.min() < low + 0.01
            and high - 0.01 < t.max() <= np.float32(high)
            and abs(t.mean() - (low + high) / 2) < 0.01
        )
    mixed = drawn_labels(True, (20000,), rng, soft=True, flip=0.25)
    assert abs((mixed <= 0.3).mean() - 0.25) < 0.02 and not ((mixed > 0.3) & (mixed < 0.7)).any()


@pytest.mark.parametrize(
    "words",
    [
        {"flip": 1.5},
        {"flip": np.nan},
        {"flip": -0.1},
        {"flip": "a"},
        {"smooth": np.nan},
        {"smooth": 5},
        {"smooth": None},
    ],
)
def test_labels_and_shares_are_numbers_up_to_one(words):
    with pytest.raises(
        ValueError, match="drawn_labels: expected smooth and flip as numbers from 0 to 1, got"
    ):
        drawn_labels(True, (3, 1), stream(0), **words)


def test_labelled_is_the_cross_entropy():
    y, t = np.random.default_rng(0).standard_normal((2, 5, 1))
    p = 1 / (1 + np.exp(-y))
    assert np.isclose(Labelled(nonsaturating)(y, t)[0], -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())
    ones, fake = np.ones_like(y), y[:3] - 1
    total, dreal, dfake = nonsaturating.discriminator(y, fake)
    (one, d1), (two, d2) = Labelled(nonsaturating)(y, ones), Labelled(nonsaturating)(fake, 0 * fake)
    assert np.isclose(one + two, total) and np.allclose(d1, dreal) and np.allclose(d2, dfake)
    smooth = smoothed(nonsaturating, 0.8).discriminator(y, fake)
    one, d1 = Labelled(nonsaturating)(y, 0.8 * ones)
    assert np.isclose(one + two, smooth[0]) and np.allclose(d1, smooth[1])
    with pytest.raises(ValueError, match=r"expected labels of shape \(5, 1\), got \(5,\)"):
        Labelled(nonsaturating)(y, t[:, 0])


def test_the_smoothed_loss_of_d_is_the_smoothed_loss():
    """One-sided: the fakes' labels stay 0.

    The same network, once with smooth labels, once with the smoothed loss.
    """
    one, two = (
        narrow(smooth=0.8, noise=0.0),
        replace(narrow(smooth=1.0, noise=0.0), loss=smoothed(nonsaturating, 0.8)),
    )
    a, b = (SystemPoint(system).run("D") for system in (one, two))
    assert np.isclose(a.loss, b.loss, rtol=1e-12) and np.allclose(
        a.gradients["D"].vector, b.gradients["D"].vector, rtol=1e-9
    )


def test_every_curve_of_labelled_is_checked():
    for side in ("on_real", "on_fake"):
        for part in ("d", "dd"):
            curve = getattr(nonsaturating, side)
            bad = replace(curve, **{part: lambda x, f=getattr(curve, part): 1.001 * f(x)})
            with pytest.raises(GradientError):
                check_loss(Labelled(replace(nonsaturating, **{side: bad})))
