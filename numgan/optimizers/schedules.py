"""Schedules: constants of an optimiser or a system, such as the learning rate, that change with the step.

schedule(step) -> value. step counts from 0. For an optimiser it is the number of updates made.
"""

import math
from dataclasses import dataclass, replace

from ..core.arguments import is_number, plain, plain_fields


def value_at(value, step):
    """The number that `value`, a schedule or a number, has at this step.

    A schedule is a function of the step. A `value` that is not callable is returned unchanged.
    """
    return plain(value(step)) if callable(value) else value


class Schedule:
    """The base class of schedules. It converts NumPy numbers in the fields to Python numbers.

    Raises ValueError if there is a field `steps` that is not a number of at least 1.
    """

    def __post_init__(self):
        if not is_number(getattr(self, "steps", 1), 1):
            raise ValueError(
                f"{type(self).__name__}: expected steps of at least 1, got {self.steps!r}; count updates"
            )
        plain_fields(self)


@dataclass(frozen=True)
class Linear(Schedule):
    """Schedule: `start` for the first `wait` steps, then linear to `end` over `steps` steps, then `end`."""

    start: float
    end: float
    steps: int
    wait: int = 0

    def __call__(self, step):
        return self.start + (self.end - self.start) * min(max(step - self.wait, 0) / self.steps, 1)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Schedule: the value start factor^step at each step, but at least `floor`.

    Goodfellow et al. 2014 divide the learning rate by 1.000004 at every update: factor = 1 / 1.000004.
    """

    start: float
    factor: float
    floor: float = 0.0

    def __call__(self, step):
        return max(self.start * self.factor**step, self.floor)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Schedule: half a cosine wave from `start` to `end` over `steps` steps, then `end`.

    It is eq. 5 of Loshchilov and Hutter 2017, without restarts.
    """

    start: float
    steps: int
    end: float = 0.0

    def __call__(self, step):
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """Schedule: `then` times a factor that rises linearly from 1 / steps to 1 in the first `steps` steps.

    After these steps the factor stays 1. `then` is a number or a schedule.
    """

    then: object
    steps: int

    def __call__(self, step):
        return value_at(self.then, step) * min((step + 1) / self.steps, 1)


def planned(value, old, new):
    """Convert a schedule over `old` steps to the same schedule over `new` steps. Return others unchanged.

    If `value` is a Warmup, only the schedule `then` in it is converted.
    """
    changes = {"steps": new} if getattr(value, "steps", None) == old else {}
    if isinstance(value, Warmup):
        changes = {"then": planned(value.then, old, new)}  # the warm-up itself keeps its steps
    return replace(value, **changes) if isinstance(value, Schedule) and changes else value


SCHEDULES = (Linear, Exponential, Cosine, Warmup)
