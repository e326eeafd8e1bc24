/* AVX2 and FMA: vectors of 32 bytes, and a multiply-add that rounds once. */
#include "kernels.h"

#if NG_X86
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define NG_ISA avx2
#define NG_VECTOR_BYTES 32
#define NG_TILE_ROWS 6 /* 12 of 16 registers */
#include "body.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
const ng_kernels ng_table_avx2[2];
#endif
