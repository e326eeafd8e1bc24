/* Max pooling, and the scatter that is its gradient. Definition: reference.py. All arrays are contiguous. */

/* A share is a range of output lines (n, h). The first of equal entries wins, padding never wins, nan
 * always wins. */
static int NG(max_pool2d)(const ng_call *call, ng_share share)
{
    const ng_array *x = &call->array[POOL_X], *y = &call->array[POOL_Y], *index = &call->array[POOL_INDEX];
    const ng_window window = call->window;
    const ptrdiff_t H = x->size[1], W = x->size[2], C = x->size[3], HO = y->size[1], WO = y->size[2];
    ptrdiff_t begin, end;
    ng_split(y->size[0] * HO, 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t line = begin; line < end; line++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        for (ptrdiff_t v = 0; v < WO; v++) {
            const ptrdiff_t top = line % HO * window.stride[0] - window.padding[0];
            const ptrdiff_t left = v * window.stride[1] - window.padding[1];
            const T *image = (const T *)x->data + line / HO * H * W * C;
            T *best = (T *)y->data + (line * WO + v) * C;
            int64_t *where = (int64_t *)index->data + (line * WO + v) * C;
            for (ptrdiff_t c = 0; c < C; c++) {
                best[c] = -INFINITY;
                where[c] = NG_MAX(top, 0) * W + NG_MAX(left, 0);
            }
            for (ptrdiff_t h = NG_MAX(top, 0); h < NG_MIN(top + window.kernel[0], H); h++)
                for (ptrdiff_t w = NG_MAX(left, 0); w < NG_MIN(left + window.kernel[1], W); w++) {
                    const T *here = image + (h * W + w) * C;
                    for (ptrdiff_t c = 0; c < C; c++) {
                        const int better = !(here[c] <= best[c]) && best[c] == best[c]; /* or the first nan */
                        best[c] = better ? here[c] : best[c];
                        where[c] = better ? h * W + w : where[c];
                    }
                }
        }
    }
    return 0;
}

/* dx[n, index[n,h,w,c], c] += dy[n,h,w,c] on a dx of zeros. A share is a range of images, so no two
 * threads add to one element. */
static int NG(max_pool2d_gradient)(const ng_call *call, ng_share share)
{
    const ng_array *dy = &call->array[POOLDX_DY], *index = &call->array[POOLDX_INDEX];
    const ng_array *dx = &call->array[POOLDX_DX];
    const ptrdiff_t C = dy->size[3], pixels = dy->size[1] * dy->size[2];
    const ptrdiff_t plane = dx->size[1] * dx->size[2] * C;
    ptrdiff_t begin, end;
    ng_split(dy->size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t i = begin * pixels; i < end * pixels; i++) {
        if (i % 64 == 0 && ng_interrupted())
            return NG_INTERRUPTED;
        for (ptrdiff_t c = 0; c < C; c++)
            ((T *)dx->data)[i / pixels * plane + ((const int64_t *)index->data)[i * C + c] * C + c] +=
                ((const T *)dy->data)[i * C + c];
    }
    return 0;
}
