"""Tests of numgan/_kernels/door.py: it refuses all arguments that the C code cannot handle.

`python benchmarks/fuzz_kernels.py` tests it with random arguments.
"""

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kernel_marks import needs_compiled

import numgan as ng
from numgan import _kernels as kernels


class Lying(np.ndarray):
    """A subclass that is wrong about its size."""

    shape = property(lambda self: (1 << 40,))


def vector(n=8):
    return np.ones(n, np.float32)


ROWS, IMAGE, WEIGHT, WINNERS = (
    np.ones((3, 4), np.float32),
    np.ones((2, 5, 6, 3), np.float32),
    np.ones((3, 2, 3, 7), np.float32),
    (np.zeros((1, 1, 1, 2), np.int64)),
)
SUBCLASSES = {
    "masked": lambda x: np.ma.array(x, mask=np.zeros(x.shape, bool)),
    "matrix": lambda x: x.view(np.matrix),
    "recarray": lambda x: x.view(np.recarray),
    "lying": lambda x: x.view(Lying),
}


# --- arrays


@pytest.mark.parametrize(
    "call",
    [
        lambda x: kernels.matmul(x, ROWS.T),
        lambda x: kernels.matmul(ROWS.T, x),
        lambda x: kernels.matmul(ROWS.T, ROWS, None, 0.5, x.T),
        lambda x: kernels.leaky_relu(x, 0.5),
        lambda x: kernels.leaky_relu_gradient(ROWS, x, 0.5),
        kernels.all_finite,
        kernels.column_sum,
        kernels.channel_moments,
        lambda x: kernels.add(x, None, ROWS.copy()),
        lambda x: kernels.add(ROWS, None, x),
        lambda x: kernels.add(ROWS, x, ROWS.copy()),
        lambda x: kernels.normalize(x, *[vector(4)] * 3),
        lambda x: kernels.channel_products(ROWS, x, vector(4)),
    ],
    ids=lambda call: "",
)
@pytest.mark.parametrize("kind", SUBCLASSES)
def test_a_subclass_of_ndarray_is_refused(kind, call):
    names = {"masked": "MaskedArray", "lying": "Lying"}
    with pytest.raises(TypeError, match=f"got {names.get(kind, kind)}"):
        call(SUBCLASSES[kind](ROWS.copy()))


@pytest.mark.parametrize("kind", ["masked", "recarray", "lying"])
def test_an_index_of_a_subclass_is_refused(kind):
    """The mask of a masked array hides from min() and max() what C would use as an address."""
    with pytest.raises(TypeError, match="expected index as an int64 array"):
        kernels.max_pool2d_gradient(
            np.ones((1, 1, 1, 2), np.float32), SUBCLASSES[kind](WINNERS.copy()), (4, 4)
        )


def test_a_memory_map_is_an_array(tmp_path):
    held = np.memmap(tmp_path / "x.bin", np.float32, "w+", shape=(3, 4))
    held[...] = np.arange(12).reshape(3, 4) - 5
    plain = np.array(held)
    assert np.array_equal(kernels.matmul(held, plain.T), plain @ plain.T)
    y = kernels.leaky_relu(held, 0.5)
    assert type(y) is np.ndarray and np.array_equal(y, np.where(plain > 0, plain, plain / 2))


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("adam", (vector(), None, vector(), vector(), 1e-3, 0.9, 0.999, 1e-8, 1)),
        ("adam", (None, vector(), vector(), vector(), 1e-3, 0.9, 0.999, 1e-8, 1)),
        ("adam", (vector(), vector(), None, vector(), 1e-3, 0.9, 0.999, 1e-8, 1)),
        ("adam", (vector(), vector(), vector(), None, 1e-3, 0.9, 0.999, 1e-8, 1)),
        ("rmsprop", (vector(), None, vector(), 1e-3, 0.9, 1e-8)),
        ("rmsprop", (vector(), vector(), None, 1e-3, 0.9, 1e-8)),
        ("sgd", (vector(), None, None, 1e-3)),
        ("sgd", (None, vector(), None, 1e-3)),
        ("moving_average", (vector(), None, 0.9)),
        ("moving_average", (None, vector(), 0.9)),
        ("matmul", (None, ROWS)),
        ("conv2d", (IMAGE, None)),
        ("add", (None, None, ROWS.copy())),
        ("add", (ROWS, None, None)),
        ("normalize", (ROWS, None, vector(4), vector(4))),
        ("normalize", (ROWS, vector(4), vector(4), None)),
        ("channel_products", (ROWS, None, vector(4))),
        ("max_pool2d_gradient", (IMAGE, None, (9, 9))),
        ("all_finite", (None,)),
    ],
)
def test_none_for_an_array_is_refused(name, arguments):
    with pytest.raises(TypeError, match=f"{name}: expected .* got NoneType"):
        getattr(kernels, name)(*arguments)


@pytest.mark.parametrize("optimizer", [ng.SGD(0.1), ng.SGD(0.1, 0.9), ng.RMSProp(), ng.Adam()], ids=repr)
def test_an_optimizer_names_what_is_missing(optimizer):
    p, state = vector(), optimizer.start(vector())
    with pytest.raises(ValueError, match=r"update: expected g of shape \(8,\), got None"):
        optimizer.update(p, None, state)
    with pytest.raises(
        ValueError,
        match=r"update: expected a state with \[.*'step'.*\], got \['n'\]; make it with start\(p\)",
    ):
        optimizer.update(p, vector(), {"n": 1})
    for name in optimizer.moments:
        with pytest.raises(TypeError, match=f"expected {name} as a float32 or float64 array.* got NoneType"):
            optimizer.update(p, vector(), state | {name: None})
    assert np.array_equal(p, vector()) and state["step"] == 0


def test_an_output_may_be_an_input_but_not_lie_over_a_part_of_one():
    memory = np.arange(20, dtype=np.float32)
    one, out = memory[:10], memory[5:15]
    with pytest.raises(ValueError, match="add: one and out share a part of their memory; pass a copy of one"):
        kernels.add(one, None, out)
    with pytest.raises(ValueError, match="add: two and out share a part of their memory"):
        kernels.add(out.copy(), one, out)
    square = np.arange(9, dtype=np.float32).reshape(3, 3)
    with pytest.raises(ValueError, match="add: one and out share"):
        kernels.add(square.T, None, square)
    assert np.array_equal(memory, np.arange(20)) and np.array_equal(square, np.arange(9).reshape(3, 3))
    kernels.add(out, out, out)
    assert np.array_equal(memory[5:15], 2 * np.arange(5, 15))


def test_without_a_slope_what_it_would_need_is_not_read():
    sums = kernels.channel_products(ROWS, ROWS, vector(4), scale=[1], bias=vector(1))
    assert np.array_equal(sums, kernels.channel_products(ROWS, ROWS, vector(4)))
    dx = kernels.normalize_gradient(ROWS, ROWS, *[vector(4)] * 4, bias=vector(1))
    assert np.array_equal(dx, kernels.normalize_gradient(ROWS, ROWS, *[vector(4)] * 4))


# --- sizes and constants


def test_small_numpy_integers_do_not_wrap():
    """200 + 200 is 400 also where it is written in uint8, and -1 is refused."""
    assert kernels.conv2d(IMAGE, WEIGHT, padding=(np.uint8(200), np.uint8(127))).shape == (2, 403, 259, 7)
    assert kernels.output_size((6, 6), (np.uint8(3),) * 2, (np.uint8(1),) * 2, (np.uint8(200),) * 2) == (
        404,
        404,
    )
    assert kernels.empty((np.uint8(200), np.uint8(200)), np.float32).shape == (200, 200)
    assert ng.Pad(np.uint8(200)).output_shape((5, 5, 3)) == (405, 405, 3)
    dy = np.ones((1, 255, 255, 1), np.float32)
    with pytest.raises(ValueError, match="a 3x3 window does not fit an input of 1x1"):
        kernels.conv2d_input_gradient(dy, np.ones((3, 3, 1, 1), np.float32), size=(np.uint8(1),) * 2)
    with pytest.raises(ValueError, match=r"expected padding of at least 0, got \(0, -1\)"):
        kernels.conv2d(IMAGE, WEIGHT, padding=(0, np.int8(-1)))


class LyingInt(int):
    """Compares as a right size, and is another one once it is converted."""

    def __new__(cls, says, is_really):
        self = super().__new__(cls, says)
        self.is_really = is_really
        return self

    def __int__(self):
        return self.is_really

    __index__ = __int__

    def __lt__(self, other):
        return False

    __gt__ = __le__ = __ge__ = lambda self, other: True


class LyingTuple(tuple):
    """Two ones for a loop, something else for an index."""

    def __iter__(self):
        return iter((1, 1))

    def __getitem__(self, place):
        return -300


class LyingFloat(float):
    def __float__(self):
        return math.nan


def test_what_is_checked_is_what_c_is_given():
    """A number of a subclass compares in its own way: a padding of -3 then made C write where it must not."""
    lie = LyingInt(1, -3)
    calls = [
        lambda: kernels.conv2d(IMAGE, WEIGHT, padding=(lie, 0)),
        lambda: kernels.conv2d(IMAGE, WEIGHT, stride=(1, lie)),
        lambda: kernels.conv2d_weight_gradient(IMAGE, np.ones((2, 9, 10, 3), np.float32), (lie, lie)),
        lambda: kernels.conv2d_input_gradient(IMAGE[..., :1], WEIGHT[..., :1], size=(lie, lie)),
        lambda: kernels.max_pool2d(IMAGE, (lie, lie), (1, 1)),
        lambda: kernels.max_pool2d_gradient(IMAGE, WINNERS, (lie, lie)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="of at least [01], got .*-3"):
            call()
    y = kernels.conv2d(IMAGE, WEIGHT, padding=LyingTuple((5, 5)))
    assert np.array_equal(y, kernels.conv2d(IMAGE, WEIGHT, padding=(1, 1)))
    with pytest.raises(ValueError, match="expected step as an integer of at least 1"):
        kernels.adam(*[vector() for _ in range(4)], 1e-3, 0.9, 0.9, 1e-8, lie)
    with pytest.raises(ValueError, match="expected slope as a finite number"):
        kernels.leaky_relu(ROWS, LyingFloat(0.5))
    with pytest.raises(ValueError, match="expected lr as a number"):
        kernels.sgd(vector(), vector(), None, LyingFloat(0.5))


@needs_compiled
def test_a_number_of_threads_is_what_it_was_checked_as():
    before = kernels.num_threads()
    with pytest.raises(ValueError, match="expected a number of threads, 1 to 256"):
        kernels.set_num_threads(LyingInt(1 << 20, 1))
    assert kernels.num_threads() == before
    kernels.set_num_threads(LyingInt(1, 1 << 20))
    assert type(kernels.num_threads()) is int and kernels.num_threads() == 1
    kernels.set_num_threads(before)


@pytest.mark.parametrize(
    "name, arguments, error, message",
    [
        (
            "max_pool2d_gradient",
            (np.ones((1, 1, 1, 2), np.float32), WINNERS, (-4, -4)),
            ValueError,
            "expected size of at least 0",
        ),
        (
            "max_pool2d_gradient",
            (np.ones((1, 1, 1, 2), np.float32), WINNERS, (0, 4)),
            ValueError,
            "expected index as int64 from 0 to -1",
        ),
        (
            "max_pool2d",
            (np.ones((2, 0, 3, 1), np.float32), (2, 2), (1, 1), (1, 1)),
            ValueError,
            "expected a picture of at least one pixel",
        ),
        (
            "conv2d",
            (IMAGE, WEIGHT, (1, 1), (1 << 40, 1 << 40)),
            ValueError,
            "expected a padded input of at most 2.40 pixels",
        ),
        ("conv2d", (IMAGE, WEIGHT, (1.0, 1)), TypeError, "expected stride as a pair of integers"),
        ("leaky_relu", (ROWS, 10**400), ValueError, "expected slope as a finite number"),
        (
            "adam",
            (vector(), vector(), vector(), vector(), 1e-3, 1.0, 0.9, 1e-8, 1),
            ValueError,
            "expected beta1 as a number from 0 to 1",
        ),
        (
            "adam",
            (vector(), vector(), vector(), vector(), 1e-3, 0.9, 0.9, 1e-8, 0),
            ValueError,
            "expected step as an integer of at least 1, got 0",
        ),
        (
            "adam",
            (vector(), vector(), vector(), vector(), None, 0.9, 0.9, 1e-8, 1),
            ValueError,
            "expected lr as a number from -inf to inf, got None",
        ),
        (
            "sgd",
            (vector(), vector(), None, 0.1, 0.9),
            TypeError,
            "expected m as a float32 or float64 array with momentum 0.9, got NoneType",
        ),
        (
            "sgd",
            (vector(), vector(), None, 0.1, 0.0, False, 0.0, -1.0),
            ValueError,
            "expected clip as a number from 0 to inf, got -1.0",
        ),
    ],
)
def test_a_size_or_constant_out_of_range_is_named(name, arguments, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        getattr(kernels, name)(*arguments)


def test_a_step_longer_than_the_input_is_as_long_as_it():
    """Such a stride times a number of channels would not fit 64 bits, and nothing visits its 2^124 phases."""
    for huge in 11, 1 << 31, (1 << 62) - 1:
        y = kernels.conv2d(IMAGE, WEIGHT, (huge, huge), (1, 2))
        assert np.array_equal(y, kernels.conv2d(IMAGE, WEIGHT, (10, 10), (1, 2)))
        dy = np.ones((2, 2, 1, 7), np.float32)
        dx = kernels.conv2d_input_gradient(dy, WEIGHT, (2, huge), (0, 0), (5, 6))
        assert np.array_equal(dx, kernels.conv2d_input_gradient(dy, WEIGHT, (2, 6), (0, 0), (5, 6)))
        assert kernels.max_pool2d(IMAGE, (2, 2), (huge, huge))[0].shape == (2, 1, 1, 3)


@pytest.mark.parametrize(
    "backend", ["reference", *(pytest.param(name, marks=needs_compiled) for name in ("compiled", "cython"))]
)
def test_an_empty_axis_beside_a_huge_one_takes_no_time(backend):
    huge = 1 << 40
    calls = {
        "channel_moments": lambda: kernels.channel_moments(np.zeros((huge, 0)))[0].shape == (0,),
        "column_sum": lambda: kernels.column_sum(np.zeros((huge, 0))).shape == (0,),
        "normalize": lambda: kernels.normalize(np.zeros((huge, 0)), *[np.zeros(0)] * 3).shape == (huge, 0),
        "matmul": lambda: kernels.matmul(np.zeros((huge, 0)), np.zeros((0, 0))).shape == (huge, 0),
        "inner": lambda: not kernels.matmul(np.zeros((2, 0)), np.zeros((0, 3))).any(),
        "conv2d": lambda: not kernels.conv2d(np.zeros((1, huge, 1, 0)), np.zeros((huge - 2, 1, 0, 2))).any(),
        "input": lambda: (
            kernels.conv2d_input_gradient(
                np.zeros((1, 3, 1, 2)), np.zeros((huge - 2, 1, 0, 2)), size=(huge, 1)
            ).size
            == 0
        ),
        "weight": lambda: (
            kernels.conv2d_weight_gradient(
                np.zeros((1, huge, 1, 0)), np.zeros((1, 3, 1, 2)), (huge - 2, 1)
            ).size
            == 0
        ),
        "pool": lambda: (
            kernels.max_pool2d(np.zeros((0, 1 << 20, 1 << 20, 1)), (1 << 19, 1 << 19), (1 << 18, 1 << 18))[
                0
            ].size
            == 0
        ),
    }
    with kernels.use_backend(backend):
        for name, call in calls.items():
            began = time.monotonic()
            assert call(), name
            assert time.monotonic() - began < 1, name


# --- at random


@needs_compiled
@pytest.mark.parametrize("backend", ["compiled", "cython"])
def test_random_calls(backend):
    """A sample of benchmarks/fuzz_kernels.py. Its message ends with the number of a call that failed."""
    script = Path(__file__).parents[2] / "benchmarks" / "fuzz_kernels.py"
    run = subprocess.run(
        [sys.executable, script, "--calls", "1500", "--seed", "7", "--backend", backend],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0 and '"failures": []' in run.stdout, run.stdout + run.stderr
