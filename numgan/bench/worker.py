"""A separate process for one of the compared programs: numgan and PyTorch share no allocator or threads.

    with Worker("torch_steps", threads=2) as worker:
        worker("build", "mlp", "careful", real)      calls build() of torch_steps.py in that process
        worker("run", "careful", 10)

The process also makes it possible to measure the memory of one program alone. In the process of PyTorch, the
mmap threshold of glibc is raised, as an experienced user would set it. Otherwise each large temporary array
of each step would be returned to the system and mapped again. Requests and answers are pickles, sent through
the pipes of the process.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

SIDES = "numpy", "torch"  # the programs with which numgan can be compared
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def expect_known(word, given, known):
    """Raise ValueError if a name in the list `given` is not in the list `known`.

    `word` is the noun for such a name in the message, such as "workload".
    """
    for name in given:
        if name not in known:
            raise ValueError(f"{word}: expected some of {', '.join(known)}, got {name!r}")


def expect_sides(against):
    """Check `against`, the names of the programs to compare with: a choice of "numpy" and "torch".

    Raises ValueError for another name, and ImportError if torch is named but not installed.
    """
    expect_known("against", against, SIDES)
    if "torch" in against and find_spec("torch") is None:
        raise ImportError(
            "--against torch: PyTorch is not installed here; get it with `pip install 'numgan[bench]'`, or "
            "leave torch out"
        )


class Refused(RuntimeError):
    """The error of a call in the worker's process: a function failed there.

    The message is the type and the first line of the error of this function.
    """


class Worker:
    """A process that calls functions of one module of this folder: worker("name of a function", *arguments).

    module    the name of the module, such as "torch_steps"
    threads   the number of threads of numgan, BLAS and PyTorch
    tuned     True: raise the mmap threshold of glibc

    A call returns the result. It raises Refused if the function fails, and RuntimeError if the process ends.
    The process is killed at the end of a `with` block.
    """

    def __init__(self, module, threads, tuned=True):
        counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMGAN")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | counts | (TUNED if tuned else {}),
        )

    def __call__(self, function, *arguments):
        """Call the function of this name with `arguments` in the process, and return its result.

        Raises Refused if the function fails, and RuntimeError if the process ends.
        """
        try:
            pickle.dump((function, arguments), self._process.stdin)
            self._process.stdin.flush()
            good, answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(
                f"bench: the process of the other side ended with code {self._process.wait()} during "
                f"{function!r}; see its messages above"
            ) from error
        if not good:
            raise Refused(answer)
        return answer

    def side(self, name):
        """Make a function side(calls) -> [ms] for `interleave`: it calls run(name, calls) in the process.

        run is a function of the module, name the variant or layout that it times.
        """
        return lambda calls: self("run", name, calls)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Kill the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()


# ---- the code of the other process


def peak_memory():
    """The largest resident memory of this process until now, in MB; None if the system does not report it.

    The number is VmHWM of Linux, which belongs to this process only. The maximum of getrusage would be wrong:
    it is inherited from the parent process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def load(module, threads):
    """Import the module of this folder with the name `module` and return it.

    For PyTorch's modules, `threads` becomes PyTorch's number of threads.
    The folder that contains the package is added to sys.path. For torch_steps, empty modules take the place
    of numgan and numgan.bench in sys.modules, so numgan's memory does not count for PyTorch.
    """
    folder = Path(__file__).parent
    sys.path.insert(0, str(folder.parents[1]))
    if module.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    if module == "torch_steps":  # numgan itself is not imported: its memory must not count for PyTorch
        for name, path in (("numgan", folder.parent), ("numgan.bench", folder)):
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = [str(path)]
    return import_module(f"numgan.bench.{module}")


def serve(module, threads):
    """Answer requests from stdin until stdin is closed: the main loop of the worker's process.

    module is the name of the module whose functions are called, threads PyTorch's number of threads. A
    request is (function name, arguments). An answer is (True, result) or (False, error message), written to
    stdout. All text that the module prints goes to stderr. Ctrl-C is ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and then ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    functions = vars(load(module, threads)) | {"peak_memory": peak_memory}
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = True, functions[name](*arguments)
        except Exception as error:
            first, *_ = str(error).strip().splitlines() or [""]
            answer = False, f"{type(error).__name__}: {first[:200]}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
