"""Adversarial losses: what D and G pay for D's logits.

A GAN loss is three curves of D's logit: what D pays on real samples, what D pays on fakes, and what G pays on fakes.

    loss            D on real a        D on fake b         G on fake b         source
    minimax         softplus(-a)       softplus(b)         -softplus(b)        Goodfellow et al. 2014, eq. 1
    nonsaturating   softplus(-a)       softplus(b)         softplus(-b)        the same, section 3, last paragraph
    least_squares   (a - 1)^2 / 2      b^2 / 2             (b - 1)^2 / 2       Mao et al. 2017, eq. 2 with eq. 9's labels
    hinge           max(0, 1 - a)      max(0, 1 + b)       -b                  Lim and Ye 2017; Miyato et al. 2018, eq. 16, 17
    wasserstein     -a                 b                   -b                  Arjovsky et al. 2017, Algorithm 1

softplus(-a) = -log sigmoid(a) and softplus(b) = -log(1 - sigmoid(b)), so the first two lines are the paper's logarithms.
"""

from dataclasses import dataclass, replace

from ..core.arguments import is_number, plain
from ..core.underflow import may_underflow
from ..layers.activations import sigmoid, softplus
from .curves import (
    ABOVE_ONE,
    BELOW_MINUS,
    DOWN,
    GAIN_IF_HIGH,
    NEAR_ONE,
    NEAR_ZERO,
    PAY_IF_HIGH,
    PAY_IF_LOW,
    UP,
    Curve,
    bump,
)


@may_underflow
@dataclass(frozen=True)
class AdversarialLoss:
    """A GAN's two losses over logits a = D(real), b = D(fake), of any shapes; means over all entries, so the two may differ in number.

        D pays  mean on_real(a) + mean on_fake(b),    G pays  mean for_generator(b)

    A derivative has the shape of its logits.
    """

    name: str
    on_real: Curve
    on_fake: Curve
    for_generator: Curve
    made_by: tuple = ()

    def __reduce__(self):  # pickled by name, or by what made it: curves are functions
        return self.made_by or self.name

    def discriminator(self, real, fake):
        """loss, d loss / d real, d loss / d fake"""
        (one, dreal), (two, dfake) = self.on_real.mean(real), self.on_fake.mean(fake)
        return one + two, dreal, dfake

    def generator(self, fake):
        """loss, d loss / d fake"""
        return self.for_generator.mean(fake)

    def discriminator_tangent(self, real, fake, treal, tfake):
        """How (dreal, dfake) move when the logits move along treal, tfake."""
        return self.on_real.tangent(real, treal), self.on_fake.tangent(fake, tfake)

    def generator_tangent(self, fake, tfake):
        """How dfake moves when the logits move along tfake."""
        return self.for_generator.tangent(fake, tfake)

    def __repr__(self):
        return self.name


# fmt: off
minimax       = AdversarialLoss("minimax",       PAY_IF_LOW, PAY_IF_HIGH, GAIN_IF_HIGH)
# fmt: on
nonsaturating = AdversarialLoss("nonsaturating", PAY_IF_LOW, PAY_IF_HIGH, PAY_IF_LOW)
least_squares = AdversarialLoss("least_squares", NEAR_ONE, NEAR_ZERO, NEAR_ONE)
# fmt: off
hinge         = AdversarialLoss("hinge",         ABOVE_ONE,  BELOW_MINUS, DOWN)
wasserstein   = AdversarialLoss("wasserstein",   DOWN,       UP,          DOWN)
# fmt: on


def smoothed(loss=nonsaturating, target=0.9):
    """One-sided label smoothing: D's target on real samples is `target` instead of 1 (Salimans et al. 2016, section 3.4)

        on real:  -target log sigmoid(a) - (1 - target) log(1 - sigmoid(a)) = softplus(-a) + (1 - target) a

    Fakes keep target 0: smoothing them too would reinforce G's present mistakes. Raises ValueError for a loss without log-sigmoids.
    """
    if getattr(loss, "on_real", None) is not PAY_IF_LOW or not (is_number(target) and 0 < target <= 1):
        raise ValueError(
            f"smoothed: expected minimax or nonsaturating and 0 < target <= 1, got {loss!r} and {target!r}"
        )
    target = plain(target)
    curve = Curve(lambda a: softplus(-a) + (1 - target) * a, lambda a: sigmoid(a) - target, bump)
    return replace(
        loss, name=f"smoothed({loss.name}, {target})", on_real=curve, made_by=(smoothed, (loss, target))
    )


@may_underflow
@dataclass(frozen=True)
class Labelled:
    """mean t on_real(y) + (1 - t) on_fake(y)          y (N, 1) logits, t (N, 1) their labels: 1 real, 0 fake, or any number

    What D pays for labels that are soft, noisy or flipped; with log-sigmoids it is the cross-entropy, softplus(y) - t y (Salimans et al. 2016,
    section 3.4; on real samples alone and at a constant t it is `smoothed`). ValueError if the shapes differ.
    """

    loss: AdversarialLoss

    def _curve(self, t):
        """The curve of each entry."""
        one, two = self.loss.on_real, self.loss.on_fake
        between = lambda f, g: lambda y: t * f(y) + (1 - t) * g(y)
        return Curve(between(one.f, two.f), between(one.d, two.d), between(one.dd, two.dd))

    def __call__(self, y, t):
        """loss, d loss / dy"""
        if y.shape != t.shape:
            raise ValueError(f"{self!r}: expected labels of shape {y.shape}, got {t.shape}")
        return self._curve(t).mean(y)

    def tangent(self, y, ty, t):
        """tdy: how dy moves when y moves along ty; all of one shape."""
        return self._curve(t).tangent(y, ty)


ADVERSARIAL = {loss.name: loss for loss in (minimax, nonsaturating, least_squares, hinge, wasserstein)}
