"""Signals and kills meet real processes: what is saved, and how the command ends."""

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_cases import NARROW
from processes import until

from numgan.training import runs

ROOT = Path(__file__).parents[2]


NUMGAN = [sys.executable, "-m", "numgan"]


def test_the_module_runs_and_a_closed_pipe_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m numgan systems | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith("gan:") and process.stderr == ""


def steps_done(run):
    try:
        return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    except (OSError, IndexError, ValueError):
        return 0


def test_ctrl_c_saves_and_says_how_to_go_on(start, tmp_path):
    words = ["train", "conditional", *NARROW, "--steps", 100_000, "--out", tmp_path / "run"]
    process = start([*NUMGAN, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until(lambda: steps_done(tmp_path / "run") >= 10, process)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert (
        process.returncode == 130
        and f"numgan train --resume {tmp_path / 'run'}" in err
        and "Traceback" not in err
    )
    saved = runs.open_run(tmp_path / "run").state.step
    assert saved >= 10 and steps_done(tmp_path / "run") <= saved < steps_done(tmp_path / "run") + 10


ENDLESS = """
import sys
from numgan import cli
from numgan.training import loop

def advance(*arguments):
    print("the step has begun", file=sys.stderr, flush=True)
    while True:
        sum(range(1000))

loop.advance = advance
sys.exit(cli.main())
"""


def test_a_second_ctrl_c_leaves_at_once(start, tmp_path):
    """In a step that never ends: the second signal waits for nothing."""
    words = ["train", "gan", *NARROW, "--out", tmp_path / "run"]
    command = [sys.executable, "-c", ENDLESS, *words]
    process = start(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert "steps 0 to" in process.stderr.readline()
    assert all("parameters" in process.stderr.readline() for network in "GD")
    assert process.stderr.readline() == "the step has begun\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None  # the first signal waits for the end of the step
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in err and "--resume" not in err, err
    assert runs.open_run(tmp_path / "run").state.step == 0  # the checkpoint of the start, and whole


def test_a_progress_bar_on_a_terminal(start, tmp_path):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    process = start(
        [*NUMGAN, "train", "gan", *NARROW, "--steps", 5, "--out", tmp_path / "run"],
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert (
        process.wait() == 0
        and b"loss D=" in shown
        and b"5/5" in shown
        and (b"step/s" in shown or b"s/step" in shown)
    )


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_killed_at_random_moments_and_started_again(tmp_path):
    """The small form of benchmarks/kill_resume.py; test_studies.py kills a study."""
    script = ROOT / "benchmarks" / "kill_resume.py"
    if not script.exists():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("kill_resume", script)
    kill_resume = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kill_resume)
    kill_resume.template(tmp_path)

    def trial(name):
        shutil.copytree(tmp_path / "template", tmp_path / name / "template")
        return kill_resume.trial(tmp_path / name, name, 2, random.Random(name))

    names = ("train", "judge", "sample")
    with ThreadPoolExecutor(2) as pool:  # each waits for processes of its own
        for name, found in zip(names, pool.map(trial, names)):
            assert found["kills"] >= 2 and found["ends"] and not found["wrong"], (name, found)
