"""Unrolled generative adversarial networks (Metz et al. 2017).

D plays as always. G does not play against D as it is, but against D as it will be after K updates on the same
samples:

    f_K(theta, phi) = f(theta, phi_K(theta, phi))          f = -mean log D(x) - mean log(1 - D(G(z)))
    phi_0 = phi
    D descends on f(theta, phi),    G ascends on f_K

and the gradient of f_K goes two ways: into G as through any frozen discriminator, and through the K updates,
which tell how D would answer a change of G. The second way is exact (`numgan.remedies.unrolling`), by D's
tangent passes and the optimiser's adjoint. A generator that puts all its mass on one mode then sees D turning
against that mode, and spreads. K = 0 is the game of 2014.
"""

from dataclasses import dataclass, replace

from ...core.randomness import derive
from ...layers import Pass
from ...layers.initializers import orthogonal
from ...losses import AdversarialLoss, minimax
from ...networks import mlp
from ...optimizers import SGD, Adam, Optimizer
from ...remedies.unrolling import Unrolling
from ..system import Latent, Result
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class UnrolledGAN(TwoPlayerGAN):
    """networks G: z (N, Z) -> x, D: x -> logit (N, 1), whose layers have tangent passes.

    unroll     K, updates of D that G looks ahead
    inner      the optimiser of these updates, from its first step on; None: that of D, from where it stands
    standing   D's optimiser's state, which the training loop tells (`with_state`); None: as before its first
               update
    loss       f, of which G's loss is the negative (the paper's game is zero-sum)
    """

    loss: AdversarialLoss = minimax
    unroll: int = 5
    inner: Optimizer | None = None
    standing: dict | None = None

    @property
    def looks_ahead(self):
        return self.unroll > 0

    def with_state(self, moments, memory=None):
        return replace(self, standing=moments["D"])

    def generator(self, params, batch, seed, fakes=None):
        """-f(theta, phi_K), and its gradient in G: through D at phi_K, and through the K updates that led there."""
        D, real_context, fake_context = (
            self.networks["D"],
            Pass(derive(seed, "D on real")),
            Pass(derive(seed, "D on fake")),
        )
        fakes = fakes or self.generate(params, batch, seed)
        optimizer, state = (self.inner, None) if self.inner else (self.optimizers["D"], self.standing)
        ahead = Unrolling(D, self.loss, optimizer, self.unroll, state, real_context, fake_context)
        phi_K, tape = ahead.forward(params["D"], batch["x"], fakes.x)
        real, c_real = D.forward(phi_K, batch["x"], real_context)
        fake, c_fake = D.forward(phi_K, fakes.x, fake_context)
        f, dreal, dlogit = self.loss.discriminator(real, fake)
        if not tape:
            dfake, _ = D.backward(-dlogit, c_fake, frozen=True)
        else:
            _, dphi_real = D.backward(
                -dreal, c_real, need_dx=False
            )  # phi_K depends on theta, so f's first term does
            dfake, dphi_fake = D.backward(-dlogit, c_fake)
            dfake = dfake + ahead.backward(dphi_real + dphi_fake, tape)[1]
        _, dtheta = self.networks["G"].backward(dfake, fakes.cache, need_dx=False)
        return Result(-f, {"G": dtheta}, {})


def points(width=1.0):
    """The toy mixture: z of 256, G of 128-128 and D of 128 rectified units, orthogonal weights, Adam(1e-4, beta1 = 0.5), 10 steps ahead."""
    h, z, init = max(int(128 * width), 4), max(int(256 * width), 2), orthogonal(0.8)
    return UnrolledGAN(
        latent=Latent(z),
        sample_shape=(2,),
        data="ring",
        batch_size=512,
        steps=25000,
        unroll=10,
        networks={"G": mlp(z, h, h, 2, init=init), "D": mlp(2, h, 1, init=init)},
        optimizers={"D": Adam(1e-4, beta1=0.5), "G": Adam(1e-4, beta1=0.5)},
    )


def plain(width=1.0):
    """`points` with K = 0, the control: the same game without the look ahead."""
    return replace(points(width), unroll=0)


def descent(width=1.0):
    """`points` whose look ahead is plain gradient descent."""
    return replace(points(width), inner=SGD(0.1))


PRESETS = {"points": points, "plain": plain, "descent": descent}
