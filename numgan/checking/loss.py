"""check_loss: the derivatives of a loss and their tangents.

Adversarial and relativistic losses are functions of real and fake logits, other losses of (y, target).
"""

from functools import partial

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..losses import AdversarialLoss, RelativisticLoss, RelativisticPaired, SoftmaxCrossEntropy
from .differences import Block, compare, compare_outputs
from .points import at_points
from .report import Report


@may_underflow
def check_loss(loss, target=None, *, slow=True, seed=0):
    """Check every derivative of a loss and its tangent, and return a Report.

    Raises GradientError if one is wrong.

    An AdversarialLoss or RelativisticLoss is called with real and fake logits, each of shape (n, 1). The two
    numbers n differ, except for a loss that compares real and fake samples in pairs. Any other loss is called
    as loss(y, target) -> (value, dy). Without `target`, a random one is drawn. The tangents of such a loss
    are checked if it has a method `tangent`.
    """
    report = Report(repr(loss))
    for label, draw, derivative, tangent, skipped in _curves(loss, target):
        logits = lambda attempt: draw(stream(seed, "check loss", label, "logits", attempt))
        rng = partial(stream, seed, "check loss", label)
        report.add(
            f"{label}derivative",
            *at_points(
                logits, lambda at: _derivative(loss, at, derivative, skipped, rng("directions"), slow, seed)
            ),
        )
        if tangent:
            report.add(
                f"{label}tangent",
                at_points(
                    logits, lambda at: _tangent(loss, at, derivative, tangent, rng("directions"), seed)
                ),
            )
    return report


def _curves(loss, target):
    """A list of (label, draw, derivative, tangent, skipped), one tuple for each function of the loss.

    draw(rng)                      -> tuple of logits
    derivative(*logits)            -> (value, *derivatives)
    tangent(logits, directions)    -> tuple of tangents, or tangent is None
    skipped                        the number of leading logits without a derivative: 1 for the generator of a
                                   relativistic loss, which has no derivative in the real logits
    """
    if isinstance(loss, (AdversarialLoss, RelativisticLoss)):
        logits = lambda rng, n: 2 * rng.standard_normal((n, 1))
        both = lambda rng: (logits(rng, 5 if isinstance(loss, RelativisticPaired) else 7), logits(rng, 5))
        relative = isinstance(loss, RelativisticLoss)
        return [
            (
                "discriminator ",
                both,
                loss.discriminator,
                lambda at, t: loss.discriminator_tangent(*at, *t),
                0,
            ),
            (
                "generator ",
                both if relative else lambda rng: (logits(rng, 5),),
                loss.generator,
                lambda at, t: (loss.generator_tangent(*at, *t),),
                int(relative),
            ),
        ]
    if target is None:
        target = (
            np.array([4, 0, 2, 2, 1])
            if isinstance(loss, SoftmaxCrossEntropy)
            else stream(0, "target").standard_normal((5, 3))
        )
    shape = (len(target), 5) if np.issubdtype(target.dtype, np.integer) else target.shape
    tangent = (lambda at, t: (loss.tangent(*at, *t, target),)) if hasattr(loss, "tangent") else None
    return [("", lambda rng: (rng.standard_normal(shape),), lambda y: loss(y, target), tangent, 0)]


def _derivative(loss, at, derivative, skipped, rng, slow, seed):
    _, *gradients = derivative(*at)
    blocks = [
        Block(
            f"derivative for input {i}",
            np.asarray(gradient),
            lambda offset, i=i: np.array(
                [derivative(*(a + offset if i == j else a for j, a in enumerate(at)))[0]]
            ),
        )
        for i, gradient in enumerate(gradients, skipped)
    ]
    error, notes = compare(
        blocks, np.ones(1), repr(loss), f"numgan.check_loss({loss!r}, seed={seed})", rng, slow, len(at[0])
    )
    return error, "; ".join(notes)


def _tangent(loss, at, derivative, tangent, rng, seed):
    directions = [rng.standard_normal(a.shape) for a in at]
    named = {f"tangent of derivative {i}": np.asarray(t) for i, t in enumerate(tangent(at, directions))}

    def along(t):
        return np.concatenate(
            [np.ravel(d) for d in derivative(*(a + t * u for a, u in zip(at, directions)))[1:]]
        )

    return compare_outputs(named, along, repr(loss), f"numgan.check_loss({loss!r}, seed={seed})", len(at[0]))
