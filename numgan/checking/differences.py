"""Difference quotients that may be trusted, and their comparison with an analytic gradient.

    df/dt at 0  =  (f(h) - f(-h)) / 2h  +  O(h^2)                                        quick
                =  (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h  +  O(h^4)                careful, for larger h

Across a kink of ReLU, MaxPool or hinge a quotient means nothing, however small h is; so all points of one quotient must lie
on one piece. The layers tell on which piece every unit is (`numgan.layers.record_kinks`). Smaller steps cross fewer kinks
and lose more digits; both kinds are tried from the cheapest on, and a gradient is called wrong only if no valid quotient agrees
with it. (That none agrees by accident is certain enough: a quotient would have to fall into an interval of a millionth.)

Every array is judged under its own scale: max|analytic - numeric| / max|numeric|. Where both are zero, or the rounding of terms that cancel,
there is nothing to compare, so that alone is no success: either the function is shown not to depend on the array at all (a bias before
BatchNorm), or the point is refused (all units of a ReLU are dead).
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..layers import record_kinks
from .explain import explain
from .report import AllZero, OnKink, failure

RTOL = 1e-6  # PyTorch's 1e-3 lets half of the planted BatchNorm bugs through
ENOUGH = RTOL / 20  # an estimate this near is not refined
QUICK, CAREFUL = (1e-5, 1e-6, 1e-7, 1e-8), (3e-3, 3e-4, 3e-5)
DIRECTIONS = 3  # random projections of a block in fast mode
ROUNDING = 1e-10  # of the whole gradient: what is larger than this is not zero
LOCATE = 1000  # a wrong block of at most so many entries is measured entry by entry for the message


def watched(f, t):
    """f(t), and on which piece every unit was meanwhile."""
    with record_kinks() as pieces:
        return f(t), pieces


def difference_quotients(f, here, where):
    """Estimates of df/dt at t = 0, from quick to careful, each over one piece; `here` is the pieces at t = 0. Raises OnKink if there is none."""
    valid = 0
    for steps, weights in ((QUICK, ((1, 1 / 2),)), (CAREFUL, ((1, 8 / 12), (2, -1 / 12)))):
        for h in steps:
            total = 0.0
            for k, weight in weights:
                (up, above), (down, below) = watched(f, k * h), watched(f, -k * h)
                if above != here or below != here:
                    break
                total = total + weight * (up - down) / h
            else:
                valid += 1
                yield total
    if not valid:
        raise OnKink(
            f"{where} cannot be checked here: the point sits on a kink, every step down to 1e-8 crosses one; give an x away from it"
        )


def relative(analytic, numeric):
    """max|analytic - numeric| / max|numeric|; nan counts as infinite."""
    gap, own = np.abs(analytic - numeric).max(initial=0), np.abs(numeric).max(initial=0)
    error = gap / own if own else 0.0 if gap == 0 else np.inf
    return float(error) if error <= np.inf else np.inf


def is_zero(analytic, numeric, whole):
    """Whether a gradient is zero up to the rounding of the whole one that it is part of; a proof is still owed."""
    return (
        np.abs(analytic).max(initial=0) <= ROUNDING * whole
        and np.abs(analytic - numeric).max(initial=0) <= RTOL * whole
    )


def has_kink(f):
    """Whether f has a kink at t = 0 that no layer reports (so do layers that were not written here): its one-sided slopes stay apart
    however small the step. A central quotient alone would find the mean of the two and be content with it.
    """
    middle, here = watched(f, 0.0)
    jumps = []
    for h in (1e-5, 1e-6):
        (up, above), (down, below) = watched(f, h), watched(f, -h)
        if above != here or below != here:
            return False  # that kink was reported, and `difference_quotients` went around it
        jumps.append(np.abs(up - 2 * middle + down).max() / h)
    return jumps[1] > max(0.5 * jumps[0], 1e-5 * np.abs(up - down).max() / 2e-6, 1e-7)


@dataclass
class Block:
    """One named array that a function depends on.

    name      such as "gradient of W"
    analytic  its gradient, as the code under test has it
    value     value(offset) -> the function's flat output when the array moves by offset
    unit      steps are multiples of it
    size      the array's own scale, if that may be more than `unit`
    """

    name: str
    analytic: np.ndarray
    value: Callable
    unit: float | np.ndarray = 1.0
    size: float = 0.0

    def directions(self, slow, rng, number=DIRECTIONS):
        """Every entry alone (slow), or a few random directions."""
        if not slow:
            for _ in range(number):
                yield rng.standard_normal(self.analytic.shape)
            return
        for i in range(self.analytic.size):
            direction = np.zeros(self.analytic.shape)
            direction.flat[i] = 1
            yield direction

    def has_kink(self, weights, direction):
        """Whether the function has a kink here along `direction`."""
        return has_kink(lambda t: np.asarray(weights * self.value(t * direction * self.unit)))

    def measure(self, weights, here, directions, where, refine=True):
        """(analytic, numeric): the derivatives of <weights, value> along each direction, in units of `unit`."""
        analytic, numeric, estimates = [], [], []
        for u in directions:
            u = u * self.unit
            analytic.append(float((self.analytic * u).sum()))
            estimates.append(
                difference_quotients(
                    lambda t, u=u: np.asarray(weights * self.value(t * u)), here, f"{where}: {self.name}"
                )
            )
            numeric.append(float(next(estimates[-1]).sum()))
        analytic, numeric = np.array(analytic), np.array(numeric)
        if refine:
            self._refine(analytic, numeric, estimates)
        return analytic, numeric

    @staticmethod
    def _refine(analytic, numeric, estimates):
        """Replace, in place, the numeric slopes that disagree by more careful ones; once a few stay wrong, the block is wrong."""
        own, lost = np.abs(numeric).max(initial=0), 0
        gaps = np.nan_to_num(np.abs(analytic - numeric), nan=np.inf)
        for i in np.argsort(-gaps, kind="stable"):
            if gaps[i] <= ENOUGH * own or lost == 3:
                break
            for estimate in estimates[i]:
                if abs(analytic[i] - estimate.sum()) < abs(analytic[i] - numeric[i]):
                    numeric[i] = estimate.sum()
                if abs(analytic[i] - numeric[i]) <= ENOUGH * own:
                    break
            lost += not abs(analytic[i] - numeric[i]) <= RTOL * own

    def proved_constant(self, weights, rng):
        """A proof that the true gradient is zero: the function stays what it is when the whole array moves by its own size and more,
        as a bias before BatchNorm may. A dead ReLU wakes up."""
        still, size = weights * self.value(np.zeros(self.analytic.shape)), np.maximum(self.unit, self.size)
        for far in (1, 1, 1, 3, 10):
            change = (
                weights * self.value(far * size * rng.standard_normal(self.analytic.shape)) - still
            ).sum()
            if not abs(change) <= 1e-11 * max(np.abs(still).sum(), 1e-3):
                return False
        return True


def compare(blocks, weights, subject, reproduce, rng, slow=True, batch=1, number=DIRECTIONS, reported=False):
    """max_error of all blocks, and notes; raises GradientError if a block is wrong, OnKink if no quotient is valid, AllZero if a block is dead.

    Each block is judged under its own scale; only a block whose gradient is proved to be zero (`Block.proved_constant`) is judged under the scale
    of the whole gradient, and noted. `reported` says that all layers report their kinks.
    """
    if not blocks:
        return 0.0, []
    for block in blocks:
        broken = ~np.isfinite(block.analytic)
        if broken.any():
            raise failure(
                explain(
                    f"{subject}: {block.name}",
                    block.analytic,
                    np.zeros(broken.shape),
                    broken,
                    batch,
                    reproduce,
                )
            )
    zero = np.zeros(blocks[0].analytic.shape)
    _, here = watched(lambda t: blocks[0].value(zero), 0.0)
    measured = [
        (block, *block.measure(weights, here, list(block.directions(slow, rng, number)), subject))
        for block in blocks
    ]
    whole = max((np.abs(numeric).max(initial=0) for _, _, numeric in measured), default=0)
    worst, notes = 0.0, []
    for block, analytic, numeric in measured:
        error, dead = relative(analytic, numeric), not (analytic.any() or numeric.any())
        faint = (
            max(np.abs(analytic).max(initial=0), np.abs(numeric).max(initial=0)) <= ROUNDING * whole
        )  # terms cancel, but for rounding
        if (
            (dead or not error <= RTOL)
            and is_zero(analytic, numeric, whole)
            and block.proved_constant(weights, rng)
        ):
            notes.append(f"{block.name} is zero: the function does not depend on it")
            error = np.abs(analytic - numeric).max(initial=0) / whole if whole else 0.0
        elif dead or faint and not error <= RTOL:
            raise AllZero(
                f"{subject}: {block.name} cannot be checked here: it is zero at this point, the difference quotients too, though the "
                f"function depends on it (units are dead, or terms cancel); nothing was compared. Give an x where it is not\n"
                f"  reproduce:  {reproduce}"
            )
        if not error <= RTOL:
            raise _wrong(block, analytic, numeric, weights, here, subject, reproduce, slow, batch, error)
        if not reported and block.has_kink(weights, rng.standard_normal(block.analytic.shape)):
            raise OnKink(_sits(f"{subject}: {block.name}", reproduce))
        worst = max(worst, error)
    return worst, notes


def _sits(where, reproduce):
    return (
        f"{where} cannot be checked here: the point sits on a kink (its one-sided slopes differ); give an x away from it\n"
        f"  reproduce:  {reproduce}"
    )


def _wrong(block, analytic, numeric, weights, here, subject, reproduce, slow, batch, error):
    """The GradientError of a block, located entry by entry, unless the point turns out to sit on a kink that nobody reported."""
    where, shape = f"{subject}: {block.name}", block.analytic.shape
    if not slow and block.analytic.size > LOCATE:
        return failure(
            f"{where} is wrong: along random directions analytic {analytic}, numeric {numeric}\n  reproduce:  {reproduce}",
            error,
        )
    if not slow:
        analytic, numeric = block.measure(
            weights, here, list(block.directions(True, None)), subject, refine=False
        )
    wrong = ~(
        np.abs(analytic - numeric) <= 10 * RTOL * (np.abs(numeric).max() or 1.0)
    )  # of the unrefined quotients
    if not wrong.any():
        wrong = np.abs(analytic - numeric) >= np.abs(analytic - numeric).max()
    for i in np.flatnonzero(wrong)[:3]:
        u = np.zeros(shape)
        u.flat[i] = 1
        if block.has_kink(weights, u):
            return OnKink(_sits(where, reproduce))
    unit = np.broadcast_to(block.unit, shape)
    return failure(
        explain(
            where,
            analytic.reshape(shape) / unit,
            numeric.reshape(shape) / unit,
            wrong.reshape(shape),
            batch,
            reproduce,
        ),
        error,
    )


def compare_outputs(named, numeric_along, subject, reproduce, batch):
    """max_error of several outputs that are moved by one direction: the tangents.

    named            {name: analytic array}, every entry of which is compared
    numeric_along    f(t) -> the outputs' flat vector, in the same order

    Each output is judged under its own scale; only one that is proved to stay where it is (`_stays`) is judged under that of them all.
    Two zeros agree here (f'' of ReLU): that the point is not a dead one is for the checks of the gradients themselves.
    """
    if not named:
        return 0.0
    analytic = [np.ravel(array) for array in named.values()]
    parts = lambda outputs: np.split(outputs, np.cumsum([array.size for array in analytic])[:-1])
    _, here = watched(numeric_along, 0.0)
    best = [(np.inf, None)] * len(analytic)
    for estimate in difference_quotients(numeric_along, here, f"{subject}: {', '.join(named)}"):
        tried = [(relative(a, n), n) for a, n in zip(analytic, parts(estimate))]
        best = [new if old[1] is None or new[0] < old[0] else old for old, new in zip(best, tried)]
        if max(error for error, _ in best) <= ENOUGH:
            break
    whole, worst = max(np.abs(numeric).max(initial=0) for _, numeric in best), 0.0
    for i, (name, a, (error, n)) in enumerate(zip(named, analytic, best)):
        gap = np.abs(a - n)
        if (
            not error <= RTOL
            and is_zero(a, n, whole)
            and _stays(lambda t, i=i: parts(numeric_along(t))[i], numeric_along)
        ):
            error = gap.max() / whole
        if not error <= RTOL:
            if has_kink(numeric_along):
                raise OnKink(_sits(f"{subject}: {name}", reproduce))
            shape, wrong = np.shape(named[name]), ~(gap <= RTOL * np.abs(n).max())
            raise failure(
                explain(
                    f"{subject}: {name}",
                    a.reshape(shape),
                    n.reshape(shape),
                    wrong.reshape(shape),
                    batch,
                    reproduce,
                ),
                error,
            )
        worst = max(worst, error)
    return float(worst)


def _stays(part, outputs):
    """A proof that one of the outputs has the tangent zero: it is the same far away."""
    size = max(np.abs(outputs(t)).max() for t in (-1.0, 0.0, 1.0))
    return all(np.abs(part(t) - part(0.0)).max() <= 1e-11 * size for t in (-1.0, 1.0))
