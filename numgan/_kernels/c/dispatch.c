/* The function of a kernel, by name, element type and instruction set; and the call of all shares of its
 * output. */
#include "kernels.h"

#define NAME(name) #name,
const char *const ng_names[NG_KERNELS] = {NG_EACH_KERNEL(NAME)};

int ng_has(int isa)
{
#if NG_X86
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == NG_AVX2)
        return avx2;
    if (isa == NG_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#endif
    return isa == NG_BASELINE;
}

typedef struct {
    ng_kernel kernel;
    const ng_call *call;
    ptrdiff_t rows, columns;
} shared;

static int run_share(const void *context, ptrdiff_t task)
{
    const shared *s = context;
    const ng_share share = {task / s->columns, s->rows, task % s->columns, s->columns};
    return s->kernel(s->call, share);
}

int ng_run(int isa, int wide, int kernel, const ng_call *call, ptrdiff_t rows, ptrdiff_t columns, int threads,
           int (*poll)(void))
{
    const ng_kernels *const tables[NG_ISAS] = {ng_table_baseline, ng_table_avx2, ng_table_avx512};
    const shared s = {tables[isa][wide][kernel], call, rows, columns};
    return ng_parallel(run_share, &s, rows * columns, threads, poll);
}
