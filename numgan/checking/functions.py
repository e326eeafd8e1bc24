"""gradcheck: compare the gradient of a plain function with difference quotients."""

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from .arrays import leaves
from .differences import compare, input_blocks
from .report import Report, Subject, failure


@may_underflow
def gradcheck(f, x, df, *, slow=True, seed=0, name=None):
    """Check that df is the gradient of f at x and return a Report.

        gradcheck(lambda x: (x**2).sum(), x, 2 * x)
        gradcheck(lambda x: x @ W, x, lambda dy: dy @ W.T)
        gradcheck(lambda ab: ab[0] @ ab[1], (a, b), lambda dy: (dy @ b.T, a.T @ dy))

    f      a function of x that returns a number or an array y
    x      an array or a tuple of arrays, float64
    df     if f returns a number: its gradient, in the form of x. If f returns an array y: its backward pass,
           a function df(dy) -> gradient in the form of x, where dy is the derivative with respect to y
    slow   compare every entry; False: a few random projections, for large x
    name   the name of f in messages; None: f.__name__

    Raises GradientError if df is wrong or has other shapes than x, or if x lies on a kink or nothing can be
    compared there. Raises TypeError if x is not float64, and ValueError if f returns an array and df is not a
    function.
    """
    subject = name or getattr(f, "__name__", "f").replace("<lambda>", "f")
    rng, inputs = stream(seed, "gradcheck"), dict(leaves(x))
    for array in inputs.values():
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            raise TypeError(
                "gradcheck: expected x as float64 arrays, got "
                f"{getattr(array, 'dtype', type(array).__name__)}; convert x to float64, because a "
                "difference quotient in float32 has two correct digits"
            )
    y = np.asarray(f(x), np.float64)
    if y.ndim and not callable(df):
        raise ValueError(
            f"gradcheck: {subject} returns an array of shape {y.shape}; give df as a backward pass, "
            "df(dy) -> gradient"
        )
    weights = rng.standard_normal(y.shape) if callable(df) else np.ones(())
    gradient = df(weights) if callable(df) else df
    expected = {path: array.shape for path, array in inputs.items()}
    got = {path: np.shape(array) for path, array in leaves(gradient)}
    if expected != got:
        raise failure(f"{subject}: expected gradients of shape {[*expected.values()]}, got {[*got.values()]}")
    blocks = input_blocks(x, gradient, lambda x: weights * f(x))
    batch = next((len(array) for array in inputs.values() if array.ndim), 1)
    about = Subject(subject, f"numgan.gradcheck({subject}, x, df, seed={seed})", batch)
    report = Report(subject)
    report.add("gradient", *compare(blocks, about, rng, slow))
    return report
