"""check_layer: the list of checks that every layer must pass, in the library and outside it.

A check is a function of a `Point`: a layer with random parameters, input and other arguments. It returns
None, the largest relative error, or (error or None, note). It raises GradientError if the layer fails. The
lists of checks:

    FIRST_ORDER     the checks of forward and backward
    SECOND_ORDER    the checks of tangent_forward and tangent_backward; if a layer has no tangent passes, the
                    report contains the row "tangent passes: not given"
"""

from functools import partial
from itertools import combinations

import numpy as np

from ..core.errors import GradientError
from ..core.underflow import may_underflow
from ..layers import Layer
from .arrays import filled, flat, leaves, mapped, moved, real, same
from .differences import compare, compare_outputs, input_blocks, parameter_blocks
from .experiments import explained
from .frozen import frozen_no_weight_gradient, frozen_same_dx, need_dx
from .functions import compare_scaled
from .points import Case, Point, at_points
from .purity import (
    computes_in_float64,
    forms,
    other_passes,
    pure,
    pure_pass,
    repeatable,
    two_live_caches,
    weights_are_parameters,
)
from .report import AllZero, BadPoint, Report, failure, tidy, title


@may_underflow
def check_layer(layer, x=None, *, p=None, context=None, batch=3, slow=True, seed=0, tangents="if given"):
    """Check every pass of a layer or network and return a Report.

        numgan.check_layer(MyLayer(4, 3))                    the shape of x is guessed from MyLayer
        numgan.check_layer(MyLayer(), x=(8, 8, 3))           x has this shape, plus the batch axis
        numgan.check_layer(MyLayer(), x=labels)              x is this array, for example integers

    x          a shape without the batch axis, an array, or a tuple of such if the layer takes a tuple of
               arrays; None: guessed
    p          the parameters, also as a dict {name: array}; None: random ones
    context    the Pass; None: a Pass with a seed, so that dropout is on
    batch      the number of samples, if x is not an array
    slow       compare every entry with a difference quotient; False: a few random projections
    tangents   "if given": check the tangent passes if the layer has them; True: require them; False: skip
               them

    The forms of the passes, purity and precision are checked first. An array on the layer that changes y must
    be a constant: weights are parameters. A constant may be read-only to say so (array.flags.writeable).

    Raises GradientError, which names the wrong pass and the wrong array, and says under which conditions the
    pass is right (see `experiments`); TypeError if layer is no Layer; ValueError if x is None and cannot be
    guessed.
    """
    case = Case(layer, x, context, batch, p=p)
    return at_points(partial(Point, case, seed), partial(_check, slow=slow, tangents=tangents))


def _check(point, slow, tangents):
    """Run all checks of the layer of a Point and return the Report. Raises GradientError for a wrong pass.

    slow       True: compare every entry of every parameter; False: random projections
    tangents   whether the tangent passes are checked; "if given": if the layer has them
    """
    report = Report(point.subject)
    given = tangents and (tangents != "if given" or point.layer.has_tangents)
    for check in FIRST_ORDER + (SECOND_ORDER if given else []):
        run = partial(check, slow=slow) if check in SLOW else check
        try:
            report.add(title(check), *tidy(run(point)))
        except BadPoint:
            raise
        except GradientError as error:
            if check not in COMPARED:
                raise
            fast = partial(check, slow=False) if check in SLOW else check
            raise explained(error, point, fast, means=check is not parameters) from None
        except Exception as error:  # of a pass itself, such as a matmul of shapes that do not fit
            error.add_note(f"raised by a pass of {point.subject}, in the check {title(check)!r}")
            raise
    if tangents and not given:
        report.add("tangent passes", None, "not given")
    return report


# ---- first order


def shapes(point):
    """Check that output_shape gives the shape that forward returns, and that gradients have the right shapes.

    point is a Point, a layer with its arrays. The gradient of an array must have the shape of this array. A
    layer that does not define output_shape passes; if the shape of its output is not that of its input, the
    result is (None, note). Raises GradientError if a shape is wrong.
    """
    layer = point.layer
    dx, dp = point.gradients
    point.input_gradient(dx)
    point.vector(dp)
    undefined = type(layer).output_shape is Layer.output_shape and not layer.children
    if undefined and [a.shape for _, a in leaves(point.y)] != [a.shape for _, a in leaves(point.x)]:
        return None, "output_shape: not given"
    expected = mapped(lambda a: a.shape[1:], point.y)
    got = layer.output_shape(mapped(lambda a: a.shape[1:], point.x))
    if expected != got:
        raise failure(
            f"{point.subject}: expected output_shape {expected} per sample, as forward returns it, got {got}"
        )


def dx(point, slow=True):
    """Check the gradient with respect to the input of a layer against difference quotients.

    point is a Point, a layer with its arrays. slow=False compares random projections in place of every entry.
    Returns (largest relative error, note for the report). If the input holds integers only, nothing is
    compared and the note says so. Raises GradientError if the gradient is wrong.
    """
    blocks = partial(input_blocks, point.x, filled(point.gradients[0], point.x), point.weighted)
    error, notes = compare_scaled(blocks, point.x, point.about, point.rng("directions"), slow)
    return error, notes if blocks() else "x is integer"


def parameters(point, slow=True):
    """Check the gradient with respect to every parameter of a layer against difference quotients.

    point is a Point, a layer with its arrays. The error of each gradient is relative to its own largest
    entry. slow=False compares derivatives along a few random directions in place of every entry. Returns
    (largest relative error, note for the report or ""). Raises GradientError if a gradient is wrong.
    """
    gradient = point.vector(point.gradients[1])
    blocks = parameter_blocks(point.p, gradient, lambda p: point.weighted(point.x, p), point.subject)
    error, notes = compare(blocks, point.about, point.rng("directions"), slow)
    return error, notes if len(point.p) else "no parameters"


def keeps_float32(point):
    """Check that every pass of the layer returns float32 arrays for float32 arguments.

    point is a Point, a layer with its arrays. A float64 constant in a pass would make its results float64,
    which need twice the memory. Raises GradientError if a result is not float32.
    """

    def down(tree):
        return mapped(lambda a: a.astype(np.float32) if real(a) else a, tree)

    p, x, dy = point.p.astype(np.float32), down(point.x), down(point.dy)
    y, cache = point.run("forward", p, x, point.context)
    dx, dp = point.run("backward", dy, cache)
    results = {"y": y, "dx": dx} | {f"gradient of {name}": dp[name] for name in dp or ()}
    if point.layer.has_tangents:
        tp = point.tp.astype(np.float32)
        results |= _tangents(point, cache, down(point.tx), tp, dy, down(point.tdy))
    for label, result in results.items():
        for path, array in leaves(result):
            if real(array) and array.dtype != np.float32:
                raise failure(
                    f"{point.subject}: expected {label}{path} as float32 for float32 inputs, got "
                    f"{array.dtype}; use constants of the dtype of x"
                )


# ---- second order: the tangent passes


def _tangents(point, cache, tx, tp, dy, tdy):
    """Run both tangent passes of a layer and return {name: result}.

    The names are "ty", "tdx", and "tangent of the gradient of W" for each parameter W.

    point         the Point, which holds the layer
    cache         the cache of a forward pass
    tx, tp, tdy   the directions of x, of the parameters and of dy. None stands for zero
    dy            the derivative of a loss with respect to y
    """
    ty, tcache = point.run("tangent_forward", tx, cache, tp)
    tdx, tdp = point.run("tangent_backward", dy, tdy, cache, tcache)
    return {"ty": ty, "tdx": tdx} | {f"tangent of the gradient of {name}": tdp[name] for name in tdp or ()}


def dot_test(point):
    """Check that <dy, ty> = <dx, tx> + <dp, tp>, and return the relative error of this equation.

    point is a Point: a layer with its arrays and the random directions tx and tp. ty = tangent_forward(tx,
    tp), and (dx, dp) = backward(dy). So the dot test compares two hand-written passes with each other. It
    needs no step size and has almost no rounding error: the limit is 1e-12.

    Raises GradientError above the limit, and AllZero if all terms are zero although y depends on x or p.
    """
    dx, dp = point.gradients
    ty, _ = point.run("tangent_forward", point.tx, point.cache, point.tp)
    _require_form_of_y(point, ty)
    forwards = flat(point.dy) * flat(ty, like=point.y)
    backwards = np.concatenate(
        [flat(dx, like=point.x) * flat(point.tx), point.vector(dp).vector * point.tp.vector]
    )
    scale = max(np.abs(forwards).sum(), np.abs(backwards).sum())
    if scale == 0 and _depends_on_directions(point):
        raise AllZero(
            point.about.message(
                "the dot test shows nothing here: y does not change along any direction at this point, "
                "although it depends on x or p (units are dead); give another x"
            )
        )
    error = abs(forwards.sum() - backwards.sum()) / (scale or 1.0)
    if not error <= 1e-12:
        text = (
            f"the dot test fails: <dy, ty> = {forwards.sum():.9g}, <dx, tx> + <dp, tp> = "
            f"{backwards.sum():.9g}; tangent_forward and backward are not transposes of each other"
        )
        raise failure(point.about.message(text), error)
    return error


def _depends_on_directions(point):
    """Whether y changes when x moves by t tx, or the parameters by t tp, for any t in -10, -1, 1, 10.

    point is a Point: a layer with input x, output y and the random directions tx and tp.
    """
    far = [
        point.at(t, **along)[0] for t in (-10, -1, 1, 10) for along in ({"tx": point.tx}, {"tp": point.tp})
    ]
    return not all(same(flat(point.y), flat(y)) for y in far)


def _combinations(directions, moving=None):
    """Yield a dict for every choice of one or more items of the dict `directions`.

    directions   {name: direction}, such as {"tx": a, "tp": b}
    moving       the names of the items to choose from; None: all

    For example {"tx": a, "tp": b} gives {"tx": a}, then {"tp": b}, then {"tx": a, "tp": b}. A message then
    names the one direction along which a tangent is wrong.
    """
    directions = {name: d for name, d in directions.items() if moving is None or name in moving}
    for number in range(1, len(directions) + 1):
        yield from map(dict, combinations(directions.items(), number))


def tangent_forward(point):
    """Check the tangent ty of tangent_forward against difference quotients of forward.

    Returns the largest relative error. point is a Point, a layer with its arrays. Three cases are checked: x
    moves, the parameters move, and both move (if x has floats and the layer has parameters). An array that
    does not move has the direction None. Raises GradientError if ty is wrong.
    """
    worst = 0.0
    for along in _combinations(point.directions, point.moving):
        ty, _ = point.run("tangent_forward", along.get("tx"), point.cache, along.get("tp"))
        _require_form_of_y(point, ty)
        label = " and ".join(along)
        named = {f"ty{path} along {label}": t for path, t in leaves(filled(ty, point.y)) if real(t)}
        worst = max(worst, compare_outputs(named, partial(_y_at, point, **along), point.about))
    return worst


def _y_at(point, t, tx=None, tp=None):
    """The output y of the layer, as one vector, at the input x + t tx and the parameters p + t tp.

    point is the Point with the layer, x and p. t is a number. A direction tx or tp of None does not move its
    array.
    """
    return flat(point.at(t, tx, tp)[0])


def _require_form_of_y(point, ty):
    """Raise GradientError unless each array of the tangent ty is None or has the shape of its array in y.

    point is the Point with the layer and its output y.
    """
    for (path, array), (_, t) in zip(leaves(point.y), leaves(ty)):
        if t is not None and np.shape(t) != array.shape:
            raise failure(
                f"{point.subject}: tangent_forward: expected ty{path} with shape {array.shape}, "
                f"got {np.shape(t)}"
            )


def tangent_backward(point):
    """Check the tangents tdx and tdp of tangent_backward against difference quotients of backward.

    Returns the largest relative error. point is a Point, a layer with its arrays. Every choice of one or more
    of x, the parameters and dy moves. An array that does not move has the direction None. Raises
    GradientError if a tangent is wrong.
    """
    worst = 0.0
    for along in _combinations(point.directions | {"tdy": point.tdy}, point.moving):
        _, tcache = point.run("tangent_forward", along.get("tx"), point.cache, along.get("tp"))
        tdx, tdp = point.run("tangent_backward", point.dy, along.get("tdy"), point.cache, tcache)
        point.input_gradient(tdx, "tangent_backward")
        tdp = point.vector(tdp, "tangent_backward")
        label = " and ".join(along)
        named = {f"tdx{path} along {label}": t for path, t in leaves(filled(tdx, point.x)) if real(t)}
        named |= {f"tangent of the gradient of {name} along {label}": tdp[name] for name in tdp}
        worst = max(worst, compare_outputs(named, partial(_gradients_at, point, **along), point.about))
    return worst


def _gradients_at(point, t, tx=None, tp=None, tdy=None):
    """The gradients dx and dp, as one vector, at the moved arrays x + t tx, p + t tp and dy + t tdy.

    point is the Point with the layer and its arrays. t is a number. A direction None does not move its array.
    """
    _, cache = point.at(t, tx, tp)
    dx, dp = point.run("backward", point.dy if tdy is None else moved(point.dy, tdy, t), cache)
    return np.concatenate([flat(dx, like=point.x), point.vector(dp).vector])


def no_tangent_is_zero(point):
    """Check that both tangent passes return only None or zeros for directions that change nothing.

    point is a Point, a layer with its arrays. Two cases are checked: all directions are None, or only held
    entries have a direction. Held entries are stored with the weights and not trained, so they are constants
    of a pass. Raises GradientError if a result is not zero.
    """
    tangents = {"None": None}
    if point.p.layout.held:
        held = {name: name for name in point.p.layout.held}
        tangents["held entries alone"] = point.p.zeros().copy_from(point.p, held)
    for words, tp in tangents.items():
        for label, result in _tangents(point, point.cache, None, tp, point.dy, None).items():
            if any(array is not None and np.any(array) for _, array in leaves(result)):
                raise failure(f"{point.subject}: with tangents of {words}, {label} is not zero")


def pure_tangents(point):
    """Check that the tangent passes do not write to their arguments, and give equal bits when repeated.

    point is a Point, a layer with its arrays. tangent_backward runs twice with the same cache, with other
    passes in between. Raises GradientError if the layer fails.
    """
    _, cache = point.forward()
    pure_pass(point, "tangent_forward", point.tx, cache, point.tp)
    _, tcache = point.run("tangent_forward", point.tx, cache, point.tp)
    first = pure_pass(point, "tangent_backward", point.dy, point.tdy, cache, tcache)
    other_passes(point, tangents=True)
    if not same(first, point.run("tangent_backward", point.dy, point.tdy, cache, tcache)):
        raise failure(
            f"{point.subject}: tangent_backward twice on one cache, with other passes in between, gives two "
            "results; keep no value on the layer"
        )


def frozen_tangents(point):
    """Check tangent_backward with frozen=True, and with need_dx=False.

    frozen=True     must return the same tdx and tdp = None, and compute no weight gradient
    need_dx=False   must return tdx = None and the same tdp

    point is a Point, a layer with its arrays. Returns None, or (None, note) if the pass cannot be watched.
    Raises GradientError if the layer fails.
    """
    frozen_same_dx(point, "tangent_backward")
    need_dx(point, "tangent_backward")
    return frozen_no_weight_gradient(point, "tangent_backward")


FIRST_ORDER = [
    forms,
    pure,
    repeatable,
    two_live_caches,
    computes_in_float64,
    shapes,
    weights_are_parameters,
    dx,
    parameters,
    frozen_same_dx,
    frozen_no_weight_gradient,
    need_dx,
    keeps_float32,
]
SECOND_ORDER = [
    pure_tangents,
    dot_test,
    tangent_forward,
    tangent_backward,
    no_tangent_is_zero,
    frozen_tangents,
]
SLOW = {dx, parameters}
COMPARED = SLOW | {dot_test, tangent_forward, tangent_backward}
CHECKS = FIRST_ORDER + SECOND_ORDER
