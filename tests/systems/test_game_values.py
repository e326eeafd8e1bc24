"""Exact values of the games: the networks and limits of the switches, the classifier, small networks."""

from dataclasses import replace

import numpy as np
import pytest

from numgan import build
from numgan.core.randomness import derive, stream
from numgan.layers import (
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Embedding,
    LeakyReLU,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Noise,
    Pack,
    Parallel,
    Pass,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from numgan.networks.small import digit_discriminator, digit_generator, plane_discriminator, plane_generator
from numgan.systems import SYSTEMS, Batch, Latent
from numgan.systems.games import hacks
from numgan.systems.games.switched import switched_discriminator, switched_generator


def kinds(net):
    return [type(layer) for layer in net]


def sizes(net):
    return [(layer.inputs, layer.features) for layer in net if isinstance(layer, Dense)]


def narrow(preset="digits", **switches):
    return build("hacks", preset, 0.01).setting(**switches)


# ---- the networks of the switches


def test_the_generator_that_says_nothing():
    net = switched_generator(5, (16, 16, 3), 7, (8, 4))
    convolutions = [layer for layer in net if isinstance(layer, ConvTranspose2d)]
    assert net.output_shape((5,)) == (16, 16, 3) and [layer.kernel for layer in convolutions] == [(4, 4)] * 2
    assert [layer.inputs for layer in convolutions] == [8, 4] and kinds(net)[-1] is Tanh
    assert {layer.slope for layer in net if isinstance(layer, LeakyReLU)} == {0.2}
    assert not {ReLU, Sigmoid, Noise, Dropout, Parallel} & set(kinds(net))
    dense = switched_generator(5, (4, 6, 1), 7)
    assert sizes(dense) == [(5, 7), (7, 7), (7, 24)] and dense.output_shape((5,)) == (4, 6, 1)
    assert kinds(dense)[-2] is Tanh and kinds(dense).count(LeakyReLU) == 2
    points = switched_generator(5, (2,), 7)
    assert sizes(points)[-1] == (7, 2) and Tanh not in kinds(points) and points.output_shape((5,)) == (2,)


def test_every_switch_of_the_generator():
    net = switched_generator(5, (4, 4, 1), 7, classes=6, leaky=False, tanh=False, noise=0.25, dropout=0.5)
    assert kinds(net)[:2] == [Parallel, Concat] and sizes(net)[0] == (5 + 3, 7)
    (embedding,) = [part for part in net[0].children.values() if isinstance(part, Embedding)]
    assert (embedding.classes, embedding.features) == (6, 3)
    place = kinds(net).index(ReLU)
    assert kinds(net)[place : place + 3] == [ReLU, Noise, Dropout] and LeakyReLU not in kinds(net)
    assert net[place + 1].std == 0.25 and net[place + 2].rate == 0.5
    assert kinds(net).count(Noise) == kinds(net).count(Dropout) == 2
    assert Sigmoid in kinds(net) and Tanh not in kinds(net)


def test_the_discriminator_that_says_nothing():
    net = switched_discriminator((16, 16, 3), 7, (8, 4))
    convolutions = [layer for layer in net if isinstance(layer, Conv2d)]
    assert [(layer.inputs, layer.features) for layer in convolutions] == [(3, 4), (4, 8)]
    assert [layer.kernel for layer in convolutions] == [(4, 4)] * 2 and sizes(net) == [(4 * 4 * 8, 1)]
    assert {layer.slope for layer in net if isinstance(layer, LeakyReLU)} == {0.2}
    assert net.output_shape((16, 16, 3)) == (1,) and not {ReLU, MaxPool2d, Pack, Parallel} & set(kinds(net))
    dense = switched_discriminator((4, 6, 2), 7)
    assert sizes(dense) == [(48, 7), (7, 7), (7, 1)] and kinds(dense).count(LeakyReLU) == 2
    assert abs(switched_discriminator((16, 16, 3), 7, (400, 4)).init(0)["6.W"].std() - 0.02) < 0.002


def test_every_switch_of_the_discriminator():
    net = switched_discriminator(
        (8, 8, 1), 7, told=6, names=4, leaky=False, pack=2, deviation=True, minibatch=9
    )
    assert kinds(net)[:4:3] == [Parallel, Pack] and net[3].m == 2
    assert sizes(net) == [(8 * 8 * (1 + 3) * 2, 7), (7, 7), (7 + 1 + 9, 5)]
    assert kinds(net)[-3:] == [MinibatchStd, MinibatchDiscrimination, Dense] and LeakyReLU not in kinds(net)
    assert (net[-2].inputs, net[-2].features, net[-2].columns) == (8, 9, 5)
    pooled = switched_discriminator((8, 8, 1), 7, (8, 4), leaky=False)
    assert kinds(pooled).count(MaxPool2d) == 2
    assert not any(isinstance(layer, Dropout) and layer.rate for layer in pooled)


def test_labels_are_inputs_or_outputs_of_d():
    both = narrow(classify=True, conditional=True)
    assert kinds(both.networks["D"])[0] is Conv2d and both.networks["D"][-1].features == 11
    assert kinds(both.networks["G"])[0] is Parallel and both.classes == 10
    told = narrow(conditional=True)
    assert kinds(told.networks["D"])[0] is Parallel and told.networks["D"][-1].features == 1
    assert narrow().classes == 0
    noisy = narrow("points", layer_noise=0.3, dropout=0.25).networks["G"]
    assert {layer.std for layer in noisy if isinstance(layer, Noise)} == {0.3}
    assert {layer.rate for layer in noisy if isinstance(layer, Dropout)} == {0.25}


# ---- the switches


def test_a_system_of_switches_that_says_nothing():
    plain = hacks.Hacks(networks={}, optimizers={}, sample_shape=(2,), latent=Latent(2))
    assert (plain.hidden, plain.channels, plain.rate, plain.ttur) == (256, (128, 64), 2e-4, 1.0)
    assert (plain.pack, plain.packed, plain.matching, plain.historical, plain.kept) == (
        1,
        1,
        False,
        0.0,
        None,
    )
    assert not plain.keeps_noise and replace(plain, dropout=0.1).keeps_noise and plain.memory() == {}


@pytest.mark.parametrize(
    "switches, message",
    [
        ({"flip": 1.01}, "NoisyLabels flip: expected a share from 0 to 1, got 1.01"),
        ({"replay": 2}, "Replay replay: expected a share from 0 to 1, got 2.0"),
        ({"past": 1.5}, "PastPlayers past: expected a share from 0 to 1, got 1.5"),
        ({"smooth": 1.01}, "NoisyLabels smooth: expected a share from 0 to 1, got 1.01"),
        ({"age": 0}, "PastPlayers age: expected an integer of at least 1, got 0"),
        ({"pool": 0}, "Replay pool: expected an integer of at least 1, got 0"),
    ],
)
def test_shares_and_counts_beyond_their_limits(switches, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        narrow(**switches)
    assert narrow(flip=1, past=1, smooth=1, age=1).settings["smooth"] == 1


@pytest.mark.parametrize("switch", ["convolutional", "conditional", "classify"])
def test_points_have_no_switches_of_pictures(switch):
    with pytest.raises(ValueError, match="^hacks: points have no pixels and no labels here; leave"):
        narrow("points", **{switch: True})


def test_balance_trains_d_while_its_loss_is_above():
    system = narrow(balance=0.5)
    assert system.memory(np.float64)["loss"].tolist() == [1.5] and system.memory()["loss"].dtype == np.float32
    now = lambda loss: system.with_state({}, {"loss": np.array([loss])}).rounds(0)
    assert system.rounds(0) == now(0.51) == ("D",) and now(0.5) == now(0.49) == ("G",)


def test_the_memory_of_the_switches():
    system = narrow(replay=0.5, past=0.5, pool=7, conditional=True)
    for dtype in (np.float32, np.float64):
        memory = system.memory(dtype)
        for name, net in system.networks.items():
            assert memory[f"past.{name}"].shape == (net.layout.size,) and not memory[f"past.{name}"].any()
        assert {array.shape for array in memory.values()} >= {(7, 8, 8, 1), (7,)}
        assert {array.dtype for array in memory.values() if array.ndim == 4} == {np.dtype(dtype)}
    assert not any(array.ndim == 4 for array in narrow(past=0.5).memory().values())
    with pytest.raises(ValueError, match="^Hacks: its remedies need what the training loop remembers"):
        batch = Batch({"x": np.zeros((4, 8, 8, 1), np.float32), "labels": np.arange(4)})
        system.objectives()["D"](system.init(0), batch, 1)


# ---- others


def test_an_unrolled_game_looks_ahead():
    system = build("unrolled", "points", 0.02)
    assert type(system)(**{**vars(system), "unroll": 5}).unroll == 5 and system.unroll == 10
    assert system.looks_ahead and not replace(system, unroll=0).looks_ahead
    assert type(system).__dataclass_fields__["unroll"].default == 5
    moments = {"D": {"step": 3}, "G": {"step": 4}}
    assert system.with_state(moments).standing is moments["D"] and system.inner is None


def test_the_loss_and_accuracy_of_the_classifier():
    system = build("classifier", "dense", 0.02)
    assert type(system).__dataclass_fields__["shift"].default == 0 and system.drawers == ()
    x = stream(1, "x").uniform(-1, 1, (50, 28, 28, 1)).astype(np.float32)
    labels = np.arange(50) % 10
    params = system.init(3)
    logits = system.networks["C"].forward(params["C"], x, Pass(derive(4, "C")))[0].astype(np.float64)
    result = system.objectives()["C"](params, Batch({"x": x, "labels": labels}), 4)
    share = (logits.argmax(axis=1) == labels).mean()
    assert result.metrics == {"accuracy": share} and 0 < share < 1
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(50), labels]
    assert result.loss == pytest.approx(expected.mean(), rel=1e-5)
    moved = replace(system, shift=2).objectives()["C"](params, Batch({"x": x, "labels": labels}), 4)
    assert moved.loss != result.loss


def test_small_networks_have_their_layers():
    assert sizes(digit_generator(5)) == [(32, 5), (5, 5), (5, 64)]
    assert sizes(digit_discriminator(5)) == [(64, 5), (5, 5), (5, 1)]
    assert digit_generator(5).output_shape((32,)) == (8, 8, 1) and Tanh in kinds(digit_generator(5))
    assert sizes(plane_generator(5)) == [(2, 5), (5, 5), (5, 2)] and sizes(plane_generator(5, 1)) == [
        (2, 5),
        (5, 2),
    ]
    assert sizes(plane_discriminator(5)) == [(2, 5), (5, 5), (5, 1)]
    assert sizes(plane_discriminator(5, 3)) == [(2, 5), (5, 5), (5, 5), (5, 1)]
    assert LeakyReLU in kinds(plane_discriminator(5)) and LeakyReLU in kinds(digit_discriminator(5))
    assert ReLU in kinds(plane_discriminator(5, activation=ReLU)) and isinstance(
        plane_generator(5), Sequential
    )


# ---- the papers' figures, which a preset may replace

SETTINGS = {
    "gan": {"loss": "nonsaturating", "k": 1},
    "lsgan": {"loss": "least_squares", "k": 1, "now": 0},
    "wgan": {"n_critic": 5, "warm": 0},
    "wgan_gp": {"n_critic": 5, "penalty": "GradientPenalty(weight=10.0, target=1.0, one_sided=False)"},
    "hinge": {"loss": "hinge", "k": 1, "now": 0},
    "dragan": {"gradient_penalty": "GradientPenalty(weight=10.0, target=1.0, one_sided=False)"},
    "r1": {"gamma": 10.0, "every": 1},
    "roth": {"gamma": 2.0},
    "consensus": {"loss": "nonsaturating", "gamma": 10.0},
    "unrolled": {"loss": "minimax", "unroll": 5, "inner": None, "standing": None},
    "r3gan": {"loss": "relativistic_paired", "gamma": 1.0, "every": 1, "now": 0},
    "hacks": {
        "smooth": 0.9,
        "noise": 0.1,
        "anneal": 0,
        "pool": 1024,
        "age": 500,
        "pack": 1,
        "minibatch": 0,
        "k": 1,
        **dict.fromkeys(("flip", "replay", "past", "balance", "layer_noise", "dropout", "historical"), 0.0),
        **dict.fromkeys(("normalize", "modified", "spherical", "separate", "leaky", "adam"), True),
        **dict.fromkeys(("soft", "sgd", "classify", "conditional", "deviation", "matching"), False),
    },
    "conditional": {"loss": "nonsaturating", "shares_fakes": True},
    "dcgan": {"loss": "nonsaturating", "shares_fakes": True, "k": 1},
    "classifier": {"shift": 0},
}


def default_of(kind, name):
    """The default of a field of the system, or of one of its remedies."""
    fields = kind.__dataclass_fields__
    if name in fields:
        return fields[name].default
    (default,) = (getattr(remedy, name) for remedy in fields["remedies"].default if hasattr(remedy, name))
    return default


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_of_a_system_are_those_of_its_paper(name):
    kind = type(build(name, None, 0.01))
    for field, value in SETTINGS[name].items():
        default = default_of(kind, field)
        assert (repr(default) if isinstance(value, str) else default) == value, field
        assert isinstance(value, str) or type(default) is type(value)


def test_who_looks_ahead_compares_pairs_and_shares_fakes():
    made = {name: build(name, None, 0.01) for name in SYSTEMS}
    assert {name for name, system in made.items() if system.looks_ahead} == {"consensus", "unrolled"}
    assert {name for name, system in made.items() if system.compares_pairs} == {"r3gan"}
    assert {name for name, system in made.items() if system.shares_fakes} == {"conditional", "dcgan"}
    assert {name: system.packed for name, system in made.items() if system.packed != 1} == {"pacgan": 2}
    assert not any(system.keeps_noise for system in made.values())
    assert {name for name, system in made.items() if not system.drawers} == {"classifier"}


def test_the_turns_of_a_critic():
    critic = build("wgan", "digits", 0.01)
    turns = lambda step, **words: replace(critic, **words).rounds(step)
    assert turns(0) == turns(500) == ("D",) * 5 + ("G",) and turns(0, n_critic=2) == ("D", "D", "G")
    for step, number in ((0, 100), (2, 100), (3, 5), (499, 5), (500, 100), (501, 5), (1000, 100)):
        assert turns(step, warm=3) == ("D",) * number + ("G",)
    assert replace(build("wgan_gp", "points", 0.01), n_critic=3).rounds(7) == ("D", "D", "D", "G")
    assert build("r3gan", "points", 0.01).at(9).now == 9 == build("r1", "points", 0.01).at(9).now
    with pytest.raises(ValueError, match="^every: expected an integer of at least 1, got 0"):
        replace(build("r3gan", "points", 0.01), every=0)
