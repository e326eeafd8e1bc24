"""Systems of other kinds than one generator and one discriminator. No line outside this file knows them.

A cycle of two generators and two discriminators on two unpaired sets, a translation of paired rows, an
autoencoder, and a run of two stages: each is checked, trained, killed and resumed bit for bit, sampled,
profiled, evaluated and examined.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from paired_cases import paired_set, unpaired_set

import numgan as ng
from numgan import data, systems
from numgan.bench.profile import profile
from numgan.core.parameters import gather
from numgan.core.randomness import derive
from numgan.evaluation import evaluate, health
from numgan.layers import LeakyReLU, Pass
from numgan.losses import least_squares
from numgan.networks import mlp
from numgan.optimizers import Adam
from numgan.systems import Result, System
from numgan.systems.games.two_player import TwoPlayerGAN
from numgan.systems.staged import Staged
from numgan.training import loop as training
from numgan.training import runs


def adam(*names):
    return {name: Adam(1e-3) for name in names}


# ---- four systems


@dataclass(frozen=True, kw_only=True, repr=False)
class Cycle(System):
    """CycleGAN in the plane.

    G: x -> y and F: y -> x, judged by DY and DX, with the cycle loss mean |F(G(x)) - x|^2.
    """

    weight: float = 2.0

    drawers, judges, made_from, target = ("G",), ("DX", "DY"), ("x",), "y"
    purpose = "translates x to y"

    @property
    def trains(self):
        return {"judges": ("DX", "DY"), "translators": ("G", "F")}

    def objectives(self):
        return {"judges": self.judging, "translators": self.translating}

    def inputs(self, batch, seed):
        return batch["x"]

    def example(self, n, rng):
        return {name: rng(name).standard_normal((n, 2)) for name in ("x", "y")}

    def there(self, params, batch, seed):
        """Every translation with its cache: {discriminator: (generator, real rows there, fakes, cache)}."""
        made = {}
        for name, source, target, judge in (("G", "x", "y", "DY"), ("F", "y", "x", "DX")):
            fake, cache = self.networks[name].forward(params[name], batch[source], Pass(derive(seed, name)))
            made[judge] = name, batch[target], fake, cache
        return made

    def judging(self, params, batch, seed):
        """The least-squares loss of both discriminators."""
        total, gradients = 0.0, {}
        for judge, (_, real, fake, _) in self.there(params, batch, seed).items():
            D, phi = self.networks[judge], params[judge]
            a, c_real = D.forward(phi, real, Pass())
            b, c_fake = D.forward(phi, fake, Pass())
            loss, da, db = least_squares.discriminator(a, b)
            total += loss
            gradients[judge] = (
                D.backward(da, c_real, need_dx=False)[1] + D.backward(db, c_fake, need_dx=False)[1]
            )
        return Result(total, gradients, {})

    def translating(self, params, batch, seed):
        """Both generators' loss.

        Each is used twice, in its own translation and in the way back, and its gradients add up.
        """
        total, gradients, back = 0.0, {}, {"G": ("F", "x"), "F": ("G", "y")}
        for judge, (name, _, fake, cache) in self.there(params, batch, seed).items():
            b, c_judge = self.networks[judge].forward(params[judge], fake, Pass())
            loss, db = least_squares.generator(b)
            dfake, _ = self.networks[judge].backward(db, c_judge, frozen=True)
            other, source = back[name]
            again, c_again = self.networks[other].forward(params[other], fake, Pass())
            error = again - batch[source]
            dback, d_other = self.networks[other].backward(2 * self.weight * error / error.size, c_again)
            _, d_own = self.networks[name].backward(dfake + dback, cache, need_dx=False)
            total += loss + self.weight * np.mean(error**2)
            for owner, gradient in ((name, d_own), (other, d_other)):
                gradients[owner] = gradients[owner] + gradient if owner in gradients else gradient
        return Result(total, gradients, {"cycle": total})


def cycle():
    nets = {
        "G": mlp(2, 8, 2),
        "F": mlp(2, 8, 2),
        "DX": mlp(2, 8, 1, activation=LeakyReLU),
        "DY": mlp(2, 8, 1, activation=LeakyReLU),
    }
    return Cycle(networks=nets, optimizers=adam(*nets), sample_shape=(2,), average=0.9, batch_size=20)


@dataclass(frozen=True, kw_only=True, repr=False)
class Translation(System):
    """pix2pix without a discriminator, on features that a fixed network gives.

    G: x -> y descends on mean (E(G(x)) - E(y))^2; E never changes.
    """

    drawers, made_from, target = ("G",), ("x",), "y"
    purpose = "translates x to y"

    def objectives(self):
        return {"G": self.distance}

    def inputs(self, batch, seed):
        return batch["x"]

    def example(self, n, rng):
        return {name: rng(name).standard_normal((n, 2)) for name in ("x", "y")}

    def distance(self, params, batch, seed):
        """The squared distance of features, and its gradient in G, through the fixed network."""
        E = self.networks["E"]
        y, cache = self.networks["G"].forward(params["G"], batch["x"], Pass(derive(seed, "G")))
        got, c_features = E.forward(params["E"], y, Pass())
        error = got - E.forward(params["E"], batch["y"], Pass())[0]
        dy, _ = E.backward(2 * error / error.size, c_features, frozen=True)
        return Result(np.mean(error**2), {"G": self.networks["G"].backward(dy, cache, need_dx=False)[1]}, {})


def translation():
    return Translation(
        networks={"G": mlp(2, 8, 2), "E": mlp(2, 6, 3, activation=ng.Tanh)},
        optimizers=adam("G"),
        sample_shape=(2,),
        batch_size=20,
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class Autoencoder(System):
    """decoder(encoder(x)), trained together on mean (y - x)^2; no discriminator and no noise."""

    drawers, made_from = ("encoder", "decoder"), ("x",)
    purpose = "reconstructs pictures"

    @property
    def trains(self):
        return {"reconstruction": ("encoder", "decoder")}

    def objectives(self):
        return {"reconstruction": self.reconstruction}

    def inputs(self, batch, seed):
        return batch["x"]

    def draw(self, params, inputs, contexts):
        caches, x = {}, inputs
        for name in self.drawers:
            x, caches[name] = self.networks[name].forward(params[name], x, contexts[name])
        return x, caches

    def reconstruction(self, params, batch, seed):
        """mean (decoder(encoder(x)) - x)^2, and its gradient in both networks."""
        y, caches = self.draw(params, batch["x"], {name: Pass(derive(seed, name)) for name in self.drawers})
        error = y - batch["x"]
        dcode, d_decoder = self.networks["decoder"].backward(2 * error / error.size, caches["decoder"])
        _, d_encoder = self.networks["encoder"].backward(dcode, caches["encoder"], need_dx=False)
        return Result(np.mean(error**2), {"encoder": d_encoder, "decoder": d_decoder}, {})


def autoencoder():
    encoder = ng.Sequential(ng.Flatten(), ng.Dense(64, 12), ng.BatchNorm(12), ng.ReLU(), ng.Dense(12, 6))
    decoder = ng.Sequential(ng.Dense(6, 64), ng.Tanh(), ng.Reshape(8, 8, 1))
    return Autoencoder(
        networks={"encoder": encoder, "decoder": decoder},
        optimizers=adam("encoder", "decoder"),
        sample_shape=(8, 8, 1),
        batch_size=20,
    )


def stages():
    """Pre-training of G's first half on nothing but the game of a small net, then a wider game in which G
    keeps its layers.
    """

    def game(discriminator, lr, steps):
        nets = {"G": mlp(2, 8, 2), "D": mlp(2, *discriminator, 1, activation=LeakyReLU)}
        return steps, TwoPlayerGAN(
            latent=systems.Latent(2),
            networks=nets,
            optimizers={name: Adam(lr) for name in nets},
            sample_shape=(2,),
            batch_size=20,
            average=0.9,
        )

    return Staged.of(game((6,), 1e-3, 7), game((9, 9), 1e-4, 13))


FAMILY = {
    "cycle": (cycle, unpaired_set),
    "translation": (translation, paired_set),
    "autoencoder": (autoencoder, lambda: data.load("digits")),
    "stages": (stages, lambda: data.load("ring")),
}


every = pytest.mark.parametrize(
    "system, dataset", [pytest.param(make(), get(), id=name) for name, (make, get) in FAMILY.items()]
)


# ---- what the library does with them


@every
def test_every_gradient_and_the_contract(system, dataset):
    report = ng.check_system(system, slow=True)
    assert report.max_error <= 1e-6


class Killed(Exception):
    pass


@every
def test_a_run_that_was_killed_ends_with_the_same_bits(system, dataset, tmp_path):
    """Killed after steps 3, 7 and 8, resumed each time: 7 is the first step of the second stage."""
    whole = training.train(
        system,
        dataset,
        tmp_path / "whole",
        steps=10,
        seed=1,
        picture_every=10,
        checkpoint_every=1,
        progress=False,
    )

    def train(**words):
        return training.train(system, dataset, tmp_path / "cut", checkpoint_every=1, progress=False, **words)

    for at in (3, 7, 8):

        def kill(state, at=at):
            if state.step == at:
                raise Killed

        with pytest.raises(Killed):
            train(look=kill, **{"steps": 10, "seed": 1, "picture_every": 10} if at == 3 else {"resume": True})
    train(resume=True)
    one, two = (runs.open_run(folder, system, dataset).state for folder in (whole.folder, tmp_path / "cut"))
    assert one.step == two.step == 10 and one.vectors().keys() == two.vectors().keys()
    assert all(np.array_equal(one.vectors()[name], two.vectors()[name]) for name in one.vectors())


@pytest.fixture(params=FAMILY)
def run(request, tmp_path):
    make, get = FAMILY[request.param]
    system, dataset = make(), get()
    training.train(
        system,
        dataset,
        tmp_path / "run",
        steps=40,
        batch_size=20,
        log_every=1,
        picture_every=40,
        progress=False,
    )
    return runs.open_run(tmp_path / "run", system, dataset)


def test_a_run_is_sampled_evaluated_and_examined(run):
    x, labels = run.sampler()(30, seed=1)
    assert x.shape == (30, *run.dataset.columns[run.system.target].shape[1:]) and labels is None
    assert np.array_equal(x, run.sampler()(30, seed=1)[0])
    assert (run.folder / "samples.png").stat().st_size > 0
    found = evaluate(run, count=20, progress=False)
    assert np.isfinite(found["figures"]["precision" if x.ndim == 2 else "mmd"]["samples"])
    verdicts = {verdict.check: verdict for verdict in health.examine(run)}
    assert {"losses", "discriminator"} <= verdicts.keys() or run.system.judges
    if run.config["usual_steps"] == 20:
        assert "steps" not in verdicts, "both stages have 20 steps together, and this run has 40"
    else:
        assert verdicts["steps"].says.startswith("it is young: 40 of the system's ")
    if "copies" in verdicts:  # some of these data have too few rows
        assert ("does not apply" in verdicts["copies"].says) == bool(run.system.made_from)
    if not run.system.judges:
        assert "does not apply" in verdicts["discriminator"].says and verdicts["discriminator"].level == "ok"


@every
def test_a_step_is_profiled(system, dataset):
    found = profile(system.stages[-1][1], steps=2, batch_size=6)
    assert {row["network"] for row in found["rows"]} >= set(system.optimizers)


# ---- what each of them is about


def test_an_objective_trains_both_generators_and_a_gradient_of_two_uses_is_the_sum():
    point = ng.checking.system.SystemPoint(cycle())
    result = point.run("translators")
    assert set(result.gradients) == {"G", "F"} and all(
        gradient.vector.any() for gradient in result.gradients.values()
    )


def test_a_network_without_an_optimiser_never_changes(tmp_path):
    system, dataset = translation(), paired_set()
    first = training.State.start(system, 0).params["E"].vector
    training.train(system, dataset, tmp_path / "run", steps=15, picture_every=15, progress=False)
    state = runs.open_run(tmp_path / "run", system, dataset).state
    assert np.array_equal(state.params["E"].vector, first) and set(state.moments) == {"G"}


def test_a_run_starts_from_the_weights_of_another(tmp_path):
    system, dataset = translation(), paired_set()
    training.train(system, dataset, tmp_path / "first", steps=5, picture_every=5, progress=False)
    weights = runs.open_run(tmp_path / "first", system, dataset).state.params
    training.train(
        system, dataset, tmp_path / "second", steps=1, seed=9, weights={"E": weights["E"]}, progress=False
    )
    state = runs.open_run(tmp_path / "second", system, dataset).state
    assert np.array_equal(state.params["E"].vector, weights["E"].vector)
    assert not np.allclose(state.params["G"].vector, weights["G"].vector, atol=0.01)


def test_a_stage_keeps_what_it_has_and_starts_its_optimisers_anew():
    system, feed = stages(), data.load("ring").feed(20, 0)
    state = training.State.start(system, 0)
    for _ in range(6):
        training.advance(system, state, feed, 0)
    before = state.params["G"].vector.copy()
    D = state.params["D"]
    training.advance(system, state, feed, 0)
    assert state.step == 7 and state.params["G"].vector.size == before.size
    assert not np.array_equal(state.params["G"].vector, before)  # the seventh step of the first stage
    assert (
        state.params["D"].vector.size > D.vector.size
        and state.moments["D"]["step"] == state.moments["G"]["step"] == 0
    )
    after = state.params["G"].vector.copy()
    training.advance(system, state, feed, 0)
    assert 0 < np.abs(state.params["G"].vector - after).max() < 2e-4  # the second stage's rate


def test_a_missing_frozen_is_found_in_any_network():
    class Leaky(Cycle):
        def translating(self, params, batch, seed):
            for judge, (_, _, fake, _) in self.there(params, batch, seed).items():
                y, cache = self.networks[judge].forward(params[judge], fake, Pass())
                self.networks[judge].backward(y, cache)
            return super().translating(params, batch, seed)

    good = cycle()
    leaky = Leaky(**{name: getattr(good, name) for name in good.__dataclass_fields__})
    with pytest.raises(ng.GradientError, match="does not train D[XY]; pass frozen=True"):
        ng.check_system(leaky)


def test_a_missing_frozen_is_found_in_a_layer_of_ones_own():
    class Halves(ng.Layer):
        """Its parts' passes, but frozen is forgotten on the way."""

        def __init__(self, part):
            self.children = {"part": part}

        def forward(self, p, x, run):
            return self.children["part"].forward(p.child("part"), x, run.child("part"))

        def backward(self, dy, cache, frozen=False, need_dx=True):
            dx, dp = self.children["part"].backward(dy, cache)
            return dx, None if frozen else gather(self.layout, [("part", dp)], dy.dtype)

    system = translation()
    with pytest.raises(ng.GradientError, match="of E computes its weight gradient"):
        ng.check_system(replace(system, networks=system.networks | {"E": Halves(system.networks["E"])}))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda result: replace(result, loss=np.ones(2)), "loss: expected a number"),
        (lambda result: replace(result, gradients={}), "expected gradients of G"),
        (lambda result: replace(result, gradients={"G": None}), "gradient of G: expected Parameters"),
        (
            lambda result: replace(result, gradients={"G": result.gradients["G"].astype(np.float16)}),
            "gradient of G: expected float",
        ),
        (lambda result: replace(result, metrics={"distance": "far"}), "metric 'distance': expected a number"),
        (lambda result: None, "expected a Result"),
    ],
)
def test_a_result_that_cannot_be_used_is_refused_before_an_update(change, message):
    class Odd(Translation):
        def distance(self, params, batch, seed):
            return change(super().distance(params, batch, seed))

    good = translation()
    system = Odd(**{name: getattr(good, name) for name in good.__dataclass_fields__})
    state = training.State.start(system, 0)
    before = state.params["G"].vector.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        training.advance(system, state, paired_set().feed(20, 0), 0)
    assert np.array_equal(state.params["G"].vector, before)
    with pytest.raises((TypeError, ValueError), match=message):
        ng.check_system(system)


@pytest.mark.parametrize(
    "loss, metric",
    [(np.float32(2), np.float32(3)), (np.float64(2), np.ones(1)), (np.full((1, 1), 2.0), True), (2, 1)],
)
def test_numbers_of_every_kind_are_taken(loss, metric):
    class Odd(Translation):
        def distance(self, params, batch, seed):
            return replace(super().distance(params, batch, seed), loss=loss, metrics={"m": metric})

    good = translation()
    system = Odd(**{name: getattr(good, name) for name in good.__dataclass_fields__})
    (result,) = training.advance(
        system, training.State.start(system, 0), paired_set().feed(20, 0), 0
    ).values()
    assert (
        type(result.loss) is float
        and result.loss == 2
        and all(type(value) is float for value in result.metrics.values())
    )


def test_the_reduction_stands_between_gradients_and_updates():
    """A reduction that doubles every gradient is the same as a loss that is doubled, of an optimiser that
    follows the gradient.
    """
    system = replace(translation(), optimizers={"G": ng.SGD(0.1)})
    seen, states = [], []
    for reduce in (lambda g: g, lambda g: seen.append(g.shape) or 2 * g):
        states.append(training.State.start(system, 0))
        training.advance(system, states[-1], paired_set().feed(20, 0), 0, reduce)
    start = training.State.start(system, 0).params["G"].vector
    moved = [state.params["G"].vector - start for state in states]
    assert seen == [start.shape] and np.allclose(moved[1], 2 * moved[0], rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize(
    "weights, error, message",
    [
        (lambda p: {"X": p}, ValueError, "expected networks among G, E, got 'X'"),
        (lambda p: {"G": p.vector}, TypeError, "expected Parameters for G, got ndarray"),
        (lambda p: {"G": mlp(2, 9, 2).init(0)}, ValueError, r"expected 0.W of G with shape \(2, 8\), got"),
        (lambda p: {"G": ng.Dense(2, 8).init(0)}, ValueError, "expected paths of G such as 0.W, got W, b"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(weights, error, message, tmp_path):
    system = translation()
    with pytest.raises(error, match=message):
        training.train(
            system, paired_set(), tmp_path / "run", weights=weights(system.init(0)["G"]), progress=False
        )
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_takes_no_weights(tmp_path):
    with pytest.raises(ValueError, match="continues with its own weights"):
        training.train(translation(), paired_set(), tmp_path, resume=True, weights={}, progress=False)


def test_stages_see_the_same_data():
    with pytest.raises(ValueError, match="expected one pixels for all stages"):
        Staged.of((2, ng.build("gan", "mnist", 0.01)), (2, ng.build("gan", "paper", 0.01)))
