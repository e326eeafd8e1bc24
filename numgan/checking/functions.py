"""gradcheck and numeric_gradient: the gradient of a plain function, checked and computed by quotients."""

import numpy as np

from ..core.arguments import is_number
from ..core.errors import GradientError
from ..core.randomness import stream
from ..core.underflow import may_underflow
from .arrays import leaves, mapped, real, shifted
from .callables import Function, as_tuple, expect_float64, in_form, names_of_arguments, paths
from .differences import compare, input_blocks
from .points import scale_of
from .report import Report, Subject, failure


@may_underflow
def numeric_gradient(f, x, h=1e-5):
    """The gradient of f at x by central difference quotients, in the form of x.

        (f(x + h e_i) - f(x - h e_i)) / 2h        for every entry i of x, where only entry i of e_i is 1

    f    a function of x that returns a number
    x    a float64 array, a number, or a tuple, list or dict of these
    h    the step

    It calls f twice for each entry, and about 10 of its digits are right. Print it beside a gradient of your
    own. Raises TypeError if x is not float64 or f returns no number, GradientError if f writes to x or gives
    two results for equal x.
    """
    arrays = as_tuple(x)
    expect_float64(arrays)
    largest = max((np.abs(array).max(initial=0) for _, array in leaves(arrays)), default=0)
    if not (is_number(h) and h > 0 and largest + h != largest):
        raise ValueError(
            "numeric_gradient: expected h as a number above 0, and not lost beside the largest entry of x, "
            f"{largest:.3g}, got {h!r}; give h such as {1e-5 * max(largest, 1):.0e}"
        )
    function = Function(f, x, _name(f))
    function.expect_pure(arrays, stream(0, "numeric gradient"))
    if function(arrays).size != 1:
        raise TypeError(
            f"numeric_gradient: expected {function.name} to return a number, got an array of shape "
            f"{function(arrays).shape}; sum its entries, or weigh them"
        )

    def gradient(path, array):
        """(f(x + h) - f(x - h)) / (2 h) for each entry of one array of x, whose place in x is `path`."""
        entries = np.zeros(array.shape)
        for i in np.ndindex(array.shape):
            step = np.zeros(array.shape)
            step[i] = h
            up, down = (function(shifted(arrays, path, sign * step)).item() for sign in (1, -1))
            entries[i] = (up - down) / (2 * h)
        return entries

    found = iter([gradient(path, array) for path, array in leaves(arrays)])
    return in_form(mapped(lambda _: next(found), arrays), x)


@may_underflow
def gradcheck(f, x, df=None, *, slow=True, seed=0, name=None):
    """Check that df is the gradient of f at x and return a Report.

        gradcheck(lambda x: (x**2).sum(), x, 2 * x)
        gradcheck(lambda x: (x**2).sum(), x, lambda x: 2 * x)
        gradcheck(lambda x: ((x**2).sum(), 2 * x), x)
        gradcheck(lambda x: x @ W, x, lambda dy: dy @ W.T)
        gradcheck(lambda a, b: a @ b, (a, b), lambda dy: (dy @ b.T, a.T @ dy))

    f      a function of x that returns a number or an array y
    x      a float64 array, a number, or a tuple, list or dict of these. If x holds several arrays, f may also
           have one argument for each of them
    df     the gradient, in one of these forms:
           an array in the form of x, if f returns a number
           a function of x that returns this array. If f works entry by entry, a function that returns f'(x)
           a function of dy that returns the gradient in the form of x, where dy is the derivative of a loss
           with respect to y; this is a backward pass
           None: f returns a pair (y, gradient), with a number y
    slow   compare every entry; False: a few random projections, for large x
    seed   gives the random directions
    name   the name of f in messages; None: f.__name__

    A gradient may be zero because f does not depend on x, as the sum of a softmax. Then f stays the same
    after large moves of x, up to the measured rounding error of its terms, and the report says so.

    Raises GradientError if df is wrong or has other shapes than x, if f writes to x or gives two results for
    equal x, if x lies on a kink, or if nothing can be compared there. Raises TypeError if x or the result of
    f is not float64, and ValueError if f returns an array and df is not a function.
    """
    subject = name or _name(f)
    rng, arrays = stream(seed, "gradcheck"), as_tuple(x)
    expect_float64(arrays)
    function = Function(f, x, subject, gradient=df is None)
    if df is None and not _is_pair(function.raw(arrays)):
        raise ValueError(
            f"gradcheck: expected df, because {subject} returns no pair (value, gradient); give the gradient "
            "as an array or as a function"
        )
    function.expect_pure(arrays, rng)
    y = function(arrays)
    if not np.isfinite(y).all():
        raise failure(f"{subject}: the function gives inf or nan at x; give an x where it is finite")
    if y.size != 1 and not callable(df):
        raise ValueError(
            f"gradcheck: {subject} returns an array of shape {y.shape}; give df as a backward pass, "
            "df(dy) -> gradient"
        )
    errors = []
    for reading in _readings(function, arrays, y, df, rng):
        try:
            return _compared(function, arrays, *reading(), slow, seed, rng)
        except (GradientError, TypeError, ValueError, LookupError, AttributeError) as error:
            errors.append(error)
    if function.rounds_its_input(arrays, rng):
        raise failure(
            f"{subject}: moves of x by 1e-11 never change the function, and moves by 1e-6 do: it computes in "
            "float32 somewhere, where a difference quotient has two correct digits; use float64 in it"
        )
    raise next((error for error in errors if isinstance(error, GradientError)), errors[0])


def _compared(function, arrays, weights, gradient, note, slow, seed, rng):
    """Compare one gradient with difference quotients of sum(weights * f) at x and return the Report.

    function   the user's function f as a `Function`
    arrays     x as an array or a (nested) tuple of arrays
    weights    an array with the shape of f's result
    gradient   the gradient of sum(weights * f), in the form of `arrays`
    note       a text for the report
    slow       compare every entry; False: random projections, drawn with rng
    seed       for the line of the message that repeats the check

    Raises GradientError if the gradient is wrong or has other shapes than x.
    """
    expected = [array.shape for _, array in leaves(arrays)]
    got = [np.shape(array) for _, array in leaves(gradient)]
    if expected != got:
        raise failure(f"{function.name}: expected gradients of shape {expected}, got {got}")
    if any(np.iscomplexobj(array) for _, array in leaves(gradient)):
        raise failure(
            f"{function.name}: expected a gradient of real numbers, got complex ones; take its .real"
        )
    batch = next((len(array) for _, array in leaves(arrays) if array.ndim), 1)
    about = Subject(function.name, f"numgan.gradcheck({function.name}, x, df, seed={seed})", batch)

    def blocks(scaled):
        found = input_blocks(arrays, gradient, lambda moved: weights * function(moved), scaled)
        for block, path in zip(found, _filled_paths(function.x, arrays)):
            block.name = f"gradient of {path}"
        return found

    error, notes = compare_scaled(blocks, arrays, about, rng, slow)
    report = Report(function.name)
    report.add("gradient", error, "; ".join(filter(None, (notes, note))))
    return report


def compare_scaled(blocks, x, subject, rng, slow=True):
    """Compare the gradients with respect to x with difference quotients: (max_error, notes), as `compare`.

    blocks    blocks(scaled=True or False) -> a list of Block, see `input_blocks`
    x         an array, or a (nested) tuple of arrays
    subject   the Subject, for messages;  rng: draws random directions
    slow      True: compare every entry; False: random projections

    If x is far smaller or larger than 1, quotients are tried in units of 1 and in units of its own scale. The
    error with the smaller max_error is raised only if both fail.
    """
    far = any(real(array) and not 0.1 <= scale_of(array) <= 10 for _, array in leaves(x))
    tried = []
    for scaled in (False, True) if far else (False,):
        try:
            return compare(blocks(scaled=scaled), subject, rng, slow)
        except GradientError as error:
            tried.append(error)
    raise min(tried, key=lambda error: getattr(error, "max_error", np.inf))


def _filled_paths(x, arrays):
    """The names of those arrays of x that are not empty, such as "x[0]". Only these arrays are compared.

    x is the user's argument, `arrays` the same as an array or a (nested) tuple of arrays.
    """
    return [path for path, (_, array) in zip(paths(x), leaves(arrays)) if array.size]


def _is_pair(result):
    """Whether a result is a tuple or list of two values."""
    return isinstance(result, (tuple, list)) and len(result) == 2


def _name(f):
    """The name of the function f for messages; "f" for a lambda or an object without a name."""
    return getattr(f, "__name__", "f").replace("<lambda>", "f")


def _readings(function, arrays, y, df, rng):
    """The meanings that the user's gradient df can have: a list of functions, tried one after the other.

    Each function, called without arguments, returns (weights, gradient, note): an array with the shape of y,
    the gradient of sum(weights * f) in the form of `arrays`, and a text for the report. gradcheck passes if
    the gradient of one meaning is right.

    function   the user's function f as a `Function`
    arrays     x as an array or a (nested) tuple of arrays
    y          the array f(x)
    df         an array, a function of x, a function of dy, or None if f returns (value, gradient)
    rng        draws the weights
    """
    x, one = function.x, np.ones(y.shape)
    if df is None:
        return [lambda: (one, as_tuple(function.raw(arrays)[1], x), "")]
    if not callable(df):
        return [lambda: (one, as_tuple(df, x), "")]
    weights = one if y.size == 1 else rng.standard_normal(y.shape)
    of_x = Function(df, x, "df")

    def backward_pass():
        return weights, as_tuple(df(weights.copy()), x), ""

    def of_the_argument():
        return weights, as_tuple(of_x.raw(arrays), x), "df was called with x"

    def entry_by_entry():
        return (
            weights,
            weights * of_x.raw(arrays),
            "df was called with x, and is the derivative of each entry",
        )

    if y.size != 1:
        alike = isinstance(arrays, np.ndarray) and arrays.shape == y.shape
        return [backward_pass, entry_by_entry] if alike else [backward_pass]
    named_dy = next(iter(names_of_arguments(df)), "x").startswith(("d", "g", "up"))
    return [backward_pass, of_the_argument] if named_dy else [of_the_argument, backward_pass]
