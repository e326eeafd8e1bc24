"""The processes that tests start: none of them is left behind, and none is waited for in vain."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

MARK = "NUMGAN_TESTS"     # in the environment of all that a session starts: the number of its process


def until(true, process, seconds=60):
    """Wait until true() is; AssertionError if the process ends before, or if it takes longer than so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, f"the process ended with code {process.returncode} before its time"
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.005)


def end(process):
    """Kill a process that has begun a group, and all of the group, and reap it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def left(mark, seconds=5):
    """{number: command} of the marked processes that live on after so many seconds; they are killed. Linux only."""
    deadline = time.monotonic() + seconds
    while (found := _marked(f"{MARK}={mark}".encode())) and time.monotonic() < deadline:
        time.sleep(0.05)
    for number in found:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return found


def _marked(mark):
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):                          # it has just ended, or is another user's
            if int(path.name) != os.getpid() and mark in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    # multiprocessing's own helper lives as long as we do
    return {number: command for number, command in found.items() if command and "resource_tracker" not in command}


def popen(command, **options):
    """A process in a group of its own, for `end`."""
    return subprocess.Popen(list(map(str, command)), start_new_session=True, **options)
