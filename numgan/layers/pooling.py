"""Pooling: the average or the maximum of each window of an image.

The average is a linear map of the image. The maximum is linear too, once it is known which entries are the
maxima.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .. import _kernels as kernels
from ..core.arguments import pair
from ..core.probes import kink
from .base import LinearMap, expect, expect_images


class _Pool(LinearMap):
    """The base class of MaxPool2d and AvgPool2d: it holds and checks kernel size, stride and padding.

    kernel     kernel size: height and width of the window
    stride     number of pixels from one window to the next; None, the default: the size of the window
    padding    number of added rows or columns on each border, 0 by default

    Each is an integer or a pair (vertical, horizontal), and is stored as a pair. Raises ValueError unless
    kernel and stride are at least 1 and 0 <= padding <= kernel / 2.
    """

    shown = ("kernel",)

    def __init__(self, kernel, stride=None, padding=0):
        name = type(self).__name__
        self.kernel = pair(kernel, f"{name} kernel")
        self.stride = self.kernel if stride is None else pair(stride, f"{name} stride")
        self.padding = pair(padding, f"{name} padding")
        self.options = {"stride": self.kernel, "padding": (0, 0)}
        if min(*self.kernel, *self.stride) < 1 or any(
            not 0 <= 2 * p <= k for p, k in zip(self.padding, self.kernel)
        ):
            raise ValueError(
                f"{name}: expected kernel and stride >= 1 and 0 <= padding <= kernel / 2, "
                f"got {kernel}, {stride}, {padding}; give an integer or a pair for each"
            )

    def output_shape(self, shape):
        # (HO, WO, C) for the `shape` (H, W, C). Raises ValueError if the window does not fit.
        expect(self, len(shape) == 3, "(H, W, C) per sample", shape)
        size = kernels.output_size(shape[:2], self.kernel, self.stride, self.padding)
        expect(self, min(size) > 0, f"at least {self.kernel} after padding", shape)
        return *size, shape[2]

    def flops(self, shape):
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel)


class MaxPool2d(_Pool):
    """y = max over each window, for each channel          x (N, H, W, C)   y (N, HO, WO, C)

    HO = (H + 2 p - KH) // s + 1, with the height of the window KH, the stride s and the padding p; WO
    likewise. If several entries of a window are equally large, the first one counts as the maximum. The
    padding is never the maximum.

    Raises TypeError if x is not an array of floats; ValueError if x is not (N, H, W, C) or the window is
    larger than the padded image.
    """

    def apply(self, x, context):
        # (y, (index, shape of x)): the maximum of each window, and which pixel it is.
        expect_images(self, x)
        # index: for each entry of y, the number h W + w of the pixel that is the maximum
        y, index = kernels.max_pool2d(x, self.kernel, self.stride, self.padding)
        kink(lambda: index)
        return y, (index, x.shape)

    def apply_to_tangent(self, tx, cache):
        # ty (N, HO, WO, C): the tangents of the pixels that are the maxima.
        index, (n, h, w, c) = cache
        # the axes H, W of tx, and HO, WO of index, become one axis each
        flat = index.reshape(n, math.prod(index.shape[1:3]), c)
        return np.take_along_axis(tx.reshape(n, h * w, c), flat, axis=1).reshape(index.shape)

    def transpose(self, dy, cache):
        index, shape = cache
        return kernels.max_pool2d_gradient(dy, index, shape[1:3])


class AvgPool2d(_Pool):
    """y = mean over each window, for each channel          x (N, H, W, C)   y (N, HO, WO, C)

    The padding counts: its zeros are part of the mean. HO and WO are as in MaxPool2d. Raises TypeError if x
    is not an array of floats; ValueError if x is not (N, H, W, C) or the window is larger than the padded
    image.
    """

    def _taps(self, padded):
        """Yield KH KW views of `padded`, images (N, H, W, C) with their border, each with the shape of y.

        There is one view for each position (i, j) in a window, row by row. It holds the pixel (i, j) of every
        window. Writing to a view writes to `padded`.
        """
        s, t = self.stride  # vertical, horizontal
        windows = sliding_window_view(padded, self.kernel, axis=(1, 2), writeable=True)[:, ::s, ::t]
        for i, j in np.ndindex(self.kernel):
            yield windows[..., i, j]

    def apply(self, x, context):
        # (y, shape of x): y is the sum of all positions in the windows, divided by KH KW.
        expect_images(self, x)
        p, q = self.padding
        padded = np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))
        return sum(self._taps(padded)) / math.prod(self.kernel), x.shape

    def transpose(self, dy, shape):
        # dx of the given `shape` of x: each window adds dy / (KH KW) to all its pixels.
        (n, h, w, c), (p, q) = shape, self.padding
        padded = np.zeros((n, h + 2 * p, w + 2 * q, c), dy.dtype)
        share = dy / math.prod(self.kernel)
        for tap in self._taps(padded):
            tap += share
        return np.ascontiguousarray(padded[:, p : p + h, q : q + w])
