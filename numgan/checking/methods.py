"""The forms that the methods of a layer must have: their arguments and their results.

    forward(p, x, context)                                        -> (y, cache)
    backward(dy, cache, frozen, need_dx)                          -> (dx, dp)
    tangent_forward(tx, cache, tp)                                -> (ty, tcache)
    tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)     -> (tdx, tdp)
    parameter_shapes()                                            -> {name: shape}

A network calls the methods of its layers in these forms. A layer with another form is refused, and the
message says what the form must be.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature

import numpy as np

from ..layers import Layer
from .report import failure

RESULTS = {
    "forward": "(y, cache)",
    "backward": "(dx, dp)",
    "tangent_forward": "(ty, tcache)",
    "tangent_backward": "(tdx, tdp)",
}
ARGUMENTS = {
    "forward": ("p", "x", "context"),
    "backward": ("dy", "cache", "frozen", "need_dx"),
    "tangent_forward": ("tx", "cache", "tp"),
    "tangent_backward": ("dy", "tdy", "cache", "tcache", "frozen", "need_dx"),
}
DEFAULTS = {"context": "Pass()", "frozen": "False", "need_dx": "True", "tp": "None"}


def kind(value):
    """A text that says what a value is, for messages: "an array of shape (3, 4)", "a tuple of 3", "None"."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with {', '.join(map(str, value)) or 'nothing'}"
    return "None" if value is None else f"a value of the type {type(value).__name__}"


def pair(subject, name, result):
    """Return `result` if it is a pair of two values. Raises GradientError if it is not.

    subject   the text that begins the message
    name      the pass that returned the result, such as "forward"

    An array is not a pair, even if it has two rows.
    """
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise failure(
            f"{subject}: {name} must return {RESULTS[name]}, got {kind(result)}; return a pair of two values"
        )
    return result


def expect_methods(subject, layer):
    """Check the arguments of the four passes, and parameter_shapes(), of a layer and its children.

    Raises GradientError if a pass cannot be called with its arguments, or if parameter_shapes() is not {name:
    shape}. `subject` begins the message.
    """
    for child in layer.children.values():
        expect_methods(subject, child)
    where = subject if not layer.children else f"{subject}, {type(layer).__name__}"
    own = [name for name in dir(type(layer)) if not name.startswith("_") and not hasattr(Layer, name)]
    for name in (*ARGUMENTS, "output_shape"):
        like = get_close_matches(name, own, 1, 0.88)
        if like and getattr(type(layer), name) is getattr(Layer, name):
            raise failure(f"{where}: it has the method {like[0]} and no {name}; correct the name")
    for name, words in ARGUMENTS.items():
        method = getattr(layer, name)
        try:
            form = signature(method)
        except (TypeError, ValueError):
            continue  # Python does not know the arguments of a compiled function
        optional = {word: None for word in words if word in DEFAULTS and word not in ("context", "tp")}
        needed = [word for word in words if word not in optional]
        if not (_fits(form, words) and _fits(form, needed, **optional)):
            header = ", ".join(["self"] + [_with_default(word) for word in words])
            raise failure(
                f"{where}: {name} must take the arguments of {name}({header}), by name and by place, got "
                f"{name}(self, {str(form)[1:]}; change its first line"
            )
    _expect_shapes(where, layer)


def _fits(form, positional, **words):
    """Whether a Signature takes the list of positional arguments and the named arguments `words`."""
    try:
        form.bind(*positional, **words)
    except TypeError:
        return False
    return True


def _with_default(word):
    """The argument `word` as in the first line of a method, with its default value if it has one."""
    return f"{word}={DEFAULTS[word]}" if word in DEFAULTS else word


def _expect_shapes(where, layer):
    """Raise GradientError unless layer.parameter_shapes() gives {name: tuple of integers}.

    where   begins the message
    """
    advice = "define parameter_shapes(self) -> {name: shape}, such as {'W': (4, 3)}"
    if not callable(layer.parameter_shapes):
        raise failure(
            f"{where}: parameter_shapes must be a method, got {kind(layer.parameter_shapes)}; {advice}"
        )
    shapes = layer.parameter_shapes()
    if not isinstance(shapes, Mapping):
        raise failure(f"{where}: parameter_shapes() must return a dict, got {kind(shapes)}; {advice}")
    for name, shape in shapes.items():
        if not isinstance(shape, (tuple, list)) or not all(isinstance(n, (int, np.integer)) for n in shape):
            raise failure(
                f"{where}: parameter_shapes() must give the shape of {name} as a tuple of integers, got "
                f"{shape!r}; {advice}"
            )


def missing_parameter(subject, layer, error):
    """Make the GradientError about a forward pass that reads a parameter which does not exist.

    subject   the text that begins the message
    layer     the layer. If its class has a method whose name is like parameter_shapes, the message names it
    error     the KeyError that the forward pass raised
    """
    own = [name for name in dir(type(layer)) if not hasattr(Layer, name)]
    like = get_close_matches("parameter_shapes", own, 2, 0.5) + [n for n in own if n in ("shapes", "shape")]
    hint = f"; rename {like[0]} to parameter_shapes" if like else ""
    return failure(
        f"{subject}: forward reads a parameter that parameter_shapes() does not have: {error.args[0]}{hint}"
    )
