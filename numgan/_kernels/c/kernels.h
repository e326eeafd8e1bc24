/* Declarations that all compiled kernels share: arrays, windows, the table of kernels, and macros.
 *
 *     arguments.h    the names of every kernel's arguments
 *     gemm.h         the matrix product, whose header comment is the place to begin
 *     conv.h         three convolution kernels: the same product with other packing functions
 *     thin.h         ... for images with few channels, which need no packing
 *     toomcook.h     a tile of outputs with fewer multiplications
 *     fast.h         the same three kernels made of such tiles
 *     phase.h        how a strided convolution falls into phases and an output into tiles
 *     pool.h         max pooling
 *     update.h       the optimisers' rules, the moving average, and the search for inf and nan
 *     normalize.h    BatchNorm's passes over rows of channels, and sums of columns
 *     pointwise.h    the LeakyReLU and its derivative; a sum
 *     peak.h         how fast this processor can multiply at all
 *     body.h         all of the above, once for float32 and once for float64, and their table
 *     isa_*.c        body.h once per instruction set
 *     threads.h, .c  the threads that compute the shares
 *     dispatch.c     the table for this processor, and the call
 *     memory.c       blocks for outputs, kept for the next output
 *     _core.pyx      chooses a table at import and hands it NumPy's pointers
 *
 * The headers are templates: T is the element type. NG(name) is the name of a function for that type and
 * instruction set.
 */
#ifndef NUMGAN_KERNELS_H
#define NUMGAN_KERNELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "threads.h"

typedef struct {
    void *data;
    ptrdiff_t size[4], stride[4]; /* in elements */
} ng_array;

typedef struct {
    ptrdiff_t kernel[2], stride[2], padding[2]; /* (vertical, horizontal) */
} ng_window;

/* The share of the output that one thread computes: part `row` of `rows` by part `column` of `columns`. */
typedef struct {
    ptrdiff_t row, rows, column, columns;
} ng_share;

/* The arguments of a kernel. arguments.h names the places of its arrays and scalars. A missing array has
 * the data NULL. */
typedef struct {
    ng_array array[8];
    ng_window window;
    double scalar[8];
} ng_call;

/* A kernel computes one share of its output. It returns 0, NG_NO_MEMORY or NG_INTERRUPTED. */
typedef int (*ng_kernel)(const ng_call *call, ng_share share);

/* The names of all kernels. Each exists for both element types and every instruction set. */
#define NG_EACH_KERNEL(X)                                                                                   \
    X(matmul) X(matvec) X(conv2d) X(conv2d_input_gradient) X(conv2d_weight_gradient)                        \
    X(conv2d_thin) X(conv2d_input_gradient_thin) X(conv2d_weight_gradient_thin)                             \
    X(fast_conv2d) X(fast_conv2d_input_gradient) X(fast_conv2d_weight_gradient)                             \
    X(max_pool2d) X(max_pool2d_gradient) X(peak)                                                            \
    X(adam) X(rmsprop) X(sgd) X(moving_average) X(all_finite)                                               \
    X(channel_moments) X(pool_moments) X(channel_products) X(column_sum) X(normalize) X(normalize_gradient) \
    X(leaky_relu) X(leaky_relu_gradient) X(add)

#define NG_ID(name) NG_ID_##name,
enum { NG_EACH_KERNEL(NG_ID) NG_KERNELS };
typedef ng_kernel ng_kernels[NG_KERNELS];

enum { NG_BASELINE, NG_AVX2, NG_AVX512, NG_ISAS };

/* [0] float32, [1] float64; NULL if the machine cannot have the instruction set. */
extern const ng_kernels ng_table_baseline[2], ng_table_avx2[2], ng_table_avx512[2];

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define NG_X86 1
#else
#define NG_X86 0
#endif

extern const char *const ng_names[NG_KERNELS];

/* Whether this processor has an instruction set. */
int ng_has(int isa);

/* Compute every share of a kernel's output, (0, 0) to (rows - 1, columns - 1), on so many threads. wide:
 * float64. */
int ng_run(int isa, int wide, int kernel, const ng_call *call, ptrdiff_t rows, ptrdiff_t columns, int threads,
           int (*poll)(void));

/* Memory aligned to 64 bytes at least, in large pages if it is large; NULL if there is none. */
void *ng_pages(size_t bytes);
void ng_free_pages(void *memory);

/* Memory for an output, aligned to 64 bytes at least. ng_release takes the same number of bytes. The
 * caller holds the GIL. */
void *ng_block(size_t bytes);
void ng_release(void *memory, size_t bytes);

/* Free all memory that ng_release has kept. Returns the number of bytes. The caller holds the GIL. */
size_t ng_free_kept(void);

/* The elements of a pass over memory between two checks for Ctrl-C; they take about ten microseconds. */
enum { NG_STRETCH = 1 << 16 };

#if defined(__GNUC__) && !defined(__clang__)
#define NG_SHUFFLE(a, b, order) __builtin_shuffle(a, b, order)
#endif

#if defined(__clang__)
#define NG_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define NG_UNROLL _Pragma("GCC unroll 16")
#else
#define NG_UNROLL
#endif

#ifdef _MSC_VER
#define restrict __restrict
#endif

#ifdef __GNUC__
#define NG_VECTOR(bytes) __attribute__((vector_size(bytes), may_alias))
#define NG_PREFETCH(address) __builtin_prefetch(address)
#define NG_INLINE static inline __attribute__((always_inline))
/* Each element of one vector or of the other, by the result of a comparison. */
#define NG_CHOOSE(which, one, other, vector, order) \
    ((vector)(((order)(which) & (order)(one)) | (~(order)(which) & (order)(other))))
#else /* a plain compiler: a "vector" of one element, the same code */
#define NG_VECTOR(bytes)
#define NG_PREFETCH(address) ((void)0)
#define NG_INLINE static inline
#define NG_CHOOSE(which, one, other, vector, order) ((which) ? (one) : (other))
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
static inline void ng_split(ptrdiff_t total, ptrdiff_t grain, ptrdiff_t part, ptrdiff_t parts,
                            ptrdiff_t *begin, ptrdiff_t *end)
{
    ptrdiff_t grains = NG_CEIL(total, grain);
    *begin = NG_MIN(grains * part / parts * grain, total);
    *end = NG_MIN(grains * (part + 1) / parts * grain, total);
}

#endif
