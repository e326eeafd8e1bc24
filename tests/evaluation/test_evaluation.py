"""Evaluation: generators whose quality is known by construction, their figures, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numgan import cli, data, metrics
from numgan.data import Dataset
from numgan.evaluation import evaluate, judging
from numgan.evaluation import figures as evaluation
from numgan.layers import Pass
from numgan.systems.likelihood import classifier
from numgan.training import runs
from numgan.training.state import State

ORDINARY = {"test": data.load("digits", "test"), "train": data.load("digits")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for system, steps in (("conditional", "3"), ("gan", "3"), ("classifier", "100")):
        assert (
            cli.main(
                [
                    "train",
                    system,
                    "--width",
                    "0.25",
                    "--batch-size",
                    "32",
                    "--steps",
                    steps,
                    "--out",
                    str(folder / system),
                    "--json",
                ]
            )
            == 0
        )
    assert (
        cli.main(
            ["train", "gan", "--preset", "points", "--steps", "3", "--out", str(folder / "points"), "--json"]
        )
        == 0
    )
    return folder


@pytest.fixture
def judge(folder):
    return runs.open_run(folder / "classifier")


def drawing(run, x, labels=None):
    """The run, whose generator draws these rows one after the other."""

    class Drawn(type(run)):
        def sampler(self):
            return lambda n, seed: (
                np.resize(x, (n, *x.shape[1:])),
                labels if labels is None else np.resize(labels, n),
            )

    return Drawn(**vars(run))


def seen(rows):
    return rows.x / np.float32(127.5) - 1


def value(found, name, side="samples"):
    return found["figures"][name][side]


# ---- generators of known quality


def test_a_generator_that_draws_the_test_set_is_perfect(folder, judge):
    test = ORDINARY["test"]
    found = evaluate(
        drawing(runs.open_run(folder / "conditional"), seen(test), test.labels),
        judge,
        count=297,
        progress=False,
    )
    assert value(found, "nearest_neighbour_error") == 0 and value(
        found, "classifier_frechet_distance"
    ) == pytest.approx(0, abs=1e-6)
    assert found["skipped"].keys() == {"structural similarity"} and value(found, "sliced_wasserstein") == 0
    assert value(found, "different_bins") == 0 and value(found, "mmd") < value(found, "mmd", "real")
    assert all(value(found, f"classifier_{name}") == 1 for name in ("precision", "recall", "coverage"))
    assert (
        value(found, "classifier_agreement") == pytest.approx(found["judge"]["accuracy"])
        and value(found, "classifier_classes") == 10
    )
    assert value(found, "parzen_log_likelihood") > value(found, "parzen_log_likelihood", "real")


def test_a_collapsed_generator_is_seen(folder, judge):
    one = ORDINARY["test"].x[:1] / np.float32(127.5) - 1
    found = evaluate(drawing(runs.open_run(folder / "gan"), one), judge, count=300, progress=False)
    assert value(found, "classifier_classes") == 1 and value(found, "classifier_score") == pytest.approx(
        1, abs=1e-6
    )
    assert value(found, "classifier_recall") < 0.05 and value(found, "classifier_coverage") < 0.05
    assert value(found, "nearest_neighbour_error") > 0.8 and value(found, "different_bins") > 20
    for name, figure in found["figures"].items():
        if figure["better"] == "higher" and name != "classifier_precision" and name != "classifier_density":
            assert figure["samples"] < figure["real"], name
        if figure["better"] == "lower":
            assert figure["samples"] > figure["real"], name


def test_what_stands_beside_is_the_same_measure_of_training_rows(folder, judge):
    """Found again from the rows themselves: which they are, how they are scaled, and who labels them."""
    train, test, run = ORDINARY["train"], ORDINARY["test"], runs.open_run(folder / "gan")
    found = evaluate(run, judge, count=200, seed=3, progress=False)
    chosen = evaluation.stream(3, "evaluate").permutation(1250)[:200]
    net, psi = judge.system.networks["C"], judge.state.params["C"]
    features, answers = (
        {
            name: net[:cut].forward(psi, x, Pass())[0]
            for name, x in (("test", seen(test)), ("train", seen(train)[chosen]))
        }
        for cut in (-1, len(net))
    )
    for name, distance in (("frechet_distance", metrics.frechet_distance), ("kid", metrics.kid)):
        assert value(found, f"classifier_{name}", "real") == pytest.approx(
            distance(features["test"], features["train"]), rel=1e-4
        ), name
    error = metrics.nearest_neighbour_error(
        train.x[chosen] / 255, answers["train"].argmax(axis=1), test.x / 255, test.labels
    )
    assert value(found, "nearest_neighbour_error", "real") == pytest.approx(error, abs=0.004)
    parzen = metrics.parzen(train.x[chosen] / 255, train.x[1250:] / 255, test.x / 255)
    assert value(found, "parzen_log_likelihood", "real") == pytest.approx(parzen.mean, rel=1e-4)
    assert value(found, "parzen_sigma", "real") == parzen.sigma
    assert (
        found["samples"] == 200
        and found["beside"] == "200 training rows"
        and found["against"] == "297 test rows"
    )
    assert found["judge"]["accuracy"] == judging.held_out(judge)["accuracy"]


def test_labels_asked_for_are_true_ones_beside(folder, judge):
    """A conditional system is judged by the labels it was asked for, so the rows beside keep theirs."""
    train, test = ORDINARY["train"], ORDINARY["test"]
    wrong = drawing(runs.open_run(folder / "conditional"), seen(train)[:200], (train.labels[:200] + 1) % 10)
    found = evaluate(wrong, judge, count=200, progress=False)
    assert value(found, "nearest_neighbour_error") > 0.85 and value(found, "classifier_agreement") < 0.1
    chosen = evaluation.stream(0, "evaluate").permutation(1250)[:200]
    error = metrics.nearest_neighbour_error(
        train.x[chosen] / 255, train.labels[chosen], test.x / 255, test.labels
    )
    assert value(found, "nearest_neighbour_error", "real") == pytest.approx(error, abs=0.004)


def test_points(folder):
    run = runs.open_run(folder / "points")
    found = evaluate(drawing(run, data.load("ring", "test").x[::-1]), progress=False)
    assert found["samples"] == 2500 and found["judge"] is None and found["skipped"] == {}
    for side in ("samples", "real"):
        assert value(found, "modes", side) == 8 and value(found, "high_quality", side) == pytest.approx(
            0.98889, abs=0.01
        )
        assert value(found, "reverse_kl", side) < 0.006 and value(
            found, "relative_std_mean", side
        ) == pytest.approx(0.974, abs=0.03)
        assert (
            value(found, "relative_std_least", side)
            < value(found, "relative_std_mean", side)
            < value(found, "relative_std_most", side)
        )
    centre = np.array([[2.0, 0.0]], np.float32)
    found = evaluate(drawing(run, centre), count=100, progress=False)
    assert (
        value(found, "modes") == 1
        and value(found, "high_quality") == 1
        and value(found, "relative_std_mean") == 0
    )
    assert value(found, "sliced_wasserstein") > 1 and value(found, "recall") == 0
    nowhere = evaluate(drawing(run, centre * 10), count=100, progress=False)
    assert (
        value(nowhere, "modes") == 0
        and value(nowhere, "reverse_kl") is None
        and value(nowhere, "relative_std_mean") is None
    )


def test_a_curve_has_no_modes(tmp_path):
    cli.main(
        ["train", "gan", "--data", "swiss-roll", "--steps", "1", "--out", str(tmp_path / "run"), "--json"]
    )
    found = evaluate(runs.open_run(tmp_path / "run"), count=200, progress=False)
    assert (
        found["skipped"] == {"modes": "these data have no modes"} and value(found, "coverage", "real") > 0.8
    )


def test_pictures_of_a_folder_are_compared_with_each_other(tmp_path, folder):
    (tmp_path / "photos").mkdir()
    for i, x in enumerate(ORDINARY["train"].x[:60, ..., 0]):
        Image.fromarray(x).resize((16, 16)).save(tmp_path / "photos" / f"{i:02}.png")
    photos = data.load(str(tmp_path / "photos"), size=16)
    run = runs.open_run(folder / "gan")
    run = replace(run, dataset=photos, config=run.config | {"recipe": None})
    found = evaluate(drawing(run, seen(photos)), progress=False)
    assert found["samples"] == 25 and found["against"] == "25 training rows (these data have no test part)"
    assert (
        "sliced_wasserstein_16" in found["figures"]
        and "ssim_of_pairs" in found["figures"]
        and found["judge"] is None
    )
    assert (
        "needs a judge" in found["skipped"]["classifier score"]
        and "needs labels" in found["skipped"]["1-nearest-neighbour error"]
    )
    few = replace(run, dataset=Dataset("few", photos.x[:20]))
    with pytest.raises(ValueError, match="expected at least 12 rows on either side, got 8"):
        evaluate(drawing(few, seen(photos)), progress=False)


def test_equal_arguments_equal_figures(folder, judge):
    run = runs.open_run(folder / "conditional")
    first, again, other = (
        evaluate(run, judge, count=60, seed=seed, progress=False)["figures"] for seed in (0, 0, 1)
    )
    assert first == again != other


# ---- what is asked for in vain


def test_wrong_requests(folder, judge):
    run = runs.open_run(folder / "gan")
    with pytest.raises(
        ValueError, match="is a run of Classifier, which draws no samples: it tells the class of a picture"
    ):
        evaluate(judge)
    with pytest.raises(ValueError, match="a judge is a run of"):
        evaluate(run, run)
    for count in (2, 1251):
        with pytest.raises(ValueError, match="expected a count from 12 to 1,250"):
            evaluate(run, judge, count=count, progress=False)
    large = replace(judge, system=classifier.mnist(0.05), state=State.start(classifier.mnist(0.05), 0))
    with pytest.raises(ValueError, match="judges samples"):
        evaluate(run, large)
    with pytest.raises(ValueError, match="knows the classes a, b, and the data of"):
        evaluate(run, replace(judge, config=judge.config | {"classes": ["a", "b"]}))


# ---- the command


def test_the_command(numgan, folder):
    words = ["evaluate", folder / "conditional", "--judge", folder / "classifier", "--count", 60]
    code, out, err = numgan(*words, "--json")
    found = json.loads(out)
    assert (
        code == 0
        and err == ""
        and found["figures"].keys() >= {"mmd", "classifier_kid", "nearest_neighbour_error"}
    )
    assert all(figure["real"] is not None for figure in found["figures"].values())
    against = {name: figure["against"] for name, figure in found["figures"].items()}
    assert set(against.values()) == {
        "297 test rows",
        "the validation rows",
        "their mean answer",
        "the labels that were asked for",
        "the classes of the data",
        "equal shares of the classes",
    }
    assert against["mmd"] == against["classifier_kid"] == "297 test rows"
    code, out, _ = numgan(*words)
    assert (
        code == 0
        and f"accuracy {found['judge']['accuracy']:.2%} on 297 held-out rows" in out
        and "Inception" in out
    )
    assert (
        "classifier frechet distance" in out
        and "real rows: the same figures of 60 training rows" in out
        and "lower is better" in out
    )
    assert "frechet distance" not in out.replace("classifier frechet distance", ""), (
        "a name that could be taken for the FID"
    )
    code, out, _ = numgan(*words, "--quick")
    assert (
        code == 0 and "mmd" not in out and "not measured (--quick leaves it out): Parzen window; MMD" in out
    )
    code, out, _ = numgan("evaluate", folder / "points", "--count", 50)
    assert code == 0 and "high quality" in out and "%" in out
    assert numgan("evaluate", folder / "classifier")[0] == 2 and numgan("evaluate", "nothing")[0] == 2
    assert not list(Path().glob("numgan-cache/**/*")), "a judge was trained for nothing"


def test_the_judge_in_the_cache_is_the_default(numgan, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path / "cache"))
    digits = classifier.digits
    monkeypatch.setitem(
        classifier.PRESETS,
        "digits",
        lambda width=1.0: replace(digits(min(width, 0.1)), steps=30, batch_size=16),
    )
    code, out, _ = numgan("judge", "--data", "digits", "--json")
    judge = json.loads(out)
    assert (
        code == 0
        and judge["run"].startswith(str(tmp_path / "cache" / "judges" / "digits"))
        and judge["steps"] == 30
        and judge["rows"] == 297
    )
    code, out, _ = numgan("judge", "--data", "digits")
    assert code == 0 and judge["run"] in out and f"{judge['accuracy']:.2%}" in out
    assert (
        json.loads(numgan("evaluate", folder / "gan", "--count", 40, "--quick", "--json")[1])["judge"]["run"]
        == judge["run"]
    )
    sampled = json.loads(numgan("sample", folder / "gan", "--count", 40, "--judge", "--json")[1])
    assert sampled["judge"] == judge["run"] and sampled["held_out"]["accuracy"] == judge["accuracy"]
    assert (
        numgan("judge", "--data", "ring")[0] == 2
        and "a judge of their own" in numgan("sample", folder / "points", "--judge")[2]
    )
    assert "these are rows: `numgan evaluate" in numgan("sample", folder / "points", "--judge")[2]
