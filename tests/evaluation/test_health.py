"""Health: runs made ill on purpose, a healthy one, and every threshold from either side."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from numgan import cli, data, losses, systems
from numgan.evaluation import health, sample_checks
from numgan.evaluation.health import Limits, examine, worst
from numgan.training import loop as training
from numgan.training import runs
from numgan.training.recipes import Plan
from numgan.training.state import State


def trained(folder, *words):
    assert cli.main(["train", *words, "--out", str(folder), "--json"]) == 0
    return runs.open_run(folder)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return trained(
        tmp_path_factory.mktemp("healthy") / "run",
        "gan",
        "--preset",
        "digits",
        "--steps",
        "600",
        "--width",
        "0.5",
    )


@pytest.fixture(scope="module")
def boundless(tmp_path_factory):
    """A critic that nothing holds."""
    return trained(
        tmp_path_factory.mktemp("boundless") / "run",
        "gan",
        "--preset",
        "digits",
        "--loss",
        "wasserstein",
        "--steps",
        "150",
        "--width",
        "0.25",
        "--batch-size",
        "16",
        "--lr",
        "0.03",
    )


def levels(run):
    return {verdict.check: verdict.level for verdict in examine(run)}


# ---- whole runs


def test_a_young_run(healthy, capsys):
    """Six hundred of 6,000 steps are few: its curves are well, its samples are bad, and it is too young."""
    found = examine(healthy)
    verdicts = {verdict.check: verdict for verdict in found}
    assert {check: verdict.level for check, verdict in verdicts.items()} == {
        "steps": "look",
        "losses": "ok",
        "discriminator": "ok",
        "gradient of G": "ok",
        "precision": "bad",
        "quality": "bad",
        "variety": "ok",
        "twins": "ok",
        "coverage": "look",
        "copies": "ok",
    }
    assert verdicts["steps"].says == "it is young: 600 of the preset's 6,000 steps"
    longer = f"Train longer first with `numgan train --resume {healthy.folder} --steps 6000`."
    assert {verdict.advice for verdict in verdicts.values() if verdict.level != "ok"} == {longer}
    assert "off the data" in verdicts["coverage"].says
    assert verdicts["coverage"].threshold == "look below 0.6"  # the level is never bad then
    assert verdicts["precision"].threshold == "look below 0.75, bad below 0.4"
    assert examine(healthy) == found  # a second time it says the same
    assert all(
        verdict.threshold and verdict.says and np.isfinite(verdict.value) for verdict in verdicts.values()
    )


def test_a_collapsed_generator(healthy):
    state = copy.deepcopy(healthy.state)
    state.sampled["G"]["4.W"][...] = 0  # the last layer hears nothing: every sample is its bias
    found = levels(replace(healthy, state=state))
    assert found["variety"] == found["twins"] == "bad" and found["coverage"] != "ok"
    state = copy.deepcopy(healthy.state)
    state.sampled["G"]["0.W"][1:] = 0  # one number of z is heard: a curve of samples
    found = levels(replace(healthy, state=state))
    assert found["variety"] == "bad" and found["twins"] == "bad"


def test_a_discriminator_that_is_always_right(tmp_path):
    """At this rate D wins with every seed that was tried; G's gradient fades, but is not zero."""
    run = trained(
        tmp_path / "run",
        "gan",
        "--preset",
        "saturating",
        "--steps",
        "300",
        "--width",
        "0.25",
        "--batch-size",
        "16",
        "--lr",
        "0.02",
    )
    found = {verdict.check: verdict for verdict in examine(run)}
    assert found["discriminator"].level == "bad" and found["discriminator"].value < 0.005
    assert (
        "nearly every time" in found["discriminator"].says
        and "of its gradient on to G" in found["discriminator"].says
    )
    assert "--loss nonsaturating" in found["discriminator"].advice
    assert found["gradient of G"].level != "ok" and "fades" in found["gradient of G"].says


def test_a_critic_without_bounds(boundless):
    found = levels(boundless)
    assert (
        found["losses"] == "bad"
        and found["gradient of D"] != "ok"
        and found["critic"] == "ok"
        and "discriminator" not in found
    )


def drawing(name, x, tmp_path):
    """A run on points that has not been trained, and draws the rows of x."""

    class Drawn(runs.OpenRun):
        def sampler(self):
            return lambda n, seed: (np.resize(x, (n, 2)), None)

    system = systems.build("gan", "points", 0.05)
    return Drawn(
        tmp_path,
        {"recipe": {"data": name}, "seed": 0, "steps": 0},
        system,
        data.load(name),
        State.start(system, 0),
    )


@pytest.mark.parametrize("name, captured", [("ring", 8), ("grid", 25)])
def test_points(tmp_path, name, captured):
    true, labels = data.load(name).x, data.load(name).labels
    found = {verdict.check: verdict for verdict in examine(drawing(name, true, tmp_path))}
    assert (
        found["modes"].level == found["width of modes"].level == "ok"
        and f"{captured} of {captured}" in found["modes"].says
    )
    one, half = true[labels == 0], true[labels < captured / 2 + 1]
    for rows, modes, width in (
        (one, "bad", "ok"),
        (half, "look", "ok"),
        (one[:1].repeat(9, axis=0), "bad", "bad"),
        (true[:1] + 50, "bad", None),
    ):
        found = levels(drawing(name, rows, tmp_path))
        assert found["modes"] == modes and found.get("width of modes") == width


def test_a_curve_has_no_modes(tmp_path):
    roll = data.load("swiss-roll").x
    assert levels(drawing("swiss-roll", roll[::-1], tmp_path)) == {
        "steps": "look",
        "curves": "ok",
        "precision": "ok",
        "quality": "ok",
        "variety": "ok",
        "twins": "ok",
        "coverage": "ok",
        "copies": "bad",
    }, "it draws rows of the data"
    found = levels(drawing("swiss-roll", roll[np.linalg.norm(roll, axis=1) < 1], tmp_path))
    assert found["coverage"] == "look" and found["variety"] != "bad", "half of it"
    found = levels(drawing("swiss-roll", roll[:5], tmp_path))
    assert all(found[check] == "bad" for check in ("quality", "variety", "twins", "coverage", "copies"))


def test_an_unfinished_run_says_so(healthy):
    stopped = examine(replace(healthy, config=healthy.config | {"steps": 1000}))[0]
    assert stopped.check == "steps" and stopped.level == "look" and "600 of 1,000" in stopped.says
    assert "it is young: 600 of the preset's 6,000 steps" in stopped.says and "--steps 6000" in stopped.advice
    stopped = examine(replace(healthy, config=healthy.config | {"steps": 6000}))[0]
    assert stopped.says == "600 of the preset's 6,000 steps are done: the run was stopped"
    assert stopped.advice == f"Continue it with `numgan train --resume {healthy.folder}`."


@pytest.mark.parametrize(
    "steps, level, says",
    [
        (1, "look", "it is young: 1 of the preset's 6,000 steps"),
        (2999, "look", "it is young: 2,999 of the preset's 6,000 steps"),
        (3000, "ok", "3,000 of the preset's 6,000 steps"),
        (5999, "ok", "5,999 of the preset's 6,000 steps"),
    ],
)
def test_how_young_a_run_is(healthy, steps, level, says):
    run = replace(healthy, config=healthy.config | {"steps": steps}, state=replace(healthy.state, step=steps))
    first = examine(run)[0]
    assert (first.check, first.level, first.says) == ("steps", level, says)


@pytest.mark.parametrize("steps", [6000, 6001, 50_000])
def test_a_run_of_all_steps_is_not_young(healthy, steps):
    run = replace(healthy, config=healthy.config | {"steps": steps}, state=replace(healthy.state, step=steps))
    verdicts = {verdict.check: verdict for verdict in examine(run)}
    assert "steps" not in verdicts and "Train longer with" in verdicts["quality"].advice


def test_a_run_that_diverged_says_so_until_it_goes_on(numgan, tmp_path):
    code, _, err = numgan(
        "train", "gan", "--preset", "points", "--width", 0.05, "--steps", 20, "--lr", 1e30, "--out", "run"
    )
    assert code == 1 and "step" in err
    run = runs.open_run("run")
    first = examine(run)[0]
    assert (
        first.check == "steps"
        and first.level == "bad"
        and "it diverged, and 0 of 20 steps are kept: step" in first.says
    )
    assert numgan("health", "run")[0] == 1
    assert "diverged" not in training._extended(run.config, Plan())  # what a run that goes on is written with


def test_modes_of_one_sample_each_have_no_width():
    centres, _ = data.modes("ring")
    advice = sample_checks._Advice(drawing("ring", centres, None), "")
    for rows, more in ((centres, []), (centres.repeat(2, axis=0), ["width of modes"])):
        found = [verdict.check for verdict in sample_checks._modes(rows, "ring", advice)]
        assert found == ["quality", "modes", *more]


def test_a_classifier_has_curves_only(tmp_path):
    run = trained(tmp_path / "run", "classifier", "--width", "0.05", "--steps", "80", "--batch-size", "4")
    assert levels(run) == {"steps": "look", "losses": "ok", "discriminator": "ok", "accuracy": "bad"}
    (verdict,) = (verdict for verdict in examine(run) if verdict.check == "discriminator")
    assert verdict.says == "Classifier has none, so this check does not apply" and not verdict.advice


# ---- curves made up: each illness alone, on either side of its threshold

WELL = {
    "losses": {"D": 1.2, "G": 0.9},
    "gradients": {"D": 3.0, "G": 2.0},
    "metrics": {"D(x)": 0.6, "D(G(z))": 0.4},
}


def curves(healthy, late, loss="nonsaturating"):
    """The verdicts on curves that are WELL at first, and `late` in the last quarter."""
    records = [{"step": i, **copy.deepcopy(WELL)} for i in range(40)]
    for record in records[30:]:
        for kind, values in late.items():
            record[kind] = record.get(kind, {}) | values
    run = replace(healthy, system=replace(healthy.system, loss=losses.ADVERSARIAL[loss]))
    return {verdict.check: verdict for verdict in health._curves(run, records)}


@pytest.mark.parametrize(
    "late, check, level",
    [
        ({}, "losses", "ok"),
        ({"losses": {"G": 99.0}}, "losses", "ok"),
        ({"losses": {"G": -101.0}}, "losses", "look"),
        ({"losses": {"G": 1.1e4}}, "losses", "bad"),
        ({"losses": {"D": 6.8}}, "losses", "ok"),
        ({"losses": {"D": 7.1}}, "losses", "look"),
        ({"losses": {"D": 70.0}}, "losses", "bad"),
        (
            {"losses": {"D": 57.0}, "metrics": {"penalty": 52.0}},
            "losses",
            "ok",
        ),  # what a penalty adds is not D's error
        (
            {"losses": {"D": 57.0}, "metrics": {"penalty": 52.0}, "computed": {"penalty": 3}},
            "losses",
            "look",
        ),  # the penalty is of an earlier step, so it is no part of this loss
        ({"metrics": {"penalty": 0.0}}, "penalty", "look"),
        ({"metrics": {"accuracy": 0.5}}, "losses", "ok"),  # there are no classes
        ({"metrics": {"D(G(z))": 0.06}}, "discriminator", "ok"),
        ({"metrics": {"D(G(z))": 0.04}}, "discriminator", "look"),
        ({"metrics": {"D(G(z))": 0.004}}, "discriminator", "bad"),
        ({"metrics": {"D(x)": None}}, "discriminator", "bad"),
        ({"metrics": {"D(G(z))": 0.64}}, "discriminator", "ok"),
        ({"metrics": {"D(G(z))": 0.7}}, "discriminator", "look"),
        ({"gradients": {"G": 0.11}}, "gradient of G", "ok"),
        ({"gradients": {"G": 0.09}}, "gradient of G", "look"),
        ({"gradients": {"G": 1.9e-3}}, "gradient of G", "bad"),
        ({"gradients": {"G": 0.0}}, "gradient of G", "bad"),
        ({"gradients": {"G": 199.0}}, "gradient of G", "ok"),
        ({"gradients": {"G": 201.0}}, "gradient of G", "look"),
        ({"gradients": {"G": 2.1e4}}, "gradient of G", "bad"),
        ({"gradients": {"G": None}}, "gradient of G", "bad"),
        ({"gradients": {"D": 301.0}}, "gradient of D", "look"),
        ({"gradients": {"D": None}}, "gradient of D", "bad"),
    ],
)
def test_every_threshold_of_the_curves(healthy, late, check, level):
    found = curves(healthy, late)
    assert found[check].level == level
    assert all(verdict.level == "ok" for other, verdict in found.items() if other != check)
    assert bool(found[check].advice) == (level != "ok")


def test_a_gradient_that_was_dead_from_the_start(healthy):
    records = [{"step": i, **copy.deepcopy(WELL)} for i in range(40)]
    for record in records:
        record["gradients"]["G"] = 1e-7
    found = {verdict.check: verdict for verdict in health._curves(healthy, records)}
    assert found["gradient of G"].level == "bad" and "Adam's epsilon" in found["gradient of G"].says


@pytest.mark.parametrize(
    "loss, late, level",
    [
        ("least_squares", 0.1, "ok"),
        ("least_squares", 0.01, "look"),
        ("least_squares", 0.001, "bad"),
        ("hinge", 1.0, "ok"),
        ("hinge", 0.0, "bad"),
    ],
)
def test_losses_that_read_no_probabilities(healthy, loss, late, level):
    assert (
        curves(healthy, {"losses": {"D": late}, "metrics": {"D(G(z))": 0.001}}, loss)["discriminator"].level
        == level
    )


def test_critics_and_pairs(healthy):
    assert curves(healthy, {"metrics": {"distance": -1.0}})["critic"].level == "look"
    assert curves(healthy, {"losses": {"D": -1.0}}, "wasserstein")["critic"].level == "ok"
    for above, level in ((0.94, "ok"), (0.96, "look"), (0.996, "bad")):
        assert curves(healthy, {"metrics": {"D(x) above D(G(z))": above}})["discriminator"].level == level


def test_curves_that_are_too_short_or_older_than_the_gradients_norm(healthy):
    (short,) = health._curves(healthy, [{"step": 1, **WELL}] * 7)
    assert short.level == "ok" and "too few" in short.says
    old = [{"step": i, "losses": WELL["losses"], "metrics": WELL["metrics"]} for i in range(8)]
    assert [verdict.check for verdict in health._curves(healthy, old)] == ["losses", "discriminator"]


def test_a_player_without_a_turn_has_no_entry_and_is_not_ill(healthy):
    """As `balance` of hacks trains: D and G in turn, or one of them never."""
    records = [
        {
            "step": i,
            **{
                kind: {
                    name: value for name, value in values.items() if kind == "metrics" or name == "DG"[i % 2]
                }
                for kind, values in WELL.items()
            },
        }
        for i in range(40)
    ]
    assert {verdict.check: verdict.level for verdict in health._curves(healthy, records)} == dict.fromkeys(
        ("losses", "discriminator", "gradient of G"), "ok"
    )
    alone = [
        {"step": i, "losses": {"D": 1.0}, "gradients": {"D": 3.0}, "metrics": {"D(x)": 0.6}}
        for i in range(40)
    ]
    assert [(verdict.check, verdict.level) for verdict in health._curves(healthy, alone)] == [
        ("losses", "ok")
    ]
    empty = [{"step": i, "losses": {}, "gradients": {}, "metrics": {}} for i in range(40)]
    assert [(verdict.check, verdict.level) for verdict in health._curves(healthy, empty)] == [
        ("losses", "bad")
    ]


def test_health_of_a_run_whose_players_take_turns_by_their_losses(tmp_path):
    run = trained(
        tmp_path / "run",
        "hacks",
        "--set",
        "balance=0.5",
        "--steps",
        "100",
        "--width",
        "0.05",
        "--batch-size",
        "8",
    )
    turns = {tuple(record["losses"]) for record in runs.read_metrics(run.folder, run.state.step)}
    assert turns <= {("D",), ("G",)} and all(np.isfinite(verdict.value) for verdict in examine(run))


def test_limits():
    assert Limits(1, 2).level(float("nan")) == Limits(2, 1).level(float("nan")) == "bad"
    for limits, values in ((Limits(1, 2), (0, 1, 1.5, 2, 3)), (Limits(-1, -2), (0, -1, -1.5, -2, -3))):
        assert [limits.level(value) for value in values] == ["ok", "ok", "look", "look", "bad"]
    assert (
        str(Limits(1, 2)) == "look above 1, bad above 2" and str(Limits(2, 1)) == "look below 2, bad below 1"
    )
    assert worst([]) == "ok"


# ---- the command


def test_the_command_and_the_end_of_training(numgan, healthy, boundless):
    code, out, _ = numgan("health", healthy.folder)
    assert code == 1 and len(out.splitlines()) == 14 and "D(x)" in out
    assert out.count("Train longer first with") == 1 and out.count("(the same advice)") == 3
    result = json.loads(numgan("health", healthy.folder, "--json")[1])
    assert result["worst"] == "bad" and [verdict["check"] for verdict in result["verdicts"]] == [
        verdict.check for verdict in examine(healthy)
    ]
    code, said, _ = numgan("train", "--resume", healthy.folder)
    assert code == 0 and said.endswith(out)
    code, out, _ = numgan("health", boundless.folder)
    assert (
        code == 1
        and "bad   losses" in out
        and "Start again with a smaller learning rate: `numgan train gan " in out
        and numgan("health", "nothing")[0] == 2
    )
