"""Optimisers and schedules: values at every edge of their rules, and every refusal word for word."""

import math
import signal
import threading
from functools import partial

import numpy as np
import pytest

from numgan.layers import Layer
from numgan.optimizers import SGD, Adam, Historical, Optimizer, RMSProp, moving_average
from numgan.optimizers.schedules import SCHEDULES, Cosine, Exponential, Linear, Warmup, value_at

nan, inf = float("nan"), float("inf")


def said(call, *arguments, **words):
    """The message of the ValueError that the call raises."""
    with pytest.raises(ValueError) as caught:
        call(*arguments, **words)
    return str(caught.value)


# ---- refusals


@pytest.mark.parametrize("kind", [SGD, RMSProp, Adam])
def test_common_constants_are_refused_word_for_word(kind):
    name, lr = kind.__name__, 0.1
    common = "{}: expected finite lr >= 0, weight_decay >= 0 and clip > 0 or None, got {!r}, {!r}, {!r}; {}"
    for value in (-1, -1e-9, nan, inf, "a", None, True):
        assert said(kind, lr=value) == common.format(name, value, 0.0, None, "lr may be a schedule")
        assert said(kind, lr=lr, weight_decay=value) == common.format(
            name, lr, value, None, "lr may be a schedule"
        )
    for value in (0, 0.0, -1.0, nan, inf, "a", True):
        assert said(kind, lr=lr, clip=value) == common.format(name, lr, 0.0, value, "lr may be a schedule")
    for words in ({"lr": 0}, {"weight_decay": 0}, {"clip": 1e-9}, {"clip": None}, {"lr": lambda step: 0.1}):
        rule = kind(**{"lr": lr} | words)
        assert all(getattr(rule, word) == value for word, value in words.items())


def test_own_constants_are_refused_word_for_word():
    for value in (-0.1, 1, 1.0, nan, "a", None):
        assert said(SGD, 0.1, value) == (
            f"SGD: expected 0 <= momentum < 1, and above 0 with nesterov, got {value!r}; "
            "set nesterov=False for momentum 0"
        )
        assert said(RMSProp, decay=value) == (
            f"RMSProp: expected 0 <= decay < 1 and eps >= 0, got {value!r}, 1e-08"
        )
        assert said(Adam, beta1=value) == (
            f"Adam: expected 0 <= beta1, beta2 < 1 and eps >= 0, got {value!r}, 0.999, 1e-08"
        )
        assert said(Adam, beta2=value) == (
            f"Adam: expected 0 <= beta1, beta2 < 1 and eps >= 0, got 0.5, {value!r}, 1e-08"
        )
    for value in (-1e-12, nan, inf, "a", None):
        assert said(RMSProp, eps=value).endswith(f"got 0.99, {value!r}")
        assert said(Adam, eps=value).endswith(f"got 0.5, 0.999, {value!r}")
    assert said(SGD, 0.1, 0, nesterov=True).startswith("SGD: expected 0 <= momentum < 1, and above 0")
    assert SGD(0.1, Linear(0.5, 0.9, 10), nesterov=True).nesterov and SGD(0.1, 0, False).momentum == 0
    assert (RMSProp(decay=0, eps=0).decay, Adam(beta1=0, beta2=0, eps=0).beta2) == (0, 0)


def test_historical_is_refused_word_for_word():
    for rule, weight in ((None, 1.0), (SGD, 1.0), (Historical(SGD(0.1), 1.0), 1.0), (SGD(0.1), -1)):
        assert said(Historical, rule, weight) == (
            "Historical: expected a rule such as Adam(), an optimiser that is not Historical, "
            f"and a finite weight >= 0, got {rule!r} and {weight!r}"
        )
    assert Historical(Adam(), 0).weight == 0


@pytest.mark.parametrize("rule", [SGD(0.1, 0.5), RMSProp(), Adam(), Historical(Adam(), 0.1)], ids=repr)
def test_what_an_update_cannot_take_is_refused_word_for_word(rule):
    name, p = type(rule).__name__, np.ones(3)
    state = rule.start(p)
    shape = f"{name}.update: expected g of shape (3,), got {{}}; g is the gradient in p"
    assert said(rule.update, p, None, state) == shape.format(None)
    assert said(rule.update, p, np.ones(4), state) == shape.format((4,))
    assert said(rule.update, p, np.ones((3, 1)), state) == shape.format((3, 1))
    parts = sorted({"step", *rule.moments})
    for wrong, got in (({"step": 0}, ["step"]), (None, None), ([1], [1]), ({}, [])):
        assert said(rule.update, p, p, wrong) == (
            f"{name}.update: expected a state with {parts}, got {got!r}; make it with start(p)"
        )


def test_a_moving_average_of_another_network_is_refused_word_for_word():
    assert said(moving_average, np.ones(3), np.ones(4), 0.5) == (
        "moving_average: expected p of shape (3,), got (4,); use p of that network"
    )


@pytest.mark.parametrize("make", [lambda n: Linear(1, 0, n), lambda n: Cosine(1, n), partial(Warmup, 1)])
def test_a_schedule_has_at_least_one_step(make):
    for value in (0, 0.5, -1, nan, inf, "a", None, True):
        name = type(make(1)).__name__
        assert said(make, value) == f"{name}: expected steps of at least 1, got {value!r}; count updates"
    assert make(1).steps == 1 and make(1.5).steps == 1.5


@pytest.mark.parametrize("base", [Optimizer, Layer])
def test_a_word_beside_the_base_class_is_refused(base):
    with pytest.raises(TypeError):
        type("Own", (base,), {}, unknown=1)


# ---- schedules


def test_schedules_at_every_edge():
    line = Linear(3.0, 1.0, 4, wait=2)
    assert [line(step) for step in range(8)] == [3, 3, 3, 2.5, 2, 1.5, 1, 1]
    assert [Linear(1.0, 3.0, 1)(step) for step in range(3)] == [1, 3, 3]
    assert [Exponential(4.0, 0.5)(step) for step in (0, 1, 5)] == [4, 2, 0.125]
    assert [Exponential(4.0, 0.5, 1.0)(step) for step in (0, 1, 2, 3)] == [4, 2, 1, 1]
    expected = [3, 1 + (1 + math.cos(math.pi / 4)), 2, 1 + (1 - math.cos(math.pi / 4)), 1, 1]
    assert np.allclose([Cosine(3.0, 4, 1.0)(step) for step in range(6)], expected)
    assert np.allclose([Cosine(2.0, 2)(step) for step in range(4)], [2, 1, 0, 0])
    assert [Warmup(8.0, 4)(step) for step in range(6)] == [2, 4, 6, 8, 8, 8]
    assert [Warmup(Linear(8.0, 0.0, 4), 2)(step) for step in range(5)] == [4, 6, 4, 2, 0]
    assert (
        value_at(0.5, 7) == 0.5
        and value_at(line, 4) == 2
        and type(value_at(lambda k: np.float64(k), 3)) is float
    )
    assert SCHEDULES == (Linear, Exponential, Cosine, Warmup)


# ---- updates of a few numbers

P, G, M, V = (
    np.array([1.0, -2.0, 0.5]),
    np.array([0.25, 0.5, -1.0]),
    np.array([0.5, 0.0, 2.0]),
    np.array([1.0, 4.0, 0.25]),
)
LINE = Linear(0.5, 0.1, 4)  # at step 2 it is 0.3
UPDATES = [  # an optimiser, its moments before step 2, its weights and moments after it
    (SGD(LINE), {}, P - 0.3 * G, {}),
    (SGD(0.1, LINE), {"m": M}, P - 0.1 * (0.3 * M + G), {"m": 0.3 * M + G}),
    (SGD(LINE, 0.5, True), {"m": M}, P - 0.3 * (G + 0.5 * (0.5 * M + G)), {"m": 0.5 * M + G}),
    (SGD(0.1, weight_decay=0.2), {}, P - 0.1 * (G + 0.2 * P), {}),
    (SGD(0.1, clip=0.75), {}, np.clip(P - 0.1 * G, -0.75, 0.75), {}),
    (
        RMSProp(LINE, 0.75, 0.5),
        {"v": V},
        P - 0.3 * G / (np.sqrt(0.75 * V + 0.25 * G**2) + 0.5),
        {"v": 0.75 * V + 0.25 * G**2},
    ),
    (
        Adam(LINE, 0.5, 0.75, 0.5),
        {"m": M, "v": V},
        P
        - 0.3
        * ((0.5 * M + 0.5 * G) / (1 - 0.5**3))
        / (np.sqrt((0.75 * V + 0.25 * G**2) / (1 - 0.75**3)) + 0.5),
        {"m": 0.5 * M + 0.5 * G, "v": 0.75 * V + 0.25 * G**2},
    ),
    (Historical(SGD(LINE), 0.2), {"past": M}, P - 0.3 * (G + 0.4 * (P - M)), {"past": M + (P - M) / 3}),
    (
        Historical(SGD(0.1, 0.5, weight_decay=0.2, clip=1.0), 0.2),
        {"m": V, "past": M},
        np.clip(P - 0.1 * (0.5 * V + G + 0.4 * (P - M) + 0.2 * P), -1, 1),
        {"m": 0.5 * V + G + 0.4 * (P - M) + 0.2 * P, "past": M + (P - M) / 3},
    ),
]


@pytest.mark.parametrize("rule, before, p1, after", UPDATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_update_by_its_formula(rule, before, p1, after, dtype):
    p, g = P.astype(dtype), G.astype(dtype)
    state = {"step": 2} | {name: moment.astype(dtype) for name, moment in before.items()}
    pure = rule.step(p, g, state)
    assert state["step"] == 2 and np.array_equal(p, P.astype(dtype)) and pure[1]["step"] == 3
    assert rule.update(p, g, state) is True and state["step"] == 3 and np.array_equal(g, G.astype(dtype))
    for weights, moments in ((p, state), pure[:2]):
        assert weights.dtype == dtype and np.allclose(weights, p1, rtol=1e-6)
        assert moments.keys() == {"step", *after}
        for name, moment in after.items():
            assert moments[name].dtype == dtype and np.allclose(moments[name], moment, rtol=1e-6)


@pytest.mark.parametrize(
    "rule", [SGD(0.1), SGD(0.1, 0.9), RMSProp(), Adam(), Historical(Adam(), 0.1)], ids=repr
)
def test_an_update_says_whether_its_numbers_are_finite(rule):
    for value in (nan, inf, -inf):
        p = np.zeros(3)
        with np.errstate(all="ignore"):
            assert not rule.update(p, np.array([0.0, value, 0.0]), rule.start(p))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_state_is_zero_and_of_the_weights_type(dtype):
    p = np.ones(3, dtype)
    for rule, moments in (
        (SGD(0.1), ()),
        (SGD(0.1, 0.5), ("m",)),
        (RMSProp(), ("v",)),
        (Adam(), ("m", "v")),
        (Historical(Adam(), 1.0), ("m", "v", "past")),
        (Historical(SGD(0.1), 1.0), ("past",)),
    ):
        state = rule.start(p)
        assert rule.moments == moments and list(state) == ["step", *moments] and state["step"] == 0
        for name in moments:
            assert state[name].dtype == dtype and np.array_equal(state[name], p if name == "past" else 0 * p)
            assert not np.shares_memory(state[name], p)


def test_historical_has_the_constants_of_its_rule():
    rule = Historical(Adam(LINE, clip=0.5), 2.0)
    assert rule.lr is LINE and rule.clip == 0.5 and Historical(SGD(0.1), 1).clip is None
    other = rule.changed(lr=0.25, clip=None)
    assert (other.lr, other.clip, other.weight, other.rule.beta1) == (0.25, None, 2.0, 0.5)


# ---- the way back


@pytest.mark.parametrize(
    "rule", [SGD(0.1, 0.5), RMSProp(0.1), Adam(0.1), Historical(Adam(0.1), 0.5)], ids=repr
)
def test_a_derivative_that_is_not_given_is_zero(rule):
    cache = rule.step(P, G, {"step": 3} | {name: V.copy() for name in rule.moments})[2]
    zeros = {name: np.zeros(3) for name in rule.moments}
    results = [rule.adjoint(M, given, cache) for given in (None, {}, dict.fromkeys(rule.moments), zeros)]
    for dp, dg, dstate in results:
        assert np.array_equal(dp, results[0][0]) and np.array_equal(dg, results[0][1])
        assert list(dstate) == list(rule.moments)
        assert all(np.array_equal(dstate[name], results[0][2][name]) for name in dstate)


def test_where_weights_are_clipped_nothing_goes_back():
    rule, p, g = (
        SGD(1.0, weight_decay=0.5, clip=1.0),
        np.array([0.5, 3.0, -3.0, 1.0]),
        np.array([0.0, 0, 0, -0.5]),
    )
    p1, _, cache = rule.step(p, g, rule.start(p))
    assert p1.tolist() == [0.25, 1.0, -1.0, 1.0]
    dp, dg, _ = rule.adjoint(np.ones(4), None, cache)
    assert dg.tolist() == [-1, 0, 0, 0] and dp.tolist() == [0.5, 0, 0, 0]


def test_at_zero_moments_the_derivative_of_the_root_is_zero():
    p, g, dp1 = np.ones(2), np.zeros(2), np.array([2.0, -3.0])
    for rule, slope in ((Adam(0.5, eps=0.25), 0.0), (RMSProp(0.5, eps=0.25), -2.0)):
        dp, dg, dstate = rule.adjoint(dp1, None, rule.step(p, g, rule.start(p))[2])
        assert np.array_equal(dp, dp1) and np.array_equal(dg, slope * dp1)
        assert not any(part.any() for part in dstate.values())


def test_derivatives_go_back_through_past_weights():
    rule = Historical(SGD(0.1), 0.5)
    cache = rule.step(P, G, {"step": 3, "past": M})[2]
    dp, dg, dstate = rule.adjoint(V, {"past": G}, cache)
    assert np.allclose(dg, -0.1 * V) and np.allclose(dp, V - 0.1 * V + G / 4)
    assert np.allclose(dstate["past"], 0.1 * V + 0.75 * G)


# ---- moving averages, signals, threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_moving_average_by_its_formula(dtype):
    average, p = np.array([1.0, 2.0, -4.0], dtype), np.array([3.0, 2.0, 4.0], dtype)
    for decay, expected in ((0.0, [3, 2, 4]), (0.25, [2.5, 2, 2]), (1.0, [1, 2, -4])):
        moved = average.copy()
        moving_average(moved, p, decay)
        assert moved.dtype == dtype and moved.tolist() == expected


class Interrupted(SGD):
    """An SGD during whose update Ctrl-C is pressed."""

    def _rule(self, *rest):
        signal.raise_signal(signal.SIGINT)
        return super()._rule(*rest)


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        p, rule = np.ones(3), Interrupted(0.5)
        assert rule.update(p, np.ones(3), rule.start(p)) and p.tolist() == [0.5] * 3
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_updates_and_averages_run_in_any_thread():
    p, average, rule = np.ones(3), np.zeros(3), Adam(0.1)

    def work():
        rule.update(p, np.ones(3), rule.start(p))
        moving_average(average, p, 0.5)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert np.allclose(p, 0.9) and np.allclose(average, 0.45)


def test_an_optimiser_of_ones_own_may_underflow():
    class Tiny(SGD):
        def start(self, p):
            return super().start(p) | {"step": int(np.exp(np.float32(-1000)))}

    with np.errstate(all="raise"):
        assert Tiny(0.1).start(np.ones(2)) == {"step": 0}
        p = np.full(2, 1e-30, np.float32)
        dp, dg, _ = SGD(1e-30).adjoint(p, None, SGD(1e-30).step(p, p, {"step": 0})[2])
        assert not dg.any()
