"""The messages of the checks, their reports, and the line that repeats a check."""

import itertools
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from bugzoo import patched

from numgan import build, check_layer, check_optimizer, check_system, gradcheck
from numgan.checking import Report
from numgan.checking.explain import UNKNOWN, pattern
from numgan.checking.report import OnKink
from numgan.core.errors import GradientError
from numgan.core.probes import kink
from numgan.layers import (
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Embedding,
    Flatten,
    InstanceNorm,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
    Tanh,
)
from numgan.optimizers import Adam
from numgan.systems import Batch

rng = np.random.default_rng(7)


def _text(layer, x, **settings):
    with pytest.raises(GradientError) as error:
        check_layer(layer, x, **settings)
    return str(error.value)


def _dense(change):
    """Dense(4, 3) whose gradient of W is changed."""

    class Dense_(Dense):
        def weight_gradient(self, x, dy):
            return change(super().weight_gradient(x, dy))

        def __repr__(self):
            return "Dense(4, 3)"

    return Dense_(4, 3)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda g: -g, "the sign"),
        (lambda g: 2.5 * g, r"a missing factor: analytic = 2\.5 x"),
        (lambda g: g / 3, "the batch size: a mean where the sum"),
        (lambda g: 3 * g, "the batch size: a sum where the mean"),
        (lambda g: 0 * g, "zero everywhere"),
        (lambda g: g * np.nan, "inf or nan"),
        (lambda g: g[:, ::-1], "flipped along"),
        (lambda g: np.roll(g, 2, axis=None).reshape(g.shape), "wrong order"),
        (lambda g: g + 0.5, "a constant for each channel"),
        (lambda g: g + (np.arange(4) == 2)[:, None] * [1.0, 2, 5], "only index 2 of axis 0"),
        (lambda g: g + np.cos(5 * np.arange(12.0)).reshape(4, 3), "none of the known"),
    ],
)
def test_patterns_are_recognised(change, words):
    text = _text(_dense(change), (4,), tangents=False)
    assert (
        "Dense(4, 3): gradient of W is wrong in" in text
        and "worst at [" in text
        and "analytic" in text
        and "numeric" in text
    )
    assert "reproduce:  numgan.check_layer(Dense(4, 3), x=(4,), seed=0)" in text
    assert re.search(words, text)


def test_transposed_and_border_patterns():
    a = rng.standard_normal((3, 3))
    assert pattern(a.T, a, a != a.T, 5).startswith("transposed")
    dx = rng.standard_normal((2, 5, 4, 3))
    lost = dx.copy()
    lost[:, -1] = 0
    assert pattern(lost, dx, lost != dx, 5).startswith("border rows")
    moved = np.zeros_like(dx)
    moved[:, 1:, :-1] = dx[:, :-1, 1:]
    assert pattern(moved, dx, moved != dx, 5).startswith("shifted: the right numbers, moved by (1, -1)")


@pytest.mark.parametrize("shape", [(2, 2, 5, 3), (2, 5, 2, 3), (2, 1, 1, 3)])
def test_a_picture_without_an_inside_has_no_border(shape):
    """With a side below 3 every row or column is the border: a mistake there is not of the border alone."""
    dx = rng.standard_normal(shape)
    wrong = np.ones(shape, bool)
    assert pattern(dx + rng.standard_normal(shape), dx, wrong, 5) == UNKNOWN


@pytest.mark.parametrize("shape", [(3, 3), (4, 4, 4), (5, 3)])
def test_a_channel_is_the_last_axis(shape):
    """A constant for each channel is told from one for each row, also where there are as many of both."""
    n = rng.standard_normal(shape)
    for axis, words in ((-1, "a constant for each channel"), (0, "none of the known")):
        level = rng.standard_normal(shape[axis]).reshape(
            [-1 if i == axis % n.ndim else 1 for i in range(n.ndim)]
        )
        assert pattern(n + level, n, np.ones(shape, bool), 7).startswith(words)
    one = rng.standard_normal(5)
    assert pattern(one + rng.standard_normal(5), one, np.ones(5, bool), 7) == UNKNOWN, "one axis has one row"
    row = rng.standard_normal((1, 5))
    assert pattern(row + rng.standard_normal((1, 5)), row, np.ones((1, 5), bool), 7) == UNKNOWN, (
        "one row shows no constant"
    )


def test_a_wrong_form_is_explained():
    class Forgetful(Dense):
        def backward(self, dy, cache, frozen=False, need_dx=True):
            dx, dp = super().backward(dy, cache, frozen, need_dx)
            return dx, None if frozen else {"W": dp["W"]}

    class Turned(Dense):
        def weight_gradient(self, x, dy):
            return super().weight_gradient(x, dy).T

    class OneNumber(ReLU):
        def forward(self, p, x, run):
            return 1.0, (x, x)

    assert "must return gradients named W, b, got W" in _text(Forgetful(4, 3), (4,))
    assert "expected the gradient of W with shape (4, 3), got (3, 4)" in _text(Turned(4, 3), (4,))
    assert "y an array" in _text(OneNumber(), (4,))
    with pytest.raises(TypeError, match="derive your class"):
        check_layer(lambda x: x)
    with pytest.raises(ValueError, match="cannot guess"):
        check_layer(Concat())


_dense_layer, _calls = Dense(4, 3), itertools.count()


def _emptied(result, dy, cache, *rest, **settings):
    cache[0][...] = 0
    return result


@pytest.mark.parametrize(
    "layer, x, words",
    [
        (
            patched(
                _dense_layer, "backward", lambda r, *a, frozen=False, **s: (r[0], {} if frozen else r[1])
            ),
            (4,),
            "must return dp = None",
        ),
        (
            patched(_dense_layer, "backward", lambda r, *a, **s: (r[0] if r[0] is None else r[0][:1], r[1])),
            (4,),
            "expected the gradient of x with shape",
        ),
        (
            patched(
                _dense_layer,
                "backward",
                lambda r, *a, need_dx=True, **s: (
                    r if need_dx else (None, {n: 2 * d for n, d in r[1].items()})
                ),
            ),
            (4,),
            "another dp",
        ),
        (
            patched(
                _dense_layer,
                "backward",
                lambda r, *a, **s: (r[0], r[1] and {n: d + next(_calls) for n, d in r[1].items()}),
            ),
            (4,),
            "gives two results",
        ),
        (patched(_dense_layer, "backward", _emptied), (4,), r"backward writes to cache\[0\]"),
        (
            patched(Concat(), "backward", lambda r, *a, **s: (r[0] and r[0][0], r[1])),
            ((2,), (3,)),
            "x is a tuple of 2 arrays",
        ),
        (
            patched(Embedding(5, 2), "backward", lambda r, *a, **s: (np.zeros(3), r[1])),
            None,
            "its gradient must be None",
        ),
        (
            patched(
                _dense_layer, "tangent_forward", lambda r, *a: (None if r[0] is None else r[0][:1], r[1])
            ),
            (4,),
            "expected ty with shape",
        ),
        (
            patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, **s: (r[0] if r[0] is None else r[0][:1], r[1]),
            ),
            (4,),
            "tangent_backward: expected the gradient of x with shape",
        ),
        (
            patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, frozen=False, **s: (2 * r[0] if frozen else r[0], r[1]),
            ),
            (4,),
            "the same tdx",
        ),
        (
            patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, frozen=False, **s: (r[0], {} if frozen else r[1]),
            ),
            (4,),
            "tdp = None",
        ),
        (
            patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, need_dx=True, **s: r if need_dx else (a[0], r[1]),
            ),
            (4,),
            "must return tdx = None",
        ),
        (
            patched(
                Tanh(),
                "tangent_backward",
                lambda r, *a, **s: (r[0] if r[0] is None else r[0] * (1 + 1e-13 * next(_calls)), r[1]),
            ),
            (4,),
            "tangent_backward twice on one cache, with other passes in between, gives two results",
        ),
        (
            patched(Tanh(), "tangent_forward", lambda r, *a: (r[0] if r[0] is None else 2 * r[0], r[1])),
            (4,),
            "the dot test fails",
        ),
    ],
)
def test_every_broken_promise_has_its_words(layer, x, words):
    with pytest.raises(GradientError, match=words):
        check_layer(layer, x)


def _later(result, *arguments):
    arguments[1][...] += 1
    return result


@pytest.mark.parametrize(
    "optimizer, words",
    [
        (
            patched(Adam(0.1), "adjoint", lambda r, dp1, ds1, cache: (cache[1].__iadd__(1), r)[1]),
            "adjoint writes to",
        ),
        (patched(Adam(0.1), "step", _later), "step changes p, g or state"),
        (patched(Adam(0.1), "update", _later), "step changes p, g or state"),
        (
            patched(Adam(0.1), "step", lambda r, *a: (r[0], r[1] | {"step": 3}, r[2])),
            "update and step give different bits",
        ),
    ],
)
def test_an_optimiser_that_writes_or_miscounts(optimizer, words):
    with pytest.raises(GradientError, match=words):
        check_optimizer(optimizer)


class AlwaysOnAKink(Tanh):
    """It reports another piece at every call: no point is away from its kinks."""

    def f(self, x):
        kink(lambda: np.array(next(_calls)))
        return super().f(x)


def test_a_check_that_finds_no_point_fails_aloud():
    with pytest.raises(OnKink, match="none of 8 random points will do: .* the point sits on a kink"):
        check_layer(AlwaysOnAKink(), (3,))
    system = build("gan", "points", 0.01)
    first, _, *others = system.networks["D"]
    with pytest.raises(OnKink, match="none of 8 random points"):
        check_system(
            replace(system, networks=system.networks | {"D": Sequential(first, AlwaysOnAKink(), *others)})
        )


def test_a_system_with_a_gradient_of_another_size_or_too_many_fakes():
    system = build("gan", "points", 0.01)

    class Wrong(type(system)):
        def generator(self, params, batch, seed, fakes=None):
            result = super().generator(params, batch, seed, fakes)
            return replace(result, gradients={"G": self.networks["D"].init(0, np.float64)})

    class Many(type(system)):
        def generate(self, params, batch, seed):
            return super().generate(params, Batch(batch, number=7), seed)

    settings = {field.name: getattr(system, field.name) for field in fields(system)}
    sizes = tuple(system.networks[name].layout.size for name in "DG")
    with pytest.raises(
        TypeError,
        match=r"Wrong\.G: gradient of G: expected Parameters with the network's layout, .* of another "
        "network, %d entries for %d$" % sizes,
    ):
        check_system(Wrong(**settings))
    with pytest.raises(GradientError, match="generate drew 7 fakes, batch.fakes is 3"):
        check_system(Many(**settings))


def test_a_layer_without_output_shape_is_told_so_and_passes():
    class Halves(Layer):
        def forward(self, p, x, run):
            return x[:, ::2].copy(), x.shape

        def backward(self, dy, cache, frozen=False, need_dx=True):
            dx = np.zeros(cache, dy.dtype)
            dx[:, ::2] = dy
            return dx if need_dx else None, None if frozen else {}

    assert "output_shape: not given" in str(check_layer(Halves(), (5,)))


def test_a_large_wrong_block_is_not_searched_entry_by_entry():
    with pytest.raises(GradientError, match="along random directions analytic"):
        gradcheck(lambda x: (x**2).sum(), np.ones(2000), np.ones(2000), slow=False)


def test_the_line_to_reproduce_reproduces():
    layer = _dense(lambda g: -g)
    text = _text(layer, (4,), seed=5)
    assert "seed=5)" in text and text == _text(layer, (4,), seed=5) != _text(layer, (4,), seed=6)


@pytest.mark.parametrize(
    "layer",
    [
        Dense(4, 3),
        Conv2d(2, 3, kernel=3),
        ConvTranspose2d(2, 3, kernel=2),
        BatchNorm(3),
        InstanceNorm(3),
        Embedding(5, 2),
        MaxPool2d(2),
        Flatten(),
        Tanh(),
        Sequential(Flatten(), Dense(12, 3)),
        Sequential(Embedding(5, 3), Dense(3, 2)),
    ],
    ids=lambda l: repr(l)[:30],
)
def test_an_input_is_guessed(layer):
    assert check_layer(layer).max_error <= 1e-6


def test_a_report_is_a_table():
    report = check_layer(Dense(4, 3))
    assert (
        isinstance(report, Report)
        and report["parameters"] == report.max_error
        or report["parameters"] <= report.max_error <= 1e-6
    )
    assert (
        str(report).splitlines()[0].startswith("Dense(4, 3): passed")
        and len(str(report).splitlines()) == len(report.rows) + 1
    )


def test_own_parameters_and_inputs_are_used():
    layer, seen = Dense(2, 1), []

    class Spy(Dense):
        def forward(self, p, x, run):
            seen.append((p["W"].copy(), x.copy()))
            return super().forward(p, x, run)

    p, x = layer.init(3), np.array([[1.0, 2.0], [3.0, 4.0]])
    check_layer(Spy(2, 1), x, p=p)
    assert np.array_equal(seen[0][0], p["W"]) and np.array_equal(seen[0][1], x)
