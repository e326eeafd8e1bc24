"""The values of arguments that are not given: the constants of the papers."""

import inspect
from functools import partial

import numpy as np
import pytest

from numgan import data, layers, losses, metrics, optimizers
from numgan.data import points
from numgan.layers.initializers import constant, fans, he, normal, orthogonal
from numgan.networks import dcgan_discriminator, dcgan_generator, mlp, pooling_discriminator
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

NETS = {"networks": {}, "optimizers": {}, "sample_shape": (2,)}
GAME = NETS | {"latent": Latent(2)}


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
    (partial(gan.GAN, **GAME), {"loss": losses.nonsaturating, "k": 1, "shares_fakes": False}),
    (
        partial(two_player.TwoPlayerGAN, **GAME),
        {"loss": losses.nonsaturating, "k": 1, "remedies": (), "now": 0, "shares_fakes": False},
    ),
    (partial(wgan.WGAN, **GAME), {"n_critic": 5, "warm": 0}),
    (
        partial(wgan_gp.WGANGP, **GAME),
        {"n_critic": 5, "penalty": penalties.GradientPenalty(10.0, 1.0, False)},
    ),
    (
        partial(dragan.DRAGAN, **GAME),
        {"remedies": (penalties.DRAGANPenalty(penalties.GradientPenalty(10.0, 1.0, False)),)},
    ),
    (penalties.DRAGANPenalty, {"gradient_penalty": penalties.GradientPenalty(10.0, 1.0, False)}),
    (partial(r1.R1GAN, **GAME), {"remedies": (penalties.R1Penalty(10.0, 1),)}),
    (penalties.R1Penalty, {"gamma": 10.0, "every": 1}),
    (partial(r3gan.R3GAN, **GAME), {"gamma": 1.0, "every": 1, "now": 0}),
    (partial(roth.RothGAN, **GAME), {"remedies": (penalties.RothPenalty(2.0),)}),
    (penalties.RothPenalty, {"gamma": 2.0}),
    (partial(consensus.ConsensusGAN, **GAME), {"gamma": 10.0}),
    (
        partial(unrolled.UnrolledGAN, **GAME),
        {"loss": losses.minimax, "unroll": 5, "inner": None, "standing": None},
    ),
    (partial(classifier.Classifier, **NETS), {"shift": 0}),
    (partial(conditional.Conditional, **GAME), {"shares_fakes": True}),
    (partial(dcgan.DCGAN, **GAME), {"shares_fakes": True}),
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
