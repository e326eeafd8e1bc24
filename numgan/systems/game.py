"""The game that many papers change by one term: D and G with one loss, and what is added to D's.

    k times:  D descends on  loss.discriminator(D(x), D(G(z))) + regularizer(x, G(z))
    once:     G descends on  loss.generator(D(G(z))), through the frozen D

`gan.py` is Algorithm 1 to the letter, and reads alone. The files that build on this one hold what their paper adds: a loss (lsgan, hinge),
a layer of D (pacgan, hinge) or a penalty (dragan, roth).
"""

from dataclasses import dataclass, replace

from ..layers import Run
from ..losses import AdversarialLoss, nonsaturating, sigmoid
from ..randomness import derive
from .system import Result, System


@dataclass(frozen=True, kw_only=True, repr=False)
class Game(System):
    """networks G: z (N, Z) -> x, D: x -> logit (N, 1), or one for each pack of samples.

    loss   of both players
    k      discriminator steps to each of the generator
    now    the step, which the training loop tells (`at`), for terms that change with time
    """

    loss: AdversarialLoss = nonsaturating
    k: int = 1
    now: int = 0

    def at(self, step):
        return replace(self, now=step)

    def objectives(self):
        return {"D": self.discriminator, "G": self.generator}

    def rounds(self, step):
        return ("D",) * self.k + ("G",)

    def regularizer(self, phi, real, fake, seed):
        """What a paper adds to D's loss: (value, its gradient in phi), or None."""
        return None

    def discriminator(self, params, batch, seed, made=None):
        """The loss of D on real and fake samples and the regularizer, and their gradient in D."""
        D, phi = self.networks["D"], params["D"]
        made = made or self.generate(params, batch, seed)
        real, c_real = D.forward(phi, batch.x, Run(derive(seed, "D on real")))
        fake, c_fake = D.forward(phi, made.x, Run(derive(seed, "D on fake")))
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        dphi = D.backward(dreal, c_real, need_dx=False)[1] + D.backward(dfake, c_fake, need_dx=False)[1]
        metrics = {"D(x)": float(sigmoid(real).mean()), "D(G(z))": float(sigmoid(fake).mean())}
        added = self.regularizer(phi, batch.x, made.x, seed)
        if added is not None:
            loss, dphi, metrics["penalty"] = loss + added[0], dphi + added[1], added[0]
        return Result(loss, {"D": dphi}, metrics)

    def generator(self, params, batch, seed, made=None):
        """The loss of G, and its gradient in G, through D, which does not change."""
        G, D = self.networks["G"], self.networks["D"]
        made = made or self.generate(params, batch, seed)
        logit, c_dis = D.forward(params["D"], made.x, Run(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        dfake, _ = D.backward(dlogit, c_dis, frozen=True)
        _, dtheta = G.backward(dfake, made.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})
