"""Checks of a run's samples: are they as good as real rows, as varied, and not copies of them?

Every figure is computed a second time with rows of the data in place of the samples: "true ones" in the
messages. These rows are others than those that both are compared with. Of points with known modes, the
figures of true points are known.

The thresholds are below, each with its reason. "Measured" means: in runs of `numgan train` (good: gan and
r3gan on digits, 6,000 and 3,000 steps; conditional on digits; r3gan on MNIST, a quarter of the width, 1,500
steps; r3gan on the ring and the swiss roll), and on bad samples that were made by hand from the same data
(noise, grey, blurred rows, blobs around the mean picture, Gaussians with the covariance of the data, shuffled
pixels).
"""

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from .. import metrics
from ..core.randomness import derive, stream
from ..data import is_pictures
from ..data.pixels import to_bytes, to_floats
from ..data.points import modes
from ..metrics.neighbours import radii
from ..metrics.rows import nearest, squared_distances
from .advice import Adviser, usual_steps
from .verdicts import Limits, Verdict, judged

FEW = 32  # smallest number of real rows to compare samples with; as many true ones are measured beside
SAMPLES, POINTS = 256, 2500  # number of samples; points as in Lin et al. 2018 (PacGAN), section 4.1
QUERIES = 128  # number of samples that are looked for among the training rows
FLAT = 16  # samples of fewer numbers, such as points, are compared in float64
SEEN = 2**33  # largest number of products for the distances to these rows: a second or two, 134 MB of rows
TRUE = 1 - np.exp(-4.5)  # share of true points within 3 sigma of their mode, 98.9 %

# The share of samples within 3 sigma of a mode, divided by that of true points. The study of architectures
# counts a GAN on the ring as one that works from 25 % or 75 %. Measured: 0.83 to 0.89 in good runs.
GOOD = Limits(0.75, 0.25)
# The share of modes that are drawn, and the mean of their relative widths; the width is 0.97 in true data.
MODES, WIDTH = Limits(1.0, 0.5), Limits(0.5, 0.1)
# The precision of the samples (metrics.precision_recall) divided by that of true ones. Measured: 0.83 to 1 in
# good runs, 0.2 after 300 steps on digits, 0 to 0.5 for noise, Gaussians and shuffled pixels.
NEAR = Limits(0.75, 0.4)
# The larger of two shares: samples whose nearest row is a sample, and real rows whose nearest row is real. It
# is about 0.5 in true data. Measured: 0.6 to 0.77 in good runs, 0.83 (a slight blur) to 1 for bad samples.
APART = Limits(0.83, 0.95)
# The median distance from a sample to its nearest other sample, divided by this median for as many real rows.
# Measured on 8x8 digits: 0.98 to 1.12 in healthy runs, below 0.02 in sick runs; 0.4 (MNIST's ones) to 1.1 for
# real rows of one class.
DIVERSITY = Limits(0.7, 0.3)
# The share of samples whose nearest other sample is closer than that of 99 % of real rows; 0.01 in true data.
# Measured: 0 to 0.06 in healthy runs, above 0.98 in sick runs.
TWINS = Limits(0.2, 0.5)
# The share of real rows with a sample in their ball (metrics.density_coverage). Measured with real rows as
# samples: 0.96 for all classes, 0.6 to 0.8 for five of ten, 0.1 to 0.5 for one.
COVERAGE = Limits(0.6, 0.3)
# The share of samples that are closer to a training row than 99 % of real rows are to another, above this
# share for real rows. Measured: below 0.05 in good runs, 1 for copies.
COPIES = Limits(0.2, 0.5)


def samples(run, young):
    """Draw samples from an open run with a generator and check them. Returns a list of Verdicts (results).

    young   the advice to train longer first, a sentence, if the run has few steps; otherwise ""
    """
    with threadpool_limits(1), np.errstate(all="ignore"):
        return list(_samples(run, _Advice(run, young)))


class _Advice:
    """Gives the advice for bad samples of a run, a sentence for each problem.

    If the run is young (has few steps), the advice is to train longer first; otherwise it names a remedy.
    """

    def __init__(self, run, young):
        self.young, self.adviser = young, Adviser(run)
        self.steps, self.usual = run.state.step, usual_steps(run)

    def variety(self):
        """The advice for samples of too few kinds."""
        return self.young or self.adviser.variety()

    def quality(self):
        """The advice for samples unlike the data: more steps, or a smaller rate if steps change nothing."""
        if self.young:
            return self.young
        if self.steps and self.adviser.can_learn:
            steps = self.usual if self.steps < self.usual else 2 * self.steps
            return self.adviser.longer(steps, "Train longer")
        return self.adviser.slower()

    def copies(self):
        """The advice for samples that are copies of training rows."""
        return self.adviser.smaller()


def _samples(run, advice):
    """Draw samples from an open run and yield the Verdicts (results of checks) on them.

    advice   the _Advice for bad samples

    At most SAMPLES (256) samples are drawn, or POINTS (2500) of sets with known modes. If they contain inf or
    nan, or if there are fewer than 2 * FEW (64) rows of data, that is the only Verdict.
    """
    sampler, recipe, like = run.sampler(), run.config["recipe"], run.dataset.columns[run.system.target]
    with_modes = recipe is not None and recipe["data"] in ("ring", "grid")
    n = POINTS if with_modes else min(SAMPLES, len(like) // 2)
    if not with_modes and n < FEW:
        says = f"{len(like)} real rows are too few to compare samples with"
        yield Verdict("samples", "ok", len(like), f"needs {2 * FEW}", says)
        return
    order = stream(run.config["seed"], "health").permutation(len(like))
    alike = {}  # a conditional system draws the labels of the real rows
    if run.system.classes and run.dataset.labels is not None:
        alike = {"labels": run.dataset.labels[order[:n]]}
    x, _ = sampler(n, derive(run.config["seed"], "health"), **alike)
    if not np.isfinite(x).all():
        says = "the samples contain inf or nan"
        yield Verdict("samples", "bad", None, "bad if not finite", says, advice.adviser.slower())
        return
    if with_modes:
        yield from _modes(x, recipe["data"], advice)
        return
    width = int(np.prod(like.shape[1:]))
    # twice QUERIES rows (samples and true rows) are compared with these rows, with `width` products a pair
    rows = like[order[: max(2 * n, SEEN // (2 * QUERIES * width))]]
    if is_pictures(like):  # real rows and samples are both rounded to bytes
        rows, x = to_floats(rows), to_floats(to_bytes(x, run.system.pixels))
    rows, x = (array.reshape(len(array), -1) for array in (rows, x))
    yield from _likeness(x, rows[:n], rows[n : 2 * n], advice)
    total = len(like) if run.missing is None else run.config["data"]["columns"][run.system.target]["rows"]
    if set(run.system.made_from) - {"labels"}:
        says = "samples are made from rows of the data, so this check does not apply"
        yield Verdict("copies", "ok", None, "needs samples made from noise", says)
    elif total > len(like):
        says = f"not looked for: only {len(like):,} of the {total:,} training rows were read"
        yield Verdict("copies", "ok", None, "needs the training data", says)
    else:
        yield _copies(x, rows, advice)


def _modes(x, name, advice):
    """Yield the Verdicts (results of checks) on points x (N, 2) of a set whose modes are known.

    name     "ring" or "grid"
    advice   the _Advice for bad samples

    The checks: how near the points are to a mode, how many modes are drawn, and how wide they are.
    """
    found = metrics.mode_coverage(x, *modes(name))
    says = f"{found.high_quality:.1%} of the samples lie within 3 sigma of a mode ({TRUE:.1%} of true ones)"
    yield judged("quality", found.high_quality / TRUE, GOOD, says, advice.quality)
    says = (
        f"{found.captured} of {found.modes} are drawn (all of them by true data), reverse KL "
        f"{found.reverse_kl:.3f} ({(found.modes - 1) / (2 * len(x)):.3f} for true ones)"
    )
    yield judged("modes", found.captured / found.modes, MODES, says, advice.variety)
    if (found.counts > 1).any():  # a mode with one sample has no width
        width = np.nanmean(found.relative_std)
        says = f"the samples of a mode are {width:.2f} sigma wide (0.97 for true ones)"
        yield judged("width of modes", width, WIDTH, says, advice.variety)


def _likeness(x, real, held, advice):
    """Yield the Verdicts (results of checks) on samples x (N, D), compared with rows `real` of the data.

    real     (N, D) rows of the data
    held     (N, D) other rows of the data; every figure is measured for these rows, too
    advice   the _Advice for bad samples

    The checks: are samples as good as real rows, as varied, and do they cover the data?
    """
    x, real, held = (rows.astype(np.float64) for rows in (x, real, held))
    among, usual, true = (np.sqrt(radii(rows, 1)) for rows in (x, real, held))  # to the nearest other row
    rows = np.concatenate([usual, true])
    middle, close = np.median(rows), np.quantile(rows, 0.01)
    ratio, true_ratio = (np.median(d) / middle if middle else 1.0 for d in (among, true))
    collapsed = DIVERSITY.level(ratio) != "ok"  # more steps do not help a G that draws the same again
    remedy = advice.variety if collapsed else advice.quality

    (own, kept), (true_own, true_kept) = _same(x, real), _same(held, real)
    says = (
        f"the nearest row of {own:.1%} of the samples is a sample ({true_own:.1%} of true ones), and that of "
        f"{kept:.1%} of the real rows is real ({true_kept:.1%} beside true ones)"
    )
    yield judged("quality", max(own, kept), APART, says, remedy)

    near, true_near = (metrics.precision_recall(real, rows).precision for rows in (x, held))
    share = near / true_near if true_near else 1.0
    says = f"{near:.1%} of the samples lie near a real row ({true_near:.1%} of true ones)"
    yield judged("precision", share, NEAR, says, remedy)

    says = (
        f"the nearest other sample is {ratio:.2f} times as far as among as many real rows "
        f"({true_ratio:.2f} for true ones)"
    )
    yield judged("variety", ratio, DIVERSITY, says, advice.variety)

    twins, true_twins = ((d < close).mean() for d in (among, true))
    says = (
        f"{twins:.1%} of the samples have a closer neighbour than 99% of real rows ({true_twins:.1%} of true "
        "ones)"
    )
    yield judged("twins", twins, TWINS, says, advice.variety)

    covered, true_covered = (metrics.density_coverage(real, rows).coverage for rows in (x, held))
    says = f"{covered:.1%} of {len(real)} real rows have a sample nearby ({true_covered:.1%} with true ones)"
    found = judged("coverage", covered, COVERAGE, says, advice.variety)
    if found.level != "ok" and NEAR.level(share) != "ok":  # so a low coverage does not mean missing modes
        says += ": the samples lie off the data"
        only = f"look below {COVERAGE.look:g}"
        found = replace(found, level="look", threshold=only, says=says, advice=remedy())
    yield found


def _same(x, real):
    """A pair of fractions that shows how well samples x (M, D) and rows real (N, D) can be told apart.

    They are the fraction of x whose nearest other row is in x, and the fraction of real whose nearest other
    row is in real.
    """
    return tuple(
        float((radii(own, 1) < nearest(own, other)[1]).mean()) for own, other in ((x, real), (real, x))
    )


def _copies(x, rows, advice):
    """The Verdict (the result of a check) on the share of samples that are copies of training rows.

    x        (N, D) samples, of which the first QUERIES (128) are tested
    rows     (M, D) the training rows, or a random part of them
    advice   the _Advice for bad samples

    A sample counts as a copy if its distance to the nearest training row is at most the 1% quantile of the
    distances between training rows and their nearest other row. The share of such rows is subtracted.
    """
    kind = np.float64 if x.shape[1] < FLAT else np.float32  # float32 would round distances in the plane to 0
    x, rows = x[:QUERIES].astype(kind), rows.astype(kind)
    true = np.empty(min(len(x), len(rows)))
    for span, d in squared_distances(rows[: len(x)], rows):
        np.fill_diagonal(d[:, span], np.inf)  # a row is not its own neighbour
        true[span] = d.min(axis=1)
    close = np.quantile(true, 0.01)
    _, found = nearest(x, rows)  # squared distances, like those in `true`
    copied, usual = ((d <= close).mean() for d in (found, true))
    says = f"{copied:.1%} of the samples are as close to a training row as copies ({usual:.1%} of true ones)"
    return judged("copies", copied - usual, COPIES, says, advice.copies)
