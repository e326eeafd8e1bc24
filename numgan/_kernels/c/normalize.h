/* BatchNorm's four passes over rows of channels, and the sums of columns. Definitions: reference.py. x (P, C), all contiguous.
 *
 *     forward     mean, variance of each channel;  then y  = (x - mean) scale + bias
 *     backward    sum dy, sum dy (x - mean);       then dx = (dy - centre - (x - mean) along) scale
 *
 * Both are a reduction over rows, and a pass that needs its result. Rows are reduced in blocks of a fixed number, which fit the
 * first-level cache; each block leaves its result in its own place of `partial`, in double precision, and these are added in
 * order. The number of threads decides who works on a block, never what is added to what.
 *
 * The variance of numbers far from 0 is a small difference of large ones, if computed as mean x^2 - mean^2. A block computes its
 * mean first and then the squares of the deviations from it: a second pass, but over the cache. Blocks are pooled exactly (Chan
 * et al. 1983): squares about the common mean are those about a block's own, plus (number of rows) (own mean - common mean)^2.
 */

/* Rows *begin..*end of block number `block` of the share, and the block's place in partial; NULL if there are no more.
 * Of all reductions the arrays are x, ..., partial (blocks, width) double; scalar: rows of a block. */
static inline double *NG(block)(const ng_call *call, const ng_array *partial, ng_share share, ptrdiff_t block, ptrdiff_t *begin, ptrdiff_t *end)
{
    const ptrdiff_t rows = (ptrdiff_t)call->scalar[0];
    ptrdiff_t first, last;
    ng_split(partial->size[0], 1, share.row, share.rows, &first, &last);
    *begin = (first + block) * rows;
    *end = NG_MIN(*begin + rows, call->array[0].size[0]);
    return first + block < last ? (double *)partial->data + (first + block) * partial->size[1] : NULL;
}

/* partial[b] = (mean of the block, sum of squares about it). Arrays: x, partial (blocks, 2 C). */
static int NG(channel_moments)(const ng_call *call, ng_share share)
{
    const ptrdiff_t C = call->array[0].size[1];
    T *restrict sum = ng_scratch(NG_SCRATCH_PRODUCT, 3 * C * sizeof(T)), *restrict mean = sum + C, *restrict squares = sum + 2 * C;
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t block = 0; (partial = NG(block)(call, &call->array[1], share, block, &begin, &end)); block++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        const T *restrict x = (const T *)call->array[0].data + begin * C; /* sums of x - first row: small, wherever x lies */
        memset(sum, 0, 3 * C * sizeof(T));
        for (ptrdiff_t p = 0; p < end - begin; p++)
            for (ptrdiff_t c = 0; c < C; c++)
                sum[c] += x[p * C + c] - x[c];
        for (ptrdiff_t c = 0; c < C; c++) {
            mean[c] = x[c] + sum[c] / (T)(end - begin);
            sum[c] = 0;
        }
        for (ptrdiff_t p = 0; p < end - begin; p++)
            for (ptrdiff_t c = 0; c < C; c++) {
                const T deviation = x[p * C + c] - mean[c];
                sum[c] += deviation;
                squares[c] += deviation * deviation;
            }
        for (ptrdiff_t c = 0; c < C; c++) { /* the mean was rounded: what the deviations do not add up to 0 by mends it */
            const double rest = (double)sum[c] / (end - begin);
            partial[c] = mean[c] + rest;
            partial[C + c] = squares[c] - sum[c] * rest;
        }
    }
    return 0;
}

/* The blocks of channel_moments, pooled: a single share. Arrays: mean, variance, partial. Scalars: rows of a block, P. */
static int NG(pool_moments)(const ng_call *call, ng_share share)
{
    T *mean = call->array[0].data, *variance = call->array[1].data;
    const double *const partial = call->array[2].data, rows = call->scalar[0], P = call->scalar[1];
    const ptrdiff_t C = call->array[0].size[0], blocks = call->array[2].size[0];
    double *restrict centre = ng_scratch(NG_SCRATCH_PRODUCT, 2 * C * sizeof(double)), *restrict squares = centre + C;
    (void)share;
    if (!centre)
        return NG_NO_MEMORY;
    memset(centre, 0, 2 * C * sizeof(double));
    for (ptrdiff_t b = 0; b < blocks; b++)
        for (ptrdiff_t c = 0; c < C; c++)
            centre[c] += NG_MIN(rows, P - b * rows) / P * partial[b * 2 * C + c];
    for (ptrdiff_t b = 0; b < blocks; b++)
        for (ptrdiff_t c = 0; c < C; c++) {
            const double away = partial[b * 2 * C + c] - centre[c];
            squares[c] += partial[b * 2 * C + C + c] + NG_MIN(rows, P - b * rows) * away * away;
        }
    for (ptrdiff_t c = 0; c < C; c++) {
        mean[c] = (T)centre[c];
        variance[c] = (T)(squares[c] / P);
    }
    return 0;
}

/* partial[b] = sum of the block's rows. Arrays: x, partial (blocks, C). */
static int NG(column_sum)(const ng_call *call, ng_share share)
{
    const ptrdiff_t C = call->array[0].size[1];
    T *restrict sum = ng_scratch(NG_SCRATCH_PRODUCT, C * sizeof(T));
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t block = 0; (partial = NG(block)(call, &call->array[1], share, block, &begin, &end)); block++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        const T *restrict x = (const T *)call->array[0].data + begin * C;
        memset(sum, 0, C * sizeof(T));
        for (ptrdiff_t p = 0; p < end - begin; p++)
            for (ptrdiff_t c = 0; c < C; c++)
                sum[c] += x[p * C + c];
        for (ptrdiff_t c = 0; c < C; c++)
            partial[c] = sum[c];
    }
    return 0;
}

/* What normalize gives before its LeakyReLU, and dy below that unit: the two passes of a gradient compute the sign anew, by the same
 * line, which is cheaper than to read what it was. */
NG_INLINE T NG(normalized)(T x, T mean, T scale, T bias)
{
    return (x - mean) * scale + bias;
}

NG_INLINE T NG(below_unit)(T dy, T slope, T x, T mean, T scale, T bias)
{
    const T below = slope * dy;
    return NG(normalized)(x, mean, scale, bias) > 0 ? dy : below;
}

/* y = (x - mean) scale + bias, then a LeakyReLU unless its slope is 1. Arrays: x, mean, scale, bias, y. Scalar: slope. */
static int NG(normalize)(const ng_call *call, ng_share share)
{
    const T *restrict mean = call->array[1].data, *restrict scale = call->array[2].data, *restrict bias = call->array[3].data;
    const ptrdiff_t C = call->array[0].size[1], stretch = NG_CEIL(NG_STRETCH, C + 1);
    const T slope = (T)call->scalar[0];
    ptrdiff_t begin, end;
    ng_split(call->array[0].size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t p = begin, look = begin; p < end; p++) {
        if (p == look) {
            if (ng_interrupted())
                return NG_INTERRUPTED;
            look += stretch;
        }
        const T *restrict x = (const T *)call->array[0].data + p * C;
        T *restrict y = (T *)call->array[4].data + p * C;
        if (slope == 1)
            for (ptrdiff_t c = 0; c < C; c++)
                y[c] = NG(normalized)(x[c], mean[c], scale[c], bias[c]);
        else
            for (ptrdiff_t c = 0; c < C; c++) {
                const T v = NG(normalized)(x[c], mean[c], scale[c], bias[c]), below = slope == 0 ? 0 : slope * v;
                y[c] = v <= 0 ? below : v;
            }
    }
    return 0;
}

/* sum += d, product += d (x - mean) of a row; d is dy below the unit. */
NG_INLINE void NG(add_products)(const T *restrict dy, const T *restrict x, const T *restrict mean, const T *restrict scale, const T *restrict bias,
                                const int leaky, const T slope, T *restrict sum, T *restrict product, ptrdiff_t C)
{
    for (ptrdiff_t c = 0; c < C; c++) {
        const T d = leaky ? NG(below_unit)(dy[c], slope, x[c], mean[c], scale[c], bias[c]) : dy[c];
        sum[c] += d;
        product[c] += d * (x[c] - mean[c]);
    }
}

/* partial[b] = (sum d, sum d (x - mean)) of the block. Arrays: dy, x, mean, partial (blocks, 2 C), scale, bias. Scalars: rows of a block, slope. */
static int NG(channel_products)(const ng_call *call, ng_share share)
{
    const ptrdiff_t C = call->array[0].size[1];
    const T *mean = call->array[2].data, *scale = call->array[4].data, *bias = call->array[5].data, slope = (T)call->scalar[1];
    T *sum = ng_scratch(NG_SCRATCH_PRODUCT, 2 * C * sizeof(T)), *product = sum + C;
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t block = 0; (partial = NG(block)(call, &call->array[3], share, block, &begin, &end)); block++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        const T *dy = (const T *)call->array[0].data + begin * C, *x = (const T *)call->array[1].data + begin * C;
        memset(sum, 0, 2 * C * sizeof(T));
        for (ptrdiff_t p = begin; p < end; p++, dy += C, x += C)
            if (slope == 1)
                NG(add_products)(dy, x, mean, scale, bias, 0, slope, sum, product, C);
            else
                NG(add_products)(dy, x, mean, scale, bias, 1, slope, sum, product, C);
        for (ptrdiff_t c = 0; c < 2 * C; c++)
            partial[c] = sum[c];
    }
    return 0;
}

/* dx = (d - centre - (x - mean) along) scale; d is dy below the unit. Arrays: dy, x, mean, scale, centre, along, dx, bias. */
NG_INLINE int NG(normalize_gradient_of)(const ng_call *call, ng_share share, const int leaky)
{
    const T *restrict mean = call->array[2].data, *restrict scale = call->array[3].data;
    const T *restrict centre = call->array[4].data, *restrict along = call->array[5].data, *restrict bias = call->array[7].data;
    const T slope = (T)call->scalar[0];
    const ptrdiff_t C = call->array[0].size[1], stretch = NG_CEIL(NG_STRETCH, C + 1);
    ptrdiff_t begin, end;
    ng_split(call->array[0].size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t p = begin, look = begin; p < end; p++) {
        if (p == look) {
            if (ng_interrupted())
                return NG_INTERRUPTED;
            look += stretch;
        }
        const T *restrict dy = (const T *)call->array[0].data + p * C, *restrict x = (const T *)call->array[1].data + p * C;
        T *restrict dx = (T *)call->array[6].data + p * C;
        for (ptrdiff_t c = 0; c < C; c++)
            dx[c] = ((leaky ? NG(below_unit)(dy[c], slope, x[c], mean[c], scale[c], bias[c]) : dy[c]) - centre[c] - (x[c] - mean[c]) * along[c]) * scale[c];
    }
    return 0;
}

/* Scalar: slope. */
static int NG(normalize_gradient)(const ng_call *call, ng_share share)
{
    return call->scalar[0] == 1 ? NG(normalize_gradient_of)(call, share, 0) : NG(normalize_gradient_of)(call, share, 1);
}
