"""Planted bugs: each was found in public GAN code, or is of its kind.

There is a chapter for each part of the library; test_bugzoo.py tries them all.
"""

import copy
from dataclasses import dataclass

from numgan import check_layer, check_loss, check_optimizer, check_system, gradcheck
from numgan.checking.layer import CHECKS, title
from numgan.checking.points import Case, outcome
from numgan.checking.system import CONTRACT, SystemPoint, check_objective
from numgan.layers import Layer
from numgan.systems import System

by_name = {title(check): check for check in CHECKS}


@dataclass
class Bug:
    """A bug, and the check that must catch it.

    row          its number in the catalogue of bugs found, or "own"
    plant()      the broken thing
    healthy()    the same without the bug
    by           the name of the check that must catch it
    x            the input of a layer
    value        for bugs that no derivative shows: a test of a value
    """

    row: object
    text: str
    plant: object
    healthy: object
    by: str
    x: object = None
    value: object = None


def patched(thing, method, change):
    """A copy of a layer or optimiser whose `method` returns change(result, *arguments)."""
    copied, original = copy.copy(thing), getattr(thing, method)

    def changed(*arguments, **settings):
        return change(original(*arguments, **settings), *arguments, **settings)

    setattr(copied, method, changed)
    return copied


def caught(bug, thing):
    """Run the one check that should catch the bug."""
    if bug.value:
        bug.value(thing)
    elif isinstance(thing, Layer):
        outcome(Case(thing, bug.x, batch=5).point, by_name[bug.by])
    elif bug.by.startswith("gradient of "):
        check_objective(thing, bug.by.removeprefix("gradient of "))
    elif bug.by in {check.__name__ for check in CONTRACT}:
        next(check for check in CONTRACT if check.__name__ == bug.by)(SystemPoint(thing))
    elif bug.by == "check_optimizer":
        check_optimizer(thing)
    elif bug.by == "check_loss":
        check_loss(thing)
    else:
        gradcheck(*thing)


def all_checks(bug, thing):
    """Everything that there is for the healthy thing."""
    if bug.value:
        bug.value(thing)
    elif isinstance(thing, Layer):
        check_layer(thing, bug.x, batch=5)
    elif isinstance(thing, System):
        check_system(thing)
    else:
        caught(bug, thing)


def layer_bug(row, broken, healthy, by, x, *arguments, **settings):
    """A layer broken in one place; what is wrong with it is its docstring."""
    return Bug(
        row,
        broken.__doc__.strip(),
        lambda: broken(*arguments, **settings),
        lambda: healthy(*arguments, **settings),
        by,
        x,
    )
