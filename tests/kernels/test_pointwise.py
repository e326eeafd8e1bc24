"""The kernels that make one pass over memory, against their definitions: ugly sizes, both dtypes, threads.

A float32 result C must fulfil |C - C64| <= k u S, where C64 is the definition in float64 and u = 2^-24. S is
the size of the terms of C, where possible the definition on absolute values. For float64, u = 2^-53 and the
limit is twice as much.
"""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from kernel_cases import DTYPES, OTHER_SETS, ROUNDING, normal, passes_with
from kernel_marks import needs_compiled

from numgan import _kernels as kernels
from numgan._kernels import compiled, reference
from numgan.core.parameters import gather
from numgan.layers import Dense, LeakyReLU, Pass, Sequential, Tanh
from numgan.optimizers import SGD, Adam, RMSProp

SIZES = [0, 1, 3, 61, 64, 1009, 70001]
THREADS = 1, 2, 3, 4, 7


def near(got, expected, scale, k=4):
    """got equals the float64 array `expected` within k roundings of numbers as large as `scale`."""
    assert got.shape == expected.shape
    worst = np.max(abs(got - expected) / np.maximum(scale, 1e-30), initial=0) / ROUNDING[got.dtype.type]
    assert worst <= k, f"an error of {worst:.3g} roundings, expected at most {k}"


def unaligned(x):
    """A copy of x that begins one element after a cache line."""
    room = np.empty(x.size + 32, x.dtype)
    start = -room.ctypes.data % 64 // x.itemsize + 1
    shifted = room[start : start + x.size].reshape(x.shape)
    shifted[...] = x
    return shifted


def spaced(x):
    """The same values with gaps between them."""
    room = np.zeros([2 * n for n in x.shape], x.dtype)
    room[tuple(slice(None, None, 2) for _ in x.shape)] = x
    return room[tuple(slice(None, None, 2) for _ in x.shape)]


# --- updates ------------------------------------------------------------------------------------------------

# name: vectors that change, scalars
UPDATES = {
    "adam": ("pmv", (2e-3, 0.5, 0.999, 1e-8, 3)),
    "rmsprop": ("pv", (1e-3, 0.99, 1e-8)),
    "sgd": ("pm", (0.1, 0.9)),
    "sgd nesterov": ("pm", (0.1, 0.9, True)),
    "sgd plain": ("p", (0.1,)),
}
AROUND = [{}, {"weight_decay": 0.1}, {"clip": 0.3}, {"weight_decay": 0.3, "clip": 0.01}]


def update(module, case, p, g, m, v, around):
    """Run an update on copies; returns finite, {name: vector}."""
    names, scalars = UPDATES[case]
    at = {name: value.copy() for name, value in zip("pmv", (p, m, v)) if name in names}
    arrays = [at["p"], g, *(at[name] for name in names[1:])] + ([None] if case == "sgd plain" else [])
    return getattr(module, case.split()[0])(*arrays, *scalars, **around), at


def vectors(size, dtype):
    rng = np.random.default_rng(size)
    return (
        normal(rng, dtype, size),
        normal(rng, dtype, size),
        normal(rng, dtype, size),
        rng.random(size).astype(dtype) + dtype(0.1),
    )


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", UPDATES)
def test_update_is_its_definition(case, dtype):
    for size in SIZES:
        for around in AROUND:
            p, g, m, v = vectors(size, dtype)
            finite, got = update(compiled, case, p, g, m, v, around)
            told, expected = update(reference, case, *(a.astype(np.float64) for a in (p, g, m, v)), around)
            assert finite is told is True
            scale = abs(p) + abs(m) + abs(g) + (0.3 * abs(p)) + (abs(g) + 0.3 * abs(p)) ** 2 + v
            for name, value in got.items():
                near(value, expected[name], scale)


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", UPDATES)
def test_update_has_the_same_bits_for_any_threads_and_address(case, dtype, threads):
    p, g, m, v = vectors(70001, dtype)
    results = []
    for n in THREADS:
        threads(n)
        results += [
            update(compiled, case, *arrays, AROUND[1])[1]
            for arrays in ((p, g, m, v), map(unaligned, (p, g, m, v)))
        ]
    for result in results:
        assert all(np.array_equal(result[name], results[0][name]) for name in result), case


@pytest.mark.parametrize(
    "module", [reference, pytest.param(compiled, marks=needs_compiled)], ids=["reference", "compiled"]
)
@pytest.mark.parametrize("case", UPDATES)
def test_update_reports_what_is_not_finite(case, module):
    for dtype in DTYPES:
        for bad in np.nan, np.inf, -np.inf:
            for place in 0, 64, 1008:
                for around in AROUND:  # clipping makes an infinite p finite, and is reported all the same
                    p, g, m, v = vectors(1009, dtype)
                    g[place] = bad
                    with np.errstate(all="ignore"):
                        finite, got = update(module, case, p, g, m, v, around)
                    assert finite is False
                    assert around or not all(np.isfinite(value[place]) for value in got.values())
                    assert all(np.isfinite(np.delete(value, place)).all() for value in got.values())
    with np.errstate(all="ignore"):
        assert (
            update(module, "adam", *(np.full(3, 1e30, np.float32) for _ in "pgmv"), {})[0] is False
        )  # g^2 overflows


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
def test_moving_average(dtype, threads):
    for size in SIZES:
        average, p, _, _ = vectors(size, dtype)
        results = []
        for n in THREADS:
            threads(n)
            for here in average.copy(), unaligned(average):
                compiled.moving_average(here, p, 0.99)
                results.append(here)
        assert all(np.array_equal(result, results[0]) for result in results)
        near(results[0], 0.99 * average.astype(np.float64) + 0.01 * p, abs(average) + abs(p), k=2)


@pytest.mark.parametrize(
    "module", [reference, pytest.param(compiled, marks=needs_compiled)], ids=["reference", "compiled"]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_finite(module, dtype):
    for shape in (0,), (1,), (3, 5), (9001,), (2, 3, 4, 700):
        x = normal(np.random.default_rng(0), dtype, *shape)
        x.flat[-1:] = np.finfo(dtype).max
        assert module.all_finite(x) is True and module.all_finite(x.T) is True
        for bad in np.nan, np.inf, -np.inf:
            for place in {0, x.size // 2, x.size - 1} if x.size else ():
                worse = x.copy()
                worse.flat[place] = bad
                assert module.all_finite(worse) is False and module.all_finite(worse.T) is False


# --- activations --------------------------------------------------------------------------------------------


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0, 0.2, 1, 3.7])
def test_leaky_relu_is_exactly_its_definition_for_any_threads(slope, dtype, threads):
    rng = np.random.default_rng(5)
    special = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).tiny / 4, -np.finfo(dtype).tiny / 4], dtype
    )
    for shape in (0,), (1,), (3, 0, 2), (7,), (5, 3, 61), (70001,):
        x, dy = normal(rng, dtype, *shape), normal(rng, dtype, *shape)
        x.flat[:7] = special[: x.size]
        with np.errstate(invalid="ignore"):
            y = reference.leaky_relu(x, slope)
            dx = reference.leaky_relu_gradient(dy, y, slope)
        assert np.array_equal(y > 0, x > 0) and np.array_equal(np.isnan(y), np.isnan(x))
        for n in THREADS:
            threads(n)
            for layout in np.copy, unaligned, spaced:
                np.testing.assert_array_equal(compiled.leaky_relu(layout(x), slope), y)
                np.testing.assert_array_equal(compiled.leaky_relu_gradient(layout(dy), layout(y), slope), dx)


# --- rows of channels ---------------------------------------------------------------------------------------

ROWS = [
    (1, 1),
    (2, 3),
    (17, 1),
    (64, 1),
    (7, 64),
    (61, 37),
    (1009, 67),
    (9001, 3),
    (4096, 2),
    (3, 9001),
    (2500, 64),
    (9008, 3),
    (2018, 5),
    (96, 31),
]


def channels(case, dtype, seed=0):
    """dy, x (P, C) and five vectors (C,)."""
    rng = np.random.default_rng(seed)
    return [normal(rng, dtype, *case) for _ in range(2)], [normal(rng, dtype, case[1]) for _ in range(5)]


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [np.copy, unaligned, spaced])
@pytest.mark.parametrize("case", ROWS, ids=str)
def test_channels_are_their_definition(case, layout, dtype):
    (dy, x), (mean, scale, bias, centre, slope) = channels(case, dtype)
    about = abs(x) + abs(mean)  # the size of the terms of x - mean

    def both(name, *arrays):
        return getattr(compiled, name)(*map(layout, arrays)), getattr(reference, name)(
            *(a.astype(np.longdouble) for a in arrays)
        )

    near(*both("normalize", x, mean, scale, bias), about * abs(scale) + abs(bias))
    near(
        *both("normalize_gradient", dy, x, mean, scale, centre, slope),
        (abs(dy) + abs(centre) + about * abs(slope)) * abs(scale),
    )
    near(*both("column_sum", x), abs(x).sum(axis=0), k=8)
    for got, expected, scale in zip(
        *both("channel_products", dy, x, mean),
        (abs(dy).sum(axis=0), (abs(dy) * about).sum(axis=0)),
        strict=True,
    ):
        near(got, expected, scale, k=8)
    for got, expected, scale in zip(
        *both("channel_moments", x), (abs(x).mean(axis=0), np.square(x).mean(axis=0)), strict=True
    ):
        near(got, expected, scale, k=8)


@needs_compiled
@pytest.mark.parametrize("shift, first", [(0, 0), (1e3, 0), (-1e5, 0), (0, 1e6)])
@pytest.mark.parametrize("case", [(12544, 64), (12544, 6), (3137, 5), (50, 3)], ids=str)
def test_variance_far_from_zero(case, shift, first):
    """float32 statistics are as good as the definition's two passes, also if the first row is far away."""
    x = (np.random.default_rng(3).standard_normal(case) + shift).astype(np.float32)
    x[0] += first
    expected = [np.float64(part) for part in reference.channel_moments(x.astype(np.float64))]
    errors = []
    for module in compiled, reference:
        mean, variance = module.channel_moments(x)
        assert mean.dtype == variance.dtype == np.float32
        errors.append(
            (np.max(abs(mean - expected[0]) / np.sqrt(expected[1])), np.max(abs(variance / expected[1] - 1)))
        )
    assert all(ours <= 1.5 * theirs + 2e-7 for ours, theirs in zip(*errors)), errors
    assert errors[0][0] <= 2e-7 + abs(shift) * 2**-24 and errors[0][1] <= 1e-5 + (shift * 2**-24) ** 2


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_have_the_same_bits_for_any_threads(dtype, threads):
    alone = []
    for n in THREADS:
        threads(n)
        results = []
        for case in ROWS:
            (dy, x), (mean, scale, bias, centre, slope) = channels(case, dtype)
            results += [
                compiled.normalize(x, mean, scale, bias),
                compiled.column_sum(x),
                *compiled.channel_products(dy, x, mean),
                *compiled.channel_moments(x),
                compiled.normalize_gradient(dy, x, mean, scale, centre, slope),
            ]
        alone = alone or results
        assert all(np.array_equal(a, b) for a, b in zip(results, alone, strict=True)), n


@needs_compiled
@pytest.mark.parametrize("case", [(17, 1), (64, 2), (9008, 3), (96, 31)], ids=str)
def test_what_is_not_finite_stays_in_its_row_and_channel(case):
    for dtype in DTYPES:
        for place in (0, 0), (case[0] // 2, case[1] - 1), (case[0] - 1, 0):
            for bad in np.nan, np.inf, -np.inf:
                (dy, x), (mean, scale, bias, centre, share) = channels(case, dtype)
                x[place] = bad
                with np.errstate(all="ignore"):
                    for name, arrays in {
                        "normalize": (x, mean, scale, bias, 0.2),
                        "normalize_gradient": (dy, x, mean, scale, centre, share, bias, 0.2),
                        "channel_products": (dy, x, mean, scale, bias, 0.2),
                        "channel_moments": (x,),
                        "column_sum": (x,),
                    }.items():
                        got, expected = (
                            np.stack(getattr(module, name)(*arrays)) for module in (compiled, reference)
                        )
                        assert np.array_equal(np.isfinite(got), np.isfinite(expected)), (name, place, bad)


@pytest.mark.parametrize(
    "module", [reference, pytest.param(compiled, marks=needs_compiled)], ids=["reference", "compiled"]
)
def test_no_rows_or_no_channels(module):
    for case in (0, 3), (0, 64), (5, 0), (32, 0), (0, 0):
        x, c = np.zeros(case, np.float32), np.zeros(case[1], np.float32)
        assert module.normalize(x, c, c, c).shape == module.normalize_gradient(x, x, c, c, c, c).shape == case
        for total in module.column_sum(x), *module.channel_products(x, x, c):
            assert np.array_equal(total, c) and total.dtype == c.dtype


@pytest.mark.parametrize(
    "module", [reference, pytest.param(compiled, marks=needs_compiled)], ids=["reference", "compiled"]
)
def test_what_is_read_is_not_written(module):
    (dy, x), (mean, scale, bias, centre, slope) = arrays = channels((61, 37), np.float32)
    arrays = [*arrays[0], *arrays[1]]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    results = [
        module.normalize(x, mean, scale, bias),
        module.column_sum(x),
        *module.channel_products(dy, x, mean),
        *module.channel_moments(x),
        module.normalize_gradient(dy, x, mean, scale, centre, slope),
        module.leaky_relu(x, 0.2),
        module.leaky_relu_gradient(dy, x, 0.2),
    ]
    module.sgd(np.zeros(37, np.float32), mean, None, 0.1)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
    assert all(r.dtype == np.float32 and not np.may_share_memory(r, a) for r in results for a in arrays)


def test_a_gradient_without_a_part_is_zero_there():
    """Also in memory that held other numbers before."""
    net = Sequential(Dense(300, 100), Dense(100, 300))
    kernels.empty((net.layout.size,), np.float32)[...] = np.nan
    W = np.ones((100, 300), np.float32)
    whole = gather(net.layout, [("1", {"W": W, "b": None}), ("0", None)], np.float32)
    assert np.array_equal(whole["1.W"], W) and whole.vector.sum() == W.size


def test_the_sum_of_gradients_is_the_sum_of_their_vectors():
    shared = Dense(3, 3)  # placed twice: two parts in one place
    for net in (
        Sequential(Dense(7, 5), Sequential(Dense(5, 5), LeakyReLU())),
        Sequential(shared, Tanh(), Sequential(shared)),
    ):
        p = net.init(0)
        rng = np.random.default_rng(0)

        def gradient(net=net, p=p, rng=rng):
            y, cache = net.forward(p, normal(rng, np.float32, 4, *p["0.W"].shape[:1]), Pass())
            return net.backward(y, cache)[1]

        one, two = gradient(), gradient()
        lazy = one + two  # from the parts; the vectors are made in the next line
        assert np.array_equal(lazy.vector, one.vector + two.vector) and lazy == one + two == two + one
        one["0.W"][...] = 0  # views into the vector, as of any Parameters
        assert one + two != lazy and np.array_equal((one + two)["0.W"], two["0.W"])
        assert pickle.loads(pickle.dumps(gradient())).layout == net.layout


STORM = """if True:
    import os, random, signal, threading, time
    import numpy as np
    import numgan
    from numgan.optimizers import Adam, moving_average
    numgan.use_backend({backend!r})
    armed = False

    def handler(*arguments):
        global armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    def storm():
        while time.monotonic() < end:
            time.sleep(random.random() / 2000)
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, handler)
    optimizer, hits, end = Adam(1e-3, beta1=0.99), 0, time.monotonic() + 2
    p, g, average, averaged = np.zeros(20011), np.ones(20011), np.zeros(20011), 0
    state = optimizer.start(p)
    thread = threading.Thread(target=storm)
    thread.start()
    while time.monotonic() < end:
        try:
            armed = True
            while time.monotonic() < end:
                optimizer.update(p, g, state)
                moving_average(average, g, 0.9999)
            armed = False
        except KeyboardInterrupt:
            hits += 1
        k = state["step"]               # all slopes are 1, so every mean of them is too
        assert np.allclose(p, -1e-3 * k, rtol=1e-6) and np.allclose(state["m"], 1 - 0.99**k, rtol=1e-6), k
        assert np.allclose(state["v"], 1 - 0.999**k, rtol=1e-6) and (average == average[0]).all(), k
    thread.join()
    assert hits > 20, hits
    print("whole")"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent in another way there")
@pytest.mark.parametrize("backend", ["reference", pytest.param("compiled", marks=needs_compiled)])
def test_an_update_is_never_torn(backend):
    run = subprocess.run(
        [sys.executable, "-c", STORM.format(backend=backend)], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == "whole" and run.returncode == 0, run.stderr


def test_update_steps_and_tells():
    for optimizer in SGD(0.1), SGD(0.1, 0.9), RMSProp(), Adam():
        p, state = np.ones(5), optimizer.start(np.ones(5))
        assert optimizer.update(p, np.ones(5), state) is True and state["step"] == 1
        with np.errstate(all="ignore"):
            assert optimizer.update(p, np.full(5, np.nan), state) is False and state["step"] == 2


@needs_compiled
@pytest.mark.parametrize("isa", OTHER_SETS or ["baseline"])
def test_every_instruction_set(isa):
    """The tests of values and bits again, with every other instruction set of this processor."""
    passes_with(isa, [__file__], "definition or bits or average or finite or variance")


@pytest.mark.parametrize(
    "module", [reference, pytest.param(compiled, marks=needs_compiled)], ids=["reference", "compiled"]
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (1,), (7, 11), (131, 977), (3, 5, 7, 2)])
def test_add_is_exact(shape, dtype, module):
    rng = np.random.default_rng(0)
    one, two, out = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    module.add(one.T.copy().T, two, out)
    assert np.array_equal(out, one + two)
    module.add(one, None, out)
    assert np.array_equal(out, one)
    module.add(one, out, out)
    assert np.array_equal(out, one + one)
