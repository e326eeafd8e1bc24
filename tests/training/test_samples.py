"""Samples of a trained system, and the pictures that show them."""

from dataclasses import replace

import numpy as np
import pytest
from training_cases import DIGITS, RING

from numgan import systems
from numgan.data import Dataset
from numgan.data.pixels import to_bytes, to_floats
from numgan.evaluation import judging
from numgan.layers import Pass
from numgan.training import sampling
from numgan.training.state import State


def test_samples_do_not_depend_on_their_neighbours():
    system = systems.build("conditional", "digits", 0.1)
    sampler = sampling.Sampler(system, State.start(system, 1).sampled, 1, 16, DIGITS)
    many, asked = sampler(20, 4)
    few, _ = sampler(3, 4)
    assert np.array_equal(asked, np.arange(20) % 10) and np.allclose(many[:3], few, atol=1e-6)
    assert not np.allclose(many[0], many[10], atol=1e-3)
    z = system.inputs(systems.Batch({"labels": np.arange(3)}), 4)
    batch_statistics = system.networks["G"].forward(State.start(system, 1).sampled["G"], z, Pass())[0]
    assert not np.allclose(few, batch_statistics, atol=1e-4)


def test_a_sampler_in_chunks_is_a_sampler_at_once(monkeypatch):
    system = systems.build("conditional", "digits", 0.1)
    sampler = sampling.Sampler(system, State.start(system, 1).sampled, 1, 16, DIGITS)
    whole, _ = sampler(11, 4, [3, 7])
    monkeypatch.setattr(sampling, "CHUNK", 4)
    pieces, asked = sampler(11, 4, [3, 7])
    assert np.allclose(whole, pieces, atol=1e-6) and list(asked) == [3, 7] * 5 + [3]


def test_labels_that_the_system_does_not_have_are_refused():
    system = systems.build("conditional", "digits", 0.05)
    sampler = sampling.Sampler(system, system.init(0), 0, 8, DIGITS)
    assert sampler(4, 0, [0, 9])[1].tolist() == [0, 9, 0, 9] and sampler(12, 0)[1].tolist() == [
        *range(10),
        0,
        1,
    ]
    for labels in ([0, 10], [-1, 3], [10], [3, -1]):
        with pytest.raises(ValueError, match=r"labels: expected numbers from 0 to 9, got \["):
            sampler(4, 0, labels)
    plain = systems.build("gan", "digits", 0.05)
    with pytest.raises(ValueError, match="has no labels to ask for"):
        sampling.Sampler(plain, plain.init(0), 0, 8, DIGITS)(4, 0, [1])
    assert (
        sampling.Sampler(plain, plain.init(0), 0, 8, DIGITS)(4, 0)[1] is None
    )  # nor does it tell labels, though the data have some


def test_bytes_of_pixels():
    assert list(to_bytes(np.array([-2, -1, 0, 1, 3.0]), (-1, 1))) == [0, 0, 128, 255, 255]
    assert list(to_bytes(np.array([0.5, 1.0]), (0, 1))) == [128, 255]
    assert np.array_equal(to_bytes(DIGITS.rows(np.arange(99))["x"], (-1, 1)), DIGITS.x[:99])


def test_pixels_in_the_range_that_the_networks_see():
    x = np.array([0, 51, 255], np.uint8)
    for pixels, expected in (((-1, 1), [-1, -0.6, 1]), ((0.0, 1.0), [0, 0.2, 1]), ((2.0, 6.0), [2, 2.8, 6])):
        assert (
            np.allclose(to_floats(x, pixels), expected, atol=1e-6)
            and to_floats(x, pixels).dtype == np.float32
        )
        assert np.array_equal(to_bytes(to_floats(x, pixels), pixels), x)
    assert np.array_equal(to_floats(x), to_floats(x, (-1, 1))) and np.array_equal(
        to_floats(x), x / np.float32(127.5) - 1
    )
    assert to_bytes(np.array([2.0, 6.0, 4.0, 1.0, 7.0]), (2.0, 6.0)).tolist() == [0, 255, 128, 0, 255]


def test_copies_are_counted_at_the_datas_own_levels():
    """The digits have 17 grey levels: a copy that is wrong by less than half a level is still a copy."""
    assert len(np.unique(DIGITS.x)) == 17
    near = np.clip(DIGITS.x[:40].astype(int) + 7, 0, 255).astype(np.uint8)
    assert judging.copies(near, DIGITS.x) == 40
    changed = DIGITS.x[:40].copy()
    changed[:, 0, 0] = 255 - changed[:, 0, 0]
    assert judging.copies(changed, DIGITS.x) == 0
    assert judging.copies(np.concatenate([near[:1]] * 3 + [changed]), DIGITS.x) == 3


class Drawer:
    """A sampler that says what it was asked for; each picture is of one grey, its label."""

    def __init__(self, name, dataset):
        self.system, self.dataset, self.asked = (
            systems.build(name, "points" if name == "r1" else "digits", 0.05),
            dataset,
            [],
        )
        self.classes = len(dataset.classes) if self.system.classes else 0

    def batch(self, n, seed, labels=None):
        self.asked.append((n, seed, labels))
        return systems.Batch({}, number=n)

    def __call__(self, n, seed, labels=None, batch=None):
        assert (n, seed, labels) == self.asked[-1] and batch.fakes == n
        asked = np.resize(np.arange(self.classes) if labels is None else labels, n) if self.classes else None
        x = np.zeros((n, *self.system.sample_shape), np.float32)
        return (x if asked is None else x + asked.reshape(-1, 1, 1, 1) / 255), asked


@pytest.fixture
def laid_out(monkeypatch):
    """What plot.grid and plot.points are given."""
    given = []
    monkeypatch.setattr(sampling.plot, "grid", lambda *arguments: given.append(arguments) or "grid")
    monkeypatch.setattr(sampling.plot, "points", lambda *arguments: given.append(arguments) or "points")
    return given


@pytest.mark.parametrize("count, shown, columns", [(None, 64, 8), (9, 9, 3), (10, 10, 4), (1, 1, 1)])
def test_pictures_lie_in_a_square(laid_out, count, shown, columns):
    drawer = Drawer("gan", DIGITS)
    assert sampling.picture(drawer, 5, count) == "grid"
    ((images, width),) = laid_out
    assert (
        drawer.asked == [(shown, 5, None)]
        and images.shape == (shown, 8, 8, 1)
        and images.dtype == np.uint8
        and width == columns
    )
    assert np.all(images == 128)  # 0 in -1..1


def test_pictures_by_class_lie_in_rows_filled_up_with_paper(laid_out):
    names, few = ("zero", "one", "two", "three"), DIGITS.labels < 4
    drawer = Drawer("conditional", Dataset("few", DIGITS.x[few], DIGITS.labels[few], names))
    drawer.system = replace(drawer.system, pixels=(0.0, 1.0))
    sampling.picture(drawer, 5)
    sampling.picture(drawer, 6, None, [3, 1, 3])
    sampling.picture(drawer, 7, 5, [3, 1])
    assert drawer.asked == [(40, 5, None), (20, 6, [3, 1, 3]), (5, 7, [3, 1])]
    (images, width, rows), (_, _, two), (five, three, same) = laid_out
    assert (
        width == 10
        and rows == list(names)
        and [image[0, 0, 0] for image in images] == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10
    )
    assert two == same == ["one", "three"] and three == 3
    assert [image[0, 0, 0] for image in five] == [1, 1, sampling.plot.PAPER, 3, 3, 3]


def test_points_lie_over_the_data(laid_out):
    assert sampling.picture(Drawer("r1", RING), 5, title="step 3") == "points"
    sampling.picture(Drawer("r1", Dataset("few", RING.x[:7])), 5, 11)
    (true, x, title), (few, y, none) = laid_out
    assert np.array_equal(true, RING.x[:2000]) and x.shape == (2000, 2) and title == "step 3"
    assert np.array_equal(few, RING.x[:7]) and y.shape == (11, 2) and none == ""
