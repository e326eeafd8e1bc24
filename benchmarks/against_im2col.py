"""The compiled convolutions beside naive im2col (a patch matrix in memory, then NumPy's BLAS), on the layers of the DCGAN nets.

    python benchmarks/against_im2col.py [--threads 2] [--batch 64]

Both sides run in turn, A B A B, in bursts of a few calls with the same number of threads; a pause before each burst lets the
other library's spinning threads die down, and the first call of a burst does not count. Medians, and beside each ratio the
largest error of ours against the float64 definition, relative to its largest entry.
"""

import argparse
import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

import numgan as ng
from numgan import _kernels
from numgan._kernels import reference

LAYERS = {                       # H, W, C, O of convolutions with windows of 4, stride 2, padding 1
    "28: 1-64": (28, 28, 1, 64), "28: 64-128": (14, 14, 64, 128),
    "64: 3-64": (64, 64, 3, 64), "64: 64-128": (32, 32, 64, 128), "64: 128-256": (16, 16, 128, 256), "64: 256-512": (8, 8, 256, 512),
}
WINDOW = {"stride": (2, 2), "padding": (1, 1)}


def patches(x):
    """x (N, H, W, C) -> the windows as rows (N HO WO, 16 C)"""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(1, 2))[:, ::2, ::2]
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 16 * x.shape[3])


def forward(x, w):
    return (patches(x) @ w.reshape(-1, w.shape[3])).reshape(len(x), x.shape[1] // 2, x.shape[2] // 2, -1)


def weight_gradient(x, dy):
    return (patches(x).T @ dy.reshape(-1, dy.shape[3])).reshape(4, 4, x.shape[3], -1)


def input_gradient(dy, w, size):
    rows = (dy.reshape(-1, dy.shape[3]) @ w.reshape(-1, w.shape[3]).T).reshape(*dy.shape[:3], 4, 4, w.shape[2])
    padded = np.zeros((len(dy), size[0] + 2, size[1] + 2, w.shape[2]), dy.dtype)
    for i in range(4):
        for j in range(4):
            padded[:, i:i + size[0]:2, j:j + size[1]:2] += rows[:, :, :, i, j]
    return padded[:, 1:-1, 1:-1]


def median_ms(functions, bursts=5, calls=4, pause=0.06):
    """Median milliseconds of each function, run in turn."""
    times = [[] for _ in functions]
    for _ in range(bursts):
        for function, found in zip(functions, times):
            time.sleep(pause)
            function()
            for _ in range(calls):
                start = time.perf_counter()
                function()
                found.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(found) for found in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    ng.set_num_threads(args.threads)
    print(f"{ng.backend()} kernels, {ng.instruction_set()}, {args.threads} threads, batch {args.batch}, float32")
    print(f"{'layer':<12} {'pass':<16} {'ours ms':>8} {'im2col ms':>10} {'ratio':>6} {'error':>8}")
    rng = np.random.default_rng(0)
    for name, (h, v, c, o) in LAYERS.items():
        x, w, dy = (rng.standard_normal(shape, np.float32) for shape in ((args.batch, h, v, c), (4, 4, c, o), (args.batch, h // 2, v // 2, o)))
        passes = {
            "forward": (lambda k, x, w, dy: k.conv2d(x, w, **WINDOW), lambda x, w, dy: forward(x, w)),
            "input gradient": (lambda k, x, w, dy: k.conv2d_input_gradient(dy, w, size=(h, v), **WINDOW),
                               lambda x, w, dy: input_gradient(dy, w, (h, v))),
            "weight gradient": (lambda k, x, w, dy: k.conv2d_weight_gradient(x, dy, (4, 4), **WINDOW), lambda x, w, dy: weight_gradient(x, dy)),
        }
        for label, (ours, theirs) in passes.items():
            few = x[:4], w, dy[:4]
            exact, got = ours(reference, *(array.astype(np.float64) for array in few)), ours(_kernels, *few)
            assert np.allclose(theirs(*few), got, rtol=1e-3, atol=1e-3)
            error = np.abs(got - exact).max() / np.abs(exact).max()
            with threadpool_limits(args.threads):
                mine, naive = median_ms([lambda: ours(_kernels, x, w, dy), lambda: theirs(x, w, dy)])
            print(f"{name:<12} {label:<16} {mine:8.2f} {naive:10.2f} {naive / mine:6.2f} {error:8.1e}")


if __name__ == "__main__":
    main()
