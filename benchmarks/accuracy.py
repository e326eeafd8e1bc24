"""Compare every compiled kernel with float64, on random ugly shapes.

    python benchmarks/accuracy.py                         10,000 shapes for each instruction set
    python benchmarks/accuracy.py --isa avx2 --only 4711  one shape again

    direct kernels           |C - C64| <= k u (|A| |B|) in each element, with u = 2^-24 in float32, and 2^-52
                             in float64, because C64 has rounding errors too; k = 8 for numbers of both
                             signs, and 32 for positive ones (see tests/kernels/test_kernels.py)
    fast convolutions        the root mean square error is at most 1e-5 of that of the result; 2e-5 for shapes
                             that are too small for the rule that chooses fast kernels
    kernels of one pass      a few roundings
    pooling, and products    exact
    of small integers

Sizes are prime and unequal, kernels are not square, strides are larger than kernels, batches are 1 or empty,
and arrays have any strides in memory. Small arrays use threads too. Prints the worst error of each kernel and
the number of its shape; exit code 1 if an error is above its limit.
"""

import argparse
import math
import os
import subprocess
import sys
import time

import numpy as np

ROUNDING = {"float32": 2.0**-24, "float64": 2 * 2.0**-53}
SIZES = [1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 53, 67, 97, 101, 149, 211, 389, 773, 1549]
FAST = [
    ((2, 2), (1, 1)),
    ((3, 3), (1, 1)),
    ((4, 4), (2, 2)),
    ((3, 4), (2, 2)),
    ((4, 3), (2, 2)),
    ((5, 5), (2, 2)),
    ((6, 5), (2, 2)),
    ((7, 9), (3, 3)),
    ((4, 2), (2, 1)),
    ((3, 5), (1, 2)),
]

# --- numbers and how they lie in memory


def normal(rng, *shape):
    return rng.standard_normal(shape)


def positive(rng, *shape):
    return rng.random(shape)


def integers(rng, *shape):
    """Small integers: sums of their products are exact.

    So the equal terms of a broadcast array, whose rounding errors do not cancel, are allowed.
    """
    return rng.integers(-4, 5, shape)


def scattered(rng, x):
    """The values of x in a random layout: any order of axes, steps of any sign or size, an odd address."""
    order = rng.permutation(x.ndim)
    steps = rng.choice([1, 1, 2, 3, -1, -2], x.ndim)
    room = [n * abs(s) for n, s in zip((x.shape[i] for i in order), steps)]
    offset = int(rng.choice([0, 0, 1, 4, 12]))
    memory = np.zeros(math.prod(room) * x.itemsize + offset, np.uint8)[offset:].view(x.dtype).reshape(room)
    view = memory[tuple(slice(None, None, s) for s in steps)].transpose(np.argsort(order))
    view[...] = x
    return view


def broadcast(rng, x):
    """x with one index along an axis in the place of all others: stride 0."""
    axis = rng.integers(x.ndim)
    return np.broadcast_to(x.take([0], axis), x.shape) if x.shape[axis] else x


# --- shapes


def most(rng):
    """Multiply-adds of a shape: mostly few, and now and then several blocks of gemm.h along every axis."""
    return 6e7 if rng.random() < 0.05 else 2e6


def size(rng, largest):
    return int(rng.choice([n for n in SIZES if n <= largest]))


def product_shape(rng):
    """M, K, N, now and then 0 or any number."""
    limit = most(rng)
    while True:
        shape = [int(rng.integers(0, 70)) if rng.random() < 0.3 else size(rng, 1549) for _ in range(3)]
        if math.prod(shape) <= limit:
            return shape


def window_shape(rng, fast):
    """N, H, W, C, O, kernel, stride, padding that fit each other."""
    limit, worth_it = most(rng), fast and rng.random() < 0.4
    while True:
        n, c, o = int(rng.choice([0, 1, 1, 2, 3, 5])), size(rng, 150), size(rng, 150)
        padding = tuple(int(p) for p in rng.integers(0, 5, 2))
        if fast:
            kernel, stride = FAST[rng.integers(len(FAST))]
            n = n if rng.random() < 0.1 else max(n, 1)
            if worth_it:
                n, c, o, limit = max(n, 1), max(c, 32), max(o, 33), 1e8
        else:
            kernel, stride = (tuple(int(k) for k in rng.integers(1, 7, 2)) for _ in range(2))
        h, w = (max(k - 2 * p, 0) + int(rng.integers(0, 24)) for k, p in zip(kernel, padding))
        if n * h * w * c * o * math.prod(kernel) / math.prod(stride) <= limit:
            return n, h, w, c, o, kernel, stride, padding


# --- one shape: what to call and how far from float64 the result may be


def products(rng, dtype):
    m, k, n = product_shape(rng)
    name, draw, limit = [("either sign", normal, 8), ("positive", positive, 32), ("integers", integers, 0)][
        rng.choice(3, p=[0.6, 0.2, 0.2])
    ]
    lay = broadcast if draw is integers else scattered
    a, b, dy = (lay(rng, draw(rng, *shape).astype(dtype)) for shape in ((m, k), (k, n), (m, n)))
    bias = draw(rng, n).astype(dtype) if rng.random() < 0.5 else None
    yield f"matmul, {name}", limit, "matmul", (a, b), (), bias
    yield f"dense weight gradient, {name}", limit, "matmul", (a.T, dy), (), None


def convolutions(rng, dtype, fast, as_it_is):
    """Convolutions. Fast kernels compute all that they can.

    as_it_is   products._tiles, the rule that usually chooses them
    """
    n, h, w, c, o, kernel, stride, padding = window_shape(rng, fast)
    y = [(i + 2 * p - k) // s + 1 for i, k, s, p in zip((h, w), kernel, stride, padding)]
    draw, limit = (
        (normal, 1e-5)
        if fast
        else [(normal, 8), (positive, 32), (integers, 0)][rng.choice(3, p=[0.7, 0.2, 0.1])]
    )
    x, weights, dy = (
        draw(rng, *shape).astype(dtype) for shape in ((n, h, w, c), (*kernel, c, o), (n, *y, o))
    )
    if fast and rng.random() < 0.3:
        x += dtype(3)  # activations with a mean: sums grow, differences cancel
    if draw is integers:
        x, weights, dy = (broadcast(rng, array) for array in (x, weights, dy))
    elif rng.random() < 0.3:
        x, weights, dy = (scattered(rng, array) for array in (x, weights, dy))
    with_bias = draw is not integers and rng.random() < 0.5
    b, d = (draw(rng, length).astype(dtype) if with_bias else None for length in (o, c))
    chosen = fast and as_it_is(dy, kernel, stride, c)
    limit = limit if chosen or not fast else 2 * limit
    kind = (
        ("fast" if chosen else "fast, if forced to")
        if fast
        else {normal: "either sign", positive: "positive", integers: "integers"}[draw]
    )
    yield f"conv2d, {kind}", limit, "conv2d", (x, weights), (stride, padding), b
    yield (
        f"input gradient, {kind}",
        limit,
        "conv2d_input_gradient",
        (dy, weights),
        (stride, padding, (h, w)),
        d,
    )
    yield (
        f"weight gradient, {kind}",
        limit,
        "conv2d_weight_gradient",
        (x, dy),
        (kernel, stride, padding),
        None,
    )


def pools(rng, dtype):
    n, h, w, c, _, kernel, stride, _ = window_shape(rng, False)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    h, w = (max(i, k - 2 * p, 1) for i, k, p in zip((h, w), kernel, padding))
    x = integers(rng, n, h, w, c).astype(dtype)  # many ties
    x[rng.random(x.shape) < 0.1] = rng.choice([np.nan, -np.inf, np.inf])
    return x, kernel, stride, padding


def error(got, limit, kernel, arrays, rest, bias):
    """The largest error in roundings of |A| |B|.

    If 0 < limit < 1: the root mean square error, divided by that of a result of random numbers.
    """
    wide, add = [a.astype(np.float64) for a in arrays], 0 if bias is None else bias.astype(np.float64)
    difference = got - (kernel(*wide, *rest) + add)
    if got.size == 0:
        return 0.0
    if 0 < limit < 1:
        return np.sqrt(
            np.mean(difference**2) / max(np.mean(kernel(*(a**2 for a in wide), *rest) + add**2), 1e-30)
        )
    scale = kernel(*(abs(a) for a in wide), *rest) + abs(add)
    return np.max(abs(difference) / np.maximum(scale, 1e-30)) / ROUNDING[got.dtype.name]


def roundings(got, expected, scale):
    """The largest error, in roundings of the terms' size."""
    return np.max(abs(got - expected) / np.maximum(scale, 1e-30), initial=0) / ROUNDING[got.dtype.name]


def one_pass(rng, dtype, compiled, reference):
    """(kernel, error, limit) of the kernels of one pass over memory.

    The limits are those of tests/kernels/test_pointwise.py.
    """
    rows, columns = size(rng, 1549) + int(rng.integers(0, 3)), size(rng, 389) - int(rng.random() < 0.1)
    dy, x = (scattered(rng, normal(rng, rows, columns).astype(dtype)) for _ in range(2))
    mean, factor, bias, centre, slope = (normal(rng, columns).astype(dtype) for _ in range(5))
    about = abs(x) + abs(mean)

    def both(name, *arrays):
        return getattr(compiled, name)(*arrays), getattr(reference, name)(
            *(a.astype(np.longdouble) for a in arrays)
        )

    yield (
        "normalize",
        roundings(*both("normalize", x, mean, factor, bias), about * abs(factor) + abs(bias)),
        4,
    )
    got, expected = both("normalize_gradient", dy, x, mean, factor, centre, slope)
    yield (
        "normalize_gradient",
        roundings(got, expected, (abs(dy) + abs(centre) + about * abs(slope)) * abs(factor)),
        4,
    )
    yield "column_sum", roundings(*both("column_sum", x), abs(x).sum(axis=0)), 8
    sums = zip(*both("channel_products", dy, x, mean), (abs(dy).sum(axis=0), (abs(dy) * about).sum(axis=0)))
    yield "channel_products", max(roundings(*sum) for sum in sums), 8
    moments = zip(*both("channel_moments", x), (abs(x).mean(axis=0), np.square(x).mean(axis=0)))
    yield from zip(
        ("channel_moments, mean", "channel_moments, variance"),
        [roundings(*moment) for moment in moments],
        (8, 8),
    )

    below = dtype(rng.choice([0, 0.01, 0.2]))
    got, expected = compiled.leaky_relu(x, below), reference.leaky_relu(x, below)
    yield "leaky_relu", float(not np.array_equal(got, expected)), 0
    yield (
        "leaky_relu_gradient",
        float(
            not np.array_equal(
                compiled.leaky_relu_gradient(dy, got, below), reference.leaky_relu_gradient(dy, got, below)
            )
        ),
        0,
    )
    p, g, m = (normal(rng, rows * 7 + columns).astype(dtype) for _ in range(3))
    v, decay = positive(rng, p.size).astype(dtype) + dtype(0.1), rng.choice([0.0, 0.3])
    terms = 1.3 * abs(p) + abs(m) + abs(g) + (abs(g) + 0.3 * abs(p)) ** 2 + v
    for name, arrays, scalars in [
        ("adam", (p, g, m, v), (2e-3, 0.5, 0.999, 1e-8, 3)),
        ("rmsprop", (p, g, v), (1e-3, 0.99, 1e-8)),
        ("sgd", (p, g, m), (0.1, 0.9, True)),
        ("moving_average", (p, g), (0.999,)),
    ]:
        around = {} if name == "moving_average" else {"weight_decay": decay}
        mine, theirs = [a.copy() for a in arrays], [a.astype(np.float64) for a in arrays]
        getattr(compiled, name)(*mine, *scalars, **around)
        getattr(reference, name)(*theirs, *scalars, **around)
        yield name, max(roundings(a, b, terms) for a, b in zip(mine, theirs)), 4


def of_shape(number, seed, compiled, reference, rule):
    """(kernel, dtype, error, limit) of everything that is called for shape `number`."""
    rng = np.random.default_rng([seed, number])
    family = rng.choice(["product", "direct", "fast", "pool", "pass"], p=[0.25, 0.3, 0.25, 0.1, 0.1])
    dtype = np.float32 if family == "fast" or rng.random() < 0.75 else np.float64
    compiled.set_num_threads(int(rng.choice([1, 1, 2, 3])))
    compiled.products.fast_convolutions = family == "fast"
    if family == "pass":
        for name, value, limit in one_pass(rng, dtype, compiled, reference):
            yield name, dtype, value, limit
        return
    if family == "pool":
        x, kernel, stride, padding = pools(rng, dtype)
        got, expected = (backend.max_pool2d(x, kernel, stride, padding) for backend in (compiled, reference))
        yield (
            "max_pool2d",
            dtype,
            float(
                not all(np.array_equal(g, e, equal_nan=e.dtype != np.int64) for g, e in zip(got, expected))
            ),
            0,
        )
        if x.size:
            dy = normal(rng, *got[0].shape).astype(dtype)
            dx, dx_expected = (
                backend.max_pool2d_gradient(dy, expected[1], x.shape[1:3])
                for backend in (compiled, reference)
            )
            yield "max_pool2d_gradient", dtype, float(not np.array_equal(dx, dx_expected)), 0
        return
    for label, limit, name, arrays, rest, bias in (
        products(rng, dtype) if family == "product" else convolutions(rng, dtype, family == "fast", rule)
    ):
        arguments = {} if bias is None else {"bias": bias}
        got = getattr(compiled, name)(*arrays, *rest, **arguments)
        yield label, dtype, error(got, limit, getattr(reference, name), arrays, rest, bias), limit


def whatever_fits(y, kernel, stride, channels):
    """products._tiles without "it pays": the fast kernels for all that they can compute at all."""
    from numgan._kernels import compiled

    tiles = max(1, len(y) * math.prod(-(-n // 4) for n in y.shape[1:3]))
    return tiles if compiled.products.fast_convolutions else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", type=int, default=10_000)
    parser.add_argument(
        "--isa",
        help="baseline, avx2 or avx512; all that this processor has, one after the other, unless given",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="of the one shape to check")
    args = parser.parse_args()
    if args.isa:
        os.environ["NUMGAN_ISA"] = args.isa  # read when the kernels are imported
    from numgan._kernels import compiled, reference

    if not args.isa:
        again = [sys.executable, __file__, "--shapes", str(args.shapes), "--seed", str(args.seed)]
        return max([subprocess.run([*again, "--isa", isa]).returncode for isa in compiled._core.isas()])

    products = compiled.products
    rule, products._tiles, compiled.calls._SMALL = products._tiles, whatever_fits, 0
    start, worst = time.perf_counter(), {}
    for number in range(args.shapes) if args.only is None else [args.only]:
        for label, dtype, value, limit in of_shape(number, args.seed, compiled, reference, rule):
            key = label, dtype.__name__
            before = worst.get(key, (-1.0, 0, 0, 0))
            found = (math.inf if math.isnan(value) else value), number, limit
            worst[key] = (*(found if found[0] > before[0] else before[:3]), before[3] + 1)
    print(
        f"{compiled._core.isa()}: {args.shapes if args.only is None else 1} shapes, seed {args.seed}, "
        f"{time.perf_counter() - start:.0f} s"
    )
    print(f"{'kernel':<38} {'dtype':<8} {'calls':>6} {'worst':>9} {'limit':>6}   again with")
    for (label, dtype), (value, number, limit, calls) in sorted(worst.items()):
        mark = "" if value <= limit else "   TOO MUCH"
        print(
            f"{label:<38} {dtype:<8} {calls:>6} {value:>9.3g} {limit:>6g}   "
            f"--isa {compiled._core.isa()} --seed {args.seed} --only {number}{mark}"
        )
    return int(any(value > limit for value, _, limit, _ in worst.values()))


if __name__ == "__main__":
    sys.exit(main())
