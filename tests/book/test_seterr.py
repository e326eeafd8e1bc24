"""Under np.seterr(all="raise") no formula raises for an underflow, or overflows before a finite result.

The tests use the lists of numgan.checking and numgan.systems, so they cover each new layer, loss and system.
"""

import numpy as np
import pytest

import numgan as ng
from numgan import losses, metrics, optimizers, systems
from numgan._kernels import compiled
from numgan.checking.arrays import leaves, mapped, real
from numgan.checking.cases import GAMES, LOSSES, OPTIMIZERS, PENALTIES, UNROLLED
from numgan.checking.layer_cases import CRITICS, LAYERS, NETWORKS
from numgan.checking.system import SystemPoint
from numgan.data.pixels import to_bytes, to_floats
from numgan.remedies import penalties
from numgan.remedies.noise import noisy

SIZES = 1000.0, 1e-30  # a float32 holds both, and neither exp(-1000) nor the square of 1e-30
BACKENDS = ["reference"] + ["compiled"] * (compiled is not None)


@pytest.fixture(params=BACKENDS, autouse=True)
def backend(request):
    before = ng.backend()
    ng.use_backend(request.param)
    yield
    ng.use_backend(before)


@pytest.fixture(params=SIZES, ids="{:g}".format)
def size(request):
    return request.param


def down(tree, factor=1.0):
    """The same in float32, times a factor."""
    return mapped(lambda a: (factor * a).astype(np.float32) if real(a) else a, tree)


def finite(*results):
    for result in results:
        for _, array in leaves(result):
            assert array is None or np.isfinite(array).all()


def vectors(*gradients):
    return tuple(p[name] for p in gradients if p is not None for name in p if p[name] is not None)


# ---- what is marked


def test_only_underflow_passes_and_only_inside():
    with np.errstate(all="raise"):
        ng.losses.sigmoid(np.float32([-1000]))
        with pytest.raises(FloatingPointError, match="underflow"):
            np.exp(np.float32([-1000]))
        with pytest.raises(FloatingPointError, match="overflow"):
            ng.l2(np.float32([[1e30]]), np.float32([[0]]))
        with pytest.raises(FloatingPointError, match="underflow"):  # an error does not leave it open
            np.exp(np.float32([-1000]))


def test_a_layer_of_ones_own_may_underflow_too():
    class Squared(ng.Layer):
        def forward(self, p, x, run):
            return x * x, x

    with np.errstate(all="raise"):
        assert Squared().forward(None, np.float32([1e-30]), ng.Pass())[0] == 0


# ---- the walk


@pytest.mark.parametrize("case", LAYERS + NETWORKS + CRITICS, ids=lambda case: case.title)
def test_every_pass_of_every_layer(case, size):
    point = case.point()
    layer, p, tp = point.layer, point.p.astype(np.float32), point.tp.astype(np.float32)
    x, dy, tdy, tx = (down(tree, size) for tree in (point.x, point.dy, point.tdy, point.tx))
    with np.errstate(all="raise"):
        y, cache = layer.forward(p, x, point.context)
        dx, dp = layer.backward(dy, cache)
        finite(y, dx, vectors(dp))
        if layer.has_tangents:
            ty, tcache = layer.tangent_forward(tx, cache, tp)
            tdx, tdp = layer.tangent_backward(dy, tdy, cache, tcache)
            finite(ty, tdx, vectors(tdp))


LOGITS = (0.0, 100.0, -100.0, 1000.0, -1000.0, 1e-30, -1e-30)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_every_loss_on_sure_and_on_tiny_logits(loss):
    a = np.float32(LOGITS)[:, None]
    b, t = a[::-1].copy(), np.float32(1e-30) * np.ones_like(a)
    with np.errstate(all="raise"):
        if isinstance(loss, (losses.AdversarialLoss, losses.RelativisticLoss)):
            real = (a,) if isinstance(loss, losses.RelativisticLoss) else ()
            found = loss.discriminator(a, b), loss.generator(*real, b), loss.discriminator_tangent(a, b, t, t)
            finite(*found, loss.generator_tangent(*real, b, *(t,) * len(real), t))
        elif isinstance(loss, losses.SoftmaxCrossEntropy):
            y = np.float32([LOGITS, LOGITS[::-1]])
            finite(loss(y, np.array([1, 2])), loss.tangent(y, np.full_like(y, 1e-30), np.array([1, 2])))
        else:
            finite(loss(a, b), loss.tangent(a, t, b))


@pytest.mark.parametrize(
    "optimizer",
    [*OPTIMIZERS, *(optimizers.Adam(eps=0, beta2=0.0), optimizers.RMSProp(eps=0, decay=0.0))],
    ids=repr,
)
def test_every_optimiser_and_its_adjoint(optimizer):
    g = np.float32([0, 1e-30, -1e-30, 1000, -1000, 1, -1])
    if getattr(optimizer, "eps", None) == 0:
        g = g[3:]  # 0 / 0 is no number
    p = np.float32([1, 2, 3, 1e-30, 0, -1, 1e3])[-len(g) :]
    with np.errstate(all="raise"):
        state, caches = optimizer.start(p), []
        for _ in range(3):
            p, state, cache = optimizer.step(p, g, state)
            caches.append(cache)
        finite(p, tuple(state[name] for name in optimizer.moments))
        dp, dstate = np.full_like(p, 1e-30), None
        for cache in reversed(caches):
            dp, dg, dstate = optimizer.adjoint(dp, dstate, cache)
            finite(dp, dg)
        optimizer.update(p, g, state)
        optimizers.moving_average(p.copy(), p, 0.999)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("case", CRITICS, ids=lambda case: case.title)
def test_every_penalty_on_every_critic(name, case, size):
    point = case.point()
    p, x = point.p.astype(np.float32), down(point.x, size)
    more = (x,) if name == "roth" else ()
    with np.errstate(all="raise"):
        value, dphi = PENALTIES[name](point.layer, p, x, *more, point.context, *(point.context,) * len(more))
    finite(np.array(value), dphi.vector)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_every_game_of_consensus(game, size):
    phi, theta = game.D.init(0), game.G.init(0)
    z = np.random.default_rng(0).standard_normal((5, *game.z)).astype(np.float32)
    with np.errstate(all="raise"):
        real = game.G.forward(theta, z, ng.Pass(seed=1))[0]
        runs = (ng.Pass(seed=seed) for seed in (2, 3, 1))
        value, gradients, _ = game.consensus(game.D, game.G, phi, theta, np.float32(size) * real, z, *runs)
    finite(np.array(value), *(gradient.vector for gradient in gradients))


@pytest.mark.parametrize("loss, optimizer, steps", UNROLLED, ids=str)
def test_every_unrolling(loss, optimizer, steps, size):
    D = ng.mlp(3, 5, 4, 1, activation=ng.Tanh)
    phi, x = D.init(0), np.float32(size) * np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    unrolling = ng.Unrolling(D, loss, optimizer, steps)
    with np.errstate(all="raise"):
        ahead, tape = unrolling.forward(phi, x, -x)
        dphi, dfake = unrolling.backward(ahead.like(np.full_like(phi.vector, 1e-20)), tape)
    finite(ahead.vector, dphi.vector, dfake)


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_objective_of_every_system(name):
    for preset in systems.presets(name):
        system = systems.build(name, preset, 0.05)
        point = SystemPoint(system)
        batch = systems.Batch(
            {
                word: column.astype(np.float32) if real(column) else column
                for word, column in point.batch.items()
            },
            point.batch.number,
        )
        memory = {
            word: array.astype(np.float32) if real(array) else array for word, array in point.memory.items()
        }
        for factor in (1.0, 30.0):  # weights so large that D is sure
            params = {net: p.like((factor * p.vector).astype(np.float32)) for net, p in point.params.items()}
            moments = {net: opt.start(params[net].vector) for net, opt in system.optimizers.items()}
            now = system.at(system.steps // 2).with_state(moments, memory)
            for objective in now.objectives().values():
                with np.errstate(all="raise"):
                    result = objective(params, batch, 0)
                finite(np.array(result.loss), *(gradient.vector for gradient in result.gradients.values()))


def test_a_step_a_draw_and_the_checks(tmp_path):
    system, data = ng.build("gan", "digits", 0.05), ng.data.load("digits")
    with np.errstate(all="raise"):
        ng.training.advance(system, ng.training.State.start(system, 0), data.feed(8, 0), 0)
        trained = ng.train(system, data, tmp_path / "run", steps=2, batch_size=8, progress=False)
        ng.check_layer(ng.Sequential(ng.Dense(2, 3), ng.Sigmoid()))
        ng.check_loss(ng.nonsaturating)
        ng.check_optimizer(ng.Adam())
        ng.check_penalty(ng.R1(), ng.mlp(2, 3, 1, activation=ng.Tanh))
        to_bytes(np.float32([[1e-40, -1e-40, 1]]), (-1.0, 1.0))
        to_floats(np.uint8([[0, 1, 255]]), (0.0, 1e-40))
    assert trained.steps == 2


# ---- metrics


def sets():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 40, 5))
    return {
        "usual": (x, y),
        "far": (x, y + 1e4),
        "tiny": (1e-30 * x, 1e-30 * y),
        "tiny float32": (np.float32(1e-30 * x), np.float32(1e-30 * y)),
        "equal": (x, x),
        "constant": (np.ones((40, 5)), np.zeros((40, 5))),
        "large": (1e12 * x, 1e12 * y),
    }


OF_SETS = {
    "frechet": metrics.frechet_distance,
    "kid": metrics.kid,
    "mmd": lambda x, y: metrics.mmd(x, y, 0.01),
    "ndb": lambda x, y: metrics.ndb(x, y, 1),
    "precision": metrics.precision_recall,
    "density": metrics.density_coverage,
    "sliced": metrics.sliced_wasserstein,
    "parzen_log": lambda x, y: metrics.parzen_log_likelihood(x, y, 0.01),
    "parzen": lambda x, y: metrics.parzen(x, y, y),
    "modes": lambda x, y: metrics.mode_coverage(x, y, 0.01),
    "nearest": lambda x, y: metrics.nearest_neighbour_error(
        x, np.arange(len(x)) % 3, y, np.arange(len(y)) % 3
    ),
}


@pytest.mark.parametrize("data", sets())
@pytest.mark.parametrize("metric", OF_SETS)
def test_every_metric_of_two_sets(metric, data):
    with np.errstate(all="raise"):
        OF_SETS[metric](*sets()[data])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_metric_of_pictures_and_answers(dtype):
    rng = np.random.default_rng(0)
    black, dark, noise = (
        np.zeros((2, 176, 176, 1), dtype),
        np.full((2, 176, 176, 1), 1e-38, dtype),
        rng.random((2, 176, 176, 1)).astype(dtype),
    )
    with np.errstate(all="raise"):
        for one, two in ((black, dark), (dark, noise), (noise, 1 - noise), (black, black)):
            for metric in (metrics.psnr, metrics.ssim, metrics.ms_ssim):
                metric(one, two)
            metrics.laplacian_swd(one, two, 4, 8)
        metrics.inception_score(np.array([[1, 0, 0], [0, 1, 0], [1 - 1e-12, 1e-12, 0]], dtype))
        metrics.label_coverage(np.array([0, 0, 3]), 5)


def test_noise_and_points_on_the_way():
    x = np.full((4, 3), 1e-38, np.float32)
    with np.errstate(all="raise"):
        penalties.between(x, -x, np.random.default_rng(0))
        penalties.perturbed(x, np.random.default_rng(0))
        noisy(x, 1e-30, np.random.default_rng(0))
