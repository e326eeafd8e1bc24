"""The benchmarks: speed and numerical error of the code that users run, beside its strongest competitor.

    timing        times several programs (numgan, NumPy, PyTorch) in turn: medians and quartiles
    machine       the description of the machine that is printed with every result, and its memory bandwidth
    workloads     four training steps, made of the systems of the package
    steps         training steps beside NumPy and PyTorch, with a comparison of all gradients
    kernels       matrix products, convolutions and pointwise passes, with their share of the measured peak
    cases         the arrays and calls that `kernels` times
    rungs         versions of two kernels, from the naive loop to the fast kernel (compiled: _ladder.pyx)
    trial         the list of these versions, called rungs, and the check of a rung before it may be timed
    ladder        checks, times and compares the rungs
    growth        time per image against batch, width, resolution, depth and threads
    profile       the time of a step, for each layer and each pass
    doctor        the description and a self-check of the installation
    exchange      conversion between the arrays of PyTorch and numgan

The competitors are part of the package, so an installed numgan has them too: `im2col` (NumPy), `torch_steps`
and `torch_kernels` (PyTorch). The last two are imported only in a separate process for PyTorch (`worker`).
numgan itself never imports torch.
"""
