"""Arguments of layers: what is refused, word for word, and what is still taken at each end of a range."""

import numpy as np
import pytest

from numgan.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dense,
    Dropout,
    Embedding,
    Equalized,
    Given,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool2d,
    MinibatchDiscrimination,
    MinibatchStd,
    Noise,
    Pack,
    Pad,
    Pick,
    PixelNorm,
    PixelShuffle,
    Referenced,
    Reshape,
    Softplus,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
)
from numgan.layers.initializers import constant

nan, inf = float("nan"), float("inf")


def refused(make, value):
    """The message of the ValueError that make(value) raises."""
    with pytest.raises(ValueError) as caught:
        make(value)
    return str(caught.value)


COUNTS = {  # the argument's name in the message -> a call with it; all are integers of at least 1
    "Dense inputs": lambda n: Dense(n, 3),
    "Dense outputs": lambda n: Dense(3, n),
    "Conv2d inputs": lambda n: Conv2d(n, 3, 2),
    "Conv2d outputs": lambda n: Conv2d(3, n, 2),
    "ConvTranspose2d inputs": lambda n: ConvTranspose2d(n, 3, 2),
    "ConvTranspose2d outputs": lambda n: ConvTranspose2d(3, n, 2),
    "Embedding classes": lambda n: Embedding(n, 3),
    "Embedding features": lambda n: Embedding(3, n),
    "Maxout pieces": Maxout,
    "BatchNorm channels": BatchNorm,
    "InstanceNorm channels": InstanceNorm,
    "LayerNorm channels": LayerNorm,
    "VirtualBatchNorm channels": VirtualBatchNorm,
    "MinibatchStd group": MinibatchStd,
    "MinibatchDiscrimination inputs": lambda n: MinibatchDiscrimination(n, 3, 2),
    "MinibatchDiscrimination features": lambda n: MinibatchDiscrimination(3, n, 2),
    "MinibatchDiscrimination columns": lambda n: MinibatchDiscrimination(3, 2, n),
    "Pack m": Pack,
    "PixelShuffle factor": PixelShuffle,
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_an_integer_of_at_least_one(name):
    make = COUNTS[name]
    for value in (0, -1, True, 2.0, "2", None if name != "MinibatchStd group" else (), [1], np.float64(1)):
        assert refused(make, value) == f"{name}: expected an integer of at least 1, got {value!r}"
    kept = [value for value in vars(make(np.int64(1))).values() if isinstance(value, np.integer)]
    assert not kept and repr(make(1)) == repr(make(np.int64(1)))


NUMBERS = {  # the argument's name in the message -> a call with it; all are finite numbers of at least 0
    "ELU alpha": ELU,
    "BatchNorm eps": lambda n: BatchNorm(3, n),
    "InstanceNorm eps": lambda n: InstanceNorm(3, n),
    "LayerNorm eps": lambda n: LayerNorm(3, n),
    "VirtualBatchNorm eps": lambda n: VirtualBatchNorm(3, n),
    "PixelNorm eps": PixelNorm,
    "MinibatchStd eps": lambda n: MinibatchStd(None, n),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_finite_and_not_negative(name):
    make = NUMBERS[name]
    for value in (-1, -1e-9, nan, inf, "a", None, True, [1.0]):
        assert refused(make, value) == f"{name}: expected a finite number of at least 0, got {value!r}"
    word = name.split()[1]
    for value in (0, 0.0, 3, 1e30):
        assert getattr(make(value), word) == value
    assert type(getattr(make(np.float64(0.5)), word)) is float


PAIRS = {  # the argument's name in the message -> a call with it; all are an integer or a pair of integers
    "Conv2d kernel": lambda n: Conv2d(2, 3, n),
    "Conv2d stride": lambda n: Conv2d(2, 3, 2, n),
    "Conv2d padding": lambda n: Conv2d(2, 3, 2, 1, n),
    "ConvTranspose2d kernel": lambda n: ConvTranspose2d(2, 3, n),
    "ConvTranspose2d stride": lambda n: ConvTranspose2d(2, 3, 2, n),
    "ConvTranspose2d padding": lambda n: ConvTranspose2d(2, 3, 2, 1, n),
    "ConvTranspose2d output_padding": lambda n: ConvTranspose2d(2, 3, 2, 3, 0, n),
    "MaxPool2d kernel": MaxPool2d,
    "MaxPool2d stride": lambda n: MaxPool2d(2, n),
    "MaxPool2d padding": lambda n: MaxPool2d(4, 1, n),
    "AvgPool2d kernel": AvgPool2d,
    "AvgPool2d stride": lambda n: AvgPool2d(2, n),
    "AvgPool2d padding": lambda n: AvgPool2d(4, 1, n),
    "Upsample factor": Upsample,
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_is_one_integer_or_two(name):
    make = PAIRS[name]
    for value in (1.5, "2", (1,), (1, 2, 3), (1, 2.0), ("1", 1), []):
        assert refused(make, value) == (
            f"{name}: expected an integer or a pair of integers (vertical, horizontal), got {value!r}"
        )
    word = name.split()[1]
    assert getattr(make(1), word) == getattr(make([1, 1]), word) == (1, 1)
    assert getattr(make((1, 2)), word) == (1, 2) and getattr(make((2, 1)), word) == (2, 1)
    assert {type(n) for n in getattr(make((np.int64(1), np.int32(2))), word)} == {int}


WINDOW = "expected kernel and stride >= 1 and padding >= 0, got {}, {}, {}; give an integer or a pair"
POOL = (
    "expected kernel and stride >= 1 and 0 <= padding <= kernel / 2, got {}, {}, {}; "
    "give an integer or a pair for each"
)


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_the_window_of_a_convolution_has_a_size(kind):
    for window in ((0, 1, 0), ((3, 0), 1, 0), ((0, 3), 1, 0), (2, 0, 0), (2, (1, 0), 0), (2, 1, (0, -1))):
        message = refused(lambda window: kind(2, 3, *window), window)
        words = f"{kind.__name__}: {WINDOW.format(*window)} (vertical, horizontal) for each"
        assert message == words
    layer = kind(2, 3, 1, 1, 0)
    assert (layer.kernel, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))


def test_a_transposed_convolution_is_widened_by_less_than_its_stride():
    for stride, extra in ((1, 1), (2, 2), (2, -1), ((3, 2), (2, 2)), ((2, 3), (2, 2)), (2, (-1, 0))):
        assert refused(lambda extra: ConvTranspose2d(2, 3, 3, stride, output_padding=extra), extra) == (
            f"ConvTranspose2d: expected 0 <= output_padding < stride, got {extra} at stride {stride}; "
            "lower output_padding"
        )
    assert ConvTranspose2d(2, 3, 3, (3, 2), output_padding=(2, 1)).output_padding == (2, 1)


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_the_window_of_a_pool_is_half_padding_at_most(kind):
    for window in (
        (0, 1, 0),
        (2, 0, 0),
        (3, 1, 2),
        (3, 1, -1),
        ((4, 2), 1, 2),
        ((2, 4), 1, 2),
        (2, 1, (0, -1)),
    ):
        assert refused(lambda window: kind(*window), window) == f"{kind.__name__}: {POOL.format(*window)}"
    for window in ((1, 1, 0), (2, 1, 1), ((4, 2), (1, 2), (2, 1)), (5, 7, 2)):
        assert repr(kind(*window)).startswith(f"{kind.__name__}(")
    assert kind((2, 3)).stride == (2, 3) and kind((2, 3), 1).stride == (1, 1)


OTHERS = [  # a call, the values that it refuses, the message, the values that it takes
    (
        LeakyReLU,
        (-0.1, nan, inf, "a", None, True),
        "LeakyReLU: expected slope as a finite number >= 0, got {!r}; DCGAN uses 0.2",
        (0, 0.0, 1, 2.5),
    ),
    (
        Dropout,
        (1, 1.0, -0.1, nan, "a", None, 2),
        "Dropout: expected 0 <= rate < 1 (the share that is dropped), got {!r}; the default is 0.5",
        (0, 0.0, 0.999),
    ),
    (
        Noise,
        (-0.1, nan, inf, "a", None),
        "Noise: expected a finite std >= 0, got {!r}; 0 means no noise",
        (0, 0.0, 7),
    ),
    (
        Softplus,
        (0, -1.0, inf, nan, "a", None),
        "Softplus: expected a finite sharpness > 0 and a finite shift, got {!r} and 0.0; "
        "the defaults are 1 and 0",
        (1e-3, 1, 9.5),
    ),
    (
        lambda shift: Softplus(2.0, shift),
        (inf, -inf, nan, "a", None),
        "Softplus: expected a finite sharpness > 0 and a finite shift, got 2.0 and {!r}; "
        "the defaults are 1 and 0",
        (-3.0, 0, 1e30, -1e30),
    ),
    (Pick, (-1, 0.0, None, "0"), "Pick: expected place as an integer of at least 0, got {!r}", (0, 1, 5)),
    (
        lambda mode: Upsample(2, mode),
        ("cubic", None, "Nearest"),
        "Upsample: expected factor >= 1 and mode nearest or bilinear, got 2, {!r}",
        ("nearest", "bilinear"),
    ),
    (
        lambda factor: Upsample(factor, "nearest"),
        (0, -1, (0, 2), (2, 0)),
        "Upsample: expected factor >= 1 and mode nearest or bilinear, got {!r}, 'nearest'",
        (1, 2, (1, 3)),
    ),
    (
        lambda mode: Pad(1, mode),
        ("mirror", None, "Zero"),
        "Pad: expected mode zero or reflect, got {!r}",
        ("zero", "reflect"),
    ),
    (
        lambda shape: Reshape(*shape),
        ((-1, -1), (2, -2), (-1, 3, -1), (-3,)),
        "Reshape: expected sizes >= 0 and at most one -1, got {!r}",
        ((-1,), (2, -1, 3), (0,), (4,)),
    ),
]


@pytest.mark.parametrize("make, wrong, message, right", OTHERS)
def test_an_argument_is_refused_word_for_word_or_taken(make, wrong, message, right):
    for value in wrong:
        assert refused(make, value) == message.format(value)
    for value in right:
        make(value)


@pytest.mark.parametrize("kind", [Pad, Crop])
def test_a_border_has_one_width_or_four(kind):
    for border in ((1, 2), (1, 2, 3), (1, 2, 3, 4, 5), (1, 2, 3, -1), (0.5, 1, 1, 1), (-1, 0, 0, 0)):
        assert refused(kind, border) == (
            f"{kind.__name__}: expected one integer or (top, bottom, left, right), all >= 0, "
            f"got {border!r}; give the border's widths in pixels"
        )
    assert refused(kind, -1).startswith(f"{kind.__name__}: expected one integer or (top, bottom")
    assert kind(0).border == (0, 0, 0, 0) and kind(3).border == kind(np.int64(3)).border == (3, 3, 3, 3)
    assert kind([1, 2, 0, np.int32(4)]).border == (1, 2, 0, 4)
    assert {type(width) for width in kind(np.int8(2)).border} == {int}


@pytest.mark.parametrize(
    "layer, y", [(None, np.zeros(3)), (Tanh, np.zeros(3)), (Tanh(), [1, 2]), (Tanh(), np.array(3))]
)
def test_given_takes_a_layer_and_an_array_of_rows(layer, y):
    assert refused(lambda layer: Given(layer, y), layer) == (
        f"Given: expected a layer and an array y (N, ...), got {layer!r} and {y!r}; "
        "hold the labels of this batch"
    )


@pytest.mark.parametrize(
    "reference, got",
    [
        (np.ones((2, 3), int), "int64 (2, 3)"),
        (np.ones(3), "float64 (3,)"),
        (np.ones((0, 3)), "float64 (0, 3)"),
        (np.float64(1), "float64 ()"),
        (np.array([[1.0, nan]]), "float64 (1, 2) with 1 that are nan or inf"),
        (np.array([[1.0, nan], [inf, inf]]), "float64 (2, 2) with 3 that are nan or inf"),
    ],
)
def test_a_reference_is_rows_of_finite_floats(reference, got):
    assert refused(lambda reference: Referenced(Dense(3, 2), reference), reference) == (
        f"Referenced: expected reference as an array (R, ...) of finite floats, got {got}; "
        "give one row of finite floats for each sample"
    )
    one = Referenced(Dense(3, 2), np.ones((1, 3), np.float32))
    assert one.reference.dtype == np.float64 and one.reference.shape == (1, 3)


def test_a_spectral_layer_starts_from_weights_that_are_not_zero():
    zero = Spectral(Dense(3, 2, init=constant(0.0)))
    assert refused(zero.init, 0) == (
        f"{zero!r}: expected a W that is not zero, got zeros, which have no singular vectors; "
        "choose another init"
    )
    assert np.allclose(Spectral(Dense(3, 2, init=constant(1.0))).init(0)["W"], 1)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_with_a_product_has_a_bias_or_none(bias):
    for layer in (
        Dense(2, 3, bias),
        Conv2d(2, 3, 1, 1, 0, bias),
        ConvTranspose2d(2, 3, 1, 1, 0, 0, bias),
        Equalized(Dense(2, 3, bias=bias)),
        Spectral(Conv2d(2, 3, 1, bias=bias)),
    ):
        p = layer.init(0)
        assert ("b" in p) is bias and (not bias or not p["b"].any())
    assert Dense(2, 3, np.True_).bias is True
