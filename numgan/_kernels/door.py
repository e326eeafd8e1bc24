"""The checks of the arguments of every kernel. The kernels, and the C code in them, check nothing more.

Each array is passed by its name in the table of arguments.py, which has its number of dimensions. An array
must be exactly an np.ndarray: a subclass can redefine `shape` or `strides`. A size becomes a Python int: a
NumPy integer can overflow. A constant becomes a Python float. Most functions here convert a value first, then
check it, and return it. The argument `kernel` is the name of the kernel for messages.

    TypeError     an argument of a wrong type: a list, None, a masked array, integers, two different dtypes
    ValueError    a wrong shape, a number out of range, or memory that is shared, not contiguous or read-only
"""

import math
from itertools import combinations

import numpy as np

from .arguments import ARGUMENTS
from .reference import output_size

FLOATS = np.dtype(np.float32), np.dtype(np.float64)  # in the byte order of the processor
ANY = -math.inf, math.inf
RANGES = {
    "beta1": (0, math.nextafter(1, 0)),
    "beta2": (0, math.nextafter(1, 0)),
    "decay": (0, 1),
    "momentum": (0, 1),
    "clip": (0, math.inf),
}
MOST = 1 << 40  # largest number of pixels of a padded input, so that offsets in memory fit into 64 bits


def plain(kernel, name, x, kind="a float32 or float64 array"):
    """The argument x as an exact np.ndarray. An np.memmap becomes a view of its memory.

    kernel   the name of the kernel, name the name of the argument, kind the expected type: texts for the
             message

    Raises TypeError for other types, also for other subclasses of np.ndarray.
    """
    if type(x) is np.ndarray:
        return x
    if type(x) is np.memmap:
        return x.view(np.ndarray)
    how = f"{name}.filled(value)" if isinstance(x, np.ma.MaskedArray) else f"np.asarray({name})"
    advice = f"; pass a plain array, such as {how}" if isinstance(x, np.ndarray) else ""
    raise TypeError(f"{kernel}: expected {name} as {kind}, got {type(x).__name__}{advice}")


def arrays(kernel, **named):
    """The arrays of a call of `kernel`, keywords name=array, as a list of exact np.ndarrays in this order.

    kernel is the name of the kernel, a key of the table of arguments.py. None stays None if the table of
    arguments.py calls the argument optional. Raises TypeError for other types than arrays, and unless all
    arrays have the same dtype, float32 or float64. Raises ValueError if an array has another number of
    dimensions than in the table.
    """
    found, first, dtype, table = (
        [],
        None,
        None,
        ARGUMENTS[kernel].arrays,
    )  # first: the name of the first array
    for name, x in named.items():
        ndim, optional = table[name]
        if x is None and optional:
            found.append(None)
            continue
        x = plain(kernel, name, x)
        if x.dtype not in FLOATS:
            raise TypeError(f"{kernel}: expected {name} as a float32 or float64 array, got {x.dtype}")
        if ndim is not None and x.ndim != ndim:
            raise ValueError(f"{kernel}: expected {name} with {ndim} dimensions, got shape {x.shape}")
        if first is None:
            first, dtype = name, x.dtype
        elif x.dtype != dtype:
            raise TypeError(f"{kernel}: {first} is {dtype} but {name} is {x.dtype}; convert one of them")
        found.append(x)
    return found


def agree(kernel, what, expected, got):
    """Raise ValueError "KERNEL: expected WHAT EXPECTED, got GOT" unless `got` equals `expected`.

    expected and got are sizes or shapes. The text `what` names this size or shape in the message, and
    `kernel` is the name of the kernel.
    """
    if expected != got:
        raise ValueError(f"{kernel}: expected {what} {expected}, got {got}")


def real(value):
    """The `value` as a float; nan if it is not a number, or if it is finite and too large for a float.

    Numbers are int and float of Python, bools, and the integers and floats of NumPy.
    """
    try:
        number = float(value) if isinstance(value, (int, float, np.integer, np.floating)) else math.nan
    except OverflowError:  # value is a large integer; a large long double becomes inf, see the next line
        return math.nan
    return math.nan if math.isinf(number) and value != number else number


def constants(kernel, **named):
    """The numbers of an update, keywords name=value such as lr=0.1, as a list of floats in this order.

    kernel is the name of the kernel, for the message. Raises ValueError for a number outside its range (beta1
    and beta2 from 0 to below 1, decay and momentum from 0 to 1, clip from 0), for nan, and for other types.
    All other names may have any value but nan.
    """
    found = []
    for name, value in named.items():
        low, high = RANGES.get(name, ANY)
        number = real(value)
        if not low <= number <= high:
            raise ValueError(
                f"{kernel}: expected {name} as a number from {low:g} to {high:g}, got {value!r:.40}"
            )
        found.append(number)
    return found


def count(kernel, name, value):
    """The `value`, a number of updates, as an int. Raises ValueError unless it is an integer from 1 to 2^63.

    kernel and name, the names of the kernel and of the argument, are for the message.
    """
    number = int(value) if isinstance(value, (int, np.integer)) else 0
    if not 1 <= number <= 1 << 63:
        raise ValueError(f"{kernel}: expected {name} as an integer of at least 1, got {value!r}")
    return number


def pair(kernel, name, value, low):
    """The `value`, a pair (vertical, horizontal), as a tuple of two Python ints.

    kernel and name, the names of the kernel and of the argument, are for the message. Raises TypeError unless
    it is a tuple or list of two integers, and ValueError if an integer is below `low`.
    """
    entries = list(value) if isinstance(value, (tuple, list)) else []
    if not (len(entries) == 2 and all(isinstance(n, (int, np.integer)) for n in entries)):
        raise TypeError(
            f"{kernel}: expected {name} as a pair of integers (vertical, horizontal), got {value!r}"
        )
    vertical, horizontal = entries
    sizes = int(vertical), int(horizontal)
    if min(sizes) < low:
        raise ValueError(f"{kernel}: expected {name} of at least {low}, got {sizes}")
    return sizes


def window(kernel, taps, stride, padding, size):
    """Check the sizes of a convolution or pooling. Returns (taps, stride, padding, size, size of the output).

    kernel    the name for messages. Every other argument and result is a pair (vertical, horizontal)
    taps      the size (KH, KW) of the window
    stride    in each direction, a stride larger than the padded input becomes the size of that input
    padding   the rows and columns of zeros on each side
    size      the size (H, W) of the input

    Raises the errors of `pair`, and ValueError if the window is larger than the padded input, or if the
    padded input has more than 2^40 pixels.
    """
    taps, stride = pair(kernel, "kernel", taps, 1), pair(kernel, "stride", stride, 1)
    padding, size = pair(kernel, "padding", padding, 0), pair(kernel, "size", size, 0)
    padded = [n + 2 * p for n, p in zip(size, padding)]
    if any(k > n for k, n in zip(taps, padded)):
        raise ValueError(
            f"{kernel}: a {taps[0]}x{taps[1]} window does not fit an input of {size[0]}x{size[1]} "
            f"padded by {padding}"
        )
    if math.prod(padded) > MOST:
        raise ValueError(
            f"{kernel}: expected a padded input of at most 2^40 pixels, got {padded[0]} x {padded[1]}"
        )
    # a larger stride gives the same output, but could overflow in C
    stride = min(stride[0], padded[0]), min(stride[1], padded[1])
    return taps, stride, padding, size, output_size(size, taps, stride, padding)


def slope(kernel, value):
    """The `value`, a slope of a LeakyReLU, as a float. Raises ValueError unless it is finite and at least 0.

    `kernel` is the name of the kernel, for the message. With such a slope, the output y > 0 exactly where the
    input x > 0; so y alone gives the derivative.
    """
    number = real(value)
    if not 0 <= number < math.inf:
        raise ValueError(
            f"{kernel}: expected slope as a finite number >= 0, so that y has the sign of x, "
            f"got {value!r:.40}"
        )
    return number


def finish(kernel, shape, bias, gate, leak):
    """Check the arguments of `reference.finish`. Returns leak, the slope of its LeakyReLU, as a float.

    kernel is the name of the kernel, and shape the shape of its result. Raises ValueError unless bias (one
    number per column or channel) and gate (an array of this shape) fit, and leak is finite and >= 0. bias and
    gate may be None.
    """
    if bias is not None:
        agree(kernel, "bias of length", shape[-1], bias.shape[0])
    if gate is not None:
        agree(kernel, "gate of shape", shape, gate.shape)
    return slope(kernel, leak)


def vectors(kernel, read, **named):
    """The vectors (P,) of an update, keywords name=array, as a list of exact np.ndarrays in this order.

    kernel is the name of the kernel. It reads the vector with the name `read` and writes all others. Raises
    TypeError for other types than arrays, and unless all have the same dtype, float32 or float64. Raises
    ValueError unless all vectors have one length, are contiguous and aligned, are writeable (except `read`),
    and share no memory with each other.
    """
    found = arrays(kernel, **named)
    there = {name: x for name, x in zip(named, found) if x is not None}
    length = len(found[0])
    for name, x in there.items():
        agree(kernel, f"{name} of length", length, len(x))
        if not (x.flags.c_contiguous and x.flags.aligned and (x.flags.writeable or name == read)):
            raise ValueError(
                f"{kernel}: expected {name} contiguous, aligned{'' if name == read else ' and writeable'}; "
                "pass a copy"
            )
    for one, other in combinations(there, 2):
        if np.may_share_memory(there[one], there[other]):
            raise ValueError(f"{kernel}: {one} and {other} share memory; pass a copy of one")
    return found


def output(kernel, out, **read):
    """Raise ValueError unless a kernel can write the array `out` while it reads arrays. Returns nothing.

    kernel    the name of the kernel, for the message
    read      keywords name=array: the arrays that the kernel reads; an array that is None is not checked

    out must be contiguous, aligned and writeable. Each array of `read` must have the shape of out, and either
    share no memory with out or be exactly the same memory.
    """
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError(f"{kernel}: expected out contiguous, aligned and writeable")
    for name, x in read.items():
        if x is None:
            continue
        agree(kernel, f"{name} of shape", out.shape, x.shape)
        same = x.__array_interface__["data"] == out.__array_interface__["data"] and x.strides == out.strides
        if not same and np.may_share_memory(x, out):
            raise ValueError(f"{kernel}: {name} and out share a part of their memory; pass a copy of {name}")


def channels(kernel, **named):
    """The arrays of a call, keywords name=array, as a list in this order: matrices (P, C) and vectors (C,).

    kernel is the name of the kernel. The first array is a matrix. Raises TypeError for other types than
    arrays, and unless all have the same dtype, float32 or float64. Raises ValueError if a matrix has another
    shape than the first, or a vector another length than C. None stays None if the table of arguments.py
    allows it.
    """
    found = arrays(kernel, **named)
    shape = found[0].shape
    for name, x in zip(named, found):
        if x is not None and x.ndim == 2:
            agree(kernel, f"{name} of shape", shape, x.shape)
        elif x is not None:
            agree(kernel, f"{name} of length", shape[1], len(x))
    return found


def pool_index(kernel, index, shape, size):
    """Check `index`, the result of max_pool2d: the number of the chosen input pixel for each output entry.

    kernel    the name of the kernel, for the message
    shape     the shape that index must have
    size      the size (H, W) of the input; its pixels have the numbers 0 to H W - 1

    Returns index as an exact np.ndarray. Raises TypeError for other types than arrays, and ValueError for
    another dtype than int64, another shape, or a number out of range.
    """
    index, pixels = plain(kernel, "index", index, "an int64 array"), math.prod(size)
    agree(kernel, "index of shape", shape, index.shape)
    if index.dtype != np.int64 or index.size and not 0 <= index.min() <= index.max() < pixels:
        raise ValueError(
            f"{kernel}: expected index as int64 from 0 to {pixels - 1}; "
            "pass the index that max_pool2d returned"
        )
    return index
