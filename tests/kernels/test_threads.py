"""The kernels with threads, processes and signals: equal bits, no deadlock, Ctrl-C, memory."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from kernel_cases import DTYPES, digest, every_kernel, normal, python

from numgan._kernels import compiled, num_threads, set_num_threads
from numgan._kernels.arguments import ARGUMENTS
from numgan.core.signals import stop_requests

pytestmark = pytest.mark.skipif(
    compiled is None, reason="the compiled kernels are not built: this is the NumPy-only version"
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
needs_signals = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timer signals"
)


@pytest.fixture
def threads(monkeypatch):
    """Give even small work to threads, and put their number back afterwards."""
    before = num_threads()
    monkeypatch.setattr(compiled.calls, "_SMALL", 0)
    yield set_num_threads
    set_num_threads(before)


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


# --- processes ----------------------------------------------------------------------------------------------


def finishes(run, output=""):
    assert (run.returncode, run.stdout.strip(), run.stderr.strip()) == (0, output, ""), (
        run.stdout + run.stderr
    )


@needs_fork
@pytest.mark.parametrize("when", ["before", "after"])
def test_processes_and_threads_started_before_and_after_the_first_kernel(when):
    """fork, spawn, forkserver: two children each compute what the parent does; so do threads."""
    run = python(
        """if True:
        import multiprocessing, sys, threading, warnings
        import numpy as np
        import kernel_cases
        from numgan._kernels import compiled
        warnings.simplefilter("ignore", DeprecationWarning)   # fork in a process with threads, on purpose
        when, expected = sys.argv[1:]
        compiled.calls._SMALL = 0
        compiled.set_num_threads(3)
        if when == "after":
            compiled.matmul(np.ones((90, 5)), np.ones((5, 80)))
        for method in "fork", "spawn", "forkserver":
            context = multiprocessing.get_context(method)
            children = [context.Process(target=kernel_cases.exit_unless, args=(expected,)) for _ in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join(180)
                print(method, child.exitcode)
                child.kill()
        same = []
        def compare():
            same.append(kernel_cases.digest() == expected)
        callers = [threading.Thread(target=compare, daemon=True) for _ in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        print(same)""",
        when,
        digest(),
    )
    finishes(run, "fork 0\nfork 0\nspawn 0\nspawn 0\nforkserver 0\nforkserver 0\n[True, True]")


@needs_fork
def test_fork_while_other_threads_are_in_kernels():
    """At ten moments, with helpers at work, or looking out for it, or asleep; the parent goes on as well."""
    finishes(
        python(
            """if True:
        import os, sys, threading, time, warnings
        import numpy as np
        import kernel_cases
        from numgan._kernels import compiled
        warnings.simplefilter("ignore", DeprecationWarning)
        expected, busy, stop = sys.argv[1], np.ones((700, 700), np.float32), False
        compiled.calls._SMALL = 0
        compiled.set_num_threads(3)

        def work():
            while not stop:
                compiled.matmul(busy, busy)

        def fork():
            child = os.fork()
            if child == 0:
                os._exit(0 if kernel_cases.digest() == expected else 3)
            return child

        workers = [threading.Thread(target=work, daemon=True) for _ in range(2)]
        for worker in workers:
            worker.start()
        children = []
        for i in range(7):
            time.sleep(0.003 * i)
            children.append(fork())
        stop = True
        for worker in workers:
            worker.join()
        for pause in 0, 0.00005, 0.05:
            compiled.matmul(busy, busy)
            time.sleep(pause)
            children.append(fork())
        same = kernel_cases.digest() == expected
        print(same, [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])""",
            digest(),
        ),
        f"True {[0] * 10}",
    )


@needs_fork
@needs_signals
def test_fork_in_a_signal_handler_during_a_kernel():
    """The child has no helpers, but the product that was running ends there too, and so does the parent's."""
    finishes(
        python("""if True:
        import os, signal, warnings
        import numpy as np
        from numgan._kernels import compiled
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled.set_num_threads(4)
        a, b = np.random.default_rng(0).standard_normal((2, 700, 700), np.float32)
        image, weight = np.ones((2, 64, 64, 33), np.float32), np.ones((3, 3, 33, 65), np.float32)
        dy = np.ones((2, 62, 62, 65), np.float32)
        calls = (lambda: compiled.matmul(a, b), lambda: compiled.conv2d(image, weight),
                 lambda: compiled.conv2d_weight_gradient(image, dy, (3, 3)))
        expected, children, ends = [call() for call in calls], [], []
        signal.signal(signal.SIGALRM, lambda *_: children.append(os.fork()))
        for call, want in zip(calls, expected):
            for delay in 0.001, 0.003, 0.007:
                count = len(children)
                signal.setitimer(signal.ITIMER_REAL, delay)
                while len(children) == count:
                    got = call()
                right = np.array_equal(got, want) and np.array_equal(compiled.matmul(a, b), expected[0])
                if children[-1] == 0:
                    os._exit(0 if right else 3)
                ends.append((right, os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1])))
        print(ends)"""),
        str([(True, 0)] * 9),
    )


def test_kernels_at_exit():
    """A kernel called when the interpreter shuts down, where threads cannot be started any more."""
    finishes(
        python("""if True:
        import atexit, numpy as np
        from numgan._kernels import compiled
        compiled.calls._SMALL = 0
        compiled.set_num_threads(3)
        atexit.register(lambda: print(compiled.matmul(np.ones((90, 5)), np.ones((5, 80))).sum()))"""),
        "36000.0",
    )


def test_daemon_threads_at_exit():
    """They are in the middle of kernels when the interpreter goes away."""
    for _ in range(3):
        finishes(
            python("""if True:
            import threading, time, numpy as np
            from numgan._kernels import compiled
            compiled.calls._SMALL = 0
            compiled.set_num_threads(2)
            def work():
                while True:
                    compiled.matmul(np.ones((500, 500), np.float32), np.ones((500, 500), np.float32))
            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.1)""")
        )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_of_short_lived_threads_comes_back(threads):
    threads(1)
    a = np.ones((300, 700), np.float32)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def live_and_die(times):
        for _ in range(times):
            thread = threading.Thread(target=compiled.matmul, args=(a, a.T))
            thread.start()
            thread.join()

    live_and_die(20)
    before = resident()
    live_and_die(200)  # each packs 1.4 MB
    assert resident() - before < 20e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is not heeded everywhere")
def test_no_memory_for_packing_is_a_memory_error():
    """Every share fails, in any order: Ctrl-C's status always has its exception, and the next call works."""
    finishes(
        python("""if True:
        import resource, numpy as np
        from numgan._kernels import compiled
        compiled.set_num_threads(2)
        x, w = np.ones((1, 64, 64, 1024), np.float32), np.ones((4, 4, 1024, 32), np.float32)
        small = np.ones((200, 200), np.float32)
        compiled.calls._SMALL = 0
        compiled.matmul(small, small)                # helpers have their stacks
        now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (8 << 20), resource.RLIM_INFINITY))
        for _ in range(5):
            try:
                compiled.conv2d(x, w, (2, 2), (1, 1))
            except MemoryError as error:
                message = str(error)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        print(message, compiled.conv2d(x, w, (2, 2), (1, 1))[0, 5, 5, 5])"""),
        "numgan: no memory for the blocks of a kernel 16384.0",
    )


def test_kernels_that_need_no_memory_do_not_miss_it():
    """A thread whose first kernel has no channels asks for scratch of 0 bytes."""
    finishes(
        python(
            "import numpy as np, numgan._kernels as k; dy, w = np.ones((2, 3, 3, 2)), np.ones((3, 3, 0, 2)); "
            "print(k.conv2d_input_gradient(dy, w, size=(5, 5)).shape)"
        ),
        "(2, 5, 5, 0)",
    )


# --- signals ------------------------------------------------------------------------------------------------

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
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    try:
        with pytest.raises(KeyboardInterrupt):
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
    assert python("import numgan; print(numgan.backend())", NUMGAN_PURE=value).stdout.split() == [backend]


def test_environment_is_heard():
    run = python(
        "from numgan._kernels import compiled; print(compiled.num_threads(), compiled._core.isa())",
        NUMGAN_NUM_THREADS="1",
        NUMGAN_ISA="baseline",
    )
    assert run.stdout.split() == ["1", "baseline"], run.stderr
