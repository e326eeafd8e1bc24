"""The systems: their papers' networks to the letter, their gradients through the frozen D, and what their
objectives may not do.
"""

from dataclasses import replace

import numpy as np
import pytest

from numgan import build, check_system, kernel_calls
from numgan.checking.system import CONTRACT, SystemPoint
from numgan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    Parallel,
    Pass,
    ReLU,
    Sequential,
    Spectral,
    Tanh,
    measure,
)
from numgan.losses import minimax, nonsaturating
from numgan.optimizers import SGD, Adam, RMSProp
from numgan.systems import SYSTEMS, Batch, Latent, System, description, preset_for, presets, remember
from numgan.systems.likelihood.classifier import shifted

ALL = [(system, preset) for system in SYSTEMS for preset in presets(system)]


def over(pairs):
    """Run a test for each (system, preset)."""
    return pytest.mark.parametrize("system, preset", pairs, ids=["/".join(pair) for pair in pairs])


every, with_generator = over(ALL), over([pair for pair in ALL if build(*pair, 0.01).latent])


def _leaves(net):
    return [leaf for child in net.children.values() for leaf in _leaves(child)] if net.children else [net]


# ---- every system


@every
def test_gradients_and_contract(system, preset):
    report = check_system(build(system, preset, 0.01), name=f"{system}/{preset}")
    assert report.max_error <= 1e-6 and len(report.rows) == len(
        build(system, preset, 0.01).objectives()
    ) + len(CONTRACT)


@over(
    [
        ("gan", "points"),
        ("gan", "digits"),
        ("wgan", "points"),
        ("wgan_gp", "points"),
        ("dcgan", "digits"),
        ("classifier", "digits"),
    ]
)
def test_every_entry_of_every_parameter(system, preset):
    assert check_system(build(system, preset, 0.001), slow=True, seed=1, real=3, fake=2).max_error <= 1e-6


@over(
    [
        ("gan", "digits"),
        ("wgan", "digits"),
        ("wgan_gp", "mnist"),
        ("dcgan", "digits"),
        ("conditional", "digits"),
    ]
)
def test_at_full_width(system, preset):
    assert check_system(build(system, preset), whole=True).max_error <= 1e-6


@every
def test_widths_change_no_shape(system, preset):
    full, narrow = build(system, preset), build(system, preset, 0.01)
    assert (
        full.sample_shape == narrow.sample_shape
        and full.networks.keys() == narrow.networks.keys() == full.optimizers.keys()
    )
    for name in full.networks:
        assert [type(leaf) for leaf in _leaves(full.networks[name])] == [
            type(leaf) for leaf in _leaves(narrow.networks[name])
        ]
    assert sum(net.layout.size for net in narrow.networks.values()) < sum(
        net.layout.size for net in full.networks.values()
    )


@with_generator
def test_fakes_have_the_shape_and_range_of_data(system, preset):
    system = build(system, preset, 0.05)
    params, labels = system.init(0), {"labels": np.arange(3)} if system.classes else {}
    fakes = system.generate(
        params, Batch({"x": np.zeros((2, *system.sample_shape), np.float32)} | labels, number=3), seed=5
    )
    assert fakes.x.shape == (3, *system.sample_shape) and fakes.x.dtype == np.float32
    if len(system.sample_shape) == 3:
        assert system.pixels[0] <= fakes.x.min() and fakes.x.max() <= system.pixels[1]


@with_generator
def test_the_frozen_discriminator_by_kernel_calls(system, preset):
    """Counted by hand, layer by layer: what each turn runs, and what it does not."""
    point = SystemPoint(build(system, preset, 0.01))
    count = lambda net, *kinds: sum(
        isinstance(getattr(leaf, "layer", leaf), kinds) for leaf in _leaves(net)
    )  # Spectral has a layer
    G, D = point.system.networks["G"], point.system.networks["D"]
    with kernel_calls() as calls:
        point.run("G")
    if not point.system.looks_ahead:  # updates of D on the way owe its weight gradients
        assert calls["conv2d_weight_gradient"] == count(G, Conv2d, ConvTranspose2d) and calls[
            "dense_weight_gradient"
        ] == count(G, Dense)
    fakes = point.system.generate(point.params, point.batch, point.seed)
    with kernel_calls() as calls:
        point.run("D", fakes=fakes)
    real_fake, told = (
        2 if getattr(point.system, "separate", True) else 1,
        isinstance(D[0], Parallel),
    )  # labels enter by a first layer of two
    penalty = {"wgan_gp": 1, "dragan": 1, "r1": 1, "r3gan": 2}.get(system, 0)  # R3GAN has R1 and R2
    if system in ("roth", "consensus"):
        return  # they move dy and the weights along too: see test_regularizers.py and test_consensus.py
    ran = real_fake + penalty
    assert calls["conv2d_weight_gradient"] == ran * count(D, Conv2d)
    assert calls["dense_weight_gradient"] == ran * count(D, Dense, MinibatchDiscrimination)
    # D's first layer owes nobody a dx, unless labels are embedded beside it; G does not run at all
    wanted = count(D, Conv2d) - (0 if told else min(count(D, Conv2d), 1))
    assert calls["conv2d_input_gradient"] == real_fake * wanted + penalty * count(D, Conv2d)
    if not count(D, Conv2d) and not told:
        measured = sum(isinstance(leaf, Spectral) for leaf in _leaves(D))  # each sigma is a product
        assert calls["matmul"] == real_fake * (2 * count(D, Dense) - 1 + measured) + penalty * 3 * count(
            D, Dense
        )


@with_generator
def test_a_generator_step_raises_what_d_thinks_of_fakes(system, preset):
    """One small step of G down its gradient: D(fake) rises, and D has not moved by a bit."""
    point = SystemPoint(build(system, preset, 0.02), real=8, fake=8)
    before = point.params["D"].vector.copy()

    def opinion():
        fakes = point.system.generate(point.params, point.batch, point.seed)
        D = point.system.networks["D"]
        x = (
            (fakes.x, np.resize(point.batch["labels"], len(fakes.x)))
            if isinstance(D[0], Parallel)
            else fakes.x
        )
        return D.forward(point.params["D"], x, Pass())[0][:, 0].mean()  # of the logit; D may name classes too

    before_step, gradient = opinion(), _without_dropout(point).gradients["G"].vector
    point.params["G"].vector[...] -= 1e-4 * gradient / np.abs(gradient).max()
    assert opinion() > before_step and np.array_equal(before, point.params["D"].vector)


def _without_dropout(point):
    """G's objective with D's dropout off, as `opinion` sees it."""
    rates = [(leaf, leaf.rate) for leaf in _leaves(point.system.networks["D"]) if isinstance(leaf, Dropout)]
    for leaf, _ in rates:
        leaf.rate = 0.0
    try:
        return point.run("G")
    finally:
        for leaf, rate in rates:
            leaf.rate = rate


# ---- architectures


def test_the_dcgan_paper_generator():
    """Radford et al. 2016, figure 1.

    100 z, project and reshape to 4x4x1024, four strided transposed convolutions to 64x64x3.
    """
    system = build("dcgan", "paper")
    G, shape, shapes = system.networks["G"], (100,), []
    for layer in G.children.values():
        shape = layer.output_shape(shape)
        shapes.append(shape)
    ups = [s for layer, s in zip(G.children.values(), shapes) if isinstance(layer, ConvTranspose2d)]
    assert shapes[1] == (4, 4, 1024) and ups == [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
    assert all(
        layer.kernel == (5, 5) and layer.stride == (2, 2)
        for layer in _leaves(G)
        if isinstance(layer, ConvTranspose2d)
    )
    D, shape = system.networks["D"], (64, 64, 3)
    downs = [shape := layer.output_shape(shape) for layer in D.children.values()]
    convolved = [s for layer, s in zip(D.children.values(), downs) if isinstance(layer, Conv2d)]
    assert convolved == [(32, 32, 128), (16, 16, 256), (8, 8, 512), (4, 4, 1024)]
    assert downs[-1] == (1,) and system.batch_size == 128 and system.sample_shape == (64, 64, 3)
    assert system.latent == Latent(100, "uniform") and system.pixels == (-1, 1)
    for optimizer in system.optimizers.values():  # section 4: Adam, 0.0002, beta1 = 0.5
        assert isinstance(optimizer, Adam) and (optimizer.lr, optimizer.beta1, optimizer.beta2) == (
            2e-4,
            0.5,
            0.999,
        )
    assert abs(np.std(G.init(0)["4.W"]) - 0.02) < 1e-4  # section 4: N(0, 0.02)


def test_the_half_width_dcgan():
    system = build("dcgan", "half")
    G, D = system.networks["G"], system.networks["D"]
    ups = [layer for layer in _leaves(G) if isinstance(layer, ConvTranspose2d)]
    shapes = [layer.output_shape((4 * 2**i, 4 * 2**i, layer.inputs)) for i, layer in enumerate(ups)]
    assert shapes == [(8, 8, 256), (16, 16, 128), (32, 32, 64), (64, 64, 3)] and {
        layer.kernel for layer in ups
    } == {(4, 4)}
    assert G.output_shape((100,)) == (64, 64, 3) and D.output_shape((64, 64, 3)) == (1,)


@pytest.mark.parametrize("preset", ["paper", "half", "mnist", "digits"])
def test_the_dcgan_guidelines(preset):
    """Section 3: no pooling, no hidden dense layers, BatchNorm but not at G's output and D's input, ReLU and
    Tanh in G, LeakyReLU(0.2) in D.
    """
    G, D = (_leaves(build("dcgan", preset, 0.05).networks[name]) for name in "GD")
    assert not any(isinstance(leaf, MaxPool2d) for leaf in G + D)
    assert (
        isinstance(G[-1], Tanh)
        and isinstance(G[-2], ConvTranspose2d)
        and {type(l) for l in G if isinstance(l, (ReLU, LeakyReLU))} == {ReLU}
    )
    assert (
        isinstance(D[0], Conv2d)
        and isinstance(D[1], LeakyReLU)
        and {l.slope for l in D if isinstance(l, LeakyReLU)} == {0.2}
    )
    assert not any(isinstance(l, ReLU) for l in D)
    assert (
        sum(isinstance(l, Dense) for l in G) == sum(isinstance(l, Dense) for l in D) == 1
        and isinstance(D[-1], Dense)
        and D[-1].features == 1
    )
    ups, downs = sum(isinstance(l, ConvTranspose2d) for l in G), sum(isinstance(l, Conv2d) for l in D)
    assert (
        sum(isinstance(l, BatchNorm) for l in G) == ups
        and sum(isinstance(l, BatchNorm) for l in D) == downs - 1
    )


def test_the_gan_papers_recipe():
    system = build("gan", "paper")
    G, D = system.networks["G"], system.networks["D"]
    assert [l.features for l in _leaves(G) if isinstance(l, Dense)] == [
        1200,
        1200,
        784,
    ] and system.pixels == (0, 1)
    assert [l.pieces for l in _leaves(D) if isinstance(l, Maxout)] == [5, 5]
    assert [l.rate for l in _leaves(D) if isinstance(l, Dropout)] == [0.2, 0.5, 0.5]
    assert (
        all(isinstance(o, SGD) for o in system.optimizers.values())
        and build("gan", "saturating").loss is minimax
        and system.loss is nonsaturating
    )


def test_the_wgan_papers_recipe():
    system = build("wgan", "mnist")
    assert not any(isinstance(leaf, BatchNorm) for leaf in _leaves(system.networks["D"]))
    D, G = system.optimizers["D"], system.optimizers["G"]
    assert isinstance(D, RMSProp) and (D.lr, D.clip, G.lr, G.clip, system.n_critic) == (
        5e-5,
        0.01,
        5e-5,
        None,
        5,
    )


# ---- rules of play


def test_rounds():
    gan, wgan = build("gan", "digits", 0.02), build("wgan", "digits", 0.02)
    assert gan.rounds(0) == ("D", "G") and replace(gan, k=3).rounds(7) == ("D", "D", "D", "G")
    assert wgan.rounds(3) == ("D",) * 5 + ("G",)
    warm = build("wgan", "mnist", 0.02)
    assert [len(warm.rounds(step)) for step in (0, 24, 25, 499, 500, 501)] == [101, 101, 6, 6, 101, 6]
    assert build("dcgan", "digits", 0.02).rounds(0) == ("D", "G") and build(
        "classifier", "digits", 0.1
    ).rounds(0) == ("C",)


def test_metrics_are_probabilities_of_data_and_of_samples():
    point = SystemPoint(build("gan", "digits", 0.02), real=40, fake=40)
    for _ in range(60):  # D learns
        point.params["D"].vector[...] -= 0.05 * point.run("D").gradients["D"].vector
    metrics = point.run("D").metrics
    assert metrics["D(x)"] > 0.6 > 0.4 > metrics["D(G(z))"]


def test_labels_reach_both_players():
    """Another label gives another fake and another opinion.

    Fakes are judged by the labels they were asked for.
    """
    system = build("conditional", "digits", 0.05)
    params, x = system.init(0, np.float64), np.zeros((10, 8, 8, 1))
    (z, asked) = system.inputs(Batch({"x": x, "labels": np.array([3, 1])}), 3)
    assert asked.tolist() == [3, 1] * 5 and z.shape == (10, 32) and z.dtype == np.float64
    assert system.inputs(Batch({}, number=12), 3)[1].tolist() == [*range(10), 0, 1]
    asked_for = lambda labels: Batch({"x": x, "labels": labels})
    threes, fours = (system.generate(params, asked_for(np.full(10, c)), seed=1).x for c in (3, 4))
    assert not np.allclose(threes, fours)
    opinions = [
        system.networks["D"].forward(params["D"], (threes, np.full(10, c)), Pass())[0] for c in (3, 4)
    ]
    assert not np.allclose(*opinions)
    mixed = system.generate(params, asked_for(np.arange(10)), seed=1)
    assert np.array_equal(mixed.inputs[1], np.arange(10))
    lied = replace(mixed, inputs=(mixed.inputs[0], np.roll(np.arange(10), 1)))
    as_drawn, other_batch, as_lied = (
        system.objectives()["G"](params, asked_for(labels), 1, fakes=fakes).loss
        for labels, fakes in [
            (np.arange(10), mixed),
            (np.roll(np.arange(10), 1), mixed),
            (np.arange(10), lied),
        ]
    )
    assert as_drawn == other_batch != as_lied


def test_fakes_are_fixed_by_the_seed_in_both_dtypes():
    system = build("gan", "digits", 0.05)
    exact = Batch({"x": np.zeros((4, 8, 8, 1))})
    z = system.inputs(exact, 9)
    assert z.dtype == np.float64 and not np.array_equal(z, system.inputs(exact, 10))
    for single in (
        Batch({}, number=4),
        Batch({"x": np.zeros((4, 8, 8, 1), np.float32)}),
        Batch({"labels": np.arange(4)}),
    ):
        assert (
            np.array_equal(z.astype(np.float32), system.inputs(single, 9))
            and system.inputs(single, 9).dtype == np.float32
        )
    assert np.abs(Latent(7, "uniform", 2.0).draw(np.random.default_rng(0), 500)).max() <= 2
    with pytest.raises(ValueError, match="kind normal or uniform"):
        Latent(3, "gaussian")


def test_the_classifier_counts_and_judges():
    point = SystemPoint(build("classifier", "digits", 0.2), real=11)
    probabilities = point.system.probabilities(point.params, point.batch["x"])
    assert probabilities.shape == (11, 10) and np.allclose(probabilities.sum(1), 1)
    logits = point.system.networks["C"].forward(point.params["C"], point.batch["x"], Pass())[0]
    assert np.array_equal(probabilities.argmax(1), logits.argmax(1))


def test_a_classifier_judges_with_the_statistics_that_it_is_given():
    """A row's verdict then does not depend on its neighbours, nor on the pieces in which many rows are
    judged.
    """
    net = Sequential(Flatten(), Dense(64, 6), BatchNorm(6), ReLU(), Dense(6, 10))
    system = replace(build("classifier", "digits", 0.2), networks={"C": net})
    psi, x = net.init(1), np.random.default_rng(0).standard_normal((1001, 8, 8, 1)).astype(np.float32)
    found = measure(net, psi, [x[:400] * 2])
    expected = net.forward(psi, x, Pass(None, found))[0]
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    assert np.allclose(system.probabilities({"C": psi}, x, found), expected, atol=1e-5)
    assert np.allclose(system.probabilities({"C": psi}, x[7:8], found), expected[7:8], atol=1e-5)
    assert not np.allclose(system.probabilities({"C": psi}, x[:900]), expected[:900], atol=1e-3)
    features = system.features({"C": psi}, x, found)
    assert features.shape == (1001, 6) and np.allclose(
        features @ psi["4.W"] + psi["4.b"], net.forward(psi, x, Pass(None, found))[0], atol=1e-4
    )


def test_what_is_remembered_is_written_in_place_and_must_fit():
    memory = {"a": np.zeros(3, np.float32), "b": np.zeros((2, 2))}
    kept = dict(memory)
    remember(memory, None)
    remember(memory, {"a": np.arange(3, dtype=np.float32)})
    assert memory["a"] is kept["a"] and memory["a"].tolist() == [0, 1, 2] and not memory["b"].any()
    for wrong in ({"c": np.zeros(3)}, {"a": np.zeros(4, np.float32)}, {"a": np.zeros(3)}, {"b": np.zeros(4)}):
        with pytest.raises(
            ValueError,
            match=r"Result.memory: expected arrays of a \(3,\) float32, b \(2, 2\) float64, as memory",
        ):
            remember(memory, wrong)
    with pytest.raises(ValueError, match="expected arrays of nothing"):
        remember({}, {"a": np.zeros(1)})


def test_pictures_are_moved_while_a_classifier_learns():
    """Every place within reach is met, nothing is lost but what leaves the frame, and the border has the
    colour of paper.
    """
    x = np.zeros((500, 5, 7, 2), np.float32)
    x[:, 2, 3] = np.arange(1, 1001).reshape(500, 2)
    moved = shifted(x, 2, np.random.default_rng(0), -1.0)
    n, rows, columns, channels = np.nonzero(moved > 0)
    assert np.array_equal(moved[n, rows, columns, channels], np.arange(1, 1001)) and np.array_equal(
        rows[::2], rows[1::2]
    )
    assert len({*zip(rows, columns)}) == 25 and {*rows} == set(range(5)) and {*columns} == set(range(1, 6))
    assert set(np.unique(moved[:, 0, 0])) == {-1.0, 0.0} and np.array_equal(
        shifted(x, 0, np.random.default_rng(0), -1.0), x
    )
    still = build("classifier", "mnist", 0.05)
    batch = Batch({"x": np.full((8, 28, 28, 1), -1.0, np.float32), "labels": np.arange(8)})
    params = still.init(0)
    diagonal = Batch(batch | {"x": np.broadcast_to(np.eye(28, dtype=np.float32)[..., None], (8, 28, 28, 1))})
    losses = [
        replace(still, shift=shift).cross_entropy(params, pictures, 3).loss
        for pictures in (batch, diagonal)
        for shift in (0, 1)
    ]
    assert losses[0] == losses[1] and losses[2] != losses[3]


def test_a_description_is_the_first_line_of_the_docstring(monkeypatch):
    """Also where Python has left the docstrings out (-OO)."""
    preset = presets("gan")["digits"]
    first = {preset: "8x8 pictures: G and D with two hidden dense layers of 256 units, Adam(2e-4)."}
    first |= {module: module.__doc__.split("\n")[0] for module in SYSTEMS.values()}
    assert first[SYSTEMS["gan"]].startswith("Generative adversarial nets") and "\n" in SYSTEMS["gan"].__doc__
    assert {described: description(described) for described in first} == first
    for described in first:
        monkeypatch.setattr(described, "__doc__", None)
    assert {described: description(described) for described in first} == first


def test_names_and_presets():
    assert preset_for("dcgan", (28, 28, 1)) == "mnist" and preset_for("gan", (2,)) == "points"
    with pytest.raises(ValueError, match="no preset takes samples"):
        preset_for("dcgan", (2,))
    with pytest.raises(ValueError, match="expected one of gan"):
        build("cyclegan")
    with pytest.raises(ValueError, match="preset of gan"):
        build("gan", "huge")
    with pytest.raises(TypeError, match="define objectives"):
        System(networks={}, optimizers={}, sample_shape=(2,)).objectives()
    with pytest.raises(TypeError, match="Classifier draws no samples from noise"):
        build("classifier", "digits", 0.1).inputs(Batch({}, number=3), 0)


@pytest.mark.parametrize("size, kind", [(0, "normal"), (-1, "uniform"), (3, "cube")])
def test_a_latent_has_a_size_and_a_known_kind(size, kind):
    with pytest.raises(ValueError, match="Latent: expected size >= 1 and kind normal or uniform"):
        Latent(size, kind)
