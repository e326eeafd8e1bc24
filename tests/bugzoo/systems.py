"""Planted bugs: systems."""

from dataclasses import fields, replace

import numpy as np
from penalty_cases import without_penalty

from bugzoo import Bug
from numgan import check_system
from numgan.checking.contract import (
    frozen_networks_compute_no_weight_gradient,
    given_fakes_change_nothing,
    objectives_are_pure,
    the_generator_learns_from_the_discriminator,
)
from numgan.checking.system import SystemPoint, check_objective
from numgan.core.randomness import derive
from numgan.layers import Pass
from numgan.losses import minimax, wasserstein
from numgan.systems import Result, build
from numgan.systems.games import conditional, dcgan, gan, wgan, wgan_gp


def planted(system, kind):
    """The same system with a method replaced."""
    return kind(**{field.name: getattr(system, field.name) for field in fields(system) if field.init})


class LostCache(gan.GAN):
    """G's caches are gone before its backward pass, so its gradient is exactly zero."""

    def generator(self, params, batch, seed, fakes=None):
        result = super().generator(params, batch, seed, fakes)
        return replace(result, gradients={"G": result.gradients["G"].zeros()})


class AroundD(gan.GAN):
    """D's output gradient is fed straight into G's last layer, and D is never traversed."""

    def generator(self, params, batch, seed, fakes=None):
        fakes = fakes or self.generate(params, batch, seed)
        logit, _ = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        straight = np.broadcast_to(np.sign(dlogit).reshape(-1, 1, 1, 1) / fakes.x.size, fakes.x.shape)
        return Result(loss, {"G": self.networks["G"].backward(straight, fakes.cache, need_dx=False)[1]}, {})


class NotFrozen(gan.GAN):
    """D's weight gradients are computed in G's turn and thrown away."""

    def generator(self, params, batch, seed, fakes=None):
        fakes = fakes or self.generate(params, batch, seed)
        logit, cache = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        loss, dlogit = self.loss.generator(logit)
        dfake, _ = self.networks["D"].backward(dlogit, cache)
        return Result(loss, {"G": self.networks["G"].backward(dfake, fakes.cache, need_dx=False)[1]}, {})


class OneCache(gan.GAN):
    """D(real) is backpropagated through the activations of D(fake)."""

    def discriminator(self, params, batch, seed, fakes=None):
        D, phi = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, _ = D.forward(phi, batch["x"], Pass(derive(seed, "D on real")))
        fake, cache = D.forward(phi, fakes.x, Pass(derive(seed, "D on fake")))
        loss, dreal, dfake = self.loss.discriminator(real, fake)
        dreal = np.resize(dreal, dfake.shape)
        return Result(
            loss,
            {"D": D.backward(dreal, cache, need_dx=False)[1] + D.backward(dfake, cache, need_dx=False)[1]},
            {},
        )


class FakeOnly(gan.GAN):
    """Half of D's gradient is missing, though its loss is whole."""

    def discriminator(self, params, batch, seed, fakes=None):
        result = super().discriminator(params, batch, seed, fakes)
        fakes = fakes or self.generate(params, batch, seed)
        D = self.networks["D"]
        fake, cache = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        _, _, dfake = self.loss.discriminator(fake, fake)
        return replace(result, gradients={"D": D.backward(dfake, cache, need_dx=False)[1]})


class SwappedMeans(wgan.WGAN):
    """The two critic terms exchange their batch sizes, which is right as long as they are equal."""

    def critic(self, params, batch, seed, fakes=None):
        f, w = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        real, c_real = f.forward(w, batch["x"], Pass(derive(seed, "D on real")))
        fake, c_fake = f.forward(w, fakes.x, Pass(derive(seed, "D on fake")))
        dreal, dfake = -np.ones_like(real) / len(fake), np.ones_like(fake) / len(real)
        gradient = f.backward(dreal, c_real, need_dx=False)[1] + f.backward(dfake, c_fake, need_dx=False)[1]
        return Result(wasserstein.discriminator(real, fake)[0], {"D": gradient}, {})


class TwoLosses(gan.GAN):
    """The value is that of the saturating loss, and the gradient is that of the other loss."""

    def generator(self, params, batch, seed, fakes=None):
        fakes = fakes or self.generate(params, batch, seed)
        logit, _ = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
        return replace(super().generator(params, batch, seed, fakes), loss=minimax.generator(logit)[0])


class Together(dcgan.DCGAN):
    """Real and fake go through D as one batch on the way back only, so BatchNorm mixes them."""

    def discriminator(self, params, batch, seed, fakes=None):
        D, phi = self.networks["D"], params["D"]
        fakes = fakes or self.generate(params, batch, seed)
        loss = super().discriminator(params, batch, seed, fakes).loss
        both, cache = D.forward(phi, np.concatenate([batch["x"], fakes.x]), Pass(derive(seed, "D on real")))
        _, dreal, dfake = self.loss.discriminator(both[: len(batch["x"])], both[len(batch["x"]) :])
        return Result(loss, {"D": D.backward(np.concatenate([dreal, dfake]), cache, need_dx=False)[1]}, {})


class OtherNoise(gan.GAN):
    """The fakes handed in are ignored and drawn again from another stream."""

    def generator(self, params, batch, seed, fakes=None):
        return super().generator(
            params, batch, seed, self.generate(params, batch, seed if fakes is None else seed + 1)
        )


class LoggingRescales(gan.GAN):
    """The code that logs the gradient's direction normalises the gradient that it reads."""

    def discriminator(self, params, batch, seed, fakes=None):
        result = super().discriminator(params, batch, seed, fakes)
        direction = result.gradients["D"].vector
        direction /= np.linalg.norm(direction)
        return replace(result, metrics=result.metrics | {"first": float(direction[0])})


class PlottingRescales(gan.GAN):
    """The code that reads parameters for a plot normalises them in place."""

    def discriminator(self, params, batch, seed, fakes=None):
        result = super().discriminator(params, batch, seed, fakes)
        params["D"].vector[...] /= 1 + 1e-9
        return result


class StepCounter(gan.GAN):
    """An objective's random numbers depend on how often it was called."""

    calls = []

    def generator(self, params, batch, seed, fakes=None):
        self.calls.append(1)
        return super().generator(params, batch, seed + len(self.calls), fakes)


class WrongLabels(conditional.Conditional):
    """D sees the fakes with other labels than G was asked for, in the backward pass."""

    def generator(self, params, batch, seed, fakes=None):
        fakes = fakes or self.generate(params, batch, seed)
        z, asked = fakes.inputs
        other = replace(fakes, inputs=(z, (asked + 1) % self.classes))
        return replace(
            super().generator(params, batch, seed, other),
            loss=super().generator(params, batch, seed, fakes).loss,
        )


class SwappedMetrics(gan.GAN):
    """The curves "D on data" and "D on samples" are exchanged."""

    def discriminator(self, params, batch, seed, fakes=None):
        result = super().discriminator(params, batch, seed, fakes)
        return replace(result, metrics={"D(x)": result.metrics["D(G(z))"], "D(G(z))": result.metrics["D(x)"]})


class NeverAdded(wgan_gp.WGANGP):
    """The penalty is in the loss, but its gradient is not in the critic's."""

    def critic(self, params, batch, seed, fakes=None):
        return replace(
            super().critic(params, batch, seed, fakes),
            gradients=without_penalty(self).critic(params, batch, seed, fakes).gradients,
        )


class Climbing(wgan_gp.WGANGP):
    """The critic ascends on its penalty."""

    def critic(self, params, batch, seed, fakes=None):
        right = super().critic(params, batch, seed, fakes)
        free = without_penalty(self).critic(params, batch, seed, fakes).gradients["D"]
        return replace(right, gradients={"D": free.like(2 * free.vector - right.gradients["D"].vector)})


def _curves_have_their_names(system):
    """D that has learned for a few steps believes in data more than in samples."""
    point = SystemPoint(system, real=32, fake=32)
    for _ in range(60):
        point.params["D"].vector[...] -= 0.05 * point.run("D").gradients["D"].vector
    metrics = point.run("D").metrics
    assert metrics["D(x)"] > metrics["D(G(z))"] + 0.1


def gradient_of(name):
    """The check of the gradient of this objective."""

    def check(system):
        check_objective(system, name)

    check.__name__ = f"gradient of {name}"
    return check


def holds(clause):
    """The check that the system keeps this clause of the contract."""

    def check(system):
        clause(SystemPoint(system))

    check.__name__ = clause.__name__
    return check


def system_bug(row, broken, base, by=None, value=None, words=None):
    """A system broken in one place; what is wrong with it is its docstring."""
    every = None if value else check_system
    return Bug(row, broken.__doc__.strip(), lambda: planted(base(), broken), base, by, value, every, words)


def _gan():
    return build("gan", "digits", 0.02)


def _wgan():
    return build("wgan", "digits", 0.02)


def _wgan_gp():
    return build("wgan_gp", "digits", 0.02)


def _dcgan():
    return build("dcgan", "digits", 0.03)


def _conditional():
    return build("conditional", "digits", 0.03)


SYSTEM_BUGS = [
    system_bug(2, LostCache, _gan, gradient_of("G")),
    system_bug(2, LostCache, _gan, holds(the_generator_learns_from_the_discriminator)),
    system_bug(3, AroundD, _gan, gradient_of("G")),
    system_bug(3, AroundD, _gan, holds(the_generator_learns_from_the_discriminator)),
    system_bug(5, NotFrozen, _gan, holds(frozen_networks_compute_no_weight_gradient)),
    system_bug(1, OneCache, _gan, gradient_of("D")),
    system_bug(10, FakeOnly, _gan, gradient_of("D")),
    system_bug(12, SwappedMeans, _wgan, gradient_of("D")),
    system_bug(24, TwoLosses, _gan, gradient_of("G")),
    system_bug("own", Together, _dcgan, gradient_of("D")),
    system_bug("own", OtherNoise, _gan, holds(given_fakes_change_nothing)),
    system_bug(33, LoggingRescales, _gan, gradient_of("D")),
    system_bug("own", PlottingRescales, _gan, holds(objectives_are_pure)),
    system_bug("own", StepCounter, _gan, holds(objectives_are_pure)),
    system_bug(27, WrongLabels, _conditional, gradient_of("G")),
    system_bug("own", NeverAdded, _wgan_gp, gradient_of("D")),
    system_bug("own", Climbing, _wgan_gp, gradient_of("D")),
    system_bug(31, SwappedMetrics, _gan, value=_curves_have_their_names),
]
