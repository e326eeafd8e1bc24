"""Health: what the curves and the samples of a run say of its state. Every verdict has its number, its threshold, and what to try.

    for verdict in examine(run): print(verdict.level, verdict.check, verdict.says)

A GAN has no loss that falls to zero when all is well, so its curves are read for the known illnesses instead: a discriminator that is always
right and so passes nothing on, a generator's gradient that fades or grows without end, losses that run away, and a generator that draws
the same again and again. The thresholds stand below, each with its reason; "measured" is said of the runs that `numgan train` makes with its
presets (the healthy ones), and of the same with learning rates ten to a thousand times too large (the sick ones).
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from .. import metrics
from ..core.randomness import derive, stream
from ..data import is_pictures
from ..data.pixels import to_bytes, to_floats
from ..data.points import modes
from ..metrics.rows import squared_distances
from ..training import runs

LEVELS = ("ok", "look", "bad")
RECORDS = 8  # logged steps, at least: fewer show no trend
FEW = 32  # real rows, at least, to compare samples with
SAMPLES, POINTS = 256, 2500  # drawn to be looked at; points as in Lin et al. 2018 (PacGAN), section 4.1


@dataclass(frozen=True)
class Limits:
    """A number is worth a look beyond `look` and bad beyond `bad`: below them if bad is the smaller, above them otherwise."""

    look: float
    bad: float

    def level(self, value):
        if np.isnan(value):
            return "bad"
        sign = 1 if self.look < self.bad else -1
        return LEVELS[int(sign * value > sign * self.look) + int(sign * value > sign * self.bad)]

    def __str__(self):
        side = "above" if self.look < self.bad else "below"
        return f"look {side} {self.look:g}, bad {side} {self.bad:g}"


# D(G(z)) is the share of its gradient that the minimax loss passes on to G. Measured: 0.2 to 0.5 in healthy runs, below 0.001 in sick ones.
SURE = Limits(0.05, 0.005)
BEHIND = 0.05  # D(G(z)) above D(x); at the end of a good run the two are equal but for noise
# D's loss over that of one that guesses, where D's output is no probability.
EASY = Limits(0.05, 0.005)
GUESSING = {"least_squares": 0.25, "hinge": 2.0}  # D = 1/2 everywhere, and D = 0 everywhere: losses.py
# The median norm of the last quarter over that of the first tenth. Measured: 0.2 to 12 in healthy runs, 0.04 and less under a sure D.
FADED, GROWN = Limits(0.05, 1e-3), Limits(1e2, 1e4)
# The root mean square of a gradient's entries, against Adam's epsilon: below it an update is no longer of the size of the learning rate.
TINY = Limits(1e-7, 1e-8)
# |loss|, last quarter over first tenth, a first one below 1 counting as 1. Measured: below 2 in healthy runs.
AWAY = Limits(1e2, 1e4)
# D's loss over that of one that guesses: one that is so wrong has steps too long. Measured: up to 1.03 in healthy runs, 1.8, 30 in sick ones.
WILD = Limits(5.0, 50.0)
UNSURE = GUESSING | {"minimax": 2 * np.log(2), "nonsaturating": 2 * np.log(2)}  # D = 1/2 as a probability
# Modes drawn, of those there are; the mean of their relative widths, 0.97 in true data.
MODES, WIDTH = Limits(1.0, 0.5), Limits(0.5, 0.1)
# The median distance from a sample to the nearest other, over that among as many real rows. Measured on 8x8 digits: 0.98 to 1.12 in healthy runs,
# below 0.02 in sick ones; real rows of one class alone have 0.4 (MNIST's ones) to 1.1.
DIVERSITY = Limits(0.7, 0.3)
# The share of samples that lie nearer to another than 99 % of real rows do; 0.01 in true data. Measured: 0 to 0.06, and above 0.98.
TWINS = Limits(0.2, 0.5)
# The share of real rows with a sample in their ball (metrics.density_coverage). Measured on real rows: 0.96 of all classes, 0.6 to 0.8 of five of
# ten, 0.1 to 0.5 of one. Samples of a low density are not near the data at all, and leave out no part of them.
COVERAGE, OFF = Limits(0.6, 0.3), 0.5


@dataclass(frozen=True)
class Verdict:
    """check: what was looked at; level: ok, look or bad; value and threshold: why; says: what it means; advice: what to try, "" if all is well."""

    check: str
    level: str
    value: float | None
    threshold: str
    says: str
    advice: str = ""


def examine(run):
    """The Verdicts of an open run: of its curves, and of samples drawn from it if it draws any; bad ones are not sorted to the front."""
    records = runs.read_metrics(run.folder, run.state.step)
    found = [*_unfinished(run), *_curves(run, records)]
    if run.system.drawers:
        with threadpool_limits(1), np.errstate(all="ignore"):
            found += _samples(run)
    return found


def worst(verdicts):
    """The worst level among verdicts."""
    return max((verdict.level for verdict in verdicts), key=LEVELS.index, default="ok")


def _verdict(check, value, limits, says, advice):
    """A Verdict; the advice is only for what is not ok."""
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
            f"`numgan train --resume {run.folder}` goes on",
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


def _curve(records, kind, name):
    """The figures of the logged steps that have this one: where a player has no turn, it has no entry."""
    return [record[kind][name] for record in records if name in record[kind]]


def _late(records, kind, name):
    """The median of the last quarter of a curve; None if it holds a number that JSON cannot, or nothing."""
    values = _curve(records, kind, name)
    return _median(values[-max(1, len(values) // 4) :])


def _early(records, kind, name):
    values = _curve(records, kind, name)
    return _median(values[: max(1, len(values) // 10)])


def _median(values):
    return None if None in values or not values else float(np.median(values))


def _named(records, kind):
    """The names of the curves of this kind."""
    return list(dict.fromkeys(name for record in records for name in record[kind]))


def _losses(run, records):
    """Whether they grow, and whether a discriminator is much worse than one that guesses."""
    now = {name: _late(records, "losses", name) for name in _named(records, "losses")}
    early = {name: _early(records, "losses", name) for name in now}
    if not now or None in (*now.values(), *early.values()):
        return Verdict(
            "losses", "bad", None, "bad if not finite", "they hold inf or nan, or nothing", "a smaller --lr"
        )
    growth = max(abs(now[name]) / max(abs(early[name]), 1.0) for name in now)
    figures = ", ".join(f"{name} {value:.3g}" for name, value in now.items())
    if AWAY.level(growth) != "ok":
        return _verdict(
            "losses",
            growth,
            AWAY,
            f"{figures}: they run away, {growth:.3g} times what they were",
            "a smaller --lr; a critic without bounds wants clipping or a gradient penalty",
        )
    for name in _judging(run, now) if _loss(run) in UNSURE else ():
        penalty = _late(records, "metrics", "penalty") if "penalty" in _named(records, "metrics") else 0.0
        wrong = (now[name] - (penalty or 0.0)) / UNSURE[_loss(run)]
        if WILD.level(wrong) != "ok":
            return _verdict(
                "losses",
                wrong,
                WILD,
                f"{figures}: {name}'s is {wrong:.3g} times that of one that guesses",
                "a smaller --lr",
            )
    return _verdict("losses", growth, AWAY, f"{figures}: steady", "")


def _discriminator(run, records):
    """What a discriminator's outputs mean, which depends on the loss."""
    known, loss, judging = _named(records, "metrics"), _loss(run), _judging(run, _named(records, "losses"))
    late = {name: _late(records, "metrics", name) for name in known}
    if not run.system.judges:
        yield Verdict(
            "discriminator",
            "ok",
            None,
            "needs one",
            f"{type(run.system).__name__} has none: what it would tell does not apply",
        )
    elif None in late.values():
        yield Verdict(
            "discriminator", "bad", None, "bad if not finite", "its metrics hold inf or nan", "a smaller --lr"
        )
    elif "distance" in known or loss == "wasserstein" and judging:
        yield _critic(late["distance"] if "distance" in known else -_late(records, "losses", judging[0]))
    elif "D(x) above D(G(z))" in known:
        above = late["D(x) above D(G(z))"]
        says = f"a real sample stands above a generated one with probability {above:.3f}: {_even(above, 1 - above)}"
        yield _verdict(
            "discriminator", 1 - above, SURE, says, "a larger gamma (R1 and R2), or a smaller --lr"
        )
    elif loss in GUESSING and judging:
        share = _late(records, "losses", judging[0]) / GUESSING[loss]
        says = f"its loss is {share:.3g} of that of one that guesses ({loss} reads no probabilities from its outputs)"
        yield _verdict("discriminator", share, EASY, says, "a penalty on D (r1, roth), or a smaller --lr")
    elif {"D(x)", "D(G(z))"} <= late.keys():
        yield _probabilities(late["D(x)"], late["D(G(z))"], loss)


def _judging(run, losses):
    """Names among `losses` of the objectives that train a discriminator."""
    return [
        name
        for name, owners in run.system.trains.items()
        if name in losses and set(owners) & set(run.system.judges)
    ]


def _loss(run):
    return getattr(getattr(run.system, "loss", None), "name", "")


def _critic(distance):
    if distance >= 0:
        return Verdict(
            "critic",
            "ok",
            distance,
            "look below 0",
            f"it puts real samples {distance:.3g} above generated ones, on its own scale",
        )
    return Verdict(
        "critic",
        "look",
        distance,
        "look below 0",
        f"it puts generated samples {-distance:.3g} above real ones: it is behind G",
        "more updates of the critic for each of G, or a larger rate",
    )


def _probabilities(real, fake, loss):
    says = f"D(x) {real:.3f}, D(G(z)) {fake:.3f}: "
    if fake > real + BEHIND:
        return Verdict(
            "discriminator",
            "look",
            fake - real,
            f"look above {BEHIND}",
            says + "it takes fakes for real rather than real samples, and what G learns from it is wrong",
            "more updates of D for each of G",
        )
    says += _even(real, fake)
    if loss == "minimax":
        says += f"; this loss passes {fake:.2%} of its gradient on to G"
    return _verdict(
        "discriminator",
        fake,
        SURE,
        says,
        "a penalty on D (r1, roth, wgan_gp), --smooth 0.9, or a smaller --lr"
        + (", and --loss nonsaturating" if loss == "minimax" else ""),
    )


def _even(real, fake):
    if SURE.level(fake) != "ok":
        return "it tells real from fake nearly every time, and where it is sure it is flat, so G learns little from it"
    if real - fake < 0.2:
        return "it can hardly tell real from fake, be it that G is good or that D learns nothing: the samples say which"
    return "it is right more often than not, and still tells G the way"


def _gradient(run, name, records):
    """Of networks that draw samples always; of the others if it grows: that it fades is how a classifier's training ends, and what D's outputs say."""
    if not all("gradients" in record for record in records) or name not in _named(records, "gradients"):
        return  # a run of before they were logged, or a player that had no turn
    check, smaller = f"gradient of {name}", "a smaller --lr; BatchNorm, clipping or a penalty where it grows"
    early, late = _early(records, "gradients", name), _late(records, "gradients", name)
    if early is None or late is None:
        yield Verdict(check, "bad", None, "bad if beyond float32", "its norm is beyond float32", smaller)
        return
    entry = late / np.sqrt(run.system.networks[name].layout.size)
    growth = late / early if early else np.inf if late else 1.0
    says = f"its norm is {late:.3g}, {growth:.3g} times that of the start"
    found = [_verdict(check, growth, GROWN, says, smaller)]
    if name in run.system.drawers and run.system.judges:
        more = "a penalty on D, fewer updates of D, a smaller --lr" + (
            ", or --loss nonsaturating" if _loss(run) == "minimax" else ""
        )
        found += [
            _verdict(check, growth, FADED, f"{says}: it fades", more),
            _verdict(
                check,
                entry,
                TINY,
                f"{says}; an entry has {entry:.2g}, as little as Adam's epsilon, 1e-8",
                more,
            ),
        ]
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
        return [
            Verdict(
                "samples",
                "bad",
                None,
                "bad if not finite",
                "the samples hold inf or nan",
                "a smaller --lr, from an earlier state",
            )
        ]
    if with_modes:
        return list(_modes(x, recipe["data"]))
    if n < FEW:
        return [Verdict("samples", "ok", n, f"needs {FEW}", f"{n} real rows are too few to compare with")]
    real = like[stream(run.config["seed"], "health").permutation(len(like))[:n]]
    if is_pictures(like):  # both at the grey levels of bytes
        real, x = to_floats(real), to_floats(to_bytes(x, run.system.pixels))
    return list(_likeness(x.reshape(n, -1).astype(np.float64), real.reshape(n, -1).astype(np.float64)))


VARIETY = "packing (pacgan), a layer that compares samples (MinibatchStd), a penalty on D, or a smaller --lr"


def _modes(x, name):
    found = metrics.mode_coverage(x, *modes(name))
    says = (
        f"{found.captured} of {found.modes} are drawn, reverse KL {found.reverse_kl:.3f}; "
        f"{found.high_quality:.1%} of the samples lie within 3 sigma of one (98.9% of true ones)"
    )
    yield _verdict("modes", found.captured / found.modes, MODES, says, VARIETY)
    if (found.counts > 1).any():  # of one sample there is no width
        width = float(np.nanmean(found.relative_std))
        yield _verdict(
            "width of modes",
            width,
            WIDTH,
            f"samples near a mode spread {width:.2f} times as far as true ones",
            VARIETY,
        )


def _likeness(x, real):
    among, usual = _nearest(x), _nearest(real)
    middle = np.median(usual)
    ratio = float(np.median(among) / middle) if middle else 1.0
    twins = float((among < np.quantile(usual, 0.01)).mean())
    near = metrics.density_coverage(real, x)
    yield _verdict(
        "variety",
        ratio,
        DIVERSITY,
        f"the next sample is {ratio:.2f} times as far as the next of as many real rows",
        VARIETY,
    )
    yield _verdict(
        "twins",
        twins,
        TWINS,
        f"{twins:.1%} of the samples have another nearer than 99% of real rows have (1% of true ones)",
        "what helps variety: " + VARIETY,
    )
    yield _coverage(near, len(real))


def _coverage(near, n):
    says = f"{near.coverage:.1%} of {n} real rows have a sample nearby (about 96% by true ones)"
    found = _verdict("coverage", near.coverage, COVERAGE, says, "what helps variety")
    if found.level == "ok" or near.density >= OFF:
        return found
    return Verdict(
        "coverage",
        "look",
        near.coverage,
        str(COVERAGE),
        f"{says}: the samples lie off the data, with a density of {near.density:.2f} (1 for true ones)",
        "longer training, if variety and twins are well",
    )


def _nearest(x):
    d = np.concatenate([d for _, d in squared_distances(x, x)])
    np.fill_diagonal(d, np.inf)
    return np.sqrt(d.min(axis=1))
