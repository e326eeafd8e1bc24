"""Consensus optimisation.

The Dirac game in closed form, second order in both players, and what it costs.
"""

import numpy as np
import pytest
from bugzoo.consensus import NETWORKS, StillFakes, with_networks
from consensus_cases import dirac, dirac_game

from numgan import Consensus, build, check_consensus, kernel_calls, losses
from numgan.checking.cases import GAMES
from numgan.checking.consensus import GamePoint
from numgan.checking.layer_cases import CRITICS
from numgan.core.errors import GradientError, NonFiniteError
from numgan.core.parameters import Parameters
from numgan.core.randomness import derive
from numgan.layers import Dense, Dropout, Pass, Sequential, Tanh
from numgan.networks import mlp
from numgan.systems import Batch


def test_closed_form_of_the_dirac_game():
    dirac(Consensus(3.0, losses.minimax))


def test_the_dirac_game_converges_with_consensus_only():
    """500 simultaneous steps of 0.2 from psi = -1, theta = 1.

    Radius 3.097 without and 2.6e-10 with weight 1, by the two scalar equations.
    """
    for weight, radius in ((0.0, 3.097), (1.0, 2.6e-10)):
        D, G, *params, real, z = dirac_game(-1.0, 1.0)
        for _ in range(500):
            _, gradients, v = Consensus(weight, losses.minimax)(D, G, *params, real, z)
            params = [
                p.like(p.vector - 0.2 * (step.vector + gradient.vector))
                for p, step, gradient in zip(params, v, gradients)
            ]
        assert np.isclose(np.hypot(*(p.vector for p in params)), radius, rtol=0.03)


def test_nothing_is_asked_of_players_who_do_not_want_to_move():
    """D constant and the fakes the real samples themselves: v = 0, and the gradient is zero and not nan."""
    D, G = mlp(3, 4, 1, activation=Tanh), Dense(3, 3, bias=False)
    phi, theta = D.init(0, np.float64), Parameters(np.eye(3).ravel(), G.layout)
    phi["2.W"][...] = 0
    x = np.random.default_rng(0).standard_normal((5, 3))
    value, gradients, v = Consensus(1.0, losses.minimax)(D, G, phi, theta, x, x)
    assert (
        value < 1e-30
        and len(gradients) == len(v) == 2
        and all(np.abs(part.vector).max() < 1e-15 for part in (*gradients, *v))
    )


def test_v_is_the_gradient_of_the_system():
    system = build("gan", "digits", 0.02)
    params, seed = system.init(1, np.float64), 5
    batch = Batch({"x": np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1))}, number=4)
    runs = [Pass(derive(seed, purpose)) for purpose in ("D on real", "D on fake", "G")]
    players = *(system.networks[name] for name in "DG"), *(params[name] for name in "DG")
    value, gradients, v = Consensus(2.0, system.loss)(*players, batch["x"], system.inputs(batch, seed), *runs)
    squares = 0
    for name, found, gradient in zip("DG", v, gradients, strict=True):
        expected = system.objectives()[name](params, batch, seed).gradients[name].vector
        assert np.allclose(found.vector, expected, rtol=1e-9, atol=1e-12) and gradient.vector.any()
        squares += np.square(expected).sum()
    assert np.isclose(value, squares, rtol=1e-9)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_the_gradient_is_exact_in_both_players(game):
    report = check_consensus(game.consensus, game.D, game.G, game.z, slow=game.D is CRITICS[0].layer, seed=1)
    assert report.max_error <= 1e-6 and len(report.rows) == 1


def test_the_catalogue_has_it(listed):
    found = [
        entry for entry in listed(["consensus"]) if entry.kind == "penalty"
    ]  # a system has the name, too
    assert len(found) == len(GAMES) and all(entry.name.startswith("consensus ") for entry in found)
    assert {repr(game.consensus.loss) for game in GAMES} == set(losses.ADVERSARIAL) and {
        entry.order for entry in found
    } == {2}


def test_float32_agrees_and_stays_float32():
    game = GAMES[-2]  # convolutions and BatchNorm
    point = GamePoint(game.D, game.G, game.z)
    call = lambda consensus, params, at: consensus(game.D, game.G, *params, *at, *point.runs)
    params = [point.params[name] for name in "DG"]
    value, gradients, v = call(game.consensus, params, point.at)
    assert point.run(game.consensus, point.params) == (value, dict(zip("DG", gradients)))
    single = [p.astype(np.float32) for p in params], [x.astype(np.float32) for x in point.at]
    for weight in (3.0, np.float64(3.0)):
        value32, gradients32, v32 = call(Consensus(weight, game.consensus.loss), *single)
        assert np.isclose(value, value32, rtol=1e-4) and isinstance(value32, float)
        for exact, rounded in zip((*gradients, *v), (*gradients32, *v32), strict=True):
            assert rounded.vector.dtype == np.float32
            assert np.abs(exact.vector - rounded.vector).max() <= 1e-3 * np.abs(exact.vector).max()


def test_equal_arguments_give_equal_bits_and_nothing_is_written_to():
    game = GAMES[0]
    point = GamePoint(game.D, game.G, game.z)
    before = {name: p.copy() for name, p in point.params.items()}, [x.copy() for x in point.at]
    one, two = (point.run(game.consensus, point.params) for _ in range(2))
    assert one == two and point.params == before[0] and all(map(np.array_equal, point.at, before[1]))


def test_real_fake_and_generator_have_runs_of_their_own():
    D, G = CRITICS[2].layer, Sequential(Dense(2, 8), Dropout(0.5), Dense(8, 3))
    point = GamePoint(D, G, (2,))
    at = lambda *seeds: Consensus(1.0)(D, G, *point.params.values(), *point.at, *map(Pass, seeds))[0]
    values = [at(1, 2, 3), at(1, 2, 3), at(4, 2, 3), at(1, 4, 3), at(1, 2, 4), at(4, 4, 3)]
    assert values[0] == values[1] and len(set(values)) == 5


def test_no_needless_weight_gradient():
    """k layers of D owe: two for v, a tangent's two on real and on fakes (but the first layer's x stands
    still), two as G moves; and none when D is frozen. G's: one for v, one for the mixed term, two (but the
    first layer's) as it moves itself.
    """
    D, G = mlp(3, 5, 4, 1, activation=Tanh), mlp(2, 4, 3, activation=Tanh)
    with kernel_calls() as calls:
        Consensus(1.0)(D, G, D.init(0), G.init(0), np.ones((5, 3), np.float32), np.ones((4, 2), np.float32))
    k, m = 3, 2
    assert calls["dense_weight_gradient"] == (2 * k + 2 * (2 * k - 1) + 2 * k) + (m + m + 2 * m - 1)


def test_no_gradient_in_the_latent_points():
    """Nobody asks for it, so no pass of G computes it."""
    asked = []

    class First(Dense):
        def backward(self, dy, cache, frozen=False, need_dx=True, **unit):
            asked.append(need_dx)
            return super().backward(dy, cache, frozen, need_dx, **unit)

        def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
            asked.append(need_dx)
            return super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)

    D, G = mlp(3, 5, 1, activation=Tanh), Sequential(First(2, 4), Tanh(), Dense(4, 3))
    real, z = np.ones((5, 3), np.float32), np.ones((4, 2), np.float32)
    Consensus(1.0)(D, G, D.init(0), G.init(0), real, z)
    assert len(asked) >= 3 and not any(asked)


def test_what_is_refused():
    for weight in (-1.0, np.nan, np.inf):
        with pytest.raises(
            ValueError,
            match="Consensus: expected weight as a finite number of at least 0, "
            f"got {weight}; the paper's is 10",
        ):
            Consensus(weight)
    with pytest.raises(
        TypeError, match="Consensus: expected loss as an AdversarialLoss such as numgan.nonsaturating, got l2"
    ):
        Consensus(1.0, losses.l2)
    D, G, phi, theta, real, z = right = dirac_game(1.0, 1.0)
    for place, name, kind, wrong in (
        (0, "D", "Layer", {"D": D}),
        (1, "G", "Layer", "Dense"),
        (0, "D", "Layer", phi),
        (1, "G", "Layer", None),
        (2, "phi", "Parameters", phi.vector),
        (3, "theta", "Parameters", {"W": theta.vector}),
        (2, "phi", "Parameters", D),
    ):
        at = [*right[:place], wrong, *right[place + 1 :]]
        with pytest.raises(
            TypeError, match=f"Consensus: expected {name} as a {kind}, got {type(wrong).__name__}$"
        ):
            Consensus()(*at)
    for bad in (np.nan, np.inf):
        for at in ((real + bad, z), (real, z * bad)):
            with (
                np.errstate(all="ignore"),
                pytest.raises(
                    NonFiniteError, match=r"Consensus: expected finite logits D\(x\), got inf or nan"
                ),
            ):
                Consensus()(D, G, phi, theta, *at)


def test_the_message_names_player_and_parameter():
    with pytest.raises(
        GradientError,
        match=r"(?s)Consensus\(weight=3.0, loss=nonsaturating\)"
        r".*gradient of 0.W of D is wrong.*check_consensus\(",
    ):
        with_networks({**NETWORKS, "D": StillFakes(*NETWORKS["D"])})
