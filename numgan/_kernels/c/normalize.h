/* BatchNorm's four passes over rows of channels, and sums of columns. x (P, C); all arrays are contiguous.
 *
 *     forward     mean, variance of each channel;  then y  = (x - mean) scale + bias
 *     backward    sum dy, sum dy (x - mean);       then dx = (dy - centre - (x - mean) along) scale
 *
 * Both are a reduction over rows, then a pass that needs its result. Rows are reduced in blocks of a fixed
 * number, which fit the first-level cache. Each block writes its result to its own place of `partial`, in
 * double precision, and these are added in order. The number of threads decides which thread computes a
 * block, never the order of a sum.
 *
 * The variance of numbers far from 0 is a small difference of large numbers, if computed as mean x^2 -
 * mean^2. So a block computes its mean first, then the squares of the deviations from it: a second pass, but
 * over the cache. Blocks are pooled exactly (Chan et al. 1983): the squares about the common mean are those
 * about the block's own mean, plus (number of rows) (own mean - common mean)^2. Definitions: reference.py.
 */

/* Rows *begin..*end of x that are block number `block` of the share, and the block's place in partial
 * (blocks, width), which holds double; NULL if the share has no more blocks. rows: the rows of a block. */
static inline double *NG(block)(const ng_array *x, const ng_array *partial, ptrdiff_t rows, ng_share share,
                                ptrdiff_t block, ptrdiff_t *begin, ptrdiff_t *end)
{
    ptrdiff_t first, last;
    ng_split(partial->size[0], 1, share.row, share.rows, &first, &last);
    *begin = (first + block) * rows;
    *end = NG_MIN(*begin + rows, x->size[0]);
    return first + block < last ? (double *)partial->data + (first + block) * partial->size[1] : NULL;
}

/* partial[b] = (mean of the block, sum of squares about it), of size (2 C) */
static int NG(channel_moments)(const ng_call *call, ng_share share)
{
    const ng_array *in = &call->array[MOMENTS_X], *partials = &call->array[MOMENTS_PARTIAL];
    const ptrdiff_t C = in->size[1], rows = (ptrdiff_t)call->scalar[MOMENTS_ROWS];
    T *restrict sum = ng_scratch(NG_SCRATCH_PRODUCT, 3 * C * sizeof(T)), *restrict mean = sum + C;
    T *restrict squares = sum + 2 * C;
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t b = 0; (partial = NG(block)(in, partials, rows, share, b, &begin, &end)); b++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        /* the sums are of x - first row: small numbers, wherever x lies */
        const T *restrict x = (const T *)in->data + begin * C;
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
        /* the mean was rounded: the sum of the deviations, which should be 0, corrects it */
        for (ptrdiff_t c = 0; c < C; c++) {
            const double rest = (double)sum[c] / (end - begin);
            partial[c] = mean[c] + rest;
            partial[C + c] = squares[c] - sum[c] * rest;
        }
    }
    return 0;
}

/* The blocks of channel_moments, pooled, in a single share. */
static int NG(pool_moments)(const ng_call *call, ng_share share)
{
    T *mean = call->array[POOLED_MEAN].data, *variance = call->array[POOLED_VARIANCE].data;
    const double *const partial = call->array[POOLED_PARTIAL].data, rows = call->scalar[POOLED_ROWS];
    const double P = call->scalar[POOLED_TOTAL];
    const ptrdiff_t C = call->array[POOLED_MEAN].size[0], blocks = call->array[POOLED_PARTIAL].size[0];
    double *restrict centre = ng_scratch(NG_SCRATCH_PRODUCT, 2 * C * sizeof(double));
    double *restrict squares = centre + C;
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

/* partial[b] = sum of the block's rows, of size (C) */
static int NG(column_sum)(const ng_call *call, ng_share share)
{
    const ng_array *in = &call->array[COLUMNS_X], *partials = &call->array[COLUMNS_PARTIAL];
    const ptrdiff_t C = in->size[1], rows = (ptrdiff_t)call->scalar[COLUMNS_ROWS];
    T *restrict sum = ng_scratch(NG_SCRATCH_PRODUCT, C * sizeof(T));
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t b = 0; (partial = NG(block)(in, partials, rows, share, b, &begin, &end)); b++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        const T *restrict x = (const T *)in->data + begin * C;
        memset(sum, 0, C * sizeof(T));
        for (ptrdiff_t p = 0; p < end - begin; p++)
            for (ptrdiff_t c = 0; c < C; c++)
                sum[c] += x[p * C + c];
        for (ptrdiff_t c = 0; c < C; c++)
            partial[c] = sum[c];
    }
    return 0;
}

/* The input of normalize's LeakyReLU, and the gradient of that input. Both passes of the gradient compute
 * the input again, because they need its sign, and reading it from memory would cost more. */
NG_INLINE T NG(normalized)(T x, T mean, T scale, T bias)
{
    return (x - mean) * scale + bias;
}

NG_INLINE T NG(before_leaky_relu)(T dy, T slope, T x, T mean, T scale, T bias)
{
    const T below = slope * dy;
    return NG(normalized)(x, mean, scale, bias) > 0 ? dy : below;
}

/* y = (x - mean) scale + bias, then LeakyReLU unless the slope is 1 */
static int NG(normalize)(const ng_call *call, ng_share share)
{
    const T *restrict mean = call->array[NORM_MEAN].data, *restrict scale = call->array[NORM_SCALE].data;
    const T *restrict bias = call->array[NORM_BIAS].data;
    const ptrdiff_t C = call->array[NORM_X].size[1], stretch = NG_CEIL(NG_STRETCH, C + 1);
    const T slope = (T)call->scalar[NORM_SLOPE];
    ptrdiff_t begin, end;
    ng_split(call->array[NORM_X].size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t p = begin, look = begin; p < end; p++) {
        if (p == look) {
            if (ng_interrupted())
                return NG_INTERRUPTED;
            look += stretch;
        }
        const T *restrict x = (const T *)call->array[NORM_X].data + p * C;
        T *restrict y = (T *)call->array[NORM_Y].data + p * C;
        if (slope == 1)
            for (ptrdiff_t c = 0; c < C; c++)
                y[c] = NG(normalized)(x[c], mean[c], scale[c], bias[c]);
        else
            for (ptrdiff_t c = 0; c < C; c++) {
                const T v = NG(normalized)(x[c], mean[c], scale[c], bias[c]);
                const T below = slope == 0 ? 0 : slope * v;
                y[c] = v <= 0 ? below : v;
            }
    }
    return 0;
}

/* sum += d, product += d (x - mean) of a row; d is the gradient before the LeakyReLU. */
NG_INLINE void NG(add_products)(const T *restrict dy, const T *restrict x, const T *restrict mean,
                                const T *restrict scale, const T *restrict bias, const int leaky,
                                const T slope, T *restrict sum, T *restrict product, ptrdiff_t C)
{
    for (ptrdiff_t c = 0; c < C; c++) {
        const T d = leaky ? NG(before_leaky_relu)(dy[c], slope, x[c], mean[c], scale[c], bias[c]) : dy[c];
        sum[c] += d;
        product[c] += d * (x[c] - mean[c]);
    }
}

/* partial[b] = (sum d, sum d (x - mean)) of the block, of size (2 C) */
static int NG(channel_products)(const ng_call *call, ng_share share)
{
    const ng_array *in = &call->array[PRODUCTS_DY], *partials = &call->array[PRODUCTS_PARTIAL];
    const ptrdiff_t C = in->size[1], rows = (ptrdiff_t)call->scalar[PRODUCTS_ROWS];
    const T *mean = call->array[PRODUCTS_MEAN].data, *scale = call->array[PRODUCTS_SCALE].data;
    const T *bias = call->array[PRODUCTS_BIAS].data, slope = (T)call->scalar[PRODUCTS_SLOPE];
    T *sum = ng_scratch(NG_SCRATCH_PRODUCT, 2 * C * sizeof(T)), *product = sum + C;
    double *restrict partial;
    ptrdiff_t begin, end;
    if (!sum)
        return NG_NO_MEMORY;
    for (ptrdiff_t b = 0; (partial = NG(block)(in, partials, rows, share, b, &begin, &end)); b++) {
        if (ng_interrupted())
            return NG_INTERRUPTED;
        const T *dy = (const T *)in->data + begin * C;
        const T *x = (const T *)call->array[PRODUCTS_X].data + begin * C;
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

/* dx = (d - centre - (x - mean) along) scale; d is the gradient before the LeakyReLU. */
NG_INLINE int NG(normalize_gradient_of)(const ng_call *call, ng_share share, const int leaky)
{
    const T *restrict mean = call->array[NORMDX_MEAN].data, *restrict scale = call->array[NORMDX_SCALE].data;
    const T *restrict centre = call->array[NORMDX_CENTRE].data;
    const T *restrict along = call->array[NORMDX_SHARE].data, *restrict bias = call->array[NORMDX_BIAS].data;
    const T slope = (T)call->scalar[NORMDX_SLOPE];
    const ptrdiff_t C = call->array[NORMDX_DY].size[1], stretch = NG_CEIL(NG_STRETCH, C + 1);
    ptrdiff_t begin, end;
    ng_split(call->array[NORMDX_DY].size[0], 1, share.row, share.rows, &begin, &end);
    for (ptrdiff_t p = begin, look = begin; p < end; p++) {
        if (p == look) {
            if (ng_interrupted())
                return NG_INTERRUPTED;
            look += stretch;
        }
        const T *restrict dy = (const T *)call->array[NORMDX_DY].data + p * C;
        const T *restrict x = (const T *)call->array[NORMDX_X].data + p * C;
        T *restrict dx = (T *)call->array[NORMDX_DX].data + p * C;
        for (ptrdiff_t c = 0; c < C; c++)
            dx[c] = ((leaky ? NG(before_leaky_relu)(dy[c], slope, x[c], mean[c], scale[c], bias[c]) : dy[c]) -
                     centre[c] - (x[c] - mean[c]) * along[c]) * scale[c];
    }
    return 0;
}

static int NG(normalize_gradient)(const ng_call *call, ng_share share)
{
    return call->scalar[NORMDX_SLOPE] == 1 ? NG(normalize_gradient_of)(call, share, 0)
                                           : NG(normalize_gradient_of)(call, share, 1);
}
