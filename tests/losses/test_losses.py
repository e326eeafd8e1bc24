"""The losses: closed forms, saturation, signs, unequal batches; derivatives and tangents by check_loss."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numgan import check_loss
from numgan.checking.cases import LOSSES
from numgan.layers import record_kinks
from numgan.losses import (
    ADVERSARIAL,
    RELATIVISTIC,
    AdversarialLoss,
    Curve,
    Labelled,
    feature_matching,
    hinge,
    l1,
    l2,
    least_squares,
    minimax,
    nonsaturating,
    relativistic_average,
    relativistic_paired,
    smoothed,
    softmax,
    softmax_cross_entropy,
    wasserstein,
)
from numgan.remedies.penalties import GradientPenalty

A, B = np.array([[2.0], [-0.5], [0.3]]), np.array([[-1.0], [0.7]])  # logits of 3 real and 2 fake samples
log_sigmoid = lambda x: -np.log(1 + np.exp(-x))
adversarial = pytest.mark.parametrize(
    "loss", [*ADVERSARIAL.values(), smoothed(), smoothed(minimax, 0.7)], ids=repr
)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("slow", [True, False])
def test_derivatives_and_tangents(loss, slow):
    report = check_loss(loss, slow=slow, seed=1)
    assert report.max_error <= 1e-6
    assert (
        sum("tangent" in check for check, *_ in report.rows) == len(report.rows) / 2
    )  # every derivative has its tangent


@pytest.mark.parametrize(
    "loss, d, g",
    [
        (
            minimax,
            -log_sigmoid(A).mean() - np.log(1 - 1 / (1 + np.exp(-B))).mean(),
            np.log(1 - 1 / (1 + np.exp(-B))).mean(),
        ),
        (
            nonsaturating,
            -log_sigmoid(A).mean() - np.log(1 - 1 / (1 + np.exp(-B))).mean(),
            -log_sigmoid(B).mean(),
        ),
        (least_squares, ((A - 1) ** 2).mean() / 2 + (B**2).mean() / 2, ((B - 1) ** 2).mean() / 2),
        (hinge, (0 + 1.5 + 0.7) / 3 + (0 + 1.7) / 2, (1 - 0.7) / 2),
        (wasserstein, -(2 - 0.5 + 0.3) / 3 + (-1 + 0.7) / 2, (1 - 0.7) / 2),
        (
            smoothed(nonsaturating, 0.9),
            (-0.9 * log_sigmoid(A) - 0.1 * log_sigmoid(-A)).mean() - log_sigmoid(-B).mean(),
            -log_sigmoid(B).mean(),
        ),
    ],
    ids=lambda value: repr(value) if not isinstance(value, float) else "",
)
def test_values_are_the_papers(loss, d, g):
    assert np.isclose(loss.discriminator(A, B)[0], d, rtol=1e-13)
    assert np.isclose(loss.generator(B)[0], g, rtol=1e-13)


@pytest.mark.parametrize(
    "loss, real, fake, g",
    [
        (hinge, [0, -1, -1, -1, -1], [0, 1, 1, 1, 1], [-1, -1, -1, -1, -1]),
        (wasserstein, [-1, -1, -1, -1, -1], [1, 1, 1, 1, 1], [-1, -1, -1, -1, -1]),
        (least_squares, [1, -0.5, -1, -1.5, -2], [-2, -0.5, 0, 0.5, 1], [-3, -1.5, -1, -0.5, 0]),
    ],
    ids=repr,
)
def test_slopes_by_hand(loss, real, fake, g):
    """On both sides of every margin, and between 0 and the margin."""
    a, b = np.array([[2.0], [0.5], [0.0], [-0.5], [-1.0]]), np.array([[-2.0], [-0.5], [0.0], [0.5], [1.0]])
    _, da, db = loss.discriminator(a, b)
    assert (5 * da[:, 0]).tolist() == pytest.approx(real) and (5 * db[:, 0]).tolist() == pytest.approx(fake)
    assert (5 * loss.generator(b)[1][:, 0]).tolist() == pytest.approx(g)


@adversarial
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_a_thousand_are_finite_and_point_the_right_way(loss, dtype):
    high, low = np.full((3, 1), 1e3, dtype), np.full((2, 1), -1e3, dtype)
    for real in (high, -high):
        for fake in (low, -low):
            value, dreal, dfake = loss.discriminator(real, fake)
            assert (
                np.isfinite(value)
                and np.isfinite(dreal).all()
                and np.isfinite(dfake).all()
                and dreal.dtype == dfake.dtype == dtype
            )
            assert all(np.isfinite(t).all() for t in loss.discriminator_tangent(real, fake, real, fake))
    wrong, dreal, dfake = loss.discriminator(
        -high, -low
    )  # real judged fake, fake judged real: the worst case
    right = loss.discriminator(high, low)[0]
    assert (dreal < 0).all() and (dfake > 0).all()
    if loss is not least_squares and not loss.name.startswith(
        "smoothed"
    ):  # least squares wants 1 and 0, smoothing wants doubt
        assert right < wrong
    value, dfake = loss.generator(low)
    assert np.isfinite(value) and dfake.dtype == dtype and (dfake <= 0).all()


def test_saturated_values():
    assert nonsaturating.generator(np.array([[-1e3]]))[0] == 1000  # log(sigmoid(-1000)) = -1000, not -inf
    assert np.isclose(nonsaturating.generator(np.array([[-1e3]]))[1], -1) and np.isclose(
        minimax.generator(np.array([[-1e3]]))[1], 0
    )
    assert nonsaturating.discriminator(np.array([[1e3]]), np.array([[-1e3]]))[0] == 0


@adversarial
def test_descent_moves_every_logit_the_right_way(loss):
    """The table of signs: D's descent raises D(real) and lowers D(fake); G's descent raises D(fake)."""
    real, fake = np.linspace(-0.8, 0.8, 7)[:, None], np.linspace(-0.8, 0.8, 5)[:, None]
    _, dreal, dfake = loss.discriminator(real, fake)
    assert (-dreal).sum() > 0 and (-dfake).sum() < 0
    assert (-loss.generator(fake)[1] > 0).all()


@adversarial
def test_means_are_taken_over_each_batch_alone(loss):
    """Repeating one of the two batches changes neither the loss nor the other's gradient."""
    once, thrice = loss.discriminator(A, B), loss.discriminator(np.tile(A, (3, 1)), B)
    assert (
        np.isclose(once[0], thrice[0], rtol=1e-14)
        and np.allclose(thrice[1], np.tile(once[1], (3, 1)) / 3)
        and np.array_equal(once[2], thrice[2])
    )


def test_smoothing_is_one_sided_and_stops_at_its_target():
    loss = smoothed(nonsaturating, 0.9)
    certain = np.log(0.9 / 0.1)
    assert (
        np.allclose(loss.discriminator(np.full((2, 1), certain), B)[1], 0)
        and (loss.discriminator(np.full((2, 1), 2 * certain), B)[1] > 0).all()
    )
    assert (
        np.array_equal(loss.discriminator(A, B)[2], nonsaturating.discriminator(A, B)[2])
        and loss.generator(B)[0] == nonsaturating.generator(B)[0]
    )
    assert np.allclose(smoothed(minimax, 1.0).discriminator(A, B)[1], minimax.discriminator(A, B)[1])
    for other in (hinge, relativistic_paired):
        with pytest.raises(ValueError, match="minimax or nonsaturating"):
            smoothed(other)
    with pytest.raises(ValueError, match="target"):
        smoothed(minimax, 1.5)
    with pytest.raises(
        ValueError, match="expected minimax or nonsaturating and 0 < target <= 1, got minimax and 'a'"
    ):
        smoothed(minimax, "a")


def test_a_numpy_target_makes_no_float64():
    loss, logits = smoothed(nonsaturating, np.float64(0.9)), np.ones((2, 1), np.float32)
    assert repr(loss) == "smoothed(nonsaturating, 0.9)"
    value, dreal, _ = loss.discriminator(logits, logits)
    assert dreal.dtype == np.float32 and (value, dreal[0]) == (
        smoothed(nonsaturating, 0.9).discriminator(logits, logits)[0],
        dreal[1],
    )


# --- relativistic losses ------------------------------------------------------------------------------------

relativistic = pytest.mark.parametrize("loss", RELATIVISTIC.values(), ids=repr)
A2 = A[:2]  # as many as B


def test_relativistic_values_are_the_papers():
    pairs = A2 - B
    assert np.isclose(relativistic_paired.discriminator(A2, B)[0], -log_sigmoid(pairs).mean(), rtol=1e-13)
    assert np.isclose(relativistic_paired.generator(A2, B)[0], -log_sigmoid(-pairs).mean(), rtol=1e-13)
    real, fake = A - B.mean(), B - A.mean()  # three logits and two
    assert np.isclose(
        relativistic_average.discriminator(A, B)[0],
        -log_sigmoid(real).mean() - log_sigmoid(-fake).mean(),
        rtol=1e-13,
    )
    assert np.isclose(
        relativistic_average.generator(A, B)[0],
        -log_sigmoid(-real).mean() - log_sigmoid(fake).mean(),
        rtol=1e-13,
    )


def test_a_batch_of_one_knows_no_difference_between_pair_and_average():
    one, both = (
        relativistic_paired.discriminator(A[:1], B[:1]),
        relativistic_average.discriminator(A[:1], B[:1]),
    )
    assert all(
        np.allclose(2 * x, y, rtol=1e-14) for x, y in zip(one, both)
    )  # its two terms are then the same


@relativistic
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relativistic_logits_of_a_thousand_are_finite_and_point_the_right_way(loss, dtype):
    high = np.full((3, 1), 1e3, dtype)
    for real, fake in ((high, high), (high, -high), (-high, high), (-high, -high)):
        value, dreal, dfake = loss.discriminator(real, fake)
        assert (
            np.isfinite(value)
            and (dreal <= 0).all()
            and (dfake >= 0).all()
            and dreal.dtype == dfake.dtype == dtype
        )
        value, dfake = loss.generator(real, fake)
        assert np.isfinite(value) and (dfake <= 0).all() and dfake.dtype == dtype
        tangents = (
            *loss.discriminator_tangent(real, fake, real, fake),
            loss.generator_tangent(real, fake, real, fake),
        )
        assert all(np.isfinite(t).all() and t.dtype == dtype for t in tangents)
    terms = {relativistic_paired: 1, relativistic_average: 2}[loss]
    assert (
        loss.discriminator(-high, high)[0] == 2000 * terms and loss.discriminator(high, -high)[0] == 0
    )  # 1000 - -1000, no inf
    assert loss.generator(high, -high)[0] == 2000 * terms and np.allclose(
        loss.generator(high, -high)[1].sum(), -terms
    )


@relativistic
def test_only_differences_of_logits_count(loss):
    value, dreal, dfake = loss.discriminator(A2, B)
    assert np.isclose(value, loss.discriminator(A2 + 5, B + 5)[0], rtol=1e-13) and np.isclose(
        dreal.sum() + dfake.sum(), 0, atol=1e-15
    )
    assert (
        dreal.sum() < -0.1 and loss.generator(A2, B)[1].sum() < -0.1
    )  # descent raises D(real), and for G D(fake)


def test_unequal_batches():
    once, thrice = (
        relativistic_average.discriminator(A, B),
        relativistic_average.discriminator(np.tile(A, (3, 1)), B),
    )
    assert (
        np.isclose(once[0], thrice[0], rtol=1e-14)
        and np.allclose(thrice[1], np.tile(once[1], (3, 1)) / 3)
        and np.allclose(once[2], thrice[2])
    )
    for call in (relativistic_paired.discriminator, relativistic_paired.generator):
        with pytest.raises(
            ValueError,
            match=r"relativistic_paired: expected as many real as fake logits"
            r".*\(\d, 1\) and.*batches of one size",
        ):
            call(A, B)
    with pytest.raises(ValueError, match="in one shape"):
        relativistic_paired.discriminator(A2, B[:, 0])  # (2, 1) and (2,) would broadcast to four pairs


def test_losses_are_pickled_by_name():
    assert all(
        pickle.loads(pickle.dumps(loss)) is loss for loss in (*ADVERSARIAL.values(), *RELATIVISTIC.values())
    )


# --- losses of a pair ---------------------------------------------------------------------------------------


def test_pair_losses():
    y, target = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.0, -1.0], [2.5, 3.5]])
    assert l1(y, target)[0] == (1 + 1 + 2 + 0.5) / 4 and l2(y, target)[0] == (1 + 1 + 4 + 0.25) / 4
    assert np.array_equal(l1(y, target)[1], np.array([[1, -1], [-1, -1]]) / 4) and np.array_equal(
        l2(y, target)[1], (y - target) / 2
    )
    with pytest.raises(ValueError, match="l1: expected target of shape"):
        l1(y, target[:1])


@pytest.mark.parametrize(
    "of_none",
    [
        lambda one, none: nonsaturating.discriminator(one, none),
        lambda one, none: wasserstein.generator(none),
        lambda one, none: l1(none, none),
        lambda one, none: relativistic_average.discriminator(none, one),
        lambda one, none: feature_matching(one, none),
        lambda one, none: softmax_cross_entropy(none, np.zeros(0, int)),
    ],
)
def test_an_empty_batch_is_refused(of_none):
    with pytest.raises(ValueError, match=r"loss: expected at least one sample, got \(0,"):
        of_none(np.zeros((2, 1)), np.zeros((0, 1)))


def test_softmax_cross_entropy_by_hand():
    y, labels = np.log(np.array([[1.0, 2, 5], [4, 4, 2]])), np.array([2, 0])
    loss, dy = softmax_cross_entropy(y, labels)
    assert np.isclose(loss, -(np.log(5 / 8) + np.log(4 / 10)) / 2)
    assert np.allclose(dy, (np.array([[1, 2, 5], [3.2, 3.2, 1.6]]) / 8 - [[0, 0, 1], [1, 0, 0]]) / 2)
    with pytest.raises(ValueError, match="labels 0..2"):
        softmax_cross_entropy(y, np.array([3, 0]))


@pytest.mark.parametrize("labels", [[0.0, 1.0], [True, False]])
def test_labels_are_integers(labels):
    with pytest.raises(TypeError, match="softmax_cross_entropy: expected integer labels, got (float64|bool)"):
        softmax_cross_entropy(np.zeros((2, 3)), np.array(labels))


def test_every_logit_has_a_label_and_every_fake_the_features_of_the_real():
    """A column and a row would be broadcast to all pairs, and one label to all logits."""
    y = np.zeros((4, 1))
    for t in (np.zeros(4), np.zeros((1, 1)), np.zeros((1, 4)), np.zeros((3, 1))):
        with pytest.raises(ValueError, match=r"expected labels of shape \(4, 1\), got"):
            Labelled(nonsaturating)(y, t)
        with pytest.raises(ValueError, match=r"l2: expected target of shape \(4, 1\), got"):
            l2(y, t)
    for real in (np.zeros((4, 1)), np.zeros((4, 3)), np.zeros((4, 1, 2))):
        with pytest.raises(
            ValueError, match=r"feature_matching: expected as many features .* as of fakes, \(2,\), got"
        ):
            feature_matching(np.zeros((4, 2)), real)


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 300))
@settings(max_examples=50, deadline=None)
def test_softmax_never_overflows_and_ignores_a_shift(shift, scale):
    y = scale * np.random.default_rng(2).standard_normal((4, 3))
    p, (loss, dy) = softmax(y + shift), softmax_cross_entropy(y + shift, np.array([0, 1, 2, 0]))
    assert (
        np.allclose(p.sum(1), 1)
        and np.allclose(p, softmax(y), atol=1e-9)
        and np.isfinite(loss)
        and np.allclose(dy.sum(1), 0)
    )


@pytest.mark.parametrize(
    "pay, same, other",
    [
        (lambda t: hinge.discriminator(np.array([t]), np.array([-9.0])), (0.9, -3.0), 1.1),
        (lambda t: hinge.discriminator(np.array([9.0]), np.array([t])), (-0.9, 3.0), -1.1),
        (lambda t: l1(np.array([t]), np.array([2.0])), (2.1, 7.0), 1.9),
        (lambda t: GradientPenalty(1.0, one_sided=True).of(np.array([[t, 0.0]])), (1.1, 5.0), 0.9),
    ],
)
def test_kinks_are_told(pay, same, other):
    """So the checks of gradients can go around them."""

    def pieces(t):
        with record_kinks() as seen:
            pay(t)
        return seen

    one, two = map(pieces, same)
    assert one and one == two != pieces(other)


@pytest.mark.parametrize("labels", [[0, 3, 1], [0, -1, 1], [-1, -1, -1], [3, 3, 3], [0, 1], [0, 1, 2, 0]])
def test_labels_that_no_logit_has_are_refused(labels):
    y = np.zeros((3, 3))
    assert softmax_cross_entropy(y, np.array([0, 2, 1]))[0] == pytest.approx(np.log(3))
    with pytest.raises(ValueError, match=r"softmax_cross_entropy: expected 3 labels 0\.\.2, got"):
        softmax_cross_entropy(y, np.array(labels))


@pytest.mark.parametrize(
    "logit, real, fake", [(-3.0, -1, 0), (-1.5, -1, 0), (-0.5, -1, 1), (0.5, -1, 1), (1.5, 0, 1), (3.0, 0, 1)]
)
def test_the_derivatives_of_the_hinge_on_either_side_of_its_margins(logit, real, fake):
    a = np.full((2, 1), logit)
    _, dreal, dfake = hinge.discriminator(a, a)
    assert np.array_equal(2 * dreal, np.full((2, 1), real)) and np.array_equal(
        2 * dfake, np.full((2, 1), fake)
    )


def test_the_tangent_of_a_labelled_loss_has_the_labels_curve():
    rng = np.random.default_rng(4)
    y, ty, t = rng.standard_normal((3, 5, 1))
    t = 1 / (1 + np.exp(-t))
    loss, h = Labelled(least_squares), 1e-6
    numeric = (loss(y + h * ty, t)[1] - loss(y - h * ty, t)[1]) / (2 * h)
    assert np.allclose(loss.tangent(y, ty, t), numeric, rtol=1e-6)
    crossed = Labelled(nonsaturating)
    numeric = (crossed(y + h * ty, t)[1] - crossed(y - h * ty, t)[1]) / (2 * h)
    assert np.allclose(crossed.tangent(y, ty, t), numeric, rtol=1e-6)
    bent = Labelled(
        AdversarialLoss(
            "bent",
            Curve(np.sin, np.cos, lambda a: -np.sin(a)),
            Curve(np.square, lambda b: 2 * b, lambda b: 2 + 0 * b),
            None,
        )
    )
    numeric = (bent(y + h * ty, t)[1] - bent(y - h * ty, t)[1]) / (2 * h)
    assert np.allclose(bent.tangent(y, ty, t), numeric, rtol=1e-6)
