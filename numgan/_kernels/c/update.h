/* The optimisers' rules, the moving average and the search for inf and nan: one pass over vectors. Definitions: reference.py.
 *
 * An update multiplies little and moves much: Adam reads p, g, m, v and writes p, m, v, 28 bytes for each float32 weight. NumPy
 * makes a pass over memory for each operator, ten of them; here the whole rule is applied to a weight while it is in a register:
 *
 *     for each i:   load p[i], g[i], m[i], v[i]      m, v, p by the rule      store m[i], v[i], p[i]
 *
 * The compiler turns such a loop into vector instructions. All vectors are contiguous, of one length, and do not overlap; the
 * last array has an element for each share, set to 0 if the share wrote, or saw, a number that is not finite.
 */

#define LARGEST (sizeof(T) == 4 ? (T)FLT_MAX : (T)DBL_MAX)
#define FINITE(x) ((x) <= LARGEST && (x) >= -LARGEST) /* of nan every comparison is false */
#define CLIPPED(x, most) ((x) > (most) ? (most) : (x) < -(most) ? -(most) : (x))

NG_INLINE T NG(root)(T x)
{
    return sizeof(T) == 4 ? (T)sqrtf((float)x) : (T)sqrt((double)x);
}

/* The share's part of a vector, cut where a cache line ends. */
static inline void NG(part)(ptrdiff_t size, ng_share share, ptrdiff_t *begin, ptrdiff_t *end)
{
    ng_split(size, 64, share.row, share.rows, begin, end);
}

static inline void NG(report)(const ng_array *finite, ng_share share, int bad)
{
    if (bad)
        ((T *)finite->data)[share.row] = 0;
}

/* Arrays: p, g, m, v, finite. Scalars: lr / (1 - beta1^t), beta1, beta2, 1 / sqrt(1 - beta2^t), eps, weight decay, clip. */
static int NG(adam)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[0].data, *restrict m = call->array[2].data, *restrict v = call->array[3].data;
    const T *restrict g = call->array[1].data;
    const T rate = (T)call->scalar[0], beta1 = (T)call->scalar[1], beta2 = (T)call->scalar[2], scale = (T)call->scalar[3];
    const T eps = (T)call->scalar[4], decay = (T)call->scalar[5], clip = (T)call->scalar[6];
    const T fresh1 = (T)(1 - call->scalar[1]), fresh2 = (T)(1 - call->scalar[2]);
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[0].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T m1 = beta1 * m[i] + fresh1 * slope;
        const T v1 = beta2 * v[i] + fresh2 * slope * slope;
        const T moved = p[i] - rate * m1 / (NG(root)(v1) * scale + eps), p1 = CLIPPED(moved, clip);
        m[i] = m1, v[i] = v1, p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(m1) | !FINITE(v1);
    }
    NG(report)(&call->array[4], share, bad);
    return 0;
}

/* Arrays: p, g, v, finite. Scalars: lr, decay of v, eps, weight decay, clip. */
static int NG(rmsprop)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[0].data, *restrict v = call->array[2].data;
    const T *restrict g = call->array[1].data;
    const T rate = (T)call->scalar[0], keep = (T)call->scalar[1], fresh = (T)(1 - call->scalar[1]), eps = (T)call->scalar[2];
    const T decay = (T)call->scalar[3], clip = (T)call->scalar[4];
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[0].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T v1 = keep * v[i] + fresh * slope * slope;
        const T moved = p[i] - rate * slope / (NG(root)(v1) + eps), p1 = CLIPPED(moved, clip);
        v[i] = v1, p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(v1);
    }
    NG(report)(&call->array[3], share, bad);
    return 0;
}

/* Arrays: p, g, m, finite. Scalars: momentum, how much of m1 and of g the step has, weight decay, clip. */
static int NG(sgd)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[0].data, *restrict m = call->array[2].data;
    const T *restrict g = call->array[1].data;
    const T momentum = (T)call->scalar[0], of_m = (T)call->scalar[1], of_g = (T)call->scalar[2];
    const T decay = (T)call->scalar[3], clip = (T)call->scalar[4];
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[0].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T m1 = m ? momentum * m[i] + slope : slope;
        const T moved = p[i] - (of_m * m1 + of_g * slope), p1 = CLIPPED(moved, clip);
        if (m)
            m[i] = m1;
        p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(m1);
    }
    NG(report)(&call->array[3], share, bad);
    return 0;
}

/* average = decay average + (1 - decay) p. Arrays: average, p. Scalar: decay. */
static int NG(moving_average)(const ng_call *call, ng_share share)
{
    T *restrict average = call->array[0].data;
    const T *restrict p = call->array[1].data;
    const T keep = (T)call->scalar[0], fresh = (T)(1 - call->scalar[0]);
    ptrdiff_t begin, end;
    NG(part)(call->array[0].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++)
        average[i] = keep * average[i] + fresh * p[i];
    return 0;
}

/* Arrays: x, finite. Looks up after every 4096 elements, and stops where it has found one. */
static int NG(all_finite)(const ng_call *call, ng_share share)
{
    const T *x = call->array[0].data;
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[0].size[0], share, &begin, &end);
    while (begin < end && !bad)
        for (const ptrdiff_t stop = NG_MIN(begin + 4096, end); begin < stop; begin++)
            bad |= !FINITE(x[begin]);
    NG(report)(&call->array[1], share, bad);
    return 0;
}

#undef LARGEST
#undef FINITE
#undef CLIPPED
