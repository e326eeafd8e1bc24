"""Tests of tests/processes.py: processes that still run are found and ended; each wait has a limit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import processes
import pytest

ORPHAN = (
    "import subprocess, sys; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"
)
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_process_whose_parent_is_gone_is_found_and_killed():
    subprocess.run([sys.executable, "-c", ORPHAN], env=os.environ | {processes.MARK: "a session"}, check=True)
    (command,) = processes.left("a session", 0).values()
    assert "time.sleep(600)" in command and not processes.left("a session", 60)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_process_ends_with_its_children(start):
    parent = ORPHAN.replace("start_new_session=True", "stdout=1") + ".wait()"
    process = start([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    processes.end(process)
    assert process.poll() == -signal.SIGKILL and process.stdout.closed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_session_that_leaves_a_process_behind_fails(tmp_path):
    """pytest itself, on two tests: one that uses the fixture and fails, and one that does not."""
    tests = Path(__file__).parents[1]
    conftest, waiting = (tests / "conftest.py").read_text(), "processes.left(os.getpid())"
    assert waiting in conftest
    (tmp_path / "conftest.py").write_text(conftest.replace(waiting, "processes.left(os.getpid(), 0.5)"))
    (tmp_path / "test_it.py").write_text(
        f"import subprocess\ndef test_one(start):\n    assert not start({SLEEP})\n"
        f"def test_two():\n    subprocess.Popen({SLEEP})\n"
    )
    options = ["-q", "-p", "no:cacheprovider", "-o", f"pythonpath={tests}", "--rootdir", tmp_path]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 1 and "1 failed, 1 passed, 1 error" in run.stdout, run.stdout
    assert run.stdout.count("time.sleep(600)") >= 1 and "tests have left processes behind" in run.stdout


def test_a_wait_has_an_end(start):
    process = start(SLEEP)
    with pytest.raises(AssertionError, match="the condition was not true within 0.1 seconds"):
        processes.until(lambda: False, process, 0.1)
    process.kill()
    process.wait()
    with pytest.raises(AssertionError, match="ended too early, with code -9"):
        processes.until(lambda: False, process)


def test_ctrl_c_is_heard_though_the_parent_ignores_it():
    """In the processes that tests start too."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "True\n"
    )
