"""Helpers for the processes that tests start: each process is ended, and each wait has a time limit."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

MARK = "NUMGAN_TESTS"  # environment variable of all processes of a session: pytest's process number


def until(true, process, seconds=60):
    """Wait until true() is true. AssertionError if the process ends first, or after this many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, f"the process ended too early, with code {process.returncode}"
        assert time.monotonic() < deadline, f"the condition was not true within {seconds} seconds"
        time.sleep(0.005)


def end(process):
    """Kill a process that leads a group, and the whole group. Wait for the process and close its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def left(mark, seconds=5):
    """{number: command} of the marked processes that still run after `seconds`; they are killed.

    Linux only.
    """
    deadline = time.monotonic() + seconds
    while (found := _marked(f"{MARK}={mark}".encode())) and time.monotonic() < deadline:
        time.sleep(0.05)
    for number in found:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return found


def _marked(mark):
    """{number: command} of the other running processes with this mark in their environment."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or is another user's
            if int(path.name) != os.getpid() and mark in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (
                    (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
    # multiprocessing's resource tracker runs as long as this process
    return {
        number: command for number, command in found.items() if command and "resource_tracker" not in command
    }


def popen(command, **options):
    """Start a process as the leader of a new group, so that `end` can kill the group."""
    return subprocess.Popen(list(map(str, command)), start_new_session=True, **options)
