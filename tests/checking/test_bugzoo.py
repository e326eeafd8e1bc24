"""Planted bugs: each was found in public GAN code, or is of its kind.

With the bug, the named check must fail; without it, all checks must pass. The bugs are in bugzoo/. In
test_mutations.py every derivative of the library is negated, doubled and dropped.
"""

import pytest
from bugzoo.consensus import CONSENSUS_BUGS
from bugzoo.layers import LAYER_BUGS, SquareOnly
from bugzoo.losses import LOSS_BUGS
from bugzoo.normalization import NORMALIZATION_BUGS
from bugzoo.optimizers import OPTIMIZER_BUGS
from bugzoo.penalties import PENALTY_BUGS
from bugzoo.regularizers import REGULARIZER_BUGS
from bugzoo.remedies import REMEDY_BUGS
from bugzoo.systems import SYSTEM_BUGS, SwappedMeans, planted
from bugzoo.unrolling import UNROLLING_BUGS
from bugzoo.values import VALUE_BUGS

from numgan import check_layer, check_system
from numgan.checking import differences
from numgan.systems import build

BUGS = [
    *LAYER_BUGS,
    *NORMALIZATION_BUGS,
    *LOSS_BUGS,
    *OPTIMIZER_BUGS,
    *PENALTY_BUGS,
    *REGULARIZER_BUGS,
    *CONSENSUS_BUGS,
    *UNROLLING_BUGS,
    *REMEDY_BUGS,
    *SYSTEM_BUGS,
    *VALUE_BUGS,
]
each_bug = pytest.mark.parametrize(
    "bug", BUGS, ids=lambda bug: f"{bug.row}: {bug.text[:70]} [{bug.check.__name__}]"
)


def test_the_square_kernel_bug_hides_behind_a_square_kernel():
    """Why every case in the list has ugly sizes."""
    assert check_layer(SquareOnly(2, 3, kernel=3), (5, 7, 2)).max_error <= 1e-6


def test_exchanged_batch_sizes_hide_behind_equal_ones():
    """Why the checks give unequal numbers of real and fake samples."""
    assert (
        check_system(planted(build("wgan", "digits", 0.02), SwappedMeans), real=4, fake=4).max_error <= 1e-6
    )


@each_bug
def test_a_planted_bug_is_caught(bug, monkeypatch):
    monkeypatch.setattr(differences, "LOCATE", 0)  # to find the wrong entries of a system takes long
    with pytest.raises(bug.error, match=bug.words):
        bug.check(bug.plant())


@each_bug
def test_without_the_bug_every_check_passes(bug):
    (bug.every or bug.check)(bug.healthy())


def test_the_menagerie_is_large_enough():
    rows = {bug.row for bug in BUGS} - {"own"}
    assert len(rows) >= 28 and rows <= set(range(1, 41))  # of the forty of the catalogue


def test_every_text_is_one_sentence():
    texts = [bug.text for bug in BUGS]
    assert [text for text in texts if not text.endswith(".") or ". " in text or "\n" in text] == []
