/* Convolutions of images with few channels: the first layer of D, and the last layer of G.
 *
 * The packing of conv.h is worth its time if each patch is used for many columns and its rows are long runs.
 * Here the rows are short, KW C = 12 numbers for a 4 x 4 window of colours, and P is nearly as large as y.
 * But P of an image with its padding around it needs no packing at all. Neighbouring windows lie `stride C`
 * apart, and a window consists of KH runs of KW C, a line apart:
 *
 *        line 0     . . r g b r g b r g b r g b . .            window v:  begins at v stride C
 *        line 1     . . r g b r g b r g b r g b . .            row i of it: i lines below
 *
 * so the tile reads its sliver in place:
 *
 *     forward            rows of the tile are windows of one output line, k runs over a window's rows
 *     weight gradient    rows are entries of one row of the window, k runs over the windows of some output
 *                        lines; dy is B, in place
 *     input gradient     dy W' are the patches of dx; they are added to a padded image; dx is cut out of it
 *
 * Each share makes one padded copy of each of its images. Packing would make KH KW / stride^2 copies.
 */

/* An image with its padding around it, large enough for every window and every pixel. */
typedef struct {
    T *data;
    ptrdiff_t lines, line; /* line: the numbers of one line, all channels */
} NG(padded);

/* Memory for it, filled with zeros, with some elements past its end that slivers read. data is NULL if
 * there is no memory. */
static NG(padded) NG(padded_of)(const ng_array *x, const ng_array *y, const ng_window *window)
{
    NG(padded) p;
    p.lines =
        NG_MAX(x->size[1] + window->padding[0], (y->size[1] - 1) * window->stride[0] + window->kernel[0]);
    p.line =
        NG_MAX(x->size[2] + window->padding[1], (y->size[2] - 1) * window->stride[1] + window->kernel[1]) *
        x->size[3];
    const size_t bytes = (size_t)(p.lines * p.line + MR * (window->stride[1] * x->size[3] + 1)) * sizeof(T);
    p.data = ng_scratch(NG_SCRATCH_PATCHES, bytes);
    if (p.data)
        memset(p.data, 0, bytes);
    return p;
}

/* Copy image n of x between its padding. */
static void NG(pad)(const ng_array *x, ptrdiff_t n, const ng_window *window, const NG(padded) *to)
{
    const ptrdiff_t H = x->size[1], row = x->size[2] * x->size[3];
    for (ptrdiff_t h = 0; h < H; h++)
        memcpy(to->data + (h + window->padding[0]) * to->line + window->padding[1] * x->size[3],
               (const T *)x->data + (n * H + h) * row, row * sizeof(T));
}

/* All panels of B (K, N), one after the other. */
static T *NG(all_panels)(const NG(right) *b, ptrdiff_t K, ptrdiff_t N)
{
    T *panels = ng_scratch(NG_SCRATCH_PRODUCT, (size_t)(NG_CEIL(N, NR) * NR * K + 1) * sizeof(T));
    for (ptrdiff_t n = 0; n < N && panels; n += NR)
        NG(pack_right)(b, panels + n * K, 0, K, n, NG_MIN(N - n, NR));
    return panels;
}

/* y = P W, finished. A share is a range of output lines. */
static int NG(conv2d_thin)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONV_X], *w = &call->array[CONV_W], *y = &call->array[CONV_Y];
    const ng_window *window = &call->window;
    const ptrdiff_t C = w->size[2], O = w->size[3], K = w->size[0] * w->size[1] * C, HO = y->size[1];
    const ptrdiff_t WO = y->size[2];
    const NG(finish) finish = NG(finish_of)(call, CONV_BIAS, CONV_GATE, CONV_SLOPE);
    const NG(right) right = {w->data, O, 1, NG_MAX(K, 1), 1, 0, 0};
    const NG(padded) image = NG(padded_of)(x, y, window);
    const T *panels = NG(all_panels)(&right, K, O);
    T *out = ng_scratch(NG_SCRATCH_TRANSFORM, MR * NR * sizeof(T));
    ptrdiff_t begin, end, offset[MR];
    if (!image.data || !panels || !out)
        return NG_NO_MEMORY;
    ng_split(y->size[0] * HO, 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t line = begin; line < end; line++) {
        const ptrdiff_t u = line % HO;
        if (ng_interrupted())
            return NG_INTERRUPTED;
        if (line == begin || u == 0)
            NG(pad)(x, line / HO, window, &image);
        for (ptrdiff_t v = 0; v < WO; v += MR) {
            const ptrdiff_t rows = NG_MIN(WO - v, MR), step = window->stride[1] * C;
            const NG(sliver) sliver = {image.data + u * window->stride[0] * image.line + v * step, step, 1,
                                       w->size[1] * C, image.line, w->size[0]};
            for (ptrdiff_t r = 0; r < rows; r++)
                offset[r] = (line * WO + v + r) * O;
            for (ptrdiff_t n = 0; n < O; n += NR) {
                NG(tile)(rows, O - n, &sliver, panels + n * K, NR, out, 0);
                if (O - n >= NR)
                    NG(store)(out, rows, NR, y->data, offset, n, 1, &finish);
                else
                    NG(store)(out, rows, O - n, y->data, offset, n, 1, &finish);
            }
        }
    }
    return 0;
}

/* dw = P' dy of a share of the images. Each share has its own matrix in dw (shares, KH KW C, O), so the
 * sum of the matrices does not depend on which thread computes which. */
static int NG(conv2d_weight_gradient_thin)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[CONVDW_X], *dy = &call->array[CONVDW_DY];
    const ng_window *window = &call->window;
    const ptrdiff_t C = x->size[3], O = dy->size[3], HO = dy->size[1], WO = dy->size[2];
    const ptrdiff_t run = window->kernel[1] * C;
    /* output lines whose windows make one chain of sums */
    const ptrdiff_t block = NG_MAX(KC / NG_MAX(WO, 1), 1);
    T *dw = (T *)call->array[CONVDW_DW].data + share.row * window->kernel[0] * run * O;
    const NG(right) right = {dy->data, O, 1, NG_MAX(dy->size[0] * HO * WO, 1), 1, 0, 0};
    const NG(padded) image = NG(padded_of)(x, dy, window);
    T *edge = ng_scratch(NG_SCRATCH_PRODUCT, (size_t)(block * WO + MR) * NR * sizeof(T));
    T *out = edge + block * WO * NR;
    ptrdiff_t begin, end, offset[MR];
    if (!image.data || !edge)
        return NG_NO_MEMORY;
    memset(dw, 0, window->kernel[0] * run * O * sizeof(T));
    ng_split(x->size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t line = begin * HO; line < end * HO; line += NG_MIN(block, HO - line % HO)) {
        const ptrdiff_t u = line % HO, lines = NG_MIN(block, HO - u);
        if (ng_interrupted())
            return NG_INTERRUPTED;
        if (u == 0)
            NG(pad)(x, line / HO, window, &image);
        for (ptrdiff_t n = 0; n < O; n += NR) {
            const T *panel = (const T *)dy->data + line * WO * O + n;
            if (O - n < NR) /* the last panel is padded */
                NG(pack_right)(&right, edge, line * WO, lines * WO, n, O - n), panel = edge;
            for (ptrdiff_t i = 0; i < window->kernel[0]; i++)
                for (ptrdiff_t j = 0; j < run; j += MR) {
                    const ptrdiff_t rows = NG_MIN(run - j, MR);
                    const NG(sliver) sliver = {image.data + (u * window->stride[0] + i) * image.line + j, 1,
                                               window->stride[1] * C, WO, window->stride[0] * image.line,
                                               lines};
                    for (ptrdiff_t r = 0; r < rows; r++)
                        offset[r] = (i * run + j + r) * O;
                    NG(tile)(rows, O - n, &sliver, panel, panel == edge ? NR : O, out, 0);
                    NG(store)(out, rows, NG_MIN(O - n, NR), dw, offset, n, 0, NULL);
                }
        }
    }
    return 0;
}

/* Add entries n..n+run of patch r, which the panels of `patches` hold, to a line of an image; four at a
 * time. */
NG_INLINE void NG(add_row)(T *to, const T *patches, ptrdiff_t r, ptrdiff_t n, ptrdiff_t run)
{
    for (ptrdiff_t end = n + run, stop; n < end; n = stop) {
        const T *from = patches + n / NR * NR * MR + r * NR + n % NR;
        stop = NG_MIN(n / NR * NR + NR, end);
        ptrdiff_t j = 0;
        for (; j + 4 <= stop - n; j += 4)
            for (int e = 0; e < 4; e++)
                to[j + e] += from[j + e];
        for (; j < stop - n; j++)
            to[j] += from[j];
        to += stop - n;
    }
}

/* Finish `count` numbers of C channels, `at` elements from the beginning of the output. */
static void NG(finish_line)(T *line, ptrdiff_t count, ptrdiff_t C, const NG(finish) *finish, ptrdiff_t at)
{
    for (ptrdiff_t j = 0; j < count && finish->bias; j += C)
        for (ptrdiff_t c = 0; c < C; c++)
            line[j + c] += finish->bias[c];
    if (finish->gate)
        for (ptrdiff_t j = 0; j < count; j++)
            line[j] = finish->gate[at + j] > 0 ? line[j] : finish->slope * line[j];
    else if (finish->slope != 1)
        for (ptrdiff_t j = 0; j < count; j++)
            line[j] = !(line[j] <= 0) ? line[j] : finish->slope == 0 ? 0 : finish->slope * line[j];
}

/* dx, finished, by scattering. A share is a range of images. No zeros around dy are multiplied: nan and
 * inf in w would turn them into nan. */
static int NG(conv2d_input_gradient_thin)(const ng_call *call, ng_share share)
{
    const ng_array *dy = &call->array[CONVDX_DY], *w = &call->array[CONVDX_W], *dx = &call->array[CONVDX_DX];
    const ng_window *window = &call->window;
    const ptrdiff_t C = w->size[2], O = w->size[3], run = w->size[1] * C, N = w->size[0] * run;
    const ptrdiff_t ld = NG_CEIL(N, NR) * NR;
    const ptrdiff_t pixels = dy->size[1] * dy->size[2], WO = dy->size[2], row = dx->size[2] * C;
    /* windows this far apart share no pixel, so no pixel is added to twice in a row */
    const ptrdiff_t apart = NG_CEIL(w->size[1], window->stride[1]);
    const NG(finish) finish = NG(finish_of)(call, CONVDX_BIAS, CONVDX_GATE, CONVDX_SLOPE);
    const NG(right) right = {w->data, 1, O, NG_MAX(O, 1), 1, 0, 0};
    const NG(padded) image = NG(padded_of)(dx, dy, window);
    const T *panels = NG(all_panels)(&right, O, N);
    T *out = ng_scratch(NG_SCRATCH_TRANSFORM, (size_t)(MR * (ld + O) + 1) * sizeof(T)), *last = out + MR * ld;
    ptrdiff_t begin, end; /* images */
    if (!image.data || !panels || !out)
        return NG_NO_MEMORY;
    ng_split(dy->size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t n = begin; n < end; n++) {
        memset(image.data, 0, image.lines * image.line * sizeof(T));
        for (ptrdiff_t m = 0; m < pixels; m += MR) {
            const ptrdiff_t rows = NG_MIN(pixels - m, MR);
            const T *a = (const T *)dy->data + (n * pixels + m) * O;
            if (ng_interrupted())
                return NG_INTERRUPTED;
            if (rows < MR) /* a tile may read rows that do not exist */
                a = memcpy(last, a, rows * O * sizeof(T));
            const NG(sliver) sliver = {a, O, 1, O, 0, 1};
            for (ptrdiff_t j = 0; j < N; j += NR)
                NG(tile)(rows, N - j, &sliver, panels + j * O, NR, out + j * MR, 0);
            for (ptrdiff_t first = 0; first < apart; first++)
                for (ptrdiff_t r = first; r < rows; r += apart) {
                    const ptrdiff_t u = (m + r) / WO, v = (m + r) % WO;
                    T *to = image.data + u * window->stride[0] * image.line + v * window->stride[1] * C;
                    for (ptrdiff_t i = 0; i < w->size[0]; i++)
                        NG(add_row)(to + i * image.line, out, r, i * run, run);
                }
        }
        for (ptrdiff_t h = 0; h < dx->size[1]; h++) {
            const ptrdiff_t at = (n * dx->size[1] + h) * row;
            T *line = (T *)dx->data + at;
            memcpy(line, image.data + (h + window->padding[0]) * image.line + window->padding[1] * C,
                   row * sizeof(T));
            NG(finish_line)(line, row, C, &finish, at);
        }
    }
    return 0;
}
