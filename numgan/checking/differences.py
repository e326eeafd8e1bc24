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
from .arrays import leaves, real, shifted
from .explain import explain
from .points import names_of, scale_of
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


def largest(array):
    """The largest absolute value of an array; 0 if it is empty."""
    return np.abs(array).max(initial=0)


def relative(analytic, numeric):
    """max|analytic - numeric| / max|numeric|. nan counts as infinite. 0 / 0 is 0."""
    gap, own = largest(analytic - numeric), largest(numeric)
    error = gap / own if own else 0.0 if gap == 0 else np.inf
    return float(error) if error <= np.inf else np.inf


def is_zero(analytic, numeric, whole):
    """Whether a gradient is zero up to rounding errors of the whole gradient.

    This is no proof that it is exactly zero.
    """
    return largest(analytic) <= ROUNDING * whole and largest(analytic - numeric) <= RTOL * whole


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
    value     value(offset) -> a number or an array, after `offset` was added to the array under test; the
              function is the sum of its entries
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

    def along(self, direction):
        """The value as a function of t, the length of a step along `direction`."""
        return lambda t: np.asarray(self.value(t * direction))

    def measure(self, here, directions, where, refine=True):
        """(analytic, numeric): the derivatives along each direction, in units of `unit`."""
        analytic, numeric, estimates = [], [], []
        for direction in directions:
            step = direction * self.unit
            quotients = difference_quotients(self.along(step), here, f"{where}: {self.name}")
            analytic.append((self.analytic * step).sum())
            numeric.append(next(quotients).sum())
            estimates.append(quotients)
        analytic, numeric = np.array(analytic), np.array(numeric)
        if refine:
            self._refine(analytic, numeric, estimates)
        return analytic, numeric

    @staticmethod
    def _refine(analytic, numeric, estimates):
        """Replace numeric slopes that disagree by more careful estimates, in place.

        Stop after three slopes that no estimate confirms: the block is wrong.
        """
        own, lost = largest(numeric), 0
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

    def proved_constant(self, rng):
        """Whether the true gradient is proved to be zero.

        The array is moved by one, three and ten times its size. If the function does not depend on it (a bias
        before BatchNorm), its value never changes. If a ReLU is only dead at this point, such a step makes it
        active.
        """
        before = self.value(np.zeros(self.analytic.shape))
        size = np.maximum(self.unit, self.size)
        for far in (1, 1, 1, 3, 10):
            after = self.value(far * size * rng.standard_normal(self.analytic.shape))
            if not abs(np.sum(after - before)) <= 1e-11 * max(np.abs(before).sum(), 1e-3):
                return False
        return True


def input_blocks(x, gradients, value):
    """A Block for each array of x with a derivative: the function is the sum of the entries of value(x).

    x and `gradients` are arrays or tuples of arrays, in the same form.
    """

    def block(path, array, gradient):
        def moved(offset):
            return value(shifted(x, path, offset))

        return Block(f"gradient of x{path}", np.asarray(gradient, np.float64), moved, size=scale_of(array))

    return [
        block(path, array, gradient)
        for (path, array), (_, gradient) in zip(leaves(x), leaves(gradients))
        if real(array) and array.size
    ]


def argument_block(name, gradient, f, arguments, i):
    """The Block of argument i of f. f(*arguments) returns the value of the function first."""

    def moved(offset):
        return f(*shifted(arguments, f"[{i}]", offset))[0]

    return Block(name, np.asarray(gradient), moved)


def parameter_blocks(p, gradient, value, where, name="gradient of {}"):
    """A Block for each trained parameter of p: the function is the sum of the entries of value(p).

    name   the name of a block, with {} for the name of its parameter

    Raises GradientError, with `where` in its message, if a held entry has a gradient.
    """

    def block(parameter):
        def moved(offset):
            q = p.copy()
            q[parameter][...] += offset
            return value(q)

        return Block(name.format(parameter), gradient[parameter], moved, scale_of(p[parameter]))

    return [block(parameter) for parameter in names_of(gradient, where) if p[parameter].size]


def compare(blocks, subject, rng, slow=True, number=DIRECTIONS, reported=False):
    """Compare the gradients of all blocks with difference quotients and return (max_error, notes).

    The error of a block is relative to its own scale. If its gradient is proved to be zero
    (`Block.proved_constant`), the error is relative to the scale of the whole gradient, and a note is added.

    subject    the Subject, for the message
    slow       measure every entry; False: `number` random directions
    reported   all layers report their kinks, so unreported kinks are not searched for

    Raises GradientError if a block is wrong, OnKink if no quotient is valid, and AllZero if a block is dead.
    """
    if not blocks:
        return 0.0, ""
    for block in blocks:
        broken = ~np.isfinite(block.analytic)
        if broken.any():
            raise failure(explain(subject, block.name, block.analytic, np.zeros(broken.shape), broken))
    _, here = watched(blocks[0].value, np.zeros(blocks[0].analytic.shape))
    measured = [
        (block, *block.measure(here, block.directions(slow, rng, number), subject.text)) for block in blocks
    ]
    whole = max(largest(numeric) for _, _, numeric in measured)
    worst, notes = 0.0, []
    for block, analytic, numeric in measured:
        error, dead = relative(analytic, numeric), not (analytic.any() or numeric.any())
        # if terms cancel, only rounding errors remain
        cancelled = max(largest(analytic), largest(numeric)) <= ROUNDING * whole
        suspect = dead or not error <= RTOL
        if suspect and is_zero(analytic, numeric, whole) and block.proved_constant(rng):
            notes.append(f"{block.name} is zero: the function does not depend on it")
            error = largest(analytic - numeric) / whole if whole else 0.0
        elif suspect and (dead or cancelled):
            raise AllZero(
                subject.message(
                    f"{block.name} cannot be checked here: it is zero at this point, and so are the "
                    "difference quotients, although the function depends on the array (units are dead, or "
                    "terms cancel); nothing was compared. Give an x where the gradient is not zero"
                )
            )
        if not error <= RTOL:
            if not slow and block.analytic.size > LOCATE:
                text = (
                    f"{block.name} is wrong: along random directions analytic {analytic}, numeric {numeric}"
                )
                raise failure(subject.message(text), error)
            if not slow:
                every = block.directions(slow=True, rng=None)
                analytic, numeric = block.measure(here, every, subject.text, refine=False)
            raise _wrong(block, analytic, numeric, subject, error)
        if not reported and has_kink(block.along(rng.standard_normal(block.analytic.shape) * block.unit)):
            raise _on_kink(subject, block.name)
        worst = max(worst, error)
    return worst, "; ".join(notes)


def _on_kink(subject, name):
    return OnKink(
        subject.message(
            f"{name} cannot be checked here: the point sits on a kink (the one-sided slopes differ); give an "
            "x away from the kink"
        )
    )


def _wrong(block, analytic, numeric, subject, error):
    """The GradientError of a wrong block, which names the wrong entries.

    It is OnKink if an unreported kink is found. analytic, numeric: the derivatives in every entry.
    """
    shape = block.analytic.shape
    gap = np.abs(analytic - numeric)
    wrong = ~(gap <= 10 * RTOL * (largest(numeric) or 1.0))  # 10 RTOL: the quotients are not refined
    if not wrong.any():
        wrong = gap >= gap.max()
    for i in np.flatnonzero(wrong)[:3]:
        direction = np.zeros(shape)
        direction.flat[i] = 1
        if has_kink(block.along(direction * block.unit)):
            return _on_kink(subject, block.name)
    analytic, numeric, wrong = (array.reshape(shape) for array in (analytic, numeric, wrong))
    return failure(explain(subject, block.name, analytic / block.unit, numeric / block.unit, wrong), error)


def compare_outputs(named, numeric_along, subject):
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
    ends = np.cumsum([array.size for array in analytic])
    _, here = watched(numeric_along, 0.0)
    best = []
    for estimate in difference_quotients(numeric_along, here, f"{subject.text}: {', '.join(named)}"):
        tried = [(relative(a, n), n) for a, n in zip(analytic, np.split(estimate, ends[:-1]))]
        best = [min(both, key=lambda one: one[0]) for both in zip(best, tried)] if best else tried
        if max(error for error, _ in best) <= ENOUGH:
            break
    whole, worst = max(largest(numeric) for _, numeric in best), 0.0
    for name, a, (error, n), end in zip(named, analytic, best, ends):
        gap = np.abs(a - n)
        part = slice(end - a.size, end)
        if not error <= RTOL and is_zero(a, n, whole) and _is_constant(part, numeric_along):
            error = gap.max() / whole
        if not error <= RTOL:
            if has_kink(numeric_along):
                raise _on_kink(subject, name)
            wrong = ~(gap <= RTOL * np.abs(n).max())
            a, n, wrong = (array.reshape(np.shape(named[name])) for array in (a, n, wrong))
            raise failure(explain(subject, name, a, n, wrong), error)
        worst = max(worst, error)
    return float(worst)


def _is_constant(part, outputs):
    """Whether a part of the outputs, a slice, is proved constant: it is the same at t = -1, 0 and 1."""
    below, middle, above = (outputs(t) for t in (-1.0, 0.0, 1.0))
    limit = 1e-11 * max(largest(below), largest(middle), largest(above))
    return all(largest(end[part] - middle[part]) <= limit for end in (below, above))
