"""Finds where inf or nan came from, for messages that name the layer in which a step failed."""

import numpy as np

from ..core.errors import NonFiniteError
from ..core.probes import watch_finite


def locate_update(system, name, state):
    """Text that names the entry of network `name` in which an update made inf or nan.

    The gradient was finite, but a square of an entry, for example, can overflow. None if all entries are
    finite.
    """
    for what, vector in {"weights": state.params[name].vector, **state.moments[name]}.items():
        if what != "step" and not np.isfinite(vector).all():
            p = state.params[name].like(vector)
            path = next(path for path in p if not np.isfinite(p[path]).all())
            what = "new weights" if what == "weights" else f"moment {what!r}"
            return f"the {what} of {path}, of {layer_at(system.networks[name], path)!r}, are not finite"


def layer_at(layer, path):
    """The layer that owns the parameter at `path`, a name such as "0.W" in the network `layer`."""
    for part in path.split(".")[:-1]:
        layer = layer.children[part]
    return layer


def locate(system, name, params, batch, key, fakes_key, result):
    """Text that names the layer in which inf or nan appeared.

    Objectives are pure, so this computes the objective `name` again and checks the output of every layer. If
    all are finite, the text names the entry of the gradients in `result` that is not, or else the loss. key
    and fakes_key are the seeds of the objective and of the shared fakes.
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
    """Whether the layer object `layer` is the network `net` itself or one of its parts."""
    return net is layer or any(contains(child, layer) for child in net.children.values())
