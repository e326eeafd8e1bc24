"""The error message for two arrays that should be equal but differ.

The message gives the number of wrong entries, the worst entry and the pattern of the error (such as a wrong
sign), and lists the patterns that were tested and do not fit.
"""

import numpy as np


def explain(subject, name, analytic, numeric, wrong):
    """The text of the error message about one wrong array.

    subject            the Subject that the message is about
    name               the array, such as "gradient of W"
    analytic, numeric  arrays of one shape
    wrong              a mask of the same shape: True where analytic and numeric disagree
    """
    gap = np.abs(analytic - numeric)
    worst = np.unravel_index(np.where(np.isnan(gap), np.inf, gap).argmax(), gap.shape)
    at = f"[{', '.join(map(str, worst))}]" if worst else "the only one"
    found, excluded = pattern(analytic, numeric, wrong, subject.batch)
    return subject.message(
        f"{name} is wrong in {int(wrong.sum())} of {wrong.size} entries; worst at {at}: "
        f"analytic {float(analytic[worst]):.9g}, numeric {float(numeric[worst]):.9g}\n"
        f"  looks like: {found}" + (f"\n  it is not: {', '.join(excluded)}" if excluded else "")
    )


def pattern(analytic, numeric, wrong, batch):
    """(description, excluded): the first known pattern, such as a wrong sign, that fits the error.

    description   a text for the message; if no pattern fits, the text says so
    excluded      the names of the patterns that were tried before and do not fit

    analytic, numeric and wrong are the arguments of `explain`; batch is the number of samples. The patterns
    are in the list PATTERNS and are tried in its order.
    """
    excluded = []
    for test, name in PATTERNS:
        found = test(analytic, numeric, wrong, batch)
        if found:
            return found, excluded
        excluded.append(name)
    return "none of the known patterns", excluded


def _close(a, b):
    return a.shape == b.shape and np.allclose(
        a, b, rtol=1e-4, atol=1e-6 * max(np.abs(b).max(initial=0), 1e-30)
    )


def _broken(a, n, wrong, batch):
    if not np.isfinite(a).all():
        return "the analytic gradient holds inf or nan"
    if not np.isfinite(n).all():
        return "the forward pass gives inf or nan"
    if not a.any():
        return "the analytic gradient is zero everywhere: it never arrives, or it was cleared"
    return ""


def _factor(a, n, wrong, batch):
    alive = np.abs(n) > 1e-3 * np.abs(n).max()
    ratio = np.median(a[alive] / n[alive]) if alive.any() and np.abs(n).max() > 0 else 0.0
    if not ratio or not _close(a, ratio * n):
        return ""

    def close(value):
        return abs(ratio - value) < 1e-4 * abs(value)

    if close(-1):
        return "the sign: analytic = -numeric"
    if batch > 1 and close(batch):
        return f"analytic = {batch} x numeric, the batch size: a sum where the mean is needed"
    if batch > 1 and close(1 / batch):
        return f"analytic = numeric / {batch}, the batch size: a mean where the sum is needed"
    return f"a missing factor: analytic = {ratio:.6g} x numeric everywhere"


def _transposed_or_flipped(a, n, wrong, batch):
    if a.ndim < 2 or a.size < 2:
        return ""
    transposed, target = np.swapaxes(a, -1, -2), np.swapaxes(n, -1, -2)
    if _close(transposed.reshape(a.shape), n) or _close(a.reshape(target.shape), target):
        return "transposed: the last two axes are exchanged"
    for axes, name in (
        ((0, 1), "the first two axes (the kernel's)"),
        ((1, 2), "the picture's axes"),
        ((0,), "axis 0"),
        ((-1,), "the last axis"),
    ):
        if max(axes) < a.ndim and _close(np.flip(a, axes), n):
            return f"flipped along {name}"
    return ""


def _border(a, n, wrong, batch):
    if a.ndim != 4 or min(a.shape[1:3]) < 3:
        return ""
    inside = wrong[:, 1:-1, 1:-1]
    return "border rows or columns only: padding, or the last rows of a stride" if not inside.any() else ""


def _offset(a, n, wrong, batch):
    if a.ndim < 2 or a.size == a.shape[-1]:
        return ""
    gap = a - n
    level = gap.mean(axis=tuple(range(a.ndim - 1)), keepdims=True)
    if _close(np.broadcast_to(level, gap.shape), gap):
        return "a constant for each channel is added: a mean is not subtracted"
    return ""


def _order(a, n, wrong, batch):
    if a.size > 1 and _close(np.sort(a, None), np.sort(n, None)):
        return "the right numbers in a wrong order"
    return ""


def _place(a, n, wrong, batch):
    for axis in range(a.ndim):
        hit = np.flatnonzero(wrong.any(axis=tuple(i for i in range(a.ndim) if i != axis)))
        if a.shape[axis] > 2 and len(hit) == 1:
            return f"only index {hit[0]} of axis {axis} is wrong"
    return ""


PATTERNS = [
    (_broken, "zero or not finite"),
    (_factor, "a sign or a constant factor"),
    (_transposed_or_flipped, "transposed or flipped"),
    (_border, "a border"),
    (_offset, "a missing mean"),
    (_order, "a permutation"),
    (_place, "a single row"),
]
