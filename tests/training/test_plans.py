"""The numbers of a run, the data that fit a system, and the identity of a run."""

import copy
import inspect
import pickle
from dataclasses import astuple, replace
from functools import partial

import numpy as np
import pytest
from PIL import Image
from training_cases import DIGITS, go

import numgan as ng
from numgan import systems
from numgan.data import Dataset
from numgan.training import checkpoint, recipes, runs
from numgan.training import loop as training


def test_the_plan_of_a_run_that_says_nothing():
    system = systems.build("r1", "points", 0.1)
    numbers = lambda *words: list(astuple(recipes.Plan(*words).resolve(system)))
    assert numbers() == [10000, 256, 0, 10, 500] and numbers(65)[-1] == 3
    assert numbers(7, 8, 9, 11, 12) == [7, 8, 9, 11, 12] and numbers(7)[-1] == 1
    for place, least in enumerate((1, 1, 0, 1, 1)):
        words = [5, 5, 5, 5, 5]
        for value in (least - 1, True, 2.0, "3"):
            words[place] = value
            with pytest.raises(ValueError, match=rf"expected at least {least} \(an integer\), got"):
                numbers(*words)
        words[place] = np.int64(least)
        assert all(type(number) is int for number in numbers(*words))


def test_what_train_does_unless_told_otherwise():
    parameters = inspect.signature(training.train).parameters
    said = dict.fromkeys(("steps", "batch_size", "seed", "recipe", "weights", "look"))
    said |= dict.fromkeys(("log_every", "picture_every", "checkpoint_every"))
    said |= {"resume": False, "checkpoint_seconds": 30.0, "progress": True}
    assert {name: parameters[name].default for name in said} == said


@pytest.mark.parametrize(
    "words", [{"steps": 0}, {"batch_size": 0}, {"seed": -1}, {"log_every": 0}, {"picture_every": -2}]
)
def test_numbers_out_of_range(tmp_path, words):
    with pytest.raises(ValueError, match=f"{next(iter(words))}: expected at least"):
        go("gan", tmp_path / "run", **words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words", [{"steps": 2.5}, {"batch_size": 2.5}, {"batch_size": "a"}, {"seed": "a"}, {"steps": True}]
)
def test_numbers_that_are_no_integers(tmp_path, words):
    with pytest.raises(ValueError, match=f"{next(iter(words))}: expected at least . .an integer., got"):
        training.train(
            systems.build("gan", "digits", 0.05),
            DIGITS,
            tmp_path / "run",
            progress=False,
            **{"steps": 1} | words,
        )
    assert not (tmp_path / "run").exists()


def test_numpy_integers_are_integers(tmp_path):
    out = tmp_path / "run"
    assert (
        training.train(
            systems.build("gan", "digits", 0.05),
            DIGITS,
            out,
            steps=np.int64(2),
            batch_size=np.int32(4),
            progress=False,
        ).steps
        == 2
    )
    assert runs.read_config(out)["steps"] == 2


def test_epochs_in_steps():
    gan, wgan, dcgan = (systems.build(name, "digits", 0.05) for name in ("gan", "wgan", "dcgan"))
    assert [recipes.steps_of(system, 1500, 64, 2) for system in (gan, wgan, dcgan)] == [
        24,
        8,
        47,
    ]  # 2, 6 and 1 batches of 64 a step
    with pytest.raises(ValueError, match="epochs: expected"):
        recipes.steps_of(gan, 1500, 64, 1e12)


def test_data_that_do_not_fit_the_system(tmp_path):
    bare = Dataset("bare", DIGITS.x)
    many = Dataset("many", DIGITS.x[:12], np.arange(12), tuple("abcdefghijkl"))
    for system, dataset, match in (
        (systems.build("conditional", "digits", 0.05), bare, "learns from labels, and bare has none"),
        (systems.build("conditional", "digits", 0.05), many, r"10 classes, and many has 12.*classes=12\)"),
        (systems.build("gan", "points"), DIGITS, r"expected samples \(2,\).*sample_shape=\(8, 8, 1\)\)"),
    ):
        with pytest.raises(ValueError, match=match):
            training.train(system, dataset, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_data_made_in_python_are_named_without_an_empty_origin(tmp_path):
    few, out = Dataset("few", DIGITS.x[:20]), tmp_path / "run"
    begin = partial(training.train, systems.build("gan", "digits", 0.05), out=out, steps=1, progress=False)
    begin(few)
    with pytest.raises(FileExistsError, match="resume=True"):
        begin(few)
    with pytest.raises(ValueError, match="run: few differs from the data of the run: x: rows 19"):
        begin(Dataset("few", DIGITS.x[:19]), resume=True)


def test_fewer_classes_than_the_system_has(tmp_path):
    few = Dataset("few", DIGITS.x[DIGITS.labels < 3], DIGITS.labels[DIGITS.labels < 3], ("a", "b", "c"))
    training.train(
        systems.build("conditional", "digits", 0.05),
        few,
        tmp_path / "run",
        steps=1,
        batch_size=8,
        progress=False,
    )
    with Image.open(tmp_path / "run" / "samples.png") as grid:
        assert grid.height < grid.width / 3  # three rows of ten


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_constant_of_a_system_is_part_of_a_run(name):
    """A checkpoint continues the run that it is of, and no other that differs in a constant."""
    system = systems.build(name, None, 0.05)
    plain = checkpoint.identity(system, DIGITS, 4, 0)
    others = {
        "pixels": (0.0, 1.0),
        "average": 0.5,
        "classes": 3,
        "latent": systems.Latent(32, "uniform", 5.0),
        "loss": ng.wasserstein,
        "k": 7,
        "n_critic": 9,
        "warm": 8,
    }
    for word, value in others.items():
        if hasattr(system, word):
            assert checkpoint.identity(replace(system, **{word: value}), DIGITS, 4, 0) != plain, word
    assert checkpoint.identity(replace(system, steps=1, batch_size=1), DIGITS, 4, 0) == plain


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_systems_can_be_pickled(name):
    for preset in systems.presets(name):
        system = systems.build(name, preset, 0.05)
        again = pickle.loads(pickle.dumps(system))
        assert (
            repr(again) == repr(system)
            and again.init(3)[next(iter(again.networks))] == system.init(3)[next(iter(system.networks))]
        )
        assert getattr(again, "loss", None) is getattr(system, "loss", None)
    loss = pickle.loads(pickle.dumps(ng.smoothed(ng.minimax, 0.8)))
    assert (
        loss.name == "smoothed(minimax, 0.8)"
        and ng.smoothed(copy.deepcopy(ng.nonsaturating)).name == "smoothed(nonsaturating, 0.9)"
    )
