"""The folder of a run: what is in it, which folders are refused, and what a user sees meanwhile."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from training_cases import RING, go, make, metrics, weights

import numgan as ng
from numgan import systems
from numgan.core import files
from numgan.training import loop as training
from numgan.training import runs
from numgan.training.state import State


def test_the_run_folder(tmp_path, drawn_curves):
    trained = go("conditional", tmp_path / "run", steps=5)
    assert {path.name for path in tmp_path.joinpath("run").iterdir() if not path.name.startswith(".")} == {
        "config.json",
        "metrics.jsonl",
        "samples",
        "samples.png",
        "training.gif",
        "curves.png",
        "checkpoint.npz",
        "data.npz",
    }
    assert [path.name for path in runs.pictures(trained.folder)] == [
        f"step-{n:06d}.png" for n in (0, 2, 4, 5)
    ]
    with (
        Image.open(trained.files["samples"]) as grid,
        Image.open(trained.files["samples over time"]) as animation,
    ):
        assert grid.height < grid.width < grid.height + 30  # ten a class, names at the left
        assert animation.n_frames >= 2 and animation.size == grid.size
    record = json.loads((trained.folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert (
        record.keys() == {"step", "epoch", "losses", "gradients", "metrics", "seconds"}
        and record["step"] == trained.steps == 5
    )
    assert record["losses"] == trained.losses and record["epoch"] == pytest.approx(5 * 8 / 1500, abs=1e-4)
    assert record["metrics"].keys() == {"D(x)", "D(G(z))"}
    config = json.loads((trained.folder / "config.json").read_text())
    assert (
        config["versions"]["numpy"] == np.__version__
        and config["versions"]["backend"] == ng.backend()
        and config["seed"] == 5
    )
    assert trained.steps_per_second > 0 and all(path.exists() for path in trained.files.values())


def test_what_a_run_leaves_behind_can_be_opened(tmp_path, drawn_curves):
    system = systems.build("gan", "points", 0.05)
    trained = training.train(
        system, RING, tmp_path / "run", steps=2, batch_size=4, picture_every=1, progress=False
    )
    assert set(trained.files) == {
        "samples",
        "samples over time",
        "curves",
        "metrics",
        "configuration",
        "checkpoint",
        "rows of the data",
    }
    for what in ("samples", "samples over time", "curves"):
        with Image.open(trained.files[what]) as image:
            assert image.format == ("GIF" if what == "samples over time" else "PNG") and min(image.size) > 50
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        f"step-00000{k}.png" for k in range(3)
    ]
    assert (
        len(runs.read_metrics(tmp_path / "run", 2)) == 1
        and trained.steps == 2
        and set(trained.losses) == {"D", "G"}
    )
    assert json.loads(trained.files["configuration"].read_text())["steps"] == 2


def test_a_classifier_leaves_no_pictures(tmp_path):
    trained = go("classifier", tmp_path / "run", steps=2)
    left = {path.name for path in trained.folder.iterdir() if not path.name.startswith(".")}
    assert left - {"samples"} == {"config.json", "metrics.jsonl", "curves.png", "checkpoint.npz", "data.npz"}
    assert trained.files.keys() == {"curves", "metrics", "configuration", "checkpoint", "rows of the data"}
    assert not runs.pictures(trained.folder)


def test_a_system_of_points_leaves_scatter_plots(tmp_path):
    trained = go("points", tmp_path / "run", steps=2)
    with Image.open(trained.files["samples"]) as picture:
        assert picture.size == (500, 500)


def test_the_gradients_norm_is_logged(tmp_path):
    """Of the update that led to the line, for every network, in the file of a run that logs every step."""
    system, dataset = make("gan")
    go("gan", tmp_path / "run", steps=3, log_every=1)
    state, feed = State.start(system, 5), dataset.feed(8, 5)
    for record in metrics(tmp_path / "run"):
        results = training.advance(system, state, feed, 5)
        assert record["gradients"].keys() == {"D", "G"}
        for name, result in results.items():
            exact = np.sqrt((result.gradients[name].vector.astype(np.float64) ** 2).sum())
            assert record["gradients"][name] == pytest.approx(exact, rel=1e-5)


def test_a_line_for_each_network_and_two_more_when_stderr_is_no_terminal_and_none_when_asked(tmp_path, capfd):
    go("gan", tmp_path / "a", steps=2, progress=True)
    out, err = capfd.readouterr()
    first, G, D, last = err.splitlines()
    assert out == "" and "samples, steps 0 to 2, in" in first and "steps/s" in last
    assert G.startswith("numgan: G: ") and D.startswith("numgan: D: ") and "parameters, " in G
    go("gan", tmp_path / "b", steps=2)
    assert capfd.readouterr() == ("", "")


def test_the_bar_shows_the_losses_of_the_step(tmp_path, monkeypatch):
    shown, advanced = [], []

    class Bar(training.tqdm):
        def set_postfix(self, figures, **how):
            shown.append(figures)

        def update(self, n=1):
            advanced.append(n)

    monkeypatch.setattr(training, "tqdm", Bar)
    losses = []
    go("gan", tmp_path / "run", steps=3, log_every=1, progress=True)
    for record in runs.read_metrics(tmp_path / "run", 3):
        losses.append({f"loss {name}": f"{loss:.3f}" for name, loss in record["losses"].items()})
    assert shown == losses and len(losses) == 3 and advanced == [1, 1, 1]


def test_whoever_looks_sees_the_state_after_every_step(tmp_path):
    seen = []
    system, dataset = make("gan")
    look = lambda state: seen.append((state.step, state.params["G"].vector.copy()))
    go("gan", tmp_path / "run", steps=3, look=look)
    state, feed = State.start(system, 5), dataset.feed(8, 5)
    for step, vector in seen:
        training.advance(system, state, feed, 5)
        assert state.step == step and np.array_equal(vector, state.params["G"].vector)
    assert len(seen) == 3


def test_a_folder_in_use_is_never_written(tmp_path):
    go("gan", tmp_path / "run", steps=1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a run already.*--resume"):
        go("gan", tmp_path / "run")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match="not empty"):
        go("gan", tmp_path / "other")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        go("gan", tmp_path / "file" / "run")


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    if files.fcntl is None:
        pytest.skip("no flock here")
    go("gan", tmp_path / "run", steps=1)
    with runs.alone(tmp_path / "run"), pytest.raises(ValueError, match="another process"):
        go("gan", tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "name, content", [("checkpoint.npz", b"mine"), ("letter.txt", b"mine"), ("checkpoint.npz", None)]
)
def test_a_folder_with_something_in_it_is_no_place_for_a_run(name, content, tmp_path):
    """Not even with a checkpoint of the same run that has made steps."""
    go("gan", tmp_path / "run")
    (tmp_path / "other").mkdir()
    content = weights(tmp_path / "run") if content is None else content
    (tmp_path / "other" / name).write_bytes(content)
    with pytest.raises(FileExistsError, match="not empty and holds no run"):
        go("gan", tmp_path / "other")
    assert (tmp_path / "other" / name).read_bytes() == content and len(
        list((tmp_path / "other").iterdir())
    ) == 1


GROWTH = """
import os, sys
from dataclasses import replace
from numgan import data, systems, training

def look(state):
    if state.step in (30, 80):
        print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE"), flush=True)
    if state.step == 80:
        os._exit(0)

system, words = replace(systems.build("unrolled", "points"), unroll=2), {"progress": False, "look": look}
training.train(system, data.load("ring"), sys.argv[1], steps=100, batch_size=32, picture_every=10, **words)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_run_does_not_grow(tmp_path):
    """Resident memory of a process, over 50 steps and five pictures: with one gradient of G a step, 10 MB."""
    run = subprocess.run(
        [sys.executable, "-c", GROWTH, tmp_path / "run"], capture_output=True, text=True, timeout=120
    )
    early, late = map(int, run.stdout.split())
    assert late - early < 0.625e6, run.stderr
