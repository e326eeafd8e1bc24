"""Data sets: their columns, the order of their batches, known values of points and digits, and `load`.

Files from other people, real and hostile, are in test_idx.py and test_pictures.py.
"""

import gzip
import math
from importlib import resources

import numpy as np
import pytest
from data_cases import quick, sizes
from hypothesis import given
from hypothesis import strategies as st

from numgan.core.errors import FileFormatError
from numgan.core.randomness import stream
from numgan.data import Batches, Dataset, grid, idx_sets, load, modes, names, points, ring, swiss_roll
from numgan.data.pixels import to_bytes

pytestmark = pytest.mark.usefixtures("no_shared_folder")


# ---- Dataset

GREY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=0)


def test_rows_scale_images_exactly():
    found = Dataset("every value", GREY).rows([0, 2])
    x = found["x"]
    assert found.keys() == {"x"} and x.dtype == np.float32 and x.shape == (2, 16, 16, 1)
    assert np.array_equal(x[0].ravel(), np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1))
    assert x.min() == -1 and x.max() == 1
    assert np.array_equal(np.rint((x + 1) * 127.5).astype(np.uint8), GREY[:2])  # and back


@pytest.mark.parametrize("pixels", [(-1, 1), (0.0, 1.0), (2.0, 6.0), (-0.5, 0.25)])
def test_rows_are_in_the_range_of_pixels_that_is_asked_for(pixels):
    data, (low, high) = Dataset("every value", GREY), pixels
    x = data.rows([1], pixels)["x"]
    assert x.dtype == np.float32 and np.allclose(
        x[0].ravel(), low + np.arange(256) / 255 * (high - low), atol=1e-6
    )
    assert np.array_equal(to_bytes(x, pixels), GREY[1:2])  # and back
    assert np.array_equal(
        data.feed(2, 0, pixels).batch(3)["x"], data.rows(Batches(3, 2, 0).indices(3), pixels)["x"]
    )


def test_rows_keep_points_and_give_new_arrays():
    x = np.array([[0.1, 2], [3, 1e30], [-5, 6]], np.float32)
    data = Dataset("points", x, np.array([4, 5, 6]))
    taken, labels = data.rows(np.array([2, 0, 2]), pixels=(0, 1)).values()
    assert np.array_equal(taken, x[[2, 0, 2]]) and labels.tolist() == [6, 4, 6]
    assert list(data.rows([0])) == ["x", "labels"]
    taken[:] = labels[:] = 0
    assert data.x[0, 1] == 2 and data.labels[2] == 6
    empty, labels = data.rows([]).values()
    assert empty.shape == (0, 2) and empty.dtype == np.float32 and labels.shape == (0,)


@pytest.mark.parametrize("rows", [[0.0, 1.0], 1, [[0, 1]], [True, False, True], ["0"]])
def test_rows_refuse_what_is_not_a_row_of_integers(rows):
    with pytest.raises(TypeError, match="integer indices"):
        Dataset("d", GREY).rows(rows)


def test_rows_out_of_range():
    for row in (3, -4):
        with pytest.raises(IndexError):
            Dataset("d", GREY).rows([row])


def test_the_feed_gives_the_rows_of_shuffled_batches():
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    data, batches = Dataset("points", x, np.arange(10)), Batches(10, 4, 7)
    feed = data.feed(4, 7)
    for k in (0, 2, 5, 1):
        rows = feed.batch(k)
        assert np.array_equal(rows["x"], x[batches.indices(k)]) and np.array_equal(
            rows["labels"], batches.indices(k)
        )
        assert feed.epoch(k) == batches.epoch(k) == k * 4 / 10


def test_dataset_cannot_be_changed_and_leaves_the_callers_array_writable():
    x = GREY.copy()
    data = Dataset("d", x, np.zeros(3, np.int64), ("zero",), others={"y": x})
    for change in (
        lambda: data.x.fill(1),
        lambda: data.labels.fill(1),
        lambda: data.columns["x"].fill(1),
        lambda: data.others["y"].fill(1),
    ):
        with pytest.raises(ValueError, match="read-only"):
            change()
    with pytest.raises(AttributeError):
        data.name = "other"
    x[:] = 7
    assert x.flags.writeable


def test_dataset_describes_itself_briefly():
    data = Dataset("mine", GREY.repeat(500, axis=0), np.zeros(1500, np.int64), ("a", "b"))
    assert repr(data) == "Dataset('mine': 1,500 images (16, 16, 1) uint8, 2 classes)"
    assert len(data) == 1500 and data.sample_shape == (16, 16, 1) and data.is_images
    plain = Dataset("plain", np.ones((2, 2), np.float32))
    assert (
        repr(plain) == "Dataset('plain': 2 points (2,) float32)"
        and not plain.is_images
        and plain.sample_shape == (2,)
    )
    clips = Dataset(
        "clips", np.ones((2, 5, 3), np.float32), np.array([0, 7]), others={"text": np.zeros((2, 4), np.int32)}
    )
    assert (
        repr(clips) == "Dataset('clips': 2 samples (5, 3) float32, labelled, text (4,) int32)"
        and not clips.is_images
    )


@pytest.mark.parametrize(
    "x, labels, classes",
    [
        (GREY.astype(np.float32), None, ()),
        (GREY.repeat(2, axis=-1), None, ()),  # two channels
        (GREY[:0], None, ()),
        (np.float32(3).reshape(()), None, ()),  # no rows
        (np.array(["a", "b"]), None, ()),
        (np.zeros((3, 2), complex), None, ()),
        (GREY, [0.5, 1, 2], ()),
        (GREY, np.zeros((3, 2), np.int64), ()),
        (GREY, np.full(3, 2**63, np.uint64), ()),
        (GREY, np.zeros(2, np.int64), ()),
        (GREY, np.array([0, 1, 2]), ("a", "b")),
        (GREY, np.array([0, -1, 0]), ("a", "b")),
    ],
)
def test_dataset_refuses_what_does_not_fit(x, labels, classes):
    with pytest.raises(ValueError, match="Dataset\\('odd'\\): expected .*got"):
        Dataset("odd", x, labels, classes)


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", "int64", "uint16", "int8"])
def test_numbers_of_any_type_become_float32(dtype):
    x = np.arange(6).reshape(3, 2).astype(dtype)
    rows = Dataset("d", x).x
    assert rows.dtype == np.float32 and rows.dtype.isnative
    np.testing.assert_array_equal(rows, [[0, 1], [2, 3], [4, 5]])


def test_two_shapes_get_an_axis_at_the_end():
    assert Dataset("d", GREY[..., 0]).x.shape == GREY.shape and Dataset("d", GREY[..., 0]).is_images
    assert Dataset("d", np.arange(3)).x.shape == (3, 1)
    assert Dataset("d", np.arange(6, dtype=np.uint8).reshape(3, 2)).x.dtype == np.float32


@pytest.mark.parametrize(
    "labels", [[0, 1, 1], (0, 1, 1), np.uint8([0, 1, 1]), np.int16([[0], [1], [1]]), np.uint64([0, 1, 1])]
)
def test_labels_of_any_integer_type(labels):
    made = Dataset("d", GREY, labels, ("a", "b"))
    assert made.labels.dtype == np.int64 and made.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_the_first_row_without_a_number_is_named(value):
    x = np.zeros((30, 2))
    x[17, 1] = x[20, 0] = value
    message = rf"finite numbers .*got {value} in row 17, column 1 of x, the first of 2 such rows".replace(
        "+", r"\+"
    )
    with pytest.raises(ValueError, match=message):
        Dataset("mine", x)


def test_colours_in_front_are_refused_with_the_transpose():
    with pytest.raises(ValueError, match=r"got \(5, 3, 8, 8\) uint8; write x.transpose\(0, 2, 3, 1\)"):
        Dataset("d", np.zeros((5, 3, 8, 8), np.uint8))


@pytest.mark.parametrize(
    "words, message",
    [
        ({"others": {"x": GREY}}, r"other columns than x and labels, of 3 rows each, got x \(3, 16, 16, 1\)"),
        ({"others": {"labels": np.zeros(3, np.int64)}}, r"got labels \(3,\)"),
        ({"others": {"y": GREY, "z": GREY[:2]}}, r"of 3 rows each, got z \(2, 16, 16, 1\)"),
        ({"names": ("a", "b")}, "expected 3 names of rows, got 2"),
    ],
)
def test_columns_that_do_not_fit_the_rows(words, message):
    with pytest.raises(ValueError, match=message):
        Dataset("odd", GREY, **words)


# ---- Batches


@quick
@given(n=sizes, batch_size=sizes, seed=st.integers(0, 2**40), epochs=st.integers(1, 4))
def test_every_row_once_per_epoch(n, batch_size, seed, epochs):
    batches = Batches(n, batch_size, seed)
    rows = [batches.indices(k) for k in range(math.ceil(epochs * n / batch_size))]
    assert all(batch.shape == (batch_size,) for batch in rows)
    for epoch in np.concatenate(rows)[: epochs * n].reshape(epochs, n):
        assert np.array_equal(np.sort(epoch), np.arange(n))


@quick
@given(n=sizes, batch_size=sizes, asked=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_batch_k_does_not_depend_on_what_was_asked_before(n, batch_size, asked):
    used = Batches(n, batch_size, seed=3)
    for k in asked:
        batch = used.indices(k)
        assert np.array_equal(batch, Batches(n, batch_size, seed=3).indices(k))
        batch[:] = -1  # the caller owns it
        assert np.array_equal(used.indices(k), Batches(n, batch_size, seed=3).indices(k))


def test_batches_are_the_named_permutations_laid_end_to_end():
    line = np.concatenate([stream(11, "permutation", epoch).permutation(7) for epoch in range(5)])
    for batch_size in (1, 3, 7, 10, 17):
        batches = Batches(7, batch_size, seed=11)
        for k in range(35 // batch_size):
            assert np.array_equal(batches.indices(k), line[k * batch_size : (k + 1) * batch_size])


def test_epochs_and_seeds_differ():
    batches = Batches(1000, 1000, seed=0)
    assert not np.array_equal(batches.indices(0), np.arange(1000))
    assert not np.array_equal(batches.indices(0), batches.indices(1))
    assert not np.array_equal(batches.indices(0), Batches(1000, 1000, seed=1).indices(0))


def test_batches_cache_a_permutation(monkeypatch):
    drawn = []
    monkeypatch.setattr("numgan.data.batches.stream", lambda *path: drawn.append(path) or stream(*path))
    batches = Batches(100, 30, seed=0)
    for k in range(10):  # exactly three epochs
        batches.indices(k)
    assert drawn == [(0, "permutation", epoch) for epoch in range(3)]


def test_epoch_counts_what_came_before():
    batches = Batches(10, 25, seed=0)
    assert [batches.epoch(k) for k in range(3)] == [0.0, 2.5, 5.0] and isinstance(batches.epoch(0), float)
    assert repr(batches) == "Batches(n=10, batch_size=25, seed=0)"


@pytest.mark.parametrize(
    "arguments, error",
    [
        ((0, 1, 0), ValueError),
        ((1, 0, 0), ValueError),
        ((1, 1, -1), ValueError),
        ((1.5, 1, 0), TypeError),
        ((1, 2.0, 0), TypeError),
    ],
)
def test_batches_refuse(arguments, error):
    with pytest.raises(error):
        Batches(*arguments)


def test_batches_refuse_a_negative_or_broken_number():
    with pytest.raises(ValueError, match="got -1"):
        Batches(3, 2, 0).indices(-1)
    with pytest.raises(TypeError):
        Batches(3, 2, 0).indices(0.5)


# ---- points


def test_ring_has_eight_equal_modes():
    centres, std = modes("ring")
    assert centres.shape == (8, 2) and std == 0.02
    assert np.allclose(np.hypot(*centres.T), 2.0)
    gaps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert np.allclose(gaps, 4 * np.sin(np.pi / 8))  # an end-point counted twice would have a gap of 0
    check_mixture(*ring(40_000, np.random.default_rng(0)), centres, std)


def test_grid_has_twenty_five_equal_modes():
    centres, std = modes("grid")
    assert std == 0.05
    assert sorted(map(tuple, centres)) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    check_mixture(*grid(40_000, np.random.default_rng(0)), centres, std)


def check_mixture(x, labels, centres, std):
    """Weights within 5 standard errors of 1 / K, offsets of the right size, labels of the nearest mode."""
    n, k = len(x), len(centres)
    assert x.dtype == np.float32 and x.shape == (n, 2) and labels.dtype == np.int64
    weights = np.bincount(labels, minlength=k) / n
    assert np.abs(weights - 1 / k).max() < 5 * math.sqrt((1 - 1 / k) / k / n)
    nearest = np.linalg.norm(x[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, labels)
    offset = x - centres[labels]
    assert np.abs(offset.mean(axis=0)).max() < 5 * std / math.sqrt(n)
    assert np.abs(offset.std(axis=0) / std - 1).max() < 5 / math.sqrt(2 * n)


def test_ring_takes_other_numbers():
    x, labels = ring(5000, np.random.default_rng(1), modes=3, radius=10.0, std=0.5)
    assert set(labels) == {0, 1, 2}
    assert np.allclose(
        x[labels == 1].mean(axis=0),
        [10 * math.cos(2 * math.pi / 3), 10 * math.sin(2 * math.pi / 3)],
        atol=0.1,
    )
    assert abs(np.std(x[labels == 0, 1]) - 0.5) < 0.05


def test_swiss_roll_is_the_documented_spiral():
    x, labels = swiss_roll(5000, np.random.default_rng(2), noise=0)
    assert x.dtype == np.float32 and labels is None
    t = 7.5 * np.hypot(*x.T.astype(np.float64))  # the radius is t / 7.5 and the angle is t
    assert np.abs(np.exp(1j * t) - np.exp(1j * np.arctan2(x[:, 1], x[:, 0]))).max() < 1e-4
    assert 1.5 * np.pi < t.min() < 1.51 * np.pi and 4.49 * np.pi < t.max() < 4.5 * np.pi
    noisy, _ = swiss_roll(5000, np.random.default_rng(2))
    assert abs(np.std(noisy - x) - 0.25 / 7.5) < 0.001
    assert np.all(np.abs(noisy.std(axis=0) - 1) < 0.15)


@pytest.mark.parametrize("name, draw", [("ring", ring), ("grid", grid), ("swiss-roll", swiss_roll)])
def test_loaded_points_are_a_named_draw(name, draw):
    data, test = load(name), load(name, split="test")
    x, labels = draw(100_000, stream(points.SEED, name, "train"))
    assert np.array_equal(data.x, x) and np.array_equal(data.labels, labels)
    assert not np.array_equal(data.x, test.x) and len(test) == 100_000
    assert len(data.classes) == {"ring": 8, "grid": 25, "swiss-roll": 0}[name]
    first = {
        "ring": (-0.008310, -1.993206),
        "grid": (-4.016239, -2.006457),
        "swiss-roll": (1.573937, 0.779443),
    }[name]
    assert np.allclose(data.x[0], first, atol=1e-6)  # the same points in every version


def test_points_refuse():
    with pytest.raises(ValueError, match="expected n of at least 1"):
        ring(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected modes of at least 1"):
        ring(5, np.random.default_rng(0), modes=0)
    with pytest.raises(ValueError, match="^grid: expected side of at least 1"):
        grid(5, np.random.default_rng(0), side=0)
    with pytest.raises(ValueError, match="'ring' or 'grid'"):
        modes("swiss-roll")
    with pytest.raises(ValueError, match="these are points"):
        load("ring", size=32)


@pytest.mark.parametrize("name, third", [("mnist", "2"), ("fashion-mnist", "Pullover")])
def test_a_set_has_its_own_name_and_classes(name, third, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "numgan.data.load_idx",
        lambda *words: asked.append(words) or (np.zeros((3, 28, 28, 1), np.uint8), np.arange(3)),
    )
    data = load(name, "test", folder="there", size=14, channels=3)
    assert (data.name, data.classes[2], data.sample_shape, len(data.classes)) == (
        name,
        third,
        (14, 14, 3),
        10,
    )
    assert asked == [(name, "test", "there")] and data.labels.tolist() == [0, 1, 2] and "MNIST" in data.source


def test_the_names_of_classes_are_values():
    names = ["a", "b"]
    made = Dataset("two", np.zeros((3, 2), np.float32), np.array([0, 1, 1]), names)
    names.append("c")
    assert made.classes == ("a", "b") and isinstance(made.classes, tuple)


# ---- digits


def test_digits_are_the_published_ones():
    train, test = load("digits"), load("digits", "test")
    assert train.x.shape == (1500, 8, 8, 1) and test.x.shape == (297, 8, 8, 1) and train.x.dtype == np.uint8
    histogram = [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]  # of the test file as its authors publish it
    assert (np.bincount(train.labels) + np.bincount(test.labels)).tolist() == histogram
    assert np.bincount(test.labels).tolist() == [27, 31, 27, 30, 33, 30, 30, 30, 28, 31]
    x = np.concatenate([train.x, test.x])
    assert abs(x.mean() * 16 / 255 - 4.884164579855314) < 0.01  # the mean of the original values
    assert set(np.unique(x)) == {round(v * 255 / 16) for v in range(17)}
    top = [0, 0, 5, 13, 9, 1, 0, 0]  # the first row of the first digit, a zero
    assert train.x[0, 0, :, 0].tolist() == [round(v * 255 / 16) for v in top] and train.labels[0] == 0
    assert train.classes == tuple("0123456789") and "CC BY 4.0" in train.source and "Alpaydin" in train.source


def test_digits_carry_their_attribution():
    text = (resources.files("numgan.data") / "digits.LICENSE.txt").read_text(encoding="utf-8")
    for fact in ("Alpaydin", "Kaynak", "UCI", "CC BY 4.0", "creativecommons.org/licenses/by/4.0", "Changes"):
        assert fact in text


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"1,2\n3,4\n"), gzip.compress(b"a,b\n"), gzip.compress(b"1,2")[:-9]],
    ids=["empty", "no gzip", "two columns", "words", "cut short"],
)
def test_damaged_digits(content, monkeypatch, tmp_path):
    (tmp_path / "digits.csv.gz").write_bytes(content)
    monkeypatch.setattr("numgan.data.digits.resources.files", lambda package: tmp_path)
    with pytest.raises(FileFormatError, match="digits.csv.gz: expected"):
        load("digits")


@pytest.mark.parametrize(
    "row, column, value",
    [
        (0, 0, -1),
        (0, 1, 17),
        (0, 64, 10),
        (1796, 63, 17),
        (1796, 64, 10),
        (5, 64, 10),
        (7, 64, -1),
        (9, 63, 17),
        (9, 20, -3),
    ],
)
def test_one_wrong_value_among_the_digits_is_seen(row, column, value, monkeypatch, tmp_path):
    table = np.full((1797, 65), 9)
    table[:, 30], table[3, :64] = 0, 16
    write = lambda: (tmp_path / "digits.csv.gz").write_bytes(
        gzip.compress("\n".join(",".join(map(str, line)) for line in table).encode())
    )
    monkeypatch.setattr("numgan.data.digits.resources.files", lambda package: tmp_path)
    write()
    assert len(load("digits")) == 1500
    table[row, column] = value
    write()
    with pytest.raises(FileFormatError, match="1797 rows of 64 values in 0..16 and a digit"):
        load("digits")


# ---- load


def test_names_are_what_load_takes(tmp_path):
    table = names()
    others = [name for name in table if name in idx_sets.SOURCES and name not in idx_sets.MIRRORS]
    assert sorted(others) == sorted(idx_sets.SOURCES.keys() - idx_sets.MIRRORS.keys())
    assert list(table) == ["digits", *idx_sets.MIRRORS, *others, "ring", "grid", "swiss-roll"]
    assert all("\n" not in line and 20 < len(line) < 130 for line in table.values())
    for name in table:
        if name in idx_sets.SOURCES:
            with pytest.raises(FileNotFoundError):
                load(name, folder=tmp_path)
        else:
            assert load(name).name == name
    table.clear()
    assert names()  # a copy


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "mnits"}, "did you mean 'mnist'"),
        ({"name": "no/such/folder"}, "got neither"),
        ({"name": "digits", "split": "valid"}, "expected split 'train' or 'test', got 'valid'"),
        ({"name": "digits", "channels": 2}, "expected channels 1 .* got 2"),
        ({"name": "digits", "folder": "."}, "folder= is for mnist and fashion-mnist"),
        ({"name": "grid", "channels": 1}, "these are points"),
    ],
)
def test_load_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)


@pytest.mark.parametrize("draw", [ring, grid, swiss_roll])
def test_a_single_point_can_be_drawn(draw):
    assert draw(1, np.random.default_rng(0))[0].shape == (1, 2)
