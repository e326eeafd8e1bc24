"""The state of a run: everything that training changes.

    state.step, state.batches          number of steps done, number of batches drawn
    state.params[network]              the weights, Parameters with one vector
    state.moments[network]             the optimiser's {"step": number of updates, "m": ..., "v": ...}
    state.averages[network]            the moving average of the weights, for the networks in
                                       `system.averaged`
    state.memory                       extra arrays of the system, {name: array} (`System.memory`)
    state.metrics[name]                {"step": number, "value": number}: the last value of each metric, and
                                       the step that computed it

A checkpoint needs nothing else: every random draw has a stream named by (seed, step, purpose), and batch k
depends on the seed and k alone.
"""

from dataclasses import dataclass, field

import numpy as np

from ..core.arguments import expect_type
from ..core.parameters import Parameters
from ..core.randomness import derive


def expect_weights(system, weights):
    """Raise TypeError or ValueError unless the dict `weights` can replace initial weights of the system.

    weights   {network: Parameters} for some or all networks of the system at step 0

    Each Parameters needs at least one parameter name (such as "0.W") that its network has too. A parameter
    with a name that both have must have the same shape in both. Other names are allowed. Nothing is changed
    here.
    """
    expect_type("weights", weights, dict, "a dict {network: Parameters}")
    networks = system.at(0).networks
    for name, p in weights.items():
        if name not in networks:
            raise ValueError(f"weights: expected networks among {', '.join(networks)}, got {name!r}")
        advice = f"; give a run's state.params[{name!r}]"
        expect_type("weights", p, Parameters, f"Parameters for {name}", advice)
        ours, theirs = networks[name].layout.slots, p.layout.slots
        common = [path for path in ours if path in theirs]
        if not common:
            raise ValueError(
                f"weights: expected paths of {name} such as {next(iter(ours), 'none')}, "
                f"got {', '.join(theirs) or 'none'}"
            )
        for path in common:
            (_, wanted), (_, got) = ours[path], theirs[path]  # (place in the vector, shape)
            if wanted != got:
                raise ValueError(
                    f"weights: expected {path} of {name} with shape {wanted}, got {got}; "
                    "take the weights of a network of the same sizes"
                )


def _initial_memory(system, dtype):
    """{name: array}: copies of the arrays that the system keeps from step to step, as at the start.

    They are the arrays of `system.memory(dtype)`, in C order. Raises TypeError if one of them is not an array
    of numbers.
    """
    memory = system.memory(dtype)
    for name, array in memory.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise TypeError(
                f"{type(system).__name__}.memory: expected {name} as an array of numbers, "
                f"got {getattr(array, 'dtype', type(array).__name__)}; make it with np.zeros or np.full"
            )
    return {name: np.array(array, order="C") for name, array in memory.items()}


@dataclass
class State:
    """Everything that training changes. Configuration and State determine all later steps, bit for bit.

    params          {network: Parameters}: the weights
    averages        {network: Parameters}: the moving averages of some networks' weights
    moments         {network: {"step": number of updates, moment: array}} of the optimisers
    step, batches   number of steps done, and of batches drawn
    memory          {name: array}: the arrays that the system keeps from step to step
    metrics         {name: {"step": step, "value": number}}: the last value of each metric. A lazy penalty is
                    not computed in every step, so a line of metrics.jsonl needs an earlier value
    """

    params: dict
    moments: dict
    averages: dict
    step: int = 0
    batches: int = 0
    memory: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)

    @classmethod
    def of(cls, system, params):
        """Make a State of `system` before its first step, with the weights params {network: Parameters}.

        The optimisers start anew. The averages are copies of params. The memory is the system's initial one.
        step and batches are 0. params is not copied. For a `Staged` run, `system` is the system of one stage.
        """
        moments = {name: opt.start(params[name].vector) for name, opt in system.optimizers.items()}
        averages = {name: params[name].copy() for name in system.averaged}
        memory = _initial_memory(system, next(iter(params.values())).dtype)
        return cls(params, moments, averages, memory=memory)

    @classmethod
    def empty(cls, system, dtype=np.float32):
        """Make a State with arrays of the system's sizes and weights of zero, to be filled.

        dtype is the type of the weights. `checkpoint.load` fills the State.
        """
        return cls.of(
            system,
            {
                name: Parameters(np.zeros(net.layout.size, dtype), net.layout)
                for name, net in system.networks.items()
            },
        )

    @classmethod
    def start(cls, system, seed, dtype=np.float32, weights=None):
        """Make the State before the first step of a run, with random weights that depend on `seed`.

        system    the System
        dtype     the dtype of the weights
        weights   {network: Parameters} of another run. Its entries replace the random ones if the network and
                  the name of the parameter are equal. None: all weights are random
        """
        params = system.init(seed, dtype)
        for name, p in (weights or {}).items():
            params[name].copy_from(p)
        return cls.of(system.at(0), params)

    def enter(self, system, seed):
        """Begin the next stage of a `Staged` run: replace params, moments, averages and memory, in place.

        system   the system at the stage's first step
        seed     the run's seed, from which new parameters are drawn

        Entries of params and averages keep their values if network, name and shape are the same as before.
        New entries of params are random, and new entries of averages equal params. The optimisers and the
        memory start anew. step, batches and metrics stay.
        """
        fresh = State.of(
            system, system.init(derive(seed, "stage", self.step), next(iter(self.params.values())).dtype)
        )
        system.inherit(fresh.params, self.params)
        fresh.averages |= {name: fresh.params[name].copy() for name in fresh.averages}
        system.inherit(fresh.averages, self.averages)
        self.params, self.moments = fresh.params, fresh.moments
        self.averages, self.memory = fresh.averages, fresh.memory

    @property
    def sampled(self):
        """{network: Parameters} of the weights with which samples are drawn.

        They are the moving average of the weights if there is one, and otherwise the weights.
        """
        return self.params | self.averages

    def vectors(self):
        """{name in the checkpoint: array} of all arrays of the state. A write to one changes the state.

        The names are NETWORK.weights, NETWORK.average, NETWORK.MOMENT such as G.m, and memory.NAME. The
        arrays of the memory have any shape; all others are vectors.
        """
        found = {f"{name}.weights": p.vector for name, p in self.params.items()}
        found |= {
            f"{name}.{moment}": vector
            for name, state in self.moments.items()
            for moment, vector in state.items()
            if moment != "step"
        }
        found |= {f"{name}.average": p.vector for name, p in self.averages.items()}
        return found | {f"memory.{name}": array for name, array in self.memory.items()}

    def counters(self):
        """{name in the checkpoint: integer} of all counters of the state:

        step, batches     number of steps done, and of batches drawn
        NETWORK.updates   number of updates of this network's optimiser
        """
        return {"step": self.step, "batches": self.batches} | {
            f"{name}.updates": state["step"] for name, state in self.moments.items()
        }

    def _count(self, counters):
        """Set the counters of the state to those of the dict `counters`, which `counters` once returned."""
        self.step, self.batches = counters["step"], counters["batches"]
        for name, state in self.moments.items():
            state["step"] = counters[f"{name}.updates"]
