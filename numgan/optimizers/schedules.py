"""Schedules: constants of an optimiser or a system that change with the number of updates made.

schedule(step) -> value; step counts from 0.
"""

import math
from dataclasses import dataclass

from ..core.arguments import is_number, plain, plain_fields


def value_at(value, step):
    """The value at `step` of a schedule. A `value` that is not a schedule is returned unchanged."""
    return plain(value(step)) if callable(value) else value


class Schedule:
    """The base class. It checks `steps`, and converts NumPy numbers in its fields to Python numbers.

    Raises ValueError if `steps` is below 1.
    """

    def __post_init__(self):
        if not is_number(getattr(self, "steps", 1), 1):
            raise ValueError(
                f"{type(self).__name__}: expected steps of at least 1, got {self.steps!r}; count updates"
            )
        plain_fields(self)


@dataclass(frozen=True)
class Linear(Schedule):
    """Schedule: `start` for `wait` updates, then linear to `end` over `steps` updates, then `end`."""

    start: float
    end: float
    steps: int
    wait: int = 0

    def __call__(self, step):
        return self.start + (self.end - self.start) * min(max(step - self.wait, 0) / self.steps, 1)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Schedule: max(start factor^step, floor).

    Goodfellow et al. 2014 divide by 1.000004 at every update: factor = 1 / 1.000004.
    """

    start: float
    factor: float
    floor: float = 0.0

    def __call__(self, step):
        return max(self.start * self.factor**step, self.floor)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Schedule: half a cosine from `start` to `end` over `steps` updates, then `end`.

    (Loshchilov and Hutter 2017, eq. 5)
    """

    start: float
    steps: int
    end: float = 0.0

    def __call__(self, step):
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """Schedule: `then` times a factor that rises linearly from 1 / steps to 1 over the first `steps` updates.

    then    a constant or a schedule
    """

    then: object
    steps: int

    def __call__(self, step):
        return value_at(self.then, step) * min((step + 1) / self.steps, 1)


SCHEDULES = (Linear, Exponential, Cosine, Warmup)
