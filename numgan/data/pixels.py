"""Pixels: conversion of bytes to the floating-point inputs of networks, and the inverse."""

import numpy as np

from ..core.underflow import may_underflow


@may_underflow
def to_floats(x, pixels=(-1.0, 1.0)):
    """Convert pictures x (N, H, W, C) uint8 to float32 in the range pixels = (lowest, highest).

    Byte 0 becomes lowest, byte 255 becomes highest.
    """
    low, high = pixels
    floats = x / np.float32(127.5)
    floats -= 1
    return floats if (low, high) == (-1, 1) else (low + (floats + 1) * ((high - low) / 2)).astype(np.float32)


@may_underflow
def to_bytes(x, pixels=(-1.0, 1.0)):
    """Convert pictures x in the range pixels = (lowest, highest) to uint8: the inverse of `to_floats`.

    lowest becomes byte 0, highest becomes byte 255. Values outside the range are clipped. Other values are
    rounded to the nearest byte.
    """
    low, high = pixels
    return np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)
