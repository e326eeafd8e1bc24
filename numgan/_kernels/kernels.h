/* What the compiled kernels share: arrays, windows, the table of entry points, and the constants of the blocking.
 *
 *     gemm.h         the matrix product, whose header comment is the place to begin
 *     conv.h         three convolution kernels: the same product with other packing functions
 *     phase.h        how a strided convolution is transposed without multiplying zeros
 *     pool.h         max pooling
 *     body.h         all of the above, once for float32 and once for float64, and their table
 *     isa_*.c        body.h once per instruction set
 *     _core.pyx      chooses a table at import and hands it NumPy's pointers
 *
 * The headers are templates: T is the element type, NG(name) the name of a function for that type and instruction set.
 */
#ifndef NUMGAN_KERNELS_H
#define NUMGAN_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    void *data;
    ptrdiff_t size[4], stride[4]; /* in elements */
} ng_array;

typedef struct {
    ptrdiff_t kernel[2], stride[2], padding[2]; /* (vertical, horizontal) */
} ng_window;

/* Part row of rows by part column of columns: the share of the output that one thread computes. */
typedef struct {
    ptrdiff_t row, rows, column, columns;
} ng_share;

/* The kernels of one element type; each returns 0, or -1 if there is no memory for its blocks. bias may be NULL. */
typedef struct {
    int (*matmul)(const ng_array *a, const ng_array *b, const void *bias, const ng_array *c, ng_share share);
    int (*conv2d)(const ng_array *x, const ng_array *w, const void *bias, const ng_array *y, ng_window window, ng_share share);
    int (*conv2d_input_gradient)(const ng_array *dy, const ng_array *w, const void *bias, const ng_array *dx, ng_window window,
                                 ng_share share);
    int (*conv2d_input_gradient_thin)(const ng_array *dy, const ng_array *w, const void *bias, const ng_array *dx, ng_window window,
                                      ng_share share);
    int (*conv2d_weight_gradient)(const ng_array *x, const ng_array *dy, const ng_array *dw, ng_window window, ng_share share);
    int (*max_pool2d)(const ng_array *x, const ng_array *y, const ng_array *index, ng_window window, ng_share share);
    int (*max_pool2d_gradient)(const ng_array *dy, const ng_array *index, const ng_array *dx, ng_share share);
} ng_kernels;

/* [0] float32, [1] float64; NULLs where the machine cannot have the instruction set. */
extern const ng_kernels ng_table_baseline[2], ng_table_avx2[2], ng_table_avx512[2];

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define NG_X86 1
#define ng_has_avx2() (__builtin_cpu_init(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define ng_has_avx512() \
    (ng_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && \
     __builtin_cpu_supports("avx512bw"))
#else
#define NG_X86 0
#define ng_has_avx2() 0
#define ng_has_avx512() 0
#endif

#if defined(__clang__)
#define NG_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define NG_UNROLL _Pragma("GCC unroll 16")
#else
#define NG_UNROLL
#endif

#ifdef __GNUC__
#define NG_VECTOR(bytes) __attribute__((vector_size(bytes), may_alias))
#define NG_INLINE static inline __attribute__((always_inline))
#else /* a plain compiler: a "vector" of one element, the same code */
#define NG_VECTOR(bytes)
#define NG_INLINE static inline
#endif

#define NG_JOIN2(a, b, c) a##_##b##_##c
#define NG_JOIN(a, b, c) NG_JOIN2(a, b, c)
#define NG_NAME(name, type) NG_JOIN(ng_##name, type, NG_ISA)
#define NG(name) NG_NAME(name, T)
#define NG_TABLE2(isa) ng_table_##isa
#define NG_TABLE(isa) NG_TABLE2(isa)

#define NG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define NG_MAX(a, b) ((a) > (b) ? (a) : (b))
#define NG_CEIL(a, b) (((a) + (b) - 1) / (b))

/* [*begin, *end): part `part` of `parts` of 0..total, cut at multiples of `grain`. */
static inline void ng_split(ptrdiff_t total, ptrdiff_t grain, ptrdiff_t part, ptrdiff_t parts, ptrdiff_t *begin, ptrdiff_t *end)
{
    ptrdiff_t grains = NG_CEIL(total, grain);
    *begin = NG_MIN(grains * part / parts * grain, total);
    *end = NG_MIN(grains * (part + 1) / parts * grain, total);
}

#endif
