"""Every message by which a layer refuses an input, a shape or an argument, word for word.

A message names the layer, what was expected, what was got, and often what to do.
"""

import numpy as np
import pytest

from numgan.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Concat,
    Condition,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Dropout,
    Embedding,
    Equalized,
    Flatten,
    Given,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    LinearMap,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Noise,
    Pack,
    Pad,
    Parallel,
    Pass,
    Pick,
    PixelNorm,
    PixelShuffle,
    Referenced,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
)


def ones(*shape):
    return np.ones(shape)


def labels(*values):
    return np.array(values)


def said(kind, call, *arguments):
    """The message of the error that the call raises."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    assert type(caught.value) is kind
    return str(caught.value)


# ---- inputs

LABELLED = Given(Parallel(Dense(3, 1), Embedding(2, 1)), labels(0, 1, 0))
INPUTS = [  # layer, x, what was expected, what was got and what to do
    (Maxout(3), ones(2, 4), "(..., a multiple of 3)", "(2, 4)"),
    (Dense(4, 3), ones(2, 5), "(N, 4)", "(2, 5)"),
    (Dense(4, 3), ones(4), "(N, 4)", "(4,)"),
    (Dense(4, 3), ones(1, 5), "(N, 4)", "(1, 5)"),
    (Dense(12, 3), ones(2, 3, 4), "(N, 12)", "(2, 3, 4); add Flatten() before it"),
    (Dense(13, 3), ones(2, 3, 4), "(N, 13)", "(2, 3, 4)"),
    (Dense(24, 3), ones(2, 3, 4), "(N, 24)", "(2, 3, 4)"),
    (Conv2d(2, 3, 1), ones(1, 4, 5, 3), "(N, H, W, 2)", "(1, 4, 5, 3)"),
    (Conv2d(2, 3, 1), ones(4, 5, 2), "(N, H, W, 2)", "(4, 5, 2)"),
    (ConvTranspose2d(2, 3, 1), ones(1, 4, 5, 3), "(N, H, W, 2)", "(1, 4, 5, 3)"),
    (ConvTranspose2d(2, 3, (1, 3), padding=1), ones(1, 2, 3, 2), "large enough for its padding", "(2, 3, 2)"),
    (Embedding(3, 2), ones(2), "as an array of integer labels", "float64"),
    (Embedding(3, 2), [0, 1], "as an array of integer labels", "list"),
    (Embedding(3, 2), labels(True, False), "as an array of integer labels", "bool"),
    (Embedding(3, 2), labels(-1, 2), "with labels 0..2", "labels -1..2"),
    (Embedding(3, 2), labels(0, 3), "with labels 0..2", "labels 0..3"),
    (Embedding(3, 2), labels(1, -2, 1), "with labels 0..2", "labels -2..1"),
    (Embedding(1, 2), labels(1), "with labels 0..0", "labels 1..1"),
    (LABELLED, ones(2, 3), "of 3 samples, one for each label", "(2, 3); hold the labels of this batch"),
    (
        MinibatchStd(2),
        ones(3, 4),
        "(N, ..., C) with N a multiple of 2",
        "(3, 4); choose such a batch size, or group=None",
    ),
    (
        MinibatchStd(),
        ones(3),
        "(N, ..., C) with N a multiple of 1",
        "(3,); choose such a batch size, or group=None",
    ),
    (MinibatchDiscrimination(4, 2, 3), ones(3, 5), "(N, 4)", "(3, 5)"),
    (MinibatchDiscrimination(4, 2, 3), ones(4), "(N, 4)", "(4,)"),
    (MinibatchDiscrimination(4, 2, 3), ones(3, 2, 2), "(N, 4)", "(3, 2, 2); add Flatten() before it"),
    (Residual(Dense(3, 4)), ones(2, 3), "that body and shortcut map to one shape", "((2, 4), (2, 3))"),
    (
        Skip(AvgPool2d(2)),
        ones(1, 4, 4, 1),
        "that the body keeps all sizes but the last",
        "((1, 4, 4, 1), (1, 2, 2, 1))",
    ),
    (Parallel(ReLU(), Tanh()), (ones(2, 3),), "a tuple of 2 arrays", "((2, 3),)"),
    (Parallel(ReLU(), Tanh()), ones(2, 3), "a tuple of 2 arrays", "(2, 3)"),
    (Condition(Dense(5, 4)), (ones(2, 3), ones(3, 2)), "a tuple h (N, ..., H), c (N, C)", "((2, 3), (3, 2))"),
    (
        Condition(Dense(5, 4)),
        (ones(2, 3), ones(2, 2), ones(2, 1)),
        "a tuple h (N, ..., H), c (N, C)",
        "((2, 3), (2, 2), (2, 1))",
    ),
    (Condition(Dense(5, 4)), ones(2, 3), "a tuple h (N, ..., H), c (N, C)", "(2, 3)"),
    (LayerNorm(3), ones(2, 4), "(N, ..., 3)", "(2, 4)"),
    (LayerNorm(3), ones(3), "(N, ..., 3)", "(3,)"),
    (BatchNorm(3), ones(2, 2), "(N, ..., 3)", "(2, 2)"),
    (
        BatchNorm(3),
        ones(1, 3),
        "with at least two values per channel",
        "(1, 3); use a larger batch, or measured statistics",
    ),
    (InstanceNorm(3), ones(2, 1, 1, 3), "(N, H, W, 3), H W >= 2", "(2, 1, 1, 3)"),
    (InstanceNorm(3), ones(2, 2, 3), "(N, H, W, 3), H W >= 2", "(2, 2, 3)"),
    (InstanceNorm(3), ones(2, 2, 2, 4), "(N, H, W, 3), H W >= 2", "(2, 2, 2, 4)"),
    (PixelNorm(), ones(3), "(N, ..., C)", "(3,)"),
    (Pack(2), ones(3, 2), "of 2 N samples", "(3, 2); choose a batch size that is a multiple of it"),
    (Pack(2), ones(4), "of 2 N samples", "(4,); choose a batch size that is a multiple of it"),
    (MaxPool2d(2), ones(4, 4, 1), "(N, H, W, C)", "(4, 4, 1)"),
    (AvgPool2d(2), ones(4, 4, 1), "(N, H, W, C)", "(4, 4, 1)"),
    (AvgPool2d((2, 5)), ones(1, 4, 4, 1), "at least (2, 5) after padding", "(4, 4, 1)"),
    (Upsample(2), ones(4, 4, 1), "(N, H, W, C)", "(4, 4, 1)"),
    (PixelShuffle(2), ones(1, 2, 2, 6), "(N, H, W, a multiple of 4)", "(1, 2, 2, 6)"),
    (PixelShuffle(3), ones(2, 2, 9), "(N, H, W, a multiple of 9)", "(2, 2, 9)"),
    (Reshape(2, 5), ones(2, 9), "with 10 entries per sample", "(9,)"),
    (Reshape(-1, 5), ones(2, 9), "with 5 times some entries per sample", "(9,)"),
    (Pad((1, 2, 3, 4)), ones(4, 4, 1), "(N, H, W, C)", "(4, 4, 1)"),
    (Pad((2, 1, 0, 0), "reflect"), ones(1, 2, 9, 1), "larger than its reflected border", "(2, 9, 1)"),
    (Crop((1, 2, 0, 0)), ones(1, 3, 3, 1), "larger than the border cut off", "(3, 3, 1)"),
    (Crop(1), ones(4, 4, 1), "(N, H, W, C)", "(4, 4, 1)"),
    (
        Concat(),
        (ones(2, 3), ones(3, 3)),
        "a tuple of arrays that differ in the last axis only",
        "((2, 3), (3, 3))",
    ),
    (Concat(), ones(2, 3), "a tuple of arrays that differ in the last axis only", "(2, 3)"),
    (Pick(1), (ones(2, 3),), "a tuple of more than 1 arrays", "((2, 3),)"),
    (Pick(0), ones(2, 3), "a tuple of more than 0 arrays", "(2, 3)"),
    (
        VirtualBatchNorm(3),
        ones(4, 3),
        "that begins with the rows of a reference",
        "(4, 3); put the network into Referenced(net, reference)",
    ),
    (Referenced(Dense(3, 2), ones(4, 3)), ones(2, 2), "of samples shaped as the reference's, (3,)", "(2, 2)"),
]


@pytest.mark.parametrize("layer, x, expected, got", INPUTS)
def test_a_wrong_input_is_refused_word_for_word(layer, x, expected, got):
    message = said(ValueError, layer.forward, layer.init(0, np.float64), x, Pass())
    assert message == f"{layer!r}: expected x {expected}, got {got}"


def test_a_reference_is_large_enough_and_within_the_batch():
    layer = VirtualBatchNorm(3)
    p = layer.init(0, np.float64)
    small = said(ValueError, layer.forward, p, ones(4, 3), Pass(reference=1))
    assert small == (
        f"{layer!r}: expected x with at least two values per channel in its reference, got (1, 3); "
        "use a larger reference"
    )
    large = said(ValueError, layer.forward, p, ones(4, 3), Pass(reference=5))
    assert "that begins with the rows of a reference, got (4, 3)" in large
    assert layer.forward(p, ones(4, 3), Pass(reference=4))[0].shape == (4, 3)
    assert layer.forward(p, ones(4, 3), Pass(reference=2))[0].shape == (4, 3)
    assert layer.forward(p, ones(2, 2, 3), Pass(reference=1))[0].shape == (2, 2, 3)


FLOATS = [  # layer, the shape of an input that it takes
    (Dense(4, 3), (2, 4)),
    (Conv2d(1, 2, 1), (1, 2, 2, 1)),
    (ConvTranspose2d(1, 2, 1), (1, 2, 2, 1)),
    (ReLU(), (2, 3)),
    (LeakyReLU(0.1), (2, 3)),
    (ELU(2.0), (2, 3)),
    (Tanh(), (2, 3)),
    (Sigmoid(), (2, 3)),
    (Softplus(2.0), (2, 3)),
    (Maxout(3), (2, 3)),
    (Dropout(0.25), (2, 3)),
    (Noise(0.5), (2, 3)),
    (BatchNorm(3), (2, 3)),
    (InstanceNorm(3), (1, 2, 2, 3)),
    (LayerNorm(3), (2, 3)),
    (PixelNorm(), (2, 3)),
    (MinibatchStd(2), (2, 3)),
    (MinibatchDiscrimination(3, 2, 1), (2, 3)),
    (Pack(2), (2, 3)),
    (MaxPool2d(2), (1, 2, 2, 1)),
    (AvgPool2d(2), (1, 2, 2, 1)),
    (Upsample(2), (1, 2, 2, 1)),
    (PixelShuffle(1), (1, 2, 2, 1)),
    (Reshape(3), (2, 3)),
    (Flatten(), (2, 3)),
    (Pad(1), (1, 2, 2, 1)),
    (Crop(0), (1, 2, 2, 1)),
]


@pytest.mark.parametrize("layer, shape", FLOATS)
def test_an_input_that_is_not_an_array_of_floats_is_refused_word_for_word(layer, shape):
    p, numbers = layer.init(0), np.ones(shape, np.int32)
    for x, got in ((numbers, "int32"), (numbers > 0, "bool"), (numbers.tolist(), "list"), (None, "NoneType")):
        assert said(TypeError, layer.forward, p, x, Pass(0)) == (
            f"{layer!r}: expected x as a float32 or float64 array, got {got}; "
            "convert it with np.asarray(x, np.float32)"
        )
    y, _ = layer.forward(p, numbers.astype(np.float32), Pass(0))
    assert y.dtype == np.float32


@pytest.mark.parametrize("layer", [VirtualBatchNorm(3), Referenced(Dense(3, 2), ones(4, 3))], ids=repr)
def test_a_layer_with_a_reference_refuses_integers_by_its_own_name(layer):
    message = said(TypeError, layer.forward, layer.init(0), np.ones((4, 3), int), Pass(reference=2))
    assert message.startswith(f"{layer!r}: expected x as a float32 or float64 array, got int64")


@pytest.mark.parametrize("layer, x", [(Dense(3, 2), ones(2, 3)), (Conv2d(3, 2, 1), ones(1, 2, 2, 3))])
def test_an_input_of_another_dtype_than_the_parameters_is_refused_word_for_word(layer, x):
    assert said(TypeError, layer.forward, layer.init(0), x, Pass()) == (
        f"{layer!r}: its parameters are float32, but x is float64; convert x, or the parameters with p.astype"
    )


def test_weights_of_another_shape_are_refused_word_for_word():
    wide = Dense(3, 5).init(0, np.float64)
    assert said(ValueError, Dense(3, 4).forward, wide, ones(2, 3), Pass()) == (
        "Dense(3, 4): expected W (3, 4), got (3, 5); these parameters belong to another network; "
        "use the parameters that this network's init returned"
    )


@pytest.mark.parametrize(
    "measured, got",
    [
        ({}, "none"),
        ({"mean": ones(3)}, "['mean']"),
        ({"variance": ones(3)}, "['variance']"),
        ({"mean": ones(2), "variance": ones(3)}, "['mean', 'variance']"),
        ({"other": {}}, "['other']"),
    ],
)
def test_measured_statistics_that_do_not_fit_are_refused_word_for_word(measured, got):
    net = Sequential(Tanh(), BatchNorm(3))
    context = Pass(measured={"1": measured} if measured else {})
    assert said(ValueError, net.forward, net.init(0, np.float64), ones(2, 3), context) == (
        "BatchNorm(3) at 1: expected its measured mean and variance (3,) in context.measured, "
        f"got {got}; use what measure(...) returns for this network"
    )


def test_a_pass_without_a_seed_has_no_random_numbers():
    message = "Pass.rng: expected a context with a seed, got seed=None; use Pass(seed=...)"
    assert said(ValueError, Pass().rng) == message
    assert Pass(0).rng().random() == Pass(0).rng().random() != Pass(1).rng().random()


# ---- shapes

SHAPES = [  # layer, the shape of a sample, what was expected, what was got and what to do
    (Maxout(3), (2, 4), "(..., a multiple of 3)", "(2, 4)"),
    (Maxout(3), (), "(..., a multiple of 3)", "()"),
    (Dense(4, 3), (5,), "(4,) per sample", "(5,)"),
    (Dense(4, 3), (), "(4,) per sample", "()"),
    (Dense(1, 3), (), "(1,) per sample", "()"),
    (Dense(4, 3), (2, 2), "(4,) per sample", "(2, 2); add Flatten() before it"),
    (Dense(4, 3), (2, 3), "(4,) per sample", "(2, 3)"),
    (Conv2d(2, 3, 2), (4, 5, 3), "(H, W, 2) per sample", "(4, 5, 3)"),
    (Conv2d(2, 3, 2), (4, 2), "(H, W, 2) per sample", "(4, 2)"),
    (Conv2d(2, 3, (2, 4)), (4, 3, 2), "at least (2, 4) after padding", "(4, 3, 2)"),
    (ConvTranspose2d(2, 3, 2), (4, 5, 3), "(H, W, 2) per sample", "(4, 5, 3)"),
    (ConvTranspose2d(2, 3, (3, 1), padding=1), (3, 2, 2), "large enough for its padding", "(3, 2, 2)"),
    (MinibatchDiscrimination(4, 2, 3), (5,), "(4,) per sample", "(5,)"),
    (Residual(Dense(3, 4)), (3,), "that body and shortcut map to one shape", "(4,) and (3,)"),
    (Skip(AvgPool2d(2)), (4, 4, 1), "that the body keeps all sizes but the last", "(4, 4, 1) -> (2, 2, 1)"),
    (Parallel(ReLU(), Tanh()), ((3,),), "a tuple of 2 shapes", "((3,),)"),
    (LayerNorm(3), (2, 4), "(..., 3)", "(2, 4)"),
    (BatchNorm(3), (4,), "(..., 3)", "(4,)"),
    (InstanceNorm(3), (2, 2, 4), "(..., 3)", "(2, 2, 4)"),
    (VirtualBatchNorm(3), (4,), "(..., 3)", "(4,)"),
    (MaxPool2d(2), (4, 4), "(H, W, C) per sample", "(4, 4)"),
    (MaxPool2d((5, 2)), (4, 4, 1), "at least (5, 2) after padding", "(4, 4, 1)"),
    (AvgPool2d((5, 2)), (4, 4, 1), "at least (5, 2) after padding", "(4, 4, 1)"),
    (Upsample(2), (4, 4), "(H, W, C) per sample", "(4, 4)"),
    (PixelShuffle(2), (2, 2, 6), "(H, W, a multiple of 4) per sample", "(2, 2, 6)"),
    (PixelShuffle(2), (2, 4), "(H, W, a multiple of 4) per sample", "(2, 4)"),
    (Reshape(2, 5), (9,), "with 10 entries per sample", "(9,)"),
    (Reshape(-1, 5), (3, 3), "with 5 times some entries per sample", "(3, 3)"),
    (Reshape(-1, 0), (3,), "with 0 times some entries per sample", "(3,)"),
    (Pad(1), (4, 4), "(H, W, C) per sample", "(4, 4)"),
    (Pad((0, 0, 1, 2), "reflect"), (9, 2, 1), "larger than its reflected border", "(9, 2, 1)"),
    (Crop((0, 0, 2, 2)), (3, 4, 1), "larger than the border cut off", "(3, 4, 1)"),
    (Crop(1), (4, 4), "(H, W, C) per sample", "(4, 4)"),
    (Concat(), ((2, 3), (5, 3)), "a tuple of shapes that differ in the last axis only", "((2, 3), (5, 3))"),
]


@pytest.mark.parametrize("layer, shape, expected, got", SHAPES)
def test_a_wrong_shape_is_refused_word_for_word(layer, shape, expected, got):
    assert said(ValueError, layer.output_shape, shape) == f"{layer!r}: expected x {expected}, got {got}"


# ---- a layer of one's own


def test_a_missing_pass_is_named_with_what_to_define():
    class Own(Layer):
        pass

    down = "(self, dy, cache, frozen=False, need_dx=True) -> (dx, dp)"
    second = "has no tangent passes, so it cannot be used in a second-order objective; define"
    for call, arguments, rest in (
        (Own().forward, ({}, 0), "has no forward pass; define forward(self, p, x, context) -> (y, cache)"),
        (Own().backward, (0, 0), f"has no backward pass; define backward{down}"),
        (Own().tangent_forward, (0, 0), f"{second} tangent_forward"),
        (Own().tangent_backward, (0, 0, 0, 0), f"{second} tangent_backward"),
    ):
        assert said(TypeError, call, *arguments) == f"Own() {rest}"


def test_a_linear_map_without_its_map_is_refused():
    class Own(LinearMap):
        pass

    message = said(TypeError, Own().forward, {}, ones(2, 3))
    assert message == "Own(): define apply(self, x, context) -> (y, kept)"


@pytest.mark.parametrize("net", [Sequential, Parallel, Residual, Skip, Condition])
@pytest.mark.parametrize("child", [None, ReLU, "ReLU"])
def test_a_child_that_is_not_a_layer_is_refused(net, child):
    names = {Residual: "body", Skip: "body", Condition: "layer"}
    message = f"{net.__name__}: expected layers, got {child!r} at {names.get(net, '0')}; give layers only"
    assert said(TypeError, net, child) == message


@pytest.mark.parametrize("wrap", [Equalized, Spectral])
@pytest.mark.parametrize("layer", [Tanh(), None, Embedding(3, 2), Sequential(Dense(2, 3))])
def test_a_wrapper_takes_layers_with_a_product_only(wrap, layer):
    assert said(TypeError, wrap, layer) == (
        f"{wrap.__name__}: expected a Dense, Conv2d or ConvTranspose2d, got {layer!r}; wrap these only"
    )


def test_the_dtype_of_new_parameters_is_a_float():
    for dtype in (int, bool, np.complex64):
        assert said(TypeError, Dense(2, 3).init, 0, dtype) == (
            f"init: expected dtype float32 or float64, got {np.dtype(dtype)}; use one of them"
        )
    assert Dense(2, 3).init(0, "float64").dtype == np.float64
