"""Diagnosis by experiment: under which condition does a wrong pass become right?

A wrong gradient is often a riddle. A layer that forgets to flip its kernel gives numbers that look like
noise. But if the kernel equals its own flip, the gradient is right. So the failed check is repeated at new
points that have a special property each: a batch of one, a symmetric W, a dy with mean 0. An observation is
reported only if it was made: the check failed at an ordinary new point and passed at the special point. The
cause is named only if the special points of one cause alone pass.
"""

import copy
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..core.errors import GradientError
from ..core.randomness import stream
from ..layers import Pass
from .arrays import flat, mapped, real
from .report import BadPoint, failure

LARGE = 20_000  # no experiments with more entries of x and parameters: they would take long
TRIED = 4  # the number of random points of one experiment, of which two must pass


# (real samples, fakes, condition, cause) of the experiments with a system
NUMBERS = [
    (4, 4, "for as many fakes as real samples", "the two numbers of samples are exchanged"),
    (
        1,
        3,
        "for one real sample",
        "the sum over the real samples: it is missing, or a sum and a mean are confused",
    ),
    (5, 1, "for one fake", "the sum over the fakes: it is missing, or a sum and a mean are confused"),
]


@dataclass(frozen=True)
class Experiment:
    """A condition under which a wrong pass may become right.

    condition   the words of the condition, which follow "right "
    cause       what is wrong if the pass is right under this condition only; "": nothing is known
    change      a function (point, rng) that changes arrays of the Point (layer and arrays) before forward
                runs again. It returns False if the condition does not apply to the layer. None: no change
    upstream    such a function that changes dy after forward has run
    """

    condition: str
    cause: str
    change: object = None
    upstream: object = None


def explained(error, point, check, means=True):
    """Make a GradientError: the message of `error` and the conditions under which the check passes.

    error   the GradientError of the failed check
    point   the Point (a layer with its arrays) at which the check failed
    check   a function of a Point, which raises GradientError for a wrong pass
    means   whether conditions of the mean of dy are tried; they say nothing about the gradient of a bias

    Returns `error` itself if no such condition was found.
    """
    text = observations(point, check, means)
    return failure(f"{error}\n{text}", getattr(error, "max_error", float("inf"))) if text else error


def observations(point, check, means=True):
    """The text about the conditions under which a failed check passes; "" if there are none.

    point   the Point (a layer with its arrays) at which the check failed. Changed copies of it are tried
    check   a function of a Point, which raises GradientError for a wrong pass
    means   whether conditions of the mean of dy are tried; they say nothing about the gradient of a bias
    """
    if point.p.vector.size + sum(np.size(array) for array in _arrays(point.x)) > LARGE:
        return ""
    if _passes(point, check, Experiment("", "")) is not False:
        return ""  # the check fails at this one point only: nothing can be compared
    for experiments in (ON_SIZE, ON_ARGUMENTS, ON_DY, *(ON_MEANS if means else ())):
        made = [experiment for experiment in experiments if _passes(point, check, experiment, alive=means)]
        if made:
            break
    lines = [f"  observed:   right {experiment.condition}, wrong at a random point" for experiment in made]
    if len(made) == 1 and made[0].cause:
        lines.append(f"  cause:      {made[0].cause}")
    return "\n".join(lines)


def explained_by_numbers(error, check):
    """Make a GradientError with the message of `error` and the numbers of samples for which the check passes.

    error   the GradientError about the gradient of an objective
    check   check(real=..., fake=...) repeats the check with these numbers of real samples and of fakes
    """
    observed = []
    for rows, fakes, condition, cause in NUMBERS:
        try:
            check(real=rows, fake=fakes)
            observed.append((condition, cause))
        except (GradientError, ValueError, ArithmeticError):
            continue  # wrong here too, or the system does not take these numbers
    lines = [
        f"  observed:   right {condition}, wrong for the numbers of this check" for condition, _ in observed
    ]
    if len(observed) == 1:
        lines.append(f"  cause:      {observed[0][1]}")
    return failure("\n".join([str(error), *lines]), getattr(error, "max_error", float("inf")))


def _arrays(x):
    return x if isinstance(x, tuple) else (x,)


def _passes(point, check, experiment, alive=False):
    """Whether the check passes under the condition of an Experiment, at two new random points.

    point        the Point (a layer with its arrays) at which the check failed
    check        a function of a Point, which raises GradientError for a wrong pass
    experiment   the Experiment: the condition, and how it changes the arrays of a Point
    alive        whether dx must not vanish. BatchNorm of one sample has the gradient zero, and many wrong
                 passes have it too, so it shows nothing

    Returns None if the condition does not apply to the layer, or if the check cannot decide.
    """
    passed = 0
    for attempt in range(TRIED):
        rng = stream(point.seed, "experiment", experiment.condition, attempt)
        try:
            with np.errstate(all="ignore"):
                other = _changed(point, experiment, rng)
                if other is None:
                    return None
                check(other)
            if alive and _vanishes(other, point):
                return None
            passed += 1
        except BadPoint:
            continue
        except GradientError:
            return False
        except Exception:  # the pass does not take such arrays, so there is no observation
            return None
        if passed == 2:
            return True
    return None


def _vanishes(point, ordinary):
    """Whether the gradient with respect to x is zero at `point`, and is not at the Point `ordinary`.

    Zero: its largest entry is at most 1e-10 of that at `ordinary`.
    """
    here, there = (np.abs(flat(at.gradients[0], like=at.x)).max(initial=0) for at in (point, ordinary))
    return here <= 1e-10 * there > 0


def _changed(point, experiment, rng):
    """A copy of the Point `point` with new random arrays that fulfil the condition of `experiment`.

    Returns None if the condition does not apply to the layer. rng draws the arrays: trained parameters get
    random signs and factors from 0.5 to 1.5, and the entries of x are permuted, before the changes.
    """
    other = copy.copy(point)
    other.__dict__.pop("gradients", None)
    other.p = point.p.copy()
    for name in other.p:
        if name not in other.p.layout.held:
            other.p[name][...] = (
                point.p[name]
                * rng.choice([-1, 1], other.p[name].shape)
                * rng.uniform(0.5, 1.5, other.p[name].shape)
            )
    other.x = mapped(lambda a: rng.permutation(a.ravel()).reshape(a.shape) if real(a) else a, point.x)
    if experiment.change and not experiment.change(other, rng):
        return None
    other.y, other.cache = other.forward()
    other.batch = len(_arrays(other.x)[0])
    draw = partial(mapped, lambda a: rng.standard_normal(a.shape) if real(a) else None)
    other.dy, other.tdy, other.tx = draw(other.y), draw(other.y), draw(other.x)
    if experiment.upstream and not experiment.upstream(other, rng):
        return None
    return other


# ---- changes of x and of the parameters. Each is a function (point, rng): it changes the Point in place, and
# returns whether the condition applies to it.


def _one_sample(point, rng):
    """Keep the first sample of x."""
    point.x = mapped(lambda a: a[:1], point.x)
    return point.batch > 1


def _one_step(point, rng):
    """Keep the first step of time of x (N, T, C)."""
    if isinstance(point.x, tuple) or point.x.ndim != 3 or point.x.shape[1] < 2:
        return False
    point.x = point.x[:, :1]
    return True


def _square(point, rng):
    """Crop pictures x (N, H, W, C) with H != W to a square."""
    if isinstance(point.x, tuple) or point.x.ndim != 4 or point.x.shape[1] == point.x.shape[2]:
        return False
    side = min(point.x.shape[1:3])
    point.x = point.x[:, :side, :side].copy()
    return True


def _on_parameters(condition, change):
    """Make a function (point, rng) that changes some trained parameters of a Point, in place.

    condition   condition(array) says whether a parameter is changed
    change      change(array) returns the new values

    The function returns True if it changed a parameter, False if no parameter fulfils the condition.
    """

    def apply(point, rng):
        names = [n for n in point.p if n not in point.p.layout.held and condition(point.p[n])]
        for name in names:
            point.p[name][...] = change(point.p[name].copy())
        return bool(names)

    return apply


def _is_kernel(a):
    return a.ndim > 2 and max(a.shape[:-2]) > 1


def _flip_sum(a):
    """a plus its flip along all axes but the last two: a kernel that equals its own flip."""
    axes = tuple(range(a.ndim - 2))
    return a + np.flip(a, axes)


def _is_square(a):
    return a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1


def _sided(sign):
    """A change that gives all entries of x the sign 1 or -1."""

    def apply(point, rng):
        point.x = mapped(lambda a: sign * np.abs(a) if real(a) else a, point.x)
        return any(real(a) for a in _arrays(point.x))

    return apply


def _all_positive(point, rng):
    """Make x and all parameters positive."""
    point.p.vector[...] = np.abs(point.p.vector)
    return len(point.p) > 0 and _sided(1)(point, rng)


def _equal_inputs(point, rng):
    """Replace all inputs of x, a tuple of arrays of one shape, by the first."""
    first, *others = _arrays(point.x)
    if not others or any(np.shape(a) != np.shape(first) for a in others):
        return False
    point.x = (first,) * len(point.x)
    return True


def _near_zero(point, rng):
    """Multiply x and the trained parameters by 1e-4."""
    for name in point.p:
        if name not in point.p.layout.held:
            point.p[name][...] *= 1e-4
    point.x = mapped(lambda a: 1e-4 * a if real(a) else a, point.x)
    return True


def _without_noise(point, rng):
    """Remove the seed from the context, so that layers draw no random numbers."""
    applies, point.context = point.context.seed is not None, Pass(measured=point.context.measured)
    return applies


def _along_dy_alone(point, rng):
    point.moving = ("tdy",)
    return True


# ---- changes of dy


def _small(point, rng):
    point.dy, point.tdy = (mapped(lambda a: a if a is None else 1e-3 * a, d) for d in (point.dy, point.tdy))
    return True


def _ones(point, rng):
    point.dy = mapped(lambda a: np.ones_like(a) if real(a) else None, point.y)
    return True


def _no_border(point, rng):
    """Set the border rows and columns of dy and tdy (N, H, W, C) to 0."""
    if isinstance(point.dy, tuple) or point.dy.ndim != 4 or min(point.dy.shape[1:3]) < 3:
        return False
    inside = np.zeros(point.dy.shape)
    inside[:, 1:-1, 1:-1] = 1
    point.dy = point.dy * inside
    point.tdy = point.tdy * inside
    return True


def _projected(axes, centred, orthogonal):
    """Make a function (point, rng) that changes dy and tdy of a Point: mean 0, or orthogonal to y, or both.

    axes         axes(number of axes of y) returns the axes of the means
    centred      True: dy gets the mean 0 over these axes. False: dy keeps its mean. None: dy and y keep their
                 means, as for a norm without a mean
    orthogonal   True: dy becomes orthogonal to y - mean(y) over these axes

    The function returns whether it applies: y must be one array with at least 4 entries along the axes.
    The change `_gains_are_one` runs before this one, so dy is also the derivative with respect to the
    normalised values.
    """

    def apply(point, rng):
        if isinstance(point.y, tuple) or point.y.ndim < 2:
            return False
        over = axes(point.y.ndim)
        # of fewer than 4 entries, too little is left after the mean and the part along y are taken away
        if not over or np.prod([point.y.shape[axis] for axis in over]) < 4:
            return False
        y = point.y if centred is None else point.y - point.y.mean(axis=over, keepdims=True)
        for name in ("dy", "tdy"):
            d = getattr(point, name)
            mean = 0 if centred is None else d.mean(axis=over, keepdims=True)
            d = d - mean
            if orthogonal:
                # d - y <d, y> / <y, y>
                d = d - y * (d * y).sum(axis=over, keepdims=True) / (y * y).sum(axis=over, keepdims=True)
            setattr(point, name, d if centred else d + mean)  # False: the mean comes back
        return True

    return apply


_gains_are_one = _on_parameters(lambda a: a.ndim == 1, np.ones_like)


def _or_none(point, rng):
    _gains_are_one(point, rng)
    return True


# Larger sets of axes come first: a dy with mean 0 over a part of them has mean 0 over all of them, too.
AXES = {
    "each sample": lambda n: tuple(range(1, n)) if n > 2 else (),
    "the batch": lambda n: tuple(range(n - 1)),
    "the last axis": lambda n: (n - 1,),
    "the picture of each channel": lambda n: tuple(range(1, n - 1)),
}

# The conditions of x, the parameters and the context.
ON_ARGUMENTS = [
    Experiment(
        "for a batch of one",
        "the sum over the batch: it is missing, or a sum and a mean are confused, or samples are mixed",
        _one_sample,
    ),
    Experiment(
        "for a sequence of one step", "the gradient does not pass through the steps of time", _one_step
    ),
    Experiment("for a square picture", "height and width are exchanged", _square),
    Experiment(
        "if the kernel equals its own flip",
        "the kernel is not flipped, or is flipped where it must not be",
        _on_parameters(_is_kernel, _flip_sum),
    ),
    Experiment(
        "if the last two axes of each square parameter can be exchanged (W = W')",
        "a transpose is missing, or there is one too many",
        _on_parameters(_is_square, lambda a: a + np.swapaxes(a, -1, -2)),
    ),
    Experiment(
        "if x and the parameters are positive",
        "a mask is missing: the pass is right where all units are on",
        _all_positive,
    ),
    Experiment("if all inputs are equal", "the inputs or their gradients are exchanged", _equal_inputs),
    Experiment(
        "if x and the parameters are near 0",
        "the derivative of a nonlinearity is missing: it is 1 at 0",
        _near_zero,
    ),
    Experiment("if x is positive", "the pass is wrong for negative x", _sided(1)),
    Experiment("if x is negative", "the pass is wrong for positive x", _sided(-1)),
    Experiment(
        "if parameters with one axis (gain) are one",
        "a parameter with one axis, such as a gain or a bias: it is missing, is there once too often, or "
        "acts along a wrong axis",
        _gains_are_one,
    ),
    Experiment(
        "without random numbers, for Pass()",
        "the backward pass does not use the mask, its scale or the noise as the forward pass does",
        _without_noise,
    ),
    Experiment(
        "if dy alone moves (along tdy)",
        "a term with the change of x or of the parameters; for an elementwise function this is f''",
        _along_dy_alone,
    ),
]

ON_SIZE = [
    Experiment("if dy is small", "the gradient is not linear in dy: it is clipped or rounded", None, _small)
]

ON_DY = [
    Experiment("if dy is 1 everywhere", "dy is not used, or is summed before it is multiplied", None, _ones),
    Experiment("if dy is zero at the border", "the border: padding, or a crop", None, _no_border),
]

# These conditions are tried one after the other, up to the first that helps.
ON_MEANS = [
    [Experiment(f"if dy {words} over {place} and gains are one", cause, _or_none, _projected(axes, c, o))]
    for words, cause, c, o in (
        ("has mean 0", "the term with the mean of dy is missing, or has a wrong factor", True, False),
        (
            "is orthogonal to y - mean y",
            "the term through the variance is missing, or has a wrong factor",
            False,
            True,
        ),
        (
            "is orthogonal to y",
            "the sum or norm that divides is treated as a constant, or its term has a wrong factor",
            None,
            True,
        ),
        (
            "has mean 0 and is orthogonal to y",
            "the mean and the variance are treated as constants, or have a wrong factor",
            True,
            True,
        ),
    )
    for place, axes in AXES.items()
]
