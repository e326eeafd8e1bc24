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
        """The names of the objectives of one step, a tuple: "D" for each critic step, then "G" once.

        `step` counts the generator steps from 0. The number of critic steps is n_critic. It is 100 if
        `step` is below `warm`, or if `warm` is not 0 and `step` is a multiple of 500.
        """
        more = step < self.warm or self.warm and step % 500 == 0
        return ("D",) * (100 if more else self.n_critic) + ("G",)

    def critic(self, params, batch, seed, fakes=None):
        """The Result of the critic's step: its loss mean f(g(z)) - mean f(x), and the gradient for f.

        f is the critic, the network D, and g the generator. The metric "distance" is the loss times -1.
        params are {network: Parameters}, batch["x"] the real samples x. fakes are the Fakes g(z); None: new
        fakes are drawn from `seed`.
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
        """The Result of G's step: -mean f(g(z)), and its gradient for g, through the frozen critic f.

        params are {network: Parameters}. fakes are the Fakes g(z); None: new fakes are drawn for the batch
        from `seed`. There are no metrics.
        """
        g, f = self.networks["G"], self.networks["D"]
        fakes = fakes or self.generate(params, batch, seed)
        criticism, c_cri = f.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dcriticism = wasserstein.generator(criticism)
        dfake, _ = f.backward(dcriticism, c_cri, frozen=True)
        _, dtheta = g.backward(dfake, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})


def _rmsprop(lr=5e-5, c=0.01):
    """{"D": RMSProp, "G": RMSProp} with the learning rate lr; that of D clips each weight to [-c, c]."""
    return {"D": RMSProp(lr, clip=c), "G": RMSProp(lr)}


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; RMSProp.

    The learning rate, 5e-4, is above the paper's, because the networks are small. D's weights are clipped to
    [-c, c] with c = 0.05. Returns a WGAN. width: a factor of the sizes of the hidden layers; shape: (height,
    width, channels) of a picture, which the networks follow.
    """
    return on_digits(WGAN, width, _rmsprop(lr=5e-4, c=0.05), steps=3000, average=0.99, shape=shape)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: DCGAN nets, D without BatchNorm; the paper's RMSProp(5e-5), c = 0.01, n_critic = 5.

    The first 25 generator steps, and later every 500th, have 100 critic steps.
    Returns a WGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_mnist(WGAN, width, _rmsprop(), D={"norm": False}, steps=5000, warm=25, shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units, RMSProp(5e-4), c = 0.1.

    D's weights are clipped to [-c, c]. There is no moving average.
    Returns a WGAN. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    return on_points(WGAN, width, _rmsprop(lr=5e-4, c=0.1), depth=3, steps=4000, average=0.0, shape=shape)


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 5,000 steps, and
    needs a folder of pictures (the option --data).
    Returns a WGAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return from_folder(mnist(width, shape), steps=5000)


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "points": points}
