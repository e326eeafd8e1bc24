/* All kernels for both element types and one instruction set, and their table ng_table_<instruction set>.
 * The file that includes this defines NG_ISA (the name), NG_VECTOR_BYTES and NG_TILE_ROWS. */

#include "phase.h"

#define T float
#define NG_ORDER int32_t
#include "gemm.h"
#include "conv.h"
#include "thin.h"
#include "toomcook.h"
#include "fast.h"
#include "pool.h"
#include "update.h"
#include "normalize.h"
#include "pointwise.h"
#include "peak.h"
#undef T
#undef NG_ORDER

#define T double
#define NG_ORDER int64_t
#include "gemm.h"
#include "conv.h"
#include "thin.h"
#include "toomcook.h"
#include "fast.h"
#include "pool.h"
#include "update.h"
#include "normalize.h"
#include "pointwise.h"
#include "peak.h"
#undef T
#undef NG_ORDER

#define FLOAT_ENTRY(name) NG_NAME(name, float),
#define DOUBLE_ENTRY(name) NG_NAME(name, double),

const ng_kernels NG_TABLE(NG_ISA)[2] = {{NG_EACH_KERNEL(FLOAT_ENTRY)}, {NG_EACH_KERNEL(DOUBLE_ENTRY)}};
