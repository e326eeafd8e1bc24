"""The arguments `frozen` and `need_dx` of the backward passes, and what a frozen pass computes.

A frozen pass must not compute a weight gradient, also not one that it then throws away. Kernels of the
library are counted by name. Plain NumPy is watched by a Watch (`watching.py`): an array with the numbers of a
weight gradient is suspect. It is innocent if dx is computed from it, as in BatchNorm, where dx needs the sums
that are also the gradients of gain and bias. So the pass runs once more, and the suspect array gets other
numbers as soon as it exists. If dx keeps its bits, dx does not need the array: it is a weight gradient that
was computed for nothing.
"""

from functools import partial

import numpy as np

from .. import _kernels as kernels
from ..core.errors import GradientError
from .arrays import copied, leaves, mapped, moved, normal, same
from .report import failure
from .watching import Watch, recording

SUSPECTS = 30  # variables of one pass that are tried


def backward_of(point, name):
    """(run, prefix): a function that runs a backward pass of the layer, and the prefix of its results' names.

    point    the Point: the layer with the arrays of the pass
    name     the pass, "backward" or "tangent_backward"
    run      run(frozen=..., need_dx=...) returns (dx, dp), or (tdx, tdp) for "tangent_backward"
    prefix   "" for "backward", "t" for "tangent_backward"
    """
    if name == "backward":
        return partial(point.run, "backward", point.dy, point.cache), ""
    _, tcache = point.run("tangent_forward", point.tx, point.cache, point.tp)
    return partial(point.run, "tangent_backward", point.dy, point.tdy, point.cache, tcache), "t"


def frozen_same_dx(point, name="backward"):
    """Check that a backward pass with frozen=True returns dp = None, and the same dx as with frozen=False.

    point is a Point, a layer with its arrays. The bits of dx must be equal. name is the pass, "backward" or
    "tangent_backward" (its results are called tdx and tdp). Raises GradientError if the layer fails.
    """
    backward, t = backward_of(point, name)
    dx, dp = backward(frozen=True)
    if dp is not None:
        raise failure(
            f"{point.subject}: {name}(frozen=True) must return {t}dp = None, got {type(dp).__name__}"
        )
    if not same(copied(dx), backward()[0]):
        raise failure(
            f"{point.subject}: {name}(frozen=True) must return the same {t}dx; it must not depend on `frozen`"
        )


def need_dx(point, name="backward"):
    """Check that a backward pass with need_dx=False returns dx = None, and the same dp as with need_dx=True.

    point is a Point, a layer with its arrays. The bits of dp must be equal. name is the pass, "backward" or
    "tangent_backward" (its results are called tdx and tdp). Raises GradientError if the layer fails.
    """
    backward, t = backward_of(point, name)
    dx, dp = backward(need_dx=False)
    if any(d is not None for _, d in leaves(dx)):
        raise failure(f"{point.subject}: {name}(need_dx=False) must return {t}dx = None")
    if not same(point.vector(dp).vector, point.vector(backward()[1]).vector):
        raise failure(f"{point.subject}: {name}(need_dx=False) gives another {t}dp")


def frozen_no_weight_gradient(point, name="backward"):
    """Check that a backward pass with frozen=True computes no weight gradient, with a kernel or without.

    point is a Point, a layer with its arrays. name is the pass, "backward" or "tangent_backward". Returns
    None, or (None, note) if the pass cannot be watched; the note begins with "not seen". Raises GradientError
    if the layer fails.
    """
    backward, t = backward_of(point, name)
    with kernels.kernel_calls() as calls:
        backward(frozen=True)
    ran = [kernel for kernel in calls if kernel.endswith("weight_gradient")]
    if ran:
        raise failure(
            f"{point.subject}: {name}(frozen=True) runs {', '.join(ran)}; compute dp only if not frozen"
        )
    if not len(point.p):
        return None
    run, targets, given = _fresh(point, name)
    watching = partial(Watch, run, targets, given, point.batch, _can_record(run))
    watch = watching()
    note = watch.note
    if watch.met and point.layer.children and all(d is None for _, d in leaves(watch.dx)):
        note = "x has no gradient, so nothing shows what the layers inside need"
    if note:
        return None, f"not seen: {note}"
    if watch.met:
        try:
            _search(f"{point.subject}: {name}(frozen=True)", f"{t}dx", run, watching)
        except GradientError:
            if not point.layer.children or not point.fresh or _needless_elsewhere(point, name):
                raise
    return None


def _needless_elsewhere(point, name):
    """Whether the frozen pass of a network computes a needless weight gradient at three other Points too.

    point is the Point at which it does, name the pass. Where units are dead, dx needs less than elsewhere.
    """
    for k in (1, 2, 3):
        other = point.elsewhere(k)
        run, targets, given = _fresh(other, name)
        try:
            _search("", "", run, partial(Watch, run, targets, given, other.batch, _can_record(run)))
        except GradientError:
            continue
        return False
    return True


def _fresh(point, name):
    """(run, targets, given): a frozen backward pass with a new dy, and what is needed to watch this pass.

    point     the Point: the layer with its arrays
    name      the pass, "backward" or "tangent_backward"
    run       run(kind) runs the pass and returns dx. dy is given as arrays of the class `kind`
    targets   {path of a parameter: weight gradient}: what the pass must not compute. A weight gradient is
              linear in dy, so it is the sum of those for two other dy. No earlier pass left an array with
              these numbers in memory
    given     all arguments of the pass, and all other arrays of the Point
    """
    rng, tcache = point.rng("frozen"), None
    names = ("y",) if name == "backward" else ("y", "y")  # dy, or dy and tdy
    one, two = ([normal(rng, point.y) for _ in names] for _ in range(2))
    if name == "backward":
        rest = (point.cache,)
    else:
        _, tcache = point.run("tangent_forward", point.tx, point.cache, point.tp)
        rest = (point.cache, tcache)
    # the weight gradients (dp or tdp, the second result) for the two dy
    parts = [point.vector(point.run(name, *dys, *rest)[1], name) for dys in (one, two)]
    both = [moved(a, b, 1.0) for a, b in zip(one, two)]
    targets = {path: parts[0][path] + parts[1][path] for path in parts[0]}

    def run(kind=np.ndarray):
        dys = [mapped(lambda a: a if a is None else a.view(kind), dy) for dy in both]
        return point.run(name, *dys, *rest, frozen=True)[0]

    given = (point.p, point.x, point.dy, point.tdy, point.tx, point.tp, point.y, *both, *rest)
    return run, {path: target for path, target in targets.items() if target.any()}, given


def _can_record(run):
    """Whether a backward pass accepts a dy of a class that records what NumPy computes from it.

    run(kind) runs the pass with dy as arrays of the class `kind`. A pass that calls a kernel does not accept
    such a dy.
    """
    try:
        return _equal(run(), run(recording(lambda array, operation: array)))
    except Exception:
        return False


def _equal(one, two):
    """Whether two results dx are equal in structure, shapes, dtypes and values, without any tolerance.

    0.0 equals -0.0, and nan equals nan. An array of a class that records operations counts as a plain array.
    one and two are arrays, None, or tuples of these.
    """
    plain = partial(mapped, lambda a: a if a is None else np.array(a))
    return same(plain(one), plain(two))


def _search(subject, dx, run, watching):
    """Raise GradientError if a frozen pass computes a weight gradient that dx does not need.

    subject    the beginning of the message
    dx         the name of the result, "dx" or "tdx"
    run        run() runs the pass and returns dx
    watching   watching(innocent, changes=True) runs the pass with a Watch, which changes the numbers of a
               suspect array, and returns the Watch

    If dx keeps its bits although the array got other numbers, dx does not need this array.
    """
    expected, innocent = copied(run()), set()
    for _ in range(SUSPECTS):
        watch = watching(innocent, changes=True)
        if watch.found is None:
            return
        variable, path, line = watch.found
        if watch.kept and _equal(expected, watch.dx):
            raise failure(
                f"{subject} computes the gradient of {path} and throws it away ({variable} in line {line}; "
                f"{dx} does not depend on it); compute dp only if not frozen"
            )
        innocent.add(watch.key)
