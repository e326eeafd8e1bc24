"""The multilayer perceptron: Dense layers with activations between them."""

from ..layers import Dense, ReLU, Sequential
from ..layers.initializers import he


def mlp(*sizes, activation=ReLU, last=None, init=he):
    """A Sequential of Dense layers of the given sizes, with activations between them.

        mlp(2, 128, 128, 1)      x (N, 2) -> y (N, 1), two hidden layers of 128 units

    The layers are Dense(sizes[0], sizes[1]), activation(), Dense(sizes[1], sizes[2]), ..., last().

    activation   a class of layers, ReLU by default; there is no activation() after the last Dense
    last         a class of layers for the end, such as Tanh; None, the default: no such layer
    init         the initialiser of the weights, `he` by default

    Raises ValueError for fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp: expected at least two sizes, got {sizes}; give those of input and output")
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [Dense(inputs, outputs, init=init), activation()]
    return Sequential(*layers[:-1], *([last()] if last else []))
