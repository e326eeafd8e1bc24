"""`parzen`: the log-likelihood of MNIST under a Parzen window, and its weaknesses.

The first GAN paper reports this figure. A Parzen window is a density with a Gaussian of width sigma at each
of 10,000 samples, with pixels in 0..1. Training rows 50,000 to 50,999 choose sigma from a grid of ten values.
The figure is the mean over the 10,000 test rows. Systems learn from the first 50,000 rows.

The window rewards all samples near test pictures. Centroids of k-means score far above true pictures, and a
Gaussian for each class scores near a good GAN (Theis et al. 2016, section 3.3). So the table has rows for
such samples too, called anchors. Another figure measures the value of samples as training data: the error on
test rows of a 1-nearest-neighbour classifier with 50,000 samples of the same generator. The labels of the
samples are the requested ones. Without requested labels, the judge gives the labels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import data, metrics, plot, systems
from ..core.arrays import load_array, save_array
from ..core.randomness import stream
from ..data import Dataset
from ..data.pixels import to_bytes
from ..evaluation import judging
from ..metrics.rows import squared_distances
from .protocol import Column, Study, folder_of, train, trained

COMPONENTS, ROUNDS = 50, 3  # components of the Gaussian of a class; rounds of k-means
SHOWN = 2  # samples of each class in the picture
QUICK, NARROW = 5, 0.05  # steps and width of the networks with --quick


class Amounts(NamedTuple):
    """Numbers of rows and samples.

    rows         training rows
    validation   rows that choose sigma
    window       samples in the Parzen window
    neighbours   samples in the nearest-neighbour classifier
    """

    rows: int = 50_000
    validation: int = 1000
    window: int = 10_000
    neighbours: int = 50_000


class Arm(NamedTuple):
    """A row of the table: a system that is trained, or an anchor (samples made without a GAN).

    title    the heading of the row
    preset   "SYSTEM/PRESET"; None for an anchor
    steps    the number of training steps
    """

    title: str
    preset: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class Digits:
    """Pictures (N, 28, 28, 1) uint8 and labels (N,).

    x, labels           training rows
    validation          rows that choose sigma
    test, test_labels   test rows
    amounts             the numbers of rows and samples
    """

    x: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    amounts: Amounts

    @classmethod
    def load(cls, quick):
        """Load MNIST. With `quick`, load the 8x8 digits of the package, enlarged to
        28x28, in small numbers.
        """
        name, amounts = ("digits", Amounts(1000, 100, 150, 200)) if quick else ("mnist", Amounts())
        rows, test = (data.load(name, split, size=28) for split in ("train", "test"))
        return cls(
            rows.x[: amounts.rows],
            rows.labels[: amounts.rows],
            rows.x[amounts.rows :][: amounts.validation],
            test.x,
            test.labels,
            amounts,
        )

    @property
    def dataset(self):
        """The training rows as a Dataset."""
        return Dataset("mnist", self.x, self.labels, tuple("0123456789"))


def unit(x):
    """Convert pictures (N, 28, 28, 1) uint8 to rows (N, 784) float32 in 0..1."""
    return x.reshape(len(x), -1) / np.float32(255)


# ---- the anchors: functions that return (x (N, 784) in 0..1, labels (N,) or None), samples made without a
# GAN; the first rows of x are used for the window


def real(digits, rng):
    """(x (N, 784) in 0..1, labels (N,)) of random training rows of `digits`, the Digits of the study."""
    order = rng.permutation(len(digits.x))[: digits.amounts.neighbours]
    return unit(digits.x[order]), digits.labels[order]


def centroids(digits, rng):
    """(x, None): k-means centroids of the training rows of `digits`, as many as the window has samples.

    They start from random rows and are improved by ROUNDS rounds of Lloyd's algorithm. In a round, each
    centroid moves to the mean of the rows that are nearest to it. A centroid without such rows does not move.
    """
    x = unit(digits.x)
    found = x[rng.choice(len(x), digits.amounts.window, replace=False)]
    for _ in range(ROUNDS):
        nearest = np.concatenate([d.argmin(axis=1) for _, d in squared_distances(x, found)])
        order = np.argsort(nearest, kind="stable")
        owners, first = np.unique(nearest[order], return_index=True)
        found[owners] = np.add.reduceat(x[order], first) / np.diff(np.append(first, len(x)))[:, None]
    return found, None


def gaussians(digits, rng):
    """(x, labels): samples from one Gaussian for each class of `digits`.

    Each Gaussian lies along the COMPONENTS largest principal components of its class.
    """
    classes = np.unique(digits.labels)
    labels = np.resize(classes, digits.amounts.neighbours)
    x = np.empty((len(labels), digits.x[0].size), np.float32)
    for label in classes:
        x[labels == label] = _gaussian(
            unit(digits.x[digits.labels == label]), (labels == label).sum(), COMPONENTS, rng
        )
    return x, labels


def gaussian(digits, rng):
    """(x, None): samples from one Gaussian that fits the training rows of all classes of `digits`."""
    return _gaussian(unit(digits.x), digits.amounts.neighbours, digits.x[0].size, rng), None


def _gaussian(x, count, components, rng):
    """Samples (count, D) from a Gaussian, clipped to 0..1. x (N, D) are the rows to which the Gaussian is
    fitted.

    It has the mean of x, and the `components` largest principal components of the covariance of x.
    """
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    root = (vectors * np.sqrt(np.maximum(values, 0)))[:, -components:].astype(np.float32)
    z = rng.standard_normal((count, root.shape[1]), np.float32)
    return np.clip(x.mean(axis=0) + z @ root.T, 0, 1)


ANCHORS = {"real": real, "centroids": centroids, "gaussians": gaussians, "gaussian": gaussian}

ARMS = {
    "real": Arm("true pictures"),
    "centroids": Arm("10,000 k-means centroids"),
    "gaussians": Arm(f"a Gaussian of {COMPONENTS} components a class"),
    "gaussian": Arm("one Gaussian"),
    "paper": Arm("GAN, the paper's nets and SGD", "gan/paper", 10_000),
    "gan": Arm("GAN, 1200-1200, BatchNorm, Adam", "gan/mnist", 5000),
    "mirza": Arm("cGAN, its paper's nets, BatchNorm, Adam", "conditional/mirza", 6000),
    "dcgan": Arm("cDCGAN", "conditional/mnist", 2346),
    "r3gan": Arm("R3GAN with labels", "r3gan/mnist", 4000),
}

COLUMNS = (
    Column("ll", "log-likelihood, nats", 1),
    Column("se", "± over test rows", 1),
    Column("sigma", "sigma", 3),
    Column("neighbours", "1-NN error, %", 2, 100),
    Column("agreement", "label agreement, %", 1, 100),
    Column("score", "classifier score", 2),
    Column("frechet", "classifier Frechet distance", 2),
    Column("minutes", "minutes", 1),
)


def trial(arm, seed, quick, folder, tell):
    """Train a system and draw samples, or make the samples of an anchor (samples made without a GAN).

    Returns {name of a figure: number}, the measures of the samples.

    Writes some samples of each class to samples.npy in `folder`. Arguments as for `Study.trial`.
    """
    digits = Digits.load(quick)
    judge = _quick_judge(digits, folder) if quick else judging.open_judge("mnist", progress=False)
    if arm in ANCHORS:
        (x, labels), spent = ANCHORS[arm](digits, stream(seed, "parzen", arm)), {}
    else:
        system = systems.build(*ARMS[arm].preset.split("/"), width=NARROW if quick else 1.0)
        steps = QUICK if quick else ARMS[arm].steps
        run = train(system, digits.dataset, folder / "run", seed, tell, steps)
        x, labels = run.sampler()(digits.amounts.neighbours, seed)
        x = unit(to_bytes(x, system.pixels))
        spent = trained(run)
    found, answers = measure(digits, judge, x, labels)
    if arm == "real":  # true pictures have no requested labels: use the judge's accuracy on test rows
        found["agreement"] = float(
            (judged(judge, unit(digits.test))[0].argmax(axis=1) == digits.test_labels).mean()
        )
    save_array(folder / "samples.npy", some_of_each(x, answers if labels is None else labels))
    return found | spent


def measure(digits, judge, x, labels):
    """({figure: value} of the samples x, the labels (N,) that the judge gives them)

    x (N, 784) in 0..1. labels (N,) are the labels that were requested from the generator, or None. `digits`
    has the rows that choose sigma and the test rows.
    """
    window, test = x[: digits.amounts.window], unit(digits.test)
    found = metrics.parzen(window, unit(digits.validation), test)
    (p, features), (_, test_features) = judged(judge, x), judged(judge, test)
    answers = p.argmax(axis=1)
    error = metrics.nearest_neighbour_error(
        x, answers if labels is None else labels, test, digits.test_labels
    )
    return {
        "ll": found.mean,
        "se": found.standard_error,
        "sigma": found.sigma,
        "neighbours": error,
        "agreement": None if labels is None else float((answers == labels).mean()),
        "score": metrics.inception_score(p[: len(window)])[0],
        "frechet": metrics.frechet_distance(test_features, features[: len(window)]),
    }, answers


def judged(judge, x):
    """(probabilities (N, 10), features (N, F)) that the judge computes for rows x (N, 784) in 0..1."""
    seen = judging.as_seen(judge, to_bytes(x, (0, 1)).reshape(-1, 28, 28, 1))
    return judging.probabilities(judge, seen), judging.features(judge, seen)


def some_of_each(x, labels):
    """The first SHOWN samples of each class, (10 SHOWN, 28, 28,
    1) uint8, from rows x (N, 784) and labels (N,).

    If a class has too few samples, grey pictures stand for the missing ones.
    """
    shown = np.full((10, SHOWN, 28, 28, 1), plot.PAPER, np.uint8)
    for label, row in enumerate(shown):
        found = x[labels == label][:SHOWN]
        row[: len(found)] = to_bytes(found, (0, 1)).reshape(-1, 28, 28, 1)
    return shown.reshape(-1, 28, 28, 1)


def _quick_judge(digits, folder):
    """A judge trained for QUICK steps only, for --quick. Its run is in folder / "judge"."""
    return train(
        systems.build("classifier", "mnist", NARROW),
        digits.dataset,
        folder / "judge",
        0,
        lambda share: None,
        QUICK,
    )


def draw(results, out):
    """Draw SHOWN samples of each class, seed 0, one row for each arm. Returns {file name: picture}."""
    rows = [load_array(folder_of(out, arm, 0) / "samples.npy") for arm in results]
    return {"samples.png": plot.grid(np.concatenate(rows), 10 * SHOWN, [ARMS[arm].title for arm in results])}


DIFFERS = f"""\
All systems learn from the first 50,000 rows. Sigma is the one of ten values from 0.1 to 1 that has the best
mean log-likelihood over the next 1,000 rows. The numbers of steps, fixed beforehand:
{"; ".join(f"{arm.title}: {arm.steps:,}" for arm in ARMS.values() if arm.preset)}. The GAN with the paper's
networks and SGD is far from the end of its training after 20 epochs. R3GAN has convolutional networks, with
BatchNorm in G; its steps and rates were chosen on seed 0. 1-NN error: the test rows are classified by the
nearest of 50,000 samples (centroids: 10,000), with the requested label, or else that of the judge. Label
agreement: the share of samples to which the judge gives the requested label; for true pictures, the judge's
accuracy on test rows. Score and Frechet distance come from numgan's judge of MNIST, with 10,000 samples and
the test rows. They are not Inception figures. The GAN with Adam and the cGAN differ from a first run with
seed 0, in which neither learned: both then got BatchNorm in G, the GAN got dropout in D, and the cGAN got
smaller label weights and less dropout."""

STUDY = Study(
    "MNIST under a Parzen window, and what samples teach.",
    "Goodfellow et al. 2014, section 5",
    {name: arm.title for name, arm in ARMS.items()},
    COLUMNS,
    trial,
    seeds=2,
    differs=DIFFERS,
    draw=draw,
    published={
        "GAN, published": {"ll": "225 ± 2"},
        "Deep GSN, published": {"ll": "214 ± 1.1"},
        "DBN, published": {"ll": "138 ± 2"},
        "stacked CAE, published": {"ll": "121 ± 1.6"},
        "cGAN (Mirza and Osindero 2014), published": {"ll": "132 ± 1.8"},
        "GAN (Radford et al. 2016), unverified": {"neighbours": "6.28"},
        "DCGAN (Radford et al. 2016), unverified": {"neighbours": "2.98"},
    },
)
