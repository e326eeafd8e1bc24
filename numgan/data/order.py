"""The natural order of names: numbers in names count as numbers, so "2" is before "10"."""

import re

import numpy as np


def natural(word):
    """The key of a text for sorting in natural order: sorted(words, key=natural).

    In the texts each group of digits counts as a number: "a2" is before "a10". Numbers are before other text.
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    # The number of digits comes first: the longer number is the larger one, however long both are. The word
    # itself comes last: it orders words such as 1 and 01, whose numbers are equal.
    numbers = [part.lstrip("0") if part.isdecimal() else None for part in parts]
    keys = zip(numbers, parts, strict=True)
    return [(1, 0, part) if number is None else (0, len(number), number) for number, part in keys], word


def numbered(words):
    """(labels (N,) int64, classes) of a list of N words: classes[labels[row]] is the word of the row.

    The classes are the different words, a tuple. They are in natural order: 2 before 10, a2 before a10. If
    all words are integers, such as -1, they are in the order of the numbers.
    """
    signed = all(re.fullmatch(r"-?[0-9]+", word) for word in words)
    classes = tuple(sorted(set(words), key=int if signed else natural))
    places = {word: k for k, word in enumerate(classes)}
    return np.array([places[word] for word in words], np.int64), classes
