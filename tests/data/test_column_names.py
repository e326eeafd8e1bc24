"""The names of a table's columns: from the file to the run, its pictures and its samples."""

import json

import numpy as np
import pytest

from numgan import cli, plot
from numgan.cli.sample import _table
from numgan.data import Dataset, hold_out, load, matched, standardised
from numgan.training import runs, sampling
from numgan.training.recipes import Recipe

ROWS = np.random.default_rng(0).standard_normal((40, 3)) * [1, 100, 10] + [5, 2000, 0]
NAMES = ("width", "year", "größe in $")


@pytest.fixture
def numgan(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["numgan", *map(str, words)])
        assert cli.main() in (None, 0), capsys.readouterr().err
        return capsys.readouterr().out

    return call


def table(path, names=NAMES, rows=ROWS, labels=None):
    lines = [[*names], *rows.tolist()]
    if labels is not None:
        lines = [[*line, word] for line, word in zip(lines, ["kind", *labels], strict=True)]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_dataset_keeps_the_names_through_every_change(tmp_path):
    made = load(table(tmp_path / "t.csv"))
    train, test = hold_out(made, 0.2)
    for part in (made, train, test, standardised(train), standardised(test, train)):
        assert part.column_names == NAMES


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_a_dataset_expects_a_name_for_each_column(names):
    with pytest.raises(ValueError, match="expected a name for each column of rows, got"):
        Dataset("d", np.zeros((3, 2)), column_names=names)
    with pytest.raises(ValueError, match="expected a name for each column of rows, got"):
        Dataset("d", np.zeros((3, 3, 2)), column_names=names)


def test_an_npz_file_may_have_names(tmp_path):
    np.savez(tmp_path / "t.npz", x=ROWS, columns=NAMES)
    assert load(tmp_path / "t.npz").column_names == NAMES
    np.savez(tmp_path / "t.npz", data=ROWS, feature_names=[*NAMES, "more"])
    assert load(tmp_path / "t.npz").column_names is None


def test_the_names_are_in_the_run_its_pictures_and_its_samples(tmp_path, monkeypatch, numgan):
    path, run, shown = table(tmp_path / "t.csv"), tmp_path / "run", []
    numgan("train", "gan", "--data", path, "--steps", 2, "--width", 0.05, "--out", run)
    config = json.loads((run / "config.json").read_text())
    assert config["column_names"] == list(NAMES)
    path.rename(tmp_path / "gone.csv")  # the run keeps the names without the data
    for name in ("s.npz", "s.csv"):
        numgan("sample", run, "--count", 12, "--out", tmp_path / name)
    arrays = np.load(tmp_path / "s.npz")
    assert arrays["columns"].tolist() == list(NAMES)
    made = load(tmp_path / "s.csv")
    assert made.column_names == NAMES
    np.testing.assert_array_equal(made.x, arrays["x"])
    assert load(tmp_path / "s.npz").column_names == NAMES
    real = plot.points
    monkeypatch.setattr(sampling.plot, "points", lambda *a, **k: shown.append(k) or real(*a, **k))
    numgan("sample", run)
    assert shown == [{"names": NAMES}]


def test_an_old_run_without_names_goes_on(tmp_path, numgan):
    path, run = table(tmp_path / "t.csv"), tmp_path / "run"
    numgan("train", "gan", "--data", path, "--steps", 2, "--width", 0.05, "--out", run)
    config = json.loads((run / "config.json").read_text())
    del config["column_names"]
    (run / "config.json").write_text(json.dumps(config))
    numgan("train", "--resume", run, "--steps", 3)
    assert runs.open_run(run).state.step == 3 and runs.open_run(run, whole=False).dataset.column_names is None
    numgan("sample", run, "--count", 12, "--out", tmp_path / "s.csv")
    table(path, ["other", "names", "now"])  # names are no part of the data
    numgan("train", "--resume", run, "--steps", 4)


def test_labels_are_the_last_column_of_a_table_of_samples():
    text = _table(np.float32([[0.1, 2], [3e10, -4]]), ("a", "b"), ["cat, big", "dog"])
    assert text == 'a,b,label\n0.100000001,2,"cat, big"\n3.0000001e+10,-4,dog\n'
    assert _table(np.float32([[1, 2]]), None, None) == "x_1,x_2\n1,2\n"


def test_a_table_of_pictures_is_refused_before_anything_is_written(tmp_path, numgan, capsys, monkeypatch):
    numgan("train", "gan", "--preset", "digits", "--steps", 1, "--width", 0.05, "--out", tmp_path / "run")
    words = ["numgan", "sample", str(tmp_path / "run"), "--out", str(tmp_path / "s.csv")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(cli.main())
    assert caught.value.code not in (None, 0)
    assert "a table is for rows, and these samples are (8, 8, 1)" in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists()


def axes_labels(monkeypatch, *arguments, **words):
    found = []
    monkeypatch.setattr("numgan.plot.samples.render", lambda figure: found.append(figure.axes[0]))
    plot.points(*arguments, **words)
    return found[0].get_xlabel(), found[0].get_ylabel()


def test_the_axes_have_the_names(monkeypatch):
    two, x = ROWS[:, :2], ROWS
    assert axes_labels(monkeypatch, two, two, names=NAMES[:2]) == ("width", "year")
    assert axes_labels(monkeypatch, x, x, names=NAMES) == ("width of 3 columns", "year of 3 columns")
    assert axes_labels(monkeypatch, x[:, :1], x[:, :1], names=("a$b",)) == (r"a\$b", "share of the rows")
    assert axes_labels(monkeypatch, two, two) == ("$x_1$", "$x_2$")


# ---- the test part


def test_classes_and_columns_of_a_test_part_are_matched_by_their_names(tmp_path):
    rows = np.arange(6.0).reshape(3, 2)
    table(tmp_path / "own-train.csv", ("a", "b"), rows, ["x", "y", "z"])
    table(tmp_path / "own-test.csv", ("b", "a"), rows[:2, ::-1], ["z", "y"])
    train, test = (load(tmp_path / "own-train.csv", split) for split in ("train", "test"))
    assert test.labels.tolist() == [2, 1] and test.classes == train.classes == ("x", "y", "z")
    assert test.x.tolist() == [[0, 1], [2, 3]] and test.column_names == ("a", "b")
    again = matched(test, train)
    assert again.labels.tolist() == [2, 1] and again.x.tolist() == test.x.tolist()


@pytest.mark.parametrize("names", [None, ["one", "two", "three"]])
@pytest.mark.parametrize("first", [0, 1])
def test_a_class_that_the_test_part_lacks_moves_no_number(tmp_path, names, first):
    more = {} if names is None else {"classes": names}
    x, y, some = np.zeros((6, 2)), np.array([0, 1, 2] * 2) + first, np.array([2, 1]) + first
    np.savez(tmp_path / "t.npz", x_train=x, y_train=y, x_test=x[:2], y_test=some, **more)
    test = load(tmp_path / "t.npz", "test")
    assert test.labels.tolist() == [2, 1]
    assert test.classes == load(tmp_path / "t.npz").classes
    np.savez(tmp_path / "k-train-imgs.npz", x), np.savez(tmp_path / "k-train-labels.npz", y)
    np.savez(tmp_path / "k-test-imgs.npz", x[:2]), np.savez(tmp_path / "k-test-labels.npz", some)
    assert load(tmp_path / "k-train-imgs.npz", "test").labels.tolist() == [2, 1]


def test_a_test_part_with_another_class_or_column_is_refused(tmp_path):
    rows = np.arange(6.0).reshape(3, 2)
    table(tmp_path / "own-train.csv", ("a", "b"), rows, ["x", "y", "x"])
    table(tmp_path / "own-test.csv", ("a", "b"), rows, ["x", "w", "x"])
    with pytest.raises(ValueError, match="expected the classes x, y, as in own-train.csv, got 'w'"):
        load(tmp_path / "own-train.csv", "test")
    table(tmp_path / "own-test.csv", ("a", "c"), rows, ["x", "y", "x"])
    with pytest.raises(ValueError, match="expected the columns a, b, as in own-train.csv, got 'c'"):
        load(tmp_path / "own-train.csv", "test")
    table(tmp_path / "own-test.csv", ("a",), rows[:, :1], ["x", "y", "x"])
    for call in (lambda: load(tmp_path / "own-train.csv", "test"), recipe(tmp_path).load):
        with pytest.raises(
            ValueError, match=r"expected rows of shape \(2,\), as in own-train.csv, got \(1,\)"
        ):
            call() if call.__name__ == "<lambda>" else call("test")


def recipe(tmp_path):
    made = Recipe("gan", data=str(tmp_path / "own-train.csv"), test=str(tmp_path / "own-test.csv"))
    return made.resolve()


def test_a_test_file_in_another_order_is_standardised_column_by_column(tmp_path):
    table(tmp_path / "own-train.csv")
    table(tmp_path / "own-test.csv", NAMES[::-1], ROWS[:, ::-1])
    train, test = (recipe(tmp_path).load(split) for split in ("train", "test"))
    np.testing.assert_array_equal(train.x, test.x)
    assert recipe(tmp_path).test_part(train).column_names == NAMES


def test_a_folder_with_one_table_is_the_table(tmp_path, numgan):
    (tmp_path / "own").mkdir()
    table(tmp_path / "own" / "own-train.csv"), table(tmp_path / "own" / "own-test.csv", rows=ROWS[:20])
    made = Recipe("gan", data=str(tmp_path / "own")).resolve()
    train, test = made.load(), made.load("test")
    np.testing.assert_allclose(train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(test.shift, train.shift)
    assert len(test) == 20 and train.column_names == NAMES
    numgan(
        "train", "gan", "--data", tmp_path / "own", "--steps", 1, "--width", 0.05, "--out", tmp_path / "run"
    )
    assert runs.open_run(tmp_path / "run").missing is None


def test_a_file_called_train_needs_no_test_file(tmp_path):
    table(tmp_path / "train.csv")
    with pytest.raises(ValueError, match="has no split 'test'"):
        load(tmp_path / "train.csv", "test")
    assert Recipe("gan", data=str(tmp_path / "train.csv")).resolve().test_part(load("ring")) is None
