"""Underflow: a result too small for its type becomes 0 or loses digits.

numgan's formulas stay correct then. Users set np.seterr(all="raise") to find the origin of a nan. NumPy then
raises for exp(-1000) too, which is harmless. A function or class that is decorated with `may_underflow`
ignores underflow. NumPy reports overflow, division by zero and invalid operations as the caller has set.
"""

from contextvars import ContextVar
from functools import wraps
from inspect import isfunction

import numpy as np

_allowed = ContextVar("allowed", default=False)  # np.errstate takes 2 us: only the outer call sets it


def may_underflow(what):
    """Decorator: NumPy ignores underflow in the function, or in all public methods of the class."""
    if isinstance(what, type):
        for name, method in list(vars(what).items()):
            if isfunction(method) and (name == "__call__" or not name.startswith("_")):
                setattr(what, name, may_underflow(method))
        return what

    @wraps(what)
    def call(*arguments, **words):
        if _allowed.get():
            return what(*arguments, **words)
        token = _allowed.set(True)
        try:
            with np.errstate(under="ignore"):
                return what(*arguments, **words)
        finally:
            _allowed.reset(token)

    return call
