"""How many levels a size of pictures needs, which channels they have, and what is said of other sizes."""

import pytest

from numgan.networks import dcgan_discriminator, dcgan_generator, pooling_discriminator
from numgan.networks.sizes import LARGEST, STARTS, channels_of, levels_of, nearest

SIDES = {  # side: (start, levels)
    4: (2, 1),
    8: (2, 2),
    10: (5, 1),
    12: (3, 2),
    14: (7, 1),
    16: (4, 2),
    18: (9, 1),
    22: (11, 1),
    20: (5, 2),
    24: (6, 2),
    28: (7, 2),
    30: (15, 1),
    32: (4, 3),
    36: (9, 2),
    40: (5, 3),
    48: (6, 3),
    56: (7, 3),
    60: (15, 2),
    64: (4, 4),
    72: (9, 3),
    80: (5, 4),
    96: (6, 4),
    112: (7, 4),
    128: (4, 5),
    144: (9, 4),
    224: (7, 5),
    256: (4, 6),
}


def test_squares():
    for side, (start, levels) in SIDES.items():
        assert levels_of((side, side)) == ((start, start), levels) and side == start * 2**levels


@pytest.mark.parametrize(
    "size, start, levels",
    [
        ((48, 144), (3, 9), 4),
        ((32, 64), (2, 4), 4),
        ((64, 80), (4, 5), 4),
        ((8, 36), (2, 9), 2),
        ((20, 40), (5, 10), 2),
        ((28, 56), (7, 14), 2),
    ],
)
def test_unequal_sides_have_one_number_of_levels(size, start, levels):
    assert levels_of(size) == (start, levels) and levels_of(size[::-1]) == (start[::-1], levels)


@pytest.mark.parametrize(
    "size, near",
    [
        ((218, 178), ((192, 160), (160, 128))),
        ((70, 90), ((64, 80), (56, 72))),
        ((9, 13), ((8, 12), (8, 10))),
        ((34, 34), ((32, 32), (28, 28))),
        ((16, 128), ((16, 72), (16, 64))),
        ((768, 1024), ((96, 128), (112, 128))),
        ((7, 7), ((8, 8), (10, 10))),
    ],
)
def test_other_sizes_are_refused_with_the_nearest_ones(size, near):
    with pytest.raises(ValueError) as caught:
        levels_of(size)
    (a, b), (c, d) = near
    words = "the nearest sizes" if max(size) <= 256 else "sizes that train faster"
    assert nearest(size) == list(near) and str(caught.value) == (
        "expected pictures of start * 2^levels pixels a side, with starts from 2 to 15 and at most 256 "
        f"pixels, got {size[0]} x {size[1]}; {words} are {a} x {b} and {c} x {d}: crop and resize "
        f"the pictures, with --size {a}x{b} or load(..., size=({a}, {b}))"
    )


def test_every_size_has_an_answer_or_a_near_size_that_has_one():
    for height in range(1, 300, 7):
        for width in range(1, 300, 11):
            try:
                start, levels = levels_of((height, width))
            except ValueError:
                for size in nearest((height, width)):
                    levels_of(size)
            else:
                assert set(start) <= set(STARTS) and max(height, width) <= LARGEST
                assert (start[0] << levels, start[1] << levels) == (height, width)


def test_channels_halve_from_stage_to_stage():
    assert channels_of(2, 64) == (128, 64) and channels_of(4, 64) == (256, 128, 64, 32)
    assert channels_of(1, 32) == (32,) and channels_of(3, 32) == (96, 48, 24)
    assert channels_of(2, 64, 0.1) == (12, 6) and channels_of(3, 64, 0.001) == (2, 2, 2)


def test_networks_of_unequal_sides():
    G, D = dcgan_generator(5, (3, 9), (8, 4, 3, 2), 3), dcgan_discriminator((3, 9), (2, 3, 4, 8), 3)
    assert G.output_shape((5,)) == (48, 144, 3) and D.output_shape((48, 144, 3)) == (1,)
    assert G.output_shape((5,)) == dcgan_generator(5, [3, 9], (8, 4, 3, 2), 3).output_shape((5,))
    C = pooling_discriminator((9, 13), (2, 3), 4, 1, outputs=7)
    assert C.output_shape((9, 13, 1)) == (7,) and repr(C[7]) == "Dense(18, 4)"


def test_a_window_of_unequal_sides_doubles_and_halves_exactly():
    for kernel in ((3, 4), (5, 2), [1, 6], (4, 4), 4):
        G, D = dcgan_generator(5, (3, 2), (4, 2), 3, kernel), dcgan_discriminator((3, 2), (2, 4), 3, kernel)
        assert G.output_shape((5,)) == (12, 8, 3) and D.output_shape((12, 8, 3)) == (1,)
    assert repr(dcgan_generator(5, 3, (4, 2), 3, (4, 4))) == repr(dcgan_generator(5, 3, (4, 2), 3, 4))
    for kernel in (0, 2.5, (3, 4, 5), "5"):
        for make, name in ((dcgan_generator, "generator"), (dcgan_discriminator, "discriminator")):
            words = (5, 3, (4, 2), 3) if make is dcgan_generator else (3, (4, 2), 3)
            with pytest.raises(ValueError, match=f"dcgan_{name}: kernel: expected an integer of at least 1"):
                make(*words, kernel)


@pytest.mark.parametrize("channels", [(), [], 64, None, (64, 0), (64.5,), "64", (None,)])
def test_channels_are_a_tuple_of_counts(channels):
    for name, make in (
        ("dcgan_generator", lambda: dcgan_generator(5, 4, channels, 3)),
        ("dcgan_discriminator", lambda: dcgan_discriminator(4, channels, 3)),
        ("pooling_discriminator", lambda: pooling_discriminator(8, channels, 5, 3)),
    ):
        with pytest.raises(ValueError) as caught:
            make()
        assert str(caught.value) == (
            f"{name}: channels: expected a tuple of integers of at least 1, such as (128, 64), "
            f"got {channels!r}"
        )


def test_pictures_that_are_too_small_for_the_poolings():
    assert pooling_discriminator((4, 5), (2, 2), 3, 1).output_shape((4, 5, 1)) == (1,)
    with pytest.raises(ValueError, match="at least 4 pixels a side for 2 poolings, got 3 x 9; give fewer"):
        pooling_discriminator((3, 9), (2, 2), 3, 1)


@pytest.mark.parametrize("start", [0, -1, 2.0, "3", (3,), (3, 0), (3, 4, 5), None, True])
def test_a_start_is_an_integer_or_a_pair(start):
    for name, make in (
        ("dcgan_generator: start", lambda: dcgan_generator(5, start, (2,), 1)),
        ("dcgan_discriminator: end", lambda: dcgan_discriminator(start, (2,), 1)),
        ("pooling_discriminator: size", lambda: pooling_discriminator(start, (2,), 3, 1)),
    ):
        with pytest.raises(ValueError) as caught:
            make()
        assert str(caught.value) == (
            f"{name}: expected an integer of at least 1 or a pair of them, got {start!r}"
        )
