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

ROUNDINGS = {"float32": 8 * 2.0**-24, "float64": 16 * 2.0**-53}
FAST = 1e-5


class WrongKernel(ArithmeticError):
    """Raised if a kernel failed its check. The message names the first wrong case and the reason."""


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

    Size n means DCGAN's layer with n input and 2 n output channels, 32 x 32 pixels and batch 8. It has these
    attributes and methods:

    cases            the cases of the check
    size             the default size of the ladder
    definition       the reference kernel
    sized(n)         the case of size n
    shapes(case)     ({name of an array: its shape}, (stride, padding))
    products(case)   the number of multiplications
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
        n, h, v, c, o, kernel, stride, padding = case
        return {"x": (n, h, v, c), "w": (*kernel, c, o)}, (stride, padding)

    @staticmethod
    def products(case):
        n, h, v, c, o, kernel, stride, padding = case
        return n * math.prod(output_size((h, v), kernel, stride, padding)) * math.prod(kernel) * c * o


KINDS = {"matmul": Matmul, "conv": Conv}


@dataclass(frozen=True)
class Rung:
    """A rung: one version of a kernel on the ladder, with its function, its name and its properties."""

    kind: str
    name: str
    function: Callable
    after: str | None = None  # the rung that this one improves on
    dtypes: tuple = ("float32",)  # the dtypes in which it is checked
    fast: bool = False  # checked with the bound of fast algorithms in float32
    threads: int | None = None  # None: the number of threads of the ladder
    largest: int | None = None  # the largest size at which it is timed and checked; None: any size
    note: str = ""


RUNGS = {kind: {} for kind in KINDS}  # {kind: {name: Rung}}, from the lowest rung up


def rung(kind, name, after=None, dtypes=("float32",), fast=False, threads=None, largest=None, note=""):
    """A decorator that registers a function as a rung: one version of a kernel on the ladder.

    kind, name   the kernel, "matmul" or "conv", and the name of the rung
    after        the name of the rung that it improves on, or None
    dtypes       the dtypes in which it is checked, ("float32",) or ("float32", "float64")
    fast         True: it is checked with the bound of fast algorithms in float32
    threads      the number of its threads; None: that of the ladder
    largest      the largest size at which it is timed and checked; None: any size
    note         a text for the table

    Raises ValueError for an unknown kind, a name that is taken, an `after` that is not registered, or other
    dtypes.
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
    """The problem of this size for a rung, a version of a kernel. It is at most as large as rung.largest."""
    return KINDS[rung.kind].sized(min(size, rung.largest or size))


@may_underflow
def draw(kind, case, dtype):
    """Draw the arguments of a kernel for one problem: ({name: array}, tuple of other arguments).

    kind    "matmul" or "conv"
    case    the problem: its sizes, as in Matmul.cases or Conv.cases
    dtype   the dtype of the arrays

    The arrays are normal random numbers, equal in every call. The other arguments are stride and padding of a
    convolution.
    """
    rng = np.random.default_rng(0)
    shapes, rest = KINDS[kind].shapes(case)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}, rest


def layouts(x):
    """The array x in four memory layouts: {name of the layout: array with the values of x}.

    The layouts: contiguous, axes in reverse order, gaps of nan between the entries, and backwards.
    """
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
    """Compare all results of a rung (a version of a kernel) with its definition. WrongKernel if one is wrong.

    The rung computes every problem of its kind, in each of its dtypes, and with every memory layout of each
    array. Problems with more multiplications than the one of size rung.largest are left out.
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

    kind     "matmul" or "conv"
    arrays   {name: array}, the array arguments
    rest     the tuple of the other arguments

    C64 is the definition for the arguments, |A| |B| the definition for their absolute values.
    """
    wide = [array.astype(np.float64) for array in arrays.values()]
    return KINDS[kind].definition(*wide, *rest), KINDS[kind].definition(*map(np.abs, wide), *rest)


@may_underflow
def examine(rung, arrays, rest, exact, layout="contiguous"):
    """Call a kernel once, compare its result C with the exact result, and return the error, a number.

    rung     the Rung: the kernel and its properties
    arrays   {name: array}, the array arguments
    rest     the tuple of the other arguments
    exact    (C64, |A| |B|), the result of `truth` for these arguments
    layout   the name of the memory layout, for the message

    The error is max |C - C64| / (|A| |B|). For a fast kernel in float32 it is rms(C - C64) / rms(C64). An
    empty result has error 0. Raises WrongKernel if the error is above the bound, or if the kernel raises an
    error, changes an array, or returns another type, shape or dtype.
    """
    dtype = next(iter(arrays.values())).dtype
    where = (
        f"{rung.kind} {rung.name!r} at {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}"
    )
    where += f"{f', stride {rest[0]}, padding {rest[1]}' if rest else ''}, {dtype}, {layout}"
    before = {name: array.copy() for name, array in arrays.items()}
    try:
        got = rung.function(*arrays.values(), *rest)
    except Exception as error:
        raise WrongKernel(f"{where}: raised {type(error).__name__}: {error}") from error
    for name, array in arrays.items():
        if not np.array_equal(array, before[name]):
            raise WrongKernel(f"{where}: it changed its argument {name}")
    if not isinstance(got, np.ndarray) or got.shape != exact[0].shape or got.dtype != dtype:
        found = f"{got.dtype} {got.shape}" if isinstance(got, np.ndarray) else type(got).__name__
        raise WrongKernel(f"{where}: expected an array {dtype} {exact[0].shape}, got {found}")
    if not got.size:
        return 0.0
    return _compare(got, *exact, where, rung.fast and dtype == np.float32, layout.endswith("contiguous"))


def _compare(got, expected, scale, where, fast, ordinary):
    """The error of a kernel's result `got`, a number. Raises WrongKernel if it is above the bound.

    expected   the exact result in float64, C64
    scale      |A| |B|: the same computation with the absolute values of the arguments
    where      the start of the message
    fast       True: the error is rms(got - C64) / rms(C64); False: max |got - C64| / scale
    ordinary   True: the arrays are contiguous; the message then names other causes of an error
    """
    wrong, scale = np.abs(got - expected), np.maximum(scale, 1e-300)  # an empty sum has scale 0 and must be 0
    if fast:
        rms = math.sqrt(np.mean(expected**2)) or 1e-300
        error, bound, allowed = math.sqrt(np.mean(wrong**2)) / rms, FAST, "rms(C - C64) <= 1e-5 rms(C64)"
        off = ~(wrong <= 10 * FAST * rms)
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
        lines = np.flatnonzero(off.any(axis=tuple(set(range(off.ndim)) - {axis})))
        if 0 < len(lines) < size and lines[0] == size - len(lines):
            hints.append(f"all in the last {len(lines)} of {size} along axis {axis}: is an edge left out?")
    if not ordinary:
        hints.append("right where the array is contiguous: are the strides used?")
    elif dtype == np.float64 and error < 1e-4:
        hints.append("as large as float32's roundings: is a copy or a sum in float32?")
    return "; ".join(hints)
