"""The Toom-Cook convolutions of fast.h: their tables from first principles, their accuracy, and the rule that
chooses them.
"""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import FAST, convolution, layouts, normal, whatever_fits
from kernel_marks import needs_compiled

import numgan
from numgan import _kernels as kernels
from numgan._kernels import compiled, reference

ALL = ["conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"]

# --- the tables ---------------------------------------------------------------------------------------------
#
# Two polynomials, w of R coefficients and u of M, have a product of n = M + R - 1 coefficients s. Its values
# at n points determine it:
#
#     value of s at a point = value of w there . value of u there           V s = (V_R w) o (V_M u)
#
# where V has a row (1, p, p^2, ..) for a point p, and (0, .., 0, 1) for infinity, where the value is the
# leading coefficient. V_R and V_M are the first columns of V, with the 1 of infinity in the last. So u -> s
# is the matrix V^-1 diag(V_R w) V_M. Its transpose, x -> y, is the filter y[i] = sum_j w[j] x[i + j]:
#
#     y = V_M' [(V_R w) o (V^-T x)]         A' = V_M',   G = V_R,   B' = V^-T
#
# and row f of G may be divided by a number if row f of B' is multiplied with it: here by prod (p_f - p_k),
# the denominator of Lagrange.

M = 4
POINTS = {2: [0, 1, -1, 2], 3: [0, 1, -1, Fraction(1, 2), -2]}  # and infinity


def vandermonde(points, columns):
    return [[Fraction(p) ** k for k in range(columns)] for p in points] + [
        [Fraction(k == columns - 1) for k in range(columns)]
    ]


def inverse(matrix):
    """By Gauss and Jordan, exact."""
    n = len(matrix)
    rows = [list(row) + [Fraction(i == j) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[n:] for row in rows]


def transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]


def times(a, b):
    return [
        [sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a
    ]


def derived(taps, short):
    """B', G and A'. A short tile has one output less and no last finite point: its rows or columns are 0.

    G is the G of the full tile.
    """
    points, n, used = POINTS[taps], M + taps - 1, POINTS[taps][:-1] if short else POINTS[taps]
    divisors = [np.prod([p - q for q in points if q != p], initial=Fraction(1)) for p in points] + [
        Fraction(1)
    ]
    g = [[x / d for x in row] for d, row in zip(divisors, vandermonde(points, taps), strict=True)]
    b, a = transposed(inverse(vandermonde(used, n - short))), vandermonde(used, M - short)
    if short:
        b, a = [*b[:-1], [Fraction(0)] * (n - 1), b[-1]], [*a[:-1], [Fraction(0)] * (M - 1), a[-1]]
    return [[d * x for x in row] for d, row in zip(divisors, b, strict=True)], g, transposed(a)


def in_header(name):
    """The table as the C source has it, nested lists of fractions."""
    text = "".join(
        header.read_text()
        for header in sorted((Path(__file__).parents[2] / "numgan" / "_kernels" / "c").glob("*.h"))
    )
    text = re.sub(r"/\*.*?\*/", "", re.search(rf"NG\({name}_table\)[^=]*= ({{.*?}});", text, re.S)[1])
    text = re.sub(r"(-?[\d.]+)(?: / (\d+))?", lambda number: f"F('{number[1]}') / {number[2] or 1}", text)
    return eval(text.translate(str.maketrans("{}", "[]")), {"F": Fraction})


def padded(rows, height, width):
    """C's zeros, written out."""
    rows = [row + [Fraction(0)] * (width - len(row)) for row in rows]
    return rows + [[Fraction(0)] * width] * (height - len(rows))


def tables(taps, short):
    """B', G and A' in the header."""
    n = M + taps - 1
    b, g, a = (
        in_header("input")[taps - 2][short],
        in_header("weight")[taps - 2],
        in_header("output")[taps - 2][short],
    )
    return padded(b, n, n - short), padded(g, n, taps), padded(a, M - short, n)


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("taps", [2, 3])
def test_tables_are_toom_and_cook(taps, short):
    assert tables(taps, short) == derived(taps, short)


@pytest.mark.parametrize("short", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("taps", [2, 3])
def test_tables_filter_exactly(taps, short):
    """Tiles full and short along each axis, with the gradients, which are the transposes."""
    rng = np.random.default_rng(taps)
    (b, g, a), (c, _, d) = (tables(taps, s) for s in short)
    height, width = (M - s for s in short)
    sizes = (height + taps - 1, width + taps - 1), (taps, taps), (height, width)
    x, w, dy = ([[Fraction(int(v), 7) for v in row] for row in rng.integers(-99, 99, size)] for size in sizes)
    V, U = times(times(b, x), transposed(c)), times(times(g, w), transposed(g))
    Z = times(times(transposed(a), dy), d)

    def each(p, q):
        return [[i * j for i, j in zip(*rows, strict=True)] for rows in zip(p, q, strict=True)]

    y, dw = times(times(a, each(V, U)), transposed(d)), times(times(transposed(g), each(V, Z)), g)
    dx = times(times(transposed(b), each(U, Z)), c)
    for i, j in np.ndindex(height, width):
        assert y[i][j] == sum(w[p][q] * x[i + p][j + q] for p, q in np.ndindex(taps, taps))
    for p, q in np.ndindex(taps, taps):
        assert dw[p][q] == sum(dy[i][j] * x[i + p][j + q] for i, j in np.ndindex(height, width))
    for h, v in np.ndindex(*sizes[0]):
        assert dx[h][v] == sum(
            dy[h - p][v - q] * w[p][q]
            for p, q in np.ndindex(taps, taps)
            if 0 <= h - p < height and 0 <= v - q < width
        )


# --- accuracy -----------------------------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch):
    """The names of the C kernels that run."""
    names, run = [], compiled.products._run
    monkeypatch.setattr(
        compiled.products,
        "_run",
        lambda name, *rest, **more: (names.append(name), run(name, *rest, **more))[1],
    )
    return names


def passes(case, dtype=np.float32, seed=0, mean=0, bias=True, lay=np.asarray):
    """Name, arguments and arrays of the three passes over a shape."""
    x, w, dy, o, c, window = convolution(case, dtype, seed)
    x += dtype(mean)
    (X, W, DY), o, c = map(lay, (x, w, dy)), *((o, c) if bias else (None, None))
    return [
        ("conv2d", (X, W, *window, o)),
        ("conv2d_input_gradient", (DY, W, *window, x.shape[1:3], c)),
        ("conv2d_weight_gradient", (X, DY, w.shape[:2], *window)),
    ]


def wide(arguments):
    return [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments]


def relative_rms(got, expected):
    """inf if an entry is not finite."""
    rms = np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2)) if got.size else 0.0
    return rms if np.isfinite(rms) else np.inf


@needs_compiled
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", FAST, ids=str)
def test_error_is_small(case, bias, ran):
    for mean in 0, 3:
        for name, arguments in passes(case, mean=mean, bias=bias):
            got, expected = getattr(compiled, name)(*arguments), getattr(reference, name)(*wide(arguments))
            assert ran.pop() == f"fast_{name}" and got.dtype == np.float32 and got.flags.c_contiguous
            assert relative_rms(got, expected) <= 1e-5, (name, mean)


@needs_compiled
@pytest.mark.parametrize("layout", sorted(layouts(np.zeros(1))))
def test_any_layout(layout):
    for (name, arguments), (_, plain) in zip(
        passes(FAST[3], lay=lambda a: layouts(a)[layout]), passes(FAST[3]), strict=True
    ):
        np.testing.assert_array_equal(getattr(compiled, name)(*arguments), getattr(compiled, name)(*plain))


@needs_compiled
@pytest.mark.parametrize(
    "kernel, stride",
    [
        ((2, 2), (1, 1)),
        ((3, 3), (1, 1)),
        ((4, 3), (2, 2)),
        ((5, 6), (2, 2)),
        ((7, 9), (3, 3)),
        ((2, 4), (1, 2)),
        ((8, 3), (3, 1)),
    ],
)
def test_tiny_shapes(kernel, stride, monkeypatch):
    """Shapes that the rule would not choose: every number of channels, and tiles of every shape.

    The error is compared with the error of random numbers.
    """
    monkeypatch.setattr(compiled.products, "_tiles", whatever_fits)
    rng = np.random.default_rng(kernel[0] + 10 * stride[0])
    for channels in range(1, 41):
        padding = rng.integers(0, 5, 2).tolist()
        size = [
            max(k - 2 * p, 1) + int(e)
            for k, p, e in zip(kernel, padding, rng.integers(0, 14, 2), strict=True)
        ]
        case = (
            int(rng.integers(0, 3)),
            *size,
            *rng.permutation([channels, int(rng.integers(1, 41))]).tolist(),
            kernel,
            stride,
            tuple(padding),
        )
        for name, arguments in passes(case, seed=channels, bias=channels % 2):
            got, expected = getattr(compiled, name)(*arguments), getattr(reference, name)(*wide(arguments))
            usual = getattr(reference, name)(
                *[a**2 if isinstance(a, np.ndarray) else a for a in wide(arguments)]
            )
            assert got.shape == expected.shape
            if got.size:
                assert np.mean((got - expected) ** 2) <= 1e-10 * np.mean(usual), (name, case)


@needs_compiled
def test_empty_batch_and_no_outputs(monkeypatch):
    monkeypatch.setattr(compiled.products, "_tiles", whatever_fits)
    (_, forward), (_, backward), (_, weights) = passes((0, 9, 7, 5, 3, (3, 3), (1, 1), (1, 1)))
    assert compiled.conv2d(*forward).shape == (0, 9, 7, 3) and compiled.conv2d_input_gradient(
        *backward
    ).shape == (0, 9, 7, 5)
    assert not compiled.conv2d_weight_gradient(*weights).any()
    assert compiled.conv2d(np.ones((1, 9, 7, 5), np.float32), np.ones((3, 3, 5, 0), np.float32)).shape == (
        1,
        7,
        5,
        0,
    )


@needs_compiled
def test_images_do_not_depend_on_their_batch():
    x, w = (
        normal(np.random.default_rng(0), np.float32, 7, 29, 31, 33),
        normal(np.random.default_rng(1), np.float32, 3, 3, 33, 34),
    )
    whole = compiled.conv2d(x, w)
    for i in range(7):
        np.testing.assert_array_equal(compiled.conv2d(x[i : i + 1], w)[0], whole[i])


@needs_compiled
def test_nan_stays_in_the_tiles_that_see_it():
    x, w = (
        normal(np.random.default_rng(2), np.float32, 2, 33, 33, 32),
        normal(np.random.default_rng(3), np.float32, 3, 3, 32, 32),
    )
    before = compiled.conv2d(x, w, padding=(1, 1))
    x[1, 13, 17, 5] = np.nan  # seen by outputs 12..14, 16..18, which lie in one tile
    after = compiled.conv2d(x, w, padding=(1, 1))
    changed = np.argwhere(~np.isclose(after, before).all(axis=-1))
    assert np.isnan(after[1, 12:15, 16:19]).all()
    assert (
        (changed[:, 0] == 1).all()
        and changed[:, 1:].min(0).tolist() >= [12, 16]
        and changed[:, 1:].max(0).tolist() <= [15, 19]
    )


# --- the rule -----------------------------------------------------------------------------------------------


@needs_compiled
@pytest.mark.parametrize("case", FAST, ids=str)
def test_float64_is_never_fast(case, ran):
    for name, arguments in passes(case, np.float64)[:2]:
        getattr(compiled, name)(*arguments)
    assert ran == ["conv2d", "conv2d_input_gradient"]


@needs_compiled
@pytest.mark.parametrize(
    "case",
    [
        (9, 17, 19, 31, 64, (3, 3), (1, 1), (1, 1)),  # too few channels, or features
        (9, 17, 19, 64, 31, (3, 3), (1, 1), (1, 1)),
        (1, 8, 8, 64, 64, (3, 3), (1, 1), (1, 1)),  # too few tiles
        (9, 17, 19, 64, 64, (2, 3), (1, 1), (1, 1)),  # taps that differ
        (9, 17, 19, 64, 64, (1, 1), (1, 1), (0, 0)),
        (9, 17, 19, 64, 64, (7, 7), (1, 1), (3, 3)),
        (9, 17, 19, 64, 64, (8, 8), (4, 4), (0, 0)),  # a stride of more phases than fast.h has room for
        (40, 6, 6, 64, 64, (2, 2), (1, 1), (0, 0)),  # 5 x 5 outputs in 8 x 8: most of it waste
    ],
    ids=str,
)
def test_what_does_not_pay_is_direct(case, ran):
    for name, arguments in passes(case):
        getattr(compiled, name)(*arguments)
    assert ran == ALL


@pytest.fixture
def on_compiled():
    """The C kernels, because only they have fast forms."""
    with numgan.use_backend("compiled"):
        yield


@needs_compiled
@pytest.mark.parametrize("case", FAST[:4], ids=str)
def test_switched_off_the_bits_are_the_direct_ones(case, monkeypatch, on_compiled):
    calls = passes(case)
    fast = [getattr(kernels, name)(*arguments) for name, arguments in calls]
    with kernels.use_fast_convolutions(False):
        off = [getattr(kernels, name)(*arguments) for name, arguments in calls]
    again = [getattr(kernels, name)(*arguments) for name, arguments in calls]
    monkeypatch.setattr(compiled.products, "_tiles", lambda *rest: 0)
    direct = [getattr(kernels, name)(*arguments) for name, arguments in calls]
    for a, b, c, d in zip(fast, off, again, direct, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
        assert not np.array_equal(a, b)


@needs_compiled
def test_the_switch_nests_and_exceptions_restore_it(on_compiled):
    assert numgan.fast_convolutions()
    with numgan.use_fast_convolutions(False):
        assert not numgan.fast_convolutions()
        with numgan.use_fast_convolutions(True):
            assert numgan.fast_convolutions()
            with pytest.raises(KeyError), numgan.use_fast_convolutions(False):
                assert not numgan.fast_convolutions()
                raise KeyError
            assert numgan.fast_convolutions()
        assert not numgan.fast_convolutions()
    assert numgan.fast_convolutions()
    try:
        numgan.use_fast_convolutions(False)  # from now on
        assert not numgan.fast_convolutions()
    finally:
        numgan.use_fast_convolutions()
    assert numgan.fast_convolutions()
    with numgan.use_backend("reference"):
        assert not numgan.fast_convolutions()
