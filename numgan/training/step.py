"""One training step of any system.

for each name in system.rounds(step):
    result = objective(params, batch, seed)
    for each network that the objective trains:
        optimizer.update(params[network], result.gradients[network])       in place
"""

from contextlib import contextmanager

import numpy as np

from .. import _kernels as kernels
from ..core.errors import NonFiniteError
from ..core.randomness import derive
from ..core.underflow import may_underflow
from ..layers.spectral import refreshed
from ..optimizers import moving_average
from ..systems import Batch, checked, remember
from .blame import locate, locate_update


def alone(gradient):
    """The gradient (P,) of one network over all processes of a run: here there is one, so it is the gradient itself."""
    return gradient


@may_underflow
def advance(system, state, feed, seed, reduce=alone):
    """One step of the system at `state`, in place. Returns {objective: Result}.

    feed     feed.batch(k) -> {column: array} of batch k
    reduce   called with each network's gradient (P,) between its computation and its update; returns the vector to update with

    A system that shares fakes uses one batch for all objectives of a step, because the fakes have the labels of this batch.
    NonFiniteError, with the layer's name, before an update that would be made with inf or nan. TypeError or ValueError, before any
    update, for a Result that cannot be used.
    """
    step, now = (
        state.step,
        system.at(state.step).with_state(
            state.moments, {name: _read_only(array) for name, array in state.memory.items()}
        ),
    )
    objectives, batch, shared, results = now.objectives(), None, (), {}
    for turn, name in enumerate(now.rounds(step)):
        if batch is None or not now.shares_fakes:
            batch = Batch(feed.batch(state.batches))
            state.batches += 1
        if now.shares_fakes and not shared:
            shared = (now.generate(state.params, batch, derive(seed, "step", step, "fakes")),)
        key = derive(seed, "step", step, turn)
        try:
            result = results[name] = checked(
                objectives[name](state.params, batch, key, *shared),
                state.params,
                now.trains[name],
                f"objective {name}",
            )
            gradients = {owner: reduce(gradient.vector) for owner, gradient in result.gradients.items()}
            finite = np.isfinite(result.loss) and all(map(kernels.all_finite, gradients.values()))
        except NonFiniteError:  # of a penalty, which does not know where
            result, finite = None, False
        if not finite:
            again = derive(seed, "step", step, "fakes") if now.shares_fakes else key
            raise NonFiniteError(
                f"step {step + 1}, objective {name}: "
                f"{locate(now, name, state.params, batch, key, again, result)}"
            )
        for owner, gradient in gradients.items():
            with holding(now.networks[owner], state.params[owner]):
                if not now.optimizers[owner].update(
                    state.params[owner].vector, gradient, state.moments[owner]
                ):
                    raise NonFiniteError(
                        f"step {step + 1}, update of {owner}: {locate_update(now, owner, state)}"
                    )
        remember(state.memory, result.memory)
    state.step += 1
    for (
        name,
        average,
    ) in state.averages.items():  # the first steps count less: they would stay visible for long
        with holding(
            now.networks[name], average
        ):  # singular vectors cannot be averaged: the averaged weights keep their own
            moving_average(
                average.vector, state.params[name].vector, min(now.average, state.step / (state.step + 9))
            )
    if any(first == state.step for first, _ in system.stages[1:]):
        state.enter(system.at(state.step), seed)
    return results


@contextmanager
def holding(net, p):
    """In this block p is updated, in place; then its held entries are put back, whatever weight decay or clipping did to them, and renewed."""
    before = {path: p[path].copy() for path in p.layout.held}
    yield
    for path, value in before.items():
        p[path][...] = value
    for path, value in refreshed(net, p).items() if before else ():
        p[path][...] = value


def _read_only(array):
    """A view that follows the array and cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
