"""The operator tests of the ONNX standard, for each operator that numgan has.

    pip install ".[test,conformance]" && pytest tests/layers/test_conformance.py

Every test of such an operator in the installed onnx is run here, or listed with the reason why it is not.
ONNX has the channels first, so pictures and weights are transposed here. A 1-D signal (N, C, L) becomes a
picture of width 1. If ONNX's operator does more than a layer (its own border, a weight for each row), NumPy
does the rest.
"""

import fnmatch
import itertools
import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'numgan[conformance]'")

from onnx.backend.test import loader  # noqa: E402

import numgan as ng  # noqa: E402
from numgan import _kernels as kernels  # noqa: E402
from numgan import layers  # noqa: E402
from numgan.layers import Pass  # noqa: E402
from numgan.losses import softmax, softmax_cross_entropy  # noqa: E402

# ---- what is not run: reason -> operators, and reason -> tests of operators that are run

NO_OPERATOR = {
    "NumPy computes it, and no layer wraps it": (
        "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Cast CastLike Ceil Clip Compress "
        "Constant ConstantOfShape Cos Cosh CumProd CumSum Det Div Einsum Equal Exp Expand EyeLike Floor "
        "Gather GatherElements GatherND Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log "
        "Max Mean Min Mod Mul Neg NonZero Not OneHot Or Pow Range Reciprocal ReduceL1 ReduceL2 "
        "ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare "
        "Round Scatter ScatterElements ScatterND Shape Sign Sin Sinh Size Slice Split Sqrt Squeeze Sub "
        "Sum Tan Tile TopK Transpose Trilu Unique Unsqueeze Where Xor"
    ),
    "a function that no layer computes": (
        "Celu Erf Gelu HardSigmoid HardSwish Hardmax Mish PRelu Selu Shrink Softsign SwiGLU Swish "
        "ThresholdedRelu"
    ),
    "a layer that numgan does not have": (
        "AffineGrid CausalConvWithState CenterCropPad Col2Im DeformConv GRU GridSample LRN LSTM "
        "LpNormalization LpPool RNN RoiAlign"
    ),
    "attention and its helpers": "Attention FlexAttention LinearAttention RotaryEmbedding TensorScatter",
    "numbers of few bits, bits and quantised arithmetic": (
        "BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ConvInteger DequantizeLinear "
        "DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear"
    ),
    "sound": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "control flow, sequences and optional values": (
        "If Loop OptionalGetElement OptionalHasElement ReverseSequence Scan SequenceInsert SequenceMap "
        "SplitToSequence"
    ),
    "texts, trees, files and boxes": (
        "ArrayFeatureExtractor Binarizer ImageDecoder LabelEncoder NonMaxSuppression RegexFullMatch "
        "StringConcat StringNormalizer StringSplit TfIdfVectorizer TreeEnsemble"
    ),
    "it takes logarithms of probabilities; numgan's loss takes logits, which is SoftmaxCrossEntropyLoss": (
        "NegativeLogLikelihoodLoss"
    ),
    "random numbers of ONNX's own": "Bernoulli",
    "an optimiser that numgan does not have": "Adagrad",
}
UNFIT = {
    "an operator written as a graph of others": "*_expanded *_expanded_ver[0-9]*",
    "three axes of pixels": "test_averagepool_3d* test_maxpool_3d* test_convtranspose_3d",
    "taps that are apart": (
        "test_averagepool_2d_dilations test_maxpool_2d_dilations test_convtranspose_dilations"
    ),
    "groups of channels": "test_convtranspose_group_2*",
    "a maximum over a border that differs from side to side, or a window beyond it": (
        "test_maxpool_2d_precomputed_same_upper test_maxpool_2d_same_* test_maxpool_2d_ceil "
        "test_maxpool_2d_ceil_output_size_reduce_by_one"
    ),
    "a border of more than half the window, which a pool of numgan refuses": "test_maxpool_2d_pads",
    "pixels as integers, which a layer of numgan refuses": "test_maxpool_2d_uint8 test_matmul_*int*",
    "a border of another kind": "test_edge_pad test_wrap_pad",
    "a mask of ONNX's own random numbers": (
        "test_training_dropout test_training_dropout_mask test_training_dropout_default*"
    ),
    "a picture that gets smaller, another size than a whole multiple, or another rule between the pixels": (
        "test_resize_downsample_* test_resize_*cubic* test_resize_tf_* test_resize_*align_corners* "
        "test_resize_*_sizes_* test_resize_*half_pixel_symmetric*"
    ),
    "half precision": "test_*_float16 test_*_bfloat16",
}

# ---- channels last, and back


def last(x):
    """(N, C, H, W) or (N, C, L) as (N, H, W, C)"""
    return np.ascontiguousarray(x.reshape(*x.shape[:3], -1).transpose(0, 2, 3, 1))


def first(y, like):
    """(N, H, W, C) as (N, C, H, W), or (N, C, L) if `like` is that."""
    y = y.transpose(0, 3, 1, 2)
    return y[..., 0] if like.ndim == 3 else y


def two(numbers, fill):
    return (*numbers, *[fill] * (2 - len(numbers)))


def out(layer, x, p=None, context=Pass()):
    return layer.forward(p or {}, x, context)[0]


def borders(x, a, kernel, stride):
    """(top, bottom, left, right) of the border of a window; ceil_mode adds to bottom and right."""
    size, pads = x.shape[2:], a.get("pads", [0] * 2 * len(x.shape[2:]))
    border, more = [], []
    for i, (n, k, s) in enumerate(zip(size, kernel, stride, strict=False)):
        before, after = pads[i], pads[i + len(size)]
        if (auto := a.get("auto_pad", b"NOTSET").decode()).startswith("SAME"):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            before, after = (total // 2, total - total // 2)[:: 1 if auto == "SAME_UPPER" else -1]
        over = (n + before + after - k) % s
        windows = (n + before + after - k) // s + 1
        grow = a.get("ceil_mode") and over and windows * s < n + before  # no window begins in the border
        border, more = [*border, before, after], [*more, 0, s - over if grow else 0]
    return two(border, 0) if len(border) == 4 else (*border, 0, 0), more if len(more) == 4 else (*more, 0, 0)


def window(x, a, shape):
    kernel = two(a.get("kernel_shape", shape), 1)
    return kernel, two(a.get("strides", [1] * (x.ndim - 2)), 1)


# ---- the operators: door(attributes, *inputs) -> outputs


def conv(a, x, w, b=None):
    kernel, stride = window(x, a, w.shape[2:])
    border, _ = borders(x, a, kernel, stride)
    layer = layers.Conv2d(w.shape[1], w.shape[0], kernel, stride, bias=b is not None)
    p = {"W": np.ascontiguousarray(w.reshape(*w.shape[:2], *kernel).transpose(2, 3, 1, 0)), "b": b}
    return first(out(layer, out(layers.Pad(border), last(x)), p), x)


def conv_transpose(a, x, w, b=None):
    kernel, stride = window(x, a, w.shape[2:])
    extra = two(a.get("output_padding", [0] * (x.ndim - 2)), 0)
    layer = layers.ConvTranspose2d(
        w.shape[0], w.shape[1], kernel, stride, output_padding=extra, bias=b is not None
    )
    y = out(
        layer,
        last(x),
        {"W": np.ascontiguousarray(w.reshape(*w.shape[:2], *kernel).transpose(2, 3, 1, 0)), "b": b},
    )
    pads = a.get("pads", [0] * 4)
    wanted = a.get("output_shape")
    if "auto_pad" in a:
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if wanted:
        over = [n - m for n, m in zip(y.shape[1:3], wanted, strict=True)]
        pads = [n // 2 for n in over] + [n - n // 2 for n in over]
        if min(over) < 0:  # larger than all that the windows reach
            return first(out(layers.Pad((0, max(-over[0], 0), 0, max(-over[1], 0))), y), x)
    cut = (pads[0], pads[len(pads) // 2], pads[1], pads[-1]) if x.ndim == 4 else (pads[0], pads[1], 0, 0)
    return first(out(layers.Crop(cut), y), x)


def max_pool(a, x):
    kernel, stride = window(x, a, None)
    border, _ = borders(x, a, kernel, stride)
    layer = layers.MaxPool2d(kernel, stride, border[::2])
    y, (index, _) = layer.forward({}, last(x), Pass())
    index, planes = first(index, x), np.prod(x.shape[2:])
    if a.get("storage_order"):
        index = index % x.shape[3] * x.shape[2] + index // x.shape[3]
    return first(y, x), index + planes * np.arange(x.shape[0] * x.shape[1]).reshape(
        *x.shape[:2], *[1] * (x.ndim - 2)
    )


def max_unpool(a, x, index, shape=None):
    """MaxPool2d's way back. A larger shape has zeros at its end; indices are of the smaller one."""
    kernel, stride = window(x, a, None)
    size = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], stride, kernel, strict=True)]
    below, beside = (0, 0) if shape is None else (int(shape[2]) - size[0], int(shape[3]) - size[1])
    cache = last(index).astype(np.int64), (x.shape[0], *size, x.shape[1])
    y = layers.MaxPool2d(kernel, stride).transpose(last(x), cache)
    return first(out(layers.Pad((0, below, 0, beside)), y), x)


def average_pool(a, x):
    kernel, stride = window(x, a, None)
    border, more = borders(x, a, kernel, stride)
    layer, pad, wider = layers.AvgPool2d(kernel, stride), layers.Pad(border), layers.Pad(more)
    inside = np.ones_like(last(x))
    inside = out(pad, inside) if not a.get("count_include_pad") else np.ones_like(out(pad, inside))
    total, share = out(layer, out(wider, out(pad, last(x)))), out(layer, out(wider, inside))
    return first(total / share, x)  # the mean over what counts


def pooled(kind):
    return lambda a, x: first(out(kind(x.shape[2:]), last(x)), x)


def batch_norm(a, x, gain, bias, mean, variance):
    layer, p = layers.BatchNorm(len(gain), a.get("epsilon", 1e-5)), {"gain": gain, "bias": bias}
    flat = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    if not a.get("training_mode"):
        return np.moveaxis(out(layer, flat, p, Pass(measured={"mean": mean, "variance": variance})), -1, 1)
    y, cache = layer.forward(p, flat, Pass())
    new, momentum = layer.batch_statistics(cache), a.get("momentum", 0.9)
    moved = [
        momentum * old + (1 - momentum) * new[name] for name, old in (("mean", mean), ("variance", variance))
    ]
    return np.moveaxis(y, -1, 1), *moved


def instance_norm(a, x, gain, bias):
    return first(
        out(layers.InstanceNorm(len(gain), a.get("epsilon", 1e-5)), last(x), {"gain": gain, "bias": bias}), x
    )


def group_norm(a, x, gain, bias):
    """LayerNorm of each group by itself; then every channel's gain and bias."""
    n, c, groups = *x.shape[:2], a["num_groups"]
    rows, each = x.reshape(n * groups, -1), x.size // (n * groups)
    plain = {"gain": np.ones(each, x.dtype), "bias": np.zeros(each, x.dtype)}
    y = out(layers.LayerNorm(each, a.get("epsilon", 1e-5)), rows, plain)
    channel = (c, *[1] * (x.ndim - 2))
    return y.reshape(x.shape) * gain.reshape(channel) + bias.reshape(channel)


def layer_norm(a, x, gain, bias=None):
    axis, rows = a.get("axis", -1) % x.ndim, x.reshape(-1, gain.size)
    p = {"gain": gain.ravel(), "bias": np.zeros(gain.size, x.dtype) if bias is None else bias.ravel()}
    y, (_, mean, r, *_) = layers.LayerNorm(gain.size, a.get("epsilon", 1e-5)).forward(p, rows, Pass())
    kept = (*x.shape[:axis], *[1] * (x.ndim - axis))
    return y.reshape(x.shape), mean.reshape(kept), r.reshape(kept)


def rms_norm(a, x, gain):
    return out(layers.PixelNorm(a.get("epsilon", 1e-5)), x.reshape(-1, gain.size)).reshape(x.shape) * gain


def mean_variance(a, x):
    layer, c = layers.BatchNorm(x.shape[1], 1e-9), x.shape[1]
    return first(out(layer, last(x), {"gain": np.ones(c, x.dtype), "bias": np.zeros(c, x.dtype)}), x)


def each(make):
    return lambda a, x: out(make(a), x)


def along(axis, f, x):
    return np.moveaxis(f(np.moveaxis(x, axis, -1)), -1, axis)


def log_softmax(y):
    """log p_k is minus the loss of a row whose label is k."""
    rows = y.reshape(-1, y.shape[-1])
    losses = [[softmax_cross_entropy(row[None], np.array([k]))[0] for k in range(len(row))] for row in rows]
    return -np.array(losses, y.dtype).reshape(y.shape)


def cross_entropy(a, y, labels, weights=None):
    """The loss of each row by itself; ONNX's weights, ignored labels and reductions are NumPy's."""
    rows, flat = np.moveaxis(y, 1, -1).reshape(-1, y.shape[1]), labels.ravel()
    kept = flat != a.get("ignore_index", np.iinfo(np.int64).min)
    loss = np.array(
        [
            softmax_cross_entropy(row[None], np.array([k]))[0] if keep else 0.0
            for row, k, keep in zip(rows, flat, kept, strict=True)
        ],
        y.dtype,
    )
    weight = kept * (1 if weights is None else weights[np.where(kept, flat, 0)])
    how = a.get("reduction", b"mean").decode()
    total = (loss * weight).reshape(labels.shape) if how == "none" else (loss * weight).sum()
    return np.asarray(total / weight.sum() if how == "mean" else total, y.dtype), along(1, log_softmax, y)


def gemm(a, x, w, b=None):
    x, w = x.T if a.get("transA") else x, w.T if a.get("transB") else w
    y = out(layers.Dense(*w.shape, bias=False), np.ascontiguousarray(x), {"W": np.ascontiguousarray(w)})
    y *= np.float32(a.get("alpha", 1))
    return y if b is None else y + np.float32(a.get("beta", 1)) * b


def matmul(a, x, w):
    left, right = x.reshape(1, -1) if x.ndim == 1 else x, w.reshape(-1, 1) if w.ndim == 1 else w
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*stack, *left.shape[-2:]))
    right = np.broadcast_to(right, (*stack, *right.shape[-2:]))
    y = np.empty((*stack, left.shape[-2], right.shape[-1]), x.dtype)
    for at in np.ndindex(*stack):
        y[at] = kernels.matmul(np.ascontiguousarray(left[at]), np.ascontiguousarray(right[at]))
    return y.reshape((*stack, *left.shape[-2:-1] * (x.ndim > 1), *right.shape[-1:] * (w.ndim > 1)))


def pad(a, x, pads, value=None, axes=None):
    axes = range(x.ndim) if axes is None else axes
    sides = {int(axis) % x.ndim: pads[[i, i + len(pads) // 2]] for i, axis in enumerate(axes)}
    if any(sides[axis].any() for axis in sides if axis < 2):
        raise AssertionError("expected a border around pictures alone")
    border = [int(n) for axis in (2, 3) for n in sides.get(axis, (0, 0))]
    mode, value, pixels = (
        a["mode"].decode(),
        np.float32(0 if value is None else value),
        last(x).astype(np.float32),
    )
    y = out(layers.Pad(border, "reflect" if mode == "reflect" else "zero"), pixels - value) + value
    return first(y, x).astype(x.dtype)


def shuffled(a, x):
    f, (n, c, h, w) = a["blocksize"], x.shape
    if a.get("mode", b"DCR") == b"DCR":  # numgan's order of channels is CRD
        x = x.reshape(n, f * f, c // (f * f), h, w).swapaxes(1, 2).reshape(x.shape)
    return first(out(layers.PixelShuffle(f), last(x)), x)


def gathered(a, x):
    """The way back of PixelShuffle."""
    f = a["blocksize"]
    y = first(layers.PixelShuffle(f).transpose(last(x), None), x)
    n, c, h, w = y.shape
    if a.get("mode", b"DCR") == b"CRD":
        return y
    return y.reshape(n, c // (f * f), f * f, h, w).swapaxes(1, 2).reshape(y.shape)


def resize(a, x, *rest):
    scales = dict(
        zip(a.get("axes", range(4)), next(r for r in rest if r is not None and r.size), strict=True)
    )
    factor = [int(scales.get(axis, 1)) for axis in (2, 3)]
    assert factor == [scales.get(axis, 1) for axis in (2, 3)]
    return first(
        out(layers.Upsample(factor, {b"nearest": "nearest", b"linear": "bilinear"}[a["mode"]]), last(x)), x
    )


def concat(a, *parts):
    return np.moveaxis(
        out(layers.Concat(), tuple(np.moveaxis(part, a["axis"], -1) for part in parts)), -1, a["axis"]
    )


def flatten(a, x):
    axis = a.get("axis", 1) % (x.ndim + 1) if a.get("axis", 1) < 0 else a.get("axis", 1)
    axis -= a.get("axis", 1) < 0
    return out(layers.Flatten(), x.reshape(int(np.prod(x.shape[:axis])), *x.shape[axis:]))


def reshape(a, x, shape):
    """ONNX's shape has the batch in it: here all of x is one sample."""
    shape = [int(n) or (0 if a.get("allowzero") else x.shape[i]) for i, n in enumerate(shape)]
    return out(layers.Reshape(*shape), x[None])[0]


def dropout(a, x, *rest):
    return out(layers.Dropout(), x), np.ones(x.shape, bool)  # no seed, no dropout: nothing is masked


def vectors(count, rest):
    """x, g and the moments of each parameter, which ONNX hands over kind by kind."""
    return zip(
        *[rest[i : i + len(rest) // count] for i in range(0, len(rest), len(rest) // count)], strict=True
    )


def adam(a, rate, t, *rest):
    rule = ng.Adam(float(rate), a["alpha"], a["beta"], a["epsilon"], a["norm_coefficient"])
    # ONNX leaves the correction of the bias out at t = 0: after so many steps there is none
    moved = [
        rule.step(p, g, {"step": int(t) - 1 if t else 10**6, "m": m, "v": v})
        for p, g, m, v in vectors(4, rest)
    ]
    return list(
        itertools.chain(
            [p for p, _, _ in moved], [s["m"] for _, s, _ in moved], [s["v"] for _, s, _ in moved]
        )
    )


def momentum(a, rate, t, *rest):
    assert t == 0 or a["beta"] == 1, "numgan adds the whole gradient to the momentum"
    rule = ng.SGD(float(rate), a["alpha"], a["mode"] == b"nesterov", a["norm_coefficient"])
    moved = [rule.step(p, g, {"step": 0, "m": m}) for p, g, m in vectors(3, rest)]
    return [p for p, _, _ in moved] + [s["m"] for _, s, _ in moved]


RUN = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
    "AveragePool": average_pool,
    "GlobalAveragePool": pooled(layers.AvgPool2d),
    "GlobalMaxPool": pooled(layers.MaxPool2d),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "MeanVarianceNormalization": mean_variance,
    "Relu": each(lambda a: layers.ReLU()),
    "LeakyRelu": each(lambda a: layers.LeakyReLU(a.get("alpha", 0.01))),
    "Elu": each(lambda a: layers.ELU(a.get("alpha", 1.0))),
    "Sigmoid": each(lambda a: layers.Sigmoid()),
    "Tanh": each(lambda a: layers.Tanh()),
    "Softplus": each(lambda a: layers.Softplus()),
    "Softmax": lambda a, x: along(a.get("axis", -1), softmax, x),
    "LogSoftmax": lambda a, x: along(a.get("axis", -1), log_softmax, x),
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "Gemm": gemm,
    "MatMul": matmul,
    "Pad": pad,
    "DepthToSpace": shuffled,
    "SpaceToDepth": gathered,
    "Resize": resize,
    "Upsample": resize,
    "Concat": concat,
    "Flatten": flatten,
    "Reshape": reshape,
    "Dropout": dropout,
    "Adam": adam,
    "Momentum": momentum,
}


def operator(case):
    return case.model.graph.node[0].op_type


def reason(case):
    """Why a test is not run; None: it is; "" for a test of which nobody has said anything."""
    for why, patterns in UNFIT.items():
        if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns.split()):
            return why
    if operator(case) in RUN:
        return None
    return next((why for why, operators in NO_OPERATOR.items() if operator(case) in operators.split()), "")


with warnings.catch_warnings(), np.errstate(all="ignore"):
    warnings.simplefilter("ignore")  # onnx computes its cases when they are asked for
    CASES = loader.load_model_tests(kind="node")


@pytest.mark.parametrize("case", [case for case in CASES if reason(case) is None], ids=lambda case: case.name)
def test_operator(case):
    (node,) = case.model.graph.node
    given = [value.name for value in case.model.graph.input]
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    for inputs, expected in case.data_sets:
        named = dict(zip(given, inputs, strict=True))
        got = RUN[operator(case)](attributes, *[named.get(name) for name in node.input])
        got = got if isinstance(got, (tuple, list)) else (got,)
        assert len(got) >= len(expected)
        wanted = dict(zip([value.name for value in case.model.graph.output], expected, strict=True))
        for name, value in zip(node.output, got, strict=False):
            if name:
                assert value.shape == wanted[name].shape, name
                np.testing.assert_allclose(
                    value, wanted[name], rtol=case.rtol, atol=max(case.atol, 1e-6), err_msg=name
                )


def test_every_operator_test_is_run_or_listed():
    assert not sorted({operator(case) for case in CASES if reason(case) == ""})
    assert sum(reason(case) is None for case in CASES) >= 150
    assert not [name for names in NO_OPERATOR.values() for name in names.split() if name in RUN]
