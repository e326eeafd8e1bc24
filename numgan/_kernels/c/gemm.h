/* C = A B, finished          A (M, K)   B (K, N)   C (M, N)
 *
 * Finished: + bias, then LeakyReLU or its derivative, see `finish`. Three nested ideas, outermost first.
 *
 * 1. Blocks. A processor multiplies far faster than its memory delivers, so every number that is loaded must
 *    be used many times. C is built from blocks of A (MC x KC) and of B (KC x NC), which stay in the caches:
 *
 *            KC                    NC
 *          +----+----+         +--------+--
 *       MC | A  |    |      KC |   B    |         for each block of B:
 *          +----+----+         +--------+--           for each block of A beside it:
 *          |    |    |         |        |                 pack it, and B too the first time
 *                                                         C block += A block . B block
 *
 * 2. Packing. Each block is first copied to a buffer, in the order in which it will be read. B becomes panels
 *    of NR columns, A becomes slivers of MR rows. Zeros complete both, so the inner loop has no strides and
 *    no edges:
 *
 *                 B panel (NR = 4 drawn)         A sliver (MR = 3 drawn), stored either by rows or by k
 *          k=0     0  1  2  3                              k=0 1 2 ... KC-1
 *          k=1     4  5  6  7                    row 0       0 1 2 ...             0 3 6 ...
 *          k=2     8  9 10 11                    row 1      KC ...         or      1 4 7 ...
 *          ...                                   row 2     2KC ...                 2 5 8 ...
 *
 *    Operands also differ only in their packing: a transposed matrix, the patches of an image and a flipped
 *    kernel are other ways to fill the same buffers. Anything with a pack function is an operand. A patch of
 *    an image is contiguous along k, a transposed matrix along its rows: with two storage orders for A, both
 *    are filled by copying runs. An A that lies well in memory (thin.h, fast.h) is not packed: the tile reads
 *    it through steps.
 *
 * 3. The tile. A sliver times a panel is an MR x NR tile of C, kept in registers over the whole k loop. Each
 *    step loads one row of the panel and MR single numbers of A, for MR * NR multiply-adds:
 *
 *                            b[0..NR)               NR = two vectors
 *                   a[0]   | acc acc |
 *                   a[1]   | acc acc |              acc[r] += a[r] * b
 *                   a[2]   | acc acc |
 *
 * Every element of C is the sum, block by block of KC, of chains acc = acc + a_k b_k with ascending k. The
 * sum depends neither on the tile's place nor on the number of threads, so the result is equal in every bit
 * for any cut of the work.
 */

#define V (NG_VECTOR_BYTES / (int)sizeof(T)) /* elements of a vector */
#define MR NG_TILE_ROWS                      /* rows of a tile: as many as the registers hold */
#define NR (2 * V)                           /* columns of a tile */
#define KC (1664 / (int)sizeof(T))           /* a panel of B (KC x NR) stays in the first or second cache */
#define MC (144 / MR * MR)                   /* a block of A (MC x KC) stays in the second cache */
#define NC (768 / NR * NR)                   /* a block of B (KC x NC) stays in the second or third cache */

typedef T NG(vector) NG_VECTOR(NG_VECTOR_BYTES);
typedef NG_ORDER NG(order) NG_VECTOR(NG_VECTOR_BYTES); /* the elements that a shuffle takes */

/* A of the product: pack(a, panel, m0, m, k0, k) writes rows m0..m0+m, columns k0..k0+k as slivers. */
typedef struct NG(left) {
    void (*pack)(const struct NG(left) *, T *panel, ptrdiff_t m0, ptrdiff_t m, ptrdiff_t k0, ptrdiff_t k);
    int by_k; /* the slivers' storage order: 0 by rows, (MR, KC); 1 by k, (KC, MR) */
    const void *source;
} NG(left);

/* B of the product: a matrix whose k axis is cut into groups (the taps of a kernel). With g = k / group,
 * element (k, n) is data[g / across * down_step + g % across * across_step + k % group * k_stride + n *
 * n_stride]. */
typedef struct {
    const T *data;
    ptrdiff_t k_stride, n_stride, group, across, down_step, across_step;
} NG(right);

/* C of the product: row m = (n, u, v) of a grid (., height, width) is the N contiguous elements that begin
 * at first + n s[0] + u s[1] + v s[2]. */
typedef struct {
    T *data;
    ptrdiff_t first, height, width, s[3];
} NG(target);

/* MR rows of A, packed or in place: element (r, k) is
 * data[r row_step + k / run * run_step + k % run * k_step]. */
typedef struct {
    const T *data;
    ptrdiff_t row_step, k_step, run, run_step, runs; /* runs of `run` terms each */
} NG(sliver);

/* out (rows, NR) = a sliver times a panel, whose rows are b_step apart. With `more`, the product is added
 * to out. */
NG_INLINE void NG(tile_of)(const int rows, const int vectors, const ptrdiff_t row_step,
                           const ptrdiff_t k_step, const NG(sliver) *sliver, const T *b,
                           const ptrdiff_t b_step, T *out, const int more)
{
    NG(vector) acc[MR][2];
    NG_UNROLL
    for (int r = 0; r < rows; r++) {
        acc[r][0] = more ? ((const NG(vector) *)(out + r * NR))[0] : (NG(vector)){0};
        if (vectors == 2)
            acc[r][1] = more ? ((const NG(vector) *)(out + r * NR))[1] : (NG(vector)){0};
    }
    const T *run = sliver->data;
    for (ptrdiff_t left = sliver->runs; left > 0; left--, run += sliver->run_step) {
        const T *a = run;
        for (ptrdiff_t k = sliver->run; k > 0; k--, a += k_step, b += b_step) {
            NG(vector) b0, b1;
            memcpy(&b0, b, sizeof(b0));
            memcpy(&b1, b + (vectors - 1) * V, sizeof(b1));
            NG_UNROLL
            for (int r = 0; r < rows; r++) {
                T s = a[r * row_step];
                acc[r][0] += s * b0;
                if (vectors == 2)
                    acc[r][1] += s * b1;
            }
        }
    }
    NG_UNROLL
    for (int r = 0; r < rows; r++) {
        ((NG(vector) *)(out + r * NR))[0] = acc[r][0];
        if (vectors == 2)
            ((NG(vector) *)(out + r * NR))[1] = acc[r][1];
    }
}

/* out (rows, columns) by the smallest tile that holds it. One of the two steps of the sliver is 1. */
static void NG(tile)(ptrdiff_t rows, ptrdiff_t columns, const NG(sliver) *a, const T *b, ptrdiff_t b_step,
                     T *out, int more)
{
#define TILE_IF_FITS(height)                                                               \
    if ((height) <= MR && rows <= (height)) {                                              \
        if (a->k_step == 1)                                                                \
            columns > V ? NG(tile_of)(height, 2, a->row_step, 1, a, b, b_step, out, more)  \
                        : NG(tile_of)(height, 1, a->row_step, 1, a, b, b_step, out, more); \
        else                                                                               \
            columns > V ? NG(tile_of)(height, 2, 1, a->k_step, a, b, b_step, out, more)    \
                        : NG(tile_of)(height, 1, 1, a->k_step, a, b, b_step, out, more);   \
        return;                                                                            \
    }
    TILE_IF_FITS(2)
    TILE_IF_FITS(4)
#if NG_TILE_ROWS > 8
    TILE_IF_FITS(8)
#endif
    TILE_IF_FITS(MR)
#undef TILE_IF_FITS
}

NG_INLINE NG(vector) NG(get)(const T *from, ptrdiff_t count)
{
    NG(vector) v = {0};
    memcpy(&v, from, (count >= V ? V : count) * sizeof(T));
    return v;
}

NG_INLINE void NG(put)(T *to, NG(vector) v, ptrdiff_t count)
{
    memcpy(to, &v, (count >= V ? V : count) * sizeof(T));
}

/* The last operations on C: c + bias, then LeakyReLU, or the derivative of the LeakyReLU before this product:
 *
 *     c = c > 0 ? c : slope c            or, with a gate of C's layout,           c = gate > 0 ? c : slope c
 */
typedef struct {
    const T *bias, *gate; /* or NULL */
    T slope;              /* 1: no LeakyReLU */
} NG(finish);

/* The finish of a call; bias, gate and slope are the places of its arguments. */
static inline NG(finish) NG(finish_of)(const ng_call *call, int bias, int gate, int slope)
{
    return (NG(finish)){call->array[bias].data, call->array[gate].data, (T)call->scalar[slope]};
}

/* Finish a part of C: the columns from n on, `at` elements from the beginning of C. */
NG_INLINE NG(vector) NG(finished)(NG(vector) v, const NG(finish) *finish, ptrdiff_t n, ptrdiff_t at,
                                  const ptrdiff_t count)
{
    if (finish->bias)
        v += NG(get)(finish->bias + n, count);
    if (finish->gate)
        return NG_CHOOSE(NG(get)(finish->gate + at, count) > 0, v, finish->slope * v, NG(vector), NG(order));
    if (finish->slope == 0) /* not 0 v, which is nan for -inf */
        return NG_CHOOSE(v <= 0, (NG(vector)){0}, v, NG(vector), NG(order));
    if (finish->slope != 1)
        return NG_CHOOSE(v <= 0, finish->slope * v, v, NG(vector), NG(order));
    return v;
}

/* Rows of C, from column n on: = a tile, or += it after the first block of k. They are finished after the
 * last. */
NG_INLINE void NG(store)(const T *tile, const ptrdiff_t rows, const ptrdiff_t columns, T *c,
                         const ptrdiff_t *offset, ptrdiff_t n, int first, const NG(finish) *finish)
{
    for (ptrdiff_t r = 0; r < rows; r++, tile += NR)
        NG_UNROLL
        for (int j = 0; j < NR; j += V)
            if (j < columns) {
                const ptrdiff_t at = offset[r] + n + j, count = columns - j;
                NG(vector) v = ((const NG(vector) *)(tile + j))[0];
                if (!first)
                    v += NG(get)(c + at, count);
                if (finish)
                    v = NG(finished)(v, finish, n + j, at, count);
                NG(put)(c + at, v, count);
            }
}

static const T *NG(right_row)(const NG(right) *b, ptrdiff_t k)
{
    ptrdiff_t g = k / b->group;
    return b->data + g / b->across * b->down_step + g % b->across * b->across_step +
           k % b->group * b->k_stride;
}

/* Transpose a square of V x V numbers in log2(V) rounds. Round `step` exchanges the numbers whose row and
 * column differ in that bit. */
NG_INLINE void NG(transpose)(NG(vector) *row)
{
#ifdef NG_SHUFFLE
    NG_UNROLL
    for (int step = 1; step < V; step *= 2) {
        NG(order) first, second;
        for (int e = 0; e < V; e++) {
            first[e] = e & step ? V + e - step : e;
            second[e] = e & step ? V + e : e + step;
        }
        NG_UNROLL
        for (int i = 0; i < V; i++)
            if (!(i & step)) {
                const NG(vector) upper = row[i], lower = row[i + step];
                row[i] = NG_SHUFFLE(upper, lower, first);
                row[i + step] = NG_SHUFFLE(upper, lower, second);
            }
    }
#else
    for (int i = 0; i < V; i++)
        for (int j = 0; j < i; j++) {
            const T upper = ((T *)&row[j])[i];
            ((T *)&row[j])[i] = ((T *)&row[i])[j];
            ((T *)&row[i])[j] = upper;
        }
#endif
}

/* to[q][j] = from[q + j column_step] for q < rows, j < columns, in rows of NR: contiguous columns of B
 * become rows of a panel. */
static void NG(turn)(const T *from, ptrdiff_t column_step, ptrdiff_t rows, ptrdiff_t columns, T *to)
{
    for (ptrdiff_t q = 0; q < rows; q += V)
        for (ptrdiff_t j = 0; j < columns; j += V) {
            const T *corner = from + q + j * column_step;
            if (rows - q >= V && columns - j >= V) {
                NG(vector) square[V];
                NG_UNROLL
                for (int i = 0; i < V; i++) {
                    NG_PREFETCH(corner + i * column_step + 6 * V); /* the next part of this column */
                    memcpy(&square[i], corner + i * column_step, sizeof(square[i]));
                }
                NG(transpose)(square);
                NG_UNROLL
                for (int i = 0; i < V; i++)
                    memcpy(to + (q + i) * NR + j, &square[i], sizeof(square[i]));
            } else
                for (ptrdiff_t i = 0; i < NG_MIN(rows - q, V); i++)
                    for (ptrdiff_t e = 0; e < NG_MIN(columns - j, V); e++)
                        to[(q + i) * NR + j + e] = corner[i + e * column_step];
        }
}

/* Columns n0..n0+width, rows k0..k0+k of B as a panel (k, NR). Prefetches the columns of the next panel. */
static void NG(pack_right)(const NG(right) *b, T *panel, ptrdiff_t k0, ptrdiff_t k, ptrdiff_t n0,
                           ptrdiff_t width)
{
    if (width < NR)
        memset(panel, 0, (size_t)k * NR * sizeof(T));
    for (ptrdiff_t p = 0, run; p < k; p += run, panel += run * NR) {
        const T *from = NG(right_row)(b, k0 + p) + n0 * b->n_stride;
        run = NG_MIN(k - p, b->group - (k0 + p) % b->group); /* rows up to the end of this group */
        if (b->n_stride == 1)
            for (ptrdiff_t q = 0; q < run; q++) {
                NG_PREFETCH(from + q * b->k_stride + NR);
                NG_PREFETCH(from + q * b->k_stride + NR + V);
                memcpy(panel + q * NR, from + q * b->k_stride, width * sizeof(T));
            }
        else if (b->k_stride == 1)
            NG(turn)(from, b->n_stride, run, width, panel);
        else
            for (ptrdiff_t q = 0; q < run; q++)
                for (ptrdiff_t j = 0; j < width; j++)
                    panel[q * NR + j] = from[q * b->k_stride + j * b->n_stride];
    }
}

/* Rows m0..m1, columns n0..n1 of C. */
static int NG(gemm)(const NG(left) *a, const NG(right) *b, const NG(target) *c, const NG(finish) *finish,
                    ptrdiff_t K, ptrdiff_t m0, ptrdiff_t m1, ptrdiff_t n0, ptrdiff_t n1)
{
    if (m0 >= m1 || n0 >= n1)
        return 0;
    size_t left_size = (size_t)NG_CEIL(NG_MIN(m1 - m0, MC), MR) * MR * KC;
    size_t right_size = (size_t)NG_CEIL(NG_MIN(n1 - n0, NC), NR) * NR * (size_t)NG_MAX(NG_MIN(K, KC), 1);
    T *tile = ng_scratch(NG_SCRATCH_PRODUCT, (left_size + right_size + MR * NR) * sizeof(T));
    if (!tile)
        return NG_NO_MEMORY;
    T *right = tile + MR * NR, *left = right + right_size;
    ptrdiff_t offset[MC];
    const ptrdiff_t step = NG_MAX(NG_CEIL(K, NG_MAX(NG_CEIL(K, KC), 1)), 1); /* blocks of k of one size */

    for (ptrdiff_t n = n0; n < n1; n += NC)
        for (ptrdiff_t k0 = 0; k0 == 0 || k0 < K; k0 += step) { /* once even if K = 0: C = bias */
            ptrdiff_t k = NG_MIN(K - k0, step), columns = NG_MIN(n1 - n, NC);
            for (ptrdiff_t m = m0; m < m1; m += MC) {
                ptrdiff_t rows = NG_MIN(m1 - m, MC);
                if (ng_interrupted())
                    return NG_INTERRUPTED;
                a->pack(a, left, m, rows, k0, k);
                for (ptrdiff_t r = 0; r < rows; r++) {
                    ptrdiff_t i = m + r, line = i / c->width;
                    offset[r] = c->first + line / c->height * c->s[0] + line % c->height * c->s[1] +
                                i % c->width * c->s[2];
                }
                for (ptrdiff_t j = 0; j < columns; j += NR) {
                    ptrdiff_t width = NG_MIN(columns - j, NR);
                    T *panel = right + j * k;
                    if (m == m0)
                        NG(pack_right)(b, panel, k0, k, n + j, width);
                    for (ptrdiff_t r = 0; r < rows; r += MR) {
                        ptrdiff_t height = NG_MIN(rows - r, MR);
                        const NG(finish) *last = k0 + step >= K ? finish : NULL;
                        const NG(sliver) sliver = {left + r * KC, a->by_k ? 1 : KC, a->by_k ? MR : 1,
                                                   k, 0, 1};
                        NG(tile)(height, width, &sliver, panel, NR, tile, 0);
                        if (width == NR)
                            NG(store)(tile, height, NR, c->data, offset + r, n + j, k0 == 0, last);
                        else
                            NG(store)(tile, height, width, c->data, offset + r, n + j, k0 == 0, last);
                    }
                }
            }
        }
    return 0;
}

/* One thread's share of C = A B (+ bias). C has M rows and N columns. */
static int NG(product)(const NG(left) *a, const NG(right) *b, const NG(target) *c,
                       const NG(finish) *finish, ptrdiff_t M, ptrdiff_t K, ptrdiff_t N, ng_share share)
{
    ptrdiff_t m0, m1, n0, n1;
    ng_split(M, MR, share.row, share.rows, &m0, &m1);
    ng_split(N, NR, share.column, share.columns, &n0, &n1);
    return NG(gemm)(a, b, c, finish, K, m0, m1, n0, n1);
}

/* Pack a strided matrix into slivers, in the storage order in which it is contiguous. */
static void NG(pack_matrix)(const NG(left) *left, T *panel, ptrdiff_t m0, ptrdiff_t m, ptrdiff_t k0,
                            ptrdiff_t k)
{
    const ng_array *a = left->source;
    const T *from = (const T *)a->data + m0 * a->stride[0] + k0 * a->stride[1];
    const ptrdiff_t m_stride = a->stride[0], k_stride = a->stride[1];
    for (; m > 0; m -= MR, from += MR * m_stride, panel += MR * KC) {
        const ptrdiff_t rows = NG_MIN(m, MR);
        if (left->by_k)
            for (ptrdiff_t p = 0; p < k; p++)
                for (ptrdiff_t r = 0; r < MR; r++)
                    panel[p * MR + r] = r < rows ? from[r * m_stride + p * k_stride] : 0;
        else
            for (ptrdiff_t r = 0; r < MR; r++) {
                for (ptrdiff_t p = 0; p < k; p += V)
                    NG_PREFETCH(from + (r + MR) * m_stride + p * k_stride); /* the next sliver */
                for (ptrdiff_t p = 0; p < k; p++)
                    panel[r * KC + p] = r < rows ? from[r * m_stride + p * k_stride] : 0;
            }
    }
}

/* c = a b, finished */
static int NG(matmul)(const ng_call *call, ng_share share)
{
    const ng_array *a = &call->array[MATMUL_A], *b = &call->array[MATMUL_B], *c = &call->array[MATMUL_C];
    const NG(finish) finish = NG(finish_of)(call, MATMUL_BIAS, MATMUL_GATE, MATMUL_SLOPE);
    const ptrdiff_t M = a->size[0], K = a->size[1], N = b->size[1];
    const NG(left) left = {NG(pack_matrix), llabs(a->stride[0]) < llabs(a->stride[1]), a};
    const NG(right) right = {b->data, b->stride[0], b->stride[1], NG_MAX(K, 1), 1, 0, 0};
    const NG(target) target = {c->data, 0, 1, 1, {N, 0, 0}};
    return NG(product)(&left, &right, &target, &finish, M, K, N, share);
}

/* c = A b (+ bias) for one contiguous column b. If the rows of A are contiguous, an element of c is the
 * product of a row and b, in four chains of vectors. If the columns of A are contiguous, c is the sum of
 * b_k times column k; the loop computes as much of c at a time as stays in the cache. */
static int NG(matvec)(const ng_call *call, ng_share share)
{
    const ng_array *a = &call->array[MATVEC_A];
    const T *b = call->array[MATVEC_B].data, *bias = call->array[MATVEC_BIAS].data;
    T *c = call->array[MATVEC_C].data;
    const ptrdiff_t K = a->size[1], some = 4096 / (ptrdiff_t)sizeof(T);
    ptrdiff_t begin, end;
    ng_split(a->size[0], 16, share.row, share.rows, &begin, &end);
    if (a->stride[1] == 1)
        for (ptrdiff_t m = begin; m < end; m++) {
            const T *row = (const T *)a->data + m * a->stride[0];
            NG(vector) sum[4] = {{0}}, x, y;
            T total = 0;
            ptrdiff_t k = 0;
            if (ng_interrupted())
                return NG_INTERRUPTED;
            for (; k + 4 * V <= K; k += 4 * V)
                for (int i = 0; i < 4; i++) {
                    memcpy(&x, row + k + i * V, sizeof(x));
                    memcpy(&y, b + k + i * V, sizeof(y));
                    sum[i] += x * y;
                }
            sum[0] += sum[1] + sum[2] + sum[3];
            for (int e = 0; e < V; e++)
                total += ((T *)&sum[0])[e];
            for (; k < K; k++)
                total += row[k] * b[k];
            c[m] = bias ? total + bias[0] : total;
        }
    else
        for (ptrdiff_t m = begin; m < end; m += some) {
            const ptrdiff_t rows = NG_MIN(some, end - m);
            if (ng_interrupted())
                return NG_INTERRUPTED;
            for (ptrdiff_t r = 0; r < rows; r++)
                c[m + r] = bias ? bias[0] : 0;
            for (ptrdiff_t k = 0; k < K; k++) {
                const T *restrict column = (const T *)a->data + m + k * a->stride[1];
                T *restrict to = c + m;
                for (ptrdiff_t r = 0; r < rows; r++)
                    to[r] += column[r] * b[k];
            }
        }
    return 0;
}
