"""The kernels: one definition (reference.py), one fast implementation (compiled.py), chosen once and switchable.

Every function here checks its arguments once, names what is wrong, counts the call and hands over to the chosen backend.
Layers call these functions and nothing else; below this line there are no shape checks.
"""

import math
import os
from collections import Counter
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np

from . import reference
from .reference import output_size

if find_spec("._core", __package__):
    from . import compiled                       # a build that is there but does not load is an error, not a reason to be slow
else:
    compiled = None

_BUILD = "build them with `pip install .` in a fresh copy of the sources (a C compiler is needed), or set NUMGAN_PURE=1 for the NumPy-only version"


def _choose():
    """The backend at import: compiled if it is there; a source tree or a CI run without kernels must not pass for one with them."""
    asked = os.environ.get("NUMGAN_PURE") or "0"
    if asked not in ("0", "1"):
        raise ValueError(f"NUMGAN_PURE: expected 1 (NumPy alone) or 0 (the compiled kernels), got {asked!r}; set it to one or unset it")
    if compiled is None and os.environ.get("NUMGAN_REQUIRE_KERNELS") == "1":
        raise ImportError(f"numgan: NUMGAN_REQUIRE_KERNELS=1, but the compiled kernels are missing; {_BUILD}")
    if compiled is None and asked == "0" and Path(__file__).with_name("_core.pyx").exists():
        raise ImportError(
            f"numgan was imported from its source tree ({Path(__file__).parents[1]}), where the compiled kernels are not built. Leave this folder to "
            "use the installed package, or build in place with `pip install -e .`, or set NUMGAN_PURE=1 to run on the NumPy reference kernels.")
    return "reference" if asked == "1" or compiled is None else "compiled"


_chosen = _choose()
_modules = {"reference": reference, "compiled": compiled}
_counters = []


def backend():
    """The name of the kernels in use: "compiled" or "reference"."""
    return _chosen


def instruction_set():
    """What the compiled kernels run on: "avx512", "avx2" or "baseline"; None with the reference kernels."""
    return compiled._core.isa() if _chosen == "compiled" else None


def instruction_sets():
    """What they could run on here, the best one last: NUMGAN_ISA chooses. Empty without compiled kernels."""
    return compiled._core.isas() if compiled else []


def num_threads():
    """How many threads a large kernel call uses; the reference kernels leave it to NumPy's BLAS (see `numgan doctor`)."""
    return compiled.num_threads() if compiled else 1


def set_num_threads(n):
    """Use n threads from the next kernel call on; results do not change by a bit. Raises ValueError unless n is an integer, 1 to 256."""
    if compiled:
        compiled.set_num_threads(n)
    elif not isinstance(n, int) or not 1 <= n <= 256:
        raise ValueError(f"set_num_threads: expected a number of threads, 1 to 256, got {n!r}")


def measured_peak(itemsize=4):
    """GFLOP/s of multiply-adds on registers alone, on the present number of threads; itemsize 4 or 8. None with the reference kernels."""
    return compiled.measured_peak(itemsize) if _chosen == "compiled" else None


class use_backend:
    """Switch the kernels: `use_backend("reference")` from now on, or `with use_backend("reference"):` for a block.

    Raises ValueError for an unknown name and ImportError if the compiled kernels were not built.
    """

    def __init__(self, name):
        global _chosen
        if name not in _modules:
            raise ValueError(f"use_backend: expected one of {', '.join(_modules)}, got {name!r}")
        if _modules[name] is None:
            raise ImportError(f"use_backend: the compiled kernels are missing; {_BUILD}")
        self._before, _chosen = _chosen, name

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        global _chosen
        _chosen = self._before

    def __repr__(self):
        return f"use_backend({_chosen!r})"


class use_fast_convolutions:
    """Let float32 convolutions take the Toom-Cook algorithm (fast.h; on from the start), or with False the direct kernels only.

    From now on, or `with use_fast_convolutions(False):` for a block. The fast ones round a little more, and inf or nan spreads to
    the whole 4 x 4 tile. float64 and the reference kernels are always direct.
    """

    def __init__(self, on=True):
        if compiled:
            self._before, compiled.products.fast_convolutions = compiled.products.fast_convolutions, bool(on)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if compiled:
            compiled.products.fast_convolutions = self._before

    def __repr__(self):
        return f"use_fast_convolutions({fast_convolutions()})"


def fast_convolutions():
    """Whether float32 convolutions may take the Toom-Cook algorithm now."""
    return _chosen == "compiled" and compiled.products.fast_convolutions


class kernel_calls:
    """Count kernel calls by name in a block: `with kernel_calls() as calls: ...; calls["conv2d_weight_gradient"]`."""

    def __enter__(self):
        self._counter = Counter()
        _counters.append(self._counter)
        return self._counter

    def __exit__(self, *exception):
        _counters[:] = [counter for counter in _counters if counter is not self._counter]


def _kernel(name, counted=None):
    """The chosen backend's function `name`; the call is counted under its own name unless another is given."""
    for counter in _counters:
        counter[counted or name] += 1
    return getattr(_modules[_chosen], name)


def empty(shape, dtype):
    """np.empty, for large arrays that come again at every step: memory that nobody holds any more is used again, without page faults."""
    return compiled.empty(shape, np.dtype(dtype)) if _chosen == "compiled" else np.empty(shape, dtype)


def release_memory():
    """Free the memory that is kept for coming outputs, between two models, say; no array loses its own. Returns how many bytes that was."""
    return compiled._core.free_kept() if compiled else 0


_FLOATS = np.dtype(np.float32), np.dtype(np.float64)    # in the machine's own byte order


OPTIONAL = "bias", "gate", "two"     # arrays that may be left out, where a kernel has them


def _check(kernel, **arrays):
    """Every array a float32 or float64 ndarray of its number of dimensions (name=(array, ndim); None: any), all of one dtype;
    of the OPTIONAL ones None passes."""
    first = None
    for name, (array, ndim) in arrays.items():
        if array is None and name in OPTIONAL:
            continue
        if not isinstance(array, np.ndarray) or array.dtype not in _FLOATS:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"{kernel}: expected {name} as a float32 or float64 array, got {got}")
        if ndim is not None and array.ndim != ndim:
            raise ValueError(f"{kernel}: expected {name} with {ndim} dimensions, got shape {array.shape}")
        if first is None:
            first = name, array.dtype
        elif array.dtype != first[1]:
            raise TypeError(f"{kernel}: {first[0]} is {first[1]} but {name} is {array.dtype}; convert one of them")


def _agree(kernel, what, expected, got):
    if expected != got:
        raise ValueError(f"{kernel}: expected {what} {expected}, got {got}")


def _check_window(kernel, taps, stride, padding, size):
    """The size of what comes out, if the window fits."""
    for name, value in (("kernel", taps), ("stride", stride), ("padding", padding), ("size", size)):
        if not (isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(n, (int, np.integer)) for n in value)):
            raise TypeError(f"{kernel}: expected {name} as a pair of integers (vertical, horizontal), got {value!r}")
    if min(taps) < 1 or min(stride) < 1 or min(padding) < 0:
        raise ValueError(f"{kernel}: expected kernel and stride >= 1 and padding >= 0, got {tuple(taps)}, {tuple(stride)}, {tuple(padding)}")
    out = output_size(size, taps, stride, padding)
    if min(out) < 1:
        raise ValueError(f"{kernel}: a {taps[0]}x{taps[1]} window does not fit an input of {size[0]}x{size[1]} padded by {tuple(padding)}")
    return out


def _check_finish(kernel, shape, bias, slope, gate):
    """What is to be done to a result of this shape at the end: see reference._finish."""
    if bias is not None:
        _agree(kernel, "bias of length", shape[-1], bias.shape[0])
    if gate is not None:
        _agree(kernel, "gate of shape", shape, gate.shape)
    _check_slope(kernel, slope)


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """C = A B, finished          A (M, K)   B (K, N)   bias (N,)   gate, C (M, N); any strides"""
    _check("matmul", a=(a, 2), b=(b, 2), bias=(bias, 1), gate=(gate, 2))
    _agree("matmul", "b with rows", a.shape[1], b.shape[0])
    _check_finish("matmul", (a.shape[0], b.shape[1]), bias, slope, gate)
    return _kernel("matmul")(a, b, bias, slope, gate)


def dense_weight_gradient(x, dy):
    """dW = x' dy          x (N, I)   dy (N, O)   dW (I, O); a matmul, counted under its own name"""
    _check("dense_weight_gradient", x=(x, 2), dy=(dy, 2))
    _agree("dense_weight_gradient", "dy with rows", x.shape[0], dy.shape[0])
    return _kernel("matmul", counted="dense_weight_gradient")(x.T, dy)


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """y = x * w, finished          x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)"""
    _check("conv2d", x=(x, 4), w=(w, 4), bias=(bias, 1), gate=(gate, 4))
    out = _check_window("conv2d", w.shape[:2], stride, padding, x.shape[1:3])
    _agree("conv2d", "x with channels", w.shape[2], x.shape[3])
    _check_finish("conv2d", (len(x), *out, w.shape[3]), bias, slope, gate)
    return _kernel("conv2d")(x, w, stride, padding, bias, slope, gate)


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """dx = transpose of conv2d in x, finished          dy (N, HO, WO, O)   w (KH, KW, C, O)   bias (C,)   size (H, W)   gate, dx (N, H, W, C)"""
    if size is None:
        raise ValueError("conv2d_input_gradient: expected size (H, W), of the input whose gradient is asked for, got None")
    _check("conv2d_input_gradient", dy=(dy, 4), w=(w, 4), bias=(bias, 1), gate=(gate, 4))
    out = _check_window("conv2d_input_gradient", w.shape[:2], stride, padding, size)
    _agree("conv2d_input_gradient", "dy with channels", w.shape[3], dy.shape[3])
    _agree("conv2d_input_gradient", f"dy for an input of {tuple(size)} with size", out, dy.shape[1:3])
    _check_finish("conv2d_input_gradient", (len(dy), *size, w.shape[2]), bias, slope, gate)
    return _kernel("conv2d_input_gradient")(dy, w, stride, padding, tuple(size), bias, slope, gate)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    """dw = x' * dy          x (N, H, W, C)   dy (N, HO, WO, O)   kernel (KH, KW)   dw (KH, KW, C, O)"""
    _check("conv2d_weight_gradient", x=(x, 4), dy=(dy, 4))
    out = _check_window("conv2d_weight_gradient", kernel, stride, padding, x.shape[1:3])
    _agree("conv2d_weight_gradient", "dy with batch and size", (x.shape[0], *out), dy.shape[:3])
    return _kernel("conv2d_weight_gradient")(x, dy, tuple(kernel), stride, padding)


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    """y = max over windows, and its flat position h W + w          x (N, H, W, C)   y, index (N, HO, WO, C)"""
    _check("max_pool2d", x=(x, 4))
    _check_window("max_pool2d", kernel, stride, padding, x.shape[1:3])
    if any(2 * p > k for k, p in zip(kernel, padding)):
        raise ValueError(f"max_pool2d: expected padding of at most half the kernel {tuple(kernel)}, got {tuple(padding)}")
    return _kernel("max_pool2d")(x, tuple(kernel), stride, padding)


def max_pool2d_gradient(dy, index, size):
    """dx[n, index, c] += dy          dy, index (N, HO, WO, C)   size (H, W)   dx (N, H, W, C)"""
    _check("max_pool2d_gradient", dy=(dy, 4))
    _agree("max_pool2d_gradient", "index of shape", dy.shape, index.shape)
    if index.dtype != np.int64 or index.size and not 0 <= index.min() <= index.max() < size[0] * size[1]:
        raise ValueError(f"max_pool2d_gradient: expected int64 index within 0..{size[0] * size[1] - 1}; pass what max_pool2d returned")
    return _kernel("max_pool2d_gradient")(dy, index, tuple(size))


def _check_update(kernel, written, g, *, length):
    """The vectors that an update writes {name: (P,)}, and g, which it reads: contiguous, of one length, none over another's memory."""
    vectors = {name: vector for name, vector in {**written, **g}.items() if vector is not None}
    _check(kernel, **{name: (vector, 1) for name, vector in vectors.items()})
    for name, vector in vectors.items():
        _agree(kernel, f"{name} of length", length, len(vector))
        if not (vector.flags.c_contiguous and vector.flags.aligned and (vector.flags.writeable or name in g)):
            raise ValueError(f"{kernel}: expected {name} contiguous, aligned{'' if name in g else ' and writeable'}; pass a copy")
    for one, other in combinations(vectors, 2):
        if np.may_share_memory(vectors[one], vectors[other]):
            raise ValueError(f"{kernel}: {one} and {other} lie over each other in memory; pass a copy of one")


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    """Adam's rule, in place; returns whether all that it wrote is finite          p, g, m, v (P,)   step = 1, 2, ... counts this update too"""
    _check_update("adam", {"p": p, "m": m, "v": v}, {"g": g}, length=p.size)
    return _kernel("adam")(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay, clip)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    """RMSProp's rule, in place; returns whether all that it wrote is finite          p, g, v (P,)"""
    _check_update("rmsprop", {"p": p, "v": v}, {"g": g}, length=p.size)
    return _kernel("rmsprop")(p, g, v, lr, decay, eps, weight_decay, clip)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    """Descent with momentum, or without where m is None, in place; returns whether all that it wrote is finite          p, g, m (P,)"""
    _check_update("sgd", {"p": p, "m": m}, {"g": g}, length=p.size)
    return _kernel("sgd")(p, g, m, lr, momentum, nesterov, weight_decay, clip)


def moving_average(average, p, decay):
    """average = decay average + (1 - decay) p, in place          average, p (P,)"""
    _check_update("moving_average", {"average": average}, {"p": p}, length=average.size)
    _kernel("moving_average")(average, p, decay)


def add(one, two, out):
    """out = one + two, or one where two is None; out contiguous          one, two, out of one shape"""
    _check("add", one=(one, None), two=(two, None), out=(out, None))
    for name, x in {"one": one, "two": out if two is None else two}.items():
        _agree("add", f"{name} of shape", out.shape, x.shape)
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("add: expected out contiguous, aligned and writeable")
    _kernel("add")(one, two, out)


def all_finite(x):
    """Whether no element of x, of any shape, is inf or nan."""
    _check("all_finite", x=(x, None))
    return _kernel("all_finite")(x)


def _check_channels(kernel, rows, channels):
    """rows {name: (P, C)} of one shape, channels {name: (C,)}, all of one dtype."""
    if missing := [name for name, x in channels.items() if x is None]:
        raise TypeError(f"{kernel}: expected {missing[0]} as an array (C,), got None")
    _check(kernel, **{name: (x, 2) for name, x in rows.items()}, **{name: (x, 1) for name, x in channels.items()})
    first, *others = rows
    for name in others:
        _agree(kernel, f"{name} of shape", rows[first].shape, rows[name].shape)
    for name, x in channels.items():
        _agree(kernel, f"{name} of length", rows[first].shape[1], len(x))


def channel_moments(x):
    """Mean and variance over rows          x (P, C), P >= 1   mean, variance (C,)"""
    _check("channel_moments", x=(x, 2))
    if not len(x):
        raise ValueError(f"channel_moments: expected at least one row, got x of shape {x.shape}")
    return _kernel("channel_moments")(x)


def normalize(x, mean, scale, bias, slope=1.0):
    """y = (x - mean) scale + bias, then a leaky unit          x, y (P, C)   mean, scale, bias (C,)   slope 1: no unit"""
    _check_channels("normalize", {"x": x}, {"mean": mean, "scale": scale, "bias": bias})
    _check_slope("normalize", slope)
    return _kernel("normalize")(x, mean, scale, bias, slope)


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    """sum over rows of d, and of d (x - mean)          dy, x (P, C)   mean, both sums (C,)

    d is dy, or with scale, bias (C,) and a slope what comes of dy below the leaky unit of normalize
    """
    _check_channels("channel_products", {"dy": dy, "x": x}, {"mean": mean} | _unit("channel_products", slope, scale=scale, bias=bias))
    return _kernel("channel_products")(dy, x, mean, scale, bias, slope)


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    """dx = (d - centre - (x - mean) share) scale          dy, x, dx (P, C)   mean, scale, centre, share, bias (C,)   d as in channel_products"""
    channels = {"mean": mean, "scale": scale, "centre": centre, "share": share} | _unit("normalize_gradient", slope, bias=bias)
    _check_channels("normalize_gradient", {"dy": dy, "x": x}, channels)
    return _kernel("normalize_gradient")(dy, x, mean, scale, centre, share, bias, slope)


def _unit(kernel, slope, **channels):
    """Those of the channels that a leaky unit's sign needs: all of them, unless its slope is 1 and there is none."""
    _check_slope(kernel, slope)
    if slope != 1 and (missing := [name for name, x in channels.items() if x is None]):
        raise ValueError(f"{kernel}: expected {missing[0]} (C,) with slope {slope}: the unit's sign is that of (x - mean) scale + bias; got None")
    return {} if slope == 1 else channels


def column_sum(x):
    """sum over rows of x: the gradient of a bias          x (P, C)   sum (C,)"""
    _check("column_sum", x=(x, 2))
    return _kernel("column_sum")(x)


def _check_slope(kernel, slope):
    if not (isinstance(slope, (int, float, np.number)) and 0 <= slope < math.inf):
        raise ValueError(f"{kernel}: expected slope as a finite number >= 0, so that y has the sign of x, got {slope!r}")


def leaky_relu(x, slope):
    """y = x if x > 0 else slope x          x, y of any shape; slope >= 0, 0 is ReLU"""
    _check("leaky_relu", x=(x, None))
    _check_slope("leaky_relu", slope)
    return _kernel("leaky_relu")(x, slope)


def leaky_relu_gradient(dy, y, slope):
    """dx = dy if y > 0 else slope dy          dy, y, dx of one shape; y of leaky_relu, which has the sign of x"""
    _check("leaky_relu_gradient", dy=(dy, None), y=(y, None))
    _agree("leaky_relu_gradient", "y of shape", dy.shape, y.shape)
    _check_slope("leaky_relu_gradient", slope)
    return _kernel("leaky_relu_gradient")(dy, y, slope)
