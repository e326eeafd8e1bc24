"""PyTorch's part of `numgan bench kernels`: the cases of `cases.py`, with the same random arrays.

A convolution is timed in both memory layouts, and numgan is compared with the faster one. Only the separate
process for PyTorch imports this file.
"""

import numpy as np
import torch
import torch.nn.functional as F

from .cases import Convolution, LayerPass, Product, Update
from .timing import burst

_functions = {}  # {layout: function without arguments}, of the case that is prepared


def build(case, dtype):
    """Prepare a case for timing in PyTorch and return its results: {layout: array in the order of numgan}.

    A layout is "NCHW" or "channels_last" for a convolution, and "" for all other cases. `run` accepts these
    layouts. The case that was prepared before is dropped. dtype is "float32" or "float64".
    """
    _functions.clear()  # keep only one case in memory
    found = {}
    for layout in ("NCHW", "channels_last") if isinstance(case, Convolution) else ("",):
        arrays = map(torch.from_numpy, case.arrays(np.dtype(dtype)))
        _functions[layout] = MAKERS[type(case)](case, layout, *arrays)
        result = _functions[layout]().detach()
        found[layout] = (
            (result.permute(*_back(case)) if isinstance(case, Convolution) else result).numpy().copy()
        )
    return found


def run(layout, calls):
    """Call the prepared case `calls` times in this layout and return the milliseconds of each call.

    One more call comes first and does not count.
    """
    return burst(_functions[layout], calls)


def _back(case):
    """The permutation of axes that brings the result of `case`, a Convolution, to numgan's order.

    (O, C, KH, KW) becomes (KH, KW, C, O) for weights, and (N, C, H, W) becomes (N, H, W, C) for pictures.
    """
    return (2, 3, 1, 0) if case.which == "weight gradient" else (0, 2, 3, 1)


def _product(case, layout, a, b):
    return lambda: a @ b


def _convolution(case, layout, x, w, dy):
    """Make a function that computes the case's pass of a convolution in PyTorch, in a memory layout.

    case is a Convolution, layout "NCHW" or "channels_last". x (N, H, W, C), w (KH, KW, C, O) and dy (N, HO,
    WO, O) are tensors in numgan's order. The result of the function has PyTorch's order.
    """
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    x, dy = (array.permute(0, 3, 1, 2).contiguous(memory_format=memory) for array in (x, dy))
    w = w.permute(3, 2, 0, 1).contiguous(memory_format=memory)
    *_, stride, padding = case.settings
    if case.which == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding)
    which = PASS_OUTPUT[case.which]
    mask = [output == which for output in range(3)]  # only one of the three gradients is computed
    # after padding: dilation 1, not transposed, no output padding, 1 group
    return lambda: torch.ops.aten.convolution_backward(
        dy, x, w, None, stride, padding, (1, 1), False, (0, 0), 1, mask
    )[which]


PASS_OUTPUT = {"input gradient": 0, "weight gradient": 1}  # places in (dx, dw, db)


def _pass(case, layout, x, dy):
    """Make a function that runs a pass of the case's layer in PyTorch and returns its result (N, H, W, C).

    x is the input, dy the derivative with respect to the output; both are (N, H, W, C). PyTorch sees the same
    memory as (N, C, H, W) in channels_last. `layout` is not used.
    """
    name = type(case.layer).__name__
    x, dy = x.permute(0, 3, 1, 2), dy.permute(0, 3, 1, 2)
    gain, bias = (
        torch.ones(x.shape[1], dtype=x.dtype, requires_grad=True),
        torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True),
    )
    function = {
        "BatchNorm": lambda x: F.batch_norm(x, None, None, gain, bias, training=True),
        "LeakyReLU": lambda x: F.leaky_relu(x, case.layer.slope),
        "Tanh": torch.tanh,
    }[name]
    if case.which == "forward":

        def forward():
            with torch.no_grad():
                return function(x).permute(0, 2, 3, 1)

        return forward
    x.requires_grad_(True)
    y = function(x)
    wanted = (x, gain, bias) if name == "BatchNorm" else (x,)
    # [0]: dx, the first of the gradients
    return lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True)[0].permute(0, 2, 3, 1)


def _update(case, layout, p, g):
    """Make a function that makes one update of Adam for the weights p and returns them. g: the gradient.

    case and layout are not used.
    """
    p = p.clone().requires_grad_(True)
    p.grad = g
    adam = torch.optim.Adam([p], 2e-4, (0.5, 0.999), fused=True)

    def update():
        adam.step()
        return p

    return update


MAKERS = {Product: _product, Convolution: _convolution, LayerPass: _pass, Update: _update}
