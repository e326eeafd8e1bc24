"""Advice: every command is accepted for the run, whatever its system, preset, data and options are."""

import argparse
import re
import shlex
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from numgan import cli, systems
from numgan.data import Dataset
from numgan.evaluation.advice import PENALISED, Adviser, command
from numgan.training import recipes, runs
from numgan.training.recipes import Recipe
from numgan.training.state import State

METHODS = ("slower", "calmer", "bolder", "bounded", "stronger_penalty", "smaller", "variety")
CASES = [  # every preset, on data with labels and, if it can be trained on such data, without
    (name, preset, labels)
    for name in systems.SYSTEMS
    for preset in systems.presets(name)
    for labels in (True, False)
    if labels or not systems.build(name, preset, 0.02).classes
]


def run_of(recipe, folder, labels=True):
    system = recipe.build()
    shape = system.sample_shape
    x = np.zeros((20, *shape), np.uint8 if len(shape) == 3 else np.float32)
    classes = tuple(map(str, range(10))) if labels else ()
    data = Dataset("data", x, np.arange(20) % 10 if labels else None, classes)
    config = {"recipe": asdict(recipe), "seed": 0, "steps": system.steps}
    return runs.OpenRun(folder, config, system, data, State.start(system, 0))


def commands(advice):
    return re.findall("`(numgan [^`]*)`", advice)


def parsed(text):
    parser = argparse.ArgumentParser()
    cli.train.add(parser.add_subparsers())
    return parser.parse_args(shlex.split(text)[1:])


@pytest.mark.parametrize("name, preset, labels", CASES)
def test_every_command_is_accepted(name, preset, labels, tmp_path):
    folder = tmp_path / "my pictures"
    shape = systems.build(name, preset, 0.02).sample_shape
    shape = shape if len(shape) == 3 else (8, 8, 1)
    for number in range(10):
        picture = Image.fromarray(np.full(shape, 20 * number, np.uint8).squeeze())
        place = folder / str(number) if labels else folder
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{number}.png")
    recipe = Recipe(name, preset, str(folder), width=0.02)
    run = run_of(recipe, tmp_path, labels)
    for method in METHODS:
        advice = getattr(Adviser(run), method)()
        assert commands(advice), f"{method}: {advice}"
        for text in commands(advice):
            args = parsed(text)
            other = Recipe(**cli.common.given(args, Recipe)).resolve()
            recipes.check(other.build(), run.dataset)
            assert other != recipe and other.data == str(folder), f"{method}: {text}"


def test_options_of_the_run_are_kept_for_its_own_system_only(tmp_path):
    recipe = Recipe(
        "gan", "digits", "digits", width=0.05, lr=3e-4, smooth=0.9, average=0.9, settings={"k": 3}
    )
    adviser = Adviser(run_of(recipe, tmp_path))
    own = "numgan train gan --preset digits --data digits --width 0.05"
    assert commands(adviser.slower()) == [f"{own} --lr 3e-05 --smooth 0.9 --average 0.9 --set k=3"]
    assert commands(adviser.bolder()) == [f"{own} --lr 0.0003 --smooth 0.9 --average 0.9 --set k=6"]
    pac, r1 = commands(adviser.variety())
    assert pac == "numgan train pacgan --preset digits --data digits --width 0.05"
    assert r1 == "numgan train r1 --preset digits --data digits --width 0.05"


@pytest.mark.parametrize("name, preset", [("dcgan", "half"), ("dcgan", "mnist"), ("gan", "points")])
def test_the_shape_of_the_samples_decides(name, preset, tmp_path):
    """A system is named only if one of its presets takes such samples."""
    recipe = Recipe(name, preset, str(tmp_path), width=0.02)
    shape = recipe.build().sample_shape
    advice = Adviser(run_of(recipe, tmp_path, labels=False)).variety()
    named = {parsed(text).system for text in commands(advice)}
    fitting = {
        other
        for other in ("pacgan", *PENALISED)
        for make in systems.presets(other).values()
        if make(0.02).sample_shape == shape and not make(0.02).classes
    }
    assert named <= fitting or (not fitting and named == {name} and "--lr" in advice)
    assert ("pacgan" in named) == ("pacgan" in fitting)


def test_a_loss_is_advised_only_where_it_can_be_replaced(tmp_path):
    saturating = Adviser(run_of(Recipe("gan", "saturating", "digits", width=0.05), tmp_path)).calmer()
    assert "Take a loss whose gradient does not vanish: `numgan train gan " in saturating
    for name in ("wgan", "wgan_gp", "lsgan", "hinge"):
        advice = Adviser(run_of(Recipe(name, "digits", "digits", width=0.05), tmp_path)).calmer()
        assert "--loss" not in advice and "--smooth" not in advice


def test_switches_and_bools(tmp_path):
    recipe = Recipe("hacks", "digits", "digits", width=0.05, settings={"leaky": False, "noise": 0.2})
    text = "numgan train hacks --preset digits --data digits --width 0.05 --set leaky=false --set noise=0.2"
    assert command(recipe) == text
    assert commands(Adviser(run_of(recipe, tmp_path)).variety())[0] == f"{text} --set pack=2"
    packed = replace(recipe, settings={"pack": 2, "minibatch": 0})
    assert all("pack" not in text for text in commands(Adviser(run_of(packed, tmp_path)).variety()))


def test_more_steps_help_only_while_the_rates_are_not_0(tmp_path):
    run = run_of(Recipe("r3gan", "mnist", "mnist", width=0.02), tmp_path)
    for step, can in ((0, True), (2000, True), (3999, False), (4000, False), (5000, False)):
        assert Adviser(replace(run, state=replace(run.state, step=step))).can_learn == can
    assert Adviser(run_of(Recipe("gan", "digits", "digits", width=0.05), tmp_path)).can_learn
