"""A label beside the input of every block: how a network becomes one of pairs (x, y)."""

from ..layers import Condition, Embedding, Parallel, Sequential, Take


def label_beside(classes, code, blocks):
    """(x, y (N,)) -> the last block's output: the label becomes `code` numbers that stand beside the input of every block

    Blocks are layers that take `code` numbers more than the block before gives: Dense(100 + code, 512), Dense(512 + code, 784).
    """
    return Sequential(Parallel(Sequential(), Embedding(classes, code)), *map(Condition, blocks), Take(0))
