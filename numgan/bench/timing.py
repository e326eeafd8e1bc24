"""Fair timing of several sides (compared programs, such as numgan and PyTorch): they run in turn, in bursts.

A burst is several calls in a row. The order of the bursts is A B A B. There is a pause before each burst,
until the spinning threads of the other library sleep. The first call of a burst does not count, because
caches are cold and threads sleep. The result is the median and the quartiles of all other calls, never the
best call.
"""

import time
from dataclasses import dataclass

import numpy as np

PAUSE = 0.06  # seconds; the threads of OpenMP spin for some ten milliseconds after their last work


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call: median, lower quartile (low) and upper quartile (high), over `calls` calls.

    calls   the number of calls that were timed
    """

    median: float
    low: float
    high: float
    calls: int

    @classmethod
    def of(cls, times):
        """The Timing of `times`, a list of milliseconds, one number for each call.

        Raises ValueError if the list is empty.
        """
        if not times:
            raise ValueError("Timing: expected at least one measurement, got none")
        low, median, high = np.percentile(times, [25, 50, 75])
        return cls(float(median), float(low), float(high), len(times))


def burst(function, calls):
    """Call function() `calls` times and return the list of the milliseconds of each call.

    One more call comes first and does not count.
    """
    function()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return times


class Rest:
    """A pause between measurements: a call rest() of this object sleeps for `seconds`, by default 0.06.

    During a pause this program does nothing, so all use of the processors is that of other programs. `busy`
    is the share of the processors that they used.
    """

    def __init__(self, seconds=PAUSE):
        # ticks of the processors in all pauses: those that were used, and all
        self.seconds, self._used, self._all = seconds, 0, 0

    def __call__(self):
        """Sleep for `seconds`, and count the ticks that the processors worked in this time."""
        used, whole = _ticks()
        time.sleep(self.seconds)
        after, end = _ticks()
        self._used, self._all = self._used + after - used, self._all + end - whole

    @property
    def busy(self):
        """The share of the processors, 0 to 1, that other programs used during the pauses.

        None before the first pause, and on systems other than Linux, which do not report it here.
        """
        return self._used / self._all if self._all else None


def _ticks():
    """(used time, total time) of all processors since the system started, in ticks of its clock.

    It is read from /proc/stat of Linux. Returns (0, 0) on other systems.
    """
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            _, *ticks = file.readline().split()  # "cpu", then the ticks of all processors
            user, nice, system, idle, waiting, *rest = map(int, ticks[:8])
    except OSError:
        return 0, 0
    used = user + nice + system + sum(rest)
    return used, used + idle + waiting


def interleave(sides, rounds, seconds, rest):
    """Time several sides (compared programs) in turn and return {name: Timing}.

    sides     {name: side}; side(calls) -> [ms] runs one burst, for example `lambda calls: burst(step, calls)`
    rounds    the number of bursts of each side; burst k of all sides comes before burst k + 1 of any side
    seconds   the approximate length of a burst; it has 1 to 1000 calls that count
    rest      the Rest (pause) that is called before each burst

    Raises ValueError if rounds < 1.
    """
    if rounds < 1:
        raise ValueError(f"interleave: expected rounds >= 1, got {rounds}")
    calls = {}  # the number of calls in a burst, from the time of one call
    for name, side in sides.items():
        (ms,) = side(1)
        calls[name] = int(np.clip(1e3 * seconds / ms, 1, 1000))
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rest()
            times[name] += side(calls[name])
    return {name: Timing.of(found) for name, found in times.items()}
