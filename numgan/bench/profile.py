"""`numgan profile`: the time of a training step, for each layer and each pass.

Within a block of `watched`, an observer (`numgan.core.probes`) times every pass of every layer. The updates
of the optimisers and the drawing of latents are replaced by timed functions. At the end of the block the
original functions are restored. The time of a network does not contain the time of its layers, so no time
counts twice. The times of all rows and "elsewhere" sum to the time of the step. A LeakyReLU that is fused
into the kernel of another layer has no row: its time is in the row of that layer.
"""

import time
from collections import defaultdict
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from .. import _kernels
from ..core.probes import observe
from . import machine
from .workloads import Session

PASSES = "forward", "backward", "frozen backward", "tangent forward", "tangent backward", "update", "data"
NAMES = {  # {name of a method: name of its pass}; for backward see `_backward_name`
    "forward": "forward",
    "backward_keeping": "frozen backward",
    "tangent_forward": "tangent forward",
    "tangent_backward": "tangent backward",
}
WARM = 2  # number of steps before the measurement


class Clock:
    """The total time and the number of calls of functions, in the dicts `seconds` and `calls`, for each key.

    `timed` makes the functions that are measured. The time of a function does not contain the time of timed
    functions that it calls.
    """

    def __init__(self):
        self.seconds, self.calls = defaultdict(float), defaultdict(int)
        self._inside = [0.0]  # for each running function: the seconds of the timed functions that it called

    def timed(self, function, key):
        """Make a function that calls `function` with its arguments and returns its result.

        Each call adds its time to seconds[key] and 1 to calls[key], also if `function` raises an error.
        """

        def covered(*arguments, **words):
            self._inside.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **words)
            finally:
                spent = time.perf_counter() - start
                self.seconds[key] += spent - self._inside.pop()
                self.calls[key] += 1
                self._inside[-1] += spent

        return covered


def places(net):
    """Yield (path, layer) for the network `net` and all layers in it, at any depth.

    A path is the names from the network down to the layer, such as "0.1"; the path of the network is "". A
    layer that is used twice is listed once, with its first path.
    """
    seen = set()

    def visit(layer, path):  # the layer and all layers in it that were not seen before
        if id(layer) not in seen:
            seen.add(id(layer))
            yield ".".join(path), layer
            for name, child in layer.children.items():
                yield from visit(child, (*path, name))

    return visit(net, ())


def _backward_name(arguments, words):
    """The name of a backward pass in the table: "frozen backward" or "backward".

    arguments and words are the positional and the keyword arguments of backward(dy, cache, frozen=False,
    need_dx=True).
    """
    frozen = words.get("frozen", arguments[2] if len(arguments) > 2 else False)
    return "frozen backward" if frozen else "backward"


@contextmanager
def watched(system):
    """A context manager that times passes, updates and the drawing of latents of a system within its block.

    `with watched(system) as clock` gives the Clock with the times. At the end the system is as before. The
    keys of the Clock are:

    (network, path, pass)               a pass of the layer with this path, see `places`
    (network, "optimizer", "update")    an update of this network
    ("", "latents", "data")             the drawing of latents
    """
    clock, covered = Clock(), []  # covered: (object, name of a method, the object's own method or None)
    # a layer that occurs twice gets its first place, because later entries of the dict replace earlier ones
    where = {
        id(layer): (name, path)
        for name, net in reversed(system.networks.items())
        for path, layer in reversed(list(places(net)))
    }

    def cover(owner, method, *key):  # put a timed function in the place of a method of the object owner
        covered.append((owner, method, vars(owner).get(method)))
        vars(owner)[method] = clock.timed(getattr(owner, method), key)

    def around(layer, method, arguments, words, call):  # the observer: it makes the pass by call()
        if id(layer) not in where:
            return call()
        name = NAMES.get(method) or _backward_name(arguments, words)
        return clock.timed(call, (*where[id(layer)], name))()

    try:
        for name, optimizer in system.optimizers.items():
            cover(optimizer, "update", name, "optimizer", "update")
        if system.latent is not None:
            cover(system.latent, "draw", "", "latents", "data")
        with observe(around, unfused=False):
            yield clock
    finally:
        for owner, method, before in reversed(covered):
            if before is None:
                del vars(owner)[method]
            else:
                vars(owner)[method] = before


def profile(system, steps=10, batch_size=None):
    """Train `system` for `steps` steps on one random batch and return the times of its layers and passes.

    The result is a dict {machine, steps, batch, step_ms, elsewhere_ms, rows, kernel_calls}:

    batch          the number of samples in the batch
    step_ms        the mean time of a step, in milliseconds
    elsewhere_ms   the part of step_ms that is in no row
    rows           [{network, path, layer, pass, ms, share, calls}], one dict for each pass of each layer, for
                   the update of each network and for the latents; ms and calls are means for one step, share
                   is ms / step_ms
    kernel_calls   {kernel: calls in a step}

    Two steps before the measurement do not count. batch_size None means that of the system. BLAS has one
    thread.
    """
    session = Session(system, batch_size)
    layers = {
        (name, path): repr(layer).split("\n")[0].rstrip("(")
        for name, net in system.networks.items()
        for path, layer in places(net)
    }
    layers |= {(name, "optimizer"): repr(optimizer) for name, optimizer in system.optimizers.items()}
    layers["", "latents"] = "latents"
    with threadpool_limits(1):
        for _ in range(WARM):
            session.step()
        with watched(system) as clock, _kernels.kernel_calls() as calls:
            start = time.perf_counter()
            for _ in range(steps):
                session.step()
            whole = time.perf_counter() - start
    rows = [
        {
            "network": name,
            "path": path,
            "layer": layer,
            "pass": which,
            "ms": 1e3 * clock.seconds[name, path, which] / steps,
            "share": clock.seconds[name, path, which] / whole,
            "calls": clock.calls[name, path, which] / steps,
        }
        for (name, path), layer in layers.items()
        for which in PASSES
        if (name, path, which) in clock.seconds
    ]
    return {
        "machine": machine.describe(),
        "steps": steps,
        "batch": len(session.batch["x"]),
        "step_ms": 1e3 * whole / steps,
        "elsewhere_ms": 1e3 * (whole - sum(clock.seconds.values())) / steps,
        "rows": rows,
        "kernel_calls": {kernel: count / steps for kernel, count in sorted(calls.items())},
    }
