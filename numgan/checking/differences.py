"""The comparison of an analytic gradient with difference quotients.

A gradient is wrong only if no valid quotient of quotients.py agrees with it. (A wrong gradient passes only if
a quotient agrees with it up to one millionth by accident.)

The error of a gradient is relative to its own scale: max|analytic - numeric| / max|numeric|. If the gradient
and the quotients are zero, or rounding errors only, a comparison shows nothing. Then there are two cases:

the function is proved not to depend on the array (a bias before BatchNorm,
the sum of a softmax; see constant.py)                                         the check passes
the function depends on the array (all units of a ReLU are dead)               the check raises AllZero, and
                                                                               is repeated with other random
                                                                               arrays
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from .arrays import leaves, real, shifted
from .constant import hidden_by_rounding, is_constant, is_zero_by_cancelling, lost_in_rounding
from .explain import explain, explain_projections
from .points import names_of, scale_of
from .quotients import difference_quotients, has_kink, largest, watched
from .report import AllZero, BadPoint, OnKink, failure

RTOL = 1e-6  # PyTorch's 1e-3 lets half of the planted BatchNorm bugs through
ENOUGH = RTOL / 20  # if a quotient agrees up to this relative error, no other quotient is tried
DIRECTIONS = 3  # random projections of a block in fast mode
SMALL_MOVES = 1e-15, 1e-14, 1e-13, 1e-12  # moves that change a function by rounding errors only
ROUNDING = 1e-10  # an array counts as zero up to this fraction of the whole gradient
LOCATE = 1000  # in a wrong block of at most 1000 entries, every entry is measured for the message


def relative(analytic, numeric):
    """The relative error max|analytic - numeric| / max|numeric| of two arrays of derivatives, a float.

    It is 0 if both arrays are zero. It is inf if only numeric is zero or if the error is nan.
    """
    gap, own = largest(analytic - numeric), largest(numeric)
    error = gap / own if own else 0.0 if gap == 0 else np.inf
    return float(error) if error <= np.inf else np.inf


def is_zero(analytic, numeric, whole):
    """Whether the gradient of one array is zero up to rounding errors.

    analytic, numeric   the derivatives of the code under test, and from difference quotients
    whole               the largest entry of the gradients of all arrays

    True if max|analytic| is at most 1e-10 of `whole` and max|analytic - numeric| at most 1e-6 of `whole`.
    True is no proof that the gradient is exactly zero.
    """
    return largest(analytic) <= ROUNDING * whole and largest(analytic - numeric) <= RTOL * whole


@dataclass
class Block:
    """One array on which a function depends, and the gradient of the function with respect to this array.

    name       the name of the gradient, such as "gradient of W"
    analytic   the gradient that the code under test computes, with the shape of the array
    value      value(offset) returns a number or an array, after `offset` was added to the array. The function
               is the sum of the entries of value(offset)
    unit       a number or an array: a difference quotient moves the array by t * unit * direction
    size       the scale (root mean square) of the array; 0 if `unit` already has this scale. The checks in
               constant.py move the array by multiples of the larger of `unit` and `size`
    """

    name: str
    analytic: np.ndarray
    value: Callable
    unit: float | np.ndarray = 1.0
    size: float = 0.0

    def directions(self, slow, rng, number=DIRECTIONS):
        """Yield the directions along which the function is differentiated, each with the shape of the array.

        slow     True: one unit vector for each entry, so that every entry is compared. False: random
                 directions
        rng      draws the random directions
        number   the number of random directions
        """
        if not slow:
            for _ in range(number):
                yield rng.standard_normal(self.analytic.shape)
            return
        for i in range(self.analytic.size):
            direction = np.zeros(self.analytic.shape)
            direction.flat[i] = 1
            yield direction

    def along(self, direction):
        """The function t -> value(t * direction) of a number t: the array moves along `direction`."""
        return lambda t: np.asarray(self.value(t * direction))

    def measure(self, here, directions, where, refine=True):
        """(analytic, numeric): two vectors with the derivative of the function along each of `directions`.

        analytic     the derivatives that follow from the gradient of the code under test
        numeric      the derivatives from difference quotients
        directions   arrays with the shape of the array. Each is multiplied by `unit` first
        here         the list of smooth pieces at the unmoved array, from `watched`
        where        names the function in messages
        refine       True: a numeric value that disagrees is replaced by a better estimate

        Raises OnKink if a direction has no valid quotient.
        """
        analytic, numeric, noises, estimates = [], [], [], []
        for direction in directions:
            step = direction * self.unit
            quotients = difference_quotients(self.along(step), here, f"{where}: {self.name}")
            analytic.append((self.analytic * step).sum())
            estimate, noise = next(quotients)
            numeric.append(estimate.sum())
            noises.append(noise)
            estimates.append(quotients)
        analytic, numeric = np.array(analytic), np.array(numeric)
        if refine:
            self._refine(analytic, numeric, noises, estimates)
        return analytic, numeric

    @staticmethod
    def _refine(analytic, numeric, noises, estimates):
        """Replace each number of `numeric` that disagrees with `analytic` by a better estimate, in place.

        analytic, numeric   vectors of derivatives along the same directions
        noises              the rounding error of each number of `numeric`
        estimates           estimates[i] yields (more careful estimate of numeric[i], its rounding error). The
                            one nearest to analytic[i] is taken

        The largest disagreement comes first. After three numbers for which no estimate agrees the function
        stops: then the gradient is wrong.

        An estimate that is lost in its noise may agree by accident, so it does not replace one that is not:
        an f of 1e5 does not change at all in steps of 1e-8. A bad estimate can be far too large. So the size
        of the gradient, to which a disagreement is compared, is that of the analytic one until the numeric
        one is smaller.
        """
        lost = 0
        gaps = np.nan_to_num(np.abs(analytic - numeric), nan=np.inf)
        for i in np.argsort(-gaps, kind="stable"):
            own = min(largest(analytic), np.nan_to_num(largest(numeric), nan=np.inf))
            if gaps[i] <= ENOUGH * own or lost == 3:
                break
            limit = 3 * RTOL * own
            for estimate, noise in estimates[i]:
                closer = not abs(analytic[i] - estimate.sum()) >= abs(analytic[i] - numeric[i])
                if noise <= limit < noises[i] or closer and noise <= max(limit, noises[i]):
                    numeric[i], noises[i] = estimate.sum(), noise
                if abs(analytic[i] - numeric[i]) <= ENOUGH * own and noises[i] <= limit:
                    break
            lost += not abs(analytic[i] - numeric[i]) <= RTOL * own


def input_blocks(x, gradients, value, scaled=False):
    """The list of Blocks for the input x of a layer: one Block for each array of floats that is not empty.

    A Block holds one array, its gradient and the function of it.

    x           an array, or a tuple of arrays
    gradients   the gradients with respect to x, in the form of x
    value       the function under test is the sum of the entries of value(x)
    scaled      whether difference quotients move an array in units of its own scale, and not in units of 1
    """

    def block(path, array, gradient):
        def moved(offset):
            return value(shifted(x, path, offset))

        size = scale_of(array)
        unit = size if scaled else 1.0
        return Block(f"gradient of x{path}", np.asarray(gradient, np.float64), moved, unit, size)

    return [
        block(path, array, gradient)
        for (path, array), (_, gradient) in zip(leaves(x), leaves(gradients))
        if real(array) and array.size
    ]


def argument_block(name, gradient, f, arguments, i):
    """The Block called `name` for one argument of a function: the array, its gradient and the function.

    f           f(*arguments) returns a tuple. The function under test is the sum of its first element
    arguments   a tuple of arrays;  i: the position of the array in this tuple
    gradient    the gradient with respect to arguments[i]
    """

    def moved(offset):
        return f(*shifted(arguments, f"[{i}]", offset))[0]

    return Block(name, np.asarray(gradient), moved)


def parameter_blocks(p, gradient, value, where, name="gradient of {}"):
    """The list of Blocks for the Parameters p: one Block for each trained parameter that is not empty.

    A Block holds one array, its gradient and the function of it.

    gradient   the Parameters of the gradient, in the form of p
    value      the function under test is the sum of the entries of value(p)
    where      begins the message of an error
    name       the name of a Block, with {} for the name of its parameter

    Raises GradientError if a held entry (stored with the weights and not trained) has a gradient that is not
    zero.
    """

    def block(parameter):
        def moved(offset):
            q = p.copy()
            q[parameter][...] += offset
            return value(q)

        return Block(name.format(parameter), gradient[parameter], moved, scale_of(p[parameter]))

    # names_of raises if a held entry has a gradient
    return [block(parameter) for parameter in names_of(gradient, where) if p[parameter].size]


def compare(blocks, subject, rng, slow=True, number=DIRECTIONS, reported=False):
    """Compare the gradients of all blocks with difference quotients and return (max_error, notes).

    max_error   the largest relative error of a block, a float. The error of a block is relative to the
                largest entry of its own gradient. If the gradient is zero because the function does not
                depend on the array, the error is relative to the largest entry of all gradients
    notes       a text for the report that names each gradient that is zero, or ""

    blocks     a list of Blocks, each an array with its gradient and function. If it is empty, the result is
               (0.0, "")
    subject    the Subject: the name of the function under test, for the message
    slow       compare every entry; False: `number` random directions, drawn from rng
    reported   True: all layers report their kinks, so this function does not search for other kinks

    Errors:

    GradientError   a gradient is wrong, inf or nan
    OnKink          no quotient is valid, or an unreported kink is found
    AllZero         a gradient is zero, or only rounding errors, although the function depends on the array
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
        suspect = dead or not error <= RTOL
        small = False
        if suspect and is_zero(analytic, numeric, whole):
            small, _ = is_constant(block, rng)
        if suspect and (small or is_zero_by_cancelling(block, analytic, rng)):
            notes.append(f"{block.name} is zero: the function does not depend on it")
            worst = max(worst, largest(analytic - numeric) / whole if small and whole else 0.0)
            continue
        if suspect and (dead or _cancelled(block, analytic, numeric, whole)):
            if not reported and _near_kink(block, rng):
                raise _on_kink(subject, block.name)
            raise AllZero(
                subject.message(
                    f"{block.name} cannot be checked here: it is zero at this point, and so are the "
                    "difference quotients, although the function depends on the array (units are dead, or "
                    "terms cancel); nothing was compared. Give an x where the gradient is not zero"
                )
            )
        if not error <= RTOL and lost_in_rounding(block, analytic, numeric):
            raise BadPoint(
                subject.message(
                    f"{block.name} cannot be checked here: the function is far larger than its change, which "
                    "is lost in rounding errors; subtract the large constant from it"
                )
            )
        if not error <= RTOL:
            if not slow and block.analytic.size > LOCATE:
                text = explain_projections(block.name, analytic, numeric, subject.counts)
                raise failure(subject.message(text), error)
            if not slow:
                every = block.directions(slow=True, rng=None)
                analytic, numeric = block.measure(here, every, subject.text, refine=False)
            raise _wrong(block, analytic, numeric, subject, error)
        if not reported and _near_kink(block, rng):
            raise _on_kink(subject, block.name)
        worst = max(worst, error)
    return worst, "; ".join(notes)


def _cancelled(block, analytic, numeric, whole):
    """Whether two derivatives are so small that they are only rounding errors of terms that cancel.

    block               the Block that holds the function and the array
    analytic, numeric   arrays of derivatives: from the code under test, and from difference quotients
    whole               the largest derivative of all blocks
    """
    size = max(largest(analytic), largest(numeric))
    return size <= ROUNDING * whole or hidden_by_rounding(block, analytic, numeric)


def _near_kink(block, rng):
    """Whether the function of a Block has an unreported kink along one random direction, drawn with rng.

    block is the Block: an array and the function of it.
    """
    return has_kink(block.along(rng.standard_normal(block.analytic.shape) * block.unit))


def _on_kink(subject, name):
    """The OnKink error, not raised, that the array called `name` of a Subject cannot be checked at its x."""
    return OnKink(
        subject.message(
            f"{name} cannot be checked here: the point sits on a kink (the one-sided slopes differ); give an "
            "x away from the kink"
        )
    )


def _wrong(block, analytic, numeric, subject, error):
    """Make the error about a Block whose gradient is wrong, and return it. The caller raises it.

    block               the Block: an array, its gradient and the function
    analytic, numeric   vectors with the derivative along every entry of the array, multiplied by `unit`
    subject             the Subject, for the message
    error               the relative error; the GradientError gets the attribute max_error with this value

    The message names the wrong entries. If one of the first three wrong entries has an unreported kink, the
    error is OnKink instead.
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
    """Compare tangents with difference quotients. Return the largest relative error, a float.

    A tangent is the derivative of one output of the function along one direction.

    named           {name: analytic tangent}; every entry is compared. If it is empty, the result is 0
    numeric_along   f(t) -> all outputs as one vector, in the order of `named`, after a move by t
    subject         the Subject: the name of the function under test, for the message

    The error of an output is relative to its largest derivative. Two zeros, up to rounding errors, count as
    agreement (`_is_zero_tangent`), because f'' of ReLU is 0: the first-order checks make sure that units are
    not dead.

    Raises GradientError if a tangent is wrong. Raises OnKink if no quotient is valid, or if a wrong tangent
    lies on an unreported kink.
    """
    if not named:
        return 0.0
    analytic = [np.ravel(array) for array in named.values()]
    ends = np.cumsum([array.size for array in analytic])
    _, here = watched(numeric_along, 0.0)
    best = []
    for estimate, _ in difference_quotients(numeric_along, here, f"{subject.text}: {', '.join(named)}"):
        tried = [(relative(a, n), n) for a, n in zip(analytic, np.split(estimate, ends[:-1]))]
        best = [min(both, key=lambda one: one[0]) for both in zip(best, tried)] if best else tried
        if max(error for error, _ in best) <= ENOUGH:
            break
    whole, worst = max(largest(numeric) for _, numeric in best), 0.0
    for name, a, (error, n), end in zip(named, analytic, best, ends):
        gap = np.abs(a - n)
        part = slice(end - a.size, end)
        if not error <= RTOL and _is_zero_tangent(a, whole, part, numeric_along):
            error = 0.0
        if not error <= RTOL:
            if has_kink(numeric_along):
                raise _on_kink(subject, name)
            wrong = ~(gap <= RTOL * np.abs(n).max())
            a, n, wrong = (array.reshape(np.shape(named[name])) for array in (a, n, wrong))
            raise failure(explain(subject, name, a, n, wrong), error)
        worst = max(worst, error)
    return float(worst)


def _is_zero_tangent(analytic, whole, part, outputs):
    """Whether the tangent of some outputs is zero: their changes are rounding errors.

    analytic   the tangent of the code under test
    whole      the largest tangent of all outputs
    part       the slice of these outputs in the vector of all outputs
    outputs    outputs(t) returns all outputs as one vector, after a move by t

    The tangent of the code must be far below `whole`. Then it is zero if moves by 1e-5 change the outputs by
    rounding errors only, which moves by 1e-15 to 1e-12 show: a bias before BatchNorm is an example. It is
    zero too if the outputs are the same at t = -1, 0 and 1. Then the quotients show nothing.
    """
    size = largest(analytic)
    below, middle, above = (outputs(t) for t in (-1.0, 0.0, 1.0))
    if size <= ROUNDING * whole:
        rounding, small = (
            max(largest(outputs(sign * t)[part] - middle[part]) for t in moves for sign in (1, -1))
            for moves in (SMALL_MOVES, (1e-5,))
        )
        if small <= 100 * rounding:
            return True
    scale = max(largest(below), largest(middle), largest(above))
    constant = all(largest(end[part] - middle[part]) <= 1e-11 * scale for end in (below, above))
    return constant and size <= ROUNDING * scale
