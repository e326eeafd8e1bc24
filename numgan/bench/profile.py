"""`numgan profile`: where the time of a training step goes, layer by layer and pass by pass.

In a block of `watched` an observer (`numgan.core.probes`) times every pass of every layer. Every optimiser's update and the drawing of
latents are covered by a function that looks at the clock, and uncovered when the block ends. A network's time is without its layers', so
nothing counts twice, and the shares of all rows together with "elsewhere" are the step. A LeakyReLU that is fused into another layer's
kernel has no row: its time is in that layer's row.
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
NAMES = {
    "forward": "forward",
    "backward_keeping": "frozen backward",
    "tangent_forward": "tangent forward",
    "tangent_backward": "tangent backward",
}
WARM = 2  # steps before the clock runs


class Clock:
    """Seconds and calls by key, each without what was timed inside it."""

    def __init__(self):
        self.seconds, self.calls, self._inside = defaultdict(float), defaultdict(int), [0.0]

    def timed(self, function, key):
        """The function, its time added under key(arguments, words)."""

        def covered(*arguments, **words):
            self._inside.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **words)
            finally:
                spent = time.perf_counter() - start
                here = key(arguments, words)
                self.seconds[here] += spent - self._inside.pop()
                self.calls[here] += 1
                self._inside[-1] += spent

        return covered


def places(net, path=()):
    """(path, layer) of a network and everything in it; a layer placed twice comes once, where it is met first."""
    seen = set()

    def visit(layer, path):
        if id(layer) not in seen:
            seen.add(id(layer))
            yield ".".join(path), layer
            for name, child in layer.children.items():
                yield from visit(child, (*path, name))

    return visit(net, path)


def _backward_name(arguments, words):
    """backward(dy, cache, frozen=False, need_dx=True)"""
    frozen = words.get("frozen", arguments[2] if len(arguments) > 2 else False)
    return "frozen backward" if frozen else "backward"


@contextmanager
def watched(system):
    """In this block the system's passes, updates and draws are timed on the Clock that it gives; keys are (network, path, pass)."""
    clock, covered = Clock(), []
    where = {
        id(layer): (name, path)
        for name, net in reversed(system.networks.items())
        for path, layer in reversed(list(places(net)))
    }

    def cover(owner, method, *key):
        covered.append((owner, method, vars(owner).get(method)))
        vars(owner)[method] = clock.timed(getattr(owner, method), lambda arguments, words: key)

    def around(layer, method, arguments, words, call):
        if id(layer) not in where:
            return call()
        name = NAMES.get(method) or _backward_name(arguments, words)
        return clock.timed(call, lambda *_: (*where[id(layer)], name))()

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
    """{machine, steps, batch, step_ms, elsewhere_ms, rows, kernel_calls}: where the mean step's time goes, on a synthetic batch in memory.

    rows           [{network, path, layer, pass, ms, share, calls}], a step's mean each; with elsewhere_ms they sum to step_ms
    kernel_calls   {kernel: calls a step}
    """
    session = Session(system, batch_size)
    layers = {
        (name, path): repr(layer).split("\n")[0].rstrip("(")
        for name, net in system.networks.items()
        for path, layer in places(net)
    }
    layers |= {(name, "optimizer"): repr(optimizer) for name, optimizer in system.optimizers.items()}
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
            "layer": layers.get((name, path), path),
            "pass": which,
            "ms": 1e3 * seconds / steps,
            "share": seconds / whole,
            "calls": clock.calls[name, path, which] / steps,
        }
        for (name, path, which), seconds in clock.seconds.items()
    ]
    order = {place: i for i, place in enumerate(layers)}
    rows.sort(
        key=lambda row: (order.get((row["network"], row["path"]), len(order)), PASSES.index(row["pass"]))
    )
    return {
        "machine": machine.describe(),
        "steps": steps,
        "batch": len(session.batch["x"]),
        "step_ms": 1e3 * whole / steps,
        "elsewhere_ms": 1e3 * (whole - sum(clock.seconds.values())) / steps,
        "rows": rows,
        "kernel_calls": {kernel: count / steps for kernel, count in sorted(calls.items())},
    }
