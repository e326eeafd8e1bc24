"""The places of a recipe's data, and the training part and the test part that are read from them.

A place is the name of a known set, or the path of a file or a folder, in text as config.json has it.
"""

import os

from .. import data
from ..core.errors import NoTestPart
from ..core.files import path_of, text_of
from ..data.points import POINTS
from ..data.tables import table_in

WORDS = ("data", "folder", "test")  # the fields of a Recipe that name places; a resumed run may have new ones


def found(place, word, why=""):
    """`place` as it is in config.json: a name, or an absolute path.

    word, why   the option --word that gave it, and the end of the message if there is nothing in this place
    Raises ValueError if it is neither a known name nor the path of a file or a folder.
    """
    if place in data.names():
        return place
    if not os.path.exists(path_of(place)):
        raise ValueError(
            f"{word}: expected one of {', '.join(data.names())}, a folder of pictures, or a file of rows, "
            f"got {place!r}; check the path, and name one with --{word}{why}"
        )
    return absolute(place)


def absolute(path):
    """`path` as an absolute path, in text for config.json. It names one file from any current folder."""
    return text_of(os.path.abspath(path_of(path)))


def is_folder(place):
    """Whether a place is the path of a folder."""
    return place not in data.names() and os.path.isdir(path_of(place))


def is_file(place):
    """Whether the data in a place are a file of rows or arrays, or a folder that holds one such file."""
    if place in data.names():
        return False
    path = path_of(place)
    return os.path.isfile(path) or os.path.isdir(path) and table_in(path) is not None


def holds_pictures(place):
    """Whether the data in a place are pictures: those of folders and of all sets but the sets of points."""
    return place not in POINTS and not is_file(place)


def place_of(recipe, split):
    """The place, a text, of the part `split`, "train" or "test", of the data of a Recipe.

    This is `recipe.test` for the test part if it is given, otherwise `recipe.data`. Raises FileNotFoundError
    if there is nothing in `recipe.test`.
    """
    if split == "train" or not recipe.test:
        return recipe.data
    if recipe.test not in data.names() and not os.path.exists(path_of(recipe.test)):
        raise FileNotFoundError(
            f"test data: expected a file or a folder at {recipe.test}, got neither; check the path. "
            "If the test data of a run were moved, name their new place: `train --resume RUN --test PATH`"
        )
    return recipe.test


def read(recipe, split="train", **size):
    """The Dataset of a recipe's training part or test part. The columns of a file are standardised.

    They are standardised with the mean and the standard deviation of the training part.

    recipe  the Recipe
    split   "train" or "test"
    size    the arguments size and channels of `data.load`, or neither of them
    Raises NoTestPart if there are no test data, and the errors of `place_of`, `data.load`, `data.hold_out`.
    """
    part = _part(recipe, split, size)
    if not is_file(recipe.data) or part.is_images:
        return part
    train = part if split == "train" else _part(recipe, "train", size)
    part = data.matched(part, train) if split == "test" else part
    return data.standardised(part, train)  # the columns of a table may have any units


def _part(recipe, split, size):
    """The Dataset of the part `split`, "train" or "test", in the units of its file.

    recipe   the Recipe, with places and hold_out
    size     a dict: the arguments size and channels of `data.load`, or neither of them

    If `recipe.test` is given, the test part is the test part of these data, or all of them if they have none.
    Raises ValueError if they are the training data. With hold_out, the two parts are those of
    `data.hold_out`.
    """

    def load(place, split, **words):
        skip = bool(recipe.skip_broken) and is_folder(place)
        return data.load(path_of(place), split, skip_broken=skip, **words, **size)

    place = place_of(recipe, split)
    if split == "test" and recipe.test:
        try:
            return load(place, "test")
        except NoTestPart:  # then all of them are test data
            if place == recipe.data:
                raise ValueError(
                    f"test: expected data that are held out, got the training data {place}; give other rows, "
                    "or keep a share of these back with --hold-out"
                ) from None
            return load(place, "train")
    folder = recipe.folder and path_of(recipe.folder)
    if recipe.hold_out is not None:
        train, test = data.hold_out(load(place, "train", folder=folder), recipe.hold_out)
        return test if split == "test" else train
    return load(place, split, folder=folder)
