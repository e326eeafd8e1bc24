"""The Dirac-GAN: a GAN with two parameters, whose training circles, diverges or converges in the plane.

Source: Mescheder et al. 2018, sections 2 to 4. All data are the point 0. G makes one point, theta. D is
linear: D(x) = psi x. The equilibrium is theta = psi = 0. Gradient descent on both losses moves z = (theta,
psi) along

    v(theta, psi) = -(d L_G / d theta, d L_D / d psi)

Near the equilibrium, v is given by its Jacobian J there: v(z) = J z, up to terms of higher order. The flow of
v (descent with infinitely small steps) converges at a linear rate if every eigenvalue of J has a negative
real part. One descent step of size h multiplies the component along an eigenvector by 1 + h lambda, where
lambda is the eigenvalue. So if the flow circles around the equilibrium, simultaneous descent moves away from
it.

The games, with their losses and penalties, are those of the library, on networks of one weight, in float64.
In the paper D is high on fakes, and in the library D is high on real samples. So psi of the paper is -psi
here, and the paper's start (1, 1) is (1, -1).
"""

from dataclasses import dataclass

import numpy as np

from .. import plot
from ..core.arrays import load_arrays
from ..core.files import replacing
from ..core.parameters import Parameters
from ..layers import Dense, Sequential
from ..losses import hinge, minimax, nonsaturating, wasserstein
from ..optimizers import SGD
from ..remedies.penalties import GradientPenalty, R1Penalty, RothPenalty
from ..systems import Batch, Fakes, Latent
from ..systems.games.consensus import ConsensusGAN
from ..systems.games.r3gan import R3GAN
from ..systems.games.two_player import TwoPlayerGAN
from ..systems.games.unrolled import UnrolledGAN
from ..systems.games.wgan_gp import WGANGP
from .protocol import Column, Study, folder_of

NETWORKS = {"G": Sequential(Dense(1, 1, bias=False)), "D": Sequential(Dense(1, 1, bias=False))}
DATA, LATENT = np.zeros((1, 1)), np.ones((1, 1))  # one row: the point 0; the latent 1, so that G(1) = theta
# Quadrature: E g(n) for n ~ N(0, 1) is WEIGHTS @ g(NODES) / sqrt(2 pi).
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)

START, STEPS, RATE = (1.0, -1.0), 500, 0.2  # of descent: (theta, psi); number and size of the steps
QUICK = 50  # steps with --quick
CONVERGED = 1e-3  # a path has converged if its radius after STEPS is smaller

# ---- the fields: functions z = (theta, psi) -> v (2,)


def descent(game, **settings):
    """Make the function z -> v for a game: v (2,) is the direction in which gradient descent moves z.

    z is (theta, psi), the weights of G and D. Each network descends its own objective.

    game       the class of the system, from `numgan.systems`
    settings   values of its fields, {name: value}
    """
    system = game(networks=NETWORKS, optimizers={}, latent=Latent(1), sample_shape=(1,), **settings)

    def field(z):
        params = {
            name: Parameters(np.array([weight], float), net.layout)
            for (name, net), weight in zip(NETWORKS.items(), z, strict=True)
        }
        fakes = Fakes(*NETWORKS["G"].forward(params["G"], LATENT), LATENT)
        play = {  # {"D": gradient of D's loss (1,), "G": gradient of G's loss (1,)}
            name: objective(params, Batch({"x": DATA}), 0, fakes).gradients[name].vector
            for name, objective in system.objectives().items()
        }
        return -np.concatenate([play[name] for name in NETWORKS])  # in the order of z: G, then D

    return field


def two_player(loss, *remedies):
    """Make the function z -> v of gradient descent for `TwoPlayerGAN` with this loss and these remedies.

    z is (theta, psi), v (2,) the direction in which descent moves z. loss is an AdversarialLoss, remedies are
    objects of the class Remedy.
    """
    return descent(TwoPlayerGAN, loss=loss, remedies=remedies)


def with_r1(field, gamma):
    """Make the function z -> v of a game with R1 in D's loss, from the function `field` without R1.

    R1 is gamma/2 |grad D|^2 = gamma/2 psi^2, because D(x) = psi x. So its gradient with respect to psi is
    gamma psi. z is (theta, psi), v (2,) the direction in which descent moves z.
    """

    def with_penalty(z):
        _, psi = z
        return field(z) - [0.0, gamma * psi]

    return with_penalty


def with_noise(loss, sigma):
    """Make the function z -> v of gradient descent with noise N(0, sigma^2) added to real samples and fakes.

    v is the expectation over the noise. Quadrature computes it from the derivatives of `loss`, an adversarial
    loss. z is (theta, psi), v (2,) the direction in which descent moves z.
    """

    def field(z):
        # E over real samples x ~ N(0, sigma^2) and fakes y ~ N(theta, sigma^2); `mean` computes E
        theta, psi = z
        x, y, mean = sigma * NODES, theta + sigma * NODES, WEIGHTS / np.sqrt(2 * np.pi)
        dtheta = mean @ loss.for_generator.d(psi * y) * psi
        return -np.array([dtheta, mean @ (loss.on_real.d(psi * x) * x + loss.on_fake.d(psi * y) * y)])

    return field


def jacobian(field, z=np.zeros(2), h=2.0**-12):
    """The Jacobian (2, 2) of the function field(z) -> v (2,) at z (2,), by central differences with step h.

    Entry (i, j) is d v_i / d z_j. By default z is 0 and h is 2^-12. For games without noise the result is
    exact at z = 0, because their fields are linear on both axes.
    """
    return np.stack([(field(z + h * e) - field(z - h * e)) / (2 * h) for e in np.eye(2)], axis=1)


def path(field, order="together", steps=STEPS):
    """The points (steps + 1, 2) that gradient descent visits, from START = (1, -1) with the step size 0.2.

    field   a function z -> v; a step adds RATE v to z
    order   "together": G and D are updated at once; "GD" or "DG": one after the other, in this order
    steps   the number of steps; by default 500
    """
    # a mask (theta, psi) is 1 for the weights that an update moves
    masks = [(1, 1)] if order == "together" else [(player == "G", player == "D") for player in order]
    z = np.empty((steps + 1, 2))
    z[0] = START
    for step in range(steps):
        z[step + 1] = z[step]
        for mask in masks:  # one update; a second one sees the result of the first
            z[step + 1] += RATE * np.array(mask) * field(z[step + 1])
    return z


# ---- the methods, and their expected results


@dataclass(frozen=True)
class Method:
    """A method and its expected results.

    name         the heading of its row
    field        the function z -> v, the direction (2,) of gradient descent at z = (theta, psi)
    eigenvalue   an eigenvalue of the Jacobian of v at 0, from a formula; None if there is no Jacobian
    together     the expected distance from 0 at the end of simultaneous descent, as text; "-": none is known
    in_turn      the same distance at the end of alternating descent
    """

    name: str
    field: object
    eigenvalue: complex | None
    together: str = "-"
    in_turn: str = "-"


def _damped(a, b):
    """The number -a + sqrt(a^2 - b^2), a complex: an eigenvalue of a rotation of speed b with damping a.

    It is a root of lambda^2 + 2 a lambda + b^2.
    """
    return -a + np.sqrt(complex(a**2 - b**2))


SLOPE, BEND = 0.5, -0.25  # f'(0), f''(0) of f(t) = -log(1 + exp(-t))

METHODS = {
    "minimax": Method("minimax", two_player(minimax), SLOPE * 1j, "3.097", "1.421"),
    "nonsaturating": Method("non-saturating", two_player(nonsaturating), SLOPE * 1j, "0.640", "0.284"),
    "wasserstein": Method("Wasserstein", two_player(wasserstein), 1j, "2.564e4", "1.398"),
    "hinge": Method("hinge", two_player(hinge), 1j),
    "wgan-gp": Method(
        "WGAN-GP, weight 0.5, target 0.3",
        descent(WGANGP, penalty=GradientPenalty(0.5, target=0.3)),
        None,
        "0.425",
        "0.425",
    ),
    "noise": Method(
        "instance noise, sigma 0.7",
        with_noise(minimax, 0.7),
        _damped(-BEND * 0.7**2, SLOPE),
        "5.7e-5",
        "4.0e-6",
    ),
    "roth": Method(
        "Roth, gamma 0.49", two_player(minimax, RothPenalty(0.7**2)), _damped(-BEND * 0.7**2, SLOPE)
    ),
    "r1": Method(
        "R1, gamma 0.3", two_player(minimax, R1Penalty(0.3)), _damped(0.15, SLOPE), "2.6e-6", "2.3e-7"
    ),
    "r1-critical": Method(
        "R1, gamma 1", two_player(minimax, R1Penalty(1.0)), _damped(0.5, SLOPE), "9.5e-22", "7.5e-17"
    ),
    "ns-r1": Method(
        "non-saturating, R1, gamma 0.3",
        two_player(nonsaturating, R1Penalty(0.3)),
        _damped(0.15, SLOPE),
        "2.2e-6",
        "1.5e-7",
    ),
    "paired-r1": Method(
        "relativistic, R1, gamma 0.3", with_r1(descent(R3GAN, gamma=0.0), 0.3), _damped(0.15, SLOPE)
    ),
    "consensus": Method(
        "consensus, gamma 1",
        descent(ConsensusGAN, loss=minimax, gamma=1.0),
        -(SLOPE**2) + SLOPE * 1j,
        "2.6e-10",
        "1.7e-11",
    ),
    "unrolled": Method(
        "unrolled, 2 steps of 0.5",
        descent(UnrolledGAN, loss=minimax, unroll=2, inner=SGD(0.5)),
        _damped(2 * 0.5 * SLOPE**2, SLOPE),
    ),
}

# ---- the study

COLUMNS = (
    Column("real", "Re eigenvalue", 4),
    Column("imaginary", "Im eigenvalue", 4),
    Column("together", "radius, simultaneous", 4, style="g"),
    Column("in_turn", "radius, alternating", 4, style="g"),
    Column("converges", "converges", style="words"),
)


def trial(arm, seed, quick, folder, tell):
    """Measure one method: its leading eigenvalue at the equilibrium, and how far from it descent ends.

    arm is a key of METHODS. Descent takes 500 steps, with `quick` 50. The two paths are written to paths.npz
    in `folder`. seed and tell are not used. Returns {figure: value}:

    real, imaginary     the eigenvalue with the largest real part; None if the field has no Jacobian at (0, 0)
    together, in_turn   the distance from (0, 0) after simultaneous and after alternating descent
    converges           "yes" if both distances are below 0.001, otherwise "no"
    steps               the number of steps
    """
    method, steps = METHODS[arm], QUICK if quick else STEPS
    # the eigenvalue with the largest real part; of a complex pair, that above the real axis. The real part
    # is rounded, so that the two numbers of a pair are equal
    top = max(np.linalg.eigvals(jacobian(method.field)), key=lambda value: (round(value.real, 6), value.imag))
    paths = {"together": path(method.field, "together", steps), "in_turn": path(method.field, "GD", steps)}
    with replacing(folder / "paths.npz") as file:
        np.savez(file, **paths)
    # the distance of the last point of each path
    radii = {order: float(np.hypot(*points[-1])) for order, points in paths.items()}
    known = method.eigenvalue is not None
    return {
        "real": round(top.real, 6) + 0.0 if known else None,  # + 0.0: -0.0 becomes 0.0
        "imaginary": abs(round(top.imag, 6)) if known else None,
        **radii,
        "converges": "yes" if max(radii.values()) < CONVERGED else "no",
        "steps": steps,
    }


def draw(results, out):
    """Draw one panel for each method: its field, and its paths of simultaneous and alternating descent.

    The field is the direction v of gradient descent at each point of the plane. results is {arm: [result of
    each seed]}. The paths are read from the study's folder `out`. Returns {"portraits.png": image}.
    """
    panels = {}
    for arm in results:
        together, in_turn = load_arrays(folder_of(out, arm, 0) / "paths.npz", "together", "in_turn")
        panels[METHODS[arm].name] = METHODS[arm].field, {"simultaneous": together, "alternating": in_turn}
    title = f"the Dirac-GAN: gradient flow, and descent from {START} with h = {RATE}"
    return {"portraits.png": plot.portraits(panels, r"$\theta$", r"$\psi$", title)}


def _expected(method):
    """{column key: text}: the expected results of `method`, a Method, for its row "expected" of the table.

    They are the distances from (0, 0) at the ends of its two paths, and its eigenvalue if it has one.
    """
    radii = {"together": method.together, "in_turn": method.in_turn}
    if method.eigenvalue is None:
        return radii
    eigenvalue = method.eigenvalue
    return radii | {"real": f"{eigenvalue.real:.4f}", "imaginary": f"{abs(eigenvalue.imag):.4f}"}


DIFFERS = f"""\
The paper draws the paths. The rows "expected" contain the eigenvalues from its formulas, and radii that
were computed without this library. Each path is gradient descent with h = {RATE} from {START}, for {STEPS}
steps, in float64. In alternating descent G moves first, then D. A method converges if both radii end below
{CONVERGED:g}. The non-saturating loss moves inwards, but not at a linear rate. The norm in the penalty of
WGAN-GP has no derivative at the equilibrium."""

ARMS = {arm: method.name for arm, method in METHODS.items()}
STUDY = Study(
    "Two numbers play: which methods converge.",
    "Mescheder et al. 2018, sections 2 to 4",
    ARMS,
    COLUMNS,
    trial,
    seeds=1,
    differs=DIFFERS,
    draw=draw,
    published={f"{method.name}, expected": _expected(method) for method in METHODS.values()},
)
