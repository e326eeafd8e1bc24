"""The numerics of GANs (Mescheder et al. 2017), Algorithm 2: consensus optimisation.

    v = (d L_D / d phi, d L_G / d theta)
    D descends on  L_D + gamma/2 |v|^2,    G descends on  L_G + gamma/2 |v|^2

L_D and L_G are the losses of D and G, phi are D's parameters, theta are G's. Simultaneous descent on L_D and
L_G alone circles around an equilibrium, where v = 0. The common term |v|^2 makes v small for both players, so
the circles shrink. The gradient of |v|^2 needs two Hessian-vector products (`numgan.remedies.consensus`).
Each objective computes both derivatives in v from one batch and one draw of fakes.
"""

from dataclasses import dataclass

from ...core.randomness import derive
from ...layers import Pass, Tanh
from ...losses import AdversarialLoss, nonsaturating
from ...networks import mlp
from ...networks.small import plane_latent
from ...optimizers import RMSProp
from ...remedies.consensus import Consensus
from ..system import Result
from .presets import both, on_digits, on_points
from .two_player import TwoPlayers


@dataclass(frozen=True, kw_only=True, repr=False)
class ConsensusGAN(TwoPlayers):
    """A game of two networks whose layers have tangent passes. G: z (N, Z) -> x. D: x -> logit (N, 1).

    loss    the adversarial loss of both players, L_D and L_G
    gamma   weight of the term |v|^2 / 2 in the objectives of both players; 0: no such term

    v = (d L_D / d phi, d L_G / d theta) are the gradients of the losses, with D's parameters phi and G's
    parameters theta.
    """

    loss: AdversarialLoss = nonsaturating
    gamma: float = 10.0

    looks_ahead = True

    def _agreement(self, params, batch, seed, fakes):
        """(gamma/2 |v|^2, (dphi, dtheta), (v_phi, v_theta)): the common term, its gradients, and v.

        dphi and dtheta are the term's gradients with respect to D's parameters phi and G's parameters theta.
        v_phi = d L_D / d phi and v_theta = d L_G / d theta are the gradients of the players' losses.
        params are {network: Parameters}, batch["x"] the real samples, fakes the Fakes, whose inputs z are
        used. The seeds of the passes are derived from `seed`.
        """
        D, G = self.networks["D"], self.networks["G"]
        runs = (Pass(derive(seed, name)) for name in ("D on real", "D on fake", "G"))
        return Consensus(self.gamma, self.loss)(
            D, G, params["D"], params["G"], batch["x"], fakes.inputs, *runs
        )

    def discriminator(self, params, batch, seed, fakes=None):
        """The Result of D's step: the loss L_D + gamma/2 |v|^2, and its gradient with respect to D's weights.

        v are the gradients of both players' losses. The metric "agreement" is gamma/2 |v|^2. params are
        {network: Parameters}, batch["x"] the real samples, fakes the Fakes; None: new fakes are drawn from
        `seed`.
        """
        fakes = fakes or self.generate(params, batch, seed)
        D, phi = self.networks["D"], params["D"]
        real, _ = D.forward(phi, batch["x"], Pass(derive(seed, "D on real")))
        fake, _ = D.forward(phi, fakes.x, Pass(derive(seed, "D on fake")))
        value, (dphi, _), (v_phi, _) = self._agreement(params, batch, seed, fakes)
        loss, _, _ = self.loss.discriminator(real, fake)
        return Result(loss + value, {"D": v_phi + dphi}, {"agreement": value})

    def generator(self, params, batch, seed, fakes=None):
        """The Result of G's step: the loss L_G + gamma/2 |v|^2, and its gradient with respect to G's weights.

        v are the gradients of both players' losses. params are {network: Parameters}, batch["x"] the real
        samples, fakes the Fakes; None: new fakes are drawn from `seed`.
        """
        fakes = fakes or self.generate(params, batch, seed)
        fake, _ = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        value, (_, dtheta), (_, v_theta) = self._agreement(params, batch, seed, fakes)
        loss, _ = self.loss.generator(fake)
        return Result(loss + value, {"G": v_theta + dtheta}, {})


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units and Tanh; gamma is 1; RMSProp.

    gamma is the weight of the common term |v|^2 / 2 (see ConsensusGAN); the learning rate is 2e-4.
    Returns a ConsensusGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,),
    which the networks follow.
    """
    h, (n,) = max(int(128 * width), 4), shape
    networks = {
        "G": mlp(plane_latent(n), h, h, h, n, activation=Tanh),
        "D": mlp(n, h, h, h, 1, activation=Tanh),
    }
    return on_points(ConsensusGAN, width, both(RMSProp(2e-4)), gamma=1.0, networks=networks, shape=shape)


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; gamma is 1; RMSProp.

    gamma is the weight of the common term |v|^2 / 2 (see ConsensusGAN); the learning rate is 2e-4.
    Returns a ConsensusGAN. width: a factor of the sizes of the hidden layers; shape: (height, width,
    channels) of a picture, which the networks follow.
    """
    return on_digits(ConsensusGAN, width, both(RMSProp(2e-4)), steps=3000, gamma=1.0, shape=shape)


PRESETS = {"points": points, "digits": digits}
