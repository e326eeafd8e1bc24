"""Wasserstein GAN (Arjovsky et al. 2017), Algorithm 1.

    for each step:
        n_critic times:  f ascends on E f(x) - E f(g(z)); then every weight is clipped to [-c, c]
        once:            g descends on -E f(g(z))

f is the discriminator, which is called the critic here because it has no sigmoid. g is the generator, x are
real samples and z noise; E is the mean. Clipping keeps f Lipschitz. E f(x) - E f(g(z)) is an estimate of the
distance between data and fakes; it falls as the fakes improve.
"""

from dataclasses import dataclass

from ...core.randomness import derive
from ...layers import Pass
from ...losses import wasserstein
from ...optimizers import RMSProp
from ..system import Result
from .presets import from_folder, on_digits, on_mnist, on_points
from .two_player import TwoPlayers


@dataclass(frozen=True, kw_only=True, repr=False)
class WGAN(TwoPlayers):
    """A game of two networks. G: z (N, Z) -> x. D: x -> criticism (N, 1), an unbounded number.

    D is the critic. Its optimiser clips the weights after each update.

    n_critic   critic steps before each generator step; the paper has 5
    warm       the number of generator steps at the beginning that have 100 critic steps each; the authors'
               code has 25. If `warm` is not 0, every 500th generator step has 100 critic steps too
    """

    n_critic: int = 5
    warm: int = 0

    metric_labels = {"distance": "mean f(x) - mean f(g(z)), on the critic's own scale"}

    def objectives(self):
        return {"D": self.critic, "G": self.generator}

    def rounds(self, step):
        more = step < self.warm or self.warm and step % 500 == 0
        return ("D",) * (100 if more else self.n_critic) + ("G",)

    def critic(self, params, batch, seed, fakes=None):
        """The objective of the critic f: the Result with mean f(g(z)) - mean f(x), and its gradient for f.

        params   {network: Parameters}
        batch    the Batch; batch["x"] are the real samples x
        seed     the seed of all random numbers
        fakes    the Fakes g(z) to use; None: new fakes are drawn

        The metric "distance" is the loss times -1.
        """
        f, w = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, c_real = f.forward(w, batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = f.forward(w, fakes.x, Pass(derive(seed, "D on fake")))
        loss, dreal, dfake = wasserstein.discriminator(real, fake)
        _, dw_real = f.backward(dreal, c_real, need_dx=False)
        _, dw_fake = f.backward(dfake, c_fake, need_dx=False)
        return Result(loss, {"D": dw_real + dw_fake}, {"distance": -loss})

    def generator(self, params, batch, seed, fakes=None):
        """The objective of the generator g: the Result with the loss -mean f(g(z)) and its gradient for g.

        params   {network: Parameters}
        batch    the Batch
        seed     the seed of all random numbers
        fakes    the Fakes g(z) to use; None: new fakes are drawn

        The gradient passes through the frozen critic f.
        """
        g, f = self.networks["G"], self.networks["D"]
        fakes = fakes or self.generate(params, batch, seed)
        criticism, c_cri = f.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dcriticism = wasserstein.generator(criticism)
        dfake, _ = f.backward(dcriticism, c_cri, frozen=True)
        _, dtheta = g.backward(dfake, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})


def _rmsprop(lr=5e-5, c=0.01):
    return {"D": RMSProp(lr, clip=c), "G": RMSProp(lr)}


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: three dense layers in G and in D; RMSProp with a learning rate above the paper's.

    The rate is 5e-4, because the networks are small; c = 0.05. Makes the system and returns it, a WGAN.
    `width` is a factor of the hidden widths, and `shape` the shape of one sample.
    """
    return on_digits(WGAN, width, _rmsprop(lr=5e-4, c=0.05), steps=3000, average=0.99, shape=shape)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: DCGAN nets, D without BatchNorm; the paper's RMSProp(5e-5), c = 0.01, n_critic = 5.

    The first 25 generator steps, and later every 500th, have 100 critic steps. Makes the system and returns
    it, a WGAN. `width` is a factor of the hidden widths, and `shape` the shape of one sample.
    """
    return on_mnist(WGAN, width, _rmsprop(), D={"norm": False}, steps=5000, warm=25, shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units, RMSProp(5e-4), c = 0.1.

    Makes the system and returns it, a WGAN. `width` is a factor of the hidden widths, and `shape` the shape
    of one sample.
    """
    return on_points(WGAN, width, _rmsprop(lr=5e-4, c=0.1), depth=3, steps=4000, average=0.0, shape=shape)


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    Makes the system and returns it, a WGAN. `width` is a factor of the hidden widths, and `shape` the shape
    of one sample.
    """
    return from_folder(mnist(width, shape), steps=5000)


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "points": points}
