"""R3GAN: a modern GAN baseline of relativistic pairing and both zero-centred penalties (Huang et al. 2024).

    D descends on   mean softplus(-(D(x_n) - D(x~_n)))
                    +  gamma/2 mean |grad D(x)|^2  +  gamma/2 mean |grad D(x~)|^2
    G descends on   mean softplus(-(D(x~_n) - D(x_n)))

x_n are real samples and x~_n fakes; D(x) is a logit. Each fake is compared with one real sample
(Jolicoeur-Martineau 2018), so a generator that drops a mode has a high loss for the samples of that mode. The
loss has no bad local minimum in which one boundary separates all fakes from the data. The two penalties of
weight gamma are R1, on real samples, and R2, on fakes (Mescheder et al. 2018). They make training converge
near the equilibrium. The paper uses no other trick.

With classes, G and D get a label y, and a fake has the label of the real sample that it is compared with.
"""

from dataclasses import dataclass, replace
from math import prod

from ...core.randomness import derive
from ...layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Given,
    LeakyReLU,
    Pass,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ...losses import RelativisticLoss, relativistic_paired, sigmoid
from ...networks import label_beside
from ...networks.sizes import channels_of, levels_of
from ...optimizers import Adam
from ...optimizers.schedules import Cosine
from ...remedies.penalties import R1, R2, Lazy
from ..system import Latent, Result
from .presets import FOLDER, both, on_digits, on_points
from .two_player import TwoPlayers

BETAS = {"beta1": 0.0, "beta2": 0.99}  # of Adam in all presets


@dataclass(frozen=True, kw_only=True, repr=False)
class R3GAN(TwoPlayers):
    """A game of two networks. G: z (N, Z) -> x. D: x -> logit (N, 1); D's layers have tangent passes.

    With classes, G: (z, y (N,)) -> x and D: (x, y) -> logit. A batch has equal numbers of fakes and real
    samples.

    loss    the relativistic loss of both players
    gamma   weight of the penalties R1 and R2; 0: no penalties
    every   the penalties are computed at the steps 0, every, 2 every, ... only, and multiplied by `every`
            (`Lazy`); in the paper every is 1
    now     the step; the training loop sets it (`at`)

    Raises ValueError unless every is an integer of at least 1.
    """

    loss: RelativisticLoss = relativistic_paired
    gamma: float = 1.0
    every: int = 1
    now: int = 0

    compares_pairs = True

    @property
    def penalises_samples(self):
        return self.gamma > 0

    def at(self, step):
        return replace(self, now=step)

    def conditioned(self, batch):
        """D as a network (a layer) of the samples x alone.

        Without classes the result is D. With classes it is D(x | y) with fixed labels y, those of the batch.
        Real samples and fakes have the same labels.
        """
        return Given(self.networks["D"], batch["labels"]) if self.classes else self.networks["D"]

    def discriminator(self, params, batch, seed, fakes=None):
        """The Result of D's step: mean softplus(-(D(x) - D(x~))) + R1 + R2, and its gradient for D.

        x are real samples, batch["x"], and x~ the Fakes `fakes`; None: new fakes are drawn from `seed`. R1
        and R2 are gamma/2 mean |grad D|^2 on x and on x~. They are added, multiplied by `every`, at the steps
        0, every, 2 every, ... only. The metrics are "D(x) above D(G(z))", the mean of sigmoid(D(x) - D(x~)),
        and "penalty", the value R1 + R2 at these steps. params are {network: Parameters}.
        """
        D, phi = self.conditioned(batch), params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real_context, fake_context = Pass(derive(seed, "D on real")), Pass(derive(seed, "D on fake"))
        real, c_real = D.forward(phi, batch["x"], real_context)
        fake, c_fake = D.forward(phi, fakes.x, fake_context)
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        _, dphi_real = D.backward(dreal, c_real, need_dx=False)
        _, dphi_fake = D.backward(dfake, c_fake, need_dx=False)
        dphi = dphi_real + dphi_fake
        metrics = {"D(x) above D(G(z))": sigmoid(real - fake).mean()}
        r1, r2 = (Lazy(penalty(self.gamma), self.every) for penalty in (R1, R2))
        if self.gamma and r1.is_due(self.now):
            r1, dphi_r1 = r1(self.now, D, phi, batch["x"], real_context)
            r2, dphi_r2 = r2(self.now, D, phi, fakes.x, fake_context)
            metrics["penalty"] = r1 + r2
            loss, dphi = loss + (r1 + r2), dphi + dphi_r1 + dphi_r2
        elif not self.gamma:
            metrics["penalty"] = 0.0
        return Result(loss, {"D": dphi}, metrics)

    def generator(self, params, batch, seed, fakes=None):
        """The Result of G's step: mean softplus(-(D(x~) - D(x))), and its gradient for G.

        x are real samples, batch["x"], and x~ the Fakes `fakes`; None: new fakes are drawn from `seed`. The
        gradient passes through the frozen D. params are {network: Parameters}. There are no metrics.
        """
        D, G = self.conditioned(batch), self.networks["G"]
        fakes = fakes or self.generate(params, batch, seed)
        real, _ = D.forward(params["D"], batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(real, fake)
        dfake, _ = D.backward(dlogit, c_fake, frozen=True)
        _, dtheta = G.backward(dfake, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})


def points(width=1.0, shape=(2,)):
    """Points in the plane: G and D with three hidden layers of 128 units; gamma is 0.01.

    gamma is the weight of the penalties R1 and R2, gamma/2 mean |grad D|^2 on real samples and on fakes. The
    optimisers are Adam(1e-3, beta1 = 0, beta2 = 0.99). Returns an R3GAN. width: a factor of the sizes of the
    hidden layers; shape: (numbers in a row,), which the networks follow.
    """
    return on_points(R3GAN, width, both(Adam(1e-3, **BETAS)), depth=3, gamma=0.01, shape=shape)


def digits(width=1.0, shape=(8, 8, 1)):
    """8x8 pictures: G and D with two hidden dense layers of 256 units; gamma is 1.

    The optimisers are Adam(5e-4, beta1 = 0, beta2 = 0.99). gamma is the weight of the penalties R1 and R2,
    gamma/2 mean |grad D|^2 on real samples and on fakes. Returns an R3GAN. width: a factor of the sizes of
    the hidden layers; shape: (height, width, channels) of a picture, which the networks follow.
    """
    return on_digits(R3GAN, width, both(Adam(5e-4, **BETAS)), gamma=1.0, shape=shape)


def mnist(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures by class; the dense layers get the label, and the learning rates fall from 1e-3 to 0.

    G is 32 -> 512 -> 7x7x64 -> 14x14x32 -> 28x28x1; D has these sizes in reverse order. The label is a vector
    of 16 numbers in each dense layer of G and of D. The penalties R1 and R2, of weight gamma = 1, are
    computed in every eighth step. Returns an R3GAN. width: a factor of the sizes of the hidden layers; shape:
    (height, width, channels) of a picture, which the networks follow; classes: the number of classes.
    """
    return _convolutional(width, shape, classes, data="mnist", steps=4000)


def pictures(width=1.0, shape=(32, 32, 3), classes=0):
    """Pictures of any size from 8x8 on, with or without classes: `mnist`, with the levels that they need.

    A level is a layer that doubles the picture in G, or halves it in D. Training takes 10,000 steps.
    Returns an R3GAN. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow; classes: the number of classes.
    """
    return _convolutional(width, shape, classes, data=FOLDER, steps=10000)


def _convolutional(width, shape, classes, data, steps):
    """An R3GAN for pictures with convolutions and one hidden dense layer; the dense layers get the label.

    width      factor of the hidden widths; without it the smallest feature map has 32 channels for each
               level, a further level halves the number, and the dense layer has 512 units
    shape      (height, width, channels) of a picture, of a size that `levels_of` knows
    classes    number of classes; 0: there are no labels
    data       name of the data set that training uses by default
    steps      number of steps, in which the learning rates fall from 1e-3 to 0, along a cosine

    Raises ValueError for another size of a picture.
    """
    *size, colours = shape
    start, levels = levels_of(size)
    channels, h = channels_of(levels, 32, width), max(int(512 * width), 2)
    first, last = channels[0], channels[-1]  # of G's smallest and largest feature map
    entries = prod(start) * first  # of the smallest feature map
    code = 16 if classes else 0  # the length of the label's vector
    window = {"kernel": 4, "stride": 2, "padding": 1}  # doubles or halves a picture
    growing, shrinking = [], [Conv2d(colours, last, **window), LeakyReLU(0.2)]
    for a, b in zip(channels, channels[1:]):  # a: channels of the input, b: of the output
        growing += [ConvTranspose2d(a, b, **window, bias=False), BatchNorm(b), ReLU()]
    for a, b in zip(channels[::-1], channels[-2::-1]):
        shrinking += [Conv2d(a, b, **window), LeakyReLU(0.2)]
    up = [
        Sequential(Dense(32 + code, h, bias=False), BatchNorm(h), ReLU()),
        Sequential(
            Dense(h + code, entries, bias=False),
            Reshape(*start, first),
            BatchNorm(first),
            ReLU(),
            *growing,
            ConvTranspose2d(last, colours, **window),
            Tanh(),
        ),
    ]
    features = Sequential(*shrinking, Flatten())
    down = [Sequential(Dense(entries + code, h), LeakyReLU(0.2)), Dense(h + code, 1)]
    if classes:
        G, D = label_beside(classes, code, up), label_beside(classes, code, down, first=features)
    else:
        (dense, growth), (hidden, last_layer) = up, down
        G, D = Sequential(*dense, *growth), Sequential(*features, *hidden, last_layer)
    return R3GAN(
        latent=Latent(32),
        classes=classes,
        sample_shape=shape,
        data=data,
        batch_size=100,
        steps=steps,
        average=0.999,
        gamma=1.0,
        every=8,
        shares_fakes=True,
        networks={"G": G, "D": D},
        optimizers=both(Adam(Cosine(1e-3, steps), **BETAS)),
    )


PRESETS = {"points": points, "digits": digits, "mnist": mnist, "pictures": pictures}
