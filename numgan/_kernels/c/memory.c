/* Blocks of memory for outputs. A block that is released is kept for the next request of its size.
 *
 * A new large block costs a page fault every 4 KB when it is first written, a tenth of a training step. So a
 * block goes on a list when its last owner releases it, and the next request takes it from there. Before a
 * new block is made, the oldest kept blocks are freed, until the blocks in use and the kept ones together are
 * at most a quarter above the largest number of bytes that ever was in use at once, plus 32 MB. Callers hold
 * the GIL.
 */
#include "kernels.h"

#ifdef __linux__
#include <sys/mman.h>
#endif
#if defined(_WIN32) || defined(__GLIBC__)
#include <malloc.h>
#endif

enum { PLACES = 256 };
static const size_t SPARE = (size_t)32 << 20, LARGE = (size_t)2 << 20;

static struct {
    void *memory;
    size_t bytes;
} kept[PLACES]; /* the oldest first */
static int places;
static size_t spare, in_use, most_in_use; /* bytes kept; bytes in use now, and at most */

void *ng_pages(size_t bytes)
{
    void *memory = NULL;
#if defined(_WIN32)
    memory = _aligned_malloc(bytes, 64);
#else
    if (posix_memalign(&memory, bytes >= LARGE ? LARGE : 64, bytes))
        return NULL;
#endif
#ifdef __linux__
    if (bytes >= LARGE)
        madvise(memory, bytes / LARGE * LARGE, MADV_HUGEPAGE); /* a request for fewer, larger pages */
#endif
    return memory;
}

void ng_free_pages(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

static void *take(int place)
{
    void *memory = kept[place].memory;
    spare -= kept[place].bytes;
    places--;
    memmove(kept + place, kept + place + 1, (places - place) * sizeof(kept[0]));
    return memory;
}

/* Sizes in steps of an eighth, so that nearly equal requests share their blocks. */
static size_t rounded(size_t bytes)
{
    size_t step = 64;
    while (step < bytes / 16)
        step *= 2;
    return NG_CEIL(bytes, step) * step;
}

void *ng_block(size_t bytes)
{
    void *memory = NULL;
    if (bytes > PTRDIFF_MAX)
        return NULL;
    bytes = rounded(NG_MAX(bytes, 1));
    /* the block released last may still be in the cache */
    for (int place = places - 1; place >= 0 && !memory; place--)
        if (kept[place].bytes == bytes)
            memory = take(place);
    if (!memory) {
        while (places && in_use + bytes + spare > most_in_use + most_in_use / 4 + SPARE)
            ng_free_pages(take(0));
        memory = ng_pages(bytes);
    }
    if (memory) {
        in_use += bytes;
        most_in_use = NG_MAX(most_in_use, in_use);
    }
    return memory;
}

void ng_release(void *memory, size_t bytes)
{
    bytes = rounded(NG_MAX(bytes, 1));
    in_use -= bytes;
    if (places == PLACES)
        ng_free_pages(take(0));
    kept[places].memory = memory;
    kept[places++].bytes = bytes;
    spare += bytes;
}

size_t ng_free_kept(void)
{
    const size_t freed = spare;
    while (places)
        ng_free_pages(take(0));
    most_in_use = in_use;
#ifdef __GLIBC__
    malloc_trim(0); /* free() gives only the largest blocks back to the system */
#endif
    return freed;
}
