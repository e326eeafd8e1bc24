"""Generative adversarial nets (Goodfellow et al. 2014), Algorithm 1.

    for each step:
        k times:  draw m noise samples z and m real samples x; D descends on -log D(x) - log(1 - D(G(z)))
        once:     draw m noise samples z;  G descends on log(1 - D(G(z))), or better on -log D(G(z))

In these formulas D(x) is a probability: the sigmoid of the logit that the network D returns. G(z) is a fake.

Each of the k + 1 updates draws new samples. D is frozen in the generator step: the gradient passes through D
to D's input, and from there into G. The objectives below return gradients only; `training/step.py` makes the
updates. `generate` is in `system.py`.
"""

from dataclasses import dataclass, replace
from math import prod

from ...core.randomness import derive
from ...layers import (
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Maxout,
    Pass,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from ...layers.initializers import uniform
from ...losses import AdversarialLoss, minimax, nonsaturating, sigmoid
from ...optimizers import SGD, Adam
from ...optimizers.schedules import Exponential, Linear
from ..system import Latent, Result
from .presets import both, on_digits, on_points
from .two_player import TwoPlayers


@dataclass(frozen=True, kw_only=True, repr=False)
class GAN(TwoPlayers):
    """A game of two networks. G: z (N, Z) -> x. D: x -> logit (N, 1).

    loss   the adversarial loss of both players
    k      discriminator steps before each generator step
    """

    loss: AdversarialLoss = nonsaturating
    k: int = 1

    def rounds(self, step):
        """("D", ..., "D", "G"): k discriminator steps, then one generator step. `step` has no effect."""
        return ("D",) * self.k + ("G",)

    def discriminator(self, params, batch, seed, fakes=None):
        """The Result of D's step: -mean log D(x) - mean log(1 - D(G(z))), and its gradient for D.

        This is the formula of the minimax and nonsaturating losses. The metrics "D(x)" and "D(G(z))" are the
        mean probabilities. params are {network: Parameters}, batch["x"] the real samples x (N, ...). fakes
        are the Fakes G(z); None: new fakes are drawn from `seed`.
        """
        D, phi = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, c_real = D.forward(phi, batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = D.forward(phi, fakes.x, Pass(derive(seed, "D on fake")))
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        _, dphi_real = D.backward(dreal, c_real, need_dx=False)  # it ends at D's input: G does not change
        _, dphi_fake = D.backward(dfake, c_fake, need_dx=False)
        return Result(
            loss,
            {"D": dphi_real + dphi_fake},
            {"D(x)": sigmoid(real).mean(), "D(G(z))": sigmoid(fake).mean()},
        )

    def generator(self, params, batch, seed, fakes=None):
        """The Result of G's step: mean log(1 - D(G(z))) or -mean log D(G(z)), and its gradient for G.

        The first is the minimax loss, the second the nonsaturating one. The gradient passes through the
        frozen D. params are {network: Parameters}. fakes are the Fakes G(z); None: new fakes are drawn for
        the batch from `seed`. There are no metrics.
        """
        G, D = self.networks["G"], self.networks["D"]
        fakes = fakes or self.generate(params, batch, seed)
        logit, c_dis = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        dfake, _ = D.backward(dlogit, c_dis, frozen=True)  # through the frozen D
        _, dtheta = G.backward(dfake, fakes.cache, need_dx=False)  # and into G
        return Result(loss, {"G": dtheta}, {})


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units, Adam(2e-4).

    Returns a GAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_digits(GAN, width, both(Adam(2e-4)), shape=shape)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: G is 100-1200-1200-784 with BatchNorm, D is 784-1200-1200-1 with dropout; Adam.

    Without BatchNorm in G, D soon wins.
    Returns a GAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    h, pixels = max(int(1200 * width), 4), prod(shape)  # units of a hidden layer, numbers in a picture
    up = [layer for inputs in (100, h) for layer in (Dense(inputs, h, bias=False), BatchNorm(h), ReLU())]
    down = [layer for inputs in (pixels, h) for layer in (Dense(inputs, h), LeakyReLU(0.2), Dropout(0.3))]
    return GAN(
        latent=Latent(100),
        sample_shape=shape,
        data="mnist",
        batch_size=128,
        steps=9400,
        average=0.999,
        networks={
            "G": Sequential(*up, Dense(h, pixels), Tanh(), Reshape(shape)),
            "D": Sequential(Flatten(), *down, Dense(h, 1)),
        },
        optimizers=both(Adam(2e-4)),
    )


def paper(width=1.0):
    """The paper's MNIST recipe: maxout and dropout in D, uniform latent, pixels in 0..1, SGD with momentum.

    Sizes, ranges, rates and schedules are those of the authors' file mnist.yaml. That file halves D's loss;
    here D's learning rate is halved instead. Two details differ: the initial bias of G's last layer is not
    set from the pixels' means, and all 60,000 rows are used, not 50,000.
    Returns a GAN. width: a factor of the sizes of the hidden layers.
    """
    g, d = max(int(1200 * width), 4), max(int(240 * width), 2)  # units of a hidden layer of G, of D
    G = Sequential(
        Dense(100, g, init=uniform(0.05)),
        ReLU(),
        Dense(g, g, init=uniform(0.05)),
        ReLU(),
        Dense(g, 784, init=uniform(0.05)),
        Sigmoid(),
        Reshape(28, 28, 1),
    )
    D = Sequential(
        Flatten(),
        Dropout(0.2),
        Dense(784, 5 * d, init=uniform(0.005)),
        Maxout(5),  # a unit is the largest of 5 outputs of the Dense layer before it
        Dropout(0.5),
        Dense(d, 5 * d, init=uniform(0.005)),
        Maxout(5),
        Dropout(0.5),
        Dense(d, 1, init=uniform(0.005)),
    )
    momentum = Linear(0.5, 0.7, steps=250 * 500)  # 250 epochs of 500 steps, as in mnist.yaml; this run has 50
    return GAN(
        latent=Latent(100, "uniform", 3**0.5),  # U(-sqrt 3, sqrt 3) has variance 1
        sample_shape=(28, 28, 1),
        pixels=(0.0, 1.0),
        data="mnist",
        batch_size=100,
        steps=50 * 500,
        networks={"G": G, "D": D},
        optimizers={  # the rate is divided by 1.000004 in each step, down to 1e-6
            "D": SGD(Exponential(0.05, 1 / 1.000004, 1e-6), momentum),
            "G": SGD(Exponential(0.1, 1 / 1.000004, 1e-6), momentum),
        },
    )


def saturating(width=1.0, shape=(8, 8, 1)):
    """`digits` with the minimax loss of eq. 1: G's gradient vanishes when D is sure that fakes are fakes.

    Returns a GAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return replace(digits(width, shape), loss=minimax)


def points(width=1.0, shape=(2,)):
    """Points in the plane (ring, grid, swiss-roll): G and D with two hidden layers of 128 units, Adam(1e-3).

    Returns a GAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    return on_points(GAN, width, both(Adam(1e-3)), shape=shape)


PRESETS = {"digits": digits, "mnist": mnist, "paper": paper, "saturating": saturating, "points": points}
