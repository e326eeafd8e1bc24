"""Observers of the passes of layers, for checks, profiles and error messages.

    with observe(around): ...      around(layer, name, arguments, words, call) is called in place of each pass

`name` is the pass: forward, backward, tangent_forward, tangent_backward or backward_keeping. `arguments` are
its positional arguments, `words` its keyword arguments. `around` must return call(), the result of the pass.
It may measure the time or check the result. Without an observer a pass only reads one variable more.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps

import numpy as np

from .errors import NonFiniteError
from .underflow import may_underflow

_observer = ContextVar("observer", default=None)
_kinks = ContextVar("kinks", default=None)


class Observer:
    """A callable that calls `around` once for each pass of each layer, in place of the pass (see `observe`).

    around    a function (layer, name, arguments, words, call) that returns the result of the pass
    unfused   True: no layers are fused, so `around` gets the output of every layer
    within    the passes that are running now, outermost first: a list of (id of the layer, name of the pass)

    If the pass of a class calls the same pass of its base class, `around` is not called for this inner call.
    """

    def __init__(self, around, unfused):
        self.around, self.unfused, self.within = around, unfused, []

    def __call__(self, layer, name, arguments, words, call):
        """The result of one pass: that of around(layer, name, arguments, words, call), see `observe`."""
        if self.within and self.within[-1] == (id(layer), name):
            return call()  # a pass that calls the same pass of its base class
        self.within.append((id(layer), name))
        try:
            return self.around(layer, name, arguments, words, call)
        finally:
            self.within.pop()


def observable(method):
    """Decorator for `method`, a pass of a layer: an observer, if there is one, is called in its place.

    The observer is that of `observe`. Without an observer the pass runs as usual. In the pass, NumPy ignores
    underflow. Returns the new method.
    """
    method = may_underflow(method)

    @wraps(method)
    def call(self, *arguments, **words):
        """The result of the pass with these arguments, through the observer if there is one."""
        observer = _observer.get()
        if observer is None:
            return method(self, *arguments, **words)
        return observer(self, method.__name__, arguments, words, partial(method, self, *arguments, **words))

    return call


@contextmanager
def observe(around, unfused=True):
    """A context in which around(layer, name, arguments, words, call) replaces every pass of a layer.

    layer              the layer object
    name               the name of the pass, such as "forward"
    arguments, words   the positional arguments (a tuple) and the keyword arguments (a dict) of the pass
    call               a function without arguments that runs the pass; around must return its result
    unfused            True, the default: no layers are fused, so `around` gets the output of every layer.
                       A fused layer is computed by the kernel of its neighbour, and has no pass of its own

    The context gives nothing. An observer that was there before works again after the context.
    """
    token = _observer.set(Observer(around, unfused))
    try:
        yield
    finally:
        _observer.reset(token)


def unfused():
    """Whether no layers may be fused, because the observer needs the output of every layer. True or False.

    It is the argument `unfused` of `observe`, and False without an observer.
    """
    observer = _observer.get()
    return observer is not None and observer.unfused


@contextmanager
def watch_finite():
    """A context in which a forward pass with inf or nan in its output raises NonFiniteError.

    The message contains the layer's repr, and its path in the network if this is known. `error.layer` is the
    layer. Layers made of other layers are not checked, because the layers in them are. The context gives
    nothing.
    """

    def around(layer, name, arguments, words, call):
        """The result of the pass, call(), after a check of the output if the pass is "forward"."""
        result = call()
        if name == "forward" and not layer.children:
            y = result[0]  # forward(p, x, context) returns (output, cache)
            context = arguments[2] if len(arguments) > 2 else words.get("context")
            for array in y if isinstance(y, tuple) else (y,):
                if not np.isfinite(array).all():
                    path = f"{'.'.join(context.path)} " if context else ""
                    raise NonFiniteError(f"the output of {path}{layer!r} is not finite", layer)
        return result

    with observe(around):
        yield


@contextmanager
def record_kinks():
    """A context that gives a list of hashes (ints). Each call of `kink` in the context appends one.

    A kink is a point where a function has two slopes, such as 0 of ReLU. The hash depends on which side of
    the kink each entry of a layer's input lies. If two passes give different lists, a kink lies between their
    inputs. A difference quotient of two such passes is meaningless, so the gradient checks compare the lists.
    """
    pieces = []
    token = _kinks.set(pieces)
    try:
        yield pieces
    finally:
        _kinks.reset(token)


def kink(piece):
    """Append the hash of the array piece() to the list of `record_kinks`. Returns nothing.

    piece    a function without arguments. It returns an array of bools or indices that tells on which side of
             a kink each entry of a layer's input lies, such as x > 0 for a ReLU

    Outside of the context `record_kinks` nothing happens, and `piece` is not called.
    """
    pieces = _kinks.get()
    if pieces is not None:
        pieces.append(hash(np.ascontiguousarray(piece()).tobytes()))
