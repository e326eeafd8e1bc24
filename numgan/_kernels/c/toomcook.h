/* The Toom-Cook algorithm on one tile: its tables, and the transforms from which fast.h is made.
 *
 * Four outputs of a filter with R = 2 taps cost 8 multiplications. But the product of polynomials y(p) = w(p)
 * x(p) is determined by its values at n = 4 + R - 1 = 5 points, and each value is a product of two numbers.
 * With matrices that evaluate at the points (B', G) and one that combines the values (A'),
 *
 *     y = A' [(G w) o (B' x)]          x (n)   w (R)   y (4)   o: entry by entry
 *
 * costs n = 5. In two dimensions each matrix works on both axes: 25 products instead of 64 for a 4 x 4 tile
 * of outputs (R = 2), and 36 instead of 144 (R = 3). The points are 0, 1, -1, 2, inf for R = 2 and 0, 1, -1,
 * 1/2, -2, inf for R = 3, chosen for their rounding errors. docs/kernels.md derives the tables from them.
 *
 * If 4 does not divide the output, a last tile of 3 leaves out one point, the last finite one. Its G is the
 * same except for one factor per row, and its B' contains that factor: so full and short tiles multiply the
 * same G w.
 */

#define POINTS 6 /* at most */
#define TILE 4   /* outputs of a tile along each axis; 3 if it is short */

static const T NG(input_table)[2][2][POINTS][POINTS] = { /* B', by R - 2 and whether the tile is short */
    {{{2, -1, -2, 1}, {0, -2, -1, 1}, {0, 2, -3, 1}, {0, -1, 0, 1}, {0, 2, -1, -2, 1}},
     {{2, 0, -2}, {0, -1, -1}, {0, 3, -3}, {0}, {0, -1, 0, 1}}},
    {{{1, -1.5, -2, 1.5, 1}, {0, -1, 0.5, 2.5, 1}, {0, 1, -2.5, 0.5, 1}, {0, -2, -1, 2, 1},
      {0, 0.5, -1, -0.5, 1}, {0, 1, -1.5, -2, 1.5, 1}},
     {{1, -2, -1, 2}, {0, -1.5, 1.5, 3}, {0, 0.5, -1.5, 1}, {0, -2.5, 0, 2.5}, {0}, {0, 0.5, -1, -0.5, 1}}},
};
static const T NG(weight_table)[2][POINTS][3] = { /* G */
    {{1. / 2, 0}, {-1. / 2, -1. / 2}, {-1. / 6, 1. / 6}, {1. / 6, 1. / 3}, {0, 1}},
    {{1, 0, 0}, {1. / 3, 1. / 3, 1. / 3}, {-1. / 3, 1. / 3, -1. / 3}, {-16. / 15, -8. / 15, -4. / 15},
     {1. / 15, -2. / 15, 4. / 15}, {0, 0, 1}},
};
static const T NG(output_table)[2][2][TILE][POINTS] = { /* A' */
    {{{1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 0}, {0, 1, -1, 8, 1}},
     {{1, 1, 1, 0, 0}, {0, 1, -1, 0, 0}, {0, 1, 1, 0, 1}}},
    {{{1, 1, 1, 1, 1, 0}, {0, 1, -1, 0.5, -2, 0}, {0, 1, 1, 0.25, 4, 0}, {0, 1, -1, 0.125, -8, 1}},
     {{1, 1, 1, 1, 0, 0}, {0, 1, -1, 0.5, 0, 0}, {0, 1, 1, 0.25, 0, 1}}},
};

/* to[i] = sum over j of table[i][j] from[j], or of table[j][i] from[j]: see the steps. Zeros in the table
 * are free. */
NG_INLINE void NG(apply)(const int rows, const int terms, const T *table, const int i_step, const int j_step,
                         const NG(vector) *from, NG(vector) *to, const int to_step)
{
    NG_UNROLL
    for (int i = 0; i < rows; i++) {
        NG(vector) sum = {0};
        int any = 0;
        NG_UNROLL
        for (int j = 0; j < terms; j++) {
            const T c = table[i * i_step + j * j_step];
            if (c != 0) {
                sum = any ? sum + c * from[j] : c * from[j];
                any = 1;
            }
        }
        to[i * to_step] = sum;
    }
}

/* The first pass of a transform, down the columns: half[i][j] = sum over the `terms` rows r of table[i][r]
 * at[r][j]. Prefetches the pixels of the next tile (`next`, or NULL). */
NG_INLINE void NG(down)(const int rows, const int terms, const int columns, const T *table, const int i_step,
                        const int j_step, const T *const *at, const T *const *next, const ptrdiff_t c,
                        const ptrdiff_t count, NG(vector) *half)
{
    NG(vector) line[POINTS] = {{0}};
    NG_UNROLL
    for (int j = 0; j < columns; j++) {
        NG_UNROLL
        for (int r = 0; r < terms; r++) {
            if (next)
                NG_PREFETCH(next[r * columns + j] + c);
            line[r] = NG(get)(at[r * columns + j] + c, count);
        }
        NG(apply)(rows, terms, table, i_step, j_step, line, half + j, columns);
    }
}

/* The second pass, along the rows of `half`: frequency f goes to to + f f_step. */
NG_INLINE void NG(along)(const int n, const int terms, const T *table, const int i_step, const int j_step,
                         const NG(vector) *half, T *to, ptrdiff_t f_step, const ptrdiff_t count)
{
    NG(vector) line[POINTS] = {{0}};
    NG_UNROLL
    for (int i = 0; i < n; i++) {
        NG(apply)(n, terms, table, i_step, j_step, half + i * terms, line, 1);
        NG_UNROLL
        for (int j = 0; j < n; j++)
            NG(put)(to + (i * n + j) * f_step, line[j], count);
    }
}

/* V = B' x B of a tile, for `count` channels from c on: x at at[i n + j] + c. */
NG_INLINE void NG(input_tile)(const int R, const int *is_short, const T *const *at, const T *const *next,
                              ptrdiff_t c, const ptrdiff_t count, T *to, ptrdiff_t f_step)
{
    const int n = TILE + R - 1;
    const T *full = NG(input_table)[R - 2][0][0], *less = NG(input_table)[R - 2][1][0];
    NG(vector) half[POINTS * POINTS];
    is_short[0] ? NG(down)(n, n, n, less, POINTS, 1, at, next, c, count, half)
                : NG(down)(n, n, n, full, POINTS, 1, at, next, c, count, half);
    is_short[1] ? NG(along)(n, n, less, POINTS, 1, half, to, f_step, count)
                : NG(along)(n, n, full, POINTS, 1, half, to, f_step, count);
}

/* Z = A dy A' of a tile, for `count` channels from c on: dy at at[4 i + j] + c. It writes whole panels. */
NG_INLINE void NG(gradient_tile)(const int R, const int *is_short, const T *const *at, const T *const *next,
                                 ptrdiff_t c, const ptrdiff_t count, T *to, ptrdiff_t f_step)
{
    const int n = TILE + R - 1;
    const T *full = NG(output_table)[R - 2][0][0], *less = NG(output_table)[R - 2][1][0];
    NG(vector) half[POINTS * TILE];
    is_short[0] ? NG(down)(n, TILE, TILE, less, 1, POINTS, at, next, c, count, half)
                : NG(down)(n, TILE, TILE, full, 1, POINTS, at, next, c, count, half);
    is_short[1] ? NG(along)(n, TILE, less, 1, POINTS, half, to, f_step, V)
                : NG(along)(n, TILE, full, 1, POINTS, half, to, f_step, V);
}

/* U = G w G' of a vector of columns from n on: tap t at at[t] + n. */
NG_INLINE void NG(weight_tile)(const int R, const T *const *at, ptrdiff_t n, T *to, ptrdiff_t f_step)
{
    NG(vector) half[POINTS * 3];
    NG(down)(TILE + R - 1, R, R, NG(weight_table)[R - 2][0], 3, 1, at, NULL, n, V, half);
    NG(along)(TILE + R - 1, R, NG(weight_table)[R - 2][0], 3, 1, half, to, f_step, V);
}

/* y = A' M A of a tile for a vector of columns from n0 on, of which `count` exist, into the rows x columns
 * pixels that exist. The first pixel is `at` elements from the beginning of y; M_f is at from + f f_step. */
NG_INLINE void NG(output_tile)(const int R, const int *is_short, const T *from, ptrdiff_t f_step,
                               const NG(finish) *finish, ptrdiff_t n0, T *y, ptrdiff_t at, ptrdiff_t i_step,
                               ptrdiff_t j_step, int rows, int columns, const ptrdiff_t count)
{
    const int n = TILE + R - 1;
    const T *full = NG(output_table)[R - 2][0][0], *less = NG(output_table)[R - 2][1][0];
    const T *places[POINTS * POINTS];
    NG(vector) half[TILE * POINTS], line[TILE];
    for (int f = 0; f < n * n; f++) /* the frequencies that a short tile leaves out meet zeros of its table */
        places[f] = from + f * f_step;
    is_short[0] ? NG(down)(TILE, n, n, less, POINTS, 1, places, NULL, 0, V, half)
                : NG(down)(TILE, n, n, full, POINTS, 1, places, NULL, 0, V, half);
    for (int i = 0; i < rows; i++, at += i_step) {
        is_short[1] ? NG(apply)(TILE, n, less, POINTS, 1, half + i * n, line, 1)
                    : NG(apply)(TILE, n, full, POINTS, 1, half + i * n, line, 1);
        NG_UNROLL
        for (int j = 0; j < TILE; j++)
            if (j < columns)
                NG(put)(y + at + j * j_step, NG(finished)(line[j], finish, n0, at + j * j_step, count),
                        count);
    }
}

/* dw = G' dU G of a vector of columns, dU_f at from + f f_step. tap_rows makes `half`, tap_row one row of
 * taps from it, so that the caller can store only the taps that exist. */
NG_INLINE void NG(tap_rows)(const int R, const T *from, ptrdiff_t f_step, NG(vector) *half)
{
    const int n = TILE + R - 1;
    const T *at[POINTS * POINTS];
    for (int f = 0; f < n * n; f++)
        at[f] = from + f * f_step;
    NG(down)(R, n, n, NG(weight_table)[R - 2][0], 1, 3, at, NULL, 0, V, half);
}

NG_INLINE void NG(tap_row)(const int R, const NG(vector) *half, int i, NG(vector) *line)
{
    NG(apply)(R, TILE + R - 1, NG(weight_table)[R - 2][0], 1, 3, half + i * (TILE + R - 1), line, 1);
}
