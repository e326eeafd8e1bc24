"""The optimisers: recurrences written out for one number, their two forms bit for bit, and their adjoints."""

import math
import signal
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numgan import check_optimizer
from numgan.checking.cases import OPTIMIZERS
from numgan.core.errors import GradientError
from numgan.optimizers import SGD, Adam, Historical, RMSProp, moving_average
from numgan.optimizers.schedules import Cosine, Exponential, Linear, Warmup


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_adjoint_and_bits(optimizer, seed):
    assert check_optimizer(optimizer, seed=seed).max_error <= 1e-6
    assert check_optimizer(optimizer, seed=seed, slow=False, step=0).max_error <= 1e-6


def test_bits_that_differ_only_in_long_vectors_are_seen():
    """Threads share a vector of more than 100,000 entries. A shorter one would not show a wrong share."""

    class WrongShare(SGD):
        def step(self, p, g, state):
            p1, state1, cache = super().step(p, g, state)
            if p.size > 100_000:
                p1[-1] = np.nextafter(p1[-1], np.inf, dtype=p.dtype)
            return p1, state1, cache

    with pytest.raises(GradientError, match="update and step give different bits"):
        check_optimizer(WrongShare(0.1))


def _path(optimizer, gradients, p=0.7):
    """Weights after each of a few updates of one number."""
    p, path = np.array([p]), []
    state = optimizer.start(p)
    for g in gradients:
        optimizer.update(p, np.array([g]), state)
        path.append(p[0])
    return path


SLOPES = [0.5, -1.5, 2.0, 0.25, -0.75]


def test_plain_descent_and_momentum():
    assert np.allclose(_path(SGD(0.1), SLOPES), 0.7 - 0.1 * np.cumsum(SLOPES), rtol=1e-14)
    p, m, heavy, q, n, nesterov = 0.7, 0.0, [], 0.7, 0.0, []
    for g in SLOPES:
        m = 0.9 * m + g
        p = p - 0.1 * m
        heavy.append(p)
        n = 0.9 * n + g
        q = q - 0.1 * (g + 0.9 * n)
        nesterov.append(q)
    assert np.allclose(_path(SGD(0.1, momentum=0.9), SLOPES), heavy, rtol=1e-14)
    assert np.allclose(_path(SGD(0.1, momentum=0.9, nesterov=True), SLOPES), nesterov, rtol=1e-14)


def test_rmsprop():
    p, v, path = 0.7, 0.0, []
    for g in SLOPES:
        v = 0.9 * v + 0.1 * g * g
        p -= 0.05 * g / (math.sqrt(v) + 1e-8)
        path.append(p)
    assert np.allclose(_path(RMSProp(0.05, decay=0.9), SLOPES), path, rtol=1e-14)


def test_adam():
    p, m, v, path = 0.7, 0.0, 0.0, []
    for t, g in enumerate(SLOPES, 1):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        p -= 2e-4 * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        path.append(p)
    assert np.allclose(_path(Adam(), SLOPES), path, rtol=1e-14)
    assert np.isclose(
        _path(Adam(0.1), [1e-3])[0], 0.7 - 0.1, rtol=1e-4
    )  # the first step is lr, however small the gradient


def test_weight_decay_is_an_l2_penalty_on_the_gradient():
    p, path = 0.7, []
    for g in SLOPES:
        p -= 0.1 * (g + 0.3 * p)
        path.append(p)
    assert np.allclose(_path(SGD(0.1, weight_decay=0.3), SLOPES), path, rtol=1e-14)
    assert _path(Adam(0.1, weight_decay=0.3), [0.0])[0] < 0.65  # it passes through the moments


@pytest.mark.parametrize(
    "optimizer", [SGD(0.5, clip=0.01), RMSProp(0.5, clip=0.01), Adam(0.5, clip=0.01)], ids=repr
)
def test_clipping_comes_after_the_update(optimizer):
    p = np.linspace(-1, 1, 21)
    optimizer.update(p, np.where(p > 0, -1.0, 1.0), optimizer.start(p))
    assert np.abs(p).max() == 0.01


def test_schedules():
    line = Linear(1.0, 0.0, 10, wait=5)
    assert [line(k) for k in (0, 5, 10, 15, 99)] == [1, 1, 0.5, 0, 0]
    assert [Exponential(8.0, 0.5, 1.5)(k) for k in range(4)] == [8, 4, 2, 1.5]
    assert np.allclose([Cosine(2.0, 10, 1.0)(k) for k in (0, 5, 10, 20)], [2, 1.5, 1, 1])
    assert np.allclose([Warmup(Linear(1, 0, 10), 4)(k) for k in (0, 1, 3, 5)], [0.25, 0.45, 0.7, 0.5])
    p, q, path = 0.7, 0.0, []
    for k, g in enumerate(SLOPES):
        q = Linear(0.5, 0.7, 4)(k) * q + g
        p -= Linear(0.2, 0.1, 4)(k) * q
        path.append(p)
    assert np.allclose(
        _path(SGD(Linear(0.2, 0.1, 4), momentum=Linear(0.5, 0.7, 4)), SLOPES), path, rtol=1e-14
    )


@given(
    size=st.integers(0, 40),
    steps=st.integers(1, 4),
    kind=st.sampled_from([SGD(0.1, 0.9), RMSProp(0.1), Adam(0.1, clip=0.5, weight_decay=0.1)]),
)
@settings(max_examples=30, deadline=None)
def test_many_steps_are_many_updates(size, steps, kind):
    rng = np.random.default_rng(size)
    p, slopes = rng.standard_normal(size), rng.standard_normal((steps, size))
    q, pure, state = p.copy(), kind.start(p), kind.start(p)
    for g in slopes:
        kind.update(p, g, state)
        q, pure, _ = kind.step(q, g, pure)
    assert (
        np.array_equal(p, q)
        and all(np.array_equal(state[name], pure[name]) for name in state)
        and state["step"] == steps
    )


@pytest.mark.parametrize(
    "rule", [SGD(0.1), SGD(0.1, momentum=0.5), RMSProp(), Adam(), Historical(Adam(), 0.1)], ids=repr
)
def test_gradients_and_states_that_do_not_fit_change_nothing(rule):
    name, p, g = type(rule).__name__, np.ones(3), np.full(3, 0.5)
    state = rule.start(p)
    for wrong in (None, g[:2], g[:1], g[None]):
        with pytest.raises(ValueError, match=rf"{name}.update: expected g of shape \(3,\), got"):
            rule.update(p, wrong, state)
    without = {word: part for word, part in state.items() if word != "step"}
    for wrong in (None, [], {}, state | {"other": g}, without):
        with pytest.raises(
            ValueError, match=rf"{name}.update: expected a state with .*step.* with start\(p\)"
        ):
            rule.update(p, g, wrong)
    fresh = rule.start(np.ones(3))
    assert np.array_equal(p, np.ones(3)) and state.keys() == fresh.keys()
    assert all(np.array_equal(state[word], fresh[word]) for word in fresh)
    assert rule.update(p, g, state) and state["step"] == 1 and not np.array_equal(p, np.ones(3))


def test_a_chain_of_steps_is_differentiated_by_a_chain_of_adjoints():
    """Three updates unrolled, as in the unrolled GAN. The loss is the last weight; the slopes are data."""
    optimizer, p, slopes = Adam(0.1, beta1=0.9), np.array([0.7]), np.array([[0.5], [-1.5], [2.0]])

    def run(slopes):
        here, state, caches = p, optimizer.start(p), []
        for g in slopes:
            here, state, cache = optimizer.step(here, g, state)
            caches.append(cache)
        return here[0], caches

    _, caches = run(slopes)
    dp, dstate, gradient = np.ones(1), None, []
    for cache in reversed(caches):
        dp, dg, dstate = optimizer.adjoint(dp, dstate, cache)
        gradient.insert(0, dg[0])
    numeric = [(run(slopes + h)[0] - run(slopes - h)[0]) / 2e-6 for h in 1e-6 * np.eye(3)[:, :, None]]
    assert np.allclose(gradient, numeric, rtol=1e-6) and dp[0] == 1


def test_the_derivative_at_zero_moments_is_zero():
    for optimizer in (RMSProp(0.1), Adam(0.1)):
        p = np.ones(2)
        cache = optimizer.step(p, np.zeros(2), optimizer.start(p))[2]
        dp, dg, dstate = optimizer.adjoint(np.ones(2), None, cache)
        assert all(np.isfinite(d).all() for d in (dp, dg, *dstate.values())) and np.array_equal(
            dp, np.ones(2)
        )


def test_moving_average():
    average, p = np.zeros(1003), np.arange(1003.0)
    moving_average(average, p, 0.75)
    moving_average(average, 2 * p, 0.75)
    assert np.allclose(average, (0.25 * 0.75 + 0.5) * p, rtol=1e-14) and np.array_equal(p, np.arange(1003.0))
    for other in (p[1:], p[:1]):  # one number would be broadcast
        with pytest.raises(ValueError, match=r"moving_average: expected p of shape \(1003,\), got"):
            moving_average(average, other, 0.75)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(-1),
        lambda: SGD(0.1, momentum=1),
        lambda: SGD(0.1, nesterov=True),
        lambda: Adam(beta1=1.0),
        lambda: RMSProp(clip=0.0),
        lambda: Adam(weight_decay=-1.0),
        lambda: Adam("a"),
        lambda: Adam(eps=None),
        lambda: SGD(np.inf),
        lambda: RMSProp(decay="a"),
        lambda: SGD(0.1, clip="a"),
    ],
)
def test_a_wrong_constant_is_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.mark.parametrize(
    "kind, constants",
    [
        (partial(SGD, 0.1), {"momentum": (-0.1, 1.0, 1.5), "weight_decay": (-1.0,), "clip": (-1.0, 0.0)}),
        (SGD, {"lr": (-1.0,)}),
        (
            RMSProp,
            {
                "lr": (-1.0,),
                "decay": (-0.1, 1.0),
                "eps": (-1e-8,),
                "weight_decay": (-1.0,),
                "clip": (-1.0, 0.0),
            },
        ),
        (
            Adam,
            {
                "lr": (-1.0,),
                "beta1": (-0.1, 1.0),
                "beta2": (-0.1, 1.0),
                "eps": (-1e-8,),
                "weight_decay": (-1.0,),
                "clip": (-1.0, 0.0),
            },
        ),
        (partial(Historical, Adam()), {"weight": (-1.0,)}),
    ],
    ids=["SGD", "rate", "RMSProp", "Adam", "Historical"],
)
def test_every_constant_is_a_number_of_its_range(kind, constants):
    for name, values in constants.items():
        for value in (*values, np.nan, np.inf, "a", [1.0]):
            with pytest.raises(ValueError, match=f"expected .*{name}"):
                kind(**{name: value})


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.longdouble, np.array])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: SGD(n(0.25)),
        lambda n: SGD(n(0.25), momentum=n(0.5), weight_decay=n(0.125), clip=n(4.0)),
        lambda n: RMSProp(n(0.25), decay=n(0.75), eps=n(0.5)),
        lambda n: Adam(n(0.25), beta1=n(0.5), beta2=n(0.75), eps=n(0.5)),
        lambda n: Historical(Adam(0.25), n(0.5)),
        lambda n: SGD(Linear(n(0.25), n(0.5), 4)),
        lambda n: SGD(Exponential(n(0.5), n(0.75), n(0.125))),
        lambda n: SGD(Cosine(n(0.25), 4, n(0.125))),
        lambda n: SGD(Warmup(n(0.25), 4)),
        lambda n: SGD(lambda step: n(0.25)),
    ],
)
def test_numpy_numbers_are_plain_ones(make, kind):
    """A NumPy number would make float32 weights float64, and the repr in a checkpoint does not show it."""
    given, plain = make(kind), make(float)
    assert repr(given) == repr(plain) or "<lambda>" in repr(given)
    p, g = np.ones(3, np.float32), np.full(3, 0.5, np.float32)
    one, two = (optimizer.step(p, g, optimizer.start(p)) for optimizer in (given, plain))
    assert one[0].dtype == np.float32 and np.array_equal(one[0], two[0])
    dp, dg, dstate = given.adjoint(p, None, one[2])
    assert {dp.dtype, dg.dtype, *(d.dtype for d in dstate.values())} == {np.dtype(np.float32)}


def test_whole_numbers_stay_whole():
    assert repr(SGD(1)) == repr(SGD(np.int64(1))) == "SGD(lr=1)" and repr(
        Linear(np.int32(1), 0, np.int64(5))
    ) == repr(Linear(1, 0, 5))


@pytest.mark.parametrize(
    "make",
    [lambda: Linear(1, 0, 0), lambda: Cosine(1, "a"), lambda: Warmup(1, None), lambda: Linear(1, 0, np.nan)],
)
def test_a_schedule_has_steps(make):
    with pytest.raises(ValueError, match="^(Linear|Cosine|Warmup): expected steps of at least 1, got"):
        make()


@pytest.mark.parametrize("rule", [None, "SGD", SGD, 0.1])
def test_historical_is_given_an_optimiser(rule):
    with pytest.raises(ValueError, match="Historical: expected a rule such as Adam"):
        Historical(rule, 1)


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"expected g of shape \(3,\), got \(1,\)"):
        SGD(0.1).update(np.ones(3), np.ones(1), {"step": 0})


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_within_an_update_waits_for_its_end(times):
    """Weights, moments and the count of updates are all moved, or none; then the interrupt is raised."""

    class Interrupted(SGD):
        def _rule(self, *rest):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            return super()._rule(*rest)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        p, optimizer = np.ones(3), Interrupted(0.5, momentum=0.5)
        state = optimizer.start(p)
        with pytest.raises(KeyboardInterrupt):
            optimizer.update(p, np.ones(3), state)
        assert p.tolist() == [0.5] * 3 and state["m"].tolist() == [1] * 3 and state["step"] == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        SGD(0.5).update(p, np.ones(3), {"step": 0})
        assert p.tolist() == [0] * 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_same_optimiser_with_other_constants():
    assert repr(SGD(0.1, momentum=0.5, clip=2.0).changed(lr=0.2)) == repr(SGD(0.2, momentum=0.5, clip=2.0))
    assert repr(Adam(0.1, beta1=0.3).changed(weight_decay=0.5, lr=0.2)) == repr(
        Adam(0.2, beta1=0.3, weight_decay=0.5)
    )
    assert repr(Historical(Adam(0.1, beta2=0.9), 3.0).changed(lr=0.2)) == repr(
        Historical(Adam(0.2, beta2=0.9), 3.0)
    )


def test_historical_takes_one_rule_that_is_not_historical():
    for rule in (Historical(SGD(0.1), 1.0), "SGD", None):
        with pytest.raises(ValueError, match="Historical: expected a rule such as Adam"):
            Historical(rule, 1.0)
