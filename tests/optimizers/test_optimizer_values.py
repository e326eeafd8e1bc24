"""Exact values of the optimisers: words of a subclass, the first state, defaults, messages."""

import inspect

import numpy as np
import pytest

from numgan.optimizers import SGD, Adam, Optimizer, RMSProp


def test_a_subclass_takes_no_words():
    with pytest.raises(TypeError):

        class Worded(Optimizer, speed=3):
            pass


def test_the_first_state_is_zero():
    for dtype in (np.float32, np.float64):
        p = np.ones(3, dtype)
        for rule, names in ((SGD(1), ()), (SGD(1, 0.5), ("m",)), (RMSProp(), ("v",)), (Adam(), ("m", "v"))):
            state = rule.start(p)
            assert state.keys() == {"step", *names} and state["step"] == 0
            assert all(not state[name].any() and state[name].dtype == dtype for name in names)


def test_the_defaults_are_those_of_gans():
    defaults = lambda rule: {
        name: word.default for name, word in inspect.signature(rule).parameters.items() if name != "lr"
    }
    common = {"weight_decay": 0.0, "clip": None}
    assert defaults(SGD) == {"momentum": 0.0, "nesterov": False} | common
    assert defaults(RMSProp) == {"decay": 0.99, "eps": 1e-8} | common
    found = defaults(Adam)
    assert (found["beta1"], found["beta2"], found["eps"]) == (0.5, 0.999, 1e-8)


def test_an_update_counts_and_is_the_step():
    p, g = np.array([1.0, -2.0]), np.array([0.5, 4.0])
    for rule in (SGD(0.1), SGD(0.1, 0.5), SGD(0.1, 0.5, True, 0.01, 1.5), RMSProp(), Adam(weight_decay=0.1)):
        state, q = rule.start(p), p.copy()
        for number in (1, 2):
            expected, after, _ = rule.step(q, g, state)
            assert rule.update(q, g, state) and state["step"] == number == after["step"]
            assert np.array_equal(q, expected)


@pytest.mark.parametrize(
    "lr, decay, clip", [(-1, 0, None), (np.inf, 0, None), (1, -1, None), (1, 0, 0), (1, 0, -1)]
)
def test_rates_out_of_range_are_refused(lr, decay, clip):
    with pytest.raises(
        ValueError, match="SGD: expected finite lr >= 0, weight_decay >= 0 and clip > 0 or None, got"
    ):
        SGD(lr, weight_decay=decay, clip=clip)
    assert (SGD(0).lr, SGD(1, weight_decay=0, clip=1e-9).clip) == (0, 1e-9)


def test_an_update_with_something_else_is_refused():
    p, rule = np.ones(3), Adam()
    for g, got in ((None, "None"), (np.ones(2), r"\(2,\)")):
        with pytest.raises(ValueError, match=rf"Adam.update: expected g of shape \(3,\), got {got}; g is"):
            rule.update(p, g, rule.start(p))
    for state, got in ((SGD(1).start(p), r"\['step'\]"), (None, "None")):
        with pytest.raises(
            ValueError, match=rf"expected a state with \['m', 'step', 'v'\], got {got}; make it"
        ):
            rule.update(p, p, state)
