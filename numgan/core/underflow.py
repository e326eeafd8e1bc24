"""Underflow: a result that is too small for its type becomes 0 or loses digits.

numgan's formulas stay correct then. Users set np.seterr(all="raise") to find the origin of a nan. NumPy then
raises for exp(-1000) too, which is harmless. So a function or class with the decorator `may_underflow`
ignores underflow. For overflow, division by zero and invalid operations NumPy does what the caller has set.
"""

from contextvars import ContextVar
from functools import wraps
from inspect import isfunction

import numpy as np

_allowed = ContextVar("allowed", default=False)  # np.errstate takes 2 us, so only the outermost call sets it


def may_underflow(target):
    """Decorator: NumPy ignores underflow in `target`, a function, or in all public methods of a class.

    The public methods are those that the class itself defines without a leading underscore, and __call__.
    Returns a new function with the same arguments and result; a class is changed and returned.
    """
    if isinstance(target, type):
        for name, method in list(vars(target).items()):
            if isfunction(method) and (name == "__call__" or not name.startswith("_")):
                setattr(target, name, may_underflow(method))
        return target

    @wraps(target)
    def call(*arguments, **words):
        """The result of target(*arguments, **words). The outermost call switches the warnings off."""
        if _allowed.get():
            return target(*arguments, **words)
        token = _allowed.set(True)
        try:
            with np.errstate(under="ignore"):
                return target(*arguments, **words)
        finally:
            _allowed.reset(token)

    return call
