"""One packed matrix product, to read and to change: all that the backend "cython" compiles.

The product is C = C + A B. readable.py makes the convolutions of it. Each of the three matrices is given by
*addresses*: a piece of memory and two tables,

    A[m, k] = a[a_rows[m] + a_columns[k]]
    B[k, n] = b[b_rows[k] + b_columns[n]]
    C[m, n] = c[c_rows[m] + c_columns[n]]

A matrix that lies in memory row by row has a_rows[m] = m K and a_columns[k] = k. With the two tables
exchanged it is the transpose. With other tables it is the windows of a picture, without a copy of them. Two
entries of C may have one address: what is added there is a sum.

    for each WIDTH columns of C
        for each DEPTH terms k
            pack the block of B               (DEPTH, WIDTH) in panels of COLUMNS columns; second-level cache
            for each HEIGHT rows of C
                pack the block of A           (HEIGHT, DEPTH) in slivers of ROWS rows
                for each panel of B           stays in the first-level cache while the slivers pass by
                    for each sliver of A
                        tile = sliver panel   ROWS x COLUMNS sums, in registers
                        C += tile

Everything is plain C that the compiler turns into the vectors which every processor of the architecture has.
One body serves float32 and float64. `for i from 0 <= i < n by step` is Cython's range with a step, in C.

Try your own ideas here: other sizes, loops in another order, a table that is known to be a run.
`pip install -e .` builds the file again, `pytest tests/kernels/test_kernels.py -k cython` checks it, and
`numgan bench ladder` times it.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating


cdef enum:
    ROWS = 2        # of a tile. 2 x 8 sums are 4 vectors of float32 or 8 of float64: half of the registers
    COLUMNS = 8
    DEPTH = 256     # a panel of B then has 8 KB in float32,
    HEIGHT = 64     # a block of A 64 KB,
    WIDTH = 256     # and a block of B 256 KB


cdef void pack(const floating *data, const Py_ssize_t *lines, Py_ssize_t count, const Py_ssize_t *terms,
               Py_ssize_t depth, Py_ssize_t width, floating *to) noexcept nogil:
    """Copy a block in the order in which `tile` reads it.

    `width` lines lie side by side, term after term; then come the next `width` lines. Lines are rows of A or
    columns of B, terms are what the product sums over. Zeros complete the last lines, so a tile has no edges.

        lines of width 2:     a0 b0 a1 b1 a2 b2 ...   c0 d0 c1 d1 c2 d2 ...   e0 0 e1 0 e2 0 ...
    """
    cdef Py_ssize_t first, k, q, here
    for first from 0 <= first < count by width:
        here = min(width, count - first)
        for k in range(depth):
            for q in range(here):
                to[q] = data[lines[first + q] + terms[k]]
            for q in range(here, width):
                to[q] = 0
            to += width


cdef void tile(Py_ssize_t depth, const floating *a, const floating *b, floating *sums) noexcept nogil:
    """sums (ROWS, COLUMNS) = sliver a (depth, ROWS)' times panel b (depth, COLUMNS).

    The sizes of the two inner loops are constants, so the compiler unrolls them and keeps all sums in
    registers while k runs: each number that is loaded is used in a whole row or column of the tile.
    """
    cdef floating held[ROWS * COLUMNS]
    cdef Py_ssize_t k, r, q
    for q in range(ROWS * COLUMNS):
        held[q] = 0
    for k in range(depth):
        for r in range(ROWS):
            for q in range(COLUMNS):
                held[r * COLUMNS + q] += a[r] * b[q]
        a += ROWS
        b += COLUMNS
    for q in range(ROWS * COLUMNS):
        sums[q] = held[q]


cdef void multiply(Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const floating *a, const floating *b,
                   floating *c, const Py_ssize_t *rows, const Py_ssize_t *columns) noexcept nogil:
    """C += A B of packed blocks: A (m, k), B (k, n)."""
    cdef floating sums[ROWS * COLUMNS]
    cdef Py_ssize_t i, j, r, q
    for j from 0 <= j < n by COLUMNS:
        for i from 0 <= i < m by ROWS:
            tile(k, a + i * k, b + j * k, sums)
            for r in range(min(ROWS, m - i)):           # not the rows and columns of zeros
                for q in range(min(COLUMNS, n - j)):
                    c[rows[i + r] + columns[j + q]] += sums[r * COLUMNS + q]


cdef int check(str name, Py_ssize_t size, const Py_ssize_t[::1] rows,
               const Py_ssize_t[::1] columns) except -1:
    """IndexError unless every address of a matrix is inside its memory: then a wrong table cannot crash."""
    cdef Py_ssize_t i, row = 0, column = 0
    cdef bint inside = True
    for i in range(rows.shape[0]):
        inside = inside and 0 <= rows[i] < size
        row = max(row, rows[i])
    for i in range(columns.shape[0]):
        inside = inside and 0 <= columns[i] < size
        column = max(column, columns[i])
    if rows.shape[0] and columns.shape[0] and not (inside and row + column < size):
        raise IndexError(f"add_product: an address of {name} is outside its {size} elements")
    return 0


def add_product(const floating[::1] a, const Py_ssize_t[::1] a_rows, const Py_ssize_t[::1] a_columns,
                const floating[::1] b, const Py_ssize_t[::1] b_rows, const Py_ssize_t[::1] b_columns,
                floating[::1] c, const Py_ssize_t[::1] c_rows, const Py_ssize_t[::1] c_columns):
    """C += A B, each matrix by its addresses; C shares no memory with A and B.

    Other Python threads run meanwhile. Ctrl-C is answered between two blocks. ValueError for sizes that do
    not agree, IndexError for an address outside of its memory.
    """
    cdef Py_ssize_t rows = c_rows.shape[0], terms = a_columns.shape[0], columns = c_columns.shape[0]
    cdef Py_ssize_t m0, k0, n0, m, k, n
    if a_rows.shape[0] != rows or b_rows.shape[0] != terms or b_columns.shape[0] != columns:
        raise ValueError(f"add_product: A ({a_rows.shape[0]}, {terms}) times "
                         f"B ({b_rows.shape[0]}, {b_columns.shape[0]}) is not a C ({rows}, {columns})")
    check("A", a.shape[0], a_rows, a_columns)
    check("B", b.shape[0], b_rows, b_columns)
    check("C", c.shape[0], c_rows, c_columns)
    dtype = np.asarray(c).dtype
    cdef floating[::1] block_a = np.empty(HEIGHT * DEPTH, dtype)
    cdef floating[::1] block_b = np.empty(DEPTH * WIDTH, dtype)
    if rows == 0:
        return
    for n0 from 0 <= n0 < columns by WIDTH:
        n = min(WIDTH, columns - n0)
        for k0 from 0 <= k0 < terms by DEPTH:
            k = min(DEPTH, terms - k0)
            with nogil:
                pack(&b[0], &b_columns[n0], n, &b_rows[k0], k, COLUMNS, &block_b[0])
                for m0 from 0 <= m0 < rows by HEIGHT:
                    m = min(HEIGHT, rows - m0)
                    pack(&a[0], &a_rows[m0], m, &a_columns[k0], k, ROWS, &block_a[0])
                    multiply(m, k, n, &block_a[0], &block_b[0], &c[0], &c_rows[m0], &c_columns[n0])
            PyErr_CheckSignals()
