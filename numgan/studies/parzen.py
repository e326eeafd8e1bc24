"""`parzen`: the log-likelihood of MNIST under a Parzen window, and its weaknesses.

The first GAN paper reports this figure. A Parzen window is a density with a Gaussian of width sigma at each
of 10,000 samples, with pixels in 0..1. Training rows 50,000 to 50,999 choose sigma from a grid of ten values.
The figure is the mean over the 10,000 test rows. Systems learn from the first 50,000 rows.

The window rewards all samples near test pictures. Centroids of k-means score far above true pictures, and a
Gaussian for each class scores near a good GAN (Theis et al. 2016, section 3.3). So the table also has rows
for such samples made without a GAN. They are called anchors.

Another figure measures the value of samples as training data. A 1-nearest-neighbour classifier gets 50,000
samples of the same generator; the figure is its error on the test rows. The labels of the samples are those
that were requested from the generator. Without requested labels, the judge (a trained classifier) labels
them.
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
    """The numbers of rows of the data and of samples that a trial uses.

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
    """A row of the table: a system that is trained, or an anchor (samples that are made without a GAN).

    title    the heading of the row
    preset   "SYSTEM/PRESET"; None for an anchor
    steps    the number of training steps; 0 for an anchor
    """

    title: str
    preset: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class Digits:
    """The data of the study: pictures, uint8 arrays of shape (number, 28, 28, 1), and their labels (number,).

    x, labels           training pictures and their labels
    validation          the pictures that choose sigma
    test, test_labels   test pictures and their labels
    amounts             the numbers of rows and samples, an Amounts
    """

    x: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    amounts: Amounts

    @classmethod
    def load(cls, quick):
        """Load MNIST as Digits, with the numbers of rows of Amounts().

        With `quick`, load 1,000 and 100 of the 8x8 digits of the package, enlarged to 28x28, and the test
        digits.
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
        """The training pictures and their labels as a Dataset."""
        return Dataset("mnist", self.x, self.labels, tuple("0123456789"))


def unit(x):
    """Convert pictures x (N, 28, 28, 1) uint8 to rows (N, 784) float32 in 0..1."""
    return x.reshape(len(x), -1) / np.float32(255)


# ---- the anchors: functions that return (x (N, 784) in 0..1, labels (N,) or None), samples made without a
# GAN; the first rows of x are used for the window


def real(digits, rng):
    """Random training pictures of `digits`, a Digits, as rows (N, 784) in 0..1, and their labels (N,).

    N is `digits.amounts.neighbours`. No picture is drawn twice. rng is the random generator.
    """
    order = rng.permutation(len(digits.x))[: digits.amounts.neighbours]
    return unit(digits.x[order]), digits.labels[order]


def centroids(digits, rng):
    """(x, None): k-means centroids x (N, 784) of the training pictures of `digits`; None: no labels.

    N is `digits.amounts.window`; digits is a Digits. The centroids start from random rows, drawn from the
    random generator rng, and are improved by ROUNDS = 3 rounds of Lloyd's algorithm. In a round, each
    centroid moves to the mean of the rows that are nearest to it. A centroid that is nearest to no row does
    not move.
    """
    x = unit(digits.x)
    found = x[rng.choice(len(x), digits.amounts.window, replace=False)]
    for _ in range(ROUNDS):
        # d: the distances of some rows of x from all centroids; nearest (rows,): numbers of centroids
        nearest = np.concatenate([d.argmin(axis=1) for _, d in squared_distances(x, found)])
        order = np.argsort(nearest, kind="stable")  # sorted, the rows of a centroid follow each other
        owners, first = np.unique(nearest[order], return_index=True)  # centroids, and their first rows
        counts = np.diff(np.append(first, len(x)))
        found[owners] = np.add.reduceat(x[order], first) / counts[:, None]  # sum of the rows / their number
    return found, None


def gaussians(digits, rng):
    """Samples (N, 784) from one Gaussian for each class of `digits`, a Digits, and their labels (N,).

    N is `digits.amounts.neighbours`, divided equally among the classes. Each Gaussian is fitted to the
    training pictures of its class, along their COMPONENTS = 50 largest principal components. rng is the
    random generator.
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
    """(x, None): samples x (N, 784) from one Gaussian, fitted to all training pictures; None: no labels.

    digits is a Digits, N is `digits.amounts.neighbours`, and rng is the random generator.
    """
    return _gaussian(unit(digits.x), digits.amounts.neighbours, digits.x[0].size, rng), None


def _gaussian(x, count, components, rng):
    """Samples (count, D) from a Gaussian that is fitted to the rows x (N, D), clipped to 0..1.

    It has the mean of x, and the `components` largest principal components of the covariance of x. rng is the
    random generator.
    """
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))  # the values increase
    # root root^T is the covariance, up to the small components; rounding may make a value negative
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
    """Measure the samples of one row of the table: of a trained system, or of an anchor (made without a GAN).

    Returns {figure: value}, the figures of `measure`, and for a system the steps and minutes of its training.
    For true pictures, "agreement" is the accuracy of the judge on the test rows. With `quick`, the data, the
    networks and the judge are small. The judge is a trained classifier. Writes SHOWN = 2 samples of each
    class to samples.npy in `folder`. arm is a key of ARMS, seed that of training and samples; tell(fraction)
    moves the progress bar.
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
        p, _ = judged(judge, unit(digits.test))
        found["agreement"] = float((p.argmax(axis=1) == digits.test_labels).mean())
    save_array(folder / "samples.npy", some_of_each(x, answers if labels is None else labels))
    return found | spent


def measure(digits, judge, x, labels):
    """({name: value}, labels (N,)): the figures of samples x (N, 784) in 0..1, and their labels by the judge.

    ll, se, sigma    mean log-likelihood of the test rows, its standard error, and the Parzen window's width
    neighbours       the error on test rows of a 1-nearest-neighbour classifier with the samples
    agreement        the share of samples to which the judge gives their label; None without labels
    score, frechet   Inception score and Frechet distance, with the judge in place of Inception

    Score, distance and log-likelihood use the first digits.amounts.window samples. digits is a Digits, and
    judge is the OpenRun of a classifier. labels (N,) are the labels that the samples should have. If labels
    is None, the classifier of `neighbours` gets those of the judge.
    """
    window, test = x[: digits.amounts.window], unit(digits.test)
    found = metrics.parzen(window, unit(digits.validation), test)
    (p, features), (_, test_features) = judged(judge, x), judged(judge, test)
    answers = p.argmax(axis=1)
    error = metrics.nearest_neighbour_error(
        x, answers if labels is None else labels, test, digits.test_labels
    )
    score, _ = metrics.inception_score(p[: len(window)])  # (mean, standard deviation over parts)
    return {
        "ll": found.mean,
        "se": found.standard_error,
        "sigma": found.sigma,
        "neighbours": error,
        "agreement": None if labels is None else float((answers == labels).mean()),
        "score": score,
        "frechet": metrics.frechet_distance(test_features, features[: len(window)]),
    }, answers


def judged(judge, x):
    """(p, features): the class probabilities (N, 10) and the features (N, F) of N pictures, by the judge.

    judge is the OpenRun of a classifier. x (N, 784) are the pictures, with pixels in 0..1.
    """
    seen = judging.as_seen(judge, to_bytes(x, (0, 1)).reshape(-1, 28, 28, 1))
    return judging.probabilities(judge, seen), judging.features(judge, seen)


def some_of_each(x, labels):
    """The first SHOWN = 2 samples of each class, as pictures (20, 28, 28, 1) uint8, ordered by class.

    x (N, 784) are all samples, with pixels in 0..1, and labels (N,) their classes. If a class has too few
    samples, grey pictures stand for the missing ones.
    """
    shown = np.full((10, SHOWN, 28, 28, 1), plot.PAPER, np.uint8)
    for label, row in enumerate(shown):
        found = x[labels == label][:SHOWN]
        row[: len(found)] = to_bytes(found, (0, 1)).reshape(-1, 28, 28, 1)
    return shown.reshape(-1, 28, 28, 1)


def _quick_judge(digits, folder):
    """Train a small classifier on digits, a Digits, in folder / "judge", for --quick. Returns its OpenRun.

    It has 0.05 times the usual width and trains for QUICK = 5 steps.
    """
    return train(
        systems.build("classifier", "mnist", NARROW),
        digits.dataset,
        folder / "judge",
        0,
        lambda share: None,
        QUICK,
    )


def draw(results, out):
    """Draw two samples of each class, seed 0, one row for each arm. Returns {"samples.png": image}.

    results is {arm: [result of each seed]}. The samples are read from the study's folder `out`.
    """
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
