"""`random-architectures`: how often a method works on networks that were not tuned for it.

The protocol is that of Gulrajani et al. 2017, section 5.1. Each seed draws one architecture, before the first
training. The GAN and WGAN-GP are both trained on it, with the same learning rate, each with the betas of its
own paper. The critic of WGAN-GP has no BatchNorm, because its penalty is defined for single samples. The
networks are the same otherwise. A method works on an architecture if the last iterate has at least 7 of 8
modes, and if at least half of its samples lie within 3 sigma of a mode. A training that ends in inf or nan
does not work.
"""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from .. import plot
from ..core.errors import NonFiniteError
from ..core.randomness import stream
from ..data import Dataset, modes, ring
from ..layers import BatchNorm, Dense, LeakyReLU, ReLU, Sequential, Softplus, Tanh
from ..metrics import mode_coverage
from ..optimizers import Adam
from ..remedies.penalties import GradientPenalty
from ..systems import Latent
from ..systems.games.gan import GAN
from ..systems.games.presets import both
from ..systems.games.wgan_gp import WGANGP
from .protocol import Column, Study, markdown, train, trained

ARMS = {"gan": "GAN, non-saturating", "wgan-gp": "WGAN-GP"}
# Steps of G. Both take about the same time: a step of WGAN-GP has 5 critic steps with second-order gradients.
STEPS = {"gan": 12_000, "wgan-gp": 3_000}
QUICK = 6  # steps with --quick
BATCH, DRAWN, SAMPLES = 128, 100_000, 2500  # samples in a batch; training points; samples that are measured
RADIUS, STD = 2**0.5, 0.05
_centres, _ = modes("ring")
CENTRES = RADIUS / 2 * _centres  # the radius of the data set "ring" is 2
MODES, GOOD = 7, 0.5  # a method works with at least so many modes and this share of high quality

ACTIVATIONS = {"ReLU": ReLU, "LeakyReLU": LeakyReLU, "tanh": Tanh, "softplus": partial(Softplus, 2.0, 1.0)}
COLUMNS = (
    Column("success", "works, % of architectures", 0, 100),
    Column("modes", "modes", 1),
    Column("high_quality", "high quality, %", 1, 100),
    Column("broken", "inf or nan, %", 0, 100),
    Column("minutes", "minutes"),
)


@dataclass(frozen=True)
class Architecture:
    """A random architecture of G (names that end in _g) and of D (names that end in _d), and a learning rate.

    depth_g, depth_d             the number of dense layers
    width_g, width_d             the number of units in each hidden layer
    activation_g, activation_d   a key of ACTIVATIONS
    norm_g, norm_d               whether the network has BatchNorm
    lr                           the learning rate of both networks
    """

    depth_g: int
    depth_d: int
    width_g: int
    width_d: int
    activation_g: str
    activation_d: str
    norm_g: bool
    norm_d: bool
    lr: float


def drawn(seed):
    """The random Architecture of `seed`. The same seed always gives the same architecture.

    G and D each have 2 to 12 dense layers of 32, 64 or 128 units, one of ACTIVATIONS, and BatchNorm with
    probability 1/2. The learning rate is 5e-4, 1e-3 or 2e-3. All choices are equally likely.
    """
    rng = stream(seed, "architecture")
    # two random values for each property, that of G and that of D, in the order of the fields
    return Architecture(
        *rng.integers(2, 13, 2).tolist(),
        *rng.choice([32, 64, 128], 2).tolist(),
        *rng.choice(list(ACTIVATIONS), 2).tolist(),
        *rng.integers(2, size=2).astype(bool).tolist(),
        float(rng.choice([5e-4, 1e-3, 2e-3])),
    )


def network(outputs, depth, width, activation, norm):
    """A network (N, 2) -> (N, outputs) of `depth` dense layers. Each layer but the last has `width` units.

    activation   a key of ACTIVATIONS: the activation after each dense layer except the last
    norm         whether a BatchNorm follows each dense layer except the last, before the activation
    """
    layers = []
    for inputs in (2, *[width] * (depth - 2)):
        layers += [
            Dense(inputs, width, bias=not norm),
            *([BatchNorm(width)] if norm else []),
            ACTIVATIONS[activation](),
        ]
    return Sequential(*layers, Dense(width, outputs))


def system(arm, of):
    """The system of one method, with the networks and the learning rate of `of`, an Architecture.

    arm   "gan" or "wgan-gp"; the critic of WGAN-GP has no BatchNorm, also if `of.norm_d` is True

    z has two entries, batches have 128 samples. The GAN has Adam(beta1 = 0.5), WGAN-GP has Adam(beta1 = 0,
    beta2 = 0.9) and a penalty of weight 0.1.
    """
    G = network(2, of.depth_g, of.width_g, of.activation_g, of.norm_g)
    D = network(1, of.depth_d, of.width_d, of.activation_d, of.norm_d and arm == "gan")
    common = {"latent": Latent(2), "sample_shape": (2,), "networks": {"G": G, "D": D}, "batch_size": BATCH}
    if arm == "gan":
        return GAN(**common, optimizers=both(Adam(of.lr, beta1=0.5)))
    optimizers = both(Adam(of.lr, beta1=0.0, beta2=0.9))
    return WGANGP(**common, penalty=GradientPenalty(0.1), optimizers=optimizers)


def trial(arm, seed, quick, folder, tell):
    """Train one method on the architecture of a seed. Returns {name: value}: architecture and figures.

    The training takes 12,000 steps (GAN) or 3,000 (WGAN-GP), with `quick` 6 steps. The figures come from
    2,500 samples at its end.

    success                   1 if the method works on this architecture, otherwise 0
    modes, high_quality       the number of captured modes, and the share of samples within 3 sigma of a mode
    broken                    1 if the training ended in inf or nan, otherwise 0
    steps, minutes            length and duration of the training; not if it is broken
    words                     the error message; only if it is broken

    If the training is broken, the other figures are 0. arm is "gan" or "wgan-gp". The run is in `folder`;
    tell(fraction) moves the progress bar.
    """
    of, steps = drawn(seed), QUICK if quick else STEPS[arm]
    x, _ = ring(DRAWN, stream(seed, "ring"), radius=RADIUS, std=STD)  # (points, numbers of their modes)
    data = Dataset("ring", x)
    broken = {"success": 0, "modes": 0, "high_quality": 0.0, "broken": 1}
    try:
        run = train(system(arm, of), data, folder / "run", seed, tell, steps)
    except NonFiniteError as error:
        return asdict(of) | broken | {"words": str(error)}
    x, _ = run.sampler()(SAMPLES, seed)  # (samples, labels)
    found = mode_coverage(x, CENTRES, STD)
    success = found.captured >= MODES and found.high_quality >= GOOD
    return (
        asdict(of)
        | {"success": int(success), "modes": found.captured, "high_quality": found.high_quality, "broken": 0}
        | trained(run)
    )


def summary(results):
    """A Markdown table: the number of architectures on which both methods work, only one of them, or neither.

    The first three rows are from `results`, {arm: [result of each seed]}. In these rows, a method works if it
    has at least 7 modes, and at least 25, 50 or 75 per cent of samples within 3 sigma of a mode. The last two
    rows are published (Gulrajani et al. 2017, table 2). Returns the table as a text.
    """
    rows = []
    for least in (0.25, GOOD, 0.75):
        gan, wgan = (
            [result["modes"] >= MODES and result["high_quality"] >= least for result in results[arm]]
            for arm in ("gan", "wgan-gp")
        )
        pairs = list(zip(gan, wgan, strict=True))
        count = [pairs.count(which) for which in ((True, True), (True, False), (False, True), (False, False))]
        rows.append(
            [
                f"8 Gaussians, at least {MODES} modes and {100 * least:.0f} % of high quality",
                *map(str, count),
                str(len(pairs)),
            ]
        )
    rows += [
        ["ImageNet 32 x 32, Inception score above 3.0, published", "110", "1", "88", "1", "200"],
        ["ImageNet 32 x 32, Inception score above 5.0, published", "42", "0", "147", "11", "200"],
    ]
    return markdown(["", "both work", "only the GAN", "only WGAN-GP", "neither", "of"], rows)


def draw(results, out):
    """Draw the quality of both methods on every architecture, and how often each method works.

    The first panel has one point for each architecture. The second panel has bars for groups of
    architectures, such as those with BatchNorm in G. A bar is the share of the group on which a method works.
    results is {arm: [result of each seed]}. Returns {"architectures.png": image}. `out`, the study's folder,
    is not used.
    """
    quality, works = (
        {arm: np.array([result[key] for result in results[arm]], float) for arm in results}
        for key in ("high_quality", "success")
    )
    architectures = [drawn(seed) for seed in range(len(quality["gan"]))]
    # masks (architectures,): those with BatchNorm in G, and those with a network of more than 7 layers
    normed = np.array([of.norm_g for of in architectures])
    deep = np.array([max(of.depth_g, of.depth_d) > 7 for of in architectures])
    groups = {
        "BatchNorm in G": normed,
        "no BatchNorm in G": ~normed,
        "at most 7 layers, both": ~deep,
        "more than 7 layers": deep,
    }
    for name in ACTIVATIONS:
        inside = np.array([name in (of.activation_g, of.activation_d) for of in architectures])
        groups[f"{name} in G or D"] = inside
    shares = {}
    for words, inside in groups.items():
        if inside.any():
            shares[f"{words} ({inside.sum()})"] = {ARMS[arm]: works[arm][inside].mean() for arm in results}
    return {
        "architectures.png": plot.pairs(
            quality["gan"], quality["wgan-gp"], GOOD, shares, ("GAN", "WGAN-GP"), "share of high quality"
        )
    }


DIFFERS = f"""\
A seed is an architecture. For G and for D it draws 2 to 12 dense layers of 32, 64 or 128 units, ReLU,
LeakyReLU, tanh or softplus(2x + 2) / 2 - 1, and BatchNorm or not. It also draws a learning rate of 5e-4,
1e-3 or 2e-3. The data are eight Gaussians of sigma 0.05 on a circle of radius 1.414. Batches have 128
samples. Lambda is 0.1, as in the authors' code for points; in the paper it is 10. The GAN makes
{STEPS["gan"]:,} G steps. WGAN-GP makes {STEPS["wgan-gp"]:,}, each with 5 critic steps, in about the same
time. The ± is the standard error of a share of architectures."""

RANDOM = Study(
    "GAN and WGAN-GP on architectures drawn at random.",
    "Gulrajani et al. 2017, section 5.1, table 2 (200 convolutional nets on ImageNet 32 x 32)",
    ARMS,
    COLUMNS,
    trial,
    seeds=50,
    draw=draw,
    summary=summary,
    differs=DIFFERS,
)
