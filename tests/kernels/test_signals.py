"""The kernels and signals: Ctrl-C is answered soon, handlers may call kernels, helpers take no signals."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from kernel_cases import digest, finishes, normal, python
from kernel_marks import needs_compiled, needs_signals

from numgan._kernels import compiled
from numgan._kernels.arguments import ARGUMENTS
from numgan.core.signals import stop_requests

pytestmark = needs_compiled


# kernels of some seconds; an array of zeros costs no memory until it is written
LONG = """if True:
    import os, signal, sys, threading, time
    import numpy as np
    import kernel_cases
    from numgan._kernels import compiled
    def once(*shape):
        return np.broadcast_to(np.float32(1), shape)
    def zeros(*shape):
        return np.zeros(shape, np.float32)
    x, w, y = zeros(8, 64, 64, 512), zeros(4, 4, 512, 1024), zeros(8, 61, 61, 1024)
    x3, w3 = zeros(8, 64, 64, 1024), zeros(3, 3, 1024, 1024)
    x5, y5 = zeros(16, 64, 64, 512), zeros(16, 30, 30, 1024)
    long = {
        "matmul": lambda: compiled.matmul(once(2000, 200000), once(200000, 2000)),
        "dense weight gradient": lambda: compiled.matmul(once(200000, 2000).T, once(200000, 2000)),
        "conv2d": lambda: compiled.conv2d(x, zeros(7, 7, 512, 512)),
        "input gradient": lambda: compiled.conv2d_input_gradient(
            zeros(8, 58, 58, 512), zeros(7, 7, 512, 512), size=(64, 64)),
        "thin conv2d": lambda: compiled.conv2d(zeros(64, 256, 256, 8), zeros(9, 9, 8, 256), padding=(4, 4)),
        "thin weight gradient": lambda: compiled.conv2d_weight_gradient(
            zeros(16, 256, 256, 8), zeros(16, 248, 248, 256), (9, 9)),
        "thin input gradient": lambda: compiled.conv2d_input_gradient(
            zeros(16, 128, 128, 256), zeros(9, 9, 8, 256), padding=(4, 4), size=(128, 128)),
        "weight gradient": lambda: compiled.conv2d_weight_gradient(x, zeros(8, 58, 58, 512), (7, 7)),
        "fast conv2d": lambda: compiled.conv2d(x3, w3, padding=(1, 1)),
        "fast input gradient": lambda: compiled.conv2d_input_gradient(x3, w3, padding=(1, 1), size=(64, 64)),
        "fast weight gradient": lambda: compiled.conv2d_weight_gradient(x5, y5, (5, 5), (2, 2)),
        "max_pool2d": lambda: compiled.max_pool2d(zeros(16, 256, 256, 64), (9, 9), (1, 1), (4, 4)),
    }
"""


@needs_signals
@pytest.mark.parametrize("n", [1, 2])
def test_ctrl_c_is_answered_within_100_ms(n):
    """Ctrl-C during one call of every kind of kernel, also while the main thread only waits for a helper.

    The next calls are right.
    """
    run = python(
        LONG
        + """
    n, expected = int(sys.argv[1]), sys.argv[2]
    compiled.set_num_threads(n)

    def press():
        global pressed
        pressed = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    for name, kernel in long.items():
        late = []
        for wait in 0.03, 0.05, 0.07:
            timer = threading.Timer(wait, press)
            timer.start()
            try:
                kernel()
                timer.join()
                time.sleep(0.05)
            except KeyboardInterrupt:
                late.append(1e3 * (time.perf_counter() - pressed))
        print(f"{name}: {sorted(late)[1]:.1f} {len(late)}")
    print(kernel_cases.digest() == expected)""",
        str(n),
        digest(),
    )
    *lines, same = run.stdout.strip().split("\n")
    latencies = {name: float(words.split()[0]) for name, words in (line.split(": ") for line in lines)}
    assert same == "True" and len(latencies) == 12, run.stdout + run.stderr
    assert max(latencies.values()) < 100 and all(line.endswith(" 3") for line in lines), lines


@needs_signals
@pytest.mark.parametrize(
    "kernel, output, width, scalars",
    [
        ("leaky_relu", "y", None, {"slope": 0.2}),
        ("leaky_relu_gradient", "dx", None, {"slope": 0.2}),
        ("normalize", "y", None, {"slope": 1}),
        ("normalize_gradient", "dx", None, {"slope": 1}),
        ("channel_moments", "partial", 128, {"rows": 128}),
        ("channel_products", "partial", 128, {"rows": 128, "slope": 1}),
        ("column_sum", "partial", 64, {"rows": 128}),
    ],
)
def test_a_pass_over_memory_stops_on_its_way(kernel, output, width, scalars):
    """Only the last row of x is not 0, and its result is missing: the kernel stopped before it."""
    rows = 1 << 22 if width is None else 1 << 23  # a block of zeros costs no memory until it is written
    x, channel = np.zeros((rows, 64), np.float32), np.full(64, 0.5, np.float32)
    x[-1] = 5
    out = np.zeros((rows, 64), np.float32) if width is None else np.zeros((rows // 128, width))
    inputs = {name: channel if array.ndim == 1 else x for name, array in ARGUMENTS[kernel].arrays.items()}
    arrays = inputs | {output: out}
    if kernel.startswith("leaky"):
        arrays = {name: array.reshape(-1) for name, array in arrays.items()}

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            compiled._core.run(kernel, (1, 1), **arrays, **scalars)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not out[-1].any()


@needs_signals
@pytest.mark.parametrize("n", [1, 2])
def test_a_handler_may_return_or_call_kernels_and_the_result_is_right(threads, n):
    threads(n)
    rng, handled = np.random.default_rng(0), []
    a, b, c = (
        normal(rng, np.float32, 1500, 1100),
        normal(rng, np.float32, 1100, 1300),
        normal(rng, np.float32, 300, 300),
    )
    x, w = normal(rng, np.float32, 6, 48, 48, 96), normal(rng, np.float32, 3, 3, 96, 96)
    product, square, y = compiled.matmul(a, b), compiled.matmul(c, c), compiled.conv2d(x, w)

    def handle(number, frame):
        handled.append(np.array_equal(compiled.matmul(c, c), square))
        signal.setitimer(signal.ITIMER_REAL, 0.005)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    try:
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            assert np.array_equal(compiled.matmul(a, b), product) and np.array_equal(compiled.conv2d(x, w), y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(handled) > 5 and all(handled)


@needs_signals
def test_training_finishes_the_kernel_at_the_first_ctrl_c_and_leaves_at_the_second(threads):
    threads(2)
    a = np.broadcast_to(np.float32(1), (1000, 60000))
    with stop_requests() as stop:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert (compiled.matmul(a, a.T) == 60000).all()
        assert stop.asked
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            for _ in range(100):
                compiled.matmul(a, a.T)


@pytest.mark.skipif(not hasattr(signal, "sigwait"), reason="this system has no sigwait")
def test_helpers_take_no_signals():
    """A signal that all threads of the program block waits for sigwait. It would kill an unmasked helper."""
    finishes(
        python(
            """if True:
        import os, signal, time, numpy as np
        from numgan._kernels import compiled
        compiled.calls._SMALL = 0
        compiled.set_num_threads(3)
        compiled.matmul(np.ones((500, 500)), np.ones((500, 500)))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
        print(signal.sigwait({signal.SIGUSR1}) == signal.SIGUSR1)""",
            OPENBLAS_NUM_THREADS="1",
        ),
        "True",
    )
