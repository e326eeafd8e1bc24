"""Small systems of `hacks`, and a D that shows what it was given, for tests of the two-player game."""

from numgan import data
from numgan.layers import Sequential
from numgan.systems import build
from numgan.training import loop as training

DIGITS = data.load("digits")


def narrow(preset="digits", **switches):
    return build("hacks", preset, 0.01).setting(**switches)


class Ear(Sequential):
    """A D that hears what it is given."""

    def forward(self, p, x, run):
        self.heard.append(x)
        return super().forward(p, x, run)


def steps(system, state, count, seed=3):
    feed = DIGITS.feed(8, seed, system.pixels)
    return [training.advance(system, state, feed, seed) for _ in range(count)]
