"""The small networks of many presets: their layers and sizes."""

import pytest

from numgan.layers import Dense, LeakyReLU, ReLU, Tanh
from numgan.networks import digit_discriminator, digit_generator, plane_discriminator, plane_generator


def sizes(net):
    return [layer.parameter_shapes()["W"] for layer in net if isinstance(layer, Dense)]


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_networks_of_the_plane_have_so_many_hidden_layers(hidden):
    inner = [(5, 5)] * (hidden - 1)
    assert sizes(plane_generator(5, hidden)) == [(2, 5), *inner, (5, 2)]
    assert sizes(plane_discriminator(5, hidden)) == [(2, 5), *inner, (5, 1)]
    for net, kind in ((plane_generator(5, hidden), ReLU), (plane_discriminator(5, hidden), LeakyReLU)):
        assert [type(layer) for layer in net] == [Dense, kind] * hidden + [Dense]


def test_two_hidden_layers_are_the_default():
    assert len(plane_generator(5)) == len(plane_discriminator(5)) == 5


def test_networks_of_the_digits():
    generator, discriminator = digit_generator(7), digit_discriminator(7, ReLU)
    assert sizes(generator) == [(32, 7), (7, 7), (7, 64)] and sizes(discriminator) == [(64, 7), (7, 7), (7, 1)]
    assert any(isinstance(layer, Tanh) for layer in generator)
    assert not any(type(layer) is LeakyReLU for layer in discriminator)
    assert generator.output_shape((32,)) == (8, 8, 1) and discriminator.output_shape((8, 8, 1)) == (1,)
