"""Pixels: conversion of bytes to the floating-point inputs of networks, and the inverse."""

import numpy as np

from ..core.underflow import may_underflow


@may_underflow
def to_floats(x, pixels=(-1.0, 1.0)):
    """Convert pictures x (N, H, W, C) uint8 to float32 in the range pixels = (lowest, highest).

    The byte v becomes lowest + v (highest - lowest) / 255. Returns a new array.
    """
    low, high = pixels
    floats = x / np.float32(127.5)
    floats -= 1  # x / 127.5 - 1, in [-1, 1]
    return floats if (low, high) == (-1, 1) else (low + (floats + 1) * ((high - low) / 2)).astype(np.float32)


@may_underflow
def to_bytes(x, pixels=(-1.0, 1.0)):
    """Convert floating-point pictures x, of any shape, to a new uint8 array: the inverse of `to_floats`.

    pixels = (lowest, highest) is the range of x. A value v becomes 255 (v - lowest) / (highest - lowest),
    rounded to the nearest integer; values outside the range become 0 or 255.
    """
    low, high = pixels
    return np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)
