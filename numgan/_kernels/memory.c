/* Blocks of memory for outputs. A block that is given back is kept for the next request of its size.
 *
 * A fresh large block costs a page fault every 4 KB when it is first written, a tenth of a small network's step. So blocks go on
 * a list when their last owner lets go, and are handed out again, at most KEEP bytes of them, the oldest freed first. Callers
 * hold Python's lock.
 */
#include "kernels.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

enum { PLACES = 64 };
static const size_t KEEP = (size_t)128 << 20, LARGE = (size_t)2 << 20;

static struct {
    void *memory;
    size_t bytes;
} kept[PLACES]; /* the oldest first */
static int places;
static size_t total;

void *ng_pages(size_t bytes)
{
    void *memory = NULL;
#if defined(_WIN32)
    memory = malloc(bytes);
#else
    if (posix_memalign(&memory, bytes >= LARGE ? LARGE : 64, bytes))
        return NULL;
#endif
#ifdef __linux__
    if (bytes >= LARGE)
        madvise(memory, bytes / LARGE * LARGE, MADV_HUGEPAGE); /* a wish: fewer, larger pages */
#endif
    return memory;
}

static void *take(int place)
{
    void *memory = kept[place].memory;
    total -= kept[place].bytes;
    places--;
    memmove(kept + place, kept + place + 1, (places - place) * sizeof(kept[0]));
    return memory;
}

/* Sizes in steps of an eighth, so that nearly equal requests share their blocks. */
static size_t rounded(size_t bytes)
{
    size_t step = 64;
    while (step * 16 < bytes)
        step *= 2;
    return NG_CEIL(bytes, step) * step;
}

void *ng_block(size_t bytes)
{
    bytes = rounded(NG_MAX(bytes, 1));
    for (int place = places - 1; place >= 0; place--) /* the last one given back may still be in the cache */
        if (kept[place].bytes == bytes)
            return take(place);
    return ng_pages(bytes);
}

void ng_release(void *memory, size_t bytes)
{
    bytes = rounded(NG_MAX(bytes, 1));
    while (places && (places == PLACES || total + bytes > KEEP))
        free(take(0));
    if (bytes > KEEP) {
        free(memory);
        return;
    }
    kept[places].memory = memory;
    kept[places++].bytes = bytes;
    total += bytes;
}
