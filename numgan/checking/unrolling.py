"""check_unrolling: the derivatives of D's weights after K updates.

They are the derivatives with respect to D's weights before the first update, and with respect to the fakes.
"""

from functools import partial

from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..remedies.unrolling import Unrolling
from .differences import Block, compare, parameter_blocks
from .optimizer import warm
from .points import Case, Point, direction, outcomes
from .report import Subject


@may_underflow
def check_unrolling(D, loss, optimizer, steps, x=None, *, context=None, batch=3, slow=True, seed=0):
    """Check the derivatives through `steps` updates of a discriminator D and return a Report.

        numgan.check_unrolling(D, numgan.minimax, numgan.Adam(0.1), 5, x=(2,))

    The object under test is `Unrolling(D, loss, optimizer, steps)`.

    x        a shape without the batch axis, or the real samples; None: guessed from D
    context  the Pass; None: a Pass with a seed
    batch    the number of real samples, if x is not an array
    slow     compare every entry; False: a few random projections

    The fakes are random. There are two more fakes than real samples. Raises GradientError if a derivative is
    wrong.
    """
    case = Case(D, x, context, batch)
    title = f"{steps} steps of {optimizer!r} on {case.title}"
    return outcomes(title, partial(Point, case, seed), CHECKS, loss, optimizer, steps, slow)


def through_the_fakes(loss, optimizer, steps, slow, point):
    """Check d <w, phi_K> / d fakes for a random w. phi_K are the weights of D after K = `steps` updates.

    Returns (largest relative error, notes).

    loss, optimizer   the loss and the optimiser of the updates
    slow              compare every entry; False: random projections
    point             the Point with D, its weights before the updates and the real samples

    Raises GradientError if the derivative is wrong.
    """
    unrolling, fake, w = _game(loss, optimizer, steps, point)
    _, dfake = unrolling.backward(w, unrolling.forward(point.p, point.x, fake)[1])

    def value(offset):
        return w.vector @ unrolling.forward(point.p, point.x, fake + offset)[0].vector

    return _compare([Block("derivative in the fakes", dfake, value)], slow, point)


def through_the_weights(loss, optimizer, steps, slow, point):
    """Check d <w, phi_K> / d phi for a random w. phi are D's weights before the first update.

    phi_K are D's weights after K = `steps` updates. Returns (largest relative error, notes).

    loss, optimizer   the loss and the optimiser of the updates
    slow              compare every entry; False: random projections
    point             the Point with D, the weights phi and the real samples

    Raises GradientError if the derivative is wrong.
    """
    unrolling, fake, w = _game(loss, optimizer, steps, point)
    dphi, _ = unrolling.backward(w, unrolling.forward(point.p, point.x, fake)[1])

    def value(q):
        return w.vector @ unrolling.forward(q, point.x, fake)[0].vector

    blocks = parameter_blocks(point.p, dphi, value, point.subject, "derivative in {}")
    return _compare(blocks, slow, point)


def _game(loss, optimizer, steps, point):
    """(unrolling, fakes, w): an Unrolling of D, random fakes, and random Parameters w in the form of D's.

    loss, optimizer, steps   the loss, the optimiser and the number of updates of the Unrolling
    point                    the Point with D, its weights and the real samples

    The Unrolling starts from a random state of the optimiser, in the middle of training. There are two more
    fakes than real samples. w stands for the gradient of a loss with respect to D's weights after the
    updates.
    """
    rng = point.rng("fakes")
    fake = rng.standard_normal((point.batch + 2, *point.x.shape[1:]))
    state = warm(optimizer, rng, point.p.vector.size)
    unrolling = Unrolling(point.layer, loss, optimizer, steps, state, point.context, point.context)
    return unrolling, fake, direction(point.p, rng)


def _compare(blocks, slow, point):
    """(max_error, notes) of the Blocks of an unrolling at a Point, as from `compare`; slow: every entry."""
    reproduce = f"numgan.check_unrolling(..., seed={point.seed})"
    subject = Subject(f"the unrolling of {point.subject}", reproduce, point.batch)
    return compare(blocks, subject, stream(point.seed, "check unrolling"), slow)


CHECKS = [through_the_fakes, through_the_weights]
