/* All kernels for both element types and one instruction set, and their table ng_table_<instruction set>.
 * The file that includes this defines NG_ISA (the name), NG_VECTOR_BYTES and NG_TILE_ROWS. */

#include "phase.h"

#define T float
#include "gemm.h"
#include "conv.h"
#include "pool.h"
#undef T

#define T double
#include "gemm.h"
#include "conv.h"
#include "pool.h"
#undef T

#define ENTRIES(type)                                                                                                            \
    {NG_NAME(matmul, type),                                                                                                      \
     NG_NAME(conv2d, type),                                                                                                      \
     NG_NAME(conv2d_input_gradient, type),                                                                                       \
     NG_NAME(conv2d_input_gradient_thin, type),                                                                                  \
     NG_NAME(conv2d_weight_gradient, type),                                                                                      \
     NG_NAME(max_pool2d, type),                                                                                                  \
     NG_NAME(max_pool2d_gradient, type)}

const ng_kernels NG_TABLE(NG_ISA)[2] = {ENTRIES(float), ENTRIES(double)};
