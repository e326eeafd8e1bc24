"""The trial of a kernel: before timing, it is compared with its definition on irregular shapes and layouts.

    @rung("matmul", "mine")          registers a kernel by name
    def mine(a, b): ...

A kernel has these arguments and this result:

    matmul    a (M, K), b (K, N)                                    ->  c (M, N)
    conv      x (N, H, W, C), w (KH, KW, C, O), stride, padding     ->  y (N, HO, WO, O)

Arrays may have any memory layout; stride and padding are pairs. `largest=32` limits a slow kernel to problems
of size 32. The result C is compared with C64, the definition in float64. |A| |B| is the definition for the
absolute values of the arguments.

    |C - C64| <= 8 u (|A| |B|)         in every element, with u = 2^-24 in float32;
                                       in float64 the factor is 16 and u = 2^-53, because C64 has rounding
                                       errors too
    rms(C - C64) <= 1e-5 rms(C64)      instead, for a fast algorithm in float32, which adds and subtracts
                                       before it multiplies
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._kernels import output_size, reference
from ..core.underflow import may_underflow

ROUNDINGS = {"float32": 8 * 2.0**-24, "float64": 16 * 2.0**-53}  # bounds of |C - C64| / (|A| |B|)
FAST = 1e-5  # the bound of rms(C - C64) / rms(C64) for a fast algorithm


class WrongKernel(ArithmeticError):
    """The error of a kernel that failed its trial. The message names the first wrong case and the reason."""


class Matmul:
    """The kind of kernel "matmul": c = a b. A case (one problem to compute) is the sizes (M, K, N).

    cases            the cases of the check
    size             the default size of the ladder
    definition       the reference kernel
    sized(n)         the case of size n: (n, n, n)
    shapes(case)     the shapes of the arguments
    products(case)   the number of multiplications
    """

    size = 512
    definition = staticmethod(reference.matmul)
    cases = [
        (1, 1, 1),
        (2, 1, 3),
        (3, 2, 1),
        (1, 5, 2),
        (0, 3, 5),
        (3, 0, 5),
        (3, 5, 0),
        (13, 7, 17),
        (1, 385, 1),
        (67, 5, 3),
        (29, 101, 31),
        (5, 11, 1601),
        (149, 401, 37),
        (61, 211, 307),
    ]

    @staticmethod
    def sized(n):
        return n, n, n

    @staticmethod
    def shapes(case):
        """The arguments of a case: ({name of an array: its shape}, tuple of other arguments, here empty)."""
        m, k, n = case
        return {"a": (m, k), "b": (k, n)}, ()

    @staticmethod
    def products(case):
        return math.prod(case)


class Conv:
    """The kind of kernel "conv": y = x * w. A case (one problem) is (N, H, W, C, O, kernel, stride, padding).

    Size n means DCGAN's layer with n input and 2 n output channels, 32 x 32 pixels and batch 8. Attributes
    and methods are as in Matmul; the other arguments are (stride, padding).
    """

    size = 64
    definition = staticmethod(reference.conv2d)
    cases = [
        (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0)),
        (1, 2, 3, 1, 1, (2, 1), (1, 1), (0, 0)),
        (0, 5, 7, 3, 2, (3, 2), (1, 2), (1, 0)),  # empty batch
        (2, 4, 5, 3, 2, (4, 5), (1, 1), (0, 0)),  # one output pixel
        (2, 7, 11, 3, 5, (3, 2), (2, 3), (1, 0)),  # no two sizes are equal
        (3, 13, 5, 2, 7, (2, 3), (5, 4), (0, 1)),  # stride > kernel: some pixels are in no window
        (1, 6, 9, 5, 3, (4, 4), (2, 2), (1, 1)),  # DCGAN's layer; no window covers the last padded column
        (2, 3, 4, 11, 13, (5, 3), (1, 1), (4, 5)),  # some windows contain only padding
        (1, 13, 2, 9, 67, (3, 1), (2, 1), (1, 0)),
        (3, 9, 8, 67, 37, (3, 3), (1, 1), (1, 1)),
        (2, 14, 10, 37, 41, (4, 4), (2, 2), (1, 1)),
    ]

    @staticmethod
    def sized(n):
        return 8, 32, 32, n, 2 * n, (4, 4), (2, 2), (1, 1)

    @staticmethod
    def shapes(case):
        """The arguments of a case: ({"x": its shape, "w": its shape}, (stride, padding))."""
        n, h, v, c, o, kernel, stride, padding = case
        return {"x": (n, h, v, c), "w": (*kernel, c, o)}, (stride, padding)

    @staticmethod
    def products(case):
        """The number of multiplications of a case: N HO WO KH KW C O."""
        n, h, v, c, o, kernel, stride, padding = case
        return n * math.prod(output_size((h, v), kernel, stride, padding)) * math.prod(kernel) * c * o


KINDS = {"matmul": Matmul, "conv": Conv}


@dataclass(frozen=True)
class Rung:
    """A kernel that is registered for the ladder: its function, its name and its properties.

    kind       "matmul" or "conv"
    name       the name of the kernel in the table
    function   the kernel, with the arguments of the kind, see the module
    after      the name of the kernel that it improves on; None: none
    dtypes     the dtypes in which it is checked
    fast       whether it may have the larger error of fast algorithms in float32
    threads    the number of threads with which it is timed; None: that of the ladder
    largest    the largest size at which it is timed and checked; None: any size
    note       a text for the table
    """

    kind: str
    name: str
    function: Callable
    after: str | None = None
    dtypes: tuple = ("float32",)
    fast: bool = False
    threads: int | None = None
    largest: int | None = None
    note: str = ""


RUNGS = {kind: {} for kind in KINDS}  # {kind: {name: Rung}}, from the lowest rung up


def rung(kind, name, after=None, dtypes=("float32",), fast=False, threads=None, largest=None, note=""):
    """A decorator that registers a function as a kernel of the ladder, and returns the function unchanged.

    kind is "matmul" or "conv". name, after, dtypes, fast, threads, largest and note are fields of `Rung`.
    Raises ValueError for an unknown kind, a name that is taken, an `after` that is not registered, or other
    dtypes than ("float32",) and ("float32", "float64").
    """
    if kind not in KINDS:
        raise ValueError(f"ladder: expected one of the kinds {', '.join(KINDS)}, got {kind!r}")
    rungs = RUNGS[kind]
    if name in rungs:
        raise ValueError(
            f"rung: the {kind} ladder already has a rung {name!r}; choose another name, "
            f"or remove that one first: ladder.RUNGS[{kind!r}].pop({name!r})"
        )
    if after is not None and after not in rungs:
        raise ValueError(
            f"rung: {name!r} is to stand after {after!r}, "
            f"but the {kind} ladder has {', '.join(rungs) or 'no rungs yet'}"
        )
    if tuple(dtypes) not in (("float32",), ("float32", "float64")):
        raise ValueError(
            f'rung: expected dtypes ("float32",) or ("float32", "float64") of {name!r}, got {dtypes!r}; '
            "ladders are timed in float32"
        )

    def register(function):
        rungs[name] = Rung(kind, name, function, after, tuple(dtypes), fast, threads, largest, note)
        return function

    return register


def case_of(rung, size):
    """The case (problem) of size `size` for a Rung, or that of the size rung.largest if it is smaller."""
    return KINDS[rung.kind].sized(min(size, rung.largest or size))


@may_underflow
def draw(kind, case, dtype):
    """The random arguments of a case for a kernel of this kind: ({name: array}, tuple of other arguments).

    kind is "matmul" or "conv". The arrays are normal random numbers in `dtype`, equal in every call. The
    other arguments are stride and padding of a convolution.
    """
    rng = np.random.default_rng(0)
    shapes, rest = KINDS[kind].shapes(case)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}, rest


def layouts(x):
    """The array x in four memory layouts: {name of the layout: array with the shape and values of x}.

    The layouts: contiguous, axes in reverse order, gaps of nan between the entries, and backwards.
    """
    # every second entry, along each axis, of an array of nan that is twice as long along each axis
    spaced = np.full([2 * n for n in x.shape], np.nan, x.dtype)[(slice(None, None, 2),) * x.ndim]
    spaced[...] = x
    return {
        "contiguous": x,
        "transposed": x.T.copy().T,
        "every second entry of a larger array": spaced,
        "backwards": np.flip(np.flip(x).copy()),
    }


@may_underflow
def check(rung):
    """Compare the results of `rung`, a Rung, with its definition. Raises WrongKernel if a result is wrong.

    Nothing is returned. It is done for every case of the kind, every dtype of the rung, and every memory
    layout of each array. Cases with more multiplications than the case of size rung.largest are left out.
    """
    kind = KINDS[rung.kind]
    limit = kind.products(kind.sized(rung.largest)) if rung.largest else math.inf
    for dtype in rung.dtypes:
        for case in kind.cases:
            if kind.products(case) <= limit:
                arrays, rest = draw(rung.kind, case, dtype)
                exact = truth(rung.kind, arrays, rest)
                for name in arrays:
                    for layout, array in layouts(arrays[name]).items():
                        examine(rung, arrays | {name: array}, rest, exact, f"{name} {layout}")


@may_underflow
def truth(kind, arrays, rest):
    """The exact result of a kernel and the scale of its errors, both in float64: (C64, |A| |B|).

    The reference kernel of the kind computes C64 from the arguments, and |A| |B| from their absolute values.

    kind     "matmul" or "conv", a key of KINDS
    arrays   {name: array}, the arguments of the kernel that are arrays
    rest     the tuple of its other arguments
    """
    wide = [array.astype(np.float64) for array in arrays.values()]
    return KINDS[kind].definition(*wide, *rest), KINDS[kind].definition(*map(np.abs, wide), *rest)


@may_underflow
def examine(rung, arrays, rest, exact, layout="contiguous"):
    """Call the kernel of `rung`, a Rung, once and return the error of its result C, a number.

    arrays   {name: array}, the array arguments
    rest     the other arguments
    exact    (C64, |A| |B|), the result of `truth` for these arguments
    layout   the name of the memory layout, for the message

    The error is max |C - C64| / (|A| |B|). For a fast kernel in float32 it is rms(C - C64) / rms(C64). An
    empty result has error 0. Raises WrongKernel if the error is above the bound, or if the kernel raises an
    error, changes an array, or returns another type, shape or dtype.
    """
    dtype = next(iter(arrays.values())).dtype
    expected, scale = exact
    where = (
        f"{rung.kind} {rung.name!r} at {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}"
    )
    settings = "".join(f", {name} {pair}" for name, pair in zip(("stride", "padding"), rest))  # of conv
    where += f"{settings}, {dtype}, {layout}"
    before = {name: array.copy() for name, array in arrays.items()}
    try:
        got = rung.function(*arrays.values(), *rest)
    except Exception as error:
        raise WrongKernel(f"{where}: raised {type(error).__name__}: {error}") from error
    for name, array in arrays.items():
        if not np.array_equal(array, before[name]):
            raise WrongKernel(f"{where}: it changed its argument {name}")
    if not isinstance(got, np.ndarray) or got.shape != expected.shape or got.dtype != dtype:
        found = f"{got.dtype} {got.shape}" if isinstance(got, np.ndarray) else type(got).__name__
        raise WrongKernel(f"{where}: expected an array {dtype} {expected.shape}, got {found}")
    if not got.size:
        return 0.0
    fast = rung.fast and dtype == np.float32
    return _compare(got, expected, scale, where, fast, layout.endswith("contiguous"))


def _compare(got, expected, scale, where, fast, ordinary):
    """The error of the result `got`, as `examine` returns it. Raises WrongKernel if it is above the bound.

    expected, scale   C64 and |A| |B|, the result of `truth`
    where             the start of the message
    fast              True: error and bound are those of fast algorithms
    ordinary          True: the arrays are contiguous; the message then names other causes of an error
    """
    wrong, scale = np.abs(got - expected), np.maximum(scale, 1e-300)  # an empty sum has scale 0 and must be 0
    if fast:
        rms = math.sqrt(np.mean(expected**2)) or 1e-300
        error, bound, allowed = math.sqrt(np.mean(wrong**2)) / rms, FAST, "rms(C - C64) <= 1e-5 rms(C64)"
        off = ~(wrong <= 10 * FAST * rms)  # for the message: a single element may exceed the rms; nan is off
    else:
        bound = ROUNDINGS[got.dtype.name]
        error, allowed = float(np.max(wrong / scale)), f"|C - C64| <= {bound:.1e} |A| |B|"
        off = ~(wrong <= bound * scale)
    if error <= bound:
        return error
    worst = np.unravel_index(np.argmax(np.nan_to_num(wrong / scale, nan=np.inf)), wrong.shape)
    raise WrongKernel(
        f"{where}: error {error:.2g}, allowed {bound:.1e} ({allowed}); "
        f"the worst is [{', '.join(map(str, worst))}], expected {expected[worst]:.6g}, "
        f"got {got[worst]:.6g}; {_pattern(off, error, got.dtype, ordinary)}"
    )


def _pattern(off, error, dtype, ordinary):
    """A text for the message of WrongKernel: which elements are wrong, and possible causes.

    off        a mask, True where the result is wrong
    error      the error of the result
    dtype      the dtype of the result
    ordinary   True: the arrays are contiguous
    """
    hints = [f"{off.sum()} of {off.size} elements are off"]
    for axis, size in enumerate(off.shape):
        # the indices along this axis at which any element is off
        lines = np.flatnonzero(off.any(axis=tuple(set(range(off.ndim)) - {axis})))
        if 0 < len(lines) < size and lines[0] == size - len(lines):
            hints.append(f"all in the last {len(lines)} of {size} along axis {axis}: is an edge left out?")
    if not ordinary:
        hints.append("right where the array is contiguous: are the strides used?")
    elif dtype == np.float64 and error < 1e-4:
        hints.append("as large as float32's roundings: is a copy or a sum in float32?")
    return "; ".join(hints)
