"""Pages 4, 5 and 7: the Dirac-GAN and its remedies, unrolling, averages of weights."""

import numpy as np
from drawing.canvas import BLUE, GREEN, GREY, ORANGE, VIOLET, label, page
from drawing.learning import density, play, sample

import numgan as ng
from numgan.data import points
from numgan.layers import Pass
from numgan.studies.dirac import METHODS, descent, jacobian
from numgan.systems.games.unrolled import UnrolledGAN

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
