"""inf and nan: a step stops before its update and names the layer; the last checkpoint stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
from training_cases import DIGITS, RING, checkpoint_step, step_once

import numgan as ng
from numgan import systems
from numgan.core.errors import FileFormatError, NonFiniteError
from numgan.core.randomness import derive
from numgan.layers import Dense, ReLU, Sequential
from numgan.losses import Curve, nonsaturating
from numgan.systems import Result
from numgan.training import blame, checkpoint
from numgan.training import loop as training
from numgan.training import step as one_step
from numgan.training.state import State


def poisoned(network, path, value=np.inf):
    system = systems.build("gan", "points", 0.1)
    state = State.start(system, 5)
    state.params[network][path][...] = value
    return system, state


@pytest.mark.parametrize(
    "network, path, named",
    [
        ("G", "2.W", "objective D: the output of 2 Dense.*in network G"),
        ("D", "4.b", "objective D: the output of 4 Dense.*in network D"),
        ("D", "0.W", "objective D: the output of 0 Dense.*in network D"),
    ],
)
def test_the_layer_whose_output_is_not_finite_is_named(network, path, named):
    system, state = poisoned(network, path, np.nan)
    before = {name: p.vector.copy() for name, p in state.params.items()}
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=f"step 1, {named}"):
        training.advance(system, state, RING.feed(8, 5), 5)
    assert (
        all(np.array_equal(before[name], p.vector, equal_nan=True) for name, p in state.params.items())
        and state.step == 0
    )


@pytest.mark.parametrize("name", ["r1", "wgan_gp", "roth"])
def test_a_penalty_says_where_too(name):
    system = systems.build(name, "points", 0.1)
    state = State.start(system, 5)
    state.params["D"]["0.W"][...] = np.nan
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="step 1, objective D: the output of 0 .*in network D"),
    ):
        training.advance(system, state, RING.feed(8, 5), 5)


def test_shared_fakes_are_watched_too():
    system = systems.build("conditional", "digits", 0.05)
    state = State.start(system, 5)
    state.params["G"]["2.layer.0.W"][...] = np.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            NonFiniteError, match=r"objective D: the output of 2\.layer\.0 ConvTranspose2d.*in network G"
        ),
    ):
        step_once(system, DIGITS, state=state)


@pytest.mark.parametrize("name", ["gan", "conditional"])
def test_a_bad_step_is_repeated_with_the_seeds_that_it_had(name, monkeypatch):
    """Other fakes could be finite."""
    asked = []
    monkeypatch.setattr(one_step, "locate", lambda *arguments: asked.append(arguments) or "here")
    system = systems.build(name, "digits", 0.05)
    state = State.start(system, 5)
    state.step = 7
    state.params["D"].vector[...] = np.nan
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="^step 8, objective D: here$"):
        step_once(system, DIGITS, state=state)
    ((now, objective, params, batch, key, again, result),) = asked
    assert (
        objective == "D"
        and params is state.params
        and key == derive(5, "step", 7, 0)
        and np.isnan(result.loss)
    )
    assert again == derive(5, "step", 7, "fakes") and len(batch["x"]) == 8


@pytest.mark.parametrize("name, shared", [("gan", False), ("dcgan", True)])
def test_the_fakes_of_a_bad_step_are_those_that_it_had(name, shared):
    system, told = systems.build(name, "digits", 0.05), []

    class Told(type(system)):
        def objectives(self):
            return {"D": lambda params, batch, seed, fakes=None: told.append((seed, fakes))}

    system = Told(**vars(system))
    params, batch = system.init(0), systems.Batch(DIGITS.rows(np.arange(6)))
    result = Result(np.inf, {"D": params["D"].zeros()}, {})
    said = blame.locate(system, "D", params, batch, 11, 12, result)
    assert said == "all layers are finite, and the loss is inf" and [seed for seed, _ in told] == [11]
    ((_, fakes),) = told
    assert fakes is None if not shared else np.array_equal(fakes.x, system.generate(params, batch, 12).x)


class Steep(Dense):
    """A Dense layer whose weight gradient is nan: the forward pass shows nothing."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx, dp and {**dp, "W": dp["W"] * np.nan}


def test_the_gradient_that_is_not_finite_is_named_from_the_output():
    system = systems.build("gan", "points", 0.1)
    D = Sequential(Dense(2, 5), ReLU(), Sequential(Steep(5, 5), ReLU()), Steep(5, 5), Dense(5, 1))
    with pytest.raises(
        NonFiniteError,
        match=r"objective D: all layers are finite.*gradient of D's 3\.W, of Steep\(5, 5\).*first of 2",
    ):
        step_once(replace(system, networks=system.networks | {"D": D}), RING)


@pytest.mark.parametrize("steep, last", [((0,), 0), ((0, 2, 4), 4), ((0, 2, 4, 6), 6)])
def test_of_many_bad_gradients_the_one_nearest_to_the_output_is_named(steep, last):
    """The others are bad because it is: a gradient comes from the output."""
    system = systems.build("gan", "points", 0.1)
    sizes = {0: (2, 5), 2: (5, 6), 4: (6, 7), 6: (7, 1)}
    D = Sequential(*(ReLU() if i % 2 else (Steep if i in steep else Dense)(*sizes[i]) for i in range(7)))
    layer = rf"{last}\.W, of Steep\({sizes[last][0]}, {sizes[last][1]}\)"
    named = rf"gradient of D's {layer}, is not \(the first of {len(steep)}, seen from the output\)"
    with pytest.raises(NonFiniteError, match=named):
        step_once(replace(system, networks=system.networks | {"D": D}), RING)


def test_a_loss_that_is_not_finite_is_named():
    bad = Curve(lambda a: a * np.inf, np.ones_like, np.zeros_like)
    system = replace(systems.build("gan", "points", 0.1), loss=replace(nonsaturating, for_generator=bad))
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="objective G: all layers are finite, and the loss is"),
    ):
        step_once(system, RING)


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(tmp_path):
    class Breaks(systems.gan.GAN):
        def generator(self, params, batch, seed, fakes=None):
            result = super().generator(params, batch, seed, fakes)
            return result if moved(params) < 3 else Result(float("nan"), result.gradients, {})

    counted = []
    moved = lambda params: (counted.append(0), len(counted) - 1)[1]
    system = Breaks(**vars(systems.build("gan", "points", 0.1)))
    out = tmp_path / "run"
    with pytest.raises(
        NonFiniteError, match=f"step 4, objective G: .*{out} keeps the checkpoint of step 3.*--lr"
    ):
        training.train(
            system, RING, out, steps=9, batch_size=8, picture_every=9, checkpoint_every=1, progress=False
        )
    assert checkpoint_step(out) == 3
    assert json.loads((out / "config.json").read_text())["diverged"].startswith("step 4, objective G: ")


def test_weights_that_an_update_made_infinite_are_never_saved(tmp_path):
    system = systems.build("gan", "points", 0.1).with_optimizers(
        lambda name, opt: ng.SGD(1e300 if name == "G" else 0.1)
    )
    with pytest.raises(
        NonFiniteError,
        match=r"step 1, update of G: the new weights of 0.W, of Dense\(2, 12\), are not finite.*"
        "checkpoint of step 0",
    ):
        training.train(system, RING, tmp_path / "run", steps=1, batch_size=8, picture_every=9, progress=False)
    assert checkpoint_step(tmp_path / "run") == 0


@pytest.mark.parametrize("what", ["new weights", "moment 'v'"])
@pytest.mark.parametrize("entry, path", [(0, "0.W"), (-1, "4.b")])
def test_one_entry_that_an_update_spoiled_is_enough(what, entry, path):
    system = systems.build("gan", "points", 0.1)
    state = State.start(system, 0)
    assert blame.locate_update(system, "G", state) is None
    (state.params["G"].vector if what == "new weights" else state.moments["G"]["v"])[entry] = np.inf
    assert blame.locate_update(system, "G", state).startswith(f"the {what} of {path}, of Dense(")


def test_a_checkpoint_of_infinite_weights_is_refused(tmp_path):
    system, about = systems.build("gan", "digits", 0.05), {"a": 1}
    state = State.start(system, 0)
    state.params["G"].vector[0] = np.nan
    checkpoint.save(tmp_path / "checkpoint.npz", state, about)
    with pytest.raises(FileFormatError, match="expected G.weights of finite numbers, got inf or nan"):
        checkpoint.load(tmp_path / "checkpoint.npz", system, about)
    with pytest.raises(FileFormatError, match="expected a file of at least"):
        checkpoint.load(tmp_path / "checkpoint.npz", systems.build("dcgan", "mnist"), about)
