"""The pictures of stability/, each drawn from what numgan computes here.

python docs/draw_stability.py              all of them, in a minute or two
python docs/draw_stability.py dirac        one
"""

import sys
import time
from itertools import product
from math import comb
from pathlib import Path
from statistics import NormalDist

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import numgan as ng
from numgan import metrics
from numgan.data import points
from numgan.layers import Pass
from numgan.remedies.penalties import between
from numgan.studies.dirac import METHODS, descent, jacobian
from numgan.systems.games.unrolled import UnrolledGAN
from numgan.training import advance
from numgan.training.state import State

HERE = Path(__file__).parent
BLUE, ORANGE, GREEN, VIOLET, GREY = "#2f6db5", "#cf6b2c", "#4c8f3e", "#87529b", "#8a8a8a"
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / np.sqrt(2 * np.pi)  # E g(n), n ~ N(0, 1), is WEIGHTS @ g(NODES)


def page(width, height, rows, columns):
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()


def label(axes, title, x="", y="", **words):
    axes.set_title(title, fontsize=9.5)
    axes.set(xlabel=x, ylabel=y, **words)
    axes.tick_params(labelsize=8)


def play(D, draw, loss, optimizer, steps, penalty=None, dtype=np.float32):
    """phi of a D that has descended on its loss for some steps; draw(rng) -> real, fake."""
    rng = np.random.default_rng(1)
    phi = D.init(0, dtype)
    state = optimizer.start(phi.vector)
    for _ in range(steps):
        real, fake = draw(rng)
        (a, c_real), (b, c_fake) = D.forward(phi, real, Pass()), D.forward(phi, fake, Pass())
        _, da, db = loss.discriminator(a, b)
        dphi = D.backward(da, c_real, need_dx=False)[1] + D.backward(db, c_fake, need_dx=False)[1]
        if penalty:
            dphi = dphi + penalty(D, phi, between(real, fake, rng))[1]
        optimizer.update(phi.vector, dphi.vector, state)
    return phi


def density(x, *modes):
    """Density of a mixture of (mean, standard deviation, weight)."""
    return sum(
        weight * np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
        for mean, std, weight in modes
    )


def sample(rng, n, *modes):
    mean, std, weight = np.array(modes).T
    k = rng.choice(len(modes), n, p=weight)
    return (mean[k] + std[k] * rng.standard_normal(n)).astype(np.float32)[:, None]


# ---------------------------------------------------------------------------------------------------- 1


def game():
    """D against p / (p + q); slopes of the losses; divergences and G's gradients over a distance."""
    figure, (learned, slopes, apart, force) = page(10, 6.6, 2, 2)
    p, q = ((-1.6, 0.5, 0.5), (1.2, 0.8, 0.5)), ((0.3, 1.0, 1.0),)
    x = np.linspace(-4, 4, 400)
    D = ng.mlp(1, 64, 64, 1, activation=ng.Tanh)
    draw = lambda rng: (sample(rng, 1024, *p), sample(rng, 1024, *q))
    phi = play(D, draw, ng.nonsaturating, ng.Adam(ng.schedules.Cosine(3e-3, 3000)), 3000)
    logit, _ = D.forward(phi, x[:, None].astype(np.float32), Pass())
    learned.fill_between(x, density(x, *p), color=BLUE, alpha=0.25, linewidth=0, label="p")
    learned.fill_between(x, density(x, *q), color=ORANGE, alpha=0.25, linewidth=0, label="q")
    learned.plot(
        x, density(x, *p) / (density(x, *p) + density(x, *q)), color="black", linewidth=1, label="p / (p + q)"
    )
    learned.plot(
        x,
        1 / (1 + np.exp(-logit[:, 0])),
        color=GREEN,
        linewidth=2,
        linestyle="--",
        label="D, trained on samples",
    )
    learned.legend(fontsize=8)
    label(learned, "the optimal discriminator", "x")

    t = np.linspace(-8, 8, 200)
    for loss, colour in (
        (ng.minimax, BLUE),
        (ng.nonsaturating, ORANGE),
        (ng.least_squares, GREEN),
        (ng.wasserstein, GREY),
    ):
        slopes.plot(
            t,
            -loss.for_generator.d(t),
            color=colour,
            label=f"{loss}" + (", hinge" if loss is ng.wasserstein else ""),
        )
    slopes.axvspan(-8, 0, color="#f1f1f1", zorder=0)
    slopes.text(-7.7, 2.55, "D is sure: a fake", fontsize=8)
    slopes.legend(fontsize=8)
    label(
        slopes, "what G's loss hands over to D's logit", "logit y of a fake", "- d loss / dy", ylim=(-0.5, 3)
    )

    distances = np.linspace(0.05, 8, 60)
    grid = np.linspace(-8, 16, 4001)
    one, two = density(grid, (0, 1, 1)), np.array([density(grid, (d, 1, 1)) for d in distances])
    divergence = lambda a, b: np.where(a > 0, a * np.log(a / b), 0).sum(axis=-1) * (grid[1] - grid[0])
    jsd = (divergence(one, (one + two) / 2) + divergence(two, (one + two) / 2)) / 2
    apart.plot(distances, jsd, color=BLUE, label="Jensen-Shannon, at most log 2")
    apart.axhline(np.log(2), color=BLUE, linewidth=0.7, linestyle=":")
    apart.plot(distances, distances / 8, color=GREY, label="Wasserstein / 8")
    apart.legend(fontsize=8)
    label(apart, "p = N(0, 1), q = N(d, 1): how far apart", "d")

    normal = np.array([NormalDist().inv_cdf((i + 0.5) / 20000) for i in range(20000)])[:, None]
    line = ng.Dense(1, 1)
    for loss, colour in ((ng.minimax, BLUE), (ng.nonsaturating, ORANGE)):
        pull = []
        for d in distances:
            phi = line.init(0, np.float64)
            phi["W"][...], phi["b"][...] = -d, d * d / 2  # log p / q
            y, cache = line.forward(phi, normal + d, Pass())
            dfake, _ = line.backward(loss.generator(y)[1], cache, frozen=True)
            pull.append(dfake.sum())
        force.semilogy(distances, np.abs(pull), color=colour, label=f"{loss}")
    force.legend(fontsize=8)
    label(force, "and how hard the optimal D pulls q back", "d", "abs(d loss / dd)", ylim=(1e-4, 10))
    return figure


# ---------------------------------------------------------------------------------------------------- 2


def critics():
    """Critics of the ring against the ring with noise: clipped weights, and gradient penalties."""
    figure, axes = page(12, 3.5, 1, 4)
    f, steps = ng.mlp(2, 64, 64, 64, 1, activation=ng.LeakyReLU), 2500

    def draw(rng, n=128):
        return points.ring(n, rng)[0], points.ring(n, rng)[0] + rng.standard_normal((n, 2)).astype(np.float32)

    kinds = {f"clipped at {c}": (ng.RMSProp(1e-3, clip=c), None) for c in (0.01, 0.03, 0.1, 0.3)}
    adam = ng.Adam(ng.schedules.Cosine(2e-3, steps), beta1=0.0, beta2=0.9)
    kinds |= {f"penalty, weight {weight}": (adam, ng.GradientPenalty(weight)) for weight in (3, 10)}
    real, fake = draw(np.random.default_rng(2), 4000)
    x = between(real, fake, np.random.default_rng(3))
    ticks = np.linspace(-4, 4, 100, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    surfaces = dict(zip(("clipped at 0.1", "penalty, weight 3", "penalty, weight 10"), axes))
    for (name, (optimizer, penalty)), colour in zip(
        kinds.items(), (GREY, VIOLET, BLUE, GREEN, ORANGE, "black")
    ):
        w = play(f, draw, ng.wasserstein, optimizer, steps, penalty)
        slope, steepest, c = slopes(f, w, x), slopes(f, w, plane).max(), optimizer.clip or np.inf
        axes[3].hist(
            np.log10(slope), np.linspace(-4, 3, 141), density=True, color=colour, alpha=0.8, label=name
        )
        rise = f.forward(w, real, Pass())[0].mean() - f.forward(w, fake, Pass())[0].mean()
        print(
            f"    {name}: slopes {np.median(slope):.2g} (median) to {max(slope.max(), steepest):.3g}, "
            f"E f(x) - E f(x~) = {rise:.3g}, weights at the bound {(np.abs(w.vector) >= c).mean():.0%}"
        )
        if name in surfaces:
            values = f.forward(w, plane, Pass())[0].reshape(100, 100)
            surfaces[name].contourf(ticks, ticks, values, 10, cmap="viridis")
            surfaces[name].plot(*real[:300].T, ".", color="white", markersize=2)
            label(surfaces[name], f"critic, {name}", aspect="equal")
    axes[3].axvline(0, color="black", linewidth=0.7)
    axes[3].legend(fontsize=7)
    label(axes[3], "slopes between real and fake samples", "log10 |grad f|", yticks=[])
    return figure


def slopes(f, w, x):
    y, cache = f.forward(w, x, Pass())
    return np.hypot(*f.backward(np.ones_like(y), cache, frozen=True)[0].T)


# ---------------------------------------------------------------------------------------------------- 3


class Straight(ng.Tanh):
    """tanh without its f''."""

    dd = None


def second():
    """The tangent passes and finite differences, with and without f''; noise against Roth's regulariser."""
    figure, (exact, noise) = page(10, 3.6, 1, 2)
    rng, steps = np.random.default_rng(0), 10.0 ** np.arange(-9, 0.5, 0.5)
    x, penalty = rng.standard_normal((16, 2)), ng.GradientPenalty(10.0)
    units = (
        (ng.Tanh, "tanh", "o-", BLUE),
        (Straight, "tanh, f'' left out", "s-", ORANGE),
        (ng.ReLU, "ReLU, which has no f''", "^:", GREEN),
    )
    for unit, name, style, colour in units:
        D = ng.mlp(2, 16, 16, 1, activation=unit)
        phi = D.init(0, np.float64)
        along = rng.standard_normal(phi.vector.size)
        slope = penalty(D, phi, x)[1].vector @ along
        at = lambda t, D=D, phi=phi, along=along: penalty(D, phi.like(phi.vector + t * along), x)[0]
        exact.loglog(
            steps,
            [abs((at(h) - at(-h)) / (2 * h) - slope) / abs(slope) for h in steps],
            style,
            color=colour,
            markersize=3.5,
            label=name,
        )
    exact.legend(fontsize=8)
    label(
        exact,
        "the penalty's gradient against central differences",
        "step h",
        "relative difference",
        ylim=(1e-11, 1e3),
    )

    atoms, p, q = (
        np.array([[-1.3], [-0.4], [0.1], [0.5], [1.1], [1.6]]),
        np.array([13, 2, 7, 1, 9, 8]),
        np.array([3, 11, 3, 9, 1, 8]),
    )
    D = ng.mlp(1, 7, 1, activation=ng.Tanh)
    phi = D.init(0, np.float64)
    phi["0.W"][...], phi["0.b"][...] = 2, np.linspace(-3, 3, 7)
    units, _ = D[:2].forward(phi, atoms, Pass())
    last = np.linalg.lstsq(np.c_[units, np.ones(6)], np.log(p / p.sum() / q * q.sum()), rcond=None)[0]
    sigmas = np.geomspace(0.003, 0.1, 12)

    def loss(sigma):
        y = D.forward(phi, (atoms + sigma * NODES).reshape(-1, 1), Pass())[0].reshape(6, -1)
        return (p / p.sum() @ ng.minimax.on_real.f(y) + q / q.sum() @ ng.minimax.on_fake.f(y)) @ WEIGHTS

    for moved, colour in ((0.0, BLUE), (0.5, ORANGE)):
        phi["2.W"][...], phi["2.b"][...] = last[:-1, None], last[-1] + moved
        roth = [
            ng.Roth(s * s)(D, phi, np.repeat(atoms, p, axis=0), np.repeat(atoms, q, axis=0))[0]
            for s in sigmas
        ]
        gap = np.abs([loss(s) - loss(0.0) - r for s, r in zip(sigmas, roth)])
        if not moved:
            noise.loglog(sigmas, roth, color=GREY, label="Roth(sigma^2)")
        noise.loglog(
            sigmas,
            gap,
            "o-",
            color=colour,
            markersize=3.5,
            label="difference at the optimal D" if not moved else "difference elsewhere",
        )
    noise.legend(fontsize=8)
    label(noise, "what noise adds to D's loss, and what Roth's regulariser does", "sigma")
    return figure


# ---------------------------------------------------------------------------------------------------- 4


def methods():
    titles = {
        "minimax": "minimax",
        "nonsaturating": "nonsaturating",
        "Wasserstein": "wasserstein",
        "Wasserstein, clipped at 1": "wasserstein",
        "gradient penalty, target 0.3": "wgan-gp",
        "instance noise 0.7": "noise",
        "Roth 0.49": "roth",
        "R1 0.3": "r1",
        "R1 1, critical": "r1-critical",
        "nonsaturating + R1 0.3": "ns-r1",
        "consensus 1": "consensus",
        "unrolled, 2 steps of 0.5": "unrolled",
    }
    return {title: METHODS[name].field for title, name in titles.items()}


def path(v, turns, steps=500, h=0.2, bound=np.inf):
    """From (1, -1): turns [(1, 1)] move both at once, [(1, 0), (0, 1)] G and then D."""
    z = [np.array([1.0, -1.0])]
    for _ in range(steps):
        moved = z[-1]
        for turn in turns:
            moved = moved + h * np.array(turn) * v(moved)
            moved[1] = np.clip(moved[1], -bound, bound)
        z.append(moved)
        if np.hypot(*moved) > 4:
            break
    return np.array(z)


def eigenvalues(v):
    return np.linalg.eigvals(jacobian(v))


def dirac():
    """The Dirac-GAN with every method: the field, descent at once and in turns, eigenvalues."""
    figure, axes = page(9.2, 7.1, 3, 4)
    ticks = np.linspace(-1.8, 1.8, 9)
    theta, psi = np.meshgrid(ticks, ticks)
    for here, (name, v) in zip(axes, methods().items()):
        arrows = np.array([v(np.array(z)) for z in zip(theta.ravel(), psi.ravel())])
        arrows /= np.hypot(*arrows.T)[:, None] + 1e-12
        here.quiver(theta.ravel(), psi.ravel(), *arrows.T, color="#bbbbbb", scale=15, width=0.008)
        bound = 1.0 if "clipped" in name else np.inf
        for turns, colour in (([(1, 1)], BLUE), ([(1, 0), (0, 1)], ORANGE)):
            z = path(v, turns, bound=bound)
            here.plot(*z.T, color=colour, linewidth=0.8)
            here.plot(*z[-1], "o", color=colour, markersize=4)
        smooth = "target" not in name
        e = eigenvalues(v)[0] if smooth else None
        told = (
            "not smooth at 0"
            if e is None
            else f"{e.real + 0:.4g} ± {abs(e.imag):.4g} i"
            if abs(e.imag) > 1e-6
            else f"{e.real:.4g}, twice"
        )
        label(here, f"{name}\n{told}", xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=[0], yticks=[0])
        here.grid(linewidth=0.4)
    for here in axes[-4:]:
        here.set_xlabel("theta", fontsize=8)
    for here in axes[::4]:
        here.set_ylabel("psi", fontsize=8)
    return figure


# ---------------------------------------------------------------------------------------------------- 5


def unrolling():
    """The bilinear game f = theta psi, unrolled by K steps: eigenvalues, paths and distances."""
    figure, (roots, paths, decay) = page(10.5, 3.5, 1, 3)
    eta, colours = 0.1, dict(zip((0, 1, 5, 10, 20), (GREY, VIOLET, BLUE, GREEN, ORANGE)))
    along = np.linspace(0, 2.2, 500)
    for sign in (-1, 1):
        curve = -along + sign * np.sqrt(along**2 - 1 + 0j)
        roots.plot(curve.real, curve.imag, color="#cccccc", linewidth=3)
    for K, colour in colours.items():
        v = descent(UnrolledGAN, loss=ng.wasserstein, unroll=K, inner=ng.SGD(eta))
        found = eigenvalues(v)
        roots.plot(found.real, found.imag, "o", color=colour, label=f"K = {K}")
        z = path(v, [(1, 1)], steps=600, h=0.05)
        paths.plot(*z.T, color=colour, linewidth=1)
        decay.semilogy(0.05 * np.arange(len(z)), np.hypot(*z.T), color=colour)
    roots.axvline(0, color="black", linewidth=0.6)
    roots.legend(fontsize=8)
    label(roots, "eigenvalues, eta = 0.1; grey: for all K eta", "real part", "imaginary part")
    label(paths, "descent from (1, -1)", "theta", "psi", aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
    label(decay, "distance from the equilibrium", "time", ylim=(1e-7, 5))
    return figure


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


# ---------------------------------------------------------------------------------------------------- 7


def averages():
    """Three remedies: averages of weights in a circling game, smoothed labels, power iteration."""
    figure, (circle, smooth, power) = page(10.5, 3.6, 1, 3)
    v, h = METHODS["minimax"].field, 0.2
    plain = path(v, [(1, 0), (0, 1)], steps=300)
    mean, trail = plain[0].copy(), []
    for z in plain:
        ng.moving_average(mean, z, 0.98)
        trail.append(mean.copy())
    z, past, pulled = plain[0], plain[0].copy(), [plain[0]]
    for step in range(300):
        for turn in ((1, 0), (0, 1)):
            z = z + h * np.array(turn) * (v(z) - 2 * 0.1 * (z - past))
        past = past + (z - past) / (step + 2)
        pulled.append(z)
    circle.plot(*plain.T, color="#cccccc", linewidth=0.8, label="minimax, in turns")
    circle.plot(*np.array(trail).T, color=BLUE, linewidth=1, label="its moving average, 0.98")
    circle.plot(*np.array(pulled).T, color=ORANGE, linewidth=1, label="historical averaging, weight 0.1")
    circle.legend(fontsize=7.5, loc="upper right")
    label(
        circle,
        "averages of weights on the Dirac-GAN",
        "theta",
        "psi",
        aspect="equal",
        xlim=(-2.2, 2.2),
        ylim=(-2.2, 2.2),
    )

    p, q = ((-2.0, 0.7, 1.0),), ((1.5, 1.0, 1.0),)
    x = np.linspace(-5, 5, 300)
    real, fake = density(x, *p), density(x, *q)
    D, draw = (
        ng.mlp(1, 64, 64, 1, activation=ng.Tanh),
        lambda rng: (sample(rng, 1024, *p), sample(rng, 1024, *q)),
    )
    phi = play(D, draw, ng.smoothed(), ng.Adam(ng.schedules.Cosine(3e-3, 2000)), 2000)
    smooth.fill_between(x, real, color=BLUE, alpha=0.25, linewidth=0)
    smooth.fill_between(x, fake, color=ORANGE, alpha=0.25, linewidth=0)
    smooth.plot(x, real / (real + fake), color=GREY, linewidth=1, label="p / (p + q)")
    smooth.plot(x, 0.9 * real / (real + fake), color="black", linewidth=1, label="0.9 p / (p + q)")
    smooth.plot(
        x,
        1 / (1 + np.exp(-D.forward(phi, x[:, None].astype(np.float32), Pass())[0][:, 0])),
        "--",
        color=GREEN,
        label="D, trained so",
    )
    smooth.plot(x, (0.9 * real + 0.1 * fake) / (real + fake), ":", color=VIOLET, label="fakes smoothed too")
    smooth.legend(fontsize=7.5)
    label(smooth, "smoothed labels: the optimal D", "x")

    D, batch = ng.mlp(2, 64, 64, 1, activation=ng.LeakyReLU), np.random.default_rng(1)
    phi, adam = D.init(0, np.float64), ng.Adam(1e-3)
    state, kept, errors = adam.start(phi.vector), batch.standard_normal(64), []
    for _ in range(300):
        real = points.ring(128, batch)[0].astype(np.float64)
        (a, c_real), (b, c_fake) = (
            D.forward(phi, real, Pass()),
            D.forward(phi, real + batch.standard_normal(real.shape), Pass()),
        )
        _, da, db = ng.nonsaturating.discriminator(a, b)
        adam.update(phi.vector, (D.backward(da, c_real)[1] + D.backward(db, c_fake)[1]).vector, state)
        W = phi["2.W"]
        largest = np.linalg.norm(W, 2)
        kept, sigma = iterated(W, kept)
        errors.append([1 - sigma / largest, 1 - iterated(W, batch.standard_normal(64))[1] / largest])
    for error, name, colour in zip(
        np.array(errors).T, ("u kept from step to step", "u drawn afresh"), (BLUE, ORANGE)
    ):
        power.semilogy(error, color=colour, linewidth=1, label=name)
    power.legend(fontsize=7.5)
    label(
        power, "one power iteration a step, while W trains", "step", "sigma's relative error", ylim=(1e-6, 2)
    )
    return figure


def iterated(W, u):
    """u after one power iteration, and the largest singular value by its estimate."""
    v = u @ W
    v /= np.sqrt(v @ v)
    u = W @ v
    sigma = np.sqrt(u @ u)
    return u / sigma, sigma


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


PICTURES = {
    draw.__name__: draw for draw in (game, critics, second, dirac, unrolling, packing, averages, measures)
}


def save(figure, name, limit=60_000):
    """A PNG with as many colours as the limit, in bytes, allows."""
    figure.canvas.draw()
    picture, file = (
        Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"),
        HERE / f"stability-{name}.png",
    )
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= limit:
            return file
    raise ValueError(
        f"{file.name}: expected at most {limit} bytes, got {file.stat().st_size}; draw it smaller"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        start = time.perf_counter()
        file = save(PICTURES[name](), name)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {time.perf_counter() - start:.1f} s")
