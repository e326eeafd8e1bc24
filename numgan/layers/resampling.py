"""Upsample and PixelShuffle: layers without weights that enlarge an image."""

import numpy as np

from ..core.arguments import pair, positive
from .base import LinearMap, expect, expect_images


class Upsample(LinearMap):
    """A layer that enlarges an image by the factor f          x (N, H, W, C)   y (N, H f, W f, C)

    f is the argument `factor`, an integer or a pair (vertical, horizontal). The argument `mode` is

    "nearest"    each pixel is repeated
    "bilinear"   y[i] = (1 - t) x[k] + t x[k + 1] along each axis, with k + t = (i + 1/2) / f - 1/2, where k
                 is an integer and 0 <= t < 1. k + t is clipped to the image. Pixel centres keep their
                 positions, as with align_corners=False in other libraries

    Raises TypeError if x is not an array of floats; ValueError if x is not (N, H, W, C), if f is below 1, or
    for another mode.
    """

    shown = "factor", "mode"

    def __init__(self, factor=2, mode="nearest"):
        self.factor = pair(factor, "Upsample factor")
        self.mode = mode
        if min(self.factor) < 1 or mode not in ("nearest", "bilinear"):
            raise ValueError(
                f"Upsample: expected factor >= 1 and mode nearest or bilinear, got {factor}, {mode!r}"
            )

    def output_shape(self, shape):
        expect(self, len(shape) == 3, "(H, W, C) per sample", shape)
        return shape[0] * self.factor[0], shape[1] * self.factor[1], shape[2]

    def apply(self, x, context):
        expect_images(self, x)
        if self.mode == "nearest":
            return x.repeat(self.factor[0], axis=1).repeat(self.factor[1], axis=2), x.shape
        return self._stretch(self._stretch(x, 1), 2), x.shape

    def transpose(self, dy, shape):
        n, h, w, c = shape
        if self.mode == "nearest":
            blocks = np.ascontiguousarray(dy).reshape(n, h, self.factor[0], w, self.factor[1], c)
            return blocks.sum(axis=(2, 4))
        return self._squeeze(self._squeeze(dy, 2), 1)

    def _weights(self, axis, size, dtype):
        """The indices and weights (low, high, t) with which the bilinear mode enlarges x along `axis`.

            y = (1 - t) x[low] + t x[high]

        size    the number of positions of x along `axis`
        dtype   the dtype of t

        For each position of y, low and high hold the indices of the two neighbouring positions of x, and t
        holds the weight of high. t is shaped to multiply along `axis`.
        """
        place = (np.arange(size * self.factor[axis - 1]) + 0.5) / self.factor[axis - 1] - 0.5
        place = place.clip(0, size - 1)
        low = np.floor(place).astype(int)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        return low, np.minimum(low + 1, size - 1), (place - low).astype(dtype).reshape(shape)

    def _stretch(self, x, axis):
        low, high, t = self._weights(axis, x.shape[axis], x.dtype)
        return x.take(low, axis) * (1 - t) + x.take(high, axis) * t

    def _squeeze(self, dy, axis):
        size = dy.shape[axis] // self.factor[axis - 1]
        low, high, t = self._weights(axis, size, dy.dtype)
        dx = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
        at = (slice(None),) * axis
        np.add.at(dx, (*at, low), dy * (1 - t))
        np.add.at(dx, (*at, high), dy * t)
        return dx


class PixelShuffle(LinearMap):
    """A layer that moves channels to pixels: the image is f times larger, with f f times fewer channels.

    x (N, H, W, C f f)   y (N, H f, W f, C)   f = factor   (Shi et al. 2016, section 3.2)

    y[n, h f + i, w f + j, c] = x[n, h, w, c f f + i f + j], the order of channels in other libraries. Raises
    TypeError if x is not an array of floats, ValueError unless x is (N, H, W, a multiple of f f).
    """

    shown = ("factor",)

    def __init__(self, factor=2):
        self.factor = positive(factor, "PixelShuffle factor")

    def output_shape(self, shape):
        f = self.factor
        expect(
            self,
            len(shape) == 3 and shape[2] % (f * f) == 0,
            f"(H, W, a multiple of {f * f}) per sample",
            shape,
        )
        return shape[0] * f, shape[1] * f, shape[2] // (f * f)

    def apply(self, x, context):
        f = self.factor
        expect(self, x.ndim == 4 and x.shape[3] % (f * f) == 0, f"(N, H, W, a multiple of {f * f})", x)
        n, h, w, c = x.shape
        y = x.reshape(n, h, w, c // (f * f), f, f).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(n, h * f, w * f, c // (f * f)), None

    def transpose(self, dy, cache):
        f = self.factor
        n, h, w, c = dy.shape
        dx = dy.reshape(n, h // f, f, w // f, f, c).transpose(0, 1, 3, 5, 2, 4)
        return dx.reshape(n, h // f, w // f, c * f * f)
