"""One training step: the objectives' gradients, given to the optimisers, and what it does not change."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from training_cases import DIGITS, RING, step_once

import numgan as ng
from numgan import systems
from numgan.core.randomness import derive
from numgan.data import Batches, Dataset
from numgan.training import loop as training
from numgan.training.state import State


def test_a_step_is_the_objectives_gradient_given_to_the_optimiser():
    """Written out by hand once, for a system that shares its fakes."""
    system = systems.build("dcgan", "digits", 0.05)
    state, results = step_once(system, DIGITS)
    params, moments = system.init(5), {}
    batch = systems.Batch(DIGITS.rows(Batches(len(DIGITS), 8, 5).indices(0)))
    fakes = system.generate(params, batch, derive(5, "step", 0, "fakes"))
    for turn, name in enumerate(("D", "G")):
        result = system.objectives()[name](params, batch, derive(5, "step", 0, turn), fakes)
        params[name].vector[:], moments[name], _ = system.optimizers[name].step(
            params[name].vector,
            result.gradients[name].vector,
            system.optimizers[name].start(params[name].vector),
        )
        assert result.loss == results[name].loss
        assert np.array_equal(state.params[name].vector, params[name].vector)
        assert (
            np.array_equal(state.moments[name]["m"], moments[name]["m"]) and state.moments[name]["step"] == 1
        )
    assert (state.step, state.batches) == (1, 1)


@dataclass(frozen=True, eq=False, repr=False)
class Spy(Dataset):
    """A dataset that remembers which rows were asked for."""

    taken: list = field(default_factory=list)

    def rows(self, indices, pixels=(-1.0, 1.0)):
        self.taken.append(np.asarray(indices))
        return super().rows(indices, pixels)


def spy_on(dataset, rows=None):
    return Spy(
        dataset.name,
        dataset.x[:rows],
        None if dataset.labels is None else dataset.labels[:rows],
        dataset.classes,
    )


def test_every_row_is_visited_once_an_epoch_in_batches_of_one_size():
    spy, system = spy_on(DIGITS, 30), systems.build("dcgan", "digits", 0.05)
    state, feed = State.start(system, 0), spy.feed(8, 0)
    for _ in range(15):  # 15 x 8 = 4 x 30
        training.advance(system, state, feed, 0)
    assert {len(rows) for rows in spy.taken} == {8}
    assert (np.bincount(np.concatenate(spy.taken), minlength=30) == 4).all()
    assert feed.epoch(state.batches) == 4


def test_each_turn_takes_a_fresh_batch_unless_fakes_are_shared():
    spy = spy_on(RING)
    state, _ = step_once(replace(systems.build("gan", "points", 0.1), k=3), spy)
    assert state.batches == len(spy.taken) == 4 and not np.array_equal(spy.taken[0], spy.taken[1])
    assert state.moments["D"]["step"] == 3 and state.moments["G"]["step"] == 1
    spy = spy_on(DIGITS)
    state, _ = step_once(systems.build("conditional", "digits", 0.05), spy)
    assert state.batches == len(spy.taken) == 1


def test_pixels_are_mapped_to_the_systems_range():
    """What an objective is given, in a step and in a run."""

    def given(system, dataset):
        seen = []

        class Seen(type(system)):
            def discriminator(self, params, batch, seed, fakes=None):
                seen.append(batch["x"])
                return super().discriminator(params, batch, seed, fakes)

        step_once(Seen(**vars(system)), dataset)
        return seen[0]

    gan, first = systems.build("gan", "digits", 0.05), Batches(len(DIGITS), 8, 5).indices(0)
    x = given(replace(gan, pixels=(0.0, 1.0)), DIGITS)
    assert x.dtype == np.float32 and np.allclose(x, DIGITS.x[first] / 255, atol=1e-6)
    assert np.array_equal(given(gan, DIGITS), DIGITS.rows(first)["x"])
    assert np.allclose(given(gan, DIGITS), DIGITS.x[first] / 127.5 - 1, atol=1e-6)
    first = Batches(len(RING), 8, 5).indices(0)
    assert np.array_equal(
        given(replace(systems.build("gan", "points", 0.1), pixels=(0, 1)), RING), RING.x[first]
    )


def test_constants_that_change_with_time_are_resolved_at_each_step():
    class Timed(type(systems.build("dcgan", "digits", 0.05))):
        asked = []

        def at(self, step):
            self.asked.append(step)
            return self

    plain = systems.build("dcgan", "digits", 0.05)
    timed = Timed(**vars(plain))
    state = State.start(timed, 5)
    Timed.asked.clear()
    for _ in range(2):
        step_once(timed, DIGITS, state=state)
    assert Timed.asked == [0, 1]


def test_a_step_tells_the_system_the_moments_and_the_memory():
    told = []

    class Knowing(type(systems.build("dcgan", "digits", 0.05))):
        def with_state(self, moments, memory=None):
            told.append((moments, memory))
            return self

        def memory(self, dtype=np.float32):
            return {"kept": np.arange(3.0)}

        def objectives(self):
            def remembering(*words):
                return replace(plain["G"](*words), memory={"kept": np.array([7.0, 8.0, 9.0])})

            plain = super().objectives()
            return plain | {"G": remembering}

    system = Knowing(**vars(systems.build("dcgan", "digits", 0.05)))
    state = State.start(system, 5)
    assert list(state.memory["kept"]) == [0, 1, 2]
    step_once(system, DIGITS, state=state)
    assert list(state.memory["kept"]) == [7, 8, 9]  # what an objective remembers is written there
    ((moments, memory),) = told
    assert moments is state.moments and moments.keys() == {"D", "G"}
    assert memory.keys() == {"kept"} and np.shares_memory(memory["kept"], state.memory["kept"])
    with pytest.raises(ValueError, match="read-only"):
        memory["kept"][0] = 1


def test_the_moving_average_counts_the_first_steps_less():
    system = replace(systems.build("gan", "points", 0.1), average=0.9)
    state = State.start(system, 5)
    expected = state.params["G"].vector.astype(np.float64)
    for step in range(1, 120):
        step_once(system, RING, state=state)
        decay = min(0.9, step / (step + 9))
        expected = decay * expected + (1 - decay) * state.params["G"].vector
    average = state.averages["G"].vector
    assert np.allclose(average, expected, atol=1e-5) and not np.allclose(
        average, state.params["G"].vector, atol=1e-4
    )
    assert (
        state.averages.keys() == {"G"}
        and state.sampled["G"] is state.averages["G"]
        and state.sampled["D"] is state.params["D"]
    )


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_held_vectors_are_renewed_by_an_update_and_nothing_else_moves_them(decay):
    """Weight decay shrinks u and v too: they are put back, then moved on by one power iteration."""
    system = systems.build("hinge", "points", 0.1).with_optimizers(
        lambda name, opt: ng.SGD(0.01, weight_decay=decay, clip=0.05)
    )
    system = replace(system, average=0.5)
    state = State.start(system, 5)
    before = state.params["D"].copy()
    step_once(system, RING, state=state)
    after, held = state.params["D"], state.params["D"].layout.held
    assert len(held) == 6
    for path in held:
        layer, name = path.rsplit(".", 1)
        W, u = after[f"{layer}.W"], before[f"{layer}.u"]
        v = u @ W / np.linalg.norm(u @ W)
        expected = v if name == "v" else W @ v / np.linalg.norm(W @ v)
        assert np.allclose(after[path], expected, atol=1e-5) and abs(np.linalg.norm(after[path]) - 1) < 1e-5


def test_both_backends_train_alike(tmp_path):
    """Not to the bit, but to rounding: three steps of plain gradient descent."""
    if ng.backend() == "reference":
        pytest.skip("needs the compiled kernels beside the reference ones")
    ends = []
    for backend in ("reference", "compiled"):
        with ng.use_backend(backend):
            state, _ = step_once(
                systems.build("dcgan", "digits", 0.05).with_optimizers(lambda name, opt: ng.SGD(0.1)), DIGITS
            )
        ends.append(state.params["D"].vector)
    assert np.allclose(*ends, atol=1e-5)
