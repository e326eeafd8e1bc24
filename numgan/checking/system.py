"""check_system: every objective of a system against difference quotients of its loss, through the frozen D, and what a GAN owes besides.

The numbers of real and fake samples are unequal on purpose: a sign error in one of two terms, cancelled by an exchange of the
two halves, passes every test with equal ones.
"""

from functools import partial

import numpy as np

from .. import _kernels as kernels
from ..layers import Equalized, MinibatchDiscrimination, Spectral
from ..layers.bilinear import Bilinear
from ..randomness import derive, stream
from ..systems.system import Batch, remember
from ..underflow import may_underflow
from .arrays import copied, same
from .differences import Block, compare
from .optimizer import warm
from .points import at_points, owed, scale_of, spread
from .report import Report, failure


@may_underflow
def check_system(system, *, slow=False, seed=0, real=5, fake=3, whole=False, name=None):
    """Check every objective of a system and return a Report; raises GradientError that names objective and parameter.

        numgan.check_system(systems.build("dcgan", "paper", width=0.01), slow=True)

    slow         every entry of every parameter: for narrow systems; else a few random projections of each parameter
    whole        projections of the whole vector only: for systems at full width, where an evaluation costs a second
    real, fake   numbers of samples
    """
    report = Report(name or type(system).__name__)
    for objective in system.objectives():
        error, note = check_objective(system, objective, slow, seed, real, fake, whole, report.subject)
        report.add(f"gradient of {objective}", error, note)
    check_contract(report, system, seed, real, fake)
    return report


def check_contract(report, system, seed=0, real=5, fake=3):
    """Add to a report all that is not a number."""
    for check in CONTRACT:
        report.add(check.__name__.replace("_", " "), None, check(SystemPoint(system, seed, real, fake, subject=report.subject)) or "")


class SystemPoint:
    """A system with random parameters and a random batch, float64, constants as in the middle of its training."""

    def __init__(self, system, seed=0, real=5, fake=3, attempt=0, subject="system"):
        self.seed, self.attempt, self.subject = seed, attempt, subject
        rng = partial(stream, seed, "check system", attempt)
        self.params = {name: spread(system.networks[name], p, rng(name)) for name, p in system.init(seed, np.float64).items()}
        moments = {name: warm(opt, rng(f"moments of {name}"), self.params[name].vector.size) for name, opt in system.optimizers.items()}
        (low, high), real, fake = system.pixels, real * system.packed, fake * system.packed
        self.batch = Batch(rng("x").uniform(low, high, (real, *system.sample_shape)),
                           rng("labels").permutation(np.resize(np.arange(system.classes), real)) if system.classes else None,
                           number=None if system.paired else fake)
        self.memory = system.memory(np.float64)
        if self.memory:                                  # as a first step leaves it
            first = system.at(0).knowing(moments, self.memory)
            for turn, name in enumerate(first.rounds(0)):
                remember(self.memory, first.objectives()[name](self.params, self.batch, derive(seed, "first", turn)).memory)
        self.system = system.at(system.steps // 2).knowing(moments, self.memory)

    def run(self, objective, params=None, made=None):
        call = partial(self.system.objectives()[objective], self.params if params is None else params, self.batch, self.seed)
        return call() if made is None else call(made=made)


def check_objective(system, objective, slow=False, seed=0, real=5, fake=3, whole=False, subject="system"):
    """(max_error, note) of one objective's gradients."""
    return at_points(lambda attempt: SystemPoint(system, seed, real, fake, attempt, subject), partial(_objective, objective, slow, whole))


def _objective(objective, slow, whole, point):
    worst, notes = 0.0, []
    for owner, gradient in point.run(objective).gradients.items():
        if gradient.vector.shape != point.params[owner].vector.shape:
            raise failure(f"{point.subject}.{objective}: expected a gradient of {owner} with {point.params[owner].vector.size} entries, "
                          f"got {gradient.vector.shape}")
        rng = stream(point.seed, "directions", point.attempt, owner)
        error, found = compare(_blocks(point, objective, owner, gradient, whole), np.ones(1), f"{point.subject}.{objective}",
                               f"numgan.check_system(system, seed={point.seed})", rng, slow, len(point.batch.x), 1 if whole else 2, reported=True)
        worst, notes = max(worst, error), notes + found
    return worst, "; ".join(notes)


def _blocks(point, objective, owner, gradient, whole):
    """The objective's loss as a function of each parameter of the network `owner`, or of its whole vector."""
    p = point.params[owner]

    def loss(vector):
        return np.array([point.run(objective, {**point.params, owner: p.like(vector)}).loss])

    def block(name):
        def value(offset):
            q = p.copy()
            q[name][...] += offset
            return loss(q.vector)

        return Block(f"gradient of {name} of {owner}", gradient[name], value, scale_of(p[name]))

    names = owed(gradient, f"{point.subject}.{objective}, {owner}")
    if not whole:
        return [block(name) for name in names if p[name].size]
    units = p.zeros()
    for name in names:
        units[name][...] = scale_of(p[name])
    return [Block(f"gradient of {owner}", gradient.vector, lambda offset: loss(p.vector + offset), units.vector)]


# ---- what a GAN owes besides right gradients; each check is a function of a SystemPoint and raises GradientError

def _generator_objectives(point):
    """Objectives that train G through another network."""
    return [name for name in point.system.objectives() if name == "G" and "D" in point.system.networks]


def objectives_are_pure(point):
    """Equal arguments give equal bits, and nothing that is passed in changes: D is after G's turn what it was before."""
    for objective in point.system.objectives():
        given = lambda: ({name: p.vector for name, p in point.params.items()}, point.batch.x, point.batch.labels, point.memory)
        returned = lambda result: (result.loss, {n: g.vector for n, g in result.gradients.items()}, result.memory)
        before = copied(given())
        one = point.run(objective)
        if not same(before, given()):
            raise failure(f"{point.subject}.{objective}: it changes parameters, the batch or the memory; an objective only reads")
        two = point.run(objective)
        if not same(returned(one), returned(two)):
            raise failure(f"{point.subject}.{objective}: called twice with equal arguments it gives two results")


def made_is_what_it_would_draw(point):
    """An objective that is handed its fakes gives the same bits as one that draws them with the same seed."""
    if "G" not in point.system.networks:
        return "no generator"
    made = point.system.generate(point.params, point.batch, point.seed)
    if len(made.x) != point.batch.fakes:
        raise failure(f"{point.subject}: generate drew {len(made.x)} fakes, batch.fakes is {point.batch.fakes}")
    for objective in point.system.objectives():
        one, two = point.run(objective), point.run(objective, made=made)
        if one.loss != two.loss or any(not same(g.vector, two.gradients[n].vector) for n, g in one.gradients.items()):
            raise failure(f"{point.subject}.{objective}: with made= given it differs from drawing the same fakes itself")


def the_frozen_network_runs_no_weight_gradient(point):
    """In G's turn every weight-gradient kernel is G's own: as many calls as G has bilinear layers, none for D."""
    if point.system.updates_within:
        return "D's training is looked at within"
    for objective in _generator_objectives(point):
        own = sum(_bilinear(point.system.networks[name]) for name in point.run(objective).gradients)
        with kernels.kernel_calls() as calls:
            point.run(objective)
        ran = sum(count for kernel, count in calls.items() if kernel.endswith("weight_gradient"))
        if ran != own:
            raise failure(f"{point.subject}.{objective}: {ran} weight-gradient kernels ran, the trained networks have {own} such layers; "
                          "pass frozen=True to the backward pass through the network that does not learn")
    return "" if _generator_objectives(point) else "no generator"


def _bilinear(net):
    """How many products with a weight one pass through a network makes."""
    if net.children:
        return sum(map(_bilinear, net.children.values()))
    return int(isinstance(net, (Bilinear, Equalized, Spectral, MinibatchDiscrimination)))


def the_generator_learns_from_the_discriminator(point):
    """G's gradient arrives, and changes when D's weights change; a gradient that never passed through D would not."""
    for objective in _generator_objectives(point):
        moved = {**point.params, "D": point.params["D"].like(0.5 * point.params["D"].vector)}
        moved["D"].vector[...] += 0.1 * stream(point.seed, "another D").standard_normal(moved["D"].vector.shape)
        one, two = point.run(objective).gradients["G"].vector, point.run(objective, moved).gradients["G"].vector
        if not one.any():
            raise failure(f"{point.subject}.{objective}: the gradient of G is zero everywhere; it never arrives")
        if np.abs(one - two).max() <= 1e-6 * np.abs(one).max():
            raise failure(f"{point.subject}.{objective}: the gradient of G does not change with D's weights; it must pass through D")
    return "" if _generator_objectives(point) else "no generator"


CONTRACT = [objectives_are_pure, made_is_what_it_would_draw, the_frozen_network_runs_no_weight_gradient, the_generator_learns_from_the_discriminator]
