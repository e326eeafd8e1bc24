"""How to train a GAN? Tips and tricks to make GANs work (Chintala, Denton, Arjovsky and Mathieu 2016).

Every tip but the tenth has one switch or several: fields of the game that turn the tip on and off. The first
line of a tip has its text and its switches, with their values in the preset `digits`. The second line says
whether the tip helps.

 1  inputs in -1..1, Tanh as G's last layer          normalize=true
        yes: both then have the same range, around zero
 2  maximise log D, not minimise log(1 - D)          modified=true
        yes: the other gradient vanishes while D is sure (Goodfellow 2014, section 3)
 3  z from a Gaussian, not from a cube               spherical=true
        little: the papers of 2014 and 2016 draw from the cube
 4  separate batches for real and fake samples       separate=true
        only if D mixes samples, as BatchNorm does
 5  LeakyReLU and strides, not ReLU and pooling      leaky=true
        in D: the gradient into G passes every unit (Radford 2016)
 6  soft and noisy labels                            smooth=0.9 soft=false flip=0
        on real samples; soft labels of fakes favour G's mistakes (Salimans 3.4)
 7  DCGAN, or else VAE + GAN                         convolutional=true
        yes, for pictures; hybrids are other systems
 8  replay of old fakes and old players              replay=0 pool=1024 past=0 age=500
        against players that go in circles; later work uses old fakes only (CycleGAN)
 9  Adam for G, SGD for D                            adam=true sgd=false
        Adam helps; later work uses it for D too
10  track failures early                             no switch
        use metrics.jsonl, curves.png and `numgan health`
11  no balancing by losses                           balance=0
        balancing does not help: D's loss does not show which player should train
12  labels, if there are any                         classify=false
        D predicts the class too (Odena 2017); tip 16 was more reliable on digits
13  noise on D's inputs, decaying                    noise=0.1 anneal=0 layer_noise=0
        if real and fake samples hardly overlap (Sonderby 2017, Arjovsky 2017)
14  [not sure] more discriminator steps              k=1
        not with this loss; the critic of a WGAN needs them
15  [not sure] batch discrimination                  minibatch=0 deviation=false
        against mode collapse, at a cost (Salimans 3.2; Karras 2018)
16  labels embedded, as channels                     conditional=false
        yes: G draws the requested class (Mirza 2014)
17  dropout in G, in training and tests              dropout=0
        if G has no other noise (Isola 2017)

There are switches for four methods that are not in the list: feature matching and historical averaging
(Salimans et al. 2016, sections 3.1 and 3.3), packing (Lin et al. 2018), two time scales (Heusel et al. 2017).
`numgan train hacks --set noise=0.2 --set replay=0.25` sets switches. Every system can have a moving average
of G's weights.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...core.randomness import derive
from ...layers import Pass
from ...losses import feature_matching, minimax, nonsaturating, softmax_cross_entropy
from ...networks.sizes import channels_of, levels_of
from ...optimizers import SGD, Adam, Historical
from ...remedies.balance import Balance
from ...remedies.noise import InstanceNoise, NoisyLabels
from ...remedies.replay import PastPlayers, Replay
from .presets import on_digits, on_points
from .switched import switched_discriminator, switched_generator
from .two_player import TwoPlayerGAN


@dataclass(frozen=True, kw_only=True, repr=False)
class Hacks(TwoPlayerGAN):
    """A two-player game in which each tip of this module's list can be turned on or off by a switch.

    G: z (N, Z) -> x and D: x -> logit (N, 1). With labels y (N,), G: (z, y) -> x and D: (x, y) -> logit.

    The switches are the fields of this class and those of its remedies. `from_switches` makes networks and
    optimisers from the switches. The list of the module gives reasons and sources.

    normalize      pixels in -1..1, and Tanh as G's last layer; False: pixels in 0..1, and Sigmoid
    modified       the nonsaturating loss; False: the minimax loss
    spherical      z from a Gaussian; False: z from a cube
    leaky          LeakyReLU, and strided convolutions in D; False: ReLU, and max-pooling
    convolutional  DCGAN networks; False: dense networks
    adam, sgd      Adam for both players; sgd: SGD for D. With adam=False both players have SGD
    dropout        rate of dropout after every hidden activation of G; 0: none
    separate       False: real samples and fakes are one batch in one pass of D
    conditional    G and D get the label of each sample
    classify       G gets the label; D does not get it, but predicts it, in further columns of its output,
                   one for each class
    layer_noise    standard deviation of the noise after every hidden activation of G
    minibatch      number of features of minibatch discrimination before D's last layer; 0: none
    deviation      the batch's standard deviation as a feature before D's last layer
    matching       G's loss is feature matching, not a function of D's logits. The features are the input of
                   D's last layer, without those of `minibatch` and `deviation`
    pack           number of samples that D judges at once
    rate           G's learning rate for Adam; that for SGD is 50 times as large
    ttur           D's learning rate divided by G's
    historical     weight of |weights - their past mean|^2 for both players. The optimisers add its gradient,
                   so this term is not in the losses
    hidden         units of a hidden dense layer
    channels       channels of the convolutions of G; D has them in reverse order
    kinds          the numbers of the classes, which `conditional` and `classify` use
    """

    remedies: tuple = (
        NoisyLabels(smooth=0.9, soft=False, flip=0.0),
        Replay(replay=0.0, pool=1024),
        PastPlayers(past=0.0, age=500),
        Balance(balance=0.0),
        InstanceNoise(noise=0.1, anneal=0),
    )
    normalize: bool = True
    modified: bool = True
    spherical: bool = True
    separate: bool = True
    leaky: bool = True
    convolutional: bool = True
    adam: bool = True
    sgd: bool = False
    classify: bool = False
    layer_noise: float = 0.0
    minibatch: int = 0
    deviation: bool = False
    conditional: bool = False
    dropout: float = 0.0
    matching: bool = False
    pack: int = 1
    ttur: float = 1.0
    historical: float = 0.0
    rate: float = 2e-4
    hidden: int = 256
    channels: tuple = (128, 64)
    kinds: range = range(10)

    @property
    def packed(self):
        """The number of samples that D judges together: the switch `pack`."""
        return self.pack

    @property
    def keeps_noise(self):
        return self.dropout > 0 or self.layer_noise > 0

    def setting(self, **values):
        return from_switches(super().setting(**values))

    # ---- separate=False: one pass of D for real samples and fakes

    def _forward(self, net, phi, inputs, seed):
        """({"real": output, "fake": output}, caches): as in TwoPlayerGAN, or one pass for both inputs.

        There is one pass of `net`, D or its first layers, with separate=False. The caches are then {"both":
        cache, "zeros": zeros with the shape of the output for real samples}. phi are the network's
        parameters, inputs are {"real": input, "fake": input}, and the seed of the pass is derived from
        `seed`.
        """
        if self.separate:
            return super()._forward(net, phi, inputs, seed)
        real, fake = inputs["real"], inputs["fake"]
        both = (
            tuple(map(np.concatenate, zip(real, fake))) if self.labels_for_D else np.concatenate([real, fake])
        )
        y, cache = net.forward(phi, both, Pass(derive(seed, "D on both")))
        samples, *_ = real if self.labels_for_D else (real,)  # an input of D is x, or (x, labels)
        n = len(samples) // self.pack  # the number of outputs for real samples: one for each pack
        return {"real": y[:n], "fake": y[n:]}, {"both": cache, "zeros": np.zeros_like(y[:n])}

    def _backward(self, net, dys, caches, **options):
        """[(dx, dp), ...]: as in TwoPlayerGAN, or with separate=False the result of one pass of `net`.

        dys are {"real": dy, "fake": dy}, or {"fake": dy}. caches are those of `_forward`.
        """
        if self.separate:
            return super()._backward(net, dys, caches, **options)
        dreal = dys.get("real", caches["zeros"])  # G's loss does not depend on D's outputs for real samples
        return [net.backward(np.concatenate([dreal, dys["fake"]]), caches["both"], **options)]

    # ---- classify: D also predicts the class

    @property
    def labels_for_D(self):
        """Whether D gets the label of each sample as an input: no if it has to predict the label."""
        return super().labels_for_D and not self.classify

    def _scored(self, y, loss, labels):
        """(value, dy): a loss for D's outputs y, and its derivative with respect to y.

        The value is loss(y[:, :1]), the loss for the logits of real or fake. With `classify` the
        cross-entropy of the class is added: y[:, 1:] are the logits of the classes, `labels` (N,) the true
        classes. `loss` is a function of logits that returns the loss and its derivative.
        """
        value, dy = loss(y[:, :1])
        if not self.classify:
            return value, dy
        class_loss, dclass = softmax_cross_entropy(y[:, 1:], labels)
        return value + class_loss, np.concatenate([dy, dclass], axis=1)

    # ---- matching: G's loss is feature matching

    @property
    def needs_real(self):
        return self.matching or not self.separate or super().needs_real

    @property
    def network_for_G(self):
        """The network that G's loss depends on: D, with `matching` its layers up to the features."""
        above = 1 + self.deviation + (self.minibatch > 0)  # the last layer, and layers that compare samples
        return self.networks["D"][:-above] if self.matching else self.networks["D"]

    def _loss_of_G(self, outputs, labels):
        """(loss, dy): G's loss, and its derivative with respect to outputs["fake"].

        With `matching`, outputs are D's features {"real": array, "fake": array}, and the loss compares their
        means. Otherwise it is the loss of TwoPlayerGAN for D's outputs, with `labels` of the same keys.
        """
        if self.matching:
            return feature_matching(outputs["fake"], outputs["real"])
        return super()._loss_of_G(outputs, labels)


# ---- from switches to networks and optimisers


def from_switches(system):
    """A copy of the Hacks `system` with the loss, pixels, prior, networks and optimisers of its switches.

    The old networks and optimisers of `system` have no effect. Raises ValueError for switches that contradict
    each other, or for smooth = 0.
    """
    s = replace(system, classes=len(system.kinds) if system.classify or system.conditional else 0)
    _check(s)
    channels = s.channels if s.convolutional else None
    networks = {
        "G": switched_generator(
            s.latent.size,
            s.sample_shape,
            s.hidden,
            channels,
            classes=s.classes,
            leaky=s.leaky,
            tanh=s.normalize,
            noise=s.layer_noise,
            dropout=s.dropout,
        ),
        "D": switched_discriminator(
            s.sample_shape,
            s.hidden,
            channels,
            told=0 if s.classify else s.classes,
            leaky=s.leaky,
            pack=s.pack,
            names=s.classes if s.classify else 0,
            deviation=s.deviation,
            minibatch=s.minibatch,
        ),
    }
    return replace(
        s,
        loss=nonsaturating if s.modified else minimax,
        pixels=(-1.0, 1.0) if s.normalize else (0.0, 1.0),
        latent=replace(s.latent, kind="normal" if s.spherical else "uniform"),
        networks=networks,
        optimizers={
            "D": _optimizer(s, s.rate * s.ttur, s.adam and not s.sgd),
            "G": _optimizer(s, s.rate, s.adam),
        },
    )


def _optimizer(s, rate, adam):
    """The optimiser of a player: Adam(rate) if `adam` is True, otherwise SGD(50 rate, momentum = 0.5).

    If historical averaging is on, the optimiser is wrapped in Historical. s is the game with the switches.
    """
    # 50: SGD needs a larger rate, because Adam divides each gradient by its root mean square
    rule = Adam(rate) if adam else SGD(50 * rate, momentum=0.5)
    return Historical(rule, s.historical) if s.historical else rule


def _check(s):
    """Raise ValueError for switches of the game s, a Hacks, that contradict each other."""
    points = len(s.sample_shape) == 1
    on = s.settings  # the switches of the remedies too
    for wrong, message in (
        # with smooth = 0 real samples would have the label of fakes
        (on["smooth"] == 0, "expected a smooth above 0, got 0.0"),
        (
            # normalize=False would give points the range 0..1; convolutions and labels here need pictures
            points and (s.convolutional or s.classes or not s.normalize),
            "points have no pixels and no labels here; leave convolutional, "
            "conditional and classify off and normalize on",
        ),
        (s.classify and s.pack > 1, "a pack has no class; leave classify off or pack=1"),
        (
            on["balance"] and s.matching,
            "balance needs D's loss, which matching does not compute; leave one of them off",
        ),
    ):
        if wrong:
            raise ValueError(f"hacks: {message}")


def digits(width=1.0, shape=(8, 8, 1), classes=10, **switches):
    """8x8 pictures, DCGAN networks. Every switch (a field that turns a tip on or off) has its default value.

    `switches` are {name: value}, the switches that get another value. Raises ValueError for an unknown switch
    or a wrong value.
    Returns a Hacks. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow; classes: the number of classes.
    """
    _, levels = levels_of(shape[:2])
    game = on_digits(
        Hacks,
        width,
        optimizers={},
        shape=shape,
        steps=4000,
        hidden=max(int(256 * width), 4),
        channels=channels_of(levels, 64, width),
        kinds=range(classes),
    )
    return game.setting(**switches)  # makes the networks and optimisers from the switches


def none(width=1.0, shape=(8, 8, 1), classes=10):
    """`digits` with every switch off, for comparison.

    It has dense networks with ReLU, uniform z, pixels in 0..1, real samples and fakes in one batch, the
    minimax loss, and SGD with momentum. It has no moving average of G.
    Returns a Hacks. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow; classes: the number of classes.
    """
    return digits(
        width,
        shape,
        classes,
        normalize=False,
        modified=False,
        spherical=False,
        separate=False,
        leaky=False,
        smooth=1.0,
        convolutional=False,
        adam=False,
        noise=0.0,
    ).with_average(0.0)


def everything(width=1.0, shape=(8, 8, 1), classes=10):
    """`digits` with the tips of the list turned on, also the doubtful ones.

    Among them are soft and flipped labels, replay, SGD for D, classes, noise, dropout, minibatch
    discrimination and k = 2 discriminator steps.
    Returns a Hacks. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow; classes: the number of classes.
    """
    return digits(
        width,
        shape,
        classes,
        smooth=1.0,
        soft=True,
        flip=0.05,
        replay=0.25,
        past=0.05,
        sgd=True,
        classify=True,
        conditional=True,
        layer_noise=0.1,
        k=2,
        minibatch=16,
        dropout=0.5,
    )


def conditional(width=1.0, shape=(8, 8, 1), classes=10):
    """`digits` with labels: G and D get the class of each sample as an input.

    Returns a Hacks. width: a factor of the sizes of the hidden layers; shape: (height, width, channels) of a
    picture, which the networks follow; classes: the number of classes.
    """
    return digits(width, shape, classes, conditional=True)


def points(width=1.0, shape=(2,), **switches):
    """Points in the plane: G and D with two hidden layers of 128 units, Adam(1e-3).

    `switches` are {name: value}, the switches that differ from the defaults of the class Hacks.
    Returns a Hacks. width: a factor of the sizes of the hidden layers; shape: (numbers in a row,), which the
    networks follow.
    """
    game = on_points(
        Hacks,
        width,
        optimizers={},
        shape=shape,
        hidden=max(int(128 * width), 4),
        rate=1e-3,
        convolutional=False,
    )
    return game.setting(**switches)  # makes the networks and optimisers from the switches


PRESETS = {"digits": digits, "none": none, "all": everything, "conditional": conditional, "points": points}
