"""The catalogue behind `numgan gradcheck`: it checks every derivative of the library."""

import traceback
from dataclasses import dataclass
from functools import partial

from ..core.errors import GradientError
from ..core.underflow import may_underflow
from ..systems import SYSTEMS, build, presets
from .cases import GAMES, LOSSES, OPTIMIZERS, PENALTIES, UNROLLED
from .consensus import GamePoint, gradient_in_weights
from .layer import FIRST_ORDER, SECOND_ORDER, SLOW, dx, parameters, tangent_backward, tangent_forward
from .layer_cases import CRITICS, LAYERS, NETWORKS
from .loss import check_loss
from .optimizer import check_optimizer
from .penalty import CHECKS as PENALTY_CHECKS
from .points import outcome
from .report import Report, tidy
from .system import check_contract, check_objective
from .unrolling import CHECKS as UNROLLING_CHECKS

# Width factors of the systems. With each of the two factors, every layer still has a few units.
NARROW = 0.01  # random projections of every parameter are checked
NARROWEST = 0.001  # with slow, every entry of every parameter is checked


@dataclass(frozen=True)
class Entry:
    """The result of one check of the catalogue of gradient checks.

    name        such as "Conv2d(2, 5, kernel=(3, 2), stride=2).dx" or "dcgan/paper.G"
    kind        layer, network, loss, optimizer, penalty, unrolling, or objective (of a system)
    order       2: the check of a derivative of a gradient; 1: any other check
    max_error   the largest relative error. Without a measured error: 0 if the check passed, inf if it failed
    passed      whether the check passed
    detail      the text of the error, if the check failed; otherwise notes on the check, or ""

    An Entry whose name ends in ".contract" is the result of the checks of rules. The rules are, for example,
    that a pass does not write to its arguments, keeps no values between calls, and computes no weight
    gradient if it is frozen.
    """

    name: str
    kind: str
    order: int
    max_error: float
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Item:
    """The checks of one object of the catalogue, such as one layer. They are selected and run together.

    title   the name of the object; a part of it selects the item, see `entries`
    kind    the kind of the object: layer, network, loss, optimizer, penalty, unrolling or objective
    keys    names that select the item, such as the class of the layer
    run     run(item, slow) runs the checks and yields an Entry, the result, for each
    """

    title: str
    kind: str
    keys: tuple
    run: object


def entries(names=None, slow=False):
    """Run the checks of the catalogue and yield one Entry, the result, for each check.

    names   a list of names, or None for all checks. A name is a class of layers or optimisers, a network, a
            loss, a penalty, a system such as "dcgan", or a full title such as "dcgan/paper". A name that
            equals none of these selects all titles that contain it, in upper or lower case
    slow    True: compare every entry of every parameter. False: for consensus optimisation, unrolling and
            systems compare only random projections; for all other objects compare every entry

    A failed check raises no error. Systems are checked twice: with narrow layers, and at full width with
    random projections only. Raises ValueError if a name selects nothing.
    """
    for item in _selected(names):
        yield from item.run(item, slow)


def _selected(names):
    """The list of the Items of the catalogue that `names` selects, each once.

    names   a list of keys or titles of Items, or of parts of titles in upper or lower case; None: all Items

    Raises ValueError for a name that selects nothing.
    """
    items = list(_items())
    if names is None:
        return items
    chosen = []
    for name in names:
        exact = [item for item in items if name in (*item.keys, item.title)]
        found = exact or [item for item in items if name.lower() in item.title.lower()]
        if not found:
            known = sorted({item.keys[0] for item in items})
            raise ValueError(
                f"gradcheck: nothing is called {name!r}; there are {', '.join(known)}. "
                "A layer of your own needs a Case in the list LAYERS of numgan/checking/layer_cases.py"
            )
        chosen += [item for item in found if item not in chosen]
    return chosen


def _items():
    """Yield all Items of the catalogue: layers, networks, losses, optimisers, penalties, and systems."""
    for case in LAYERS:
        yield Item(case.title, "layer", (type(case.layer).__name__,), partial(_layer, case))
    for case in NETWORKS:
        yield Item(case.title, "network", (case.title.split("(")[0],), partial(_layer, case))
    for kind, subjects, check in (("loss", LOSSES, check_loss), ("optimizer", OPTIMIZERS, check_optimizer)):
        for subject in subjects:
            title = repr(subject)
            yield Item(title, kind, (title.split("(")[0],), partial(_report, subject, check))
    for name, penalty in PENALTIES.items():
        for case in CRITICS:
            keys = (name.split()[0], type(penalty).__name__)
            yield Item(f"{name} on {case.title}", "penalty", keys, partial(_penalty, penalty, case))
    for game in GAMES:
        yield Item(game.name, "penalty", ("consensus", "Consensus"), partial(_consensus, game))
    for setting in UNROLLED:
        _, optimizer, steps = setting
        for case in CRITICS:
            title = f"unrolled {steps} {optimizer!r} on {case.title}"
            yield Item(title, "unrolling", ("unrolled",), partial(_unrolling, setting, case))
    for system in SYSTEMS:
        for preset in presets(system):
            yield Item(f"{system}/{preset}", "objective", (system,), partial(_system, system, preset))


@may_underflow
def _entry(item, part, order, check):
    """Run the function check() and return its result as an Entry with the name "title of the item.part".

    item    the Item of the catalogue to which the check belongs
    part    the last part of the name, such as "dx"
    order   1, or 2 for the check of a derivative of a gradient
    check   a function without arguments that returns max_error, None, or (max_error or None, note)

    If check() raises any error, the Entry has passed=False and the text of the error.
    """
    name = f"{item.title}.{part}"
    try:
        error, note = tidy(check())
    except GradientError as error:
        return _failed(item, name, order, error)
    except Exception as error:  # a mistake in a pass must not hide the other entries
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} (line {place.lineno} of {place.filename})"
        return _failed(item, name, order, text)
    return Entry(name, item.kind, order, float(error or 0), True, note)


def _failed(item, name, order, error):
    """The Entry called `name` of a failed check of an Item. Its largest error is inf if `error` has none."""
    max_error = float(getattr(error, "max_error", float("inf")))
    return Entry(name, item.kind, order, max_error, False, str(error))


def _layer(case, item, slow):
    """Yield the Entries of an Item for the layer in a Case: its passes, and its contract in one Entry.

    `slow` is not used; every `Item.run` gets it.
    """
    tangents = [tangent_forward, tangent_backward] if case.layer.has_tangents else []
    for check in [dx, parameters, *tangents]:
        order = 2 if check is tangent_backward else 1
        yield _entry(item, check.__name__, order, partial(outcome, case.point, check))

    def contract():
        for check in FIRST_ORDER + (SECOND_ORDER if tangents else []):
            if check not in SLOW and check not in tangents:
                outcome(case.point, check)

    yield _entry(item, "contract", 1, contract)


def _report(subject, check, item, slow):
    """Yield one Entry of an Item of the catalogue for each row of the Report that check(subject) returns.

    subject is a loss or an optimiser. If check raises GradientError, yield a single Entry with passed=False
    instead. `slow` is not used; it is there because every `Item.run` gets it.
    """
    try:
        for label, error, note in check(subject).rows:
            name, order = f"{item.title}.{label.replace(' ', '.')}", 2 if "tangent" in label else 1
            yield Entry(name, item.kind, order, float(error or 0), True, note)
    except GradientError as error:
        yield _failed(item, item.title, 1, error)


def _penalty(penalty, case, item, slow):
    """Yield the Entries of an Item for a penalty on the critic in a Case. `slow` is not used."""
    # The first check is that of the derivative in g (order 1), the second one that in the weights (order 2).
    for order, check in enumerate(PENALTY_CHECKS, 1):
        compare_every_entry = True  # also if `slow` is False: the critics are small
        run = partial(outcome, case.point, check, penalty, compare_every_entry)
        yield _entry(item, check.__name__, order, run)


def _consensus(game, item, slow):
    """Yield the Entry of an Item for consensus optimisation of a game, with its D, G and shape of a latent z.

    slow   True: compare every entry of every parameter; False: random projections
    """

    def make(attempt):
        return GamePoint(game.D, game.G, game.z, attempt=attempt)

    run = partial(outcome, make, gradient_in_weights, game.consensus, slow, game.name)
    yield _entry(item, "gradient_in_weights", 2, run)


def _unrolling(setting, case, item, slow):
    """Yield the Entries of an Item for the unrolling of the critic in a Case.

    setting   (loss, optimizer, number of unrolled steps)
    slow      True: compare every entry of every parameter; False: random projections
    """
    for check in UNROLLING_CHECKS:
        yield _entry(item, check.__name__, 2, partial(outcome, case.point, check, *setting, slow))


def _system(system, preset, item, slow):
    """Yield the Entries of an Item for a preset of a system: two for each objective, one for its contract.

    system, preset   their names
    slow             True: compare every entry of the narrow networks; False: random projections
    Each objective is checked with narrow networks, and at full width with one projection per network.
    """
    narrow = build(system, preset, NARROWEST if slow else NARROW)
    full = build(system, preset)
    name = item.title
    wide = f"{name} at full width"
    for objective in narrow.objectives():
        run = partial(check_objective, narrow, objective, slow, subject=name)
        yield _entry(item, objective, 1, run)
        # Few samples: at full width, one evaluation of the loss takes long.
        run = partial(check_objective, full, objective, real=3, fake=2, whole=True, subject=wide)
        yield _entry(item, f"{objective} at full width", 1, run)
    yield _entry(item, "contract", 1, partial(check_contract, Report(name), narrow))
