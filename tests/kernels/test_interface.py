"""The interface of the kernels: signatures, wrong arguments and their messages, counts, choice of backend."""

import inspect

import numpy as np
import pytest
from kernel_cases import CONVOLUTIONS, convolution
from kernel_marks import needs_compiled

from numgan import _kernels as kernels
from numgan._kernels import compiled, reference

BUILT = {"compiled": compiled, "cython": kernels._modules["cython"]}


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_signatures_are_equal(name):
    expected = inspect.signature(getattr(reference, name))
    for module in kernels, *filter(None, BUILT.values()):
        assert inspect.signature(getattr(module, name)) == expected, module


@pytest.mark.parametrize("name", ["reference", *BUILT])
def test_arguments_are_not_written_to(name):
    backend = {"reference": reference, **BUILT}[name] or pytest.skip("not built")
    x, w, dy, o, c, window = convolution(CONVOLUTIONS[2], np.float32)
    y, index = backend.max_pool2d(x, (3, 2), (2, 1), (1, 1))
    arrays = [x, w, dy, o, c, y, index]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    backend.matmul(x.reshape(-1, 3), w[0, 0], o)
    backend.conv2d(x, w, *window, o)
    backend.conv2d_input_gradient(dy, w, *window, (7, 11), c)
    backend.conv2d_weight_gradient(x, dy, (3, 2), *window)
    backend.max_pool2d(x, (3, 2), (2, 1), (1, 1))
    backend.max_pool2d_gradient(y, index, (7, 11))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


f, d = np.zeros((4, 6), np.float32), np.zeros((6, 5), np.float64)
image, weight = np.zeros((2, 5, 6, 3), np.float32), np.zeros((3, 2, 3, 7), np.float32)
grad = np.zeros((2, 3, 5, 7), np.float32)
where = np.zeros((2, 3, 5, 7), np.int64)


@pytest.mark.parametrize("backend", ["reference", *BUILT])
@pytest.mark.parametrize(
    "name, arguments, error, message",
    [
        ("matmul", ([[1.0]], f), TypeError, "matmul: expected a as a float32 or float64 array, got list"),
        (
            "matmul",
            (f.astype(int), f),
            TypeError,
            "matmul: expected a as a float32 or float64 array, got int64",
        ),
        (
            "matmul",
            (f.astype(">f4"), f),
            TypeError,
            "matmul: expected a as a float32 or float64 array, got >f4",
        ),
        ("matmul", (f, d), TypeError, "matmul: a is float32 but b is float64; convert one of them"),
        ("matmul", (f, f), ValueError, "matmul: expected b with rows 6, got 4"),
        ("matmul", (f, f.T, f[0]), ValueError, "matmul: expected bias of length 4, got 6"),
        ("matmul", (f, f[0]), ValueError, "matmul: expected b with 2 dimensions, got shape .6,."),
        (
            "dense_weight_gradient",
            (f, f[:3]),
            ValueError,
            "dense_weight_gradient: expected dy with rows 4, got 3",
        ),
        ("conv2d", (image[0], weight), ValueError, "conv2d: expected x with 4 dimensions, got shape"),
        ("conv2d", (image[..., :2], weight), ValueError, "conv2d: expected x with channels 3, got 2"),
        ("conv2d", (image, weight, (0, 1)), ValueError, "conv2d: expected stride of at least 1, got .0, 1."),
        (
            "conv2d",
            (image, weight, (1, 1), (0, -1)),
            ValueError,
            "conv2d: expected padding of at least 0, got .0, -1.",
        ),
        (
            "conv2d",
            (image[:, :2], weight),
            ValueError,
            "conv2d: a 3x2 window does not fit an input of 2x6 padded by .0, 0.",
        ),
        (
            "conv2d",
            (image, weight, (1, 1), (0, 0), f[0]),
            ValueError,
            "conv2d: expected bias of length 7, got 6",
        ),
        (
            "conv2d_input_gradient",
            (grad[..., :3], weight, (1, 1), (0, 0), (5, 6)),
            ValueError,
            "expected dy with channels 7, got 3",
        ),
        (
            "conv2d_input_gradient",
            (grad, weight, (1, 1), (0, 0), (6, 6)),
            ValueError,
            "dy of the size that an input of .6, 6. gives: .4, 5., got .3, 5.",
        ),
        (
            "conv2d_weight_gradient",
            (image, grad[:1], (3, 2)),
            ValueError,
            "expected dy with batch and size .2, 3, 5., got .1, 3, 5.",
        ),
        (
            "max_pool2d",
            (image, (2, 2), (2, 2), (2, 1)),
            ValueError,
            "max_pool2d: expected padding of at most half the kernel",
        ),
        (
            "max_pool2d_gradient",
            (grad, where[:1], (5, 6)),
            ValueError,
            "max_pool2d_gradient: expected index of shape",
        ),
        (
            "max_pool2d_gradient",
            (grad, where + 30, (5, 6)),
            ValueError,
            "expected index as int64 from 0 to 29; pass the index that max_pool2d returned",
        ),
        (
            "max_pool2d_gradient",
            (grad, where.astype(np.int32), (5, 6)),
            ValueError,
            "expected index as int64 from 0 to 29",
        ),
    ],
)
def test_wrong_arguments_are_named(name, arguments, error, message, backend):
    if backend in BUILT and BUILT[backend] is None:
        pytest.skip(f"the {backend} kernels are not built")
    with kernels.use_backend(backend), pytest.raises(error, match=message):
        getattr(kernels, name)(*arguments)


def test_kernel_calls_are_counted():
    with kernels.kernel_calls() as outer:
        kernels.conv2d(image, weight)
        with kernels.kernel_calls() as inner:
            kernels.matmul(f, f.T)
            kernels.dense_weight_gradient(f, f)
        kernels.conv2d_weight_gradient(image, grad, (3, 2))
    kernels.matmul(f, f.T)
    assert inner == {"matmul": 1, "dense_weight_gradient": 1}
    assert outer == {"conv2d": 1, "matmul": 1, "dense_weight_gradient": 1, "conv2d_weight_gradient": 1}
    assert inner["max_pool2d"] == 0


@needs_compiled
def test_backend_can_be_switched():
    before = kernels.backend()
    for name in "reference", "compiled", "cython":
        with kernels.use_backend(name):
            assert kernels.backend() == name
    assert kernels.backend() == before


# --- passes over memory -------------------------------------------------------------------------------------

vector, other = np.zeros(6), np.zeros(6)
readonly = np.zeros(6)
readonly.flags.writeable = False


@pytest.mark.parametrize(
    "name, arguments, error, message",
    [
        ("sgd", (vector, other[:5], None, 0.1), ValueError, "sgd: expected g of length 6, got 5"),
        ("sgd", (vector, vector, None, 0.1), ValueError, "sgd: p and g share memory"),
        (
            "sgd",
            (readonly, other, None, 0.1),
            ValueError,
            "sgd: expected p contiguous, aligned and writeable; pass a copy",
        ),
        ("sgd", (vector[::2], other[:3], None, 0.1), ValueError, "sgd: expected p contiguous"),
        (
            "sgd",
            (vector, other.astype(np.float32), None, 0.1),
            TypeError,
            "sgd: p is float64 but g is float32",
        ),
        ("rmsprop", (vector, other, other, 0.1, 0.9, 1e-8), ValueError, "rmsprop: v and g share memory"),
        (
            "adam",
            (vector, other, vector.copy(), vector[:3].copy(), 0.1, 0, 0, 0, 1),
            ValueError,
            "adam: expected v of length 6, got 3",
        ),
        (
            "moving_average",
            (vector, other.reshape(2, 3), 0.9),
            ValueError,
            "moving_average: expected p with 1 dimensions",
        ),
        (
            "channel_moments",
            (np.zeros((0, 3)),),
            ValueError,
            "channel_moments: expected at least one row, got x of shape .0, 3.",
        ),
        (
            "normalize",
            (np.zeros((2, 3)), other, other, other),
            ValueError,
            "normalize: expected mean of length 3, got 6",
        ),
        (
            "channel_products",
            (np.zeros((2, 6)), np.zeros((3, 6)), other),
            ValueError,
            "channel_products: expected x of shape .2, 6., got .3, 6.",
        ),
        ("column_sum", (vector,), ValueError, "column_sum: expected x with 2 dimensions"),
        (
            "leaky_relu",
            (vector, -0.1),
            ValueError,
            "leaky_relu: expected slope as a finite number >= 0, so that y has the sign of x, got -0.1",
        ),
        (
            "leaky_relu_gradient",
            (vector, other[:5], 0.1),
            ValueError,
            "leaky_relu_gradient: expected y of shape .6,., got .5,.",
        ),
        ("all_finite", ([1.0],), TypeError, "all_finite: expected x as a float32 or float64 array, got list"),
    ],
)
def test_wrong_arguments_of_a_pass_are_named(name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(kernels, name)(*arguments)


def test_add_names_what_is_wrong():
    x = np.ones((3, 4))
    for arguments, error, words in (
        ((x, x[:2], x.copy()), ValueError, r"add: expected two of shape \(3, 4\), got \(2, 4\)"),
        ((x, x.astype(np.float32), x.copy()), TypeError, "add: one is float64 but two is float32"),
        ((x, x, np.ones((4, 3)).T), ValueError, "add: expected out contiguous"),
    ):
        with pytest.raises(error, match=words):
            kernels.add(*arguments)
