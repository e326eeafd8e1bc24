"""A run in stages. A stage is a system that is trained for a number of steps; the stages follow each other.

Examples are pre-training before the adversarial training, and a network that grows.
"""

import math
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from .system import System


@dataclass(frozen=True, kw_only=True, repr=False)
class Staged(System):
    """A system of several stages: systems that are trained one after the other in one run.

    parts    ((steps, system), ...), the number of steps and the system of each stage, in order

    `Staged.of((500, first), (2000, second))` makes a Staged. Each stage has its own networks, optimisers and
    memory. A network that the previous stage has too keeps its parameters, if path and shape are equal
    (`System.inherit`). Optimisers and memory start anew in each stage.

    Most properties of a Staged are those of its last stage: the fields of the class System, the objectives,
    `drawers`, `judges`, `made_from`, `target`, `purpose` and `metric_labels`. These three differ:

    steps      the sum of the steps of all stages
    packed     the least common multiple of `packed` of all stages
    init       makes the parameters of the first stage
    """

    parts: tuple

    @classmethod
    def of(cls, *parts):
        """A Staged with the stages `parts`: pairs (number of steps, System).

        Raises TypeError for anything but such pairs. Raises ValueError if there is no pair, if a stage has
        less than one step, or if the stages differ in sample_shape, pixels or classes.
        """
        for part in parts:
            match part:
                case [int() | np.integer(), System()]:
                    continue
            raise TypeError(f"Staged: expected pairs (steps, system), got {part!r:.100}")
        if not parts or min(steps for steps, _ in parts) < 1:
            raise ValueError(
                f"Staged: expected stages of at least one step, got {[steps for steps, _ in parts]}"
            )
        *_, (_, last) = parts
        for name in ("sample_shape", "pixels", "classes"):
            found = [getattr(system, name) for _, system in parts]
            if any(value != getattr(last, name) for value in found):
                raise ValueError(
                    f"Staged: expected one {name} for all stages, which see the same data, got {found}"
                )
        common = {name: getattr(last, name) for name in System.__dataclass_fields__}
        return cls(**common | {"steps": sum(steps for steps, _ in parts)}, parts=parts)

    @property
    def last(self):
        """The system of the last stage."""
        *_, (_, system) = self.parts
        return system

    @property
    def stages(self):
        """((first step, system), ...): a pair for each stage; the first step is one of the whole run."""
        firsts = accumulate((steps for steps, _ in self.parts), initial=0)
        return tuple((first, system) for first, (_, system) in zip(firsts, self.parts))

    def at(self, step):
        """The system of the stage that has the step `step` of the run, as `System.at` makes it."""
        *_, (first, system) = [(first, system) for first, system in self.stages if first <= step]
        return system.at(step - first)

    def example(self, n, rng):
        return self.last.example(n, rng)

    def objectives(self):
        return self.last.objectives()

    drawers = property(lambda self: self.last.drawers)
    judges = property(lambda self: self.last.judges)
    made_from = property(lambda self: self.last.made_from)
    target = property(lambda self: self.last.target)
    purpose = property(lambda self: self.last.purpose)
    metric_labels = property(lambda self: self.last.metric_labels)
    packed = property(lambda self: math.lcm(*(system.packed for _, system in self.parts)))

    def init(self, seed=0, dtype=np.float32):
        return self.at(0).init(seed, dtype)

    def with_optimizers(self, change):
        return Staged.of(*((steps, system.with_optimizers(change)) for steps, system in self.parts))

    def with_average(self, decay):
        return Staged.of(*((steps, replace(system, average=decay)) for steps, system in self.parts))

    def __repr__(self):
        return "Staged(" + ",\n".join(f"{steps} steps of {system!r}" for steps, system in self.parts) + ")"


def planned(system, steps):
    """A copy of the system for a run of `steps` steps, which may be another number than system.steps.

    If a schedule of an optimiser has system.steps steps, the copy has this schedule with `steps` steps. The
    system itself is returned if the two numbers are equal, or if it is a Staged: its stages have their own
    numbers of steps.
    """
    if isinstance(system, Staged) or steps == system.steps:
        return system
    return system.with_optimizers(lambda name, optimizer: optimizer.planned(system.steps, steps))
