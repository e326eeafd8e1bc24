"""The kernels: functions of arrays with loops that take much time. Layers call only the functions here.

reference.py defines each kernel in NumPy. compiled.py has a fast version in C. readable.py has a version of
some kernels, to read and change. Such a set of kernels is a backend. Import chooses one backend, and
`use_backend` switches to another. Each kernel function here checks its arguments, counts the call and calls
the backend's function of the same name. The backends check no shapes. "finish" below is `reference.finish`:
it adds bias, then applies LeakyReLU or, with a gate, its derivative.
"""

import math
import os
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from . import door, reference
from .reference import output_size

if find_spec("._core", __package__):
    from . import compiled  # raises an error if the build exists but does not load: no silent slow run
else:
    compiled = None
if find_spec("._readable", __package__):
    from . import readable
else:
    readable = None

_BUILD = (
    "build them with `pip install .` in a fresh copy of the sources (a C compiler is needed), "
    "or set NUMGAN_PURE=1 for the NumPy-only version"
)

KERNELS = tuple(
    """matmul conv2d conv2d_input_gradient conv2d_weight_gradient max_pool2d max_pool2d_gradient
    adam rmsprop sgd moving_average add all_finite
    channel_moments normalize channel_products normalize_gradient column_sum
    leaky_relu leaky_relu_gradient""".split()
)


def _completed(own):
    """A backend: an object with every kernel as an attribute, from `own` {name: function} or reference.py."""
    return SimpleNamespace(**{name: own.get(name, getattr(reference, name)) for name in KERNELS})


_modules = {"reference": reference, "cython": readable and _completed(vars(readable)), "compiled": compiled}
BUILT_IN = tuple(_modules)


def _choose():
    """The name of the backend at import, from environment variables and from what was built.

    Returns NUMGAN_BACKEND if it is set. Otherwise returns "reference" if NUMGAN_PURE=1 or if the compiled
    kernels were not built, and "compiled" if they were. Raises ValueError for a wrong variable. Raises
    ImportError if missing kernels are required by NUMGAN_BACKEND or NUMGAN_REQUIRE_KERNELS=1, or if numgan is
    imported from its source tree without compiled kernels and neither NUMGAN_BACKEND nor NUMGAN_PURE=1 is
    set.
    """
    pure, asked = os.environ.get("NUMGAN_PURE") or "0", os.environ.get("NUMGAN_BACKEND")
    if pure not in ("0", "1"):
        raise ValueError(
            f"NUMGAN_PURE: expected 1 (NumPy alone) or 0 (the compiled kernels), got {pure!r}; "
            "set it to one or unset it"
        )
    if asked and asked not in _modules:
        raise ValueError(
            f"NUMGAN_BACKEND: expected one of {', '.join(_modules)}, got {asked!r}; set it to one or unset it"
        )
    if asked and pure == "1" and asked != "reference":
        raise ValueError(
            f"NUMGAN_BACKEND: {asked} contradicts NUMGAN_PURE=1, which means reference; unset one of them"
        )
    if compiled is None and os.environ.get("NUMGAN_REQUIRE_KERNELS") == "1":
        raise ImportError(f"numgan: NUMGAN_REQUIRE_KERNELS=1, but the compiled kernels are missing; {_BUILD}")
    if asked and _modules[asked] is None:
        raise ImportError(f"numgan: NUMGAN_BACKEND={asked}, but the {asked} kernels are missing; {_BUILD}")
    if compiled is None and pure == "0" and not asked and Path(__file__).with_name("_core.pyx").exists():
        raise ImportError(
            f"numgan was imported from its source tree ({Path(__file__).parents[1]}), where the compiled "
            "kernels are not built. Leave this folder to use the installed package, or build in place with "
            "`pip install -e .`, or set NUMGAN_PURE=1 to run on the NumPy reference kernels."
        )
    return asked or ("reference" if pure == "1" or compiled is None else "compiled")


_chosen = _choose()
_counters = []


def backend():
    """The name of the backend in use: "compiled", "cython", "reference", or one that you registered."""
    return _chosen


def instruction_set():
    """The instruction set in use, "avx512", "avx2" or "baseline"; None if the backend is not "compiled"."""
    return compiled._core.isa() if _chosen == "compiled" else None


def instruction_sets():
    """A list of the names of this processor's instruction sets, best last; [] without compiled kernels."""
    return compiled._core.isas() if compiled else []


def num_threads():
    """The number of threads of a large kernel call; 1 without compiled kernels (BLAS has its own number)."""
    return compiled.num_threads() if compiled else 1


def set_num_threads(n):
    """Use n threads from the next kernel call on. The results stay equal in every bit. Raises ValueError
    unless n is an integer from 1 to 256. Without compiled kernels, n is only checked.
    """
    if compiled:
        compiled.set_num_threads(n)
    elif not isinstance(n, int) or not 1 <= n <= 256:
        raise ValueError(f"set_num_threads: expected a number of threads, 1 to 256, got {n!r}")


def measured_peak(itemsize=4):
    """The measured peak in GFLOP/s: multiply-adds on registers alone, with the current number of threads.
    itemsize is the bytes of a number, 4 (the default) or 8. None if the backend is not "compiled".
    """
    return compiled.measured_peak(itemsize) if _chosen == "compiled" else None


class _Switch:
    """Base class of settings of the kernels: the end of a `with` block restores the value before, _before."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        type(self)(self._before)


class use_backend(_Switch):
    """Switch the backend: `use_backend("cython")` from now on, or `with use_backend("cython"):` for a block.

    "reference" is NumPy. "compiled" has the fast kernels in C. "cython" has a matrix product and the
    convolutions, to read and change, and reference kernels. `register_backend` adds your own backend.
    Raises ValueError for an unknown name, and ImportError if the kernels of that name were not built.
    """

    def __init__(self, name):
        global _chosen
        if name not in _modules:
            raise ValueError(f"use_backend: expected one of {', '.join(_modules)}, got {name!r}")
        if _modules[name] is None:
            raise ImportError(f"use_backend: the {name} kernels are missing; {_BUILD}")
        self._before, _chosen = _chosen, name

    def __repr__(self):
        return f"use_backend({_chosen!r})"


def register_backend(name, kernels):
    """Make your own kernels a backend: `register_backend("mine", {"matmul": f})`, then `use_backend("mine")`.

    kernels   {name: function}, or a module whose functions have names of kernels. The reference backend
              supplies the missing kernels.

    Each function has the parameters and the result of the function with the same name in reference.py. It is
    called with checked arguments, by position, and does all the work of the kernel. So a `matmul` also
    applies bias, slope and gate; its last line can be `return reference.finish(c, bias, slope, gate)`. The
    same name again replaces your backend. Raises ValueError if `name` is not a string, is empty or is a
    built-in backend, for an unknown kernel, or for no kernel. Raises TypeError for other types.
    """
    if not isinstance(name, str) or not name or name in BUILT_IN:
        raise ValueError(f"register_backend: expected a name other than {', '.join(BUILT_IN)}, got {name!r}")
    if isinstance(kernels, ModuleType):
        kernels = {kernel: getattr(kernels, kernel) for kernel in KERNELS if hasattr(kernels, kernel)}
    if not isinstance(kernels, Mapping):
        raise TypeError(
            f"register_backend: expected kernels as a dict or a module, got {type(kernels).__name__}"
        )
    unknown = [kernel for kernel in kernels if kernel not in KERNELS]
    if unknown or not kernels:
        raise ValueError(
            f"register_backend: expected kernels named as {', '.join(KERNELS)}, "
            f"got {unknown[0] if unknown else 'none'!r}"
        )
    for kernel, function in kernels.items():
        if not callable(function):
            raise TypeError(
                f"register_backend: expected {kernel} as a function, got {type(function).__name__}"
            )
    _modules[name] = _completed(kernels)


class use_fast_convolutions(_Switch):
    """Allow the Toom-Cook algorithm (c/fast.h) for float32 convolutions; on=False: direct kernels only.

    `use_fast_convolutions(False)` holds from now on, `with use_fast_convolutions(False):` for a block. At
    import the algorithm is allowed. It has slightly larger rounding errors, and an inf or nan spreads to a
    whole 4 x 4 tile of the output. float64 and the backends other than "compiled" are always direct.
    """

    def __init__(self, on=True):
        self._before = compiled and compiled.products.fast_convolutions
        if compiled:
            compiled.products.fast_convolutions = bool(on)

    def __repr__(self):
        return f"use_fast_convolutions({fast_convolutions()})"


def fast_convolutions():
    """Whether float32 convolutions may use the Toom-Cook algorithm; False for backends but "compiled"."""
    return _chosen == "compiled" and compiled.products.fast_convolutions


class kernel_calls:
    """Count kernel calls in a block: `with kernel_calls() as calls:`; calls is a Counter {kernel: calls}."""

    def __enter__(self):
        self._counter = Counter()
        _counters.append(self._counter)
        return self._counter

    def __exit__(self, *exception):
        _counters[:] = [counter for counter in _counters if counter is not self._counter]


def _kernel(name, *arrays, counted=None):
    """The function of the kernel `name`: of the backend in use or, if an array is empty, of reference.py.
    (A compiled kernel could loop very long over a huge axis of another array, and add nothing.)
    The call is counted under `counted`, or under `name` if that is None.
    """
    for counter in _counters:
        counter[counted or name] += 1
    empty_array = any(x is not None and not x.size for x in arrays)
    return getattr(reference if empty_array else _modules[_chosen], name)


def empty(shape, dtype):
    """A new array with any values, as np.empty gives; the backend "compiled" may reuse freed memory."""
    if _chosen == "compiled":
        return compiled.empty(tuple(map(int, shape)), np.dtype(dtype))
    return np.empty(shape, dtype)


def release_memory():
    """Free the memory of deleted arrays that `empty` keeps for reuse. Returns the number of freed bytes."""
    return compiled._core.free_kept() if compiled else 0


def matmul(a, b, bias=None, slope=1.0, gate=None):
    """C = A B, then bias (if not None) is added, then LeakyReLU or, with a gate, its derivative is applied
    a (M, K)   b (K, N)   bias (N,)   gate, c (M, N)   with any strides; slope 1: no LeakyReLU
    TypeError for wrong types and dtypes, ValueError for wrong shapes: so does every kernel here (see door.py)
    """
    a, b, bias, gate = door.arrays("matmul", a=a, b=b, bias=bias, gate=gate)
    door.agree("matmul", "b with rows", a.shape[1], b.shape[0])
    slope = door.finish("matmul", (a.shape[0], b.shape[1]), bias, gate, slope)
    return _kernel("matmul", a, b)(a, b, bias, slope, gate)


def dense_weight_gradient(x, dy):
    """dW = x' dy, where x' is the transpose; a matmul that `kernel_calls` counts as "dense_weight_gradient"
    x (N, I)   dy (N, O)   dW (I, O)
    """
    x, dy = door.arrays("dense_weight_gradient", x=x, dy=dy)
    door.agree("dense_weight_gradient", "dy with rows", x.shape[0], dy.shape[0])
    return _kernel("matmul", x, dy, counted="dense_weight_gradient")(x.T, dy)


def conv2d(x, w, stride=(1, 1), padding=(0, 0), bias=None, slope=1.0, gate=None):
    """y = the convolution of x with w (formula: reference.py); then bias, LeakyReLU or gate as in `matmul`
    x (N, H, W, C)   w (KH, KW, C, O)   bias (O,)   gate, y (N, HO, WO, O)   stride, padding: pairs
    """
    x, w, bias, gate = door.arrays("conv2d", x=x, w=w, bias=bias, gate=gate)
    _, stride, padding, _, out = door.window("conv2d", w.shape[:2], stride, padding, x.shape[1:3])
    door.agree("conv2d", "x with channels", w.shape[2], x.shape[3])
    slope = door.finish("conv2d", (len(x), *out, w.shape[3]), bias, gate, slope)
    return _kernel("conv2d", x, w)(x, w, stride, padding, bias, slope, gate)


def conv2d_input_gradient(dy, w, stride=(1, 1), padding=(0, 0), size=None, bias=None, slope=1.0, gate=None):
    """dx = the transpose of conv2d (a linear map of x), applied to dy; bias, LeakyReLU, gate as in `matmul`
    dy (N, HO, WO, O)   w (KH, KW, C, O)   bias (C,)   gate, dx (N, H, W, C)   size (H, W) is required
    stride and padding are pairs (vertical, horizontal)
    """
    if size is None:
        raise ValueError(
            "conv2d_input_gradient: expected size (H, W), of the input whose gradient is computed, got None"
        )
    dy, w, bias, gate = door.arrays("conv2d_input_gradient", dy=dy, w=w, bias=bias, gate=gate)
    _, stride, padding, size, out = door.window("conv2d_input_gradient", w.shape[:2], stride, padding, size)
    door.agree("conv2d_input_gradient", "dy with channels", w.shape[3], dy.shape[3])
    door.agree("conv2d_input_gradient", f"dy of the size that an input of {size} gives:", out, dy.shape[1:3])
    slope = door.finish("conv2d_input_gradient", (len(dy), *size, w.shape[2]), bias, gate, slope)
    return _kernel("conv2d_input_gradient", dy, w)(dy, w, stride, padding, size, bias, slope, gate)


def conv2d_weight_gradient(x, dy, kernel, stride=(1, 1), padding=(0, 0)):
    """dw = the weight gradient of conv2d, from its input x and dy, the derivative with respect to its output
    x (N, H, W, C)   dy (N, HO, WO, O)   kernel (KH, KW)   dw (KH, KW, C, O)   stride, padding: pairs
    """
    x, dy = door.arrays("conv2d_weight_gradient", x=x, dy=dy)
    kernel, stride, padding, _, out = door.window(
        "conv2d_weight_gradient", kernel, stride, padding, x.shape[1:3]
    )
    door.agree("conv2d_weight_gradient", "dy with batch and size", (x.shape[0], *out), dy.shape[:3])
    return _kernel("conv2d_weight_gradient", x, dy)(x, dy, kernel, stride, padding)


def max_pool2d(x, kernel, stride, padding=(0, 0)):
    """(y, index): the maximum of each window of x, and the number h W + w of its pixel (h, w), int64
    x (N, H, W, C)   y, index (N, HO, WO, C)   kernel (window size), stride, padding: pairs
    """
    (x,) = door.arrays("max_pool2d", x=x)
    kernel, stride, padding, size, _ = door.window("max_pool2d", kernel, stride, padding, x.shape[1:3])
    if any(2 * p > k for k, p in zip(kernel, padding)):
        raise ValueError(f"max_pool2d: expected padding of at most half the kernel {kernel}, got {padding}")
    if min(size) < 1:
        raise ValueError(f"max_pool2d: expected a picture of at least one pixel, got {size[0]}x{size[1]}")
    return _kernel("max_pool2d", x)(x, kernel, stride, padding)


def max_pool2d_gradient(dy, index, size):
    """dx, the input gradient of max_pool2d: every entry of dy is added to the pixel that index names
    dy, index (N, HO, WO, C)   size (H, W)   dx (N, H, W, C)
    """
    (dy,) = door.arrays("max_pool2d_gradient", dy=dy)
    size = door.pair("max_pool2d_gradient", "size", size, 0)
    index = door.pool_index("max_pool2d_gradient", index, dy.shape, size)
    return _kernel("max_pool2d_gradient", dy)(dy, index, size)


def adam(p, g, m, v, lr, beta1, beta2, eps, step, weight_decay=0.0, clip=math.inf):
    """Update p, m and v by Adam with gradient g, in place. Returns whether the new p, m and v are finite.
    p, g, m, v (P,)   step = 1, 2, ... counts updates; the numbers are those of the formulas in reference.py
    """
    p, m, v, g = door.vectors("adam", read="g", p=p, m=m, v=v, g=g)
    constants = door.constants("adam", lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    around = door.constants("adam", weight_decay=weight_decay, clip=clip)
    return _kernel("adam", p)(p, g, m, v, *constants, door.count("adam", "step", step), *around)


def rmsprop(p, g, v, lr, decay, eps, weight_decay=0.0, clip=math.inf):
    """Update p and v by RMSProp with gradient g, in place; p, g, v (P,). Returns whether p, v are finite."""
    p, v, g = door.vectors("rmsprop", read="g", p=p, v=v, g=g)
    constants = door.constants("rmsprop", lr=lr, decay=decay, eps=eps, weight_decay=weight_decay, clip=clip)
    return _kernel("rmsprop", p)(p, g, v, *constants)


def sgd(p, g, m, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=math.inf):
    """Update p and m by gradient descent with momentum, in place; g is the gradient; p, g, m (P,).
    Returns whether the new p and m are finite. m may be None if momentum is 0 (otherwise TypeError). Then the
    result is whether p and g + weight_decay p are finite.
    """
    p, m, g = door.vectors("sgd", read="g", p=p, m=m, g=g)
    lr, momentum, *around = door.constants(
        "sgd", lr=lr, momentum=momentum, weight_decay=weight_decay, clip=clip
    )
    if m is None and momentum:
        raise TypeError(
            f"sgd: expected m as a float32 or float64 array with momentum {momentum}, got NoneType"
        )
    return _kernel("sgd", p)(p, g, m, lr, momentum, bool(nesterov), *around)


def moving_average(average, p, decay):
    """Update average = decay average + (1 - decay) p in place          average, p (P,)   decay from 0 to 1"""
    average, p = door.vectors("moving_average", read="p", average=average, p=p)
    _kernel("moving_average", p)(average, p, *door.constants("moving_average", decay=decay))


def add(one, two, out):
    """Write out = one + two, or out = one if two is None      one, two, out of one shape; out contiguous"""
    one, two, out = door.arrays("add", one=one, two=two, out=out)
    door.output("add", out, one=one, two=two)
    _kernel("add", out)(one, two, out)


def all_finite(x):
    """Whether no element of x is inf or nan          x of any shape"""
    (x,) = door.arrays("all_finite", x=x)
    return _kernel("all_finite", x)(x)


def channel_moments(x):
    """(mean, variance) of each column of x          x (P, C), P >= 1   mean, variance (C,)"""
    (x,) = door.arrays("channel_moments", x=x)
    if not len(x):
        raise ValueError(f"channel_moments: expected at least one row, got x of shape {x.shape}")
    return _kernel("channel_moments", x)(x)


def normalize(x, mean, scale, bias, slope=1.0):
    """y = (x - mean) scale + bias, then LeakyReLU; slope 1: no LeakyReLU
    x, y (P, C)   mean, scale, bias (C,)
    """
    x, mean, scale, bias = door.channels("normalize", x=x, mean=mean, scale=scale, bias=bias)
    return _kernel("normalize", x)(x, mean, scale, bias, door.slope("normalize", slope))


def channel_products(dy, x, mean, scale=None, bias=None, slope=1.0):
    """(sum over rows of d, sum over rows of d (x - mean))          dy, x (P, C)   mean, both sums (C,)

    With slope 1, d is dy. Otherwise dy is the gradient with respect to the output of `normalize`, and d is
    that with respect to the input of its LeakyReLU. Then scale and bias (C,) are needed.
    """
    slope, sign = _sign_arrays("channel_products", slope, scale=scale, bias=bias)
    dy, x, mean, scale, bias = door.channels("channel_products", dy=dy, x=x, mean=mean, **sign)
    return _kernel("channel_products", x)(dy, x, mean, scale, bias, slope)


def normalize_gradient(dy, x, mean, scale, centre, share, bias=None, slope=1.0):
    """dx = (d - centre - (x - mean) share) scale, with d as in channel_products
    dy, x, dx (P, C)   mean, scale, centre, share, bias (C,)   bias is needed unless slope is 1
    """
    slope, sign = _sign_arrays("normalize_gradient", slope, bias=bias)
    dy, x, mean, scale, centre, share, bias = door.channels(
        "normalize_gradient", dy=dy, x=x, mean=mean, scale=scale, centre=centre, share=share, **sign
    )
    return _kernel("normalize_gradient", x)(dy, x, mean, scale, centre, share, bias, slope)


def _sign_arrays(kernel, slope, **channels):
    """Check `channels`, the arrays that give the sign of LeakyReLU's input. Returns (slope, {name: array}).
    slope is a float. With slope 1 no sign is needed: the arrays become None. With another slope an array that
    is None raises ValueError.
    """
    slope = door.slope(kernel, slope)
    if slope != 1 and (missing := [name for name, x in channels.items() if x is None]):
        raise ValueError(
            f"{kernel}: expected {missing[0]} (C,) with slope {slope}: "
            "the sign is that of (x - mean) scale + bias; got None"
        )
    return slope, dict.fromkeys(channels) if slope == 1 else channels


def column_sum(x):
    """The sum over rows of x, which is the gradient with respect to a bias          x (P, C)   sum (C,)"""
    (x,) = door.arrays("column_sum", x=x)
    return _kernel("column_sum", x)(x)


def leaky_relu(x, slope):
    """The array y = x if x > 0 else slope x          x, y of any shape; slope >= 0; slope 0 is ReLU"""
    (x,) = door.arrays("leaky_relu", x=x)
    return _kernel("leaky_relu", x)(x, door.slope("leaky_relu", slope))


def leaky_relu_gradient(dy, y, slope):
    """The array dx = dy if y > 0 else slope dy          dy, y, dx of one shape; y = leaky_relu(x)"""
    dy, y = door.arrays("leaky_relu_gradient", dy=dy, y=y)
    door.agree("leaky_relu_gradient", "y of shape", dy.shape, y.shape)
    return _kernel("leaky_relu_gradient", dy)(dy, y, door.slope("leaky_relu_gradient", slope))
