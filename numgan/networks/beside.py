"""A network of pairs (x, y): a sample x and its label y, which every block of layers gets as more input."""

from ..layers import Condition, Embedding, Parallel, Pick, Sequential


def label_beside(classes, code, blocks, first=None):
    """A conditional network (x, y) -> the output of the last block. y (N,) are labels of the samples x.

    An Embedding maps each label to a vector. The input of a block is the output of the block before it,
    concatenated with this vector along the last axis. The first block has x, or first(x), in place of
    such an output. In a picture every pixel gets the same vector.

    classes  number of classes: y holds integers from 0 to classes - 1
    code     number of entries of the vector
    blocks   a list of layers or networks, in order. The input channels of a block include `code`, such
             as Dense(100 + code, 512) for x of 100 numbers, then Dense(512 + code, 784)
    first    a layer for x before the first block, such as Flatten(); None, the default: no such layer

    Returns a Sequential. Its input is a pair, a tuple (x, y).
    """
    return Sequential(
        Parallel(first or Sequential(), Embedding(classes, code)), *map(Condition, blocks), Pick(0)
    )
