/* The innermost step of the rung `registers`: out (ROWS, COLUMNS) = sliver . panel, for element type T.
 *
 *     a   a sliver of A, by k: (k, ROWS)          b[0..COLUMNS), two vectors
 *     b   a panel of B: (k, COLUMNS)      a[0]  | acc acc |
 *     out (ROWS, COLUMNS)                 a[1]  | acc acc |      acc[r] += a[r] * b
 *                                         ...
 *
 * Twelve accumulators stay in registers for all k, so a step loads ROWS numbers and two vectors for ROWS * COLUMNS multiply-adds.
 * The vectors are those that every processor of the architecture has (16 bytes: SSE2, NEON). Include once for each T.
 */
#ifndef LADDER_TILE
#define LADDER_TILE
#include <stddef.h>

#define LADDER_ROWS 6
#ifdef __GNUC__
#define LADDER_BYTES 16
#define LADDER_VECTOR(T) T __attribute__((vector_size(16), may_alias))
#define LADDER_UNROLL _Pragma("GCC unroll 8")
#else /* a plain compiler: a "vector" of one element, the same code */
#define LADDER_BYTES ((int)sizeof(double))
#define LADDER_VECTOR(T) T
#define LADDER_UNROLL
#endif
#define LADDER_JOIN2(a, b) a##_##b
#define LADDER_JOIN(a, b) LADDER_JOIN2(a, b)
#endif

static void LADDER_JOIN(tile, T)(ptrdiff_t k, const T *a, const T *b, T *out)
{
    typedef LADDER_VECTOR(T) vector;
    vector acc[LADDER_ROWS][2] = {0};
    for (; k > 0; k--, a += LADDER_ROWS, b += 2 * sizeof(vector) / sizeof(T)) {
        const vector b0 = ((const vector *)b)[0], b1 = ((const vector *)b)[1];
        LADDER_UNROLL
        for (int r = 0; r < LADDER_ROWS; r++) {
            acc[r][0] += a[r] * b0;
            acc[r][1] += a[r] * b1;
        }
    }
    LADDER_UNROLL
    for (int r = 0; r < LADDER_ROWS; r++) {
        ((vector *)out)[2 * r] = acc[r][0];
        ((vector *)out)[2 * r + 1] = acc[r][1];
    }
}
