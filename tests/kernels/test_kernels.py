"""Every kernel against its definition: ugly shapes, layouts, both dtypes, threads and instruction sets.

A float32 result C must fulfil |C - C64| <= k u (|A| |B|), where C64 is the definition in float64, |A| |B|
the definition on absolute values and u = 2^-24. Each element is a chain of at most 384 multiply-adds per
block, and one addition per block. Its roundings have either sign and add up like a random walk. Over
numbers of either sign the partial sums grow as slowly, and the largest k measured was 5.1. Over positive
numbers they grow with the chain, and k with its square root: rms 0.23 sqrt(384) = 4.5, and 23 was the
largest measured. The tests ask for 8 and 32. float64 (u = 2^-53) is compared with an oracle that rounds as
often; the limit is twice as much.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import (
    ABREAST,
    CONVOLUTIONS,
    DTYPES,
    LAYOUTS,
    OTHER_SETS,
    POOLS,
    PRODUCTS,
    ROUNDING,
    convolution,
    layouts,
    normal,
    passes_with,
)
from kernel_marks import needs_compiled

from numgan import _kernels as kernels
from numgan._kernels import compiled, reference

BUILT = {"compiled": compiled, "cython": kernels._modules["cython"]}
every_backend = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            module,
            id=name,
            marks=pytest.mark.skipif(module is None, reason=f"the {name} kernels are not built"),
        )
        for name, module in BUILT.items()
    ],
)


@pytest.fixture(autouse=True)
def direct():
    """The direct kernels; those of fast.h have tests of their own."""
    with kernels.use_fast_convolutions(False):
        yield


def check(name, got, arrays, *rest, bias=None, k=8):
    """`got` = backend.<name>(*arrays, *rest) equals reference.py within k roundings, as a new array."""
    kernel, dtype = getattr(reference, name), got.dtype.type
    wide = [a.astype(np.float64) for a in arrays]
    expected = kernel(*wide, *rest)
    scale = kernel(*(abs(a) for a in wide), *rest)
    if bias is not None:
        expected, scale = expected + bias.astype(np.float64), scale + abs(bias)
    assert got.shape == expected.shape and got.flags.c_contiguous
    assert all(a.dtype == dtype and not np.may_share_memory(a, got) for a in arrays)
    worst = np.max(abs(got - expected) / np.maximum(scale, 1e-30), initial=0) / ROUNDING[dtype]
    assert worst <= k, f"{name}: an error of {worst:.3g} roundings, expected at most {k}"


def check_convolution(backend, case, dtype, seed=0, draw=normal, k=8):
    x, w, dy, o, c, window = convolution(case, dtype, seed, draw)
    size, kernel = x.shape[1:3], w.shape[:2]
    check("conv2d", backend.conv2d(x, w, *window), (x, w), *window, k=k)
    check("conv2d", backend.conv2d(x, w, *window, o), (x, w), *window, bias=o, k=k)
    check(
        "conv2d_input_gradient",
        backend.conv2d_input_gradient(dy, w, *window, size),
        (dy, w),
        *window,
        size,
        k=k,
    )
    check(
        "conv2d_input_gradient",
        backend.conv2d_input_gradient(dy, w, *window, size, c),
        (dy, w),
        *window,
        size,
        bias=c,
        k=k,
    )
    check(
        "conv2d_weight_gradient",
        backend.conv2d_weight_gradient(x, dy, kernel, *window),
        (x, dy),
        kernel,
        *window,
        k=k,
    )


# --- the definition itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CONVOLUTIONS if c[3] * c[4] < 30], ids=str)
def test_reference_is_its_formula(case):
    x, w, dy, o, _, ((s, t), (p, q)) = convolution(case, np.float64)
    y, dx, dw = np.zeros(dy.shape) + o, np.zeros(x.shape), np.zeros(w.shape)
    for n, h, v in np.ndindex(dy.shape[:3]):
        for i, j in np.ndindex(w.shape[:2]):
            a, b = h * s + i - p, v * t + j - q
            if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                y[n, h, v] += x[n, a, b] @ w[i, j]
                dx[n, a, b] += w[i, j] @ dy[n, h, v]
                dw[i, j] += np.outer(x[n, a, b], dy[n, h, v])
    np.testing.assert_allclose(reference.conv2d(x, w, (s, t), (p, q), o), y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        reference.conv2d_input_gradient(dy, w, (s, t), (p, q), x.shape[1:3]), dx, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        reference.conv2d_weight_gradient(x, dy, w.shape[:2], (s, t), (p, q)), dw, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("kernel, stride, padding", POOLS)
def test_reference_pool_is_its_formula(kernel, stride, padding):
    x = np.random.default_rng(1).integers(-3, 3, (2, 11, 13, 3)).astype(np.float64)
    x[0, 4, 5] = np.nan
    y, index = reference.max_pool2d(x, kernel, stride, padding)
    for n, h, v, c in np.ndindex(y.shape):
        (top, left) = (h * stride[0] - padding[0], v * stride[1] - padding[1])
        window = [
            (a, b)
            for a in range(top, top + kernel[0])
            for b in range(left, left + kernel[1])
            if 0 <= a < 11 and 0 <= b < 13
        ]
        values = [x[n, a, b, c] for a, b in window]
        best = window[int(np.argmax(values))]  # argmax: the first nan, else the first of the largest
        assert index[n, h, v, c] == best[0] * 13 + best[1]
        np.testing.assert_equal(y[n, h, v, c], x[n, *best, c])


# --- values -------------------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, k, n", PRODUCTS)
def test_matmul_ugly_shapes(backend, m, k, n, dtype):
    rng = np.random.default_rng(m + k + n)
    a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n)
    for left in layouts(a).values():
        for right in layouts(b).values():
            check("matmul", backend.matmul(left, right), (a, b))
    for spread in layouts(bias).values():
        check("matmul", backend.matmul(a, b, spread), (a, b), bias=bias)


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_ugly_strides_of_zero_and_itself(backend, dtype):
    rng = np.random.default_rng(2)  # small integers: exact, for the roundings of equal terms do not cancel
    row, square = rng.integers(-9, 9, (1, 37)).astype(dtype), rng.integers(-9, 9, (41, 41)).astype(dtype)
    for a in (
        np.broadcast_to(row, (19, 37)),
        np.broadcast_to(row.T, (37, 23)).T,
        np.broadcast_to(row[:, :1], (19, 37)),
    ):
        for b in a.T, a.T.copy():
            np.testing.assert_array_equal(backend.matmul(a, b), a @ b)
    np.testing.assert_array_equal(backend.matmul(square, square), square @ square)
    np.testing.assert_array_equal(backend.matmul(square, square.T), square @ square.T)


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_ugly_shapes(backend, case, dtype):
    check_convolution(backend, case, dtype)


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_convolution_ugly_layouts(backend, layout, dtype):
    for case in CONVOLUTIONS[2], ABREAST[0]:
        x, w, dy, o, c, window = convolution(case, dtype)
        X, W, DY, O, C = (layouts(a)[layout] for a in (x, w, dy, o, c))
        size, kernel = x.shape[1:3], w.shape[:2]
        check("conv2d", backend.conv2d(X, W, *window, O), (x, w), *window, bias=o)
        check(
            "conv2d_input_gradient",
            backend.conv2d_input_gradient(DY, W, *window, size, C),
            (dy, w),
            *window,
            size,
            bias=c,
        )
        check(
            "conv2d_weight_gradient",
            backend.conv2d_weight_gradient(X, DY, kernel, *window),
            (x, dy),
            kernel,
            *window,
        )


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
def test_positive_numbers_round_worst(backend, dtype):
    def positive(rng, dtype, *shape):
        return rng.random(shape).astype(dtype)

    a, b = (
        positive(np.random.default_rng(4), dtype, 31, 5003),
        positive(np.random.default_rng(5), dtype, 5003, 47),
    )
    check("matmul", backend.matmul(a, b), (a, b), k=32)
    check_convolution(backend, (4, 19, 17, 61, 43, (4, 3), (2, 1), (1, 1)), dtype, draw=positive, k=32)


SIZES = st.integers(1, 40)
SMALL = st.integers(1, 5)


@every_backend
@settings(max_examples=200, deadline=None)
@given(
    m=st.integers(0, 70),
    k=st.integers(0, 800),
    n=st.integers(0, 70),
    dtype=st.sampled_from(DTYPES),
    left=st.sampled_from(LAYOUTS),
    right=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 99),
)
def test_matmul_any(backend, m, k, n, dtype, left, right, seed):
    rng = np.random.default_rng(seed)
    a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n)
    check("matmul", backend.matmul(layouts(a)[left], layouts(b)[right], bias), (a, b), bias=bias)


# the extent of an input beyond the smallest that a window fits into; sizes are made valid, not thrown away
PAIR, EXTRA = st.tuples(SMALL, SMALL), st.tuples(st.integers(0, 12), st.integers(0, 12))


@every_backend
@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(0, 3),
    extra=EXTRA,
    c=SIZES,
    o=SIZES,
    kernel=PAIR,
    stride=PAIR,
    padding=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    dtype=st.sampled_from(DTYPES),
)
def test_convolution_any(backend, n, extra, c, o, kernel, stride, padding, dtype):
    h, v = (max(k - 2 * p, 1) + e for k, p, e in zip(kernel, padding, extra, strict=True))
    check_convolution(backend, (n, h, v, c, o, kernel, stride, padding), dtype, seed=n + h)


def repeated(x, axis):
    """x with its first index along an axis everywhere: a view with stride 0, as np.broadcast_to gives it."""
    return np.broadcast_to(x.take([0], axis), x.shape) if x.shape[axis] else x


# all layouts of an array in memory; a broadcast array has other values, so the reference gets it too
MEMORY = st.one_of(
    st.sampled_from(LAYOUTS).map(lambda name: lambda x: layouts(x)[name]),
    st.integers(-4, -1).map(lambda axis: lambda x: repeated(x, max(axis, -x.ndim))),
)


@every_backend
@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(0, 3),
    extra=EXTRA,
    c=st.integers(0, 19),
    o=st.integers(0, 19),
    kernel=PAIR,
    stride=PAIR,
    padding=st.tuples(*[st.integers(0, 3)] * 2),
    dtype=st.sampled_from(DTYPES),
    memory=st.tuples(*[MEMORY] * 5),
    seed=st.integers(0, 99),
)
def test_convolution_any_layout(backend, n, extra, c, o, kernel, stride, padding, dtype, memory, seed):
    h, v = (max(k - 2 * p, 1) + e for k, p, e in zip(kernel, padding, extra, strict=True))
    *arrays, window = convolution((n, h, v, c, o, kernel, stride, padding), dtype, seed, draw=small)
    x, w, dy, b, g = (lay(array) for lay, array in zip(memory, arrays, strict=True))
    for name, arguments in {
        "conv2d": (x, w, *window, b),
        "conv2d_input_gradient": (dy, w, *window, (h, v), g),
        "conv2d_weight_gradient": (x, dy, kernel, *window),
    }.items():
        got, expected = getattr(backend, name)(*arguments), getattr(reference, name)(*arguments)
        assert got.dtype == dtype and got.flags.c_contiguous
        np.testing.assert_array_equal(got, expected, err_msg=name)


def small(rng, dtype, *shape):
    """Small integers: sums of their products are exact in both dtypes.

    So equal terms of a broadcast array cannot hide an error.
    """
    return rng.integers(-4, 5, shape).astype(dtype)


@needs_compiled
@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(0, 3),
    extra=EXTRA,
    c=st.integers(0, 9),
    kernel=PAIR,
    stride=PAIR,
    data=st.data(),
    dtype=st.sampled_from(DTYPES),
    memory=st.tuples(*[MEMORY] * 3),
    seed=st.integers(0, 99),
)
def test_pool_any(n, extra, c, kernel, stride, data, dtype, memory, seed):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    size = tuple(max(k - 2 * p, 1) + e for k, p, e in zip(kernel, padding, extra, strict=True))
    rng = np.random.default_rng(seed)
    x = small(rng, dtype, n, *size, c)  # many ties
    x[rng.random(x.shape) < 0.1] = rng.choice([np.nan, -np.inf])
    x = memory[0](x)
    (y, index), expected = (
        compiled.max_pool2d(x, kernel, stride, padding),
        reference.max_pool2d(x, kernel, stride, padding),
    )
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(index, expected[1])
    assert y.dtype == dtype and index.dtype == np.int64
    dy, index = memory[1](small(rng, dtype, *y.shape)), memory[2](index)
    np.testing.assert_array_equal(
        compiled.max_pool2d_gradient(dy, index, size), reference.max_pool2d_gradient(dy, index, size)
    )


@every_backend
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_channels_means_bias_or_zero(backend, dtype):
    x, w, bias = np.ones((2, 5, 4, 0), dtype), np.ones((3, 2, 0, 7), dtype), np.arange(7, dtype=dtype)
    assert (backend.conv2d(x, w, bias=bias) == bias).all()
    assert backend.conv2d_weight_gradient(x, np.ones((2, 3, 3, 7), dtype), (3, 2)).shape == w.shape
    assert backend.conv2d_input_gradient(np.ones((2, 3, 3, 7), dtype), w, size=(5, 4)).shape == x.shape
    dx = backend.conv2d_input_gradient(
        np.ones((2, 3, 3, 0), dtype), w.transpose(0, 1, 3, 2), size=(5, 4), bias=bias
    )
    assert dx.shape == (2, 5, 4, 7) and (dx == bias).all()
    empty = np.ones((0, 3, 3, 2), dtype)
    assert not backend.conv2d_weight_gradient(np.ones((0, 5, 4, 3), dtype), empty, (3, 2)).any()
    assert backend.max_pool2d_gradient(empty, np.zeros(empty.shape, np.int64), (6, 6)).shape == (0, 6, 6, 2)


@every_backend
@pytest.mark.parametrize("where", ["x", "w", "dy"])
@pytest.mark.parametrize("case", CONVOLUTIONS[2:8] + ABREAST, ids=str)
def test_nan_and_inf_go_where_the_definition_sends_them(backend, case, where):
    x, w, dy, _, _, window = convolution(case, np.float32)
    array, rng = {"x": x, "w": w, "dy": dy}[where], np.random.default_rng(6)
    for value in np.inf, -np.inf, np.nan:
        array[rng.random(array.shape) < 0.02] = value
    array.flat[array.size // 2] = np.inf
    with np.errstate(invalid="ignore"):
        for name, arguments in {
            "conv2d": (x, w, *window),
            "conv2d_input_gradient": (dy, w, *window, x.shape[1:3]),
            "conv2d_weight_gradient": (x, dy, w.shape[:2], *window),
        }.items():
            got, expected = getattr(backend, name)(*arguments), getattr(reference, name)(*arguments)
            for kind in np.isnan, np.isposinf, np.isneginf:
                np.testing.assert_array_equal(kind(got), kind(expected), err_msg=name)


@every_backend
@pytest.mark.parametrize("case", ABREAST, ids=str)
def test_windows_side_by_side_know_nothing_of_each_other_and_nan(backend, case):
    """One pixel of x or dy, or one weight, is not finite: only its entries of y, dx, dw are not finite."""
    x, w, dy, o, c, window = convolution(case, np.float32)
    for array in x, w, dy:
        for place in range(0, array.size, 7):
            kept, array.flat[place] = array.flat[place], np.inf if place % 2 else np.nan
            with np.errstate(invalid="ignore"):
                for name, arguments in {
                    "conv2d": (x, w, *window, o, 0.2, dy),
                    "conv2d_input_gradient": (dy, w, *window, x.shape[1:3], c, 0.2, x),
                    "conv2d_weight_gradient": (x, dy, w.shape[:2], *window),
                }.items():
                    got, expected = getattr(backend, name)(*arguments), getattr(reference, name)(*arguments)
                    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected), err_msg=name)
                    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4, err_msg=name)
            array.flat[place] = kept


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kernel, stride, padding", POOLS)
def test_pool_is_exact(kernel, stride, padding, layout, dtype):
    rng = np.random.default_rng(7)
    x = rng.integers(-3, 3, (3, 13, 11, 5)).astype(dtype)  # small integers: many ties
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.3] = -np.inf
    y, index = compiled.max_pool2d(layouts(x)[layout], kernel, stride, padding)
    expected_y, expected_index = reference.max_pool2d(x, kernel, stride, padding)
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(index, expected_index)
    dy = normal(rng, dtype, *y.shape)
    got = compiled.max_pool2d_gradient(layouts(dy)[layout], layouts(index)[layout], (13, 11))
    np.testing.assert_array_equal(got, reference.max_pool2d_gradient(dy, index, (13, 11)))


HERE = Path(__file__).parent


@needs_compiled
@pytest.mark.parametrize("isa", OTHER_SETS or ["baseline"])
def test_every_instruction_set(isa):
    """Shapes, layouts, special values, threads and fast convolutions, with every other instruction set."""
    files = [HERE / f"test_{name}.py" for name in ("kernels", "fast_convolutions", "threads")]
    words = "(ugly or worst or nan or bits or no_channels or fast) and not cython"
    passes_with(isa, files, words)


@needs_compiled
@pytest.mark.parametrize("isa", compiled._core.isas() if compiled else ["baseline"])
def test_random_shapes(isa):
    """A sample of `python benchmarks/accuracy.py`. A failure's last column is the command that repeats it."""
    script = HERE.parents[1] / "benchmarks" / "accuracy.py"
    run = subprocess.run(
        [sys.executable, script, "--isa", isa, "--shapes", "300"],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0 and run.stdout.startswith(f"{isa}: 300 shapes"), run.stdout + run.stderr
