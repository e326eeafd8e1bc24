"""Exact values of the systems' common part: defaults, draws, results, settings, runs of three stages."""

import inspect
from dataclasses import dataclass, replace

import numpy as np
import pytest

import numgan as ng
from numgan import build
from numgan.checking.system import SystemPoint
from numgan.core.randomness import derive, stream
from numgan.layers import Dense
from numgan.networks import mlp
from numgan.optimizers import SGD, Adam
from numgan.systems import (
    SYSTEMS,
    Batch,
    Fakes,
    Latent,
    Result,
    System,
    checked,
    description,
    preset_for,
    presets,
    remember,
)
from numgan.systems.games.two_player import TwoPlayerGAN
from numgan.systems.staged import Staged

PLAYERS = [(name, preset) for name in SYSTEMS for preset in presets(name) if build(name, preset, 0.01).latent]


def game(**words):
    networks = {"G": mlp(2, 3, 2), "D": mlp(2, 3, 1)}
    plain = {"latent": Latent(2), "networks": networks, "sample_shape": (2,)}
    return TwoPlayerGAN(**plain | {"optimizers": {name: SGD(0.1) for name in networks}} | words)


# ---- batches and priors


def test_a_batch_has_a_number_of_fakes_and_a_type():
    x, y = np.zeros((5, 2)), np.zeros((5, 3), np.float32)
    assert Batch({"x": x}).fakes == 5 and Batch({"x": x}, 3).fakes == 3 and Batch({}, number=0).fakes == 0
    assert Batch({"labels": np.arange(5), "x": x, "y": y}).dtype == np.float64
    assert Batch({"labels": np.arange(5), "y": y, "x": x}).dtype == np.float32
    assert Batch({"labels": np.arange(5)}).dtype == Batch({}, 1).dtype == np.float32


def test_a_latent_is_drawn_in_float64_and_scaled():
    rng = lambda: np.random.default_rng(3)
    normal, flat = rng().standard_normal((50, 4)), rng().uniform(-1, 1, (50, 4))
    assert np.array_equal(Latent(4).draw(rng(), 50), normal.astype(np.float32))
    assert np.array_equal(Latent(4, "normal", 2.5).draw(rng(), 50, np.float64), 2.5 * normal)
    assert np.array_equal(Latent(4, "uniform").draw(rng(), 50, np.float64), flat)
    assert np.array_equal(Latent(4, "uniform", 0.5).draw(rng(), 50), (0.5 * flat).astype(np.float32))
    assert (Latent(1).size, Latent(1).kind, Latent(1).scale) == (1, "normal", 1.0)


# ---- what a system is unless it says otherwise


def test_a_system_that_says_nothing():
    system = System(networks={}, optimizers={}, sample_shape=(2,))
    assert (system.latent, system.classes, system.pixels, system.average) == (None, 0, (-1.0, 1.0), 0.0)
    assert (system.batch_size, system.steps, system.shares_fakes, system.data) == (64, 2000, False, "digits")
    assert (system.drawers, system.judges, system.made_from, system.target) == ((), (), (), "x")
    assert (system.packed, system.compares_pairs, system.keeps_noise, system.looks_ahead) == (
        1,
        False,
        False,
        False,
    )
    assert system.stages == ((0, system),) and system.at(7) is system and system.with_state({}) is system
    assert system.memory() == {} and system.settings == {} and system.averaged == ()


def test_a_game_of_two_that_says_nothing():
    system = game()
    assert (system.k, system.now, system.drawers, system.judges, system.made_from) == (
        1,
        0,
        ("G",),
        ("D",),
        (),
    )
    assert system.loss is ng.nonsaturating and system.rounds(3) == ("D", "G")
    assert replace(system, k=2).rounds(0) == ("D", "D", "G") and system.at(7).now == 7
    assert system.trains == {"D": ("D",), "G": ("G",)} and replace(system, classes=3).made_from == ("labels",)
    assert system.stages[0][0] == 0 and system.packed == 1


def test_averages_are_of_trained_networks_that_draw():
    assert game(average=0.5).averaged == ("G",) and game().averaged == ()
    assert game(average=0.5, optimizers={"D": SGD(0.1)}).averaged == ()
    assert game().with_average(0.25).average == 0.25


def test_parameters_are_drawn_from_named_streams():
    system = game()
    for seed, dtype in ((0, np.float32), (5, np.float64)):
        params = system.init(seed, dtype)
        for name, net in system.networks.items():
            assert params[name] == net.init(stream(seed, "init", name), dtype) and params[name].dtype == dtype
    assert system.init()["G"] == system.init(0, np.float32)["G"] and system.init()["G"].dtype == np.float32


@pytest.mark.parametrize("classes", [0, 3])
def test_an_example_has_values_of_the_range_and_all_classes(classes):
    system = game(pixels=(2.0, 6.0), classes=classes, sample_shape=(4, 5, 1))
    found, rng = system.example(8, lambda name: stream(1, name)), lambda name: stream(1, name)
    assert np.array_equal(found["x"], rng("x").uniform(2, 6, (8, 4, 5, 1)))
    assert found.keys() == ({"x", "labels"} if classes else {"x"})
    if classes:
        expected = rng("labels").permutation([0, 1, 2, 0, 1, 2, 0, 1])
        assert np.array_equal(found["labels"], expected)


def test_samples_are_a_function_of_the_named_seed():
    system = game()
    params, batch = system.init(1), Batch({"x": np.zeros((4, 2), np.float32)}, 3)
    fakes = system.generate(params, batch, 8)
    z = Latent(2).draw(stream(8, "latent"), 3)
    x, cache = system.networks["G"].forward(params["G"], z, ng.layers.Pass(derive(8, "G")))
    assert np.array_equal(fakes.inputs, z) and np.array_equal(fakes.x, x) and len(fakes.cache) == len(cache)
    assert Fakes(x, cache).inputs is None


def test_methods_of_a_subclass_ignore_underflow():
    class Small(System):
        def square(self, x):
            return x * x

    system = Small(networks={}, optimizers={}, sample_shape=(2,))
    with np.errstate(all="raise"):
        assert system.square(np.float32(1e-30)) == 0
        with pytest.raises(FloatingPointError):
            system.square(np.float32(1e30))


def test_a_subclass_takes_no_words():
    with pytest.raises(TypeError):

        class Worded(System, speed=3):
            pass


# ---- results


@pytest.fixture
def single():
    """A network that is one layer, with its parameters."""
    return {"D": Dense(2, 3).init(0)}


def test_the_gradients_of_a_single_layer_are_given_by_name(single):
    W, b, memory = np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32), {"a": np.ones(2)}
    result = checked(Result(2, {"D": {"b": b, "W": W}}, {"m": 3}, memory), single, ("D",), "here")
    assert np.array_equal(result.gradients["D"]["W"], W) and np.array_equal(result.gradients["D"]["b"], b)
    assert (result.loss, result.metrics) == (2.0, {"m": 3.0}) and result.memory is memory
    part = checked(Result(2, {"D": {"W": W}}, {}), single, ("D",), "here")
    assert np.array_equal(part.gradients["D"]["W"], W) and not part.gradients["D"]["b"].any()
    assert part.memory is None


@pytest.mark.parametrize(
    "gradient, got",
    [
        ({"W": np.ones((2, 3)), "V": np.ones(3)}, "got dict$"),
        (np.ones(9, np.float32), "got ndarray$"),
        (Dense(3, 2).init(0), "got Parameters of another network, 8 entries for 9$"),
        (Dense(2, 3, bias=False).init(0), "got Parameters of another network, 6 entries for 9$"),
    ],
)
def test_gradients_of_something_else_are_refused(single, gradient, got):
    with pytest.raises(TypeError, match=f"^here: gradient of D: expected Parameters with the .*{got}"):
        checked(Result(1, {"D": gradient}, {}), single, ("D",), "here")


@pytest.mark.parametrize(
    "words, error, message",
    [
        ({"loss": "1"}, TypeError, "here: loss: expected a number, got str"),
        (
            {"loss": np.ones((2, 1))},
            TypeError,
            r"here: loss: expected a number, got ndarray \(2, 1\); take its",
        ),
        ({"loss": 1j}, TypeError, "here: loss: expected a number, got complex"),
        ({"metrics": {"m": [1, 2]}}, TypeError, "here: metric 'm': expected a number, got list"),
        ({"gradients": {}}, ValueError, "here: expected gradients of D, which it trains, got none; define"),
        (
            {"gradients": {"G": None}},
            ValueError,
            "here: expected gradients of D, which it trains, got G; define",
        ),
    ],
)
def test_what_is_wrong_with_a_result_is_said(single, words, error, message):
    right = {"loss": 1.0, "gradients": {"D": single["D"].zeros()}, "metrics": {}}
    assert checked(Result(**right), single, ("D",), "here").loss == 1
    with pytest.raises(error, match=f"^{message}"):
        checked(Result(**right | words), single, ("D",), "here")


def test_a_gradient_has_the_type_of_the_parameters(single):
    with pytest.raises(TypeError, match="gradient of D: expected float32 like the parameters, got float64;"):
        checked(Result(1, {"D": single["D"].astype(np.float64)}, {}), single, ("D",), "here")


def test_only_named_arrays_are_remembered():
    memory = {"a": np.zeros(2), "b": np.ones(2)}
    remember(memory, {})
    remember(memory, {"b": np.array([3.0, 4.0])})
    assert memory["a"].tolist() == [0, 0] and memory["b"].tolist() == [3, 4]


# ---- the objectives use the fakes that they are given


@pytest.mark.parametrize("name, preset", PLAYERS)
def test_fakes_that_are_given_are_not_drawn_again(name, preset, monkeypatch):
    point = SystemPoint(build(name, preset, 0.01))
    alone = {turn: point.run(turn).loss for turn in ("D", "G")}
    given = point.system.generate(point.params, point.batch, point.seed)
    others = point.system.generate(point.params, point.batch, point.seed + 1)
    monkeypatch.setattr(System, "generate", lambda *words: pytest.fail("fakes were drawn again"))
    for turn, loss in alone.items():
        assert point.run(turn, fakes=given).loss == loss
        assert point.run(turn, fakes=others).loss != loss


# ---- settings


@dataclass(frozen=True, kw_only=True)
class Switches(System):
    count: int = 3
    share: float = 0.5
    on: bool = True
    word: str = "plain"


def test_a_setting_keeps_its_type():
    system = Switches(networks={}, optimizers={}, sample_shape=(2,))
    assert system.settings == {"count": 3, "share": 0.5, "on": True}
    changed = system.setting(count=0, share=2, on=False)
    assert (changed.count, changed.share, changed.on) == (0, 2.0, False)
    assert [type(value) for value in changed.settings.values()] == [int, float, bool]
    for words in ({"count": 1_000_000}, {"share": 1e38}, {"share": 0}, {"share": 0.25}, {"share": 1}):
        ((name, value),) = words.items()
        assert system.setting(**words).settings[name] == value
    assert system.setting() == system and system.share == 0.5


@pytest.mark.parametrize(
    "words, message",
    [
        ({"count": -1}, "count: expected a whole number from 0 to 1,000,000, got -1"),
        ({"count": 1_000_001}, "count: expected a whole number from 0 to 1,000,000, got 1000001"),
        ({"count": 2.0}, "count: expected a whole number .* got 2.0"),
        ({"count": True}, "count: expected a whole number .* got True"),
        ({"share": -1e-9}, "share: expected a finite number from 0 to 1e[+]38, got -1e-09"),
        ({"share": 1.1e38}, "share: expected a finite number .* got 1.1e[+]38"),
        ({"share": True}, "share: expected a finite number .* got True"),
        ({"on": 1}, "on: expected true or false, got 1"),
        ({"word": "other"}, "Switches has no setting 'word'; there are count, share, on"),
        ({"steps": 3}, "Switches has no setting 'steps'"),
    ],
)
def test_a_setting_of_another_kind_is_refused(words, message):
    system = Switches(networks={}, optimizers={}, sample_shape=(2,))
    with pytest.raises(ValueError, match=f"^{message}"):
        system.setting(share=0.25, **words) if "share" not in words else system.setting(**words)


def test_a_system_without_settings_says_so():
    with pytest.raises(ValueError, match="System has no setting 'k'; there are none"):
        System(networks={}, optimizers={}, sample_shape=(2,)).setting(k=1)


# ---- stages


def three(**last):
    """Three stages; the last has roles of its own."""

    @dataclass(frozen=True, kw_only=True, repr=False)
    class Last(TwoPlayerGAN):
        drawers, judges, target = ("F",), ("E",), "y"
        purpose = "ends"

        @property
        def made_from(self):
            return ("z",)

        @property
        def packed(self):
            return 4

        def example(self, n, rng):
            return {"n": n, "rng": rng}

    @dataclass(frozen=True, kw_only=True, repr=False)
    class Packs(TwoPlayerGAN):
        @property
        def packed(self):
            return 6

    plain = {field: getattr(game(), field) for field in ("latent", "networks", "optimizers", "sample_shape")}
    return (5, game(average=0.5)), (3, Packs(**plain)), (2, Last(**plain | {"batch_size": 9, "k": 7} | last))


def test_a_run_of_three_stages_is_known_by_its_last():
    parts = three()
    system = Staged.of(*parts)
    assert (system.drawers, system.judges, system.made_from) == (("F",), ("E",), ("z",))
    assert (system.target, system.purpose, system.batch_size, system.steps) == ("y", "ends", 9, 10)
    assert system.example(3, 4) == {"n": 3, "rng": 4} and system.objectives() == parts[2][1].objectives()
    assert system.packed == 12 and system.parts == parts


def test_each_stage_begins_at_the_sum_of_the_steps_before():
    parts = three()
    system = Staged.of(*parts)
    assert system.stages == ((0, parts[0][1]), (5, parts[1][1]), (8, parts[2][1]))
    for step, stage, now in ((0, 0, 0), (4, 0, 4), (5, 1, 0), (7, 1, 2), (8, 2, 0), (9, 2, 1), (20, 2, 12)):
        found = system.at(step)
        assert type(found) is type(parts[stage][1]) and found.now == now


def test_a_run_of_stages_begins_with_the_parameters_of_its_first():
    (_, first), *rest = three()
    system = Staged.of((1, replace(first, networks={"G": mlp(2, 9, 2)}, optimizers={})), *rest)
    params = system.init(4, np.float64)
    assert list(params) == ["G"] and params["G"] == mlp(2, 9, 2).init(stream(4, "init", "G"), np.float64)
    assert system.init()["G"] == system.init(0, np.float32)["G"]


def test_all_stages_are_changed_at_once():
    system = Staged.of(*three())
    found = system.with_average(0.25)
    assert [stage.average for _, stage in found.stages] == [0.25] * 3 and found.average == 0.25
    found = system.with_optimizers(lambda name, opt: Adam(1e-3 if name == "G" else 1e-4))
    assert [stage.optimizers["G"].lr for _, stage in found.stages] == [1e-3] * 3
    assert found.optimizers["D"].lr == 1e-4 and [first for first, _ in found.stages] == [0, 5, 8]


@pytest.mark.parametrize(
    "steps, got", [((), r"\[\]"), ((0, 5), r"\[0, 5\]"), ((5, 0), r"\[5, 0\]"), ((-1,), r"\[-1\]")]
)
def test_a_stage_has_at_least_one_step(steps, got):
    with pytest.raises(ValueError, match=f"Staged: expected stages of at least one step, got {got}"):
        Staged.of(*((count, game()) for count in steps))
    assert Staged.of((1, game())).steps == 1


@pytest.mark.parametrize("name, value", [("sample_shape", (3,)), ("pixels", (0.0, 1.0)), ("classes", 5)])
def test_all_stages_see_data_of_one_kind(name, value):
    for place in range(3):
        parts = list(three())
        parts[place] = parts[place][0], replace(parts[place][1], **{name: value})
        with pytest.raises(ValueError, match=f"Staged: expected one {name} for all stages, .* got "):
            Staged.of(*parts)


def test_a_stage_inherits_only_what_both_have():
    old, new = {"G": mlp(2, 3, 2).init(1), "A": mlp(2, 3, 1).init(2)}, {"G": mlp(2, 3, 4).init(3)}
    new["D"] = mlp(2, 3, 1).init(4)
    before = {name: p.copy() for name, p in new.items()}
    game().inherit(new, old)
    assert new["D"] == before["D"]
    for path in new["G"]:
        source = old["G"] if path.startswith("0.") else before["G"]
        assert np.array_equal(new["G"][path], source[path])


# ---- names and widths


def test_the_width_is_one_unless_told_otherwise():
    assert inspect.signature(build).parameters["width"].default == 1.0
    assert repr(build("gan", "points")) == repr(build("gan", "points", 1))
    assert repr(build("gan")) == repr(build("gan", next(iter(presets("gan")))))
    for width in (0.0001, 1000):
        assert build("gan", "points", width).sample_shape == (2,)
    for width in (0.00009, 1001, True, "1"):
        with pytest.raises(
            ValueError, match="build: width: expected a finite number from 0.0001 to 1,000, got"
        ):
            build("gan", "points", width)


def test_a_preset_is_found_by_the_shape_of_samples():
    assert preset_for("gan", [2]) == "points" and preset_for("dcgan", (8, 8, 1)) == "digits"
    assert preset_for("gan", [5]) == "points" and preset_for("dcgan", (64, 64, 3)) == "pictures"
    with pytest.raises(
        ValueError, match=r"gan: no preset takes samples of shape \(5, 2\); there are .*points \(2,\)"
    ):
        preset_for("gan", [5, 2])


def test_a_module_without_source_is_described_by_its_name(monkeypatch):
    def missing(described):
        raise OSError("no source")

    monkeypatch.setattr("numgan.systems.inspect.getsource", missing)
    monkeypatch.setattr(SYSTEMS["wgan_gp"], "__doc__", None)
    assert description(SYSTEMS["wgan_gp"]) == "wgan_gp"
