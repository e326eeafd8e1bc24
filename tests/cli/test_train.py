"""numgan train: what it prints, what it refuses, and how the options reach the system."""

import json
import os
from pathlib import Path

import pytest
from cli_cases import NARROW, refused
from PIL import Image

from numgan import systems
from numgan.training import recipes


def test_train_says_where_everything_is(numgan, tmp_path):
    code, out, err = numgan("train", "conditional", *NARROW, "--steps", 3)
    assert code == 0 and "steps/s" in out and len(err.splitlines()) == 4
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
    refused(
        numgan("train", "--resume", "here", "--seed", 3, "--lr", 1),
        "--seed, --lr come from the run; leave them out",
    )
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
        "the nearest sizes are 64 x 80 and 56 x 72",
        "--size 64x80",
        "name a preset",
    )
    made = plan(numgan, "dcgan", "--data", "photos", "--size", "64x80", "--width", 0.05)
    assert (made["recipe"]["preset"], made["recipe"]["shape"]) == ("pictures", [64, 80, 3])
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
        (["dcgan", "--preset", "half"], ["--data", "half has no data"]),
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
    refused(
        numgan("sample", "run"), "made in Python", "numgan.training.runs.open_run('run', system, dataset)"
    )
