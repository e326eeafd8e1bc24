"""Observers of passes, for checks, profiles and error messages.

    with observe(around): ...      around(layer, name, arguments, words, call) is called in place of each pass

`name` is the method: forward, backward, tangent_forward, tangent_backward or backward_keeping. arguments and
words are its arguments. `around` must return call(), the result of the pass. It may measure the time or check
the result. Without an observer a pass reads one variable more, and that is all.
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
    """Calls `around` once for each pass of each layer, in place of the pass.

    If a pass calls the same pass of its base class, this inner call does not count. unfused is that of
    `observe`.
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
    """Decorator for a pass of a layer: each call goes through the observer, if there is one.

    NumPy ignores underflow in the pass.
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
    """A context in which every pass of every layer goes through `around`.

    unfused   True: no layers are fused, so the observer gets the output of every layer
    """
    token = _observer.set(Observer(around, unfused))
    try:
        yield
    finally:
        _observer.reset(token)


def unfused():
    """Whether an observer needs the output of every layer, so that no layers may be fused."""
    observer = _observer.get()
    return observer is not None and observer.unfused


@contextmanager
def watch_finite():
    """A context in which a forward pass with inf or nan in its output raises NonFiniteError.

    The message names the layer and its path. Layers made of other layers are not checked themselves.
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
    """A context that gives a list. Each kink adds to it a hash of the side on which every entry lies.

    A side is, for example, x > 0 for each entry of a ReLU. A difference quotient across a kink is
    meaningless, so the gradient checks compare these lists.
    """
    pieces = []
    token = _kinks.set(pieces)
    try:
        yield pieces
    finally:
        _kinks.reset(token)


def kink(piece):
    """Report on which side of a kink every entry of a layer lies. Does nothing outside of `record_kinks`.

    piece    a function that returns an array of booleans or indices; it is called only in `record_kinks`
    """
    pieces = _kinks.get()
    if pieces is not None:
        pieces.append(hash(np.ascontiguousarray(piece()).tobytes()))
