"""The natural order of names: numbers in names count as numbers, so "2" is before "10"."""

import re

import numpy as np


def natural(word):
    """The key by which names are sorted in natural order: sorted(words, key=natural)."""
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    # The number of digits comes first: the longer number is the larger one, however long both are.
    numbers = [part.lstrip("0") if part.isdecimal() else None for part in parts]
    keys = zip(numbers, parts, strict=True)
    return [(1, 0, part) if number is None else (0, len(number), number) for number, part in keys], word


def numbered(words):
    """(labels (N,) int64, classes) of N words. Classes are in natural order: 2 before 10, a2 before a10."""
    signed = all(re.fullmatch(r"-?[0-9]+", word) for word in words)
    classes = tuple(sorted(set(words), key=int if signed else natural))
    places = {word: k for k, word in enumerate(classes)}
    return np.array([places[word] for word in words], np.int64), classes
