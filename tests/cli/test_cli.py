"""The command line: what it prints, what --json holds, and how it exits. Signals and kills meet real processes."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from processes import until

import numgan as ng
from numgan import checking, cli, systems
from numgan.bench import doctor
from numgan.evaluation import judging
from numgan.training import recipes, runs

NARROW = ["--width", "0.1", "--batch-size", "8"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with three runs: a conditional one, one without labels, and a classifier."""
    folder = tmp_path_factory.mktemp("runs")
    for system, steps in (("conditional", "3"), ("gan", "3"), ("classifier", "60")):
        assert (
            cli.main(
                [
                    "train",
                    system,
                    "--width",
                    "0.25",
                    "--batch-size",
                    "32",
                    "--steps",
                    steps,
                    "--out",
                    str(folder / system),
                    "--json",
                ]
            )
            == 0
        )
    return folder


def refused(result, *parts, code=2):
    """One clear line on stderr, nothing on stdout, no traceback."""
    got, out, err = result
    lines = [line for line in err.splitlines() if not line.startswith("usage")]
    assert (got, out) == (code, "") and "Traceback" not in err and len(lines) == 1, err
    for part in parts:
        assert part in err


# ---- help and systems


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
        ["sample", "r", "--labels", "3,x"],
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


# ---- train


def test_train_says_where_everything_is(numgan, tmp_path):
    code, out, err = numgan("train", "conditional", *NARROW, "--steps", 3)
    assert code == 0 and "steps/s" in out and len(err.splitlines()) == 2
    for name in (
        "samples.png",
        "training.gif",
        "curves.png",
        "metrics.jsonl",
        "config.json",
        "checkpoint.npz",
    ):
        path = Path("runs", "conditional-digits-1", name)
        assert path.stat().st_size and str(path) in out
    assert (
        numgan("train", "conditional", *NARROW, "--steps", 1)[0] == 0
        and Path("runs", "conditional-digits-2").is_dir()
    )


def test_train_json_and_resume(numgan):
    code, out, _ = numgan("train", "gan", *NARROW, "--steps", 3, "--out", "here", "--json")
    result = json.loads(out)
    assert code == 0 and result.keys() == {
        "run",
        "steps",
        "losses",
        "seconds",
        "steps_per_second",
        "held_out",
        "health",
        "files",
    }
    assert (result["run"], result["steps"], result["held_out"]) == ("here", 3, None) and result[
        "losses"
    ].keys() == {"D", "G"}
    assert all(Path(path).exists() for path in result["files"].values())
    assert json.loads(numgan("train", "--resume", "here", "--steps", 5, "--json")[1])["steps"] == 5
    assert (
        json.loads(numgan("train", "--resume", "here", "--epochs", 0.05, "--json")[1])["steps"] == 5
    )  # 75 rows, 16 a step
    numgan("train", "gan", *NARROW, "--steps", 5, "--out", "whole")
    assert Path("here", "checkpoint.npz").read_bytes() == Path("whole", "checkpoint.npz").read_bytes()
    refused(numgan("train", "gan", "--out", "here"), "holds a run already", "--resume")
    refused(numgan("train", "--resume", "here", "--seed", 3, "--lr", 1), "--seed, --lr comes from the run")
    refused(numgan("train", "gan", "--resume", "here"), "gan comes from the run")
    refused(numgan("train", "--resume", "here", "--steps", 2), "has 5 already")


def test_a_classifier_tells_its_held_out_accuracy(numgan, folder):
    code, out, _ = numgan("train", "--resume", folder / "classifier")
    assert code == 0 and "held-out: accuracy" in out and "297 rows" in out


def plan(numgan, *words):
    code, out, err = numgan("train", *words, "--dry-run", "--json")
    assert code == 0, err
    return json.loads(out)


def test_options_reach_the_system(numgan):
    words = [
        "--lr",
        0.5,
        "--weight-decay",
        0.25,
        "--smooth",
        0.9,
        "--loss",
        "minimax",
        "--average",
        0.5,
        "--seed",
        7,
        "--width",
        0.1,
    ]
    made = plan(numgan, "gan", *words, "--batch-size", 9, "--epochs", 2)
    assert "lr=0.5" in made["optimizers"]["G"] and "weight_decay" not in made["optimizers"]["G"]
    assert "lr=0.5" in made["optimizers"]["D"] and "weight_decay=0.25" in made["optimizers"]["D"]
    assert (made["seed"], made["batch_size"], made["steps"], made["samples"]) == (
        7,
        9,
        -(-2 * 1500 // 18),
        1500,
    )
    recipe = recipes.Recipe(**made["recipe"])
    system = recipe.build()
    assert repr(system.loss) == "smoothed(minimax, 0.9)" and system.average == 0.5
    assert made["parameters"]["G"] == systems.build("gan", "digits", 0.1).networks["G"].layout.size
    assert not os.listdir("."), "a dry run writes nothing"
    code, out, _ = numgan("train", "gan", "--dry-run")
    assert code == 0 and "Sequential(" in out and "parameters" in out


def test_data_choose_the_preset_and_a_preset_shapes_the_data(numgan, tmp_path):
    assert plan(numgan, "gan")["recipe"]["preset"] == "digits"
    assert (
        plan(numgan, "gan", "--data", "swiss-roll")["recipe"]
        == plan(numgan, "gan", "--preset", "points", "--data", "swiss-roll")["recipe"]
    )
    assert plan(numgan, "dcgan", "--data", "digits")["recipe"]["preset"] == "digits"
    assert plan(numgan, "dcgan", "--preset", "mnist", "--data", "digits")["samples"] == 1500
    for i in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (90, 70), (i, 9, 9)).save(tmp_path / "photos" / f"{i}.png")
    made = plan(numgan, "dcgan", "--preset", "half", "--data", "photos", "--width", 0.05)
    assert made["samples"] == 3 and made["recipe"]["data"] == str(tmp_path / "photos")
    refused(
        numgan("train", "dcgan", "--data", "photos"),
        "no preset takes samples of shape (70, 90, 3)",
        "name a preset",
    )
    refused(numgan("train", "conditional", "--preset", "digits", "--data", "photos"), "learns from labels")


@pytest.mark.parametrize(
    "words, parts",
    [
        ([], ["SYSTEM", "numgan systems"]),
        (["gna"], ["system", "dcgan", "'gna'"]),
        (["gan", "--preset", "huge"], ["preset", "digits"]),
        (["gan", "--data", "minst"], ["mnist"]),
        (["gan", "--preset", "digits", "--data", "nowhere"], ["nowhere", "folder of pictures"]),
        (["gan", "--preset", "digits", "--data", "ring"], ["takes pictures", "points"]),
        (["gan", "--preset", "points", "--data", "digits"], ["takes points", "pictures"]),
        (["dcgan", "--preset", "half"], ["--data", "none of its own"]),
        (["gan", "--loss", "hinges"], ["hinge", "hinges"]),
        (["wgan", "--loss", "hinge"], ["one loss"]),
        (["gan", "--loss", "hinge", "--smooth", "0.9"], ["smoothed"]),
        (["gan", "--lr", "-1"], ["lr"]),
        (["gan", "--lr", "nan"], ["lr"]),
        (["gan", "--average", "1"], ["average"]),
        (["gan", "--folder", "x"], ["folder"]),
        (["--resume", "nothing-here"], ["nothing-here", "not a run"]),
    ],
)
def test_wrong_requests(numgan, words, parts):
    refused(numgan("train", *words), *parts)
    assert not os.listdir("."), "a refused request leaves nothing behind"


def test_a_folder_that_cannot_be_written(numgan):
    Path("file").write_text("x")
    refused(numgan("train", "gan", "--steps", 1, "--out", "file/run"), "file")
    if os.geteuid():
        os.mkdir("locked", 0o500)
        refused(numgan("train", "gan", "--steps", 1, "--out", "locked/run"), "locked")


def test_a_run_that_diverges_exits_with_1(numgan):
    code, out, err = numgan("train", "gan", *NARROW, "--lr", 1e30, "--steps", 5, "--out", "run")
    assert (
        code == 1
        and out == ""
        and "is not finite, in network" in err
        and "checkpoint of step 0" in err
        and "--lr" in err
    )
    assert "Warning" not in err


def test_damaged_runs(numgan, folder):
    config = json.loads((folder / "gan" / "config.json").read_text())
    os.mkdir("run")
    for text in (
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps(config | {"seed": "0"}),
        json.dumps(config | {"recipe": {"system": "gan"}}),
        json.dumps(config | {"recipe": [1]}),
        json.dumps(config | {"classes": 3}),
        b"\xff\xfe",
    ):
        Path("run", "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        refused(numgan("sample", "run"), "config.json", "configuration")
    Path("run", "config.json").write_text(json.dumps(config))
    refused(numgan("train", "--resume", "run"), "checkpoint.npz")
    Path("run", "checkpoint.npz").write_bytes(b"junk")
    refused(numgan("train", "--resume", "run"), "damaged")
    Path("run", "config.json").write_text(json.dumps(config | {"recipe": None}))
    refused(numgan("sample", "run"), "made in Python")


# ---- sample


def test_sample_draws_a_picture_or_arrays(numgan, folder):
    run = folder / "conditional"
    assert numgan("sample", run)[0] == 0
    with Image.open(run / "drawn.png") as all_classes, Image.open(run / "samples.png") as final:
        assert all_classes.size == final.size
    code, out, _ = numgan(
        "sample", run, "--labels", "3,7", "--count", 6, "--seed", 5, "--out", "two.npz", "--json"
    )
    assert code == 0 and json.loads(out) == {"run": str(run), "seed": 5, "file": "two.npz", "labels": [3, 7]}
    with np.load("two.npz") as file:
        assert (
            file["x"].shape == (6, 8, 8, 1)
            and file["x"].dtype == np.uint8
            and list(file["labels"]) == [3, 7, 3, 7, 3, 7]
        )
        first = file["x"]
    numgan("sample", run, "--labels", "3,7", "--count", 6, "--seed", 5, "--out", "again.npz")
    numgan("sample", run, "--labels", "3,7", "--count", 6, "--seed", 6, "--out", "other.npz")
    with np.load("again.npz") as again, np.load("other.npz") as other:
        assert np.array_equal(again["x"], first) and not np.array_equal(other["x"], first)
    assert numgan("sample", run, "--labels", "3,7", "--count", 5, "--out", "two.png")[0] == 0
    with Image.open("two.png") as picture:
        assert picture.height < picture.width  # two rows of three, the last place empty
    refused(numgan("sample", run, "--out", "x.bmp"), ".png or .npz")
    refused(numgan("sample", run, "--labels", "3,10"), "from 0 to 9")
    refused(numgan("sample", folder / "gan", "--labels", "3"), "no labels")
    refused(
        numgan("sample", folder / "classifier"),
        "is a run of Classifier, which draws no samples: it tells the class of a picture",
    )
    refused(numgan("sample", "nothing"), "not a run")


def test_judging(numgan, folder):
    words = ["sample", folder / "conditional", "--judge", folder / "classifier", "--count", 50]
    result = json.loads(numgan(*words, "--json")[1])
    assert set(result) == {
        "run",
        "seed",
        "judge",
        "samples",
        "agreement",
        "confidence",
        "shares",
        "copies",
        "copies_share",
        "held_out",
    }
    assert result["samples"] == 50 and 0 <= result["agreement"] <= 1 and 0.1 <= result["confidence"] <= 1
    assert sum(result["shares"].values()) == pytest.approx(1) and list(result["shares"]) == list("0123456789")
    assert result["held_out"]["rows"] == 297 and result["held_out"]["accuracy"] > 0.3
    code, out, _ = numgan(*words)
    assert code == 0 and f"{result['agreement']:.2%}" in out and "copies" in out and "297 held-out" in out
    code, out, _ = numgan("sample", folder / "gan", "--judge", folder / "classifier", "--out", "x.png")
    assert code == 0 and "1,000 samples" in out and "-" in out and Path("x.png").exists()
    refused(numgan("sample", folder / "conditional", "--judge", folder / "gan"), "a judge is")


def test_the_judge_knows_real_digits_and_their_labels(folder, monkeypatch):
    """Let the "generator" return training rows: agreement is then the classifier's accuracy on them, and all are copies."""
    run, classifier = runs.open_run(folder / "conditional"), runs.open_run(folder / "classifier")

    class Real:
        def __call__(self, n, seed, labels=None):
            rows = run.dataset.rows(np.arange(n), run.system.pixels)
            return rows["x"], rows["labels"]

    monkeypatch.setattr(runs.OpenRun, "sampler", lambda self: Real())
    judged = judging.judge(run, classifier, 300)
    assert judged["copies"] == 300 and abs(judged["agreement"] - judged["held_out"]["accuracy"]) < 0.15


# ---- gradcheck, data, doctor


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
    monkeypatch.delenv("NUMGAN_DATA")
    code, out, _ = numgan("data")
    assert code == 0 and "fashion-mnist" in out and "numgan" in doctor.data_sets()[1]["where"]


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


# ---- real processes


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


def test_a_second_ctrl_c_leaves_at_once(start, tmp_path):
    """Long before the first step is done: the second signal waits for nothing."""
    words = [
        "train",
        "dcgan",
        "--preset",
        "mnist",
        "--data",
        "digits",
        "--batch-size",
        1000,
        "--out",
        tmp_path / "run",
    ]
    process = start([*NUMGAN, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert "steps 0 to" in process.stderr.readline()
    until(
        (tmp_path / "run" / "samples" / "step-000000.png").exists, process
    )  # drawn before the first step begins
    time.sleep(0.2)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in err and "--resume" not in err, err
    assert (
        runs.open_run(tmp_path / "run").state.step == 0
    )  # the checkpoint is the one of the start, and whole


def test_a_progress_bar_on_a_terminal(start, tmp_path):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    process = start(
        [*NUMGAN, "train", "conditional", *NARROW, "--steps", 30, "--out", tmp_path / "run"],
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
        and b"30/30" in shown
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
    for name in ("train", "judge", "sample"):
        found = kill_resume.trial(tmp_path, name, 2, random.Random(name))
        assert found["kills"] >= 2 and found["ends"] and not found["wrong"], (name, found)


def test_a_figure_that_is_not_finite_is_null_in_json(capsys):
    """Python would write Infinity and NaN, which other readers of JSON refuse."""
    figures = {"a": float("inf"), "b": [1.5, (float("nan"), np.float64("-inf"))], "c": Path("x"), "d": None}
    cli.common.print_json(figures)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None, None]], "c": "x", "d": None}
