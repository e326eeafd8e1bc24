"""Settings of systems and remedies: their values, their limits, and `--set` on the command line."""

import json

import numpy as np
import pytest

from numgan.core.randomness import derive, stream
from numgan.losses import nonsaturating
from numgan.remedies.penalties import R1Penalty, RothPenalty
from numgan.systems import System, build
from numgan.training import checkpoint, recipes, runs


def test_every_system_has_settings():
    wgan = build("wgan", "digits", 0.05)
    assert wgan.settings == {"n_critic": 5, "warm": 0} and wgan.setting(n_critic=2).n_critic == 2
    assert build("conditional", "digits", 0.05).settings == {"k": 1}
    bare = System(networks={}, optimizers={}, sample_shape=(2,))
    assert bare.settings == {}
    with pytest.raises(ValueError, match="System has no setting 'k'; there are none"):
        bare.setting(k=1)


def test_the_settings_of_remedies_are_settings_of_the_system():
    roth = build("roth", "digits", 0.05)
    assert (
        roth.setting(gamma=1).remedies == (RothPenalty(1.0),) and roth.setting(k=2).remedies == roth.remedies
    )
    r1 = build("r1", "points", 0.05).setting(every=3, k=2)
    assert r1.remedies == (R1Penalty(0.01, every=3),) and r1.settings == {"k": 2, "gamma": 0.01, "every": 3}
    with pytest.raises(ValueError, match="every: expected an integer of at least 1, got 0"):
        r1.setting(every=0)


def test_settings_on_the_command_line(numgan):
    given = [part for word in ("noise=0.2", "replay=0.5", "leaky=false", "k=2") for part in ("--set", word)]
    words = ("train", "hacks", "--width", 0.02, "--batch-size", 8, *given)
    code, out, _ = numgan(*words, "--steps", 3, "--out", "run")
    assert code == 0
    config = runs.read_config("run")
    assert config["recipe"]["settings"] == {"noise": 0.2, "replay": 0.5, "leaky": False, "k": 2}
    system = runs.open_run("run").system
    assert config["recipe"]["settings"].items() <= system.settings.items() and "MaxPool2d" in repr(system)
    assert numgan("train", "--resume", "run", "--steps", 5)[0] == 0
    numgan(*words, "--steps", 5, "--out", "whole")
    assert (checkpoint.Path("run") / "checkpoint.npz").read_bytes() == (
        checkpoint.Path("whole") / "checkpoint.npz"
    ).read_bytes()
    code, out, _ = numgan(
        "train",
        "hacks",
        "--smooth",
        0.8,
        "--lr",
        0.01,
        "--set",
        "historical=0.1",
        "--set",
        "k=3",
        "--dry-run",
        "--json",
    )
    plan = json.loads(out)
    assert (
        plan["recipe"]["smooth"] == 0.8
        and plan["optimizers"]["D"] == "Historical(rule=Adam(lr=0.01), weight=0.1)"
    )
    smooth = recipes.Recipe("hacks", "digits", smooth=0.8).build()  # its own switch, not a second smoothing
    assert smooth.settings["smooth"] == 0.8 and smooth.loss is nonsaturating
    rows = json.loads(numgan("systems", "--json")[1])
    assert (
        next(row for row in rows if row["preset"] == "digits" and row["system"] == "hacks")["settings"][
            "pool"
        ]
        == 1024
    )


@pytest.mark.parametrize(
    "words, parts",
    [
        (("gan", "--set", "k"), ("--set", "expected name=value", "'k'")),
        (("gan", "--set", "k=[2]"), ("expected name=value",)),
        (("gan", "--set", "k=two"), ("expected name=value",)),
        (("gan", "--set", "m=2"), ("GAN has no setting 'm'; there are k",)),
        (("gan", "--set", "k=0.5"), ("k: expected a whole number",)),
        *(
            ((name, "--set", "every=0", "--dry-run"), ("every: expected an integer of at least 1, got 0",))
            for name in ("r1", "r3gan")
        ),
        (("hacks", "--set", "noise=NaN"), ("noise: expected a finite number",)),
        (("--resume", "run", "--set", "k=2"), ("--set comes from the run",)),
        (("hacks", "--set", "k=1", "--set", "k=2"), ("--set: expected k once, got 1 and 2; leave one out",)),
        (("hacks", "--set", "k=0"), ("k: expected an integer of at least 1, got 0",)),
    ],
)
def test_wrong_settings_on_the_command_line(numgan, words, parts):
    code, _, err = numgan("train", *words)
    assert code == 2 and all(part in err for part in parts)


def test_a_damaged_setting_in_a_configuration(numgan):
    numgan("train", "gan", "--width", 0.02, "--batch-size", 8, "--steps", 1, "--set", "k=2", "--out", "run")
    path = checkpoint.Path("run", "config.json")
    for bad in ('{"k": "2"}', "[]", '{"k": null}'):
        text = json.dumps(
            {
                **json.loads(path.read_text()),
                "recipe": {**json.loads(path.read_text())["recipe"], "settings": json.loads(bad)},
            }
        )
        checkpoint.Path("run", "config.json").write_text(text)
        code, _, err = numgan("sample", "run")
        assert code == 2 and "settings" in err


@pytest.mark.parametrize(
    "preset, taken, refused, words",
    [
        ("digits", {"flip": 1.0}, {"flip": 1.01}, "NoisyLabels flip: expected a share from 0 to 1, got 1.01"),
        (
            "digits",
            {"replay": 1.0},
            {"replay": 1.01},
            "Replay replay: expected a share from 0 to 1, got 1.01",
        ),
        ("digits", {"past": 1.0}, {"past": 1.01}, "PastPlayers past: expected a share from 0 to 1, got 1.01"),
        ("digits", {"smooth": 1.0}, {"smooth": 1.01}, "NoisyLabels smooth: expected a share from 0 to 1"),
        ("digits", {"smooth": 0.001}, {"smooth": 0.0}, "a smooth above 0"),
        ("digits", {"pack": 1}, {"pack": 0}, "of at least 1"),
        ("digits", {"pool": 1}, {"pool": 0}, "of at least 1"),
        ("digits", {"age": 1}, {"age": 0}, "of at least 1"),
        ("digits", {"classify": True, "pack": 1}, {"classify": True, "pack": 2}, "a pack has no class"),
        ("digits", {"pack": 2}, {"classify": True, "pack": 3}, "a pack has no class"),
        ("digits", {"balance": 0.5}, {"balance": 0.5, "matching": True}, "balance needs D.s loss"),
        ("digits", {"matching": True}, {"flip": 2.0}, "NoisyLabels flip: expected a share"),
        ("points", {"flip": 0.5}, {"convolutional": True}, "no pixels and no labels"),
        ("points", {"normalize": True}, {"normalize": False}, "no pixels"),
        ("points", {"classify": False}, {"classify": True}, "no pixels"),
        ("points", {"conditional": False}, {"conditional": True}, "no pixels"),
        ("digits", {"k": 1}, {"k": -1}, "a whole number"),
        ("digits", {"k": 1}, {"k": 0}, "k: expected an integer of at least 1, got 0"),
        ("digits", {"noise": 0}, {"noise": -0.1}, "a finite number"),
        ("digits", {"noise": 2}, {"noise": np.inf}, "a finite number"),
        ("digits", {"noise": 0.5}, {"noise": True}, "a finite number"),
        ("digits", {"soft": True}, {"soft": 1}, "true or false"),
        ("digits", {"k": 2}, {"k": 2.0}, "a whole number"),
        ("digits", {"k": 3}, {"k": True}, "a whole number"),
        ("digits", {"k": 3}, {"now": 3}, "has no setting 'now'"),
        ("digits", {"k": 3}, {"steps": 3}, "has no setting 'steps'"),
    ],
)
def test_settings_that_are_taken_and_those_that_are_refused(preset, taken, refused, words):
    system = build("hacks", preset, 0.02)
    changed = system.setting(**taken)
    assert {name: changed.settings[name] for name in taken} == taken
    assert all(type(changed.settings[name]) is type(system.settings[name]) for name in taken)
    with pytest.raises(ValueError, match=words):
        system.setting(**refused)


@pytest.mark.parametrize("width", [0, -1, np.nan, 1e-9, 1e300])
def test_a_width_is_in_its_range(width):
    with pytest.raises(ValueError, match="build: width: expected a finite number from 0.0001 to 1,000, got"):
        build("gan", "digits", width)
    assert build("gan", "digits", 1e-4).networks["G"][0].features == 4


@pytest.mark.parametrize("seed", [-1, True, 1.0, "1", None])
def test_a_seed_is_a_whole_number_from_0(seed):
    assert derive(0, "a") != derive(1, "a") and 0 <= derive(0) < 2**63
    for draw in (stream, derive):
        with pytest.raises(ValueError, match="seed: expected an integer of at least 0, got"):
            draw(seed, "a")
