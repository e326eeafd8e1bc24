/* The instructions that every processor of this architecture has: SSE2 on x86-64, NEON on 64-bit ARM. */
#include "kernels.h"

#define NG_ISA baseline
#ifdef __GNUC__
#define NG_VECTOR_BYTES 16
#else
#define NG_VECTOR_BYTES ((int)sizeof(T))
#endif
#ifdef __aarch64__
#define NG_TILE_ROWS 12 /* 24 of 32 registers */
#else
#define NG_TILE_ROWS 6 /* 12 of 16 registers */
#endif
#include "body.h"
