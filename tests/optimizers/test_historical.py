"""Historical averaging: by hand, around any rule, in unrolling, and its adjoint."""

import numpy as np
import pytest

import numgan as ng
from numgan.checking.optimizer import check_optimizer
from numgan.losses import nonsaturating
from numgan.optimizers import SGD, Adam, Historical
from numgan.remedies.unrolling import Unrolling

SLOPES = [0.5, -1.5, 2.0, 0.25, -0.75]


def test_historical_averaging_by_hand():
    p, past, path = 0.7, [], []
    for g in SLOPES:
        pull = 2 * 0.3 * (p - np.mean(past)) if past else 0.0
        past.append(p)
        p -= 0.1 * (g + pull)
        path.append(p)
    q, optimizer, found = np.array([0.7]), Historical(SGD(0.1), 0.3), []
    state = optimizer.start(q)
    for g in SLOPES:
        optimizer.update(q, np.array([g]), state)
        found.append(q[0])
    assert (
        np.allclose(found, path, rtol=1e-14)
        and np.isclose(state["past"][0], np.mean(past))
        and state["step"] == 5
    )


def test_historical_wraps_any_rule_and_keeps_its_constants():
    plain, wrapped = Adam(0.1, clip=0.5), Historical(Adam(0.1, clip=0.5), 0.0)
    p, q, g = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), np.cos(np.arange(9.0))
    plain.update(p, g, plain.start(p))
    wrapped.update(q, g, wrapped.start(q))
    assert np.array_equal(p, q) and np.abs(q).max() == 0.5
    other = Historical(Adam(0.1), 0.2).changed(lr=0.3, weight_decay=0.1)
    assert repr(other) == "Historical(rule=Adam(lr=0.3, weight_decay=0.1), weight=0.2)"
    for words in ((Historical(SGD(0.1), 0.1), 0.1), (SGD(0.1), -1.0), (SGD(0.1), float("nan"))):
        with pytest.raises(ValueError, match="Historical: expected a rule"):
            Historical(*words)
    with pytest.raises(TypeError):
        SGD(0.1).changed(speed=1)


def test_unrolling_goes_through_historical_averaging():
    D = ng.mlp(2, 4, 1, activation=ng.Tanh)
    rng = np.random.default_rng(0)
    phi, real, fake = D.init(0, np.float64), rng.standard_normal((5, 2)), rng.standard_normal((3, 2))
    optimizer, weights = Historical(SGD(0.2, momentum=0.5), 0.4), rng.standard_normal(D.layout.size)
    state = optimizer.start(phi.vector) | {"step": 2, "past": phi.vector + 0.3}
    ahead = Unrolling(D, nonsaturating, optimizer, 3, state)
    value = lambda vector: weights @ ahead.forward(phi.like(vector), real, fake)[0].vector
    dphi, _ = ahead.backward(phi.like(weights), ahead.forward(phi, real, fake)[1])
    direction = rng.standard_normal(D.layout.size)
    numeric = (value(phi.vector + 1e-5 * direction) - value(phi.vector - 1e-5 * direction)) / 2e-5
    assert np.isclose(dphi.vector @ direction, numeric, rtol=1e-7)


def test_the_adjoint_is_exact():
    check_optimizer(Historical(Adam(0.1), 0.3))
