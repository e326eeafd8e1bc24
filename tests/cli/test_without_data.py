"""Commands on a run whose folder of pictures is gone, was moved, or was changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_cases import NARROW, refused
from PIL import Image

from numgan import data
from numgan.training import runs

NAMES = ("1", "2", "10", "日本", "big, cat", "a\nb")


@pytest.fixture
def moving(numgan, tmp_path):
    """(a folder of pictures, a run on it), both in the current folder."""
    digits = data.load("digits")
    for k, name in enumerate(NAMES):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(digits.x[20 * k + i, :, :, 0]).save(tmp_path / "pictures" / name / f"{i}.png")
    code, _, err = numgan(
        "train",
        "conditional",
        *NARROW,
        "--preset",
        "digits",
        "--data",
        "pictures",
        "--steps",
        3,
        "--out",
        "run",
    )
    number = runs.read_config("run")["classes"].index("日本")
    assert code == 0 and rf"in pictures, class {number} (\u65e5\u672c) is the class 日本" in err
    return tmp_path / "pictures", tmp_path / "run"


def test_every_command_works_without_the_pictures(numgan, moving):
    place, run = moving
    commands = {
        "arrays": ["sample", run, "--out", "x.npz", "--json"],
        "picture": ["sample", run, "--out", "x.png"],
        "health": ["health", run],
        "evaluate": ["evaluate", run, "--count", 20, "--quick", "--json"],
        "judged": ["sample", run, "--judge", "classifier", "--count", 20],
    }
    train = ["train", "classifier", *NARROW, "--preset", "digits", "--data", place, "--steps", 2]
    assert numgan(*train, "--out", "classifier")[0] == 0
    before = {name: numgan(*words) for name, words in commands.items()}
    drawn = {name: Path(name).read_bytes() for name in ("x.npz", "x.png")}
    shutil.rmtree(place)
    after = {name: numgan(*words) for name, words in commands.items()}
    assert {name: Path(name).read_bytes() for name in drawn} == drawn
    for name in ("arrays", "picture", "health"):
        assert before[name] == after[name]
    was, now = (json.loads(found["evaluate"][1]) for found in (before, after))
    assert was["missing"] is None and f"not at {place}" in now["missing"]
    assert now["figures"] == was["figures"]  # the run keeps all of so few rows
    assert "the data of the run were not read" in now["against"]
    assert "copies of training rows  " in before["judged"][1]
    assert (
        f"copies of training rows are not counted: {run}: its training data are not at" in after["judged"][1]
    )
    assert "because its data were not read" in numgan("evaluate", run, "--count", 20, "--quick")[1]
    refused(numgan("sample", run, "--judge"), "--judge", "not at", "name a run")


def test_resuming_with_moved_and_with_changed_data(numgan, moving):
    place, run = moving
    shutil.copytree(run, "stays")
    assert numgan("train", "--resume", "stays", "--steps", 5)[0] == 0
    moved = place.rename(place.with_name("moved"))
    refused(numgan("train", "--resume", run, "--steps", 5), f"not at {place}", "--data PATH")
    refused(numgan("train", "--resume", run, "--data", "nowhere"), "nowhere")
    shutil.copytree(moved, "other")
    shutil.move("other/1", "other/one")
    refused(
        numgan("train", "--resume", run, "--data", "other"),
        "1 class name missing: 1; 1 class name too many: one",
    )
    shutil.rmtree("other/one")
    refused(numgan("train", "--resume", run, "--data", "other"), "x: rows 100, expected 120")
    refused(numgan("train", "--resume", run, "--data", "digits"), "x: rows 1,500, expected 120")
    assert runs.read_config(run)["recipe"]["data"] == str(place)
    assert numgan("train", "--resume", run, "--steps", 5, "--data", "moved")[0] == 0
    assert (run / "checkpoint.npz").read_bytes() == Path("stays/checkpoint.npz").read_bytes()
    assert runs.read_config(run)["recipe"]["data"] == str(moved)
    assert numgan("train", "--resume", run, "--steps", 6)[0] == 0  # from now on without --data


def test_resuming_with_moved_test_data(numgan, tmp_path):
    digits = data.load("digits", "test")
    for name in ("own.npz", "held.npz"):
        np.savez(name, x=digits.x[:60], y=digits.labels[:60])
    words = ["train", "classifier", *NARROW, "--data", "own.npz", "--test", "held.npz", "--steps"]
    assert numgan(*words, 1, "--out", "run")[0] == numgan(*words, 2, "--out", "whole")[0] == 0
    Path("held.npz").rename("moved.npz")
    where = f"its test data are not at {tmp_path / 'held.npz'}"
    refused(
        numgan("train", "--resume", "run", "--steps", 2), where, "`numgan train --resume run --test PATH`"
    )
    refused(
        numgan("train", "--resume", "run", "--test", "nothing"), "test: expected one of digits", "nothing"
    )
    assert runs.read_config("run")["recipe"]["test"] == str(tmp_path / "held.npz")
    code, out, err = numgan("train", "--resume", "run", "--steps", 2, "--test", "moved.npz")
    assert code == 0 and "on 60 rows" in out, err
    assert runs.read_config("run")["recipe"]["test"] == str(tmp_path / "moved.npz")
    assert Path("run/checkpoint.npz").read_bytes() == Path("whole/checkpoint.npz").read_bytes()


def test_samples_are_not_compared_with_test_data_that_were_moved(numgan, tmp_path):
    rows = np.random.default_rng(0).standard_normal((60, 2))
    for name in ("own.npy", "held.npy"):
        np.save(name, rows)
    words = ["train", "gan", *NARROW, "--data", "own.npy", "--test", "held.npy", "--steps", 1, "--out", "run"]
    assert numgan(*words)[0] == 0
    Path("held.npy").unlink()
    refused(numgan("evaluate", "run", "--count", 20), str(tmp_path / "held.npy"), "--resume RUN --test PATH")


def test_test_data_that_do_not_fit_are_refused_before_the_training(numgan, tmp_path):
    np.savez("own.npz", x=np.zeros((20, 8, 8), np.uint8), y=np.arange(20) % 2)
    np.savez("held.npz", x=np.zeros((20, 8, 8), np.uint8), y=np.arange(20) % 3)
    words = ["train", "classifier", *NARROW, "--data", "own.npz", "--steps", 1, "--out", "run", "--test"]
    refused(numgan(*words, "held.npz"), "test data: expected the classes 0, 1, as in own.npz, got '2'")
    refused(
        numgan(*words, "digits"), "test data: expected the classes 0, 1, as in own.npz, got '2' in digits"
    )
    refused(numgan(*words, "digit"), "test: expected one of digits", "a folder of pictures", "got 'digit'")
    assert not Path("run").exists()


def test_classes_are_asked_for_by_name(numgan, moving):
    _, run = moving
    classes = runs.read_config(run)["classes"]

    def asked(*words):
        code, out, err = numgan("sample", run, "--count", 12, "--out", "x.npz", "--json", *words)
        assert code == 0, err
        with np.load("x.npz") as file:
            assert file["classes"].tolist() == classes
            found = json.loads(out)
            assert file["labels"].tolist() == np.resize(found["labels"], 12).tolist()
            assert found["classes"] == [classes[label] for label in found["labels"]]
            return found["classes"]

    assert asked("--labels", "10") == ["10"] and asked("--labels", "2,1") == ["2", "1"]
    assert asked("--labels", "big, cat,日本") == ["big, cat", "日本"]
    assert asked("--labels", "1", "--labels", "big, cat") == ["1", "big, cat"]
    assert asked("--labels", r"a\nb") == asked("--labels", "a\nb") == ["a\nb"]
    for wrong in ("0", "5", "11", "cat", "1;2"):
        refused(numgan("sample", run, "--labels", wrong), f"got {wrong!r}", "the 6 classes are")
    number = classes.index("日本")
    out = numgan("sample", run, "--labels", "日本", "--out", "x.png")[1]
    assert out.splitlines() == [
        "drawn: x.png",
        rf"in the picture, class {number} (\u65e5\u672c) is the class 日本",
        f"classes: 日本 (number {number})",
    ]
    assert "in the picture" not in numgan("sample", run, "--labels", "1", "--out", "x.png")[1]
