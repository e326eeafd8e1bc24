"""The files of a study: numgan writes through nothing that it did not make, and checks every field."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_cases import SYSTEM, change, plant, seen

from numgan import studies
from numgan.core.errors import FileFormatError
from numgan.studies import STUDIES, looks
from numgan.training import checkpoint

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    out = tmp_path_factory.mktemp("files") / "study"
    again(out)
    return out


@pytest.fixture
def study(studied, tmp_path):
    return Path(shutil.copytree(studied, tmp_path / "study"))


def again(study):
    return studies.run(
        "dirac", replace(STUDIES["dirac"], arms={"r1": "R1"}), study, quick=True, progress=False
    )


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "study.json",
        "table.md",
        "results.json",
        "trials/r1-0/result.json",
        "trials/r1-0/seconds.json",
        "trials/r1-0/error.txt",
        "trials/r1-0/paths.npz",
        "portraits.png",
    ],
)
def test_a_study_writes_through_nothing(name, what, study, victim):
    plant(study / name, what, victim)
    before = seen(study)
    with pytest.raises((OSError, FileFormatError), match=name.rpartition("/")[2]):
        again(study)
    assert seen(study) == before and victim.read_text() == "precious"


@pytest.mark.parametrize("what", ["link", "pipe", "to a folder"])
@pytest.mark.parametrize(
    "name", ["trials/r1-0/samples.npy", "trials/r1-0/run/checkpoint.npz", "trials/r1-0/snapshots"]
)
def test_a_trial_goes_on_through_nothing(name, what, study, victim):
    (study / "trials" / "r1-0" / "result.json").unlink()
    (study / name).parent.mkdir(exist_ok=True)
    plant(study / name, what, victim)
    before = seen(study)
    with pytest.raises(FileExistsError, match=f"{name}: expected"):
        again(study)
    assert seen(study) == before and victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["trials", "trials/r1-0"])
def test_a_study_makes_no_trial_in_another_folder(name, study, tmp_path):
    shutil.move(study / name, tmp_path / "elsewhere")
    (study / name).symlink_to(tmp_path / "elsewhere")
    before = seen(tmp_path)
    with pytest.raises(FileExistsError, match=f"{name}: expected a folder of numgan's own, got a link"):
        again(study)
    assert seen(tmp_path) == before


@pytest.mark.parametrize(
    "name, where, value",
    [
        ("study.json", "study", 3),
        ("study.json", "quick", 1),
        ("study.json", "setting", None),
        ("seconds.json", "before", -1),
        ("seconds.json", "before", float("inf")),
        ("seconds.json", "before", 10**400),
        ("result.json", "arm", None),
        ("result.json", "seed", -1),
        ("result.json", "seed", True),
        ("result.json", "seconds", "1"),
        ("result.json", "real", "x"),
        ("result.json", "real", [1.0]),
        ("result.json", "together", 10**400),
        ("result.json", "converges", 1.0),
        ("result.json", "steps", {"a": 1}),
        ("result.json", "more", [[[1]]]),
    ],
)
def test_every_field_of_a_study_is_checked(name, where, value, study):
    path = study / name if name == "study.json" else next(study.glob("trials/*")) / name
    if not path.exists():
        path.write_text("{}")
    change(path, (where,), value)
    before = seen(study)
    with pytest.raises(FileFormatError, match=f"{path}: {where}: expected"):
        again(study)
    assert seen(study) == before


@pytest.mark.parametrize("words", [b"x", b"", b"PK\5\6" + bytes(18)])
def test_a_damaged_array_of_a_study_is_named(words, study):
    next(study.glob("trials/*/paths.npz")).write_bytes(words)
    with pytest.raises(FileFormatError, match="paths.npz: expected"):
        again(study)


def test_looks_are_checked_and_keep_what_is_not_finite(tmp_path):
    path = tmp_path / "looks.jsonl"
    seen_by = looks.Looks(path, 2, lambda state: {"kid": float("nan") if state.step == 4 else 0.5})
    for step in range(1, 7):
        seen_by(replace(checkpoint.State.empty(SYSTEM), step=step))
    assert (
        "NaN" not in path.read_text()
        and list(looks.read(path)) == [2, 4, 6]
        and np.isnan(looks.read(path)[4]["kid"])
    )
    path.write_text('{"step": 2, "kid": "low"}\n')
    with pytest.raises(FileFormatError, match="looks.jsonl, line 1: kid: expected a finite number"):
        looks.read(path)
