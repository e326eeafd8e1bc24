"""Mode collapse: samples over time, with and without a G that looks ahead (Metz et al. 2017, section 3.1 and its figure of heat maps).

8 Gaussians, sigma 0.02, on a circle of radius 2. 2,500 samples of fixed latents, 50 times on the way:

    rotation     sum over modes of |share now - share before| / 2: how much of the mass changes its mode from look to look
    dominating   the mode that is nearest to more than half of the samples, and how often it changes
    at the end   as in `ring`: modes captured, share of the samples within 3 sigma of one
"""

import numpy as np

from .. import data, plot, runs, systems
from ..checkpoint import replacing
from ..data import modes
from ..layers import Run
from ..metrics import mode_coverage
from ..randomness import derive
from .protocol import Column, Study, folder_of, train

ARMS = {"plain": "G against D as it is", "points": "G against D 10 steps ahead"}  # presets of `unrolled`
STEPS, LOOKS, SAMPLES, DRAWN = 25_000, 50, 2500, 6                                # DRAWN of the looks, as in the paper's figure
QUICK_STEPS, QUICK_LOOKS = 20, 10

COLUMNS = (Column("modes", "modes", 1), Column("high_quality", "high quality, %", 1, 100), Column("rotation", "rotation, % a look", 1, 100),
           Column("changes", "changes of the dominating mode", 1), Column("largest", "largest mode, %", 1, 100), Column("D(x)", "D(x)"),
           Column("D(G(z))", "D(G(z))"), Column("minutes", "minutes"))


def snapshot(folder, step):
    """The file of the samples at a step."""
    return folder / "snapshots" / f"{step:06d}.npy"


def trial(arm, seed, quick, folder, tell):
    """Train, looking at samples of the same latents at even times; a look is a file of its own, so a run that was cut has lost none."""
    system, dataset = systems.build("unrolled", arm), data.load("ring")
    steps, looks = (QUICK_STEPS, QUICK_LOOKS) if quick else (STEPS, LOOKS)
    G, z = system.networks["G"], system.latents(SAMPLES, derive(seed, "looks"))
    (folder / "snapshots").mkdir(exist_ok=True)

    def keep(step, theta):
        with replacing(snapshot(folder, step)) as file:
            np.save(file, G.forward(theta, z, Run())[0])

    def look(state):
        if state.step % (steps // looks) == 0:
            keep(state.step, state.params["G"])

    keep(0, system.init(seed)["G"])
    run = train(system, dataset, folder / "run", seed, tell, steps, look)
    return figures([np.load(snapshot(folder, step)) for step in range(0, steps + 1, steps // looks)]) | played(run) | {"steps": steps}


def figures(snapshots):
    """What the samples (SAMPLES, 2) at even times say of rotation, and the last of them of quality."""
    centres, std = modes("ring")
    nearest = [np.square(x[:, None] - centres).sum(axis=2).argmin(axis=1) for x in snapshots]
    shares = np.array([np.bincount(index, minlength=len(centres)) for index in nearest]) / SAMPLES           # (looks + 1, modes)
    late = shares[len(shares) // 2:]
    dominating = [share.argmax() for share in shares if share.max() > 0.5]
    last = mode_coverage(snapshots[-1], centres, std)
    return {"modes": last.captured, "high_quality": last.high_quality, "rotation": np.abs(np.diff(late, axis=0)).sum(axis=1).mean() / 2,
            "changes": int(np.count_nonzero(np.diff(dominating))), "largest": late.max(axis=1).mean(), "shares": shares}


def played(run):
    """D's mean outputs over the second half of a run."""
    records = runs.read_metrics(run.folder, run.state.step)
    late = records[len(records) // 2:]
    means = {name: np.mean([record["metrics"][name] for record in late]) for name in ("D(x)", "D(G(z))")}
    return means | {"minutes": records[-1]["seconds"] / 60}


def draw(results, out):
    """Heat maps of seed 0: a row for each arm, at even times, and the data."""
    rows = {}
    for arm, (result, *_) in results.items():
        folder, times = folder_of(out, arm, 0), np.linspace(0, result["steps"], DRAWN, dtype=int)
        rows[ARMS[arm]] = {f"step {step:,}": np.load(snapshot(folder, step)) for step in times} | {"data": data.load("ring").x[:SAMPLES]}
    return {"heat-maps.png": plot.heat_maps(rows, 3.0, "the ring: samples of the same latents over time, seed 0")}


DIFFERS = f"""\
The paper shows the heat maps at steps 0 to {STEPS:,} and gives no figures: without the look ahead the samples rotate among the modes, with it they
spread over all. Here every step is one update of D and one of G, {STEPS:,} of each, on batches of 512. A look every {STEPS // LOOKS} steps; rotation,
largest mode, D(x) and D(G(z)) are means over the second half of the run, at uniform shares of the modes the largest has 12.5 %."""

STUDY = Study("Samples that rotate among modes, or spread.", "Metz et al. 2017 (unrolled GANs), section 3.1", ARMS, COLUMNS, trial, seeds=3,
              differs=DIFFERS, draw=draw)
