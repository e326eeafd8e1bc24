"""Planted bugs: optimisers."""

import numpy as np

from bugzoo import class_bug
from numgan import check_optimizer
from numgan.optimizers import SGD, Adam, Historical, RMSProp


class NoDecayInAdjoint(Adam):
    """The adjoint forgets weight decay."""

    def adjoint(self, dp1, dstate1, cache):
        dp, dg, dstate = super().adjoint(dp1, dstate1, cache)
        return dp - self.weight_decay * dg, dg, dstate


class DetachedMoment(Adam):
    """The adjoint takes Adam's second moment for a constant."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        dg, (dm, _) = super()._rule_adjoint(dp1, dmoments, g, moments, step)
        return dg, [dm, self.beta2 * dmoments[1]]


class NoBiasCorrection(Adam):
    """The adjoint forgets bias correction, which is invisible after a thousand steps."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        return super()._rule_adjoint(dp1, dmoments, g, moments, 10**6)


class PlainAdjoint(SGD):
    """Nesterov's adjoint is that of plain momentum, the heavy ball."""

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        return SGD(self.lr, self.momentum)._rule_adjoint(dp1, dmoments, g, moments, step)


class ForgottenStep(SGD):
    """The methods step and update round differently."""

    def step(self, p, g, state):
        p1, state1, cache = super().step(p, g, state)
        return p - self.lr * 3 * (g / 3), state1, (*cache[:3], p1)


class ClippedBefore(RMSProp):
    """Weights are clipped before the update instead of after."""

    def update(self, p, g, state):
        np.clip(p, -self.clip, self.clip, out=p)
        RMSProp(self.lr, self.decay, self.eps).update(p, g, state)


class ClipWithoutMask(SGD):
    """In the adjoint, a clipped weight still passes its gradient on."""

    def adjoint(self, dp1, dstate1, cache):
        return SGD(self.lr).adjoint(dp1, dstate1, cache)


class WithThePresent(Historical):
    """The mean that pulls the weights counts the present weights too."""

    def _rule(self, step, p, g, *moments):
        *moments, past = moments
        past += (p - past) / (step + 1)
        return self.rule._rule(step, p, self._pulled(p, g, past), *moments)


class NoPullBack(Historical):
    """The adjoint takes the pull for a constant."""

    def adjoint(self, dp1, dstate1, cache):
        dp, dg, dstate = super().adjoint(dp1, dstate1, cache)
        return dp - 2 * self.weight * dg, dg, dstate


class NoMeanInAdjoint(Historical):
    """The adjoint forgets that the mean changes with the weights."""

    def adjoint(self, dp1, dstate1, cache):
        dstate1 = None if dstate1 is None else dstate1 | {"past": None}
        return super().adjoint(dp1, dstate1, cache)


def _within_the_bound(optimizer):
    p = np.linspace(-0.02, 0.02, 9)
    optimizer.update(p, np.ones(9), optimizer.start(p))
    assert np.abs(p).max() <= optimizer.clip


OPTIMIZER_BUGS = [
    class_bug("own", NoDecayInAdjoint, Adam, 0.1, weight_decay=0.3, by=check_optimizer),
    class_bug("own", DetachedMoment, Adam, 0.1, by=check_optimizer),
    class_bug("own", NoBiasCorrection, Adam, 0.1, by=check_optimizer),
    class_bug("own", PlainAdjoint, SGD, 0.1, 0.9, nesterov=True, by=check_optimizer),
    class_bug("own", ForgottenStep, SGD, 0.1, by=check_optimizer),
    class_bug(25, ClippedBefore, RMSProp, 0.1, clip=0.01, value=_within_the_bound),
    class_bug("own", ClipWithoutMask, SGD, 0.1, clip=0.5, by=check_optimizer),
    class_bug("own", WithThePresent, Historical, Adam(0.1), 0.3, by=check_optimizer),
    class_bug("own", NoPullBack, Historical, Adam(0.1), 0.3, by=check_optimizer),
    class_bug("own", NoMeanInAdjoint, Historical, Adam(0.1), 0.3, by=check_optimizer),
]
