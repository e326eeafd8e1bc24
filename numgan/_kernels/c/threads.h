/* A small pool of threads that never needs the GIL, memory that each thread keeps for its blocks, and Ctrl-C.
 *
 *     status = ng_parallel(body, context, tasks, threads, poll)
 *
 * runs body(context, 0), ..., body(context, tasks - 1), each once, in the calling thread and in up to threads
 * - 1 helpers. A thread that is free takes the next task. A task computes its part of the output alone, so
 * neither the number of threads nor their order can change a bit. Helpers start with the first call that
 * needs them. After a call they wait actively for the next one for a moment, then they sleep.
 *
 * If the pool is taken, a second caller does all of its tasks itself, so nothing can wait for itself. After
 * fork the child begins with no helpers. Without POSIX threads everything runs in the caller.
 */
#ifndef NUMGAN_THREADS_H
#define NUMGAN_THREADS_H

#include <stddef.h>

enum { NG_NO_MEMORY = -1, NG_INTERRUPTED = -2 };

/* Returns the first status that is not 0. poll (or NULL) is called in the caller's thread about every 20
 * ms; a nonzero result interrupts. */
int ng_parallel(int (*body)(const void *context, ptrdiff_t task), const void *context, ptrdiff_t tasks,
                int threads, int (*poll)(void));

/* For a body, between blocks of about a millisecond: nonzero if it should stop and return NG_INTERRUPTED. */
int ng_interrupted(void);

/* At least `bytes` bytes, aligned to 64. They belong to this thread until it asks for the same slot again.
 * NULL if there is no memory. */
void *ng_scratch(int slot, size_t bytes);
enum { NG_SCRATCH_PRODUCT, NG_SCRATCH_PATCHES, NG_SCRATCH_TRANSFORM, NG_SCRATCH_SLOTS };

#endif
