"""Health of runs known to be good or bad: what each check says, and advice that can be carried out."""

import argparse
import dataclasses
import re
import shlex

import health_cases
import numpy as np
import pytest

import numgan
from numgan import cli
from numgan.data import Dataset
from numgan.evaluation.health import examine, worst
from numgan.training.recipes import Recipe

CASES = health_cases.CASES


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """{name of a case: (run, its Verdicts)}; every run is made and examined once."""
    found = {}

    def of(name):
        if name not in found:
            run = health_cases.run_of(CASES[name], tmp_path_factory.mktemp("run"))
            found[name] = run, examine(run)
        return found[name]

    return of


@pytest.mark.parametrize("name", CASES)
def test_the_level_of_every_check(verdicts, name):
    case, (_, found) = CASES[name], verdicts(name)
    levels = {verdict.check: verdict.level for verdict in found}
    expected = dict.fromkeys(levels, "ok") | case.levels
    assert levels == expected, [verdict.says for verdict in found]
    assert len(levels) == len(found) and case.words in " ".join(verdict.says for verdict in found)
    assert worst(found) == worst([v for v in found if v.check in case.levels])


def test_there_are_enough_cases_of_both_kinds():
    assert len(CASES) >= 20 and sum(not case.levels for case in CASES.values()) >= 5


@pytest.mark.parametrize("name", CASES)
def test_samples_stand_beside_true_ones(verdicts, name):
    for verdict in verdicts(name)[1]:
        if verdict.check in ("quality", "precision", "variety", "twins", "coverage", "copies", "modes"):
            assert re.search(r"\(.*true (ones|data).*\)", verdict.says), verdict


@pytest.mark.parametrize("name", CASES)
def test_advice_is_a_sentence_that_can_be_carried_out(verdicts, name):
    run, found = verdicts(name)
    for verdict in found:
        assert bool(verdict.advice) == (verdict.level != "ok"), verdict
        assert re.fullmatch(r"([A-Z].*\.)?", verdict.advice) and ".." not in verdict.advice
        assert "--" not in re.sub("`[^`]*`", "", verdict.advice), "an option without its command"
        for text in re.findall("`([^`]*)`", verdict.advice):
            (expect_expression if run.config["recipe"] is None else expect_command)(text, run)


def expect_command(text, run):
    """The command exists, and numgan accepts it for the data of the run."""
    program, *words = shlex.split(text)
    assert program == "numgan"
    parser = argparse.ArgumentParser()
    cli.train.add(parser.add_subparsers())
    args = parser.parse_args(words)
    if args.resume:
        assert args.resume == str(run.folder) and len(words) in (3, 5)
        assert args.steps is None or args.steps > run.state.step
        return
    recipe = Recipe(**cli.common.given(args, Recipe)).resolve()
    assert (
        recipe.data == run.config["recipe"]["data"]
        and recipe.width == run.config["recipe"]["width"]
        or ("width" in text)
    )
    assert recipe.build().sample_shape == run.system.sample_shape
    assert cli.main([*words, "--dry-run"]) == 0
    assert words != shlex.split(health_command(run)), "the same run again"


def health_command(run):
    from numgan.evaluation.advice import command

    return command(Recipe(**run.config["recipe"]))[len("numgan ") :]


def expect_expression(text, run):
    """The expression is Python; one that makes a system makes one that can be trained."""
    names = {"numgan": numgan, "dataclasses": dataclasses, "system": run.system, "dataset": run.dataset}
    if text.startswith("numgan.train("):
        assert compile(text, "advice", "eval") and str(run.folder) in text and "resume=True" in text
        return
    if text.startswith(("system", "dataclasses")):
        made = eval(text, names)
        assert isinstance(made, type(run.system)) and repr(vars(made)) != repr(vars(run.system))
        return
    assert text == "probabilities" or callable(eval(text.split("(")[0], names))


def test_the_advice_of_a_young_run_comes_first(verdicts):
    for name in ("untrained", "young", "young, in Python"):
        run, found = verdicts(name)
        advice = [verdict.advice for verdict in found if verdict.advice]
        assert found[0].check == "steps" and found[0].level == "look"
        assert set(advice) == {advice[0]} and advice[0].startswith("Train longer first with `numgan")


def test_the_advice_to_continue_is_carried_out(numgan, tmp_path):
    """A run of 20 steps is extended by the command that health prints."""
    numgan(
        "train",
        "gan",
        "--preset",
        "digits",
        "--steps",
        20,
        "--width",
        0.05,
        "--batch-size",
        4,
        "--out",
        "a b",
    )
    _, out, _ = numgan("health", "a b")
    (line,) = re.findall("`(numgan train --resume 'a b' --steps 6000)`", out)
    words = shlex.split(line.replace("6000", "30"))
    code, said, _ = numgan(*words[1:])
    assert code == 0 and "30 steps" in said


@pytest.mark.parametrize("rows, check", [(63, "samples"), (64, "quality")])
def test_few_rows_are_not_compared(rows, check, tmp_path):
    """Of 32 true rows beside 32 others, all checks are ok; of fewer, chance alone would make some not ok."""
    case = CASES["true digits"]
    run = health_cases.run_of(case, tmp_path)
    order = np.random.default_rng(0).permutation(len(run.dataset))
    kept, others = run.dataset.x[order[:rows]], run.dataset.x[order[rows:]]
    run = dataclasses.replace(run, dataset=Dataset("few", kept))
    object.__setattr__(run, "rows", lambda x, labels, rng: others / np.float32(127.5) - 1)
    found = {verdict.check: verdict for verdict in examine(run)}
    assert check in found and worst(found.values()) == "ok"
    assert check != "samples" or found[check].says == "63 real rows are too few to compare samples with"


def test_copies_are_looked_for_in_all_of_the_data_only(tmp_path):
    """Of 60,000 rows a run keeps 1,500: a generator that copies the others would look well."""
    run = health_cases.run_of(CASES["memorised"], tmp_path)
    data = {"columns": {"x": {"rows": 60_000}}}
    kept = dataclasses.replace(run, config=run.config | {"data": data}, missing="they moved")
    object.__setattr__(kept, "rows", run.rows)
    (verdict,) = (verdict for verdict in examine(kept) if verdict.check == "copies")
    assert verdict.level == "ok"
    assert verdict.says == "not looked for: only 1,500 of the 60,000 training rows were read"
