"""`past-equilibrium`: the quality of a GAN that is trained on after the accuracy of D has fallen to 0.5.

Introductions to GANs give this warning: the better G is, the less the outputs of D mean. If training
continues after D is right half of the time, G learns from junk feedback, and its quality may collapse. This
study measures the effect. At regular steps, called looks, it measures accuracy and quality.

    equilibrium   the first step at which the accuracy of D, averaged over WINDOW steps, has been within 0.05
                  of 0.5 for STRETCH steps without a break
    after         the rest of the training, several times as long, with looks as often as before

The accuracy is measured on held-out rows and on fresh fakes, because a D that overfits is right on its
training rows and guesses elsewhere. One method of each data set tests the warning literally: from the
equilibrium on, D is not trained, and G is trained against this constant D. On the digits, D reaches an
accuracy of 0.5 only with R1. So four of the five methods on the digits have R1, and the fifth is the GAN
without R1.
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import plot
from ..data import load, modes
from ..layers import Reshape, Sequential, Tanh
from ..metrics import density_coverage, kid, mode_coverage, sliced_wasserstein
from ..networks import digit_discriminator, mlp, plane_discriminator, plane_generator
from ..optimizers import Adam
from ..optimizers.schedules import Cosine
from ..remedies.penalties import R1Penalty
from ..systems.games.presets import both, on_digits, on_points
from ..systems.games.two_player import TwoPlayerGAN
from .looks import Looks, accuracy, curve, digits, fakes, logits
from .protocol import Column, Study, markdown, train, trained

METHODS = {
    "gan": "GAN",
    "frozen": "GAN, D frozen from there on",
    "decay": "GAN, rates decay to 0",
    "average": "GAN, G averaged",
    "r1": "R1",
    "r1-frozen": "R1, D frozen from there on",
    "r1-decay": "R1, rates decay to 0",
    "r1-average": "R1, G averaged",
}
PLAYED = {
    "ring": ("gan", "frozen", "r1", "decay", "average"),
    "digits": ("r1", "r1-frozen", "gan", "r1-decay", "r1-average"),
}
ARMS = {
    f"{name}-{method}": f"{name}, {METHODS[method]}" for name, methods in PLAYED.items() for method in methods
}
STEPS, EVERY = {"ring": 30_000, "digits": 40_000}, 50  # steps of training; steps between two looks
WINDOW, STRETCH, NEAR = 500, 1000, 0.05  # the rule for the equilibrium, in steps and in accuracy
# With near = 0.5 every accuracy is near 0.5, so that every arm trains past its equilibrium.
QUICK = {"steps": 16, "every": 2, "window": 4, "stretch": 4, "near": 0.5}
SAMPLES = {"ring": 2500, "digits": 1000}
DIRECTIONS = 64  # directions of the sliced Wasserstein distance in the plane

WORST = {  # {figure: the function that finds its worst value; None: no value is the worst}
    "distance": np.max,
    "modes": np.min,
    "high_quality": np.min,
    "reverse_kl": np.max,
    "coverage": np.min,
    "width": None,
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Even(TwoPlayerGAN):
    """A GAN whose D may stop learning at a step.

    freeze   from this step on only G is trained; None: D is always trained
    """

    freeze: int | None = None

    def rounds(self, step):
        """The names of the objectives of a step: ("D", "G"), or ("G",) from the step `freeze` on."""
        return super().rounds(step) if self.freeze is None or step < self.freeze else ("G",)


def system(name, method, steps):
    """Make the GAN of one arm and return it, an `Even`. An arm is a method on a data set.

    name     the data set, "ring" or "digits"
    method   a key of METHODS. "frozen" gives the GAN of "gan", and "r1-frozen" that of "r1": the step
             from which D is frozen is not known yet, and `trial` sets it
    steps    the length of the training, after which a decaying learning rate is 0

    Hidden layers: on the ring 3 of 128 units in G and 2 of 64 in D; on the digits 3 of 256 and 2 of 128.
    The optimisers are Adam with the rate 1e-3 (ring) or 3e-4 (digits). The weight of R1 is 0.1 (ring) or
    3 (digits).
    """
    if name == "ring":
        preset, lr, gamma = on_points, 1e-3, 0.1
        networks = {"G": plane_generator(128, 3), "D": plane_discriminator(64)}
    else:
        preset, lr, gamma = on_digits, 3e-4, 3.0
        G = Sequential(*mlp(32, 256, 256, 256, 64, last=Tanh), Reshape(8, 8, 1))
        networks = {"G": G, "D": digit_discriminator(128)}
    return preset(
        Even,
        1.0,
        both(Adam(Cosine(lr, steps) if method.endswith("decay") else lr)),
        networks=networks,
        average=0.999 if method.endswith("average") else 0.0,
        remedies=(R1Penalty(gamma),) if method.startswith("r1") else (),
    )


def equilibrium(steps, accuracies, window, stretch, near=NEAR):
    """The last step of the first `stretch` steps in which D's averaged accuracy is near 0.5; None if never.

    The result is an int, one of `steps`.

    steps        (L,), the steps at which D was measured: steps[0], 2 steps[0], 3 steps[0], ...
    accuracies   (L,), the accuracy of D at these steps
    window       the average at a step is over this number of steps, which end there
    stretch      the average must be near 0.5 for this number of steps without a break
    near         the average is near 0.5 if it differs from 0.5 by at most this; by default 0.05
    """
    # the numbers of measurements in the window and in the stretch
    looks, needed = window // steps[0], stretch // steps[0]
    sums = np.cumsum(np.concatenate([[0.0], accuracies]))
    smooth = (sums[looks:] - sums[:-looks]) / looks  # smooth[i] is the mean of accuracies[i : i + looks]
    run = 0  # the number of averages near 0.5 without a break
    for i, even in enumerate(np.abs(smooth - 0.5) <= near):
        run = run + 1 if even else 0
        if run == needed:
            return int(steps[i + looks - 1])
    return None


# ---- one trial


def _view(name, gan, average):
    """Make the function measure(state) -> {figure: number} that `Looks` calls at regular steps.

    name      the data set, "ring" or "digits"
    gan       the system that is trained
    average   whether quality is measured on samples of the moving average of G

    `state` is the State of the training. There are 2,500 samples on the ring and 1,000 on the digits. The
    figures:

    accuracy                          D's accuracy on held-out rows and fakes of the current G
    distance                          between samples and held-out rows, times 1000: sliced Wasserstein
                                      distance on the ring, KID on the digits
    coverage                          on the digits
    modes, high_quality, reverse_kl   on the ring, as in the study `ring`
    width                             on the ring: mean width of the modes / sigma; 0 if no mode has a width
    """
    if name == "ring":
        held = load("ring", "test").x[: SAMPLES["ring"]]
    else:
        _, held = digits()
    rows = held.reshape(len(held), -1)

    def measure(state):
        x = fakes(gan, state, SAMPLES[name])
        found = {"accuracy": accuracy(logits(gan, state, held), logits(gan, state, x))}
        x = (fakes(gan, state, SAMPLES[name], average=True) if average else x).reshape(SAMPLES[name], -1)
        if name == "digits":
            return found | {"distance": 1e3 * kid(rows, x), "coverage": density_coverage(rows, x).coverage}
        ring = mode_coverage(x, *modes("ring"))
        widths = ring.relative_std[np.isfinite(ring.relative_std)]
        return found | {
            "distance": 1e3 * sliced_wasserstein(rows, x, DIRECTIONS),
            "modes": ring.captured,
            "high_quality": ring.high_quality,
            "reverse_kl": ring.reverse_kl if ring.captured else np.log(8),  # log 8 is the value of one mode
            "width": widths.mean() if len(widths) else 0.0,
        }

    return measure


def trial(arm, seed, quick, folder, tell):
    """Train the GAN of an arm, find its equilibrium, and compare the figures there with those afterwards.

    The equilibrium is the step that the function `equilibrium` finds in D's accuracies. An arm whose name
    ends in "frozen" trains twice. The first training ends soon after its equilibrium. The second one starts
    anew and freezes D at the step of this equilibrium. If the first one has no equilibrium, D is never
    frozen.

    Returns {figure: value}. "even" is the step of the equilibrium or None, "reached" is 1 or 0, "steps" and
    "minutes" are those of the last training. The other figures are those of `_compared`. arm is a key of
    ARMS, seed that of the training. With `quick` there are only 16 steps, and a measurement in every second.
    The files are in `folder`; tell(fraction) moves the progress bar.
    """
    name, method = arm.split("-", 1)
    size = {"steps": STEPS[name], "every": EVERY, "window": WINDOW, "stretch": STRETCH, "near": NEAR}
    size |= QUICK if quick else {}
    steps, start = size["steps"], 0.0  # start: where the progress bar is when the last run begins
    gan = system(name, method, steps)
    data, _ = (load("ring"), None) if name == "ring" else digits()

    def looks_of(place):  # the measurements of a training, in the file PLACE.jsonl
        return Looks(folder / f"{place}.jsonl", size["every"], _view(name, gan, method.endswith("average")))

    def even(looks):  # the step of the equilibrium, or None
        return equilibrium(looks.steps, looks["accuracy"], size["window"], size["stretch"], size["near"])

    if method.endswith("frozen"):
        # The first run ends soon after its equilibrium; it is the first half of the progress bar.
        before = looks_of("before")
        for part in (steps // 8, steps // 4, steps // 2, steps):
            if not before.records or before.steps[-1] < part:  # a resumed trial skips finished parts
                share = part / steps / 2  # of the progress bar, when this part is done
                train(gan, data, folder / "before", seed, lambda done: tell(share * done), part, before)
            if even(before) is not None:
                break
        gan, start = replace(gan, freeze=even(before)), 0.5
    looks = looks_of("run")
    run = train(gan, data, folder / "run", seed, lambda done: tell(start + (1 - start) * done), steps, looks)
    then = even(looks)
    return {"even": then, "reached": int(then is not None)} | trained(run) | _compared(looks, then, size)


def _compared(looks, even, size):
    """{name: value}: for every FIGURE of `looks`, the values at the equilibrium and after it.

    FIGURE_at      mean over the last size["stretch"] steps up to the equilibrium; size is a dict
    FIGURE_after   mean over all later looks
    FIGURE_worst   the worst of all later looks; only for the figures that have a function in WORST
    FIGURE_end     the value at the last look

    looks is a Looks: a look is the figures measured at one step. even is the step of the equilibrium, at
    which D is right half of the time; None: there is none, and only FIGURE_end exists.
    FIGURE_after and FIGURE_worst are None if there are no later looks.
    """
    found = {}
    first = looks.records[looks.steps[0]]  # {figure: value} of the first look
    for figure in [key for key in first if key != "step"]:
        found[f"{figure}_end"] = looks[figure][-1]
        if even is not None:
            inside = (looks.steps > even - size["stretch"]) & (looks.steps <= even)
            after = looks[figure][looks.steps > even]
            found[f"{figure}_at"] = looks[figure][inside].mean()
            found[f"{figure}_after"] = after.mean() if len(after) else None
            if WORST.get(figure):
                found[f"{figure}_worst"] = WORST[figure](after) if len(after) else None
    return found


# ---- the study


COLUMNS = (
    Column("reached", "even, % of seeds", 0, 100),
    Column("even", "at step", 0),
    Column("accuracy_at", "D right then, %", 1, 100),
    Column("accuracy_after", "after, %", 1, 100),
    Column("distance_at", "distance then", 0),
    Column("distance_after", "after, mean", 0),
    Column("distance_worst", "worst", 0),
    Column("distance_end", "last", 0),
    Column("minutes", "minutes"),
)

DETAILS = (
    Column("modes", "modes", 1),
    Column("high_quality", "high quality, %", 1, 100),
    Column("reverse_kl", "reverse KL", 3),
    Column("width", "mean width / sigma"),
    Column("coverage", "coverage, %", 1, 100),
)


def summary(results):
    """A Markdown table of the figures in DETAILS: at the equilibrium, at the end, and the worst value.

    The worst value is that of all looks (measurements) after the equilibrium. The figure "width" has no
    worst value. results is {arm: [result of each seed]}. A row is an arm, a column a figure; figures that an
    arm lacks are "-".
    """

    def cell(column, found):  # the text of a cell, from the results `found` of all seeds
        then, last, worst = (
            column.text([result.get(f"{column.key}_{time}") for result in found])
            for time in ("at", "end", "worst")
        )
        return "-" if last == "-" else f"{then} → {last}" + (f", worst {worst}" if WORST[column.key] else "")

    rows = [[ARMS[arm], *(cell(column, found) for column in DETAILS)] for arm, found in results.items()]
    return markdown(["then → last", *(column.heading for column in DETAILS)], rows)


def draw(results, out):
    """Draw the accuracy of D and the quality of samples over steps, for seed 0 of every arm.

    A dashed line marks the equilibrium of each arm that has one. results is {arm: [result of each seed]}. The
    curves are read from the study's folder `out`. Returns {"past-equilibrium.png": image}.
    """
    panels = []
    right, distance = {"y": "D's accuracy on held-out rows", "level": 0.5}, {"y": "distance", "log": True}
    for name, figure, panel in (
        ("ring", "accuracy", right),
        ("digits", "accuracy", right),
        ("ring", "distance", distance),
        ("digits", "distance", distance),
        ("ring", "high_quality", {"y": "share of high quality"}),
        ("digits", "coverage", {"y": "coverage"}),
    ):
        curves, marks = {}, {}
        for arm in [arm for arm in results if arm.startswith(name)]:
            _, method = arm.split("-", 1)
            title = METHODS[method]
            curves[title] = curve(out, arm, "run.jsonl", figure)
            first, *_ = results[arm]  # the result of seed 0
            if first["even"]:
                marks[title] = first["even"]
        panels.append(panel | {"title": name, "curves": curves, "marks": marks})
    return {
        "past-equilibrium.png": plot.over_steps(
            panels, 2, "trained on past equilibrium, seed 0; dashed: D has been right half of the time"
        )
    }


DIFFERS = f"""\
A seed is even when the accuracy of D on held-out rows and fakes, averaged over {WINDOW} steps, is within
{NEAR} of 0.5 for {STRETCH} steps without a break. There is a look every {EVERY} steps; training takes
{STEPS["ring"]:,} steps on the ring and {STEPS["digits"]:,} on the digits. "Then" is the mean over these
{STRETCH} steps, "worst" is the worst look after them, and "last" is the last look. On the ring, the
distance is 1000 times the sliced Wasserstein distance between 2,500 samples and data; for two sets of data
it is 24 to 60. On the digits, it is 1000 times the KID between the pixels of 1,000 samples and 297 held-out
rows; for data it is 0 ± 3. A seed that is never even has only the last figures."""

PAST = Study(
    "A GAN trained on after D is right half of the time.",
    "The warning of introductions to GANs that G then learns from junk feedback; no published table",
    ARMS,
    COLUMNS,
    trial,
    seeds=3,
    draw=draw,
    summary=summary,
    differs=DIFFERS,
)
