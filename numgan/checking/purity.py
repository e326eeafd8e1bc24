"""The rules that every pass keeps before a gradient can be compared: equal arguments give equal bits.

These checks run first. Noise, a value that the layer keeps between calls, or float32 numbers inside would
make every difference quotient useless, and the message would then name a wrong cause.
"""

import re

import numpy as np

from ..layers import Layer
from .arrays import copied, flat, leaves, mapped, moved, normal, real, same
from .inspection import arrays_inside
from .methods import ARGUMENTS, pair
from .points import direction
from .report import failure

# Names that an array of weights usually has, and names that an array of constants usually has.
WEIGHTS = re.compile(
    r"(W[a-z]{0,2}|[UV]|[wb][xhyzifogcqkvru]?)([_\d]\w*)?$|(?i:.*(weight|bias|param|theta|gamma|beta|gain))"
)
CONSTANTS = re.compile(
    r"(?i:.*(const|fixed|mean|std|var|running|mask|window|position|reference|basis|freq|grid|blur|sobel|"
    r"whiten|rotation|dct|fourier|pca))"
)
NEAR, STEPS = 1e-7, 9  # moves by 1e-7 of the size, in 8 steps: numbers of float32 jump several times
ROUGH = 1e-11  # a bend of y above this fraction of y, which the next bends do not have, is a rounding error


def forms(point):
    """Check that each backward pass returns a pair, also with frozen=True and with need_dx=False.

    point is a Point, a layer with its arrays. Raises GradientError if a result is no pair, or if dp of a
    frozen pass is several values.
    """
    for words in ({}, {"frozen": True}, {"need_dx": False}):
        point.run("backward", copied(point.dy), point.cache, **words)  # the pass may write to dy: see `pure`


def pure(point):
    """Check that forward and backward do not write to their arguments, and that backward repeats its bits.

    point is a Point, a layer with its arrays. backward is called twice with one cache. Raises GradientError
    if the layer fails.
    """
    pure_pass(point, "forward", point.p, point.x, point.context)
    y, cache = point.forward()
    first = pure_pass(point, "backward", point.dy, cache)
    for frozen, need_dx in ((True, True), (False, False)):
        pure_pass(point, "backward", point.dy, point.forward()[1], frozen, need_dx)
    if not same(first, point.run("backward", point.dy, cache)):
        raise failure(
            f"{point.subject}: backward called twice on one cache gives two results; it must not change "
            "the cache, and must not draw random numbers"
        )


def pure_pass(point, name, *arguments):
    """Run a pass of the layer with these arguments and return a copy of its result.

    point is the Point with the layer, `name` is the pass. Raises GradientError if the pass writes to an
    argument. The message names the argument and, inside a tuple or a mapping, the array.
    """
    before = copied(arguments)
    result = copied(point.run(name, *arguments))
    for word, was, now in zip(ARGUMENTS[name], before, arguments):
        place = changed_place(was, now, word)
        if place:
            raise failure(f"{point.subject}: {name} writes to {place}; make a new array instead")
    return result


def changed_place(was, now, name):
    """The path of the first part that changed in a tree of arrays, such as "cache[0]"; None if none did.

    was    the tree before, from `copied`: an array, or nested tuples and dicts of arrays
    now    the same tree later
    name   the path of the whole tree, such as "cache"

    The part is an array, or a tuple or dict whose length or keys changed.
    """
    if same(was, now) or (hasattr(now, "keys") and same(was, copied(now))):
        return None
    if isinstance(was, tuple) and isinstance(now, (tuple, list)) and len(was) == len(now):
        parts = ((f"{name}[{i}]", a, b) for i, (a, b) in enumerate(zip(was, now)))
    elif hasattr(was, "keys") and hasattr(now, "keys") and list(was) == list(now):
        parts = ((f"{name}[{key!r}]", was[key], now[key]) for key in was)
    else:
        return name
    return next(filter(None, (changed_place(a, b, path) for path, a, b in parts)), name)


def repeatable(point):
    """Check that forward called twice with equal arguments gives the same bits, and equal gradients.

    point is a Point, a layer with its arrays. The check passes if all random numbers come from `context` and
    the layer keeps no value between calls. Otherwise it raises GradientError.
    """
    y, cache = point.forward()
    first_y, first_gradients = copied((y, point.run("backward", point.dy, cache)))
    y, cache = point.forward()
    advice = "draw random numbers from context.rng(), and keep no value on the layer"
    if not same(first_y, y):
        raise failure(f"{point.subject}: forward twice with equal arguments gives two results; {advice}")
    if not same(first_gradients, copied(point.run("backward", point.dy, cache))):
        raise failure(
            f"{point.subject}: backward after each of two equal forward passes gives two results, so the "
            f"caches differ; {advice}"
        )


def two_live_caches(point):
    """Check that a second forward pass does not change what backward gives for the cache of the first one.

    point is a Point, a layer with its arrays. Training needs this rule, because D scores real and fake
    samples before the backward pass of either. Raises GradientError if the layer fails.
    """
    expected = copied(point.run("backward", point.dy, point.forward()[1]))
    _, first = point.forward()
    other_passes(point)
    if not same(expected, point.run("backward", point.dy, first)):
        raise failure(
            f"{point.subject}: backward of a first pass changes when a second forward pass was made in "
            "between; return every array that backward needs in the cache, and keep no array on the layer"
        )


def other_passes(point, tangents=False):
    """Run a forward and a backward pass of the layer with another x and dy, and drop the results.

    point is the Point with the layer, its parameters and context. With tangents=True, run the two tangent
    passes too. A check calls this function between two equal passes: if the results of these two differ, the
    layer keeps values between calls.
    """
    rng = point.rng("other")
    y, cache = point.forward(moved(point.x, normal(rng, point.x), 1.0))
    point.run("backward", normal(rng, y), cache)
    if tangents:
        _, tcache = point.run("tangent_forward", normal(rng, point.x), cache, direction(point.p, rng))
        point.run("tangent_backward", normal(rng, y), normal(rng, y), cache, tcache)


def computes_in_float64(point):
    """Check that forward computes in float64 if x and the parameters are float64.

    point is a Point, a layer with its arrays. Numbers of float32 inside would make the difference quotients
    useless: they have two correct digits. If x moves by 1e-7 of its size, a smooth y moves along a line, and
    a y with rounding errors of float32 jumps. Raises GradientError if y jumps or is not float64.
    """
    advice = "keep the dtype of x: no astype(np.float32), and no array of float32 that receives results"
    along = point.directions
    if not along:
        return
    for path, array in leaves(point.y):
        if real(array) and array.dtype != np.float64:
            raise failure(
                f"{point.subject}: expected y{path} as float64 for float64 inputs, got {array.dtype}; "
                f"{advice}"
            )
    if "tx" in along:
        size = max(np.abs(flat(point.x)).max(initial=0), 1e-3)
        along = along | {"tx": mapped(lambda d: d if d is None else size * d, point.tx)}
    jump = rough(lambda k: flat(point.at(NEAR * k, **along)[0]))
    if jump:
        raise failure(
            f"{point.subject}: forward loses digits, as if it computed in float32 somewhere: if the "
            f"arguments move by 1e-7 of their size, y jumps by {jump:.0e} of its size; {advice}"
        )


def rough(f):
    """The largest jump of a function f, relative to the size of f, if f is rough; 0.0 if f is not rough.

    f(k) is a vector, at arguments that move by k tiny steps. A smooth function has the same small bend at
    every step. A kink or a step of f changes the bend at one or two places, and f does not count as rough.
    Numbers that are rounded to float32 change the bend at three places or more: f is rough. Three lengths
    of steps are tried, because rounded numbers can look straight for one of them. The result is also 0.0 if
    a value of f is not finite, or if all values are 0.
    """
    for length in (1, 0.41, 0.17):
        values = np.array([f(length * k) for k in range(STEPS)])
        if not values.size or not np.isfinite(values).all() or not values.any():
            return 0.0
        bends = np.diff(values, 2, axis=0)  # f(k) - 2 f(k + 1) + f(k + 2)
        bends = np.abs(bends - np.median(bends, axis=0)).max(axis=1) / np.abs(values).max()
        if (bends > ROUGH).sum() >= 3:
            return float(bends.max())
    return 0.0


def weights_are_parameters(point):
    """Check that no array of weights is an attribute of the layer, where it is neither trained nor checked.

    point is a Point, a layer with its arrays. Every array of floats among the attributes moves a little. Then
    y must not change. If y changes and the array looks like weights, GradientError is raised. If y changes
    and the array is a constant, the result is (None, a note). Constants are arrays that

    are read-only                      (array.flags.writeable is False)
    have the name of a constant        such as "mean" or "mask" (see CONSTANTS)
    do not have the name of a weight   and have equal entries or only one axis
    """
    notes, given = [], [array for _, array in arrays_inside((point.p, point.x))]
    for path, array in _attributes(point.layer):
        kept = any(np.may_share_memory(array, other) for other in given)  # a pass has stored p or x
        if kept or not array.size or not array.ndim or not _moves_y(point, array):
            continue
        names, path = re.findall(r"\w+", path)[1:], path if len(path) < 60 else f"{path[:50]}...]"
        if any(same(array, y) for _, y in leaves(point.y)):
            raise failure(
                f"{point.subject}: {path} keeps y of a former pass, and a later pass takes it from there; "
                "compute y in every pass, and keep no value on the layer"
            )
        constant = any(CONSTANTS.match(word) for word in names) or not array.flags.writeable
        named = any(WEIGHTS.match(word) for word in names)
        drawn = array.ndim > 1 and len(np.unique(np.abs(array))) == array.size > 1
        if (named or drawn) and not constant:
            raise failure(
                f"{point.subject}: {path} is an array that changes y and is not in parameter_shapes(): it is "
                f"neither trained nor checked. Name it in parameter_shapes() and read it from p; if it is a "
                f"constant, write {path}.flags.writeable = False"
            )
        notes.append(f"{path} changes y and is not in parameter_shapes(): a constant, not checked")
    return None, "; ".join(notes)


def _attributes(layer, name="self"):
    """Yield (path, array) for the arrays of floats among the attributes of a layer, its classes and children.

    Only classes outside the library are searched. `name` is the path of the layer itself, such as "self".
    """
    own = {
        key: value
        for kind in reversed(type(layer).__mro__)
        if issubclass(kind, Layer) and not kind.__module__.startswith("numgan.")
        for key, value in vars(kind).items()
        if not callable(value)
    } | vars(layer)
    visited = {id(child) for child in layer.children.values()}
    for key, value in own.items():
        if key not in ("children", "layout"):
            yield from arrays_inside(value, f"{name}.{key}", visited=visited)
    for key, child in layer.children.items():
        yield from _attributes(child, f"{name}.children[{key!r}]")


def _moves_y(point, array):
    """Whether the output y of the layer changes if `array`, an attribute of the layer, changes a little.

    point is the Point with the layer. The array gets its old values back.
    """
    before, writeable = array.copy(), array.flags.writeable
    y = copied(point.forward()[0])
    try:
        array.flags.writeable = True
    except ValueError:
        return False  # a view of a read-only array: a constant
    try:
        step = point.rng("attribute").standard_normal(array.shape)
        array += (0.1 * max(np.abs(before).max(), 1e-2) * step).astype(array.dtype)
        return not same(y, copied(pair(point.subject, "forward", point.forward())[0]))
    finally:
        array[...] = before
        array.flags.writeable = writeable
