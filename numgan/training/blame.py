"""Find the layer in which inf or nan appeared. The error message of a failed step names this layer."""

import numpy as np

from ..core.errors import NonFiniteError
from ..core.probes import watch_finite


def locate_update(system, name, state):
    """Text for an error message: the first parameter that an update of a network made inf or nan.

    system   the System
    name     the name of the network
    state    the State after the update

    The gradient was finite, but a square of an entry, for example, can overflow. The weights of the network
    are checked first, and then the moments of its optimiser. Returns None if all of these are finite.
    """
    for what, vector in {"weights": state.params[name].vector, **state.moments[name]}.items():
        if what != "step" and not np.isfinite(vector).all():
            p = state.params[name].like(vector)
            path = next(path for path in p if not np.isfinite(p[path]).all())
            what = "new weights" if what == "weights" else f"moment {what!r}"
            return f"the {what} of {path}, of {layer_at(system.networks[name], path)!r}, are not finite"


def layer_at(layer, path):
    """The layer object that owns the parameter `path`, such as "0.W". `layer` is the whole network."""
    for part in path.split(".")[:-1]:
        layer = layer.children[part]
    return layer


def locate(system, name, params, batch, key, fakes_key, result):
    """Text for an error message: where inf or nan appeared when the objective `name` was computed.

    Objectives are pure functions. So this function computes the objective again with the same arguments and
    checks the output of every layer. The text names the first of these that exists:

        1. a layer with inf or nan in its output, with its network
        2. a gradient in `result` with inf or nan, with its parameter and layer; of several, the one nearest
           to the network's output
        3. the loss in `result`

    params, batch    the arguments of the objective
    key, fakes_key   the seed of the objective, and the seed of the fakes that all objectives of a step share
    result           the objective's Result; None if the objective raised NonFiniteError

    system is the System.
    """
    with watch_finite(), np.errstate(all="ignore"):
        try:
            shared = (system.generate(params, batch, fakes_key),) if system.shares_fakes else ()
            system.objectives()[name](params, batch, key, *shared)
        except NonFiniteError as error:
            owners = [network for network, net in system.networks.items() if contains(net, error.layer)]
            return f"{error}{f', in network {owners[0]}' if owners else ''}"
    for owner, gradient in result.gradients.items():
        bad = [path for path in gradient if not np.isfinite(gradient[path]).all()]
        if bad:
            layer = layer_at(system.networks[owner], bad[-1])
            return (
                f"all layers are finite, and the gradient of {owner}'s {bad[-1]}, of {layer!r}, is not "
                f"(the first of {len(bad)}, seen from the output)"
            )
    return f"all layers are finite, and the loss is {result.loss}"


def contains(net, layer):
    """Whether the layer object `layer` is the network `net` itself or a layer in it, at any depth."""
    return net is layer or any(contains(child, layer) for child in net.children.values())
