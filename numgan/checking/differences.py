"""Reliable difference quotients, and their comparison with an analytic gradient.

    df/dt at 0  =  (f(h) - f(-h)) / 2h  +  O(h^2)                                        quick
                =  (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h  +  O(h^4)                careful, for larger h

A quotient across a kink of ReLU, MaxPool or the hinge loss is not the derivative, however small h is. So all
points of one quotient must lie on one smooth piece. The layers report the piece of every unit
(`numgan.layers.record_kinks`). Smaller steps cross fewer kinks and lose more digits. Both formulas are tried
with several h, the cheapest first. A gradient counts as wrong only if no valid quotient agrees with it. (An
accidental agreement would need a quotient within one millionth of the wrong gradient.)

The error of an array is relative to its own scale: max|analytic - numeric| / max|numeric|. If both are zero,
or consist of rounding errors only, a comparison shows nothing. Then there are two cases. If the function is
proved not to depend on the array (a bias before BatchNorm), the check passes. If it does depend on it (all
units of a ReLU are dead), the point is rejected.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..layers import record_kinks
from .explain import explain
from .report import AllZero, OnKink, failure

RTOL = 1e-6  # PyTorch's 1e-3 lets half of the planted BatchNorm bugs through
ENOUGH = RTOL / 20  # a quotient that agrees up to this relative error is not refined
QUICK, CAREFUL = (1e-5, 1e-6, 1e-7, 1e-8), (3e-3, 3e-4, 3e-5)
DIRECTIONS = 3  # random projections of a block in fast mode
ROUNDING = 1e-10  # an array counts as zero up to this fraction of the whole gradient
LOCATE = 1000  # for the message, a wrong block of at most 1000 entries is measured entry by entry


def watched(f, t):
    """(f(t), the smooth piece on which each unit was during the call)"""
    with record_kinks() as pieces:
        return f(t), pieces


def difference_quotients(f, here, where):
    """Yield estimates of df/dt at t = 0, from quick to careful, each on one smooth piece.

    `here` holds the pieces at t = 0. Raises OnKink if there is no valid estimate.
    """
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
            f"{where} cannot be checked here: the point sits on a kink, every step down to 1e-8 crosses it; "
            "give an x away from the kink"
        )


def relative(analytic, numeric):
    """max|analytic - numeric| / max|numeric|. nan counts as infinite. 0 / 0 is 0."""
    gap, own = np.abs(analytic - numeric).max(initial=0), np.abs(numeric).max(initial=0)
    error = gap / own if own else 0.0 if gap == 0 else np.inf
    return float(error) if error <= np.inf else np.inf


def is_zero(analytic, numeric, whole):
    """Whether a gradient is zero up to rounding errors of the whole gradient.

    This is no proof that it is exactly zero.
    """
    return (
        np.abs(analytic).max(initial=0) <= ROUNDING * whole
        and np.abs(analytic - numeric).max(initial=0) <= RTOL * whole
    )


def has_kink(f):
    """Whether f has a kink at t = 0 that no layer reports, as may happen with a layer of your own.

    At a kink, the difference of the two one-sided slopes does not vanish for small steps. A central quotient
    alone would accept the mean of the two slopes.
    """
    middle, here = watched(f, 0.0)
    jumps = []
    for h in (1e-5, 1e-6):
        (up, above), (down, below) = watched(f, h), watched(f, -h)
        if above != here or below != here:
            return False  # a layer reports this kink, and `difference_quotients` avoids it
        jumps.append(np.abs(up - 2 * middle + down).max() / h)
    return jumps[1] > max(0.5 * jumps[0], 1e-5 * np.abs(up - down).max() / 2e-6, 1e-7)


@dataclass
class Block:
    """One array that a function depends on, and the gradient to be checked.

    name      such as "gradient of W"
    analytic  the gradient that the code under test computes
    value     value(offset) -> the flat output of the function after `offset` was added to the array
    unit      the steps are multiples of `unit`
    size      the scale of the array, if it may be larger than `unit`
    """

    name: str
    analytic: np.ndarray
    value: Callable
    unit: float | np.ndarray = 1.0
    size: float = 0.0

    def directions(self, slow, rng, number=DIRECTIONS):
        """The unit vectors of all entries (slow), or a few random directions."""
        if not slow:
            for _ in range(number):
                yield rng.standard_normal(self.analytic.shape)
            return
        for i in range(self.analytic.size):
            direction = np.zeros(self.analytic.shape)
            direction.flat[i] = 1
            yield direction

    def has_kink(self, weights, direction):
        """Whether the function has a kink along `direction` at this point."""
        return has_kink(lambda t: np.asarray(weights * self.value(t * direction * self.unit)))

    def measure(self, weights, here, directions, where, refine=True):
        """(analytic, numeric): derivatives of <weights, value> along each direction, in units of `unit`."""
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
        """Replace numeric slopes that disagree by more careful estimates, in place.

        Stop after three slopes that no estimate confirms: the block is wrong.
        """
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
        """Whether the true gradient is proved to be zero.

        The array is moved by one, three and ten times its size. If the function does not depend on it (a bias
        before BatchNorm), its value never changes. If a ReLU is only dead at this point, such a step makes it
        active.
        """
        before = weights * self.value(np.zeros(self.analytic.shape))
        size = np.maximum(self.unit, self.size)
        for far in (1, 1, 1, 3, 10):
            change = (
                weights * self.value(far * size * rng.standard_normal(self.analytic.shape)) - before
            ).sum()
            if not abs(change) <= 1e-11 * max(np.abs(before).sum(), 1e-3):
                return False
        return True


def compare(blocks, weights, subject, reproduce, rng, slow=True, batch=1, number=DIRECTIONS, reported=False):
    """Compare the gradients of all blocks with difference quotients and return (max_error, notes).

    The error of a block is relative to its own scale. If its gradient is proved to be zero
    (`Block.proved_constant`), the error is relative to the scale of the whole gradient, and a note is added.

    weights    the upstream gradient: the function is <weights, value>
    slow       measure every entry; False: `number` random directions
    batch      the number of samples, for the message
    reported   all layers report their kinks, so unreported kinks are not searched for

    Raises GradientError if a block is wrong, OnKink if no quotient is valid, and AllZero if a block is dead.
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
        largest = max(np.abs(analytic).max(initial=0), np.abs(numeric).max(initial=0))
        cancelled = largest <= ROUNDING * whole  # terms cancel, only rounding errors remain
        if (
            (dead or not error <= RTOL)
            and is_zero(analytic, numeric, whole)
            and block.proved_constant(weights, rng)
        ):
            notes.append(f"{block.name} is zero: the function does not depend on it")
            error = np.abs(analytic - numeric).max(initial=0) / whole if whole else 0.0
        elif dead or cancelled and not error <= RTOL:
            raise AllZero(
                f"{subject}: {block.name} cannot be checked here: it is zero at this point, and so are the "
                "difference quotients, although the function depends on the array (units are dead, or terms "
                "cancel); nothing was compared. Give an x where the gradient is not zero\n"
                f"  reproduce:  {reproduce}"
            )
        if not error <= RTOL:
            raise _wrong(block, analytic, numeric, weights, here, subject, reproduce, slow, batch, error)
        if not reported and block.has_kink(weights, rng.standard_normal(block.analytic.shape)):
            raise OnKink(_on_kink(f"{subject}: {block.name}", reproduce))
        worst = max(worst, error)
    return worst, notes


def _on_kink(where, reproduce):
    return (
        f"{where} cannot be checked here: the point sits on a kink (the one-sided slopes differ); give an x "
        "away from the kink\n"
        f"  reproduce:  {reproduce}"
    )


def _wrong(block, analytic, numeric, weights, here, subject, reproduce, slow, batch, error):
    """The GradientError of a wrong block, which names the wrong entries.

    It is OnKink if an unreported kink is found.
    """
    where, shape = f"{subject}: {block.name}", block.analytic.shape
    if not slow and block.analytic.size > LOCATE:
        return failure(
            f"{where} is wrong: along random directions analytic {analytic}, numeric {numeric}\n"
            f"  reproduce:  {reproduce}",
            error,
        )
    if not slow:
        analytic, numeric = block.measure(
            weights, here, list(block.directions(True, None)), subject, refine=False
        )
    scale = np.abs(numeric).max() or 1.0
    wrong = ~(np.abs(analytic - numeric) <= 10 * RTOL * scale)  # 10 RTOL: the quotients are not refined
    if not wrong.any():
        wrong = np.abs(analytic - numeric) >= np.abs(analytic - numeric).max()
    for i in np.flatnonzero(wrong)[:3]:
        u = np.zeros(shape)
        u.flat[i] = 1
        if block.has_kink(weights, u):
            return OnKink(_on_kink(where, reproduce))
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
    """Compare tangents, the derivatives of several outputs along one direction, and return the max_error.

    named            {name: analytic tangent}; every entry is compared
    numeric_along    f(t) -> all outputs at t as one vector, in the order of `named`

    The error of an output is relative to its own scale. If the output is proved constant (`_is_constant`), it
    is relative to the scale of all outputs. Two zeros count as agreement, because f'' of ReLU is 0. The
    first-order checks make sure that the units are alive. Raises GradientError if a tangent is wrong, and
    OnKink if no quotient is valid.
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
            and _is_constant(lambda t, i=i: parts(numeric_along(t))[i], numeric_along)
        ):
            error = gap.max() / whole
        if not error <= RTOL:
            if has_kink(numeric_along):
                raise OnKink(_on_kink(f"{subject}: {name}", reproduce))
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


def _is_constant(part, outputs):
    """Whether the tangent of one output is proved to be zero: the output is the same at t = -1, 0 and 1."""
    size = max(np.abs(outputs(t)).max() for t in (-1.0, 0.0, 1.0))
    return all(np.abs(part(t) - part(0.0)).max() <= 1e-11 * size for t in (-1.0, 1.0))
