"""Reliable difference quotients of a function of one number, also beside kinks.

    df/dt at 0  =  (f(h) - f(-h)) / 2h  +  O(h^2)                                        quick
                =  (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h  +  O(h^4)                careful, for larger h

A function with ReLU, MaxPool or the hinge loss consists of smooth pieces, and two pieces meet at a kink. A
quotient across a kink is not the derivative, however small h is. So all values of f in one quotient must lie
on one piece. The layers report on which piece each of their units lies (`numgan.layers.record_kinks`). A
smaller step h crosses fewer kinks, but its rounding error is larger. So both formulas are tried with several
h, the cheapest first.
"""

import numpy as np

from ..layers import record_kinks
from .constant import EPSILON
from .report import OnKink

QUICK, CAREFUL = (1e-5, 1e-6, 1e-7, 1e-8), (3e-3, 3e-4, 3e-5, 1e-6, 1e-7, 1e-8)  # the steps h


def watched(f, t):
    """(f(t), pieces): the value, and a list that says on which smooth piece each unit of each layer lies.

    A unit of ReLU has two smooth pieces, x < 0 and x > 0, which meet at a kink. The list comes from
    `record_kinks`. If two calls have equal lists, no kink that a layer reports lies between them.
    """
    with record_kinks() as pieces, np.errstate(all="ignore"):  # a move may leave the domain of f
        return f(t), pieces


def difference_quotients(f, here, where):
    """Yield pairs (estimate, noise) of df/dt at t = 0 of a function f(t), cheap ones first, for several h.

    f       a function of a number t; an estimate has the shape of f(t)
    here    the list of smooth pieces at t = 0, from `watched`. An estimate is left out if it uses a value of
            f on other pieces, because a kink lies between
    where   names the function in the message

    The noise of an estimate is its error that comes from the rounding of f to float64.
    Raises OnKink at the end if every estimate was left out.
    """
    valid = 0
    # the quotient is the sum of weight * (f(k h) - f(-k h)) / h over the pairs (k, weight)
    for steps, weights in ((QUICK, ((1, 1 / 2),)), (CAREFUL, ((1, 8 / 12), (2, -1 / 12)))):
        for h in steps:
            total = 0.0
            for k, weight in weights:
                (up, above), (down, below) = watched(f, k * h), watched(f, -k * h)
                if above != here or below != here:
                    break
                with np.errstate(invalid="ignore"):  # inf - inf, out of the domain of f
                    total = total + weight * (up - down) / h
            else:
                valid += 1
                yield total, 4 * EPSILON * largest(up) / h  # 4: a few roundings of f, each of eps |f|
    if not valid:
        raise OnKink(
            f"{where} cannot be checked here: the point sits on a kink, every step down to 1e-8 crosses it; "
            "give an x away from the kink"
        )


def largest(array):
    """The largest absolute value of an array; 0 if it is empty."""
    return np.abs(array).max(initial=0)


def has_kink(f):
    """Whether the function f(t) has a kink at t = 0 that no layer reports, as a user's own layer may have.

    At a kink, the slopes on the two sides differ, however small the steps are. A central quotient would give
    the mean of the two slopes. Returns False if a layer reports a kink near t = 0: `difference_quotients`
    avoids reported kinks.

    j(h) = max|f(h) - 2 f(0) + f(-h)| / h falls to a tenth from h = 1e-5 to 1e-6 if f is smooth, and stays
    at a kink. So f has a kink if j(1e-6) is above j(1e-5) / 2, above 1e-5 of the slope, above 1e-7, and above
    the rounding error.
    """
    middle, here = watched(f, 0.0)
    jumps = []
    for h in (1e-5, 1e-6):
        (up, above), (down, below) = watched(f, h), watched(f, -h)
        if above != here or below != here:
            return False  # a layer reports a kink here, and `difference_quotients` avoids reported kinks
        jumps.append(np.abs(up - 2 * middle + down).max() / h)
    rounding = 32 * EPSILON * largest(middle) / 1e-6
    return jumps[1] > max(0.5 * jumps[0], 1e-5 * np.abs(up - down).max() / 2e-6, 1e-7, rounding)
