"""The layers: one list of layers times one list of checks, and what holds for every layer."""

import inspect

import numpy as np
import pytest

import numgan.layers
from numgan import networks
from numgan.checking.layer import CHECKS, SECOND_ORDER, SLOW, title
from numgan.checking.layer_cases import LAYERS, NETWORKS
from numgan.checking.points import outcome
from numgan.layers import (
    ELU,
    BatchNorm,
    Conv2d,
    Dense,
    Elementwise,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    LinearMap,
    Network,
    Pass,
    PixelNorm,
    ReLU,
    Sequential,
    Softplus,
)


@pytest.mark.parametrize("case", LAYERS + NETWORKS, ids=lambda case: case.title)
@pytest.mark.parametrize("check", CHECKS, ids=title)
def test_layer(case, check):
    assert check not in SECOND_ORDER or case.layer.has_tangents
    error, _ = outcome(case.point, check)  # raises GradientError if the check fails
    assert error is None or error <= 1e-6


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.title)
def test_random_projections_agree_too(case):
    assert all(outcome(case.point, check, slow=False)[0] <= 1e-6 for check in SLOW)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in LAYERS
        if isinstance(case.x, tuple)
        and case.x
        and isinstance(case.x[0], int)
        and not any(word in case.title for word in ("BatchNorm", "Given("))
        and not case.context
    ],
    ids=lambda case: case.title,
)
def test_an_empty_batch_passes(case):
    layer, x = case.layer, np.zeros((0, *case.x))
    y, cache = layer.forward(layer.init(0, np.float64), x, Pass(0))
    dx, dp = layer.backward(y, cache)
    assert y.shape == (0, *layer.output_shape(case.x)) and dx.shape == x.shape
    assert all(not np.any(dp[path]) for path in dp)


def _inside(layer):
    return {type(layer)}.union(*map(_inside, layer.children.values()))


def test_every_public_layer_is_in_the_list():
    public = {
        value
        for value in vars(numgan.layers).values()
        if isinstance(value, type) and issubclass(value, Layer)
    }
    public -= {Layer, LinearMap, Elementwise, Network}  # what layers are made from
    assert public - {type(case.layer) for case in LAYERS} == set()


def test_every_shared_network_is_in_the_list():
    titles = " ".join(case.title for case in NETWORKS)
    assert [function for function in networks.__all__ if function not in titles] == []


KINDS = [kind for kind in vars(numgan.layers).values() if isinstance(kind, type) and issubclass(kind, Layer)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_pass_gives_all_derivatives_unless_told_otherwise(kind):
    down = {"frozen": False, "need_dx": True}
    for name, defaults in (("backward", down), ("tangent_forward", {"tp": None}), ("tangent_backward", down)):
        parameters = inspect.signature(getattr(kind, name)).parameters
        assert {word: parameters[word].default for word in defaults} == defaults, name


def test_a_layer_has_tangents_if_it_and_all_within_have_both_passes():
    class Half(Layer):
        def tangent_forward(self, tx, cache, tp=None):
            return tx, None

    class OtherHalf(Layer):
        def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
            return dy, tdy, {}

    class Both(Half, OtherHalf):
        pass

    assert Both().has_tangents and Dense(2, 3).has_tangents and Sequential(Dense(2, 3), Both()).has_tangents
    for lame in (
        Half(),
        OtherHalf(),
        Layer(),
        Sequential(Both(), Half()),
        Sequential(Both(), Sequential(OtherHalf())),
    ):
        assert not lame.has_tangents


def test_a_layer_of_ones_own_may_underflow():
    """The base class marks the passes that a subclass defines."""

    class Tiny(LinearMap):
        def apply(self, x, run):
            return x * np.float32(1e-30), None

        def apply_to_tangent(self, tx, cache):
            return tx * np.float32(1e-30)

        transpose = apply_to_tangent

    class Own(Layer):
        def forward(self, p, x, run):
            return np.exp(x), x

        def backward(self, dy, cache, frozen=False, need_dx=True):
            return dy * np.exp(cache), None if frozen else {}

    with np.errstate(all="raise"):
        for layer, number in ((Tiny(), 1e-30), (Own(), -1000)):
            x = np.full((2, 3), number, np.float32)
            y, cache = layer.forward({}, x, Pass())
            dx, _ = layer.backward(np.full_like(x, 1e-30), cache)
            assert not y.any() and not dx.any()


@pytest.mark.parametrize(
    "layer",
    [BatchNorm(3), InstanceNorm(3), LayerNorm(3), PixelNorm(), Conv2d(3, 2, (2, 3), padding=1)],
    ids=repr,
)
def test_the_passes_of_a_view_are_those_of_its_copy(layer):
    """Channels first in memory: every pass, and its tangents, as if they lay last."""
    rng = np.random.default_rng(2)
    p, tp = layer.init(1), layer.init(2)

    def passes(lay):
        x, tx = (
            lay(rng.standard_normal((4, 3, 6, 8)).astype(np.float32).transpose(0, 2, 3, 1)) for _ in range(2)
        )
        y, cache = layer.forward(p, x, Pass())
        dy, tdy = (
            lay(rng.standard_normal((y.shape[0], *y.shape[:0:-1])).astype(np.float32).transpose(0, 3, 2, 1))
            for _ in range(2)
        )
        ty, tcache = layer.tangent_forward(tx, cache, tp)
        tdx, tdp = layer.tangent_backward(dy, tdy, cache, tcache)
        return [y, ty, tdx, *(tdp[name] for name in tdp), *layer.backward(dy, cache)[:1]]

    results = []
    for lay in lambda x: x, np.ascontiguousarray:
        rng = np.random.default_rng(2)
        results.append(passes(lay))
    for view, copy in zip(*results, strict=True):
        np.testing.assert_allclose(view, copy, rtol=2e-4, atol=2e-5)


def test_parameters_without_initial_values_are_zero():
    class Shifted(Layer):
        def parameter_shapes(self):
            return {"shift": (3,), "scale": (2, 2)}

    p = Shifted().init(0)
    assert p["shift"].shape == (3,) and p["scale"].shape == (2, 2) and not p.vector.any()


def test_both_dtypes_start_at_one_point():
    net = Sequential(Dense(3, 5), ReLU(), Dense(5, 2))
    assert np.array_equal(net.init(3, np.float64).vector.astype(np.float32), net.init(3).vector)


@pytest.mark.parametrize(
    "kind",
    [
        LeakyReLU,
        ELU,
        Softplus,
        lambda n: Softplus(1.0, n),
        lambda n: PixelNorm(eps=n),
        lambda n: LayerNorm(3, eps=n),
    ],
)
def test_numpy_numbers_make_no_float64(kind):
    x, layer = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), kind(np.float64(0.5))
    p = layer.init(0)
    y, cache = layer.forward(p, x, Pass())
    assert y.dtype == layer.backward(y, cache)[0].dtype == np.float32 and repr(layer) == repr(kind(0.5))
