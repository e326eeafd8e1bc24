"""The logged metrics: a penalty that is not computed in every step, as the last value that was computed."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image
from training_cases import DIGITS, RING, metrics, weights

from numgan import R1, R2, Lazy, Roth, systems
from numgan.core.errors import FileFormatError
from numgan.core.randomness import derive
from numgan.layers import Pass
from numgan.remedies.penalties import R1Penalty, RothPenalty
from numgan.remedies.remedy import Remedy
from numgan.systems import Result
from numgan.systems.staged import Staged
from numgan.training import checkpoint
from numgan.training import loop as training
from numgan.training.state import State


@pytest.fixture(autouse=True)
def blank_points(monkeypatch):
    """No test here looks at pictures: to draw points takes longer than the steps."""
    monkeypatch.setattr(training.plot, "points", lambda *arguments: Image.new("L", (2, 2)))


@dataclass(frozen=True)
class OwnPenalty(Remedy):
    """A remedy as a user writes it: R2 on fakes, every k steps."""

    every: int = 7

    def penalty(self, D, phi, real, fake, game, seed):
        return Lazy(R2(0.1), self.every).term(game.now, D, phi, fake, Pass(derive(seed, "D on fake")))


def points(*remedies):
    return replace(systems.build("r1", "points", 0.05), remedies=remedies)


class Own(type(systems.build("gan", "points", 0.05))):
    """A system of one's own, whose objective adds a lazy penalty by hand."""

    def objectives(self):
        return {"D": self.discriminator, "G": self.generator}

    def rounds(self, step):
        object.__setattr__(self, "step", step)
        return super().rounds(step)

    def discriminator(self, params, batch, seed, fakes=None):
        result = super().discriminator(params, batch, seed, fakes)
        net, phi = self.networks["D"], params["D"]
        penalty, dphi = Lazy(Roth(0.1), 6)(self.step, net, phi, batch["x"], batch["x"])
        other, dother = Lazy(R1(0.1), 6)(self.step, net, phi, batch["x"])
        both = {"penalty": penalty + other} if Lazy(R1(0.1), 6).is_due(self.step) else {}
        return Result(
            result.loss + penalty + other, {"D": result.gradients["D"] + dphi + dother}, result.metrics | both
        )


SYSTEMS = {
    "r1": (lambda: systems.build("r1", "points", 0.05), RING, 8),
    "r3gan": (lambda: replace(systems.build("r3gan", "digits", 0.05), every=16), DIGITS, 16),
    "own remedy": (lambda: points(OwnPenalty()), RING, 7),
    "two remedies": (lambda: points(R1Penalty(0.1, every=4), OwnPenalty(every=6)), RING, 12),
    "one of them every step": (lambda: points(RothPenalty(0.1), R1Penalty(0.1, every=5)), RING, 5),
    "own system": (lambda: Own(**vars(systems.build("gan", "points", 0.05))), RING, 6),
    "every step": (lambda: points(R1Penalty(0.1)), RING, 1),
}


def go(name, out, **words):
    make, dataset, _ = SYSTEMS[name]
    words = {"steps": 45, "batch_size": 8, "seed": 3, "progress": False, "picture_every": 100} | words
    return training.train(make(), dataset, out, **words)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_line_has_the_last_value_that_was_computed(name, tmp_path):
    every = SYSTEMS[name][2]
    go(name, tmp_path / "all", log_every=1)
    go(name, tmp_path / "some")
    computed = {
        line["step"]: line["metrics"]["penalty"]
        for line in metrics(tmp_path / "all")
        if "computed" not in line
    }
    assert list(computed) == list(range(1, 46, every)) and len(set(computed.values())) == len(computed)
    assert all(value > 0 for value in computed.values())
    for folder in ("all", "some"):
        for line in metrics(tmp_path / folder):
            last = 1 + (line["step"] - 1) // every * every
            assert line["metrics"]["penalty"] == computed[last]
            assert line.get("computed", {}) == ({"penalty": last} if last < line["step"] else {})
    assert weights(tmp_path / "all") == weights(tmp_path / "some")


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", ["r1", "r3gan", "two remedies"])
@pytest.mark.parametrize("saved, killed", [(19, 26), (26, 28)])
def test_the_last_value_survives_a_kill(name, saved, killed, tmp_path):
    """The checkpoint lies between the step that computed the penalty and the line that shows it."""

    def look(state):
        if state.step == killed:
            raise Killed

    go(name, tmp_path / "whole")
    with pytest.raises(Killed):
        go(name, tmp_path / "broken", checkpoint_every=saved, look=look)
    go(name, tmp_path / "broken", resume=True)
    assert metrics(tmp_path / "broken") == metrics(tmp_path / "whole")
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")


def test_without_a_penalty_there_is_no_metric(tmp_path):
    training.train(points(), RING, tmp_path / "run", steps=20, batch_size=8, progress=False)
    assert all(line["metrics"].keys() == {"D(x)", "D(G(z))"} for line in metrics(tmp_path / "run"))


def test_a_penalty_that_was_not_computed_yet_is_absent(tmp_path):
    """It begins at step 13; no line before it says 0."""

    class Late(OwnPenalty):
        def penalty(self, D, phi, real, fake, game, seed):
            return super().penalty(D, phi, real, fake, game, seed) if game.now >= 12 else None

    training.train(points(Late(12)), RING, tmp_path / "run", steps=20, batch_size=8, progress=False)
    early, late = metrics(tmp_path / "run")
    assert "penalty" not in early["metrics"] and "computed" not in early
    assert late["metrics"]["penalty"] > 0 and late["computed"] == {"penalty": 13}


def test_metrics_of_an_earlier_stage_are_forgotten(tmp_path):
    staged = Staged.of((10, systems.build("r1", "points", 0.05)), (10, systems.build("gan", "points", 0.05)))
    training.train(staged, RING, tmp_path / "run", batch_size=8, progress=False, log_every=5)
    first, boundary, *later = metrics(tmp_path / "run")
    assert first["computed"] == {"penalty": 1} and boundary["computed"] == {"penalty": 9}
    assert [line["metrics"].keys() for line in later] == [{"D(x)", "D(G(z))"}] * 2


def test_a_metric_of_minus_zero_is_a_number():
    system = systems.build("r1", "points", 0.05)
    params = system.init(0)
    metrics = {"distance": -0.0, "other": 2, "array": np.zeros(1), "nan": np.nan}
    found = systems.checked(Result(1.0, {"D": params["D"].zeros()}, metrics), params, ("D",), "here").metrics
    assert found.keys() == metrics.keys() and found["other"] == 2.0


def test_metrics_that_no_checkpoint_could_hold_are_refused(tmp_path):
    class Talkative(Own):
        def discriminator(self, params, batch, seed, fakes=None):
            result = super().discriminator(params, batch, seed, fakes)
            return replace(result, metrics={f"a metric with a long name {k}": k for k in range(2000)})

    system = Talkative(**vars(systems.build("gan", "points", 0.05)))
    with pytest.raises(ValueError, match="with its metrics, of at most 65,536 bytes, got .* fewer metrics"):
        training.train(system, RING, tmp_path / "run", steps=3, batch_size=8, progress=False)


@pytest.mark.parametrize(
    "metrics, words",
    [
        ({"a": {"step": 0, "value": 1.0}}, "a.step: expected"),
        ({"a": {"step": 1, "value": "x"}}, "a.value: expected"),
        ({"a": 1.0}, "a: expected"),
    ],
)
def test_damaged_metrics_of_a_checkpoint_are_refused(tmp_path, metrics, words):
    system = systems.build("r1", "points", 0.05)
    state = State.start(system, 0)
    state.metrics = metrics
    checkpoint.save(tmp_path / "c.npz", state, {})
    with pytest.raises(FileFormatError, match=f"last metrics.{words}"):
        checkpoint.load(tmp_path / "c.npz", system, {})
