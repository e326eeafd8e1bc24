"""Passes over memory: updates, rows of channels and activations, with update.h, normalize.h and pointwise.h.

Definitions: reference.py.
"""

import math

import numpy as np

from .calls import _contiguous, _run, _shares, empty

_TERMS = 32  # the cost of one element in a pass over memory, in multiply-adds of _shares


def _flat(size, itemsize):
    """The shares of a pass over `size` elements."""
    return _shares(size, 1, _TERMS, itemsize)


def _vector(x):
    """All elements of x as a vector."""
    return _contiguous(x).reshape(-1)


def _update(kernel, p, *arrays, scalars):
    """An update in place, which Ctrl-C cannot cut in two. Returns whether every number written is finite."""
    shares = _flat(p.size, p.itemsize)
    finite = np.ones(shares[0], p.dtype)
    _run(kernel, (p, *arrays, finite), shares, scalars=scalars, whole=True)
    return bool(finite.all())


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    scalars = lr / (1 - beta1**step), beta1, beta2, (1 - beta2**step) ** -0.5, eps, weight_decay, clip
    return _update("adam", p, g, m, v, scalars=scalars)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    return _update("rmsprop", p, g, v, scalars=(lr, decay, eps, weight_decay, clip))


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    of_m, of_g = (lr * momentum, lr) if nesterov else (lr, 0.0)
    return _update("sgd", p, g, m, scalars=(momentum, of_m, of_g, weight_decay, clip))


def moving_average(average, p, decay):
    _run("moving_average", (average, p), _flat(p.size, p.itemsize), scalars=(decay,), whole=True)


def add(one, two, out):
    shares = _flat(out.size, out.itemsize)
    _run("add", (_vector(one), None if two is None else _vector(two), out.reshape(-1)), shares, whole=True)


def all_finite(x):
    shares = _flat(x.size, x.itemsize)
    finite = np.ones(shares[0], x.dtype)
    _run("all_finite", (_vector(x), finite), shares)
    return bool(finite.all())


_BLOCK = 8192  # elements of a block of rows: they stay in the first-level cache


def _blocks(x, width, longest=256):
    """For a reduction over rows of x: (rows per block, array for the blocks' results, shares of blocks)."""
    rows = min(max(16, _BLOCK // max(x.shape[1], 1)), longest)
    partial = np.empty((-(-len(x) // rows), width), np.float64)
    return rows, partial, (min(_flat(x.size, x.itemsize)[0], max(len(partial), 1)), 1)


def _fold(n, channels):
    """Number of rows, of n, to join into one, because short rows do not fill the vectors.

    The shape decides, not the number of threads: the bits are equal for any number.
    """
    return math.gcd(n, 1 << (256 // channels).bit_length() - 1) if 0 < channels < 32 else 1


def _folded(fold, rows, channels):
    """Arrays of `rows` (P, C) as (P / fold, fold C), those of `channels` (C,) repeated `fold` times.

    All are contiguous. None stays None.
    """
    wide = [_contiguous(x).reshape(len(x) // fold, fold * x.shape[1]) for x in rows]
    return wide + [
        _contiguous(x) if x is None or fold == 1 else x[None].repeat(fold, axis=0).reshape(-1)
        for x in channels
    ]


def channel_moments(x):
    (n, c), (mean, variance), fold = x.shape, np.empty((2, x.shape[1]), x.dtype), _fold(*x.shape)
    (x,) = _folded(fold, (x,), ())
    # short blocks: all squares have the same sign, and so have the roundings of their sums
    rows, partial, shares = _blocks(x, 2 * x.shape[1], longest=64)
    _run("channel_moments", (x, partial), shares, scalars=(rows,))
    if fold > 1:  # pool the `fold` columns of each channel, as blocks of len(x) rows
        pooled = np.empty((2, fold * c))
        _run("pool_moments", (*pooled, partial), (1, 1), scalars=(rows, len(x)))
        pooled[1] *= len(x)
        rows, partial = len(x), _contiguous(pooled.reshape(2, fold, c).swapaxes(0, 1)).reshape(fold, 2 * c)
    _run("pool_moments", (mean, variance, partial), (1, 1), scalars=(rows, n))
    return mean, variance


def normalize(x, mean, scale, bias, slope=1.0):
    y, fold = empty(x.shape, x.dtype), _fold(*x.shape)
    _run(
        "normalize",
        (*_folded(fold, (x,), (mean, scale, bias)), *_folded(fold, (y,), ())),
        _flat(x.size, x.itemsize),
        scalars=(slope,),
    )
    return y


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    c, fold = x.shape[1], _fold(*x.shape)
    dy, x, mean, scale, bias = _folded(fold, (dy, x), (mean, scale, bias))
    rows, partial, shares = _blocks(dy, 2 * dy.shape[1])
    _run("channel_products", (dy, x, mean, partial, scale, bias), shares, scalars=(rows, slope))
    return tuple(partial.sum(axis=0).reshape(2, fold, c).sum(axis=1).astype(dy.dtype))


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    dx, fold = empty(dy.shape, dy.dtype), _fold(*dy.shape)
    *arrays, bias = _folded(fold, (dy, x), (mean, scale, centre, share, bias))
    _run(
        "normalize_gradient",
        (*arrays, *_folded(fold, (dx,), ()), bias),
        _flat(dy.size, dy.itemsize),
        scalars=(slope,),
    )
    return dx


def column_sum(x):
    c, fold = x.shape[1], _fold(*x.shape)
    (x,) = _folded(fold, (x,), ())
    rows, partial, shares = _blocks(x, x.shape[1])
    _run("column_sum", (x, partial), shares, scalars=(rows,))
    return partial.sum(axis=0).reshape(fold, c).sum(axis=0).astype(x.dtype)


def leaky_relu(x, slope):
    y = empty(x.shape, x.dtype)
    _run("leaky_relu", (_vector(x), y.reshape(-1)), _flat(x.size, x.itemsize), scalars=(slope,))
    return y


def leaky_relu_gradient(dy, y, slope):
    dx = empty(dy.shape, dy.dtype)
    _run(
        "leaky_relu_gradient",
        (_vector(dy), _vector(y), dx.reshape(-1)),
        _flat(dy.size, dy.itemsize),
        scalars=(slope,),
    )
    return dx
