/* Convolutions with fewer multiplications: the algorithm of toomcook.h, on the phases of phase.h.
 *
 * Over many tiles and channels, each of the n^2 entries of a transformed tile (a "frequency" f) is a product
 * of matrices:
 *
 *     forward             V_f = (B' x B)_f       M_f = V_f U_f      U_f = (G w G')_f       y  = A' M A
 *                         (tiles, K)             (tiles, O)         (K, O)
 *     weight gradient     Z_f = (A dy A')_f      dU_f = V_f' Z_f                           dw = G' dU G
 *
 * The input gradient is the forward form again, once for each phase of dx. A convolution with stride s is the
 * sum of s^2 convolutions with stride 1 over the phases of x, so K counts (phase, channel).
 *
 * Channels are last, so a transform does the same few additions for every channel: vectors over channels, no
 * shuffling. V is kept for a block of tiles. U is made for a part of K and one panel of columns, used for the
 * whole block and then dropped. This costs a few hundredths of the product, and nothing can become stale when
 * the weights change.
 */

#define BLOCK (140 / MR * MR) /* tiles of a block */
#define PLANE (BLOCK + MR)   /* rows of a frequency: the last sliver may reach past the block */
#define PIECE 128            /* rows of K for which U is made at a time */

/* A step of at least n from one frequency's matrix to the next. It is an odd number of cache lines:
 * otherwise the n^2 rows that a transform writes at once would fall into one set of the cache and push
 * each other out. */
#define APART(n) (NG_CEIL(n, 64 / (ptrdiff_t)sizeof(T)) / 2 * 2 + 1) * (64 / (ptrdiff_t)sizeof(T))

/* An image with its channels, and a row of zeros in place of every pixel outside the image. */
typedef struct {
    T *data;
    const T *zeros;
    ptrdiff_t size[2], channels;
} NG(image);

/* The addresses of the pixels that a tile reads: (top + i) step + origin of its image, for i, j < points.
 * A pixel outside the image has the address of the zeros. */
static void NG(look_up)(const NG(image) *x, const ng_place *place, const ng_axis *axis, int points,
                        const T **at)
{
    const ptrdiff_t top = place->top * axis[0].in_step + axis[0].origin;
    const ptrdiff_t left = place->left * axis[1].in_step + axis[1].origin;
    for (int i = 0; i < points; i++)
        for (int j = 0; j < points; j++) {
            const ptrdiff_t h = top + i * axis[0].in_step, w = left + j * axis[1].in_step;
            const int inside = h >= 0 && h < x->size[0] && w >= 0 && w < x->size[1];
            const ptrdiff_t pixel = (place->image * x->size[0] + h) * x->size[1] + w;
            at[i * points + j] = inside ? x->data + pixel * x->channels : x->zeros;
        }
}

/* V of tiles t0..t0+count, channels c0..c1 of some phases. Channel c of phase e goes to the address
 * f f_step + t t_step + e e_step + c - c0. */
NG_INLINE void NG(input_tiles)(const int R, const NG(image) *x, const ng_tiling *tiling,
                               const ng_phase_pair *phases, int of, ptrdiff_t t0, ptrdiff_t count,
                               ptrdiff_t c0, ptrdiff_t c1, T *to, ptrdiff_t f_step, ptrdiff_t t_step,
                               ptrdiff_t e_step)
{
    const T *at[2][NG_PHASES][POINTS * POINTS]; /* of this tile and of the next */
    for (ptrdiff_t t = count ? -1 : 0; t < count; t++) {
        const ng_place here = ng_place_of(tiling, t0 + NG_MAX(t, 0));
        const ng_place next = ng_place_of(tiling, t0 + NG_MIN(t + 1, count - 1));
        for (int e = 0; e < of; e++) {
            const T **this_at = at[t & 1][e], **next_at = at[~t & 1][e];
            T *row = to + t * t_step + e * e_step - c0;
            NG(look_up)(x, &next, phases[e].axis, TILE + R - 1, next_at);
            for (ptrdiff_t c = c0; c < c1 && t >= 0; c += V)
                if (c + V <= c1)
                    NG(input_tile)(R, here.is_short, this_at, next_at, c, V, row + c, f_step);
                else
                    NG(input_tile)(R, here.is_short, this_at, next_at, c, c1 - c, row + c, f_step);
        }
    }
}

/* The matrix of w at tap e = (i, j) of a phase; NULL if the kernel ends before that tap. */
NG_INLINE const T *NG(tap)(const int R, const ng_array *w, const ng_phase_pair *phase, int e)
{
    const ng_axis *v = &phase->axis[0], *h = &phase->axis[1];
    if (e / R >= v->taps || e % R >= h->taps)
        return NULL;
    return (const T *)w->data + ((v->tap + e / R * v->tap_step) * w->size[1] + h->tap + e % R * h->tap_step) *
                                    w->size[2] * w->size[3];
}

/* U of rows k0..k0+k, which count phases and channels, and of one panel of columns: U[f][q][NR]. If
 * transposed, rows are the last axis of w. Whole rows are read in place. Columns, and rows that end early,
 * are first copied to `copy`, [tap][q][NR]. */
NG_INLINE void NG(weight_tiles)(const int R, const ng_array *w, const ng_phase_pair *phases, int transposed,
                                ptrdiff_t channels, ptrdiff_t k0, ptrdiff_t k, ptrdiff_t n0, ptrdiff_t width,
                                T *copy, T *to, ptrdiff_t f_step)
{
    static const T zeros[NR];
    const ptrdiff_t O = w->size[3];
    if (width < NR)
        memset(copy, 0, (size_t)(R * R * PIECE * NR) * sizeof(T));
    for (ptrdiff_t q = 0, run; q < k; q += run) {
        const ptrdiff_t c = (k0 + q) % channels;
        const T *at[9];
        ptrdiff_t step[9];
        run = NG_MIN(k - q, channels - c); /* rows up to the end of this phase */
        for (int e = 0; e < R * R; e++) {
            const T *tap = NG(tap)(R, w, &phases[(k0 + q) / channels], e);
            T *row = copy + (e * PIECE + q) * NR;
            at[e] = row, step[e] = NR;
            if (!tap)
                at[e] = zeros, step[e] = 0;
            else if (transposed)
                NG(turn)(tap + n0 * O + c, O, run, width, row);
            else if (width < NR)
                for (ptrdiff_t r = 0; r < run; r++)
                    memcpy(row + r * NR, tap + (c + r) * O + n0, width * sizeof(T));
            else
                at[e] = tap + c * O + n0, step[e] = O;
        }
        for (ptrdiff_t r = q; r < q + run; r++) {
            for (int n = 0; n < NR; n += V) {
                for (int e = 0; e < R * R; e++)
                    NG_PREFETCH(at[e] + 8 * step[e] + n);
                NG(weight_tile)(R, at, n, to + r * NR + n, f_step);
            }
            for (int e = 0; e < R * R; e++)
                at[e] += step[e];
        }
    }
}

/* The place of a tile's outputs: the address of the first, in column n0, and how many rows and columns
 * exist. */
typedef struct {
    T *first;
    int rows, columns;
    ng_place place;
} NG(outputs);

static NG(outputs) NG(outputs_of)(const ng_tiling *tiling, const ng_phase_pair *phase, ptrdiff_t tile,
                                  ptrdiff_t n0, const ng_array *y)
{
    const ng_axis *v = &phase->axis[0], *h = &phase->axis[1];
    const ng_place place = ng_place_of(tiling, tile);
    T *first = (T *)y->data + place.image * y->stride[0] +
               (v->out_first + place.top * v->out_step) * y->stride[1] +
               (h->out_first + place.left * h->out_step) * y->stride[2] + n0;
    return (NG(outputs)){first, (int)NG_MIN(TILE, v->pixels - place.top),
                         (int)NG_MIN(TILE, h->pixels - place.left), place};
}

/* y of tiles t0..t0+count and columns n0..n0+width from M[f][t][NR]. Prefetches the next tile's outputs. */
NG_INLINE void NG(output_tiles)(const int R, const T *from, ptrdiff_t f_step, const ng_tiling *tiling,
                                const ng_phase_pair *phase, ptrdiff_t t0, ptrdiff_t count, ptrdiff_t n0,
                                ptrdiff_t width, const NG(finish) *finish, const ng_array *y)
{
    const ptrdiff_t i_step = phase->axis[0].out_step * y->stride[1];
    const ptrdiff_t j_step = phase->axis[1].out_step * y->stride[2];
    NG(outputs) next = NG(outputs_of)(tiling, phase, t0, n0, y);
    for (ptrdiff_t t = 0; t < count; t++, from += NR) {
        const NG(outputs) here = next;
        next = NG(outputs_of)(tiling, phase, t0 + NG_MIN(t + 1, count - 1), n0, y);
        for (ptrdiff_t c = 0; c < width; c += V) {
            const ptrdiff_t at = here.first - (T *)y->data + c;
            for (int i = 0; i < next.rows; i++)
                for (int j = 0; j < next.columns; j++)
                    NG_PREFETCH(next.first + i * i_step + j * j_step + c);
            if (width - c >= V)
                NG(output_tile)(R, here.place.is_short, from + c, f_step, finish, n0 + c, y->data, at, i_step,
                                j_step, here.rows, here.columns, V);
            else
                NG(output_tile)(R, here.place.is_short, from + c, f_step, finish, n0 + c, y->data, at, i_step,
                                j_step, here.rows, here.columns, width - c);
        }
    }
}

/* The sum over `count` phases, for a block of tiles and columns n0..n1 of the output of phases[0]. */
NG_INLINE int NG(fast_sum)(const int R, const NG(image) *x, const ng_array *w, int transposed,
                           const ng_tiling *tiling, const ng_phase_pair *phases, int count,
                           const NG(finish) *finish, const ng_array *y, ptrdiff_t t0, ptrdiff_t tiles,
                           ptrdiff_t n0, ptrdiff_t n1)
{
    const int points = TILE + R - 1, frequencies = points * points;
    /* + V: rows that are a power of two apart share cache sets */
    const ptrdiff_t C = x->channels, K = count * C, ld = NG_CEIL(K, V) * V + V;
    const ptrdiff_t v_step = APART(PLANE * ld), u_step = APART(PIECE * NR), m_step = APART(PLANE * NR);
    T *v = ng_scratch(NG_SCRATCH_TRANSFORM,
                      (size_t)(frequencies * (v_step + u_step + m_step) + R * R * PIECE * NR) * sizeof(T));
    if (!v)
        return NG_NO_MEMORY;
    T *u = v + frequencies * v_step, *m = u + frequencies * u_step, *copy = m + frequencies * m_step;
    NG(input_tiles)(R, x, tiling, phases, count, t0, tiles, 0, C, v, v_step, ld, C);
    for (ptrdiff_t n = n0; n < n1; n += NR) {
        const ptrdiff_t width = NG_MIN(n1 - n, NR);
        for (ptrdiff_t k0 = 0; k0 < K; k0 += PIECE) {
            const ptrdiff_t k = NG_MIN(K - k0, PIECE);
            if (ng_interrupted())
                return NG_INTERRUPTED;
            NG(weight_tiles)(R, w, phases, transposed, C, k0, k, n, width, copy, u, u_step);
            for (int f = 0; f < frequencies; f++) {
                ptrdiff_t t, end;
                for (ng_tiles_of(tiling, f, points, t0, tiles, &t, &end); t < end; t += MR) {
                    const NG(sliver) sliver = {v + f * v_step + t * ld + k0, ld, 1, k, 0, 1};
                    NG(tile)(NG_MIN(end - t, MR), width, &sliver, u + f * u_step, NR, m + f * m_step + t * NR,
                             k0 > 0);
                }
            }
        }
        NG(output_tiles)(R, m, m_step, tiling, phases, t0, tiles, n, width, finish, y);
    }
    return 0;
}

/* A row of zeros for an image with so many channels; NULL if there is no memory. */
static const T *NG(zeros_for)(ptrdiff_t channels)
{
    T *zeros = ng_scratch(NG_SCRATCH_PATCHES, channels * sizeof(T));
    return zeros ? memset(zeros, 0, channels * sizeof(T)) : NULL;
}

/* y = x * w, finished. Transposed, it is the input gradient: x is dy and y is dx. The phases of a group
 * are summed: y has one group of s^2 phases; dx has s^2 groups of one phase, which read the same part of
 * dy one after the other. */
NG_INLINE int NG(fast_groups)(const int R, const ng_array *x, const ng_array *w, const ng_array *y,
                              const ng_window *window, int transposed, const NG(finish) *finish,
                              ng_share share)
{
    const int phases = (int)(window->stride[0] * window->stride[1]), groups = transposed ? phases : 1;
    const NG(image) image = {x->data, NG(zeros_for)(x->size[3]), {x->size[1], x->size[2]}, x->size[3]};
    ng_phase_pair phase[NG_PHASES];
    if (!image.zeros)
        return NG_NO_MEMORY;
    for (int r = 0; r < phases; r++)
        phase[r] = transposed ? ng_gradient_phase(window, r, y->size + 1)
                              : ng_forward_phase(window, r, y->size + 1);
    ptrdiff_t n0, n1, t0, t1;
    ng_split(y->size[3], NR, share.column, share.columns, &n0, &n1);
    for (ptrdiff_t block = 0, more = 1; more; block += BLOCK) {
        more = 0;
        for (int g = 0; g < groups; g++) {
            const ng_tiling tiling =
                ng_tiling_of(y->size[0], phase[g].axis[0].pixels, phase[g].axis[1].pixels);
            t0 = ng_first_tile(&tiling, TILE + R - 1, share.row, share.rows);
            t1 = ng_first_tile(&tiling, TILE + R - 1, share.row + 1, share.rows);
            if (t0 + block >= t1)
                continue;
            more = 1;
            const int status = NG(fast_sum)(R, &image, w, transposed, &tiling, phase + g, phases / groups,
                                            finish, y, t0 + block, NG_MIN(t1 - t0 - block, BLOCK), n0, n1);
            if (status)
                return status;
        }
    }
    return 0;
}

/* Taps of a phase along each axis: 2 or 3. */
NG_INLINE int NG(fast_taps)(const ng_call *call)
{
    return (int)NG_CEIL(call->window.kernel[0], call->window.stride[0]);
}

/* y = x * w, finished */
static int NG(fast_conv2d)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONV_X], *w = &call->array[CONV_W], *y = &call->array[CONV_Y];
    const NG(finish) finish = NG(finish_of)(call, CONV_BIAS, CONV_GATE, CONV_SLOPE);
    if (NG(fast_taps)(call) == 2)
        return NG(fast_groups)(2, x, w, y, &call->window, 0, &finish, share);
    return NG(fast_groups)(3, x, w, y, &call->window, 0, &finish, share);
}

/* dx = the transpose of that, finished */
static int NG(fast_conv2d_input_gradient)(const ng_call *call, ng_share share)
{
    const ng_array *dy = &call->array[CONVDX_DY], *w = &call->array[CONVDX_W], *dx = &call->array[CONVDX_DX];
    const NG(finish) finish = NG(finish_of)(call, CONVDX_BIAS, CONVDX_GATE, CONVDX_SLOPE);
    if (NG(fast_taps)(call) == 2)
        return NG(fast_groups)(2, dy, w, dx, &call->window, 1, &finish, share);
    return NG(fast_groups)(3, dy, w, dx, &call->window, 1, &finish, share);
}

/* Z of tiles t0..t0+count and columns n0..n1 of dy, as panels: Z[f][panel][t][NR]. */
NG_INLINE void NG(gradient_tiles)(const int R, const NG(image) *dy, const ng_tiling *tiling, ptrdiff_t t0,
                                  ptrdiff_t count, ptrdiff_t n0, ptrdiff_t n1, T *to, ptrdiff_t f_step)
{
    const ng_axis axis[2] = {{.in_step = 1}, {.in_step = 1}};
    const T *at[2][TILE * TILE];
    for (ptrdiff_t t = count ? -1 : 0; t < count; t++) {
        const ng_place here = ng_place_of(tiling, t0 + NG_MAX(t, 0));
        const ng_place next = ng_place_of(tiling, t0 + NG_MIN(t + 1, count - 1));
        const T **this_at = at[t & 1], **next_at = at[~t & 1];
        NG(look_up)(dy, &next, axis, TILE, next_at);
        for (ptrdiff_t c = n0; c < n1 && t >= 0; c += V) {
            T *panel = to + ((c - n0) / NR * BLOCK + t) * NR + (c - n0) % NR;
            if (n1 - c >= V)
                NG(gradient_tile)(R, here.is_short, this_at, next_at, c, V, panel, f_step);
            else
                NG(gradient_tile)(R, here.is_short, this_at, next_at, c, n1 - c, panel, f_step);
        }
    }
}

/* dw from rows q0..q1 of dU and one panel. The rows count phases and, in each, `channels` channels: c0..c1
 * and those that fill the last vector. */
NG_INLINE void NG(weight_rows)(const int R, const T *from, ptrdiff_t f_step, const ng_phase_pair *phases,
                               ptrdiff_t channels, ptrdiff_t q0, ptrdiff_t q1, ptrdiff_t c0, ptrdiff_t c1,
                               ptrdiff_t n0, ptrdiff_t width, const ng_array *dw)
{
    for (ptrdiff_t q = q0; q < q1; q++, from += NR) {
        const ng_axis *v = phases[q / channels].axis, *h = v + 1;
        const ptrdiff_t channel = c0 + q % channels;
        for (ptrdiff_t c = 0; c < width && channel < c1; c += V) {
            NG(vector) half[3 * POINTS], line[3];
            NG(tap_rows)(R, from + c, f_step, half);
            for (int i = 0; i < v->taps; i++) {
                T *to = (T *)dw->data + (v->tap + i * v->tap_step) * dw->stride[0] + channel * dw->stride[2] +
                        n0 + c;
                NG(tap_row)(R, half, i, line);
                for (int j = 0; j < h->taps; j++)
                    NG_PREFETCH(to + (h->tap + j * h->tap_step) * dw->stride[1] + 2 * dw->stride[2]);
                for (int j = 0; j < h->taps; j++)
                    if (width - c >= V)
                        NG(put)(to + (h->tap + j * h->tap_step) * dw->stride[1], line[j], V);
                    else
                        NG(put)(to + (h->tap + j * h->tap_step) * dw->stride[1], line[j], width - c);
            }
        }
    }
}

/* dw of tiles first..last, channels c0..c1 and columns n0..n1. dU has a row for each phase and channel. If
 * one block holds all tiles, PIECE rows of dU at a time are enough. v lies before u, because its last
 * sliver reads past the last row. */
NG_INLINE int NG(fast_weights)(const int R, const NG(image) *x, const NG(image) *dy,
                               const ng_tiling *tiling, const ng_phase_pair *phases, int count,
                               ptrdiff_t first, ptrdiff_t last, ptrdiff_t c0, ptrdiff_t c1, ptrdiff_t n0,
                               ptrdiff_t n1, const ng_array *dw)
{
    const int points = TILE + R - 1, frequencies = points * points;
    /* + V: as in fast_sum */
    const ptrdiff_t channels = NG_CEIL(c1 - c0, V) * V, rows = count * channels, ld = rows + V;
    const ptrdiff_t panels = NG_CEIL(n1 - n0, NR), blocks = NG_MAX(NG_CEIL(last - first, BLOCK), 1);
    const ptrdiff_t part = blocks > 1 ? rows : NG_MIN(rows, PIECE);
    const ptrdiff_t block = NG_MAX(NG_CEIL(last - first, blocks), 1);
    const ptrdiff_t height = NG_CEIL(part, MR) * MR;
    const ptrdiff_t v_step = APART(BLOCK * ld), z_step = APART(panels * BLOCK * NR);
    const ptrdiff_t u_step = APART(panels * height * NR);
    T *z = ng_scratch(NG_SCRATCH_TRANSFORM, (size_t)(frequencies * (v_step + z_step + u_step)) * sizeof(T));
    if (!z)
        return NG_NO_MEMORY;
    T *v = z + frequencies * z_step, *u = v + frequencies * v_step;
    for (ptrdiff_t t0 = first; t0 == first || t0 < last; t0 += block) { /* once even without tiles: dw = 0 */
        const ptrdiff_t tiles = NG_MIN(last - t0, block);
        NG(input_tiles)(R, x, tiling, phases, count, t0, tiles, c0, c1, v, v_step, ld, channels);
        NG(gradient_tiles)(R, dy, tiling, t0, tiles, n0, n1, z, z_step);
        for (ptrdiff_t q0 = 0; q0 < rows; q0 += part) {
            const ptrdiff_t q1 = NG_MIN(q0 + part, rows);
            for (int f = 0; f < frequencies; f++) {
                ptrdiff_t t, end;
                if (ng_interrupted())
                    return NG_INTERRUPTED;
                ng_tiles_of(tiling, f, points, t0, tiles, &t, &end);
                for (ptrdiff_t j = 0; j < panels; j++)
                    for (ptrdiff_t q = q0; q < q1; q += MR) {
                        const NG(sliver) sliver = {v + f * v_step + t * ld + q, 1, ld, end - t, 0, 1};
                        NG(tile)(NG_MIN(q1 - q, MR), NG_MIN(n1 - n0 - j * NR, NR), &sliver,
                                 z + f * z_step + (j * BLOCK + t) * NR, NR,
                                 u + f * u_step + (j * height + q - q0) * NR, t0 > first);
                    }
            }
            for (ptrdiff_t j = 0; j < panels && t0 + block >= last; j++)
                NG(weight_rows)(R, u + j * height * NR, u_step, phases, channels, q0, q1, c0, c1, n0 + j * NR,
                                NG_MIN(n1 - n0 - j * NR, NR), dw);
        }
    }
    return 0;
}

/* The rows of shares are parts of the tiles times parts of the channels. Each part of the tiles has its
 * own dw. */
NG_INLINE int NG(fast_weights_share)(const int R, const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONVDW_X], *dy = &call->array[CONVDW_DY];
    const T *zeros = NG(zeros_for)(NG_MAX(x->size[3], dy->size[3]));
    const int phases = (int)(call->window.stride[0] * call->window.stride[1]);
    const NG(image) from = {x->data, zeros, {x->size[1], x->size[2]}, x->size[3]};
    const NG(image) back = {dy->data, zeros, {dy->size[1], dy->size[2]}, dy->size[3]};
    const ng_tiling tiling = ng_tiling_of(dy->size[0], dy->size[1], dy->size[2]);
    ng_array dw = call->array[CONVDW_DW];
    const ptrdiff_t parts = dw.size[0] / call->window.kernel[0], part = share.row % parts;
    const ptrdiff_t first = ng_first_tile(&tiling, TILE + R - 1, part, parts);
    const ptrdiff_t last = ng_first_tile(&tiling, TILE + R - 1, part + 1, parts);
    dw.data = (T *)dw.data + part * call->window.kernel[0] * dw.stride[0];
    ng_phase_pair phase[NG_PHASES];
    if (!zeros)
        return NG_NO_MEMORY;
    for (int r = 0; r < phases; r++)
        phase[r] = ng_forward_phase(&call->window, r, dy->size + 1);
    ptrdiff_t c0, c1, n0, n1;
    ng_split(x->size[3], V, share.row / parts, share.rows / parts, &c0, &c1);
    ng_split(dy->size[3], NR, share.column, share.columns, &n0, &n1);
    return c0 < c1 && n0 < n1
               ? NG(fast_weights)(R, &from, &back, &tiling, phase, phases, first, last, c0, c1, n0, n1, &dw)
               : 0;
}

/* dw (parts KH, KW, C, O), whose sum over the parts is x' * dy */
static int NG(fast_conv2d_weight_gradient)(const ng_call *call, ng_share share)
{
    return NG(fast_taps)(call) == 2 ? NG(fast_weights_share)(2, call, share)
                                    : NG(fast_weights_share)(3, call, share);
}

#undef POINTS
#undef TILE
#undef BLOCK
#undef PLANE
#undef PIECE
#undef APART
