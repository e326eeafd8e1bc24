"""The judge: made once, kept, checked, shared by processes, and what it says of pictures."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from processes import until

from numgan import data
from numgan.core import files
from numgan.core.errors import FileFormatError
from numgan.evaluation import judging
from numgan.layers import Pass
from numgan.losses import softmax
from numgan.systems.likelihood import classifier
from numgan.training import runs

SMALL = """
from dataclasses import replace
from numgan.evaluation import judging
from numgan.systems.likelihood import classifier
digits = classifier.digits
settings = {{"steps": {steps}, "batch_size": {batch}}}
classifier.PRESETS["digits"] = lambda width=1.0: replace(digits(min(width, 0.1)), **settings)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a judge of the digits that is trained in a moment."""
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path / "cache"))
    digits = classifier.digits
    monkeypatch.setitem(
        classifier.PRESETS,
        "digits",
        lambda width=1.0: replace(digits(min(width, 0.1)), steps=4, batch_size=16),
    )
    return tmp_path / "cache"


def entries(cache):
    return [path for path in (cache / "judges" / "digits").iterdir() if path.is_dir()]


def test_the_judge_is_trained_once_and_kept(cache, monkeypatch):
    first = judging.open_judge("digits", progress=False)
    assert (
        entries(cache) == [first.folder] and first.state.step == 4 and (first.folder / "config.json").exists()
    )
    monkeypatch.setattr(judging.training, "train", lambda *args, **words: pytest.fail("it is there already"))
    again = judging.open_judge("digits", progress=False)
    assert np.array_equal(again.state.params["C"].vector, first.state.params["C"].vector)


def test_another_recipe_or_other_data_have_another_judge(cache, monkeypatch):
    judging.open_judge("digits", progress=False)
    digits = classifier.PRESETS["digits"]
    monkeypatch.setitem(classifier.PRESETS, "digits", lambda width=1.0: replace(digits(width), steps=5))
    assert judging.open_judge("digits", progress=False).state.step == 5 and len(entries(cache)) == 2
    load = data.load
    monkeypatch.setattr(
        data, "load", lambda *args, **words: replace(load(*args, **words), x=255 - load(*args, **words).x)
    )
    judging.open_judge("digits", progress=False)
    assert len(entries(cache)) == 3


def test_what_is_damaged_is_named_with_what_to_delete(cache):
    home = judging.open_judge("digits", progress=False).folder
    for name in ("checkpoint.npz", "config.json"):
        whole = (home / name).read_bytes()
        (home / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(
            FileFormatError, match=f"{home}: the judge in this folder is damaged; delete the folder"
        ):
            judging.open_judge("digits", progress=False)
        (home / name).write_bytes(whole)
    judging.open_judge("digits", progress=False)


def test_a_process_that_died_before_its_first_step(cache, monkeypatch):
    """The checkpoint is written before the configuration, so a folder with the first alone is no run yet."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs, "write_config", lambda *args: sys.exit())
        judging.open_judge("digits", progress=False)
    (home,) = entries(cache)
    assert (home / "checkpoint.npz").exists() and not (home / "config.json").exists()
    assert judging.open_judge("digits", progress=False).state.step == 4


def test_a_process_that_died_before_the_curves_were_drawn(cache):
    """They are the last file: all others are there, and the weights are done."""
    judge = judging.open_judge("digits", progress=False)
    (judge.folder / "curves.png").unlink()
    again = judging.open_judge("digits", progress=False)
    assert (judge.folder / "curves.png").exists() and np.array_equal(
        again.state.params["C"].vector, judge.state.params["C"].vector
    )


def test_sets_without_a_judge():
    with pytest.raises(ValueError, match="expected one of mnist, fashion-mnist, digits, got 'ring'"):
        judging.open_judge("ring")
    with pytest.raises(ValueError, match="no preset takes samples of shape"):
        judging.open_judge("digits", shape=(9, 13, 1))


OPEN = (
    "j = judging.open_judge('digits'); print(j.folder, j.state.step, float(j.state.params['C'].vector.sum()))"
)


def test_two_processes_at_once_and_one_that_is_killed(cache, monkeypatch, start):
    if files.fcntl is None:
        pytest.skip("no flock here")

    def opening():
        return start(
            [sys.executable, "-c", SMALL.format(steps=150, batch=32) + OPEN],
            env={**os.environ, "NUMGAN_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    killed = opening()
    until(lambda: list(cache.glob("judges/digits/*/metrics.jsonl")), killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (home,) = entries(cache)
    both = [opening() for _ in range(2)]  # they take it up: one trains, one waits
    said = [process.communicate(timeout=60) for process in both]
    assert all(process.returncode == 0 for process in both), said
    monkeypatch.setenv("NUMGAN_CACHE", str(cache / "another"))
    digits = classifier.PRESETS["digits"]
    monkeypatch.setitem(
        classifier.PRESETS, "digits", lambda width=1.0: replace(digits(width), steps=150, batch_size=32)
    )
    alone = judging.open_judge("digits", progress=False)
    assert {out for out, _ in said} == {
        f"{home} 150 {float(alone.state.params['C'].vector.sum())}\n"
    } and runs.read_config(home)["resumed"]
    assert sum("steps" in err for _, err in said) == 1, "both trained"
    assert sum("waiting" in err for _, err in said) <= 1


# ---- what it says


def test_probabilities_and_features(cache):
    judge = judging.open_judge("digits", progress=False)
    x = judging.as_seen(judge, data.load("digits").x[:700])
    assert np.allclose(x, data.load("digits").rows(np.arange(700), judge.system.pixels)["x"], atol=1e-6)
    p, f = judging.probabilities(judge, x), judging.features(judge, x)
    net, psi = judge.system.networks["C"], judge.state.params["C"]
    logits = net.forward(psi, x, Pass())[0]
    assert f.dtype == np.float32 and f.shape == (700, net[-1].parameter_shapes()["W"][0]) and f.min() == 0
    assert np.allclose(p, softmax(logits), atol=1e-6)
    last = psi.child(str(len(net) - 1))
    assert np.allclose(f @ last["W"] + last["b"], logits, atol=1e-5)
    assert np.array_equal(judging.features(judge, x), f), "dropout is off"


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x: x.astype(np.float64), "float64"),
        (lambda x: x[:, 1:], r"\(3, 7, 8, 1\)"),
        (lambda x: x[:0], r"\(0, 8, 8, 1\)"),
        (lambda x: 127.5 * (x + 1), "expected pixels in -1..1"),
        (lambda x: x * np.nan, "got nan"),
        (lambda x: list(x), "list"),
    ],
)
def test_pictures_that_a_judge_cannot_see(cache, change, words):
    judge = judging.open_judge("digits", progress=False)
    with pytest.raises(ValueError, match=words):
        judging.features(judge, change(judging.as_seen(judge, data.load("digits").x[:3])))


def test_a_judge_whose_data_are_gone_has_no_held_out_figures(monkeypatch):
    def gone(recipe, split="train"):
        raise ConnectionError("offline")

    monkeypatch.setattr(judging.Recipe, "load", gone)
    recipe = {"system": "classifier", "preset": "digits", "data": "digits"}
    assert judging.held_out(SimpleNamespace(config={"recipe": recipe})) is None
