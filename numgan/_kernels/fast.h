/* Convolutions with fewer multiplications: the Toom-Cook (Winograd) algorithm, on the phases of phase.h.
 *
 * Four outputs of a filter with R = 2 taps cost 8 multiplications. But y(p) = w(p) x(p) of polynomials is known once it is known at
 * n = 4 + R - 1 = 5 points, and at a point it is a product of two numbers. With matrices that evaluate at the points and put together again,
 *
 *     y = A' [(G w) o (B' x)]          x (n)   w (R)   y (4)   o: entry by entry
 *
 * costs n = 5. In two dimensions each matrix works on both axes: 25 products instead of 64 for a 4 x 4 tile of outputs (R = 2), and
 * 36 instead of 144 (R = 3). Over many tiles and channels, each of the n^2 entries ("frequencies" f) is a product of matrices:
 *
 *     forward             V_f = (B' x B)_f       M_f = V_f U_f      U_f = (G w G')_f       y  = A' M A
 *                         (tiles, K)             (tiles, O)         (K, O)
 *     weight gradient     Z_f = (A dy A')_f      dU_f = V_f' Z_f                           dw = G' dU G
 *
 * and the input gradient is the forward form again, one for each phase of dx. A convolution with stride s is the sum of s^2 of stride 1
 * over the phases of x, so K counts (phase, channel). The tables G, B' and A' are derived in docs/kernels.md; points 0, 1, -1, 2, inf for
 * R = 2 and 0, 1, -1, 1/2, -2, inf for R = 3, chosen for their rounding errors.
 *
 * Channels are last, so a transform is the same few additions for every channel: vectors over channels, no shuffling. V is kept for
 * a block of tiles; U is made for a piece of K and one panel of columns, used for the whole block and forgotten, which costs a few
 * hundredths of the product and leaves nothing that could become stale when the weights change.
 */

#define POINTS 6                /* at most */
#define TILE 4                  /* outputs of a tile along each axis */
#define BLOCK (70 / MR * MR)   /* tiles of a block */
#define PIECE 128               /* of K for which U is made at a time */

static const T NG(input_table)[2][POINTS][POINTS] = { /* B' */
    {{2, -1, -2, 1}, {0, -2, -1, 1}, {0, 2, -3, 1}, {0, -1, 0, 1}, {0, 2, -1, -2, 1}},
    {{1, -1.5, -2, 1.5, 1}, {0, -1, 0.5, 2.5, 1}, {0, 1, -2.5, 0.5, 1}, {0, -2, -1, 2, 1}, {0, 0.5, -1, -0.5, 1}, {0, 1, -1.5, -2, 1.5, 1}},
};
static const T NG(weight_table)[2][POINTS][3] = { /* G */
    {{1. / 2, 0}, {-1. / 2, -1. / 2}, {-1. / 6, 1. / 6}, {1. / 6, 1. / 3}, {0, 1}},
    {{1, 0, 0}, {1. / 3, 1. / 3, 1. / 3}, {-1. / 3, 1. / 3, -1. / 3}, {-16. / 15, -8. / 15, -4. / 15}, {1. / 15, -2. / 15, 4. / 15}, {0, 0, 1}},
};
static const T NG(output_table)[2][TILE][POINTS] = { /* A' */
    {{1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 0}, {0, 1, -1, 8, 1}},
    {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 0.5, -2, 0}, {0, 1, 1, 0.25, 4, 0}, {0, 1, -1, 0.125, -8, 1}},
};

/* to[i] = sum over j of table[i][j] from[j] (or table[j][i], transposed); zeros of the table cost nothing. */
NG_INLINE void NG(apply)(const int rows, const int terms, const T *table, const int i_step, const int j_step, const NG(vector) *from,
                         const int from_step, NG(vector) *to, const int to_step)
{
    NG_UNROLL
    for (int i = 0; i < rows; i++) {
        NG(vector) sum = {0};
        int any = 0;
        NG_UNROLL
        for (int j = 0; j < terms; j++) {
            const T c = table[i * i_step + j * j_step];
            if (c != 0) {
                sum = any ? sum + c * from[j * from_step] : c * from[j * from_step];
                any = 1;
            }
        }
        to[i * to_step] = sum;
    }
}

NG_INLINE NG(vector) NG(get)(const T *from, ptrdiff_t count)
{
    NG(vector) v = {0};
    if (count >= V)
        memcpy(&v, from, sizeof(v));
    else
        memcpy(&v, from, count * sizeof(T));
    return v;
}

NG_INLINE void NG(put)(T *to, NG(vector) v, ptrdiff_t count)
{
    if (count >= V)
        memcpy(to, &v, sizeof(v));
    else
        memcpy(to, &v, count * sizeof(T));
}

/* An image with its channels, and a row of zeros that stands for every pixel outside it. */
typedef struct {
    T *data;
    const T *zeros;
    ptrdiff_t size[2], channels;
} NG(image);

/* Pixels top + i step, left + j step of image n, for i, j < points: their addresses, or the zeros'. */
static void NG(look_up)(const NG(image) *x, ptrdiff_t n, ptrdiff_t top, ptrdiff_t left, const ptrdiff_t *step, int points, const T **at)
{
    for (int i = 0; i < points; i++)
        for (int j = 0; j < points; j++) {
            const ptrdiff_t h = top + i * step[0], w = left + j * step[1];
            const int inside = h >= 0 && h < x->size[0] && w >= 0 && w < x->size[1];
            at[i * points + j] = inside ? x->data + ((n * x->size[0] + h) * x->size[1] + w) * x->channels : x->zeros;
        }
}

/* B' x B of one tile for a vector of channels, of which `count` are there: x at at[i n + j] + c, frequency f to to + f f_step. */
NG_INLINE void NG(input_tile)(const int R, const T *const *at, ptrdiff_t c, ptrdiff_t ahead, const ptrdiff_t count, T *to, ptrdiff_t f_step)
{
    const int n = TILE + R - 1;
    const T *B = NG(input_table)[R - 2][0];
    NG(vector) half[POINTS * POINTS], line[POINTS];
    NG_UNROLL
    for (int j = 0; j < n; j++) {
        NG_UNROLL
        for (int i = 0; i < n; i++) {
            NG_PREFETCH(at[i * n + j] + c + ahead);
            line[i] = NG(get)(at[i * n + j] + c, count);
        }
        NG(apply)(n, n, B, POINTS, 1, line, 1, half + j, n);
    }
    NG_UNROLL
    for (int i = 0; i < n; i++) {
        NG(apply)(n, n, B, POINTS, 1, half + i * n, 1, line, 1);
        NG_UNROLL
        for (int j = 0; j < n; j++)
            NG(put)(to + (i * n + j) * f_step, line[j], count);
    }
}

/* V of tiles t0..t0+count, channels c0..c1 of some phases: channel c of phase e at f f_step + t t_step + e e_step + c - c0. */
NG_INLINE void NG(input_tiles)(const int R, const NG(image) *x, const ng_phase_pair *phases, int of, ptrdiff_t t0, ptrdiff_t count,
                               ptrdiff_t c0, ptrdiff_t c1, T *to, ptrdiff_t f_step, ptrdiff_t t_step, ptrdiff_t e_step)
{
    const int n = TILE + R - 1;
    const ptrdiff_t across = NG_CEIL(phases->axis[1].pixels, TILE), tiles = across * NG_CEIL(phases->axis[0].pixels, TILE);
    const ptrdiff_t step[2] = {phases->axis[0].in_step, phases->axis[1].in_step}, ahead = TILE * step[1] * x->channels; /* the next tile */
    for (ptrdiff_t t = 0; t < count; t++)
        for (int e = 0; e < of; e++) {
            const ptrdiff_t image = (t0 + t) / tiles, top = (t0 + t) % tiles / across * TILE, left = (t0 + t) % across * TILE;
            const ng_axis *axis = phases[e].axis;
            const T *at[POINTS * POINTS];
            T *row = to + t * t_step + e * e_step - c0;
            NG(look_up)(x, image, top * step[0] + axis[0].origin, left * step[1] + axis[1].origin, step, n, at);
            ptrdiff_t c = c0;
            for (; c + V <= c1; c += V)
                NG(input_tile)(R, at, c, ahead, V, row + c, f_step);
            if (c < c1)
                NG(input_tile)(R, at, c, ahead, c1 - c, row + c, f_step);
        }
}

/* The taps that rows k0..k0+k of U (k counts phases and channels) and one panel of columns are made of: to[tap][q][NR].
 * Transposed, rows are w's last axis. What lies outside the kernel or beyond the last column is 0. */
NG_INLINE void NG(weight_taps)(const int R, const ng_array *w, const ng_phase_pair *phases, int transposed, ptrdiff_t channels, ptrdiff_t k0,
                               ptrdiff_t k, ptrdiff_t n0, ptrdiff_t width, T *to)
{
    const ptrdiff_t KW = w->size[1], I = w->size[2], O = w->size[3];
    memset(to, 0, (size_t)(R * R * PIECE * NR) * sizeof(T));
    for (ptrdiff_t q = 0, run; q < k; q += run) {
        const ptrdiff_t c = (k0 + q) % channels;
        const ng_axis *v = phases[(k0 + q) / channels].axis, *h = v + 1;
        run = NG_MIN(k - q, channels - c); /* rows up to the end of this phase */
        for (ptrdiff_t i = 0; i < v->taps; i++)
            for (ptrdiff_t j = 0; j < h->taps; j++) {
                const T *from = (const T *)w->data + ((v->tap + i * v->tap_step) * KW + h->tap + j * h->tap_step) * I * O;
                T *tap = to + ((i * R + j) * PIECE + q) * NR;
                if (transposed)
                    for (ptrdiff_t n = 0; n < width; n++)
                        for (ptrdiff_t r = 0; r < run; r++)
                            tap[r * NR + n] = from[(n0 + n) * O + c + r];
                else
                    for (ptrdiff_t r = 0; r < run; r++)
                        memcpy(tap + r * NR, from + (c + r) * O + n0, width * sizeof(T));
            }
    }
}

/* U[f][q][NR] of those taps. */
NG_INLINE void NG(weight_panel)(const int R, const T *taps, ptrdiff_t k, T *to)
{
    const int n = TILE + R - 1;
    const T *G = NG(weight_table)[R - 2][0];
    for (ptrdiff_t q = 0; q < k; q++)
        for (int c = 0; c < NR; c += V) {
            NG(vector) in[9], half[3 * POINTS], line[POINTS];
            NG_UNROLL
            for (int i = 0; i < R * R; i++)
                in[i] = NG(get)(taps + (i * PIECE + q) * NR + c, V);
            NG_UNROLL
            for (int j = 0; j < R; j++)
                NG(apply)(n, R, G, 3, 1, in + j, R, half + j, R);
            NG_UNROLL
            for (int i = 0; i < n; i++) {
                NG(apply)(n, R, G, 3, 1, half + i * R, 1, line, 1);
                NG_UNROLL
                for (int j = 0; j < n; j++)
                    NG(put)(to + ((i * n + j) * PIECE + q) * NR + c, line[j], V);
            }
        }
}

/* A' M A of one tile for a vector of columns, of which `count` are there, into the rows x columns pixels that exist. */
NG_INLINE void NG(output_tile)(const int R, const T *from, NG(vector) add, T *to, ptrdiff_t i_step, ptrdiff_t j_step, int rows, int columns,
                               const ptrdiff_t count)
{
    const int n = TILE + R - 1;
    const T *A = NG(output_table)[R - 2][0];
    NG(vector) half[TILE * POINTS], line[POINTS];
    NG_UNROLL
    for (int j = 0; j < n; j++) {
        NG_UNROLL
        for (int i = 0; i < n; i++)
            line[i] = NG(get)(from + (i * n + j) * BLOCK * NR, V);
        NG(apply)(TILE, n, A, POINTS, 1, line, 1, half + j, n);
    }
    for (int i = 0; i < rows; i++, to += i_step) {
        NG(apply)(TILE, n, A, POINTS, 1, half + i * n, 1, line, 1);
        NG_UNROLL
        for (int j = 0; j < TILE; j++)
            if (j < columns)
                NG(put)(to + j * j_step, line[j] + add, count);
    }
}

/* y of tiles t0..t0+count and columns n0..n0+width from M[f][t][NR]. */
NG_INLINE void NG(output_tiles)(const int R, const T *from, const ng_phase_pair *phase, ptrdiff_t t0, ptrdiff_t count, ptrdiff_t n0,
                                ptrdiff_t width, const T *bias, const ng_array *y)
{
    const ng_axis *v = &phase->axis[0], *h = &phase->axis[1];
    const ptrdiff_t across = NG_CEIL(h->pixels, TILE), tiles = across * NG_CEIL(v->pixels, TILE);
    const ptrdiff_t i_step = v->out_step * y->stride[1], j_step = h->out_step * y->stride[2];
    for (ptrdiff_t t = 0; t < count; t++, from += NR) {
        const ptrdiff_t image = (t0 + t) / tiles, top = (t0 + t) % tiles / across * TILE, left = (t0 + t) % across * TILE;
        const int rows = (int)NG_MIN(TILE, v->pixels - top), columns = (int)NG_MIN(TILE, h->pixels - left);
        T *to = (T *)y->data + image * y->stride[0] + v->out_first * y->stride[1] + top * i_step + h->out_first * y->stride[2] +
                left * j_step + n0;
        for (ptrdiff_t c = 0; c < width; c += V) {
            const NG(vector) add = bias ? NG(get)(bias + n0 + c, width - c) : (NG(vector)){0};
            if (width - c >= V)
                NG(output_tile)(R, from + c, add, to + c, i_step, j_step, rows, columns, V);
            else
                NG(output_tile)(R, from + c, add, to + c, i_step, j_step, rows, columns, width - c);
        }
    }
}

/* The sum over `count` phases, for tiles t0..t1 and columns n0..n1 of the output that phases[0] names. */
NG_INLINE int NG(fast_sum)(const int R, const NG(image) *x, const ng_array *w, int transposed, const ng_phase_pair *phases, int count,
                           const T *bias, const ng_array *y, ptrdiff_t t0, ptrdiff_t t1, ptrdiff_t n0, ptrdiff_t n1)
{
    const int frequencies = (TILE + R - 1) * (TILE + R - 1);
    const ptrdiff_t C = x->channels, K = count * C, ld = NG_CEIL(K, V) * V + V; /* + V: rows a power of two apart share cache sets */
    const size_t v_size = (size_t)frequencies * BLOCK * ld, u_size = frequencies * PIECE * NR, m_size = frequencies * BLOCK * NR;
    T *v = ng_scratch(NG_SCRATCH_TRANSFORM, (v_size + u_size + m_size + R * R * PIECE * NR) * sizeof(T));
    if (!v)
        return NG_NO_MEMORY;
    T *u = v + v_size, *m = u + u_size, *taps = m + m_size;
    for (; t0 < t1; t0 += BLOCK) {
        const ptrdiff_t tiles = NG_MIN(t1 - t0, BLOCK);
        NG(input_tiles)(R, x, phases, count, t0, tiles, 0, C, v, BLOCK * ld, ld, C);
        for (ptrdiff_t n = n0; n < n1; n += NR) {
            const ptrdiff_t width = NG_MIN(n1 - n, NR);
            if (ng_interrupted())
                return NG_INTERRUPTED;
            for (ptrdiff_t k0 = 0; k0 < K; k0 += PIECE) {
                const ptrdiff_t k = NG_MIN(K - k0, PIECE);
                NG(weight_taps)(R, w, phases, transposed, C, k0, k, n, width, taps);
                NG(weight_panel)(R, taps, k, u);
                for (int f = 0; f < frequencies; f++)
                    for (ptrdiff_t t = 0; t < tiles; t += MR)
                        NG(tile)(NG_MIN(tiles - t, MR), width, ld, 1, k, v + (f * BLOCK + t) * ld + k0, u + f * PIECE * NR,
                                 m + (f * BLOCK + t) * NR, k0 > 0);
            }
            NG(output_tiles)(R, m, phases, t0, tiles, n, width, bias, y);
        }
    }
    return 0;
}

/* Outputs in groups of phases that are summed: one group of s^2 for y, s^2 groups of one for dx. */
NG_INLINE int NG(fast_groups)(const int R, const ng_call *call, int transposed, ng_share share)
{
    const ng_array *x = &call->array[0], *w = &call->array[1], *y = &call->array[3], *zeros = &call->array[4];
    const ng_window *window = &call->window;
    const int phases = (int)(window->stride[0] * window->stride[1]), groups = transposed ? phases : 1;
    const NG(image) image = {x->data, zeros->data, {x->size[1], x->size[2]}, x->size[3]};
    ng_phase_pair phase[NG_PHASES];
    for (int r = 0; r < phases; r++)
        phase[r] = transposed ? ng_gradient_phase(window, r, y->size + 1) : ng_forward_phase(window, r, y->size + 1);
    ptrdiff_t n0, n1, t0, t1;
    ng_split(y->size[3], NR, share.column, share.columns, &n0, &n1);
    for (int g = 0; g < groups; g++) {
        const ng_axis *axis = phase[g].axis;
        ng_split(y->size[0] * NG_CEIL(axis[0].pixels, TILE) * NG_CEIL(axis[1].pixels, TILE), MR, share.row, share.rows, &t0, &t1);
        const int status = NG(fast_sum)(R, &image, w, transposed, phase + g, phases / groups, call->array[2].data, y, t0, t1, n0, n1);
        if (status)
            return status;
    }
    return 0;
}

/* Taps of a phase along each axis: 2 or 3. */
NG_INLINE int NG(fast_taps)(const ng_call *call)
{
    return (int)NG_CEIL(call->window.kernel[0], call->window.stride[0]);
}

/* y = x * w          arrays: x, w, bias or none, y, zeros (C,) */
static int NG(fast_conv2d)(const ng_call *call, ng_share share)
{
    return NG(fast_taps)(call) == 2 ? NG(fast_groups)(2, call, 0, share) : NG(fast_groups)(3, call, 0, share);
}

/* dx = the transpose of that          arrays: dy, w, bias or none, dx, zeros (O,) */
static int NG(fast_conv2d_input_gradient)(const ng_call *call, ng_share share)
{
    return NG(fast_taps)(call) == 2 ? NG(fast_groups)(2, call, 1, share) : NG(fast_groups)(3, call, 1, share);
}

/* A dy A' of one tile for a vector of columns, of which `count` are there. */
NG_INLINE void NG(gradient_tile)(const int R, const T *const *at, ptrdiff_t c, ptrdiff_t ahead, const ptrdiff_t count, T *to, ptrdiff_t f_step)
{
    const int n = TILE + R - 1;
    const T *A = NG(output_table)[R - 2][0];
    NG(vector) half[POINTS * TILE], line[POINTS];
    NG_UNROLL
    for (int j = 0; j < TILE; j++) {
        NG_UNROLL
        for (int i = 0; i < TILE; i++) {
            NG_PREFETCH(at[i * TILE + j] + c + ahead);
            line[i] = NG(get)(at[i * TILE + j] + c, count);
        }
        NG(apply)(n, TILE, A, 1, POINTS, line, 1, half + j, TILE);
    }
    NG_UNROLL
    for (int i = 0; i < n; i++) {
        NG(apply)(n, TILE, A, 1, POINTS, half + i * TILE, 1, line, 1);
        NG_UNROLL
        for (int j = 0; j < n; j++)
            NG(put)(to + (i * n + j) * f_step, line[j], V);
    }
}

/* Z of tiles t0..t0+count and columns n0..n1 of dy, as panels: Z[f][panel][t][NR]. */
NG_INLINE void NG(gradient_tiles)(const int R, const NG(image) *dy, ptrdiff_t t0, ptrdiff_t count, ptrdiff_t n0, ptrdiff_t n1, T *to,
                                  ptrdiff_t f_step)
{
    const ptrdiff_t across = NG_CEIL(dy->size[1], TILE), tiles = across * NG_CEIL(dy->size[0], TILE), step[2] = {1, 1};
    const ptrdiff_t ahead = TILE * dy->channels;
    for (ptrdiff_t t = 0; t < count; t++, to += NR) {
        const ptrdiff_t image = (t0 + t) / tiles, tile = (t0 + t) % tiles;
        const T *at[TILE * TILE];
        NG(look_up)(dy, image, tile / across * TILE, tile % across * TILE, step, TILE, at);
        for (ptrdiff_t c = n0; c < n1; c += V) {
            T *panel = to + (c - n0) / NR * BLOCK * NR + (c - n0) % NR;
            if (n1 - c >= V)
                NG(gradient_tile)(R, at, c, ahead, V, panel, f_step);
            else
                NG(gradient_tile)(R, at, c, ahead, n1 - c, panel, f_step);
        }
    }
}

/* dw of one phase, rows c0..c0+k and columns n0..n0+width, from dU[f][q][NR] with f_step from f to f. */
NG_INLINE void NG(weight_store)(const int R, const T *from, ptrdiff_t f_step, const ng_phase_pair *phase, ptrdiff_t c0, ptrdiff_t k, ptrdiff_t n0,
                                ptrdiff_t width, const ng_array *dw)
{
    const int n = TILE + R - 1;
    const T *G = NG(weight_table)[R - 2][0];
    const ng_axis *v = &phase->axis[0], *h = &phase->axis[1];
    for (ptrdiff_t q = 0; q < k; q++)
        for (ptrdiff_t c = 0; c < width; c += V) {
            NG(vector) half[3 * POINTS], line[POINTS];
            NG_UNROLL
            for (int j = 0; j < n; j++) {
                NG_UNROLL
                for (int i = 0; i < n; i++)
                    line[i] = NG(get)(from + (i * n + j) * f_step + q * NR + c, V);
                NG(apply)(R, n, G, 1, 3, line, 1, half + j, n);
            }
            for (ptrdiff_t i = 0; i < v->taps; i++) {
                T *to = (T *)dw->data + (v->tap + i * v->tap_step) * dw->stride[0] + (c0 + q) * dw->stride[2] + n0 + c;
                NG(apply)(R, n, G, 1, 3, half + i * n, 1, line, 1);
                for (ptrdiff_t j = 0; j < h->taps; j++)
                    NG(put)(to + (h->tap + j * h->tap_step) * dw->stride[1], line[j], width - c);
            }
        }
}

/* dw of rows c0..c1 of one phase and columns n0..n1. */
NG_INLINE int NG(fast_weights)(const int R, const NG(image) *x, const NG(image) *dy, const ng_phase_pair *phase, ptrdiff_t tiles, ptrdiff_t c0,
                               ptrdiff_t c1, ptrdiff_t n0, ptrdiff_t n1, const ng_array *dw)
{
    const int frequencies = (TILE + R - 1) * (TILE + R - 1);
    const ptrdiff_t rows = NG_CEIL(c1 - c0, V) * V, panels = NG_CEIL(n1 - n0, NR), height = NG_CEIL(c1 - c0, MR) * MR;
    const size_t v_size = (size_t)frequencies * BLOCK * rows, z_size = (size_t)frequencies * panels * BLOCK * NR,
                 u_size = (size_t)frequencies * panels * height * NR, slack = NG_CEIL(MR, V) * V; /* the last sliver looks past the last row */
    T *v = ng_scratch(NG_SCRATCH_TRANSFORM, (v_size + slack + z_size + u_size) * sizeof(T));
    if (!v)
        return NG_NO_MEMORY;
    T *z = v + v_size + slack, *u = z + z_size;
    for (ptrdiff_t t0 = 0; t0 < NG_MAX(tiles, 1); t0 += BLOCK) { /* once even without tiles: dw = 0 */
        const ptrdiff_t count = NG_MIN(tiles - t0, BLOCK);
        if (ng_interrupted())
            return NG_INTERRUPTED;
        NG(input_tiles)(R, x, phase, 1, t0, count, c0, c1, v, BLOCK * rows, rows, 0);
        NG(gradient_tiles)(R, dy, t0, count, n0, n1, z, panels * BLOCK * NR);
        for (int f = 0; f < frequencies; f++)
            for (ptrdiff_t j = 0; j < panels; j++)
                for (ptrdiff_t q = 0; q < c1 - c0; q += MR)
                    NG(tile)(NG_MIN(c1 - c0 - q, MR), NG_MIN(n1 - n0 - j * NR, NR), 1, rows, count, v + f * BLOCK * rows + q,
                             z + (f * panels + j) * BLOCK * NR, u + ((f * panels + j) * height + q) * NR, t0 > 0);
    }
    for (ptrdiff_t j = 0; j < panels; j++)
        NG(weight_store)(R, u + j * height * NR, panels * height * NR, phase, c0, c1 - c0, n0 + j * NR, NG_MIN(n1 - n0 - j * NR, NR), dw);
    return 0;
}

/* dw = x' * dy          arrays: x, dy, dw, zeros (max(C, O),); rows of shares: parts of the channels, for each phase */
NG_INLINE int NG(fast_weights_share)(const int R, const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[0], *dy = &call->array[1], *dw = &call->array[2], *zeros = &call->array[3];
    const int phases = (int)(call->window.stride[0] * call->window.stride[1]);
    const NG(image) from = {x->data, zeros->data, {x->size[1], x->size[2]}, x->size[3]};
    const NG(image) back = {dy->data, zeros->data, {dy->size[1], dy->size[2]}, dy->size[3]};
    const ng_phase_pair phase = ng_forward_phase(&call->window, (int)share.row % phases, dy->size + 1);
    const ptrdiff_t tiles = dy->size[0] * NG_CEIL(dy->size[1], TILE) * NG_CEIL(dy->size[2], TILE);
    ptrdiff_t c0, c1, n0, n1;
    ng_split(x->size[3], V, share.row / phases, share.rows / phases, &c0, &c1);
    ng_split(dy->size[3], NR, share.column, share.columns, &n0, &n1);
    return c0 < c1 && n0 < n1 ? NG(fast_weights)(R, &from, &back, &phase, tiles, c0, c1, n0, n1, dw) : 0;
}

static int NG(fast_conv2d_weight_gradient)(const ng_call *call, ng_share share)
{
    return NG(fast_taps)(call) == 2 ? NG(fast_weights_share)(2, call, share) : NG(fast_weights_share)(3, call, share);
}

#undef POINTS
#undef TILE
#undef BLOCK
#undef PIECE
