"""Doubts about designs whose gradients are right: bounded outputs, and layers that mix samples."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest

import numgan as ng
from numgan import data, systems
from numgan.layers import Pass
from numgan.layers.given import Given
from numgan.layers.virtual import Referenced
from numgan.losses import relativistic_average
from numgan.remedies.remedy import Remedy
from numgan.systems import SYSTEMS, doubts, presets
from numgan.systems.staged import Staged
from numgan.systems.system import System
from numgan.training import loop as training


def ending(name, *layers, preset="digits", **changes):
    """The system with these layers after its D."""
    system = systems.build(name, preset, 0.05)
    D = ng.Sequential(system.networks["D"], *layers)
    return replace(system, networks=system.networks | {"D": D}, **changes)


def judged_by(D, name="gan", **changes):
    system = systems.build(name, "digits", 0.05)
    return replace(system, networks=system.networks | {"D": D}, **changes)


@pytest.mark.parametrize("name, preset", [(name, preset) for name in SYSTEMS for preset in presets(name)])
def test_no_preset_is_in_doubt(name, preset):
    assert doubts(systems.build(name, preset, 0.02)) == []


class Squashed(ng.Layer):
    """A sigmoid as a user writes it."""

    def forward(self, p, x, context=Pass()):
        return 1 / (1 + np.exp(-np.clip(x, -60, 60))), None


class Whole(ng.Layer):
    """A whole network of one's own, which ends in tanh."""

    def __init__(self, net):
        self.children = {"net": net}

    def forward(self, p, x, context=Pass()):
        return np.tanh(self.children["net"].forward(p.child("net"), x, context.child("net"))[0]), None


@pytest.mark.parametrize("name", ["gan", "conditional", "dcgan", "r1", "hinge", "wgan", "wgan_gp", "r3gan"])
@pytest.mark.parametrize("layer, between", [(ng.Sigmoid(), "0 and 1"), (ng.Tanh(), "-1 and 1")], ids=repr)
def test_a_bounded_output(name, layer, between):
    (doubt,) = doubts(ending(name, layer))
    assert doubt.about == "output" and doubt.advice == f"Leave {layer!r} out, and train again."
    assert doubt.says.startswith(f"D ends in {layer!r}, and gives outputs between {between}, but the loss ")
    if name in ("gan", "conditional", "dcgan", "r1"):
        assert doubt.says.endswith("the loss nonsaturating takes logits and applies the sigmoid itself")


@pytest.mark.parametrize(
    "layers",
    [
        (ng.Sigmoid(), ng.Flatten()),
        (ng.Sequential(ng.Sequential(ng.Sigmoid())),),
        (ng.Sigmoid(), ng.Dropout(0.5)),
        (Squashed(),),
    ],
    ids=["reshaped", "nested", "dropout", "own"],
)
def test_a_bounded_output_is_found_behind_other_layers(layers):
    assert "Leave S" in doubts(ending("gan", *layers))[0].advice


def test_wrapped_networks():
    D = systems.build("gan", "digits", 0.05).networks["D"]
    bounded = ng.Sequential(D, ng.Sigmoid())
    reference = np.random.default_rng(0).standard_normal((4, 8, 8, 1))
    for wrap in (Whole, lambda net: Referenced(net, reference), lambda net: ng.Sequential(net, ng.Pick(0))):
        inner = D if wrap is Whole else bounded
        assert [doubt.about for doubt in doubts(judged_by(wrap(inner)))] == ["output"]
    assert doubts(judged_by(Whole(D)))[0].says.startswith("D gives outputs between -1 and 1, but the loss")
    assert doubts(judged_by(D)) == [] and Given(bounded, np.arange(3)).layer is bounded


def test_spectral_layers_have_bounded_slopes_and_unbounded_outputs():
    layers = [ng.Spectral(ng.Dense(64, 8, bias=False)), ng.ReLU(), ng.Spectral(ng.Dense(8, 1, bias=False))]
    assert doubts(judged_by(ng.Sequential(ng.Flatten(), *layers))) == []
    assert len(doubts(judged_by(ng.Sequential(ng.Flatten(), *layers, ng.Tanh())))) == 1


def test_an_output_with_one_bound():
    """ReLU and Softplus are never below 0: no sample can look fake. Differences of outputs do not care."""
    for layer, low in ((ng.ReLU(), "0"), (ng.Softplus(), "0"), (ng.ELU(1.0), "-1")):
        for name in ("gan", "hinge"):
            assert f"gives outputs never below {low}, but" in doubts(ending(name, layer))[0].says
        for name in ("wgan", "wgan_gp", "r3gan"):
            assert doubts(ending(name, layer)) == []
    assert doubts(ending("gan", ng.LeakyReLU(0.2))) == []


def test_losses_whose_targets_are_within_the_bounds():
    for layer in (ng.Sigmoid(), ng.Tanh(), ng.ReLU()):
        assert doubts(ending("lsgan", layer)) == []
    for loss, count in ((ng.minimax, 1), (ng.least_squares, 0), (ng.smoothed(), 1), (ng.wasserstein, 1)):
        assert len(doubts(ending("gan", ng.Sigmoid(), loss=loss))) == count
    assert len(doubts(ending("r3gan", ng.Sigmoid(), loss=relativistic_average))) == 1


def test_systems_of_ones_own():
    """Without a loss of numgan nothing is known of what it takes, unless the system says so."""

    @dataclass(frozen=True, kw_only=True, repr=False)
    class Own(System):
        loss: object = None
        judges = ("critic",)

        def objectives(self):
            return {}

    critic = ng.Sequential(ng.Dense(2, 4), ng.Tanh(), ng.Dense(4, 1), ng.Sigmoid())
    own = Own(networks={"critic": critic}, optimizers={}, sample_shape=(2,))
    assert doubts(own) == []
    assert doubts(replace(own, loss=ng.nonsaturating))[0].says.startswith("critic ends in Sigmoid()")

    class Says(Own):
        takes_logits = True

    assert len(doubts(Says(**vars(own)))) == 1
    staged = Staged.of((5, replace(own, loss=ng.nonsaturating)), (5, own))
    assert len(doubts(staged)) == 1


# ---- mixing samples


class WeightNorm(Remedy):
    """A penalty of one's own."""

    def penalty(self, D, phi, real, fake, game, seed):
        return 0.0, phi.zeros()


def mixer(kind):
    layer = {"BatchNorm": ng.BatchNorm(4), "MinibatchStd": ng.MinibatchStd(), "LayerNorm": ng.LayerNorm(4)}[
        kind
    ]
    return ng.Sequential(
        ng.Flatten(), ng.Dense(64, 4), ng.Sequential(layer), ng.Dense(4 + (kind == "MinibatchStd"), 1)
    )


@pytest.mark.parametrize("kind", ["BatchNorm", "MinibatchStd"])
def test_a_penalty_on_each_sample_through_a_layer_that_mixes_them(kind):
    for name in ("wgan_gp", "dragan", "r1", "roth", "r3gan"):
        (doubt,) = doubts(judged_by(mixer(kind), name))
        assert doubt.about == "samples" and f"D has {kind}(" in doubt.says and "LayerNorm" in doubt.advice
        assert "the gradient of D at each sample, which is then not defined" in doubt.says
        assert doubts(judged_by(mixer("LayerNorm"), name)) == []
    for name in ("gan", "hinge", "wgan"):
        assert doubts(judged_by(mixer(kind), name)) == []
    assert len(doubts(judged_by(mixer(kind), "dcgan", remedies=(WeightNorm(),)))) == 1
    assert doubts(judged_by(mixer(kind), "r3gan", gamma=0.0)) == []


def test_packs_and_penalties():
    packed = systems.build("pacgan", "digits", 0.05)
    assert doubts(packed) == []
    assert doubts(replace(packed, remedies=(ng.R1Penalty(1.0),))) == []  # a pack is the sample that D judges


def test_batches_of_one_sample():
    system = systems.build("dcgan", "digits", 0.05)
    assert doubts(system, 2) == []
    found = doubts(system, 1)
    assert len(found) == 2 and all(
        "a batch has only one: it is compared with itself" in d.says for d in found
    )
    assert all(doubt.advice == "Take a larger batch size." for doubt in found)
    packed = systems.build("pacgan", "points", 0.05)
    assert doubts(packed, 4) == [] and ["D has Pack" in doubt.says for doubt in doubts(packed, 2)] == [True]


def test_samples_that_depend_on_each_other():
    """BatchNorm is measured before samples are drawn; nothing can be measured for MinibatchStd."""
    system = systems.build("gan", "digits", 0.05)
    G = ng.Sequential(
        ng.Dense(32, 7), ng.BatchNorm(7), ng.MinibatchStd(), ng.Dense(8, 64), ng.Reshape(8, 8, 1)
    )
    (doubt,) = doubts(replace(system, networks=system.networks | {"G": G}))
    assert "G has MinibatchStd" in doubt.says and "drawn with it" in doubt.says
    assert doubts(replace(system, networks=system.networks | {"G": G[:2]})) == []


def test_a_classifier_whose_answers_depend_on_other_pictures():
    system = systems.build("classifier", "digits", 0.05)
    (doubt,) = doubts(replace(system, networks={"C": ng.Sequential(mixer("BatchNorm"), ng.Dense(1, 10))}))
    assert "its answer for one picture depends on the pictures" in doubt.says


# ---- where it is said


def test_training_warns_before_it_begins(tmp_path):
    said = "D ends in Sigmoid\\(\\), and gives outputs between 0 and 1.* Leave Sigmoid\\(\\) out"
    with pytest.warns(UserWarning, match=said):
        training.train(
            ending("gan", ng.Sigmoid()),
            data.load("digits"),
            tmp_path / "run",
            steps=1,
            batch_size=8,
            progress=False,
        )
    with pytest.warns(UserWarning, match="a batch has only one") as found:
        system = systems.build("dcgan", "digits", 0.05)
        training.train(system, data.load("digits"), tmp_path / "one", steps=1, batch_size=1, progress=False)
    assert len(found) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training.train(
            systems.build("gan", "digits", 0.05),
            data.load("digits"),
            tmp_path / "well",
            steps=1,
            progress=False,
        )


def test_the_command_prints_a_doubt_as_a_message(numgan):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        words = (
            "--preset",
            "digits",
            "--steps",
            1,
            "--width",
            0.05,
            "--batch-size",
            1,
            "--out",
            "run",
            "--json",
        )
        code, out, err = numgan("train", "dcgan", *words)
    first, second, *_ = err.splitlines()
    assert code == 0 and out.startswith("{")
    assert first.startswith("numgan: warning: G has BatchNorm(") and first.endswith(
        "Take a larger batch size."
    )
    assert second.startswith("numgan: warning: D has BatchNorm(") and ".py" not in err
