"""Checks of a run's curves: is D always right, does a gradient vanish or explode, does a loss explode?

The thresholds are below, each with its reason. "Measured" means: in runs of `numgan train` with its presets
(healthy runs), and in the same runs with learning rates ten to a thousand times too large (sick runs).
"""

import numpy as np

from ..systems import doubts
from .advice import Adviser
from .verdicts import LEVELS, Limits, Verdict, judged

RECORDS = 8  # smallest number of logged steps that can show a trend

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
# (accuracy - chance) / (1 - chance) of a classifier's batches; 0 if it guesses. Measured: 1 on digits at
# the end of the preset, 0.1 on MNIST after 150 of 4,690 steps.
RIGHT = Limits(0.5, 0.1)


def curves(run, records, young=""):
    """Yield the Verdicts, the results of the checks, on the curves of an open run.

    records   the logged steps of the run, a list of dicts
    young     advice to train longer first, a sentence, if the run has few steps; otherwise ""
    """
    if len(records) < RECORDS:
        yield Verdict(
            "curves",
            "ok",
            len(records),
            f"needs {RECORDS}",
            f"{len(records)} logged steps are too few to show a trend",
        )
        return
    adviser = Adviser(run)
    yield _losses(run, adviser, records)
    yield from _penalty(adviser, records)
    yield from _discriminator(run, adviser, records)
    yield from _accuracy(run, young or adviser.slower(), records)
    for name in run.system.optimizers:
        yield from _gradient(run, adviser, name, records)


def _trend(records, kind, name):
    """[early, late]: the medians of the first tenth and of the last quarter of one curve.

    records   the logged steps of a run, a list of dicts
    kind      "losses", "metrics" or "gradients"
    name      the name of the curve: its numbers are record[kind][name]

    Logged steps without this curve are left out: the network had no update there. early or late is None if
    there are no numbers for it, or if one number is None (inf or nan).
    """
    values = [record[kind][name] for record in records if name in record[kind]]
    parts = values[: max(1, len(values) // 10)], values[-max(1, len(values) // 4) :]
    return [None if None in part or not part else float(np.median(part)) for part in parts]


def _late(records, kind, name):
    """The median of the last quarter of one curve; None if there are no numbers, or one is inf or nan.

    records   the logged steps of a run, a list of dicts
    kind      "losses", "metrics" or "gradients"
    name      the name of the curve
    """
    _, late = _trend(records, kind, name)
    return late


def _named(records, kind):
    """The names of all curves of one kind in the logged steps `records`, a list with each name once.

    kind   "losses", "metrics" or "gradients"
    """
    return list(dict.fromkeys(name for record in records for name in record[kind]))


def _losses(run, adviser, records):
    """The Verdict (the result of a check) on the losses of an open run.

    adviser   the Adviser of the run
    records   the logged steps, a list of dicts

    The level is not ok if a loss is missing, inf or nan, or if a loss grows without bound. It is also not ok
    if D's loss without the penalty is far above that of a D that guesses; this is checked only for the losses
    in UNSURE.
    """
    trends = {name: _trend(records, "losses", name) for name in _named(records, "losses")}
    if not trends or any(None in trend for trend in trends.values()):
        return Verdict(
            "losses", "bad", None, "bad if not finite", "they are inf, nan or missing", adviser.slower()
        )
    growth = max(abs(late) / max(abs(early), 1.0) for early, late in trends.values())
    now = {name: late for name, (_, late) in trends.items()}
    figures = ", ".join(f"{name} {value:.3g}" for name, value in now.items())
    if AWAY.level(growth) != "ok":
        says = f"{figures}: they run away, to {growth:.3g} times their first size"
        unbounded = _loss(run) == "wasserstein"
        return judged("losses", growth, AWAY, says, adviser.bounded if unbounded else adviser.slower)
    for name in _judging(run, now) if _loss(run) in UNSURE else ():
        wrong = _without_penalty(records, name) / UNSURE[_loss(run)]
        if WILD.level(wrong) != "ok":
            says = f"{figures}: {name}'s loss is {wrong:.3g} times that of a D that guesses"
            return judged("losses", wrong, WILD, says, adviser.slower)
    return judged("losses", growth, AWAY, f"{figures}: steady")


def _without_penalty(records, name):
    """The median of the loss called `name` without its penalty term, in the last quarter of the logged steps.

    records   the logged steps, a list of dicts

    If the penalty is computed only at some steps (a lazy penalty), the logged loss contains it only there.
    """
    late = [record for record in records if name in record["losses"]]
    late = late[-max(1, len(late) // 4) :]
    return np.median(
        [
            # record["computed"] names the metrics of an earlier step: then the loss holds no penalty
            record["losses"][name]
            - (0.0 if "penalty" in record.get("computed", {}) else record["metrics"].get("penalty") or 0.0)
            for record in late
        ]
    )


def _penalty(adviser, records):
    """Yield a Verdict, the result of a check, if the system has a penalty and its median in the end is 0.

    adviser   the Adviser of the run
    records   the logged steps, a list of dicts. The end is their last quarter
    """
    if "penalty" in _named(records, "metrics") and _late(records, "metrics", "penalty") == 0:
        says = "it is 0: its weight is 0, or D is flat, or its gradients are smaller than a one-sided target"
        yield Verdict("penalty", "look", 0.0, "look at 0", says, adviser.stronger_penalty())


def _discriminator(run, adviser, records):
    """Yield the Verdict (the result of a check) on the outputs of the discriminator of an open run.

    adviser   the Adviser of the run
    records   the logged steps, a list of dicts. Their last quarter is checked

    The check depends on the loss and on the logged metrics. For some losses nothing is yielded. If a layer
    bounds the outputs although the loss takes logits, the level is bad, whatever the curves show.
    """
    design = [doubt for doubt in doubts(run.system) if doubt.about == "output"]
    for doubt in design:
        yield Verdict(
            "discriminator", "bad", None, "bad if its outputs are bounded", doubt.says, doubt.advice
        )
    if design:
        return
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
            "discriminator", "bad", None, "bad if not finite", "its metrics hold inf or nan", adviser.slower()
        )
    elif "distance" in known or loss == "wasserstein" and judging:
        distance = late["distance"] if "distance" in known else -_late(records, "losses", judging[0])
        yield _critic(distance, adviser)
    elif "D(x) above D(G(z))" in known:
        above = late["D(x) above D(G(z))"]
        says = f"D(x) is above D(G(z)) with probability {above:.3f}: {_even(above, 1 - above)}"
        yield judged("discriminator", 1 - above, SURE, says, adviser.stronger_penalty)
    elif loss in GUESSING and judging:
        share = _late(records, "losses", judging[0]) / GUESSING[loss]
        says = f"its loss is {share:.3g} times that of a D that guesses ({loss} has no probabilities)"
        yield judged("discriminator", share, EASY, says, adviser.calmer)
    elif {"D(x)", "D(G(z))"} <= late.keys():
        yield _probabilities(late["D(x)"], late["D(G(z))"], loss, adviser)


def _judging(run, losses):
    """The list of names of those objectives in `losses` that train a discriminator of the run's system.

    losses   names of objectives
    """
    return [
        name
        for name, owners in run.system.trains.items()
        if name in losses and set(owners) & set(run.system.judges)
    ]


def _loss(run):
    """The name of the loss of an open run's system, such as "minimax"; "" if it has no loss with a name."""
    return getattr(getattr(run.system, "loss", None), "name", "")


def _critic(distance, adviser):
    """The Verdict (the result of a check) on a critic: look if real samples are not rated above fakes.

    distance   the mean output for real samples minus that for generated samples
    adviser    the Adviser of the run
    """
    level, advice = "ok", ""
    says = f"it puts real samples {distance:.3g} above generated ones, on its own scale"
    if not distance >= 0:
        level, advice = "look", adviser.bolder()
        says = f"it puts generated samples {-distance:.3g} above real ones: it is behind G"
    return Verdict("critic", level, distance, "look below 0", says, advice)


def _probabilities(real, fake, loss, adviser):
    """The Verdict (the result of a check) on a D with probabilities: look or bad if D(G(z)) is small.

    real, fake   D(x) and D(G(z)), the mean probabilities that D gives
    loss         the name of the loss
    adviser      the Adviser of the run

    The level is look, too, if D(G(z)) is above D(x) by more than BEHIND (0.05).
    """
    says = f"D(x) {real:.3f}, D(G(z)) {fake:.3f}: "
    if fake > real + BEHIND:
        return Verdict(
            "discriminator",
            "look",
            fake - real,
            f"look above {BEHIND}",
            says + "it rates fakes above real samples, so G learns the wrong direction from it",
            adviser.bolder(),
        )
    says += _even(real, fake)
    if loss == "minimax":
        says += f"; this loss passes {fake:.2%} of its gradient on to G"
    return judged("discriminator", fake, SURE, says, adviser.calmer)


def _even(real, fake):
    """A text: how well D distinguishes samples that it calls real with the probabilities `real` and `fake`.

    real, fake   the mean probabilities of real samples and of fakes
    """
    if SURE.level(fake) != "ok":
        return (
            "it tells real from fake nearly every time; a sure D is flat, so G gets little gradient from it"
        )
    if real - fake < 0.2:
        return "it can hardly tell real from fake: G is good or D learns nothing; look at the samples"
    return "it is right more often than not, and still gives G a useful gradient"


def _accuracy(run, advice, records):
    """Yield the Verdict (the result of a check) on the accuracy of a classifier, if accuracy is logged.

    run       an open run
    advice    the advice if the accuracy is low, a sentence
    records   the logged steps, a list of dicts. Their last quarter is checked
    """
    late = _late(records, "metrics", "accuracy") if "accuracy" in _named(records, "metrics") else None
    if late is None or run.system.classes < 2:
        return
    chance = 1 / run.system.classes
    says = f"{late:.1%} of a batch is right (a guess: {chance:.1%}; all of them at best)"
    yield judged("accuracy", (late - chance) / (1 - chance), RIGHT, says, lambda: advice)


def _gradient(run, adviser, name, records):
    """Yield the worst Verdict (the result of a check) on the gradient of one network of an open run.

    adviser   the Adviser of the run
    name      the name of the network
    records   the logged steps, a list of dicts

    Every gradient is checked for growth. A generator's gradient is also checked for vanishing, if there is a
    D. (A vanishing gradient is normal at the end of a classifier's training; D is checked by its outputs.)
    For a network that is no generator, a Verdict is yielded only if its level is not ok. Without curves of
    gradients nothing is yielded.
    """
    if not all("gradients" in record for record in records) or name not in _named(records, "gradients"):
        return  # an old run without these curves, or a network that had no update
    check = f"gradient of {name}"
    early, late = _trend(records, "gradients", name)
    if early is None or late is None:
        yield Verdict(
            check, "bad", None, "bad if beyond float32", "its norm is beyond float32", adviser.slower()
        )
        return
    entry = late / np.sqrt(run.system.networks[name].layout.size)  # root mean square of the entries
    growth = late / early if early else np.inf if late else 1.0
    says = f"its norm is {late:.3g}, {growth:.3g} times the norm at the start"
    found = [judged(check, growth, GROWN, says, adviser.slower)]
    if name in run.system.drawers and run.system.judges:
        tiny = f"{says}; an entry is {entry:.2g}, near or below Adam's epsilon, 1e-8"
        found.append(judged(check, growth, FADED, f"{says}: it fades", adviser.calmer))
        found.append(judged(check, entry, TINY, tiny, adviser.calmer))
    worst_of = max(found, key=lambda verdict: LEVELS.index(verdict.level))
    if name in run.system.drawers or worst_of.level != "ok":
        yield worst_of
