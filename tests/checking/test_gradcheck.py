"""The checks themselves: what is right and what is wrong, where a gradient is zero, and at kinks."""

from dataclasses import replace

import numpy as np
import pytest
from bugzoo import patched

from numgan import build, check_layer, check_loss, check_system, gradcheck
from numgan.checking.differences import compare_outputs
from numgan.checking.quotients import difference_quotients, watched
from numgan.checking.layer import dot_test, parameters
from numgan.checking.layer_cases import Case
from numgan.checking.report import AllZero, OnKink, Subject
from numgan.core.errors import GradientError
from numgan.layers import Dense, Layer, LeakyReLU, Parallel, Pass, ReLU, Sequential, Tanh
from numgan.losses import Curve, minimax

rng = np.random.default_rng(7)


X, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))


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
        dx = dy * (a + self.faint * b**2) if need_dx else None
        if frozen:
            return dx, None
        s = np.array([(dy * x).sum()], x.dtype)
        return dx, {"a": s, "b": 2 * self.faint * b * s}

    def tangent_forward(self, tx, cache, tp=None):
        x, a, b = cache
        tx, (ta, tb) = (
            np.zeros_like(x) if tx is None else tx,
            (0 * a, 0 * b) if tp is None else (tp["a"], tp["b"]),
        )
        return tx * (a + self.faint * b**2) + x * (ta + 2 * self.faint * b * tb), (tx, ta, tb)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        (x, a, b), (tx, ta, tb), tdy = cache, tcache, np.zeros_like(dy) if tdy is None else tdy
        tdx = tdy * (a + self.faint * b**2) + dy * (ta + 2 * self.faint * b * tb) if need_dx else None
        if frozen:
            return tdx, None
        ts, s = np.array([(tdy * x + dy * tx).sum()], x.dtype), np.array([(dy * x).sum()], x.dtype)
        tdb = 2 * self.faint * (tb * s + b * ts) * x.dtype.type(1 + self.wrong)
        return tdx, {"a": ts, "b": tdb}


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


def _half_right():
    """Dense(3, 2) with a doubled dW and a negated dx, which a dead ReLU hides."""
    return patched(
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
            patched(patched(Tanh(), "f", lambda r, x: np.maximum(x - 4, 0)), "d", lambda r, *a: 0 * r), (2,)
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
    """sum |c_i + s| over as many c above 0 as below has no slope in s here, and has one farther away.

    The rounding of a sum is no error.
    """
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
    assert [float(slope[0, 0]) for slope, _ in difference_quotients(relu, here, "ReLU")] == pytest.approx(
        [1.0] * 4, rel=1e-7
    )  # two steps of each formula are short enough


def test_a_wide_network_at_its_own_small_initial_weights():
    """N(0, 0.02) weights and thousands of units: at a step of 1e-5 every direction crosses a kink."""
    system = build("dcgan", "mnist")
    assert check_system(system, whole=True, real=3, fake=2).max_error <= 1e-6
