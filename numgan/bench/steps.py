"""`numgan bench steps`: whole training steps beside NumPy and PyTorch, with a comparison of every gradient.

The programs are timed in turn (`timing`). "numgan" runs in this process, with the kernels in use. "numpy" is
the same step with the reference kernels, and BLAS has the same number of threads. "torch" runs in a separate
process. For the same weights, batch and latents, every gradient of each PyTorch variant is compared with the
gradient of numgan. Both gradients are compared with that of numgan in float64, which counts as exact.

    difference     rms(a - b) / rms(exact), for each parameter
    limit          1e-5 for parameters whose gradient passes through no kink, 3e-2 for all other parameters

The second limit is large for this reason: rounding may move a unit near its kink to either side of the kink.
PyTorch with another memory layout differs from itself as much.
"""

from dataclasses import asdict, dataclass

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .. import _kernels
from ..core.randomness import stream
from ..core.streams import STDERR
from ..layers import Pass
from ..remedies.penalties import between
from ..systems import Batch, Fakes
from ..systems.games.wgan_gp import WGANGP
from . import exchange, machine
from .timing import Rest, interleave
from .worker import Refused, Worker, expect_known, expect_sides
from .workloads import Session, chosen

VARIANTS = "naive", "careful", "cl", "compile", "compilecl"
DEFAULT = VARIANTS[1:]
SMOOTH, BELOW_KINK = (
    1e-5,
    3e-2,
)  # the two limits: no kink on the way of the gradient, and all other parameters
# The gradient of D's last bias is mean(D(x) - 1) + mean(D(G(z))). At the start, these two halves cancel, so
# one half is the scale of this gradient.
HALF = 0.5
MEMORY_STEPS = 4  # training steps in the measurement of memory
SEED = 1  # of the latents with which gradients are compared


@dataclass(frozen=True)
class Agreement:
    """The comparison of two gradients of one parameter: that of numgan and that of PyTorch.

    parameter                   its name, such as "D.0.W"
    difference                  between the gradients of numgan and PyTorch
    numgan_error, torch_error   the differences of both gradients from the gradient in float64
    limit                       the largest allowed difference
    holds                       whether the difference is within the limit

    Each difference is a root mean square, divided by that of the gradient in float64. For a parameter with
    one number, the divisor is at least 1/2.
    """

    parameter: str
    difference: float
    numgan_error: float
    torch_error: float
    limit: float

    @property
    def holds(self):
        return self.difference <= self.limit


def compare(names=None, against=(), variants=DEFAULT, rounds=7, seconds=0.5, memory=False):
    """Measure the workloads (training steps) of these names; None: all. Yields a dict of results for each.

    against           the programs to compare with, a choice of "numpy" and "torch"
    variants          the variants of PyTorch, from VARIANTS
    rounds, seconds   the number of bursts (steps in a row) of each program, and the length of a burst
    memory            True: measure the peak memory in MB too

    When the first result is asked for, raises ValueError for an unknown name, and ImportError if torch is in
    `against` and not installed.
    """
    works = chosen(names)
    expect_known("variant", variants, VARIANTS)
    expect_sides(against)
    for work in tqdm(works, unit="workload", disable=None, leave=False, file=STDERR):
        yield _compare(work, against, variants, rounds, seconds, memory)


def _compare(work, against, variants, rounds, seconds, memory):
    """The dict of results of one Workload, `work`. The other arguments are those of `compare`.

    against are names of programs, variants those of PyTorch; rounds and seconds are the number of bursts and
    the length of one. The dict has the milliseconds of each program, their ratios, the comparison of the
    gradients, the peak memory (None unless `memory`) and the description of the machine.
    """
    session, threads = Session.of(work), _kernels.num_threads()
    variants = variants if "torch" in against else ()
    sides = {"numgan": machine.side(session.step)}
    if "numpy" in against:
        sides["numpy"] = machine.side(Session.of(work).step, "reference", threads)
    agreements, refused, rest = {}, {}, Rest()
    if variants:
        with Worker("torch_steps", threads) as worker:
            agreements, refused = _compare_gradients(worker, session, work, variants)
            sides |= {variant: worker.side(variant) for variant in agreements}
            times = interleave(sides, rounds, seconds, rest)
    else:
        times = interleave(sides, rounds, seconds, rest)
    torch_ms = {variant: times[variant].median for variant in agreements}
    every = [one for found in agreements.values() for one in found]
    largest = max(every, key=lambda one: one.difference, default=None)
    nearest = max(every, key=lambda one: one.difference / one.limit, default=None)
    own = times["numgan"].median
    return {
        "workload": work.name,
        "numgan_ms": own,
        "torch_ms": torch_ms,
        "ratio_vs_best": min(torch_ms.values()) / own if torch_ms else None,
        "numpy_ms": times["numpy"].median if "numpy" in times else None,
        "ratio_vs_numpy": times["numpy"].median / own if "numpy" in times else None,
        "largest_gradient_difference": largest and asdict(largest),
        "nearest_its_limit": nearest and asdict(nearest),
        "gradients_agree": all(one.holds for one in every) if every else None,
        "gradients": {variant: [asdict(one) for one in found] for variant, found in agreements.items()},
        "not_possible": refused,
        "quartiles_ms": {name: [timing.low, timing.high] for name, timing in times.items()},
        "calls": {name: timing.calls for name, timing in times.items()},
        "batch": len(session.batch["x"]),
        "note": work.note,
        "others_busy": rest.busy,
        "peak_mb": _memory(work.name, agreements, threads) if memory else None,
    } | machine.describe()


# ---- gradients


def _compare_gradients(worker, session, work, variants):
    """Build the variants of PyTorch in the worker's process and compare their gradients with numgan's.

    worker     the Worker, the process of PyTorch
    session    the Session of numgan; PyTorch's first weights are copied to it
    work       the Workload
    variants   names from VARIANTS

    Returns two dicts:

    agreements   {variant: [Agreement], one for each parameter}
    refused      {variant: the reason why it could not be built or compared}
    """
    agreements, refused, exact = {}, {}, None
    real, (z, mix) = exchange.pictures(session.batch["x"]), draws(session)  # the same for both programs
    for variant in variants:
        if work.name == "mlp" and variant.endswith("cl"):
            refused[variant] = "the workload has no pictures, so there is no layout to choose"
            continue
        try:
            weights = worker("build", work.name, variant, real)
            theirs = worker("gradients", variant, z, mix)
        except Refused as error:
            refused[variant] = str(error)
            continue
        if exact is None:  # all variants are built from one seed
            take_over(session, weights)
            own, exact = gradients(session, z), gradients(session, z, np.float64)
        agreements[variant] = list(agree(session.system, own, theirs, exact))
    return agreements, refused


def shapes(system):
    """The shapes of the inputs of a system's G and D, without the batch axis: {"G": shape, "D": shape}."""
    return {"G": (system.latent.size,), "D": system.sample_shape}


def take_over(session, weights):
    """Copy PyTorch's weights to the state of `session`, a Session, with the axes in numgan's order.

    weights   {network: [arrays in the order of PyTorch's parameters()]}
    """
    for name, arrays in weights.items():
        exchange.read(
            session.system.networks[name], shapes(session.system)[name], session.state.params[name], arrays
        )


def draws(session):
    """The random numbers of a step of `session`, used by numgan and by PyTorch: (z, e), for N samples.

    z   the latents (N, Z)
    e   (N, 1, 1, 1), the weights with which WGAN-GP mixes real samples and fakes: e real + (1 - e) fake

    `between` returns only a mixture. The mixture of ones and zeros is e itself.
    """
    n = len(session.batch["x"])
    unit = np.ones((n, 1, 1, 1), np.float32)
    return session.system.inputs(Batch({}, number=n), SEED), between(unit, 0 * unit, stream(SEED, "between"))


def gradients(session, z, dtype=np.float32):
    """The gradients of one step of numgan: {name of each updated network: its gradient}.

    The step uses the weights and the batch of `session`, a Session, and the latents z (N, Z). It is computed
    in `dtype`. No weight is updated. A gradient is a Parameters.
    """
    system, params = session.system, {name: p.astype(dtype) for name, p in session.state.params.items()}
    batch = Batch({"x": session.batch["x"].astype(dtype)})
    fakes = Fakes(*system.networks["G"].forward(params["G"], z.astype(dtype), Pass(SEED)), z)
    return {
        name: system.objectives()[name](params, batch, SEED, fakes).gradients[name]
        for name in system.rounds(0)
    }


def agree(system, own, theirs, exact):
    """Yield the Agreement of each parameter: the comparison of its gradients.

    system       the system that is trained
    own, exact   {network: Parameters}, the gradients of numgan in float32 and in float64
    theirs       {network: [arrays in the order of PyTorch's parameters()]}, the gradients of PyTorch

    A difference is divided by the root mean square of the exact gradient, but by at least 1/2 for a parameter
    with one number. The limit is 1e-5 if no kink lies between the parameter and the loss, otherwise, and for
    WGAN-GP, 3e-2.
    """
    for player, truth in exact.items():
        net = system.networks[player]
        other = exchange.read(net, shapes(system)[player], truth.zeros(), theirs[player])
        smooth = exchange.above_kinks(net) if player == "D" and not isinstance(system, WGANGP) else ()
        for path in truth:
            scale = max(_rms(truth[path]), HALF if truth[path].size == 1 else 0)
            yield Agreement(
                f"{player}.{path}",
                *(
                    _rms(a[path].astype(np.float64) - b[path]) / scale
                    for a, b in ((own[player], other), (own[player], truth), (other, truth))
                ),
                SMOOTH if path in smooth else BELOW_KINK,
            )


def _rms(x):
    """The root mean square of all entries of x, computed in float64."""
    return float(np.sqrt(np.square(x, dtype=np.float64).mean()))


# ---- memory


def _memory(name, variants, threads):
    """The peak resident memory of numgan and of each PyTorch variant: {"numgan" or variant: MB}.

    Each is measured in a process that runs nothing else: 4 steps of the workload `name`. variants are the
    names of the PyTorch variants, threads is the number of threads. A value is None if the system does not
    report the memory.
    """
    with Worker("steps", threads, tuned=False) as worker:
        worker("own_steps", name, MEMORY_STEPS)
        peaks = {"numgan": worker("peak_memory")}
    for variant in variants:
        with Worker("torch_steps", threads) as worker:
            worker("build", name, variant, exchange.pictures(Session.of(*chosen([name])).batch["x"]))
            worker("run", variant, MEMORY_STEPS - 1)
            peaks[variant] = worker("peak_memory")
    return peaks


def own_steps(name, steps):
    """Run `steps` training steps of the workload `name` with numgan, with one thread of BLAS.

    It is called in the process whose memory is measured.
    """
    session = Session.of(*chosen([name]))
    with threadpool_limits(1):
        for _ in range(steps):
            session.step()
