"""Exact values of sets: their defaults, pairs, unpaired sides, crops, flips, and messages."""

import copy
import pickle

import numpy as np
import pytest

from numgan import data
from numgan.core.randomness import derive, stream
from numgan.data import Augmented, Batches, Dataset, Unpaired, paired
from numgan.data.pixels import to_bytes, to_floats

GREY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
PHOTOS = stream(1, "photos").integers(0, 256, (12, 9, 7, 3)).astype(np.uint8)
POINTS = stream(1, "points").standard_normal((12, 2)).astype(np.float32)
HALF = (2.0, 6.0)  # a range of pixels that is no default


def same_rows(found, expected):
    return found.keys() == expected.keys() and all(np.array_equal(found[key], expected[key]) for key in found)


# ---- the range of pixels


def test_floats_outside_the_range_become_the_nearest_byte():
    x = np.array([-9.0, -1.01, -1.0, 0.0, 1.0, 1.01, 3.0, 9.0])
    assert to_bytes(x).tolist() == [0, 0, 0, 128, 255, 255, 255, 255]
    assert to_bytes(x, (0.0, 1.0)).tolist() == [0, 0, 0, 0, 255, 255, 255, 255]
    assert to_bytes(x, (0.0, 2.0)).tolist() == [0, 0, 0, 0, 128, 129, 255, 255]
    assert to_bytes(x).dtype == np.uint8


def test_the_range_is_from_minus_one_to_one_unless_told_otherwise():
    exact = GREY / np.float32(127.5) - np.float32(1)
    assert np.array_equal(to_floats(GREY), exact) and np.array_equal(to_bytes(exact), GREY)
    grey = Dataset("grey", GREY)
    sides = Unpaired("two", x=grey, y=grey)
    for found in (grey.rows([0]), grey.feed(1, 0).batch(0), Augmented(grey).feed(1, 0).batch(0)):
        assert np.array_equal(found["x"], exact)
    for found in (sides.rows([0]), sides.feed(1, 0).batch(0)):
        assert np.array_equal(found["x"], exact) and np.array_equal(found["y"], exact)


def test_another_range_reaches_every_side_and_every_batch():
    photos, grey = Dataset("photos", PHOTOS), Dataset("grey", np.repeat(GREY, 12, axis=0))
    sides = Unpaired("two", x=photos, y=grey)
    found = sides.rows([3, 0, 3], HALF)
    assert np.array_equal(found["x"], to_floats(PHOTOS[[3, 0, 3]], HALF))
    assert np.array_equal(found["y"], to_floats(GREY.repeat(3, axis=0), HALF))
    batch = sides.feed(5, 8, HALF).batch(2)
    for word, side in (("x", photos), ("y", grey)):
        rows = Batches(12, 5, derive(8, "side", word)).indices(2)
        assert np.array_equal(batch[word], to_floats(side.x[rows], HALF))
    rows = Batches(12, 5, 8).indices(2)
    assert np.array_equal(Augmented(photos).feed(5, 8, HALF).batch(2)["x"], to_floats(PHOTOS[rows], HALF))


# ---- pairs


def test_a_pair_has_what_its_side_x_has():
    labels, classes = np.arange(12) % 2, ("a", "b")
    names = tuple(f"row {i}" for i in range(12))
    x = Dataset("photos", PHOTOS, labels, classes, "a camera", names=names)
    y = Dataset("turned", POINTS[::-1].copy(), source="a pen", names=names[::-1])
    z = Dataset("more", POINTS, np.zeros(12, np.int64), ("c",), source="a camera", names=names)
    found = paired("both", y=y, x=x, z=z)
    assert (found.name, found.source, found.classes) == ("both", "a pen; a camera", classes)
    assert np.array_equal(found.labels, labels) and found.names == names
    assert list(found.columns) == ["x", "labels", "y", "z"]
    for column, values in (("x", PHOTOS), ("y", POINTS), ("z", POINTS)):
        assert np.array_equal(found.columns[column], values)


def test_sides_are_paired_in_their_order_unless_all_have_names():
    names = tuple(f"row {11 - i:02}" for i in range(12))
    named, plain = Dataset("named", POINTS, names=names), Dataset("plain", PHOTOS)
    for sides in ({"x": named, "y": plain}, {"x": plain, "y": named}):
        found = paired("both", **sides)
        assert all(np.array_equal(found.columns[word], side.x) for word, side in sides.items())
        assert found.names == sides["x"].names


@pytest.mark.parametrize("words, got", [(("x",), "x"), (("y", "z"), "y, z"), ((), "none")])
def test_pairs_need_a_side_x_and_another(words, got):
    with pytest.raises(
        ValueError, match=rf"paired\('p'\): expected two or more sides, one of them x, got {got}$"
    ):
        paired("p", **{word: Dataset("d", POINTS) for word in words})


def test_the_side_with_the_missing_row_is_named():
    long, short = Dataset("d", POINTS), Dataset("d", POINTS[:9])
    with pytest.raises(ValueError, match="row 9 of x has no partner in y; add it"):
        paired("p", x=long, y=short)
    with pytest.raises(ValueError, match="row 9 of y has no partner in x; add it"):
        paired("p", x=short, y=long)
    twice = Dataset("d", POINTS[:3], names=("a", "b", "a"))
    with pytest.raises(ValueError, match=r"paired\('p'\): y has two rows of one name; add it"):
        paired("p", x=Dataset("d", POINTS[:2], names=("a", "b")), y=twice)


# ---- unpaired sides


def test_an_unpaired_set_shows_its_first_side():
    photos, points = (
        Dataset("photos", PHOTOS[:5], source="a camera"),
        Dataset("points", POINTS, source="a pen"),
    )
    for first, second in ((photos, points), (points, photos)):
        both = Unpaired("both", one=first, two=second)
        assert (both.name, both.labels, both.classes) == ("both", None, ())
        assert both.source == f"{first.source}; {second.source}" and len(both) == len(first)
        assert both.x is first.x and both.sample_shape == first.sample_shape
        assert both.is_images == (first is photos)
        assert list(both.columns) == ["one", "two"] and both.columns["two"] is second.x
        assert both.feed(4, 0).epoch(3) == 12 / len(first)
    assert Unpaired("same", one=photos, two=photos).source == "a camera"


def test_a_shorter_side_starts_again_at_its_first_row():
    both = Unpaired("both", x=Dataset("a", POINTS), y=Dataset("b", POINTS[:5]))
    found = both.rows([0, 4, 5, 11])
    assert np.array_equal(found["x"], POINTS[[0, 4, 5, 11]])
    assert np.array_equal(found["y"], POINTS[[0, 4, 0, 1]])


@pytest.mark.parametrize("words, got", [(("x",), "x"), ((), "none")])
def test_an_unpaired_set_needs_two_sides(words, got):
    with pytest.raises(ValueError, match=rf"Unpaired\('u'\): expected two or more sides, got {got}$"):
        Unpaired("u", **{word: Dataset("d", POINTS) for word in words})


# ---- crops and flips


def augmented(x, crop, flip, seed, k):
    """Crops and flips as they are defined, picture by picture."""
    rng = stream(seed, "augment", k)
    corners, mirrored = rng.random((len(x), 2)), rng.random(len(x)) < 0.5
    out = []
    for picture, corner, mirror in zip(x, corners, mirrored):
        if crop:
            top, left = (int(u * (have - want + 1)) for u, have, want in zip(corner, picture.shape, crop))
            picture = picture[top : top + crop[0], left : left + crop[1]]
        out.append(picture[:, ::-1] if flip and mirror else picture)
    return np.stack(out)


@pytest.mark.parametrize("crop", [None, (9, 7), (4, 6), (6, 4), (1, 1)])
@pytest.mark.parametrize("flip", [False, True])
def test_crops_and_flips_are_the_named_draws(crop, flip):
    dataset = Dataset("photos", PHOTOS, np.arange(12), others={"tokens": np.arange(24).reshape(12, 2)})
    feed = Augmented(dataset, crop, flip).feed(10, 3)
    for k in (0, 1, 4):
        plain = dataset.feed(10, 3).batch(k)
        plain["x"] = augmented(plain["x"], crop, flip, 3, k)
        assert same_rows(feed.batch(k), plain) and feed.epoch(k) == k * 10 / 12


def test_nothing_is_changed_unless_it_is_asked_for():
    dataset = Dataset("photos", PHOTOS)
    plain = Augmented(dataset)
    assert (plain.crop, plain.flip, plain.sample_shape, len(plain)) == (None, False, (9, 7, 3), 12)
    assert same_rows(plain.feed(10, 3).batch(1), dataset.feed(10, 3).batch(1))
    assert plain.name == "photos" and plain.is_images
    with pytest.raises(AttributeError):
        _ = plain.colour


def test_a_crop_has_at_most_the_size_of_the_picture():
    dataset = Dataset("photos", PHOTOS)
    assert Augmented(dataset, (9, 7)).sample_shape == (9, 7, 3)
    assert Augmented(dataset, (8, 5)).sample_shape == (8, 5, 3)
    for crop in ((10, 7), (9, 8), (7, 9)):
        with pytest.raises(ValueError, match=r"expected a crop of at most \(9, 7\), the size of x, got \("):
            Augmented(dataset, crop)


def test_points_are_neither_cropped_nor_mirrored():
    points = Dataset("points", POINTS, others={"photo": PHOTOS})
    found = Augmented(points, (4, 5), True)
    assert found.sample_shape == (2,)
    batch, plain = found.feed(12, 6).batch(1), points.feed(12, 6).batch(1)
    assert np.array_equal(batch["x"], plain["x"])
    assert np.array_equal(batch["photo"], augmented(plain["photo"], (4, 5), True, 6, 1))


def test_an_augmented_set_can_be_copied_and_pickled():
    made = Augmented(Dataset("photos", PHOTOS), (4, 5), True)
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert same_rows(again.feed(10, 3).batch(1), made.feed(10, 3).batch(1))


# ---- sets that do not fit, and points


def test_names_classes_and_sources_are_kept():
    made = Dataset("d", POINTS, np.arange(12), source="a pen", names=tuple("abcdefghijkl"))
    assert (made.source, made.classes, made.others) == ("a pen", (), {}) and len(made.names) == 12
    assert list(made.columns) == ["x", "labels"] and Dataset("d", POINTS).names is None


@pytest.mark.parametrize("high, classes, got", [(2, ("a", "b"), "0 to 2"), (1, ("a",), "0 to 1")])
def test_the_range_of_wrong_labels_is_said(high, classes, got):
    message = f"expected labels from 0 and below {len(classes)}, the number of classes, got {got}"
    with pytest.raises(ValueError, match=message):
        Dataset("d", POINTS, np.arange(12) % (high + 1), classes)
    assert len(Dataset("d", POINTS, np.arange(12) % (high + 1), (*classes, "more")).classes) == high + 1


def test_numbers_of_points_are_counts():
    rng = np.random.default_rng(0)
    for call, message in (
        (lambda: data.swiss_roll(0, rng), "^swiss_roll: expected n of at least 1, got 0"),
        (lambda: data.grid(0, rng), "^mixture: expected n of at least 1, got 0"),
        (lambda: data.ring(3, rng, modes=-1), "^ring: expected modes of at least 1, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for call in (data.ring, data.grid, data.swiss_roll):
        with pytest.raises(TypeError):
            call(2.5, rng)
    assert len(data.ring(3, rng, modes=1)[0]) == 3 and len(data.grid(2, rng, side=1)[0]) == 2


def test_a_grid_of_other_numbers_is_centred():
    x, labels = data.grid(4000, np.random.default_rng(1), side=2, spacing=6.0, std=0.1)
    centres = np.array([[-3, -3], [-3, 3], [3, -3], [3, 3]])
    assert set(labels) == {0, 1, 2, 3} and np.abs(x - centres[labels]).max() < 0.6
    assert abs((x - centres[labels]).std() - 0.1) < 0.01
