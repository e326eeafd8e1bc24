"""`numgan bench growth`: how the time per image of a DCGAN step grows with each setting of the network.

The settings are batch, width, resolution, depth and threads. One of them changes at a time. The other
settings keep their base values: batch 64, 128 and 64 channels, 32 x 32 pixels, two stride-2 layers. The
resolution does not depend on the depth: a deeper network starts from a smaller picture with more channels.
"""

from dataclasses import asdict, dataclass, replace

from tqdm import tqdm

from .. import _kernels
from ..core.streams import STDERR
from ..networks import dcgan_discriminator, dcgan_generator
from ..systems.games.dcgan import half
from . import machine
from .timing import Rest, interleave
from .workloads import Session


@dataclass(frozen=True)
class Setting:
    """The settings of a DCGAN.

    batch        the number of samples in a batch
    width        a factor for all numbers of channels
    resolution   pixels on each side of the picture
    depth        the number of stride-2 layers of G, and of D
    threads      the number of threads; None: the number that is set
    """

    batch: int = 64
    width: float = 1.0
    resolution: int = 32
    depth: int = 2
    threads: int | None = None

    def system(self):
        """Build the DCGAN system with these settings, for colour pictures.

        The first convolution of D has 64 * width channels, each further one twice as many; G has these
        numbers in reverse order. The setting `threads` is not used here. Raises ValueError if the resolution
        is not divisible by 2 to the power of depth.
        """
        start, rest = divmod(self.resolution, 2**self.depth)
        if rest or start < 1:
            raise ValueError(
                f"growth: expected a resolution divisible by {2**self.depth} ({self.depth} halvings), "
                f"got {self.resolution}"
            )
        channels = [max(int(64 * self.width * 2**i), 2) for i in range(self.depth)]
        return replace(
            half(),
            sample_shape=(self.resolution, self.resolution, 3),
            batch_size=self.batch,
            networks={
                "G": dcgan_generator(100, start, channels[::-1], 3, kernel=4),
                "D": dcgan_discriminator(start, channels, 3, kernel=4),
            },
        )


def base(quick=False):
    """The Setting from which `plan` changes one value at a time.

    quick=True: a small network, with batch 16, width 0.25 and resolution 16.
    """
    return Setting(batch=16, width=0.25, resolution=16) if quick else Setting()


def plan(quick, threads):
    """All Settings to be timed: {name of the changed setting: [the Settings, in order]}.

    quick     True: few values and small networks
    threads   the largest number of threads; the smallest is 1

    All other settings of a Setting are those of `base`.
    """
    values = {
        "batch": (4, 16) if quick else (8, 16, 32, 64, 128),
        "width": (0.125, 0.25) if quick else (0.25, 0.5, 1.0, 2.0),
        "resolution": (8, 16) if quick else (16, 32, 64),
        "depth": (1, 2) if quick else (1, 2, 3, 4),
        "threads": range(1, threads + 1),
    }
    return {
        word: [replace(base(quick), **{word: value}) for value in found] for word, found in values.items()
    }


def measure(quick=False, rounds=5, seconds=0.1):
    """Time a training step of all Settings of `plan`. Returns {machine, others_busy, results}, a dict.

    machine       the description of the machine
    others_busy   the share of the processors that other programs used in the pauses
    results       [{panel, value, setting, ms_per_image, quartiles_ms, calls}], one dict for each Setting

    A panel is all Settings with one changed value. They are timed in turn, in `rounds` bursts (calls in a
    row) of about `seconds` each. quick=True: few values and small networks. quartiles_ms are per image too.
    """
    rows, rest = [], Rest()
    for panel, settings in tqdm(
        plan(quick, _kernels.num_threads()).items(), unit="panel", disable=None, leave=False, file=STDERR
    ):
        sides = {
            setting: machine.side(Session(setting.system()).step, number=setting.threads)
            for setting in settings
        }
        times = interleave(sides, rounds, seconds, rest)
        for setting, timing in times.items():
            rows.append(
                {
                    "panel": panel,
                    "value": getattr(setting, panel),
                    "ms_per_image": timing.median / setting.batch,
                    "quartiles_ms": [timing.low / setting.batch, timing.high / setting.batch],
                    "calls": timing.calls,
                    "setting": asdict(setting),
                }
            )
    return {"machine": machine.describe(), "others_busy": rest.busy, "results": rows}
