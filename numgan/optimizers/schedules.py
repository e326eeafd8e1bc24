"""Schedules: constants of an optimiser or a system, such as the learning rate, that change with the step.

schedule(step) -> value. step counts from 0. For an optimiser it is the number of updates made.
"""

import math
from dataclasses import dataclass, replace

from ..core.arguments import is_number, plain, plain_fields


def value_at(value, step):
    """The number value(step) if `value` is a schedule, or another function; otherwise `value` unchanged.

    step counts from 0. A NumPy number becomes a Python number.
    """
    return plain(value(step)) if callable(value) else value


class Schedule:
    """The base class of schedules. A schedule is a frozen dataclass with a method __call__(step) -> number.

    NumPy numbers in its fields become Python numbers. Raises ValueError if there is a field `steps` that is
    not a finite number of at least 1.
    """

    def __post_init__(self):
        # Check `steps`, if the class has this field, and convert NumPy numbers. Raises ValueError.
        if not is_number(getattr(self, "steps", 1), 1):
            raise ValueError(
                f"{type(self).__name__}: expected steps of at least 1, got {self.steps!r}; count updates"
            )
        plain_fields(self)


@dataclass(frozen=True)
class Linear(Schedule):
    """Schedule: `start` for `wait` steps, then linear to `end` over `steps` steps, then `end`.

    `wait` is 0 by default. Raises ValueError unless `steps` is at least 1.
    """

    start: float
    end: float
    steps: int
    wait: int = 0

    def __call__(self, step):
        # start + (end - start) t, where t rises from 0 to 1 between the steps wait and wait + steps
        return self.start + (self.end - self.start) * min(max(step - self.wait, 0) / self.steps, 1)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Schedule: start * factor^step, but at least `floor`, which is 0 by default.

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

    `end` is 0 by default. The formula is eq. 5 of Loshchilov and Hutter 2017, without restarts. Raises
    ValueError unless `steps` is at least 1.
    """

    start: float
    steps: int
    end: float = 0.0

    def __call__(self, step):
        # end + (start - end) (1 + cos(pi t)) / 2, where t rises from 0 to 1
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """Schedule: `then` times a factor that rises linearly from 1 / steps to 1 in the first `steps` steps.

    After these steps the factor stays 1.

    then    a number or a schedule

    Raises ValueError unless `steps` is at least 1.
    """

    then: object
    steps: int

    def __call__(self, step):
        return value_at(self.then, step) * min((step + 1) / self.steps, 1)


def planned(value, old, new):
    """A copy of the schedule `value` with steps = `new`, if its steps are `old`; otherwise `value` itself.

    `old` and `new` are numbers of steps. A Warmup becomes a copy that keeps its own steps, and whose `then`
    is planned(then, old, new). A value that is no Schedule is returned unchanged.
    """
    changes = {"steps": new} if getattr(value, "steps", None) == old else {}
    if isinstance(value, Warmup):
        changes = {"then": planned(value.then, old, new)}  # the warm-up itself keeps its steps
    return replace(value, **changes) if isinstance(value, Schedule) and changes else value


SCHEDULES = (Linear, Exponential, Cosine, Warmup)
