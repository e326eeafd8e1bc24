"""Losses, each with its derivative and the tangent of its derivative, written by hand.

Reading order: curves, adversarial, relativistic, pairs.
"""

from ..layers.activations import sigmoid, softplus
from .adversarial import (
    ADVERSARIAL,
    AdversarialLoss,
    Labelled,
    hinge,
    least_squares,
    minimax,
    nonsaturating,
    smoothed,
    wasserstein,
)
from .curves import Curve
from .pairs import (
    FeatureMatching,
    PairLoss,
    SoftmaxCrossEntropy,
    feature_matching,
    l1,
    l2,
    softmax,
    softmax_cross_entropy,
)
from .relativistic import (
    RELATIVISTIC,
    RelativisticAverage,
    RelativisticLoss,
    RelativisticPaired,
    relativistic_average,
    relativistic_paired,
)
