"""The kernels with processes: fork, spawn, exit; no deadlock, and memory."""

import os
import sys
import threading

import numpy as np
import pytest
from kernel_cases import digest, finishes, python
from kernel_marks import needs_compiled, needs_fork, needs_signals

from numgan._kernels import compiled

pytestmark = needs_compiled


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
