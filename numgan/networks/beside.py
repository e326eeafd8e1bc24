"""A network of pairs (x, y): every block of layers gets the label y as an additional input."""

from ..layers import Condition, Embedding, Parallel, Pick, Sequential


def label_beside(classes, code, blocks, first=None):
    """A network (x, y (N,)) -> the output of the last block.

    Every block also gets an embedding of the label y. classes  number of classes: y holds integers from 0 to
    classes - 1
    code     number of entries of the embedding
    blocks   layers, in order. Each has `code` more input channels than x or the block before it has, such as
             Dense(100 + code, 512), Dense(512 + code, 784)
    first    a layer for x before the first block, such as Flatten(); None: no such layer
    """
    return Sequential(
        Parallel(first or Sequential(), Embedding(classes, code)), *map(Condition, blocks), Pick(0)
    )
