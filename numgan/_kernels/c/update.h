/* The rules of the optimizers, the moving average, the search for inf and nan: each is one pass over memory.
 *
 * An update multiplies little and moves much memory: Adam reads p, g, m, v and writes p, m, v, 28 bytes for
 * each float32 weight. NumPy makes a pass over memory for each operator, ten of them. Here the whole rule is
 * applied to a weight while it is in a register:
 *
 *     for each i:   load p[i], g[i], m[i], v[i]      m, v, p by the rule      store m[i], v[i], p[i]
 *
 * The compiler turns such a loop into vector instructions. All vectors are contiguous, of one length, and do
 * not overlap. `finite` has an element for each share: it becomes 0 if a number that the share wrote, or
 * read, is not finite. Definitions: reference.py.
 */

#define LARGEST (sizeof(T) == 4 ? (T)FLT_MAX : (T)DBL_MAX)
#define FINITE(x) ((x) <= LARGEST && (x) >= -LARGEST) /* every comparison with nan is false */
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

static int NG(adam)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[ADAM_P].data, *restrict m = call->array[ADAM_M].data;
    T *restrict v = call->array[ADAM_V].data;
    const T *restrict g = call->array[ADAM_G].data;
    const T rate = (T)call->scalar[ADAM_RATE], beta1 = (T)call->scalar[ADAM_BETA1];
    const T beta2 = (T)call->scalar[ADAM_BETA2], scale = (T)call->scalar[ADAM_SCALE];
    const T eps = (T)call->scalar[ADAM_EPS], decay = (T)call->scalar[ADAM_WEIGHT_DECAY];
    const T clip = (T)call->scalar[ADAM_CLIP];
    const T fresh1 = (T)(1 - call->scalar[ADAM_BETA1]), fresh2 = (T)(1 - call->scalar[ADAM_BETA2]);
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[ADAM_P].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T m1 = beta1 * m[i] + fresh1 * slope;
        const T v1 = beta2 * v[i] + fresh2 * slope * slope;
        const T moved = p[i] - rate * m1 / (NG(root)(v1) * scale + eps), p1 = CLIPPED(moved, clip);
        m[i] = m1, v[i] = v1, p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(m1) | !FINITE(v1);
    }
    NG(report)(&call->array[ADAM_FINITE], share, bad);
    return 0;
}

static int NG(rmsprop)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[RMSPROP_P].data, *restrict v = call->array[RMSPROP_V].data;
    const T *restrict g = call->array[RMSPROP_G].data;
    const T rate = (T)call->scalar[RMSPROP_LR], keep = (T)call->scalar[RMSPROP_DECAY];
    const T fresh = (T)(1 - call->scalar[RMSPROP_DECAY]), eps = (T)call->scalar[RMSPROP_EPS];
    const T decay = (T)call->scalar[RMSPROP_WEIGHT_DECAY], clip = (T)call->scalar[RMSPROP_CLIP];
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[RMSPROP_P].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T v1 = keep * v[i] + fresh * slope * slope;
        const T moved = p[i] - rate * slope / (NG(root)(v1) + eps), p1 = CLIPPED(moved, clip);
        v[i] = v1, p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(v1);
    }
    NG(report)(&call->array[RMSPROP_FINITE], share, bad);
    return 0;
}

/* Without momentum there is no m. */
static int NG(sgd)(const ng_call *call, ng_share share)
{
    T *restrict p = call->array[SGD_P].data, *restrict m = call->array[SGD_M].data;
    const T *restrict g = call->array[SGD_G].data;
    const T momentum = (T)call->scalar[SGD_MOMENTUM], of_m = (T)call->scalar[SGD_OF_M];
    const T of_g = (T)call->scalar[SGD_OF_G];
    const T decay = (T)call->scalar[SGD_WEIGHT_DECAY], clip = (T)call->scalar[SGD_CLIP];
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[SGD_P].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++) {
        const T slope = g[i] + decay * p[i];
        const T m1 = m ? momentum * m[i] + slope : slope;
        const T moved = p[i] - (of_m * m1 + of_g * slope), p1 = CLIPPED(moved, clip);
        if (m)
            m[i] = m1;
        p[i] = p1;
        bad |= !FINITE(p1) | !FINITE(m1);
    }
    NG(report)(&call->array[SGD_FINITE], share, bad);
    return 0;
}

/* average = decay average + (1 - decay) p */
static int NG(moving_average)(const ng_call *call, ng_share share)
{
    T *restrict average = call->array[AVERAGE_AVERAGE].data;
    const T *restrict p = call->array[AVERAGE_P].data;
    const T keep = (T)call->scalar[AVERAGE_DECAY], fresh = (T)(1 - call->scalar[AVERAGE_DECAY]);
    ptrdiff_t begin, end;
    NG(part)(call->array[AVERAGE_AVERAGE].size[0], share, &begin, &end);
    for (ptrdiff_t i = begin; i < end; i++)
        average[i] = keep * average[i] + fresh * p[i];
    return 0;
}

/* It checks blocks of 4096 elements, and stops after the first block with inf or nan. */
static int NG(all_finite)(const ng_call *call, ng_share share)
{
    const T *x = call->array[FINITE_X].data;
    ptrdiff_t begin, end;
    int bad = 0;
    NG(part)(call->array[FINITE_X].size[0], share, &begin, &end);
    while (begin < end && !bad)
        for (const ptrdiff_t stop = NG_MIN(begin + 4096, end); begin < stop; begin++)
            bad |= !FINITE(x[begin]);
    NG(report)(&call->array[FINITE_FINITE], share, bad);
    return 0;
}

#undef LARGEST
#undef FINITE
#undef CLIPPED
