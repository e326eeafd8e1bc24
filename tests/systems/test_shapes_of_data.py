"""Presets adapt to the data: any size, grey or colour, any number of classes, rows of any length."""

import hashlib

import numpy as np
import pytest

from numgan import check_system
from numgan.layers import Conv2d
from numgan.systems import SYSTEMS, Batch, adapts_to, build, follows_data, preset_for, presets
from numgan.systems.games.presets import FOLDER

TINY = 0.01
SHAPES = [
    (8, 8, 1),
    (14, 14, 1),
    (16, 16, 3),
    (28, 28, 1),
    (32, 32, 3),
    (48, 48, 1),
    (64, 64, 3),
    (96, 96, 3),
    (128, 128, 1),
    (32, 64, 3),
    (48, 144, 1),
]
ADAPTING = [
    (system, preset)
    for system in SYSTEMS
    for preset in presets(system)
    if "shape" in adapts_to(system, preset)
]
ALL = [(system, preset) for system in SYSTEMS for preset in presets(system)]


def leaves(net):
    inner = [leaf for child in net.children.values() for leaf in leaves(child)]
    return inner or [getattr(net, "layer", net)]


def convolutional(pair):
    networks = build(*pair, TINY).networks.values()
    return any(isinstance(leaf, Conv2d) for net in networks for leaf in leaves(net))


CONVOLUTIONAL = [pair for pair in ADAPTING if convolutional(pair) or pair == ("hacks", "none")]  # a switch
DENSE = [pair for pair in ADAPTING if pair not in CONVOLUTIONAL]
names = "/".join


def evaluated(system, rows=4):
    """Every objective at random weights: (fakes or None, {objective: Result})."""
    params = system.init(0)
    rng = np.random.default_rng(0)
    columns = system.example(rows, lambda column: rng)
    batch = Batch(columns | {"x": columns["x"].astype(np.float32)})
    moments = {name: opt.start(params[name].vector) for name, opt in system.optimizers.items()}
    now = system.at(0).with_state(moments, system.memory())
    fakes = now.generate(params, batch, 1) if now.drawers else None
    return fakes, {name: act(params, batch, 2) for name, act in now.objectives().items()}


def expect_finite(system, shape):
    assert system.sample_shape == shape
    fakes, results = evaluated(system)
    assert fakes is None or fakes.x.shape == (4, *shape)
    for name, result in results.items():
        assert np.isfinite(result.loss), name
        for network, gradient in result.gradients.items():
            assert gradient.layout == system.networks[network].layout and np.isfinite(gradient.vector).all()


def test_the_convolutional_presets():
    """Every system with convolutions has presets that adapt; those of papers have the papers' sizes."""
    assert {system for system, _ in CONVOLUTIONAL} == {
        "lsgan",
        "wgan",
        "wgan_gp",
        "hinge",
        "r3gan",
        "hacks",
        "dcgan",
        "conditional",
        "classifier",
    }
    fixed = set(ALL) - set(ADAPTING)
    assert fixed == {("gan", "paper"), ("dcgan", "paper"), ("dcgan", "half"), ("conditional", "mirza")}
    assert ("dcgan", "pictures") in CONVOLUTIONAL and ("gan", "digits") in DENSE


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pair", CONVOLUTIONAL, ids=names)
def test_convolutional_presets_take_every_shape(pair, shape):
    system = build(*pair, TINY, shape)
    expect_finite(system, shape)
    if hasattr(system, "probabilities"):
        x = np.zeros((3, *shape), np.float32)
        assert system.probabilities(system.init(0), x).shape == (3, 10)
    else:
        D, labels = system.networks["D"], system.classes and getattr(system, "labels_for_D", True)
        assert D.output_shape((shape, ()) if labels else shape)[0] >= 1


@pytest.mark.parametrize("classes", [2, 12, 100])
@pytest.mark.parametrize("pair", [pair for pair in ADAPTING if "classes" in adapts_to(*pair)], ids=names)
def test_presets_take_every_number_of_classes(pair, classes):
    system = build(*pair, TINY, (16, 16, 3), classes)
    if pair[0] == "hacks":
        system = system.setting(conditional=True)
    assert system.classes == classes
    expect_finite(system, (16, 16, 3))
    batch = Batch({"labels": np.array([0, classes - 1])}, number=2)
    if system.drawers:
        assert system.generate(system.init(0), batch, 1).x.shape == (2, 16, 16, 3)
    else:
        x = np.zeros((2, 16, 16, 3), np.float32)
        assert system.probabilities(system.init(0), x).shape == (2, classes)


@pytest.mark.parametrize("pair", DENSE, ids=names)
def test_dense_presets_take_pictures_of_any_size_or_rows_of_any_length(pair):
    rows = len(build(*pair, TINY).sample_shape) == 1
    for shape in [(1,), (3,), (40,)] if rows else [(9, 13, 3), (5, 5, 1)]:
        system = build(*pair, TINY, shape)
        if rows:
            assert system.latent.size >= shape[0]
        expect_finite(system, shape)


@pytest.mark.parametrize("pair", ALL, ids=names)
def test_the_own_shape_makes_the_same_networks(pair):
    """With the shape and the number of classes of the preset itself: the same layers and the same weights."""
    plain = build(*pair, TINY)
    asked = build(*pair, TINY, list(plain.sample_shape), plain.classes or None)
    assert repr(asked) == repr(plain) and asked.optimizers.keys() == plain.optimizers.keys()
    ours, theirs = asked.init(3), plain.init(3)
    for name in ours:
        assert ours[name].layout == theirs[name].layout
        assert np.array_equal(ours[name].vector, theirs[name].vector)


NETWORKS = {  # {system: {preset: the first digits of the SHA-256 of its layers and parameters' shapes}}
    "gan": {
        "digits": "b36ab77c",
        "mnist": "1f845c3f",
        "paper": "7e56ff19",
        "saturating": "b36ab77c",
        "points": "904fb4b6",
    },
    "lsgan": {"digits": "b36ab77c", "mnist": "d5177ea4", "points": "904fb4b6"},
    "wgan": {"digits": "b36ab77c", "mnist": "69a4f806", "points": "6236554d"},
    "wgan_gp": {"digits": "b36ab77c", "mnist": "69a4f806", "points": "6236554d"},
    "hinge": {"digits": "5965bcab", "mnist": "8d218a6b", "points": "53e82845"},
    "dragan": {"digits": "b36ab77c", "points": "6236554d"},
    "r1": {"digits": "b36ab77c", "points": "6236554d"},
    "roth": {"digits": "b36ab77c", "points": "6236554d"},
    "consensus": {"points": "ef5b43e9", "digits": "b36ab77c"},
    "unrolled": {"points": "dc658526", "plain": "dc658526", "descent": "dc658526"},
    "pacgan": {"points": "361bdc34", "pac4": "07065ac7", "digits": "b6531898"},
    "r3gan": {"points": "6236554d", "digits": "b36ab77c", "mnist": "739a3635"},
    "hacks": {
        "digits": "d824c154",
        "none": "b24fd42c",
        "all": "5d931e44",
        "conditional": "c2876a07",
        "points": "33683c77",
    },
    "dcgan": {
        "digits": "bf5de6c0",
        "mnist": "d5177ea4",
        "paper": "308159b9",
        "half": "4a67469e",
        "pooling": "998500fa",
    },
    "conditional": {"digits": "1ef79bb9", "mnist": "e6f86b25", "mirza": "465409a8"},
    "classifier": {"digits": "a5073172", "mnist": "a0e7ee47", "dense": "73ac043d"},
}


def test_the_networks_at_the_own_shape_are_the_published_ones():
    """Those that the presets had before they could adapt, so the published results stay valid."""
    found = {}
    for system, known in NETWORKS.items():
        for preset in known:
            networks = build(system, preset).networks
            text = repr([(name, net, net.layout.slots) for name, net in networks.items()])
            found.setdefault(system, {})[preset] = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert found == NETWORKS
    assert {(system, preset) for system, known in NETWORKS.items() for preset in known} == {
        pair for pair in ALL if pair[1] != "pictures"
    }


@pytest.mark.parametrize(
    "pair, shape, classes",
    [
        (("dcgan", "pictures"), (16, 32, 3), None),
        (("conditional", "pictures"), (20, 20, 3), 3),
        (("r3gan", "pictures"), (16, 16, 3), 3),
        (("classifier", "pictures"), (12, 24, 3), 3),
        (("r1", "points"), (5,), None),
        (("unrolled", "points"), (1,), None),
    ],
    ids=str,
)
def test_gradients_at_another_shape(pair, shape, classes):
    assert check_system(build(*pair, TINY, shape, classes)).max_error <= 1e-6


@pytest.mark.parametrize("system", SYSTEMS)
def test_data_choose_a_preset(system):
    convolutions = system in {name for name, _ in CONVOLUTIONAL} - {"hacks"}
    has_rows = system not in ("dcgan", "conditional", "classifier")
    if system != "unrolled":
        chosen = preset_for(system, (64, 64, 3))
        assert chosen == ("pictures" if convolutions else "digits")
        assert (
            sum(net.layout.size for net in build(system, chosen, 1.0, (64, 64, 3)).networks.values()) < 10e6
        )
        assert preset_for(system, (8, 8, 1)) == "digits"
    for features in (1, 2, 5) if has_rows else ():
        assert preset_for(system, (features,)) == "points"
    assert preset_for("r3gan", (28, 28, 1)) == "mnist"
    assert preset_for("r3gan", (28, 28, 1), labelled=False) == "pictures"
    assert preset_for("gan", (28, 28, 1)) == "mnist"


def test_only_presets_without_a_data_set_of_their_own_follow_the_data():
    for system, preset in ALL:
        own = build(system, preset, TINY)
        assert follows_data(system, preset) == (preset == "pictures" or len(own.sample_shape) == 1), (
            system,
            preset,
        )
        assert (own.data == FOLDER) == (
            preset in ("pictures", "paper", "half") and own.data not in ("mnist",)
        )


@pytest.mark.parametrize(
    "words, message",
    [
        (("dcgan", "paper", 1.0, (32, 32, 3)), "dcgan paper has fixed sizes: expected samples of shape"),
        (("dcgan", "pictures", 1.0, (34, 34, 3)), "dcgan pictures: .*nearest sizes are 32 x 32 and 28 x 28"),
        (("gan", "digits", 1.0, (300, 20, 3)), "gan digits: expected pictures of at most 256 pixels a side"),
        (("gan", "digits", 1.0, (5,)), r"gan digits takes pictures .*, got samples of shape \(5,\)"),
        (("gan", "points", 1.0, (8, 8, 1)), r"gan points takes rows .*, got samples of shape \(8, 8, 1\)"),
        (("gan", "points", 1.0, (0,)), "expected a sample_shape of integers of at least 1"),
        (("gan", "points", 1.0, (2.5,)), "expected a sample_shape of integers of at least 1"),
        (("gan", "digits", 1.0, None, 3), "gan digits uses no labels, got classes=3"),
        (("conditional", "mirza", 1.0, None, 12), "conditional mirza has the 10 classes of its paper"),
        (("conditional", "digits", 1.0, None, 2.5), "expected classes as an integer"),
        (("conditional", "digits", 1.0, None, 0), "conditional digits: .*classes: expected an integer of at"),
        (("classifier", "digits", 1.0, None, 1), "classifier digits: expected at least 2 classes"),
    ],
    ids=str,
)
def test_what_a_preset_cannot_take(words, message):
    with pytest.raises(ValueError, match=message):
        build(*words)
