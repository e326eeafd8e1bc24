"""Files: numgan keeps files of others, checks what it reads before it writes, and allows two writers."""

import ast
import importlib.util
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numgan import data, studies
from numgan.core import arrays, fields, files
from numgan.core.errors import FileFormatError
from numgan.data.folder import load_folder
from numgan.data.idx import read_idx
from numgan.studies import STUDIES, looks
from numgan.training import checkpoint, runs
from numgan.training import loop as training
from numgan.training.recipes import Recipe

RECIPE = Recipe("gan", "digits", "digits", width=0.05, settings={"k": 1})
SYSTEM, DIGITS = RECIPE.build(), data.load("digits")

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("files") / "run"
    training.train(
        SYSTEM,
        DIGITS,
        out,
        steps=4,
        batch_size=8,
        recipe=RECIPE,
        log_every=1,
        picture_every=2,
        progress=False,
    )
    return out


@pytest.fixture
def run(trained, tmp_path):
    """A run of four steps, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def resume(run, steps=6):
    return training.train(SYSTEM, DIGITS, run, steps=steps, resume=True, progress=False)


def seen(folder):
    """All of a folder, so that a change of any file shows."""
    return {
        path: (
            os.lstat(path).st_mode,
            os.lstat(path).st_ino,
            os.lstat(path).st_size,
            os.lstat(path).st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


def plant(path, what, victim):
    """Something that numgan did not make, under this name."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    {
        "link": lambda: path.symlink_to(victim),
        "dangling": lambda: path.symlink_to(victim.with_name("nowhere")),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "to a folder": lambda: path.symlink_to(victim.parent),
        "file": lambda: path.write_text("mine"),
    }[what]()


# ---- what lies under a name that numgan writes


@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "folder", "to a folder"])
@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "config.json",
        "metrics.jsonl",
        "checkpoint.npz",
        "samples.png",
        "training.gif",
        "curves.png",
        "samples/step-000002.png",
        "samples/step-000006.png",
    ],
)
def test_nothing_is_written_through_what_numgan_did_not_make(name, what, run, victim):
    plant(run / name, what, victim)
    before = seen(run)
    with pytest.raises((OSError, FileFormatError), match=name.rpartition("/")[2]):
        resume(run)
    assert (
        seen(run) == before and victim.read_text() == "precious" and not victim.with_name("nowhere").exists()
    )


@pytest.mark.parametrize("what", ["link", "pipe", "file", "to a folder"])
def test_a_folder_of_samples_that_is_none(what, run, victim):
    plant(run / "samples", what, victim)
    other = victim.with_name("step-000099.png")
    other.write_text("somebody's picture")
    before = seen(run)
    with pytest.raises(OSError, match="samples: expected a folder of numgan's own"):
        resume(run)
    assert seen(run) == before and other.exists()


@pytest.mark.parametrize(
    "name",
    [".lock", "config.json", "metrics.jsonl", "checkpoint.npz", "samples.png", "samples/step-000002.png"],
)
def test_a_file_of_two_names_keeps_its_bytes_under_the_other(name, run, tmp_path):
    (run / ".lock").write_text("locked")
    os.link(run / name, tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    assert resume(run).steps == 6
    assert (tmp_path / "other").read_bytes() == before and before


def test_pictures_of_other_names_are_not_removed(run):
    kept = [
        run / "samples" / name
        for name in (
            "step-9.png",
            "step-000009.PNG",
            "step-²²²²²².png",
            "step-0000009.png",
            "my-step-000009.png",
        )
    ]
    for path in kept:
        path.write_text("mine")
    (run / "samples" / "step-000009.png").write_text("of a step that was cut")
    runs.rewind(run, 4)
    assert (
        all(path.read_text() == "mine" for path in kept)
        and not (run / "samples" / "step-000009.png").exists()
    )


def test_a_sample_goes_through_no_link(numgan, run, victim):
    (run / "drawn.png").symlink_to(victim)
    code, _, err = numgan("sample", run)
    assert (
        code == 2
        and "drawn.png" in err
        and "a link" in err
        and victim.read_text() == "precious"
        and (run / "drawn.png").is_symlink()
    )


def test_runs_in_a_folder_that_is_not_there_are_no_endless_search(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        runs.choose(RECIPE, tmp_path / "runs")


# ---- folders for a new run


@pytest.mark.parametrize(
    "name", [".bashrc", ".config/app", ".journal.tmp", ".numgan-0123456789abcdef.tmp/x", "letter.txt"]
)
def test_a_folder_of_dot_files_is_not_empty(name, tmp_path):
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = seen(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        training.train(SYSTEM, DIGITS, tmp_path / "home", steps=1, progress=False)
    with pytest.raises(ValueError, match="is not empty"):
        studies.run("dirac", STUDIES["dirac"], tmp_path / "home", quick=True, progress=False)
    assert seen(tmp_path) == before


@pytest.mark.parametrize("kind", ["dangling", "pipe", "file"])
def test_a_folder_for_a_run_or_study_is_no_link_and_no_file(kind, tmp_path, victim):
    out = tmp_path / "out"
    plant(out, kind, victim)
    words = {"dangling": "a link", "pipe": "a pipe", "file": "a file"}[kind]
    with pytest.raises(FileExistsError, match=f"out is {words}, and a run is a folder"):
        training.train(SYSTEM, DIGITS, out, steps=1, progress=False)
    with pytest.raises(ValueError, match=f"--out: expected a folder, got {words}"):
        studies.run("dirac", STUDIES["dirac"], out, quick=True, progress=False)


def test_a_lock_with_words_in_it_or_a_link_is_not_empty(tmp_path, victim):
    for what in ("file", "link", "pipe"):
        (tmp_path / what).mkdir()
        plant(tmp_path / what / ".lock", what, victim)
        assert not files.is_empty(tmp_path / what)


def test_what_numgan_left_is_nothing(tmp_path):
    """A process that was killed before it had a run leaves a lock and a temporary file."""
    out = runs.choose(RECIPE, tmp_path / "runs")
    (out / ".lock").touch()
    left = out / ".numgan-0123456789abcdef.tmp"
    left.write_bytes(b"torn")
    training.train(SYSTEM, DIGITS, out, steps=1, progress=False)
    assert runs.read_config(out)["steps"] == 1 and not left.exists()


# ---- temporary files


def test_only_numgans_own_temporary_files_are_swept(tmp_path, victim):
    name = ".numgan-{:016x}.tmp"
    stale, link, folder, deep = (
        tmp_path / name.format(1),
        tmp_path / name.format(2),
        tmp_path / name.format(3),
        tmp_path / "sub" / name.format(4),
    )
    kept = [
        tmp_path / ".a.npz.tmp",
        tmp_path / "a.tmp",
        tmp_path / ".numgan-1.tmp",
        tmp_path / "x.numgan-0123456789abcdef.tmp",
        deep,
    ]
    deep.parent.mkdir()
    folder.mkdir()
    link.symlink_to(victim)
    for path in (stale, *kept):
        path.write_text("x")
    files.sweep(tmp_path)
    assert (
        not stale.exists()
        and all(path.read_text() == "x" for path in kept)
        and folder.is_dir()
        and link.is_symlink()
    )
    assert victim.read_text() == "precious"


KILLED = """
import sys, time
from numgan.core.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(files.fcntl is None, reason="no flock here")
def test_a_temporary_file_lives_as_long_as_its_process(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"here\n"
        files.sweep(tmp_path)
        assert len(os.listdir(tmp_path)) == 2 and path.read_bytes() == b"old"
    finally:
        process.kill()
        process.communicate()
    with files.replacing(path) as file:  # the next writer sweeps
        file.write(b"new")
    assert os.listdir(tmp_path) == ["x"] and path.read_bytes() == b"new"


WRITER = """
import sys
from numgan.core.files import replacing
for _ in range(25):
    with replacing(sys.argv[1]) as file:
        for _ in range(20):
            file.write(sys.argv[2].encode() * 5000)
"""


def test_writers_of_one_file_do_not_meet(tmp_path):
    path, looked = tmp_path / "x", []
    path.write_bytes(b"e" * 100_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, letter], stderr=subprocess.PIPE)
        for letter in "abcd"
    ]
    while any(process.poll() is None for process in writers):
        looked.append(path.read_bytes())
        time.sleep(0.001)
    assert [process.communicate()[1] for process in writers] == [b""] * 4 and all(
        process.returncode == 0 for process in writers
    )
    assert len(looked) > 3 and all(len(bytes_) == 100_000 and len(set(bytes_)) == 1 for bytes_ in looked)
    assert os.listdir(tmp_path) == ["x"]


def test_samples_drawn_at_once(run):
    """Four commands write one drawn.png, while a fifth one trains in the folder: none disturbs another."""
    sample = [
        subprocess.Popen(
            [sys.executable, "-m", "numgan", "sample", run], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    resume(run)
    assert [process.communicate()[1] for process in sample] == [b""] * 4 and all(
        process.returncode == 0 for process in sample
    )
    with Image.open(run / "drawn.png") as picture:
        picture.load()
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["open", "replace"])
def test_an_error_names_the_file_and_not_the_temporary_one(name, tmp_path, monkeypatch):
    def full(*args, **words):
        raise OSError(28, "No space left on device", str(args[0]))

    monkeypatch.setattr(os, name, full)
    with (
        pytest.raises(OSError, match="No space left.*wanted") as caught,
        files.replacing(tmp_path / "wanted"),
    ):
        pass
    monkeypatch.undo()
    assert str(caught.value).endswith(f"{str(tmp_path / 'wanted')!r}") and not os.listdir(tmp_path)


def test_a_file_of_lines_without_end_is_not_read_to_its_end(run):
    """A file with a hole takes no room in an archive, and says that it is a terabyte of zeros."""
    with open(run / "metrics.jsonl", "r+b") as file:
        file.truncate(1 << 40)
    before = seen(run)
    with pytest.raises(FileFormatError, match="metrics.jsonl, line 5: .* more than 4,194,304 bytes"):
        runs.read_metrics(run, 4)
    assert seen(run) == before


def test_a_folder_that_cannot_be_listed_takes_a_file(tmp_path, monkeypatch):
    """Its new name cannot be brought to the disk by itself. The file is there, so nothing has failed."""
    real = os.open

    def refusing(path, flags, *rest):
        if flags & os.O_DIRECTORY:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with files.replacing(tmp_path / "wanted") as file:
        file.write(b"whole")
    assert (tmp_path / "wanted").read_bytes() == b"whole"


# ---- fields


FIELDS = [
    (("resumed",), None),
    (("resumed",), [None]),
    (("resumed",), [{"step": -1, "versions": {}}]),
    (("resumed",), [{"step": 1}]),
    (("steps",), 0),
    (("steps",), 10**13),
    (("steps",), 4.0),
    (("steps",), True),
    (("batch_size",), 10**9),
    (("seed",), 2**63),
    (("log_every",), None),
    (("picture_every",), 10**30),
    (("classes",), "0123456789"),
    (("classes",), [1]),
    (("classes",), ["\0"]),
    (("classes",), ["a" * 1001]),
    (("source",), 1),
    (("networks",), []),
    (("networks",), {"G": None}),
    (("optimizers",), {"D": 3}),
    (("versions",), "1"),
    (("versions", "threads"), -1),
    (("versions", "fast_convolutions"), 1),
    (("versions", "numpy"), None),
    (("diverged",), 5),
    (("recipe",), []),
    (("recipe", "system"), "gone"),
    (("recipe", "system"), ["gan"]),
    (("recipe", "preset"), None),
    (("recipe", "data"), 3),
    (("recipe", "folder"), False),
    (("recipe", "loss"), "max"),
    *(
        ((("recipe", "width"), value))
        for value in (1e300, 10**9, 0, -1, float("inf"), float("nan"), "1", None, True)
    ),
    *(
        ((("recipe", word), value))
        for word in ("lr", "weight_decay")
        for value in (-1, float("nan"), 1e39, "0.1")
    ),
    *(((("recipe", "average"), value)) for value in (2, "nan", -0.1)),
    (("recipe", "smooth"), 1.5),
    *(((("recipe", "settings"), {"k": value})) for value in (float("nan"), 1e300, -1, "1", None, [1])),
    (("recipe", "settings"), [1]),
]


def change(path, where, value):
    """Set one field of a JSON file."""
    whole = json.loads(path.read_text())
    inner = whole
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize("where, value", FIELDS, ids=lambda part: repr(part)[:40])
def test_every_field_of_a_configuration_is_checked(where, value, run):
    change(run / "config.json", where, value)
    before = seen(run)
    with pytest.raises(FileFormatError, match="config.json: " + r"\.".join(where[:2])):
        resume(run)
    assert seen(run) == before


@pytest.mark.parametrize(
    "where", [("steps",), ("classes",), ("versions",), ("recipe", "width"), ("recipe", "settings")]
)
def test_a_missing_field_is_named(where, run):
    whole = json.loads((run / "config.json").read_text())
    del (whole if len(where) == 1 else whole[where[0]])[where[-1]]
    (run / "config.json").write_text(json.dumps(whole))
    with pytest.raises(FileFormatError, match=f"config.json: {'.'.join(where)}: .*the field is missing"):
        runs.read_config(run)


@pytest.mark.parametrize(
    "where, value, match",
    [
        (("classes",), list("012345678"), "classes: expected 0, 1"),
        (("networks",), {"G": "x"}, "networks: expected D, G"),
        (("optimizers",), {}, "optimizers: expected D, G, .* got none"),
        (("steps",), 3, "checkpoint.npz: step: expected at most the 3 of config.json, got 4"),
        (("recipe", "settings"), {"m": 1}, "recipe: GAN has no setting 'm'"),
        (("recipe", "settings"), {"k": 10**9}, "recipe: k: expected a whole number from 0 to 1,000,000, got"),
        (("recipe", "preset"), "gone", "recipe: preset"),
        (("recipe", "average"), 1, "recipe: average"),
        (("recipe", "data"), "ring", "recipe: gan digits takes pictures"),
    ],
)
def test_fields_that_do_not_fit_each_other(where, value, match, numgan, run):
    change(run / "config.json", where, value)
    before = seen(run)
    code, out, err = numgan("train", "--resume", run)
    assert code == 2 and out == "" and "Traceback" not in err
    with pytest.raises(FileFormatError, match=match):
        runs.open_run(run)
    assert seen(run) == before


@pytest.mark.parametrize("width", [1e-4, 1000])
def test_a_width_that_is_not_the_checkpoints_costs_no_memory(width, run):
    change(run / "config.json", ("recipe", "width"), width)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="checkpoint.npz"):
        runs.open_run(run)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "words",
    [
        {"picture_every": 10**30},
        {"log_every": 10**13},
        {"steps": 10**13},
        {"seed": 2**63},
        {"batch_size": 10**7},
        {"recipe": replace(RECIPE, preset=None)},
    ],
)
def test_what_could_not_be_read_is_not_written(words, tmp_path):
    with pytest.raises(ValueError, match=next(iter(words))):
        training.train(SYSTEM, DIGITS, tmp_path / "run", **{"steps": 1, "progress": False} | words)
    assert not (tmp_path / "run").exists()


LINES = [
    ({"step": 0}, "step"),
    ({"step": None}, "step"),
    ({"epoch": -1}, "epoch"),
    ({"losses": {"D": "high"}}, r"losses\.D"),
    ({"losses": []}, "losses"),
    ({"metrics": {"D(x)": [1]}}, r"metrics\.D\(x\)"),
    ({"gradients": 3}, "gradients"),
    ({"seconds": -1}, "seconds"),
    ({"seconds": "long"}, "seconds"),
    ({"seconds": float("nan")}, "seconds"),
    ({"losses": {"D": 1e999}}, r"losses\.D"),
    ({"losses": {"D": 10**400}}, r"losses\.D"),
    ({"step": 3}, "step"),
]


@pytest.mark.parametrize("words, field", LINES, ids=repr)
def test_every_field_of_a_record_is_checked(words, field, run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | words)
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    before = seen(run)
    with pytest.raises(FileFormatError, match=f"metrics.jsonl, line 4: {field}: expected"):
        resume(run)
    assert seen(run) == before


def test_a_torn_end_is_cut_and_a_torn_middle_is_refused(run):
    path = run / "metrics.jsonl"
    whole = path.read_bytes()
    for torn in (b'{"step": 5, "los', bytes(500), b"\xff" * 100, b"\n", b"x" * 200_000 + b"\n" + bytes(9)):
        path.write_bytes(whole + torn)
        assert [record["step"] for record in runs.read_metrics(run, 4)] == [1, 2, 3, 4]
    path.write_bytes(
        whole + b'{"step": 5, "losses": 0}\n{"step": 2}\n'
    )  # a later step: what follows is of no account
    assert len(runs.read_metrics(run, 4)) == 4
    path.write_bytes(b"torn\n" + whole)
    with pytest.raises(
        FileFormatError, match="line 2: expected valid lines before this one, got the invalid line 1"
    ):
        runs.read_metrics(run, 4)


def test_every_counter_of_a_checkpoint_has_a_range(tmp_path):
    state, path = checkpoint.State.start(SYSTEM, 0), tmp_path / "checkpoint.npz"
    for word, value in {"step": 10**16, "batches": 2**63 - 1}.items():
        checkpoint.save(path, replace(state, **{word: value}), {"a": 1})
        with pytest.raises(
            FileFormatError,
            match=f"checkpoint.npz, {word}: expected a count of 0 or more, at most 1,000,000,000,000,000",
        ):
            checkpoint.load(path, SYSTEM, {"a": 1})


def test_kinds_say_what_they_expect():
    kind = fields.Record({"a": fields.Whole(1, 9)}, {"b": fields.Maybe(fields.Each(fields.Text(3)))})
    kind.expect({"a": 1, "b": ["x"]}, "")
    kind.expect({"a": 9, "b": None}, "")
    for value, words in (
        ({"a": 10}, "a: expected a whole number from 1 to 9, got 10"),
        ({"a": 1, "b": ["x", "long"]}, "b[1]: expected text of at most 3"),
        ({"a": 1, "c": 1}, "c: expected one of the fields a, b"),
        ([], "the JSON text: expected named fields, got []"),
        ({}, "a: expected a whole number from 1 to 9, got nothing: the field is missing"),
        ({"a": 1, "\ud800": 1}, "a field's name in the JSON text"),
    ):
        with pytest.raises(ValueError) as caught:
            kind.expect(value, "")
        assert words in str(caught.value)


# ---- studies


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


# ---- other readers


def test_a_pipe_is_not_waited_for(tmp_path):
    for name, read in (
        ("x.png", lambda path: load_folder(path.parent)),
        ("x-idx", lambda path: read_idx(path, 1)),
        ("x.npy", arrays.load_array),
        ("checkpoint.npz", lambda path: checkpoint.load(path, SYSTEM, {})),
    ):
        os.mkfifo(tmp_path / name)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(10)
        try:
            with pytest.raises(FileFormatError, match=name):
                read(tmp_path / name)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


def test_a_directory_of_more_members_than_asked_for_is_not_read(tmp_path):
    """The list of an archive's members can take far more memory than the file."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20_000):
            archive.writestr(zipfile.ZipInfo(f"{i}.npy"), b"")
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="x.npz: expected at most 2 arrays"):
        arrays.load_arrays(path, "x", "y")
    assert tracemalloc.get_traced_memory()[1] < 3 * path.stat().st_size
    tracemalloc.stop()
    np.savez(path, x=np.arange(3), y=np.ones(2))
    x, y = arrays.load_arrays(path, "x", "y")
    assert x.tolist() == [0, 1, 2] and y.tolist() == [1, 1]
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, len(whole) - 10, 10**6)
    path.write_bytes(whole)
    with pytest.raises(FileFormatError, match="a directory of 1,000,000 bytes"):
        arrays.load_arrays(path, "x", "y")


def test_a_picture_of_more_pixels_than_the_limit_is_refused(tmp_path):
    Image.new("1", (8000, 5000)).save(tmp_path / "x.png")
    with pytest.raises(
        FileFormatError, match="x.png: expected a picture that Pillow reads, of at most 33,554,432 pixels"
    ):
        load_folder(tmp_path)


def test_a_few_thousand_damaged_files(tmp_path):
    """The short form of `python benchmarks/fuzz_files.py`, which damages a million."""
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_files.py"
    if not script.exists():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("fuzz_files", script)
    fuzz_files = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_files"] = fuzz_files  # where dataclasses look for it
    spec.loader.exec_module(fuzz_files)
    with fuzz_files.prepared() as (root, kinds):
        for name, kind in kinds.items():
            found = fuzz_files.fuzz(name, kind, root, round(2500 * kind.share), 20, tmp_path / "kept")
            assert found["failures"] == 0 and found["inputs"], [
                found,
                *(path.name for path in tmp_path.glob("kept/*")),
            ]


def test_pictures_of_more_than_a_million_steps_are_in_order(tmp_path):
    (tmp_path / "samples").mkdir()
    for step in (1_234_567, 999_999, 0):
        (tmp_path / "samples" / f"step-{step:06d}.png").touch()
    assert [path.stem for path in runs.pictures(tmp_path)] == ["step-000000", "step-999999", "step-1234567"]


def _touching(path):
    """(line, call) of every call in a source file that opens, writes, renames or removes a file by its name, those of the system's own apart."""
    methods = {
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
        "rmdir",
        "rename",
        "touch",
        "rmtree",
        "remove",
        "copyfile",
        "move",
    }
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            words = {name, name.rpartition(".")[2]} if "." in name else {name}
            of_system = any(
                isinstance(part, ast.Constant) and str(part.value).startswith(("/proc", "/sys"))
                for part in ast.walk(node)
            )
            by_name = (
                name in ("np.save", "np.savez", "np.load", "os.replace", "os.rename")
                and ast.unparse(node.args[0]) != "file"
            )
            if not of_system and (
                by_name or name == "open" or methods & words and not name.startswith(("files.", "members."))
            ):
                yield node.lineno, name


def test_one_chapter_opens_and_removes_files():
    """Whatever touches a file by its name goes through numgan/core/files.py, so that one place decides what is safe."""
    root = Path(files.__file__).parents[1]
    found = {
        str(path.relative_to(root)): calls for path in root.rglob("*.py") if (calls := list(_touching(path)))
    }
    assert (
        set(found.pop("core/files.py"))
        and {name: calls for name, calls in found.items() if name != "studies/protocol.py"} == {}
    )
    assert [name for _, name in found["studies/protocol.py"]] == ["remove"]  # that of files.py
