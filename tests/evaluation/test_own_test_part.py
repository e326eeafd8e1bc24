"""Own data with a test part: the held-out accuracy, and the rows that samples are compared with."""

import numpy as np
import pytest

from numgan import cli, data
from numgan.evaluation import evaluate, judging
from numgan.training import runs
from numgan.training.recipes import Recipe

X = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
Y = np.arange(60) // 6  # sorted by class


def test_a_classifier_of_a_file_with_a_test_part(tmp_path):
    np.savez(tmp_path / "own.npz", x_train=X, y_train=Y, x_test=X[30:], y_test=Y[30:])
    command = ["train", "classifier", "--preset", "digits", "--width", "0.1", "--steps", "1", "--json"]
    cli.main([*command, "--data", str(tmp_path / "own.npz"), "--out", str(tmp_path / "run")])
    run = runs.open_run(tmp_path / "run")
    test = Recipe(**run.config["recipe"]).test_part(run.dataset)
    assert test.labels.tolist() == Y[30:].tolist()  # classes 0 to 4 are missing: the numbers stay
    found = judging.held_out(run)
    assert found["rows"] == 30 and "guessing (10.00%), so" in judging.doubt(found, 10)
    assert judging.doubt({"accuracy": 0.56}, 10) == judging.doubt(None, 10) == ""
    place = ["--data", str(tmp_path / "own.npz"), "--hold-out", "0.2", "--out", str(tmp_path / "other")]
    assert cli.main([*command, *place]) == 2 and not (tmp_path / "other").exists()


def test_hold_out_serves_evaluate(tmp_path):
    np.savetxt(tmp_path / "own.csv", np.random.default_rng(0).standard_normal((100, 2)), delimiter=",")
    cli.main(
        ["train", "gan", "--data", str(tmp_path / "own.csv"), "--hold-out", "0.2", "--width", "0.1"]
        + ["--steps", "1", "--out", str(tmp_path / "run"), "--json"]
    )
    run = runs.open_run(tmp_path / "run")
    assert len(run.dataset) == 80
    assert evaluate(run, count=20, progress=False)["against"] == "20 test rows"


@pytest.mark.parametrize("name, words", [("b.npz", "got '77' in b.npz"), ("none.npz", "none.npz")])
def test_test_data_are_read_before_the_training(tmp_path, capsys, name, words):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez(tmp_path / "b.npz", x=X[:2], y=[3, 77])
    command = ["train", "classifier", "--preset", "digits", "--width", "0.1", "--steps", "1", "--json"]
    places = [
        "--data",
        str(tmp_path / "a.npz"),
        "--test",
        str(tmp_path / name),
        "--out",
        str(tmp_path / "run"),
    ]
    assert cli.main([*command, *places]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_test_data_must_fit(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez(tmp_path / "b.npz", x=X[:2], y=[3, 77])
    recipe = Recipe("classifier", "digits", str(tmp_path / "a.npz"), test=str(tmp_path / "b.npz"))
    with pytest.raises(ValueError, match="got '77' in b.npz"):
        recipe.test_part(recipe.load())
    with pytest.raises(ValueError, match="either --test or --hold-out, got both"):
        Recipe(**vars(recipe) | {"hold_out": 0.5}).resolve()
    with pytest.raises(ValueError, match="test: expected data that are held out, got the training data"):
        Recipe(**vars(recipe) | {"test": recipe.data}).resolve().expect_test(recipe.load())
    with pytest.raises(ValueError, match="hold_out: digits has a test part of its own"):
        Recipe("classifier", "digits", hold_out=0.5).resolve()
    assert Recipe("classifier", "digits", str(tmp_path / "a.npz")).test_part(data.load("digits")) is None
