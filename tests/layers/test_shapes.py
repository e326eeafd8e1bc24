"""Layers of random sizes against finite differences, and the shapes that each layer takes or refuses."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from numgan import check_layer
from numgan.layers import (
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Flatten,
    InstanceNorm,
    Layer,
    LayerNorm,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Pack,
    Pad,
    Parallel,
    Pass,
    PixelNorm,
    PixelShuffle,
    ReLU,
    Reshape,
    Residual,
    Skip,
    Upsample,
)

quick = settings(max_examples=25, deadline=None)


windows = st.tuples(st.integers(1, 4), st.integers(1, 4))


def _fits(size, kernel, padding):
    return all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding))


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=windows,
    stride=windows,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 3),
)
@quick
def test_convolution_of_any_shape(size, kernel, stride, padding, channels, batch):
    assume(_fits(size, kernel, padding))
    layer = Conv2d(*channels, kernel=kernel, stride=stride, padding=padding)
    assert (
        check_layer(layer, x=(*size, channels[0]), batch=batch, slow=False, tangents=False).max_error <= 1e-6
    )


@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=windows,
    stride=windows,
    data=st.data(),
    seed=st.integers(0, 99),
)
@quick
def test_transposed_convolution_is_the_adjoint(size, kernel, stride, data, seed):
    padding = tuple(data.draw(st.integers(0, (k - 1) // 2)) for k in kernel)
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    up = ConvTranspose2d(3, 2, kernel, stride, padding, extra, bias=False)
    shape = up.output_shape((*size, 3))
    assume(_fits(shape, kernel, padding))
    down = Conv2d(2, 3, kernel, stride, padding, bias=False)
    p = up.init(0, np.float64)
    rng = np.random.default_rng(seed)  # drawn here, so that an example repeats
    a, b = rng.standard_normal((2, *size, 3)), rng.standard_normal((2, *shape))
    ax, atb = (
        up.forward(p, a, Pass())[0],
        down.forward(p, b, Pass())[0],
    )  # one weight: (KH, KW, 2, 3) for both
    assert atb.shape == a.shape
    assert np.isclose((ax * b).sum(), (a * atb).sum(), rtol=1e-12, atol=1e-12)


@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)), kernel=windows, stride=windows, data=st.data())
@quick
def test_pooling_of_any_shape(size, kernel, stride, data):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    assume(_fits(size, kernel, padding))
    for layer in (AvgPool2d(kernel, stride, padding), MaxPool2d(kernel, stride, padding)):
        assert check_layer(layer, x=(*size, 2), batch=2, slow=False).max_error <= 1e-6


@given(size=st.tuples(st.integers(2, 5), st.integers(2, 5)), data=st.data())
@quick
def test_borders_of_any_size(size, data):
    border = tuple(data.draw(st.integers(0, n - 1)) for n in (size[0], size[0], size[1], size[1]))
    assert check_layer(Pad(border, "reflect"), x=(*size, 2), batch=2, slow=False).max_error <= 1e-6
    padded = Pad(border).forward({}, np.random.default_rng(size).standard_normal((2, *size, 3)), Pass())[0]
    assert np.array_equal(
        Pad(border).forward({}, Crop(border).forward({}, padded, Pass())[0], Pass())[0], padded
    )


@given(
    factor=windows,
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    mode=st.sampled_from(["nearest", "bilinear"]),
)
@quick
def test_upsampling_of_any_size(factor, size, mode):
    layer = Upsample(factor, mode)
    assert check_layer(layer, x=(*size, 2), batch=2, slow=False).max_error <= 1e-6
    constant = np.full((1, *size, 1), 3.7)
    assert np.allclose(layer.forward({}, constant, Pass())[0], 3.7)  # weights of every output sum to one


# layer, {a shape of x that it takes: the shape of y}, shapes that it refuses, shapes of samples refused
TAKES = [
    (
        Dense(4, 3),
        {(2, 4): (2, 3), (2, 5, 4): (2, 5, 3), (1, 4): (1, 3), (0, 4): (0, 3)},
        [(4,), (2, 3), (2, 4, 1)],
        [(3,), (4, 1), ()],
    ),
    (
        Conv2d(2, 3, (2, 3)),
        {(1, 2, 3, 2): (1, 1, 1, 3), (2, 5, 4, 2): (2, 4, 2, 3)},
        [(2, 5, 2), (2, 5, 4, 3), (1, 1, 5, 5, 2)],
        [(5, 4, 3), (5, 2), (1, 3, 2), (2, 2, 2), (1, 5, 5, 2)],
    ),
    (
        ConvTranspose2d(2, 3, (2, 3), padding=1),
        {(1, 2, 1, 2): (1, 1, 1, 3)},
        [(2, 5, 2), (2, 5, 4, 3)],
        [(5, 4, 3), (5, 2), (1, 1, 2), (1, 5, 5, 2)],
    ),
    (
        BatchNorm(3),
        {(2, 3): (2, 3), (1, 2, 1, 3): (1, 2, 1, 3)},
        [(3,), (2, 4), (1, 3), (1, 1, 1, 3), (3, 2)],
        [(4,), (2, 2, 1)],
    ),
    (
        InstanceNorm(3),
        {(1, 1, 2, 3): (1, 1, 2, 3), (1, 2, 1, 3): (1, 2, 1, 3)},
        [(1, 1, 1, 3), (2, 3), (2, 5, 3), (1, 2, 2, 2)],
        [(2, 2, 4)],
    ),
    (LayerNorm(3), {(1, 3): (1, 3), (1, 2, 3): (1, 2, 3)}, [(3,), (1, 4), (3, 2)], [(4,)]),
    (PixelNorm(), {(1, 3): (1, 3), (2, 2, 2, 3): (2, 2, 2, 3)}, [(3,)], []),
    (
        MaxPool2d((2, 3)),
        {(1, 2, 3, 5): (1, 1, 1, 5)},
        [(2, 3, 5), (1, 1, 2, 3, 5)],
        [(2, 3), (1, 3, 5), (2, 2, 5), (1, 2, 3, 5)],
    ),
    (
        AvgPool2d((2, 3)),
        {(1, 2, 3, 5): (1, 1, 1, 5)},
        [(2, 3, 5), (1, 1, 2, 3, 5)],
        [(2, 3), (1, 3, 5), (2, 2, 5), (1, 2, 3, 5)],
    ),
    (Upsample((2, 3)), {(1, 2, 3, 5): (1, 4, 9, 5)}, [(2, 3, 5), (1, 1, 2, 3, 5)], [(2, 3), (1, 2, 3, 5)]),
    (
        PixelShuffle(3),
        {(1, 2, 4, 9): (1, 6, 12, 1), (1, 1, 1, 18): (1, 3, 3, 2)},
        [(2, 4, 9), (1, 9, 9, 3), (1, 9, 9, 6), (1, 1, 2, 4, 9)],
        [(4, 9), (9, 9, 3), (1, 2, 4, 9)],
    ),
    (Pad((1, 2, 0, 3)), {(2, 1, 1, 2): (2, 4, 4, 2)}, [(1, 1, 2), (1, 1, 1, 1, 2)], [(1, 1), (1, 1, 1, 2)]),
    (
        Pad((1, 2, 0, 3), "reflect"),
        {(1, 3, 4, 2): (1, 6, 7, 2)},
        [(1, 2, 4, 2), (1, 3, 3, 2), (3, 4, 2)],
        [(2, 4, 2), (3, 3, 2)],
    ),
    (
        Pad((2, 1, 3, 0), "reflect"),
        {(1, 3, 4, 2): (1, 6, 7, 2)},
        [(1, 2, 4, 2), (1, 3, 3, 2), (3, 4, 2)],
        [(2, 4, 2), (3, 3, 2)],
    ),
    (
        Crop((1, 2, 0, 3)),
        {(1, 4, 4, 2): (1, 1, 1, 2)},
        [(1, 3, 4, 2), (1, 4, 3, 2), (4, 4, 2)],
        [(3, 4, 2), (4, 3, 2), (4, 4)],
    ),
    (Maxout(3), {(1, 6): (1, 2), (2, 2, 3): (2, 2, 1), (0, 3): (0, 1)}, [(1, 4), (3, 2)], [(4,), (3, 2), ()]),
    (MinibatchStd(2), {(4, 3): (4, 4), (2, 1, 1, 3): (2, 1, 1, 4)}, [(3, 3), (4,), (3, 2)], []),
    (MinibatchStd(), {(3, 3): (3, 4), (1, 2): (1, 3)}, [(4,)], []),
    (MinibatchDiscrimination(4, 3, 2), {(1, 4): (1, 7)}, [(4,), (2, 3), (2, 1, 4)], [(3,), (1, 4)]),
    (Pack(3), {(3, 2): (1, 6), (6, 2, 2, 1): (2, 2, 2, 3), (0, 2): (0, 6)}, [(4, 2), (2, 3), (3,)], []),
    (Reshape(2, 3), {(1, 6): (1, 2, 3), (2, 3, 2): (2, 2, 3)}, [(1, 5), (2, 4), (1, 12)], [(5,), (12,)]),
    (Reshape(-1, 3), {(1, 6): (1, 2, 3), (1, 3): (1, 1, 3)}, [(1, 5), (1, 4)], [(5,), (4,)]),
    (Flatten(), {(2, 3, 4): (2, 12), (2, 3): (2, 3), (0, 2, 2): (0, 4)}, [], []),
]


@pytest.mark.parametrize(
    "layer, takes, refuses, refused_samples",
    TAKES,
    ids=lambda value: repr(value) if isinstance(value, Layer) else "",
)
def test_what_a_layer_takes_and_what_it_refuses_by_its_name(layer, takes, refuses, refused_samples):
    p = layer.init(0, np.float64)
    for x, y in takes.items():
        assert layer.forward(p, np.ones(x), Pass())[0].shape == y and layer.output_shape(x[1:]) == y[1:]
    for x in refuses:
        with pytest.raises(ValueError, match=f"^{re.escape(repr(layer))}: expected x .*, got"):
            layer.forward(p, np.ones(x), Pass())
            pytest.fail(f"{x} was taken")
    for sample in refused_samples:
        with pytest.raises(ValueError, match=f"^{re.escape(repr(layer))}: expected x .*, got"):
            layer.output_shape(sample)
            pytest.fail(f"{sample} was taken")


@pytest.mark.parametrize(
    "layer, fits, y, wrong",
    [
        (Concat(), ((2, 3), (2, 4)), (2, 7), ((2, 3), (5, 3))),
        (Concat(), ((3,), (4,), (1,)), (8,), ((3,), (3, 4))),
        (Parallel(Dense(3, 2), ReLU()), ((3,), (4,)), ((2,), (4,)), ((3,),)),
        (Skip(Dense(3, 4)), (5, 3), (5, 7), (5, 2)),
        (Skip(AvgPool2d(1)), (4, 4, 2), (4, 4, 4), (4, 4)),
        (Residual(Dense(3, 3)), (5, 3), (5, 3), (5, 2)),
    ],
)
def test_shapes_of_networks_are_told_before_they_run(layer, fits, y, wrong):
    assert layer.output_shape(fits) == y
    with pytest.raises(ValueError, match="expected x "):
        layer.output_shape(wrong)


@pytest.mark.parametrize("net", [Skip(MaxPool2d(2)), Residual(MaxPool2d(2))], ids=repr)
def test_a_body_of_another_size_is_refused(net):
    with pytest.raises(
        ValueError,
        match="expected x that (the body keeps all sizes but the last|body and shortcut map to one shape)",
    ):
        net.output_shape((4, 4, 1))


def test_a_shape_is_given_as_numbers_or_as_one_tuple():
    assert repr(Reshape((2, 3))) == repr(Reshape([2, 3])) == repr(
        Reshape(2, 3)
    ) == "Reshape(2, 3)" and Reshape((4,)).output_shape((2, 2)) == (4,)


@pytest.mark.parametrize("layer", [Pad(1), Crop(1)], ids=repr)
def test_borders_belong_to_pictures(layer):
    with pytest.raises(ValueError, match=r"expected x \(N, H, W, C\)"):
        layer.forward({}, np.ones((4, 5, 6)))
