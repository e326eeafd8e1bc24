"""Lazy penalties: when they are due, how strong, what they cost when not due, and planted bugs."""

import numpy as np
import pytest

from numgan import R1, Lazy, Roth
from numgan.layers import Pass, Tanh
from numgan.networks import mlp


def lazily(kind):
    """At steps 0, 3, 6 thrice the penalty, else nothing.

    Over three steps in a row, the sum of three penalties.
    """
    D = mlp(3, 5, 1, activation=Tanh)
    p, x = D.init(0, np.float64), np.random.default_rng(1).standard_normal((4, 3))
    value, gradient = R1()(D, p, x)
    steps = [kind(R1(), 3)(step, D, p, x) for step in range(8)]
    assert [number > 0 for number, _ in steps] == [True, False, False, True, False, False, True, False]
    assert [kind(R1(), 3).is_due(step) for step in range(8)] == [number > 0 for number, _ in steps]
    for number, dphi in steps:
        assert number in (0.0, 3 * value) and np.array_equal(
            dphi.vector, (3 * gradient.vector) * (number > 0)
        )
    for first in range(5):
        assert np.isclose(sum(number for number, _ in steps[first : first + 3]), 3 * value)
        assert np.allclose(sum(dphi.vector for _, dphi in steps[first : first + 3]), 3 * gradient.vector)


def test_lazily():
    lazily(Lazy)
    D = mlp(3, 5, 1, activation=Tanh)
    p, real, fake = (
        D.init(0),
        *(np.random.default_rng(1).standard_normal((n, 3)).astype(np.float32) for n in (4, 3)),
    )
    assert (
        Lazy(Roth(), 2)(np.int64(2), D, p, real, fake, fake_context=Pass())[0]
        == 2 * Roth()(D, p, real, fake)[0]
    )
    assert Lazy(R1(), 1)(7, D, p, real)[0] == R1()(D, p, real)[0]
    idle = Lazy(R1())(1, D, p, real)
    assert (
        idle[0] == 0
        and idle[1].dtype == np.float32
        and (R1()(D, p, real)[1] + idle[1]) == R1()(D, p, real)[1]
    )


def test_what_is_refused():
    D = mlp(3, 5, 1)
    p = D.init(0)
    for every in (0, 2.0, True):
        with pytest.raises(ValueError, match="Lazy every: expected an integer of at least 1"):
            Lazy(R1(), every)
    with pytest.raises(TypeError, match="Lazy: expected penalty as a penalty such as R1"):
        Lazy(10.0)
    for step in (-1, 1.5, None, False):
        with pytest.raises(
            ValueError,
            match="Lazy: expected step as an integer of at least 0, the number of updates made, got",
        ):
            Lazy(R1())(step, D, p, np.zeros((2, 3)))


def test_numpy_numbers_make_no_float64():
    D = mlp(3, 5, 1, activation=Tanh)
    p, x = D.init(0), np.ones((2, 3), np.float32)
    given, plain = Lazy(R1(np.float64(2.0)), np.int64(4)), Lazy(R1(2.0), 4)
    value, dphi = given(0, D, p, x)
    assert repr(given) == repr(plain) and dphi.dtype == np.float32 and (value, dphi) == plain(0, D, p, x)


class Unscaled(Lazy):
    """Every k steps, not k times as strong"""

    def __call__(self, step, *at):
        value, dphi = super().__call__(step, *at)
        return value / self.every, dphi.like(dphi.vector / self.every)


class ValueScaled(Lazy):
    """k times in the value only"""

    def __call__(self, step, *at):
        value, dphi = super().__call__(step, *at)
        return value, dphi.like(dphi.vector / self.every)


class OffByOne(Lazy):
    """Due at step 1, k + 1, ... and not at 0"""

    def __call__(self, step, *at):
        return super().__call__(step + self.every - 1, *at)


class Always(Lazy):
    """k times as strong at every step"""

    def __call__(self, step, *at):
        return super().__call__(step * self.every, *at)


@pytest.mark.parametrize("bug", [Unscaled, ValueScaled, OffByOne, Always], ids=lambda bug: bug.__doc__)
def test_a_planted_bug_is_caught(bug):
    with pytest.raises(AssertionError):
        lazily(bug)
