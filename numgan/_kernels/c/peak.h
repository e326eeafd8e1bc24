/* The peak of this processor: multiply-adds on registers alone, as many at once as the tile of gemm.h has. */

/* Each share adds its results to `sums`, so that the compiler cannot leave out the work. products[0] is
 * the number of multiply-adds of a step. */
static int NG(peak)(const ng_call *call, ng_share share)
{
    NG(vector) acc[MR][2], x, y;
    for (int i = 0; i < V; i++)
        ((T *)&x)[i] = (T)(1 - 1e-6), ((T *)&y)[i] = (T)1e-6;
    for (int r = 0; r < MR; r++)
        acc[r][0] = acc[r][1] = x * (T)(r + share.row);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)call->scalar[PEAK_STEPS]; i++)
        NG_UNROLL
        for (int r = 0; r < MR; r++) {
            acc[r][0] = acc[r][0] * x + y;
            acc[r][1] = acc[r][1] * x + y;
        }
    for (int r = 0; r < MR; r++)
        for (int i = 0; i < V; i++)
            ((T *)call->array[PEAK_SUMS].data)[share.row] += ((T *)&acc[r][0])[i] + ((T *)&acc[r][1])[i];
    ((T *)call->array[PEAK_PRODUCTS].data)[0] = MR * NR;
    return 0;
}
