"""One training step of any system.

for each name in system.rounds(step):                               the objectives of this step, in order
    result = objective(params, batch, seed)
    for each network that the objective trains:
        optimizer.update(params[network], result.gradients[network])       in place
"""

from contextlib import contextmanager

import numpy as np

from .. import _kernels as kernels
from ..core.errors import NonFiniteError
from ..core.fields import for_json
from ..core.randomness import derive
from ..core.underflow import may_underflow
from ..data.dataset import read_only
from ..layers.spectral import refreshed
from ..optimizers import moving_average
from ..systems import Batch, checked, remember
from .blame import locate, locate_update


def alone(gradient):
    """Return `gradient` (P,), that of one network, unchanged: the default of `reduce` in `advance`.

    To train in several processes, give `advance` a function that adds the gradients of all processes.
    """
    return gradient


@may_underflow
def advance(system, state, feed, seed, reduce=alone):
    """Do one training step of the system; changes `state` in place. Returns {objective: Result}.

    system   the System
    state    the State
    feed     feed.batch(k) returns {column: array} of batch k
    seed     the run's seed
    reduce   a function: gradient (P,) of one network -> the vector (P,) that its optimiser gets

    The step computes its objectives in order. After each objective, the networks that it trains are updated.
    At the end, the moving averages and the last values of the metrics are updated. If a new stage begins at
    this step, the state enters it. Each objective gets a new batch. If the objectives share fakes, all of
    them get the same batch and fakes, because the fakes have the batch's labels.

    NonFiniteError          inf or nan in a loss or a gradient, before the update, or in the result of an
                            update; the message names the layer
    TypeError, ValueError   an invalid Result of an objective, before its updates
    ValueError              `rounds` names an objective that does not exist
    """
    step, params = state.step, state.params
    memory = {name: read_only(array) for name, array in state.memory.items()}
    now = system.at(step).with_state(state.moments, memory)
    objectives, batch, shared, results = now.objectives(), None, (), {}
    fakes_key = derive(seed, "step", step, "fakes")
    for turn, name in enumerate(now.rounds(step)):
        if name not in objectives:
            raise ValueError(
                f"{type(now).__name__}.rounds: expected objectives among {', '.join(objectives)}, "
                f"got {name!r}; correct the name, or add the objective"
            )
        if batch is None or not now.shares_fakes:
            batch = Batch(feed.batch(state.batches))
            state.batches += 1
            if now.shares_fakes:
                shared = (now.generate(params, batch, fakes_key),)
        key = derive(seed, "step", step, turn)
        try:
            result = results[name] = checked(
                objectives[name](params, batch, key, *shared), params, now.trains[name], f"objective {name}"
            )
            gradients = {owner: reduce(gradient.vector) for owner, gradient in result.gradients.items()}
            finite = np.isfinite(result.loss) and all(map(kernels.all_finite, gradients.values()))
        except NonFiniteError:  # a penalty raised this error; a penalty does not know the layer
            result, finite = None, False
        if not finite:
            where = locate(now, name, params, batch, key, fakes_key, result)
            raise NonFiniteError(f"step {step + 1}, objective {name}: {where}")
        for owner, gradient in gradients.items():
            p = params[owner]
            with holding(now.networks[owner], p):
                if not now.optimizers[owner].update(p.vector, gradient, state.moments[owner]):
                    raise NonFiniteError(
                        f"step {step + 1}, update of {owner}: {locate_update(now, owner, state)}"
                    )
        remember(state.memory, result.memory)
    state.step += 1
    if any(first == step for first, _ in system.stages):
        state.metrics = {}  # those of another stage
    for result in results.values():
        state.metrics |= {
            name: {"step": state.step, "value": value} for name, value in for_json(result.metrics).items()
        }
    decay = min(now.average, state.step / (state.step + 9))  # small at first: it forgets the initial weights
    for name, average in state.averages.items():
        with holding(now.networks[name], average):  # the averaged weights have singular vectors of their own
            moving_average(average.vector, params[name].vector, decay)
    if any(first == state.step for first, _ in system.stages[1:]):
        state.enter(system.at(state.step), seed)
    return results


@contextmanager
def holding(net, p):
    """A context manager for an update of p, the Parameters of the network `net`: it protects held entries.

    Held entries are stored with the weights and not trained, such as u and v of Spectral. An update may
    change them, for example by weight decay. So after the block they get back their old values. Then
    `refreshed` computes their new values from these and from the new weights.
    """
    before = {path: p[path].copy() for path in p.layout.held}
    yield
    for path, value in before.items():
        p[path][...] = value
    for path, value in refreshed(net, p).items() if before else ():
        p[path][...] = value
