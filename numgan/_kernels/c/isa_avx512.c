/* AVX-512: vectors of 64 bytes and twice as many registers. */
#include "kernels.h"

#if NG_X86
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#endif
#define NG_ISA avx512
#define NG_VECTOR_BYTES 64
#define NG_TILE_ROWS 14 /* 28 of 32 registers */
#include "body.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
const ng_kernels ng_table_avx512[2];
#endif
