"""The places of data in a recipe: test data of any form, broken files, and places where nothing is."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from numgan import data
from numgan.training import places
from numgan.training.recipes import Recipe

X = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
Y = np.arange(40) % 4


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A current folder with own.npz, and with the folder `pictures` of two classes and two parts."""
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", x=X, y=Y)
    for row, (part, name) in enumerate((part, name) for part in ("train", "test") for name in ("0", "1")):
        os.makedirs(f"pictures/{part}/{name}")
        for k in range(3):
            Image.fromarray(X[3 * row + k]).save(f"pictures/{part}/{name}/{k}.png")
    return tmp_path


def recipe(**words):
    return Recipe("classifier", "digits", **{"data": "own.npz"} | words).resolve()


def test_a_known_set_as_test_data_is_its_test_part(own):
    found = recipe(test="digits")
    assert found.test == "digits" and found.placed() == found
    with pytest.raises(ValueError, match="expected the classes 0, 1, 2, 3, as in own.npz, got '4' in digits"):
        found.test_part(found.load())
    assert np.array_equal(found.load("test").x, data.load("digits", "test").x)
    np.savez("own.npz", x=X, y=np.arange(40) % 10)
    assert found.test_part(found.load()).labels.tolist() == data.load("digits", "test").labels.tolist()


def test_points_are_no_test_data_of_pictures(own):
    with pytest.raises(ValueError, match=r"takes pictures \(8, 8, 1\), and ring holds points"):
        recipe(test="ring").load("test")


def test_test_data_with_a_test_part_are_that_part(own):
    with pytest.warns(UserWarning, match="test data: pictures has no row of the class '2', '3', which the"):
        found = recipe(test="pictures").test_part(recipe().load())
    assert np.array_equal(found.x[..., 0], X[6:12]) and found.labels.tolist() == [0] * 3 + [1] * 3
    np.savez("both.npz", x_train=X, y_train=Y, x_test=X[:8], y_test=Y[:8])
    assert len(recipe(test="both.npz").test_part(recipe().load())) == 8
    np.savez("more.npz", x=X, y=Y)
    assert len(recipe(test="more.npz").test_part(recipe().load())) == 40


def test_test_data_without_labels_are_told(own):
    Image.fromarray(X[0]).save("one.png")
    os.makedirs("flat")
    os.rename("one.png", "flat/one.png")
    with pytest.warns(UserWarning, match="test data: flat has no labels, and the training data have"):
        assert recipe(test="flat").test_part(recipe().load()).labels is None


def test_classes_that_no_test_row_has_do_not_count(own):
    """A test part of pictures has the classes of its training part, also those without a test picture."""
    os.makedirs("pictures/train/9")
    Image.fromarray(X[0]).save("pictures/train/9/1.png")
    found = recipe(test="pictures")
    with pytest.warns(UserWarning) as caught:
        assert found.test_part(recipe().load()).labels.tolist() == [0] * 3 + [1] * 3
    assert ["no picture of the class '9'", "no row of the class '2', '3'"] == [
        str(warning.message)[str(warning.message).index("no ") :].partition(", which")[0]
        for warning in caught
    ]


def test_labels_of_test_data_are_left_out_if_the_training_data_have_none(own):
    np.savez("bare.npz", x=X)
    found = Recipe("gan", "digits", "bare.npz", test="own.npz").resolve()
    test = found.test_part(found.load())
    assert test.labels is None and test.classes == () and len(test) == 40


@pytest.mark.parametrize("word", ["data", "test"])
def test_nothing_in_a_place_says_what_is_possible(own, word):
    with pytest.raises(
        ValueError, match=f"{word}: expected one of digits, .*or a file of rows, got 'digit'.*"
    ):
        Recipe("gan", "digits", **{"data": "digits"} | {word: "digit"}).placed()


def test_test_data_that_were_moved_are_named(own):
    found = recipe(test="own.npz")
    os.rename("own.npz", "moved.npz")
    with pytest.raises(
        FileNotFoundError, match="own.npz, got neither; check the path. If .* were moved, .*--test PATH"
    ):
        found.load("test")


def test_broken_files_are_left_out_of_folders_alone(own):
    with pytest.raises(
        ValueError, match="skip_broken: expected a folder of pictures.*leave --skip-broken out"
    ):
        recipe(skip_broken=True)
    with open("pictures/test/0/9.png", "wb"):
        pass
    found = recipe(test="pictures", skip_broken=True)
    with pytest.warns(UserWarning, match="1 of 7 files are left out: 0/9.png"):
        assert len(found.load("test")) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(found.load()) == 40


def test_a_recipe_warns_once(own):
    """To find the shape of the data, a recipe reads them before it loads them."""
    with open("pictures/train/0/9.png", "wb"):
        pass
    with pytest.warns(UserWarning) as caught:
        assert len(Recipe("gan", None, "pictures", skip_broken=True).resolve().load()) == 6
    assert len(caught) == 1


def test_kinds_of_places(own):
    assert places.is_folder("pictures") and not places.is_folder("own.npz") and not places.is_folder("digits")
    assert places.holds_pictures("pictures") and places.holds_pictures("digits")
    assert not places.holds_pictures("ring") and not places.holds_pictures("own.npz")
    os.makedirs("digits")
    assert not places.is_folder("digits") and places.is_folder("./digits")
