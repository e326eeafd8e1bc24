"""Losses that compare an output with a target: an image, the features of real samples, or a class."""

from dataclasses import dataclass

import numpy as np

from ..core.underflow import may_underflow
from .curves import ABSOLUTE, SQUARE, Curve, mean_of


@may_underflow
@dataclass(frozen=True)
class FeatureMatching:
    """Feature matching: the squared distance of the mean features of fakes and of real samples.

    |mean_m f_m - mean_n r_n|^2          f (M, ...) features of fakes, r (N, ...) features of real samples

    (Salimans et al. 2016, section 3.1.) No single fake is compared with a single real sample, so M and N may
    differ. Raises ValueError if f and r differ in an axis after the first, or if f or r is empty.
    """

    name: str = "feature_matching"

    def __call__(self, fake, real):
        """(loss, dfake): the loss, and its derivative with respect to the features `fake`, for training G.

        loss = |mean fake - mean real|^2 is a float, with the means over the samples; dfake has the shape of
        `fake`. The features `real` do not depend on G, so their derivative is not returned. Raises ValueError
        if the shapes differ in an axis after the first, or if an array is empty.
        """
        if fake.shape[1:] != real.shape[1:]:
            raise ValueError(
                f"{self.name}: expected as many features of real samples as of fakes, {fake.shape[1:]}, "
                f"got {real.shape[1:]}; take both from the same layer"
            )
        difference = mean_of(fake, 0) - mean_of(real, 0)
        return float(np.square(difference).sum()), self._to_each(difference, fake)

    def tangent(self, fake, tfake, real):
        """The tangent of dfake when the features `fake` move along tfake, an array with the shape of `fake`.

        dfake is the derivative of the loss with respect to `fake`. It changes with the mean of `fake` only,
        and its tangent does not depend on `real`.
        """
        return self._to_each(tfake.mean(axis=0), fake)

    def _to_each(self, difference, fake):
        """An array with the shape of `fake` (M, ...) and 2 difference / M in every row.

        If `difference` is mean f - mean r, the result is the derivative of the loss with respect to `fake`:
        all fakes have the same derivative. If it is the mean of tfake, the result is the tangent.
        """
        return np.repeat(2 / len(fake) * difference[None], len(fake), axis=0)

    def __repr__(self):
        return self.name


feature_matching = FeatureMatching()


@may_underflow
@dataclass(frozen=True)
class PairLoss:
    """A loss that compares y with a target of the same shape: mean f(y - target) over all entries.

    f is the field `curve`, a Curve. The module has two such losses: l1 with f(e) = |e|, and l2 with
    f(e) = e^2. `name` is the loss's name in the module.
    """

    name: str
    curve: Curve

    def __reduce__(self):
        return self.name  # pickle looks up this name in the module

    def __call__(self, y, target):
        """(loss, dy): the loss mean f(y - target), and its derivative with respect to y.

        y, target and dy have one shape; loss is a float. f is the loss's curve. Raises ValueError if y and
        target differ in shape, or are empty.
        """
        if y.shape != target.shape:
            raise ValueError(
                f"{self.name}: expected target of shape {y.shape}, got {target.shape}; reshape one of them"
            )
        return self.curve.mean(y - target)

    def tangent(self, y, ty, target):
        """The tangent of dy when y moves along ty: f''(y - target) ty / size.

        y, ty, target and the result have one shape, and size is the number of entries of y. dy is the
        derivative of the loss.
        """
        return self.curve.tangent(y - target, ty)

    def __repr__(self):
        return self.name


l1 = PairLoss("l1", ABSOLUTE)
l2 = PairLoss("l2", SQUARE)


@may_underflow
class SoftmaxCrossEntropy:
    """The cross-entropy of softmax(y), the probabilities of K classes, with the labels c.

    loss = mean_n (log sum_k exp(y[n,k]) - y[n, c_n])          y (N, K) logits   c (N,) labels 0..K-1

    With p = softmax(y), the derivative with respect to y is (p - onehot(c)) / N. Its tangent needs the
    Jacobian of softmax: for each sample the whole matrix diag(p) - p p' (p' is the transpose of p), and not
    only the diagonal of this matrix.

    A call raises ValueError for a label out of range, for a number of labels other than N, or for an empty
    batch; TypeError for labels that are not integers.
    """

    name = "softmax_cross_entropy"

    def __call__(self, y, labels):
        """(loss, dy): the mean cross-entropy, and its derivative with respect to the logits y.

        y and dy are (N, K), labels (N,) are integers 0..K-1, and loss is a float. Raises ValueError for a
        label out of range, for a number of labels other than N, or for an empty batch; TypeError for labels
        that are not integers.
        """
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
        shifted = y - y.max(axis=1, keepdims=True)  # so no exp overflows; the loss does not change
        loss = float(mean_of(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]))
        p[rows, labels] -= 1  # dy = (p - onehot(labels)) / N
        return loss, p / len(y)

    def tangent(self, y, ty, labels):
        """The tangent of dy when the logits y move along ty; dy is the derivative that a call returns.

        y, ty and the result are (N, K). The tangent does not depend on the labels.
        """
        p = softmax(y)
        # tdy = tp / N, with tp = (diag(p) - p p') ty = p (ty - sum_k p_k ty_k) for each sample
        return p * (ty - (p * ty).sum(axis=1, keepdims=True)) / len(y)

    def __reduce__(self):
        return self.name  # pickle looks up this name in the module

    def __repr__(self):
        return self.name


softmax_cross_entropy = SoftmaxCrossEntropy()


@may_underflow
def softmax(y):
    """The probabilities of K classes: p[n,k] = exp(y[n,k]) / sum_j exp(y[n,j])          y, p (N, K)

    y holds logits, and the sum of each row of p is 1. The maximum of each row of y is subtracted first, so
    that no exp overflows.
    """
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
