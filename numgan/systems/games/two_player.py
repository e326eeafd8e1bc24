"""The two-player game that many papers change by one term.

    k times:  D descends on  loss.discriminator(D(x), D(G(z))) + regularizer(x, G(z))
    once:     G descends on  loss.generator(D(G(z))), through the frozen D

`gan.py` is Algorithm 1 to the letter and does not use TwoPlayerGAN. A file that builds on TwoPlayerGAN has
only the additions of its paper: networks (dcgan), a loss (lsgan, hinge), a layer of D (pacgan, hinge) or a
penalty (dragan, r1, roth).
"""

from dataclasses import dataclass, replace

from ...core.randomness import derive
from ...layers import Pass
from ...losses import AdversarialLoss, nonsaturating, sigmoid
from ..system import Result, System


@dataclass(frozen=True, kw_only=True, repr=False)
class TwoPlayers(System):
    """The roles in a game of two players: G draws samples, D tells them from real samples.

    G draws from noise, and from labels if there are classes.
    """

    drawers = ("G",)
    judges = ("D",)
    purpose = "draws new samples"

    @property
    def made_from(self):
        return ("labels",) if self.classes else ()

    def objectives(self):
        return {"D": self.discriminator, "G": self.generator}

    def inputs(self, batch, seed):
        """z (N, Z); with classes (z, labels (N,))."""
        z = super().inputs(batch, seed)
        return (z, self.asked(batch)) if self.classes else z


@dataclass(frozen=True, kw_only=True, repr=False)
class TwoPlayerGAN(TwoPlayers):
    """Networks G: z (N, Z) -> x, D: x -> logit (N, 1), or one logit for each pack of samples.

    loss   the adversarial loss of both players
    k      discriminator steps before each generator step
    now    the step, for terms that change with time; the training loop sets it (`at`)
    """

    loss: AdversarialLoss = nonsaturating
    k: int = 1
    now: int = 0

    def at(self, step):
        return replace(self, now=step)

    def rounds(self, step):
        return ("D",) * self.k + ("G",)

    def regularizer(self, phi, real, fake, seed):
        """The term that a paper adds to D's loss: (value, gradient in phi), or None for no term."""
        return None

    def discriminator(self, params, batch, seed, fakes=None):
        """The loss of D on real and fake samples plus the regularizer, and the gradient of the sum in D."""
        D, phi = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, c_real = D.forward(phi, batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = D.forward(phi, fakes.x, Pass(derive(seed, "D on fake")))
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        dphi = D.backward(dreal, c_real, need_dx=False)[1] + D.backward(dfake, c_fake, need_dx=False)[1]
        metrics = {"D(x)": sigmoid(real).mean(), "D(G(z))": sigmoid(fake).mean()}
        added = self.regularizer(phi, batch["x"], fakes.x, seed)
        if added is not None:
            loss, dphi, metrics["penalty"] = loss + added[0], dphi + added[1], added[0]
        return Result(loss, {"D": dphi}, metrics)

    def generator(self, params, batch, seed, fakes=None):
        """The loss of G, and its gradient in G, through the frozen D."""
        G, D = self.networks["G"], self.networks["D"]
        fakes = fakes or self.generate(params, batch, seed)
        logit, c_dis = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        dfake, _ = D.backward(dlogit, c_dis, frozen=True)
        _, dtheta = G.backward(dfake, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})
