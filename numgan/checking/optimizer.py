"""check_optimizer: checks the two other methods of an optimiser against its method `step`.

`adjoint` must be the transpose of the derivative of `step`. `update` must give the same bits as `step`.
"""

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from .arrays import copied, same
from .differences import Block, compare
from .report import Report, Subject, failure

_MANY = (1 << 17) + 7  # so many entries that a kernel divides them among several threads


@may_underflow
def check_optimizer(optimizer, *, slow=True, seed=0, size=11, step=3):
    """Check an optimiser in the middle of training (moments not zero, step > 0) and return a Report.

    `adjoint` is compared with difference quotients of

        f(p, g, moments) = <dp1, p1> + <dmoments1, moments1>

    where p are parameters, g is their gradient, p1 and moments1 are the results of optimizer.step(p, g,
    moments), and dp1 and dmoments1 are random and constant. `update` is compared with `step` bit for bit.

    slow   compare every entry; False: a few random projections
    size   the number of parameters
    step   the number of earlier steps

    Raises GradientError if a comparison fails, or if `step`, `update` or `adjoint` writes to an array that it
    must only read. seed gives all random numbers.
    """
    rng, subject, report = stream(seed, "check optimizer"), repr(optimizer), Report(repr(optimizer))
    report.add("update is step", _bits(optimizer, rng, subject, step))
    p, g, state = _draw(optimizer, rng, size, step)
    p1, state1, cache = optimizer.step(p, g, state)
    dp1 = rng.standard_normal(size)
    dmoments1 = {name: rng.standard_normal(size) for name in optimizer.moments}
    before = copied((p, g, state, p1))
    dp, dg, dmoments = optimizer.adjoint(dp1, dmoments1, cache)
    if not same(before, (p, g, state, p1)):
        raise failure(f"{subject}: adjoint writes to its arguments or to the cache")
    inputs = {"p": p, "g": g} | state

    def block(name, analytic):
        def value(offset):
            moved = inputs | {name: inputs[name] + offset}
            q1, moments1, _ = optimizer.step(moved.pop("p"), moved.pop("g"), moved)
            return np.concatenate([dp1 * q1, *(d * moments1[key] for key, d in dmoments1.items())])

        return Block(f"adjoint of {name}", np.asarray(analytic), value)

    gradients = {"p": dp, "g": dg} | {name: dmoments[name] for name in optimizer.moments}
    blocks = [block(name, analytic) for name, analytic in gradients.items()]
    about = Subject(subject, f"numgan.check_optimizer({subject}, seed={seed})")
    report.add("adjoint", *compare(blocks, about, rng, slow))
    return report


def _draw(optimizer, rng, size, step):
    """(p, g, state): random parameters, a random gradient, and a random state of an optimiser.

    size   the number of parameters: p and g are vectors (size,)
    step   the number of earlier steps in the state, which `warm` makes
    rng    draws the numbers

    If the optimiser clips weights, p is multiplied by the bound, so that some entries lie beyond the bound.
    optimizer is the optimiser under test.
    """
    return (
        rng.standard_normal(size) * (optimizer.clip or 1.0),
        rng.standard_normal(size),
        warm(optimizer, rng, size, step),
    )


def warm(optimizer, rng, size, step=3):
    """A random state of an optimiser, as in the middle of training, a dict.

    It is {"step": step, name of each moment: vector (size,)}. No moment is zero. The second moment "v" is
    positive. rng draws the numbers, size is the number of parameters. optimizer is the optimiser.
    """
    return {"step": step} | {
        name: rng.random(size) + 0.1 if name == "v" else rng.standard_normal(size)
        for name in optimizer.moments
    }


def _bits(optimizer, rng, subject, step):
    """Raise GradientError unless `update` and `step` of an optimiser give equal bits, in float64 and float32.

    rng       draws the parameters, the gradient and the state
    subject   the text that begins messages
    step      the number of earlier steps in the state

    Also check that `step` does not write to its arguments, keeps the dtype, and counts to step + 1, and that
    `update` does not write to the gradient. The vectors are so long that a kernel uses several threads.
    optimizer is the optimiser under test.
    """
    for dtype in (np.float64, np.float32):
        p, g, state = _draw(optimizer, rng, _MANY, step)
        p, g, state = (
            p.astype(dtype),
            g.astype(dtype),
            {name: value if name == "step" else value.astype(dtype) for name, value in state.items()},
        )
        before = _, old_g, _ = copied((p, g, state))
        p1, state1, _ = optimizer.step(p, g, state)
        if not same(before, (p, g, state)):
            raise failure(f"{subject}: step changes p, g or state; it must return new ones")
        optimizer.update(p, g, state)
        if not same(old_g, g):
            raise failure(f"{subject}: update writes to g")
        if not same((p, state), (p1, state1)):
            raise failure(f"{subject}: update and step give different bits in {np.dtype(dtype)}")
        if p1.dtype != dtype or state1["step"] != step + 1:
            raise failure(
                f"{subject}: step must keep {np.dtype(dtype)} and count to {step + 1}, "
                f"got {p1.dtype} and {state1['step']}"
            )
