"""The commands that train nothing: help, usage, systems, gradcheck, data and doctor."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_cases import refused

import numgan as ng
from numgan import checking, cli, systems
from numgan.bench import doctor


@pytest.mark.parametrize(
    "command", ["systems", "train", "sample", "evaluate", "judge", "health", "gradcheck", "data", "doctor"]
)
def test_help_of_every_command(numgan, command):
    code, out, _ = numgan(command, "--help")
    assert code == 0 and "--json" in out and "usage: numgan" in out
    assert command in numgan("--help")[1]


def test_help_of_train_and_sample_teaches(numgan):
    assert "examples:" in numgan("train", "--help")[1] and "examples:" in numgan("sample", "--help")[1]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["trian"],
        ["train", "dcgan", "--steps", "0"],
        ["train", "dcgan", "--steps", "3", "--epochs", "1"],
        ["train", "dcgan", "--seed", "-1"],
        ["sample"],
        ["sample", "r", "--labels", ""],
    ],
)
def test_usage(numgan, words):
    code, out, err = numgan(*words)
    assert code == 2 and out == "" and "usage" in err


def test_systems(numgan):
    rows = json.loads(numgan("systems", "--json")[1])
    assert {(row["system"], row["preset"]) for row in rows} == {
        (name, preset) for name in systems.SYSTEMS for preset in systems.presets(name)
    }
    (row,) = [row for row in rows if (row["system"], row["preset"]) == ("dcgan", "mnist")]
    assert (
        row["sample_shape"] == [28, 28, 1]
        and row["data"] == "mnist"
        and "14x14" in row["description"]
        and row["steps"] > 0
    )
    code, out, _ = numgan("systems")
    assert code == 0 and all(row["preset"] in out and row["description"] in out for row in rows)


@pytest.fixture
def catalogue(monkeypatch):
    asked = []

    def entries(names=None, slow=False):
        asked.append((names, slow))
        yield SimpleNamespace(name="Dense dx", kind="layer", order=1, max_error=3e-9, passed=True, detail="")
        if not names:
            yield SimpleNamespace(
                name="Bad dW",
                kind="layer",
                order=2,
                max_error=float("inf"),
                passed=False,
                detail="worst\na missing factor 2",
            )

    monkeypatch.setattr(checking, "entries", entries, raising=False)
    return asked


def test_gradcheck(numgan, catalogue):
    code, out, _ = numgan("gradcheck", "Dense", "--slow", "--json")
    assert code == 0 and catalogue == [(["Dense"], True)]
    assert json.loads(out) == {
        "passed": True,
        "entries": [{"name": "Dense dx", "kind": "layer", "order": 1, "max_error": 3e-9, "passed": True}],
    }
    code, out, _ = numgan("gradcheck", "--all", "--json")
    result = json.loads(out)
    assert (
        code == 1
        and not result["passed"]
        and [entry["passed"] for entry in result["entries"]] == [True, False]
    )
    assert result["entries"][1]["max_error"] is None  # JSON has no infinity
    code, out, _ = numgan("gradcheck", "--all")
    assert (
        code == 1 and "FAILED" in out and "    a missing factor 2" in out and "1 of 2 passed, 1 failed" in out
    )
    refused(numgan("gradcheck"), "--all")


def test_gradcheck_of_nothing_is_no_success(numgan, monkeypatch):
    monkeypatch.setattr(checking, "entries", lambda names, slow: iter(()), raising=False)
    assert numgan("gradcheck", "Nothing")[0] == 1


def test_data(numgan, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(numgan("data", "--json")[1])}
    assert (
        rows.keys() == ng.data.names().keys() and rows["digits"]["present"] and not rows["mnist"]["present"]
    )
    assert rows["mnist"]["where"] == str(tmp_path / "mnist")
    (tmp_path / "mnist").mkdir()
    names = [file for split in doctor.FILES.values() for file in split]
    for i, name in enumerate(names):
        assert not doctor.data_sets()[1]["present"]
        (tmp_path / "mnist" / (name + (".gz" if i % 2 else ""))).touch()
    assert doctor.data_sets()[1]["present"]
    (tmp_path / "emnist-letters" / "gzip").mkdir(parents=True)
    for split in ("train", "test"):
        for what in ("images-idx3", "labels-idx1"):
            assert not next(row for row in doctor.data_sets() if row["name"] == "emnist-letters")["present"]
            (tmp_path / "emnist-letters" / "gzip" / f"emnist-letters-{split}-{what}-ubyte.gz").touch()
    assert next(row for row in doctor.data_sets() if row["name"] == "emnist-letters")["present"]
    monkeypatch.delenv("NUMGAN_DATA")
    code, out, _ = numgan("data")
    assert code == 0 and "fashion-mnist" in out and "numgan" in doctor.data_sets()[1]["where"]
    for word in ("a folder of pictures", "a folder of IDX files", ".npy, .npz, .csv", "--folder"):
        assert word in out
    assert max(map(len, out[out.index("A missing set") :].splitlines())) <= 110
    starts = [line.find(" here ") + line.find(" missing ") for line in out.splitlines()[: 2 * len(rows) : 2]]
    assert len(set(starts)) == 1 and starts[0] > 0  # one column, beside the longest name too
    assert (
        "A missing set with `download` in its line is downloaded" in out
        and "the folder below its line" in out
    )


def test_doctor(numgan, monkeypatch):
    result = json.loads(numgan("doctor", "--json")[1])
    assert (
        result["passed"]
        and result["backend"] == ng.backend()
        and result["instruction_set"] == ng.instruction_set()
    )
    assert result["fast_convolutions"] is ng.fast_convolutions() and result["threads"] >= 1
    if ng.backend() == "compiled":
        assert (
            result["instruction_set"] in result["instruction_sets"]
            and result["instruction_sets"][0] == "baseline"
            and result["peak_gflops"] > 0.1
        )
    else:
        assert result["peak_gflops"] is None
    assert 0 < result["kernel_errors"]["float32"] < 1e-5 and result["kernel_errors"]["float64"] < 1e-13
    code, out, _ = numgan("doctor")
    assert code == 0 and all(
        word in out
        for word in (
            "instruction set ",
            "instruction sets",
            "threads",
            "fast convolutions",
            "peak gflops",
            "blas",
        )
    )
    monkeypatch.setattr(doctor, "self_check", lambda dtype: 1e-3)
    assert numgan("doctor")[0] == 1


def test_a_figure_that_is_not_finite_is_null_in_json(capsys):
    """Python would write Infinity and NaN, which other readers of JSON refuse."""
    figures = {"a": float("inf"), "b": [1.5, (float("nan"), np.float64("-inf"))], "c": Path("x"), "d": None}
    cli.common.print_json(figures)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None, None]], "c": "x", "d": None}
