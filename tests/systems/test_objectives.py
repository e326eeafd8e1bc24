"""Every objective of every system: its loss and metrics equal the paper's formula of D's outputs.

A gradient check compares a loss with its own gradient. It passes even if both use the wrong samples. Here the
logits a = D(x), b = D(G(z)) and the slopes of D come from plain forward and backward passes, at the points of
the paper. The formulas are written again, from the papers.
"""

from dataclasses import replace

import numpy as np
import pytest

from numgan import build
from numgan.checking.system import SystemPoint
from numgan.core.randomness import derive, stream
from numgan.layers import Pass
from numgan.remedies.penalties import RothPenalty
from numgan.systems import SYSTEMS


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def log_sigmoid(t):
    return -np.logaddexp(0, -t)


# the losses of D and of G, as functions of a = D(x) and b = D(G(z))
NONSATURATING = (
    lambda a, b: -log_sigmoid(a).mean() - log_sigmoid(-b).mean(),
    lambda a, b: -log_sigmoid(b).mean(),
)


MINIMAX = (NONSATURATING[0], lambda a, b: log_sigmoid(-b).mean())


LEAST_SQUARES = (
    lambda a, b: ((a - 1) ** 2).mean() / 2 + (b**2).mean() / 2,
    lambda a, b: ((b - 1) ** 2).mean() / 2,
)


HINGE = (lambda a, b: np.maximum(0, 1 - a).mean() + np.maximum(0, 1 + b).mean(), lambda a, b: -b.mean())


WASSERSTEIN = (lambda a, b: b.mean() - a.mean(), lambda a, b: -b.mean())


PAIRED = (lambda a, b: -log_sigmoid(a - b).mean(), lambda a, b: -log_sigmoid(b - a).mean())


GAMES = {
    "gan": NONSATURATING,
    "lsgan": LEAST_SQUARES,
    "wgan": WASSERSTEIN,
    "wgan_gp": WASSERSTEIN,
    "hinge": HINGE,
    "dragan": NONSATURATING,
    "r1": NONSATURATING,
    "roth": NONSATURATING,
    "consensus": NONSATURATING,
    "pacgan": NONSATURATING,
    "r3gan": PAIRED,
    "dcgan": NONSATURATING,
    "conditional": NONSATURATING,
}


ADVERSARIAL = [(name, preset) for name in GAMES for preset in SYSTEMS[name].PRESETS]


class Table:
    """A system at a point in the middle of its training, and all that its formulas are made of."""

    def __init__(self, name, preset, step=None, **settings):
        system = build(name, preset, 0.02)
        self.point = SystemPoint(system.setting(**settings))
        if step is not None:
            self.point.system = self.point.system.at(step)
        self.system, self.params, self.seed = self.point.system, self.point.params, self.point.seed
        self.x, self.labels, number = (
            self.point.batch["x"],
            self.point.batch.get("labels"),
            self.point.batch.fakes,
        )
        z = self.system.latent.draw(stream(self.seed, "latent"), number, np.float64)
        self.asked = None if self.labels is None else np.resize(self.labels, number)
        inputs = z if self.asked is None else (z, self.asked)
        self.fake = self.system.networks["G"].forward(self.params["G"], inputs, Pass(derive(self.seed, "G")))[
            0
        ]

    def judge(self, x, labels, name):
        """(D(x), its cache), with the randomness of that name."""
        inputs = x if labels is None else (x, labels)
        return self.system.networks["D"].forward(self.params["D"], inputs, Pass(derive(self.seed, name)))

    @property
    def a(self):
        return self.judge(self.x, self.labels, "D on real")[0]

    @property
    def b(self):
        return self.judge(self.fake, self.asked, "D on fake")[0]

    def slopes(self, x, labels, name):
        """|grad_x D(x)| of each sample."""
        y, cache = self.judge(x, labels, name)
        g, _ = self.system.networks["D"].backward(np.ones_like(y), cache, frozen=True)
        return np.linalg.norm((g if labels is None else g[0]).reshape(len(x), -1), axis=1)


def gradient_penalty(table):
    """Gulrajani et al. 2017, Algorithm 1, line 6 and 7."""
    n, real = min(len(table.x), len(table.fake)), table.x
    e = stream(table.seed, "between").uniform(size=(n, *[1] * (real.ndim - 1)))
    points = e * real[:n] + (1 - e) * table.fake[:n]
    return table.system.penalty.weight * np.mean((table.slopes(points, None, "D between") - 1) ** 2)


def around_real(table):
    """Kodali et al. 2017: the authors' points."""
    u = stream(table.seed, "perturbed").uniform(size=table.x.shape)
    points = table.x + 0.5 * table.x.std() * u
    return table.system.remedies[0].gradient_penalty.weight * np.mean(
        (table.slopes(points, None, "D around real") - 1) ** 2
    )


def r1(table):
    """Mescheder et al. 2018, eq. 9, every so often and then as many times."""
    if table.system.now % table.system.settings["every"]:
        return 0.0
    return (
        table.system.settings["every"]
        * table.system.settings["gamma"]
        / 2
        * np.mean(table.slopes(table.x, table.labels, "D on real") ** 2)
    )


def r1_and_r2(table):
    if table.system.now % table.system.settings["every"]:
        return 0.0
    return r1(table) + table.system.settings["every"] * table.system.settings["gamma"] / 2 * np.mean(
        table.slopes(table.fake, table.asked, "D on fake") ** 2
    )


def roth(table):
    """Roth et al. 2017, Algorithm 1, gamma at its place on the way down."""
    schedule = table.system.settings["gamma"]
    gamma = max(schedule.start * schedule.factor**table.system.now, schedule.floor)
    real = (1 - sigmoid(table.a[:, 0])) ** 2 * table.slopes(table.x, None, "D on real") ** 2
    fake = sigmoid(table.b[:, 0]) ** 2 * table.slopes(table.fake, None, "D on fake") ** 2
    return gamma / 2 * (real.mean() + fake.mean())


def agreement(table):
    """Mescheder et al. 2017: gamma/2 |v|^2 of the two players' gradients."""
    D, G, theta = table.system.networks["D"], table.system.networks["G"], table.params["G"]
    a, c_real = table.judge(table.x, None, "D on real")
    b, c_fake = table.judge(table.fake, None, "D on fake")
    z = table.system.latent.draw(stream(table.seed, "latent"), len(b), np.float64)
    _, c_gen = G.forward(theta, z, Pass(derive(table.seed, "G")))
    dphi = (
        D.backward(-sigmoid(-a) / len(a), c_real)[1].vector
        + D.backward(sigmoid(b) / len(b), c_fake)[1].vector
    )
    dtheta = G.backward(D.backward(-sigmoid(-b) / len(b), c_fake)[0], c_gen)[1].vector
    return table.system.settings["gamma"] / 2 * (dphi @ dphi + dtheta @ dtheta)


ADDED = {
    "wgan_gp": gradient_penalty,
    "dragan": around_real,
    "r1": r1,
    "r3gan": r1_and_r2,
    "roth": roth,
    "consensus": agreement,
}


def expected_metrics(name, table, loss, penalty):
    a, b = table.a, table.b
    if name in ("wgan", "wgan_gp"):
        metrics = {"distance": a.mean() - b.mean()}
    elif name == "r3gan":
        metrics = {"D(x) above D(G(z))": sigmoid(a - b).mean()}
    elif name == "consensus":
        return {"agreement": penalty}
    else:
        metrics = {"D(x)": sigmoid(a).mean(), "D(G(z))": sigmoid(b).mean()}
    return metrics | ({"penalty": penalty} if name in ADDED else {})


def assert_same(result, loss, metrics):
    assert np.isclose(result.loss, loss, rtol=1e-9, atol=0)
    assert set(result.metrics) == set(metrics)
    for name, value in metrics.items():
        assert np.isclose(result.metrics[name], value, rtol=1e-9, atol=0), name


@pytest.mark.parametrize("name, preset", ADVERSARIAL)
def test_d_descends_on_the_papers_loss(name, preset):
    table = Table(name, preset)
    penalty = ADDED[name](table) if name in ADDED else 0.0
    game = MINIMAX if preset == "saturating" else GAMES[name]
    loss = game[0](table.a, table.b) + penalty
    assert name not in ADDED or penalty > 0
    assert_same(table.point.run("D"), loss, expected_metrics(name, table, loss, penalty))


@pytest.mark.parametrize("name, preset", ADVERSARIAL)
def test_g_descends_on_the_papers_loss(name, preset):
    table = Table(name, preset)
    game = MINIMAX if preset == "saturating" else GAMES[name]
    shared = agreement(table) if name == "consensus" else 0.0  # the one term that G's loss has besides
    assert_same(table.point.run("G"), game[1](table.a, table.b) + shared, {})


@pytest.mark.parametrize("name, preset", [("r1", "points"), ("r3gan", "mnist")])
@pytest.mark.parametrize("late", [0, 1, 5, 8])
def test_a_lazy_penalty_counts_eight_times_where_it_is_due_and_is_absent_elsewhere(name, preset, late):
    table = Table(name, preset, step=80 + late)
    assert table.system.settings["every"] == 8
    due = table.system.setting(every=1).at(0)
    once = table.point.run("D").loss - GAMES[name][0](table.a, table.b)
    table.system = due
    assert np.isclose(once, 8 * ADDED[name](table) if late % 8 == 0 else 0.0, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", ["r1", "r3gan"])
def test_without_gamma_there_is_no_penalty(name):
    table = Table(name, "points", step=8, gamma=0.0)
    loss = GAMES[name][0](table.a, table.b)
    assert_same(table.point.run("D"), loss, expected_metrics(name, table, loss, 0.0))


@pytest.mark.parametrize("step", [0, 1, 3000, 50000])
def test_roths_penalty_falls_with_the_steps(step):
    table = Table("roth", "digits", step=step)
    gamma = {0: 2.0, 1: 2.0 * 0.005 ** (1 / 6000), 3000: 2.0 * 0.005**0.5, 50000: 0.01}[step]
    schedule = replace(table.system.settings["gamma"], start=gamma, factor=1.0)
    table.system = replace(table.system, remedies=(RothPenalty(schedule),))
    assert np.isclose(table.point.run("D").metrics["penalty"], roth(table), rtol=1e-9)


@pytest.mark.parametrize("preset", ["points", "plain", "descent"])
def test_unrolled_g_meets_d_as_it_will_be(preset):
    """Metz et al. 2017: D learns on f(theta, phi), G on -f(theta, phi_K), phi_K after K updates of D on the
    same samples.
    """
    table = Table("unrolled", preset, **({} if preset == "plain" else {"unroll": 3}))
    system, D = table.system, table.system.networks["D"]
    f = lambda: NONSATURATING[0](table.a, table.b)
    assert_same(
        table.point.run("D"), f(), {"D(x)": sigmoid(table.a).mean(), "D(G(z))": sigmoid(table.b).mean()}
    )
    phi = table.params["D"].copy()
    optimizer, state = (
        (system.inner, system.inner.start(phi.vector))
        if system.inner
        else (system.optimizers["D"], system.standing)
    )
    assert system.inner or state["step"] == 3
    for _ in range(system.unroll):
        table.params = table.params | {"D": phi}
        (a, c_real), (b, c_fake) = (
            table.judge(table.x, None, "D on real"),
            table.judge(table.fake, None, "D on fake"),
        )
        dphi = (
            D.backward(-sigmoid(-a) / len(a), c_real)[1].vector
            + D.backward(sigmoid(b) / len(b), c_fake)[1].vector
        )
        vector, state, _ = optimizer.step(phi.vector, dphi, state)
        phi = phi.like(vector)
    table.params = table.params | {"D": phi}
    assert_same(table.point.run("G"), -f(), {})


@pytest.mark.parametrize("preset", ["digits", "none", "conditional", "points"])
def test_hacks_play_by_the_switches(preset):
    """Noise that falls to nothing over the run, a label of 0.9 for real samples, and with `none` one mixed
    batch and the minimax loss.
    """
    table = Table("hacks", preset, step=1000)
    system, shape = table.system, table.x.shape
    std = system.settings["noise"] * (1 - 1000 / system.steps)
    noise = {
        where: std * stream(table.seed, "noise on", where).standard_normal((n, *shape[1:]))
        for where, n in (("real", len(table.x)), ("fake", len(table.fake)))
    }
    table.x, table.fake = table.x + noise["real"], table.fake + noise["fake"]
    a, b, smooth = table.a, table.b, 0.9
    if preset == "none":
        both = table.judge(np.concatenate([table.x, table.fake]), None, "D on both")[0]
        a, b, smooth = both[: len(table.x)], both[len(table.x) :], 1.0
        assert system.settings["noise"] == 0
    loss = -(smooth * log_sigmoid(a) + (1 - smooth) * log_sigmoid(-a)).mean() - log_sigmoid(-b).mean()
    assert_same(table.point.run("D"), loss, {"D(x)": sigmoid(a).mean(), "D(G(z))": sigmoid(b).mean()})
    assert_same(table.point.run("G"), (MINIMAX if preset == "none" else NONSATURATING)[1](a, b), {})


def cross_entropy(logits, labels):
    return -np.mean(logits[np.arange(len(labels)), labels] - np.log(np.exp(logits).sum(axis=1)))


def test_hacks_with_every_switch():
    """D names the class beside its logit, and is told labels from ranges, some of them exchanged."""
    system = build("hacks", "all", 0.02).setting(replay=0.0, past=0.0, flip=0.3, noise=0.5, anneal=2000)
    table = Table.__new__(Table)
    table.point = SystemPoint(system, real=9, fake=7)
    table.point.system = system.at(500).with_state(None, {})
    table.system, table.params, table.seed = table.point.system, table.point.params, table.point.seed
    real, labels, fakes = (
        table.point.batch["x"],
        table.point.batch["labels"],
        table.system.generate(table.params, table.point.batch, table.seed),
    )
    assert np.array_equal(fakes.inputs[1], np.resize(labels, 7))
    std = 0.5 * (1 - 500 / 2000)
    said = {
        where: table.judge(
            x + std * stream(table.seed, "noise on", where).standard_normal(x.shape), None, f"D on {where}"
        )[0]
        for where, x in (("real", real), ("fake", fakes.x))
    }
    loss = 0.0
    for where, classes, ends in (("real", labels, (0.7, 1.2)), ("fake", fakes.inputs[1], (0.0, 0.3))):
        y, rng = said[where][:, :1], stream(table.seed, "labels of", where)
        flipped = rng.random(y.shape) < 0.3
        low, high = (
            np.where(flipped, 0.7 if where == "fake" else 0.0, ends[0]),
            np.where(flipped, 1.2 if where == "fake" else 0.3, ends[1]),
        )
        t = (low + (high - low) * rng.random(y.shape)).astype(np.float64)
        loss += np.mean(-t * log_sigmoid(y) - (1 - t) * log_sigmoid(-y)) + cross_entropy(
            said[where][:, 1:], classes
        )
    assert_same(
        table.point.run("D"),
        loss,
        {"D(x)": sigmoid(said["real"][:, 0]).mean(), "D(G(z))": sigmoid(said["fake"][:, 0]).mean()},
    )
    assert_same(
        table.point.run("G"),
        NONSATURATING[1](None, said["fake"][:, :1]) + cross_entropy(said["fake"][:, 1:], fakes.inputs[1]),
        {},
    )


@pytest.mark.parametrize(
    "below", [{}, {"minibatch": 3}, {"deviation": True}, {"minibatch": 3, "deviation": True}]
)
def test_feature_matching_compares_what_the_last_layer_is_given(below):
    """Salimans et al. 2016, section 3.1: |mean f(x) - mean f(G(z))|^2, f below all that mixes the batch."""
    table = Table("hacks", "points")
    system = table.system.setting(matching=True, noise=0.0, **below)
    table.point = SystemPoint(system, real=6, fake=4)
    D, params = system.networks["D"], table.point.params
    cut = (
        next(
            i
            for i, layer in enumerate(D.children.values())
            if i and type(layer).__name__ in ("MinibatchStd", "MinibatchDiscrimination")
        )
        if below
        else len(D.children) - 1
    )
    fake = system.generate(params, table.point.batch, table.point.seed).x
    f = {
        where: D[:cut].forward(params["D"], x, Pass())[0].mean(axis=0)
        for where, x in (("real", table.point.batch["x"]), ("fake", fake))
    }
    assert_same(table.point.run("G"), np.sum((f["fake"] - f["real"]) ** 2), {})


@pytest.mark.parametrize("preset", SYSTEMS["classifier"].PRESETS)
def test_the_classifier_pays_for_what_it_thinks_unlikely(preset):
    point = SystemPoint(replace(build("classifier", preset, 0.1), shift=0), real=9)
    logits = point.system.networks["C"].forward(
        point.params["C"], point.batch["x"], Pass(derive(point.seed, "C"))
    )[0]
    labels = point.batch["labels"]
    assert_same(
        point.run("C"), cross_entropy(logits, labels), {"accuracy": np.mean(logits.argmax(axis=1) == labels)}
    )


def test_every_system_is_recomputed_here():
    assert set(SYSTEMS) == {*GAMES, "unrolled", "hacks", "classifier"}


# ---- what nobody wants is not computed


def listening(net, heard):
    """The same network; every backward pass through it says what it was asked for."""

    class Listening(type(net)):
        def backward(self, dy, cache, frozen=False, need_dx=True):
            heard.append((frozen, need_dx))
            return super().backward(dy, cache, frozen, need_dx)

    made = Listening.__new__(Listening)
    made.__dict__ |= vars(net)
    return made


@pytest.mark.parametrize(
    "name, preset",
    [*ADVERSARIAL, ("hacks", "digits"), ("hacks", "none"), ("unrolled", "plain"), ("unrolled", "points")],
)
def test_nobody_computes_a_gradient_that_nobody_owes(name, preset):
    """The noise that G is given has no gradient, nor has a real sample in D's turn.

    In G's turn D is frozen, unless G looks at its training.
    """
    system, heard = build(name, preset, 0.02), {"D": [], "G": []}
    point = SystemPoint(
        replace(
            system,
            networks={player: listening(net, heard[player]) for player, net in system.networks.items()},
        )
    )
    heard["D"].clear(), heard["G"].clear()
    point.run("D")
    assert (
        set(heard["D"]) <= {(False, False)}
        and (heard["D"] or name == "r3gan")
        and set(heard["G"]) <= {(False, False)}
    )
    assert not heard["G"] or name == "consensus"
    heard["D"].clear()
    point.run("G")
    assert set(heard["G"]) == {(False, False)}
    if not system.looks_ahead:
        assert set(heard["D"]) <= {(True, True)}
    if name == "unrolled" and system.unroll:
        assert heard["D"].count((False, True)) == 1, "G follows D's opinion of the fakes"
