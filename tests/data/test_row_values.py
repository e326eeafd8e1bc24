"""Rows of any shape and any magnitude: trained, sampled in the units of the file, and evaluated."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

import numgan as ng
from numgan import cli
from numgan.data import Dataset, in_units, load, standardised
from numgan.evaluation import evaluate, health
from numgan.training import runs

RNG = np.random.default_rng(0)


@pytest.fixture
def numgan(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["numgan", *map(str, words)])
        assert cli.main() in (None, 0), capsys.readouterr().err
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 3), (3, 5), (2, 3, 4), (2, 2, 2, 2)])
def test_every_entry_of_a_row_of_any_shape_is_standardised(shape):
    x = RNG.standard_normal((50, *shape)) * RNG.uniform(0.1, 1e4, shape) + RNG.uniform(-1e4, 1e4, shape)
    data = Dataset("d", x)
    made = standardised(data)
    np.testing.assert_allclose(made.x.mean(axis=0), np.zeros(shape), atol=1e-4)
    np.testing.assert_allclose(made.x.std(axis=0), np.ones(shape), atol=1e-4)
    assert made.shift.shape == made.scale.shape == shape
    np.testing.assert_allclose(in_units(made, made.x), data.x, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4)])
def test_a_system_of_rows_with_several_axes_from_file_to_samples(tmp_path, shape):
    units, size = RNG.uniform(10, 1000, shape), int(np.prod(shape))
    np.save(tmp_path / "rows.npy", RNG.standard_normal((60, *shape)) * units + 5 * units)
    data = standardised(load(tmp_path / "rows.npy"))
    networks = {
        "G": ng.Sequential(*ng.networks.mlp(2, 8, size), ng.Reshape(*shape)),
        "D": ng.Sequential(ng.Flatten(), *ng.networks.mlp(size, 8, 1)),
    }
    system = replace(ng.systems.build("gan", "points"), networks=networks, sample_shape=shape)
    system = replace(system, latent=replace(system.latent, size=2))
    whole = ng.train(system, data, tmp_path / "whole", steps=4, batch_size=8, progress=False)
    ng.train(system, data, tmp_path / "run", steps=2, batch_size=8, progress=False)
    ng.train(system, data, tmp_path / "run", steps=4, resume=True, progress=False)
    kept = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert len(kept["shift"]) == len(kept["scale"]) == size
    run = runs.open_run(tmp_path / "run", system)
    np.testing.assert_array_equal(run.dataset.shift, data.shift)
    x, _ = run.sampler()(30, 0)
    np.testing.assert_array_equal(x, runs.open_run(whole.folder, system, data).sampler()(30, 0)[0])
    x = in_units(run.dataset, x)
    assert x.shape == (30, *shape) and np.isfinite(x).all()
    assert (np.abs(x.mean(axis=0) - 5 * units) < 5 * units).all()
    found = evaluate(runs.open_run(tmp_path / "run", system, data), count=20, quick=True, progress=False)
    assert found["figures"] and all(np.isfinite(f["samples"]) for f in found["figures"].values())
    assert health.examine(run)


def test_rows_too_large_for_the_configuration_are_refused_before_anything_is_written(tmp_path):
    data = standardised(Dataset("d", RNG.standard_normal((2, 300, 300)) * 1.1))
    networks = {
        "G": ng.Sequential(ng.Dense(2, 1), ng.Dense(1, 90_000), ng.Reshape(300, 300)),
        "D": ng.Sequential(ng.Flatten(), ng.Dense(90_000, 1)),
    }
    system = replace(ng.systems.build("gan", "points"), networks=networks, sample_shape=(300, 300))
    with pytest.raises(ValueError, match="config.json: expected at most .* or smaller rows of numbers"):
        ng.train(system, data, tmp_path / "run", steps=1, batch_size=2, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_damaged_shift_is_named(tmp_path, numgan):
    np.save(tmp_path / "rows.npy", RNG.standard_normal((40, 3)))
    run = tmp_path / "run"
    numgan("train", "gan", "--data", tmp_path / "rows.npy", "--steps", 1, "--width", 0.05, "--out", run)
    config = json.loads((run / "config.json").read_text())
    config["data"]["shift"] = [1.0]
    with pytest.raises(ng.core.errors.FileFormatError, match="expected rows of the training data"):
        runs.kept.load(run, config)


@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "bool"])
def test_npy_rows_are_trained_sampled_and_evaluated(tmp_path, numgan, kind):
    x = RNG.standard_normal((60, 4)) * [1, 100, 5, 3] + [0, 1000, 7, 3]
    np.save(tmp_path / "rows.npy", x > [0, 1000, 7, 3] if kind == "bool" else x.astype(kind))
    run = tmp_path / "run"
    numgan("train", "gan", "--data", tmp_path / "rows.npy", "--steps", 2, "--width", 0.05, "--out", run)
    numgan("sample", run, "--count", 30, "--out", tmp_path / "s.npz")
    made = np.load(tmp_path / "s.npz")["x"]
    known = np.load(tmp_path / "rows.npy").astype(float)
    assert made.shape == (30, 4) and "columns" not in np.load(tmp_path / "s.npz")
    assert (np.abs(made.mean(axis=0) - known.mean(axis=0)) < 4 * known.std(axis=0)).all()
    said = json.loads(numgan("evaluate", run, "--count", 20, "--json"))
    assert said["figures"]


def test_bools_of_several_axes_are_pictures(tmp_path):
    x = RNG.random((5, 4, 6)) > 0.5
    np.save(tmp_path / "masks.npy", x)
    made = load(tmp_path / "masks.npy")
    assert made.is_images
    np.testing.assert_array_equal(made.x[..., 0], 255 * x)


COLUMNS = {
    "constant": np.full(60, 3.7),
    "large constant": np.full(60, 1e20),
    "zero": np.zeros(60),
    "huge": RNG.standard_normal(60) * 1e11 + 1e12,
    "larger": RNG.standard_normal(60) * 1e30,
    "tiny": RNG.standard_normal(60) * 1e-20,
    "year": RNG.integers(1990, 2024, 60),
    "few": RNG.integers(0, 3, 60),
    "rare": np.arange(60) == 0,
    "flag": RNG.random(60) < 0.5,
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("mark", [",", ";"])
def test_columns_of_any_magnitude_train_and_come_back_in_their_units(tmp_path, numgan, mark):
    rows = zip(*(column.tolist() for column in COLUMNS.values()), strict=True)
    lines = [mark.join(COLUMNS), *(mark.join(map(str, row)) for row in rows)]
    text = "\n".join(lines)
    (tmp_path / "t.csv").write_text(text.replace(".", ",") if mark == ";" else text)
    run = tmp_path / "run"
    numgan("train", "gan", "--data", tmp_path / "t.csv", "--steps", 3, "--width", 0.05, "--out", run)
    assert np.isfinite(runs.open_run(run).dataset.x).all()
    numgan("sample", run, "--count", 50, "--out", tmp_path / "s.npz")
    made = np.load(tmp_path / "s.npz")
    assert made["columns"].tolist() == list(COLUMNS) and np.isfinite(made["x"]).all()
    for x, (name, column) in zip(made["x"].T.astype(float), COLUMNS.items(), strict=True):
        deviation = column.std() if name not in ("constant", "large constant", "zero") else 1
        step = np.spacing(np.float32(np.abs(column).max()))
        assert abs(x.mean() - column.mean()) < 5 * deviation + step, name
        assert x.std() < 10 * deviation + step, name
    assert json.loads(numgan("evaluate", run, "--count", 20, "--json"))["figures"]


@pytest.mark.parametrize(
    "column, warned",
    [
        (1.7e12 + np.arange(60) * 1e3, True),  # milliseconds of one minute
        (1e16 + np.arange(60.0), True),
        (1.7e9 + np.arange(60) * 1e6, False),
        (np.arange(1960, 2020) + 0.5, False),
        (np.full(60, 1e12), False),
        (np.arange(60) / 7, False),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.npy"])
def test_columns_too_fine_for_float32_are_named(tmp_path, column, warned, name):
    rows = np.stack([np.arange(60) % 7, column], axis=1)
    if name == "t.npy":
        np.save(tmp_path / name, rows)
    else:
        np.savetxt(tmp_path / name, rows, "%.17g", ",", header="a,time", comments="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(tmp_path / name)
    said = [str(entry.message) for entry in caught]
    assert len(said) == warned
    if warned:
        word = "'time'" if name == "t.csv" else "1, counted from 0,"
        assert f"the column {word} has numbers up to" in said[0] and "subtract a constant" in said[0]
