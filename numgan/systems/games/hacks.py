"""How to train a GAN? Tips and tricks to make GANs work (Chintala, Denton, Arjovsky and Mathieu 2016).

Each of the seventeen tips is a switch. The first line of an entry has the tip and the switch with its value
in `digits`; the second line says whether the tip helps.

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
        against training in circles; later work uses old fakes only (CycleGAN)
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

More switches than the list: feature matching and historical averaging (Salimans et al. 2016, sections 3.1 and
3.3), packing (Lin et al. 2018), two time scales (Heusel et al. 2017). Every system can have a moving average
of G. `numgan train hacks --set noise=0.2 --set replay=0.25` sets switches.
"""

from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from ...core.randomness import derive, stream
from ...layers import Pass
from ...losses import Labelled, feature_matching, minimax, nonsaturating, sigmoid, softmax_cross_entropy
from ...optimizers import SGD, Adam, Historical
from ...optimizers.schedules import Linear
from ...remedies.noise import drawn_labels, noisy
from ...remedies.replay import Pool
from ..system import Latent, Result
from .switched import switched_discriminator, switched_generator
from .two_player import TwoPlayerGAN

CLASSES = 10  # of the digits


@dataclass(frozen=True, kw_only=True, repr=False)
class Hacks(TwoPlayerGAN):
    """Networks G: z (N, Z) -> x, D: x -> logit (N, 1); with labels, (z, y) -> x and (x, y) -> logit.

    `from_switches` makes networks and optimisers from the switches.

    smooth, soft   label of a real sample; soft: labels of both kinds are drawn from ranges
    flip           share of D's labels that are exchanged
    replay         share of old fakes among D's fakes, from a pool of `pool` fakes
    past           share of objectives with a past version of the opponent, which is up to `age` steps old
    balance        A > 0: D trains while its loss is above A, G otherwise
    noise          standard deviation of the noise on D's inputs; it falls to 0 over `anneal` steps (0:
                   `steps`)
    layer_noise    standard deviation of the noise after every layer of G
    minibatch      features of minibatch discrimination below D's last layer
    deviation      the batch's standard deviation as a feature below D's last layer
    matching       G's loss is feature matching below these layers, not D's output
    pack           samples that D judges at once
    ttur           D's learning rate divided by G's, which is `rate`
    historical     weight of |weights - their past mean|^2 for both players; the optimisers add it, so it is
                   in no loss
    kept           the system's memory; the training loop sets it (`with_state`)
    """

    normalize: bool = True
    modified: bool = True
    spherical: bool = True
    separate: bool = True
    leaky: bool = True
    smooth: float = 0.9
    soft: bool = False
    flip: float = 0.0
    convolutional: bool = True
    replay: float = 0.0
    pool: int = 1024
    past: float = 0.0
    age: int = 500
    adam: bool = True
    sgd: bool = False
    balance: float = 0.0
    classify: bool = False
    noise: float = 0.1
    anneal: int = 0
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
    kept: dict | None = None

    @property
    def packed(self):
        return self.pack

    @property
    def keeps_noise(self):
        return self.dropout > 0 or self.layer_noise > 0

    def setting(self, **values):
        return from_switches(super().setting(**values))

    # ---- memory

    def memory(self, dtype=np.float32):
        memory = {}
        if self.replay:
            columns = {"x": (self.sample_shape, dtype)} | ({"y": ((), np.int64)} if self.classes else {})
            memory |= Pool(self.pool, self.replay).empty(**columns)
        if self.past:
            memory |= {
                f"past.{name}": np.zeros(net.layout.size, dtype) for name, net in self.networks.items()
            }
        if self.balance:
            memory["loss"] = np.full(1, 1 + self.balance, dtype)  # above balance: D trains first
        return memory

    def with_state(self, moments, memory=None):
        return replace(self, kept=memory)

    def rounds(self, step):
        if self.balance:
            return ("D",) if self.kept is None or self.kept["loss"][0] > self.balance else ("G",)
        return super().rounds(step)

    def _opponent(self, name, params, seed):
        """The parameters of the opponent: current ones, or with probability `past` older ones."""
        if self.past and self.now and stream(seed, "past").random() < self.past:
            return params[name].like(self._remembered()[f"past.{name}"])
        return params[name]

    def _remembered(self):
        if self.kept is None:
            raise ValueError(
                "hacks: replay, past and balance need what the training loop remembers; give it with "
                "with_state(moments, memory)"
            )
        return self.kept

    def _balance_memory(self, scores):
        """{"loss": D's loss on hard labels}, for `balance`; {} if it is off."""
        if not self.balance:
            return {}
        real, fake = scores["real"][:, :1], scores["fake"][:, :1]
        return {"loss": np.full(1, self.loss.discriminator(real, fake)[0], real.dtype)}

    # ---- D's inputs, passes and losses

    def _inputs_of_D(self, where, x, y, seed):
        """D's input for samples x with labels y: noisy x, or (noisy x, y) if D gets labels."""
        std = Linear(self.noise, 0.0, self.anneal or self.steps)(self.now)
        x = noisy(x, std, stream(seed, "noise on", where))
        return (x, y) if self.classes and not self.classify else x

    def _forward(self, net, phi, inputs, seed):
        """{"real": y, "fake": y} and caches of `net`, D or its first layers, for {"real": x, "fake": x}.

        One pass for each kind with `separate`, one pass for both without.
        """
        if self.separate:
            scores, caches = {}, {}
            for where, x in inputs.items():
                scores[where], caches[where] = net.forward(phi, x, Pass(derive(seed, f"D on {where}")))
            return scores, caches
        real, fake = inputs["real"], inputs["fake"]
        both = (
            tuple(map(np.concatenate, zip(real, fake)))
            if isinstance(real, tuple)
            else np.concatenate([real, fake])
        )
        y, cache = net.forward(phi, both, Pass(derive(seed, "D on both")))
        n = len(real[0] if isinstance(real, tuple) else real) // self.pack
        return {"real": y[:n], "fake": y[n:]}, {"both": cache}

    def _backward(self, net, dys, caches, **options):
        """[(dx, dp), ...] of the backward passes that belong to `_forward`, two or one."""
        dys = dys if self.separate else {"both": np.concatenate([dys["real"], dys["fake"]])}
        return [net.backward(dy, caches[where], **options) for where, dy in dys.items()]

    def _labelled_loss(self, where, seed):
        """The function logit -> (loss, dlogit) for D, with smooth, soft or flipped labels."""

        def loss(logit):
            rng = stream(seed, "labels of", where)
            t = drawn_labels(
                where == "real", logit.shape, rng, self.smooth, self.soft, self.flip, logit.dtype
            )
            return Labelled(self.loss)(logit, t)

        return loss

    def _loss(self, y, logit_loss, labels):
        """loss, dy for D's outputs y: `logit_loss` of the logit, plus with `classify` the cross-entropy."""
        loss, dy = logit_loss(y[:, :1])
        if not self.classify:
            return loss, dy
        class_loss, dclass = softmax_cross_entropy(y[:, 1:], labels)
        return loss + class_loss, np.concatenate([dy, dclass], axis=1)

    # ---- the two players

    def discriminator(self, params, batch, seed, fakes=None):
        """D's loss on real samples and fakes with their labels, and its gradient in D."""
        D, phi, memory = self.networks["D"], params["D"], {}
        opponent = self._opponent("G", params, seed)
        if fakes is None or opponent is not params["G"]:
            fakes = self.generate({**params, "G": opponent}, batch, seed)
        shown = {"x": fakes.x} | ({"y": fakes.inputs[1]} if self.classes else {})
        if self.replay:
            shown, memory = Pool(self.pool, self.replay).mix(
                self._remembered(), shown, stream(seed, "replay")
            )
        x = {"real": batch["x"], "fake": shown["x"]}
        y = {"real": batch.get("labels"), "fake": shown.get("y")}
        inputs = {where: self._inputs_of_D(where, x[where], y[where], seed) for where in x}
        scores, caches = self._forward(D, phi, inputs, seed)
        loss, dscores = 0, {}
        for where in scores:
            value, dscores[where] = self._loss(scores[where], self._labelled_loss(where, seed), y[where])
            loss = loss + value
        gradients = [dphi for _, dphi in self._backward(D, dscores, caches, need_dx=False)]
        dphi = reduce(add, gradients)
        if self.past and self.now % self.age == 0:
            memory |= {f"past.{name}": p.vector.copy() for name, p in params.items()}
        means = {where: float(sigmoid(logit[:, :1]).mean()) for where, logit in scores.items()}
        metrics = {"D(x)": means["real"], "D(G(z))": means["fake"]}
        return Result(loss, {"D": dphi}, metrics, memory | self._balance_memory(scores))

    def generator(self, params, batch, seed, fakes=None):
        """G's loss, adversarial or feature matching, and its gradient in G, through the frozen D."""
        phi = self._opponent("D", params, seed)
        fakes = fakes or self.generate(params, batch, seed)
        asked = fakes.inputs[1] if self.classes else None
        inputs = {"fake": self._inputs_of_D("fake", fakes.x, asked, seed)}
        if self.matching or self.balance or not self.separate:
            inputs["real"] = self._inputs_of_D("real", batch["x"], batch.get("labels"), seed)
        net = self.networks["D"]
        if self.matching:  # the features below the last layer and the layers that compare samples
            net = net[: -1 - self.deviation - (self.minibatch > 0)]
        scores, caches = self._forward(net, phi, inputs, seed)
        if self.matching:
            loss, dfake = feature_matching(scores["fake"], scores["real"])
        else:
            loss, dfake = self._loss(scores["fake"], self.loss.generator, asked)
        dreal = {} if self.separate else {"real": np.zeros_like(scores["real"])}
        dx, _ = self._backward(net, dreal | {"fake": dfake}, caches, frozen=True)[0]
        dx = (dx[0] if isinstance(dx, tuple) else dx)[-len(fakes.x) :]  # in a common pass, fakes come last
        _, dtheta = self.networks["G"].backward(dx, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {}, self._balance_memory(scores))


# ---- from switches to networks and optimisers


def from_switches(system):
    """The system with the loss, prior, networks and optimisers of its switches.

    Raises ValueError for switches that contradict each other.
    """
    s = replace(system, classes=CLASSES if system.classify or system.conditional else 0)
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
    rates, plain = {"D": s.rate * s.ttur, "G": s.rate}, {"D": s.sgd or not s.adam, "G": not s.adam}
    rules = {
        name: SGD(50 * rate, momentum=0.5) if plain[name] else Adam(rate) for name, rate in rates.items()
    }
    return replace(
        s,
        loss=nonsaturating if s.modified else minimax,
        pixels=(-1.0, 1.0) if s.normalize else (0.0, 1.0),
        latent=replace(s.latent, kind="normal" if s.spherical else "uniform"),
        networks=networks,
        optimizers={
            name: Historical(rule, s.historical) if s.historical else rule for name, rule in rules.items()
        },
    )


def _check(s):
    points = len(s.sample_shape) == 1
    for wrong, message in (
        (
            max(s.flip, s.replay, s.past) > 1,
            f"expected shares flip, replay and past of at most 1, got {s.flip}, {s.replay} and {s.past}",
        ),
        (not 0 < s.smooth <= 1, f"expected a smooth above 0 and at most 1, got {s.smooth}"),
        (
            min(s.pack, s.pool, s.age) < 1,
            f"expected pack, pool and age of at least 1, got {s.pack}, {s.pool} and {s.age}",
        ),
        (
            points and (s.convolutional or s.classes or not s.normalize),
            "points have no pixels and no labels here; leave convolutional, "
            "conditional and classify off and normalize on",
        ),
        (s.classify and s.pack > 1, "a pack has no class; leave classify off or pack=1"),
        (
            s.balance and s.matching,
            "balance needs D's loss, which matching does not compute; leave one of them off",
        ),
    ):
        if wrong:
            raise ValueError(f"hacks: {message}")


def digits(width=1.0, **switches):
    """8x8 pictures; every switch has the value of the list above."""
    return from_switches(
        Hacks(
            latent=Latent(32),
            sample_shape=(8, 8, 1),
            data="digits",
            batch_size=64,
            steps=4000,
            **{"average": 0.995} | switches,
            networks={},
            optimizers={},
            hidden=max(int(256 * width), 4),
            channels=tuple(max(int(c * width), 2) for c in (128, 64)),
        )
    )


def none(width=1.0):
    """`digits` with every switch off, for comparison.

    Dense networks with ReLU, pixels in 0..1, real and fake samples in one batch, the minimax loss, SGD with
    momentum.
    """
    return digits(
        width,
        normalize=False,
        modified=False,
        spherical=False,
        separate=False,
        leaky=False,
        smooth=1.0,
        convolutional=False,
        adam=False,
        noise=0.0,
        average=0.0,
    )


def everything(width=1.0):
    """`digits` with every tip of the list, also the doubtful ones.

    Among them are soft and flipped labels, replay, SGD for D, classes, noise and dropout.
    """
    return digits(
        width,
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


def conditional(width=1.0):
    """`digits` with labels: both G and D get the class."""
    return digits(width, conditional=True)


def points(width=1.0, **switches):
    """Points in the plane: G and D of 128-128."""
    return from_switches(
        Hacks(
            latent=Latent(2),
            sample_shape=(2,),
            data="ring",
            batch_size=256,
            steps=10000,
            average=0.999,
            networks={},
            optimizers={},
            hidden=max(int(128 * width), 4),
            rate=1e-3,
            convolutional=False,
            **switches,
        )
    )


PRESETS = {"digits": digits, "none": none, "all": everything, "conditional": conditional, "points": points}
