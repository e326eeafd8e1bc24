"""The hacks: every switch alone and the presets, what the noise, the labels and the pool are, and bugs planted into them."""

import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest

import numgan as ng
from numgan import data, systems
from numgan.checking.loss import check_loss
from numgan.checking.optimizer import check_optimizer
from numgan.checking.system import CONTRACT, SystemPoint, check_objective, objectives_are_pure
from numgan.core.errors import GradientError
from numgan.core.randomness import stream
from numgan.layers import Dense, Dropout, MinibatchDiscrimination, MinibatchStd, Noise, Pass, Sequential
from numgan.losses import FeatureMatching, Labelled, feature_matching, minimax, nonsaturating, smoothed
from numgan.optimizers import SGD, Adam, Historical
from numgan.remedies.noise import SOFT, drawn_labels, noisy
from numgan.remedies.penalties import between, perturbed
from numgan.remedies.replay import Pool
from numgan.remedies.unrolling import Unrolling
from numgan.systems import Batch, build, remember
from numgan.systems.games import hacks
from numgan.training import checkpoint, runs, sampling
from numgan.training import loop as training
from numgan.training.recipes import Recipe
from numgan.training.state import State

DIGITS = data.load("digits")
OFF = dict.fromkeys(
    ("normalize", "modified", "spherical", "separate", "leaky", "convolutional", "adam"), False
)
ON = {
    "smooth": 0.9,
    "soft": True,
    "flip": 0.3,
    "replay": 0.5,
    "past": 0.4,
    "sgd": True,
    "balance": 1.2,
    "classify": True,
    "noise": 0.3,
    "layer_noise": 0.2,
    "k": 2,
    "minibatch": 3,
    "deviation": True,
    "conditional": True,
    "dropout": 0.3,
    "matching": True,
    "pack": 3,
    "ttur": 4.0,
    "historical": 0.1,
}
MODERATE = {"pool", "age", "anneal", "rate", "hidden"}  # sizes, which turn nothing on


def narrow(preset="digits", **switches):
    return build("hacks", preset, 0.01).setting(**switches)


def planted(kind, system):
    """The same system of a subclass with a bug."""
    return kind(**{field.name: getattr(system, field.name) for field in fields(system) if field.init})


# ---------------------------------------------------------------------------------------------------- the list, and every switch alone


def test_the_table_has_all_seventeen_and_says_what_the_switches_are():
    rows = re.findall(r"^ ?(\d+)  (.*)$", hacks.__doc__, re.MULTILINE)
    settings, named = build("hacks", "digits").settings, {}
    assert [int(number) for number, _ in rows] == list(range(1, 18))
    for _, row in rows:
        named |= {name: json.loads(value) for name, value in re.findall(r"(\w+)=(\S+)", row)}
    assert {name: settings[name] for name in named} == named
    assert settings.keys() - named.keys() == {"matching", "pack", "ttur", "historical", "rate", "hidden"}
    assert settings.keys() == OFF.keys() | ON.keys() | MODERATE


@pytest.mark.parametrize("switch", [*OFF, *ON])
@pytest.mark.parametrize("preset", ["none", "digits"])
def test_every_switch_alone(preset, switch):
    """Turned from what the preset has; both turns through every branch of it (`past` decides by the seed)."""
    base = build("hacks", preset, 0.01)
    value = not base.settings[switch] if switch in OFF else ON[switch]
    system = base.setting(**{switch: value})
    seeds = {
        old: next(seed for seed in range(9) if (stream(seed, "past").random() < ON["past"]) == old)
        for old in (False, True)
    }
    for seed in seeds.values() if switch == "past" else (0,):
        for objective in ("D", "G"):
            assert check_objective(system, objective, seed=seed)[0] <= 1e-6
    for check in CONTRACT:  # with the D of today, from whose weights G is to learn
        check(SystemPoint(system, seed=seeds[False]))


def test_the_switches_change_what_they_say():
    kinds = lambda net: [type(layer).__name__ for layer in net]
    digits, none = narrow(), narrow("none")
    assert kinds(none.networks["D"]) == ["Flatten", "Dense", "ReLU", "Dense", "ReLU", "Dense"]
    assert kinds(none.networks["G"])[-2:] == ["Sigmoid", "Reshape"]
    assert (
        none.pixels == (0, 1)
        and none.loss is minimax
        and none.latent.kind == "uniform"
        and none.average == 0
        and not none.separate
    )
    assert (
        digits.pixels == (-1, 1)
        and digits.loss is nonsaturating
        and digits.latent.kind == "normal"
        and digits.average > 0
    )
    assert kinds(digits.networks["G"])[-2:] == ["ConvTranspose2d", "Tanh"] and "ReLU" not in kinds(
        digits.networks["G"]
    ) + kinds(digits.networks["D"])
    assert "MaxPool2d" in kinds(narrow(leaky=False).networks["D"])
    assert kinds(narrow(minibatch=2, deviation=True, pack=2).networks["D"])[
        :: len(digits.networks["D"]) + 2
    ] == ["Pack", "Dense"]
    assert kinds(narrow(minibatch=2, deviation=True).networks["D"])[-3:] == [
        "MinibatchStd",
        "MinibatchDiscrimination",
        "Dense",
    ]
    assert kinds(narrow(conditional=True).networks["D"])[:3] == ["Parallel", "Condition", "Pick"]
    named = narrow(classify=True).networks
    assert (
        kinds(named["D"])[0] == "Conv2d"
        and named["D"][-1].features == 11
        and kinds(named["G"])[:2] == ["Parallel", "Concat"]
    )
    optimizers = lambda **switches: [repr(narrow(**switches).optimizers[name]) for name in "DG"]
    recipe = Recipe("hacks", "digits", width=0.05, lr=0.01, settings={"ttur": 4.0}).resolve().build()
    assert [repr(recipe.optimizers[name]) for name in ("D", "G")] == ["Adam(lr=0.04)", "Adam(lr=0.01)"]
    assert optimizers() == ["Adam(lr=0.0002)"] * 2 and optimizers(ttur=4) == [
        "Adam(lr=0.0008)",
        "Adam(lr=0.0002)",
    ]
    assert (
        optimizers(sgd=True) == ["SGD(lr=0.01, momentum=0.5)", "Adam(lr=0.0002)"]
        and optimizers(adam=False) == ["SGD(lr=0.01, momentum=0.5)"] * 2
    )
    assert optimizers(historical=0.5) == ["Historical(rule=Adam(lr=0.0002), weight=0.5)"] * 2
    assert narrow(k=3).rounds(0) == ("D", "D", "D", "G") and narrow(pack=2).packed == 2


def test_a_batch_is_whole_packs(tmp_path):
    with pytest.raises(ValueError, match="a multiple of the 5 samples .* got 64"):
        training.train(narrow(pack=5), DIGITS, tmp_path / "run", batch_size=64)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "preset, switches, message",
    [
        ("digits", {"flip": 1.5}, "shares flip, replay and past of at most 1"),
        ("digits", {"smooth": 0.0}, "a smooth above 0"),
        ("digits", {"pack": 0}, "pack, pool and age of at least 1"),
        ("digits", {"classify": True, "pack": 2}, "a pack has no class"),
        ("digits", {"balance": 1.0, "matching": True}, "which matching does not compute"),
        ("points", {"conditional": True}, "points have no pixels"),
        ("points", {"normalize": False}, "points have no pixels"),
        ("digits", {"dropout": 1.0}, "Dropout: expected"),
        ("digits", {"leeky": True}, "Hacks has no setting 'leeky'; there are .*leaky"),
        ("digits", {"leaky": 1}, "leaky: expected true or false, got 1"),
        ("digits", {"k": 2.0}, "k: expected a whole number"),
        ("digits", {"k": True}, "k: expected a whole number"),
        ("digits", {"noise": -0.1}, "noise: expected a finite number"),
        ("digits", {"noise": float("nan")}, "noise: expected a finite number"),
        ("digits", {"channels": 3}, "no setting 'channels'"),
        ("digits", {"now": 3}, "no setting 'now'"),
    ],
)
def test_settings_that_do_not_fit(preset, switches, message):
    with pytest.raises(ValueError, match=message):
        narrow(preset, **switches)


def test_every_system_has_settings():
    assert (
        build("wgan", "digits", 0.05).settings == {"n_critic": 5, "warm": 0}
        and build("wgan", "digits", 0.05).setting(n_critic=2).n_critic == 2
    )
    assert (
        build("roth", "digits", 0.05).setting(gamma=1).gamma == 1.0
        and build("conditional", "digits", 0.05).settings == {}
    )
    with pytest.raises(ValueError, match="Conditional has no setting 'k'; there are none"):
        build("conditional", "digits", 0.05).setting(k=1)


# ---------------------------------------------------------------------------------------------------- what D sees: instance noise


class Ear(Sequential):
    """A D that hears what it is given."""

    def forward(self, p, x, run):
        self.heard.append(x)
        return super().forward(p, x, run)


def heard(system, objective, seed=3, n=200):
    """What D was given in a turn, real and fake, and the samples themselves."""
    D = Ear(*system.networks["D"])
    D.heard = []
    system = replace(system, networks=system.networks | {"D": D})
    params, batch = system.init(0, np.float64), Batch({"x": np.zeros((n, 8, 8, 1))}, number=n)
    fakes = system.generate(params, batch, seed)
    system.objectives()[objective](params, batch, seed)
    return dict(zip(("real", "fake") if objective == "D" else ("fake",), D.heard)), {
        "real": batch["x"],
        "fake": fakes.x,
    }


def noise_of(system, objective, seed=3):
    given, samples = heard(system, objective, seed)
    return {where: x - samples[where] for where, x in given.items()}


def noise_is_fresh_and_annealed(system):
    """On real and on fake samples, in both turns, independent, normal, and of the std that the schedule says."""
    size = 200 * 64
    for step, share in ((0, 1.0), (25, 0.75), (50, 0.5), (99, 0.01), (100, 0.0), (1000, 0.0)):
        for objective in ("D", "G"):
            for e in noise_of(system.at(step), objective).values():
                assert abs(e.std() - 0.3 * share) <= 5 * 0.3 * share / np.sqrt(2 * size)
    found = [
        *noise_of(system.at(0), "D").values(),
        *noise_of(system.at(0), "G", seed=4).values(),
        noise_of(system.at(0), "D", seed=5)["real"],
    ]
    for i, one in enumerate(found):
        assert (
            abs(one.mean()) < 5 * 0.3 / np.sqrt(size)
            and abs((one**4).mean() / (one**2).mean() ** 2 - 3) < 0.3
        )
        assert all(
            abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(size) for other in found[:i]
        )


class OnRealOnly(hacks.Hacks):
    """Noise on the real samples only: D tells them by it."""

    def _inputs_of_D(self, where, x, y, seed):
        return super()._inputs_of_D(where, x, y, seed) if where == "real" else x


class OneDraw(hacks.Hacks):
    """The same noise on real and on fake samples."""

    def _inputs_of_D(self, where, x, y, seed):
        return super()._inputs_of_D("both", x, y, seed)


class EveryTurnAlike(hacks.Hacks):
    """The noise is drawn once and kept."""

    def _inputs_of_D(self, where, x, y, seed):
        return super()._inputs_of_D(where, x, y, 0)


class NotAnnealed(hacks.Hacks):
    """The noise does not fall."""

    def at(self, step):
        return self


class NotForG(hacks.Hacks):
    """G's turn goes without noise, against a D that knows only noisy samples."""

    def generator(self, params, batch, seed, fakes=None):
        return hacks.Hacks.generator(replace(self, noise=0.0), params, batch, seed, fakes)


class Summed(hacks.Hacks):
    """Noise that was added once is added to again: the pool keeps noisy samples (here: twice the noise)."""

    def _inputs_of_D(self, where, x, y, seed):
        return super()._inputs_of_D(where, super()._inputs_of_D(where, x, y, seed), y, seed + 1)


@pytest.mark.parametrize(
    "kind", [hacks.Hacks, OnRealOnly, OneDraw, EveryTurnAlike, NotAnnealed, NotForG, Summed]
)
def test_instance_noise_and_its_planted_bugs(kind):
    system = planted(kind, narrow(noise=0.3, anneal=100))
    if kind is hacks.Hacks:
        return noise_is_fresh_and_annealed(system)
    with pytest.raises(AssertionError):
        noise_is_fresh_and_annealed(system)


def test_noise_is_annealed_over_the_steps_of_the_preset_unless_told_otherwise():
    system = narrow(noise=0.4)
    assert system.steps == 4000 and system.anneal == 0
    assert (
        noise_of(system.at(2000), "D")["real"].std() == pytest.approx(0.2, rel=0.05)
        and not noise_of(system.at(4000), "D")["real"].any()
    )


def test_noisy_and_the_layer():
    x, rng = np.zeros((500, 40), np.float32), np.random.default_rng
    assert noisy(x, 0.0, rng(1)) is x and noisy(x, 0.5, rng(1)).dtype == np.float32
    y, _ = Noise(0.5).forward({}, x, Pass(seed=2))
    assert abs(y.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * x.size) and Noise(0.5).forward({}, x, Pass())[0] is x
    assert not np.array_equal(y, Noise(0.5).forward({}, x, Pass(seed=3))[0])
    with pytest.raises(ValueError, match="expected a finite std"):
        Noise(-1.0)


@pytest.mark.parametrize("std", [-0.1, np.nan, np.inf, "a", None])
def test_noisy_is_given_a_number_and_floats(std):
    with pytest.raises(ValueError, match="noisy std: expected a finite number of at least 0, got"):
        noisy(np.zeros((2, 3)), std, stream(0))
    for x in (np.full((2, 3), 200, np.uint8), np.zeros((2, 3), int), [0.5]):
        for amount in (0.0, 0.1):
            with pytest.raises(
                TypeError, match="noisy: expected x as one float array .* got (uint8|int64|list); convert it"
            ):
                noisy(x, amount, stream(0))


@pytest.mark.parametrize("rng", [5, None, np.random.SeedSequence(5)], ids=["seed", "None", "SeedSequence"])
def test_noise_is_given_a_generator(rng):
    x = np.zeros((2, 3))
    for name, call in (
        ("noisy", lambda: noisy(x, 0.1, rng)),
        ("noisy", lambda: noisy(x, 0.0, rng)),
        ("drawn_labels", lambda: drawn_labels(True, (2, 1), rng)),
        ("perturbed", lambda: perturbed(x, rng)),
        ("between", lambda: between(x, x, rng)),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected rng as a numpy Generator, got"):
            call()


# ---------------------------------------------------------------------------------------------------- labels


def test_a_share_of_labels_is_exchanged():
    n, rng = 20000, np.random.default_rng(1)
    for real in (True, False):
        t = drawn_labels(real, (n, 1), rng, smooth=0.9, flip=0.2)
        assert set(np.unique(t)) == {np.float32(0), np.float32(0.9)}
        assert abs((t == (0 if real else np.float32(0.9))).mean() - 0.2) < 5 * np.sqrt(0.16 / n)
        assert (drawn_labels(real, (7, 1), rng) == real).all() and drawn_labels(
            real, (7, 1), rng, dtype=np.float64
        ).dtype == np.float64


def test_soft_labels_lie_where_the_list_says():
    rng = np.random.default_rng(1)
    assert SOFT == ((0.0, 0.3), (0.7, 1.2))
    for real, (low, high) in zip((False, True), SOFT):
        t = drawn_labels(real, (20000,), rng, soft=True, smooth=0.5)
        assert (
            low <= t.min() < low + 0.01
            and high - 0.01 < t.max() <= np.float32(high)
            and abs(t.mean() - (low + high) / 2) < 0.01
        )
    mixed = drawn_labels(True, (20000,), rng, soft=True, flip=0.25)
    assert abs((mixed <= 0.3).mean() - 0.25) < 0.02 and not ((mixed > 0.3) & (mixed < 0.7)).any()


@pytest.mark.parametrize(
    "words",
    [
        {"flip": 1.5},
        {"flip": np.nan},
        {"flip": -0.1},
        {"flip": "a"},
        {"smooth": np.nan},
        {"smooth": 5},
        {"smooth": None},
    ],
)
def test_labels_and_shares_are_numbers_up_to_one(words):
    with pytest.raises(
        ValueError, match="drawn_labels: expected smooth and flip as numbers from 0 to 1, got"
    ):
        drawn_labels(True, (3, 1), stream(0), **words)


def test_labelled_is_the_cross_entropy():
    y, t = np.random.default_rng(0).standard_normal((2, 5, 1))
    p = 1 / (1 + np.exp(-y))
    assert np.isclose(Labelled(nonsaturating)(y, t)[0], -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())
    ones, fake = np.ones_like(y), y[:3] - 1
    total, dreal, dfake = nonsaturating.discriminator(y, fake)
    (one, d1), (two, d2) = Labelled(nonsaturating)(y, ones), Labelled(nonsaturating)(fake, 0 * fake)
    assert np.isclose(one + two, total) and np.allclose(d1, dreal) and np.allclose(d2, dfake)
    smooth = smoothed(nonsaturating, 0.8).discriminator(y, fake)
    one, d1 = Labelled(nonsaturating)(y, 0.8 * ones)
    assert np.isclose(one + two, smooth[0]) and np.allclose(d1, smooth[1])
    with pytest.raises(ValueError, match=r"expected labels of shape \(5, 1\), got \(5,\)"):
        Labelled(nonsaturating)(y, t[:, 0])


def test_the_smoothed_loss_of_d_is_the_smoothed_loss():
    """One-sided: the fakes' labels stay 0. The same network, once with smooth labels, once with the smoothed loss."""
    one, two = (
        narrow(smooth=0.8, noise=0.0),
        replace(narrow(smooth=1.0, noise=0.0), loss=smoothed(nonsaturating, 0.8)),
    )
    a, b = (SystemPoint(system).run("D") for system in (one, two))
    assert np.isclose(a.loss, b.loss, rtol=1e-12) and np.allclose(
        a.gradients["D"].vector, b.gradients["D"].vector, rtol=1e-9
    )


def test_every_curve_of_labelled_is_checked():
    for side in ("on_real", "on_fake"):
        for part in ("d", "dd"):
            curve = getattr(nonsaturating, side)
            bad = replace(curve, **{part: lambda x, f=getattr(curve, part): 1.001 * f(x)})
            with pytest.raises(GradientError):
                check_loss(Labelled(replace(nonsaturating, **{side: bad})))


# ---------------------------------------------------------------------------------------------------- feature matching


def test_feature_matching_by_hand():
    fake, real = np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 4.0]])
    loss, dfake = feature_matching(fake, real)  # means (2, 4) and (1, 2)
    assert loss == 1 + 4 and np.array_equal(dfake, [[1, 2], [1, 2]])
    with pytest.raises(ValueError, match="as many features"):
        feature_matching(fake, real[:, :1])


def test_matching_is_on_the_features_below_the_last_layer():
    point = SystemPoint(narrow(matching=True, noise=0.0))
    D, phi, fakes = (
        point.system.networks["D"],
        point.params["D"],
        point.system.generate(point.params, point.batch, point.seed),
    )
    of = lambda x: D[:-1].forward(phi, x, Pass(0))[0].mean(axis=0)
    assert np.isclose(point.run("G").loss, np.square(of(point.batch["x"]) - of(fakes.x)).sum(), rtol=1e-12)
    below = SystemPoint(narrow(matching=True, minibatch=3, deviation=True, noise=0.0))
    assert len(below.system.networks["D"][:-3]) == len(D[:-1]) and below.run("G").loss > 0


@pytest.mark.parametrize("minibatch", [0, 1, 3])
@pytest.mark.parametrize("deviation", [False, True])
def test_matching_is_on_the_features_below_what_compares_samples(minibatch, deviation):
    """The loss is that of the last unit's features, whatever stands between them and the head."""
    point = SystemPoint(narrow(matching=True, noise=0.0, minibatch=minibatch, deviation=deviation))
    D, phi = point.system.networks["D"], point.params["D"]
    fakes = point.system.generate(point.params, point.batch, point.seed)
    above = MinibatchStd, MinibatchDiscrimination, Dense
    below = D[: max(i for i, layer in enumerate(D) if not isinstance(layer, above)) + 1]
    assert len(D) - len(below) == 1 + deviation + (minibatch > 0)
    of = lambda x: below.forward(phi, x, Pass(0))[0].mean(axis=0)
    assert np.isclose(point.run("G").loss, np.square(of(point.batch["x"]) - of(fakes.x)).sum(), rtol=1e-12)


class PerPair(FeatureMatching):
    """The mean over the batch is taken after the square: each fake is pulled to one real sample."""

    def __call__(self, fake, real):
        n = min(len(fake), len(real))
        apart = fake[:n] - real[:n]
        return float(np.square(apart).sum(axis=1).mean()), 2 * apart / n


class OfTheSum(FeatureMatching):
    """The derivative of a mean without its 1 / M."""

    def _to_each(self, apart, fake):
        return super()._to_each(apart, fake) * len(fake)


class OwnFeature(FeatureMatching):
    """Each fake's own distance from the real mean in the derivative."""

    def __call__(self, fake, real):
        return super().__call__(fake, real)[0], 2 / len(fake) * (fake - real.mean(axis=0))


def features_match_by_their_means(matching):
    check_loss(matching)
    shifted = np.array([[1.0], [-1.0]])
    assert matching(shifted, 0 * shifted)[0] == 0  # equal means, though no pair is equal


@pytest.mark.parametrize("kind", [FeatureMatching, PerPair, OfTheSum, OwnFeature])
def test_feature_matching_and_its_planted_bugs(kind):
    if kind is FeatureMatching:
        return features_match_by_their_means(kind())
    with pytest.raises((AssertionError, GradientError)):
        features_match_by_their_means(kind())


# ---------------------------------------------------------------------------------------------------- replay


def slowly(pool, held, x, rng):
    """`Pool.mix` of one kind of rows, one row after the other."""
    held, shown, n = list(held), [], len(x)
    old = [bool(u < pool.share) for u in rng.random(n)]
    free, fresh = list(rng.permutation(len(held))), []
    taken = dict(zip([i for i in range(n) if old[i]], free))
    for i in range(n):
        if i in taken:
            shown.append(held[taken[i]])
            held[taken[i]] = x[i]
        else:
            shown.append(x[i])
            fresh.append(x[i])
    return np.array(shown), held + fresh[: pool.size - len(held)]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_pool_against_a_slow_reference(share):
    pool, reference = Pool(11, share), []
    held = pool.empty(x=((2,), np.float64), y=((), np.int64))
    for k in range(9):
        x = 100.0 * k + np.arange(10.0).reshape(5, 2)
        shown, after = pool.mix(held, {"x": x, "y": np.arange(5) + 5 * k}, np.random.default_rng(k))
        expected, reference = slowly(pool, reference, x, np.random.default_rng(k))
        assert np.array_equal(shown["x"], expected) and after["pool.count"] == len(reference) <= 11
        assert (
            np.array_equal(after["pool.x"][: len(reference)], reference)
            and not after["pool.x"][len(reference) :].any()
        )
        number = lambda rows: (
            (rows[:, 0] % 100) / 2 + 5 * (rows[:, 0] // 100)
        )  # labels stay with their samples
        assert np.array_equal(shown["y"], number(shown["x"])) and np.array_equal(
            after["pool.y"][: len(reference)], number(np.array(reference))
        )
        assert sorted(map(tuple, shown["x"])) == sorted(
            set(map(tuple, shown["x"]))
        )  # no old sample is shown twice in a batch
        held = after


def test_the_share_that_is_replayed():
    pool, held, old = Pool(64, 0.25), None, 0
    held = pool.empty(x=((), np.float64))
    for k in range(200):
        shown, held = pool.mix(held, {"x": np.full(32, float(k))}, np.random.default_rng(k))
        old += (shown["x"] < k).sum() if k >= 2 else 0  # full after two
    assert abs(old / (198 * 32) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / (198 * 32))


@pytest.mark.parametrize(
    "words, message",
    [
        *(
            ({"size": size}, "Pool size: expected an integer of at least 1, got")
            for size in (0, 1.5, "a", None, True)
        ),
        *(
            ({"size": 3, "share": share}, "Pool: expected a share from 0 to 1, got")
            for share in (1.1, -0.1, np.nan, "a", None)
        ),
    ],
)
def test_a_pool_of_wrong_size_or_share(words, message):
    with pytest.raises(ValueError, match=message):
        Pool(**words)


@pytest.mark.parametrize(
    "held, fresh, message",
    [
        (
            {},
            {"y": np.zeros(4, int)},
            r"fresh as arrays with one row for each sample, as many in each, got {'x': \(3, 2\), 'y': \(4,\)}",
        ),
        ({}, {"x": 1.0}, "fresh as arrays with one row for each sample"),
        ({"pool.y": None}, {}, r"expected held with .*; make it with Pool\(size=5.*empty"),
        ({"pool.count": None}, {}, "expected held with"),
        ({"pool.x": np.zeros((6, 2))}, {}, "expected held with"),
        ({}, {"x": np.zeros((3, 1))}, "expected held with"),
        ({}, {"z": np.zeros(3)}, "expected held with"),
    ],
)
def test_a_memory_and_rows_that_do_not_fit_the_pool(held, fresh, message):
    pool = Pool(5)
    held = {
        name: array
        for name, array in (pool.empty(x=((2,), float), y=((), int)) | held).items()
        if array is not None
    }
    with pytest.raises(ValueError, match=f"Pool.mix: .*{message}"):
        pool.mix(held, {"x": np.zeros((3, 2)), "y": np.zeros(3, int)} | fresh, stream(0))


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Pool.mix: expected fresh as arrays .* got none"):
        Pool(5).mix(Pool(5).empty(), {}, stream(0))


class WritesIntoThePool(Pool):
    """The pool is changed in place: what was handed out before changes with it."""

    def mix(self, held, fresh, rng):
        shown, after = super().mix(held, fresh, rng)
        for name, array in after.items():
            held[name][...] = array
        return shown, held


class HandsOutItsRows(Pool):
    """The very rows of the pool are handed out, and overwritten by the samples that take their places."""

    def mix(self, held, fresh, rng):
        held = {name: array if name == "pool.count" else array.copy() for name, array in held.items()}
        n = min(int(held["pool.count"][0]), len(fresh["x"]))
        shown = {name: held[f"pool.{name}"][:n] if n else rows for name, rows in fresh.items()}
        for name, rows in fresh.items():
            held[f"pool.{name}"][: len(rows)] = rows
        return shown, held | {"pool.count": held["pool.count"] * 0 + len(fresh["x"])}


def the_pool_hands_out_what_stays(kind):
    pool = kind(8, 1.0)
    held = pool.empty(x=((2,), np.float64))
    for k in range(4):
        before = {name: array.copy() for name, array in held.items()}
        shown, after = pool.mix(held, {"x": np.full((3, 2), 1.0 + k)}, np.random.default_rng(k))
        assert all(np.array_equal(held[name], array) for name, array in before.items())
        assert k == 0 or (shown["x"] <= k).all()  # with share 1, nothing of this turn
        kept = shown["x"].copy()
        after["pool.x"][...] = -1  # whatever becomes of the pool
        assert np.array_equal(shown["x"], kept) and not np.shares_memory(shown["x"], held["pool.x"])
        after["pool.x"][...] = 1.0 + k
        held = after


@pytest.mark.parametrize("kind", [Pool, WritesIntoThePool, HandsOutItsRows])
def test_the_pool_and_its_planted_bugs(kind, monkeypatch):
    monkeypatch.setattr(hacks, "Pool", kind)
    system = narrow(replay=0.9, pool=16)
    if kind is Pool:
        the_pool_hands_out_what_stays(kind)
        return objectives_are_pure(SystemPoint(system))
    with pytest.raises(AssertionError):
        the_pool_hands_out_what_stays(kind)
    if kind is WritesIntoThePool:  # an objective that writes to what it only may read
        with pytest.raises(GradientError, match="changes parameters, the batch or the memory"):
            objectives_are_pure(SystemPoint(system))
        with pytest.raises(ValueError, match="read-only"):
            steps(system, State.start(system, 3), 1)


def test_d_sees_old_fakes_and_g_its_own():
    system = narrow(replay=1.0, pool=16, noise=0.0)
    memory, params, batch = (
        system.memory(np.float64),
        system.init(0, np.float64),
        Batch({"x": np.zeros((6, 8, 8, 1))}),
    )
    for seed in range(2):
        before = {name: array.copy() for name, array in memory.items()}
        told, D = system.with_state({}, memory), Ear(*system.networks["D"])
        D.heard, told = [], replace(told, networks=system.networks | {"D": D})
        remember(memory, told.objectives()["D"](params, batch, seed).memory)
        told.objectives()["G"](params, batch, seed)
        own = system.generate(params, batch, seed).x
        _, shown, of_g = D.heard
        assert np.array_equal(of_g, own)
        assert (
            np.array_equal(shown, own)
            if seed == 0
            else {row.tobytes() for row in shown} == {row.tobytes() for row in before["pool.x"][:6]}
        )
    assert memory["pool.count"] == 6
    with pytest.raises(ValueError, match=r"need what the training loop remembers; give it with with_state"):
        system.objectives()["D"](params, batch, 0)


# ---------------------------------------------------------------------------------------------------- old players, balance


def steps(system, state, count, seed=3):
    feed = DIGITS.feed(8, seed, system.pixels)
    return [training.advance(system, state, feed, seed) for _ in range(count)]


def test_players_of_the_past():
    system = narrow(past=1.0, age=3)
    state, seen = State.start(system, 3), []
    for _ in range(7):
        before = {name: p.vector.copy() for name, p in state.params.items()}
        steps(system, state, 1)
        seen.append((before, {name: state.memory[f"past.{name}"].copy() for name in "DG"}))
    for step, (_, kept) in enumerate(seen):
        assert all(
            np.array_equal(kept[name], seen[step - step % 3][0][name]) for name in "DG"
        )  # taken in D's turn, before it learns
    told = system.at(8).with_state(state.moments, state.memory)
    batch = Batch(DIGITS.rows(np.arange(8)))
    moved = {name: p.like(1.5 * p.vector) for name, p in state.params.items()}
    gradient = lambda objective, params: (
        told.objectives()[objective](params, batch, 1).gradients[objective].vector
    )
    assert np.array_equal(gradient("G", state.params), gradient("G", {**state.params, "D": moved["D"]}))
    assert np.array_equal(gradient("D", state.params), gradient("D", {**state.params, "G": moved["G"]}))
    never = replace(told, past=0.0)
    assert not np.array_equal(
        never.objectives()["G"](state.params, batch, 1).gradients["G"].vector, gradient("G", state.params)
    )


def test_balance_trains_whoever_is_behind():
    """One turn a step: D while its loss, on the last batch that either of them saw, is above A; else G."""
    system, turns = build("hacks", "digits", 0.05).setting(balance=1.3, rate=0.005), []
    assert system.rounds(0) == ("D",)
    state = State.start(system, 3)
    for _ in range(40):
        expected = ("D",) if state.memory["loss"][0] > 1.3 else ("G",)
        (found,) = steps(system, state, 1)
        assert tuple(found) == expected
        turns += expected
    assert turns[0] == "D" and {"D", "G"} == set(turns)


# ---------------------------------------------------------------------------------------------------- the memory of a run

SYSTEM = build("hacks", "digits", 0.05).setting(
    replay=0.5, pool=32, past=0.3, age=2, historical=0.1, conditional=True, balance=0.5
)


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    words = {"batch_size": 8, "seed": 5, "log_every": 2, "picture_every": 100, "progress": False}
    training.train(SYSTEM, DIGITS, tmp_path / "whole", steps=7, **words)
    training.train(SYSTEM, DIGITS, tmp_path / "parts", steps=4, **words)
    training.train(SYSTEM, DIGITS, tmp_path / "parts", steps=7, resume=True, progress=False)
    whole, parts = ((tmp_path / name / "checkpoint.npz").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    with np.load(tmp_path / "whole" / "checkpoint.npz") as file:
        assert {name for name in file if name.startswith("memory.")} == {
            f"memory.{name}" for name in SYSTEM.memory()
        }
        assert file["memory.pool.count"] == 32 and file["memory.past.D"].any() and "D.past" in file


@pytest.mark.parametrize("name", ["pool.x", "pool.y", "pool.count", "past.G", "loss"])
def test_a_memory_that_is_forgotten_shows(name):
    """Each part is needed: without it the steps that follow are others."""
    ends = []
    system = SYSTEM if name == "loss" else SYSTEM.setting(balance=0.0)
    for forget in (False, True):
        state = State.start(system, 3)
        steps(system, state, 5)
        if forget:
            state.memory[name][...] = 0
        steps(system, state, 8)
        ends.append(np.concatenate([state.params[player].vector for player in "DG"]))
    assert not np.array_equal(*ends)


def test_the_memory_starts_at_what_the_system_says_and_is_written_by_name():
    state = State.start(SYSTEM, 0)
    assert (
        state.memory.keys() == SYSTEM.memory().keys()
        and state.memory["loss"] == 1.5
        and state.memory["pool.x"].shape == (32, 8, 8, 1)
    )
    assert np.array_equal(
        state.moments["D"]["past"], state.params["D"].vector
    )  # the mean before the first update
    assert build("gan", "digits", 0.05).memory() == {} == State.start(build("gan", "digits", 0.05), 0).memory
    for new in ({"other": np.zeros(1)}, {"loss": np.zeros(2, np.float32)}, {"loss": np.zeros(1)}):
        with pytest.raises(ValueError, match="Result.memory: expected arrays of .* as memory"):
            remember(state.memory, new)
    remember(state.memory, None)


# ---------------------------------------------------------------------------------------------------- historical averaging

SLOPES = [0.5, -1.5, 2.0, 0.25, -0.75]


def test_historical_averaging_by_hand():
    p, past, path = 0.7, [], []
    for g in SLOPES:
        pull = 2 * 0.3 * (p - np.mean(past)) if past else 0.0
        past.append(p)
        p -= 0.1 * (g + pull)
        path.append(p)
    q, optimizer, found = np.array([0.7]), Historical(SGD(0.1), 0.3), []
    state = optimizer.start(q)
    for g in SLOPES:
        optimizer.update(q, np.array([g]), state)
        found.append(q[0])
    assert (
        np.allclose(found, path, rtol=1e-14)
        and np.isclose(state["past"][0], np.mean(past))
        and state["step"] == 5
    )


def test_historical_wraps_any_rule_and_keeps_its_constants():
    plain, wrapped = Adam(0.1, clip=0.5), Historical(Adam(0.1, clip=0.5), 0.0)
    p, q, g = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), np.cos(np.arange(9.0))
    plain.update(p, g, plain.start(p))
    wrapped.update(q, g, wrapped.start(q))
    assert np.array_equal(p, q) and np.abs(q).max() == 0.5
    other = Historical(Adam(0.1), 0.2).changed(lr=0.3, weight_decay=0.1)
    assert repr(other) == "Historical(rule=Adam(lr=0.3, weight_decay=0.1), weight=0.2)"
    for words in ((Historical(SGD(0.1), 0.1), 0.1), (SGD(0.1), -1.0), (SGD(0.1), float("nan"))):
        with pytest.raises(ValueError, match="Historical: expected a rule"):
            Historical(*words)
    with pytest.raises(TypeError):
        SGD(0.1).changed(speed=1)


def test_unrolling_goes_through_historical_averaging():
    D = ng.mlp(2, 4, 1, activation=ng.Tanh)
    rng = np.random.default_rng(0)
    phi, real, fake = D.init(0, np.float64), rng.standard_normal((5, 2)), rng.standard_normal((3, 2))
    optimizer, weights = Historical(SGD(0.2, momentum=0.5), 0.4), rng.standard_normal(D.layout.size)
    state = optimizer.start(phi.vector) | {"step": 2, "past": phi.vector + 0.3}
    ahead = Unrolling(D, nonsaturating, optimizer, 3, state)
    value = lambda vector: weights @ ahead.forward(phi.like(vector), real, fake)[0].vector
    dphi, _ = ahead.backward(phi.like(weights), ahead.forward(phi, real, fake)[1])
    direction = rng.standard_normal(D.layout.size)
    numeric = (value(phi.vector + 1e-5 * direction) - value(phi.vector - 1e-5 * direction)) / 2e-5
    assert np.isclose(dphi.vector @ direction, numeric, rtol=1e-7)


class WithThePresent(Historical):
    """The mean that pulls counts the present weights too: half the pull at the second update."""

    def _rule(self, step, p, g, *moments):
        *moments, past = moments
        past += (p - past) / (step + 1)
        return self.rule._rule(step, p, self._pulled(p, g, past), *moments)


class NoPullBack(Historical):
    """The adjoint takes the pull for a constant."""

    def adjoint(self, dp1, dstate1, cache):
        dp, dg, dstate = super().adjoint(dp1, dstate1, cache)
        return dp - 2 * self.weight * dg, dg, dstate


class NoMeanInAdjoint(Historical):
    """The adjoint forgets that the mean takes the weights in."""

    def adjoint(self, dp1, dstate1, cache):
        dstate1 = None if dstate1 is None else dstate1 | {"past": None}
        return super().adjoint(dp1, dstate1, cache)


@pytest.mark.parametrize("kind", [WithThePresent, NoPullBack, NoMeanInAdjoint])
def test_a_planted_bug_of_the_optimiser_is_caught(kind):
    with pytest.raises(GradientError):
        check_optimizer(kind(Adam(0.1), 0.3))
    check_optimizer(Historical(Adam(0.1), 0.3))


# ---------------------------------------------------------------------------------------------------- dropout in tests too; the command line


def test_g_keeps_its_dropout_when_samples_are_drawn():
    on, off = (narrow("digits", dropout=rate).networks["G"] for rate in (0.5, 0.0))
    assert sum(isinstance(layer, Dropout) for layer in on) == 2 and not any(
        isinstance(layer, Dropout) for layer in off
    )
    system = build("hacks", "digits", 0.05).setting(dropout=0.5)
    sampler = sampling.Sampler(system, system.init(0), 1, 16, DIGITS)
    x, again, more = sampler(20, 3)[0], sampler(20, 3)[0], sampler(300, 3)[0]
    assert np.array_equal(x, again) and np.allclose(x, more[:20], atol=1e-6)  # no neighbour decides
    z = system.inputs(Batch({}, number=20), 3)
    quiet = system.networks["G"].forward(system.init(0)["G"], z, Pass(measured=sampler.statistics["G"]))[0]
    assert not np.allclose(x, quiet) and system.keeps_noise and not build("hacks", "digits", 0.05).keeps_noise
    assert not build("gan", "digits", 0.05).keeps_noise  # the list's point 17 only


def test_settings_on_the_command_line(numgan):
    given = [part for word in ("noise=0.2", "replay=0.5", "leaky=false", "k=2") for part in ("--set", word)]
    words = ("train", "hacks", "--width", 0.02, "--batch-size", 8, *given)
    code, out, _ = numgan(*words, "--steps", 3, "--out", "run")
    assert code == 0
    config = runs.read_config("run")
    assert config["recipe"]["settings"] == {"noise": 0.2, "replay": 0.5, "leaky": False, "k": 2}
    system = runs.open_run("run").system
    assert (system.noise, system.replay, system.leaky, system.k) == (
        0.2,
        0.5,
        False,
        2,
    ) and "MaxPool2d" in repr(system)
    assert numgan("train", "--resume", "run", "--steps", 5)[0] == 0
    numgan(*words, "--steps", 5, "--out", "whole")
    assert (checkpoint.Path("run") / "checkpoint.npz").read_bytes() == (
        checkpoint.Path("whole") / "checkpoint.npz"
    ).read_bytes()
    code, out, _ = numgan(
        "train",
        "hacks",
        "--smooth",
        0.8,
        "--lr",
        0.01,
        "--set",
        "historical=0.1",
        "--set",
        "k=3",
        "--dry-run",
        "--json",
    )
    plan = json.loads(out)
    assert (
        plan["recipe"]["smooth"] == 0.8
        and plan["optimizers"]["D"] == "Historical(rule=Adam(lr=0.01), weight=0.1)"
    )
    assert (
        runs.Recipe("hacks", "digits", smooth=0.8).build().smooth == 0.8
    )  # its own switch, not a second smoothing
    assert runs.Recipe("hacks", "digits", smooth=0.8).build().loss is nonsaturating
    rows = json.loads(numgan("systems", "--json")[1])
    assert (
        next(row for row in rows if row["preset"] == "digits" and row["system"] == "hacks")["settings"][
            "pool"
        ]
        == 1024
    )


@pytest.mark.parametrize(
    "words, parts",
    [
        (("gan", "--set", "k"), ("--set", "expected name=value", "'k'")),
        (("gan", "--set", "k=[2]"), ("expected name=value",)),
        (("gan", "--set", "k=two"), ("expected name=value",)),
        (("gan", "--set", "m=2"), ("GAN has no setting 'm'; there are k",)),
        (("gan", "--set", "k=0.5"), ("k: expected a whole number",)),
        *(
            ((name, "--set", "every=0", "--dry-run"), ("every: expected an integer of at least 1, got 0",))
            for name in ("r1", "r3gan")
        ),
        (("hacks", "--set", "noise=NaN"), ("noise: expected a finite number",)),
        (("--resume", "run", "--set", "k=2"), ("--set comes from the run",)),
    ],
)
def test_wrong_settings_on_the_command_line(numgan, words, parts):
    code, _, err = numgan("train", *words)
    assert code == 2 and all(part in err for part in parts)


def test_a_damaged_setting_in_a_configuration(numgan):
    numgan("train", "gan", "--width", 0.02, "--batch-size", 8, "--steps", 1, "--set", "k=2", "--out", "run")
    path = checkpoint.Path("run", "config.json")
    for bad in ('{"k": "2"}', "[]", '{"k": null}'):
        text = json.dumps(
            {
                **json.loads(path.read_text()),
                "recipe": {**json.loads(path.read_text())["recipe"], "settings": json.loads(bad)},
            }
        )
        checkpoint.Path("run", "config.json").write_text(text)
        code, _, err = numgan("sample", "run")
        assert code == 2 and "settings" in err


def test_the_systems_module_has_the_presets():
    assert list(systems.presets("hacks")) == ["digits", "none", "all", "conditional", "points"]
