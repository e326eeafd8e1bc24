"""A process of its own for one side of a comparison, so that neither library's allocator, threads or memory are the other's.

    with Worker("torch_steps", threads=2) as worker:
        worker("build", "mlp", "careful", real)      calls that function of numgan/bench/torch_steps.py over there
        worker("run", "careful", 10)

PyTorch's process has glibc's threshold for mmap raised, or each large temporary of each step would be given back to the system
and faulted in again: a tuned user's setting. Requests and answers are pickles through the process's own pipes.
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

MODULES = ("torch_steps", "torch_kernels", "steps")
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def require_torch():
    """ImportError that says how to get PyTorch, if it is not there."""
    if find_spec("torch") is None:
        raise ImportError(
            "--against torch: PyTorch is not installed here; get it with `pip install 'numgan[bench]'`, or leave torch out"
        )


class Refused(RuntimeError):
    """The other process could not do what it was asked; the message is its error."""


class Worker:
    """A process that has imported one of MODULES and calls its functions. Refused if a call fails, RuntimeError if the process ends."""

    def __init__(self, module, threads, tuned=True):
        counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMGAN")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | counts | (TUNED if tuned else {}),
        )

    def __call__(self, function, *arguments):
        try:
            pickle.dump((function, arguments), self._process.stdin)
            self._process.stdin.flush()
            good, answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(
                f"bench: the comparator's process ended with code {self._process.wait()} during {function!r}; "
                "its own words are above"
            ) from error
        if not good:
            raise Refused(answer)
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()


# ---- the other side


def peak_memory():
    """The largest resident size of this process so far, in MB; None where the system does not tell.

    VmHWM belongs to this program alone; getrusage's maximum is inherited from the process that started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def load(module, threads):
    """Import one of MODULES from the folder of this file."""
    folder = Path(__file__).parent
    sys.path.insert(0, str(folder.parents[1]))
    if module.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    if module == "torch_steps":  # without numgan itself, whose memory is not PyTorch's
        for name, path in (("numgan", folder.parent), ("numgan.bench", folder)):
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = [str(path)]
    return import_module(f"numgan.bench.{module}")


def serve(module, threads):
    """Answer requests until nobody asks any more. What the module prints goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking process's, which then ends this one
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
            answer = False, f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
