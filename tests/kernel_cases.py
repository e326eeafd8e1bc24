"""The common parts of the kernels' tests: ugly shapes, layouts in memory, and the results of every kernel.

The processes that the tests start import this file too.
"""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np

from numgan._kernels import compiled, reference

DTYPES = [np.float32, np.float64]
ROUNDING = {np.float32: 2.0**-24, np.float64: 2 * 2.0**-53}
OTHER_SETS = [isa for isa in compiled._core.isas() if isa != compiled._core.isa()] if compiled else []

# M, K, N
PRODUCTS = [
    (1, 1, 1),
    (0, 3, 5),
    (3, 0, 5),
    (3, 5, 0),
    (0, 0, 0),
    (1, 385, 1),
    (2, 3, 64),
    (13, 7, 17),
    (15, 383, 31),
    (29, 769, 33),
    (157, 5, 3),
    (5, 11, 1601),
    (149, 401, 37),
]
# N, H, W, C, O, kernel, stride, padding
CONVOLUTIONS = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0)),
    (0, 5, 7, 3, 2, (3, 2), (1, 2), (1, 0)),  # empty batch
    (2, 7, 11, 3, 5, (3, 2), (2, 3), (1, 0)),  # nothing equal to anything
    (3, 13, 5, 2, 7, (2, 3), (5, 4), (0, 1)),  # stride > kernel: pixels no window sees
    (1, 6, 9, 5, 3, (4, 4), (2, 2), (1, 1)),  # the layer DCGAN is made of, the last row not covered
    (2, 3, 4, 11, 13, (5, 3), (1, 1), (4, 5)),  # padding larger than needed: windows of zeros
    (2, 4, 5, 17, 19, (4, 5), (1, 1), (0, 0)),  # one output pixel
    (2, 4, 5, 17, 19, (4, 5), (3, 2), (1, 1)),  # one output pixel and padding
    (1, 37, 2, 9, 67, (3, 1), (2, 1), (1, 0)),
    (5, 9, 8, 131, 37, (3, 3), (1, 1), (1, 1)),  # k in several blocks
    (7, 17, 19, 10, 41, (5, 4), (3, 2), (2, 1)),  # patches in several blocks
    (
        2,
        6,
        5,
        19,
        3,
        (3, 2),
        (1, 1),
        (1, 0),
    ),  # few features of many channels: the input gradient's windows are short runs
    (1, 7, 6, 13, 6, (3, 1), (2, 1), (1, 1)),
]
# few features, whose float32 takes windows side by side as one
ABREAST = [
    (2, 6, 13, 3, 4, (3, 2), (1, 1), (1, 0)),  # four, and six for the input gradient
    (2, 5, 9, 3, 3, (3, 3), (1, 1), (1, 1)),  # three
    (3, 5, 14, 2, 1, (2, 4), (3, 2), (1, 2)),  # two apart: for the input gradient only
    (2, 4, 12, 8, 5, (1, 2), (1, 3), (0, 0)),  # pixels that none of them sees
    (3, 3, 7, 1, 2, (3, 4), (1, 1), (0, 0)),  # together they are the picture
]
CONVOLUTIONS += ABREAST
# those whose float32 takes the algorithm of fast.h
FAST = [
    (1, 23, 29, 32, 37, (2, 2), (1, 1), (0, 1)),
    (3, 17, 13, 41, 35, (3, 3), (1, 1), (1, 1)),
    (9, 27, 21, 33, 39, (3, 3), (1, 1), (2, 0)),  # tiles for seven threads, in several blocks
    (5, 16, 23, 37, 67, (4, 4), (2, 2), (1, 1)),
    (2, 31, 33, 150, 34, (3, 4), (2, 2), (0, 3)),
    (1, 37, 41, 43, 131, (4, 3), (2, 2), (4, 2)),
    (2, 29, 19, 53, 38, (5, 5), (2, 2), (2, 1)),
    (3, 22, 31, 47, 33, (6, 5), (2, 2), (3, 4)),
    (1, 67, 53, 35, 36, (7, 9), (3, 3), (2, 4)),
    (2, 41, 23, 34, 45, (4, 2), (2, 1), (1, 0)),  # strides that differ
    (131, 7, 8, 33, 35, (3, 3), (1, 1), (1, 1)),  # so many tiles that the weight gradient is a sum of two
]
POOLS = [
    ((2, 2), (2, 2), (0, 0)),
    ((3, 2), (1, 3), (1, 0)),
    ((1, 5), (2, 1), (0, 2)),
    ((4, 3), (5, 4), (2, 1)),
]


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def layouts(x):
    """The same values in every layout an array can have in memory."""
    order = np.arange(x.ndim)[::-1]
    spaced = np.zeros([2 * n for n in x.shape], x.dtype)
    spaced[tuple(slice(None, None, 2) for _ in x.shape)] = x
    misaligned = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    readonly = x.copy()
    readonly.flags.writeable = False
    return {
        "contiguous": x.copy(),
        "transposed": np.ascontiguousarray(x.transpose(order)).transpose(order),
        "reversed": np.flip(np.flip(x).copy()),
        "spaced": spaced[tuple(slice(None, None, 2) for _ in x.shape)],
        "misaligned": misaligned,
        "readonly": readonly,
    }


LAYOUTS = sorted(layouts(np.zeros(1)))


def convolution(case, dtype, seed=0, draw=normal):
    """x, w, dy, bias of y, bias of dx and the window of a line of CONVOLUTIONS."""
    n, h, v, c, o, kernel, stride, padding = case
    rng = np.random.default_rng(seed)
    size = reference.output_size((h, v), kernel, stride, padding)
    x, w, dy = draw(rng, dtype, n, h, v, c), draw(rng, dtype, *kernel, c, o), draw(rng, dtype, n, *size, o)
    return x, w, dy, draw(rng, dtype, o), draw(rng, dtype, c), (stride, padding)


def every_kernel(dtype, seed=0):
    """The results of every kernel, as bytes."""
    rng, results = np.random.default_rng(seed), []
    a, b = normal(rng, dtype, 211, 487), normal(rng, dtype, 487, 139)
    results += [compiled.matmul(a, b, b[0]), compiled.matmul(a[:3], b), compiled.matmul(b.T, a.T)]
    results += [compiled.matmul(a, b, b[0], 0.2), compiled.matmul(a, b, None, 0.2, a[:, :139])]
    for case in CONVOLUTIONS[1:] + FAST[2:4] + FAST[6:7] + FAST[-1:]:
        x, w, dy, o, c, window = convolution(case, dtype, seed)
        results += [
            compiled.conv2d(x, w, *window, o),
            compiled.conv2d_input_gradient(dy, w, *window, x.shape[1:3], c),
            compiled.conv2d_weight_gradient(x, dy, w.shape[:2], *window),
            compiled.conv2d(x, w, *window, o, 0.2, dy),
        ]
    x = normal(rng, dtype, 3, 9, 8, 7)
    y, index = compiled.max_pool2d(x, (3, 2), (2, 1), (1, 1))
    results += [y, index, compiled.max_pool2d_gradient(y, index, (9, 8))]
    return [r.tobytes() for r in results]


def digest(threads=None):
    """A hash of the bits of all results. With `threads`, so many threads share even small work.

    Other processes call it.
    """
    if threads:
        compiled.calls._SMALL = 0
        compiled.set_num_threads(threads)
    return hashlib.sha256(b"".join(every_kernel(np.float32))).hexdigest()


def exit_unless(expected):
    sys.exit(0 if digest() == expected else 3)


def whatever_fits(y, kernel, stride, channels):
    """products._tiles without the test for speed: fast.h for any number of channels and tiles but 0."""
    return max(1, len(y) * math.prod(-(-n // 4) for n in y.shape[1:3]))


def python(code, *arguments, **environment):
    """Run code in a fresh interpreter that can import this file."""
    path = os.pathsep.join(filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def finishes(run, output=""):
    assert (run.returncode, run.stdout.strip(), run.stderr.strip()) == (0, output, ""), (
        run.stdout + run.stderr
    )


def passes_with(isa, files, words):
    """Run the tests in these files whose names hold these words, with another instruction set."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", words],
        env={**os.environ, "NUMGAN_ISA": isa, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0 and " passed" in run.stdout and "skipped" not in run.stdout, run.stdout
