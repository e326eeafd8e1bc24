"""The error message for two arrays that should be equal but differ.

The message gives the number of wrong entries, the worst entry and the pattern of the error (such as a wrong
sign). A pattern is a property of the numbers only. If none fits, this excludes no cause: for example, without
a transpose a product has other numbers, and not the right ones in another order.
"""

from itertools import product

import numpy as np

UNKNOWN = "none of the known patterns"


def explain(subject, name, analytic, numeric, wrong):
    """Make the text of the error message about one wrong array.

    subject             the Subject: the function under test, for the message
    name                the array, such as "gradient of W"
    analytic, numeric   the wrong array and the right array, of one shape
    wrong               a mask of the same shape: True where analytic and numeric disagree

    The text has the number of wrong entries, the worst entry and the pattern of the error.
    """
    gap = np.abs(analytic - numeric)
    worst = np.unravel_index(np.where(np.isnan(gap), np.inf, gap).argmax(), gap.shape)
    at = f"[{', '.join(map(str, worst))}]" if worst else "the only one"
    found = pattern(analytic, numeric, wrong, subject.counts)
    if found == UNKNOWN:
        found += " (the wrong numbers are no multiple, flip, shift or other order of the right ones)"
    return subject.message(
        f"{name} is wrong in {int(wrong.sum())} of {wrong.size} entries; worst at {at}: "
        f"analytic {float(analytic[worst]):.9g}, numeric {float(numeric[worst]):.9g}\n"
        f"  looks like: {found}"
    )


def explain_projections(name, analytic, numeric, counts):
    """The text of the error about a wrong gradient with so many entries that only projections were compared.

    name                the array, such as "gradient of W"
    analytic, numeric   vectors with the derivatives along the same random directions
    counts              {words: number}: numbers by which a sum and a mean may differ, such as the batch size

    The text names a factor or a wrong sign if all projections show the same one.
    """
    text = f"{name} is wrong: along random directions analytic {analytic}, numeric {numeric}"
    wrong = np.ones(analytic.shape, bool)
    found = _broken(analytic, numeric, wrong, counts)
    if not found and analytic.size > 1:
        found = _factor(analytic, numeric, wrong, counts)
    return text + (f"\n  looks like: {found}" if found else "")


def pattern(analytic, numeric, wrong, counts):
    """The text of the first pattern, such as a wrong sign, that fits the error; UNKNOWN if none fits.

    analytic, numeric   the wrong array and the right array, of one shape
    wrong               a mask of this shape: True where the two disagree
    counts              {words: number}: numbers by which a sum and a mean may differ, or only the batch size

    The patterns are in the list PATTERNS and are tried in its order.
    """
    counts = counts if isinstance(counts, dict) else {"the batch size": counts}
    return next(filter(None, (test(analytic, numeric, wrong, counts) for test in PATTERNS)), UNKNOWN)


# ---- the patterns. Each is a function of the analytic array a, the numeric array n, the mask `wrong` of the
# entries that disagree, and `counts`, {words: number}. It returns the text of the pattern, or "".


def _close(a, b):
    """Whether arrays have one shape and nearly equal entries: |a - b| <= 1e-4 |b| + 1e-6 max |b|."""
    return a.shape == b.shape and np.allclose(
        a, b, rtol=1e-4, atol=1e-6 * max(np.abs(b).max(initial=0), 1e-30)
    )


def _broken(a, n, wrong, counts):
    """A text if a or n has inf or nan, or a is zero everywhere; "" if not. wrong and counts are not used."""
    if not np.isfinite(a).all():
        return "the analytic gradient holds inf or nan"
    if not np.isfinite(n).all():
        return "the forward pass gives inf or nan"
    if not a.any():
        return "the analytic gradient is zero everywhere: it never arrives, or it was cleared"
    return ""


def _factor(a, n, wrong, counts):
    """A text if a is a multiple of n: a wrong sign, a sum for a mean, or another factor; "" if not.

    counts   {words: number}: the numbers by which a sum and a mean may differ; wrong is not used
    """
    # the median of the ratios of the entries that are not tiny
    alive = np.abs(n) > 1e-3 * np.abs(n).max()
    ratio = np.median(a[alive] / n[alive]) if alive.any() and np.abs(n).max() > 0 else 0.0
    if not ratio or not _close(a, ratio * n):
        return ""

    def close(value):
        return abs(ratio - value) < 1e-4 * abs(value)

    if close(-1):
        return "the sign: analytic = -numeric"
    for words, count in counts.items():
        if count > 1 and close(count):
            return f"analytic = {count} x numeric, {words}: a sum where the mean is needed"
        if count > 1 and close(1 / count):
            return f"analytic = numeric / {count}, {words}: a mean where the sum is needed"
    return f"a missing factor: analytic = {ratio:.6g} x numeric everywhere"


def _transposed_or_flipped(a, n, wrong, counts):
    """A text if a is n with two axes exchanged or flipped; "" if not. wrong and counts are not used."""
    if a.ndim < 2 or a.size < 2:
        return ""
    # the second comparison: the numbers of the transposed n, written into an array with the shape of n
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


def _border(a, n, wrong, counts):
    """A text if only border rows and columns of pictures a (N, H, W, C) are wrong; "" if not.

    wrong   the mask of the wrong entries; n and counts are not used
    """
    if a.ndim != 4 or min(a.shape[1:3]) < 3:
        return ""
    inside = wrong[:, 1:-1, 1:-1]
    return "border rows or columns only: padding, or the last rows of a stride" if not inside.any() else ""


def _shifted(a, n, wrong, counts):
    """A text if the right numbers n were moved along one axis, or along both axes of a picture; "" if not.

    a, n            the analytic and the numeric gradient, of one shape
    wrong, counts   are not used

    Such an error comes from a wrong crop.
    """
    axes = (1, 2) if a.ndim == 4 else (1,) if a.ndim == 3 else ()
    for moves in product((0, 1, -1, 2, -2), repeat=len(axes)):
        if not any(moves) or any(a.shape[axis] <= abs(k) + 1 for axis, k in zip(axes, moves)):
            continue
        here, there = [slice(None)] * a.ndim, [slice(None)] * a.ndim
        for axis, k in zip(axes, moves):
            here[axis] = slice(max(k, 0), a.shape[axis] + min(k, 0))
            there[axis] = slice(max(-k, 0), a.shape[axis] + min(-k, 0))
        if _close(a[tuple(here)], n[tuple(there)]):
            return f"shifted: the right numbers, moved by {moves} along the axes {axes}"
    return ""


def _offset(a, n, wrong, counts):
    """A text if a - n is a constant for each index of the last axis; "" if not. wrong, counts: not used."""
    if a.ndim < 2 or a.size == a.shape[-1]:
        return ""
    gap = a - n
    level = gap.mean(axis=tuple(range(a.ndim - 1)), keepdims=True)
    if _close(np.broadcast_to(level, gap.shape), gap):
        return "a constant for each channel is added, as if a mean were not subtracted"
    return ""


def _order(a, n, wrong, counts):
    """A text if a has the numbers of n in another order; "" if not. wrong and counts are not used."""
    if a.size > 1 and _close(np.sort(a, None), np.sort(n, None)):
        return "the right numbers in a wrong order"
    return ""


def _place(a, n, wrong, counts):
    """A text if all wrong entries have one index of one axis; "" if not.

    wrong   the mask of the wrong entries of a; the axis must have more than 2 indices. n, counts: not used
    """
    for axis in range(a.ndim):
        hit = np.flatnonzero(wrong.any(axis=tuple(i for i in range(a.ndim) if i != axis)))
        if a.shape[axis] > 2 and len(hit) == 1:
            return f"only index {hit[0]} of axis {axis} is wrong"
    return ""


PATTERNS = [_broken, _factor, _transposed_or_flipped, _border, _shifted, _offset, _order, _place]
