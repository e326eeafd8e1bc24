"""Losses: types, values at kinks, pickling, and every refusal word for word."""

import pickle

import numpy as np
import pytest

from numgan.losses import (
    ADVERSARIAL,
    RELATIVISTIC,
    Labelled,
    RelativisticLoss,
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
from numgan.losses.curves import SOFTPLUS, Curve

SMOOTHED = smoothed(), smoothed(minimax, 0.7)


def said(kind, call, *arguments):
    """The message of the error that the call raises."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    return str(caught.value)


def draw(dtype, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- types


@pytest.mark.parametrize("loss", [*ADVERSARIAL.values(), *SMOOTHED], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_adversarial_loss_keeps_the_type_and_the_shapes_of_its_logits(loss, dtype):
    for real, fake in (((5, 1), (3, 1)), ((2, 3, 1), (4,))):
        a, b = draw(dtype, *real), draw(dtype, *fake, seed=1)
        value, da, db = loss.discriminator(a, b)
        g_value, dg = loss.generator(b)
        ta, tb = loss.discriminator_tangent(a, b, a, b)
        arrays = [da, db, dg, ta, tb, loss.generator_tangent(b, b)]
        assert [x.shape for x in arrays] == [real, fake, fake, real, fake, fake]
        assert {x.dtype for x in arrays} == {np.dtype(dtype)} and {type(value), type(g_value)} == {float}
        if dtype == np.float64:
            h = 1e-6
            up, down = loss.discriminator(a + h * a, b + h * b), loss.discriminator(a - h * a, b - h * b)
            assert np.isclose((up[0] - down[0]) / (2 * h), (da * a).sum() + (db * b).sum(), rtol=1e-6)


@pytest.mark.parametrize("loss", RELATIVISTIC.values(), ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_relativistic_loss_keeps_the_type_and_the_shapes_of_its_logits(loss, dtype):
    real = fake = (3, 2, 1)
    if loss is relativistic_average:
        fake = (4,)
    a, b = draw(dtype, *real), draw(dtype, *fake, seed=1)
    value, da, db = loss.discriminator(a, b)
    g_value, dg = loss.generator(a, b)
    ta, tb = loss.discriminator_tangent(a, b, a, b)
    arrays = [da, db, dg, ta, tb, loss.generator_tangent(a, b, a, b)]
    assert [x.shape for x in arrays] == [real, fake, fake, real, fake, fake]
    assert {x.dtype for x in arrays} == {np.dtype(dtype)} and {type(value), type(g_value)} == {float}
    assert np.isclose(g_value, loss.discriminator(b, a)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_of_pairs_keeps_the_type_of_its_output(dtype):
    y, target, ty, t = (draw(dtype, 4, 3, seed=seed) for seed in range(4))
    labels = np.array([2, 0, 1, 1], np.uint8)
    results = [
        (l1(y, target), l1.tangent(y, ty, target)),
        (l2(y, target), l2.tangent(y, ty, target)),
        (feature_matching(y, target[:2]), feature_matching.tangent(y, ty, target[:2])),
        (softmax_cross_entropy(y, labels), softmax_cross_entropy.tangent(y, ty, labels)),
        (Labelled(nonsaturating)(y, t), Labelled(nonsaturating).tangent(y, ty, t)),
        (Labelled(least_squares)(y, t), Labelled(least_squares).tangent(y, ty, t)),
    ]
    for (value, dy), tdy in results:
        assert type(value) is float and dy.dtype == tdy.dtype == dtype and dy.shape == tdy.shape == y.shape
    assert softmax(y).dtype == dtype and np.allclose(softmax(y).sum(axis=-1), 1)


# ---- values


def test_at_a_kink_the_derivative_is_that_of_the_lower_side():
    at = np.array([[1.0], [-1.0]])
    _, da, db = hinge.discriminator(at, at)
    assert da.ravel().tolist() == [0, -0.5] and db.ravel().tolist() == [0.5, 0]
    assert l1(at, at)[1].ravel().tolist() == [0, 0] and l1(at, at)[0] == 0


def test_second_derivatives_by_hand():
    a, b = np.array([[0.0], [2.0]]), np.array([[1.0], [-1.0], [3.0], [0.5]])
    ta, tb = np.array([[4.0], [-2.0]]), np.array([[4.0], [8.0], [-4.0], [2.0]])
    for loss in (hinge, wasserstein):
        assert not any(t.any() for t in loss.discriminator_tangent(a, b, ta, tb))
        assert not loss.generator_tangent(b, tb).any()
    one, two = least_squares.discriminator_tangent(a, b, ta, tb)
    assert np.array_equal(one, ta / 2) and np.array_equal(two, tb / 4)
    assert np.array_equal(least_squares.generator_tangent(b, tb), tb / 4)
    bump = lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2
    for loss, sign in ((nonsaturating, 1), (minimax, -1)):
        one, two = loss.discriminator_tangent(a, b, ta, tb)
        assert np.allclose(one, bump(a) * ta / 2) and np.allclose(two, bump(b) * tb / 4)
        assert np.allclose(loss.generator_tangent(b, tb), sign * bump(b) * tb / 4)
    y, target, ty = np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), np.array([[5.0, -3.0]])
    assert np.array_equal(l2.tangent(y, ty, target), ty) and not l1.tangent(y, ty, target).any()


def test_features_are_matched_in_their_means():
    fake, real = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]]), np.array([[0.0, 2.0], [4.0, 2.0]])
    value, dfake = feature_matching(fake, real)
    assert value == 1 + 1 and np.allclose(dfake, np.full((3, 2), 2 / 3))
    assert np.allclose(feature_matching.tangent(fake, 3 * fake, real), np.full((3, 2), 2 / 3 * 9))
    pictures, others = draw(np.float64, 3, 2, 2, 1), draw(np.float64, 5, 2, 2, 1, seed=1)
    gap = pictures.mean(0) - others.mean(0)
    value, dfake = feature_matching(pictures, others)
    assert np.isclose(value, np.square(gap).sum()) and np.allclose(dfake, 2 * gap / 3)


def test_labels_choose_between_the_losses_of_real_samples_and_of_fakes():
    y, ones = np.array([[0.5], [-2.0]]), np.ones((2, 1))
    for loss in (nonsaturating, least_squares, hinge, wasserstein):
        real, dreal, _ = loss.discriminator(y, y)
        sides = [Labelled(loss)(y, t)[0] for t in (ones, 0 * ones)]
        assert np.isclose(sum(sides), real) and np.allclose(Labelled(loss)(y, ones)[1], dreal)
        mixed = Labelled(loss)(y, 0.25 * ones)
        assert np.isclose(mixed[0], 0.25 * sides[0] + 0.75 * sides[1])
    t = np.array([[1.0], [0.25]])
    cross = np.mean(np.log1p(np.exp(y)) - t * y)
    assert np.isclose(Labelled(nonsaturating)(y, t)[0], cross)
    assert np.isclose(Labelled(minimax)(y, t)[0], cross)
    assert np.isclose(
        Labelled(nonsaturating)(y, 0.9 * ones)[0] + nonsaturating.discriminator(y, y)[0],
        smoothed(nonsaturating, 0.9).discriminator(y, y)[0] + Labelled(nonsaturating)(y, ones)[0],
    )


@pytest.mark.parametrize("target", [1, 0.5, 1e-3])
def test_a_smoothed_loss_by_its_formula(target):
    a, b = np.array([[0.3], [-1.0]]), np.array([[0.7]])
    for loss in (nonsaturating, minimax):
        made = smoothed(loss, target)
        softplus = lambda x: np.log1p(np.exp(x))
        value = np.mean(target * softplus(-a) + (1 - target) * softplus(a)) + softplus(b).mean()
        assert (
            np.isclose(made.discriminator(a, b)[0], value) and made.name == f"smoothed({loss.name}, {target})"
        )
        assert made.generator(b)[0] == loss.generator(b)[0] and made.for_generator is loss.for_generator
        assert made.on_fake is loss.on_fake


def test_a_softmax_of_one_class_is_certain():
    y = np.array([[3.0], [-700.0]])
    loss, dy = softmax_cross_entropy(y, np.zeros(2, int))
    assert loss == 0 and not dy.any() and np.array_equal(softmax(y), np.ones((2, 1)))
    y = np.array([[1000.0, 0.0, -1000.0]])
    assert softmax_cross_entropy(y, np.array([2]))[0] == 2000 and softmax(y).tolist() == [[1, 0, 0]]
    p, ty = softmax(np.array([[0.0, np.log(3)]])), np.array([[2.0, 6.0]])
    tangent = softmax_cross_entropy.tangent(np.array([[0.0, np.log(3)]]), ty, np.array([0]))
    assert np.allclose(p, [[0.25, 0.75]]) and np.allclose(tangent, [[0.25 * -3, 0.75 * 1]])


def test_rows_of_a_softmax_do_not_disturb_each_other():
    y = np.array([[0.0, np.log(3)], [2000.0, 2000.0], [-2000.0, -2000.0]])
    assert np.allclose(softmax(y), [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    loss, dy = softmax_cross_entropy(y, np.array([0, 1, 0]))
    assert np.isclose(loss, (np.log(4) + 2 * np.log(2)) / 3)
    assert np.allclose(3 * dy, [[-0.75, 0.75], [0.5, -0.5], [-0.5, 0.5]])


def test_a_curve_is_a_mean_and_a_hessian_vector_product():
    x, tx = np.array([[1.0, -2.0], [0.5, 4.0]]), np.array([[1.0, 2.0], [3.0, -1.0]])
    square = Curve(lambda x: x**2, lambda x: 2 * x, lambda x: 2 + 0 * x)
    value, d = square.mean(x)
    assert value == 21.25 / 4 and np.array_equal(d, x / 2) and np.array_equal(square.tangent(x, tx), tx / 2)
    assert type(SOFTPLUS.mean(x.astype(np.float32))[0]) is float


# ---- pickling and names


@pytest.mark.parametrize(
    "loss",
    [
        *ADVERSARIAL.values(),
        *RELATIVISTIC.values(),
        *SMOOTHED,
        l1,
        l2,
        feature_matching,
        softmax_cross_entropy,
    ],
    ids=repr,
)
def test_a_loss_is_pickled_and_has_a_name(loss):
    back = pickle.loads(pickle.dumps(loss))
    assert repr(back) == repr(loss) == back.name and type(back) is type(loss)
    assert back is loss or loss in SMOOTHED or loss is feature_matching
    if loss in SMOOTHED:
        a = np.array([[0.5], [-1.0]])
        assert back.discriminator(a, a)[0] == loss.discriminator(a, a)[0]


def test_the_tables_have_every_loss_by_its_name():
    assert list(ADVERSARIAL) == ["minimax", "nonsaturating", "least_squares", "hinge", "wasserstein"]
    assert list(RELATIVISTIC) == ["relativistic_paired", "relativistic_average"]
    assert repr(Labelled(hinge)) == "Labelled(loss=hinge)"


# ---- refusals


def test_every_refusal_is_said_word_for_word():
    y = np.zeros((4, 2))
    shapes = "expected {} of shape (4, 2), got (4,); {}"
    assert said(ValueError, Labelled(hinge), y, np.zeros(4)) == (
        "Labelled(loss=hinge): " + shapes.format("labels", "give one label for each logit")
    )
    for loss in (l1, l2):
        message = f"{loss.name}: " + shapes.format("target", "reshape one of them")
        assert said(ValueError, loss, y, np.zeros(4)) == message
    assert said(ValueError, feature_matching, y, np.zeros((4, 3))) == (
        "feature_matching: expected as many features of real samples as of fakes, (2,), got (3,); "
        "take both from the same layer"
    )
    assert said(ValueError, relativistic_paired.discriminator, y, y[:3]) == (
        "relativistic_paired: expected as many real as fake logits, in one shape, got (4, 2) and (3, 2); "
        "draw batches of one size, or use relativistic_average"
    )
    for labels, got in (
        (np.zeros(3, int), "(3,) from 0 to 0"),
        (np.zeros((4, 1), int), "(4, 1) from 0 to 0"),
        (np.array([0, 1, 2, 1]), "(4,) from 0 to 2"),
        (np.array([0, 1, -1, 1]), "(4,) from -1 to 1"),
        (np.zeros(0, int), "(0,) "),
    ):
        assert said(ValueError, softmax_cross_entropy, y, labels) == (
            f"softmax_cross_entropy: expected 4 labels 0..1, got {got}"
        )
    assert said(TypeError, softmax_cross_entropy, y, np.zeros(4)) == (
        "softmax_cross_entropy: expected integer labels, got float64; convert them"
    )
    for loss, target in (
        (hinge, 0.9),
        (minimax, 0),
        (minimax, -0.5),
        (nonsaturating, 1.5),
        (minimax, None),
        (l1, 1),
    ):
        assert said(ValueError, smoothed, loss, target) == (
            "smoothed: expected minimax or nonsaturating and 0 < target <= 1, "
            f"got {loss!r} and {target!r}; the paper's target is 0.9"
        )
    assert said(ValueError, smoothed, None) == (
        "smoothed: expected minimax or nonsaturating and 0 < target <= 1, got None and 0.9; "
        "the paper's target is 0.9"
    )


def test_an_empty_batch_is_refused_word_for_word():
    none, one = np.zeros((0, 3)), np.zeros((2, 3))
    message = "loss: expected at least one sample, got {}; draw a batch"
    for call in (
        lambda: hinge.discriminator(none, one),
        lambda: hinge.discriminator(one, none),
        lambda: minimax.generator(none),
        lambda: relativistic_paired.discriminator(none, none),
        lambda: relativistic_average.discriminator(one, none),
        lambda: l2(none, none),
        lambda: feature_matching(none, one),
        lambda: feature_matching(one, none),
        lambda: Labelled(hinge)(none, none),
    ):
        assert said(ValueError, call) == message.format((0, 3))


def test_a_relativistic_loss_of_ones_own_defines_its_differences():
    class Own(RelativisticLoss):
        pass

    own, a = Own("own", SOFTPLUS), np.zeros((2, 1))
    assert said(TypeError, own.discriminator, a, a) == "own: define compare(self, a, b) -> (t, ...)"
    Own.compare = lambda self, a, b: (a - b,)
    assert said(TypeError, own.discriminator, a, a) == "own: define transpose(self, dts, a, b) -> (da, db)"
