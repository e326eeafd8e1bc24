"""The checks themselves: what they find right, what they call wrong and in which words, kinks, and the catalogue."""

import copy
import itertools
import re
from dataclasses import fields, replace

import numpy as np
import pytest

import numgan.checking
from numgan import build, check_layer, check_loss, check_optimizer, check_system, gradcheck
from numgan.checking import Report, entries
from numgan.checking.cases import GAMES, LOSSES, OPTIMIZERS, PENALTIES
from numgan.checking.catalogue import Entry, _items
from numgan.checking.differences import compare_outputs, difference_quotients, watched
from numgan.checking.explain import pattern
from numgan.checking.layer import dot_test, parameters
from numgan.checking.layer_cases import CRITICS, LAYERS, Case
from numgan.checking.report import AllZero, OnKink, Subject
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
    LeakyReLU,
    MaxPool2d,
    Parallel,
    Pass,
    ReLU,
    Sequential,
    Tanh,
)
from numgan.losses import Curve, hinge, minimax
from numgan.optimizers import Adam
from numgan.systems import SYSTEMS, Batch, presets

rng = np.random.default_rng(7)
X, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))


# ---------------------------------------------------------------------------------------------------- gradcheck


@pytest.mark.parametrize("slow", [True, False])
def test_plain_functions(slow):
    assert gradcheck(lambda x: (x**3).sum(), X, 3 * X**2, slow=slow).max_error < 1e-8
    assert gradcheck(lambda x: x @ W, X, lambda dy: dy @ W.T, slow=slow).max_error < 1e-8
    assert (
        gradcheck(lambda ab: ab[0] @ ab[1], (X, W), lambda dy: (dy @ W.T, X.T @ dy), slow=slow).max_error
        < 1e-8
    )
    with pytest.raises(GradientError):
        gradcheck(lambda x: (x**3).sum(), X, 3 * X**2 * (1 + 3e-6), slow=slow)


def test_an_error_of_two_millionths_is_an_error_and_rounding_is_not():
    assert gradcheck(lambda x: np.exp(x).sum(), X, np.exp(X) * (1 + 1e-8)).max_error <= 1e-6
    with pytest.raises(GradientError):
        gradcheck(lambda x: np.exp(x).sum(), X, np.exp(X) * (1 + 2e-6))
    big = 1e4 + X  # a large value under a small slope: the careful quotients are for this
    assert gradcheck(lambda x: 1e6 + np.sin(x).sum(), big, np.cos(big)).max_error <= 1e-6


def test_a_small_part_is_judged_under_its_own_scale():
    """One argument's gradient is a million times the other's; an error in the small one still counts."""
    f = lambda ab: 1e6 * ab[0].sum() + (ab[1] ** 2).sum()
    assert gradcheck(f, (X, W), (np.full(X.shape, 1e6), 2 * W)).max_error <= 1e-6
    nested = lambda parts: f((parts[0], parts[1][0]))
    assert gradcheck(nested, (X, (W,)), (np.full(X.shape, 1e6), (2 * W,))).max_error <= 1e-6
    with pytest.raises(GradientError, match=r"x\[1\]"):
        gradcheck(f, (X, W), (np.full(X.shape, 1e6), 2.001 * W))


def test_a_zero_gradient_must_be_proved():
    centred = lambda ab: ((ab[0] + ab[1] - (ab[0] + ab[1]).mean()) ** 2).sum()
    x, shift = X.ravel(), np.array(0.3)
    gradient = 2 * (x - x.mean())
    report = gradcheck(centred, (x, shift), (gradient, np.array(3e-17)))
    assert "gradient of x[1] is zero: the function does not depend on it" in str(report)
    with pytest.raises(GradientError):  # small is not zero: this one moves the function, by a little
        gradcheck(lambda ab: centred(ab) + 1e-7 * ab[1] ** 2, (x, shift), (gradient, np.array(0.0)))
    with pytest.raises(GradientError):  # and an analytic gradient that is not zero is wrong
        gradcheck(centred, (x, shift), (gradient, np.array(1e-6)))


class Faint(Layer):
    """y = x (a + 1e-6 b^2): b's gradient is a millionth of a's, and so are its tangents."""

    faint, wrong = 1e-6, 0.0

    def parameter_shapes(self):
        return {"a": (1,), "b": (1,)}

    def forward(self, p, x, run):
        return x * (p["a"] + self.faint * p["b"] ** 2), (x, p["a"].copy(), p["b"].copy())

    def backward(self, dy, cache, frozen=False, need_dx=True):
        x, a, b = cache
        s = np.array([(dy * x).sum()], x.dtype)
        return dy * (a + self.faint * b**2) if need_dx else None, None if frozen else {
            "a": s,
            "b": 2 * self.faint * b * s,
        }

    def tangent_forward(self, tx, cache, tp=None):
        x, a, b = cache
        tx, (ta, tb) = (
            np.zeros_like(x) if tx is None else tx,
            (0 * a, 0 * b) if tp is None else (tp["a"], tp["b"]),
        )
        return tx * (a + self.faint * b**2) + x * (ta + 2 * self.faint * b * tb), (tx, ta, tb)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (x, a, b), (tx, ta, tb), tdy = cache, tcache, np.zeros_like(dy) if tdy is None else tdy
        ts, s = np.array([(tdy * x + dy * tx).sum()], x.dtype), np.array([(dy * x).sum()], x.dtype)
        tdx = tdy * (a + self.faint * b**2) + dy * (ta + 2 * self.faint * b * tb)
        tdp = {"a": ts, "b": 2 * self.faint * (tb * s + b * ts) * x.dtype.type(1 + self.wrong)}
        return tdx if need_dx else None, None if frozen else tdp


def test_a_small_tangent_is_judged_under_its_own_scale():
    assert check_layer(Faint(), (3,)).max_error <= 1e-6
    broken = Faint()
    broken.wrong = 1e-4  # 1e-10 of the whole
    with pytest.raises(GradientError, match="tangent of the gradient of b"):
        check_layer(broken, (3,))


def test_a_zero_tangent_must_be_proved():
    def check(slope, small):
        return compare_outputs(
            {"large": np.ones(2), "small": np.array([small])},
            lambda t: np.array([1 + t, t, slope * t]),
            Subject("f", ""),
        )

    assert check(1e-17, 0.0) <= 1e-6 and check(0.0, 1e-17) <= 1e-6  # rounding: it stays where it is
    assert check(1e-10, 1e-10) <= 1e-6
    for slope, small in [(1e-10, 0.0), (1e-10, 1.00001e-10), (0.0, 1e-9)]:
        with pytest.raises(GradientError, match="small is wrong"):
            check(slope, small)


def _patched(thing, method, change):
    """A copy of a layer or optimiser whose `method` returns change(result, *arguments)."""
    copied, original = copy.copy(thing), getattr(thing, method)

    def changed(*arguments, **settings):
        return change(original(*arguments, **settings), *arguments, **settings)

    setattr(copied, method, changed)
    return copied


# ---------------------------------------------------------------------------------------------------- zero equals zero


def _half_right():
    """Dense(3, 2) with a doubled dW and a negated dx, which a dead ReLU hides."""
    return _patched(
        Dense(3, 2),
        "backward",
        lambda r, *a, **s: (r[0] if r[0] is None else -r[0], r[1] and {n: 2 * d for n, d in r[1].items()}),
    )


ONES = np.ones((2, 3))  # where, at seed 0, both units of Sequential(Dense(3, 2), ReLU()) are dead


@pytest.mark.parametrize("dense", [Dense(3, 2), _half_right()], ids=["right", "wrong"])
@pytest.mark.parametrize("slow", [True, False])
def test_where_all_units_are_dead_nothing_is_called_right(dense, slow):
    net = Sequential(dense, ReLU())
    assert not net.forward(Case(net, ONES).point().p, ONES, Pass())[0].any()
    with pytest.raises(AllZero, match="it is zero at this point.*nothing was compared. Give an x"):
        check_layer(net, ONES, slow=slow)
    for check in (parameters, dot_test):
        with pytest.raises(AllZero):
            check(Case(net, ONES).point())


def test_a_dead_point_is_drawn_again():
    narrow, dead = lambda dense: Sequential(dense, ReLU()), 0
    for seed in range(6):
        dead += (
            not narrow(Dense(3, 1))
            .forward(Case(narrow(Dense(3, 1)), (3,), batch=1).point(seed).p, ONES, Pass())[0]
            .any()
        )
        assert check_layer(narrow(Dense(3, 1)), (3,), batch=1, seed=seed).max_error <= 1e-6
        with pytest.raises(GradientError, match="is wrong"):
            check_layer(narrow(_half_right()), (3,), batch=1, seed=seed)
    assert dead  # it did happen
    with pytest.raises(AllZero, match="none of 8 random points will do"):
        check_layer(
            _patched(_patched(Tanh(), "f", lambda r, x: np.maximum(x - 4, 0)), "d", lambda r, *a: 0 * r), (2,)
        )


def test_a_dead_part_beside_a_live_one_is_refused():
    net = Parallel(Sequential(Dense(3, 2), ReLU()), Dense(3, 2))
    p = net.init(0, np.float64)
    p["0.0.W"][...], p["0.0.b"][...] = 1, -5
    with pytest.raises(AllZero, match=r"gradient of x\[0\] cannot be checked here"):
        check_layer(net, (ONES, ONES), p=p)
    with pytest.raises(AllZero):
        gradcheck(
            lambda ab: np.maximum(ab[0] - 30, 0).sum() + (ab[1] ** 2).sum(), (10 * ONES, W), (0 * ONES, 2 * W)
        )


def test_terms_that_cancel_are_refused_and_not_called_wrong():
    """sum |c_i + s| over as many c above 0 as below has no slope in s here, and has one farther away; the rounding of a sum is no error."""
    c = np.array([5.0, 7.0, -5.0, -6.0])
    f, at = lambda sw: np.abs(c + sw[0]).sum() + (sw[1] ** 2).sum(), (np.array([0.5]), W)
    with pytest.raises(AllZero, match="units are dead, or terms cancel"):
        gradcheck(f, at, (np.array([3e-17]), 2 * W))
    with pytest.raises(GradientError, match=r"gradient of x\[0\] is wrong"):
        gradcheck(f, at, (np.array([1e-7]), 2 * W))


def test_what_is_never_used_is_zero_by_right():
    report = gradcheck(lambda ab: (ab[1] ** 2).sum(), (X, W), (0 * X, 2 * W))
    assert "x[0] is zero: the function does not depend on it" in str(report)


def test_a_loss_that_is_flat_where_it_is_looked_at_is_not_called_right():
    far = Curve(lambda a: np.maximum(a - 9, 0) ** 2, np.zeros_like, np.zeros_like)
    with pytest.raises(AllZero, match="none of 8 random points will do"):
        check_loss(replace(minimax, on_real=far))


def test_arguments_of_gradcheck():
    with pytest.raises(TypeError, match="float64"):
        gradcheck(lambda x: x.sum(), X.astype(np.float32), np.ones(X.shape))
    with pytest.raises(ValueError, match="backward pass"):
        gradcheck(lambda x: x, X, np.ones(X.shape))
    with pytest.raises(GradientError, match="expected gradients of shape"):
        gradcheck(lambda x: x.sum(), X, np.ones(X.T.shape))


def test_nan_never_passes():
    total = lambda x: x.sum()
    for f, df in [
        (lambda x: x.sum() * np.nan, np.ones(3)),
        (total, np.full(3, np.nan)),
        (total, np.array([1, np.inf, 1])),
    ]:
        for slow in (True, False):
            with pytest.raises(GradientError):
                gradcheck(f, np.ones(3), df, slow=slow)


# ---------------------------------------------------------------------------------------------------- kinks


class Abs(Layer):
    """|x|, as a reader would write it: it tells nobody about its kink, and has no tangent passes."""

    def forward(self, p, x, run):
        return np.abs(x), x

    def backward(self, dy, cache, frozen=False, need_dx=True):
        return dy * np.sign(cache) if need_dx else None, None if frozen else {}


def test_a_layer_of_ones_own_needs_two_passes_only():
    text = str(check_layer(Abs()))
    assert "Abs(): passed" in text and "tangent passes" in text and "not given" in text
    with pytest.raises(TypeError, match="no tangent passes"):
        check_layer(Abs(), tangents=True)


@pytest.mark.parametrize("layer", [Abs(), ReLU(), LeakyReLU()], ids=repr)
@pytest.mark.parametrize("slow", [True, False])
def test_a_kink_is_called_a_kink_and_not_a_wrong_gradient(layer, slow):
    with pytest.raises(OnKink, match="sits on a kink"):
        check_layer(layer, np.array([[1.0, 0.0, -2.0]]), slow=slow)
    with pytest.raises(OnKink, match="sits on a kink"):
        gradcheck(lambda x: np.abs(x).sum(), np.zeros(3), np.array([0.3, 0.3, 0.3]))


def test_near_a_kink_the_step_shrinks():
    assert check_layer(ReLU(), np.array([[1.0, 3e-7, -2e-6]])).max_error <= 1e-6
    assert gradcheck(lambda x: np.abs(x).sum(), np.array([1.0, 3e-5]), np.ones(2)).max_error <= 1e-6
    with pytest.raises(OnKink):  # nobody reports this one, and it is nearer than the smallest step that tells
        gradcheck(lambda x: np.abs(x).sum(), np.array([1.0, 1e-7]), np.ones(2))


def test_slopes_cross_no_kink_that_was_reported():
    relu = lambda t: ReLU().forward({}, np.array([[4e-7 + t]]), None)[0]
    here = watched(relu, 0.0)[1]
    assert [float(slope[0, 0]) for slope in difference_quotients(relu, here, "ReLU")] == pytest.approx(
        [1.0, 1.0], rel=1e-7
    )  # two steps are short enough


def test_a_wide_network_at_its_own_small_initial_weights():
    """N(0, 0.02) weights and thousands of units: at a step of 1e-5 every direction crosses a kink."""
    system = build("dcgan", "mnist")
    assert check_system(system, whole=True, real=3, fake=2).max_error <= 1e-6


# ---------------------------------------------------------------------------------------------------- words


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
    assert pattern(a.T, a, a != a.T, 5)[0].startswith("transposed")
    dx = rng.standard_normal((2, 5, 4, 3))
    lost = dx.copy()
    lost[:, -1] = 0
    found, excluded = pattern(lost, dx, lost != dx, 5)
    assert found.startswith("border rows") and "transposed or flipped" in excluded


@pytest.mark.parametrize("shape", [(2, 2, 5, 3), (2, 5, 2, 3), (2, 1, 1, 3)])
def test_a_picture_without_an_inside_has_no_border(shape):
    """With a side below 3 every row or column is the border: nothing tells a border's mistake from another."""
    dx = rng.standard_normal(shape)
    wrong = np.ones(shape, bool)
    found, excluded = pattern(dx + rng.standard_normal(shape), dx, wrong, 5)
    assert found == "none of the known patterns" and "a border" in excluded


@pytest.mark.parametrize("shape", [(3, 3), (4, 4, 4), (5, 3)])
def test_a_channel_is_the_last_axis(shape):
    """A constant for each channel is told from one for each row, also where there are as many of both."""
    n = rng.standard_normal(shape)
    for axis, words in ((-1, "a constant for each channel"), (0, "none of the known")):
        level = rng.standard_normal(shape[axis]).reshape(
            [-1 if i == axis % n.ndim else 1 for i in range(n.ndim)]
        )
        assert pattern(n + level, n, np.ones(shape, bool), 7)[0].startswith(words)
    one = rng.standard_normal(5)
    assert (
        pattern(one + rng.standard_normal(5), one, np.ones(5, bool), 7)[0] == "none of the known patterns"
    ), "one axis has one row"
    row = rng.standard_normal((1, 5))
    assert (
        pattern(row + rng.standard_normal((1, 5)), row, np.ones((1, 5), bool), 7)[0]
        == "none of the known patterns"
    ), "one row shows no constant"


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
            _patched(
                _dense_layer, "backward", lambda r, *a, frozen=False, **s: (r[0], {} if frozen else r[1])
            ),
            (4,),
            "must return dp = None",
        ),
        (
            _patched(_dense_layer, "backward", lambda r, *a, **s: (r[0] if r[0] is None else r[0][:1], r[1])),
            (4,),
            "expected the gradient of x with shape",
        ),
        (
            _patched(
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
            _patched(
                _dense_layer,
                "backward",
                lambda r, *a, **s: (r[0], r[1] and {n: d + next(_calls) for n, d in r[1].items()}),
            ),
            (4,),
            "gives two results",
        ),
        (_patched(_dense_layer, "backward", _emptied), (4,), "writes to its argument 2"),
        (
            _patched(Concat(), "backward", lambda r, *a, **s: (r[0] and r[0][0], r[1])),
            ((2,), (3,)),
            "x is a tuple of 2 arrays",
        ),
        (
            _patched(Embedding(5, 2), "backward", lambda r, *a, **s: (np.zeros(3), r[1])),
            None,
            "its gradient must be None",
        ),
        (
            _patched(
                _dense_layer, "tangent_forward", lambda r, *a: (None if r[0] is None else r[0][:1], r[1])
            ),
            (4,),
            "expected ty with shape",
        ),
        (
            _patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, **s: (r[0] if r[0] is None else r[0][:1], r[1]),
            ),
            (4,),
            "tangent_backward: expected the gradient of x with shape",
        ),
        (
            _patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, frozen=False, **s: (2 * r[0] if frozen else r[0], r[1]),
            ),
            (4,),
            "the same tdx",
        ),
        (
            _patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, frozen=False, **s: (r[0], {} if frozen else r[1]),
            ),
            (4,),
            "tdp = None",
        ),
        (
            _patched(
                _dense_layer,
                "tangent_backward",
                lambda r, *a, need_dx=True, **s: r if need_dx else (a[0], r[1]),
            ),
            (4,),
            "must return tdx = None",
        ),
        (
            _patched(
                Tanh(),
                "tangent_backward",
                lambda r, *a, **s: (r[0] if r[0] is None else r[0] * (1 + 1e-13 * next(_calls)), r[1]),
            ),
            (4,),
            "tangent_backward twice on one cache, with other passes in between, gives two results",
        ),
        (
            _patched(Tanh(), "tangent_forward", lambda r, *a: (r[0] if r[0] is None else 2 * r[0], r[1])),
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
            _patched(Adam(0.1), "adjoint", lambda r, dp1, ds1, cache: (cache[1].__iadd__(1), r)[1]),
            "adjoint writes to",
        ),
        (_patched(Adam(0.1), "step", _later), "step changes p, g or state"),
        (_patched(Adam(0.1), "update", _later), "step changes p, g or state"),
        (
            _patched(Adam(0.1), "step", lambda r, *a: (r[0], r[1] | {"step": 3}, r[2])),
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
        match=r"Wrong\.G: gradient of G: expected Parameters with the network's layout, .* of another network, "
        "%d entries for %d$" % sizes,
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


def test_a_failing_loss_is_one_entry(monkeypatch):
    monkeypatch.setattr(
        "numgan.checking.catalogue.LOSSES", [replace(hinge, on_real=replace(hinge.on_real, d=lambda a: a))]
    )
    (entry,) = (entry for entry in entries(["hinge"]) if entry.kind == "loss")  # a system has the name, too
    assert not entry.passed and entry.kind == "loss" and "derivative for input 0 is wrong" in entry.detail


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


# ---------------------------------------------------------------------------------------------------- the catalogue


def test_the_catalogue_covers_everything():
    titles = [item.title for item in _items()]
    assert {f"{system}/{preset}" for system in SYSTEMS for preset in presets(system)} <= set(titles)
    assert {case.title for case in LAYERS} <= set(titles) and {
        repr(thing) for thing in LOSSES + OPTIMIZERS
    } <= set(titles)
    assert {f"{penalty} on {case.title}" for penalty in PENALTIES for case in CRITICS} | {
        game.name for game in GAMES
    } <= set(titles)
    assert len(titles) == len(set(titles))


def test_entries_of_a_layer_a_loss_an_optimiser_and_a_system():
    found = {entry.name: entry for entry in entries(["Conv2d", "hinge", "Adam", "wgan/points"])}
    assert all(
        isinstance(entry, Entry) and entry.passed and entry.max_error <= 1e-6 for entry in found.values()
    )
    title = "Conv2d(2, 5, kernel=(3, 2), stride=2, padding=1)"
    assert [
        found[f"{title}.{part}"].order
        for part in ("dx", "parameters", "tangent_forward", "tangent_backward", "contract")
    ] == [1, 1, 1, 2, 1]
    assert (
        found["hinge.discriminator.tangent"].order == 2
        and found["wgan/points.G"].kind == "objective"
        and "wgan/points.D at full width" in found
    )
    assert {entry.kind for entry in found.values()} == {"layer", "loss", "optimizer", "objective"}
    assert not any(
        name.startswith("ConvTranspose2d") for name in found
    )  # a name that is somebody's own selects nobody else


def test_entries_of_the_gradient_penalty(listed):
    found = {entry.name: entry for entry in listed(["gp"])}
    assert len(found) == 2 * 2 * len(CRITICS)
    assert {entry.kind for entry in found.values()} == {"penalty"} and all(
        name.startswith("gp") for name in found
    )
    assert found["gp one-sided on mlp(3, 5, 4, 1, Tanh).gradient_in_weights"].order == 2


def test_names_select_by_part_too_and_unknown_ones_are_refused():
    assert {entry.name.split("(")[0] for entry in entries(["ose2d(2, 1"])} == {"ConvTranspose2d"}
    with pytest.raises(ValueError, match="nothing is called 'Konv'; there are Adam, AvgPool2d"):
        list(entries(["Konv"]))


def test_layers_are_selected_by_a_part_of_their_name_in_any_case(listed):
    found = {
        name: {entry.name.split("(")[0] for entry in listed([name]) if entry.kind == "layer"}
        for name in ("minibatch", "spectral", "virtual")
    }
    assert found == {
        "minibatch": {"MinibatchStd", "MinibatchDiscrimination"},
        "spectral": {"Spectral"},
        "virtual": {"VirtualBatchNorm", "Referenced"},
    }


def test_a_failing_entry_does_not_stop_the_catalogue(monkeypatch):
    monkeypatch.setattr(Tanh, "d", lambda self, x, y: y)
    found = {entry.name: entry for entry in entries(["Tanh", "Sigmoid"])}
    assert (
        not found["Tanh().dx"].passed
        and found["Tanh().dx"].max_error > 1e-3
        and "gradient of x is wrong" in found["Tanh().dx"].detail
    )
    assert found["Sigmoid().dx"].passed


def test_slow_systems_are_checked_entry_by_entry():
    assert all(entry.passed for entry in entries(["wgan/points"], slow=True))


def test_public_names():
    assert {
        "gradcheck",
        "check_layer",
        "check_loss",
        "check_optimizer",
        "check_penalty",
        "check_consensus",
        "check_system",
        "entries",
    } <= set(numgan.checking.__all__)
    assert Case(Dense(1, 1)).title == "Dense(1, 1)"
