"""Losses that compare an output with a target, an image, features of images or a class."""

from dataclasses import dataclass

import numpy as np

from ..core.underflow import may_underflow
from .curves import ABSOLUTE, SQUARE, Curve, mean_of


@may_underflow
@dataclass(frozen=True)
class FeatureMatching:
    """|mean_m f_m - mean_n r_n|^2          f (M, ...) features of fakes, r (N, ...) features of real samples

    (Salimans et al. 2016, section 3.1.) The loss compares the means of two batches and not pairs of samples,
    so M and N may differ. Raises ValueError if f and r differ in an axis after the first, or if one of them
    is empty.
    """

    name: str = "feature_matching"

    def __call__(self, fake, real):
        """(loss, dfake): the loss, and its derivative with respect to the features of the fakes.

        There is no derivative with respect to `real`: real samples do not depend on G.
        """
        if fake.shape[1:] != real.shape[1:]:
            raise ValueError(
                f"{self.name}: expected as many features of real samples as of fakes, {fake.shape[1:]}, "
                f"got {real.shape[1:]}; take both from the same layer"
            )
        difference = mean_of(fake, 0) - mean_of(real, 0)
        return float(np.square(difference).sum()), self._to_each(difference, fake)

    def tangent(self, fake, tfake, real):
        """The tangent of dfake when the features of the fakes move along tfake.

        dfake is the derivative of the loss with respect to these features.
        """
        return self._to_each(tfake.mean(axis=0), fake)

    def _to_each(self, difference, fake):
        """2 difference / M for each of the M fakes, (M, ...). difference is the difference of the two means.

        This is the derivative of the loss with respect to the features of one fake; all fakes have the same.
        """
        return np.repeat(2 / len(fake) * difference[None], len(fake), axis=0)

    def __repr__(self):
        return self.name


feature_matching = FeatureMatching()


@may_underflow
@dataclass(frozen=True)
class PairLoss:
    """The loss mean f(y - target) over all entries, where f is `curve`; y and target have one shape."""

    name: str
    curve: Curve

    def __reduce__(self):
        return self.name

    def __call__(self, y, target):
        """(loss, dy): the loss, and its derivative with respect to y.

        Raises ValueError if y and target differ in shape, or are empty.
        """
        if y.shape != target.shape:
            raise ValueError(
                f"{self.name}: expected target of shape {y.shape}, got {target.shape}; reshape one of them"
            )
        return self.curve.mean(y - target)

    def tangent(self, y, ty, target):
        """tdy = f''(y - target) ty / size: the tangent of dy when y moves along ty.

        y, ty, target and tdy have one shape. size is their number of entries.
        """
        return self.curve.tangent(y - target, ty)

    def __repr__(self):
        return self.name


l1 = PairLoss("l1", ABSOLUTE)
l2 = PairLoss("l2", SQUARE)


@may_underflow
class SoftmaxCrossEntropy:
    """loss = mean_n (log sum_k exp(y[n,k]) - y[n, c_n])          y (N, K) logits   c (N,) labels 0..K-1

    The derivative with respect to y is (softmax(y) - onehot(c)) / N. The Jacobian of softmax is the whole
    matrix diag(p) - p p', and not only its diagonal. Raises ValueError for a label out of range, another
    number of labels than N, or an empty batch; TypeError for labels that are not integers.
    """

    name = "softmax_cross_entropy"

    def __call__(self, y, labels):
        """(loss, dy): the loss, and its derivative with respect to the logits y."""
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(
                f"softmax_cross_entropy: expected integer labels, got {labels.dtype}; convert them"
            )
        if labels.shape != y.shape[:1] or labels.size and not 0 <= labels.min() <= labels.max() < y.shape[1]:
            raise ValueError(
                f"softmax_cross_entropy: expected {len(y)} labels 0..{y.shape[1] - 1}, got {labels.shape} "
                + (f"from {labels.min()} to {labels.max()}" if labels.size else "")
            )
        p = softmax(y)
        rows = np.arange(len(y))
        shifted = y - y.max(axis=1, keepdims=True)
        loss = float(mean_of(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]))
        p[rows, labels] -= 1
        return loss, p / len(y)

    def tangent(self, y, ty, labels):
        """The tangent of dy, the derivative of the loss, when the logits y move along ty."""
        p = softmax(y)
        return p * (ty - (p * ty).sum(axis=1, keepdims=True)) / len(y)

    def __reduce__(self):
        return self.name

    def __repr__(self):
        return self.name


softmax_cross_entropy = SoftmaxCrossEntropy()


@may_underflow
def softmax(y):
    """The probabilities p[n,k] = exp(y[n,k]) / sum_j exp(y[n,j])          y, p (N, K)"""
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
