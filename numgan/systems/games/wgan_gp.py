"""Improved training of Wasserstein GANs (Gulrajani et al. 2017), Algorithm 1: WGAN-GP.

    for each step:
        n_critic times:  draw real x, fake x~ and e ~ U(0, 1);  x^ = e x + (1 - e) x~
                         f descends on  f(x~) - f(x) + lambda (|grad f(x^)| - 1)^2,  averaged over the batch
        once:            g descends on  -f(g(z))

f is the critic, a discriminator without a sigmoid. g is the generator, z noise, and x~ = g(z). An optimal
critic has gradients of norm 1 on the lines between real and fake samples (Proposition 1). The penalty, of
weight lambda, requires this norm. The penalty replaces WGAN's clipping of weights. It takes the norm of the
gradient of one sample, so the critic has no BatchNorm (section 4).
"""

from dataclasses import dataclass

from ...core.randomness import derive, stream
from ...layers import Pass
from ...losses import wasserstein
from ...optimizers import Adam
from ...remedies.penalties import GradientPenalty, between
from ..system import Result
from .presets import both, from_folder, on_digits, on_mnist, on_points
from .two_player import TwoPlayers


@dataclass(frozen=True, kw_only=True, repr=False)
class WGANGP(TwoPlayers):
    """A game of two networks. G: z (N, Z) -> x. D: x -> criticism (N, 1), an unbounded number.

    D is the critic.

    n_critic   critic steps before each generator step
    penalty    lambda (|grad f| - 1)^2, here with lambda = 10. GradientPenalty(10, one_sided=True) is the
               one-sided penalty of section 4
    """

    n_critic: int = 5
    penalty: GradientPenalty = GradientPenalty(10.0)

    penalises_samples = True
    metric_labels = {"distance": "mean f(x) - mean f(g(z)), on the critic's own scale"}

    def objectives(self):
        return {"D": self.critic, "G": self.generator}

    def rounds(self, step):
        return ("D",) * self.n_critic + ("G",)

    def critic(self, params, batch, seed, fakes=None):
        """The Result of the critic's step: its loss with the penalty, and the gradient for f.

        The loss is mean f(g(z)) - mean f(x) + lambda mean (|grad f(x^)| - 1)^2, at random points x^ between
        real samples x and fakes g(z). f is the critic, the network D, and g the generator. The metrics are
        "penalty", the last term, and "distance", which is mean f(x) - mean f(g(z)). params are {network:
        Parameters}, x is batch["x"]. fakes are the Fakes g(z); None: new fakes are drawn from `seed`.
        """
        f, w = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, c_real = f.forward(w, batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = f.forward(w, fakes.x, Pass(derive(seed, "D on fake")))
        loss, dreal, dfake = wasserstein.discriminator(real, fake)
        _, dw_real = f.backward(dreal, c_real, need_dx=False)
        _, dw_fake = f.backward(dfake, c_fake, need_dx=False)
        x_hat = between(batch["x"], fakes.x, stream(seed, "between"))
        penalty, dw_penalty = self.penalty(f, w, x_hat, Pass(derive(seed, "D between")))
        return Result(
            loss + penalty, {"D": dw_real + dw_fake + dw_penalty}, {"distance": -loss, "penalty": penalty}
        )

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


def _adam(lr=1e-4):
    """{"D": Adam, "G": Adam} with the learning rate lr, beta1 = 0 and beta2 = 0.9, as in Algorithm 1."""
    return both(Adam(lr, beta1=0.0, beta2=0.9))


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; Adam.

    The learning rate, 5e-4, is above the paper's, because the networks are small.
    Returns a WGANGP. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_digits(WGANGP, width, _adam(lr=5e-4), steps=3000, average=0.99, shape=shape)


def mnist(width=1.0, shape=(28, 28, 1)):
    """28x28 pictures: DCGAN networks, no BatchNorm in the critic, the constants of Algorithm 1.

    They are lambda = 10, n_critic = 5 and Adam(1e-4, beta1 = 0, beta2 = 0.9).
    Returns a WGANGP. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return on_mnist(WGANGP, width, _adam(), D={"norm": False}, steps=5000, shape=shape)


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units; lambda is 0.1; Adam.

    lambda is the weight of the gradient penalty. The learning rate, 1e-3, is above the paper's.
    Returns a WGANGP. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    return on_points(
        WGANGP, width, _adam(lr=1e-3), depth=3, steps=4000, penalty=GradientPenalty(0.1), shape=shape
    )


def pictures(width=1.0, shape=(32, 32, 3)):
    """Pictures of any size from 8x8 on, grey or colour: `mnist` with as many levels as the size needs.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 5,000 steps, and
    needs a folder of pictures (the option --data).
    Returns a WGANGP. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow.
    """
    return from_folder(mnist(width, shape), steps=5000)


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "points": points}
