"""Lazy penalties: when they are due, how strong, and what they cost when not due."""

import numpy as np
import pytest
from bugzoo.remedies import lazily

from numgan import R1, Lazy, Roth
from numgan.layers import Pass, Tanh
from numgan.networks import mlp


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
