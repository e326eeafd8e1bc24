"""A LeakyReLU fused into a product or a normalisation gives the results of the LeakyReLU alone."""

import numpy as np
import pytest
from kernel_cases import CONVOLUTIONS, DTYPES, FAST, LAYOUTS, PRODUCTS, convolution, layouts, normal

import numgan as ng
from numgan import _kernels as kernels
from numgan._kernels import compiled
from numgan.core.errors import NonFiniteError
from numgan.core.probes import record_kinks, watch_finite
from numgan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Pass,
    ReLU,
    Sequential,
    Tanh,
)

needs_compiled = pytest.mark.skipif(compiled is None, reason="the compiled kernels are not built")
MODULES = ["reference", pytest.param("compiled", marks=needs_compiled)]
SLOPES = [0, 0.2, 1, 1.7]


def holds(module, product, shape, bias, dtype, seed=0):
    """product(bias, slope, gate) is the unit of product(bias), to the last bit."""
    gate = normal(np.random.default_rng(seed), dtype, *shape)
    plain = product(bias, 1.0, None)
    for slope in SLOPES:
        assert np.array_equal(product(bias, slope, None), module.leaky_relu(plain, slope), equal_nan=True), (
            slope
        )
        assert np.array_equal(
            product(bias, slope, gate), module.leaky_relu_gradient(plain, gate, slope), equal_nan=True
        ), slope
    assert product(bias, 0.2, gate).dtype == dtype


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, k, n", [*PRODUCTS, (37, 29, 1), (1200, 128, 1)])
def test_matmul(m, k, n, dtype, module):
    module, rng = getattr(kernels, module), np.random.default_rng(1)
    a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n)
    for given in (bias, None):
        holds(module, lambda *finish: module.matmul(a, b, *finish), (m, n), given, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "module, case",
    [
        *(("reference", case) for case in CONVOLUTIONS[:9]),
        *(  # the other shapes are for blocks and algorithms that only the compiled kernels have
            pytest.param("compiled", case, marks=needs_compiled)
            for case in CONVOLUTIONS + FAST[:4] + FAST[-1:]
        ),
    ],
    ids=str,
)
def test_convolutions(case, dtype, module):
    module = getattr(kernels, module)
    x, w, dy, o, c, window = convolution(case, dtype)
    for bias in (o, None):
        holds(module, lambda *finish: module.conv2d(x, w, *window, *finish), dy.shape, bias, dtype)
    for bias in (c, None):
        holds(
            module,
            lambda *finish: module.conv2d_input_gradient(dy, w, *window, x.shape[1:3], *finish),
            x.shape,
            bias,
            dtype,
        )


@needs_compiled
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_gate_in_any_layout(layout):
    x, w, dy, _, _, window = convolution(CONVOLUTIONS[4], np.float32)
    gate = normal(np.random.default_rng(3), np.float32, *dy.shape)
    assert np.array_equal(
        compiled.conv2d(x, w, *window, None, 0.2, layouts(gate)[layout]),
        compiled.conv2d(x, w, *window, None, 0.2, gate),
    )


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(
    "case", [CONVOLUTIONS[2], (1, 6, 9, 17, 3, (4, 4), (2, 2), (1, 1))], ids=str
)  # thin, and packed
def test_nan_and_inf(case, slope, module):
    """nan stays nan, and nothing else becomes it: with slope 0 even -inf is 0."""
    module = getattr(kernels, module)
    x, w, dy, o, c, window = convolution(case, np.float64)
    o[0], o[1], c[0], c[1] = np.nan, -np.inf, -np.inf, np.nan
    y, dx = (
        module.conv2d(x, w, *window, o, slope),
        module.conv2d_input_gradient(dy, w, *window, x.shape[1:3], c, slope),
    )
    below = 0 if slope == 0 else -np.inf
    assert np.isnan(y[..., 0]).all() and (y[..., 1] == below).all() and np.isfinite(y[..., 2:]).all()
    assert np.isnan(dx[..., 1]).all() and (dx[..., 0] == below).all()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("rows, channels", [(1, 1), (7, 3), (72, 3), (67, 33), (1031, 64), (300, 130)])
def test_normalisation(rows, channels, slope, dtype, module):
    module, rng = getattr(kernels, module), np.random.default_rng(5)
    x, dy = normal(rng, dtype, rows, channels), normal(rng, dtype, rows, channels)
    mean, scale, bias, centre, share = (normal(rng, dtype, channels) for _ in range(5))
    y = module.normalize(x, mean, scale, bias)
    assert np.array_equal(module.normalize(x, mean, scale, bias, slope), module.leaky_relu(y, slope))
    below = module.leaky_relu_gradient(dy, y, slope)
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for one, two in zip(
        module.channel_products(dy, x, mean, scale, bias, slope), module.channel_products(below, x, mean)
    ):
        np.testing.assert_allclose(one, two, **close)
    np.testing.assert_allclose(
        module.normalize_gradient(dy, x, mean, scale, centre, share, bias, slope),
        module.normalize_gradient(below, x, mean, scale, centre, share),
        **close,
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda a, v: kernels.matmul(a, a, v, -0.1), "matmul: expected slope as a finite number >= 0"),
        (
            lambda a, v: kernels.matmul(a, a, v, 0.2, v[None]),
            r"matmul: expected gate of shape \(3, 3\), got \(1, 3\)",
        ),
        (
            lambda a, v: kernels.conv2d(a[None, :, :, None], a[:, :, None, None], gate=a[None, :, :, None]),
            "conv2d: expected gate of shape",
        ),
        (
            lambda a, v: kernels.conv2d_input_gradient(
                a[None, :, :, None], a[:1, :1, None, None], size=(3, 3), gate=a[None, :2, :, None]
            ),
            "conv2d_input_gradient: expected gate of shape",
        ),
        (
            lambda a, v: kernels.normalize(a, v, v, v, float("nan")),
            "normalize: expected slope as a finite number >= 0",
        ),
        (lambda a, v: kernels.matmul(a, a, slope=np.inf), "matmul: expected slope as a finite number"),
        (
            lambda a, v: kernels.matmul(a, a, slope="steep"),
            "matmul: expected slope as a finite number >= 0, .*got 'steep'",
        ),
        (lambda a, v: LeakyReLU(None), "LeakyReLU: expected slope as a finite number >= 0, got None"),
        (lambda a, v: kernels.channel_products(a, a, v, slope=0.2), "channel_products: expected scale"),
        (
            lambda a, v: kernels.normalize_gradient(a, a, v, v, v, v, slope=0.2),
            "normalize_gradient: expected bias",
        ),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((3, 3)), np.ones(3))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda a, v: kernels.matmul(None, a),
            "matmul: expected a as a float32 or float64 array, got NoneType",
        ),
        (
            lambda a, v: kernels.normalize(a, v, None, v),
            "normalize: expected scale as a float32 or float64 array, got NoneType",
        ),
        (
            lambda a, v: kernels.conv2d(a[None, :, :, None], a[:, :, None, None], stride=2),
            "conv2d: expected stride as a pair of integers .*got 2",
        ),
        (
            lambda a, v: kernels.conv2d_input_gradient(a[None, :, :, None], a[:, :, None, None], size=4),
            "conv2d_input_gradient: expected size as a pair",
        ),
        (lambda a, v: kernels.add(None, None, a), "add: expected one as a float32 or float64 array"),
        (
            lambda a, v: Dense(3, 2).forward(Dense(3, 2).init(0), a, Pass()),
            r"Dense\(3, 2\): its parameters are float32, but x is float64; convert x",
        ),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call(np.ones((3, 3)), np.ones(3))


# --- in networks -----------------------------------------------------------------------------------------

NETS = {
    "dense": (lambda unit: [Dense(6, 5), unit(), Dense(5, 4), unit(), Dense(4, 3)], (6,)),
    "dense, unit last": (lambda unit: [Dense(6, 5), unit()], (6,)),
    "unit first": (lambda unit: [unit(), Dense(6, 5), unit(), unit(), Dense(5, 2)], (6,)),
    "convolutions": (
        lambda unit: [
            Conv2d(3, 10, 4, 2, 1),
            unit(),
            Conv2d(10, 9, 3),
            unit(),
            ConvTranspose2d(9, 3, 4, 2),
            unit(),
        ],
        (8, 10, 3),
    ),
    "fast convolutions": (
        lambda unit: [Conv2d(3, 33, 4, 2, 1), unit(), Conv2d(33, 34, 3, padding=1), unit(), Conv2d(34, 2, 1)],
        (16, 20, 3),
    ),
    "BatchNorm": (
        lambda unit: [
            Conv2d(2, 5, 3),
            BatchNorm(5),
            unit(),
            Conv2d(5, 4, 2),
            BatchNorm(4),
            unit(),
            Flatten(),
            Dense(36, 2),
        ],
        (6, 6, 2),
    ),
    "mixed": (
        lambda unit: [
            Dense(6, 5),
            Tanh(),
            BatchNorm(5),
            unit(),
            Dense(5, 4),
            unit(),
            BatchNorm(4),
            unit(),
            Dropout(0.5),
            unit(),
        ],
        (6,),
    ),
    "nested": (
        lambda unit: [Sequential(Dense(6, 5), unit()), unit(), Sequential(unit(), Dense(5, 4)), unit()],
        (6,),
    ),
}


def one_by_one(net, p, x, run, dy):
    """y, caches, dx and gradients of a Sequential whose layers all stand alone."""
    caches, gradients = [], {}
    for name, layer in net.children.items():
        x, cache = layer.forward(p.child(name), x, run.child(name))
        caches.append(cache)
    for (name, layer), cache in reversed(list(zip(net.children.items(), caches))):
        dy, dp = layer.backward(dy, cache)
        gradients |= {f"{name}.{path}": dp[path] for path in dp}
    return x, caches, dy, gradients


def flat(cache):
    return [array for part in cache for array in flat(part)] if isinstance(cache, (tuple, list)) else [cache]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("unit", [ReLU, LeakyReLU], ids=["ReLU", "LeakyReLU"])
@pytest.mark.parametrize("name", NETS)
def test_a_sequential_is_its_layers_one_by_one(name, unit, dtype):
    layers, shape = NETS[name]
    net, rng, run = Sequential(*layers(unit)), np.random.default_rng(7), Pass(seed=3)
    p = net.init(1, dtype)
    p.vector[...] += normal(rng, dtype, p.vector.size) / 10
    x = normal(rng, dtype, 6, *shape)
    y, cache = net.forward(p, x, run)
    dy = normal(rng, dtype, *y.shape)
    alone, caches, dx_alone, gradients = one_by_one(net, p, x, run, dy)
    assert np.array_equal(y, alone)
    for one, two in zip(flat(cache), flat(caches), strict=True):
        assert one is two or np.array_equal(one, two)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    dx, dp = net.backward(dy, cache)
    np.testing.assert_allclose(dx, dx_alone, **close)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(dp[path], gradient, **close, err_msg=path)
    assert np.array_equal(net.backward(dy, cache, frozen=True)[0], dx)
    assert np.array_equal(net.backward(dy, cache, need_dx=False)[1].vector, dp.vector)


def test_the_unit_costs_no_kernel_of_its_own():
    net = Sequential(Conv2d(1, 4, 3), LeakyReLU(), Conv2d(4, 4, 3), BatchNorm(4), ReLU(), Conv2d(4, 2, 1))
    p = net.init(0)
    with ng.kernel_calls() as calls:
        y, cache = net.forward(p, np.ones((2, 7, 7, 1), np.float32), Pass())
        net.backward(y, cache)
    assert not {"leaky_relu", "leaky_relu_gradient"} & set(calls) and calls["conv2d_input_gradient"] == 3


def test_kinks_are_recorded_all_the_same():
    layers = [Dense(3, 4), LeakyReLU(), BatchNorm(4), ReLU(), Dense(4, 1)]
    net, x = Sequential(*layers), normal(np.random.default_rng(0), np.float64, 5, 3)
    p = net.init(0, np.float64)
    with record_kinks() as along:
        net.forward(p, x, Pass())
    with record_kinks() as alone:
        for name, layer in net.children.items():
            x, _ = layer.forward(p.child(name), x, Pass())
    assert along == alone and len(along) == 2


def test_who_watches_sees_the_layer_and_not_the_unit():
    net = Sequential(Dense(2, 3), ReLU(), Dense(3, 1))
    p = net.init(0)
    p["0.b"][...] = -np.inf  # ReLU would hide it
    with watch_finite(), pytest.raises(NonFiniteError, match=r"the output of 0 Dense\(2, 3\) is not finite"):
        net.forward(p, np.ones((4, 2), np.float32), Pass())


def test_layers_of_ones_own_stand_alone():
    """A subclass may do anything in its passes."""

    class Doubled(Dense):
        def forward(self, p, x, run):
            y, cache = super().forward(p, x, run)
            return 2 * y, cache

    class Half(LeakyReLU):
        def forward(self, p, x, run):
            y, cache = super().forward(p, x, run)
            return y / 2, cache

    x = np.ones((2, 3), np.float32)
    for layers in ([Doubled(3, 4), ReLU()], [Dense(3, 4), Half()]):
        net = Sequential(*layers)
        p = net.init(0)
        assert np.array_equal(
            net.forward(p, x, Pass())[0], one_by_one(net, p, x, Pass(), np.ones((2, 4), np.float32))[0]
        )


def test_the_first_layer_with_parameters_follows_a_child_that_was_replaced():
    """No kernel runs for a dx that nothing needs."""
    net = Sequential(Dense(3, 3), Dense(3, 2))
    p = net.init(0)
    net.children["0"] = Tanh()
    _, cache = net.forward(p, np.ones((5, 3), np.float32))
    with ng.kernel_calls() as calls:
        dx, dp = net.backward(np.ones((5, 2), np.float32), cache, need_dx=False)
    assert dx is None and calls == {"dense_weight_gradient": 1, "column_sum": 1} and dp["1.W"].any()


def test_the_plan_follows_a_child_that_was_replaced():
    net, rng = Sequential(Dense(3, 4), ReLU(), Dense(4, 2)), np.random.default_rng(6)
    p, x, dy = net.init(0, np.float64), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    net.forward(p, x)
    net.children["1"] = Tanh()
    new = Sequential(net[0], Tanh(), net[2])
    (y, cache), (other, others) = net.forward(p, x), new.forward(p, x)
    assert np.array_equal(y, other)
    (dx, dp), (dother, dothers) = net.backward(dy, cache), new.backward(dy, others)
    assert np.array_equal(dx, dother) and np.array_equal(dp.vector, dothers.vector)
