"""`vanishing`: the gradient of G from a D that is trained more and more, while G is constant.

Source: Arjovsky and Bottou 2017, section 2. G is first trained for 200 steps and then constant. A new D is
trained against it. After k = 0, 1, 3, 10, ... steps of this D, the gradient of G is measured:

    g = d L_G / d theta on one batch of latents

Let b be the logit of D for a fake G(z). With the minimax loss, g contains dD/dx times sigmoid(b), which goes
to 0 if D becomes certain. With the non-saturating loss, g contains dD/dx times sigmoid(-b), which goes to 1
(Goodfellow et al. 2014, section 3), while dD/dx grows. A critic whose slopes are kept at 1 has no such
factor. The means below are over 32 batches of latents:

    norm = mean |g|          spread = sqrt(mean |g - mean g|^2)          noise = spread / |mean g|
    accuracy                 of D on held-out real samples and new fakes, half of each, at the best threshold
                             (the threshold 0 has no meaning for a critic)
"""

from dataclasses import replace

import numpy as np

from .. import data, plot, systems
from ..core.randomness import derive
from ..losses import hinge, least_squares, minimax, nonsaturating
from ..systems import Batch
from ..training import advance
from ..training.state import State
from .protocol import Column, Study

# {data set: name of a preset}. The networks come from this preset of gan, the penalty from that of wgan_gp.
PRESETS = {"digits": "digits", "ring": "points"}
LOSSES = {
    "minimax": ("minimax", minimax),
    "ns": ("non-saturating", nonsaturating),
    "ls": ("least squares", least_squares),
    "hinge": ("hinge", hinge),
    "wgan-gp": ("WGAN-GP", None),
}
ARMS = {f"{name}-{short}": f"{name}, {words}" for name in PRESETS for short, (words, _) in LOSSES.items()}

WARM, LOOKS = 200, (0, 1, 3, 10, 30, 100, 300, 1000, 3000)  # steps of the first training; values of k
BATCHES, HELD = 32, 1000  # batches of latents; the largest number of held-out samples
QUICK_WARM, QUICK_LOOKS, QUICK_BATCHES = 10, (0, 1, 3, 10), 4

COLUMNS = (
    *(Column(f"norm {k}", f"norm, k = {k:,}", 3, style="g") for k in (1, 10, 100, 1000, 3000)),
    Column("spread 3000", "spread, k = 3,000", 3, style="g"),
    Column("noise 3000", "noise, k = 3,000"),
    *(Column(f"accuracy {k}", f"accuracy, k = {k:,}, %", 1, 100) for k in (10, 100, 3000)),
)


def game(name, loss):
    """The System whose D is trained, on the data set `name` ("digits" or "ring").

    loss is an adversarial loss; None means WGAN-GP. Networks and optimisers are the same for every loss:
    those of the preset of gan for these data.
    """
    gan = systems.build("gan", PRESETS[name])
    if loss:
        return replace(gan, loss=loss)
    critic = systems.build("wgan_gp", PRESETS[name])
    return replace(critic, networks=gan.networks, optimizers=gan.optimizers)


def gradients(system, params, batch, seed, batches):
    """The gradients (batches, size of theta) of G's loss with respect to G's weights theta, as float64.

    There is one gradient for each batch of latents.

    system    the game whose loss of G is used
    params    the parameters {"G": Parameters, "D": Parameters}
    batch     a Batch of real samples, the same for all gradients
    seed      the seed of the latents
    batches   the number of batches of latents
    """
    objective = system.objectives()["G"]
    return np.stack(
        [objective(params, batch, derive(seed, "look", i)).gradients["G"].vector for i in range(batches)]
    ).astype(np.float64)


def accuracy(real, fake):
    """The accuracy of D at the best threshold, from its outputs `real` (M,) and `fake` (N,).

    real are the outputs for real samples, fake those for fakes. An output from the threshold upwards means
    "real". The accuracy is the mean of two accuracies: that on real samples and that on fakes.
    """
    cuts = np.concatenate([real, fake, [np.inf]])  # all thresholds that can be the best
    # for each threshold: the share of real outputs not below it, plus the share of fake outputs below it
    sum_of_both = (
        1
        - np.searchsorted(np.sort(real), cuts) / len(real)
        + np.searchsorted(np.sort(fake), cuts) / len(fake)
    )
    return float(sum_of_both.max() / 2)


def look(system, params, batch, held, seed, batches=BATCHES):
    """Measure {"norm", "spread", "noise", "accuracy"}: three figures of G's gradient, and the accuracy of D.

    norm       the mean norm of the gradients for `batches` batches of latents, by default 32
    spread     the root mean square distance of these gradients from their mean
    noise      spread / norm of the mean gradient
    accuracy   of D, at the best threshold, on `held` (held-out real samples) and as many fakes

    system is the game, params are {"G": Parameters, "D": Parameters}, batch is a Batch of real samples, and
    seed that of the latents and the fakes.
    """
    g = gradients(system, params, batch, seed, batches)
    mean = g.mean(axis=0)
    spread = np.sqrt(np.square(g - mean).sum(axis=1).mean())  # sqrt(mean |g - mean g|^2)
    fakes = system.generate(params, Batch({"x": held}), derive(seed, "held")).x
    real, _ = system.networks["D"].forward(params["D"], held)  # outputs of D (N, 1)
    fake, _ = system.networks["D"].forward(params["D"], fakes)
    return {
        "norm": np.linalg.norm(g, axis=1).mean(),
        "spread": spread,
        "noise": spread / np.linalg.norm(mean),
        "accuracy": accuracy(real.ravel(), fake.ravel()),
    }


def trial(arm, seed, quick, folder, tell):
    """Train G for 200 steps, then a new D against this constant G, and measure after k steps of D.

    k is 0, 1, 3, 10, ... up to 3,000 (LOOKS). In every arm, G is trained in the non-saturating GAN. D is
    trained with the loss of the arm. Returns {"FIGURE K": value} for the figures of `look`, such as "norm
    10", and "looks", the list of all k. With `quick` there are fewer steps, values of k and batches. arm is a
    key of ARMS, such as "digits-minimax", seed that of both trainings; tell(fraction) moves the progress bar;
    `folder` is not used.
    """
    name, short = arm.split("-", 1)
    _, loss = LOSSES[short]
    system, dataset = game(name, loss), data.load(name)
    warm, looks, batches = (QUICK_WARM, QUICK_LOOKS, QUICK_BATCHES) if quick else (WARM, LOOKS, BATCHES)
    gan = systems.build("gan", PRESETS[name])
    state, feed = State.start(gan, seed), dataset.feed(gan.batch_size, seed)
    for _ in range(warm):
        advance(gan, state, feed, seed)
    params = {"G": state.params["G"], "D": system.init(derive(seed, "fresh"))["D"]}
    optimizer, feed = system.optimizers["D"], dataset.feed(system.batch_size, derive(seed, "fresh"))
    moments, found = optimizer.start(params["D"].vector), {}
    k = 0  # steps that the new D has made
    test = data.load(name, "test")
    held = test.rows(np.arange(min(HELD, len(test))))["x"]
    for stop in looks:
        while k < stop:
            batch = Batch(feed.batch(k))
            result = system.objectives()["D"](params, batch, derive(seed, "D alone", k))
            optimizer.update(params["D"].vector, result.gradients["D"].vector, moments)
            k += 1
        following = Batch(feed.batch(k))  # the batch of the next step
        figures = look(system, params, following, held, seed, batches)
        found |= {f"{figure} {k}": value for figure, value in figures.items()}
        tell(k / looks[-1])
    return found | {"looks": list(looks)}


def draw(results, out):
    """Draw the norm and noise of G's gradient and the accuracy of D over k, the number of steps of D.

    There is one row for each data set, and one curve for each loss. results is {arm: [result of each seed]}.
    Returns {"gradients.png": image}. `out`, the study's folder, is not used.
    """
    figures = {
        "norm": "norm of G's gradient",
        "noise": "its noise over latents / mean",
        "accuracy": "D's accuracy",
    }
    rows = {}
    for name in PRESETS:
        panels = rows[name] = {label: {} for label in figures.values()}
        for short, (words, _) in LOSSES.items():
            found = results.get(f"{name}-{short}")
            if found:
                looks = found[0]["looks"]  # the same for all seeds
                for figure, label in figures.items():
                    panels[label][words] = (
                        looks,
                        [[result[f"{figure} {k}"] for k in looks] for result in found],
                    )
    title = "what G is given as D gets better: mean over seeds, and from lowest to highest"
    return {"gradients.png": plot.against(rows, "steps of D alone, k", title, shares=(figures["accuracy"],))}


DIFFERS = f"""\
The paper shows curves and no figures. Its DCGAN is held constant after 1, 10 and 25 epochs. Then the
gradient of minimax falls by orders of magnitude, and that of the non-saturating loss grows and becomes
noisy. Here G and D are dense networks, on 8x8 digits (training and test rows apart) and on the ring. G is
held constant after {WARM} steps of the non-saturating GAN, and D starts anew. Adam and the networks are the
same for all losses. The norms of different losses have different units, so compare each row only with
itself."""

STUDY = Study(
    "What reaches G from a D that gets better.",
    "Arjovsky and Bottou 2017, section 2; Goodfellow et al. 2014, section 3",
    ARMS,
    COLUMNS,
    trial,
    seeds=5,
    differs=DIFFERS,
    draw=draw,
)
