"""Pages 1 to 3: what D learns, critics and their slopes, second order."""

from statistics import NormalDist

import numpy as np
from drawing.canvas import BLUE, GREEN, GREY, ORANGE, VIOLET, label, page

import numgan as ng
from numgan.data import points
from numgan.layers import Pass
from numgan.remedies.penalties import between

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / np.sqrt(2 * np.pi)  # E g(n), n ~ N(0, 1), is WEIGHTS @ g(NODES)


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
