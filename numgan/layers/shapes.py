"""The shapes in the passes of one layer: dy and tdy have the shape of y, and tx has the shape of x.

NumPy would stretch a dy of shape (1, C) or (N,) to the shape of y without a word, and the result would be
another gradient. So `shape_checked` compares the shapes in every pass of every layer, before the pass runs.
"""

from functools import cache as cached
from functools import wraps


@cached
def _recording(kind):
    """A subclass of `kind`, a class of tuples. Its objects are caches with an attribute `recorded`.

    recorded   (the layer whose forward pass made the cache, the shape of x, the shape of y), or None

    Every call with the same `kind` returns the same subclass, which has the name of `kind`.
    """
    return type(kind.__name__, (kind,), {"recorded": None})


def shape_of(arrays):
    """The shape of `arrays`: an array gives its shape, a (nested) tuple or list of arrays a tuple of shapes.

    None gives None. Anything else gives the name of its type, for a message.
    """
    try:
        return arrays.shape
    except AttributeError:
        if isinstance(arrays, (tuple, list)):
            return tuple(map(shape_of, arrays))
        return None if arrays is None else type(arrays).__name__


def _fits(shape, wanted):
    """Whether `shape` equals `wanted`. Both are shapes, or (nested) tuples of shapes, as `shape_of` returns.

    A `shape` of None, also inside a tuple, fits every shape. It stands for a derivative that is zero and has
    no array.
    """
    if shape is None or shape == wanted:
        return True
    tuples = isinstance(shape, tuple) and isinstance(wanted, tuple) and len(shape) == len(wanted)
    return tuples and all(map(_fits, shape, wanted))


X, Y = 1, 2  # the places of the two shapes in `recorded`
# {pass: (((argument's position, its name, the place of its shape), ...), the position of the cache)}
EXPECTED = {
    "backward": (((0, "dy", Y),), 1),
    "backward_keeping": (((0, "dy", Y),), 1),
    "tangent_forward": (((0, "tx", X),), 1),
    "tangent_backward": (((0, "dy", Y), (1, "tdy", Y)), 2),
}


def shape_checked(method):
    """Decorator for `method`, a pass of a layer class: the pass raises ValueError for arrays of wrong shapes.

    `forward` records the layer and the shapes of x and y in its cache. The other passes compare the shapes of
    dy and tdy with that of y, and the shape of tx with that of x. Nothing is compared in two cases:

    - the cache is no tuple, or another layer made it
    - the pass is that of a base class, called through super(): its arrays may have other shapes

    Returns the new method.
    """
    name = method.__name__

    @wraps(method)
    def forward(self, *arguments, **words):
        # The result of the pass, called with these arguments and words (keyword arguments).
        # Its cache is copied to one with the attribute `recorded`.
        result = method(self, *arguments, **words)
        if getattr(type(self), name) is not forward or type(result) is not tuple or len(result) != 2:
            return result
        y, cache = result
        if not isinstance(cache, tuple):
            return result
        kind = type(cache) if hasattr(cache, "recorded") else _recording(type(cache))
        cache = tuple.__new__(kind, cache)  # a new object: the cache of an inner layer stays as it is
        x = arguments[1] if len(arguments) > 1 else words.get("x")  # forward(p, x, context)
        cache.recorded = self, shape_of(x), shape_of(y)
        return y, cache

    if name == "forward":
        return forward
    expected, at = EXPECTED[name]

    @wraps(method)
    def derivative(self, *arguments, **words):
        """The result of the pass, called with these arguments and words (keyword arguments).

        Before, the shapes of its arrays are compared with the recorded ones.
        """
        cache = arguments[at] if len(arguments) > at else words.get("cache")
        recorded = getattr(cache, "recorded", None)
        # recorded[0] is the layer; the last condition is False for the pass of a base class
        if recorded and recorded[0] is self and getattr(type(self), name) is derivative:
            for position, argument, place in expected:
                array = arguments[position] if len(arguments) > position else words.get(argument)
                shape = shape_of(array)
                if shape != recorded[place] and not _fits(shape, recorded[place]):
                    raise _other_shape(self, name, argument, recorded[place], "xy"[place - X], shape)
        return method(self, *arguments, **words)

    return derivative


def _other_shape(layer, name, argument, expected, like, shape):
    """The ValueError about an argument of a wrong shape; the caller raises it.

    layer, name    the layer, and the name of its pass, such as "backward"
    argument       the name of the argument, such as "dy"
    expected       the shape that it must have: the shape of `like`, "x" or "y"
    shape          its shape
    """
    layer = type(layer).__name__ if layer.children else repr(layer)
    return ValueError(
        f"{layer}.{name}: expected {argument} of shape {expected}, the shape of {like}, got {shape}; "
        f"give one number for each entry of {like}"
    )
