"""A network of pairs (x, y): a sample x and its label y, which every block of layers gets as more input."""

from ..layers import Condition, Embedding, Parallel, Pick, Sequential


def label_beside(classes, code, blocks, first=None):
    """A conditional network (x, y) -> the output of the last block; y (N,) are the labels of the samples x.

    A block is a layer or a network, one of the list `blocks`. The labels are mapped to vectors by an
    Embedding. The input of every block is the output of the block before it (x for the first block),
    concatenated with this vector.

    classes  number of classes: y holds integers from 0 to classes - 1
    code     number of entries of the vector
    blocks   the blocks, in order. Each has `code` more input channels than x or the block before it
             gives, such as Dense(100 + code, 512), Dense(512 + code, 784)
    first    a layer for x before the first block, such as Flatten(); None, the default: no such layer

    Returns a Sequential. Its input is a pair, a tuple (x, y).
    """
    return Sequential(
        Parallel(first or Sequential(), Embedding(classes, code)), *map(Condition, blocks), Pick(0)
    )
