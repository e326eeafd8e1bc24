"""The two-player game that many papers change by one term.

    k times:  D descends on  loss.discriminator(D(x), D(G(z))) + penalties
    once:     G descends on  loss.generator(D(G(z))), through the frozen D

x are real samples, z is noise, and G(z) are fakes. A file that builds on TwoPlayerGAN has only the additions
of its paper: networks (dcgan), labels (conditional), a loss (lsgan, hinge), a layer of D (pacgan, hinge) or a
remedy (dragan, r1, roth). A remedy changes the game by its methods (`remedies/remedy.py`). The game of
`hacks.py` has several remedies. `gan.py` is Algorithm 1 of the first paper to the letter and does not use
TwoPlayerGAN.
"""

from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from ...core.arguments import expect_type, positive
from ...core.randomness import derive
from ...layers import Pass
from ...losses import AdversarialLoss, nonsaturating, sigmoid
from ...remedies.remedy import Remedy
from ..system import Latent, Result, System


@dataclass(frozen=True, kw_only=True, repr=False)
class TwoPlayers(System):
    """The base class of games of two players: G draws samples, D distinguishes them from real samples.

    G draws from noise, and also from labels if there are classes. Raises TypeError if `latent` is no Latent,
    unless the subclass defines `inputs`. Raises ValueError if the subclass has a field k, n_critic, every or
    pack that is not an integer of at least 1.
    """

    drawers = ("G",)
    judges = ("D",)
    purpose = "draws new samples"

    def __post_init__(self):
        if type(self).inputs is TwoPlayers.inputs:
            expected = "latent=numgan.systems.Latent(SIZE), where G takes noise of shape (N, SIZE)"
            expect_type(type(self).__name__, self.latent, Latent, expected)
        for name in {"k", "n_critic", "every", "pack"} & vars(self).keys():
            positive(getattr(self, name), name)

    @property
    def made_from(self):
        return ("labels",) if self.classes else ()

    def objectives(self):
        return {"D": self.discriminator, "G": self.generator}

    def inputs(self, batch, seed):
        """The inputs of G for N = batch.fakes samples: z (N, Z), or (z, labels (N,)) with classes.

        z is drawn from `seed`. The labels are those of the batch, or 0, 1, ... if the batch has none.
        """
        z = super().inputs(batch, seed)
        return (z, self.asked(batch)) if self.classes else z

    @property
    def takes_logits(self):
        """Whether the loss takes outputs of D without bounds; True if the game has no field `loss`."""
        return getattr(getattr(self, "loss", None), "unbounded", True)  # a critic's loss is unbounded too

    @property
    def metric_labels(self):
        """{"D(x)": a label that says that it is no probability}, for a loss without logits; otherwise {}."""
        loss = getattr(self, "loss", None)
        if getattr(loss, "of_logits", True):
            return {}
        return {"D(x)": f"mean sigmoid of D (the loss {loss.name} has no probabilities)"}

    def with_networks(self, **networks):
        """A copy of the game in which the given networks replace those of the same names, "G" and "D"."""
        return replace(self, networks=self.networks | networks)


@dataclass(frozen=True, kw_only=True, repr=False)
class TwoPlayerGAN(TwoPlayers):
    """A game of two networks. G: z (N, Z) -> x. D: x -> logit (N, 1), or one logit for each pack of samples.

    With classes, G: (z, y (N,)) -> x and D: (x, y) -> logit.

    loss       the adversarial loss of both players
    k          discriminator steps before each generator step
    remedies   changes of the game (`Remedy`), applied in this order
    now        the step, for terms that change with time; the training loop sets it (`at`)
    kept       the memory of the remedies, {name: array}; the training loop sets it (`with_state`)

    Raises TypeError if `remedies` is not a tuple of Remedy objects.
    """

    loss: AdversarialLoss = nonsaturating
    k: int = 1
    remedies: tuple = ()
    now: int = 0
    kept: dict | None = None

    def __post_init__(self):
        super().__post_init__()
        where, expected = type(self).__name__, "remedies as a tuple of remedies such as (R1Penalty(10.0),)"
        expect_type(where, self.remedies, tuple, expected)
        for remedy in self.remedies:
            expect_type(where, remedy, Remedy, expected, " among them")

    def at(self, step):
        return replace(self, now=step)

    def with_state(self, moments, memory=None):
        return replace(self, kept=memory)

    @property
    def penalises_samples(self):
        """Whether a remedy has a penalty on D's gradient: whether its class defines the method `penalty`."""
        return any(type(remedy).penalty is not Remedy.penalty for remedy in self.remedies)

    # ---- how remedies change the game

    def _through(self, point, value, *given):
        """Pass `value` through the method `point` of every remedy, in order. Returns the last result.

        `point` is the name of a method. The first remedy gets `value`, and each next remedy the result of the
        remedy before it. `given` are further arguments of all calls. Without remedies `value` is returned.
        """
        for remedy in self.remedies:
            value = getattr(remedy, point)(value, *given)
        return value

    def _collected(self, point, *given):
        """One dict {name: array} with all arrays that the remedies' methods of the name `point` return.

        `given` are the arguments of the method. Raises ValueError if two remedies return the same name.
        """
        found = {}
        for remedy in self.remedies:
            for name, array in getattr(remedy, point)(*given).items():
                if name in found:
                    raise ValueError(
                        f"{type(self).__name__}: expected remedies that keep arrays of different names, got "
                        f"{name!r} twice, from {remedy!r} too; leave out one of them, or rename its array"
                    )
                found[name] = array
        return found

    def memory(self, dtype=np.float32):
        return self._collected("memory", self, dtype)

    @property
    def remembered(self):
        """The memory of the remedies, {name: array}: the arrays that they keep from step to step.

        Raises ValueError if the training loop has not set it (`with_state`).
        """
        if self.kept is None:
            raise ValueError(
                f"{type(self).__name__}: its remedies need what the training loop remembers; give it with "
                "with_state(moments, memory)"
            )
        return self.kept

    def rounds(self, step):
        """The names of a step's objectives: k times "D", then "G", unless a remedy changes them."""
        return self._through("rounds", ("D",) * self.k + ("G",), self)

    # ---- the passes of D, and the losses as functions of D's outputs; a subclass may override these methods

    @property
    def labels_for_D(self):
        """Whether D gets the label of each sample as an input."""
        return self.classes > 0

    @property
    def needs_real(self):
        """Whether D gets real samples in G's step too."""
        return any(remedy.needs_real for remedy in self.remedies)

    def _inputs(self, x, y, seed):
        """{where: input of D}, from the samples x and labels y, {where: array}; where is "real" or "fake".

        The remedies may change the samples first, for example by noise; `seed` is for this. If D gets labels,
        an input is the pair (samples, labels); otherwise it is the samples.
        """
        seen = {where: self._through("input", x[where], where, self, seed) for where in x}
        return {where: (seen[where], y[where]) for where in x} if self.labels_for_D else seen

    def _forward(self, net, phi, inputs, seed):
        """({where: output}, {where: cache}): run one forward pass of `net` for each of the inputs.

        inputs are {where: input of D}; where is "real" or "fake". net is D or its first layers, phi are its
        parameters. Each pass gets a seed that is derived from `seed` and where.
        """
        outputs, caches = {}, {}
        for where, x in inputs.items():
            outputs[where], caches[where] = net.forward(phi, x, Pass(derive(seed, f"D on {where}")))
        return outputs, caches

    def _backward(self, net, dys, caches, **options):
        """[(dx, dp), ...]: run one backward pass of `net` for each of dys, and return the results.

        dx is the derivative with respect to the input, dp the weight gradient. dys is {where: derivative with
        respect to the output}; where is "real" or "fake". caches are those that `_forward` returned. options
        are further arguments of the passes, such as frozen=True.
        """
        return [net.backward(dy, caches[where], **options) for where, dy in dys.items()]

    def _scored(self, y, loss, labels):
        """(value, dy): a loss for the outputs y (N, 1) of D, and its derivative with respect to y.

        `loss` is a function: loss(logits) -> (value, derivative). Here y are the logits, so the result is
        loss(y). A subclass whose D has more outputs may use `labels` (N,), the classes of the samples.
        """
        return loss(y)

    @property
    def network_for_G(self):
        """The network that G's loss depends on: D, or the first layers of D."""
        return self.networks["D"]

    def _loss_of_G(self, outputs, labels):
        """(loss, dy): G's loss, and its derivative with respect to outputs["fake"].

        `outputs` are those of `network_for_G`: {"fake": array}, and with `needs_real` also "real". `labels`
        are the classes of the samples, with the same keys.
        """
        return self._scored(outputs["fake"], self.loss.generator, labels["fake"])

    def _judged(self, outputs):
        """{name: array}: arrays that the remedies keep for the next step, computed from D's logits.

        outputs   {"real": array, "fake": array}, D's outputs; the first column of each has the logits
        """
        return self._collected("judged", outputs["real"][:, :1], outputs["fake"][:, :1], self)

    # ---- the two players

    def discriminator(self, params, batch, seed, fakes=None):
        """The Result of D's step: D's loss with the remedies' penalties, and its gradient for D.

        The loss is the sum of D's loss on real samples, D's loss on fakes, and the penalties. The metrics are
        "D(x)" and "D(G(z))", mean sigmoids of D's first output, and "penalty", the sum of the penalties at
        steps at which all of them are computed. The Result also has the remedies' new memory.

        params    {network: Parameters}
        batch     the Batch, with the real samples batch["x"] and, with classes, batch["labels"]
        fakes     the Fakes; new ones are drawn from `seed` if fakes is None, or if a remedy replaces G's
                  parameters by older ones
        """
        D, phi = self.networks["D"], params["D"]
        theta = self._through("opponent", params["G"], "G", self, seed)
        if fakes is None or theta is not params["G"]:
            fakes = self.generate({**params, "G": theta}, batch, seed)
        memory = self._collected("before_update", params, self)

        # the samples x with labels y that D gets, and the outputs of D
        _, labels = fakes.inputs if self.classes else (fakes.inputs, None)
        shown = {"x": fakes.x} | ({"y": labels} if self.classes else {})
        for remedy in self.remedies:
            shown, new = remedy.fakes(shown, self, seed)
            memory |= new
        x = {"real": batch["x"], "fake": shown["x"]}
        y = {"real": batch.get("labels"), "fake": shown.get("y")}
        inputs = self._inputs(x, y, seed)
        outputs, caches = self._forward(D, phi, inputs, seed)

        # the adversarial loss on real samples and on fakes
        loss, doutputs = 0, {}
        # a curve is a function of one logit; curve.mean gives (mean over logits, derivative)
        for where, curve in (("real", self.loss.on_real), ("fake", self.loss.on_fake)):
            loss_on = self._through("loss", curve.mean, where, self, seed)
            value, doutputs[where] = self._scored(outputs[where], loss_on, y[where])
            loss = loss + value
        # the sum over the passes
        dphi = reduce(add, (dp for _, dp in self._backward(D, doutputs, caches, need_dx=False)))
        real, fake = outputs["real"][:, :1], outputs["fake"][:, :1]  # the logits: the first column
        metrics = {"D(x)": sigmoid(real).mean(), "D(G(z))": sigmoid(fake).mean()}

        # the penalties
        penalties = []
        for remedy in self.remedies:
            added = remedy.penalty(D, phi, inputs["real"], inputs["fake"], self, seed)
            if added is not None:
                value, dvalue = added
                loss, dphi = loss + value, dphi + dvalue
                penalties.append(value)
        with_penalty = [one for one in self.remedies if type(one).penalty is not Remedy.penalty]
        if penalties and len(penalties) == len(with_penalty):
            metrics["penalty"] = sum(penalties)  # of all of them: a sum of some would not be comparable
        return Result(loss, {"D": dphi}, metrics, memory | self._judged(outputs))

    def generator(self, params, batch, seed, fakes=None):
        """The Result of G's step: the loss of G, and its gradient for G.

        The gradient passes through the frozen D, whose parameters a remedy may replace by older ones. There
        are no metrics. params are {network: Parameters}, batch is the Batch, and fakes are the Fakes; None:
        new fakes are drawn from `seed`.
        """
        phi = self._through("opponent", params["D"], "D", self, seed)
        fakes = fakes or self.generate(params, batch, seed)
        _, labels = fakes.inputs if self.classes else (fakes.inputs, None)
        x, y = {"fake": fakes.x}, {"fake": labels}
        if self.needs_real:
            x, y = {"real": batch["x"], **x}, {"real": batch.get("labels"), **y}
        net = self.network_for_G
        outputs, caches = self._forward(net, phi, self._inputs(x, y, seed), seed)
        loss, dfake = self._loss_of_G(outputs, y)
        ((dx, _),) = self._backward(net, {"fake": dfake}, caches, frozen=True)
        if self.labels_for_D:
            dx, _ = dx  # a label has no gradient
        dx = dx[-len(fakes.x) :]  # if one pass had real samples too, they are the first rows
        _, dtheta = self.networks["G"].backward(dx, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {}, self._judged(outputs) if self.needs_real else {})
