"""A run without its training data, and with equal data in another place."""

import json
import os
import shutil
import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest
from file_cases import change
from PIL import Image
from training_cases import DIGITS, RING, go, make, metrics, weights

import numgan as ng
from numgan import data
from numgan.core.errors import FileFormatError
from numgan.data import Dataset, Unpaired, standardised
from numgan.layers import Pass
from numgan.systems import System
from numgan.training import kept, loop, runs
from numgan.training.recipes import Recipe

NAMES = ("1", "2", "10", "日本", "a\nb")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of pictures with classes of unusual names."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    for k, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(DIGITS.x[6 * k + i, :, :, 0]).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def moving(pictures, tmp_path):
    """(a copy of the folder of pictures, a run on it of four steps)."""
    place = shutil.copytree(pictures, tmp_path / "pictures")
    recipe = Recipe("conditional", "digits", str(place), width=0.05).resolve()
    train(recipe, tmp_path / "run", steps=4)
    return place, tmp_path / "run"


def train(recipe, out, **words):
    words = {"batch_size": 8, "seed": 5, "picture_every": 2, "progress": False} | words
    return loop.train(recipe.build(), recipe.load(), out, recipe=recipe, **words)


def differences(before, now):
    return kept.differences(kept.fingerprint(before), before.classes, now)


# ---- without the data


def test_a_run_draws_the_same_without_its_data(moving):
    place, run = moving
    there = runs.open_run(run)
    assert there.missing is None and there.dataset.source == f"pictures in {place}"
    x, labels = there.sampler()(9, 2, ["日本", "10"])
    few = runs.open_run(run, whole=False)
    assert few.missing and np.array_equal(few.sampler()(9, 2, ["日本", "10"])[0], x)
    shutil.rmtree(place)
    gone = runs.open_run(run)
    assert f"not at {place}" in gone.missing and f"--resume {run} --data PATH" in gone.missing
    again, asked = gone.sampler()(9, 2, ["日本", "10"])
    assert np.array_equal(again, x) and np.array_equal(asked, labels)
    assert sorted(gone.dataset.classes) == sorted(NAMES)
    assert np.array_equal(gone.dataset.x, there.dataset.x)  # so few rows are kept as a whole
    (run / kept.FILE).unlink()
    with pytest.raises(FileNotFoundError, match="--data PATH"):
        runs.open_run(run, whole=False)


def test_a_run_keeps_rows_that_its_seed_chooses(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "ROWS", 50)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        go("conditional", tmp_path / name, steps=1, seed=seed)
    rows = [runs.open_run(tmp_path / name, make("conditional")[0]).dataset for name in "abc"]
    assert np.array_equal(rows[0].x, rows[1].x) and not np.array_equal(rows[0].x, rows[2].x)
    assert len(rows[0]) == 50 and rows[0].classes == DIGITS.classes
    known = {(x.tobytes(), label) for x, label in zip(DIGITS.x, DIGITS.labels.tolist())}
    assert all((x.tobytes(), label) in known for x, label in zip(rows[0].x, rows[0].labels.tolist()))
    monkeypatch.setattr(kept, "BYTES", 10 * (64 + 8))
    go("conditional", tmp_path / "d", steps=1)
    assert len(runs.open_run(tmp_path / "d", make("conditional")[0]).dataset) == 10


@dataclass(frozen=True, kw_only=True, repr=False)
class Turned(System):
    """A sample is made from a row of x."""

    drawers, made_from, target = ("G",), ("x",), "y"

    def inputs(self, batch, seed):
        return batch["x"]

    def objectives(self):
        return {"G": lambda params, batch, seed, fakes=None: self._loss(params, batch)}

    def _loss(self, params, batch):
        y, cache = self.networks["G"].forward(params["G"], batch["x"], Pass())
        gap = y - batch["y"][: len(y)]
        _, gradient = self.networks["G"].backward(gap / len(gap), cache)
        return ng.systems.Result(float((gap**2).sum() / 2 / len(gap)), {"G": gradient}, {})


def turned():
    return Turned(networks={"G": ng.mlp(2, 3, 2)}, optimizers={"G": ng.SGD(0.1)}, sample_shape=(2,))


def test_samples_from_rows_are_the_same_without_the_data(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "ROWS", 30)
    for name, dataset in {
        "paired": Dataset("d", RING.x[:80], others={"y": RING.x[80:160]}),
        "unpaired": Unpaired("d", x=Dataset("a", RING.x[:80]), y=Dataset("b", RING.x[:40])),
    }.items():
        out = tmp_path / name
        loop.train(turned(), dataset, out, steps=1, batch_size=4, progress=False)
        one, other = runs.open_run(out, turned(), dataset), runs.open_run(out, turned())
        assert one.missing is None and other.missing and len(other.dataset) == 30
        assert np.array_equal(one.sampler()(40, 3)[0], other.sampler()(40, 3)[0])


@pytest.mark.parametrize(
    "damage", ["cut", "other bytes", "another shape", "another type", "missing column", "pipe"]
)
def test_damaged_rows_are_refused(damage, tmp_path):
    go("conditional", tmp_path / "run", steps=1)
    path = tmp_path / "run" / kept.FILE
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(raw[:-100])
    elif damage == "other bytes":
        raw[5000] ^= 1
        path.write_bytes(raw)
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        with np.load(path) as file:
            arrays = dict(file)
        arrays = {
            "another shape": arrays | {"x": arrays["x"][1:]},
            "another type": arrays | {"labels": arrays["labels"].astype(np.int32)},
            "missing column": {"x": arrays["x"]},
        }[damage]
        np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=r"data\.npz.*(delete it|move it away)"):
        runs.open_run(tmp_path / "run", make("conditional")[0])


@pytest.mark.parametrize(
    "where, value",
    [
        (("columns", "x", "type"), "("),
        (("columns", "x", "type"), "O"),
        (("columns", "x", "rows"), 0),
        (("columns", "x", "shape"), [8, -1]),
        (("columns", "x", "shape"), 8),
        (("columns", "x", "parts"), "abc"),
        (("columns",), []),
        (("classes",), 3),
    ],
)
def test_every_field_of_a_fingerprint_is_checked(where, value, tmp_path):
    go("conditional", tmp_path / "run", steps=1)
    change(tmp_path / "run" / "config.json", ("data", *where), value)
    with pytest.raises(FileFormatError, match=f"config.json: data.{'.'.join(where)}"):
        runs.read_config(tmp_path / "run")


@pytest.mark.parametrize("word, value", [("rows", 10**12), ("shape", [10**6] * 5), ("rows", 1)])
def test_a_false_fingerprint_costs_no_memory(word, value, tmp_path):
    go("conditional", tmp_path / "run", steps=1)
    change(tmp_path / "run" / "config.json", ("data", "columns", "x", word), value)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="data.npz"):
        runs.open_run(tmp_path / "run", make("conditional")[0])
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_names_of_classes_are_those_of_the_rows(tmp_path):
    go("conditional", tmp_path / "run", steps=1)
    config = runs.read_config(tmp_path / "run")
    runs.write_config(tmp_path / "run", config | {"classes": list("abcdefghij")})
    with pytest.raises(FileFormatError, match="config.json: classes: expected the names with the hash"):
        runs.open_run(tmp_path / "run", make("conditional")[0])


def test_a_killed_start_leaves_rows_that_the_next_start_takes(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs, "write_config", lambda *args: (_ for _ in ()).throw(SystemExit))
        go("gan", tmp_path / "run")
    assert (tmp_path / "run" / kept.FILE).exists()
    shutil.copytree(tmp_path / "run", tmp_path / "own")
    go("gan", tmp_path / "run")
    go("gan", tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert not runs.begun(tmp_path / "own") and not (tmp_path / "own" / kept.FILE).exists()


# ---- in another place


def test_a_run_goes_on_with_equal_data_in_another_place(moving, tmp_path):
    place, run = moving
    shutil.copytree(run, tmp_path / "stays")
    old = Recipe(**runs.read_config(run)["recipe"])
    train(old, tmp_path / "stays", steps=6, resume=True)
    place.rename(tmp_path / "renamed")
    new = replace(old, data=str(tmp_path / "renamed"))
    train(new, run, steps=6, resume=True)
    assert weights(run) == weights(tmp_path / "stays") and metrics(run) == metrics(tmp_path / "stays")
    for picture in runs.pictures(run):
        assert picture.read_bytes() == (tmp_path / "stays" / "samples" / picture.name).read_bytes()
    config = runs.read_config(run)
    assert config["recipe"]["data"] == new.data and config["source"] == f"pictures in {new.data}"
    assert runs.open_run(run).missing is None
    with pytest.raises(ValueError, match="recipe: expected .* with which the run began"):
        train(replace(new, lr=0.5), run, resume=True)


def test_other_data_are_refused_and_nothing_is_written(moving):
    place, run = moving
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    recipe = Recipe(**runs.read_config(run)["recipe"])
    shutil.copy(place / "1" / "0.png", place / "1" / "1.png")
    with pytest.raises(ValueError, match=r"differs from the data of the run: x: other values in the rows 1"):
        train(recipe, run, resume=True)
    assert "x: other values" in runs.open_run(run).missing
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_the_difference_is_told():
    few = Dataset("few", DIGITS.x[:160], DIGITS.labels[:160], DIGITS.classes)
    assert differences(few, replace(few, name="moved", source="elsewhere")) == []
    assert differences(few, replace(few, x=few.x.copy(), names=tuple(map(str, range(160))))) == []
    changed = few.x.copy()
    changed[17] += 1
    assert differences(few, replace(few, x=changed)) == [
        "x: other values in the rows 10 to 19 (of 160, from 0)"
    ]
    changed[[25, 159]] += 1
    assert differences(few, replace(few, x=changed)) == [
        "x: other values in the rows 10 to 29, 150 to 159 (of 160, from 0)"
    ]
    other = few.labels.copy()
    other[0] = 9 - other[0]
    assert differences(few, replace(few, labels=other)) == [
        "labels: other values in the rows 0 to 9 (of 160, from 0)"
    ]
    less = Dataset("few", few.x[1:], few.labels[1:], few.classes)
    assert differences(few, less) == ["x: rows 159, expected 160", "labels: rows 159, expected 160"]
    large = Dataset("few", data.load("digits", size=9).x[:160], few.labels, few.classes)
    assert differences(few, large) == ["x: shape of a row [9, 9, 1], expected [8, 8, 1]"]
    names = ("zero", "a\nb", *few.classes[2:])
    assert differences(few, replace(few, classes=names)) == [
        "2 class names missing: 0, 1",
        r"2 class names too many: zero, a\nb",
    ]
    assert differences(few, replace(few, classes=few.classes[::-1])) == ["the classes are in another order"]
    assert differences(few, Dataset("few", few.x)) == [
        "1 column name missing: labels",
        "10 class names missing: 0, 1, 2, 3, 4, ...",
    ]
    points = Dataset("p", RING.x[:5], others={"y": RING.x[:5]})
    assert differences(points, replace(points, others={"y": RING.x[:5].astype(np.float64)})) == [
        "y: type <f8, expected <f4"
    ]
    one = Dataset("p", RING.x[:1])
    assert differences(one, Dataset("p", RING.x[1:2])) == ["x: other values in the rows 0 (of 1, from 0)"]


def test_of_a_standardised_table_the_changed_columns_are_told():
    """One changed cell moves the mean of its column, and so changes every standardised row."""
    table = Dataset("t", np.random.default_rng(0).standard_normal((40, 7)), np.arange(40) % 2)
    x = table.x.copy()
    x[17, 3] += 1
    told = "; all rows are standardised with it, so all of them differ"
    assert differences(standardised(table), standardised(table)) == []
    assert differences(standardised(table), standardised(replace(table, x=x))) == [
        f"x: another mean or standard deviation of column 3 (of 7, from 0){told}"
    ]
    other = replace(table, x=2 * table.x, labels=1 - table.labels)  # equal standardised rows in other units
    assert np.array_equal(standardised(other).x, standardised(table).x)
    assert differences(standardised(table), standardised(other)) == [
        f"x: another mean or standard deviation of columns 0, 1, 2, 3, 4, ... (of 7, from 0){told}",
        "labels: other values in the rows 0 to 39 (of 40, from 0)",
    ]
    assert differences(standardised(table), table) == [
        "x: rows that are not standardised, expected rows that are standardised"
    ]
    assert differences(table, standardised(table)) == [
        "x: rows that are standardised, expected rows that are not standardised"
    ]


def test_the_hash_of_names_sees_where_they_end():
    one, other = (replace(Dataset("d", DIGITS.x[:2]), classes=names) for names in (("a", "bc"), ("ab", "c")))
    assert kept.fingerprint(one) != kept.fingerprint(other)


# ---- what could not be read again


def test_a_line_of_many_curves_is_read_again_and_a_longer_one_is_refused(tmp_path):
    record = {"step": 1, "epoch": 0.5, "losses": {}, "seconds": 0.0}
    many = record | {"metrics": {f"curve number {k}": k / 7 for k in range(5000)}}
    (tmp_path / "metrics.jsonl").write_bytes(runs.line(many) + runs.line(record | {"step": 2, "metrics": {}}))
    assert len(runs.line(many)) > 1 << 16
    assert runs.read_metrics(tmp_path, 2)[0]["metrics"] == many["metrics"]
    with pytest.raises(ValueError, match="metrics.jsonl, step 1: expected at most 4,194,304 bytes, got"):
        runs.line(record | {"metrics": {f"curve number {k}": k / 7 for k in range(200_000)}})
    with pytest.raises(ValueError, match="config.json: expected at most 4,194,304 bytes"):
        runs.write_config(tmp_path, {"classes": ["a" * 900] * 5000})
    assert not (tmp_path / "config.json").exists()


def test_a_configuration_without_a_fingerprint_is_refused(tmp_path):
    go("gan", tmp_path / "run", steps=1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["data"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(FileFormatError, match="config.json: data: .*the field is missing"):
        runs.read_config(tmp_path / "run")


def test_the_classifier_needs_no_data_either(pictures, tmp_path):
    place = shutil.copytree(pictures, tmp_path / "pictures")
    recipe = Recipe("classifier", "digits", str(place), width=0.05).resolve()
    train(recipe, tmp_path / "run", steps=1)
    classes = len(data.load(place).classes)
    shutil.rmtree(place)
    assert runs.open_run(tmp_path / "run").system.classes == classes == 5
