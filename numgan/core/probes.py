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
    """An object that calls `around` once for each pass of each layer, in place of the pass (see `observe`).

    around, unfused   the arguments of `observe`

    If the pass of a class calls the same pass of its base class, this inner call does not count.
    """

    def __init__(self, around, unfused):
        self.around, self.unfused, self.within = around, unfused, []

    def __call__(self, layer, name, arguments, words, call):
        if self.within and self.within[-1] == (id(layer), name):
            return call()
        self.within.append((id(layer), name))
        try:
            return self.around(layer, name, arguments, words, call)
        finally:
            self.within.pop()


def observable(method):
    """Decorator for a pass of a layer: if there is an observer, each call goes through it (see `observe`).

    In the pass, NumPy ignores underflow.
    """
    method = may_underflow(method)

    @wraps(method)
    def call(self, *arguments, **words):
        observer = _observer.get()
        if observer is None:
            return method(self, *arguments, **words)
        return observer(self, method.__name__, arguments, words, partial(method, self, *arguments, **words))

    return call


@contextmanager
def observe(around, unfused=True):
    """A context manager in which around(layer, name, arguments, words, call) replaces every pass of a layer.

    name               the name of the pass, such as "forward"
    arguments, words   the positional and the keyword arguments of the pass
    call               around must return call(), the result of the pass
    unfused            True: no layers are fused, so the observer gets the output of every layer
    """
    token = _observer.set(Observer(around, unfused))
    try:
        yield
    finally:
        _observer.reset(token)


def unfused():
    """Whether the present observer of passes needs the output of every layer: then no layers are fused.

    False without an observer (see `observe`).
    """
    observer = _observer.get()
    return observer is not None and observer.unfused


@contextmanager
def watch_finite():
    """A context manager in which a forward pass with inf or nan in its output raises NonFiniteError.

    The message names the layer, and its name in the network if this is known. Layers made of other layers are
    not checked, because the layers in them are.
    """

    def around(layer, name, arguments, words, call):
        result = call()
        if name == "forward" and not layer.children:
            y, context = result[0], arguments[2] if len(arguments) > 2 else words.get("context")
            for array in y if isinstance(y, tuple) else (y,):
                if not np.isfinite(array).all():
                    path = f"{'.'.join(context.path)} " if context else ""
                    raise NonFiniteError(f"the output of {path}{layer!r} is not finite", layer)
        return result

    with observe(around):
        yield


@contextmanager
def record_kinks():
    """A context manager that gives a list of hashes. Each call of `kink` in the block appends one hash.

    The hash tells on which side of the kink each entry of a layer lies, such as x > 0 for a ReLU. If two
    passes have different lists, a kink lies between them. A difference quotient of two such passes is
    meaningless, so the gradient checks compare the lists.
    """
    pieces = []
    token = _kinks.set(pieces)
    try:
        yield pieces
    finally:
        _kinks.reset(token)


def kink(piece):
    """Report to `record_kinks` on which side of a kink each entry of a layer's input lies.

    piece   a function without arguments that returns an array of booleans or indices, such as x > 0 for a
            ReLU. A hash of the array is added to the list

    Outside of `record_kinks` nothing happens, and `piece` is not called.
    """
    pieces = _kinks.get()
    if pieces is not None:
        pieces.append(hash(np.ascontiguousarray(piece()).tobytes()))
