"""Proof that a function does not depend on an array, so that its gradient is zero, and rounding errors.

The sum of the outputs of BatchNorm is zero for every x. A computer gives 1e-15, and another 1e-15 after every
move of x, because terms of size 1 cancel. Difference quotients of such a function are rounding errors divided
by a small step, such as 1e-10. So their size says nothing, and is compared with the measured rounding error:

    rounding error   = the largest change of f after moves of 1e-15 to 1e-12 of the array's scale, or four
                       machine epsilons of the sum of |f|, if that is larger
    f is constant    if moves of 1 to 10 times this scale change f by at most 100 rounding errors

A function with a slope changes at least 1e12 times as much after the large moves as after the small ones.
"""

import numpy as np

SMALL = (1e-15, 1e-14, 1e-13, 1e-12) * 4  # moves that show the rounding error, as parts of the array's scale
LARGE = (1, 1, 1, 3, 10)  # moves that show whether the function depends on the array
TINY = (1e-15,) * 8  # the shortest moves alone: a function with a slope hardly changes by its slope
EPSILON = np.finfo(np.float64).eps
STEP = 3e-3  # the longest step of the difference quotients


def _change(block, before, offset):
    """|f(array + offset) - f(array)|, a float: how much a move of the array changes the sum of f.

    block    a Block, which holds f: block.value(offset) is f(array + offset)
    before   f(array), computed before
    offset   an array: the move
    """
    with np.errstate(all="ignore"):  # a large move may leave the domain of f: then the change is nan
        return float(np.abs(np.sum(block.value(offset) - before)))


@np.errstate(all="ignore")  # f may be inf or nan far away
def rounding(block, at=0.0, moves=SMALL):
    """The rounding error of a function f, a float: the largest change of f after tiny moves of its array.

    block   the Block that holds the function and the array
    at      the tiny moves start from the array plus this offset, a number or an array
    moves   the lengths of the moves, as parts of the array's scale; their directions are random

    The result is at least four machine epsilons of the sum of |f|.
    """
    size, shape = np.maximum(block.unit, block.size), block.analytic.shape  # size: the array's scale
    rng, before = np.random.default_rng(0), block.value(at + np.zeros(shape))
    own = 4 * EPSILON * np.abs(before).sum()
    return max(own, *(_change(block, before, at + t * size * rng.standard_normal(shape)) for t in moves))


def is_constant(block, rng):
    """(whether a Block's function does not depend on its array, the rounding error of the function, a float).

    block   a Block: a function, and the array on which it may depend
    rng     draws the large random moves of the array. The function is constant if each changes it by at most
            100 rounding errors

    If a unit of ReLU is only dead at the present array, a large move makes the unit active, and the function
    changes: then the function is not constant. It is not constant either if it is inf or nan after a move.
    """
    size, shape = np.maximum(block.unit, block.size), block.analytic.shape  # size: the array's scale
    before = block.value(np.zeros(shape))
    error = rounding(block)
    for far in LARGE:
        offset = far * size * rng.standard_normal(shape)
        change = _change(block, before, offset)
        if change > 100 * error:
            error = max(error, rounding(block, offset))  # larger terms may cancel there
        if not (np.isfinite(change) and change <= 100 * error):
            return False, error
    return True, error


def is_zero_by_cancelling(block, analytic, rng):
    """Whether a gradient is zero up to rounding errors because the function does not depend on the array.

    block      the Block that holds the function and the array
    analytic   derivatives of the function along some directions (see Block.measure). They must be at most
               1000 rounding errors of the function, divided by the array's scale: the code under test sums
               other terms than the function, and its own rounding errors may be larger
    rng        draws the large moves that show whether the function is constant
    """
    constant, error = is_constant(block, rng)
    return constant and np.abs(analytic).max(initial=0) <= 1000 * error / (block.size or 1.0)


def lost_in_rounding(block, analytic, numeric):
    """Whether f is so much larger than its change, as 1e9 + sin(x), that a disagreement shows nothing.

    block               the Block that holds the function f and the array
    analytic, numeric   arrays of derivatives: from the code under test, and from difference quotients

    True if a difference quotient has a rounding error of more than a millionth of max|numeric|, and the
    derivatives differ by at most 10 such errors, or by at most 1000 and a tenth of max|numeric|.
    """
    own, gap = np.abs(numeric).max(initial=0), np.abs(analytic - numeric).max(initial=0)
    error = rounding(block, moves=TINY) / STEP  # a quotient divides by the length of its step
    return error > 1e-6 * own and gap <= max(min(1000 * error, 0.1 * own), 10 * error)


def hidden_by_rounding(block, analytic, numeric):
    """Whether all derivatives are at most 10 rounding errors of a difference quotient, so they show nothing.

    block               the Block that holds the function and the array
    analytic, numeric   arrays of derivatives: from the code under test, and from difference quotients
    """
    error = rounding(block, moves=TINY) / (block.size or 1.0)
    return max(np.abs(analytic).max(initial=0), np.abs(numeric).max(initial=0)) <= 10 * error / STEP
