"""A label beside the input of every block: how a network becomes one of pairs (x, y)."""

from ..layers import Condition, Embedding, Parallel, Pick, Sequential


def label_beside(classes, code, blocks, first=None):
    """(x, y (N,)) -> the last block's output: the label becomes `code` numbers that stand beside the input of every block

    blocks   take `code` channels more than the one before gives: Dense(100 + code, 512), Dense(512 + code, 784)
    first    a layer that x goes through before, such as Flatten()
    """
    return Sequential(
        Parallel(first or Sequential(), Embedding(classes, code)), *map(Condition, blocks), Pick(0)
    )
