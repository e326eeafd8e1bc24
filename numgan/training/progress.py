"""What a run says on stderr while it trains: the sizes of its networks, the time it needs, how far it is.

before the first step     a line for each network, with its parameters and their memory
after ten steps           the time of a step and of all steps, and the memory of the process
every minute              step, losses, steps per second and time left; on a terminal a progress bar has this

All times are measured in this session. A step may have more objectives than another one, as the first steps
of a WGAN have. So the time of the steps that are left is the measured time of one objective, times the number
of objectives in these steps.
"""

import sys
import time

import numpy as np
from tqdm import tqdm

from ..core.streams import STDERR

MEASURED = 10  # steps after which the time of all steps is estimated
EVERY = 60.0  # seconds between two lines about the progress
COUNTED = 2000  # steps whose objectives are counted; further steps have as many on average


class Progress:
    """Prints lines about the progress of a run: sizes of the networks, time per step and time left.

    system      the system of the run
    steps       number of steps of the whole run
    say         a function that prints one line; it is called for each line
    by_minute   whether to print a line every minute; False where a progress bar is shown
    clock       a function that returns a time in seconds, from any start
    """

    def __init__(self, system, steps, say, by_minute=True, clock=time.monotonic):
        self.system, self.steps, self.say, self.by_minute, self.clock = system, steps, say, by_minute, clock

    def begin(self, step):
        """Print the sizes of the networks, and start the clock. `step` is the number of steps done before."""
        for line in sizes(self.system.at(step)):
            self.say(line)
        self.first, self.began = step, self.clock()
        self.warm = self.told = (step, self.began)  # (step, seconds) from which the speed is measured

    def after(self, step, losses):
        """Print a line after a step if one is due: the estimated time, or the progress of each minute.

        step counts the steps done, and losses are {objective: loss} of this step.
        """
        now = self.clock()
        if step == self.first + 1:
            self.warm = step, now  # the first step also allocates memory
        elif step == self.first + MEASURED and step < self.steps:
            left = self._left(self.warm, step, now)
            every = (
                f"all {self.steps:,} steps" if self.first == 0 else f"the other {self.steps - step:,} steps"
            )
            whole = left + (now - self.began if self.first == 0 else 0)
            self.say(
                f"a step takes about {duration(left / (self.steps - step))}, {every} about {duration(whole)}"
                + memory()
            )
        told_step, told_at = self.told
        if self.by_minute and now - told_at >= EVERY and step < self.steps:
            rate = (step - told_step) / (now - told_at)
            parts = [f"step {step:,} of {self.steps:,}"]
            parts += [f"loss {name} {loss:.3f}" for name, loss in losses.items()]
            left = duration(self._left(self.told, step, now))
            self.say(", ".join([*parts, f"{rate:.3g} steps/s", f"about {left} left"]))
            self.told = step, now

    def _left(self, start, step, now):
        """An estimate of the seconds that all steps after `step` will take.

        start   (step, seconds of the clock) from which the speed is measured
        now     the seconds of the clock now
        """
        first, began = start
        pace = (now - began) / self._objectives(first, step)  # seconds per objective
        return pace * self._objectives(step, self.steps)

    def _objectives(self, first, last):
        """The number of objectives, a float, that are computed in the steps first, ..., last - 1.

        It is exact for at most COUNTED (2000) steps. Of more steps, only the first COUNTED are counted, and
        the others have as many on average. `last` must be larger than `first`.
        """
        counted = range(first, min(last, first + COUNTED))
        return sum(map(self._objectives_of, counted)) * (last - first) / len(counted)

    def _objectives_of(self, step):
        """The number of objectives in one step, at least 1; 1 if `rounds` raises ValueError for this step."""
        try:
            return max(len(self.system.at(step).rounds(step)), 1)
        except ValueError:  # the number depends on the state of that step, which is not known ahead
            return 1


def tell(line):
    """Print a line on stderr, above the progress bar if there is one."""
    tqdm.write(f"numgan: {line}", file=STDERR)
    STDERR.flush()


def sizes(system):
    """A list with a line of text for each network of the system: its number of parameters, and its memory.

    The memory is that of the vectors that training keeps, with a float32 entry for each parameter: the
    weights, and if there are any, the gradient, the moments of the optimiser and the moving average. What the
    layers compute for a batch needs memory too, which is not counted here.
    """
    lines = []
    for name, net in system.networks.items():
        kept = _kept(system, name)
        total = 4 * net.layout.size * sum(kept.values())
        words = ", ".join(word for word, number in kept.items() if number)
        lines.append(f"{name}: {net.layout.size:,} parameters, {size(total)} with {words}")
    return lines


def _kept(system, name):
    """{word: number of float32 vectors} that training keeps in memory for the network `name` of the system.

    The words are "weights", "gradient", "moments" and "average". Each vector has one entry for each
    parameter.
    """
    trained = system.optimizers.get(name)
    moments = trained.start(np.zeros(1, np.float32)).keys() - {"step"} if trained else ()
    return {
        "weights": 1,
        "gradient": int(trained is not None),
        "moments": len(moments),
        "average": int(name in system.averaged),
    }


def size(count):
    """The number of bytes `count` as text with a unit, such as "3.2 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"


def duration(seconds):
    """A time in seconds as text with a unit, such as "3.2 ms", "0.12 s", "45 s", "40 min" or "3 h 20 min"."""
    if seconds < 0.0995:
        return f"{1e3 * seconds:.2g} ms"
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 36 * 60 else f"{minutes / 1440:.1f} days"


def memory():
    """A text with the largest memory that the process has used, such as "; memory so far 120 MB".

    It is "" on Windows, where Python cannot tell.
    """
    if sys.platform == "win32":
        return ""
    import resource  # Unix only

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in kB on Linux
    return f"; memory so far {size(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)}"
