"""Pages 6 and 8: packs and batches against lost modes; floors and traps of the measures."""

from itertools import product
from math import comb

import numpy as np
from drawing.canvas import BLUE, GREEN, GREY, ORANGE, label, page

import numgan as ng
from numgan import metrics
from numgan.data import points
from numgan.layers import Pass
from numgan.training import advance
from numgan.training.state import State

# ---------------------------------------------------------------------------------------------------- 6


def binomial(m, p):
    return np.array([comb(m, k) * p**k * (1 - p) ** (m - k) for k in range(m + 1)])


def packing():
    """Total variation of packs, exact and estimated by a D; the spread of a batch by its number of modes."""
    figure, (packs, spread) = page(10, 3.6, 1, 2)
    even, lost, uneven = np.array([1, 1, 1, 1]), np.array([0, 1, 1, 1]), np.array([1, 1, 3, 3])
    m = np.arange(1, 13)
    packs.plot(m, 1 - 0.75**m, color=ORANGE, label="one of four modes is lost: 1 - (3/4)^m")
    two = [
        np.abs(binomial(n, 1 / 2) - binomial(n, 1 / 4)).sum() / 2 for n in m
    ]  # the number of samples in the two thin modes is enough
    packs.plot(m, two, color=BLUE, label="four modes, two of them three times as likely")
    for q, colour in ((lost, ORANGE), (uneven, BLUE)):
        found = [hinge_of_packs(even, q, n) for n in (1, 2, 3)]
        print("    TV found by D:", ", ".join(f"{tv:.3f}" for tv in found))
        packs.plot((1, 2, 3), found, "o", color=colour, fillstyle="none")
    packs.plot(
        [], [], "o", color=GREY, fillstyle="none", label="1 - loss / 2 of a trained D of packs (hinge)"
    )
    packs.legend(fontsize=8)
    label(packs, "total variation of packs of m samples", "m", ylim=(0, 1))

    layer, rng = ng.MinibatchStd(), np.random.default_rng(0)
    for modes, std in zip(range(1, 9), [[] for _ in range(8)]):
        for _ in range(100):
            x, labels = points.ring(2000, rng)
            y, _ = layer.forward({}, x[np.isin(labels, rng.permutation(8)[:modes])][:64], Pass())
            std.append(y[0, -1])
        spread.errorbar(modes, np.mean(std), np.std(std), color=GREEN, marker="o", capsize=3)
    label(
        spread,
        "MinibatchStd: what 64 points of some modes of the ring show D",
        "modes in the batch",
        "s",
        ylim=(0, 1.6),
    )
    return figure


def hinge_of_packs(p, q, m):
    """Total variation, estimated by a D of m samples: a logit for each pack, the hinge, all packs at once."""
    rows = np.array(list(product(range(len(p)), repeat=m)))
    times = lambda counts: np.prod(np.array(counts)[rows], axis=1)
    D = ng.Sequential(
        ng.Pack(m), ng.Dense(m * len(p), len(rows)), ng.ReLU(), ng.Dense(len(rows), 1, bias=False)
    )
    phi = D.init(0, np.float64)
    phi["1.W"][...], phi["1.b"][...] = (
        np.eye(len(p))[rows].reshape(len(rows), -1).T,
        1 - m,
    )  # one unit for each pack
    x, y = (np.eye(len(p))[np.repeat(rows, times(counts), axis=0).reshape(-1)] for counts in (p, q))
    logits, adam = phi["3.W"].reshape(-1), ng.Adam(ng.schedules.Cosine(0.05, 300))
    state = adam.start(logits)
    for _ in range(300):
        (a, c_real), (b, c_fake) = D.forward(phi, x, Pass()), D.forward(phi, y, Pass())
        loss, da, db = ng.hinge.discriminator(a, b)
        adam.update(logits, (D.backward(da, c_real)[1] + D.backward(db, c_fake)[1])["3.W"].reshape(-1), state)
    return 1 - loss / 2


# ---------------------------------------------------------------------------------------------------- 8


def k_means(x, k, rng, rounds=10):
    centres = x[rng.permutation(len(x))[:k]].copy()
    for _ in range(rounds):
        own = (np.square(x).sum(axis=1)[:, None] - 2 * x @ centres.T + np.square(centres).sum(axis=1)).argmin(
            axis=1
        )
        for one in np.unique(own):
            centres[one] = x[own == one].mean(axis=0)
    return centres


def measures():
    """Floors and traps of the measures, with true data in the generator's place."""
    figure, (floor, width, parzen, frechet) = page(10, 6.6, 2, 2)
    rng = np.random.default_rng(0)
    for name, draw, colour in (("ring", points.ring, BLUE), ("grid", points.grid, ORANGE)):
        centres, std = points.modes(name)
        numbers = np.array([100, 250, 500, 1000, 2500, 5000, 10000])
        found = [
            np.mean([metrics.mode_coverage(draw(n, rng)[0], centres, std).reverse_kl for _ in range(30)])
            for n in numbers
        ]
        floor.loglog(numbers, found, "o", color=colour, label=f"true data, {name}")
        floor.loglog(
            numbers, (len(centres) - 1) / (2 * numbers), color=colour, linewidth=0.8, label="(K - 1) / (2 n)"
        )
    floor.legend(fontsize=8)
    label(floor, "reverse KL of a perfect generator", "samples n", "nats")

    scales, (centres, std) = np.linspace(0.1, 2, 20), points.modes("ring")
    found = [metrics.mode_coverage(points.ring(20000, rng, std=std * s)[0], centres, std) for s in scales]
    width.plot(scales, [one.high_quality for one in found], color=BLUE, label="share of high quality")
    width.plot(scales, [one.relative_std.mean() for one in found], color=ORANGE, label="width over sigma")
    width.axhline(1 - np.exp(-4.5), color=BLUE, linewidth=0.7, linestyle=":")
    width.plot(1, 0.9744, "o", color=ORANGE, fillstyle="none")
    width.legend(fontsize=8)
    label(width, "a ring drawn too thin or too wide", "its sigma over the data's", ylim=(0, 1.6))

    digits, held_out = (ng.data.load("digits", split) for split in ("train", "test"))
    train, test = (one.x.reshape(-1, 64).astype(np.float32) / 255 for one in (digits, held_out))
    order = rng.permutation(len(train))
    train, labels = train[order], digits.labels[order]
    known, valid = train[:1200], train[1200:]
    score = lambda samples: metrics.parzen(samples, valid, test).mean
    for name, numbers, draw, colour in (
        ("real pictures", (50, 100, 300, 1200), lambda n: known[:n], BLUE),
        ("k-means centroids of 1,200", (50, 100, 300, 800), lambda n: k_means(known, n, rng), ORANGE),
    ):
        found = [score(draw(n)) for n in numbers]
        parzen.semilogx(numbers, found, "o-", color=colour, label=name)
        print(f"    log-likelihood, {name}:", ", ".join(f"{n}: {ll:.1f}" for n, ll in zip(numbers, found)))
    parzen.axhline(score(known.mean(axis=0)[None]), color=GREY, linewidth=0.8, label="the mean picture")
    parzen.legend(fontsize=8)
    label(parzen, "Parzen log-likelihood of test digits (8 x 8)", "number of samples", "nats")

    features, numbers = features_of_digits(), np.array([50, 100, 200, 400, 500])
    one, all_, some = features(train[:750]), features(train[750:]), features(train[750:][labels[750:] > 2])
    for name, other, colour in (
        ("other real pictures", all_, BLUE),
        ("the same without 0, 1 and 2", some, ORANGE),
    ):
        found = [metrics.frechet_distance(one[:n], other[:n]) for n in numbers]
        frechet.loglog(numbers, found, "o-", color=colour, label=name)
        print(f"    Frechet distance to {name}:", ", ".join(f"{n}: {d:.2f}" for n, d in zip(numbers, found)))
    frechet.set_xticks(numbers, map(str, numbers))
    frechet.set_yticks(ticks := (5, 10, 20, 50), map(str, ticks))
    frechet.minorticks_off()
    frechet.legend(fontsize=8)
    label(frechet, "Frechet distance of real digits, of a classifier's features", "samples of each", "d^2")
    return figure


def features_of_digits(steps=400):
    """x (N, 64) in 0..1 -> features: the input of the last layer of a classifier, after a short training."""
    system, digits = ng.build("classifier", "digits"), ng.data.load("digits")
    state, feed = State.start(system, 0), digits.feed(64, 0)
    for _ in range(steps):
        advance(system, state, feed, 0)
    C, psi = system.networks["C"], state.params["C"]
    return lambda x: C[:-1].forward(psi, (2 * x - 1).reshape(-1, 8, 8, 1), Pass())[0].reshape(len(x), -1)
