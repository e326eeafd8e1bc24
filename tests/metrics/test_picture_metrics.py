"""Metrics of pictures: by the formula, by scikit-image, and on pictures whose difference is known."""

import math

import numpy as np
import pytest
from metric_cases import normal, uniform
from skimage.metrics import structural_similarity

from numgan import metrics
from numgan.core.randomness import stream
from numgan.metrics import pictures
from numgan.metrics import rows as reading
from numgan.metrics.pictures import _blur, _cut, _halved, _pyramid


def test_psnr():
    x = np.full((3, 5, 4, 1), 0.5, np.float32)
    y = x + np.array([0, 0.1, 0.5], np.float32)[:, None, None, None]
    np.testing.assert_allclose(metrics.psnr(x, y), [np.inf, 20, 10 * math.log10(4)], rtol=1e-6)
    a, b = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 51, np.uint8)
    assert metrics.psnr(a, b, data_range=255)[0] == pytest.approx(20 * math.log10(5))


def test_ssim_of_one_window_by_the_formula():
    x, y = uniform("x", 1, 11, 11, 1), uniform("y", 1, 11, 11, 1)
    w = np.array(
        [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    )
    w /= w.sum()
    a, b = x[0, :, :, 0], y[0, :, :, 0]
    ma, mb = (w * a).sum(), (w * b).sum()
    va, vb, cov = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    assert metrics.ssim(x, y)[0] == pytest.approx(expected, rel=1e-10)
    assert metrics.ssim(255 * x, 255 * y, data_range=255)[0] == pytest.approx(expected, rel=1e-10)


def test_ssim(monkeypatch):
    x, y = uniform("x", 5, 17, 23, 3).astype(np.float32), uniform("y", 5, 17, 23, 3).astype(np.float32)
    np.testing.assert_allclose(metrics.ssim(x, x), 1, rtol=1e-12)
    whole = metrics.ssim(x, y)
    monkeypatch.setattr(reading, "BLOCK", 1)
    np.testing.assert_allclose(
        whole, metrics.ssim(y, x), rtol=1e-12
    )  # symmetric, and the same picture by picture
    windows = [
        metrics.ssim(x[:1, i : i + 11, j : j + 11], y[:1, i : i + 11, j : j + 11])[0]
        for i in range(7)
        for j in range(13)
    ]
    assert whole[0] == pytest.approx(np.mean(windows))
    flat = (
        np.full((1, 11, 11, 1), 0.2),
        np.full((1, 11, 11, 1), 0.6),
    )  # no variance: the luminance factor alone
    assert metrics.ssim(*flat)[0] == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4))


def test_ssim_against_scikit_image():
    x, y = uniform("x", 40, 33), uniform("y", 40, 33)
    _, full = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
    )
    assert metrics.ssim(x[None, :, :, None], y[None, :, :, None])[0] == pytest.approx(
        full[5:-5, 5:-5].mean(), rel=1e-9
    )


def test_ms_ssim():
    x = uniform("x", 2, 177, 180, 2).astype(np.float32)
    np.testing.assert_allclose(metrics.ms_ssim(x, x), 1, rtol=1e-12)
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    flat = np.full((1, 176, 176, 1), 0.2), np.full((1, 176, 176, 1), 0.6)
    luminance = (2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert metrics.ms_ssim(*flat)[0] == pytest.approx(luminance ** weights[4])
    y = np.clip(x + 0.2 * normal("n", *x.shape), 0, 1)
    a, b, expected = x[..., :1].astype(float), y[..., :1], 1.0
    for scale, weight in enumerate(weights):
        taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
        w = np.outer(taps, taps) / taps.sum() ** 2
        view = lambda z: np.lib.stride_tricks.sliding_window_view(z[0, :, :, 0], (11, 11))
        mean = lambda z: np.einsum("ijkl,kl->ij", z, w)
        va, vb = view(a), view(b)
        ma, mb = mean(va), mean(vb)
        cs = (2 * (mean(va * vb) - ma * mb) + 9e-4) / (mean(va**2) - ma**2 + mean(vb**2) - mb**2 + 9e-4)
        light = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
        expected *= (light * cs if scale == 4 else cs).mean() ** weight
        a, b = (
            np.stack(
                [
                    z[:, i : z.shape[1] // 2 * 2 : 2, j : z.shape[2] // 2 * 2 : 2]
                    for i in (0, 1)
                    for j in (0, 1)
                ]
            ).mean(axis=0)
            for z in (a, b)
        )
    assert (
        metrics.ms_ssim(x[:1, ..., :1], y[:1, ..., :1])[0] == pytest.approx(expected, rel=1e-9)
        and 0.3 < expected < 0.99
    )
    assert np.all(metrics.ms_ssim(x, 1 - x) == 0)  # a negative picture: contrast of the other sign


def test_sliced_wasserstein():
    x = normal("x", 500, 1)
    assert metrics.sliced_wasserstein(x, x + 0.75) == pytest.approx(0.75)
    assert metrics.sliced_wasserstein(x, 2 * x) == pytest.approx(np.abs(x).mean())
    assert metrics.sliced_wasserstein(x, x[::-1]) == 0
    x = normal("x", 300, 3)  # the mean of |u.v| over the sphere in three dimensions is |v| / 2
    assert metrics.sliced_wasserstein(x, x + [0, 0, 2.0], directions=20_000) == pytest.approx(1, rel=0.02)
    a, b = normal("a", 4000, 1), 1 + normal("b", 4000, 1)
    assert metrics.sliced_wasserstein(a, b) == pytest.approx(1, abs=0.1)  # W1 of N(0, 1) and N(1, 1)
    assert metrics.sliced_wasserstein(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(
        metrics.sliced_wasserstein(a, b), rel=1e-5
    )


def test_pyramid():
    x = uniform("x", 2, 64, 32, 3).astype(np.float32)
    assert [level.shape[1:3] for level in _pyramid(x, 1)] == [(64, 32), (32, 16)]
    fine, coarse = _pyramid(x, 1)
    stretched = np.zeros_like(x)
    stretched[:, ::2, ::2] = coarse
    np.testing.assert_allclose(fine + 4 * _blur(stretched), x, atol=1e-6)  # nothing is lost
    flat = list(_pyramid(np.full((1, 64, 64, 1), 0.3), 2))
    assert all(np.abs(level).max() < 1e-6 for level in flat[:2])
    np.testing.assert_allclose(flat[2], 0.3, rtol=1e-6)
    corner = _blur(np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1))[0, 0, 0, 0]
    assert corner == pytest.approx(
        7 * (2 * 4 * 1 + 2 * 1 * 2) / 16
    )  # mirrored about the first pixel: 2, 1, 0, 1, 2 steps
    impulse = np.zeros((1, 9, 9, 1), np.float32)
    impulse[0, 4, 4] = 256
    np.testing.assert_allclose(_blur(impulse)[0, 2:7, 2:7, 0], np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]))
    np.testing.assert_allclose(_halved(np.arange(15.0).reshape(1, 3, 5, 1))[0, :, :, 0], [[3, 5]])


def test_patches():
    x = uniform("x", 3, 16, 20, 2).astype(np.float32)
    places = np.array([[[0, 0], [9, 13]], [[4, 5], [2, 2]], [[1, 7], [9, 0]]])
    cut = _cut(x, places).reshape(6, 7, 7, 2)
    np.testing.assert_allclose(cut.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(cut.std(axis=(0, 1, 2)), 1, rtol=1e-5)
    raw = np.stack([x[n, r : r + 7, c : c + 7] for n, rows in enumerate(places) for r, c in rows])
    np.testing.assert_allclose(cut, (raw - raw.mean(axis=(0, 1, 2))) / raw.std(axis=(0, 1, 2)), atol=1e-5)


def test_many_patches_are_still_of_variance_one():
    """A float32 sum over hundreds of thousands of pixels loses digits."""
    x = (200 + uniform("x", 1, 16, 16, 2)).astype(np.float32)
    cut = _cut(x, stream(0, "places").integers(0, 10, (1, 10_000, 2))).reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(cut.std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(cut.mean(axis=0), 0, atol=1e-3)


def test_patches_are_cut_at_every_place_of_every_level(monkeypatch):
    """Where a patch fits: at 0 to H - 7 and 0 to W - 7. Both sets are cut at the same places."""
    cut, seen = pictures._cut, []
    watched = lambda x, places: seen.append((x.shape[1:3], places)) or cut(x, places)
    monkeypatch.setattr(pictures, "_cut", watched)
    x = uniform("x", 40, 32, 48, 1)
    metrics.laplacian_swd(x, x, patches=128, directions=1)
    assert [shape for shape, _ in seen] == [(32, 48), (32, 48), (16, 24), (16, 24)]
    for (shape, places), (_, others) in zip(seen[::2], seen[1::2]):
        assert places.shape == (40, 128, 2) and np.array_equal(places, others)
        for axis in (0, 1):
            assert np.array_equal(np.unique(places[..., axis]), np.arange(shape[axis] - 6))


def test_laplacian_swd():
    x, y = uniform("x", 40, 64, 64, 1).astype(np.float32), uniform("y", 40, 64, 64, 1).astype(np.float32)
    assert metrics.laplacian_swd(x, x, patches=8, directions=16) == {64: 0, 32: 0, 16: 0}
    same = metrics.laplacian_swd(x, y, patches=32, directions=64)
    blurred = metrics.laplacian_swd(x, np.clip(_blur(y), 0, 1), patches=32, directions=64)
    assert blurred[64] > 2 * same[64] and same == metrics.laplacian_swd(x, y, patches=32, directions=64)
    assert list(metrics.laplacian_swd(x[:, :28, :28], y[:, :28, :28], patches=8, directions=8)) == [28]
    assert metrics.laplacian_swd(np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3))) == {16: 0}


def test_levels_are_counted_along_the_shorter_side():
    rng = np.random.default_rng(0)
    for shape, levels in (
        ((16, 48), [16]),
        ((48, 16), [48]),
        ((32, 64), [32, 16]),
        ((64, 32), [64, 32]),
        ((31, 16), [31]),
    ):
        x, y = rng.random((2, 3, *shape, 1))
        assert list(metrics.laplacian_swd(x, y, patches=4, directions=5)) == levels


def test_pixels_out_of_their_range_are_refused():
    x = np.linspace(0, 2, 400).reshape(1, 20, 20, 1)
    assert metrics.ssim(x, x, data_range=2.0) == 1 and metrics.psnr(x, x, data_range=2.0) == np.inf
    for wrong in (x - 1e-3, x + 1e-3):
        for call in (
            lambda: metrics.ssim(wrong, x, data_range=2.0),
            lambda: metrics.ssim(x, wrong, data_range=2.0),
        ):
            with pytest.raises(ValueError, match="^ssim: expected (pictures|reference) "):
                call()


def test_each_channel_of_a_picture_is_compared_by_itself():
    """Then the mean is taken: of the powers, not the power of a mean."""
    rng = np.random.default_rng(1)
    x = rng.random((1, 180, 177, 3))
    y = np.clip(x + np.array([0.05, 0.2, 0.4]) * rng.standard_normal(x.shape), 0, 1)
    for measure in (metrics.ssim, metrics.ms_ssim):
        apart = [measure(x[..., c : c + 1], y[..., c : c + 1])[0] for c in range(3)]
        assert np.ptp(apart) > 0.02 and np.isclose(measure(x, y)[0], np.mean(apart), rtol=1e-9)
