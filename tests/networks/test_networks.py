"""The shared networks layer by layer, the initialisers against their formulas, and the default constants."""

import inspect
from functools import partial

import numpy as np
import pytest

from numgan import data, layers, losses, metrics, optimizers
from numgan.data import points
from numgan.layers.initializers import constant, fans, glorot, he, normal, orthogonal, uniform
from numgan.networks import dcgan_discriminator, dcgan_generator, label_beside, mlp, pooling_discriminator
from numgan.optimizers import schedules
from numgan.remedies import penalties
from numgan.remedies.consensus import Consensus
from numgan.remedies.noise import drawn_labels
from numgan.remedies.replay import Pool
from numgan.systems.games import (
    conditional,
    consensus,
    dcgan,
    dragan,
    gan,
    r1,
    r3gan,
    roth,
    two_player,
    unrolled,
    wgan,
    wgan_gp,
)
from numgan.systems.games.switched import switched_discriminator, switched_generator
from numgan.systems.likelihood import classifier
from numgan.systems.system import Latent, System
from numgan.training import sampling

# ---------------------------------------------------------------------------------------------------- networks


def shown(net):
    return [repr(layer) for layer in net.children.values()]


def test_the_perceptron():
    assert shown(mlp(2, 5, 1)) == ["Dense(2, 5)", "ReLU()", "Dense(5, 1)"]
    assert shown(mlp(2, 5, 6, 1, activation=layers.Tanh, last=layers.Sigmoid)) == [
        "Dense(2, 5)",
        "Tanh()",
        "Dense(5, 6)",
        "Tanh()",
        "Dense(6, 1)",
        "Sigmoid()",
    ]
    assert shown(mlp(2, 1)) == ["Dense(2, 1)"]
    for sizes in ((), (3,)):
        with pytest.raises(ValueError, match="expected at least two sizes"):
            mlp(*sizes)


@pytest.mark.parametrize(
    "kernel, more", [(5, "kernel=5, stride=2, padding=2"), (4, "kernel=4, stride=2, padding=1")]
)
def test_dcgan(kernel, more):
    extra = ", output_padding=1" if kernel % 2 else ""
    G, D = dcgan_generator(10, 3, (8, 4), 1, kernel), dcgan_discriminator(3, (4, 8), 1, kernel)
    assert shown(G) == [
        "Dense(10, 72, bias=False)",
        "Reshape(3, 3, 8)",
        "BatchNorm(8)",
        "ReLU()",
        f"ConvTranspose2d(8, 4, {more}{extra}, bias=False)",
        "BatchNorm(4)",
        "ReLU()",
        f"ConvTranspose2d(4, 1, {more}{extra})",
        "Tanh()",
    ]
    assert shown(D) == [
        f"Conv2d(1, 4, {more})",
        "LeakyReLU(0.2)",
        f"Conv2d(4, 8, {more}, bias=False)",
        "BatchNorm(8)",
        "LeakyReLU(0.2)",
        "Flatten()",
        "Dense(72, 1)",
    ]
    critic = dcgan_discriminator(3, (4, 8), 1, kernel, norm=False, slope=0.1)
    assert shown(critic) == [
        f"Conv2d(1, 4, {more})",
        "LeakyReLU(0.1)",
        f"Conv2d(4, 8, {more})",
        "LeakyReLU(0.1)",
        "Flatten()",
        "Dense(72, 1)",
    ]
    assert G.output_shape((10,)) == (12, 12, 1) and D.output_shape((12, 12, 1)) == (1,)


def test_dcgan_starts_as_the_paper_says():
    """Section 4: all weights N(0, 0.02^2); the gains of BatchNorm around 1, and every shift zero."""
    for net, gains in (
        (dcgan_generator(50, 4, (40, 30), 3), ("2", "5")),
        (dcgan_discriminator(4, (30, 40, 50), 3), ("3", "6")),
    ):
        p = net.init(0, np.float64)
        for path in p:
            if path.endswith("W"):
                assert abs(p[path].mean()) < 0.002 and abs(p[path].std() / 0.02 - 1) < 0.1, path
            elif path.split(".")[0] in gains and p[path].any():
                assert abs(p[path].mean() - 1) < 0.02 and 0.01 < p[path].std() < 0.03, path
            else:
                assert not p[path].any(), path


def test_the_pooling_classifier():
    assert shown(pooling_discriminator(8, (4, 6), 12, 3, outputs=7)) == [
        "Conv2d(3, 4, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Conv2d(4, 6, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Flatten()",
        "Dense(24, 12)",
        "ReLU()",
        "Dropout(0.5)",
        "Dense(12, 7)",
    ]
    assert shown(pooling_discriminator(28, (4, 6), 12, 1))[-4:] == [
        "Dense(294, 12)",
        "ReLU()",
        "Dropout(0.5)",
        "Dense(12, 1)",
    ]


def test_a_label_beside_every_block():
    net = label_beside(3, 2, [layers.Dense(4 + 2, 5), layers.Dense(5 + 2, 6)], first=layers.Flatten())
    y, _ = net.forward(net.init(0), (np.ones((7, 2, 2, 1), np.float32), np.arange(7) % 3), layers.Pass())
    assert y.shape == (7, 6) and np.array_equal(y[0], y[3]) and not np.allclose(y[0], y[1])
    assert [type(layer).__name__ for layer in net.children.values()] == [
        "Parallel",
        "Condition",
        "Condition",
        "Pick",
    ]


def flat(net):
    """All leaves of a network, in order."""
    return [
        leaf for layer in net.children.values() for leaf in (flat(layer) if layer.children else [repr(layer)])
    ]


def test_the_switches_of_the_generator():
    window = "kernel=4, stride=2, padding=1"
    assert flat(switched_generator(7, (8, 8, 1), 9)) == [
        "Dense(7, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 64)",
        "Tanh()",
        "Reshape(8, 8, 1)",
    ]
    assert flat(switched_generator(7, (2,), 9, leaky=False)) == [
        "Dense(7, 9)",
        "ReLU()",
        "Dense(9, 9)",
        "ReLU()",
        "Dense(9, 2)",
        "Reshape(2)",
    ]
    every = ["LeakyReLU(0.2)", "Noise(0.1)", "Dropout(0.2)"]
    assert flat(
        switched_generator(7, (8, 8, 1), 9, (4, 2), classes=3, tanh=False, noise=0.1, dropout=0.2)
    ) == [
        "Sequential()",
        "Embedding(3, 3)",
        "Concat()",
        "Dense(10, 16, bias=False)",
        "Reshape(2, 2, 4)",
        "BatchNorm(4)",
        *every,
        f"ConvTranspose2d(4, 2, {window}, bias=False)",
        "BatchNorm(2)",
        *every,
        f"ConvTranspose2d(2, 1, {window})",
        "Sigmoid()",
    ]
    assert "Noise" not in str(flat(switched_generator(7, (2,), 9, dropout=0.3))) and "Dropout" not in str(
        flat(switched_generator(7, (2,), 9, noise=0.3))
    )


def test_the_switches_of_the_discriminator():
    window = "kernel=4, stride=2, padding=1"
    assert flat(switched_discriminator((8, 8, 1), 9)) == [
        "Flatten()",
        "Dense(64, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 9)",
        "LeakyReLU(0.2)",
        "Dense(9, 1)",
    ]
    assert flat(switched_discriminator((2,), 9, leaky=False, pack=3, names=4)) == [
        "Pack(3)",
        "Flatten()",
        "Dense(6, 9)",
        "ReLU()",
        "Dense(9, 9)",
        "ReLU()",
        "Dense(9, 5)",
    ]
    convolved = [
        f"Conv2d(8, 2, {window})",
        "LeakyReLU(0.2)",
        f"Conv2d(2, 4, {window}, bias=False)",
        "BatchNorm(4)",
        "LeakyReLU(0.2)",
        "Flatten()",
    ]
    assert flat(
        switched_discriminator((8, 8, 1), 9, (4, 2), told=3, pack=2, deviation=True, minibatch=6)
    ) == [
        "Sequential()",
        "Embedding(3, 3)",
        "Sequential()",
        "Pick(0)",
        "Pack(2)",
        *convolved,
        "MinibatchStd()",
        "MinibatchDiscrimination(17, 6, 5)",
        "Dense(23, 1)",
    ]
    assert flat(switched_discriminator((8, 8, 1), 9, (4, 2), minibatch=6))[-2:] == [
        "MinibatchDiscrimination(16, 6, 5)",
        "Dense(22, 1)",
    ]
    assert flat(switched_discriminator((8, 8, 1), 9, (4, 2), leaky=False)) == [
        "Conv2d(1, 2, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Conv2d(2, 4, kernel=3, padding=1)",
        "ReLU()",
        "MaxPool2d(2)",
        "Flatten()",
        "Dense(16, 9)",
        "ReLU()",
        "Dropout(0.0)",
        "Dense(9, 1)",
    ]


def test_the_logits_of_the_switched_discriminator_start_as_their_network_says():
    """N(0, 0.02^2) in DCGAN (section 4), He's variance 2 / fan_in in the others."""
    for channels, leaky, inputs, std in (
        ((40, 30), True, 160, 0.02),
        ((4, 2), False, 200, 0.1),
        (None, True, 200, 0.1),
    ):
        net = switched_discriminator((8, 8, 1), 200, channels, leaky=leaky, names=30)
        head, last = list(net.children.items())[-1]
        W = net.init(0, np.float64)[f"{head}.W"]
        assert W.shape == (last.inputs, 31) == (inputs, 31) and W.std() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize(
    "settings", [{}, {"channels": (4, 2), "classes": 3}, {"channels": (4, 2), "noise": 0.1, "dropout": 0.3}]
)
def test_switched_players_fit_together(settings):
    told = settings.get("classes", 0)
    G = switched_generator(7, (8, 8, 1), 9, **settings)
    D = switched_discriminator((8, 8, 1), 9, settings.get("channels"), told=told, pack=2)
    z, y = np.ones((6, 7), np.float32), np.arange(6) % 3
    x, _ = G.forward(G.init(0), (z, y) if told else z, layers.Pass())
    assert x.shape == (6, 8, 8, 1)
    assert D.forward(D.init(0), (x, y) if told else x, layers.Pass())[0].shape == (3, 1)


# ---------------------------------------------------------------------------------------------------- initialisers


def drawn(init, shape=(40, 50), fan_in=30, fan_out=70):
    return init(np.random.default_rng(0), shape, fan_in, fan_out)


def test_normal_and_constant():
    w = drawn(normal(0.5, mean=3.0), (200, 50))
    assert (
        w.shape == (200, 50)
        and abs(w.mean() - 3) < 0.02
        and abs(w.std() / 0.5 - 1) < 0.03
        and w.dtype == np.float64
    )
    assert (
        np.array_equal(drawn(constant(2)), np.full((40, 50), 2.0)) and drawn(constant(2)).dtype == np.float64
    )


@pytest.mark.parametrize("init, limit", [(uniform(0.3), 0.3), (glorot, np.sqrt(6 / 100))])
def test_uniform_ones_fill_the_range_around_zero(init, limit):
    w = drawn(init, (200, 50))
    assert (
        -limit <= w.min() < -0.99 * limit and 0.99 * limit < w.max() <= limit and abs(w.mean()) < 0.02 * limit
    )
    assert abs(w.std() / (limit / np.sqrt(3)) - 1) < 0.03


def test_he_keeps_the_variance_through_relu():
    w = drawn(he, (200, 50))
    assert abs(w.std() / np.sqrt(2 / 30) - 1) < 0.03 and abs(w.mean()) < 0.01
    assert np.isfinite(drawn(he, (0, 5), 0, 5)).all() and np.isfinite(drawn(glorot, (0, 0), 0, 0)).all()
    assert abs(drawn(he, (200, 50), fan_in=1).std() / np.sqrt(2) - 1) < 0.03


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (3, 2, 5, 4), (1, 2, 3, 9)])
def test_orthogonal_rows_or_columns(shape):
    w = drawn(orthogonal(0.5), shape).reshape(-1, shape[-1])
    small = w.T @ w if len(w) >= shape[-1] else w @ w.T
    assert np.allclose(small, 0.25 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_ones_prefer_no_sign():
    """QR alone leaves a diagonal of one sign: over all rotations the mean of every entry is zero."""
    draws = [orthogonal()(np.random.default_rng(seed), (3, 3), 3, 3) for seed in range(400)]
    assert np.abs(np.mean(draws, axis=0)).max() < 0.12 and np.allclose(
        np.var(draws, axis=0), 1 / 3, atol=0.07
    )


def test_fans():
    assert (
        fans((3, 5)) == (3, 5)
        and fans((2, 4, 3, 5)) == (24, 40)
        and fans((2, 4, 3, 5), transposed=True) == (40, 24)
    )


@pytest.mark.parametrize(
    "make, told",
    [
        (partial(layers.Dense, 30, 20), ((30, 20), 30, 20)),
        (partial(layers.Conv2d, 3, 4, kernel=(5, 2)), ((5, 2, 3, 4), 30, 40)),
        (partial(layers.ConvTranspose2d, 4, 3, kernel=(5, 2)), ((5, 2, 3, 4), 40, 30)),
        (partial(layers.Embedding, 5, 7), ((5, 7), 5, 7)),
        (partial(layers.MinibatchDiscrimination, 4, 3, 2), ((4, 6), 4, 6)),
        (partial(layers.BatchNorm, 6), ((6,), 1, 1)),
        (partial(layers.LayerNorm, 6), ((6,), 1, 1)),
        (partial(layers.VirtualBatchNorm, 6), ((6,), 1, 1)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_initialiser_is_told_how_many_inputs_feed_an_output_and_the_reverse(make, told):
    heard = []
    layer = make(init=lambda rng, *words: heard.append(words) or np.ones(words[0]))
    p = layer.init(0)
    assert heard == [told] and sum(np.all(p[name] == 1) for name in p) == 1


# ---------------------------------------------------------------------------------------------------- what stands where nobody gives a constant

NETS = {"networks": {}, "optimizers": {}, "sample_shape": (2,)}
SAID = [  # the constants of the papers, and of the libraries that readers know
    (penalties.GradientPenalty, {"weight": 10.0, "target": 1.0, "one_sided": False}),
    (penalties.R1, {"weight": 10.0}),
    (penalties.R2, {"weight": 10.0}),
    (penalties.Roth, {"weight": 2.0}),
    (partial(penalties.Lazy, len), {"every": 16}),
    (partial(optimizers.SGD, 0.1), {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "clip": None}),
    (optimizers.RMSProp, {"lr": 1e-3, "decay": 0.99, "eps": 1e-8, "weight_decay": 0.0, "clip": None}),
    (
        optimizers.Adam,
        {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "clip": None},
    ),
    (partial(schedules.Linear, 1, 2, 3), {"wait": 0}),
    (partial(schedules.Exponential, 1, 0.5), {"floor": 0.0}),
    (partial(schedules.Cosine, 1, 2), {"end": 0.0}),
    (Consensus, {"weight": 10.0, "loss": losses.nonsaturating}),
    (partial(Pool, 4), {"share": 0.5}),
    (layers.LeakyReLU, {"slope": 0.2}),
    (layers.ELU, {"alpha": 1.0}),
    (layers.Softplus, {"sharpness": 1.0, "shift": 0.0}),
    (layers.Dropout, {"rate": 0.5}),
    (partial(layers.BatchNorm, 3), {"eps": 1e-5}),
    (partial(layers.InstanceNorm, 3), {"eps": 1e-5}),
    (partial(layers.LayerNorm, 3), {"eps": 1e-5}),
    (partial(layers.PixelNorm), {"eps": 1e-8}),
    (partial(layers.VirtualBatchNorm, 3), {"eps": 1e-5}),
    (layers.MinibatchStd, {"group": None, "eps": 1e-8}),
    (layers.Upsample, {"factor": (2, 2), "mode": "nearest"}),
    (layers.PixelShuffle, {"factor": 2}),
    (layers.Pick, {"place": 0}),
    (partial(layers.Conv2d, 2, 3, 5), {"stride": (1, 1), "padding": (0, 0), "bias": True}),
    (
        partial(layers.ConvTranspose2d, 2, 3, 5),
        {"stride": (1, 1), "padding": (0, 0), "output_padding": (0, 0), "bias": True},
    ),
    (partial(layers.AvgPool2d, 3), {"stride": (3, 3), "padding": (0, 0)}),
    (partial(layers.MaxPool2d, 3), {"stride": (3, 3), "padding": (0, 0)}),
    (partial(layers.Dense, 2, 3), {"bias": True}),
    (layers.Pass, {"seed": None, "measured": None, "path": (), "reference": 0}),
    (normal, {"std": 0.02, "mean": 0.0}),
    (orthogonal, {"gain": 1.0}),
    (partial(Latent, 3), {"kind": "normal", "scale": 1.0}),
    (
        partial(System, **NETS),
        {
            "latent": None,
            "classes": 0,
            "pixels": (-1.0, 1.0),
            "average": 0.0,
            "data": "digits",
            "batch_size": 64,
            "steps": 2000,
            "shares_fakes": False,
        },
    ),
    (partial(gan.GAN, **NETS), {"loss": losses.nonsaturating, "k": 1, "shares_fakes": False}),
    (
        partial(two_player.TwoPlayerGAN, **NETS),
        {"loss": losses.nonsaturating, "k": 1, "remedies": (), "now": 0, "shares_fakes": False},
    ),
    (partial(wgan.WGAN, **NETS), {"n_critic": 5, "warm": 0}),
    (
        partial(wgan_gp.WGANGP, **NETS),
        {"n_critic": 5, "penalty": penalties.GradientPenalty(10.0, 1.0, False)},
    ),
    (
        partial(dragan.DRAGAN, **NETS),
        {"remedies": (penalties.DRAGANPenalty(penalties.GradientPenalty(10.0, 1.0, False)),)},
    ),
    (penalties.DRAGANPenalty, {"gradient_penalty": penalties.GradientPenalty(10.0, 1.0, False)}),
    (partial(r1.R1GAN, **NETS), {"remedies": (penalties.R1Penalty(10.0, 1),)}),
    (penalties.R1Penalty, {"gamma": 10.0, "every": 1}),
    (partial(r3gan.R3GAN, **NETS), {"gamma": 1.0, "every": 1, "now": 0}),
    (partial(roth.RothGAN, **NETS), {"remedies": (penalties.RothPenalty(2.0),)}),
    (penalties.RothPenalty, {"gamma": 2.0}),
    (partial(consensus.ConsensusGAN, **NETS), {"gamma": 10.0}),
    (
        partial(unrolled.UnrolledGAN, **NETS),
        {"loss": losses.minimax, "unroll": 5, "inner": None, "standing": None},
    ),
    (partial(classifier.Classifier, **NETS), {"shift": 0}),
    (partial(conditional.Conditional, **NETS), {"shares_fakes": True}),
    (partial(dcgan.DCGAN, **NETS), {"shares_fakes": True}),
]
ARGUMENTS = [
    (losses.smoothed, {"target": 0.9}),
    (penalties.perturbed, {"scale": 0.5}),
    (drawn_labels, {"smooth": 1.0, "soft": False, "flip": 0.0}),
    (metrics.inception_score, {"splits": 1}),
    (metrics.density_coverage, {"k": 5}),
    (metrics.precision_recall, {"k": 3}),
    (metrics.ndb, {"bins": 100, "seed": 0, "significance": 0.05}),
    (metrics.laplacian_swd, {"patches": 128, "directions": 512, "seed": 0, "data_range": 1.0}),
    (metrics.sliced_wasserstein, {"directions": 512, "seed": 0}),
    (metrics.psnr, {"data_range": 1.0}),
    (metrics.ssim, {"data_range": 1.0}),
    (metrics.ms_ssim, {"data_range": 1.0}),
    (points.ring, {"modes": 8, "radius": 2.0, "std": 0.02}),
    (points.grid, {"side": 5, "spacing": 2.0, "std": 0.05}),
    (points.swiss_roll, {"noise": 0.25}),
    (layers.Embedding, {"init": normal(1.0)}),
    (layers.MinibatchDiscrimination, {"init": normal(0.05)}),
    (layers.Equalized, {"gain": np.sqrt(2)}),
    (layers.BatchNorm, {"init": constant(1.0)}),
    (layers.InstanceNorm, {"init": constant(1.0)}),
    (layers.LayerNorm, {"init": constant(1.0)}),
    (layers.VirtualBatchNorm, {"init": constant(1.0)}),
    (layers.Pad, {"mode": "zero"}),
    (layers.Dense, {"init": he}),
    (layers.Conv2d, {"init": he}),
    (layers.ConvTranspose2d, {"init": he}),
    (dcgan_generator, {"kernel": 5, "init": normal(0.02)}),
    (dcgan_discriminator, {"kernel": 5, "init": normal(0.02), "norm": True, "slope": 0.2}),
    (pooling_discriminator, {"outputs": 1, "dropout": 0.5, "init": he}),
    (mlp, {"activation": layers.ReLU, "last": None, "init": he}),
    (
        switched_generator,
        {"channels": None, "classes": 0, "leaky": True, "tanh": True, "noise": 0.0, "dropout": 0.0},
    ),
    (
        switched_discriminator,
        {
            "channels": None,
            "told": 0,
            "names": 0,
            "leaky": True,
            "pack": 1,
            "deviation": False,
            "minibatch": 0,
        },
    ),
    (losses.smoothed, {"loss": losses.nonsaturating}),
    (drawn_labels, {"dtype": np.float32}),
    (fans, {"transposed": False}),
    (data.load, {"split": "train"}),
    (data.Dataset, {"labels": None, "classes": (), "source": "", "names": None}),
    (data.Dataset.rows, {"pixels": (-1.0, 1.0)}),
    (data.Dataset.feed, {"pixels": (-1.0, 1.0)}),
    (sampling.Sampler.__call__, {"labels": None, "batch": None}),
    (metrics.parzen, {"sigmas": tuple(np.logspace(-1, 0, 10))}),
]


@pytest.mark.parametrize(
    "make, constants", SAID, ids=lambda value: getattr(getattr(value, "func", value), "__name__", None)
)
def test_what_is_not_given_is_what_the_paper_has(make, constants):
    made = make()
    assert {name: getattr(made, name) for name in constants} == constants


@pytest.mark.parametrize("function, constants", ARGUMENTS, ids=lambda value: getattr(value, "__name__", None))
def test_an_argument_that_is_not_given_is_what_the_paper_has(function, constants):
    defaults = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    assert {name: defaults[name] for name in constants} == constants


@pytest.mark.parametrize(
    "make",
    [
        lambda n: penalties.GradientPenalty(n(8), n(2)),
        lambda n: penalties.R1(n(8)),
        lambda n: penalties.R2(n(8)),
        lambda n: penalties.Roth(n(8)),
        lambda n: Consensus(n(8)),
        lambda n: Pool(4, n(0.5)),
        lambda n: schedules.Linear(n(8), n(2), 4),
        lambda n: schedules.Exponential(n(8), n(0.5), n(0.25)),
        lambda n: schedules.Cosine(n(8), 4, n(2)),
        lambda n: schedules.Warmup(n(8), 4),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_numbers_become_plain_ones(make, kind):
    """They would make float64 of float32 arrays, and a repr of them would not be that of the run before."""
    values = [value for value in vars(make(kind)).values() if isinstance(value, (int, float, np.generic))]
    assert vars(make(kind)) == vars(make(float)) and {type(value) for value in values} <= {int, float, bool}
    assert repr(make(kind)) == repr(make(float))


def test_numpy_counts_become_plain_ones():
    for record in (
        Pool(np.int64(4)),
        penalties.Lazy(penalties.R1(), np.int32(4)),
        schedules.Linear(1, 2, np.int64(4), np.int8(3)),
    ):
        assert "np." not in repr(record) and all(
            not isinstance(value, np.generic) for value in vars(record).values()
        )
