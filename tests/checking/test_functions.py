"""gradcheck of plain functions: right code passes, wrong code fails, and the words fit the cause.

The tables RIGHT and WRONG hold code as people write it. A row of WRONG has words of the message.
"""

import numpy as np
import pytest

import numgan as ng
from numgan import gradcheck, numeric_gradient
from numgan.core.errors import GradientError

draw = np.random.default_rng(3).standard_normal
X, W, B = draw((5, 4)), draw((4, 3)), draw(3)
LABELS = np.array([0, 2, 1, 1, 0])


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(x):
    p = softmax(x)
    loss = -np.log(p[np.arange(5), LABELS]).mean()
    p[np.arange(5), LABELS] -= 1
    return loss, p / 5


def normalized(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def noisy_but_seeded(x):
    return (x * np.random.default_rng(5).standard_normal(x.shape)).sum()


def with_a_pure_cache():
    known = {}

    def f(x):
        key = x.tobytes()
        if key not in known:
            known[key] = (x**3).sum()
        return known[key]

    return f


def log_sum_exp(x):
    return np.log(np.exp(x - x.max()).sum()) + x.max()


SEEDED = np.random.default_rng(5).standard_normal(X.shape)
NET = ng.BatchNorm(4)
P = NET.init(0, np.float64)

RIGHT = {
    # ---- gradients that are zero because f does not depend on x
    "sum of a softmax": (lambda x: softmax(x).sum(), X, 0 * X),
    "sum of a softmax, zero by rounding": (lambda x: softmax(x).sum(), X, 3e-17 + 0 * X),
    "sum of BatchNorm": (
        lambda x: NET.forward(P, x)[0].sum(),
        X,
        NET.backward(np.ones((5, 4)), NET.forward(P, X)[1])[0],
    ),
    "sum of x - mean": (lambda x: (x - x.mean()).sum(), X, 0 * X),
    "sum of x - mean, far away": (lambda x: (x - x.mean()).sum(), 1e6 + X, 0 * X),
    "sum of x - mean, small": (lambda x: (x - x.mean()).sum(), 1e-6 * X, 0 * X),
    "variance of a shift": (lambda s: np.var(X + s), np.array(0.7), np.array(0.0)),
    "norm of a unit vector": (lambda x: np.linalg.norm(x / np.linalg.norm(x)), X[0], np.zeros(4)),
    "a constant": (lambda x: 3.0, X, 0 * X),
    "sin^2 + cos^2": (lambda x: (np.sin(x) ** 2 + np.cos(x) ** 2).sum(), X, 0 * X),
    "a normalised row in a larger loss": (
        lambda x: softmax(x[:, :2]).sum() + (x[:, 2] ** 2).sum(),
        X,
        np.stack([0 * X[:, 0], 0 * X[:, 0], 2 * X[:, 2], 0 * X[:, 0]], axis=1),
    ),
    # ---- scales
    "tiny values": (lambda x: 1e-12 * (x**2).sum(), X, 2e-12 * X),
    "huge values": (lambda x: 1e12 * (x**2).sum(), X, 2e12 * X),
    "tiny x": (lambda x: (x**2).sum(), 1e-4 * X, 2e-4 * X),
    "a large constant": (lambda x: 1e5 + np.sin(x).sum(), X, np.cos(X)),
    "saturated cross-entropy": (
        lambda x: cross_entropy(30 * x)[0],
        X[:, :3],
        30 * cross_entropy(30 * X[:, :3])[1],
    ),
    "small x": (lambda x: (x**3).sum(), 1e-6 * X, 3e-12 * X**2),
    "a steep function of small x": (lambda x: np.exp(1e6 * x).sum(), 1e-6 * X, 1e6 * np.exp(X)),
    "a logarithm of small x": (lambda x: np.log(x).sum(), 1e-6 * np.abs(X), 1e6 / np.abs(X)),
    "a logarithm of one small entry": (lambda x: np.log(x).sum(), np.array([1e-6, 0.5]), np.array([1e6, 2])),
    "small x beside 1": (lambda x: ((x + 1) ** 2).sum(), 1e-12 * X, np.full(X.shape, 2.0)),
    "large x": (lambda x: (x**2).sum(), 1e6 * X, 2e6 * X),
    "larger x": (lambda x: (x**2).sum(), 1e100 * X, 2e100 * X),
    "a logarithm of large x": (lambda x: np.log(x).sum(), 1e8 * np.abs(X), 1e-8 / np.abs(X)),
    "a wave of large x": (lambda x: np.sin(x).sum(), 1e6 * X, np.cos(1e6 * X)),
    "log-sum-exp of large x": (log_sum_exp, 1e6 * X, (X == X.max()) * 1.0),
    "a large constant and a small slope": (lambda x: 1e5 + x[0] + 1e-5 * x[1], B[:2], np.array([1, 1e-5])),
    "a steep function": (lambda x: np.exp(100 * x).sum(), B, 100 * np.exp(100 * B)),
    # ---- functions of many kinds
    "log-sum-exp": (log_sum_exp, X, np.exp(X - log_sum_exp(X))),
    "sort": (lambda x: (np.sort(x) * [1, 2, 3, 4]).sum(), X, np.argsort(np.argsort(X)) + 1.0),
    "fft": (lambda x: (np.abs(np.fft.fft(x)) ** 2).sum(), X[0], 8 * X[0]),
    "a product with a zero": (np.prod, np.array([0.0, 2, 3]), np.array([6.0, 0, 0])),
    "cumulative sum": (lambda x: (np.cumsum(x) ** 2).sum(), B, 2 * np.cumsum(B)[::-1].cumsum()[::-1][:3]),
    "ReLU away from its kink": (lambda x: np.maximum(x, 0).sum(), X, (X > 0) * 1.0),
    "max": (np.max, X, (X.max() == X) * 1.0),
    "abs": (lambda x: np.abs(x).sum(), X, np.sign(X)),
    "random numbers of a fixed seed": (noisy_but_seeded, X, SEEDED),
    "a pure cache": (with_a_pure_cache(), X, 3 * X**2),
    "a global that is read": (lambda x: (x @ W).sum(), X, np.broadcast_to(W.sum(axis=1), X.shape)),
    "x of no axes": (lambda x: x**2, np.array(3.0), np.array(6.0)),
    "x of one entry": (lambda x: x.sum() ** 2, np.ones(1), np.full(1, 2.0)),
    "x without entries": (lambda x: x.sum(), np.zeros((0, 3)), np.zeros((0, 3))),
    "a view as x": (lambda x: (x**2).sum(), X[::2, ::-1], 2 * X[::2, ::-1]),
    "Fortran order": (lambda x: (x**2).sum(), np.asfortranarray(X), 2 * X),
    # ---- forms
    "df of x": (lambda x: (x**3).sum(), X, lambda x: 3 * x**2),
    "df of dy, of a number": (lambda x: (x**3).sum(), X, lambda dy: dy * 3 * X**2),
    "df of another name of dy": (lambda x: (x**3).sum(), X, lambda g: g * 3 * X**2),
    "df entry by entry": (np.tanh, X, lambda x: 1 - np.tanh(x) ** 2),
    "df of dy, of an array": (lambda x: x @ W, X, lambda dy: dy @ W.T),
    "a pair": (cross_entropy, X[:, :3], None),
    "a pair in a list": (lambda x: [(x**2).sum(), 2 * x], X, None),
    "two arguments": (lambda a, b: (a @ b).sum(), (X, W), (np.ones((5, 3)) @ W.T, X.T @ np.ones((5, 3)))),
    "two arguments, df of both": (lambda a, b: (a * b).sum(), (X, 2 * X), lambda a, b: (b, a)),
    "a pair of two arguments": (lambda a, b: ((a * b).sum(), (b, a)), (X, 2 * X), None),
    "a list": (lambda ab: (ab[0] * ab[1]).sum(), [X, 2 * X], [2 * X, X]),
    "a dict": (
        lambda p: ((X @ p["W"] + p["b"]) ** 2).sum(),
        {"W": W, "b": B},
        {"b": 2 * (X @ W + B).sum(axis=0), "W": 2 * X.T @ (X @ W + B)},
    ),
    "a dict for named arguments": (lambda W, b: (X @ W + b).sum(), {"b": B, "W": W}, lambda W, b: {
        "W": X.T @ np.ones((5, 3)), "b": np.full(3, 5.0)}),
    "nested": (lambda p: (p[0] * p[1]["a"][0]).sum(), (B, {"a": [2 * B]}), (2 * B, {"a": [B]})),
    "a number": (lambda x: x**2, 3.0, 6.0),
    "a list of numbers": (lambda x: (x**2).sum(), [1.0, 2], [2.0, 4]),
    "f returns one entry": (lambda x: (x**2).sum(keepdims=True), X, 2 * X),
    "f returns a list": (lambda x: list(x * 2), B, lambda dy: 2 * dy),
    "keyword arguments with defaults": (lambda x, scale=2.0: scale * x.sum(), X, np.full(X.shape, 2.0)),
    "a numpy function": (np.sum, X, np.ones(X.shape)),
}  # fmt: skip


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("name", RIGHT)
def test_right_code_passes(name, slow):
    f, x, df = RIGHT[name]
    assert gradcheck(f, x, df, slow=slow).max_error <= 1e-6


def doubles(x):
    x *= 2
    return (x**2).sum()


def appends(parts):
    parts[0][...] = 0
    return (parts[1] ** 2).sum()


def noisy(x):
    return (x + 1e-3 * np.random.standard_normal(x.shape)).sum()


def dropped(x):
    return (x * (np.random.random(x.shape) > 0.5)).sum()


def running():
    mean = np.zeros(4)

    def f(x):
        mean[...] = 0.9 * mean + 0.1 * x.mean(axis=0)
        return ((x - mean) ** 2).sum()

    return f


def counting():
    calls = []

    def f(x):
        calls.append(1)
        return (x**2).sum() * len(calls)

    return f


def single(x):
    return float((x.astype(np.float32) ** 2).sum())


def single_inside(x):
    return 0.1 * float(np.sin(x).astype(np.float32).sum()) + 0.3


TWICE = "gives two results for equal arguments"

WRONG = {
    # ---- wrong gradients
    "a factor": (lambda x: (x**2).sum(), X, X, "a missing factor: analytic = 0.5 x numeric"),
    "the sign": (lambda x: (x**2).sum(), X, -2 * X, "the sign"),
    "a mean": (lambda x: x.mean(), X, np.ones(X.shape), "a missing factor: analytic = 20 x"),
    "one entry": (lambda x: (x**2).sum(), B, 2 * B * [1, 1, 1.001], "only index 2 of axis 0"),
    "a gradient beside a zero": (lambda x: softmax(x).sum(), X, 0 * X + 1e-6, "is wrong in"),
    "softmax's gradient without its mean": (lambda x: softmax(x).sum(), X, softmax(X), "is wrong in"),
    "sum of x - mean x, with a slope": (lambda x: (x - x.mean()).sum(), X, 0 * X + 1.0, "is wrong in"),
    "zero, and f depends on x a little": (lambda x: 1.0 + 1e-4 * x.sum(), X, 0 * X, "zero everywhere"),
    "zero, and f is tiny": (lambda x: 1e-12 * (x**2).sum(), X, 0 * X, "zero everywhere"),
    "saturated cross-entropy, wrong": (
        lambda x: cross_entropy(30 * x)[0], X[:, :3], cross_entropy(30 * X[:, :3])[1], "a missing factor"),
    "the half of a symmetric matrix": (
        lambda x: (x * (W @ W.T)).sum(), draw((4, 4)), np.triu(W @ W.T), "is wrong"),
    "df of x, wrong": (lambda x: (x**3).sum(), X, lambda x: x**2, "is wrong in"),
    "df of dy, wrong": (lambda x: x @ W, X, lambda dy: 2 * dy @ W.T, "analytic = 2 x numeric"),
    "a pair, wrong": (lambda x: ((x**2).sum(), x), X, None, "analytic = 0.5 x numeric"),
    "a dict, one of two wrong": (
        lambda p: ((X @ p["W"] + p["b"]) ** 2).sum(),
        {"W": W, "b": B},
        {"W": 2 * X.T @ (X @ W + B), "b": 2 * (X @ W + B).mean(axis=0)},
        r"gradient of x\['b'\] is wrong"),
    "a list, one of two wrong": (lambda ab: (ab[0] * ab[1]).sum(), [X, 2 * X], [2 * X, 2 * X],
                                 r"gradient of x\[1\] is wrong"),
    "a small slope beside a large constant": (
        lambda x: 1e5 + x[0] + 1e-5 * x[1], B[:2], np.array([1.0, 0]), "only|is wrong"),
    "a steep function, wrong": (lambda x: np.exp(100 * x).sum(), B, 100.03 * np.exp(100 * B), "is wrong"),
    "a steep function of small x, wrong": (
        lambda x: np.exp(1e6 * x).sum(), 1e-6 * X, 1.0003e6 * np.exp(X), "is wrong"),
    "large x, wrong": (lambda x: (x**2).sum(), 1e10 * X, 2.001e10 * X, "a missing factor"),
    "a wave on 1e9, wrong": (lambda x: 1e9 + np.sin(x).sum(), X, 2 * np.cos(X), "is wrong"),
    "a minimum, wrong": (lambda x: 1e-3 + ((x - X) ** 2).sum(), X, 2 * X, "is wrong in"),
    "the even point of a function, wrong": (lambda x: np.cos(x).sum(), 0 * X, 1 + 0 * X, "is wrong in"),
    "a saturated sigmoid": (
        lambda x: (1 / (1 + np.exp(-x))).sum(), np.array([20.0, 22, 23]), np.zeros(3), "zero everywhere"),
    # ---- functions that are not functions
    "f writes": (doubles, X, 8 * X, "doubles writes to its argument"),
    "f writes into a part": (appends, (X, B), (0 * X, 2 * B), "appends writes to its argument"),
    "noise": (noisy, X, np.ones(X.shape), TWICE),
    "dropout": (dropped, X, np.ones(X.shape), TWICE),
    "a running mean": (running(), X, 2 * X, TWICE),
    "a counter": (counting(), X, 2 * X, TWICE),
    "float32 inside": (single, X, 2 * X, "float32"),
    "float32 inside, hidden": (single_inside, X, 0.1 * np.cos(X), "computes in float32 somewhere"),
    # ---- points at which nothing can be said
    "a large constant": (lambda x: (x**2).sum() + 1e9, X, 2 * X, "far larger than its change"),
    "a larger constant": (lambda x: (x**2).sum() + 1e12, X, 2 * X, "subtract the large constant from it"),
    "a minimum": (lambda x: ((x - X) ** 2).sum(), X, 0 * X, "it is zero at this point"),
    "the even point of a function": (lambda x: np.cos(x).sum(), 0 * X, 0 * X, "it is zero at this point"),
    "a wave on 1e9": (lambda x: 1e9 + np.sin(x).sum(), X, np.cos(X), "far larger than its change"),
    "a kink": (lambda x: np.abs(x).sum(), np.zeros(3), np.zeros(3), "sits on a kink"),
    "a tie of max": (np.max, np.ones(3), np.full(3, 1 / 3), "kink"),
    "a dead ReLU": (lambda x: np.maximum(x - 9, 0).sum(), 3 + 0 * X, 0 * X, "it is zero at this point"),
    "nan": (lambda x: np.log(-np.abs(x)).sum(), X, X, "inf or nan at x"),
    "a gradient of nan": (lambda x: x.sum(), X, X * np.nan, "inf or nan"),
    # ---- forms
    "a flat gradient": (lambda x: (x**2).sum(), X, 2 * X.ravel(), r"\[\(5, 4\)\], got \[\(20,\)\]"),
    "a transposed gradient": (lambda x: (x**2).sum(), X, 2 * X.T, r"\[\(5, 4\)\], got \[\(4, 5\)\]"),
    "a gradient too many": (lambda x: (x**2).sum(), X, (X, X), r"got \[\(5, 4\), \(5, 4\)\]"),
    "a key is missing": (lambda p: p["a"].sum(), {"a": X, "b": B}, {"a": 0 * X}, "each of a, b, got a"),
}  # fmt: skip


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_fails_and_the_message_names_the_cause(name, slow):
    f, x, df, words = WRONG[name]
    before = [part.copy() for part in (x if isinstance(x, tuple) else (x,)) if isinstance(part, np.ndarray)]
    with np.errstate(all="ignore"), pytest.raises(GradientError, match=words):
        gradcheck(f, x, df, slow=slow)
    after = [part for part in (x if isinstance(x, tuple) else (x,)) if isinstance(part, np.ndarray)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)), "the caller's x has changed"


@pytest.mark.parametrize(
    "f, x, df, error, words",
    [
        (lambda x: x.sum(), X.astype("f"), X, TypeError, "expected x as float64 arrays, got float32"),
        (lambda x: x.sum(), np.arange(3), X, TypeError, "expected x as float64 arrays, got int64"),
        (lambda x: x.sum(), np.ma.masked_array(X, X > 0), X, TypeError, "got a MaskedArray; give np.asarray"),
        (X, X, X, TypeError, "expected f as a function of x, got ndarray"),
        (X, lambda x: x.sum(), X, TypeError, "got function; give an array, a number"),
        (lambda x: (x**2).sum(), X, 2 * X + 1j, GradientError, "got complex ones; take its .real"),
        (lambda x: x.sum(), "x", X, TypeError, "expected x as float64 arrays, got str"),
        (lambda x: np.float32(x.sum()), X, X, TypeError, "f to return float64, got float32"),
        (lambda x: None, X, X, TypeError, "return a number or an array of floats, got None"),
        (lambda x: x.sum() * 1j, X, X, TypeError, "got complex128"),
        (lambda x: (x.sum(), x, x), X, X, TypeError, "got a tuple of 3; if it is"),
        (lambda x: (x.sum(), X), X, X, TypeError, "leave df out"),
        (lambda x: x.sum(), X, None, ValueError, "expected df, because f returns no pair"),
        (lambda x: 2 * x, X, X, ValueError, "give df as a backward pass"),
    ],
)
def test_other_forms_are_named(f, x, df, error, words):
    with pytest.raises(error, match=words):
        gradcheck(f, x, df)


def test_an_error_inside_f_or_df_is_the_users_own():
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 / 0, X, X)
    with pytest.raises(AttributeError, match="wrong_name"):
        gradcheck(lambda x: x.sum(), X, lambda x: x.wrong_name)


def test_the_report_says_how_df_was_called():
    assert "df was called with x" in str(gradcheck(lambda x: (x**2).sum(), X, lambda x: 2 * x))
    assert "derivative of each entry" in str(gradcheck(np.sin, X, np.cos))
    assert "called" not in str(gradcheck(lambda x: x @ W, X, lambda dy: dy @ W.T))


def test_the_numeric_gradient_is_the_gradient():
    np.testing.assert_allclose(numeric_gradient(lambda x: (x**3).sum(), X), 3 * X**2, rtol=1e-8, atol=1e-9)
    loss, gradient = cross_entropy(X[:, :3])
    np.testing.assert_allclose(numeric_gradient(lambda x: cross_entropy(x)[0], X[:, :3]), gradient, atol=1e-9)
    found = numeric_gradient(lambda p: (p["a"] @ p["b"][0]).sum(), {"a": X, "b": [W]})
    assert list(found) == ["a", "b"] and isinstance(found["b"], list)
    np.testing.assert_allclose(found["b"][0], X.T @ np.ones((5, 3)), atol=1e-9)
    assert numeric_gradient(lambda x: x**2, 3.0) == pytest.approx(6, abs=1e-8)
    a, b = numeric_gradient(lambda a, b: (a * b).sum(), (X, 2 * X))
    np.testing.assert_allclose(a, 2 * X, atol=1e-9)
    np.testing.assert_allclose(b, X, atol=1e-9)


def test_the_numeric_gradient_uses_the_step_it_is_given():
    assert numeric_gradient(lambda x: x**3, 1.0, h=0.5) == pytest.approx(3 + 0.25)


@pytest.mark.parametrize(
    "f, x, error, words",
    [
        (lambda x: x @ W, X, TypeError, r"return a number, got an array of shape \(5, 3\)"),
        (doubles, X, GradientError, "writes to its argument"),
        (noisy, X, GradientError, TWICE),
        (lambda x: x.sum(), X.astype("f"), TypeError, "float64"),
    ],
)
def test_arguments_of_numeric_gradient(f, x, error, words):
    with pytest.raises(error, match=words):
        numeric_gradient(f, x)


@pytest.mark.parametrize("h", [0, -1e-5, np.nan, np.inf, "1e-5", None])
def test_a_useless_step_is_refused(h):
    with pytest.raises(ValueError, match="expected h as a number above 0"):
        numeric_gradient(lambda x: x**2, 3.0, h=h)


def test_a_step_that_is_lost_beside_x_is_refused():
    with pytest.raises(ValueError, match="not lost beside .* 1e.16, got 1e-05; give h such as 1e.11"):
        numeric_gradient(lambda x: (x**2).sum(), np.array([1e16, 2]))
    assert numeric_gradient(lambda x: x**2, 1e16, h=1e11) == pytest.approx(2e16)
