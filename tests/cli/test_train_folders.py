"""numgan train --data FOLDER: the networks follow the size, the colours and the classes of the pictures."""

import json
import shutil

import numpy as np
import pytest
from cli_cases import refused
from data_cases import idx_file
from PIL import Image

from numgan.training import recipes, runs


def pictures(folder, size, count=4, colour=True):
    """Write random pictures of `size` = (height, width) to a folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for i in range(count):
        pixels = rng.integers(0, 256, (*size, 3) if colour else size, np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def put_mnist(folder):
    """Write 20 pictures as the training part of MNIST, whose 60,000 take seconds to resize."""
    folder.mkdir()
    x, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    for name, array in (("images-idx3", x), ("labels-idx1", labels)):
        (folder / f"train-{name}-ubyte").write_bytes(idx_file(array))


@pytest.fixture
def folders(tmp_path):
    for kind in ("apple", "fig", "pear"):
        pictures(tmp_path / "fruit" / kind, (64, 64))
        pictures(tmp_path / "letters" / kind, (28, 28), colour=False)
    pictures(tmp_path / "faces", (64, 64), count=9)
    pictures(tmp_path / "bands", (48, 144), count=9, colour=False)
    pictures(tmp_path / "odd", (218, 178), count=3)


def plan(numgan, *words):
    code, out, err = numgan("train", *words, "--dry-run", "--json")
    assert code == 0, err
    return json.loads(out)


CHOSEN = [  # system, folder, preset, shape, classes, largest number of parameters
    ("dcgan", "faces", "pictures", [64, 64, 3], None, 2e6),
    ("dcgan", "fruit", "pictures", [64, 64, 3], None, 2e6),
    ("dcgan", "bands", "pictures", [48, 144, 1], None, 3e6),
    ("dcgan", "letters", "mnist", None, None, 1e6),
    ("conditional", "fruit", "pictures", [64, 64, 3], 3, 2e6),
    ("conditional", "letters", "mnist", None, 3, 1.1e6),
    ("classifier", "fruit", "pictures", [64, 64, 3], 3, 1e6),
    ("classifier", "letters", "mnist", None, 3, 1e6),
    ("r3gan", "faces", "pictures", [64, 64, 3], None, 3e6),
    ("r3gan", "fruit", "pictures", [64, 64, 3], 3, 3e6),
    ("r3gan", "letters", "mnist", None, 3, 4e6),
    ("wgan_gp", "faces", "pictures", [64, 64, 3], None, 2e6),
    ("hinge", "bands", "pictures", [48, 144, 1], None, 3e6),
    ("gan", "faces", "digits", [64, 64, 3], None, 7e6),
    ("r1", "bands", "digits", [48, 144, 1], None, 4e6),
    ("hacks", "fruit", "digits", [64, 64, 3], 3, 2e6),
]


@pytest.mark.parametrize("system, data, preset, shape, classes, most", CHOSEN)
def test_a_folder_chooses_a_small_net(numgan, folders, system, data, preset, shape, classes, most):
    made = plan(numgan, system, "--data", data)
    recipe = made["recipe"]
    assert (recipe["preset"], recipe["shape"], recipe["classes"]) == (preset, shape, classes)
    assert sum(made["parameters"].values()) < most
    again = recipes.Recipe(**recipe)
    assert again.resolve() == again
    assert tuple(again.load().sample_shape) == again.build().sample_shape
    assert again.build().classes == (classes or 0 if system != "hacks" else 0)


def test_a_labelled_colour_folder_trains_samples_and_resumes(numgan, folders):
    words = ("train", "conditional", "--data", "fruit", "--width", 0.05, "--batch-size", 6)
    code, _, err = numgan(*words, "--steps", 2, "--out", "run")
    assert code == 0 and err.startswith("numgan: conditional pictures on fruit: 12 samples, steps 0 to 2")
    assert numgan("train", "--resume", "run", "--steps", 3)[0] == 0
    assert numgan(*words, "--steps", 3, "--out", "whole")[0] == 0
    weights = [runs.open_run(out).state.params["G"].vector for out in ("run", "whole")]
    assert np.array_equal(*weights)
    code, _, err = numgan("sample", "run", "--count", 4, "--labels", "0,2", "--out", "x.png")
    assert code == 0, err
    assert runs.open_run("run").system.sample_shape == (64, 64, 3)


def test_the_size_of_pictures(numgan, folders, tmp_path, monkeypatch):
    refused(
        numgan("train", "dcgan", "--data", "odd", "--dry-run"),
        "(218, 178, 3)",
        "the nearest sizes are 192 x 160 and 160 x 128",
        "--size 192x160",
    )
    for size, shape in (
        ("64", [64, 64, 3]),
        ("96x80", [96, 80, 3]),
        ("28x28x1", None),
        ("20x40x1", [20, 40, 1]),
    ):
        recipe = plan(numgan, "dcgan", "--data", "odd", "--size", size)["recipe"]
        assert recipe["shape"] == shape and recipe["size"] == size
        assert recipe["preset"] == ("mnist" if shape is None else "pictures")
    put_mnist(tmp_path / "mnist")
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    recipe = plan(numgan, "wgan", "--preset", "mnist", "--size", "16x8")["recipe"]
    assert recipe["shape"] == [16, 8, 1] and recipe["data"] == "mnist"
    recipe = plan(numgan, "dcgan", "--size", "32")["recipe"]
    assert (recipe["data"], recipe["preset"], recipe["shape"]) == ("digits", "pictures", [32, 32, 1])
    for wrong in ("big", "64x", "x64", "6 4", "1x2x3x4", "-8", "8x8x8.0", "\u0663\u0662"):
        refused(
            numgan("train", "dcgan", "--data", "odd", f"--size={wrong}"), "HEIGHTxWIDTH such as 64x64, 48x144"
        )
    refused(
        numgan("train", "dcgan", "--data", "odd", "--size", "34"), "nearest sizes are 32 x 32 and 28 x 28"
    )
    refused(numgan("train", "dcgan", "--data", "odd", "--size", "8x8x2"), "channels 1 (grey) or 3 (colour)")
    refused(numgan("train", "gan", "--data", "ring", "--size", "8"), "these are points")


def test_a_named_preset_keeps_its_shape_unless_it_is_for_folders(numgan, folders):
    shapes = {}
    for preset in ("digits", "mnist", "pictures", "half"):
        recipe = plan(numgan, "dcgan", "--preset", preset, "--data", "bands", "--width", 0.05)["recipe"]
        shapes[preset] = recipes.Recipe(**recipe).build().sample_shape
    assert shapes == {
        "digits": (8, 8, 1),
        "mnist": (28, 28, 1),
        "pictures": (48, 144, 1),
        "half": (64, 64, 3),
    }
    recipe = plan(numgan, "conditional", "--preset", "digits", "--data", "fruit")["recipe"]
    assert (recipe["shape"], recipe["classes"]) == (None, 3)  # the number of classes follows in any case
    refused(
        numgan("train", "dcgan", "--preset", "half", "--data", "bands", "--size", "32"),
        "dcgan half has fixed sizes",
        "resize the pictures to 64x64",
    )


def test_labels_that_a_system_needs_or_can_do_without(numgan, folders, tmp_path):
    refused(numgan("train", "conditional", "--data", "faces"), "learns from labels, and faces has none")
    refused(numgan("train", "classifier", "--data", "faces"), "learns from labels, and faces has none")
    pictures(tmp_path / "one" / "only", (16, 16))
    refused(numgan("train", "classifier", "--data", "one"), "at least 2 classes to distinguish, got 1")
    made = plan(numgan, "conditional", "--data", "one")
    assert made["recipe"]["classes"] == 1
    for i in range(11):
        pictures(tmp_path / "many" / f"c{i:02}", (16, 16), count=1)
    refused(
        numgan("train", "conditional", "--preset", "mirza", "--data", "many"),
        "built for 10 classes, and many has 11",
        "leave out the preset",
    )
    assert plan(numgan, "conditional", "--data", "many")["recipe"]["classes"] == 11


def test_held_out_data_that_do_not_fit_are_refused_before_the_training(numgan, folders, tmp_path):
    pictures(tmp_path / "others" / "plum", (64, 64))
    for test, words in {
        "frut": ("frut", "check the path"),
        "others": ("test data: expected the classes apple, fig, pear", "got 'plum'"),
    }.items():
        for more in ([], ["--dry-run"]):
            asked = ("--data", "fruit", "--width", 0.1, "--steps", 1, "--test", test, *more)
            refused(numgan("train", "classifier", *asked), *words)
    assert not (tmp_path / "runs").exists()
    others = shutil.copytree("fruit", tmp_path / "more fruit")
    assert plan(numgan, "classifier", "--data", "fruit", "--test", others)["recipe"]["test"]


def test_a_dry_run_tells_the_preset_and_the_memory(numgan, folders):
    code, out, err = numgan("train", "r3gan", "--data", "fruit", "--steps", 1200, "--dry-run")
    lines = out.splitlines()
    assert code == 0 and err == "" and "r3gan pictures on Dataset('fruit': 12 images (64, 64, 3)" in out
    assert lines[-3].startswith("1,200 steps of 100") and "Cosine(start=0.001, steps=1200" in lines[-1]
    assert [line.split(":")[0].strip() for line in lines[-2:]] == ["G", "D"]
    assert "parameters, 25.6 MB with weights, gradient, moments, average" in lines[-2]


def test_systems_tell_which_presets_adapt(numgan):
    rows = {(row["system"], row["preset"]): row for row in json.loads(numgan("systems", "--json")[1])}
    assert rows["dcgan", "pictures"]["adapts_to"] == ["shape"] and rows["dcgan", "paper"]["adapts_to"] == []
    assert rows["conditional", "mnist"]["adapts_to"] == ["classes", "shape"]
    out = numgan("systems")[1]
    assert "  pictures     32 x 32 x 3 *  a folder of images" in out
    assert "  half         64 x 64 x 3    a folder of images" in out
    assert "adapt to the number of classes too" in out


@pytest.mark.filterwarnings("always")
def test_a_broken_picture_that_is_left_out_is_named_once(numgan, folders, tmp_path):
    for part in ("train", "test"):
        for kind in ("fig", "pear"):
            pictures(tmp_path / "parts" / part / kind, (8, 8), colour=False)
        (tmp_path / "parts" / part / "fig" / f"{part}.png").write_bytes(b"")
    words = ["train", "classifier", "--data", "parts", "--width", 0.1, "--steps", 1]
    code, _, err = numgan(*words, "--out", "run", "--skip-broken")
    assert code == 0, err
    for part in ("train", "test"):
        assert err.count(f"1 of 9 files are left out: fig/{part}.png") == 1, err
    refused(numgan("train", "gan", "--data", "digits", "--skip-broken"), "skip_broken", "got 'digits'")
