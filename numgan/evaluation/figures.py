"""Evaluation: numbers that compare a run's samples with the test part of its data.

    found = evaluate(run, judge=open_judge("mnist"))
    found["figures"]["classifier_frechet_distance"]        {"samples": ..., "real": ..., "better": "lower"}

A figure is one such number. Alone it has no meaning: it depends on the number of samples and on the range of
the pixels, and some figures depend on the judge, whose features are not those of Inception. So "real" is the
same figure for as many training rows: about the figure of a perfect generator. The judge has learnt from
these rows. So its features and answers for these rows differ from those for data that the judge never saw
(8x8 digits: it classifies 100 % of these rows correctly, and 95 % of held-out rows). The formulas are in
numgan.metrics; this file selects the data to compare.
"""

import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .. import data, metrics
from ..core.randomness import stream
from ..core.streams import STDERR
from ..core.underflow import may_underflow
from ..data import is_pictures
from ..data.pixels import to_bytes
from ..data.points import modes
from ..data.splits import spread
from ..metrics.pictures import SMALLEST, WEIGHTS, WINDOW
from ..metrics.rows import squared_distances
from ..training.recipes import Recipe
from . import judging
from .meanings import JUDGED, beside

PICTURES = 10_000  # default number of pictures: Goodfellow et al. 2014
POINTS = 2_500  # default number of points: Lin et al. 2018 (PacGAN), section 4.1
NUMBERS = 2**25  # largest number of values of all samples together: of large pictures, fewer are drawn
VALIDATION = 1000  # rows that choose the Parzen window's sigma: the first rows of the sixth that is left out
PATCHES, DIRECTIONS = 16, 128  # numbers of patches and directions for the sliced Wasserstein distance
LEAST = 12  # smallest number of rows for the measures
SPLITS = 10  # number of parts for the classifier score: Salimans et al. 2016, section 4


@dataclass(frozen=True)
class Side:
    """One of the three sets of samples that are compared: generated samples, training rows or test rows.

    x               (N, ...) points, or pictures with pixels in 0..1
    labels          (N,) requested classes, true labels, or the judge's answers; None if unknown
    features        (N, F) the judge's features of each row; None without a judge
    probabilities   (N, K) the judge's probabilities of the K classes; None without a judge
    agreement       fraction of the rows whose requested or true label is also the judge's answer; None
                    without such labels or without a judge

    A judge is a classifier that measures samples.
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    features: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    agreement: float | None = None

    @property
    def flat(self):
        """The rows of x as vectors: (N, D)."""
        return self.x.reshape(len(self.x), -1)


@dataclass(frozen=True)
class Setting:
    """The arguments that all measures share: the test rows with which samples are compared, and constants.

    test         the Side (a set of rows) with the test rows
    data         the name of the data set, or its folder; None for a run that was made in Python code
    seed         the seed of the measures with random choices
    validation   pictures that choose the sigma of the Parzen window; None for points
    sigma        the width of the Gaussian kernel of the MMD
    """

    test: Side
    data: str
    seed: int
    validation: np.ndarray | None = None
    sigma: float = 1.0


# ---- the measures. Each gets `side`, the Side that is measured (samples or training rows), and `by`, the
# Setting, and returns {figure: value}, or a text with the reason why there is no figure.


def _modes(side, by):
    """{figure: value} about the modes that the points of the Side `side` draw, or a text with a reason.

    The figures: the number of modes, the share of points near a mode, the reverse KL of the modes, and least,
    mean and largest relative width of a mode. by: the Setting. The reason: by.data is neither ring nor grid.
    """
    if by.data not in ("ring", "grid"):
        return "these data have no modes"
    found = metrics.mode_coverage(side.x, *modes(by.data))
    spread = found.relative_std[np.isfinite(found.relative_std)]
    spread = spread if len(spread) else np.array([np.nan])
    return {
        "modes": found.captured,
        "high_quality": found.high_quality,
        "reverse_kl": found.reverse_kl,
        "relative_std_least": spread.min(),
        "relative_std_mean": spread.mean(),
        "relative_std_most": spread.max(),
    }


def _distance(side, by):
    """{figure: value}: the sliced Wasserstein distance of the Side `side` and of the test rows, by.test."""
    n = min(len(side.x), len(by.test.x))
    return {"sliced_wasserstein": metrics.sliced_wasserstein(side.x[:n], by.test.x[:n], DIRECTIONS, by.seed)}


def _neighbours(side, by):
    """{figure: value} with the error of a nearest-neighbour classifier, or a text if there are no labels.

    The classifier knows the labelled rows of the Side `side`, and is measured on the test rows of the Setting
    `by`.
    """
    if side.labels is None or by.test.labels is None:
        return "it needs labels: use a conditional system, or a judge for the classes of the data"
    error = metrics.nearest_neighbour_error(side.x, side.labels, by.test.x, by.test.labels)
    return {"nearest_neighbour_error": error}


def _patches(side, by):
    """{figure: value}: a sliced Wasserstein distance for each size of a Laplacian pyramid of the pictures.

    Patches of the Side `side` and of the test rows of the Setting `by` are compared; of pictures smaller than
    SMALLEST, the whole pictures.
    """
    if min(side.x.shape[1:3]) < SMALLEST:
        return _distance(side, by)  # the pictures are too small for patches: compare whole pictures
    n = min(len(side.x), len(by.test.x))
    found = metrics.laplacian_swd(by.test.x[:n], side.x[:n], PATCHES, DIRECTIONS, by.seed)  # {size: distance}
    return {f"sliced_wasserstein_{size}": distance for size, distance in found.items()}


def _alike(side, by):
    """{figure: value} with the mean structural similarity of pairs of the Side `side`, or a text.

    A pair is row i of the first half and row i of the second half. It is multi-scale SSIM if the pictures are
    large enough. The text says that they are smaller than the window. by, the Setting, is not used.
    """
    shortest, half = min(side.x.shape[1:3]), len(side.x) // 2
    if shortest < WINDOW:
        return f"it needs pictures of at least {WINDOW} pixels a side"
    one, other = side.x[:half], side.x[half : 2 * half]
    if shortest < WINDOW * 2 ** (len(WEIGHTS) - 1):  # each scale of MS-SSIM halves the picture
        return {"ssim_of_pairs": metrics.ssim(one, other).mean()}
    return {"ms_ssim_of_pairs": metrics.ms_ssim(one, other).mean()}


def _parzen(side, by):
    """{figure: value}: the mean log-likelihood of the test rows under a Parzen window, its error, and sigma.

    The window has the rows of the Side `side` as centres. The validation rows of Setting `by` choose sigma.
    """
    found = metrics.parzen(side.x, by.validation, by.test.x)
    return {
        "parzen_log_likelihood": found.mean,
        "parzen_standard_error": found.standard_error,
        "parzen_sigma": found.sigma,
    }


def _mmd(side, by):
    """{figure: value}: the maximum mean discrepancy of the Side `side` and the test rows of Setting `by`."""
    return {"mmd": metrics.mmd(by.test.flat, side.flat, by.sigma)}


def _bins(side, by):
    """{figure: value}: the number of statistically different bins (NDB), of all bins, and the JS divergence.

    The Side `side` is compared with the test rows of the Setting `by`. There are 100 bins, or one for each 10
    test rows if that is fewer.
    """
    found = metrics.ndb(by.test.x, side.x, min(100, len(by.test.x) // 10), by.seed)
    return {"different_bins": found.different, "bins": found.bins, "bins_js": found.js}


def _manifolds(side, by, space="flat"):
    """{figure: value}: precision, recall, density and coverage of the Side `side` against the test rows.

    by      the Setting, with the test rows
    space   the field of a Side that is compared: "flat", the rows themselves, or "features", the judge's
    """
    real, fake = getattr(by.test, space), getattr(side, space)
    return metrics.precision_recall(real, fake)._asdict() | metrics.density_coverage(real, fake)._asdict()


def _frechet(side, by):
    """{figure: value}: the Frechet distance of the judge's features of the Side `side` and of by.test."""
    return {"frechet_distance": metrics.frechet_distance(by.test.features, side.features)}


def _score(side, by):
    """{figure: value}: the inception score of the Side `side`, with the judge's probabilities.

    It is the mean over SPLITS (10) parts of the rows, and the standard deviation. by is not used.
    """
    mean, std = metrics.inception_score(side.probabilities, min(SPLITS, len(side.x)))
    return {"score": mean, "score_std": std}


def _answers(side, by):
    """{figure: value} about the judge's answers for the Side `side`.

    The mean of the highest probability, the number of classes among the answers, and the KL divergence of
    their shares from equal shares. With requested or true labels, also the share of rows with this label as
    the answer. by is not used.
    """
    found = metrics.label_coverage(side.probabilities.argmax(axis=1), side.probabilities.shape[1])
    answers = {
        "confidence": side.probabilities.max(axis=1).mean(),
        "classes": found.captured,
        "classes_kl": found.kl,
    }
    return answers if side.agreement is None else {"agreement": side.agreement} | answers


def _kid(side, by):
    """{figure: value}: the kernel inception distance of the judge's features of `side` and of by.test."""
    return {"kid": metrics.kid(by.test.features, side.features)}


def _of_features(side, by):
    """{figure: value}: precision, recall, density and coverage of the judge's features of the Side `side`.

    They are compared with those of the test rows of the Setting `by`.
    """
    return _manifolds(side, by, "features")


OF_POINTS = {
    "modes": _modes,
    "sliced Wasserstein distance": _distance,
    "precision, recall, density, coverage": _manifolds,
}
OF_PICTURES = {
    "1-nearest-neighbour error": _neighbours,
    "sliced Wasserstein distance": _patches,
    "structural similarity": _alike,
    "Parzen window": _parzen,
    "MMD": _mmd,
    "bins": _bins,
}
OF_ANSWERS = {
    "classifier Frechet distance": _frechet,
    "classifier score": _score,
    "classifier answers": _answers,
    "classifier KID": _kid,
    "classifier precision, recall, density, coverage": _of_features,
}
SLOW = {_parzen, _mmd, _bins, _kid, _of_features}
NO_JUDGE = (
    "it needs a judge, and these data have no judge of their own: "
    "name a run of `numgan train classifier` with --judge"
)


# ---- the Sides and their comparison


@may_underflow
def evaluate(run, judge=None, count=None, seed=0, quick=False, progress=True):
    """Compare the samples of an open run with test rows of its data. Returns a dict with the results.

    judge      an open run of a classifier of the same pictures; None: no figures that need a judge
    count      number of samples; None: 10,000 pictures or 2,500 points, or fewer for few rows or large
               pictures
    seed       the seed of the samples, of the order of training rows and of the measures' random choices
    quick      True: leave out the slow measures: Parzen window, MMD, bins, KID, and precision, recall,
               density and coverage of features
    progress   True: a progress bar on stderr

    The dict has these entries:

    run       the run's folder
    data      the name of its data set
    samples   the number of samples
    seed      the argument seed
    seconds   the time that the evaluation took
    against   a text: the number and kind of rows that samples are compared with
    beside    a text: the number of training rows on which "real" is measured
    judge     {run, data} of the judge, and its {rows, accuracy, confidence} on the test rows of its data if
              there are any; None without a judge
    missing   None, or the reason why the training data were not read: then the rows of the data that the run
              stores are used, half of them as test rows
    figures   {name of a figure: {samples, real, better, against}}: the number for the samples, the number for
              training rows, which number is better ("lower", "higher", "as real", or None for neither), and a
              text: what both are compared with. Names with classifier_ need the judge
    skipped   {name of a measure: reason why it was left out}

    If the data have no test part, half of the training rows are the test rows, and the other half is used for
    "real".

    Raises ValueError for a run without a generator, a judge of other pictures or classes, too few data, or a
    count that is too small or too large.
    """
    began, sampler = time.monotonic(), run.sampler()
    images = is_pictures(run.dataset.columns[run.system.target])
    if judge is not None:
        judging.expect_judge(judge, run)
    (test_x, test_labels), (train_x, train_labels), validation, against = _rows(run, seed)
    fit = NUMBERS // int(np.prod(train_x.shape[1:]))
    most = min(len(train_x), fit)
    count = min(PICTURES if images else POINTS, most) if count is None else count
    if min(len(test_x), most) < LEAST:
        raise ValueError(
            f"evaluate: expected at least {LEAST} rows on either side, got {min(len(test_x), most)}; take "
            "more pictures"
        )
    if not LEAST <= count <= most:
        raise ValueError(
            f"evaluate: expected a count from {LEAST} to {most:,}, got {count:,}; "
            "the same number of training rows is measured beside the samples"
        )
    compared = min(len(test_x), max(PICTURES, count) if images else count, fit)
    measures = (OF_PICTURES | OF_ANSWERS) if images else OF_POINTS
    with (
        threadpool_limits(1),
        tqdm(total=len(measures) + 1, unit="measure", disable=None if progress else True, file=STDERR) as bar,
    ):
        bar.set_description(f"{count:,} samples")
        x, asked = sampler(count, seed)
        fake = _side(to_bytes(x, run.system.pixels) if images else x, asked, judge)
        # real rows get true labels only if the samples have labels; otherwise the judge labels both sets
        real = _side(train_x[:count], None if asked is None else train_labels[:count], judge)
        test = _side(test_x[:compared], None if test_labels is None else test_labels[:compared], judge)
        recipe = run.config["recipe"]
        name = recipe and recipe["data"]
        by = Setting(test, name, seed, validation, _median_distance(test.flat))
        bar.update()
        rows = f"{compared:,} {against.partition(' (')[0]}"
        figures, skipped = {}, {}
        for name, measure in measures.items():
            bar.set_description(name)
            if name.startswith(JUDGED) and judge is None:
                skipped[name] = NO_JUDGE
            elif quick and measure in SLOW:
                skipped[name] = "--quick leaves it out"
            else:
                of_fake, of_real = measure(fake, by), measure(real, by)
                if isinstance(of_fake, str):
                    skipped[name] = of_fake
                else:
                    figures |= beside(name, of_fake, of_real, rows)
            bar.update()
    return {
        "run": str(run.folder),
        "data": run.dataset.name,
        "samples": count,
        "seed": seed,
        "against": f"{compared:,} {against}",
        "beside": f"{count:,} training rows",
        "judge": judge and _about(judge),
        "missing": run.missing,
        "figures": figures,
        "skipped": skipped,
        "seconds": round(time.monotonic() - began, 1),
    }


def _rows(run, seed):
    """Choose the real rows of an open run: (test pair, training pair, validation pictures, text).

    test, training   (x, labels) each; labels is None for data without labels
    validation       the pictures (at most 1,000) that choose the sigma of the Parzen window
    text             says what the test rows are

    The training rows are in a random order that depends on `seed`. If the data have no test part or were not
    read (`run.missing`), half of the training rows are the test rows. Of pictures, a sixth of the training
    rows is left out first; the validation pictures are its first rows. For a known set, this is its last
    sixth. Rows of other data may be sorted by class, so there the sixth is random, and each set has the
    classes in proportion.
    """
    recipe, target = run.config["recipe"], run.system.target
    like = run.dataset.columns[target]
    n = len(like) - (len(like) // 6 if is_pictures(like) else 0)  # the last sixth is for validation
    known = recipe is not None and recipe["data"] in data.names()
    if known:
        order, left = stream(seed, "evaluate").permutation(n), np.arange(n, len(like))
    else:
        order, left = np.split(spread(run.dataset.labels, len(like), stream(seed, "evaluate")), [n])

    def of(dataset, chosen):
        return dataset.columns[target][chosen], None if dataset.labels is None else dataset.labels[chosen]

    train, validation = run.dataset, like[left[:VALIDATION]] / np.float32(255)
    held = None if run.missing or recipe is None else Recipe(**recipe).test_part(run.dataset)
    if held is not None:
        return (
            of(held, spread(held.labels, len(held), stream(seed, "test rows")) if not known else slice(None)),
            of(train, order),
            validation,
            "test rows",
        )
    why = "these data have no test part" if run.missing is None else "the data of the run were not read"
    against = f"training rows ({why})"
    return of(train, order[: n // 2]), of(train, order[n // 2 :]), validation, against


def _side(x, labels, judge):
    """Make the Side (a set of rows to compare) of pictures x (N, H, W, C) uint8, or of points x.

    labels   (N,) requested or true classes; None: the judge's answers are taken, if there is a judge
    judge    an open run of a classifier, which measures pictures; None: no judge

    The Side of points gets neither labels nor answers of a judge.
    """
    if x.dtype != np.uint8:
        return Side(x.reshape(len(x), -1))
    if judge is None:
        return Side(x / np.float32(255), labels)
    pictures = judging.as_seen(judge, x)
    p = judging.probabilities(judge, pictures)
    answers = p.argmax(axis=1)
    return Side(
        x / np.float32(255),
        answers if labels is None else labels,
        judging.features(judge, pictures),
        p,
        None if labels is None else float((answers == labels).mean()),
    )


def _median_distance(rows):
    """The median of all distances > 0 between two of the first 1,000 rows of `rows` (N, D), a float.

    It is 1 if all rows are equal. It is a usual width of a Gaussian kernel. Source: Gretton et al. 2012.
    """
    rows = rows[:VALIDATION]
    d = np.concatenate([d for _, d in squared_distances(rows, rows)])
    return float(np.sqrt(np.median(d[d > 0]))) if d.any() else 1.0


def _about(judge):
    """{run, data, classes} of a judge, an open classifier run, and {rows, accuracy, confidence} if known.

    The latter are its results on the test rows of its own data (`judging.held_out`).
    """
    recipe = judge.config["recipe"]
    about = {"run": str(judge.folder), "data": recipe and recipe["data"], "classes": judge.system.classes}
    return about | (judging.held_out(judge) or {})
