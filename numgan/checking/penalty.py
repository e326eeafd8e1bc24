"""check_penalty: a penalty on the input gradient g of a critic D, to second order.

Its derivative in g is checked, and its gradient in the weights of D, which is of second order because g is a
gradient itself. There are two kinds of penalties:

    penalty(D, phi, x, context)                        with the method of(g) -> (value, v)
    penalty(D, phi, real, fake, context, context)      with the methods on_real(g, y) and on_fake(g, y) ->
                                                       (value, v, u)

y are the logits, v = d value / dg and u = d value / dy.
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
    """Check a penalty on a critic D and return a Report. Raises GradientError if a derivative is wrong.

        numgan.check_penalty(GradientPenalty(10.0), D, x=(28, 28, 1), slow=False)

    x      a shape without the batch, or the samples themselves
    slow   compare every entry of every parameter; False: a few random projections of each parameter
    """
    case = Case(D, x, context, batch)
    return outcomes(f"{penalty!r} on {case.title}", partial(Point, case, seed), CHECKS, penalty, slow)


def derivative_in_g(penalty, slow, point):
    """v = d penalty / dg at a random g, and u = d penalty / dy at random logits y. The critic is not used."""
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
    return hasattr(penalty, "on_fake")


def gradient_in_weights(penalty, slow, point):
    """d (penalty + <dy, D(x)>) / d phi.

    The second term is a linear loss. Without it, the gradient in the biases of a piecewise-linear critic
    would be zero, and nothing would be compared.
    """
    D = point.layer
    p = point.p
    x = point.x
    at = (x, point.context)
    if _takes_fakes(penalty):  # more fake than real samples, so that an exchange of the two is detected
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
    reproduce = f"numgan.check_penalty(penalty, D, x, seed={point.seed})"
    subject = Subject(f"{penalty!r} on {point.subject}", reproduce, point.batch)
    return compare(blocks, subject, stream(point.seed, "check penalty"), slow)


CHECKS = [derivative_in_g, gradient_in_weights]
