"""Systems and remedies of one's own: what they keep survives a resume, and what does not fit is refused."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import numgan as ng
from numgan import data
from numgan.data import Dataset
from numgan.layers import Pass
from numgan.remedies.remedy import Remedy
from numgan.remedies.replay import PastPlayers, Replay
from numgan.systems import Latent, Result, System, checked, remember
from numgan.systems.games.two_player import TwoPlayerGAN
from numgan.systems.staged import Staged
from numgan.training import checkpoint, loop
from numgan.training.state import State

FEW = Dataset("few", data.load("ring").x[:20], source="a test")


def game(*remedies):
    networks = {"G": ng.mlp(2, 3, 2), "D": ng.mlp(2, 3, 1)}
    rules = {name: ng.SGD(0.1) for name in networks}
    return TwoPlayerGAN(
        networks=networks, optimizers=rules, latent=Latent(2), sample_shape=(2,), remedies=remedies
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class Small(System):
    """A: x -> y descends on mean y^2 / 2."""

    change: object = None

    def objectives(self):
        return {"A": self.descend}

    def descend(self, params, batch, seed):
        y, cache = self.networks["A"].forward(params["A"], batch["x"], Pass(seed))
        _, dp = self.networks["A"].backward(y / len(y), cache, need_dx=False)
        result = Result((y**2).mean(), {"A": dp}, {})
        return replace(result, **self.change) if self.change else result


def small(kind=Small, **words):
    plain = {"networks": {"A": ng.mlp(2, 3, 2)}, "optimizers": {"A": ng.SGD(0.1)}, "sample_shape": (2,)}
    return kind(**plain | words)


def train(system, out, steps=2, **words):
    return loop.train(system, FEW, out, steps=steps, batch_size=4, progress=False, **words)


class Keeps(Remedy):
    """Keeps one array."""

    def __init__(self, array):
        self.array = array

    def memory(self, game, dtype):
        return {"kept": self.array}


@pytest.mark.parametrize(
    "array",
    [
        np.array([-3, 2**62]),
        np.zeros(0, np.int64),
        np.array(-1),
        np.array([np.inf, np.nan]),
        np.arange(6, dtype=np.float32).reshape(3, 2).T,
        np.broadcast_to(np.float32(1.5), (2, 3)),
        np.array([True, False]),
    ],
    ids=["negative", "empty", "no axis", "inf", "transposed", "read-only", "bools"],
)
def test_any_array_of_numbers_is_kept_over_a_resume(array, tmp_path):
    seen = []
    train(game(Keeps(array)), tmp_path / "run")
    train(
        game(Keeps(array)),
        tmp_path / "run",
        3,
        resume=True,
        look=lambda state: seen.append(state.memory["kept"]),
    )
    assert np.array_equal(seen[0], array, equal_nan=array.dtype.kind == "f") and seen[0].dtype == array.dtype


def test_the_state_has_arrays_of_its_own():
    array = np.zeros(2)
    state = State.start(game(Keeps(array)), 0)
    state.memory["kept"][...] = 1
    assert array.tolist() == [0, 0]


@pytest.mark.parametrize("wrong", [1.0, [1.0], np.array(["a"]), np.array([None]), np.zeros(1, complex)])
def test_memory_of_other_kinds_is_refused(wrong):
    with pytest.raises(
        TypeError, match=r"memory: expected kept as an array of numbers, got .*; make it with"
    ):
        State.start(game(Keeps(wrong)), 0)


@pytest.mark.parametrize("new", [1.0, [1.0], np.zeros(1, np.float32), np.zeros(2)])
def test_new_memory_of_another_form_is_refused(new):
    held = {"kept": np.zeros(1)}
    with pytest.raises(ValueError, match=r"expected arrays of kept \(1,\) float64, .* got kept"):
        remember(held, {"kept": new})
    remember(held, {"kept": np.full(1, 3.0)})
    assert held["kept"].tolist() == [3]


@pytest.mark.parametrize(
    "two",
    [(Replay(0.5, 9), Replay(0.2, 9)), (PastPlayers(0.5, 2), PastPlayers(0.5, 3))],
    ids=["pool", "past"],
)
def test_two_remedies_do_not_keep_one_array(two):
    with pytest.raises(ValueError, match="keep arrays of different names, got '(pool|past)[.].*' twice"):
        game(*two).memory()


def test_a_remedy_that_is_no_dataclass_has_no_settings_and_is_known_by_its_values():
    class Scaled(Remedy):
        def __init__(self, by):
            self.by = by

    assert game(Scaled(2)).settings == {"k": 1} and game(Scaled(2)).setting(k=3).k == 3
    about = [checkpoint.identity(game(Scaled(by)), FEW, 4, 0)["remedies"] for by in (2, 2, 3)]
    assert about == ["(Scaled(by=2),)", "(Scaled(by=2),)", "(Scaled(by=3),)"]  # no address in memory


@pytest.mark.parametrize("wrong", [None, Keeps(1), [Keeps(1)]])
def test_remedies_are_a_tuple(wrong):
    with pytest.raises(TypeError, match="expected remedies as a tuple of remedies such as"):
        replace(game(), remedies=wrong)


@pytest.mark.parametrize("latent", [None, 3])
def test_a_game_that_draws_from_noise_needs_its_prior(latent, tmp_path):
    nets = {"G": ng.mlp(3, 4, 2), "D": ng.mlp(2, 4, 1)}
    words = {"networks": nets, "optimizers": dict.fromkeys(nets, ng.SGD(0.1)), "sample_shape": (2,)}
    with pytest.raises(TypeError, match=r"TwoPlayerGAN: expected latent=numgan.systems.Latent\(SIZE\).* got"):
        ng.TwoPlayerGAN(latent=latent, **words)
    made = ng.TwoPlayerGAN(latent=Latent(3), **words)
    assert train(made, tmp_path / "run").steps == 2

    class FromRows(ng.TwoPlayerGAN):
        """G draws from rows of the data, and needs no prior."""

        def inputs(self, batch, seed):
            return np.resize(batch["x"], (batch.fakes, 2)).astype(batch.dtype)

    from_rows = FromRows(**words | {"networks": nets | {"G": ng.mlp(2, 4, 2)}})
    assert "gradient of G" in str(ng.check_system(from_rows))


@pytest.mark.parametrize(
    "words, message",
    [
        (
            {"optimizers": {}},
            "Small: expected an optimiser of A, because an objective trains it, got those of none",
        ),
        ({"optimizers": {"A": ng.SGD(0.1), "B": ng.SGD(0.1)}}, "optimizers among the networks A, got 'B'"),
        ({"networks": {}}, "Small: expected optimizers among the networks none, got 'A'"),
        (
            {"kind": type("S", (Small,), {"drawers": ("B",)})},
            "S: expected drawers among the networks A, got 'B'",
        ),
        (
            {"kind": type("S", (Small,), {"judges": ("B",)})},
            "S: expected judges among the networks A, got 'B'",
        ),
        (
            {"kind": type("S", (Small,), {"trains": {"A": ("B",)}})},
            "trains of A among the networks A, got 'B'",
        ),
        (
            {"kind": type("S", (Small,), {"trains": {"B": ("A",)}})},
            "S.trains: .* objective A trains, got those of B",
        ),
    ],
    ids=lambda value: None,
)
def test_roles_name_networks_before_anything_is_written(words, message, tmp_path):
    for system in (small(**words), Staged.of((1, small()), (2, small(**words)))):
        with pytest.raises(ValueError, match=message):
            train(system, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rounds_name_objectives(tmp_path):
    kind = type("S", (Small,), {"rounds": lambda self, step: ("A", "B")})
    with pytest.raises(ValueError, match=r"S.rounds: expected objectives among A, got 'B'"):
        train(small(kind), tmp_path / "run")


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"gradients": None}, TypeError, "expected gradients as a dict .* got NoneType"),
        ({"gradients": {1: None}}, ValueError, "expected gradients of A, .* got 1; define"),
        ({"metrics": [1.0]}, TypeError, "expected metrics as a dict .* got list"),
        ({"metrics": {1: 1.0}}, ValueError, "a metric's name: expected text .* got 1"),
        ({"metrics": {"a\0": 1.0}}, ValueError, "a metric's name: expected text of at most 1,000"),
        ({"metrics": {"a" * 1001: 1.0}}, ValueError, "a metric's name: expected text of at most 1,000"),
        ({"memory": [1.0]}, TypeError, "expected memory as a dict .* or None, got list"),
    ],
)
def test_a_result_of_another_form_is_refused(change, error, message):
    system = small(change=change)
    params = system.init()
    with pytest.raises(error, match=f"objective A: {message}"):
        checked(system.descend(params, FEW.rows([0, 1]), 0), params, ("A",), "objective A")


@pytest.mark.parametrize(
    "words, message",
    [
        ({"checkpoint_every": 0}, "checkpoint_every: expected an integer of at least 1, got 0"),
        ({"checkpoint_every": "a"}, "checkpoint_every: expected an integer of at least 1, got 'a'"),
        ({"checkpoint_seconds": np.nan}, "checkpoint_seconds: expected a number of at least 0, got nan"),
        ({"checkpoint_seconds": "a"}, "checkpoint_seconds: expected a number of at least 0, got 'a'"),
        ({"look": 3}, "look: expected a function of the State, got 3"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(words, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        train(small(), tmp_path / "run", **words)
    assert not (tmp_path / "run").exists()
    assert train(small(), tmp_path / "run", checkpoint_seconds=np.inf).steps == 2


def test_a_description_that_could_not_be_read_again_is_refused(tmp_path):
    with pytest.raises(ValueError, match="description of the run of at most 65,536 bytes, got 7"):
        train(small(change="a" * 70_000), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        ({"x": "text"}, "x as a plain array, got str; convert it with np.asarray"),
        ({"x": np.ma.masked_array(FEW.x, FEW.x > 0)}, "x as a plain array, got MaskedArray; .* x.filled"),
        ({"x": FEW.x, "labels": "0" * 20}, "labels"),
        ({"x": FEW.x, "others": {"t": np.ma.masked_array(FEW.x)}}, "the column t as an array of numbers"),
    ],
)
def test_columns_are_plain_arrays(words, message):
    with pytest.raises(ValueError, match=message):
        Dataset("d", **words)
