"""Adversarial losses: the losses of D and of G as functions of D's logits.

Each loss is made of three curves, which are functions of one logit. a is the logit of a real sample, b that
of a fake.

    loss            D on real a        D on fake b         G on fake b         source
    minimax         softplus(-a)       softplus(b)         -softplus(b)        Goodfellow et al. 2014, eq. 1
    nonsaturating   softplus(-a)       softplus(b)         softplus(-b)        Goodfellow et al. 2014
    least_squares   (a - 1)^2 / 2      b^2 / 2             (b - 1)^2 / 2       Mao et al. 2017, eq. 2 and 9
    hinge           max(0, 1 - a)      max(0, 1 + b)       -b                  Lim and Ye 2017
    wasserstein     -a                 b                   -b                  Arjovsky et al. 2017

nonsaturating is in the last paragraph of section 3 of Goodfellow et al. least_squares is eq. 2 of Mao et al.
with the labels of eq. 9. hinge is also in Miyato et al. 2018, eq. 16 and 17. wasserstein is Algorithm 1 of
Arjovsky et al.
softplus(-a) = -log sigmoid(a) and softplus(b) = -log(1 - sigmoid(b)), so the curves of minimax and
nonsaturating are the logarithms of the paper.
"""

from dataclasses import dataclass, replace

from ..core.arguments import is_number, plain
from ..core.underflow import may_underflow
from ..layers.activations import sigmoid, softplus
from .curves import (
    HINGE_MINUS_ONE,
    HINGE_ONE,
    IDENTITY,
    MINUS,
    MINUS_SOFTPLUS,
    NEAR_ONE,
    NEAR_ZERO,
    SOFTPLUS,
    SOFTPLUS_OF_MINUS,
    Curve,
    bump,
)


@may_underflow
@dataclass(frozen=True)
class AdversarialLoss:
    """The losses of D and of G as functions of the logits a = D(real) and b = D(fake).

        L_D = mean on_real(a) + mean on_fake(b)          L_G = mean for_generator(b)

    on_real, on_fake and for_generator are curves (see `Curve`). a and b have any shapes and may differ in
    size, because each has its own mean. A derivative has the shape of its logits. `name` is the name that
    this module gives the loss. made_by is (function, arguments) if a function such as `smoothed` made the
    loss, otherwise ().
    """

    name: str
    on_real: Curve
    on_fake: Curve
    for_generator: Curve
    made_by: tuple = ()

    @property
    def of_logits(self):
        """Whether D's output a is a logit, so that sigmoid(a) is a probability.

        True for minimax and nonsaturating, also smoothed; False for the other losses.
        """
        return self.on_fake is SOFTPLUS

    @property
    def unbounded(self):
        """Whether the best outputs of D have no bounds, True or False.

        False only for least_squares, whose targets are 0 and 1.
        """
        return self.on_real is not NEAR_ONE

    @property
    def from_zero(self):
        """Whether the loss compares each output of D with a fixed number, True or False.

        False only for wasserstein, where only differences between the outputs count.
        """
        return self.on_real is not MINUS

    def __reduce__(self):
        """What pickle stores: made_by, the tuple (function, arguments); without it the loss's name, a text.

        Pickle looks up the name in this module. It cannot store the functions of the curves.
        """
        return self.made_by or self.name

    def discriminator(self, real, fake):
        """(loss, dreal, dfake): D's loss, and its derivatives with respect to the logits `real` and `fake`.

        loss = mean on_real(real) + mean on_fake(fake) is a float; each derivative has the shape of its
        logits. Raises ValueError if `real` or `fake` is empty.
        """
        loss_real, dreal = self.on_real.mean(real)
        loss_fake, dfake = self.on_fake.mean(fake)
        return loss_real + loss_fake, dreal, dfake

    def generator(self, fake):
        """(loss, dfake): G's loss, and its derivative with respect to the logits `fake`.

        loss = mean for_generator(fake) is a float; dfake has the shape of `fake`. Raises ValueError if `fake`
        is empty.
        """
        return self.for_generator.mean(fake)

    def discriminator_tangent(self, real, fake, treal, tfake):
        """(tdreal, tdfake): the tangents of dreal and dfake when the logits move along treal and tfake.

        dreal and dfake are the derivatives that `discriminator` returns for the logits `real` and `fake`.
        Each result has the shape of its logits.
        """
        return self.on_real.tangent(real, treal), self.on_fake.tangent(fake, tfake)

    def generator_tangent(self, fake, tfake):
        """The tangent of dfake when the logits `fake` move along tfake.

        dfake is the derivative of G's loss, which `generator` returns. `fake`, tfake and the result have one
        shape.
        """
        return self.for_generator.tangent(fake, tfake)

    def __repr__(self):
        return self.name


# fmt: off
minimax       = AdversarialLoss("minimax",       SOFTPLUS_OF_MINUS, SOFTPLUS,           MINUS_SOFTPLUS)
nonsaturating = AdversarialLoss("nonsaturating", SOFTPLUS_OF_MINUS, SOFTPLUS,           SOFTPLUS_OF_MINUS)
least_squares = AdversarialLoss("least_squares", NEAR_ONE,          NEAR_ZERO,          NEAR_ONE)
hinge         = AdversarialLoss("hinge",         HINGE_ONE,         HINGE_MINUS_ONE,    MINUS)
wasserstein   = AdversarialLoss("wasserstein",   MINUS,             IDENTITY,           MINUS)
# fmt: on


def smoothed(loss=nonsaturating, target=0.9):
    """One-sided label smoothing: the label of real samples is `target` (Salimans et al. 2016, section 3.4)

    Returns a copy of `loss`, named "smoothed(NAME, TARGET)". Its curve for the logits a of real samples is

        -target log sigmoid(a) - (1 - target) log(1 - sigmoid(a)) = softplus(-a) + (1 - target) a

    The label of fakes stays 0. With a larger label for fakes, D would reinforce the present errors of G.
    The default is nonsaturating with target 0.9. Raises ValueError for a loss other than minimax or
    nonsaturating, or unless 0 < target <= 1.
    """
    if getattr(loss, "on_real", None) is not SOFTPLUS_OF_MINUS or not (is_number(target) and 0 < target <= 1):
        raise ValueError(
            f"smoothed: expected minimax or nonsaturating and 0 < target <= 1, got {loss!r} and {target!r}; "
            "the paper's target is 0.9"
        )
    target = plain(target)
    # f, f' = -sigmoid(-a) + 1 - target = sigmoid(a) - target, and f'' = sigmoid(a) (1 - sigmoid(a))
    curve = Curve(lambda a: softplus(-a) + (1 - target) * a, lambda a: sigmoid(a) - target, bump)
    return replace(
        loss, name=f"smoothed({loss.name}, {target})", on_real=curve, made_by=(smoothed, (loss, target))
    )


@may_underflow
@dataclass(frozen=True)
class Labelled:
    """The loss of D for labels that are soft, noisy or flipped: mean (t on_real(y) + (1 - t) on_fake(y))

    y (N, 1) logits, t (N, 1) labels: 1 real, 0 fake, or any number   (Salimans et al. 2016, section 3.4)

    on_real and on_fake are the curves of `loss`, an AdversarialLoss. With minimax or nonsaturating this is
    the cross-entropy softplus(y) - t y. Then, on real samples with a constant t, it equals `smoothed` with
    target t. A call raises ValueError if y and t differ in shape, or are empty.
    """

    loss: AdversarialLoss

    def _curve(self, t):
        """The Curve y -> t on_real(y) + (1 - t) on_fake(y) for the labels t, an array with the shape of y."""
        real, fake = self.loss.on_real, self.loss.on_fake

        def mixed(f, g):
            return lambda y: t * f(y) + (1 - t) * g(y)

        return Curve(mixed(real.f, fake.f), mixed(real.d, fake.d), mixed(real.dd, fake.dd))

    def __call__(self, y, t):
        """(loss, dy): D's loss for the logits y and the labels t, and its derivative with respect to y.

        y, t and dy have one shape; loss is a float. Raises ValueError if y and t differ in shape, or are
        empty.
        """
        if y.shape != t.shape:
            raise ValueError(
                f"{self!r}: expected labels of shape {y.shape}, got {t.shape}; give one label for each logit"
            )
        return self._curve(t).mean(y)

    def tangent(self, y, ty, t):
        """The tangent of dy when the logits y move along ty. dy is the derivative that a call returns.

        y, ty, the labels t and the result have one shape.
        """
        return self._curve(t).tangent(y, ty)


ADVERSARIAL = {loss.name: loss for loss in (minimax, nonsaturating, least_squares, hinge, wasserstein)}
