/* The LeakyReLU and its derivative, one pass each; ReLU is the one with slope 0. And the sum of two gradients. Definitions: reference.py.
 * x, y, dy, dx (size,) are contiguous. */

/* y = x > 0 ? x : slope x; nan stays nan, and with slope 0 -inf becomes 0. Arrays: x, y. Scalar: slope. */
static int NG(leaky_relu)(const ng_call *call, ng_share share)
{
    const T *restrict x = call->array[0].data;
    T *restrict y = call->array[1].data;
    const T slope = (T)call->scalar[0];
    ptrdiff_t begin, end;
    ng_split(call->array[0].size[0], 64, share.row, share.rows, &begin, &end);
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

/* dx = y > 0 ? dy : slope dy: y has the sign of x. Arrays: dy, y, dx. Scalar: slope. */
static int NG(leaky_relu_gradient)(const ng_call *call, ng_share share)
{
    const T *restrict dy = call->array[0].data, *restrict y = call->array[1].data;
    T *restrict dx = call->array[2].data;
    const T slope = (T)call->scalar[0];
    ptrdiff_t begin, end;
    ng_split(call->array[0].size[0], 64, share.row, share.rows, &begin, &end);
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

/* out = one + two, or one. Arrays: one, two or none, out; one or two may be out. */
static int NG(add)(const ng_call *call, ng_share share)
{
    const T *one = call->array[0].data, *two = call->array[1].data;
    T *out = call->array[2].data;
    ptrdiff_t begin, end;
    ng_split(call->array[0].size[0], 64, share.row, share.rows, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++)
        out[i] = two ? one[i] + two[i] : one[i];
    return 0;
}
