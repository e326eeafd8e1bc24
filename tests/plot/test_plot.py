"""Pictures: where each sample stands, what the axes say, and that nothing global is touched."""

import gc
import io
import sys

import numpy as np
import pytest
from PIL import Image

from numgan import data, plot, systems
from numgan.training.loop import train


def test_a_figure_is_gone_when_its_picture_is_there():
    """The garbage collector need not come for it: a run that draws many pictures would grow until it does."""
    from matplotlib.artist import Artist

    def artists():
        return sum(isinstance(thing, Artist) for thing in gc.get_objects())

    x = np.random.default_rng(0).standard_normal((50, 2))
    before = artists()
    for _ in range(3):
        plot.points(x, x, "title")
        plot.curves([{"step": 1, "losses": {"D": 1.0}, "metrics": {"D(x)": 0.5, "grad": 1.0}}])
        assert artists() == before and gc.isenabled()


def test_a_collector_that_is_switched_off_stays_so():
    gc.disable()
    try:
        plot.points(np.eye(2), np.eye(2))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_grid_places_rows_and_columns():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40 + np.zeros((6, 5, 7, 1), np.uint8)
    picture = np.asarray(plot.grid(images, 3))
    scale = round(plot.samples.CELL / 7)
    high, wide = 5 * scale + plot.samples.GAP, 7 * scale + plot.samples.GAP
    assert picture.shape == (2 * high + plot.samples.GAP, 3 * wide + plot.samples.GAP)
    for i in range(6):
        top, left = plot.samples.GAP + i // 3 * high, plot.samples.GAP + i % 3 * wide
        assert (picture[top : top + 5 * scale, left : left + 7 * scale] == 40 * i).all()
        assert (picture[top - plot.samples.GAP : top, :] == plot.PAPER).all()


def test_grid_keeps_pixels_colours_and_large_pictures():
    rng = np.random.default_rng(0)
    image = rng.integers(256, size=(1, 60, 60, 3), dtype=np.uint8)
    picture = np.asarray(plot.grid(image, 1))
    assert np.array_equal(
        picture[plot.samples.GAP : -plot.samples.GAP, plot.samples.GAP : -plot.samples.GAP], image[0]
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_names_stand_at_the_left_of_their_rows(channels):
    black = np.zeros((2, 8, 8, channels), np.uint8)
    plain, named = plot.grid(black, 1), plot.grid(black, 1, ["shirt", ""])
    margin = named.width - plain.width
    text = np.asarray(named)[:, :margin]
    assert (
        margin > 10
        and (text[: plain.height // 2] > 128).any()
        and (text[plain.height // 2 + 2 :] == plot.PAPER).all()
    )
    assert np.array_equal(np.asarray(named)[:, margin:], np.asarray(plain))


def records(n, metrics):
    return [
        {
            "step": 10 * i,
            "losses": {"D": 1.0 / (i + 1), "G": float(i)},
            "metrics": dict.fromkeys(metrics, 0.5),
        }
        for i in range(n)
    ]


def axes_of(monkeypatch, draw):
    """The axes that a plotting function filled."""
    kept = []
    figure = plot.samples.figure_of

    def spy(*args):
        made = figure(*args)
        kept.extend(made[1])
        return made

    monkeypatch.setattr(plot.samples, "figure_of", spy)
    assert draw().mode == "RGB"
    return kept


def test_curves_have_a_panel_for_losses_one_for_d_and_one_for_each_other_metric(monkeypatch):
    losses, outputs, accuracy = axes_of(
        monkeypatch, lambda: plot.curves(records(5, ["D(x)", "D(G(z))", "accuracy"]), "a title")
    )
    assert [line.get_label() for line in losses.lines] == ["D", "G"]
    assert list(losses.lines[1].get_ydata()) == [0, 1, 2, 3, 4] and list(losses.lines[0].get_xdata()) == [
        0,
        10,
        20,
        30,
        40,
    ]
    assert [line.get_label() for line in outputs.lines[:2]] == ["D(x)", "D(G(z))"] and outputs.get_ylim() == (
        0,
        1,
    )
    assert [axes.get_ylabel() for axes in (losses, outputs, accuracy)] == [
        "loss",
        "mean probability of being real",
        "accuracy",
    ]
    assert (
        all(axes.get_xlabel() == "step" for axes in (losses, outputs, accuracy))
        and losses.get_title() == "a title"
    )


def test_whatever_a_file_of_lines_says_it_is_drawn(monkeypatch):
    """No formula, losses too far apart for a float, and more metrics than a picture has room for."""
    lines = records(3, ["$", *(f"m{k}" for k in range(100))])
    for k, line in enumerate(lines):
        line["losses"] = {r"$\frac{$": 1e308 * (-1) ** k, "big": 10**300}
    losses, *others = axes_of(monkeypatch, lambda: plot.curves(lines))
    assert len(others) == plot.samples.NAMES == 16 and others[0].get_ylabel() == r"\$"
    assert list(losses.lines[0].get_ydata()) == [1e100, -1e100, 1e100]
    assert list(losses.lines[1].get_ydata()) == [1e100] * 3


def test_a_metric_that_is_missing_or_null_leaves_a_gap(monkeypatch):
    lines = records(3, ["distance"])
    lines[1]["metrics"] = {"distance": None}
    lines[2]["metrics"] = {}
    _, distance = axes_of(monkeypatch, lambda: plot.curves(lines))
    assert np.array_equal(distance.lines[0].get_ydata(), [0.5, np.nan, np.nan], equal_nan=True)


def test_every_axis_says_what_is_shown(monkeypatch):
    """Pairs are no probability of being real, and a loss without probabilities has none in its curves."""
    names = ["D(x)", "D(G(z))", "D(x) above D(G(z))", "penalty", "distance"]
    panels = axes_of(monkeypatch, lambda: plot.curves(records(3, names), "", {"D(x)": "mean sigmoid of D"}))
    assert [axes.get_ylabel().replace("\n", " ") for axes in panels] == [
        "loss",
        "mean sigmoid of D",
        "mean probability that D(x) is above D(G(z))",
        "penalty, as added to the loss when it was last computed",
        "distance",
    ]
    assert [axes.get_ylim() == (0, 1) for axes in panels] == [False, True, True, False, False]
    assert [len(axes.lines) for axes in panels] == [2, 3, 2, 1, 1], "two of them have a line at 0.5"


@pytest.mark.parametrize("losses", [2, 16])
def test_the_legend_is_beside_the_curves(monkeypatch, losses):
    """However long the names are, the curves keep half of the picture."""
    lines = records(3, ["penalty", "D(x)"])
    for line in lines:
        line["losses"] = {f"{k} is a name {k * 9 * 'long '}": 1.0 for k in range(losses)}
    panels = axes_of(monkeypatch, lambda: plot.curves(lines))
    for axes in panels:
        legend, curves = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert legend.x0 >= curves.x1 and legend.x1 <= axes.figure.bbox.x1
        assert curves.width > 0.5 * axes.figure.bbox.width and legend.height < 1.2 * curves.height


def test_a_metric_whose_axis_has_its_name_needs_no_legend(monkeypatch):
    long = "a metric with a very long name " * 30
    panels = axes_of(monkeypatch, lambda: plot.curves(records(3, ["accuracy", long])))
    assert [axes.get_legend() is None for axes in panels] == [False, True, True]
    assert panels[2].get_ylabel().replace("\n", " ") == f"{long[:77]}..."


def test_a_value_of_an_earlier_step_is_drawn_at_this_step(monkeypatch):
    lines = records(4, ["penalty"])
    for line, step, value in zip(lines, (0, 9, 9, 25), (3.0, 2.0, 2.0, 1.0)):
        line["metrics"] = {"penalty": value}
        line["computed"] = {"penalty": step}
    losses, penalty = axes_of(monkeypatch, lambda: plot.curves(lines))
    assert list(penalty.lines[0].get_xdata()) == [0, 9, 25]
    assert list(penalty.lines[0].get_ydata()) == [3, 2, 1]
    assert list(losses.lines[0].get_xdata()) == [0, 10, 20, 30]


@pytest.mark.parametrize(
    "name, metric, label",
    [
        ("gan", "D(x)", "mean probability of being real"),
        ("wgan_gp", "distance", "mean f(x) - mean f(g(z)), on the critic's own scale"),
        ("lsgan", "D(x)", "mean sigmoid of D (the loss least_squares has no probabilities)"),
        ("hinge", "D(x)", "mean sigmoid of D (the loss hinge has no probabilities)"),
    ],
)
def test_a_run_without_probabilities_draws_none(monkeypatch, tmp_path, name, metric, label):
    labels = []
    draw = plot.curves

    def spy(records, title, said={}):
        labels.append((plot.samples.MEANING | said)[metric])
        return draw(records, title, said)

    monkeypatch.setattr(plot, "curves", spy)
    system = systems.build(name, "digits", 0.05)
    train(system, data.load("digits"), tmp_path / "run", steps=2, batch_size=8, progress=False)
    assert labels == [label]


def test_points_show_samples_over_data_on_the_datas_axes(monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(-2, 2, (50, 2)), rng.uniform(-90, 90, (30, 2))
    (axes,) = axes_of(monkeypatch, lambda: plot.points(real, fake, "step 3"))
    assert [len(dots.get_offsets()) for dots in axes.collections] == [50, 30]
    assert max(map(abs, axes.get_xlim() + axes.get_ylim())) < 3 and axes.get_title() == "step 3"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_gif_has_every_frame_and_holds_the_last(mode):
    frames = [Image.new(mode, (20, 10), shade if mode == "L" else (shade, 0, 90)) for shade in (0, 100, 250)]
    file = io.BytesIO()
    plot.gif(frames, file, milliseconds=120, hold=900)
    with Image.open(file) as animation:
        durations, shades = [], []
        for i in range(animation.n_frames):
            animation.seek(i)
            durations.append(animation.info["duration"])
            shades.append(animation.convert("RGB").getpixel((5, 5))[0])
        assert (
            durations == [120, 120, 900]
            and np.allclose(shades, [0, 100, 250], atol=4)
            and animation.info["loop"] == 0
        )


def test_a_gif_of_one_frame():
    file = io.BytesIO()
    plot.gif([Image.new("L", (4, 4), 7)], file)
    with Image.open(file) as picture:
        assert picture.size == (4, 4) and picture.n_frames == 1


def test_no_global_matplotlib_state():
    plot.curves(records(2, []))
    assert "matplotlib.pyplot" not in sys.modules
