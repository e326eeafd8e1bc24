"""Health: a diagnosis of a run from its curves and samples.

    for verdict in examine(run): print(verdict.level, verdict.check, verdict.says)

A Verdict is the result of one check. The loss of a good GAN does not fall to zero, so its curves are checked
for known failures: a discriminator that is always right and gives G no gradient, a generator's gradient that
vanishes or grows without bound, losses that grow without bound, and a generator that draws the same sample
again and again. The thresholds are below, each with its reason. "Measured" means: in runs of `numgan train`
with its presets (healthy runs), and in the same runs with learning rates ten to a thousand times too large
(sick runs).
"""

import operator
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from .. import metrics
from ..core.randomness import derive, stream
from ..data import is_pictures
from ..data.pixels import to_bytes, to_floats
from ..data.points import modes
from ..metrics.neighbours import radii
from ..training import runs

LEVELS = ("ok", "look", "bad")
RECORDS = 8  # smallest number of logged steps that can show a trend
FEW = 32  # smallest number of real rows to compare samples with
SAMPLES, POINTS = 256, 2500  # number of samples; points as in Lin et al. 2018 (PacGAN), section 4.1


@dataclass(frozen=True)
class Limits:
    """Two thresholds that give a number the level "ok", "look" or "bad".

    If bad > look, a number above `look` has the level "look", and a number above `bad` the level "bad". If
    bad is not above look, numbers below the thresholds have these levels. All other numbers are "ok"; nan is
    "bad".
    """

    look: float
    bad: float

    def level(self, value):
        if np.isnan(value):
            return "bad"
        beyond = operator.gt if self.look < self.bad else operator.lt
        if beyond(value, self.bad):
            return "bad"
        return "look" if beyond(value, self.look) else "ok"

    def __str__(self):
        side = "above" if self.look < self.bad else "below"
        return f"look {side} {self.look:g}, bad {side} {self.bad:g}"


# D(G(z)): the minimax loss multiplies G's gradient by this number. Measured: 0.2 to 0.5 in healthy runs,
# below 0.001 in sick runs.
SURE = Limits(0.05, 0.005)
BEHIND = 0.05  # threshold for D(G(z)) - D(x); at the end of a good run this is about 0
# D's loss divided by the loss of a D that guesses, for losses without probabilities.
EASY = Limits(0.05, 0.005)
GUESSING = {"least_squares": 0.25, "hinge": 2.0}  # the loss of D = 1/2 everywhere, and of D = 0 everywhere
# The gradient's median norm in the last quarter divided by that in the first tenth. Measured: 0.2 to 12 in
# healthy runs, at most 0.04 if D is too sure.
FADED, GROWN = Limits(0.05, 1e-3), Limits(1e2, 1e4)
# The root mean square of a gradient's entries. Below Adam's epsilon, an update is much smaller than the
# learning rate.
TINY = Limits(1e-7, 1e-8)
# |loss| in the last quarter divided by |loss| in the first tenth, or by 1 if the latter is below 1. Measured:
# below 2 in healthy runs.
AWAY = Limits(1e2, 1e4)
# D's loss divided by the loss of a D that guesses. A high value means that the steps are too long. Measured:
# up to 1.03 in healthy runs, 1.8 and 30 in sick runs.
WILD = Limits(5.0, 50.0)
UNSURE = GUESSING | {"minimax": 2 * np.log(2), "nonsaturating": 2 * np.log(2)}  # D = 1/2 as a probability
# The share of modes that are drawn, and the mean of their relative widths; the width is 0.97 in true data.
MODES, WIDTH = Limits(1.0, 0.5), Limits(0.5, 0.1)
# The median distance from a sample to its nearest other sample, divided by this median for as many real rows.
# Measured on 8x8 digits: 0.98 to 1.12 in healthy runs, below 0.02 in sick runs; 0.4 (MNIST's ones) to 1.1 for
# real rows of one class.
DIVERSITY = Limits(0.7, 0.3)
# The share of samples whose nearest other sample is closer than that of 99 % of real rows; 0.01 in true data.
# Measured: 0 to 0.06 in healthy runs, above 0.98 in sick runs.
TWINS = Limits(0.2, 0.5)
# The share of real rows with a sample in their ball (metrics.density_coverage). Measured with real rows as
# samples: 0.96 for all classes, 0.6 to 0.8 for five of ten, 0.1 to 0.5 for one. If the density is below OFF,
# the samples are not near the data, so a low coverage does not mean missing modes.
COVERAGE, OFF = Limits(0.6, 0.3), 0.5


@dataclass(frozen=True)
class Verdict:
    """The result of one check of a run.

    check              the name of the check
    level              "ok", "look" (the user should look at it) or "bad"
    value, threshold   the number that was checked, or None, and the text of its limits
    says               the meaning of the number, in words
    advice             a remedy to try; "" if the level is ok
    """

    check: str
    level: str
    value: float | None
    threshold: str
    says: str
    advice: str = ""


def examine(run):
    """Check an open run. Returns a list of Verdicts, the results of the checks.

    The checks are on an early end of the run, on its curves, and on samples if the run has a generator; these
    are drawn here. The Verdicts come in the order of the checks, not of the levels.
    """
    records = runs.read_metrics(run.folder, run.state.step)
    found = [*_unfinished(run), *_curves(run, records)]
    if run.system.drawers:
        with threadpool_limits(1), np.errstate(all="ignore"):
            found += _samples(run)
    return found


def worst(verdicts):
    """The worst level of a list of Verdicts: "ok", "look" or "bad"; "ok" if the list is empty."""
    return max((verdict.level for verdict in verdicts), key=LEVELS.index, default="ok")


def _verdict(check, value, limits, says, advice):
    """Make the Verdict of the check `check` on the number `value`.

    limits   the Limits that give value its level
    says     the meaning of value, in words
    advice   a remedy to try; it is left out if the level is ok
    """
    level = limits.level(value)
    return Verdict(check, level, float(value), str(limits), says, "" if level == "ok" else advice)


# ---- curves


def _unfinished(run):
    done, planned = run.state.step, run.config["steps"]
    if "diverged" in run.config:
        yield Verdict(
            "steps",
            "bad",
            done / planned,
            "bad if it diverged",
            f"it diverged, and {done:,} of {planned:,} steps are kept: {run.config['diverged']}",
            "a smaller --lr, another loss, or a BatchNorm or clipping where it happened",
        )
    elif done < planned:
        yield Verdict(
            "steps",
            "look",
            done / planned,
            "look below 1",
            f"{done:,} of {planned:,} steps are done: the run was stopped",
            f"`numgan train --resume {run.folder}` continues it",
        )


def _curves(run, records):
    if len(records) < RECORDS:
        yield Verdict(
            "curves",
            "ok",
            len(records),
            f"needs {RECORDS}",
            f"{len(records)} logged steps are too few to show a trend",
        )
        return
    yield _losses(run, records)
    yield from _discriminator(run, records)
    for name in run.system.optimizers:
        yield from _gradient(run, name, records)


def _trend(records, kind, name):
    """[early, late]: the medians of the first tenth and of the last quarter of one curve.

    records   the logged steps, dicts
    kind      "losses", "metrics" or "gradients"; the curve is the numbers record[kind][name]

    Logged steps without this curve are left out: the network had no update there. early or late is None if
    there are no numbers for it, or if one is inf or nan.
    """
    values = [record[kind][name] for record in records if name in record[kind]]
    parts = values[: max(1, len(values) // 10)], values[-max(1, len(values) // 4) :]
    return [None if None in part or not part else float(np.median(part)) for part in parts]


def _late(records, kind, name):
    return _trend(records, kind, name)[1]


def _named(records, kind):
    """The names of all curves of one kind in the records, each name once.

    kind   "losses", "metrics" or "gradients"
    """
    return list(dict.fromkeys(name for record in records for name in record[kind]))


def _losses(run, records):
    """The Verdict on the losses in `records`, the logged steps.

    It is not ok if a loss is missing, inf or nan, if a loss grows without bound, or if D's loss without
    penalty is far above that of a D that guesses. The last is checked only for the losses in UNSURE.
    """
    trends = {name: _trend(records, "losses", name) for name in _named(records, "losses")}
    if not trends or any(None in trend for trend in trends.values()):
        return Verdict(
            "losses", "bad", None, "bad if not finite", "they are inf, nan or missing", "a smaller --lr"
        )
    growth = max(abs(late) / max(abs(early), 1.0) for early, late in trends.values())
    now = {name: late for name, (_, late) in trends.items()}
    figures = ", ".join(f"{name} {value:.3g}" for name, value in now.items())
    if AWAY.level(growth) != "ok":
        says = f"{figures}: they run away, to {growth:.3g} times their first size"
        advice = "a smaller --lr; an unbounded critic needs clipping or a gradient penalty"
        return _verdict("losses", growth, AWAY, says, advice)
    for name in _judging(run, now) if _loss(run) in UNSURE else ():
        penalty = _late(records, "metrics", "penalty") or 0.0
        wrong = (now[name] - penalty) / UNSURE[_loss(run)]
        if WILD.level(wrong) != "ok":
            says = f"{figures}: {name}'s loss is {wrong:.3g} times that of a D that guesses"
            return _verdict("losses", wrong, WILD, says, "a smaller --lr")
    return _verdict("losses", growth, AWAY, f"{figures}: steady", "")


def _discriminator(run, records):
    """Yield the Verdict on a discriminator's outputs, from the last quarter of `records`, the logged steps.

    What is checked depends on the loss and on the logged metrics. For some losses nothing is yielded.
    """
    known, loss, judging = _named(records, "metrics"), _loss(run), _judging(run, _named(records, "losses"))
    late = {name: _late(records, "metrics", name) for name in known}
    if not run.system.judges:
        yield Verdict(
            "discriminator",
            "ok",
            None,
            "needs one",
            f"{type(run.system).__name__} has none, so this check does not apply",
        )
    elif None in late.values():
        yield Verdict(
            "discriminator", "bad", None, "bad if not finite", "its metrics hold inf or nan", "a smaller --lr"
        )
    elif "distance" in known or loss == "wasserstein" and judging:
        yield _critic(late["distance"] if "distance" in known else -_late(records, "losses", judging[0]))
    elif "D(x) above D(G(z))" in known:
        above = late["D(x) above D(G(z))"]
        says = f"D(x) is above D(G(z)) with probability {above:.3f}: {_even(above, 1 - above)}"
        advice = "a larger gamma (R1 and R2), or a smaller --lr"
        yield _verdict("discriminator", 1 - above, SURE, says, advice)
    elif loss in GUESSING and judging:
        share = _late(records, "losses", judging[0]) / GUESSING[loss]
        says = f"its loss is {share:.3g} times that of a D that guesses ({loss} has no probabilities)"
        yield _verdict("discriminator", share, EASY, says, "a penalty on D (r1, roth), or a smaller --lr")
    elif {"D(x)", "D(G(z))"} <= late.keys():
        yield _probabilities(late["D(x)"], late["D(G(z))"], loss)


def _judging(run, losses):
    """A list of names of objectives: those in `losses` whose objectives train a discriminator."""
    return [
        name
        for name, owners in run.system.trains.items()
        if name in losses and set(owners) & set(run.system.judges)
    ]


def _loss(run):
    return getattr(getattr(run.system, "loss", None), "name", "")


def _critic(distance):
    level, advice = "ok", ""
    says = f"it puts real samples {distance:.3g} above generated ones, on its own scale"
    if not distance >= 0:
        level, advice = "look", "more updates of the critic for each of G, or a larger rate"
        says = f"it puts generated samples {-distance:.3g} above real ones: it is behind G"
    return Verdict("critic", level, distance, "look below 0", says, advice)


def _probabilities(real, fake, loss):
    says = f"D(x) {real:.3f}, D(G(z)) {fake:.3f}: "
    if fake > real + BEHIND:
        return Verdict(
            "discriminator",
            "look",
            fake - real,
            f"look above {BEHIND}",
            says + "it rates fakes above real samples, so G learns the wrong direction from it",
            "more updates of D for each of G",
        )
    says += _even(real, fake)
    advice = "a penalty on D (r1, roth, wgan_gp), --smooth 0.9, or a smaller --lr"
    if loss == "minimax":
        says += f"; this loss passes {fake:.2%} of its gradient on to G"
        advice += ", and --loss nonsaturating"
    return _verdict("discriminator", fake, SURE, says, advice)


def _even(real, fake):
    if SURE.level(fake) != "ok":
        return (
            "it tells real from fake nearly every time; a sure D is flat, so G gets little gradient from it"
        )
    if real - fake < 0.2:
        return "it can hardly tell real from fake: G is good or D learns nothing; look at the samples"
    return "it is right more often than not, and still gives G a useful gradient"


def _gradient(run, name, records):
    """Yield the worst Verdict on the gradient of the network `name`, from `records`, the logged steps.

    Every gradient is checked for growth. A generator's gradient is also checked for vanishing, if there is a
    D. (A vanishing gradient is normal at the end of a classifier's training; D is checked by its outputs.)
    For a network that is no generator, a Verdict is yielded only if its level is not ok. Without curves of
    gradients nothing is yielded.
    """
    if not all("gradients" in record for record in records) or name not in _named(records, "gradients"):
        return  # an old run without these curves, or a network that had no update
    check, smaller = f"gradient of {name}", "a smaller --lr; BatchNorm, clipping or a penalty where it grows"
    early, late = _trend(records, "gradients", name)
    if early is None or late is None:
        yield Verdict(check, "bad", None, "bad if beyond float32", "its norm is beyond float32", smaller)
        return
    entry = late / np.sqrt(run.system.networks[name].layout.size)
    growth = late / early if early else np.inf if late else 1.0
    says = f"its norm is {late:.3g}, {growth:.3g} times the norm at the start"
    found = [_verdict(check, growth, GROWN, says, smaller)]
    if name in run.system.drawers and run.system.judges:
        advice = "a penalty on D, fewer updates of D, a smaller --lr"
        if _loss(run) == "minimax":
            advice += ", or --loss nonsaturating"
        tiny = f"{says}; an entry is {entry:.2g}, near or below Adam's epsilon, 1e-8"
        found.append(_verdict(check, growth, FADED, f"{says}: it fades", advice))
        found.append(_verdict(check, entry, TINY, tiny, advice))
    worst_of = max(found, key=lambda verdict: LEVELS.index(verdict.level))
    if name in run.system.drawers or worst_of.level != "ok":
        yield worst_of


# ---- samples


def _samples(run):
    sampler, recipe, like = run.sampler(), run.config["recipe"], run.dataset.columns[run.system.target]
    with_modes = recipe is not None and recipe["data"] in ("ring", "grid")
    n = POINTS if with_modes else min(SAMPLES, len(like))
    x, _ = sampler(n, derive(run.config["seed"], "health"))
    if not np.isfinite(x).all():
        says, advice = "the samples contain inf or nan", "a smaller --lr, from an earlier state"
        return [Verdict("samples", "bad", None, "bad if not finite", says, advice)]
    if with_modes:
        return _modes(x, recipe["data"])
    if n < FEW:
        return [Verdict("samples", "ok", n, f"needs {FEW}", f"{n} real rows are too few to compare with")]
    real = like[stream(run.config["seed"], "health").permutation(len(like))[:n]]
    if is_pictures(like):  # real rows and samples are both rounded to bytes
        real, x = to_floats(real), to_floats(to_bytes(x, run.system.pixels))
    return _likeness(*(rows.reshape(n, -1).astype(np.float64) for rows in (x, real)))


VARIETY = "packing (pacgan), a layer that compares samples (MinibatchStd), a penalty on D, or a smaller --lr"


def _modes(x, name):
    found = metrics.mode_coverage(x, *modes(name))
    says = (
        f"{found.captured} of {found.modes} are drawn, reverse KL {found.reverse_kl:.3f}; "
        f"{found.high_quality:.1%} of the samples lie within 3 sigma of one (98.9% of true ones)"
    )
    yield _verdict("modes", found.captured / found.modes, MODES, says, VARIETY)
    if (found.counts > 1).any():  # a mode with one sample has no width
        width = np.nanmean(found.relative_std)
        says = f"the samples of a mode are {width:.2f} times as wide as true ones"
        yield _verdict("width of modes", width, WIDTH, says, VARIETY)


def _likeness(x, real):
    among, usual = (np.sqrt(radii(rows, 1)) for rows in (x, real))  # distances to the nearest other row
    middle = np.median(usual)
    ratio = np.median(among) / middle if middle else 1.0
    says = f"the nearest other sample is {ratio:.2f} times as far as among as many real rows"
    yield _verdict("variety", ratio, DIVERSITY, says, VARIETY)
    twins = (among < np.quantile(usual, 0.01)).mean()
    says = f"{twins:.1%} of the samples have a closer neighbour than 99% of real rows (1% of true ones)"
    yield _verdict("twins", twins, TWINS, says, VARIETY)
    yield _coverage(metrics.density_coverage(real, x), len(real))


def _coverage(near, n):
    says = f"{near.coverage:.1%} of {n} real rows have a sample nearby (about 96% for true ones)"
    found = _verdict("coverage", near.coverage, COVERAGE, says, VARIETY)
    if found.level == "ok" or near.density >= OFF:
        return found
    says = f"{says}: the samples lie off the data, with a density of {near.density:.2f} (1 for true ones)"
    return replace(found, level="look", says=says, advice="longer training, if variety and twins are ok")
