"""check_system: checks the gradients of a system's objectives, and rules that every system must keep.

The gradients are compared with difference quotients of the loss. The gradient of G passes through the frozen
D.

The numbers of real and fake samples differ on purpose. With equal numbers, two mistakes can cancel: a wrong
sign in one of two terms, and an exchange of real and fake samples. No test would then fail.
"""

import warnings
from copy import copy
from functools import partial

import numpy as np

from ..core.arguments import expect_type, positive
from ..core.errors import GradientError
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..systems import doubts, expect_roles
from ..systems.system import Batch, System, checked, remember
from .contract import CONTRACT, FIRST, LATER
from .differences import Block, compare, parameter_blocks
from .experiments import explained_by_numbers
from .optimizer import warm
from .points import at_points, names_of, randomised, scale_of
from .report import BadPoint, Report, Subject, title


@may_underflow
def check_system(system, *, slow=False, seed=0, real=5, fake=3, whole=False, name=None):
    """Check every objective of a system, in every stage of a staged run, and return a Report.

        numgan.check_system(systems.build("dcgan", "paper", width=0.01), slow=True)

    slow         compare every entry of every parameter, for narrow systems; False: random projections of
                 every parameter
    whole        True: one random projection of all parameters of a network together, for systems at full
                 width, where one evaluation of the loss takes a second
    real, fake   the numbers of real samples and of fakes. Both are multiplied by the number of samples that D
                 judges together. A system that compares fakes with real samples in pairs makes as many fakes
                 as real samples
    name         the name of the system in the report; None: the name of its class

    Every gradient may be right in a system that trains badly: it warns of each of `systems.doubts`.

    Raises GradientError, which names the objective and the parameter or rule. Raises TypeError or ValueError
    if the system is not complete (see `expect_roles`), or an objective returns no Result. seed gives all
    random numbers.
    """
    positive(real, "check_system: real")
    positive(fake, "check_system: fake")
    expect_type("check_system: system", system, System, "a System, such as numgan.build makes")
    for _, stage in system.stages:
        where = f"{type(stage).__name__}.objectives()"
        expect_type(where, stage.objectives(), dict, "a dict {name: objective}")
    expect_roles(system)
    for _, stage in system.stages:
        known = stage.objectives()
        for turn in stage.rounds(0):
            if turn not in known:
                raise ValueError(
                    f"{type(stage).__name__}.rounds: expected names of the objectives {', '.join(known)}, "
                    f"got {turn!r}; correct the name, or add the objective"
                )
    report = Report(name or type(system).__name__)
    for i, (_, stage) in enumerate(system.stages):
        where = f", stage {i + 1}" if len(system.stages) > 1 else ""
        check_contract(report, stage, seed, real, fake, where, FIRST)
        for objective in stage.objectives():
            try:
                found = check_objective(stage, objective, slow, seed, real, fake, whole, report.subject)
            except BadPoint:
                raise
            except GradientError as error:
                again = partial(check_objective, stage, objective, seed=seed, whole=whole)
                raise explained_by_numbers(error, again) from None
            report.add(f"gradient of {objective}{where}", *found)
        check_contract(report, stage, seed, real, fake, where, LATER)
    for doubt in doubts(system):
        report.add("doubt", None, doubt.says)
        warnings.warn(f"check_system: {doubt}", stacklevel=2)
    return report


def check_contract(report, system, seed=0, real=5, fake=3, where="", checks=None):
    """Check the rules of a system and add a row for each rule to the report.

    report             the Report
    seed, real, fake   the seed of the random arrays, and the numbers of real samples and fakes
    where              a text that is added to the name of each row
    checks             a list of functions of a SystemPoint, one for each rule. None: the list CONTRACT

    The rows have no max_error. Raises GradientError if a rule is broken.
    """
    for check in CONTRACT if checks is None else checks:
        point = SystemPoint(system, seed, real, fake, subject=report.subject)
        report.add(title(check) + where, None, check(point) or "")


class SystemPoint:
    """A system with random parameters and a random batch, in float64, at which its objectives are checked.

    system       the System
    seed         gives all random numbers, together with attempt: another attempt gives other numbers
    real, fake   the numbers of real samples and of fakes
    subject      the name of the system in messages

    Schedules have their values in the middle of training, and moments are not zero. If the system has a
    memory, the objectives of one step run first, without an update of the parameters, so that the memory is
    not in its initial state.
    """

    def __init__(self, system, seed=0, real=5, fake=3, attempt=0, subject="system"):
        self.seed, self.attempt, self.subject = seed, attempt, subject
        rng = partial(stream, seed, "check system", attempt)
        self.params = {
            name: randomised(system.networks[name], p, rng(name))
            for name, p in system.init(seed, np.float64).items()
        }
        moments = {
            name: warm(optimizer, rng(f"moments of {name}"), self.params[name].vector.size)
            for name, optimizer in system.optimizers.items()
        }
        real, fake = real * system.packed, fake * system.packed
        self.batch = Batch(system.example(real, rng), number=None if system.compares_pairs else fake)
        self.memory = system.memory(np.float64)
        if self.memory:  # make one step, so that the memory is not in its initial state
            first = system.at(0).with_state(moments, self.memory)
            for turn, name in enumerate(first.rounds(0)):
                objective = first.objectives()[name]
                found = objective(self.params, self.batch, derive(seed, "first", turn))
                remember(self.memory, found.memory)
        self.moments = moments
        self.system = system.at(system.steps // 2).with_state(moments, self.memory)

    def in_float32(self):
        """A copy of this SystemPoint whose parameters, batch, moments and memory are float32."""
        other = copy(self)
        other.params = {name: p.astype(np.float32) for name, p in self.params.items()}
        columns = {name: _float32(column) for name, column in self.batch.items()}
        other.batch = Batch(columns, number=self.batch.number)
        other.memory = {name: _float32(array) for name, array in self.memory.items()}
        other.moments = {
            name: {word: _float32(value) for word, value in state.items()}
            for name, state in self.moments.items()
        }
        other.system = self.system.with_state(other.moments, other.memory)
        return other

    def run(self, objective, params=None, fakes=None):
        """Run the objective of this name and return its Result.

        params      the parameters; None: those of this SystemPoint
        fakes       the fakes that the objective gets; None: the objective draws them itself

        Raises an error if the form of the Result is wrong (see `checked`).
        """
        params = self.params if params is None else params
        given = (params, self.batch, self.seed) + (() if fakes is None else (fakes,))
        result = self.system.objectives()[objective](*given)
        return checked(result, params, self.system.trains[objective], f"{self.subject}.{objective}")


def _float32(value):
    """An array of floats as float32; other values unchanged."""
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float32) if floats else value


def check_objective(system, objective, slow=False, seed=0, real=5, fake=3, whole=False, subject="system"):
    """Check the gradients of one objective by difference quotients of its loss. Returns (max_error, note).

    system       the System
    objective    the name of the objective
    slow         compare every entry of every parameter; False: random projections
    seed         gives the random parameters and samples
    real, fake   the numbers of real samples and of fakes
    whole        True: one random projection of all parameters of a network together
    subject      the name of the system in messages

    Raises GradientError if a gradient is wrong.
    """
    return at_points(
        lambda attempt: SystemPoint(system, seed, real, fake, attempt, subject),
        partial(_objective, objective, slow, whole),
    )


def _objective(objective, slow, whole, point):
    """(largest error, notes) of the gradients of one objective at a SystemPoint, for all networks it trains.

    objective   the name of the objective;  point: the SystemPoint
    slow        compare every entry of every parameter; False: random projections
    whole       True: one random projection of all parameters of a network together

    Raises GradientError if a gradient is wrong.
    """
    worst, notes = 0.0, []
    reproduce = f"numgan.check_system(system, seed={point.seed})"
    rows = len(next(iter(point.batch.values())))
    numbers = {"the number of fakes": point.batch.fakes}
    about = Subject(f"{point.subject}.{objective}", reproduce, rows, numbers)
    for owner, gradient in point.run(objective).gradients.items():
        rng = stream(point.seed, "directions", point.attempt, owner)
        blocks = _blocks(point, objective, owner, gradient, whole)
        error, note = compare(blocks, about, rng, slow, 1 if whole else 2, reported=True)
        worst = max(worst, error)
        notes.append(note)
    return worst, "; ".join(filter(None, notes))


def _blocks(point, objective, owner, gradient, whole):
    """The list of Blocks of one network: what `compare` needs to check the gradient of an objective's loss.

    A Block holds an array of parameters, its gradient and the loss as a function of it.

    point       the SystemPoint: the system with its parameters and a batch
    objective   the name of the objective
    owner       the name of the network
    gradient    the gradient of the loss with respect to the parameters of this network
    whole       True: one Block for all parameters together. False: one Block for each parameter
    """
    p = point.params[owner]
    where = f"{point.subject}.{objective}, {owner}"

    def loss(q):
        return point.run(objective, point.params | {owner: q}).loss

    if not whole:
        return parameter_blocks(p, gradient, loss, where, f"gradient of {{}} of {owner}")
    units = p.zeros()
    for name in names_of(gradient, where):
        units[name][...] = scale_of(p[name])

    def moved(offset):
        return loss(p.like(p.vector + offset))

    return [Block(f"gradient of {owner}", gradient.vector, moved, units.vector)]
