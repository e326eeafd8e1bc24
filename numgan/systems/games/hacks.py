"""How to train a GAN? Tips and tricks to make GANs work (Chintala, Denton, Arjovsky and Mathieu 2016): the seventeen, each a switch.

 #  the list says                          the switch, as `digits` has it    does it help?
 1  inputs in -1..1, Tanh at G's end       normalize=true                    yes: both then cover the same range, around zero
 2  max log D, not min log(1 - D)          modified=true                     yes: the other vanishes while D is sure (Goodfellow 2014, section 3)
 3  z from a Gaussian, not a cube          spherical=true                    little: the papers of 2014 and 2016 draw from the cube
 4  real and fake in batches apart         separate=true                     only where D mixes samples, as BatchNorm does
 5  LeakyReLU, strides; no ReLU, pooling   leaky=true                        in D: the gradient into G passes every unit (Radford 2016)
 6  soft and noisy labels                  smooth=0.9 soft=false flip=0      on real samples; soft fakes favour G's mistakes (Salimans 3.4)
 7  DCGAN, else VAE + GAN                  convolutional=true                yes, for pictures; hybrids are other systems
 8  replay of old fakes and old players    replay=0 pool=1024 past=0 age=500 against going in circles; later work kept the fakes (CycleGAN)
 9  Adam for G, SGD for D                  adam=true sgd=false               Adam does; later work gives it to D too
10  track failures early                   none: metrics.jsonl, curves.png and `numgan health`
11  no balancing by losses                 balance=0                         no: D's loss does not say whose turn it is
12  labels, if there are any               classify=false                    D names the class too (Odena 2017); 16 was surer on digits
13  noise on D's inputs, decaying          noise=0.1 anneal=0 layer_noise=0  where real and fake hardly overlap (Sonderby 2017, Arjovsky 2017)
14  [not sure] more turns for D            k=1                               with this loss no; the critic of a WGAN wants them
15  [not sure] batch discrimination        minibatch=0 deviation=false       against collapse, at a price (Salimans 3.2; Karras 2018)
16  labels embedded, as channels           conditional=false                 yes: G draws the class that one asks for (Mirza 2014)
17  dropout in G, in training and tests    dropout=0                         where G is given no other noise (Isola 2017)

Besides the list: feature matching and historical averaging (Salimans et al. 2016, sections 3.1 and 3.3), packing (Lin et al. 2018), two time
scales (Heusel et al. 2017). G's moving average is every system's. `numgan train hacks --set noise=0.2 --set replay=0.25` sets switches.
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
    """networks G: z (N, Z) -> x, D: x -> logit (N, 1); with labels (z, y) and (x, y). `from_switches` makes them, and the optimisers, of the switches.

    flip           share of D's labels that are exchanged; smooth: the label of a real sample; soft: both from ranges
    replay         share of D's fakes that are old, from a pool of `pool`
    past           share of turns against the opponent as it was, up to `age` steps ago
    balance        A > 0: D trains while its loss is above A, G while it is not
    noise          std of what is added to all that D sees, falling to 0 over `anneal` steps (0: `steps`); layer_noise: to every layer of G
    minibatch      features of minibatch discrimination below D's last layer; deviation: the batch's standard deviation there
    matching       G matches the mean features of real samples below these layers, instead of fooling D
    pack           samples that D judges at once
    ttur           D's learning rate over G's, which is `rate`
    historical     weight of |weights - their past mean|^2 for both players; it is in the optimisers, so no loss shows it
    kept           what the run remembers, which the training loop tells (`with_state`)
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

    # ---- what is remembered

    def memory(self, dtype=np.float32):
        kept = {}
        if self.replay:
            kept |= Pool(self.pool, self.replay).empty(
                x=(self.sample_shape, dtype), **({"y": ((), np.int64)} if self.classes else {})
            )
        if self.past:
            kept |= {f"past.{name}": np.zeros(net.layout.size, dtype) for name, net in self.networks.items()}
        return kept | ({"loss": np.full(1, 1 + self.balance, dtype)} if self.balance else {})

    def with_state(self, moments, memory=None):
        return replace(self, kept=memory)

    def rounds(self, step):
        if self.balance:
            return ("D",) if self.kept is None or self.kept["loss"][0] > self.balance else ("G",)
        return super().rounds(step)

    def _opponent(self, name, params, seed):
        """The parameters of a player's opponent: of now, or in a share of the turns of some time ago."""
        if self.past and self.now and stream(seed, "past").random() < self.past:
            return params[name].like(self._kept()[f"past.{name}"])
        return params[name]

    def _kept(self):
        if self.kept is None:
            raise ValueError(
                "hacks: replay, past and balance need what the training loop remembers; give it with "
                "with_state(moments, memory)"
            )
        return self.kept

    def _watched(self, said):
        """D's loss on hard labels, for `balance`."""
        if not self.balance:
            return {}
        real, fake = (y[:, :1] for y in (said["real"], said["fake"]))
        return {"loss": np.full(1, self.loss.discriminator(real, fake)[0], real.dtype)}

    # ---- what D sees

    def _seen(self, where, x, y, seed):
        """What D is given for samples x with labels y: noise of their own is added, and the labels if it is told them."""
        x = noisy(
            x, Linear(self.noise, 0.0, self.anneal or self.steps)(self.now), stream(seed, "noise on", where)
        )
        return (x, y) if self.classes and not self.classify else x

    def _pass(self, net, phi, seen, seed):
        """({"real": y, "fake": y}, caches) of what `net`, D or its first layers, says of {"real": x, "fake": x}: in two passes, or in one."""
        if self.separate:
            passes = {
                where: net.forward(phi, x, Pass(derive(seed, f"D on {where}"))) for where, x in seen.items()
            }
            return {where: y for where, (y, _) in passes.items()}, {
                where: cache for where, (_, cache) in passes.items()
            }
        real, fake = seen["real"], seen["fake"]
        both = (
            tuple(map(np.concatenate, zip(real, fake)))
            if isinstance(real, tuple)
            else np.concatenate([real, fake])
        )
        y, cache = net.forward(phi, both, Pass(derive(seed, "D on both")))
        n = len(real[0] if isinstance(real, tuple) else real) // self.pack
        return {"real": y[:n], "fake": y[n:]}, {"both": cache}

    def _back(self, net, dys, caches, **how):
        """What the backward passes that belong to `_pass` return, one or two."""
        dys = dys if self.separate else {"both": np.concatenate([dys["real"], dys["fake"]])}
        return [net.backward(dy, caches[where], **how) for where, dy in dys.items()]

    def _by_labels(self, where, seed):
        """What D pays for logits of real or of fake samples by the labels that it is told."""

        def pay(logit):
            t = drawn_labels(
                where == "real",
                logit.shape,
                stream(seed, "labels of", where),
                self.smooth,
                self.soft,
                self.flip,
                logit.dtype,
            )
            return Labelled(self.loss)(logit, t)

        return pay

    def _paid(self, y, pay, labels):
        """loss, dy of D's outputs y: the logit's, and if D names classes, their cross-entropy."""
        loss, dy = pay(y[:, :1])
        if not self.classify:
            return loss, dy
        more, dclass = softmax_cross_entropy(y[:, 1:], labels)
        return loss + more, np.concatenate([dy, dclass], axis=1)

    # ---- the two players

    def discriminator(self, params, batch, seed, fakes=None):
        """What D pays for real samples and fakes by the labels that they carry, and its gradient in D."""
        D, phi, new = self.networks["D"], params["D"], {}
        opponent = self._opponent("G", params, seed)
        if fakes is None or opponent is not params["G"]:
            fakes = self.generate({**params, "G": opponent}, batch, seed)
        shown = {"x": fakes.x} | ({"y": fakes.inputs[1]} if self.classes else {})
        if self.replay:
            shown, new = Pool(self.pool, self.replay).mix(self._kept(), shown, stream(seed, "replay"))
        y = {"real": batch.get("labels"), "fake": shown.get("y")}
        seen = {
            where: self._seen(where, x, y[where], seed)
            for where, x in (("real", batch["x"]), ("fake", shown["x"]))
        }
        said, caches = self._pass(D, phi, seen, seed)
        paid = {where: self._paid(said[where], self._by_labels(where, seed), y[where]) for where in said}
        loss = sum(value for value, _ in paid.values())
        dphi = reduce(
            add,
            (
                d
                for _, d in self._back(
                    D, {where: dy for where, (_, dy) in paid.items()}, caches, need_dx=False
                )
            ),
        )
        if self.past and self.now % self.age == 0:
            new |= {f"past.{name}": p.vector.copy() for name, p in params.items()}
        means = {where: float(sigmoid(logit[:, :1]).mean()) for where, logit in said.items()}
        return Result(
            loss, {"D": dphi}, {"D(x)": means["real"], "D(G(z))": means["fake"]}, new | self._watched(said)
        )

    def generator(self, params, batch, seed, fakes=None):
        """What G pays for its fakes, or for the features that they lack, and its gradient in G, through a D that does not change."""
        phi = self._opponent("D", params, seed)
        fakes = fakes or self.generate(params, batch, seed)
        asked = fakes.inputs[1] if self.classes else None
        seen = {"fake": self._seen("fake", fakes.x, asked, seed)}
        if self.matching or self.balance or not self.separate:
            seen["real"] = self._seen("real", batch["x"], batch.get("labels"), seed)
        net = (
            self.networks["D"][: -1 - self.deviation - (self.minibatch > 0)]
            if self.matching
            else self.networks["D"]
        )
        said, caches = self._pass(net, phi, seen, seed)
        loss, dfake = (
            feature_matching(said["fake"], said["real"])
            if self.matching
            else self._paid(said["fake"], self.loss.generator, asked)
        )
        others = {} if self.separate else {"real": np.zeros_like(said["real"])}
        dx, _ = self._back(net, others | {"fake": dfake}, caches, frozen=True)[0]
        dx = (dx[0] if isinstance(dx, tuple) else dx)[-len(fakes.x) :]
        _, dtheta = self.networks["G"].backward(dx, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {}, self._watched(said))


# ---- what the switches make


def from_switches(system):
    """The system with the loss, prior, networks and optimisers that its switches ask for; ValueError where these make no sense together."""
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
            "balance watches D's loss, of which matching knows nothing; leave one of them off",
        ),
    ):
        if wrong:
            raise ValueError(f"hacks: {message}")


def digits(width=1.0, **switches):
    """8x8 pictures, every switch as the table has it."""
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
    """`digits` without any: dense nets of rectified units, pixels in 0..1, one mixed batch, the minimax loss, momentum; the control."""
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
    """`digits` with all that the list asks for, the doubtful too: soft and flipped labels, replay, SGD for D, classes, noise, dropout."""
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
    """`digits` with labels: G is asked for a class, and D is told it."""
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
