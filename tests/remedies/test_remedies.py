"""Remedies in games of one's own: alone, together, with labels, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

import numgan as ng
from numgan.checking.system import CONTRACT, SystemPoint, check_objective
from numgan.core.randomness import stream
from numgan.layers import Tanh
from numgan.losses import hinge
from numgan.networks import mlp
from numgan.optimizers import Adam
from numgan.remedies.balance import Balance
from numgan.remedies.noise import InstanceNoise, NoisyLabels
from numgan.remedies.penalties import R1, DRAGANPenalty, R1Penalty, RothPenalty
from numgan.remedies.remedy import Remedy
from numgan.remedies.replay import PastPlayers, Replay
from numgan.systems import Latent, build
from numgan.systems.games.two_player import TwoPlayerGAN

ALL = (
    NoisyLabels(soft=True, flip=0.3),
    Replay(0.5, 7),
    PastPlayers(0.4),
    Balance(1.2),
    InstanceNoise(0.2),
    R1Penalty(3.0),
    RothPenalty(2.0),
    DRAGANPenalty(),
)


def game(*remedies, **settings):
    return TwoPlayerGAN(
        networks={"G": mlp(2, 4, 2, activation=Tanh), "D": mlp(2, 4, 1, activation=Tanh)},
        optimizers={"D": Adam(1e-3), "G": Adam(1e-3)},
        latent=Latent(2),
        sample_shape=(2,),
        remedies=remedies,
        **settings,
    )


@pytest.mark.parametrize(
    "remedies",
    [*((remedy,) for remedy in ALL), ALL],
    ids=lambda of: type(of[0]).__name__ + "..." * (len(of) > 1),
)
def test_a_game_with_remedies_has_right_gradients_and_keeps_the_contract(remedies):
    system = game(*remedies)
    past = {seed: stream(seed, "past").random() < 0.4 for seed in range(9)}
    old, present = (next(seed for seed in past if past[seed] is wanted) for wanted in (True, False))
    for objective in system.objectives():
        for seed in (old, present):
            assert check_objective(system, objective, seed=seed)[0] <= 1e-6
    for check in CONTRACT:
        check(SystemPoint(system, seed=present))  # with the present D, so that G learns from its weights


def test_a_remedy_that_changes_nothing_changes_no_bit():
    plain, with_one = SystemPoint(game()), SystemPoint(game(Remedy()))
    for objective in ("D", "G"):
        one, two = plain.run(objective), with_one.run(objective)
        assert one.loss == two.loss and one.metrics == two.metrics
        assert np.array_equal(one.gradients[objective].vector, two.gradients[objective].vector)


def test_penalties_add_up():
    loss = {len(remedies): SystemPoint(game(*remedies)).run("D") for remedies in ((), ALL[5:6], ALL[5:])}
    assert loss[3].metrics["penalty"] > loss[1].metrics["penalty"] > 0
    for result in (loss[1], loss[3]):
        assert np.isclose(result.loss, loss[0].loss + result.metrics["penalty"], rtol=1e-12)


def test_remedies_are_applied_in_their_order():
    class Doubled(Remedy):
        def input(self, x, where, game, seed):
            return 2 * x

    x, noise = np.ones((3, 2)), stream(5, "noise on", "real").standard_normal((3, 2))
    seen = [
        game(*order)._inputs({"real": x}, {}, 5)["real"]
        for order in ((Doubled(), InstanceNoise(0.5)), (InstanceNoise(0.5), Doubled()))
    ]
    assert np.allclose(seen[0], 2 * x + 0.5 * noise) and np.allclose(seen[1], 2 * (x + 0.5 * noise))


def test_a_game_with_labels_takes_remedies():
    system = replace(
        build("conditional", "digits", 0.02), loss=hinge, remedies=(Replay(0.5, 9), InstanceNoise(0.3))
    )
    assert system.memory()["pool.y"].shape == (9,)
    for objective in ("D", "G"):
        assert check_objective(system, objective)[0] <= 1e-6


def test_the_unrolled_game_takes_no_remedies():
    with pytest.raises(ValueError, match="UnrolledGAN: expected no remedies, .*Replay.*; use TwoPlayerGAN"):
        replace(build("unrolled", "plain", 0.05), remedies=(Replay(0.5),))


@pytest.mark.parametrize("wrong", [R1(10.0), InstanceNoise, None])
def test_only_remedies_are_taken(wrong):
    with pytest.raises(TypeError, match="TwoPlayerGAN: expected remedies as a tuple .* got .* among them"):
        game(R1Penalty(1.0), wrong)


def test_the_package_exports_the_game_and_its_remedies():
    for kind in (TwoPlayerGAN, *map(type, ALL)):
        assert getattr(ng, kind.__name__) is kind


@pytest.mark.parametrize(
    "body, words",
    [
        ({"penalties": lambda self: None}, "'penalties'; did you mean penalty"),
        ({"inputs": lambda self, x: x, "loss": lambda self, x: x}, "'inputs'; did you mean input"),
        ({"Fake": lambda self: None}, "'Fake'; did you mean fakes"),
        ({"beforeUpdate": lambda self: {}}, "did you mean before_update"),
        ({"need_real": True, "judged": lambda self: {}}, "'need_real'; did you mean needs_real"),
        ({"regularise": lambda self: None}, "calls none of its methods regularise; define one of memory,"),
    ],
)
def test_a_misspelt_point_is_refused(body, words):
    with pytest.raises(TypeError, match=words):
        type("Own", (Remedy,), body)


def test_helpers_and_fields_of_a_remedy_may_have_any_other_name():
    class Own(Remedy):
        noise = 0.1

        def input(self, x, where, game, seed):
            return self._noisy(x)

        def scaled(self, x):
            return x

        def _inputs(self, x):
            return x

    class Other(Own):
        def scaled(self, x):
            return 2 * x

    assert Other().scaled(2) == 4
