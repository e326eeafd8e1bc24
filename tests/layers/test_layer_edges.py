"""Values of layers at the edges of their formulas: types, empty and single entries, random streams."""

import numpy as np
import pytest

from numgan import check_layer
from numgan.checking.layer_cases import LAYERS
from numgan.core.randomness import stream
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
    Given,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    LinearMap,
    Maxout,
    MaxPool2d,
    MinibatchStd,
    Noise,
    Pack,
    Pad,
    Parallel,
    Pass,
    Pick,
    PixelNorm,
    Referenced,
    ReLU,
    Residual,
    Sequential,
    Skip,
    Spectral,
    Tanh,
    Upsample,
    VirtualBatchNorm,
    measure,
)
from numgan.layers.initializers import constant, glorot, he, normal, orthogonal, uniform

FLOATS = [case for case in LAYERS if isinstance(case.x, tuple) and case.x and isinstance(case.x[0], int)]


@pytest.mark.parametrize("case", FLOATS, ids=lambda case: case.title)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_pass_keeps_the_type_of_its_input(case, dtype):
    layer, rng = case.layer, np.random.default_rng(3)
    draw = lambda shape: rng.standard_normal(shape).astype(dtype)
    p, x, context = layer.init(1, dtype), draw((case.batch, *case.x)), case.context or Pass(0)
    y, cache = layer.forward(p, x, context)
    dy, tdy = draw(y.shape), draw(y.shape)
    dx, dp = layer.backward(dy, cache)
    ty, tcache = layer.tangent_forward(draw(x.shape), cache, p)
    tdx, tdp = layer.tangent_backward(dy, tdy, cache, tcache)
    results = [y, dx, ty, tdx, *(tree[name] for tree in (dp, tdp) for name in tree)]
    assert {result.dtype for result in results if result is not None} == {np.dtype(dtype)}
    assert dx.shape == x.shape and ty.shape == y.shape and (tdx is None or tdx.shape == x.shape)


EMPTY = [
    case
    for case in FLOATS
    if not any(word in case.title for word in ("BatchNorm", "Given(")) and not case.context
]


@pytest.mark.parametrize("case", EMPTY, ids=lambda case: case.title)
def test_all_four_passes_take_an_empty_batch(case):
    layer, x = case.layer, np.zeros((0, *case.x))
    p = layer.init(0, np.float64)
    y, cache = layer.forward(p, x, Pass(0))
    ty, tcache = layer.tangent_forward(x, cache, p)
    dx, dp = layer.backward(y, cache)
    tdx, tdp = layer.tangent_backward(y, y, cache, tcache)
    assert y.shape == ty.shape == (0, *layer.output_shape(case.x)) and dx.shape == tdx.shape == x.shape
    assert not any(np.any(tree[name]) for tree in (dp, tdp) for name in tree)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_embedding_has_the_type_of_its_table(dtype):
    layer = Embedding(3, 2)
    p = layer.init(0, dtype)
    y, cache = layer.forward(p, np.array([0, 2, 2], np.int32))
    assert y.dtype == p["W"].dtype == dtype and np.array_equal(y, p["W"][[0, 2, 2]])
    dp = layer.backward(y, cache)[1]
    tdp = layer.tangent_backward(y, 2 * y, cache, None)[1]
    assert dp["W"].dtype == tdp["W"].dtype == dtype and not dp["W"][1].any()
    assert np.array_equal(dp["W"][2], 2 * p["W"][2]) and np.array_equal(tdp["W"], 2 * dp["W"])
    assert layer.tangent_backward(y, None, cache, None)[1] == {"W": None}
    ty, _ = layer.tangent_forward(None, cache, p)
    assert np.array_equal(ty, y) and layer.tangent_forward(None, cache)[0] is None


def test_measured_statistics_take_the_type_of_the_input():
    layer, x = BatchNorm(2), np.array([[1.0, 5.0]], np.float32)
    context = Pass(measured={"mean": np.array([0.0, 1.0]), "variance": np.array([4.0, 1.0])})
    y, cache = layer.forward(layer.init(0), x, context)
    assert y.dtype == np.float32 and np.allclose(y, [[1 / np.sqrt(4 + 1e-5), 4 / np.sqrt(1 + 1e-5)]])
    dx, dp = layer.backward(np.ones_like(y), cache)
    assert dx.dtype == dp["gain"].dtype == np.float32 and np.allclose(dx, [[0.5, 1.0]], rtol=1e-4)
    assert layer.batch_statistics(cache) == {}


def test_statistics_are_measured_with_random_numbers_if_a_seed_is_given():
    net = Sequential(Dropout(0.5), BatchNorm(3))
    p, batches = net.init(0, np.float64), list(np.random.default_rng(1).standard_normal((3, 8, 3)) / 9)
    off, on, again = (measure(net, p, batches, *seed)["1"] for seed in ((), (4,), (4,)))
    x = np.concatenate(batches)
    assert np.allclose(off["mean"], x.mean(0)) and np.allclose(off["variance"], x.var(0))
    assert np.array_equal(on["mean"], again["mean"]) and not np.allclose(on["mean"], off["mean"])
    assert on["variance"].max() < 0.2 and not np.allclose(on["variance"], off["variance"])


def test_a_constant_has_no_variance_and_never_less():
    net = Sequential(Tanh(), BatchNorm(4))
    batches = [np.full((5, 4), value, np.float32) * np.float32([1, 2, 3, 4]) for value in (0.1, 0.1, 0.1)]
    found = measure(net, net.init(0), batches)["1"]
    assert (found["variance"] >= 0).all() and found["variance"].max() < 1e-6


@pytest.mark.parametrize(
    "net, path",
    [
        (Skip(BatchNorm(3)), ("body",)),
        (Residual(BatchNorm(3)), ("body",)),
        (Residual(Tanh(), BatchNorm(3)), ("shortcut",)),
        (Sequential(Tanh(), Sequential(BatchNorm(3))), ("1", "0")),
        (Sequential(Tanh(), Skip(BatchNorm(3)), Pack(2)), ("1", "body")),
    ],
)
def test_statistics_are_found_wherever_the_layer_is(net, path):
    x = np.random.default_rng(0).standard_normal((6, 3))
    found = measure(net, net.init(0, np.float64), [x])
    for name in path:
        assert list(found) == [name]
        found = found[name]
    h = np.tanh(x) if isinstance(net, Sequential) else x
    assert np.allclose(found["mean"], h.mean(0)) and np.allclose(found["variance"], h.var(0))


# ---- random numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_is_added_from_the_stream_of_its_place(dtype):
    x = np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)
    y, _ = Noise(0.5).forward({}, x, Pass(7, path=("2", "body")))
    noise = (0.5 * stream(7, "2", "body").standard_normal((3, 4))).astype(dtype)
    assert y.dtype == dtype and np.array_equal(y, x + noise)


class Told(Noise):
    """A Noise that tells the seed and the place of every forward pass."""

    seen = []

    def apply(self, x, context):
        self.seen.append((context.seed, context.path))
        return super().apply(x, context)


X, C = np.ones((3, 4)), np.ones((3, 2))


@pytest.mark.parametrize(
    "net, x, paths",
    [
        (Sequential(Tanh(), Told(1)), X, ["1"]),
        (Sequential(Sequential(Told(1))), X, ["0 0"]),
        (Residual(Told(1), Told(2)), X, ["body", "shortcut"]),
        (Skip(Told(1)), X, ["body"]),
        (Parallel(Told(1), Told(2)), (X, C), ["0", "1"]),
        (Condition(Told(1)), (X, C), ["layer"]),
        (Referenced(Told(1), np.zeros((2, 4))), X, ["net"]),
        (Given(Sequential(Parallel(Told(1), Told(2)), Pick(0)), C), X, ["0 0", "0 1"]),
    ],
)
def test_every_network_hands_the_seed_and_the_place_to_its_layers(net, x, paths):
    p = net.init(0, np.float64)
    outs = [net.forward(p, x, Pass(seed))[0] for seed in (None, 6, 6, 7)]
    still, one, again, other = (out if isinstance(out, tuple) else (out,) for out in outs)
    assert all(map(np.array_equal, one, again))
    assert not np.array_equal(one[0], other[0]) and not np.array_equal(one[0], still[0])
    Told.seen.clear()
    net.forward(p, x, Pass(6, path=("G",)))
    assert Told.seen == [(6, ("G", *path.split())) for path in paths]


@pytest.mark.parametrize("layer", [Noise(0), Noise(0.5), Dropout(0), Dropout(0.5)], ids=repr)
def test_without_random_numbers_the_input_itself_comes_out(layer):
    x = np.ones((2, 3), np.float32)
    for context in (Pass(), Pass(3)) if "0)" in repr(layer) else (Pass(),):
        y, cache = layer.forward({}, x, context)
        assert y is x and layer.backward(x, cache)[0] is x and layer.tangent_forward(x, cache)[0] is x


def test_a_context_is_handed_down_with_its_seed_statistics_and_reference():
    context = Pass(5, {"0": {"mean": 1}}, ("G",), 3)
    assert context.child("0") == Pass(5, {"mean": 1}, ("G", "0"), 3)
    assert context.child("1") == Pass(5, {}, ("G", "1"), 3) and Pass(5).child("0") == Pass(5, None, ("0",))


def test_dropout_scales_what_it_keeps():
    x = np.full((40, 50), 3.0, np.float32)
    for rate in (0.25, 0.75):
        y, (mask,) = Dropout(rate).forward({}, x, Pass(1))
        kept = y != 0
        assert np.allclose(y[kept], 3 / (1 - rate)) and abs(kept.mean() - (1 - rate)) < 0.05
        assert mask.dtype == y.dtype == np.float32


# ---- initial values


def test_initial_values_are_drawn_as_their_formulas_say():
    rng = np.random.default_rng
    assert np.array_equal(he(rng(0), (3, 4), 8, 5), rng(0).normal(0, 0.5, (3, 4)))
    assert np.array_equal(glorot(rng(0), (3, 4), 2, 4), rng(0).uniform(-1, 1, (3, 4)))
    assert np.array_equal(he(rng(0), (3,), 1, 9), rng(0).normal(0, np.sqrt(2), 3))
    assert np.array_equal(he(rng(0), (3,), 0, 9), rng(0).normal(0, np.sqrt(2), 3))
    assert np.array_equal(glorot(rng(0), (3,), 0, 1), rng(0).uniform(-np.sqrt(6), np.sqrt(6), 3))
    assert np.array_equal(glorot(rng(0), (3,), 0, 0), rng(0).uniform(-np.sqrt(6), np.sqrt(6), 3))
    assert np.array_equal(normal()(rng(0), (3,), 1, 1), rng(0).normal(0, 0.02, 3))
    assert np.array_equal(normal(0.5, 2.0)(rng(0), (3,), 1, 1), rng(0).normal(2.0, 0.5, 3))
    assert np.array_equal(uniform(0.5)(rng(0), (3,), 1, 1), rng(0).uniform(-0.5, 0.5, 3))
    whole = constant(3)(rng(0), (2, 2), 1, 1)
    assert whole.dtype == np.float64 and np.array_equal(whole, np.full((2, 2), 3.0))


@pytest.mark.parametrize("shape", [(2, 2, 3, 5), (2, 7), (4, 4), (1, 1, 2, 9)])
def test_an_orthogonal_weight_is_a_matrix_over_its_last_axis(shape):
    W = orthogonal(2.0)(np.random.default_rng(1), shape, 1, 1)
    M = W.reshape(-1, shape[-1])
    small = M @ M.T if M.shape[0] <= M.shape[1] else M.T @ M
    assert W.shape == shape and np.allclose(small, 4 * np.eye(min(M.shape)))


@pytest.mark.parametrize("layer", [Dense(3, 2), Conv2d(3, 2, 2), ConvTranspose2d(3, 2, 2)], ids=repr)
def test_a_bias_starts_at_zero_and_a_seed_fixes_the_weights(layer):
    one, two, other = layer.init(4), layer.init(np.random.default_rng(4)), layer.init(5)
    assert one == two != other and not one["b"].any() and one["W"].all() and one.dtype == np.float32
    equal = Equalized(layer).init(4)
    assert not equal["b"].any() and equal["W"].all()


@pytest.mark.parametrize("kind", [BatchNorm, InstanceNorm, LayerNorm, VirtualBatchNorm])
def test_a_normalisation_starts_with_its_gain_and_without_bias(kind):
    p, q = kind(3).init(0), kind(3, init=constant(0.5)).init(0)
    assert p["gain"].tolist() == [1, 1, 1] and p["bias"].tolist() == [0, 0, 0]
    assert q["gain"].tolist() == [0.5] * 3 and q["bias"].tolist() == [0, 0, 0]
    assert len(PixelNorm().init(0)) == 0


def test_the_first_singular_vectors_come_from_thirty_iterations():
    W = np.diag([1.0, 0.97])
    layer = Spectral(Dense(2, 2, init=lambda rng, *words: W))
    p, start = layer.init(0, np.float64), np.random.default_rng(0).standard_normal(2)
    assert np.isclose(p["u"][1] / p["u"][0], 0.97**60 * start[1] / start[0], rtol=1e-9)
    assert np.isclose(p["v"][1] / p["v"][0], 0.97**59 * start[1] / start[0], rtol=1e-9)
    assert np.isclose(np.square(p["u"]).sum(), 1) and np.isclose(np.square(p["v"]).sum(), 1)


def test_a_spectral_layer_divides_by_the_first_singular_value():
    for layer in (Dense(3, 4), Conv2d(2, 3, (2, 3)), ConvTranspose2d(3, 2, (3, 2))):
        W = layer.init(0, np.float64)["W"]
        x = np.random.default_rng(1).standard_normal(
            (2, 3) if isinstance(layer, Dense) else (2, 4, 5, layer.inputs)
        )
        spectral = Spectral(layer)
        p = spectral.init(0, np.float64)
        M = np.swapaxes(W, -1, -2) if layer.transposed else W
        sigma = np.linalg.svd(M.reshape(-1, layer.features))[1][0]
        alone = layer.forward({"W": p["W"] / sigma, "b": p["b"]}, x)[0]
        assert np.array_equal(p["W"], W) and np.allclose(spectral.forward(p, x)[0], alone, rtol=1e-4)
        assert p["u"].shape == (M.size // layer.features,) and p["v"].shape == (layer.features,)


# ---- networks


def test_a_unit_at_the_beginning_is_not_taken_for_a_fused_one():
    x = np.array([[-1.0, 2.0, -3.0], [4.0, -5.0, 6.0]])
    for unit, f in (
        (ReLU(), lambda x: np.maximum(x, 0)),
        (LeakyReLU(0.5), lambda x: np.where(x > 0, x, x / 2)),
    ):
        for net in (Sequential(unit, Dense(3, 3)), Sequential(unit), Sequential(unit, BatchNorm(3))):
            p = net.init(0, np.float64)
            h = f(x)
            y = net[1:].forward(p, h)[0]
            assert np.allclose(net.forward(p, x)[0], y)
        net = Sequential(Dense(3, 3), unit, unit, Dense(3, 2))
        p = net.init(0, np.float64)
        h = f(f(x @ p["0.W"]))
        assert np.allclose(net.forward(p, x)[0], h @ p["3.W"])


@pytest.mark.parametrize(
    "layers",
    [
        (Dense(3, 4), BatchNorm(4), LeakyReLU(0.3), Dense(4, 2)),
        (BatchNorm(3), LeakyReLU(0.3), BatchNorm(3), LeakyReLU(0.1)),
        (Dense(3, 4), LeakyReLU(0.3), LeakyReLU(0.7), Dense(4, 2)),
        (Dense(3, 4), LeakyReLU(0.3), Dense(4, 3), LeakyReLU(0.6), Dense(3, 2)),
        (Dense(3, 4), LeakyReLU(0.3), BatchNorm(4), Dense(4, 2), LeakyReLU(0.9)),
        (LeakyReLU(0.3), Dense(3, 4), LeakyReLU(0.6), Tanh(), Dense(4, 2)),
        (Dense(3, 4), LeakyReLU(0.3), Equalized(Dense(4, 2)), LeakyReLU(0.6)),
    ],
)
def test_fused_units_have_the_gradients_of_their_formulas(layers):
    assert check_layer(Sequential(*layers), x=(3,), batch=5, slow=True).max_error <= 1e-6


def test_an_empty_network_is_the_identity():
    net, x = Sequential(), np.ones((2, 3))
    p = net.init(0, np.float64)
    y, cache = net.forward(p, x)
    dx, dp = net.backward(2 * x, cache)
    assert y is x and np.array_equal(dx, 2 * x) and len(dp) == 0 and len(net) == 0
    assert net.backward(x, cache, need_dx=False)[0] is None and net.output_shape((3, 4)) == (3, 4)
    assert net.tangent_forward(x, cache)[0] is x


@pytest.mark.parametrize("unit", [Tanh(), Sequential(Tanh(), ReLU()), Upsample(2)])
def test_without_need_no_pass_of_layers_before_the_first_weights_runs(unit):
    net, x = Sequential(unit, Conv2d(1, 2, 1), Tanh()), np.random.default_rng(0).standard_normal((2, 3, 3, 1))
    p = net.init(0, np.float64)
    y, cache = net.forward(p, x)
    one, two = net.backward(y, cache), net.backward(y, cache, need_dx=False)
    assert two[0] is None and one[0].shape == x.shape and one[1] == two[1]
    _, tcache = net.tangent_forward(x, cache)
    one, two = (net.tangent_backward(y, y, cache, tcache, need_dx=need) for need in (True, False))
    assert two[0] is None and one[0].shape == x.shape and one[1] == two[1]


def test_an_output_that_no_loss_uses_has_no_gradient():
    net = Parallel(Dense(3, 2), Dense(2, 1))
    p = net.init(0, np.float64)
    y, cache = net.forward(p, (np.ones((4, 3)), np.ones((4, 2))))
    dx, dp = net.backward((None, y[1]), cache)
    assert dx[0] is None and np.allclose(dx[1], y[1] @ p["1.W"].T) and not dp["0.W"].any() and dp["1.W"].all()
    picked = Sequential(net, Pick(1))
    q = picked.init(0, np.float64)
    _, cache = picked.forward(q, (np.ones((4, 3)), np.ones((4, 2))))
    _, dp = picked.backward(np.ones((4, 1)), cache)
    assert not dp["0.0.W"].any() and np.allclose(dp["0.1.b"], 4)


def test_shapes_of_networks_follow_their_formulas():
    assert Condition(Dense(5, 4)).output_shape(((3,), (2,))) == ((4,), (2,))
    assert Condition(Conv2d(5, 4, 2)).output_shape(((6, 7, 3), (2,))) == ((5, 6, 4), (2,))
    assert Condition(Dense(5, 4)).flops(((3,), (2,))) == 4 * 11
    assert Parallel(Dense(3, 2), Embedding(5, 4)).output_shape(((7, 3), ())) == ((7, 2), (4,))
    assert Pick(1).output_shape(((2,), (3, 4))) == (3, 4) and Pack(3).output_shape((4, 2)) == (4, 6)
    assert Concat().output_shape(((2, 3), (2, 4), (2, 5))) == (2, 12)
    assert Referenced(Dense(3, 2), np.ones((4, 3))).output_shape((3,)) == (2,)
    assert MinibatchStd().output_shape((4, 5, 3)) == (4, 5, 4) and Maxout(2).output_shape((3, 8)) == (3, 4)


def test_the_same_vector_in_other_places():
    x, c = np.arange(12.0).reshape(1, 2, 3, 2), np.array([[7.0, 8.0, 9.0]])
    net = Condition(Sequential())
    (y, kept), _ = net.forward(net.init(0, np.float64), (x, c))
    assert y.shape == (1, 2, 3, 5) and np.array_equal(y[..., :2], x) and kept is c
    assert np.array_equal(y[..., 2:], np.broadcast_to(c, (1, 2, 3, 3)))


# ---- borders, pools, pictures


def test_a_border_of_four_widths_is_put_where_it_belongs():
    x = np.arange(1.0, 7).reshape(1, 2, 3, 1)
    y, cache = Pad((1, 0, 2, 0)).forward({}, x)
    assert y[0, :, :, 0].tolist() == [[0, 0, 0, 0, 0], [0, 0, 1, 2, 3], [0, 0, 4, 5, 6]]
    y, _ = Pad((1, 0, 0, 2), "reflect").forward({}, x)
    assert y[0, :, :, 0].tolist() == [[4, 5, 6, 5, 4], [1, 2, 3, 2, 1], [4, 5, 6, 5, 4]]
    y, _ = Crop((0, 1, 1, 0)).forward({}, x)
    assert y[0, :, :, 0].tolist() == [[2, 3]]
    dx = Crop((0, 1, 1, 0)).backward(np.ones((1, 1, 2, 1)), (None,))[0]
    assert dx[0, :, :, 0].tolist() == [[0, 1, 1], [0, 0, 0]]
    dx = Pad((1, 0, 0, 2), "reflect").backward(np.ones((1, 3, 5, 1)), (None,))[0]
    assert dx[0, :, :, 0].tolist() == [[2, 2, 1], [4, 4, 2]]


def test_a_pool_over_a_padded_border_counts_zeros_in_the_mean_only():
    x = np.full((1, 2, 2, 1), -4.0)
    assert np.array_equal(AvgPool2d(2, 2, 1).forward({}, x)[0], np.full((1, 2, 2, 1), -1.0))
    assert np.array_equal(MaxPool2d(2, 2, 1).forward({}, x)[0], x)
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    y, cache = AvgPool2d((3, 2), (1, 2)).forward({}, x)
    assert y.ravel().tolist() == [4.5, 6.5]
    dx = AvgPool2d((3, 2), (1, 2)).backward(np.array([6.0, 12.0]).reshape(1, 1, 2, 1), cache)[0]
    assert dx[0, :, :, 0].tolist() == [[1, 1, 2, 2]] * 3


def test_of_equal_entries_the_first_is_the_maximum():
    x = np.ones((1, 2, 2, 1))
    _, cache = MaxPool2d(2).forward({}, x)
    assert MaxPool2d(2).backward(np.ones((1, 1, 1, 1)), cache)[0].ravel().tolist() == [1, 0, 0, 0]
    _, cache = Maxout(4).forward({}, x.reshape(1, 4))
    assert Maxout(4).backward(np.ones((1, 1)), cache)[0].tolist() == [[1, 0, 0, 0]]


def test_units_at_zero_take_the_lower_side():
    zero = np.zeros((1, 2))
    for unit, slope in ((ReLU(), 0.0), (LeakyReLU(0.25), 0.25), (ELU(0.5), 0.5)):
        y, cache = unit.forward({}, zero)
        assert not y.any() and np.array_equal(
            unit.backward(np.ones((1, 2)), cache)[0], np.full((1, 2), slope)
        )


# ---- layers of one's own


def test_a_layer_of_ones_own_may_underflow_when_it_begins_and_is_refreshed():
    class Tiny(Layer):
        held = ("s",)

        def parameter_shapes(self):
            return {"s": (2,)}

        def initial_values(self, rng):
            return {"s": np.full(2, 1e-300) * 1e-300}

        def refreshed(self, p):
            return {"s": np.exp(p["s"] - 1000)}

    with np.errstate(all="raise"):
        layer = Tiny()
        assert not layer.init(0, np.float64)["s"].any() and not layer.initial_values(None)["s"].any()
        assert not layer.refreshed({"s": np.zeros(2)})["s"].any()


def test_a_linear_map_of_ones_own_has_all_four_passes():
    class Double(LinearMap):
        def apply(self, x, context):
            return 2 * x, None

        def transpose(self, dy, cache):
            return 2 * dy

    assert check_layer(Double(), x=(3, 2)).max_error <= 1e-9 and Double().has_tangents
