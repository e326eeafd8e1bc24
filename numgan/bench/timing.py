"""Timing that is fair to both sides: they run in turn, A B A B, in bursts.

A pause before each burst lets the other library's spinning threads die down, and the first call of a burst, which finds cold
caches and sleeping threads, does not count. What is told of the rest is the median and the quartiles, never the best.
"""

import time
from dataclasses import dataclass

import numpy as np

PAUSE = 0.06  # seconds; OpenMP's threads spin for some ten milliseconds after their last work


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call: median, lower and upper quartile, over `calls` calls."""

    median: float
    low: float
    high: float
    calls: int

    @classmethod
    def of(cls, times):
        """From a list of milliseconds; ValueError if it is empty."""
        if not times:
            raise ValueError("Timing: expected at least one measurement, got none")
        low, median, high = np.percentile(times, [25, 50, 75])
        return cls(float(median), float(low), float(high), len(times))

    def scaled(self, factor):
        """The same calls in another unit, such as milliseconds per image."""
        return Timing(self.median * factor, self.low * factor, self.high * factor, self.calls)


def burst(function, calls):
    """Milliseconds of each of `calls` calls of function(), after one that does not count."""
    function()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return times


class Rest:
    """A pause, when called. What the processors do meanwhile is not ours: `busy` is the share of them that other programs took."""

    def __init__(self, seconds=PAUSE):
        self.seconds, self._used, self._all = seconds, 0, 0

    def __call__(self):
        used, whole = _ticks()
        time.sleep(self.seconds)
        after, end = _ticks()
        self._used, self._all = self._used + after - used, self._all + end - whole

    @property
    def busy(self):
        """None where the system does not tell."""
        return self._used / self._all if self._all else None


def _ticks():
    """(time used, time in all) of all processors since the start, as Linux counts them; (0, 0) elsewhere."""
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            user, nice, system, idle, waiting, *rest = map(int, file.readline().split()[1:9])
    except OSError:
        return 0, 0
    used = user + nice + system + sum(rest)
    return used, used + idle + waiting


def interleave(sides, rounds=7, seconds=0.3, rest=None):
    """{name: Timing} of sides {name: side}, where side(calls) -> [ms] runs one burst, such as `lambda calls: burst(step, calls)`.

    rounds    bursts of each side; all sides have their k-th before any has its next
    seconds   about how long a burst lasts; at least one call counts, however long it takes
    rest      what is called before each burst, a Rest
    """
    rest = rest or Rest()
    if rounds < 1:
        raise ValueError(f"interleave: expected rounds >= 1, got {rounds}")
    calls = {name: int(np.clip(1e3 * seconds / side(1)[0], 1, 1000)) for name, side in sides.items()}
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rest()
            times[name] += side(calls[name])
    return {name: Timing.of(found) for name, found in times.items()}
