"""`mode-collapse`: samples over time, with and without unrolling.

Source: Metz et al. 2017, section 3.1 and its figure of heat maps. The data are 8 Gaussians, sigma 0.02, on a
circle of radius 2. Every 200 steps, 2,500 samples from the same latents are saved; this is called a look. A
sample belongs to its nearest mode. The share of a mode is the part of the samples that belong to it. A mode
dominates a look if its share is above one half. The figures:

    rotation     sum over modes of |share now - share before| / 2: the part of the samples that change their
                 mode from one look to the next
    dominated    the part of the looks that a mode dominates
    changes      how often another mode than before becomes dominating
    at the end   captured modes, and the parts of the samples within 3 sigma and within 10 sigma of a mode
"""

import numpy as np

from .. import data, plot, systems
from ..core.arrays import load_array, save_array
from ..core.files import make_folder
from ..core.randomness import derive
from ..data import modes
from ..metrics import mode_coverage
from ..optimizers import Adam
from ..systems import Batch
from ..training import runs
from .protocol import Column, Study, folder_of, train, trained

ARMS = {"plain": "G against D as it is", "points": "G against D 10 steps ahead"}  # presets of `unrolled`
RATE, STEPS = 1e-3, 10_000  # ten times the rate of the preset, which would need ten times as many steps
LOOKS, DRAWN, SAMPLES = 50, 6, 2500  # the picture contains DRAWN of the looks, as in the paper
NEAR = 10  # sigmas
QUICK_STEPS, QUICK_LOOKS = 20, 10  # the same with --quick

COLUMNS = (
    Column("modes", "modes", 1),
    Column("high_quality", "within 3 sigma, %", 1, 100),
    Column("near", "within 10 sigma, %", 1, 100),
    Column("rotation", "rotation, % a look", 1, 100),
    Column("dominated", "looks with a dominating mode, %", 1, 100),
    Column("changes", "its changes", 1),
    Column("D(x)", "D(x)"),
    Column("D(G(z))", "D(G(z))"),
    Column("minutes", "minutes"),
)


def snapshot(folder, step):
    """The path of the file with the samples of one step, snapshots/STEP.npy in `folder`, a trial's folder."""
    return folder / "snapshots" / f"{step:06d}.npy"


def game(arm):
    """The system of `arm`, a key of ARMS: the preset `unrolled/ARM`, with the rate 1e-3 for G and for D."""
    return systems.build("unrolled", arm).with_optimizers(lambda name, adam: Adam(RATE, adam.beta1))


def trial(arm, seed, quick, folder, tell):
    """Train, save samples of the same latents at regular steps, and return {figure: value}.

    The samples of each of these steps have a file of their own, so an interrupted trial keeps them. There are
    10,000 steps, and samples of every 200th; with `quick` 20 steps and samples of every second. The figures
    are those of `figures` and `played`, and the steps and minutes of the training. arm is a key of ARMS, seed
    the seed of latents and training. The files are in `folder`; tell(fraction) moves the progress bar.
    """
    system, dataset = game(arm), data.load("ring")
    steps, looks = (QUICK_STEPS, QUICK_LOOKS) if quick else (STEPS, LOOKS)
    G, z = system.networks["G"], system.inputs(Batch({}, number=SAMPLES), derive(seed, "looks"))
    make_folder(folder / "snapshots")

    def save(step, theta):
        x, _ = G.forward(theta, z)
        save_array(snapshot(folder, step), x)

    def look(state):
        if state.step % (steps // looks) == 0:
            save(state.step, state.params["G"])

    save(0, system.init(seed)["G"])
    run = train(system, dataset, folder / "run", seed, tell, steps, look)
    samples = [load_array(snapshot(folder, step)) for step in range(0, steps + 1, steps // looks)]
    return figures(samples) | played(run, steps // looks) | trained(run)


def figures(snapshots):
    """{figure: value} of `snapshots`, the list of all saved samples, each (2500, 2), oldest first.

    modes          the number of captured modes, from the last samples
    high_quality   the share of the last samples within 3 sigma of a mode
    near           the share of the last samples within 10 sigma of a mode
    rotation       sum over modes of |share - share in the element before| / 2, which is about the share of
                   samples that change their mode (mean over the second half of the list)
    dominated      the share of elements in which more than half of the samples belong to one mode
    changes        how often another mode than before has more than half of the samples
    shares         (elements, 8), the share of samples that belong to each mode

    A sample belongs to the nearest of the 8 modes of the data set ring.
    """
    centres, std = modes("ring")
    # squared distances (2500, 8) of the samples from the modes, for each element of the list
    distances = [np.square(x[:, None] - centres).sum(axis=2) for x in snapshots]
    counts = [np.bincount(d.argmin(axis=1), minlength=len(centres)) for d in distances]
    shares = np.array(counts) / SAMPLES  # (looks + 1, modes)
    late = shares[len(shares) // 2 :]
    dominating = [share.argmax() for share in shares if share.max() > 0.5]
    last = mode_coverage(snapshots[-1], centres, std)  # of the last samples
    near = (distances[-1].min(axis=1) <= (NEAR * std) ** 2).mean()
    return {
        "modes": last.captured,
        "high_quality": last.high_quality,
        "near": near,
        "rotation": np.abs(np.diff(late, axis=0)).sum(axis=1).mean() / 2,
        "changes": int(np.count_nonzero(np.diff(dominating))),
        "dominated": len(dominating) / len(shares),
        "shares": shares,
    }


def played(run, every):
    """{"D(x)": mean, "D(G(z))": mean}: the mean probability "real" that D gives, in the second half of a run.

    run is the OpenRun of a finished training. D(x) is for real samples, D(G(z)) for fakes; both are sigmoids
    of D's logits, from metrics.jsonl. The means are over the logged steps that are multiples of `every`.
    """
    records = runs.read_metrics(run.folder, run.state.step)
    late = [
        record for record in records if record["step"] % every == 0 and 2 * record["step"] >= run.state.step
    ]
    return {name: np.mean([record["metrics"][name] for record in late]) for name in ("D(x)", "D(G(z))")}


def draw(results, out):
    """Draw heat maps of the samples of seed 0 at six steps: one row for each arm, with the data at the right.

    results is {arm: [result of each seed]}. The samples are read from the study's folder `out`. Returns
    {"heat-maps.png": image}.
    """
    rows = {}
    for arm, (result, *_) in results.items():
        folder, times = folder_of(out, arm, 0), np.linspace(0, result["steps"], DRAWN, dtype=int)
        rows[ARMS[arm]] = {f"step {step:,}": load_array(snapshot(folder, step)) for step in times} | {
            "data": data.load("ring").x[:SAMPLES]
        }
    return {
        "heat-maps.png": plot.heat_maps(rows, 3.0, "the ring: samples of the same latents over time, seed 0")
    }


DIFFERS = f"""\
The paper shows heat maps up to step 25,000 and no figures: without unrolling the samples rotate among the
modes, with it they spread over all modes. Here there are {STEPS:,} steps, each with one update of D and one
of G on batches of 512. Both have Adam({RATE}, beta1 = 0.5), ten times the rate of the preset. With this
rate the plain game may stop rotating, so look also at the number of dominated looks, not only at the end.
There is a look every {STEPS // LOOKS} steps. Rotation, D(x) and D(G(z)) are means over the second half of
the run. Dominating modes and their changes are counted over the whole run. For points of the data, 98.9 %
lie within 3 sigma, each mode has 12.5 % of them, and nothing rotates."""

STUDY = Study(
    "Samples that rotate among modes, or spread.",
    "Metz et al. 2017 (unrolled GANs), section 3.1",
    ARMS,
    COLUMNS,
    trial,
    seeds=3,
    differs=DIFFERS,
    draw=draw,
)
