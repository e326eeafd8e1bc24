"""The benchmarks: what is measured is what users run, beside the strongest comparator, and never without its error.

    timing        sides in turn, in bursts, with a pause before each: medians and quartiles
    machine       what every figure is printed with: processor, instruction set, threads, kernels
    workloads     four training steps, made of the package's own systems
    steps         ... against NumPy and PyTorch, every gradient of both sides compared in the same run
    kernels       matrix products, convolutions and pointwise passes, with their share of the measured peak
    rungs         the ladder from the naive loop to the fast kernel (its compiled ones in _ladder.pyx)
    trial         the register of kernels, a learner's too, and the check that comes before a place on the ladder
    ladder        ... climbed and timed
    growth        time per image against batch, width, resolution, depth and threads
    profile       where a step's time goes, layer by layer and pass by pass

The comparators are part of the package, so that an installed numgan has them too: `im2col` (NumPy), and `torch_steps` and
`torch_kernels`, which only a process of PyTorch's own imports (`worker`); numgan itself never imports torch.
"""
