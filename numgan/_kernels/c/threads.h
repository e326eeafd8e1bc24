/* A small pool of threads that never needs Python's lock, memory that each thread keeps for its blocks, and Ctrl-C.
 *
 *     status = ng_parallel(body, context, tasks, threads, poll)
 *
 * runs body(context, 0), ..., body(context, tasks - 1), each once, in the calling thread and in up to threads - 1 helpers; whoever
 * is free takes the next one. A task computes its part of the output alone, so neither their number nor their order can change a
 * bit. Helpers start with the first call that wants them, look out for the next call for a moment and then sleep.
 *
 * A second caller that finds the pool taken does all of its tasks itself: nothing can wait for itself. After fork the child
 * begins with no helpers. Without POSIX threads everything runs in the caller.
 */
#ifndef NUMGAN_THREADS_H
#define NUMGAN_THREADS_H

#include <stddef.h>

enum { NG_NO_MEMORY = -1, NG_INTERRUPTED = -2 };

/* The first status that is not 0. poll (or NULL) is called in the caller's thread every 20 ms or so; nonzero interrupts. */
int ng_parallel(int (*body)(const void *context, ptrdiff_t task), const void *context, ptrdiff_t tasks, int threads, int (*poll)(void));

/* For a body, between blocks of about a millisecond: nonzero if it should give up and return NG_INTERRUPTED. */
int ng_interrupted(void);

/* At least `bytes` bytes, aligned to 64, that stay this thread's until it asks for the same slot again; NULL if there are none. */
void *ng_scratch(int slot, size_t bytes);
enum { NG_SCRATCH_PRODUCT, NG_SCRATCH_PATCHES, NG_SCRATCH_TRANSFORM, NG_SCRATCH_SLOTS };

#endif
