"""Unrolled generative adversarial networks (Metz et al. 2017).

D's step does not change. G's loss uses D with the parameters that D will have after K updates on the same
samples:

    f = -mean log D(x) - mean log(1 - D(G(z)))
    f_K(theta, phi) = f(theta, phi_K(theta, phi)),    phi_0 = phi
    D descends on f(theta, phi),    G ascends on f_K

phi are D's parameters, theta are G's, and phi_K are D's parameters after K updates. The gradient of f_K is
the sum of two terms. One passes through D at phi_K into G, as through any frozen discriminator. The other
passes through the K updates: it is the response of D to a change of G. The second term is exact, not an
approximation (`numgan.remedies.unrolling`). Its computation uses D's tangent passes and the optimiser's
adjoint. If all fakes of G lie in one mode, D's updates reject this mode, and the gradient makes G spread.
With K = 0 this is the game of 2014 with the minimax loss.
"""

from dataclasses import dataclass, replace

from ...core.randomness import derive
from ...layers import Pass
from ...layers.initializers import orthogonal
from ...losses import AdversarialLoss, minimax
from ...networks import mlp
from ...networks.small import plane_latent
from ...optimizers import SGD, Adam, Optimizer
from ...remedies.unrolling import Unrolling
from ..system import Latent, Result
from .presets import both
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class UnrolledGAN(TwoPlayerGAN):
    """A game of two networks. G: z (N, Z) -> x. D: x -> logit (N, 1); D's layers have tangent passes.

    unroll     K, the number of updates of D in G's loss
    inner      the optimiser of these updates, from its initial state; None: D's optimiser in its current
               state
    standing   the state of D's optimiser; the training loop sets it (`with_state`); None: the initial state
    loss       the loss f of D; G's loss is -f, because the paper's game is zero-sum

    Raises ValueError if there are remedies.
    """

    loss: AdversarialLoss = minimax
    unroll: int = 5
    inner: Optimizer | None = None
    standing: dict | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.remedies:
            raise ValueError(
                "UnrolledGAN: expected no remedies, because its updates of D have none, "
                f"got {self.remedies}; use TwoPlayerGAN"
            )

    @property
    def looks_ahead(self):
        return self.unroll > 0

    def with_state(self, moments, memory=None):
        """A copy of the game with the state of D's optimiser, moments["D"], and the memory."""
        return replace(super().with_state(moments, memory), standing=moments["D"])

    def generator(self, params, batch, seed, fakes=None):
        """The Result of G's step: -f(theta, phi_K), and its gradient for G.

        f is D's loss, theta are G's parameters, and phi_K are D's parameters after K more updates on this
        batch. phi_K is used here only: params["D"] stays unchanged. The gradient passes through D at phi_K
        and through the K updates. params are {network: Parameters}, batch["x"] the real samples. fakes are
        the Fakes; None: new fakes are drawn from `seed`.
        """
        D = self.networks["D"]
        real_context, fake_context = Pass(derive(seed, "D on real")), Pass(derive(seed, "D on fake"))
        fakes = fakes or self.generate(params, batch, seed)
        optimizer = self.inner or self.optimizers["D"]
        state = None if self.inner else self.standing
        ahead = Unrolling(D, self.loss, optimizer, self.unroll, state, real_context, fake_context)
        phi_K, tape = ahead.forward(params["D"], batch["x"], fakes.x)
        real, c_real = D.forward(phi_K, batch["x"], real_context)
        fake, c_fake = D.forward(phi_K, fakes.x, fake_context)
        f, dreal, dlogit = self.loss.discriminator(real, fake)
        if not tape:  # K = 0: phi_K is phi and does not depend on theta
            dfake, _ = D.backward(-dlogit, c_fake, frozen=True)
        else:
            # phi_K depends on theta, so the term of f on real samples has a gradient too
            _, dphi_real = D.backward(-dreal, c_real, need_dx=False)
            dfake, dphi_fake = D.backward(-dlogit, c_fake)
            _, dfake_of_updates = ahead.backward(dphi_real + dphi_fake, tape)
            dfake = dfake + dfake_of_updates
        _, dtheta = self.networks["G"].backward(dfake, fakes.cache, need_dx=False)
        return Result(-f, {"G": dtheta}, {})


def points(width=1.0, shape=(2,)):
    """Points in the plane, the paper's toy mixture of Gaussians, with K = 10 updates of D in G's loss.

    z has 256 entries. G has two hidden layers of 128 units and D has one, with ReLU. The initial weights are
    orthogonal; both optimisers are Adam(1e-4, beta1 = 0.5).
    Returns an UnrolledGAN. width: a factor of the sizes of the hidden layers and of the size of z; shape:
    (numbers in a row,), which the networks follow.
    """
    (n,) = shape
    # h: units of a hidden layer; z: entries of the latent; 0.8: the factor of the orthogonal matrices
    h, z, init = max(int(128 * width), 4), max(int(256 * width), plane_latent(n)), orthogonal(0.8)
    return UnrolledGAN(
        latent=Latent(z),
        sample_shape=shape,
        data="ring",
        batch_size=512,
        steps=25000,
        unroll=10,
        networks={"G": mlp(z, h, h, n, init=init), "D": mlp(n, h, 1, init=init)},
        optimizers=both(Adam(1e-4, beta1=0.5)),
    )


def plain(width=1.0, shape=(2,)):
    """`points` with K = 0 updates of D in G's loss: the same game without unrolling, for comparison.

    Returns an UnrolledGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,),
    which the networks follow.
    """
    return replace(points(width, shape), unroll=0)


def descent(width=1.0, shape=(2,)):
    """`points` whose K updates of D in G's loss are plain gradient descent, SGD(0.1), not Adam.

    Returns an UnrolledGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,),
    which the networks follow.
    """
    return replace(points(width, shape), inner=SGD(0.1))


PRESETS = {"points": points, "plain": plain, "descent": descent}
