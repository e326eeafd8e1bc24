"""Splits keep every class, and equal arguments give equal parts."""

import numpy as np
import pytest

from numgan.data import Dataset, hold_out
from numgan.data.splits import spread


def test_every_piece_has_the_classes_in_proportion():
    labels = np.repeat([0, 1, 2], [600, 60, 300])
    order = spread(labels, 960, np.random.default_rng(0))
    assert sorted(order) == list(range(960))
    for piece in np.split(labels[order], 6):
        assert np.abs(np.bincount(piece, minlength=3) - [100, 10, 50]).max() <= 1


def test_without_labels_the_order_is_a_permutation():
    order = spread(None, 50, np.random.default_rng(3))
    np.testing.assert_array_equal(order, np.random.default_rng(3).permutation(50))


@pytest.mark.parametrize("share, counts", [(0.2, [20, 1, 2]), (0.001, [1, 1, 1]), (0.999, [99, 1, 9])])
def test_each_part_has_a_row_of_each_class(share, counts):
    labels = np.repeat([0, 1, 2], [100, 2, 10])
    data = Dataset("d", np.arange(112), labels, ("a", "b", "c"), names=tuple(map(str, range(112))))
    train, test = hold_out(data, share)
    assert np.bincount(test.labels).tolist() == counts
    assert sorted([*train.x[:, 0], *test.x[:, 0]]) == list(range(112))
    assert test.names == tuple(str(int(value)) for value in test.x[:, 0]) and test.classes == data.classes
    np.testing.assert_array_equal(hold_out(data, share)[1].x, test.x)


def test_what_cannot_be_split():
    data = Dataset("d", np.arange(3), [0, 0, 1], ("a", "b"))
    with pytest.raises(ValueError, match="at least 2 rows of each class, .* got 1 of class b in d"):
        hold_out(data, 0.5)
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(ValueError, match="expected a share above 0 and below 1"):
            hold_out(data, share)
