"""Fast kernels that pass over memory once: updates of parameters, sums over rows, activations.

The C code is in update.h, normalize.h and pointwise.h. reference.py has the definition of each kernel, with
the same name and arguments. The work is cut into shares: parts that the threads compute.
"""

import math

import numpy as np

from .calls import _contiguous, _run, _shares, empty

_TERMS = 32  # the cost of one element in a pass over memory, in multiply-adds of _shares


def _flat(x):
    """(n, 1): n is the number of parts into which a pass over all elements of x is cut for the threads."""
    return _shares(x.size, 1, _TERMS, x.itemsize)


def _vector(x):
    """All elements of the array x as a contiguous vector, a view if possible. None stays None."""
    return None if x is None else _contiguous(x).reshape(-1)


def _run_finite(kernel, size_of, **arguments):
    """Call a C function over all elements of an array. Returns True if it found no inf or nan, else False.

    kernel      the name of the C function
    size_of     the array whose size decides into how many parts the work is cut
    arguments   the arguments of the C function, without `finite`
    """
    parts, _ = shares = _flat(size_of)
    finite = np.ones(parts, size_of.dtype)  # a share that finds inf or nan sets its 1 to 0
    _run(kernel, shares, finite=finite, **arguments)
    return bool(finite.all())


# An update is called with whole=True: Ctrl-C cannot interrupt it before its end.


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    """Update the vectors p, m and v (P,) in place by Adam with the gradient g, see `reference.adam`.

    s = g + weight_decay p, m = beta1 m + (1 - beta1) s, v = beta2 v + (1 - beta2) s^2
    p = p - lr mhat / (sqrt(vhat) + eps), then p is clipped to [-clip, clip]

    mhat = m / (1 - beta1^step) and vhat = v / (1 - beta2^step), where step = 1, 2, ... counts updates.
    Returns whether all three are finite. The C code gets the step lr / (1 - beta1^step) of m and the factor 1
    / sqrt(1 - beta2^step) of sqrt(v), so it computes no powers.
    """
    return _run_finite(
        "adam",
        p,
        whole=True,
        p=p,
        g=g,
        m=m,
        v=v,
        rate=lr / (1 - beta1**step),
        beta1=beta1,
        beta2=beta2,
        scale=(1 - beta2**step) ** -0.5,
        eps=eps,
        weight_decay=weight_decay,
        clip=clip,
    )


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    """Update the vectors p and v (P,) in place by RMSProp with the gradient g, see `reference.rmsprop`.

    s = g + weight_decay p, v = decay v + (1 - decay) s^2, p = p - lr s / (sqrt(v) + eps)

    Then p is clipped to [-clip, clip]. Returns whether both are finite.
    """
    around = {"weight_decay": weight_decay, "clip": clip}
    return _run_finite("rmsprop", p, whole=True, p=p, g=g, v=v, lr=lr, decay=decay, eps=eps, **around)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    """Update the vectors p and m (P,) in place by gradient descent with the gradient g, see `reference.sgd`.

    s = g + weight_decay p, m = momentum m + s, p = p - lr m, or p - lr (s + momentum m) if nesterov

    Then p is clipped to [-clip, clip]. m may be None without momentum. Returns whether the new numbers are
    finite.
    """
    # p = p - of_m m - of_g s with the new m and s = g + weight_decay p; if m is None, C takes s as the new m
    of_m, of_g = (lr * momentum, lr) if nesterov else (lr, 0.0)
    constants = {"momentum": momentum, "of_m": of_m, "of_g": of_g, "weight_decay": weight_decay, "clip": clip}
    return _run_finite("sgd", p, whole=True, p=p, g=g, m=m, **constants)


def moving_average(average, p, decay):  # average = decay average + (1 - decay) p, in place
    _run("moving_average", _flat(p), whole=True, average=average, p=p, decay=decay)


def add(one, two, out):  # out = one + two, or one if two is None
    _run("add", _flat(out), whole=True, one=_vector(one), two=_vector(two), out=out.reshape(-1))


def all_finite(x):
    return _run_finite("all_finite", x, x=_vector(x))


_BLOCK = 8192  # number of elements in a block of rows: so many stay in the first-level cache


def _blocks(x, width, longest=256):
    """Plan a sum over the rows of x (P, C): the C code sums each block of rows, then Python sums the blocks.

    width is the number of results of one block. Returns (rows, partial, shares):

    rows      the number of rows in a block, at most `longest`
    partial   an empty float64 array (number of blocks, width) for the results of the blocks
    shares    (number of parts for the threads, 1), at most one part for each block
    """
    rows = min(max(16, _BLOCK // max(x.shape[1], 1)), longest)
    partial = np.empty((-(-len(x) // rows), width), np.float64)  # the number of blocks is rounded up
    parts, _ = _flat(x)
    return rows, partial, (min(parts, max(len(partial), 1)), 1)


def _fold(n, channels):
    """The number of the n rows to join into one long row, a divisor of n; 1: do not join.

    channels is the length of a row. Why rows are joined: a short row would not fill the vector registers. The
    shape alone decides, not the number of threads, so the bits of the results are equal for any number of
    threads.
    """
    # the largest power of 2 of at most 256 / channels, and its greatest common divisor with n
    return math.gcd(n, 1 << (256 // channels).bit_length() - 1) if 0 < channels < 32 else 1


def _folded(fold, **arrays):
    """The `arrays` as {name: array} with joined rows: `fold` rows of each matrix become one row.

    A matrix (P, C) becomes (P / fold, fold C); fold divides P. A vector (C,) becomes `fold` copies of itself,
    one after the other: (fold C,). All results are contiguous. A contiguous, aligned matrix is not copied, so
    a kernel can write its result through the view. None stays None.
    """
    folded = {}
    for name, x in arrays.items():
        if x is not None and x.ndim == 2:
            x = _contiguous(x).reshape(len(x) // fold, fold * x.shape[1])
        elif x is not None and fold > 1:
            x = x[None].repeat(fold, axis=0).reshape(-1)
        folded[name] = _contiguous(x)
    return folded


def channel_moments(x):
    """(mean, variance) of each column of x (P, C), both (C,); see `reference.channel_moments`.

    The C code computes the moments of blocks of rows; `_pool_moments` makes those of all rows of them.
    """
    (n, c), (mean, variance), fold = x.shape, np.empty((2, x.shape[1]), x.dtype), _fold(*x.shape)
    (x,) = _folded(fold, x=x).values()
    # short blocks, because squares have one sign, so the rounding errors of a long sum would add up
    rows, partial, shares = _blocks(x, 2 * x.shape[1], longest=64)
    _run("channel_moments", shares, x=x, partial=partial, rows=rows)
    # partial holds the means of a block, then its sums of squared deviations
    if fold > 1:  # pool the `fold` columns of each channel, as if they were blocks of len(x) rows
        pooled = np.empty((2, fold * c))
        _pool_moments(*pooled, partial, rows, len(x))  # writes the two rows of pooled: means, variances
        pooled[1] *= len(x)  # variances become sums of squared deviations
        rows, partial = len(x), _contiguous(pooled.reshape(2, fold, c).swapaxes(0, 1)).reshape(fold, 2 * c)
    _pool_moments(mean, variance, partial, rows, n)
    return mean, variance


def _pool_moments(mean, variance, partial, rows, total):
    """Compute the mean and variance of each channel from the moments of blocks of rows, in place.

    mean, variance   (C,), the results
    partial          (number of blocks, 2 C): the means of a block, then its sums of squared deviations
    rows             the number of rows of a block; the last one may have fewer
    total            the number of rows of all blocks
    """
    _run("pool_moments", (1, 1), mean=mean, variance=variance, partial=partial, rows=rows, total=total)


def normalize(x, mean, scale, bias, slope=1.0):
    """(x - mean) scale + bias for the rows of x (P, C), then LeakyReLU with this slope (1: none).

    See `reference.normalize`.
    """
    y = empty(x.shape, x.dtype)
    arrays = _folded(_fold(*x.shape), x=x, mean=mean, scale=scale, bias=bias, y=y)
    _run("normalize", _flat(x), slope=slope, **arrays)
    return y


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    """(sum over rows of d, sum over rows of d (x - mean)), both (C,); see `reference.channel_products`.

    dy and x are (P, C). d is dy, or with another slope than 1 dy times the derivative of normalize's
    LeakyReLU.
    """
    c, fold = x.shape[1], _fold(*x.shape)
    arrays = _folded(fold, dy=dy, x=x, mean=mean, scale=scale, bias=bias)
    rows, partial, shares = _blocks(arrays["x"], 2 * fold * c)
    _run("channel_products", shares, partial=partial, rows=rows, slope=slope, **arrays)
    # sum the blocks, then the `fold` rows that were joined into one
    return tuple(partial.sum(axis=0).reshape(2, fold, c).sum(axis=1).astype(dy.dtype))


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    """dx = (d - centre - (x - mean) share) scale, (P, C); see `reference.normalize_gradient`.

    d is dy, or with another slope than 1 dy times the derivative of normalize's LeakyReLU, which needs bias.
    """
    dx, per_channel = empty(dy.shape, dy.dtype), {"mean": mean, "scale": scale, "bias": bias}
    arrays = _folded(_fold(*dy.shape), dy=dy, x=x, centre=centre, share=share, dx=dx, **per_channel)
    _run("normalize_gradient", _flat(dy), slope=slope, **arrays)
    return dx


def column_sum(x):
    """The sum over the rows of x (P, C): (C,). See `reference.column_sum`."""
    c, fold = x.shape[1], _fold(*x.shape)
    (x,) = _folded(fold, x=x).values()
    rows, partial, shares = _blocks(x, fold * c)
    _run("column_sum", shares, x=x, partial=partial, rows=rows)
    # sum the blocks, then the `fold` rows that were joined into one
    return partial.sum(axis=0).reshape(fold, c).sum(axis=0).astype(x.dtype)


def leaky_relu(x, slope):
    y = empty(x.shape, x.dtype)
    _run("leaky_relu", _flat(x), x=_vector(x), y=y.reshape(-1), slope=slope)
    return y


def leaky_relu_gradient(dy, y, slope):
    dx = empty(dy.shape, dy.dtype)
    _run("leaky_relu_gradient", _flat(dy), dy=_vector(dy), y=_vector(y), dx=dx.reshape(-1), slope=slope)
    return dx
