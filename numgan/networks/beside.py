"""A network of pairs (x, y), with the label y as an additional input of every block."""

from ..layers import Condition, Embedding, Parallel, Pick, Sequential


def label_beside(classes, code, blocks, first=None):
    """(x, y (N,)) -> the output of the last block; every block also gets an embedding of y

    code     number of entries of the embedding
    classes  number of classes: y holds integers from 0 to classes - 1
    blocks   layers with `code` more input channels than x or the block before has, such as
             Dense(100 + code, 512), Dense(512 + code, 784)
    first    a layer for x before the first block, such as Flatten()
    """
    return Sequential(
        Parallel(first or Sequential(), Embedding(classes, code)), *map(Condition, blocks), Pick(0)
    )
