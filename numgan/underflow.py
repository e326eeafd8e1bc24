"""Underflow: a result too small for its type becomes 0, or keeps fewer digits. The formulas of this package count on it.

np.seterr(all="raise"), with which people hunt a nan, would stop at exp(-1000) too. What is marked `may_underflow` lets such a number pass.
Overflow, division by zero and invalid operations are reported as the caller asked.
"""

from contextvars import ContextVar
from functools import wraps
from inspect import isfunction

import numpy as np

_allowed = ContextVar("allowed", default=False)          # np.errstate costs 2 us, so only the outermost of nested calls pays for it


def may_underflow(what):
    """The function, or the class with all its public methods, in which NumPy passes over underflow."""
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
