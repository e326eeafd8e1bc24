"""gradcheck: the gradient of any plain function against difference quotients."""

import numpy as np

from ..randomness import stream
from .arrays import leaves
from .differences import Block, compare
from .report import Report, failure


def gradcheck(f, x, df, *, slow=True, seed=0, name=None):
    """Check that df is the gradient of f at x and return a Report; raises GradientError if it is not.

        gradcheck(lambda x: (x**2).sum(), x, 2 * x)                            f gives a number: df is its gradient, in the form of x
        gradcheck(lambda x: x @ W, x, lambda dy: dy @ W.T)                     f gives an array: df(dy) is its backward pass
        gradcheck(lambda ab: ab[0] @ ab[1], (a, b), lambda dy: (dy @ b.T, a.T @ dy))

    x      an array or a tuple of arrays, float64
    slow   every entry; False: a few random projections, for large x
    """
    subject = name or getattr(f, "__name__", "f").replace("<lambda>", "f")
    rng, inputs = stream(seed, "gradcheck"), [array for _, array in leaves(x)]
    for array in inputs:
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            raise TypeError(f"gradcheck: expected x as float64 arrays, got {getattr(array, 'dtype', type(array).__name__)}; "
                            "a difference quotient in float32 has two digits")
    y = np.asarray(f(x), np.float64)
    if y.ndim and not callable(df):
        raise ValueError(f"gradcheck: {subject} returns an array of shape {y.shape}; give df as a backward pass, df(dy) -> gradient")
    weights = rng.standard_normal(y.shape) if callable(df) else np.ones(())
    gradient = df(weights) if callable(df) else df
    gradients = [np.asarray(array, np.float64) for array in (gradient if isinstance(gradient, tuple) else (gradient,))]
    if [array.shape for array in gradients] != [array.shape for array in inputs]:
        raise failure(f"{subject}: expected gradients of shape {[a.shape for a in inputs]}, got {[a.shape for a in gradients]}")

    def block(i):
        def value(offset):
            moved = [array + offset if j == i else array for j, array in enumerate(inputs)]
            return np.ravel(f(tuple(moved) if isinstance(x, tuple) else moved[0]))

        return Block("gradient of x" + (f"[{i}]" if isinstance(x, tuple) else ""), gradients[i], value)

    error, notes = compare([block(i) for i in range(len(inputs)) if inputs[i].size], np.ravel(weights), subject,
                           f"numgan.gradcheck({subject}, x, df, seed={seed})", rng, slow, len(inputs[0]) if inputs and inputs[0].ndim else 1)
    report = Report(subject)
    report.add("gradient", error, "; ".join(notes))
    return report
