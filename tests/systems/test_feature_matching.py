"""Feature matching: the loss, and the layers whose features match."""

import numpy as np
import pytest
from bugzoo.losses import features_match_by_their_means
from game_cases import narrow

from numgan.checking.system import SystemPoint
from numgan.layers import Dense, MinibatchDiscrimination, MinibatchStd, Pass
from numgan.losses import FeatureMatching, feature_matching


def test_feature_matching_by_hand():
    fake, real = np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 4.0]])
    loss, dfake = feature_matching(fake, real)  # means (2, 4) and (1, 2)
    assert loss == 1 + 4 and np.array_equal(dfake, [[1, 2], [1, 2]])
    with pytest.raises(ValueError, match="as many features"):
        feature_matching(fake, real[:, :1])


def test_matching_is_on_the_features_below_the_last_layer():
    point = SystemPoint(narrow(matching=True, noise=0.0))
    D, phi, fakes = (
        point.system.networks["D"],
        point.params["D"],
        point.system.generate(point.params, point.batch, point.seed),
    )
    of = lambda x: D[:-1].forward(phi, x, Pass(0))[0].mean(axis=0)
    assert np.isclose(point.run("G").loss, np.square(of(point.batch["x"]) - of(fakes.x)).sum(), rtol=1e-12)
    below = SystemPoint(narrow(matching=True, minibatch=3, deviation=True, noise=0.0))
    assert len(below.system.networks["D"][:-3]) == len(D[:-1]) and below.run("G").loss > 0


@pytest.mark.parametrize("minibatch", [0, 1, 3])
@pytest.mark.parametrize("deviation", [False, True])
def test_matching_is_on_the_features_below_what_compares_samples(minibatch, deviation):
    """The loss is that of the last unit's features, whatever stands between them and the head."""
    point = SystemPoint(narrow(matching=True, noise=0.0, minibatch=minibatch, deviation=deviation))
    D, phi = point.system.networks["D"], point.params["D"]
    fakes = point.system.generate(point.params, point.batch, point.seed)
    above = MinibatchStd, MinibatchDiscrimination, Dense
    below = D[: max(i for i, layer in enumerate(D) if not isinstance(layer, above)) + 1]
    assert len(D) - len(below) == 1 + deviation + (minibatch > 0)
    of = lambda x: below.forward(phi, x, Pass(0))[0].mean(axis=0)
    assert np.isclose(point.run("G").loss, np.square(of(point.batch["x"]) - of(fakes.x)).sum(), rtol=1e-12)


def test_features_match_by_their_means():
    features_match_by_their_means(FeatureMatching())
