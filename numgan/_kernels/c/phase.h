/* The input gradient of a strided convolution, cut into phases that multiply no zeros. One axis:
 *
 *     y[q] = sum_i x[q s + i - p] w[i]        so        dx[h] = sum dy[q] w[i] over all q s + i = h + p
 *
 * The pixels h with (h + p) % s = r meet the taps i = r, r + s, ... and no others. So dx consists of s
 * phases, each an ordinary convolution of dy with stride 1 and a part of the kernel, reversed. With s = 2,
 * kernel 4, p = 1:
 *
 *     h + p      1    2    3    4    5    6      r = 1 (h = 0, 2, 4, ..):  dx[h] = dy[q] w[1] + dy[q-1] w[3]
 *     taps     w1 w3  w0 w2  w1 w3  w0 w2  ...   r = 0 (h = 1, 3, 5, ..):  dx[h] = dy[q] w[0] + dy[q-1] w[2]
 */
#ifndef NUMGAN_PHASE_H
#define NUMGAN_PHASE_H

/* A phase has the pixels first, first + s, ... The window over dy begins at origin for the first pixel and
 * moves by 1. Its entry a meets tap last - a s. */
typedef struct {
    ptrdiff_t first, pixels, taps, last, origin;
} ng_phase;

static inline ng_phase ng_phase_of(ptrdiff_t r, ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t s, ptrdiff_t p)
{
    ng_phase phase;
    phase.first = (r + s - p % s) % s;
    phase.pixels = phase.first < size ? NG_CEIL(size - phase.first, s) : 0;
    phase.taps = r < kernel ? NG_CEIL(kernel - r, s) : 0;
    phase.last = r + (phase.taps - 1) * s;
    phase.origin = (phase.first + p - r) / s - (phase.taps - 1);
    return phase;
}

/* One axis of a phase, for the algorithm of fast.h. Output pixel j is a sum over i < taps:
 *
 *     out[out_first + j out_step] = sum_i in[(j + i) in_step + origin] w[tap + i tap_step]      j < pixels
 */
typedef struct {
    ptrdiff_t in_step, origin, tap, tap_step, taps, out_first, out_step, pixels;
} ng_axis;

typedef struct {
    ng_axis axis[2];
} ng_phase_pair;

enum { NG_PHASES = 9 }; /* strides up to 3 x 3 */

/* Phase r of a forward convolution: taps r, r + s, ... of w meet every s-th pixel of x. size: the size of
 * y. */
static inline ng_phase_pair ng_forward_phase(const ng_window *window, int r, const ptrdiff_t *size)
{
    ng_phase_pair pair;
    for (int a = 0; a < 2; a++) {
        const ptrdiff_t s = window->stride[a], e = a ? r % s : r / window->stride[1];
        const ptrdiff_t taps = e < window->kernel[a] ? NG_CEIL(window->kernel[a] - e, s) : 0;
        pair.axis[a] = (ng_axis){s, e - window->padding[a], e, s, taps, 0, 1, size[a]};
    }
    return pair;
}

/* Phase r of an input gradient: the pixels of dx that meet the same taps. size: the size of dx. */
static inline ng_phase_pair ng_gradient_phase(const ng_window *window, int r, const ptrdiff_t *size)
{
    ng_phase_pair pair;
    for (int a = 0; a < 2; a++) {
        const ptrdiff_t s = window->stride[a], e = a ? r % s : r / window->stride[1];
        const ng_phase p = ng_phase_of(e, size[a], window->kernel[a], s, window->padding[a]);
        pair.axis[a] = (ng_axis){1, p.origin, p.last, -s, p.taps, p.first, s, p.pixels};
    }
    return pair;
}

/* The 4 x 4 tiles of the outputs of all images. If 4 does not divide a size, the last tile of that axis has
 * at most 3 outputs and is called short. Tiles are numbered class by class, so that the tiles of a frequency
 * follow each other:
 *
 *     short below | full | short on the right | short both ways          edge[c]: the end of class c
 */
typedef struct {
    ptrdiff_t full[2], edge[4];
} ng_tiling;

typedef struct {
    ptrdiff_t image, top, left; /* of its first output */
    int is_short[2];
} ng_place;

static inline ng_tiling ng_tiling_of(ptrdiff_t images, ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t down = height / 4, across = width / 4, more_down = height % 4 > 0;
    const ptrdiff_t more_across = width % 4 > 0;
    ng_tiling t = {{down, across},
                   {more_down * across, down * across, down * more_across, more_down * more_across}};
    for (int c = 0; c < 4; c++)
        t.edge[c] = t.edge[c] * images + (c ? t.edge[c - 1] : 0);
    return t;
}

static inline ng_place ng_place_of(const ng_tiling *t, ptrdiff_t number)
{
    int c = 0;
    while (number >= t->edge[c])
        c++;
    number -= c ? t->edge[c - 1] : 0;
    const int below = c == 0 || c == 3, right = c >= 2;
    const ptrdiff_t down = below ? 1 : t->full[0], across = right ? 1 : t->full[1];
    const ptrdiff_t tile = number % (down * across);
    return (ng_place){number / (down * across), ((below ? t->full[0] : 0) + tile / across) * 4,
                      ((right ? t->full[1] : 0) + tile % across) * 4, {below, right}};
}

/* The tiles, of `count` tiles from t0 on, that take part in frequency f of points^2: at the last finite
 * point all but the short ones. */
static inline void ng_tiles_of(const ng_tiling *t, int f, int points, ptrdiff_t t0, ptrdiff_t count,
                               ptrdiff_t *begin, ptrdiff_t *end)
{
    const int last = points - 2, not_below = f / points == last, not_right = f % points == last;
    const ptrdiff_t from = not_below ? t->edge[0] : 0;
    const ptrdiff_t to = not_right ? t->edge[1] : not_below ? t->edge[2] : t->edge[3];
    *begin = NG_MIN(NG_MAX(from - t0, 0), count);
    *end = NG_MIN(NG_MAX(to - t0, 0), count);
}

/* The first tile of part `part` of `parts` of equal work. A tile's work is the number of its frequencies. */
static inline ptrdiff_t ng_first_tile(const ng_tiling *t, int points, ptrdiff_t part, ptrdiff_t parts)
{
    const ptrdiff_t n = points, work[4] = {n * (n - 1), n * n, n * (n - 1), (n - 1) * (n - 1)};
    ptrdiff_t size[4], left = 0;
    for (int c = 0; c < 4; c++)
        left += work[c] * (size[c] = t->edge[c] - (c ? t->edge[c - 1] : 0));
    left = left * part / parts;
    for (int c = 0; c < 4; c++) {
        if (left < work[c] * size[c])
            return t->edge[c] - size[c] + left / work[c];
        left -= work[c] * size[c];
    }
    return t->edge[3];
}

#endif
