"""Virtual batch normalisation: its definition sample by sample, and the gradient through the reference."""

from dataclasses import replace

import numpy as np
import pytest

from numgan import check_layer, check_penalty, check_unrolling, data, losses, optimizers, systems
from numgan.core.randomness import stream
from numgan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Pass,
    Referenced,
    Reshape,
    Sequential,
    Tanh,
    VirtualBatchNorm,
)
from numgan.remedies.penalties import GradientPenalty
from numgan.systems import Latent
from numgan.training import checkpoint, sampling
from numgan.training import loop as training
from numgan.training.state import State

RNG = np.random.default_rng(0)
LATENTS = RNG.standard_normal((6, 3))


def generator(norm=VirtualBatchNorm, reference=LATENTS):
    """z (N, 3) -> picture (N, 4, 6, 1), normalised on rows and on pictures."""
    rows = Dense(3, 12, bias=False), norm(12), Tanh(), Reshape(2, 3, 2)
    pictures = (
        ConvTranspose2d(2, 4, kernel=4, stride=2, padding=1, bias=False),
        norm(4),
        Tanh(),
        Conv2d(4, 1, kernel=1),
    )
    return Referenced(Sequential(*rows, *pictures), reference)


def moved(net, seed=0):
    """Float64 parameters away from gains of 1 and biases of 0."""
    p = net.init(seed, np.float64)
    p.vector[...] += 0.3 * np.random.default_rng(seed).standard_normal(p.vector.shape)
    return p


# ---------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3)])
@pytest.mark.parametrize("R", [1, 4])
def test_every_sample_is_normalised_by_the_reference_and_itself(shape, R):
    if R == 1 and len(shape) == 1:
        shape = (2, 3)  # one value per channel has no variance
    layer, x = (
        VirtualBatchNorm(3),
        2 + np.random.default_rng(R).standard_normal((R + 5, *shape)) * [1, 3, 0.2],
    )
    p = moved(layer)
    y, _ = layer.forward(p, x, Pass(reference=R))
    over = tuple(range(len(shape)))

    def normalised(x, by):
        return (x - by.mean(axis=over)) / np.sqrt(by.var(axis=over) + 1e-5) * p["gain"] + p["bias"]

    assert np.allclose(y[:R], normalised(x[:R], by=x[:R]), rtol=1e-12)
    for n in range(R, len(x)):
        assert np.allclose(y[n], normalised(x[n], by=np.concatenate([x[:R], x[n : n + 1]])), rtol=1e-12)


def test_a_reference_alone_is_batch_normalised():
    x, layer = RNG.standard_normal((7, 2, 3)), VirtualBatchNorm(3)
    p = moved(layer)
    (y, cache), (alone, cache_alone) = (
        layer.forward(p, x, Pass(reference=7)),
        BatchNorm(3).forward(p, x, Pass()),
    )
    assert np.allclose(y, alone, rtol=1e-12)
    (dx, dp), (dx_alone, dp_alone) = layer.backward(x**2, cache), BatchNorm(3).backward(x**2, cache_alone)
    assert np.allclose(dx, dx_alone, rtol=1e-9, atol=1e-12) and all(
        np.allclose(dp[name], dp_alone[name], rtol=1e-12) for name in dp
    )


@pytest.mark.parametrize("norm, apart", [(VirtualBatchNorm, True), (BatchNorm, False)])
def test_a_sample_is_the_same_in_any_batch(norm, apart):
    G, z = generator(norm), np.random.default_rng(3).standard_normal((7, 3))
    p = moved(G)
    draw = lambda z: G.forward(p, z, Pass())[0]
    together = draw(z)
    others = [
        np.concatenate([draw(z[n : n + 1]) for n in range(7)]),
        np.concatenate([draw(z[:3]), draw(z[3:])]),
        draw(np.concatenate([z, 9 * z]))[:7],
    ]
    assert [np.allclose(together, other, rtol=1e-12, atol=1e-13) for other in others] == [apart] * 3
    y, cache = G.forward(p, z, Pass())
    dx, _ = G.backward(
        np.concatenate([np.ones_like(y[:1]), np.zeros_like(y[1:])]), cache
    )  # sample 0's output owes to its input alone
    assert (np.abs(dx[1:]).max() <= 1e-14) == apart


# --- gradients ----------------------------------------------------------------------------------------------


def test_all_passes_of_a_generator():
    report = check_layer(generator(), (3,), tangents=True)
    assert report.max_error <= 1e-6 and report["parameters"] <= 1e-6


def test_second_order_objectives_of_a_discriminator():
    D = Referenced(
        Sequential(Dense(2, 5, bias=False), VirtualBatchNorm(5), Tanh(), Dense(5, 1)),
        RNG.standard_normal((4, 2)),
    )
    assert check_penalty(GradientPenalty(10.0), D, x=(2,)).max_error <= 1e-6
    assert check_unrolling(D, losses.minimax, optimizers.SGD(0.1), 2, x=(2,)).max_error <= 1e-6


def test_penalties_see_one_sample_at_a_time():
    """If D mixes samples, a gradient norm belongs to no single sample. A constant reference mixes nothing."""
    D = Referenced(
        Sequential(Flatten(), Dense(4, 5, bias=False), VirtualBatchNorm(5), Tanh(), Dense(5, 1)),
        RNG.standard_normal((4, 2, 2)),
    )
    p, x = moved(D), RNG.standard_normal((6, 2, 2))
    whole = GradientPenalty(10.0)(D, p, x)[0]
    assert np.isclose(
        whole, np.mean([GradientPenalty(10.0)(D, p, x[n : n + 1])[0] for n in range(6)]), rtol=1e-11
    )


# --- in a run -----------------------------------------------------------------------------------------------


def game(seed=1):
    """A GAN of points whose G has a reference, drawn from a seed."""
    reference = Latent(2).draw(stream(seed, "reference"), 16)
    G = Referenced(Sequential(Dense(2, 8, bias=False), VirtualBatchNorm(8), Tanh(), Dense(8, 2)), reference)
    gan = systems.build("gan", "points", 0.1)
    return replace(gan, networks={**gan.networks, "G": G})


def test_references_are_not_confused():
    one, same, other = game(), game(), game(2)
    about = lambda system: checkpoint.identity(system, data.load("ring"), 8, 0)
    assert (
        about(one) == about(same) != about(other)
        and about(one)["networks"]["D"] == about(other)["networks"]["D"]
    )
    text = repr(one.networks["G"])
    assert text == repr(same.networks["G"]) != repr(other.networks["G"]) and "(reference): 16 x 2, " in text
    turned = Referenced(one.networks["G"].children["net"], one.networks["G"].reference.reshape(32, 1))
    assert repr(turned).split(", ")[-1] != text.split(", ")[-1]


def test_it_trains_and_samples():
    system, ring = game(), data.load("ring")
    state, feed = State.start(system, 0), ring.feed(8, 0)
    for _ in range(3):
        training.advance(system, state, feed, 0)
    assert np.isfinite(state.params["G"].vector).all() and state.params["G"].dtype == np.float32
    sampler = sampling.Sampler(system, state.sampled, 0, 8, ring)
    assert np.allclose(sampler(300, 4)[0][:40], sampler(40, 4)[0], atol=1e-6)  # 300 are drawn in two pieces


def test_summary_and_output_shape():
    G = generator()
    assert G.output_shape((3,)) == (4, 6, 1) and "VirtualBatchNorm(12)" in str(G.summary((3,)))


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: VirtualBatchNorm(3).forward(None, np.ones((2, 3)), Pass()),
            r"put the network into Referenced\(net, reference\)",
        ),
        (
            lambda: VirtualBatchNorm(3).forward(None, np.ones((2, 3)), Pass(reference=3)),
            "that begins with the rows of a reference, got",
        ),
        (
            lambda: VirtualBatchNorm(3).forward(None, np.ones((2, 3)), Pass(reference=1)),
            "two values per channel in its reference.*use a larger reference",
        ),
        (lambda: VirtualBatchNorm(3).forward(None, np.ones((2, 4)), Pass(reference=1)), r"\(N, ..., 3\)"),
        (
            lambda: generator().forward(generator().init(0), np.ones((2, 4), np.float32), Pass()),
            r"samples shaped as the reference's, \(3,\), got",
        ),
        (
            lambda: generator(reference=np.ones((0, 3))),
            r"expected reference as an array \(R, ...\) of finite floats, got float64 \(0, 3\)",
        ),
        (lambda: generator(reference=np.arange(6).reshape(2, 3)), "of finite floats, got int64"),
        (
            lambda: generator(reference=np.full((2, 3), np.nan)),
            r"of finite floats, got float64 \(2, 3\) with 6 that are nan or inf",
        ),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_integers_are_refused_before_they_meet_the_reference():
    """The reference in their type would be rounded to whole numbers, without a word."""
    net = Referenced(Sequential(Dense(2, 3), VirtualBatchNorm(3)), np.array([[0.5, 0.25], [1.5, -0.5]]))
    with pytest.raises(TypeError, match="expected x as a float32 or float64 array, got int64"):
        net.forward(net.init(0), np.ones((4, 2), np.int64), Pass())
    with pytest.raises(ValueError, match=r"of samples shaped as the reference's, \(2,\), got \(4, 3\)"):
        net.forward(net.init(0), np.ones((4, 3)), Pass())
