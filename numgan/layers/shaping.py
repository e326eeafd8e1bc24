"""Flatten, Reshape, Pad, Crop, Concat, Pick: layers that move, repeat or drop numbers, without arithmetic."""

import math

import numpy as np

from .base import LinearMap, expect, expect_floats, expect_images, joined


class Move(LinearMap):
    """The base class of layers that move numbers and do no arithmetic. Such a layer is a linear map.

    Its forward pass counts as 0 floating-point operations.
    """

    def flops(self, shape):
        return 0


class Reshape(Move):
    """x (N, ...) -> y (N, *shape): the entries of each sample in the same order, in another shape

    The shape is given as Reshape(8, 8, 1) or Reshape((8, 8, 1)). One size may be -1: it is computed from the
    other sizes. Raises ValueError for more than one -1 or a size below -1. A pass or `output_shape` raises it
    if x and y would differ in the number of entries.
    """

    def __init__(self, *shape):
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = shape[0]
        self.shape = tuple(map(int, shape))
        if sum(n == -1 for n in self.shape) > 1 or any(n < -1 for n in self.shape):
            raise ValueError(f"Reshape: expected sizes >= 0 and at most one -1, got {self.shape}")

    def output_shape(self, shape):
        # The shape of y, without batch axis. Raises ValueError if `shape` has another number of entries.
        total = math.prod(shape)  # entries of a sample of x
        known = math.prod(n for n in self.shape if n != -1)
        if -1 in self.shape:
            expect(self, known and total % known == 0, f"with {known} times some entries per sample", shape)
        else:
            expect(self, total == known, f"with {known} entries per sample", shape)
        return tuple(total // known if n == -1 else n for n in self.shape)

    def apply(self, x, context):
        return x.reshape(x.shape[0], *self.output_shape(x.shape[1:])), x.shape

    def transpose(self, dy, shape):
        return dy.reshape(shape)

    def arguments(self):
        return ", ".join(map(str, self.shape))


class Flatten(Reshape):
    """x (N, ...) -> y (N, F): all F entries of a sample in one row

    An image (H, W, C) is flattened row by row, with the channels of a pixel next to each other. Libraries
    that store images as (C, H, W) have another order of entries, so the W of a Dense after Flatten has its
    rows in another order there.
    """

    def __init__(self):
        super().__init__(-1)

    def arguments(self):
        return ""


class _Border(Move):
    """The base class of Pad and Crop: it holds `border`, the widths (top, bottom, left, right) in pixels.

    One integer means the same width on all four sides. Raises ValueError unless there are one or four
    integers >= 0.
    """

    shown = ("border",)

    def __init__(self, border):
        border = (border,) * 4 if isinstance(border, (int, np.integer)) else tuple(border)
        if len(border) != 4 or any(not isinstance(b, (int, np.integer)) or b < 0 for b in border):
            raise ValueError(
                f"{type(self).__name__}: expected one integer or (top, bottom, left, right), all >= 0, "
                f"got {border!r}; give the border's widths in pixels"
            )
        self.border = tuple(map(int, border))

    def _add(self, x, mode="constant"):
        """The images x (N, H, W, C) with the border. mode is that of np.pad; "constant" means zeros."""
        top, bottom, left, right = self.border
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), mode=mode)

    def _cut(self, x):
        """The images x (N, H, W, C) without the border, as a new array."""
        top, bottom, left, right = self.border
        return np.ascontiguousarray(x[:, top : x.shape[1] - bottom, left : x.shape[2] - right])

    def _resized(self, shape, sign):
        """The shape (H, W, C) with the border added (sign = 1) or cut off (sign = -1).

        Raises ValueError unless `shape` has three numbers.
        """
        expect(self, len(shape) == 3, "(H, W, C) per sample", shape)
        top, bottom, left, right = self.border
        return shape[0] + sign * (top + bottom), shape[1] + sign * (left + right), shape[2]


class Pad(_Border):
    """Add a border to an image          x (N, H, W, C)   y (N, H + top + bottom, W + left + right, C)

    border is (top, bottom, left, right) in pixels, or one integer for all four. The argument `mode` is

    "zero"       the border is zeros
    "reflect"    the border is the image, mirrored at its edge; the edge itself is not repeated

    Raises ValueError if a reflected border is not smaller than the image, for another mode, or if x is not
    (N, H, W, C).
    """

    def __init__(self, border, mode="zero"):
        super().__init__(border)
        if mode not in ("zero", "reflect"):
            raise ValueError(f"Pad: expected mode zero or reflect, got {mode!r}")
        self.mode = mode

    def output_shape(self, shape):
        # (H + top + bottom, W + left + right, C) for the `shape` (H, W, C).
        # Raises ValueError if a reflected border is not smaller than the image.
        if self.mode == "reflect":
            top, bottom, left, right = self.border
            expect(
                self,
                max(top, bottom) < shape[0] and max(left, right) < shape[1],
                "larger than its reflected border",
                shape,
            )
        return self._resized(shape, 1)

    def apply(self, x, context):
        expect_images(self, x)
        return self._add(x, "constant" if self.mode == "zero" else "reflect"), None

    def transpose(self, dy, cache):
        # dx (N, H, W, C): dy without the border, whose numbers are added to the pixels that they mirror.
        if self.mode == "zero":
            return self._cut(dy)
        top, bottom, left, right = self.border
        return self._fold(self._fold(dy, 1, top, bottom), 2, left, right)

    @staticmethod
    def _fold(dy, axis, before, after):
        """The derivative with respect to the images before they were mirrored along `axis`, from dy.

        dy is the derivative with respect to the images with their mirrored rows (axis 1) or columns (axis 2).
        There are `before` such rows at the start and `after` at the end. The derivative of each mirrored row
        is added to that of the row it copies.
        """
        dy = np.moveaxis(dy, axis, 0)
        # the edge row is not repeated: the border before row 0 copies the rows 1, ..., before
        dx = dy[before : len(dy) - after].copy()
        dx[1 : before + 1] += dy[:before][::-1]
        # and the border after the last row n copies the rows n - after, ..., n - 1
        dx[len(dx) - after - 1 : len(dx) - 1] += dy[len(dy) - after :][::-1]
        return np.ascontiguousarray(np.moveaxis(dx, 0, axis))

    def arguments(self):
        return super().arguments() + (f", {self.mode!r}" if self.mode != "zero" else "")


class Crop(_Border):
    """Cut a border off an image          x (N, H, W, C)   y (N, H - top - bottom, W - left - right, C)

    border is (top, bottom, left, right) in pixels, or one integer for all four.
    Raises ValueError if no pixel would be left, or if x is not (N, H, W, C).
    """

    def output_shape(self, shape):
        size = self._resized(shape, -1)
        expect(self, min(size[:2]) > 0, "larger than the border cut off", shape)
        return size

    def apply(self, x, context):
        expect_images(self, x)
        return self._cut(x), None

    def transpose(self, dy, cache):
        return self._add(dy)


class Concat(Move):
    """(a, b, ...) -> y: concatenate a tuple of arrays along the last axis

    a (..., A)   b (..., B)   y (..., A + B + ...)

    Raises TypeError if an array is not of floats, ValueError unless the input is a tuple of arrays that
    differ in the last axis only.
    """

    several = True

    def output_shape(self, shapes):
        # (..., A + B + ...) for a tuple of shapes (..., A), (..., B), ... Raises ValueError for others.
        expect(
            self,
            len({tuple(s[:-1]) for s in shapes}) == 1,
            "a tuple of shapes that differ in the last axis only",
            shapes,
        )
        return *shapes[0][:-1], sum(s[-1] for s in shapes)

    def apply(self, x, context):
        # (y, shapes of the arrays) for a tuple x of arrays; the class says which errors are raised.
        expect(
            self,
            isinstance(x, tuple) and len({part.shape[:-1] for part in x}) == 1,
            "a tuple of arrays that differ in the last axis only",
            x,
        )
        for part in x:
            expect_floats(self, part)
        return np.concatenate(x, axis=-1), [part.shape for part in x]

    def apply_to_tangent(self, tx, shapes):
        return joined(tx, shapes)

    def transpose(self, dy, shapes):
        ends = np.cumsum([s[-1] for s in shapes])[:-1]  # the channels at which each array but the last ends
        return tuple(np.ascontiguousarray(part) for part in np.split(dy, ends, axis=-1))


class Pick(Move):
    """(a, b, ...) -> the array at index `place` of the tuple, of any shape

    At the end of a network of Condition layers, whose output is a pair (h, c), Pick(0) removes the condition
    c. The derivative with respect to each other array of the tuple is None, which means zero. Raises
    ValueError if the input is not a tuple of more than `place` arrays, or if `place` is not an integer >= 0.
    """

    shown = ("place",)
    several = True

    def __init__(self, place=0):
        if not isinstance(place, (int, np.integer)) or place < 0:
            raise ValueError(f"Pick: expected place as an integer of at least 0, got {place!r}")
        self.place = int(place)

    def output_shape(self, shapes):
        return shapes[self.place]

    def apply(self, x, context):
        # (the array at `place`, the number of arrays). Raises ValueError if x has no such array.
        expect(
            self, isinstance(x, tuple) and len(x) > self.place, f"a tuple of more than {self.place} arrays", x
        )
        return x[self.place], len(x)

    def transpose(self, dy, length):
        return tuple(dy if i == self.place else None for i in range(length))
