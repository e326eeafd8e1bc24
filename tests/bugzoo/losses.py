"""Planted bugs: losses."""

from dataclasses import replace

import numpy as np

from bugzoo import Bug, class_bug
from numgan import check_loss, gradcheck
from numgan.losses import (
    AdversarialLoss,
    Curve,
    FeatureMatching,
    RelativisticAverage,
    RelativisticPaired,
    SoftmaxCrossEntropy,
    hinge,
    minimax,
    nonsaturating,
    relativistic_average,
    relativistic_paired,
    softmax,
    wasserstein,
)
from numgan.losses import sigmoid as stable_sigmoid


class DiagonalTangent(SoftmaxCrossEntropy):
    """The tangent takes softmax's Jacobian for its diagonal."""

    def tangent(self, y, ty, labels):
        p = softmax(y)
        return p * (1 - p) * ty / len(y)


class NextLabel(SoftmaxCrossEntropy):
    """The one-hot target is off by one class."""

    def __call__(self, y, labels):
        return super().__call__(y, labels)[0], super().__call__(y, (labels + 1) % y.shape[1])[1]


class SharedMean(AdversarialLoss):
    """Both means are divided by the number of fakes, which is right as long as the batches are equal."""

    def discriminator(self, real, fake):
        loss, dreal, dfake = super().discriminator(real, fake)
        return loss, dreal * len(real) / len(fake), dfake


class DetachedMean(RelativisticAverage):
    """The means are taken for constants, as by a `detach` in the wrong place."""

    def transpose(self, dts, a, b):
        return dts[0], -dts[1]


class SwappedCounts(RelativisticAverage):
    """Each mean's derivative is divided by the other batch's size, which is right where both are equal."""

    def transpose(self, dts, a, b):
        dt, ds = dts
        return dt + ds.sum() / b.size, -ds - dt.sum() / a.size


class StillReals(RelativisticPaired):
    """G's tangent takes the real logits for constants, although D's weights move."""

    def generator_tangent(self, real, fake, treal, tfake):
        return super().generator_tangent(real, fake, np.zeros_like(treal), tfake)


class HalfAGenerator(RelativisticAverage):
    """G's gradient lacks the term of the mean that real logits are compared with."""

    def generator(self, real, fake):
        return super().generator(real, fake)[0], self.curve.d(fake - real.mean()) / fake.size


class PerPair(FeatureMatching):
    """The mean over the batch is taken after the square, so each fake is pulled to one real sample."""

    def __call__(self, fake, real):
        n = min(len(fake), len(real))
        apart = fake[:n] - real[:n]
        return float(np.square(apart).sum(axis=1).mean()), 2 * apart / n


class OfTheSum(FeatureMatching):
    """The derivative of the fakes' mean lacks its factor 1 / M."""

    def _to_each(self, apart, fake):
        return super()._to_each(apart, fake) * len(fake)


class OwnFeature(FeatureMatching):
    """The derivative has each fake's own distance from the real mean."""

    def __call__(self, fake, real):
        return super().__call__(fake, real)[0], 2 / len(fake) * (fake - real.mean(axis=0))


def _finite_at_a_thousand(loss):
    at = np.array([[-1e3], [1e3]], np.float32)
    with np.errstate(all="ignore"):
        results = [*loss.discriminator(at, at), *loss.generator(at)]
    assert all(np.isfinite(result).all() for result in results)


def _rises(loss):
    """When G descends, D(fake) rises: true of every GAN loss."""
    fake = np.linspace(-2, 2, 7)[:, None]
    _, dfake = loss.generator(fake)
    assert (-dfake > 0).all()


def features_match_by_their_means(matching):
    check_loss(matching)
    shifted = np.array([[1.0], [-1.0]])
    assert matching(shifted, 0 * shifted)[0] == 0  # equal means, though no pair is equal


_log_sigmoid = Curve(
    lambda a: -np.log(1 / (1 + np.exp(-a))),
    lambda a: -stable_sigmoid(-a),
    lambda a: stable_sigmoid(a) * stable_sigmoid(-a),
)
_up = wasserstein.on_fake
LOSS_BUGS = [
    class_bug(13, DiagonalTangent, SoftmaxCrossEntropy, by=check_loss),
    class_bug(27, NextLabel, SoftmaxCrossEntropy, by=check_loss),
    *(
        class_bug(row, broken, type(good), *vars(good).values(), by=check_loss)
        for row, broken, good in (
            ("own", DetachedMean, relativistic_average),
            ("own", SwappedCounts, relativistic_average),
            ("own", HalfAGenerator, relativistic_average),
            ("own", StillReals, relativistic_paired),
            (12, SharedMean, nonsaturating),
        )
    ),
    Bug(
        26,
        "The sign of a loss and that of its gradient differ.",
        lambda: replace(wasserstein, for_generator=Curve(_up.f, wasserstein.on_real.d, _up.dd)),
        lambda: wasserstein,
        by=check_loss,
    ),
    Bug(
        26,
        "The generator's loss has the wrong sign, and so has its gradient.",
        lambda: replace(wasserstein, for_generator=_up),
        lambda: wasserstein,
        value=_rises,
    ),
    Bug(
        35,
        "log(sigmoid(x)) is not computed in its stable form.",
        lambda: replace(nonsaturating, on_real=_log_sigmoid),
        lambda: nonsaturating,
        value=_finite_at_a_thousand,
    ),
    Bug(
        "own",
        "The derivative of hinge is on the wrong side of its kink.",
        lambda: replace(hinge, on_real=replace(hinge.on_real, d=lambda a: -(1 - a < 0).astype(a.dtype))),
        lambda: hinge,
        by=check_loss,
    ),
    Bug(
        "own",
        "A loss lacks its second derivative.",
        lambda: replace(minimax, on_fake=replace(minimax.on_fake, dd=np.zeros_like)),
        lambda: minimax,
        by=check_loss,
    ),
    Bug(
        32,
        "The gradient is half the right one.",
        lambda: (lambda x: (x**2).sum(), np.arange(1.0, 4), np.arange(1.0, 4)),
        lambda: (lambda x: (x**2).sum(), np.arange(1.0, 4), 2 * np.arange(1.0, 4)),
        by=lambda given: gradcheck(*given),
    ),
    class_bug("own", PerPair, FeatureMatching, value=features_match_by_their_means),
    class_bug("own", OfTheSum, FeatureMatching, by=features_match_by_their_means),
    class_bug("own", OwnFeature, FeatureMatching, by=features_match_by_their_means),
]
