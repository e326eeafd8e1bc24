"""The natural order of names: numbers in names count as numbers, so "2" is before "10"."""

import re

import numpy as np


def natural(word):
    """The key by which names are sorted in natural order: sorted(words, key=natural)."""
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], word


def numbered(words):
    """(labels (N,) int64, classes) of N words. Classes are in natural order: 2 before 10, a2 before a10."""
    signed = all(re.fullmatch(r"-?[0-9]+", word) for word in words)
    classes = tuple(sorted(set(words), key=int if signed else natural))
    places = {word: k for k, word in enumerate(classes)}
    return np.array([places[word] for word in words], np.int64), classes
