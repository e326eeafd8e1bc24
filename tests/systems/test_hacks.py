"""The hacks: the list of tips, every switch alone, and the presets."""

import json
import re

import numpy as np
import pytest
from game_cases import DIGITS, narrow

from numgan import systems
from numgan.checking.system import CONTRACT, SystemPoint, check_objective
from numgan.core.randomness import stream
from numgan.layers import Dropout, Pass
from numgan.losses import minimax, nonsaturating
from numgan.systems import Batch, build
from numgan.systems.games import hacks
from numgan.training import loop as training
from numgan.training import sampling
from numgan.training.recipes import Recipe

OFF = dict.fromkeys(
    ("normalize", "modified", "spherical", "separate", "leaky", "convolutional", "adam"), False
)


ON = {
    "smooth": 0.9,
    "soft": True,
    "flip": 0.3,
    "replay": 0.5,
    "past": 0.4,
    "sgd": True,
    "balance": 1.2,
    "classify": True,
    "noise": 0.3,
    "layer_noise": 0.2,
    "k": 2,
    "minibatch": 3,
    "deviation": True,
    "conditional": True,
    "dropout": 0.3,
    "matching": True,
    "pack": 3,
    "ttur": 4.0,
    "historical": 0.1,
}


MODERATE = {"pool", "age", "anneal", "rate", "hidden"}  # sizes, which turn nothing on


def test_the_table_has_all_seventeen_and_says_what_the_switches_are():
    rows = re.findall(r"^ ?(\d+)  (.*)$", hacks.__doc__, re.MULTILINE)
    settings, named = build("hacks", "digits").settings, {}
    assert [int(number) for number, _ in rows] == list(range(1, 18))
    for _, row in rows:
        named |= {name: json.loads(value) for name, value in re.findall(r"(\w+)=(\S+)", row)}
    assert {name: settings[name] for name in named} == named
    assert settings.keys() - named.keys() == {"matching", "pack", "ttur", "historical", "rate", "hidden"}
    assert settings.keys() == OFF.keys() | ON.keys() | MODERATE


@pytest.mark.parametrize("switch", [*OFF, *ON])
@pytest.mark.parametrize("preset", ["none", "digits"])
def test_every_switch_alone(preset, switch):
    """Turned from what the preset has; both turns through every branch of it (`past` decides by the seed)."""
    base = build("hacks", preset, 0.01)
    value = not base.settings[switch] if switch in OFF else ON[switch]
    system = base.setting(**{switch: value})
    seeds = {
        old: next(seed for seed in range(9) if (stream(seed, "past").random() < ON["past"]) == old)
        for old in (False, True)
    }
    for seed in seeds.values() if switch == "past" else (0,):
        for objective in ("D", "G"):
            assert check_objective(system, objective, seed=seed)[0] <= 1e-6
    for check in CONTRACT:  # with the D of today, from whose weights G is to learn
        check(SystemPoint(system, seed=seeds[False]))


def test_the_switches_change_what_they_say():
    kinds = lambda net: [type(layer).__name__ for layer in net]
    digits, none = narrow(), narrow("none")
    assert kinds(none.networks["D"]) == ["Flatten", "Dense", "ReLU", "Dense", "ReLU", "Dense"]
    assert kinds(none.networks["G"])[-2:] == ["Sigmoid", "Reshape"]
    assert (
        none.pixels == (0, 1)
        and none.loss is minimax
        and none.latent.kind == "uniform"
        and none.average == 0
        and not none.separate
    )
    assert (
        digits.pixels == (-1, 1)
        and digits.loss is nonsaturating
        and digits.latent.kind == "normal"
        and digits.average > 0
    )
    assert kinds(digits.networks["G"])[-2:] == ["ConvTranspose2d", "Tanh"] and "ReLU" not in kinds(
        digits.networks["G"]
    ) + kinds(digits.networks["D"])
    assert "MaxPool2d" in kinds(narrow(leaky=False).networks["D"])
    assert kinds(narrow(minibatch=2, deviation=True, pack=2).networks["D"])[
        :: len(digits.networks["D"]) + 2
    ] == ["Pack", "Dense"]
    assert kinds(narrow(minibatch=2, deviation=True).networks["D"])[-3:] == [
        "MinibatchStd",
        "MinibatchDiscrimination",
        "Dense",
    ]
    assert kinds(narrow(conditional=True).networks["D"])[:3] == ["Parallel", "Condition", "Pick"]
    named = narrow(classify=True).networks
    assert (
        kinds(named["D"])[0] == "Conv2d"
        and named["D"][-1].features == 11
        and kinds(named["G"])[:2] == ["Parallel", "Concat"]
    )
    optimizers = lambda **switches: [repr(narrow(**switches).optimizers[name]) for name in "DG"]
    recipe = Recipe("hacks", "digits", width=0.05, lr=0.01, settings={"ttur": 4.0}).resolve().build()
    assert [repr(recipe.optimizers[name]) for name in ("D", "G")] == ["Adam(lr=0.04)", "Adam(lr=0.01)"]
    assert optimizers() == ["Adam(lr=0.0002)"] * 2 and optimizers(ttur=4) == [
        "Adam(lr=0.0008)",
        "Adam(lr=0.0002)",
    ]
    assert (
        optimizers(sgd=True) == ["SGD(lr=0.01, momentum=0.5)", "Adam(lr=0.0002)"]
        and optimizers(adam=False) == ["SGD(lr=0.01, momentum=0.5)"] * 2
    )
    assert optimizers(historical=0.5) == ["Historical(rule=Adam(lr=0.0002), weight=0.5)"] * 2
    assert narrow(k=3).rounds(0) == ("D", "D", "D", "G") and narrow(pack=2).packed == 2


def test_a_batch_is_whole_packs(tmp_path):
    with pytest.raises(ValueError, match="a multiple of the 5 samples .* got 64"):
        training.train(narrow(pack=5), DIGITS, tmp_path / "run", batch_size=64)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "preset, switches, message",
    [
        ("digits", {"flip": 1.5}, "NoisyLabels flip: expected a share from 0 to 1, got 1.5"),
        ("digits", {"smooth": 0.0}, "a smooth above 0"),
        ("digits", {"pack": 0}, "pack: expected an integer of at least 1, got 0"),
        ("digits", {"classify": True, "pack": 2}, "a pack has no class"),
        ("digits", {"balance": 1.0, "matching": True}, "which matching does not compute"),
        ("points", {"conditional": True}, "points have no pixels"),
        ("points", {"normalize": False}, "points have no pixels"),
        ("digits", {"dropout": 1.0}, "Dropout: expected"),
        ("digits", {"leeky": True}, "Hacks has no setting 'leeky'; there are .*leaky"),
        ("digits", {"leaky": 1}, "leaky: expected true or false, got 1"),
        ("digits", {"k": 2.0}, "k: expected a whole number"),
        ("digits", {"k": True}, "k: expected a whole number"),
        ("digits", {"noise": -0.1}, "noise: expected a finite number"),
        ("digits", {"noise": float("nan")}, "noise: expected a finite number"),
        ("digits", {"channels": 3}, "no setting 'channels'"),
        ("digits", {"now": 3}, "no setting 'now'"),
    ],
)
def test_settings_that_do_not_fit(preset, switches, message):
    with pytest.raises(ValueError, match=message):
        narrow(preset, **switches)


def test_g_keeps_its_dropout_when_samples_are_drawn():
    on, off = (narrow("digits", dropout=rate).networks["G"] for rate in (0.5, 0.0))
    assert sum(isinstance(layer, Dropout) for layer in on) == 2 and not any(
        isinstance(layer, Dropout) for layer in off
    )
    system = build("hacks", "digits", 0.05).setting(dropout=0.5)
    sampler = sampling.Sampler(system, system.init(0), 1, 16, DIGITS)
    x, again, more = sampler(20, 3)[0], sampler(20, 3)[0], sampler(300, 3)[0]
    assert np.array_equal(x, again) and np.allclose(x, more[:20], atol=1e-6)  # no neighbour decides
    z = system.inputs(Batch({}, number=20), 3)
    quiet = system.networks["G"].forward(system.init(0)["G"], z, Pass(measured=sampler.statistics["G"]))[0]
    assert not np.allclose(x, quiet) and system.keeps_noise and not build("hacks", "digits", 0.05).keeps_noise
    assert not build("gan", "digits", 0.05).keeps_noise  # the list's point 17 only


def test_the_systems_module_has_the_presets():
    assert list(systems.presets("hacks")) == ["digits", "none", "all", "conditional", "points"]


def test_what_the_switches_make():
    system = build("hacks", "digits", 0.02)
    made = lambda **switches: system.setting(**switches)
    assert made(modified=True).loss.name == "nonsaturating" and made(modified=False).loss.name == "minimax"
    assert made().pixels == (-1, 1) and made(normalize=False).pixels == (0, 1)
    assert made().latent.kind == "normal" and made(spherical=False).latent.kind == "uniform"
    assert made().classes == 0 and made(conditional=True).classes == made(classify=True).classes == 10
    rules = lambda **switches: {
        name: repr(rule) for name, rule in made(rate=0.01, **switches).optimizers.items()
    }
    momentum = "SGD(lr=0.5, momentum=0.5)"
    assert (
        rules() == {"D": "Adam(lr=0.01)", "G": "Adam(lr=0.01)"}
        and rules(ttur=3.0)["D"] == "Adam(lr=0.03)"
        and rules(ttur=3.0)["G"] == "Adam(lr=0.01)"
    )
    assert rules(sgd=True) == {"D": momentum, "G": "Adam(lr=0.01)"} and rules(adam=False) == {
        "D": momentum,
        "G": momentum,
    }
    assert (
        rules(historical=0.5)["G"].startswith("Historical")
        and made(historical=0.5).optimizers["D"].weight == 0.5
    )
    assert (
        not made().keeps_noise
        and made(dropout=0.1).keeps_noise
        and made(layer_noise=0.1).keeps_noise
        and made(pack=4).packed == 4
    )
