"""Stages, data sets and the arguments of train are refused by name if they are of another type."""

import numpy as np
import pytest

import numgan as ng
from numgan import data
from numgan.data import Augmented, Dataset, Unpaired, paired
from numgan.systems import Result, System
from numgan.systems.staged import Staged
from numgan.training import loop

FEW = Dataset("few", data.load("ring").x[:20], source="a test")


class Alone(System):
    def objectives(self):
        return {"A": lambda params, batch, seed, fakes=None: Result(0.0, {"A": params["A"].zeros()}, {})}


def alone(**words):
    usual = {"networks": {"A": ng.mlp(2, 3, 2)}, "optimizers": {"A": ng.SGD(0.1)}, "sample_shape": (2,)}
    return Alone(**usual | words)


@pytest.mark.parametrize(
    "parts, got",
    [
        (lambda s: (s,), "Alone"),
        (lambda s: ((4, 3),), r"\(4, 3\)"),
        (lambda s: ((1, s), (1.5, s)), r"\(1.5, Alone"),
        (lambda s: ((s, 4),), r"\(Alone"),
        (lambda s: ((4, s, 1),), r"\(4, Alone"),
        (lambda s: (4, s), "4$"),
    ],
)
def test_stages_are_pairs(parts, got):
    with pytest.raises(TypeError, match=rf"^Staged: expected pairs \(steps, system\), got {got}"):
        Staged.of(*parts(alone()))
    assert Staged.of((np.int64(2), alone()), [1, alone()]).steps == 3


@pytest.mark.parametrize(
    "system, dataset, words, message",
    [
        ("gan", FEW, {}, "^system: expected a System, .* got str"),
        (alone(), FEW.x, {}, "^train: expected dataset as a Dataset, got ndarray; make it"),
        (alone(), FEW, {"weights": 3}, "^weights: expected a dict .* got int"),
        (alone(), FEW, {"recipe": "x"}, "^recipe: expected a Recipe or None, got str"),
        (
            alone(optimizers={"A": 1e-3}),
            FEW,
            {},
            r"Alone: expected optimizers\['A'\] .* Optimizer, got float",
        ),
        (alone(networks={"A": "x"}), FEW, {}, r"Alone: expected networks\['A'\] .* Layer, got str"),
    ],
)
def test_train_names_what_does_not_fit(system, dataset, words, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        loop.train(system, dataset, tmp_path / "run", steps=1, progress=False, **words)
    assert not (tmp_path / "run").exists()
    done = loop.train(alone(), FEW, tmp_path / "run", steps=1, weights={}, recipe=None, progress=False)
    assert done.steps == 1


def test_sides_are_data_sets():
    for make, where in ((paired, "paired"), (Unpaired, "Unpaired")):
        for sides, name in (({"x": FEW.x, "y": FEW}, "x"), ({"x": FEW, "y": FEW.x}, "y")):
            message = rf"^{where}\('d'\): expected {name} as a Dataset, got ndarray"
            with pytest.raises(TypeError, match=message):
                make("d", **sides)
        assert len(make("d", x=FEW, y=FEW)) == 20
    for wrong, got in ((None, "NoneType"), (FEW.x, "ndarray")):
        with pytest.raises(TypeError, match=f"^Augmented: expected dataset as a Dataset, got {got}"):
            Augmented(wrong)
    assert len(Unpaired("d", x=Augmented(FEW), y=FEW)) == 20


@pytest.mark.parametrize(
    "name, setting",
    [("gan", "k"), ("dcgan", "k"), ("unrolled", "k"), ("wgan", "n_critic"), ("wgan_gp", "n_critic")],
)
def test_the_discriminator_trains_in_every_step(name, setting):
    system = ng.build(name, width=0.01)
    with pytest.raises(ValueError, match=f"^{setting}: expected an integer of at least 1, got 0$"):
        system.setting(**{setting: 0})
    assert system.setting(**{setting: 1}).rounds(1) == ("D", "G")
