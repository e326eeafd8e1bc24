"""Comparison of pictures: by pixels, by windows, and as sets of patches at several scales.

Pictures are (N, H, W, C), channels last, with pixels from 0 to data_range; the default of data_range is 1.
PSNR and SSIM compare pairs of pictures. Use them for tasks with a correct answer: super-resolution,
inpainting and translation. The sliced Wasserstein distance compares two sets.
"""

import numpy as np

from ..core.arguments import is_number
from ..core.randomness import stream
from ..core.underflow import may_underflow
from .rows import real_array, rows, spans, whole

WINDOW, WIDTH, K1, K2 = 11, 1.5, 0.01, 0.03  # Wang et al. 2004, section III-C
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli and Bovik 2003, section 3.2
PATCH, PATCHES, DIRECTIONS, SMALLEST = 7, 128, 512, 16  # Karras et al. 2018, section 5 and its published code
MAPS = 16  # about so many arrays of a picture's size are in memory at once for each pair of pictures


@may_underflow
def psnr(pictures, reference, data_range=1.0):
    """The peak signal-to-noise ratio of each picture, in decibels: (N,) float64; inf for equal pictures.

    PSNR = 10 log10(R^2 / mean over H, W, C of (x - y)^2)

    pictures x, reference y (N, H, W, C)    pairs of pictures, pixels from 0 to R
    data_range R                            1, the default, or 255 for uint8

    Raises ValueError for shapes that do not fit, pictures out of range, non-finite or empty input.
    Source: the definition. Ledig et al. 2017 (SRGAN), section 2.2, use the luminance channel and cut off a
    border: state your choice.
    """
    x, y = _picture_pair("psnr", pictures, reference, data_range)
    mse = _in_blocks(x, y, lambda a, b: ((a - b) ** 2).mean(axis=(1, 2, 3)))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(float(data_range) ** 2 / mse)


@may_underflow
def ssim(pictures, reference, data_range=1.0):
    """The structural similarity of each picture and its reference: (N,) float64, at most 1.

    SSIM = (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2))
    C1 = (0.01 R)^2, C2 = (0.03 R)^2

    The means m, variances s^2 and covariance sxy are those of one window of 11 x 11 pixels. They are weighted
    by a Gaussian of width 1.5 pixels, whose weights sum to 1. The result is the mean of SSIM over all windows
    that fit into the picture, and over channels.

    pictures x, reference y (N, H, W, C)    pixels from 0 to R; H and W at least 11
    data_range R                            1, the default, or 255 for uint8

    Raises ValueError for shapes that do not fit, pictures too small or out of range, non-finite or empty
    input.
    Source: Wang et al. 2004, equations 13 to 16 and section III-C (without the authors' later halving of
    large pictures).
    """
    x, y = _picture_pair("ssim", pictures, reference, data_range, WINDOW)

    def measure(a, b):
        similarity, _ = _similarity(a, b, data_range)  # (n, C)
        return similarity.mean(axis=1)

    return _in_blocks(x, y, measure)


@may_underflow
def ms_ssim(pictures, reference, data_range=1.0):
    """The multi-scale structural similarity of each picture and its reference: (N,) float64, from 0 to 1.

    MS-SSIM = l_5^w5 prod_{s=1..5} cs_s^ws    cs_s, l_5: the factors of SSIM at scales s and 5
    w1, ..., w5 = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
    cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)    the second factor of SSIM, see ssim
    l = (2 mx my + C1) / (mx^2 + my^2 + C1)   the first factor

    Scale 1 is the picture. Scale s + 1 is scale s averaged over 2 x 2 pixels (a last odd row or column is
    left out). As is usual, cs of a scale is the mean over its windows (at scale 5, the mean of l cs). A mean
    below 0 is replaced by 0, because its power is not a real number. The result is the mean over channels.

    pictures, reference (N, H, W, C)    pixels from 0 to data_range; H and W at least 176 = 11 * 2^4
    data_range                          1, the default, or 255 for uint8

    Raises ValueError for shapes that do not fit, pictures too small or out of range, non-finite or empty
    input.
    Source: Wang, Simoncelli and Bovik 2003, section 3.
    """
    x, y = _picture_pair("ms_ssim", pictures, reference, data_range, WINDOW * 2 ** (len(WEIGHTS) - 1))
    return _in_blocks(x, y, lambda a, b: _scales(a, b, data_range))


@may_underflow
def sliced_wasserstein(x, y, directions=DIRECTIONS, seed=0):
    """The sliced Wasserstein-1 distance SW of two sets with equal numbers of rows, a float.

    It is the mean, over random directions u, of the one-dimensional distance of the two projected sets.

    SW = mean_u 1/N sum_i |sort(x u)_i - sort(y u)_i|

    x, y (N, D)     the two sets; SW is in their units. Rows (N, ...) are flattened
    directions      the number of random vectors u, uniform on the unit sphere of D dimensions; 512 by default
    seed            an integer from which these vectors are drawn, 0 by default

    For y = x + v, a shift by the vector v, SW is mean_u |u.v|; in one dimension |v|.

    Raises ValueError for shapes that do not fit, another number of rows, directions below 1, or non-finite or
    empty input.
    Source: Rabin et al. 2011, section 2; Karras et al. 2018, section 5.
    """
    where = "sliced_wasserstein"
    a = rows(where, "x", x, single=True)
    b = rows(where, "y", y, like=("x", a), single=True)
    if len(a) != len(b):
        raise ValueError(
            f"{where}: expected y with {len(a)} rows, like x, got {len(b)}; draw equal numbers from both sets"
        )
    u = stream(seed, where).standard_normal((whole(where, "directions", directions, 1), a.shape[1]))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    total = 0.0
    for span in spans(len(u), len(a)):
        total += np.abs(_sorted(a, u[span]) - _sorted(b, u[span])).mean(axis=1, dtype=np.float64).sum()
    return float(total / len(u))


@may_underflow
def laplacian_swd(real, fake, patches=PATCHES, directions=DIRECTIONS, seed=0, data_range=1.0):
    """{height: distance}: the sliced Wasserstein distance of patches at each level of a Laplacian pyramid.

    The height of a level is that of its pictures. Each level has half the size of the one before; the last
    has a shorter side of 16 to 31 pixels. A level is the difference between a picture and a smooth version of
    the picture, which was halved and doubled in size. So it contains details of one range of sizes. The last
    level is the remaining small picture.

    From each picture of a level, patches of 7 x 7 x C numbers are cut at `patches` random positions (128 by
    default). Each channel of a set is normalised to mean 0 and variance 1. Then sliced_wasserstein compares
    the two sets of patches. Both sets are cut at the same positions, so equal sets have distance 0 at every
    level.

    real, fake (N, H, W, C)    equal numbers of pictures, pixels from 0 to data_range; H and W at least 16,
                               and even at every level but the last
    directions                 the number of random directions of sliced_wasserstein, 512 by default
    seed                       an integer from which positions and directions are drawn, 0 by default
    data_range                 1, the default, or 255 for uint8

    The paper prints 1000 times these numbers, for 16,384 pictures. The patches of a level need a memory of
    2 * N * patches * 49 C numbers in float32.

    Raises ValueError for shapes that do not fit, pictures too small or out of range, non-finite or empty
    input.
    Source: Karras et al. 2018 (progressive growing), section 5; Burt and Adelson 1983 for the pyramid.
    """
    where = "laplacian_swd"
    # fake comes first: a message about shapes says that fake must have the shape of real
    x, y = _picture_pair(where, fake, real, data_range, SMALLEST, names=("fake", "real"))
    count = whole(where, "patches", patches, 1)
    n, height, width, _ = x.shape
    halvings = (min(height, width) // SMALLEST).bit_length() - 1  # the largest h with side / 2^h >= 16
    if height % 2**halvings or width % 2**halvings:
        raise ValueError(
            f"{where}: expected pictures whose sides can be halved {halvings} times, got {height} x {width}; "
            "crop or resize them"
        )
    out = {}
    for level, (a, b) in enumerate(zip(_pyramid(x, halvings), _pyramid(y, halvings))):
        h, w = a.shape[1:3]
        # row (0 to h - 7) and column (0 to w - 7) of the first pixel of each patch
        places = stream(seed, where, level).integers(
            [[[0, 0]]], [[[h - PATCH + 1, w - PATCH + 1]]], size=(n, count, 2)
        )
        out[h] = sliced_wasserstein(_cut(a, places), _cut(b, places), directions, seed)
    return out


def _picture_pair(where, x, y, data_range, side=1, names=("pictures", "reference")):
    """The pictures x and y as a list of two arrays (N, H, W, C), after a check.

    where         the name of the metric, for messages
    data_range    the largest value that a pixel may have; the smallest is 0
    side          the smallest height and width, 1 by default
    names         the names of the arguments x and y, for messages

    Raises ValueError for pictures that do not have four axes, too small, out of range, non-finite or empty,
    or if the shapes of x and y differ.
    """
    if not is_number(data_range) or not data_range:
        raise ValueError(
            f"{where}: expected data_range a finite number above 0, got {data_range!r}; it is 1 for pictures "
            "in 0..1"
        )
    read = []
    for name, pictures in zip(names, (x, y)):
        a = real_array(where, name, pictures, "(N, H, W, C)")
        if a.ndim != 4 or min(a.shape[1:3]) < side:
            raise ValueError(
                f"{where}: expected {name} (N, H, W, C) with sides of at least {side} pixels, got {a.shape}; "
                f"a grey picture has C = 1, and larger pictures are needed for {where}"
            )
        if a.min() < 0 or a.max() > data_range:
            raise ValueError(
                f"{where}: expected {name} in 0..{data_range:g}, the data range, "
                f"got {a.min():g} to {a.max():g}; pictures in [-1, 1] are (x + 1) / 2, "
                "and uint8 ones have data_range=255"
            )
        read.append(a)
    first, second = read
    if first.shape != second.shape:
        raise ValueError(
            f"{where}: expected {names[0]} {second.shape}, the shape of {names[1]}, got {first.shape}; "
            f"give as many, of the same size"
        )
    return read


def _in_blocks(x, y, measure):
    """The result of measure(x, y) for all N pairs of pictures, computed for a few pairs at a time.

    x and y (N, H, W, C) are converted to float64. `measure` is a function of two arrays (n, H, W, C) with one
    number, or one row of numbers, for each of the n pairs. The result is an array with N numbers or rows.
    A few pairs at a time need a bounded amount of memory.
    """
    blocks = spans(len(x), MAPS * x[0].size)  # x[0].size is H * W * C
    return np.concatenate([measure(x[s].astype(np.float64), y[s].astype(np.float64)) for s in blocks])


def _filter(x, taps, axis):
    """The correlation of x (N, H, W, C) with the vector `taps` along one axis.

    It is computed at the positions where all taps lie inside x: this axis becomes len(taps) - 1 shorter.
    """
    n = x.shape[axis] - len(taps) + 1
    before = (slice(None),) * axis  # all entries of the axes before this one
    return sum(tap * x[(*before, slice(i, i + n))] for i, tap in enumerate(taps))


def _similarity(x, y, data_range):
    """(mean of l cs, mean of cs) over all windows of each pair of pictures x, y (N, H, W, C): both (N, C).

    l is the first factor of SSIM, which compares means; cs is the second, which compares variances and
    covariance.

    l = (2 mx my + C1) / (mx^2 + my^2 + C1)          cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)

    The means m, variances s^2 and covariance sxy are those of one window of 11 x 11 pixels, weighted by a
    Gaussian. C1 = (0.01 data_range)^2 and C2 = (0.03 data_range)^2.
    """
    # the Gaussian's weights in one dimension; those of the window are the products of two
    taps = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / WIDTH) ** 2)
    taps /= taps.sum()

    def smooth(a):  # the weighted mean of each window
        return _filter(_filter(a, taps, 1), taps, 2)

    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mx, my = smooth(x), smooth(y)
    # sxy = mean(x y) - mx my, sx^2 = mean(x^2) - mx^2
    cs = (2 * (smooth(x * y) - mx * my) + c2) / (smooth(x * x) - mx * mx + smooth(y * y) - my * my + c2)
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    return (luminance * cs).mean(axis=(1, 2)), cs.mean(axis=(1, 2))


def _scales(x, y, data_range):
    """The MS-SSIM (N,) of the pairs of pictures x, y (N, H, W, C): the mean over channels of

    max(mean of l cs at the last scale, 0)^w_last prod over the other scales of max(mean of cs, 0)^w

    The exponents w are WEIGHTS, l and cs are the factors of SSIM (see `_similarity`), and pixels are from 0
    to data_range.
    """
    *weights, last = WEIGHTS
    product = 1.0
    for weight in weights:
        _, cs = _similarity(x, y, data_range)
        product = product * np.maximum(cs, 0) ** weight
        x, y = _halved(x), _halved(y)
    whole_similarity, _ = _similarity(x, y, data_range)
    return (product * np.maximum(whole_similarity, 0) ** last).mean(axis=1)


def _halved(x):
    """The means of 2 x 2 pixels of x (N, H, W, C), an array (N, H // 2, W // 2, C).

    A last odd row or column is left out.
    """
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def _blur(x):
    """The pictures x (N, H, W, C), smoothed with the weights (1, 4, 6, 4, 1) / 16 along height and width.

    The border is mirrored, so the shape stays.
    """
    for axis in (1, 2):
        edge = [(2, 2) if a == axis else (0, 0) for a in range(4)]
        x = _filter(np.pad(x, edge, mode="reflect"), np.array([1, 4, 6, 4, 1], np.float32) / 16, axis)
    return x


def _pyramid(x, halvings):
    """Yield the levels of the Laplacian pyramid of the pictures x (N, H, W, C), the largest level first.

    There are halvings + 1 levels. Level l is (N, H / 2^l, W / 2^l, C), float32. A level is the difference
    between the pictures and a smooth version of them, which was halved and doubled in size. The last level
    holds the remaining small pictures.
    """
    x = x.astype(np.float32)
    for _ in range(halvings):
        small = _blur(x)[:, ::2, ::2]
        stretched = np.zeros_like(x)
        stretched[:, ::2, ::2] = 4 * small  # factor 4, because three quarters of the pixels are 0
        yield x - _blur(stretched)
        x = small
    yield x


def _cut(x, places):
    """P patches of each picture of x (N, H, W, C), as rows (N P, 7 * 7 * C).

    Every channel is normalised to mean 0 and variance 1 over all patches; a constant channel becomes 0.
    places (N, P, 2) holds the row and column of the first pixel of each patch.
    """
    # the indices of all pixels of all patches: arrays that broadcast to (N, P, 7, 7)
    steps = np.arange(PATCH)
    picture = np.arange(len(x))[:, None, None, None]
    down, across = places[..., 0, None, None] + steps[:, None], places[..., 1, None, None] + steps
    found = x[picture, down, across].reshape(-1, PATCH * PATCH, x.shape[3])
    mean, std = found.mean(axis=(0, 1), dtype=np.float64), found.std(axis=(0, 1), dtype=np.float64)
    found = (found - mean.astype(np.float32)) / np.where(std > 0, std, 1).astype(np.float32)
    return found.reshape(len(found), -1)


def _sorted(x, u):
    """The products u.x of the rows of x (N, D) with the vectors u (K, D), sorted for each vector: (K, N)."""
    return np.sort(u.astype(x.dtype) @ x.T, axis=1)
