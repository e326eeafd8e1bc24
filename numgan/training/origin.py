"""The training data of a run: where they were, in a new place, or the rows that the run keeps of them.

    system, load = rebuilt(config, folder)           the system, and a function that loads the data
    recipe, dataset = load()                         the data in the place of the recipe
    expect_equal(folder, config, dataset)            they must be those with which the run began

To resume a run needs the data. To open it does not: the rows that it keeps take their place.
"""

import os
from dataclasses import replace
from pathlib import Path

from ..core import files
from ..core.errors import FileFormatError
from ..data import names
from ..plot import readable
from . import kept, recipes

KEPT = "only the rows kept in the run were read"


def rebuilt(config, folder, moved=None):
    """Build the system of a run from its recipe. Returns (system, a function that loads the data).

    config     the dict of the run's config.json, which holds the recipe
    folder     the run's folder, for messages
    moved      {field: new place} for some of the fields places.WORDS of the recipe; None: no new place

    The function takes no argument and returns (recipe, dataset): the Recipe with the place of the data, and
    the training data, a Dataset. It raises FileNotFoundError if `moved` is None and nothing is left in the
    recipe's place, FileFormatError if the data are damaged or do not fit the system, and the errors of
    `Recipe.placed` and `Recipe.load` for a new place.

    Raises FileFormatError if the recipe cannot be used. Raises ValueError if the recipe is None: the system
    was made in Python code.
    """
    if config["recipe"] is None:
        raise ValueError(
            f"{folder} is a run of a system made in Python; open it there: "
            f"numgan.training.runs.open_run({str(folder)!r}, system, dataset)"
        )
    recipe = recipes.Recipe(**config["recipe"])

    def load():
        if moved:
            there = replace(recipe, **moved).placed()
            return there, there.load()
        _expect_place(recipe, folder)
        return recipe, _of_config(recipe.load, folder)

    return _of_config(recipe.build, folder), load


def _of_config(make, folder):
    """Return the result of make(), a function that uses the recipe in the config.json of the run in `folder`.

    If make() raises ValueError, the recipe is wrong: raise FileFormatError, which names the file config.json.
    """
    try:
        return make()
    except FileFormatError:  # this error already names the data file
        raise
    except ValueError as error:
        raise FileFormatError(f"{Path(folder, 'config.json')}: recipe: {error}") from error


def expect_test(recipe, dataset, folder):
    """Raise FileNotFoundError if the test data that a resolved recipe names are not in their place.

    dataset   the training data
    folder    the folder of the run, for the message
    It also raises the errors of `Recipe.expect_test`.
    """
    _expect_place(recipe, folder, ("test",), "test")
    recipe.expect_test(dataset)


def _expect_place(recipe, folder, words=("data", "folder"), what="training"):
    """Raise FileNotFoundError unless a file or a folder is in each place that a resolved recipe names.

    recipe   the Recipe, with absolute paths: its `data` and its `folder` must exist
    folder   the folder of the run, for the message
    words    the fields of the recipe that name the places of the `what` data
    """
    for word in words:
        place = getattr(recipe, word)
        if place is not None and place not in names() and not os.path.exists(files.path_of(place)):
            raise FileNotFoundError(
                f"{folder}: its {what} data are not at {readable(place)}; if they were moved, name their "
                f"new place: `numgan train --resume {folder} --{word} PATH`"
            )


def expect_equal(folder, config, dataset):
    """Raise FileFormatError unless a data set equals the one with which the run in `folder` began.

    config    the dict of the run's config.json
    dataset   the data set

    The message names what differs: classes, columns, numbers of rows, shapes, or the ranges of rows.
    """
    found = kept.differences(config["data"], config["classes"], dataset)
    if found:
        raise FileFormatError(
            f"{folder}: {readable(_called(dataset))} differs from the data of the run: "
            f"{'; '.join(found)}. A run continues only with equal data: restore them, or begin a new run"
        )


def _called(dataset):
    """The name of a data set for messages, with its source in brackets if it has one."""
    return f"{dataset.name} ({dataset.source})" if dataset.source else dataset.name


def find(folder, config, load, whole):
    """(dataset, missing): the training data of the run in `folder`, or the rows of them that the run stores.

    missing   None if the dataset is the training data; otherwise a text, the reason why it is the stored rows

    config   the dict of the run's config.json
    load     the function that `rebuilt` returns: it loads the training data
    whole    True: try to load the training data. False: take the stored rows if there are any

    If the run stores no rows, the errors of `load` are raised. Raises FileFormatError for damaged rows.
    """
    if not whole and Path(folder, kept.FILE).exists():
        return kept.load(folder, config), KEPT
    try:
        _, dataset = load()
    except OSError as error:
        return _rows_instead(folder, config, error)
    try:
        expect_equal(folder, config, dataset)
    except FileFormatError as error:
        return _rows_instead(folder, config, error)
    return dataset, None


def _rows_instead(folder, config, error):
    """(rows of the training data that the run in `folder` stores, the text of `error`).

    config   the dict of the run's config.json
    error    the error with which loading the training data failed. It is raised again if the run stores no
             rows
    """
    try:
        return kept.load(folder, config), str(error)
    except FileNotFoundError:
        raise error from None
