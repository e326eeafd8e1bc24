/* The peak of this processor: multiply-adds on registers alone, as many at once as the tile of gemm.h has. */

/* arrays: sums, one a share, so that nothing is left out as useless; multiply-adds of a step, 1 number. scalar: steps */
static int NG(peak)(const ng_call *call, ng_share share)
{
    NG(vector) acc[MR][2], x, y;
    for (int i = 0; i < V; i++)
        ((T *)&x)[i] = (T)(1 - 1e-6), ((T *)&y)[i] = (T)1e-6;
    for (int r = 0; r < MR; r++)
        acc[r][0] = acc[r][1] = x * (T)(r + share.row);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)call->scalar[0]; i++)
        NG_UNROLL
        for (int r = 0; r < MR; r++) {
            acc[r][0] = acc[r][0] * x + y;
            acc[r][1] = acc[r][1] * x + y;
        }
    for (int r = 0; r < MR; r++)
        for (int i = 0; i < V; i++)
            ((T *)call->array[0].data)[share.row] += ((T *)&acc[r][0])[i] + ((T *)&acc[r][1])[i];
    ((T *)call->array[1].data)[0] = MR * NR;
    return 0;
}
