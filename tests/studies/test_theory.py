"""Exact results of the theory of GANs, computed again with the library's losses, penalties and optimisers.

All of it is in float64.

optimal discriminators      Goodfellow et al. 2014, Prop. 1 and Theorem 1; Mao et al. 2017, eq. 8;
                            Lim and Ye 2017
packing                     Lin et al. 2018, section 3: total variation of P^m and Q^m
optimal transport           Arjovsky et al. 2017, eq. 1 to 3; optimal critics under clipping and under the
                            penalty of Gulrajani et al. 2017
instance noise              Roth et al. 2017: for small noise it is their regulariser
the Dirac-GAN               Mescheder et al. 2018: Lemmas 2.2 and 2.3 (no convergence without a penalty),
                            section 3.1 (Wasserstein), Lemmas 3.2 (instance noise) and 3.3 (zero-centred
                            penalties), section 4.1 (R1)
the unrolled bilinear game  Metz et al. 2017, section 2.2, on f = theta psi
"""

from itertools import pairwise, permutations, product

import numpy as np
import pytest

import numgan as ng
from numgan.remedies.penalties import between
from numgan.studies.dirac import METHODS, NODES, WEIGHTS, descent, jacobian, path
from numgan.systems.games.r3gan import R3GAN

# ---- optimal discriminators

REAL, FAKE = (
    np.array([13, 2, 7, 1, 9, 8]),
    np.array([3, 11, 3, 9, 1, 8]),
)  # how often each of six outcomes is in a batch: 40 and 35
P, Q = REAL / REAL.sum(), FAKE / FAKE.sum()  # so a mean over a batch is an expectation under p or q


def of_logits(loss, logits, real=REAL, fake=FAKE):
    """D's loss where D is one free logit for each outcome (K,), and its derivative (K,)."""
    outcomes = np.arange(len(logits))
    x, y = np.repeat(outcomes, real), np.repeat(outcomes, fake)
    value, dreal, dfake = loss.discriminator(logits[x, None], logits[y, None])
    return value, np.bincount(x, dreal[:, 0], len(logits)) + np.bincount(y, dfake[:, 0], len(logits))


def descend(loss, rate, steps, **batches):
    logits = np.zeros(len(P))
    for _ in range(steps):
        logits = logits - rate * of_logits(loss, logits, **batches)[1]
    return logits


def kl(p, q):
    """sum_k p log(p / q), where 0 log 0 = 0"""
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def jsd(p, q):
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def test_the_optimal_discriminator_is_p_over_p_plus_q_and_its_value_the_jensen_shannon_divergence():
    logits = descend(ng.minimax, rate=8.0, steps=400)
    value, slope = of_logits(ng.minimax, logits)
    assert np.abs(slope).max() < 1e-14
    assert np.allclose(1 / (1 + np.exp(-logits)), P / (P + Q), rtol=0, atol=1e-12)
    assert np.isclose(
        -value, -np.log(4) + 2 * jsd(P, Q), rtol=0, atol=1e-14
    )  # V is what D maximises, the loss is -V


def test_the_value_is_minus_log_4_for_equal_and_0_for_disjoint_distributions():
    equal = descend(ng.minimax, rate=8.0, steps=10, fake=REAL)
    assert np.array_equal(equal, np.zeros(6)) and np.isclose(
        -of_logits(ng.minimax, equal, fake=REAL)[0], -1.3862943611198906, rtol=1e-15
    )
    real, fake = np.array([3, 0, 2, 0, 1, 0]), np.array([0, 5, 0, 1, 0, 1])
    assert np.isclose(jsd(real / 6, fake / 7), np.log(2), rtol=1e-15)
    assert of_logits(ng.minimax, np.where(real > 0, 1e3, -1e3), real, fake)[0] == 0  # -log 4 + 2 log 2


def test_least_squares_at_its_optimum_is_the_pearson_divergence():
    """Mao et al. 2017, eq. 8, with the labels -1, 1 and the target 0 of G:

        2 C(G) = E_(p + q) D*^2 = chi2_Pearson(p + q || 2 q) = sum (p - q)^2 / (p + q)

    The loss has the labels 0, 1, so its D is (paper's D + 1) / 2. At the optimum its value is

        sum p (D - 1)^2 / 2 + q D^2 / 2 = sum p q / (p + q) / 2 = (2 - chi2) / 8

    because (p - q)^2 = (p + q)^2 - 4 p q.
    """
    logits = descend(ng.least_squares, rate=2.0, steps=200)
    chi2 = np.sum((P + Q - 2 * Q) ** 2 / (P + Q))
    assert np.allclose(logits, P / (P + Q), rtol=0, atol=1e-14)
    assert np.isclose(of_logits(ng.least_squares, logits)[0], (2 - chi2) / 8, rtol=0, atol=1e-15)
    assert np.isclose((P + Q) @ (2 * logits - 1) ** 2, chi2, rtol=0, atol=1e-14)


def test_hinge_at_its_optimum_is_one_minus_the_total_variation():
    """The loss of D* = sign(p - q) is 2 sum min(p, q) = 2 (1 - TV), with TV = sum |p - q| / 2.

    The loss is convex, and no other D has a lower one.
    """
    best, total_variation = np.sign(P - Q), np.abs(P - Q).sum() / 2
    least = of_logits(ng.hinge, best)[0]
    assert np.isclose(least, 2 * (1 - total_variation), rtol=0, atol=1e-15)
    rate = 0.02  # a subgradient's last steps go to and fro over the kink
    assert np.abs(descend(ng.hinge, rate, steps=3000) - best).max() <= rate * max(P.max(), Q.max())
    others = best + np.random.default_rng(0).standard_normal((200, 6))
    assert min(of_logits(ng.hinge, other)[0] for other in others) > least


# ---- packing

EVEN, COLLAPSED, UNEVEN = (
    np.array([1, 1, 1, 1]),
    np.array([0, 1, 1, 1]),
    np.array([1, 1, 3, 3]),
)  # TV with the first: 1/4 and 1/4


def packs(counts, m):
    """All packs of m outcomes (K^m, m), in order, and their numbers (K^m,).

    The number says how often a pack is among the |counts|^m packs of independent draws.
    """
    return np.array(list(product(range(len(counts)), repeat=m))), np.array(
        [np.prod(pack) for pack in product(counts, repeat=m)]
    )


def total_variation(p, q):
    """sum |p - q| / 2 of two histograms, each over its own sum"""
    return float(np.abs(p / p.sum() - q / q.sum()).sum() / 2)


@pytest.mark.parametrize(
    "p, q",
    [(EVEN, COLLAPSED), (EVEN, UNEVEN), (REAL, FAKE)],
    ids=["a mode is missing", "modes are uneven", "any"],
)
def test_packing_never_lowers_the_total_variation(p, q):
    """TV(P, Q) <= TV(P^2, Q^2) <= ..., because a D of m samples may look at m - 1 of them.

    And TV(P^m, Q^m) <= 1 - (1 - TV)^m. Draw m pairs from the coupling of P and Q that is equal most often:
    all pairs are equal with probability (1 - TV)^m.
    """
    found = [total_variation(packs(p, m)[1], packs(q, m)[1]) for m in range(1, 5)]
    assert (
        found[0] == total_variation(p, q)
        and all(one <= two for one, two in pairwise(found))
        and found[0] < found[-1]
    )
    assert all(tv <= 1 - (1 - found[0]) ** m + 1e-15 for m, tv in enumerate(found, 1))


def test_packing_tells_a_generator_that_lacks_a_mode_from_one_that_is_merely_off():
    """For single samples both have a total variation of 1/4 from P.

    Packs of the first lack all packs of P with the lost mode. Their share is 1 - (3/4)^m, the upper bound.
    """
    for m in (1, 2, 3, 4):
        lacks, off = (total_variation(packs(EVEN, m)[1], packs(q, m)[1]) for q in (COLLAPSED, UNEVEN))
        assert np.isclose(lacks, 1 - 0.75**m, rtol=1e-14)
        assert np.isclose(off, lacks, rtol=1e-14) if m == 1 else off < lacks - 0.1


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_discriminator_of_packs_reaches_the_divergences_of_packs(m):
    """D has a free logit for each pack, after the layer Pack.

    The hinge loss reaches 2 (1 - TV(P^m, Q^m)), and minimax reaches -log 4 + 2 JSD(P^m, Q^m). Outcomes are
    unit vectors. After Pack there is a unit for each pack: it counts the places that agree with its pack, and
    its output is 1 only if all m agree. So D is a table.
    """
    real, fake = np.array([2, 1, 1]), np.array([0, 3, 1])
    rows, p = packs(real, m)
    _, q = packs(fake, m)
    D = ng.Sequential(ng.Pack(m), ng.Dense(m * 3, len(rows)), ng.ReLU(), ng.Dense(len(rows), 1, bias=False))
    phi = D.init(0, np.float64)
    phi["1.W"][...], phi["1.b"][...] = np.eye(3)[rows].reshape(len(rows), -1).T, 1 - m
    x, y = (np.eye(3)[np.repeat(rows, counts, axis=0).reshape(-1)] for counts in (p, q))

    def play(loss, logits=None, rate=0.0, steps=1):
        phi["3.W"][...] = 0 if logits is None else logits[:, None]
        for _ in range(steps):
            (a, c_real), (b, c_fake) = (
                D.forward(phi, x, ng.layers.Pass()),
                D.forward(phi, y, ng.layers.Pass()),
            )
            value, da, db = loss.discriminator(a, b)
            phi["3.W"][...] -= rate * (D.backward(da, c_real)[1]["3.W"] + D.backward(db, c_fake)[1]["3.W"])
        return value

    p, q = p / p.sum(), q / q.sum()
    assert np.isclose(play(ng.hinge, np.sign(p - q)), 2 * (1 - total_variation(p, q)), rtol=1e-14)
    assert np.isclose(play(ng.hinge, rate=0.1, steps=500), 2 * (1 - total_variation(p, q)), rtol=0, atol=0.02)
    with np.errstate(divide="ignore"):
        best = np.clip(np.log(p / q), -1e3, 1e3)  # where q = 0 the logit is as large as it likes
    assert np.isclose(-play(ng.minimax, best), -np.log(4) + 2 * jsd(p, q), rtol=1e-13)


# ---- optimal transport


@pytest.mark.parametrize("seed", range(3))
def test_sorting_is_the_optimal_transport_on_a_line_and_the_best_critic_knows_its_price(seed):
    """W1 is each of these three:

        the minimum over permutations s of mean |x_n - y_s(n)|
        mean |sort x - sort y|
        the maximum of mean f(x) - mean f(y) over all f with |f'| <= 1

    With the distribution functions F, the maximum is that of the integral of f' (F_y - F_x). So the best
    critic has f' = sign(F_y - F_x).
    """
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(6), 1 + 2 * rng.standard_normal(6)
    price = min(np.abs(x - y[list(order)]).mean() for order in permutations(range(6)))
    assert np.isclose(np.abs(np.sort(x) - np.sort(y)).mean(), price, rtol=1e-14)
    points = np.sort(np.concatenate([x, y]))
    ahead = [np.sign((y <= t).sum() - (x <= t).sum()) for t in points[:-1]]
    f = np.concatenate([[0], np.cumsum(ahead * np.diff(points))])
    estimate = lambda critic: -ng.wasserstein.discriminator(critic(x[:, None]), critic(y[:, None]))[0]
    assert np.isclose(estimate(lambda t: np.interp(t, points, f)), price, rtol=1e-13)
    for other in (np.sin, np.abs, lambda t: -t, lambda t: np.maximum(t, 0.3)):  # they too are 1-Lipschitz
        assert estimate(other) <= price * (1 + 1e-13)


def test_a_translation_costs_its_length():
    x = np.random.default_rng(3).standard_normal((7, 1))
    assert np.isclose(-ng.wasserstein.discriminator(-x, -(x + 2.5))[0], 2.5, rtol=1e-14)


def train_critic(real, fake, optimizer, penalty=None, start=0.5, steps=800):
    """Train a linear critic f(x) = w x on points (N, d); return w (d,) and its last loss.

    start   the first value of every weight
    """
    critic, rng = ng.Sequential(ng.Dense(real.shape[1], 1, bias=False)), np.random.default_rng(0)
    w = critic.init(0, np.float64)
    w.vector[:], state = start, optimizer.start(w.vector)
    for _ in range(steps):
        (a, c_real), (b, c_fake) = (
            critic.forward(w, real, ng.layers.Pass()),
            critic.forward(w, fake, ng.layers.Pass()),
        )
        loss, da, db = ng.wasserstein.discriminator(a, b)
        dw = critic.backward(da, c_real)[1].vector + critic.backward(db, c_fake)[1].vector
        if penalty:
            value, dpenalty = penalty(critic, w, between(real, fake, rng))
            loss, dw = loss + value, dw + dpenalty.vector
        optimizer.update(w.vector, dw, state)
    return w.vector, loss


POINTS = {"a line": ([[0.4]], [[1.9]]), "space": ([[0.4, -1.0, 0.2]], [[1.9, -1.5, 0.7]])}
points = pytest.mark.parametrize(
    "real, fake", [(np.array(real), np.array(fake)) for real, fake in POINTS.values()], ids=POINTS
)


@points
def test_clipping_drives_every_weight_to_its_bound(real, fake):
    """The maximum of w (x - y) over |w_i| <= c is c |x - y|_1, at w = c sign(x - y).

    It is far from the distance |x - y|.
    """
    c = 0.01
    w, loss = train_critic(real, fake, ng.SGD(0.1, clip=c), steps=30)
    assert np.array_equal(w, c * np.sign(real - fake)[0]) and np.isclose(
        -loss, c * np.abs(real - fake).sum(), rtol=1e-13
    )


@points
@pytest.mark.parametrize("weight", [0.7, 10.0])
def test_the_gradient_penalty_leaves_the_critic_too_steep_by_half_the_distance_over_its_weight(
    real, fake, weight
):
    """The loss is -w v + weight (|w| - 1)^2 with v = x - y.

    Its minimum is -|v| - |v|^2 / (4 weight), at w = v / |v| (1 + |v| / (2 weight)).
    """
    v = (real - fake)[0]
    distance = np.sqrt(v @ v)
    w, loss = train_critic(
        real, fake, ng.SGD(0.5 / (2 * weight)), ng.GradientPenalty(weight), start=0.5 * np.sign(v[0])
    )
    assert np.allclose(w, v / distance * (1 + distance / (2 * weight)), rtol=0, atol=1e-10)
    assert np.isclose(-loss, distance + distance**2 / (4 * weight), rtol=1e-10)


def test_on_a_line_the_penalty_holds_a_critic_that_starts_on_the_wrong_side():
    """For |v| < 2 weight there is a second minimum at w = -v / |v| (1 - |v| / (2 weight)).

    The penalty is small for |w| near 1 in either direction.
    """
    real, fake, weight = np.array([[0.4]]), np.array([[1.9]]), 10.0
    w, loss = train_critic(real, fake, ng.SGD(0.5 / (2 * weight)), ng.GradientPenalty(weight), start=1.0)
    assert (
        np.isclose(w[0], 1 - 1.5 / 20, rtol=0, atol=1e-10) and loss > 0
    )  # it takes fakes for real, and stays


# ---- the Dirac-GAN

DAMPED = -0.15 + 0.5j * np.sqrt(0.91)  # -gamma / 2 + sqrt(gamma^2 / 4 - f'(0)^2), f'(0) = 1 / 2
NOISY = -0.1225 + np.sqrt(
    0.1225**2 - 0.25 + 0j
)  # f''(0) sigma^2 + sqrt(f''(0)^2 sigma^4 - f'(0)^2), f''(0) = -1 / 4
AHEAD = -0.25 + 0.1875**0.5 * 1j  # -k eta / 4 + sqrt((k eta)^2 / 16 - f'(0)^2), k eta = 1
#                    an eigenvalue at 0     radius: together, G first, [D first]
DIRAC = {
    "minimax": (0.5j, "3.097", "1.421", "1.413"),
    "nonsaturating": (0.5j, "0.640", "0.284", "0.271"),
    "wasserstein": (1j, "2.564e4", "1.398", "1.434"),
    "hinge": (1j, "1.705", "1.398"),
    "wgan-gp": (None, "0.425", "0.425"),
    "noise": (NOISY, "5.731e-5", "4.001e-6"),
    "roth": (NOISY, "6.132e-5", "4.067e-6"),
    "r1": (DAMPED, "2.643e-6", "2.301e-7"),
    "r1-critical": (-0.5, "9.529e-22", "7.481e-17"),
    "ns-r1": (DAMPED, "2.212e-6", "1.499e-7"),
    "paired-r1": (DAMPED, "2.212e-6", "1.499e-7"),
    "consensus": (-0.25 + 0.5j, "2.6e-10", "1.7e-11"),
    "unrolled": (AHEAD, "1.288e-10", "6.746e-12"),
}


@pytest.mark.parametrize("name", [name for name, (eigenvalue, *_) in DIRAC.items() if eigenvalue is not None])
def test_eigenvalues_of_the_dirac_gan(name):
    """A method whose eigenvalues lie left of the imaginary axis converges.

    A method with eigenvalues on the axis does not converge, or not at a linear rate.
    """
    expected, together, *_ = DIRAC[name]
    found = np.linalg.eigvals(jacobian(METHODS[name].field))
    assert np.isclose(METHODS[name].eigenvalue, expected, rtol=1e-14)  # what the study's table says
    expected = np.array([expected, np.conj(expected)])
    assert np.abs(found[np.argsort(found.imag)] - expected[np.argsort(expected.imag)]).max() < 1e-6
    assert (found.real.max() < -1e-3) == (float(together) < 1e-3)


def radius(field, order="together"):
    """|(theta, psi)| after 500 steps of gradient descent."""
    return np.hypot(*path(field, order)[-1])


@pytest.mark.parametrize("name", DIRAC)
def test_radius_of_the_dirac_gan_after_500_steps(name):
    """The radii agree in all digits that are given.

    They are those of the study's table. For hinge, Roth, relativistic and unrolled the table has none: these
    were computed here.
    """
    method, (_, *radii) = METHODS[name], DIRAC[name]
    assert all(
        text == "-" or np.isclose(float(text), float(ours), rtol=0.02)
        for text, ours in zip((method.together, method.in_turn), radii)
    )
    for expected, order in zip(radii, ("together", "GD", "DG")):
        digits = len(expected.split("e")[0].replace(".", "").lstrip("0"))
        rounded = f"{{:.{digits - 1}e}}".format
        assert rounded(radius(method.field, order)) == rounded(float(expected)), order


def test_the_wasserstein_dirac_gan_leaves_on_a_spiral_of_known_width():
    """Each step multiplies by I + h J with |1 +- i h|^2 = 1 + h^2."""
    assert np.isclose(radius(METHODS["wasserstein"].field), np.sqrt(2) * (1 + 0.2**2) ** 250, rtol=1e-12)


def test_the_minimax_flow_circles_for_ever():
    """d/dt (theta^2 + psi^2) / 2 = z v(z) = 0 everywhere; R1 makes it -gamma psi^2."""
    for z in np.random.default_rng(0).standard_normal((20, 2)):
        assert abs(z @ METHODS["minimax"].field(z)) < 1e-14 and np.isclose(
            z @ METHODS["r1"].field(z), -0.3 * z[1] ** 2, rtol=1e-13
        )
    assert abs(z @ METHODS["nonsaturating"].field(z)) > 1e-3


def test_relativistic_dirac_gans_are_the_nonsaturating_one():
    """With D(0) = 0, the loss of D is softplus(psi theta), and that of G is softplus(-psi theta).

    The average form, with one sample, has twice these losses.
    """
    paired, average = (
        descent(R3GAN, loss=loss, gamma=0.0) for loss in (ng.relativistic_paired, ng.relativistic_average)
    )
    for z in np.random.default_rng(1).standard_normal((20, 2)):
        v = METHODS["nonsaturating"].field(z)
        assert np.allclose(paired(z), v, rtol=1e-14) and np.allclose(average(z), 2 * v, rtol=1e-14)


def test_consensus_and_unrolling_follow_their_definitions():
    """Both are computed by differences.

    Consensus is v - weight J(z)' v. Unrolling: G minimises f at psi after two steps of 0.5 of D, and its
    derivative goes through these steps.
    """
    minimax, f = METHODS["minimax"].field, lambda theta, psi: -np.log1p(np.exp(theta * psi)) - np.log(2)
    for z in np.random.default_rng(2).standard_normal((10, 2)):
        v = minimax(z)
        assert np.allclose(METHODS["consensus"].field(z), v - jacobian(minimax, z).T @ v, rtol=0, atol=1e-6)

        def ahead(theta, psi):
            for _ in range(2):
                psi = psi + 0.5 * minimax((theta, psi))[1]
            return f(theta, psi)

        slope = (ahead(z[0] + 1e-5, z[1]) - ahead(z[0] - 1e-5, z[1])) / 2e-5
        assert np.allclose(METHODS["unrolled"].field(z), [-slope, v[1]], rtol=0, atol=1e-8)


# ---- instance noise

ATOMS = np.array([[-1.3], [-0.4], [0.1], [0.5], [1.1], [1.6]])  # where the six outcomes of P and Q lie


def optimal_network():
    """A network of tanh units whose logits at the atoms are those of the optimal D, log(p / q)."""
    D = ng.mlp(1, 7, 1, activation=ng.Tanh)
    phi = D.init(0, np.float64)
    phi["0.W"][...], phi["0.b"][...] = 2, np.linspace(-3, 3, 7)
    units, _ = D[:2].forward(phi, ATOMS, ng.layers.Pass())
    last = np.linalg.lstsq(np.c_[units, np.ones(len(ATOMS))], np.log(P / Q), rcond=None)[0]
    phi["2.W"][...], phi["2.b"][...] = last[:-1, None], last[-1]
    return D, phi


def noisy_loss(D, phi, sigma):
    """E softplus(-y(x + sigma n)) + E softplus(y(x~ + sigma n)), n ~ N(0, 1), by quadrature."""
    y = D.forward(phi, (ATOMS + sigma * NODES).reshape(-1, 1), ng.layers.Pass())[0].reshape(len(ATOMS), -1)
    return float((P @ ng.minimax.on_real.f(y) + Q @ ng.minimax.on_fake.f(y)) @ WEIGHTS / np.sqrt(2 * np.pi))


def test_small_noise_is_the_regulariser_of_roth():
    """At the optimal D, noise of variance sigma^2 adds as much to the loss as Roth(sigma^2), up to sigma^4.

    If sigma is halved, a 16th of the difference is left. At another D they already differ in the term of
    sigma^2, and a quarter is left, because the regulariser was simplified with p (1 - D) = q D.
    """
    D, phi = optimal_network()
    assert np.allclose(D.forward(phi, ATOMS, ng.layers.Pass())[0][:, 0], np.log(P / Q), rtol=0, atol=1e-9)
    x, y = np.repeat(ATOMS, REAL, axis=0), np.repeat(ATOMS, FAKE, axis=0)

    def gap(sigma):
        roth = ng.Roth(sigma**2)(D, phi, x, y)[0]
        return abs(noisy_loss(D, phi, sigma) - noisy_loss(D, phi, 0) - roth), roth

    (wide, _), (half, _), (quarter, roth) = gap(0.02), gap(0.01), gap(0.005)
    assert 15 < wide / half < 17 and 15 < half / quarter < 17 and quarter < 1e-3 * roth
    phi["2.b"][...] += 0.5
    assert 3.9 < gap(0.01)[0] / gap(0.005)[0] < 4.1


# ---- the unrolled bilinear game


def surrogate(theta, psi, k, eta):
    """f(theta, psi_k) of f = theta psi, and its derivative in theta through the steps.

    psi_k is psi after k ascent steps psi <- psi + eta df/dpsi.
    """
    for _ in range(k):
        psi = psi + eta * theta
    dtheta, dpsi = psi, theta
    for _ in range(k):
        dtheta = dtheta + eta * dpsi  # psi = psi + eta theta: dpsi stays
    return theta * psi, dtheta


@pytest.mark.parametrize("k", [0, 1, 5, 10, 20])
def test_unrolling_turns_the_bilinear_game_into_a_spiral_inwards(k, eta=0.1):
    """dtheta = psi + 2 k eta theta, so the eigenvalues are -k eta +- sqrt((k eta)^2 - 1).

    For k = 0 they are on the imaginary axis; for k eta = 1 the damping is critical.
    """
    theta, psi, h = 0.7, -1.3, 1e-4
    _, dtheta = surrogate(theta, psi, k, eta)
    assert np.isclose(dtheta, psi + 2 * k * eta * theta, rtol=1e-13)
    assert np.isclose(
        dtheta,
        (surrogate(theta + h, psi, k, eta)[0] - surrogate(theta - h, psi, k, eta)[0]) / (2 * h),
        rtol=1e-9,
    )

    field = lambda z: np.array(
        [-surrogate(*z, k, eta)[1], z[0]]
    )  # G descends on the surrogate, D ascends on f
    found = np.linalg.eigvals(np.stack([field(e) for e in np.eye(2)], axis=1)).astype(complex)
    root = np.sqrt((k * eta) ** 2 - 1 + 0j)
    expected = np.array([-k * eta - root, -k * eta + root])
    order = lambda values: values[np.lexsort((values.imag, np.round(values.real, 6)))]
    assert np.abs(order(found) - order(expected)).max() < 1e-6

    z = np.ones(2)
    for _ in range(2000):
        z = z + 0.05 * field(z)
    assert (np.hypot(*z) < 1e-2) == (k > 0)
