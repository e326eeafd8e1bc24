/* Convolutions as products of matrices that are never stored ("implicit GEMM").
 *
 * Write the window of x that output pixel (n, h, w) sees as one row of KH KW C numbers. These rows, one per
 * output pixel, are the matrix of patches P. With w as a matrix W (KH KW C, O), the three kernels of a
 * convolution are
 *
 *     forward            y  = P W      patches of x                    rows: pixels of y
 *     weight gradient    dw = P' dy    patches of x, transposed        rows: entries (i, j, c) of the kernel
 *     input gradient     dx = P~ W~    patches of dy, flipped kernel   rows: pixels of dx
 *
 * P is KH KW / (stride^2) times as large as x, so it is not built. Pack functions gather MC x KC of it at a
 * time, directly into the slivers of gemm.h. Channels are last, so a row of a window is one contiguous run of
 * KW C numbers, cut only at the border.
 */

/* P: row (n, u, v) of the grid (., rows[0], rows[1]) is the window of x whose corner is at
 * (u stride[0] + origin[0], v stride[1] + origin[1]). */
typedef struct {
    const T *x;
    ptrdiff_t size[2], channels, kernel[2], stride[2], origin[2], rows[2];
} NG(patches);

/* The windows of x from which a convolution computes y. */
static NG(patches) NG(patches_of)(const ng_array *x, const ng_array *y, const ng_window *window)
{
    const ptrdiff_t *k = window->kernel, *s = window->stride, *p = window->padding;
    const NG(patches) patches = {x->data, {x->size[1], x->size[2]}, x->size[3], {k[0], k[1]},
                                 {s[0], s[1]}, {-p[0], -p[1]}, {y->size[1], y->size[2]}};
    return patches;
}

/* The place of window m: image n, and its corner, which can lie outside the image, in the padding. */
typedef struct {
    ptrdiff_t n, u, v, top, left;
} NG(corner);

NG_INLINE NG(corner) NG(corner_of)(const NG(patches) *p, ptrdiff_t m)
{
    const ptrdiff_t line = m / p->rows[1], u = line % p->rows[0], v = m % p->rows[1];
    return (NG(corner)){line / p->rows[0], u, v, u * p->stride[0] + p->origin[0],
                        v * p->stride[1] + p->origin[1]};
}

/* The corner of the next window, without a division. */
NG_INLINE void NG(move_on)(const NG(patches) *p, NG(corner) *c)
{
    c->left += p->stride[1];
    if (++c->v < p->rows[1])
        return;
    c->v = 0, c->left = p->origin[1], c->top += p->stride[0];
    if (++c->u < p->rows[0])
        return;
    c->u = 0, c->top = p->origin[0], c->n++;
}

/* memcpy for the few numbers of a row of a window: two copies of a fixed size, which may overlap. */
NG_INLINE void NG(copy_run)(T *to, const T *from, ptrdiff_t count)
{
    if (count > 16)
        memcpy(to, from, count * sizeof(T));
    else if (count >= 8) {
        memcpy(to, from, 8 * sizeof(T));
        memcpy(to + count - 8, from + count - 8, 8 * sizeof(T));
    } else if (count >= 4) {
        memcpy(to, from, 4 * sizeof(T));
        memcpy(to + count - 4, from + count - 4, 4 * sizeof(T));
    } else
        for (ptrdiff_t j = 0; j < count; j++)
            to[j] = from[j];
}

/* Entries j0..j1 of the row of P whose window is at c; zero outside the image. run: one row of the window. */
static void NG(patch)(const NG(patches) *p, const NG(corner) *c, ptrdiff_t j0, ptrdiff_t j1, T *to)
{
    const ptrdiff_t C = p->channels, H = p->size[0], W = p->size[1], run = p->kernel[1] * C;
    for (ptrdiff_t i = run ? j0 / run : 0, start = j0 - i * run; j0 < j1; i++, start = 0) {
        const ptrdiff_t h = c->top + i, stop = NG_MIN(run, start + j1 - j0);
        ptrdiff_t in = stop, out = stop; /* start..in and out..stop of this row are outside the image */
        if (h >= 0 && h < H) {
            in = NG_MIN(NG_MAX(-c->left * C, start), stop);
            out = NG_MAX(NG_MIN((W - c->left) * C, stop), in);
        }
        for (ptrdiff_t j = start; j < in; j++)
            to[j - start] = 0;
        NG(copy_run)(to + in - start, p->x + ((c->n * H + h) * W + c->left) * C + in, out - in);
        for (ptrdiff_t j = out; j < stop; j++)
            to[j - start] = 0;
        to += stop - start;
        j0 += stop - start;
    }
}

/* Rows of P, for A = P. */
static void NG(pack_patches)(const NG(left) *left, T *panel, ptrdiff_t m0, ptrdiff_t m, ptrdiff_t k0,
                             ptrdiff_t k)
{
    NG(corner) corner = NG(corner_of)(left->source, m0);
    for (ptrdiff_t r = 0; r < m; r++, NG(move_on)(left->source, &corner))
        NG(patch)(left->source, &corner, k0, k0 + k, panel + r * KC);
    for (ptrdiff_t r = m; r % MR; r++)
        memset(panel + r * KC, 0, k * sizeof(T));
}

/* Columns of P, for A = P'. Here k counts patches. MC entries of each patch are distributed over the
 * slivers. */
static void NG(pack_patches_transposed)(const NG(left) *left, T *panel, ptrdiff_t m0, ptrdiff_t m,
                                        ptrdiff_t k0, ptrdiff_t k)
{
    T entries[MC] = {0};
    NG(corner) corner = NG(corner_of)(left->source, k0);
    for (ptrdiff_t p = 0; p < k; p++, NG(move_on)(left->source, &corner)) {
        NG(patch)(left->source, &corner, m0, m0 + m, entries);
        for (ptrdiff_t r = 0; r < m; r += MR)
            memcpy(panel + r * KC + p * MR, entries + r, MR * sizeof(T));
    }
}

/* y = P W, finished */
static int NG(conv2d)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONV_X], *w = &call->array[CONV_W], *y = &call->array[CONV_Y];
    const ptrdiff_t M = y->size[0] * y->size[1] * y->size[2], K = w->size[0] * w->size[1] * w->size[2];
    const ptrdiff_t N = w->size[3];
    const NG(patches) patches = NG(patches_of)(x, y, &call->window);
    const NG(left) left = {NG(pack_patches), 0, &patches};
    const NG(right) right = {w->data, N, 1, NG_MAX(K, 1), 1, 0, 0};
    const NG(target) target = {y->data, 0, 1, 1, {N, 0, 0}};
    const NG(finish) finish = NG(finish_of)(call, CONV_BIAS, CONV_GATE, CONV_SLOPE);
    return NG(product)(&left, &right, &target, &finish, M, K, N, share);
}

/* dw = P' dy */
static int NG(conv2d_weight_gradient)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONVDW_X], *dy = &call->array[CONVDW_DY], *dw = &call->array[CONVDW_DW];
    const ptrdiff_t M = dw->size[0] * dw->size[1] * dw->size[2], K = dy->size[0] * dy->size[1] * dy->size[2];
    const ptrdiff_t N = dw->size[3];
    const NG(patches) patches = NG(patches_of)(x, dy, &call->window);
    const NG(left) left = {NG(pack_patches_transposed), 1, &patches};
    const NG(right) right = {dy->data, N, 1, NG_MAX(K, 1), 1, 0, 0};
    const NG(target) target = {dw->data, 0, 1, 1, {N, 0, 0}};
    return NG(product)(&left, &right, &target, NULL, M, K, N, share);
}

/* dx = P~ W~, finished, by gathering: each of the stride^2 phases of phase.h is a product. A phase without
 * taps has K = 0: its pixels are bias or 0. The loop visits only phases that contain pixels: phase r
 * begins at row r / across and column r % across of dx. */
static int NG(conv2d_input_gradient)(const ng_call *call, ng_share share)
{
    const ng_array *dy = &call->array[CONVDX_DY], *w = &call->array[CONVDX_W], *dx = &call->array[CONVDX_DX];
    const ptrdiff_t *s = call->window.stride, *padding = call->window.padding;
    const ptrdiff_t H = dx->size[1], W = dx->size[2], KW = w->size[1], C = w->size[2], O = w->size[3];
    const NG(finish) finish = NG(finish_of)(call, CONVDX_BIAS, CONVDX_GATE, CONVDX_SLOPE);
    const ptrdiff_t down = NG_MIN(s[0], H), across = NG_MIN(s[1], W); /* phases with pixels */
    for (ptrdiff_t r = 0; r < down * across; r++) {
        const ng_phase v = ng_phase_of((r / across + padding[0]) % s[0], H, w->size[0], s[0], padding[0]);
        const ng_phase h = ng_phase_of((r % across + padding[1]) % s[1], W, KW, s[1], padding[1]);
        const ptrdiff_t M = dx->size[0] * v.pixels * h.pixels, K = v.taps * h.taps * O;
        const NG(patches) patches = {dy->data, {dy->size[1], dy->size[2]}, O, {v.taps, h.taps},
                                     {1, 1}, {v.origin, h.origin}, {v.pixels, h.pixels}};
        const T *last = K ? (const T *)w->data + (v.last * KW + h.last) * C * O : NULL;
        const NG(left) left = {NG(pack_patches), 0, &patches};
        const NG(right) right = {last, 1, O, NG_MAX(O, 1), NG_MAX(h.taps, 1), -s[0] * KW * C * O,
                                 -s[1] * C * O};
        const NG(target) target = {dx->data, (v.first * W + h.first) * C, v.pixels, h.pixels,
                                   {H * W * C, s[0] * W * C, s[1] * C}};
        const int status = NG(product)(&left, &right, &target, &finish, M, K, C, share);
        if (status)
            return status;
    }
    return 0;
}
