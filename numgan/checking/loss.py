"""check_loss: the derivatives of a loss, and their tangents.

Adversarial and relativistic losses are functions of real and fake logits. Every other loss is a function of
(y, target).
"""

from functools import partial

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..losses import AdversarialLoss, RelativisticLoss, RelativisticPaired, SoftmaxCrossEntropy
from .arrays import copied, moved, normal, same
from .differences import argument_block, compare, compare_outputs
from .methods import kind
from .points import outcome
from .purity import NEAR, rough
from .report import Report, Subject, failure


@may_underflow
def check_loss(loss, target=None, *, slow=True, seed=0):
    """Check every derivative of a loss, and the tangent of every derivative. Returns a Report.

    There are two kinds of losses:

    an AdversarialLoss or RelativisticLoss   is a function of real and fake logits, each (n, 1). The two
                                             numbers n differ, unless the loss compares real and fake samples
                                             in pairs
    any other loss                           is a function loss(y, target) -> (value, dy). Its tangent is
                                             checked only if it has a method `tangent`

    target   the constant target of a loss of (y, target). None: labels (5,) for SoftmaxCrossEntropy, normal
             numbers (5, 3) otherwise
    slow     compare every entry of a derivative; False: a few random projections

    seed gives the random logits and directions. Raises GradientError if a derivative or a tangent is wrong,
    or if the loss returns no such pair, writes to its arguments, gives two results for equal arguments, or
    computes in float32.
    """
    subject = getattr(loss, "__name__", repr(loss)).replace("<lambda>", "loss")
    report = Report(subject)
    for label, draw, derivative, tangent, skipped in _functions(loss, target):
        rng = partial(stream, seed, "check loss", label)

        def make(attempt):
            return draw(rng("logits", attempt))

        _expect_pure(subject, derivative, skipped, make(0), rng("moves"))
        about = Subject(subject, f"numgan.check_loss({subject}, seed={seed})", len(make(0)[0]))
        found = outcome(make, _derivative, derivative, skipped, about, rng, slow)
        report.add(f"{label}derivative", *found)
        if tangent:
            report.add(f"{label}tangent", *outcome(make, _tangent, derivative, tangent, about, rng))
    return report


def _functions(loss, target):
    """The functions of a loss that are checked: a list of tuples (label, draw, derivative, tangent, skipped).

    label        begins the names of rows in the Report: "discriminator ", "generator ", or "" for a loss of
                 (y, target)
    draw         draw(rng) returns a tuple of random arguments: logits, or (y,)
    derivative   derivative(*arguments) returns (value, *derivatives)
    tangent      tangent(*arguments, *directions) returns a tuple of tangents, or one tangent; None if the
                 loss has no tangents
    skipped      how many of the first arguments have no derivative. It is 1 for the generator of a
                 relativistic loss, which gives no derivative with respect to the real logits; otherwise 0

    target is the target of `check_loss`: an array or None.
    """
    if isinstance(loss, (AdversarialLoss, RelativisticLoss)):
        both = (5 if isinstance(loss, RelativisticPaired) else 7, 5)
        skipped = int(isinstance(loss, RelativisticLoss))
        scored = both if skipped else both[1:]
        return [
            ("discriminator ", partial(_logits, both), loss.discriminator, loss.discriminator_tangent, 0),
            ("generator ", partial(_logits, scored), loss.generator, loss.generator_tangent, skipped),
        ]
    if target is None:
        target = (
            np.array([4, 0, 2, 2, 1])
            if isinstance(loss, SoftmaxCrossEntropy)
            else stream(0, "target").standard_normal((5, 3))
        )
    target = np.asarray(target)
    shape = (len(target), 5) if np.issubdtype(target.dtype, np.integer) else target.shape
    tangent = (lambda y, ty: loss.tangent(y, ty, target)) if hasattr(loss, "tangent") else None
    return [("", lambda rng: (rng.standard_normal(shape),), lambda y: loss(y, target), tangent, 0)]


def _logits(counts, rng):
    """A tuple of arrays of random logits (n, 1), 2 times standard normal, one for each n in `counts`."""
    return tuple(2 * rng.standard_normal((n, 1)) for n in counts)


def _expect_pure(subject, derivative, skipped, at, rng):
    """Raise GradientError if a loss is impure, computes in float32, or returns arrays of wrong shapes.

    subject      the name of the loss, for messages
    derivative   derivative(*at) returns a tuple: the value of the loss, and its derivatives with respect to
                 the arguments, without the first `skipped` ones
    at           a tuple of arrays, the arguments
    rng          draws the directions in which they move

    A loss is impure if it writes to an argument, or gives two results for equal arguments.
    """
    given = copied(at)
    result = derivative(*given)
    if not same(given, at):
        raise failure(f"{subject} writes to its argument; make a new array instead")
    if not isinstance(result, (tuple, list)) or len(result) < 2 or np.size(result[0]) != 1:
        raise failure(f"{subject} must return (value, dy), a number and its derivative, got {kind(result)}")
    for array, found in zip(at[skipped:], result[1:]):
        if np.shape(found) != array.shape:
            raise failure(f"{subject}: expected a derivative of shape {array.shape}, got {np.shape(found)}")
    directions = normal(rng, at)
    derivative(*moved(at, directions, 1.0))
    if not same(copied(result), copied(derivative(*at))):
        raise failure(
            f"{subject} gives two results for equal arguments: it draws random numbers, or keeps a value "
            "between its calls"
        )
    jump = rough(lambda k: np.ravel(derivative(*moved(at, directions, NEAR * k))[0]))
    if jump:
        raise failure(
            f"{subject} loses digits, as if it computed in float32 somewhere: if its arguments move by 1e-7, "
            f"its value jumps by {jump:.0e} of its size; keep the dtype of y"
        )


def _derivative(derivative, skipped, about, rng, slow, at):
    """Compare the derivatives of a loss with difference quotients: (max_error, notes), as `compare`.

    derivative   derivative(*at) returns a tuple: the value of the loss, and its derivatives with respect to
                 the arguments, without the first `skipped` ones
    at           a tuple of arrays, the arguments
    about        the Subject, for messages
    rng          rng(purpose) is a Generator;  slow: True to compare every entry
    """
    blocks = [
        argument_block(f"derivative for input {i}", gradient, derivative, at, i)
        for i, gradient in enumerate(derivative(*at)[1:], skipped)
    ]
    return compare(blocks, about, rng("directions"), slow)


def _tangent(derivative, tangent, about, rng, at):
    """Compare the tangents of a loss's derivatives with quotients: (max_error, notes), as `compare_outputs`.

    derivative   derivative(*at) returns a tuple: the value of the loss and its derivatives
    tangent      tangent(*at, *directions) returns the change of each derivative when the arguments `at`, a
                 tuple of arrays, move along the directions
    about        the Subject, for messages;  rng: rng(purpose) is a Generator
    """
    directions = normal(rng("directions"), at)
    tangents = tangent(*at, *directions)
    tangents = tangents if isinstance(tangents, tuple) else (tangents,)
    named = {f"tangent of derivative {i}": np.asarray(t) for i, t in enumerate(tangents)}

    def derivatives_at(t):
        return np.concatenate([np.ravel(d) for d in derivative(*moved(at, directions, t))[1:]])

    return compare_outputs(named, derivatives_at, about)
