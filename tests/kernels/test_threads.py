"""The kernels with threads: equal bits, memory, and how many there are."""

import threading
import time

import numpy as np
import pytest
from kernel_cases import DTYPES, every_kernel, normal, python
from kernel_marks import needs_compiled

from numgan._kernels import compiled

pytestmark = needs_compiled


# --- bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_threads(threads, dtype):
    threads(1)
    alone = every_kernel(dtype)
    for n in 2, 3, 4, 7:
        threads(n)
        assert every_kernel(dtype) == alone, f"{n} threads"


def test_bits_do_not_depend_on_the_split():
    """A part of the product is the product of a part, for rows and columns cut anywhere.

    A single column is left out: it has its own kernel.
    """
    rng = np.random.default_rng(8)
    a, b = normal(rng, np.float32, 61, 911), normal(rng, np.float32, 911, 83)
    whole = compiled.matmul(a, b)
    for m, n in (1, 2), (2, 5), (13, 16), (14, 33), (60, 81):
        np.testing.assert_array_equal(compiled.matmul(a[:m], b[:, n:]), whole[:m, n:])
        np.testing.assert_array_equal(compiled.matmul(a[m:], b[:, :n]), whole[m:, :n])


def test_eight_callers_while_the_number_of_threads_changes(threads):
    threads(3)
    expected, got, done = [every_kernel(np.float32, seed) for seed in range(8)], [None] * 8, threading.Event()

    def call(seed):
        got[seed] = every_kernel(np.float32, seed)

    def turn():
        while not done.is_set():
            for n in 1, 5, 2, 7:
                threads(n)
                time.sleep(0.001)

    callers = [threading.Thread(target=call, args=(seed,), daemon=True) for seed in range(8)]
    knob = threading.Thread(target=turn, daemon=True)
    for thread in (knob, *callers):
        thread.start()
    for caller in callers:
        caller.join(60)
    done.set()
    knob.join(60)
    assert got == expected


# --- how many -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, -1, 257, 1.5, "two", None, True])
def test_number_of_threads_is_checked(n):
    with pytest.raises(ValueError, match="set_num_threads: expected a number of threads, 1 to 256, got"):
        compiled.set_num_threads(n)


@pytest.mark.parametrize(
    "variable, value, message",
    [
        (
            "NUMGAN_NUM_THREADS",
            "none",
            "NUMGAN_NUM_THREADS: expected a number of threads, 1 to 256, got 'none'; "
            "set it to one or unset it",
        ),
        (
            "NUMGAN_NUM_THREADS",
            "0",
            "NUMGAN_NUM_THREADS: expected a number of threads, 1 to 256, got '0'; set it to one or unset it",
        ),
        (
            "NUMGAN_NUM_THREADS",
            "257",
            "NUMGAN_NUM_THREADS: expected a number of threads, 1 to 256, got '257'; "
            "set it to one or unset it",
        ),
        (
            "NUMGAN_PURE",
            "yes",
            "ValueError: NUMGAN_PURE: expected 1 (NumPy alone) or 0 (the compiled kernels), got 'yes'; "
            "set it to one or unset it",
        ),
        ("NUMGAN_ISA", "mmx", "ImportError: numgan: NUMGAN_ISA='mmx', but this processor offers baseline"),
    ],
)
def test_environment_is_checked(variable, value, message):
    run = python("import numgan._kernels", **{variable: value})
    assert run.returncode == 1 and message in run.stderr.strip().split("\n")[-1]


@pytest.mark.parametrize("value, backend", [("", "compiled"), ("0", "compiled"), ("1", "reference")])
def test_pure_is_heard(value, backend):
    code = "import numgan; print(numgan.backend())"
    assert python(code, NUMGAN_PURE=value, NUMGAN_BACKEND="").stdout.split() == [backend]


def test_environment_is_heard():
    run = python(
        "from numgan._kernels import compiled; print(compiled.num_threads(), compiled._core.isa())",
        NUMGAN_NUM_THREADS="1",
        NUMGAN_ISA="baseline",
    )
    assert run.stdout.split() == ["1", "baseline"], run.stderr
