"""check_unrolling: derivatives of D's weights after K updates, in D's first weights and in the fakes."""

from functools import partial

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..remedies.unrolling import Unrolling
from .differences import Block, compare
from .optimizer import warm
from .points import Point, at_points, direction, names_of, scale_of
from .report import Report, tidy


@may_underflow
def check_unrolling(D, loss, optimizer, steps, x=None, *, context=None, batch=3, slow=True, seed=0):
    """Check `Unrolling(D, loss, optimizer, steps)` and return a Report.

    Raises GradientError if a derivative is wrong.

        numgan.check_unrolling(D, numgan.minimax, numgan.Adam(0.1), 5, x=(2,))

    x      a shape without the batch, or the real samples; the fakes are random, two more than these
    slow   compare every entry; False: a few random projections
    """
    report = Report(f"{steps} steps of {optimizer!r} on {Point(D, x, None, context, batch, seed).subject}")
    for check in CHECKS:
        report.add(
            check.__name__.replace("_", " "),
            *outcome(check, loss, optimizer, steps, partial(Point, D, x, None, context, batch, seed), slow),
        )
    return report


def outcome(check, loss, optimizer, steps, make, slow=True):
    """(max_error, note) of one check, at the first point make(attempt) where it can be carried out."""
    return tidy(at_points(make, partial(check, loss, optimizer, steps, slow)))


def through_the_fakes(loss, optimizer, steps, slow, point):
    """d <w, phi_K> / d fakes for a random w. phi_K are the weights of D after K updates."""
    unrolling, fake, w = _game(loss, optimizer, steps, point)
    _, dfake = unrolling.backward(w, unrolling.forward(point.p, point.x, fake)[1])

    def value(offset):
        return np.array([w.vector @ unrolling.forward(point.p, point.x, fake + offset)[0].vector])

    return _compare([Block("derivative in the fakes", dfake, value)], slow, point)


def through_the_weights(loss, optimizer, steps, slow, point):
    """d <w, phi_K> / d phi for a random w. phi are the weights of D before the first update."""
    unrolling, fake, w = _game(loss, optimizer, steps, point)
    dphi, _ = unrolling.backward(w, unrolling.forward(point.p, point.x, fake)[1])

    def block(name):
        def value(offset):
            q = point.p.copy()
            q[name][...] += offset
            return np.array([w.vector @ unrolling.forward(q, point.x, fake)[0].vector])

        return Block(f"derivative in {name}", dphi[name], value, scale_of(point.p[name]))

    return _compare([block(name) for name in names_of(dphi, point.subject)], slow, point)


def _game(loss, optimizer, steps, point):
    """(the unrolling, fakes, w). The random w is the upstream gradient in phi_K."""
    rng = point.rng("fakes")
    fake = rng.standard_normal((point.batch + 2, *point.x.shape[1:]))
    state = warm(optimizer, rng, point.p.vector.size)
    return (
        Unrolling(point.layer, loss, optimizer, steps, state, point.context, point.context),
        fake,
        direction(point.p, rng),
    )


def _compare(blocks, slow, point):
    error, notes = compare(
        blocks,
        np.ones(1),
        f"the unrolling of {point.subject}",
        f"numgan.check_unrolling(..., seed={point.seed})",
        stream(point.seed, "check unrolling"),
        slow,
        point.batch,
    )
    return error, "; ".join(notes)


CHECKS = [through_the_fakes, through_the_weights]
