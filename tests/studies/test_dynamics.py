"""The studies of dynamics: the Dirac-GAN, G's gradient as D gets better, rotating samples; their pictures."""

from dataclasses import replace

import numpy as np
import pytest

from numgan import data, plot, studies
from numgan.layers import Pass
from numgan.studies import STUDIES, Column, dirac, mode_collapse, protocol, vanishing
from numgan.systems import Batch, build


@pytest.mark.parametrize(
    "name, arms, picture",
    [
        ("dirac", ["minimax", "r1"], "portraits.png"),
        ("vanishing", ["ring-minimax"], "gradients.png"),
        ("mode-collapse", ["plain"], "heat-maps.png"),
    ],
)
def test_quick_studies(name, arms, picture, tmp_path, in_this_process):
    study = replace(STUDIES[name], arms={arm: STUDIES[name].arms[arm] for arm in arms})
    done = studies.run(name, study, tmp_path / name, quick=True, seeds=1, progress=False)
    assert set(done.results) == set(arms) and done.files[picture].stat().st_size > 5000
    shown = {
        column.key
        for column in study.columns
        if any(column.key in row for rows in done.results.values() for row in rows)
    }
    assert len(shown) >= 3 and all(study.arms[arm] in done.table for arm in arms)


def test_columns_of_words_and_of_figures_of_any_size():
    words = Column("x", "x", style="words")
    assert words.text(["no", "no"]) == "no" and words.text(["no", None, "yes"]) == "no, yes"
    assert Column("x", "x", 3, style="g").text([2.5642e4]) == "2.56e+04"
    assert Column("x", "x", 3, style="g").text([1.0e-5, 3.0e-5]) == "2e-05 ± 1e-05"


# ---- dirac


@pytest.mark.parametrize(
    "arm, real, imaginary", [("r1", -0.15, 0.4770), ("minimax", 0, 0.5), ("wgan-gp", None, None)]
)
def test_a_trial_of_dirac_gives_the_eigenvalue_and_where_the_paths_end(arm, real, imaginary, tmp_path):
    found = dirac.trial(arm, 0, True, tmp_path, lambda done: None)
    assert found["real"] == pytest.approx(real, abs=1e-6) and found["imaginary"] == pytest.approx(
        imaginary, abs=5e-5
    )
    with np.load(tmp_path / "paths.npz") as paths:
        for order in ("together", "in_turn"):
            assert paths[order].shape == (dirac.QUICK + 1, 2) and np.hypot(*paths[order][-1]) == found[order]
    assert found["converges"] == "no"  # not in 50 steps


def test_dirac_says_what_converges_in_500_steps(tmp_path):
    assert dirac.trial("r1", 0, False, tmp_path, lambda done: None)["converges"] == "yes"


# ---- vanishing


def test_a_sure_discriminator_starves_minimax_only():
    """Every logit of a fake is near -30: the gradient of minimax is sigmoid(-30) times that of the others."""
    params, x = build("gan", "digits").init(0, np.float64), np.zeros((64, 8, 8, 1))
    params["D"].vector[-1] -= 30  # the bias of D's last layer
    minimax, nonsaturating, wasserstein = (
        vanishing.gradients(vanishing.game("digits", loss), params, Batch({"x": x}), 5, 3)
        for loss in (vanishing.minimax, vanishing.nonsaturating, None)
    )
    size = lambda g: np.linalg.norm(g, axis=1)
    assert np.allclose(nonsaturating, wasserstein, rtol=1e-6, atol=1e-9 * size(wasserstein).max())
    assert (size(minimax) < 1e-9 * size(nonsaturating)).all() and (size(minimax) > 0).all()
    assert np.linalg.norm(minimax[0] - minimax[1]) > 0  # another batch of latents


def test_norm_and_noise_are_those_of_the_gradients():
    system, x = vanishing.game("digits", vanishing.nonsaturating), np.zeros((64, 8, 8, 1), np.float32)
    params = system.init(1)
    g = vanishing.gradients(system, params, Batch({"x": x}), 3, vanishing.BATCHES)
    found = vanishing.look(system, params, Batch({"x": x}), x, 3)
    assert np.isclose(found["norm"], np.mean([np.sqrt(row @ row) for row in g]), rtol=1e-12)
    assert np.isclose(found["spread"] ** 2, g.var(axis=0).sum(), rtol=1e-9)
    assert np.isclose(found["noise"] * np.linalg.norm(g.mean(axis=0)), found["spread"], rtol=1e-12)


def test_accuracy_is_that_of_the_best_threshold():
    rng = np.random.default_rng(0)
    real, fake = np.round(rng.normal(1, 1, 31), 1), np.round(rng.normal(0, 1, 17), 1)  # rounded: ties
    best = max(
        ((real >= cut).mean() + (fake < cut).mean()) / 2 for cut in np.concatenate([real, fake, [9.0]])
    )
    assert np.isclose(vanishing.accuracy(real, fake), best, rtol=1e-14)
    assert (
        vanishing.accuracy(np.array([-1.0, 0.5]), np.array([-5.0])) == 1
        and vanishing.accuracy(np.ones(3), np.ones(4)) == 0.5
    )


# ---- mode collapse


def test_a_run_that_was_cut_keeps_its_looks_and_ends_alike(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    quiet = lambda done: None
    one = mode_collapse.trial("plain", 0, True, whole, quiet)
    system, half = mode_collapse.game("plain"), mode_collapse.QUICK_STEPS // 2
    protocol.train(
        system, data.load("ring"), cut / "run", 0, quiet, half
    )  # somebody stopped here, and a later look is not there yet
    (cut / "snapshots").mkdir()
    for step in range(0, half + 1, mode_collapse.QUICK_STEPS // mode_collapse.QUICK_LOOKS):
        mode_collapse.snapshot(cut, step).write_bytes(mode_collapse.snapshot(whole, step).read_bytes())
    two = mode_collapse.trial("plain", 0, True, cut, quiet)
    assert (
        np.array_equal(one.pop("shares"), two.pop("shares"))
        and one.pop("minutes") >= 0
        and two.pop("minutes") >= 0
    )
    assert one == two
    files = sorted(path.name for path in (whole / "snapshots").iterdir())
    assert len(files) == mode_collapse.QUICK_LOOKS + 1
    assert all(
        (whole / "snapshots" / name).read_bytes() == (cut / "snapshots" / name).read_bytes() for name in files
    )

    before = {name: (cut / "snapshots" / name).stat().st_mtime_ns for name in files[1:]}
    mode_collapse.trial("plain", 0, True, cut, quiet)  # trained already: nothing is drawn again
    assert before == {name: (cut / "snapshots" / name).stat().st_mtime_ns for name in files[1:]}
    latents = system.inputs(Batch({}, number=mode_collapse.SAMPLES), mode_collapse.derive(0, "looks"))
    start = system.networks["G"].forward(system.init(0)["G"], latents, Pass())[0]
    assert np.array_equal(np.load(mode_collapse.snapshot(cut, 0)), start)


def test_rotation_is_the_mass_that_changes_its_mode():
    centres, std = data.modes("ring")
    at = lambda *k: np.resize(centres[list(k)], (mode_collapse.SAMPLES, 2))
    turning = mode_collapse.figures([at(k % 8) for k in range(11)])
    assert (
        turning["rotation"] == 1
        and turning["changes"] == 10
        and turning["dominated"] == 1
        and turning["modes"] == 1
    )
    resting = mode_collapse.figures([at(*range(8))] * 11)
    assert resting["rotation"] == 0 == resting["changes"] == resting["dominated"]
    assert resting["modes"] == 8 and resting["high_quality"] == 1 == resting["near"]
    half = mode_collapse.figures([at(0, 1), at(0, 2)] * 5)
    assert half["rotation"] == pytest.approx(0.5) and half["changes"] == 0 == half["dominated"]
    later = mode_collapse.figures([at(0), at(0), at(1), at(*range(8))])
    assert (
        later["changes"] == 1
        and later["dominated"] == 0.75
        and later["rotation"] == pytest.approx(0.875, abs=1e-3)
    )


# ---- pictures


def drawn(monkeypatch, draw):
    """The axes that a picture was drawn on."""
    figure_of, kept = plot.dynamics.figure_of, []

    def spy(*args, **words):
        figure, axes = figure_of(*args, **words)
        kept.append(axes)
        return figure, axes

    monkeypatch.setattr(plot.dynamics, "figure_of", spy)
    draw()
    return kept[0]


def test_portraits_show_the_paths_and_the_flow(monkeypatch):
    paths = {"a": np.array([[1.0, 1.0], [0.5, 0.25]]), "b": np.array([[1.0, 1.0], [0.0, 0.75]])}
    axes = drawn(
        monkeypatch,
        lambda: plot.portraits({"one": (lambda z: np.array([0, 1 + z[0] ** 2]), paths)}, "x", "y"),
    )
    lines = [line.get_xydata().tolist() for line in axes[0].lines]
    assert (
        all(path.tolist() in lines for path in paths.values())
        and [[0.5, 0.25]] in lines
        and axes[0].get_title() == "one"
    )
    flow = np.concatenate(
        next(
            collection.get_segments()
            for collection in axes[0].collections
            if hasattr(collection, "get_segments")
        )
    )
    steps = np.diff(flow.reshape(-1, 2), axis=0)  # the field is upright everywhere, so are the streamlines
    assert len(steps) > 50 and np.ptp(flow[:, 0]) > 3 and np.mean(np.abs(steps[:, 0]) < 1e-9) > 0.8


def test_against_shows_means_between_the_lowest_and_the_highest(monkeypatch):
    rows = {
        "r": {
            "norm": {"a": ([0, 1, 10], [[1, 2, 3], [3, 4, 50]])},
            "share": {"a": ([0, 1, 10], [[0.5, 0.6, 1.0]])},
        }
    }
    norm, share = drawn(monkeypatch, lambda: plot.against(rows, "k", shares=("share",)))
    assert norm.get_yscale() == "log" and share.get_yscale() == "linear" and norm.get_xscale() == "symlog"
    assert norm.lines[0].get_ydata().tolist() == [2, 3, 26.5]
    low, high = (edge(norm.collections[0].get_paths()[0].vertices[:, 1]) for edge in (np.min, np.max))
    assert (low, high) == (1, 50)


def test_heat_maps_are_dark_where_the_points_are(monkeypatch):
    rows = {"r": {"left": np.tile([-1.0, 0.5], (50, 1)), "data": np.tile([1.5, -1.5], (50, 1))}}
    axes = drawn(monkeypatch, lambda: plot.heat_maps(rows, side=2, bins=40))
    for panel, (x, y) in zip(axes, ((-1.0, 0.5), (1.5, -1.5)), strict=True):
        picture = panel.images[0]
        row, column = np.unravel_index(picture.get_array().argmax(), (40, 40))
        left, right, bottom, top = picture.get_extent()
        assert (
            abs(left + (column + 0.5) / 40 * (right - left) - x) <= 0.051
            and abs(bottom + (row + 0.5) / 40 * (top - bottom) - y) <= 0.051
        )
