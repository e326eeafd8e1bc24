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

#endif
