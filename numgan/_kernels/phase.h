/* The input gradient of a strided convolution, cut into phases that multiply no zeros. One axis:
 *
 *     y[q] = sum_i x[q s + i - p] w[i]        so        dx[h] = sum dy[q] w[i] over all q s + i = h + p
 *
 * The pixels h with (h + p) % s = r meet the taps i = r, r + s, ... and no others. So dx falls into s phases, each an ordinary
 * convolution of dy with stride 1 and a part of the kernel, reversed. With s = 2, kernel 4, p = 1:
 *
 *     h + p      1    2    3    4    5    6             r = 1 (h = 0, 2, 4, ..):  dx[h] = dy[q] w[1] + dy[q-1] w[3]
 *     taps     w1 w3  w0 w2  w1 w3  w0 w2  ...          r = 0 (h = 1, 3, 5, ..):  dx[h] = dy[q] w[0] + dy[q-1] w[2]
 */
#ifndef NUMGAN_PHASE_H
#define NUMGAN_PHASE_H

/* Pixels first, first + s, ...; the window over dy begins at origin for the first and moves by 1; its entry a meets tap last - a s. */
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

/* One axis of a phase, for the algorithm of fast.h: output pixel j is the sum over i < taps of in[in_step j + ... ] w[tap + i tap_step].
 *
 *     out[out_first + j out_step] = sum_i in[(j + i) in_step + origin] w[tap + i tap_step]          j < pixels
 */
typedef struct {
    ptrdiff_t in_step, origin, tap, tap_step, taps, out_first, out_step, pixels;
} ng_axis;

typedef struct {
    ng_axis axis[2];
} ng_phase_pair;

enum { NG_PHASES = 9 }; /* strides up to 3 x 3 */

/* Phase r of a forward convolution: taps r, r + s, ... of w meet every s-th pixel of x. size: of y. */
static inline ng_phase_pair ng_forward_phase(const ng_window *window, int r, const ptrdiff_t *size)
{
    ng_phase_pair pair;
    for (int a = 0; a < 2; a++) {
        const ptrdiff_t s = window->stride[a], e = a ? r % s : r / window->stride[1];
        pair.axis[a] = (ng_axis){s, e - window->padding[a], e, s, e < window->kernel[a] ? NG_CEIL(window->kernel[a] - e, s) : 0, 0, 1, size[a]};
    }
    return pair;
}

/* Phase r of an input gradient: a part of dx, each pixel of which meets the same taps. size: of dx. */
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

#endif
