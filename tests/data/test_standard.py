"""Standardised rows: a table of columns of any units trains, and its samples come back in these units."""

import json

import numpy as np
import pytest

from numgan import cli
from numgan.data import Dataset, in_units, load, standardised
from numgan.training import runs
from numgan.training.recipes import Recipe

ROWS = np.random.default_rng(0).standard_normal((60, 4)) * [1, 1e4, 1e-3, 0] + [5, -3e4, 0, 7]


def test_columns_have_mean_0_and_deviation_1_and_come_back():
    data = Dataset("table", ROWS)
    found = standardised(data)
    np.testing.assert_allclose(found.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.x.std(axis=0), [1, 1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(in_units(found, found.x), data.x, rtol=1e-5, atol=1e-6)
    assert in_units(data, data.x) is data.x


def test_a_test_part_has_the_shift_and_scale_of_the_training_part():
    train, test = Dataset("train", ROWS[:40]), Dataset("test", ROWS[40:])
    found = standardised(test, train)
    np.testing.assert_array_equal(found.shift, standardised(train).shift)
    np.testing.assert_allclose(in_units(found, found.x), test.x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_a_table_from_the_command_line_to_samples_in_its_units(tmp_path, monkeypatch, capsys, columns):
    monkeypatch.chdir(tmp_path)
    rows = ROWS[:, :columns]
    header = "abcd"[:columns]
    path = tmp_path / "t.csv"
    np.savetxt(path, rows, delimiter=",", header=",".join(header), comments="")

    def numgan(*words):
        monkeypatch.setattr("sys.argv", ["numgan", *map(str, words)])
        assert cli.main() in (None, 0), capsys.readouterr().err
        return capsys.readouterr().out

    numgan("train", "gan", "--data", path, "--steps", 3, "--width", 0.05, "--out", "run", "--hold-out", 0.2)
    assert (tmp_path / "run" / "samples.png").exists()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    opened = runs.open_run("run")
    assert len(opened.dataset) == 48 and len(config["data"]["shift"]) == columns
    np.testing.assert_allclose(opened.dataset.x.mean(axis=0), 0, atol=1e-5)
    numgan("sample", "run", "--count", 50, "--out", "one.npz")
    path.rename(tmp_path / "gone.csv")
    numgan("sample", "run", "--count", 50, "--out", "two.npz")
    one, two = (np.load(f"{name}.npz")["x"] for name in ("one", "two"))
    assert np.array_equal(one, two) and one.shape == (50, columns)
    deviation = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1)  # a constant column has the scale 1
    np.testing.assert_array_less(np.abs(one.mean(axis=0) - rows.mean(axis=0)), 4 * deviation + 1e-5)
    numgan("health", "run")
    numgan("train", "--resume", "run", "--data", "gone.csv", "--steps", 4)
    assert runs.open_run("run").state.step == 4


def test_the_built_in_points_stay_as_they_are():
    assert Recipe("gan", "points", "ring").resolve().load().shift is None
    assert load("ring").scale is None


def test_labels_may_be_words_or_bools_and_rows_a_list():
    found = Dataset("d", [[1.0, 2], [3, 4], [5, 6]], ["b", "a10", "a9"])
    assert found.classes == ("a9", "a10", "b") and found.labels.tolist() == [2, 1, 0]
    assert Dataset("d", np.zeros((2, 2)), np.array([True, False])).labels.tolist() == [1, 0]
    assert Dataset("d", np.zeros((2, 2)), ["x", "y"], ("y", "x")).labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match="expected labels among y, got 'x'"):
        Dataset("d", np.zeros((2, 2)), ["x", "y"], ("y",))
    with pytest.raises(ValueError, match="got nan in row 1, column 2 of x"):
        Dataset("d", [[0.0, 0, 0], [0, 0, np.nan]])
