"""check_system: checks the gradients of a system's objectives, and rules that every system must keep.

The gradients are compared with difference quotients of the loss. The gradient of G passes through the frozen
D.

The numbers of real and fake samples differ on purpose. With equal numbers, two mistakes can cancel: a wrong
sign in one of two terms, and an exchange of real and fake samples. No test would then fail.
"""

from functools import partial
from inspect import signature

import numpy as np

from ..core.probes import observe
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..systems.system import Batch, checked, remember
from .arrays import copied, same
from .differences import Block, compare, parameter_blocks
from .optimizer import warm
from .points import at_points, names_of, randomised, scale_of
from .report import Report, Subject, failure, title


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

    Raises GradientError, which names the objective and the parameter or rule.
    """
    report = Report(name or type(system).__name__)
    for i, (_, stage) in enumerate(system.stages):
        where = f", stage {i + 1}" if len(system.stages) > 1 else ""
        for objective in stage.objectives():
            found = check_objective(stage, objective, slow, seed, real, fake, whole, report.subject)
            report.add(f"gradient of {objective}{where}", *found)
        check_contract(report, stage, seed, real, fake, where)
    return report


def check_contract(report, system, seed=0, real=5, fake=3, where=""):
    """Check the rules of a system and add a row for each rule to the report.

    The rules are the checks in the list CONTRACT. The rows have no max_error. `where` is added to the name of
    each row. Raises GradientError if a check fails.
    """
    for check in CONTRACT:
        point = SystemPoint(system, seed, real, fake, subject=report.subject)
        report.add(title(check) + where, None, check(point) or "")


class SystemPoint:
    """A system with random parameters and a random batch, in float64, at which its objectives are checked.

    Schedules have their values in the middle of training, and moments are not zero. If the system has a
    memory, the objectives of one step run first, without an update of the parameters, so that the memory is
    not in its initial state.

    seed, real, fake   the arguments of `check_system`
    attempt            another number gives other random numbers
    subject            the name of the system in messages
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
        self.system = system.at(system.steps // 2).with_state(moments, self.memory)

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


def check_objective(system, objective, slow=False, seed=0, real=5, fake=3, whole=False, subject="system"):
    """(max_error, note) of the gradients of one objective, compared with difference quotients of its loss.

    objective    the name of the objective
    subject      the name of the system in messages

    The other arguments are those of `check_system`. Raises GradientError if a gradient is wrong.
    """
    return at_points(
        lambda attempt: SystemPoint(system, seed, real, fake, attempt, subject),
        partial(_objective, objective, slow, whole),
    )


def _objective(objective, slow, whole, point):
    worst, notes = 0.0, []
    reproduce = f"numgan.check_system(system, seed={point.seed})"
    rows = len(next(iter(point.batch.values())))
    about = Subject(f"{point.subject}.{objective}", reproduce, rows)
    for owner, gradient in point.run(objective).gradients.items():
        rng = stream(point.seed, "directions", point.attempt, owner)
        blocks = _blocks(point, objective, owner, gradient, whole)
        error, note = compare(blocks, about, rng, slow, 1 if whole else 2, reported=True)
        worst = max(worst, error)
        notes.append(note)
    return worst, "; ".join(filter(None, notes))


def _blocks(point, objective, owner, gradient, whole):
    """A list of Blocks: the loss of an objective as a function of the parameters of the network `owner`.

    There is one Block for each parameter or, if `whole`, one for all parameters together. `gradient` is the
    gradient of the loss with respect to the parameters of this network.
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


# ---- the rules of a system; each check is a function of a SystemPoint and raises GradientError


def objectives_are_pure(point):
    """Check that an objective called twice gives the same bits, and writes to no argument.

    It must not write to the parameters, the batch or the memory.
    """
    for objective in point.system.objectives():
        before = copied((point.params, point.batch, point.memory))
        one = point.run(objective)
        if not same(before, (point.params, point.batch, point.memory)):
            raise failure(
                f"{point.subject}.{objective}: it changes parameters, the batch or the memory; an objective "
                "must only read them"
            )
        two = point.run(objective)
        if not same((one.loss, one.gradients, one.memory), (two.loss, two.gradients, two.memory)):
            raise failure(
                f"{point.subject}.{objective}: called twice with equal arguments it gives two results"
            )


def given_fakes_change_nothing(point):
    """Check that an objective gives the same bits with given fakes as when it draws the same fakes itself.

    Also check that `generate` draws as many fakes as the batch asks for. Returns None, or a note if no
    objective has the argument `fakes`.
    """
    taking = [
        name
        for name, objective in point.system.objectives().items()
        if "fakes" in signature(objective).parameters
    ]
    if not taking:
        return "no objective takes fakes"
    fakes = point.system.generate(point.params, point.batch, point.seed)
    if len(fakes.x) != point.batch.fakes:
        raise failure(
            f"{point.subject}: generate drew {len(fakes.x)} fakes, batch.fakes is {point.batch.fakes}"
        )
    for objective in taking:
        one, two = point.run(objective), point.run(objective, fakes=fakes)
        if not same((one.loss, one.gradients), (two.loss, two.gradients)):
            raise failure(
                f"{point.subject}.{objective}: with fakes= it differs from drawing the same fakes itself"
            )


def frozen_networks_compute_no_weight_gradient(point):
    """Check that an objective computes no weight gradient of a network that it does not train.

    Each backward pass through a layer of such a network must have frozen=True and return dp = None. Layers
    that the objective trains as part of another network are not checked.

    Returns "" if a network was checked. Otherwise a note: every objective trains every network, or the system
    looks ahead (an objective needs weight gradients of a network that it does not train, as unrolling does).
    """
    system, looked_at = point.system, False
    if system.looks_ahead:
        return (
            "an objective looks ahead: it differentiates through updates of a network that it does not train"
        )
    for objective, trained in system.trains.items():
        learning = {id(layer) for name in trained for layer in _with_weights(system.networks[name])}
        for name in system.networks.keys() - set(trained):
            layers = [layer for layer in _with_weights(system.networks[name]) if id(layer) not in learning]
            with _frozen_only(layers, f"{point.subject}.{objective}", name):
                point.run(objective)
                looked_at = True
    return "" if looked_at else "every objective trains every network"


def _with_weights(net):
    """The list of all layers of a network, at any depth, that have parameters of their own.

    A layer used twice may occur twice.
    """
    own = [net] if net.parameter_shapes() else []
    return own + [layer for child in net.children.values() for layer in _with_weights(child)]


def _frozen_only(layers, subject, name):
    """A context manager that watches the backward passes of `layers`, which belong to the network `name`.

    Within the `with` block, every backward or tangent_backward pass of these layers must have frozen=True and
    return dp = None. Otherwise the pass raises GradientError. `subject` begins the message.
    """
    known = set(map(id, layers))

    def around(layer, method, arguments, words, call):
        result = call()
        if method in ("backward", "tangent_backward") and id(layer) in known:
            at = 2 if method == "backward" else 4  # the position of `frozen` among the arguments
            frozen = arguments[at] if len(arguments) > at else words.get("frozen")
            if not frozen or result[1] is not None:
                raise failure(
                    f"{subject}: {layer!r} of {name} computes its weight gradient, and this objective does "
                    f"not train {name}; pass frozen=True to the backward pass through {name}"
                )
        return result

    return observe(around, unfused=False)


def the_generator_learns_from_the_discriminator(point):
    """Check that the gradient of G is not zero and changes with D's weights.

    If so, the gradient passes through D. Returns "", or a note if no objective trains a generator without its
    discriminator.
    """
    system, looked_at = point.system, False
    for objective, trained in system.trains.items():
        judges = [name for name in system.judges if name not in trained]
        drawers = [name for name in trained if name in system.drawers]
        if not judges or not drawers:
            continue
        looked_at, moved = True, dict(point.params)
        for name in judges:
            p = point.params[name]
            noise = stream(point.seed, f"another {name}").standard_normal(p.vector.shape)
            moved[name] = p.like(0.5 * p.vector + 0.1 * noise)
        here, there = point.run(objective).gradients, point.run(objective, moved).gradients
        for name in drawers:
            one, two = here[name].vector, there[name].vector
            if not one.any():
                raise failure(
                    f"{point.subject}.{objective}: the gradient of {name} is zero everywhere; it never "
                    "arrives"
                )
            if np.abs(one - two).max() <= 1e-6 * np.abs(one).max():
                which = " and ".join(judges)
                raise failure(
                    f"{point.subject}.{objective}: the gradient of {name} does not change with the weights "
                    f"of {which}; it must pass through {which}"
                )
    return "" if looked_at else "no generator that learns from a discriminator"


CONTRACT = [
    objectives_are_pure,
    given_fakes_change_nothing,
    frozen_networks_compute_no_weight_gradient,
    the_generator_learns_from_the_discriminator,
]
