"""Call every kernel with random arguments, valid and invalid, and check that each call is right or refused.

    python benchmarks/fuzz_kernels.py                      100,000 calls
    python benchmarks/fuzz_kernels.py --calls 2000 --seed 3
    python benchmarks/fuzz_kernels.py --only 4711          one call again, with its arguments
    python benchmarks/fuzz_kernels.py --backend cython     products and convolutions of the backend "cython"
    bash .ci/sanitize                                      the same with address and behaviour sanitizers

Each call starts with valid arguments (`kernel_arguments.py`). Then up to three of them are spoilt: replaced
by None, a masked array or another subclass, another dtype or shape, other strides, an unaligned address,
read-only memory, memory shared with another argument, an empty array with an axis of 2^40, NumPy integers
that overflow, sizes up to 2^64, or constants that are not numbers.

An outcome is right in two cases. Either a spoilt call is refused with TypeError, ValueError or MemoryError,
and it writes nothing. Or the call gives the result of the reference backend, and it writes to no other
memory. A call that takes longer than --limit seconds is a failure. Prints a JSON object; exit code 1 if there
is a failure.
"""

import argparse
import json
import math
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from numgan import _kernels as kernels

sys.path.insert(0, str(Path(__file__).parent))
from kernel_arguments import CALLS, Arrays, Lying  # noqa: E402

sys.path.pop(0)

REFUSED = TypeError, ValueError, MemoryError


# --- spoiling their arguments

NUMBERS = [
    0,
    1,
    2,
    3,
    -1,
    255,
    300,
    1 << 31,
    1 << 32,
    1 << 40,
    1 << 62,
    1 << 63,
    1 << 64,
    -(1 << 63),
    np.uint8(200),
    np.uint8(1),
    np.int8(-1),
    np.int8(127),
    np.int16(3),
    np.int64(2),
    np.int64((1 << 63) - 1),
    np.uint64((1 << 64) - 1),
    True,
    1.0,
    2.5,
    math.nan,
    math.inf,
    None,
    "3",
    10**400,
    np.float32(2),
    np.float64(0.5),
    np.array(2),
    np.array([2]),
    1j,
]


def strided(make, rng, x):
    """A view with the values of x: axes in another order in memory, other strides, sometimes unaligned."""
    order = rng.permutation(x.ndim)
    steps = rng.choice([1, 1, 2, 3, -1, -2], x.ndim)
    wide = [x.shape[i] * abs(s) for i, s in zip(order, steps)]
    if math.prod(wide) > 1 << 20:
        return x
    memory = (
        make.room(math.prod(wide) * x.itemsize, odd=int(rng.choice([0, 0, 1, 4]))).view(x.dtype).reshape(wide)
    )
    view = memory[(*(slice(None, None, s) for s in steps), ...)].transpose(np.argsort(order))
    view[...] = x
    return view


def another_shape(rng, x):
    """x with another shape: reshaped, cut, transposed, or broadcast; or an empty array with a huge axis."""
    shape = list(x.shape)
    kind = rng.integers(5)
    if kind == 0 or not shape:
        return x.reshape(*shape, 1) if rng.random() < 0.5 else x.reshape(-1)
    axis = int(rng.integers(len(shape)))
    if kind == 1:
        return x.take(range(shape[axis] // 2), axis)
    if kind == 2:
        return x.swapaxes(axis, 0)
    if kind == 3:
        return (
            np.broadcast_to(
                x.take([0], axis),
                [*shape[:axis], int(rng.choice([1, 2, 1 << 12, 1 << 40])), *shape[axis + 1 :]],
            )
            if x.size
            else x
        )
    empty = [int(rng.choice([0, 1, 3, 1 << 20, 1 << 31, 1 << 40])) for _ in shape]
    empty[axis] = 0
    return np.zeros(empty, x.dtype) if math.prod(max(n, 1) for n in empty) * x.itemsize < 1 << 63 else x


def spoilt_array(make, rng, x, others):
    """A value to replace the array x. others: the other arrays of the call, whose memory it may share."""
    kind = rng.integers(13)
    if max(x.shape, default=0) > 1 << 16:  # it is spoilt already
        return x
    if kind == 0:
        return None
    if kind == 1:
        return np.ma.array(x, mask=rng.random(x.shape) < 0.5)
    if kind == 2:
        return np.asmatrix(x) if x.ndim == 2 else x.view(Lying)
    if kind == 3:
        return x.view(np.recarray) if rng.random() < 0.3 else x.view(Lying)
    if kind == 4:
        return x.astype(rng.choice(["f2", "f4", "f8", ">f4", ">f8", "i8", "i4", "u1", "c8", "?", "O"]))
    if kind == 5:
        return x.tolist()
    if kind == 6 and others:  # memory of another argument or of a part of it
        other = others[rng.integers(len(others))]
        flat, start = other.reshape(-1), int(rng.integers(0, 3))
        return flat[start : start + x.size].reshape(x.shape) if len(flat) >= start + x.size else other
    if kind == 7:
        x.flags.writeable = False
        return x
    if kind in (8, 9):
        return another_shape(rng, x)
    if kind == 10:
        return NUMBERS[rng.integers(len(NUMBERS))]
    return strided(make, rng, x)


def spoil(make, rng, words):
    """Replace a random one of the arguments `words`, in place."""
    name = list(words)[rng.integers(len(words))]
    value = words[name]
    if isinstance(value, np.ndarray) and (
        type(value) is not np.ndarray or value.dtype.hasobject or value.shape == (1,) and value[0] == 2
    ):
        return  # it is spoilt already
    if isinstance(value, np.ndarray):
        others = [
            x for key, x in words.items() if key != name and type(x) is np.ndarray and x.size <= 1 << 16
        ]
        words[name] = spoilt_array(make, rng, value, others)
    elif isinstance(value, tuple):
        pair = [NUMBERS[rng.integers(len(NUMBERS))] if rng.random() < 0.6 else entry for entry in value]
        words[name] = rng.choice([0, 1, 2, 3, 4], p=[0.7, 0.15, 0.05, 0.05, 0.05])
        words[name] = [tuple(pair), pair, (*pair, 1), None, np.array(value, object)][words[name]]
    else:
        words[name] = NUMBERS[rng.integers(len(NUMBERS))]


# --- one call


def copied(words):
    """A copy of the arguments. Arguments that are the same array remain the same array."""
    memo = {}
    return {
        name: memo.setdefault((x.ctypes.data, x.shape, x.strides, x.dtype), x.copy())
        if type(x) is np.ndarray and x.size < 1 << 24
        else x
        for name, x in words.items()
    }


def outcome(name, backend, words):
    """The result of a call, or the exception with which it is refused."""
    try:
        with kernels.use_backend(backend), np.errstate(all="ignore"):
            return getattr(kernels, name)(**words)
    except REFUSED as error:
        return error


def alike(got, want):
    """Whether two results are equal up to rounding."""
    if isinstance(want, tuple):
        return len(got) == len(want) and all(map(alike, got, want))
    if not isinstance(want, np.ndarray):
        return got == want
    if got.dtype != want.dtype or got.shape != want.shape:
        return False
    if want.dtype.kind != "f":
        return got.tobytes() == want.tobytes()
    largest = np.abs(want[np.isfinite(want)]).max(initial=0)
    return np.allclose(got, want, rtol=1e-5, atol=1e-5 * float(largest), equal_nan=True)


def arguments(seed, k):
    """(name, arguments, number of spoilt arguments, Arrays) of the k-th call."""
    rng = np.random.default_rng([seed, k])
    make = Arrays(rng, rng.choice(["f4", "f8"]))
    call, spoilt = CALLS[rng.integers(len(CALLS))], rng.choice([0, 1, 2, 3], p=[0.15, 0.5, 0.25, 0.1])
    words = call(make, rng)
    for _ in range(spoilt):
        spoil(make, rng, words)
    return call.__name__, words, spoilt, make


def failure(name, backend, words, spoilt, make):
    """(message about a failure or None, whether the call was refused)."""
    before = copied(words)
    got = outcome(name, backend, words)
    refused = isinstance(got, REFUSED)
    if refused and not spoilt:
        return f"a valid call was refused: {got}", True
    if not refused:
        want = outcome(name, "reference", before)  # in-place kernels change `before` as well
        if isinstance(want, MemoryError):
            return None, False  # the reference needs more memory
        if isinstance(want, bool) and name != "all_finite" and not (got and want):
            return None, False  # an update overflowed; which numbers are inf depends on rounding
        if not alike(got, want):
            return f"{backend}: {got!r}, reference: {want!r}", False
    for key, x in words.items():
        if type(x) is np.ndarray and x.size < 1 << 24 and not alike(x, before[key]):
            return f"{key} is wrong after the call", refused
    return (None if make.guarded() else "memory around an argument has changed"), refused


def shown(words):
    """{name: short text} of the arguments."""
    return {
        key: f"{type(x).__name__} {x.dtype} {np.ndarray.__dict__['shape'].__get__(x)}"
        if isinstance(x, np.ndarray)
        else repr(x)[:60]
        for key, x in words.items()
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=["compiled", "cython"], default="compiled")
    parser.add_argument("--only", type=int, help="make only the call with this number")
    parser.add_argument("--limit", type=int, default=20, help="seconds that a call may take")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if hasattr(signal, "SIGALRM"):
        signal.signal(
            signal.SIGALRM,
            lambda *_: sys.exit(f"call {k} takes longer than {args.limit} seconds: {name} {shown(words)}"),
        )
    counts, failures, began = Counter(), [], time.monotonic()
    kernels.compiled.calls._SMALL = 0  # use threads for small arrays too
    kernels.set_num_threads(3)
    for k in range(args.calls) if args.only is None else [args.only]:
        name, words, spoilt, make = arguments(args.seed, k)
        if args.backend == "cython" and not hasattr(kernels.readable, name):
            continue  # the reference itself: NumPy, which is not on trial here
        signal.alarm(args.limit) if hasattr(signal, "alarm") else None
        try:
            wrong, refused = failure(name, args.backend, words, spoilt, make)
        except Exception as error:
            wrong, refused = f"{type(error).__name__}: {error}", True
        counts["refused" if refused else "done"] += 1
        if args.only is not None:
            print(k, name, shown(words), wrong, "refused" if refused else "done")
        if wrong:
            failures.append(k)
            print(f"call {k}: {name} {shown(words)}: {wrong[:400]}", file=sys.stderr)
    signal.alarm(0) if hasattr(signal, "alarm") else None
    print(
        json.dumps(
            {
                "calls": sum(counts.values()),
                **counts,
                "failures": failures,
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
