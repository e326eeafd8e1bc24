"""check_penalty: checks a penalty on the gradient g = dD(x) / dx of a critic D, and its derivatives.

Two derivatives are checked: that with respect to g, and that with respect to the weights phi of D. The second
one is of second order, because g itself is a gradient. There are two kinds of penalties, by their arguments:

    penalty(D, phi, x, context)                      has the method of(g) -> (value, v)
    penalty(D, phi, real, fake, context, context)    has the methods on_real(g, y) -> (value, v, u) and
                                                     on_fake(g, y) -> (value, v, u)

y are the logits D(x), v = d value / dg and u = d value / dy.
"""

from functools import partial

from ..core.parameters import whole_gradient
from ..core.randomness import stream
from ..core.underflow import may_underflow
from .differences import argument_block, compare, parameter_blocks
from .points import Case, Point, outcomes
from .report import AllZero, Subject


@may_underflow
def check_penalty(penalty, D, x=None, *, context=None, batch=3, slow=True, seed=0):
    """Check the derivatives of a penalty on a critic D and return a Report.

        numgan.check_penalty(GradientPenalty(10.0), D, x=(28, 28, 1), slow=False)

    penalty  the object under test
    D        the critic, a layer; its weights are drawn at random
    x        a shape without the batch axis, or the samples themselves; None: guessed from D
    context  the Pass; None: a Pass with a seed
    batch    the number of samples, if x is not an array
    slow     compare every entry of every parameter; False: a few random projections of each parameter

    Raises GradientError if a derivative is wrong.
    """
    case = Case(D, x, context, batch)
    return outcomes(f"{penalty!r} on {case.title}", partial(Point, case, seed), CHECKS, penalty, slow)


def derivative_in_g(penalty, slow, point):
    """Check the derivatives of a penalty with respect to random input gradients g and random logits y.

    The derivatives are v = d penalty / dg and, for a penalty with the methods `on_real` and `on_fake`, also u
    = d penalty / dy. Returns (largest relative error, notes).

    penalty   the object under test
    slow      compare every entry; False: random projections
    point     a Point, which gives the shapes of g and y. Its network D is not used

    Raises GradientError if a derivative is wrong.
    """
    g, y = point.rng("g").standard_normal(point.x.shape), point.rng("logits").standard_normal(point.y.shape)
    if _takes_fakes(penalty):
        at = (g, y)
        functions = {" on real": penalty.on_real, " on fake": penalty.on_fake}
    else:
        at = (g,)
        functions = {"": penalty.of}
    blocks = [
        argument_block(f"derivative in {'gy'[i]}{name}", derivative, f, at, i)
        for name, f in functions.items()
        for i, derivative in enumerate(f(*at)[1:])
    ]
    return _compare(penalty, blocks, slow, point)


def _takes_fakes(penalty):
    """Whether a penalty is a function of real samples and of fakes: whether it has the attribute on_fake."""
    return hasattr(penalty, "on_fake")


def gradient_in_weights(penalty, slow, point):
    """Check the gradient of penalty + <dy, D(x)> with respect to the weights of the critic D.

    Returns (largest relative error, notes). The second term is a linear loss. Without this term, the gradient
    with respect to the biases of a piecewise-linear critic would be zero, and nothing would be compared.

    penalty   the object under test
    slow      compare every entry; False: random projections
    point     a Point with D, its weights, x and a random constant dy

    Raises AllZero if the gradient of the penalty is zero, and GradientError if a gradient is wrong.
    """
    D = point.layer
    p = point.p
    x = point.x
    at = (x, point.context)
    if _takes_fakes(penalty):  # two more fakes than real samples: an exchange of the two is then detected
        fake = point.rng("fake").standard_normal((len(x) + 2, *x.shape[1:]))
        at = (x, fake, point.context, point.context)
    _, gradient = penalty(D, p, *at)
    if not gradient.vector.any():
        raise AllZero(
            f"{point.subject}: the gradient of {penalty!r} is zero at this point; nothing was compared"
        )
    gradient += whole_gradient(D.backward(point.dy, point.cache)[1], p)

    def value(q):
        return penalty(D, q, *at)[0] + point.weighted(x, q).sum()

    return _compare(penalty, parameter_blocks(p, gradient, value, point.subject), slow, point)


def _compare(penalty, blocks, slow, point):
    """(max_error, notes) of the Blocks of a penalty at a Point, as from `compare`; slow: every entry."""
    reproduce = f"numgan.check_penalty(penalty, D, x, seed={point.seed})"
    subject = Subject(f"{penalty!r} on {point.subject}", reproduce, point.batch)
    return compare(blocks, subject, stream(point.seed, "check penalty"), slow)


CHECKS = [derivative_in_g, gradient_in_weights]
