"""The catalogue that `numgan gradcheck` runs: its entries, and the names that select them."""

from dataclasses import replace

import pytest

import numgan.checking
from numgan.checking import entries
from numgan.checking.cases import GAMES, LOSSES, OPTIMIZERS, PENALTIES
from numgan.checking.catalogue import Entry, _items
from numgan.checking.layer_cases import CRITICS, LAYERS, Case
from numgan.layers import Dense, Tanh
from numgan.losses import hinge
from numgan.systems import SYSTEMS, presets


def test_a_failing_loss_is_one_entry(monkeypatch):
    monkeypatch.setattr(
        "numgan.checking.catalogue.LOSSES", [replace(hinge, on_real=replace(hinge.on_real, d=lambda a: a))]
    )
    monkeypatch.setattr("numgan.checking.catalogue.SYSTEMS", {})  # one has the name, too
    (entry,) = entries(["hinge"])
    assert not entry.passed and entry.kind == "loss" and "derivative for input 0 is wrong" in entry.detail


def test_the_catalogue_covers_everything():
    titles = [item.title for item in _items()]
    assert {f"{system}/{preset}" for system in SYSTEMS for preset in presets(system)} <= set(titles)
    assert {case.title for case in LAYERS} <= set(titles) and {
        repr(thing) for thing in LOSSES + OPTIMIZERS
    } <= set(titles)
    assert {f"{penalty} on {case.title}" for penalty in PENALTIES for case in CRITICS} | {
        game.name for game in GAMES
    } <= set(titles)
    assert len(titles) == len(set(titles))


def test_entries_of_a_layer_a_loss_an_optimiser_and_a_system():
    found = {entry.name: entry for entry in entries(["Conv2d", "minimax", "Adam", "wgan/points"])}
    assert all(
        isinstance(entry, Entry) and entry.passed and entry.max_error <= 1e-6 for entry in found.values()
    )
    title = "Conv2d(2, 5, kernel=(3, 2), stride=2, padding=1)"
    assert [
        found[f"{title}.{part}"].order
        for part in ("dx", "parameters", "tangent_forward", "tangent_backward", "contract")
    ] == [1, 1, 1, 2, 1]
    assert (
        found["minimax.discriminator.tangent"].order == 2
        and found["wgan/points.G"].kind == "objective"
        and "wgan/points.D at full width" in found
    )
    assert {entry.kind for entry in found.values()} == {"layer", "loss", "optimizer", "objective"}
    assert not any(
        name.startswith("ConvTranspose2d") for name in found
    )  # a name that is somebody's own selects nobody else


def test_an_entry_of_each_kind_with_a_critic():
    critic = "mlp(3, 5, 4, 1, Tanh)"
    names = {
        f"gp on {critic}": ["derivative_in_g", "gradient_in_weights"],
        f"consensus hinge on {critic} and mlp(2, 4, 3, Softplus)": ["gradient_in_weights"],
        f"unrolled 1 SGD(lr=0.1) on {critic}": ["through_the_fakes", "through_the_weights"],
    }
    found = list(entries(names))
    assert [entry.name for entry in found] == [f"{name}.{part}" for name in names for part in names[name]]
    assert all(entry.passed and 0 < entry.max_error <= 1e-6 for entry in found)


def test_entries_of_the_gradient_penalty(listed):
    found = {entry.name: entry for entry in listed(["gp"])}
    assert len(found) == 2 * 2 * len(CRITICS)
    assert {entry.kind for entry in found.values()} == {"penalty"} and all(
        name.startswith("gp") for name in found
    )
    assert found["gp one-sided on mlp(3, 5, 4, 1, Tanh).gradient_in_weights"].order == 2


def test_names_select_by_part_too_and_unknown_ones_are_refused():
    assert {entry.name.split("(")[0] for entry in entries(["ose2d(2, 1"])} == {"ConvTranspose2d"}
    with pytest.raises(ValueError, match="nothing is called 'Konv'; there are Adam, AvgPool2d"):
        list(entries(["Konv"]))


def test_layers_are_selected_by_a_part_of_their_name_in_any_case(listed):
    found = {
        name: {entry.name.split("(")[0] for entry in listed([name]) if entry.kind == "layer"}
        for name in ("minibatch", "spectral", "virtual")
    }
    assert found == {
        "minibatch": {"MinibatchStd", "MinibatchDiscrimination"},
        "spectral": {"Spectral"},
        "virtual": {"VirtualBatchNorm", "Referenced"},
    }


def test_a_failing_entry_does_not_stop_the_catalogue(monkeypatch):
    monkeypatch.setattr(Tanh, "d", lambda self, x, y: y)
    found = {entry.name: entry for entry in entries(["Tanh", "Sigmoid"])}
    assert (
        not found["Tanh().dx"].passed
        and found["Tanh().dx"].max_error > 1e-3
        and "gradient of x is wrong" in found["Tanh().dx"].detail
    )
    assert found["Sigmoid().dx"].passed


def test_slow_systems_are_checked_entry_by_entry():
    assert all(entry.passed for entry in entries(["wgan/points"], slow=True))


def test_public_names():
    assert {
        "gradcheck",
        "check_layer",
        "check_loss",
        "check_optimizer",
        "check_penalty",
        "check_consensus",
        "check_system",
        "entries",
    } <= set(vars(numgan.checking))
    assert Case(Dense(1, 1)).title == "Dense(1, 1)"
