/* LeakyReLU, its derivative and the sum of two gradients, in one pass each. ReLU is LeakyReLU with slope 0.
 * Definitions: reference.py.
 * x, y, dy, dx (size,) are contiguous. */

/* y = x > 0 ? x : slope x; nan stays nan, and with slope 0 -inf becomes 0. */
static int NG(leaky_relu)(const ng_call *call, ng_share share)
{
    const T *restrict x = call->array[LEAKY_X].data;
    T *restrict y = call->array[LEAKY_Y].data;
    const T slope = (T)call->scalar[LEAKY_SLOPE];
    ptrdiff_t begin, end;
    ng_split(call->array[LEAKY_X].size[0], 64, share.row, share.rows, &begin, &end);
    for (ptrdiff_t stop; begin < end; begin = stop) {
        stop = NG_MIN(begin + NG_STRETCH, end);
        if (ng_interrupted())
            return NG_INTERRUPTED;
        if (slope == 0)
            for (ptrdiff_t i = begin; i < stop; i++)
                y[i] = x[i] <= 0 ? 0 : x[i];
        else
            for (ptrdiff_t i = begin; i < stop; i++)
                y[i] = x[i] <= 0 ? slope * x[i] : x[i];
    }
    return 0;
}

/* dx = y > 0 ? dy : slope dy: y has the sign of x. */
static int NG(leaky_relu_gradient)(const ng_call *call, ng_share share)
{
    const T *restrict dy = call->array[LEAKYDX_DY].data, *restrict y = call->array[LEAKYDX_Y].data;
    T *restrict dx = call->array[LEAKYDX_DX].data;
    const T slope = (T)call->scalar[LEAKYDX_SLOPE];
    ptrdiff_t begin, end;
    ng_split(call->array[LEAKYDX_DY].size[0], 64, share.row, share.rows, &begin, &end);
    for (ptrdiff_t stop; begin < end; begin = stop) {
        stop = NG_MIN(begin + NG_STRETCH, end);
        if (ng_interrupted())
            return NG_INTERRUPTED;
        for (ptrdiff_t i = begin; i < stop; i++) {
            const T below = slope * dy[i];
            dx[i] = y[i] > 0 ? dy[i] : below;
        }
    }
    return 0;
}

/* out = one + two, or one without two. One or two may be out. */
static int NG(add)(const ng_call *call, ng_share share)
{
    const T *one = call->array[ADD_ONE].data, *two = call->array[ADD_TWO].data;
    T *out = call->array[ADD_OUT].data;
    ptrdiff_t begin, end;
    ng_split(call->array[ADD_ONE].size[0], 64, share.row, share.rows, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++)
        out[i] = two ? one[i] + two[i] : one[i];
    return 0;
}
