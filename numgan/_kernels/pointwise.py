"""Fast kernels that pass over memory once: updates of parameters, sums over rows, activations.

The C code is in update.h, normalize.h and pointwise.h. reference.py has the definition of each kernel, with
the same name and arguments. The work is cut into shares: parts that the threads compute.
"""

import math

import numpy as np

from .calls import _contiguous, _run, _shares, empty

_TERMS = 32  # the cost of one element in a pass over memory, in multiply-adds of _shares


def _flat(x):
    """The cut of a pass over all elements of x for the threads: (n, 1), which means n parts."""
    return _shares(x.size, 1, _TERMS, x.itemsize)


def _vector(x):
    """Reshape x to a contiguous vector of all elements: a view if possible, else a copy. None stays None."""
    return None if x is None else _contiguous(x).reshape(-1)


def _run_finite(kernel, size_of, **arguments):
    """Call a C function over all elements of an array. Returns whether it found no inf or nan.

    kernel      the name of the C function
    size_of     the array whose size decides into how many parts the work is cut
    arguments   the arguments of the C function, without `finite`
    """
    shares = _flat(size_of)
    finite = np.ones(shares[0], size_of.dtype)  # a share that finds inf or nan sets its 1 to 0
    _run(kernel, shares, finite=finite, **arguments)
    return bool(finite.all())


# An update is called with whole=True: Ctrl-C cannot interrupt it before its end.


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
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
    around = {"weight_decay": weight_decay, "clip": clip}
    return _run_finite("rmsprop", p, whole=True, p=p, g=g, v=v, lr=lr, decay=decay, eps=eps, **around)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    of_m, of_g = (lr * momentum, lr) if nesterov else (lr, 0.0)
    constants = {"momentum": momentum, "of_m": of_m, "of_g": of_g, "weight_decay": weight_decay, "clip": clip}
    return _run_finite("sgd", p, whole=True, p=p, g=g, m=m, **constants)


def moving_average(average, p, decay):
    _run("moving_average", _flat(p), whole=True, average=average, p=p, decay=decay)


def add(one, two, out):
    _run("add", _flat(out), whole=True, one=_vector(one), two=_vector(two), out=out.reshape(-1))


def all_finite(x):
    return _run_finite("all_finite", x, x=_vector(x))


_BLOCK = 8192  # number of elements in a block of rows: so many stay in the first-level cache


def _blocks(x, width, longest=256):
    """Plan a sum over the rows of x (P, C): the C code sums each block of rows, then Python sums the blocks.

    Returns (rows, partial, shares):
    rows      the number of rows in a block, at most `longest`
    partial   an empty float64 array (number of blocks, width) for the results of the blocks
    shares    (number of parts for the threads, 1), at most one part for each block
    """
    rows = min(max(16, _BLOCK // max(x.shape[1], 1)), longest)
    partial = np.empty((-(-len(x) // rows), width), np.float64)
    shares = min(_flat(x)[0], max(len(partial), 1))  # at most one for each block
    return rows, partial, (shares, 1)


def _fold(n, channels):
    """How many of the n rows to join into one long row; 1: do not join. channels is the length of a row.

    Why rows are joined: a short row would not fill the vector registers. The shape alone decides, not the
    number of threads, so the bits of the results are equal for any number of threads.
    """
    return math.gcd(n, 1 << (256 // channels).bit_length() - 1) if 0 < channels < 32 else 1


def _folded(fold, **arrays):
    """Join rows of matrices, so that `fold` rows become one long row. Returns {name: array}.

    arrays   {name: a matrix (P, C), a vector (C,), or None}

    A matrix becomes (P / fold, fold C); fold divides P. A vector becomes `fold` copies of itself, one after
    the other: (fold C,). All results are contiguous. A contiguous, aligned matrix is not copied, so a kernel
    can write its result through the view. None stays None.
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
    (n, c), (mean, variance), fold = x.shape, np.empty((2, x.shape[1]), x.dtype), _fold(*x.shape)
    (x,) = _folded(fold, x=x).values()
    # short blocks, because squares have one sign, so the rounding errors of a long sum would add up
    rows, partial, shares = _blocks(x, 2 * x.shape[1], longest=64)
    _run("channel_moments", shares, x=x, partial=partial, rows=rows)
    if fold > 1:  # pool the `fold` columns of each channel, as if they were blocks of len(x) rows
        pooled = np.empty((2, fold * c))
        _pool_moments(*pooled, partial, rows, len(x))
        pooled[1] *= len(x)
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
    y = empty(x.shape, x.dtype)
    arrays = _folded(_fold(*x.shape), x=x, mean=mean, scale=scale, bias=bias, y=y)
    _run("normalize", _flat(x), slope=slope, **arrays)
    return y


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    c, fold = x.shape[1], _fold(*x.shape)
    arrays = _folded(fold, dy=dy, x=x, mean=mean, scale=scale, bias=bias)
    rows, partial, shares = _blocks(arrays["x"], 2 * fold * c)
    _run("channel_products", shares, partial=partial, rows=rows, slope=slope, **arrays)
    return tuple(partial.sum(axis=0).reshape(2, fold, c).sum(axis=1).astype(dy.dtype))


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    dx, per_channel = empty(dy.shape, dy.dtype), {"mean": mean, "scale": scale, "bias": bias}
    arrays = _folded(_fold(*dy.shape), dy=dy, x=x, centre=centre, share=share, dx=dx, **per_channel)
    _run("normalize_gradient", _flat(dy), slope=slope, **arrays)
    return dx


def column_sum(x):
    c, fold = x.shape[1], _fold(*x.shape)
    (x,) = _folded(fold, x=x).values()
    rows, partial, shares = _blocks(x, fold * c)
    _run("column_sum", shares, x=x, partial=partial, rows=rows)
    return partial.sum(axis=0).reshape(fold, c).sum(axis=0).astype(x.dtype)


def leaky_relu(x, slope):
    y = empty(x.shape, x.dtype)
    _run("leaky_relu", _flat(x), x=_vector(x), y=y.reshape(-1), slope=slope)
    return y


def leaky_relu_gradient(dy, y, slope):
    dx = empty(dy.shape, dy.dtype)
    _run("leaky_relu_gradient", _flat(dy), dy=_vector(dy), y=_vector(y), dx=dx.reshape(-1), slope=slope)
    return dx
