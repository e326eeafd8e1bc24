"""Planted bugs: unrolling, and the system that looks ahead."""

from dataclasses import replace
from unittest.mock import patch

from bugzoo import Bug
from bugzoo.systems import planted, system_bug
from numgan import SGD, Unrolling, check_system, check_unrolling, minimax
from numgan.checking import unrolling
from numgan.layers import Pass, Tanh
from numgan.losses import AdversarialLoss
from numgan.networks import mlp
from numgan.optimizers import Optimizer
from numgan.systems import Result, build
from numgan.systems.games.unrolled import UnrolledGAN


class NoHessian(Unrolling):
    """The product with the Hessian is left out of the derivative in D's weights."""

    def backward(self, dphi, tape):
        dp, dstate, dfake = dphi.vector, None, 0
        for _a, _da, _c_real, b, db, c_fake, update in reversed(tape):
            dp, dg, dstate = self.optimizer.adjoint(dp, dstate, update)
            tb, t_fake = self.D.tangent_forward(None, c_fake, dphi.like(dg))
            dfake = dfake + self.D.tangent_backward(db, self.loss.on_fake.tangent(b, tb), c_fake, t_fake)[0]
        return dphi.like(dp), dfake


class LastStepOnly(Unrolling):
    """Only the last update is differentiated."""

    def backward(self, dphi, tape):
        return super().backward(dphi, tape[-1:])


class FirstStepFirst(Unrolling):
    """The backward pass goes through the updates from the first to the last."""

    def backward(self, dphi, tape):
        return super().backward(dphi, tape[::-1])


class Detached(Unrolling):
    """The derivative in the fakes is zero, as if the updates did not depend on them."""

    def backward(self, dphi, tape):
        dphi, dfake = super().backward(dphi, tape)
        return dphi, 0 * dfake


class ForgetsTheCurvatureOfTheLoss(Unrolling):
    """The second derivative of D's loss is taken for zero."""

    def backward(self, dphi, tape):
        class Straight(AdversarialLoss):
            def discriminator_tangent(self, a, b, ta, tb):
                return 0 * ta, 0 * tb

        curves = minimax.on_real, minimax.on_fake, minimax.for_generator
        return replace(self, loss=Straight("straight", *curves)).plain_backward(dphi, tape)

    plain_backward = Unrolling.backward


class ForgetsTheMoments(Unrolling):
    """The derivative in the optimiser's moments is lost between two updates."""

    def backward(self, dphi, tape):
        class Blind(Optimizer):
            def adjoint(_, dp, dstate, cache):
                return self.optimizer.adjoint(dp, None, cache)

        return replace(self, optimizer=Blind(0.1)).plain_backward(dphi, tape)

    plain_backward = Unrolling.backward


def differentiates_three_updates(kind):
    """check_unrolling, with this kind of Unrolling."""
    D = mlp(2, 5, 1, activation=Tanh)
    with patch.object(unrolling, "Unrolling", kind):
        check_unrolling(D, minimax, SGD(0.3, momentum=0.9), 3, x=(2,))


class Written(UnrolledGAN):
    """The generator's objective once more, right as it stands, for bugs to be planted in."""

    real_term, way_back = 1, 1

    def generator(self, params, batch, seed, fakes=None):
        D, runs = self.networks["D"], (Pass(1), Pass(2))
        fakes = fakes or self.generate(params, batch, seed)
        ahead = Unrolling(D, self.loss, self.inner, self.unroll, None, *runs)
        phi_K, tape = ahead.forward(params["D"], batch["x"], fakes.x)
        (a, c_real), (b, c_fake) = (D.forward(phi_K, x, run) for x, run in zip((batch["x"], fakes.x), runs))
        f, da, db = self.loss.discriminator(a, b)
        dfake, dphi = D.backward(-db, c_fake)
        dphi.vector[...] += self.real_term * D.backward(-da, c_real)[1].vector
        dfake = dfake + self.way_back * ahead.backward(dphi, tape)[1]
        return Result(-f, {"G": self.networks["G"].backward(dfake, fakes.cache)[1]}, {})


class RealTermLeftOut(Written):
    """The gradient of D's loss on real samples is left out, although phi_K depends on theta."""

    real_term = 0


class LooksAheadButDoesNotLearnFromIt(Written):
    """The loss is that at phi_K, and the gradient takes phi_K for a constant."""

    way_back = 0


def _written():
    return planted(build("unrolled", "descent", 0.05).setting(unroll=2), Written)


UNROLLING_BUGS = [
    *(
        Bug(
            "own",
            broken.__doc__,
            lambda broken=broken: broken,
            lambda: Unrolling,
            by=differentiates_three_updates,
            words="the unrolling of",
        )
        for broken in (
            NoHessian,
            LastStepOnly,
            FirstStepFirst,
            Detached,
            ForgetsTheCurvatureOfTheLoss,
            ForgetsTheMoments,
        )
    ),
    *(
        system_bug("own", broken, _written, check_system, words="G: gradient of")
        for broken in (RealTermLeftOut, LooksAheadButDoesNotLearnFromIt)
    ),
]
